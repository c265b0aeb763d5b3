//! The keys of an experiment, their defaults and their checks.

use super::circuit::CircuitExperiment;
use super::clamp::{Clamped, clamp};
use super::density::{self, DensityExperiment};
use super::digital::{Digital, digital};
use super::energy::{Energy, EnergyKind, Pairs, energy};
use super::operation::{Anneal, Calibrate, Compare, anneal, calibrate, compare, moments};
use super::reader::{Section, seconds};
use super::restricted::train_rbm;
use super::sweep::SweepExperiment;
use super::training::{Data, Learned, Train, data, train};
use crate::dynamics::Generator;
use crate::error::{Error, Result};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The whole file, defaults filled in; what a run records.
#[derive(Clone, Debug, Serialize)]
pub struct Experiment {
    /// Format, 1.
    pub version: u32,
    /// For people.
    pub title: String,
    /// Seed of everything random but the die.
    pub seed: u64,
    /// The energy.
    pub energy: Energy,
    /// The chip.
    pub hardware: Option<Hardware>,
    /// How the chip is run.
    pub plan: Plan,
    /// Digital samplers beside it.
    pub digital: Vec<Digital>,
    /// Data.
    pub data: Option<Data>,
    /// Training.
    pub train: Option<Train>,
    /// Nodes that are held while sampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clamp: Option<Clamped>,
    /// What is asked of a comparison.
    pub compare: Compare,
    /// Where the file was; paths in it are relative to this.
    #[serde(skip)]
    pub file: PathBuf,
}

/// Either form of an experiment file.
#[derive(Clone, Debug)]
pub enum Any {
    /// On an energy.
    Energy(Box<Experiment>),
    /// On an energy, at many settings.
    Sweep(Box<SweepExperiment>),
    /// On a netlist.
    Circuit(Box<CircuitExperiment>),
    /// On a neural energy that is learned.
    Density(Box<DensityExperiment>),
}

impl Any {
    /// Reads a netlist (`.cir`, `.sp`, `.net`) or an experiment of either form.
    ///
    /// # Errors
    /// A file that cannot be read, or whatever is wrong in it.
    pub fn load(file: &Path) -> Result<Self> {
        let extension = file
            .extension()
            .map(|e| e.to_string_lossy().to_ascii_lowercase());
        if matches!(extension.as_deref(), Some("cir" | "sp" | "net" | "spice")) {
            return Ok(Any::Circuit(Box::new(CircuitExperiment::from_netlist(
                file,
            )?)));
        }
        let text = read(file)?;
        let table = parse_table(&text, file)?;
        if table.contains_key("circuit") && !table.contains_key("energy") {
            let top = Section {
                file,
                name: String::new(),
                table: &table,
            };
            return Ok(Any::Circuit(Box::new(CircuitExperiment::from_section(
                &top,
            )?)));
        }
        if density::is_density(&table) {
            let top = Section {
                file,
                name: String::new(),
                table: &table,
            };
            return Ok(Any::Density(Box::new(DensityExperiment::from_section(
                &top,
            )?)));
        }
        if table.contains_key("sweep") {
            return Ok(Any::Sweep(Box::new(SweepExperiment::new(table, file)?)));
        }
        Ok(Any::Energy(Box::new(Experiment::from_table(&table, file)?)))
    }
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|source| Error::Io {
        path: file.to_path_buf(),
        source,
    })
}

fn parse_table(text: &str, file: &Path) -> Result<toml::Table> {
    text.parse().map_err(|e: toml::de::Error| {
        let line = e
            .span()
            .map_or(1, |s| text[..s.start].matches('\n').count() + 1);
        Error::File {
            file: file.to_path_buf(),
            reason: format!(
                "line {line}: {}",
                e.message().lines().next().unwrap_or("not TOML")
            ),
        }
    })
}

/// `hardware.scale`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum ScaleKey {
    /// A number.
    Number(f64),
    /// `"fit"`.
    Fit(&'static str),
}

/// `[hardware]`.
#[derive(Clone, Debug, Serialize)]
pub struct Hardware {
    /// Card name or path.
    pub model: String,
    /// Die seed; absent: ideal chip only.
    pub die_seed: Option<u64>,
    /// Number of dies from consecutive seeds.
    pub dies: u64,
    /// Non-idealities that are on; absent: all.
    pub only: Option<Vec<String>>,
    /// Whether dice are calibrated first, and how.
    pub calibrate: Option<Calibrate>,
    /// Range factor.
    pub scale: ScaleKey,
    /// `native`, or `copies`: chains of copies where the array does not join what the energy couples.
    pub placement: String,
    /// Coupling between copies; absent: what the bound on broken chains asks for.
    pub chain_coupling: Option<f64>,
    /// Whether products of three or four spins may take an auxiliary spin each.
    pub auxiliaries: bool,
    /// (into, from, J) of couplings that act one way on purpose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub directed: Vec<(usize, usize, f64)>,
    /// Card parameters replaced: another design.
    #[serde(rename = "override")]
    pub overrides: BTreeMap<String, String>,
    /// Actual temperature, when it is not the card's.
    pub environment_temperature: Option<String>,
    /// Actual supply, when it is not the card's.
    pub environment_supply: Option<String>,
    /// Process corner of the dice (the ideal chip is typical).
    pub environment_corner: Option<String>,
    /// How p-bits are described; absent: the card's.
    pub level: Option<String>,
}

/// `plan.initial`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Initial {
    /// `random`, `zero` or `data`.
    Word(String),
    /// States cycled over chains.
    States(Vec<Vec<f64>>),
}

/// An entry of a product in `plan.moments`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum MomentEntry {
    /// `i`: x_i (a spin or a real node).
    Node(usize),
    /// `[i, k]`: 1 where category i is k, else 0.
    State(usize, usize),
}

/// `[plan]`; times as written.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Plan {
    pub chains: usize,
    pub burn_in: String,
    pub duration: String,
    pub sample_period: Option<String>,
    pub scheme: String,
    /// Whether the file names the scheme: the default stands for the chip's own.
    #[serde(skip)]
    pub scheme_stated: bool,
    pub step: String,
    pub bias_tolerance: f64,
    pub precision: String,
    pub generator: Generator,
    pub initial: Initial,
    pub record: String,
    /// Products whose means are accumulated beside the nodes' moments: a list of entries each.
    pub moments: Option<Vec<Vec<MomentEntry>>>,
    pub trajectory_nodes: Vec<usize>,
    pub trajectory_period: Option<String>,
    pub anneal: Option<Anneal>,
}

impl Experiment {
    /// Reads and checks an experiment file.
    ///
    /// # Errors
    /// Anything wrong in it, as one line naming file, key, value and what was expected.
    pub fn load(file: &Path) -> Result<Self> {
        Self::parse(&read(file)?, file)
    }

    /// As [`Experiment::load`], from text; `file` is for messages and relative paths.
    ///
    /// # Errors
    /// As [`Experiment::load`].
    pub fn parse(text: &str, file: &Path) -> Result<Self> {
        Self::from_table(&parse_table(text, file)?, file)
    }

    /// As [`Experiment::load`], from a table.
    pub(super) fn from_table(table: &toml::Table, file: &Path) -> Result<Self> {
        let top = Section {
            file,
            name: String::new(),
            table,
        };
        top.check_keys(
            &[
                "version", "title", "seed", "energy", "hardware", "plan", "clamp", "digital",
                "data", "train", "compare",
            ],
            &["sweep"],
        )?;
        if top.count("version", 0, 0)? != 1 {
            let value = top
                .get("version")
                .map_or_else(|| "nothing".to_owned(), ToString::to_string);
            return Err(Error::invalid("version", value, "1").in_file(file));
        }
        let section = top.section("train")?;
        let learned = Learned::of(&top)?;
        let train = match section {
            Some(section) if learned == Learned::Restricted => Some(train_rbm(&section)?),
            Some(section) => Some(train(&section, learned)?),
            None => None,
        };
        let data = top
            .section("data")?
            .map(|s| data(&s, learned))
            .transpose()?;
        let Some(section) = top.section("energy")? else {
            return Err(top.missing("energy", "a section [energy]"));
        };
        let energy = energy(&section, train.as_ref())?;
        let digital = match top.get("digital") {
            None => Vec::new(),
            Some(toml::Value::Array(list)) => list
                .iter()
                .enumerate()
                .map(|(k, value)| match value {
                    toml::Value::Table(table) => digital(&Section {
                        file,
                        name: format!("digital[{k}]"),
                        table,
                    }),
                    other => Err(top.invalid("digital", other, "sections [[digital]]")),
                })
                .collect::<Result<_>>()?,
            Some(other) => return Err(top.invalid("digital", other, "sections [[digital]]")),
        };
        let empty = toml::Table::new();
        let plan_section = top.section("plan")?.unwrap_or(Section {
            file,
            name: "plan".to_owned(),
            table: &empty,
        });
        let experiment = Experiment {
            version: 1,
            title: top.text("title", "")?,
            seed: top.count("seed", 0, 0)?,
            energy,
            hardware: top.section("hardware")?.map(|s| hardware(&s)).transpose()?,
            plan: plan(&plan_section)?,
            digital,
            data,
            train,
            clamp: top.section("clamp")?.map(|s| clamp(&s)).transpose()?,
            compare: match top.section("compare")? {
                Some(section) => compare(&section)?,
                None => Compare::default(),
            },
            file: file.to_path_buf(),
        };
        if experiment.train.is_some() && experiment.data.is_none() {
            return Err(top.missing("data", "a section [data] to train on"));
        }
        if let (Some(Data::Moons(_)), None, Some(section)) =
            (&experiment.data, &experiment.train, top.section("data")?)
        {
            let expected = "a section [train]: points of the plane are there to be learned";
            return Err(section.refused("kind", expected));
        }
        experiment.check_training(&top)?;
        let learns_alone = matches!(&experiment.train, Some(train) if train.rbm.is_some());
        if experiment.hardware.is_none() && experiment.digital.is_empty() && !learns_alone {
            return Err(top.missing("hardware", "a section [hardware] or [[digital]]"));
        }
        Ok(experiment)
    }

    /// What training brings itself must not be given as well.
    fn check_training(&self, top: &Section<'_>) -> Result<()> {
        let (Some(_), Some(energy)) = (&self.train, top.section("energy")?) else {
            return Ok(());
        };
        let listed = matches!(&self.energy.kind,
            EnergyKind::SoftSpin { couplings, .. } if *couplings != Pairs::List(Vec::new()));
        for (given, key) in [
            (listed, "couplings"),
            (self.energy.parameters.is_some(), "parameters"),
            (self.energy.copies > 1, "copies"),
        ] {
            if given {
                let file_key = format!("{key}_file");
                let key = if energy.get(key).is_some() {
                    key
                } else {
                    &file_key
                };
                let value = energy
                    .get(key)
                    .cloned()
                    .unwrap_or(toml::Value::Boolean(true));
                return Err(energy.invalid(
                    key,
                    &value,
                    "this key to be absent beside [train], which learns it",
                ));
            }
        }
        Ok(())
    }

    /// A path of the file, relative to it.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.file.parent().unwrap_or(Path::new("")).join(relative)
    }

    /// Seconds of one of this experiment's device times, given the card's τ.
    pub fn seconds(&self, time: &str, tau: f64) -> f64 {
        seconds(time, tau)
    }
}

fn hardware(s: &Section<'_>) -> Result<Hardware> {
    s.check_keys(
        &[
            "model",
            "die_seed",
            "dies",
            "only",
            "calibrate",
            "scale",
            "placement",
            "chain_coupling",
            "auxiliaries",
            "directed",
            "override",
            "environment",
            "level",
        ],
        &[],
    )?;
    if s.get("model").is_none() {
        return Err(s.missing("model", "the name of a card, or a path"));
    }
    let scale = match s.get("scale") {
        Some(toml::Value::String(word)) if word == "fit" => ScaleKey::Fit("fit"),
        Some(value @ toml::Value::String(_)) => {
            return Err(s.invalid("scale", value, "a positive number or \"fit\""));
        }
        _ => ScaleKey::Number(s.positive("scale", 1.0)?),
    };
    let mut overrides = BTreeMap::new();
    if let Some(section) = s.section("override")? {
        collect(&section, "", &mut overrides)?;
    }
    let (mut corner, mut supply) = (None, None);
    let environment_temperature = match s.section("environment")? {
        None => None,
        Some(environment) => {
            environment.check_keys(&["temperature", "supply", "corner"], &[])?;
            corner = environment.optional_text("corner")?;
            supply = environment.optional_text("supply")?;
            environment.optional_text("temperature")?
        }
    };
    let placement = s.word("placement", "native", &["native", "copies"])?;
    let stated = s.get("chain_coupling");
    if let (Some(value), "native") = (stated, placement.as_str()) {
        return Err(s.invalid("chain_coupling", value, "placement = \"copies\" beside it"));
    }
    let chain_coupling = stated
        .map(|_| s.positive("chain_coupling", 0.0))
        .transpose()?;
    let auxiliaries = s.flag("auxiliaries", false)?;
    if let (Some(value), true) = (s.get("directed"), auxiliaries) {
        let expected = "couplings in both directions beside auxiliaries = true";
        return Err(s.invalid("directed", value, expected));
    }
    if let (Some(value), None) = (s.get("dies"), s.get("die_seed")) {
        return Err(s.invalid(
            "dies",
            value,
            "die_seed beside it, the seed of the first die",
        ));
    }
    Ok(Hardware {
        model: s.text("model", "")?,
        die_seed: s
            .get("die_seed")
            .map(|_| s.count("die_seed", 0, 0))
            .transpose()?,
        dies: s.count("dies", 1, 1)?,
        only: s.words("only")?,
        calibrate: calibrate(s)?,
        scale,
        placement,
        chain_coupling,
        auxiliaries,
        directed: directed(s)?,
        overrides,
        environment_temperature,
        environment_supply: supply,
        environment_corner: corner,
        level: s
            .get("level")
            .map(|_| s.word("level", "", &["telegraph", "langevin", "poisson"]))
            .transpose()?,
    })
}

/// `hardware.directed`: rows `[into, from, J]`.
fn directed(s: &Section<'_>) -> Result<Vec<(usize, usize, f64)>> {
    let node = |v: f64| (v >= 0.0 && v.fract() == 0.0 && v < 1e9).then_some(v as usize);
    let rows = s.rows("directed")?.unwrap_or_default();
    let triple = |(k, row): (usize, &Vec<f64>)| {
        let found = match row[..] {
            [into, from, value] => node(into).zip(node(from)).map(|(i, j)| (i, j, value)),
            _ => None,
        };
        found.ok_or_else(|| {
            let expected = "[into, from, J] with node numbers from 0";
            let field = s.key(&format!("directed[{k}]"));
            Error::invalid(field, format!("{row:?}"), expected).in_file(s.file)
        })
    };
    rows.iter().enumerate().map(triple).collect()
}

/// Flattens `[hardware.override]` into dotted keys.
fn collect(s: &Section<'_>, prefix: &str, into: &mut BTreeMap<String, String>) -> Result<()> {
    for (key, value) in s.table {
        let dotted = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            toml::Value::Table(table) => {
                let inner = Section {
                    file: s.file,
                    name: s.key(key),
                    table,
                };
                collect(&inner, &dotted, into)?;
            }
            toml::Value::String(text) => {
                into.insert(dotted, text.clone());
            }
            toml::Value::Integer(_) | toml::Value::Float(_) => {
                into.insert(dotted, value.to_string());
            }
            other => return Err(s.invalid(key, other, "a quantity in quotes, e.g. \"10 fF\"")),
        }
    }
    Ok(())
}

fn plan(s: &Section<'_>) -> Result<Plan> {
    s.check_keys(
        &[
            "chains",
            "burn_in",
            "duration",
            "sample_period",
            "scheme",
            "step",
            "bias_tolerance",
            "precision",
            "generator",
            "initial",
            "trajectory_nodes",
            "trajectory_period",
            "record",
            "moments",
            "anneal",
        ],
        &[],
    )?;
    let initial = match s.get("initial") {
        Some(toml::Value::Array(_)) => Initial::States(s.rows("initial")?.unwrap_or_default()),
        _ => Initial::Word(s.word("initial", "random", &["random", "zero", "data"])?),
    };
    if matches!(&initial, Initial::States(states) if states.is_empty()) {
        return Err(s.invalid(
            "initial",
            &toml::Value::Array(Vec::new()),
            "at least one state",
        ));
    }
    let record = s.word("record", "samples", &["samples", "moments", "both", "none"])?;
    let moments = moments(s)?;
    if let (Some(value), "samples") = (s.get("moments"), record.as_str()) {
        let expected = "record = \"moments\" or \"both\" beside it";
        return Err(s.invalid("moments", value, expected));
    }
    let default = Generator::default().name();
    let optional_time = |key: &str| s.get(key).map(|_| s.time(key, "")).transpose();
    let step = match s.get("step") {
        Some(toml::Value::String(word)) if word == "auto" => "auto".to_owned(),
        _ => s.time("step", "auto")?,
    };
    Ok(Plan {
        chains: s.count("chains", 256, 1)? as usize,
        burn_in: s.time_or_zero("burn_in", "50 tau")?,
        duration: s.time("duration", "500 tau")?,
        sample_period: optional_time("sample_period")?,
        scheme: s.word("scheme", "euler-maruyama", &crate::dynamics::scheme_names())?,
        scheme_stated: s.get("scheme").is_some(),
        step,
        bias_tolerance: s.positive("bias_tolerance", 0.01)?,
        precision: s.word("precision", "f32", &["f32", "f64", "mixed"])?,
        generator: Generator::named(&s.word("generator", default, &Generator::names())?)?,
        initial,
        record,
        moments,
        trajectory_nodes: s.indices("trajectory_nodes")?.unwrap_or_default(),
        trajectory_period: optional_time("trajectory_period")?,
        anneal: s.section("anneal")?.map(|a| anneal(&a)).transpose()?,
    })
}
