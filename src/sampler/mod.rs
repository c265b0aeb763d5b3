//! One interface for everything that samples: a programmed die, digital Langevin, Gibbs.

mod ais;
mod analog;
mod anneal;
mod cost;
mod digital;
mod factors;
mod hosted;
mod lower;
mod method;
mod network;
pub mod restricted;
mod tempering;

pub use ais::{
    AnnealedImportance, AnnealingSampler, GaussianBase, LogPartition, annealed_importance,
    reverse_annealed_importance,
};
pub use analog::{AnalogSampler, StepRule};
pub use anneal::{Annealed, Schedule, anneal, scaled};
pub use cost::{Cost, Seconds};
pub use digital::{GibbsSampler, LangevinSampler};
pub use factors::{FactorSampler, conditionals};
pub use hosted::HostedSampler;
pub use lower::{langevin_process, spin_process, stiffness};
pub use method::Method;
pub use network::NetworkSampler;
pub use tempering::{Ladder, TemperingSampler};

pub use crate::hardware::Dac;

use crate::energy::Parameters;
use crate::error::Result;
use serde::{Deserialize, Serialize};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How a caller follows and stops long runs.
#[derive(Clone)]
pub struct Follow {
    /// Raised to stop early.
    pub interrupted: Arc<AtomicBool>,
    /// Called with the number of chain-steps just taken, from any thread.
    pub progress: Arc<dyn Fn(u64) + Send + Sync>,
}

impl Follow {
    /// Never stops, tells nobody.
    pub fn silent() -> Self {
        Follow {
            interrupted: Arc::new(AtomicBool::new(false)),
            progress: Arc::new(|_| {}),
        }
    }

    fn control(&self) -> crate::dynamics::Control<'_> {
        crate::dynamics::Control {
            interrupted: &self.interrupted,
            progress: &*self.progress,
        }
    }
}

impl std::fmt::Debug for Follow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follow")
            .field("interrupted", &self.interrupted)
            .finish_non_exhaustive()
    }
}

/// How long a phase lasts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Horizon {
    /// Physical time on the device, seconds (analog samplers only).
    Seconds(f64),
    /// The energy's own time, that of dx = −∇E dt + √2 dW (a²τ seconds each on a chip; not for Gibbs).
    Time(f64),
    /// Algorithm steps: integration steps (analog, Langevin) or sweeps (Gibbs).
    Steps(u64),
}

/// Nodes held at given values during a phase, per chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Clamp {
    /// Indices of the clamped nodes, ascending.
    pub nodes: Vec<usize>,
    /// `values[chain * nodes.len() + k]`, in the energy's variable.
    pub values: Vec<f64>,
}

/// Positions of all chains, and optionally where their random streams stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainState {
    /// `values[chain * nodes + node]`, in the energy's variable.
    pub values: Vec<f64>,
    /// Opaque stream positions and hidden device state, one entry per chain; `None` on restore keeps the current ones.
    pub streams: Option<Vec<Vec<u64>>>,
    /// Opaque numbers that the sampler has adapted (its step, and what that was chosen for); empty on restore keeps the
    /// current ones.
    pub adapted: Vec<f64>,
}

impl ChainState {
    /// Chains at `values[chain * nodes + node]`, streams and adapted numbers as they are.
    pub fn at(values: Vec<f64>) -> Self {
        ChainState {
            values,
            streams: None,
            adapted: Vec::new(),
        }
    }
}

/// One phase of sampling.
#[derive(Clone, Debug)]
pub struct Phase {
    /// Run before the first recorded draw.
    pub burn_in: Horizon,
    /// Run while recording.
    pub duration: Horizon,
    /// Spacing of recorded draws; `None` records only the final state as one draw.
    pub every: Option<Horizon>,
    /// Clamped nodes, if any.
    pub clamp: Option<Clamp>,
}

/// What was read: `x[(chain * draws + draw) * nodes + node]`, in the energy's variable.
#[derive(Clone, Debug)]
pub struct Samples {
    /// Number of chains.
    pub chains: usize,
    /// Draws per chain.
    pub draws: usize,
    /// Nodes per draw.
    pub nodes: usize,
    /// The values.
    pub x: Vec<f32>,
    /// Time of each draw: seconds of device time, or steps for digital samplers.
    pub t: Vec<f64>,
}

/// What a phase did.
#[derive(Clone, Debug)]
pub struct Run {
    /// Draws.
    pub samples: Samples,
    /// Integration steps or sweeps taken per chain.
    pub steps: u64,
    /// Cost of this phase.
    pub cost: Cost,
    /// Fraction of node-steps that hit a rail.
    pub clip_fraction: f64,
    /// Acceptance rate where the method has one.
    pub acceptance: Option<f64>,
    /// Other numbers that the method reports, by the names of metrics: (value, standard error).
    pub notes: BTreeMap<String, (f64, Option<f64>)>,
}

/// What a sampler is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Description {
    /// `analog-ideal`, `analog-die-1`, `ula`, `mala`, `gibbs` …
    pub name: String,
    /// `analog` or `digital`.
    pub kind: String,
    /// Number of chains.
    pub chains: usize,
    /// Number of nodes.
    pub nodes: usize,
    /// Step size in units of the energy's time (digital: h of dx = −∇E dt; analog: h/(a²τ)); `None` for sweeps.
    pub step: Option<f64>,
    /// Whether the steps are Euler–Maruyama's of dx = −∇E dt + √2 dW, whose bias of any moment is known to first order.
    pub first_order_bias: bool,
    /// Relative stationary variance inflation of the stiffest mode predicted for `step`, where the scheme has one.
    pub predicted_bias: Option<f64>,
}

/// Anything that draws samples of an energy.
pub trait Sampler: Send {
    /// What it is and how it steps now.
    fn describe(&self) -> Description;
    /// Positions and streams of all chains.
    fn state(&self) -> ChainState;
    /// Puts all chains where `state` says.
    fn restore(&mut self, state: &ChainState) -> Result<()>;
    /// Runs one phase from the present state, advancing it.
    fn run(&mut self, phase: &Phase) -> Result<Run>;
    /// What writing the energy into the chips of all chains costs. No run contains it: a chip is written once and runs often.
    fn written(&self) -> Cost {
        Cost::default()
    }
    /// Programs new fields and couplings, on the same graph; returns the cost of writing them.
    fn reprogram(&mut self, parameters: &Parameters) -> Result<Cost>;
}

/// The mask of a clamp over `nodes` nodes.
///
/// # Errors
/// A node that does not exist.
fn clamp_mask(clamp: Option<&Clamp>, nodes: usize) -> Result<Vec<bool>> {
    let mut mask = vec![false; nodes];
    for &node in clamp.map_or(&[][..], |c| &c.nodes) {
        let Some(entry) = mask.get_mut(node) else {
            let expected = format!("node indices below {nodes}");
            return Err(crate::error::Error::invalid("clamp.nodes", node, expected));
        };
        *entry = true;
    }
    Ok(mask)
}
