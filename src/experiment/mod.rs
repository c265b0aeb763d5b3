//! The experiment file: TOML, version 1; every key has a default unless it is required.
//!
//! [`Experiment`] is everything that decides a run. Unknown keys are errors that name the nearest known one; keys of parts
//! that this version does not have are errors that say so.

mod model;
mod reader;
mod schema;

pub use model::{build_model, coupled_pairs};
pub use schema::{
    Conditional, CrossCheck, Data, Digital, Energy, Experiment, Hardware, Initial, Plan, ScaleKey,
    Train,
};
