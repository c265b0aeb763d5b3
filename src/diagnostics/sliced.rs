//! Sliced Wasserstein distance: the mean over random directions u of W₁(u·X, u·Y) = ∫|F − G|, with its sampling floor.
//!
//! W₁ between samples is never zero; the floor is its mean under exchanged labels of whole blocks, which is also its null.

use super::blocks::{Blocks, Cut, Draws, share_beyond};
use super::effective_size::mean;
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// ∫|F − G| of two samples of one number, in its units; NaN when one is empty.
pub fn wasserstein(a: &[f64], b: &[f64]) -> f64 {
    let all = a.iter().map(|v| (*v, 0)).chain(b.iter().map(|v| (*v, 1)));
    let mut all: Vec<(f64, usize)> = all.collect();
    all.sort_unstable_by(|p, q| p.0.total_cmp(&q.0));
    area(&all, &[true, false])
}

/// ∫|F − G| of sorted (value, block) pairs, F of the blocks that are `first`.
fn area(sorted: &[(f64, usize)], first: &[bool]) -> f64 {
    let ones = sorted.iter().filter(|p| first[p.1]).count() as f64;
    let (up, down) = (1.0 / ones, 1.0 / (sorted.len() as f64 - ones));
    let (mut gap, mut sum) = (0.0f64, 0.0);
    for pair in sorted.windows(2) {
        gap += if first[pair[0].1] { up } else { -down };
        sum += gap.abs() * (pair[1].0 - pair[0].0);
    }
    if ones == 0.0 || ones == sorted.len() as f64 {
        f64::NAN
    } else {
        sum
    }
}

/// A sliced Wasserstein distance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sliced {
    /// Mean W₁ over the directions, in units of x.
    pub value: f64,
    /// Its mean under exchanged labels: what equal laws give at these sizes.
    pub floor: f64,
    /// Its standard deviation under them.
    pub floor_sd: f64,
    /// Probability of a value at least this large were the laws equal.
    pub p_value: f64,
    /// Directions.
    pub directions: usize,
}

/// Sliced Wasserstein distance over `directions` isotropic directions drawn from the cut's seed. `None` when the sources do
/// not fit each other.
pub fn sliced_wasserstein(a: Draws, b: Draws, directions: usize, cut: &Cut) -> Option<Sliced> {
    sliced_of(&Blocks::of(&[a, b], cut)?, directions, cut)
}

pub(super) fn sliced_of(blocks: &Blocks, directions: usize, cut: &Cut) -> Option<Sliced> {
    if directions == 0 || blocks.of.contains(&0) {
        return None;
    }
    let labels = blocks.labels(cut);
    // Another stream than the labels'.
    let mut rng = Pcg64::seed_from_u64(cut.seed ^ 0x5157_2d31);
    let all: Vec<Vec<f64>> = (0..directions)
        .map(|_| {
            let mut u: Vec<f64> = StandardNormal
                .sample_iter(&mut rng)
                .take(blocks.nodes)
                .collect();
            let length = u.iter().map(|v: &f64| v * v).sum::<f64>().sqrt();
            u.iter_mut().for_each(|v| *v /= length);
            u
        })
        .collect();
    let per_direction: Vec<Vec<f64>> = all
        .par_iter()
        .map(|u| {
            let project = |k: usize| blocks.point(k).iter().zip(u).map(|(x, u)| x * u).sum();
            let mut sorted: Vec<(f64, usize)> = (0..blocks.count() * blocks.per_block)
                .map(|k| (project(k), k / blocks.per_block))
                .collect();
            sorted.sort_unstable_by(|p, q| p.0.total_cmp(&q.0));
            labels.iter().map(|l| area(&sorted, l)).collect()
        })
        .collect();
    let values: Vec<f64> = (0..labels.len())
        .map(|r| per_direction.iter().map(|d| d[r]).sum::<f64>() / directions as f64)
        .collect();
    let exchanged = &values[1..];
    let floor = mean(exchanged);
    let scatter: f64 = exchanged.iter().map(|v| (v - floor).powi(2)).sum();
    Some(Sliced {
        value: values[0],
        floor,
        floor_sd: (scatter / (exchanged.len() as f64 - 1.0)).sqrt(),
        p_value: share_beyond(&values),
        directions,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: {0, 1, 3} and {5, 6, 8} are 5 apart; {0, 1} against {0} is ½.
    #[test]
    fn earth_is_moved_by_hand() {
        assert!((wasserstein(&[0.0, 1.0, 3.0], &[5.0, 6.0, 8.0]) - 5.0).abs() < 1e-14);
        assert!((wasserstein(&[0.0, 1.0], &[0.0]) - 0.5).abs() < 1e-15);
        assert_eq!(wasserstein(&[2.0, 1.0], &[1.0, 2.0]), 0.0);
        assert!(wasserstein(&[], &[1.0]).is_nan());
    }
}
