//! Drifts without an energy: their derivatives against differences, what they learn against closed forms, and their curl.

use nalgebra::{DMatrix, dmatrix};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use thermochip::data::TwoMoons;
use thermochip::energy::DriftField;
use thermochip::sampler::{ChainState, Follow, Horizon, NetworkSampler, Phase, Sampler};
use thermochip::testing::assertions::agrees;
use thermochip::training::OptimiserKind;
use thermochip::training::density::{DensitySettings, Objective, Projection, ScoreTrainer, curl};

/// Of the one check that may raise an alarm; the others are of fixed seeds with margins named beside them.
const FALSE_ALARM: f64 = 1e-7;

fn field(sizes: &[usize]) -> DriftField<f64> {
    let centre = vec![0.2; sizes[0]];
    DriftField::new(sizes, 0.7, &centre, &mut Pcg64::seed_from_u64(3)).unwrap()
}

fn normals(d: usize, n: usize, seed: u64) -> DMatrix<f64> {
    let mut rng = Pcg64::seed_from_u64(seed);
    DMatrix::from_fn(d, n, |_, _| StandardNormal.sample(&mut rng))
}

/// Jacobians are differences of values; transposed ones are not.
#[test]
fn jacobians_are_differences() {
    let field = field(&[3, 12, 9]);
    let x = normals(3, 5, 1);
    let jacobians = field.jacobians(&x);
    let h = 1e-5;
    let mut off = [0.0f64; 2];
    for j in 0..3 {
        let shift = DMatrix::from_fn(3, 5, |i, _| if i == j { h } else { 0.0 });
        let slope = (field.values(&(&x + &shift)) - field.values(&(&x - &shift))) / (2.0 * h);
        for r in 0..5 {
            for i in 0..3 {
                off[0] = off[0].max((slope[(i, r)] - jacobians[r][(i, j)]).abs());
                off[1] = off[1].max((slope[(i, r)] - jacobians[r][(j, i)]).abs());
            }
        }
    }
    assert!(off[0] < 1e-8 && off[1] > 0.1, "{off:?}");
}

/// ∂/∂θ Σ (w0 u·s + w1 u·(∂s/∂x)v) against differences in every parameter.
#[test]
fn gradients_of_projections_are_differences() {
    let start = field(&[2, 5, 4]);
    let [x, v, u] = [1, 2, 3].map(|seed| normals(2, 6, seed));
    let w = normals(2, 6, 4);
    let value = |theta: &[f64]| {
        let mut field = start.clone();
        field.set_parameters(theta).unwrap();
        let (s, j) = (field.values(&x), field.jacobians(&x));
        let each = |r: usize| {
            let along = &j[r] * v.column(r);
            w[(0, r)] * u.column(r).dot(&s.column(r)) + w[(1, r)] * u.column(r).dot(&along)
        };
        (0..6).map(each).sum::<f64>()
    };
    let theta = start.parameters().to_vec();
    let mut gradient = vec![0.0; theta.len()];
    start.add_projected_gradient((&x, &v, &u), 1, &mut gradient, |r, _| {
        [w[(0, r)], w[(1, r)]]
    });
    for (k, g) in gradient.iter().enumerate() {
        let moved = |h: f64| {
            let mut theta = theta.clone();
            theta[k] += h;
            value(&theta)
        };
        let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!((slope - g).abs() < 1e-7, "{k}: {slope} {g}");
    }
    assert!(gradient.iter().filter(|g| g.abs() > 1e-3).count() > theta.len() / 2);
}

fn settings(objective: Objective) -> DensitySettings {
    DensitySettings {
        objective,
        batch: 512,
        updates: 600,
        optimiser: OptimiserKind::Adam,
        learning_rate: 0.01,
        decay: 0.02,
        average: 0.9,
        energy_l2: 0.0,
        weight_decay: 0.0,
        gradient_clip: f64::INFINITY,
        step: 1e-3,
        leaps: 0,
        force_clip: f64::INFINITY,
        seed: 5,
    }
}

/// Data of N(0, P⁻¹): the score is −Px.
fn precision() -> DMatrix<f64> {
    dmatrix![2.0, 0.6; 0.6, 1.0]
}

fn gaussian(n: usize, seed: u64) -> DMatrix<f64> {
    let factor = precision().try_inverse().unwrap().cholesky().unwrap().l();
    factor * normals(2, n, seed)
}

/// Each loss learns the score of a Gaussian (denoising: of the smoothed one) within 12 % in rms over its law; a score of the
/// wrong sign, and one of half the size, as the trace over d leaves it, are further off. Chains driven by the field have the
/// Gaussian's variance within 20 %, and its curl is small beside its Jacobian.
#[test]
fn the_score_of_a_gaussian_is_learned() {
    let data = gaussian(40_000, 7).map(|v| v as f32);
    let probes = gaussian(2000, 8);
    for (objective, sigma) in [
        (Objective::ScoreMatching, 0.0),
        (
            Objective::Sliced {
                directions: 1,
                projection: Projection::Rademacher,
            },
            0.0,
        ),
        (Objective::Denoising { sigma: 0.3 }, 0.3),
    ] {
        let start = field(&[2, 32, 32]).convert::<f32>();
        let mut trainer = ScoreTrainer::new(settings(objective), data.clone(), start).unwrap();
        for _ in 0..600 {
            trainer.step().unwrap();
        }
        let learned = trainer.learned().unwrap();
        let smooth = precision().try_inverse().unwrap() + DMatrix::identity(2, 2) * (sigma * sigma);
        let truth = -(smooth.clone().try_inverse().unwrap() * &probes);
        let found = learned.values(&probes);
        let off = |scale: f64| (scale * &found - &truth).norm() / truth.norm();
        assert!(off(1.0) < 0.12, "{objective:?}: {}", off(1.0));
        assert!(off(0.5) > 0.3 && off(-1.0) > 1.0);
        let (_, turning) = curl(&learned.jacobians(&probes));
        assert!(turning < 0.12, "{objective:?}: curl {turning}");
        let step = 0.05;
        let mut sampler = NetworkSampler::of_field(
            &learned.convert(),
            4000,
            (2, 0),
            step,
            1e3,
            Follow::silent(),
        )
        .unwrap();
        let starts = probes.iter().chain(probes.iter()).copied().collect();
        sampler.restore(&ChainState::at(starts)).unwrap();
        let phase = Phase {
            burn_in: Horizon::Steps(100),
            duration: Horizon::Steps(1),
            every: None,
            clamp: None,
        };
        let run = sampler.run(&phase).unwrap();
        for i in 0..2 {
            let squares = run
                .samples
                .x
                .iter()
                .skip(i)
                .step_by(2)
                .map(|&v| f64::from(v).powi(2));
            let ratio = squares.sum::<f64>() / 4000.0 / smooth[(i, i)];
            assert!((ratio - 1.0).abs() < 0.2, "{objective:?}: variance {ratio}");
        }
    }
}

/// The loss at a known field: with A = 0, s = −κ(x − c), and on N(0, P⁻¹) data J = ½κ²(tr P⁻¹ + |c|²) − 2κ; without the trace,
/// and with half of it, another number.
#[test]
fn the_loss_of_a_linear_field_is_its_closed_form() {
    let mut still = field(&[2, 4]);
    let hidden = vec![0.0; still.parameters().len()];
    still.set_parameters(&hidden).unwrap();
    let n = 40_000;
    let data = gaussian(200_000, 9).map(|v| v as f32);
    let covariance = precision().try_inverse().unwrap();
    let square = covariance.trace() + 0.08;
    let exact = 0.5 * 0.49 * square - 1.4;
    // |x − c|² has variance 2 tr P⁻² + 4 cᵀP⁻¹c.
    let spread = 2.0 * (&covariance * &covariance).trace() + 4.0 * 0.04 * covariance.sum();
    let se = 0.5 * 0.49 * (spread / f64::from(n)).sqrt();
    let mut s = settings(Objective::ScoreMatching);
    s.batch = n as usize;
    let found = ScoreTrainer::new(s, data, still.convert())
        .unwrap()
        .slope()
        .loss;
    agrees("loss", found, se, exact, FALSE_ALARM).unwrap();
    assert!(agrees("no trace", found + 1.4, se, exact, FALSE_ALARM).is_err());
    assert!(agrees("trace / d", found + 0.7, se, exact, FALSE_ALARM).is_err());
}

/// A drift −x + ω(x₂, −x₁) has curl ω√2 and share ω/√(1 + ω²); a gradient field has none.
#[test]
fn curl_is_the_antisymmetric_part() {
    let turning = [
        dmatrix![-1.0, 0.75; -0.75, -1.0],
        dmatrix![-1.0, 0.75; -0.75, -1.0],
    ];
    let (rms, share) = curl(&turning);
    assert!((rms - 0.75 * 2f64.sqrt()).abs() < 1e-12 && (share - 0.6).abs() < 1e-12);
    assert_eq!(curl(&[dmatrix![-2.0, 0.3; 0.3, -1.0]]), (0.0, 0.0));
}

/// The moons' score is the slope of their log-density.
#[test]
fn the_score_of_the_moons_is_a_slope() {
    let (moons, h) = (TwoMoons { noise: 0.1 }, 1e-5);
    for [x, y] in [[0.9, 0.3], [0.4, -0.4], [-0.8, 0.5], [0.5, 0.3]] {
        let log = |x: f64, y: f64| moons.density([x, y]).ln();
        let slope = [
            (log(x + h, y) - log(x - h, y)) / (2.0 * h),
            (log(x, y + h) - log(x, y - h)) / (2.0 * h),
        ];
        let score = moons.score([x, y]);
        let close = |sign: f64| (0..2).all(|i| (sign * score[i] - slope[i]).abs() < 1e-4);
        assert!(close(1.0) && !close(-1.0), "{score:?} {slope:?}");
    }
}

#[test]
fn a_field_cannot_be_contrasted() {
    let contrast = settings(Objective::NoiseContrastive { ratio: 1 });
    let refused = ScoreTrainer::new(contrast, DMatrix::zeros(2, 4), field(&[2, 4]).convert());
    let words = refused.unwrap_err().to_string();
    assert!(words.ends_with("there is no energy to contrast"), "{words}");
}

/// Watching moves nothing, and a checkpoint goes on to the same bits; what is watched is the gradient's own scatter.
#[test]
fn watched_and_resumed_trainings_are_the_same() {
    let data = gaussian(2000, 3).map(|v| v as f32);
    let make = || {
        let start = field(&[2, 16, 16]).convert::<f32>();
        ScoreTrainer::new(settings(Objective::ScoreMatching), data.clone(), start).unwrap()
    };
    let mut plain = make();
    let mut watched = make();
    let mut seen = Vec::new();
    for _ in 0..12 {
        plain.step().unwrap();
        seen.push(watched.observed_step().unwrap().1);
    }
    let parameters = |t: &ScoreTrainer| t.learned().unwrap().parameters().to_vec();
    assert_eq!(parameters(&plain), parameters(&watched));
    let kept = plain.checkpoint();
    let mut resumed = make();
    resumed.resume(kept).unwrap();
    assert_ne!(parameters(&make()), parameters(&plain));
    plain.step().unwrap();
    resumed.step().unwrap();
    assert_eq!(parameters(&plain), parameters(&resumed));
    assert_eq!(resumed.update(), 13);
    for (k, m) in seen.iter().enumerate() {
        assert_eq!(m.update, k as u64 + 1);
        let se = m.gradient_se.unwrap();
        assert!(
            m.chains.is_none() && se > 0.0 && se < 3.0 * m.gradient_norm,
            "{m:?}"
        );
    }
    let other = ScoreTrainer::new(
        settings(Objective::ScoreMatching),
        data.clone(),
        field(&[2, 8]).convert(),
    );
    assert!(other.unwrap().resume(resumed.checkpoint()).is_err());
}
