//! Training without a sampler: by exact averages, or at once.

use super::Session;
use super::checkpoint::Checkpoints;
use super::chips::Prepared;
use super::learn::{CURVE_POINTS, edges, start};
use crate::data::Dataset;
use crate::energy::{Model, Parameters};
use crate::error::{Error, Result};
use crate::experiment::{EXACT, First, Train};
use crate::record::{RunDirectory, TrainingPoint, TrainingRecord};
use crate::sampler::Cost;
use crate::training::{
    AscentCheckpoint, AscentSettings, LikelihoodTrainer, Method, PseudoLikelihood, match_scores,
};
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// What is saved to continue a climb.
#[derive(Serialize, Deserialize)]
struct Saved {
    trainer: AscentCheckpoint,
    curve: Vec<TrainingPoint>,
    wall: f64,
}

pub(super) fn rows_of(data: &Dataset) -> Vec<Vec<f64>> {
    data.train.iter().map(|&r| data.rows[r].clone()).collect()
}

fn trainer(
    prepared: &Prepared,
    (train, data): (&Train, &Dataset),
    first: Option<&First>,
) -> Result<LikelihoodTrainer> {
    let settings = AscentSettings {
        optimiser: train.optimiser,
        learning_rate: first.map_or(train.learning_rate, |f| f.learning_rate),
        decay: first.map_or(train.decay, |f| f.decay),
        updates: first.map_or(train.updates, |f| f.updates),
        weight_decay: train.weight_decay,
    };
    let start = start(prepared, (train, data));
    LikelihoodTrainer::new(settings, &prepared.model, rows_of(data), start)
}

/// Where training through a sampler begins: at [`start`], or at what `train.first` makes of it.
pub(super) fn begin(
    prepared: &Prepared,
    (train, data): (&Train, &Dataset),
    session: &Session,
) -> Result<Parameters> {
    let Some(first) = &train.first else {
        return Ok(start(prepared, (train, data)));
    };
    let mut trainer = trainer(prepared, (train, data), Some(first))?;
    session.watch.begin("training, exactly", first.updates);
    while trainer.update() < first.updates {
        if session.interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        trainer.step()?;
        session.watch.advance(1);
    }
    session.watch.end();
    Ok(trainer.parameters().clone())
}

/// Refuses a method that this energy or these data do not allow.
pub(super) fn check(prepared: &Prepared) -> Result<()> {
    let (Some(train), Some(data)) = (&prepared.experiment.train, &prepared.dataset) else {
        return Ok(());
    };
    let expected = match (train.method, &prepared.model) {
        (Method::Mle, _) if train.rbm.is_none() => {
            return trainer(prepared, (train, data), None).map(|_| ());
        }
        (Method::Cd | Method::Pcd, _) if train.first.is_some() => {
            let made = trainer(prepared, (train, data), train.first.as_ref());
            return made.map(|_| ()).map_err(|e| e.at("train.first"));
        }
        (Method::ScoreMatching, Model::SoftSpin(energy)) => {
            return match energy.fields.iter().find(|b| **b != 0.0) {
                Some(field) => {
                    let expected =
                        "no fields beside method = \"score_matching\", which finds them at once";
                    Err(Error::invalid("energy.fields", field, expected))
                }
                None => Ok(()),
            };
        }
        (Method::ScoreMatching, _) => "an energy of real variables (soft_spin) for score_matching",
        (Method::PseudoLikelihood, Model::Ising(_)) => return Ok(()),
        (Method::PseudoLikelihood, _) => "an energy of spins (ising) for pseudo_likelihood",
        _ => return Ok(()),
    };
    let value = match train.method {
        Method::ScoreMatching => "\"score_matching\"",
        _ => "\"pseudo_likelihood\"",
    };
    Err(Error::invalid("train.method", value, expected))
}

/// Trains by `mle`, `score_matching` or `pseudo_likelihood`.
pub(super) fn learn(
    prepared: &Prepared,
    (train, data): (&Train, &Dataset),
    directory: &RunDirectory,
    session: &Session,
) -> Result<(Model, TrainingRecord)> {
    let began = Instant::now();
    let (model, curve, earlier) = match (train.method, &prepared.model) {
        (Method::ScoreMatching, Model::SoftSpin(energy)) => {
            let found = match_scores(&rows_of(data), edges(&prepared.model), &energy.j4)?;
            (Model::SoftSpin(found.energy), Vec::new(), 0.0)
        }
        (Method::PseudoLikelihood, _) => {
            let spins = |row: &Vec<f64>| row.iter().map(|&v| v as i8).collect();
            let rows: Vec<Vec<i8>> = rows_of(data).iter().map(spins).collect();
            let edges = edges(&prepared.model);
            let found = PseudoLikelihood::maximise(&rows, edges, train.weight_decay)?;
            (Model::Ising(found), Vec::new(), 0.0)
        }
        _ => climb(prepared, (train, data), directory, session)?,
    };
    let record = TrainingRecord {
        through: EXACT.to_owned(),
        curve,
        per_update: Cost::default(),
        wall_seconds: earlier + began.elapsed().as_secs_f64(),
        coupling_check: None,
        saturated_readings: None,
    };
    Ok((model, record))
}

/// Ascends the exact log-likelihood; the learned energy, the curve, and wall seconds before an interruption.
fn climb(
    prepared: &Prepared,
    (train, data): (&Train, &Dataset),
    directory: &RunDirectory,
    session: &Session,
) -> Result<(Model, Vec<TrainingPoint>, f64)> {
    let began = Instant::now();
    let mut trainer = trainer(prepared, (train, data), None)?;
    let (mut curve, mut earlier) = (Vec::new(), 0.0);
    let checkpoints = Checkpoints::of(&prepared.experiment, directory);
    if let Some(saved) = checkpoints.kept::<Saved>()? {
        trainer.resume(saved.trainer)?;
        (curve, earlier) = (saved.curve, saved.wall);
    }
    session.watch.begin("training", train.updates);
    session.watch.advance(trainer.update());
    let every = (train.updates / CURVE_POINTS).max(1);
    let keep = |trainer: &LikelihoodTrainer, curve: &[TrainingPoint]| {
        checkpoints.keep(&Saved {
            trainer: trainer.checkpoint(),
            curve: curve.to_vec(),
            wall: earlier + began.elapsed().as_secs_f64(),
        })
    };
    while trainer.update() < train.updates {
        let due = trainer.update() % train.checkpoint_every == 0;
        if due && trainer.update() > 0 {
            keep(&trainer, &curve)?;
        }
        if session.interrupted.load(Ordering::Relaxed) {
            keep(&trainer, &curve)?;
            return Err(Error::Interrupted);
        }
        let step = trainer.step()?;
        session.watch.advance(1);
        if step.update % every == 0 || step.update == train.updates {
            curve.push(TrainingPoint {
                update: step.update,
                gradient_norm: step.gradient_norm,
                energy_gap: step.energy_gap,
                moment_error: step.moment_error,
                accuracy: None,
                log_likelihood: Some(step.log_likelihood),
                temperature: None,
                device_seconds: None,
                cost: Cost::default(),
            });
        }
    }
    session.watch.end();
    keep(&trainer, &curve)?;
    let mut model = prepared.model.clone();
    crate::energy::Parametric::set_parameters(&mut model, trainer.parameters())?;
    Ok((model, curve, earlier))
}
