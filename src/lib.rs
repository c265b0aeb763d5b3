//! thermochip
#![allow(missing_docs)]
pub mod energy;
pub mod error;
pub mod testing;
