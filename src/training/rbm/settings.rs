//! What decides the training of a restricted Boltzmann machine.

use crate::error::{Error, Result};
use crate::training::OptimiserKind;

/// Where the free averages of the gradient come from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NegativePhase {
    /// k sweeps from the data of the batch (Hinton 2002).
    Cd {
        /// k.
        sweeps: u64,
    },
    /// k sweeps of chains that go on from update to update (Tieleman 2008).
    Pcd {
        /// k.
        sweeps: u64,
        /// Chains; 0: as many as a batch has rows.
        chains: usize,
        /// Probability that a chain starts anew from a row of the data before an update.
        restart: f64,
    },
    /// Enumeration of the smaller layer: maximum likelihood.
    Exact,
}

/// Everything that decides a training run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RbmSettings {
    /// Free averages.
    pub negative: NegativePhase,
    /// Rows per update; the last batch of an epoch has what is left. At least the number of rows: all of them.
    pub batch: usize,
    /// Optimiser.
    pub optimiser: OptimiserKind,
    /// Learning rate.
    pub learning_rate: f64,
    /// The rate falls linearly to this fraction of itself at the last of `updates`.
    pub decay: f64,
    /// Planned number of updates.
    pub updates: u64,
    /// λ₁ of −λ₁ sign W in the gradient.
    pub weight_l1: f64,
    /// λ₂ of −λ₂ W in the gradient.
    pub weight_l2: f64,
    /// Whether the gradient is the centred one.
    pub centred: bool,
    /// Seed of the order of the data and of the chains.
    pub seed: u64,
}

impl RbmSettings {
    /// Batches of 10, PCD-1, plain SGD at 0.01, no decays.
    pub fn new(updates: u64, seed: u64) -> Self {
        RbmSettings {
            negative: NegativePhase::Pcd {
                sweeps: 1,
                chains: 0,
                restart: 0.0,
            },
            batch: 10,
            optimiser: OptimiserKind::Sgd { momentum: 0.0 },
            learning_rate: 0.01,
            decay: 1.0,
            updates,
            weight_l1: 0.0,
            weight_l2: 0.0,
            centred: false,
            seed,
        }
    }

    /// Refuses numbers out of range.
    ///
    /// # Errors
    /// The field, its value and its range.
    pub fn check(&self) -> Result<()> {
        let positive = |v: f64| v > 0.0 && v.is_finite();
        let none = |v: f64| v >= 0.0 && v.is_finite();
        for (field, value, good, expected) in [
            (
                "learning_rate",
                self.learning_rate,
                positive(self.learning_rate),
                "a positive number",
            ),
            (
                "decay",
                self.decay,
                self.decay > 0.0 && self.decay <= 1.0,
                "above 0 and at most 1",
            ),
            (
                "weight_decay",
                self.weight_l1,
                none(self.weight_l1),
                "of at least 0",
            ),
            (
                "weight_decay",
                self.weight_l2,
                none(self.weight_l2),
                "of at least 0",
            ),
            ("batch", self.batch as f64, self.batch > 0, "at least 1"),
        ] {
            if !good {
                return Err(Error::invalid(format!("train.{field}"), value, expected));
            }
        }
        match self.negative {
            NegativePhase::Cd { sweeps: 0 } | NegativePhase::Pcd { sweeps: 0, .. } => {
                Err(Error::invalid("train.sweeps", 0, "at least 1"))
            }
            NegativePhase::Pcd { restart, .. } if !(0.0..=1.0).contains(&restart) => {
                Err(Error::invalid("train.restart", restart, "between 0 and 1"))
            }
            _ => Ok(()),
        }
    }
}
