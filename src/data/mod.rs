//! Data sets: labelled rows from CSV (gzipped or not), scaled to [−1, 1], with one-hot ±1 label nodes.

mod csv_file;

pub use csv_file::{Columns, Dataset, load, read_indices};
