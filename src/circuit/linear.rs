//! Linear analysis in SI: stationary covariance of the node voltages, and what Euler–Maruyama makes of it.

use super::Circuit;
use crate::dynamics::linear as theory;
use crate::error::{Error, Result};
use nalgebra::DMatrix;

/// (A, D) of a linear circuit in volts and seconds, computed at a scale where numbers are of order one.
fn matrices(circuit: &Circuit, time_unit: f64) -> Result<(DMatrix<f64>, DMatrix<f64>)> {
    let assembly = circuit.assemble(1.0, time_unit)?;
    let Some(a) = theory::drift_matrix(assembly.process()) else {
        return Err(Error::invalid(
            "circuit",
            "nonlinear elements",
            "a linear circuit",
        ));
    };
    Ok((a, theory::diffusion(assembly.process())))
}

/// A time unit in which the fastest element is of order one.
fn natural_time(circuit: &Circuit) -> Result<f64> {
    let (a, _) = matrices(circuit, 1.0)?;
    let fastest = a.iter().map(|v| v.abs()).fold(0.0, f64::max);
    Ok(if fastest > 0.0 { 1.0 / fastest } else { 1.0 })
}

/// Stationary Cov(V) in V², from A P + P Aᵀ = D. At one temperature it is kT·C⁻¹ whatever the resistors.
///
/// # Errors
/// A nonlinear circuit, or one with a mode that does not decay.
pub fn covariance(circuit: &Circuit) -> Result<DMatrix<f64>> {
    let (a, d) = matrices(circuit, natural_time(circuit)?)?;
    theory::lyapunov(&a, &d)
}

/// Cov(V) in V² as Euler–Maruyama samples it at a step of `seconds`.
///
/// # Errors
/// As [`covariance`], and a step beyond the stability limit (stated in units of the fastest element's time).
pub fn em_covariance(circuit: &Circuit, seconds: f64) -> Result<DMatrix<f64>> {
    let unit = natural_time(circuit)?;
    let (a, d) = matrices(circuit, unit)?;
    theory::em_covariance(&a, &d, seconds / unit)
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
