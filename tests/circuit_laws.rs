//! Circuits against equipartition and the Lyapunov equation; deterministic, so no false alarms.

use nalgebra::{DMatrix, dmatrix};
use proptest::prelude::*;
use thermochip::circuit::{Circuit, linear};
use uom::si::capacitance::{farad, femtofarad};
use uom::si::electric_current::ampere;
use uom::si::electrical_conductance::siemens;
use uom::si::electrical_resistance::ohm;
use uom::si::f64::{
    Capacitance, ElectricCurrent, ElectricalConductance, ElectricalResistance,
    ThermodynamicTemperature,
};
use uom::si::thermodynamic_temperature::kelvin;

const K: f64 = 1.380_649e-23;

fn farads(c: f64) -> Capacitance {
    Capacitance::new::<farad>(c)
}
fn ohms(r: f64) -> ElectricalResistance {
    ElectricalResistance::new::<ohm>(r)
}
fn at(t: f64) -> ThermodynamicTemperature {
    ThermodynamicTemperature::new::<kelvin>(t)
}

/// V1: kT/C of one node at 300 K.
#[test]
fn one_node_has_kt_over_c() {
    for (c, volts) in [(1e-15, 2.0352e-3), (10e-15, 0.64358e-3), (1e-12, 64.358e-6)] {
        for r in [1e3, 1e9] {
            let mut circuit = Circuit::new();
            let node = circuit.node("n").unwrap();
            circuit.capacitor(node, None, farads(c)).unwrap();
            circuit.resistor(node, None, ohms(r), at(300.0)).unwrap();
            let sd = linear::covariance(&circuit).unwrap()[(0, 0)].sqrt();
            assert!((sd / volts - 1.0).abs() < 3e-5, "{sd}");
            // Euler–Maruyama inflates it by exactly 1/(1 − h/2RC), and stops at h = 2RC.
            let inflated = linear::em_covariance(&circuit, 0.1 * r * c).unwrap()[(0, 0)];
            assert!((inflated / (K * 300.0 / c) - 1.0 / 0.95).abs() < 1e-9);
            assert!(
                (linear::em_stability_limit(&circuit).unwrap() / (2.0 * r * c) - 1.0).abs() < 1e-9
            );
        }
    }
}

/// A random passive network: grounded and coupling capacitors, resistors anywhere.
fn passive(
    n: usize,
    values: &[f64],
    temperatures: impl Fn(usize) -> f64,
) -> (Circuit, DMatrix<f64>) {
    let mut circuit = Circuit::new();
    let nodes: Vec<_> = (0..n)
        .map(|i| circuit.node(&format!("n{i}")).unwrap())
        .collect();
    let mut c = DMatrix::zeros(n, n);
    let mut k = 0;
    let mut next = || {
        k += 1;
        values[k % values.len()]
    };
    for i in 0..n {
        let own = 1e-14 * next();
        circuit.capacitor(nodes[i], None, farads(own)).unwrap();
        c[(i, i)] += own;
        circuit
            .resistor(nodes[i], None, ohms(1e6 * next()), at(temperatures(i)))
            .unwrap();
        for j in 0..i {
            circuit
                .resistor(
                    nodes[i],
                    Some(nodes[j]),
                    ohms(1e6 * next()),
                    at(temperatures(i)),
                )
                .unwrap();
            if (i + j) % 2 == 0 {
                let joint = 1e-14 * next();
                circuit
                    .capacitor(nodes[i], Some(nodes[j]), farads(joint))
                    .unwrap();
                c[(i, i)] += joint;
                c[(j, j)] += joint;
                c[(i, j)] -= joint;
                c[(j, i)] -= joint;
            }
        }
    }
    (circuit, c)
}

proptest! {
    /// Law 1: at one temperature Cov V = kT C⁻¹, whatever the resistors; 2 % more temperature is seen.
    #[test]
    fn equipartition(n in 1usize..6, values in proptest::collection::vec(0.2..5.0f64, 40)) {
        let (circuit, c) = passive(n, &values, |_| 300.0);
        let expected = c.try_inverse().unwrap() * (K * 300.0);
        let covariance = linear::covariance(&circuit).unwrap();
        prop_assert!((&covariance - &expected).amax() < 1e-8 * expected.amax());
        let (hot, _) = passive(n, &values, |_| 306.0);
        let warmer = linear::covariance(&hot).unwrap();
        prop_assert!((&warmer - &expected).amax() > 1e-3 * expected.amax());
    }

    /// Law 2: with two temperatures the law is no longer kT C⁻¹ (heat flows).
    #[test]
    fn unequal_temperatures_break_equipartition(values in proptest::collection::vec(0.2..5.0f64, 40)) {
        let (circuit, c) = passive(3, &values, |i| if i == 0 { 300.0 } else { 1200.0 });
        let one_temperature = c.try_inverse().unwrap() * (K * 300.0);
        let covariance = linear::covariance(&circuit).unwrap();
        prop_assert!((&covariance - &one_temperature).amax() > 0.05 * one_temperature.amax());
    }
}

/// V2: two nodes at temperatures 1 and 4 joined by a noiseless conductance.
#[test]
fn two_temperatures_noiseless_bridge() {
    // Units: C = 1 F, G = 1 S, kT = 1 J; the bridge is two noiseless transconductors and the drop on each node.
    let mut circuit = Circuit::new();
    let nodes = [circuit.node("a").unwrap(), circuit.node("b").unwrap()];
    for (node, t) in nodes.into_iter().zip([1.0, 4.0]) {
        circuit.capacitor(node, None, farads(1.0)).unwrap();
        circuit.resistor(node, None, ohms(1.0), at(t / K)).unwrap();
        circuit.polynomial(node, vec![0.0, 0.5]).unwrap();
    }
    let half = ElectricalConductance::new::<siemens>(0.5);
    circuit
        .transconductor(nodes[0], nodes[1], half, at(0.0), 0.0)
        .unwrap();
    circuit
        .transconductor(nodes[1], nodes[0], half, at(0.0), 0.0)
        .unwrap();
    let p = linear::covariance(&circuit).unwrap();
    assert!((p - dmatrix![0.875, 0.625; 0.625, 2.875]).amax() < 1e-10);
}

/// Equal noise injected at every node makes Cov = (kT/C) G0 G⁻¹, the other encoding of a Gaussian.
#[test]
fn injected_noise_encodes_in_conductances() {
    let precision = dmatrix![2.0, -0.5; -0.5, 1.0];
    let (c, g0, t) = (1e-14, 1e-7, 3e5);
    let mut circuit = Circuit::new();
    let nodes = [circuit.node("a").unwrap(), circuit.node("b").unwrap()];
    for (i, node) in nodes.into_iter().enumerate() {
        circuit.capacitor(node, None, farads(c)).unwrap();
        circuit
            .noise_source(node, ElectricalConductance::new::<siemens>(g0), at(t))
            .unwrap();
        circuit
            .polynomial(node, vec![0.0, g0 * precision[(i, i)]])
            .unwrap();
        let g = ElectricalConductance::new::<siemens>(-g0 * precision[(0, 1)]);
        circuit
            .transconductor(nodes[1 - i], node, g, at(300.0), 0.0)
            .unwrap();
    }
    let p = linear::covariance(&circuit).unwrap() / (K * t / c);
    assert!((p - precision.try_inverse().unwrap()).amax() < 1e-10);
}

/// A cell built from transconductance g brings noise 4kTγg: an active 1/R with γ = 1 is as noisy as a resistor R.
#[test]
fn an_active_cell_has_its_excess_noise() {
    for (excess, share) in [(1.0, 1.0), (0.0, 0.0), (1.5, 1.5)] {
        let mut circuit = Circuit::new();
        let node = circuit.node("n").unwrap();
        circuit.capacitor(node, None, farads(1e-14)).unwrap();
        let g = ElectricalConductance::new::<siemens>(1e-7);
        circuit
            .noisy_polynomial(node, vec![0.0, 1e-7], g, at(300.0), excess)
            .unwrap();
        let variance = linear::covariance(&circuit).unwrap()[(0, 0)] / (K * 300.0 / 1e-14);
        assert!((variance - share).abs() < 1e-9, "{variance}");
        let negative = ElectricalConductance::new::<siemens>(-1e-7);
        let error = circuit.noisy_polynomial(node, vec![0.0], negative, at(300.0), 1.0);
        assert!(error.unwrap_err().to_string().contains("transconductance"));
    }
}

/// Changing values in an assembled circuit gives the process of a fresh assembly, coupling capacitors and all.
#[test]
fn changed_values_equal_a_fresh_assembly() {
    let build = |g: f64, i: f64| {
        let mut circuit = Circuit::new();
        let nodes = [circuit.node("a").unwrap(), circuit.node("b").unwrap()];
        for node in nodes {
            circuit.capacitor(node, None, farads(1e-14)).unwrap();
            circuit.resistor(node, None, ohms(1e7), at(300.0)).unwrap();
        }
        circuit
            .capacitor(nodes[0], Some(nodes[1]), farads(3e-15))
            .unwrap();
        circuit
            .resistor(nodes[0], Some(nodes[1]), ohms(4e7), at(77.0))
            .unwrap();
        let g = ElectricalConductance::new::<siemens>(g);
        let coupler = circuit
            .transconductor(nodes[0], nodes[1], g, at(300.0), 1.5)
            .unwrap();
        let i = ElectricCurrent::new::<ampere>(i);
        let source = circuit.current_source(nodes[1], i).unwrap();
        (circuit.assemble(1e-3, 1e-7).unwrap(), coupler, source)
    };
    let (mut changed, coupler, source) = build(2e-8, 1e-12);
    changed
        .set_values(&[(coupler, -5e-8)], &[(source, 4e-12)])
        .unwrap();
    let (fresh, ..) = build(-5e-8, 4e-12);
    let (was, is) = (fresh.process(), changed.process());
    let matrix = |p| thermochip::dynamics::linear::drift_matrix(p).unwrap();
    assert!((matrix(was) - matrix(is)).amax() < 1e-14);
    assert_eq!(format!("{:?}", was.noise), format!("{:?}", is.noise));
    assert_eq!(was.polynomial, is.polynomial);
    let (other, ..) = build(-5.1e-8, 4e-12);
    assert!((matrix(other.process()) - matrix(is)).amax() > 1e-4);
    // The wrong kind of element, or a value that is none, is refused.
    assert!(changed.set_values(&[(source, 1e-8)], &[]).is_err());
    assert!(changed.set_values(&[(coupler, f64::NAN)], &[]).is_err());
}

#[test]
fn circuits_without_a_law_are_refused() {
    let mut circuit = Circuit::new();
    let a = circuit.node("a").unwrap();
    let b = circuit.node("b").unwrap();
    assert!(
        circuit
            .node("a")
            .unwrap_err()
            .to_string()
            .contains("not used before")
    );
    for c in [0.0, -1.0, f64::NAN] {
        let error = circuit
            .capacitor(a, None, Capacitance::new::<femtofarad>(c))
            .unwrap_err();
        assert!(error.to_string().contains("capacitance"), "{error}");
    }
    assert!(circuit.resistor(a, None, ohms(0.0), at(300.0)).is_err());
    assert!(circuit.resistor(a, None, ohms(1.0), at(-1.0)).is_err());
    circuit.capacitor(a, None, farads(1e-15)).unwrap();
    assert!(
        circuit
            .assemble(1.0, 1.0)
            .unwrap_err()
            .to_string()
            .contains("\"b\" has no capacitance")
    );
    circuit.capacitor(a, Some(b), farads(1e-15)).unwrap();
    assert!(circuit.assemble(1.0, 1.0).is_ok());
    let mut floating = Circuit::new();
    let (x, y) = (floating.node("x").unwrap(), floating.node("y").unwrap());
    floating.capacitor(x, Some(y), farads(1e-15)).unwrap();
    assert!(
        floating
            .assemble(1.0, 1.0)
            .unwrap_err()
            .to_string()
            .contains("singular")
    );
}
