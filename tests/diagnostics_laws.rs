//! Effective sizes, R-hats and standard errors against ArviZ's numbers (`tests/fixtures/arviz_diagnostics.json`, ArviZ
//! 0.23.4). Nothing here is random.

use serde_json::Value;
use thermochip::diagnostics::{
    ErrorOf, RHat, Size, effective_sample_size, effective_size, nested_rhat, rhat, split_rhat,
    standard_error,
};

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

/// Every number that the fixture has, by its name there.
fn all(x: &[f64], chains: usize, draws: usize) -> Vec<(&'static str, f64)> {
    let size = |kind| effective_size(x, chains, draws, kind);
    let ratio = |kind| rhat(x, chains, draws, kind);
    let error = |of| standard_error(x, chains, draws, of);
    vec![
        ("ess_bulk", size(Size::Bulk)),
        ("ess_tail", size(Size::Tail)),
        ("ess_mean", size(Size::Mean)),
        ("ess_sd", size(Size::Sd)),
        ("ess_median", size(Size::Median)),
        ("ess_quantile_0.9", size(Size::Quantile(0.9))),
        ("rhat_rank", ratio(RHat::Rank)),
        ("rhat_split", ratio(RHat::Split)),
        ("rhat_folded", ratio(RHat::Folded)),
        ("rhat_z_scale", ratio(RHat::ZScale)),
        ("rhat_identity", ratio(RHat::Identity)),
        ("mcse_mean", error(ErrorOf::Mean)),
        ("mcse_sd", error(ErrorOf::Sd)),
        ("mcse_quantile_0.9", error(ErrorOf::Quantile(0.9))),
    ]
}

#[test]
fn every_number_is_arvizs() {
    let fixture = fixture();
    let cases = cases(&fixture);
    assert_eq!(cases.len(), 8);
    for (name, x, chains, draws, expected) in cases {
        let found = all(&x, chains, draws);
        // Beside them the fixture has an autocovariance, which the effective sizes rest on.
        assert_eq!(found.len() + 1, expected.as_object().unwrap().len());
        for (what, value) in found {
            let wanted = &expected[what];
            assert!(same(value, wanted), "{name} {what}: {value}, not {wanted}");
        }
        assert_eq!(
            effective_sample_size(&x, chains, draws),
            effective_size(&x, chains, draws, Size::Mean)
        );
        assert_eq!(
            split_rhat(&x, chains, draws),
            rhat(&x, chains, draws, RHat::Split)
        );
        assert_eq!(
            standard_error(&x, chains, draws, ErrorOf::Median),
            standard_error(&x, chains, draws, ErrorOf::Quantile(0.5))
        );
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

/// Mutation: ties broken by a slight slope, as ordinal ranks would break them, give other numbers for two levels.
#[test]
fn broken_ties_are_noticed() {
    let fixture = fixture();
    for (name, x, chains, draws, expected) in cases(&fixture) {
        let tilted: Vec<f64> = x
            .iter()
            .zip(0..)
            .map(|(v, k)| v + 1e-9 * f64::from(k))
            .collect();
        let bulk = effective_size(&tilted, chains, draws, Size::Bulk);
        if name.starts_with("two_level") {
            assert!(!same(bulk, &expected["ess_bulk"]), "{name}");
        }
    }
}

/// What cannot be judged is NaN, never a panic; what never moves is all there is.
#[test]
fn odd_inputs() {
    for (x, chains, draws) in [
        (vec![], 0, 0),
        (vec![1.0, 2.0, 3.0], 1, 3),
        (vec![1.0, f64::NAN, 2.0, 3.0, 1.0], 1, 5),
        (vec![1.0, f64::INFINITY, 2.0, 3.0, 1.0], 1, 5),
    ] {
        for (what, value) in all(&x, chains, draws) {
            assert!(value.is_nan(), "{what} of {x:?}: {value}");
        }
        assert!(nested_rhat(&x, 2, chains, draws).is_nan());
    }
    let still = vec![0.25; 40];
    assert_eq!(effective_size(&still, 2, 20, Size::Bulk), 40.0);
    assert!(rhat(&still, 2, 20, RHat::Rank).is_nan());
    assert_eq!(standard_error(&still, 2, 20, ErrorOf::Mean), 0.0);
    assert_eq!(standard_error(&still, 2, 20, ErrorOf::Median), 0.0);
}
