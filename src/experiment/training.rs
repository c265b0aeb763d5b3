//! `[data]` and `[train]`: what programmed couplings are learned from, and how.

use super::moons::{MoonsOnNodes, is_moons, moons_on_nodes};
use super::reader::Section;
use super::restricted::TrainRbm;
use crate::error::Result;
use crate::training::{LocalRule, Method, OptimiserKind};
use serde::Serialize;

/// `[data]`.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Data {
    /// Rows of a file.
    File(FileData),
    /// Points of two moons, on two nodes.
    Moons(MoonsOnNodes),
}

/// `[data]` of a file.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct FileData {
    pub file: String,
    pub pixels: (usize, usize),
    pub label: usize,
    /// 0: rows without labels.
    pub classes: usize,
    pub scale: (f64, f64),
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Principal components that stand for the pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components: Option<usize>,
    pub test_rows: Option<String>,
}

/// What kind of energy `[train]` is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Learned {
    /// Cells of real variables (and whatever cannot be trained).
    Cells,
    /// Spins.
    Spins,
    /// Restricted Boltzmann machines, of spins too.
    Restricted,
    /// Mixtures.
    Mixture,
}

impl Learned {
    /// By `energy.kind`.
    pub(super) fn of(top: &Section<'_>) -> Result<Self> {
        let energy = top.section("energy")?;
        let kind = energy.as_ref().and_then(|e| e.get("kind"));
        Ok(match kind.and_then(toml::Value::as_str) {
            Some("ising") => Learned::Spins,
            Some("rbm") => Learned::Restricted,
            Some("mixture") => Learned::Mixture,
            _ => Learned::Cells,
        })
    }

    fn is_of_spins(self) -> bool {
        matches!(self, Learned::Spins | Learned::Restricted)
    }
}

/// `train.conditional`.
#[derive(Clone, Debug, Serialize)]
pub struct Conditional {
    /// Which visible nodes are clamped: `pixels`.
    pub clamp: String,
    /// Weight.
    pub weight: f64,
}

/// `train.first`: exact maximum likelihood before the chip is trained through.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct First {
    pub updates: u64,
    pub learning_rate: f64,
    pub decay: f64,
}

/// `train.limit`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Limit {
    /// That number.
    Number(f64),
    /// What the chip can be programmed with.
    Range(&'static str),
}

/// `train.cross_check`: couplings through the chip against couplings through a digital sampler, over repeats.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct CrossCheck {
    pub through: String,
    pub repeats: usize,
    pub updates: u64,
}

/// `[train]`.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Train {
    pub method: Method,
    pub through: String,
    pub hidden: usize,
    pub connect: String,
    pub updates: u64,
    pub batch: usize,
    /// What comes before, without a sampler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<First>,
    /// Standard deviation of the visible–hidden couplings at the start, which breaks the symmetry between hidden nodes.
    pub start_spread: f64,
    /// Probability that a chain of PCD begins an update at a row of the data.
    pub restart: f64,
    /// Chains of PCD that are kept, where more than a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buffer: Option<usize>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub positive: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub negative: String,
    pub conditional: Option<Conditional>,
    /// `one` or `measured`: what the sampler's temperature is taken for.
    pub temperature: String,
    /// How the device reads what updates use; absent: means over chains, unquantised.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_rule: Option<LocalRule>,
    pub optimiser: OptimiserKind,
    pub learning_rate: f64,
    pub decay: f64,
    pub weight_decay: f64,
    /// The largest |field| and |coupling| while training; of a mixture, the largest stiffness.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    pub bias_tolerance: f64,
    pub checkpoint_every: u64,
    pub cross_check: CrossCheck,
    /// How a restricted Boltzmann machine is trained by block Gibbs sampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rbm: Option<TrainRbm>,
}

/// Reads `[data]`.
pub(super) fn data(s: &Section<'_>, learned: Learned) -> Result<Data> {
    if !is_moons(s) {
        let file = file_data(s, learned.is_of_spins())?;
        if learned == Learned::Mixture && file.classes > 0 {
            let expected = "labels = \"none\": a mixture has no label nodes";
            return Err(s.refused("labels", expected));
        }
        return Ok(Data::File(file));
    }
    if let (Some(value), true) = (s.get("kind"), learned.is_of_spins()) {
        let expected = "an energy of real variables: points of the plane are not +1 or -1";
        return Err(s.invalid("kind", value, expected));
    }
    Ok(Data::Moons(moons_on_nodes(s)?))
}

fn file_data(s: &Section<'_>, spins: bool) -> Result<FileData> {
    s.check_keys(
        &[
            "file",
            "kind",
            "columns",
            "labels",
            "scale",
            "threshold",
            "components",
            "test_rows",
        ],
        &[],
    )?;
    s.word("kind", "csv", &["csv", "two_moons"])?;
    let Some(columns) = s.section("columns")? else {
        return Err(s.missing("columns", "{ pixels = [first, end], label = column }"));
    };
    columns.check_keys(&["pixels", "label"], &[])?;
    let pixels = match columns.indices("pixels")?.as_deref() {
        Some(&[first, end]) if first < end => (first, end),
        _ => return Err(columns.missing("pixels", "[first, end] with first < end")),
    };
    let label = columns.count("label", pixels.1 as u64, 0)? as usize;
    let (mut label_column, mut classes) = (label, 10);
    if let Some(toml::Value::String(word)) = s.get("labels") {
        if word != "none" {
            return Err(s.refused("labels", "{ column = 64, classes = 10 } or \"none\""));
        }
        classes = 0;
    } else if let Some(labels) = s.section("labels")? {
        labels.check_keys(&["column", "classes"], &[])?;
        label_column = labels.count("column", label as u64, 0)? as usize;
        classes = labels.count("classes", 10, 2)? as usize;
    }
    let scale = match (s.numbers("scale")?.as_deref(), s.get("scale")) {
        (None, _) => (-1.0, 1.0),
        (Some(&[lo, hi]), _) if lo < hi => (lo, hi),
        (Some(_), Some(value)) => {
            return Err(s.invalid("scale", value, "[low, high] with low < high"));
        }
        (Some(_), None) => (-1.0, 1.0),
    };
    let threshold = s
        .get("threshold")
        .map(|_| s.float("threshold", 0.0))
        .transpose()?;
    if let (Some(value), Some(at)) = (s.get("threshold"), threshold)
        && !(scale.0 <= at && at < scale.1)
    {
        let expected = format!(
            "a value on the scale, from {} to below {}",
            scale.0, scale.1
        );
        return Err(s.invalid("threshold", value, expected));
    }
    let most = (pixels.1 - pixels.0) as u64;
    let components = s
        .get("components")
        .map(|_| s.count_between("components", most, (1, most)))
        .transpose()?;
    if let (Some(value), Some(_)) = (s.get("components"), threshold) {
        let expected = "grey pixels: no threshold beside it";
        return Err(s.invalid("components", value, expected));
    }
    if let (Some(value), true) = (s.get("components"), spins) {
        let expected = "an energy of real variables: components are not +1 or -1";
        return Err(s.invalid("components", value, expected));
    }
    if s.get("file").is_none() {
        return Err(s.missing("file", "the path of a data file"));
    }
    Ok(FileData {
        file: s.text("file", "")?,
        pixels,
        label: label_column,
        classes,
        scale,
        threshold,
        components: components.map(|k| k as usize),
        test_rows: s.optional_text("test_rows")?,
    })
}

/// Reads the fraction that a rate falls to.
pub(super) fn decay(s: &Section<'_>, default: f64) -> Result<f64> {
    s.within(
        "decay",
        default,
        |v| v > 0.0 && v <= 1.0,
        "above 0 and at most 1",
    )
}

/// Reads the probability that a chain of PCD begins anew.
pub(super) fn restart(s: &Section<'_>) -> Result<f64> {
    let share = |v: f64| (0.0..=1.0).contains(&v);
    s.within("restart", 0.0, share, "between 0 and 1")
}

/// Reads the chains of PCD that a replay buffer keeps; an update runs `batch` of them.
pub(super) fn buffer(s: &Section<'_>, batch: usize, persists: bool) -> Result<Option<usize>> {
    let Some(value) = s.get("buffer") else {
        return Ok(None);
    };
    if !persists {
        let expected = "no such key without method = \"pcd\", whose chains are kept";
        return Err(s.invalid("buffer", value, expected));
    }
    let slots = s.count_between("buffer", batch as u64, (batch as u64, 100_000_000))?;
    Ok(Some(slots as usize))
}

/// `train.temperature` where the sampler's own is measured and enters the update.
pub const MEASURED: &str = "measured";

/// What is trained through where nothing is sampled.
pub const EXACT: &str = "exact";

/// `train.method`, with keys that it leaves without a meaning refused.
fn method(s: &Section<'_>, learned: Learned) -> Result<Method> {
    let of_networks = ["sliced_score_matching", "denoising_score_matching", "nce"];
    if let Some(value) = s.get("method")
        && value
            .as_str()
            .is_some_and(|word| of_networks.contains(&word))
    {
        let expected = "pcd, cd, mle, score_matching or pseudo_likelihood for programmed couplings (the others are for energy.kind = \"neural\")";
        return Err(s.invalid("method", value, expected));
    }
    let words = ["pcd", "cd", "mle", "score_matching", "pseudo_likelihood"];
    // A mixture has no linear score and no pairs of spins.
    let words = &words[..if learned == Learned::Mixture { 3 } else { 5 }];
    let word = s.word("method", "pcd", words)?;
    let sampled = [
        "first",
        "through",
        "batch",
        "restart",
        "buffer",
        "positive",
        "negative",
        "conditional",
        "temperature",
        "local_rule",
        "limit",
        "bias_tolerance",
        "cross_check",
    ];
    let climbed = [
        "updates",
        "optimiser",
        "learning_rate",
        "decay",
        "start_spread",
        "checkpoint_every",
        "hidden",
    ];
    let (method, unused) = match word.as_str() {
        "cd" => (Method::Cd, vec!["restart"]),
        "mle" if learned == Learned::Mixture => {
            let own = sampled.iter().copied().filter(|key| *key != "limit");
            (Method::Mle, own.collect())
        }
        "mle" => (Method::Mle, sampled.to_vec()),
        "score_matching" => {
            let all = [&sampled[..], &climbed, &["weight_decay"]].concat();
            (Method::ScoreMatching, all)
        }
        "pseudo_likelihood" => (Method::PseudoLikelihood, [&sampled[..], &climbed].concat()),
        _ => (Method::Pcd, Vec::new()),
    };
    if let Some((key, value)) = unused.iter().find_map(|key| Some((key, s.get(key)?))) {
        let expected = format!("no such key beside method = \"{word}\"");
        return Err(s.invalid(key, value, expected));
    }
    Ok(method)
}

/// Reads `[train]`.
pub(super) fn train(s: &Section<'_>, learned: Learned) -> Result<Train> {
    s.check_keys(
        &[
            "method",
            "through",
            "hidden",
            "connect",
            "updates",
            "batch",
            "start_spread",
            "first",
            "restart",
            "buffer",
            "positive",
            "negative",
            "conditional",
            "temperature",
            "local_rule",
            "optimiser",
            "learning_rate",
            "decay",
            "weight_decay",
            "limit",
            "bias_tolerance",
            "checkpoint_every",
            "cross_check",
        ],
        &[],
    )?;
    if learned == Learned::Mixture {
        super::mixture::check_train(s)?;
    }
    let method = method(s, learned)?;
    let conditional = match s.section("conditional")? {
        None => None,
        Some(c) => {
            c.check_keys(&["clamp", "weight"], &[])?;
            Some(Conditional {
                clamp: c.word("clamp", "pixels", &["pixels", "labels"])?,
                weight: c.positive("weight", 1.0)?,
            })
        }
    };
    let first = match s.section("first")? {
        None => None,
        Some(f) => {
            f.check_keys(&["updates", "learning_rate", "decay"], &[])?;
            Some(First {
                updates: f.count("updates", 1000, 1)?,
                learning_rate: f.positive("learning_rate", 0.1)?,
                decay: decay(&f, 0.02)?,
            })
        }
    };
    let local_rule = match s.section("local_rule")? {
        None => None,
        Some(r) => {
            r.check_keys(&["bits", "full_scale"], &[])?;
            let rule = LocalRule {
                bits: r.count_between("bits", 8, (0, u64::from(u32::MAX)))? as u32,
                full_scale: r.float("full_scale", 1.0)?,
            };
            rule.check().map_err(|e| e.in_file(s.file))?;
            Some(rule)
        }
    };
    let optimiser = if s.word("optimiser", "adam", &["adam", "sgd"])? == "sgd" {
        OptimiserKind::Sgd { momentum: 0.9 }
    } else {
        OptimiserKind::Adam
    };
    let digital: &[&str] = match learned {
        Learned::Spins | Learned::Restricted => &["gibbs"],
        Learned::Cells => &["ula", "mala"],
        // No digital sampler takes mixtures.
        Learned::Mixture => &[],
    };
    let cross_check = match s.section("cross_check")? {
        None => CrossCheck {
            through: digital.first().copied().unwrap_or_default().to_owned(),
            repeats: 4,
            updates: 60,
        },
        Some(c) => {
            c.check_keys(&["through", "repeats", "updates"], &[])?;
            CrossCheck {
                through: c.word(
                    "through",
                    digital.first().copied().unwrap_or_default(),
                    digital,
                )?,
                repeats: c.count_between("repeats", 4, (2, 8))? as usize,
                updates: c.count("updates", 60, 1)?,
            }
        }
    };
    let through = match method.samples() {
        true => s.word("through", "ideal", &[&["ideal", "die"], digital].concat())?,
        false => EXACT.to_owned(),
    };
    let limit = match s.get("limit") {
        None => None,
        Some(toml::Value::String(word)) if word == "range" => Some(Limit::Range("range")),
        Some(value @ toml::Value::String(_)) => {
            return Err(s.invalid("limit", value, "a positive number or \"range\""));
        }
        Some(_) => Some(Limit::Number(s.positive("limit", 1.0)?)),
    };
    // Noise is among what is learned of a mixture.
    let measured = through == "die" && learned != Learned::Mixture;
    let temperature = if measured { MEASURED } else { "one" };
    let rate = match learned {
        // In standard deviations of a component.
        Learned::Mixture => 0.02,
        _ => 0.003,
    };
    let batch = s.count("batch", 100, 1)? as usize;
    Ok(Train {
        method,
        temperature: s.word("temperature", temperature, &["one", MEASURED])?,
        through,
        hidden: s.count("hidden", 0, 0)? as usize,
        connect: s.word("connect", "all", &["all", "visible-hidden", "everything"])?,
        updates: s.count("updates", 1000, 1)?,
        batch,
        first,
        start_spread: s.within("start_spread", 0.05, |v| v >= 0.0, "of at least 0")?,
        restart: restart(s)?,
        buffer: buffer(s, batch, method == Method::Pcd)?,
        positive: s.time("positive", "0.3 tau")?,
        negative: s.time("negative", "0.6 tau")?,
        conditional,
        local_rule,
        optimiser,
        learning_rate: s.positive("learning_rate", rate)?,
        decay: decay(s, 1.0)?,
        weight_decay: s.within("weight_decay", 0.0, |v| v >= 0.0, "of at least 0")?,
        limit,
        bias_tolerance: s.positive("bias_tolerance", 0.05)?,
        checkpoint_every: s.count("checkpoint_every", 100, 1)?,
        cross_check,
        rbm: None,
    })
}
