//! Probability currents: does a stationary trace look the same run backwards?
//!
//! With detailed balance (and observables even under time reversal: voltages, levels; not inductor currents) a stretch of
//! trace and its reverse are equally likely, so every antisymmetric number, f_i(t) f_j(t+l) − f_j(t) f_i(t+l) summed over the
//! stretch or N_ij − N_ji of transitions, changes sign with probability ½. The test flips whole chains at random (exact), or
//! with fewer than 16 of them stretches of ten correlation times. A current is the physical signature of unequal temperatures or of
//! J_ij ≠ J_ji; its absence in these observables does not prove detailed balance.

use super::blocks::{Blocks, Cut, Draws, block_length, share_beyond};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One antisymmetric number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Current {
    /// From this observable or state …
    pub from: usize,
    /// … to this one.
    pub to: usize,
    /// Lag in draws.
    pub lag: usize,
    /// ⟨f_from(t) f_to(t+l) − f_to(t) f_from(t+l)⟩ per draw with f in standard deviations from its mean; for states
    /// (N_from,to − N_to,from) per draw.
    pub value: f64,
    /// Its standard error from the scatter of blocks.
    pub se: f64,
    /// Probability that the largest |value/se| of all is at least this one's under reversal symmetry: holds for all pairs
    /// together.
    pub p_value: f64,
}

/// A test of detailed balance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Balance {
    /// All currents that were looked at, the most significant first.
    pub currents: Vec<Current>,
    /// p-value of detailed balance: that of the first current.
    pub p_value: f64,
    /// Blocks that were reversed at random.
    pub blocks: usize,
    /// Whether they are whole chains: then the p-value is exact.
    pub whole_chains: bool,
}

/// Currents between all pairs of nodes at the given lags. `None` with fewer than eight blocks, a lag that does not fit, or
/// nothing that varies.
pub fn lagged_currents(draws: Draws, lags: &[usize], cut: &Cut) -> Option<Balance> {
    let Draws {
        x,
        chains,
        draws,
        nodes,
    } = draws;
    if x.len() != chains * draws * nodes || nodes == 0 || chains == 0 || draws == 0 {
        return None;
    }
    let n = (chains * draws) as f64;
    let scale: Vec<(f64, f64)> = (0..nodes)
        .map(|i| {
            let column = || x.iter().skip(i).step_by(nodes);
            let centre = column().sum::<f64>() / n;
            let square = column().map(|v| (v - centre).powi(2)).sum::<f64>() / n;
            (
                centre,
                if square > 0.0 {
                    1.0 / square.sqrt()
                } else {
                    0.0
                },
            )
        })
        .collect();
    let scaled: Vec<f64> = x
        .chunks(nodes)
        .flat_map(|row| row.iter().zip(&scale).map(|(v, (m, s))| (v - m) * s))
        .collect();
    let length = block_length(chains, draws, chains * draws, cut.tau);
    if lags.iter().any(|l| *l == 0 || *l >= length) {
        return None;
    }
    let keys: Vec<(usize, usize, usize)> = lags
        .iter()
        .flat_map(|&lag| (0..nodes).flat_map(move |i| (i + 1..nodes).map(move |j| (i, j, lag))))
        .collect();
    use rayon::prelude::*;
    let per_block: Vec<Vec<f64>> = scaled
        .par_chunks(draws * nodes)
        .flat_map_iter(|chain| chain.chunks_exact(length * nodes))
        .map(|block| {
            let mut sums = vec![0.0; keys.len()];
            for (sums, &lag) in sums.chunks_mut(keys.len() / lags.len()).zip(lags) {
                let now = block.chunks(nodes);
                for (a, b) in now.zip(block[lag * nodes..].chunks(nodes)) {
                    let mut at = 0;
                    for i in 0..nodes {
                        for j in i + 1..nodes {
                            sums[at] += a[i] * b[j] - a[j] * b[i];
                            at += 1;
                        }
                    }
                }
                let pairs = (length - lag) as f64;
                sums.iter_mut().for_each(|s| *s /= pairs);
            }
            sums
        })
        .collect();
    reverse_at_random(&keys, &per_block, length == draws && chains >= 8, cut)
}

/// Currents between discrete states, `states[chain * draws + draw]`. `None` with fewer than eight blocks or no transitions.
pub fn transition_currents(
    states: &[usize],
    chains: usize,
    draws: usize,
    cut: &Cut,
) -> Option<Balance> {
    if chains == 0 || draws < 2 || states.len() != chains * draws {
        return None;
    }
    let length = block_length(chains, draws, chains * draws, cut.tau).max(2);
    let blocks: Vec<&[usize]> = states
        .chunks(draws)
        .flat_map(|chain| chain.chunks_exact(length))
        .collect();
    let mut edges = BTreeMap::new();
    for block in &blocks {
        for pair in block.windows(2).filter(|p| p[0] != p[1]) {
            edges.insert((pair[0].min(pair[1]), pair[0].max(pair[1]), 1), 0usize);
        }
    }
    for (at, index) in edges.values_mut().enumerate() {
        *index = at;
    }
    let per_block: Vec<Vec<f64>> = blocks
        .iter()
        .map(|block| {
            let mut sums = vec![0.0; edges.len()];
            for pair in block.windows(2) {
                let key = (pair[0].min(pair[1]), pair[0].max(pair[1]), 1);
                if let Some(&at) = edges.get(&key) {
                    sums[at] += if pair[0] < pair[1] { 1.0 } else { -1.0 };
                }
            }
            sums.iter_mut().for_each(|s| *s /= (length - 1) as f64);
            sums
        })
        .collect();
    let keys: Vec<(usize, usize, usize)> = edges.into_keys().collect();
    reverse_at_random(&keys, &per_block, length == draws && chains >= 8, cut)
}

/// Blocks below which signs cannot give a small p-value.
const FEWEST: usize = 8;

fn reverse_at_random(
    keys: &[(usize, usize, usize)],
    per_block: &[Vec<f64>],
    whole_chains: bool,
    cut: &Cut,
) -> Option<Balance> {
    use rayon::prelude::*;
    let blocks = per_block.len();
    if blocks < FEWEST {
        return None;
    }
    // Root of the sum of squares, which no sign changes; what never flows is left out.
    let norm: Vec<f64> = (0..keys.len())
        .map(|k| per_block.iter().map(|b| b[k] * b[k]).sum::<f64>().sqrt())
        .collect();
    let kept: Vec<usize> = (0..keys.len()).filter(|k| norm[*k] > 1e-12).collect();
    if kept.is_empty() {
        return None;
    }
    let ratios = |signs: &[f64]| -> Vec<f64> {
        let mut sums = vec![0.0; kept.len()];
        for (sign, block) in signs.iter().zip(per_block) {
            for (sum, &k) in sums.iter_mut().zip(&kept) {
                *sum += sign * block[k];
            }
        }
        let scaled = sums.iter().zip(&kept).map(|(s, &k)| s.abs() / norm[k]);
        scaled.collect()
    };
    let signs = Blocks::signs(blocks, cut);
    let own = ratios(&signs[0]);
    let largest: Vec<f64> = signs[1..]
        .par_iter()
        .map(|s| ratios(s).into_iter().fold(0.0, f64::max))
        .collect();
    let mut currents: Vec<Current> = kept
        .iter()
        .zip(&own)
        .map(|(&k, &own)| {
            let (from, to, lag) = keys[k];
            let values: Vec<f64> = per_block.iter().map(|b| b[k]).collect();
            let value = super::effective_size::mean(&values);
            let all: Vec<f64> = std::iter::once(own)
                .chain(largest.iter().copied())
                .collect();
            Current {
                from,
                to,
                lag,
                value,
                se: (super::effective_size::variance(&values) / blocks as f64).sqrt(),
                p_value: share_beyond(&all),
            }
        })
        .collect();
    let score = |c: &Current| c.value.abs() / c.se.max(f64::MIN_POSITIVE);
    currents.sort_by(|a, b| score(b).total_cmp(&score(a)));
    for c in &mut currents {
        if c.value < 0.0 {
            (c.from, c.to, c.value) = (c.to, c.from, -c.value);
        }
    }
    Some(Balance {
        p_value: currents[0].p_value,
        currents,
        blocks,
        whole_chains,
    })
}
