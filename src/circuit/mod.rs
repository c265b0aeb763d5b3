//! Physical elements and netlists in SI units, and their assembly into a stochastic process.
//!
//! Kirchhoff's current law at every node: Σ C dV/dt = −Σ (currents drawn) + noise. A linear dissipative element at
//! temperature T carries Johnson noise of one-sided density S_I = 4kTG, the SDE term √(2kTG) dW; active elements
//! (transconductors, polynomial cells) carry 4kTγ|g| with their excess-noise factor γ, which may be zero. Assembly scales
//! to a voltage unit V_u and a time τ, so that the process is of order one.

mod assembly;
mod element;
pub mod linear;

pub use assembly::Assembly;
pub use element::{Circuit, ElementId, NodeId};
