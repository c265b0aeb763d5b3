//! Sums that grow block by block, so that a long run keeps what was asked for and not its draws.
//!
//! Blocks are `x[(chain * draws + draw) * nodes + node]` with the same chains each time. Standard errors come from the scatter
//! between chains: the variance's is that of each chain's mean of (x − mean)².

use rayon::prelude::*;

/// Means and variances of every node, and means of products of chosen pairs.
#[derive(Clone, Debug)]
pub struct StreamingMoments {
    chains: usize,
    nodes: usize,
    pairs: Vec<(usize, usize)>,
    draws: u64,
    /// Chain by chain: Σx and Σx² of each node, then Σ x_i x_j of each pair.
    sums: Vec<f64>,
}

/// A mean and its standard error, entry by entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Estimates {
    /// Values.
    pub value: Vec<f64>,
    /// Standard errors (NaN for a single chain).
    pub se: Vec<f64>,
}

/// What [`StreamingMoments`] found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NodeMoments {
    /// ⟨x_i⟩.
    pub mean: Estimates,
    /// ⟨x_i²⟩ − ⟨x_i⟩².
    pub variance: Estimates,
    /// ⟨x_i x_j⟩ of the pairs.
    pub product: Estimates,
}

impl StreamingMoments {
    /// Nothing seen yet.
    pub fn new(chains: usize, nodes: usize, pairs: Vec<(usize, usize)>) -> Self {
        StreamingMoments {
            sums: vec![0.0; chains * (2 * nodes + pairs.len())],
            chains,
            nodes,
            pairs,
            draws: 0,
        }
    }

    /// Draws seen per chain.
    pub fn draws(&self) -> u64 {
        self.draws
    }

    /// Adds a block of `draws` draws per chain.
    pub fn add(&mut self, x: &[f32], draws: usize) {
        let (nodes, pairs) = (self.nodes, &self.pairs);
        let width = 2 * nodes + pairs.len();
        self.sums
            .par_chunks_mut(width)
            .zip(x.par_chunks(draws * nodes))
            .for_each(|(sums, chain)| {
                for x in chain.chunks(nodes) {
                    for (i, &v) in x.iter().enumerate() {
                        let v = f64::from(v);
                        sums[i] += v;
                        sums[nodes + i] += v * v;
                    }
                    for (sum, &(i, j)) in sums[2 * nodes..].iter_mut().zip(pairs) {
                        *sum += f64::from(x[i]) * f64::from(x[j]);
                    }
                }
            });
        self.draws += draws as u64;
    }

    /// What has been seen.
    pub fn finish(&self) -> NodeMoments {
        let (n, width) = (self.nodes, 2 * self.nodes + self.pairs.len());
        let draws = self.draws as f64;
        let at = |chain: usize, k: usize| self.sums[chain * width + k] / draws;
        let over_chains = |f: &(dyn Fn(usize) -> f64 + Sync)| {
            let count = self.chains as f64;
            let mean = (0..self.chains).map(f).sum::<f64>() / count;
            let scatter = (0..self.chains).map(|c| (f(c) - mean).powi(2)).sum::<f64>();
            (mean, (scatter / (count - 1.0) / count).sqrt())
        };
        let collect = |list: Vec<(f64, f64)>| {
            let (value, se) = list.into_iter().unzip();
            Estimates { value, se }
        };
        let mean = collect((0..n).map(|i| over_chains(&|c| at(c, i))).collect());
        let variance = (0..n).map(|i| {
            let m = mean.value[i];
            over_chains(&|c| at(c, n + i) - 2.0 * m * at(c, i) + m * m)
        });
        NodeMoments {
            variance: collect(variance.collect()),
            product: collect((2 * n..width).map(|k| over_chains(&|c| at(c, k))).collect()),
            mean,
        }
    }
}

/// Counts of one number between two ends, in bins of equal width.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    ends: (f64, f64),
    /// Counts of the bins.
    pub counts: Vec<u64>,
    /// Counts below the first and beyond the last.
    pub outside: (u64, u64),
}

impl Histogram {
    /// `bins` empty bins from `ends.0` to `ends.1`.
    pub fn new(ends: (f64, f64), bins: usize) -> Self {
        Histogram {
            ends,
            counts: vec![0; bins],
            outside: (0, 0),
        }
    }

    /// Counts every value.
    pub fn add(&mut self, values: impl IntoIterator<Item = f64>) {
        let scale = self.counts.len() as f64 / (self.ends.1 - self.ends.0);
        for value in values {
            let bin = (value - self.ends.0) * scale;
            if bin < 0.0 {
                self.outside.0 += 1;
            } else if let Some(count) = self.counts.get_mut(bin as usize) {
                *count += 1;
            } else {
                self.outside.1 += 1;
            }
        }
    }

    /// The edges of the bins.
    pub fn edges(&self) -> Vec<f64> {
        let n = self.counts.len();
        let width = (self.ends.1 - self.ends.0) / n as f64;
        (0..=n).map(|k| self.ends.0 + width * k as f64).collect()
    }
}
