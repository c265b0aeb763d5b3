//! Effective sample size and split R-hat against ArviZ's numbers (`tests/fixtures/arviz_diagnostics.json`, ArviZ 0.23.4).

use serde_json::Value;
use thermochip::diagnostics::{effective_sample_size, split_rhat};

fn fixture() -> Value {
    let text = std::fs::read_to_string("tests/fixtures/arviz_diagnostics.json").unwrap();
    serde_json::from_str(&text).unwrap()
}

/// (name, x[chain * draws + draw], chains, draws, expected numbers) of each case.
fn cases(fixture: &Value) -> Vec<(String, Vec<f64>, usize, usize, &Value)> {
    let numbers = |row: &Value| -> Vec<f64> {
        let row = row.as_array().unwrap();
        row.iter().map(|v| v.as_f64().unwrap()).collect()
    };
    let list = fixture["cases"].as_array().unwrap();
    list.iter()
        .map(|case| {
            let rows: Vec<Vec<f64>> = case["x"].as_array().unwrap().iter().map(numbers).collect();
            let name = case["name"].as_str().unwrap().to_owned();
            let (chains, draws) = (rows.len(), rows[0].len());
            (name, rows.concat(), chains, draws, &case["expected"])
        })
        .collect()
}

fn same(a: f64, b: &Value) -> bool {
    let b = b.as_f64().unwrap();
    (a - b).abs() <= 1e-10 * b.abs()
}

#[test]
fn effective_sample_size_and_split_rhat_are_arvizs() {
    let fixture = fixture();
    let all = cases(&fixture);
    assert_eq!(all.len(), 8);
    for (name, x, chains, draws, expected) in all {
        let ess = effective_sample_size(&x, chains, draws);
        assert!(same(ess, &expected["ess_mean"]), "{name}: ESS {ess}");
        let rhat = split_rhat(&x, chains, draws);
        assert!(same(rhat, &expected["rhat_split"]), "{name}: R-hat {rhat}");
    }
}

/// Mutation: reading the array draw by draw instead of chain by chain gives other numbers.
#[test]
fn a_transposed_array_is_noticed() {
    let fixture = fixture();
    for (name, x, chains, draws, expected) in cases(&fixture) {
        let turned: Vec<f64> = (0..chains * draws)
            .map(|k| x[(k % chains) * draws + k / chains])
            .collect();
        let ess = effective_sample_size(&turned, chains, draws);
        assert!(!same(ess, &expected["ess_mean"]), "{name}");
    }
}
