//! No rectification: a passive circuit at one temperature stays in equilibrium, however nonlinear its conductors are.
//!
//! The law of voltages and inductor currents is N(0, kT C⁻¹), N(0, kT L⁻¹), whatever conducts: fluctuations drive no mean voltage
//! or current, and no element cools another. That needs the noise 4kT·I(V)/V in the anti-Itô calculus (arXiv 2507.03089).

use super::evidence::{Evidence, mean_and_error, two_sided_t};
use super::sequential::{Sequential, Stream};
use crate::circuit::{Circuit, Row, SmallSignal};
use crate::dynamics::{Control, Ensemble, NormalBits, Setting, scheme};
use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use std::sync::atomic::AtomicBool;

/// How a circuit is followed.
#[derive(Clone, Debug, PartialEq)]
pub struct Followed {
    /// Scheme, one for noise that depends on the state.
    pub scheme: String,
    /// Step, in units of the fastest relaxation time at rest.
    pub step: f64,
    /// Time, in units of the slowest relaxation time at rest.
    pub time: f64,
    /// What the step may do to a moment, in standard deviations of what is averaged.
    pub allowance: f64,
}

impl Default for Followed {
    /// Heun's scheme, a 200th of the fastest relaxation time, twice the slowest; 1 % of a deviation.
    fn default() -> Self {
        Followed {
            scheme: "heun".to_owned(),
            step: 0.005,
            time: 2.0,
            allowance: 0.01,
        }
    }
}

/// (power, name, variance of that power of a standard normal).
const MOMENTS: [(i32, &str, f64); 3] = [
    (1, "mean", 1.0),
    (2, "second moment", 2.0),
    (3, "third moment", 15.0),
];

/// Copies of `circuit` that start in equilibrium stay there: the first three moments of every node voltage and inductor current are
/// after the time followed what they were, 0, their equilibrium variance and 0.
///
/// ```
/// use thermochip::circuit::{Circuit, Conductor};
/// use thermochip::dynamics::Calculus;
/// use thermochip::testing::{Followed, Sequential, no_rectification};
/// use thermochip::units::{BOLTZMANN, Capacitance, ElectricPotential, ElectricalConductance, ThermodynamicTemperature};
/// use uom::si::{capacitance::farad, electric_potential::volt, electrical_conductance::siemens};
/// use uom::si::thermodynamic_temperature::kelvin;
///
/// let made = |calculus: Calculus| {
///     let (farads, kelvins) = (1e-15, 300.0);
///     let mut circuit = Circuit::new();
///     let node = circuit.node("out")?;
///     circuit.capacitor(node, None, Capacitance::new::<farad>(farads))?;
///     let curve = Conductor::Saturating {
///         conductance: ElectricalConductance::new::<siemens>(1e-6),
///         ratio: 0.8,
///         width: ElectricPotential::new::<volt>((BOLTZMANN * kelvins / farads).sqrt()),
///     };
///     let at = ThermodynamicTemperature::new::<kelvin>(kelvins);
///     circuit.conductor_read_as(Some(node), None, &curve, at, calculus)?;
///     Ok::<_, thermochip::error::Error>(circuit)
/// };
/// let test = Sequential::new(1e-6, 4000);
/// no_rectification(&made(Calculus::AntiIto)?, &Followed::default(), &test)?;
/// // The noise read as a circuit simulator reads it rectifies.
/// let words = no_rectification(&made(Calculus::Stratonovich)?, &Followed::default(), &test);
/// assert!(words.unwrap_err().contains("v(out)"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Which voltage or current moved, and by how much. A circuit that cannot be assembled or has states beside voltages and
/// currents, a mode that does not decay, a scheme or step that is refused. As [`Sequential::plan`].
pub fn no_rectification(
    circuit: &Circuit,
    followed: &Followed,
    test: &Sequential,
) -> Result<(), String> {
    let small = SmallSignal::new(circuit).map_err(|e| e.to_string())?;
    let covariance = small.covariance().map_err(|e| e.to_string())?;
    let mut names = Vec::new();
    for row in &small.rows {
        names.push(match row {
            Row::Node(index) => format!("v({})", circuit.node_names()[*index]),
            Row::Current(index) => format!("i(element {index})"),
            Row::State(index) => {
                return Err(format!(
                    "element {index}: a state of its own, expected capacitors and inductors"
                ));
            }
        });
    }
    let rates = small.relaxation();
    let slowest = rates.iter().map(|r| r.re).fold(f64::INFINITY, f64::min);
    let fastest = rates.iter().map(|r| r.norm()).fold(0.0, f64::max);
    let positive = |field: &str, value: f64| {
        if value > 0.0 && value.is_finite() {
            Ok(value)
        } else {
            Err(format!("{field}: {value}, expected a positive number"))
        }
    };
    let step = positive("step", followed.step)? / positive("fastest rate", fastest)?;
    let time = positive("time", followed.time)? / positive("slowest rate", slowest)?;
    let steps = (time / step).ceil() as u64;
    let deviations: Vec<f64> = covariance.diagonal().iter().map(|v| v.sqrt()).collect();
    let factor = scaled_factor(&covariance, &deviations)?;
    let unit = 1.0 / fastest;
    let assembly = circuit.assemble(1.0, unit).map_err(|e| e.to_string())?;
    let scales = assembly.scales();
    let n = names.len();
    let setting = Setting {
        step: time / steps as f64 / unit,
        clamped: &vec![false; n],
        stiffness: None,
        normals: NormalBits::Full,
    };
    let stepper = scheme::<f64>(&followed.scheme)
        .and_then(|s| s.prepare(assembly.process(), &setting))
        .map_err(|e| e.to_string())?;
    let never = AtomicBool::new(false);
    test.run(|draws, stream| {
        let start = starts(&factor, draws, stream);
        let into = |k: usize| deviations[k % n] / scales[k % n];
        let values: Vec<f64> = start.iter().enumerate().map(|(k, z)| z * into(k)).collect();
        let mut ensemble = Ensemble::<f64>::from_origin((stream.random::<u64>(), 0), draws, n, 0);
        let control = Control {
            interrupted: &never,
            progress: &|_| {},
        };
        ensemble.set_values(&values).map_err(|e| e.to_string())?;
        let burn = steps.saturating_sub(1);
        let run = ensemble.run(&*stepper, burn, 1, 1, control);
        run.map_err(|e| e.to_string())?;
        let values = ensemble.values();
        let end: Vec<f64> = values.iter().enumerate().map(|(k, x)| x / into(k)).collect();
        let mut found = Vec::new();
        for (row, name) in names.iter().enumerate() {
            let column = |power: i32, spread: f64| -> Vec<f64> {
                let rows = end.chunks(n).zip(start.chunks(n));
                let own = |z: &[f64]| z[row].powi(power) / spread.sqrt();
                // The start is exact: what it scatters by chance is taken off.
                rows.map(|(end, start)| own(end) - own(start)).collect()
            };
            for (power, of, spread) in MOMENTS {
                let (mean, error) = mean_and_error(&column(power, spread));
                let beyond = (mean.abs() - followed.allowance).max(0.0);
                let p = two_sided_t(beyond / error, draws as f64 - 1.0);
                let what = format!(
                    "{of} of {name}: moved by {mean:.5} ± {error:.5} of its standard deviations, expected at most {}",
                    followed.allowance
                );
                found.push(Evidence::new(what, p));
            }
        }
        Ok(found)
    })
}

/// L with L Lᵀ = the correlations.
fn scaled_factor(covariance: &DMatrix<f64>, deviations: &[f64]) -> Result<DMatrix<f64>, String> {
    let n = deviations.len();
    let correlations = DMatrix::from_fn(n, n, |i, j| {
        covariance[(i, j)] / (deviations[i] * deviations[j])
    });
    let factor = correlations.cholesky().map(|c| c.unpack());
    factor.ok_or_else(|| "circuit: its equilibrium covariance is singular".to_owned())
}

/// `z[chain * n + row]` in deviations.
fn starts(factor: &DMatrix<f64>, draws: usize, stream: &mut Stream) -> Vec<f64> {
    (0..draws)
        .flat_map(|_| {
            let z = DVector::from_fn(factor.nrows(), |_, _| StandardNormal.sample(stream));
            (factor * z).data.as_vec().clone()
        })
        .collect()
}
