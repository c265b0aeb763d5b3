//! Measurements of p-bits: probability and logit against bias, what calibration leaves, raw bits per effective one.

use super::cells::{lagged, tau_apart};
use super::{Bench, CHAINS, Measurement, Schedule, jackknife, mean};
use crate::energy::{Couplings, Ising, Model};
use crate::error::Result;
use crate::hardware::datasheet::Expectation;
use crate::hardware::{Scale, program};

/// Sites whose bias is measured, and the longest array that they are measured on.
const SITES: usize = 2048;
const ARRAY: usize = 128;

pub(super) fn free_spins(fields: Vec<f64>) -> Result<Model> {
    let n = fields.len();
    Ising::new(fields, Couplings::new(n, Vec::new())?).map(Model::Ising)
}

fn schedule(bench: &Bench<'_>, draws: usize) -> Schedule {
    let tau = bench.tau();
    Schedule {
        burn_in: 15.0 * tau,
        draws,
        every: 3.0 * tau,
        bias: 0.01,
    }
}

/// Share of draws that are +1.
fn up(x: &[f32]) -> f64 {
    mean(x.iter().map(|&v| f64::from(u8::from(v > 0.0))))
}

/// Draws of one spin at a bias in volts.
fn at_bias(bench: &Bench<'_>, volts: f64, draws: usize) -> Result<Vec<f32>> {
    let die = bench.ideal()?;
    let per_input = program(&die, &free_spins(vec![0.0])?, Scale::Fixed(1.0))?.volts_per_x();
    let model = free_spins(vec![volts / per_input])?;
    Ok(bench
        .sample(&die, &model, CHAINS, &[1.0], schedule(bench, draws))?
        .x)
}

pub(super) fn probability(bench: &Bench<'_>, e: &Expectation) -> Result<Measurement> {
    let bias = e.at.get("bias").copied().unwrap_or(0.0);
    bench.decide(e, |draws| Ok(jackknife(&at_bias(bench, bias, draws)?, up)))
}

/// Logit of P(+1) at a bias, less that at the opposite one, per twice the bias.
pub(super) fn bias_response(bench: &Bench<'_>, e: &Expectation) -> Result<Measurement> {
    let bias = e.at.get("bias").copied().unwrap_or(1e-3);
    let logit = |p: f64| (p / (1.0 - p)).ln();
    bench.decide(e, |draws| {
        let (above, below) = (at_bias(bench, bias, draws)?, at_bias(bench, -bias, draws)?);
        let pairs: Vec<(f32, f32)> = above.into_iter().zip(below).collect();
        Ok(jackknife(&pairs, |pairs| {
            let side = |pick: fn(&(f32, f32)) -> f32| {
                logit(up(&pairs.iter().map(pick).collect::<Vec<_>>()))
            };
            (side(|p| p.0) - side(|p| p.1)) / (2e3 * bias)
        }))
    })
}

/// Rms of P(+1) − 1/2 over sites of dice from consecutive seeds; the two halves of the draws are multiplied, so that the
/// noise of counting drops out.
pub(super) fn probability_residual(bench: &Bench<'_>, _e: &Expectation) -> Result<Measurement> {
    let most = bench.card.get("limits.max_nodes").unwrap_or(f64::INFINITY);
    let array = ARRAY.min(most as usize);
    let model = free_spins(vec![0.0; array])?;
    let (chains, draws) = (256, 16);
    let mut products = Vec::new();
    for seed in 0..SITES.div_ceil(array) as u64 {
        let die = bench.die(Some(seed))?;
        let start = vec![1.0; array];
        let samples = bench.sample(&die, &model, chains, &start, schedule(bench, draws))?;
        for site in 0..array {
            let half = |first: usize| {
                let of = samples.x.chunks(array * draws).skip(first).step_by(2);
                let read = of.flat_map(|chain| chain.iter().skip(site).step_by(array));
                up(&read.copied().collect::<Vec<_>>()) - 0.5
            };
            products.push(half(0) * half(1));
        }
    }
    Ok(jackknife(&products, |p| {
        mean(p.iter().copied()).max(0.0).sqrt()
    }))
}

/// Autocorrelation of the sum of all spins of a ring, or of a row where the topology has no such ring.
pub(super) fn array_correlation(bench: &Bench<'_>, e: &Expectation) -> Result<Measurement> {
    let at = |key: &str, default: f64| e.at.get(key).copied().unwrap_or(default);
    let (n, j) = (at("nodes", 8.0) as usize, at("coupling", 0.4));
    if !bench.of_spins() {
        return Err(bench.foreign("array_correlation"));
    }
    let ring = (0..n).map(|i| (i.min((i + 1) % n), i.max((i + 1) % n), j));
    let joined = ring.filter(|&(i, k, _)| i != k && bench.joins(i, k));
    let graph = Couplings::new(n, joined.collect())?;
    let model = Model::Ising(Ising::new(vec![0.0; n], graph)?);
    let lag = at("lag", bench.tau());
    let die = bench.ideal()?;
    bench.decide(e, |draws| {
        let schedule = Schedule {
            burn_in: 30.0 * bench.tau() + 30.0 * lag,
            draws: draws + 1,
            every: lag,
            bias: 0.005,
        };
        let x = bench
            .sample(&die, &model, CHAINS, &vec![1.0; n], schedule)?
            .x;
        let sums: Vec<f64> = x
            .chunks(n)
            .map(|x| f64::from(x.iter().sum::<f32>()))
            .collect();
        let pairs = sums.chunks(draws + 1).flat_map(|m| m.windows(2));
        let pairs: Vec<(f64, f64)> = pairs.map(|p| (p[0], p[1])).collect();
        Ok(jackknife(&pairs, lagged))
    })
}

pub(super) fn raw_per_effective_bit(bench: &Bench<'_>, e: &Expectation) -> Result<Measurement> {
    bench.decide(e, |draws| {
        let pairs = tau_apart(bench, 0.0, draws)?;
        Ok(jackknife(&pairs, |p| {
            let rho = lagged(p);
            (1.0 + rho) / (1.0 - rho)
        }))
    })
}
