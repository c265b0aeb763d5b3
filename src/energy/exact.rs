//! Exact answers: closed form (Gaussians), enumeration (≤ 20 spins), quadrature (one or two real variables).

use super::{ContinuousEnergy, DiscreteEnergy, FluxCells, Model, Quadratic, enumerate_factors};
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};

/// Most spins that are enumerated.
pub const MAX_SPINS: usize = 20;

/// Mean and covariance.
#[derive(Clone, Debug)]
pub struct ExactMoments {
    /// E x.
    pub mean: DVector<f64>,
    /// Cov x.
    pub covariance: DMatrix<f64>,
    /// log ∫ e^{−E} dx.
    pub log_z: f64,
}

/// The Boltzmann law of a small spin model.
#[derive(Clone, Debug)]
pub struct ExactSpins {
    /// P(state); bit i of the index is set when s_i = +1.
    pub probabilities: Vec<f64>,
    /// ⟨s_i⟩.
    pub means: Vec<f64>,
    /// ⟨s_i s_j⟩, ones on the diagonal.
    pub correlations: DMatrix<f64>,
    /// log Z.
    pub log_z: f64,
}

/// N(P⁻¹b, P⁻¹).
pub fn gaussian(energy: &Quadratic) -> ExactMoments {
    // `Quadratic` only exists with a positive definite P, so the factorisation cannot fail.
    let n = energy.dim();
    let covariance = energy
        .precision()
        .clone()
        .cholesky()
        .map_or_else(|| DMatrix::from_element(n, n, f64::NAN), |c| c.inverse());
    let mean = &covariance * energy.linear();
    let triangle = energy.precision().clone().cholesky();
    let half_log = triangle.map_or(f64::NAN, |c| c.l().diagonal().map(f64::ln).sum());
    let log_z =
        0.5 * n as f64 * std::f64::consts::TAU.ln() - half_log + 0.5 * energy.linear().dot(&mean);
    ExactMoments {
        mean,
        covariance,
        log_z,
    }
}

/// log Z of any energy whose law is known: closed form, enumeration or quadrature; `None` where there is none.
pub fn log_partition(model: &Model) -> Option<f64> {
    match model {
        Model::Quadratic(energy) => Some(gaussian(energy).log_z),
        Model::SoftSpin(energy) => Some(quadrature(energy).ok()?.log_z),
        Model::Ising(energy) => Some(enumerate(energy).ok()?.log_z),
        Model::Mixture(_) => Some(0.0),
        Model::FluxCells(cells) => {
            let of_cell = |&flux: &f64| {
                let one = FluxCells {
                    flux: vec![flux],
                    ..cells.clone()
                };
                Some(quadrature(&one).ok()?.log_z)
            };
            cells.flux.iter().map(of_cell).sum()
        }
        Model::Factors(graph) => Some(enumerate_factors(graph, &[]).ok()?.log_z),
    }
}

/// Mean and variance of each flux cell, by quadrature.
///
/// # Errors
/// As [`quadrature`].
pub fn flux_cells(cells: &FluxCells) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut moments = (Vec::new(), Vec::new());
    for &flux in &cells.flux {
        let one = FluxCells {
            flux: vec![flux],
            ..cells.clone()
        };
        let m = quadrature(&one)?;
        moments.0.push(m.mean[0]);
        moments.1.push(m.covariance[(0, 0)]);
    }
    Ok(moments)
}

/// Sums over all states of at most [`MAX_SPINS`] spins.
///
/// # Errors
/// More spins than that.
pub fn enumerate(energy: &dyn DiscreteEnergy) -> Result<ExactSpins> {
    let n = energy.dim();
    if n > MAX_SPINS {
        let expected = format!("at most {MAX_SPINS} spins to enumerate");
        return Err(Error::invalid("energy", format!("{n} spins"), expected));
    }
    let spins = |index: usize| -> Vec<i8> {
        (0..n)
            .map(|i| if index >> i & 1 == 1 { 1 } else { -1 })
            .collect()
    };
    let log_weights: Vec<f64> = (0..1usize << n)
        .map(|index| -energy.value(&spins(index)))
        .collect();
    let top = log_weights
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = log_weights.iter().map(|w| (w - top).exp()).sum();
    let log_z = top + sum.ln();
    let probabilities: Vec<f64> = log_weights.iter().map(|w| (w - log_z).exp()).collect();
    let mut means = vec![0.0; n];
    let mut correlations = DMatrix::zeros(n, n);
    for (index, &p) in probabilities.iter().enumerate() {
        let s = spins(index);
        for i in 0..n {
            means[i] += p * f64::from(s[i]);
            for j in 0..n {
                correlations[(i, j)] += p * f64::from(s[i] * s[j]);
            }
        }
    }
    Ok(ExactSpins {
        probabilities,
        means,
        correlations,
        log_z,
    })
}

/// P(state) alone of at most [`MAX_SPINS`] spins, in the order of [`ExactSpins::probabilities`]: the states are doubled spin
/// by spin, E(s_k = −1) − E(s_k = +1) = 2 f_k, which costs one local field a state.
///
/// # Errors
/// More spins than that.
pub fn probabilities(energy: &dyn DiscreteEnergy) -> Result<Vec<f64>> {
    let n = energy.dim();
    if n > MAX_SPINS {
        let expected = format!("at most {MAX_SPINS} spins to enumerate");
        return Err(Error::invalid("energy", format!("{n} spins"), expected));
    }
    let mut spins = vec![-1i8; n];
    let mut log_weights = vec![0.0f64];
    log_weights.reserve(1 << n);
    for k in 0..n {
        for index in 0..1usize << k {
            for (i, s) in spins[..k].iter_mut().enumerate() {
                *s = if index >> i & 1 == 1 { 1 } else { -1 };
            }
            log_weights.push(log_weights[index] + 2.0 * energy.local_field(&spins, k));
        }
        spins[..=k].fill(-1);
    }
    let top = log_weights
        .iter()
        .copied()
        .fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = log_weights.iter().map(|w| (w - top).exp()).sum();
    let log_z = top + sum.ln();
    Ok(log_weights.iter().map(|w| (w - log_z).exp()).collect())
}

/// Moments of a one- or two-dimensional energy by the trapezoid rule, which converges exponentially for smooth densities
/// that vanish at the ends. The box is grown until the density at its edge is below 1e-16 of the peak.
///
/// # Errors
/// Another dimension, or a density that does not fit in |x| ≤ 1e3.
pub fn quadrature(energy: &dyn ContinuousEnergy) -> Result<ExactMoments> {
    let n = energy.dim();
    if !(1..=2).contains(&n) {
        return Err(Error::invalid(
            "energy",
            format!("{n} variables"),
            "1 or 2 variables for quadrature",
        ));
    }
    let half_points: i32 = if n == 1 { 4000 } else { 400 };
    let value = |x: f64, y: f64| {
        if n == 1 {
            energy.value(&[x])
        } else {
            energy.value(&[x, y])
        }
    };
    let mut reach = 2.0;
    loop {
        let step = reach / f64::from(half_points);
        let axis: Vec<f64> = (-half_points..=half_points)
            .map(|k| f64::from(k) * step)
            .collect();
        let other: &[f64] = if n == 1 { &[0.0] } else { &axis };
        let energies: Vec<f64> = other
            .iter()
            .flat_map(|&y| axis.iter().map(move |&x| (x, y)))
            .map(|(x, y)| value(x, y))
            .collect();
        let lowest = energies.iter().copied().fold(f64::INFINITY, f64::min);
        let width = axis.len();
        let edge = energies
            .iter()
            .enumerate()
            .filter(|(k, _)| {
                let (column, row) = (k % width, k / width);
                column == 0 || column == width - 1 || (n == 2 && (row == 0 || row == width - 1))
            })
            .map(|(_, e)| e - lowest)
            .fold(f64::INFINITY, f64::min);
        // e⁻³⁷ ≈ 1e-16 of the peak at the edge of the box.
        if edge < 37.0 {
            reach *= 1.25;
            if reach > 1e3 {
                return Err(Error::invalid(
                    "energy",
                    "a very wide density",
                    "mass within |x| <= 1000 for quadrature",
                ));
            }
            continue;
        }
        let mut sums = [0.0f64; 6];
        for (k, e) in energies.iter().enumerate() {
            let (x, y) = (axis[k % width], other[k / width]);
            let w = (lowest - e).exp();
            for (sum, f) in sums.iter_mut().zip([1.0, x, y, x * x, x * y, y * y]) {
                *sum += w * f;
            }
        }
        let [z, x, y, xx, xy, yy] = sums;
        let (x, y) = (x / z, y / z);
        let full = [xx / z - x * x, xy / z - x * y, yy / z - y * y];
        return Ok(ExactMoments {
            mean: DVector::from_column_slice(&[x, y][..n]),
            covariance: DMatrix::from_fn(n, n, |i, j| full[i + j]),
            log_z: z.ln() + n as f64 * step.ln() - lowest,
        });
    }
}
