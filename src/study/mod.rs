//! Carrying out an experiment: prepare (all checks, nothing written), train, sample, compare, record.
//!
//! This is what the command line calls; a library user can call the same few functions.

mod accuracy;
mod agree;
mod checkpoint;
mod chips;
mod circuits;
mod compare;
mod coupling_check;
mod course;
mod density;
mod dice;
mod digits;
mod exact_draws;
mod exactly;
mod fit;
mod held;
mod learn;
mod likelihood;
pub mod linear_algebra;
mod measure;
mod mixture;
mod moons;
mod rbm;
mod reference;
mod reference_matrix;
mod sample;
mod stream;
mod sweep;
mod verify;

pub use chips::{Prepared, card_of};
pub use circuits::{check_circuit, run_circuit};
pub use compare::{compare, run, train};
pub use density::run_density;
pub use fit::{FitReport, FitRow, NodeFit, Traces, fit};
pub use reference_matrix::{FALSE_ALARM, MatrixPlan, reference_matrix, reference_samplers};
pub use sweep::{Work, check_sweep, run_sweep};
pub use verify::{Checked, Conditions, Measurement, Verdict, verify};

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Where stages report how far they are, and who may stop them.
pub trait Watch: Send + Sync {
    /// A stage of `total` units begins.
    fn begin(&self, name: &str, total: u64);
    /// `units` more are done; called from any thread.
    fn advance(&self, units: u64);
    /// The stage ends.
    fn end(&self);
}

/// A watcher and the flag that stops a run.
#[derive(Clone)]
pub struct Session {
    /// Told about progress.
    pub watch: Arc<dyn Watch>,
    /// Raised to stop; the run directory can then be resumed.
    pub interrupted: Arc<AtomicBool>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    fn control<'a>(&'a self, progress: &'a (dyn Fn(u64) + Sync)) -> crate::dynamics::Control<'a> {
        crate::dynamics::Control {
            interrupted: &self.interrupted,
            progress,
        }
    }

    fn follow(&self, stage: bool) -> crate::sampler::Follow {
        let watch = Arc::clone(&self.watch);
        crate::sampler::Follow {
            interrupted: Arc::clone(&self.interrupted),
            progress: Arc::new(move |units| {
                if stage {
                    watch.advance(units);
                }
            }),
        }
    }
}
