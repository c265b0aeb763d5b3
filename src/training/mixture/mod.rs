//! Training mixtures of Gaussians, which are not linear in their numbers: by expectation–maximisation, and through a sampler.
//!
//! With responsibilities r_k(x) = P(k | x) and z_k = L_k⁻¹(x − μ_k), Σ_k = L_k L_kᵀ, the gradient of ln p(x) along
//! (δ ln w_k, L_k u, L_k e^A L_kᵀ) is (r_k − w_k, r_k z_k, ½ r_k (z_k z_kᵀ − 1)): moments weighted by responsibilities are all that
//! either way needs. EM (Dempster, Laird and Rubin 1977) takes the rows' moments for the components' own, and never lowers the
//! likelihood. Through a sampler, the moments of what it samples are subtracted: zero on average where it samples what was
//! programmed, and where it does not, training ends where its readings have the rows' moments.

mod expectation;
mod moments;
mod seeding;
mod through;

pub use expectation::{ExpectationMaximisation, MixtureCheckpoint, MixtureStep};
pub use moments::WeightedMoments;
pub use seeding::{fitted, seeded};
pub use through::{MixtureSettings, MixtureTrainer, ThroughCheckpoint, ThroughStep};
