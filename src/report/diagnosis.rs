//! A diagnosis as text for a terminal, and its figures.

use super::svg::{Mark, Plot};
use super::table::aligned;
use crate::diagnostics::{Diagnosis, Estimate, NodeDiagnosis, Standing};
use std::fmt::Write;

/// Nodes that the table lists: the first ones.
const LISTED: usize = 24;

fn number(value: f64) -> String {
    if value == 0.0 || (1e-3..1e5).contains(&value.abs()) {
        format!("{value:.4}")
    } else {
        format!("{value:.3e}")
    }
}

fn optional(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |v| format!("{v:.decimals$}"))
}

fn estimate(e: Estimate) -> String {
    match e.se {
        Some(se) => format!("{} ± {}", number(e.value), number(se)),
        None => number(e.value),
    }
}

fn row(n: &NodeDiagnosis) -> Vec<String> {
    let time = n.time.map(|t| {
        let bound = if t.valid { "" } else { ">" };
        format!("{bound}{} ± {}", number(t.tau), number(t.se))
    });
    vec![
        n.name.clone(),
        estimate(n.mean),
        estimate(n.sd),
        estimate(n.low),
        estimate(n.high),
        optional(n.ess_bulk, 0),
        optional(n.ess_tail, 0),
        optional(n.rhat, 4),
        time.unwrap_or_else(|| "-".to_owned()),
    ]
}

/// The nodes as a table, then every finding. With `timed`, the step is a time in the file's unit.
pub fn diagnosis_text(d: &Diagnosis, timed: bool) -> String {
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let mut text = format!(
        "{} of {}, {}",
        plural(d.chains, "chain"),
        plural(d.draws, "draw"),
        plural(d.nodes.len(), "node")
    );
    if timed {
        let _ = write!(text, ", a draw every {:e}", d.step);
    }
    text.push_str("\n\n");
    let head = [
        "node",
        "mean",
        "sd",
        "5 %",
        "95 %",
        "ESS bulk",
        "ESS tail",
        "R-hat",
        "tau (draws)",
    ];
    let mut cells = vec![head.map(str::to_owned).to_vec()];
    cells.extend(d.nodes.iter().take(LISTED).map(row));
    text += &aligned(&cells);
    if d.nodes.len() > LISTED {
        let _ = writeln!(text, "… {} more (--json has all)", d.nodes.len() - LISTED);
    }
    text.push('\n');
    for f in &d.findings {
        let standing = match f.standing {
            Standing::Holds => "holds",
            Standing::Fails => "FAILS",
            Standing::Open => "open",
        };
        let _ = write!(text, "[{standing}] {}: {}", f.claim, f.evidence);
        if let Some(times) = f.times_more_draws {
            let draws = times * (d.chains * d.draws) as f64;
            let _ = write!(
                text,
                " (about {times:.1} times as many draws, {draws:.0}, would settle it)"
            );
        }
        text.push('\n');
    }
    text
}

/// Figures (name, SVG) of a diagnosis: R-hat against effective draws, and spectra beside their Lorentzians.
pub fn diagnosis_figures(d: &Diagnosis) -> Vec<(String, String)> {
    let mut figures = Vec::new();
    let points: Vec<(f64, f64, f64, f64)> = d
        .nodes
        .iter()
        .filter_map(|n| Some((n.ess_bulk?.min(n.ess_tail?), n.rhat?, 0.0, 0.0)))
        .collect();
    if !points.is_empty() {
        let mut plot = Plot::new("Mixing of every node", "effective draws", "R-hat");
        plot.series.push((String::new(), Mark::Points(points)));
        figures.push(("mixing".to_owned(), plot.render()));
    }
    for motion in &d.motions {
        let (Some(spectrum), Some(fit)) = (&motion.spectrum, &motion.lorentzian) else {
            continue;
        };
        let name = &d.nodes[motion.node].name;
        let title = format!("Spectrum of {name}");
        let mut plot = Plot::new(&title, "log10 of frequency (1/time)", "one-sided density");
        plot.log_y = true;
        let relative = (2.0 / spectrum.freedom).sqrt();
        let x = || spectrum.frequency.iter().map(|f| f.log10());
        let measured = x()
            .zip(&spectrum.density)
            .map(|(f, d)| (f, *d, 0.0, relative * d));
        let fitted = x()
            .zip(&spectrum.frequency)
            .map(|(x, f)| (x, fit.density(*f, spectrum.step)));
        plot.series.push((
            "one relaxation time".to_owned(),
            Mark::Line(fitted.collect()),
        ));
        plot.series
            .push(("measured".to_owned(), Mark::Points(measured.collect())));
        figures.push((format!("spectrum-{}", motion.node), plot.render()));
    }
    figures
}
