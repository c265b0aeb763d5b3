//! `thermochip compare` says how accurate each path is against what it spends: floors against the exact distance of a die's own
//! law, statements, figures.

use serde_json::Value;
use std::fs;
use std::process::Command;

fn compared(experiment: &str) -> (tempfile::TempDir, Value, String) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("e.toml");
    fs::write(&file, experiment).unwrap();
    let out = place.path().join("out");
    let output = Command::new(env!("CARGO_BIN_EXE_thermochip"))
        .args([
            "compare",
            file.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let record = serde_json::from_str(&fs::read_to_string(out.join("run.json")).unwrap()).unwrap();
    (place, record, String::from_utf8(output.stdout).unwrap())
}

fn path<'a>(record: &'a Value, name: &str) -> &'a Value {
    let paths = record["accuracy"]["paths"].as_array().unwrap();
    paths.iter().find(|p| p["sampler"] == name).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Five p-bits on a die whose law is off by a known total variation, with no synapse between them: the floor is that distance
/// within 7 standard errors (Student's law with 19 degrees of freedom: 1e-6) and 5 % for the fitted form; the ideal chip has none.
#[test]
fn the_floor_of_a_die_is_the_distance_of_its_law() {
    let (place, record, told) = compared(
        r#"
version = 1
seed = 3
[energy]
kind = "ising"
fields = [0.3, -0.5, 0.2, 0.6, -0.1]
couplings = [[0, 1, 0.6], [1, 2, -0.4], [2, 3, 0.5], [3, 4, 0.7], [4, 0, -0.3]]
[hardware]
model = "pbit_cmos_subthreshold"
die_seed = 2
only = ["offset", "coupling", "dac"]
[plan]
chains = 400
burn_in = "30 tau"
duration = "400 tau"
[[digital]]
sampler = "gibbs"
steps = 400
"#,
    );
    assert_eq!(record["accuracy"]["metric"], "tv");
    let die = path(&record, "analog-die-2");
    let programs = record["program"].as_array().unwrap();
    let program = programs
        .iter()
        .find(|p| p["sampler"] == "analog-die-2")
        .unwrap();
    let exact = number(&program["exact_tv"]);
    let (floor, se) = (
        number(&die["bias_floor"]["value"]),
        number(&die["bias_floor"]["se"]),
    );
    assert!(
        (floor - exact).abs() < 7.0 * se + 0.05 * exact,
        "{floor} ± {se}, exactly {exact}"
    );
    // A floor of half that size would be refused.
    assert!(exact > 14.0 * se + 0.1 * exact, "{exact} ± {se}");
    let statement = die["statement"].as_str().unwrap();
    assert!(
        statement.contains("stops at its bias floor") && statement.contains("J and then"),
        "{statement}"
    );
    for name in ["analog-ideal", "gibbs"] {
        let path = path(&record, name);
        let floor = &path["bias_floor"];
        assert!(
            number(&floor["value"]) < 7.0 * number(&floor["se"]) + 2e-3,
            "{name} {floor}"
        );
        assert!(
            path["statement"]
                .as_str()
                .unwrap()
                .contains("no bias floor"),
            "{name}"
        );
    }
    let gibbs = path(&record, "gibbs");
    assert!(gibbs["ess_per_device_second"].is_null() && gibbs["ess_per_joule"].is_null());
    assert!(number(&die["ess_per_joule"]) > 0.0);
    // More draws are never worse, by more than chance; the first point is one draw.
    let points = die["points"].as_array().unwrap();
    assert_eq!(number(&points[0]["draws"]), 1.0);
    assert!(
        number(&points[0]["error"]["value"]) > number(&points[points.len() - 1]["error"]["value"])
    );
    assert!(
        told.contains("bias floor") && told.contains("analog-die-2 reaches TV"),
        "{told}"
    );
    for name in ["accuracy-device", "accuracy-joules", "accuracy-wall"] {
        let file = place.path().join("out/figures").join(format!("{name}.svg"));
        assert!(
            fs::read_to_string(file).unwrap().contains("<circle"),
            "{name}"
        );
    }
    let page = fs::read_to_string(place.path().join("out/report.html")).unwrap();
    assert!(page.contains("Accuracy against what it costs"));
}

/// A Gaussian is held to its exact moments, and Euler's bias of a ninth in the variance is its floor: the rms over the mean and
/// the variance of one node is that over √2, within 7 standard errors and 5 %.
#[test]
fn a_step_has_its_floor_in_the_moments() {
    let (_place, record, _) = compared(
        r#"
version = 1
seed = 4
[energy]
kind = "quadratic"
precision = [[2.0]]
linear = [1.0]
[plan]
chains = 400
[[digital]]
sampler = "ula"
step = 0.1
steps = 20000
thin = 20
[[digital]]
sampler = "mala"
steps = 8000
thin = 8
"#,
    );
    assert_eq!(record["accuracy"]["metric"], "moment_rms");
    let floor = &path(&record, "ula")["bias_floor"];
    let (floor, se) = (number(&floor["value"]), number(&floor["se"]));
    // 1/(1 − hλ/2) with hλ = 0.2: a ninth.
    let exact = 1.0 / 9.0 / 2f64.sqrt();
    assert!(
        (floor - exact).abs() < 7.0 * se + 0.05 * exact,
        "{floor} ± {se}, exactly {exact}"
    );
    let mala = &path(&record, "mala")["bias_floor"];
    assert!(number(&mala["value"]) < 0.1 * exact, "{mala}");
    assert!(path(&record, "ula")["points"][0]["device_seconds"].is_null());
}
