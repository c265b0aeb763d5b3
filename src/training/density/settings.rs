//! Which settings make sense: trainers refuse the others. The reader of experiment files has limits of its own, in a file's words.

use super::objective::Objective;
use super::trainer::DensitySettings;
use crate::error::{Error, Result};

/// A value that `allowed` refuses, under its key in `[train]`.
fn check(key: &str, value: f64, allowed: bool, expected: &str) -> Result<()> {
    if allowed {
        return Ok(());
    }
    Err(Error::invalid(format!("train.{key}"), value, expected))
}

fn positive(key: &str, value: f64) -> Result<()> {
    let expected = "a positive number";
    check(key, value, value > 0.0 && value.is_finite(), expected)
}

fn counted(key: &str, value: u64) -> Result<()> {
    check(key, value as f64, value > 0, "a whole number of at least 1")
}

impl Objective {
    /// # Errors
    /// No steps, directions or noise points; a restart outside [0, 1]; a σ that is not positive.
    pub fn check(&self) -> Result<()> {
        match *self {
            Objective::Contrastive { steps, restart, .. } => {
                counted("steps", steps)?;
                let share = (0.0..=1.0).contains(&restart);
                check("restart", restart, share, "a number in [0, 1]")
            }
            Objective::Sliced { directions, .. } => counted("directions", directions as u64),
            Objective::Denoising { sigma } => positive("sigma", sigma),
            Objective::NoiseContrastive { ratio } => counted("ratio", ratio as u64),
            Objective::MaximumLikelihood { grid } => counted("grid", grid.len() as u64),
            Objective::ScoreMatching => Ok(()),
        }
    }
}

impl DensitySettings {
    /// # Errors
    /// The first value out of range, by its key.
    pub fn check(&self) -> Result<()> {
        self.objective.check()?;
        counted("batch", self.batch as u64)?;
        counted("updates", self.updates)?;
        positive("learning_rate", self.learning_rate)?;
        positive("step", self.step)?;
        let part = self.decay > 0.0 && self.decay <= 1.0;
        check("decay", self.decay, part, "a number above 0, at most 1")?;
        let fraction = (0.0..1.0).contains(&self.average);
        check("average", self.average, fraction, "a number in [0, 1)")?;
        for (key, value) in [
            ("energy_l2", self.energy_l2),
            ("weight_decay", self.weight_decay),
        ] {
            let allowed = value >= 0.0 && value.is_finite();
            check(key, value, allowed, "a number of at least 0")?;
        }
        // ∞ is none.
        for (key, value) in [
            ("gradient_clip", self.gradient_clip),
            ("force_clip", self.force_clip),
        ] {
            check(key, value, value > 0.0, "a positive number")?;
        }
        Ok(())
    }
}
