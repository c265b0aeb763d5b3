//! A scheme's step, a passive circuit, an energy: what is no Markov chain with exact starts.

use super::Caught;
use thermochip::circuit::{Circuit, Conductor as Curve};
use thermochip::dynamics::Calculus;
use thermochip::energy::{Couplings, DiscreteEnergy, Ising};
use thermochip::testing::assertions::conditional_consistency;
use thermochip::testing::view::indexed_spins;
use thermochip::testing::{Followed, Grid, Sequential, no_rectification, step_orders};
use thermochip::units::{
    BOLTZMANN, Capacitance, ElectricPotential, ElectricalConductance, ThermodynamicTemperature,
};
use uom::si::capacitance::farad;
use uom::si::electric_potential::volt;
use uom::si::electrical_conductance::siemens;
use uom::si::thermodynamic_temperature::kelvin;

/// x' = x − h x³ + √(noise · h) ξ, whose noise should be 2.
#[derive(Clone, Copy)]
pub struct Euler(f64);

pub const EULER: Euler = Euler(2.0);
pub const QUIET: Euler = Euler(1.0);

impl Euler {
    pub fn judge(&self, assertion: &str) -> Option<Caught> {
        if assertion != "step_orders" {
            return None;
        }
        let Euler(noise) = *self;
        let step = |h: f64, x: f64, z: &[f64]| x - h * x.powi(3) + (noise * h).sqrt() * z[0];
        let grid = Grid {
            step: 0.02,
            reach: 3.8,
            nodes: 100,
            quadrature: 40,
        };
        // 2 Γ(3/4)/Γ(1/4).
        let square = 0.675_978_240_067_285;
        Some(step_orders("E x²", step, 1, |x| x * x, square, 1.0, &grid))
    }
}

/// A saturating conductor on a capacitor.
#[derive(Clone, Copy)]
pub struct Conductor(pub Calculus);

impl Conductor {
    fn circuit(&self) -> thermochip::error::Result<Circuit> {
        let (farads, kelvins) = (1e-15, 300.0);
        let mut circuit = Circuit::new();
        let node = circuit.node("out")?;
        circuit.capacitor(node, None, Capacitance::new::<farad>(farads))?;
        let curve = Curve::Saturating {
            conductance: ElectricalConductance::new::<siemens>(1e-6),
            ratio: 0.8,
            width: ElectricPotential::new::<volt>((BOLTZMANN * kelvins / farads).sqrt()),
        };
        let at = ThermodynamicTemperature::new::<kelvin>(kelvins);
        circuit.conductor_read_as(Some(node), None, &curve, at, self.0)?;
        Ok(circuit)
    }

    pub fn judge(&self, assertion: &str, test: &Sequential) -> Option<Caught> {
        (assertion == "no_rectification")
            .then(|| no_rectification(&self.circuit().unwrap(), &Followed::default(), test))
    }
}

/// An energy whose local field has the first coupling's sign flipped.
#[derive(Clone, Copy)]
pub struct Field {
    pub flipped: bool,
}

#[derive(Debug)]
struct Wrapped(Ising, bool);

impl DiscreteEnergy for Wrapped {
    fn dim(&self) -> usize {
        self.0.dim()
    }
    fn value(&self, spins: &[i8]) -> f64 {
        self.0.value(spins)
    }
    fn local_field(&self, spins: &[i8], i: usize) -> f64 {
        let flip = if self.1 && i == 0 {
            -2.0 * 0.8 * f64::from(spins[1])
        } else {
            0.0
        };
        self.0.local_field(spins, i) + flip
    }
    fn couplings(&self) -> &Couplings {
        &self.0.couplings
    }
}

impl Field {
    pub fn judge(&self, assertion: &str) -> Option<Caught> {
        if assertion != "conditional_consistency" {
            return None;
        }
        let list = vec![(0, 1, 0.8), (1, 2, -0.5)];
        let couplings = Couplings::new(3, list).unwrap();
        let energy = Wrapped(
            Ising::new(vec![0.3, -0.2, 0.1], couplings).unwrap(),
            self.flipped,
        );
        Some((0..8).try_for_each(|k| conditional_consistency(&energy, &indexed_spins(k, 3), 1e-12)))
    }
}
