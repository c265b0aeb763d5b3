//! Training of energies: programmed couplings through any sampler, and small networks by every objective.
//!
//! A programmed energy is linear in θ = (fields, couplings) with statistics s(x) = (x_i, x_i x_j), so the log-likelihood
//! gradient is ⟨s⟩ with the data clamped minus ⟨s⟩ free. CD starts the free phase at the data, PCD continues chains from
//! update to update (Tieleman 2008). A conditional free phase, with part of the visible nodes clamped, adds the gradient of
//! log p(rest | clamped). Where both phases' averages can be computed there is [`LikelihoodTrainer`], where the law's score is
//! linear in θ and nothing is hidden [`match_scores`], and [`PseudoLikelihood`] for spins that are all seen. [`mixture`] trains mixtures of Gaussians, [`density`] neural energies, [`rbm`] restricted Boltzmann machines.

mod contrastive;
pub mod density;
mod exact_likelihood;
mod local_rule;
pub mod mixture;
mod optimiser;
mod pseudo_likelihood;
mod quadratic_score;
pub mod rbm;
mod replay;
mod thermometer;

pub use contrastive::{Checkpoint, Conditional, Method, Settings, StepReport, Trainer};
pub use exact_likelihood::{
    Ascended, AscentCheckpoint, AscentSettings, ExactLikelihood, LikelihoodTrainer, Phases,
};
pub use local_rule::LocalRule;
pub use optimiser::{Optimiser, OptimiserKind};
pub use pseudo_likelihood::{PseudoLikelihood, pseudo_likelihood};
pub use quadratic_score::{ScoreSolution, match_scores};
