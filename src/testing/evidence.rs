//! p-values: what an assertion found, before a level judges it.
//!
//! Each is valid: P(p ≤ u) ≤ u when the claim holds (exactly or by a proven bound), or asymptotically in the number of
//! draws for χ² and t. Values that are not numbers give p = 0, so that they fail.

use statrs::distribution::{ChiSquared, ContinuousCDF, StudentsT};

/// One p-value.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// What was looked at, and what was seen: the words of a failure.
    pub what: String,
    /// Probability of something at least as extreme when the claim holds.
    pub p_value: f64,
}

impl Evidence {
    /// A p-value with its words; NaN counts as 0.
    pub fn new(what: String, p_value: f64) -> Self {
        let p_value = if p_value.is_nan() { 0.0 } else { p_value };
        Evidence { what, p_value }
    }
}

/// Cells expected fewer draws than this are pooled.
const LEAST_EXPECTED: f64 = 5.0;

/// Pearson's χ² of independent draws: (statistic, degrees of freedom, p-value).
///
/// States expected fewer than five times are pooled. With fewer than two cells the p-value is 1.
///
/// # Errors
/// A state of probability zero was visited.
pub fn chi_square(counts: &[u64], probabilities: &[f64]) -> Result<(f64, usize, f64), String> {
    let total: u64 = counts.iter().sum();
    let (mut statistic, mut cells) = (0.0, 0usize);
    let (mut pooled_count, mut pooled_expected) = (0.0, 0.0);
    for (&count, &p) in counts.iter().zip(probabilities) {
        let expected = p * total as f64;
        if expected < LEAST_EXPECTED {
            pooled_count += count as f64;
            pooled_expected += expected;
        } else {
            statistic += (count as f64 - expected).powi(2) / expected;
            cells += 1;
        }
    }
    if pooled_expected > 0.0 {
        statistic += (pooled_count - pooled_expected).powi(2) / pooled_expected;
        cells += 1;
    } else if pooled_count > 0.0 {
        return Err("a state of probability zero was visited".to_owned());
    }
    if cells < 2 {
        return Ok((statistic, 0, 1.0));
    }
    let p_value = upper_chi_square(statistic, cells - 1)?;
    Ok((statistic, cells - 1, p_value))
}

/// P(χ²_f ≥ x).
pub(super) fn upper_chi_square(x: f64, freedom: usize) -> Result<f64, String> {
    let law = ChiSquared::new(freedom as f64).map_err(|e| e.to_string())?;
    Ok(law.sf(x))
}

/// Counts against probabilities, by [`chi_square`].
///
/// # Errors
/// As [`chi_square`].
pub fn law_of(what: &str, counts: &[u64], probabilities: &[f64]) -> Result<Evidence, String> {
    let found = chi_square(counts, probabilities).map_err(|e| format!("{what}: {e}"))?;
    let (statistic, freedom, p) = found;
    let words = format!("{what}: chi-square {statistic:.1} on {freedom} degrees of freedom");
    Ok(Evidence::new(words, p))
}

/// Mean and its standard error.
pub(super) fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (mean, (square / (n * (n - 1.0))).sqrt())
}

/// P(|t| ≥ |x|) of Student's law.
pub(super) fn two_sided_t(x: f64, freedom: f64) -> f64 {
    if x.is_nan() || freedom.is_nan() {
        return f64::NAN;
    }
    StudentsT::new(0.0, 1.0, freedom.max(1.0)).map_or(f64::NAN, |law| 2.0 * law.sf(x.abs()))
}

/// Independent numbers have mean `expected`: Student's t.
pub fn mean_of(what: &str, values: &[f64], expected: f64) -> Evidence {
    let (mean, error) = mean_and_error(values);
    let p = if error == 0.0 {
        f64::from(u8::from(mean == expected))
    } else {
        two_sided_t((mean - expected) / error, values.len() as f64 - 1.0)
    };
    Evidence::new(
        format!("{what}: {mean:.5} ± {error:.5}, expected {expected:.5}"),
        p,
    )
}

/// Two sets of independent numbers have one mean: Welch's t.
pub fn same_mean(what: &str, x: &[f64], y: &[f64]) -> Evidence {
    let ((a, sa), (b, sb)) = (mean_and_error(x), mean_and_error(y));
    let error = sa.hypot(sb);
    let p = if error == 0.0 {
        f64::from(u8::from(a == b))
    } else {
        let part = |s: f64, n: usize| s.powi(4) / (n as f64 - 1.0);
        let freedom = error.powi(4) / (part(sa, x.len()) + part(sb, y.len()));
        two_sided_t((a - b) / error, freedom)
    };
    Evidence::new(
        format!("{what}: {a:.5} ± {sa:.5}, expected {b:.5} ± {sb:.5}"),
        p,
    )
}

/// Draws from which Kolmogorov's two-sample bound has the constant 2.
const KOLMOGOROV_DRAWS: usize = 458;

/// Two sets of n independent numbers have one law: Kolmogorov and Smirnov's D, with P(D ≥ d) ≤ C exp(−n d²), C = 2 for n ≥ 458
/// and e below (Wei & Dudley, Statist. Probab. Lett. 82, 636, 2012). Ties make it smaller only.
///
/// # Errors
/// Sets of different sizes.
pub fn same_law(what: &str, x: &[f64], y: &[f64]) -> Result<Evidence, String> {
    if x.len() != y.len() {
        let (n, m) = (x.len(), y.len());
        return Err(format!(
            "{what}: {n} and {m} numbers, expected as many of each"
        ));
    }
    let n = x.len() as f64;
    let sorted = |v: &[f64]| {
        let mut v = v.to_vec();
        v.sort_unstable_by(f64::total_cmp);
        v
    };
    let (x, y) = (sorted(x), sorted(y));
    if x.iter().chain(&y).any(|v| v.is_nan()) {
        return Ok(Evidence::new(format!("{what}: not a number"), 0.0));
    }
    let (mut i, mut j, mut largest) = (0, 0, 0usize);
    while i < x.len() && j < y.len() {
        let at = x[i].min(y[j]);
        while i < x.len() && x[i] <= at {
            i += 1;
        }
        while j < y.len() && y[j] <= at {
            j += 1;
        }
        largest = largest.max(i.abs_diff(j));
    }
    let d = largest as f64 / n;
    let constant = if x.len() >= KOLMOGOROV_DRAWS {
        2.0
    } else {
        std::f64::consts::E
    };
    let p = (constant * (-n * d * d).exp()).min(1.0);
    Ok(Evidence::new(
        format!("{what}: largest difference of distribution functions {d:.4}"),
        p,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64;

    /// Of 2000 p-values as many are below 5 % as a binomial law allows (1e-7 a check), or fewer where the p-value is a bound.
    #[test]
    fn p_values_are_uniform_or_larger() {
        let mut rng = Pcg64::seed_from_u64(1);
        let mut below = [0u32; 4];
        let repeats = 2000;
        for _ in 0..repeats {
            let mut draw = |n: usize| -> Vec<f64> { (0..n).map(|_| rng.random()).collect() };
            let (x, y) = (draw(200), draw(200));
            let mut counts = [0u64; 8];
            for v in &x {
                counts[(v * 8.0) as usize] += 1;
            }
            let found = [
                law_of("cells", &counts, &[0.125; 8]).unwrap(),
                mean_of("mean", &x, 0.5),
                same_mean("means", &x, &y),
                same_law("law", &x, &y).unwrap(),
            ];
            for (below, evidence) in below.iter_mut().zip(found) {
                *below += u32::from(evidence.p_value < 0.05);
            }
        }
        // Mean 100, deviation 9.75: 5.3 deviations, and 1 % of χ²'s own error at 25 draws a cell.
        for (k, below) in below.into_iter().enumerate() {
            assert!(below < 155, "{k}: {below}");
            assert!(k == 3 || below > 45, "{k}: {below}");
        }
    }

    #[test]
    fn what_differs_has_small_p_values() {
        let x: Vec<f64> = (0..1000).map(|k| (f64::from(k) + 0.5) / 1000.0).collect();
        let shifted: Vec<f64> = x.iter().map(|v| v + 0.2).collect();
        assert!(same_law("law", &x, &shifted).unwrap().p_value < 1e-15);
        assert!(same_mean("means", &x, &shifted).p_value < 1e-15);
        assert!(mean_of("mean", &x, 0.6).p_value < 1e-15);
        assert!(same_law("law", &x, &x).unwrap().p_value == 1.0);
        assert!(same_law("law", &x, &x[1..]).is_err());
        assert!(law_of("cells", &[3, 4], &[1.0, 0.0]).is_err());
        assert_eq!(mean_of("mean", &[f64::NAN, 1.0], 0.0).p_value, 0.0);
        assert_eq!(same_law("law", &[f64::NAN], &[1.0]).unwrap().p_value, 0.0);
        assert_eq!(mean_of("mean", &[0.0, 0.0], 0.0).p_value, 1.0);
        assert_eq!(mean_of("mean", &[0.1, 0.1], 0.0).p_value, 0.0);
    }
}
