//! The matrix of a reference set: as text, as one figure, as a page.

use super::page::STYLE;
use super::svg::escape;
use super::table::{aligned, optional};
use crate::error::Result;
use crate::record::{CellNumbers, CellStanding, Matrix, MatrixCell, RunDirectory};
use crate::units::format_si;
use maud::{DOCTYPE, PreEscaped, html};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What a standing is called, its colour in the figure, and its sign beside a number.
const STANDINGS: [(CellStanding, &str, &str, &str); 7] = [
    (CellStanding::Ok, "ok", "#cfe8dc", ""),
    (
        CellStanding::KnownBias,
        "biased by its step or schedule, as it says",
        "#fbe3b5",
        "b",
    ),
    (
        CellStanding::Biased,
        "BIASED although it claims to be exact",
        "#e88b84",
        "!",
    ),
    (
        CellStanding::NotMixed,
        "not mixed: nothing is said of its law",
        "#d9d9ee",
        "~",
    ),
    (CellStanding::Failed, "FAILED", "#b2182b", "!"),
    (CellStanding::NotApplicable, "not applicable", "#f4f4f4", ""),
    (CellStanding::NotRun, "not run", "#ffffff", ""),
];

fn of(standing: CellStanding) -> &'static (CellStanding, &'static str, &'static str, &'static str) {
    let found = STANDINGS.iter().find(|s| s.0 == standing);
    found.unwrap_or(&STANDINGS[0])
}

/// "12.3", or "inf".
fn z_words(cell: &MatrixCell) -> String {
    let sign = of(cell.standing).3;
    match (&cell.found, cell.standing) {
        (Some(found), _) if found.z.abs() >= 999.5 => format!("{:.0e}{sign}", found.z),
        (Some(found), _) => format!("{:.1}{sign}", found.z),
        (None, CellStanding::NotApplicable) => "-".to_owned(),
        (None, standing) => of(standing).1.to_owned(),
    }
}

/// A table of one number of every cell; samplers without any are left out.
fn grid(matrix: &Matrix, number: impl Fn(&CellNumbers) -> Option<String>) -> Vec<Vec<String>> {
    let width = matrix.samplers.len();
    let words = |cell: &MatrixCell| cell.found.as_ref().and_then(&number);
    let cells: Vec<Option<String>> = matrix.cells.iter().map(words).collect();
    laid_out(matrix, width, &cells)
}

fn laid_out(matrix: &Matrix, width: usize, cells: &[Option<String>]) -> Vec<Vec<String>> {
    let told: Vec<usize> = (0..width)
        .filter(|&c| cells.iter().skip(c).step_by(width).any(Option::is_some))
        .collect();
    let mut header = vec!["energy".to_owned()];
    header.extend(told.iter().map(|&c| matrix.samplers[c].clone()));
    let mut rows = vec![header];
    for (energy, row) in matrix.energies.iter().zip(cells.chunks(width.max(1))) {
        if told.iter().all(|&c| row[c].is_none()) {
            continue;
        }
        let words = |&c: &usize| row[c].clone().unwrap_or_else(|| "-".to_owned());
        rows.push(
            std::iter::once(energy.name.clone())
                .chain(told.iter().map(words))
                .collect(),
        );
    }
    rows
}

/// Titles and tables, in the order in which they are told.
fn tables(matrix: &Matrix) -> Vec<(&'static str, Vec<Vec<String>>)> {
    let z: Vec<Option<String>> = matrix.cells.iter().map(|c| Some(z_words(c))).collect();
    let width = matrix.samplers.len();
    vec![
        (
            "Largest error of the exact moments, in standard errors",
            laid_out(matrix, width, &z),
        ),
        (
            "That error itself",
            grid(matrix, |f| Some(format!("{:.1e}", f.error))),
        ),
        (
            "Exact total variation (what sampling alone gives)",
            grid(matrix, |f| {
                Some(format!("{:.4} ({:.4})", f.tv?, f.tv_floor?))
            }),
        ),
        (
            "Exact KL divergence, nats (what sampling alone gives)",
            grid(matrix, |f| {
                Some(format!("{:.1e} ({:.1e})", f.kl?, f.kl_floor?))
            }),
        ),
        (
            "Effective draws of the slowest node per second of wall time",
            grid(matrix, |f| Some(format!("{:.1e}", f.ess_per_second?))),
        ),
        (
            "Effective draws of the slowest node per second of device time, each chain a device",
            grid(matrix, |f| {
                Some(format!("{:.1e}", f.ess_per_device_second?))
            }),
        ),
    ]
}

/// One line per cell that is not simply right, and one per reason for which there are no numbers.
fn remarks(matrix: &Matrix) -> Vec<String> {
    let mut lines = Vec::new();
    for cell in &matrix.cells {
        let (Some(f), false) = (&cell.found, cell.standing == CellStanding::Ok) else {
            continue;
        };
        let mut line = format!("{} on {}: ", cell.sampler, cell.energy);
        let _ = match cell.standing {
            CellStanding::NotMixed => write!(line, "not mixed, R-hat {}", optional(f.rhat, 3)),
            standing => write!(
                line,
                "{}: {} off by {:.2e}, {:.1} s.e., p = {:.0e}",
                of(standing).1,
                f.moment,
                f.error,
                f.z,
                f.p_value
            ),
        };
        if let (Some(predicted), Some(p), true) = (
            f.predicted_error,
            f.corrected_p_value,
            cell.standing == CellStanding::KnownBias,
        ) {
            let _ = write!(
                line,
                "; its step predicts {predicted:.2e}, without which p = {p:.1e}"
            );
        }
        lines.push(line);
    }
    let mut reasons: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for cell in &matrix.cells {
        if let Some(reason) = &cell.reason {
            let word = of(cell.standing).1;
            if cell.standing == CellStanding::Failed {
                lines.push(format!(
                    "{} on {}: {word}: {reason}",
                    cell.sampler, cell.energy
                ));
            } else {
                let list = reasons.entry((&cell.sampler, reason)).or_default();
                list.push(&cell.energy);
            }
        }
    }
    for ((sampler, reason), energies) in reasons {
        let list = match energies.len() {
            0..=3 => energies.join(", "),
            n => format!("{n} energies ({}, …)", energies[..2].join(", ")),
        };
        lines.push(format!("{sampler} not on {list}: {reason}"));
    }
    lines
}

/// What the verdicts rest on, in two sentences.
fn rule(matrix: &Matrix) -> String {
    format!(
        "A cell is contradicted where its p-value, Bonferroni over its moments, is below {:.1e}: were every sampler right, this matrix \
         would show a contradiction with probability {:.0e} at most. Signs: b biased by its step or schedule, as it says; ! biased although \
         it claims to be exact; ~ not mixed, so that nothing is said of its law.",
        matrix.cell_alarm, matrix.false_alarm
    )
}

fn count(matrix: &Matrix) -> String {
    let mut counts = Vec::new();
    for (standing, words, ..) in STANDINGS {
        let n = matrix
            .cells
            .iter()
            .filter(|c| c.standing == standing)
            .count();
        if n > 0 {
            counts.push(format!("{n} {words}"));
        }
    }
    format!(
        "{} energies x {} samplers in {}: {}",
        matrix.energies.len(),
        matrix.samplers.len(),
        format_si(matrix.wall_seconds, "s"),
        counts.join("; ")
    )
}

/// The matrix as text.
pub fn matrix_text(matrix: &Matrix) -> String {
    let mut text = String::new();
    for (title, rows) in tables(matrix) {
        if rows.len() > 1 {
            let _ = write!(text, "{title}\n{}\n", aligned(&rows));
        }
    }
    for line in remarks(matrix) {
        let _ = writeln!(text, "{line}");
    }
    let _ = write!(text, "\n{}\n{}\n", rule(matrix), count(matrix));
    text
}

/// The matrix as one figure: a coloured cell each, with the largest |z| in it.
fn figure(matrix: &Matrix) -> String {
    let (cell, row, top) = (62.0, 24.0, 128.0);
    let longest = matrix.energies.iter().map(|e| e.name.chars().count()).max();
    let left = 16.0 + 7.0 * longest.unwrap_or(0) as f64;
    let used: Vec<_> = STANDINGS
        .iter()
        .filter(|s| matrix.cells.iter().any(|c| c.standing == s.0))
        .collect();
    let below = top + row * matrix.energies.len() as f64;
    let (w, h) = (
        left + cell * matrix.samplers.len() as f64 + 60.0,
        below + 24.0 + 18.0 * used.len() as f64,
    );
    // String formatting cannot fail.
    let mut s = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <rect width=\"{w}\" height=\"{h}\" fill=\"#fff\"/>\n<text x=\"8\" y=\"20\" font-weight=\"600\" font-size=\"13\">Largest error of the exact moments, in standard errors</text>"
    );
    for (k, name) in matrix.samplers.iter().enumerate() {
        let x = left + cell * (k as f64 + 0.5);
        let _ = write!(
            s,
            "<text transform=\"translate({x:.1} {:.1}) rotate(-35)\">{}</text>",
            top - 8.0,
            escape(name)
        );
    }
    for (r, energy) in matrix.energies.iter().enumerate() {
        let y = top + row * r as f64;
        let _ = write!(
            s,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 8.0,
            y + 16.0,
            escape(&energy.name)
        );
        for c in 0..matrix.samplers.len() {
            let one = &matrix.cells[r * matrix.samplers.len() + c];
            let x = left + cell * c as f64;
            let words = one.found.as_ref().map(|_| z_words(one));
            let _ = write!(
                s,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                x + 1.0,
                y + 1.0,
                cell - 2.0,
                row - 2.0,
                of(one.standing).2,
                x + 0.5 * cell,
                y + 16.0,
                words.unwrap_or_default()
            );
        }
    }
    for (k, (_, words, colour, sign)) in used.iter().enumerate() {
        let y = below + 16.0 + 18.0 * k as f64;
        let sign = if sign.is_empty() {
            String::new()
        } else {
            format!(" ({sign})")
        };
        let _ = write!(
            s,
            "<rect x=\"8\" y=\"{y:.1}\" width=\"22\" height=\"12\" fill=\"{colour}\" stroke=\"#aaa\"/><text x=\"38\" y=\"{:.1}\">{}{sign}</text>",
            y + 10.5,
            escape(words)
        );
    }
    s + "\n</svg>"
}

fn page(matrix: &Matrix, svg: &str) -> String {
    let title = "The reference set";
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) "figure.wide{max-width:none;overflow-x:auto}figure.wide svg{min-width:760px}" }
            }
            body {
                h1 { (title) }
                p { (matrix.software) ", command " code { "reference" } ", seed " (matrix.seed) ". " (count(matrix)) "." }
                p { (rule(matrix)) }
                figure.wide id="matrix" { (PreEscaped(svg)) }
                @for (title, rows) in tables(matrix) {
                    @if rows.len() > 1 {
                        h2 { (title) }
                        div.scroll { table {
                            @for (k, row) in rows.iter().enumerate() {
                                tr { @for cell in row { @if k == 0 { th { (cell) } } @else { td { (cell) } } } }
                            }
                        } }
                    }
                }
                h2 { "The energies" }
                ul { @for e in &matrix.energies { li { code { (e.name) } ": " (e.title) ", " (e.moments) " moments" } } }
                h2 { "Remarks" }
                ul { @for line in remarks(matrix) { li { (line) } } }
            }
        }
    }
    .into_string()
}

/// Writes `reference.json`, `figures/matrix.svg` and `report.html`.
///
/// # Errors
/// A directory that cannot be written.
pub fn write_matrix(matrix: &Matrix, json: &str, directory: &RunDirectory) -> Result<()> {
    let svg = figure(matrix);
    directory.write("reference.json", json.as_bytes())?;
    directory.write("figures/matrix.svg", svg.as_bytes())?;
    directory.write("report.html", page(matrix, &svg).as_bytes())
}
