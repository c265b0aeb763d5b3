//! `thermochip diagnose` as a user runs it: files of draws in, verdicts, exit status and one-line refusals out.

use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use thermochip::record::{Array, write_npz};

fn diagnose(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_thermochip"))
        .arg("diagnose")
        .args(arguments)
        .output()
        .unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line of a refusal.
fn refused(output: &Output, status: i32) -> String {
    let line = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(status), "{line}");
    assert_eq!(line.trim_end().lines().count(), 1, "{line}");
    line.trim_end().to_owned()
}

/// AR(1) draws of two nodes, N(shift, 1) each, `x[chain, draw, node]`.
fn draws(seed: u64, shift: f64, chains: usize, draws: usize) -> Vec<f64> {
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut x = Vec::new();
    for _ in 0..chains {
        let mut v: [f64; 2] = [
            StandardNormal.sample(&mut rng),
            StandardNormal.sample(&mut rng),
        ];
        for _ in 0..draws {
            x.extend(v.map(|v| v + shift));
            v = v.map(|v| {
                let z: f64 = StandardNormal.sample(&mut rng);
                0.5 * v + 0.75f64.sqrt() * z
            });
        }
    }
    x
}

/// A file with 20 chains of 250 draws, 2 ns apart.
fn file(directory: &Path, name: &str, seed: u64, shift: f64) -> PathBuf {
    let path = directory.join(name);
    let x = draws(seed, shift, 20, 250);
    let t = (0..250).map(|k| 2e-9 * f64::from(k)).collect();
    let arrays = [
        ("x", Array::f64(&[20, 250, 2], x)),
        ("t", Array::f64(&[250], t)),
    ];
    write_npz(&path, &arrays).unwrap();
    path
}

#[test]
fn help_has_an_example() {
    let help = printed(&diagnose(&["--help"]));
    for word in [
        "Example: thermochip diagnose",
        "--reference",
        "--centres",
        "--levels",
        "score",
    ] {
        assert!(help.contains(word), "{word} is not in\n{help}");
    }
}

/// Equal laws: fails with probability 3e-3 by design (three claims at 1e-3), so the seed is one of the 99.7 % and the values
/// are then fixed; the shifted law is 10 standard errors away or more.
#[test]
fn a_reference_is_compared() {
    let scratch = tempfile::tempdir().unwrap();
    let here = scratch.path();
    let (a, b) = (file(here, "a.npz", 1, 0.0), file(here, "b.npz", 2, 0.0));
    let out = here.join("out");
    let same = diagnose(&[text(&a), "--reference", text(&b), "--out", text(&out)]);
    assert!(same.status.success(), "{same:?}");
    let words = printed(&same);
    for word in [
        "20 chains of 250 draws, 2 nodes, a draw every 2e-9",
        "the chains have mixed",
        "detailed balance",
        "one law",
        "node 1",
    ] {
        assert!(words.contains(word), "{word} is not in\n{words}");
    }
    let saved: Value =
        serde_json::from_str(&fs::read_to_string(out.join("diagnosis.json")).unwrap()).unwrap();
    let spectrum = &saved["motions"][0]["lorentzian"];
    // A relaxation time of 1/ln 2 draws of 2 ns, within 5 standard errors (6e-7).
    let time = spectrum["time"].as_f64().unwrap();
    let se = spectrum["log_time_se"].as_f64().unwrap();
    assert!(
        ((time * 2f64.ln() / 2e-9).ln() / se).abs() < 5.0,
        "{spectrum}"
    );
    for name in ["mixing", "spectrum-0", "spectrum-1"] {
        let svg = fs::read_to_string(out.join(format!("figures/{name}.svg"))).unwrap();
        assert!(svg.contains("<circle") || svg.contains("<path"), "{name}");
    }
    let shifted = file(here, "c.npz", 3, 0.5);
    let other = diagnose(&[text(&a), "--reference", text(&shifted)]);
    let line = refused(&other, 1);
    assert!(
        line.ends_with("a.npz contradicts: the draws and the reference have one law"),
        "{line}"
    );
    assert!(printed(&other).contains("[FAILS] the draws and the reference have one law"));
}

#[test]
fn the_numbers_are_the_same_for_any_threads() {
    let scratch = tempfile::tempdir().unwrap();
    let (a, b) = (
        file(scratch.path(), "a.npz", 4, 0.0),
        file(scratch.path(), "b.npz", 5, 0.1),
    );
    let run = |threads: &str| {
        let words = [
            text(&a),
            "--reference",
            text(&b),
            "--json",
            "--threads",
            threads,
        ];
        printed(&diagnose(&words))
    };
    let one = run("1");
    let value: Value = serde_json::from_str(&one).unwrap();
    assert_eq!(value["nodes"].as_array().unwrap().len(), 2);
    assert_eq!(one, run("3"));
}

/// CSV with named nodes and chains gives what the array gives.
#[test]
fn csv_is_npz() {
    let scratch = tempfile::tempdir().unwrap();
    let npz = file(scratch.path(), "a.npz", 6, 0.0);
    let mut rows = "chain,t,left,right\n".to_owned();
    for (k, x) in draws(6, 0.0, 20, 250).chunks(2).enumerate() {
        let (chain, draw) = (k / 250, k % 250);
        rows += &format!("c{chain},{:e},{},{}\n", 2e-9 * draw as f64, x[0], x[1]);
    }
    let csv = scratch.path().join("a.csv");
    fs::write(&csv, rows).unwrap();
    let read = |path: &Path| -> Value {
        serde_json::from_str(&printed(&diagnose(&[text(path), "--json"]))).unwrap()
    };
    let (a, b) = (read(&npz), read(&csv));
    assert_eq!(b["nodes"][1]["name"], "right");
    for key in ["mean", "sd", "ess_tail", "rhat", "time", "drift"] {
        assert_eq!(a["nodes"][1][key], b["nodes"][1][key], "{key}");
    }
    assert_eq!(a["balance"], b["balance"]);
}

/// Two spins with J = ½ as independent draws, their exact law, and a wrong one.
#[test]
fn exact_probabilities_and_mode_weights() {
    let scratch = tempfile::tempdir().unwrap();
    let here = scratch.path();
    let weights = [0.5f64.exp(), (-0.5f64).exp(), (-0.5f64).exp(), 0.5f64.exp()];
    let total: f64 = weights.iter().sum();
    let mut rng = Pcg64::seed_from_u64(7);
    let mut x = Vec::new();
    for _ in 0..4000 {
        let mut u = rand::RngExt::random::<f64>(&mut rng) * total;
        let state = weights.iter().position(|w| {
            u -= w;
            u < 0.0
        });
        let state = state.unwrap_or(3);
        x.extend([0, 1].map(|i| if state >> i & 1 == 1 { 1.0 } else { -1.0 }));
    }
    let samples = here.join("s.npz");
    write_npz(&samples, &[("x", Array::f64(&[20, 200, 2], x))]).unwrap();
    let law = |name: &str, p: &[f64]| {
        let path = here.join(name);
        write_npz(
            &path,
            &[("probabilities", Array::f64(&[p.len()], p.to_vec()))],
        )
        .unwrap();
        path
    };
    let centres = here.join("centres.csv");
    fs::write(&centres, "1,1\n-1,-1\n1,-1\n-1,1\n").unwrap();
    let right = law("right.npz", &weights);
    let words = [
        text(&samples),
        "--reference",
        text(&right),
        "--centres",
        text(&centres),
        "--json",
    ];
    let found = diagnose(&words);
    let value: Value = serde_json::from_str(&printed(&found)).unwrap();
    let number = |v: &Value| v.as_f64().unwrap();
    // Total variation: its floor is half the mean deviation of four states; five times it has probability below 1e-9.
    assert!(number(&value["law"]["tv"]) < 5.0 * number(&value["law"]["tv_floor"]));
    // The centres' states: both up, both down, and the two opposed ones. 5 standard errors: 6e-7 each.
    for (mode, state) in value["modes"].as_array().unwrap().iter().zip([3, 0, 1, 2]) {
        let exact = weights[state] / total;
        let (weight, se) = (number(&mode["weight"]), number(&mode["se"]));
        assert!((weight - exact).abs() < 5.0 * se && se < 0.02, "{mode}");
    }
    assert!(value["transitions"]["p_value"].is_number());
    let wrong = law("wrong.npz", &[1.0, 1.0, 1.0, 1.0]);
    let line = refused(&diagnose(&[text(&samples), "--reference", text(&wrong)]), 1);
    assert!(
        line.ends_with("the states have the probabilities that were given"),
        "{line}"
    );
    let short = law("short.npz", &[0.5, 0.5]);
    let line = refused(&diagnose(&[text(&samples), "--reference", text(&short)]), 2);
    assert!(
        line.ends_with("short.npz: `law` = 2 numbers: expected 2^2 probabilities"),
        "{line}"
    );
}

#[test]
fn bad_input_is_one_line_that_names_the_place() {
    let scratch = tempfile::tempdir().unwrap();
    let here = scratch.path();
    let good = file(here, "good.npz", 8, 0.0);
    let array = |name: &str, key: &str, shape: &[usize], x: Vec<f64>| {
        let path = here.join(name);
        write_npz(&path, &[(key, Array::f64(shape, x))]).unwrap();
        path
    };
    let mut holed = draws(9, 0.0, 3, 20);
    holed[(20 + 7) * 2 + 1] = f64::NAN;
    let holed = array("holed.npz", "x", &[3, 20, 2], holed);
    let short = array("short.npz", "x", &[3, 2], vec![0.0; 6]);
    let deep = array("deep.npz", "x", &[1, 1, 3, 2], vec![0.0; 6]);
    let one = array("one.npz", "x", &[10, 1], (0..10).map(f64::from).collect());
    let ragged = here.join("ragged.csv");
    fs::write(&ragged, "a,b\n1,2\n3\n").unwrap();
    let words = here.join("words.csv");
    fs::write(&words, "a,b\n1,2\n3,off\n").unwrap();
    let centres = here.join("centres.csv");
    fs::write(&centres, "1,2,3\n").unwrap();
    let (good, one) = (text(&good), text(&one));
    let missing = here.join("missing.npz");
    for (arguments, told) in [
        (vec![text(&missing)], "No such file"),
        (
            vec![text(&holed)],
            "holed.npz: `x[1, 7, 1]` = NaN: expected a finite number",
        ),
        (
            vec![text(&short)],
            "short.npz: `draws per chain` = 3: expected at least 4",
        ),
        (
            vec![text(&deep)],
            "array `x` has shape [1, 1, 3, 2]: expected [chains, draws, nodes]",
        ),
        (vec![text(&ragged)], "ragged.csv: "),
        (
            vec![text(&words)],
            "words.csv: line 3, column b: \"off\" is not a number",
        ),
        (
            vec![good, "--reference", one],
            "one.npz: `reference nodes` = 1: expected 2, as in the draws",
        ),
        (
            vec![good, "--centres", text(&centres)],
            "line 1 has 3 numbers: expected 2, one per node",
        ),
        (
            vec![good, "--levels", "1,0"],
            "`levels` = 1, 0: expected a lower threshold and an upper one",
        ),
        (
            vec![good, "--levels", "1"],
            "invalid value '1' for '--levels <LOW,HIGH>': expected two numbers with a comma between",
        ),
        (
            vec![good, "--superchains", "7"],
            "`superchains` = 7: expected a number of groups",
        ),
        (
            vec![good, "--out", text(here)],
            "expected a new or empty directory",
        ),
        (vec![good, "--refrence", one], "'--reference'"),
        (vec![], "<FILE>"),
    ] {
        let line = refused(&diagnose(&arguments), 2);
        assert!(line.contains(told), "{arguments:?}: {line}");
    }
}

/// What `run` writes can be judged as it is.
#[test]
fn a_run_of_the_chip_is_judged() {
    let scratch = tempfile::tempdir().unwrap();
    let experiment = scratch.path().join("g.toml");
    fs::write(
        &experiment,
        "version = 1\nseed = 3\n[energy]\nkind = \"quadratic\"\nprecision = [[1.5, -0.6], [-0.6, 1.2]]\n\
         [hardware]\nmodel = \"rc_gaussian\"\ndie_seed = 4\n[plan]\nchains = 70\nburn_in = \"5 tau\"\nduration = \"20 tau\"\n",
    )
    .unwrap();
    let out = scratch.path().join("run");
    let run = Command::new(env!("CARGO_BIN_EXE_thermochip"))
        .args(["run", text(&experiment), "--out", text(&out), "--quiet"])
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    let samples = out.join("samples-analog-die-4.npz");
    let found = diagnose(&[text(&samples), "--superchains", "7"]);
    let words = printed(&found);
    assert!(
        words.contains("70 chains") && words.contains("a draw every"),
        "{words}"
    );
    assert!(words.contains("nested R-hat"), "{words}");
    assert!(diagnose(&[text(&samples), "--quiet"]).stdout.is_empty());
}
