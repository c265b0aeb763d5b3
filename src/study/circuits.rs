//! Circuit experiments: waveforms of a netlist, flip rates against the master equation, spectra against Nyquist and ngspice.

use super::Session;
use crate::circuit::spice::{Deck, NoiseStyle, Waveforms, write, write_raw};
use crate::circuit::{ChargeLevel, Circuit, Plan, SmallSignal, Traces, simulate};
use crate::dynamics::MasterEquation;
use crate::error::{Error, Result};
use crate::experiment::{CircuitExperiment, Measure};
use crate::record::{
    Array, Chart, EnergyLedger, Established, Metric, RunDirectory, RunRecord, SamplerRecord,
    Series, Undecided, Verdict, run_ngspice,
};
use std::collections::BTreeMap;
use std::time::Instant;

/// Copies of a netlist that states none.
const CHAINS: usize = 64;
/// Bias tolerance of a netlist that states none.
const TOLERANCE: f64 = 0.01;
/// Columns that tables and figures show.
const SHOWN: usize = 4;
/// Points of a drawn line.
const DRAWN: usize = 1500;

/// Carries out a circuit experiment.
///
/// # Errors
/// What goes wrong on the way; nothing is written then.
pub fn run_circuit(
    experiment: &CircuitExperiment,
    directory: &RunDirectory,
    session: &Session,
) -> Result<RunRecord> {
    let mut record = RunRecord {
        version: 1,
        software: format!("thermochip {}", env!("CARGO_PKG_VERSION")),
        command: "run".to_owned(),
        experiment: serde_json::to_value(experiment).unwrap_or_default(),
        card: None,
        program: Vec::new(),
        seeds: BTreeMap::from([("seed".to_owned(), experiment.seed)]),
        samplers: Vec::new(),
        comparisons: Vec::new(),
        verdicts: Vec::new(),
        training: None,
        charts: Vec::new(),
        warnings: experiment.deck(&[])?.warnings,
    };
    let work = match &experiment.measure {
        Measure::Waveforms => waveforms(experiment, directory, session, &mut record),
        Measure::FlipRate { nodes, chains } => {
            flip_rates(experiment, session, nodes, *chains, &mut record)
        }
        Measure::Spectrum { node, band } => {
            spectrum(experiment, directory, session, (node, *band), &mut record)
        }
    };
    work.map_err(|e| e.in_file(&experiment.netlist))?;
    directory.write_run(&record)?;
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
                exact_rate(&deck, nodes)?;
                continue;
            }
            let mut plan = plan(experiment, &deck)?;
            // One short stretch of one chain meets every refusal of the real run.
            plan.chains = 1;
            plan.span = (0.0, plan.every);
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
                simulate(&deck.circuit, &plan, Session::silent().control())?;
            }
            if let Measure::Spectrum { node, .. } = &experiment.measure {
                SmallSignal::new(&deck.circuit)?.node(&node.to_ascii_lowercase())?;
            }
        }
        Ok(())
    };
    check().map_err(|e| e.in_file(&experiment.netlist))
}

fn plan(experiment: &CircuitExperiment, deck: &Deck) -> Result<Plan> {
    let Some(transient) = deck.transient else {
        let expected = "a line \".tran step stop\"";
        return Err(Error::invalid("netlist", "no transient analysis", expected));
    };
    Ok(Plan {
        chains: deck.chains.unwrap_or(CHAINS),
        seed: experiment.seed,
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
fn traces(circuit: &Circuit, plan: &Plan, session: &Session, name: &str) -> Result<Traces> {
    session.watch.begin(name, 0);
    let result = simulate(circuit, plan, session.control());
    session.watch.end();
    result
}

fn sampler(name: &str, wall: f64, device: f64) -> SamplerRecord {
    SamplerRecord {
        name: name.to_owned(),
        kind: "analog".to_owned(),
        metrics: BTreeMap::new(),
        ess_min: None,
        rhat_max: None,
        device_seconds: Some(device),
        wall_seconds: wall,
        energy_joules: EnergyLedger::default(),
        predicted_bias: None,
        facts: BTreeMap::new(),
    }
}

/// Mean and variance over chains of a column at the last time, with standard errors.
fn last(traces: &Traces, column: usize) -> [Metric; 2] {
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

fn waveforms(
    experiment: &CircuitExperiment,
    directory: &RunDirectory,
    session: &Session,
    record: &mut RunRecord,
) -> Result<()> {
    let deck = experiment.deck(&[])?;
    let plan = plan(experiment, &deck)?;
    let schemes: Vec<Option<String>> = if experiment.schemes.is_empty() {
        vec![plan.scheme.clone()]
    } else {
        experiment.schemes.iter().cloned().map(Some).collect()
    };
    for scheme in schemes {
        let plan = Plan {
            scheme,
            ..plan.clone()
        };
        let start = Instant::now();
        let traces = traces(&deck.circuit, &plan, session, "netlist")?;
        let name = if record.samplers.is_empty() {
            "netlist"
        } else {
            &traces.scheme
        }
        .to_owned();
        let stop = traces.t.last().copied().unwrap_or(0.0);
        let mut found = sampler(&name, start.elapsed().as_secs_f64(), stop);
        let scheme = format!("{}, step {:e} s", traces.scheme, traces.step);
        found.facts.insert("scheme".to_owned(), scheme);
        for (column, label) in traces.names.iter().enumerate().take(SHOWN) {
            let [mean, sd] = last(&traces, column);
            found.metrics.insert(format!("{label} mean"), mean);
            found.metrics.insert(format!("{label} sd"), sd);
        }
        record.samplers.push(found);
        record.verdicts.extend(predicted(&deck.circuit, &traces));
        record.charts.push(lines(&name, &traces));
        let (draws, width) = (traces.t.len(), traces.names.len());
        let readings = traces.x.iter().map(|&v| v as f32).collect();
        directory.write_arrays(
            &format!("samples-{name}.npz"),
            &[
                ("x", Array::f32(&[traces.chains, draws, width], readings)),
                ("t", Array::f64(&[draws], traces.t.clone())),
                (
                    "units",
                    Array::Words(traces.units.iter().map(|&u| u.to_owned()).collect()),
                ),
                ("names", Array::Words(traces.names.clone())),
            ],
        )?;
        directory.write(
            &format!("{name}.raw"),
            &write_raw(&first_chain(&deck.title, &traces)),
        )?;
    }
    Ok(())
}

fn first_chain(title: &str, traces: &Traces) -> Waveforms {
    let width = traces.names.len();
    let mut variables = vec![("time".to_owned(), "time".to_owned())];
    let kind = |unit: &str| if unit == "A" { "current" } else { "voltage" };
    let columns = traces.names.iter().zip(&traces.units);
    variables.extend(columns.map(|(name, unit)| (name.clone(), kind(unit).to_owned())));
    let rows = traces.t.iter().zip(traces.x.chunks(width));
    let points = rows.flat_map(|(t, row)| std::iter::once(*t).chain(row.iter().copied()));
    Waveforms {
        title: title.to_owned(),
        variables,
        points: points.collect(),
    }
}

fn lines(name: &str, traces: &Traces) -> Chart {
    let (width, stride) = (traces.names.len(), traces.t.len().div_ceil(DRAWN));
    let stop = traces.t.last().copied().unwrap_or(1.0);
    let (factor, unit) = [
        (1.0, "s"),
        (1e3, "ms"),
        (1e6, "us"),
        (1e9, "ns"),
        (1e12, "ps"),
    ]
    .into_iter()
    .find(|(factor, _)| stop * factor >= 1.0)
    .unwrap_or((1e12, "ps"));
    let picked = || (0..traces.t.len()).step_by(stride);
    let voltages = (0..width).filter(|&c| traces.units[c] == "V").take(SHOWN);
    Chart {
        name: format!("waveforms-{name}"),
        title: format!("Node voltages: {}", traces.scheme),
        caption: "The first copy of the circuit.".to_owned(),
        x: format!("time ({unit})"),
        y: "voltage (V)".to_owned(),
        log_y: false,
        series: voltages
            .map(|column| Series {
                label: traces.names[column].clone(),
                x: picked().map(|k| traces.t[k] * factor).collect(),
                y: picked().map(|k| traces.x[k * width + column]).collect(),
                se: None,
            })
            .collect(),
    }
}

/// For linear circuits run long enough: whether the voltages have the predicted standard deviations at the end.
fn predicted(circuit: &Circuit, traces: &Traces) -> Option<Verdict> {
    let covariance = crate::circuit::linear::covariance(circuit).ok()?;
    let small = SmallSignal::new(circuit).ok()?;
    let slowest = small.relaxation().first()?.re;
    let enough = traces.t.last()? * slowest > 8.0 && traces.chains >= 8;
    let mut worst: Option<(f64, String)> = None;
    for (column, label) in traces.names.iter().enumerate() {
        let Some(node) = label.strip_prefix("v(").and_then(|n| n.strip_suffix(')')) else {
            continue;
        };
        let Ok(row) = small.node(node) else { continue };
        let [_, sd] = last(traces, column);
        let wanted = covariance[(row, row)].sqrt();
        if wanted == 0.0 {
            continue;
        }
        let se = wanted / (2.0 * (traces.chains as f64 - 1.0).max(1.0)).sqrt();
        let z = (sd.value - wanted) / se;
        let words = format!(
            "{label}: sd {:.4e} V, predicted {wanted:.4e} V (z = {z:.2})",
            sd.value
        );
        if worst.as_ref().is_none_or(|w| z.abs() > w.0) {
            worst = Some((z.abs(), words));
        }
    }
    let (z, evidence) = worst?;
    Some(Verdict {
        claim: "the noise of every node is the one predicted by A P + P A^T = D".to_owned(),
        established: if enough {
            Established::Decided(z < 4.5)
        } else {
            Established::Open(Undecided::Undecided)
        },
        evidence: if enough {
            format!("largest deviation {evidence}")
        } else {
            format!(
                "{evidence}; the run is shorter than 8 relaxation times, or has fewer than 8 chains"
            )
        },
        more_device_seconds_needed: None,
    })
}

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

fn flip_rates(
    experiment: &CircuitExperiment,
    session: &Session,
    nodes: &[String; 2],
    chains: usize,
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
            let clock = Instant::now();
            let mut circuit = deck.circuit.clone();
            circuit.set_level(match scheme.as_str() {
                "gillespie" | "tau-leap" => ChargeLevel::Poisson,
                _ => ChargeLevel::Langevin,
            });
            let plan = Plan {
                chains,
                seed: experiment.seed,
                scheme: Some(scheme.clone()),
                step: deck.step,
                largest_step: None,
                tolerance: deck.tolerance.unwrap_or(TOLERANCE),
                every: 0.25 / rate,
                span: (0.0, 1.25 / rate),
                initial: deck.initial.clone(),
            };
            let traces = traces(&circuit, &plan, session, scheme)?;
            let column = |id| {
                deck.circuit
                    .node_names()
                    .iter()
                    .position(|n| Some(id) == deck.circuit.find(n))
            };
            let (Some(a), Some(b)) = (column(pair[0]), column(pair[1])) else {
                continue;
            };
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
            let metric = decay(
                &sign(1),
                &sign(draws - 1),
                traces.t[draws - 1] - traces.t[1],
            );
            measured[k].x.push(value);
            measured[k].y.push(0.5 * metric.value);
            if let Some(se) = &mut measured[k].se {
                se.push(0.5 * metric.se.unwrap_or(0.0));
            }
            walls[k] += clock.elapsed().as_secs_f64();
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
    let swept = experiment
        .sweep
        .as_ref()
        .map_or("point", |s| s.0.as_str())
        .to_owned();
    let mut series = vec![exact];
    series.extend(measured);
    record.charts.push(Chart {
        name: "flip-rate".to_owned(),
        title: "Flip rate".to_owned(),
        caption: "Half the slowest relaxation rate; points with standard errors are simulations."
            .to_owned(),
        x: swept,
        y: "flips per second".to_owned(),
        log_y: true,
        series,
    });
    Ok(())
}

/// λ1 in 1/s of the netlist's Poisson level, from the master equation.
fn exact_rate(deck: &Deck, nodes: &[String; 2]) -> Result<f64> {
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

/// One-sided periodogram densities at `frequencies`, Hann-windowed, averaged over chains, with standard errors.
fn periodogram(chains: &[Vec<f64>], step: f64, frequencies: &[f64]) -> (Vec<f64>, Vec<f64>) {
    use rayon::prelude::*;
    let n = chains.first().map_or(0, Vec::len);
    let window: Vec<f64> = (0..n)
        .map(|k| {
            (std::f64::consts::PI * (k as f64 + 0.5) / n as f64)
                .sin()
                .powi(2)
        })
        .collect();
    let power: f64 = window.iter().map(|w| w * w).sum();
    frequencies
        .par_iter()
        .map(|&f| {
            let omega = std::f64::consts::TAU * f * step;
            let (s, c) = omega.sin_cos();
            let densities: Vec<f64> = chains
                .iter()
                .map(|x| {
                    // A rotating phasor, renewed now and then against drift.
                    let (mut re, mut im) = (0.0, 0.0);
                    let (mut p, mut q) = (1.0, 0.0);
                    for (k, (x, w)) in x.iter().zip(&window).enumerate() {
                        if k % 1024 == 0 {
                            (q, p) = (omega * k as f64).sin_cos();
                        }
                        re += x * w * p;
                        im += x * w * q;
                        (p, q) = (p * c - q * s, q * c + p * s);
                    }
                    2.0 * step * (re * re + im * im) / power
                })
                .collect();
            let count = densities.len() as f64;
            let mean = densities.iter().sum::<f64>() / count;
            let variance =
                densities.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
            (mean, (variance / count).sqrt())
        })
        .unzip()
}

fn spectrum(
    experiment: &CircuitExperiment,
    directory: &RunDirectory,
    session: &Session,
    (node, (low, high)): (&str, (f64, f64)),
    record: &mut RunRecord,
) -> Result<()> {
    let deck = experiment.deck(&[])?;
    let plan = plan(experiment, &deck)?;
    let small = SmallSignal::new(&deck.circuit)?;
    let row = small.node(&node.to_ascii_lowercase())?;
    let theory = |f: f64| small.spectrum(row, f).iter().map(|s| s.1).sum::<f64>();
    let grid = |points: usize| -> Vec<f64> {
        (0..points)
            .map(|k| low * (high / low).powf(k as f64 / (points - 1) as f64))
            .collect()
    };
    let (fine, coarse) = (grid(120), grid(24));
    let start = Instant::now();
    let ours = traces(&deck.circuit, &plan, session, "netlist")?;
    let label = format!("v({})", node.to_ascii_lowercase());
    let series = |name: &str, chains: &[Vec<f64>], step: f64| {
        let (y, se) = periodogram(chains, step, &coarse);
        Series {
            label: name.to_owned(),
            x: coarse.iter().map(|f| f.log10()).collect(),
            y,
            se: Some(se),
        }
    };
    let column = ours.names.iter().position(|n| *n == label).unwrap_or(0);
    let (draws, width) = (ours.t.len(), ours.names.len());
    let chains: Vec<Vec<f64>> = (0..ours.chains)
        .map(|c| {
            (0..draws)
                .map(|k| ours.x[(c * draws + k) * width + column])
                .collect()
        })
        .collect();
    let measured = series("thermochip", &chains, plan.every);
    let mut found = sampler("netlist", start.elapsed().as_secs_f64(), plan.span.1);
    found.facts.insert(
        "scheme".to_owned(),
        format!("{}, step {:e} s", ours.scheme, ours.step),
    );
    let [mean, sd] = last(&ours, column);
    found.metrics.insert(format!("{label} mean"), mean);
    found.metrics.insert(format!("{label} sd"), sd);
    record.samplers.push(found);
    record
        .verdicts
        .push(density_verdict("thermochip", &measured, &theory));
    let mut all = vec![
        Series {
            label: "4kT Re Z".to_owned(),
            x: fine.iter().map(|f| f.log10()).collect(),
            y: fine.iter().map(|&f| theory(f)).collect(),
            se: None,
        },
        measured,
    ];
    match with_ngspice(&deck, &plan, directory, &label)? {
        Some(chains) => {
            let other = series("ngspice (trnoise)", &chains, plan.every);
            record
                .verdicts
                .push(density_verdict("ngspice", &other, &theory));
            all.push(other);
        }
        None => record
            .warnings
            .push("ngspice is not on PATH: its curve is not drawn".to_owned()),
    }
    record.charts.push(Chart {
        name: "spectrum".to_owned(),
        title: format!("Noise density of {label}"),
        caption: "Johnson noise: theory, this simulator and, where it is installed, ngspice."
            .to_owned(),
        x: "log10 of frequency in Hz".to_owned(),
        y: "one-sided density (V²/Hz)".to_owned(),
        log_y: true,
        series: all,
    });
    Ok(())
}

fn density_verdict(who: &str, series: &Series, theory: &impl Fn(f64) -> f64) -> Verdict {
    let se = series.se.clone().unwrap_or_default();
    let scores: Vec<f64> = series
        .x
        .iter()
        .zip(&series.y)
        .zip(&se)
        .map(|((x, y), se)| (y - theory(10f64.powf(*x))) / se)
        .collect();
    let worst = scores.iter().fold(0.0f64, |w, z| w.max(z.abs()));
    let rms = (scores.iter().map(|z| z * z).sum::<f64>() / scores.len() as f64).sqrt();
    Verdict {
        claim: format!("the density of {who} is 4kT Re Z"),
        established: Established::Decided(worst < 4.5),
        evidence: format!(
            "largest deviation {worst:.1} standard errors over {} frequencies, rms {rms:.2}",
            scores.len()
        ),
        more_device_seconds_needed: None,
    }
}

/// The same circuit in ngspice with `trnoise` sources: one long run cut into pieces, or `None` where it is not installed.
fn with_ngspice(
    deck: &Deck,
    plan: &Plan,
    directory: &RunDirectory,
    label: &str,
) -> Result<Option<Vec<Vec<f64>>>> {
    let (pieces, stop) = (16, plan.span.1);
    let style = NoiseStyle::Transient {
        step: plan.every / 4.0,
    };
    let length = pieces as f64 * stop;
    let netlist = write(&deck.circuit, &deck.title, style, (plan.every, length));
    let Some(waveforms) = run_ngspice(directory, "ngspice.cir", &netlist)? else {
        return Ok(None);
    };
    let names: Vec<&str> = waveforms.variables.iter().map(|v| v.0.as_str()).collect();
    let Some(column) = names.iter().position(|n| *n == label) else {
        return Ok(None);
    };
    // ngspice chooses its own times: onto the grid by straight lines.
    let width = names.len();
    let points: Vec<(f64, f64)> = waveforms
        .points
        .chunks(width)
        .map(|p| (p[0], p[column]))
        .collect();
    let per_piece = (stop / plan.every) as usize;
    let mut k = 0;
    let mut at = |t: f64| {
        while k + 2 < points.len() && points[k + 1].0 < t {
            k += 1;
        }
        let ((t0, v0), (t1, v1)) = (points[k], points[k + 1]);
        if t1 > t0 {
            v0 + (v1 - v0) * (t - t0) / (t1 - t0)
        } else {
            v0
        }
    };
    let all: Vec<f64> = (1..=pieces * per_piece)
        .map(|j| at(j as f64 * plan.every))
        .collect();
    Ok(Some(all.chunks(per_piece).map(<[f64]>::to_vec).collect()))
}
