//! Mean, variance and correlation time of measured traces, with errors from the scatter between stretches. Plain arrays.
//!
//! A stationary process with covariance v e^{−t/τ} read every Δ has the regression φ = e^{−Δ/τ} of a reading on the one
//! before, for Gaussian and for two-valued signals alike; τ = −Δ/ln φ. Errors are the jackknife's over stretches (chains, cut
//! where there are few), which need not know the law of the signal.

/// Fewest stretches to take errors from.
const FEWEST: usize = 16;

/// A value and its standard error.
pub type Estimate = (f64, f64);

/// What one trace says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceFit {
    /// Mean.
    pub mean: Estimate,
    /// Stationary variance.
    pub variance: Estimate,
    /// Correlation time, in the unit of the spacing; `None` where successive readings are not positively correlated.
    pub tau: Option<Estimate>,
}

/// Sums over the pairs of successive readings of a stretch, about a fixed origin: pairs, x, x², and x of the first, the
/// second, their product, and the square of the first.
type Sums = [f64; 7];

fn sums(x: &[f64], origin: f64) -> Sums {
    let mut s = [0.0; 7];
    for &v in x {
        let v = v - origin;
        s[0] += 1.0;
        s[1] += v;
        s[2] += v * v;
    }
    for pair in x.windows(2) {
        let (a, b) = (pair[0] - origin, pair[1] - origin);
        s[3] += 1.0;
        s[4] += a * b;
        s[5] += a + b;
        s[6] += a * a + b * b;
    }
    s
}

/// Mean, variance and φ of some sums.
fn estimates(s: &Sums) -> [f64; 3] {
    let mean = s[1] / s[0];
    let variance = s[2] / s[0] - mean * mean;
    // Both ends of a pair are symmetric in time, so their moments are pooled.
    let centre = 0.5 * s[5] / s[3];
    let product = s[4] / s[3] - centre * centre;
    let square = 0.5 * s[6] / s[3] - centre * centre;
    [mean, variance, product / square]
}

/// Fits the traces of one node, `x[chain][draw]`, read every `spacing`.
///
/// `None` for fewer than sixteen readings, unequal chains left aside, or a signal that never moves.
pub fn fit_trace(x: &[&[f64]], spacing: f64) -> Option<TraceFit> {
    let readings: usize = x.iter().map(|c| c.len()).sum();
    if readings < FEWEST || x.is_empty() {
        return None;
    }
    let cuts = FEWEST.div_ceil(x.len());
    let origin = x.iter().flat_map(|c| c.iter()).sum::<f64>() / readings as f64;
    let parts: Vec<Sums> = x
        .iter()
        .flat_map(|chain| chain.chunks(chain.len().div_ceil(cuts).max(2)))
        .map(|stretch| sums(stretch, origin))
        .filter(|s| s[3] > 0.0)
        .collect();
    let total = parts
        .iter()
        .fold([0.0; 7], |t, s| std::array::from_fn(|k| t[k] + s[k]));
    let n = parts.len() as f64;
    if parts.len() < 2 {
        return None;
    }
    let whole = estimates(&total);
    if !(whole[1] > 0.0 && whole[2].is_finite()) {
        return None;
    }
    let without: Vec<[f64; 3]> = parts
        .iter()
        .map(|s| estimates(&std::array::from_fn(|k| total[k] - s[k])))
        .collect();
    let jackknife = |f: &dyn Fn(&[f64; 3]) -> f64| -> Estimate {
        let mean = without.iter().map(f).sum::<f64>() / n;
        let scatter: f64 = without.iter().map(|e| (f(e) - mean).powi(2)).sum();
        let value = n * f(&whole) - (n - 1.0) * mean;
        (value, ((n - 1.0) / n * scatter).sqrt())
    };
    let positive = without
        .iter()
        .chain([&whole])
        .all(|e| e[2] > 0.0 && e[2] < 1.0);
    let (mean, mean_error) = jackknife(&|e| e[0]);
    Some(TraceFit {
        mean: (mean + origin, mean_error),
        variance: jackknife(&|e| e[1]),
        tau: positive.then(|| jackknife(&|e| -spacing / e[2].ln())),
    })
}

/// Values of several nodes together: weighted mean, the χ² per degree of freedom about it, and the spread that the errors
/// leave unexplained, σ² = s² − ⟨se²⟩.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Together {
    /// Mean over nodes and its standard error, spread included.
    pub mean: Estimate,
    /// χ² per degree of freedom of "all nodes are alike"; NaN for one node.
    pub chi2: f64,
    /// Standard deviation between nodes beyond the errors, and its standard error.
    pub spread: Estimate,
}

/// Nodes together; `None` for no nodes.
pub fn together(values: &[Estimate]) -> Option<Together> {
    let n = values.len() as f64;
    let first = values.first()?;
    if values.len() == 1 {
        return Some(Together {
            mean: *first,
            chi2: f64::NAN,
            spread: (0.0, f64::INFINITY),
        });
    }
    let weight: f64 = values.iter().map(|v| v.1.powi(-2)).sum();
    let weighted = values.iter().map(|v| v.0 * v.1.powi(-2)).sum::<f64>() / weight;
    let chi2 = values
        .iter()
        .map(|v| ((v.0 - weighted) / v.1).powi(2))
        .sum::<f64>()
        / (n - 1.0);
    let mean = values.iter().map(|v| v.0).sum::<f64>() / n;
    let variance = values.iter().map(|v| (v.0 - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let noise = values.iter().map(|v| v.1 * v.1).sum::<f64>() / n;
    let spread = (variance - noise).max(0.0).sqrt();
    // d σ = d s² / 2σ; at σ = 0 the scale on which s² could hide one.
    let error = variance * (2.0 / (n - 1.0)).sqrt();
    let spread_error = if spread > error.sqrt() {
        0.5 * error / spread
    } else {
        error.sqrt()
    };
    Some(Together {
        mean: (mean, (variance / n).sqrt()),
        chi2,
        spread: (spread, spread_error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_distr::{Distribution, StandardNormal};

    /// Exact OU readings about 0.7 with variance 2.5.
    fn walk(phi: f64, chains: usize, draws: usize, seed: u64) -> Vec<Vec<f64>> {
        let mut rng = rand_pcg::Pcg32::seed_from_u64(seed);
        let mut normal = || -> f64 { StandardNormal.sample(&mut rng) };
        (0..chains)
            .map(|_| {
                let mut z = normal();
                (0..draws)
                    .map(|_| {
                        z = phi * z + (1.0 - phi * phi).sqrt() * normal();
                        0.7 + 2.5f64.sqrt() * z
                    })
                    .collect()
            })
            .collect()
    }

    fn fit(x: &[Vec<f64>], spacing: f64) -> TraceFit {
        let x: Vec<&[f64]> = x.iter().map(Vec::as_slice).collect();
        fit_trace(&x, spacing).unwrap()
    }

    /// z² of 300 independent fits of each number has mean 1 ± 5 standard deviations of √(2/300), 0.41, and a little for the
    /// jackknife's own errors from 32 stretches (false-alarm rate 1e-6): many chains and one long chain alike. Errors of
    /// independent readings are refused.
    #[test]
    fn errors_cover_the_truth() {
        let (spacing, phi) = (0.4, 0.67f64);
        let tau = -spacing / phi.ln();
        for (chains, draws) in [(32, 200), (1, 6400)] {
            let mut z = [0.0; 3];
            let mut naive = 0.0;
            for seed in 0..300 {
                let fit = fit(&walk(phi, chains, draws, seed), spacing);
                let of = |e: Estimate, truth: f64| ((e.0 - truth) / e.1).powi(2) / 300.0;
                z[0] += of(fit.mean, 0.7);
                z[1] += of(fit.variance, 2.5);
                z[2] += of(fit.tau.unwrap(), tau);
                naive += of((fit.mean.0, (2.5f64 / 6400.0).sqrt()), 0.7);
            }
            assert!(z.iter().all(|z| (0.6..1.6).contains(z)), "{z:?}");
            assert!(naive > 3.0, "{naive}");
        }
    }

    /// A two-valued signal that is redrawn at rate 1/τ, up with probability p: the same regression.
    #[test]
    fn telegraph_signals_have_their_time() {
        let (p, spacing) = (0.8, 0.5);
        let mut rng = rand_pcg::Pcg32::seed_from_u64(9);
        let stay = f64::exp(-spacing);
        let chains: Vec<Vec<f64>> = (0..40)
            .map(|_| {
                let mut s = if rng.random::<f64>() < p { 1.0 } else { -1.0 };
                (0..2000)
                    .map(|_| {
                        if rng.random::<f64>() > stay {
                            s = if rng.random::<f64>() < p { 1.0 } else { -1.0 };
                        }
                        s
                    })
                    .collect()
            })
            .collect();
        let fit = fit(&chains, spacing);
        let (tau, se) = fit.tau.unwrap();
        // Five standard errors: false-alarm rate 6e-7 each.
        assert!((tau - 1.0).abs() < 5.0 * se && se < 0.02, "{tau} {se}");
        assert!((fit.mean.0 - 0.6).abs() < 5.0 * fit.mean.1);
        assert!((fit.variance.0 - 0.64).abs() < 5.0 * fit.variance.1);
    }

    #[test]
    fn what_says_nothing_is_not_fitted() {
        assert!(fit_trace(&[&[1.0; 100]], 1.0).is_none());
        assert!(fit_trace(&[&[1.0, 2.0]], 1.0).is_none());
        let jumping: Vec<f64> = (0..100).map(|k| f64::from(k % 2)).collect();
        assert!(fit_trace(&[&jumping], 1.0).unwrap().tau.is_none());
    }

    /// Nodes alike but for their errors have χ² near 1 and no spread; nodes that differ are told apart.
    #[test]
    fn nodes_together() {
        let mut rng = rand_pcg::Pcg32::seed_from_u64(2);
        let mut draw = |spread: f64| -> Vec<Estimate> {
            (0..400)
                .map(|_| {
                    let (a, b): (f64, f64) = (
                        StandardNormal.sample(&mut rng),
                        StandardNormal.sample(&mut rng),
                    );
                    (3.0 + spread * a + 0.1 * b, 0.1)
                })
                .collect()
        };
        let alike = together(&draw(0.0)).unwrap();
        // √(2/399) is 0.071: five of them.
        assert!((alike.chi2 - 1.0).abs() < 0.36 && alike.spread.0 < 0.06);
        let unlike = together(&draw(0.3)).unwrap();
        assert!(unlike.chi2 > 5.0);
        assert!((unlike.spread.0 - 0.3).abs() < 5.0 * unlike.spread.1 && unlike.spread.1 < 0.02);
        assert!((unlike.mean.0 - 3.0).abs() < 5.0 * unlike.mean.1);
    }
}
