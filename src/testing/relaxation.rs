//! A sampler approaches its law as fast as it should: distances along the run, against exact laws or a spectral gap.
//!
//! N independent chains start in one state; after t steps the measured ½Σ|p̂_t − π| scatters about its mean by less than any ε with
//! probability 1 − e^{−2Nε²} (McDiarmid), the mean lies between the true distance and that plus ½Σ√(p_t(1 − p_t)/N), the
//! sampling floor. So both sides are judged by proven bounds. A kernel that leaves π as it is but is too lazy, or never gets
//! anywhere, is found here and nowhere else.

use super::chain::TransitionMatrix;
use super::evidence::{Evidence, law_of};
use super::sequential::{Sequential, Stream};
use super::view::count;
use crate::diagnostics::total_variation;

/// How a law is approached.
#[derive(Clone, Debug, PartialEq)]
pub struct Relaxation {
    /// π.
    probabilities: Vec<f64>,
    waypoints: Vec<Waypoint>,
}

#[derive(Clone, Debug, PartialEq)]
struct Waypoint {
    /// Steps since the start.
    steps: usize,
    /// The distance is at most this …
    most: f64,
    /// … and the law is this, where it is known.
    law: Option<Vec<f64>>,
}

impl Relaxation {
    /// As a chain of which the transition matrix is known approaches its stationary law from state `start`: the exact law after
    /// each of `times` steps, and ½√(1/π(start) − 1) σᵗ with the contraction σ of the chain.
    ///
    /// # Errors
    /// No such state, no times; a chain with several stationary laws or transient states.
    pub fn of_chain(
        chain: &TransitionMatrix,
        start: usize,
        times: &[usize],
    ) -> Result<Self, String> {
        let pi = chain.stationary()?;
        if start >= pi.len() {
            return Err(format!(
                "start: state {start}, expected one of {}",
                pi.len()
            ));
        }
        let sigma = chain.contraction(&pi)?;
        let constant = 0.5 * (1.0 / pi[start] - 1.0).max(0.0).sqrt();
        let mut relaxation = Self::at_rate(pi, constant, 1.0 - sigma.min(1.0), times)?;
        let mut from = vec![0.0; relaxation.probabilities.len()];
        from[start] = 1.0;
        for waypoint in &mut relaxation.waypoints {
            waypoint.law = Some(chain.after(&from, waypoint.steps));
        }
        Ok(relaxation)
    }

    /// Distances of at most `constant` (1 − `gap`)ᵗ after each of `times` steps: on a finite list of states, or on cells of any
    /// state space, whose distance is at most that of the whole law.
    ///
    /// # Errors
    /// A gap outside [0, 1], a constant that is not positive, no times, fewer than two probabilities.
    pub fn at_rate(
        probabilities: Vec<f64>,
        constant: f64,
        gap: f64,
        times: &[usize],
    ) -> Result<Self, String> {
        if !(0.0..=1.0).contains(&gap) {
            return Err(format!("gap: {gap}, expected 0 to 1"));
        }
        if !(constant >= 0.0 && constant.is_finite()) {
            return Err(format!("constant: {constant}, expected 0 or more"));
        }
        if times.is_empty() || probabilities.len() < 2 {
            return Err("relaxation: expected at least one time and two states".to_owned());
        }
        let waypoint = |&steps: &usize| Waypoint {
            steps,
            most: (constant * (1.0 - gap).powf(steps as f64)).min(1.0),
            law: None,
        };
        let mut waypoints: Vec<Waypoint> = times.iter().map(waypoint).collect();
        waypoints.sort_by_key(|m| m.steps);
        Ok(Relaxation {
            probabilities,
            waypoints,
        })
    }

    /// (steps, bound on the distance, exact distance where the law is known).
    pub fn distances(&self) -> Vec<(usize, f64, Option<f64>)> {
        let exact = |m: &Waypoint| {
            m.law
                .as_ref()
                .map(|p| total_variation(p, &self.probabilities))
        };
        self.waypoints
            .iter()
            .map(|m| (m.steps, m.most, exact(m)))
            .collect()
    }
}

/// Chains of `kernel` from `start` approach the law as `relaxation` says; `index` is the state or cell.
///
/// At every time: the distance is not above its bound; where the exact law is known also not below the exact distance, and the
/// states have that law (χ²).
///
/// # Errors
/// When and by how much it is too slow, too fast, or elsewhere. As [`Sequential::plan`].
pub fn converges_to<S>(
    mut start: impl FnMut(&mut Stream) -> S,
    mut kernel: impl FnMut(&mut S, &mut Stream),
    index: impl Fn(&S) -> usize,
    relaxation: &Relaxation,
    test: &Sequential,
) -> Result<(), String> {
    let pi = &relaxation.probabilities;
    test.run(|draws, stream| {
        let mut chains: Vec<S> = (0..draws).map(|_| start(stream)).collect();
        let (n, mut now, mut found) = (draws as f64, 0, Vec::new());
        for waypoint in &relaxation.waypoints {
            for chain in &mut chains {
                for _ in now..waypoint.steps {
                    kernel(chain, stream);
                }
            }
            now = waypoint.steps;
            let counts = count("state", chains.iter().map(&index), pi.len())?;
            let seen: Vec<f64> = counts.iter().map(|c| *c as f64 / n).collect();
            let distance = total_variation(&seen, pi);
            let exact = waypoint.law.as_ref().map(|p| total_variation(p, pi));
            let most = exact.map_or(waypoint.most, |e| e.min(waypoint.most));
            // Σ√(p(1−p)/N) ≤ √((S − 1)/N) whatever p is (Cauchy).
            let floor = match &waypoint.law {
                Some(p) => p.iter().map(|p| (p * (1.0 - p).max(0.0) / n).sqrt()).sum::<f64>(),
                None => ((pi.len() - 1) as f64 / n).sqrt(),
            };
            let floor = 0.5 * floor;
            let beyond = |excess: f64| (-2.0 * n * excess.max(0.0).powi(2)).exp();
            let what = format!(
                "distance {distance:.4} after {now} steps, expected at most {most:.4} + {floor:.4} of sampling"
            );
            found.push(Evidence::new(what, beyond(distance - most - floor)));
            if let (Some(law), Some(exact)) = (&waypoint.law, exact) {
                let what = format!("distance {distance:.4} after {now} steps, expected {exact:.4}");
                found.push(Evidence::new(what, beyond(exact - distance)));
                found.push(law_of(&format!("law after {now} steps"), &counts, law)?);
            }
        }
        Ok(found)
    })
}
