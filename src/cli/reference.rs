//! `thermochip reference`: every sampler on every energy of a reference set.

use super::args::{Common, ReferenceSet};
use super::{progress, write_out};
use crate::error::{Error, Result};
use crate::experiment::{energies_of, shipped_energies};
use crate::record::RunDirectory;
use crate::report::{matrix_text, write_matrix};
use crate::study::{self, MatrixPlan, Session};
use crate::units::{Dimension, parse};
use std::sync::Arc;
use std::time::Duration;

/// Runs the matrix; whether no sampler that claims to be exact is contradicted.
pub(super) fn reference(asked: &ReferenceSet, common: &Common) -> Result<bool> {
    let energies = match asked.paths.is_empty() {
        true => shipped_energies()?,
        false => energies_of(&asked.paths)?,
    };
    let limit = match &asked.time_limit {
        None => None,
        Some(text) => {
            let seconds = parse(text, Dimension::Time).map_err(|e| e.at("--time-limit"))?;
            let refused = || Error::invalid("--time-limit", text, "a positive time, e.g. \"30 s\"");
            let limit = Duration::try_from_secs_f64(seconds).map_err(|_| refused())?;
            Some(limit)
                .filter(|l| !l.is_zero())
                .ok_or_else(refused)?
                .into()
        }
    };
    let plan = MatrixPlan {
        samplers: asked.samplers.clone(),
        seed: asked.seed,
        limit,
    };
    let terminal = Arc::new(progress::Terminal::new(common.quiet));
    let session = Session {
        watch: terminal.clone(),
        interrupted: progress::interrupt_flag(),
    };
    let matrix = study::reference_matrix(&energies, &plan, &session);
    study::Watch::end(&*terminal);
    let matrix = matrix?;
    let json = serde_json::to_string(&matrix).map_err(|e| Error::File {
        file: "reference.json".into(),
        reason: e.to_string(),
    })?;
    // The place is made only once there is something to put into it.
    if let Some(out) = &asked.out {
        write_matrix(&matrix, &json, &RunDirectory::create(out, false)?)?;
    }
    if common.json {
        write_out(format_args!("{json}\n"));
    } else if !common.quiet {
        write_out(matrix_text(&matrix));
        if let Some(out) = &asked.out {
            write_out(format_args!("{}\n", out.join("report.html").display()));
        }
    }
    Ok(matrix.contradictions().is_empty())
}
