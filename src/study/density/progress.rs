//! A training under way, kept so that an interrupted run goes on in the middle of it to the same bits.

use super::Trained;
use crate::training::density::DensityCheckpoint;
use rand_pcg::Pcg32;
use serde::{Deserialize, Serialize};

/// Everything that a training has at a point of its curve.
#[derive(Serialize, Deserialize)]
pub(super) struct Progress {
    /// Which training of the run.
    pub stage: String,
    /// The trainer's own; absent before the first update.
    pub trainer: Option<DensityCheckpoint>,
    pub trained: Trained,
    /// What draws for figures and judgement.
    pub judge: Pcg32,
    /// Processor seconds, where the system tells them.
    pub processor: Option<f64>,
    /// Sum over updates of the share of cut forces.
    pub clipped: f64,
}

impl Progress {
    /// At the start.
    pub fn new(stage: &str, judge: Pcg32) -> Self {
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
