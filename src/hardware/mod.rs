//! Emulated chips: cards → dies → programmed energies → readout, with the ledger of what it cost.
//!
//! A hardware person's verbs in order: **design** (a card), **fabricate** (a die), **program** (an energy), run, **read**.

pub mod card;
mod dac;
mod die;
mod injected;
mod ledger;
mod program;
mod readout;
mod telegraph;
pub mod topology;
mod update;

pub use card::{Card, Kind, Parameter, card};
pub use dac::Dac;
pub use die::{Die, NONIDEALITIES};
pub use ledger::{Ledger, Spent};
pub use program::{ProgramReport, Programmed, Realisation, Scale, program, program_directed};
pub use readout::Readout;
pub use topology::{Graph, Lattice, Topology};
pub use update::Update;
