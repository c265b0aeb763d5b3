//! Programming an energy onto a die: what was asked, what the die realises, and why the two differ.

use super::auxiliaries::AuxiliaryChip;
use super::bag;
use super::capacitive::CapacitiveChip;
use super::card::Kind;
use super::chip::Chip;
use super::die::{Die, Level};
use super::divergence::Divergence;
use super::flux::FluxChip;
use super::gated::GatedChip;
use super::hosted::{self, Hosted, HostedChip};
use super::injected::InjectedChip;
use super::latch::LatchChip;
use super::ledger::{Ledger, Spent};
use super::pair_spins::pair_spins;
use super::placed::PlacedChip;
use super::placement::{Embedding, Layout, MOST_PLACED, PlacementReport};
use super::readout::Readout;
use super::selected::SelectedChip;
use super::telegraph::TelegraphChip;
use super::topology::Topology;
use super::view::View;
use crate::circuit::ChargeLevel;
use crate::dynamics::{Clocking, MOST_SPINS, Process, SpinChain};
use crate::energy::{
    Couplings, FactorGraph, Ising, Model, Parameters, Parametric, SoftSpin, exact,
};
use crate::error::{Error, Result};

/// The range factor a: x = V/(a V_u). A larger a holds larger couplings and costs time a²τ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// This a.
    Fixed(f64),
    /// The smallest a ≥ 1 at which all couplings and fields are in range.
    Fit,
}

/// Where variables go on an array that does not join all that an energy couples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Placement {
    /// One site each, variable i at site i; what that cannot hold is refused.
    #[default]
    Native,
    /// Where one site each will not do, spins on chains of copies, coupled within a chain by so much or, when it is not said, by
    /// what the bound on broken chains asks for.
    Copies {
        /// Coupling between the copies of a variable.
        chain_coupling: Option<f64>,
    },
}

/// Requested against realised.
#[derive(Clone, Debug, Default)]
pub struct ProgramReport {
    /// How variables are copied, where they are.
    pub placement: Option<PlacementReport>,
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
    /// Entropy production of up to [`MOST_SPINS`] spins that see each other at once in continuous time, k_B per τ: 0 in
    /// detailed balance.
    pub entropy_production: Option<f64>,
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
    program_directed(die, model, scale, &[])
}

/// [`program`], with couplings that act one way on purpose: (into, from, J) adds J s_from to the input of `into` alone.
///
/// # Errors
/// As [`program`]; a chip that is no array of p-bits, a node that does not exist or acts on itself, a direction given twice.
pub fn program_directed(
    die: &Die,
    model: &Model,
    scale: Scale,
    directed: &[(usize, usize, f64)],
) -> Result<Programmed> {
    program_placed(die, model, scale, directed, Placement::Native)
}

/// [`program_directed`], with variables placed as `placement` says.
///
/// # Errors
/// As [`program_directed`]; energies that no chains of copies were found for, or that are no spins in pairs.
pub fn program_placed(
    die: &Die,
    model: &Model,
    scale: Scale,
    directed: &[(usize, usize, f64)],
    placement: Placement,
) -> Result<Programmed> {
    if let (Kind::Bag, Model::Factors(graph)) = (die.card.kind, model)
        && hosted::needs_host(graph)
    {
        if !directed.is_empty() {
            let expected = "no directed couplings: the host takes factors";
            return Err(Error::invalid(
                "hardware.directed",
                directed.len(),
                expected,
            ));
        }
        return Ok(Programmed {
            chip: Box::new(HostedChip::new(die, graph)?),
            model: model.clone(),
            ledger: Ledger::new(&die.card),
            die: die.clone(),
        });
    }
    if die.card.kind == Kind::Bag {
        let element = bag::element(die, model)?;
        let mut programmed = program_placed(&element, model, scale, directed, placement)?;
        programmed.ledger = Ledger::new(&die.card);
        return Ok(programmed);
    }
    if let (Model::Factors(graph), true) = (model, die.card.kind != Kind::GatedStates) {
        return program_placed(
            die,
            &without_auxiliaries(graph)?,
            scale,
            directed,
            placement,
        );
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
    check_directed(die, model, directed)?;
    if let Topology::File(path) = &die.card.topology {
        let value = format!("\"file {path}\"");
        let expected = "a topology whose file has been read";
        return Err(Error::invalid("limits.topology", value, expected));
    }
    let one_way = directed.iter().map(|&(into, from, _)| (into, from));
    let two_way = match die.card.topology {
        Topology::AllToAll => Vec::new(),
        _ => edges(model),
    };
    let mut pairs = two_way.into_iter().chain(one_way);
    if let Some((i, j)) = pairs.find(|&(i, j)| !die.card.topology.joins(i, j)) {
        if let (Placement::Copies { chain_coupling }, Model::Ising(ising)) = (placement, model) {
            return on_copies(die, ising, directed, chain_coupling);
        }
        let text = die.card.parameters.get("limits.topology");
        let expected = format!(
            "pairs that the topology of {} joins ({}){}",
            die.card.name,
            text.map_or("all-to-all", |p| p.value.as_str()),
            copies_would_cost(die, model, directed)
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
    let written = die.corrected(model)?;
    let chip: Box<dyn Chip> = match (die.card.kind, &written) {
        (Kind::InjectedNoise, Model::Quadratic(_) | Model::SoftSpin(_)) => {
            Box::new(InjectedChip::new(die, &written, scale)?)
        }
        (Kind::Telegraph, Model::Ising(ising)) => match die.level {
            Level::Telegraph => Box::new(TelegraphChip::new(die, ising, directed)?),
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
        (Kind::GatedStates, Model::Factors(graph)) => Box::new(GatedChip::new(die, graph)?),
        (_, Model::Factors(_)) => return wrong("spins in pairs: see pair_spins"),
    };
    Ok(Programmed {
        chip,
        model: model.clone(),
        ledger: Ledger::new(&die.card),
        die: die.clone(),
    })
}

/// Most variables for which a refusal looks for chains of copies.
const MOST_SUGGESTED: usize = 12;

/// What chains of copies would cost an energy that does not fit, as the end of a refusal.
fn copies_would_cost(die: &Die, model: &Model, directed: &[(usize, usize, f64)]) -> String {
    let Model::Ising(ising) = model else {
        return String::new();
    };
    if ising.fields.len() > MOST_SUGGESTED || !directed.is_empty() || die.calibration.is_some() {
        return String::new();
    }
    let (n, edges) = (ising.fields.len(), ising.couplings.edges());
    let Some(embedding) = Embedding::find(n, edges, &die.card.topology) else {
        return String::new();
    };
    let report = embedding.report(ising, 0.0, (None, None));
    format!(
        "; hardware.placement = \"copies\" would take {} sites for {n} spins, up to {} copies of one, coupled by {:.2}",
        report.sites, report.longest_chain, report.needed_coupling
    )
}

/// Spins on chains of copies.
fn on_copies(
    die: &Die,
    ising: &Ising,
    directed: &[(usize, usize, f64)],
    chain_coupling: Option<f64>,
) -> Result<Programmed> {
    let refused =
        |value: String, expected: &str| Err(Error::invalid("hardware.placement", value, expected));
    let copies = "\"copies\"".to_owned();
    if die.card.kind != Kind::Telegraph {
        return refused(copies, "\"native\", or an array of p-bits");
    }
    if !directed.is_empty() {
        return refused(copies, "\"native\" beside directed couplings");
    }
    if die.calibration.is_some() {
        return refused(
            copies,
            "\"native\" beside calibrate: sites are calibrated for one spin each",
        );
    }
    let (n, edges) = (ising.fields.len(), ising.couplings.edges());
    if n > MOST_PLACED {
        let expected = format!("at most {MOST_PLACED} spins to place on copies");
        return refused(format!("{n} spins"), &expected);
    }
    let Some(embedding) = Embedding::find(n, edges, &die.card.topology) else {
        let value = format!("{n} spins with {} couplings", edges.len());
        return refused(
            value,
            "a graph that chains of copies were found for on this array",
        );
    };
    let reach = |key: &str| die.card.get(key);
    let range = (reach("limits.coupling_max"), reach("limits.field_max"));
    let most = range.0.unwrap_or(f64::INFINITY);
    let strength =
        chain_coupling.unwrap_or_else(|| embedding.needed_coupling(ising, 1.0).min(most));
    let layout = Layout::new(&embedding, edges, &die.card.topology, strength)?;
    let asked = Parameters {
        fields: ising.fields.clone(),
        couplings: ising.couplings.values().to_vec(),
    };
    let written = layout.parameters(&asked);
    let joins = layout.joins.iter().zip(&written.couplings);
    let list = joins
        .map(|(join, &value)| (join.0.0, join.0.1, value))
        .collect();
    let graph = Couplings::new(layout.sites(), list)?;
    let physical = Ising::new(written.fields, graph)?;
    let chip: Box<dyn Chip> = match die.level {
        Level::Telegraph => Box::new(TelegraphChip::new(die, &physical, &[])?),
        Level::Langevin => Box::new(LatchChip::new(die, &physical, ChargeLevel::Langevin)?),
        Level::Poisson => Box::new(LatchChip::new(die, &physical, ChargeLevel::Poisson)?),
    };
    let report = PlacementReport {
        joins: layout.joins.len(),
        ..embedding.report(ising, strength, range)
    };
    Ok(Programmed {
        chip: Box::new(PlacedChip::new(chip, physical, layout, report)),
        model: Model::Ising(ising.clone()),
        ledger: Ledger::new(&die.card),
        die: die.clone(),
    })
}

/// Programs products of up to four spins onto a p-bit chip, with an auxiliary spin for each of three or four.
///
/// # Errors
/// As [`program_placed`]; categories, products of five or more.
pub fn program_with_auxiliaries(
    die: &Die,
    graph: &FactorGraph,
    placement: Placement,
) -> Result<Programmed> {
    let held = pair_spins(graph)?;
    let pairs = Model::Ising(held.ising.clone());
    let pairs = program_placed(die, &pairs, Scale::Fixed(1.0), &[], placement)?;
    if held.auxiliaries.is_empty() {
        return Ok(pairs);
    }
    let (ledger, die) = (pairs.ledger.clone(), pairs.die.clone());
    Ok(Programmed {
        chip: Box::new(AuxiliaryChip::new(pairs, held, graph.clone())),
        model: Model::Factors(graph.clone()),
        ledger,
        die,
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
    let expected = "spins in pairs, or hardware.auxiliaries = true";
    Err(Error::invalid("energy.factors", value, expected))
}

fn check_directed(die: &Die, model: &Model, directed: &[(usize, usize, f64)]) -> Result<()> {
    let telegraph = die.card.kind == Kind::Telegraph && die.level == Level::Telegraph;
    if !directed.is_empty() && !telegraph {
        let value = format!("{} couplings on {}", directed.len(), die.card.name);
        let expected = "directed couplings on an array of p-bits only";
        return Err(Error::invalid("hardware.directed", value, expected));
    }
    let n = model.dim();
    let mut seen = std::collections::BTreeSet::new();
    for (k, &(into, from, value)) in directed.iter().enumerate() {
        let expected = if into >= n || from >= n {
            format!("node indices below {n}")
        } else if into == from {
            "two different nodes".to_owned()
        } else if !value.is_finite() {
            "a finite coupling".to_owned()
        } else if !seen.insert((into, from)) {
            "each direction once".to_owned()
        } else {
            continue;
        };
        let field = format!("hardware.directed[{k}]");
        return Err(Error::invalid(
            field,
            format!("[{into}, {from}, {value}]"),
            expected,
        ));
    }
    Ok(())
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

    /// Refuses to be run where the die leaves the process without a stationary law.
    ///
    /// # Errors
    /// Such a process.
    pub fn check_stable(&self) -> Result<()> {
        self.chip.check_stable()
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

    /// Elements that hold the energy: p-bits, copies among them, or one per variable.
    pub fn elements(&self) -> usize {
        self.chip.elements().unwrap_or_else(|| self.model.dim())
    }

    /// How variables are copied over the array, where they are.
    pub fn placement(&self) -> Option<PlacementReport> {
        self.chip.placement()
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

    /// Whether couplings act one way on purpose.
    pub fn is_directed(&self) -> bool {
        self.chip.is_directed()
    }

    /// Seconds of one round of the array's clock (a phase for each class), when it has one.
    pub fn clock_round(&self) -> Option<f64> {
        match &self.process().levels.as_ref()?.clocking {
            Clocking::Free => None,
            Clocking::Phases { phase, classes } => {
                Some(phase * classes.len() as f64 * self.seconds_per_time())
            }
        }
    }

    /// Refuses to read a clocked array between rounds.
    ///
    /// # Errors
    /// A `period` (s), stated by `field`, that is no whole number of rounds.
    pub fn check_read_period(&self, field: &str, period: f64) -> Result<()> {
        let Some(round) = self.clock_round() else {
            return self.check_frames(field, period);
        };
        let rounds = period / round;
        if rounds > 0.5 && (rounds - rounds.round()).abs() < 1e-6 * rounds {
            return Ok(());
        }
        let value = crate::units::format_si(period, "s");
        let round = crate::units::format_si(round, "s");
        let expected = format!("a whole number of the clock's rounds, {round} each");
        Err(Error::invalid(field, value, expected))
    }

    /// An array that runs on while it is read gives no frames closer than they take.
    fn check_frames(&self, field: &str, period: f64) -> Result<()> {
        let frame = self.die.limit("readout_rate", "readout.frame_time");
        let Some(frame) = frame.filter(|frame| period < frame * (1.0 - 1e-9)) else {
            return Ok(());
        };
        let value = crate::units::format_si(period, "s");
        let frame = crate::units::format_si(frame, "s");
        let expected = format!(
            "at least the card's readout.frame_time, {frame}: no clock holds this array while it is read"
        );
        Err(Error::invalid(field, value, expected))
    }

    /// Device time, s, that reading `draws` frames adds to the sampling: a clocked array is held for each of them.
    pub fn frame_seconds(&self, draws: u64) -> f64 {
        let frame = self.die.limit("readout_rate", "readout.frame_time");
        let held = frame.filter(|_| self.clock_round().is_some());
        held.unwrap_or(0.0) * draws as f64
    }

    /// Time, s, from a read to its result.
    pub fn latency(&self) -> f64 {
        let latency = self.die.limit("readout_latency", "readout.latency");
        latency.unwrap_or(0.0)
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

    /// Energy of writing the programmed values into `chains` chips.
    pub fn written(&self, chains: usize) -> Spent {
        self.ledger.write(chains, self.elements())
    }

    /// Writes new fields and couplings on the same graph: values change, never structure. [`Self::written`] says what it costs.
    ///
    /// # Errors
    /// Wrong lengths or values that are not finite.
    pub fn reprogram(&mut self, parameters: &Parameters) -> Result<()> {
        self.model.set_parameters(parameters)?;
        let written = self.die.corrected(&self.model)?.parameters();
        self.chip.write(&self.die, &written)
    }

    pub(super) fn realised(&self) -> &Realised {
        self.chip.realised()
    }

    pub(super) fn chip(&self) -> &dyn Chip {
        &*self.chip
    }

    /// What is asked of the elements.
    pub(super) fn asked(&self) -> Parameters {
        let own = self.chip.on_elements();
        own.unwrap_or_else(|| self.model.parameters())
    }

    /// What a host does with separate elements, where it wires them.
    pub fn hosted(&self) -> Option<&Hosted> {
        self.chip.hosted()
    }

    /// Spins that stand for products and are not read.
    pub fn auxiliaries(&self) -> usize {
        self.chip.auxiliaries()
    }

    /// Coupled pairs in the order of [`Self::realised_parameters`]: the energy's, then those that only directed couplings join.
    pub fn pairs(&self) -> Vec<(usize, usize)> {
        self.chip.pairs().unwrap_or_else(|| edges(&self.model))
    }

    /// The exact law of a small array as it was programmed, whether it has an energy or not.
    ///
    /// # Errors
    /// No p-bits, more than [`MOST_SPINS`], or p-bits behind synapses.
    pub fn spin_chain(&self) -> Result<SpinChain> {
        SpinChain::new(self.process())
    }

    /// Realised fields, and per pair ([`Self::pairs`]) the coupling from the higher node into the lower and back.
    pub fn realised_parameters(&self) -> (&[f64], &[(f64, f64)]) {
        (&self.realised().fields, &self.realised().couplings)
    }

    /// Requested against realised.
    pub fn report(&self) -> ProgramReport {
        let asked = self.asked();
        let realised = self.realised();
        let off = |(wanted, got): ((f64, f64), &(f64, f64))| [got.0 - wanted.0, got.1 - wanted.1];
        let wanted = self.chip.asked(&asked).into_iter();
        let errors: Vec<f64> = wanted.zip(&realised.couplings).flat_map(off).collect();
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
            placement: self.placement(),
            entropy_production: self.entropy_production(),
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

    /// Entropy production in continuous time, of arrays small enough to be solved.
    fn entropy_production(&self) -> Option<f64> {
        let few = self.model.discrete().is_some_and(|e| e.dim() <= MOST_SPINS);
        if !few || self.placement().is_some() {
            return None;
        }
        let chain = self.spin_chain().ok()?;
        match self.energy() {
            // An energy is sampled in detailed balance.
            Some(_) => self.clock_round().is_none().then_some(0.0),
            None => chain.entropy_production().ok()?,
        }
    }

    /// The law that an array of spins settles in (under a clock: after whole rounds): of its energy by enumeration, where it has
    /// one; else solved for, up to [`MOST_SPINS`] spins that see each other at once.
    pub(super) fn settled_law(&self) -> Option<Vec<f64>> {
        let few = self.model.dim() <= MOST_SPINS;
        if self.placement().is_some() || self.auxiliaries() > 0 {
            return few.then(|| self.chip.settled(&self.die))?;
        }
        match self.energy() {
            Some(Model::Ising(own)) => exact::probabilities(&own).ok(),
            _ if few => self.spin_chain().ok()?.stationary().ok(),
            _ => None,
        }
    }

    /// Why the realised process is not Boltzmann sampling of any energy; empty when it is.
    fn no_energy_because(&self) -> Vec<String> {
        let one_way = self.realised().couplings.iter().any(|(a, b)| a != b);
        let couplers = (
            one_way && self.chip.needs_reciprocity() && !self.chip.is_directed(),
            "the two directions of a coupler differ (J_ij != J_ji)",
        );
        let reasons = std::iter::once(couplers).chain(self.chip.no_energy_because(&self.die));
        let said = reasons.filter(|r| r.0);
        said.map(|r| r.1.to_owned()).collect()
    }

    /// The largest |field| and |coupling| that can be programmed at this scale, by the card; infinite where it states none.
    pub fn range(&self) -> (f64, f64) {
        let (card, a) = (&self.die.card, self.chip.scale());
        let most = |limit: &str| card.get(limit).unwrap_or(f64::INFINITY);
        (
            most("limits.field_max") * a,
            most("limits.coupling_max") * a * a,
        )
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

    /// The same for soft spins, offsets of their cells included: the energy of y = x − o, and each node's o. `None` where
    /// there is no energy, or the chip's nodes are no soft spins.
    pub fn shifted_energy(&self) -> Option<(SoftSpin, Vec<f64>)> {
        let lawful = self.no_energy_because().is_empty();
        lawful.then(|| self.chip.shifted_energy(&self.die, &self.model))?
    }
}
