//! What users import to property-test their own energies, chips and samplers.
//!
//! [`strategies`] draws random energies for proptest; [`assertions`] checks a property and says by how much it failed.
//! A statistical assertion takes the false-alarm rate it may have: the probability that it fails although the property
//! holds. Split a whole-suite budget (this crate uses 1e-4 per run) over the tests with [`assertions::Budget`].
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
pub mod strategies;
pub mod transfer;
