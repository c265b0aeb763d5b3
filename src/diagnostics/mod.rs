//! Statistics of samples, on plain arrays: moments with standard errors, effective sizes, R-hat and Monte Carlo errors, correlation
//! times and spectra, distances between laws, currents, effective temperature, free energies from work; and [`diagnose`], which
//! puts them in words. Traces from real chips or other software can be judged as well as ours.

mod autocovariance;
mod balance;
mod blocks;
mod correlation_time;
mod diagnosis;
mod discrete_law;
mod distance;
mod dwell;
mod effective_size;
mod fourier;
mod modes;
mod moments;
mod node;
mod products;
mod quantile;
mod ranks;
mod rhat;
mod sliced;
mod spectrum;
mod standard_error;
mod stein;
mod streaming;
mod temperature;
mod trace;
mod two_sample;
mod verdict;
mod work;

pub use balance::{Balance, Current, lagged_currents, transition_currents};
pub use blocks::{Cut, Draws};
pub use correlation_time::{CorrelationTime, Window, correlation_time};
pub use diagnosis::{Diagnosis, Question, ReferenceDistance, diagnose};
pub use discrete_law::{
    LawComparison, compare_law, effective_draws, expected_kl_divergence, expected_total_variation,
    frequencies,
};
pub use distance::{kl_divergence, total_variation};
pub use dwell::{Dwells, dwells, two_levels};
pub use effective_size::{Size, effective_sample_size, effective_size};
pub use modes::{Mode, mode_weights, nearest};
pub use moments::{MomentComparison, Moments, compare_moments, first_order_bias, moments};
pub use node::{Drift, Estimate, Motion, NodeDiagnosis};
pub use products::{Reading, StreamingProducts};
pub use quantile::{fraction, quantile};
pub use rhat::{RHat, nested_rhat, rhat, split_rhat};
pub use sliced::{Sliced, sliced_wasserstein, wasserstein};
pub use spectrum::{Lorentzian, Spectrum, fit_lorentzian, welch};
pub use standard_error::{ErrorOf, standard_error};
pub use stein::{Stein, kernel_stein};
pub use streaming::{Estimates, Histogram, NodeMoments, StreamingMoments};
pub use temperature::{
    categorical_beta, pseudo_likelihood_beta, pseudo_likelihood_betas, virial_beta, virial_betas,
};
pub use trace::{Estimate as TraceEstimate, Together, TraceFit, fit_trace, together};
pub use two_sample::{Mmd, TwoSample, energy_distance, mmd, mmd_at};
pub use verdict::{Finding, Standing};
pub use work::{FreeEnergy, bennett, jarzynski};
