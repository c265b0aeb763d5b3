//! Kernel Stein discrepancy: how far draws are from a law known only by its score s(x) = ∇ln p(x) = −∇E(x).
//!
//! KSD² = E h(X, X′), h = s(x)·s(y) k + s(x)·∇_y k + s(y)·∇_x k + ∇_x·∇_y k, with the inverse multiquadric k = (1 + |x−y|²/ℓ²)^{−½}
//! that also sees escaping mass (Gorham and Mackey, arXiv 1703.01717). Pairs within a block are left out of the value. p-value by
//! the wild bootstrap with one random sign per block (Chwialkowski et al., arXiv 1602.02964): chains, or stretches of ten
//! correlation times.

use super::blocks::{Blocks, Cut, Draws, jackknife, share_beyond, square_distance};
use serde::{Deserialize, Serialize};

/// A kernel Stein discrepancy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stein {
    /// The unbiased estimate of KSD² (can be slightly negative).
    pub value: f64,
    /// Its standard error by the jackknife over blocks (of use where the law is not the draws').
    pub se: f64,
    /// Its rms under random signs: what sampling alone gives.
    pub floor: f64,
    /// Probability of a value at least this large were the draws from the law.
    pub p_value: f64,
    /// Length ℓ of the kernel: the median distance of pairs.
    pub length: f64,
    /// Blocks.
    pub blocks: usize,
}

/// KSD² of the draws and the score at each of them, `score[(chain * draws + draw) * nodes + node]`. `None` with fewer than three
/// blocks or a score of another shape.
pub fn kernel_stein(draws: Draws, score: &[f64], cut: &Cut) -> Option<Stein> {
    if score.len() != draws.x.len() {
        return None;
    }
    let blocks = Blocks::of(&[draws], cut)?;
    let (n, nodes) = (blocks.count(), blocks.nodes);
    if n < 3 {
        return None;
    }
    let length = blocks.median_distance();
    let inverse = 1.0 / (length * length);
    let score_at = |k: usize| &score[blocks.rows[k] * nodes..(blocks.rows[k] + 1) * nodes];
    let gram = blocks.gram(|a, b| {
        let (x, y, p, q) = (blocks.point(a), blocks.point(b), score_at(a), score_at(b));
        let square = square_distance(x, y);
        let u = 1.0 + square * inverse;
        let k = 1.0 / u.sqrt();
        // k′/(x−y): ∇_x k = −u^{−3/2} (x−y)/ℓ².
        let slope = -k / u * inverse;
        let (mut both, mut along) = (0.0, 0.0);
        for i in 0..nodes {
            both += p[i] * q[i];
            along += (q[i] - p[i]) * (x[i] - y[i]);
        }
        let trace = k / u * inverse * nodes as f64 - 3.0 * k / (u * u) * inverse * inverse * square;
        both * k + slope * along + trace
    });
    let off_diagonal = |signs: &[f64], without: Option<usize>| {
        let mut sum = 0.0;
        for i in (0..n).filter(|i| Some(*i) != without) {
            for j in (0..i).filter(|j| Some(*j) != without) {
                sum += signs[i] * signs[j] * gram[i * n + j];
            }
        }
        let m = (n - usize::from(without.is_some())) as f64;
        2.0 * sum / (m * (m - 1.0))
    };
    let signs = Blocks::signs(n, cut);
    let values: Vec<f64> = signs.iter().map(|s| off_diagonal(s, None)).collect();
    let without: Vec<f64> = (0..n).map(|k| off_diagonal(&signs[0], Some(k))).collect();
    let square: f64 = values[1..].iter().map(|v| v * v).sum();
    Some(Stein {
        value: values[0],
        se: jackknife(&without),
        floor: (square / (values.len() - 1) as f64).sqrt(),
        p_value: share_beyond(&values),
        length,
        blocks: n,
    })
}
