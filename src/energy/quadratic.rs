//! Gaussians: E(x) = ½xᵀPx − bᵀx, so x ~ N(P⁻¹b, P⁻¹).

use super::{ContinuousEnergy, Couplings, Parameters, Parametric, SoftSpin};
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};

/// A quadratic energy.
#[derive(Clone, Debug, PartialEq)]
pub struct Quadratic {
    precision: DMatrix<f64>,
    linear: DVector<f64>,
    edges: Vec<(usize, usize)>,
}

impl Quadratic {
    /// The energy with precision P (n×n) and linear part b (n).
    ///
    /// # Errors
    /// P not square, not finite, not symmetric (relative 1e-9), not positive definite; b of another length or not finite.
    pub fn new(precision: DMatrix<f64>, linear: DVector<f64>) -> Result<Self> {
        let n = precision.nrows();
        if n == 0 || precision.ncols() != n {
            let value = format!("{} x {}", n, precision.ncols());
            return Err(Error::invalid("precision", value, "a square matrix"));
        }
        if linear.len() != n {
            let expected = format!("{n} values, one per node");
            return Err(Error::invalid(
                "linear",
                format!("{} values", linear.len()),
                expected,
            ));
        }
        if let Some(i) = linear.iter().position(|v| !v.is_finite()) {
            return Err(Error::invalid(
                format!("linear[{i}]"),
                linear[i],
                "a finite number",
            ));
        }
        for i in 0..n {
            for j in 0..n {
                let (a, b) = (precision[(i, j)], precision[(j, i)]);
                if !a.is_finite() {
                    return Err(Error::invalid(
                        format!("precision[{i}][{j}]"),
                        a,
                        "a finite number",
                    ));
                }
                if (a - b).abs() > 1e-9 * (a.abs() + b.abs()) {
                    let expected = format!(
                        "{b}, the value of precision[{j}][{i}] (the matrix must be symmetric)"
                    );
                    return Err(Error::invalid(format!("precision[{i}][{j}]"), a, expected));
                }
            }
        }
        if precision.clone().cholesky().is_none() {
            let smallest = precision.clone().symmetric_eigenvalues().min();
            let value = format!("a matrix with smallest eigenvalue {smallest:.3e}");
            return Err(Error::invalid(
                "precision",
                value,
                "a positive definite matrix",
            ));
        }
        let edges = (0..n)
            .flat_map(|i| (i + 1..n).map(move |j| (i, j)))
            .filter(|&(i, j)| precision[(i, j)] != 0.0)
            .collect();
        Ok(Quadratic {
            precision,
            linear,
            edges,
        })
    }

    /// P.
    pub fn precision(&self) -> &DMatrix<f64> {
        &self.precision
    }

    /// b.
    pub fn linear(&self) -> &DVector<f64> {
        &self.linear
    }
}

impl ContinuousEnergy for Quadratic {
    fn dim(&self) -> usize {
        self.linear.len()
    }

    fn value(&self, x: &[f64]) -> f64 {
        let x = DVector::from_column_slice(x);
        0.5 * x.dot(&(&self.precision * &x)) - self.linear.dot(&x)
    }

    fn gradient(&self, x: &[f64], gradient: &mut [f64]) {
        let product = &self.precision * DVector::from_column_slice(x) - &self.linear;
        gradient.copy_from_slice(product.as_slice());
    }

    fn laplacian(&self, _x: &[f64]) -> f64 {
        self.precision.trace()
    }

    /// Cells j2 = P_ii/2, couplings J_ij = −P_ij on the pairs with P_ij ≠ 0.
    fn pairwise(&self) -> Option<SoftSpin> {
        let n = self.dim();
        let list = self
            .edges
            .iter()
            .map(|&(i, j)| (i, j, -self.precision[(i, j)]))
            .collect();
        let couplings = Couplings::new(n, list).ok()?;
        Some(SoftSpin {
            j2: (0..n).map(|i| 0.5 * self.precision[(i, i)]).collect(),
            j4: vec![0.0; n],
            fields: self.linear.as_slice().to_vec(),
            couplings,
            constant: 0.0,
        })
    }
}

impl Parametric for Quadratic {
    fn parameters(&self) -> Parameters {
        Parameters {
            fields: self.linear.as_slice().to_vec(),
            couplings: self
                .edges
                .iter()
                .map(|&(i, j)| -self.precision[(i, j)])
                .collect(),
        }
    }

    /// Also refuses couplings that would make P indefinite.
    fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        if parameters.couplings.len() != self.edges.len() {
            let expected = format!("{} couplings", self.edges.len());
            let value = format!("{} values", parameters.couplings.len());
            return Err(Error::invalid("couplings", value, expected));
        }
        let mut precision = self.precision.clone();
        for (&(i, j), &value) in self.edges.iter().zip(&parameters.couplings) {
            precision[(i, j)] = -value;
            precision[(j, i)] = -value;
        }
        let checked = Quadratic::new(precision, DVector::from_column_slice(&parameters.fields))?;
        // The graph stays as it was, even where a coupling became zero.
        self.precision = checked.precision;
        self.linear = checked.linear;
        Ok(())
    }

    fn add_statistics(&self, x: &[f64], sum: &mut Parameters) {
        for (field, value) in sum.fields.iter_mut().zip(x) {
            *field += value;
        }
        for (coupling, &(i, j)) in sum.couplings.iter_mut().zip(&self.edges) {
            *coupling += x[i] * x[j];
        }
    }
}
