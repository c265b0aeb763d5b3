//! The batched engine: chains in tiles of [`LANES`], tiles on rayon's threads.
//!
//! A tile runs its whole phase in one task and owns its streams, so the bits do not depend on the number of threads.

use super::LANES;
use super::real::Real;
use super::scheme::Stepper;
use super::streams::{Origin, StreamPosition};
use super::tile::{NormalPlan, Row, Tile};
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering};

/// Steps between two looks at the interrupt flag when nothing is recorded, at most.
const PATIENCE: u64 = 2000;
/// Rows of lanes advanced between two looks, at most: about a second and a half of a large array.
const PATIENT_ROWS: u64 = 1 << 26;
/// Rows of lanes advanced between two reports of progress, at least: about a millisecond, against the microsecond that
/// a report may cost.
const REPORTED_ROWS: u64 = 1 << 16;

/// How a caller follows and stops a run.
#[derive(Clone, Copy)]
pub struct Control<'a> {
    /// Raised to stop early.
    pub interrupted: &'a AtomicBool,
    /// Called with the number of chain-steps just taken.
    pub progress: &'a (dyn Fn(u64) + Sync),
}

/// Steps from one look at the interrupt flag to the next with `rows` rows.
fn patience(rows: usize) -> u64 {
    (PATIENT_ROWS / rows.max(1) as u64).clamp(1, PATIENCE)
}

/// Tells about progress in portions that are worth telling.
struct Report<'a> {
    control: Control<'a>,
    /// Chain-steps of a portion.
    portion: u64,
    untold: u64,
}

impl<'a> Report<'a> {
    fn new(control: Control<'a>, rows: usize) -> Self {
        Report {
            control,
            portion: REPORTED_ROWS * super::LANES as u64 / rows.max(1) as u64,
            untold: 0,
        }
    }

    fn took(&mut self, chain_steps: u64) {
        self.untold += chain_steps;
        if self.untold >= self.portion {
            self.tell();
        }
    }

    fn tell(&mut self) {
        if self.untold > 0 {
            (self.control.progress)(std::mem::take(&mut self.untold));
        }
    }
}

impl std::fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control")
            .field("interrupted", self.interrupted)
            .finish_non_exhaustive()
    }
}

/// What a run recorded.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// `x[(chain * draws + draw) * nodes + node]` of the user's nodes (spins where there are spins).
    pub x: Vec<f32>,
    /// Node-steps that hit a rail.
    pub clipped: u64,
    /// Proposals accepted, summed over chains.
    pub accepted: u64,
    /// What else the stepper counted, summed over chains; empty for most.
    pub tally: Vec<u64>,
}

/// One step of a tile as an observer sees it.
#[derive(Debug)]
pub struct Passage<'a, R> {
    /// The nodes before.
    pub before: &'a [Row<R>],
    /// The nodes after.
    pub after: &'a [Row<R>],
    /// The normals of the step: see [`Stepper::shows_noise`].
    pub normals: &'a [Row<R>],
    /// Time before, in the process's unit.
    pub time: f64,
    /// Lanes in use.
    pub lanes: usize,
}

/// sum += tally, entry by entry.
fn add_tally(sum: &mut Vec<u64>, tally: &[u64]) {
    sum.resize(sum.len().max(tally.len()), 0);
    for (sum, count) in sum.iter_mut().zip(tally) {
        *sum += count;
    }
}

/// Many chains of one process.
#[derive(Clone, Debug)]
pub struct Ensemble<R> {
    tiles: Vec<Tile<R>>,
    chains: usize,
    nodes: usize,
    levels: usize,
    shown: Shown,
}

/// Which rows of the state are set and read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The continuous nodes.
    Nodes,
    /// The spins.
    Spins,
    /// The continuous nodes, then the spins.
    All,
    /// The first continuous nodes, so many.
    FirstNodes(usize),
    /// The first spins, so many.
    FirstSpins(usize),
}

/// A row of a state: whether it is a spin, and its number among its kind.
type Place = (bool, usize);

impl Shown {
    /// Rows shown, of `nodes` continuous ones and `levels` spins.
    fn width(self, nodes: usize, levels: usize) -> usize {
        match self {
            Shown::Nodes => nodes,
            Shown::Spins => levels,
            Shown::All => nodes + levels,
            Shown::FirstNodes(first) => first.min(nodes),
            Shown::FirstSpins(first) => first.min(levels),
        }
    }

    /// Where the `k`-th row shown is.
    fn place(self, k: usize, nodes: usize) -> Place {
        match self {
            Shown::Nodes | Shown::FirstNodes(_) => (false, k),
            Shown::Spins | Shown::FirstSpins(_) => (true, k),
            Shown::All if k < nodes => (false, k),
            Shown::All => (true, k - nodes),
        }
    }

    /// Rows that are not shown.
    fn behind(self, nodes: usize, levels: usize) -> usize {
        nodes + levels - self.width(nodes, levels)
    }

    /// Where the `k`-th row not shown is.
    fn place_behind(self, k: usize, nodes: usize) -> Place {
        match self {
            Shown::Nodes => (true, k),
            Shown::Spins | Shown::All => (false, k),
            Shown::FirstNodes(first) if first + k < nodes => (false, first + k),
            Shown::FirstNodes(first) => (true, k - nodes.saturating_sub(first)),
            Shown::FirstSpins(_) if k < nodes => (false, k),
            Shown::FirstSpins(first) => (true, k - nodes + first),
        }
    }
}

impl<R: Real> Ensemble<R> {
    /// `chains` chains of `nodes` continuous nodes (at zero) and `levels` spins (at +1); streams from (seed, domain, chain).
    pub fn new(seed: u64, domain: u64, chains: usize, nodes: usize, levels: usize) -> Self {
        Self::from_origin((seed, domain), chains, nodes, levels)
    }

    /// The same with streams from `origin`, which names their generator as well.
    pub fn from_origin(
        origin: impl Into<Origin>,
        chains: usize,
        nodes: usize,
        levels: usize,
    ) -> Self {
        let origin = origin.into();
        let tiles = (0..chains.div_ceil(LANES))
            .map(|t| {
                let first = t * LANES;
                let lanes = LANES.min(chains - first);
                Tile::new(origin, first, lanes, nodes, levels)
            })
            .collect();
        Ensemble {
            tiles,
            chains,
            nodes,
            levels,
            shown: if levels > 0 {
                Shown::Spins
            } else {
                Shown::Nodes
            },
        }
    }

    /// Shows these rows; without it, spins where there are spins and continuous nodes otherwise.
    #[must_use]
    pub fn showing(mut self, shown: Shown) -> Self {
        self.shown = shown;
        self
    }

    /// Number of chains.
    pub fn chains(&self) -> usize {
        self.chains
    }

    /// Rows that a user sees.
    pub fn width(&self) -> usize {
        self.shown.width(self.nodes, self.levels)
    }

    /// Where the `k`-th of them is.
    fn place(&self, k: usize) -> Place {
        self.shown.place(k, self.nodes)
    }

    /// Sets the visible values, `values[chain * nodes + node]` (±1 for spins).
    ///
    /// # Errors
    /// A wrong length.
    pub fn set_values(&mut self, values: &[f64]) -> Result<()> {
        let (width, shown, nodes) = (self.width(), self.shown, self.nodes);
        if values.len() != self.chains * width {
            let expected = format!("{} chains x {width} nodes", self.chains);
            return Err(Error::invalid(
                "state",
                format!("{} values", values.len()),
                expected,
            ));
        }
        for (t, tile) in self.tiles.iter_mut().enumerate() {
            for (lane, chain) in values.chunks(width).skip(t * LANES).take(LANES).enumerate() {
                for (k, &value) in chain.iter().enumerate() {
                    let (spin, row) = shown.place(k, nodes);
                    tile.write(spin, row, lane, value);
                }
            }
        }
        Ok(())
    }

    /// The visible values, chain by chain.
    pub fn values(&self) -> Vec<f64> {
        let width = self.width();
        (0..self.chains)
            .flat_map(|chain| {
                let tile = &self.tiles[chain / LANES];
                (0..width).map(move |k| {
                    let (spin, row) = self.place(k);
                    tile.read(spin, row, chain % LANES)
                })
            })
            .collect()
    }

    /// What a chain carries beside its visible values and its stream: the time, the rows that are not shown (nodes behind
    /// spins, or the spins), and what its scheme remembers from the last step.
    pub fn carried(&self, chain: usize) -> Vec<f64> {
        let (tile, lane) = (&self.tiles[chain / LANES], chain % LANES);
        let hidden = (0..self.behind()).map(|k| {
            let (spin, row) = self.shown.place_behind(k, self.nodes);
            tile.read(spin, row, lane)
        });
        std::iter::once(tile.time)
            .chain(hidden)
            .chain(tile.memory.iter().map(|row| row[lane].to_f64()))
            .collect()
    }

    /// Rows of the state that a user does not see.
    fn behind(&self) -> usize {
        self.shown.behind(self.nodes, self.levels)
    }

    /// Puts back what [`Self::carried`] gave.
    ///
    /// # Errors
    /// Fewer values than this process carries.
    pub fn restore_carried(&mut self, chain: usize, values: &[f64]) -> Result<()> {
        let (behind, shown, nodes) = (self.behind(), self.shown, self.nodes);
        let (tile, lane) = (&mut self.tiles[chain / LANES], chain % LANES);
        let Some((&time, rest)) = values.split_first().filter(|v| v.1.len() >= behind) else {
            let expected = format!("at least {} values", 1 + behind);
            return Err(Error::invalid("state.streams", values.len(), expected));
        };
        tile.time = time;
        let (hidden, memory) = rest.split_at(behind);
        for (k, &value) in hidden.iter().enumerate() {
            let (spin, row) = shown.place_behind(k, nodes);
            tile.write(spin, row, lane, value);
        }
        tile.memory.resize(memory.len(), Row::splat(R::ZERO));
        for (row, &value) in tile.memory.iter_mut().zip(memory) {
            row[lane] = R::from_f64(value);
        }
        Ok(())
    }

    /// Where each chain's stream stands.
    pub fn streams(&self) -> Vec<StreamPosition> {
        (0..self.chains)
            .map(|chain| self.tiles[chain / LANES].rng.position(chain % LANES))
            .collect()
    }

    /// Puts the streams back.
    ///
    /// # Errors
    /// A wrong number of them, or streams of another generator.
    pub fn restore_streams(&mut self, positions: &[StreamPosition]) -> Result<()> {
        if positions.len() != self.chains {
            let expected = format!("{} streams, one per chain", self.chains);
            return Err(Error::invalid("streams", positions.len(), expected));
        }
        for (chain, &position) in positions.iter().enumerate() {
            self.tiles[chain / LANES]
                .rng
                .set_position(chain % LANES, position)?;
        }
        Ok(())
    }

    /// Holds `nodes` at `values[chain * nodes.len() + k]` by writing them into the state; the stepper of the phase must
    /// have been prepared with the same nodes clamped.
    ///
    /// # Errors
    /// A wrong number of values.
    pub fn write_clamped(&mut self, nodes: &[usize], values: &[f64]) -> Result<()> {
        if values.len() != self.chains * nodes.len() {
            let expected = format!("{} chains x {} clamped nodes", self.chains, nodes.len());
            return Err(Error::invalid(
                "clamp.values",
                format!("{} values", values.len()),
                expected,
            ));
        }
        let (shown, rows) = (self.shown, self.nodes);
        for chain in 0..self.chains {
            let tile = &mut self.tiles[chain / LANES];
            for (k, &node) in nodes.iter().enumerate() {
                let value = values[chain * nodes.len() + k];
                let (spin, row) = shown.place(node, rows);
                tile.write(spin, row, chain % LANES, value);
            }
        }
        Ok(())
    }

    /// Takes `steps` steps and shows each to `observe`, with an account of its own for every [`LANES`] chains, in their order.
    /// The paths are those that [`Self::run`] would take (but for the rounding of the time).
    ///
    /// # Errors
    /// A scheme whose normals are not the noise of the sources ([`Stepper::shows_noise`]); as [`Self::run`].
    pub fn follow<S: Send>(
        &mut self,
        stepper: &dyn Stepper<R>,
        steps: u64,
        open: impl Fn() -> S + Sync,
        observe: impl Fn(&mut S, &Passage<'_, R>) + Sync,
        control: Control<'_>,
    ) -> Result<Vec<S>> {
        if !stepper.shows_noise() {
            let expected = "a scheme whose normals are the noise of the process";
            return Err(Error::invalid("plan.scheme", "this scheme", expected));
        }
        let plan = NormalPlan::new::<R>(&vec![true; stepper.normals()], stepper.bits());
        let patience = patience(self.nodes + self.levels);
        let accounts = self
            .tiles
            .par_iter_mut()
            .map(|tile| {
                let mut account = open();
                let mut normals = vec![Row::splat(R::ZERO); stepper.normals()];
                let mut before = tile.x.clone();
                stepper.begin(tile);
                for step in 0..steps {
                    if step % patience == 0 {
                        if control.interrupted.load(Ordering::Relaxed) {
                            break;
                        }
                        (control.progress)(patience.min(steps - step) * tile.lanes as u64);
                    }
                    before.copy_from_slice(&tile.x);
                    plan.fill(&mut tile.rng, &mut normals);
                    let time = tile.time;
                    stepper.step_given(tile, &normals);
                    let passage = Passage {
                        before: &before,
                        after: &tile.x,
                        normals: &normals,
                        time,
                        lanes: tile.lanes,
                    };
                    observe(&mut account, &passage);
                }
                account
            })
            .collect();
        if control.interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let used = |tile: &Tile<R>, row: &Row<R>| {
            let lanes = row[..tile.lanes].iter();
            lanes.into_iter().any(|v| !v.to_f64().is_finite())
        };
        let mut tiles = self.tiles.iter();
        if tiles.any(|tile| tile.x.iter().any(|row| used(tile, row))) {
            let detail = "a value is not finite; the step is too large for this force".to_owned();
            let what = "the integration".to_owned();
            return Err(Error::Diverged { what, detail });
        }
        Ok(accounts)
    }

    /// Runs `burn_in` steps, then `draws` times `every` steps, recording the visible nodes after each.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when the flag was raised; [`Error::Diverged`] when a value is no longer finite.
    pub fn run(
        &mut self,
        stepper: &dyn Stepper<R>,
        burn_in: u64,
        draws: usize,
        every: u64,
        control: Control<'_>,
    ) -> Result<Recorded> {
        let (width, shown, nodes) = (self.width(), self.shown, self.nodes);
        if draws == 0 {
            return Err(Error::invalid("draws", draws, "at least one recorded draw"));
        }
        let mut x = vec![0.0f32; self.chains * draws * width];
        let span = stepper.span().max(1);
        let rows = self.nodes + self.levels;
        let patience = patience(rows);
        let per_tile = (LANES * draws * width).max(1);
        let counts: Vec<(u64, u64, Vec<u64>)> = self
            .tiles
            .par_chunks_mut(span)
            .zip(x.par_chunks_mut(span * per_tile))
            .map(|(tiles, out)| {
                let lanes: usize = tiles.iter().map(|tile| tile.lanes).sum();
                for tile in &mut *tiles {
                    (tile.clipped, tile.accepted) = (0, 0);
                    tile.tally.clear();
                    stepper.begin(tile);
                }
                let mut report = Report::new(control, rows);
                let mut walk = |tiles: &mut [Tile<R>], steps: u64| {
                    let mut left = steps;
                    while left > 0 && !control.interrupted.load(Ordering::Relaxed) {
                        let now = left.min(patience);
                        stepper.advance_together(tiles, now);
                        report.took(now * lanes as u64);
                        left -= now;
                    }
                };
                walk(tiles, burn_in);
                for draw in 0..draws {
                    walk(tiles, every);
                    for (tile, out) in tiles.iter().zip(out.chunks_mut(per_tile)) {
                        for lane in 0..tile.lanes {
                            let to = &mut out[(lane * draws + draw) * width..][..width];
                            for (k, to) in to.iter_mut().enumerate() {
                                let (spin, row) = shown.place(k, nodes);
                                *to = tile.read(spin, row, lane) as f32;
                            }
                        }
                    }
                }
                report.tell();
                let sum = |count: fn(&Tile<R>) -> u64| tiles.iter().map(count).sum();
                let mut tally = Vec::new();
                for tile in &*tiles {
                    add_tally(&mut tally, &tile.tally);
                }
                (sum(|tile| tile.clipped), sum(|tile| tile.accepted), tally)
            })
            .collect();
        if control.interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        if let Some(k) = x.iter().position(|v| !v.is_finite()) {
            let (chain, node) = (k / (draws * width).max(1), k % width);
            return Err(Error::Diverged {
                what: "the integration".to_owned(),
                detail: format!(
                    "node {node} of chain {chain} is not finite; the step is too large for this force"
                ),
            });
        }
        let mut tally = Vec::new();
        for (.., of_tiles) in &counts {
            add_tally(&mut tally, of_tiles);
        }
        Ok(Recorded {
            x,
            tally,
            clipped: counts.iter().map(|c| c.0).sum(),
            accepted: counts.iter().map(|c| c.1).sum(),
        })
    }
}
