//! What a circuit stores: U = Σ ½CV² + ½ IᵀLI + junction energies, and the charge that its sources have delivered.

use super::assembly::Assembly;
use super::balance::{Role, role};
use super::element::{Element, Terminal};
use crate::dynamics::Wave;
use crate::units::FLUX_QUANTUM;
use nalgebra::{DMatrix, DVector};

/// −(Φ0/2π) I_c cos φ + (Φ0/2π)² (φ − φ_x)²/2L.
#[derive(Clone, Copy, Debug)]
struct Junction {
    /// Row of φ.
    row: usize,
    critical: f64,
    /// (L, φ_x).
    shunt: Option<(f64, f64)>,
}

/// The storing elements.
#[derive(Clone, Debug)]
pub(super) struct Storage {
    /// (a, b, C).
    pub capacitors: Vec<(Terminal, Terminal, f64)>,
    /// (row, row, factor): factor · x x' in J.
    pairs: Vec<(usize, usize, f64)>,
    junctions: Vec<Junction>,
}

impl Storage {
    pub fn new(assembly: &Assembly) -> Self {
        let mut storage = Storage {
            capacitors: Vec::new(),
            pairs: Vec::new(),
            junctions: Vec::new(),
        };
        let row = |index: usize| assembly.rows.of_element[&index];
        let scale = |index: usize| assembly.rows.all[row(index)].scale;
        for (index, element) in assembly.circuit().elements.iter().enumerate() {
            match element {
                Element::Capacitor { a, b, farads } => storage.capacitors.push((*a, *b, *farads)),
                Element::Inductor { henries, .. } => {
                    let factor = 0.5 * henries * scale(index).powi(2);
                    storage.pairs.push((row(index), row(index), factor));
                }
                Element::Mutual {
                    first,
                    second,
                    henries,
                } => {
                    let factor = henries * scale(*first) * scale(*second);
                    storage.pairs.push((row(*first), row(*second), factor));
                }
                Element::Josephson {
                    critical, shunt, ..
                } => storage.junctions.push(Junction {
                    row: row(index),
                    critical: *critical,
                    shunt: *shunt,
                }),
                _ => {}
            }
        }
        storage
    }

    /// U in the state `x` of the process at its time `t`, J.
    pub fn energy(&self, assembly: &Assembly, x: &[f64], t: f64) -> f64 {
        let volts = |terminal: Terminal| terminal.map_or(0.0, |i| assembly.voltage(i, x, t));
        let electric = self.capacitors.iter().map(|&(a, b, farads)| {
            let across = volts(a) - volts(b);
            0.5 * farads * across * across
        });
        let magnetic = self.pairs.iter().map(|&(i, j, k)| k * x[i] * x[j]);
        let quantum = FLUX_QUANTUM / std::f64::consts::TAU;
        let junctions = self.junctions.iter().map(|j| {
            let phase = x[j.row];
            let coil = j.shunt.map_or(0.0, |(henries, bias)| {
                (quantum * (phase - bias)).powi(2) / (2.0 * henries)
            });
            coil - quantum * j.critical * phase.cos()
        });
        electric.sum::<f64>() + magnetic.sum::<f64>() + junctions.sum::<f64>()
    }
}

/// A voltage source's wave and the capacitors (by their order, with sign) whose charge is what the source has delivered.
pub(super) type Delivered = (usize, Vec<(usize, f64)>);

impl Storage {
    /// Charge that a source has delivered when the nodes are at `volts`.
    pub fn delivered(&self, plates: &[(usize, f64)], volts: &[f64]) -> f64 {
        let at = |terminal: Terminal| terminal.map_or(0.0, |i| volts[i]);
        let charges = plates.iter().map(|&(k, sign)| {
            let (a, b, farads) = self.capacitors[k];
            sign * farads * (at(a) - at(b))
        });
        charges.sum()
    }

    /// The least H = U − Σ_k V_k q_k over all states at time `t`, J: at equilibrium the free energy, but for a constant (H
    /// is quadratic). `None` with junctions.
    pub fn least_enthalpy(
        &self,
        assembly: &Assembly,
        sources: &[Delivered],
        t: f64,
    ) -> Option<f64> {
        if !self.junctions.is_empty() {
            return None;
        }
        let process = assembly.process();
        let n = process.nodes;
        let h = |x: &[f64]| {
            let nodes = 0..assembly.circuit().nodes();
            let volts: Vec<f64> = nodes.map(|i| assembly.voltage(i, x, t)).collect();
            let held = sources.iter().map(|(wave, plates)| {
                let source = process.waves[*wave].at(t) * assembly.voltage_unit();
                source * self.delivered(plates, &volts)
            });
            self.energy(assembly, x, t) - held.sum::<f64>()
        };
        let point = |entries: &[usize]| {
            let mut x = vec![0.0; n];
            entries.iter().for_each(|&i| x[i] += 1.0);
            h(&x)
        };
        let rest = point(&[]);
        let single: Vec<f64> = (0..n).map(|i| point(&[i])).collect();
        let hessian = DMatrix::from_fn(n, n, |i, j| point(&[i, j]) - single[i] - single[j] + rest);
        let slope = DVector::from_fn(n, |i, _| single[i] - rest - 0.5 * hessian[(i, i)]);
        // Rows without energy (states of sources) have none to lose.
        let energetic: Vec<usize> = (0..n).filter(|&i| hessian[(i, i)] > 0.0).collect();
        let hessian = hessian.select_rows(&energetic).select_columns(&energetic);
        let slope = slope.select_rows(&energetic);
        let best = hessian.cholesky()?.solve(&slope);
        Some(rest - 0.5 * slope.dot(&best))
    }
}

/// The temperature at which a circuit has an equilibrium while its voltage sources stand still, and what each source has
/// delivered as a function of state; or why there is no such equilibrium.
///
/// Without a source, what conducts falls into a side of its plus end and a side of its minus end; the charge that passed
/// it sits on the capacitors between the two. If something else conducts between them, a steady current flows.
pub(super) fn equilibrium(
    assembly: &Assembly,
    sources: &[(usize, usize)],
) -> Result<(f64, Vec<Delivered>), String> {
    let circuit = assembly.circuit();
    let mut shared: Option<f64> = None;
    for (index, element) in circuit.elements.iter().enumerate() {
        let name = || circuit.name_of(index);
        let idle = match element {
            Element::Drive { wave, .. } => *wave == Wave::Constant(0.0),
            Element::Current { amperes, .. } => *amperes == 0.0,
            Element::Voltage { .. } => true,
            _ => false,
        };
        match role(element) {
            Some(Role::Bath(kelvins)) if *shared.get_or_insert(kelvins) != kelvins => {
                return Err(format!("\"{}\" has a temperature of its own", name()));
            }
            Some(Role::Active) => {
                return Err(format!("\"{}\" has a supply of its own", name()));
            }
            Some(Role::Source) if !idle => {
                return Err(format!("\"{}\" drives a current", name()));
            }
            _ => {}
        }
    }
    let Some(kelvins) = shared.filter(|&kelvins| kelvins > 0.0) else {
        return Err("no element has noise".to_owned());
    };
    let mut delivered = Vec::new();
    for &(source, wave) in sources {
        let Element::Voltage {
            plus,
            minus,
            wave: law,
        } = &circuit.elements[source]
        else {
            continue;
        };
        if *law == Wave::Constant(0.0) {
            continue;
        }
        let mut side = vec![*plus];
        let mut next = 0;
        while next < side.len() {
            let here = side[next];
            next += 1;
            for (index, element) in circuit.elements.iter().enumerate() {
                let Some([a, b]) = conducts(element).filter(|_| index != source) else {
                    continue;
                };
                for (from, to) in [(a, b), (b, a)] {
                    if from == here && !side.contains(&to) {
                        side.push(to);
                    }
                }
            }
        }
        if side.contains(minus) {
            let name = circuit.name_of(source);
            return Err(format!("\"{name}\" can drive a steady current"));
        }
        let capacitors = circuit.elements.iter().filter_map(|element| match element {
            Element::Capacitor { a, b, .. } => Some([*a, *b]),
            _ => None,
        });
        let plates = capacitors.enumerate().filter_map(|(k, ends)| {
            match ends.map(|end| side.contains(&end)) {
                [true, false] => Some((k, 1.0)),
                [false, true] => Some((k, -1.0)),
                _ => None,
            }
        });
        delivered.push((wave, plates.collect()));
    }
    Ok((kelvins, delivered))
}

/// The ends between which an element can carry a steady current.
fn conducts(element: &Element) -> Option<[Terminal; 2]> {
    match element {
        Element::Resistor { a, b, .. } | Element::Inductor { a, b, .. } => Some([*a, *b]),
        Element::Voltage { plus, minus, .. } => Some([*plus, *minus]),
        Element::Drive { path, .. }
        | Element::Controlled { path, .. }
        | Element::Coloured { path, .. }
        | Element::Telegraph { path, .. }
        | Element::Josephson { path, .. } => Some(*path),
        Element::Nonlinear(element) => Some(element.path),
        Element::Transistor(t) => Some([t.drain, t.source]),
        Element::Transconductor { into, .. } => Some([Some(*into), None]),
        Element::Polynomial { node, .. }
        | Element::Current { node, .. }
        | Element::Noise { node, .. } => Some([Some(*node), None]),
        Element::Capacitor { .. } | Element::Mutual { .. } => None,
    }
}
