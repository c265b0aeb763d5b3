//! Chips of p-bits for tests: a card with overrides, programmed, run and counted; V9's ring and random models.

// Every test file that names this module uses some of it.
#![allow(dead_code)]

use rand::RngExt;
use thermochip::dynamics::streams::chain_rng;
use thermochip::energy::{Couplings, Ising, Model, exact};
use thermochip::hardware::{Card, Die, Programmed, Scale, card, program};
use thermochip::sampler::{AnalogSampler, Follow, Horizon, Phase, Sampler, Samples, StepRule};

/// Of a test.
pub const FALSE_ALARM: f64 = 1e-6;
/// τ0 of the card, s.
pub const TAU: f64 = 100e-9;
/// A phase in which a p-bit settles: it keeps its spin with probability e^−20.
pub const SETTLED: &str = "2 us";

/// The card with flip times that do not fall with the input, unless a test says so: most exact laws here are of that process.
pub fn pbit(overrides: &[(&str, &str)]) -> Card {
    let mut card = card("pbit_cmos_subthreshold").unwrap();
    card.override_parameter("physics.tau_bias", "0").unwrap();
    for (key, value) in overrides {
        card.override_parameter(key, value).unwrap();
    }
    card
}

pub fn ideal(card: &Card, model: &Model) -> Programmed {
    let die = Die::fabricate(card, None, None).unwrap();
    program(&die, model, Scale::Fixed(1.0)).unwrap()
}

pub fn die(card: &Card, seed: u64, only: &str) -> Die {
    Die::fabricate(card, Some(seed), Some(&[only.to_owned()])).unwrap()
}

pub fn ising(fields: Vec<f64>, list: Vec<(usize, usize, f64)>) -> Model {
    let couplings = Couplings::new(fields.len(), list).unwrap();
    Model::Ising(Ising::new(fields, couplings).unwrap())
}

/// V9's ring of eight, at its β = 1.5.
pub fn ring() -> Model {
    let j = [0.05, 0.5, -1.0, 0.69, -0.42, -1.58, -0.65, 0.6];
    let h = [0.33, -1.15, 0.62, -0.09, 0.43, 0.33, -1.16, 0.35];
    let list = (0..8).map(|i| (i, (i + 1) % 8, 1.5 * j[i])).collect();
    ising(h.iter().map(|h| 1.5 * h).collect(), list)
}

pub fn boltzmann(model: &Model) -> Vec<f64> {
    exact::enumerate(model.discrete().unwrap())
        .unwrap()
        .probabilities
}

pub fn sampler(chip: Programmed, chains: usize, seed: u64, rule: StepRule) -> AnalogSampler<f32> {
    let follow = Follow::silent();
    AnalogSampler::new(chip, chains, (seed, 1), rule, "euler-maruyama", follow).unwrap()
}

/// Where `chains` chips are after `tau` τ0, from all spins up.
pub fn after(chip: Programmed, chains: usize, tau: f64, rule: StepRule) -> Samples {
    let phase = Phase {
        burn_in: Horizon::Steps(0),
        duration: Horizon::Seconds(tau * TAU),
        every: None,
        clamp: None,
    };
    sampler(chip, chains, 11, rule).run(&phase).unwrap().samples
}

pub fn counts(samples: &Samples) -> Vec<u64> {
    let mut counts = vec![0u64; 1 << samples.nodes];
    for x in samples.x.chunks(samples.nodes) {
        let up = |i: usize| usize::from(x[i] > 0.0) << i;
        counts[(0..samples.nodes).fold(0, |state, i| state | up(i))] += 1;
    }
    counts
}

pub fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}

/// Dense random spins with |J|, |h| < 0.8.
pub fn random(n: usize, seed: u64) -> Model {
    let mut rng = chain_rng(seed, 0xa44a, 0);
    let pairs: Vec<(usize, usize)> = (0..n)
        .flat_map(|i| (i + 1..n).map(move |j| (i, j)))
        .collect();
    let list = pairs
        .into_iter()
        .map(|(i, j)| (i, j, rng.random_range(-0.8..0.8)))
        .collect();
    ising((0..n).map(|_| rng.random_range(-0.8..0.8)).collect(), list)
}
