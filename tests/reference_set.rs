//! The reference energies of `experiments/reference`: exact means, covariances and log Z stand in `exact.json`, and are
//! computed anew here: closed form, enumeration, quadrature. Nothing is sampled, so nothing can be a false alarm.
//!
//! `THERMOCHIP_WRITE_REFERENCE=1` writes the file instead.

use nalgebra::DMatrix;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;
use thermochip::energy::{Domain, Model, enumerate_factors, exact};
use thermochip::experiment::{Experiment, build_model};

const FOLDER: &str = "experiments/reference";

/// Means and row-major covariances: of x, of spins, or of a factor graph's features.
fn moments(model: &Model) -> (Vec<f64>, Vec<f64>) {
    let of =
        |m: exact::ExactMoments| (m.mean.as_slice().to_vec(), m.covariance.as_slice().to_vec());
    match model {
        Model::Quadratic(energy) => of(exact::gaussian(energy)),
        Model::SoftSpin(energy) => of(exact::quadrature(energy).unwrap()),
        Model::Ising(energy) => {
            let e = exact::enumerate(energy).unwrap();
            let mean = nalgebra::DVector::from_vec(e.means.clone());
            let covariance: DMatrix<f64> = e.correlations - &mean * mean.transpose();
            (e.means, covariance.as_slice().to_vec())
        }
        Model::Factors(graph) => {
            let features = graph.features();
            let e = enumerate_factors(graph, &[]).unwrap();
            e.moments(features.len(), |x, values| {
                for (value, &(i, state)) in values.iter_mut().zip(&features) {
                    *value = match graph.domains()[i] {
                        Domain::Spin => Domain::Spin.value(x[i]),
                        Domain::Categorical(_) => f64::from(u8::from(x[i] == state)),
                    };
                }
            })
        }
        other => panic!("no exact moments of {other:?}"),
    }
}

fn models() -> Vec<(String, Model)> {
    let mut files: Vec<_> = fs::read_dir(FOLDER)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    let load = |path: &std::path::PathBuf| {
        let experiment = Experiment::load(path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, build_model(&experiment, None).unwrap())
    };
    files.iter().map(load).collect()
}

fn close(name: &str, stated: &Value, computed: &Value) {
    match (stated.as_f64(), computed.as_f64()) {
        (Some(a), Some(b)) => {
            let tolerance = 1e-9 * (1.0 + b.abs());
            assert!((a - b).abs() < tolerance, "{name}: {a} in the file, {b}");
        }
        _ => {
            let (a, b) = (stated.as_array().unwrap(), computed.as_array().unwrap());
            assert_eq!(a.len(), b.len(), "{name}");
            for (a, b) in a.iter().zip(b) {
                close(name, a, b);
            }
        }
    }
}

#[test]
fn the_exact_numbers_are_those_of_the_file() {
    let mut computed = Map::new();
    for (name, model) in models() {
        let (mean, covariance) = moments(&model);
        let log_z = exact::log_partition(&model).unwrap();
        let entry = json!({ "mean": mean, "covariance": covariance, "log_z": log_z });
        computed.insert(name, entry);
    }
    assert_eq!(computed.len(), 20);
    let file = Path::new(FOLDER).join("exact.json");
    if std::env::var_os("THERMOCHIP_WRITE_REFERENCE").is_some() {
        let text = serde_json::to_string_pretty(&computed).unwrap();
        fs::write(&file, text + "\n").unwrap();
    }
    let stated: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    assert_eq!(stated.as_object().unwrap().len(), computed.len());
    for (name, entry) in &computed {
        for key in ["mean", "covariance", "log_z"] {
            close(&format!("{name}.{key}"), &stated[name][key], &entry[key]);
        }
    }
}

/// The comparison sees a difference of 1e-6, wherever it is.
#[test]
fn a_wrong_number_is_refused() {
    let refused = |a: Value, b: Value| {
        let compared = std::panic::catch_unwind(|| close("x", &a, &b));
        compared.is_err()
    };
    assert!(refused(json!([1.0, 2.000_001]), json!([1.0, 2.0])));
    assert!(refused(json!([1.0]), json!([1.0, 2.0])));
    assert!(!refused(json!([1.0, 2.0]), json!([1.0, 2.0])));
}
