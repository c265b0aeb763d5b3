//! CD-k and PCD over a [`Sampler`]: k is a horizon per phase.

use super::local_rule::{LocalRule, Readings};
use super::optimiser::{Optimiser, OptimiserKind, falling};
use super::replay;
use super::thermometer::{Heat, Thermometer};
use crate::energy::{Model, Parameters};
use crate::error::{Error, Result};
use crate::sampler::{ChainState, Clamp, Cost, Horizon, Phase, Sampler};
use nalgebra::DMatrix;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};

/// How couplings are learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Free phases that start at the end of the clamped one.
    Cd,
    /// Free phases that start where that of the last update ended.
    Pcd,
    /// No phases: all averages are exact ([`super::LikelihoodTrainer`], [`super::rbm`]).
    Mle,
    /// At once, by [`super::match_scores`].
    ScoreMatching,
    /// At once, by [`super::PseudoLikelihood`].
    PseudoLikelihood,
}

impl Method {
    /// Whether a sampler is trained through.
    pub fn samples(self) -> bool {
        matches!(self, Method::Cd | Method::Pcd)
    }
}

/// The second free phase, with part of the visible nodes clamped to the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditional {
    /// Clamped visible nodes, ascending.
    pub clamp: Vec<usize>,
    /// Weight of its gradient beside the free phase's.
    pub weight: f64,
}

/// Everything that decides a training run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// CD or PCD.
    pub method: Method,
    /// PCD: probability that a free chain begins an update at the data.
    pub restart: f64,
    /// Length of the clamped phase.
    pub positive: Horizon,
    /// Length of the free phases.
    pub negative: Horizon,
    /// Conditional free phase, if any.
    pub conditional: Option<Conditional>,
    /// Optimiser.
    pub optimiser: OptimiserKind,
    /// Learning rate.
    pub learning_rate: f64,
    /// The rate falls linearly to this fraction of itself at the last of `updates`.
    pub decay: f64,
    /// Planned number of updates.
    pub updates: u64,
    /// L2 pull of the couplings towards zero, per update, as a gradient −λJ.
    pub weight_decay: f64,
    /// The largest |field| and |coupling|: updates stop there, as a converter does.
    pub limit: Option<(f64, f64)>,
    /// Updates use only what the device reads of each phase, by a converter; absent: the exact means over chains.
    pub local_rule: Option<LocalRule>,
    /// Seed of the choice of data.
    pub seed: u64,
}

/// What one update did.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// Number of this update, from 1.
    pub update: u64,
    /// ‖gradient‖₂.
    pub gradient_norm: f64,
    /// θ·(⟨s⟩_data − ⟨s⟩_free): mean energy of the free phase minus the clamped one, fields and couplings only,
    /// as read where a local rule reads.
    pub energy_gap: f64,
    /// Mean squared difference of visible means between the batch and the free phase.
    pub moment_error: f64,
    /// Share of this update's readings that saturated, where a local rule reads them.
    pub saturated: Option<f64>,
    /// T as measured so far, where it is.
    pub temperature: Option<f64>,
    /// Device time and joules of this update.
    pub cost: Cost,
}

/// A training run that can be continued to the same bits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Updates done.
    pub update: u64,
    /// θ.
    pub parameters: Parameters,
    optimiser: Optimiser,
    rng: Pcg32,
    free: Vec<f64>,
    hidden: Vec<f64>,
    conditional: Vec<f64>,
    heat: Option<Heat>,
    sampler: ChainState,
}

/// Contrastive training of one energy on rows of visible values.
#[derive(Clone, Debug)]
pub struct Trainer {
    settings: Settings,
    rows: Vec<Vec<f64>>,
    edges: Vec<(usize, usize)>,
    nodes: usize,
    visible: usize,
    parameters: Parameters,
    optimiser: Optimiser,
    rng: Pcg32,
    update: u64,
    /// Chains of the free phase, `[chain * nodes + node]`, as many as an update runs or more; empty before the first update
    /// without a buffer.
    free: Vec<f64>,
    /// Hidden values of each data row where its last clamped phase ended.
    hidden: Vec<f64>,
    /// Free part of each data row where its last conditional phase ended (PCD).
    conditional: Vec<f64>,
    /// Reads the temperature that the sampler samples at.
    thermometer: Option<Thermometer>,
}

/// ⟨x_i⟩ and ⟨x_i x_j⟩ on the edges, over chains.
fn statistics(values: &[f64], nodes: usize, edges: &[(usize, usize)]) -> Parameters {
    let chains = values.len() / nodes;
    let x = DMatrix::from_iterator(nodes, chains, values.iter().map(|&v| v as f32));
    let products = &x * x.transpose();
    let n = chains as f64;
    let mut fields = vec![0.0; nodes];
    for chain in values.chunks(nodes) {
        for (sum, value) in fields.iter_mut().zip(chain) {
            *sum += value / n;
        }
    }
    Parameters {
        fields,
        couplings: edges
            .iter()
            .map(|&(i, j)| f64::from(products[(i, j)]) / n)
            .collect(),
    }
}

impl Trainer {
    /// Trains the energy with the given start and graph (`edges`, in parameter order) on `rows` of the first nodes.
    ///
    /// # Errors
    /// No rows, rows of unequal length or longer than the nodes, or settings out of range.
    pub fn new(
        settings: Settings,
        rows: Vec<Vec<f64>>,
        edges: &[(usize, usize)],
        start: Parameters,
    ) -> Result<Self> {
        let visible = rows.first().map_or(0, Vec::len);
        let nodes = start.fields.len();
        if visible == 0 || visible > nodes || rows.iter().any(|r| r.len() != visible) {
            let expected = format!("at least one row of at most {nodes} visible values");
            return Err(Error::invalid(
                "train.data",
                format!("{} rows of {visible}", rows.len()),
                expected,
            ));
        }
        if !settings.method.samples() {
            let value = format!("{:?}", settings.method);
            let expected = "cd or pcd: other methods need no sampler";
            return Err(Error::invalid("train.method", value, expected));
        }
        if !(settings.learning_rate > 0.0 && settings.learning_rate.is_finite()) {
            return Err(Error::invalid(
                "train.learning_rate",
                settings.learning_rate,
                "a positive number",
            ));
        }
        if !(0.0..=1.0).contains(&settings.restart) {
            let expected = "a number from 0 to 1";
            return Err(Error::invalid("train.restart", settings.restart, expected));
        }
        if let Some((field, coupling)) = settings.limit
            && !(field > 0.0 && coupling > 0.0)
        {
            let value = format!("({field}, {coupling})");
            return Err(Error::invalid("train.limit", value, "positive numbers"));
        }
        if let Some(rule) = &settings.local_rule {
            rule.check()?;
        }
        let mut theta = start.to_vec();
        bound(&mut theta, nodes, settings.limit);
        let parameters = theta.len();
        let start = Parameters {
            couplings: theta.split_off(nodes),
            fields: theta,
        };
        Ok(Trainer {
            optimiser: Optimiser::new(settings.optimiser, parameters),
            rng: Pcg32::seed_from_u64(settings.seed),
            hidden: vec![0.0; rows.len() * (nodes - visible)],
            conditional: Vec::new(),
            free: Vec::new(),
            thermometer: None,
            update: 0,
            edges: edges.to_vec(),
            parameters: start,
            nodes,
            visible,
            rows,
            settings,
        })
    }

    /// Measures the sampler's temperature T off the free phases, with energies of `model`'s family, and steps what it holds, θ/T,
    /// where it would step θ. An ideal sampler has T = 1.
    #[must_use]
    pub fn measuring_temperature(mut self, model: &Model) -> Self {
        self.thermometer = Some(Thermometer::new(model));
        self
    }

    /// Keeps so many chains of PCD, from which every update of `batch` chains takes different ones at random; they begin at the
    /// data, hidden nodes at zero.
    ///
    /// # Errors
    /// Fewer than a batch; CD, whose chains do not persist.
    pub fn with_buffer(mut self, slots: usize, batch: usize) -> Result<Self> {
        replay::check(slots, batch, self.settings.method == Method::Pcd)?;
        self.free = vec![0.0; slots * self.nodes];
        for chain in self.free.chunks_mut(self.nodes) {
            let row = self.rng.random_range(0..self.rows.len());
            chain[..self.visible].copy_from_slice(&self.rows[row]);
        }
        Ok(self)
    }

    /// θ now.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Updates done.
    pub fn update(&self) -> u64 {
        self.update
    }

    /// Everything needed to continue to the same bits.
    pub fn checkpoint(&self, sampler: &dyn Sampler) -> Checkpoint {
        Checkpoint {
            update: self.update,
            parameters: self.parameters.clone(),
            optimiser: self.optimiser.clone(),
            rng: self.rng.clone(),
            free: self.free.clone(),
            hidden: self.hidden.clone(),
            conditional: self.conditional.clone(),
            heat: self.thermometer.as_ref().map(|t| t.heat),
            sampler: sampler.state(),
        }
    }

    /// Continues from a checkpoint, and puts the sampler where it was.
    ///
    /// # Errors
    /// A checkpoint of another problem.
    pub fn resume(&mut self, checkpoint: Checkpoint, sampler: &mut dyn Sampler) -> Result<()> {
        if checkpoint.parameters.couplings.len() != self.edges.len()
            || checkpoint.hidden.len() != self.hidden.len()
            || !self.free.is_empty() && checkpoint.free.len() != self.free.len()
        {
            return Err(Error::invalid(
                "checkpoint",
                "another problem's",
                "a checkpoint of this experiment",
            ));
        }
        sampler.restore(&checkpoint.sampler)?;
        self.update = checkpoint.update;
        self.parameters = checkpoint.parameters;
        self.optimiser = checkpoint.optimiser;
        self.rng = checkpoint.rng;
        self.free = checkpoint.free;
        self.hidden = checkpoint.hidden;
        self.conditional = checkpoint.conditional;
        if let (Some(thermometer), Some(heat)) = (&mut self.thermometer, checkpoint.heat) {
            thermometer.heat = heat;
        }
        Ok(())
    }

    /// One update through `sampler`, whose chains are the batch.
    ///
    /// # Errors
    /// What the sampler says, and [`Error::Diverged`] with the update and the cause.
    pub fn step(&mut self, sampler: &mut dyn Sampler) -> Result<StepReport> {
        let batch = sampler.describe().chains;
        let (nodes, visible) = (self.nodes, self.visible);
        let mut cost = sampler.reprogram(&self.parameters)?;
        let picks: Vec<usize> = (0..batch)
            .map(|_| self.rng.random_range(0..self.rows.len()))
            .collect();

        // Clamped phase: visible nodes at the data, hidden nodes continued from the row's last visit.
        let hidden = nodes - visible;
        let mut start = vec![0.0; batch * nodes];
        for (chain, &row) in start.chunks_mut(nodes).zip(&picks) {
            chain[..visible].copy_from_slice(&self.rows[row]);
            chain[visible..].copy_from_slice(&self.hidden[row * hidden..(row + 1) * hidden]);
        }
        let clamped = if hidden > 0 {
            let end = self.phase(
                sampler,
                &start,
                self.settings.positive,
                (0..visible).collect(),
                &mut cost,
            )?;
            for (chain, &row) in end.chunks(nodes).zip(&picks) {
                self.hidden[row * hidden..(row + 1) * hidden].copy_from_slice(&chain[visible..]);
            }
            end
        } else {
            start
        };
        let rule = self.settings.local_rule;
        let mut readings = Readings::default();
        let positive = statistics(&clamped, nodes, &self.edges);
        let positive = readings.take(rule.as_ref(), positive);

        // Free phase.
        let persistent = self.settings.method == Method::Pcd && !self.free.is_empty();
        let mut from = clamped.clone();
        let mut slots: Vec<usize> = (0..batch).collect();
        if persistent {
            slots = replay::chosen(self.free.len() / nodes, batch, &mut self.rng);
            let restart = self.settings.restart;
            for (chain, &slot) in from.chunks_mut(nodes).zip(&slots) {
                if restart == 0.0 || self.rng.random::<f64>() >= restart {
                    chain.copy_from_slice(&self.free[slot * nodes..(slot + 1) * nodes]);
                }
            }
        }
        let free = self.phase(
            sampler,
            &from,
            self.settings.negative,
            Vec::new(),
            &mut cost,
        )?;
        if let Some(thermometer) = &mut self.thermometer {
            thermometer.read(&self.parameters, &free)?;
        }
        let negative = statistics(&free, nodes, &self.edges);
        let negative = readings.take(rule.as_ref(), negative);
        if self.free.len() < free.len() {
            self.free.resize(free.len(), 0.0);
        }
        for (chain, &slot) in free.chunks(nodes).zip(&slots) {
            self.free[slot * nodes..(slot + 1) * nodes].copy_from_slice(chain);
        }

        let mut gradient: Vec<f64> = positive.minus(&negative);
        if let Some(conditional) = self.settings.conditional.clone() {
            let mut start = clamped.clone();
            let rest: Vec<usize> = (0..nodes)
                .filter(|i| !conditional.clamp.contains(i))
                .collect();
            let width = rest.len();
            let persistent = self.settings.method == Method::Pcd;
            if persistent && self.conditional.is_empty() {
                self.conditional = vec![0.0; self.rows.len() * width];
            }
            if persistent {
                for (chain, &row) in start.chunks_mut(nodes).zip(&picks) {
                    for (&node, &value) in rest.iter().zip(&self.conditional[row * width..]) {
                        chain[node] = value;
                    }
                }
            }
            let end = self.phase(
                sampler,
                &start,
                self.settings.negative,
                conditional.clamp.clone(),
                &mut cost,
            )?;
            if persistent {
                for (chain, &row) in end.chunks(nodes).zip(&picks) {
                    for (&node, slot) in rest.iter().zip(&mut self.conditional[row * width..]) {
                        *slot = chain[node];
                    }
                }
            }
            let given = statistics(&end, nodes, &self.edges);
            let given = readings.take(rule.as_ref(), given);
            for (g, d) in gradient.iter_mut().zip(positive.minus(&given)) {
                *g += conditional.weight * d;
            }
        }
        let gap = positive.minus(&negative);
        let theta = self.parameters.to_vec();
        let energy_gap = theta.iter().zip(&gap).map(|(t, g)| t * g).sum();
        // What the sampler holds is θ/T: its couplings are pulled, and it is what a step is taken of.
        let temperature = self.thermometer.as_ref().map(|t| t.heat.temperature());
        let t = temperature.unwrap_or(1.0);
        for (g, value) in gradient[nodes..].iter_mut().zip(&theta[nodes..]) {
            *g -= self.settings.weight_decay * value / t;
        }

        let (rate, decay) = (self.settings.learning_rate, self.settings.decay);
        let rate = t * falling(rate, decay, self.update, self.settings.updates);
        let mut moved = theta;
        self.optimiser.ascend(&mut moved, &gradient, rate);
        bound(&mut moved, nodes, self.settings.limit);
        self.update += 1;
        let remedy = "a smaller learning_rate, a longer negative phase, a weight_decay or a limit may hold it";
        check_bounded(&moved, nodes, self.update, remedy)?;
        self.parameters.couplings = moved.split_off(nodes);
        self.parameters.fields = moved;
        let moment_error = positive.fields[..visible]
            .iter()
            .zip(&negative.fields)
            .map(|(a, b)| (a - b).powi(2))
            .sum::<f64>()
            / visible as f64;
        Ok(StepReport {
            update: self.update,
            gradient_norm: gradient.iter().map(|g| g * g).sum::<f64>().sqrt(),
            energy_gap,
            moment_error,
            saturated: readings.share(),
            temperature,
            cost,
        })
    }

    /// Runs one phase from `start` and returns where the chains ended, adding its cost.
    fn phase(
        &self,
        sampler: &mut dyn Sampler,
        start: &[f64],
        horizon: Horizon,
        clamp: Vec<usize>,
        cost: &mut Cost,
    ) -> Result<Vec<f64>> {
        let values = start
            .chunks(self.nodes)
            .flat_map(|chain| clamp.iter().map(|&node| chain[node]))
            .collect();
        sampler.restore(&ChainState::at(start.to_vec()))?;
        let run = sampler.run(&Phase {
            burn_in: Horizon::Steps(0),
            duration: horizon,
            every: None,
            clamp: (!clamp.is_empty()).then_some(Clamp {
                nodes: clamp,
                values,
            }),
        })?;
        *cost = cost.plus(run.cost);
        // What was read, not what the device holds: training sees the chip through its readout.
        Ok(run.samples.x.iter().map(|&v| f64::from(v)).collect())
    }
}

/// Fields, then couplings, kept within ±`limit`.
fn bound(theta: &mut [f64], nodes: usize, limit: Option<(f64, f64)>) {
    let Some((field, coupling)) = limit else {
        return;
    };
    let (fields, couplings) = theta.split_at_mut(nodes);
    fields.iter_mut().for_each(|v| *v = v.clamp(-field, field));
    let within = |v: &mut f64| *v = v.clamp(-coupling, coupling);
    couplings.iter_mut().for_each(within);
}

/// Parameters beyond this have diverged.
const BOUND: f64 = 1e3;

/// Refuses parameters (fields, then couplings) that an update has thrown away.
///
/// # Errors
/// [`Error::Diverged`] with the update, the parameter and what may help.
pub(super) fn check_bounded(theta: &[f64], nodes: usize, update: u64, remedy: &str) -> Result<()> {
    let Some(k) = theta.iter().position(|v| v.is_nan() || v.abs() >= BOUND) else {
        return Ok(());
    };
    let name = match k.checked_sub(nodes) {
        None => format!("field {k}"),
        Some(edge) => format!("coupling {edge}"),
    };
    Err(Error::Diverged {
        what: "training".to_owned(),
        detail: format!("at update {update} {name} is {:.3e}; {remedy}", theta[k]),
    })
}
