//! Schemes: how a process is advanced by a step h, and the registry of them.
//!
//! A scheme sees only the mathematical process. `prepare` turns its numbers into a stepper for one step size and one set
//! of clamped nodes; preparing again after a coupling changed is cheap (it copies numbers).

use super::process::Process;
use super::real::Real;
use super::tile::Tile;
use super::{euler_maruyama::EulerMaruyama, ornstein_uhlenbeck::ExactOrnsteinUhlenbeck};
use crate::error::Result;

/// Advances tiles by a fixed step.
pub trait Stepper<R: Real>: Send + Sync {
    /// Prepares a tile for a phase (constants and clamped neighbours).
    fn begin(&self, tile: &mut Tile<R>);
    /// Takes `steps` steps.
    fn advance(&self, tile: &mut Tile<R>, steps: u64);
}

/// What a stepper is prepared for.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Step, in the process's time unit.
    pub step: f64,
    /// Which nodes (spins, when the process has them) are held.
    pub clamped: &'a [bool],
    /// Largest curvature at stable points, for nonlinear processes whose caller knows it; linear ones compute it.
    pub stiffness: Option<f64>,
}

/// A numerical scheme.
pub trait Scheme<R: Real>: Send + Sync {
    /// Name in experiment files.
    fn name(&self) -> &'static str;
    /// Orders and stochastic calculus, one line.
    fn describe(&self) -> &'static str;
    /// A stepper, or why there is none: the step is unstable, or the process has terms this scheme cannot advance.
    fn prepare(&self, process: &Process, setting: &Setting<'_>) -> Result<Box<dyn Stepper<R>>>;
}

/// All schemes of the crate.
pub fn schemes<R: Real>() -> Vec<Box<dyn Scheme<R>>> {
    vec![Box::new(EulerMaruyama), Box::new(ExactOrnsteinUhlenbeck)]
}

/// The scheme called `name`.
///
/// # Errors
/// An unknown name; the message lists the known ones.
pub fn scheme<R: Real>(name: &str) -> Result<Box<dyn Scheme<R>>> {
    let known: Vec<&str> = schemes::<R>().iter().map(|s| s.name()).collect();
    schemes()
        .into_iter()
        .find(|s| s.name() == name)
        .ok_or_else(|| {
            let expected = format!("one of {}", known.join(", "));
            crate::error::Error::invalid("plan.scheme", format!("\"{name}\""), expected)
        })
}
