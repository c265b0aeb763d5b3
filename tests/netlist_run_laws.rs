//! Runs of netlists: the law is that of A P + P Aᵀ = D in every precision and by every generator; large networks are checked
//! and started without a full matrix.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use thermochip::circuit::spice::{Deck, read};
use thermochip::circuit::{Plan, Precision, Traces, balance, chain_steps, linear, simulate};
use thermochip::dynamics::{Control, Generator};
use thermochip::error::Result;

static RUNNING: AtomicBool = AtomicBool::new(false);

fn silent() -> Control<'static> {
    Control {
        interrupted: &RUNNING,
        progress: &|_| {},
    }
}

fn plan(deck: &Deck, chains: usize, scheme: &str) -> Plan {
    let t = deck.transient.unwrap();
    Plan {
        chains,
        seed: deck.seed.unwrap_or(5),
        generator: deck.generator.unwrap_or_default(),
        precision: deck.precision.unwrap_or_default(),
        scheme: Some(scheme.to_owned()),
        step: deck.step,
        largest_step: t.largest,
        tolerance: 0.01,
        every: t.step,
        span: (t.start, t.stop),
        initial: Vec::new(),
    }
}

/// Three nodes at two temperatures, floating and coupled, on a bias of 90 mV; recorded from 29 to 30 of the slowest times.
const BRIDGE: &str = "bridge
V1 s 0 0.1
R1 s a 1Meg temp=26.85
R2 a b 2Meg temp=126.85
R3 b c 1Meg temp=26.85
R4 c 0 9Meg temp=26.85
C1 a 0 10f
C2 b 0 12f
C3 c 0 8f
C12 a b 3f
.tran 0.2u 6u 5.8u
";
const CHAINS: usize = 16_384;

fn bridge(scheme: &str, precision: Precision, generator: Generator, chains: usize) -> Traces {
    let deck = read(BRIDGE).unwrap();
    let plan = Plan {
        precision,
        generator,
        step: (scheme != "ornstein-uhlenbeck").then_some(1e-9),
        ..plan(&deck, chains, scheme)
    };
    simulate(&deck.circuit, &plan, silent()).unwrap()
}

/// (means, covariance) of a, b and c at the end, over chains.
fn moments(traces: &Traces) -> ([f64; 3], [[f64; 3]; 3]) {
    let (width, draws) = (traces.names.len(), traces.t.len());
    let columns =
        ["v(a)", "v(b)", "v(c)"].map(|name| traces.names.iter().position(|n| n == name).unwrap());
    let at = |chain: usize, i: usize| traces.x[(chain * draws + draws - 1) * width + columns[i]];
    let n = traces.chains as f64;
    let over = |f: &dyn Fn(usize) -> f64| (0..traces.chains).map(f).sum::<f64>() / n;
    let mean = [0, 1, 2].map(|i| over(&|c| at(c, i)));
    let of = |i: usize, j: usize| over(&|c| (at(c, i) - mean[i]) * (at(c, j) - mean[j]));
    (mean, [0, 1, 2].map(|i| [0, 1, 2].map(|j| of(i, j))))
}

/// Largest deviation of means and covariances from the exact ones (scaled by `mutation`) in standard errors.
fn deviation(traces: &Traces, mutation: f64) -> f64 {
    let p = linear::covariance(&read(BRIDGE).unwrap().circuit).unwrap() * mutation;
    let (mean, covariance) = moments(traces);
    // The divider of 13 Meg: 0.1 V times what is below each node.
    let wanted = [12.0, 10.0, 9.0].map(|r| 0.1 * r / 13.0);
    let n = traces.chains as f64;
    let mut worst = 0.0f64;
    for i in 0..3 {
        worst = worst.max((mean[i] - wanted[i]).abs() / (p[(i, i)] / n).sqrt());
        for j in 0..=i {
            let se = ((p[(i, i)] * p[(j, j)] + p[(i, j)].powi(2)) / n).sqrt();
            worst = worst.max((covariance[i][j] - p[(i, j)]).abs() / se);
        }
    }
    worst
}

/// Nine numbers a run, each within 6 standard errors (2e-9), eight runs: a false alarm in 1.5e-7 of all runs. A temperature
/// off by a fifth is 18 standard errors of a variance away.
#[test]
fn every_precision_and_generator_has_the_law_of_the_netlist() {
    for generator in Generator::ALL {
        for precision in Precision::ALL {
            let traces = bridge("ornstein-uhlenbeck", precision, generator, CHAINS);
            let worst = deviation(&traces, 1.0);
            assert!(worst < 6.0, "{generator:?} {precision:?}: {worst}");
            assert!(deviation(&traces, 1.2) > 6.0, "power");
        }
    }
    for precision in [Precision::Single, Precision::Mixed] {
        let traces = bridge("implicit-trapezoid", precision, Generator::Pcg, 4096);
        let worst = deviation(&traces, 1.0);
        assert!(worst < 6.0, "{precision:?}: {worst}");
    }
}

#[test]
fn each_choice_has_bits_of_its_own_the_same_for_any_threads() {
    let mut all: Vec<Vec<f64>> = Vec::new();
    for generator in Generator::ALL {
        for precision in Precision::ALL {
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                let work = || bridge("heun", precision, generator, 100).x;
                pool.build().unwrap().install(work)
            };
            let one = run(1);
            assert_eq!(one, run(2), "{generator:?} {precision:?}");
            assert!(all.iter().all(|other| *other != one));
            all.push(one);
        }
    }
}

#[test]
fn a_netlist_states_its_precision_and_generator() {
    let deck = read(&format!(
        "{BRIDGE}*@ precision mixed\n*@ generator chacha8\n"
    ))
    .unwrap();
    assert_eq!(deck.precision, Some(Precision::Mixed));
    assert_eq!(deck.generator, Some(Generator::ChaCha8));
    for line in ["*@ precision f16", "*@ generator mt19937"] {
        let refusal = read(&format!("{BRIDGE}{line}\n")).unwrap_err().to_string();
        assert!(
            refusal.contains("f64") || refusal.contains("chacha8"),
            "{refusal}"
        );
    }
    let single = Plan {
        precision: Precision::Single,
        ..plan(&deck, 1, "implicit-trapezoid")
    };
    let refusal = balance(&deck.circuit, &single, silent()).unwrap_err();
    assert!(refusal.to_string().contains("plan.precision"), "{refusal}");
}

/// What is reported adds up to the steps announced, in few portions where steps are cheap.
#[test]
fn progress_adds_up() {
    let deck = read(BRIDGE).unwrap();
    let plan = Plan {
        step: Some(1e-9),
        ..plan(&deck, 100, "heun")
    };
    let (told, calls) = (AtomicU64::new(0), AtomicU64::new(0));
    let progress = |units: u64| {
        told.fetch_add(units, Ordering::Relaxed);
        calls.fetch_add(1, Ordering::Relaxed);
    };
    let control = Control {
        interrupted: &RUNNING,
        progress: &progress,
    };
    simulate(&deck.circuit, &plan, control).unwrap();
    let announced = chain_steps(&deck.circuit, &plan).unwrap();
    assert_eq!(told.into_inner(), announced);
    // Four tiles, each of 32 chains or fewer for 6000 steps of three rows.
    assert_eq!(calls.into_inner(), 4);
}

/// A ladder of `n` nodes of C = 1 pF between resistors of 1 kΩ, both ends grounded: λ_k = (2 − 2 cos(kπ/(n+1)))/RC.
fn ladder(n: usize) -> String {
    let mut text = format!("ladder of {n}\nR0 0 n1 1k\n");
    for k in 1..=n {
        let next = if k < n {
            format!("n{}", k + 1)
        } else {
            "0".to_owned()
        };
        text += &format!("C{k} n{k} 0 1p\nR{k} n{k} {next} 1k\n");
    }
    text + ".tran 1n 1n\n"
}

fn start(text: &str, scheme: &str, step: Option<f64>) -> Result<Traces> {
    let deck = read(text)?;
    let plan = Plan {
        step,
        ..plan(&deck, 1, scheme)
    };
    simulate(&deck.circuit, &plan, silent())
}

/// 10,000 nodes: the fastest rate is 4/RC to 1e-7, so Euler's limit is RC/2 = 0.5 ns; a step a thousandth below is taken and
/// one a thousandth beyond refused with that number. (By dense eigenvalues this takes hours.)
#[test]
fn a_ladder_of_ten_thousand_nodes_starts() {
    let text = ladder(10_000).replace(".tran 1n 1n", ".tran 0.49950n 0.49950n");
    let traces = start(&text, "euler-maruyama", Some(0.4995e-9)).unwrap();
    // z = 4 · 0.4995: Euler inflates the fastest mode by 1/(1 − z/2).
    let bias = 1.0 / (1.0 - 2.0 * 0.4995) - 1.0;
    assert!((traces.bias.unwrap() / bias - 1.0).abs() < 1e-3);
    let text = text.replace("0.49950n", "0.50050n");
    let refusal = start(&text, "euler-maruyama", Some(0.5005e-9))
        .unwrap_err()
        .to_string();
    assert!(
        refusal.contains("5.00") && refusal.contains("stability limit"),
        "{refusal}"
    );
    // Left alone it takes a step of the tolerance: Heun's z²/4 = 1 %.
    let text = text.replace("0.50050n", "1n");
    let mut deck = read(&text).unwrap();
    deck.scheme = None;
    let free = Plan {
        scheme: None,
        ..plan(&deck, 1, "")
    };
    let traces = simulate(&deck.circuit, &free, silent()).unwrap();
    assert_eq!(traces.scheme, "heun");
    assert!(traces.bias.unwrap().abs() < 0.01 && traces.bias.unwrap().abs() > 0.001);
}

/// The same ladder one node below and one above the size at which the method changes.
#[test]
fn the_two_methods_meet() {
    let bias = |n: usize, scheme: &str| {
        let text = ladder(n).replace(".tran 1n 1n", ".tran 0.1n 0.1n");
        start(&text, scheme, Some(0.1e-9)).unwrap().bias.unwrap()
    };
    for scheme in ["euler-maruyama", "heun", "implicit-trapezoid"] {
        let (dense, sparse) = (bias(200, scheme), bias(201, scheme));
        assert!(
            (dense - sparse).abs() < 1e-3 * dense.abs() + 1e-12,
            "{scheme}: {dense} {sparse}"
        );
    }
}

/// A negative resistor in the middle of a large ladder makes a mode grow; one weaker than its neighbours does not, and a
/// cubic conductor bounds it.
#[test]
fn large_circuits_that_run_away_are_refused() {
    let with = |line: &str| ladder(1000).replace(".tran", &format!("{line}\n.tran"));
    // Seen from inside, either half of the ladder is 1 kΩ in series with half its length: 2/(500 · 1k).
    let refusal = start(&with("G1 n500 0 n500 0 -10u"), "euler-maruyama", None).unwrap_err();
    assert!(
        refusal.to_string().contains("grows without bound"),
        "{refusal}"
    );
    start(&with("G1 n500 0 n500 0 -2u"), "euler-maruyama", None).unwrap();
    start(&with("B1 n500 0 I=-10u*v(n500)+1m*v(n500)^3"), "heun", None).unwrap();
}
