//! Inductors, sources, junctions, transistors and coloured noise against equipartition, closed forms and the master equation.

use nalgebra::DMatrix;
use proptest::prelude::*;
use std::sync::atomic::AtomicBool;
use thermochip::circuit::{
    ChargeLevel, Circuit, Conductor, Mosfet, NodeId, Row, SmallSignal, linear,
};
use thermochip::dynamics::{
    self as dynamics, Calculus, Control, Ensemble, MasterEquation, NormalBits, Setting, Shown, Wave,
};
use thermochip::testing::assertions::agrees;
use thermochip::testing::transfer::TransferOperator;
use thermochip::units::*;
use uom::si::f64::{Inductance, MagneticFlux};

const K: f64 = BOLTZMANN;
const Q: f64 = ELEMENTARY_CHARGE;

fn farads(c: f64) -> Capacitance {
    Capacitance::new::<uom::si::capacitance::farad>(c)
}
fn ohms(r: f64) -> ElectricalResistance {
    ElectricalResistance::new::<uom::si::electrical_resistance::ohm>(r)
}
fn henries(l: f64) -> Inductance {
    Inductance::new::<uom::si::inductance::henry>(l)
}
fn amperes(i: f64) -> ElectricCurrent {
    ElectricCurrent::new::<uom::si::electric_current::ampere>(i)
}
fn volts(v: f64) -> ElectricPotential {
    ElectricPotential::new::<uom::si::electric_potential::volt>(v)
}
fn siemens(g: f64) -> ElectricalConductance {
    ElectricalConductance::new::<uom::si::electrical_conductance::siemens>(g)
}
fn seconds(t: f64) -> Time {
    Time::new::<uom::si::time::second>(t)
}
fn at(t: f64) -> ThermodynamicTemperature {
    ThermodynamicTemperature::new::<uom::si::thermodynamic_temperature::kelvin>(t)
}

/// Values in turn, from a random list.
struct Deck<'a>(&'a [f64], usize);

impl Deck<'_> {
    fn next(&mut self) -> f64 {
        self.1 += 1;
        self.0[self.1 % self.0.len()]
    }
}

/// A random passive network of resistors, capacitors (some floating) and inductors (two of them coupled).
fn passive(
    n: usize,
    values: &[f64],
    temperature: impl Fn(usize) -> f64,
) -> (Circuit, DMatrix<f64>, DMatrix<f64>) {
    reactive(n, values, temperature, (1.0, 1.0))
}

/// As [`passive`], with all capacitances and all inductances times a factor each.
fn reactive(
    n: usize,
    values: &[f64],
    temperature: impl Fn(usize) -> f64,
    (more_c, more_l): (f64, f64),
) -> (Circuit, DMatrix<f64>, DMatrix<f64>) {
    let mut deck = Deck(values, 0);
    let mut circuit = Circuit::new();
    let nodes: Vec<NodeId> = (0..n)
        .map(|i| circuit.node(&format!("n{i}")).unwrap())
        .collect();
    let mut c = DMatrix::zeros(n, n);
    for i in 0..n {
        let own = 1e-14 * more_c * deck.next();
        c[(i, i)] += own;
        circuit.capacitor(nodes[i], None, farads(own)).unwrap();
        circuit
            .resistor(nodes[i], None, ohms(1e6 * deck.next()), at(temperature(i)))
            .unwrap();
        if i > 0 {
            let joint = 1e-14 * more_c * deck.next();
            circuit
                .capacitor(nodes[i], Some(nodes[i - 1]), farads(joint))
                .unwrap();
            c[(i, i)] += joint;
            c[(i - 1, i - 1)] += joint;
            c[(i, i - 1)] -= joint;
            c[(i - 1, i)] -= joint;
            circuit
                .resistor(
                    nodes[i],
                    Some(nodes[i - 1]),
                    ohms(1e6 * deck.next()),
                    at(temperature(i)),
                )
                .unwrap();
        }
    }
    let mut coils = Vec::new();
    let mut l = DMatrix::zeros(n, n);
    for (i, &node) in nodes.iter().enumerate() {
        let other = (i > 0).then(|| nodes[i - 1]);
        let value = 1e-3 * more_l * deck.next();
        l[(i, i)] = value;
        coils.push(
            circuit
                .inductor(
                    Some(node),
                    other,
                    henries(value),
                    ohms(1e4 * deck.next()),
                    at(temperature(i)),
                )
                .unwrap(),
        );
    }
    if n > 1 {
        circuit.mutual(coils[0], coils[1], 0.4).unwrap();
        let m = 0.4 * (l[(0, 0)] * l[(1, 1)]).sqrt();
        l[(0, 1)] = m;
        l[(1, 0)] = m;
    }
    (circuit, c, l)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Law 1 with inductors: Cov V = kT C⁻¹, Cov I = kT L⁻¹, ⟨V Iᵀ⟩ = 0 whatever the resistors; 2 % more temperature is seen,
    /// and so is one hot resistor.
    #[test]
    fn equipartition(n in 1usize..5, values in proptest::collection::vec(0.2..5.0f64, 37)) {
        let t = 300.0;
        let (circuit, c, l) = passive(n, &values, |_| t);
        let p = linear::covariance(&circuit).unwrap();
        let voltages = c.try_inverse().unwrap() * (K * t);
        let currents = l.try_inverse().unwrap() * (K * t);
        let close = |p: &DMatrix<f64>| {
            let v = (p.view((0, 0), (n, n)) - &voltages).amax() / voltages.amax();
            let i = (p.view((n, n), (n, n)) - &currents).amax() / currents.amax();
            let cross = p.view((0, n), (n, n)).amax() / (voltages.amax() * currents.amax()).sqrt();
            v.max(i).max(cross)
        };
        prop_assert!(close(&p) < 1e-7, "{}", close(&p));
        let (hot, ..) = passive(n, &values, |_| 1.02 * t);
        prop_assert!(close(&linear::covariance(&hot).unwrap()) > 5e-3);
        if n > 1 {
            let (uneven, ..) = passive(n, &values, |i| if i == 0 { 4.0 * t } else { t });
            prop_assert!(close(&linear::covariance(&uneven).unwrap()) > 1e-3);
        }
    }

    /// The density of every node is 4kT Re Z, source by source added up; 2 % more temperature is seen.
    #[test]
    fn spectra_are_nyquists(n in 1usize..5, values in proptest::collection::vec(0.2..5.0f64, 37), at_hz in 4.0..8.0f64) {
        let f = 10f64.powf(at_hz);
        for (t, right) in [(300.0, true), (306.0, false)] {
            let (circuit, ..) = passive(n, &values, |_| t);
            let small = SmallSignal::new(&circuit).unwrap();
            let row = small.node("n0").unwrap();
            let density: f64 = small.spectrum(row, f).iter().map(|s| s.1).sum();
            let nyquist = 4.0 * K * 300.0 * small.impedance(row, f).re;
            prop_assert_eq!((density / nyquist - 1.0).abs() < 1e-7, right, "{} {}", density, nyquist);
        }
    }

    /// Detailed balance iff one temperature: the circulation among voltages and among currents vanishes, no heat flows and no
    /// entropy is produced; else entropy is produced, and what one bath loses the others gain.
    #[test]
    fn detailed_balance_needs_one_temperature(n in 2usize..5, values in proptest::collection::vec(0.2..5.0f64, 37), hot in 1.5..4.0f64) {
        for (factor, balanced) in [(1.0, true), (hot, false)] {
            let (circuit, ..) = passive(n, &values, |i| if i == 0 { 300.0 * factor } else { 300.0 });
            let small = SmallSignal::new(&circuit).unwrap();
            let (omega, p) = (small.circulation().unwrap(), small.covariance().unwrap());
            let fastest = small.relaxation().iter().map(|l| l.norm()).fold(0.0, f64::max);
            let turning = |from: usize| {
                let block = omega.view((from, from), (n, n)).amax();
                block / (p.view((from, from), (n, n)).amax() * fastest)
            };
            let seen = turning(0).max(turning(n));
            prop_assert_eq!(seen < 1e-9, balanced, "circulation {}", seen);
            let heat = small.heat().unwrap();
            let unit = K * 300.0 * fastest;
            let sum: f64 = heat.iter().map(|h| h.1).sum();
            prop_assert!(sum.abs() < 1e-7 * unit, "first law {} of {}", sum, unit);
            let entropy = small.entropy_production().unwrap() * 300.0 / unit;
            prop_assert!(entropy > -1e-8, "second law {}", entropy);
            prop_assert_eq!(entropy < 1e-8, balanced, "entropy {}", entropy);
        }
    }

    /// Units of assembly do not matter, and larger reactances slow the clock.
    #[test]
    fn units_and_clocks_are_immaterial(values in proptest::collection::vec(0.2..5.0f64, 37), slow in 1.5..20.0f64) {
        let (circuit, ..) = passive(3, &values, |i| 300.0 + 100.0 * i as f64);
        let law = |v: f64, t: f64| {
            let assembly = circuit.assemble(v, t).unwrap();
            let a = dynamics::linear::drift_matrix(assembly.process()).unwrap();
            let p = dynamics::linear::lyapunov(&a, &dynamics::linear::diffusion(assembly.process())).unwrap();
            let s = assembly.scales();
            DMatrix::from_fn(p.nrows(), p.ncols(), |i, j| p[(i, j)] * s[i] * s[j])
        };
        let (one, other) = (law(1e-3, 1e-8), law(0.2, 3e-10));
        prop_assert!((&one - &other).amax() < 1e-8 * one.amax());
        // L and C times s at the same R: time times s, Cov V and Cov I by 1/s. With C alone it is another circuit.
        let scaled = |factors: (f64, f64)| {
            let (circuit, ..) = reactive(3, &values, |i| 300.0 + 100.0 * i as f64, factors);
            let small = SmallSignal::new(&circuit).unwrap();
            let fastest = small.relaxation().iter().map(|l| l.norm()).fold(0.0, f64::max);
            (small.covariance().unwrap(), fastest)
        };
        let (p, rate) = scaled((1.0, 1.0));
        for (factors, same) in [((slow, slow), true), ((slow, 1.0), false)] {
            let (slower, slower_rate) = scaled(factors);
            let law = (slower * slow - &p).amax() / p.amax();
            let clock = (slower_rate * slow / rate - 1.0).abs();
            prop_assert_eq!(law.max(clock) < 1e-6, same, "{} {}", law, clock);
        }
    }

    /// V3, the stochastic processing unit (arXiv 2312.04836, eqs 4–5): every node has the same R and a generator κ0,
    /// capacitors and mutual inductance join them; v ~ N(0, κ0R C⁻¹), i ~ N(0, κ0R L⁻¹), ⟨i vᵀ⟩ = 0. With one resistor 10 %
    /// off it is not that law.
    #[test]
    fn the_stochastic_processing_unit_has_its_gaussian(n in 1usize..5, values in proptest::collection::vec(0.2..5.0f64, 37), r in 0.3..3.0f64) {
        let (t, ohm) = (1e6, 1e6 * r);
        for (first, right) in [(1.0, true), (1.1, false)] {
            let mut circuit = Circuit::new();
            let mut deck = Deck(&values, 0);
            let nodes: Vec<NodeId> = (0..n).map(|i| circuit.node(&format!("n{i}")).unwrap()).collect();
            let (mut c, mut l) = (DMatrix::zeros(n, n), DMatrix::zeros(n, n));
            let mut coils = Vec::new();
            for i in 0..n {
                let factor = if i == 0 { first } else { 1.0 };
                circuit.resistor(nodes[i], None, ohms(ohm * factor), at(0.0)).unwrap();
                // kT/R of the source is κ0.
                circuit.noise_source(nodes[i], siemens(1.0 / ohm), at(t)).unwrap();
                c[(i, i)] += 1e-14 * deck.next();
                circuit.capacitor(nodes[i], None, farads(c[(i, i)])).unwrap();
                l[(i, i)] = 1e-3 * deck.next();
                coils.push(circuit.inductor(Some(nodes[i]), None, henries(l[(i, i)]), ohms(0.0), at(0.0)).unwrap());
            }
            if n > 1 {
                circuit.mutual(coils[0], coils[1], 0.4).unwrap();
                l[(0, 1)] = 0.4 * (l[(0, 0)] * l[(1, 1)]).sqrt();
                l[(1, 0)] = l[(0, 1)];
            }
            for i in 1..n {
                let joint = 1e-14 * deck.next();
                circuit.capacitor(nodes[i], Some(nodes[i - 1]), farads(joint)).unwrap();
                c[(i, i)] += joint;
                c[(i - 1, i - 1)] += joint;
                c[(i, i - 1)] = -joint;
                c[(i - 1, i)] = -joint;
            }
            let p = linear::covariance(&circuit).unwrap();
            let kappa_r = K * t / ohm * ohm;
            let (volts, currents) = (c.try_inverse().unwrap() * kappa_r, l.try_inverse().unwrap() * kappa_r);
            let v = (p.view((0, 0), (n, n)) - &volts).amax() / volts.amax();
            let i = (p.view((n, n), (n, n)) - &currents).amax() / currents.amax();
            let cross = p.view((0, n), (n, n)).amax() / (volts.amax() * currents.amax()).sqrt();
            prop_assert_eq!(v.max(i).max(cross) < 1e-7, right, "{} {} {}", v, i, cross);
        }
    }

    /// No rectification: a random passive i–v curve at one temperature has mean 0 and second moment kT/C, in the calculus
    /// that its element declares; read as Itô it has not.
    #[test]
    fn no_passive_curve_rectifies(kind in 0usize..3, r in 0.3..0.9f64, width in 0.6..2.0f64) {
        let (t, c) = (300.0, 1e-15);
        let v_u = (K * t / c).sqrt();
        let curve = match kind {
            0 => Conductor::Saturating { conductance: siemens(1e-6), ratio: r, width: volts(width * v_u) },
            1 => Conductor::Polynomial(vec![0.0, 1e-6, 0.9 * 1e-6 * r / v_u, 1e-6 / (v_u * v_u)]),
            _ => Conductor::Junction { saturation: amperes(1e-6 * width * v_u), width: volts(2.5 * width * v_u) },
        };
        let moments = |calculus: Calculus| {
            let mut circuit = Circuit::new();
            let n = circuit.node("n").unwrap();
            circuit.capacitor(n, None, farads(c)).unwrap();
            circuit.conductor_read_as(Some(n), None, &curve, at(t), calculus).unwrap();
            let assembly = circuit.assemble(v_u, c / 1e-6).unwrap();
            let scheme = dynamics::scheme::<f64>("heun").unwrap();
            let at_step = |h: f64| {
                let operator = TransferOperator::new(&*scheme, assembly.process(), h, 6.5, (70, 14)).unwrap();
                [operator.stationary(|v| v), operator.stationary(|v| v * v)]
            };
            let (fine, coarse) = (at_step(0.004), at_step(0.008));
            [0, 1].map(|k| 2.0 * fine[k] - coarse[k])
        };
        let [mean, square] = moments(Calculus::AntiIto);
        prop_assert!(mean.abs() < 3e-3 && (square - 1.0).abs() < 4e-3, "{} {}", mean, square);
        let [mean, square] = moments(Calculus::Ito);
        prop_assert!(mean.abs() > 0.02 || (square - 1.0).abs() > 0.02, "{} {}", mean, square);
    }
}

/// One convention for densities: a cold resistor beside a generator of one-sided 4kTG has kT/C. Where the two-sided 2kTG is
/// taken for the one-sided density it has half of that.
#[test]
fn densities_are_one_sided() {
    let (r, c, t) = (1e6, 1e-14, 300.0);
    let variance = |conductance: f64| {
        let mut circuit = Circuit::new();
        let n = circuit.node("n").unwrap();
        circuit.capacitor(n, None, farads(c)).unwrap();
        circuit.resistor(n, None, ohms(r), at(0.0)).unwrap();
        circuit
            .noise_source(n, siemens(conductance), at(t))
            .unwrap();
        let small = SmallSignal::new(&circuit).unwrap();
        // The density at low frequency, S_I R², says the same.
        let density = small.spectrum(0, 1.0)[0].1 / (4.0 * K * t * r);
        (
            linear::covariance(&circuit).unwrap()[(0, 0)] / (K * t / c),
            density,
        )
    };
    let (square, density) = variance(1.0 / r);
    assert!((square - 1.0).abs() < 1e-9 && (density - 1.0).abs() < 1e-9);
    let (square, density) = variance(0.5 / r);
    assert!((square - 0.5).abs() < 1e-9 && (density - 0.5).abs() < 1e-9);
}

/// V1: a coloured source of the same zero-frequency density gives (kT/C) τ/(τ + τn).
#[test]
fn coloured_noise_heats_less() {
    let (r, c, t) = (1e6, 1e-14, 300.0);
    let tau = r * c;
    for ratio in [0.01, 0.5, 3.0] {
        let mut circuit = Circuit::new();
        let n = circuit.node("n").unwrap();
        circuit.capacitor(n, None, farads(c)).unwrap();
        circuit.resistor(n, None, ohms(r), at(0.0)).unwrap();
        circuit
            .coloured_noise(None, Some(n), 4.0 * K * t / r, seconds(ratio * tau))
            .unwrap();
        let p = linear::covariance(&circuit).unwrap()[(0, 0)];
        let wanted = K * t / c / (1.0 + ratio);
        assert!((p / wanted - 1.0).abs() < 1e-9, "{p} {wanted}");
        // Its density is the Lorentzian of both corners.
        let small = SmallSignal::new(&circuit).unwrap();
        for f in [1e5, 2e7, 3e8] {
            let w = std::f64::consts::TAU * f;
            let got = small.spectrum(0, f)[0].1;
            let lorentz =
                4.0 * K * t * r / (1.0 + (w * tau).powi(2)) / (1.0 + (w * ratio * tau).powi(2));
            assert!((got / lorentz - 1.0).abs() < 1e-9);
        }
    }
}

/// 1/f noise keeps the density A/f in its band to the error that it states, and not outside.
#[test]
fn flicker_noise_is_one_over_f_in_its_band() {
    for (per_decade, most) in [(1, 0.06), (2, 1e-3), (3, 4e-4)] {
        let mut circuit = Circuit::new();
        let n = circuit.node("n").unwrap();
        // R = 1 ohm and no capacitance to speak of: the voltage is the current.
        circuit.capacitor(n, None, farads(1e-15)).unwrap();
        circuit.resistor(n, None, ohms(1.0), at(0.0)).unwrap();
        let band = (1.0, 1e6);
        let stated = circuit
            .flicker_noise(None, Some(n), 1e-12, band, per_decade)
            .unwrap();
        println!("{per_decade} a decade: {stated}");
        assert!(stated < most, "{per_decade}: {stated}");
        let small = SmallSignal::new(&circuit).unwrap();
        let error = |f: f64| {
            let density: f64 = small.spectrum(0, f).iter().map(|s| s.1).sum();
            (density * f / 1e-12 - 1.0).abs()
        };
        for k in 0..=20 {
            let f = 10.0 * 1e4f64.powf(f64::from(k) / 20.0);
            assert!(
                error(f) <= stated * 1.01 + 1e-9,
                "{f}: {} > {stated}",
                error(f)
            );
        }
        assert!(error(1e-2) > 0.5 && error(1e8) > 0.5);
    }
}

/// Random telegraph noise of ±A and correlation time τ0 into an RC node: variance (AR)² τ0/(τ0 + RC), by simulation
/// (false-alarm rate 1e-6); a correlation time 5 % long is rejected.
#[test]
fn telegraph_noise_has_its_lorentzian() {
    let (r, c, a) = (1e6, 1e-12, 1e-9);
    let tau = r * c;
    let mut circuit = Circuit::new();
    let n = circuit.node("n").unwrap();
    circuit.capacitor(n, None, farads(c)).unwrap();
    circuit.resistor(n, None, ohms(r), at(0.0)).unwrap();
    circuit
        .telegraph(None, Some(n), amperes(a), seconds(2.0 * tau), &[], 0.0)
        .unwrap();
    let assembly = circuit.assemble(a * r, tau).unwrap();
    let h = 0.005;
    let setting = Setting {
        step: h,
        clamped: &[false],
        stiffness: None,
        normals: NormalBits::Full,
    };
    let stepper = dynamics::scheme::<f64>("euler-maruyama")
        .unwrap()
        .prepare(assembly.process(), &setting)
        .unwrap();
    let mut ensemble = Ensemble::<f64>::new(4, 0, 4096, 1, 1).showing(Shown::Nodes);
    static RUNNING: AtomicBool = AtomicBool::new(false);
    let control = Control {
        interrupted: &RUNNING,
        progress: &|_| {},
    };
    let draws = 20;
    let recorded = ensemble.run(&*stepper, 4000, draws, 800, control).unwrap();
    let means: Vec<f64> = recorded
        .x
        .chunks(draws)
        .map(|x| x.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / draws as f64)
        .collect();
    let count = means.len() as f64;
    let mean = means.iter().sum::<f64>() / count;
    let se = (means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / count).sqrt() / count.sqrt();
    // The discrete RC low-pass of a telegraph that is redrawn with probability 1 − e^{−h/τ0} a step.
    let wanted = 2.0 / 3.0;
    agrees("variance", mean, se, wanted, 1e-6).unwrap();
    assert!(agrees("variance", mean, se, 2.1 / 3.1, 1e-6).is_err());
}

/// A junction at rest is as noisy as its conductance: shot noise 2q(I_f + I_r) = 4kTG, so kT/C.
#[test]
fn shot_noise_at_rest_is_johnson_noise() {
    let mut circuit = Circuit::new();
    let n = circuit.node("n").unwrap();
    circuit.capacitor(n, None, farads(1e-14)).unwrap();
    circuit
        .diode(Some(n), None, amperes(1e-9), 1.0, at(300.0))
        .unwrap();
    let small = SmallSignal::new(&circuit).unwrap();
    let p = small.covariance().unwrap()[(0, 0)];
    assert!((p / (K * 300.0 / 1e-14) - 1.0).abs() < 1e-9);
    // Forward biased by a current I ≫ Is, only one direction is left: half the noise of that conductance.
    circuit
        .current_wave(None, Some(n), Wave::Constant(1e-6))
        .unwrap();
    let biased = SmallSignal::new(&circuit).unwrap();
    let p = biased.covariance().unwrap()[(0, 0)];
    let wanted = 0.5 * (1.0 + 1e-9 / (1e-6 + 1e-9));
    assert!(
        (p / (K * 300.0 / 1e-14) - wanted).abs() < 1e-6,
        "{}",
        p / (K * 300.0 / 1e-14)
    );
    let v = K * 300.0 / Q * (1e-6f64 / 1e-9).ln_1p();
    assert!((biased.point[0] / v - 1.0).abs() < 1e-9);
}

/// At rest every junction and transistor is as noisy as its conductance, whatever its ideality or inversion: kT/C. Shot noise
/// of the two currents alone would be n times that for a junction, and x = (V_GB − V_T0)/2nV_T times for a transistor far
/// above threshold.
#[test]
fn noise_at_rest_is_johnson_noise_at_any_ideality_and_inversion() {
    let (t, c, is) = (300.0, 1e-14, 1e-9);
    let v_t = K * t / Q;
    let share = |build: &dyn Fn(&mut Circuit, NodeId)| {
        let mut circuit = Circuit::new();
        let n = circuit.node("n").unwrap();
        circuit.capacitor(n, None, farads(c)).unwrap();
        build(&mut circuit, n);
        let small = SmallSignal::new(&circuit).unwrap();
        (
            small.covariance().unwrap()[(0, 0)] / (K * t / c),
            small.relaxation()[0].re * c,
        )
    };
    for ideality in [1.0, 1.4, 2.0] {
        let (rest, conductance) = share(&|circuit, n| {
            let diode = circuit.diode(Some(n), None, amperes(is), ideality, at(t));
            diode.unwrap();
        });
        assert!((rest - 1.0).abs() < 1e-9, "{ideality}: {rest}");
        assert!((conductance / (is / (ideality * v_t)) - 1.0).abs() < 1e-9);
        // Far forward S = 2qI on a conductance I/(nV_T).
        let (forward, _) = share(&|circuit, n| {
            let diode = circuit.diode(Some(n), None, amperes(is), ideality, at(t));
            diode.unwrap();
            let bias = circuit.current_wave(None, Some(n), Wave::Constant(1e4 * is));
            bias.unwrap();
        });
        assert!((forward / (0.5 * ideality) - 1.0).abs() < 2e-3, "{forward}");
    }
    for (gate, p_channel) in [(-5.0, false), (0.0, false), (8.0, true), (30.0, false)] {
        let (slope, threshold) = (1.3, 2.0 * v_t);
        let build = |inversion: bool| {
            share(&|circuit, n| {
                let sign = if p_channel { -1.0 } else { 1.0 };
                let g = circuit.node("g").unwrap();
                let volts_at = Wave::Constant(sign * gate * v_t);
                circuit.voltage_source(Some(g), None, volts_at).unwrap();
                let model = Mosfet {
                    p_channel,
                    current: amperes(is),
                    slope,
                    threshold: volts(sign * threshold),
                    inversion,
                };
                let pins = [Some(n), Some(g), None, None];
                circuit.mosfet(pins, &model, at(t), true).unwrap();
            })
        };
        let (rest, conductance) = build(true);
        assert!((rest - 1.0).abs() < 1e-9, "{gate}: {rest}");
        // I0/V_T · d/du ln²(1 + e^{u/2}): exponential below, linear above threshold.
        let u = (gate - 2.0) / slope;
        let wanted = is / v_t * f64::exp(u / 2.0).ln_1p() / (1.0 + f64::exp(-u / 2.0));
        assert!((conductance / wanted - 1.0).abs() < 1e-9, "{gate}");
        let (rest, conductance) = build(false);
        assert!((rest - 1.0).abs() < 1e-9, "{gate}: {rest}");
        assert!((conductance / (is / v_t * u.exp()) - 1.0).abs() < 1e-9);
    }
}

/// A differential pair is a transconductor of I_t/w about its balance, with its excess noise, and saturates at I_t.
#[test]
fn differential_pairs_have_their_gain_noise_and_limit() {
    let (tail, width, t, c) = (1e-9, 0.05, 300.0, 1e-14);
    let pair = |excess: f64, push: f64| {
        let mut circuit = Circuit::new();
        let n = circuit.node("n").unwrap();
        circuit.capacitor(n, None, farads(c)).unwrap();
        // Its output back to its input: a conductance I_t/w.
        let shape = (amperes(tail), volts(width));
        let ends = [Some(n), None];
        circuit
            .differential_pair(ends, ends, shape, at(t), excess)
            .unwrap();
        circuit
            .current_wave(None, Some(n), Wave::Constant(push * tail))
            .unwrap();
        SmallSignal::new(&circuit).unwrap()
    };
    for excess in [1.0, 2.5] {
        let small = pair(excess, 0.0);
        let share = small.covariance().unwrap()[(0, 0)] / (K * t / c);
        assert!((share - excess).abs() < 1e-9, "{share}");
        assert!((small.relaxation()[0].re * c * width / tail - 1.0).abs() < 1e-9);
    }
    let pushed = pair(1.0, 0.9);
    assert!((pushed.point[0] / (width * 0.9f64.atanh()) - 1.0).abs() < 1e-8);
}

/// V13: the rf-SQUID's wells and barrier, read off the assembled circuit's own currents.
#[test]
fn the_squid_has_its_two_wells() {
    let (ic, l) = (1e-6, 1e-9);
    let flux_quantum = 2.067833848e-15;
    let squid = |share: f64| {
        let mut circuit = Circuit::new();
        let n = circuit.node("n").unwrap();
        circuit.capacitor(n, None, farads(1e-13)).unwrap();
        circuit.resistor(n, None, ohms(100.0), at(0.1)).unwrap();
        let flux = MagneticFlux::new::<uom::si::magnetic_flux::weber>(share * flux_quantum);
        circuit
            .josephson(Some(n), None, amperes(ic), Some((henries(l), flux)))
            .unwrap();
        circuit
    };
    let assembly = squid(0.5).assemble(1e-6, 1e-12).unwrap();
    let phase = assembly
        .rows()
        .position(|r| matches!(r, Row::State(_)))
        .unwrap();
    // dU/dφ = −(Φ0/2π) (current into the node), from the force on the node at V = 0.
    let unit = 1e-13 * 1e-6 / 1e-12;
    let slope = |phi: f64| {
        let mut x = vec![0.0; 2];
        x[phase] = phi;
        -dynamics::linear::force(assembly.process(), &x, 0.0)[1 - phase] * unit * flux_quantum
            / std::f64::consts::TAU
    };
    let pi = std::f64::consts::PI;
    assert!(slope(pi).abs() < 1e-30);
    assert!(slope(pi + 2.289).abs() < 1e-3 * slope(pi + 1.0).abs());
    assert!(slope(pi - 2.289).abs() < 1e-3 * slope(pi + 1.0).abs());
    let steps = 20_000;
    let h = 2.289 / f64::from(steps);
    let barrier: f64 = (0..steps)
        .map(|k| -slope(pi + (f64::from(k) + 0.5) * h) * h)
        .sum();
    assert!((barrier / K - 18.97).abs() < 0.01, "{}", barrier / K);
    // At φ_x = 0 there is one well: Var φ = kT/(E_L + E_J), Var V = kT/C.
    let small = SmallSignal::new(&squid(0.0)).unwrap();
    let p = small.covariance().unwrap();
    let reduced = flux_quantum / std::f64::consts::TAU;
    let wanted = K * 0.1 / (reduced * reduced / l + reduced * ic);
    let row = small
        .rows
        .iter()
        .position(|r| matches!(r, Row::State(_)))
        .unwrap();
    assert!((p[(row, row)] / wanted - 1.0).abs() < 1e-8);
    assert!((p[(1 - row, 1 - row)] / (K * 0.1 / 1e-13) - 1.0).abs() < 1e-8);
}

/// The V5 latch as a netlist of four transistors between two rails.
fn latch(vdd: f64, charge: f64, level: ChargeLevel) -> (Circuit, f64) {
    let t = 300.0;
    let v_t = K * t / Q;
    let c = Q / (charge * v_t);
    let mut circuit = Circuit::new();
    let outputs = [circuit.node("v1").unwrap(), circuit.node("v2").unwrap()];
    let rails = [circuit.node("vdd").unwrap(), circuit.node("vss").unwrap()];
    circuit
        .voltage_source(Some(rails[0]), None, Wave::Constant(vdd * v_t))
        .unwrap();
    circuit
        .voltage_source(Some(rails[1]), None, Wave::Constant(-vdd * v_t))
        .unwrap();
    for (out, input) in [(outputs[0], outputs[1]), (outputs[1], outputs[0])] {
        circuit.capacitor(out, None, farads(c)).unwrap();
        for (p_channel, rail) in [(true, rails[0]), (false, rails[1])] {
            let model = Mosfet {
                p_channel,
                current: amperes(1e-9),
                slope: 1.0,
                threshold: volts(0.0),
                inversion: false,
            };
            let pins = [Some(out), Some(input), Some(rail), None];
            circuit.mosfet(pins, &model, at(t), true).unwrap();
        }
    }
    circuit.set_level(level);
    (circuit, v_t)
}

/// V5 from the netlist up: the latch's exact relaxation rate in units of I0/q; without the midpoint rule it is 20–56 % off.
#[test]
fn a_latch_of_four_transistors_flips_at_the_exact_rate() {
    let (circuit, v_t) = latch(1.2, 0.1, ChargeLevel::Poisson);
    let assembly = circuit.assemble(v_t, Q / 1e-9).unwrap();
    assert!(assembly.only_jumps());
    let rate = |process: &dynamics::Process| {
        MasterEquation::new(process, &[0.0, 0.0], 3.2)
            .unwrap()
            .slowest_rate(|x| x[0] - x[1])
    };
    let exact = rate(assembly.process());
    assert!((exact / 4.4492e-3 - 1.0).abs() < 1e-4, "{exact:e}");
    let mut naive = assembly.process().clone();
    for jump in &mut naive.jumps {
        let own = jump.input.iter().map(|&(i, w)| {
            jump.change
                .iter()
                .filter(|c| c.0 == i)
                .map(|c| 0.5 * w * c.1)
                .sum::<f64>()
        });
        jump.log_rate -= own.sum::<f64>();
    }
    assert!((rate(&naive) / 4.4492e-3 - 1.0).abs() > 0.15);
    // The Langevin level of the netlist is that of its jumps: same drift, same diffusion.
    let (langevin, _) = latch(1.2, 0.1, ChargeLevel::Langevin);
    let langevin = langevin.assemble(v_t, Q / 1e-9).unwrap();
    let wanted = assembly.process().langevin_level();
    let x = [0.31, -0.8];
    let d = dynamics::linear::diffusion_at(langevin.process(), &x)
        - dynamics::linear::diffusion_at(&wanted, &x);
    assert!(d.amax() < 1e-9, "{d}");
    let f = dynamics::linear::force(langevin.process(), &x, 0.0)
        - dynamics::linear::force(&wanted, &x, 0.0);
    assert!(f.amax() < 1e-9, "{f}");
}

/// Voltage sources are eliminated: a step through a coupling capacitor moves a node by Cc/(C + Cc), a floating source
/// shifts one node against another, and a loop of sources is refused.
#[test]
fn voltage_sources_hold_their_nodes() {
    let mut circuit = Circuit::new();
    let [a, b, s] = ["a", "b", "s"].map(|n| circuit.node(n).unwrap());
    let line: std::sync::Arc<[(f64, f64)]> = [(0.0, 0.0), (1e-9, 0.0), (2e-9, 1.0)].into();
    circuit
        .voltage_source(Some(s), None, Wave::PiecewiseLinear(line))
        .unwrap();
    circuit.capacitor(a, None, farads(3e-12)).unwrap();
    circuit.capacitor(a, Some(s), farads(1e-12)).unwrap();
    circuit
        .voltage_source(Some(b), Some(a), Wave::Constant(0.5))
        .unwrap();
    circuit.resistor(a, None, ohms(1e9), at(0.0)).unwrap();
    let assembly = circuit.assemble(1.0, 1e-9).unwrap();
    assert_eq!(assembly.process().nodes, 1);
    let setting = Setting {
        step: 0.01,
        clamped: &[false],
        stiffness: None,
        normals: NormalBits::Full,
    };
    let stepper = dynamics::scheme::<f64>("euler-maruyama")
        .unwrap()
        .prepare(assembly.process(), &setting)
        .unwrap();
    let mut ensemble = Ensemble::<f64>::new(0, 0, 1, 1, 0);
    static RUNNING: AtomicBool = AtomicBool::new(false);
    let control = Control {
        interrupted: &RUNNING,
        progress: &|_| {},
    };
    let x = f64::from(ensemble.run(&*stepper, 0, 1, 300, control).unwrap().x[0]);
    let [va, vb, vs] = [0, 1, 2].map(|i| assembly.voltage(i, &[x], 3.0));
    assert!(
        (va - 0.25).abs() < 1e-3 && (vb - va - 0.5).abs() < 1e-12 && vs == 1.0,
        "{va} {vb} {vs}"
    );
    circuit
        .voltage_source(Some(b), None, Wave::Constant(0.0))
        .unwrap();
    circuit
        .voltage_source(Some(a), None, Wave::Constant(0.0))
        .unwrap();
    let error = circuit.assemble(1.0, 1e-9).unwrap_err().to_string();
    assert!(error.contains("loop of voltage sources"), "{error}");
}
