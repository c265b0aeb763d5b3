//! Ascent rules: SGD with momentum, and Adam (arXiv 1412.6980) with bias correction.

use serde::{Deserialize, Serialize};

/// Which rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimiserKind {
    /// v ← μv + g, θ ← θ + ηv.
    Sgd {
        /// μ.
        momentum: f64,
    },
    /// Adam with β₁ = 0.9, β₂ = 0.999, ε = 1e-8.
    Adam,
}

/// A rate that falls linearly, from `rate` before the first update to `decay` times it at the last of `updates`, and stays there.
pub(super) fn falling(rate: f64, decay: f64, update: u64, updates: u64) -> f64 {
    let progress = (update as f64 / updates.max(1) as f64).min(1.0);
    rate * (1.0 - (1.0 - decay) * progress)
}

/// A rule with its memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimiser {
    kind: OptimiserKind,
    first: Vec<f64>,
    second: Vec<f64>,
    steps: u32,
}

impl Optimiser {
    /// For `n` parameters.
    pub fn new(kind: OptimiserKind, n: usize) -> Self {
        Optimiser {
            kind,
            first: vec![0.0; n],
            second: vec![0.0; n],
            steps: 0,
        }
    }

    /// Moves `parameters` up along `gradient` at the given rate.
    pub fn ascend(&mut self, parameters: &mut [f64], gradient: &[f64], rate: f64) {
        self.steps = self.steps.saturating_add(1);
        match self.kind {
            OptimiserKind::Sgd { momentum } => {
                for ((p, g), v) in parameters.iter_mut().zip(gradient).zip(&mut self.first) {
                    *v = momentum * *v + g;
                    *p += rate * *v;
                }
            }
            OptimiserKind::Adam => {
                let power = self.steps.min(i32::MAX as u32) as i32;
                let (c1, c2) = (1.0 - 0.9f64.powi(power), 1.0 - 0.999f64.powi(power));
                let memory = self.first.iter_mut().zip(&mut self.second);
                for ((p, g), (m, v)) in parameters.iter_mut().zip(gradient).zip(memory) {
                    *m = 0.9 * *m + 0.1 * g;
                    *v = 0.999 * *v + 0.001 * g * g;
                    *p += rate * (*m / c1) / ((*v / c2).sqrt() + 1e-8);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_steps_are_the_published_ones() {
        // Adam's first step is rate · sign(g); SGD's second adds momentum.
        let mut p = [0.0, 0.0];
        Optimiser::new(OptimiserKind::Adam, 2).ascend(&mut p, &[0.3, -7.0], 0.1);
        assert!((p[0] - 0.1).abs() < 1e-8 && (p[1] + 0.1).abs() < 1e-8);
        let mut sgd = Optimiser::new(OptimiserKind::Sgd { momentum: 0.5 }, 1);
        let mut q = [0.0];
        sgd.ascend(&mut q, &[1.0], 0.1);
        sgd.ascend(&mut q, &[1.0], 0.1);
        assert!((q[0] - 0.25).abs() < 1e-15);
    }
}
