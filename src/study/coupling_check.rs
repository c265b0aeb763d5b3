//! Whether couplings learned through two samplers differ, over repeated runs from the same data and start.
//!
//! Each edge's difference is divided by its standard error over repeats. The rms of that ratio, were both samplers alike,
//! is √(ν/(ν−2)) with ν = 2(R−1) (Student's t; not stated for R = 2, where the second moment is infinite), but edges are correlated, so the p-value comes from relabelling the 2R
//! runs in every way.

use crate::record::CouplingCheck;

/// Compares `a[repeat][edge]` with `b[repeat][edge]`; both need at least two repeats of the same length.
pub fn compare_couplings(
    names: (&str, &str),
    a: &[Vec<f64>],
    b: &[Vec<f64>],
    updates: u64,
) -> CouplingCheck {
    let repeats = a.len();
    let runs: Vec<&[f64]> = a.iter().chain(b).map(Vec::as_slice).collect();
    let observed = Split::new(&runs, (1 << repeats) - 1);
    // Every way to call half of the runs "a"; run 0 stays in "a" because swapping the names changes nothing.
    let relabelled: Vec<f64> = (0u32..1 << runs.len())
        .filter(|mask| mask & 1 == 1 && mask.count_ones() as usize == repeats)
        .map(|mask| Split::new(&runs, mask).rms_z)
        .collect();
    let as_large = relabelled
        .iter()
        .filter(|&&z| z >= observed.rms_z * (1.0 - 1e-12))
        .count();
    let freedom = 2.0 * (repeats as f64 - 1.0);
    CouplingCheck {
        a: names.0.to_owned(),
        b: names.1.to_owned(),
        repeats,
        updates,
        rms_z_expected: (freedom > 2.0).then(|| (freedom / (freedom - 2.0)).sqrt()),
        rms_z: observed.rms_z,
        p_value: as_large as f64 / relabelled.len() as f64,
        mean_a: observed.mean_a,
        mean_b: observed.mean_b,
        se: observed.se,
    }
}

/// Statistics of one labelling: bit r of the mask says that run r is an "a".
struct Split {
    mean_a: Vec<f64>,
    mean_b: Vec<f64>,
    se: Vec<f64>,
    rms_z: f64,
}

impl Split {
    fn new(runs: &[&[f64]], mask: u32) -> Self {
        let edges = runs.first().map_or(0, |run| run.len());
        let half = runs.len() as f64 / 2.0;
        let side = |wanted: bool| {
            runs.iter()
                .enumerate()
                .filter(move |(r, _)| (mask >> r & 1 == 1) == wanted)
                .map(|(_, run)| *run)
        };
        let mean = |wanted: bool| -> Vec<f64> {
            (0..edges)
                .map(|e| side(wanted).map(|run| run[e]).sum::<f64>() / half)
                .collect()
        };
        let (mean_a, mean_b) = (mean(true), mean(false));
        let squares = |wanted: bool, mean: &[f64], e: usize| -> f64 {
            side(wanted).map(|run| (run[e] - mean[e]).powi(2)).sum()
        };
        let se: Vec<f64> = (0..edges)
            .map(|e| {
                let sum = squares(true, &mean_a, e) + squares(false, &mean_b, e);
                (sum / (half - 1.0) / half).sqrt()
            })
            .collect();
        let z2: f64 = (0..edges)
            .filter(|&e| se[e] > 0.0)
            .map(|e| ((mean_a[e] - mean_b[e]) / se[e]).powi(2))
            .sum();
        Split {
            rms_z: (z2 / edges.max(1) as f64).sqrt(),
            mean_a,
            mean_b,
            se,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg32;

    fn runs(seed: u64, repeats: usize, edges: usize, shift: f64) -> Vec<Vec<f64>> {
        let mut rng = Pcg32::seed_from_u64(seed);
        (0..repeats)
            .map(|_| (0..edges).map(|_| rng.random::<f64>() + shift).collect())
            .collect()
    }

    #[test]
    fn equal_laws_pass_and_a_shift_is_seen() {
        let a = runs(1, 4, 500, 0.0);
        let same = compare_couplings(("a", "b"), &a, &runs(2, 4, 500, 0.0), 1);
        // 35 relabellings: under one law p is uniform on multiples of 1/35, and rms z is near √(6/4).
        let expected = same.rms_z_expected.unwrap();
        assert!((expected - 1.5f64.sqrt()).abs() < 1e-12);
        assert!((same.rms_z - expected).abs() < 0.3, "{}", same.rms_z);
        let shifted = compare_couplings(("a", "b"), &a, &runs(3, 4, 500, 0.5), 1);
        assert!(shifted.rms_z > 2.0 * expected);
        assert!((shifted.p_value - 1.0 / 35.0).abs() < 1e-12);
    }

    /// Two repeats have two degrees of freedom and t no second moment: nothing is stated, and the record reads back.
    #[test]
    fn two_repeats_state_no_expected_rms() {
        let check = compare_couplings(("a", "b"), &runs(1, 2, 50, 0.0), &runs(2, 2, 50, 0.0), 1);
        assert_eq!(check.rms_z_expected, None);
        let text = serde_json::to_string(&check).unwrap();
        let back: CouplingCheck = serde_json::from_str(&text).unwrap();
        assert_eq!((back.rms_z_expected, back.rms_z), (None, check.rms_z));
        // The record that versions before wrote, with its null where infinity was, reads too.
        let three = compare_couplings(("a", "b"), &runs(1, 3, 50, 0.0), &runs(2, 3, 50, 0.0), 1);
        assert!((three.rms_z_expected.unwrap() - 2f64.sqrt()).abs() < 1e-12);
    }
}
