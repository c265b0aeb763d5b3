//! Netlists in and out: what is read is what was meant, what is not understood is refused, ngspice agrees where it is there.

use std::process::Command;
use std::sync::atomic::AtomicBool;
use thermochip::circuit::spice::{NoiseStyle, read, read_raw, write};
use thermochip::circuit::{Plan, Precision, SmallSignal, Traces, linear, simulate};
use thermochip::dynamics::{Control, Generator};
use thermochip::units::BOLTZMANN;

static RUNNING: AtomicBool = AtomicBool::new(false);

fn run(text: &str, scheme: Option<&str>, step: Option<f64>, chains: usize) -> Traces {
    let deck = read(text).unwrap();
    let t = deck.transient.unwrap();
    let plan = Plan {
        chains,
        seed: 3,
        generator: Generator::Pcg,
        precision: Precision::Double,
        scheme: scheme.map(str::to_owned),
        step,
        largest_step: t.largest,
        tolerance: 0.01,
        every: t.step,
        span: (t.start, t.stop),
        initial: deck.initial.clone(),
    };
    let control = Control {
        interrupted: &RUNNING,
        progress: &|_| {},
    };
    simulate(&deck.circuit, &plan, control).unwrap()
}

fn column(traces: &Traces, name: &str) -> Vec<f64> {
    let k = traces
        .names
        .iter()
        .position(|n| n == name)
        .unwrap_or_else(|| panic!("{name}: {:?}", traces.names));
    traces
        .x
        .chunks(traces.names.len())
        .map(|row| row[k])
        .collect()
}

/// Two RC cells and their Lyapunov covariance through suffixes, parameters, subcircuits, temperatures and continuation.
#[test]
fn a_netlist_means_what_spice_means() {
    let text = "two cells
.param r=1Meg c={10f*scale} scale=1
.subckt cell out params: rr=1k
R1 out 0 {rr} temp=126.85   ; 400 K
C1 out 0 {c}
.ends
X1 a cell rr={r}
Xb b cell
+ rr={2*r}
R12 a b 4MegOhm dtemp=50
C12 a b 2fF
.temp 26.85
.tran 1n 1u
.end
anything after the end";
    // `c` needs `scale`, which stands after it: SPICE evaluates in order, so this is an error; put it first.
    assert!(read(text).unwrap_err().to_string().contains("scale"));
    let text = text
        .replace(" scale=1\n", "\n")
        .replace(".param r", ".param scale=1 r");
    let deck = read(&text).unwrap();
    assert_eq!(deck.title, "two cells");
    assert_eq!(deck.circuit.node_names(), ["a", "b"]);
    let p = linear::covariance(&deck.circuit).unwrap();
    // By hand: C = [[12, −2], [−2, 12]] fF, 400 K to ground, 350 K across.
    let k = |t: f64| 2.0 * BOLTZMANN * t;
    let (g1, g2, g) = (1e-6, 0.5e-6, 0.25e-6);
    let c = nalgebra::dmatrix![12e-15, -2e-15; -2e-15, 12e-15]
        .try_inverse()
        .unwrap();
    let a = &c * nalgebra::dmatrix![g1 + g, -g; -g, g2 + g];
    let noise = nalgebra::dmatrix![k(400.0) * g1 + k(350.0) * g, -k(350.0) * g; -k(350.0) * g, k(400.0) * g2 + k(350.0) * g];
    let d = &c * noise * &c;
    let wanted = thermochip::dynamics::linear::lyapunov(&(a * 1e-8), &(d * 1e-8)).unwrap();
    assert!((&p - &wanted).amax() < 1e-9 * wanted.amax(), "{p} {wanted}");
}

/// Sources, B elements, inductors and initial conditions against closed forms; noise off, so there is nothing random.
#[test]
fn deterministic_circuits_follow_their_closed_forms() {
    // RC decay from .ic; RLC ringing; B = cubic: v' = −(v³) g/C from 1 V: v = 1/√(1 + 2gt/C).
    let decay = run(
        "decay\nR1 a 0 1k\nC1 a 0 1n\n.ic v(a)=2\n*@ noise off\n.tran 0.1u 3u\n",
        Some("shark"),
        Some(2e-9),
        1,
    );
    for (t, v) in decay.t.iter().zip(column(&decay, "v(a)")) {
        assert!((v - 2.0 * (-t / 1e-6).exp()).abs() < 1e-5, "{t} {v}");
    }
    let ring = run(
        "ring\nL1 a 0 1u\nC1 a 0 1n\nR1 a 0 1Meg\n.ic v(a)=1\n*@ noise off\n.tran 10n 2u\n",
        Some("implicit-trapezoid"),
        Some(2e-10),
        1,
    );
    let w = 1.0 / (1e-6f64 * 1e-9).sqrt();
    for (k, t) in ring.t.iter().enumerate() {
        let damp = (-t / 2e-3).exp();
        assert!(
            (column(&ring, "v(a)")[k] - damp * (w * t).cos()).abs() < 2e-4,
            "{t}"
        );
        let current = damp * (w * t).sin() * (1e-9f64 / 1e-6).sqrt();
        assert!((column(&ring, "i(l1)")[k] - current).abs() < 1e-5, "{t}");
    }
    let cubic = run(
        "cubic\nB1 a 0 I=1m*v(a)^3\nC1 a 0 1n\n.ic v(a)=1\n.tran 0.1u 3u\n",
        Some("heun"),
        Some(1e-9),
        1,
    );
    for (t, v) in cubic.t.iter().zip(column(&cubic, "v(a)")) {
        assert!(
            (v - 1.0 / (1.0 + 2.0 * t / 1e-6).sqrt()).abs() < 1e-5,
            "{t} {v}"
        );
    }
    // A driven low pass at its corner: amplitude 1/√2, phase −45°.
    let f = 1.0 / (std::f64::consts::TAU * 1e-6);
    let driven = run(
        &format!(
            "driven\nV1 in 0 sin(0 1 {f})\nR1 in a 1k\nC1 a 0 1n\n*@ noise off\n.tran 0.1u 40u\n"
        ),
        Some("heun"),
        Some(2e-9),
        1,
    );
    for (t, v) in driven
        .t
        .iter()
        .zip(column(&driven, "v(a)"))
        .filter(|p| *p.0 > 15e-6)
    {
        let wanted = (t / 1e-6 - std::f64::consts::FRAC_PI_4).sin() / 2f64.sqrt();
        assert!((v - wanted).abs() < 1e-4, "{t} {v} {wanted}");
    }
    assert!((column(&driven, "v(in)")[7] - (0.7f64).sin()).abs() < 1e-9);
}

/// Every refusal names its line.
#[test]
fn what_is_not_understood_is_refused_with_its_line() {
    for (line, words) in [
        ("Q1 a b c model", "elements that begin with \"q\""),
        ("R1 a 0", "fewer than 2 nodes and a value"),
        ("R1 a 0 1k 2k", "more than one value"),
        ("R1 a 0 1k5", "\"1k5\""),
        ("R1 a 0 -1k", "a positive number of ohm"),
        ("R1 a 0 {x}", "the unknown parameter \"x\""),
        ("R1 a 0 1k bv=3", "\"bv\""),
        ("C1 a 0 0", "a positive number of F"),
        ("C1 a a 1p", "two different nodes"),
        ("C2 a 0 1p", "a second element \"c2\""),
        (
            "*@ prescription R1 ito",
            "a prescription for anything but a diode or a B source",
        ),
        ("*@ prescription D9 ito", "the unknown element \"d9\""),
        ("*@ noise off R99", "the unknown element \"r99\""),
        ("K1 L1 L2 0.5", "the unknown inductor \"l1\""),
        ("D1 a 0 nothing", "the model \"nothing\""),
        (".model m npn(bf=100)", "the model kind \"npn\""),
        (".model m d(bv=100)", "the model parameter \"bv\""),
        ("B1 a 0 V=v(a)", "only I=expression"),
        ("B1 a 0 I=v(a)*v(b)", "a product of different voltages"),
        ("X1 a b nothing", "the unknown subcircuit"),
        ("I1 a 0 exp(0 1)", "\"exp\""),
        ("V1 a 0 pwl(0 1 0 2)", "ascending times"),
        (".noise v(a) V1 dec 10 1 1k", "\".noise\""),
        (".tran 0 1u", "0 < step"),
        (".options magic=1", "the option \"magic\""),
        (".ic v(zz)=1", "the unknown node \"zz\""),
        (".subckt s a", ".subckt without .ends"),
        ("*@ chains many", "the number of chains"),
        ("*@ colour blue", "the directive \"colour\""),
        ("*@ level quantum", "the level"),
    ] {
        let text = format!("title\nC2 a 0 1p\n{line}\n.tran 1n 1u\n.end\n");
        let error = read(&text)
            .err()
            .unwrap_or_else(|| panic!("{line} is accepted"))
            .to_string();
        assert!(
            error.contains("`line 3`") && error.contains(words),
            "{line}: {error}"
        );
        assert_eq!(error.lines().count(), 1);
    }
    // Likely slips are warned of.
    let deck = read("t\nR1 a 0 1M\nC1 a 0 1p\n").unwrap();
    assert!(deck.warnings[0].contains("M is milli") && deck.warnings[0].contains("line 2"));
    assert!(
        read("t\nR1 a 0 1Meg\nC1 a 0 1p\n")
            .unwrap()
            .warnings
            .is_empty()
    );
}

/// The bias that a run reports is what its step does to the variance of the fastest mode: 1/(1 − z/2) − 1 by Euler–Maruyama
/// at z = h/RC, the tolerance where it chooses the step, none by the exact scheme.
#[test]
fn runs_report_the_bias_of_their_step() {
    let text = "t\nR1 a 0 1k\nC1 a 0 1n\n.tran 1u 20u\n";
    let given = run(text, Some("euler-maruyama"), Some(0.1e-6), 2);
    let bias = given.bias.unwrap();
    assert!((bias - (1.0 / 0.95 - 1.0)).abs() < 1e-9, "{bias}");
    // A chosen step divides the time between records, so it may be shorter than the tolerance allows.
    let chosen = run(text, Some("euler-maruyama"), None, 2);
    let z = chosen.step / 1e-6;
    assert!((chosen.bias.unwrap() - (1.0 / (1.0 - 0.5 * z) - 1.0)).abs() < 1e-9);
    assert!(chosen.bias.unwrap() > 0.009, "{:?}", chosen.bias);
    let exact = run(text, None, None, 2);
    assert_eq!(exact.scheme, "ornstein-uhlenbeck");
    assert!(exact.bias.unwrap().abs() < 1e-9, "{:?}", exact.bias);
}

fn refusal(text: &str) -> String {
    let deck = read(text).unwrap();
    let plan = Plan {
        chains: 1,
        seed: 0,
        generator: Generator::Pcg,
        precision: Precision::Double,
        scheme: deck.scheme.clone(),
        step: deck.step,
        largest_step: None,
        tolerance: 0.5,
        every: 1e-6,
        span: (0.0, 1e-5),
        initial: vec![],
    };
    let control = Control {
        interrupted: &RUNNING,
        progress: &|_| {},
    };
    simulate(&deck.circuit, &plan, control)
        .unwrap_err()
        .to_string()
}

/// Circuits without a law: each refused in words of its own.
#[test]
fn circuits_that_cannot_be_simulated_are_refused() {
    for (text, words) in [
        (
            "t\nR1 a b 1k\nC1 a 0 1p\nR2 b 0 1k\n",
            "\"b\" has no capacitance",
        ),
        ("t\nC1 a b 1p\nR1 a 0 1k\nR2 b 0 1k\n", "C is singular"),
        (
            "t\nG1 a 0 a 0 -1m\nC1 a 0 1p\nR1 a 0 2k\n",
            "bounding element",
        ),
        (
            "t\nB1 a 0 I=-1m*v(a)^3\nC1 a 0 1p\n",
            "an odd leading power that draws current",
        ),
        (
            "t\nR1 a 0 1k\nC1 a 0 1n\n*@ scheme euler-maruyama\nV1 b 0 1\nV2 b 0 2\n",
            "loop of voltage sources",
        ),
        (
            "t\nR1 a 0 1k\nC1 a 0 1n\n*@ scheme rk4\n",
            "one of euler-maruyama",
        ),
        (
            "t\nL1 a 0 1u\nC1 a 0 1n\nR1 a 0 1Meg\n*@ scheme euler-maruyama\n*@ step 1u\n",
            "stability limit",
        ),
    ] {
        let error = refusal(text);
        assert!(error.contains(words), "{text}: {error}");
    }
}

/// What is written is read back as the same circuit: the same spectrum at every node.
#[test]
fn a_written_netlist_is_the_circuit() {
    let text = "t\nR1 a 0 1Meg temp=100\nC1 a 0 10f\nR2 a b 2Meg\nC2 b 0 20f\nC12 a b 3f\nG1 0 b a 0 0.1u\nL1 b 0 1m\nI1 0 a dc 1n\n.tran 1n 1u\n";
    let first = read(text).unwrap();
    let written = write(&first.circuit, "again", NoiseStyle::Off, (1e-9, 1e-6));
    let again = read(&written.replace(" uic", "")).unwrap();
    let (a, b) = (
        SmallSignal::new(&first.circuit).unwrap(),
        SmallSignal::new(&again.circuit).unwrap(),
    );
    for f in [1e5, 1e7, 3e8] {
        for node in ["a", "b"] {
            let density = |s: &SmallSignal| {
                s.spectrum(s.node(node).unwrap(), f)
                    .iter()
                    .map(|s| s.1)
                    .sum::<f64>()
            };
            assert!((density(&a) / density(&b) - 1.0).abs() < 1e-9, "{node} {f}");
        }
    }
    // trnoise sources have NA = √(2kT/(R·NT)).
    let noisy = write(
        &first.circuit,
        "noisy",
        NoiseStyle::Transient { step: 1e-10 },
        (1e-9, 1e-6),
    );
    let na = (2.0 * BOLTZMANN * 373.15 / (1e6 * 1e-10)).sqrt();
    assert!(
        noisy.contains(&format!("trnoise({na:e} 1e-10 0 0)")),
        "{noisy}"
    );
}

/// `*@ noise`: what is said last of an element or of the innermost subcircuit around it holds.
#[test]
fn noise_is_switched_where_it_is_said() {
    let variances = |directives: &str| {
        let text = format!(
            "t\n.temp 26.85\n.subckt cell out\nR1 out 0 1k\nC1 out 0 1n\n.ends\nXa a cell\nXb b cell\n{directives}"
        );
        let p = linear::covariance(&read(&text).unwrap().circuit).unwrap();
        [0, 1].map(|i| (p[(i, i)] / (BOLTZMANN * 300.0 / 1e-9)).round())
    };
    for (directives, wanted) in [
        ("", [1.0, 1.0]),
        ("*@ noise off\n", [0.0, 0.0]),
        ("*@ noise off\n*@ noise on xb.r1\n", [0.0, 1.0]),
        ("*@ noise off xa\n", [0.0, 1.0]),
        ("*@ noise off xa\n*@ noise on xa.r1\n", [1.0, 1.0]),
        ("*@ noise on xa.r1\n*@ noise off\n", [0.0, 0.0]),
        ("*@ noise off xa.r1 xb.r1\n*@ noise on\n", [1.0, 1.0]),
    ] {
        assert_eq!(variances(directives), wanted, "{directives}");
    }
    let error = read("t\nR1 a 0 1k\nC1 a 0 1n\n*@ noise on R9\n").unwrap_err();
    assert!(error.to_string().contains("the unknown element \"r9\""));
}

/// A B source with a prescription is the passive conductor of its curve, at its own temperature, whichever way it is
/// written; without one it is noiseless, and a curve that is not passive is refused.
#[test]
fn prescriptions_make_b_sources_conductors() {
    use thermochip::circuit::Conductor;
    use thermochip::dynamics::{Calculus, linear as theory};
    let volts = thermochip::units::ElectricPotential::new::<uom::si::electric_potential::volt>;
    let amperes = thermochip::units::ElectricCurrent::new::<uom::si::electric_current::ampere>;
    let kelvins = thermochip::units::ThermodynamicTemperature::new::<
        uom::si::thermodynamic_temperature::kelvin,
    >;
    let junction = Conductor::Junction {
        saturation: amperes(1e-9),
        width: volts(0.05),
    };
    let tanh = Conductor::Tanh {
        limit: amperes(2e-9),
        width: volts(0.1),
    };
    let polynomial = Conductor::Polynomial(vec![0.0, 1e-6, -1e-6, 1e-6]);
    for (source, curve, calculus) in [
        (
            "a b I=1u*v(a,b)-1u*v(a,b)^2+1u*v(a,b)^3",
            &polynomial,
            "anti-ito",
        ),
        (
            "b a I={1u*v(b,a)+1u*v(b,a)^2+1u*v(b,a)^3}",
            &Conductor::Polynomial(vec![0.0, 1e-6, 1e-6, 1e-6]),
            "ito",
        ),
        ("a b I=2n*tanh(10*v(a,b))", &tanh, "anti-ito"),
        ("b a I=-2n*tanh(10*v(a,b))", &tanh, "stratonovich"),
        ("a b I=1n*(exp(20*v(a,b))-1)", &junction, "anti-ito"),
        ("b a I=1n-1n*exp(v(a,b)/50m)", &junction, "anti-ito"),
    ] {
        let text = |directive: &str| {
            format!(
                "t\nB1 {source} temp=126.85\nC1 a 0 1f\nC2 b 0 2f\nR1 b 0 1Meg temp=-273.15\n{directive}"
            )
        };
        let directive = format!("*@ prescription B1 {calculus}\n");
        let deck = read(&text(&directive)).unwrap();
        let mut wanted = read(&text("").replace("B1", "*")).unwrap().circuit;
        let [a, b] = ["a", "b"].map(|n| wanted.find(n));
        let turned = matches!(curve, Conductor::Polynomial(c) if c[2] > 0.0);
        let ends = if turned { (b, a) } else { (a, b) };
        let calculus = match calculus {
            "ito" => Calculus::Ito,
            "stratonovich" => Calculus::Stratonovich,
            _ => Calculus::AntiIto,
        };
        wanted
            .conductor_read_as(ends.0, ends.1, curve, kelvins(400.0), calculus)
            .unwrap();
        let [got, wanted] = [&deck.circuit, &wanted].map(|c| c.assemble(1e-3, 1e-9).unwrap());
        let silent = read(&text("")).unwrap().circuit.assemble(1e-3, 1e-9);
        let silent = silent.unwrap();
        let row = |assembly: &thermochip::circuit::Assembly, v: [f64; 2]| -> Vec<f64> {
            let circuit = assembly.circuit();
            let names = circuit.node_names().iter();
            names.map(|n| if n == "a" { v[0] } else { v[1] }).collect()
        };
        for v in [[40.0, -30.0], [-25.0, 60.0], [0.0, 0.0]] {
            // The order of the nodes is that of their first mention.
            let at = |assembly: &thermochip::circuit::Assembly| {
                let x = row(assembly, v);
                let (d, f) = (
                    theory::diffusion_at(assembly.process(), &x),
                    theory::force(assembly.process(), &x, 0.0),
                );
                let k = usize::from(assembly.circuit().node_names()[0] != "a");
                (d[(k, k)], f[k])
            };
            let ((d, f), (wd, wf), (sd, sf)) = (at(&got), at(&wanted), at(&silent));
            assert!((d / wd - 1.0).abs() < 1e-9, "{source} {v:?}: {d} {wd}");
            assert!(
                (f - wf).abs() < 1e-9 * (1.0 + wf.abs()),
                "{source}: {f} {wf}"
            );
            assert!(sd == 0.0 && (sf - wf).abs() < 1e-9 * (1.0 + wf.abs()));
        }
        let of = |assembly: &thermochip::circuit::Assembly| {
            let noise = assembly.process().branches[0].noise;
            format!("{:?}", noise.map(|n| n.calculus))
        };
        assert_eq!(of(&got), of(&wanted), "{source}");
    }
    for (source, words) in [
        ("a 0 I=1u*v(a)^3-1u*v(a)", "a passive i-v curve"),
        ("a 0 I=1u*v(b)", "another voltage"),
        ("a b I=1u*v(a)", "another voltage"),
        ("a 0 I=1u*v(a)+1n", "a current at 0 V"),
        ("a 0 I=1n*exp(v(a)/25m)", "a current at 0 V"),
        ("a 0 I=1n*sin(v(a))", "not passive"),
        ("a 0 I=-1n*tanh(v(a))", "a positive number of A"),
        ("a 0 I=1u*v(a) tc1=3", "\"tc1 =\""),
    ] {
        let text = format!("t\nB1 {source}\nC1 a 0 1f\nC2 b 0 1f\n*@ prescription B1 anti-ito\n");
        let error = read(&text).unwrap_err().to_string();
        assert!(
            error.contains("`line 2`") && error.contains(words),
            "{source}: {error}"
        );
    }
}

/// What SPICE has no element for is written as what it has: junctions and transistors read back with the same currents,
/// every additive noise has a source of its density.
#[test]
fn written_elements_keep_their_laws() {
    use thermochip::circuit::{Circuit, Mosfet};
    use thermochip::dynamics::linear as theory;
    use thermochip::units::*;
    let farads = Capacitance::new::<uom::si::capacitance::farad>;
    let amperes = ElectricCurrent::new::<uom::si::electric_current::ampere>;
    let volts = ElectricPotential::new::<uom::si::electric_potential::volt>;
    let at = ThermodynamicTemperature::new::<uom::si::thermodynamic_temperature::kelvin>(300.0);
    let fresh = || {
        let mut circuit = Circuit::new();
        let nodes = ["a", "b"].map(|n| circuit.node(n).unwrap());
        for node in nodes {
            circuit.capacitor(node, None, farads(1e-13)).unwrap();
        }
        (circuit, nodes.map(Some))
    };
    let span = (1e-12, 1e-9);
    // A squid beside its own netlist: the same modes.
    let (mut squid, [a, b]) = fresh();
    let henries = uom::si::f64::Inductance::new::<uom::si::inductance::henry>;
    let flux = uom::si::f64::MagneticFlux::new::<uom::si::magnetic_flux::weber>(0.2e-15);
    squid
        .josephson(a, b, amperes(1e-6), Some((henries(1e-9), flux)))
        .unwrap();
    let ohms = ElectricalResistance::new::<uom::si::electrical_resistance::ohm>;
    for node in [a, b] {
        squid.resistor_between(node, None, ohms(100.0), at).unwrap();
    }
    let again = read(&write(&squid, "squid", NoiseStyle::Off, span)).unwrap();
    let [mut modes, mut wanted] = [&again.circuit, &squid].map(|c| {
        let modes = SmallSignal::new(c).unwrap().relaxation();
        modes.iter().map(|l| (l.re, l.im)).collect::<Vec<_>>()
    });
    modes.sort_by(|a, b| a.partial_cmp(b).unwrap());
    wanted.sort_by(|a, b| a.partial_cmp(b).unwrap());
    assert_eq!(modes.len(), wanted.len());
    for (m, w) in modes.iter().zip(&wanted) {
        let size = w.0.hypot(w.1);
        assert!((m.0 - w.0).hypot(m.1 - w.1) < 1e-6 * size, "{m:?} {w:?}");
    }
    // A transistor beside its own netlist: the same currents (with noise they have half a charge in them).
    for p_channel in [false, true] {
        let transistor = |noisy: bool| {
            let (mut circuit, [a, b]) = fresh();
            let model = Mosfet {
                p_channel,
                current: amperes(1e-9),
                slope: 1.3,
                threshold: volts(0.05),
                inversion: false,
            };
            let pins = [a, b, None, None];
            circuit.mosfet(pins, &model, at, noisy).unwrap();
            circuit
        };
        let written = write(&transistor(true), "transistor", NoiseStyle::Off, span);
        assert!(written.contains("shot noise"), "{written}");
        let again = read(&written).unwrap().circuit;
        let force = |c: &Circuit, x: [f64; 2]| {
            theory::force(c.assemble(1.0, 1e-6).unwrap().process(), &x, 0.0)[0]
        };
        for x in [[0.2, 0.1], [-0.1, 0.15], [0.05, -0.2]] {
            let (got, wanted) = (force(&again, x), force(&transistor(false), x));
            assert!((got / wanted - 1.0).abs() < 1e-9, "{got} {wanted}");
        }
    }
    // Noise: NA² NT is the two-sided density.
    let step = 1e-12;
    let densities = |circuit: &Circuit| -> Vec<f64> {
        let text = write(circuit, "noisy", NoiseStyle::Transient { step }, span);
        let sources = text.lines().filter_map(|l| l.split_once("trnoise("));
        let rms = sources.map(|s| s.1.split(' ').next().unwrap().parse::<f64>().unwrap());
        rms.map(|na| na * na * step).collect()
    };
    let same = |circuit: &Circuit, wanted: f64| {
        let found = densities(circuit);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!((found[0] / wanted - 1.0).abs() < 1e-9, "{found:?} {wanted}");
    };
    let kt = BOLTZMANN * 300.0;
    let (mut coil, [a, b]) = fresh();
    coil.inductor(a, b, henries(1e-6), ohms(50.0), at).unwrap();
    same(&coil, 2.0 * kt / 50.0);
    let (mut pair, [a, b]) = fresh();
    let shape = (amperes(1e-9), volts(0.05));
    pair.differential_pair([a, None], [None, b], shape, at, 1.5)
        .unwrap();
    same(&pair, 2.0 * kt * 1.5 * 1e-9 / 0.05);
    let (mut coloured, [a, b]) = fresh();
    let tau = Time::new::<uom::si::time::second>(1e-9);
    coloured.coloured_noise(a, b, 4e-24, tau).unwrap();
    // Into 1 ohm: the zero-frequency density S0, two-sided half of it.
    same(&coloured, 2e-24);
}

/// ngspice on a netlist in a fresh directory: its stdout and its raw file; `None`, with a message, where it is missing.
fn ngspice(text: &str) -> Option<(String, Option<thermochip::circuit::spice::Waveforms>)> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("x.cir"), text).unwrap();
    let output = Command::new("ngspice")
        .current_dir(dir.path())
        .args(["-b", "-r", "x.raw", "x.cir"])
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: ngspice is not on PATH");
        return None;
    };
    let raw = std::fs::read(dir.path().join("x.raw"))
        .ok()
        .and_then(|b| read_raw(&b).ok());
    Some((String::from_utf8_lossy(&output.stdout).into_owned(), raw))
}

/// ngspice loads our waveforms without a complaint and finds the values in them.
#[test]
fn our_waveforms_load_in_ngspice() {
    use thermochip::circuit::spice::{Waveforms, write_raw};
    let dir = tempfile::tempdir().unwrap();
    let variable = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
    let waveforms = Waveforms {
        title: "a title".to_owned(),
        variables: vec![
            variable("time", "time"),
            variable("v(out)", "voltage"),
            variable("i(l1)", "current"),
        ],
        points: (0..30).map(f64::from).collect(),
    };
    std::fs::write(dir.path().join("ours.raw"), write_raw(&waveforms)).unwrap();
    let deck = "loads\n.control\nload ours.raw\nprint mean(v(out)) mean(i(l1)) length(time)\nquit\n.endc\n.end\n";
    std::fs::write(dir.path().join("x.cir"), deck).unwrap();
    let output = Command::new("ngspice")
        .current_dir(dir.path())
        .args(["-b", "x.cir"])
        .output();
    let Ok(output) = output else {
        eprintln!("skipped: ngspice is not on PATH");
        return;
    };
    let all = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&all).to_lowercase();
    for words in [
        "mean(v(out)) = 1.450000e+01",
        "mean(i(l1)) = 1.550000e+01",
        "length(time) = 1.000000e+01",
    ] {
        assert!(said.contains(words), "{said}");
    }
    for words in ["error", "no such command", "warning"] {
        assert!(!said.contains(words), "{said}");
    }
}

/// The same recorded noise (PWL) through ngspice and through us: rms difference of the paths ≤ 3e-4 of the rms voltage, on a
/// linear and on a cubic circuit; a resistor 1 % off is far outside.
#[test]
fn paths_are_ngspices() {
    let nt = 1e-9;
    let noise = |seed: u64| {
        use rand_distr::{Distribution, StandardNormal};
        let mut rng = thermochip::dynamics::streams::chain_rng(seed, 0, 0);
        let points: Vec<String> = (0..2001)
            .map(|k| {
                let z: f64 = StandardNormal.sample(&mut rng);
                format!("{:e} {:e}", f64::from(k) * nt, 1e-6 * z)
            })
            .collect();
        format!("pwl({})", points.join("\n+ "))
    };
    for (name, cell) in [
        ("linear", "R1 a 0 100k"),
        ("cubic", "B1 a 0 I=20u*(v(a)*v(a)*v(a)-v(a))"),
    ] {
        let circuit = |cell: &str| {
            format!(
                "{name}\n{cell}\nC1 a 0 0.2p\nC2 b 0 0.3p\nC12 a b 0.1p\nR2 a b 50k\nR3 b 0 200k\nI1 0 a {}\nI2 0 b {}\n.tran 1n 2u 0 {:e} uic\n",
                noise(1),
                noise(2),
                nt / 8.0
            )
        };
        let options = ".options reltol=1e-5\n";
        let Some((said, Some(raw))) = ngspice(&format!("{}{options}.end\n", circuit(cell))) else {
            return;
        };
        let names: Vec<&str> = raw.variables.iter().map(|v| v.0.as_str()).collect();
        let at = names
            .iter()
            .position(|n| *n == "v(a)")
            .unwrap_or_else(|| panic!("{said}"));
        let points: Vec<(f64, f64)> = raw
            .points
            .chunks(names.len())
            .map(|p| (p[0], p[at]))
            .collect();
        let theirs = |t: f64| {
            let k = points
                .partition_point(|p| p.0 < t)
                .clamp(1, points.len() - 1);
            let ((t0, v0), (t1, v1)) = (points[k - 1], points[k]);
            v0 + (v1 - v0) * (t - t0) / (t1 - t0)
        };
        let error = |cell: &str| {
            let ours = run(
                &circuit(cell).replace(" uic", "\n*@ noise off"),
                Some("implicit-trapezoid"),
                Some(nt / 8.0),
                1,
            );
            let v = column(&ours, "v(a)");
            let rms = (v.iter().map(|v| v * v).sum::<f64>() / v.len() as f64).sqrt();
            let square = ours.t.iter().zip(&v).map(|(&t, v)| (v - theirs(t)).powi(2));
            (square.sum::<f64>() / v.len() as f64).sqrt() / rms
        };
        let got = error(cell);
        println!("{name}: {got:e}");
        assert!(got <= 3e-4, "{name}: {got:e}");
        assert!(error(&cell.replace("100k", "101k").replace("20u", "20.2u")) > 1e-3);
    }
}

/// The integral of ngspice's `.noise` against our Lyapunov covariance: within 1e-4.
#[test]
fn noise_integrals_are_ngspices() {
    let circuit = "noise\nR1 a 0 100k dtemp=50\nC1 a 0 1p\nR2 a b 50k\nC2 b 0 2p\nC12 a b 0.5p\nR3 b 0 200k\n.temp 26.85\n";
    let deck = read(circuit).unwrap();
    let p = linear::covariance(&deck.circuit).unwrap();
    let row = deck
        .circuit
        .node_names()
        .iter()
        .position(|n| n == "a")
        .unwrap();
    let wanted = p[(row, row)].sqrt();
    let control = "I0 0 a dc 0 ac 1\n.control\nnoise v(a) I0 dec 400 1 1e12\nsetplot noise2\nset numdgt=10\nprint onoise_total\n.endc\n.end\n";
    let Some((said, _)) = ngspice(&format!("{circuit}{control}")) else {
        return;
    };
    let line = said
        .lines()
        .find(|l| l.contains("onoise_total ="))
        .unwrap_or_else(|| panic!("{said}"));
    let total: f64 = line.split('=').nth(1).unwrap().trim().parse().unwrap();
    println!("ngspice {total:e}, Lyapunov {wanted:e}");
    assert!((total / wanted - 1.0).abs() < 1e-4, "{total:e} {wanted:e}");
}

/// (time, value) columns of a transient, ours or ngspice's, against exact RC responses to the p-bits' recorded levels: rms
/// difference over rms voltage of node `b0`, whose inputs are (p-bit, volts at +1).
fn synapse_error(tau: f64, table: &dyn Fn(&str) -> Vec<f64>, inputs: &[(usize, f64)]) -> f64 {
    let (t, b) = (table("time"), table("v(b0)"));
    let p: Vec<(Vec<f64>, f64)> = inputs
        .iter()
        .map(|&(j, volts)| (table(&format!("v(p{j})")), volts))
        .collect();
    let (mut exact, mut error, mut square) = (b[0], 0.0, 0.0);
    for k in 1..t.len() {
        // A level changes at the beginning of an interval, so its end tells it.
        let aim: f64 = p.iter().map(|(levels, volts)| levels[k] * volts).sum();
        exact = aim + (exact - aim) * (-(t[k] - t[k - 1]) / tau).exp();
        error += (b[k] - exact).powi(2);
        square += exact * exact;
    }
    (error / square).sqrt()
}

/// A die of p-bits as a netlist: the recorded levels drive the synapses as the programmed couplings say, here and in ngspice; a
/// coupling 5 % off is seen. Without a recording, or without synapses, it is refused.
#[test]
fn an_array_of_p_bits_is_written_with_recorded_levels() {
    use thermochip::energy::{Couplings, Ising, Model};
    use thermochip::hardware::{Die, Realisation, Scale, card::card, program};
    let couplings = Couplings::new(3, vec![(0, 1, 0.8), (0, 2, -0.5), (1, 2, 0.3)]).unwrap();
    let model = Model::Ising(Ising::new(vec![0.1, 0.0, -0.2], couplings).unwrap());
    let die = |seed| Die::fabricate(&card("pbit_cmos_subthreshold").unwrap(), seed, None).unwrap();
    let programmed = program(&die(Some(2)), &model, Scale::Fixed(1.0)).unwrap();
    let of = Realisation {
        step: 0.5e-9,
        points: 2000,
        seed: 4,
    };
    let circuit = programmed.recorded_circuit(of).unwrap();
    let text = write(&circuit, "p-bits", NoiseStyle::Off, (0.5e-9, 1e-6));
    let text = text.replace(".tran", "*@ noise off\n.tran");
    let sources = text
        .lines()
        .filter(|l| l.to_lowercase().contains("pwl"))
        .count();
    assert_eq!(sources, 3, "{text}");
    let tau = 5e-9;
    let (_, realised) = programmed.realised_parameters();
    let unit = programmed.volts_per_x();
    let inputs = [(1, unit * realised[0].0), (2, unit * realised[1].0)];
    let off = [(1, 1.05 * inputs[0].1), (2, inputs[1].1)];
    // A level that jumps within a step is felt half a step late: steps far below the synapse.
    let ours = run(&text, Some("implicit-trapezoid"), Some(0.02e-9), 1);
    let table = |name: &str| match name {
        "time" => ours.t.clone(),
        name => column(&ours, name),
    };
    let error = synapse_error(tau, &table, &inputs);
    assert!(error < 0.01, "{error}");
    assert!(synapse_error(tau, &table, &off) > 0.02);
    if let Some((_, Some(raw))) = ngspice(&text) {
        let table = |name: &str| {
            let k = raw.variables.iter().position(|v| v.0 == name).unwrap();
            let rows = raw.points.chunks(raw.variables.len());
            rows.map(|row| row[k]).collect()
        };
        let error = synapse_error(tau, &table, &inputs);
        assert!(error < 0.01, "ngspice {error}");
        assert!(synapse_error(tau, &table, &off) > 0.02);
    }
    let ideal = program(&die(None), &model, Scale::Fixed(1.0)).unwrap();
    assert!(ideal.recorded_circuit(of).is_err());
}
