//! Emulated chips: cards → dies → programmed energies → readout, with the ledger of what it cost.
//!
//! A hardware person's verbs in order: **design** (a card), **fabricate** (a die), **program** (an energy), run, **read**.

mod calibrate;
pub mod card;
mod dac;
mod die;
mod divergence;
mod drift;
mod injected;
mod ledger;
mod mismatch;
mod program;
mod readout;
mod sweep_fit;
mod telegraph;
pub mod topology;

pub use calibrate::{Calibration, CalibrationPlan, calibrate};
pub use card::{Card, Kind, Parameter, card};
pub use dac::Dac;
pub use die::{Die, NONIDEALITIES};
pub use divergence::Divergence;
pub use ledger::{Ledger, Spent};
pub use program::{ProgramReport, Programmed, Realisation, Scale, program};
pub use readout::Readout;
pub use topology::{Lattice, Topology};
