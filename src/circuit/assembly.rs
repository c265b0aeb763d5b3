//! From a netlist to a process, scaled to a voltage unit V_u and a time τ.
//!
//! With v = V/V_u and s = t/τ, Kirchhoff's law C dV = I dt + dQ_noise becomes M dv = F ds + S dW where M = C/C_u,
//! F = I τ/(C_u V_u), SSᵀ = K τ/(C_u V_u)², K = Σ 2kTg bbᵀ, and C_u is the mean diagonal of C. A diagonal C is divided
//! out; otherwise C stays, factorised. Inductor currents are rows of the same kind, L dI = V dt, in units of
//! I_u = V_u √(C_u/L_u); coloured sources and junction phases are rows of order one.

use super::element::{Element, ElementId, Terminal};
use super::netlist::Circuit;
use super::place::{Place, places};
use super::rows::{FlatRow, Row, Rows};
use crate::dynamics::{Drive, EnvelopeFactor, LevelInput, Levels, Linear, Noise, Process, Wave};
use crate::error::{Error, Result};
use crate::units::BOLTZMANN;
use uom::si::electric_current::ampere;
use uom::si::electrical_conductance::siemens;
use uom::si::f64::{ElectricCurrent, ElectricalConductance};

/// Largest all-to-all network kept as a dense matrix when at least a quarter of its pairs are joined.
const DENSE_SHARE: usize = 4;

/// An assembled circuit: the process, and where each element's value sits in it.
#[derive(Clone, Debug)]
pub struct Assembly {
    pub(super) circuit: Circuit,
    pub(super) process: Process,
    pub(super) rows: Rows,
    pub(super) places: Vec<Place>,
    voltage_unit: f64,
}

/// A sparse matrix under construction: what was added to each row, in its order.
#[derive(Clone, Debug)]
pub(super) struct Sparse(Vec<Vec<(usize, f64)>>);

impl Sparse {
    pub fn new(rows: usize) -> Self {
        Sparse(vec![Vec::new(); rows])
    }

    pub fn add(&mut self, row: usize, column: usize, value: f64) {
        self.0[row].push((column, value));
    }

    /// The rows with ascending columns; what was added to one entry is summed in its order.
    pub fn into_rows(mut self) -> Vec<Vec<(usize, f64)>> {
        for row in &mut self.0 {
            if !row.is_sorted_by(|a, b| a.0 < b.0) {
                row.sort_by_key(|e| e.0);
                row.dedup_by(|next, sum| {
                    let same = next.0 == sum.0;
                    sum.1 += if same { next.1 } else { 0.0 };
                    same
                });
                row.shrink_to_fit();
            }
        }
        self.0
    }
}

/// Terms that stamping collects.
pub(super) struct Stamps {
    pub linear: Sparse,
    pub drives: Vec<Drive>,
    /// Sources of current that are not voltage sources, as waves of their own.
    pub waves: Vec<Wave>,
}

impl Circuit {
    /// Assembles the netlist into a process in units of `voltage_unit` (V) and `time_unit` (s).
    ///
    /// # Errors
    /// No nodes, a node without capacitance, coupling capacitors that make C singular, a loop of voltage sources.
    pub fn assemble(&self, voltage_unit: f64, time_unit: f64) -> Result<Assembly> {
        self.clone().into_assembly(voltage_unit, time_unit)
    }

    /// As [`Self::assemble`], without a copy of the netlist.
    ///
    /// # Errors
    /// As [`Self::assemble`].
    pub fn into_assembly(self, voltage_unit: f64, time_unit: f64) -> Result<Assembly> {
        if self.nodes() == 0 {
            return Err(Error::invalid("circuit", "no nodes", "at least one node"));
        }
        let places = places(&self)?;
        let (rows, mass) = Rows::new(&self, &places, voltage_unit, time_unit)?;
        let mut process = Process::still(rows.len());
        process.mass = mass;
        process.rails = self.rails.map(|rail| {
            let limit = |row: &FlatRow| match row.kind {
                Row::Node(_) => rail / voltage_unit,
                _ => f64::MAX,
            };
            rows.all.iter().map(limit).collect()
        });
        let mut assembly = Assembly {
            circuit: self,
            process,
            rows,
            places,
            voltage_unit,
        };
        assembly.fill()?;
        Ok(assembly)
    }
}

impl Assembly {
    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The circuit as it is now.
    pub fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// V_u in volts.
    pub fn voltage_unit(&self) -> f64 {
        self.voltage_unit
    }

    /// τ in seconds.
    pub fn time_unit(&self) -> f64 {
        self.rows.time_unit
    }

    /// What each node of the process stands for.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.rows.all.iter().map(|row| row.kind)
    }

    /// SI units per unit of each row of the process (V, A; 1 for phases and coloured sources).
    pub fn scales(&self) -> Vec<f64> {
        self.rows.all.iter().map(|row| row.scale).collect()
    }

    /// The voltage of node `node` (by index) in volts, in the state `x` of the process at time `t` of the process.
    pub fn voltage(&self, node: usize, x: &[f64], t: f64) -> f64 {
        let place = &self.places[node];
        let waves = place.waves.iter();
        let sources: f64 = waves.map(|&(k, w)| w * self.process.waves[k].at(t)).sum();
        let root = place.root.map_or(0.0, |root| x[self.rows.of_node[root]]);
        (root + sources) * self.voltage_unit
    }

    /// A flow (A into nodes, V into inductors) into row `i` times this is a force of the process.
    pub(super) fn flow_unit(&self, i: usize) -> f64 {
        self.rows.flow_unit(i)
    }

    /// (row, ±1) and the waves of a terminal's voltage; `None` for ground.
    pub(super) fn place(&self, terminal: Terminal) -> (Option<usize>, &[(usize, f64)]) {
        match terminal {
            None => (None, &[]),
            Some(node) => {
                let place = &self.places[node];
                (place.root.map(|r| self.rows.of_node[r]), &place.waves)
            }
        }
    }

    /// Adds `coefficient` (A/V or the like, SI) · (V of `terminal`) to the flow into row `out`.
    fn stamp(&self, stamps: &mut Stamps, out: usize, coefficient: f64, terminal: Terminal) {
        let (row, waves) = self.place(terminal);
        if let Some(row) = row {
            self.stamp_row(stamps, out, coefficient, row);
        }
        for &(wave, sign) in waves {
            let weight = sign * coefficient * self.voltage_unit * self.rows.flow_unit(out);
            stamps.drives.push(Drive {
                node: out,
                wave,
                weight,
                derivative: false,
            });
        }
    }

    /// Adds `coefficient` (SI) · (state of row `row`) to the flow into row `out`.
    fn stamp_row(&self, stamps: &mut Stamps, out: usize, coefficient: f64, row: usize) {
        let ratio = self.rows.all[row].scale / self.rows.all[out].scale;
        let value = coefficient * self.rows.rate_unit(out) * ratio;
        stamps.linear.add(out, row, value);
    }

    /// g (V_c0 − V_c1) flows out of path[0] and into path[1].
    fn stamp_conductance(
        &self,
        stamps: &mut Stamps,
        g: f64,
        control: [Terminal; 2],
        path: [Terminal; 2],
    ) {
        for (terminal, sign) in [(path[0], -1.0), (path[1], 1.0)] {
            if let (Some(out), _) = self.place(terminal) {
                self.stamp(stamps, out, sign * g, control[0]);
                self.stamp(stamps, out, -sign * g, control[1]);
            }
        }
    }

    /// The state of `row` times `coefficient` (A) flows out of path[0] and into path[1].
    fn stamp_source(&self, stamps: &mut Stamps, coefficient: f64, row: usize, path: [Terminal; 2]) {
        for (terminal, sign) in [(path[0], -1.0), (path[1], 1.0)] {
            if let (Some(out), _) = self.place(terminal) {
                self.stamp_row(stamps, out, sign * coefficient, row);
            }
        }
    }

    /// Computes every number of the process from the elements.
    fn fill(&mut self) -> Result<()> {
        let n = self.rows.len();
        let mut stamps = Stamps {
            linear: Sparse::new(n),
            drives: Vec::new(),
            waves: Vec::new(),
        };
        if self.circuit.kinds.voltage_sources {
            self.source_waves(&mut stamps);
        }
        for (index, element) in self.circuit.elements.iter().enumerate() {
            self.stamp_element(&mut stamps, index, element);
        }
        let rows = stamps.linear.into_rows();
        let entries: usize = rows.iter().map(Vec::len).sum();
        self.process.linear = if DENSE_SHARE * entries > n * n && n > 1 {
            let mut dense = nalgebra::DMatrix::zeros(n, n);
            for (i, row) in rows.iter().enumerate() {
                for &(j, value) in row {
                    dense[(i, j)] = value;
                }
            }
            Linear::Dense(dense)
        } else {
            Linear::Sparse(rows)
        };
        self.process.drives = stamps.drives;
        self.process.waves = stamps.waves;
        if self.circuit.kinds.nonlinear {
            self.fill_branches()?;
        }
        if self.circuit.kinds.telegraphs {
            self.fill_levels();
        }
        self.fill_nodes()
    }

    /// Waves of the voltage sources, in their order, and what they push through capacitors.
    fn source_waves(&self, stamps: &mut Stamps) {
        for element in &self.circuit.elements {
            if let Element::Voltage { wave, .. } = element {
                let scaled = wave.scaled(1.0 / self.voltage_unit, 1.0 / self.rows.time_unit);
                stamps.waves.push(scaled);
            }
        }
        for element in &self.circuit.elements {
            let Element::Capacitor { a, b, farads } = element else {
                continue;
            };
            // C d(V_a − V_b)/dt leaves row a and enters row b; only the sources' share is a force.
            for (terminal, sign) in [(*a, -1.0), (*b, 1.0)] {
                let (Some(out), _) = self.place(terminal) else {
                    continue;
                };
                for (other, inner) in [(*a, 1.0), (*b, -1.0)] {
                    for &(wave, weight) in self.place(other).1 {
                        if stamps.waves[wave].is_constant() {
                            continue;
                        }
                        stamps.drives.push(Drive {
                            node: out,
                            wave,
                            weight: sign * inner * weight * farads * self.rows.inverse_mass(out),
                            derivative: true,
                        });
                    }
                }
            }
        }
    }

    fn stamp_element(&self, stamps: &mut Stamps, index: usize, element: &Element) {
        match element {
            Element::Resistor {
                a, b, conductance, ..
            } => self.stamp_conductance(stamps, *conductance, [*a, *b], [*a, *b]),
            Element::Transconductor {
                from,
                into,
                conductance,
                ..
            } => {
                if let (Some(out), _) = self.place(Some(*into)) {
                    self.stamp(stamps, out, *conductance, Some(*from));
                }
            }
            Element::Controlled {
                control,
                path,
                conductance,
                ..
            } => self.stamp_conductance(stamps, *conductance, *control, *path),
            Element::Inductor { a, b, series, .. } => {
                let row = self.rows.of_element[&index];
                self.stamp(stamps, row, 1.0, *a);
                self.stamp(stamps, row, -1.0, *b);
                self.stamp_row(stamps, row, -series, row);
                self.stamp_source(stamps, 1.0, row, [*a, *b]);
            }
            Element::Coloured {
                path,
                amperes,
                seconds,
            } => {
                let row = self.rows.of_element[&index];
                self.stamp_row(stamps, row, -1.0 / seconds, row);
                self.stamp_source(stamps, *amperes, row, *path);
            }
            Element::Josephson { path, shunt, .. } => {
                let row = self.rows.of_element[&index];
                let per_weber = std::f64::consts::TAU / crate::units::FLUX_QUANTUM;
                self.stamp(stamps, row, per_weber, path[0]);
                self.stamp(stamps, row, -per_weber, path[1]);
                if let Some((henries, _)) = shunt {
                    self.stamp_source(stamps, 1.0 / (per_weber * henries), row, *path);
                }
            }
            Element::Drive { path, wave } => {
                let scaled = wave.scaled(1.0, 1.0 / self.rows.time_unit);
                stamps.waves.push(scaled);
                let wave = stamps.waves.len() - 1;
                for (terminal, sign) in [(path[0], -1.0), (path[1], 1.0)] {
                    if let (Some(node), _) = self.place(terminal) {
                        stamps.drives.push(Drive {
                            node,
                            wave,
                            weight: sign * self.rows.flow_unit(node),
                            derivative: false,
                        });
                    }
                }
            }
            _ => {}
        }
    }

    /// Two-state sources.
    fn fill_levels(&mut self) {
        let mut levels = Levels::free(
            Vec::new(),
            LevelInput::Direct {
                field: Vec::new(),
                coupling: Linear::Sparse(Vec::new()),
            },
        );
        let (mut input, mut offsets) = (Vec::new(), Vec::new());
        let mut drive = vec![Vec::new(); self.rows.len()];
        for element in &self.circuit.elements {
            let Element::Telegraph {
                path,
                amperes,
                seconds,
                control,
                offset,
            } = element
            else {
                continue;
            };
            let spin = levels.tau.len();
            levels.tau.push(seconds / self.rows.time_unit);
            let (mut own, mut constant) = (Vec::new(), *offset);
            for &(node, weight) in control {
                let (row, waves) = self.place(Some(node));
                own.extend(row.map(|row| (row, weight * self.voltage_unit)));
                // Sources that drive a telegraph element directly count with their value at the start.
                let waves = waves.iter();
                constant += waves
                    .map(|&(k, w)| w * weight * self.voltage_unit * self.process.waves[k].at(0.0))
                    .sum::<f64>();
            }
            input.push(own);
            offsets.push(constant);
            for (terminal, sign) in [(path[0], -1.0), (path[1], 1.0)] {
                if let (Some(out), _) = self.place(terminal) {
                    let weight: f64 = sign * amperes * self.rows.flow_unit(out);
                    drive[out].push((spin, weight));
                }
            }
        }
        self.process.levels = (!levels.tau.is_empty()).then(|| {
            levels.input = LevelInput::Node {
                input,
                offset: offsets,
                drive: Linear::Sparse(drive),
            };
            levels
        });
    }

    /// The forces and noise that belong to single nodes, summed over the elements in order.
    fn fill_nodes(&mut self) -> Result<()> {
        let n = self.rows.len();
        let mut polynomial: Vec<Vec<f64>> = Vec::new();
        let mut intensity = Intensity {
            diagonal: vec![0.0; n],
            floating: Vec::new(),
        };
        for (index, element) in self.circuit.elements.iter().enumerate() {
            let terms = match element {
                Element::Polynomial { coefficients, .. } => coefficients.len(),
                Element::Current { .. } | Element::Josephson { .. } => 1,
                _ => 0,
            };
            while polynomial.len() < terms {
                polynomial.push(vec![0.0; n]);
            }
            match element {
                Element::Polynomial {
                    node, coefficients, ..
                } => {
                    if let (Some(row), _) = self.place(Some(*node)) {
                        for (k, c) in coefficients.iter().enumerate() {
                            polynomial[k][row] -=
                                c * self.rows.flow_unit(row) * self.voltage_unit.powi(k as i32);
                        }
                    }
                }
                Element::Current { node, amperes } => {
                    if let (Some(row), _) = self.place(Some(*node)) {
                        polynomial[0][row] += amperes * self.rows.flow_unit(row);
                    }
                }
                Element::Josephson {
                    path,
                    shunt: Some((henries, flux)),
                    ..
                } => {
                    let per_weber = std::f64::consts::TAU / crate::units::FLUX_QUANTUM;
                    for (terminal, sign) in [(path[0], 1.0), (path[1], -1.0)] {
                        if let (Some(row), _) = self.place(terminal) {
                            polynomial[0][row] +=
                                sign * flux / (per_weber * henries) * self.rows.flow_unit(row);
                        }
                    }
                }
                _ => {}
            }
            let (k, ends) = self.additive_noise(index, element);
            intensity.add(k, ends);
        }
        self.process.polynomial = polynomial;
        self.process.noise = self.noise(&intensity)?;
        Ok(())
    }

    /// Two-sided density (SI) of an element's additive noise, and the rows that it enters (+) and leaves (−).
    pub(super) fn additive_noise(
        &self,
        index: usize,
        element: &Element,
    ) -> (f64, [Option<usize>; 2]) {
        let row = |terminal: Terminal| self.place(terminal).0;
        let thermal = |kelvins: f64, g: f64| 2.0 * BOLTZMANN * kelvins * g;
        match element {
            Element::Resistor {
                a,
                b,
                conductance,
                kelvins,
            } => (thermal(*kelvins, *conductance), [row(*a), row(*b)]),
            Element::Transconductor {
                into,
                conductance,
                kelvins,
                excess,
                ..
            } => (
                thermal(*kelvins, 1.0) * excess * conductance.abs(),
                [row(Some(*into)), None],
            ),
            Element::Controlled {
                path,
                conductance,
                kelvins,
                excess,
                ..
            } => (
                thermal(*kelvins, excess * conductance.abs()),
                [row(path[1]), row(path[0])],
            ),
            Element::Polynomial { node, density, .. } | Element::Noise { node, density } => {
                (*density, [row(Some(*node)), None])
            }
            Element::Inductor {
                series, kelvins, ..
            } => (
                thermal(*kelvins, *series),
                [Some(self.rows.of_element[&index]), None],
            ),
            Element::Coloured { seconds, .. } => {
                (2.0 / seconds, [Some(self.rows.of_element[&index]), None])
            }
            _ => (0.0, [None, None]),
        }
    }

    fn noise(&self, intensity: &Intensity) -> Result<Noise> {
        if intensity.floating.is_empty() {
            let sigma = intensity.diagonal.iter().enumerate();
            return Ok(Noise::Diagonal(
                sigma.map(|(i, &k)| self.sigma(i, k)).collect(),
            ));
        }
        let mut lower = Sparse::new(self.rows.len());
        let scale = |i: usize, j: usize| {
            self.rows.flow_unit(i) * self.rows.flow_unit(j) / self.rows.time_unit
        };
        for (i, &k) in intensity.diagonal.iter().enumerate() {
            lower.add(i, i, k * scale(i, i));
        }
        for &(i, j, k) in &intensity.floating {
            lower.add(i, j, -(k * scale(i, j)));
        }
        let rows = lower.into_rows();
        Ok(Noise::Factor(EnvelopeFactor::new(&rows, true)?))
    }

    /// Noise amplitude of row `i` with intensity K_ii (A²·s for nodes).
    fn sigma(&self, i: usize, intensity: f64) -> f64 {
        (intensity / self.rows.time_unit).sqrt() * self.rows.flow_unit(i)
    }

    /// Reprograms transconductances (S) and source currents (A): numbers change, nothing is assembled anew.
    ///
    /// # Errors
    /// As [`Circuit::set_transconductance`] and [`Circuit::set_current`].
    pub fn set_values(
        &mut self,
        transconductances: &[(ElementId, f64)],
        currents: &[(ElementId, f64)],
    ) -> Result<()> {
        let mut whole = false;
        for &(id, value) in transconductances {
            let before = self.circuit.elements.get(id.0).cloned();
            self.circuit
                .set_transconductance(id, ElectricalConductance::new::<siemens>(value))?;
            let Some(Element::Transconductor {
                from,
                into,
                conductance: old,
                ..
            }) = before
            else {
                continue;
            };
            let ((Some(row), _), (Some(column), [])) =
                (self.place(Some(into)), self.place(Some(from)))
            else {
                whole = true;
                continue;
            };
            let unit = self.rows.rate_unit(row);
            let entry = match &mut self.process.linear {
                Linear::Dense(matrix) => Some(&mut matrix[(row, column)]),
                Linear::Sparse(rows) => rows[row]
                    .iter_mut()
                    .find(|e| e.0 == column)
                    .map(|e| &mut e.1),
            };
            if let Some(entry) = entry {
                // The sole contributor is written as a fresh assembly would write it, to the last bit.
                *entry = if *entry == old * unit {
                    value * unit
                } else {
                    *entry + (value - old) * unit
                };
            }
        }
        for &(id, value) in currents {
            self.circuit
                .set_current(id, ElectricCurrent::new::<ampere>(value))?;
        }
        if whole {
            self.fill()
        } else {
            self.fill_nodes()
        }
    }

    /// Noise power of each node from its elements' own thermal noise, as a share of the node's whole noise power.
    pub fn excess_noise_share(&self) -> Vec<f64> {
        let n = self.rows.len();
        let (mut own, mut all) = (vec![0.0; n], vec![0.0; n]);
        for (index, element) in self.circuit.elements.iter().enumerate() {
            let to = match element {
                Element::Transconductor { .. } | Element::Polynomial { .. } => &mut own,
                Element::Noise { .. } => &mut all,
                _ => continue,
            };
            if let (density, [Some(row), _]) = self.additive_noise(index, element) {
                to[row] += density;
            }
        }
        own.iter()
            .zip(all)
            .map(|(own, rest)| {
                if own + rest > 0.0 {
                    own / (own + rest)
                } else {
                    0.0
                }
            })
            .collect()
    }
}

/// K under construction: its diagonal, and (row, column, −K) of the elements that join two rows.
struct Intensity {
    diagonal: Vec<f64>,
    floating: Vec<(usize, usize, f64)>,
}

impl Intensity {
    fn add(&mut self, k: f64, ends: [Option<usize>; 2]) {
        match ends {
            // Both ends on one free node (tied by a source): what enters leaves.
            [Some(a), Some(b)] if a == b => {}
            [Some(a), Some(b)] => {
                self.diagonal[a] += k;
                self.diagonal[b] += k;
                if k > 0.0 {
                    self.floating.push((a.max(b), a.min(b), k));
                }
            }
            [Some(a), None] | [None, Some(a)] => self.diagonal[a] += k,
            [None, None] => {}
        }
    }
}
