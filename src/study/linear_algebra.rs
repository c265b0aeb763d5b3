//! Linear algebra with a chip: what its draws say of A⁻¹b, A⁻¹ and log det A for E = ½xᵀAx − bᵀx (arXiv 2308.05660).
//!
//! N draws Δt apart of a linear process with covariance Σ and propagator Φ = e^{−AΔt} have the errors
//! E|x̄ − A⁻¹b|² = (1/N) Σ_k tr C_k and E‖Ĉ − Σ‖²_F = (1/N) Σ_k Σ_ij (C_k,ii C_k,jj + C_k,ij C_k,ji) to leading order in N,
//! C_k = Φ^k Σ over all lags k. For dx = −(Ax − b)dt + √2 dW these are (1/N) Σ_i coth(λ_iΔt/2)/λ_i and
//! (1/N) Σ_ij (1 + δ_ij) coth((λ_i + λ_j)Δt/2)/λ_iλ_j. Inductors are hidden rows: only voltages count.

use super::measure::mean_over_chains;
use crate::dynamics::{Process, linear};
use crate::energy::{Quadratic, exact};
use crate::error::Result;
use crate::record::Metric;
use crate::sampler::Samples;
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// N times the expected squared errors of mean and covariance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorLaw {
    /// N E|x̄ − μ|².
    pub mean: f64,
    /// N E‖Ĉ − Σ‖²_F.
    pub covariance: f64,
}

/// Lags beyond which nothing is left, at most.
const LAGS: usize = 1_000_000;

/// The law for draws of the rows `visible`, `interval` apart in the process's time; `None` for a process that is not linear.
///
/// # Errors
/// A process without a stationary law.
pub fn error_law(process: &Process, visible: &[usize], interval: f64) -> Result<Option<ErrorLaw>> {
    let Some(a) = linear::drift_matrix(process) else {
        return Ok(None);
    };
    let d = linear::diffusion(process);
    let sigma = linear::lyapunov(&a, &d)?;
    let (phi, _) = linear::transition(&a, &d, interval);
    let pick = |m: &DMatrix<f64>| {
        DMatrix::from_fn(visible.len(), visible.len(), |i, j| {
            m[(visible[i], visible[j])]
        })
    };
    // Lags k and −k are each other's transpose.
    let mut law = ErrorLaw {
        mean: 0.0,
        covariance: 0.0,
    };
    let mut at_lag = sigma.clone();
    let small = 1e-14 * sigma.norm();
    for k in 0..LAGS {
        let c = pick(&at_lag);
        let twice = if k == 0 { 1.0 } else { 2.0 };
        let trace = c.trace();
        law.mean += twice * trace;
        law.covariance += twice * (trace * trace + (&c * &c).trace());
        if at_lag.norm() < small {
            break;
        }
        at_lag = &phi * at_lag;
    }
    Ok(Some(law))
}

/// Mean over chains of |x̄ − A⁻¹b|² and ‖Ĉ − A⁻¹‖²_F (Ĉ about the true mean), and log det A from all draws.
pub fn estimates(energy: &Quadratic, samples: &Samples) -> BTreeMap<String, Metric> {
    let n = samples.nodes;
    let truth = exact::gaussian(energy);
    let per_chain: Vec<(f64, f64, DMatrix<f64>)> = samples
        .x
        .par_chunks(samples.draws * n)
        .map(|chain| {
            let (mut sum, mut second) = (DVector::zeros(n), DMatrix::zeros(n, n));
            for x in chain.chunks(n) {
                let d = DVector::from_fn(n, |i, _| f64::from(x[i]) - truth.mean[i]);
                second.ger(1.0, &d, &d, 1.0);
                sum += d;
            }
            let draws = samples.draws as f64;
            let second = second / draws;
            let covariance = (&second - &truth.covariance).norm_squared();
            ((sum / draws).norm_squared(), covariance, second)
        })
        .collect();
    let column = |pick: fn(&(f64, f64, DMatrix<f64>)) -> f64| -> Vec<f64> {
        per_chain.iter().map(pick).collect()
    };
    let mut metrics = BTreeMap::from([
        (
            "solve_error2".to_owned(),
            mean_over_chains(&column(|c| c.0), samples.chains),
        ),
        (
            "inverse_error2".to_owned(),
            mean_over_chains(&column(|c| c.1), samples.chains),
        ),
    ]);
    let total: DMatrix<f64> = per_chain.iter().map(|c| &c.2).sum();
    let log_det = |c: DMatrix<f64>| {
        let factor = c.cholesky()?;
        Some(-2.0 * factor.l().diagonal().map(f64::ln).sum())
    };
    let chains = samples.chains as f64;
    if let Some(value) = log_det(&total / chains) {
        // Delete one chain.
        let parts: Vec<f64> = per_chain
            .iter()
            .filter_map(|c| log_det((&total - &c.2) / (chains - 1.0)))
            .collect();
        let mean = parts.iter().sum::<f64>() / parts.len().max(1) as f64;
        let spread: f64 = parts.iter().map(|p| (p - mean).powi(2)).sum();
        let se = (spread * (chains - 1.0) / chains).sqrt();
        let se = (parts.len() == samples.chains && samples.chains > 1).then_some(se);
        // The jackknife also takes off the bias n(n + 1)/2N of the logarithm.
        let value = se.map_or(value, |_| chains * value - (chains - 1.0) * mean);
        metrics.insert("log_determinant".to_owned(), Metric { value, se });
    }
    if let Some(value) = log_det(truth.covariance.clone()) {
        let exact = Metric { value, se: None };
        metrics.insert("log_determinant_exact".to_owned(), exact);
    }
    metrics
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::ContinuousEnergy;
    use crate::sampler::langevin_process;

    /// The sums over lags are the closed forms.
    #[test]
    fn sums_over_lags_are_the_closed_forms() {
        let a = DMatrix::from_row_slice(3, 3, &[2.0, 0.5, 0.0, 0.5, 1.0, -0.3, 0.0, -0.3, 1.5]);
        let energy = Quadratic::new(a.clone(), DVector::zeros(3)).unwrap();
        let process = langevin_process(&energy.pairwise().unwrap());
        let dt = 0.4;
        let law = error_law(&process, &[0, 1, 2], dt).unwrap().unwrap();
        let modes = a.symmetric_eigenvalues();
        let coth = |x: f64| 1.0 / x.tanh();
        let mean: f64 = modes.iter().map(|l| coth(l * dt / 2.0) / l).sum();
        let mut covariance = 0.0;
        for (i, li) in modes.iter().enumerate() {
            for (j, lj) in modes.iter().enumerate() {
                let twice = if i == j { 2.0 } else { 1.0 };
                covariance += twice / (li * lj) * coth((li + lj) * dt / 2.0);
            }
        }
        assert!((law.mean / mean - 1.0).abs() < 1e-9);
        assert!((law.covariance / covariance - 1.0).abs() < 1e-9);
    }
}
