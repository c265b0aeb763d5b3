//! The mathematical process that circuits and energies lower to.
//!
//! M dx = [ c(x) + L x + K s + Σ_b w_b f_b(u_b) + drives(t) ] dt + S dW + Σ_b w_b √q_b(u_b) ∘ dW_b, with
//! c_i(x) = Σ_k c_k[i] x_i^k, branches that see one linear combination u_b of the state each, D = SSᵀ = diffusion
//! (dx = drift dt + B dW convention), spins s = ±1 that flip at rates set by their inputs, and jumps of fixed size at
//! state-dependent rates. Time and state are scaled to order one by whoever lowers to it; a scheme never knows what it
//! integrates.

use super::law::{Flux, Law};
use super::wave::Wave;
use nalgebra::DMatrix;

/// A linear map from all nodes to all nodes.
#[derive(Clone, Debug)]
pub enum Linear {
    /// Full matrix.
    Dense(DMatrix<f64>),
    /// `rows[i]` lists (j, L_ij), ascending j.
    Sparse(Vec<Vec<(usize, f64)>>),
}

/// Lower-triangular factor L of a symmetric positive (semi-)definite matrix, stored by rows from the first non-zero.
#[derive(Clone, Debug)]
pub struct EnvelopeFactor {
    /// First stored column of each row.
    pub first: Vec<usize>,
    /// Row entries `first[i]..=i`.
    pub rows: Vec<Vec<f64>>,
}

/// The matrix M in front of dx.
#[derive(Clone, Debug)]
pub enum Mass {
    /// M = 1 (already divided out).
    Identity,
    /// M = L Lᵀ, solved by substitution each step.
    Factor(EnvelopeFactor),
}

/// The noise amplitude S.
#[derive(Clone, Debug)]
pub enum Noise {
    /// S = diag(σ).
    Diagonal(Vec<f64>),
    /// S lower triangular.
    Factor(EnvelopeFactor),
}

/// Where the input I_i of spin i comes from; it flips up at σ(2I)/τ(I) and down at σ(−2I)/τ(I).
#[derive(Clone, Debug)]
pub enum LevelInput {
    /// I = h + K s, at once (no synapse).
    Direct {
        /// Constant part h.
        field: Vec<f64>,
        /// Couplings K; need not be symmetric.
        coupling: Linear,
    },
    /// I_i = Σ `input[i]`·x + `offset[i]`: spin i reads continuous nodes, which `drive` pulls by K s.
    Node {
        /// (node, logit half-gain per unit of x) of each spin.
        input: Vec<Vec<(usize, f64)>>,
        /// Constant input offset.
        offset: Vec<f64>,
        /// K: force on the continuous nodes from the spins.
        drive: Linear,
    },
}

/// When spins may flip.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Clocking {
    /// At all times, each by itself: continuous time.
    #[default]
    Free,
    /// Class after class: in phase k only the spins of class k (modulo their number) run, the others hold. What a spin
    /// shows to others (and to itself through a loop) is latched at the start of each phase, so the spins of one class do
    /// not see each other's flips; one class of all spins is the all-at-once update.
    Phases {
        /// Length T of a phase, in the process's time unit.
        phase: f64,
        /// Spins of each class.
        classes: Vec<Vec<usize>>,
    },
}

/// Two-state (telegraph) elements.
#[derive(Clone, Debug)]
pub struct Levels {
    /// Correlation time τ0 of each spin without input, in the process's time unit.
    pub tau: Vec<f64>,
    /// α of the correlation time τ(I) = τ0/cosh(αI). 0: the same at any input. 1: attempts over a barrier that the input
    /// tilts, Γ± = e^{±I}/2τ0. The law at fixed input, P(+1) = σ(2I), does not depend on it.
    pub tau_bias: f64,
    /// When they may flip.
    pub clocking: Clocking,
    /// Input law.
    pub input: LevelInput,
}

impl Levels {
    /// Spins in continuous time whose τ0 does not depend on their input.
    pub fn free(tau: Vec<f64>, input: LevelInput) -> Self {
        Levels {
            tau,
            tau_bias: 0.0,
            clocking: Clocking::Free,
            input,
        }
    }
}

/// How a product of state-dependent amplitude and white noise is read: the amplitude is taken at the point
/// (1 − α) x_before + α x_after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calculus {
    /// α = 0.
    Ito,
    /// α = ½.
    Stratonovich,
    /// α = 1 (Hänggi–Klimontovich): the Boltzmann law of a passive conductor at one temperature needs it.
    AntiIto,
}

impl Calculus {
    /// α.
    pub fn alpha(self) -> f64 {
        match self {
            Calculus::Ito => 0.0,
            Calculus::Stratonovich => 0.5,
            Calculus::AntiIto => 1.0,
        }
    }
}

/// The noise of a branch: two-sided density q(u) = strength · amplitude · flux(u).
#[derive(Clone, Copy, Debug)]
pub struct BranchNoise {
    /// Factor.
    pub strength: f64,
    /// How it depends on u.
    pub flux: Flux,
    /// How it multiplies white noise.
    pub calculus: Calculus,
}

/// A nonlinear term: rows `output` get their weight times amplitude · f(u), u = Σ input·x + Σ waves(t) + offset.
#[derive(Clone, Debug)]
pub struct Branch {
    /// (node, weight) of u.
    pub input: Vec<(usize, f64)>,
    /// (wave, weight) of u.
    pub waves: Vec<(usize, f64)>,
    /// Constant part of u.
    pub offset: f64,
    /// (node, weight) of the force.
    pub output: Vec<(usize, f64)>,
    /// Factor in front of the law; the wave `gate` multiplies it too.
    pub amplitude: f64,
    /// f.
    pub law: Law,
    /// A wave that modulates the amplitude (it must stay ≥ 0 where there is noise).
    pub gate: Option<usize>,
    /// Its own white noise, into the same rows.
    pub noise: Option<BranchNoise>,
}

/// A force of time alone on one row: weight · wave(t), or weight · d wave/dt (a source behind a capacitor).
#[derive(Clone, Copy, Debug)]
pub struct Drive {
    /// Row.
    pub node: usize,
    /// Index of the wave.
    pub wave: usize,
    /// Factor.
    pub weight: f64,
    /// Whether the wave's rate of change is meant.
    pub derivative: bool,
}

/// Events that change the state by a fixed amount, at rate exp(log_rate + Σ input·x + Σ waves(t)).
#[derive(Clone, Debug)]
pub struct Jump {
    /// Constant part of the logarithm of the rate.
    pub log_rate: f64,
    /// (node, weight).
    pub input: Vec<(usize, f64)>,
    /// (wave, weight).
    pub waves: Vec<(usize, f64)>,
    /// (node, change).
    pub change: Vec<(usize, f64)>,
}

/// A stochastic process in scaled units. `nodes` may be 0 when there are only levels.
#[derive(Clone, Debug)]
pub struct Process {
    /// Number of continuous nodes.
    pub nodes: usize,
    /// `polynomial[k][i]`: coefficient of x_i^k in the force on node i.
    pub polynomial: Vec<Vec<f64>>,
    /// L.
    pub linear: Linear,
    /// M.
    pub mass: Mass,
    /// S.
    pub noise: Noise,
    /// Symmetric saturation |x_i| ≤ rail, when the device has one.
    pub rails: Option<Vec<f64>>,
    /// Telegraph elements.
    pub levels: Option<Levels>,
    /// Nonlinear terms.
    pub branches: Vec<Branch>,
    /// Waveforms that branches, drives and jumps name by index.
    pub waves: Vec<Wave>,
    /// Forces of time alone.
    pub drives: Vec<Drive>,
    /// Discrete events.
    pub jumps: Vec<Jump>,
}

impl Process {
    /// `nodes` continuous nodes without forces or noise, unit mass.
    pub fn still(nodes: usize) -> Self {
        Process {
            nodes,
            polynomial: Vec::new(),
            linear: Linear::Sparse(vec![Vec::new(); nodes]),
            mass: Mass::Identity,
            noise: Noise::Diagonal(vec![0.0; nodes]),
            rails: None,
            levels: None,
            branches: Vec::new(),
            waves: Vec::new(),
            drives: Vec::new(),
            jumps: Vec::new(),
        }
    }

    /// The Langevin level of the jumps: each becomes a force change · rate and the Itô noise change · √rate dW, which has
    /// the jumps' first two moments (the Kramers–Moyal expansion, cut after the second term; not exact at equilibrium).
    #[must_use]
    pub fn langevin_level(&self) -> Self {
        let mut process = self.clone();
        let jumps = std::mem::take(&mut process.jumps);
        process
            .branches
            .extend(jumps.into_iter().map(|jump| Branch {
                input: jump.input,
                waves: jump.waves,
                offset: jump.log_rate,
                output: jump.change,
                amplitude: 1.0,
                law: Law::Exponential,
                gate: None,
                noise: Some(BranchNoise {
                    strength: 1.0,
                    flux: Flux::Shot,
                    calculus: Calculus::Ito,
                }),
            }));
        process
    }
}
