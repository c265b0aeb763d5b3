//! `[clamp]` through the commands: held nodes, and the exact conditional law beside every sampler.

#[path = "common/command.rs"]
mod command;

use command::{json, text, thermochip};
use std::fs;
use std::path::{Path, PathBuf};
use thermochip::data::NumberFile;

fn run(command: &str, directory: &Path, name: &str, experiment: &str) -> PathBuf {
    let (file, out) = (directory.join(format!("{name}.toml")), directory.join(name));
    fs::write(&file, experiment).unwrap();
    thermochip(&[command, text(&file), "--out", text(&out)]);
    out
}

fn numbers(run: &Path, file: &str, array: &str) -> Vec<f64> {
    let file = NumberFile::read(&run.join(file)).unwrap();
    file.get(array).unwrap().values.clone()
}

/// p-values of all comparisons with the exact law, by sampler.
fn against_exact(run: &Path) -> Vec<(String, f64)> {
    let record = json(&run.join("run.json"));
    let rows = record["comparisons"].as_array().unwrap().iter();
    rows.filter(|row| row["b"] == "exact")
        .map(|row| {
            (
                row["a"].as_str().unwrap().to_owned(),
                row["p_value"].as_f64().unwrap(),
            )
        })
        .collect()
}

const CHAIN: &str = r#"
version = 1
seed = 3
[energy]
kind = "ising"
fields = [-0.84408, 0.73681, -0.44732, -0.93223, -0.51231]
couplings = [[0, 1, -0.57389], [1, 2, 0.87300], [2, 3, -0.15359], [3, 4, 0.16498]]
[hardware]
model = "pbit_cmos_subthreshold"
[clamp]
nodes = [0]
values = [1]
[plan]
chains = 400
burn_in = "20 tau"
duration = "200 tau"
sample_period = "2 tau"
[[digital]]
sampler = "gibbs"
chains = 300
steps = 400
"#;

/// The peer's chain of five with s_0 = +1 held: exact means to the five decimals given, chip and Gibbs with that law (six p-values
/// above 1e-7: false-alarm rate 6e-7). Held at −1 the law is another, which the same samples would refuse.
#[test]
fn a_clamped_chain_has_its_published_means() {
    let scratch = tempfile::tempdir().unwrap();
    let up = run("compare", scratch.path(), "up", CHAIN);
    let means = numbers(&up, "exact.npz", "mean");
    for (mean, published) in means.iter().zip([-0.06481, -0.21281, -0.74449, -0.55708]) {
        assert!((mean - published).abs() < 1e-5, "{means:?}");
    }
    assert_eq!(numbers(&up, "exact.npz", "free"), [1.0, 2.0, 3.0, 4.0]);
    let p = against_exact(&up);
    assert!(p.len() == 4 && p.iter().all(|row| row.1 > 1e-7), "{p:?}");
    for name in ["analog-ideal", "gibbs"] {
        let x = numbers(&up, &format!("samples-{name}.npz"), "x");
        assert!(x.iter().step_by(5).all(|&s| s == 1.0), "{name}");
    }
    let record = json(&up.join("run.json"));
    for sampler in record["samplers"].as_array().unwrap() {
        let of = |name: &str| sampler["metrics"][name]["value"].as_f64().unwrap();
        // β of the free spins within five of its standard errors (6e-7); the floor of the free law's sixteen states.
        let se = sampler["metrics"]["beta_eff"]["se"].as_f64().unwrap();
        assert!((of("beta_eff") - 1.0).abs() < 5.0 * se, "{sampler}");
        assert!(of("tv") < 6.0 * of("tv_floor"), "{sampler}");
    }
    let down = CHAIN.replace("values = [1]", "values = [-1]");
    let down = run("compare", scratch.path(), "down", &down);
    let other = numbers(&down, "exact.npz", "mean");
    assert!((other[0] - means[0]).abs() > 0.3, "{other:?}");
}

/// N(P_ff⁻¹(b_f − P_fc x_c), P_ff⁻¹) on the chip and by both Langevin methods, in closed form here; streamed moments have it too.
#[test]
fn a_clamped_gaussian_has_its_conditional_law() {
    let scratch = tempfile::tempdir().unwrap();
    let experiment = r#"
version = 1
seed = 5
[energy]
kind = "quadratic"
precision = [[2.0, 0.6, 0.0], [0.6, 1.5, -0.4], [0.0, -0.4, 1.2]]
linear = [0.3, 0.0, -0.2]
[hardware]
model = "rc_gaussian"
[clamp]
nodes = [2, 0]
values = [0.5, -0.8]
[plan]
chains = 400
burn_in = "20 tau"
duration = "100 tau"
sample_period = "2 tau"
[[digital]]
sampler = "mala"
chains = 100
steps = 3000
"#;
    let out = run("compare", scratch.path(), "gauss", experiment);
    let mean = (0.0 - 0.6 * -0.8 + 0.4 * 0.5) / 1.5;
    assert!((numbers(&out, "exact.npz", "mean")[0] - mean).abs() < 1e-12);
    assert!((numbers(&out, "exact.npz", "covariance")[0] - 1.0 / 1.5).abs() < 1e-12);
    let p = against_exact(&out);
    assert!(p.len() == 4 && p.iter().all(|row| row.1 > 1e-7), "{p:?}");
    let streamed = experiment.replace("[plan]", "[plan]\nrecord = \"moments\"");
    let out = run("run", scratch.path(), "streamed", &streamed);
    let (got, se) = (
        numbers(&out, "moments-analog-ideal.npz", "mean"),
        numbers(&out, "moments-analog-ideal.npz", "mean_se"),
    );
    // Five and a half standard errors (4e-8), beside the step's bias of the mean, which is none; held means are exact.
    assert!(
        (got[1] - mean).abs() < 5.5 * se[1],
        "{} {mean} {}",
        got[1],
        se[1]
    );
    assert!((got[0] + 0.8).abs() < 1e-6 && (got[2] - 0.5).abs() < 1e-6);
}

/// Each chain at a row of its own; rows of the data cycled over chains; with laws that differ nothing is compared.
#[test]
fn chains_can_be_held_at_rows_of_their_own() {
    let scratch = tempfile::tempdir().unwrap();
    let rows = r#"
version = 1
[energy]
kind = "ising"
fields = [0.1, 0.2, 0.3]
couplings = [[0, 1, 0.5], [1, 2, -0.5]]
[clamp]
nodes = [2, 1]
values = [[1, -1], [-1, -1], [1, 1]]
[plan]
chains = 3
[[digital]]
sampler = "gibbs"
steps = 50
"#;
    let out = run("compare", scratch.path(), "rows", rows);
    let x = numbers(&out, "samples-gibbs.npz", "x");
    for (chain, held) in x
        .chunks(x.len() / 3)
        .zip([[-1.0, 1.0], [-1.0, -1.0], [1.0, 1.0]])
    {
        assert!(chain.chunks(3).all(|s| s[1..] == held), "{held:?}");
    }
    let record = json(&out.join("run.json"));
    assert!(record["comparisons"].as_array().unwrap().is_empty());
    assert!(
        record["warnings"]
            .to_string()
            .contains("held at different values")
    );
    assert!(record["samplers"][0]["rhat_max"].is_null());

    fs::write(scratch.path().join("two.csv"), "16,0,1\n0,8,0\n4,4,1\n").unwrap();
    let data = r#"
version = 1
[energy]
kind = "soft_spin"
j2 = 1
j4 = 0.1
fields = [0, 0, 0, 0, 0]
couplings = [[0, 4, 0.3], [1, 2, 0.4]]
[data]
file = "two.csv"
columns = { pixels = [0, 2], label = 2 }
labels = { classes = 2 }
scale = [0, 16]
[hardware]
model = "soft_spin_cmos"
[clamp]
from_data = ["pixels"]
[plan]
chains = 4
burn_in = "1 tau"
duration = "5 tau"
"#;
    let out = run("run", scratch.path(), "data", data);
    let x = numbers(&out, "samples-analog-ideal.npz", "x");
    let rows = [[1.0, -1.0], [-1.0, 0.0], [-0.5, -0.5], [1.0, -1.0]];
    for (chain, held) in x.chunks(x.len() / 4).zip(rows) {
        assert!(
            chain.chunks(5).all(|s| s[..2] == held),
            "{held:?}: {:?}",
            &chain[..5]
        );
    }
    let labels = data.replace("[\"pixels\"]", "[\"labels\"]");
    let out = run("run", scratch.path(), "labels", &labels);
    let x = numbers(&out, "samples-analog-ideal.npz", "x");
    assert_eq!((x[2].abs(), x[3]), (1.0, -x[2]));
}
