//! A learned law of the plane on a grid: log Z, KL(p‖model) against a known density, and independent samples.
//!
//! Midpoint sums; for laws smooth on the scale of a cell their error is far below a sampling error. Where the box cuts the
//! law off is told by the mass in its border cells.

use crate::energy::Network;
use nalgebra::DMatrix;
use rand::{Rng, RngExt};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Cells whose energies are computed at once.
const TILE: usize = 512;

/// Cells of a box.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaneGrid {
    /// Smallest and largest x.
    pub x: (f64, f64),
    /// Smallest and largest y.
    pub y: (f64, f64),
    /// Cells along x and along y.
    pub cells: (usize, usize),
}

/// exp(−E)/Z on a grid.
#[derive(Clone, Debug)]
pub struct PlaneLaw {
    grid: PlaneGrid,
    /// E at the centres, x running fastest.
    pub energy: Vec<f64>,
    /// log ∫ exp(−E).
    pub log_z: f64,
    /// Mass in the border cells.
    pub border: f64,
}

impl PlaneGrid {
    /// Cells of about `spacing` over [−4, 5] × [−4, 4.5]: far beyond two moons, and beyond what a confined network leaves
    /// weight in.
    pub fn around_moons(spacing: f64) -> Self {
        let (x, y) = ((-4.0, 5.0), (-4.0, 4.5));
        let count = |(low, high): (f64, f64)| ((high - low) / spacing).round() as usize;
        let cells = (count(x), count(y));
        PlaneGrid { x, y, cells }
    }

    /// Centre of cell `k`, x running fastest.
    pub fn centre(&self, k: usize) -> [f64; 2] {
        let (i, j) = (k % self.cells.0, k / self.cells.0);
        let (dx, dy) = self.spacing();
        [
            self.x.0 + (i as f64 + 0.5) * dx,
            self.y.0 + (j as f64 + 0.5) * dy,
        ]
    }

    fn spacing(&self) -> (f64, f64) {
        (
            (self.x.1 - self.x.0) / self.cells.0 as f64,
            (self.y.1 - self.y.0) / self.cells.1 as f64,
        )
    }

    /// Number of cells.
    pub fn len(&self) -> usize {
        self.cells.0 * self.cells.1
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Area of a cell.
    pub fn area(&self) -> f64 {
        let (dx, dy) = self.spacing();
        dx * dy
    }

    /// A network's law on this grid.
    pub fn law(&self, network: &Network<f32>) -> PlaneLaw {
        self.law_by_tiles(|places| {
            let points = DMatrix::from_fn(2, places.len(), |i, c| places[c][i] as f32);
            let energies = network.energies(&points);
            energies.into_iter().map(f64::from).collect()
        })
    }

    /// The law exp(−E)/Z of any energy on this grid.
    pub fn law_of(&self, energy: impl Fn([f64; 2]) -> f64 + Sync) -> PlaneLaw {
        self.law_by_tiles(|places| places.iter().map(|&place| energy(place)).collect())
    }

    fn law_by_tiles(&self, energies: impl Fn(&[[f64; 2]]) -> Vec<f64> + Sync) -> PlaneLaw {
        let starts: Vec<usize> = (0..self.len()).step_by(TILE).collect();
        let tile = |&start: &usize| {
            let end = self.len().min(start + TILE);
            let places: Vec<[f64; 2]> = (start..end).map(|k| self.centre(k)).collect();
            energies(&places)
        };
        let tiles: Vec<Vec<f64>> = starts.par_iter().map(tile).collect();
        let energy = tiles.concat();
        let least = energy.iter().copied().fold(f64::INFINITY, f64::min);
        let sum: f64 = energy.iter().map(|e| (least - e).exp()).sum();
        let edge = |k: usize| {
            let (i, j) = (k % self.cells.0, k / self.cells.0);
            i == 0 || j == 0 || i + 1 == self.cells.0 || j + 1 == self.cells.1
        };
        let rim: f64 = (0..self.len())
            .filter(|&k| edge(k))
            .map(|k| (least - energy[k]).exp())
            .sum();
        PlaneLaw {
            grid: *self,
            energy,
            log_z: (sum * self.area()).ln() - least,
            border: rim / sum,
        }
    }
}

impl PlaneLaw {
    /// ∫ p log(p/model) for a density p, known at the cells' centres, that the box holds.
    pub fn divergence_from(&self, density: &[f64]) -> f64 {
        let (mut total, mut mass) = (0.0, 0.0);
        for (&p, e) in density.iter().zip(&self.energy) {
            if p > 0.0 {
                total += p * (p.ln() + e + self.log_z);
                mass += p;
            }
        }
        total / mass
    }

    /// ⟨−log model⟩ over points.
    pub fn negative_log_likelihood(&self, network: &Network<f64>, points: &DMatrix<f64>) -> f64 {
        let energies = network.energies(points);
        energies.iter().sum::<f64>() / energies.len() as f64 + self.log_z
    }

    /// `n` independent points, uniform within their cells.
    pub fn sample(&self, n: usize, rng: &mut impl Rng) -> Vec<[f64; 2]> {
        let mut sum = 0.0;
        let cumulative: Vec<f64> = self
            .energy
            .iter()
            .map(|e| {
                sum += (-e - self.log_z).exp();
                sum
            })
            .collect();
        let (dx, dy) = self.grid.spacing();
        (0..n)
            .map(|_| {
                let u = sum * rng.random::<f64>();
                let k = cumulative
                    .partition_point(|&c| c < u)
                    .min(cumulative.len() - 1);
                let [x, y] = self.grid.centre(k);
                [
                    x + dx * (rng.random::<f64>() - 0.5),
                    y + dy * (rng.random::<f64>() - 0.5),
                ]
            })
            .collect()
    }
}

/// (rms of the Jacobians' antisymmetric part, its ratio to the rms of the whole Jacobian), Frobenius norms: (0, 0) for a gradient
/// field, (·, 1) for a pure rotation. In the plane the former is |∂₁s₂ − ∂₂s₁|/√2.
pub fn curl(jacobians: &[DMatrix<f64>]) -> (f64, f64) {
    let (mut turning, mut whole) = (0.0, 0.0);
    for j in jacobians {
        turning += (0.5 * (j - j.transpose())).norm_squared();
        whole += j.norm_squared();
    }
    let rms = (turning / jacobians.len().max(1) as f64).sqrt();
    (rms, (turning / whole.max(f64::MIN_POSITIVE)).sqrt())
}
