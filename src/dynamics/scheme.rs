//! Schemes: how a process is advanced by a step h, and the registry of them.
//!
//! A scheme sees only the mathematical process. `prepare` turns its numbers into a stepper for one step size and one set
//! of clamped nodes; preparing again after a coupling changed is cheap (it copies numbers).

use super::euler_maruyama::EulerMaruyama;
use super::explicit::{Heun, LeimkuhlerMatthews, Shark};
use super::field::Field;
use super::implicit::ImplicitTrapezoid;
use super::jumps::{Gillespie, TauLeap};
use super::ornstein_uhlenbeck::ExactOrnsteinUhlenbeck;
use super::process::Process;
use super::real::Real;
use super::split::{Baoab, Strang};
use super::tile::{NormalBits, Row, Tile};
use crate::error::{Error, Result};

/// Advances tiles by a fixed step.
pub trait Stepper<R: Real>: Send + Sync {
    /// Prepares a tile for a phase (constants and clamped neighbours).
    fn begin(&self, tile: &mut Tile<R>);
    /// Takes `steps` steps.
    fn advance(&self, tile: &mut Tile<R>, steps: u64);
    /// Tiles that advance faster together than one by one; the bits are the same either way.
    fn span(&self) -> usize {
        1
    }
    /// Takes `steps` steps with up to [`Self::span`] tiles.
    fn advance_together(&self, tiles: &mut [Tile<R>], steps: u64) {
        for tile in tiles {
            self.advance(tile, steps);
        }
    }
    /// Rows of standard normals that one step consumes; 0 where steps do not consist of normals alone.
    fn normals(&self) -> usize {
        0
    }
    /// How finely those normals are drawn.
    fn bits(&self) -> NormalBits {
        NormalBits::Full
    }
    /// Whether those rows are the Wiener increments (over √h) of the nodes' own noise and then of the noisy branches', so
    /// that whoever follows a path knows what each source of noise did.
    fn shows_noise(&self) -> bool {
        false
    }
    /// One step with given normals instead of the streams' (after `begin`): for noise-free oracles and common paths.
    /// Does nothing where [`Self::normals`] is 0.
    fn step_given(&self, _tile: &mut Tile<R>, _normals: &[Row<R>]) {}
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
    /// How finely the normals are drawn.
    pub normals: NormalBits,
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

/// A type for which all schemes are compiled once, in this crate: whoever names a scheme at run time does not compile its
/// kernels (for three instruction sets each) again.
pub trait Compiled: Real {
    /// All schemes of the crate.
    fn schemes() -> Vec<Box<dyn Scheme<Self>>>;
}

impl Compiled for f32 {
    fn schemes() -> Vec<Box<dyn Scheme<Self>>> {
        all()
    }
}

impl Compiled for f64 {
    fn schemes() -> Vec<Box<dyn Scheme<Self>>> {
        all()
    }
}

fn all<R: Real>() -> Vec<Box<dyn Scheme<R>>> {
    vec![
        Box::new(EulerMaruyama),
        Box::new(Heun),
        Box::new(Shark),
        Box::new(ImplicitTrapezoid),
        Box::new(ExactOrnsteinUhlenbeck),
        Box::new(Strang),
        Box::new(LeimkuhlerMatthews),
        Box::new(Baoab),
        Box::new(Gillespie),
        Box::new(TauLeap),
    ]
}

/// All schemes of the crate.
pub fn schemes<R: Compiled>() -> Vec<Box<dyn Scheme<R>>> {
    R::schemes()
}

/// Refuses two-state elements.
pub(super) fn no_levels(name: &str, process: &Process) -> Result<()> {
    if process.levels.is_none() {
        return Ok(());
    }
    Err(Error::invalid(
        "plan.scheme",
        format!("\"{name}\""),
        "a scheme that advances two-state elements: euler-maruyama",
    ))
}

/// Refuses discrete events.
pub(super) fn no_jumps(name: &str, process: &Process) -> Result<()> {
    if process.jumps.is_empty() {
        return Ok(());
    }
    Err(Error::invalid(
        "plan.scheme",
        format!("\"{name}\""),
        "a scheme that advances charge jumps: gillespie or tau-leap",
    ))
}

/// Refuses noise whose strength depends on the state.
pub(super) fn additive_only<R: Real>(name: &str, field: &Field<R>) -> Result<()> {
    if field.additive() {
        return Ok(());
    }
    Err(Error::invalid(
        "plan.scheme",
        format!("\"{name}\""),
        "a scheme for state-dependent noise: euler-maruyama, heun or implicit-trapezoid",
    ))
}

/// Their names, as experiment files write them.
pub fn scheme_names() -> Vec<&'static str> {
    schemes::<f64>().iter().map(|s| s.name()).collect()
}

/// The scheme called `name`.
///
/// # Errors
/// An unknown name; the message lists the known ones.
pub fn scheme<R: Compiled>(name: &str) -> Result<Box<dyn Scheme<R>>> {
    schemes()
        .into_iter()
        .find(|s| s.name() == name)
        .ok_or_else(|| {
            let expected = format!("one of {}", scheme_names().join(", "));
            Error::invalid("plan.scheme", format!("\"{name}\""), expected)
        })
}
