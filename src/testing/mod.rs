//! What users import to property-test their own energies, chips and samplers.
//!
//! [`strategies`] draws random energies, graphs, chip designs and circuits for proptest; an assertion checks a property of an energy,
//! of a sampler given as a closure, of an integrator's step or of a circuit, and says by how much it failed. A statistical
//! assertion takes the false-alarm rate it may have ([`Sequential`]): the probability that it fails although the property
//! holds. Split a whole-suite budget (this crate uses 1e-4 per run) over the tests with [`Budget`]. The [`guide`] says which
//! assertion to use, has a complete example, and publishes what each of them catches.
//!
//! ```
//! use proptest::prelude::*;
//! use thermochip::testing::{assertions::gradient_matches, strategies};
//!
//! proptest!(|(energy in strategies::soft_spins(1..6), seed in any::<u64>())| {
//!     let x = strategies::point(thermochip::energy::ContinuousEnergy::dim(&energy), seed);
//!     gradient_matches(&energy, &x, 1e-5).map_err(TestCaseError::fail)?;
//! });
//! ```

pub mod assertions;
mod budget;
mod chain;
pub mod evidence;
#[doc = include_str!("guide.md")]
pub mod guide {}
mod invariance;
mod joint;
mod orders;
mod ranks;
mod rectification;
mod relaxation;
mod reversibility;
mod sequential;
pub mod starts;
pub mod strategies;
pub mod transfer;
pub mod view;

pub use budget::{Budget, OpenBudget, Shares};
pub use chain::{MAX_STATES, TransitionMatrix};
pub use invariance::leaves_invariant;
pub use joint::geweke_joint;
pub use orders::{Grid, orders_match, scheme_orders, step_orders};
pub use ranks::{rank_uniform, rank_uniform_both_ways};
pub use rectification::{Followed, no_rectification};
pub use relaxation::{Relaxation, converges_to};
pub use reversibility::{detailed_balance, transitions_match};
pub use sequential::{Round, Sequential, Stream};
pub use view::View;
