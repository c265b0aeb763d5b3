//! `reference.json`: every sampler on every energy of a reference set, a cell each.

use serde::{Deserialize, Serialize};

/// What a cell says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellStanding {
    /// Nothing contradicts the exact moments.
    Ok,
    /// They are contradicted, and the sampler claims no exactness: its step, or its schedule, biases it.
    KnownBias,
    /// They are contradicted, and the sampler claims to be exact.
    Biased,
    /// The chains do not agree with each other: nothing is said of the law.
    NotMixed,
    /// The run broke off.
    Failed,
    /// The sampler does not take this energy.
    NotApplicable,
    /// The time was over.
    NotRun,
}

/// One sampler on one energy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MatrixCell {
    /// Row.
    pub energy: String,
    /// Column.
    pub sampler: String,
    /// What it says.
    pub standing: CellStanding,
    /// Why there are no numbers.
    pub reason: Option<String>,
    /// The numbers.
    pub found: Option<CellNumbers>,
}

/// Numbers of a cell.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CellNumbers {
    /// The moment that is off by most standard errors, e.g. `cov(0,1)`.
    pub moment: String,
    /// By how much it is off.
    pub error: f64,
    /// In standard errors.
    pub z: f64,
    /// Bonferroni p-value over the cell's moments.
    pub p_value: f64,
    /// What the scheme's step does to that moment, to first order, where that is known.
    pub predicted_error: Option<f64>,
    /// p-value once all predicted errors are taken off.
    pub corrected_p_value: Option<f64>,
    /// Exact distances of the draws' frequencies from the law, and what sampling alone gives.
    pub tv: Option<f64>,
    /// See `tv`.
    pub tv_floor: Option<f64>,
    /// See `tv`, in nats.
    pub kl: Option<f64>,
    /// See `tv`.
    pub kl_floor: Option<f64>,
    /// Effective draws of the slowest node, all chains together.
    pub ess: Option<f64>,
    /// Largest split R-hat.
    pub rhat: Option<f64>,
    /// Draws, all chains together.
    pub draws: usize,
    /// Step, where there is one.
    pub step: Option<f64>,
    /// Wall time of the sampling.
    pub wall_seconds: f64,
    /// `ess` per second of it.
    pub ess_per_second: Option<f64>,
    /// Device time of each chain.
    pub device_seconds: Option<f64>,
    /// `ess` per second of that.
    pub ess_per_device_second: Option<f64>,
}

/// An energy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MatrixRow {
    /// Stem of the file.
    pub name: String,
    /// Its title.
    pub title: String,
    /// Means and covariances that are compared.
    pub moments: usize,
}

/// All cells, row after row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Matrix {
    /// Format, 1.
    pub version: u32,
    /// Program name and version.
    pub software: String,
    /// Seed of everything.
    pub seed: u64,
    /// Probability of any contradiction where all samplers are right.
    pub false_alarm: f64,
    /// p-value below which a cell is contradicted.
    pub cell_alarm: f64,
    /// Rows.
    pub energies: Vec<MatrixRow>,
    /// Columns.
    pub samplers: Vec<String>,
    /// Cells.
    pub cells: Vec<MatrixCell>,
    /// Wall time of the whole.
    pub wall_seconds: f64,
}

impl Matrix {
    /// Cells that must not be.
    pub fn contradictions(&self) -> Vec<&MatrixCell> {
        let bad =
            |c: &&MatrixCell| matches!(c.standing, CellStanding::Biased | CellStanding::Failed);
        self.cells.iter().filter(bad).collect()
    }
}
