//! Integrated autocorrelation time τ = 1 + 2 Σ_{t≥1} ρ(t), in draws, with its own error: N draws are worth N/τ.
//!
//! The sum must stop at a window W: Sokal's is the least W ≥ c τ(W); Wolff's (hep-lat/0306017) balances the tail left out
//! against the noise taken in. The error is Wolff's eq. 42, δτ/τ = 2 √((W + ½ − τ/2)/N), and so is the bias correction.

use super::autocovariance::autocovariance;
use super::effective_size::{FEWEST_DRAWS, mean};
use serde::{Deserialize, Serialize};

/// Where the sum over lags stops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Window {
    /// The least W with W ≥ c·τ(W); c = 5 is usual.
    Sokal(f64),
    /// Wolff's automatic window, S the ratio of the slowest correlation time to the integrated one; S = 1.5 is usual.
    Gamma(f64),
}

/// Draws per chain, in correlation times, from which τ is held valid.
const LONG_ENOUGH: f64 = 50.0;

/// An integrated autocorrelation time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CorrelationTime {
    /// τ in draws; 1 for independent draws.
    pub tau: f64,
    /// Its standard error.
    pub se: f64,
    /// Lags that were summed.
    pub window: usize,
    /// Whether a chain has 50 τ draws and the window closed before half of it: else τ is a lower bound.
    pub valid: bool,
}

/// τ of `x[chain * draws + draw]`, correlations taken about the mean of all chains, so that chains which disagree lengthen it.
///
/// `None` with fewer than four draws per chain, values that are not finite, or where nothing varies.
pub fn correlation_time(
    x: &[f64],
    chains: usize,
    draws: usize,
    window: Window,
) -> Option<CorrelationTime> {
    if chains == 0 || draws < FEWEST_DRAWS || x.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let centre = mean(x);
    let views: Vec<&[f64]> = x.chunks(draws).take(chains).collect();
    let mut covariance = autocovariance(&views, &vec![centre; chains]);
    // By the pairs there are at each lag.
    for (lag, c) in covariance.iter_mut().enumerate() {
        *c *= draws as f64 / (draws - lag) as f64;
    }
    let scale = centre.abs().max(1.0) * 1e-15;
    if covariance[0] <= scale * scale {
        return None;
    }
    let count = (chains * draws) as f64;
    let most = draws / 2;
    let mut sum = covariance[0];
    let mut chosen = most;
    for lag in 1..=most {
        sum += 2.0 * covariance[lag];
        let tau = sum / covariance[0];
        let stop = match window {
            Window::Sokal(c) => lag as f64 >= c * tau,
            Window::Gamma(s) => {
                // Wolff's eq. 51 in his τ/2; a sum that is not above ½ has the shortest memory there is.
                let decay = if tau > 1.0 {
                    s / ((tau + 1.0) / (tau - 1.0)).ln()
                } else {
                    f64::MIN_POSITIVE
                };
                (-(lag as f64) / decay).exp() < decay / (lag as f64 * count).sqrt()
            }
        };
        if stop {
            chosen = lag;
            break;
        }
    }
    // The mean was taken from the same draws: every C(t) is short of the variance of that mean.
    let of_mean = sum.max(0.0) / count;
    let variance = covariance[0] + of_mean;
    let total: f64 = variance
        + covariance[1..=chosen]
            .iter()
            .map(|c| 2.0 * (c + of_mean))
            .sum::<f64>();
    let tau = (total / variance).max(1.0 / count);
    let spread = (chosen as f64 + 0.5 - 0.5 * tau).max(0.5);
    Some(CorrelationTime {
        tau,
        se: tau * 2.0 * (spread / count).sqrt(),
        window: chosen,
        valid: draws as f64 >= LONG_ENOUGH * tau && chosen < most,
    })
}
