//! Correlated draws cut into blocks that may be exchanged as wholes.
//!
//! A permutation test on single draws of a chain is wrong: neighbours are alike, so shuffled labels are too tame a null.
//! Whole chains of equal length are exchangeable exactly; consecutive blocks of many correlation times nearly so.

use super::effective_size::mean;
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_pcg::Pcg64;

/// Draws of one source: `x[(chain * draws + draw) * nodes + node]`.
#[derive(Clone, Copy, Debug)]
pub struct Draws<'a> {
    /// The values.
    pub x: &'a [f64],
    /// Independent chains.
    pub chains: usize,
    /// Draws of each.
    pub draws: usize,
    /// Numbers per draw.
    pub nodes: usize,
}

/// How draws are cut and thinned for tests whose cost grows with the square of their number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cut {
    /// Integrated correlation time of the slowest number, in draws.
    pub tau: f64,
    /// Points that are kept of each source, evenly spaced.
    pub points: usize,
    /// Permutations or sign patterns; the least p-value is 1/(replicates + 1).
    pub replicates: usize,
    /// Seed of the permutations.
    pub seed: u64,
}

impl Default for Cut {
    /// Independent draws, 1000 points, 499 replicates.
    fn default() -> Self {
        Cut {
            tau: 1.0,
            points: 1000,
            replicates: 499,
            seed: 0,
        }
    }
}

/// Chains from which whole ones are exchanged.
const CHAINS: usize = 16;
/// Correlation times in a block.
const TIMES: f64 = 10.0;
/// Blocks of a source, at most.
const MOST: usize = 64;

/// Draws of a block: a whole chain of `draws` where there are at least 16 `chains`, else ten correlation times, or more where
/// `total` draws would make more than 64 blocks.
pub(super) fn block_length(chains: usize, draws: usize, total: usize, tau: f64) -> usize {
    if chains >= CHAINS {
        draws
    } else {
        let least = (TIMES * tau).ceil() as usize;
        least.max(total.div_ceil(MOST)).clamp(1, draws)
    }
}

/// Points in blocks of equal length, source after source.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    /// `points[(block * per_block + point) * nodes + node]`.
    pub points: Vec<f64>,
    /// Row numbers of the points in their source, for what goes beside them.
    pub rows: Vec<usize>,
    pub nodes: usize,
    pub per_block: usize,
    /// Blocks of each source.
    pub of: Vec<usize>,
    /// Whether the blocks are whole chains, or groups of them.
    pub whole: bool,
}

impl Blocks {
    /// Cuts all sources alike. `None` when they have different nodes or no draws.
    pub(super) fn of(sources: &[Draws], cut: &Cut) -> Option<Self> {
        let nodes = sources.first()?.nodes;
        let shortest = sources.iter().map(|s| s.draws).min()?;
        let fits = |s: &Draws| s.nodes == nodes && s.x.len() == s.chains * s.draws * nodes;
        if nodes == 0 || shortest == 0 || !sources.iter().all(|s| s.chains > 0 && fits(s)) {
            return None;
        }
        let fewest = sources.iter().map(|s| s.chains).min()?;
        let longest = sources.iter().map(|s| s.chains * s.draws).max()?;
        let length = block_length(fewest, shortest, longest, cut.tau);
        let whole = length == shortest && sources.iter().all(|s| s.draws == shortest);
        // Very many whole chains go in groups, which are as exchangeable.
        let most_chains = sources.iter().map(|s| s.chains).max()?;
        let group = if whole {
            most_chains.div_ceil(MOST).min(fewest)
        } else {
            1
        };
        let blocks_of = |s: &Draws| s.chains / group * (s.draws / length);
        let of: Vec<usize> = sources.iter().map(blocks_of).collect();
        let rows_per_block = group * length;
        let per_block = (cut.points / of.iter().max()?).clamp(1, rows_per_block);
        let (mut points, mut rows) = (Vec::new(), Vec::new());
        for (source, count) in sources.iter().zip(&of) {
            let per_chain = source.draws / length;
            for block in 0..*count {
                let start = if group > 1 {
                    block * rows_per_block
                } else {
                    block / per_chain * source.draws + block % per_chain * length
                };
                for k in 0..per_block {
                    // The middles of equal parts.
                    let row = start + (2 * k + 1) * rows_per_block / (2 * per_block);
                    rows.push(row);
                    points.extend_from_slice(&source.x[row * nodes..(row + 1) * nodes]);
                }
            }
        }
        Some(Blocks {
            points,
            rows,
            nodes,
            per_block,
            of,
            whole,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.of.iter().sum()
    }

    pub(super) fn point(&self, k: usize) -> &[f64] {
        &self.points[k * self.nodes..(k + 1) * self.nodes]
    }

    /// Divides every node by its standard deviation over all points, which no exchange of labels changes; returns them.
    pub(super) fn standardise(&mut self) -> Vec<f64> {
        let n = (self.points.len() / self.nodes) as f64;
        (0..self.nodes)
            .map(|i| {
                let column = || self.points.iter().skip(i).step_by(self.nodes);
                let centre = column().sum::<f64>() / n;
                let square = column().map(|v| (v - centre).powi(2)).sum::<f64>() / n;
                let sd = if square > 0.0 { square.sqrt() } else { 1.0 };
                for v in self.points.iter_mut().skip(i).step_by(self.nodes) {
                    *v /= sd;
                }
                sd
            })
            .collect()
    }

    /// Median distance of pairs of points (of at most some 300 of them, evenly spaced).
    pub(super) fn median_distance(&self) -> f64 {
        let n = self.points.len() / self.nodes;
        let kept: Vec<usize> = (0..n).step_by(n.div_ceil(300).max(1)).collect();
        let mut distances: Vec<f64> = kept
            .iter()
            .enumerate()
            .flat_map(|(k, &a)| kept[..k].iter().map(move |&b| (a, b)))
            .map(|(a, b)| square_distance(self.point(a), self.point(b)).sqrt())
            .filter(|d| *d > 0.0)
            .collect();
        distances.sort_unstable_by(f64::total_cmp);
        distances.get(distances.len() / 2).copied().unwrap_or(1.0)
    }

    /// |x_a − x_b|² of all pairs of points, row-major.
    pub(super) fn square_distances(&self) -> Vec<f64> {
        use rayon::prelude::*;
        let n = self.count() * self.per_block;
        (0..n)
            .into_par_iter()
            .flat_map_iter(|a| (0..n).map(move |b| square_distance(self.point(a), self.point(b))))
            .collect()
    }

    /// Mean over pairs of points of a symmetric `kernel(a, b)` of point numbers, for every pair of blocks.
    pub(super) fn gram(&self, kernel: impl Fn(usize, usize) -> f64 + Sync) -> Vec<f64> {
        use rayon::prelude::*;
        let (n, m) = (self.count(), self.per_block);
        let scale = 1.0 / (m * m) as f64;
        let lower: Vec<Vec<f64>> = (0..n)
            .into_par_iter()
            .map(|i| {
                (0..=i)
                    .map(|j| {
                        let pairs = (i * m..(i + 1) * m)
                            .flat_map(|a| (j * m..(j + 1) * m).map(move |b| (a, b)));
                        pairs.map(|(a, b)| kernel(a, b)).sum::<f64>() * scale
                    })
                    .collect()
            })
            .collect();
        let mut gram = vec![0.0; n * n];
        for (i, row) in lower.iter().enumerate() {
            for (j, &value) in row.iter().enumerate() {
                gram[i * n + j] = value;
                gram[j * n + i] = value;
            }
        }
        gram
    }

    /// Which blocks belong to the first source: as observed, then in `replicates` random exchanges.
    pub(super) fn labels(&self, cut: &Cut) -> Vec<Vec<bool>> {
        let mut labels: Vec<bool> = (0..self.count()).map(|k| k < self.of[0]).collect();
        let mut all = vec![labels.clone()];
        let mut rng = Pcg64::seed_from_u64(cut.seed);
        for _ in 0..cut.replicates {
            labels.shuffle(&mut rng);
            all.push(labels.clone());
        }
        all
    }

    /// Random signs of the blocks: all plus, then `replicates` patterns.
    pub(super) fn signs(blocks: usize, cut: &Cut) -> Vec<Vec<f64>> {
        let mut rng = Pcg64::seed_from_u64(cut.seed);
        let mut all = vec![vec![1.0; blocks]];
        for _ in 0..cut.replicates {
            let signs = (0..blocks).map(|_| if rng.random::<bool>() { 1.0 } else { -1.0 });
            all.push(signs.collect());
        }
        all
    }
}

pub(super) fn square_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

/// Share of all values, the observed first one included, that are at least as large as it.
pub(super) fn share_beyond(values: &[f64]) -> f64 {
    let own = values[0];
    // Equal up to the rounding of sums in another order.
    let tolerance = 1e-12 * own.abs();
    let beyond = values.iter().filter(|v| **v >= own - tolerance).count();
    beyond as f64 / values.len() as f64
}

/// Standard error by the jackknife from the values without one block each.
pub(super) fn jackknife(without: &[f64]) -> f64 {
    let n = without.len() as f64;
    let centre = mean(without);
    let scatter: f64 = without.iter().map(|v| (v - centre).powi(2)).sum();
    (scatter * (n - 1.0) / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_chains_stay_whole_and_one_chain_is_cut() {
        let x: Vec<f64> = (0..1600).map(f64::from).collect();
        let cut = Cut {
            tau: 3.0,
            ..Cut::default()
        };
        let of = |chains: usize| {
            let draws = Draws {
                x: &x,
                chains,
                draws: 1600 / chains,
                nodes: 1,
            };
            Blocks::of(&[draws, draws], &cut).unwrap()
        };
        let whole = of(16);
        assert_eq!(
            (whole.of.clone(), whole.per_block, whole.whole),
            (vec![16, 16], 62, true)
        );
        let cut_up = of(1);
        // 30 draws hold ten correlation times: 53 blocks.
        assert_eq!((cut_up.of.clone(), cut_up.whole), (vec![53, 53], false));
        assert!(
            cut_up
                .points
                .windows(2)
                .take(cut_up.per_block - 1)
                .all(|p| p[0] < p[1])
        );
        assert_eq!(cut_up.rows.len(), cut_up.points.len());
        let grouped = of(400);
        // 57 groups of 7 chains; the last chain is left out.
        assert_eq!((grouped.of.clone(), grouped.whole), (vec![57, 57], true));
        assert_eq!(grouped.rows[..2], [0, 2]);
        assert_eq!(grouped.rows[grouped.per_block], 28);
    }
}
