//! Data sets: two moons; labelled rows from CSV (gzipped or not), scaled to [−1, 1], with one-hot ±1 label nodes; and named
//! arrays of numbers from `.npz`; traces of draws from either.

mod components;
mod csv_file;
mod npz_file;
mod traces;
mod two_moons;

pub use components::Components;
pub use csv_file::{Columns, Dataset, load, read_indices};
pub use npz_file::{NumberArray, NumberFile};
pub use traces::{Traces, read_centres};
pub use two_moons::{MoonNodes, TwoMoons};
