//! What is recorded of many runs at once: the dice of one design, the points of a sweep.

use super::run::Metric;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many of all were acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fraction {
    /// The range that counts as acceptable, both ends included; `None` is no bound.
    pub least: Option<f64>,
    /// See `least`.
    pub most: Option<f64>,
    /// Fraction of all values in it.
    pub value: f64,
    /// Its 95 % interval (Clopper–Pearson).
    pub interval: (f64, f64),
}

/// The distribution of one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The values, in the order of the dice or repetitions.
    pub values: Vec<f64>,
    /// Mean and its standard error.
    pub mean: Metric,
    /// Standard deviation.
    pub deviation: f64,
    /// Median and its standard error (Maritz–Jarrett).
    pub median: Metric,
    /// Quantiles at 5, 25, 75 and 95 %.
    pub quantiles: [f64; 4],
    /// Yield, where a bound was given.
    pub accepted: Option<Fraction>,
}

/// `[hardware] dies`: each metric over the dice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiceRecord {
    /// Number of dice.
    pub dice: usize,
    /// By metric name.
    pub metrics: BTreeMap<String, Spread>,
    /// Dice within every bound at once, where bounds were given.
    pub accepted: Option<Fraction>,
}

/// One direction of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AxisRecord {
    /// Dotted paths that move together.
    pub parameters: Vec<String>,
    /// A word for each point.
    pub labels: Vec<String>,
    /// Whether its points are repetitions.
    pub replicate: bool,
}

/// One setting of the swept parameters, all repetitions together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellRecord {
    /// Label along each axis that is not a repetition.
    pub at: Vec<String>,
    /// Sampler (`die` for all dice together) → metric → value: the median over repetitions, or a single run's own.
    pub metrics: BTreeMap<String, BTreeMap<String, Metric>>,
    /// The distributions behind them, where there are repetitions.
    pub spreads: BTreeMap<String, BTreeMap<String, Spread>>,
    /// Directories of the runs, relative to this one.
    pub runs: Vec<String>,
}

/// `[sweep]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepRecord {
    /// The axes, the last one fastest.
    pub axes: Vec<AxisRecord>,
    /// The cells, in that order.
    pub cells: Vec<CellRecord>,
    /// Metrics that the table shows; empty: all.
    pub shown: Vec<String>,
}
