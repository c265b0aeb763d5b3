//! Emulated chips: cards → dies → programmed energies → readout, with the ledger of what it cost.
//!
//! A hardware person's verbs in order: **design** (a card), **fabricate** (a die), **program** (an energy), run, **read**.

mod auxiliaries;
mod bag;
mod calibrate;
mod capacitive;
pub mod card;
mod chip;
mod converters;
mod dac;
pub mod datasheet;
mod die;
mod divergence;
mod drift;
mod flux;
mod gated;
mod gates;
mod hosted;
mod injected;
mod latch;
mod ledger;
mod mismatch;
mod pair_spins;
mod placed;
mod placement;
mod program;
mod readout;
mod selected;
mod spin_values;
mod supply;
mod sweep_fit;
mod telegraph;
pub mod topology;
mod update;
mod view;

pub use calibrate::{Calibration, CalibrationPlan, calibrate};
pub use card::{Card, Kind, Parameter, card};
pub use dac::Dac;
pub use die::{Die, Level, NONIDEALITIES};
pub use divergence::Divergence;
pub use flux::energies as flux_energies;
pub use hosted::Hosted;
pub use ledger::{Ledger, Spent};
pub use pair_spins::{Auxiliary, PairSpins, pair_spins};
pub use placement::{Embedding, PlacementReport};
pub use program::{
    Placement, ProgramReport, Programmed, Realisation, Scale, program, program_directed,
    program_placed, program_with_auxiliaries,
};
pub use readout::{Readout, Reads};
pub use topology::{Graph, Lattice, Topology};
pub use update::Update;
pub use view::View;
