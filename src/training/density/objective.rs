//! What is minimised, as the weights of jets: the loss of a batch and its θ-gradient.
//!
//! Score matching J = ⟨½|∇E|² − ΔE⟩ (Hyvärinen 2005); sliced J = ⟨½(v·∇E)² − vᵀ∇∇E v⟩ with E vvᵀ = 1 (arXiv 1905.07088);
//! denoising J = ½σ²⟨|∇E(x + σε) − ε/σ|²⟩ (Vincent 2011), whose minimum is the data smoothed by σ; noise contrast: the
//! logistic loss of telling data from ν noise points each, u = −E − log Z − log q − log ν (Gutmann & Hyvärinen 2012);
//! maximum likelihood ⟨E⟩ + log Z; contrastive: ∂θ⟨E⟩ over data minus over chains. A batch goes by blocks of columns, added in order: the same bits for any
//! number of threads.

use super::quality::PlaneGrid;
use crate::energy::{ContinuousEnergy, DriftField, Jet, Mixture, Network};
use crate::error::{Error, Result};
use crate::training::mixture::fitted;
use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Columns of a block.
const BLOCK: usize = 128;

/// How the directions of sliced score matching are drawn; all have E vvᵀ = 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Projection {
    /// Signs: the least variance of the trace.
    Rademacher,
    /// N(0, 1).
    Gaussian,
    /// Uniform on the sphere of radius √d.
    Sphere,
}

/// Which loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Objective {
    /// Contrastive divergence; `persistent` continues the chains from update to update (PCD).
    Contrastive {
        /// PCD instead of CD.
        persistent: bool,
        /// k: Langevin steps per update.
        steps: u64,
        /// Fraction of persistent chains put back onto data at each update.
        restart: f64,
    },
    /// Maximum likelihood with log Z and the negative phase as sums over a grid of the plane.
    MaximumLikelihood {
        /// Its cells.
        grid: PlaneGrid,
    },
    /// Exact trace.
    ScoreMatching,
    /// Trace by random directions.
    Sliced {
        /// Directions per point.
        directions: usize,
        /// Their law.
        projection: Projection,
    },
    /// Of data smoothed by σ.
    Denoising {
        /// σ.
        sigma: f64,
    },
    /// Against noise of known density, log Z learned too.
    NoiseContrastive {
        /// ν: noise points per data point.
        ratio: usize,
    },
}

impl Objective {
    /// Whether the loss is of scores alone, so that a field without an energy has it too.
    pub fn matches_scores(&self) -> bool {
        matches!(
            self,
            Objective::ScoreMatching | Objective::Sliced { .. } | Objective::Denoising { .. }
        )
    }
}

/// Noise with a known density.
#[derive(Clone, Debug)]
pub enum NoiseLaw {
    /// N(mean, LLᵀ).
    Gaussian {
        /// Mean.
        mean: DVector<f64>,
        /// L.
        factor: DMatrix<f64>,
    },
    /// Uniform in the box [low, high].
    Uniform {
        /// Lower corner.
        low: DVector<f64>,
        /// Upper corner.
        high: DVector<f64>,
    },
    /// A mixture of Gaussians.
    Mixture(Mixture),
}

/// Updates of EM that a mixture of noise is fitted by.
const FIT: u64 = 100;
/// Of a mixture of noise, a third each: what EM fits, the data's one Gaussian, and one so many times as wide (a defensive mixture:
/// Hesterberg 1995). Where there is no noise, noise contrast leaves the energy as it happens to be; where there is little
/// beside the data, it learns the height of a narrow ridge slowly.
const WIDE: f64 = 2.0;

impl NoiseLaw {
    /// The Gaussian with the mean and covariance of `data`'s columns.
    ///
    /// # Errors
    /// Data in a hyperplane.
    pub fn fitted(data: &DMatrix<f32>) -> Result<Self> {
        let (mean, factor) = mean_and_factor(data)?;
        Ok(NoiseLaw::Gaussian { mean, factor })
    }

    /// The mixture of so many Gaussians that EM makes of `data`'s columns, as much of their one Gaussian, and as much of one twice
    /// as wide.
    ///
    /// # Errors
    /// Fewer different points than components, or points in a hyperplane.
    pub fn fitted_mixture(
        data: &DMatrix<f32>,
        components: usize,
        rng: &mut impl Rng,
    ) -> Result<Self> {
        let rows: Vec<Vec<f64>> = data
            .column_iter()
            .map(|column| column.iter().map(|&v| f64::from(v)).collect())
            .collect();
        let narrow = fitted(&rows, components, FIT, rng)?;
        let (mean, factor) = mean_and_factor(data)?;
        let wide = Mixture::new(&[1.0], &[mean], &[&factor * factor.transpose()])?;
        let of = |mixture: &Mixture, stretch: f64| -> Vec<(f64, DVector<f64>, DMatrix<f64>)> {
            let each = mixture.components().iter();
            each.map(|c| {
                (
                    c.weight,
                    c.mean.clone(),
                    &c.covariance * (stretch * stretch),
                )
            })
            .collect()
        };
        let all = [of(&narrow, 1.0), of(&wide, 1.0), of(&wide, WIDE)].concat();
        let weights: Vec<f64> = all.iter().map(|c| c.0).collect();
        let means: Vec<DVector<f64>> = all.iter().map(|c| c.1.clone()).collect();
        let covariances: Vec<DMatrix<f64>> = all.into_iter().map(|c| c.2).collect();
        Mixture::new(&weights, &means, &covariances).map(NoiseLaw::Mixture)
    }

    /// `n` columns.
    pub fn sample(&self, n: usize, rng: &mut impl Rng) -> DMatrix<f32> {
        match self {
            NoiseLaw::Gaussian { mean, factor } => {
                let normals = DMatrix::from_fn(mean.len(), n, |_, _| StandardNormal.sample(rng));
                let mut x: DMatrix<f64> = factor * normals;
                for mut column in x.column_iter_mut() {
                    column += mean;
                }
                x.map(|v| v as f32)
            }
            NoiseLaw::Uniform { low, high } => DMatrix::from_fn(low.len(), n, |i, _| {
                (low[i] + (high[i] - low[i]) * rng.random::<f64>()) as f32
            }),
            NoiseLaw::Mixture(mixture) => {
                let columns: Vec<_> = (0..n).map(|_| mixture.draw(rng)).collect();
                DMatrix::from_columns(&columns).map(|v| v as f32)
            }
        }
    }

    /// log q of each column.
    pub fn log_densities(&self, x: &DMatrix<f32>) -> Vec<f64> {
        match self {
            NoiseLaw::Gaussian { mean, factor } => {
                let log_volume: f64 = factor.diagonal().iter().map(|l| l.ln()).sum();
                let constant = log_volume + 0.5 * mean.len() as f64 * (2.0 * PI).ln();
                let mut d = x.map(f64::from);
                for mut column in d.column_iter_mut() {
                    column -= mean;
                }
                // A Cholesky factor has no zero on its diagonal.
                factor.solve_lower_triangular_mut(&mut d);
                let squares = d.column_iter().map(|c| c.norm_squared());
                squares.map(|square| -0.5 * square - constant).collect()
            }
            NoiseLaw::Uniform { low, high } => {
                let log_volume: f64 = (high - low).iter().map(|w| w.ln()).sum();
                let inside = |column: &[f32]| {
                    let ranges = low.iter().zip(high.iter());
                    let mut each = column.iter().map(|&v| f64::from(v)).zip(ranges);
                    each.all(|(v, (low, high))| (low..=high).contains(&&v))
                };
                let columns = x.as_slice().chunks(low.len());
                let log_q = |c| {
                    if inside(c) {
                        -log_volume
                    } else {
                        f64::NEG_INFINITY
                    }
                };
                columns.map(log_q).collect()
            }
            NoiseLaw::Mixture(mixture) => {
                let column = |x: &[f32]| {
                    let x: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
                    -mixture.value(&x)
                };
                x.as_slice().chunks(x.nrows()).map(column).collect()
            }
        }
    }
}

/// Mean of the columns, and the lower Cholesky factor of their covariance.
fn mean_and_factor(data: &DMatrix<f32>) -> Result<(DVector<f64>, DMatrix<f64>)> {
    let data = data.map(f64::from);
    let mean = data.column_mean();
    let mut covariance = DMatrix::zeros(data.nrows(), data.nrows());
    for column in data.column_iter() {
        let d = column - &mean;
        covariance += &d * d.transpose() / data.ncols() as f64;
    }
    let Some(cholesky) = covariance.cholesky() else {
        let expected = "data that fill their space (their covariance is singular)";
        return Err(Error::invalid("train.data", "a hyperplane", expected));
    };
    Ok((mean, cholesky.l()))
}

/// Directions for one batch.
pub(super) fn directions(d: usize, n: usize, law: Projection, rng: &mut impl Rng) -> DMatrix<f32> {
    let mut v = DMatrix::from_fn(d, n, |_, _| match law {
        Projection::Rademacher => f32::from(rng.random::<bool>()) * 2.0 - 1.0,
        _ => StandardNormal.sample(rng),
    });
    if law == Projection::Sphere {
        for mut column in v.column_iter_mut() {
            let radius = column.norm().max(f32::MIN_POSITIVE);
            column *= (d as f32).sqrt() / radius;
        }
    }
    v
}

/// A loss and its gradient; the last entry of `theta` belongs to log Z.
#[derive(Clone, Debug)]
pub struct Slope {
    /// The loss.
    pub loss: f64,
    /// ∂loss/∂θ, then ∂loss/∂log Z.
    pub theta: Vec<f64>,
}

impl Slope {
    /// Nothing yet, for a network of `parameters`.
    pub fn zero(parameters: usize) -> Self {
        Slope {
            loss: 0.0,
            theta: vec![0.0; parameters + 1],
        }
    }

    /// Adds what `part(first column, width)` says of each block of columns: (loss, its θ-gradient, ∂loss/∂log Z).
    fn gather(
        &mut self,
        columns: usize,
        part: impl Fn(usize, usize) -> (f64, Vec<f32>, f64) + Sync,
    ) {
        let n = self.theta.len() - 1;
        let starts: Vec<usize> = (0..columns).step_by(BLOCK).collect();
        let parts: Vec<(f64, Vec<f32>, f64)> = starts
            .into_par_iter()
            .map(|start| part(start, BLOCK.min(columns - start)))
            .collect();
        for (loss, gradient, log_z) in parts {
            self.loss += loss;
            for (sum, g) in self.theta.iter_mut().zip(gradient) {
                *sum += f64::from(g);
            }
            self.theta[n] += log_z;
        }
    }

    /// Adds what `of(column, jet)` says of each column: (loss, (w0, w1, w2), ∂loss/∂log Z).
    pub fn add(
        &mut self,
        network: &Network<f32>,
        (x, v, order): (&DMatrix<f32>, &DMatrix<f32>, usize),
        of: impl Fn(usize, Jet<f32>) -> (f64, Jet<f32>, f64) + Sync,
    ) {
        self.gather(x.ncols(), |start, width| {
            let x = x.columns(start, width).into_owned();
            let v = v.columns(start, width).into_owned();
            let (mut loss, mut log_z) = (0.0, 0.0);
            let mut gradient = vec![0.0; network.parameters().len()];
            network.add_jet_gradient(&x, &v, order, &mut gradient, |column, jet| {
                let (value, weights, free) = of(start + column, jet);
                loss += value;
                log_z += free;
                weights
            });
            (loss, gradient, log_z)
        });
    }

    /// Adds what `of(column, [u·s, u·(∂s/∂x)v])` says of each column of a field: (loss, (w0, w1)).
    pub(super) fn add_projected(
        &mut self,
        field: &DriftField<f32>,
        (x, v, u): (&DMatrix<f32>, &DMatrix<f32>, &DMatrix<f32>),
        order: usize,
        of: impl Fn(usize, [f32; 2]) -> (f64, [f32; 2]) + Sync,
    ) {
        self.gather(x.ncols(), |start, width| {
            let [x, v, u] = [x, v, u].map(|m| m.columns(start, width).into_owned());
            let mut loss = 0.0;
            let mut gradient = vec![0.0; field.parameters().len()];
            field.add_projected_gradient((&x, &v, &u), order, &mut gradient, |column, along| {
                let (value, weights) = of(start + column, along);
                loss += value;
                weights
            });
            (loss, gradient, 0.0)
        });
    }
}

/// e_axis for every column of x.
pub(super) fn along(x: &DMatrix<f32>, axis: usize) -> DMatrix<f32> {
    DMatrix::from_fn(x.nrows(), x.ncols(), |i, _| f32::from(i == axis))
}

/// Score matching with the exact trace: one pass per axis.
pub(super) fn score_matching(network: &Network<f32>, x: &DMatrix<f32>, slope: &mut Slope) {
    let each = 1.0 / x.ncols() as f32;
    for axis in 0..x.nrows() {
        let v = along(x, axis);
        slope.add(network, (x, &v, 2), |_, [_, e1, e2]| {
            let loss = f64::from(each * (0.5 * e1 * e1 - e2));
            (loss, [0.0, each * e1, -each], 0.0)
        });
    }
}

/// Sliced score matching.
pub(super) fn sliced(
    network: &Network<f32>,
    x: &DMatrix<f32>,
    (count, law): (usize, Projection),
    rng: &mut impl Rng,
    slope: &mut Slope,
) {
    let each = 1.0 / (x.ncols() * count) as f32;
    for _ in 0..count {
        let v = directions(x.nrows(), x.ncols(), law, rng);
        slope.add(network, (x, &v, 2), |_, [_, e1, e2]| {
            let loss = f64::from(each * (0.5 * e1 * e1 - e2));
            (loss, [0.0, each * e1, -each], 0.0)
        });
    }
}

/// Denoising score matching.
pub(super) fn denoising(
    network: &Network<f32>,
    x: &DMatrix<f32>,
    sigma: f64,
    rng: &mut impl Rng,
    slope: &mut Slope,
) {
    let (each, sigma) = (1.0 / x.ncols() as f32, sigma as f32);
    let noise = DMatrix::from_fn(x.nrows(), x.ncols(), |_, _| StandardNormal.sample(rng));
    let smoothed = x + &noise * sigma;
    for axis in 0..x.nrows() {
        let v = along(x, axis);
        slope.add(network, (&smoothed, &v, 1), |column, [_, e1, _]| {
            let miss = sigma * e1 - noise[(axis, column)];
            let loss = f64::from(0.5 * each * miss * miss);
            (loss, [0.0, each * sigma * miss, 0.0], 0.0)
        });
    }
}

/// Noise contrast at the present log Z.
pub(super) fn noise_contrastive(
    network: &Network<f32>,
    x: &DMatrix<f32>,
    noise: (&NoiseLaw, &DMatrix<f32>),
    log_z: f64,
    slope: &mut Slope,
) {
    let each = 1.0 / x.ncols() as f64;
    let log_ratio = (noise.1.ncols() as f64 * each).ln();
    let mut side = |points: &DMatrix<f32>, data: bool| {
        let log_q = noise.0.log_densities(points);
        let still = DMatrix::zeros(points.nrows(), points.ncols());
        slope.add(network, (points, &still, 0), |column, [e0, _, _]| {
            let u = -f64::from(e0) - log_z - log_q[column] - log_ratio;
            // −log σ(±u), and its slope in E and log Z alike (u falls with both).
            let signed = if data { u } else { -u };
            let loss = (-signed).max(0.0) + (-signed.abs()).exp().ln_1p();
            let wrong = 1.0 / (1.0 + signed.exp());
            let pull = each * if data { wrong } else { -wrong };
            (each * loss, [pull as f32, 0.0, 0.0], pull)
        });
    };
    side(x, true);
    side(noise.1, false);
}

/// ⟨E⟩ over data minus ⟨E⟩ over chains, plus `l2` (⟨E²⟩ + ⟨E²⟩), which keeps energies near zero.
pub(super) fn contrastive(
    network: &Network<f32>,
    data: &DMatrix<f32>,
    chains: &DMatrix<f32>,
    l2: f64,
    slope: &mut Slope,
) {
    for (points, sign) in [(data, 1.0), (chains, -1.0)] {
        let each = 1.0 / points.ncols() as f64;
        let still = DMatrix::zeros(points.nrows(), points.ncols());
        slope.add(network, (points, &still, 0), |_, [e0, _, _]| {
            let e = f64::from(e0);
            let weight = each * (sign + 2.0 * l2 * e);
            (
                each * (sign * e + l2 * e * e),
                [weight as f32, 0.0, 0.0],
                0.0,
            )
        });
    }
}
