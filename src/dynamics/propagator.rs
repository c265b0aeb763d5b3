//! The exact propagator of linear rows over a step: x' = Φx + Σξ, with Φ = e^{−Ah}, ΣΣᵀ = ∫₀ʰ e^{−As} D e^{−Aᵀs} ds.

use super::LANES;
use super::linear;
use super::process::EnvelopeFactor;
use super::real::Real;
use super::tile::{Row, end_row};
use crate::error::Result;
use nalgebra::DMatrix;

/// Φ and Σ in the engine's type.
#[derive(Clone, Debug)]
pub(super) struct Propagator<R> {
    phi: DMatrix<R>,
    sigma: DMatrix<R>,
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
            phi: phi.map(R::from_f64),
            sigma: sigma.map(R::from_f64),
        })
    }

    /// `out[i]` = `offset[i]` + (Φx)_i + (Σξ)_i.
    #[inline(always)]
    pub fn apply(&self, x: &[Row<R>], noise: &[Row<R>], offset: &[Row<R>], out: &mut [Row<R>]) {
        let n = out.len();
        for i in 0..n {
            let mut sum = offset[i];
            for j in 0..n {
                let (phi, sigma) = (self.phi[(i, j)], self.sigma[(i, j)]);
                for lane in 0..LANES {
                    let kicked = sigma.fma(noise[j][lane], sum[lane]);
                    sum[lane] = phi.fma(x[j][lane], kicked);
                }
            }
            out[i] = sum;
            end_row();
        }
    }
}
