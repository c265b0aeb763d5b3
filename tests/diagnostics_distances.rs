//! Distances between laws against closed forms; p-values uniform where the laws are equal, small where they are not.
//!
//! "Uniform" is Kolmogorov's test over 200 p-values at √n D < 2.7 (false alarms 2e^{−2·2.7²} = 9e-7; p-values on a grid of
//! 1/200 only make it rarer). Estimates are compared at 5 standard errors of a mean over 60 to 100 repetitions (under 5e-6).

#[path = "common/ar1.rs"]
mod ar1;

use ar1::ar1;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use statrs::function::erf::erf;
use std::f64::consts::PI;
use thermochip::diagnostics::{
    Cut, Draws, compare_law, energy_distance, expected_total_variation, kernel_stein, mmd, mmd_at,
    sliced_wasserstein, total_variation, wasserstein,
};

fn normals(rng: &mut Pcg64, mean: f64, sd: f64, count: usize) -> Vec<f64> {
    (0..count)
        .map(|_| {
            let z: f64 = StandardNormal.sample(rng);
            mean + sd * z
        })
        .collect()
}

fn draws(x: &[f64], chains: usize, nodes: usize) -> Draws<'_> {
    Draws {
        x,
        chains,
        draws: x.len() / chains / nodes,
        nodes,
    }
}

fn from_uniform(mut p: Vec<f64>) -> f64 {
    p.sort_unstable_by(f64::total_cmp);
    let n = p.len() as f64;
    let gaps = p.iter().zip(0..).map(|(p, k)| {
        let k = f64::from(k);
        (p - k / n).abs().max((p - (k + 1.0) / n).abs())
    });
    gaps.fold(0.0, f64::max) * n.sqrt()
}

/// Mean of `values` is `exact` within 5 of its standard errors, and `mutant` is not.
fn mean_is(what: &str, values: &[f64], exact: f64, mutant: f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let se = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
    assert!(
        (mean - exact).abs() < 5.0 * se,
        "{what}: {mean} ± {se} for {exact}"
    );
    assert!(
        (mean - mutant).abs() > 5.0 * se,
        "{what}: the mutant {mutant} passes at {mean} ± {se}"
    );
}

/// E|Z| of a normal Z.
fn mean_modulus(mean: f64, variance: f64) -> f64 {
    (2.0 * variance / PI).sqrt() * (-mean * mean / (2.0 * variance)).exp()
        + mean * erf(mean / (2.0 * variance).sqrt())
}

/// E e^{−(X−Y)²/2s²} of a normal difference.
fn mean_kernel(mean: f64, variance: f64, s: f64) -> f64 {
    let total = s * s + variance;
    s / total.sqrt() * (-mean * mean / (2.0 * total)).exp()
}

/// Two Gaussians N(0, 1) and N(0.7, 1.5²): MMD² at two bandwidths and the energy distance have closed forms. Mutants: the
/// kernel e^{−|x−y|²/s²}, and E|X−Y| without its factor 2.
#[test]
fn two_gaussians_have_the_closed_forms() {
    let mut rng = Pcg64::seed_from_u64(21);
    let (delta, sd) = (0.7, 1.5);
    let cut = Cut {
        replicates: 9,
        ..Cut::default()
    };
    let bandwidths = [0.4, 2.0];
    let (mut found, mut energies) = ([Vec::new(), Vec::new()], Vec::new());
    for _ in 0..100 {
        let (a, b) = (
            normals(&mut rng, 0.0, 1.0, 640),
            normals(&mut rng, delta, sd, 640),
        );
        let (a, b) = (draws(&a, 64, 1), draws(&b, 64, 1));
        let m = mmd_at(a, b, &bandwidths, &cut).unwrap();
        assert!(m.whole_chains && m.blocks == 128);
        found[0].push(m.each[0].value);
        found[1].push(m.each[1].value);
        energies.push(energy_distance(a, b, &cut).unwrap().value);
    }
    for (values, s) in found.iter().zip(bandwidths) {
        let k = |mean: f64, variance: f64| mean_kernel(mean, variance, s);
        let same = [k(0.0, 2.0), k(0.0, 2.0 * sd * sd)];
        let exact = same[0] + same[1] - 2.0 * k(delta, 1.0 + sd * sd);
        let s = s / 2f64.sqrt();
        let other = mean_kernel(0.0, 2.0, s) + mean_kernel(0.0, 2.0 * sd * sd, s)
            - 2.0 * mean_kernel(delta, 1.0 + sd * sd, s);
        mean_is("MMD²", values, exact, other);
    }
    let same = mean_modulus(0.0, 2.0) + mean_modulus(0.0, 2.0 * sd * sd);
    let cross = mean_modulus(delta, 1.0 + sd * sd);
    mean_is(
        "energy distance",
        &energies,
        2.0 * cross - same,
        cross - same,
    );
}

/// The jackknife's error bar is the scatter's within a factor of 1.6 (100 values: 6.6 standard errors of a standard deviation).
#[test]
fn error_bars_of_distances() {
    let mut rng = Pcg64::seed_from_u64(22);
    let cut = Cut {
        replicates: 9,
        ..Cut::default()
    };
    let found: Vec<_> = (0..100)
        .map(|_| {
            let (a, b) = (
                normals(&mut rng, 0.0, 1.0, 640),
                normals(&mut rng, 1.0, 1.0, 640),
            );
            energy_distance(draws(&a, 64, 1), draws(&b, 64, 1), &cut).unwrap()
        })
        .collect();
    let mean = found.iter().map(|f| f.value).sum::<f64>() / 100.0;
    let sd = (found.iter().map(|f| (f.value - mean).powi(2)).sum::<f64>() / 99.0).sqrt();
    let se = (found.iter().map(|f| f.se * f.se).sum::<f64>() / 100.0).sqrt();
    assert!(
        (sd / se).ln().abs() < 1.6f64.ln(),
        "scatter {sd}, said {se}"
    );
}

/// W₁ of N(0, 1) and N(δ, σ²) is E|δ + (σ−1)Z|, here the mean over 60 samples of 20,000 (bias of sampling below 2e-3 of it:
/// W₁(sample, law) enters only in second order where the quantiles never cross). Mutant: W₂ = √(δ² + (σ−1)²).
#[test]
fn wasserstein_of_two_gaussians() {
    let mut rng = Pcg64::seed_from_u64(23);
    let (delta, sd) = (3.0, 1.4);
    let found: Vec<f64> = (0..60)
        .map(|_| {
            let a = normals(&mut rng, 0.0, 1.0, 20_000);
            wasserstein(&a, &normals(&mut rng, delta, sd, 20_000))
        })
        .collect();
    let exact = mean_modulus(delta, (sd - 1.0) * (sd - 1.0));
    mean_is("W1", &found, exact, delta.hypot(sd - 1.0));
    // Sliced in two dimensions, a shift δ along one axis: mean over directions of |u·δ| is 2δ/π; 400 directions, 5 standard
    // errors of that mean plus the samples'.
    let (mut a, mut b) = (
        normals(&mut rng, 0.0, 1.0, 8000),
        normals(&mut rng, 0.0, 1.0, 8000),
    );
    a.iter_mut().step_by(2).for_each(|v| *v += 10.0);
    let cut = Cut {
        points: 4000,
        replicates: 19,
        ..Cut::default()
    };
    let s = sliced_wasserstein(draws(&a, 20, 2), draws(&b, 20, 2), 400, &cut).unwrap();
    let spread = 10.0 * (0.5 - 4.0 / (PI * PI)).sqrt() / 20.0;
    assert!((s.value - 20.0 / PI).abs() < 5.0 * (spread + 0.03), "{s:?}");
    assert_eq!(s.p_value, 0.05);
    // Equal laws: the value is at the floor.
    a.iter_mut().step_by(2).for_each(|v| *v -= 10.0);
    b.truncate(8000);
    let s = sliced_wasserstein(draws(&a, 20, 2), draws(&b, 20, 2), 100, &cut).unwrap();
    assert!((s.value - s.floor).abs() < 6.0 * s.floor_sd, "{s:?}");
}

/// Equal laws: p-values of all two-sample distances are uniform, for independent draws, for many correlated chains and for
/// single correlated chains cut into blocks. Mutant: single draws of the same chains exchanged (a correlation time of 1 given).
#[test]
fn two_sample_p_values_are_uniform() {
    let mut rng = Pcg64::seed_from_u64(24);
    let cut = |tau: f64, seed: u64| Cut {
        tau,
        points: 200,
        replicates: 199,
        seed,
    };
    let mut mutant = Vec::new();
    for (rho, chains, length) in [(0.0, 20, 20), (0.8, 20, 40), (0.8, 2, 2000)] {
        let tau = (1.0 + rho) / (1.0 - rho);
        let mut p = [const { Vec::new() }; 3];
        for seed in 0..200 {
            let (a, b) = (
                ar1(&mut rng, rho, chains, length),
                ar1(&mut rng, rho, chains, length),
            );
            let (a, b) = (draws(&a, chains, 1), draws(&b, chains, 1));
            let cut = cut(tau, seed);
            p[0].push(mmd(a, b, &cut).unwrap().p_value);
            p[1].push(energy_distance(a, b, &cut).unwrap().p_value);
            p[2].push(sliced_wasserstein(a, b, 1, &cut).unwrap().p_value);
        }
        for (what, p) in ["MMD", "energy", "sliced"].iter().zip(p) {
            let d = from_uniform(p);
            assert!(d < 2.7, "{what}, {chains} chains of rho {rho}: {d}");
        }
    }
    for seed in 0..200 {
        let (a, b) = (ar1(&mut rng, 0.95, 1, 64), ar1(&mut rng, 0.95, 1, 64));
        let cut = Cut {
            tau: 0.1,
            ..cut(0.1, seed)
        };
        mutant.push(
            energy_distance(draws(&a, 1, 1), draws(&b, 1, 1), &cut)
                .unwrap()
                .p_value,
        );
    }
    assert!(from_uniform(mutant) > 2.7);
}

/// Power: a shift of half a standard deviation, and a temperature of 1.5, are rejected at the least p-value there is.
#[test]
fn other_laws_are_rejected() {
    let mut rng = Pcg64::seed_from_u64(25);
    let cut = Cut::default();
    let reference = normals(&mut rng, 0.0, 1.0, 4000);
    for (what, other) in [
        ("shifted", normals(&mut rng, 0.5, 1.0, 4000)),
        ("tempered", normals(&mut rng, 0.0, 1.5f64.sqrt(), 4000)),
    ] {
        let (a, b) = (draws(&reference, 20, 2), draws(&other, 20, 2));
        let least = 1.0 / 500.0;
        assert_eq!(mmd(a, b, &cut).unwrap().p_value, least, "{what}");
        assert_eq!(
            energy_distance(a, b, &cut).unwrap().p_value,
            least,
            "{what}"
        );
        assert_eq!(
            sliced_wasserstein(a, b, 50, &cut).unwrap().p_value,
            least,
            "{what}"
        );
        // The score of N(0, I) knows it too.
        let score: Vec<f64> = other.iter().map(|v| -v).collect();
        assert_eq!(
            kernel_stein(b, &score, &cut).unwrap().p_value,
            least,
            "{what}"
        );
    }
}

/// Stein: under its own law the p-values are uniform, for whole chains and for blocks of correlated ones; and with the score of
/// a law of precision 1.2 the mean over samples is the quadrature of E h.
#[test]
fn stein_discrepancy() {
    let mut rng = Pcg64::seed_from_u64(26);
    for (rho, chains, length) in [(0.0, 40, 25), (0.8, 40, 60), (0.8, 1, 6000)] {
        let tau = (1.0 + rho) / (1.0 - rho);
        let p = (0..200).map(|seed| {
            let x = ar1(&mut rng, rho, chains, length);
            let score: Vec<f64> = x.iter().map(|v| -v).collect();
            let cut = Cut {
                tau,
                points: 256,
                replicates: 199,
                seed,
            };
            kernel_stein(draws(&x, chains, 1), &score, &cut)
                .unwrap()
                .p_value
        });
        let d = from_uniform(p.collect());
        assert!(d < 2.7, "{chains} chains of rho {rho}: {d}");
    }
    // E h of X, Y ~ N(0, 1) with s = −λx, kernel length ℓ: E over U = X−Y ~ N(0, 2), V = X+Y independent: s_x s_y = λ²(V²−U²)/4.
    let (lambda, mut pairs) = (1.2, Vec::new());
    for seed in 0..100 {
        let x = normals(&mut rng, 0.0, 1.0, 640);
        let score: Vec<f64> = x.iter().map(|v| -lambda * v).collect();
        let cut = Cut {
            replicates: 9,
            seed,
            ..Cut::default()
        };
        let s = kernel_stein(draws(&x, 64, 1), &score, &cut).unwrap();
        let h = |u: f64, shear: f64| {
            let q = 1.0 + u * u / (s.length * s.length);
            let l2 = s.length * s.length;
            let k = q.powf(-0.5);
            lambda * lambda * 0.25 * (2.0 - u * u) * k - shear * lambda * u * u * q.powf(-1.5) / l2
                + q.powf(-1.5) / l2
                - 3.0 * q.powf(-2.5) * u * u / (l2 * l2)
        };
        let expected = |shear: f64| -> f64 {
            let step = 1e-2;
            (-1000..=1000)
                .map(|k| f64::from(k) * step)
                .map(|u| h(u, shear) * (-u * u / 4.0).exp() / (4.0 * PI).sqrt() * step)
                .sum()
        };
        pairs.push((s.value - expected(1.0), expected(-1.0) - expected(1.0)));
    }
    let values: Vec<f64> = pairs.iter().map(|p| p.0).collect();
    // Mutant: the other sign of the cross terms.
    mean_is("KSD²", &values, 0.0, pairs[0].1);
}

/// A coin tossed n times: TV p-values are those of the multinomial; a tilted law is rejected; the floor is the mean TV.
#[test]
fn discrete_laws() {
    let mut rng = Pcg64::seed_from_u64(27);
    let p = [0.4, 0.3, 0.2, 0.1];
    let draw = |rng: &mut Pcg64| {
        let mut u: f64 = rng.random();
        p.iter()
            .position(|p| {
                u -= p;
                u < 0.0
            })
            .unwrap_or(3)
    };
    let (chains, length) = (4, 250);
    let (mut tvs, mut values) = (Vec::new(), Vec::new());
    for seed in 0..200 {
        let states: Vec<usize> = (0..chains * length).map(|_| draw(&mut rng)).collect();
        let found = compare_law(&states, chains, length, &p, 199, seed).unwrap();
        values.push(found.p_value);
        tvs.push(found.tv);
        assert!((found.kl_floor / (3.0 / (2.0 * found.effective)) - 1.0).abs() < 0.05);
    }
    let d = from_uniform(values);
    assert!(d < 2.7, "{d}");
    // Mutant: the normal approximation's floor with a variance p instead of p(1−p).
    let mutant: f64 = p
        .iter()
        .map(|p| 0.5 * (2.0 * p / (PI * 1000.0)).sqrt())
        .sum();
    mean_is("TV", &tvs, expected_total_variation(&p, 1000), mutant);
    let states: Vec<usize> = (0..chains * length).map(|_| draw(&mut rng)).collect();
    let tilted = [0.3, 0.3, 0.2, 0.2];
    let found = compare_law(&states, chains, length, &tilted, 999, 1).unwrap();
    assert_eq!(found.p_value, 1e-3);
    assert!(found.tv > 2.0 * found.tv_floor && total_variation(&p, &tilted) > 0.09);
    assert!(compare_law(&[7; 100], 1, 100, &p, 9, 1).is_none());
}
