//! A scheme's one-step transfer operator on one node: stationary laws, relaxation rates and transients without noise.
//!
//! (T f)(x) = E[f(x') | x] on Chebyshev nodes, the expectation by Gauss–Hermite quadrature over the normals of one real step
//! of the real stepper, or of a step of one's own. What the scheme does at a step h follows to about 1e-10, so orders of
//! accuracy can be asserted.

use crate::dynamics::{LANES, NormalBits, Process, Row, Scheme, Setting, Tile};
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};

/// The operator, and where its functions are sampled.
#[derive(Clone, Debug)]
pub struct TransferOperator {
    nodes: Vec<f64>,
    reach: f64,
    matrix: DMatrix<f64>,
    step: f64,
    /// Standard deviation of x about the variable that is Markov (zero but for schemes that carry normals along).
    blur: f64,
    hermite: Vec<(f64, f64)>,
}

/// (point, weight) with Σ w f(ξ) = E f(N(0, 1)) for polynomials below degree 2n (Golub & Welsch 1969).
pub fn gauss_hermite(n: usize) -> Vec<(f64, f64)> {
    let jacobi = DMatrix::from_fn(n, n, |i, j| {
        if i.abs_diff(j) == 1 {
            (i.max(j) as f64).sqrt()
        } else {
            0.0
        }
    });
    let eigen = jacobi.symmetric_eigen();
    let weights = eigen.eigenvectors.row(0);
    eigen
        .eigenvalues
        .iter()
        .zip(weights.iter())
        .map(|(&x, w)| (x, w * w))
        .collect()
}

/// Products of a quadrature in so many dimensions: (point, weight).
fn product_points(rule: &[(f64, f64)], dimensions: usize) -> Vec<(Vec<f64>, f64)> {
    let n = rule.len();
    (0..n.pow(dimensions as u32))
        .map(|k| {
            let digits = (0..dimensions).map(|d| k / n.pow(d as u32) % n);
            let digits: Vec<usize> = digits.collect();
            let weight = digits.iter().map(|&d| rule[d].1).product();
            (digits.iter().map(|&d| rule[d].0).collect(), weight)
        })
        .collect()
}

/// Chebyshev points of the second kind.
fn chebyshev(nodes: usize, reach: f64) -> Vec<f64> {
    (0..nodes)
        .map(|i| reach * (std::f64::consts::PI * i as f64 / (nodes - 1) as f64).cos())
        .collect()
}

/// Lagrange basis on Chebyshev points of the second kind at `x` (clamped to the interval), barycentric form.
fn basis(nodes: &[f64], reach: f64, x: f64) -> Vec<f64> {
    let x = x.clamp(-reach, reach);
    let n = nodes.len();
    if let Some(k) = nodes.iter().position(|&node| node == x) {
        return (0..n).map(|i| f64::from(u8::from(i == k))).collect();
    }
    let mut values: Vec<f64> = (0..n)
        .map(|i| {
            let end = if i == 0 || i == n - 1 { 0.5 } else { 1.0 };
            let sign = if i % 2 == 0 { 1.0 } else { -1.0 };
            sign * end / (x - nodes[i])
        })
        .collect();
    let sum: f64 = values.iter().sum();
    values.iter_mut().for_each(|v| *v /= sum);
    values
}

impl TransferOperator {
    /// The operator of `scheme` at `step` on a process of one node, on |x| ≤ `reach`.
    ///
    /// # Errors
    /// A process of several nodes, a scheme that refuses it, or one whose steps are not made of normals.
    pub fn new(
        scheme: &dyn Scheme<f64>,
        process: &Process,
        step: f64,
        reach: f64,
        (nodes, quadrature): (usize, usize),
    ) -> Result<Self> {
        if process.nodes != 1 {
            return Err(Error::invalid("process", process.nodes, "one node"));
        }
        let setting = Setting {
            step,
            clamped: &[false],
            stiffness: None,
            normals: NormalBits::Full,
        };
        let stepper = scheme.prepare(process, &setting)?;
        let sets = stepper.normals();
        if sets == 0 {
            let expected = "a scheme whose steps are made of normals";
            return Err(Error::invalid("scheme", scheme.name(), expected));
        }
        let mut tile = Tile::<f64>::new((0, 0), 0, LANES, 1, 0);
        stepper.begin(&mut tile);
        let carried = tile.memory.len();
        let hermite = gauss_hermite(quadrature);
        // A scheme that carries normals is Markov in x less half its last kick: κ is that half kick.
        let mut blur = 0.0;
        if carried > 0 {
            let mut at = |normal: f64| {
                tile.x[0] = Row::splat(0.0);
                tile.memory.fill(Row::splat(0.0));
                let mut given = vec![Row::splat(0.0); sets];
                given[0] = Row::splat(normal);
                stepper.step_given(&mut tile, &given);
                tile.x[0][0]
            };
            blur = at(1.0) - at(0.0);
        }
        let dimensions = if carried > 0 { carried } else { sets };
        let points = product_points(&hermite, dimensions);
        let x = chebyshev(nodes, reach);
        let mut matrix = DMatrix::zeros(nodes, nodes);
        for i in 0..nodes {
            for group in points.chunks(LANES) {
                let mut rows: Vec<Row<f64>> = vec![Row::splat(0.0); dimensions];
                for (lane, (point, _)) in group.iter().enumerate() {
                    for (row, value) in rows.iter_mut().zip(point) {
                        row[lane] = *value;
                    }
                }
                tile.time = 0.0;
                if carried > 0 {
                    tile.x[0] = rows[0].map(|r| x[i] + blur * r);
                    tile.memory.copy_from_slice(&rows);
                    stepper.step_given(&mut tile, &vec![Row::splat(0.0); sets]);
                } else {
                    tile.x[0] = Row::splat(x[i]);
                    stepper.step_given(&mut tile, &rows);
                }
                for (lane, (_, weight)) in group.iter().enumerate() {
                    for (j, value) in basis(&x, reach, tile.x[0][lane]).into_iter().enumerate() {
                        matrix[(i, j)] += weight * value;
                    }
                }
            }
        }
        Ok(TransferOperator {
            nodes: x,
            reach,
            matrix,
            step,
            blur,
            hermite,
        })
    }

    /// The operator of any step x' = `next`(x, ξ) with so many normals ξ, on |x| ≤ `reach`; `step` is its length in time, which
    /// [`Self::relaxation_rate`] divides by.
    pub fn of_step(
        next: impl Fn(f64, &[f64]) -> f64,
        normals: usize,
        step: f64,
        reach: f64,
        (nodes, quadrature): (usize, usize),
    ) -> Self {
        let hermite = gauss_hermite(quadrature);
        let points = product_points(&hermite, normals);
        let x = chebyshev(nodes, reach);
        let mut matrix = DMatrix::zeros(nodes, nodes);
        for i in 0..nodes {
            for (point, weight) in &points {
                let row = basis(&x, reach, next(x[i], point));
                for (j, value) in row.into_iter().enumerate() {
                    matrix[(i, j)] += weight * value;
                }
            }
        }
        TransferOperator {
            nodes: x,
            reach,
            matrix,
            step,
            blur: 0.0,
            hermite,
        }
    }

    /// f at the nodes, averaged over what the scheme carries.
    fn sampled(&self, f: impl Fn(f64) -> f64) -> DVector<f64> {
        let average = |y: f64| {
            let points = self.hermite.iter();
            points.map(|(r, w)| w * f(y + self.blur * r)).sum::<f64>()
        };
        DVector::from_iterator(self.nodes.len(), self.nodes.iter().map(|&y| average(y)))
    }

    /// E f(x) in the scheme's stationary law.
    pub fn stationary(&self, f: impl Fn(f64) -> f64) -> f64 {
        let n = self.nodes.len();
        let mut system = self.matrix.transpose() - DMatrix::identity(n, n);
        system.row_mut(n - 1).fill(1.0);
        let mut right = DVector::zeros(n);
        right[n - 1] = 1.0;
        let weights = system
            .lu()
            .solve(&right)
            .unwrap_or_else(|| DVector::from_element(n, f64::NAN));
        weights.dot(&self.sampled(f))
    }

    /// The slowest relaxation rate, −ln λ₂/h.
    pub fn relaxation_rate(&self) -> f64 {
        let mut sizes: Vec<f64> = self
            .matrix
            .complex_eigenvalues()
            .iter()
            .map(|l| l.norm())
            .collect();
        sizes.sort_by(|a, b| b.total_cmp(a));
        -sizes.get(1).copied().unwrap_or(f64::NAN).ln() / self.step
    }

    /// E[f(x after `steps` steps) | x = start].
    pub fn transient(&self, f: impl Fn(f64) -> f64, start: f64, steps: usize) -> f64 {
        let mut values = self.sampled(f);
        for _ in 0..steps {
            values = &self.matrix * values;
        }
        let weights = basis(&self.nodes, self.reach, start);
        weights.iter().zip(values.iter()).map(|(w, v)| w * v).sum()
    }
}

/// The order p of an error that goes as h^p (1 + c h), from its values at h, h/2 and h/4: the two apparent orders,
/// extrapolated.
pub fn order(errors: [f64; 3]) -> f64 {
    let apparent = |coarse: f64, fine: f64| (coarse / fine).abs().log2();
    2.0 * apparent(errors[1], errors[2]) - apparent(errors[0], errors[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quadrature_is_exact_for_low_moments() {
        let points = gauss_hermite(12);
        for (power, wanted) in [(0, 1.0), (1, 0.0), (2, 1.0), (4, 3.0), (10, 945.0)] {
            let got: f64 = points.iter().map(|(x, w)| w * x.powi(power)).sum();
            assert!(
                (got - wanted).abs() < 1e-9 * (1.0 + wanted),
                "{power} {got}"
            );
        }
    }
}
