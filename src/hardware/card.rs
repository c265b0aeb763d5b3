//! Model cards: datasheets in TOML, every number with unit, provenance label and source.

use super::datasheet::Claim;
use super::topology::Topology;
use super::update::Update;
use crate::error::{Error, Result};
use crate::units::{Dimension, parse};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Where a number comes from.
pub const LABELS: &[&str] = &[
    "measured",
    "spice",
    "paper-model",
    "textbook",
    "assumption",
    "low-trust",
];

/// The shipped cards, as files.
macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../hw_models/", $name, ".toml")))),*]
    };
}
const SHIPPED: &[(&str, &str)] = shipped![
    "rc_gaussian",
    "pmog",
    "pbit_cmos_subthreshold",
    "dtca_g12_l70",
    "z1",
    "josephson_flux",
    "lc_spu_8",
    "smtj_pbit",
    "soft_spin_cmos",
    "pdit",
    "x0_test_chip",
];

/// Every parameter a card may have: block, name, dimension.
const PARAMETERS: &[(&str, &str, Dimension)] = &[
    ("physics", "capacitance", Dimension::Capacitance),
    ("physics", "tau", Dimension::Time),
    ("physics", "noise_temperature", Dimension::Temperature),
    ("physics", "temperature", Dimension::Temperature),
    ("physics", "excess_noise", Dimension::Number),
    ("physics", "quartic_cell", Dimension::Number),
    ("physics", "bias_gain", Dimension::Number),
    ("physics", "tau_bias", Dimension::Number),
    ("physics", "phase", Dimension::Time),
    ("physics", "round_trip", Dimension::Time),
    ("physics", "synapse_tau", Dimension::Time),
    ("physics", "synapse_capacitance", Dimension::Capacitance),
    ("physics", "select_tau", Dimension::Time),
    ("physics", "skew", Dimension::Voltage),
    ("physics", "wire_capacitance", Dimension::Capacitance),
    // Swing of a neighbour's signal on those wires.
    ("physics", "signal_swing", Dimension::Voltage),
    // τ = τ_a e^Δ of a magnet that thermal noise flips: τ_a, and Δ, its barrier over kT at the card's temperature.
    ("physics", "attempt_time", Dimension::Time),
    ("physics", "barrier", Dimension::Number),
    ("physics", "critical_current", Dimension::Current),
    ("physics", "supply", Dimension::Voltage),
    ("physics", "cell_capacitance", Dimension::Capacitance),
    ("physics", "cell_current", Dimension::Current),
    ("physics", "resistance", Dimension::Resistance),
    ("physics", "inductance", Dimension::Inductance),
    ("physics", "differential", Dimension::Number),
    ("limits", "max_nodes", Dimension::Number),
    ("limits", "rails", Dimension::Voltage),
    ("limits", "coupling_max", Dimension::Number),
    ("limits", "field_max", Dimension::Number),
    ("limits", "dac_bits", Dimension::Number),
    ("limits", "branches", Dimension::Number),
    ("limits", "states", Dimension::Number),
    ("nonidealities", "offset", Dimension::Voltage),
    ("nonidealities", "raw_offset", Dimension::Voltage),
    // Rms change of an offset one second after calibration; it grows as the square root of time.
    ("nonidealities", "drift", Dimension::Voltage),
    // In sites: mismatch of sites (offset, time constant, noise temperature) is shared over it.
    ("nonidealities", "correlation_length", Dimension::Number),
    ("nonidealities", "coupling_sigma", Dimension::Number),
    ("nonidealities", "coupling_correlation", Dimension::Number),
    ("nonidealities", "tau_sigma", Dimension::Number),
    (
        "nonidealities",
        "noise_temperature_sigma",
        Dimension::Number,
    ),
    ("nonidealities", "synapse", Dimension::Number),
    ("nonidealities", "capacitance_sigma", Dimension::Number),
    ("nonidealities", "weight_sigma", Dimension::Number),
    ("nonidealities", "leak", Dimension::Number),
    ("nonidealities", "critical_current_sigma", Dimension::Number),
    ("nonidealities", "flux_offset", Dimension::Number),
    ("readout", "sample_period", Dimension::Time),
    ("readout", "adc_bits", Dimension::Number),
    // Time in which all nodes are read once; a clocked array is held meanwhile.
    ("readout", "frame_time", Dimension::Time),
    // From a read to its result.
    ("readout", "latency", Dimension::Time),
    // Of converters and comparators, referred to their inputs; the offset's spread over sites, the noise of every read.
    ("readout", "offset", Dimension::Voltage),
    ("readout", "noise", Dimension::Voltage),
    // Between the two levels of a two-state element.
    ("readout", "swing", Dimension::Voltage),
    ("costs", "write_energy", Dimension::Energy),
    ("costs", "sample_energy", Dimension::Energy),
    ("costs", "read_energy", Dimension::Energy),
    ("costs", "host_energy", Dimension::Energy),
    ("costs", "standby_power", Dimension::Power),
    // Of one chip, all its nodes; of one draw.
    ("costs", "write_time", Dimension::Time),
    ("costs", "host_time", Dimension::Time),
];

/// Most states of a category of gated elements (US 2026/0031800).
const MOST_STATES: f64 = 8.0;

/// Parameters that must be above zero; the others must be zero or more.
const POSITIVE: &[&str] = &[
    "capacitance",
    "attempt_time",
    "tau",
    "noise_temperature",
    "phase",
    "round_trip",
    "synapse_tau",
    "synapse_capacitance",
    "max_nodes",
    "rails",
    "coupling_max",
    "field_max",
    "dac_bits",
    "adc_bits",
    "sample_period",
    "frame_time",
    "swing",
    "bias_gain",
    "select_tau",
    "critical_current",
    "supply",
    "cell_capacitance",
    "cell_current",
    "resistance",
    "inductance",
    "branches",
    "states",
];

/// Parameters of either sign.
const SIGNED: &[&str] = &["skew"];

/// Process corners: n- and p-channel transistors typical, fast or slow.
pub const CORNERS: &[&str] = &["TT", "FF", "SS", "FS", "SF"];

/// How a chip holds an energy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Capacitor nodes with injected noise; the energy sits in conductances.
    InjectedNoise,
    /// Two-state elements with rates set by their bias.
    Telegraph,
    /// RLC cells at equilibrium; the energy sits in capacitors.
    Capacitive,
    /// Gaussian branches and a selector: mixtures.
    SelectedModes,
    /// Categories from gated two-state elements.
    GatedStates,
    /// rf-SQUIDs.
    Flux,
    /// Separate elements of several cards behind a host.
    Bag,
}

/// One number of a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// As written, with unit.
    pub value: String,
    /// One of [`LABELS`].
    pub label: String,
    /// Where it comes from.
    pub source: String,
    /// The value in SI, once checked (0 for words).
    #[serde(skip)]
    pub si: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    title: String,
    kind: Kind,
    #[serde(default)]
    unstated: Vec<String>,
    physics: BTreeMap<String, Parameter>,
    limits: BTreeMap<String, Parameter>,
    #[serde(default)]
    nonidealities: BTreeMap<String, Parameter>,
    readout: BTreeMap<String, Parameter>,
    #[serde(default)]
    costs: BTreeMap<String, Parameter>,
    #[serde(default)]
    corners: BTreeMap<String, BTreeMap<String, Parameter>>,
    #[serde(default)]
    datasheet: Vec<Claim>,
    #[serde(default)]
    components: Vec<String>,
}

/// A parsed card.
#[derive(Clone, Debug)]
pub struct Card {
    /// Name.
    pub name: String,
    /// One line.
    pub title: String,
    /// How it holds an energy.
    pub kind: Kind,
    /// What nobody published.
    pub unstated: Vec<String>,
    /// Which pairs can be coupled.
    pub topology: Topology,
    /// `block.name` → parameter.
    pub parameters: BTreeMap<String, Parameter>,
    /// Process corners: what differs from `parameters` there, TT being the card itself.
    pub corners: BTreeMap<String, BTreeMap<String, Parameter>>,
    /// Cards of the elements of a bag.
    pub components: Vec<String>,
    /// Claims that a simulation checks.
    pub datasheet: Vec<Claim>,
    /// The file.
    pub toml: String,
}

/// The nearest of `known` to `word`, if it is near at all.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|k| (strsim::jaro_winkler(word, k), k))
        .filter(|(score, _)| *score > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k.to_owned())
}

/// Names of the shipped cards.
pub fn names() -> Vec<&'static str> {
    SHIPPED.iter().map(|c| c.0).collect()
}

/// A shipped card.
///
/// # Errors
/// An unknown name; the message lists the known ones.
pub fn card(name: &str) -> Result<Card> {
    match SHIPPED.iter().find(|c| c.0 == name) {
        Some((_, text)) => Card::parse(text),
        None => {
            let expected = format!(
                "one of {}, or the path of a card (.toml)",
                names().join(", ")
            );
            Err(Error::invalid(
                "hardware.model",
                format!("\"{name}\""),
                expected,
            ))
        }
    }
}

/// The SI value of parameter `key`.
///
/// # Errors
/// An unknown label or key (with the nearest known one), a wrong unit, a value out of range.
fn si(key: &str, parameter: &Parameter) -> Result<f64> {
    if !LABELS.contains(&parameter.label.as_str()) {
        let expected = format!("one of {}", LABELS.join(", "));
        let value = format!("\"{}\"", parameter.label);
        return Err(Error::invalid(format!("{key}.label"), value, expected));
    }
    let known = PARAMETERS
        .iter()
        .find(|(block, name, _)| key == format!("{block}.{name}"));
    let Some((_, name, dimension)) = known else {
        let all: Vec<String> = PARAMETERS
            .iter()
            .map(|(b, n, _)| format!("{b}.{n}"))
            .chain(["limits.topology".to_owned(), "physics.update".to_owned()])
            .collect();
        return Err(Error::UnknownKey {
            file: None,
            key: key.to_owned(),
            nearest: nearest(key, all.iter().map(String::as_str)),
        });
    };
    let si = parse(&parameter.value, *dimension).map_err(|e| e.at(key))?;
    let positive = POSITIVE.contains(name);
    let signed = SIGNED.contains(name);
    if (si < 0.0 && !signed) || (positive && si == 0.0) {
        let expected = if positive {
            "a positive value"
        } else {
            "zero or more"
        };
        return Err(Error::invalid(
            key,
            format!("\"{}\"", parameter.value),
            expected,
        ));
    }
    if *name == "coupling_correlation" && si > 1.0 {
        let value = format!("\"{}\"", parameter.value);
        return Err(Error::invalid(key, value, "a number from 0 to 1"));
    }
    Ok(si)
}

impl Card {
    /// Parses and checks a card.
    ///
    /// # Errors
    /// TOML that is not a card; an unknown parameter (with the nearest known one), a wrong unit, an unknown label, a
    /// value out of range, or a required parameter missing.
    pub fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|e| {
            let line = e
                .span()
                .map_or(1, |s| text[..s.start].lines().count().max(1));
            let reason = e.message().lines().next().unwrap_or_default().to_owned();
            Error::invalid(format!("line {line}"), reason, "a model card")
        })?;
        let mut card = Card {
            name: file.name,
            title: file.title,
            kind: file.kind,
            unstated: file.unstated,
            topology: Topology::AllToAll,
            parameters: BTreeMap::new(),
            corners: BTreeMap::new(),
            components: file.components,
            datasheet: file.datasheet,
            toml: text.to_owned(),
        };
        let blocks = [
            ("physics", file.physics),
            ("limits", file.limits),
            ("nonidealities", file.nonidealities),
            ("readout", file.readout),
            ("costs", file.costs),
        ];
        for (block, parameters) in blocks {
            for (name, parameter) in parameters {
                let key = format!("{block}.{name}");
                card.put(&key, parameter)?;
            }
        }
        for (corner, parameters) in file.corners {
            let at = |key: &str| format!("corners.{corner}.{key}");
            if !CORNERS.contains(&corner.as_str()) {
                let expected = format!("one of {}", CORNERS.join(", "));
                return Err(Error::invalid("corners", format!("\"{corner}\""), expected));
            }
            let mut checked = BTreeMap::new();
            for (key, mut parameter) in parameters {
                parameter.si =
                    si(&key, &parameter).map_err(|e| e.under(&format!("corners.{corner}")))?;
                if !card.parameters.contains_key(&key) {
                    let expected = "a parameter that the card has";
                    return Err(Error::invalid(at(&key), "another", expected));
                }
                checked.insert(key, parameter);
            }
            card.corners.insert(corner.clone(), checked);
        }
        for (k, claim) in card.datasheet.iter().enumerate() {
            let field = format!("datasheet[{k}]");
            claim.expectation().map_err(|e| e.under(&field))?;
        }
        for (k, name) in card.components.iter().enumerate() {
            let known = SHIPPED.iter().any(|c| c.0 == name);
            if card.kind != Kind::Bag || !known {
                let expected = "names of shipped cards, on a card of kind \"bag\" only";
                return Err(Error::invalid(
                    format!("components[{k}]"),
                    format!("\"{name}\""),
                    expected,
                ));
            }
        }
        let clocked = ["physics.update", "physics.phase", "physics.tau_bias"];
        let stray = clocked
            .iter()
            .find(|key| card.parameters.contains_key(**key));
        if let (Some(key), true) = (stray, card.kind != Kind::Telegraph) {
            let expected = "no such parameter: only two-state elements are clocked";
            let value = format!("\"{}\"", card.parameters[*key].value);
            return Err(Error::invalid(*key, value, expected));
        }
        let required: &[&str] = match card.kind {
            Kind::InjectedNoise => &[
                "physics.capacitance",
                "physics.tau",
                "physics.noise_temperature",
                "physics.temperature",
            ],
            Kind::Telegraph => &["physics.tau", "physics.bias_gain", "physics.temperature"],
            Kind::Capacitive => &[
                "physics.capacitance",
                "physics.resistance",
                "physics.inductance",
                "physics.tau",
                "physics.noise_temperature",
                "physics.temperature",
            ],
            Kind::SelectedModes => &[
                "physics.capacitance",
                "physics.tau",
                "physics.select_tau",
                "physics.noise_temperature",
                "physics.temperature",
            ],
            Kind::Flux => &[
                "physics.critical_current",
                "physics.inductance",
                "physics.capacitance",
                "physics.resistance",
                "physics.tau",
                "physics.temperature",
            ],
            Kind::Bag => &["physics.tau", "physics.round_trip"],
            Kind::GatedStates => &["physics.tau", "physics.bias_gain", "physics.temperature"],
        };
        for key in required.iter().chain(&["readout.sample_period"]) {
            if !card.parameters.contains_key(*key) {
                return Err(Error::invalid(
                    *key,
                    "nothing",
                    "this parameter on the card",
                ));
            }
        }
        card.check_barrier()?;
        card.check_readout()?;
        Ok(card)
    }

    /// Whether a category has as many states as gated elements are known to make.
    fn check_states(&self) -> Result<()> {
        let states = self.get("limits.states");
        match states.filter(|s| s.fract() != 0.0 || !(2.0..=MOST_STATES).contains(s)) {
            Some(states) => {
                let expected = format!("a whole number of states from 2 to {MOST_STATES}");
                Err(Error::invalid("limits.states", states, expected))
            }
            None => Ok(()),
        }
    }

    /// Whether the attempt time and the barrier give the time constant that the card states.
    fn check_barrier(&self) -> Result<()> {
        let stated = (
            self.get("physics.attempt_time"),
            self.get("physics.barrier"),
        );
        let (attempt, barrier) = match stated {
            (Some(attempt), Some(barrier)) => (attempt, barrier),
            (None, None) => return Ok(()),
            _ => {
                let expected = "physics.attempt_time and physics.barrier, or neither";
                return Err(Error::invalid("physics.barrier", "one of two", expected));
            }
        };
        let (tau, wanted) = (self.required("physics.tau"), attempt * barrier.exp());
        if (tau / wanted - 1.0).abs() > 0.01 {
            let expected = format!(
                "attempt_time e^barrier, {}, to within 1 %",
                crate::units::format_si(wanted, "s")
            );
            let value = crate::units::format_si(tau, "s");
            return Err(Error::invalid("physics.tau", value, expected));
        }
        Ok(())
    }

    fn put(&mut self, key: &str, mut parameter: Parameter) -> Result<()> {
        if key == "limits.topology" {
            self.topology = Topology::parse(&parameter.value).map_err(|e| e.at(key))?;
        } else if key == "physics.update" {
            Update::parse(&parameter.value).map_err(|e| e.at(key))?;
        } else {
            parameter.si = si(key, &parameter)?;
        }
        self.parameters.insert(key.to_owned(), parameter);
        self.check_states()
    }

    /// Whether this kind of chip can have its readout's offset, noise and swing.
    ///
    /// # Errors
    /// A comparator without the swing of what it compares, a swing of real variables, any of them where nothing states how
    /// the elements are read.
    pub(super) fn check_readout(&self) -> Result<()> {
        let stated = |name: &str| {
            let key = format!("readout.{name}");
            self.parameters.contains_key(&key).then_some(key)
        };
        let error = || stated("offset").or_else(|| stated("noise"));
        let (wrong, expected) = match self.kind {
            Kind::Telegraph | Kind::GatedStates => (
                error().filter(|_| stated("swing").is_none()),
                "readout.swing beside it: a comparator tells two levels apart",
            ),
            Kind::InjectedNoise | Kind::Capacitive | Kind::SelectedModes => (
                stated("swing"),
                "no such parameter: real variables are converted, not compared",
            ),
            Kind::Flux => (
                error().or_else(|| stated("swing")),
                "no such parameter: a flux cell has no output voltage",
            ),
            Kind::Bag => (
                error().or_else(|| stated("swing")),
                "no such parameter: the elements of a bag have readouts of their own",
            ),
        };
        let Some(key) = wrong else {
            return Ok(());
        };
        let value = format!("\"{}\"", self.parameters[&key].value);
        Err(Error::invalid(key, value, expected))
    }

    /// Replaces a parameter: another design.
    ///
    /// # Errors
    /// An unknown key, or a value of the wrong unit or range.
    pub fn override_parameter(&mut self, key: &str, value: &str) -> Result<()> {
        let parameter = Parameter {
            value: value.to_owned(),
            label: "assumption".to_owned(),
            source: "override in the experiment".to_owned(),
            si: 0.0,
        };
        self.put(key, parameter)
    }

    /// A parameter in SI, when the card states it.
    pub fn get(&self, key: &str) -> Option<f64> {
        self.parameters.get(key).map(|p| p.si)
    }

    /// The parameter in a corner: the corner's value, or the card's.
    pub fn at_corner(&self, corner: Option<&str>, key: &str) -> Option<f64> {
        let moved = corner.and_then(|c| self.corners.get(c)?.get(key));
        moved.map(|p| p.si).or_else(|| self.get(key))
    }

    /// A parameter that [`Card::parse`] has checked to be there; zero otherwise.
    pub(super) fn required(&self, key: &str) -> f64 {
        self.get(key).unwrap_or(0.0)
    }

    /// SHA-256 of the card file, hex.
    pub fn sha256(&self) -> String {
        Sha256::digest(self.toml.as_bytes())
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_card_is_complete() {
        for name in names() {
            let card = card(name).unwrap();
            assert_eq!(card.name, name);
            for (key, parameter) in &card.parameters {
                assert!(!parameter.source.is_empty(), "{name}: {key} has no source");
            }
            assert!(!card.unstated.is_empty());
        }
    }

    #[test]
    fn what_is_wrong_with_a_card_is_said() {
        let good = super::card("soft_spin_cmos").unwrap().toml;
        let message = |from: &str, to: &str| {
            Card::parse(&good.replace(from, to))
                .unwrap_err()
                .to_string()
        };
        assert!(message("10 fF", "10 fs").contains("physics.capacitance"));
        assert!(message("\"10 fF\"", "\"-1 fF\"").contains("positive"));
        assert!(message("tau_sigma", "tau_sgima").contains("nonidealities.tau_sigma"));
        assert!(message("label = \"textbook\"", "label = \"folklore\"").contains("measured"));
        assert!(
            card("nochip")
                .unwrap_err()
                .to_string()
                .contains("soft_spin_cmos")
        );
    }
}
