//! Whether two sets of draws have one law, as far as means and covariances show.
//!
//! The value is the rms difference in standard errors (1 when only chance separates the two). Beside it stands what the
//! scheme's own bias predicts for that number: to first order in the step h, Euler–Maruyama samples
//! E + h(½ΔE − ¼|∇E|²), so ⟨f⟩ moves by −h Cov(f, ½ΔE − ¼|∇E|²), estimated from the same draws. The p-value is that of
//! "one law, once that predicted bias is taken off", by Bonferroni on the largest |z|.

use super::measure::{Measured, select};
use crate::diagnostics::{self, Moments};
use crate::record::Comparison;
use crate::sampler::Samples;

/// Predicted first-order bias of the mean and covariance at step `h`, from the draws themselves.
pub fn predicted_bias(measured: &Measured, samples: &Samples, h: f64) -> Moments {
    let n = measured.free.len();
    let values = select(samples, &measured.free);
    let (mean, covariance) = diagnostics::first_order_bias(&values, n, &measured.delta_energy);
    Moments {
        mean: mean.iter().map(|v| h * v).collect(),
        mean_se: vec![0.0; n],
        covariance: covariance.iter().map(|v| h * v).collect(),
        covariance_se: vec![0.0; n * n],
    }
}

/// Compares `a` with the reference `b`: one row for the means, one for the covariances.
pub fn compare(
    a: (&str, &Moments),
    b: (&str, &Moments),
    bias: Option<&Moments>,
) -> [Comparison; 2] {
    let raw = diagnostics::compare_moments(a.1, b.1);
    let corrected = match bias {
        Some(bias) => {
            let mut shifted = a.1.clone();
            subtract(&mut shifted.mean, &bias.mean);
            subtract(&mut shifted.covariance, &bias.covariance);
            diagnostics::compare_moments(&shifted, b.1)
        }
        None => raw.clone(),
    };
    let predicted = bias.map(|bias| {
        [
            rms_ratio(&bias.mean, &a.1.mean_se, &b.1.mean_se),
            rms_ratio(&bias.covariance, &a.1.covariance_se, &b.1.covariance_se),
        ]
    });
    let row = |metric: &str, value, predicted_bias, p| Comparison {
        a: a.0.to_owned(),
        b: b.0.to_owned(),
        metric: metric.to_owned(),
        value,
        se: None,
        predicted_bias,
        p_value: Some(p),
    };
    [
        row(
            "mean_error",
            raw.mean_rms_z,
            predicted.map(|p| p[0]),
            corrected.mean_p,
        ),
        row(
            "covariance_error",
            raw.cov_rms_z,
            predicted.map(|p| p[1]),
            corrected.cov_p,
        ),
    ]
}

fn subtract(values: &mut [f64], shift: &[f64]) {
    for (value, shift) in values.iter_mut().zip(shift) {
        *value -= shift;
    }
}

/// Rms of value / standard error of the difference, over entries that have one.
fn rms_ratio(values: &[f64], se_a: &[f64], se_b: &[f64]) -> f64 {
    let squares: Vec<f64> = values
        .iter()
        .zip(se_a.iter().zip(se_b))
        .filter_map(|(v, (a, b))| {
            let variance = a * a + b * b;
            (variance > 0.0).then(|| v * v / variance)
        })
        .collect();
    (squares.iter().sum::<f64>() / squares.len().max(1) as f64).sqrt()
}
