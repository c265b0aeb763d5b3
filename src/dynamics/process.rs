//! The mathematical process that circuits and energies lower to.
//!
//! M dx = [ c(x) + L x + K s ] dt + S dW, with c_i(x) = Σ_k c_k[i] x_i^k, D = SSᵀ = diffusion (dx = drift dt + B dW
//! convention), and spins s = ±1 that flip at rates set by their inputs. Time and state are scaled to order one by
//! whoever lowers to it; a scheme never knows what it integrates.

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

/// Where the input I_i of spin i comes from; it flips up at σ(2I)/τ0 and down at σ(−2I)/τ0.
#[derive(Clone, Debug)]
pub enum LevelInput {
    /// I = h + K s, at once (no synapse).
    Direct {
        /// Constant part h.
        field: Vec<f64>,
        /// Couplings K; need not be symmetric.
        coupling: Linear,
    },
    /// I_i = `gain[i]` x_i + `offset[i]`: spin i reads continuous node i, which `drive` pulls by K s.
    Node {
        /// Logit half-gain per unit of x.
        gain: Vec<f64>,
        /// Constant input offset.
        offset: Vec<f64>,
        /// K: force on the continuous nodes from the spins.
        drive: Linear,
    },
}

/// Two-state (telegraph) elements.
#[derive(Clone, Debug)]
pub struct Levels {
    /// Correlation time τ0 of each spin, in the process's time unit.
    pub tau: Vec<f64>,
    /// Input law.
    pub input: LevelInput,
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
}
