//! `[energy]`: which energy, inline or from files.

use super::mixture::{self, MixtureEntry};
use super::reader::Section;
use super::training::Train;
use crate::error::Result;
use serde::Serialize;
use toml::Value;

/// `[energy]`.
#[derive(Clone, Debug, Serialize)]
pub struct Energy {
    /// Which, with its coefficients.
    #[serde(flatten)]
    pub kind: EnergyKind,
    /// Fields, couplings (and cells) as `train` wrote them: an `.npz` file, or a run directory.
    pub parameters: Option<String>,
    /// Independent copies side by side.
    pub copies: usize,
}

/// `energy.kind` and the keys that belong to it.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum EnergyKind {
    /// ½xᵀPx − bᵀx.
    Quadratic {
        precision: Matrix,
        linear: Option<Vec<f64>>,
    },
    /// Quartic cells; in training the nodes come from the data.
    SoftSpin {
        j2: Vec<f64>,
        j4: Vec<f64>,
        fields: Option<Vec<f64>>,
        couplings: Pairs,
    },
    /// Spins; in training the nodes come from the data.
    Ising {
        fields: Option<Vec<f64>>,
        couplings: Pairs,
        #[serde(flatten, skip_serializing_if = "Option::is_none")]
        on_graph: Option<OnGraph>,
    },
    /// Bipartite.
    Rbm {
        visible: usize,
        hidden: usize,
        units: String,
        weights: Matrix,
        fields: Option<Vec<f64>>,
        j2: f64,
        j4: f64,
    },
    /// Σ_k w_k N(μ_k, Σ_k).
    Mixture(MixtureEntry),
    /// Σ ½ e_L (φ − φ_x)² − e_J cos φ, fluxes in flux quanta.
    FluxCells {
        josephson: f64,
        inductive: f64,
        flux: Vec<f64>,
    },
    /// ½[(x²−1)² + (y²−1)²].
    FourWells,
    /// B Σ (x² − 1)².
    DoubleWell { barrier: f64, dim: usize },
    /// −Σ_f W_f(x) Π s over spins and categories.
    Factors {
        variables: Vec<String>,
        factors: Vec<FactorEntry>,
        colouring: Option<Vec<Vec<usize>>>,
    },
}

/// An entry of `energy.factors`: `{ nodes, weight }` is −weight Π s over spins, `{ nodes, table }` −table(x), and
/// `{ nodes, spins, table }` −table(x) Π s.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct FactorEntry {
    pub nodes: Vec<usize>,
    pub spins: Vec<usize>,
    pub weight: Option<f64>,
    pub table: Option<Vec<f64>>,
}

/// Spins on a topology in a card's words (`"open 500x500 Z1"`), every coupling `coupling` + `coupling_sigma` · N(0, 1) and every
/// field likewise, drawn from the number of the instance (without one, from the experiment's seed).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct OnGraph {
    pub graph: String,
    pub coupling: f64,
    pub coupling_sigma: f64,
    pub field: f64,
    pub field_sigma: f64,
    pub instance: Option<u64>,
}

const ON_GRAPH: &[&str] = &[
    "coupling",
    "coupling_sigma",
    "field",
    "field_sigma",
    "instance",
];

fn on_graph(s: &Section<'_>) -> Result<Option<OnGraph>> {
    let Some(graph) = s.optional_text("graph")? else {
        if let Some((key, value)) = ON_GRAPH.iter().find_map(|key| Some((key, s.get(key)?))) {
            let expected = "graph beside it, whose couplings or fields it draws";
            return Err(s.invalid(key, value, expected));
        }
        return Ok(None);
    };
    let listed = ["fields", "couplings", "couplings_file", "parameters"];
    if let Some((key, value)) = listed.iter().find_map(|key| Some((key, s.get(key)?))) {
        return Err(s.invalid(key, value, "no such list beside graph, which makes its own"));
    }
    let sigma = |key: &str| match (s.float(key, 0.0)?, s.get(key)) {
        (sigma, Some(value)) if sigma < 0.0 => Err(s.invalid(key, value, "zero or more")),
        (sigma, _) => Ok(sigma),
    };
    Ok(Some(OnGraph {
        graph,
        coupling: s.float("coupling", 0.0)?,
        coupling_sigma: sigma("coupling_sigma")?,
        field: s.float("field", 0.0)?,
        field_sigma: sigma("field_sigma")?,
        instance: s
            .get("instance")
            .map(|_| s.count("instance", 0, 0))
            .transpose()?,
    }))
}

/// A matrix: rows in the file, or an array of the same name in an `.npz`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Matrix {
    /// Rows.
    Rows(Vec<Vec<f64>>),
    /// Path of an `.npz` file.
    File(String),
}

/// Couplings: `[[i, j, J], …]`, or the arrays `edges` `[m, 2]` and `couplings` `[m]` of an `.npz`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pairs {
    /// Triples.
    List(Vec<Vec<f64>>),
    /// Path of an `.npz` file.
    File(String),
}

const KINDS: &[&str] = &[
    "quadratic",
    "soft_spin",
    "ising",
    "rbm",
    "mixture",
    "flux_cells",
    "four_wells",
    "double_well",
    "factors",
];
/// Kinds of the format that this version does not have.
const LATER: &[&str] = &["neural"];

/// A key or its `_file` form, not both.
fn inline_or_file<T>(
    s: &Section<'_>,
    key: &str,
    inline: Option<T>,
) -> Result<(Option<T>, Option<String>)> {
    let file_key = format!("{key}_file");
    let file = s.optional_text(&file_key)?;
    match (s.get(&file_key), inline.is_some()) {
        (Some(value), true) => {
            let expected = format!("either {key} or {file_key}, not both");
            Err(s.invalid(&file_key, value, expected))
        }
        _ => Ok((inline, file)),
    }
}

fn matrix(s: &Section<'_>, key: &str, expected: &str) -> Result<Matrix> {
    match inline_or_file(s, key, s.rows(key)?)? {
        (Some(rows), _) => Ok(Matrix::Rows(rows)),
        (None, Some(file)) => Ok(Matrix::File(file)),
        (None, None) => Err(s.missing(key, expected)),
    }
}

fn pairs(s: &Section<'_>) -> Result<Pairs> {
    match inline_or_file(s, "couplings", s.rows("couplings")?)? {
        (Some(rows), _) => Ok(Pairs::List(rows)),
        (None, Some(file)) => Ok(Pairs::File(file)),
        (None, None) => Ok(Pairs::List(Vec::new())),
    }
}

/// Reads the section; with `train`, numbers that are learned are absent.
pub(super) fn energy(s: &Section<'_>, train: Option<&Train>) -> Result<Energy> {
    let kind = match s.get("kind") {
        None => {
            let expected = format!("one of {}", KINDS.join(", "));
            return Err(s.missing("kind", &expected));
        }
        Some(v) if v.as_str().is_some_and(|word| LATER.contains(&word)) => {
            let expected = format!("a kind of this version: {}", KINDS.join(", "));
            return Err(s.invalid("kind", v, expected));
        }
        Some(_) => s.word("kind", "", KINDS)?,
    };
    let check = |own: &[&str]| s.check_keys(&[&["kind", "copies"], own].concat(), &[]);
    let per_node = |key: &str, default: f64| -> Result<Vec<f64>> {
        match s.get(key) {
            Some(Value::Array(_)) => Ok(s.numbers(key)?.unwrap_or_default()),
            _ => Ok(vec![s.float(key, default)?]),
        }
    };
    let parameters = s.optional_text("parameters")?;
    if let (true, Some(key)) = (
        parameters.is_some(),
        ["fields", "couplings", "couplings_file"]
            .into_iter()
            .find(|key| s.get(key).is_some()),
    ) {
        let value = s.get("parameters").cloned().unwrap_or(Value::Boolean(true));
        let expected = format!("no {key} beside it: the file holds them");
        return Err(s.invalid("parameters", &value, expected));
    }
    let kind = match kind.as_str() {
        "quadratic" => {
            check(&["precision", "precision_file", "linear"])?;
            EnergyKind::Quadratic {
                precision: matrix(s, "precision", "an n x n matrix as rows")?,
                linear: s.numbers("linear")?,
            }
        }
        "soft_spin" => {
            check(&[
                "j2",
                "j4",
                "fields",
                "couplings",
                "couplings_file",
                "parameters",
            ])?;
            EnergyKind::SoftSpin {
                j2: per_node("j2", -2.0)?,
                j4: per_node("j4", 1.0)?,
                fields: s.numbers("fields")?,
                couplings: pairs(s)?,
            }
        }
        "ising" => {
            let lists = &[
                "fields",
                "couplings",
                "couplings_file",
                "parameters",
                "graph",
            ];
            check(&[lists, ON_GRAPH].concat())?;
            let fields = s.numbers("fields")?;
            let on_graph = on_graph(s)?;
            let learned = parameters.is_some() || train.is_some();
            if fields.is_none() && !learned && on_graph.is_none() {
                return Err(s.missing("fields", "one field per spin"));
            }
            EnergyKind::Ising {
                fields,
                couplings: pairs(s)?,
                on_graph,
            }
        }
        "rbm" if parameters.is_some() || train.is_some() => {
            // A learned machine: its numbers come from a file, or will.
            check(&["units", "parameters"])?;
            EnergyKind::Rbm {
                visible: 0,
                hidden: train.map_or(0, |train| train.hidden),
                units: s.word("units", "spin", &["spin"])?,
                weights: Matrix::Rows(Vec::new()),
                fields: None,
                j2: -2.0,
                j4: 1.0,
            }
        }
        "rbm" => {
            check(&[
                "visible",
                "hidden",
                "units",
                "weights",
                "weights_file",
                "fields",
                "j2",
                "j4",
            ])?;
            for key in ["visible", "hidden"] {
                if s.get(key).is_none() {
                    return Err(s.missing(key, "a number of nodes"));
                }
            }
            EnergyKind::Rbm {
                visible: s.count("visible", 1, 1)? as usize,
                hidden: s.count("hidden", 1, 1)? as usize,
                units: s.word("units", "spin", &["spin", "soft_spin"])?,
                weights: matrix(s, "weights", "a visible x hidden matrix as rows")?,
                fields: s.numbers("fields")?,
                j2: s.float("j2", -2.0)?,
                j4: s.float("j4", 1.0)?,
            }
        }
        "mixture" => {
            let entry = mixture::energy(s, train.is_some(), parameters.is_some())?;
            EnergyKind::Mixture(entry)
        }
        "flux_cells" => {
            check(&["josephson", "inductive", "flux"])?;
            for (key, expected) in [
                ("josephson", "E_J/kT, a positive number"),
                ("inductive", "E_L/kT, a positive number"),
                ("flux", "flux quanta of each cell"),
            ] {
                if s.get(key).is_none() {
                    return Err(s.missing(key, expected));
                }
            }
            EnergyKind::FluxCells {
                josephson: s.positive("josephson", 1.0)?,
                inductive: s.positive("inductive", 1.0)?,
                flux: s.numbers("flux")?.unwrap_or_default(),
            }
        }
        "four_wells" => {
            check(&[])?;
            EnergyKind::FourWells
        }
        "factors" => {
            check(&["variables", "factors", "colouring"])?;
            super::factors::energy(s)?
        }
        _ => {
            check(&["barrier", "dim"])?;
            EnergyKind::DoubleWell {
                barrier: s.positive("barrier", 1.0)?,
                dim: s.count("dim", 1, 1)? as usize,
            }
        }
    };
    Ok(Energy {
        kind,
        parameters,
        copies: s.count("copies", 1, 1)? as usize,
    })
}
