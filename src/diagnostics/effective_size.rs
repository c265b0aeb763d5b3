//! Effective sample sizes of one scalar over chains, as ArviZ defines them (Vehtari et al., arXiv 1903.08008):
//! N/τ, τ = 1 + 2 Σ ρ_t over Geyer's initial monotone sequence, ρ_t = 1 − (W − C(t))/var⁺ over split chains.

use super::autocovariance::autocovariance;
use super::ranks::{normal_scores, quantile, split};

/// What the effective number of draws is counted for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// The location of the bulk: rank-normalised draws.
    Bulk,
    /// The tails: the lesser of the 5 % and the 95 % quantile.
    Tail,
    /// The mean.
    Mean,
    /// The standard deviation: squared deviations from the mean.
    Sd,
    /// The median.
    Median,
    /// The quantile of that probability: the indicator x ≤ quantile.
    Quantile(f64),
}

/// Fewest draws per chain from which anything is said.
pub(super) const FEWEST_DRAWS: usize = 4;

/// Effective sample size of `x[chain * draws + draw]`; NaN with fewer than four draws per chain or with values that are not
/// finite, the number of draws when all are equal.
pub fn effective_size(x: &[f64], chains: usize, draws: usize, kind: Size) -> f64 {
    if draws < FEWEST_DRAWS || chains == 0 || x.iter().any(|v| !v.is_finite()) {
        return f64::NAN;
    }
    let half = draws / 2;
    let of = |values: &[f64]| geyer(&split(values, chains, draws), half);
    let at_quantile = |p: f64| {
        let level = quantile(x, p);
        let below = |v: &f64| f64::from(u8::from(*v <= level));
        of(&x.iter().map(below).collect::<Vec<_>>())
    };
    match kind {
        Size::Bulk => geyer(&normal_scores(&split(x, chains, draws)), half),
        Size::Tail => at_quantile(0.05).min(at_quantile(0.95)),
        Size::Mean => of(x),
        Size::Sd => of(&squared_deviations(x)),
        Size::Median => at_quantile(0.5),
        Size::Quantile(p) => at_quantile(p),
    }
}

/// Effective sample size of the mean: [`effective_size`] of [`Size::Mean`].
pub fn effective_sample_size(x: &[f64], chains: usize, draws: usize) -> f64 {
    effective_size(x, chains, draws, Size::Mean)
}

/// (x − mean)².
pub(super) fn squared_deviations(x: &[f64]) -> Vec<f64> {
    let m = mean(x);
    x.iter().map(|v| (v - m).powi(2)).collect()
}

pub(super) fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

/// With n − 1 in the denominator.
pub(super) fn variance(x: &[f64]) -> f64 {
    let m = mean(x);
    x.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (x.len() as f64 - 1.0)
}

/// Effective size of chains of `n` draws each, taken as they are.
fn geyer(x: &[f64], n: usize) -> f64 {
    let count = x.len() as f64;
    let (least, most) = x
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| {
            (a.min(*v), b.max(*v))
        });
    // Numbers this close are one number (numpy's `finfo(float).resolution`).
    if most - least < 1e-15 {
        return count;
    }
    let chains: Vec<&[f64]> = x.chunks(n).collect();
    let means: Vec<f64> = chains.iter().map(|c| mean(c)).collect();
    let covariance = autocovariance(&chains, &means);
    let within = covariance[0] * n as f64 / (n as f64 - 1.0);
    let between = if chains.len() > 1 {
        variance(&means)
    } else {
        0.0
    };
    let total = covariance[0] + between;
    let correlation = |lag: usize| 1.0 - (within - covariance[lag]) / total;
    // Pairs (ρ_2k, ρ_2k+1) while their sum is positive.
    let mut rho = vec![0.0; n];
    let (mut even, mut odd) = (1.0, correlation(1));
    (rho[0], rho[1]) = (even, odd);
    let mut t = 1;
    while t + 3 < n && even + odd > 0.0 {
        (even, odd) = (correlation(t + 1), correlation(t + 2));
        if even + odd >= 0.0 {
            (rho[t + 1], rho[t + 2]) = (even, odd);
        }
        t += 2;
    }
    // The sum runs over 0..beyond; the term at `beyond` counts half of a pair, if positive.
    let beyond = t - 1;
    if even > 0.0 {
        rho[beyond] = even;
    }
    // Pairs must not grow again.
    let mut t = 1;
    while t + 3 <= beyond {
        let before = rho[t - 1] + rho[t];
        if rho[t + 1] + rho[t + 2] > before {
            rho[t + 1] = 0.5 * before;
            rho[t + 2] = 0.5 * before;
        }
        t += 2;
    }
    let tau = -1.0 + 2.0 * rho[..beyond].iter().sum::<f64>() + rho[beyond];
    count / tau.max(1.0 / count.log10())
}
