//! Linear circuits in SI: stationary covariance of the node voltages, and what Euler–Maruyama makes of it.

use super::Circuit;
use super::analysis::natural_time;
use crate::dynamics::linear as theory;
use crate::error::{Error, Result};
use nalgebra::DMatrix;

/// (A, D) of a linear circuit in SI units of its rows and in `time_unit`.
fn matrices(circuit: &Circuit, time_unit: f64) -> Result<(DMatrix<f64>, DMatrix<f64>)> {
    let assembly = circuit.assemble(1.0, time_unit)?;
    let Some(a) = theory::drift_matrix(assembly.process()) else {
        return Err(Error::invalid(
            "circuit",
            "nonlinear elements",
            "a linear circuit (or analysis about an operating point)",
        ));
    };
    Ok((a, theory::diffusion(assembly.process())))
}

/// Restores SI: rows were in units of their scales (V are in V already).
fn in_si(circuit: &Circuit, p: DMatrix<f64>) -> Result<DMatrix<f64>> {
    let scales = circuit.assemble(1.0, 1.0)?.scales();
    Ok(DMatrix::from_fn(p.nrows(), p.ncols(), |i, j| {
        p[(i, j)] * scales[i] * scales[j]
    }))
}

/// Stationary covariance of the rows (V, then A of inductors) in SI, from A P + P Aᵀ = D. At one temperature it is kT·C⁻¹
/// and kT·L⁻¹ whatever the resistors.
///
/// # Errors
/// A nonlinear circuit, or one with a mode that does not decay.
pub fn covariance(circuit: &Circuit) -> Result<DMatrix<f64>> {
    let (a, d) = matrices(circuit, natural_time(circuit)?)?;
    in_si(circuit, theory::lyapunov(&a, &d)?)
}

/// The covariance of [`covariance`] as Euler–Maruyama samples it at a step of `seconds`.
///
/// # Errors
/// As [`covariance`], and a step beyond the stability limit (stated in units of the fastest element's time).
pub fn em_covariance(circuit: &Circuit, seconds: f64) -> Result<DMatrix<f64>> {
    let unit = natural_time(circuit)?;
    let (a, d) = matrices(circuit, unit)?;
    in_si(circuit, theory::em_covariance(&a, &d, seconds / unit)?)
}

/// Largest stable Euler–Maruyama step, seconds.
///
/// # Errors
/// A nonlinear circuit.
pub fn em_stability_limit(circuit: &Circuit) -> Result<f64> {
    let unit = natural_time(circuit)?;
    let (a, _) = matrices(circuit, unit)?;
    Ok(theory::em_stability_limit(&a) * unit)
}
