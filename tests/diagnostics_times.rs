//! Correlation times, spectra and dwell times against processes whose law is known.

#[path = "common/ar1.rs"]
mod ar1;

use ar1::ar1;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use thermochip::diagnostics::{
    Window, correlation_time, dwells, fit_lorentzian, two_levels, welch,
};

/// √n × the Kolmogorov distance of p-values from uniform; 2.7 is passed with probability 2e^{−2·2.7²} = 9e-7.
fn from_uniform(mut p: Vec<f64>) -> f64 {
    p.sort_unstable_by(f64::total_cmp);
    let n = p.len() as f64;
    let gaps = p.iter().zip(0..).map(|(p, k)| {
        let k = f64::from(k);
        (p - k / n).abs().max((p - (k + 1.0) / n).abs())
    });
    gaps.fold(0.0, f64::max) * n.sqrt()
}

/// τ = (1+ρ)/(1−ρ). Over 100 independent traces the mean of τ̂ is within 5 of its own standard errors (6e-7 a case) plus the
/// tail e^{−W/τ_exp} that the window leaves out; the error bar is that of the scatter within a factor of 1.45 (5.3 standard
/// errors of a standard deviation of 100 values).
#[test]
fn correlation_time_of_ar1() {
    let mut rng = Pcg64::seed_from_u64(11);
    for (rho, window) in [
        (0.0, Window::Gamma(1.5)),
        (0.5, Window::Gamma(1.5)),
        (0.9, Window::Gamma(1.5)),
        (0.5, Window::Sokal(5.0)),
        (0.9, Window::Sokal(5.0)),
    ] {
        let exact = (1.0 + rho) / (1.0 - rho);
        let (repeats, chains, draws) = (100, 4, 5000);
        let found: Vec<_> = (0..repeats)
            .map(|_| correlation_time(&ar1(&mut rng, rho, chains, draws), chains, draws, window))
            .map(Option::unwrap)
            .collect();
        let n = f64::from(repeats);
        let mean = found.iter().map(|t| t.tau).sum::<f64>() / n;
        let sd = (found.iter().map(|t| (t.tau - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        let se = (found.iter().map(|t| t.se * t.se).sum::<f64>() / n).sqrt();
        let least = found.iter().map(|t| t.window).min().unwrap();
        let tail = 2.0 * f64::powi(rho, least as i32 + 1) / (1.0 - rho);
        assert!(found.iter().all(|t| t.valid));
        assert!(
            (mean - exact).abs() < 5.0 * sd / n.sqrt() + tail,
            "{rho} {window:?}: {mean} ± {} for {exact} (tail {tail})",
            sd / n.sqrt()
        );
        assert!(
            (sd / se).ln().abs() < 1.45f64.ln(),
            "{rho} {window:?}: scatter {sd}, said {se}"
        );
        // Mutation: the convention ½ + Σρ is half of it.
        assert!((0.5 * mean - exact).abs() > 5.0 * sd / n.sqrt() + tail);
    }
}

/// A chain of few correlation times, and chains that disagree, are said not to be valid.
#[test]
fn short_and_split_chains_are_not_valid() {
    let mut rng = Pcg64::seed_from_u64(12);
    let short = ar1(&mut rng, 0.99, 2, 300);
    assert!(
        !correlation_time(&short, 2, 300, Window::Gamma(1.5))
            .unwrap()
            .valid
    );
    let mut split = ar1(&mut rng, 0.0, 2, 500);
    for v in &mut split[500..] {
        *v += 10.0;
    }
    assert!(
        !correlation_time(&split, 2, 500, Window::Gamma(1.5))
            .unwrap()
            .valid
    );
    assert!(correlation_time(&[1.0; 64], 1, 64, Window::Sokal(5.0)).is_none());
}

/// Welch's density of AR(1) is its folded Lorentzian: p-values over 200 traces uniform (Kolmogorov, false alarms 1e-6), the
/// relaxation time right within 5 standard errors (6e-7), and white noise added is rejected.
#[test]
fn a_lorentzian_is_known_from_a_sum() {
    let mut rng = Pcg64::seed_from_u64(13);
    let (rho, chains, draws, step) = (0.8f64, 4, 4096, 0.01);
    let (mut p, mut scores) = (Vec::new(), 0.0);
    for _ in 0..200 {
        let x = ar1(&mut rng, rho, chains, draws);
        let fit = fit_lorentzian(&welch(&x, chains, draws, step, 512).unwrap()).unwrap();
        p.push(fit.p_value);
        scores += (fit.time.ln() - (step / -rho.ln()).ln()) / fit.log_time_se;
    }
    let uniform = from_uniform(p);
    assert!(uniform < 2.7, "{uniform}");
    assert!((scores / 200f64.sqrt()).abs() < 5.0, "{scores}");
    // Power: two relaxation times are not one.
    let mut x = ar1(&mut rng, 0.97, chains, draws);
    for (v, w) in x.iter_mut().zip(ar1(&mut rng, 0.0, chains, draws)) {
        *v += 0.5 * w;
    }
    let fit = fit_lorentzian(&welch(&x, chains, draws, step, 512).unwrap()).unwrap();
    assert!(fit.p_value < 1e-6, "{fit:?}");
}

/// A two-state trace whose dwells are geometric (`memory` = 1), or sums of `memory` geometric ones of the same mean.
fn telegraph(rng: &mut Pcg64, means: [f64; 2], memory: u32, draws: usize) -> Vec<f64> {
    let mut x = Vec::with_capacity(draws);
    let (mut level, mut stage) = (0, 0);
    while x.len() < draws {
        x.push([-1.0, 1.0][level]);
        if rng.random::<f64>() < f64::from(memory) / means[level] {
            stage += 1;
        }
        if stage == memory {
            (level, stage) = (1 - level, 0);
        }
    }
    x
}

/// Memoryless dwells: mean right within 5 standard errors pooled over 200 traces (6e-7 a level), p-values uniform
/// (Kolmogorov over 200, 1e-6). Two stages per dwell are rejected.
#[test]
fn dwells_of_a_telegraph() {
    let mut rng = Pcg64::seed_from_u64(14);
    let (means, draws) = ([12.0, 5.0], 2000);
    let mut p = [Vec::new(), Vec::new()];
    let mut score = [0.0, 0.0];
    for seed in 0..200 {
        let x = telegraph(&mut rng, means, 1, draws);
        let found = dwells(&two_levels(&x, draws, 0.0, 0.0), draws, 199, seed);
        for (on, d) in found.into_iter().enumerate() {
            let d = d.unwrap();
            p[on].push(d.p_value.unwrap());
            score[on] += (1.0 / d.mean - 1.0 / means[on]) / (d.mean_se / (d.mean * d.mean));
        }
    }
    for on in 0..2 {
        let uniform = from_uniform(p[on].clone());
        assert!(uniform < 2.7, "{uniform}");
        assert!((score[on] / 200f64.sqrt()).abs() < 5.0, "{score:?}");
    }
    let x = telegraph(&mut rng, means, 2, 10_000);
    for d in dwells(&two_levels(&x, 10_000, 0.0, 0.0), 10_000, 999, 1) {
        assert_eq!(d.unwrap().p_value, Some(1e-3));
    }
    // A level that is never left has no law.
    assert_eq!(dwells(&[true; 50], 50, 99, 1), [None, None]);
}
