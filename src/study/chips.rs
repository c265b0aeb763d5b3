//! Preparing a run: data, model, card and dies, with every check made before anything is written.

use super::Session;
use super::held::Held;
use super::moons;
use crate::data::{self, Columns, Dataset};
use crate::diagnostics::Reading;
use crate::dynamics::streams::chain_rng;
use crate::dynamics::{NormalBits, Origin};
use crate::energy::{Domain, Model};
use crate::error::{Error, Result};
use crate::experiment::{
    Data, Digital, Experiment, Hardware, Initial, MomentEntry, ScaleKey, build_model, read_graph,
};
use crate::hardware::card::card;
use crate::hardware::{
    CalibrationPlan, Card, Die, Kind, Level, Placement, Programmed, Realisation, Scale, Topology,
    calibrate, program_placed, program_with_auxiliaries,
};
use crate::sampler::{
    AnalogSampler, AnnealingSampler, ChainState, FactorSampler, GibbsSampler, HostedSampler,
    Ladder, LangevinSampler, Method, Sampler, StepRule, TemperingSampler,
};
use crate::units::{Dimension, parse};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use std::path::{Path, PathBuf};

/// Domains of the random streams, one per use.
pub(super) const ANALOG: u64 = 0x100;
pub(super) const DIGITAL: u64 = 0x200;
const INITIAL: u64 = 0x300;
pub(super) const TRAINING: u64 = 0x400;

/// An experiment with all its inputs loaded and checked.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The file.
    pub experiment: Experiment,
    /// The energy (untrained when it is to be trained).
    pub model: Model,
    /// The data, when there is any.
    pub dataset: Option<Dataset>,
    /// The card, overrides applied.
    pub card: Option<Card>,
    /// The ideal chip first, then the dies.
    pub dies: Vec<Die>,
    /// Nodes that are held while sampling.
    pub(super) held: Option<Held>,
}

/// A shipped card by name, or a card file (`.toml`).
///
/// # Errors
/// An unknown name; a file that cannot be read or is no card.
pub fn card_of(model: &str) -> Result<Card> {
    if !model.ends_with(".toml") {
        return card(model);
    }
    let path = PathBuf::from(model);
    let text = std::fs::read_to_string(&path).map_err(|source| Error::Io {
        path: path.clone(),
        source,
    })?;
    let mut own = Card::parse(&text).map_err(|e| e.in_file(&path))?;
    if let Topology::File(list) = &own.topology {
        let folder = path.parent().unwrap_or(Path::new(""));
        own.topology = read_graph(&folder.join(list))?;
    }
    Ok(own)
}

fn load_card(experiment: &Experiment, hardware: &Hardware) -> Result<Card> {
    let mut found = if hardware.model.ends_with(".toml") {
        card_of(&experiment.path(&hardware.model).to_string_lossy())?
    } else {
        card(&hardware.model)?
    };
    for (key, value) in &hardware.overrides {
        found
            .override_parameter(key, value)
            .map_err(|e| e.under("hardware.override"))?;
    }
    if let Topology::File(list) = &found.topology {
        found.topology = read_graph(&experiment.path(list))?;
    }
    Ok(found)
}

/// The rows that `[data]` names.
fn load_data(experiment: &Experiment, source: &Data) -> Result<Dataset> {
    let source = match source {
        Data::Moons(nodes) => return Ok(moons::rows(nodes, experiment.seed)),
        Data::File(source) => source,
    };
    let test = source
        .test_rows
        .as_ref()
        .map(|f| data::read_indices(&experiment.path(f)))
        .transpose()?;
    let train = experiment.train.as_ref();
    let is_restricted = train.is_some_and(|t| t.rbm.is_some());
    let columns = Columns {
        pixels: source.pixels.0..source.pixels.1,
        label: source.label,
        // Restricted machines learn the density of the pictures alone.
        classes: if is_restricted { 0 } else { source.classes },
        scale: source.scale,
        threshold: source.threshold,
    };
    let loaded = data::load(&experiment.path(&source.file), &columns, test)?;
    match source.components {
        Some(count) => loaded
            .with_components(count)
            .map_err(|e| e.in_file(&experiment.file)),
        None => Ok(loaded),
    }
}

/// An unstable step, said of the key it came from.
fn as_plan(error: Error) -> Error {
    match error {
        Error::Unstable {
            scheme,
            step,
            limit,
            reason,
        } => Error::invalid(
            "plan.step",
            format!("{step:.4} tau"),
            format!("less than {limit:.4} tau, the stability limit of {scheme} ({reason})"),
        ),
        other => other,
    }
}

impl Prepared {
    /// Whether draws are kept, without which nothing can be compared.
    ///
    /// # Errors
    /// `plan.record = "moments"`.
    pub fn has_draws(&self) -> Result<()> {
        if self.experiment.plan.record != "moments" {
            return Ok(());
        }
        let expected = "samples, both or none: compare needs the draws (run keeps moments alone)";
        Err(Error::invalid("plan.record", "\"moments\"", expected).in_file(&self.experiment.file))
    }

    /// Loads and checks everything that `experiment` names; writes nothing.
    ///
    /// # Errors
    /// Whatever is wrong, as one line that names the place.
    pub fn new(experiment: Experiment) -> Result<Self> {
        let file = experiment.file.clone();
        let dataset = match &experiment.data {
            None => None,
            Some(source) => Some(load_data(&experiment, source)?),
        };
        let model = build_model(&experiment, dataset.as_ref())?;
        let held =
            Held::new(&experiment, &model, dataset.as_ref()).map_err(|e| e.in_file(&file))?;
        let card = experiment
            .hardware
            .as_ref()
            .map(|h| load_card(&experiment, h))
            .transpose()
            .map_err(|e| e.in_file(&file))?;
        let mut dies = Vec::new();
        if let (Some(hardware), Some(card)) = (&experiment.hardware, &card) {
            let only = hardware.only.as_deref();
            let mut seeds = vec![None];
            if let Some(first) = hardware.die_seed {
                seeds.extend((0..hardware.dies).map(|k| Some(first + k)));
            }
            for seed in seeds {
                let mut die = Die::fabricate(card, seed, only).map_err(|e| e.in_file(&file))?;
                if let Some(text) = &hardware.environment_temperature {
                    let key = "hardware.environment.temperature";
                    let actual = parse(text, Dimension::Temperature)
                        .map_err(|e| e.at(key).in_file(&file))?;
                    if actual <= 0.0 {
                        return Err(Error::invalid(
                            key,
                            format!("\"{text}\""),
                            "a positive temperature",
                        )
                        .in_file(&file));
                    }
                    die.temperature_ratio =
                        actual / card.get("physics.temperature").unwrap_or(actual);
                }
                if let Some(text) = &hardware.environment_supply {
                    let key = "hardware.environment.supply";
                    let volts =
                        parse(text, Dimension::Voltage).map_err(|e| e.at(key).in_file(&file))?;
                    die = die
                        .at_supply(volts)
                        .map_err(|e| e.under("hardware.environment").in_file(&file))?;
                }
                die.level = match hardware.level.as_deref() {
                    Some("langevin") => Level::Langevin,
                    Some("poisson") => Level::Poisson,
                    _ => Level::Telegraph,
                };
                if let (Some(corner), Some(_)) = (&hardware.environment_corner, seed) {
                    die = die
                        .in_corner(corner)
                        .map_err(|e| e.under("hardware.environment").in_file(&file))?;
                }
                if let (Some(plan), Some(_)) = (&hardware.calibrate, seed) {
                    let tau = card.get("physics.tau").unwrap_or(1.0);
                    let measured = CalibrationPlan {
                        points: plan.points,
                        samples: plan.samples,
                        spacing: experiment.seconds(&plan.spacing, tau) / tau,
                        seed: experiment.seed,
                    };
                    calibrate(&mut die, model.dim(), &measured).map_err(|e| e.in_file(&file))?;
                    die.age = experiment.seconds(&plan.age, tau);
                }
                dies.push(die);
            }
        }
        let prepared = Prepared {
            experiment,
            model,
            dataset,
            card,
            dies,
            held,
        };
        super::rbm::check(&prepared).map_err(|e| e.in_file(&file))?;
        prepared.check().map_err(|e| as_plan(e).in_file(&file))?;
        super::learn::check(&prepared).map_err(|e| e.in_file(&file))?;
        super::exactly::check(&prepared).map_err(|e| e.in_file(&file))?;
        Ok(prepared)
    }

    /// Checks that need model, card and plan together; builds every sampler once with a few chains.
    fn check(&self) -> Result<()> {
        let plan = &self.experiment.plan;
        let n = self.model.dim();
        if let Some(&node) = plan.trajectory_nodes.iter().find(|&&i| i >= n) {
            return Err(Error::invalid(
                "plan.trajectory_nodes",
                node,
                format!("node indices below {n}"),
            ));
        }
        for (k, product) in plan.moments.iter().flatten().enumerate() {
            for entry in product {
                self.check_entry(k, *entry)?;
            }
        }
        match &plan.initial {
            Initial::States(states) => {
                for (k, state) in states.iter().enumerate() {
                    if state.len() != n {
                        let value = format!("{} values", state.len());
                        return Err(Error::invalid(
                            format!("plan.initial[{k}]"),
                            value,
                            format!("{n} values, one per node"),
                        ));
                    }
                    let Some(graph) = self.model.factors() else {
                        continue;
                    };
                    for (i, (&value, domain)) in state.iter().zip(graph.domains()).enumerate() {
                        if domain.state(value).is_none() {
                            let field = format!("plan.initial[{k}][{i}]");
                            let expected = format!("a state of variable {i}, a {domain}");
                            return Err(Error::invalid(field, value, expected));
                        }
                    }
                }
            }
            Initial::Word(word) if word == "data" && self.dataset.is_none() => {
                return Err(Error::invalid(
                    "plan.initial",
                    "\"data\"",
                    "a section [data], or another start",
                ));
            }
            Initial::Word(_) => {}
        }
        if let (Model::Mixture(_), Some(anneal)) = (&self.model, &plan.anneal) {
            let value = format!("{:?} over {}", anneal.of, anneal.over);
            let expected = "no anneal: a mixture has no couplings to scale";
            return Err(Error::invalid("plan.anneal", value, expected));
        }
        if self.card.is_some() {
            let period = self.sample_period();
            let duration = self.seconds(&plan.duration);
            if duration < period * (1.0 - 1e-9) {
                let expected = format!(
                    "at least one sample period, {}",
                    crate::units::format_si(period, "s")
                );
                return Err(Error::invalid(
                    "plan.duration",
                    format!("\"{}\"", plan.duration),
                    expected,
                ));
            }
        }
        let silent = crate::sampler::Follow::silent();
        for die in &self.dies {
            let programmed = self.program(die, &self.model)?;
            programmed.check_read_period("plan.sample_period", self.sample_period())?;
            if let Some(period) = plan.trajectory_period.as_ref().map(|t| self.seconds(t)) {
                programmed.check_read_period("plan.trajectory_period", period)?;
            }
            if self.experiment.train.is_none() {
                programmed.check_stable()?;
            }
            let mut sampler = self.analog(programmed, 1, 0, silent.clone(), plan.bias_tolerance)?;
            self.check_clamp(&mut *sampler)?;
        }
        for digital in &self.experiment.digital {
            let mut sampler = self.digital(digital, &self.model, 1, 0, silent.clone())?;
            self.check_clamp(&mut *sampler)?;
        }
        if let Some(train) = &self.experiment.train {
            let learned = matches!(
                self.model,
                Model::SoftSpin(_) | Model::Ising(_) | Model::Mixture(_)
            );
            if train.rbm.is_none() && !learned {
                return Err(Error::invalid(
                    "train",
                    "this energy",
                    "an energy of kind soft_spin, ising, rbm or mixture to train on data",
                ));
            }
            let binary = match &self.experiment.data {
                Some(Data::File(file)) => file.threshold.is_some(),
                _ => true,
            };
            if matches!(self.model, Model::Ising(_)) && !binary {
                let expected = "a threshold: spins learn from data that are -1 and 1";
                return Err(Error::invalid("data.threshold", "nothing", expected));
            }
            let fits = self.experiment.hardware.as_ref().map(|h| h.scale);
            if let (Model::Mixture(_), Some(ScaleKey::Fit(word))) = (&self.model, fits) {
                let value = format!("\"{word}\"");
                let expected = "a number beside [train]: converters round by it, and training would meet the range of its start";
                return Err(Error::invalid("hardware.scale", value, expected));
            }
            if train.through == "die" && self.dies.len() < 2 {
                return Err(Error::invalid(
                    "train.through",
                    "\"die\"",
                    "hardware.die_seed, or through = \"ideal\"",
                ));
            }
            if matches!(train.through.as_str(), "ideal" | "die") && self.dies.is_empty() {
                return Err(Error::invalid(
                    "train.through",
                    format!("\"{}\"", train.through),
                    "a section [hardware]",
                ));
            }
        }
        Ok(())
    }

    /// Refuses an entry of the k-th of `plan.moments` that the model has not.
    fn check_entry(&self, k: usize, entry: MomentEntry) -> Result<()> {
        let domain = |i: usize| self.model.factors().map(|graph| graph.domains()[i]);
        let n = self.model.dim();
        let refused = |value: String, expected: String| {
            let field = format!("plan.moments[{k}]");
            Err(Error::invalid(field, value, expected))
        };
        match entry {
            MomentEntry::Node(i) | MomentEntry::State(i, _) if i >= n => {
                refused(i.to_string(), format!("node indices below {n}"))
            }
            MomentEntry::Node(i) => match domain(i) {
                Some(Domain::Categorical(_)) => {
                    let expected = format!("[{i}, state] for node {i}, which is categorical");
                    refused(i.to_string(), expected)
                }
                _ => Ok(()),
            },
            MomentEntry::State(i, state) => match domain(i) {
                Some(Domain::Categorical(states)) if state < states => Ok(()),
                Some(Domain::Categorical(states)) => {
                    refused(format!("[{i}, {state}]"), format!("states below {states}"))
                }
                _ => {
                    let expected = format!("{i} alone: node {i} is not categorical");
                    refused(format!("[{i}, {state}]"), expected)
                }
            },
        }
    }

    /// `plan.moments`, as they are read from draws.
    pub(super) fn products(&self) -> Vec<Vec<Reading>> {
        let reading = |entry: &MomentEntry| match *entry {
            MomentEntry::Node(i) => Reading::Value(i),
            MomentEntry::State(i, state) => Reading::Indicator(i, state as f32),
        };
        let lists = self.experiment.plan.moments.iter().flatten();
        lists
            .map(|product| product.iter().map(reading).collect())
            .collect()
    }

    /// τ of the card, seconds; 1 without a card.
    pub fn tau(&self) -> f64 {
        self.card
            .as_ref()
            .and_then(|c| c.get("physics.tau"))
            .unwrap_or(1.0)
    }

    pub(super) fn seconds(&self, time: &str) -> f64 {
        self.experiment.seconds(time, self.tau())
    }

    /// Time between two reads, seconds.
    pub(super) fn sample_period(&self) -> f64 {
        match &self.experiment.plan.sample_period {
            Some(time) => self.seconds(time),
            None => self
                .card
                .as_ref()
                .and_then(|c| c.get("readout.sample_period"))
                .unwrap_or(1.0),
        }
    }

    pub(super) fn program(&self, die: &Die, model: &Model) -> Result<Programmed> {
        let scale = match self.experiment.hardware.as_ref().map(|h| h.scale) {
            Some(ScaleKey::Number(a)) => Scale::Fixed(a),
            Some(ScaleKey::Fit(_)) => Scale::Fit,
            None => Scale::Fixed(1.0),
        };
        let hardware = self.experiment.hardware.as_ref();
        let placement = match hardware {
            Some(h) if h.placement == "copies" => Placement::Copies {
                chain_coupling: h.chain_coupling,
            },
            _ => Placement::Native,
        };
        let products = model.factors().filter(|graph| {
            let spins = graph.domains().iter().all(|d| *d == Domain::Spin);
            spins && die.card.kind != Kind::GatedStates && hardware.is_some_and(|h| h.auxiliaries)
        });
        if let Some(graph) = products {
            return program_with_auxiliaries(die, graph, placement);
        }
        let directed = hardware.map_or(&[][..], |h| &h.directed);
        program_placed(die, model, scale, directed, placement)
    }

    /// The programmed chip as a circuit: the die when there is one, unless `ideal`. Two-state elements are in it as `recorded`.
    ///
    /// # Errors
    /// No chip, or one whose two-state elements need a recording.
    pub fn circuit(
        &self,
        ideal: bool,
        recorded: Option<Realisation>,
    ) -> Result<crate::circuit::Circuit> {
        let die = if ideal {
            self.dies.first()
        } else {
            self.dies.last()
        };
        let Some(die) = die else {
            return Err(Error::invalid(
                "hardware",
                "no chip",
                "a section [hardware]",
            ));
        };
        let programmed = self.program(die, &self.model)?;
        match (programmed.circuit(), recorded) {
            (Some(circuit), _) => Ok(circuit.clone()),
            (None, Some(recorded)) => programmed.recorded_circuit(recorded),
            (None, None) => Err(Error::invalid(
                "hardware.model",
                "a chip of two-state elements",
                "a recording (--noise pwl): nothing in SPICE flips by itself",
            )),
        }
    }

    /// The streams of a domain, by the plan's generator.
    fn origin(&self, domain: u64) -> Origin {
        Origin::from((self.experiment.seed, domain)).by(self.experiment.plan.generator)
    }

    /// The scheme that a chip is integrated by: the file's, or the chip's own.
    pub(super) fn scheme(&self, programmed: &Programmed) -> String {
        let plan = &self.experiment.plan;
        match plan.scheme_stated {
            true => plan.scheme.clone(),
            false => programmed.scheme().to_owned(),
        }
    }

    /// An analog sampler of a programmed die; `domain` tells its streams from others'.
    pub(super) fn analog(
        &self,
        programmed: Programmed,
        chains: usize,
        domain: u64,
        follow: crate::sampler::Follow,
        tolerance: f64,
    ) -> Result<Box<dyn Sampler>> {
        let plan = &self.experiment.plan;
        if programmed.hosted().is_some() {
            let origin = self.origin(ANALOG + domain);
            return Ok(Box::new(HostedSampler::new(
                programmed, chains, origin, follow,
            )?));
        }
        let rule = match plan.step.as_str() {
            "auto" => StepRule::Auto(tolerance),
            time => StepRule::Seconds(self.seconds(time)),
        };
        let streams = self.origin(ANALOG + domain);
        let scheme = &self.scheme(&programmed);
        let (full, single) = (NormalBits::Full, NormalBits::Single);
        Ok(match plan.precision.as_str() {
            "f32" => Box::new(AnalogSampler::<f32>::new(
                programmed, chains, streams, rule, scheme, follow,
            )?),
            precision => {
                let sampler =
                    AnalogSampler::<f64>::new(programmed, chains, streams, rule, scheme, follow)?;
                Box::new(sampler.with_normals(if precision == "mixed" { single } else { full }))
            }
        })
    }

    /// A digital sampler.
    pub(super) fn digital(
        &self,
        digital: &Digital,
        model: &Model,
        chains: usize,
        domain: u64,
        follow: crate::sampler::Follow,
    ) -> Result<Box<dyn Sampler>> {
        let streams = self.origin(DIGITAL + domain);
        let tolerance = self.experiment.plan.bias_tolerance;
        digital_sampler(digital, (model, tolerance), chains, streams, follow)
    }

    /// The plan's initial states, the same for every sampler.
    pub(super) fn initial(&self, chains: usize) -> ChainState {
        let n = self.model.dim();
        let spins = self.model.discrete().is_some();
        let domains = self.model.factors().map(|graph| graph.domains());
        let values = (0..chains)
            .flat_map(|chain| -> Vec<f64> {
                let mut rng = chain_rng(self.experiment.seed, INITIAL, chain as u64);
                match &self.experiment.plan.initial {
                    Initial::States(states) => states[chain % states.len()].clone(),
                    Initial::Word(word) if word == "zero" && domains.is_some() => domains
                        .into_iter()
                        .flatten()
                        .map(|d| if *d == Domain::Spin { 1.0 } else { 0.0 })
                        .collect(),
                    Initial::Word(word) if word == "zero" => vec![if spins { 1.0 } else { 0.0 }; n],
                    Initial::Word(word) if word == "data" => {
                        let mut state = vec![0.0; n];
                        if let Some(data) = &self.dataset {
                            let row = &data.rows[data.train[chain % data.train.len().max(1)]];
                            state[..row.len()].copy_from_slice(row);
                        }
                        state
                    }
                    Initial::Word(_) if domains.is_some() => domains
                        .into_iter()
                        .flatten()
                        .map(|d| d.value(rng.random_range(0..d.states()) as u8))
                        .collect(),
                    Initial::Word(_) if spins => (0..n)
                        .map(|_| if rng.random::<bool>() { 1.0 } else { -1.0 })
                        .collect(),
                    Initial::Word(_) => (0..n).map(|_| StandardNormal.sample(&mut rng)).collect(),
                }
            })
            .collect();
        ChainState::at(values)
    }
}

/// The digital sampler of a `[[digital]]` section, with a tolerance for steps that are not stated.
///
/// # Errors
/// An energy that the sampler does not take.
pub(super) fn digital_sampler(
    digital: &Digital,
    (model, tolerance): (&Model, f64),
    chains: usize,
    origin: Origin,
    follow: crate::sampler::Follow,
) -> Result<Box<dyn Sampler>> {
    let word = digital.sampler.as_str();
    takes(digital, model)?;
    let method = match word {
        "ula" => Method::Ula,
        "lm" => Method::LeimkuhlerMatthews,
        "baoab" => Method::Baoab {
            friction: digital.friction.unwrap_or(1.0),
        },
        "mala" => Method::Mala,
        "hmc" => Method::Hamiltonian {
            leapfrogs: digital.leapfrogs.unwrap_or(10),
            jitter: digital.jitter.unwrap_or(0.2),
        },
        "metropolis" if model.continuous().is_some() => Method::RandomWalk,
        "metropolis" => {
            no_step(digital)?;
            return Ok(match model {
                Model::Factors(graph) => {
                    Box::new(FactorSampler::new(graph, chains, origin, follow)?.by_proposals())
                }
                _ => Box::new(GibbsSampler::new(model, chains, origin, follow)?.by_flips()),
            });
        }
        "tempering" => {
            let ladder = match &digital.betas {
                Some(betas) => Ladder::Given(betas.clone()),
                None => Ladder::Adaptive {
                    replicas: digital.replicas.unwrap_or(8),
                    least: digital.beta_min.unwrap_or(0.1),
                },
            };
            let ladder = (&ladder, digital.swap_every.unwrap_or(1));
            return Ok(if model.discrete().is_some() {
                no_step(digital)?;
                Box::new(TemperingSampler::<f32>::new(
                    model, chains, origin, ladder, None, follow,
                )?)
            } else {
                if model.factors().is_some() {
                    no_step(digital)?;
                }
                Box::new(TemperingSampler::<f64>::new(
                    model,
                    chains,
                    origin,
                    ladder,
                    digital.step,
                    follow,
                )?)
            });
        }
        "annealing" => {
            return Ok(Box::new(AnnealingSampler::new(
                model, chains, origin, follow,
            )?));
        }
        _ => {
            return Ok(match model {
                Model::Factors(graph) => {
                    Box::new(FactorSampler::new(graph, chains, origin, follow)?)
                }
                _ => Box::new(GibbsSampler::new(model, chains, origin, follow)?),
            });
        }
    };
    let with = (method, digital.step);
    let preconditioned = digital.precondition.is_some();
    // What rejects compares energies, which need double precision.
    Ok(if method.adjusted() {
        let sampler =
            LangevinSampler::<f64>::with_method(model, with, chains, origin, tolerance, follow)?;
        match preconditioned {
            true => Box::new(sampler.preconditioned()?),
            false => Box::new(sampler),
        }
    } else {
        let sampler =
            LangevinSampler::<f32>::with_method(model, with, chains, origin, tolerance, follow)?;
        match preconditioned {
            true => Box::new(sampler.preconditioned()?),
            false => Box::new(sampler),
        }
    })
}

/// Refuses a sampler for an energy that it does not take, and names those that do.
fn takes(digital: &Digital, model: &Model) -> Result<()> {
    let word = digital.sampler.as_str();
    let real = model.continuous();
    let by_force = matches!(word, "ula" | "lm" | "baoab" | "mala" | "hmc");
    let expected = match real {
        None if by_force => {
            "gibbs, metropolis, tempering or annealing: this energy is of spins or categories, which have no force"
        }
        Some(_) if word == "gibbs" => {
            "ula, lm, baoab, mala, hmc, metropolis, tempering or annealing: this energy is of real variables"
        }
        Some(energy) if energy.pairwise().is_none() => {
            "an energy of cells and pair couplings (quadratic, soft_spin, rbm of soft spins, four_wells, double_well) for it"
        }
        _ => {
            let unused = real.is_none() && word == "annealing" && digital.burn_in_stated;
            if unused && digital.burn_in > 0 {
                let expected = "0, or this key to be absent: annealing of spins and categories begins with exact draws";
                return Err(Error::invalid("digital.burn_in", digital.burn_in, expected));
            }
            return Ok(());
        }
    };
    Err(Error::invalid(
        "digital.sampler",
        format!("\"{word}\""),
        expected,
    ))
}

/// Refuses a step, and lengths, for spins.
fn no_step(digital: &Digital) -> Result<()> {
    let (step, lengths) = (digital.step, &digital.precondition);
    let given = step.map(|v| ("digital.step", v.to_string()));
    let given = given.or_else(|| Some(("digital.precondition", lengths.clone()?)));
    match given {
        None => Ok(()),
        Some((key, value)) => Err(Error::invalid(
            key,
            value,
            "this key to be absent for an energy of spins or categories",
        )),
    }
}

impl Session {
    /// A session that reports to nobody and cannot be interrupted.
    pub fn silent() -> Self {
        struct Nobody;
        impl super::Watch for Nobody {
            fn begin(&self, _: &str, _: u64) {}
            fn advance(&self, _: u64) {}
            fn end(&self) {}
        }
        Session {
            watch: std::sync::Arc::new(Nobody),
            interrupted: std::sync::Arc::default(),
        }
    }
}
