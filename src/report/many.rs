//! Tables of many runs: the points of a sweep, the dice of a design.

use super::table::with_error;
use crate::record::{DiceRecord, Fraction, SweepRecord};
use std::collections::BTreeSet;

/// A row per cell: where it is, then each sampler's metrics, columns that nobody fills left out.
pub(super) fn sweep_cells(sweep: &SweepRecord) -> Vec<Vec<String>> {
    let shown = |metric: &String| sweep.shown.is_empty() || sweep.shown.contains(metric);
    let columns: BTreeSet<(&String, &String)> = sweep
        .cells
        .iter()
        .flat_map(|cell| &cell.metrics)
        .flat_map(|(sampler, metrics)| metrics.keys().map(move |metric| (sampler, metric)))
        .filter(|(_, metric)| shown(metric))
        .collect();
    let axes = sweep.axes.iter().filter(|a| !a.replicate);
    let mut header: Vec<String> = axes
        .map(|a| match &a.parameters[..] {
            [one] => one.clone(),
            _ => "setting".to_owned(),
        })
        .collect();
    header.push("runs".to_owned());
    header.extend(
        columns
            .iter()
            .map(|(sampler, metric)| format!("{sampler}: {metric}")),
    );
    let rows = sweep.cells.iter().map(|cell| {
        let mut row = cell.at.clone();
        row.push(cell.runs.len().to_string());
        row.extend(columns.iter().map(|(sampler, metric)| {
            let value = cell.metrics.get(*sampler).and_then(|m| m.get(*metric));
            value.map_or_else(|| "-".to_owned(), with_error)
        }));
        row
    });
    std::iter::once(header).chain(rows).collect()
}

/// A row per metric.
pub(super) fn dice_cells(dice: &DiceRecord) -> Vec<Vec<String>> {
    let header = ["over dice", "median", "mean", "sd", "5 %", "95 %", "yield"];
    let rows = dice.metrics.iter().map(|(name, s)| {
        vec![
            name.clone(),
            with_error(&s.median),
            with_error(&s.mean),
            format!("{:.3e}", s.deviation),
            format!("{:.4}", s.quantiles[0]),
            format!("{:.4}", s.quantiles[3]),
            s.accepted.as_ref().map_or_else(|| "-".to_owned(), percent),
        ]
    });
    std::iter::once(header.map(str::to_owned).to_vec())
        .chain(rows)
        .collect()
}

fn percent(f: &Fraction) -> String {
    let bound = match (f.least, f.most) {
        (Some(a), Some(b)) => format!(" in [{a}, {b}]"),
        (Some(a), None) => format!(" >= {a}"),
        (None, Some(b)) => format!(" <= {b}"),
        (None, None) => String::new(),
    };
    format!(
        "{:.0} % ({:.0} to {:.0} %){bound}",
        100.0 * f.value,
        100.0 * f.interval.0,
        100.0 * f.interval.1
    )
}

/// The yield in one sentence.
pub(super) fn yield_words(dice: usize, all: &Fraction) -> String {
    format!(
        "yield: {} of {dice} dice are within every bound (95 % interval in brackets)",
        percent(all)
    )
}
