//! Pseudo-likelihood of spins: ℓ(h, J) = ⟨Σ_i log σ(2 s_i f_i)⟩, f_i = h_i + Σ_j J_ij s_j (Besag 1975).
//!
//! Concave and without log Z; consistent when all spins are seen. It does not rank models by likelihood: judge by exact or
//! annealed log Z.

use crate::energy::{Couplings, DiscreteEnergy, Ising};
use crate::error::{Error, Result};
use nalgebra::{Cholesky, DMatrix, DVector};

/// Above this many parameters the Newton matrix is refused.
const MOST: usize = 3000;
/// Steps after which the search gives up.
const STEPS: usize = 100;

/// ℓ and its derivatives at one model.
#[derive(Clone, Debug)]
pub struct PseudoLikelihood {
    /// ℓ, nats per row.
    pub value: f64,
    /// ∂ℓ/∂h, then ∂ℓ/∂J in edge order.
    pub gradient: Vec<f64>,
}

/// The parameters that spin `i`'s field depends on: (parameter, the spin it multiplies).
fn incidence(energy: &Ising) -> Vec<Vec<(usize, usize)>> {
    let n = energy.dim();
    let mut of = vec![Vec::new(); n];
    for (k, &(i, j)) in energy.couplings().edges().iter().enumerate() {
        of[i].push((n + k, j));
        of[j].push((n + k, i));
    }
    of
}

/// σ(−2 s f) of every spin, with the value.
fn misses(energy: &Ising, spins: &[i8]) -> (f64, Vec<f64>) {
    let mut value = 0.0;
    let wrong = (0..spins.len())
        .map(|i| {
            let u = 2.0 * f64::from(spins[i]) * energy.local_field(spins, i);
            value -= (-u).max(0.0) + (-u.abs()).exp().ln_1p();
            1.0 / (1.0 + u.exp())
        })
        .collect();
    (value, wrong)
}

/// ℓ and its gradient over rows of spins.
pub fn pseudo_likelihood(energy: &Ising, rows: &[Vec<i8>]) -> PseudoLikelihood {
    let (n, of) = (energy.dim(), incidence(energy));
    let each = 1.0 / rows.len() as f64;
    let mut gradient = vec![0.0; n + energy.couplings().edges().len()];
    let mut value = 0.0;
    for spins in rows {
        let (log, wrong) = misses(energy, spins);
        value += each * log;
        for i in 0..n {
            let pull = 2.0 * each * f64::from(spins[i]) * wrong[i];
            gradient[i] += pull;
            for &(k, j) in &of[i] {
                gradient[k] += pull * f64::from(spins[j]);
            }
        }
    }
    PseudoLikelihood { value, gradient }
}

impl PseudoLikelihood {
    /// The model on `edges` that maximises ℓ − ½λ|θ|², by Newton steps, halved until ℓ rises.
    ///
    /// # Errors
    /// No rows, rows that are not ±1 of one length, more than 3000 parameters, or no maximum (a spin that never changes,
    /// with λ = 0).
    pub fn maximise(rows: &[Vec<i8>], edges: &[(usize, usize)], lambda: f64) -> Result<Ising> {
        let n = rows.first().map_or(0, Vec::len);
        let bad = |r: &Vec<i8>| r.len() != n || r.iter().any(|s| s.abs() != 1);
        if n == 0 || rows.iter().any(bad) {
            let expected = "rows of ±1, all of one length";
            return Err(Error::invalid("train.data", rows.len(), expected));
        }
        // In the order that couplings keep, which is the gradient's.
        let graph = Couplings::new(n, edges.iter().map(|&(i, j)| (i, j, 0.0)).collect())?;
        let edges = graph.edges();
        let size = n + edges.len();
        if size > MOST {
            let expected = format!("at most {MOST} fields and couplings");
            return Err(Error::invalid("train.method", size, expected));
        }
        let model = |theta: &DVector<f64>| {
            let list = edges.iter().enumerate();
            let list = list.map(|(k, &(i, j))| (i, j, theta[n + k])).collect();
            let fields = theta.rows(0, n).iter().copied().collect();
            Ising::new(fields, Couplings::new(n, list)?)
        };
        let penalised = |l: &PseudoLikelihood, t: &DVector<f64>| l.value - 0.5 * lambda * t.dot(t);
        let mut theta = DVector::zeros(size);
        let mut energy = model(&theta)?;
        let mut here = pseudo_likelihood(&energy, rows);
        for _ in 0..STEPS {
            let gradient = DVector::from_vec(here.gradient.clone()) - &theta * lambda;
            if gradient.amax() < 1e-10 {
                return Ok(energy);
            }
            let Some(factor) = Cholesky::new(curvature(&energy, rows, lambda)) else {
                break;
            };
            let move_by = factor.solve(&gradient);
            let (mut length, before) = (1.0, penalised(&here, &theta));
            loop {
                let next = &theta + &move_by * length;
                let there = model(&next)?;
                let value = pseudo_likelihood(&there, rows);
                if penalised(&value, &next) >= before - 1e-14 * before.abs() {
                    (theta, energy, here) = (next, there, value);
                    break;
                }
                length *= 0.5;
                if length < 1e-6 {
                    return Ok(energy);
                }
            }
        }
        let expected = "data with a maximum (every spin takes both values), or a weight_decay";
        Err(Error::invalid("train.data", "no maximum found", expected))
    }
}

/// −∂²ℓ/∂θ² + λ.
fn curvature(energy: &Ising, rows: &[Vec<i8>], lambda: f64) -> DMatrix<f64> {
    let (n, of) = (energy.dim(), incidence(energy));
    let size = n + energy.couplings().edges().len();
    let each = 1.0 / rows.len() as f64;
    let mut matrix = DMatrix::identity(size, size) * lambda;
    for spins in rows {
        let (_, wrong) = misses(energy, spins);
        for i in 0..n {
            let weight = 4.0 * each * wrong[i] * (1.0 - wrong[i]);
            let mut list: Vec<(usize, f64)> = vec![(i, 1.0)];
            list.extend(of[i].iter().map(|&(k, j)| (k, f64::from(spins[j]))));
            for &(a, u) in &list {
                for &(b, v) in &list {
                    matrix[(a, b)] += weight * u * v;
                }
            }
        }
    }
    matrix
}
