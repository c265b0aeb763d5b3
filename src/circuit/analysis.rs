//! Linear analysis about an operating point, in SI: covariance, spectra by source, impedances, relaxation, heat currents.
//!
//! M dx = −G x dt + Σ_s b_s √(K_s) dW_s about the operating point; P from A P + P Aᵀ = D; the one-sided density of a row is
//! S(f) = Σ_s 2K_s |eᵀ (iωM + G)⁻¹ b_s|², which is 4kT·Re Z(f) for a passive circuit at one temperature.

use super::assembly::Assembly;
use super::balance::{Role, role};
use super::element::{Element, Terminal};
use super::netlist::Circuit;
use super::rows::Row;
use crate::dynamics::linear as theory;
use crate::dynamics::{DENSE_ROWS, Drift};
use crate::error::{Error, Result};
use crate::units::BOLTZMANN;
use nalgebra::{Complex, DMatrix, DVector};

/// Newton iterations for an operating point.
const ITERATIONS: usize = 200;

/// A source of noise and what it drives: `entries` are (row, M⁻¹b √K) in units of the process.
#[derive(Clone, Debug)]
struct Source {
    name: String,
    vector: DVector<f64>,
}

/// Where a linear dissipative element sits: across a conductance, or in series with the current of a row.
#[derive(Clone, Debug)]
enum Seat {
    /// G, the rows of its ends, and the constant part of its voltage.
    Across(f64, [Option<usize>; 2], f64),
    /// R, the row, and the constant part of its current.
    Series(f64, usize, f64),
}

/// A bath and the element that couples to it.
#[derive(Clone, Debug)]
struct Bath {
    name: String,
    kelvins: f64,
    /// `None` for nonlinear elements.
    seat: Option<Seat>,
}

/// A circuit linearised about its operating point.
#[derive(Clone, Debug)]
pub struct SmallSignal {
    /// The operating point: voltages (V), currents (A) and states of the rows.
    pub point: Vec<f64>,
    /// What the rows are.
    pub rows: Vec<Row>,
    a: DMatrix<f64>,
    sources: Vec<Source>,
    /// M⁻¹ in SI per unit of flow, for impedances.
    inverse_mass: DMatrix<f64>,
    scales: Vec<f64>,
    time_unit: f64,
    names: Vec<String>,
    baths: Vec<Bath>,
}

/// A time unit in which the fastest element is of order one.
pub(super) fn natural_time(circuit: &Circuit) -> Result<f64> {
    let assembly = circuit.assemble(1.0, 1.0)?;
    let rest = vec![0.0; assembly.process().nodes];
    if rest.len() > DENSE_ROWS {
        let fastest = Drift::at(assembly.process(), &rest).largest_entry();
        return Ok(if fastest > 0.0 { 1.0 / fastest } else { 1.0 });
    }
    let fastest = theory::linearised(assembly.process(), &rest)
        .iter()
        .map(|v| v.abs())
        .fold(0.0, f64::max);
    Ok(if fastest > 0.0 { 1.0 / fastest } else { 1.0 })
}

/// A solution of F(x, 0) = 0 by damped Newton steps from rest, in units of the process.
fn operating_point(assembly: &Assembly) -> Result<Vec<f64>> {
    let process = assembly.process();
    let n = process.nodes;
    let mut x = vec![0.0; n];
    let size = |x: &[f64]| theory::force(process, x, 0.0).norm();
    let scale = 1.0 + size(&x);
    for _ in 0..ITERATIONS {
        let force = theory::force(process, &x, 0.0);
        if force.norm() < 1e-13 * scale {
            return Ok(x);
        }
        // A = −M⁻¹ ∂F/∂x and M cancel: A δ = M⁻¹ F.
        let mut right: Vec<f64> = force.iter().copied().collect();
        theory::solve_mass_vector(&process.mass, &mut right);
        let a = theory::linearised(process, &x);
        let step = a.lu().solve(&DVector::from_vec(right)).ok_or_else(|| {
            let value = "no current flows through some mode";
            Error::invalid("operating point", value, "a path to ground for every node")
        })?;
        let before = force.norm();
        let mut share = 1.0;
        loop {
            let trial: Vec<f64> = x.iter().zip(&step).map(|(x, d)| x + share * d).collect();
            if size(&trial) < before || share < 1e-6 {
                x = trial;
                break;
            }
            share *= 0.5;
        }
        if share < 1e-6 || step.norm() < 1e-14 * (1.0 + DVector::from_row_slice(&x).norm()) {
            break;
        }
    }
    if size(&x) < 1e-9 * scale {
        return Ok(x);
    }
    let expected = "a circuit whose operating point Newton's method finds from rest";
    Err(Error::invalid("operating point", "none found", expected))
}

impl SmallSignal {
    /// Linearises `circuit` about its operating point (sources at time 0).
    ///
    /// # Errors
    /// A circuit that cannot be assembled, charge jumps, or no operating point.
    pub fn new(circuit: &Circuit) -> Result<Self> {
        let time_unit = natural_time(circuit)?;
        let assembly = circuit.assemble(1.0, time_unit)?;
        let process = assembly.process();
        if !process.jumps.is_empty() || process.levels.is_some() {
            let value = "discrete states";
            return Err(Error::invalid(
                "circuit",
                value,
                "continuous elements (level langevin)",
            ));
        }
        let point = operating_point(&assembly)?;
        let n = process.nodes;
        let mut inverse = DMatrix::identity(n, n);
        for mut column in inverse.column_iter_mut() {
            let mut values: Vec<f64> = column.iter().copied().collect();
            theory::solve_mass_vector(&process.mass, &mut values);
            column.copy_from_slice(&values);
        }
        let scales = assembly.scales();
        let sources = sources(&assembly, &point)
            .into_iter()
            .map(|(name, b)| Source {
                name,
                vector: &inverse * b,
            })
            .collect();
        let to_flow = DMatrix::from_fn(n, n, |i, j| {
            inverse[(i, j)] * assembly.flow_unit(j) * scales[i] / time_unit
        });
        Ok(SmallSignal {
            a: theory::linearised(process, &point),
            rows: assembly.rows().collect(),
            point: point.iter().zip(&scales).map(|(x, s)| x * s).collect(),
            sources,
            inverse_mass: to_flow,
            scales,
            time_unit,
            names: circuit.node_names().to_vec(),
            baths: baths(&assembly, &point),
        })
    }

    /// The row of a node.
    ///
    /// # Errors
    /// An unknown node, or one that voltage sources hold.
    pub fn node(&self, name: &str) -> Result<usize> {
        let index = self.names.iter().position(|n| n == name);
        let row = index.and_then(|i| self.rows.iter().position(|r| *r == Row::Node(i)));
        row.ok_or_else(|| {
            let expected = format!("a free node, one of {}", self.names.join(", "));
            Error::invalid("node", format!("\"{name}\""), expected)
        })
    }

    /// Stationary covariance of the rows in SI units.
    ///
    /// # Errors
    /// A mode that does not decay.
    pub fn covariance(&self) -> Result<DMatrix<f64>> {
        Ok(self.in_si(&theory::lyapunov(&self.a, &self.diffusion())?))
    }

    /// D in units of the process.
    fn diffusion(&self) -> DMatrix<f64> {
        let n = self.a.nrows();
        let all = self.sources.iter();
        all.fold(DMatrix::zeros(n, n), |sum, source| {
            sum + &source.vector * source.vector.transpose()
        })
    }

    /// Products of two rows, in SI.
    fn in_si(&self, p: &DMatrix<f64>) -> DMatrix<f64> {
        DMatrix::from_fn(p.nrows(), p.ncols(), |i, j| {
            p[(i, j)] * self.scales[i] * self.scales[j]
        })
    }

    /// The circulation Ω = A P − D/2 = ⟨x_i ∘ dx_j/dt⟩ in SI per second, antisymmetric: the rate at which the stationary
    /// fluctuations enclose area in the plane of rows i and j. The probability current is J(x) = −Ω P⁻¹ x p(x). At
    /// equilibrium only voltages and currents circulate (reversibly) about each other; among voltages, or among currents,
    /// a circulation means broken detailed balance.
    ///
    /// # Errors
    /// A mode that does not decay.
    pub fn circulation(&self) -> Result<DMatrix<f64>> {
        let d = self.diffusion();
        let p = theory::lyapunov(&self.a, &d)?;
        Ok(self.in_si(&(&self.a * p - d * 0.5)) / self.time_unit)
    }

    /// Mean heat flow from every resistor (and series resistance) into its bath, W: G (⟨V²⟩ − kT bᵀC⁻¹b), R (⟨I²⟩ −
    /// kT (L⁻¹)ᵢᵢ); exact for linear circuits. Negative: the bath gives (arXiv 1301.4311 for two resistors).
    ///
    /// # Errors
    /// A mode that does not decay; nonlinear dissipative elements, whose heat [`balance`](super::balance()) measures.
    pub fn heat(&self) -> Result<Vec<(String, f64)>> {
        let p = self.covariance()?;
        let each = self.baths.iter().map(|bath| {
            let kt = BOLTZMANN * bath.kelvins;
            let power = match &bath.seat {
                Some(Seat::Across(g, ends, constant)) => {
                    let form = |m: &DMatrix<f64>| {
                        let at = |i: usize, j: usize| match (ends[i], ends[j]) {
                            (Some(a), Some(b)) => m[(a, b)],
                            _ => 0.0,
                        };
                        at(0, 0) + at(1, 1) - at(0, 1) - at(1, 0)
                    };
                    g * (form(&p) - kt * form(&self.inverse_mass) + constant * constant)
                }
                Some(Seat::Series(r, row, constant)) => {
                    let own = (*row, *row);
                    r * (p[own] - kt * self.inverse_mass[own] + constant * constant)
                }
                None => {
                    let value = format!("\"{}\" is nonlinear", bath.name);
                    let expected = "linear dissipative elements for exact heat flows";
                    return Err(Error::invalid("circuit", value, expected));
                }
            };
            Ok((bath.name.clone(), power))
        });
        each.collect()
    }

    /// Mean rate at which entropy is produced in the baths, Σ Q̇/T, W/K; 0 exactly at equilibrium.
    ///
    /// # Errors
    /// As [`Self::heat`]; a bath at 0 K.
    pub fn entropy_production(&self) -> Result<f64> {
        let mut sum = 0.0;
        for ((name, power), bath) in self.heat()?.into_iter().zip(&self.baths) {
            if bath.kelvins == 0.0 {
                let value = format!("\"{name}\" at 0 K");
                let expected = "baths above 0 K for an entropy";
                return Err(Error::invalid("temperature", value, expected));
            }
            sum += power / bath.kelvins;
        }
        Ok(sum)
    }

    /// Relaxation rates of the modes, 1/s (complex: ringing), slowest first.
    pub fn relaxation(&self) -> Vec<Complex<f64>> {
        let mut rates: Vec<Complex<f64>> = self.a.complex_eigenvalues().iter().copied().collect();
        rates.sort_by(|a, b| a.re.total_cmp(&b.re).then(a.im.total_cmp(&b.im)));
        rates.into_iter().map(|r| r / self.time_unit).collect()
    }

    /// (iω + A)⁻¹ at frequency `f` (Hz), in units of the process.
    fn response(&self, f: f64) -> DMatrix<Complex<f64>> {
        let n = self.a.nrows();
        let omega = std::f64::consts::TAU * f * self.time_unit;
        let matrix = self.a.map(|v| Complex::new(v, 0.0))
            + DMatrix::identity(n, n) * Complex::new(0.0, omega);
        matrix
            .lu()
            .try_inverse()
            .unwrap_or_else(|| DMatrix::from_element(n, n, Complex::new(f64::NAN, f64::NAN)))
    }

    /// One-sided spectral density of row `row` at `f`, source by source (V²/Hz, A²/Hz); they add up.
    pub fn spectrum(&self, row: usize, f: f64) -> Vec<(String, f64)> {
        let response = self.response(f);
        let density = |source: &Source| {
            let vector = source.vector.map(|v| Complex::new(v, 0.0));
            let transfer: Complex<f64> = (response.row(row) * vector)[(0, 0)];
            2.0 * transfer.norm_sqr() * self.scales[row].powi(2) * self.time_unit
        };
        self.sources
            .iter()
            .map(|source| (source.name.clone(), density(source)))
            .collect()
    }

    /// Small-signal impedance between row `row` (a node) and ground at `f`, ohm.
    pub fn impedance(&self, row: usize, f: f64) -> Complex<f64> {
        let response = self.response(f);
        let n = self.a.nrows();
        let unit = |j: usize| Complex::new(self.inverse_mass[(j, row)] / self.scales[j], 0.0);
        let moved = DVector::from_fn(n, |j, _| unit(j) * self.time_unit);
        (response.row(row) * moved)[(0, 0)] * self.scales[row]
    }
}

/// The baths of a circuit and the elements that couple to them, in order of the netlist.
fn baths(assembly: &Assembly, point: &[f64]) -> Vec<Bath> {
    let circuit = assembly.circuit();
    let volts = |end: Terminal| end.map_or(0.0, |i| assembly.voltage(i, point, 0.0));
    let mut baths = Vec::new();
    for (index, element) in circuit.elements.iter().enumerate() {
        let Some(Role::Bath(kelvins)) = role(element) else {
            continue;
        };
        let seat = match element {
            Element::Resistor {
                a, b, conductance, ..
            } => {
                let ends = [assembly.place(*a).0, assembly.place(*b).0];
                Some(Seat::Across(*conductance, ends, volts(*a) - volts(*b)))
            }
            Element::Inductor { series, .. } => {
                let row = assembly.rows.of_element[&index];
                let amperes = point[row] * assembly.rows.all[row].scale;
                Some(Seat::Series(*series, row, amperes))
            }
            _ => None,
        };
        let name = circuit.name_of(index);
        baths.push(Bath {
            name,
            kelvins,
            seat,
        });
    }
    baths
}

/// Every noise source's name and force per √(unit of time), M not divided out, at the operating point.
fn sources(assembly: &Assembly, point: &[f64]) -> Vec<(String, DVector<f64>)> {
    let process = assembly.process();
    let n = process.nodes;
    let circuit = assembly.circuit();
    let mut all = Vec::new();
    for (index, element) in circuit.elements.iter().enumerate() {
        let (density, [plus, minus]) = assembly.additive_noise(index, element);
        if density == 0.0 || plus == minus {
            continue;
        }
        let mut vector = DVector::zeros(n);
        for (row, sign) in [(plus, 1.0), (minus, -1.0)] {
            if let Some(row) = row {
                vector[row] +=
                    sign * assembly.flow_unit(row) * (density / assembly.time_unit()).sqrt();
            }
        }
        all.push((circuit.name_of(index), vector));
    }
    for (branch, (element, _)) in process.branches.iter().zip(assembly.branch_paths()) {
        let density = theory::density(process, branch, point, 0.0);
        if density == 0.0 {
            continue;
        }
        let mut vector = DVector::zeros(n);
        for &(row, weight) in &branch.output {
            vector[row] += weight * density.sqrt();
        }
        all.push((circuit.name_of(element), vector));
    }
    all
}
