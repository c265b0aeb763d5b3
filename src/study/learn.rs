//! Training as an experiment asks for it, with checkpoints, and the check of chip against digital couplings.

use super::Session;
use super::checkpoint::Checkpoints;
use super::chips::{Prepared, TRAINING};
use super::coupling_check::compare_couplings;
use super::course::{Course, Saved, Told, follow};
use super::exactly;
use crate::data::Dataset;
use crate::dynamics::streams::chain_rng;
use crate::energy::{Model, Parameters, Parametric};
use crate::error::{Error, Result};
use crate::experiment::{Digital, Limit, MEASURED, Train};
use crate::record::{CouplingCheck, RunDirectory, TrainingPoint, TrainingRecord};
use crate::sampler::{Horizon, Sampler};
use crate::training::{Checkpoint, Conditional, Settings, Trainer};
use rand_distr::{Distribution, StandardNormal};
use std::time::Instant;

/// The start: fields as the energy has them, visible–hidden couplings small and random, the rest zero.
pub(super) fn start(prepared: &Prepared, (train, data): (&Train, &Dataset)) -> Parameters {
    let mut parameters = prepared.model.parameters();
    let mut rng = chain_rng(prepared.experiment.seed, TRAINING, u64::MAX);
    let visible = data.labels.end;
    for (value, &(i, j)) in parameters.couplings.iter_mut().zip(edges(&prepared.model)) {
        if i < visible && j >= visible {
            let z: f64 = StandardNormal.sample(&mut rng);
            *value = train.start_spread * z;
        }
    }
    parameters
}

pub(super) fn edges(model: &Model) -> &[(usize, usize)] {
    match model {
        Model::SoftSpin(e) => e.couplings.edges(),
        Model::Ising(e) => e.couplings.edges(),
        Model::Quadratic(_) | Model::Mixture(_) | Model::FluxCells(_) | Model::Factors(_) => &[],
    }
}

/// A sampler to train through, and how a device time is a horizon for it.
pub(super) fn sampler_for(
    prepared: &Prepared,
    through: &str,
    batch: usize,
    domain: u64,
    session: &Session,
) -> Result<(Box<dyn Sampler>, bool)> {
    let Some(train) = &prepared.experiment.train else {
        return Err(Error::invalid("train", "nothing", "a section [train]"));
    };
    let follow = session.follow(false);
    if matches!(through, "ideal" | "die") {
        let die = &prepared.dies[usize::from(through == "die")];
        let programmed = prepared.program(die, &prepared.model)?;
        let sampler = prepared.analog(
            programmed,
            batch,
            TRAINING + domain,
            follow,
            train.bias_tolerance,
        )?;
        return Ok((sampler, true));
    }
    let digital = Digital {
        sampler: through.to_owned(),
        chains: None,
        steps: 1,
        burn_in: 0,
        thin: None,
        step: None,
        ..Digital::default()
    };
    let mut loose = prepared.clone();
    loose.experiment.plan.bias_tolerance = train.bias_tolerance;
    Ok((
        loose.digital(&digital, &prepared.model, batch, TRAINING + domain, follow)?,
        false,
    ))
}

/// `train.limit` as numbers.
pub(super) fn limit(prepared: &Prepared, train: &Train) -> Result<Option<(f64, f64)>> {
    match (train.limit, prepared.dies.first()) {
        (None, _) => Ok(None),
        (Some(Limit::Number(most)), _) => Ok(Some((most, most))),
        (Some(Limit::Range(_)), Some(die)) => {
            Ok(Some(prepared.program(die, &prepared.model)?.range()))
        }
        (Some(Limit::Range(word)), None) => {
            let value = format!("\"{word}\"");
            let expected = "a section [hardware], whose range it is";
            Err(Error::invalid("train.limit", value, expected))
        }
    }
}

fn settings(
    prepared: &Prepared,
    train: &Train,
    data: &Dataset,
    analog: bool,
    seed: u64,
) -> Result<Settings> {
    let horizon = |time: &str| {
        let seconds = prepared.seconds(time);
        if analog {
            Horizon::Seconds(seconds)
        } else if prepared.model.discrete().is_some() {
            // A sweep for every τ: a p-bit is drawn anew as often.
            Horizon::Steps((seconds / prepared.tau()).ceil().max(1.0) as u64)
        } else {
            // The same stretch of dx = −∇E dt + √2 dW, whatever the step becomes as the couplings grow.
            Horizon::Time(seconds / prepared.tau())
        }
    };
    Ok(Settings {
        method: train.method,
        restart: train.restart,
        positive: horizon(&train.positive),
        negative: horizon(&train.negative),
        conditional: train.conditional.as_ref().map(|c| Conditional {
            clamp: if c.clamp == "labels" {
                data.labels.clone()
            } else {
                data.pixels.clone()
            }
            .collect(),
            weight: c.weight,
        }),
        optimiser: train.optimiser,
        learning_rate: train.learning_rate,
        decay: train.decay,
        updates: train.updates,
        weight_decay: train.weight_decay,
        limit: limit(prepared, train)?,
        local_rule: train.local_rule,
        seed,
    })
}

/// Refuses a limit that there is none for.
pub(super) fn check(prepared: &Prepared) -> Result<()> {
    let train = prepared.experiment.train.as_ref();
    train.map_or(Ok(()), |train| limit(prepared, train).map(|_| ()))
}

/// A trainer with what it trains through.
struct Through {
    trainer: Trainer,
    sampler: Box<dyn Sampler>,
}

impl Course for Through {
    type Kept = Checkpoint;

    fn update(&self) -> u64 {
        self.trainer.update()
    }

    fn step(&mut self) -> Result<Told> {
        let report = self.trainer.step(&mut *self.sampler)?;
        let point = TrainingPoint {
            update: report.update,
            gradient_norm: report.gradient_norm,
            energy_gap: Some(report.energy_gap),
            moment_error: Some(report.moment_error),
            temperature: report.temperature,
            ..TrainingPoint::default()
        };
        Ok(Told {
            point,
            cost: report.cost,
            saturated: report.saturated,
            refused: false,
        })
    }

    fn keep(&self) -> Checkpoint {
        self.trainer.checkpoint(&*self.sampler)
    }

    fn resume(&mut self, kept: Checkpoint) -> Result<()> {
        self.trainer.resume(kept, &mut *self.sampler)
    }
}

/// Trains as the experiment says; returns the learned energy and the record. Continues from the directory's checkpoint.
pub(super) fn learn(
    prepared: &Prepared,
    directory: &RunDirectory,
    session: &Session,
) -> Result<(Model, TrainingRecord)> {
    let (Some(train), Some(data)) = (&prepared.experiment.train, &prepared.dataset) else {
        return Err(Error::invalid(
            "train",
            "nothing",
            "sections [train] and [data]",
        ));
    };
    let began = Instant::now();
    if let Model::Mixture(start) = &prepared.model {
        return super::mixture::learn(prepared, (train, data, start), directory, session);
    }
    if !train.method.samples() {
        return exactly::learn(prepared, (train, data), directory, session);
    }
    let (sampler, analog) = sampler_for(prepared, &train.through, train.batch, 0, session)?;
    let rows = data.learned_from();
    let settings = settings(prepared, train, data, analog, prepared.experiment.seed)?;
    let checkpoints = Checkpoints::of(&prepared.experiment, directory);
    let kept = checkpoints.kept::<Saved<Checkpoint>>()?;
    let from = match &kept {
        Some(saved) => saved.trainer.parameters.clone(),
        None => exactly::begin(prepared, (train, data), session)?,
    };
    let mut trainer = Trainer::new(settings, rows, edges(&prepared.model), from)?;
    if let Some(slots) = train.buffer {
        trainer = trainer.with_buffer(slots, train.batch)?;
    }
    if train.temperature == MEASURED {
        trainer = trainer.measuring_temperature(&prepared.model);
    }
    let name = sampler.describe().name;
    let mut through = Through { trainer, sampler };
    let record = follow(
        &mut through,
        kept,
        name,
        train,
        (&checkpoints, session, began),
    )?;
    let mut model = prepared.model.clone();
    model.set_parameters(through.trainer.parameters())?;
    Ok((model, record))
}

/// Couplings learned through the chip and through a digital sampler, from the same data and start, over repeats.
pub(super) fn cross_check(prepared: &Prepared, session: &Session) -> Result<Option<CouplingCheck>> {
    let (Some(train), Some(data)) = (&prepared.experiment.train, &prepared.dataset) else {
        return Ok(None);
    };
    let linear = !matches!(prepared.model, Model::Mixture(_)) && train.rbm.is_none();
    if prepared.dies.is_empty() || !linear || !train.method.samples() {
        return Ok(None);
    }
    let check = &train.cross_check;
    let rows = data.learned_from();
    session
        .watch
        .begin("coupling check", 2 * check.repeats as u64 * check.updates);
    let mut names = Vec::new();
    let mut learned: [Vec<Vec<f64>>; 2] = [Vec::new(), Vec::new()];
    for (side, through) in ["ideal", check.through.as_str()].into_iter().enumerate() {
        for repeat in 0..check.repeats as u64 {
            let id = 1 + 2 * repeat + side as u64;
            let (mut sampler, analog) = sampler_for(prepared, through, train.batch, id, session)?;
            let seed = prepared.experiment.seed.wrapping_add(1000 + id);
            let settings = settings(prepared, train, data, analog, seed)?;
            let mut trainer = Trainer::new(
                settings,
                rows.clone(),
                edges(&prepared.model),
                start(prepared, (train, data)),
            )?;
            for _ in 0..check.updates {
                trainer.step(&mut *sampler)?;
                session.watch.advance(1);
            }
            if repeat == 0 {
                names.push(sampler.describe().name);
            }
            learned[side].push(trainer.parameters().couplings.clone());
        }
    }
    session.watch.end();
    Ok(Some(compare_couplings(
        (&names[0], &names[1]),
        &learned[0],
        &learned[1],
        check.updates,
    )))
}
