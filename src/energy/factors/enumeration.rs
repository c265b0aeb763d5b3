//! The exact law of a small factor graph: every state's probability, log Z, marginals, and the mean of anything.

use super::FactorGraph;
use crate::error::{Error, Result};

/// Most joint states that are enumerated.
pub const MAX_STATES: usize = 1 << 20;

/// The Boltzmann law of a factor graph, some of whose variables may be held.
#[derive(Clone, Debug)]
pub struct Enumeration {
    /// P(state) of the free variables: its number has the first of them running fastest ([`FactorGraph::index`]).
    pub probabilities: Vec<f64>,
    /// log Σ exp(−E) over the free variables.
    pub log_z: f64,
    /// The free variables, ascending.
    pub free: Vec<usize>,
    /// The held states, and zeros.
    held: Vec<u8>,
    /// Numbers of states of the free variables.
    radices: Vec<usize>,
}

/// Sums over all states of the variables that are not in `held` (variable, state).
///
/// Each factor is evaluated anew only when one of its variables changes, and sums are made from these values, not by
/// differences: there is no drift.
///
/// # Errors
/// More than [`MAX_STATES`] states, or a held state that does not exist.
pub fn enumerate_factors(graph: &FactorGraph, held: &[(usize, u8)]) -> Result<Enumeration> {
    let n = graph.dim();
    let mut x = vec![0u8; n];
    let mut is_free = vec![true; n];
    for &(i, state) in held {
        if i >= n || usize::from(state) >= graph.domains()[i].states() {
            let value = format!("variable {i} in state {state}");
            let expected = "variables and states of the energy";
            return Err(Error::invalid("held", value, expected));
        }
        (x[i], is_free[i]) = (state, false);
    }
    let free: Vec<usize> = (0..n).filter(|&i| is_free[i]).collect();
    let radices: Vec<usize> = free.iter().map(|&i| graph.domains()[i].states()).collect();
    let count = radices.iter().try_fold(1usize, |all, &k| {
        all.checked_mul(k).filter(|&c| c <= MAX_STATES)
    });
    let Some(count) = count else {
        let expected = format!("at most {MAX_STATES} joint states to enumerate");
        let value = format!("{} free variables", free.len());
        return Err(Error::invalid("energy", value, expected));
    };
    // Factors by their fastest free variable; those without one come last and are constant.
    let mut levels = vec![Vec::new(); free.len() + 1];
    for (k, factor) in graph.factors().iter().enumerate() {
        let fastest = factor
            .variables()
            .filter_map(|i| free.binary_search(&i).ok());
        levels[fastest.min().unwrap_or(free.len())].push(k);
    }
    let held = x.clone();
    let mut partial = vec![0.0; free.len() + 2];
    let mut log_weights = Vec::with_capacity(count);
    let mut from = free.len();
    loop {
        for level in (0..=from).rev() {
            let own: f64 = levels[level].iter().map(|&k| graph.log_weight(k, &x)).sum();
            partial[level] = partial[level + 1] + own;
        }
        log_weights.push(partial[0]);
        let Some(carry) = next(&mut x, &free, &radices) else {
            break;
        };
        from = carry;
    }
    let top = log_weights
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = log_weights.iter().map(|w| (w - top).exp()).sum();
    let log_z = top + sum.ln();
    Ok(Enumeration {
        probabilities: log_weights.iter().map(|w| (w - log_z).exp()).collect(),
        log_z,
        free,
        held,
        radices,
    })
}

/// The next state; the slowest digit that changed, or `None` after the last.
fn next(x: &mut [u8], free: &[usize], radices: &[usize]) -> Option<usize> {
    for (digit, (&i, &radix)) in free.iter().zip(radices).enumerate() {
        if usize::from(x[i]) + 1 < radix {
            x[i] += 1;
            return Some(digit);
        }
        x[i] = 0;
    }
    None
}

impl Enumeration {
    /// ⟨f⟩ for a function of the state (all variables, the held ones among them).
    pub fn mean(&self, mut f: impl FnMut(&[u8]) -> f64) -> f64 {
        let mut x = self.held.clone();
        let mut sum = 0.0;
        for p in &self.probabilities {
            sum += p * f(&x);
            next(&mut x, &self.free, &self.radices);
        }
        sum
    }

    /// P(x_i = k) for every state k of variable i.
    pub fn marginal(&self, i: usize, states: usize) -> Vec<f64> {
        let mut marginal = vec![0.0; states];
        let mut x = self.held.clone();
        for p in &self.probabilities {
            marginal[usize::from(x[i])] += p;
            next(&mut x, &self.free, &self.radices);
        }
        marginal
    }

    /// ⟨f_a⟩ and Cov(f_a, f_b) (row-major) of `width` functions, which `write` puts into its slice.
    pub fn moments(
        &self,
        width: usize,
        mut write: impl FnMut(&[u8], &mut [f64]),
    ) -> (Vec<f64>, Vec<f64>) {
        let (mut mean, mut second) = (vec![0.0; width], vec![0.0; width * width]);
        let mut values = vec![0.0; width];
        let mut x = self.held.clone();
        for p in &self.probabilities {
            write(&x, &mut values);
            for a in 0..width {
                let weighted = p * values[a];
                mean[a] += weighted;
                if weighted != 0.0 {
                    for b in a..width {
                        second[a * width + b] += weighted * values[b];
                    }
                }
            }
            next(&mut x, &self.free, &self.radices);
        }
        for a in 0..width {
            for b in a..width {
                let covariance = second[a * width + b] - mean[a] * mean[b];
                second[a * width + b] = covariance;
                second[b * width + a] = covariance;
            }
        }
        (mean, second)
    }
}
