//! A bias floor told from the scatter of sampling: error² = bias² + variance/n, n the effective number of draws.
//!
//! Moments add so by themselves. A total variation ½ Σ_s |q_s − p_s| does so state by state: where the sampled law is off by
//! q_s = p_s(1 + τ ξ_s), ξ_s standard normals, and f_s(n) is the mean deviation of a frequency from n independent draws,
//! TV(n) = ½ Σ_s √((2/π) τ² p_s² + f_s(n)²), which is exact where f_s is a normal's; the floor is τ/√(2π).
//! N draws of a chain are n = 1 + (N − 1) r effective ones. (bias, r) are fitted to the ladder in relative errors; the bias is then
//! taken from the longest rung at that r, where the form matters least.

use super::ladder::Rung;
use crate::diagnostics::expected_total_variation;
use std::f64::consts::PI;

/// States told apart by their probabilities, at most; beyond that they are pooled by its logarithm.
const BINS: usize = 32;
/// Halvings of a bracket in each direction.
const SECTIONS: usize = 30;
/// Relative error that the form itself may have.
const FORM: f64 = 0.02;
/// Variance of a count from which its mean deviation is taken to be a normal's (off by less than 0.1 %).
const MANY: f64 = 100.0;
/// Largest n per draw that is looked for.
const MOST_SHARE: f64 = 4.0;

/// How sampling alone scatters.
#[derive(Debug)]
pub(super) enum Scatter {
    /// (p, how many states have it).
    States(Vec<(f64, f64)>),
    /// Mean square of one draw.
    Moments(f64),
}

impl Scatter {
    pub(super) fn of_law(p: &[f64]) -> Self {
        let positive: Vec<f64> = p.iter().copied().filter(|p| *p > 0.0).collect();
        if positive.len() <= BINS {
            return Scatter::States(positive.into_iter().map(|p| (p, 1.0)).collect());
        }
        let (low, high) = positive
            .iter()
            .fold((f64::INFINITY, 0.0f64), |(a, b), p| (a.min(*p), b.max(*p)));
        let width = ((high / low).ln() / BINS as f64).max(1e-12);
        let mut bins = vec![(0.0, 0.0); BINS];
        for p in positive {
            let bin = &mut bins[(((p / low).ln() / width) as usize).min(BINS - 1)];
            *bin = (bin.0 + p, bin.1 + 1.0);
        }
        let mean = |&(sum, count): &(f64, f64)| (sum / count, count);
        let filled = bins.iter().filter(|b| b.1 > 0.0);
        Scatter::States(filled.map(mean).collect())
    }

    /// Deviations of `n` effective draws, one for each kind of state.
    fn deviations(&self, n: f64) -> Vec<f64> {
        match self {
            Scatter::States(bins) => {
                let of = |&(p, _): &(f64, f64)| {
                    if n * p * (1.0 - p) > MANY {
                        return (2.0 * p * (1.0 - p) / (PI * n)).sqrt();
                    }
                    // Both states of a coin deviate alike.
                    let at = |n: f64| expected_total_variation(&[p, 1.0 - p], (n as u64).max(1));
                    let (below, share) = (at(n.floor()), n.fract());
                    below + share * (at(n.floor() + 1.0) - below)
                };
                bins.iter().map(of).collect()
            }
            Scatter::Moments(square) => vec![(square / n).sqrt()],
        }
    }

    fn error(&self, bias: f64, deviations: &[f64]) -> f64 {
        match self {
            Scatter::States(bins) => {
                // (2/π) τ² with bias = τ/√(2π).
                let square = 4.0 * bias * bias;
                let each = bins.iter().zip(deviations);
                let sum: f64 = each
                    .map(|(&(p, count), f)| count * (square * p * p + f * f).sqrt())
                    .sum();
                0.5 * sum
            }
            Scatter::Moments(_) => bias.hypot(deviations[0]),
        }
    }
}

/// A fitted curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Curve {
    /// What is left of the error in the end.
    pub bias: f64,
    /// Effective draws per draw.
    pub share: f64,
}

fn effective(draws: f64, share: f64) -> f64 {
    (1.0 + (draws - 1.0) * share).max(1.0)
}

/// The least of `f` in a bracket, by golden sections.
fn least(f: impl Fn(f64) -> f64, (mut low, mut high): (f64, f64)) -> f64 {
    let golden = 0.5 * (5f64.sqrt() - 1.0);
    let (mut a, mut b) = (high - golden * (high - low), low + golden * (high - low));
    let (mut fa, mut fb) = (f(a), f(b));
    for _ in 0..SECTIONS {
        if fa <= fb {
            (high, b, fb) = (b, a, fa);
            a = high - golden * (high - low);
            fa = f(a);
        } else {
            (low, a, fa) = (a, b, fb);
            b = low + golden * (high - low);
            fb = f(b);
        }
    }
    0.5 * (low + high)
}

/// The bias at which the error is `error`; none where sampling alone leaves as much.
fn bias_of(error: f64, deviations: &[f64], scatter: &Scatter) -> f64 {
    if scatter.error(0.0, deviations) >= error {
        return 0.0;
    }
    // The error grows with the bias and is never below it.
    let (mut low, mut high) = (0.0, error);
    for _ in 0..2 * SECTIONS {
        let middle = 0.5 * (low + high);
        if scatter.error(middle, deviations) < error {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

impl Curve {
    /// The curve nearest to the rungs, whose relative errors are given.
    pub(super) fn fitted(rungs: &[Rung], relative: &[f64], scatter: &Scatter) -> Self {
        let most = rungs.iter().map(|r| r.error).fold(0.0, f64::max);
        let longest = rungs.last().map_or(1, |r| r.draws) as f64;
        let at = |log_share: f64| -> f64 {
            let share = log_share.exp();
            let of = |r: &Rung| scatter.deviations(effective(r.draws as f64, share));
            let deviations: Vec<Vec<f64>> = rungs.iter().map(of).collect();
            let misfit = |bias: f64| -> f64 {
                let each = rungs.iter().zip(&deviations).zip(relative);
                each.map(|((r, d), e)| {
                    let off = (scatter.error(bias, d) / r.error.max(1e-300)).ln();
                    off * off / (e * e + FORM * FORM)
                })
                .sum()
            };
            // In the square root: the misfit is flat in the bias near zero.
            let root = least(|root| misfit(root * root), (0.0, most.sqrt()));
            misfit(root * root)
        };
        let bracket = ((0.1 / longest).ln(), MOST_SHARE.ln());
        // The misfit may have more than one valley in r: begin at the best of a few.
        let steps = 12;
        let width = (bracket.1 - bracket.0) / f64::from(steps);
        let place = |k: i32| bracket.0 + width * f64::from(k);
        let best = (0..=steps).map(|k| (at(place(k)), k));
        let best = best.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |b| b.1);
        let log_share = least(at, (place((best - 1).max(0)), place((best + 1).min(steps))));
        let share = log_share.exp();
        let (draws, error) = rungs
            .last()
            .map_or((1.0, 0.0), |r| (r.draws as f64, r.error));
        Curve {
            bias: bias_of(error, &scatter.deviations(effective(draws, share)), scatter),
            share,
        }
    }

    /// The least bias that the error of `draws` draws shows, where that error is known to the share `relative` of itself: it
    /// would be three of its errors, and of the form's, above what sampling leaves.
    pub(super) fn detectable(&self, draws: f64, relative: f64, scatter: &Scatter) -> f64 {
        let deviations = scatter.deviations(effective(draws, self.share));
        let above = 1.0 + 3.0 * relative.hypot(FORM);
        bias_of(
            above * scatter.error(0.0, &deviations),
            &deviations,
            scatter,
        )
    }

    /// The error of so many draws.
    pub(super) fn error(&self, draws: f64, scatter: &Scatter) -> f64 {
        scatter.error(self.bias, &scatter.deviations(effective(draws, self.share)))
    }

    /// What sampling alone would leave.
    pub(super) fn floor(&self, draws: f64, scatter: &Scatter) -> f64 {
        scatter.error(0.0, &scatter.deviations(effective(draws, self.share)))
    }

    /// Fewest draws whose error is at most `level`, up to `most`.
    pub(super) fn draws_for(&self, level: f64, most: f64, scatter: &Scatter) -> Option<f64> {
        if self.error(most, scatter) > level {
            return None;
        }
        if self.error(1.0, scatter) <= level {
            return Some(1.0);
        }
        let (mut low, mut high) = (0.0, most.ln());
        for _ in 0..SECTIONS {
            let middle = 0.5 * (low + high);
            if self.error(middle.exp(), scatter) > level {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(high.exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve_of(truth: Curve, scatter: &Scatter) -> Curve {
        let rungs: Vec<Rung> = (0..18)
            .map(|k| Rung {
                draws: 1 << k,
                error: truth.error(f64::from(1 << k), scatter),
            })
            .collect();
        Curve::fitted(&rungs, &vec![0.01; rungs.len()], scatter)
    }

    /// Curves of the fitted form come back.
    #[test]
    fn a_curve_is_found_again() {
        let p: Vec<f64> = (0..256).map(|k| 1.5f64.powi(-(k % 16))).collect();
        let total: f64 = p.iter().sum();
        let law = Scatter::of_law(&p.iter().map(|p| p / total).collect::<Vec<_>>());
        for scatter in [law, Scatter::Moments(1.7)] {
            for truth in [(0.014, 0.3), (0.0, 0.02), (0.002, 1.0)] {
                let truth = Curve {
                    bias: truth.0,
                    share: truth.1,
                };
                let found = curve_of(truth, &scatter);
                assert!(
                    (found.bias - truth.bias).abs() < 2e-4,
                    "{found:?} {truth:?}"
                );
                assert!(
                    (found.share / truth.share - 1.0).abs() < 0.02,
                    "{found:?} {truth:?}"
                );
                let draws = found.draws_for(0.1, 1e6, &scatter).unwrap();
                assert!((found.error(draws, &scatter) / 0.1 - 1.0).abs() < 0.02);
            }
        }
    }
}
