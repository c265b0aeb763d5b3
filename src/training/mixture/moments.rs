//! Moments of rows weighted by responsibilities, in each component's own units; a step along them.

use crate::energy::Mixture;
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use std::f64::consts::TAU;

/// Rows that one task sums: sums are the same for any number of threads.
const TILE: usize = 256;
/// Most that one step may stretch or shrink a component's standard deviation by, as a logarithm.
const MOST_STRETCH: f64 = 0.5;

/// Means over rows of r_k, r_k z_k and r_k z_k z_kᵀ, and of ln p.
#[derive(Clone, Debug)]
pub struct WeightedMoments {
    /// ⟨r_k⟩.
    pub shares: Vec<f64>,
    /// ⟨r_k z_k⟩, D each.
    pub first: Vec<DVector<f64>>,
    /// ⟨r_k z_k z_kᵀ⟩, D×D each.
    pub second: Vec<DMatrix<f64>>,
    /// ⟨ln p⟩, nats.
    pub log_likelihood: f64,
}

/// One component, factored.
struct Factored<'a> {
    mean: &'a DVector<f64>,
    /// L⁻¹.
    inverse: DMatrix<f64>,
    /// ln w − ½ ln det 2πΣ.
    scale: f64,
}

fn factored(mixture: &Mixture) -> Result<Vec<Factored<'_>>> {
    let each = mixture.components().iter().enumerate().map(|(k, c)| {
        let dim = c.mean.len();
        let inverse = c.lower.solve_lower_triangular(&DMatrix::identity(dim, dim));
        let half_log_det: f64 = c.lower.diagonal().iter().map(|v| v.ln()).sum();
        Ok(Factored {
            mean: &c.mean,
            inverse: inverse.ok_or_else(|| collapse(k, "has no covariance left"))?,
            scale: c.weight.ln() - 0.5 * dim as f64 * TAU.ln() - half_log_det,
        })
    });
    each.collect()
}

/// A component that rows or steps have reduced to nothing.
pub(super) fn collapse(component: usize, how: &str) -> Error {
    Error::Diverged {
        what: "training".to_owned(),
        detail: format!(
            "component {component} {how}: the likelihood of a mixture has no upper bound where one shrinks onto rows; fewer components or a limit may hold it"
        ),
    }
}

impl WeightedMoments {
    fn zero(components: usize, dim: usize) -> Self {
        WeightedMoments {
            shares: vec![0.0; components],
            first: vec![DVector::zeros(dim); components],
            second: vec![DMatrix::zeros(dim, dim); components],
            log_likelihood: 0.0,
        }
    }

    /// Of `rows` (D numbers each, one after the other).
    ///
    /// # Errors
    /// [`Error::Diverged`] for a component without a covariance, or a row that the mixture gives no probability that a double holds.
    pub fn of(mixture: &Mixture, rows: &[f64]) -> Result<Self> {
        let parts = factored(mixture)?;
        let (k, dim) = (parts.len(), parts[0].mean.len());
        let each = dim as f64 / rows.len() as f64;
        let tiles: Vec<WeightedMoments> = rows
            .par_chunks(TILE * dim)
            .map(|tile| {
                let mut sums = WeightedMoments::zero(k, dim);
                let mut z = vec![DVector::zeros(dim); k];
                let (mut logs, mut x) = (vec![0.0; k], DVector::zeros(dim));
                for row in tile.chunks(dim) {
                    for ((part, z), log) in parts.iter().zip(&mut z).zip(&mut logs) {
                        for i in 0..dim {
                            x[i] = row[i] - part.mean[i];
                        }
                        z.gemv(1.0, &part.inverse, &x, 0.0);
                        *log = part.scale - 0.5 * z.norm_squared();
                    }
                    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let total: f64 = logs.iter().map(|log| (log - most).exp()).sum();
                    sums.log_likelihood += most + total.ln();
                    for (c, z) in z.iter().enumerate() {
                        let r = (logs[c] - most).exp() / total;
                        sums.shares[c] += r;
                        sums.first[c].axpy(r, z, 1.0);
                        sums.second[c].ger(r, z, z, 1.0);
                    }
                }
                sums
            })
            .collect();
        let mut mean = WeightedMoments::zero(k, dim);
        for tile in &tiles {
            mean.log_likelihood += tile.log_likelihood * each;
            for c in 0..k {
                mean.shares[c] += tile.shares[c] * each;
                mean.first[c].axpy(each, &tile.first[c], 1.0);
                mean.second[c] += &tile.second[c] * each;
            }
        }
        if mean.log_likelihood.is_finite() {
            return Ok(mean);
        }
        Err(Error::Diverged {
            what: "training".to_owned(),
            detail: "the mixture gives a row no probability that a double holds; a smaller learning_rate may help"
                .to_owned(),
        })
    }

    /// The difference of two gradients of ⟨ln p⟩, component by component (ln w_k; u, D; A, its lower triangle by rows).
    pub fn minus(&self, other: &WeightedMoments) -> Vec<f64> {
        let mut gradient = Vec::new();
        for c in 0..self.shares.len() {
            let share = self.shares[c] - other.shares[c];
            gradient.push(share);
            gradient.extend((&self.first[c] - &other.first[c]).iter());
            let second = &self.second[c] - &other.second[c];
            for i in 0..second.nrows() {
                // A is symmetric: an entry off the diagonal stands for two.
                let row = (0..i).map(|j| second[(i, j)]);
                gradient.extend(row.chain([0.5 * (second[(i, i)] - share)]));
            }
        }
        gradient
    }

    /// The step, in the order of [`WeightedMoments::minus`], that makes a mixture whose moments are 1 − τ times its own and τ times
    /// these (stepwise EM: Cappé and Moulines 2009, arXiv 0712.4273), 0 < τ < 1; of its covariances to first order. Sums are
    /// averaged, so that components of few rows are not biased.
    pub(super) fn following(&self, mixture: &Mixture, tau: f64) -> Vec<f64> {
        let mut step = Vec::new();
        for (c, own) in mixture.components().iter().enumerate() {
            let share = (1.0 - tau) * own.weight + tau * self.shares[c];
            let shift = &self.first[c] * (tau / share);
            step.push((share / own.weight).ln());
            step.extend(shift.iter());
            for i in 0..shift.len() {
                let one = |j: usize| f64::from(u8::from(i == j));
                let kept = (1.0 - tau) * own.weight;
                let second = |j: usize| (kept * one(j) + tau * self.second[c][(i, j)]) / share;
                step.extend((0..=i).map(|j| second(j) - shift[i] * shift[j] - one(j)));
            }
        }
        step
    }

    /// ⟨r_k⟩ = w_k, ⟨r_k z_k⟩ = 0, ⟨r_k z_k z_kᵀ⟩ = w_k: what draws of the mixture itself have on average.
    pub fn expected(mixture: &Mixture) -> Self {
        let components = mixture.components();
        let dim = components[0].mean.len();
        let mut own = WeightedMoments::zero(components.len(), dim);
        for (c, component) in components.iter().enumerate() {
            own.shares[c] = component.weight;
            own.second[c] = DMatrix::identity(dim, dim) * component.weight;
        }
        own
    }
}

/// The mixture moved by δ, in the order of [`WeightedMoments::minus`]: w_k e^{δ}, μ_k + L_k u, L_k e^A L_kᵀ; variances no less
/// than `least` in any direction.
///
/// # Errors
/// [`Error::Diverged`] where nothing is left of a component.
pub(super) fn moved(mixture: &Mixture, delta: &[f64], least: f64) -> Result<Mixture> {
    let dim = mixture.components()[0].mean.len();
    let stride = 1 + dim + dim * (dim + 1) / 2;
    let (mut weights, mut means, mut covariances) = (Vec::new(), Vec::new(), Vec::new());
    for (own, d) in mixture.components().iter().zip(delta.chunks(stride)) {
        let at = |i: usize, j: usize| d[1 + dim + i * (i + 1) / 2 + j];
        let stretch = DMatrix::from_fn(dim, dim, |i, j| at(i.max(j), i.min(j)));
        let mut eigen = stretch.symmetric_eigen();
        let bounded = |a: &f64| a.clamp(-2.0 * MOST_STRETCH, 2.0 * MOST_STRETCH).exp();
        eigen.eigenvalues = DVector::from_iterator(dim, eigen.eigenvalues.iter().map(bounded));
        let covariance = &own.lower * eigen.recompose() * own.lower.transpose();
        weights.push(own.weight * d[0].exp());
        means.push(&own.mean + &own.lower * DVector::from_column_slice(&d[1..=dim]));
        covariances.push(floored(covariance, least));
    }
    remade(&weights, &means, covariances)
}

/// No eigenvalue below `least`.
pub(super) fn floored(covariance: DMatrix<f64>, least: f64) -> DMatrix<f64> {
    let mut eigen = (0.5 * (&covariance + covariance.transpose())).symmetric_eigen();
    eigen.eigenvalues.apply(|v| *v = v.max(least));
    let whole = eigen.recompose();
    0.5 * (&whole + whole.transpose())
}

/// A mixture of what a step left, or which component it left nothing of.
pub(super) fn remade(
    weights: &[f64],
    means: &[DVector<f64>],
    covariances: Vec<DMatrix<f64>>,
) -> Result<Mixture> {
    if let Some(k) = weights.iter().position(|w| !(*w > 1e-12 && w.is_finite())) {
        return Err(collapse(k, "has no weight left"));
    }
    let thin = |c: &DMatrix<f64>| {
        let values = c.clone().symmetric_eigenvalues();
        !(values.min() > 1e-12 && values.max().is_finite())
    };
    if let Some(k) = covariances.iter().position(thin) {
        return Err(collapse(k, "has shrunk to a variance below 1e-12"));
    }
    Mixture::new(weights, means, &covariances)
}
