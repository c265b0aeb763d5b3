//! Training of a neural energy, and how its law is judged.

use super::super::moons::{POINTS, SHOWN, Truth, judging};
use super::course::{Course, Learner};
use super::identity::{Identity, of_scores};
use super::{START, Snapshot, Trained, columns, data_of, settings_of, sizes_of};
use crate::dynamics::streams::chain_rng;
use crate::energy::Network;
use crate::error::Result;
use crate::experiment::NoiseKey;
use crate::training::density::{
    DensityCheckpoint, DensityStep, DensityTrainer, Monitors, NoiseLaw, Objective, PlaneGrid,
};
use nalgebra::{DMatrix, DVector};
use rand_pcg::Pcg32;

struct NetworkLearner {
    trainer: DensityTrainer,
    objective: Objective,
}

impl Learner for NetworkLearner {
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
        if !self.objective.matches_scores() {
            return Ok(None);
        }
        let (network, _) = self.trainer.learned()?;
        Ok(Some(identity(truth, &network, self.update(), judge)))
    }

    fn picture(&self, judge: &mut Pcg32) -> Result<Snapshot> {
        let (network, _) = self.trainer.learned()?;
        let draws = judging().law(&network.convert()).sample(500, judge);
        Ok(snapshot(&network, self.update(), &draws))
    }
}

fn snapshot(network: &Network<f64>, update: u64, draws: &[[f64; 2]]) -> Snapshot {
    let law = SHOWN.law(&network.convert());
    let least = law.energy.iter().copied().fold(f64::INFINITY, f64::min);
    let coarse = PlaneGrid {
        cells: (30, 20),
        ..SHOWN
    };
    let places = DMatrix::from_fn(2, coarse.len(), |i, k| coarse.centre(k)[i]);
    let slopes = network.gradients(&places);
    let score = (0..coarse.len())
        .flat_map(|k| {
            let [x, y] = coarse.centre(k);
            [x, y, slopes[(0, k)], slopes[(1, k)]]
        })
        .collect();
    Snapshot {
        update,
        shade: law.energy.iter().map(|e| e - least).collect(),
        score,
        points: draws.iter().take(500).flatten().copied().collect(),
    }
}

/// Score and divergence of an energy at draws of the true law.
fn identity(truth: &Truth, network: &Network<f64>, update: u64, rng: &mut Pcg32) -> Identity {
    let points = columns(&truth.moons.sample(POINTS, rng)).map(f64::from);
    let divergences = network.laplacians(&points).iter().map(|l| -l).collect();
    let scores = -network.gradients(&points);
    of_scores(&truth.moons, &points, (&scores, divergences), update)
}

/// One repeat of one method.
pub(super) fn learn(course: &Course<'_>) -> Result<Trained> {
    let (experiment, objective, seed) = (course.experiment, course.objective, course.seed());
    let (data, centre) = data_of(experiment, course.truth, seed);
    let mut start = chain_rng(seed, START, 0);
    let sizes = sizes_of(experiment);
    let network = Network::<f32>::new(&sizes, experiment.confinement, &centre, &mut start)?;
    // Leaps of chains propose from the data's Gaussian, whatever noise is contrasted with.
    let contrasts = matches!(objective, Objective::NoiseContrastive { .. });
    let noise = match experiment.noise {
        _ if !contrasts => None,
        NoiseKey::Gaussian => None,
        NoiseKey::Uniform => Some(NoiseLaw::Uniform {
            low: DVector::from_vec(vec![SHOWN.x.0, SHOWN.y.0]),
            high: DVector::from_vec(vec![SHOWN.x.1, SHOWN.y.1]),
        }),
        NoiseKey::Mixture => {
            let components = experiment.noise_components;
            Some(NoiseLaw::fitted_mixture(&data, components, &mut start)?)
        }
    };
    let settings = settings_of(experiment, objective, seed);
    let follow = course.session.follow(false);
    let mut trainer = DensityTrainer::new(settings, data, network, noise, follow)?;
    let persistent = matches!(objective, Objective::Contrastive { persistent, .. } if persistent);
    if let Some(slots) = experiment.buffer.filter(|_| persistent) {
        trainer = trainer.with_buffer(slots)?;
    }
    let mut learner = NetworkLearner { trainer, objective };
    let mut progress = course.run(&mut learner)?;
    let mut trained = progress.trained;
    if trained.diverged.is_some() {
        return Ok(trained);
    }
    let (network, log_z) = learner.trainer.learned()?;
    let law = judging().law(&network.convert());
    let (metrics, _) = course.truth.judge(&law, &mut progress.judge, seed);
    trained.metrics.extend(metrics);
    if let Objective::NoiseContrastive { .. } = objective {
        let error = (log_z - law.log_z).abs();
        trained.metrics.insert("log_z_error".to_owned(), error);
    }
    trained.parameters = network.parameters().to_vec();
    Ok(trained)
}
