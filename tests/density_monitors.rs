//! Monitors of density training against closed forms: noise of the gradient, energy gap, distance, share of independent
//! negatives, acceptance of a corrected step.
//!
//! Statistical checks state their false-alarm rate; each comes with a mutation that it rejects.

use nalgebra::DMatrix;
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use std::f64::consts::PI;
use thermochip::energy::Network;
use thermochip::sampler::{Follow, Horizon, NetworkSampler, Phase, Sampler};
use thermochip::testing::assertions::{agrees, z_limit};
use thermochip::training::OptimiserKind;
use thermochip::training::density::monitor::{
    acceptance, distance, energy_gap, gradient_error, independent_share,
};
use thermochip::training::density::{DensitySettings, DensityTrainer, Monitors, Objective};

/// Per check; there are about twenty in this file.
const FALSE_ALARM: f64 = 1e-7;

fn normals(d: usize, n: usize, seed: u64) -> DMatrix<f32> {
    let mut rng = Pcg64::seed_from_u64(seed);
    DMatrix::from_fn(d, n, |_, _| StandardNormal.sample(&mut rng))
}

/// E = ½κ|x|² with units tanh(x_i) that do not count yet (a = 0): ∂E/∂a_i = tanh(x_i), all other slopes vanish.
fn well(dim: usize, kappa: f64) -> Network<f32> {
    let mut rng = Pcg64::seed_from_u64(1);
    let mut well = Network::<f32>::new(&[dim, dim], kappa, &vec![0.0; dim], &mut rng).unwrap();
    let mut theta = vec![0.0; well.parameters().len()];
    for i in 0..dim {
        theta[i * dim + i] = 1.0;
    }
    well.set_parameters(&theta).unwrap();
    well
}

fn settings(objective: Objective, batch: usize) -> DensitySettings {
    DensitySettings {
        objective,
        batch,
        updates: 100,
        optimiser: OptimiserKind::Adam,
        learning_rate: 1e-3,
        decay: 1.0,
        average: 0.0,
        energy_l2: 0.0,
        weight_decay: 0.0,
        gradient_clip: f64::INFINITY,
        leaps: 0,
        step: 0.05,
        force_clip: f64::INFINITY,
        seed: 11,
    }
}

/// Chains that start at the data and forget it: 200 steps of 0.05 are ten relaxation times of a well with κ = 1.
const FORGETFUL: Objective = Objective::Contrastive {
    persistent: false,
    steps: 200,
    restart: 0.0,
};

fn first(dim: usize, batch: usize, data: DMatrix<f32>, objective: Objective) -> Monitors {
    let s = settings(objective, batch);
    let trainer = DensityTrainer::new(s, data, well(dim, 1.0), None, Follow::silent());
    trainer.unwrap().observed_step().unwrap().1
}

/// ⟨f⟩ over N(0, σ²).
fn average(sigma: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (h, mut sum, mut mass) = (0.01, 0.0, 0.0);
    for k in -900..=900 {
        let z = f64::from(k) * h;
        let w = (-0.5 * z * z).exp();
        sum += w * f(sigma * z);
        mass += w;
    }
    sum / mass
}

/// Mean squares of normal groups have χ² laws; an error without √n, or of groups taken as points, is rejected.
#[test]
fn the_gradients_error_is_that_of_a_mean() {
    let (groups, width, components) = (16, 25, 2000);
    let mut rng = Pcg64::seed_from_u64(3);
    let normal = StandardNormal;
    let means: Vec<Vec<f64>> = (0..groups)
        .map(|_| {
            let mut mean = || {
                let sum: f64 = (0..width).map(|_| -> f64 { normal.sample(&mut rng) }).sum();
                3.0 + 2.0 * sum / width as f64
            };
            (0..components).map(|_| mean()).collect()
        })
        .collect();
    let points = groups * width;
    let square = gradient_error(&means, width, points).unwrap().powi(2);
    let expected = 4.0 * components as f64 / points as f64;
    let se = expected * (2.0 / ((groups - 1) * components) as f64).sqrt();
    agrees("SE²", square, se, expected, FALSE_ALARM).unwrap();
    for wrong in [points as f64, 1.0 / width as f64] {
        assert!(agrees("SE²", wrong * square, se, expected, FALSE_ALARM).is_err());
    }
    assert_eq!(gradient_error(&means[..1], width, width), None);
}

/// Through the trainer: SE² is the sum over units of (var tanh(data) + var tanh(chains))/n when chains have forgotten where
/// they began, and nothing at all when they have not moved.
#[test]
fn the_error_of_a_contrast_is_that_of_its_pairs() {
    let (dim, n) = (64, 1600);
    let data = normals(dim, 100_000, 5) * 2.0;
    let seen = first(dim, n, data.clone(), FORGETFUL);
    let square = seen.gradient_se.unwrap().powi(2);
    let spread = |sigma| average(sigma, |x| x.tanh().powi(2));
    let expected = dim as f64 * (spread(2.0) + spread(1.0)) / n as f64;
    // Sixteen groups: fifteen degrees of freedom for each unit.
    let se = expected * (2.0 / (15.0 * dim as f64)).sqrt();
    agrees("SE²", square, se, expected, FALSE_ALARM).unwrap();
    let data_alone = dim as f64 * spread(2.0) / n as f64;
    assert!(agrees("SE²", square, se, data_alone, FALSE_ALARM).is_err());
    assert!(agrees("SE²", n as f64 * square, se, expected, FALSE_ALARM).is_err());

    let mut s = settings(FORGETFUL, n);
    s.step = 1e-12;
    let trainer = DensityTrainer::new(s, data, well(dim, 1.0), None, Follow::silent());
    let still = trainer.unwrap().observed_step().unwrap().1;
    assert!(still.gradient_se.unwrap() < 1e-3 * expected.sqrt());
}

/// Data N(0, s²) in a well of κ = 1: the gap is ½d(s² − 1) with variance ½d(s⁴ + 1)/n.
#[test]
fn the_energy_gap_has_its_error() {
    let (dim, n, s2) = (3, 4000, 1.44f64);
    let data = normals(dim, 100_000, 6) * 1.2;
    let chains = first(dim, n, data, FORGETFUL).chains.unwrap();
    let se = (0.5 * dim as f64 * (s2 * s2 + 1.0) / n as f64).sqrt();
    let expected = 0.5 * dim as f64 * (s2 - 1.0);
    agrees("gap", chains.energy_gap, se, expected, FALSE_ALARM).unwrap();
    assert!(agrees("gap", -chains.energy_gap, se, expected, FALSE_ALARM).is_err());
    // A variance of n squares of normals scatters by √(κ₄/n), κ₄ below 15 + 2 here.
    let (told, scatter) = (
        chains.energy_gap_se.unwrap() / se,
        0.5 * (17.0 / n as f64).sqrt(),
    );
    agrees("its error", told, scatter, 1.0, FALSE_ALARM).unwrap();
    assert!(
        agrees(
            "its error",
            told * (n as f64).sqrt(),
            scatter,
            1.0,
            FALSE_ALARM
        )
        .is_err()
    );
    assert_eq!(energy_gap(&[1.0, 2.0], &[0.0, 1.0]), (1.0, Some(0.0)));
    assert_eq!(energy_gap(&[1.0], &[3.0]), (-2.0, None));
}

/// Chains of a well in equilibrium are an AR process: over k steps of Leimkuhler–Matthews ρ = a^k + a^{k−1} hκ/2, a = 1 − hκ.
#[test]
fn the_independent_share_is_that_of_the_correlation() {
    let (n, h, kappa, k) = (40_000, 0.05, 2.0, 6u64);
    let silent = Follow::silent();
    let mut sampler =
        NetworkSampler::new(&well(1, kappa), n, (4, 2), h, f64::INFINITY, silent).unwrap();
    let mut go = |steps| {
        let run = sampler.run(&Phase {
            burn_in: Horizon::Steps(0),
            duration: Horizon::Steps(steps),
            every: None,
            clamp: None,
        });
        DMatrix::from_vec(1, n, run.unwrap().samples.x)
    };
    let (before, after) = (go(100), go(k));
    let a = 1.0 - h * kappa;
    let rho = a.powi(k as i32) + a.powi(k as i32 - 1) * h * kappa / 2.0;
    let expected = (1.0 - rho) / (1.0 + rho);
    let se = 2.0 / (1.0 + rho).powi(2) * (1.0 - rho * rho) / (n as f64).sqrt();
    let share = independent_share(&before, &after);
    agrees("share", share, se, expected, FALSE_ALARM).unwrap();
    for wrong in [
        1.0 - rho,
        1.0 / expected,
        (1.0 - a.powi(k as i32)) / (1.0 + a.powi(k as i32)),
    ] {
        assert!(agrees("share", share, se, wrong, FALSE_ALARM).is_err());
    }
    // The slowest coordinate decides: beside one that starts afresh, the share is the slow one's.
    let stack = |fresh: u64, x: &DMatrix<f32>| {
        let other = normals(1, n, fresh);
        DMatrix::from_fn(2, n, |i, c| if i == 0 { other[c] } else { x[c] })
    };
    let both = independent_share(&stack(70, &before), &stack(71, &after));
    assert_eq!(both, share);
    assert_eq!(independent_share(&before, &before), 0.0);
    let frozen = DMatrix::from_element(1, n, 1.0);
    assert_eq!(independent_share(&frozen, &frozen), 1.0);
}

/// In a well ΔH = ¼hκ²(x′² − x²), so that in equilibrium half of the accepted steps have |x′| < |x|:
/// acceptance = (2/π) arccos r with r the correlation of x′ − x and x′ + x; ½ at hκ = 2. The opposite sign, and a
/// correction without the proposal's own law, are rejected.
#[test]
fn the_acceptance_is_that_of_a_corrected_step() {
    let (n, kappa) = (40_000, 4.0);
    for scaled in [0.4, 0.8, 1.6, 2.0] {
        let h: f64 = scaled / kappa;
        let a = 1.0 - scaled;
        let (x2, to2) = (1.0 / kappa, a * a / kappa + 2.0 * h);
        let (minus, plus) = (
            (a - 1.0).powi(2) / kappa + 2.0 * h,
            (a + 1.0).powi(2) / kappa + 2.0 * h,
        );
        let expected = 2.0 / PI * ((to2 - x2) / (minus * plus).sqrt()).acos();
        // The same by quadrature, for any weight of x′² − x².
        let moment = |weight: f64, power: i32| {
            average(x2.sqrt(), |x| {
                average((2.0 * h).sqrt(), |noise| {
                    let to = a * x + noise;
                    (-weight * (to * to - x * x)).exp().min(1.0).powi(power)
                })
            })
        };
        let right = 0.25 * h * kappa * kappa;
        assert!((moment(right, 1) - expected).abs() < 1e-3);
        let x = normals(1, n, 8) * (x2.sqrt() as f32);
        let mut rng = Pcg64::seed_from_u64(9);
        let got = acceptance(&well(1, kappa), &x, (h, f64::INFINITY), &mut rng);
        let se = ((moment(right, 2) - expected * expected) / n as f64).sqrt();
        agrees("acceptance", got, se, expected, FALSE_ALARM).unwrap();
        let refuses =
            |weight: f64| agrees("acceptance", got, se, moment(weight, 1), FALSE_ALARM).is_err();
        assert!(refuses(-right));
        // At the stability limit ¼hκ² is ½κ: there the proposal's own law cancels.
        if scaled < 2.0 {
            assert!(refuses(0.5 * kappa));
        } else {
            assert!((expected - 0.5).abs() < 1e-12);
        }
    }
}

/// Two normal laws a shift m apart: 2E|X − Y| − 2E|X − X′| with E|N(m, 2)| = 2e^{−m²/4}/√π + m erf(m/2). One law: within
/// its floor; the shift is not.
#[test]
fn the_distance_is_that_of_two_normal_laws() {
    let shift = 1.5f64;
    // m erf(m/2) = m (1 − 2Φ(−m/√2)), by quadrature of the density: E|m + √2 z|.
    let mean_size = |m: f64| average(2f64.sqrt(), |x| (m + x).abs());
    let expected = 2.0 * (mean_size(shift) - mean_size(0.0));
    let (a, b) = (normals(1, 256, 12), normals(1, 256, 13));
    let apart = distance(&a, &b.map(|v| v + shift as f32), 1).unwrap();
    // The jackknife's own error at 128 groups is some 10 per cent.
    agrees(
        "distance",
        apart.value,
        1.1 * apart.se,
        expected,
        FALSE_ALARM,
    )
    .unwrap();
    let same = distance(&a, &b, 1).unwrap();
    assert!(agrees("distance", same.value, 1.1 * same.se, expected, FALSE_ALARM).is_err());
    // Two sets of one law are within a few floors of each other; ten floors tell the laws apart.
    assert!(same.value.abs() < 10.0 * same.floor && apart.value > 10.0 * apart.floor);
}

/// Watching changes no bit of what is learned.
#[test]
fn a_watched_training_moves_as_an_unwatched_one() {
    let learned = |watched: bool, objective| {
        let data = normals(2, 500, 14);
        let s = settings(objective, 50);
        let network = Network::<f32>::new(&[2, 8], 0.5, &[0.0; 2], &mut Pcg64::seed_from_u64(2));
        let trainer = DensityTrainer::new(s, data, network.unwrap(), None, Follow::silent());
        let mut trainer = trainer.unwrap();
        for _ in 0..5 {
            if watched {
                let (step, seen) = trainer.observed_step().unwrap();
                assert_eq!(step.update, seen.update);
                assert_eq!(step.gradient_norm, seen.gradient_norm);
                assert!(seen.gradient_se.unwrap() > 0.0);
                let sampled = matches!(objective, Objective::Contrastive { .. });
                assert_eq!(seen.chains.is_some(), sampled);
            } else {
                trainer.step().unwrap();
            }
        }
        trainer.learned().unwrap().0.parameters().to_vec()
    };
    let pcd = Objective::Contrastive {
        persistent: true,
        steps: 3,
        restart: 0.1,
    };
    let denoising = Objective::Denoising { sigma: 0.1 };
    let noise = Objective::NoiseContrastive { ratio: 2 };
    for objective in [pcd, denoising, noise] {
        assert_eq!(learned(true, objective), learned(false, objective));
    }
    assert!(z_limit(FALSE_ALARM) > 5.0);
}

/// Values out of range are refused by the library, in one line that names the key; those at the edge are not.
#[test]
fn settings_out_of_range_are_refused() {
    let good = || settings(FORGETFUL, 10);
    let contrast = |steps, restart| Objective::Contrastive {
        persistent: true,
        steps,
        restart,
    };
    type Change = Box<dyn Fn(&mut DensitySettings)>;
    let of = |objective| -> Change { Box::new(move |s| s.objective = objective) };
    let projection = thermochip::training::density::Projection::Sphere;
    let sliced = |directions| Objective::Sliced {
        directions,
        projection,
    };
    let wrong: Vec<(&str, Change)> = vec![
        ("steps", of(contrast(0, 0.0))),
        ("restart", of(contrast(1, -0.1))),
        ("restart", of(contrast(1, 1.1))),
        ("restart", of(contrast(1, f64::NAN))),
        ("directions", of(sliced(0))),
        ("sigma", of(Objective::Denoising { sigma: 0.0 })),
        ("sigma", of(Objective::Denoising { sigma: -1.0 })),
        ("ratio", of(Objective::NoiseContrastive { ratio: 0 })),
        ("batch", Box::new(|s| s.batch = 0)),
        ("updates", Box::new(|s| s.updates = 0)),
        ("learning_rate", Box::new(|s| s.learning_rate = f64::NAN)),
        ("step", Box::new(|s| s.step = 0.0)),
        ("decay", Box::new(|s| s.decay = 0.0)),
        ("decay", Box::new(|s| s.decay = 1.5)),
        ("average", Box::new(|s| s.average = 1.0)),
        ("energy_l2", Box::new(|s| s.energy_l2 = -1e-9)),
        ("weight_decay", Box::new(|s| s.weight_decay = -1.0)),
        ("gradient_clip", Box::new(|s| s.gradient_clip = 0.0)),
        ("force_clip", Box::new(|s| s.force_clip = f64::NAN)),
    ];
    for (key, change) in wrong {
        let mut s = good();
        change(&mut s);
        let (data, network) = (normals(2, 20, 1), well(2, 1.0));
        let refused = DensityTrainer::new(s, data, network, None, Follow::silent());
        let said = refused.err().unwrap().to_string();
        assert!(said.starts_with(&format!("`train.{key}` = ")), "{said}");
        assert_eq!(said.lines().count(), 1);
    }
    for objective in [contrast(1, 0.0), contrast(1, 1.0), sliced(1)] {
        objective.check().unwrap();
    }
    good().check().unwrap();
}
