//! `thermochip reference` as a user runs it: the matrix of energies and samplers, its verdicts and its refusals.
//!
//! A matrix of right samplers is contradicted with probability 1e-4; each test below runs one with fixed seeds, and asks of
//! its cells what holds with far more certainty than that or compares it with itself.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use thermochip::energy::{Couplings, SoftSpin, exact};

fn reference(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_thermochip"))
        .arg("reference")
        .args(arguments)
        .output()
        .unwrap()
}

fn told(output: &Output) -> Value {
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {error}"))
}

fn cell<'a>(matrix: &'a Value, energy: &str, sampler: &str) -> &'a Value {
    let cells = matrix["cells"].as_array().unwrap();
    let wanted = |c: &&Value| c["energy"] == energy && c["sampler"] == sampler;
    cells.iter().find(wanted).unwrap()
}

/// Everything but the clock.
fn without_times(matrix: &Value) -> Vec<Value> {
    let of = |cell: &Value| {
        let mut cell = cell.clone();
        if let Some(found) = cell["found"].as_object_mut() {
            found.retain(|key, _| !key.starts_with("wall") && key != "ess_per_second");
        }
        cell
    };
    matrix["cells"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn a_small_matrix_with_its_report() {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("matrix");
    let folder = Path::new("experiments/reference");
    let files =
        ["ising_pair", "neuron", "potts_triangle"].map(|n| folder.join(format!("{n}.toml")));
    let mut arguments: Vec<&str> = files.iter().map(|f| f.to_str().unwrap()).collect();
    let samplers = "ula,mala,gibbs,metropolis,tempering,exact,analog-ideal";
    arguments.extend(["--samplers", samplers, "--json", "--threads", "1"]);
    let single = told(&reference(&arguments));
    arguments.pop();
    arguments.extend(["2", "--out", out.to_str().unwrap()]);
    let output = reference(&arguments);
    assert_eq!(output.status.code(), Some(0));
    let matrix = told(&output);
    assert_eq!(without_times(&single), without_times(&matrix), "threads");
    let expected = [
        ("ising_pair", "exact", "ok"),
        ("ising_pair", "gibbs", "ok"),
        ("ising_pair", "ula", "not-applicable"),
        ("neuron", "exact", "ok"),
        ("neuron", "mala", "ok"),
        ("neuron", "gibbs", "not-applicable"),
        ("potts_triangle", "exact", "ok"),
        ("potts_triangle", "gibbs", "ok"),
        ("potts_triangle", "metropolis", "ok"),
        ("potts_triangle", "tempering", "ok"),
        ("potts_triangle", "analog-ideal", "ok"),
    ];
    for (energy, sampler, standing) in expected {
        let cell = cell(&matrix, energy, sampler);
        assert_eq!(cell["standing"], standing, "{cell}");
        assert_eq!(cell["found"].is_null(), standing == "not-applicable");
        assert_eq!(cell["reason"].is_string(), standing == "not-applicable");
    }
    // Euler's step is off by about 1 %; that is said beside the error, not failed.
    let ula = cell(&matrix, "neuron", "ula");
    assert!(
        ula["standing"] == "known-bias" || ula["standing"] == "ok",
        "{ula}"
    );
    assert!(ula["found"]["predicted_error"].is_number());
    let gibbs = &cell(&matrix, "potts_triangle", "gibbs")["found"];
    let (tv, floor) = (
        gibbs["tv"].as_f64().unwrap(),
        gibbs["tv_floor"].as_f64().unwrap(),
    );
    assert!(tv > 0.0 && tv < 5.0 * floor, "{tv} {floor}");
    for file in ["reference.json", "figures/matrix.svg", "report.html"] {
        assert!(out.join(file).is_file(), "{file}");
    }
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("potts_triangle") && page.contains("id=\"matrix\""));
    let written: Value =
        serde_json::from_str(&fs::read_to_string(out.join("reference.json")).unwrap()).unwrap();
    assert_eq!(written, matrix);
}

/// Independent draws of all twenty laws (the control column: what it contradicts is its own doing).
#[test]
fn exact_draws_of_the_shipped_set_are_right() {
    let output = reference(&["--samplers", "exact", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let matrix = told(&output);
    let cells = matrix["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 20);
    assert!(cells.iter().all(|c| c["standing"] == "ok"), "{cells:?}");
}

/// Three soft spins whose moments are stated beside them: a mean that is 2 % of a deviation off is found, and costs the
/// exit status.
#[test]
fn stated_moments_are_believed_and_held_against_the_samplers() {
    let place = tempfile::tempdir().unwrap();
    let energy = "version = 1\n[energy]\nkind = \"soft_spin\"\nj2 = [1.0, 1.0, 1.0]\nj4 = [1.0, 1.0, 1.0]\nfields = [0.5, 0.0, -1.0]\n[[digital]]\nsampler = \"hmc\"\n";
    fs::write(place.path().join("three.toml"), energy).unwrap();
    let folder = place.path().to_str().unwrap();
    let asked = [folder, "--samplers", "hmc", "--json"];
    let refused = reference(&asked);
    assert_eq!(refused.status.code(), Some(2));
    let line = String::from_utf8(refused.stderr).unwrap();
    assert!(
        line.contains("three.toml") && line.contains("exact.json"),
        "{line}"
    );
    let mut mean = Vec::new();
    let mut covariance = vec![0.0; 9];
    for (i, field) in [0.5, 0.0, -1.0].into_iter().enumerate() {
        let one = SoftSpin::new(vec![1.0], vec![1.0], vec![field], Couplings::empty(1)).unwrap();
        let moments = exact::quadrature(&one).unwrap();
        mean.push(moments.mean[0]);
        covariance[4 * i] = moments.covariance[(0, 0)];
    }
    let judge = |shift: f64| {
        let mut mean = mean.clone();
        mean[1] += shift;
        let text = json!({ "three": { "mean": mean, "covariance": covariance } }).to_string();
        fs::write(place.path().join("exact.json"), text).unwrap();
        let output = reference(&asked);
        (output.status.code(), told(&output))
    };
    let (status, matrix) = judge(0.0);
    assert_eq!(
        (status, &cell(&matrix, "three", "hmc")["standing"]),
        (Some(0), &json!("ok"))
    );
    let (status, matrix) = judge(0.02 * covariance[4].sqrt());
    let found = cell(&matrix, "three", "hmc");
    assert_eq!((status, &found["standing"]), (Some(1), &json!("biased")));
    assert_eq!(found["found"]["moment"], "mean(1)");
}

#[test]
fn a_wrong_matrix_is_one_line() {
    for (arguments, expected) in [
        (
            &["--samplers", "gibbs,mela"][..],
            "`--samplers` = \"mela\": expected exact, analog-ideal",
        ),
        (
            &["--time-limit", "20"],
            "`--time-limit` = \"20\": expected a time",
        ),
        (&["tests/fixtures/no_such_folder"], "no_such_folder"),
        (&["src"], "expected a folder with experiment files (.toml)"),
    ] {
        let output = reference(arguments);
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(
            line.trim_end().lines().count() == 1 && line.contains(expected),
            "{line}"
        );
    }
    let output = reference(&["--time-limit", "1 ns", "--samplers", "exact", "--json"]);
    let matrix = told(&output);
    assert!(
        matrix["cells"]
            .as_array()
            .unwrap()
            .iter()
            .all(|c| c["standing"] == "not-run")
    );
}
