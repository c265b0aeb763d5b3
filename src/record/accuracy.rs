//! How accurate each path is against what it spends: errors of growing numbers of draws, bias floors, times to given errors.

use super::run::Metric;
use serde::{Deserialize, Serialize};

/// So many draws of one device, or one chain, and their error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccuracyPoint {
    /// Draws.
    pub draws: f64,
    /// Device time of one die that takes them one after another, burn-in included.
    pub device_seconds: Option<f64>,
    /// Joules of them, as far as the card states any.
    pub joules: Option<f64>,
    /// This machine's share of wall time for them.
    pub wall_seconds: f64,
    /// Mean error over disjoint groups of draws.
    pub error: Metric,
    /// What sampling alone gives for as many effective draws.
    pub floor: f64,
}

/// What an error costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reached {
    /// The error.
    pub level: f64,
    /// Draws that it takes.
    pub draws: Metric,
    /// See [`AccuracyPoint`].
    pub device_seconds: Option<Metric>,
    /// See [`AccuracyPoint`].
    pub joules: Option<Metric>,
    /// See [`AccuracyPoint`].
    pub wall_seconds: Metric,
}

/// One sampler's errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathAccuracy {
    /// Its name.
    pub sampler: String,
    /// From one draw of one chain to all draws of all chains.
    pub points: Vec<AccuracyPoint>,
    /// What is left of the error however many draws there are.
    pub bias_floor: Metric,
    /// Effective draws per draw.
    pub effective_share: Metric,
    /// Round levels above the floor that were reached, the largest first.
    pub reached: Vec<Reached>,
    /// Effective draws per second of one die's time.
    pub ess_per_device_second: Option<f64>,
    /// Effective draws per joule stated.
    pub ess_per_joule: Option<f64>,
    /// Effective draws per second of wall time.
    pub ess_per_wall_second: f64,
    /// All that in a sentence.
    pub statement: String,
}

/// All samplers' errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccuracyRecord {
    /// `tv`, or `moment_rms`: the rms error of means and covariances about the exact means, in exact deviations.
    pub metric: String,
    /// In the order of the samplers.
    pub paths: Vec<PathAccuracy>,
    /// Where one path overtakes another, in sentences.
    pub crossovers: Vec<String>,
}
