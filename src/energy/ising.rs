//! Spins s = ±1: E(s) = −Σ h_i s_i − Σ_{i<j} J_ij s_i s_j, each pair once; J > 0 aligns. A Boltzmann machine; an RBM is
//! the same on a bipartite graph.

use super::{Couplings, DiscreteEnergy, Parameters, Parametric};
use crate::error::{Error, Result};
use nalgebra::DMatrix;

/// Pairwise spins.
#[derive(Clone, Debug, PartialEq)]
pub struct Ising {
    /// h.
    pub fields: Vec<f64>,
    /// J.
    pub couplings: Couplings,
    neighbours: Vec<Vec<(usize, usize)>>,
}

impl Ising {
    /// Spins from fields (one per node) and couplings.
    ///
    /// # Errors
    /// A wrong number of fields, or one that is not finite.
    pub fn new(fields: Vec<f64>, couplings: Couplings) -> Result<Self> {
        let n = couplings.nodes();
        if fields.len() != n {
            let expected = format!("{n} values, one per node");
            return Err(Error::invalid(
                "fields",
                format!("{} values", fields.len()),
                expected,
            ));
        }
        if let Some(i) = fields.iter().position(|v| !v.is_finite()) {
            return Err(Error::invalid(
                format!("fields[{i}]"),
                fields[i],
                "a finite number",
            ));
        }
        Ok(Ising {
            neighbours: couplings.neighbours(),
            fields,
            couplings,
        })
    }

    /// A restricted Boltzmann machine: nodes 0..v visible, v..v+h hidden, `weights` v×h, `fields` visible then hidden.
    ///
    /// # Errors
    /// As [`Ising::new`] and [`Couplings::new`].
    pub fn rbm(weights: &DMatrix<f64>, fields: Vec<f64>) -> Result<Self> {
        Self::new(fields, rbm_couplings(weights)?)
    }
}

/// The bipartite graph of an RBM: visible i and hidden v + j joined by `weights[(i, j)]`, all pairs present.
///
/// # Errors
/// A weight that is not finite.
pub fn rbm_couplings(weights: &DMatrix<f64>) -> Result<Couplings> {
    let (v, h) = weights.shape();
    let list = (0..v).flat_map(|i| (0..h).map(move |j| (i, v + j, weights[(i, j)])));
    Couplings::new(v + h, list.collect())
}

impl DiscreteEnergy for Ising {
    fn dim(&self) -> usize {
        self.fields.len()
    }

    fn value(&self, spins: &[i8]) -> f64 {
        let x: Vec<f64> = spins.iter().map(|&s| f64::from(s)).collect();
        let fields: f64 = self.fields.iter().zip(&x).map(|(h, s)| h * s).sum();
        self.couplings.energy(&x) - fields
    }

    fn local_field(&self, spins: &[i8], i: usize) -> f64 {
        let values = self.couplings.values();
        self.neighbours[i]
            .iter()
            .fold(self.fields[i], |f, &(j, edge)| {
                f + values[edge] * f64::from(spins[j])
            })
    }

    fn couplings(&self) -> &Couplings {
        &self.couplings
    }
}

impl Parametric for Ising {
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
