//! Linear stability: the largest step at which no mode of the drift grows.

use super::linear;
use super::modes::{DENSE_ROWS, Drift, is_linear};
use super::process::Process;
use super::scheme::Setting;
use crate::error::{Error, Result};
use nalgebra::Complex;

/// R(z): what a scheme multiplies a mode e^{−λt} by in a step, z = hλ.
pub(super) type Amplification = fn(Complex<f64>) -> Complex<f64>;

/// Euler–Maruyama, Leimkuhler–Matthews: 1 − z.
pub(super) fn euler(z: Complex<f64>) -> Complex<f64> {
    Complex::new(1.0, 0.0) - z
}

/// Two-stage explicit schemes: 1 − z + z²/2.
pub(super) fn second_order(z: Complex<f64>) -> Complex<f64> {
    Complex::new(1.0, 0.0) - z + z * z * 0.5
}

/// Largest stable step over the modes of A: the first h at which some |R(hλ)| reaches 1.
pub(super) fn limit(a: &nalgebra::DMatrix<f64>, amplification: Amplification) -> f64 {
    a.clone()
        .complex_eigenvalues()
        .iter()
        .map(|&lambda| of_mode(lambda, amplification))
        .fold(f64::INFINITY, f64::min)
}

/// Largest stable step for one mode; any step for a mode that grows by itself.
pub(super) fn of_mode(lambda: Complex<f64>, amplification: Amplification) -> f64 {
    let size = lambda.norm();
    // No explicit scheme here is stable beyond |z| = 4, and none gains stability again as h grows.
    if lambda.re < -1e-12 * size || size == 0.0 {
        return f64::INFINITY;
    }
    let (mut low, mut high) = (0.0, 4.0 / size);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if amplification(lambda * middle).norm_sqr() < 1.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Refuses a step beyond the limit of a linear process, or of the caller's stiffness for a nonlinear one.
///
/// A growing mode of the drift is the process's own affair (an unstable fixed point): it is not refused.
pub(super) fn check(
    process: &Process,
    setting: &Setting<'_>,
    scheme: &str,
    amplification: Amplification,
) -> Result<()> {
    if !(setting.step > 0.0 && setting.step.is_finite()) {
        return Err(Error::invalid("plan.step", setting.step, "a positive time"));
    }
    let (limit, reason) = match setting.stiffness {
        Some(stiffness) => {
            let a = nalgebra::DMatrix::from_element(1, 1, stiffness);
            let reason = format!("the fastest mode decays at {stiffness:.4} per tau");
            (limit(&a, amplification), reason)
        }
        None if !is_linear(process) => return Ok(()),
        None => {
            let rest = vec![0.0; process.nodes];
            let limit = if process.nodes <= DENSE_ROWS {
                limit(&linear::linearised(process, &rest), amplification)
            } else {
                Drift::at(process, &rest).limit(setting.step, amplification)
            };
            (limit, "the first mode to grow".to_owned())
        }
    };
    if setting.step >= limit {
        return Err(Error::Unstable {
            scheme: scheme.to_owned(),
            step: setting.step,
            limit,
            reason,
        });
    }
    Ok(())
}
