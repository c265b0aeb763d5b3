//! Power spectral density by Welch's method, and its comparison with a Lorentzian.
//!
//! One-sided: ∫₀^∞ S df is the variance. Segments overlap by half under a Hann window; a density at a bin is then Γ-distributed
//! about its expectation with ν/2 shape, ν the equivalent degrees of freedom. A process of one relaxation time t_c has
//! S = 4σ²t_c/(1 + (2πft_c)²); sampled every Δt it folds at 1/(2Δt) into 2σ²Δt(1 − ρ²)/(1 − 2ρ cos 2πfΔt + ρ²), ρ = e^{−Δt/t_c},
//! which is what is fitted here.

use super::effective_size::mean;
use super::fourier::Fourier;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ChiSquared, ContinuousCDF};
use statrs::function::gamma::digamma;
use std::f64::consts::{PI, TAU};

/// An averaged one-sided density.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spectrum {
    /// Frequencies in cycles per unit of `step`, without 0 and the Nyquist frequency.
    pub frequency: Vec<f64>,
    /// Density, in squared units of the trace per unit of frequency.
    pub density: Vec<f64>,
    /// Equivalent degrees of freedom: the relative standard error is √(2/ν).
    pub freedom: f64,
    /// Time between draws.
    pub step: f64,
}

/// Density of `x[chain * draws + draw]`, a draw every `step`, by segments of `segment` draws (a power of two, at least 8 and
/// at most `draws`); `None` where it does not fit or a value is not finite.
///
/// A segment must be many correlation times long: a Hann window smears a Lorentzian's plateau by (2πt_c/T)²/3 of itself.
pub fn welch(
    x: &[f64],
    chains: usize,
    draws: usize,
    step: f64,
    segment: usize,
) -> Option<Spectrum> {
    let fits = chains > 0 && segment >= 8 && segment.is_power_of_two() && segment <= draws;
    if !fits || step <= 0.0 || x.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let centre = mean(x);
    let window: Vec<f64> = (0..segment)
        .map(|k| (PI * (k as f64 + 0.5) / segment as f64).sin().powi(2))
        .collect();
    let power: f64 = window.iter().map(|w| w * w).sum();
    let transform = Fourier::new(segment);
    let bins = segment / 2 - 1;
    let mut density = vec![0.0; bins];
    let (mut re, mut im) = (vec![0.0; segment], vec![0.0; segment]);
    let starts: Vec<usize> = (0..=draws - segment).step_by(segment / 2).collect();
    for chain in x.chunks(draws).take(chains) {
        for &start in &starts {
            for ((target, x), w) in re.iter_mut().zip(&chain[start..]).zip(&window) {
                *target = (x - centre) * w;
            }
            im.fill(0.0);
            transform.forward(&mut re, &mut im);
            for (k, sum) in density.iter_mut().enumerate() {
                *sum += re[k + 1] * re[k + 1] + im[k + 1] * im[k + 1];
            }
        }
    }
    let segments = starts.len() as f64;
    for d in &mut density {
        *d *= 2.0 * step / (power * segments * chains as f64);
    }
    // Half-overlapping Hann windows correlate by 1/6, their periodograms by its square.
    let inflation = 1.0 + 2.0 / 36.0 * (segments - 1.0) / segments;
    Some(Spectrum {
        frequency: (1..=bins)
            .map(|k| k as f64 / (segment as f64 * step))
            .collect(),
        density,
        freedom: 2.0 * segments * chains as f64 / inflation,
        step,
    })
}

/// One relaxation time fitted to a density.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lorentzian {
    /// Variance σ² of the process.
    pub variance: f64,
    /// Relaxation time t_c, in units of the step.
    pub time: f64,
    /// Standard error of ln t_c.
    pub log_time_se: f64,
    /// Probability of a misfit at least this large when the density is one (folded) Lorentzian.
    pub p_value: f64,
}

impl Lorentzian {
    /// The one-sided density at `frequency` of draws every `step`, folded at the Nyquist frequency.
    pub fn density(&self, frequency: f64, step: f64) -> f64 {
        self.variance * shape(frequency, step, (-step / self.time).exp())
    }
}

/// Independent bins under a Hann window lie three apart.
const APART: usize = 3;

/// The folded Lorentzian's density with unit variance.
fn shape(f: f64, step: f64, rho: f64) -> f64 {
    2.0 * step * (1.0 - rho * rho) / (1.0 - 2.0 * rho * (TAU * f * step).cos() + rho * rho)
}

/// Fits a (folded) Lorentzian by Whittle's likelihood Σ ln S + I/S and judges the misfit by the deviance of independent bins.
///
/// `None` with fewer than eight independent bins.
pub fn fit_lorentzian(spectrum: &Spectrum) -> Option<Lorentzian> {
    let bins: Vec<(f64, f64)> = spectrum
        .frequency
        .iter()
        .copied()
        .zip(spectrum.density.iter().copied())
        .step_by(APART)
        .collect();
    if bins.len() < 8 || bins.iter().any(|b| b.1 <= 0.0) {
        return None;
    }
    let (n, step) = (bins.len() as f64, spectrum.step);
    // For a given ρ the variance has a closed form; ln t_c is found by a grid and golden sections.
    let scale = |log_time: f64| {
        let rho = (-step / log_time.exp()).exp();
        let ratio: f64 = bins.iter().map(|(f, y)| y / shape(*f, step, rho)).sum();
        ratio / n
    };
    let cost = |log_time: f64| {
        let rho = (-step / log_time.exp()).exp();
        let logs: f64 = bins.iter().map(|(f, _)| shape(*f, step, rho).ln()).sum();
        logs / n + scale(log_time).ln()
    };
    let (low, high) = ((0.05 * step).ln(), (1e3 / spectrum.frequency[0]).ln());
    let points = 200;
    let at = |k: usize| low + (high - low) * k as f64 / points as f64;
    let best = (0..=points).min_by(|&a, &b| cost(at(a)).total_cmp(&cost(at(b))))?;
    let (mut a, mut b) = (at(best.saturating_sub(1)), at((best + 1).min(points)));
    let golden = 0.5 * (5f64.sqrt() - 1.0);
    for _ in 0..60 {
        let (c, d) = (b - golden * (b - a), a + golden * (b - a));
        if cost(c) < cost(d) {
            b = d;
        } else {
            a = c;
        }
    }
    let log_time = 0.5 * (a + b);
    let half = 0.5 * spectrum.freedom;
    // Curvature of the profiled likelihood, n ν/2 × cost.
    let h = 1e-3;
    let curvature = (cost(log_time + h) - 2.0 * cost(log_time) + cost(log_time - h)) / (h * h);
    let variance = scale(log_time);
    let rho = (-step / log_time.exp()).exp();
    let deviance: f64 = bins
        .iter()
        .map(|(f, y)| {
            let r = y / (variance * shape(*f, step, rho));
            2.0 * half * (r - 1.0 - r.ln())
        })
        .sum();
    // Exact mean and variance of one bin's deviance under the Γ law; a χ² of the same two moments, less two fitted numbers.
    let expected = 2.0 * half * (half.ln() - digamma(half));
    let spread = 4.0 * half * half * (trigamma(half) - 1.0 / half);
    let left = n - 2.0;
    let ratio = spread / (2.0 * expected);
    let law = ChiSquared::new(left * expected / ratio).ok()?;
    Some(Lorentzian {
        variance,
        time: log_time.exp(),
        log_time_se: 1.0 / (n * half * curvature.max(1e-300)).sqrt(),
        p_value: law.sf(deviance / ratio),
    })
}

/// ψ′ by recurrence and its asymptotic series.
fn trigamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 20.0 {
        sum += 1.0 / (x * x);
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    sum + 1.0 / x + 0.5 * y + y / x * (1.0 / 6.0 - y * (1.0 / 30.0 - y / 42.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trigamma_of_one_and_a_half() {
        assert!((trigamma(1.0) - PI * PI / 6.0).abs() < 1e-13);
        assert!((trigamma(0.5) - PI * PI / 2.0).abs() < 1e-13);
    }

    /// The fit returns the parameters of a density that is its own law, and calls the fit perfect.
    #[test]
    fn an_exact_density_is_found_again() {
        let (step, time, variance) = (0.1, 0.7, 2.5);
        let rho = (-step / time as f64).exp();
        let frequency: Vec<f64> = (1..=127).map(|k| f64::from(k) / (256.0 * step)).collect();
        let density = frequency
            .iter()
            .map(|f| variance * shape(*f, step, rho))
            .collect();
        let fit = fit_lorentzian(&Spectrum {
            frequency,
            density,
            freedom: 40.0,
            step,
        })
        .unwrap();
        assert!((fit.time / time - 1.0).abs() < 1e-6, "{fit:?}");
        assert!((fit.variance / variance - 1.0).abs() < 1e-6, "{fit:?}");
        assert!(fit.p_value > 0.999999);
    }

    /// Parseval: the folded Lorentzian integrates to its variance.
    #[test]
    fn the_folded_lorentzian_has_its_variance() {
        let n = 4096;
        let sum: f64 = (0..n)
            .map(|k| shape((f64::from(k) + 0.5) / f64::from(2 * n), 1.0, 0.8) / f64::from(2 * n))
            .sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }
}
