//! Learning of restricted Boltzmann machines on spins by contrastive divergence, persistent chains or exact maximum
//! likelihood, and their likelihood.
//!
//! The energy is that of `energy::Ising` on the complete bipartite graph; the gradient of ln p of the data is
//! ⟨v_i⟩, ⟨h_j⟩, ⟨v_i h_j⟩ with the data clamped minus the same free. Hidden spins enter by their means given the visible
//! ones in both phases, which lowers the noise and changes no mean.

mod annealing;
mod machine;
mod settings;
mod trainer;

pub use annealing::{AnnealedLogZ, AnnealingSettings, annealed_log_z};
pub use machine::{LogLikelihood, Rbm, base_rate_fields, base_rate_log_likelihood, log_two_cosh};
pub use settings::{NegativePhase, RbmSettings};
pub use trainer::{RbmCheckpoint, RbmTrainer};
