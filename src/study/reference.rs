//! What the samples are held against: the exact law where it exists.

use super::held::Held;
use crate::diagnostics::Moments;
use crate::energy::{Domain, FactorGraph, MAX_STATES, Model, enumerate_factors, exact};

/// Most numbers that an exact covariance of a factor graph's features may take to sum, over all states.
const MOST_SUMS: usize = 1 << 30;

/// Exact moments, and for small discrete models the exact probability of every state.
#[derive(Debug)]
pub struct Reference {
    /// `exact` or the name of the sampler that stands in.
    pub name: String,
    /// Mean and covariance; standard errors are zero when exact.
    pub moments: Moments,
    /// P(state), numbered as [`state_index`] does.
    pub probabilities: Option<Vec<f64>>,
}

/// The exact law of `model`, of the variables that are not `held` (the same for all chains): closed form, enumeration (≤ 20 spins, or as many states) or quadrature (1-D, 2-D); `None` where there is none.
pub(super) fn exact_reference(model: &Model, held: Option<&Held>) -> Option<Reference> {
    match (held, model) {
        (None, _) => law(model, &[]),
        (Some(held), Model::Factors(graph)) => law(model, &held.states(graph.domains())?),
        (Some(held), _) => law(&model.given(&held.nodes, held.common()?).ok()??, &[]),
    }
}

/// The exact law of `model`; of a factor graph some of whose variables are in the `held` states.
fn law(model: &Model, held: &[(usize, u8)]) -> Option<Reference> {
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
        Model::Factors(graph) => {
            let mut features = graph.features();
            features.retain(|(i, _)| !held.iter().any(|(held, _)| held == i));
            let sums = features.len() * features.len();
            let few = |states: &usize| *states <= MAX_STATES && states * sums <= MOST_SUMS;
            graph.states().filter(few)?;
            let e = enumerate_factors(graph, held).ok()?;
            let (mean, covariance) = e.moments(features.len(), |x, values| {
                for (value, &(i, state)) in values.iter_mut().zip(&features) {
                    *value = feature_of_state(graph, x, (i, state));
                }
            });
            Some(exact(mean, covariance, Some(e.probabilities)))
        }
    }
}

/// s_i of a spin, else whether category i is in `state`.
fn feature_of_state(graph: &FactorGraph, x: &[u8], (i, state): (usize, u8)) -> f64 {
    match graph.domains()[i] {
        Domain::Spin => Domain::Spin.value(x[i]),
        Domain::Categorical(_) => f64::from(u8::from(x[i] == state)),
    }
}

/// Number of a joint state of the `free` spins (a bit each, set when x > 0), or of so many of a factor graph's variables (the first
/// runs fastest).
pub fn state_index(model: &Model, x: &[f32], free: &[usize]) -> usize {
    match model.factors() {
        Some(graph) => free.iter().rev().fold(0, |index, &i| {
            let (value, domain) = (x[i], graph.domains()[i]);
            let state = domain.state(f64::from(value)).unwrap_or(0);
            index * domain.states() + usize::from(state)
        }),
        None => free
            .iter()
            .enumerate()
            .fold(0, |index, (k, &i)| index | (usize::from(x[i] > 0.0) << k)),
    }
}
