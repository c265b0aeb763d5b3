//! Data sets: labelled rows from CSV (gzipped or not), scaled to [−1, 1], with one-hot ±1 label nodes; and named
//! arrays of numbers from `.npz`.

mod csv_file;
mod npz_file;

pub use csv_file::{Columns, Dataset, load, read_indices};
pub use npz_file::{NumberArray, NumberFile};
