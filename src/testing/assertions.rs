//! Assertions that return `Err(words)` instead of panicking, so that proptest can shrink and callers can add context.

pub use super::budget::Budget;
use super::evidence::chi_square;
use crate::diagnostics::moments;
use crate::energy::{ContinuousEnergy, DiscreteEnergy};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

/// The two-sided normal quantile z with P(|Z| > z) = `false_alarm`.
pub fn z_limit(false_alarm: f64) -> f64 {
    Normal::standard().inverse_cdf(1.0 - 0.5 * false_alarm)
}

/// `estimate ± standard_error` (normal) is consistent with `expected` at the given false-alarm rate.
pub fn agrees(
    what: &str,
    estimate: f64,
    standard_error: f64,
    expected: f64,
    false_alarm: f64,
) -> Result<(), String> {
    within(
        what,
        (estimate, standard_error),
        expected,
        z_limit(false_alarm),
        false_alarm,
    )
}

fn within(
    what: &str,
    (estimate, standard_error): (f64, f64),
    expected: f64,
    limit: f64,
    false_alarm: f64,
) -> Result<(), String> {
    let z = (estimate - expected) / standard_error;
    // Written so that NaN fails.
    if z.abs() <= limit {
        Ok(())
    } else {
        Err(format!(
            "{what}: {estimate} ± {standard_error}, expected {expected}: |z| = {:.2} > {limit:.2} (false-alarm rate {false_alarm:.1e})",
            z.abs()
        ))
    }
}

/// Means and covariances of `x[(chain * draws + draw) * nodes + node]` are the expected ones (`covariance` row-major).
///
/// Standard errors come from the scatter between chains, which must be independent and past their burn-in, and are
/// judged by Student's t of chains − 1 degrees of freedom; the false-alarm rate is shared out over all n + n(n+1)/2
/// numbers.
pub fn moments_match(
    x: &[f64],
    (chains, draws): (usize, usize),
    mean: &[f64],
    covariance: &[f64],
    false_alarm: f64,
) -> Result<(), String> {
    let n = mean.len();
    let got = moments(x, chains, draws, n);
    let each = Budget {
        total: false_alarm,
        checks: n + n * (n + 1) / 2,
    }
    .each();
    let freedom = (chains as f64 - 1.0).max(1.0);
    let law = StudentsT::new(0.0, 1.0, freedom).map_err(|e| e.to_string())?;
    let limit = law.inverse_cdf(1.0 - 0.5 * each);
    for (i, &expected) in mean.iter().enumerate() {
        let what = format!("mean of node {i}");
        within(&what, (got.mean[i], got.mean_se[i]), expected, limit, each)?;
        for j in i..n {
            let k = i * n + j;
            let what = format!("covariance of nodes {i} and {j}");
            let estimate = (got.covariance[k], got.covariance_se[k]);
            within(&what, estimate, covariance[k], limit, each)?;
        }
    }
    Ok(())
}

/// Pearson's χ² of counts against probabilities, for independent draws.
///
/// States expected fewer than five times are pooled. The false-alarm rate is that of the χ² law.
pub fn counts_match(counts: &[u64], probabilities: &[f64], false_alarm: f64) -> Result<(), String> {
    let (statistic, freedom, p_value) = chi_square(counts, probabilities)?;
    if p_value >= false_alarm {
        Ok(())
    } else {
        Err(format!(
            "chi-square {statistic:.1} on {freedom} degrees of freedom: p = {p_value:.1e} < {false_alarm:.1e}"
        ))
    }
}

/// ∂E/∂x from [`ContinuousEnergy::gradient`] equals the central difference of [`ContinuousEnergy::value`].
///
/// `tolerance` is relative to 1 + |gradient|; the difference quotient itself is good to about 1e-7.
pub fn gradient_matches(
    energy: &dyn ContinuousEnergy,
    x: &[f64],
    tolerance: f64,
) -> Result<(), String> {
    let mut gradient = vec![0.0; x.len()];
    energy.gradient(x, &mut gradient);
    let mut moved = x.to_vec();
    for i in 0..x.len() {
        let step = 1e-5 * (1.0 + x[i].abs());
        moved[i] = x[i] + step;
        let up = energy.value(&moved);
        moved[i] = x[i] - step;
        let down = energy.value(&moved);
        moved[i] = x[i];
        let quotient = (up - down) / (2.0 * step);
        let error = (gradient[i] - quotient).abs() / (1.0 + quotient.abs());
        if error.is_nan() || error > tolerance {
            return Err(format!(
                "dE/dx_{i} = {} but the difference quotient is {quotient} (x = {x:?})",
                gradient[i]
            ));
        }
    }
    Ok(())
}

/// The local field is half the energy a flip costs: E(s_i = −1) − E(s_i = +1) = 2 f_i, so σ(2 f_i) is the conditional law.
pub fn conditional_consistency(
    energy: &dyn DiscreteEnergy,
    spins: &[i8],
    tolerance: f64,
) -> Result<(), String> {
    let mut moved = spins.to_vec();
    for i in 0..spins.len() {
        moved[i] = 1;
        let up = energy.value(&moved);
        moved[i] = -1;
        let down = energy.value(&moved);
        moved[i] = spins[i];
        let field = energy.local_field(spins, i);
        let error = (down - up - 2.0 * field).abs();
        if error.is_nan() || error > tolerance * (1.0 + field.abs()) {
            return Err(format!(
                "spin {i}: E(-1) - E(+1) = {}, but twice the local field is {}",
                down - up,
                2.0 * field
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_the_normal_quantiles() {
        assert!((z_limit(0.05) - 1.959_963_985).abs() < 1e-6);
        assert!(agrees("x", 1.0, 0.1, 1.2, 1e-3).is_ok());
        assert!(agrees("x", 1.0, 0.1, 1.5, 1e-3).is_err());
        assert!(agrees("x", f64::NAN, 0.1, 1.0, 1e-3).is_err());
    }

    #[test]
    fn moments_are_judged_in_their_own_errors() {
        use rand::SeedableRng;
        use rand_distr::{Distribution, StandardNormal};
        let mut rng = rand_pcg::Pcg32::seed_from_u64(3);
        let x: Vec<f64> = (0..40_000)
            .map(|_| StandardNormal.sample(&mut rng))
            .collect();
        let judge = |scale: f64| {
            let covariance = [scale, 0.0, 0.0, scale];
            moments_match(&x, (1000, 20), &[0.0, 0.0], &covariance, 1e-8)
        };
        judge(1.0).unwrap();
        assert!(judge(1.08).unwrap_err().contains("covariance"));
    }

    #[test]
    fn counts_are_judged_by_chi_square() {
        assert!(counts_match(&[480, 520], &[0.5, 0.5], 1e-3).is_ok());
        assert!(counts_match(&[400, 600], &[0.5, 0.5], 1e-3).is_err());
        assert!(counts_match(&[999, 1], &[1.0, 0.0], 1e-3).is_err());
    }
}
