//! Maximum likelihood with the exact negative phase: its slope against differences of the exact loss, its loss against a closed
//! form, and what it learns against a known density.

use nalgebra::{DMatrix, DVector};
use rand::SeedableRng;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use std::f64::consts::PI;
use thermochip::energy::Network;
use thermochip::sampler::Follow;
use thermochip::testing::assertions::agrees;
use thermochip::training::OptimiserKind;
use thermochip::training::density::{DensitySettings, DensityTrainer, Objective, PlaneGrid};

/// Of each of the three checks that may raise an alarm.
const FALSE_ALARM: f64 = 1e-7;

fn grid(half: f64, spacing: f64) -> PlaneGrid {
    let cells = (2.0 * half / spacing).round() as usize;
    PlaneGrid {
        x: (-half, half),
        y: (-half, half),
        cells: (cells, cells),
    }
}

fn settings(grid: PlaneGrid, batch: usize) -> DensitySettings {
    DensitySettings {
        objective: Objective::MaximumLikelihood { grid },
        batch,
        updates: 300,
        optimiser: OptimiserKind::Adam,
        learning_rate: 0.02,
        decay: 0.02,
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

fn trainer(
    settings: DensitySettings,
    data: &DMatrix<f32>,
    network: &Network<f32>,
) -> DensityTrainer {
    let (data, network) = (data.clone(), network.clone());
    DensityTrainer::new(settings, data, network, None, Follow::silent()).unwrap()
}

/// Columns m + s·N(0, 1).
fn gaussian(n: usize, m: [f64; 2], s: [f64; 2]) -> DMatrix<f32> {
    let mut rng = Pcg64::seed_from_u64(2);
    DMatrix::from_fn(2, n, |i, _| {
        let z: f64 = StandardNormal.sample(&mut rng);
        (m[i] + s[i] * z) as f32
    })
}

fn network(sizes: &[usize]) -> Network<f32> {
    Network::new(sizes, 0.7, &[0.3, 0.3], &mut Pcg64::seed_from_u64(7)).unwrap()
}

/// Along its slope g, ⟨E⟩ + log Z rises at |g|², to 2 % (f32); the flipped slope, half of it, and the slope of a negative phase
/// that is a quarter too hot, whose loss is ⟨E⟩ + (1/b) log ∫ e^{−bE}, do not.
#[test]
fn the_slope_is_that_of_the_likelihood() {
    let (plane, mut start) = (grid(6.0, 0.1), network(&[2, 16, 16]));
    // A landscape of several kT, in which a temperature matters.
    let mut steep = start.parameters().to_vec();
    let outputs = steep.len() - 16;
    steep[outputs..].iter_mut().for_each(|a| *a *= 6.0);
    start.set_parameters(&steep).unwrap();
    let data = gaussian(500, [0.2, -0.3], [0.2, 0.2]);
    let fresh = |network: &Network<f32>| {
        trainer(settings(plane, 64), &data, network)
            .slope()
            .unwrap()
            .0
    };
    let slope = fresh(&start);
    let theta = start.parameters();
    let gradient = &slope.theta[..theta.len()];
    let square: f64 = gradient.iter().map(|g| g * g).sum();
    let h = 3e-3 / square.sqrt();
    let moved = |sign: f64| {
        let pairs = theta.iter().zip(gradient);
        let values: Vec<f32> = pairs
            .map(|(t, g)| (f64::from(*t) + sign * h * g) as f32)
            .collect();
        let mut network = start.clone();
        network.set_parameters(&values).unwrap();
        network
    };
    let (up, down) = (moved(1.0), moved(-1.0));
    let rise = (fresh(&up).loss - fresh(&down).loss) / (2.0 * h);
    let holds = |rise: f64| (rise / square - 1.0).abs() < 0.02;
    assert!(holds(rise), "{rise} for {square}");
    assert!(!holds(-rise) && !holds(0.5 * rise));
    let hot = |network: &Network<f32>| {
        let law = plane.law(network);
        let (b, sum) = (0.8, law.energy.iter());
        let z: f64 = sum.map(|e| plane.area() * (-b * e).exp()).sum();
        z.ln() / b - law.log_z
    };
    let heated = rise + (hot(&up) - hot(&down)) / (2.0 * h);
    assert!(!holds(heated), "{heated} for {square}");
}

/// On N(0, 1) data the loss of E = ½κ|x|² is κ + log(2π/κ); a sum without the cells' area is rejected.
#[test]
fn the_loss_of_a_well_is_its_closed_form() {
    let (n, plane) = (40_000, grid(9.0, 0.15));
    let data = gaussian(200_000, [0.0; 2], [1.0; 2]);
    for kappa in [0.5, 1.0, 2.0] {
        let mut well =
            Network::<f32>::new(&[2, 2], kappa, &[0.0; 2], &mut Pcg64::seed_from_u64(1)).unwrap();
        well.set_parameters(&vec![0.0; well.parameters().len()])
            .unwrap();
        let loss = trainer(settings(plane, n), &data, &well)
            .slope()
            .unwrap()
            .0
            .loss;
        let (exact, se) = (kappa + (2.0 * PI / kappa).ln(), kappa / (n as f64).sqrt());
        agrees("loss", loss, se, exact, FALSE_ALARM).unwrap();
        let unweighted = loss - plane.area().ln();
        assert!(agrees("loss", unweighted, se, exact, FALSE_ALARM).is_err());
    }
}

/// From a Gaussian's draws it learns the Gaussian: KL(truth‖learned) below 0.02, where the start has over ten times that; and the
/// loss comes down to the entropy.
#[test]
fn a_gaussian_is_learned() {
    let (m, s) = ([0.5, -0.2], [0.3, 0.6]);
    let data = gaussian(20_000, m, s);
    let (plane, start) = (grid(5.0, 0.1), network(&[2, 32, 32]));
    let density: Vec<f64> = (0..plane.len())
        .map(|k| plane.centre(k))
        .map(|x| {
            let z = DVector::from_fn(2, |i, _| (x[i] - m[i]) / s[i]);
            (-0.5 * z.norm_squared()).exp() / (2.0 * PI * s[0] * s[1])
        })
        .collect();
    let far = |network: &Network<f32>| plane.law(network).divergence_from(&density);
    let mut trainer = trainer(settings(plane, 1000), &data, &start);
    let losses: Vec<f64> = (0..300).map(|_| trainer.step().unwrap().loss).collect();
    let learned = far(&trainer.learned().unwrap().0.convert());
    assert!(learned < 0.02, "{learned}");
    assert!(far(&start) > 0.2, "{}", far(&start));
    let entropy = (2.0 * PI * s[0] * s[1]).ln() + 1.0;
    let last = losses[250..].iter().sum::<f64>() / 50.0;
    // ⟨E⟩ of a batch scatters by 1/√1000, the mean of fifty by 0.0045.
    assert!((last - entropy).abs() < 0.04, "{last} for {entropy}");
}

/// The sums are of the plane.
#[test]
fn other_dimensions_are_refused() {
    let line = Network::new(&[1, 4], 1.0, &[0.0], &mut Pcg64::seed_from_u64(1)).unwrap();
    let data = DMatrix::from_fn(1, 10, |_, k| k as f32);
    let refused = DensityTrainer::new(
        settings(grid(2.0, 0.1), 5),
        data,
        line,
        None,
        Follow::silent(),
    );
    let words = refused.unwrap_err().to_string();
    assert_eq!(
        words,
        "`network` = 1: expected two variables: the sums over a grid are of the plane"
    );
}
