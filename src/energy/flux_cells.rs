//! Flux cells: E(φ) = Σ_i [½ e_L (φ_i − φ_x,i)² − e_J cos φ_i], the energy of rf-SQUIDs over kT.
//!
//! φ is the junction's phase, φ_x = 2πΦ_x/Φ0 the applied flux, e_J = E_J/kT and e_L = E_L/kT; β_L = e_J/e_L. With β_L > 1
//! and φ_x near π there are two wells.

use super::{ContinuousEnergy, Parameters, SoftSpin};
use crate::error::{Error, Result};
use std::f64::consts::{PI, TAU};

/// Independent flux cells.
#[derive(Clone, Debug, PartialEq)]
pub struct FluxCells {
    /// e_J.
    pub josephson: f64,
    /// e_L.
    pub inductive: f64,
    /// Φ_x/Φ0 of each cell.
    pub flux: Vec<f64>,
}

impl FluxCells {
    /// Cells with e_J and e_L (positive) at the given fluxes, in flux quanta.
    ///
    /// # Errors
    /// No cell, energies that are not positive, a flux that is not finite.
    pub fn new(josephson: f64, inductive: f64, flux: Vec<f64>) -> Result<Self> {
        for (field, value) in [("josephson", josephson), ("inductive", inductive)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::invalid(field, value, "a positive energy over kT"));
            }
        }
        if flux.is_empty() {
            return Err(Error::invalid("flux", "no cell", "at least one flux"));
        }
        if let Some(i) = flux.iter().position(|f| !f.is_finite()) {
            let field = format!("flux[{i}]");
            return Err(Error::invalid(
                field,
                flux[i],
                "a finite number of flux quanta",
            ));
        }
        Ok(FluxCells {
            josephson,
            inductive,
            flux,
        })
    }

    /// β_L = e_J/e_L.
    pub fn beta_l(&self) -> f64 {
        self.josephson / self.inductive
    }

    /// At half a flux quantum: distance δ of the wells from the barrier, δ = β_L sin δ (0 for β_L ≤ 1).
    pub fn well(&self) -> f64 {
        let beta = self.beta_l();
        if beta <= 1.0 {
            return 0.0;
        }
        let (mut low, mut high) = (1e-9, PI);
        for _ in 0..100 {
            let middle = 0.5 * (low + high);
            if middle < beta * middle.sin() {
                low = middle;
            } else {
                high = middle;
            }
        }
        0.5 * (low + high)
    }

    /// At half a flux quantum: height of the barrier over the wells, over kT.
    pub fn barrier(&self) -> f64 {
        let d = self.well();
        self.josephson * (1.0 - d.cos()) - 0.5 * self.inductive * d * d
    }

    /// The parameters that training moves: the phases e_L φ_x as fields.
    pub fn parameters(&self) -> Parameters {
        Parameters {
            fields: self.flux.iter().map(|f| self.inductive * TAU * f).collect(),
            couplings: Vec::new(),
        }
    }

    /// Sets fluxes from fields e_L φ_x.
    ///
    /// # Errors
    /// Another number of fields, couplings, or a field that is not finite.
    pub fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        if !parameters.couplings.is_empty() {
            let value = format!("{} values", parameters.couplings.len());
            return Err(Error::invalid(
                "couplings",
                value,
                "none between flux cells",
            ));
        }
        let mut fields = self.parameters().fields;
        super::set_fields(&mut fields, &parameters.fields)?;
        self.flux = fields.iter().map(|b| b / (self.inductive * TAU)).collect();
        Ok(())
    }
}

impl ContinuousEnergy for FluxCells {
    fn dim(&self) -> usize {
        self.flux.len()
    }

    fn value(&self, x: &[f64]) -> f64 {
        let cell = |(x, f): (&f64, &f64)| {
            0.5 * self.inductive * (x - TAU * f).powi(2) - self.josephson * x.cos()
        };
        x.iter().zip(&self.flux).map(cell).sum()
    }

    fn gradient(&self, x: &[f64], gradient: &mut [f64]) {
        for ((g, x), f) in gradient.iter_mut().zip(x).zip(&self.flux) {
            *g = self.inductive * (x - TAU * f) + self.josephson * x.sin();
        }
    }

    fn laplacian(&self, x: &[f64]) -> f64 {
        x.iter()
            .map(|x| self.inductive + self.josephson * x.cos())
            .sum()
    }

    fn pairwise(&self) -> Option<SoftSpin> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// V13: β_L = 3.04 has wells at π ± 2.289 and a barrier of 18.97 K·k for I_c = 1 µA, L = 1 nH.
    #[test]
    fn wells_and_barrier_of_the_textbook_cell() {
        let reduced = 2.067_833_848e-15 / TAU;
        let (ej, el) = (reduced * 1e-6, reduced * reduced / 1e-9);
        let k = 1.380_649e-23;
        let cell = FluxCells::new(ej / k, el / k, vec![0.5]).unwrap();
        assert!((cell.beta_l() - 3.04).abs() < 2e-3);
        assert!((cell.well() - 2.289).abs() < 1e-3);
        assert!((cell.barrier() - 18.97).abs() < 0.01);
        let mut gradient = [1.0];
        cell.gradient(&[PI + cell.well()], &mut gradient);
        assert!(gradient[0].abs() < 1e-6);
        let difference = cell.value(&[PI]) - cell.value(&[PI + cell.well()]);
        assert!((difference - cell.barrier()).abs() < 1e-9);
    }
}
