//! A restricted Boltzmann machine on spins as one set of numbers, and what is exactly known of it:
//! E(v, h) = −b·v − c·h − vᵀWh, ln p(v) = b·v + Σ_j ln 2cosh(c_j + (Wᵀv)_j) − ln Z.

use crate::energy::Parameters;
use crate::error::{Error, Result};
use crate::sampler::restricted::restricted_log_z;
use rand::RngExt;

/// Fields b, c and couplings W. As [`Parameters`] they are those of the Ising energy on the complete bipartite graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Rbm {
    visible: usize,
    hidden: usize,
    parameters: Parameters,
}

/// A mean over rows of data, and its standard error over rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LogLikelihood {
    /// Nats per row.
    pub mean: f64,
    /// Standard deviation over rows / √rows.
    pub se: f64,
}

impl LogLikelihood {
    /// Of the given ln p.
    pub fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
        LogLikelihood {
            mean,
            se: (variance / n).sqrt(),
        }
    }
}

/// ln 2cosh x.
pub fn log_two_cosh(x: f64) -> f64 {
    x.abs() + (-2.0 * x.abs()).exp().ln_1p()
}

/// Fields of independent spins with the means of `rows` (½ added to both counts, so that they are finite).
///
/// # Errors
/// No rows.
pub fn base_rate_fields(rows: &[Vec<f64>]) -> Result<Vec<f64>> {
    let Some(first) = rows.first() else {
        return Err(Error::invalid("train.data", "no rows", "at least one row"));
    };
    let field = |i: usize| {
        let up = rows.iter().filter(|row| row[i] > 0.0).count() as f64;
        0.5 * ((up + 0.5) / (rows.len() as f64 - up + 0.5)).ln()
    };
    Ok((0..first.len()).map(field).collect())
}

/// ln p of independent spins with the given fields.
pub fn base_rate_log_likelihood(fields: &[f64], rows: &[Vec<f64>]) -> LogLikelihood {
    let log_p = |row: &Vec<f64>| {
        row.iter()
            .zip(fields)
            .map(|(s, b)| s * b - log_two_cosh(*b))
            .sum()
    };
    LogLikelihood::of(&rows.iter().map(log_p).collect::<Vec<f64>>())
}

impl Rbm {
    /// A machine with the given parameters: fields visible then hidden, `couplings[i * hidden + j]`.
    ///
    /// # Errors
    /// Other numbers of parameters.
    pub fn new(visible: usize, hidden: usize, parameters: Parameters) -> Result<Self> {
        let given = (parameters.fields.len(), parameters.couplings.len());
        if visible == 0 || hidden == 0 || given != (visible + hidden, visible * hidden) {
            let value = format!("{} fields, {} couplings", given.0, given.1);
            let expected = format!(
                "{} fields and {} couplings",
                visible + hidden,
                visible * hidden
            );
            return Err(Error::invalid("parameters", value, expected));
        }
        Ok(Rbm {
            visible,
            hidden,
            parameters,
        })
    }

    /// Where learning starts: b the base rates of `rows`, W normal of standard deviation `spread`, and c such that every
    /// hidden input is zero at the mean of the data, so that hidden spins start undecided.
    ///
    /// # Errors
    /// No rows, or no hidden units.
    pub fn start(
        rows: &[Vec<f64>],
        hidden: usize,
        spread: f64,
        rng: &mut impl rand::Rng,
    ) -> Result<Self> {
        let mut fields = base_rate_fields(rows)?;
        let visible = fields.len();
        let mut normal = || {
            // Box–Muller; 1 − u is never 0.
            let (u, t): (f64, f64) = (rng.random(), rng.random());
            (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * t).cos()
        };
        let couplings: Vec<f64> = (0..visible * hidden).map(|_| spread * normal()).collect();
        let means: Vec<f64> = fields.iter().map(|b| b.tanh()).collect();
        for j in 0..hidden {
            let input: f64 = (0..visible)
                .map(|i| couplings[i * hidden + j] * means[i])
                .sum();
            fields.push(-input);
        }
        Rbm::new(visible, hidden, Parameters { fields, couplings })
    }

    /// Visible units.
    pub fn visible(&self) -> usize {
        self.visible
    }

    /// Hidden units.
    pub fn hidden(&self) -> usize {
        self.hidden
    }

    /// b, c and W.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// −F(v) = b·v + Σ_j ln 2cosh(c_j + Σ_i W_ij v_i), which is ln p(v) + ln Z.
    pub fn negative_free_energy(&self, v: &[f64]) -> f64 {
        let (b, c) = self.parameters.fields.split_at(self.visible);
        let mut inputs = c.to_vec();
        for (s, row) in v.iter().zip(self.parameters.couplings.chunks(self.hidden)) {
            for (input, w) in inputs.iter_mut().zip(row) {
                *input += w * s;
            }
        }
        let visible: f64 = b.iter().zip(v).map(|(b, s)| b * s).sum();
        visible + inputs.iter().map(|&x| log_two_cosh(x)).sum::<f64>()
    }

    /// ln Z by enumeration of the smaller layer.
    ///
    /// # Errors
    /// Both layers larger than 20 units.
    pub fn log_z(&self) -> Result<f64> {
        let Parameters { fields, couplings } = &self.parameters;
        restricted_log_z((self.visible, self.hidden), fields, couplings)
    }

    /// Mean ln p of rows, given ln Z.
    pub fn log_likelihood(&self, rows: &[Vec<f64>], log_z: f64) -> LogLikelihood {
        let log_p = |row: &Vec<f64>| self.negative_free_energy(row) - log_z;
        LogLikelihood::of(&rows.iter().map(log_p).collect::<Vec<_>>())
    }
}
