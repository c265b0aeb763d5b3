//! What a run writes: `run.json`, arrays as `.npz`, checkpoints; each file whole or not at all.

mod directory;
mod many;
mod ngspice;
mod npz;
mod run;
mod stages;

pub use directory::RunDirectory;
pub use many::{AxisRecord, CellRecord, DiceRecord, Fraction, Spread, SweepRecord};
pub use ngspice::run_ngspice;
pub use npz::{Array, read_npz, write_npz};
pub use run::*;
pub use stages::Stages;
