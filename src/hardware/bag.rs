//! Chips that are a bag of separate elements behind a host: which element holds an energy, and on what terms.
//!
//! Modes, mixtures and categories run alone, on the element that has them; factors of several variables are the host's
//! (`hosted`). Coupled spins go through the host: it reads the
//! p-bits of one colour, computes the inputs of the next and writes them, one round trip per colour (block Gibbs whose draws
//! are the p-bits'; a p-bit that flips much faster than the round trip forgets its old value).

use super::card::{Card, Kind, card};
use super::die::Die;
use crate::energy::{ContinuousEnergy, Model};
use crate::error::{Error, Result};

/// Parameters of the bag that stand in for the element's own.
const OWN: &[&str] = &[
    "readout.sample_period",
    "readout.frame_time",
    "readout.latency",
    "nonidealities.offset",
    "limits.max_nodes",
];

/// The die of the element that holds `model`.
///
/// # Errors
/// No element that does; coupled real variables.
pub(super) fn element(die: &Die, model: &Model) -> Result<Die> {
    let bag = &die.card;
    let kind = match model {
        Model::Ising(_) => Kind::Telegraph,
        Model::Mixture(_) => Kind::SelectedModes,
        Model::Factors(_) => Kind::GatedStates,
        Model::Quadratic(_) | Model::SoftSpin(_) => Kind::InjectedNoise,
        Model::FluxCells(_) => Kind::Flux,
    };
    let coupled = model
        .continuous()
        .and_then(ContinuousEnergy::pairwise)
        .is_some_and(|e| !e.couplings.edges().is_empty());
    if coupled {
        let value = format!("\"{}\" for coupled real variables", bag.name);
        let expected = "a chip that couples them, e.g. \"rc_gaussian\": here elements are separate, and a host cannot \
                        follow their currents";
        return Err(Error::invalid("hardware.model", value, expected));
    }
    part(die, kind)?.ok_or_else(|| {
        let value = format!("\"{}\" for this energy", bag.name);
        let expected = format!("an energy of its elements: {}", bag.components.join(", "));
        Error::invalid("hardware.model", value, expected)
    })
}

/// The die of the bag's elements of one kind, if it has any.
///
/// # Errors
/// An element that cannot have the bag's parameters.
pub(super) fn part(die: &Die, kind: Kind) -> Result<Option<Die>> {
    let bag = &die.card;
    let held = |name: &String| card(name).ok().filter(|c| c.kind == kind);
    let Some(mut element) = bag.components.iter().find_map(held) else {
        return Ok(None);
    };
    for key in OWN {
        adopt(&mut element, bag, key, key);
    }
    if kind == Kind::Telegraph {
        // The host sets the clock; there are no wires to settle.
        element.override_parameter("physics.update", "colour-by-colour")?;
        adopt(&mut element, bag, "physics.round_trip", "physics.phase");
        element.parameters.remove("nonidealities.synapse");
    }
    let mut found = die.clone();
    found.card = element;
    Ok(Some(found))
}

/// Takes a parameter of the bag over into the element, label and source included.
fn adopt(element: &mut Card, bag: &Card, from: &str, to: &str) {
    if let Some(parameter) = bag.parameters.get(from) {
        element.parameters.insert(to.to_owned(), parameter.clone());
    }
}
