//! Digital sampling of restricted Boltzmann machines as learning needs it: block Gibbs chains whose parameters change at
//! every update, exact sums over the smaller layer, and annealed importance sampling.

pub use crate::dynamics::streams::chain_rng;
pub use crate::dynamics::{
    Annealed, Direction, MOST_SUMMED, Origin, RestrictedGibbs, RestrictedMoments, RestrictedState,
    anneal_restricted, restricted_log_z, restricted_moments,
};
