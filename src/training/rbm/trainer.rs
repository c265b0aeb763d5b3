//! Stochastic ascent of ln p of the data: mini-batches in an order drawn anew every epoch, the clamped averages exact given
//! the batch, the free ones as [`NegativePhase`] says.

use super::machine::Rbm;
use super::settings::{NegativePhase, RbmSettings};
use crate::energy::Parameters;
use crate::error::{Error, Result};
use crate::sampler::restricted::{
    Origin, RestrictedGibbs, RestrictedState, chain_rng, restricted_moments,
};
use crate::training::optimiser::{Optimiser, falling};
use rand::RngExt;
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};

/// Share of the newest batch in the running mean of the hidden spins that the centred gradient subtracts.
const CENTRE_RATE: f64 = 0.01;
/// Domain of the streams of the free chains; the order of the data has its own.
const CHAINS: u64 = 0x0072_626d;
const ORDER: u64 = CHAINS + 1;

/// A training run that can be continued to the same bits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RbmCheckpoint {
    /// Updates done.
    pub update: u64,
    /// b, c and W.
    pub parameters: Parameters,
    optimiser: Optimiser,
    rng: Pcg32,
    order: Vec<u32>,
    next: usize,
    centre: Vec<f64>,
    started: bool,
    chains: RestrictedState,
}

/// Learning of one machine from rows of ±1.
#[derive(Clone, Debug)]
pub struct RbmTrainer {
    settings: RbmSettings,
    visible: usize,
    hidden: usize,
    /// Rows of the data, padded as the sampler's.
    rows: Vec<f32>,
    count: usize,
    means: Vec<f64>,
    /// b, c, W.
    theta: Vec<f64>,
    gradient: Vec<f64>,
    optimiser: Optimiser,
    sampler: RestrictedGibbs,
    rng: Pcg32,
    order: Vec<u32>,
    next: usize,
    /// Running mean of the hidden spins under the data.
    centre: Vec<f64>,
    started: bool,
    update: u64,
    batch: Vec<f32>,
    hidden_means: Vec<f32>,
}

impl RbmTrainer {
    /// Learns from `rows` of ±1, starting from `start`.
    ///
    /// # Errors
    /// Settings out of range, no rows, rows of another length or with other values, or layers too large to enumerate when the
    /// free averages are to be exact.
    pub fn new(settings: RbmSettings, rows: &[Vec<f64>], start: &Rbm) -> Result<Self> {
        settings.check()?;
        let (visible, hidden) = (start.visible(), start.hidden());
        if rows.is_empty() {
            return Err(Error::invalid("train.data", "no rows", "at least one row"));
        }
        for (k, row) in rows.iter().enumerate() {
            let wrong = row.iter().find(|v| v.abs() != 1.0);
            if row.len() != visible || wrong.is_some() {
                let value = match wrong {
                    Some(value) => format!("{value} in row {k}"),
                    None => format!("{} values in row {k}", row.len()),
                };
                let expected = format!("rows of {visible} values -1 or +1");
                return Err(Error::invalid("train.data", value, expected));
            }
        }
        let Parameters { fields, couplings } = start.parameters();
        if settings.negative == NegativePhase::Exact {
            restricted_moments((visible, hidden), fields, couplings)?;
        }
        let size = settings.batch.min(rows.len());
        let chains = match settings.negative {
            NegativePhase::Pcd { chains, .. } if chains > 0 => chains,
            NegativePhase::Exact => 0,
            _ => size,
        };
        let origin = Origin::from((settings.seed, CHAINS));
        let sampler = RestrictedGibbs::new(visible, hidden, chains, origin);
        let stride = sampler.row();
        let mut padded = vec![0.0f32; rows.len() * stride];
        for (to, row) in padded.chunks_exact_mut(stride).zip(rows) {
            for (to, from) in to.iter_mut().zip(row) {
                *to = *from as f32;
            }
        }
        let n = rows.len() as f64;
        let mean = |i: usize| rows.iter().map(|row| row[i]).sum::<f64>() / n;
        let theta = [&fields[..], &couplings[..]].concat();
        Ok(RbmTrainer {
            settings,
            visible,
            hidden,
            rows: padded,
            count: rows.len(),
            means: (0..visible).map(mean).collect(),
            gradient: vec![0.0; theta.len()],
            optimiser: Optimiser::new(settings.optimiser, theta.len()),
            theta,
            batch: Vec::with_capacity(size * stride),
            hidden_means: Vec::with_capacity(size.max(chains) * sampler.hidden_row()),
            sampler,
            rng: chain_rng(settings.seed, ORDER, 0),
            order: (0..rows.len() as u32).collect(),
            next: rows.len(),
            centre: vec![0.0; hidden],
            started: false,
            update: 0,
        })
    }

    /// Updates done.
    pub fn update(&self) -> u64 {
        self.update
    }

    /// Updates that an epoch takes.
    pub fn updates_per_epoch(&self) -> u64 {
        self.count.div_ceil(self.settings.batch) as u64
    }

    /// b, c and W now.
    pub fn parameters(&self) -> Parameters {
        let (fields, couplings) = self.theta.split_at(self.visible + self.hidden);
        Parameters {
            fields: fields.to_vec(),
            couplings: couplings.to_vec(),
        }
    }

    /// The machine now.
    ///
    /// # Errors
    /// None in practice: the parameters have the shape of the start.
    pub fn machine(&self) -> Result<Rbm> {
        Rbm::new(self.visible, self.hidden, self.parameters())
    }

    /// The ascent direction of the last update, in the order b, c, W.
    pub fn gradient(&self) -> &[f64] {
        &self.gradient
    }

    /// Everything needed to continue to the same bits.
    pub fn checkpoint(&self) -> RbmCheckpoint {
        RbmCheckpoint {
            update: self.update,
            parameters: self.parameters(),
            optimiser: self.optimiser.clone(),
            rng: self.rng.clone(),
            order: self.order.clone(),
            next: self.next,
            centre: self.centre.clone(),
            started: self.started,
            chains: self.sampler.state(),
        }
    }

    /// Continues from a checkpoint.
    ///
    /// # Errors
    /// A checkpoint of another problem.
    pub fn resume(&mut self, checkpoint: RbmCheckpoint) -> Result<()> {
        let Parameters { fields, couplings } = &checkpoint.parameters;
        let shape = (fields.len(), couplings.len(), checkpoint.order.len());
        let (n, m) = (self.visible, self.hidden);
        if shape != (n + m, n * m, self.count) || checkpoint.centre.len() != m {
            let expected = "a checkpoint of this experiment";
            return Err(Error::invalid("checkpoint", "another problem's", expected));
        }
        self.sampler.restore(&checkpoint.chains)?;
        self.theta = [&fields[..], &couplings[..]].concat();
        self.update = checkpoint.update;
        self.optimiser = checkpoint.optimiser;
        self.rng = checkpoint.rng;
        self.order = checkpoint.order;
        self.next = checkpoint.next;
        self.centre = checkpoint.centre;
        self.started = checkpoint.started;
        Ok(())
    }

    /// The rows of the next batch.
    fn draw_batch(&mut self) {
        if self.next >= self.count {
            for k in (1..self.count).rev() {
                self.order.swap(k, self.rng.random_range(0..=k));
            }
            self.next = 0;
        }
        let stride = self.sampler.row();
        let last = self.count.min(self.next + self.settings.batch);
        self.batch.clear();
        for &row in &self.order[self.next..last] {
            let at = row as usize * stride;
            self.batch.extend_from_slice(&self.rows[at..at + stride]);
        }
        self.next = last;
    }

    /// Where the free averages are taken: the first so many chains, after their sweeps.
    fn run_chains(&mut self, size: usize) -> usize {
        let stride = self.sampler.row();
        match self.settings.negative {
            NegativePhase::Cd { sweeps } => {
                for (chain, row) in self.batch.chunks_exact(stride).enumerate() {
                    self.sampler.place(chain, row);
                }
                self.sampler.sweep(size, sweeps);
                size
            }
            NegativePhase::Pcd {
                sweeps, restart, ..
            } => {
                let chains = self.sampler.chains();
                for chain in 0..chains {
                    // All chains start at the data, and again when their lot falls.
                    if !self.started || (restart > 0.0 && self.rng.random::<f64>() < restart) {
                        let at = self.rng.random_range(0..self.count) * stride;
                        self.sampler.place(chain, &self.rows[at..at + stride]);
                    }
                }
                self.started = true;
                self.sampler.sweep(chains, sweeps);
                chains
            }
            NegativePhase::Exact => 0,
        }
    }

    /// One update.
    ///
    /// # Errors
    /// [`Error::Diverged`] with the update and the parameter that left all bounds.
    pub fn step(&mut self) -> Result<()> {
        let (n, m) = (self.visible, self.hidden);
        let (fields, couplings) = self.theta.split_at(n + m);
        self.sampler.reprogram(fields, couplings)?;
        self.draw_batch();
        let size = self.batch.len() / self.sampler.row();

        self.gradient.fill(0.0);
        let share = 1.0 / size as f64;
        self.sampler
            .hidden_means(&self.batch, &mut self.hidden_means);
        let (batch, means) = (&self.batch[..], &self.hidden_means[..]);
        self.sampler
            .add_statistics(batch, means, share, &mut self.gradient);
        if self.settings.centred {
            let hidden = &self.gradient[n..n + m];
            let rate = if self.update == 0 { 1.0 } else { CENTRE_RATE };
            for (centre, mean) in self.centre.iter_mut().zip(hidden) {
                *centre += rate * (mean - *centre);
            }
        }
        if self.settings.negative == NegativePhase::Exact {
            let (fields, couplings) = self.theta.split_at(n + m);
            let free = restricted_moments((n, m), fields, couplings)?;
            for (g, free) in self.gradient.iter_mut().zip(&free.statistics) {
                *g -= free;
            }
        } else {
            let chains = self.run_chains(size);
            let free = &self.sampler.visible()[..chains * self.sampler.row()];
            self.sampler.hidden_means(free, &mut self.hidden_means);
            let share = -1.0 / chains as f64;
            self.sampler
                .add_statistics(free, &self.hidden_means, share, &mut self.gradient);
        }
        if self.settings.centred {
            self.centre_gradient();
        }
        self.decay_weights();

        let (rate, decay) = (self.settings.learning_rate, self.settings.decay);
        let rate = falling(rate, decay, self.update, self.settings.updates);
        self.optimiser.ascend(&mut self.theta, &self.gradient, rate);
        self.update += 1;
        self.check()
    }

    /// The gradient in the parameters of spins with their means taken off, turned back into b, c, W (Melchior, Fischer and
    /// Wiskott, arXiv 1311.1354): ∇W − μ ∇cᵀ − ∇b λᵀ, then ∇b − ∇W λ and ∇c − ∇Wᵀ μ.
    fn centre_gradient(&mut self) {
        let (n, m) = (self.visible, self.hidden);
        let (fields, weights) = self.gradient.split_at_mut(n + m);
        let (b, c) = fields.split_at_mut(n);
        for (i, row) in weights.chunks_exact_mut(m).enumerate() {
            for j in 0..m {
                row[j] -= self.means[i] * c[j] + b[i] * self.centre[j];
            }
        }
        for (i, row) in weights.chunks_exact(m).enumerate() {
            for j in 0..m {
                b[i] -= row[j] * self.centre[j];
                c[j] -= row[j] * self.means[i];
            }
        }
    }

    fn decay_weights(&mut self) {
        let (l1, l2) = (self.settings.weight_l1, self.settings.weight_l2);
        if l1 == 0.0 && l2 == 0.0 {
            return;
        }
        let first = self.visible + self.hidden;
        let weights = self.theta[first..].iter();
        for (g, w) in self.gradient[first..].iter_mut().zip(weights) {
            let sign = if *w == 0.0 { 0.0 } else { w.signum() };
            *g -= l2 * w + l1 * sign;
        }
    }

    fn check(&self) -> Result<()> {
        // NaN is in no range.
        let Some(k) = self.theta.iter().position(|v| !(-1e3..1e3).contains(v)) else {
            return Ok(());
        };
        let fields = self.visible + self.hidden;
        let name = if k < fields {
            format!("field {k}")
        } else {
            format!("coupling {}", k - fields)
        };
        let detail = format!(
            "at update {} {name} is {:.3e}; a smaller learning_rate, more sweeps or a weight_decay may hold it",
            self.update, self.theta[k]
        );
        Err(Error::Diverged {
            what: "training".to_owned(),
            detail,
        })
    }
}
