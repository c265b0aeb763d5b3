//! From a netlist to a process, scaled to a voltage unit V_u and a time τ.
//!
//! With v = V/V_u and s = t/τ, Kirchhoff's law C dV = I dt + dQ_noise becomes M dv = F ds + S dW where M = C/C_u,
//! F = I τ/(C_u V_u), SSᵀ = K τ/(C_u V_u)², K = Σ 2kTg bbᵀ, and C_u is the mean diagonal of C. A diagonal C is divided
//! out; otherwise C stays, factorised.

use super::element::{Circuit, Element, ElementId};
use crate::dynamics::{EnvelopeFactor, Linear, Mass, Noise, Process};
use crate::error::{Error, Result};
use uom::si::electric_current::ampere;
use uom::si::electrical_conductance::siemens;
use uom::si::f64::{ElectricCurrent, ElectricalConductance};

/// Boltzmann's constant, J/K (exact).
pub(super) const BOLTZMANN: f64 = 1.380_649e-23;

/// Largest all-to-all network kept as a dense matrix when at least a quarter of its pairs are joined.
const DENSE_SHARE: usize = 4;

/// An assembled circuit: the process, and where each element's value sits in it.
#[derive(Clone, Debug)]
pub struct Assembly {
    circuit: Circuit,
    process: Process,
    voltage_unit: f64,
    time_unit: f64,
    /// 1/C_ii for diagonal C, 1/C_u otherwise.
    inverse_capacitance: Vec<f64>,
}

impl Circuit {
    /// Assembles the netlist into a process in units of `voltage_unit` (V) and `time_unit` (s).
    ///
    /// # Errors
    /// No nodes, a node without capacitance, or coupling capacitors that make C singular.
    pub fn assemble(&self, voltage_unit: f64, time_unit: f64) -> Result<Assembly> {
        let n = self.nodes();
        if n == 0 {
            return Err(Error::invalid("circuit", "no nodes", "at least one node"));
        }
        let (mass, inverse_capacitance) = self.capacitance()?;
        let mut assembly = Assembly {
            circuit: self.clone(),
            process: Process {
                mass,
                rails: self.rails.map(|rail| vec![rail / voltage_unit; n]),
                ..Process::still(n)
            },
            voltage_unit,
            time_unit,
            inverse_capacitance,
        };
        assembly.fill()?;
        Ok(assembly)
    }

    /// M (in units of C_u, unless C is diagonal) and the factor that turns currents into forces.
    fn capacitance(&self) -> Result<(Mass, Vec<f64>)> {
        let n = self.nodes();
        let mut diagonal = vec![0.0; n];
        let mut floating = Vec::new();
        for element in &self.elements {
            if let Element::Capacitor { a, b, farads } = element {
                diagonal[*a] += farads;
                if let Some(b) = b {
                    diagonal[*b] += farads;
                    floating.push((*a.max(b), *a.min(b), *farads));
                }
            }
        }
        if let Some(i) = diagonal.iter().position(|&c| c == 0.0) {
            let value = format!("\"{}\" has no capacitance", self.names[i]);
            return Err(Error::invalid("node", value, "a capacitor on every node"));
        }
        if floating.is_empty() {
            return Ok((Mass::Identity, diagonal.iter().map(|c| 1.0 / c).collect()));
        }
        let unit = diagonal.iter().sum::<f64>() / n as f64;
        let mut lower: Vec<std::collections::BTreeMap<usize, f64>> = vec![Default::default(); n];
        for (i, c) in diagonal.iter().enumerate() {
            lower[i].insert(i, c / unit);
        }
        for (i, j, c) in floating {
            *lower[i].entry(j).or_insert(0.0) -= c / unit;
        }
        let rows: Vec<Vec<(usize, f64)>> = lower
            .into_iter()
            .map(|row| row.into_iter().collect())
            .collect();
        let factor = EnvelopeFactor::new(&rows, false).map_err(|_| {
            Error::invalid(
                "circuit",
                "a group of nodes joined only by coupling capacitors",
                "a capacitor to ground in every such group (C is singular)",
            )
        })?;
        Ok((Mass::Factor(factor), vec![1.0 / unit; n]))
    }
}

impl Assembly {
    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// V_u in volts.
    pub fn voltage_unit(&self) -> f64 {
        self.voltage_unit
    }

    /// τ in seconds.
    pub fn time_unit(&self) -> f64 {
        self.time_unit
    }

    /// Computes every number of the process from the elements.
    fn fill(&mut self) -> Result<()> {
        let n = self.circuit.nodes();
        let mut rows: Vec<std::collections::BTreeMap<usize, f64>> = vec![Default::default(); n];
        for element in &self.circuit.elements {
            match element {
                Element::Resistor {
                    a, b, conductance, ..
                } => {
                    let g = conductance * self.conductance_unit(*a);
                    *rows[*a].entry(*a).or_insert(0.0) -= g;
                    if let Some(b) = b {
                        let back = conductance * self.conductance_unit(*b);
                        *rows[*b].entry(*b).or_insert(0.0) -= back;
                        *rows[*a].entry(*b).or_insert(0.0) += g;
                        *rows[*b].entry(*a).or_insert(0.0) += back;
                    }
                }
                Element::Transconductor {
                    from,
                    into,
                    conductance,
                    ..
                } => {
                    *rows[*into].entry(*from).or_insert(0.0) +=
                        conductance * self.conductance_unit(*into);
                }
                _ => {}
            }
        }
        let entries: usize = rows.iter().map(|row| row.len()).sum();
        self.process.linear = if DENSE_SHARE * entries > n * n && n > 1 {
            let mut dense = nalgebra::DMatrix::zeros(n, n);
            for (i, row) in rows.iter().enumerate() {
                for (&j, &value) in row {
                    dense[(i, j)] = value;
                }
            }
            Linear::Dense(dense)
        } else {
            Linear::Sparse(
                rows.into_iter()
                    .map(|row| row.into_iter().collect())
                    .collect(),
            )
        };
        self.fill_nodes()
    }

    /// The forces and noise that belong to single nodes, summed over the elements in order.
    fn fill_nodes(&mut self) -> Result<()> {
        let n = self.circuit.nodes();
        let degree = self.circuit.elements.iter().map(|element| match element {
            Element::Polynomial { coefficients, .. } => coefficients.len(),
            Element::Current { .. } => 1,
            _ => 0,
        });
        let mut polynomial = vec![vec![0.0; n]; degree.max().unwrap_or(0)];
        let mut intensity = vec![0.0; n];
        let mut floating = Vec::new();
        for element in &self.circuit.elements {
            match element {
                Element::Capacitor { .. } => {}
                Element::Resistor {
                    a,
                    b,
                    conductance,
                    kelvins,
                } => {
                    let k = 2.0 * BOLTZMANN * kelvins * conductance;
                    intensity[*a] += k;
                    if let Some(b) = b {
                        intensity[*b] += k;
                        if k > 0.0 {
                            floating.push((*a.max(b), *a.min(b), k));
                        }
                    }
                }
                Element::Transconductor {
                    into,
                    conductance,
                    kelvins,
                    excess,
                    ..
                } => intensity[*into] += 2.0 * BOLTZMANN * kelvins * excess * conductance.abs(),
                Element::Polynomial {
                    node,
                    coefficients,
                    density,
                } => {
                    intensity[*node] += density;
                    for (k, c) in coefficients.iter().enumerate() {
                        polynomial[k][*node] -=
                            c * self.current_unit(*node) * self.voltage_unit.powi(k as i32);
                    }
                }
                Element::Current { node, amperes } => {
                    polynomial[0][*node] += amperes * self.current_unit(*node)
                }
                Element::Noise { node, density } => intensity[*node] += density,
            }
        }
        self.process.polynomial = polynomial;
        self.process.noise = self.noise(&intensity, &floating)?;
        Ok(())
    }

    fn noise(&self, intensity: &[f64], floating: &[(usize, usize, f64)]) -> Result<Noise> {
        if floating.is_empty() {
            let sigma = (0..intensity.len())
                .map(|i| self.sigma(i, intensity[i]))
                .collect();
            return Ok(Noise::Diagonal(sigma));
        }
        let mut lower: Vec<std::collections::BTreeMap<usize, f64>> =
            vec![Default::default(); intensity.len()];
        let scale =
            |i: usize, j: usize| self.current_unit(i) * self.current_unit(j) / self.time_unit;
        for (i, &k) in intensity.iter().enumerate() {
            lower[i].insert(i, k * scale(i, i));
        }
        for &(i, j, k) in floating {
            *lower[i].entry(j).or_insert(0.0) -= k * scale(i, j);
        }
        let rows: Vec<Vec<(usize, f64)>> = lower
            .into_iter()
            .map(|row| row.into_iter().collect())
            .collect();
        Ok(Noise::Factor(EnvelopeFactor::new(&rows, true)?))
    }

    /// A conductance into node `i` times this is a coefficient of L.
    fn conductance_unit(&self, i: usize) -> f64 {
        self.time_unit * self.inverse_capacitance[i]
    }

    /// A current into node `i` times this is a force.
    fn current_unit(&self, i: usize) -> f64 {
        self.time_unit * self.inverse_capacitance[i] / self.voltage_unit
    }

    /// Noise amplitude of node `i` with current-noise intensity K_ii (A²·s).
    fn sigma(&self, i: usize, intensity: f64) -> f64 {
        (intensity / self.time_unit).sqrt() * self.current_unit(i)
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
        for &(id, value) in transconductances {
            let Some(&Element::Transconductor {
                from,
                into,
                conductance: old,
                ..
            }) = self.circuit.elements.get(id.0)
            else {
                return self
                    .circuit
                    .set_transconductance(id, ElectricalConductance::new::<siemens>(value));
            };
            self.circuit
                .set_transconductance(id, ElectricalConductance::new::<siemens>(value))?;
            let unit = self.conductance_unit(into);
            let entry = match &mut self.process.linear {
                Linear::Dense(matrix) => Some(&mut matrix[(into, from)]),
                Linear::Sparse(rows) => rows[into]
                    .iter_mut()
                    .find(|e| e.0 == from)
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
        self.fill_nodes()
    }

    /// Noise power of each node from its elements' own thermal noise, as a share of the node's whole noise power.
    pub fn excess_noise_share(&self) -> Vec<f64> {
        let n = self.circuit.nodes();
        let (mut own, mut all) = (vec![0.0; n], vec![0.0; n]);
        for element in &self.circuit.elements {
            match element {
                Element::Transconductor {
                    into,
                    conductance,
                    kelvins,
                    excess,
                    ..
                } => {
                    own[*into] += 2.0 * BOLTZMANN * kelvins * excess * conductance.abs();
                }
                Element::Polynomial { node, density, .. } => own[*node] += density,
                Element::Noise { node, density } => all[*node] += density,
                _ => {}
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
