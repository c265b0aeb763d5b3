//! Physical elements and netlists in SI units, and their assembly into a stochastic process.
//!
//! Kirchhoff's current law at every node: Σ C dV/dt = −Σ (currents drawn) + noise; L dI/dt = V for every inductor. A
//! linear dissipative element at temperature T carries Johnson noise of one-sided density S_I = 4kTG, the SDE term
//! √(2kTG) dW; active elements (transconductors, polynomial cells) carry 4kTγ|g| with their excess-noise factor γ, which
//! may be zero; junctions and transistors carry shot noise 2q(I_f + I_r), nonlinear passive conductors 4kT·I/V, each in the
//! stochastic calculus that it declares. Voltage sources are eliminated. Assembly scales to a voltage unit V_u and a time
//! τ, so that the process is of order one.
//!
//! Energy: charge dq through voltage V takes V ∘ dq; [`balance()`] keeps heat, work and stored energy of every element along
//! trajectories, [`SmallSignal`] has the exact heat currents of linear circuits.
//!
//! Not an element: the macrospin of Landau, Lifshitz and Gilbert. Its torque is a cross product of three states under the
//! constraint |m| = 1, where a process knows scalar laws of one linear combination each; forcing it in would put a second
//! kind of state into every scheme. What a circuit sees of a low-barrier magnet at its terminals, a two-level resistance
//! with voltage-dependent dwell times, is the telegraph element.

mod analysis;
mod assembly;
mod balance;
mod charge;
mod devices;
mod element;
pub mod linear;
mod meter;
mod names;
mod netlist;
mod place;
mod rows;
mod simulate;
pub mod spice;
mod storage;

pub use analysis::SmallSignal;
pub use assembly::Assembly;
pub use balance::{Balance, Driving, Item, Role, balance, balance_steps};
pub use devices::{Conductor, Mosfet};
pub use element::{ElementId, NodeId};
pub use netlist::{ChargeLevel, Circuit};
pub use rows::Row;
pub use simulate::{Plan, Precision, Traces, chain_steps, simulate};
