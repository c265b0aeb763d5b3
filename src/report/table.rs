//! The table that a run prints.

use super::accuracy::{floor_cells, sentences};
use super::many::{dice_cells, sweep_cells, yield_words};
use crate::record::{CouplingCheck, Established, Metric, RunRecord};
use crate::sampler::Cost;
use crate::units::format_si;
use std::collections::BTreeSet;

/// Metrics that still stand side by side.
const MOST_COLUMNS: usize = 8;

/// Dice that are still told one by one.
const MOST_DICE: usize = 8;

/// "0.9123 ± 0.0045", digits to fit the error; "(1.03 ± 0.02)e-14" where numbers are far from one.
pub(super) fn with_error(metric: &Metric) -> String {
    match metric.se {
        Some(se) if se > 0.0 && se.is_finite() => {
            let size = metric.value.abs().max(se);
            if !(1e-4..1e6).contains(&size) {
                let exponent = size.log10().floor() as i32;
                let unit = 10f64.powi(exponent);
                let digits = (1 - (se / unit).log10().floor() as i32).clamp(0, 8) as usize;
                let (value, se) = (metric.value / unit, se / unit);
                return format!("({value:.digits$} ± {se:.digits$})e{exponent}");
            }
            let digits = (1 - se.log10().floor() as i32).clamp(0, 8) as usize;
            format!("{:.digits$} ± {se:.digits$}", metric.value)
        }
        _ if metric.value == 0.0 || (1e-3..1e5).contains(&metric.value.abs()) => {
            format!("{:.4}", metric.value)
        }
        _ => format!("{:.2e}", metric.value),
    }
}

/// Whether a sampler is told by itself: many dice are told by their distribution.
pub(super) fn alone(run: &RunRecord, sampler: &str) -> bool {
    let few = run.dice.as_ref().is_none_or(|d| d.dice <= MOST_DICE);
    few || !sampler.starts_with("analog-die-")
}

/// Joules, or that the card does not state them.
pub(super) fn joules(value: Option<f64>) -> String {
    value.map_or_else(|| "not stated".to_owned(), |j| format_si(j, "J"))
}

pub(super) fn optional(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(
        || "-".to_owned(),
        |v| {
            if v.abs() >= 1e5 {
                format!("{v:.2e}")
            } else {
                format!("{v:.digits$}")
            }
        },
    )
}

pub(super) fn established(value: Established) -> &'static str {
    match value {
        Established::Decided(true) => "yes",
        Established::Decided(false) => "NO",
        Established::Open(_) => "undecided",
    }
}

/// Header and rows of the main table, without columns that nobody fills.
pub(super) fn cells(run: &RunRecord) -> Vec<Vec<String>> {
    let names: BTreeSet<&String> = run.samplers.iter().flat_map(|s| s.metrics.keys()).collect();
    let mut header = vec!["sampler".to_owned()];
    header.extend(names.iter().map(|n| (*n).clone()));
    header.extend(["ESS min", "R-hat max", "bias", "device", "wall"].map(str::to_owned));
    let mut rows = vec![header];
    // Many dice are told by their distribution.
    for s in run.samplers.iter().filter(|s| alone(run, &s.name)) {
        let mut row = vec![s.name.clone()];
        row.extend(
            names
                .iter()
                .map(|n| s.metrics.get(*n).map_or_else(|| "-".to_owned(), with_error)),
        );
        row.push(optional(s.ess_min, 0));
        row.push(optional(s.rhat_max, 4));
        row.push(s.predicted_bias.map_or_else(
            || "-".to_owned(),
            |b| format!("{:.2} %", (1e4 * b).round() / 100.0 + 0.0),
        ));
        row.push(
            s.device_seconds
                .map_or_else(|| "-".to_owned(), |t| format_si(t, "s")),
        );
        row.push(format_si(s.wall_seconds, "s"));
        rows.push(row);
    }
    let told: Vec<bool> = (0..rows[0].len())
        .map(|c| rows.len() == 1 || rows[1..].iter().any(|row| row[c] != "-"))
        .collect();
    for row in &mut rows {
        let mut column = told.iter();
        row.retain(|_| column.next().copied().unwrap_or(true));
    }
    // Many metrics of few samplers read better downwards.
    if names.len() > MOST_COLUMNS && names.len() > run.samplers.len() {
        let columns = rows[0].len();
        rows = (0..columns)
            .map(|c| rows.iter().map(|row| row[c].clone()).collect())
            .collect();
    }
    rows
}

pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| {
        rows.iter()
            .filter_map(|r| r.get(c))
            .map(|t| t.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter()
        .map(|row| {
            let line: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(text, w)| format!("{text:<w$}"))
                .collect();
            line.join("  ").trim_end().to_owned() + "\n"
        })
        .collect()
}

/// Comparisons as rows.
pub(super) fn comparison_cells(run: &RunRecord) -> Vec<Vec<String>> {
    let mut rows = vec![
        [
            "comparison",
            "metric",
            "value",
            "predicted by bias",
            "p-value",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for c in run.comparisons.iter().filter(|c| alone(run, &c.a)) {
        let unit = if c.metric.ends_with("_error") {
            " s.e."
        } else {
            ""
        };
        let metric = Metric {
            value: c.value,
            se: c.se,
        };
        rows.push(vec![
            format!("{} - {}", c.a, c.b),
            c.metric.clone(),
            with_error(&metric) + unit,
            c.predicted_bias
                .map_or_else(|| "-".to_owned(), |b| format!("{b:.2}{unit}")),
            c.p_value
                .map_or_else(|| "-".to_owned(), |p| format!("{p:.1e}")),
        ]);
    }
    rows
}

/// A cost's energy by category.
fn energy_row(name: String, j: &Cost) -> Vec<String> {
    let all = [j.write, j.sample, j.read, j.host, j.standby];
    std::iter::once(name).chain(all.map(joules)).collect()
}

/// Energy by category, of the run and of an effective draw, and the device's time.
pub(super) fn energy_cells(run: &RunRecord) -> Vec<Vec<String>> {
    let mut rows = vec![
        ["energy", "write", "sample", "read", "host", "standby"]
            .map(str::to_owned)
            .to_vec(),
    ];
    let analog = run.samplers.iter().filter(|s| s.kind == "analog");
    for s in analog.filter(|s| alone(run, &s.name)) {
        let j = &s.energy_joules.joules;
        let all = [j.write, j.sample, j.read, j.host, j.standby];
        // A netlist has no card that could state anything.
        if all.iter().all(Option::is_none) && run.card.is_none() {
            continue;
        }
        rows.push(energy_row(s.name.clone(), j));
        if let Some(each) = &s.energy_joules.per_effective_sample {
            rows.push(energy_row("  per effective draw".to_owned(), each));
        }
        let t = &j.seconds;
        let time =
            |t: Option<f64>| t.map_or_else(|| "not stated".to_owned(), |t| format_si(t, "s"));
        let mut row = vec!["  device time".to_owned()];
        row.extend([t.write, t.sample, t.read, t.host].map(time));
        row.push("always".to_owned());
        rows.push(row);
    }
    rows
}

/// Couplings learned through the chip against those learned digitally, in one sentence.
pub(super) fn coupling_check(check: &CouplingCheck) -> String {
    format!(
        "couplings through {} and {}: rms difference {:.2} standard errors ({}), p = {:.3} ({} repeats of {} updates)",
        check.a,
        check.b,
        check.rms_z,
        check.by_chance(),
        check.p_value,
        check.repeats,
        check.updates
    )
}

/// What each imperfect die does worse than the ideal chip: every metric that both have, side by side.
pub(super) fn losses(run: &RunRecord) -> Vec<String> {
    let Some(ideal) = run.samplers.iter().find(|s| s.name == "analog-ideal") else {
        return Vec::new();
    };
    let dies = run.samplers.iter().filter(|s| s.kind == "analog");
    dies.filter(|s| s.name != ideal.name && alone(run, &s.name))
        .map(|die| {
            let mut facts = Vec::new();
            for (name, metric) in &die.metrics {
                let Some(other) = ideal.metrics.get(name).filter(|_| {
                    !["floor", "_law", "_exact"]
                        .iter()
                        .any(|kind| name.contains(kind))
                }) else {
                    continue;
                };
                let mut fact = format!(
                    "{name} {} instead of {}",
                    with_error(metric),
                    with_error(other)
                );
                let paired = run
                    .comparisons
                    .iter()
                    .find(|c| c.a == die.name && c.b == ideal.name && &c.metric == name);
                if let Some(c) = paired {
                    let metric = Metric {
                        value: c.value,
                        se: c.se,
                    };
                    fact += &format!(" (difference {}, paired)", with_error(&metric));
                }
                facts.push(fact);
            }
            format!("{}: {}", die.name, facts.join("; "))
        })
        .collect()
}

/// The run as text: samplers, energy by category with provenance, comparisons, verdicts, warnings.
pub fn table(run: &RunRecord) -> String {
    let mut text = String::new();
    if let Some(sweep) = &run.sweep {
        text += &aligned(&sweep_cells(sweep));
    } else if !run.samplers.is_empty() || run.program.is_empty() {
        text += &aligned(&cells(run));
    }
    if let Some(dice) = &run.dice {
        text += &format!("\n{}", aligned(&dice_cells(dice)));
        if let Some(all) = dice.accepted {
            text += &format!("{}\n", yield_words(dice.dice, &all));
        }
    }
    let energy = energy_cells(run);
    if energy.len() > 1 {
        text += &format!("\n{}", aligned(&energy));
        if let Some(s) = run.samplers.iter().find(|s| s.kind == "analog") {
            for (category, source) in s
                .energy_joules
                .provenance
                .iter()
                .filter(|p| p.1 != "not stated")
            {
                text +=
                    &format!("  {category}: {source}; joules of all chains, device time of each\n");
            }
        }
    }
    if !run.comparisons.is_empty() {
        text += &format!("\n{}", aligned(&comparison_cells(run)));
    }
    if let Some(accuracy) = &run.accuracy {
        text += &format!("\n{}", aligned(&floor_cells(accuracy)));
        for sentence in sentences(accuracy) {
            text += &format!("  {sentence}\n");
        }
    }
    let losses = losses(run);
    if !losses.is_empty() {
        text += &format!(
            "\nwhat the imperfect die loses\n  {}\n",
            losses.join("\n  ")
        );
    }
    if let Some(check) = run
        .training
        .as_ref()
        .and_then(|t| t.coupling_check.as_ref())
    {
        text += &format!("\n{}\n", coupling_check(check));
    }
    for v in run.verdicts.iter().filter(|v| alone(run, &v.claim)) {
        text += &format!(
            "\n[{}] {}: {}",
            established(v.established),
            v.claim,
            v.evidence
        );
        if let Some(more) = v.more_device_seconds_needed {
            text += &format!(" (about {} more device time)", format_si(more, "s"));
        }
    }
    if !run.verdicts.is_empty() {
        text.push('\n');
    }
    for warning in &run.warnings {
        text += &format!("warning: {warning}\n");
    }
    text
}
