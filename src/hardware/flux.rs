//! rf-SQUIDs (RCSJ model): C (Φ0/2π)² φ̈ + (Φ0/2π)² φ̇/R = −∂U/∂φ + Johnson noise, U = (E_L/2)(φ − φ_x)² − E_J cos φ.
//!
//! At temperature T the phases have the law of E = U/kT whatever R and C are. E_J = Φ0 I_c/2π and E_L = (Φ0/2π)²/L are the
//! card's; only the fluxes are programmed. On a die I_c and the flux are off.

use super::card::Card;
use super::chip::Chip;
use super::die::Die;
use super::program::Realised;
use super::view::View;
use crate::circuit::{Assembly, Circuit};
use crate::dynamics::Process;
use crate::energy::{FluxCells, Model, Parameters};
use crate::error::{Error, Result};
use crate::units::{BOLTZMANN, FLUX_QUANTUM};
use std::f64::consts::TAU;
use uom::si::capacitance::farad;
use uom::si::electric_current::ampere;
use uom::si::electrical_resistance::ohm;
use uom::si::f64::{
    Capacitance, ElectricCurrent, ElectricalResistance, Inductance, MagneticFlux,
    ThermodynamicTemperature,
};
use uom::si::inductance::henry;
use uom::si::magnetic_flux::weber;
use uom::si::thermodynamic_temperature::kelvin;

const CRITICAL: u64 = 13;
const FLUX: u64 = 14;
/// How near the asked energies must be to the card's.
const NEAR: f64 = 1e-3;

/// Φ0/2π, Wb.
fn reduced_flux() -> f64 {
    FLUX_QUANTUM / TAU
}

/// (E_J, E_L) of a card's cell, J; zeros for a card of another kind.
pub fn energies(card: &Card) -> (f64, f64) {
    let phi = reduced_flux();
    let inductance = card.required("physics.inductance");
    (
        phi * card.required("physics.critical_current"),
        phi * phi / inductance,
    )
}

/// A programmed array of flux cells.
#[derive(Clone, Debug)]
pub(super) struct FluxChip {
    assembly: Assembly,
    cells: FluxCells,
    realised: Realised,
    voltage_unit: f64,
    fastest: f64,
}

impl FluxChip {
    pub(super) fn new(die: &Die, cells: &FluxCells) -> Result<Self> {
        let card = &die.card;
        let kt = BOLTZMANN * card.required("physics.temperature");
        let (ej, el) = energies(card);
        for (field, asked, own) in [
            ("energy.josephson", cells.josephson, ej / kt),
            ("energy.inductive", cells.inductive, el / kt),
        ] {
            if (asked / own - 1.0).abs() > NEAR {
                let expected =
                    format!("{own:.4}, the card's at its temperature: only fluxes are programmed");
                return Err(Error::invalid(field, asked, expected));
            }
        }
        let (assembly, realised) = build(die, cells)?;
        let c = card.required("physics.capacitance");
        let phi = reduced_flux();
        // Curvature of U over C (Φ0/2π)², and the damping 1/RC, in units of the process's time.
        let omega = ((ej + el) / (c * phi * phi)).sqrt() * assembly.time_unit();
        let gamma = assembly.time_unit() / (card.required("physics.resistance") * c);
        Ok(FluxChip {
            voltage_unit: assembly.voltage_unit(),
            assembly,
            cells: cells.clone(),
            realised,
            // Stiffest mode: |λ|²/Re λ, twice ω²/γ when underdamped.
            fastest: (2.0 * omega * omega / gamma).max(gamma),
        })
    }
}

fn build(die: &Die, cells: &FluxCells) -> Result<(Assembly, Realised)> {
    let card = &die.card;
    let c = card.required("physics.capacitance");
    let kelvins = card.required("physics.temperature") * die.temperature_ratio;
    let at = ThermodynamicTemperature::new::<kelvin>(kelvins);
    let mut circuit = Circuit::new();
    let mut realised = Realised::default();
    let off = die.spread("flux", "nonidealities.flux_offset");
    let spread = die.spread("critical_current", "nonidealities.critical_current_sigma");
    for (i, &flux) in cells.flux.iter().enumerate() {
        let node = circuit.node(&format!("x{i}"))?;
        circuit.capacitor(node, None, Capacitance::new::<farad>(c))?;
        let ohms = ElectricalResistance::new::<ohm>(card.required("physics.resistance"));
        circuit.resistor(node, None, ohms, at)?;
        let critical = card.required("physics.critical_current")
            * (1.0 + spread * die.deviate(CRITICAL, i as u64));
        let actual = flux + off * die.deviate(FLUX, i as u64);
        realised.fields.push(cells.inductive * TAU * actual);
        let webers = actual * TAU * reduced_flux();
        circuit.josephson(
            Some(node),
            None,
            ElectricCurrent::new::<ampere>(critical),
            Some((
                Inductance::new::<henry>(card.required("physics.inductance")),
                MagneticFlux::new::<weber>(webers),
            )),
        )?;
    }
    let volts = (BOLTZMANN * card.required("physics.temperature") / c).sqrt();
    Ok((
        circuit.assemble(volts, card.required("physics.tau"))?,
        realised,
    ))
}

impl Chip for FluxChip {
    fn boxed(&self) -> Box<dyn Chip> {
        Box::new(self.clone())
    }

    fn process(&self) -> &Process {
        self.assembly.process()
    }

    fn seconds_per_time(&self) -> f64 {
        self.assembly.time_unit()
    }

    fn volts_per_x(&self) -> f64 {
        self.voltage_unit
    }

    /// Applies new fluxes: the array is assembled anew.
    fn write(&mut self, die: &Die, parameters: &Parameters) -> Result<()> {
        self.cells.set_parameters(parameters)?;
        (self.assembly, self.realised) = build(die, &self.cells)?;
        Ok(())
    }

    fn realised(&self) -> &Realised {
        &self.realised
    }

    /// The law of the realised fluxes, when every junction is nominal.
    fn energy(&self, die: &Die, _asked: &Model) -> Option<Model> {
        if die.has("critical_current")
            && die
                .card
                .get("nonidealities.critical_current_sigma")
                .is_some()
        {
            return None;
        }
        let (beta, el) = (1.0 / die.temperature_ratio, self.cells.inductive);
        let flux = self
            .realised
            .fields
            .iter()
            .map(|b| b / (el * TAU))
            .collect();
        FluxCells::new(self.cells.josephson * beta, el * beta, flux)
            .ok()
            .map(Model::FluxCells)
    }

    fn no_energy_because(&self, _die: &Die) -> Vec<(bool, &'static str)> {
        Vec::new()
    }

    /// Phases follow the voltages in the state.
    fn view(&self) -> View {
        let n = self.cells.flux.len();
        View::Rows((n..2 * n).collect())
    }

    fn step(&self, tolerance: f64) -> Option<f64> {
        Some(2.0 * tolerance / (1.0 + tolerance) / self.fastest)
    }

    fn variance_inflation(&self, h: f64) -> Option<f64> {
        Some(1.0 / (1.0 - 0.5 * h * self.fastest) - 1.0)
    }

    fn circuit(&self) -> Option<&Circuit> {
        Some(self.assembly.circuit())
    }
}
