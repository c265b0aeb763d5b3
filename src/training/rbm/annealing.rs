//! ln Z of a machine whose layers are both too large to sum: annealed importance sampling from the base rates, and back.
//!
//! Forward chains estimate Z₁/Z₀ = ⟨e^w⟩, backward ones its inverse. The estimate of ln Z from below tends to err low when it
//! errs (a mode that no chain found), the one from backward chains high, so that the two bracket ln Z (Burda, Grosse and
//! Salakhutdinov, arXiv 1412.8566, give the second for the directed case). Backward chains must start from the machine
//! itself: exact draws where a layer can be enumerated, else forward chains resampled by their weights and run on.

use super::machine::{Rbm, log_two_cosh};
use crate::error::{Error, Result};
use crate::sampler::LogPartition;
use crate::sampler::restricted::{Direction, Origin, RestrictedGibbs, anneal_restricted};
use rand::{Rng, RngExt};
use std::f64::consts::LN_2;

/// How much work an estimate is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnnealingSettings {
    /// Chains.
    pub chains: usize,
    /// Equal steps of β from 0 to 1.
    pub temperatures: usize,
    /// Sweeps between a resampled forward chain and the start of a backward one.
    pub rest: u64,
    /// Seed and domain of the streams.
    pub origin: Origin,
}

impl AnnealingSettings {
    /// 256 chains, 2000 temperatures, 1000 sweeps.
    pub fn new(origin: impl Into<Origin>) -> Self {
        AnnealingSettings {
            chains: 256,
            temperatures: 2000,
            rest: 1000,
            origin: origin.into(),
        }
    }
}

/// ln Z₀ of independent visible spins with fields `base` and `hidden` free spins.
fn base_log_z(base: &[f64], hidden: usize) -> f64 {
    base.iter().map(|&a| log_two_cosh(a)).sum::<f64>() + hidden as f64 * LN_2
}

/// Both estimates of ln Z.
#[derive(Clone, Debug, PartialEq)]
pub struct AnnealedLogZ {
    /// By forward chains.
    pub forward: LogPartition,
    /// By backward chains.
    pub backward: LogPartition,
}

fn check(machine: &Rbm, base: &[f64], settings: &AnnealingSettings) -> Result<()> {
    if base.len() != machine.visible() {
        let expected = format!("{} fields", machine.visible());
        return Err(Error::invalid(
            "base",
            format!("{} fields", base.len()),
            expected,
        ));
    }
    for (name, count) in [
        ("chains", settings.chains),
        ("temperatures", settings.temperatures),
    ] {
        if count < 2 {
            return Err(Error::invalid(
                format!("annealing.{name}"),
                count,
                "at least 2",
            ));
        }
    }
    Ok(())
}

/// ln Z by chains annealed from independent spins with fields `base`, and back from the machine.
///
/// # Errors
/// Another number of base fields, or fewer than 2 chains or temperatures.
pub fn annealed_log_z(
    machine: &Rbm,
    base: &[f64],
    settings: &AnnealingSettings,
) -> Result<AnnealedLogZ> {
    check(machine, base, settings)?;
    let shape = (machine.visible(), machine.hidden());
    let parameters = machine.parameters();
    let (fields, couplings) = (&parameters.fields[..], &parameters.couplings[..]);
    let domain = |k: u64| Origin {
        domain: settings.origin.domain.wrapping_add(k),
        ..settings.origin
    };
    let steps = settings.temperatures;
    let run = |direction: &Direction, k: u64| {
        anneal_restricted(shape, fields, couplings, base, steps, direction, domain(k))
    };
    let forward = run(&Direction::Forward(settings.chains), 0);
    let z0 = base_log_z(base, machine.hidden());
    let up = LogPartition::from_weights(&forward.log_weights, z0, 1.0);

    // The draws that decide which forward chains go on take a stream that no chain of the walk has.
    let mut rng =
        crate::sampler::restricted::chain_rng(settings.origin.seed, domain(1).domain, u64::MAX);
    let start = match exact_draws(machine, settings.chains, &mut rng) {
        Some(draws) => draws,
        None => rested(machine, &forward, settings, domain(1), &mut rng)?,
    };
    let backward = run(&Direction::Backward(start), 2);
    let down = LogPartition::from_weights(&backward.log_weights, z0, -1.0);
    Ok(AnnealedLogZ {
        forward: up,
        backward: down,
    })
}

/// Forward chains resampled by weight (systematically), then run on at β = 1.
fn rested(
    machine: &Rbm,
    forward: &crate::sampler::restricted::Annealed,
    settings: &AnnealingSettings,
    origin: Origin,
    rng: &mut impl Rng,
) -> Result<Vec<i8>> {
    let (n, m) = (machine.visible(), machine.hidden());
    let peak = forward
        .log_weights
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = forward
        .log_weights
        .iter()
        .map(|w| (w - peak).exp())
        .collect();
    let total: f64 = weights.iter().sum();
    let mut chains = RestrictedGibbs::new(n, m, settings.chains, origin);
    chains.reprogram(
        &machine.parameters().fields,
        &machine.parameters().couplings,
    )?;
    let offset: f64 = rng.random();
    let (mut from, mut reached) = (0, weights[0]);
    for chain in 0..settings.chains {
        let mark = (chain as f64 + offset) / settings.chains as f64 * total;
        while reached < mark && from + 1 < weights.len() {
            from += 1;
            reached += weights[from];
        }
        let row: Vec<f32> = forward.visible[from * n..][..n]
            .iter()
            .map(|&v| f32::from(v))
            .collect();
        chains.place(chain, &row);
    }
    chains.sweep(settings.chains, settings.rest);
    Ok(chains.state().visible)
}

/// Independent draws of the visible spins, where one layer has at most 16 units: the smaller layer from its enumerated law,
/// the other one given it. `None` for larger ones.
fn exact_draws(machine: &Rbm, chains: usize, rng: &mut impl Rng) -> Option<Vec<i8>> {
    const MOST: usize = 16;
    let (n, m) = (machine.visible(), machine.hidden());
    let small = n.min(m);
    if small > MOST {
        return None;
    }
    let parameters = machine.parameters();
    let (b, c) = parameters.fields.split_at(n);
    let (own, other) = if n < m { (b, c) } else { (c, b) };
    let coupling = |i: usize, j: usize| {
        let (v, h) = if n < m { (i, j) } else { (j, i) };
        parameters.couplings[v * m + h]
    };
    let sign = |state: usize, i: usize| if state >> i & 1 == 1 { 1.0 } else { -1.0 };
    let input = |state: usize, j: usize| -> f64 {
        other[j]
            + (0..small)
                .map(|i| sign(state, i) * coupling(i, j))
                .sum::<f64>()
    };
    let logs: Vec<f64> = (0..1usize << small)
        .map(|state| {
            let fields: f64 = (0..small).map(|i| sign(state, i) * own[i]).sum();
            fields
                + (0..other.len())
                    .map(|j| log_two_cosh(input(state, j)))
                    .sum::<f64>()
        })
        .collect();
    let peak = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    let cumulative: Vec<f64> = logs
        .iter()
        .map(|l| {
            sum += (l - peak).exp();
            sum
        })
        .collect();
    let mut draws = Vec::with_capacity(chains * n);
    for _ in 0..chains {
        let mark = rng.random::<f64>() * sum;
        let state = cumulative
            .partition_point(|c| *c < mark)
            .min(logs.len() - 1);
        for i in 0..n {
            let up = if n < m {
                sign(state, i) > 0.0
            } else {
                rng.random::<f64>() < 1.0 / (1.0 + (-2.0 * input(state, i)).exp())
            };
            draws.push(if up { 1 } else { -1 });
        }
    }
    Some(draws)
}
