//! Meters: the charge that passes each element during one step of a trajectory, its noise included.

use super::assembly::Assembly;
use super::element::{Element, Terminal};
use crate::dynamics::linear as theory;
use crate::dynamics::{Branch, BranchNoise, Calculus, Flux, Law, Noise, Process};

/// A current, in A, as a function of state and time.
#[derive(Clone, Debug)]
enum Flow {
    /// Branch `.0` of the process, with its response to its own noise.
    Branch(usize, f64),
    /// g (V_a − V_b).
    Conductance(f64, [Terminal; 2]),
    /// Σ c_k V^k.
    Polynomial(Vec<f64>, usize),
    /// The state of a row times a factor, plus a constant.
    Row(usize, f64, f64),
    /// A wave of the process, in A.
    Wave(usize),
    /// A constant.
    Constant(f64),
}

/// Measures the charge through one path of an element; for the series resistance of an inductor the flux ∫ V dt.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    pub element: usize,
    /// From the first terminal through the element to the second; `None`: the series resistance of an inductor.
    pub path: Option<[Terminal; 2]>,
    /// Row of the normals and the sign with which the noise runs along the path.
    pub noise: Option<(usize, f64)>,
    /// Whether what passes is stored: the current of an inductor or of a junction's loop.
    pub stores: bool,
    /// (row, force of the process per A along the path; for a series resistance: per V).
    pub forces: Vec<(usize, f64)>,
    /// (row, V or A per unit) of the voltage across the path, or of the current of an inductor.
    rows: Vec<(usize, f64)>,
    /// Two-sided density of additive noise (A²·s; V²·s); branches know theirs.
    density: f64,
    flow: Flow,
}

impl Meter {
    /// The process of `assembly` with a row of normals for every source of noise, and meters on all its elements.
    pub fn all(assembly: &Assembly) -> (Process, Vec<Self>) {
        let mut process = assembly.process().clone();
        let n = process.nodes;
        process.noise = Noise::Diagonal(vec![0.0; n]);
        let mut meters = Vec::new();
        let mut rows = n..;
        let mut next = || rows.next().unwrap_or(usize::MAX);
        for (k, (element, path)) in assembly.branch_paths().into_iter().enumerate() {
            let branch = &assembly.process().branches[k];
            let response = theory::self_response(assembly.process(), branch, |_| true);
            meters.push(Meter {
                element,
                path: Some(path),
                noise: branch.noise.map(|_| (next(), 1.0)),
                stores: false,
                forces: assembly.outputs(path, 1.0),
                rows: across(assembly, path),
                density: 0.0,
                flow: Flow::Branch(k, response),
            });
        }
        let mut drives = wave_of_drives(assembly);
        for (index, element) in assembly.circuit().elements.iter().enumerate() {
            if let Element::Inductor { a, b, .. } = element {
                let row = assembly.rows.of_element[&index];
                meters.push(Meter {
                    element: index,
                    path: Some([*a, *b]),
                    noise: None,
                    stores: true,
                    forces: Vec::new(),
                    rows: Vec::new(),
                    density: 0.0,
                    flow: Flow::Row(row, assembly.rows.all[row].scale, 0.0),
                });
            }
            let Some((path, flow)) = flow(assembly, index, element, &mut drives) else {
                continue;
            };
            let (density, ends) = assembly.additive_noise(index, element);
            let noise = (density > 0.0).then(|| {
                process.branches.push(generator(assembly, density, ends));
                (next(), noise_sign(element))
            });
            let (rows, forces) = match (path, &flow) {
                (Some(path), _) => (across(assembly, path), assembly.outputs(path, 1.0)),
                (None, Flow::Row(row, ..)) => (
                    vec![(*row, assembly.rows.all[*row].scale)],
                    vec![(*row, -assembly.flow_unit(*row))],
                ),
                (None, _) => (Vec::new(), Vec::new()),
            };
            meters.push(Meter {
                element: index,
                path,
                noise,
                stores: false,
                forces,
                rows,
                density,
                flow,
            });
        }
        (process, meters)
    }

    /// What the noise ξ of a step of `seconds` carried along the path: C (for a series resistance: V·s), at the mean of its
    /// amplitudes at both ends.
    pub fn noise_charge(
        &self,
        assembly: &Assembly,
        ends: [(&[f64], f64); 2],
        seconds: f64,
        xi: f64,
    ) -> f64 {
        let Some((_, sign)) = self.noise else {
            return 0.0;
        };
        let amplitude = match self.flow {
            Flow::Branch(k, _) => {
                let process = assembly.process();
                let branch = &process.branches[k];
                let root = ends.map(|(x, t)| theory::density(process, branch, x, t).sqrt());
                // The process's density is per unit of its own time.
                0.5 * (root[0] + root[1]) * assembly.time_unit().sqrt()
            }
            _ => self.density.sqrt(),
        };
        sign * amplitude * seconds.sqrt() * xi
    }

    /// V across the path (for a series resistance: the current through it) as far as the state `x` sets it.
    pub fn over(&self, x: &[f64]) -> f64 {
        self.rows.iter().map(|&(row, w)| w * x[row]).sum()
    }

    /// The current along the path at (x, t), read in Stratonovich's calculus, A (for a series resistance: the voltage).
    pub fn current(&self, assembly: &Assembly, x: &[f64], t: f64) -> f64 {
        let process = assembly.process();
        let volts = |terminal: Terminal| terminal.map_or(0.0, |i| assembly.voltage(i, x, t));
        match &self.flow {
            Flow::Branch(k, response) => {
                theory::stratonovich_force(process, &process.branches[*k], (x, t), *response)
            }
            Flow::Conductance(g, [a, b]) => g * (volts(*a) - volts(*b)),
            Flow::Polynomial(c, node) => {
                let v = volts(Some(*node));
                c.iter().rev().fold(0.0, |sum, c| sum * v + c)
            }
            Flow::Row(row, factor, constant) => factor * x[*row] + constant,
            Flow::Wave(wave) => process.waves[*wave].at(t),
            Flow::Constant(amperes) => *amperes,
        }
    }
}

/// A branch that is nothing but white noise of two-sided `density` (SI) into one row and out of another.
fn generator(assembly: &Assembly, density: f64, ends: [Option<usize>; 2]) -> Branch {
    let mut output: Vec<(usize, f64)> = Vec::new();
    if ends[0] != ends[1] {
        for (row, sign) in [(ends[0], 1.0), (ends[1], -1.0)] {
            output.extend(row.map(|row| (row, sign * assembly.flow_unit(row))));
        }
    }
    Branch {
        input: Vec::new(),
        waves: Vec::new(),
        offset: 0.0,
        output,
        amplitude: 1.0,
        law: Law::Polynomial(vec![0.0]),
        gate: None,
        noise: Some(BranchNoise {
            strength: density / assembly.time_unit(),
            flux: Flux::Constant,
            calculus: Calculus::Ito,
        }),
    }
}

/// V_a − V_b in terms of the rows.
fn across(assembly: &Assembly, [a, b]: [Terminal; 2]) -> Vec<(usize, f64)> {
    let unit = assembly.voltage_unit();
    let ends = [(assembly.place(a).0, unit), (assembly.place(b).0, -unit)];
    ends.into_iter()
        .filter_map(|(row, w)| Some((row?, w)))
        .collect()
}

/// Waves of the current sources: they follow the voltage sources' in the order of the netlist.
fn wave_of_drives(assembly: &Assembly) -> std::ops::RangeFrom<usize> {
    let elements = assembly.circuit().elements.iter();
    elements
        .filter(|e| matches!(e, Element::Voltage { .. }))
        .count()..
}

/// +1 where an element's additive noise runs along its path, −1 where it enters the path's first terminal.
fn noise_sign(element: &Element) -> f64 {
    match element {
        Element::Resistor { .. } | Element::Polynomial { .. } | Element::Inductor { .. } => -1.0,
        _ => 1.0,
    }
}

/// Path and current of an element that is not a branch of the process, a capacitor or a voltage source.
fn flow(
    assembly: &Assembly,
    index: usize,
    element: &Element,
    drives: &mut std::ops::RangeFrom<usize>,
) -> Option<(Option<[Terminal; 2]>, Flow)> {
    let row = || assembly.rows.of_element[&index];
    Some(match element {
        Element::Resistor {
            a, b, conductance, ..
        } => (Some([*a, *b]), Flow::Conductance(*conductance, [*a, *b])),
        Element::Transconductor {
            from,
            into,
            conductance,
            ..
        } => (
            Some([None, Some(*into)]),
            Flow::Conductance(*conductance, [Some(*from), None]),
        ),
        Element::Controlled {
            control,
            path,
            conductance,
            ..
        } => (Some(*path), Flow::Conductance(*conductance, *control)),
        Element::Polynomial {
            node, coefficients, ..
        } => (
            Some([Some(*node), None]),
            Flow::Polynomial(coefficients.clone(), *node),
        ),
        Element::Current { node, amperes } => (Some([None, Some(*node)]), Flow::Constant(*amperes)),
        Element::Drive { path, .. } => (Some(*path), Flow::Wave(drives.next()?)),
        Element::Noise { node, .. } => (Some([None, Some(*node)]), Flow::Constant(0.0)),
        Element::Coloured { path, amperes, .. } => (Some(*path), Flow::Row(row(), *amperes, 0.0)),
        Element::Josephson {
            path,
            shunt: Some((henries, flux)),
            ..
        } => {
            let per_weber = std::f64::consts::TAU / crate::units::FLUX_QUANTUM;
            let slope = 1.0 / (per_weber * henries);
            (Some(*path), Flow::Row(row(), slope, -slope * flux))
        }
        Element::Inductor { series, .. } if *series > 0.0 => {
            let scale = assembly.rows.all[row()].scale;
            (None, Flow::Row(row(), series * scale, 0.0))
        }
        _ => return None,
    })
}
