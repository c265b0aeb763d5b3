//! One training by `[train]`, whatever is trained: its curve, its costs, and where it is continued from.

use super::Session;
use super::checkpoint::Checkpoints;
use crate::error::{Error, Result};
use crate::experiment::Train;
use crate::record::{TrainingPoint, TrainingRecord};
use crate::sampler::Cost;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Points kept of the training curve.
const CURVE_POINTS: u64 = 150;

/// What one update tells.
pub(super) struct Told {
    /// Of this update; costs so far are added to it.
    pub point: TrainingPoint,
    /// What it cost.
    pub cost: Cost,
    /// Share of saturated readings, where they are quantised.
    pub saturated: Option<f64>,
    /// Whether its step was refused, and shortened.
    pub refused: bool,
}

/// A training, update by update.
pub(super) trait Course {
    /// What it is continued from.
    type Kept: Serialize + DeserializeOwned;
    /// Updates done.
    fn update(&self) -> u64;
    /// One update.
    fn step(&mut self) -> Result<Told>;
    /// Everything needed to continue to the same bits.
    fn keep(&self) -> Self::Kept;
    /// Continues from there.
    fn resume(&mut self, kept: Self::Kept) -> Result<()>;
}

/// What is saved to continue a training run.
#[derive(Serialize, Deserialize)]
pub(super) struct Saved<K> {
    pub trainer: K,
    curve: Vec<TrainingPoint>,
    /// Sum over updates of the share of saturated readings.
    saturated: f64,
    /// Updates whose step was refused.
    refused: u64,
    total: Cost,
    wall: f64,
}

/// Takes `course` through all updates of `train`, from what was `kept` if anything; `through` names what is trained through, and
/// the training began at `began`.
///
/// # Errors
/// What an update says; [`Error::Interrupted`], with the place kept if it came between updates.
pub(super) fn follow<C: Course>(
    course: &mut C,
    kept: Option<Saved<C::Kept>>,
    through: String,
    train: &Train,
    (checkpoints, session, began): (&Checkpoints<'_>, &Session, Instant),
) -> Result<TrainingRecord> {
    let (mut curve, mut total, mut earlier) = (Vec::new(), Cost::default(), 0.0);
    let (mut saturated, mut refused) = (0.0, 0);
    if let Some(saved) = kept {
        course.resume(saved.trainer)?;
        (curve, total, earlier) = (saved.curve, saved.total, saved.wall);
        (saturated, refused) = (saved.saturated, saved.refused);
    }
    let wall = || earlier + began.elapsed().as_secs_f64();
    let keep =
        |course: &C, curve: &[TrainingPoint], (saturated, refused): (f64, u64), total: Cost| {
            checkpoints.keep(&Saved {
                trainer: course.keep(),
                curve: curve.to_vec(),
                saturated,
                refused,
                total,
                wall: wall(),
            })
        };
    session.watch.begin("training", train.updates);
    session.watch.advance(course.update());
    let every = (train.updates / CURVE_POINTS).max(1);
    let mut last = Cost::default();
    while course.update() < train.updates {
        let stopped = session.interrupted.load(Ordering::Relaxed);
        let due = course.update().is_multiple_of(train.checkpoint_every);
        if stopped || (due && course.update() > 0) {
            keep(course, &curve, (saturated, refused), total)?;
        }
        if stopped {
            return Err(Error::Interrupted);
        }
        let told = course.step()?;
        session.watch.advance(1);
        saturated += told.saturated.unwrap_or(0.0);
        refused += u64::from(told.refused);
        last = told.cost;
        total = total.plus(told.cost);
        let update = course.update();
        if update.is_multiple_of(every) || update == train.updates {
            curve.push(TrainingPoint {
                device_seconds: total.device_seconds,
                cost: total,
                ..told.point
            });
        }
    }
    session.watch.end();
    keep(course, &curve, (saturated, refused), total)?;
    Ok(TrainingRecord {
        through,
        curve,
        per_update: last,
        wall_seconds: wall(),
        coupling_check: None,
        refused_steps: refused,
        saturated_readings: train.local_rule.map(|_| saturated / train.updates as f64),
    })
}
