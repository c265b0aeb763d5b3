//! Statistics of samples, on plain arrays: moments with standard errors, effective sample size, R-hat, distances between
//! laws, effective temperature, free energies from work. Traces from real chips or other software can be judged as well as ours.

mod autocovariance;
mod correlation_time;
mod distance;
mod dwell;
mod effective_size;
mod fourier;
mod moments;
mod ranks;
mod rhat;
mod spectrum;
mod standard_error;
mod streaming;
mod temperature;
mod work;

pub use correlation_time::{CorrelationTime, Window, correlation_time};
pub use distance::{kl_divergence, total_variation, tv_sampling_floor};
pub use dwell::{Dwells, dwells, two_levels};
pub use effective_size::{Size, effective_sample_size, effective_size};
pub use moments::{MomentComparison, Moments, compare_moments, first_order_bias, moments};
pub use rhat::{RHat, nested_rhat, rhat, split_rhat};
pub use spectrum::{Lorentzian, Spectrum, fit_lorentzian, welch};
pub use standard_error::{ErrorOf, standard_error};
pub use streaming::{Estimates, Histogram, NodeMoments, StreamingMoments};
pub use temperature::{pseudo_likelihood_beta, virial_beta};
pub use work::{FreeEnergy, bennett, jarzynski};
