//! Lower-triangular factors applied to tiles: all lanes at once, in the engine's type.

use super::LANES;
use super::process::EnvelopeFactor;
use super::real::Real;
use super::tile::Row;

/// A lower-triangular factor L.
#[derive(Clone, Debug)]
pub struct Triangle<R> {
    first: Vec<usize>,
    rows: Vec<Vec<R>>,
}

impl<R: Real> Triangle<R> {
    /// `scale` times the factor.
    pub fn new(factor: &EnvelopeFactor, scale: f64) -> Self {
        let convert = |row: &Vec<f64>| row.iter().map(|v| R::from_f64(v * scale)).collect();
        Triangle {
            first: factor.first.clone(),
            rows: factor.rows.iter().map(convert).collect(),
        }
    }

    /// x ← L x.
    #[inline(always)]
    pub fn multiply(&self, x: &mut [Row<R>]) {
        for i in (0..self.rows.len()).rev() {
            let mut sum = Row::splat(R::ZERO);
            for (k, &value) in self.rows[i].iter().enumerate() {
                let other = &x[self.first[i] + k];
                for lane in 0..LANES {
                    sum[lane] = value.fma(other[lane], sum[lane]);
                }
            }
            x[i] = sum;
        }
    }

    /// x ← (L Lᵀ)⁻¹ x by forward and back substitution.
    #[inline(always)]
    pub fn solve(&self, x: &mut [Row<R>]) {
        let n = self.rows.len();
        for i in 0..n {
            let mut sum = x[i];
            let last = self.rows[i].len() - 1;
            for (k, &value) in self.rows[i][..last].iter().enumerate() {
                let other = &x[self.first[i] + k];
                for lane in 0..LANES {
                    sum[lane] = (-value).fma(other[lane], sum[lane]);
                }
            }
            let pivot = R::ONE / self.rows[i][last];
            x[i] = sum.map(|v| v * pivot);
        }
        for i in (0..n).rev() {
            let last = self.rows[i].len() - 1;
            let pivot = R::ONE / self.rows[i][last];
            let solved = x[i].map(|v| v * pivot);
            x[i] = solved;
            for (k, &value) in self.rows[i][..last].iter().enumerate() {
                let other = &mut x[self.first[i] + k];
                for lane in 0..LANES {
                    other[lane] = (-value).fma(solved[lane], other[lane]);
                }
            }
        }
    }
}
