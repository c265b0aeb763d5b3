//! The loop: a batch, the objective's slope, one step of the optimiser; divergence told with the update and the cause.

use super::descent::{Descent, batch_of};
use super::likelihood;
use super::monitor::{self, ChainMonitors, Monitors};
use super::objective::{self, NoiseLaw, Objective, Slope};
use crate::energy::{Network, Parameters};
use crate::error::{Error, Result};
use crate::sampler::{ChainState, Follow, Horizon, LogPartition, NetworkSampler, Phase, Sampler};
use crate::training::optimiser::OptimiserKind;
use crate::training::replay;
use nalgebra::DMatrix;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};

/// Stream of what monitors draw.
pub(super) const MONITORS: u64 = 0x6d6f_6e69;

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
    pub(super) descent: Descent,
    pub(super) rng: Pcg32,
    pub(super) chains: Option<ChainState>,
    pub(super) buffer: Option<Buffer>,
}

/// Chains of PCD that are kept, one after the other: a replay buffer. The scheme remembers each one's last noise, without which
/// chains that change places would be colder than the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Buffer {
    /// Where they are, as the columns of a matrix.
    pub x: Vec<f64>,
    noise: Vec<f64>,
}

/// Numbers of the chains in `slots`.
fn taken(all: &[f64], slots: &[usize], dim: usize) -> Vec<f64> {
    let of = |&slot: &usize| &all[slot * dim..(slot + 1) * dim];
    slots.iter().flat_map(of).copied().collect()
}

/// What one update contrasts.
struct Points {
    data: DMatrix<f32>,
    negatives: Option<Negatives>,
}

/// Chains before and after a negative phase, and the share of force components that were cut in it.
struct Negatives {
    starts: DMatrix<f32>,
    ends: DMatrix<f32>,
    clipped: f64,
}

impl Points {
    fn clipped(&self) -> f64 {
        self.negatives.as_ref().map_or(0.0, |n| n.clipped)
    }

    /// `width` columns of the batch, and the chains of the same numbers.
    fn part(&self, first: usize, width: usize) -> Self {
        let columns = |x: &DMatrix<f32>| x.columns(first, width).into_owned();
        Points {
            data: columns(&self.data),
            negatives: self.negatives.as_ref().map(|n| Negatives {
                starts: columns(&n.starts),
                ends: columns(&n.ends),
                clipped: n.clipped,
            }),
        }
    }
}

/// Training of a network on columns of data.
#[derive(Debug)]
pub struct DensityTrainer {
    settings: DensitySettings,
    data: DMatrix<f32>,
    noise: NoiseLaw,
    network: Network<f32>,
    /// Of θ, then log Z.
    descent: Descent,
    rng: Pcg32,
    sampler: NetworkSampler,
    /// Whether the chains have been put onto data.
    started: bool,
    /// Chains of PCD, where more are kept than an update runs.
    buffer: Option<Buffer>,
}

impl DensityTrainer {
    /// Trains `network` on the columns of `data`; `noise` is what noise contrast takes and what
    /// leaps propose from (absent: a fitted Gaussian).
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
        settings.check()?;
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
            descent: Descent::new(settings.optimiser, theta),
            network,
            noise,
            data,
            rng,
            sampler,
            started: false,
            buffer: None,
            settings,
        })
    }

    /// Keeps so many chains of PCD, from which every update takes different ones at random; they begin at the data.
    ///
    /// # Errors
    /// Fewer than a batch; an objective whose chains do not persist.
    pub fn with_buffer(mut self, slots: usize) -> Result<Self> {
        let persists = |o| matches!(o, Objective::Contrastive { persistent, .. } if persistent);
        let persistent = persists(self.settings.objective);
        replay::check(slots, self.settings.batch, persistent)?;
        let data = batch_of(&self.data, slots, &mut self.rng);
        self.buffer = Some(Buffer {
            x: data.iter().map(|&v| f64::from(v)).collect(),
            noise: vec![0.0; data.len()],
        });
        Ok(self)
    }

    /// The chains of the replay buffer.
    pub fn buffer(&self) -> Option<&Buffer> {
        self.buffer.as_ref()
    }

    /// Updates done.
    pub fn update(&self) -> u64 {
        self.descent.update
    }

    /// The learned network (averaged parameters), and its log Z as noise contrast learned it.
    ///
    /// # Errors
    /// None in practice: parameters are finite while training has not diverged.
    pub fn learned(&self) -> Result<(Network<f64>, f64)> {
        let (theta, log_z) = self
            .descent
            .average
            .split_at(self.descent.average.len() - 1);
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
            descent: self.descent.clone(),
            rng: self.rng.clone(),
            chains: self.started.then(|| self.sampler.state()),
            buffer: self.buffer.clone(),
        }
    }

    /// Continues from a checkpoint.
    ///
    /// # Errors
    /// A checkpoint of another problem.
    pub fn resume(&mut self, checkpoint: DensityCheckpoint) -> Result<()> {
        let kept = |b: &Option<Buffer>| b.as_ref().map(|b| b.x.len());
        if kept(&self.buffer) != kept(&checkpoint.buffer) {
            let expected = "one with as many chains in its buffer";
            return Err(Error::invalid("checkpoint", "another problem's", expected));
        }
        self.descent.resume(checkpoint.descent)?;
        self.buffer = checkpoint.buffer;
        self.rng = checkpoint.rng;
        self.write_network()?;
        if let Some(chains) = checkpoint.chains {
            self.sampler.restore(&chains)?;
            self.started = true;
        }
        Ok(())
    }

    fn write_network(&mut self) -> Result<()> {
        let n = self.descent.theta.len() - 1;
        let theta: Vec<f32> = self.descent.theta[..n].iter().map(|&v| v as f32).collect();
        self.network.set_parameters(&theta)
    }

    /// The negative phase: chains from data (CD) or from where they were (PCD), `steps` Langevin steps on.
    fn negatives(
        &mut self,
        batch: &DMatrix<f32>,
        (persistent, steps, restart): (bool, u64, f64),
    ) -> Result<Negatives> {
        let n = self.descent.theta.len() - 1;
        self.sampler.reprogram(&Parameters {
            fields: Vec::new(),
            couplings: self.descent.theta[..n].to_vec(),
        })?;
        let dim = self.data.nrows();
        let mut slots = Vec::new();
        let mut noise = Vec::new();
        let kept = match &self.buffer {
            Some(kept) => {
                slots = replay::chosen(kept.x.len() / dim, batch.ncols(), &mut self.rng);
                noise = taken(&kept.noise, &slots, dim);
                let x = taken(&kept.x, &slots, dim).into_iter().map(|v| v as f32);
                Some(DMatrix::from_iterator(dim, batch.ncols(), x))
            }
            None => (persistent && self.started).then(|| self.chains()),
        };
        let continued = kept.is_some();
        let mut chains = kept.unwrap_or_else(|| batch.clone());
        if continued {
            for k in 0..chains.ncols() {
                if self.rng.random::<f64>() < restart {
                    chains.set_column(k, &batch.column(k));
                }
            }
        }
        let values = chains.iter().map(|&v| f64::from(v)).collect();
        self.sampler.restore(&ChainState {
            adapted: noise,
            ..ChainState::at(values)
        })?;
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
        let ends = self.chains();
        if let Some(kept) = &mut self.buffer {
            let now = self.sampler.state();
            for (k, &slot) in slots.iter().enumerate() {
                let (own, to) = (k * dim..(k + 1) * dim, slot * dim..(slot + 1) * dim);
                kept.x[to.clone()].copy_from_slice(&now.values[own.clone()]);
                kept.noise[to].copy_from_slice(&now.adapted[own]);
            }
        }
        Ok(Negatives {
            starts: chains,
            ends,
            clipped: run.clip_fraction,
        })
    }

    /// The points of the next update.
    fn draw(&mut self) -> Result<Points> {
        let data = batch_of(&self.data, self.settings.batch, &mut self.rng);
        let negatives = match self.settings.objective {
            Objective::Contrastive {
                persistent,
                steps,
                restart,
            } => Some(self.negatives(&data, (persistent, steps, restart))?),
            _ => None,
        };
        Ok(Points { data, negatives })
    }

    /// The loss and its slope between points; `rng` draws directions and noise.
    fn slope_of(&self, points: &Points, rng: &mut Pcg32) -> Slope {
        let mut slope = Slope::zero(self.descent.theta.len() - 1);
        let (network, batch) = (&self.network, &points.data);
        match self.settings.objective {
            Objective::MaximumLikelihood { grid } => {
                likelihood::positive(network, batch, &mut slope);
                likelihood::negative(network, &grid, &mut slope);
            }
            Objective::ScoreMatching => objective::score_matching(network, batch, &mut slope),
            Objective::Sliced {
                directions,
                projection,
            } => objective::sliced(network, batch, (directions, projection), rng, &mut slope),
            Objective::Denoising { sigma } => {
                objective::denoising(network, batch, sigma, rng, &mut slope);
            }
            Objective::NoiseContrastive { ratio } => {
                let points = self.noise.sample(ratio * batch.ncols(), rng);
                let log_z = self.descent.theta[self.descent.theta.len() - 1];
                let noise = (&self.noise, &points);
                objective::noise_contrastive(network, batch, noise, log_z, &mut slope);
            }
            Objective::Contrastive { .. } => {
                if let Some(negatives) = &points.negatives {
                    let l2 = self.settings.energy_l2;
                    objective::contrastive(network, batch, &negatives.ends, l2, &mut slope);
                }
            }
        }
        slope
    }

    /// As much of the slope as differs from batch to batch.
    fn scattering_slope(&self, points: &Points, rng: &mut Pcg32) -> Slope {
        if !matches!(self.settings.objective, Objective::MaximumLikelihood { .. }) {
            return self.slope_of(points, rng);
        }
        let mut slope = Slope::zero(self.descent.theta.len() - 1);
        likelihood::positive(&self.network, &points.data, &mut slope);
        slope
    }

    fn drawn_slope(&mut self) -> Result<(Points, Slope)> {
        let points = self.draw()?;
        let mut rng = self.rng.clone();
        let slope = self.slope_of(&points, &mut rng);
        self.rng = rng;
        Ok((points, slope))
    }

    /// The loss and its slope on one batch, without moving.
    ///
    /// # Errors
    /// What the sampler of the negative phase says.
    pub fn slope(&mut self) -> Result<(Slope, f64)> {
        let (points, slope) = self.drawn_slope()?;
        Ok((slope, points.clipped()))
    }

    /// One update.
    ///
    /// # Errors
    /// [`Error::Diverged`] with the update and what diverged.
    pub fn step(&mut self) -> Result<DensityStep> {
        let (points, slope) = self.drawn_slope()?;
        self.descend(&slope, points.clipped())
    }

    /// One update, and what its points say of gradient and negatives at the parameters it starts from. Moves exactly as
    /// [`DensityTrainer::step`] does: monitors draw from a stream of their own. Costs about one gradient of the batch more.
    ///
    /// # Errors
    /// As [`DensityTrainer::step`].
    pub fn observed_step(&mut self) -> Result<(DensityStep, Monitors)> {
        let (points, slope) = self.drawn_slope()?;
        let monitors = self.observe(&points, &slope);
        Ok((self.descend(&slope, points.clipped())?, monitors))
    }

    fn observe(&self, points: &Points, slope: &Slope) -> Monitors {
        let seed = self.settings.seed;
        let mut rng = Pcg32::new(seed.wrapping_add(self.descent.update), MONITORS ^ seed);
        let batch = points.data.ncols();
        let gradient_se = monitor::scatter(batch, |first, width| {
            let part = points.part(first, width);
            self.scattering_slope(&part, &mut rng).theta
        });
        let chains = points.negatives.as_ref().map(|n| {
            // Other points than those that chains may have started from.
            let others = batch_of(&self.data, batch, &mut rng);
            let energies = |x| self.network.energies(x);
            let (energy_gap, energy_gap_se) =
                monitor::energy_gap(&energies(&points.data), &energies(&n.ends));
            let apart = monitor::distance(&others, &n.ends, seed);
            let step = (self.settings.step, self.settings.force_clip);
            ChainMonitors {
                energy_gap,
                energy_gap_se,
                distance: apart.as_ref().map_or(0.0, |d| d.value),
                distance_floor: apart.as_ref().map_or(0.0, |d| d.floor),
                independent: monitor::independent_share(&n.starts, &n.ends),
                acceptance: monitor::acceptance(&self.network, &n.ends, step, &mut rng),
            }
        });
        Monitors {
            update: self.descent.update + 1,
            gradient_norm: norm(&slope.theta),
            gradient_se,
            chains,
        }
    }

    /// Moves θ down a slope.
    fn descend(&mut self, slope: &Slope, clipped: f64) -> Result<DensityStep> {
        let decaying = self.descent.theta.len() - 1;
        let (loss, settings) = (slope.loss, &self.settings);
        let norm = self.descent.down(settings, loss, &slope.theta, decaying)?;
        self.write_network()?;
        Ok(DensityStep {
            update: self.descent.update,
            loss,
            gradient_norm: norm,
            clipped,
        })
    }
}

pub(super) fn norm(gradient: &[f64]) -> f64 {
    gradient.iter().map(|g| g * g).sum::<f64>().sqrt()
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
