//! Parallel tempering: replicas of every chain at inverse temperatures β_0 > β_1 > …, which exchange their states.
//!
//! Replica k occupies the k-th block of rows of a tile and is advanced by a stepper of its own. After each step neighbours
//! exchange with probability min(1, e^{(β_k − β_{k+1})(E_k − E_{k+1})}), pairs (0,1), (2,3), … and (1,2), (3,4), … in turn:
//! that order carries a state through the ladder at a constant pace where a random one diffuses (Syed et al., arXiv
//! 1905.02939). E is the energy that β multiplies.

use super::LANES;
use super::lane_energy::LaneEnergy;
use super::real::Real;
use super::scheme::Stepper;
use super::tile::{Row, Tile};
use crate::error::{Error, Result};

/// Parts into which an acceptance probability is counted.
const PARTS: f64 = (1u64 << 20) as f64;

/// Steps of all replicas, and exchanges.
pub struct TemperedStepper<R> {
    replicas: Vec<Box<dyn Stepper<R>>>,
    betas: Vec<f64>,
    /// Steps of a replica between two exchanges.
    between: u64,
    energy: LaneEnergy<R>,
    clamped: Vec<bool>,
}

impl<R> std::fmt::Debug for TemperedStepper<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("TemperedStepper");
        shown.field("betas", &self.betas).finish_non_exhaustive()
    }
}

/// What a run of a [`TemperedStepper`] counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// Mean acceptance probability of each pair of neighbours; `None` for a pair never tried.
    pub acceptance: Vec<Option<f64>>,
    /// Journeys from β_0 to the last β and back, over all chains.
    pub round_trips: u64,
    /// Proposals that each replica's own stepper accepted, over all chains.
    pub accepted: Vec<u64>,
}

impl Exchange {
    /// From the tally of a run with `replicas` replicas (see [`super::Recorded::tally`]).
    pub fn from_tally(tally: &[u64], replicas: usize) -> Self {
        let pairs = replicas - 1;
        let count = |k: usize| tally.get(k).copied().unwrap_or(0);
        let rate = |k: usize| {
            let tried = count(pairs + k);
            (tried > 0).then(|| count(k) as f64 / PARTS / tried as f64)
        };
        Exchange {
            acceptance: (0..pairs).map(rate).collect(),
            round_trips: count(2 * pairs),
            accepted: (0..replicas).map(|k| count(2 * pairs + 1 + k)).collect(),
        }
    }
}

impl<R: Real> TemperedStepper<R> {
    /// Replicas advanced by `replicas`, each prepared for one replica's variables at its β, `between` steps at a time. `energy`
    /// is that of β = 1.
    ///
    /// # Errors
    /// Fewer than two replicas, another number of `betas`, or betas that do not fall.
    pub fn new(
        replicas: Vec<Box<dyn Stepper<R>>>,
        betas: &[f64],
        between: u64,
        energy: LaneEnergy<R>,
        clamped: &[bool],
    ) -> Result<Self> {
        if betas.len() < 2 || betas.len() != replicas.len() {
            let expected = "two inverse temperatures or more, one per replica";
            return Err(Error::invalid("betas", betas.len(), expected));
        }
        let falls = |pair: &[f64]| pair[0] > pair[1] && pair[1] >= 0.0;
        if !betas.windows(2).all(falls) || !betas[0].is_finite() {
            let expected = "falling numbers of at least 0";
            return Err(Error::invalid("betas", format!("{betas:?}"), expected));
        }
        Ok(TemperedStepper {
            replicas,
            betas: betas.to_vec(),
            between,
            energy,
            clamped: clamped.to_vec(),
        })
    }

    /// Brings replica `k` into the first block of every tile, or back.
    fn swap_in(&self, tiles: &mut [Tile<R>], k: usize) {
        if k == 0 {
            return;
        }
        let n = self.energy.nodes();
        for tile in tiles {
            if self.energy.of_spins() {
                let (first, rest) = tile.levels.split_at_mut(n);
                first.swap_with_slice(&mut rest[(k - 1) * n..k * n]);
            } else {
                let (first, rest) = tile.x.split_at_mut(n);
                first.swap_with_slice(&mut rest[(k - 1) * n..k * n]);
            }
        }
    }

    /// Tries to exchange the states of replicas `k` and `k + 1`.
    fn exchange(&self, tile: &mut Tile<R>, k: usize) {
        let n = self.energy.nodes();
        let (cold, hot) = (
            self.energy.of(tile, k * n),
            self.energy.of(tile, (k + 1) * n),
        );
        let mut words = [[0u32; LANES]; 2];
        super::tile::uniform_words::<R>(&mut tile.rng, &mut words);
        let (mut taken, mut probability) = (0u32, 0);
        for lane in 0..LANES {
            let a = (self.betas[k] - self.betas[k + 1]) * (cold[lane] - hot[lane]);
            let u = R::uniform([words[0][lane], words[1][lane]]).to_f64();
            let accepted = if a >= 0.0 { 1.0 } else { a.exp() };
            taken |= u32::from(u < accepted) << lane;
            if lane < tile.lanes {
                probability += (accepted * PARTS) as u64;
            }
        }
        let pairs = self.betas.len() - 1;
        tile.tally[k] += probability;
        tile.tally[pairs + k] += tile.lanes as u64;
        let exchange = |a: &mut Row<R>, b: &mut Row<R>| {
            for lane in 0..LANES {
                if taken >> lane & 1 == 1 {
                    std::mem::swap(&mut a[lane], &mut b[lane]);
                }
            }
        };
        if self.energy.of_spins() {
            for i in k * n..(k + 1) * n {
                let differ = (tile.levels[i] ^ tile.levels[i + n]) & taken;
                tile.levels[i] ^= differ;
                tile.levels[i + n] ^= differ;
            }
        } else {
            let (low, high) = tile.x.split_at_mut((k + 1) * n);
            for (a, b) in low[k * n..].iter_mut().zip(high) {
                exchange(a, b);
            }
        }
        let (low, high) = tile.memory.split_at_mut(k + 2);
        exchange(&mut low[k + 1], &mut high[0]);
    }

    /// Marks the walkers that are at the end of the ladder, and counts those that come home.
    fn note_journeys(&self, tile: &mut Tile<R>) {
        let replicas = self.betas.len();
        tile.memory[replicas] = Row::splat(R::ONE);
        let home = &mut tile.memory[1];
        let returned = home[..tile.lanes].iter().filter(|v| **v > R::ZERO).count();
        *home = Row::splat(R::ZERO);
        tile.tally[2 * (replicas - 1)] += returned as u64;
    }
}

impl<R: Real> Stepper<R> for TemperedStepper<R> {
    /// Remembered: whose turn it is (row 0), and which walkers have been at the last β since they left the first (a row a
    /// replica). Held variables are those of the first replica in all.
    fn begin(&self, tile: &mut Tile<R>) {
        let (replicas, n) = (self.betas.len(), self.energy.nodes());
        if tile.memory.len() != replicas + 1 {
            super::tile::reserve(&mut tile.memory, replicas + 1);
        }
        tile.tally.resize(3 * replicas - 1, 0);
        for i in (0..n).filter(|&i| self.clamped[i]) {
            for k in 1..replicas {
                if self.energy.of_spins() {
                    tile.levels[k * n + i] = tile.levels[i];
                } else {
                    tile.x[k * n + i] = tile.x[i];
                }
            }
        }
    }

    fn advance(&self, tile: &mut Tile<R>, steps: u64) {
        self.advance_together(std::slice::from_mut(tile), steps);
    }

    fn span(&self) -> usize {
        self.replicas[0].span()
    }

    fn advance_together(&self, tiles: &mut [Tile<R>], steps: u64) {
        let replicas = self.betas.len();
        for _ in 0..steps {
            for (k, replica) in self.replicas.iter().enumerate() {
                self.swap_in(tiles, k);
                for tile in &mut *tiles {
                    tile.accepted = 0;
                    replica.begin(tile);
                }
                replica.advance_together(tiles, self.between);
                for tile in &mut *tiles {
                    tile.tally[2 * replicas - 1 + k] += tile.accepted;
                }
                self.swap_in(tiles, k);
            }
            for tile in &mut *tiles {
                let turn = tile.memory[0][0];
                let first = usize::from(turn > R::ZERO);
                for k in (first..replicas - 1).step_by(2) {
                    self.exchange(tile, k);
                }
                tile.memory[0] = Row::splat(R::ONE - turn);
                self.note_journeys(tile);
                tile.accepted = tile.tally[2 * replicas - 1];
            }
        }
    }
}
