//! `thermochip fit`: a card's parameters from measured traces.

use super::args::Measured;
use super::write_out;
use crate::error::{Error, Result};
use crate::study::{self, Traces};
use crate::units::format_si;

/// Fits and prints: a table, or JSON.
pub(super) fn show(measured: &Measured, json: bool) -> Result<()> {
    let card = study::card_of(&measured.card)?;
    let report = study::fit(&card, &Traces::read(&measured.traces)?)
        .map_err(|e| e.in_file(&measured.traces))?;
    if json {
        let text = serde_json::to_string(&report).map_err(|e| Error::File {
            file: measured.traces.clone(),
            reason: e.to_string(),
        })?;
        write_out(format_args!("{text}\n"));
        return Ok(());
    }
    let silent = report.nodes.iter().filter(|n| n.is_none()).count();
    write_out(format_args!(
        "{:40}{:>12}{:>14}  {:>12}{:>10}\n",
        "parameter", "card", "fitted", "+/-", "chi2/dof"
    ));
    let said = |value: f64, unit: &str| {
        if unit.is_empty() {
            format!("{value:.4}")
        } else {
            format_si(value, unit)
        }
    };
    for row in &report.rows {
        write_out(format_args!(
            "{:40}{:>12}{:>14}  {:>12}{:>10}\n",
            row.parameter,
            row.card
                .map_or_else(|| "-".to_owned(), |v| said(v, &row.unit)),
            said(row.value, &row.unit),
            said(row.se, &row.unit),
            row.chi2
                .map_or_else(|| "-".to_owned(), |c| format!("{c:.2}")),
        ));
    }
    write_out(format_args!(
        "chi2/dof: of all nodes being alike ({} of {} nodes)\n",
        report.nodes.len() - silent,
        report.nodes.len()
    ));
    Ok(())
}
