//! Cards from traces: the parameters of a known die come back, each within its error.

use serde_json::Value;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use std::path::Path;
use std::process::Command;
use thermochip::energy::{Couplings, Ising, Model, SoftSpin};
use thermochip::hardware::{Die, Programmed, Scale, card, program};
use thermochip::record::{Array, write_npz};
use thermochip::sampler::{AnalogSampler, Follow, Horizon, Phase, Sampler, Samples, StepRule};

const NODES: usize = 64;
const TAU: f64 = 100e-9;

fn only(name: &str, overrides: &[(&str, &str)], seed: u64, names: &[&str]) -> Die {
    let mut card = card(name).unwrap();
    for (key, value) in overrides {
        card.override_parameter(key, value).unwrap();
    }
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    Die::fabricate(&card, Some(seed), Some(&names)).unwrap()
}

/// 32 chains of 400 readings, half a τ apart.
fn record(chip: Programmed, scheme: &str, step: f64, domain: u64) -> Samples {
    let (rule, silent) = (StepRule::Seconds(step * TAU), Follow::silent());
    let mut sampler =
        AnalogSampler::<f64>::new(chip, 32, (5, domain), rule, scheme, silent).unwrap();
    let phase = Phase {
        burn_in: Horizon::Seconds(15.0 * TAU),
        duration: Horizon::Seconds(200.0 * TAU),
        every: Some(Horizon::Seconds(0.5 * TAU)),
        clamp: None,
    };
    sampler.run(&phase).unwrap().samples
}

fn fit(name: &str, path: &Path, arrays: &[(&str, Array)]) -> Value {
    write_npz(path, arrays).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_thermochip"))
        .args(["fit", name, path.to_str().unwrap(), "--json"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Value and standard error of a row.
fn row(report: &Value, name: &str) -> (f64, f64) {
    let rows = report["rows"].as_array().unwrap();
    let row = rows.iter().find(|r| r["parameter"] == name);
    let row = row.unwrap_or_else(|| panic!("no {name} in {report}"));
    (row["value"].as_f64().unwrap(), row["se"].as_f64().unwrap())
}

/// χ² of the nodes' numbers about the truth, inside the central 1 − 2e-6 of its law; the truth times 1.1 is outside.
fn nodes_agree(report: &Value, name: &str, truth: impl Fn(u64) -> f64) {
    let sum = |factor: f64| -> f64 {
        let nodes = report["nodes"].as_array().unwrap().iter().zip(0u64..);
        nodes
            .map(|(node, i)| {
                let (value, se) = (
                    node[name][0].as_f64().unwrap(),
                    node[name][1].as_f64().unwrap(),
                );
                ((value - factor * truth(i)) / se).powi(2)
            })
            .sum()
    };
    let law = ChiSquared::new(NODES as f64).unwrap();
    let band = law.inverse_cdf(1e-6)..=law.inverse_cdf(1.0 - 1e-6);
    assert!(band.contains(&sum(1.0)), "{name}: {} {band:?}", sum(1.0));
    assert!(!band.contains(&sum(1.1)), "{name}: {} {band:?}", sum(1.1));
}

/// Five standard errors: false-alarm rate 6e-7.
fn agrees(report: &Value, name: &str, truth: f64) {
    let (value, se) = row(report, name);
    assert!(
        (value - truth).abs() < 5.0 * se,
        "{name}: {value} ± {se}, {truth}"
    );
}

/// A die of RC nodes with all of its sites' mismatch: node by node and as the spreads of the card.
#[test]
fn rc_nodes_come_back() {
    let overrides = [
        ("nonidealities.offset", "6 mV"),
        ("nonidealities.tau_sigma", "15 %"),
        ("nonidealities.noise_temperature_sigma", "15 %"),
    ];
    let names = ["offset", "tau", "noise_temperature"];
    let die = only("rc_gaussian", &overrides, 21, &names);
    let cells = SoftSpin::new(
        vec![0.5; NODES],
        vec![0.0; NODES],
        vec![0.0; NODES],
        Couplings::empty(NODES),
    );
    let model = Model::SoftSpin(cells.unwrap());
    let chip = program(&die, &model, Scale::Fixed(1.0)).unwrap();
    let unit = chip.volts_per_x();
    let samples = record(chip, "ornstein-uhlenbeck", 0.5, 1);
    let volts = samples.x.iter().map(|&v| f64::from(v) * unit).collect();
    let scratch = tempfile::tempdir().unwrap();
    let report = fit(
        "rc_gaussian",
        &scratch.path().join("traces.npz"),
        &[
            (
                "x",
                Array::f64(&[samples.chains, samples.draws, NODES], volts),
            ),
            ("t", Array::f64(&[samples.draws], samples.t)),
        ],
    );
    let share = |property: u64, i: u64| 1.0 + 0.15 * die.deviate(property, i);
    nodes_agree(&report, "tau", |i| TAU * share(1, i));
    nodes_agree(&report, "variance", |i| {
        unit * unit * share(2, i) / share(1, i)
    });
    nodes_agree(&report, "offset", |i| 6e-3 * die.deviate(3, i));
    // 64 nodes know a mean to σ/8 and a spread to σ/11.
    agrees(&report, "physics.tau", TAU);
    agrees(&report, "nonidealities.tau_sigma", 0.15);
    agrees(&report, "nonidealities.noise_temperature_sigma", 0.15);
    agrees(&report, "nonidealities.offset", 6e-3);
    let (t, se) = row(&report, "physics.noise_temperature");
    let truth = card("rc_gaussian")
        .unwrap()
        .get("physics.noise_temperature")
        .unwrap();
    // ⟨1/(1 + 0.15 z)⟩ is 1.023.
    assert!((t - 1.023 * truth).abs() < 5.0 * se, "{t} {se} {truth}");
    assert!(row(&report, "nonidealities.tau_sigma").1 < 0.05);
}

/// p-bits at five biases: time constants, their spread, offsets, and the logit per millivolt.
#[test]
fn pbits_come_back() {
    let die = only(
        "pbit_cmos_subthreshold",
        &[("nonidealities.offset", "0.6 mV")],
        8,
        &["offset", "tau"],
    );
    let (mut x, mut t, mut bias) = (Vec::new(), Vec::new(), Vec::new());
    for (k, h) in [-1.0, -0.5, 0.0, 0.5, 1.0].into_iter().enumerate() {
        let model = Model::Ising(Ising::new(vec![h; NODES], Couplings::empty(NODES)).unwrap());
        let chip = program(&die, &model, Scale::Fixed(1.0)).unwrap();
        bias.extend(vec![h * chip.volts_per_x(); 32]);
        let samples = record(chip, "euler-maruyama", 0.5, k as u64);
        x.extend(samples.x.iter().map(|&v| 0.4 * f64::from(v)));
        t = samples.t;
    }
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("traces.npz");
    let arrays = [
        ("x", Array::f64(&[bias.len(), t.len(), NODES], x.clone())),
        ("t", Array::f64(&[t.len()], t.clone())),
        ("bias", Array::f64(&[bias.len()], bias)),
    ];
    let report = fit("pbit_cmos_subthreshold", &path, &arrays);
    nodes_agree(&report, "tau", |i| TAU * (0.2 * die.deviate(5, i)).exp());
    nodes_agree(&report, "offset", |i| 0.6e-3 * die.deviate(6, i));
    nodes_agree(&report, "gain", |_| 1.05);
    agrees(&report, "physics.tau", TAU);
    agrees(&report, "physics.bias_gain", 1.05);
    agrees(&report, "nonidealities.tau_sigma", 0.2);
    agrees(&report, "nonidealities.offset", 0.6e-3);

    // Readings between the levels are no p-bit's; times must be even.
    let refused = |arrays: &[(&str, Array)]| {
        write_npz(&path, arrays).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_thermochip"))
            .args(["fit", "pbit_cmos_subthreshold", path.to_str().unwrap()])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let mut between = arrays.clone();
    x[7] = 0.1;
    between[0].1 = Array::f64(&[160, t.len(), NODES], x);
    assert!(refused(&between).contains("two levels"));
    let mut uneven = arrays.clone();
    let mut times = t;
    times[3] *= 1.5;
    uneven[1].1 = Array::f64(&[times.len()], times);
    assert!(refused(&uneven).contains("evenly spaced"));
    assert!(refused(&arrays[1..]).contains("no array `x`"));
}
