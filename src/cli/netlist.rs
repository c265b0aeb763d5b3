//! `thermochip netlist`: a programmed chip, or a netlist read before, as a netlist for other simulators.

use super::args::Export;
use crate::circuit::Circuit;
use crate::circuit::spice::{NoiseStyle, write};
use crate::error::{Error, Result};
use crate::experiment::Any;
use crate::hardware::Realisation;
use crate::study::Prepared;
use crate::units::{Dimension, parse};
use std::path::Path;

/// What is to be written, and its time constant in seconds.
enum Subject {
    Circuit(Box<Circuit>, f64),
    Chip(Box<Prepared>),
}

impl Subject {
    fn load(file: &Path) -> Result<(Self, String)> {
        Ok(match Any::load(file)? {
            Any::Circuit(experiment) => {
                let deck = experiment.deck(&[])?;
                let tau = deck.transient.map_or(1e-9, |t| t.stop / 100.0);
                let circuit = Subject::Circuit(Box::new(deck.circuit), tau);
                (circuit, experiment.title.clone())
            }
            Any::Sweep(sweep) => {
                let first = sweep.at(&vec![0; sweep.axes.len()])?;
                let title = format!("{} (the sweep's first point)", first.title);
                (Subject::Chip(Box::new(Prepared::new(first)?)), title)
            }
            Any::Density(_) => return Err(super::only_trained(file)),
            Any::Energy(experiment) => {
                let title = experiment.title.clone();
                (Subject::Chip(Box::new(Prepared::new(*experiment)?)), title)
            }
        })
    }

    fn tau(&self) -> f64 {
        match self {
            Subject::Circuit(_, tau) => *tau,
            Subject::Chip(prepared) => prepared.tau(),
        }
    }
}

fn seconds(text: Option<&String>, name: &str, default: f64) -> Result<f64> {
    let Some(text) = text else { return Ok(default) };
    let value = parse(text, Dimension::Time).map_err(|e| e.at(name))?;
    if value > 0.0 {
        Ok(value)
    } else {
        Err(Error::invalid(
            name,
            format!("\"{text}\""),
            "a positive time",
        ))
    }
}

fn save(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })
}

/// Carries out the command.
pub(super) fn export(export: &Export) -> Result<()> {
    let (subject, title) = Subject::load(&export.file)?;
    let tau = subject.tau();
    let step = seconds(export.step.as_ref(), "--step", tau / 100.0)?;
    let stop = seconds(export.stop.as_ref(), "--stop", 100.0 * tau)?;
    let points = (stop / step).ceil() + 1.0;
    let noise = match export.noise.as_str() {
        "off" => NoiseStyle::Off,
        "pwl" if points > 1e6 => {
            let expected = "at most a million points: a longer --step or a shorter --stop";
            return Err(Error::invalid(
                "--step",
                format!("{points} points"),
                expected,
            ));
        }
        "pwl" => NoiseStyle::Recorded {
            step,
            points: points as usize,
            seed: export.seed,
        },
        _ => NoiseStyle::Transient { step },
    };
    let recorded = match noise {
        NoiseStyle::Recorded { step, points, seed } => Some(Realisation { step, points, seed }),
        _ => None,
    };
    let circuit = match subject {
        Subject::Circuit(circuit, _) => *circuit,
        Subject::Chip(prepared) => prepared
            .circuit(export.ideal, recorded)
            .map_err(|e| e.in_file(&export.file))?,
    };
    let text = write(&circuit, &title, noise, (step, stop));
    match &export.out {
        Some(path) => save(path, &text),
        None => {
            super::write_out(text);
            Ok(())
        }
    }
}
