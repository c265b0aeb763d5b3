//! Gibbs sweeps of a few chains of a dense graph: local inputs are kept and updated where a spin flips.
//!
//! A tile of 32 chains sums every input anew (two masked adds a neighbour and 32 chains), because with 32 chains some lane
//! flips at almost every spin. One chain would waste 31 lanes, so here *nodes* are the lanes: a flip of spin i adds ±2K_ji to
//! all inputs, n/16 vector adds, and nothing is done where none flips. Each uniform number becomes the least input that
//! takes the spin up, 32 spins at a time, so the chain's own path from spin to spin is a comparison and a row of adds.
//!
//! The bits are those of the tile: inputs are integers (see `inputs`), and where an input lies so near its threshold that
//! rounding could matter (2 % of all draws), the tile's own test decides.

use super::LANES;
use super::draw::is_up;
use super::inputs::Rows;
use super::real::Real;
use super::streams::Streams;
use super::tile::Tile;
use crate::simd::{Kernel, dispatch};
use rand::Rng;

/// Lanes in use up to which chains go one by one.
const FEW: usize = 4;
/// Nodes in a vector: columns are padded to a multiple.
const VECTOR: usize = 16;
/// Half-width in the exponent, absolute and relative, of the band about a threshold where the tile's test decides: ten
/// times what the roundings of both sides add up to below [`TRUSTED`].
const BAND: (f32, f32) = (1e-4, 1e-5);
/// Uniform numbers above this always take the tile's test: its rounding counts 1/(1 − u) times in the exponent.
const TRUSTED: f32 = 0.98;

/// Columns of a dense coupling matrix, in the order of the rows of its [`Rows`].
#[derive(Clone, Debug)]
pub(super) struct Columns {
    stride: usize,
    /// `values[i * stride + k]`: what the input of row k gains when spin i goes up.
    values: Vec<i32>,
    /// 1/scale of each row.
    per_scale: Vec<f32>,
}

impl Columns {
    /// The columns, if the matrix is at least a quarter full and not tiny.
    pub fn new<R: Real>(rows: &Rows<i32>, scale: &[R], spins: usize) -> Option<Self> {
        let count: usize = (0..scale.len()).map(|row| rows.entries(row).len()).sum();
        if spins < VECTOR || 4 * count < spins * spins {
            return None;
        }
        let stride = scale.len().next_multiple_of(VECTOR);
        let mut values = vec![0i32; spins * stride];
        for row in 0..scale.len() {
            for &(j, value) in rows.entries(row) {
                let gain = &mut values[j as usize * stride + row];
                *gain = gain.wrapping_add(value);
            }
        }
        Some(Columns {
            stride,
            values,
            per_scale: scale.iter().map(|s| (1.0 / s.to_f64()) as f32).collect(),
        })
    }

    /// Whether a tile with so many lanes in use is advanced faster chain by chain.
    pub fn suits(lanes: usize) -> bool {
        lanes <= FEW
    }
}

/// Sweeps of the chains of one tile; `order[row]` is the spin of row `row`.
pub(super) struct OneByOne<'a, R> {
    pub columns: &'a Columns,
    pub rows: &'a Rows<i32>,
    pub scale: &'a [R],
    pub order: &'a [u32],
    pub clamped: &'a [bool],
    pub tile: &'a mut Tile<R>,
    pub sweeps: u64,
}

/// The thresholds of up to [`LANES`] rows in turn.
struct Thresholds {
    words: [u32; LANES],
    /// Down below this input.
    low: [i32; LANES],
    /// Up from this input on.
    high: [i32; LANES],
}

impl Thresholds {
    /// Draws the words of rows `first..last` and turns them into thresholds.
    ///
    /// Up where u + u·2^y ≤ 1, that is y ≤ log₂(1/u − 1), and y = scale · input with scale < 0.
    #[inline(always)]
    fn draw(&mut self, rng: &mut Streams, lane: usize, per_scale: &[f32]) {
        let mut lane = rng.lane(lane);
        let mut inverse = [0.0; LANES];
        inverse[..per_scale.len()].copy_from_slice(per_scale);
        for word in &mut self.words[..per_scale.len()] {
            *word = lane.next_u32();
        }
        let log2_e = std::f32::consts::LOG2_E;
        let (mut low, mut high) = ([0.0; LANES], [0.0; LANES]);
        for k in 0..LANES {
            let u = f32::uniform([self.words[k], 0]);
            let sure = u < TRUSTED;
            let rest = if sure { 1.0 - u } else { 1.0 };
            let y = (Real::ln(rest) - Real::ln(u)) * log2_e;
            let band = BAND.1.mul_add(y.abs(), BAND.0);
            let (a, b) = ((y + band) * inverse[k], (y - band) * inverse[k]);
            low[k] = if sure { a } else { f32::MIN };
            high[k] = if sure { b } else { f32::MAX };
        }
        for k in 0..LANES {
            // Casts drop fractions; a unit more on either side makes up for it.
            self.low[k] = (low[k] as i32).saturating_sub(1);
            self.high[k] = (high[k] as i32).saturating_add(1);
        }
    }
}

impl<R: Real> OneByOne<'_, R> {
    /// Runs it.
    pub fn run(self) {
        dispatch(self);
    }

    #[inline(always)]
    fn sweep(&mut self, lane: usize) {
        let mut thresholds = Thresholds {
            words: [0; LANES],
            low: [0; LANES],
            high: [0; LANES],
        };
        let stride = self.columns.stride;
        let inputs = &mut self.tile.inputs[..stride];
        let rows = self.order.len();
        for first in (0..rows).step_by(LANES) {
            let last = rows.min(first + LANES);
            thresholds.draw(
                &mut self.tile.rng,
                lane,
                &self.columns.per_scale[first..last],
            );
            for row in first..last {
                if self.clamped[row] {
                    continue;
                }
                let (k, input, spin) = (row - first, inputs[row], self.order[row] as usize);
                let up = if input >= thresholds.high[k] {
                    true
                } else if input < thresholds.low[k] {
                    false
                } else {
                    let u = R::uniform([thresholds.words[k], 0]);
                    is_up(u, R::from_f64(f64::from(input)) * self.scale[row])
                };
                let level = &mut self.tile.levels[spin];
                if (*level >> lane & 1 == 1) == up {
                    continue;
                }
                *level ^= 1 << lane;
                let column = &self.columns.values[spin * stride..][..stride];
                // x ^ -1 + 1 = -x.
                let sign = if up { 0 } else { -1 };
                for (input, &value) in inputs.iter_mut().zip(column) {
                    *input = input.wrapping_add((value ^ sign).wrapping_sub(sign));
                }
            }
        }
    }
}

impl<R: Real> Kernel for OneByOne<'_, R> {
    #[inline(always)]
    fn run(mut self) {
        let stride = self.columns.stride;
        self.tile.inputs.resize(stride, 0);
        for lane in 0..self.tile.lanes {
            for row in 0..self.order.len() {
                self.tile.inputs[row] = self.rows.sum_one(row, &self.tile.levels, lane);
            }
            for _ in 0..self.sweeps {
                self.sweep(lane);
            }
        }
    }
}
