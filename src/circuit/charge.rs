//! Nonlinear elements as branches or, at the Poisson level, as jumps of single charges.

use super::assembly::Assembly;
use super::element::{Element, Nonlinear, Terminal, Transistor};
use super::netlist::ChargeLevel;
use crate::dynamics::{Branch, BranchNoise, Calculus, Flux, Jump, Law, Linear, Mass};
use crate::error::{Error, Result};
use crate::units::{BOLTZMANN, ELEMENTARY_CHARGE};

/// u = Σ weight·V in terms of rows and waves.
#[derive(Clone, Debug, Default)]
struct Form {
    rows: Vec<(usize, f64)>,
    waves: Vec<(usize, f64)>,
}

impl Assembly {
    /// Branches and jumps of all nonlinear elements.
    pub(super) fn fill_branches(&mut self) -> Result<()> {
        let (mut branches, mut jumps) = (Vec::new(), Vec::new());
        for (index, element) in self.circuit.elements.iter().enumerate() {
            match element {
                Element::Nonlinear(element) => branches.push(self.branch(element)),
                Element::Transistor(transistor) => {
                    for (law, offset, control, path) in directions(transistor) {
                        let element = Nonlinear {
                            control,
                            offset,
                            path,
                            amperes: transistor.amperes,
                            law,
                            noise: transistor.noisy.then_some((
                                ELEMENTARY_CHARGE,
                                Flux::Shot,
                                Calculus::Ito,
                            )),
                            kelvins: Some(transistor.kelvins),
                        };
                        match self.circuit.level {
                            ChargeLevel::Langevin => {
                                let mut branch = self.branch(&element);
                                if element.law == Law::Exponential && transistor.noisy {
                                    // The rates are those of the jumps, half a charge included: without it flip rates
                                    // of small circuits are wrong by tens of per cent.
                                    branch.offset += self.half_charge(&element).1;
                                }
                                branches.push(branch);
                            }
                            ChargeLevel::Poisson => jumps.push(self.jump(&element, index)?),
                        }
                    }
                }
                Element::Josephson { path, critical, .. } => {
                    let form = Form {
                        rows: vec![(self.rows.of_element[&index], 1.0)],
                        waves: Vec::new(),
                    };
                    branches.push(Branch {
                        input: form.rows,
                        waves: form.waves,
                        offset: 0.0,
                        output: self.outputs(*path, 1.0),
                        amplitude: *critical,
                        law: Law::Sine,
                        gate: None,
                        noise: None,
                    });
                }
                _ => {}
            }
        }
        self.process.branches = branches;
        self.process.jumps = jumps;
        Ok(())
    }

    /// Σ weight·V.
    fn form(&self, control: &[(usize, f64)]) -> Form {
        let mut form = Form::default();
        for &(node, weight) in control {
            let weight = weight * self.voltage_unit();
            let (row, waves) = self.place(Some(node));
            form.rows.extend(row.map(|row| (row, weight)));
            form.waves
                .extend(waves.iter().map(|&(k, sign)| (k, sign * weight)));
        }
        merge(&mut form.rows);
        merge(&mut form.waves);
        form
    }

    /// `amount` (A) from path[0] to path[1], as forces on rows.
    pub(super) fn outputs(&self, path: [Terminal; 2], amount: f64) -> Vec<(usize, f64)> {
        let mut rows = Vec::new();
        for (terminal, sign) in [(path[0], -1.0), (path[1], 1.0)] {
            let row = self.place(terminal).0;
            rows.extend(row.map(|row| (row, sign * amount * self.rows.flow_unit(row))));
        }
        merge(&mut rows);
        rows
    }

    fn branch(&self, element: &Nonlinear) -> Branch {
        let form = self.form(&element.control);
        Branch {
            input: form.rows,
            waves: form.waves,
            offset: element.offset,
            output: self.outputs(element.path, 1.0),
            amplitude: element.amperes,
            law: element.law.clone(),
            gate: None,
            // Density per second of device time; per unit of scaled time it is τ⁻¹ of that.
            noise: element.noise.map(|(charge, flux, calculus)| BranchNoise {
                strength: charge / self.time_unit(),
                flux,
                calculus,
            }),
        }
    }

    /// What one charge along the element's path does to the rows, Δv = M⁻¹ (q/(C_u V_u)) b, and half of what that does to
    /// its own u.
    fn half_charge(&self, element: &Nonlinear) -> (Vec<f64>, f64) {
        let mut change = vec![0.0; self.rows.len()];
        for (row, weight) in self.outputs(element.path, ELEMENTARY_CHARGE / self.time_unit()) {
            change[row] += weight;
        }
        if let Mass::Factor(factor) = &self.process.mass {
            factor.solve(&mut change);
        }
        let form = self.form(&element.control);
        let own = form.rows.iter().map(|&(row, w)| 0.5 * w * change[row]);
        let midpoint = own.sum();
        (change, midpoint)
    }

    /// Single charges along the path, at the rate amperes · e^u/q with u taken half way through the jump.
    fn jump(&self, element: &Nonlinear, index: usize) -> Result<Jump> {
        if element.law != Law::Exponential {
            let name = self.circuit.name_of(index);
            let value = format!("\"{name}\" beyond the subthreshold region");
            return Err(Error::invalid(
                "level",
                value,
                "exponential transistors at level poisson",
            ));
        }
        let form = self.form(&element.control);
        let (change, midpoint) = self.half_charge(element);
        let rate = element.amperes / ELEMENTARY_CHARGE * self.time_unit();
        Ok(Jump {
            log_rate: rate.ln() + element.offset + midpoint,
            input: form.rows,
            waves: form.waves,
            change: change
                .into_iter()
                .enumerate()
                .filter(|e| e.1 != 0.0)
                .collect(),
        })
    }

    /// The element (by index) that each branch of the process belongs to, and the way its current takes.
    pub(super) fn branch_paths(&self) -> Vec<(usize, [Terminal; 2])> {
        let mut paths = Vec::new();
        for (index, element) in self.circuit.elements.iter().enumerate() {
            match element {
                Element::Nonlinear(element) => paths.push((index, element.path)),
                Element::Josephson { path, .. } => paths.push((index, *path)),
                Element::Transistor(t) if self.circuit.level == ChargeLevel::Langevin => {
                    paths.extend(directions(t).map(|direction| (index, direction.3)));
                }
                _ => {}
            }
        }
        paths
    }

    /// Whether jumps alone move the rows: then Gillespie's method takes the Poisson level, else tau-leaping.
    pub fn only_jumps(&self) -> bool {
        let linear = match &self.process.linear {
            Linear::Dense(m) => m.iter().any(|&v| v != 0.0),
            Linear::Sparse(rows) => rows.iter().flatten().any(|e| e.1 != 0.0),
        };
        !linear && self.process.branches.is_empty() && !self.process.jumps.is_empty()
    }
}

/// Adds up entries of the same index and drops those that cancel.
fn merge(entries: &mut Vec<(usize, f64)>) {
    entries.sort_by_key(|e| e.0);
    entries.dedup_by(|later, first| {
        let same = later.0 == first.0;
        if same {
            first.1 += later.1;
        }
        same
    });
    entries.retain(|e| e.1 != 0.0);
}

/// A direction of a transistor's current: law, offset, (node, 1/V) and path.
pub(super) type Direction = (Law, f64, Vec<(usize, f64)>, [Terminal; 2]);

/// The two directions of a transistor's current: forward set by the source, reverse by the drain.
pub(super) fn directions(t: &Transistor) -> [Direction; 2] {
    let thermal = BOLTZMANN * t.kelvins / ELEMENTARY_CHARGE;
    let law = || {
        if t.inversion {
            Law::SoftplusSquare
        } else {
            Law::Exponential
        }
    };
    // An n-channel's forward current flows from drain to source; a p-channel's from source to drain.
    let (from, to) = if t.sign > 0.0 {
        (t.drain, t.source)
    } else {
        (t.source, t.drain)
    };
    let control = |end: Terminal| {
        let weight = t.sign / thermal;
        let mut entries = Vec::new();
        entries.extend(t.gate.map(|i| (i, weight / t.slope)));
        entries.extend(t.summed.iter().map(|&(i, w)| (i, w * weight / t.slope)));
        entries.extend(t.bulk.map(|i| (i, weight * (1.0 - 1.0 / t.slope))));
        entries.extend(end.map(|i| (i, -weight)));
        entries
    };
    let offset = -t.sign * t.threshold / (t.slope * thermal);
    [
        (law(), offset, control(t.source), [from, to]),
        (law(), offset, control(t.drain), [to, from]),
    ]
}
