//! What the samples are held against: the exact law where it exists.

use crate::diagnostics::Moments;
use crate::energy::{Model, exact};

/// Exact moments, and for small spin models the exact probability of every state.
#[derive(Debug)]
pub struct Reference {
    /// `exact` or the name of the sampler that stands in.
    pub name: String,
    /// Mean and covariance; standard errors are zero when exact.
    pub moments: Moments,
    /// P(state), bit i of the index set when s_i = +1.
    pub probabilities: Option<Vec<f64>>,
}

/// The exact law of `model`: closed form, enumeration (≤ 20 spins) or quadrature (1-D, 2-D); `None` where there is none.
pub fn exact_reference(model: &Model) -> Option<Reference> {
    let exact = |mean: Vec<f64>, covariance: Vec<f64>, probabilities| Reference {
        name: "exact".to_owned(),
        moments: Moments {
            mean_se: vec![0.0; mean.len()],
            covariance_se: vec![0.0; covariance.len()],
            mean,
            covariance,
        },
        probabilities,
    };
    match model {
        Model::Quadratic(quadratic) => {
            let m = exact::gaussian(quadratic);
            Some(exact(
                m.mean.as_slice().to_vec(),
                m.covariance.as_slice().to_vec(),
                None,
            ))
        }
        Model::SoftSpin(spins) if spins.fields.len() <= 2 => {
            let m = exact::quadrature(spins).ok()?;
            Some(exact(
                m.mean.as_slice().to_vec(),
                m.covariance.as_slice().to_vec(),
                None,
            ))
        }
        Model::SoftSpin(_) => None,
        Model::FluxCells(cells) => {
            let n = cells.flux.len();
            let (mean, variance) = exact::flux_cells(cells).ok()?;
            let covariance = (0..n * n).map(|k| if k / n == k % n { variance[k / n] } else { 0.0 });
            Some(exact(mean, covariance.collect(), None))
        }
        Model::Mixture(mixture) => {
            let (mean, covariance) = mixture.moments();
            Some(exact(
                mean.as_slice().to_vec(),
                covariance.as_slice().to_vec(),
                None,
            ))
        }
        Model::Ising(ising) => {
            let e = exact::enumerate(ising).ok()?;
            let n = e.means.len();
            let covariance = (0..n * n)
                .map(|k| {
                    let (i, j) = (k / n, k % n);
                    let second = if i == j { 1.0 } else { e.correlations[(i, j)] };
                    second - e.means[i] * e.means[j]
                })
                .collect();
            Some(exact(
                e.means.clone(),
                covariance,
                Some(e.probabilities.clone()),
            ))
        }
    }
}

/// Index of a spin state among the 2ⁿ: bit i set when x_i > 0.
pub fn state_index(x: &[f32]) -> usize {
    x.iter()
        .enumerate()
        .fold(0, |index, (i, &v)| index | (usize::from(v > 0.0) << i))
}
