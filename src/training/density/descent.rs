//! One step down a slope: clipping, decay of weights and rate, averaging, and what counts as diverged. Energies and fields alike.

use super::trainer::DensitySettings;
use crate::error::{Error, Result};
use crate::training::optimiser::{Optimiser, OptimiserKind, falling};
use nalgebra::DMatrix;
use rand::RngExt;
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};

/// Beyond this a parameter or a loss counts as diverged.
const BOUND: f64 = 1e4;

/// Where a descent stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Descent {
    pub theta: Vec<f64>,
    /// Averaged over the last updates.
    pub average: Vec<f64>,
    optimiser: Optimiser,
    /// Updates done.
    pub update: u64,
}

impl Descent {
    pub fn new(kind: OptimiserKind, theta: Vec<f64>) -> Self {
        Descent {
            optimiser: Optimiser::new(kind, theta.len()),
            average: theta.clone(),
            theta,
            update: 0,
        }
    }

    /// Continues where another descent of the same problem stands.
    ///
    /// # Errors
    /// One of another number of parameters.
    pub fn resume(&mut self, kept: Descent) -> Result<()> {
        if kept.theta.len() != self.theta.len() {
            let expected = "a checkpoint of this experiment";
            return Err(Error::invalid("checkpoint", "another problem's", expected));
        }
        *self = kept;
        Ok(())
    }

    /// Moves θ against `gradient`; the first `decaying` entries feel the weight decay. Returns ‖gradient‖ before clipping.
    ///
    /// # Errors
    /// [`Error::Diverged`] with the update.
    pub fn down(
        &mut self,
        settings: &DensitySettings,
        loss: f64,
        gradient: &[f64],
        decaying: usize,
    ) -> Result<f64> {
        let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
        let shorten = (settings.gradient_clip / norm).min(1.0);
        let pull = |k: usize| {
            if k < decaying {
                settings.weight_decay
            } else {
                0.0
            }
        };
        let pairs = gradient.iter().zip(&self.theta).enumerate();
        let ascent: Vec<f64> = pairs
            .map(|(k, (g, t))| -shorten * g - pull(k) * t)
            .collect();
        let (rate, decay) = (settings.learning_rate, settings.decay);
        let rate = falling(rate, decay, self.update, settings.updates);
        self.optimiser.ascend(&mut self.theta, &ascent, rate);
        self.update += 1;
        let far = self.theta.iter().any(|t| t.is_nan() || t.abs() > BOUND);
        if far || loss.is_nan() || loss.abs() > BOUND {
            return Err(Error::Diverged {
                what: "training".to_owned(),
                detail: format!(
                    "at update {} the loss is {loss:.3e} and the gradient {norm:.3e}; a smaller learning_rate, a gradient_clip or an energy_l2 may hold it",
                    self.update
                ),
            });
        }
        // A short memory at first, 1 + a tenth of the updates so far: the random start is forgotten.
        let young = self.update as f64 / (self.update as f64 + 10.0);
        let keep = settings.average.min(young);
        for (average, theta) in self.average.iter_mut().zip(&self.theta) {
            *average = keep * *average + (1.0 - keep) * theta;
        }
        Ok(norm)
    }
}

/// `count` columns of the data, drawn with replacement.
pub(super) fn batch_of(data: &DMatrix<f32>, count: usize, rng: &mut Pcg32) -> DMatrix<f32> {
    let pick = |_| rng.random_range(0..data.ncols());
    let picks: Vec<usize> = (0..count).map(pick).collect();
    data.select_columns(&picks)
}
