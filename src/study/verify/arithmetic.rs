//! What follows from a card without sampling: topology, wires, clock, the modes and wells of its cells.

use super::cells::flux_cell;
use super::{Bench, Measurement};
use crate::dynamics::linear;
use crate::energy::{Couplings, Ising, Model, Quadratic};
use crate::error::Result;
use crate::hardware::datasheet::Expectation;
use crate::hardware::{Kind, Scale, Topology, program};
use nalgebra::{Complex, DMatrix, DVector};

pub(super) fn measure(bench: &Bench<'_>, quantity: &str, e: &Expectation) -> Result<Measurement> {
    let card = bench.card;
    let at = |key: &str, default: f64| e.at.get(key).copied().unwrap_or(default);
    let lattice = match &card.topology {
        Topology::Lattice(lattice) => Some(lattice),
        _ => None,
    };
    let wires = || {
        let per_pitch = card.get("physics.wire_capacitance")?;
        Some(per_pitch * lattice?.wire_length())
    };
    let period = card.get("readout.sample_period");
    let found = match quantity {
        "node_count" => card.topology.nodes().map(|n| n as f64),
        "edge_count" => lattice.map(|l| l.edges().len() as f64),
        "wire_capacitance" => wires(),
        "wire_energy" => {
            let stated = e.at.get("swing").copied();
            let swing = stated.or_else(|| card.get("physics.signal_swing"));
            wires().zip(swing).map(|(c, v)| 0.5 * c * v * v)
        }
        "sample_rate" => period.map(f64::recip),
        "resonance" => Some(slowest_mode(bench)?.im.abs() / std::f64::consts::TAU / bench.tau()),
        "quality_factor" => {
            let mode = slowest_mode(bench)?;
            Some(mode.norm() / (2.0 * mode.re))
        }
        "sweep_time" => sweep_time(bench, at("nodes", 8.0) as usize)?,
        "barrier" => {
            let kelvins = card.get("physics.temperature").unwrap_or(0.0);
            Some(flux_cell(bench, 0.5)?.barrier() * kelvins)
        }
        "well" => Some(flux_cell(bench, 0.5)?.well()),
        _ => None,
    };
    found
        .map(Measurement::exact)
        .ok_or_else(|| bench.foreign(quantity))
}

/// One round of the clock of a ring of `n` spins (a row where the topology has no such ring).
fn sweep_time(bench: &Bench<'_>, n: usize) -> Result<Option<f64>> {
    let ring = (0..n).map(|i| (i.min((i + 1) % n), i.max((i + 1) % n), 0.4));
    let joined = ring.filter(|&(i, j, _)| i != j && bench.joins(i, j));
    let graph = Couplings::new(n, joined.collect())?;
    let spins = Model::Ising(Ising::new(vec![0.0; n], graph)?);
    Ok(program(&bench.ideal()?, &spins, Scale::Fixed(1.0))?.clock_round())
}

/// The least damped mode of one cell of the board, per τ.
fn slowest_mode(bench: &Bench<'_>) -> Result<Complex<f64>> {
    let one = Quadratic::new(DMatrix::identity(1, 1), DVector::zeros(1))?;
    let programmed = program(&bench.ideal()?, &Model::Quadratic(one), Scale::Fixed(1.0))?;
    let drift = linear::drift_matrix(programmed.process());
    let modes = drift.filter(|_| bench.card.kind == Kind::Capacitive);
    let modes = modes.map(|a| a.complex_eigenvalues());
    let slowest = modes
        .as_ref()
        .and_then(|m| m.iter().min_by(|a, b| a.re.total_cmp(&b.re)));
    slowest.copied().ok_or_else(|| bench.foreign("resonance"))
}
