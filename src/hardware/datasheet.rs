//! What a card claims about itself, and what such claims can be about.
//!
//! A claim names a quantity of [`QUANTITIES`], its value, how near a simulation must come, and where the number is from:
//!
//! ```toml
//! [[datasheet]]
//! claim = "correlation time of an unbiased p-bit"
//! quantity = "relaxation_time"
//! expected = "100 ns"
//! tolerance = "3 %"
//! label = "measured"
//! source = "arXiv 2510.23972"
//! ```

use super::card::{LABELS, nearest};
use crate::error::{Error, Result};
use crate::units::{Dimension, parse};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A quantity that a claim can be about.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    /// Name in card files.
    pub name: &'static str,
    /// What it measures.
    pub dimension: Dimension,
    /// Conditions that the claim's `at` can state.
    pub conditions: &'static [(&'static str, Dimension)],
    /// In one line.
    pub what: &'static str,
}

const fn quantity(
    name: &'static str,
    dimension: Dimension,
    conditions: &'static [(&'static str, Dimension)],
    what: &'static str,
) -> Quantity {
    Quantity {
        name,
        dimension,
        conditions,
        what,
    }
}

/// All of them.
pub const QUANTITIES: &[Quantity] = &[
    quantity(
        "relaxation_time",
        Dimension::Time,
        &[("bias", Dimension::Number)],
        "t/ln(1/ρ(t)) of one node at t = τ, ρ its autocorrelation; real nodes in E = x²/2",
    ),
    quantity(
        "noise_voltage",
        Dimension::Voltage,
        &[],
        "rms voltage of one node in E = x²/2",
    ),
    quantity(
        "effective_temperature",
        Dimension::Number,
        &[],
        "⟨x·∇E⟩/n of a Gaussian with correlations (real nodes), 1/β by pseudo-likelihood (spins)",
    ),
    quantity(
        "correlation",
        Dimension::Number,
        &[("coupling", Dimension::Number)],
        "⟨x_0 x_1⟩ of two coupled nodes: E = (x_0² + x_1²)/2 − J x_0 x_1, or spins with coupling J",
    ),
    quantity(
        "cell_mean",
        Dimension::Number,
        &[
            ("j2", Dimension::Number),
            ("j4", Dimension::Number),
            ("bias", Dimension::Number),
        ],
        "⟨x⟩ of E = j2 x² + j4 x⁴ − b x",
    ),
    quantity(
        "cell_variance",
        Dimension::Number,
        &[
            ("j2", Dimension::Number),
            ("j4", Dimension::Number),
            ("bias", Dimension::Number),
        ],
        "variance of x for E = j2 x² + j4 x⁴ − b x",
    ),
    quantity(
        "probability",
        Dimension::Number,
        &[("bias", Dimension::Voltage)],
        "P(+1) of one p-bit at a bias voltage",
    ),
    quantity(
        "bias_response",
        Dimension::Number,
        &[("bias", Dimension::Voltage)],
        "logit of P(+1) per millivolt of bias",
    ),
    quantity(
        "probability_residual",
        Dimension::Number,
        &[],
        "rms of P(+1) − 1/2 over the sites of many dice, nothing programmed",
    ),
    quantity(
        "raw_per_effective_bit",
        Dimension::Number,
        &[],
        "(1 + ρ)/(1 − ρ) for bits taken every τ",
    ),
    quantity(
        "array_correlation",
        Dimension::Number,
        &[
            ("nodes", Dimension::Number),
            ("coupling", Dimension::Number),
            ("lag", Dimension::Time),
        ],
        "autocorrelation of the magnetisation of a ring (a row where the topology has no ring) with coupling J, a lag apart",
    ),
    quantity(
        "offset_spread",
        Dimension::Voltage,
        &[],
        "rms over sites of dice of the mean voltage of nodes in E = x²/2",
    ),
    quantity(
        "noise_spread",
        Dimension::Number,
        &[],
        "rms over sites of dice of the relative difference of a node's ⟨x²⟩ from their mean, E = x²/2",
    ),
    quantity(
        "category_probability",
        Dimension::Number,
        &[
            ("state", Dimension::Number),
            ("logits_step", Dimension::Number),
        ],
        "probability of a state when the logits rise by a step from state to state",
    ),
    quantity(
        "mixture_mean",
        Dimension::Number,
        &[],
        "mean of the demonstration mixture",
    ),
    quantity(
        "mixture_variance",
        Dimension::Number,
        &[],
        "variance of the demonstration mixture",
    ),
    quantity(
        "resonance",
        Dimension::Frequency,
        &[],
        "frequency at which an undriven cell rings",
    ),
    quantity(
        "quality_factor",
        Dimension::Number,
        &[],
        "|λ|/2Re λ of a cell's slowest mode",
    ),
    quantity(
        "barrier",
        Dimension::Temperature,
        &[],
        "energy barrier between the wells of a flux cell at half a flux quantum, over k",
    ),
    quantity(
        "well",
        Dimension::Number,
        &[],
        "distance of a well from the barrier in radians of phase",
    ),
    quantity(
        "well_occupation",
        Dimension::Number,
        &[("flux", Dimension::Number)],
        "P(φ > π) of a flux cell, flux in quanta beyond one half",
    ),
    quantity(
        "node_count",
        Dimension::Number,
        &[],
        "nodes of the topology",
    ),
    quantity(
        "edge_count",
        Dimension::Number,
        &[],
        "pairs that the topology joins",
    ),
    quantity(
        "wire_capacitance",
        Dimension::Capacitance,
        &[],
        "of the wires to a node's neighbours: 4 c Σ√(a² + b²), c that of one pitch",
    ),
    quantity(
        "wire_energy",
        Dimension::Energy,
        &[("swing", Dimension::Voltage)],
        "½CV² of those wires at a swing, the card's where none is given",
    ),
    quantity(
        "sample_rate",
        Dimension::Frequency,
        &[],
        "one over the sample period",
    ),
    quantity(
        "sample_energy",
        Dimension::Energy,
        &[
            ("nodes", Dimension::Number),
            ("samples", Dimension::Number),
            ("chains", Dimension::Number),
        ],
        "sampling energy that a run of free elements is billed",
    ),
    quantity(
        "read_energy",
        Dimension::Energy,
        &[("nodes", Dimension::Number), ("reads", Dimension::Number)],
        "reading energy that a run of free elements is billed",
    ),
    quantity(
        "write_energy",
        Dimension::Energy,
        &[("nodes", Dimension::Number)],
        "energy that writing so many nodes is billed",
    ),
    quantity(
        "read_time",
        Dimension::Time,
        &[("frames", Dimension::Number)],
        "device time of reading so many frames of one element",
    ),
    quantity(
        "sweep_time",
        Dimension::Time,
        &[("nodes", Dimension::Number)],
        "time of one sweep of a ring of so many spins under the chip's clock",
    ),
];

/// One claim of a card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// In words.
    pub claim: String,
    /// One of [`QUANTITIES`].
    pub quantity: String,
    /// Value with unit.
    pub expected: String,
    /// How near a measurement must come: a share of the value ("5 %"), or an absolute number with the value's unit.
    pub tolerance: String,
    /// Conditions.
    #[serde(default)]
    pub at: BTreeMap<String, String>,
    /// One of [`LABELS`].
    pub label: String,
    /// Where it comes from.
    pub source: String,
}

/// A claim's numbers in SI.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// Value.
    pub value: f64,
    /// Largest difference that is still what was claimed.
    pub tolerance: f64,
    /// Conditions.
    pub at: BTreeMap<String, f64>,
}

impl Claim {
    /// The quantity.
    ///
    /// # Errors
    /// An unknown name.
    pub fn quantity(&self) -> Result<&'static Quantity> {
        let found = QUANTITIES.iter().find(|q| q.name == self.quantity);
        found.ok_or_else(|| {
            let names = QUANTITIES.iter().map(|q| q.name);
            let expected = match nearest(&self.quantity, names) {
                Some(name) => format!("a quantity that can be verified, perhaps {name}"),
                None => "a quantity that can be verified".to_owned(),
            };
            Error::invalid("quantity", format!("\"{}\"", self.quantity), expected)
        })
    }

    /// Its numbers.
    ///
    /// # Errors
    /// An unknown quantity, label or condition, or a number of the wrong unit.
    pub fn expectation(&self) -> Result<Expectation> {
        if !LABELS.contains(&self.label.as_str()) {
            let expected = format!("one of {}", LABELS.join(", "));
            return Err(Error::invalid(
                "label",
                format!("\"{}\"", self.label),
                expected,
            ));
        }
        let quantity = self.quantity()?;
        let value = parse(&self.expected, quantity.dimension).map_err(|e| e.at("expected"))?;
        let share = self.tolerance.trim().ends_with('%');
        let tolerance = if share {
            value.abs()
                * parse(&self.tolerance, Dimension::Number).map_err(|e| e.at("tolerance"))?
        } else {
            parse(&self.tolerance, quantity.dimension).map_err(|e| e.at("tolerance"))?
        };
        if tolerance < 0.0 {
            let value = format!("\"{}\"", self.tolerance);
            return Err(Error::invalid("tolerance", value, "zero or more"));
        }
        let mut at = BTreeMap::new();
        for (key, text) in &self.at {
            let known = quantity.conditions.iter().find(|c| c.0 == key);
            let Some((_, dimension)) = known else {
                let names: Vec<&str> = quantity.conditions.iter().map(|c| c.0).collect();
                let expected = match names[..] {
                    [] => format!("no conditions for {}", quantity.name),
                    _ => format!("conditions of {}: {}", quantity.name, names.join(", ")),
                };
                return Err(Error::invalid("at", format!("\"{key}\""), expected));
            };
            let value = parse(text, *dimension).map_err(|e| e.at(&format!("at.{key}")))?;
            at.insert(key.clone(), value);
        }
        Ok(Expectation {
            value,
            tolerance,
            at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(quantity: &str, expected: &str, tolerance: &str) -> Claim {
        Claim {
            claim: "c".to_owned(),
            quantity: quantity.to_owned(),
            expected: expected.to_owned(),
            tolerance: tolerance.to_owned(),
            at: BTreeMap::new(),
            label: "measured".to_owned(),
            source: "s".to_owned(),
        }
    }

    #[test]
    fn tolerances_are_shares_or_absolute() {
        let share = claim("relaxation_time", "100 ns", "5 %").expectation();
        assert!((share.unwrap().tolerance - 5e-9).abs() < 1e-20);
        let absolute = claim("relaxation_time", "100 ns", "2 ns").expectation();
        assert!((absolute.unwrap().tolerance - 2e-9).abs() < 1e-20);
    }

    #[test]
    fn what_is_wrong_with_a_claim_is_said() {
        let message = |c: &Claim| c.expectation().unwrap_err().to_string();
        assert!(message(&claim("relaxation_tme", "1 s", "1 %")).contains("relaxation_time"));
        assert!(message(&claim("relaxation_time", "1 V", "1 %")).contains("expected"));
        let mut conditioned = claim("relaxation_time", "1 s", "1 %");
        conditioned.at.insert("flux".to_owned(), "1".to_owned());
        assert!(message(&conditioned).contains("bias"));
        conditioned.label = "folklore".to_owned();
        assert!(message(&conditioned).contains("label"));
    }
}
