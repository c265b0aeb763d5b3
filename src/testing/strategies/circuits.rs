//! Passive circuits at one temperature, and the matrices that their equilibrium is made of.

use crate::circuit::{Circuit, Conductor, NodeId};
use crate::error::Result;
use crate::units::{
    BOLTZMANN, Capacitance, ElectricCurrent, ElectricPotential, ElectricalConductance,
    ElectricalResistance, ThermodynamicTemperature,
};
use nalgebra::DMatrix;
use proptest::prelude::*;
use std::ops::Range;
use uom::si::capacitance::farad;
use uom::si::electric_current::ampere;
use uom::si::electric_potential::volt;
use uom::si::electrical_conductance::siemens;
use uom::si::electrical_resistance::ohm;
use uom::si::f64::Inductance;
use uom::si::inductance::henry;
use uom::si::thermodynamic_temperature::kelvin;

/// A passive circuit: Cov V = kT C⁻¹, Cov I = kT L⁻¹, whatever conducts.
#[derive(Clone, Debug)]
pub struct PassiveCircuit {
    /// The netlist; nodes `n0`, `n1` …
    pub circuit: Circuit,
    /// Maxwell's capacitance matrix of the nodes, F.
    pub capacitance: DMatrix<f64>,
    /// One inductor to ground on each of the first nodes, H.
    pub inductances: Vec<f64>,
    /// T, K.
    pub kelvins: f64,
}

/// What is in the circuit beside capacitors and resistors.
#[derive(Clone, Copy, PartialEq)]
enum With {
    Nothing,
    Inductors,
    Conductors,
}

const FEMTO: f64 = 1e-15;
const MEGOHM: f64 = 1e6;

/// Capacitors to ground and between nodes, resistors likewise.
pub fn rc_circuits(nodes: Range<usize>) -> impl Strategy<Value = PassiveCircuit> {
    circuits(nodes, With::Nothing)
}

/// As [`rc_circuits`], with a lossy inductor from every node to ground.
pub fn rlc_circuits(nodes: Range<usize>) -> impl Strategy<Value = PassiveCircuit> {
    circuits(nodes, With::Inductors)
}

/// As [`rc_circuits`], with a nonlinear passive conductor (asymmetric, cubic, or a junction) from every node to ground, with the
/// noise that equilibrium demands.
pub fn conducting_circuits(nodes: Range<usize>) -> impl Strategy<Value = PassiveCircuit> {
    circuits(nodes, With::Conductors)
}

/// Of one node to ground: C (fF), R (MΩ), and what shapes an inductor or a conductor.
type Site = (f64, f64, f64, u8);
/// Between two nodes: C (fF) and R (MΩ), each there or not.
type Pair = (Option<f64>, Option<f64>);

fn circuits(nodes: Range<usize>, with: With) -> impl Strategy<Value = PassiveCircuit> {
    use proptest::collection::vec;
    use proptest::option::of;
    let drawn = (nodes, 200.0..400.0f64).prop_flat_map(|(n, kelvins)| {
        let site = (1.0..4.0f64, 0.5..2.0f64, 0.3..0.9f64, 0u8..3);
        let pair = (of(0.2..2.0f64), of(0.5..2.0f64));
        let pairs = n * n.saturating_sub(1) / 2;
        (vec(site, n), vec(pair, pairs), Just(kelvins))
    });
    drawn.prop_filter_map("a circuit", move |(sites, pairs, kelvins)| {
        build(&sites, &pairs, kelvins, with).ok()
    })
}

fn build(sites: &[Site], pairs: &[Pair], kelvins: f64, with: With) -> Result<PassiveCircuit> {
    let n = sites.len();
    let at = ThermodynamicTemperature::new::<kelvin>(kelvins);
    let farads = |value: f64| Capacitance::new::<farad>(FEMTO * value);
    let ohms = |value: f64| ElectricalResistance::new::<ohm>(MEGOHM * value);
    let mut circuit = Circuit::new();
    let mut capacitance = DMatrix::zeros(n, n);
    let mut inductances = Vec::new();
    let nodes: Vec<NodeId> = (0..n)
        .map(|i| circuit.node(&format!("n{i}")))
        .collect::<Result<_>>()?;
    for (i, &(c, r, shape, kind)) in sites.iter().enumerate() {
        circuit.capacitor(nodes[i], None, farads(c))?;
        capacitance[(i, i)] += FEMTO * c;
        circuit.resistor(nodes[i], None, ohms(r), at)?;
        match with {
            With::Nothing => {}
            With::Inductors => {
                // L/R² of the order of C: neither overdamped beyond use nor a resonator of high quality.
                let henries = shape * c * FEMTO * (MEGOHM * r).powi(2);
                let coil = Inductance::new::<henry>(henries);
                circuit.inductor(Some(nodes[i]), None, coil, ohms(0.3 * r), at)?;
                inductances.push(henries);
            }
            With::Conductors => {
                let thermal = (BOLTZMANN * kelvins / (FEMTO * c)).sqrt();
                let curve = conductor(kind, shape, 1.0 / (MEGOHM * r), thermal);
                circuit.conductor(Some(nodes[i]), None, &curve, at)?;
            }
        }
    }
    let all = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
    for ((i, j), (c, r)) in all.zip(pairs) {
        if let Some(c) = c {
            circuit.capacitor(nodes[i], Some(nodes[j]), farads(*c))?;
            for (a, b, sign) in [(i, i, 1.0), (j, j, 1.0), (i, j, -1.0), (j, i, -1.0)] {
                capacitance[(a, b)] += sign * FEMTO * c;
            }
        }
        if let Some(r) = r {
            circuit.resistor(nodes[i], Some(nodes[j]), ohms(*r), at)?;
        }
    }
    Ok(PassiveCircuit {
        circuit,
        capacitance,
        inductances,
        kelvins,
    })
}

/// An i–v curve that bends within the thermal voltage.
fn conductor(kind: u8, shape: f64, slope: f64, thermal: f64) -> Conductor {
    match kind {
        0 => Conductor::Saturating {
            conductance: ElectricalConductance::new::<siemens>(slope),
            ratio: shape,
            width: ElectricPotential::new::<volt>(thermal),
        },
        1 => {
            let cubic = slope / (thermal * thermal);
            Conductor::Polynomial(vec![0.0, slope, 0.9 * shape * slope / thermal, cubic])
        }
        _ => Conductor::Junction {
            saturation: ElectricCurrent::new::<ampere>(2.0 * slope * thermal),
            width: ElectricPotential::new::<volt>(2.5 * thermal),
        },
    }
}
