//! Expectation–maximisation: exact maximum likelihood of a mixture, no sampler.

use super::moments::{WeightedMoments, floored, remade};
use crate::energy::{Mixture, Parameters};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};

/// What a mixture's training is continued from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct MixtureCheckpoint {
    /// Updates done.
    pub update: u64,
    /// The mixture's numbers.
    pub parameters: Parameters,
}

/// One update of EM.
#[derive(Clone, Copy, Debug)]
pub struct MixtureStep {
    /// Update number (1-based).
    pub update: u64,
    /// Euclidean norm of the gradient of ⟨ln p⟩ before the update, in the components' own units.
    pub gradient_norm: f64,
    /// ⟨ln p⟩ of the rows before the update.
    pub log_likelihood: f64,
}

/// EM on rows.
#[derive(Clone, Debug)]
pub struct ExpectationMaximisation {
    mixture: Mixture,
    /// What a checkpoint keeps, and `mixture` is made of.
    numbers: Parameters,
    rows: Vec<f64>,
    least: f64,
    update: u64,
}

/// Rows one after the other.
///
/// # Errors
/// No rows, or rows of another length than the mixture's variables.
pub(super) fn flat(mixture: &Mixture, rows: &[Vec<f64>]) -> Result<Vec<f64>> {
    let dim = mixture.components()[0].mean.len();
    match rows.iter().find(|row| row.len() != dim) {
        None if !rows.is_empty() => Ok(rows.concat()),
        found => {
            let value = format!("{} rows of {}", rows.len(), found.map_or(0, Vec::len));
            let expected = format!("at least one row of {dim} values, one per variable");
            Err(Error::invalid("train.data", value, expected))
        }
    }
}

impl ExpectationMaximisation {
    /// From `start` on rows; no variance falls below `least` (0: none kept from it).
    ///
    /// # Errors
    /// No rows, or rows of another length than the mixture's variables.
    pub fn new(mut start: Mixture, rows: &[Vec<f64>], least: f64) -> Result<Self> {
        let numbers = start.parameters();
        start.set_parameters(&numbers)?;
        Ok(ExpectationMaximisation {
            rows: flat(&start, rows)?,
            numbers,
            mixture: start,
            least,
            update: 0,
        })
    }

    /// The mixture now.
    pub fn mixture(&self) -> &Mixture {
        &self.mixture
    }

    /// Updates done.
    pub fn update(&self) -> u64 {
        self.update
    }

    /// Everything needed to continue to the same bits.
    pub fn checkpoint(&self) -> MixtureCheckpoint {
        MixtureCheckpoint {
            update: self.update,
            parameters: self.numbers.clone(),
        }
    }

    /// Continues from a checkpoint.
    ///
    /// # Errors
    /// One of another mixture.
    pub fn resume(&mut self, checkpoint: &MixtureCheckpoint) -> Result<()> {
        self.mixture.set_parameters(&checkpoint.parameters)?;
        self.numbers = checkpoint.parameters.clone();
        self.update = checkpoint.update;
        Ok(())
    }

    /// One update: w_k = ⟨r_k⟩, μ_k = ⟨r_k x⟩/w_k, Σ_k = ⟨r_k x xᵀ⟩/w_k − μ_k μ_kᵀ.
    ///
    /// # Errors
    /// [`Error::Diverged`] where a component collapses onto rows.
    pub fn step(&mut self) -> Result<MixtureStep> {
        let rows = WeightedMoments::of(&self.mixture, &self.rows)?;
        let gradient = rows.minus(&WeightedMoments::expected(&self.mixture));
        let step = MixtureStep {
            update: self.update + 1,
            gradient_norm: gradient.iter().map(|g| g * g).sum::<f64>().sqrt(),
            log_likelihood: rows.log_likelihood,
        };
        let (mut means, mut covariances) = (Vec::new(), Vec::new());
        for (c, own) in self.mixture.components().iter().enumerate() {
            let share = rows.shares[c].max(f64::MIN_POSITIVE);
            let shift = &rows.first[c] / share;
            let spread = &rows.second[c] / share - &shift * shift.transpose();
            means.push(&own.mean + &own.lower * shift);
            covariances.push(floored(
                &own.lower * spread * own.lower.transpose(),
                self.least,
            ));
        }
        self.numbers = remade(&rows.shares, &means, covariances)?.parameters();
        self.mixture.set_parameters(&self.numbers)?;
        self.update += 1;
        Ok(step)
    }
}
