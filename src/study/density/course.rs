//! The course of one training, whatever is trained: its curve, what watches it, its pictures, and where it is continued from.

use super::super::Session;
use super::super::checkpoint::Checkpoints;
use super::super::moons::{JUDGE, Truth};
use super::identity::Identity;
use super::monitors;
use super::{Snapshot, Trained};
use crate::dynamics::streams::chain_rng;
use crate::error::{Error, Result};
use crate::experiment::DensityExperiment;
use crate::training::density::{DensityCheckpoint, DensityStep, Monitors, Objective};
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Points kept of a learning curve.
const CURVE: u64 = 100;

/// What is trained.
pub(super) trait Learner {
    /// Updates done.
    fn update(&self) -> u64;
    /// One update.
    fn step(&mut self) -> Result<DensityStep>;
    /// The same update, watched.
    fn observed_step(&mut self) -> Result<(DensityStep, Monitors)>;
    /// Everything needed to continue to the same bits.
    fn checkpoint(&self) -> DensityCheckpoint;
    /// Continues from there.
    fn resume(&mut self, checkpoint: DensityCheckpoint) -> Result<()>;
    /// How far its score is from the moons' own, where it matches scores.
    fn identity(&self, truth: &Truth, judge: &mut Pcg32) -> Result<Option<Identity>>;
    /// What it has learned so far.
    fn picture(&self, judge: &mut Pcg32) -> Result<Snapshot>;
}

/// One repeat of one method, and where it is kept.
pub(super) struct Course<'a> {
    pub experiment: &'a DensityExperiment,
    pub truth: &'a Truth,
    pub objective: Objective,
    pub repeat: u64,
    pub checkpoints: &'a Checkpoints<'a>,
    /// Which training of the run.
    pub stage: &'a str,
    pub session: &'a Session,
}

/// A training under way, kept so that an interrupted run goes on in the middle of it to the same bits.
#[derive(Serialize, Deserialize)]
pub(super) struct Progress {
    stage: String,
    /// The trainer's own; absent before the first update.
    trainer: Option<DensityCheckpoint>,
    pub trained: Trained,
    /// What draws for figures and judgement.
    pub judge: Pcg32,
    /// Processor seconds, where the system tells them.
    processor: Option<f64>,
    /// Sum over updates of the share of cut forces.
    clipped: f64,
}

impl Progress {
    fn new(stage: &str, judge: Pcg32) -> Self {
        Progress {
            stage: stage.to_owned(),
            trainer: None,
            trained: Trained::default(),
            judge,
            processor: Some(0.0),
            clipped: 0.0,
        }
    }
}

/// Processor seconds of this process so far, where the system tells them (user and system time, in 1/100 s).
fn processor_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = text.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |k: usize| fields.get(k)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

impl Course<'_> {
    /// Seed of this repeat.
    pub fn seed(&self) -> u64 {
        self.experiment.seed.wrapping_add(self.repeat)
    }

    /// Takes `learner` to its last update, or to where it diverges.
    pub fn run(&self, learner: &mut dyn Learner) -> Result<Progress> {
        let (updates, session) = (self.experiment.updates, self.session);
        let kept = self.checkpoints.kept::<Progress>()?;
        let mut progress = kept
            .filter(|kept| kept.stage == self.stage)
            .unwrap_or_else(|| Progress::new(self.stage, chain_rng(self.seed(), JUDGE, 0)));
        if let Some(checkpoint) = progress.trainer.take() {
            learner.resume(checkpoint)?;
            session.watch.advance(learner.update());
        }
        let every = (updates / CURVE).max(1);
        while learner.update() < updates {
            if session.interrupted.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            let from = learner.update();
            let until = (from + every).min(updates);
            let (clock, busy) = (Instant::now(), processor_seconds());
            let Some(loss) = stretch(learner, until, &mut progress)? else {
                break;
            };
            let trained = &mut progress.trained;
            trained.wall += clock.elapsed().as_secs_f64();
            let spent = processor_seconds().zip(busy).map(|(a, b)| a - b);
            progress.processor = progress.processor.zip(spent).map(|(sum, s)| sum + s);
            trained
                .curve
                .push((until as f64, loss / (until - from) as f64));
            session.watch.advance(until - from);
            let identity = learner.identity(self.truth, &mut progress.judge)?;
            trained.identity.extend(identity);
            // Pictures of the first repeat, at equal distances, the last at the end.
            let shown = trained.snapshots.len() as u64;
            let due = updates * (shown + 1) / self.experiment.snapshots as u64;
            if self.repeat == 0 && until >= due {
                let picture = learner.picture(&mut progress.judge)?;
                trained.snapshots.push(picture);
            }
            progress.trainer = Some(learner.checkpoint());
            self.checkpoints.keep(&progress)?;
        }
        let trained = &mut progress.trained;
        trained.metrics.extend(monitors::metrics(&trained.monitors));
        if let Objective::Contrastive { .. } = self.objective {
            let share = progress.clipped / updates as f64;
            trained.metrics.insert("clip_fraction".to_owned(), share);
        }
        let seconds = progress
            .processor
            .map(|s| ("processor_seconds".to_owned(), s));
        trained.metrics.extend(seconds);
        Ok(progress)
    }
}

/// Updates up to `until`, the last of them watched; the sum of their losses, or `None` where training diverged.
fn stretch(learner: &mut dyn Learner, until: u64, progress: &mut Progress) -> Result<Option<f64>> {
    let mut loss = 0.0;
    let trained = &mut progress.trained;
    while learner.update() < until {
        let moved = if learner.update() + 1 == until {
            learner.observed_step().map(|(step, seen)| {
                trained.monitors.push(seen);
                step
            })
        } else {
            learner.step()
        };
        match moved {
            Ok(step) => {
                loss += step.loss;
                progress.clipped += step.clipped;
            }
            Err(Error::Diverged { detail, .. }) => {
                trained.diverged = Some(detail);
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Some(loss))
}
