//! Chip designs: a shipped card with some of its numbers changed.

use crate::error::Result;
use crate::hardware::Die;
use crate::hardware::card::{Card, card, names};
use proptest::prelude::*;
use proptest::sample::Index;

/// A shipped card and what is changed of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// Name of the card.
    pub model: String,
    /// (parameter, value with unit).
    pub overrides: Vec<(String, String)>,
}

impl Design {
    /// The card.
    ///
    /// # Errors
    /// An unknown card, an override that it refuses.
    pub fn card(&self) -> Result<Card> {
        let mut card = card(&self.model)?;
        for (key, value) in &self.overrides {
            card.override_parameter(key, value)?;
        }
        Ok(card)
    }
}

/// Parameters that are no quantities, or tied to the topology.
const FIXED: &[&str] = &["limits.topology", "limits.max_nodes", "physics.update"];
/// Parameters that count.
const COUNTS: &[&str] = &["dac_bits", "adc_bits", "branches", "states", "differential"];

/// "10 fF" times `factor`, in the same unit; counts stay whole and at least 1. `None` for what is no number.
fn scaled(key: &str, value: &str, factor: f64) -> Option<String> {
    let (number, unit) = value.split_once(' ').unwrap_or((value, ""));
    let mut number = number.parse::<f64>().ok()? * factor;
    if COUNTS.iter().any(|name| key.ends_with(name)) {
        number = number.round().max(1.0);
    }
    Some(format!("{number:.6} {unit}").trim_end().to_owned())
}

/// Shipped cards with up to three parameters changed by a factor between ½ and 2, which can be fabricated. They shrink towards
/// the card as it is.
pub fn designs() -> impl Strategy<Value = Design> {
    let change = (any::<Index>(), -1.0..1.0f64);
    let changes = proptest::collection::vec(change, 0..4);
    (proptest::sample::select(names()), changes).prop_filter_map(
        "a design that can be fabricated",
        |(model, changes)| {
            let card = card(model).ok()?;
            let quantities: Vec<(&String, &str)> = card
                .parameters
                .iter()
                .map(|(key, parameter)| (key, parameter.value.as_str()))
                .filter(|(key, value)| {
                    !FIXED.contains(&key.as_str()) && scaled(key, value, 1.0).is_some()
                })
                .collect();
            let mut overrides: Vec<(String, String)> = Vec::new();
            for (index, exponent) in changes {
                let (key, value) = index.get(&quantities);
                if overrides.iter().all(|(taken, _)| taken != *key) {
                    overrides.push(((*key).clone(), scaled(key, value, exponent.exp2())?));
                }
            }
            let design = Design {
                model: model.to_owned(),
                overrides,
            };
            let card = design.card().ok()?;
            Die::fabricate(&card, Some(1), None).ok()?;
            Some(design)
        },
    )
}
