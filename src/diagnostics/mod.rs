//! Statistics of samples, on plain arrays: moments with standard errors, effective sample size, R-hat, distances between
//! laws, effective temperature, free energies from work. Traces from real chips or other software can be judged as well as ours.

mod convergence;
mod distance;
mod moments;
mod streaming;
mod temperature;
mod work;

pub use convergence::{effective_sample_size, split_rhat};
pub use distance::{kl_divergence, total_variation, tv_sampling_floor};
pub use moments::{MomentComparison, Moments, compare_moments, first_order_bias, moments};
pub use streaming::{Estimates, Histogram, NodeMoments, StreamingMoments};
pub use temperature::{pseudo_likelihood_beta, pseudo_likelihood_betas, virial_beta, virial_betas};
pub use work::{FreeEnergy, bennett, jarzynski};
