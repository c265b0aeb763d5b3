//! What every kind of chip answers once an energy is on it.

use super::dac::Dac;
use super::die::Die;
use super::hosted::Hosted;
use super::placement::PlacementReport;
use super::program::{Realisation, Realised};
use super::readout::Readout;
use super::view::View;
use crate::circuit::Circuit;
use crate::dynamics::Process;
use crate::energy::{Model, Parameters, SoftSpin};
use crate::error::{Error, Result};
use std::fmt::Debug;

/// A laid-out array of elements that holds one family of energies.
pub(super) trait Chip: Debug + Send + Sync {
    /// A copy.
    fn boxed(&self) -> Box<dyn Chip>;

    /// The process that the die realises, in units of the energy's variable and of [`Self::seconds_per_time`].
    fn process(&self) -> &Process;

    /// Seconds per unit of the process's time.
    fn seconds_per_time(&self) -> f64;

    /// Volts per unit of the energy's variable (two-state elements: bias volts per unit of input).
    fn volts_per_x(&self) -> f64;

    /// Writes fields and couplings through converters and mismatch.
    ///
    /// # Errors
    /// Values that this chip cannot be given.
    fn write(&mut self, die: &Die, parameters: &Parameters) -> Result<()>;

    /// What became of them.
    fn realised(&self) -> &Realised;

    /// The energy whose Boltzmann law at temperature 1 the process samples, where there is one of a kind that [`Model`] has
    /// and nothing in [`Self::no_energy_because`] holds.
    fn energy(&self, die: &Die, asked: &Model) -> Option<Model>;

    /// The energy in y = x − o, with each node's o, where cells and couplings in y are all there is (on the same conditions).
    fn shifted_energy(&self, _die: &Die, _asked: &Model) -> Option<(SoftSpin, Vec<f64>)> {
        None
    }

    /// Possible reasons for the process to have no energy, and whether each holds.
    fn no_energy_because(&self, die: &Die) -> Vec<(bool, &'static str)>;

    /// What is asked of each pair of [`Realised::couplings`], by direction.
    fn asked(&self, parameters: &Parameters) -> Vec<(f64, f64)> {
        parameters.couplings.iter().map(|&j| (j, j)).collect()
    }

    /// The pairs of [`Realised::couplings`], where they are not the energy's.
    fn pairs(&self) -> Option<Vec<(usize, usize)>> {
        None
    }

    /// Whether couplings act one way on purpose.
    fn is_directed(&self) -> bool {
        false
    }

    /// Whether couplers have to be the same both ways for what is read to have an energy.
    fn needs_reciprocity(&self) -> bool {
        true
    }

    /// Refuses to be run where nothing holds the state.
    ///
    /// # Errors
    /// A process without a stationary law.
    fn check_stable(&self) -> Result<()> {
        Ok(())
    }

    /// The converter of couplings.
    fn coupling_dac(&self, _die: &Die) -> Dac {
        Dac {
            full_scale: f64::INFINITY,
            bits: None,
        }
    }

    /// How variables are read off the state.
    fn view(&self) -> View {
        View::Direct
    }

    /// The instrument that reads them.
    fn readout(&self, _die: &Die) -> Readout {
        Readout::perfect()
    }

    /// Elements, where they are not one per variable.
    fn elements(&self) -> Option<usize> {
        None
    }

    /// How variables are copied over the array, where they are.
    fn placement(&self) -> Option<PlacementReport> {
        None
    }

    /// The law that what is read settles in, where it is not the elements' and can be computed.
    fn settled(&self, _die: &Die) -> Option<Vec<f64>> {
        None
    }

    /// What is asked of the elements, where they hold another energy than the one programmed.
    fn on_elements(&self) -> Option<Parameters> {
        None
    }

    /// What a host does with separate elements, where it wires them.
    fn hosted(&self) -> Option<&Hosted> {
        None
    }

    /// Spins that stand for products and are not read.
    fn auxiliaries(&self) -> usize {
        0
    }

    /// Range factor a.
    fn scale(&self) -> f64 {
        1.0
    }

    /// Largest share of the elements' own noise in a node's noise power, where noise is injected.
    fn excess_noise_share(&self) -> Option<f64> {
        None
    }

    /// The Euler–Maruyama step, in the process's time, whose bias of the stiffest mode's variance is `tolerance`; `None`
    /// where the energy's curvature is the process's and decides.
    fn step(&self, _tolerance: f64) -> Option<f64> {
        None
    }

    /// Relative inflation of the stiffest mode's variance by an Euler–Maruyama step `h`; `None` where [`Self::step`] is.
    fn variance_inflation(&self, _h: f64) -> Option<f64> {
        None
    }

    /// The scheme that advances the process when nothing else is asked for.
    fn scheme(&self) -> &'static str {
        "euler-maruyama"
    }

    /// The circuit that holds the energy, where there is one.
    fn circuit(&self) -> Option<&Circuit> {
        None
    }

    /// The circuit, what it cannot hold replaced by a recording.
    ///
    /// # Errors
    /// No circuit even so.
    fn recorded(&self, _of: Realisation) -> Result<Circuit> {
        self.circuit().cloned().ok_or_else(|| {
            Error::invalid(
                "hardware.model",
                "a chip without a circuit",
                "a chip of capacitors, conductances and sources",
            )
        })
    }
}

impl Clone for Box<dyn Chip> {
    fn clone(&self) -> Self {
        self.boxed()
    }
}
