//! Waveforms of a netlist, and the spread of its nodes against the linear theory.

use super::{last, plan, sampler, scheme_words, traces};
use crate::circuit::spice::{Waveforms, write_raw};
use crate::circuit::{Circuit, Plan, SmallSignal, Traces};
use crate::dynamics::DENSE_ROWS;
use crate::error::Result;
use crate::experiment::CircuitExperiment;
use crate::record::{
    Array, Chart, Established, RunDirectory, RunRecord, Series, Undecided, Verdict,
};
use crate::study::Session;
use std::time::Instant;

/// Columns that tables and figures show.
const SHOWN: usize = 4;
/// Points of a drawn line.
const DRAWN: usize = 1500;

/// Simulates the netlist by every scheme asked for.
pub(super) fn run(
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
        let scheme = scheme_words(&traces.scheme, traces.step, &plan);
        found.facts.insert("scheme".to_owned(), scheme);
        found.predicted_bias = traces.bias;
        for (column, label) in traces.names.iter().enumerate().take(SHOWN) {
            let [mean, sd] = last(&traces, column);
            found.metrics.insert(format!("{label} mean"), mean);
            found.metrics.insert(format!("{label} sd"), sd);
        }
        record.samplers.push(found);
        if traces.names.len() <= DENSE_ROWS {
            record.verdicts.extend(predicted(&deck.circuit, &traces));
        } else if record.samplers.len() == 1 {
            record.warnings.push(format!(
                "more than {DENSE_ROWS} nodes: their noise was not held against A P + P A^T = D"
            ));
        }
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
        names: Vec::new(),
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
