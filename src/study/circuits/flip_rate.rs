//! Flip rates of a bistable circuit at its levels of description, against the master equation.

use super::{TOLERANCE, sampler, traces};
use crate::circuit::spice::Deck;
use crate::circuit::{ChargeLevel, NodeId, Plan};
use crate::dynamics::MasterEquation;
use crate::error::{Error, Result};
use crate::experiment::CircuitExperiment;
use crate::record::{Chart, Established, Metric, RunRecord, Series, Stages, Verdict};
use crate::study::Session;
use std::time::Instant;

/// A decay rate and its standard error from the mean sign at two times of independent chains.
fn decay(early: &[f64], late: &[f64], between: f64) -> Metric {
    let n = early.len() as f64;
    let mean = |s: &[f64]| s.iter().sum::<f64>() / n;
    let (a, b) = (mean(early), mean(late));
    // Delta method for ln b − ln a, with the covariance of the two signs of a chain.
    let (va, vb) = (1.0 - a * a, 1.0 - b * b);
    let joint = early.iter().zip(late).map(|(x, y)| x * y).sum::<f64>() / n - a * b;
    let variance = (vb / (b * b) + va / (a * a) - 2.0 * joint / (a * b)) / n;
    Metric {
        value: -(b / a).ln() / between,
        se: Some(variance.max(0.0).sqrt() / between),
    }
}

/// The decay rate of the mean sign of V(first) − V(second) by one scheme, and the wall seconds it took.
fn measure(
    experiment: &CircuitExperiment,
    session: &Session,
    (deck, scheme, rate): (&Deck, &str, f64),
    (pair, chains): ([NodeId; 2], usize),
) -> Result<(Metric, f64)> {
    let clock = Instant::now();
    let mut circuit = deck.circuit.clone();
    circuit.set_level(match scheme {
        "gillespie" | "tau-leap" => ChargeLevel::Poisson,
        _ => ChargeLevel::Langevin,
    });
    let plan = Plan {
        chains,
        seed: experiment.seed,
        generator: experiment.plan.generator,
        precision: experiment.plan.precision,
        scheme: Some(scheme.to_owned()),
        step: deck.step,
        largest_step: None,
        tolerance: deck.tolerance.unwrap_or(TOLERANCE),
        every: 0.25 / rate,
        span: (0.0, 1.25 / rate),
        initial: deck.initial.clone(),
    };
    let traces = traces(&circuit, &plan, session, scheme)?;
    let column = |id| {
        let mut names = deck.circuit.node_names().iter();
        let found = names.position(|n| Some(id) == deck.circuit.find(n));
        found.unwrap_or(0)
    };
    let [a, b] = pair.map(column);
    let (draws, width) = (traces.t.len(), traces.names.len());
    let sign = |time: usize| -> Vec<f64> {
        let of = |c: usize| {
            let row = &traces.x[(c * draws + time) * width..];
            let d = row[a] - row[b];
            if d.abs() < 1e-12 { 0.0 } else { d.signum() }
        };
        (0..chains).map(of).collect()
    };
    // The first quarter lets the wells fill; then one relaxation time.
    let between = traces.t[draws - 1] - traces.t[1];
    let metric = decay(&sign(1), &sign(draws - 1), between);
    Ok((metric, clock.elapsed().as_secs_f64()))
}

/// Measures the rate at every point by every scheme.
pub(super) fn run(
    experiment: &CircuitExperiment,
    session: &Session,
    (nodes, chains): (&[String; 2], usize),
    stages: &mut Stages<'_>,
    record: &mut RunRecord,
) -> Result<()> {
    let schemes = if experiment.schemes.is_empty() {
        vec!["gillespie".to_owned()]
    } else {
        experiment.schemes.clone()
    };
    let mut exact = Series {
        label: "master equation".to_owned(),
        x: Vec::new(),
        y: Vec::new(),
        se: None,
    };
    let mut measured: Vec<Series> = schemes
        .iter()
        .map(|s| Series {
            label: s.clone(),
            x: Vec::new(),
            y: Vec::new(),
            se: Some(Vec::new()),
        })
        .collect();
    let started = Instant::now();
    let mut walls = vec![0.0; schemes.len()];
    for point in experiment.points() {
        let deck = experiment.deck(&point)?;
        let value = point.first().map_or(0.0, |p| p.1);
        let index = |name: &String| {
            let id = deck.circuit.find(&name.to_ascii_lowercase());
            id.ok_or_else(|| {
                Error::invalid(
                    "measure.nodes",
                    format!("\"{name}\""),
                    "a node of the netlist",
                )
            })
        };
        let pair = [index(&nodes[0])?, index(&nodes[1])?];
        let rate = exact_rate(&deck, nodes)?;
        exact.x.push(value);
        exact.y.push(0.5 * rate);
        for (k, scheme) in schemes.iter().enumerate() {
            let stage = format!("{scheme} at {value}");
            let (metric, wall) = stages.once(&stage, || {
                measure(experiment, session, (&deck, scheme, rate), (pair, chains))
            })?;
            measured[k].x.push(value);
            measured[k].y.push(0.5 * metric.value);
            if let Some(se) = &mut measured[k].se {
                se.push(0.5 * metric.se.unwrap_or(0.0));
            }
            walls[k] += wall;
        }
    }
    for (series, wall) in measured.iter().zip(walls) {
        let mut found = sampler(&series.label, wall, 0.0);
        found.device_seconds = None;
        let mut worst = 0.0f64;
        for (k, (&x, &y)) in series.x.iter().zip(&series.y).enumerate() {
            let se = series.se.as_ref().and_then(|s| s.get(k)).copied();
            found
                .metrics
                .insert(format!("flip rate at {x}"), Metric { value: y, se });
            worst = worst.max((y - exact.y[k]).abs() / se.unwrap_or(f64::NAN));
        }
        record.samplers.push(found);
        record.verdicts.push(Verdict {
            claim: format!("{} flips at the rate of the master equation", series.label),
            established: Established::Decided(worst < 4.5),
            evidence: format!(
                "largest deviation {worst:.1} standard errors over {} points",
                series.x.len()
            ),
            more_device_seconds_needed: None,
        });
    }
    let mut found = sampler("exact", started.elapsed().as_secs_f64(), 0.0);
    found.kind = "exact".to_owned();
    found.device_seconds = None;
    for (&x, &y) in exact.x.iter().zip(&exact.y) {
        found
            .metrics
            .insert(format!("flip rate at {x}"), Metric { value: y, se: None });
    }
    record.samplers.push(found);
    let mut series = vec![exact];
    series.extend(measured);
    record.charts.push(Chart {
        name: "flip-rate".to_owned(),
        title: "Flip rate".to_owned(),
        caption: "Half the slowest relaxation rate; points with standard errors are simulations."
            .to_owned(),
        x: experiment.axis().unwrap_or_else(|| "point".to_owned()),
        y: "flips per second".to_owned(),
        log_y: true,
        names: Vec::new(),
        series,
    });
    Ok(())
}

/// λ1 in 1/s of the netlist's Poisson level, from the master equation.
pub(super) fn exact_rate(deck: &Deck, nodes: &[String; 2]) -> Result<f64> {
    let mut circuit = deck.circuit.clone();
    circuit.set_level(ChargeLevel::Poisson);
    let unit = 1e-9;
    let assembly = circuit.assemble(1.0, unit)?;
    let process = assembly.process();
    if process.nodes != 2 || !assembly.only_jumps() {
        let expected =
            "two free nodes and nothing but transistors, so that the master equation can be solved";
        return Err(Error::invalid("measure", "flip_rate", expected));
    }
    let column = |name: &String| {
        let id = circuit.find(&name.to_ascii_lowercase());
        circuit
            .node_names()
            .iter()
            .position(|n| circuit.find(n) == id)
            .unwrap_or(0)
    };
    let (a, b) = (column(&nodes[0]), column(&nodes[1]));
    let difference = |x: &[f64]| assembly.voltage(a, x, 0.0) - assembly.voltage(b, x, 0.0);
    // The box of VALIDATION-like depth: two thermal voltages beyond the rails.
    let rails = process
        .waves
        .iter()
        .map(|w| w.at(0.0).abs())
        .fold(0.0, f64::max);
    let thermal = process
        .jumps
        .iter()
        .flat_map(|j| j.input.iter().map(|e| 1.0 / e.1.abs()))
        .fold(0.0, f64::max);
    let equation = MasterEquation::new(process, &[0.0, 0.0], rails + 2.0 * thermal)?;
    Ok(equation.slowest_rate(difference) / unit)
}
