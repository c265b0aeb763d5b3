//! Circuit experiments: waveforms of a netlist, flip rates against the master equation, spectra against Nyquist and ngspice,
//! energies against exact heat currents and free energies.

mod energy;
mod flip_rate;
mod spectrum;
mod waveforms;

use super::Session;
use crate::circuit::spice::Deck;
use crate::circuit::{Circuit, Plan, SmallSignal, Traces, balance, chain_steps, simulate};
use crate::error::{Error, Result};
use crate::experiment::{CircuitExperiment, Measure};
use crate::record::{EnergyLedger, Metric, RunDirectory, RunRecord, SamplerRecord, Seeds, Stages};
use std::collections::BTreeMap;

/// Copies of a netlist that states none.
const CHAINS: usize = 64;
/// Bias tolerance of a netlist that states none.
const TOLERANCE: f64 = 0.01;

/// Carries out a circuit experiment. Finished points of a sweep are kept, so that an interrupted one can be resumed; other
/// measurements are made again, to the same bits.
///
/// # Errors
/// What goes wrong on the way; no record is written then.
pub fn run_circuit(
    experiment: &CircuitExperiment,
    directory: &RunDirectory,
    session: &Session,
) -> Result<RunRecord> {
    let seeds = Seeds::new(experiment.seed, experiment.plan.generator);
    let mut record = RunRecord::new("run", experiment, seeds);
    record.warnings = experiment.deck(&[])?.warnings;
    let mut stages = Stages::open(directory, &record.experiment)?;
    let work = match &experiment.measure {
        Measure::Waveforms => waveforms::run(experiment, directory, session, &mut record),
        Measure::FlipRate { nodes, chains } => {
            let what = (nodes, *chains);
            flip_rate::run(experiment, session, what, &mut stages, &mut record)
        }
        Measure::Energy => energy::run(experiment, session, &mut stages, &mut record),
        Measure::Spectrum { node, band } => {
            spectrum::run(experiment, directory, session, (node, *band), &mut record)
        }
    };
    work.map_err(|e| e.in_file(&experiment.netlist))?;
    directory.write_run(&record)?;
    stages.finish();
    Ok(record)
}

/// Checks what can be checked before anything is written: every point's circuit, its times and schemes.
///
/// # Errors
/// What [`run_circuit`] would refuse.
pub fn check_circuit(experiment: &CircuitExperiment) -> Result<()> {
    let check = || -> Result<()> {
        for point in experiment.points() {
            let deck = experiment.deck(&point)?;
            if let Measure::FlipRate { nodes, .. } = &experiment.measure {
                flip_rate::exact_rate(&deck, nodes)?;
                continue;
            }
            let mut plan = plan(experiment, &deck)?;
            if !matches!(experiment.measure, Measure::Energy) {
                chain_steps(&deck.circuit, &plan)?;
            }
            // One short stretch of one chain meets every refusal of the real run.
            plan.chains = 1;
            plan.span = (0.0, plan.every);
            let energy = matches!(experiment.measure, Measure::Energy);
            for scheme in experiment
                .schemes
                .iter()
                .cloned()
                .map(Some)
                .chain([plan.scheme.clone()])
            {
                let plan = Plan {
                    scheme,
                    ..plan.clone()
                };
                let silent = Session::silent();
                if energy {
                    balance(&deck.circuit, &plan, silent.control(&|_| {}))?;
                } else {
                    simulate(&deck.circuit, &plan, silent.control(&|_| {}))?;
                }
            }
            if let Measure::Spectrum { node, .. } = &experiment.measure {
                SmallSignal::new(&deck.circuit)?.node(&node.to_ascii_lowercase())?;
            }
        }
        Ok(())
    };
    check().map_err(|e| e.in_file(&experiment.netlist))
}

pub(super) fn plan(experiment: &CircuitExperiment, deck: &Deck) -> Result<Plan> {
    let Some(transient) = deck.transient else {
        let expected = "a line \".tran step stop\"";
        return Err(Error::invalid("netlist", "no transient analysis", expected));
    };
    Ok(Plan {
        chains: deck.chains.unwrap_or(CHAINS),
        seed: experiment.seed,
        generator: experiment.plan.generator,
        precision: experiment.plan.precision,
        scheme: deck.scheme.clone(),
        step: deck.step,
        largest_step: transient.largest,
        tolerance: deck.tolerance.unwrap_or(TOLERANCE),
        every: transient.step,
        span: (transient.start, transient.stop),
        initial: deck.initial.clone(),
    })
}

/// Simulates under the session's progress bar and Ctrl-C.
pub(super) fn traces(
    circuit: &Circuit,
    plan: &Plan,
    session: &Session,
    name: &str,
) -> Result<Traces> {
    session.watch.begin(name, chain_steps(circuit, plan)?);
    let result = simulate(
        circuit,
        plan,
        session.control(&|n| session.watch.advance(n)),
    );
    session.watch.end();
    result
}

/// The scheme, its step, and the numbers it was taken in, for the record.
pub(super) fn scheme_words(scheme: &str, step: f64, plan: &Plan) -> String {
    let precision = plan.precision.name();
    format!("{scheme}, step {step:e} s, {precision}")
}

pub(super) fn sampler(name: &str, wall: f64, device: f64) -> SamplerRecord {
    SamplerRecord {
        name: name.to_owned(),
        kind: "analog".to_owned(),
        metrics: BTreeMap::new(),
        ess_min: None,
        rhat_max: None,
        node_beta: Vec::new(),
        device_seconds: Some(device),
        wall_seconds: wall,
        energy_joules: EnergyLedger::default(),
        predicted_bias: None,
        facts: BTreeMap::new(),
    }
}

/// Mean and variance over chains of a column at the last time, with standard errors.
pub(super) fn last(traces: &Traces, column: usize) -> [Metric; 2] {
    let (draws, width) = (traces.t.len(), traces.names.len());
    let values: Vec<f64> = (0..traces.chains)
        .map(|c| traces.x[(c * draws + draws - 1) * width + column])
        .collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: Vec<f64> = values.iter().map(|v| (v - mean).powi(2)).collect();
    let variance = square.iter().sum::<f64>() / (n - 1.0).max(1.0);
    let spread = square.iter().map(|s| (s - variance).powi(2)).sum::<f64>() / n;
    let sd = variance.sqrt();
    [
        Metric {
            value: mean,
            se: (n > 1.0).then(|| sd / n.sqrt()),
        },
        Metric {
            value: sd,
            se: (n > 1.0 && sd > 0.0).then(|| (spread / n).sqrt() / (2.0 * sd)),
        },
    ]
}
