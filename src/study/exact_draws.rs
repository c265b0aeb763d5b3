//! Independent draws of an exact law, where there is a direct way: states by the inverse distribution function, Gaussians by
//! Cholesky, one or two real variables by rejection from cells of a grid.
//!
//! Cells hold e^{−E(c)} M_c, c the centre and M_c ≥ max e^{E(c) − E(x)} over the cell; a cell is chosen in that proportion, a
//! point in it uniformly, and kept with probability e^{E(c) − E(x)}/M_c: what is kept has the density e^{−E}/Z on the grid's box.

use super::reference::Reference;
use crate::dynamics::streams::chain_rng;
use crate::energy::{ContinuousEnergy, Domain, Model, exact};
use crate::sampler::Samples;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg32;

/// Domain of the random numbers.
const EXACT: u64 = 0x600;
/// Half the box, in standard deviations about the mean.
const REACH: f64 = 8.0;
/// Cells along an axis: of one variable, of two.
const CELLS: [usize; 2] = [8000, 500];
/// What the corners of a cell may miss of its highest density, in kT: curvature times its side², over eight, is far below.
const SLACK: f64 = 0.1;

/// One way to draw.
enum Way<'a> {
    /// Sums of the probabilities.
    States(Vec<f64>),
    /// Mean and lower triangle.
    Gaussian(Vec<f64>, nalgebra::DMatrix<f64>),
    Grid(Grid<'a>),
}

struct Grid<'a> {
    energy: &'a dyn ContinuousEnergy,
    low: Vec<f64>,
    side: Vec<f64>,
    cells: usize,
    /// Sums of the cells' weights.
    sums: Vec<f64>,
    /// E(c) − ln M_c of each cell.
    least: Vec<f64>,
}

fn running(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut sum = 0.0;
    let sums = values.map(|v| {
        sum += v;
        sum
    });
    sums.collect()
}

/// The first entry of `sums` above a uniform share of the last.
fn chosen(sums: &[f64], rng: &mut Pcg32) -> usize {
    let u: f64 = rng.random();
    let wanted = u * sums.last().copied().unwrap_or(0.0);
    let at = sums.partition_point(|s| *s <= wanted);
    at.min(sums.len() - 1)
}

impl<'a> Grid<'a> {
    /// About the known mean and deviations of one or two variables.
    fn new(energy: &'a dyn ContinuousEnergy, mean: &[f64], deviation: &[f64]) -> Self {
        let n = mean.len();
        let cells = CELLS[n - 1];
        let side: Vec<f64> = deviation
            .iter()
            .map(|d| 2.0 * REACH * d / cells as f64)
            .collect();
        let low = mean
            .iter()
            .zip(deviation)
            .map(|(m, d)| m - REACH * d)
            .collect();
        let mut grid = Grid {
            energy,
            low,
            side,
            cells,
            sums: Vec::new(),
            least: Vec::new(),
        };
        // E at the corners, shared by the cells around them.
        let corners = cells + 1;
        let at = |k: usize| {
            let place = |axis: usize, k: usize| grid.low[axis] + grid.side[axis] * k as f64;
            match n {
                1 => energy.value(&[place(0, k)]),
                _ => energy.value(&[place(0, k % corners), place(1, k / corners)]),
            }
        };
        let values: Vec<f64> = (0..corners.pow(n as u32)).map(at).collect();
        let least = |cell: usize| {
            let around = match n {
                1 => vec![cell, cell + 1],
                _ => {
                    let first = cell / cells * corners + cell % cells;
                    vec![first, first + 1, first + corners, first + corners + 1]
                }
            };
            let corner = around.iter().map(|&k| values[k]);
            corner.fold(f64::INFINITY, f64::min) - SLACK
        };
        grid.least = (0..cells.pow(n as u32)).map(least).collect();
        let lowest = grid.least.iter().copied().fold(f64::INFINITY, f64::min);
        grid.sums = running(grid.least.iter().map(|e| (lowest - e).exp()));
        grid
    }

    fn draw(&self, rng: &mut Pcg32, x: &mut [f64]) {
        loop {
            let cell = chosen(&self.sums, rng);
            for (axis, value) in x.iter_mut().enumerate() {
                let place = if axis == 0 {
                    cell % self.cells
                } else {
                    cell / self.cells
                };
                let u: f64 = rng.random();
                *value = self.low[axis] + self.side[axis] * (place as f64 + u);
            }
            let u: f64 = rng.random();
            if u < (self.least[cell] - self.energy.value(x)).exp() {
                return;
            }
        }
    }
}

impl<'a> Way<'a> {
    fn new(model: &'a Model, reference: &Reference) -> Option<Self> {
        if let Some(p) = &reference.probabilities {
            return Some(Way::States(running(p.iter().copied())));
        }
        if let Model::Quadratic(energy) = model {
            let m = exact::gaussian(energy);
            let triangle = m.covariance.cholesky()?.l();
            return Some(Way::Gaussian(m.mean.as_slice().to_vec(), triangle));
        }
        let energy = model.continuous()?;
        let (mean, n) = (&reference.moments.mean, model.dim());
        if n > 2 {
            return None;
        }
        let variance = |i: usize| reference.moments.covariance[i * n + i];
        let deviation: Vec<f64> = (0..n).map(|i| variance(i).sqrt()).collect();
        Some(Way::Grid(Grid::new(energy, mean, &deviation)))
    }

    fn draw(&self, model: &Model, rng: &mut Pcg32, x: &mut [f64]) {
        match self {
            Way::States(sums) => {
                let mut index = chosen(sums, rng);
                for (i, value) in x.iter_mut().enumerate() {
                    let domain = model.factors().map_or(Domain::Spin, |g| g.domains()[i]);
                    *value = domain.value((index % domain.states()) as u8);
                    index /= domain.states();
                }
            }
            Way::Gaussian(mean, triangle) => {
                let z: Vec<f64> = mean.iter().map(|_| StandardNormal.sample(rng)).collect();
                for (i, value) in x.iter_mut().enumerate() {
                    *value = mean[i] + (0..=i).map(|j| triangle[(i, j)] * z[j]).sum::<f64>();
                }
            }
            Way::Grid(grid) => grid.draw(rng, x),
        }
    }
}

/// `chains` × `draws` independent draws of the model's law, `reference` being exact; `None` where there is no direct way.
pub(super) fn exact_draws(
    model: &Model,
    reference: &Reference,
    (chains, draws): (usize, usize),
    seed: u64,
) -> Option<Samples> {
    let way = Way::new(model, reference)?;
    let n = model.dim();
    let mut x = Vec::with_capacity(chains * draws * n);
    let mut one = vec![0.0; n];
    for chain in 0..chains {
        let mut rng = chain_rng(seed, EXACT, chain as u64);
        for _ in 0..draws {
            way.draw(model, &mut rng, &mut one);
            x.extend(one.iter().map(|&v| v as f32));
        }
    }
    Some(Samples {
        chains,
        draws,
        nodes: n,
        x,
        t: (1..=draws).map(|k| k as f64).collect(),
    })
}
