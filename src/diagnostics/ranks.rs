//! Order statistics of pooled draws: average ranks, normal scores, folding, quantiles, and the split of chains into halves
//! (Vehtari et al., arXiv 1903.08008).

use statrs::distribution::{ContinuousCDF, Normal};

/// The halves of every chain of `x[chain * draws + draw]`, first halves before second ones within a chain; a middle draw of
/// an odd length is dropped.
pub(super) fn split(x: &[f64], chains: usize, draws: usize) -> Vec<f64> {
    let half = draws / 2;
    x.chunks(draws.max(1))
        .take(chains)
        .flat_map(|chain| [&chain[..half], &chain[draws - half..]])
        .flatten()
        .copied()
        .collect()
}

/// Ranks from 1; equal values share the mean of the ranks they cover.
pub(super) fn average_ranks(x: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_unstable_by(|&a, &b| x[a].total_cmp(&x[b]));
    let mut ranks = vec![0.0; x.len()];
    let mut from = 0;
    while from < order.len() {
        let value = x[order[from]];
        let ties = order[from..].iter().take_while(|&&k| x[k] == value).count();
        // Of ranks from+1 … from+ties.
        let rank = from as f64 + 0.5 * (ties as f64 + 1.0);
        for &k in &order[from..from + ties.max(1)] {
            ranks[k] = rank;
        }
        from += ties.max(1);
    }
    ranks
}

/// Normal scores Φ⁻¹((r − 3/8)/(n + 1/4)) of the average ranks r (Blom).
pub(super) fn normal_scores(x: &[f64]) -> Vec<f64> {
    let n = x.len() as f64;
    let normal = Normal::standard();
    average_ranks(x)
        .into_iter()
        .map(|rank| normal.inverse_cdf((rank - 0.375) / (n + 0.25)))
        .collect()
}

/// |x − median(x)|.
pub(super) fn folded(x: &[f64]) -> Vec<f64> {
    let median = quantile(x, 0.5);
    x.iter().map(|v| (v - median).abs()).collect()
}

/// The quantile that interpolates linearly between order statistics at (n − 1)p (Hyndman and Fan's type 7).
pub(super) fn quantile(x: &[f64], p: f64) -> f64 {
    let mut sorted = x.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile_of_sorted(&sorted, p)
}

/// [`quantile`] of values in order.
pub(super) fn quantile_of_sorted(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let at = last as f64 * p.clamp(0.0, 1.0);
    let below = (at.floor() as usize).min(last);
    let (a, b) = (sorted[below], sorted[(below + 1).min(last)]);
    let part = at - below as f64;
    (1.0 - part) * a + part * b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_their_mean_rank() {
        assert_eq!(
            average_ranks(&[2.0, -1.0, 2.0, 5.0, -0.0, 0.0]),
            [4.5, 1.0, 4.5, 6.0, 2.5, 2.5]
        );
        assert_eq!(average_ranks(&[]), [0.0; 0]);
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[3.0, 1.0, 2.0, 4.0], 0.5), 2.5);
        assert_eq!(quantile(&[3.0, 1.0], 0.25), 1.5);
        assert_eq!(quantile(&[3.0], 0.9), 3.0);
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn halves_drop_the_middle() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
        assert_eq!(split(&x, 2, 5), [1.0, 2.0, 4.0, 5.0, 6.0, 7.0, 9.0, 10.0]);
    }
}
