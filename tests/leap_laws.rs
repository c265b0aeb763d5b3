//! Leaps of chains between modes: the law stays e^{−E}, and the weights of modes become the energy's.
//!
//! The landscape is a network of one variable with two wells of unequal weight, its law known by quadrature. Each check has
//! the false-alarm rate [`FALSE_ALARM`]; five checks may raise an alarm.

use nalgebra::{DMatrix, dmatrix, dvector};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use thermochip::energy::{ContinuousEnergy, Network};
use thermochip::sampler::{ChainState, Follow, Horizon, NetworkSampler, Phase, Sampler};
use thermochip::testing::evidence::chi_square;
use thermochip::training::density::NoiseLaw;

const FALSE_ALARM: f64 = 1e-7;
const CHAINS: usize = 40_000;
/// Equally probable cells of the exact law.
const CELLS: usize = 32;

/// E = 5 tanh(3x + 1.5) − 5 tanh(3x − 1.5) + ½(x − 0.1)²·2: wells at both sides of a barrier of about 9.
fn two_wells() -> Network<f32> {
    let mut rng = Pcg64::seed_from_u64(1);
    let mut network = Network::new(&[1, 2], 2.0, &[0.1], &mut rng).unwrap();
    network
        .set_parameters(&[3.0, 3.0, 1.5, -1.5, 5.0, -5.0])
        .unwrap();
    network
}

/// Edges of cells of equal weight under e^{−E}, and the exact weight of x > 0.
fn exact() -> (Vec<f64>, f64) {
    let energy = two_wells().convert::<f64>();
    let (low, high, n) = (-6.0, 6.0, 1_200_000);
    let width = (high - low) / f64::from(n);
    let middle = |k: i32| low + (f64::from(k) + 0.5) * width;
    let weights: Vec<f64> = (0..n)
        .map(|k| (-energy.value(&[middle(k)])).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    let (mut sum, mut right, mut edges) = (0.0, 0.0, Vec::new());
    for (k, w) in weights.iter().enumerate() {
        sum += w / total;
        if middle(k as i32) > 0.0 {
            right += w / total;
        }
        if edges.len() + 1 < CELLS && sum >= (edges.len() + 1) as f64 / CELLS as f64 {
            edges.push(middle(k as i32) + 0.5 * width);
        }
    }
    (edges, right)
}

fn sampler() -> NetworkSampler {
    let silent = Follow::silent();
    NetworkSampler::new(&two_wells(), CHAINS, (7, 0), 0.002, f64::INFINITY, silent).unwrap()
}

/// The p-value of the chains' places under the exact law.
fn p_value(sampler: &NetworkSampler, edges: &[f64]) -> f64 {
    let mut counts = vec![0; CELLS];
    for x in sampler.state().values {
        counts[edges.partition_point(|&edge| edge < x)] += 1;
    }
    chi_square(&counts, &[1.0 / CELLS as f64; CELLS]).unwrap().2
}

fn gaussian() -> NoiseLaw {
    NoiseLaw::Gaussian {
        mean: dvector![0.4],
        factor: dmatrix![0.8],
    }
}

/// One leap of chains that begin exactly distributed leaves them so; a leap that forgets the density of its proposals, or
/// the energy (as told by a log q that cancels it), does not.
#[test]
fn a_leap_leaves_the_law_invariant() {
    let (edges, _) = exact();
    let after = |log_q: &(dyn Fn(&DMatrix<f32>) -> Vec<f64> + Sync)| {
        let mut rng = Pcg64::seed_from_u64(2);
        let mut sampler = sampler();
        // Rejection from a box that holds all but 1e-12 of the law.
        let energy = two_wells().convert::<f64>();
        let values = (0..CHAINS).map(|_| {
            loop {
                let x = -5.0 + 10.0 * rng.random::<f64>();
                if rng.random::<f64>() < (-energy.value(&[x])).exp() {
                    return x;
                }
            }
        });
        let values: Vec<f64> = values.collect();
        sampler.restore(&ChainState::at(values)).unwrap();
        let before = p_value(&sampler, &edges);
        let proposals = gaussian().sample(CHAINS, &mut rng);
        let taken = sampler.leap(&proposals, log_q).unwrap();
        assert!(taken > 0.1 && taken < 0.9, "{taken} taken");
        (before, p_value(&sampler, &edges))
    };
    let (before, p) = after(&|x| gaussian().log_densities(x));
    assert!(before > FALSE_ALARM && p > FALSE_ALARM, "{before} {p}");
    let (_, forgotten) = after(&|x| vec![0.0; x.ncols()]);
    assert!(forgotten < FALSE_ALARM, "{forgotten}");
    let (_, cancelled) = after(&|x| {
        let energies = two_wells().energies(x);
        energies.iter().map(|&e| -0.5 * f64::from(e)).collect()
    });
    assert!(cancelled < FALSE_ALARM, "{cancelled}");
}

/// From one well alone, Langevin steps with leaps come to the exact weights; without leaps the other well stays empty.
#[test]
fn weights_of_modes_follow_the_energy() {
    let (edges, right) = exact();
    assert!(right > 0.55 && right < 0.9, "{right}");
    let phase = Phase {
        burn_in: Horizon::Steps(0),
        duration: Horizon::Steps(5),
        every: None,
        clamp: None,
    };
    let after = |leaps: u64| {
        let mut rng = Pcg64::seed_from_u64(3);
        let mut sampler = sampler();
        sampler
            .restore(&ChainState::at(vec![-0.8; CHAINS]))
            .unwrap();
        for _ in 0..80 {
            sampler.run(&phase).unwrap();
            for _ in 0..leaps {
                let proposals = gaussian().sample(CHAINS, &mut rng);
                let log_q = |x: &DMatrix<f32>| gaussian().log_densities(x);
                sampler.leap(&proposals, log_q).unwrap();
            }
        }
        p_value(&sampler, &edges)
    };
    let (with, without) = (after(1), after(0));
    assert!(with > FALSE_ALARM, "{with}");
    assert!(without < FALSE_ALARM, "{without}");
}

/// The densities of noise integrate to one and are those of its draws: by cells against the draws' counts; a wrong width
/// is rejected. Outside a box there is nothing.
#[test]
fn noise_is_drawn_from_its_density() {
    let mut rng = Pcg64::seed_from_u64(4);
    let uniform = NoiseLaw::Uniform {
        low: dvector![-1.5],
        high: dvector![2.0],
    };
    let points = DMatrix::from_fn(
        1,
        400,
        |_, k| if k % 3 == 0 { 0.5 } else { -0.6 } + 0.001 * (k as f32 - 200.0),
    );
    let mixture = NoiseLaw::fitted_mixture(&points, 2, &mut rng).unwrap();
    for law in [gaussian(), uniform, mixture] {
        let (low, width, cells) = (-4.0, 0.01, 900);
        let middles = DMatrix::from_fn(1, cells, |_, k| (low + width * (k as f64 + 0.5)) as f32);
        let weights: Vec<f64> = law
            .log_densities(&middles)
            .iter()
            .map(|log_q| width * log_q.exp())
            .collect();
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-3);
        let wide: Vec<f64> = weights.chunks(50).map(|c| c.iter().sum()).collect();
        let mut counts = vec![0u64; wide.len()];
        for &x in law.sample(CHAINS, &mut rng).iter() {
            counts[((f64::from(x) - low) / (50.0 * width)) as usize] += 1;
        }
        let judged = |counts: &[u64]| {
            let seen = counts.iter().zip(&wide).filter(|(_, w)| **w > 1e-4);
            let (counts, weights): (Vec<u64>, Vec<f64>) = seen.unzip();
            chi_square(&counts, &weights).unwrap().2
        };
        assert!(judged(&counts) > FALSE_ALARM);
        counts.rotate_right(1);
        assert!(judged(&counts) < FALSE_ALARM);
    }
    let outside = NoiseLaw::Uniform {
        low: dvector![0.0, 0.0],
        high: dvector![1.0, 2.0],
    }
    .log_densities(&dmatrix![0.5, 1.5; 1.5, 0.5]);
    assert_eq!(outside, [-(2.0f64.ln()), f64::NEG_INFINITY]);
}

#[test]
fn proposals_must_be_one_per_chain() {
    let words = sampler()
        .leap(&DMatrix::zeros(1, 3), |x| vec![0.0; x.ncols()])
        .unwrap_err()
        .to_string();
    assert_eq!(words, "`proposals` = 1 x 3: expected 1 x 40000");
}
