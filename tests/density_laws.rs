//! Neural energies and every objective that trains them: jets against dual numbers, losses against their own slopes and
//! against closed forms, the chains of the negative phase against the exact law.
//!
//! Statistical checks state their false-alarm rate; each comes with a mutation that it rejects.

use nalgebra::DMatrix;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use thermochip::data::TwoMoons;
use thermochip::energy::{ContinuousEnergy, Couplings, DiscreteEnergy, Ising, Network};
use thermochip::sampler::{Follow, Horizon, NetworkSampler, Phase, Sampler};
use thermochip::testing::assertions::agrees;
use thermochip::training::density::{
    DensitySettings, DensityTrainer, Objective, PlaneGrid, Projection,
};
use thermochip::training::{OptimiserKind, PseudoLikelihood, match_scores, pseudo_likelihood};

/// Per check; there are about sixty in this file.
const FALSE_ALARM: f64 = 1e-7;

fn normals(d: usize, n: usize, seed: u64) -> DMatrix<f64> {
    let mut rng = Pcg64::seed_from_u64(seed);
    DMatrix::from_fn(d, n, |_, _| StandardNormal.sample(&mut rng))
}

fn network(sizes: &[usize], seed: u64) -> Network<f64> {
    let centre = vec![0.3; sizes[0]];
    Network::new(sizes, 0.7, &centre, &mut Pcg64::seed_from_u64(seed)).unwrap()
}

/// c0 + c1 t + c2 t², cut there.
#[derive(Clone, Copy)]
struct Dual([f64; 3]);

impl Dual {
    fn plus(self, other: Dual) -> Dual {
        Dual([0, 1, 2].map(|k| self.0[k] + other.0[k]))
    }

    fn times(self, c: f64) -> Dual {
        Dual(self.0.map(|v| c * v))
    }

    fn tanh(self) -> Dual {
        let t = self.0[0].tanh();
        let f = 1.0 - t * t;
        let [_, b, c] = self.0;
        Dual([t, f * b, f * c - t * f * b * b])
    }
}

/// The energy along x + tv, written from the documented order of the parameters.
fn along(sizes: &[usize], theta: &[f64], x: &[f64], v: &[f64]) -> Dual {
    let mut rest = theta;
    let mut take = |n: usize| {
        let (head, tail) = rest.split_at(n);
        rest = tail;
        head
    };
    let mut z: Vec<Dual> = x.iter().zip(v).map(|(&x, &v)| Dual([x, v, 0.0])).collect();
    for pair in sizes.windows(2) {
        let (w, b) = (take(pair[0] * pair[1]), take(pair[1]));
        z = (0..pair[1])
            .map(|unit| {
                let start = Dual([b[unit], 0.0, 0.0]);
                z.iter()
                    .enumerate()
                    .fold(start, |sum, (k, z)| {
                        sum.plus(z.times(w[k * pair[1] + unit]))
                    })
                    .tanh()
            })
            .collect();
    }
    let mut e = Dual([0.0; 3]);
    for (z, &a) in z.iter().zip(take(sizes[sizes.len() - 1])) {
        e = e.plus(z.times(a));
    }
    for (&x, &v) in x.iter().zip(v) {
        let d = x - 0.3;
        e = e.plus(Dual([0.35 * d * d, 0.7 * d * v, 0.35 * v * v]));
    }
    e
}

#[test]
fn jets_are_those_of_dual_numbers() {
    for sizes in [&[2, 7, 5][..], &[3, 6], &[1, 4, 4, 3]] {
        let network = network(sizes, 3);
        let (x, v) = (normals(sizes[0], 5, 1), normals(sizes[0], 5, 2));
        let (jets, gradients) = (network.jets(&x, &v, 2), network.gradients(&x));
        let laplacians = network.laplacians(&x);
        for r in 0..5 {
            let (x, v): (Vec<f64>, Vec<f64>) = (
                x.column(r).iter().copied().collect(),
                v.column(r).iter().copied().collect(),
            );
            let e = along(sizes, network.parameters(), &x, &v).0;
            let expected = [e[0], e[1], 2.0 * e[2]];
            for (got, expected) in jets[r].iter().zip(expected) {
                assert!((got - expected).abs() < 1e-12, "{got} for {expected}");
            }
            let slope: f64 = gradients.column(r).iter().zip(&v).map(|(g, v)| g * v).sum();
            assert!((slope - e[1]).abs() < 1e-12);
            let trace: f64 = (0..sizes[0])
                .map(|q| {
                    let axis: Vec<f64> = (0..sizes[0]).map(|i| f64::from(i == q)).collect();
                    2.0 * along(sizes, network.parameters(), &x, &axis).0[2]
                })
                .sum();
            assert!((laplacians[r] - trace).abs() < 1e-11);
            assert!((network.laplacian(&x) - trace).abs() < 1e-11);
        }
    }
}

/// ∂/∂θ of Σ (w0 e0 + w1 e1 + w2 e2) against differences, for every order.
#[test]
fn parameter_gradients_of_jets_are_their_slopes() {
    let sizes = [2, 6, 5];
    let network = network(&sizes, 4);
    let (x, v) = (normals(2, 7, 5), normals(2, 7, 6));
    let n = network.parameters().len();
    for order in 0..3 {
        let weights = |r: usize| [0.3, -1.1, 0.6].map(|w| w * (1.0 + 0.2 * r as f64));
        let total = |theta: &[f64]| -> f64 {
            let mut other = network.clone();
            other.set_parameters(theta).unwrap();
            let jets = other.jets(&x, &v, order);
            jets.iter()
                .enumerate()
                .map(|(r, jet)| {
                    let w = weights(r);
                    (0..=order).map(|k| w[k] * jet[k]).sum::<f64>()
                })
                .sum()
        };
        let mut gradient = vec![0.0; n];
        network.add_jet_gradient(&x, &v, order, &mut gradient, |r, _| weights(r));
        for k in 0..n {
            let mut theta = network.parameters().to_vec();
            let h = 1e-5;
            theta[k] += h;
            let up = total(&theta);
            theta[k] -= 2.0 * h;
            let slope = (up - total(&theta)) / (2.0 * h);
            assert!(
                (gradient[k] - slope).abs() < 1e-7 * (1.0 + slope.abs()),
                "order {order}, {k}: {} for {slope}",
                gradient[k]
            );
        }
    }
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
        step: 1e-3,
        leaps: 0,
        force_clip: f64::INFINITY,
        seed: 11,
    }
}

fn moons(n: usize, seed: u64) -> DMatrix<f32> {
    let points = TwoMoons { noise: 0.05 }.sample(n, &mut Pcg64::seed_from_u64(seed));
    DMatrix::from_iterator(2, n, points.into_iter().flatten().map(|v| v as f32))
}

const SAMPLED_FREE: [Objective; 5] = [
    Objective::ScoreMatching,
    Objective::Sliced {
        directions: 2,
        projection: Projection::Rademacher,
    },
    Objective::Sliced {
        directions: 1,
        projection: Projection::Sphere,
    },
    Objective::Denoising { sigma: 0.3 },
    Objective::NoiseContrastive { ratio: 2 },
];

/// Along its own gradient, a loss moves at |gradient|² (same batch, same noise); the flipped sign and half the slope are
/// rejected. f32 arithmetic: to 2 %.
#[test]
fn every_gradient_is_the_slope_of_its_loss() {
    let holds = |slope: f64, square: f64| (slope / square - 1.0).abs() < 0.02;
    for objective in SAMPLED_FREE {
        let start = network(&[2, 16, 16], 7).convert::<f32>();
        let fresh = |theta: &[f32]| {
            let mut network = start.clone();
            network.set_parameters(theta).unwrap();
            let trainer = DensityTrainer::new(
                settings(objective, 64),
                moons(200, 1),
                network,
                None,
                Follow::silent(),
            );
            trainer.unwrap().slope().unwrap().0
        };
        let theta = start.parameters().to_vec();
        let slope = fresh(&theta);
        let gradient = &slope.theta[..theta.len()];
        let square: f64 = gradient.iter().map(|g| g * g).sum();
        let h = 3e-3 / square.sqrt();
        let moved = |sign: f64| -> Vec<f32> {
            let pairs = theta.iter().zip(gradient);
            pairs
                .map(|(t, g)| (f64::from(*t) + sign * h * g) as f32)
                .collect()
        };
        // Noise contrast starts log Z from the network, so it moves with θ: its part is taken out.
        let (up, down) = (fresh(&moved(1.0)), fresh(&moved(-1.0)));
        let mut rise = (up.loss - down.loss) / (2.0 * h);
        if let Objective::NoiseContrastive { .. } = objective {
            let log_z = |theta: Vec<f32>| {
                let mut network = start.clone();
                network.set_parameters(&theta).unwrap();
                let trainer = DensityTrainer::new(
                    settings(objective, 64),
                    moons(200, 1),
                    network,
                    None,
                    Follow::silent(),
                );
                trainer.unwrap().learned().unwrap().1
            };
            let shift = (log_z(moved(1.0)) - log_z(moved(-1.0))) / (2.0 * h);
            rise -= slope.theta[theta.len()] * shift;
        }
        assert!(holds(rise, square), "{objective:?}: {rise} for {square}");
        assert!(!holds(-rise, square) && !holds(0.5 * rise, square));
    }
}

/// A network that is only its confinement, E = ½κ|x|².
fn well(dim: usize, kappa: f64) -> Network<f32> {
    let mut rng = Pcg64::seed_from_u64(1);
    let mut well = Network::<f32>::new(&[dim, 2], kappa, &vec![0.0; dim], &mut rng).unwrap();
    let nothing = vec![0.0; well.parameters().len()];
    well.set_parameters(&nothing).unwrap();
    well
}

/// On N(0, 1) data the losses of E = ½κ|x|² are known: score matching ½κ²d − κd (−d/2 at κ = 1, lowest there), sliced the
/// same, denoising lowest at 1/(1 + σ²). The trace divided by d is rejected.
#[test]
fn losses_of_a_well_are_the_closed_forms() {
    let n = 40_000;
    for d in 1..=10 {
        let data = normals(d, 100_000, 20 + d as u64).map(|v| v as f32);
        let loss = |objective, kappa: f64| {
            let trainer = DensityTrainer::new(
                settings(objective, n),
                data.clone(),
                well(d, kappa),
                None,
                Follow::silent(),
            );
            trainer.unwrap().slope().unwrap().0.loss
        };
        let half = 0.5 * d as f64;
        // ½|x|² has variance d/2 per point.
        let se = (half / n as f64).sqrt();
        let exact = loss(Objective::ScoreMatching, 1.0);
        agrees("score matching", exact, se, -half, FALSE_ALARM).unwrap();
        if d > 1 {
            let divided = exact + d as f64 - 1.0;
            assert!(agrees("trace / d", divided, se, -half, FALSE_ALARM).is_err());
        }
        for projection in [
            Projection::Rademacher,
            Projection::Gaussian,
            Projection::Sphere,
        ] {
            let sliced = Objective::Sliced {
                directions: 1,
                projection,
            };
            // ½(v·x)² and |v|² scatter at most as for Gaussian directions: var ≤ ½(3(d² + 2d) + …) < 4d² + 4.
            let se = ((4 * d * d + 4) as f64 / n as f64).sqrt();
            agrees("sliced", loss(sliced, 1.0), se, -half, FALSE_ALARM).unwrap();
        }
        if d > 2 {
            continue;
        }
        // A parabola through three points has its minimum where the loss has: all are quadratic in κ.
        let lowest = |objective| {
            let [a, b, c] = [0.5, 1.0, 1.5].map(|kappa| loss(objective, kappa));
            1.0 - 0.25 * (c - a) / (a - 2.0 * b + c)
        };
        let se = (2.0 / (n * d) as f64).sqrt();
        let denoising = Objective::Denoising { sigma: 0.5 };
        let stiffness = lowest(Objective::ScoreMatching);
        agrees("stiffness", stiffness, se, 1.0, FALSE_ALARM).unwrap();
        agrees("smoothed", lowest(denoising), se, 0.8, FALSE_ALARM).unwrap();
        assert!(agrees("smoothed", lowest(denoising), se, 1.0, FALSE_ALARM).is_err());
    }
}

/// Noise contrast, log Z fixed by the model's own, is lowest at the data's stiffness, where its slope in log Z vanishes.
#[test]
fn noise_contrast_finds_stiffness_and_normalisation() {
    let (n, d) = (40_000, 2);
    let data = normals(d, 200_000, 77).map(|v| v as f32);
    let slope = |kappa: f64| {
        let objective = Objective::NoiseContrastive { ratio: 1 };
        let (s, data) = (settings(objective, n), data.clone());
        let trainer = DensityTrainer::new(s, data, well(d, kappa), None, Follow::silent());
        let mut trainer = trainer.unwrap();
        let log_z = trainer.learned().unwrap().1;
        // log ∫ exp(−½κ|x|²) = log(2π/κ); importance weights over 1024 noise points, nearly constant near κ = 1.
        let exact = (2.0 * std::f64::consts::PI / kappa).ln();
        assert!((log_z - exact).abs() < 0.05, "{log_z} for {exact}");
        trainer.slope().unwrap().0
    };
    // Data and noise have one law: every classification is a coin toss and the loss is 2 ln 2.
    let at = slope(1.0);
    assert!((at.loss - 2.0 * 2f64.ln()).abs() < 0.01, "{}", at.loss);
    let log_z = at.theta[at.theta.len() - 1];
    // Difference of two means of σ(u) ≈ ½ with u within 0.05 of 0.
    assert!(log_z.abs() < 0.03, "{log_z}");
    assert!(slope(0.5).loss > at.loss + 0.01 && slope(2.0).loss > at.loss + 0.01);
}

/// The chains of the negative phase in a well: Leimkuhler–Matthews is exact there at any stable step.
#[test]
fn chains_follow_the_law() {
    let (kappa, chains) = (4.0, 40_000);
    let mut sampler = NetworkSampler::new(
        &well(2, kappa),
        chains,
        (3, 1),
        0.2,
        f64::INFINITY,
        Follow::silent(),
    )
    .unwrap();
    let run = sampler
        .run(&Phase {
            burn_in: Horizon::Steps(0),
            duration: Horizon::Steps(60),
            every: None,
            clamp: None,
        })
        .unwrap();
    let square = run.samples.x.iter().map(|v| f64::from(v * v)).sum::<f64>();
    let n = (2 * chains) as f64;
    let se = (2.0 / n).sqrt() / kappa;
    agrees("variance", square / n, se, 1.0 / kappa, FALSE_ALARM).unwrap();
    // Euler–Maruyama at this step would be 1/(1 − 0.4) too wide; a temperature 5 % too high is rejected as well.
    let hot = 1.05 * square / n;
    assert!(agrees("variance", hot, se, 1.0 / kappa, FALSE_ALARM).is_err());
}

fn train(threads: usize, cut: Option<u64>) -> Vec<f64> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    pool.install(|| {
        let objective = Objective::Contrastive {
            persistent: true,
            steps: 5,
            restart: 0.1,
        };
        let new = || {
            let network = network(&[2, 16, 16], 7).convert::<f32>();
            let s = settings(objective, 300);
            DensityTrainer::new(s, moons(500, 1), network, None, Follow::silent()).unwrap()
        };
        let mut trainer = new();
        for update in 0..12 {
            if Some(update) == cut {
                let checkpoint = trainer.checkpoint();
                trainer = new();
                trainer.resume(checkpoint).unwrap();
            }
            trainer.step().unwrap();
        }
        trainer.learned().unwrap().0.parameters().to_vec()
    })
}

#[test]
fn same_bits_for_threads_and_after_a_resume() {
    let once = train(1, None);
    assert_eq!(once, train(3, None));
    assert_eq!(once, train(2, Some(5)));
}

/// Contrastive slopes: with chains at the model's law and data elsewhere, energy falls at the data; a sampler that has lost
/// its chains (they stay at the data) gives no slope at all.
#[test]
fn contrast_is_between_data_and_chains() {
    let objective = |steps| Objective::Contrastive {
        persistent: false,
        steps,
        restart: 0.0,
    };
    let slope = |steps| {
        let mut s = settings(objective(steps), 2000);
        s.step = 0.02;
        let data = normals(2, 5000, 5).map(|v| 3.0 + 0.1 * v as f32);
        let trainer = DensityTrainer::new(s, data, well(2, 1.0), None, Follow::silent());
        trainer.unwrap().slope().unwrap().0.loss
    };
    // ⟨½|x|²⟩ at the data is 9.01, after t = 4 of relaxation 1 + 8.01 e^{−8}.
    let n = 2000.0;
    agrees("gap", slope(200), (10.0f64 / n).sqrt(), 8.0073, FALSE_ALARM).unwrap();
    // One step of 0.02 barely leaves: d⟨½|x|²⟩/dt = −(|x|² − d) = −16.
    agrees(
        "one step",
        slope(1),
        (2.0f64 / n).sqrt(),
        0.316,
        FALSE_ALARM,
    )
    .unwrap();
}

/// Persistent chains go on from call to call: after k steps of 0.02 the gap is 8.01 (1 − e^{−0.04 k}) up to the step's own
/// error; chains that are lost at every update (restart = 1, or CD) stay at the gap of one step.
#[test]
fn persistent_chains_are_not_lost() {
    let gaps = |restart: f64, persistent: bool| -> Vec<f64> {
        let objective = Objective::Contrastive {
            persistent,
            steps: 1,
            restart,
        };
        let mut s = settings(objective, 4000);
        s.step = 0.02;
        let data = normals(2, 8000, 5).map(|v| 3.0 + 0.1 * v as f32);
        let trainer = DensityTrainer::new(s, data, well(2, 1.0), None, Follow::silent());
        let mut trainer = trainer.unwrap();
        (0..40).map(|_| trainer.slope().unwrap().0.loss).collect()
    };
    // A step takes means to (1 − h) of themselves exactly, and noise brings ½|x|² to 1 from below.
    let expected = 8.01 * (1.0 - (1.0f64 - 0.02).powi(80));
    // ½|x|² has variance 3.5 there: eight standard errors of 4000 chains (false-alarm rate below 1e-14).
    let close = |gap: f64| (gap - expected).abs() < 0.25;
    assert!(close(gaps(0.0, true)[39]), "{}", gaps(0.0, true)[39]);
    assert!(!close(gaps(1.0, true)[39]) && !close(gaps(0.0, false)[39]));
}

/// A buffer of twice the batch runs each of its chains in every other update at random: after k updates the gap is
/// 8.01 (1 − q ((1 + q)/2)^(k−1)) with q = (1 − h)², the mean over a binomial number of steps. Chains that all run at every update
/// (as without a buffer) and chains that are not put back (as by CD) are elsewhere. A checkpoint keeps the buffer.
#[test]
fn a_buffers_chains_take_turns() {
    let persistent = |persistent| Objective::Contrastive {
        persistent,
        steps: 1,
        restart: 0.0,
    };
    let trainer = |objective| {
        let mut s = settings(objective, 4000);
        s.step = 0.02;
        let data = normals(2, 8000, 5).map(|v| 3.0 + 0.1 * v as f32);
        DensityTrainer::new(s, data, well(2, 1.0), None, Follow::silent()).unwrap()
    };
    let after = |mut trainer: DensityTrainer| {
        let losses = (0..80).map(|_| trainer.slope().unwrap().0.loss);
        losses.last().unwrap()
    };
    let q = (1.0f64 - 0.02).powi(2);
    let expected = 8.01 * (1.0 - q * (0.5 * (1.0 + q)).powi(79));
    // As above: eight standard errors.
    let close = |gap: f64| (gap - expected).abs() < 0.25;
    let buffered = after(trainer(persistent(true)).with_buffer(8000).unwrap());
    assert!(close(buffered), "{buffered} {expected}");
    assert!(!close(after(trainer(persistent(true)))));
    assert!(!close(after(trainer(persistent(false)))));

    assert!(trainer(persistent(false)).with_buffer(8000).is_err());
    assert!(trainer(persistent(true)).with_buffer(3999).is_err());
    let mut straight = trainer(persistent(true)).with_buffer(8000).unwrap();
    straight.step().unwrap();
    let kept = straight.checkpoint();
    let mut resumed = trainer(persistent(true)).with_buffer(8000).unwrap();
    resumed.resume(kept.clone()).unwrap();
    assert_eq!(resumed.buffer(), straight.buffer());
    for trainer in [&mut straight, &mut resumed] {
        trainer.step().unwrap();
    }
    assert_eq!(resumed.buffer(), straight.buffer());
    assert!(trainer(persistent(true)).resume(kept).is_err());
}

/// Divergence is told with the update.
#[test]
fn divergence_is_told() {
    let mut s = settings(Objective::ScoreMatching, 64);
    s.learning_rate = 1e6;
    let network = network(&[2, 16, 16], 7).convert::<f32>();
    let mut trainer =
        DensityTrainer::new(s, moons(200, 1), network, None, Follow::silent()).unwrap();
    let error = (0..5)
        .find_map(|_| trainer.step().err())
        .unwrap()
        .to_string();
    assert!(error.contains("at update 1"), "{error}");
}

/// On a grid: log Z of a well, the divergence of a Gaussian from it, and samples of it.
#[test]
fn a_law_on_a_grid_is_the_law() {
    let grid = PlaneGrid {
        x: (-8.0, 8.0),
        y: (-8.0, 8.0),
        cells: (320, 320),
    };
    let law = grid.law(&well(2, 2.0).convert());
    assert!((law.log_z - std::f64::consts::PI.ln()).abs() < 1e-5);
    assert!(law.border < 1e-20);
    let unit = |k: usize| {
        let [x, y] = grid.centre(k);
        (-0.5 * (x * x + y * y)).exp() / (2.0 * std::f64::consts::PI)
    };
    let density: Vec<f64> = (0..grid.len()).map(unit).collect();
    // KL(N(0,1) ‖ N(0,½)) = d/2 (2 − 1 − ln 2).
    let expected = 1.0 - 2f64.ln();
    assert!((law.divergence_from(&density) - expected).abs() < 1e-5);
    let points = law.sample(40_000, &mut Pcg64::seed_from_u64(2));
    let square = points.iter().flatten().map(|v| v * v).sum::<f64>() / 80_000.0;
    agrees(
        "variance",
        square,
        0.5 * (2.0f64 / 80_000.0).sqrt(),
        0.5,
        FALSE_ALARM,
    )
    .unwrap();
}

/// The two moons' entropy by quadrature, and their samples against their density.
#[test]
fn two_moons_have_their_entropy() {
    let moons = TwoMoons { noise: 0.05 };
    let (nx, ny) = (440, 320);
    let (mut entropy, mut mass) = (0.0, 0.0);
    let area = (4.4 / nx as f64) * (2.4 / ny as f64);
    for i in 0..nx {
        for j in 0..ny {
            let x = -1.7 + 4.4 * (i as f64 + 0.5) / nx as f64;
            let y = -0.95 + 2.4 * (j as f64 + 0.5) / ny as f64;
            let p = moons.density([x, y]);
            if p > 0.0 {
                entropy -= p * p.ln() * area;
                mass += p * area;
            }
        }
    }
    assert!((mass - 1.0).abs() < 1e-3, "{mass}");
    assert!((entropy - 0.2892).abs() < 1e-3, "{entropy}");
    let n = 20_000;
    let points = moons.sample(n, &mut Pcg64::seed_from_u64(9));
    let logs: Vec<f64> = points.iter().map(|&p| -moons.density(p).ln()).collect();
    let mean = logs.iter().sum::<f64>() / n as f64;
    let var = logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / n as f64;
    let se = (var / n as f64).sqrt();
    agrees("⟨−log p⟩", mean, se, entropy, FALSE_ALARM).unwrap();
}

/// Closed-form score matching of a Gaussian with couplings: within its own standard errors; without the trace it fails.
#[test]
fn closed_form_scores_recover_a_gaussian() {
    let precision =
        DMatrix::from_row_slice(3, 3, &[2.0, -0.5, 0.3, -0.5, 1.5, -0.7, 0.3, -0.7, 1.2]);
    let factor = precision
        .clone()
        .try_inverse()
        .unwrap()
        .cholesky()
        .unwrap()
        .l();
    let mean = precision.clone().try_inverse().unwrap() * nalgebra::dvector![0.4, -0.2, 0.1];
    let draws = factor * normals(3, 100_000, 31);
    let rows: Vec<Vec<f64>> = draws
        .column_iter()
        .map(|c| (c + &mean).iter().copied().collect())
        .collect();
    let edges = [(0, 1), (0, 2), (1, 2)];
    let found = match_scores(&rows, &edges, &[0.0; 3]).unwrap();
    let got: Vec<f64> = [
        &found.energy.fields,
        found.energy.couplings.values(),
        &found.energy.j2,
    ]
    .concat();
    let expected = [0.4, -0.2, 0.1, 0.5, -0.3, 0.7, 1.0, 0.75, 0.6];
    for (k, ((g, se), e)) in got
        .iter()
        .zip(&found.standard_errors)
        .zip(expected)
        .enumerate()
    {
        assert!(*se < 0.02);
        agrees(&format!("parameter {k}"), *g, *se, e, FALSE_ALARM).unwrap();
        let flipped = agrees("flipped", -g, *se, e, FALSE_ALARM);
        assert!(flipped.is_err() || e.abs() < 0.1);
    }
    assert!(match_scores(&rows[..2], &edges, &[0.0; 3]).is_err());
}

/// Pseudo-likelihood: its gradient is its slope, and its maximum recovers couplings from independent draws.
#[test]
fn pseudo_likelihood_recovers_couplings() {
    let edges = [(0, 1), (0, 2), (0, 3), (1, 2), (2, 3)];
    let truth = [0.3, -0.2, 0.1, 0.0, 0.5, -0.6, 0.4, 0.2, -0.3];
    let model = |theta: &[f64]| {
        let list = edges.iter().enumerate();
        let list = list.map(|(k, &(i, j))| (i, j, theta[4 + k])).collect();
        Ising::new(theta[..4].to_vec(), Couplings::new(4, list).unwrap()).unwrap()
    };
    let energy = model(&truth);
    let states: Vec<Vec<i8>> = (0..16)
        .map(|s| {
            (0..4)
                .map(|i| if s >> i & 1 == 1 { 1 } else { -1 })
                .collect()
        })
        .collect();
    let weights: Vec<f64> = states.iter().map(|s| (-energy.value(s)).exp()).collect();
    let z: f64 = weights.iter().sum();
    let (mut rng, n) = (Pcg64::seed_from_u64(6), 200_000);
    let rows: Vec<Vec<i8>> = (0..n)
        .map(|_| {
            let mut u = z * rng.random::<f64>();
            let k = weights.iter().position(|w| {
                u -= w;
                u < 0.0
            });
            states[k.unwrap_or(15)].clone()
        })
        .collect();
    let other: Vec<f64> = truth.iter().map(|t| 0.5 * t + 0.1).collect();
    let at = pseudo_likelihood(&model(&other), &rows[..500]);
    for k in 0..other.len() {
        let moved = |h: f64| {
            let mut theta = other.clone();
            theta[k] += h;
            pseudo_likelihood(&model(&theta), &rows[..500]).value
        };
        let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        assert!((at.gradient[k] - slope).abs() < 1e-8);
    }
    let found = PseudoLikelihood::maximise(&rows, &edges, 0.0).unwrap();
    let got = [&found.fields[..], found.couplings.values()].concat();
    for (g, t) in got.iter().zip(truth) {
        // The Fisher information of a field is at least ~½ per row here.
        agrees("parameter", *g, 2.0 / (n as f64).sqrt(), t, FALSE_ALARM).unwrap();
    }
    // A temperature left out doubles everything.
    let hot: Vec<f64> = got.iter().map(|g| 2.0 * g).collect();
    assert!(hot.iter().zip(truth).any(|(g, t)| (g - t).abs() > 0.1));
    let frozen = vec![vec![1i8, 1]; 10];
    assert!(PseudoLikelihood::maximise(&frozen, &[(0, 1)], 0.0).is_err());
}
