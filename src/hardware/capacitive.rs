//! The capacitive encoding: RLC cells joined by switched capacitors, at equilibrium (arXiv 2312.04836 eqs 4 and 5).
//!
//! di = L⁻¹v dt, dv = −C⁻¹R⁻¹v dt − C⁻¹i dt + √(2κ0) C⁻¹ dW, so v ~ N(0, κ0R·C⁻¹) and i ~ N(0, κ0R·L⁻¹) whatever R and L
//! are: the energy sits in the Maxwell matrix C = C0·P, with V_u = √(kT_eff/C0) and kT_eff = κ0R. A capacitor C_ij > 0
//! between two cells makes P_ij = −C_ij/C0 and adds to both diagonals, so that P_ij ≤ 0 and row sums must not be negative.
//! Cells of two opposite nodes each (`physics.differential` 1) also couple crosswise, which makes P_ij > 0; their x_i is the
//! difference of the two, and |P_ij| takes the place of −P_ij. Inductors short direct current: means are zero.

use super::chip::Chip;
use super::converters::of_couplings;
use super::dac::Dac;
use super::die::Die;
use super::program::Realised;
use super::readout::Readout;
use super::view::View;
use crate::circuit::{Assembly, Circuit, NodeId};
use crate::dynamics::{Process, linear};
use crate::energy::{Model, Parameters, Quadratic};
use crate::error::{Error, Result};
use crate::units::BOLTZMANN;
use nalgebra::{Complex, DMatrix, DVector};
use uom::si::capacitance::farad;
use uom::si::electrical_conductance::siemens;
use uom::si::electrical_resistance::ohm;
use uom::si::f64::{
    Capacitance, ElectricalConductance, ElectricalResistance, Inductance, ThermodynamicTemperature,
};
use uom::si::inductance::henry;
use uom::si::thermodynamic_temperature::kelvin;

/// Properties of a die's elements, as domains of its random numbers.
const CELL: u64 = 10;
const COUPLER: u64 = 11;
const NOISE_TEMPERATURE: u64 = 2;

/// A programmed board.
#[derive(Clone, Debug)]
pub(super) struct CapacitiveChip {
    assembly: Assembly,
    n: usize,
    edges: Vec<(usize, usize)>,
    /// P_ii: cells are trimmed to it.
    diagonal: Vec<f64>,
    voltage_unit: f64,
    time_unit: f64,
    realised: Realised,
    /// P that the capacitors of this die make.
    made: DMatrix<f64>,
}

impl CapacitiveChip {
    pub(super) fn new(die: &Die, energy: &Quadratic) -> Result<Self> {
        let card = &die.card;
        if let Some(i) = energy.linear().iter().position(|&b| b != 0.0) {
            let expected = "0: inductors short direct current, so means are zero";
            return Err(Error::invalid(
                format!("energy.linear[{i}]"),
                energy.linear()[i],
                expected,
            ));
        }
        let model = Model::Quadratic(energy.clone());
        let pairs = model.continuous().and_then(|e| e.pairwise());
        let pairs = pairs.map(|e| e.couplings);
        let edges = pairs.as_ref().map_or_else(Vec::new, |c| c.edges().to_vec());
        let values = pairs.map_or_else(Vec::new, |c| c.values().to_vec());
        let n = energy.linear().len();
        let c0 = card.required("physics.capacitance");
        let kt = BOLTZMANN * card.required("physics.noise_temperature");
        let diagonal: Vec<f64> = (0..n).map(|i| energy.precision()[(i, i)]).collect();
        let parameters = Parameters {
            fields: vec![0.0; n],
            couplings: values,
        };
        let voltage_unit = (kt / c0).sqrt();
        let time_unit = card.required("physics.tau");
        let built = build(
            die,
            &edges,
            &diagonal,
            &parameters,
            (voltage_unit, time_unit),
        )?;
        Ok(CapacitiveChip {
            assembly: built.assembly,
            n,
            edges,
            diagonal,
            voltage_unit,
            time_unit,
            realised: built.realised,
            made: built.made,
        })
    }

    fn differential(&self) -> bool {
        self.assembly.circuit().nodes() > self.n
    }
}

impl CapacitiveChip {
    /// Rates of the modes, in the process's time.
    fn modes(&self) -> Vec<Complex<f64>> {
        let a = linear::drift_matrix(self.process());
        a.map_or_else(Vec::new, |a| {
            a.complex_eigenvalues().iter().copied().collect()
        })
    }
}

struct Built {
    assembly: Assembly,
    realised: Realised,
    made: DMatrix<f64>,
}

/// Lays out and assembles the board for one set of couplings J_ij = −P_ij.
fn build(
    die: &Die,
    edges: &[(usize, usize)],
    diagonal: &[f64],
    parameters: &Parameters,
    (voltage_unit, time_unit): (f64, f64),
) -> Result<Built> {
    let card = &die.card;
    let n = diagonal.len();
    let differential = card.get("physics.differential").is_some_and(|d| d > 0.0);
    // Half of each of two opposite nodes: the difference of two equal capacitors' voltages has twice the variance.
    let c0 = card.required("physics.capacitance") * if differential { 2.0 } else { 1.0 };
    let resistance = card.required("physics.resistance") / if differential { 2.0 } else { 1.0 };
    let inductance = card.required("physics.inductance") / if differential { 2.0 } else { 1.0 };
    let dac = of_couplings(die, 1.0);
    let tolerance = die.spread("capacitance", "nonidealities.capacitance_sigma");
    let spread = |property: u64, k: usize| 1.0 + tolerance * die.deviate(property, k as u64);

    let mut circuit = Circuit::new();
    let mut side = |letter: &str| -> Result<Vec<NodeId>> {
        (0..n)
            .map(|i| circuit.node(&format!("{letter}{i}")))
            .collect()
    };
    let plus = side("x")?;
    let minus = if differential { side("y")? } else { Vec::new() };
    let sides: Vec<&Vec<NodeId>> = std::iter::once(&plus)
        .chain(differential.then_some(&minus))
        .collect();

    let mut realised = Realised {
        fields: vec![0.0; n],
        ..Realised::default()
    };
    let mut rest = diagonal.to_vec();
    let mut made = DMatrix::zeros(n, n);
    for (edge, (&(i, j), &value)) in edges.iter().zip(&parameters.couplings).enumerate() {
        if value < 0.0 && !differential {
            let expected = "a coupling of 0 or more (P_ij <= 0): a capacitor between two nodes cannot \
                            do otherwise; cells of two opposite nodes can (physics.differential = \"1\")";
            let field = format!("energy.couplings [{i}, {j}]");
            return Err(Error::invalid(field, value, expected));
        }
        let (level, clipped) = dac.convert(value);
        realised.clipped += usize::from(clipped);
        rest[i] -= level.abs();
        rest[j] -= level.abs();
        let made_level = level * spread(COUPLER, edge);
        realised.couplings.push((made_level, made_level));
        made[(i, j)] -= made_level;
        made[(j, i)] -= made_level;
        made[(i, i)] += made_level.abs();
        made[(j, j)] += made_level.abs();
        if level == 0.0 {
            continue;
        }
        let farads = Capacitance::new::<farad>(c0 * made_level.abs());
        for (s, nodes) in sides.iter().enumerate() {
            let to = if level > 0.0 { nodes } else { sides[1 - s] };
            circuit.capacitor(nodes[i], Some(to[j]), farads)?;
        }
    }
    for i in 0..n {
        if rest[i] <= 0.0 {
            let expected = format!(
                "a precision matrix with P_ii above the sum of |P_ij| of its row, {:.4}: the cell's own capacitor is the rest",
                diagonal[i] - rest[i]
            );
            let field = format!("energy.precision[{i}][{i}]");
            return Err(Error::invalid(field, diagonal[i], expected));
        }
        let own = rest[i] * spread(CELL, i);
        made[(i, i)] += own;
        let heat = 1.0
            + die.spread("noise_temperature", "nonidealities.noise_temperature_sigma")
                * die.deviate(NOISE_TEMPERATURE, i as u64);
        let kelvins = card.required("physics.noise_temperature") * heat * die.temperature_ratio;
        for nodes in &sides {
            let node = nodes[i];
            circuit.capacitor(node, None, Capacitance::new::<farad>(c0 * own))?;
            let cold = ThermodynamicTemperature::new::<kelvin>(0.0);
            let ohms = ElectricalResistance::new::<ohm>(resistance);
            circuit.resistor(node, None, ohms, cold)?;
            let henries = Inductance::new::<henry>(inductance);
            let zero = ElectricalResistance::new::<ohm>(0.0);
            circuit.inductor(Some(node), None, henries, zero, cold)?;
            circuit.noise_source(
                node,
                ElectricalConductance::new::<siemens>(1.0 / resistance),
                ThermodynamicTemperature::new::<kelvin>(kelvins),
            )?;
        }
    }
    Ok(Built {
        assembly: circuit.assemble(voltage_unit, time_unit)?,
        realised,
        made,
    })
}

impl Chip for CapacitiveChip {
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

    /// Switches capacitors: the board is assembled anew, its graph stays.
    fn write(&mut self, die: &Die, parameters: &Parameters) -> Result<()> {
        if let Some(i) = parameters.fields.iter().position(|&b| b != 0.0) {
            let expected = "0: inductors short direct current, so means are zero";
            return Err(Error::invalid(
                format!("fields[{i}]"),
                parameters.fields[i],
                expected,
            ));
        }
        let units = (self.voltage_unit, self.time_unit);
        let built = build(die, &self.edges, &self.diagonal, parameters, units)?;
        self.assembly = built.assembly;
        self.realised = built.realised;
        self.made = built.made;
        Ok(())
    }

    fn realised(&self) -> &Realised {
        &self.realised
    }

    /// Equilibrium: N(0, P⁻¹) with the P of this die's capacitors.
    fn energy(&self, die: &Die, _asked: &Model) -> Option<Model> {
        if die.has("noise_temperature") && self.n == 1 {
            return None;
        }
        let cold = &self.made / die.temperature_ratio;
        Quadratic::new(cold, DVector::zeros(self.n))
            .ok()
            .map(Model::Quadratic)
    }

    fn no_energy_because(&self, die: &Die) -> Vec<(bool, &'static str)> {
        let on = die.nonidealities();
        let uneven = self.n > 1 && on.iter().any(|name| name == "noise_temperature");
        vec![(uneven, "cells have unequal noise temperatures")]
    }

    fn coupling_dac(&self, die: &Die) -> Dac {
        of_couplings(die, 1.0)
    }

    /// The first half of the rows are voltages, x nodes first.
    fn view(&self) -> View {
        if self.differential() {
            View::Differences((0..self.n).map(|i| (i, self.n + i)).collect())
        } else {
            View::Rows((0..self.n).collect())
        }
    }

    fn readout(&self, die: &Die) -> Readout {
        Readout::of(die, self.volts_per_x(), self.n)
    }

    /// By mode: Euler–Maruyama multiplies its variance by 1/(1 − h|λ|²/2Re λ).
    fn step(&self, tolerance: f64) -> Option<f64> {
        let modes = self.modes().into_iter().map(|l| l.re / l.norm_sqr());
        let least = modes.fold(f64::INFINITY, f64::min);
        Some(2.0 * tolerance / (1.0 + tolerance) * least)
    }

    fn variance_inflation(&self, h: f64) -> Option<f64> {
        let worst = |l: &Complex<f64>| 1.0 / (1.0 - h * l.norm_sqr() / (2.0 * l.re)) - 1.0;
        self.modes().iter().map(worst).reduce(f64::max)
    }

    /// Exact: Euler–Maruyama takes thousands of steps per RC at the quality factors of such boards.
    fn scheme(&self) -> &'static str {
        "ornstein-uhlenbeck"
    }

    fn circuit(&self) -> Option<&Circuit> {
        Some(self.assembly.circuit())
    }
}
