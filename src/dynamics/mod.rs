//! The mathematical process, the schemes that advance it, the batched engine, random streams and linear theory.
//!
//! Convention for noise everywhere: dx = drift dt + B dW, D = BBᵀ, A P + P Aᵀ = D. Physics lives in `circuit` and
//! `hardware`; a scheme never knows what it integrates. The normal of (seed, chain, node, step) is a pure function, so a
//! run has the same bits for any number of threads.

// Kernels index all rows of a step by one lane number, which keeps their arithmetic in the order of the equations.
#![allow(clippy::needless_range_loop)]

mod annealed;
mod branches;
mod dense;
mod draw;
mod engine;
mod envelope;
mod euler_maruyama;
mod explicit;
mod factor_gibbs;
mod factor_tables;
mod field;
mod force;
mod gibbs;
mod hamiltonian;
mod implicit;
mod inputs;
mod jumps;
mod lane_energy;
mod lanes;
mod law;
pub mod linear;
mod lone;
mod master;
mod metropolis;
mod modes;
mod one_chain;
mod ornstein_uhlenbeck;
mod plane_sweep;
mod planes;
mod probe;
mod process;
mod propagator;
mod real;
mod rest;
mod restricted;
mod restricted_annealing;
mod restricted_sum;
mod scheme;
mod sparse_lu;
mod spin_chain;
mod spin_metropolis;
mod split;
mod stability;
pub mod streams;
mod sweep;
mod telegraph;
mod tempered;
mod tile;
mod triangle;
mod underdamped;
mod walk;
mod wave;

pub use annealed::AnnealedStepper;
pub use engine::{Control, Ensemble, Passage, Recorded, Shown};
pub use euler_maruyama::EulerMaruyama;
pub use explicit::{Heun, LeimkuhlerMatthews, Shark};
pub use factor_gibbs::{Conditional, FactorGibbs};
pub use factor_tables::{Contribution, Site};
pub use gibbs::GibbsStepper;
pub use hamiltonian::HamiltonianStepper;
pub use implicit::ImplicitTrapezoid;
pub use jumps::{Gillespie, TauLeap};
pub use lane_energy::LaneEnergy;
pub use law::{Flux, Law};
pub use master::MasterEquation;
pub use metropolis::MetropolisStepper;
pub use modes::{DENSE_ROWS, Drift, Modes, is_linear};
pub use ornstein_uhlenbeck::ExactOrnsteinUhlenbeck;
pub use probe::{largest_step, scheme_covariance, variance_inflation};
pub use process::{
    Branch, BranchNoise, Calculus, Clocking, Drive, EnvelopeFactor, Jump, LevelInput, Levels,
    Linear, Mass, Noise, Process,
};
pub use real::Real;
pub use rest::resting_point;
pub use restricted::{RestrictedGibbs, RestrictedState};
pub use restricted_annealing::{Annealed, Direction, anneal_restricted};
pub use restricted_sum::{MOST_SUMMED, RestrictedMoments, restricted_log_z, restricted_moments};
pub use scheme::{Compiled, Scheme, Setting, Stepper, scheme, scheme_names, schemes};
pub use spin_chain::{MOST_SPINS, SpinChain};
pub use spin_metropolis::SpinMetropolisStepper;
pub use split::{Baoab, Strang};
pub use streams::{Generator, Origin};
pub use tempered::{Exchange, TemperedStepper};
pub use tile::{NORMAL_MAP, NormalBits, NormalPlan, Row, Tile};
pub use underdamped::UnderdampedStepper;
pub use wave::Wave;

/// Chains that run side by side in a tile.
pub const LANES: usize = 32;
