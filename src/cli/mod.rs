//! The command line: a thin layer over [`crate::study`] and [`crate::report`]; the only place that prints.

pub mod args;
mod diagnose;
mod fit;
mod models;
mod netlist;
mod progress;
mod reference;
mod verify;

use crate::error::{Error, Result};
use crate::experiment::{Any, CircuitExperiment, DensityExperiment, Experiment, SweepExperiment};
use crate::record::{RunDirectory, RunRecord};
use crate::report;
use crate::study::{self, Prepared, Session};
use args::{Command, Common, Job, Stop};
use progress::Terminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    let cli = match args::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(Stop::Show(text)) => {
            write_out(text);
            return ExitCode::SUCCESS;
        }
        Err(Stop::Refuse(line)) => {
            eprintln!("{line}");
            return ExitCode::from(2);
        }
    };
    match execute(&cli.command, &cli.common) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {}", error.to_string().replace('\n', " "));
            match error {
                Error::Interrupted => ExitCode::from(130),
                Error::Diverged { .. } | Error::Contradicted { .. } => ExitCode::from(1),
                _ => ExitCode::from(2),
            }
        }
    }
}

/// Carries out a command; whether all that it checked holds.
fn execute(command: &Command, common: &Common) -> Result<bool> {
    if let Some(threads) = common.threads {
        // Fails only if a pool exists already, which then keeps its size; the bits are the same.
        let _ = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global();
    }
    match command {
        Command::Verify {
            names,
            seed,
            corner,
            temperature,
            set,
        } => {
            let conditions = verify::conditions(corner.clone(), temperature.as_deref())?;
            let cards = verify::cards(names, set)?;
            return verify::verify(&cards, &conditions, *seed, common.json, common.quiet);
        }
        Command::Reference(asked) => return reference::reference(asked, common),
        Command::Models { name } => models::show(name.as_deref(), common.json),
        Command::Run(job) => carry_out(job, common, |_| Ok(()), study::run),
        Command::Compare(job) => carry_out(job, common, Prepared::has_draws, study::compare),
        Command::Train(job) => match Any::load(&job.file)? {
            Any::Density(experiment) => carry_out_density(*experiment, job, common),
            _ => carry_out(job, common, |_| Ok(()), study::train),
        },
        Command::Fit(measured) => fit::show(measured, common.json),
        Command::Netlist(export) => netlist::export(export),
        Command::Diagnose(examination) => diagnose::examine(examination, common),
        Command::Report { dir } => {
            report::build(dir)?;
            if !common.quiet {
                write_out(format_args!("{}\n", dir.join("report.html").display()));
            }
            Ok(())
        }
    }?;
    Ok(true)
}

/// Writes to standard output. A reader that has gone away (`| head`) is no error: there is nobody left to tell.
fn write_out(text: impl std::fmt::Display) {
    use std::io::Write;
    let mut out = std::io::stdout();
    let _ = write!(out, "{text}").and_then(|()| out.flush());
}

/// `--out`, or the first of runs/NAME, runs/NAME-2, … that is free (with `--resume`: runs/NAME).
fn output(job: &Job) -> PathBuf {
    let first = job.out();
    let occupied =
        |path: &Path| std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    if job.out.is_some() || job.resume || !occupied(&first) {
        return first;
    }
    (2u32..)
        .map(|k| PathBuf::from(format!("{}-{k}", first.display())))
        .find(|path| !occupied(path))
        .unwrap_or(first)
}

/// Looks the file over with `check` and, when all is well with it, does the `work`.
fn carry_out(
    job: &Job,
    common: &Common,
    check: fn(&Prepared) -> Result<()>,
    work: fn(&Prepared, &RunDirectory, &Session) -> Result<RunRecord>,
) -> Result<()> {
    match Any::load(&job.file)? {
        Any::Energy(experiment) => carry_out_energy(*experiment, job, common, check, work),
        Any::Circuit(experiment) => carry_out_circuit(*experiment, job, common),
        Any::Sweep(sweep) => carry_out_sweep(*sweep, job, common, check, work),
        Any::Density(_) => Err(only_trained(&job.file)),
    }
}

/// Why a neural energy is not sampled by itself.
fn only_trained(file: &Path) -> Error {
    let expected = "another energy, or the command train: a neural energy is what it learns";
    Error::invalid("energy.kind", "\"neural\"", expected).in_file(file)
}

fn carry_out_density(mut experiment: DensityExperiment, job: &Job, common: &Common) -> Result<()> {
    if let Some(seed) = job.seed {
        experiment.seed = seed;
    }
    let directory = RunDirectory::create(&output(job), job.resume)?;
    let terminal = Arc::new(Terminal::new(common.quiet));
    let session = Session {
        watch: terminal.clone(),
        interrupted: progress::interrupt_flag(),
    };
    let record = study::run_density(&experiment, &directory, &session);
    study::Watch::end(&*terminal);
    let record = told(record, &directory)?;
    finish(&record, &directory, common)
}

fn carry_out_sweep(
    mut sweep: SweepExperiment,
    job: &Job,
    common: &Common,
    check: fn(&Prepared) -> Result<()>,
    work: study::Work,
) -> Result<()> {
    if let Some(seed) = job.seed {
        sweep.set_seed(seed);
    }
    study::check_sweep(&sweep, check)?;
    let directory = RunDirectory::create(&output(job), job.resume)?;
    let terminal = Arc::new(Terminal::new(common.quiet));
    let session = Session {
        watch: terminal.clone(),
        interrupted: progress::interrupt_flag(),
    };
    let record = study::run_sweep(&sweep, &directory, &session, work);
    study::Watch::end(&*terminal);
    let record = told(record, &directory)?;
    finish(&record, &directory, common)
}

fn carry_out_circuit(mut experiment: CircuitExperiment, job: &Job, common: &Common) -> Result<()> {
    if let Some(seed) = job.seed {
        experiment.seed = seed;
    }
    study::check_circuit(&experiment)?;
    let directory = RunDirectory::create(&output(job), job.resume)?;
    let terminal = Arc::new(Terminal::new(common.quiet));
    let session = Session {
        watch: terminal,
        interrupted: progress::interrupt_flag(),
    };
    let record = study::run_circuit(&experiment, &directory, &session);
    let record = told(record, &directory)?;
    finish(&record, &directory, common)
}

fn carry_out_energy(
    mut experiment: Experiment,
    job: &Job,
    common: &Common,
    check: fn(&Prepared) -> Result<()>,
    work: fn(&Prepared, &RunDirectory, &Session) -> Result<RunRecord>,
) -> Result<()> {
    if let Some(seed) = job.seed {
        experiment.seed = seed;
    }
    let prepared = Prepared::new(experiment)?;
    check(&prepared)?;
    let directory = RunDirectory::create(&output(job), job.resume)?;
    let terminal = Arc::new(Terminal::new(common.quiet));
    let session = Session {
        watch: terminal.clone(),
        interrupted: progress::interrupt_flag(),
    };
    let record = work(&prepared, &directory, &session);
    study::Watch::end(&*terminal);
    let record = told(record, &directory)?;
    finish(&record, &directory, common)
}

/// Says where an interrupted run is.
fn told(record: Result<RunRecord>, directory: &RunDirectory) -> Result<RunRecord> {
    record.inspect_err(|error| {
        if matches!(error, Error::Interrupted) {
            eprintln!(
                "interrupted: the run so far is in {}",
                directory.path().display()
            );
        }
    })
}

/// Builds the report and prints what was asked for.
fn finish(record: &RunRecord, directory: &RunDirectory, common: &Common) -> Result<()> {
    report::build(directory.path())?;
    if common.json {
        let text = serde_json::to_string(record).map_err(|e| Error::File {
            file: directory.path().join("run.json"),
            reason: e.to_string(),
        })?;
        write_out(format_args!("{text}\n"));
    } else if !common.quiet {
        write_out(format_args!("{}\n", report::table(record)));
        let page = directory.path().join("report.html");
        write_out(format_args!("{}\n", page.display()));
    }
    Ok(())
}
