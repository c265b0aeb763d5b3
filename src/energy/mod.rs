//! Dimensionless energies E(x), with p(x) ∝ exp(−E(x)) at temperature 1.
//!
//! Conventions: quadratic E = ½xᵀPx − bᵀx; soft spins E = Σ(j2 x² + j4 x⁴ − b x) − Σ_{i<j} J_ij x_i x_j;
//! spins E = −Σ h s − Σ_{i<j} J_ij s_i s_j with s = ±1, so P(s_i = +1 | rest) = σ(2(h_i + Σ_j J_ij s_j));
//! factors of spins and categories of any order E = −Σ_f W_f(x) Π s; mixtures of Gaussians E = −log p;
//! small networks E = a·z_L(x) + ½κ|x − c|².
//! This room depends on nothing else in the crate but the error type.

mod couplings;
pub mod exact;
mod factors;
mod flux_cells;
mod given;
mod ising;
mod marginal;
mod mixture;
mod model;
mod neural;
mod quadratic;
mod soft_spin;

pub use couplings::Couplings;
pub use factors::{
    Domain, Enumeration, Factor, FactorGraph, MAX_CATEGORIES, MAX_STATES, enumerate_factors,
};
pub use flux_cells::FluxCells;
pub use ising::{Ising, rbm_couplings};
pub use marginal::Marginal;
pub use mixture::{Component, Mixture};
pub use model::Model;
pub use neural::{DriftField, Jet, Network, NetworkReal};
pub use quadratic::Quadratic;
pub use soft_spin::SoftSpin;

use crate::error::{Error, Result};
use std::fmt::Debug;

/// A differentiable energy of real variables.
pub trait ContinuousEnergy: Debug + Send + Sync {
    /// Number of variables.
    fn dim(&self) -> usize;
    /// E(x); `x` has length [`dim`](Self::dim).
    fn value(&self, x: &[f64]) -> f64;
    /// Writes ∂E/∂x_i into `gradient` (length `dim`).
    fn gradient(&self, x: &[f64], gradient: &mut [f64]);
    /// ΔE(x) = Σ_i ∂²E/∂x_i².
    fn laplacian(&self, x: &[f64]) -> f64;
    /// The same energy as cells and pair couplings, the form a chip can hold; `None` if it has none.
    fn pairwise(&self) -> Option<SoftSpin>;
}

/// An energy of spins s_i = ±1 (as `i8`).
pub trait DiscreteEnergy: Debug + Send + Sync {
    /// Number of spins.
    fn dim(&self) -> usize;
    /// E(s).
    fn value(&self, spins: &[i8]) -> f64;
    /// f_i = h_i + Σ_j J_ij s_j, so that P(s_i = +1 | rest) = σ(2 f_i).
    fn local_field(&self, spins: &[i8], i: usize) -> f64;
    /// The interaction graph with its values.
    fn couplings(&self) -> &Couplings;
}

/// An energy that is linear in its trainable parameters θ = (fields, couplings).
pub trait Parametric {
    /// θ as it is now.
    fn parameters(&self) -> Parameters;
    /// Replaces θ; lengths must match and values must be finite.
    fn set_parameters(&mut self, parameters: &Parameters) -> Result<()>;
    /// Adds −∂E/∂θ at one state: x_i to `fields`, x_i x_j to `couplings` (in edge order).
    fn add_statistics(&self, x: &[f64], sum: &mut Parameters);
}

/// Trainable numbers of a pairwise energy: one field per node, one coupling per edge (edge order of [`Couplings`]). Of a factor
/// graph: every weight, factor by factor, as `couplings`, and no `fields`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Parameters {
    /// b_i (soft spins, quadratic) or h_i (spins).
    pub fields: Vec<f64>,
    /// J_ij in the order of [`Couplings::edges`].
    pub couplings: Vec<f64>,
}

impl Parameters {
    /// Fields, then couplings.
    pub fn to_vec(&self) -> Vec<f64> {
        [&self.fields[..], &self.couplings].concat()
    }

    /// (fields, couplings) of self − other.
    pub fn minus(&self, other: &Parameters) -> Vec<f64> {
        let own = self.fields.iter().chain(&self.couplings);
        let others = other.fields.iter().chain(&other.couplings);
        own.zip(others).map(|(a, b)| a - b).collect()
    }
}

fn set_fields(fields: &mut [f64], values: &[f64]) -> Result<()> {
    if values.len() != fields.len() {
        let expected = format!("{} fields", fields.len());
        return Err(Error::invalid(
            "fields",
            format!("{} values", values.len()),
            expected,
        ));
    }
    if let Some(i) = values.iter().position(|v| !v.is_finite()) {
        return Err(Error::invalid(
            format!("fields[{i}]"),
            values[i],
            "a finite number",
        ));
    }
    fields.copy_from_slice(values);
    Ok(())
}

fn add_pair_statistics(couplings: &Couplings, x: &[f64], sum: &mut Parameters) {
    for (field, value) in sum.fields.iter_mut().zip(x) {
        *field += value;
    }
    for (coupling, &(i, j)) in sum.couplings.iter_mut().zip(couplings.edges()) {
        *coupling += x[i] * x[j];
    }
}
