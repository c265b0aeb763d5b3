//! What a run writes: `run.json`, arrays as `.npz`, checkpoints; each file whole or not at all.

mod accuracy;
mod directory;
mod many;
mod ngspice;
mod npz;
mod reference_set;
mod run;
mod stages;

pub use accuracy::{AccuracyPoint, AccuracyRecord, PathAccuracy, Reached};
pub use directory::RunDirectory;
pub use many::{AxisRecord, CellRecord, DiceRecord, Fraction, Spread, SweepRecord};
pub use ngspice::run_ngspice;
pub use npz::{Array, read_npz, write_npz};
pub use reference_set::{CellNumbers, CellStanding, Matrix, MatrixCell, MatrixRow};
pub use run::*;
pub use stages::Stages;
