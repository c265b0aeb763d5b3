//! R-hat: the spread of all chains together over the spread within one, R̂² = (B/W + n − 1)/n with B/n the variance of the
//! chain means and W the mean variance within chains. Rank-normalised, split and folded after Vehtari et al. (arXiv
//! 1903.08008), as ArviZ has them; nested, for many short chains, after Margossian et al. (arXiv 2110.13017).

use super::effective_size::{FEWEST_DRAWS, mean, variance};
use super::ranks::{folded, normal_scores, split};

/// What is done to the draws before chains are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RHat {
    /// The greater of [`RHat::ZScale`] and [`RHat::Folded`]: the one to report.
    Rank,
    /// Halves of chains.
    Split,
    /// Halves, folded about the median and rank-normalised: differing widths.
    Folded,
    /// Halves, rank-normalised: differing locations.
    ZScale,
    /// Whole chains as they are.
    Identity,
}

/// R-hat of `x[chain * draws + draw]`. NaN with fewer than four draws per chain, with values that are not finite, or where
/// nothing varies; whole chains need at least two.
pub fn rhat(x: &[f64], chains: usize, draws: usize, kind: RHat) -> f64 {
    if draws < FEWEST_DRAWS || chains == 0 || x.iter().any(|v| !v.is_finite()) {
        return f64::NAN;
    }
    let half = draws / 2;
    let z_scale = || plain(&normal_scores(&split(x, chains, draws)), half);
    let folded = || plain(&normal_scores(&folded(&split(x, chains, draws))), half);
    match kind {
        // f64::max passes over a NaN: two levels of equal weight fold onto one value.
        RHat::Rank => z_scale().max(folded()),
        RHat::Split => plain(&split(x, chains, draws), half),
        RHat::Folded => folded(),
        RHat::ZScale => z_scale(),
        RHat::Identity => plain(x, draws),
    }
}

/// Split R-hat: [`rhat`] of [`RHat::Split`].
pub fn split_rhat(x: &[f64], chains: usize, draws: usize) -> f64 {
    rhat(x, chains, draws, RHat::Split)
}

fn plain(x: &[f64], n: usize) -> f64 {
    let means: Vec<f64> = x.chunks(n).map(mean).collect();
    let within = mean(&x.chunks(n).map(variance).collect::<Vec<_>>());
    let n = n as f64;
    ((n * variance(&means) / within + n - 1.0) / n).sqrt()
}

/// Nested R-hat of `x[chain * draws + draw]`, R̂² = 1 + B/W: consecutive chains form `superchains` groups, B is the variance
/// of the groups' means, W the mean over groups of (variance of chain means in the group + mean variance within its chains).
///
/// Meant for chains of few draws (one is enough: the variance within is then 0). The chains of a group should start at one
/// point, and the groups at points more spread than the law: then B is the memory of the start and the squared bias is below
/// (R̂² − 1)·W. With groups that start alike it only measures the noise of the groups' means, about 1/(2 × chains in a group).
/// NaN unless there are at least two groups of equal size with two chains each.
pub fn nested_rhat(x: &[f64], superchains: usize, chains: usize, draws: usize) -> f64 {
    let per_group = chains.checked_div(superchains).unwrap_or(0);
    let fits = superchains >= 2 && per_group >= 2 && per_group * superchains == chains;
    if !fits || draws == 0 || x.len() != chains * draws || x.iter().any(|v| !v.is_finite()) {
        return f64::NAN;
    }
    let groups: Vec<(f64, f64)> = x
        .chunks(per_group * draws)
        .map(|group| {
            let means: Vec<f64> = group.chunks(draws).map(mean).collect();
            let within = if draws > 1 {
                mean(&group.chunks(draws).map(variance).collect::<Vec<_>>())
            } else {
                0.0
            };
            (mean(&means), variance(&means) + within)
        })
        .collect();
    let (means, spreads): (Vec<f64>, Vec<f64>) = groups.into_iter().unzip();
    (1.0 + variance(&means) / mean(&spreads)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two groups of two chains of two draws, by hand: means of chains 1, 3 | 5, 9; B = 12.5; within chains ½ each;
    /// between chains 2 | 8; W = (2.5 + 8.5)/2.
    #[test]
    fn nested_by_hand() {
        let x = [0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 8.5, 9.5];
        let found = nested_rhat(&x, 2, 4, 2);
        assert!((found.powi(2) - (1.0 + 12.5 / 5.5)).abs() < 1e-14);
        assert!(nested_rhat(&x, 1, 4, 2).is_nan());
        assert!(nested_rhat(&x, 3, 4, 2).is_nan());
        // One draw per chain.
        let found = nested_rhat(&[1.0, 3.0, 5.0, 9.0], 2, 4, 1);
        assert!((found.powi(2) - (1.0 + 12.5 / 5.0)).abs() < 1e-14);
    }

    /// Levels ±1 in equal numbers fold onto one value; the rank form is then the z-scaled one.
    #[test]
    fn two_levels_of_equal_weight_have_a_rank_rhat() {
        let x: Vec<f64> = (0..40)
            .map(|k| if (k / 2) % 2 == 0 { -1.0 } else { 1.0 })
            .collect();
        assert!(rhat(&x, 2, 20, RHat::Folded).is_nan());
        assert!(rhat(&x, 2, 20, RHat::Rank).is_finite());
    }
}
