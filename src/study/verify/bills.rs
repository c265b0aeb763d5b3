//! What the ledger bills a die's runs of free elements: energies of sampling, reading and writing, the time of reading frames.

use super::spins::free_spins;
use super::{Bench, Measurement, VERIFY};
use crate::energy::{Domain, FactorGraph, Model, Quadratic};
use crate::error::Result;
use crate::hardware::datasheet::Expectation;
use crate::hardware::{Kind, Programmed, Scale, program};
use crate::sampler::{AnalogSampler, Cost, Horizon, Phase, Sampler, StepRule};
use nalgebra::{DMatrix, DVector};

/// `n` elements that nothing acts on.
fn free(bench: &Bench<'_>, quantity: &str, n: usize) -> Result<Programmed> {
    let model = match bench.card.kind {
        Kind::Telegraph | Kind::Bag => free_spins(vec![0.0; n])?,
        Kind::GatedStates => {
            let states = bench.card.get("limits.states").unwrap_or(2.0) as usize;
            Model::Factors(FactorGraph::new(
                vec![Domain::Categorical(states); n],
                vec![],
            )?)
        }
        Kind::InjectedNoise | Kind::Capacitive => {
            let identity = DMatrix::identity(n, n);
            Model::Quadratic(Quadratic::new(identity, DVector::zeros(n))?)
        }
        Kind::SelectedModes | Kind::Flux => return Err(bench.foreign(quantity)),
    };
    // An ideal chip is read at once.
    program(&bench.die(Some(0))?, &model, Scale::Fixed(1.0))
}

/// A run's bill: `draws` frames, each `periods` sample periods after the one before.
fn billed(
    bench: &Bench<'_>,
    programmed: Programmed,
    chains: usize,
    (draws, periods): (f64, f64),
) -> Result<Cost> {
    let scheme = programmed.scheme();
    let (rule, origin) = (StepRule::Auto(0.05), (bench.seed, VERIFY));
    let held = programmed.clock_round().is_some();
    let frame = bench.card.get("readout.frame_time").filter(|_| !held);
    let every = (periods * programmed.sample_period()).max(frame.unwrap_or(0.0));
    let follow = bench.session.follow(false);
    let mut sampler = AnalogSampler::<f32>::new(programmed, chains, origin, rule, scheme, follow)?;
    let run = sampler.run(&Phase {
        burn_in: Horizon::Seconds(0.0),
        duration: Horizon::Seconds(every * draws),
        every: Some(Horizon::Seconds(every)),
        clamp: None,
    })?;
    Ok(sampler.written().plus(run.cost))
}

pub(super) fn measure(bench: &Bench<'_>, quantity: &str, e: &Expectation) -> Result<Measurement> {
    let at = |key: &str, default: f64| e.at.get(key).copied().unwrap_or(default);
    let nodes = at("nodes", 1.0) as usize;
    let programmed = free(bench, quantity, nodes)?;
    let held = programmed.clock_round().is_some();
    let (draws, periods) = match quantity {
        "read_energy" => (at("reads", 1.0), 1.0),
        "read_time" => (at("frames", 1.0), 1.0),
        _ => (1.0, at("samples", 1.0)),
    };
    let cost = billed(
        bench,
        programmed,
        at("chains", 1.0) as usize,
        (draws, periods),
    )?;
    let found = match quantity {
        "read_energy" => cost.read,
        "write_energy" => cost.write,
        // An array that is not held runs on while it is read.
        "read_time" if held => cost.seconds.read,
        "read_time" => cost.seconds.sample,
        _ => cost.sample,
    };
    found
        .map(Measurement::exact)
        .ok_or_else(|| bench.foreign(quantity))
}
