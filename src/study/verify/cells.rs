//! Measurements of real variables: relaxation, noise, temperature, the moments of cells, mixtures and flux cells.

use super::{Bench, CHAINS, Measurement, Schedule, jackknife, mean};
use crate::diagnostics;
use crate::energy::{
    Couplings, Domain, Factor, FactorGraph, FluxCells, Ising, Mixture, Model, Quadratic, SoftSpin,
};
use crate::error::Result;
use crate::hardware::datasheet::Expectation;
use crate::hardware::{Kind, Scale, flux_energies, program};
use crate::units::BOLTZMANN;
use nalgebra::{DMatrix, DVector};

pub(super) fn gaussian(precision: &[f64]) -> Result<Model> {
    let n = precision.len().isqrt();
    let p = DMatrix::from_row_slice(n, n, precision);
    Quadratic::new(p, DVector::zeros(n)).map(Model::Quadratic)
}

/// One free element of the chip's kind: E = x²/2, or a spin with input `bias`.
fn element(bench: &Bench<'_>, bias: f64) -> Result<Model> {
    match bench.card.kind {
        Kind::Telegraph => Ising::new(vec![bias], Couplings::new(1, Vec::new())?).map(Model::Ising),
        Kind::InjectedNoise | Kind::Capacitive => gaussian(&[1.0]),
        _ => Err(bench.foreign("relaxation_time")),
    }
}

/// Correlation of the first variable at two draws.
pub(super) fn lagged(pairs: &[(f64, f64)]) -> f64 {
    let (a, b) = (
        mean(pairs.iter().map(|p| p.0)),
        mean(pairs.iter().map(|p| p.1)),
    );
    let product = |f: fn(f64, f64) -> f64| mean(pairs.iter().map(|p| f(p.0 - a, p.1 - b)));
    let norm = product(|a, _| a * a) * product(|_, b| b * b);
    product(|a, b| a * b) / norm.sqrt()
}

/// The first variable at draws τ apart, long after the start: all pairs of neighbouring draws.
pub(super) fn tau_apart(bench: &Bench<'_>, bias: f64, draws: usize) -> Result<Vec<(f64, f64)>> {
    let tau = bench.tau();
    let schedule = Schedule {
        burn_in: 15.0 * tau,
        draws: draws + 1,
        every: tau,
        bias: 0.005,
    };
    let model = element(bench, bias)?;
    let samples = bench.sample(&bench.ideal()?, &model, CHAINS, &[1.0], schedule)?;
    let chains = samples.x.chunks(draws + 1);
    let pairs = chains.flat_map(|x| x.windows(2));
    Ok(pairs.map(|p| (f64::from(p[0]), f64::from(p[1]))).collect())
}

pub(super) fn relaxation_time(bench: &Bench<'_>, e: &Expectation) -> Result<Measurement> {
    let bias = e.at.get("bias").copied().unwrap_or(0.0);
    let tau = bench.tau();
    bench.decide(e, |draws| {
        let pairs = tau_apart(bench, bias, draws)?;
        Ok(jackknife(&pairs, |p| -tau / lagged(p).ln()))
    })
}

/// Draws two τ apart, long after the start. Flux cells ring at hundreds of times their rate of changing wells: their steps
/// are as long as five per cent of bias in the fastest mode allow.
fn draw(bench: &Bench<'_>, model: &Model, start: &[f64], draws: usize) -> Result<Vec<f32>> {
    let tau = bench.tau();
    let schedule = Schedule {
        burn_in: 15.0 * tau,
        draws,
        every: 2.0 * tau,
        bias: match bench.card.kind {
            Kind::Flux => 0.05,
            _ => 0.002,
        },
    };
    Ok(bench
        .sample(&bench.ideal()?, model, CHAINS, start, schedule)?
        .x)
}

pub(super) fn noise_voltage(bench: &Bench<'_>, e: &Expectation) -> Result<Measurement> {
    let model = gaussian(&[1.0])?;
    let volts = program(&bench.ideal()?, &model, Scale::Fixed(1.0))?.volts_per_x();
    bench.decide(e, |draws| {
        let x = draw(bench, &model, &[0.0], draws)?;
        Ok(jackknife(&x, |x| {
            volts * mean(x.iter().map(|&v| f64::from(v * v))).sqrt()
        }))
    })
}

/// ⟨x·∇E⟩/n of three nodes in a row (real variables), 1/β by pseudo-likelihood of a ring of six (spins; a row of them
/// where the topology has no such ring).
pub(super) fn effective_temperature(bench: &Bench<'_>, e: &Expectation) -> Result<Measurement> {
    if bench.of_spins() {
        let ring = (0..6).map(|i| (i.min((i + 1) % 6), i.max((i + 1) % 6), 0.4));
        let ring = ring.filter(|&(i, j, _)| bench.joins(i, j));
        let spins = Ising::new(vec![0.2; 6], Couplings::new(6, ring.collect())?)?;
        let model = Model::Ising(spins.clone());
        return bench.decide(e, |draws| {
            let x = draw(bench, &model, &[1.0; 6], draws)?;
            let fields: Vec<f64> = x
                .chunks(6)
                .flat_map(|x| {
                    let s: Vec<i8> = x.iter().map(|&v| if v > 0.0 { 1 } else { -1 }).collect();
                    let local = |i| crate::energy::DiscreteEnergy::local_field(&spins, &s, i);
                    (0..6).map(local).collect::<Vec<_>>()
                })
                .collect();
            let values: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
            let (beta, se) = diagnostics::pseudo_likelihood_beta(&values, &fields, CHAINS);
            Ok(Measurement {
                value: 1.0 / beta,
                se: se / (beta * beta),
            })
        });
    }
    let model = gaussian(&[1.0, -0.3, 0.0, -0.3, 1.0, -0.3, 0.0, -0.3, 1.0])?;
    bench.decide(e, |draws| {
        let x = draw(bench, &model, &[0.0; 3], draws)?;
        let energy = model.continuous();
        let virial: Vec<f64> = x
            .chunks(3)
            .map(|x| {
                let x: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
                let mut gradient = [0.0; 3];
                if let Some(energy) = energy {
                    energy.gradient(&x, &mut gradient);
                }
                x.iter().zip(gradient).map(|(x, g)| x * g).sum::<f64>() / 3.0
            })
            .collect();
        Ok(jackknife(&virial, |v| mean(v.iter().copied())))
    })
}

pub(super) fn correlation(bench: &Bench<'_>, e: &Expectation) -> Result<Measurement> {
    let j = e.at.get("coupling").copied().unwrap_or(0.5);
    let model = if bench.of_spins() {
        Model::Ising(Ising::new(
            vec![0.0; 2],
            Couplings::new(2, vec![(0, 1, j)])?,
        )?)
    } else {
        gaussian(&[1.0, -j, -j, 1.0])?
    };
    bench.decide(e, |draws| {
        let x = draw(bench, &model, &[1.0, 1.0], draws)?;
        let product: Vec<f64> = x.chunks(2).map(|x| f64::from(x[0] * x[1])).collect();
        Ok(jackknife(&product, |p| mean(p.iter().copied())))
    })
}

fn moment(x: &[f32], second: bool) -> f64 {
    let m = mean(x.iter().map(|&v| f64::from(v)));
    if second {
        mean(x.iter().map(|&v| (f64::from(v) - m).powi(2)))
    } else {
        m
    }
}

pub(super) fn cell(bench: &Bench<'_>, e: &Expectation, second: bool) -> Result<Measurement> {
    let at = |key: &str, default: f64| e.at.get(key).copied().unwrap_or(default);
    let (j2, j4, bias) = (at("j2", 1.0), at("j4", 1.0), at("bias", 0.0));
    let graph = Couplings::new(1, Vec::new())?;
    let model = Model::SoftSpin(SoftSpin::new(vec![j2], vec![j4], vec![bias], graph)?);
    bench.decide(e, |draws| {
        let x = draw(bench, &model, &[0.0], draws)?;
        Ok(jackknife(&x, |x| moment(x, second)))
    })
}

/// The demonstration mixture of arXiv 2608.01612: means (1, 0, −0.8), deviations (0.3, 1, 0.5), here with equal weights.
pub(super) fn mixture(bench: &Bench<'_>, e: &Expectation, second: bool) -> Result<Measurement> {
    let means = [1.0, 0.0, -0.8].map(|m| DVector::from_element(1, m));
    let spreads = [0.3, 1.0, 0.5].map(|s: f64| DMatrix::from_element(1, 1, s * s));
    let model = Model::Mixture(Mixture::new(&[1.0; 3], &means, &spreads)?);
    bench.decide(e, |draws| {
        let x = draw(bench, &model, &[0.0], draws)?;
        Ok(jackknife(&x, |x| moment(x, second)))
    })
}

/// P(state) of one category with as many states as the card has, logits rising by `logits_step` from state to state.
pub(super) fn category_probability(bench: &Bench<'_>, e: &Expectation) -> Result<Measurement> {
    let at = |key: &str, default: f64| e.at.get(key).copied().unwrap_or(default);
    let states = bench.card.get("limits.states").unwrap_or(2.0) as usize;
    let logits = (0..states).map(|k| at("logits_step", 0.0) * k as f64);
    let table = Factor::table(vec![0], logits.collect());
    let graph = FactorGraph::new(vec![Domain::Categorical(states)], vec![table])?;
    let (model, state) = (Model::Factors(graph), at("state", 0.0) as f32);
    bench.decide(e, |draws| {
        let x = draw(bench, &model, &[0.0], draws)?;
        Ok(jackknife(&x, |x| {
            mean(x.iter().map(|&v| f64::from(u8::from(v == state))))
        }))
    })
}

/// The cell of a card of flux cells at its temperature.
pub(super) fn flux_cell(bench: &Bench<'_>, flux: f64) -> Result<FluxCells> {
    if bench.card.kind != Kind::Flux {
        return Err(bench.foreign("well_occupation"));
    }
    let kt = BOLTZMANN * bench.card.get("physics.temperature").unwrap_or(1.0);
    let (josephson, inductive) = flux_energies(bench.card);
    FluxCells::new(josephson / kt, inductive / kt, vec![flux])
}

pub(super) fn well_occupation(bench: &Bench<'_>, e: &Expectation) -> Result<Measurement> {
    let beyond = e.at.get("flux").copied().unwrap_or(0.0);
    let model = Model::FluxCells(flux_cell(bench, 0.5 + beyond)?);
    bench.decide(e, |draws| {
        let x = draw(bench, &model, &[std::f64::consts::PI], draws)?;
        Ok(jackknife(&x, |x| {
            mean(
                x.iter()
                    .map(|&v| f64::from(u8::from(f64::from(v) > std::f64::consts::PI))),
            )
        }))
    })
}
