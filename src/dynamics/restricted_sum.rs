//! Exact sums over a restricted Boltzmann machine: 2ⁿ states of the smaller layer, the larger one summed in closed form,
//! Z = Σ_h exp(c·h + Σ_i ln 2cosh(b_i + Σ_j W_ij h_j)).
//!
//! States are the leaves of a binary tree walked from left to right. A node's inputs are its parent's ± one row of
//! couplings, and a subtree's sums are those of its two halves, so that a state costs two additions of a row each way
//! beside its own exponentials: as little as in the order of a Gray code, but rounding errors grow with the depth of the
//! tree and not with the number of states.

use super::real::Real;
use crate::error::{Error, Result};
use crate::simd::{Kernel, dispatch};
use rayon::prelude::*;
use std::f64::consts::LN_2;

/// Most units of the smaller layer: 2²⁰ states.
pub const MOST_SUMMED: usize = 20;
const WIDTH: usize = 8;
/// Units whose states are subtrees of their own, for threads; the same number whatever their number.
const TOP: usize = 6;

/// Log partition function and first moments.
#[derive(Clone, Debug)]
pub struct RestrictedMoments {
    /// ln Z.
    pub log_z: f64,
    /// ⟨v_i⟩, ⟨h_j⟩ and ⟨v_i h_j⟩ in the order of the parameters: fields (visible then hidden), then `[i * hidden + j]`.
    pub statistics: Vec<f64>,
}

/// The machine as seen from its smaller layer.
struct Tree {
    small: usize,
    /// Length of a row: the larger layer, padded.
    width: usize,
    /// Padding, whose factors are 2 each.
    pad: usize,
    /// Fields of the smaller layer.
    fields: Vec<f64>,
    /// Fields of the larger layer.
    base: Vec<f64>,
    /// `rows[j * width + i]`.
    rows: Vec<f64>,
}

/// One subtree: units `depth..` are given by the bits of `top`.
struct Walk<'a> {
    tree: &'a Tree,
    depth: usize,
    top: usize,
    /// ln of every state's weight.
    logs: &'a mut [f64],
    /// Given ln Z: where probabilities are summed; `[unit of the smaller layer + total][width + 1]`, last entry the sum of p.
    sums: Option<(f64, &'a mut [f64])>,
}

impl Kernel for Walk<'_> {
    #[inline(always)]
    fn run(self) {
        let (tree, width, depth) = (self.tree, self.tree.width, self.depth);
        let row = width + 1;
        // inputs[k]: of the node above units 0..k; the last entry is c·h so far.
        let mut inputs = vec![0.0; (depth + 1) * row];
        {
            let root = &mut inputs[depth * row..];
            root[..width].copy_from_slice(&tree.base);
            for j in depth..tree.small {
                let sign = if self.top >> (j - depth) & 1 == 1 {
                    1.0
                } else {
                    -1.0
                };
                for i in 0..width {
                    root[i] += sign * tree.rows[j * width + i];
                }
                root[width] += sign * tree.fields[j];
            }
        }
        let mut pending = vec![
            0.0;
            if self.sums.is_some() {
                (depth + 1) * row
            } else {
                0
            }
        ];
        let mut current = vec![0.0; row];
        let (mut log_z, mut sums) = (0.0, None);
        if let Some((log, all)) = self.sums {
            (log_z, sums) = (log, Some(all));
        }
        for state in 0..1usize << depth {
            // The units up to the lowest one that is up are new.
            let first = if state == 0 {
                depth
            } else {
                state.trailing_zeros() as usize + 1
            };
            for k in (0..first).rev() {
                let sign = if state >> k & 1 == 1 { 1.0 } else { -1.0 };
                let (below, above) = inputs.split_at_mut((k + 1) * row);
                let (below, coupling) = (&mut below[k * row..], &tree.rows[k * width..][..width]);
                for i in 0..width {
                    below[i] = above[i] + sign * coupling[i];
                }
                below[width] = above[width] + sign * tree.fields[k];
            }
            let (leaf, _) = inputs[..width].as_chunks::<WIDTH>();
            let Some(sums) = &mut sums else {
                let (mut size, mut product) = ([0.0; WIDTH], [1.0; WIDTH]);
                for (block, x) in leaf.iter().enumerate() {
                    for l in 0..WIDTH {
                        size[l] += x[l].abs();
                        product[l] *= 1.0 + (-2.0 * x[l].abs()).exp_();
                    }
                    // A factor is at most 2: a lane's logarithm is taken before it overflows.
                    if block % 512 == 511 {
                        for l in 0..WIDTH {
                            size[l] += Real::ln(product[l]);
                        }
                        product = [1.0; WIDTH];
                    }
                }
                for l in 0..WIDTH {
                    size[l] += Real::ln(product[l]);
                }
                let size: f64 = size.iter().sum();
                self.logs[state] = inputs[width] + size - tree.pad as f64 * LN_2;
                continue;
            };
            let p = (self.logs[state] - log_z).exp();
            let (means, _) = current.as_chunks_mut::<WIDTH>();
            for (mean, x) in means.iter_mut().zip(leaf) {
                for l in 0..WIDTH {
                    let e = (-2.0 * x[l].abs()).exp_();
                    let mean_size = p * (1.0 - e) / (1.0 + e);
                    mean[l] = if x[l] < 0.0 { -mean_size } else { mean_size };
                }
            }
            current[width] = p;
            // Halves that are complete become their parent: ⟨h_k ·⟩ gains right minus left.
            let mut k = 0;
            while state >> k & 1 == 1 {
                let left = &pending[k * row..][..row];
                let unit = &mut sums[k * row..][..row];
                for i in 0..row {
                    unit[i] += current[i] - left[i];
                    current[i] += left[i];
                }
                k += 1;
            }
            pending[k * row..][..row].copy_from_slice(&current);
        }
        if let Some(sums) = sums {
            let total = &pending[depth * row..];
            for k in depth..=tree.small {
                let down = k < tree.small && self.top >> (k - depth) & 1 == 0;
                let sign = if down { -1.0 } else { 1.0 };
                for i in 0..row {
                    sums[k * row + i] += sign * total[i];
                }
            }
        }
    }
}

/// e^x for x ≤ 0, any size: below −80 it is e^−80, which is nothing beside 1.
trait Decay {
    fn exp_(self) -> Self;
}

impl Decay for f64 {
    #[inline(always)]
    fn exp_(self) -> Self {
        Real::exp(self)
    }
}

impl Tree {
    fn new(visible: usize, hidden: usize, fields: &[f64], couplings: &[f64]) -> Result<Self> {
        let (small, large) = (visible.min(hidden), visible.max(hidden));
        if small > MOST_SUMMED {
            let value = format!("layers of {visible} and {hidden} units");
            let expected = format!("at most {MOST_SUMMED} units in the smaller layer");
            return Err(Error::invalid("energy", value, expected));
        }
        if fields.len() != visible + hidden || couplings.len() != visible * hidden {
            let value = format!("{} fields, {} couplings", fields.len(), couplings.len());
            let expected = format!(
                "{} fields and {} couplings",
                visible + hidden,
                visible * hidden
            );
            return Err(Error::invalid("parameters", value, expected));
        }
        let width = large.next_multiple_of(WIDTH);
        let transposed = visible < hidden;
        let (b, c) = fields.split_at(visible);
        let (base, fields) = if transposed { (c, b) } else { (b, c) };
        let mut rows = vec![0.0; small * width];
        for (k, value) in couplings.iter().enumerate() {
            let (i, j) = (k / hidden, k % hidden);
            let (i, j) = if transposed { (j, i) } else { (i, j) };
            rows[j * width + i] = *value;
        }
        let mut padded = base.to_vec();
        padded.resize(width, 0.0);
        Ok(Tree {
            small,
            width,
            pad: width - large,
            fields: fields.to_vec(),
            base: padded,
            rows,
        })
    }

    fn depth(&self) -> usize {
        self.small.saturating_sub(TOP)
    }

    /// ln of all states' weights, and of their sum.
    fn logs(&self) -> (Vec<f64>, f64) {
        let depth = self.depth();
        let mut logs = vec![0.0; 1 << self.small];
        logs.par_chunks_mut(1 << depth)
            .enumerate()
            .for_each(|(top, logs)| {
                let (tree, sums) = (self, None);
                dispatch(Walk {
                    tree,
                    depth,
                    top,
                    logs,
                    sums,
                });
            });
        let peak = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sums = logs.par_chunks(1 << depth);
        let sums: Vec<f64> = sums
            .map(|c| c.iter().map(|l| (l - peak).exp()).sum())
            .collect();
        let log_z = peak + sums.iter().sum::<f64>().ln();
        (logs, log_z)
    }
}

/// ln Z of the machine with the given fields (visible then hidden) and `couplings[i * hidden + j]`.
///
/// # Errors
/// A smaller layer of more than [`MOST_SUMMED`] units, or other numbers of parameters.
pub fn restricted_log_z(
    (visible, hidden): (usize, usize),
    fields: &[f64],
    couplings: &[f64],
) -> Result<f64> {
    Ok(Tree::new(visible, hidden, fields, couplings)?.logs().1)
}

/// ln Z with the means of spins and of products, by a second walk.
///
/// # Errors
/// As [`restricted_log_z`].
pub fn restricted_moments(
    (visible, hidden): (usize, usize),
    fields: &[f64],
    couplings: &[f64],
) -> Result<RestrictedMoments> {
    let tree = Tree::new(visible, hidden, fields, couplings)?;
    let (mut logs, log_z) = tree.logs();
    let (depth, row) = (tree.depth(), tree.width + 1);
    let parts: Vec<Vec<f64>> = logs
        .par_chunks_mut(1 << depth)
        .enumerate()
        .map(|(top, logs)| {
            let mut sums = vec![0.0; (tree.small + 1) * row];
            let (tree, sum) = (&tree, Some((log_z, &mut sums[..])));
            dispatch(Walk {
                tree,
                depth,
                top,
                logs,
                sums: sum,
            });
            sums
        })
        .collect();
    let mut sums = vec![0.0; (tree.small + 1) * row];
    for part in &parts {
        for (sum, value) in sums.iter_mut().zip(part) {
            *sum += value;
        }
    }
    let large = tree.width - tree.pad;
    let total = &sums[tree.small * row..];
    let small: Vec<f64> = (0..tree.small)
        .map(|j| sums[j * row + tree.width])
        .collect();
    let (v, h) = if visible < hidden {
        (&small[..], &total[..large])
    } else {
        (&total[..large], &small[..])
    };
    let mut statistics = [v, h].concat();
    for i in 0..visible {
        for j in 0..hidden {
            let (i, j) = if visible < hidden { (j, i) } else { (i, j) };
            statistics.push(sums[j * row + i]);
        }
    }
    Ok(RestrictedMoments { log_z, statistics })
}
