//! thermochip
#![allow(missing_docs)]
pub mod circuit;
pub mod cli;
pub mod data;
pub mod diagnostics;
pub mod dynamics;
pub mod energy;
pub mod error;
pub mod experiment;
pub mod hardware;
pub mod record;
pub mod report;
pub mod sampler;
pub mod study;
pub mod testing;
pub mod training;
pub mod units;
