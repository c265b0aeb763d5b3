//! The methods that sample an energy of real variables by its force, what they are tuned to, and their lengths.

use super::lower::pairwise;
use crate::dynamics::{
    Compiled, EnvelopeFactor, HamiltonianStepper, Mass, MetropolisStepper, Noise, Process, Setting,
    Stepper, UnderdampedStepper, scheme,
};
use crate::energy::{Couplings, Model, SoftSpin};
use crate::error::{Error, Result};

/// How an energy of real variables is sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Euler–Maruyama's steps, biased in the first order.
    Ula,
    /// Leimkuhler–Matthews: Euler's price, a law of second order, exact for quadratic energies.
    LeimkuhlerMatthews,
    /// Underdamped Langevin dynamics by BAOAB.
    Baoab {
        /// γ, for unit masses.
        friction: f64,
    },
    /// Metropolis-adjusted Langevin.
    Mala,
    /// Random-walk Metropolis.
    RandomWalk,
    /// Hamiltonian Monte Carlo.
    Hamiltonian {
        /// Leapfrog steps of a trajectory.
        leapfrogs: u32,
        /// Share by which a trajectory's length varies, at least 0 and below 1.
        jitter: f64,
    },
}

impl Method {
    /// Name in experiment files.
    pub fn name(self) -> &'static str {
        match self {
            Method::Ula => "ula",
            Method::LeimkuhlerMatthews => "lm",
            Method::Baoab { .. } => "baoab",
            Method::Mala => "mala",
            Method::RandomWalk => "metropolis",
            Method::Hamiltonian { .. } => "hmc",
        }
    }

    /// Acceptance rate that the step is tuned to: Roberts & Rosenthal (1998) for MALA, Roberts, Gelman & Gilks (1997) for the
    /// random walk, Hoffman & Gelman (arXiv 1111.4246) for trajectories. `None` where nothing is rejected.
    pub fn target(self) -> Option<f64> {
        match self {
            Method::Ula | Method::LeimkuhlerMatthews | Method::Baoab { .. } => None,
            Method::Mala => Some(0.574),
            Method::RandomWalk => Some(0.234),
            Method::Hamiltonian { .. } => Some(0.8),
        }
    }

    /// Whether proposals are accepted or rejected, so that the law is exact for any step.
    pub fn adjusted(self) -> bool {
        self.target().is_some()
    }

    /// Whether steps take time on the energy's own scale, that of dx = −∇E dt + √2 dW.
    pub(super) fn has_time(self) -> bool {
        matches!(
            self,
            Method::Ula | Method::LeimkuhlerMatthews | Method::Mala
        )
    }

    /// The step to begin with, for `n` variables whose largest curvature is `stiffness`.
    pub(super) fn first_step(self, stiffness: f64, n: usize, tolerance: f64) -> f64 {
        let n = n as f64;
        match self {
            // The stiffest mode's variance is off by the tolerance (Euler).
            Method::Ula | Method::LeimkuhlerMatthews => {
                2.0 * tolerance / (1.0 + tolerance) / stiffness
            }
            // The stiffest mode's velocity is off by the tolerance, (hω)²/4.
            Method::Baoab { .. } => 2.0 * tolerance.min(0.25).sqrt() / stiffness.sqrt(),
            // The optimal scalings n^{-1/3}, n^{-1}, n^{-1/4} of the stiffest length.
            Method::Mala => 1.0 / stiffness / n.cbrt(),
            Method::RandomWalk => 2.83 / stiffness / n,
            Method::Hamiltonian { .. } => 1.0 / stiffness.sqrt() / n.powf(0.25),
        }
    }

    /// The largest step that tuning may reach: below the stability limit of leapfrog.
    pub(super) fn last_step(self, stiffness: f64) -> f64 {
        match self {
            Method::Hamiltonian { jitter, .. } => 1.8 / stiffness.sqrt() / (1.0 + jitter),
            _ => f64::INFINITY,
        }
    }

    /// A stepper of `process`, the overdamped Langevin equation of an energy, with `lengths` where there are any.
    pub(super) fn stepper<R: Compiled>(
        self,
        process: &Process,
        setting: &Setting<'_>,
        lengths: Option<&[f64]>,
    ) -> Result<Box<dyn Stepper<R>>> {
        let ones = vec![1.0; process.nodes];
        let of_node = lengths.unwrap_or(&ones);
        Ok(match self {
            Method::Ula | Method::LeimkuhlerMatthews => {
                let name = match self {
                    Method::Ula => "euler-maruyama",
                    _ => "leimkuhler-matthews",
                };
                match lengths {
                    None => scheme::<R>(name)?.prepare(process, setting)?,
                    Some(lengths) => {
                        scheme::<R>(name)?.prepare(&with_lengths(process, lengths), setting)?
                    }
                }
            }
            Method::Baoab { friction } => {
                Box::new(UnderdampedStepper::new(process, setting, friction)?)
            }
            Method::Mala => {
                Box::new(MetropolisStepper::new(process, setting)?.with_lengths(of_node)?)
            }
            Method::RandomWalk => Box::new(
                MetropolisStepper::new(process, setting)?
                    .with_lengths(of_node)?
                    .without_drift(),
            ),
            Method::Hamiltonian { leapfrogs, jitter } => Box::new(
                HamiltonianStepper::new(process, setting, leapfrogs, jitter)?
                    .with_lengths(of_node)?,
            ),
        })
    }

    /// Refuses lengths where the method has none.
    pub(super) fn check_lengths(self) -> Result<()> {
        match self {
            Method::Baoab { .. } => Err(Error::invalid(
                "digital.precondition",
                "\"diagonal\"",
                "ula, lm, mala, metropolis or hmc beside it",
            )),
            _ => Ok(()),
        }
    }
}

/// σ⁻² dx = −∇E dt + √2 σ⁻¹ dW: the same law, at a pace that is even over the nodes when σ_i are their deviations.
pub(super) fn with_lengths(process: &Process, lengths: &[f64]) -> Process {
    let n = process.nodes;
    Process {
        mass: Mass::Factor(EnvelopeFactor {
            first: (0..n).collect(),
            rows: lengths.iter().map(|l| vec![1.0 / l]).collect(),
        }),
        noise: Noise::Diagonal(lengths.iter().map(|l| 2f64.sqrt() / l).collect()),
        ..process.clone()
    }
}

/// λ_max of the curvature in the variables x_i/σ_i.
pub(super) fn scaled_stiffness(model: &Model, lengths: &[f64]) -> Result<f64> {
    let energy = pairwise(model)?;
    let power = |values: &[f64], k: i32| -> Vec<f64> {
        let each = values.iter().zip(lengths);
        each.map(|(v, l)| v * l.powi(k)).collect()
    };
    let edges = energy.couplings.edges().iter();
    let list = edges.zip(energy.couplings.values());
    let list = list.map(|(&(i, j), v)| (i, j, v * lengths[i] * lengths[j]));
    let scaled = SoftSpin {
        j2: power(&energy.j2, 2),
        j4: power(&energy.j4, 4),
        fields: power(&energy.fields, 1),
        couplings: Couplings::new(lengths.len(), list.collect())?,
        constant: 0.0,
    };
    Ok(scaled.stiffness())
}

/// Variances over what it was shown.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    count: f64,
    mean: Vec<f64>,
    square: Vec<f64>,
}

impl Spread {
    pub(super) fn new(n: usize) -> Self {
        Spread {
            count: 0.0,
            mean: vec![0.0; n],
            square: vec![0.0; n],
        }
    }

    /// Adds states, `x[state * n + node]` (Welford).
    pub(super) fn add(&mut self, x: &[f32]) {
        for state in x.chunks(self.mean.len().max(1)) {
            self.count += 1.0;
            for (i, &value) in state.iter().enumerate() {
                let off = f64::from(value) - self.mean[i];
                self.mean[i] += off / self.count;
                self.square[i] += off * (f64::from(value) - self.mean[i]);
            }
        }
    }

    /// Means.
    pub(super) fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Standard deviations, drawn towards one common value while there are few states, so that none is zero.
    pub(super) fn lengths(&self) -> Vec<f64> {
        let n = self.mean.len().max(1) as f64;
        let common = self.square.iter().sum::<f64>() / self.count.max(1.0) / n;
        let common = if common > 0.0 { common } else { 1.0 };
        let weight = self.count / (self.count + 5.0);
        let variances = self.square.iter().map(|s| s / self.count.max(1.0));
        variances
            .map(|v| (weight * v + (1.0 - weight) * common).sqrt())
            .collect()
    }
}
