//! The fused kernel for a few chains: nodes are the lanes.
//!
//! A tile takes as long for one chain as for [`LANES`]. Here the chain's own words are drawn [`LANES`] pairs of nodes at a time
//! (lane k starts 2k normals further on in the chain's stream), so the normals cost what they cost a tile, and each node
//! then gathers its neighbours: about three operations a neighbour. Dense couplings go column by column, [`LANES`] rows at a
//! time. Every sum is taken in the tile's order: the bits are the same.

use super::LANES;
use super::dense::DenseRows;
use super::force::cubic;
use super::real::Real;
use super::streams::{Jump, PcgLanes, Stream, Streams};
use super::sweep::Sweep;
use super::tile::{NormalPlan, Row, Tile, normal_rows};
use std::sync::OnceLock;

/// Lanes in use up to which chains go one by one, given enough nodes to fill the lanes.
const FEW: usize = 4;
/// Nodes from which that pays.
const ENOUGH: usize = 16;

/// A dense matrix by columns, [`LANES`] rows at a time, made when a run needs it.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns<R>(OnceLock<Vec<Row<R>>>);

impl<R: Real> Columns<R> {
    fn of(&self, matrix: &DenseRows<R>, n: usize) -> &[Row<R>] {
        self.0.get_or_init(|| {
            let mut columns = vec![Row::splat(R::ZERO); n.div_ceil(LANES) * n];
            for (k, column) in columns.iter_mut().enumerate() {
                let (block, j) = (k / n, k % n);
                for lane in 0..LANES.min(n - block * LANES) {
                    column[lane] = matrix.entry(block * LANES + lane, j);
                }
            }
            columns
        })
    }
}

/// Where the streams of one chain's nodes begin and how far a step goes.
struct Leaps {
    lanes: [Jump; LANES],
    step: Jump,
    /// Over the other lanes' pairs.
    batch: Jump,
    pairs: usize,
}

impl Leaps {
    fn new(nodes: usize, words: u64) -> Self {
        let pairs = nodes.div_ceil(2);
        Leaps {
            lanes: std::array::from_fn(|k| Jump::new(k as u64 * words)),
            step: Jump::new(pairs as u64 * words),
            batch: Jump::new((LANES - 1) as u64 * words),
            pairs,
        }
    }
}

/// One chain on its own.
struct Chain<R> {
    x: Vec<R>,
    next: Vec<R>,
    /// Of all nodes, the clamped ones included; in pairs of lanes.
    noise: Vec<R>,
    force: Vec<Row<R>>,
}

/// Everything that a lone run reads.
pub(super) struct Lone<'a, R> {
    pub sweep: &'a Sweep<R>,
    pub columns: &'a Columns<R>,
    /// Dense couplings, where the process has them.
    pub dense: Option<&'a DenseRows<R>>,
    pub plan: &'a NormalPlan,
    /// Node of each free row.
    pub free: &'a [usize],
}

impl<R: Real> Lone<'_, R> {
    /// Whether `tile` is advanced faster chain by chain (PCG's streams alone can be fanned out).
    pub fn suits(&self, tile: &Tile<R>) -> bool {
        let pcg = matches!(tile.rng, Streams::Pcg(_));
        pcg && tile.lanes <= FEW && self.free.len() >= ENOUGH
    }

    /// Takes `steps` steps of every chain in use.
    #[inline(always)]
    pub fn advance(&self, tile: &mut Tile<R>, steps: u64) {
        let Streams::Pcg(rng) = &mut tile.rng else {
            return;
        };
        let n = self.free.len();
        let leaps = Leaps::new(self.plan.nodes(), 2 * self.plan.bits().words::<R>() as u64);
        let mut chain = Chain {
            x: vec![R::ZERO; n],
            next: vec![R::ZERO; n],
            noise: vec![R::ZERO; leaps.pairs.next_multiple_of(LANES) * 2],
            force: vec![Row::splat(R::ZERO); n.div_ceil(LANES)],
        };
        for lane in 0..tile.lanes {
            for (x, row) in chain.x.iter_mut().zip(&tile.spare) {
                *x = row[lane];
            }
            let mut clipped = 0;
            for _ in 0..steps {
                self.draw(&leaps, rng, lane, &mut chain.noise);
                self.dense_force(&mut chain);
                clipped += self.step(&mut chain, &tile.drive, lane);
                std::mem::swap(&mut chain.x, &mut chain.next);
            }
            tile.clipped += clipped;
            for (x, row) in chain.x.iter().zip(&mut tile.spare) {
                row[lane] = *x;
            }
        }
    }

    /// The normals of one step, [`LANES`] pairs at a time.
    #[inline(always)]
    fn draw(&self, leaps: &Leaps, rng: &mut PcgLanes, lane: usize, noise: &mut [R]) {
        let mut fan = rng.fan(lane, &leaps.lanes);
        rng.leap(lane, leaps.step);
        for out in noise.chunks_exact_mut(2 * LANES) {
            let (a, b) = normal_rows::<R>(&mut fan, self.plan.bits());
            fan.skip(leaps.batch);
            for k in 0..LANES {
                (out[2 * k], out[2 * k + 1]) = (a[k], b[k]);
            }
        }
    }

    #[inline(always)]
    fn dense_force(&self, chain: &mut Chain<R>) {
        let Some(matrix) = self.dense else { return };
        let n = chain.x.len();
        let columns = self.columns.of(matrix, n);
        for (force, columns) in chain.force.iter_mut().zip(columns.chunks_exact(n)) {
            let mut sums = Row::splat(R::ZERO);
            for (column, &x) in columns.iter().zip(&chain.x) {
                for k in 0..LANES {
                    sums[k] = column[k].fma(x, sums[k]);
                }
            }
            *force = sums;
        }
    }

    /// `chain.next` from `chain.x`; returns how many nodes were beyond their rails.
    #[inline(always)]
    fn step(&self, chain: &mut Chain<R>, drive: &[Row<R>], lane: usize) -> u64 {
        let mut clipped = 0;
        let driven = self.sweep.is_driven();
        for (row, (next, &node)) in chain.next.iter_mut().zip(self.free).enumerate() {
            let noise = chain.noise[node];
            // A row of drives is a line of memory for one number.
            let drive = if driven { drive[row][lane] } else { R::ZERO };
            let mut sum = self.sweep.start(row, noise, drive);
            if self.dense.is_some() {
                sum = self
                    .sweep
                    .forced_by(chain.force[row / LANES][row % LANES], sum);
            }
            for &(j, value) in self.sweep.neighbours(row) {
                sum = value.fma(chain.x[j as usize], sum);
            }
            let x = chain.x[row];
            let (limited, beyond) = self
                .sweep
                .limit(row, x + cubic(self.sweep.cell(row), x, sum));
            clipped += u64::from(beyond);
            *next = limited;
        }
        clipped
    }
}
