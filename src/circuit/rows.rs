//! The rows of an assembled circuit: free node voltages, inductor currents, and states of sources; their masses and units.

use super::assembly::Sparse;
use super::element::{Element, Terminal};
use super::netlist::Circuit;
use super::place::Place;
use crate::dynamics::{EnvelopeFactor, Mass};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// What a row of the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// The voltage of this node (by index).
    Node(usize),
    /// The current of this inductor (by element index).
    Current(usize),
    /// The state of a coloured source or the phase of a junction (by element index), of order one.
    State(usize),
}

/// A row with its units.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlatRow {
    pub kind: Row,
    /// SI per unit of the state.
    pub scale: f64,
    /// 1/M in SI, of the diagonal (or of the mean diagonal where M stays).
    inverse_mass: f64,
}

/// All rows of a circuit.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    pub all: Vec<FlatRow>,
    /// Row of each free node (unused for the others).
    pub of_node: Vec<usize>,
    /// Row of each element that has a state.
    pub of_element: BTreeMap<usize, usize>,
    pub time_unit: f64,
}

/// Symmetric SI mass: diagonal and lower off-diagonal entries.
struct Masses {
    diagonal: Vec<f64>,
    below: Vec<(usize, usize, f64)>,
}

impl Masses {
    /// Adds `m` (b bᵀ), b = +1 at a, −1 at b.
    fn add(&mut self, m: f64, a: Option<usize>, b: Option<usize>) {
        if a == b {
            return;
        }
        for row in [a, b].into_iter().flatten() {
            self.diagonal[row] += m;
        }
        if let (Some(a), Some(b)) = (a, b) {
            self.below.push((a.max(b), a.min(b), -m));
        }
    }
}

impl Rows {
    pub fn new(
        circuit: &Circuit,
        places: &[Place],
        voltage_unit: f64,
        time_unit: f64,
    ) -> Result<(Self, Mass)> {
        let mut kinds = Vec::new();
        let mut of_node = vec![usize::MAX; places.len()];
        for (node, place) in places.iter().enumerate() {
            if place.root == Some(node) {
                of_node[node] = kinds.len();
                kinds.push(Row::Node(node));
            }
        }
        let voltages = kinds.len();
        let mut of_element = BTreeMap::new();
        // Nobody looks for what is not there.
        let stateful = match circuit.kinds.stateful {
            true => &circuit.elements[..],
            false => &[],
        };
        for (index, element) in stateful.iter().enumerate() {
            if matches!(element, Element::Inductor { .. }) {
                of_element.insert(index, kinds.len());
                kinds.push(Row::Current(index));
            }
        }
        let currents = kinds.len() - voltages;
        for (index, element) in stateful.iter().enumerate() {
            if matches!(
                element,
                Element::Coloured { .. } | Element::Josephson { .. }
            ) {
                of_element.insert(index, kinds.len());
                kinds.push(Row::State(index));
            }
        }
        let row = |terminal: Terminal| Some(of_node[places[terminal?].root?]);
        let mut masses = Masses {
            diagonal: vec![0.0; kinds.len()],
            below: Vec::new(),
        };
        for (index, element) in circuit.elements.iter().enumerate() {
            match element {
                Element::Capacitor { a, b, farads } => masses.add(*farads, row(*a), row(*b)),
                Element::Inductor { henries, .. } => {
                    masses.diagonal[of_element[&index]] += henries;
                }
                Element::Mutual {
                    first,
                    second,
                    henries,
                } => {
                    let (a, b) = (of_element[first], of_element[second]);
                    masses.below.push((a.max(b), a.min(b), *henries));
                }
                Element::Coloured { .. } | Element::Josephson { .. } => {
                    masses.diagonal[of_element[&index]] = 1.0;
                }
                _ => {}
            }
        }
        if let Some(i) = (0..voltages).find(|&i| masses.diagonal[i] == 0.0) {
            let Row::Node(node) = kinds[i] else {
                unreachable!("the first rows are nodes")
            };
            let value = format!("\"{}\" has no capacitance", circuit.node_names()[node]);
            return Err(Error::invalid("node", value, "a capacitor on every node"));
        }
        let mean = |range: std::ops::Range<usize>| {
            let count = range.len() as f64;
            masses.diagonal[range].iter().sum::<f64>() / count
        };
        let c_unit = if voltages > 0 { mean(0..voltages) } else { 1.0 };
        let l_unit = if currents > 0 {
            mean(voltages..voltages + currents)
        } else {
            1.0
        };
        let joined = !masses.below.is_empty();
        let unit = |row: usize| match kinds[row] {
            Row::Node(_) => (voltage_unit, c_unit),
            Row::Current(_) => (voltage_unit * (c_unit / l_unit).sqrt(), l_unit),
            Row::State(_) => (1.0, 1.0),
        };
        let all: Vec<FlatRow> = (0..kinds.len())
            .map(|row| {
                let (scale, mean) = unit(row);
                let own = if joined { mean } else { masses.diagonal[row] };
                FlatRow {
                    kind: kinds[row],
                    scale,
                    inverse_mass: 1.0 / own,
                }
            })
            .collect();
        let mass = if joined {
            factorise(&masses, &all)?
        } else {
            Mass::Identity
        };
        let rows = Rows {
            all,
            of_node,
            of_element,
            time_unit,
        };
        Ok((rows, mass))
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// 1/M of row `i`, SI.
    pub fn inverse_mass(&self, i: usize) -> f64 {
        self.all[i].inverse_mass
    }

    /// A conductance (or the like) into row `i` from a row of the same scale, times this, is a coefficient of L.
    pub fn rate_unit(&self, i: usize) -> f64 {
        self.time_unit * self.all[i].inverse_mass
    }

    /// A flow (A into nodes, V into inductors) into row `i` times this is a force.
    pub fn flow_unit(&self, i: usize) -> f64 {
        self.time_unit * self.all[i].inverse_mass / self.all[i].scale
    }
}

fn factorise(masses: &Masses, all: &[FlatRow]) -> Result<Mass> {
    let mut lower = Sparse::new(all.len());
    for (i, &m) in masses.diagonal.iter().enumerate() {
        lower.add(i, i, m * all[i].inverse_mass);
    }
    for &(i, j, m) in &masses.below {
        lower.add(i, j, m * all[i].inverse_mass);
    }
    let factor = EnvelopeFactor::new(&lower.into_rows(), false).map_err(|_| {
        Error::invalid(
            "circuit",
            "a group of nodes joined only by coupling capacitors, or inductors coupled too strongly",
            "a capacitor to ground in every such group (C is singular), and coupling factors that one field can have",
        )
    })?;
    Ok(Mass::Factor(factor))
}
