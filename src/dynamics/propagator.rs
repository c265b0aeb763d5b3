//! The exact propagator of linear rows over a step: x' = Φx + Σξ, with Φ = e^{−Ah}, ΣΣᵀ = ∫₀ʰ e^{−As} D e^{−Aᵀs} ds.

use super::dense::DenseRows;
use super::linear;
use super::process::EnvelopeFactor;
use super::real::Real;
use super::tile::Row;
use crate::error::Result;
use nalgebra::DMatrix;

/// Φ and Σ in the engine's type.
#[derive(Clone, Debug)]
pub(super) struct Propagator<R> {
    phi: DenseRows<R>,
    sigma: DenseRows<R>,
}

impl<R: Real> Propagator<R> {
    /// Any A, semi-definite D.
    pub fn new(a: &DMatrix<f64>, d: &DMatrix<f64>, h: f64) -> Result<Self> {
        let n = a.nrows();
        let (phi, covariance) = linear::transition(a, d, h);
        let lower: Vec<Vec<(usize, f64)>> = (0..n)
            .map(|i| (0..=i).map(|j| (j, covariance[(i, j)])).collect())
            .collect();
        let sigma = EnvelopeFactor::new(&lower, true)?.dense();
        Ok(Propagator {
            phi: DenseRows::new(n, |i, j| phi[(i, j)]),
            sigma: DenseRows::new(n, |i, j| sigma[(i, j)]),
        })
    }

    /// `out[i]` = `offset[i]` + (Φx)_i + (Σξ)_i.
    #[inline(always)]
    pub fn apply(&self, x: &[Row<R>], noise: &[Row<R>], offset: &[Row<R>], out: &mut [Row<R>]) {
        out.copy_from_slice(&offset[..out.len()]);
        self.phi.add_product(x, out);
        self.sigma.add_product(noise, out);
    }
}
