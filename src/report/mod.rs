//! Figures and the HTML page, built from a run directory alone, and the table for a terminal; the same of a diagnosis.

mod accuracy;
mod animation;
mod diagnosis;
mod discrete;
mod figures;
mod landscapes;
mod many;
mod page;
mod reference_set;
mod restricted;
mod svg;
mod table;

pub use diagnosis::{diagnosis_figures, diagnosis_text};
pub use reference_set::{matrix_text, write_matrix};
pub use table::table;

use crate::error::Result;
use crate::record::RunDirectory;
use std::path::Path;

/// Writes `figures/*.svg` and `report.html` of a run directory.
///
/// # Errors
/// A directory that holds no run, or that cannot be written.
pub fn build(path: &Path) -> Result<()> {
    let directory = RunDirectory::open(path)?;
    let run = directory.read_run()?;
    let figures = figures::all(&directory, &run);
    for figure in &figures {
        directory.write(
            &format!("figures/{}.svg", figure.name),
            figure.svg.as_bytes(),
        )?;
    }
    directory.write("report.html", page::page(&run, &figures).as_bytes())
}
