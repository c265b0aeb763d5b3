//! What a batch tells of its own negatives: how noisy the gradient is, and whether the chains are where the model's law is.
//!
//! - Standard error of the gradient ḡ of n points from G groups of w of them: SE² = w Σ_k |g_k − ḡ|² / ((G − 1) n).
//! - Energy gap Δ = ⟨E⟩_data − ⟨E⟩_chains, SE² = var(E(x_k) − E(y_k))/n over pairs, so that chains which start on the batch
//!   may be compared with it. At a maximum of the likelihood a scale of the network's energy has Δ = 0.
//! - Energy distance of data and chains with its rms under exchanged labels ([`crate::diagnostics::energy_distance`]).
//! - Independent share (1 − ρ)/(1 + ρ): effective draws of a mean per chain and update, were the chains an AR(1) process of
//!   correlation ρ over one negative phase; ρ is measured between where chains start and end, on the slowest coordinate.
//! - Acceptance ⟨min(1, e^{−ΔH})⟩ of one Metropolis-corrected Langevin step (MALA, Roberts & Tweedie 1996) from where the
//!   chains are. Along one direction of curvature κ in equilibrium it is ½ exactly at the stability limit hκ = 2.

use crate::diagnostics::{Cut, Draws, TwoSample, energy_distance};
use crate::energy::Network;
use nalgebra::DMatrix;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// Groups that the gradient's scatter is taken over.
pub(super) const GROUPS: usize = 16;
/// Points of each side that a distance is taken between.
const POINTS: usize = 256;
/// Exchanges of labels for the floor of a distance.
const EXCHANGES: usize = 39;

/// What one update's points say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Monitors {
    /// Number of the update, from 1.
    pub update: u64,
    /// ‖∂loss/∂θ‖₂.
    pub gradient_norm: f64,
    /// ‖standard errors of its components‖₂; absent for a batch of one point.
    pub gradient_se: Option<f64>,
    /// Of the negative phase, where there is one.
    pub chains: Option<ChainMonitors>,
}

/// What the chains of a negative phase say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainMonitors {
    /// ⟨E⟩_data − ⟨E⟩_chains, kT.
    pub energy_gap: f64,
    /// Its standard error; absent for a batch of one point.
    pub energy_gap_se: Option<f64>,
    /// Energy distance between data and chains, units of x.
    pub distance: f64,
    /// Its rms were both from one law.
    pub distance_floor: f64,
    /// Effective draws per chain and update.
    pub independent: f64,
    /// Acceptance of a Metropolis-corrected step.
    pub acceptance: f64,
}

/// ‖SE‖₂ of the mean gradient over `points` points, from gradients of groups of `width` of them; `None` for fewer than two.
pub fn gradient_error(groups: &[Vec<f64>], width: usize, points: usize) -> Option<f64> {
    let count = groups.len() as f64;
    if groups.len() < 2 {
        return None;
    }
    let scatter: f64 = (0..groups[0].len())
        .map(|k| {
            let mean = groups.iter().map(|g| g[k]).sum::<f64>() / count;
            groups.iter().map(|g| (g[k] - mean).powi(2)).sum::<f64>()
        })
        .sum();
    Some((width as f64 * scatter / ((count - 1.0) * points as f64)).sqrt())
}

/// [`gradient_error`] over sixteen groups of a batch; `slope` gives the gradient of `width` points from the first on.
pub fn scatter(batch: usize, mut slope: impl FnMut(usize, usize) -> Vec<f64>) -> Option<f64> {
    let width = (batch / GROUPS).max(1);
    let groups: Vec<Vec<f64>> = (0..batch / width)
        .map(|k| slope(k * width, width))
        .collect();
    gradient_error(&groups, width, batch)
}

/// ⟨E⟩_data − ⟨E⟩_chains and its standard error, from pairs (`None` for one pair).
pub fn energy_gap(data: &[f32], chains: &[f32]) -> (f64, Option<f64>) {
    let gaps: Vec<f64> = data
        .iter()
        .zip(chains)
        .map(|(&a, &b)| f64::from(a) - f64::from(b))
        .collect();
    let n = gaps.len() as f64;
    let mean = gaps.iter().sum::<f64>() / n;
    let square: f64 = gaps.iter().map(|g| (g - mean).powi(2)).sum();
    let se = (square / (n - 1.0) / n).sqrt();
    (mean, (gaps.len() > 1).then_some(se))
}

/// (1 − ρ)/(1 + ρ) of the coordinate with the largest ρ, the correlation over chains (columns) between `before` and `after`;
/// ρ below 0 counts as 0, a coordinate that does not vary not at all.
pub fn independent_share(before: &DMatrix<f32>, after: &DMatrix<f32>) -> f64 {
    let rho = (0..before.nrows())
        .map(|i| {
            let mut sums = [0.0; 5];
            for (&a, &b) in before.row(i).iter().zip(after.row(i).iter()) {
                let (a, b) = (f64::from(a), f64::from(b));
                for (sum, term) in sums.iter_mut().zip([a, b, a * a, b * b, a * b]) {
                    *sum += term / before.ncols() as f64;
                }
            }
            let [a, b, aa, bb, ab] = sums;
            let spread = (aa - a * a) * (bb - b * b);
            if spread > 0.0 {
                (ab - a * b) / spread.sqrt()
            } else {
                0.0
            }
        })
        .fold(0.0, f64::max)
        .min(1.0);
    (1.0 - rho) / (1.0 + rho)
}

/// ⟨min(1, e^{−ΔH})⟩ over the columns of `x` of one Langevin step h with forces f = ∂E/∂x cut at ±`clip`,
/// x′ = x − h f(x) + √(2h) ξ: ΔH = E(x′) − E(x) + (|x − x′ + h f(x′)|² − |x′ − x + h f(x)|²)/4h.
pub fn acceptance(
    network: &Network<f32>,
    x: &DMatrix<f32>,
    (step, clip): (f64, f64),
    rng: &mut impl Rng,
) -> f64 {
    let cut = |force: f32| f64::from(force).clamp(-clip, clip);
    let from = network.gradients(x);
    let normals = DMatrix::<f64>::from_fn(x.nrows(), x.ncols(), |_, _| StandardNormal.sample(rng));
    let mut to = x.clone();
    for (k, value) in to.iter_mut().enumerate() {
        let moved = f64::from(*value) - step * cut(from[k]) + (2.0 * step).sqrt() * normals[k];
        *value = moved as f32;
    }
    let back = network.gradients(&to);
    let (before, after) = (network.energies(x), network.energies(&to));
    let accepted = (0..x.ncols()).map(|c| {
        let mut change = f64::from(after[c]) - f64::from(before[c]);
        for i in 0..x.nrows() {
            let way = f64::from(to[(i, c)]) - f64::from(x[(i, c)]);
            let (out, home) = (
                way + step * cut(from[(i, c)]),
                -way + step * cut(back[(i, c)]),
            );
            change += (home * home - out * out) / (4.0 * step);
        }
        // A change that is no number is a step that no correction would take.
        if change.is_nan() {
            0.0
        } else {
            (-change).exp().min(1.0)
        }
    });
    accepted.sum::<f64>() / x.ncols() as f64
}

/// Energy distance between the columns of `data` and `chains`, at most 256 of each; `None` for fewer than two.
pub fn distance(data: &DMatrix<f32>, chains: &DMatrix<f32>, seed: u64) -> Option<TwoSample> {
    let values = |x: &DMatrix<f32>| -> Vec<f64> { x.iter().map(|&v| f64::from(v)).collect() };
    let (a, b) = (values(data), values(chains));
    let draws = |x| Draws {
        x,
        chains: data.ncols(),
        draws: 1,
        nodes: data.nrows(),
    };
    let cut = Cut {
        points: POINTS,
        replicates: EXCHANGES,
        seed,
        ..Cut::default()
    };
    energy_distance(draws(&a), draws(&b), &cut)
}
