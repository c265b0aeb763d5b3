//! `thermochip diagnose`: draws from a file, judged.

use super::args::{Common, Examination};
use super::write_out;
use crate::data::{Traces, read_centres};
use crate::diagnostics::{Diagnosis, Draws, Question, Standing, diagnose};
use crate::error::{Error, Result};
use crate::record::RunDirectory;
use crate::report::{diagnosis_figures, diagnosis_text};
use std::path::Path;

fn draws(traces: &Traces) -> Draws<'_> {
    Draws {
        x: &traces.x,
        chains: traces.chains,
        draws: traces.draws,
        nodes: traces.nodes,
    }
}

pub(super) fn examine(asked: &Examination, common: &Common) -> Result<()> {
    let traces = Traces::read(&asked.file)?;
    let reference = asked.reference.as_deref().map(Traces::read_reference);
    let reference = reference.transpose()?;
    let centres = asked
        .centres
        .as_deref()
        .map(|path| read_centres(path, traces.nodes));
    let centres = centres.transpose()?;
    let mut question = Question::of(draws(&traces));
    question.names.clone_from(&traces.names);
    question.step = traces.step.unwrap_or(1.0);
    question.score = traces.score.as_deref();
    question.reference = reference.as_ref().filter(|r| !r.x.is_empty()).map(draws);
    question.law = reference.as_ref().and_then(|r| r.probabilities.as_deref());
    question.centres = centres.as_deref();
    question.levels = asked.levels;
    question.superchains = asked.superchains;
    question.seed = asked.seed;
    let diagnosis = diagnose(&question).map_err(|error| place(error, asked))?;
    // The place is made only once there is something to put into it.
    if let Some(out) = &asked.out {
        save(&diagnosis, out)?;
    }
    if common.json {
        write_out(format_args!("{}\n", json(&diagnosis, &asked.file)?));
    } else if !common.quiet {
        write_out(diagnosis_text(&diagnosis, traces.step.is_some()));
    }
    let failed: Vec<&str> = diagnosis
        .findings
        .iter()
        .filter(|f| f.soundness && f.standing == Standing::Fails)
        .map(|f| f.claim.as_str())
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        let file = asked.file.display();
        Err(Error::Contradicted {
            claims: format!("{file} contradicts: {}", failed.join("; ")),
        })
    }
}

/// Names the file that a refused value came from.
fn place(error: Error, asked: &Examination) -> Error {
    let Error::Invalid { field, .. } = &error else {
        return error;
    };
    let file = match field.split([' ', '[']).next() {
        Some("reference" | "law") => asked.reference.as_deref(),
        Some("levels" | "superchains") => None,
        Some("centres") => asked.centres.as_deref(),
        _ => Some(asked.file.as_path()),
    };
    match file {
        Some(file) => error.in_file(file),
        None => error,
    }
}

fn json(diagnosis: &Diagnosis, file: &Path) -> Result<String> {
    serde_json::to_string_pretty(diagnosis).map_err(|e| Error::File {
        file: file.to_path_buf(),
        reason: e.to_string(),
    })
}

fn save(diagnosis: &Diagnosis, out: &Path) -> Result<()> {
    let directory = RunDirectory::create(out, false)?;
    directory.write("diagnosis.json", json(diagnosis, out)?.as_bytes())?;
    for (name, svg) in diagnosis_figures(diagnosis) {
        directory.write(&format!("figures/{name}.svg"), svg.as_bytes())?;
    }
    Ok(())
}
