//! Monte Carlo standard errors of the mean, the standard deviation and quantiles of correlated draws, as ArviZ has them
//! (Vehtari et al., arXiv 1903.08008).

use super::effective_size::{Size, effective_size, mean, squared_deviations, variance};
use statrs::distribution::{Beta, ContinuousCDF};

/// What the error is of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ErrorOf {
    /// The mean: sd/√ESS.
    Mean,
    /// The standard deviation.
    Sd,
    /// The median.
    Median,
    /// The quantile of that probability: half the distance of the order statistics at the 16 % and 84 % points of the Beta
    /// law of its rank.
    Quantile(f64),
}

/// Standard error of `x[chain * draws + draw]`, in its units; NaN where the effective size is.
pub fn standard_error(x: &[f64], chains: usize, draws: usize, of: ErrorOf) -> f64 {
    match of {
        ErrorOf::Mean => {
            let size = effective_size(x, chains, draws, Size::Mean);
            variance(x).sqrt() / size.sqrt()
        }
        ErrorOf::Sd => {
            let squares = squared_deviations(x);
            let size = effective_size(&squares, chains, draws, Size::Mean);
            let second = mean(&squares);
            let fourth = mean(&squares.iter().map(|s| s * s).collect::<Vec<_>>());
            ((fourth - second * second) / size / second / 4.0).sqrt()
        }
        ErrorOf::Median => of_quantile(x, chains, draws, 0.5),
        ErrorOf::Quantile(p) => of_quantile(x, chains, draws, p),
    }
}

fn of_quantile(x: &[f64], chains: usize, draws: usize, p: f64) -> f64 {
    let size = effective_size(x, chains, draws, Size::Quantile(p));
    let Ok(law) = Beta::new(size * p + 1.0, size * (1.0 - p) + 1.0) else {
        return f64::NAN;
    };
    let mut sorted = x.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let at = |probability: f64| law.inverse_cdf(probability) * n - 1.0;
    let low = at(0.158_655_3).max(0.0).floor() as usize;
    let high = at(0.841_344_7).min(n - 1.0).ceil().max(0.0) as usize;
    0.5 * (sorted[high] - sorted[low])
}
