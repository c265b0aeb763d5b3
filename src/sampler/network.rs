//! Langevin dynamics of a neural energy by Leimkuhler–Matthews: x ← x − h∇E(x) + √(2h)·(ξ + ξ′)/2 with the last step's ξ′.
//!
//! At Euler–Maruyama's price its stationary law is right to second order (exact in a harmonic well), which matters here:
//! a learned landscape has wells as narrow as the data's noise. Chains go by tiles of columns, so that a layer is one
//! matrix product; a chain's noise depends on its number alone, so neither tiles nor threads show in the bits.

use super::digital::count;
use super::{ChainState, Cost, Description, Follow, Phase, Run, Sampler, Samples, clamp_mask};
use crate::dynamics::streams::{StreamPosition, Streams};
use crate::dynamics::{LANES, Origin};
use crate::energy::{DriftField, Network, Parameters};
use crate::error::{Error, Result};
use nalgebra::DMatrix;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use std::sync::atomic::{AtomicU64, Ordering};

/// Blocks of [`LANES`] chains in a tile.
const BLOCKS: usize = 4;

/// What pushes the chains.
#[derive(Clone, Debug)]
enum Force {
    /// −∇E.
    Energy(Network<f32>),
    /// A drift of its own.
    Field(DriftField<f32>),
}

impl Force {
    fn inputs(&self) -> usize {
        match self {
            Force::Energy(network) => network.inputs(),
            Force::Field(field) => field.inputs(),
        }
    }

    /// Minus the drift.
    fn resistance(&self, x: &DMatrix<f32>) -> DMatrix<f32> {
        match self {
            Force::Energy(network) => network.gradients(x),
            Force::Field(field) => -field.values(x),
        }
    }

    fn set_parameters(&mut self, theta: &[f32]) -> Result<()> {
        match self {
            Force::Energy(network) => network.set_parameters(theta),
            Force::Field(field) => field.set_parameters(theta),
        }
    }
}

/// Some chains: positions and the last noise as columns, and their streams.
#[derive(Clone, Debug)]
struct Tile {
    x: DMatrix<f32>,
    noise: DMatrix<f32>,
    streams: Vec<Streams>,
}

impl Tile {
    fn draw(&mut self) -> DMatrix<f32> {
        let mut normals = DMatrix::zeros(self.x.nrows(), self.x.ncols());
        for (chain, mut column) in normals.column_iter_mut().enumerate() {
            let mut rng = self.streams[chain / LANES].lane(chain % LANES);
            for value in column.iter_mut() {
                *value = StandardNormal.sample(&mut rng);
            }
        }
        normals
    }
}

/// Chains of a neural energy, or of a drift without one.
#[derive(Clone, Debug)]
pub struct NetworkSampler {
    force: Force,
    tiles: Vec<Tile>,
    chains: usize,
    step: f64,
    /// Largest |∂E/∂x_i| that a step follows; ∞ for none.
    clip: f64,
    follow: Follow,
}

impl NetworkSampler {
    /// `chains` chains at the origin with step `step`; forces beyond ±`clip` are cut (∞: never), and how often is told.
    ///
    /// # Errors
    /// A step or clip that is not positive.
    pub fn new(
        network: &Network<f32>,
        chains: usize,
        origin: impl Into<Origin>,
        step: f64,
        clip: f64,
        follow: Follow,
    ) -> Result<Self> {
        let force = Force::Energy(network.clone());
        Self::pushed_by(force, chains, origin.into(), (step, clip), follow)
    }

    /// The same of dx = s dt + √2 dW.
    ///
    /// # Errors
    /// As [`NetworkSampler::new`].
    pub fn of_field(
        field: &DriftField<f32>,
        chains: usize,
        origin: impl Into<Origin>,
        step: f64,
        clip: f64,
        follow: Follow,
    ) -> Result<Self> {
        let force = Force::Field(field.clone());
        Self::pushed_by(force, chains, origin.into(), (step, clip), follow)
    }

    fn pushed_by(
        force: Force,
        chains: usize,
        origin: Origin,
        (step, clip): (f64, f64),
        follow: Follow,
    ) -> Result<Self> {
        for (name, value) in [("step", step), ("clip", clip)] {
            if value.is_nan() || value <= 0.0 || (name == "step" && value.is_infinite()) {
                return Err(Error::invalid(name, value, "a positive number"));
            }
        }
        let dim = force.inputs();
        let width = BLOCKS * LANES;
        let tile = |first: usize| {
            let columns = width.min(chains - first);
            let blocks = columns.div_ceil(LANES);
            let stream = |b| Streams::new(origin, (first + b * LANES) as u64);
            let mut tile = Tile {
                x: DMatrix::zeros(dim, columns),
                noise: DMatrix::zeros(dim, columns),
                streams: (0..blocks).map(stream).collect(),
            };
            tile.noise = tile.draw();
            tile
        };
        Ok(NetworkSampler {
            force,
            tiles: (0..chains).step_by(width).map(tile).collect(),
            chains,
            step,
            clip,
            follow,
        })
    }

    /// One step of one tile; returns how many force components were cut.
    fn advance(&self, tile: &mut Tile, held: &[bool]) -> u64 {
        let gradient = self.force.resistance(&tile.x);
        let normals = tile.draw();
        let (h, clip) = (self.step as f32, self.clip as f32);
        let half = 0.5 * (2.0 * h).sqrt();
        let (rows, mut cut) = (tile.x.nrows(), 0);
        for (k, x) in tile.x.iter_mut().enumerate() {
            if held[k % rows] {
                continue;
            }
            let force = gradient[k].clamp(-clip, clip);
            cut += u64::from(force != gradient[k]);
            *x += half * (normals[k] + tile.noise[k]) - h * force;
        }
        tile.noise = normals;
        cut
    }

    /// One independence Metropolis–Hastings move of every chain: the columns of `proposals` come from a density q and are
    /// taken with min(1, e^{E(x) − E(y)} q(x)/q(y)), which leaves e^{−E} invariant; `log_q` of points may lack a constant.
    /// Where Langevin steps stay in a mode, this carries weight between modes. Returns the share that was taken.
    ///
    /// # Errors
    /// Another number of proposals than of chains, or chains of a drift without an energy.
    pub fn leap(
        &mut self,
        proposals: &DMatrix<f32>,
        log_q: impl Fn(&DMatrix<f32>) -> Vec<f64> + Sync,
    ) -> Result<f64> {
        if proposals.shape() != (self.force.inputs(), self.chains) {
            let expected = format!("{} x {}", self.force.inputs(), self.chains);
            let found = format!("{} x {}", proposals.nrows(), proposals.ncols());
            return Err(Error::invalid("proposals", found, expected));
        }
        let taken = AtomicU64::new(0);
        let Force::Energy(network) = &self.force else {
            let expected = "an energy: a drift alone says nothing of weights";
            return Err(Error::invalid("leaps", "a drift field", expected));
        };
        let tiles = self.tiles.par_iter_mut().enumerate();
        tiles.for_each(|(k, tile)| {
            let columns = tile.x.ncols();
            let y = proposals.columns(k * BLOCKS * LANES, columns).into_owned();
            let excess = |x: &DMatrix<f32>| -> Vec<f64> {
                let energies = network.energies(x);
                let each = energies.iter().zip(log_q(x));
                each.map(|(&e, q)| f64::from(e) + q).collect()
            };
            let (here, there) = (excess(&tile.x), excess(&y));
            for chain in 0..columns {
                let mut rng = tile.streams[chain / LANES].lane(chain % LANES);
                let uniform: f64 = rng.random();
                if uniform < (here[chain] - there[chain]).exp() {
                    tile.x.set_column(chain, &y.column(chain));
                    taken.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Ok(taken.into_inner() as f64 / self.chains.max(1) as f64)
    }

    fn values(&self, of: impl Fn(&Tile) -> &DMatrix<f32>) -> Vec<f64> {
        let tiles = self.tiles.iter();
        tiles
            .flat_map(|t| of(t).iter().map(|&v| f64::from(v)).collect::<Vec<_>>())
            .collect()
    }

    fn write(
        &mut self,
        values: &[f64],
        field: &str,
        of: impl Fn(&mut Tile) -> &mut DMatrix<f32>,
    ) -> Result<()> {
        let expected = self.chains * self.force.inputs();
        if values.len() != expected {
            let expected = format!("{expected} numbers");
            return Err(Error::invalid(field, values.len(), expected));
        }
        let mut rest = values.iter();
        for tile in &mut self.tiles {
            for (slot, &value) in of(tile).iter_mut().zip(&mut rest) {
                *slot = value as f32;
            }
        }
        Ok(())
    }
}

impl Sampler for NetworkSampler {
    fn describe(&self) -> Description {
        Description {
            name: "lm".to_owned(),
            kind: "digital".to_owned(),
            chains: self.chains,
            nodes: self.force.inputs(),
            step: Some(self.step),
            first_order_bias: false,
            predicted_bias: None,
        }
    }

    fn state(&self) -> ChainState {
        let lanes = self.tiles.iter().flat_map(|tile| {
            (0..tile.x.ncols()).map(|chain| {
                tile.streams[chain / LANES]
                    .position(chain % LANES)
                    .numbers()
            })
        });
        ChainState {
            values: self.values(|t| &t.x),
            streams: Some(lanes.collect()),
            adapted: self.values(|t| &t.noise),
        }
    }

    fn restore(&mut self, state: &ChainState) -> Result<()> {
        self.write(&state.values, "state.values", |t| &mut t.x)?;
        if !state.adapted.is_empty() {
            self.write(&state.adapted, "state.adapted", |t| &mut t.noise)?;
        }
        let Some(streams) = &state.streams else {
            return Ok(());
        };
        let mut rest = streams.iter();
        for tile in &mut self.tiles {
            for (chain, numbers) in (0..tile.x.ncols()).zip(&mut rest) {
                let Some((position, [])) = StreamPosition::split(numbers) else {
                    let expected = "a state of this sampler";
                    return Err(Error::invalid(
                        "state.streams",
                        "another sampler's entry",
                        expected,
                    ));
                };
                tile.streams[chain / LANES].set_position(chain % LANES, position)?;
            }
        }
        Ok(())
    }

    fn run(&mut self, phase: &Phase) -> Result<Run> {
        let dim = self.force.inputs();
        let (burn_in, draws, every) = count(phase, Some(self.step))?;
        let held = clamp_mask(phase.clamp.as_ref(), dim)?;
        if let Some(clamp) = &phase.clamp {
            let mut values = self.values(|t| &t.x);
            let rows = clamp.values.chunks(clamp.nodes.len().max(1));
            for (chain, row) in values.chunks_mut(dim).zip(rows) {
                for (&node, &value) in clamp.nodes.iter().zip(row) {
                    chain[node] = value;
                }
            }
            self.write(&values, "clamp.values", |t| &mut t.x)?;
        }
        let cut = AtomicU64::new(0);
        let mut tiles = std::mem::take(&mut self.tiles);
        let read: Vec<Vec<f32>> = tiles
            .par_iter_mut()
            .map(|tile| {
                let columns = tile.x.ncols();
                // [chain][draw][node]
                let mut x = vec![0.0; columns * draws as usize * dim];
                let go = |tile: &mut Tile, steps: u64| {
                    for _ in 0..steps {
                        if self.follow.interrupted.load(Ordering::Relaxed) {
                            return;
                        }
                        cut.fetch_add(self.advance(tile, &held), Ordering::Relaxed);
                    }
                    (self.follow.progress)(steps * columns as u64);
                };
                go(tile, burn_in);
                for draw in 0..draws as usize {
                    go(tile, every);
                    for (chain, column) in tile.x.column_iter().enumerate() {
                        let at = (chain * draws as usize + draw) * dim;
                        x[at..at + dim].copy_from_slice(column.as_slice());
                    }
                }
                x
            })
            .collect();
        self.tiles = tiles;
        if self.follow.interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let steps = burn_in + draws * every;
        let x = read.concat();
        if x.iter().any(|v| !v.is_finite()) {
            return Err(Error::Diverged {
                what: "lm".to_owned(),
                detail: format!("a chain left every bound with step {}", self.step),
            });
        }
        Ok(Run {
            samples: Samples {
                chains: self.chains,
                draws: draws as usize,
                nodes: dim,
                x,
                t: (1..=draws).map(|k| (burn_in + k * every) as f64).collect(),
            },
            steps,
            cost: Cost::default(),
            notes: Default::default(),
            clip_fraction: cut.into_inner() as f64
                / (steps.max(1) as f64 * (self.chains * dim) as f64),
            acceptance: None,
        })
    }

    /// θ comes as `couplings`; there are no `fields`.
    fn reprogram(&mut self, parameters: &Parameters) -> Result<Cost> {
        let theta: Vec<f32> = parameters.couplings.iter().map(|&v| v as f32).collect();
        self.force.set_parameters(&theta)?;
        Ok(Cost::default())
    }
}
