//! Training a mixture through a sampler that it is programmed onto: an ideal selector chip, or an imperfect die.
//!
//! A die does not hold what it is programmed with, so that responsibilities under the program would be those of another law.
//! They are taken under a mixture that follows the readings: it is moved by every step as the program is, and then by a share of
//! EM's step on what was read. Where training ends, it is the die's law, and has the rows' weighted moments: a stationary point of
//! the likelihood among the laws that the die can be given.

use super::expectation::{MixtureCheckpoint, flat};
use super::moments::{WeightedMoments, collapse, moved};
use crate::energy::{Mixture, Parameters};
use crate::error::{Error, Result};
use crate::sampler::{ChainState, Cost, Horizon, Phase, Sampler};
use crate::training::Method;
use crate::training::optimiser::{Optimiser, OptimiserKind, falling};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};

/// How a mixture is trained through a sampler.
#[derive(Clone, Debug)]
pub struct MixtureSettings {
    /// [`Method::Cd`]: chains begin at rows; [`Method::Pcd`]: they go on.
    pub method: Method,
    /// How long they run in an update.
    pub negative: Horizon,
    /// Optimiser, in the components' own units.
    pub optimiser: OptimiserKind,
    /// Its rate: relative change of a weight, shift in standard deviations.
    pub learning_rate: f64,
    /// Share of the rate that is left at the last update.
    pub decay: f64,
    /// Updates.
    pub updates: u64,
    /// Least variance in any direction; 0 for none.
    pub least: f64,
    /// Weight of an update's readings in the mixture that follows them, from 0 (it is the program) to below 1.
    pub tracking: f64,
    /// Seed of the rows that chains begin at.
    pub seed: u64,
}

/// One update.
#[derive(Clone, Debug)]
pub struct ThroughStep {
    /// Update number (1-based).
    pub update: u64,
    /// Euclidean norm of the gradient.
    pub gradient_norm: f64,
    /// ⟨−ln p⟩ of the readings minus that of the rows, p the mixture that follows the readings.
    pub energy_gap: f64,
    /// Mean squared difference of the variables' means, rows against readings.
    pub moment_error: f64,
    /// Whether the sampler refused the step (a branch that its converters would make unstable), so that it was shortened.
    pub refused: bool,
    /// What the update cost: to sample, and to write what it led to.
    pub cost: Cost,
}

/// What is saved to continue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ThroughCheckpoint {
    /// Updates done, and the mixture.
    pub mixture: MixtureCheckpoint,
    /// The mixture that follows the readings.
    pub seen: Parameters,
    /// The optimiser's memory.
    pub optimiser: Optimiser,
    /// What chooses rows.
    pub rng: Pcg32,
    /// Chains and streams.
    pub sampler: ChainState,
}

/// Trains a mixture through a sampler whose chains are the batch.
#[derive(Clone, Debug)]
pub struct MixtureTrainer {
    settings: MixtureSettings,
    mixture: Mixture,
    /// What a checkpoint keeps, and `mixture` is made of.
    numbers: Parameters,
    /// What the readings are taken to be of, and its numbers.
    seen: (Mixture, Parameters),
    rows: Vec<f64>,
    optimiser: Optimiser,
    rng: Pcg32,
    update: u64,
    /// Whether the sampler holds `numbers`.
    written: bool,
}

/// How often a step that the sampler refuses is shortened: halved, and at last given up.
const SHORTER: usize = 6;

/// Half of the way.
fn between(a: &Parameters, b: &Parameters) -> Parameters {
    let halves = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| 0.5 * (a + b)).collect();
    Parameters {
        fields: halves(&a.fields, &b.fields),
        couplings: halves(&a.couplings, &b.couplings),
    }
}

/// The mixture with so much left of the entries of each Σ_k⁻¹ off the diagonal.
fn loosened(mixture: &Mixture, left: f64) -> Result<Mixture> {
    let (mut weights, mut means, mut covariances) = (Vec::new(), Vec::new(), Vec::new());
    for c in mixture.components() {
        let mut precision = &c.precision * left;
        precision.set_diagonal(&c.precision.diagonal());
        let gone = || collapse(weights.len(), "has no covariance left");
        covariances.push(precision.cholesky().ok_or_else(gone)?.inverse());
        weights.push(c.weight);
        means.push(c.mean.clone());
    }
    Mixture::new(&weights, &means, &covariances)
}

impl MixtureTrainer {
    /// From `start` on rows.
    ///
    /// # Errors
    /// Rows that do not fit, a method that does not sample, a rate that is not positive.
    pub fn new(settings: MixtureSettings, mut start: Mixture, rows: &[Vec<f64>]) -> Result<Self> {
        if !settings.method.samples() {
            let value = format!("{:?}", settings.method);
            let expected = "cd or pcd: EM needs no sampler";
            return Err(Error::invalid("train.method", value, expected));
        }
        let rate = settings.learning_rate;
        if !(rate > 0.0 && rate.is_finite()) {
            let expected = "a positive number";
            return Err(Error::invalid("train.learning_rate", rate, expected));
        }
        if !(0.0..1.0).contains(&settings.tracking) {
            let expected = "a number from 0 to below 1";
            return Err(Error::invalid(
                "train.tracking",
                settings.tracking,
                expected,
            ));
        }
        let numbers = start.parameters();
        start.set_parameters(&numbers)?;
        let rows = flat(&start, rows)?;
        Ok(MixtureTrainer {
            optimiser: Optimiser::new(
                settings.optimiser,
                numbers.fields.len() + numbers.couplings.len(),
            ),
            rng: Pcg32::seed_from_u64(settings.seed),
            seen: (start.clone(), numbers.clone()),
            mixture: start,
            numbers,
            rows,
            update: 0,
            written: false,
            settings,
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
    pub fn checkpoint(&self, sampler: &dyn Sampler) -> ThroughCheckpoint {
        ThroughCheckpoint {
            mixture: MixtureCheckpoint {
                update: self.update,
                parameters: self.numbers.clone(),
            },
            seen: self.seen.1.clone(),
            optimiser: self.optimiser.clone(),
            rng: self.rng.clone(),
            sampler: sampler.state(),
        }
    }

    /// Continues from a checkpoint, and puts the sampler where it was.
    ///
    /// # Errors
    /// One of another mixture or another sampler.
    pub fn resume(&mut self, kept: ThroughCheckpoint, sampler: &mut dyn Sampler) -> Result<()> {
        self.mixture.set_parameters(&kept.mixture.parameters)?;
        self.numbers = kept.mixture.parameters;
        self.seen.0.set_parameters(&kept.seen)?;
        self.seen.1 = kept.seen;
        sampler.restore(&kept.sampler)?;
        self.update = kept.mixture.update;
        self.written = false;
        self.optimiser = kept.optimiser;
        self.rng = kept.rng;
        Ok(())
    }

    /// Programs what training begins with. Where the sampler refuses it, its branches' couplings are halved, and at last left out.
    fn first_write(&mut self, sampler: &mut dyn Sampler) -> Result<Cost> {
        let dim = self.mixture.components()[0].mean.len();
        let mut refusals = 0;
        loop {
            match sampler.reprogram(&self.numbers) {
                Err(Error::Invalid { .. }) if refusals < SHORTER && dim > 1 => {
                    refusals += 1;
                    let left = if refusals == SHORTER { 0.0 } else { 0.5 };
                    self.numbers = loosened(&self.mixture, left)?.parameters();
                    self.mixture.set_parameters(&self.numbers)?;
                    self.seen = (self.mixture.clone(), self.numbers.clone());
                }
                told => return told,
            }
        }
    }

    /// One update: the rows' weighted moments minus those of the readings. A step to where the sampler refuses to be programmed
    /// is halved until it does not.
    ///
    /// # Errors
    /// What the sampler says, and [`Error::Diverged`].
    pub fn step(&mut self, sampler: &mut dyn Sampler) -> Result<ThroughStep> {
        let dim = self.mixture.components()[0].mean.len();
        let mut cost = Cost::default();
        if !self.written {
            let first = self.first_write(sampler)?;
            // A training that is continued wrote this at its last update.
            cost = if self.update == 0 { first } else { cost };
        }
        // Chains of PCD are left as they are, branches that are not read included.
        if self.update == 0 || self.settings.method == Method::Cd {
            let count = self.rows.len() / dim;
            let mut start = Vec::new();
            for _ in 0..sampler.describe().chains {
                let row = self.rng.random_range(0..count);
                start.extend_from_slice(&self.rows[row * dim..(row + 1) * dim]);
            }
            sampler.restore(&ChainState::at(start))?;
        }
        let run = sampler.run(&Phase {
            burn_in: Horizon::Steps(0),
            duration: self.settings.negative,
            every: None,
            clamp: None,
        })?;
        cost = cost.plus(run.cost);
        let readings: Vec<f64> = run.samples.x.iter().map(|&v| f64::from(v)).collect();
        let settings = &self.settings;
        let mut seen = self.seen.0.clone();
        if settings.tracking > 0.0 {
            let step = WeightedMoments::of(&seen, &readings)?.following(&seen, settings.tracking);
            seen = moved(&seen, &step, 0.0)?;
        }
        let positive = WeightedMoments::of(&seen, &self.rows)?;
        let negative = WeightedMoments::of(&seen, &readings)?;
        let gradient = positive.minus(&negative);
        let rate = falling(
            settings.learning_rate,
            settings.decay,
            self.update,
            settings.updates,
        );
        let mut delta = vec![0.0; gradient.len()];
        self.optimiser.ascend(&mut delta, &gradient, rate);
        let mut next = moved(&self.mixture, &delta, settings.least)?.parameters();
        // A die's own variances may be below what it can be asked for.
        self.seen.1 = moved(&seen, &delta, 0.0)?.parameters();
        let mut refusals = 0;
        let written = loop {
            match sampler.reprogram(&next) {
                Err(Error::Invalid { .. }) if refusals < SHORTER => {
                    refusals += 1;
                    let stay = refusals == SHORTER;
                    let less = |new: &Parameters, old: &Parameters| match stay {
                        true => old.clone(),
                        false => between(new, old),
                    };
                    next = less(&next, &self.numbers);
                    self.seen.1 = less(&self.seen.1, &seen.parameters());
                }
                told => break told?,
            }
        };
        cost = cost.plus(written);
        self.numbers = next;
        self.written = true;
        self.mixture.set_parameters(&self.numbers)?;
        self.seen.0.set_parameters(&self.seen.1)?;
        self.update += 1;
        let (rows, read) = (means(&self.rows, dim), means(&readings, dim));
        let off = rows.iter().zip(&read).map(|(a, b)| (a - b).powi(2));
        Ok(ThroughStep {
            update: self.update,
            gradient_norm: gradient.iter().map(|g| g * g).sum::<f64>().sqrt(),
            energy_gap: positive.log_likelihood - negative.log_likelihood,
            moment_error: off.sum::<f64>() / dim as f64,
            refused: refusals > 0,
            cost,
        })
    }
}

/// Means of rows of `dim` numbers each.
fn means(rows: &[f64], dim: usize) -> Vec<f64> {
    let of = |i: usize| rows.iter().skip(i).step_by(dim).sum::<f64>();
    let each = dim as f64 / rows.len() as f64;
    (0..dim).map(|i| of(i) * each).collect()
}
