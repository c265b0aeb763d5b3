//! `run.json`: everything that happened in a run, as one serde struct.

use super::accuracy::AccuracyRecord;
use super::many::{DiceRecord, SweepRecord};
use crate::dynamics::{Generator, NORMAL_MAP};
use crate::sampler::Cost;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A number with its standard error, where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// The value.
    pub value: f64,
    /// Standard error.
    pub se: Option<f64>,
}

/// Joules by category; `None` is "not stated".
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct EnergyLedger {
    /// The numbers.
    #[serde(flatten)]
    pub joules: Cost,
    /// The same over the smallest effective sample size of a node, all chains together; seconds are those of each chain.
    #[serde(default)]
    pub per_effective_sample: Option<Cost>,
    /// Category → provenance label and source, e.g. `sample` → `paper-model: P3 arXiv 2608.01612`.
    pub provenance: BTreeMap<String, String>,
}

/// One sampler's results.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SamplerRecord {
    /// `analog-ideal`, `analog-die-1`, `ula`, `mala`, `gibbs`, `exact`.
    pub name: String,
    /// `analog`, `digital`, `exact`.
    pub kind: String,
    /// By metric name.
    pub metrics: BTreeMap<String, Metric>,
    /// Smallest effective sample size over nodes.
    pub ess_min: Option<f64>,
    /// Largest split R-hat over nodes.
    pub rhat_max: Option<f64>,
    /// (node, β, standard error): effective inverse temperature node by node, where a node has one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_beta: Vec<(usize, f64, f64)>,
    /// Device seconds of one run (all chains in parallel on as many dies).
    pub device_seconds: Option<f64>,
    /// Wall seconds.
    pub wall_seconds: f64,
    /// Joules of the whole run.
    pub energy_joules: EnergyLedger,
    /// Predicted relative variance inflation of the stiffest mode.
    pub predicted_bias: Option<f64>,
    /// Chains, draws, steps, step size and other plain facts, as words for the report.
    pub facts: BTreeMap<String, String>,
}

/// One number compared between two samplers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// First sampler.
    pub a: String,
    /// Second sampler (the reference).
    pub b: String,
    /// Metric name, e.g. `mean_error`, `covariance_error`.
    pub metric: String,
    /// The difference, in the metric's unit (for `*_error`: rms difference in standard errors).
    pub value: f64,
    /// Its standard error.
    pub se: Option<f64>,
    /// What the scheme's bias alone predicts for `value`, same unit.
    pub predicted_bias: Option<f64>,
    /// p-value of "a and b have one law", where one is computed.
    pub p_value: Option<f64>,
}

/// `true`, `false` or `"undecided"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Established {
    /// Decided.
    Decided(bool),
    /// Not decided.
    Open(Undecided),
}

/// The word `undecided`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Undecided {
    /// Not decided by the data.
    #[serde(rename = "undecided")]
    Undecided,
}

/// One claim and what the run says of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// The claim, in words.
    pub claim: String,
    /// Whether it holds.
    pub established: Established,
    /// The numbers behind it.
    pub evidence: String,
    /// Device time that would settle it.
    pub more_device_seconds_needed: Option<f64>,
}

/// Mean ln p of a row of data, nats, with the standard error over rows.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct LikelihoodRecord {
    /// Of the rows learned from.
    pub train: Metric,
    /// Of the rows held out.
    pub test: Option<Metric>,
    /// KL(law that the data come from ‖ learned law) in nats, where that law is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_kl: Option<f64>,
}

/// How one die was programmed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProgramRecord {
    /// Sampler that runs it.
    pub sampler: String,
    /// Range factor a (x = V/(a V_u)).
    pub scale: f64,
    /// V_u in volts (p-bits: volts per unit of input).
    pub voltage_unit: Option<f64>,
    /// τ in seconds.
    pub tau_seconds: f64,
    /// Rms of realised − requested coupling.
    pub coupling_rms_error: f64,
    /// Largest |realised − requested| coupling.
    pub coupling_max_error: f64,
    /// Rms of realised − requested field.
    pub field_rms_error: f64,
    /// DAC step in units of J, when a DAC is on.
    pub dac_step: Option<f64>,
    /// Couplings and fields clipped to range.
    pub clipped: usize,
    /// Largest share of the elements' own thermal noise in a node's noise power.
    pub excess_noise_share: Option<f64>,
    /// Why the realised process has no energy; empty when it has one.
    pub no_energy_because: Vec<String>,
    /// Exact total variation between the law asked for and the one that the array settles in (small spin models only).
    pub exact_tv: Option<f64>,
    /// Exact KL(realised ‖ requested) in nats (small spin models, Gaussians).
    #[serde(default)]
    pub exact_kl: Option<f64>,
    /// Entropy production of few spins in continuous time, k_B per τ: 0 in detailed balance.
    #[serde(default)]
    pub entropy_production: Option<f64>,
    /// Log-likelihood of the data under the law that the array settles in (trained models of few spins, or of the plane).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub likelihood: Option<LikelihoodRecord>,
    /// Which non-idealities were on.
    pub nonidealities: Vec<String>,
    /// The calibration before it.
    #[serde(default)]
    pub calibration: Option<CalibrationRecord>,
}

/// How a die was calibrated.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CalibrationRecord {
    /// Rms of the offsets found, in units of the field (spins) or of the variable.
    pub offset_rms: f64,
    /// Rms of their standard errors.
    pub offset_se: f64,
    /// What programmed energies are multiplied by.
    pub correction: Metric,
    /// χ² of the sites' gains about their mean, per degree of freedom.
    pub gain_scatter: f64,
    /// Rms over sites of what is left, as logits (spins).
    pub residual_logit: Option<f64>,
    /// The same in probability at zero field.
    pub residual_probability: Option<f64>,
    /// Seconds between calibration and use.
    pub age_seconds: f64,
    /// Device time of the calibration.
    pub device_seconds: f64,
    /// Its joules.
    pub energy_joules: Cost,
}

/// One point of the training curve.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TrainingPoint {
    /// Update number (1-based).
    pub update: u64,
    /// Euclidean norm of the gradient.
    pub gradient_norm: f64,
    /// Mean energy of the negative minus the positive phase, in kT; EM has no negative phase.
    pub energy_gap: Option<f64>,
    /// Mean squared difference of visible node means between data and free phase.
    pub moment_error: Option<f64>,
    /// Label accuracy on held-out training rows, where measured.
    pub accuracy: Option<f64>,
    /// Mean ln p of a row, where it is known.
    #[serde(default)]
    pub log_likelihood: Option<f64>,
    /// Temperature that the free phases were measured at, where it enters the update.
    #[serde(default)]
    pub temperature: Option<f64>,
    /// Device seconds so far.
    pub device_seconds: Option<f64>,
    /// Joules so far by category.
    pub cost: Cost,
}

/// Couplings learned through two samplers, compared over repeats.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CouplingCheck {
    /// Sampler of the first set.
    pub a: String,
    /// Sampler of the second set.
    pub b: String,
    /// Repeats per sampler.
    pub repeats: usize,
    /// Updates per repeat.
    pub updates: u64,
    /// Mean coupling of each edge through `a` and `b`.
    pub mean_a: Vec<f64>,
    /// See `mean_a`.
    pub mean_b: Vec<f64>,
    /// Standard error of the difference, per edge.
    pub se: Vec<f64>,
    /// Rms of difference / standard error over edges.
    pub rms_z: f64,
    /// Value of `rms_z` expected if both learn the same (Student's t with ν = 2(repeats − 1) degrees of freedom); absent for
    /// two repeats, whose t has no second moment.
    #[serde(default)]
    pub rms_z_expected: Option<f64>,
    /// Permutation p-value over relabelled repeats.
    pub p_value: f64,
}

impl CouplingCheck {
    /// `rms_z_expected` in words.
    pub fn by_chance(&self) -> String {
        self.rms_z_expected.map_or_else(
            || "by chance not stated: two repeats have no second moment".to_owned(),
            |z| format!("{z:.2} by chance"),
        )
    }
}

/// Training, when there was any.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// Sampler trained through.
    pub through: String,
    /// The curve.
    pub curve: Vec<TrainingPoint>,
    /// Device seconds and joules of one update.
    pub per_update: Cost,
    /// Wall seconds.
    pub wall_seconds: f64,
    /// Chip against digital.
    pub coupling_check: Option<CouplingCheck>,
    /// Updates whose step the chip refused to hold, and that were shortened.
    #[serde(default)]
    pub refused_steps: u64,
    /// Share of readings that saturated, where a local rule learned from them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saturated_readings: Option<f64>,
}

/// The card as used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CardRecord {
    /// Card name.
    pub name: String,
    /// SHA-256 of the card file, hex.
    pub sha256: String,
    /// The card file.
    pub toml: String,
}

/// One line or one set of points of a [`Chart`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Series {
    /// Legend.
    pub label: String,
    /// Abscissae.
    pub x: Vec<f64>,
    /// Ordinates.
    pub y: Vec<f64>,
    /// Standard errors: then it is drawn as points.
    pub se: Option<Vec<f64>>,
}

/// A figure that a study made, kept as numbers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Chart {
    /// File stem.
    pub name: String,
    /// Title.
    pub title: String,
    /// What it shows.
    pub caption: String,
    /// Label of the abscissa, with its unit.
    pub x: String,
    /// Label of the ordinate, with its unit.
    pub y: String,
    /// Logarithmic ordinate.
    pub log_y: bool,
    /// Names of the abscissae 0, 1, …, when they are settings and not numbers: then one row each is drawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Lines and points.
    pub series: Vec<Series>,
}

/// Seeds by name, and what made numbers of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Seeds {
    /// Seeds by name.
    #[serde(flatten)]
    pub seeds: BTreeMap<String, u64>,
    /// Generator of the chains' streams; everything else is drawn by `pcg`.
    #[serde(default)]
    pub generator: String,
    /// How its words became normals.
    #[serde(default)]
    pub normals: String,
}

impl Seeds {
    /// `seed`, by `generator` and this version's normals.
    pub fn new(seed: u64, generator: Generator) -> Self {
        Seeds {
            seeds: BTreeMap::from([("seed".to_owned(), seed)]),
            generator: generator.name().to_owned(),
            normals: NORMAL_MAP.to_owned(),
        }
    }
}

/// `run.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// Format version, 1.
    pub version: u32,
    /// Program name and version.
    pub software: String,
    /// `run`, `compare` or `train`.
    pub command: String,
    /// The experiment with every default filled in.
    pub experiment: serde_json::Value,
    /// Cards used.
    pub card: Option<CardRecord>,
    /// One per programmed die.
    pub program: Vec<ProgramRecord>,
    /// Where the random numbers came from.
    pub seeds: Seeds,
    /// Results.
    pub samplers: Vec<SamplerRecord>,
    /// Pairs.
    pub comparisons: Vec<Comparison>,
    /// Claims.
    pub verdicts: Vec<Verdict>,
    /// Training.
    pub training: Option<TrainingRecord>,
    /// Many dice of one design.
    #[serde(default)]
    pub dice: Option<DiceRecord>,
    /// All points of a sweep.
    #[serde(default)]
    pub sweep: Option<SweepRecord>,
    /// Accuracy against what it costs, where the exact law is known.
    #[serde(default)]
    pub accuracy: Option<AccuracyRecord>,
    /// Figures of the study's own.
    #[serde(default)]
    pub charts: Vec<Chart>,
    /// Warnings, one line each.
    pub warnings: Vec<String>,
}

impl RunRecord {
    /// A record of `command` on an experiment, with nothing done yet.
    pub fn new(command: &str, experiment: &impl Serialize, seeds: Seeds) -> Self {
        RunRecord {
            version: 1,
            software: format!("thermochip {}", env!("CARGO_PKG_VERSION")),
            command: command.to_owned(),
            experiment: serde_json::to_value(experiment).unwrap_or_default(),
            card: None,
            program: Vec::new(),
            seeds,
            samplers: Vec::new(),
            comparisons: Vec::new(),
            verdicts: Vec::new(),
            training: None,
            dice: None,
            sweep: None,
            accuracy: None,
            charts: Vec::new(),
            warnings: Vec::new(),
        }
    }
}
