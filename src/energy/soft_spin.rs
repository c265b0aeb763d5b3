//! Soft spins: E(x) = E0 + Σ_i (j2_i x_i² + j4_i x_i⁴ − b_i x_i) − Σ_{i<j} J_ij x_i x_j.
//!
//! j2 = −2B, j4 = B is the double well B(x² − 1)² up to a constant; j2 = j4 = 1 is the thermodynamic neuron of
//! arXiv 2412.17183. The four wells of the tutorials, ½[(x²−1)² + (y²−1)²], are two such cells.

use super::{ContinuousEnergy, Couplings, Parameters, Parametric};
use crate::error::{Error, Result};
use nalgebra::DVector;
use rayon::prelude::*;

/// Quartic cells with pair couplings.
#[derive(Clone, Debug, PartialEq)]
pub struct SoftSpin {
    /// Quadratic cell coefficients.
    pub j2: Vec<f64>,
    /// Quartic cell coefficients, ≥ 0.
    pub j4: Vec<f64>,
    /// Linear terms b.
    pub fields: Vec<f64>,
    /// Pair couplings J.
    pub couplings: Couplings,
    /// E0, so that a landscape keeps its customary zero.
    pub constant: f64,
}

impl SoftSpin {
    /// Soft spins from their coefficients, one per node.
    ///
    /// # Errors
    /// Lengths that differ, values that are not finite, or an energy unbounded below: a negative j4, or a cell with
    /// j4 = 0 whose quadratic form is not positive definite together with its couplings.
    pub fn new(j2: Vec<f64>, j4: Vec<f64>, fields: Vec<f64>, couplings: Couplings) -> Result<Self> {
        let n = couplings.nodes();
        for (name, values) in [("j2", &j2), ("j4", &j4), ("fields", &fields)] {
            if values.len() != n {
                let expected = format!("{n} values, one per node");
                return Err(Error::invalid(
                    name,
                    format!("{} values", values.len()),
                    expected,
                ));
            }
            if let Some(i) = values.iter().position(|v| !v.is_finite()) {
                return Err(Error::invalid(
                    format!("{name}[{i}]"),
                    values[i],
                    "a finite number",
                ));
            }
        }
        if let Some(i) = j4.iter().position(|&v| v < 0.0) {
            let expected = "a number >= 0 (the energy is unbounded below)";
            return Err(Error::invalid(format!("j4[{i}]"), j4[i], expected));
        }
        let energy = SoftSpin {
            j2,
            j4,
            fields,
            couplings,
            constant: 0.0,
        };
        energy.check_bounded()?;
        Ok(energy)
    }

    /// Cells with j4 = 0 must be held by their quadratic form: its block on those cells must be positive definite.
    fn check_bounded(&self) -> Result<()> {
        let flat: Vec<usize> = (0..self.j4.len()).filter(|&i| self.j4[i] == 0.0).collect();
        if flat.is_empty() {
            return Ok(());
        }
        let reach = self.couplings.reach();
        // Diagonally dominant: positive definite without a factorisation.
        if flat.iter().all(|&i| 2.0 * self.j2[i] > reach[i]) {
            return Ok(());
        }
        let dense = self.couplings.dense();
        let block = nalgebra::DMatrix::from_fn(flat.len(), flat.len(), |a, b| {
            if a == b {
                2.0 * self.j2[flat[a]]
            } else {
                -dense[(flat[a], flat[b])]
            }
        });
        if block.cholesky().is_none() {
            let i = flat[0];
            let expected =
                "a positive j4, or j2 that outweighs the couplings (the energy is unbounded below)";
            return Err(Error::invalid(format!("j4[{i}]"), self.j4[i], expected));
        }
        Ok(())
    }

    /// E = ½[(x² − 1)² + (y² − 1)²]: wells at (±1, ±1).
    pub fn four_wells() -> Self {
        Self::wells(0.5, 2)
    }

    /// E = B Σ_i (x_i² − 1)² in `dim` dimensions.
    ///
    /// # Errors
    /// A barrier that is not positive and finite, or `dim` = 0.
    pub fn double_well(barrier: f64, dim: usize) -> Result<Self> {
        if !(barrier > 0.0 && barrier.is_finite()) {
            return Err(Error::invalid("barrier", barrier, "a positive number (kT)"));
        }
        if dim == 0 {
            return Err(Error::invalid("dim", dim, "at least 1"));
        }
        Ok(Self::wells(barrier, dim))
    }

    fn wells(barrier: f64, dim: usize) -> Self {
        SoftSpin {
            j2: vec![-2.0 * barrier; dim],
            j4: vec![barrier; dim],
            fields: vec![0.0; dim],
            couplings: Couplings::empty(dim),
            constant: barrier * dim as f64,
        }
    }

    fn cell_curvature(&self, i: usize, x: f64) -> f64 {
        2.0 * self.j2[i] + 12.0 * self.j4[i] * x * x
    }

    /// λ_max of the Hessian over stable points, for choosing a step.
    ///
    /// Stable points are found by damped descent from deterministic sign patterns at the cells' own wells; λ_max at each
    /// by power iteration (the Hessian there is positive definite). The number is a lower bound if a stiffer minimum was
    /// missed, which is why callers keep their step a stated factor below the stability limit. Beyond 4096 nodes fewer
    /// patterns are tried, each of which has seen as many neighbourhoods, and λ_max is found to 0.1 %.
    pub fn stiffness(&self) -> f64 {
        let n = self.j2.len();
        let (patterns, still, tolerance) = if n > LARGE {
            (3, 1e-3, 1e-4)
        } else {
            (8, 1e-6, 1e-8)
        };
        let well = |i: usize| {
            if self.j2[i] < 0.0 && self.j4[i] > 0.0 {
                (-self.j2[i] / (2.0 * self.j4[i])).sqrt()
            } else {
                0.0
            }
        };
        let reach = self.couplings.reach();
        // A dense matrix multiplies faster where it is not mostly zeros.
        let edges = self.couplings.edges().len();
        let dense = (8 * edges > n * n).then(|| self.couplings.dense());
        let product = |x: &DVector<f64>| match &dense {
            Some(dense) => dense * x,
            None => {
                let mut out = DVector::zeros(n);
                self.couplings.add_product(x.as_slice(), out.as_mut_slice());
                out
            }
        };
        let curvature_from = |pattern: u64| {
            let mut x = DVector::from_fn(n, |i, _| sign(pattern, i) * well(i));
            for _ in 0..200 {
                let pull = product(&x);
                let mut moved: f64 = 0.0;
                for i in 0..n {
                    let cell = x[i] * (2.0 * self.j2[i] + 4.0 * self.j4[i] * x[i] * x[i]);
                    let gradient = cell - self.fields[i] - pull[i];
                    // Newton on the cell with the couplings' Gershgorin radius: a descent step for any pattern.
                    let stiff = self.cell_curvature(i, x[i]).max(0.0) + reach[i] + 0.1;
                    let step = (gradient / stiff).clamp(-0.5, 0.5);
                    x[i] -= step;
                    moved = moved.max(step.abs());
                }
                if moved < still {
                    break;
                }
            }
            self.top_curvature(&x, &reach, &product, tolerance)
        };
        (0..patterns)
            .into_par_iter()
            .map(curvature_from)
            .reduce(|| 0.0, f64::max)
    }

    /// Largest eigenvalue of the Hessian at `x`, by power iteration shifted to make it the dominant one.
    fn top_curvature(
        &self,
        x: &DVector<f64>,
        reach: &[f64],
        product: &(dyn Fn(&DVector<f64>) -> DVector<f64> + Sync),
        tolerance: f64,
    ) -> f64 {
        let n = x.len();
        let mut diagonal = DVector::from_fn(n, |i, _| self.cell_curvature(i, x[i]));
        let shift = (0..n).map(|i| reach[i] - diagonal[i]).fold(0.0, f64::max);
        diagonal.add_scalar_mut(shift);
        // An irregular start, so that it is orthogonal to no eigenvector of a symmetric design.
        let mut v = DVector::from_fn(n, |i, _| (1.0 + 1.7 * i as f64).sin() + 0.1);
        let mut top = 0.0;
        for _ in 0..200 {
            let norm = v.norm();
            v /= norm;
            let next_v = diagonal.component_mul(&v) - product(&v);
            let next = v.dot(&next_v);
            v = next_v;
            if (next - top).abs() < tolerance * next.abs() {
                top = next;
                break;
            }
            top = next;
        }
        top - shift
    }
}

/// Nodes beyond which the search for the stiffest point is shortened.
const LARGE: usize = 4096;

/// A fixed, irregular pattern of signs: patterns 0 and 1 are uniform, the rest are hashes of (pattern, node).
fn sign(pattern: u64, i: usize) -> f64 {
    match pattern {
        0 => 1.0,
        1 => -1.0,
        _ => {
            let hash = (pattern << 32 | i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            if (hash ^ hash >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 63 == 0 {
                1.0
            } else {
                -1.0
            }
        }
    }
}

impl ContinuousEnergy for SoftSpin {
    fn dim(&self) -> usize {
        self.j2.len()
    }

    fn value(&self, x: &[f64]) -> f64 {
        let cells: f64 = (0..x.len())
            .map(|i| {
                let square = x[i] * x[i];
                square * (self.j2[i] + self.j4[i] * square) - self.fields[i] * x[i]
            })
            .sum();
        self.constant + cells + self.couplings.energy(x)
    }

    fn gradient(&self, x: &[f64], gradient: &mut [f64]) {
        gradient.fill(0.0);
        self.couplings.add_product(x, gradient);
        for i in 0..x.len() {
            let cell = x[i] * (2.0 * self.j2[i] + 4.0 * self.j4[i] * x[i] * x[i]);
            gradient[i] = cell - self.fields[i] - gradient[i];
        }
    }

    fn laplacian(&self, x: &[f64]) -> f64 {
        (0..x.len()).map(|i| self.cell_curvature(i, x[i])).sum()
    }

    fn pairwise(&self) -> Option<SoftSpin> {
        Some(self.clone())
    }
}

impl Parametric for SoftSpin {
    fn parameters(&self) -> Parameters {
        Parameters {
            fields: self.fields.clone(),
            couplings: self.couplings.values().to_vec(),
        }
    }

    fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        super::set_fields(&mut self.fields, &parameters.fields)?;
        self.couplings.set_values(&parameters.couplings)
    }

    fn add_statistics(&self, x: &[f64], sum: &mut Parameters) {
        super::add_pair_statistics(&self.couplings, x, sum);
    }
}
