//! Heat, work and entropy: closed forms of heat currents, the first law to each scheme's order, Jarzynski and Crooks (V11).
//!
//! Statistical checks share a false-alarm rate of 1e-5.

use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use std::sync::atomic::AtomicBool;
use thermochip::circuit::spice::read;
use thermochip::circuit::{
    Balance, Circuit, Conductor, Plan, Precision, Role, SmallSignal, balance, simulate,
};
use thermochip::diagnostics::{bennett, jarzynski};
use thermochip::dynamics::{
    Branch, Calculus, Control, Generator, LANES, Law, NormalBits, Process, Row, Setting, Tile,
    Wave, scheme,
};
use thermochip::testing::assertions::{Budget, agrees};
use thermochip::units::*;
use uom::si::capacitance::femtofarad;
use uom::si::electric_potential::volt;
use uom::si::electrical_conductance::siemens;
use uom::si::thermodynamic_temperature::kelvin;

const K: f64 = BOLTZMANN;
/// All statistical checks of this file.
const BUDGET: Budget = Budget {
    total: 1e-5,
    checks: 24,
};

fn silent() -> Control<'static> {
    static NO: AtomicBool = AtomicBool::new(false);
    Control {
        interrupted: &NO,
        progress: &|_| {},
    }
}

fn circuit(text: &str) -> Circuit {
    read(text).unwrap().circuit
}

fn plan(chains: usize, scheme: &str, step: f64, span: (f64, f64)) -> Plan {
    Plan {
        chains,
        seed: 11,
        generator: Generator::Pcg,
        precision: Precision::Double,
        scheme: Some(scheme.to_owned()),
        step: Some(step),
        largest_step: None,
        tolerance: 0.01,
        every: step,
        span,
        initial: Vec::new(),
    }
}

/// Two RC nodes at different temperatures, joined by a capacitor.
fn two_baths(cold: f64, hot: f64) -> String {
    format!(
        "* two baths\n.temp 26.85\nR1 a 0 1Meg temp={}\nC1 a 0 10f\nR2 b 0 2Meg temp={}\nC2 b 0 20f\nC3 a b 15f\n.end\n",
        cold - 273.15,
        hot - 273.15
    )
}

/// arXiv 1301.4311: heat from bath 2 into bath 1, k (T2 − T1) C²/(X Y).
fn heat_current(cold: f64, hot: f64) -> f64 {
    let (r1, r2, c1, c2, c) = (1e6, 2e6, 10e-15, 20e-15, 15e-15);
    let x = c1 * c2 + c * (c1 + c2);
    let y = r1 * (c1 + c) + r2 * (c2 + c);
    K * (hot - cold) * c * c / (x * y)
}

#[test]
fn heat_flows_between_two_baths_as_the_closed_form_says() {
    let small = SmallSignal::new(&circuit(&two_baths(300.0, 900.0))).unwrap();
    let exact = heat_current(300.0, 900.0);
    let heat = small.heat().unwrap();
    assert!((heat[0].1 / exact - 1.0).abs() < 1e-9, "{heat:?} {exact}");
    assert!((heat[1].1 / exact + 1.0).abs() < 1e-9, "{heat:?} {exact}");
    let entropy = small.entropy_production().unwrap();
    assert!((entropy / (exact / 300.0 - exact / 900.0) - 1.0).abs() < 1e-9);
    // Along trajectories: energies of both resistors, measured with their noise.
    let deck = circuit(&two_baths(300.0, 900.0));
    let measured = balance(
        &deck,
        &plan(8192, "implicit-trapezoid", 1e-9, (0.5e-6, 2.5e-6)),
        silent(),
    )
    .unwrap();
    assert_eq!(
        measured.items.iter().map(|i| i.role).collect::<Vec<_>>(),
        [Role::Bath(300.0), Role::Bath(900.0)]
    );
    for (item, sign) in [(0, 1.0), (1, -1.0)] {
        let (power, se) = measured.power(item);
        agrees("heat current", power, se, sign * exact, BUDGET.each()).unwrap();
        // The same at a temperature 2 % off is another number.
        let wrong = sign * heat_current(300.0, 1.02 * 900.0);
        assert!(
            agrees("mutation", power, se, wrong, BUDGET.each()).is_err(),
            "cannot tell {power:e} ± {se:e} from {wrong:e}"
        );
    }
}

/// The enclosed area per time in the plane of two voltages: at a finite lag Δ the antisymmetric part of e^{−AΔ}P/Δ, which
/// is the circulation as Δ → 0; none at one temperature.
#[test]
fn probability_currents_circulate_only_between_unequal_temperatures() {
    for (hot, seen) in [(900.0, true), (300.0, false)] {
        let deck = circuit(&two_baths(300.0, hot));
        let small = SmallSignal::new(&deck).unwrap();
        let omega = small.circulation().unwrap();
        let scale = small.covariance().unwrap()[(0, 0)] * small.relaxation()[0].re;
        assert!((omega[(0, 1)] + omega[(1, 0)]).abs() < 1e-9 * scale);
        assert_eq!(omega[(0, 1)].abs() > 1e-9 * scale, seen, "{omega}");
        let lag = 1e-9;
        let mut plan = plan(4096, "ornstein-uhlenbeck", lag, (0.5e-6, 0.9e-6));
        plan.every = lag;
        let traces = simulate(&deck, &plan, silent()).unwrap();
        let (draws, width) = (traces.t.len(), traces.names.len());
        let areas: Vec<f64> = (0..traces.chains)
            .map(|chain| {
                let at = |k: usize, j: usize| traces.x[(chain * draws + k) * width + j];
                let sum: f64 = (1..draws)
                    .map(|k| at(k - 1, 0) * at(k, 1) - at(k - 1, 1) * at(k, 0))
                    .sum();
                0.5 * sum / (lag * (draws - 1) as f64)
            })
            .collect();
        let n = areas.len() as f64;
        let mean = areas.iter().sum::<f64>() / n;
        let spread = areas.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let se = (spread / n).sqrt();
        // From the exact two-time covariance, written out here from the network's own C and G.
        let c = DMatrix::from_row_slice(2, 2, &[25e-15, -15e-15, -15e-15, 35e-15]);
        let g = DMatrix::from_diagonal(&DVector::from_vec(vec![1e-6, 0.5e-6]));
        let a = c.try_inverse().unwrap() * g;
        let phi = (-(a * lag)).exp();
        let joint = &phi * small.covariance().unwrap();
        let wanted = 0.5 * (joint[(1, 0)] - joint[(0, 1)]) / lag;
        assert!((wanted - omega[(0, 1)]).abs() < 0.06 * omega[(0, 1)].abs() + 1e-9 * scale);
        agrees("area rate", mean, se, wanted, BUDGET.each()).unwrap();
        // Swapping the two temperatures reverses the current: it must be told apart.
        if seen {
            assert!(agrees("mutation", mean, se, -wanted, BUDGET.each()).is_err());
        }
    }
}

fn rms(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut n) = (0.0, 0.0);
    for v in values {
        sum += v * v;
        n += 1.0;
    }
    f64::sqrt(sum / n)
}

fn defects(balance: &Balance) -> f64 {
    rms((0..balance.chains).map(|c| balance.defect(c)))
}

/// A driven, ringing circuit with a double-well cell and two temperatures.
const RINGING: &str = "* ringing
.temp 26.85
V1 in 0 sin(0 2m 20Meg)
R1 in a 1Meg
C1 a 0 10f
C2 in a 2f
L1 a b 20m
R2 b 0 3Meg temp=700
C3 b 0 10f
B1 a 0 i={-1u*v(a)+0.3*v(a)*v(a)*v(a)}
I1 0 b pulse(0 2n 5n 5n 5n 40n)
.end
";

#[test]
fn the_first_law_closes_to_the_order_of_the_scheme() {
    let deck = circuit(RINGING);
    for (scheme, order) in [("euler-maruyama", 1.0), ("heun", 2.0)] {
        let steps = [0.4e-9, 0.2e-9, 0.1e-9];
        let runs =
            steps.map(|h| balance(&deck, &plan(512, scheme, h, (0.0, 80e-9)), silent()).unwrap());
        let [first, second, third] = [0, 1, 2].map(|k| defects(&runs[k]));
        let seen = [(first / second).log2(), (second / third).log2()];
        // 512 chains: the rms is known to 3 %, the order to 0.07; the next order of h adds as much at the first pair.
        assert!(
            (seen[1] - order).abs() < 0.25 && (seen[0] - order).abs() < 0.4,
            "{scheme}: {seen:?} {first:e} {second:e} {third:e}"
        );
        // What closes is not small: heat and work are hundreds of times the defect.
        let heat = rms((0..512).map(|c| runs[2].heat(c)));
        assert!(
            heat > 20.0 * third,
            "{scheme}: heat {heat:e} defect {third:e}"
        );
    }
}

/// Trapezoidal steps of a linear network close the law to rounding, whatever the network; without the work of the noise
/// (heat taken as ∫ G V² dt) it is open by about kT per relaxation time.
#[test]
fn the_first_law_closes_exactly_for_linear_networks() {
    let linear = RINGING.replace("B1 a 0", "* ");
    let coupled = linear.replace("C3 b 0 10f", "C3 b 0 10f\nL2 a 0 30m\nK1 L1 L2 0.5");
    for text in [two_baths(300.0, 900.0), linear, coupled] {
        let deck = circuit(&text);
        let run = balance(
            &deck,
            &plan(256, "implicit-trapezoid", 1e-9, (0.0, 200e-9)),
            silent(),
        )
        .unwrap();
        let heat = rms((0..256).map(|c| run.heat(c)));
        assert!(defects(&run) < 1e-9 * heat, "{:e} {heat:e}", defects(&run));
        // Mutation: noise left out of the heat of the first resistor, whose mean is −kT G bᵀC⁻¹b t.
        let noiseless = |c: usize| run.defect(c) + K * 300.0 * 1e-6 / 12e-15 * 200e-9;
        assert!(rms((0..256).map(noiseless)) > 1e-2 * heat);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The first law of random passive networks at random temperatures, driven by a source: closed to rounding for every
    /// trajectory of trapezoidal steps; with the heat of one resistor 2 % wrong it is open.
    #[test]
    fn the_first_law_closes_on_random_networks(n in 1usize..5, values in proptest::collection::vec(0.2..5.0f64, 41)) {
        let mut k = 0;
        let mut next = || { k += 1; values[k % values.len()] };
        let mut text = String::from("random\nV1 n0 0 sin(0 2m 15Meg)\n");
        for i in 1..=n {
            let (r, c, l, celsius) = (next(), next(), next(), 100.0 * next());
            text += &format!("R{i} n{i} n{} {r}Meg temp={celsius}\nC{i} n{i} 0 {}f\n", i - 1, 10.0 * c);
            text += &format!("Cx{i} n{i} n{} {}f\nL{i} n{i} 0 {}m\n", i - 1, 3.0 * next(), 10.0 * l);
            text += &format!("Rg{i} n{i} 0 {}Meg\n", next());
        }
        if n > 1 {
            text += "K1 L1 L2 0.3\n";
        }
        let plan = plan(32, "implicit-trapezoid", 1e-9, (0.0, 60e-9));
        let run = balance(&circuit(&text), &plan, silent()).unwrap();
        let heat = rms((0..32).map(|c| run.heat(c)));
        prop_assert!(defects(&run) < 1e-9 * heat, "{:e} of {heat:e}\n{text}", defects(&run));
        let first = run.items.iter().position(|i| i.role != Role::Source).unwrap();
        let wrong = |c: usize| run.defect(c) + 0.02 * run.absorbed[c * run.items.len() + first];
        prop_assert!(rms((0..32).map(wrong)) > 1e-5 * heat);
    }
}

/// A ramp of the source over 20 ns (two time constants) after 100 ns of rest.
fn ramp(from: f64, to: f64) -> Wave {
    Wave::PiecewiseLinear([(100e-9, from), (120e-9, to)].into())
}

const STEP_VOLTS: f64 = 1.5e-3;
const FARADS: f64 = 10e-15;

/// What joins the source to the capacitor.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Joint {
    Resistor,
    Coil,
    Conductor(Calculus),
}

fn driven(joint: Joint, wave: Wave) -> Circuit {
    let at = ThermodynamicTemperature::new::<kelvin>(300.0);
    let mut circuit = Circuit::new();
    let (source, out) = (circuit.node("in").unwrap(), circuit.node("out").unwrap());
    let capacitance = Capacitance::new::<femtofarad>(10.0);
    circuit.voltage_source(Some(source), None, wave).unwrap();
    circuit.capacitor(out, None, capacitance).unwrap();
    let ohms = ElectricalResistance::new::<uom::si::electrical_resistance::ohm>;
    match joint {
        Joint::Resistor => circuit.resistor(source, Some(out), ohms(1e6), at).unwrap(),
        Joint::Coil => {
            let henries = uom::si::f64::Inductance::new::<uom::si::inductance::henry>(2e-3);
            circuit
                .inductor(Some(source), Some(out), henries, ohms(3e5), at)
                .unwrap()
        }
        Joint::Conductor(calculus) => {
            let curve = Conductor::Saturating {
                conductance: ElectricalConductance::new::<siemens>(1e-6),
                ratio: 0.8,
                width: ElectricPotential::new::<volt>((K * 300.0 / FARADS).sqrt()),
            };
            circuit
                .conductor_read_as(Some(source), Some(out), &curve, at, calculus)
                .unwrap()
        }
    };
    circuit
}

/// Works in kT.
fn works(joint: Joint, ends: (f64, f64), seed: u64) -> Vec<f64> {
    let wave = ramp(ends.0, ends.1);
    let mut plan = plan(16_384, "heun", 0.25e-9, (100e-9, 120e-9));
    plan.seed = seed;
    let run = balance(&driven(joint, wave), &plan, silent()).unwrap();
    let driving = run.driving.unwrap();
    let kt = K * driving.kelvins;
    let wanted = 0.5 * FARADS * (ends.0.powi(2) - ends.1.powi(2));
    let exact = driving.free_energy.unwrap();
    assert!((exact / wanted - 1.0).abs() < 1e-9, "{exact:e} {wanted:e}");
    driving.work.iter().map(|w| w / kt).collect()
}

#[test]
fn jarzynski_and_crooks_hold_on_driven_circuits() {
    let kt = K * 300.0;
    let exact = -0.5 * FARADS * STEP_VOLTS * STEP_VOLTS / kt;
    let estimates = |joint: Joint| {
        let forward = works(joint, (0.0, STEP_VOLTS), 1);
        let reverse = works(joint, (STEP_VOLTS, 0.0), 2);
        (jarzynski(&forward), bennett(&forward, &reverse), forward)
    };
    for joint in [
        Joint::Resistor,
        Joint::Coil,
        Joint::Conductor(Calculus::AntiIto),
    ] {
        let (j, b, forward) = estimates(joint);
        agrees("Jarzynski", j.value, j.se, exact, BUDGET.each()).unwrap();
        agrees("Crooks", b.value, b.se, exact, BUDGET.each()).unwrap();
        // The second law, by far more than the error: these are no quasi-static ramps.
        let mean = forward.iter().sum::<f64>() / forward.len() as f64;
        assert!(mean > exact + 0.2, "{joint:?}: {mean} {exact}");
        if joint == Joint::Resistor {
            // van Zon & Cohen: the work is Gaussian, with mean −C u²(T²/2 − τT + τ²(1 − e^{−T/τ})).
            let (t, tau) = (20e-9, 1e6 * FARADS);
            let shape = t * t / 2.0 - t * tau + tau * tau * (1.0 - f64::exp(-t / tau));
            let wanted = -FARADS * (STEP_VOLTS / t).powi(2) * shape / kt;
            let variance = 2.0 * (wanted - exact);
            let n = forward.len() as f64;
            agrees(
                "mean work",
                mean,
                (variance / n).sqrt(),
                wanted,
                BUDGET.each(),
            )
            .unwrap();
            let seen = forward.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (n - 1.0);
            let se = variance * (2.0 / n).sqrt();
            agrees("variance", seen, se, variance, BUDGET.each()).unwrap();
        }
    }
    // Mutation: the nonlinear conductor's noise read as circuit simulators read it rectifies, and breaks both.
    let (j, b, _) = estimates(Joint::Conductor(Calculus::Stratonovich));
    assert!(agrees("mutation", j.value, j.se, exact, BUDGET.each()).is_err());
    assert!(agrees("mutation", b.value, b.se, exact, BUDGET.each()).is_err());
}

#[test]
fn no_driving_work_where_there_is_no_equilibrium() {
    let divider =
        "* divider\nV1 in 0 sin(0 1m 1Meg)\nR1 in a 1Meg\nR2 a 0 1Meg\nC1 a 0 10f\n.end\n";
    let run = |text: &str, scheme: &str| {
        balance(
            &circuit(text),
            &plan(4, scheme, 0.5e-9, (0.0, 5e-9)),
            silent(),
        )
    };
    let reason = run(divider, "heun").unwrap().driving.unwrap_err();
    assert!(
        reason.contains("\"v1\" can drive a steady current"),
        "{reason}"
    );
    let current = divider.replace("V1 in 0", "I1 0 a");
    let current = current.replace("R1 in a", "R1 0 a");
    let reason = run(&current, "heun").unwrap().driving.unwrap_err();
    assert!(reason.contains("\"i1\" drives a current"), "{reason}");
    let constant = divider.replace("sin(0 1m 1Meg)", "1m");
    let error = run(&constant, "ornstein-uhlenbeck")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("euler-maruyama, heun or implicit-trapezoid"),
        "{error}"
    );
    let railed = divider.replace(".end", "*@ rails 1\n.end");
    let error = run(&railed, "heun").unwrap_err().to_string();
    assert!(error.contains("rails"), "{error}");
}

/// A spring whose stiffness a wave raises from 1 to 4 within t = 1.
fn spring() -> Process {
    let mut process = Process::still(1);
    process.waves = vec![Wave::PiecewiseLinear([(0.0, 1.0), (1.0, 4.0)].into())];
    process.branches = vec![Branch {
        input: vec![(0, 1.0)],
        waves: Vec::new(),
        offset: 0.0,
        output: vec![(0, 1.0)],
        amplitude: 1.0,
        law: Law::Polynomial(vec![0.0, -1.0]),
        gate: Some(0),
        noise: None,
    }];
    process.noise = thermochip::dynamics::Noise::Diagonal(vec![f64::sqrt(2.0)]);
    process
}

/// (a, b) of every real step x' = a x + b ξ of the gated spring, whose clock is `ahead`.
fn spring_steps(name: &str, h: f64, ahead: f64) -> Vec<(f64, f64)> {
    let process = spring();
    let setting = Setting {
        step: h,
        clamped: &[false],
        stiffness: None,
        normals: NormalBits::Full,
    };
    let stepper = scheme::<f64>(name)
        .unwrap()
        .prepare(&process, &setting)
        .unwrap();
    let mut tile = Tile::<f64>::new((0, 0), 0, LANES, 1, 0);
    stepper.begin(&mut tile);
    tile.time = ahead;
    let steps = (1.0 / h).round() as usize;
    let mut maps = Vec::new();
    for _ in 0..steps {
        // Lane 0 starts at 1 without noise, lane 1 at 0 with ξ = 1.
        tile.x[0] = Row::splat(0.0);
        tile.x[0][0] = 1.0;
        let mut normals = vec![Row::splat(0.0); stepper.normals()];
        normals[0][1] = 1.0;
        stepper.step_given(&mut tile, &normals);
        maps.push((tile.x[0][0], tile.x[0][1]));
    }
    maps
}

/// ⟨e^{−W}⟩ with W = Σ ½ (k_{n+1} − k_n) x², the stiffness raised before each step, which relaxes at the raised one; or half
/// before and half after a step that sees it rise.
fn jarzynski_average(name: &str, h: f64, halves: bool) -> f64 {
    let (mut p, mut average) = (1.0, 1.0);
    let mut raise = |p: &mut f64, by: f64| {
        average /= (1.0 + by * *p).sqrt();
        *p /= 1.0 + by * *p;
    };
    let (before, after, ahead) = if halves {
        (0.5, 0.5, 0.0)
    } else {
        (1.0, 0.0, h)
    };
    for (a, b) in spring_steps(name, h, ahead) {
        raise(&mut p, before * 3.0 * h);
        p = a * a * p + b * b;
        raise(&mut p, after * 3.0 * h);
    }
    average
}

/// V11: ⟨e^{−W}⟩ = √(1/4) for an exact propagator; Euler–Maruyama at h = 0.05 gives .490 and goes there with its order.
#[test]
fn jarzynski_average_of_a_stiffening_spring() {
    let em = jarzynski_average("euler-maruyama", 0.05, false);
    assert!((em - 0.490).abs() < 5e-4, "{em}");
    for (name, halves, order) in [("euler-maruyama", false, 1.0), ("heun", true, 2.0)] {
        let errors = [0.02, 0.01, 0.005].map(|h| jarzynski_average(name, h, halves) - 0.5);
        let seen = (errors[1] / errors[2]).log2();
        assert!((seen - order).abs() < 0.1, "{name}: {seen} {errors:?}");
    }
}

/// Work by discrete path reversal, W = ΔU + ln p(x'|x)/p(x|x'), is exact at any step (arXiv 2609.15439, eq. 14): the mean
/// of e^{−W} is the integral of the reversed path's density. All exponents are quadratic, so it is one determinant.
#[test]
fn path_reversal_work_is_exact_at_a_finite_step() {
    let h = 0.05;
    let maps = spring_steps("euler-maruyama", h, h);
    let n = maps.len() + 1;
    let stiffness = |k: usize| 1.0 + 3.0 * k as f64 * h;
    let step = |m: &mut DMatrix<f64>, from: usize, to: usize, (a, b): (f64, f64), sign: f64| {
        let d = sign / (b * b);
        m[(to, to)] += d;
        m[(from, from)] += d * a * a;
        m[(from, to)] -= d * a;
        m[(to, from)] -= d * a;
    };
    let average = |reversal: bool| {
        // −2 ln of the path's density, and of density times e^{−W}.
        let mut density = DMatrix::zeros(n, n);
        density[(0, 0)] += 1.0;
        let mut work = DMatrix::zeros(n, n);
        for (k, &map) in maps.iter().enumerate() {
            step(&mut density, k, k + 1, map, 1.0);
            if reversal {
                // ΔU of the whole, and forward over backward density of each step.
                step(&mut work, k, k + 1, map, -1.0);
                step(&mut work, k + 1, k, map, 1.0);
            } else {
                work[(k, k)] += stiffness(k + 1) - stiffness(k);
            }
        }
        if reversal {
            work[(n - 1, n - 1)] += stiffness(n - 1);
            work[(0, 0)] -= stiffness(0);
        }
        (density.determinant() / (density + work).determinant()).sqrt()
    };
    assert!((average(true) - 0.5).abs() < 1e-9, "{}", average(true));
    // The same determinant with the plain work is the recursion's .490.
    let plain = jarzynski_average("euler-maruyama", h, false);
    assert!((average(false) - plain).abs() < 1e-9 && (plain - 0.5).abs() > 5e-3);
}
