//! Elimination of voltage sources: every node is a free node plus a sum of source waveforms, or waveforms alone.

use super::element::{Element, Terminal};
use super::netlist::Circuit;
use crate::error::{Error, Result};

/// Where a node's voltage comes from: V = V(root) + Σ weight · wave(t); without a root, from the sources alone.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    pub root: Option<usize>,
    /// (index of the wave, +1 or −1).
    pub waves: Vec<(usize, f64)>,
}

/// The places of all nodes; waves are numbered as voltage sources come in the netlist.
///
/// # Errors
/// Voltage sources in a loop.
pub(super) fn places(circuit: &Circuit) -> Result<Vec<Place>> {
    let n = circuit.nodes();
    if !circuit.kinds.voltage_sources {
        let own = |node| Place {
            root: Some(node),
            waves: Vec::new(),
        };
        return Ok((0..n).map(own).collect());
    }
    let sources: Vec<(usize, Terminal, Terminal)> = circuit
        .elements
        .iter()
        .enumerate()
        .filter_map(|(k, element)| match element {
            Element::Voltage { plus, minus, .. } => Some((k, *plus, *minus)),
            _ => None,
        })
        .collect();
    let mut places: Vec<Option<Place>> = vec![None; n];
    // Trees of sources grow from ground first, then from whatever node is left.
    let mut used = vec![false; sources.len()];
    for start in std::iter::once(None).chain((0..n).map(Some)) {
        if let Some(node) = start {
            if places[node].is_some() {
                continue;
            }
            places[node] = Some(Place {
                root: Some(node),
                waves: Vec::new(),
            });
        }
        let mut reached = vec![start];
        while let Some(here) = reached.pop() {
            let base = here.map_or(Some(Place::default()), |i| places[i].clone());
            let base = base.unwrap_or_default();
            for (k, &(element, plus, minus)) in sources.iter().enumerate() {
                let (next, sign) = match (plus == here, minus == here) {
                    _ if used[k] => continue,
                    (true, _) => (minus, -1.0),
                    (_, true) => (plus, 1.0),
                    _ => continue,
                };
                used[k] = true;
                let Some(next) = next.filter(|&i| places[i].is_none()) else {
                    let name = circuit.name_of(element);
                    let value = format!("\"{name}\" closes a loop of voltage sources");
                    return Err(Error::invalid("circuit", value, "no such loop"));
                };
                let mut place = base.clone();
                place.waves.push((k, sign));
                places[next] = Some(place);
                reached.push(Some(next));
            }
        }
    }
    Ok(places.into_iter().map(Option::unwrap_or_default).collect())
}
