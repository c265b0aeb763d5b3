//! The exact law of few spins with direct inputs: of their master equation in continuous time, or of one round of their clock.
//!
//! Continuous time: spin i of state s flips at rate k_i(s) = σ(−2 s_i I_i)/τ_i(I_i); the stationary law solves πQ = 0
//! (Gauss–Seidel on the flows), and the entropy production is Σ_{s<s'} (π_s k − π_s' k') ln(k/k') (Schnakenberg, Rev. Mod.
//! Phys. 48, 571 (1976)), zero if and only if every pair of states is in detailed balance. Under a clock: the law after
//! whole rounds, each phase drawing its class anew from the outputs latched before, π = πK.

use super::force::row_entries;
use super::process::{Clocking, LevelInput, Levels, Linear, Process};
use crate::error::{Error, Result};

/// Most spins.
pub const MOST_SPINS: usize = 12;
/// Iterations after which a law counts as not found.
const PATIENCE: usize = 100_000;
/// Flow (or probability) that a law found may leave unbalanced.
const TOLERANCE: f64 = 1e-13;

/// Spins whose every state is known; bit i of a state is set when s_i = +1.
#[derive(Clone, Debug)]
pub struct SpinChain {
    spins: usize,
    levels: Levels,
    /// I of spin i in state s: `inputs[s * spins + i]`.
    inputs: Vec<f64>,
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl SpinChain {
    /// The spins of a process.
    ///
    /// # Errors
    /// No spins, more than [`MOST_SPINS`], or inputs through nodes.
    pub fn new(process: &Process) -> Result<Self> {
        let direct = process
            .levels
            .as_ref()
            .and_then(|levels| match &levels.input {
                LevelInput::Direct { field, coupling } => Some((levels, field, coupling)),
                LevelInput::Node { .. } => None,
            });
        let Some((levels, field, coupling)) = direct else {
            let expected = "spins that see each other at once";
            return Err(Error::invalid("process", "no direct inputs", expected));
        };
        let n = field.len();
        if n > MOST_SPINS {
            let expected = format!("at most {MOST_SPINS} spins");
            return Err(Error::invalid("process", format!("{n} spins"), expected));
        }
        let rows: Vec<_> = (0..n).map(|i| row_entries(coupling, i)).collect();
        let mut inputs = Vec::with_capacity(n << n);
        for state in 0..1usize << n {
            let sign = |j: usize| if state >> j & 1 == 1 { 1.0 } else { -1.0 };
            for (h, row) in field.iter().zip(&rows) {
                inputs.push(row.iter().fold(*h, |sum, &(j, k)| sum + k * sign(j)));
            }
        }
        let mut levels = levels.clone();
        levels.input = LevelInput::Direct {
            field: Vec::new(),
            coupling: Linear::Sparse(Vec::new()),
        };
        Ok(SpinChain {
            spins: n,
            levels,
            inputs,
        })
    }

    fn states(&self) -> usize {
        1 << self.spins
    }

    /// 1/τ_i(I).
    fn speed(&self, state: usize, i: usize) -> f64 {
        let input = self.inputs[state * self.spins + i];
        (self.levels.tau_bias * input).cosh() / self.levels.tau[i]
    }

    /// P(s_i = +1) at the inputs of a state.
    fn up(&self, state: usize, i: usize) -> f64 {
        logistic(2.0 * self.inputs[state * self.spins + i])
    }

    /// Rate at which spin i of a state flips, in continuous time.
    pub fn flip_rate(&self, state: usize, i: usize) -> f64 {
        let up = self.up(state, i);
        let to = if state >> i & 1 == 1 { 1.0 - up } else { up };
        self.speed(state, i) * to
    }

    /// The law after one round of the clock from the law `p`; in continuous time after one event of the uniformised chain,
    /// whose events come at [`Self::fastest`].
    fn round(&self, p: &[f64]) -> Vec<f64> {
        match &self.levels.clocking {
            Clocking::Phases { phase, classes } => classes
                .iter()
                .fold(p.to_vec(), |p, class| self.phase(&p, *phase, class)),
            Clocking::Free => {
                let flips =
                    |s: usize| (0..self.spins).map(move |i| (s ^ 1 << i, self.flip_rate(s, i)));
                let fastest = self.fastest();
                let mut after = p.to_vec();
                for (s, weight) in p.iter().enumerate() {
                    for (to, rate) in flips(s) {
                        after[s] -= weight * rate / fastest;
                        after[to] += weight * rate / fastest;
                    }
                }
                after
            }
        }
    }

    /// The rate at which the busiest state is left.
    fn fastest(&self) -> f64 {
        (0..self.states())
            .map(|s| (0..self.spins).map(|i| self.flip_rate(s, i)).sum::<f64>())
            .fold(f64::MIN_POSITIVE, f64::max)
    }

    /// Each spin of `class` kept with probability e^{−T/τ(I)}, else drawn anew, all from the same state.
    fn phase(&self, p: &[f64], phase: f64, class: &[usize]) -> Vec<f64> {
        let mut after = vec![0.0; p.len()];
        let mut branches = Vec::with_capacity(1 << class.len());
        for (state, &weight) in p.iter().enumerate() {
            branches.clear();
            branches.push((state, weight));
            for &i in class {
                let drawn = -(-phase * self.speed(state, i)).exp_m1();
                let up = drawn * self.up(state, i);
                let up = if state >> i & 1 == 1 {
                    1.0 - drawn + up
                } else {
                    up
                };
                for k in 0..branches.len() {
                    let (to, weight) = branches[k];
                    branches[k] = (to | 1 << i, weight * up);
                    branches.push((to & !(1 << i), weight * (1.0 - up)));
                }
            }
            for &(to, weight) in &branches {
                after[to] += weight;
            }
        }
        after
    }

    /// The stationary law: in continuous time, or after whole rounds of the clock.
    ///
    /// # Errors
    /// [`Error::Diverged`] when it is not found, as for spins that practically never flip.
    pub fn stationary(&self) -> Result<Vec<f64>> {
        let mut p = vec![1.0 / self.states() as f64; self.states()];
        let free = self.levels.clocking == Clocking::Free;
        let leaving: Vec<f64> = (0..self.states())
            .map(|s| (0..self.spins).map(|i| self.flip_rate(s, i)).sum())
            .collect();
        let rates: Vec<f64> = (0..self.states())
            .flat_map(|s| (0..self.spins).map(move |i| self.flip_rate(s ^ 1 << i, i)))
            .collect();
        for _ in 0..PATIENCE {
            let left = if free {
                let (mut flow, mut left) = (0.0, 0.0);
                for s in 0..self.states() {
                    let into = &rates[s * self.spins..][..self.spins];
                    let inflow: f64 = (0..self.spins).map(|i| into[i] * p[s ^ 1 << i]).sum();
                    left += (inflow - leaving[s] * p[s]).abs();
                    flow += inflow;
                    p[s] = inflow / leaving[s];
                }
                left / flow
            } else {
                let next = self.round(&p);
                let left: f64 = p.iter().zip(&next).map(|(a, b)| (a - b).abs()).sum();
                p = next;
                left
            };
            let total: f64 = p.iter().sum();
            p.iter_mut().for_each(|v| *v /= total);
            if left < TOLERANCE {
                return Ok(p);
            }
        }
        Err(Error::Diverged {
            what: "the stationary law".to_owned(),
            detail: format!("still moving after {PATIENCE} iterations"),
        })
    }

    /// Entropy production of the stationary law in continuous time, k_B per unit of the process's time; `None` under a clock.
    ///
    /// # Errors
    /// As [`Self::stationary`].
    pub fn entropy_production(&self) -> Result<Option<f64>> {
        if self.levels.clocking != Clocking::Free {
            return Ok(None);
        }
        let p = self.stationary()?;
        let mut total = 0.0;
        for s in 0..self.states() {
            for i in (0..self.spins).filter(|i| s >> i & 1 == 0) {
                let other = s | 1 << i;
                let (up, down) = (self.flip_rate(s, i), self.flip_rate(other, i));
                // ln k/k' is 2I whatever τ: σ(2I)/σ(−2I) = e^{2I}.
                let force = 2.0 * self.inputs[s * self.spins + i];
                total += (p[s] * up - p[other] * down) * force;
            }
        }
        Ok(Some(total.max(0.0)))
    }

    /// |λ₂|: what the slowest mode is multiplied by in one round of the clock; in continuous time e^{−λ₁} per unit of time.
    ///
    /// # Errors
    /// As [`Self::stationary`].
    pub fn second_eigenvalue(&self) -> Result<f64> {
        // Differences of laws stay differences of laws: the first mode drops out by itself.
        let mut d: Vec<f64> = (0..self.states())
            .map(|s| ((s * 37 + 11) % 101) as f64)
            .collect();
        let (mut before, mut rate) = (0.0, f64::NAN);
        for _ in 0..PATIENCE {
            let mean = d.iter().sum::<f64>() / d.len() as f64;
            d.iter_mut().for_each(|v| *v -= mean);
            let norm = |d: &[f64]| d.iter().map(|v| v * v).sum::<f64>().sqrt();
            let size = norm(&d);
            d.iter_mut().for_each(|v| *v /= size);
            // Two rounds at once: the mode may change its sign.
            d = self.round(&self.round(&d));
            rate = norm(&d).sqrt();
            if (rate - before).abs() < 1e-13 {
                break;
            }
            before = rate;
        }
        match self.levels.clocking {
            Clocking::Phases { .. } => Ok(rate),
            Clocking::Free => Ok((-(1.0 - rate) * self.fastest()).exp()),
        }
    }
}
