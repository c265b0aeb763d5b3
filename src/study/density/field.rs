//! Training of a drift without an energy, and what is told of it: the law that its chains draw, its curl, and its distance from
//! the moons' own score.

use super::super::Session;
use super::super::moons::{JUDGE, POINTS, SHOWN, Truth, largest_mmd, sliced};
use super::course::{Course, Learner};
use super::identity::{Identity, of_scores};
use super::{START, Snapshot, Trained, columns, data_of, settings_of, sizes_of};
use crate::dynamics::streams::chain_rng;
use crate::energy::DriftField;
use crate::error::Result;
use crate::experiment::DensityExperiment;
use crate::sampler::{ChainState, Horizon, NetworkSampler, Phase, Sampler};
use crate::training::density::{
    DensityCheckpoint, DensityStep, Monitors, NoiseLaw, PlaneGrid, ScoreTrainer, curl,
};
use nalgebra::DMatrix;
use rand_pcg::Pcg32;

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
fn identity(truth: &Truth, field: &DriftField<f64>, update: u64, rng: &mut Pcg32) -> Identity {
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

struct FieldLearner<'a> {
    course: &'a Course<'a>,
    trainer: ScoreTrainer,
    /// Where chains of pictures begin.
    law: NoiseLaw,
}

impl FieldLearner<'_> {
    fn draws(&self, field: &DriftField<f64>, count: usize) -> Result<Vec<[f64; 2]>> {
        let (course, field) = (self.course, field.convert());
        let of = (count, course.seed());
        draws(course.experiment, &field, &self.law, of, course.session)
    }
}

impl Learner for FieldLearner<'_> {
    fn update(&self) -> u64 {
        self.trainer.update()
    }

    fn step(&mut self) -> Result<DensityStep> {
        self.trainer.step()
    }

    fn observed_step(&mut self) -> Result<(DensityStep, Monitors)> {
        self.trainer.observed_step()
    }

    fn checkpoint(&self) -> DensityCheckpoint {
        self.trainer.checkpoint()
    }

    fn resume(&mut self, checkpoint: DensityCheckpoint) -> Result<()> {
        self.trainer.resume(checkpoint)
    }

    fn identity(&self, truth: &Truth, judge: &mut Pcg32) -> Result<Option<Identity>> {
        let field = self.trainer.learned()?;
        Ok(Some(identity(truth, &field, self.update(), judge)))
    }

    fn picture(&self, _: &mut Pcg32) -> Result<Snapshot> {
        let field = self.trainer.learned()?;
        Ok(snapshot(&field, self.update(), &self.draws(&field, 500)?))
    }
}

/// One repeat of one method.
pub(super) fn learn_field(course: &Course<'_>) -> Result<Trained> {
    let (experiment, truth, seed) = (course.experiment, course.truth, course.seed());
    let (data, centre) = data_of(experiment, truth, seed);
    let law = NoiseLaw::fitted(&data)?;
    let sizes = sizes_of(experiment);
    let mut start = chain_rng(seed, START, 0);
    let field = DriftField::<f32>::new(&sizes, experiment.confinement, &centre, &mut start)?;
    let settings = settings_of(experiment, course.objective, seed);
    let mut learner = FieldLearner {
        course,
        trainer: ScoreTrainer::new(settings, data, field)?,
        law,
    };
    let mut progress = course.run(&mut learner)?;
    let mut trained = progress.trained;
    if trained.diverged.is_some() {
        return Ok(trained);
    }
    let field = learner.trainer.learned()?;
    let drawn = learner.draws(&field, POINTS)?;
    let true_draws = truth.moons.equispaced(POINTS, &mut progress.judge);
    let points = columns(&truth.moons.sample(POINTS, &mut progress.judge)).map(f64::from);
    let (curl_rms, curl_ratio) = curl(&field.jacobians(&points));
    let mut put = |name: &str, value: f64| trained.metrics.insert(name.to_owned(), value);
    put("sliced_wasserstein", sliced(&drawn, &true_draws));
    put("mmd2", largest_mmd(&drawn, &true_draws, seed));
    put("curl_rms", curl_rms);
    put("curl_ratio", curl_ratio);
    if let Some(last) = trained.identity.last() {
        let (explicit, scale) = (last.explicit, last.constant);
        put("score_error", explicit / scale);
    }
    trained.parameters = field.parameters().to_vec();
    Ok(trained)
}
