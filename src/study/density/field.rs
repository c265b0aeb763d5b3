//! Training of a drift without an energy, and what is told of it: the law that its chains draw, its curl, and its distance from
//! the moons' own score.

use super::super::moons::{largest_mmd, sliced};
use super::identity::{Identity, of_scores};
use super::{
    CURVE, JUDGE, POINTS, SHOWN, START, Session, Snapshot, Trained, Truth, columns, data_of,
    processor_seconds, settings_of, sizes_of,
};
use crate::dynamics::streams::chain_rng;
use crate::energy::DriftField;
use crate::error::{Error, Result};
use crate::experiment::DensityExperiment;
use crate::sampler::{ChainState, Horizon, NetworkSampler, Phase, Sampler};
use crate::training::density::{NoiseLaw, Objective, PlaneGrid, ScoreTrainer, curl};
use nalgebra::DMatrix;
use rand::Rng;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Time that chains run before they are drawn from: they begin on a Gaussian fitted to the data, and go once along a moon.
const RUN: f64 = 4.0;

/// Draws of the law that the field's chains come to.
fn draws(
    experiment: &DensityExperiment,
    field: &DriftField<f32>,
    start: &NoiseLaw,
    (count, seed): (usize, u64),
    session: &Session,
) -> Result<Vec<[f64; 2]>> {
    let mut rng = chain_rng(seed, JUDGE, 1);
    let (step, clip) = (experiment.step, experiment.force_clip);
    let mut sampler = NetworkSampler::of_field(
        field,
        count,
        (seed, JUDGE),
        step,
        clip,
        session.follow(false),
    )?;
    let starts = start.sample(count, &mut rng);
    let values = starts.iter().map(|&v| f64::from(v)).collect();
    sampler.restore(&ChainState::at(values))?;
    let run = sampler.run(&Phase {
        burn_in: Horizon::Steps((RUN / step).ceil() as u64),
        duration: Horizon::Steps(1),
        every: None,
        clamp: None,
    })?;
    let pairs = run.samples.x.chunks_exact(2);
    Ok(pairs.map(|p| [p[0].into(), p[1].into()]).collect())
}

/// |curl| on [`SHOWN`], the field on every fifth cell, and draws.
fn snapshot(field: &DriftField<f64>, update: u64, draws: &[[f64; 2]]) -> Snapshot {
    let places = |grid: &PlaneGrid| DMatrix::from_fn(2, grid.len(), |i, k| grid.centre(k)[i]);
    let jacobians = field.jacobians(&places(&SHOWN));
    let coarse = PlaneGrid {
        cells: (30, 20),
        ..SHOWN
    };
    let at = places(&coarse);
    let drift = field.values(&at);
    let stroke = |k: usize| [at[(0, k)], at[(1, k)], -drift[(0, k)], -drift[(1, k)]];
    Snapshot {
        update,
        shade: jacobians
            .iter()
            .map(|j| (j[(0, 1)] - j[(1, 0)]).abs())
            .collect(),
        score: (0..coarse.len()).flat_map(stroke).collect(),
        points: draws.iter().take(500).flatten().copied().collect(),
    }
}

/// Score and divergence of a field at points.
fn identity(truth: &Truth, field: &DriftField<f64>, update: u64, rng: &mut impl Rng) -> Identity {
    let points = columns(&truth.moons.sample(POINTS, rng)).map(f64::from);
    let traces = field
        .jacobians(&points)
        .iter()
        .map(DMatrix::trace)
        .collect();
    of_scores(
        &truth.moons,
        &points,
        (&field.values(&points), traces),
        update,
    )
}

/// One repeat of one method.
pub(super) fn learn_field(
    experiment: &DensityExperiment,
    truth: &Truth,
    objective: Objective,
    repeat: u64,
    session: &Session,
) -> Result<Trained> {
    let seed = experiment.seed.wrapping_add(repeat);
    let (data, centre) = data_of(experiment, truth, seed);
    let law = NoiseLaw::fitted(&data)?;
    let sizes = sizes_of(experiment);
    let mut start = chain_rng(seed, START, 0);
    let field = DriftField::<f32>::new(&sizes, experiment.confinement, &centre, &mut start)?;
    let mut trainer = ScoreTrainer::new(settings_of(experiment, objective, seed), data, field)?;
    let mut judge = chain_rng(seed, JUDGE, 0);
    let mut trained = Trained::default();
    let every = (experiment.updates / CURVE).max(1);
    let (clock, busy) = (Instant::now(), processor_seconds());
    let (mut shown, mut told) = (0, 0.0);
    while trainer.update() < experiment.updates {
        if session.interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let from = trainer.update();
        let until = (from + every).min(experiment.updates);
        let mut loss = 0.0;
        while trainer.update() < until {
            match trainer.step() {
                Ok(step) => loss += step.loss,
                Err(Error::Diverged { detail, .. }) => {
                    trained.diverged = Some(detail);
                    return Ok(trained);
                }
                Err(error) => return Err(error),
            }
        }
        trained
            .curve
            .push((until as f64, loss / (until - from) as f64));
        session.watch.advance(until - from);
        // What is told on the way is not the method's time.
        let aside = (Instant::now(), processor_seconds());
        trained
            .identity
            .push(identity(truth, &trainer.learned()?, until, &mut judge));
        let due = experiment.updates * (shown as u64 + 1) / experiment.snapshots as u64;
        if repeat == 0 && until >= due {
            shown += 1;
            let field = trainer.learned()?;
            let drawn = draws(experiment, &field.convert(), &law, (500, seed), session)?;
            trained.snapshots.push(snapshot(&field, until, &drawn));
        }
        trained.wall -= aside.0.elapsed().as_secs_f64();
        told += processor_seconds().zip(aside.1).map_or(0.0, |(a, b)| a - b);
    }
    trained.wall += clock.elapsed().as_secs_f64();
    let spent = processor_seconds().zip(busy).map(|(a, b)| a - b - told);
    let field = trainer.learned()?;
    let drawn = draws(experiment, &field.convert(), &law, (POINTS, seed), session)?;
    let true_draws = truth.moons.equispaced(POINTS, &mut judge);
    let points = columns(&truth.moons.sample(POINTS, &mut judge)).map(f64::from);
    let (curl_rms, curl_ratio) = curl(&field.jacobians(&points));
    let mut put = |name: &str, value: f64| trained.metrics.insert(name.to_owned(), value);
    put("sliced_wasserstein", sliced(&drawn, &true_draws));
    put("mmd2", largest_mmd(&drawn, &true_draws, seed));
    put("curl_rms", curl_rms);
    put("curl_ratio", curl_ratio);
    if let Some(seconds) = spent {
        put("processor_seconds", seconds);
    }
    if let Some(last) = trained.identity.last() {
        let (explicit, scale) = (last.explicit, last.constant);
        put("score_error", explicit / scale);
    }
    trained.parameters = field.parameters().to_vec();
    Ok(trained)
}
