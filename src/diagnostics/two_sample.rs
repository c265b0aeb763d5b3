//! Are two sets of draws from one law? Kernel two-sample distances with permutation p-values.
//!
//! MMD² = E k(X,X′) + E k(Y,Y′) − 2 E k(X,Y) (Gretton et al., JMLR 13:723, 2012) with Gaussian kernels e^{−|x−y|²/2s²} of
//! several bandwidths s; the energy distance 2E|X−Y| − E|X−X′| − E|Y−Y′| is the same with k = −|x−y|. Pairs within one block
//! are left out, so that with independent blocks the estimate is unbiased; it can be slightly negative. Labels are exchanged
//! for whole blocks ([`Draws`], [`Cut`]): chains where there are 16 or more in each, else stretches of ten correlation times.

use super::blocks::{Blocks, Cut, Draws, jackknife, share_beyond};
use serde::{Deserialize, Serialize};

/// A distance between two laws, from samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwoSample {
    /// The unbiased estimate.
    pub value: f64,
    /// Its standard error by the jackknife over blocks (of use where the laws differ).
    pub se: f64,
    /// Its rms under exchanged labels: what sampling alone gives.
    pub floor: f64,
    /// Probability of a value at least this large were the laws equal.
    pub p_value: f64,
}

/// Maximum mean discrepancies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mmd {
    /// Bandwidths s, in units of x.
    pub bandwidths: Vec<f64>,
    /// MMD² of each.
    pub each: Vec<TwoSample>,
    /// p-value of the largest MMD² in units of its own floor, under the same exchanges: valid for all bandwidths together.
    pub p_value: f64,
    /// Blocks exchanged, both sources together.
    pub blocks: usize,
    /// Whether they are whole chains: then the p-value is exact.
    pub whole_chains: bool,
}

/// Bandwidths of [`mmd`] in units of the median distance of pairs.
const FACTORS: [f64; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// MMD² between two sources for bandwidths of ¼ to 4 times the median distance. `None` with fewer than two blocks of either.
pub fn mmd(a: Draws, b: Draws, cut: &Cut) -> Option<Mmd> {
    let blocks = Blocks::of(&[a, b], cut)?;
    mmd_of(&blocks, &blocks.square_distances(), None, cut)
}

/// [`mmd`] for the given bandwidths, in units of x.
pub fn mmd_at(a: Draws, b: Draws, bandwidths: &[f64], cut: &Cut) -> Option<Mmd> {
    let blocks = Blocks::of(&[a, b], cut)?;
    mmd_of(&blocks, &blocks.square_distances(), Some(bandwidths), cut)
}

/// Of blocks whose [`Blocks::square_distances`] are known.
pub(super) fn mmd_of(
    blocks: &Blocks,
    squares: &[f64],
    bandwidths: Option<&[f64]>,
    cut: &Cut,
) -> Option<Mmd> {
    let labels = labels(blocks, cut)?;
    let bandwidths = bandwidths.map_or_else(
        || {
            let median = blocks.median_distance();
            FACTORS.iter().map(|f| f * median).collect()
        },
        <[f64]>::to_vec,
    );
    let points = blocks.count() * blocks.per_block;
    let all: Vec<(TwoSample, Vec<f64>)> = bandwidths
        .iter()
        .map(|s| {
            let scale = -0.5 / (s * s);
            let gram = blocks.gram(|a, b| (scale * squares[a * points + b]).exp());
            judge(&gram, &labels)
        })
        .collect();
    // Largest over bandwidths, each in units of its floor, for the observed labels and for every exchange.
    let largest: Vec<f64> = (0..labels.len())
        .map(|r| {
            let scaled = all
                .iter()
                .map(|(t, v)| v[r] / t.floor.max(f64::MIN_POSITIVE));
            scaled.fold(f64::NEG_INFINITY, f64::max)
        })
        .collect();
    Some(Mmd {
        bandwidths,
        each: all.into_iter().map(|t| t.0).collect(),
        p_value: share_beyond(&largest),
        blocks: blocks.count(),
        whole_chains: blocks.whole,
    })
}

/// Energy distance between two sources, in units of x. `None` with fewer than two blocks of either.
pub fn energy_distance(a: Draws, b: Draws, cut: &Cut) -> Option<TwoSample> {
    let blocks = Blocks::of(&[a, b], cut)?;
    energy_of(&blocks, &blocks.square_distances(), cut)
}

/// Of blocks whose [`Blocks::square_distances`] are known.
pub(super) fn energy_of(blocks: &Blocks, squares: &[f64], cut: &Cut) -> Option<TwoSample> {
    let labels = labels(blocks, cut)?;
    let points = blocks.count() * blocks.per_block;
    let gram = blocks.gram(|a, b| -squares[a * points + b].sqrt());
    Some(judge(&gram, &labels).0)
}

fn labels(blocks: &Blocks, cut: &Cut) -> Option<Vec<Vec<bool>>> {
    (blocks.of.iter().all(|n| *n >= 2)).then(|| blocks.labels(cut))
}

/// The statistic of the observed labels and of every exchange.
fn judge(gram: &[f64], labels: &[Vec<bool>]) -> (TwoSample, Vec<f64>) {
    use rayon::prelude::*;
    let values: Vec<f64> = labels.par_iter().map(|l| distance(gram, l, None)).collect();
    let own = &labels[0];
    let may_go = |k: usize| own.iter().filter(|l| **l == own[k]).count() > 2;
    let without: Vec<f64> = (0..own.len())
        .filter(|&k| may_go(k))
        .map(|k| distance(gram, own, Some(k)))
        .collect();
    let exchanged = &values[1..];
    let square: f64 = exchanged.iter().map(|v| v * v).sum();
    let result = TwoSample {
        value: values[0],
        se: jackknife(&without),
        floor: (square / exchanged.len() as f64).sqrt(),
        p_value: share_beyond(&values),
    };
    (result, values)
}

/// Mean over pairs of different blocks within each source, less twice that between them; one block may be left out.
fn distance(gram: &[f64], first: &[bool], without: Option<usize>) -> f64 {
    let n = first.len();
    let kept: Vec<usize> = (0..n).filter(|k| Some(*k) != without).collect();
    let (mut same, mut cross) = ([0.0; 2], 0.0);
    for (at, &i) in kept.iter().enumerate() {
        let row = &gram[i * n..(i + 1) * n];
        for &j in &kept[..at] {
            if first[i] == first[j] {
                same[usize::from(first[i])] += row[j];
            } else {
                cross += row[j];
            }
        }
    }
    let ones = kept.iter().filter(|k| first[**k]).count() as f64;
    let zeros = kept.len() as f64 - ones;
    let pairs = |m: f64| 0.5 * m * (m - 1.0);
    same[1] / pairs(ones) + same[0] / pairs(zeros) - 2.0 * cross / (ones * zeros)
}
