//! Training without a sampler: by exact averages, or at once.

use super::Session;
use super::checkpoint::Checkpoints;
use super::chips::Prepared;
use super::course::{Course, Told, follow};
use super::learn::{edges, start};
use crate::data::Dataset;
use crate::energy::{Model, Parameters, Parametric};
use crate::error::{Error, Result};
use crate::experiment::{EXACT, First, Train};
use crate::record::{RunDirectory, TrainingPoint, TrainingRecord};
use crate::sampler::Cost;
use crate::training::{
    AscentCheckpoint, AscentSettings, LikelihoodTrainer, Method, PseudoLikelihood, match_scores,
};
use std::sync::atomic::Ordering;
use std::time::Instant;

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
    LikelihoodTrainer::new(settings, &prepared.model, data.learned_from(), start)
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
        (_, Model::Mixture(start)) => return super::mixture::check(prepared, start),
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

impl Course for LikelihoodTrainer {
    type Kept = AscentCheckpoint;

    fn update(&self) -> u64 {
        LikelihoodTrainer::update(self)
    }

    fn step(&mut self) -> Result<Told> {
        let step = LikelihoodTrainer::step(self)?;
        let point = TrainingPoint {
            update: step.update,
            gradient_norm: step.gradient_norm,
            energy_gap: Some(step.energy_gap),
            moment_error: Some(step.moment_error),
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

    fn keep(&self) -> AscentCheckpoint {
        self.checkpoint()
    }

    fn resume(&mut self, kept: AscentCheckpoint) -> Result<()> {
        LikelihoodTrainer::resume(self, kept)
    }
}

/// Trains by `mle`, `score_matching` or `pseudo_likelihood`.
pub(super) fn learn(
    prepared: &Prepared,
    (train, data): (&Train, &Dataset),
    directory: &RunDirectory,
    session: &Session,
) -> Result<(Model, TrainingRecord)> {
    let began = Instant::now();
    let model = match (train.method, &prepared.model) {
        (Method::ScoreMatching, Model::SoftSpin(energy)) => {
            let found = match_scores(&data.learned_from(), edges(&prepared.model), &energy.j4)?;
            Model::SoftSpin(found.energy)
        }
        (Method::PseudoLikelihood, _) => {
            let spins = |row: &Vec<f64>| row.iter().map(|&v| v as i8).collect();
            let rows: Vec<Vec<i8>> = data.learned_from().iter().map(spins).collect();
            let edges = edges(&prepared.model);
            Model::Ising(PseudoLikelihood::maximise(
                &rows,
                edges,
                train.weight_decay,
            )?)
        }
        _ => {
            let mut climb = trainer(prepared, (train, data), None)?;
            let checkpoints = Checkpoints::of(&prepared.experiment, directory);
            let kept = checkpoints.kept()?;
            let on = (&checkpoints, session, began);
            let record = follow(&mut climb, kept, EXACT.to_owned(), train, on)?;
            let mut model = prepared.model.clone();
            model.set_parameters(climb.parameters())?;
            return Ok((model, record));
        }
    };
    let record = TrainingRecord {
        through: EXACT.to_owned(),
        curve: Vec::new(),
        per_update: Cost::default(),
        wall_seconds: began.elapsed().as_secs_f64(),
        coupling_check: None,
        refused_steps: 0,
        saturated_readings: None,
    };
    Ok((model, record))
}
