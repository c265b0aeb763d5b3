//! Figures and the HTML page, built from a run directory alone.
use crate::error::Result;
use crate::record::RunRecord;
use std::path::Path;
pub fn build(_dir: &Path) -> Result<()> {
    Ok(())
}
pub fn table(r: &RunRecord) -> String {
    format!("{:#?}\n{:#?}\n{:#?}", r.samplers, r.comparisons, r.verdicts)
}
