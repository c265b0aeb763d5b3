//! The command line: its words, its progress bars. Nothing else in the crate prints.

pub mod args;
pub mod progress;
