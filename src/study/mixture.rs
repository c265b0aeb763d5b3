//! Mixtures: trained by EM, or through a selector chip, and their laws in the plane.

use super::Session;
use super::checkpoint::Checkpoints;
use super::chips::Prepared;
use super::course::{Course, Told, follow};
use super::learn::{limit, sampler_for};
use super::moons::Landscape;
use crate::data::{Dataset, MoonNodes};
use crate::energy::{ContinuousEnergy, Mixture, Model};
use crate::error::{Error, Result};
use crate::experiment::{EXACT, Train};
use crate::record::{RunDirectory, TrainingPoint, TrainingRecord};
use crate::sampler::{Cost, Horizon, Sampler};
use crate::training::mixture::{
    ExpectationMaximisation, MixtureCheckpoint, MixtureSettings, MixtureTrainer, ThroughCheckpoint,
};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Weight of an update's readings in the mixture that follows them: it remembers some ten updates.
const TRACKING: f64 = 0.1;

impl Course for ExpectationMaximisation {
    type Kept = MixtureCheckpoint;

    fn update(&self) -> u64 {
        ExpectationMaximisation::update(self)
    }

    fn step(&mut self) -> Result<Told> {
        let step = ExpectationMaximisation::step(self)?;
        let point = TrainingPoint {
            update: step.update,
            gradient_norm: step.gradient_norm,
            log_likelihood: Some(step.log_likelihood),
            ..TrainingPoint::default()
        };
        Ok(Told {
            point,
            cost: Cost::default(),
            saturated: None,
            refused: false,
        })
    }

    fn keep(&self) -> MixtureCheckpoint {
        self.checkpoint()
    }

    fn resume(&mut self, kept: MixtureCheckpoint) -> Result<()> {
        ExpectationMaximisation::resume(self, &kept)
    }
}

/// A trainer with the chip that it trains through.
struct Through {
    trainer: MixtureTrainer,
    sampler: Box<dyn Sampler>,
}

impl Course for Through {
    type Kept = ThroughCheckpoint;

    fn update(&self) -> u64 {
        self.trainer.update()
    }

    fn step(&mut self) -> Result<Told> {
        let step = self.trainer.step(&mut *self.sampler)?;
        let point = TrainingPoint {
            update: step.update,
            gradient_norm: step.gradient_norm,
            energy_gap: Some(step.energy_gap),
            moment_error: Some(step.moment_error),
            ..TrainingPoint::default()
        };
        Ok(Told {
            point,
            cost: step.cost,
            saturated: None,
            refused: step.refused,
        })
    }

    fn keep(&self) -> ThroughCheckpoint {
        self.trainer.checkpoint(&*self.sampler)
    }

    fn resume(&mut self, kept: ThroughCheckpoint) -> Result<()> {
        self.trainer.resume(kept, &mut *self.sampler)
    }
}

/// The least variance that `train.limit` leaves: a node's stiffness is what a coupler has to hold.
fn least(prepared: &Prepared, train: &Train) -> Result<f64> {
    Ok(limit(prepared, train)?.map_or(0.0, |(_, coupling)| 1.0 / coupling))
}

fn climb(
    prepared: &Prepared,
    (train, data): (&Train, &Dataset),
    start: &Mixture,
) -> Result<ExpectationMaximisation> {
    ExpectationMaximisation::new(start.clone(), &data.learned_from(), least(prepared, train)?)
}

/// Refuses rows that do not fit the mixture.
pub(super) fn check(prepared: &Prepared, start: &Mixture) -> Result<()> {
    let (Some(train), Some(data)) = (&prepared.experiment.train, &prepared.dataset) else {
        return Ok(());
    };
    climb(prepared, (train, data), start).map(|_| ())
}

/// Trains as the experiment says; returns the learned mixture and the record. Continues from the directory's checkpoint.
pub(super) fn learn(
    prepared: &Prepared,
    (train, data, start): (&Train, &Dataset, &Mixture),
    directory: &RunDirectory,
    session: &Session,
) -> Result<(Model, TrainingRecord)> {
    let checkpoints = Checkpoints::of(&prepared.experiment, directory);
    let on = (&checkpoints, session, Instant::now());
    let mut em = climb(prepared, (train, data), start)?;
    if !train.method.samples() {
        let record = follow(&mut em, checkpoints.kept()?, EXACT.to_owned(), train, on)?;
        return Ok((Model::Mixture(em.mixture().clone()), record));
    }
    let kept = checkpoints.kept()?;
    if let (None, Some(first)) = (&kept, &train.first) {
        session.watch.begin("training, exactly", first.updates);
        while em.update() < first.updates {
            if session.interrupted.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            em.step()?;
            session.watch.advance(1);
        }
        session.watch.end();
    }
    let (sampler, _) = sampler_for(prepared, &train.through, train.batch, 0, session)?;
    let settings = MixtureSettings {
        method: train.method,
        negative: Horizon::Seconds(prepared.seconds(&train.negative)),
        optimiser: train.optimiser,
        learning_rate: train.learning_rate,
        decay: train.decay,
        updates: train.updates,
        least: least(prepared, train)?,
        tracking: TRACKING,
        seed: prepared.experiment.seed,
    };
    let name = sampler.describe().name;
    let mut through = Through {
        trainer: MixtureTrainer::new(settings, em.mixture().clone(), &data.learned_from())?,
        sampler,
    };
    let record = follow(&mut through, kept, name, train, on)?;
    Ok((Model::Mixture(through.trainer.mixture().clone()), record))
}

/// A mixture of the plane's points, on two nodes.
#[derive(Debug)]
pub(super) struct PlaneMixture {
    nodes: MoonNodes,
    mixture: Mixture,
}

impl PlaneMixture {
    pub fn new(nodes: MoonNodes, mixture: Mixture) -> Self {
        PlaneMixture { nodes, mixture }
    }
}

impl Landscape for PlaneMixture {
    fn value(&self, point: [f64; 2]) -> f64 {
        self.mixture.value(&self.nodes.to_nodes(point))
    }

    fn gradient(&self, point: [f64; 2]) -> [f64; 2] {
        let mut gradient = [0.0; 2];
        let x = self.nodes.to_nodes(point);
        self.mixture.gradient(&x, &mut gradient);
        gradient.map(|g| g / self.nodes.width)
    }

    fn narrowest(&self) -> f64 {
        let each = self.mixture.components().iter();
        let least = each.map(|c| c.covariance.clone().symmetric_eigenvalues().min());
        least.fold(f64::INFINITY, f64::min).max(0.0).sqrt() * self.nodes.width
    }
}
