//! Training of programmed couplings by contrastive divergence, through any sampler.
//!
//! The energy is linear in θ = (fields, couplings) with statistics s(x) = (x_i, x_i x_j), so the log-likelihood gradient is
//! ⟨s⟩ with the data clamped minus ⟨s⟩ free. CD starts the free phase at the data, PCD continues chains from update to
//! update (Tieleman 2008). A conditional free phase, with part of the visible nodes clamped, adds the gradient of
//! log p(rest | clamped).

mod contrastive;
mod optimiser;
pub mod rbm;

pub use contrastive::{Checkpoint, Conditional, Method, Settings, StepReport, Trainer};
pub use optimiser::{Optimiser, OptimiserKind};
