//! The mathematical process, the schemes that advance it, the batched engine, random streams and linear theory.
//!
//! Convention for noise everywhere: dx = drift dt + B dW, D = BBᵀ, A P + P Aᵀ = D. Physics lives in `circuit` and
//! `hardware`; a scheme never knows what it integrates. The normal of (seed, chain, node, step) is a pure function, so a
//! run has the same bits for any number of threads.

// Kernels index all rows of a step by one lane number, which keeps their arithmetic in the order of the equations.
#![allow(clippy::needless_range_loop)]

mod engine;
mod envelope;
mod euler_maruyama;
mod force;
mod gibbs;
pub mod linear;
mod metropolis;
mod ornstein_uhlenbeck;
mod process;
mod real;
mod scheme;
pub mod simd;
pub mod streams;
mod telegraph;
mod tile;

pub use engine::{Control, Ensemble, Recorded};
pub use euler_maruyama::{EulerMaruyama, check_stability};
pub use gibbs::GibbsStepper;
pub use metropolis::MetropolisStepper;
pub use ornstein_uhlenbeck::ExactOrnsteinUhlenbeck;
pub use process::{EnvelopeFactor, LevelInput, Levels, Linear, Mass, Noise, Process};
pub use real::Real;
pub use scheme::{Scheme, Setting, Stepper, scheme, schemes};
pub use tile::{NormalPlan, Tile};

/// Chains that run side by side in a tile.
pub const LANES: usize = 32;
