//! The exact law of a jump process on few nodes: its master equation on all states within a box.
//!
//! States are reached from a start by the jumps themselves; jumps that would leave the box are left out. The generator is
//! banded in lexicographic order of the states, and −Q (an M-matrix) is factorised without pivoting.

use super::process::Process;
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// Most states that are solved for.
const LARGEST: usize = 60_000;

/// The master equation of a jump process.
#[derive(Clone, Debug)]
pub struct MasterEquation {
    /// The states, in lexicographic order.
    pub states: Vec<Vec<f64>>,
    /// Stationary probability of each.
    pub stationary: Vec<f64>,
    /// −Q by diagonals: `band[i * (2 * width + 1) + (j + width − i)]` is the rate matrix, rows i, factorised.
    factor: Vec<f64>,
    width: usize,
    shift: f64,
}

impl MasterEquation {
    /// The jumps of `process` from `start`, within |x_i − start_i| ≤ `reach`; constant sources only.
    ///
    /// # Errors
    /// No jumps, or more states than can be solved for.
    pub fn new(process: &Process, start: &[f64], reach: f64) -> Result<Self> {
        if process.jumps.is_empty() {
            let value = "no jumps";
            return Err(Error::invalid(
                "circuit",
                value,
                "charge jumps (level \"poisson\")",
            ));
        }
        // States are told apart on a fine lattice, so that rounding does not split them.
        let quantum = process
            .jumps
            .iter()
            .flat_map(|j| j.change.iter().map(|c| c.1.abs()))
            .filter(|&c| c > 0.0)
            .fold(f64::INFINITY, f64::min);
        let key = |x: &[f64]| -> Vec<i64> {
            x.iter()
                .map(|v| (v / quantum * 1024.0).round() as i64)
                .collect()
        };
        let inside = |x: &[f64]| {
            x.iter()
                .zip(start)
                .all(|(x, s)| (x - s).abs() <= reach + 1e-9 * quantum)
        };
        let mut found = BTreeMap::from([(key(start), start.to_vec())]);
        let mut queue = vec![start.to_vec()];
        while let Some(x) = queue.pop() {
            for jump in &process.jumps {
                let mut to = x.clone();
                for &(i, change) in &jump.change {
                    to[i] += change;
                }
                if inside(&to) && !found.contains_key(&key(&to)) {
                    found.insert(key(&to), to.clone());
                    queue.push(to);
                }
                if found.len() > LARGEST {
                    let expected = format!("at most {LARGEST} states; a smaller box");
                    return Err(Error::invalid("master equation", found.len(), expected));
                }
            }
        }
        let index: BTreeMap<&Vec<i64>, usize> = found.keys().zip(0..).collect();
        let states: Vec<Vec<f64>> = found.values().cloned().collect();
        let mut rates = Vec::new();
        for (i, x) in states.iter().enumerate() {
            for jump in &process.jumps {
                let mut to = x.clone();
                for &(k, change) in &jump.change {
                    to[k] += change;
                }
                if let Some(&j) = index.get(&key(&to)) {
                    let nodes: f64 = jump.input.iter().map(|&(k, w)| w * x[k]).sum();
                    let waves = jump.waves.iter();
                    let waves: f64 = waves.map(|&(k, w)| w * process.waves[k].at(0.0)).sum();
                    rates.push((i, j, (jump.log_rate + nodes + waves).exp()));
                }
            }
        }
        Ok(Self::from_rates(states, &rates))
    }

    /// A chain with given rates (from, to, rate) between given states.
    pub fn from_rates(states: Vec<Vec<f64>>, rates: &[(usize, usize, f64)]) -> Self {
        let n = states.len();
        let width = rates.iter().map(|r| r.0.abs_diff(r.1)).max().unwrap_or(0);
        let span = 2 * width + 1;
        let mut band = vec![0.0; n * span];
        let mut fastest = 0.0f64;
        for &(i, j, rate) in rates {
            band[i * span + j + width - i] -= rate;
            band[i * span + width] += rate;
            fastest = fastest.max(band[i * span + width]);
        }
        let shift = 1e-13 * fastest;
        for i in 0..n {
            band[i * span + width] += shift;
        }
        for k in 0..n {
            let pivot = band[k * span + width];
            for i in k + 1..n.min(k + width + 1) {
                let factor = band[i * span + k + width - i] / pivot;
                band[i * span + k + width - i] = factor;
                if factor != 0.0 {
                    let (above, below) = band.split_at_mut(i * span);
                    let source = &above[k * span + width + 1..k * span + span];
                    let from = k + 1 + width - i;
                    let target = &mut below[from..from + width];
                    for (t, s) in target.iter_mut().zip(source) {
                        *t -= factor * s;
                    }
                }
            }
        }
        let mut equation = MasterEquation {
            stationary: vec![1.0 / n as f64; n],
            states,
            factor: band,
            width,
            shift,
        };
        for _ in 0..4 {
            let mut p = equation.stationary.clone();
            equation.solve_transposed(&mut p);
            let sum: f64 = p.iter().sum();
            equation.stationary = p.into_iter().map(|v| v / sum).collect();
        }
        equation
    }

    /// x ← (−Q + shift)⁻¹ x.
    fn solve(&self, x: &mut [f64]) {
        let (n, width, span) = (x.len(), self.width, 2 * self.width + 1);
        for i in 0..n {
            let mut sum = x[i];
            for j in i.saturating_sub(width)..i {
                sum -= self.factor[i * span + j + width - i] * x[j];
            }
            x[i] = sum;
        }
        for i in (0..n).rev() {
            let mut sum = x[i];
            for j in i + 1..n.min(i + width + 1) {
                sum -= self.factor[i * span + j + width - i] * x[j];
            }
            x[i] = sum / self.factor[i * span + width];
        }
    }

    /// x ← (−Q + shift)⁻ᵀ x.
    fn solve_transposed(&self, x: &mut [f64]) {
        let (n, width, span) = (x.len(), self.width, 2 * self.width + 1);
        for i in 0..n {
            let value = x[i] / self.factor[i * span + width];
            x[i] = value;
            for j in i + 1..n.min(i + width + 1) {
                x[j] -= self.factor[i * span + j + width - i] * value;
            }
        }
        for i in (0..n).rev() {
            let value = x[i];
            for j in i.saturating_sub(width)..i {
                x[j] -= self.factor[i * span + j + width - i] * value;
            }
        }
    }

    /// Stationary mean of f.
    pub fn mean(&self, f: impl Fn(&[f64]) -> f64) -> f64 {
        self.states
            .iter()
            .zip(&self.stationary)
            .map(|(x, p)| p * f(x))
            .sum()
    }

    /// The slowest relaxation rate λ1 that `observable` sees, by inverse iteration on the functions orthogonal to 1.
    pub fn slowest_rate(&self, observable: impl Fn(&[f64]) -> f64) -> f64 {
        let project = |f: &mut [f64]| {
            let mean: f64 = f.iter().zip(&self.stationary).map(|(f, p)| f * p).sum();
            f.iter_mut().for_each(|f| *f -= mean);
            let square: f64 = f.iter().zip(&self.stationary).map(|(f, p)| f * f * p).sum();
            square.sqrt()
        };
        let mut f: Vec<f64> = self.states.iter().map(|x| observable(x)).collect();
        let norm = project(&mut f);
        f.iter_mut().for_each(|v| *v /= norm);
        let mut rate = 0.0;
        for _ in 0..300 {
            self.solve(&mut f);
            let norm = project(&mut f);
            f.iter_mut().for_each(|v| *v /= norm);
            let next = 1.0 / norm - self.shift;
            if (next - rate).abs() < 1e-12 * next {
                return next;
            }
            rate = next;
        }
        rate
    }
}
