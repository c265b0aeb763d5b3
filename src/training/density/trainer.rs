//! The loop: a batch, the objective's slope, one step of the optimiser; divergence told with the update and the cause.

use super::likelihood;
use super::objective::{self, NoiseLaw, Objective, Slope};
use crate::energy::{Network, Parameters};
use crate::error::{Error, Result};
use crate::sampler::{ChainState, Follow, Horizon, LogPartition, NetworkSampler, Phase, Sampler};
use crate::training::optimiser::{Optimiser, OptimiserKind, falling};
use nalgebra::DMatrix;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};

/// Beyond this a parameter or a loss counts as diverged.
const BOUND: f64 = 1e4;

/// Everything that decides a run.
#[derive(Clone, Debug)]
pub struct DensitySettings {
    /// The loss.
    pub objective: Objective,
    /// Points per update, and chains of the negative phase.
    pub batch: usize,
    /// Planned number of updates.
    pub updates: u64,
    /// Rule.
    pub optimiser: OptimiserKind,
    /// Its rate.
    pub learning_rate: f64,
    /// The rate falls linearly to this fraction of itself at the last update.
    pub decay: f64,
    /// Averaged parameters follow θ̄ ← a θ̄ + (1 − a) θ; 0 takes θ itself. Takes out what the noise of chains shakes.
    pub average: f64,
    /// λ of λ(⟨E²⟩_data + ⟨E²⟩_chains): keeps energies near zero (contrastive only).
    pub energy_l2: f64,
    /// λ of the pull −λθ.
    pub weight_decay: f64,
    /// Largest ‖gradient‖₂ (longer ones are shortened); ∞ for none.
    pub gradient_clip: f64,
    /// Independence Metropolis–Hastings moves from the noise law that every chain makes after its Langevin steps. Chains
    /// alone keep the weights that modes had where they began; these moves let the weights follow the energy.
    pub leaps: u64,
    /// Langevin step of the negative phase.
    pub step: f64,
    /// Largest force component a Langevin step follows; ∞ for none.
    pub force_clip: f64,
    /// Seed.
    pub seed: u64,
}

/// What one update did.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct DensityStep {
    /// Number of this update, from 1.
    pub update: u64,
    /// The loss (contrastive: ⟨E⟩_data − ⟨E⟩_chains, near zero when chains have reached the model's law).
    pub loss: f64,
    /// ‖∂loss/∂θ‖₂ before clipping.
    pub gradient_norm: f64,
    /// Share of force components that were cut.
    pub clipped: f64,
}

/// A run that can be continued to the same bits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DensityCheckpoint {
    update: u64,
    theta: Vec<f64>,
    average: Vec<f64>,
    optimiser: Optimiser,
    rng: Pcg32,
    chains: Option<ChainState>,
}

/// Training of a network on columns of data.
#[derive(Debug)]
pub struct DensityTrainer {
    settings: DensitySettings,
    data: DMatrix<f32>,
    noise: NoiseLaw,
    network: Network<f32>,
    /// θ, then log Z.
    theta: Vec<f64>,
    average: Vec<f64>,
    optimiser: Optimiser,
    rng: Pcg32,
    update: u64,
    sampler: NetworkSampler,
    /// Whether the chains have been put onto data.
    started: bool,
}

impl DensityTrainer {
    /// Trains `network` on the columns of `data`; `noise` is what noise contrast takes (absent: a fitted Gaussian).
    ///
    /// # Errors
    /// No data, data of another dimension, or settings out of range.
    pub fn new(
        settings: DensitySettings,
        data: DMatrix<f32>,
        network: Network<f32>,
        noise: Option<NoiseLaw>,
        follow: Follow,
    ) -> Result<Self> {
        if data.ncols() == 0 || data.nrows() != network.inputs() {
            let value = format!("{} points of {}", data.ncols(), data.nrows());
            let expected = format!("points of {} numbers", network.inputs());
            return Err(Error::invalid("train.data", value, expected));
        }
        let positive = [
            ("train.learning_rate", settings.learning_rate),
            ("train.gradient_clip", settings.gradient_clip),
            ("train.batch", settings.batch as f64),
        ];
        if let Some((name, value)) = positive.into_iter().find(|(_, v)| v.is_nan() || *v <= 0.0) {
            return Err(Error::invalid(name, value, "a positive number"));
        }
        if !(0.0..1.0).contains(&settings.average) {
            let expected = "a number in [0, 1)";
            return Err(Error::invalid("train.average", settings.average, expected));
        }
        let in_plane = network.inputs() == 2;
        if matches!(settings.objective, Objective::MaximumLikelihood { .. }) && !in_plane {
            let expected = "two variables: the sums over a grid are of the plane";
            return Err(Error::invalid("network", network.inputs(), expected));
        }
        let noise = match noise {
            Some(noise) => noise,
            None => NoiseLaw::fitted(&data)?,
        };
        let mut rng = Pcg32::seed_from_u64(settings.seed);
        let mut theta: Vec<f64> = network.parameters().iter().map(|&v| v.into()).collect();
        theta.push(importance_log_z(&network, &noise, &mut rng));
        let sampler = NetworkSampler::new(
            &network,
            settings.batch,
            (settings.seed, 0),
            settings.step,
            settings.force_clip,
            follow,
        )?;
        Ok(DensityTrainer {
            optimiser: Optimiser::new(settings.optimiser, theta.len()),
            average: theta.clone(),
            theta,
            network,
            noise,
            data,
            rng,
            update: 0,
            sampler,
            started: false,
            settings,
        })
    }

    /// Updates done.
    pub fn update(&self) -> u64 {
        self.update
    }

    /// The learned network (averaged parameters), and its log Z as noise contrast learned it.
    ///
    /// # Errors
    /// None in practice: parameters are finite while training has not diverged.
    pub fn learned(&self) -> Result<(Network<f64>, f64)> {
        let (theta, log_z) = self.average.split_at(self.average.len() - 1);
        let mut network = self.network.convert::<f64>();
        network.set_parameters(theta)?;
        Ok((network, log_z[0]))
    }

    /// Where the chains of the negative phase are, as columns.
    pub fn chains(&self) -> DMatrix<f32> {
        let values = self.sampler.state().values;
        let values = values.iter().map(|&v| v as f32);
        DMatrix::from_iterator(self.data.nrows(), self.settings.batch, values)
    }

    /// Everything needed to continue to the same bits.
    pub fn checkpoint(&self) -> DensityCheckpoint {
        DensityCheckpoint {
            update: self.update,
            theta: self.theta.clone(),
            average: self.average.clone(),
            optimiser: self.optimiser.clone(),
            rng: self.rng.clone(),
            chains: self.started.then(|| self.sampler.state()),
        }
    }

    /// Continues from a checkpoint.
    ///
    /// # Errors
    /// A checkpoint of another problem.
    pub fn resume(&mut self, checkpoint: DensityCheckpoint) -> Result<()> {
        if checkpoint.theta.len() != self.theta.len() {
            let expected = "a checkpoint of this experiment";
            return Err(Error::invalid("checkpoint", "another problem's", expected));
        }
        self.update = checkpoint.update;
        self.theta = checkpoint.theta;
        self.average = checkpoint.average;
        self.optimiser = checkpoint.optimiser;
        self.rng = checkpoint.rng;
        self.write_network()?;
        if let Some(chains) = checkpoint.chains {
            self.sampler.restore(&chains)?;
            self.started = true;
        }
        Ok(())
    }

    fn write_network(&mut self) -> Result<()> {
        let n = self.theta.len() - 1;
        let theta: Vec<f32> = self.theta[..n].iter().map(|&v| v as f32).collect();
        self.network.set_parameters(&theta)
    }

    fn batch(&mut self) -> DMatrix<f32> {
        let picks: Vec<usize> = (0..self.settings.batch)
            .map(|_| self.rng.random_range(0..self.data.ncols()))
            .collect();
        self.data.select_columns(&picks)
    }

    /// The negative phase: chains from data (CD) or from where they were (PCD), `steps` Langevin steps on.
    fn negatives(
        &mut self,
        batch: &DMatrix<f32>,
        (persistent, steps, restart): (bool, u64, f64),
    ) -> Result<(DMatrix<f32>, f64)> {
        let n = self.theta.len() - 1;
        self.sampler.reprogram(&Parameters {
            fields: Vec::new(),
            couplings: self.theta[..n].to_vec(),
        })?;
        let mut chains = if persistent && self.started {
            self.chains()
        } else {
            batch.clone()
        };
        if persistent && self.started {
            for k in 0..chains.ncols() {
                if self.rng.random::<f64>() < restart {
                    chains.set_column(k, &batch.column(k));
                }
            }
        }
        let values = chains.iter().map(|&v| f64::from(v)).collect();
        self.sampler.restore(&ChainState::at(values))?;
        self.started = true;
        let run = self.sampler.run(&Phase {
            burn_in: Horizon::Steps(0),
            duration: Horizon::Steps(steps),
            every: None,
            clamp: None,
        })?;
        for _ in 0..self.settings.leaps {
            let proposals = self.noise.sample(self.settings.batch, &mut self.rng);
            self.sampler
                .leap(&proposals, |x| self.noise.log_densities(x))?;
        }
        Ok((self.chains(), run.clip_fraction))
    }

    /// The loss and its slope on one batch, without moving.
    ///
    /// # Errors
    /// What the sampler of the negative phase says.
    pub fn slope(&mut self) -> Result<(Slope, f64)> {
        let batch = self.batch();
        let mut slope = Slope::zero(self.theta.len() - 1);
        let mut clipped = 0.0;
        let network = &self.network;
        match self.settings.objective {
            Objective::MaximumLikelihood { grid } => {
                likelihood::maximum_likelihood(network, &batch, &grid, &mut slope);
            }
            Objective::ScoreMatching => objective::score_matching(network, &batch, &mut slope),
            Objective::Sliced {
                directions,
                projection,
            } => objective::sliced(
                network,
                &batch,
                (directions, projection),
                &mut self.rng,
                &mut slope,
            ),
            Objective::Denoising { sigma } => {
                objective::denoising(network, &batch, sigma, &mut self.rng, &mut slope);
            }
            Objective::NoiseContrastive { ratio } => {
                let points = self.noise.sample(ratio * batch.ncols(), &mut self.rng);
                let log_z = self.theta[self.theta.len() - 1];
                objective::noise_contrastive(
                    network,
                    &batch,
                    (&self.noise, &points),
                    log_z,
                    &mut slope,
                );
            }
            Objective::Contrastive {
                persistent,
                steps,
                restart,
            } => {
                let (ends, cut) = self.negatives(&batch, (persistent, steps, restart))?;
                clipped = cut;
                let l2 = self.settings.energy_l2;
                objective::contrastive(&self.network, &batch, &ends, l2, &mut slope);
            }
        }
        Ok((slope, clipped))
    }

    /// One update.
    ///
    /// # Errors
    /// [`Error::Diverged`] with the update and what diverged.
    pub fn step(&mut self) -> Result<DensityStep> {
        let (slope, clipped) = self.slope()?;
        let n = self.theta.len() - 1;
        let norm = slope.theta.iter().map(|g| g * g).sum::<f64>().sqrt();
        let settings = &self.settings;
        let shorten = (settings.gradient_clip / norm).min(1.0);
        let ascent: Vec<f64> = slope
            .theta
            .iter()
            .zip(&self.theta)
            .enumerate()
            .map(|(k, (g, t))| {
                -shorten * g
                    - if k < n {
                        settings.weight_decay * t
                    } else {
                        0.0
                    }
            })
            .collect();
        let (rate, decay) = (settings.learning_rate, settings.decay);
        let rate = falling(rate, decay, self.update, settings.updates);
        self.optimiser.ascend(&mut self.theta, &ascent, rate);
        self.update += 1;
        let far = self.theta.iter().any(|t| t.is_nan() || t.abs() > BOUND);
        if far || slope.loss.is_nan() || slope.loss.abs() > BOUND {
            return Err(Error::Diverged {
                what: "training".to_owned(),
                detail: format!(
                    "at update {} the loss is {:.3e} and the gradient {norm:.3e}; a smaller learning_rate, a gradient_clip or an energy_l2 may hold it",
                    self.update, slope.loss
                ),
            });
        }
        // A short memory at first, 1 + a tenth of the updates so far: the random start is forgotten.
        let young = self.update as f64 / (self.update as f64 + 10.0);
        let keep = settings.average.min(young);
        for (average, theta) in self.average.iter_mut().zip(&self.theta) {
            *average = keep * *average + (1.0 - keep) * theta;
        }
        self.write_network()?;
        Ok(DensityStep {
            update: self.update,
            loss: slope.loss,
            gradient_norm: norm,
            clipped,
        })
    }
}

/// log ⟨e^{−E}/q⟩ over noise: where log Z starts.
fn importance_log_z(network: &Network<f32>, noise: &NoiseLaw, rng: &mut Pcg32) -> f64 {
    let x = noise.sample(1024, rng);
    let weights: Vec<f64> = network
        .energies(&x)
        .iter()
        .zip(noise.log_densities(&x))
        .map(|(&e, log_q)| -f64::from(e) - log_q)
        .collect();
    LogPartition::from_weights(&weights, 0.0, 1.0).log_z
}
