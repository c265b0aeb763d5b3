//! Experiments that train a neural energy of the plane: `[energy] kind = "neural"`, `[data] kind = "two_moons"`, `[train]`.

use super::moons::{MOONS_KEYS, MoonsData, moons};
use super::reader::Section;
use crate::error::Result;
use crate::training::OptimiserKind;
use crate::training::density::{Objective, PlaneGrid, Projection};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What noise contrast contrasts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoiseKey {
    /// The data's mean and covariance.
    Gaussian,
    /// Uniform over the figure's box.
    Uniform,
    /// A mixture of Gaussians, by EM on the data, as much of their one Gaussian, and as much of a wider one.
    Mixture,
}

/// An experiment on a neural energy.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct DensityExperiment {
    pub version: u32,
    pub title: String,
    pub seed: u64,
    pub data: MoonsData,
    /// Whether a drift is learned, without an energy.
    pub drift: bool,
    pub layers: Vec<usize>,
    pub confinement: f64,
    /// (name in the file, objective), in order.
    pub methods: Vec<(String, Objective)>,
    pub noise: NoiseKey,
    /// Gaussians of a mixture of noise.
    pub noise_components: usize,
    pub updates: u64,
    pub batch: usize,
    pub optimiser: OptimiserKind,
    pub learning_rate: f64,
    pub decay: f64,
    pub average: f64,
    pub energy_l2: f64,
    pub weight_decay: f64,
    pub gradient_clip: f64,
    pub force_clip: f64,
    /// Independence moves from the data's Gaussian per update, of the chains of cd and pcd.
    pub leaps: u64,
    /// Chains of pcd that are kept, where more than a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buffer: Option<usize>,
    pub step: f64,
    pub repeats: usize,
    pub snapshots: usize,
    /// Where the file was.
    #[serde(skip)]
    pub file: PathBuf,
}

/// `energy.kind` of a drift that is learned without an energy.
const DRIFT: &str = "score";

/// Names of `train.method`.
const METHODS: [&str; 7] = [
    "mle",
    "cd",
    "pcd",
    "score_matching",
    "sliced_score_matching",
    "denoising_score_matching",
    "nce",
];

fn objective(s: &Section<'_>, name: &str) -> Result<Objective> {
    Ok(match name {
        "cd" | "pcd" => Objective::Contrastive {
            persistent: name == "pcd",
            steps: s.count_between("steps", 5, (1, 100_000))?,
            restart: s.within("restart", 0.1, |v| (0.0..=1.0).contains(&v), "in [0, 1]")?,
        },
        "mle" => Objective::MaximumLikelihood {
            grid: PlaneGrid::around_moons(s.within(
                "grid_spacing",
                0.0625,
                |h| (0.01..=0.5).contains(&h),
                "from 0.01 to 0.5",
            )?),
        },
        "score_matching" => Objective::ScoreMatching,
        "sliced_score_matching" => Objective::Sliced {
            directions: s.count_between("directions", 1, (1, 1000))? as usize,
            projection: match s
                .word(
                    "projection",
                    "rademacher",
                    &["rademacher", "gaussian", "sphere"],
                )?
                .as_str()
            {
                "gaussian" => Projection::Gaussian,
                "sphere" => Projection::Sphere,
                _ => Projection::Rademacher,
            },
        },
        "denoising_score_matching" => Objective::Denoising {
            sigma: s.positive("sigma", 0.05)?,
        },
        _ => Objective::NoiseContrastive {
            ratio: s.count_between("ratio", 2, (1, 1000))? as usize,
        },
    })
}

fn data(top: &Section<'_>) -> Result<MoonsData> {
    let Some(s) = top.section("data")? else {
        return Err(top.missing("data", "a section [data] to train on"));
    };
    s.check_keys(&MOONS_KEYS, &["file", "columns"])?;
    moons(&s)
}

/// Whether a file's `[energy]` is a neural one, or a neural drift without an energy.
pub(super) fn is_density(table: &toml::Table) -> bool {
    let kind = table.get("energy").and_then(|e| e.get("kind"));
    matches!(
        kind.and_then(toml::Value::as_str),
        Some("neural") | Some(DRIFT)
    )
}

impl DensityExperiment {
    /// From the top section of a TOML file.
    pub(super) fn from_section(top: &Section<'_>) -> Result<Self> {
        let known = ["version", "title", "seed", "energy", "data", "train"];
        top.check_keys(&known, &["plan", "compare", "sweep", "hardware"])?;
        if top.count("version", 0, 0)? != 1 {
            return Err(top.missing("version", "1"));
        }
        let Some(energy) = top.section("energy")? else {
            return Err(top.missing("energy", "a section [energy]"));
        };
        energy.check_keys(&["kind", "layers", "confinement"], &["parameters"])?;
        let layers = energy.indices("layers")?.unwrap_or_else(|| vec![128, 128]);
        if layers.is_empty() || layers.len() > 8 || layers.iter().any(|&n| n == 0 || n > 4096) {
            let expected = "one to eight layers of 1 to 4096 units, e.g. [128, 128]";
            return Err(energy.refused("layers", expected));
        }
        let Some(train) = top.section("train")? else {
            return Err(top.missing("train", "a section [train]: a neural energy is learned"));
        };
        Self::with(top, &energy, &train, layers)
    }

    fn with(
        top: &Section<'_>,
        energy: &Section<'_>,
        s: &Section<'_>,
        layers: Vec<usize>,
    ) -> Result<Self> {
        s.check_keys(
            &[
                "method",
                "updates",
                "batch",
                "optimiser",
                "learning_rate",
                "decay",
                "average",
                "energy_l2",
                "weight_decay",
                "gradient_clip",
                "force_clip",
                "leaps",
                "grid_spacing",
                "step",
                "steps",
                "restart",
                "buffer",
                "directions",
                "projection",
                "sigma",
                "ratio",
                "noise",
                "noise_components",
                "repeats",
                "snapshots",
            ],
            &["through", "hidden", "conditional"],
        )?;
        let drift = energy.text("kind", "")? == DRIFT;
        let default = if drift { "score_matching" } else { "pcd" };
        let names = match s.get("method") {
            Some(toml::Value::Array(_)) => s.words("method")?.unwrap_or_default(),
            _ => vec![s.word("method", default, &METHODS)?],
        };
        let unknown = names.iter().find(|n| !METHODS.contains(&n.as_str()));
        if names.is_empty() || unknown.is_some() {
            let expected = format!("names among {}", METHODS.join(", "));
            return Err(s.refused("method", &expected));
        }
        let methods: Vec<(String, Objective)> = names
            .into_iter()
            .map(|name| objective(s, &name).map(|o| (name, o)))
            .collect::<Result<_>>()?;
        if drift && methods.iter().any(|(_, o)| !o.matches_scores()) {
            let expected = "score_matching, sliced_score_matching or denoising_score_matching: a drift has no energy to contrast";
            return Err(s.refused("method", expected));
        }
        let optimiser = if s.word("optimiser", "adam", &["adam", "sgd"])? == "sgd" {
            OptimiserKind::Sgd { momentum: 0.9 }
        } else {
            OptimiserKind::Adam
        };
        let least_zero = |key: &str| s.within(key, 0.0, |v| v >= 0.0, "of at least 0");
        let limit = |key: &str, default: f64| match s.get(key) {
            Some(toml::Value::String(word)) if word == "none" => Ok(f64::MAX),
            _ => s.positive(key, default),
        };
        let noise = s.word("noise", "mixture", &["mixture", "gaussian", "uniform"])?;
        if noise != "mixture" && s.get("noise_components").is_some() {
            return Err(s.refused("noise_components", "noise = \"mixture\" beside it"));
        }
        let contrasts = methods.iter().any(|(name, _)| name == "nce");
        let unused = ["noise", "noise_components"].into_iter();
        if let (false, Some((key, value))) = (
            contrasts,
            unused.filter_map(|key| Some((key, s.get(key)?))).next(),
        ) {
            let expected = "no such key without method = \"nce\", which contrasts with it";
            return Err(s.invalid(key, value, expected));
        }
        let noise_components = s.count_between("noise_components", 8, (2, 100))? as usize;
        let data = data(top)?;
        if contrasts && noise == "mixture" && noise_components >= data.count {
            let expected = "fewer components than data.count points";
            return Err(s.refused("noise_components", expected));
        }
        let batch = s.count_between("batch", 256, (1, 1_000_000))? as usize;
        let persists = methods.iter().any(|(name, _)| name == "pcd");
        let buffer = super::training::buffer(s, batch, persists)?;
        Ok(DensityExperiment {
            version: 1,
            title: top.text("title", "A neural energy")?,
            seed: top.count("seed", 0, 0)?,
            data,
            drift,
            layers,
            confinement: energy.positive("confinement", 0.5)?,
            methods,
            noise: match noise.as_str() {
                "uniform" => NoiseKey::Uniform,
                "gaussian" => NoiseKey::Gaussian,
                _ => NoiseKey::Mixture,
            },
            noise_components,
            updates: s.count_between("updates", 1000, (1, 10_000_000))?,
            batch,
            buffer,
            optimiser,
            learning_rate: s.positive("learning_rate", 0.003)?,
            decay: s.within("decay", 0.02, |v| v > 0.0 && v <= 1.0, "above 0, at most 1")?,
            average: s.within("average", 0.98, |v| (0.0..1.0).contains(&v), "in [0, 1)")?,
            energy_l2: least_zero("energy_l2")?,
            weight_decay: least_zero("weight_decay")?,
            gradient_clip: limit("gradient_clip", f64::MAX)?,
            force_clip: limit("force_clip", 100.0)?,
            leaps: s.count_between("leaps", 1, (0, 1000))?,
            step: s.positive("step", 0.002)?,
            repeats: s.count_between("repeats", 1, (1, 1000))? as usize,
            snapshots: s.count_between("snapshots", 4, (1, 20))? as usize,
            file: Path::new(top.file).to_path_buf(),
        })
    }
}
