//! The energies an experiment can name, behind one enum.

use super::{
    ContinuousEnergy, DiscreteEnergy, FactorGraph, Ising, Parameters, Parametric, Quadratic,
    SoftSpin,
};
use crate::error::Result;

/// Any energy of the crate.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// ½xᵀPx − bᵀx.
    Quadratic(Quadratic),
    /// Quartic cells with pair couplings.
    SoftSpin(SoftSpin),
    /// ±1 spins.
    Ising(Ising),
    /// Factors of spins and categories, of any order.
    Factors(FactorGraph),
}

impl Model {
    /// Number of nodes.
    pub fn dim(&self) -> usize {
        match self {
            Model::Quadratic(e) => e.dim(),
            Model::SoftSpin(e) => e.dim(),
            Model::Ising(e) => e.dim(),
            Model::Factors(e) => e.dim(),
        }
    }

    /// As a differentiable energy, when it is one.
    pub fn continuous(&self) -> Option<&dyn ContinuousEnergy> {
        match self {
            Model::Quadratic(e) => Some(e),
            Model::SoftSpin(e) => Some(e),
            Model::Ising(_) | Model::Factors(_) => None,
        }
    }

    /// As an energy of spins in pairs, when it is written as one.
    pub fn discrete(&self) -> Option<&dyn DiscreteEnergy> {
        match self {
            Model::Ising(e) => Some(e),
            Model::Quadratic(_) | Model::SoftSpin(_) | Model::Factors(_) => None,
        }
    }

    /// As a factor graph, when it is written as one.
    pub fn factors(&self) -> Option<&FactorGraph> {
        match self {
            Model::Factors(e) => Some(e),
            Model::Quadratic(_) | Model::SoftSpin(_) | Model::Ising(_) => None,
        }
    }

    fn parametric(&self) -> &dyn Parametric {
        match self {
            Model::Quadratic(e) => e,
            Model::SoftSpin(e) => e,
            Model::Ising(e) => e,
            Model::Factors(e) => e,
        }
    }
}

impl Parametric for Model {
    fn parameters(&self) -> Parameters {
        self.parametric().parameters()
    }

    fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        match self {
            Model::Quadratic(e) => e.set_parameters(parameters),
            Model::SoftSpin(e) => e.set_parameters(parameters),
            Model::Ising(e) => e.set_parameters(parameters),
            Model::Factors(e) => e.set_parameters(parameters),
        }
    }

    fn add_statistics(&self, x: &[f64], sum: &mut Parameters) {
        self.parametric().add_statistics(x, sum);
    }
}
