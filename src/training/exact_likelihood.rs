//! Maximum likelihood of programmed couplings without sampling: both phases' averages are exact.
//!
//! The gradient is ⟨s⟩ with the rows clamped minus ⟨s⟩ free, s = (x_i, x_i x_j), and is that of the mean log-likelihood of the
//! rows, hidden nodes summed over. Spins (≤ 20 with the hidden ones) are enumerated; one or two real variables with any number of
//! hidden cells that do not couple to each other are summed over a grid; Gaussians without hidden nodes have a closed form.

use super::contrastive::check_bounded;
use super::optimiser::{Optimiser, OptimiserKind, falling};
use crate::energy::{
    Couplings, Ising, Marginal, Model, Parameters, Parametric, Quadratic, SoftSpin, exact,
};
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Fewest cells of the grid along a variable.
const LEAST_CELLS: usize = 64;
/// Spacing of the grid in standard deviations of the stiffest cell. With quadratic visible cells the law is a mixture of
/// Gaussians of that width, whose midpoint sums are off by e^(−2π²/spacing²): 4e-14.
const SPACING: f64 = 0.8;
/// Most cells of the grid.
const MOST_CELLS: usize = 1_000_000;
/// Cells that one task sums.
const TILE: usize = 512;
/// Least range of the rows that a box is made for.
const LEAST_WIDTH: f64 = 1e-3;
/// Share of the law at the box's edge beyond which the box does not hold it, and is widened.
const MOST_BORDER: f64 = 1e-6;

/// Averages of both phases at one θ.
#[derive(Clone, Debug)]
pub struct Phases {
    /// ⟨s⟩ with the rows clamped.
    pub clamped: Parameters,
    /// ⟨s⟩ free.
    pub free: Parameters,
    /// Mean ln p of a row.
    pub log_likelihood: f64,
}

/// The exact log-likelihood of rows of the first nodes under one family of energies.
#[derive(Clone, Debug)]
pub struct ExactLikelihood {
    rows: Vec<Vec<f64>>,
    family: Family,
}

#[derive(Clone, Debug)]
enum Family {
    /// Spins, and how many rows show each visible state.
    Spins(Ising, Vec<f64>),
    /// Gaussians without hidden nodes: cells of j4 = 0.
    Gaussian(SoftSpin),
    /// One or two real variables, and the grid.
    Plane(SoftSpin, Box<Marginal>, Grid),
}

/// Cells of a box of one or two variables.
#[derive(Clone, Debug)]
struct Grid {
    ranges: Vec<(f64, f64)>,
    spacing: Vec<f64>,
    cells: Vec<usize>,
}

impl Grid {
    /// Over `ranges`, fine enough for the stiffest that the visible cells can be: hidden cells only soften them.
    fn new(ranges: Vec<(f64, f64)>, energy: &SoftSpin) -> Result<Self> {
        let cells = ranges.iter().enumerate().map(|(i, &(low, high))| {
            let far = low.abs().max(high.abs());
            let stiff = 2.0 * energy.j2[i] + 12.0 * energy.j4[i] * far * far;
            let fine = ((high - low) * stiff.max(0.0).sqrt() / SPACING).ceil();
            (fine.min(1e9) as usize).max(LEAST_CELLS)
        });
        let cells: Vec<usize> = cells.collect();
        let spacing = ranges.iter().zip(&cells);
        let spacing = spacing.map(|((low, high), &n)| (high - low) / n as f64);
        let grid = Grid {
            spacing: spacing.collect(),
            ranges,
            cells,
        };
        if grid.len() > MOST_CELLS {
            let value = format!("a grid of {} points", grid.len());
            let expected = format!(
                "a law that {MOST_CELLS} points hold (neither very wide nor very stiff), or cd or pcd"
            );
            return Err(Error::invalid("train.method", value, expected));
        }
        Ok(grid)
    }

    /// Over the rows' range with the cells' own wells, and as much again. A mode that the edge of such a box does not tell of is not
    /// seen.
    fn around(rows: &[Vec<f64>], energy: &SoftSpin) -> Result<Self> {
        let range = |i: usize| {
            let values = rows.iter().map(|row| row[i]);
            let least = values.clone().fold(f64::INFINITY, f64::min);
            let most = values.fold(f64::NEG_INFINITY, f64::max);
            let (j2, j4) = (energy.j2[i], energy.j4[i]);
            let well = if j2 < 0.0 {
                (-0.5 * j2 / j4).sqrt()
            } else {
                0.0
            };
            let (least, most) = (least.min(-well), most.max(well));
            (least, most.max(least + LEAST_WIDTH))
        };
        Grid::wider((0..rows[0].len()).map(range).collect(), energy)
    }

    /// Over a box twice as wide as `ranges`.
    fn wider(ranges: Vec<(f64, f64)>, energy: &SoftSpin) -> Result<Self> {
        let twice = |(low, high): (f64, f64)| {
            let half = 0.5 * (high - low);
            (low - half, high + half)
        };
        Grid::new(ranges.into_iter().map(twice).collect(), energy)
    }

    fn len(&self) -> usize {
        self.cells.iter().product()
    }

    fn index(&self, k: usize) -> [usize; 2] {
        [k % self.cells[0], k / self.cells[0]]
    }

    fn centre(&self, k: usize) -> Vec<f64> {
        let index = self.index(k);
        let of = |i: usize| self.ranges[i].0 + (index[i] as f64 + 0.5) * self.spacing[i];
        (0..self.cells.len()).map(of).collect()
    }

    fn is_edge(&self, k: usize) -> bool {
        let index = self.index(k);
        let mut axes = self.cells.iter().zip(index);
        axes.any(|(&n, i)| i == 0 || i + 1 == n)
    }
}

impl ExactLikelihood {
    /// Of `rows` of the first nodes of `model`'s family.
    ///
    /// # Errors
    /// No rows, rows that are no states, or a family whose averages are out of reach.
    pub fn new(model: &Model, rows: Vec<Vec<f64>>) -> Result<Self> {
        let visible = rows.first().map_or(0, Vec::len);
        let fits = visible > 0 && visible <= model.dim();
        if !fits || rows.iter().any(|row| row.len() != visible) {
            let value = format!("{} rows of {visible}", rows.len());
            let expected = format!("at least one row of at most {} values", model.dim());
            return Err(Error::invalid("train.data", value, expected));
        }
        let refused = |value: String| {
            let expected = "at most 20 spins with the hidden ones, one or two real variables with hidden cells that do not couple to each other, or Gaussian cells without hidden ones: cd or pcd for others";
            Err(Error::invalid("train.method", value, expected))
        };
        let family = match model {
            Model::Ising(ising) if ising.fields.len() <= exact::MAX_SPINS => {
                let mut seen = vec![0.0; 1 << visible];
                for row in &rows {
                    if let Some(value) = row.iter().find(|v| v.abs() != 1.0) {
                        return Err(Error::invalid("train.data", value, "spins -1 or 1"));
                    }
                    seen[state(row)] += 1.0 / rows.len() as f64;
                }
                Family::Spins(ising.clone(), seen)
            }
            Model::SoftSpin(energy) if visible <= 2 => {
                // Couplings that are zero at the start are learned too.
                if energy.couplings.edges().iter().any(|&(i, _)| i >= visible) {
                    return refused("\"mle\" of hidden cells that couple".to_owned());
                }
                let grid = Grid::around(&rows, energy)?;
                let marginal = Marginal::new(energy, visible, &grid.ranges)?;
                Family::Plane(energy.clone(), Box::new(marginal), grid)
            }
            Model::SoftSpin(energy)
                if energy.j4.iter().all(|&v| v == 0.0) && visible == model.dim() =>
            {
                Family::Gaussian(energy.clone())
            }
            _ => return refused(format!("\"mle\" of {} nodes", model.dim())),
        };
        Ok(ExactLikelihood { rows, family })
    }

    /// Both phases at `parameters`.
    ///
    /// # Errors
    /// Parameters of another number, an energy unbounded below, or a law too wide or too stiff for a grid.
    pub fn phases(&mut self, parameters: &Parameters) -> Result<Phases> {
        match &mut self.family {
            Family::Spins(energy, seen) => {
                energy.set_parameters(parameters)?;
                of_spins(energy, seen)
            }
            Family::Gaussian(energy) => {
                energy.set_parameters(parameters)?;
                of_gaussian(energy, &self.rows)
            }
            Family::Plane(energy, marginal, grid) => {
                energy.set_parameters(parameters)?;
                marginal.renew(energy)?;
                loop {
                    if let Some(phases) = of_plane(&energy.couplings, marginal, grid, &self.rows) {
                        return Ok(phases);
                    }
                    *grid = Grid::wider(grid.ranges.clone(), energy)?;
                    **marginal = Marginal::new(energy, grid.ranges.len(), &grid.ranges)?;
                }
            }
        }
    }
}

/// Bit i is set where s_i = +1.
fn state(row: &[f64]) -> usize {
    let up = row.iter().enumerate().filter(|(_, v)| **v > 0.0);
    up.map(|(i, _)| 1 << i).sum()
}

fn of_spins(energy: &Ising, seen: &[f64]) -> Result<Phases> {
    let law = exact::probabilities(energy)?;
    let mut visible = vec![0.0; seen.len()];
    for (k, p) in law.iter().enumerate() {
        visible[k % seen.len()] += p;
    }
    if let Some(k) = (0..seen.len()).find(|&k| seen[k] > 0.0 && visible[k] == 0.0) {
        return Err(Error::Diverged {
            what: "training".to_owned(),
            detail: format!(
                "the law gives visible state {k}, which rows show, no probability that a double holds; a smaller learning_rate or a weight_decay may hold it"
            ),
        });
    }
    // p(v, h) turned into q(v) p(h | v), with q the rows'.
    let of_rows = |(k, p): (usize, &f64)| match seen[k % seen.len()] {
        0.0 => 0.0,
        q => p * q / visible[k % seen.len()],
    };
    let clamped = law.iter().enumerate().map(of_rows).collect();
    let shown = seen.iter().zip(&visible).filter(|(q, _)| **q > 0.0);
    Ok(Phases {
        clamped: spin_statistics(clamped, &energy.couplings),
        free: spin_statistics(law, &energy.couplings),
        log_likelihood: shown.map(|(q, p)| q * p.ln()).sum(),
    })
}

/// ⟨s_i⟩ and ⟨s_i s_j⟩: the Walsh–Hadamard transform of a law of spins holds the mean of every product of them.
fn spin_statistics(mut law: Vec<f64>, couplings: &Couplings) -> Parameters {
    let mut half = 1;
    while half < law.len() {
        for pair in law.chunks_mut(2 * half) {
            let (down, up) = pair.split_at_mut(half);
            for (a, b) in down.iter_mut().zip(up) {
                (*a, *b) = (*a + *b, *b - *a);
            }
        }
        half *= 2;
    }
    Parameters {
        fields: (0..couplings.nodes()).map(|i| law[1 << i]).collect(),
        couplings: couplings
            .edges()
            .iter()
            .map(|&(i, j)| law[1 << i | 1 << j])
            .collect(),
    }
}

fn of_gaussian(energy: &SoftSpin, rows: &[Vec<f64>]) -> Result<Phases> {
    let n = energy.j2.len();
    let mut precision = -energy.couplings.dense();
    for i in 0..n {
        precision[(i, i)] = 2.0 * energy.j2[i];
    }
    let linear = DVector::from_column_slice(&energy.fields);
    let law = exact::gaussian(&Quadratic::new(precision.clone(), linear.clone())?);
    let each = 1.0 / rows.len() as f64;
    let (mut mean, mut square) = (DVector::zeros(n), DMatrix::zeros(n, n));
    for row in rows {
        let x = DVector::from_column_slice(row);
        square.ger(each, &x, &x, 1.0);
        mean += x * each;
    }
    let second = &law.covariance + &law.mean * law.mean.transpose();
    let energy_of_rows = 0.5 * (&precision * &square).trace() - linear.dot(&mean);
    let edges = energy.couplings.edges();
    let statistics = |mean: &DVector<f64>, second: &DMatrix<f64>| Parameters {
        fields: mean.iter().copied().collect(),
        couplings: edges.iter().map(|&(i, j)| second[(i, j)]).collect(),
    };
    Ok(Phases {
        clamped: statistics(&mean, &square),
        free: statistics(&law.mean, &second),
        log_likelihood: -energy_of_rows - law.log_z,
    })
}

/// Sums of (weight, weight · s) over points of the visible variables, s averaged over the hidden cells given them.
fn weighted(
    couplings: &Couplings,
    marginal: &Marginal,
    points: impl Iterator<Item = (Vec<f64>, f64)>,
) -> (f64, Parameters) {
    let mut total = 0.0;
    let mut sum = Parameters {
        fields: vec![0.0; couplings.nodes()],
        couplings: vec![0.0; couplings.edges().len()],
    };
    let mut x = vec![0.0; couplings.nodes()];
    for (v, weight) in points {
        if weight == 0.0 {
            continue;
        }
        total += weight;
        let (visible, hidden) = x.split_at_mut(v.len());
        visible.copy_from_slice(&v);
        marginal.hidden_means(&v, hidden);
        // Products of a visible and a hidden one, or of visible ones: their averages given v are products of averages.
        for (field, value) in sum.fields.iter_mut().zip(&x) {
            *field += weight * value;
        }
        for (pair, &(i, j)) in sum.couplings.iter_mut().zip(couplings.edges()) {
            *pair += weight * x[i] * x[j];
        }
    }
    (total, sum)
}

/// One after another, so that the sum does not depend on who computed which part.
fn joined(parts: Vec<(f64, Parameters)>) -> Option<Parameters> {
    let add = |a: &mut Vec<f64>, b: &[f64]| a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    let whole = parts.into_iter().reduce(|mut a, b| {
        a.0 += b.0;
        add(&mut a.1.fields, &b.1.fields);
        add(&mut a.1.couplings, &b.1.couplings);
        a
    });
    let (total, mut sum) = whole?;
    let all = sum.fields.iter_mut().chain(&mut sum.couplings);
    all.for_each(|value| *value /= total);
    Some(sum)
}

/// `None` where the box does not hold the law.
fn of_plane(
    couplings: &Couplings,
    marginal: &Marginal,
    grid: &Grid,
    rows: &[Vec<f64>],
) -> Option<Phases> {
    let tiles = |n: usize| (0..n).step_by(TILE).map(move |k| k..n.min(k + TILE));
    let over: Vec<_> = tiles(grid.len()).collect();
    let energies: Vec<f64> = over
        .par_iter()
        .flat_map_iter(|tile| tile.clone().map(|k| marginal.value(&grid.centre(k))))
        .collect();
    let least = energies.iter().copied().fold(f64::INFINITY, f64::min);
    let weights: Vec<f64> = energies.iter().map(|e| (least - e).exp()).collect();
    let total: f64 = weights.iter().sum();
    let rim: f64 = (0..grid.len())
        .filter(|&k| grid.is_edge(k))
        .map(|k| weights[k])
        .sum();
    if rim > MOST_BORDER * total {
        return None;
    }
    let free: Vec<_> = over
        .par_iter()
        .map(|tile| {
            let points = tile.clone().map(|k| (grid.centre(k), weights[k]));
            weighted(couplings, marginal, points)
        })
        .collect();
    let over: Vec<_> = tiles(rows.len()).collect();
    let clamped: Vec<_> = over
        .par_iter()
        .map(|tile| {
            let points = rows[tile.clone()].iter().map(|row| (row.clone(), 1.0));
            weighted(couplings, marginal, points)
        })
        .collect();
    let volume: f64 = grid.spacing.iter().product();
    let log_z = (total * volume).ln() - least;
    let of_rows: f64 = rows.iter().map(|row| marginal.value(row)).sum();
    Some(Phases {
        clamped: joined(clamped)?,
        free: joined(free)?,
        log_likelihood: -of_rows / rows.len() as f64 - log_z,
    })
}

/// Gradient ascent of the exact log-likelihood, less ½λ|J|².
#[derive(Clone, Debug)]
pub struct LikelihoodTrainer {
    likelihood: ExactLikelihood,
    settings: AscentSettings,
    optimiser: Optimiser,
    parameters: Parameters,
    update: u64,
}

/// How it climbs.
#[derive(Clone, Copy, Debug)]
pub struct AscentSettings {
    /// Optimiser.
    pub optimiser: OptimiserKind,
    /// Learning rate.
    pub learning_rate: f64,
    /// The rate falls linearly to this fraction of itself at the last of `updates`.
    pub decay: f64,
    /// Planned number of updates.
    pub updates: u64,
    /// λ.
    pub weight_decay: f64,
}

/// What continues a climb to the same bits.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AscentCheckpoint {
    /// Updates done.
    pub update: u64,
    /// θ.
    pub parameters: Parameters,
    optimiser: Optimiser,
    /// The box of the grid, which grows with the law.
    ranges: Option<Vec<(f64, f64)>>,
}

/// What one update saw, before it moved.
#[derive(Clone, Debug)]
pub struct Ascended {
    /// Number of this update, from 1.
    pub update: u64,
    /// ‖gradient‖₂.
    pub gradient_norm: f64,
    /// θ·(⟨s⟩_clamped − ⟨s⟩_free).
    pub energy_gap: f64,
    /// Mean squared difference of visible means between rows and law.
    pub moment_error: f64,
    /// Mean ln p of a row.
    pub log_likelihood: f64,
}

impl LikelihoodTrainer {
    /// Climbs from `start`.
    ///
    /// # Errors
    /// As [`ExactLikelihood::new`].
    pub fn new(
        settings: AscentSettings,
        model: &Model,
        rows: Vec<Vec<f64>>,
        start: Parameters,
    ) -> Result<Self> {
        let count = start.fields.len() + start.couplings.len();
        Ok(LikelihoodTrainer {
            likelihood: ExactLikelihood::new(model, rows)?,
            optimiser: Optimiser::new(settings.optimiser, count),
            parameters: start,
            update: 0,
            settings,
        })
    }

    /// θ now.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Updates done.
    pub fn update(&self) -> u64 {
        self.update
    }

    /// Where it is.
    pub fn checkpoint(&self) -> AscentCheckpoint {
        AscentCheckpoint {
            update: self.update,
            parameters: self.parameters.clone(),
            optimiser: self.optimiser.clone(),
            ranges: match &self.likelihood.family {
                Family::Plane(_, _, grid) => Some(grid.ranges.clone()),
                _ => None,
            },
        }
    }

    /// Continues from there.
    ///
    /// # Errors
    /// A checkpoint of another problem.
    pub fn resume(&mut self, checkpoint: AscentCheckpoint) -> Result<()> {
        let (own, other) = (&self.parameters, &checkpoint.parameters);
        if own.fields.len() != other.fields.len() || own.couplings.len() != other.couplings.len() {
            let expected = "a checkpoint of this experiment";
            return Err(Error::invalid("checkpoint", "another problem's", expected));
        }
        if let (Family::Plane(energy, marginal, grid), Some(ranges)) =
            (&mut self.likelihood.family, checkpoint.ranges)
        {
            **marginal = Marginal::new(energy, ranges.len(), &ranges)?;
            *grid = Grid::new(ranges, energy)?;
        }
        self.update = checkpoint.update;
        self.parameters = checkpoint.parameters;
        self.optimiser = checkpoint.optimiser;
        Ok(())
    }

    /// One update.
    ///
    /// # Errors
    /// As [`ExactLikelihood::phases`], and [`Error::Diverged`] with the update and the cause.
    pub fn step(&mut self) -> Result<Ascended> {
        let found = self.likelihood.phases(&self.parameters)?;
        let slope = found.clamped.minus(&found.free);
        let mut theta = self.parameters.to_vec();
        let energy_gap = theta.iter().zip(&slope).map(|(t, s)| t * s).sum();
        let nodes = self.parameters.fields.len();
        let mut gradient = slope.clone();
        for (g, t) in gradient[nodes..].iter_mut().zip(&theta[nodes..]) {
            *g -= self.settings.weight_decay * t;
        }
        let AscentSettings {
            learning_rate,
            decay,
            updates,
            ..
        } = self.settings;
        let rate = falling(learning_rate, decay, self.update, updates);
        self.optimiser.ascend(&mut theta, &gradient, rate);
        self.update += 1;
        let remedy = "a smaller learning_rate or a weight_decay may hold it";
        check_bounded(&theta, nodes, self.update, remedy)?;
        self.parameters.couplings = theta.split_off(nodes);
        self.parameters.fields = theta;
        let visible = self.likelihood.rows[0].len();
        let squares = slope[..visible].iter().map(|s| s * s);
        Ok(Ascended {
            update: self.update,
            gradient_norm: gradient.iter().map(|g| g * g).sum::<f64>().sqrt(),
            energy_gap,
            moment_error: squares.sum::<f64>() / visible as f64,
            log_likelihood: found.log_likelihood,
        })
    }
}
