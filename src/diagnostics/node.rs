//! One number of a trace: its moments and quantiles with errors, its mixing, and the times of its motion.

use super::correlation_time::{CorrelationTime, Window, correlation_time};
use super::dwell::{Dwells, dwells, two_levels};
use super::effective_size::{Size, effective_size, mean, variance};
use super::ranks::quantile;
use super::rhat::{RHat, nested_rhat, rhat};
use super::spectrum::{Lorentzian, Spectrum, fit_lorentzian, welch};
use super::standard_error::{ErrorOf, standard_error};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// A value and its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value.
    pub value: f64,
    /// Its standard error; `None` where it cannot be told.
    pub se: Option<f64>,
}

/// How far the last third of every chain is from the first.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Mean of the last third less that of the first.
    pub change: f64,
    /// Its standard error: from the scatter over chains where there are 16, else from each third's own.
    pub se: f64,
    /// Two-sided p-value of no drift.
    pub p_value: f64,
}

/// One number of a trace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeDiagnosis {
    /// Its name.
    pub name: String,
    /// Whether it never changes; then nothing below but the mean and median says anything.
    pub constant: bool,
    /// Mean.
    pub mean: Estimate,
    /// Standard deviation.
    pub sd: Estimate,
    /// Median.
    pub median: Estimate,
    /// 5 % quantile.
    pub low: Estimate,
    /// 95 % quantile.
    pub high: Estimate,
    /// Effective draws for the bulk.
    pub ess_bulk: Option<f64>,
    /// Effective draws for the tails.
    pub ess_tail: Option<f64>,
    /// Rank-normalised split R-hat.
    pub rhat: Option<f64>,
    /// Nested R-hat, where superchains were named.
    pub nested_rhat: Option<f64>,
    /// Integrated correlation time, in draws.
    pub time: Option<CorrelationTime>,
    /// First third against last.
    pub drift: Option<Drift>,
}

/// The slower look at one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Motion {
    /// Number of the node.
    pub node: usize,
    /// Dwells on the lower and the upper level of a two-level trace, in draws.
    pub dwells: [Option<Dwells>; 2],
    /// Welch's density, where chains are long enough.
    pub spectrum: Option<Spectrum>,
    /// The Lorentzian fitted to it.
    pub lorentzian: Option<Lorentzian>,
}

/// Chains from whose scatter a drift's error is taken.
const CHAINS: usize = 16;

pub(super) fn diagnose_node(
    name: String,
    x: &[f64],
    chains: usize,
    draws: usize,
    superchains: Option<usize>,
) -> NodeDiagnosis {
    let finite = |v: f64| v.is_finite().then_some(v);
    let constant = x.iter().all(|v| *v == x[0]);
    let estimate = |value: f64, of: ErrorOf| {
        let se = standard_error(x, chains, draws, of);
        Estimate {
            value,
            se: finite(se).filter(|_| !constant),
        }
    };
    let moving = |v: f64| finite(v).filter(|_| !constant);
    NodeDiagnosis {
        name,
        constant,
        mean: estimate(mean(x), ErrorOf::Mean),
        sd: estimate(variance(x).max(0.0).sqrt(), ErrorOf::Sd),
        median: estimate(quantile(x, 0.5), ErrorOf::Median),
        low: estimate(quantile(x, 0.05), ErrorOf::Quantile(0.05)),
        high: estimate(quantile(x, 0.95), ErrorOf::Quantile(0.95)),
        ess_bulk: moving(effective_size(x, chains, draws, Size::Bulk)),
        ess_tail: moving(effective_size(x, chains, draws, Size::Tail)),
        rhat: moving(rhat(x, chains, draws, RHat::Rank)),
        nested_rhat: superchains.and_then(|k| moving(nested_rhat(x, k, chains, draws))),
        time: correlation_time(x, chains, draws, Window::Gamma(1.5)),
        drift: drift(x, chains, draws),
    }
}

fn drift(x: &[f64], chains: usize, draws: usize) -> Option<Drift> {
    let third = draws / 3;
    if third < 1 {
        return None;
    }
    let parts = |from: usize| -> Vec<f64> {
        x.chunks(draws)
            .flat_map(|c| &c[from..from + third])
            .copied()
            .collect()
    };
    let (first, last) = (parts(0), parts(draws - third));
    let change = mean(&last) - mean(&first);
    let many = chains >= CHAINS;
    let se = if many {
        let changes: Vec<f64> = first
            .chunks(third)
            .zip(last.chunks(third))
            .map(|(a, b)| mean(b) - mean(a))
            .collect();
        (variance(&changes) / chains as f64).sqrt()
    } else {
        let of = |x: &[f64]| standard_error(x, chains, third, ErrorOf::Mean);
        of(&first).hypot(of(&last))
    };
    if !(se > 0.0 && se.is_finite()) {
        return None;
    }
    let z = (change / se).abs();
    let p_value = if many {
        2.0 * StudentsT::new(0.0, 1.0, chains as f64 - 1.0).ok()?.sf(z)
    } else {
        two_sided(z)
    };
    Some(Drift {
        change,
        se,
        p_value,
    })
}

/// Two-sided tail of a standard normal number.
pub(super) fn two_sided(z: f64) -> f64 {
    2.0 * Normal::standard().sf(z.abs())
}

/// Segments below which a density is not judged.
const SEGMENTS: usize = 8;

/// Dwells and spectrum of a node. `levels` are the hysteresis thresholds; without them, only a trace of exactly two values has
/// levels.
pub(super) fn motion(
    node: usize,
    x: &[f64],
    chains: usize,
    draws: usize,
    (step, tau): (f64, f64),
    levels: Option<(f64, f64)>,
    (replicates, seed): (usize, u64),
) -> Motion {
    let levels = levels.or_else(|| two_values(x).map(|(a, b)| (0.5 * (a + b), 0.5 * (a + b))));
    let dwells = levels.map_or([None, None], |(low, high)| {
        dwells(&two_levels(x, draws, low, high), draws, replicates, seed)
    });
    // A segment of 32 τ, 64 relaxation times, smears the plateau by 0.3 %.
    let segment = ((32.0 * tau).ceil().max(64.0) as usize).next_power_of_two();
    let segments = chains * (2 * draws / segment).saturating_sub(1);
    let spectrum = (segments >= SEGMENTS)
        .then(|| welch(x, chains, draws, step, segment))
        .flatten();
    Motion {
        node,
        dwells,
        lorentzian: spectrum.as_ref().and_then(fit_lorentzian),
        spectrum,
    }
}

/// The two values of a trace that has exactly two.
pub(super) fn two_values(x: &[f64]) -> Option<(f64, f64)> {
    let first = *x.first()?;
    let second = *x.iter().find(|v| **v != first)?;
    x.iter()
        .all(|v| *v == first || *v == second)
        .then(|| (first.min(second), first.max(second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_values_are_recognised() {
        assert_eq!(two_values(&[1.0, -1.0, 1.0]), Some((-1.0, 1.0)));
        assert_eq!(two_values(&[1.0, -1.0, 0.5]), None);
        assert_eq!(two_values(&[1.0, 1.0]), None);
        assert_eq!(two_values(&[]), None);
    }
}
