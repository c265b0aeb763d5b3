//! Score matching of programmed couplings in closed form.
//!
//! E = Σ(j2 x² + j4 x⁴ − b x) − Σ J x x with the quartic given is linear in θ = (b, J, j2), so J(θ) = ⟨½|∇E|² − ΔE⟩ is
//! quadratic: ∇E = g + Gθ with g = 4 j4 x³, and ⟨GᵀG⟩ θ = ⟨c⟩ − ⟨Gᵀg⟩, c = Δ of the features (2 for each j2, else 0).
//! No sampling, no log Z (Hyvärinen 2005).

use crate::energy::{Couplings, SoftSpin};
use crate::error::{Error, Result};
use nalgebra::{Cholesky, DMatrix, DVector};

/// A squared pivot below this part of the largest diagonal entry is rounding, not information.
const SINGULAR: f64 = 1e-12;

/// The minimum, and how sure it is.
#[derive(Clone, Debug)]
pub struct ScoreSolution {
    /// The energy.
    pub energy: SoftSpin,
    /// J at the minimum, without the constant that does not depend on the model.
    pub objective: f64,
    /// Standard errors of b, then J, then j2 (sandwich: A⁻¹ Cov(equation) A⁻¹ / rows).
    pub standard_errors: Vec<f64>,
}

/// What one row says: the non-zero columns (feature, node, value) of G, and g.
fn row_terms(
    x: &[f64],
    edges: &[(usize, usize)],
    quartic: &[f64],
) -> (Vec<(usize, usize, f64)>, Vec<f64>) {
    let n = x.len();
    let mut columns = Vec::with_capacity(2 * n + 2 * edges.len());
    for (i, &value) in x.iter().enumerate() {
        columns.push((i, i, -1.0));
        columns.push((n + edges.len() + i, i, 2.0 * value));
    }
    for (k, &(i, j)) in edges.iter().enumerate() {
        columns.push((n + k, i, -x[j]));
        columns.push((n + k, j, -x[i]));
    }
    let given = x.iter().zip(quartic);
    (columns, given.map(|(x, j4)| 4.0 * j4 * x.powi(3)).collect())
}

/// The energy on `edges` with quartic coefficients `quartic` whose score is nearest the data's.
///
/// # Errors
/// No rows, rows of another length, or data that do not tell the features apart (the equation is singular).
pub fn match_scores(
    rows: &[Vec<f64>],
    edges: &[(usize, usize)],
    quartic: &[f64],
) -> Result<ScoreSolution> {
    let n = quartic.len();
    if rows.is_empty() || rows.iter().any(|r| r.len() != n) {
        let expected = format!("rows of {n} numbers");
        return Err(Error::invalid("train.data", rows.len(), expected));
    }
    let size = 2 * n + edges.len();
    let per_row = 1.0 / rows.len() as f64;
    // Each row's equation: (GᵀG) θ = c − Gᵀg.
    let equation = |x: &[f64]| {
        let (columns, given) = row_terms(x, edges, quartic);
        let mut by_node = vec![Vec::new(); n];
        for (feature, node, value) in columns {
            by_node[node].push((feature, value));
        }
        let mut left: Vec<(usize, usize, f64)> = Vec::new();
        let mut right = DVector::zeros(size);
        for i in 0..n {
            right[n + edges.len() + i] += 2.0;
        }
        for (list, g) in by_node.iter().zip(given) {
            for &(a, u) in list {
                right[a] -= u * g;
                left.extend(list.iter().map(|&(b, v)| (a, b, u * v)));
            }
        }
        (left, right)
    };
    let mut matrix: DMatrix<f64> = DMatrix::zeros(size, size);
    let mut side: DVector<f64> = DVector::zeros(size);
    for x in rows {
        let (left, right) = equation(x);
        for (a, b, value) in left {
            matrix[(a, b)] += per_row * value;
        }
        side += right * per_row;
    }
    let scale = matrix.diagonal().max();
    let factor = Cholesky::new(matrix)
        .filter(|factor| f64::powi(factor.l_dirty().diagonal().min(), 2) > SINGULAR * scale);
    let Some(factor) = factor else {
        let expected = "data that tell all fields and couplings apart (the equation is singular)";
        return Err(Error::invalid(
            "train.data",
            format!("{} rows", rows.len()),
            expected,
        ));
    };
    let theta = factor.solve(&side);
    let mut scatter: DMatrix<f64> = DMatrix::zeros(size, size);
    for x in rows {
        let (left, mut residual) = equation(x);
        for (a, b, value) in left {
            residual[a] -= value * theta[b];
        }
        scatter.ger(per_row * per_row, &residual, &residual, 1.0);
    }
    let inverse = factor.inverse();
    let covariance = &inverse * scatter * &inverse;
    let couplings = edges
        .iter()
        .enumerate()
        .map(|(k, &(i, j))| (i, j, theta[n + k]))
        .collect();
    Ok(ScoreSolution {
        objective: -0.5 * theta.dot(&side),
        standard_errors: covariance.diagonal().iter().map(|v| v.sqrt()).collect(),
        energy: SoftSpin::new(
            theta.rows(n + edges.len(), n).iter().copied().collect(),
            quartic.to_vec(),
            theta.rows(0, n).iter().copied().collect(),
            Couplings::new(n, couplings)?,
        )?,
    })
}
