//! Statistics of samples, on plain arrays: moments with standard errors, effective sample size, R-hat, distances between
//! laws, effective temperature, free energies from work. Traces from real chips or other software can be judged as well as ours.

mod convergence;
mod distance;
mod moments;
mod quantile;
mod streaming;
mod temperature;
mod trace;
mod work;

pub use convergence::{effective_sample_size, split_rhat};
pub use distance::{kl_divergence, total_variation, tv_sampling_floor};
pub use moments::{MomentComparison, Moments, compare_moments, first_order_bias, moments};
pub use quantile::{fraction, quantile};
pub use streaming::{Estimates, Histogram, NodeMoments, StreamingMoments};
pub use temperature::{pseudo_likelihood_beta, virial_beta};
pub use trace::{Estimate, Together, TraceFit, fit_trace, together};
pub use work::{FreeEnergy, bennett, jarzynski};
