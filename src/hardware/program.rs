//! Programming an energy onto a die: what was asked, what the die realises, and why the two differ.

use super::capacitive::CapacitiveChip;
use super::card::Kind;
use super::chip::Chip;
use super::die::{Die, Level};
use super::divergence::Divergence;
use super::flux::FluxChip;
use super::injected::InjectedChip;
use super::latch::LatchChip;
use super::ledger::{Ledger, Spent};
use super::pair_spins::pair_spins;
use super::readout::Readout;
use super::selected::SelectedChip;
use super::telegraph::TelegraphChip;
use super::topology::Topology;
use super::view::View;
use crate::circuit::ChargeLevel;
use crate::dynamics::Process;
use crate::energy::{FactorGraph, Model, Parameters, Parametric};
use crate::error::{Error, Result};

/// The range factor a: x = V/(a V_u). A larger a holds larger couplings and costs time a²τ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// This a.
    Fixed(f64),
    /// The smallest a ≥ 1 at which all couplings and fields are in range.
    Fit,
}

/// Requested against realised.
#[derive(Clone, Debug, Default)]
pub struct ProgramReport {
    /// Range factor a.
    pub scale: f64,
    /// V_u in volts (p-bits: volts of bias per unit of input).
    pub voltage_unit: f64,
    /// Rms of realised − requested coupling (both directions).
    pub coupling_rms_error: f64,
    /// Largest |realised − requested| coupling.
    pub coupling_max_error: f64,
    /// Rms of realised − requested field.
    pub field_rms_error: f64,
    /// DAC step in units of J.
    pub dac_step: Option<f64>,
    /// Values clipped to range.
    pub clipped: usize,
    /// Largest share of the elements' own noise in a node's noise power.
    pub excess_noise_share: Option<f64>,
    /// Why the realised process has no energy; empty when it has one.
    pub no_energy_because: Vec<String>,
    /// Non-idealities that were on.
    pub nonidealities: Vec<String>,
    /// Exact distances of the realised from the requested law, where they can be computed.
    pub divergence: Option<Divergence>,
}

/// Which realisation of a random process is recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Realisation {
    /// Time step, s.
    pub step: f64,
    /// Number of steps.
    pub points: usize,
    /// Seed.
    pub seed: u64,
}

/// What the DACs and the mismatch made of the parameters.
#[derive(Clone, Debug, Default)]
pub(super) struct Realised {
    /// Field of each node.
    pub fields: Vec<f64>,
    /// Per edge (i, j): coupling from j into i, and from i into j.
    pub couplings: Vec<(f64, f64)>,
    /// Values clipped.
    pub clipped: usize,
}

/// An energy programmed onto a die.
#[derive(Clone, Debug)]
pub struct Programmed {
    chip: Box<dyn Chip>,
    model: Model,
    die: Die,
    ledger: Ledger,
}

/// Programs `model` onto `die`.
///
/// # Errors
/// An energy that this kind of chip cannot hold, more nodes than it has, or a scale that is not positive.
pub fn program(die: &Die, model: &Model, scale: Scale) -> Result<Programmed> {
    if let Model::Factors(graph) = model {
        return program(die, &without_auxiliaries(graph)?, scale);
    }
    let most = die.card.get("limits.max_nodes").unwrap_or(f64::INFINITY);
    let most = die
        .card
        .topology
        .nodes()
        .map_or(most, |n| most.min(n as f64));
    if model.dim() as f64 > most {
        let expected = format!("at most {most} nodes on {}", die.card.name);
        return Err(Error::invalid(
            "energy",
            format!("{} nodes", model.dim()),
            expected,
        ));
    }
    if let Topology::File(path) = &die.card.topology {
        let value = format!("\"file {path}\"");
        let expected = "a topology whose file has been read";
        return Err(Error::invalid("limits.topology", value, expected));
    }
    let apart = |&(i, j): &(usize, usize)| !die.card.topology.joins(i, j);
    let pairs = match die.card.topology {
        Topology::AllToAll => Vec::new(),
        _ => edges(model),
    };
    if let Some((i, j)) = pairs.into_iter().find(apart) {
        let text = die.card.parameters.get("limits.topology");
        let expected = format!(
            "pairs that the topology of {} joins ({})",
            die.card.name,
            text.map_or("all-to-all", |p| p.value.as_str())
        );
        return Err(Error::invalid(
            "energy.couplings",
            format!("[{i}, {j}, …]"),
            expected,
        ));
    }
    if let Scale::Fixed(a) = scale
        && !(a > 0.0 && a.is_finite())
    {
        return Err(Error::invalid(
            "hardware.scale",
            a,
            "a positive number or \"fit\"",
        ));
    }
    let wrong = |expected: &str| {
        let kind = match model {
            Model::Ising(_) => "spins",
            Model::Mixture(_) => "mixtures",
            Model::FluxCells(_) => "flux cells",
            _ => "real variables",
        };
        Err(Error::invalid(
            "hardware.model",
            format!("\"{}\" for an energy of {kind}", die.card.name),
            expected,
        ))
    };
    let chip: Box<dyn Chip> = match (die.card.kind, model) {
        (Kind::InjectedNoise, Model::Quadratic(_) | Model::SoftSpin(_)) => {
            Box::new(InjectedChip::new(die, model, scale)?)
        }
        (Kind::Telegraph, Model::Ising(ising)) => match die.level {
            Level::Telegraph => Box::new(TelegraphChip::new(die, ising)?),
            Level::Langevin => Box::new(LatchChip::new(die, ising, ChargeLevel::Langevin)?),
            Level::Poisson => Box::new(LatchChip::new(die, ising, ChargeLevel::Poisson)?),
        },
        (Kind::Capacitive, Model::Quadratic(energy)) => Box::new(CapacitiveChip::new(die, energy)?),
        (Kind::SelectedModes, Model::Mixture(mixture)) => {
            Box::new(SelectedChip::new(die, mixture, scale)?)
        }
        (Kind::Flux, Model::FluxCells(cells)) => Box::new(FluxChip::new(die, cells)?),
        (_, Model::FluxCells(_)) => return wrong("a chip of flux cells, e.g. \"josephson_flux\""),
        (_, Model::Ising(_)) => return wrong("a p-bit chip, e.g. \"pbit_cmos_subthreshold\""),
        (_, Model::Mixture(_)) => return wrong("a chip of gated branches, e.g. \"pmog\""),
        (_, Model::Quadratic(_) | Model::SoftSpin(_)) => {
            return wrong("a chip of real variables, e.g. \"soft_spin_cmos\"");
        }
        (_, Model::Factors(_)) => return wrong("spins in pairs: see pair_spins"),
    };
    Ok(Programmed {
        chip,
        model: model.clone(),
        ledger: Ledger::new(&die.card),
        die: die.clone(),
    })
}

/// A factor graph as spins in pairs, if that takes no spins beside its own.
fn without_auxiliaries(graph: &FactorGraph) -> Result<Model> {
    let pairs = pair_spins(graph)?;
    let Some(first) = pairs.auxiliaries.first() else {
        return Ok(Model::Ising(pairs.ising));
    };
    let value = format!(
        "a product of spins {:?}, which costs an auxiliary spin ({} in all)",
        first.spins,
        pairs.auxiliaries.len()
    );
    let expected =
        "spins in pairs on a chip: program the energy that `hardware::pair_spins` makes of it";
    Err(Error::invalid("energy.factors", value, expected))
}

/// The coupled pairs of a model.
fn edges(model: &Model) -> Vec<(usize, usize)> {
    match (model.discrete(), model.continuous()) {
        (Some(spins), _) => spins.couplings().edges().to_vec(),
        (None, Some(energy)) => energy
            .pairwise()
            .map_or_else(Vec::new, |e| e.couplings.edges().to_vec()),
        (None, None) => Vec::new(),
    }
}

impl Programmed {
    /// The process that the die realises, in units of the energy's variable and of [`Self::seconds_per_time`].
    pub fn process(&self) -> &Process {
        self.chip.process()
    }

    /// The circuit that holds the energy; `None` for chips of two-state elements.
    pub fn circuit(&self) -> Option<&crate::circuit::Circuit> {
        self.chip.circuit()
    }

    /// The circuit with what it cannot hold replaced by a recording: two-state elements become sources of one realisation of
    /// their levels. A chip of continuous elements is its own circuit.
    ///
    /// # Errors
    /// p-bits without synapses; a step beyond the synapses' stability limit.
    pub fn recorded_circuit(&self, of: Realisation) -> Result<crate::circuit::Circuit> {
        self.chip.recorded(of)
    }

    /// Relative inflation of the stiffest mode's variance by an Euler–Maruyama step `h`; `None` where the energy's curvature
    /// decides.
    pub fn variance_inflation(&self, h: f64) -> Option<f64> {
        self.chip.variance_inflation(h)
    }

    /// The scheme that advances the process when nothing else is asked for: Euler–Maruyama, but for single charges.
    pub fn scheme(&self) -> &'static str {
        self.chip.scheme()
    }

    /// How the energy's variables are read off the state of the process.
    pub fn view(&self) -> View {
        self.chip.view()
    }

    /// The Euler–Maruyama step, in the process's time, whose bias of the stiffest mode's variance is `tolerance`; `None`
    /// where the energy's curvature decides.
    pub fn step(&self, tolerance: f64) -> Option<f64> {
        self.chip.step(tolerance)
    }

    /// The energy that was asked for.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The die.
    pub fn die(&self) -> &Die {
        &self.die
    }

    /// Seconds per unit of the process's time (injected noise: a²τ).
    pub fn seconds_per_time(&self) -> f64 {
        self.chip.seconds_per_time()
    }

    /// The card's τ, seconds.
    pub fn tau(&self) -> f64 {
        self.die.card.required("physics.tau")
    }

    /// Volts per unit of the energy's variable (p-bits: bias volts per unit of input).
    pub fn volts_per_x(&self) -> f64 {
        self.chip.volts_per_x()
    }

    /// The card's sample period, seconds.
    pub fn sample_period(&self) -> f64 {
        self.die.card.required("readout.sample_period")
    }

    /// The instrument that reads nodes.
    pub fn readout(&self) -> Readout {
        self.chip.readout(&self.die)
    }

    /// Costs.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Writes new fields and couplings on the same graph: values change, never structure.
    ///
    /// # Errors
    /// Wrong lengths or values that are not finite.
    pub fn reprogram(&mut self, parameters: &Parameters) -> Result<Spent> {
        self.model.set_parameters(parameters)?;
        self.chip.write(&self.die, parameters)?;
        Ok(self
            .ledger
            .write((parameters.fields.len() + parameters.couplings.len()) as u64))
    }

    fn realised(&self) -> &Realised {
        self.chip.realised()
    }

    /// Realised fields, and per edge the coupling in each direction.
    pub fn realised_parameters(&self) -> (&[f64], &[(f64, f64)]) {
        (&self.realised().fields, &self.realised().couplings)
    }

    /// Requested against realised.
    pub fn report(&self) -> ProgramReport {
        let asked = self.model.parameters();
        let realised = self.realised();
        let errors: Vec<f64> = asked
            .couplings
            .iter()
            .zip(&realised.couplings)
            .flat_map(|(j, (a, b))| [a - j, b - j])
            .collect();
        let rms = |values: &[f64]| {
            (values.iter().map(|v| v * v).sum::<f64>() / values.len().max(1) as f64).sqrt()
        };
        let fields: Vec<f64> = asked
            .fields
            .iter()
            .zip(&realised.fields)
            .map(|(h, r)| r - h)
            .collect();
        let scale = self.chip.scale();
        ProgramReport {
            scale,
            voltage_unit: self.volts_per_x() / scale,
            coupling_rms_error: rms(&errors),
            coupling_max_error: errors.iter().fold(0.0, |m, e| m.max(e.abs())),
            field_rms_error: rms(&fields),
            dac_step: self.chip.coupling_dac(&self.die).step(),
            clipped: realised.clipped,
            excess_noise_share: self.chip.excess_noise_share(),
            no_energy_because: self.no_energy_because(),
            nonidealities: self.die.nonidealities(),
            divergence: self.divergence(),
        }
    }

    /// Why the realised process is not Boltzmann sampling of any energy; empty when it is.
    fn no_energy_because(&self) -> Vec<String> {
        let one_way = self.realised().couplings.iter().any(|(a, b)| a != b);
        let couplers = (
            one_way,
            "the two directions of a coupler differ (J_ij != J_ji)",
        );
        let reasons = std::iter::once(couplers).chain(self.chip.no_energy_because(&self.die));
        let said = reasons.filter(|r| r.0);
        said.map(|r| r.1.to_owned()).collect()
    }

    /// The energy whose Boltzmann law (at temperature 1) the realised process samples, read off the process itself.
    ///
    /// `None` when there is none ([`ProgramReport::no_energy_because`] says why), when it has terms that [`Model`]
    /// cannot hold (an offset makes a quartic cell's energy cubic too), and for a single node whose noise or capacitance
    /// is off its nominal value.
    pub fn energy(&self) -> Option<Model> {
        if !self.no_energy_because().is_empty() {
            return None;
        }
        self.chip.energy(&self.die, &self.model)
    }
}
