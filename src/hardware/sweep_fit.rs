//! Fits of bias sweeps: a logistic curve to counts, a line to means. Plain arrays.
//!
//! logit P(+1) = a + c b at setting b, by maximum likelihood with Firth's correction (Biometrika 80, 27, 1993): the score is
//! Σ (k − N p + h (½ − p)) (1, b) with h the leverage, so that estimates are finite for sites that never flip and free of
//! first-order bias. Errors are those of the Fisher information.

/// Newton steps of a logistic fit.
const STEPS: usize = 60;
/// Largest change of logit per step.
const LONGEST: f64 = 2.0;

/// Counts at one setting: b, trials, successes. Trials may be effective ones.
pub(super) type Counts = (f64, f64, f64);

/// a + c b with its information matrix (I_aa, I_ac, I_cc).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Logistic {
    /// Logit at b = 0.
    pub a: f64,
    /// Slope.
    pub c: f64,
    information: (f64, f64, f64),
}

impl Logistic {
    /// Standard errors of a and c.
    pub(super) fn errors(&self) -> (f64, f64) {
        let (aa, ac, cc) = self.information;
        let determinant = aa * cc - ac * ac;
        ((cc / determinant).sqrt(), (aa / determinant).sqrt())
    }

    /// Standard error of a where the slope is known.
    pub(super) fn error_of_a_alone(&self) -> f64 {
        1.0 / self.information.0.sqrt()
    }
}

fn sigmoid(y: f64) -> f64 {
    1.0 / (1.0 + (-y).exp())
}

/// The curve through `counts`, from the start (a, c); with `slope_known` c stays.
pub(super) fn logistic(counts: &[Counts], start: (f64, f64), slope_known: bool) -> Logistic {
    let (mut a, mut c) = start;
    let information = |a: f64, c: f64| {
        counts
            .iter()
            .fold((0.0, 0.0, 0.0), |(aa, ac, cc), &(b, n, _)| {
                let p = sigmoid(a + c * b);
                let w = n * p * (1.0 - p);
                (aa + w, ac + w * b, cc + w * b * b)
            })
    };
    for _ in 0..STEPS {
        let (aa, ac, cc) = information(a, c);
        let determinant = aa * cc - ac * ac;
        let (mut score_a, mut score_c) = (0.0, 0.0);
        for &(b, n, k) in counts {
            let p = sigmoid(a + c * b);
            let w = n * p * (1.0 - p);
            let leverage = if slope_known {
                w / aa
            } else {
                w * (cc - 2.0 * b * ac + b * b * aa) / determinant
            };
            let score = k - n * p + leverage * (0.5 - p);
            score_a += score;
            score_c += score * b;
        }
        let (mut da, mut dc) = if slope_known {
            (score_a / aa, 0.0)
        } else {
            (
                (cc * score_a - ac * score_c) / determinant,
                (aa * score_c - ac * score_a) / determinant,
            )
        };
        let size = counts
            .iter()
            .map(|s| (da + dc * s.0).abs())
            .fold(0.0, f64::max);
        if !size.is_finite() {
            break;
        }
        if size > LONGEST {
            da *= LONGEST / size;
            dc *= LONGEST / size;
        }
        a += da;
        c += dc;
        if size < 1e-10 {
            break;
        }
    }
    Logistic {
        a,
        c,
        information: information(a, c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    const BIASES: [f64; 9] = [-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0];

    fn draw(truth: (f64, f64), trials: usize, seed: u64) -> Vec<Counts> {
        let mut rng = rand_pcg::Pcg32::seed_from_u64(seed);
        BIASES
            .iter()
            .map(|&b| {
                let p = sigmoid(truth.0 + truth.1 * b);
                let k = (0..trials).filter(|_| rng.random::<f64>() < p).count();
                (b, trials as f64, k as f64)
            })
            .collect()
    }

    /// Exact counts give the exact curve, up to Firth's correction of order 1/N.
    #[test]
    fn a_noise_free_sweep_gives_the_curve_back() {
        for (a, c) in [(0.0, 2.0), (3.1, 2.0), (-5.0, 1.6)] {
            let counts: Vec<Counts> = BIASES
                .iter()
                .map(|&b| (b, 1e7, 1e7 * sigmoid(a + c * b)))
                .collect();
            let fit = logistic(&counts, (0.0, 1.0), false);
            assert!(
                (fit.a - a).abs() < 1e-4 && (fit.c - c).abs() < 1e-4,
                "{fit:?}"
            );
            let fixed = logistic(&counts, (0.0, c), true);
            assert!((fixed.a - a).abs() < 1e-4 && fixed.c == c);
        }
    }

    /// z-scores of 2 × 400 fits have mean square 1: χ² of 400 degrees of freedom stays within 1 ± 0.35 (5 standard
    /// deviations of √(2/400), false-alarm rate 1e-6 each); errors that forget half the trials do not.
    #[test]
    fn errors_are_the_scatter() {
        let truth = (1.3, 2.0);
        let (mut za, mut zc, mut wrong) = (0.0, 0.0, 0.0);
        for seed in 0..400 {
            let fit = logistic(&draw(truth, 60, seed), (0.0, 1.0), false);
            let (ea, ec) = fit.errors();
            za += ((fit.a - truth.0) / ea).powi(2) / 400.0;
            zc += ((fit.c - truth.1) / ec).powi(2) / 400.0;
            let halved = draw(truth, 60, seed);
            let halved: Vec<Counts> = halved
                .iter()
                .map(|&(b, n, k)| (b, 2.0 * n, 2.0 * k))
                .collect();
            let fit = logistic(&halved, (0.0, 1.0), false);
            wrong += ((fit.a - truth.0) / fit.errors().0).powi(2) / 400.0;
        }
        assert!((za - 1.0).abs() < 0.35, "{za}");
        assert!((zc - 1.0).abs() < 0.35, "{zc}");
        assert!((wrong - 1.0).abs() > 0.35, "{wrong}");
    }

    #[test]
    fn a_site_that_never_flips_has_a_finite_estimate() {
        let counts: Vec<Counts> = BIASES.iter().map(|&b| (b, 20.0, 20.0)).collect();
        let fit = logistic(&counts, (0.0, 2.0), true);
        assert!(
            fit.a > 8.0 && fit.a < 20.0 && fit.error_of_a_alone() > 1.0,
            "{fit:?}"
        );
    }
}
