//! Cholesky factorisation in the envelope: row i of the lower factor starts at the first non-zero of row i of the matrix.
//!
//! No fill appears outside the envelope, so banded and nearly banded networks stay sparse. Semi-definite matrices are
//! allowed where asked for (noise covariances): a zero pivot gives a zero column.

use super::process::EnvelopeFactor;
use crate::error::{Error, Result};
use nalgebra::DMatrix;

impl EnvelopeFactor {
    /// Factorises the symmetric matrix whose lower rows are given as (j, value), j ≤ i, ascending.
    ///
    /// # Errors
    /// A pivot that is not positive (or negative, when `semi_definite`); the field names the row.
    pub fn new(lower: &[Vec<(usize, f64)>], semi_definite: bool) -> Result<Self> {
        let n = lower.len();
        let mut factor = EnvelopeFactor {
            first: Vec::with_capacity(n),
            rows: Vec::with_capacity(n),
        };
        for (i, entries) in lower.iter().enumerate() {
            let first = entries.first().map_or(i, |e| e.0.min(i));
            let mut row = vec![0.0; i - first + 1];
            for &(j, value) in entries {
                row[j - first] = value;
            }
            let diagonal = row[i - first];
            for j in first..=i {
                let start = first.max(if j < i { factor.first[j] } else { first });
                let mut sum = row[j - first];
                for k in start..j {
                    let other = if j < i {
                        factor.rows[j][k - factor.first[j]]
                    } else {
                        row[k - first]
                    };
                    sum -= row[k - first] * other;
                }
                if j < i {
                    let pivot = factor.rows[j][j - factor.first[j]];
                    row[j - first] = if pivot > 0.0 { sum / pivot } else { 0.0 };
                } else {
                    let floor = 1e-13 * diagonal.abs();
                    if sum > floor {
                        row[j - first] = sum.sqrt();
                    } else if semi_definite && sum >= -1e3 * floor {
                        row[j - first] = 0.0;
                    } else {
                        let value = format!("pivot {sum:.3e} in row {i}");
                        return Err(Error::invalid(
                            "matrix",
                            value,
                            "a positive definite matrix",
                        ));
                    }
                }
            }
            factor.first.push(first);
            factor.rows.push(row);
        }
        Ok(factor)
    }

    /// L as a dense matrix.
    pub fn dense(&self) -> DMatrix<f64> {
        let n = self.rows.len();
        let mut dense = DMatrix::zeros(n, n);
        for (i, row) in self.rows.iter().enumerate() {
            for (k, &value) in row.iter().enumerate() {
                dense[(i, self.first[i] + k)] = value;
            }
        }
        dense
    }

    /// x ← (L Lᵀ)⁻¹ x.
    pub fn solve(&self, x: &mut [f64]) {
        self.solve_lower(x);
        self.solve_upper(x);
    }

    /// x ← L⁻¹ x.
    pub fn solve_lower(&self, x: &mut [f64]) {
        for i in 0..x.len() {
            let (last, row) = (self.rows[i].len() - 1, &self.rows[i]);
            let sum: f64 = (0..last).map(|k| row[k] * x[self.first[i] + k]).sum();
            x[i] = (x[i] - sum) / row[last];
        }
    }

    /// x ← L⁻ᵀ x.
    pub fn solve_upper(&self, x: &mut [f64]) {
        for i in (0..x.len()).rev() {
            let (last, row) = (self.rows[i].len() - 1, &self.rows[i]);
            x[i] /= row[last];
            for k in 0..last {
                x[self.first[i] + k] -= row[k] * x[i];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factor_reproduces_the_matrix_and_solves() {
        let lower = vec![
            vec![(0, 4.0)],
            vec![(0, 1.0), (1, 5.0)],
            vec![(2, 3.0)],
            vec![(1, -2.0), (3, 6.0)],
        ];
        let factor = EnvelopeFactor::new(&lower, false).unwrap();
        let dense = factor.dense();
        let matrix = &dense * dense.transpose();
        assert!((matrix[(3, 1)] + 2.0).abs() < 1e-14 && (matrix[(3, 3)] - 6.0).abs() < 1e-14);
        assert!((matrix[(3, 0)]).abs() < 1e-14 && (matrix[(1, 0)] - 1.0).abs() < 1e-14);
        let mut x = [1.0, 2.0, 3.0, 4.0];
        factor.solve(&mut x);
        let back = matrix * nalgebra::DVector::from_column_slice(&x);
        for (value, wanted) in back.iter().zip([1.0, 2.0, 3.0, 4.0]) {
            assert!((value - wanted).abs() < 1e-13);
        }
        assert_eq!(
            factor.rows[2].len(),
            1,
            "the envelope stays empty where the matrix is"
        );
    }

    #[test]
    fn semi_definite_only_where_asked() {
        // The noise of one floating resistor: rank one.
        let lower = vec![vec![(0, 1.0)], vec![(0, -1.0), (1, 1.0)]];
        assert!(EnvelopeFactor::new(&lower, false).is_err());
        let dense = EnvelopeFactor::new(&lower, true).unwrap().dense();
        assert!(
            (&dense * dense.transpose() - DMatrix::from_row_slice(2, 2, &[1.0, -1.0, -1.0, 1.0]))
                .amax()
                < 1e-14
        );
        let negative = vec![vec![(0, -1.0)]];
        assert!(EnvelopeFactor::new(&negative, true).is_err());
    }
}
