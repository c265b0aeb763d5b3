//! What real nodes of many dice do that was not programmed: offsets and unequal noise.
//!
//! Per site a statistic is taken of the even and of the odd draws; products of the two halves over sites estimate its mean
//! square without the noise of counting.

use super::{Bench, Measurement, Schedule, jackknife, mean};
use crate::energy::{Model, Quadratic};
use crate::error::Result;
use crate::hardware::{Kind, Scale, program};
use nalgebra::{DMatrix, DVector};

/// Dice, sites of each and chains and draws of each.
const DICE: usize = 64;
const SITES: usize = 64;
const CHAINS: usize = 256;
const DRAWS: usize = 24;

/// (even, odd) draws of every site, by `statistic` of its values over all chains; and volts per unit.
fn halves(
    bench: &Bench<'_>,
    quantity: &str,
    statistic: fn(f64) -> f64,
) -> Result<(Vec<(f64, f64)>, f64)> {
    if bench.card.kind != Kind::InjectedNoise {
        return Err(bench.foreign(quantity));
    }
    let most = bench.card.get("limits.max_nodes").unwrap_or(f64::INFINITY);
    let n = SITES.min(most as usize);
    let model = Model::Quadratic(Quadratic::new(DMatrix::identity(n, n), DVector::zeros(n))?);
    let volts = program(&bench.ideal()?, &model, Scale::Fixed(1.0))?.volts_per_x();
    let tau = bench.tau();
    let schedule = Schedule {
        burn_in: 8.0 * tau,
        draws: DRAWS,
        every: 2.0 * tau,
        bias: 0.02,
    };
    let mut found = Vec::new();
    for die in 0..DICE as u64 {
        let die = bench.die(Some(die))?;
        let x = bench
            .sample(&die, &model, CHAINS, &vec![0.0; n], schedule)?
            .x;
        for site in 0..n {
            let half = |first: usize| {
                let of = x.chunks(n).skip(first).step_by(2);
                let values: Vec<f64> = of.map(|x| statistic(f64::from(x[site]))).collect();
                mean(values.into_iter())
            };
            found.push((half(0), half(1)));
        }
    }
    Ok((found, volts))
}

fn rms_of_products(halves: &[(f64, f64)]) -> f64 {
    mean(halves.iter().map(|h| h.0 * h.1)).max(0.0).sqrt()
}

pub(super) fn offset_spread(bench: &Bench<'_>) -> Result<Measurement> {
    let (halves, volts) = halves(bench, "offset_spread", |x| x)?;
    let found = jackknife(&halves, rms_of_products);
    Ok(Measurement {
        value: found.value * volts,
        se: found.se * volts,
    })
}

pub(super) fn noise_spread(bench: &Bench<'_>) -> Result<Measurement> {
    let (halves, _) = halves(bench, "noise_spread", |x| x * x)?;
    Ok(jackknife(&halves, |halves| {
        let all = mean(halves.iter().map(|h| 0.5 * (h.0 + h.1)));
        let off: Vec<(f64, f64)> = halves
            .iter()
            .map(|h| (h.0 / all - 1.0, h.1 / all - 1.0))
            .collect();
        rms_of_products(&off)
    }))
}
