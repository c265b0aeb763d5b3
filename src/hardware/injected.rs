//! The injected-noise encoding: C dV = −I_cell(V) dt + Σ g_ij V_j dt + I_bias dt + √(2kT_eff G0) dW at every node.
//!
//! With V_u = √(kT_eff/C), G0 = C/τ and V = a V_u x, a cell that draws (G0 V_u/a) ∂E_cell/∂x, couplers g_ij = (G0/a²) J_ij
//! and biases (G0 V_u/a) b give dx = −∂E/∂x dt/(a²τ) + √(2/(a²τ)) dW exactly. Cells and couplers are active; their own
//! noise 4kTγ|g| adds, which is why T_eff must be far above γT Σ|g|/G0. A cell's |g| is that of its linear stage plus that
//! of its cubic stage at the well, both taken as constant (the noise is additive).

use super::card::Card;
use super::chip::Chip;
use super::converters::{Converters, of_couplings};
use super::dac::Dac;
use super::die::Die;
use super::program::{Realised, Scale};
use super::readout::Readout;
use crate::circuit::{Assembly, Circuit, ElementId};
use crate::dynamics::Process;
use crate::energy::{ContinuousEnergy, Model, Parameters, SoftSpin};
use crate::error::{Error, Result};
use crate::units::BOLTZMANN;
use uom::si::capacitance::farad;
use uom::si::electric_current::ampere;
use uom::si::electrical_conductance::siemens;
use uom::si::f64::{Capacitance, ElectricCurrent, ElectricalConductance, ThermodynamicTemperature};
use uom::si::thermodynamic_temperature::kelvin;

/// Properties of a die's elements, as domains of its random numbers.
const CAPACITANCE: u64 = 1;
const NOISE_TEMPERATURE: u64 = 2;
const OFFSET: u64 = 3;
const COUPLING: u64 = 4;

/// A programmed array of injected-noise nodes.
#[derive(Clone, Debug)]
pub(super) struct InjectedChip {
    assembly: Assembly,
    scale: f64,
    voltage_unit: f64,
    unit_conductance: f64,
    /// Per edge: the transconductor into the lower node, and into the higher.
    couplers: Vec<(ElementId, ElementId)>,
    biases: Vec<ElementId>,
    realised: Realised,
    /// Physical parameters of the die that reprogramming needs: gain of each coupler.
    gains: Vec<(f64, f64)>,
}

impl InjectedChip {
    /// Lays the circuit out and writes the energy's parameters.
    pub(super) fn new(die: &Die, model: &Model, scale: Scale) -> Result<Self> {
        let card = &die.card;
        let Some(energy) = model.continuous().and_then(ContinuousEnergy::pairwise) else {
            return Err(Error::invalid(
                "energy",
                "no pairwise form",
                "cells and pair couplings",
            ));
        };
        if energy.j4.iter().any(|&v| v != 0.0) && card.get("physics.quartic_cell") == Some(0.0) {
            let value = format!("\"{}\" for quartic cells", card.name);
            return Err(Error::invalid(
                "hardware.model",
                value,
                "a chip with quartic cells, e.g. \"soft_spin_cmos\"",
            ));
        }
        let tau = card.required("physics.tau");
        let voltage_unit = voltage_unit(card);
        let t_eff = die.actual("physics.noise_temperature");
        let c = die.actual("physics.capacitance");
        let g0 = c / die.actual("physics.tau");
        let a = match scale {
            Scale::Fixed(a) => a,
            Scale::Fit => fitting_scale(die, &energy),
        };

        let mut circuit = Circuit::new();
        let n = energy.j2.len();
        let nodes = circuit.node_array("x", n)?;
        circuit.reserve(4 * n + 2 * energy.couplings.edges().len());
        let physical = ThermodynamicTemperature::new::<kelvin>(
            card.required("physics.temperature") * die.temperature_ratio,
        );
        let excess = die
            .limit("excess_noise", "physics.excess_noise")
            .unwrap_or(0.0);
        let gains: Vec<(f64, f64)> = (0..energy.couplings.edges().len() as u64)
            .map(|edge| die.coupler_gains(COUPLING, edge))
            .collect();
        let converters = Converters::new(die, a * a, a);
        let realised =
            converters.realise(&energy.fields, both_ways(energy.couplings.values()), &gains);
        let mut biases = Vec::with_capacity(n);
        // What is off needs no numbers.
        let sites = |name: &str, property: u64| match die.has(name) {
            true => die.sites(property, n),
            false => vec![0.0; n],
        };
        let capacitances = sites("tau", CAPACITANCE);
        let temperatures = sites("noise_temperature", NOISE_TEMPERATURE);
        let offsets = sites("offset", OFFSET);
        for (i, &node) in nodes.iter().enumerate() {
            let spread = |name: &str, key: &str, z: &[f64]| 1.0 + die.spread(name, key) * z[i];
            let own_c = c * spread("tau", "nonidealities.tau_sigma", &capacitances);
            let own_t = t_eff
                * die.temperature_ratio
                * spread(
                    "noise_temperature",
                    "nonidealities.noise_temperature_sigma",
                    &temperatures,
                );
            circuit.capacitor(node, None, Capacitance::new::<farad>(own_c))?;
            circuit.noise_source(
                node,
                ElectricalConductance::new::<siemens>(g0),
                ThermodynamicTemperature::new::<kelvin>(own_t),
            )?;
            let offset = die.offset(offsets[i], i as u64, 1.0);
            let c1 = g0 * 2.0 * energy.j2[i] / (a * a);
            let c3 = g0 * 4.0 * energy.j4[i] / (a.powi(4) * voltage_unit * voltage_unit);
            let cubic = if c3 > 0.0 { 3.0 * (-c1).max(0.0) } else { 0.0 };
            circuit.noisy_polynomial(
                node,
                shifted_cubic(c1, c3, offset),
                ElectricalConductance::new::<siemens>(c1.abs() + cubic),
                physical,
                excess,
            )?;
            let bias = g0 * voltage_unit / a * realised.fields[i];
            biases.push(circuit.current_source(node, ElectricCurrent::new::<ampere>(bias))?);
        }
        let mut couplers = Vec::with_capacity(gains.len());
        let unit = g0 / (a * a);
        for (&(i, j), pair) in energy.couplings.edges().iter().zip(&realised.couplings) {
            let [down, up] =
                [pair.0, pair.1].map(|level| ElectricalConductance::new::<siemens>(unit * level));
            let down = circuit.transconductor(nodes[j], nodes[i], down, physical, excess)?;
            let up = circuit.transconductor(nodes[i], nodes[j], up, physical, excess)?;
            couplers.push((down, up));
        }
        if let Some(rails) = die.limit("rails", "limits.rails") {
            circuit.rails(rails)?;
        }
        Ok(InjectedChip {
            assembly: circuit.into_assembly(a * voltage_unit, a * a * tau)?,
            scale: a,
            voltage_unit,
            unit_conductance: g0,
            couplers,
            biases,
            realised,
            gains,
        })
    }
}

impl Chip for InjectedChip {
    fn boxed(&self) -> Box<dyn Chip> {
        Box::new(self.clone())
    }

    /// In units of J: full scale J_max a².
    fn coupling_dac(&self, die: &Die) -> Dac {
        of_couplings(die, self.scale * self.scale)
    }

    /// Writes fields and couplings through the DACs and the couplers' gain errors.
    fn write(&mut self, die: &Die, parameters: &Parameters) -> Result<()> {
        let a = self.scale;
        let converters = Converters::new(die, a * a, a);
        let realised = converters.realise(
            &parameters.fields,
            both_ways(&parameters.couplings),
            &self.gains,
        );
        let unit = self.unit_conductance / (a * a);
        let pairs = self.couplers.iter().zip(&realised.couplings);
        let transconductances: Vec<(ElementId, f64)> = pairs
            .flat_map(|(&(down, up), level)| [(down, unit * level.0), (up, unit * level.1)])
            .collect();
        let unit = self.unit_conductance * self.voltage_unit / a;
        let levels = self.biases.iter().zip(&realised.fields);
        let currents: Vec<(ElementId, f64)> =
            levels.map(|(&bias, level)| (bias, unit * level)).collect();
        self.realised = realised;
        self.assembly.set_values(&transconductances, &currents)
    }

    fn circuit(&self) -> Option<&Circuit> {
        Some(self.assembly.circuit())
    }

    fn process(&self) -> &Process {
        self.assembly.process()
    }

    /// a²τ.
    fn seconds_per_time(&self) -> f64 {
        self.assembly.time_unit()
    }

    fn volts_per_x(&self) -> f64 {
        self.scale * self.voltage_unit
    }

    fn scale(&self) -> f64 {
        self.scale
    }

    fn realised(&self) -> &Realised {
        &self.realised
    }

    fn readout(&self, die: &Die) -> Readout {
        Readout::of(die, self.volts_per_x(), self.process().nodes)
    }

    fn excess_noise_share(&self) -> Option<f64> {
        let shares = self.assembly.excess_noise_share();
        Some(shares.into_iter().fold(0.0, f64::max))
    }

    fn no_energy_because(&self, die: &Die) -> Vec<(bool, &'static str)> {
        let on = die.nonidealities();
        let has = |name: &str| on.iter().any(|n| n == name);
        let many = self.process().nodes > 1;
        vec![
            (
                many && has("noise_temperature"),
                "nodes have unequal noise temperatures",
            ),
            (
                many && has("tau"),
                "nodes have unequal capacitances, and with them unequal temperatures kT_eff C/C_i",
            ),
            (
                has("excess_noise"),
                "cells and couplers add noise of their own, unequal between nodes",
            ),
            (has("rails"), "rails clip the node voltages"),
        ]
    }

    /// Where no cell is shifted: an offset makes a quartic cell's energy cubic too, which [`Model`] cannot hold.
    fn energy(&self, die: &Die, asked: &Model) -> Option<Model> {
        let (energy, shifts) = self.shifted_energy(die, asked)?;
        let still = shifts.iter().all(|&o| o == 0.0);
        still.then_some(Model::SoftSpin(energy))
    }

    /// Read off the process, whose cells pull by c0 + c1 x + c2 x² + c3 x³: about o = −c2/(3 c3) there is no square.
    fn shifted_energy(&self, die: &Die, asked: &Model) -> Option<(SoftSpin, Vec<f64>)> {
        if die.has("noise_temperature") || die.has("tau") {
            return None;
        }
        let beta = 1.0 / die.temperature_ratio;
        let couplings: Vec<f64> = self.realised.couplings.iter().map(|c| c.0 * beta).collect();
        let mut graph = asked.continuous()?.pairwise()?.couplings;
        graph.set_values(&couplings).ok()?;
        let polynomial = &self.process().polynomial;
        let term = |k: usize, i: usize| polynomial.get(k).map_or(0.0, |c| c[i] * beta);
        let nodes = 0..asked.dim();
        let shift = |i: usize| match term(2, i) {
            0.0 => 0.0,
            square => -square / (3.0 * term(3, i)),
        };
        let shifts: Vec<f64> = nodes.clone().map(shift).collect();
        // The couplers see x = y + o: what the shifts pull at is a field.
        let mut fields = vec![0.0; shifts.len()];
        graph.add_product(&shifts, &mut fields);
        for (i, (field, &o)) in fields.iter_mut().zip(&shifts).enumerate() {
            *field += term(0, i) + o * (term(1, i) + o * (term(2, i) + o * term(3, i)));
        }
        let linear = |i: usize| {
            let o = shifts[i];
            term(1, i) + o * (2.0 * term(2, i) + 3.0 * o * term(3, i))
        };
        let j2 = nodes.clone().map(|i| -0.5 * linear(i)).collect();
        let j4 = nodes.map(|i| -0.25 * term(3, i)).collect();
        let energy = SoftSpin::new(j2, j4, fields, graph).ok()?;
        Some((energy, shifts))
    }
}

/// V_u = √(kT_eff/C), of the card's values: what the program counts with.
fn voltage_unit(card: &Card) -> f64 {
    let t_eff = card.required("physics.noise_temperature");
    (BOLTZMANN * t_eff / card.required("physics.capacitance")).sqrt()
}

/// The same coupling into either node.
fn both_ways(couplings: &[f64]) -> impl ExactSizeIterator<Item = (f64, f64)> + '_ {
    couplings.iter().map(|&j| (j, j))
}

/// Coefficients of c1 (V − o) + c3 (V − o)³ in powers of V.
fn shifted_cubic(c1: f64, c3: f64, o: f64) -> Vec<f64> {
    vec![
        -c1 * o - c3 * o.powi(3),
        c1 + 3.0 * c3 * o * o,
        -3.0 * c3 * o,
        c3,
    ]
}

/// The smallest a ≥ 1 with |J| ≤ J_max a² and |b| ≤ b_max a, by the card's limits (whether or not they are on).
pub(super) fn fitting_scale(die: &Die, energy: &SoftSpin) -> f64 {
    let largest = |values: &[f64]| values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let coupling = die
        .card
        .get("limits.coupling_max")
        .map_or(0.0, |m| (largest(energy.couplings.values()) / m).sqrt());
    let field = die
        .card
        .get("limits.field_max")
        .map_or(0.0, |m| largest(&energy.fields) / m);
    coupling.max(field).max(1.0)
}
