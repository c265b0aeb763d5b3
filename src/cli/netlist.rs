//! `thermochip netlist`: a programmed chip, or a netlist read before, as a netlist for other simulators.

use super::args::Export;
use crate::circuit::Circuit;
use crate::circuit::spice::{NoiseStyle, write};
use crate::error::{Error, Result};
use crate::experiment::Any;
use crate::study::Prepared;
use crate::units::{Dimension, parse};
use std::path::Path;

/// The circuit, a title, and its time constant in seconds.
fn circuit(export: &Export) -> Result<(Circuit, String, f64)> {
    match Any::load(&export.file)? {
        Any::Circuit(experiment) => {
            let deck = experiment.deck(&[])?;
            let tau = deck.transient.map_or(1e-9, |t| t.stop / 100.0);
            Ok((deck.circuit, experiment.title.clone(), tau))
        }
        Any::Energy(experiment) => {
            let title = experiment.title.clone();
            let prepared = Prepared::new(*experiment)?;
            let (circuit, tau) = prepared
                .circuit(export.ideal)
                .map_err(|e| e.in_file(&export.file))?;
            Ok((circuit, title, tau))
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
    let (circuit, title, tau) = circuit(export)?;
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
    let text = write(&circuit, &title, noise, (step, stop));
    match &export.out {
        Some(path) => save(path, &text),
        None => {
            super::write_out(text);
            Ok(())
        }
    }
}
