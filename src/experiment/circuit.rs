//! Experiments on netlists: `[circuit]`, `[sweep]`, `[measure]`.

use super::reader::Section;
use crate::circuit::Precision;
use crate::circuit::spice::{Deck, read_with};
use crate::dynamics::Generator;
use crate::error::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What is measured on every netlist of a circuit experiment.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Measure {
    /// Voltages in time.
    Waveforms,
    /// How often the sign of V(first) − V(second) flips, from the decay of its mean.
    FlipRate {
        /// The two nodes.
        nodes: [String; 2],
        /// Chains per point.
        chains: usize,
    },
    /// Heat, work and stored energy from the first recorded time to the last.
    Energy,
    /// One-sided density of a node's voltage.
    Spectrum {
        /// The node.
        node: String,
        /// Lowest and highest frequency, Hz.
        band: (f64, f64),
    },
}

/// Keys of `[plan]` that a netlist states itself, in `.tran` and `*@` lines, or that it has no use for.
const NOT_HERE: [&str; 10] = [
    "chains",
    "burn_in",
    "duration",
    "sample_period",
    "scheme",
    "step",
    "bias_tolerance",
    "initial",
    "record",
    "trajectory_nodes",
];

/// `[plan]` of a circuit experiment; a key left out is what the netlist's `*@` line says, or else the default.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct CircuitPlan {
    /// `precision`; f64 by default: a node's row holds its bias and its noise together, volts and microvolts.
    pub precision: Precision,
    /// `generator`.
    pub generator: Generator,
}

/// A `[circuit]` experiment, or a bare netlist.
#[derive(Clone, Debug, Serialize)]
pub struct CircuitExperiment {
    /// Format, 1.
    pub version: u32,
    /// For people.
    pub title: String,
    /// Seed.
    pub seed: u64,
    /// The netlist file.
    pub netlist: PathBuf,
    /// Its text.
    pub text: String,
    /// Parameters that replace `.param` lines.
    pub parameters: BTreeMap<String, f64>,
    /// Schemes to compare; empty: the netlist's own choice.
    pub schemes: Vec<String>,
    /// Parameter that is swept, and its values.
    pub sweep: Option<(String, Vec<f64>)>,
    /// The unit of its values, for axes: a netlist's parameters have none.
    pub sweep_unit: Option<String>,
    /// How the circuit is integrated.
    pub plan: CircuitPlan,
    /// What is measured.
    pub measure: Measure,
    /// Where the file was.
    #[serde(skip)]
    pub file: PathBuf,
}

impl CircuitPlan {
    /// What a netlist says.
    fn of(deck: &Deck) -> Self {
        CircuitPlan {
            precision: deck.precision.unwrap_or_default(),
            generator: deck.generator.unwrap_or_default(),
        }
    }

    /// With what a section `[plan]` says.
    fn with(self, s: &Section<'_>) -> Result<Self> {
        let known = ["precision", "generator"];
        if let Some(key) = s.keys().find(|key| NOT_HERE.contains(key)) {
            let expected =
                "this key to be absent: a netlist says it itself, in .tran, .ic and \"*@\" lines";
            return Err(s.refused(key, expected));
        }
        s.check_keys(&known, &[])?;
        let (precision, generator) = (self.precision.name(), self.generator.name());
        let precision = s.word("precision", precision, &Precision::names())?;
        let generator = s.word("generator", generator, &Generator::names())?;
        Ok(CircuitPlan {
            precision: Precision::named(&precision)?,
            generator: Generator::named(&generator)?,
        })
    }
}

fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })
}

impl CircuitExperiment {
    /// A bare netlist: its waveforms.
    ///
    /// # Errors
    /// A file that cannot be read, or a netlist that is not understood.
    pub fn from_netlist(file: &Path) -> Result<Self> {
        let text = read_text(file)?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let mut experiment = CircuitExperiment {
            version: 1,
            title: stem.into_owned(),
            seed: 0,
            netlist: file.to_path_buf(),
            text,
            parameters: BTreeMap::new(),
            schemes: Vec::new(),
            sweep: None,
            sweep_unit: None,
            plan: CircuitPlan::default(),
            measure: Measure::Waveforms,
            file: file.to_path_buf(),
        };
        let deck = experiment.deck(&[])?;
        experiment.plan = CircuitPlan::of(&deck);
        if !deck.title.is_empty() {
            experiment.title = deck.title;
        }
        experiment.seed = deck.seed.unwrap_or(0);
        Ok(experiment)
    }

    /// The netlist with its parameters and those of `more`.
    ///
    /// # Errors
    /// What the netlist's reader says, with the netlist's file.
    pub fn deck(&self, more: &[(String, f64)]) -> Result<Deck> {
        let mut overrides = self.parameters.clone();
        overrides.extend(more.iter().cloned());
        read_with(&self.text, &overrides).map_err(|e| e.in_file(&self.netlist))
    }

    /// From the top section of a TOML file that has `[circuit]`.
    pub(super) fn from_section(top: &Section<'_>) -> Result<Self> {
        top.check_keys(
            &[
                "version", "title", "seed", "circuit", "plan", "sweep", "measure",
            ],
            &[],
        )?;
        if top.count("version", 0, 0)? != 1 {
            return Err(top.missing("version", "1"));
        }
        let Some(circuit) = top.section("circuit")? else {
            return Err(top.missing("circuit", "a section [circuit]"));
        };
        circuit.check_keys(&["netlist", "schemes", "parameters"], &["level"])?;
        let Some(name) = circuit.optional_text("netlist")? else {
            return Err(circuit.missing("netlist", "the path of a netlist, e.g. \"x.cir\""));
        };
        let netlist = top.file.parent().unwrap_or(Path::new("")).join(&name);
        let mut parameters = BTreeMap::new();
        if let Some(section) = circuit.section("parameters")? {
            for key in section.keys() {
                parameters.insert(key.to_ascii_lowercase(), section.float(key, 0.0)?);
            }
        }
        let schemes = circuit.words("schemes")?.unwrap_or_default();
        let known = crate::dynamics::scheme_names();
        if let Some(bad) = schemes.iter().find(|s| !known.contains(&s.as_str())) {
            let expected = format!("one of {}", known.join(", "));
            let error = Error::invalid("circuit.schemes", format!("\"{bad}\""), expected);
            return Err(error.in_file(top.file));
        }
        let mut sweep_unit = None;
        let sweep = match top.section("sweep")? {
            None => None,
            Some(s) => {
                s.check_keys(&["parameter", "values", "unit"], &[])?;
                sweep_unit = s.optional_text("unit")?;
                let parameter = s.text("parameter", "")?.to_ascii_lowercase();
                let values = s.numbers("values")?.unwrap_or_default();
                if values.is_empty() {
                    return Err(s.missing("values", "at least one number"));
                }
                Some((parameter, values))
            }
        };
        let mut experiment = CircuitExperiment {
            version: 1,
            title: top.text("title", &name)?,
            seed: top.count("seed", 0, 0)?,
            text: read_text(&netlist)?,
            netlist,
            parameters,
            schemes,
            sweep,
            sweep_unit,
            plan: CircuitPlan::default(),
            measure: measure(top)?,
            file: top.file.to_path_buf(),
        };
        // Every point is read once before anything is simulated.
        for point in experiment.points() {
            experiment.plan = CircuitPlan::of(&experiment.deck(&point)?);
        }
        if let Some(section) = top.section("plan")? {
            experiment.plan = experiment.plan.with(&section)?;
        }
        Ok(experiment)
    }

    /// The swept parameter with its unit, as axes name it.
    pub fn axis(&self) -> Option<String> {
        let (name, _) = self.sweep.as_ref()?;
        Some(match &self.sweep_unit {
            Some(unit) => format!("{name} ({unit})"),
            None => name.clone(),
        })
    }

    /// The swept parameter settings; one empty one without a sweep.
    pub fn points(&self) -> Vec<Vec<(String, f64)>> {
        match &self.sweep {
            None => vec![Vec::new()],
            Some((name, values)) => values.iter().map(|&v| vec![(name.clone(), v)]).collect(),
        }
    }
}

fn measure(top: &Section<'_>) -> Result<Measure> {
    let Some(s) = top.section("measure")? else {
        return Ok(Measure::Waveforms);
    };
    let kinds = ["waveforms", "flip_rate", "spectrum", "energy"];
    let kind = s.word("kind", "waveforms", &kinds)?;
    match kind.as_str() {
        "flip_rate" => {
            s.check_keys(&["kind", "nodes", "chains"], &[])?;
            let nodes = s.words("nodes")?.unwrap_or_default();
            let Ok(nodes) = <[String; 2]>::try_from(nodes) else {
                return Err(s.missing("nodes", "two node names"));
            };
            let chains = s.count_between("chains", 4096, (64, 1_000_000))? as usize;
            Ok(Measure::FlipRate { nodes, chains })
        }
        "spectrum" => {
            s.check_keys(&["kind", "node", "band"], &[])?;
            let band = s.numbers("band")?.unwrap_or_default();
            let (&[low, high], true) = (&band[..], band.len() == 2) else {
                return Err(s.missing("band", "lowest and highest frequency, in Hz"));
            };
            if !(low > 0.0 && high > low) {
                let expected = "0 < lowest < highest";
                return Err(
                    Error::invalid("measure.band", format!("{band:?}"), expected).in_file(top.file),
                );
            }
            Ok(Measure::Spectrum {
                node: s.text("node", "out")?,
                band: (low, high),
            })
        }
        other => {
            s.check_keys(&["kind"], &[])?;
            Ok(if other == "energy" {
                Measure::Energy
            } else {
                Measure::Waveforms
            })
        }
    }
}
