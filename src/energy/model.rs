//! The energies an experiment can name, behind one enum.

use super::{
    ContinuousEnergy, DiscreteEnergy, FactorGraph, FluxCells, Ising, Mixture, Parameters,
    Parametric, Quadratic, SoftSpin,
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
    /// Σ_k w_k N(μ_k, Σ_k).
    Mixture(Mixture),
    /// Cells ½ e_L (φ − φ_x)² − e_J cos φ.
    FluxCells(FluxCells),
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
            Model::Mixture(e) => e.dim(),
            Model::FluxCells(e) => e.dim(),
            Model::Factors(e) => e.dim(),
        }
    }

    /// As a differentiable energy, when it is one.
    pub fn continuous(&self) -> Option<&dyn ContinuousEnergy> {
        match self {
            Model::Quadratic(e) => Some(e),
            Model::SoftSpin(e) => Some(e),
            Model::Mixture(e) => Some(e),
            Model::FluxCells(e) => Some(e),
            Model::Ising(_) | Model::Factors(_) => None,
        }
    }

    /// As an energy of spins in pairs, when it is written as one.
    pub fn discrete(&self) -> Option<&dyn DiscreteEnergy> {
        match self {
            Model::Ising(e) => Some(e),
            _ => None,
        }
    }

    /// As a factor graph, when it is written as one.
    pub fn factors(&self) -> Option<&FactorGraph> {
        match self {
            Model::Factors(e) => Some(e),
            _ => None,
        }
    }

    /// As an energy with fields and pair couplings, when it is one.
    fn parametric(&self) -> Option<&dyn Parametric> {
        match self {
            Model::Quadratic(e) => Some(e),
            Model::SoftSpin(e) => Some(e),
            Model::Ising(e) => Some(e),
            Model::Factors(e) => Some(e),
            Model::Mixture(_) | Model::FluxCells(_) => None,
        }
    }
}

/// Flux cells and mixtures are not linear in theirs, and have no statistics.
impl Parametric for Model {
    fn parameters(&self) -> Parameters {
        match self {
            Model::FluxCells(cells) => return cells.parameters(),
            Model::Mixture(mixture) => return mixture.parameters(),
            _ => {}
        }
        self.parametric().map_or_else(
            || Parameters {
                fields: Vec::new(),
                couplings: Vec::new(),
            },
            Parametric::parameters,
        )
    }

    fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        match self {
            Model::Quadratic(e) => e.set_parameters(parameters),
            Model::SoftSpin(e) => e.set_parameters(parameters),
            Model::Ising(e) => e.set_parameters(parameters),
            Model::FluxCells(e) => e.set_parameters(parameters),
            Model::Mixture(e) => e.set_parameters(parameters),
            Model::Factors(e) => e.set_parameters(parameters),
        }
    }

    fn add_statistics(&self, x: &[f64], sum: &mut Parameters) {
        if let Some(energy) = self.parametric() {
            energy.add_statistics(x, sum);
        }
    }
}
