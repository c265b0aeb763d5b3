//! Annealing with weights: one step takes every chain from an exact draw of E_0 through E_β = E_0 + β ΔE to β = 1.
//!
//! Before each move at β_t the chain's logarithmic weight grows by −(β_t − β_{t−1}) ΔE(x), so that the mean weight is
//! Z_1/Z_0 whatever the moves, provided that each leaves its E_β's law alone (Neal, physics/9803008).

use super::lane_energy::LaneEnergy;
use super::real::Real;
use super::scheme::Stepper;
use super::tile::{Row, Tile};
use crate::error::{Error, Result};

/// A whole annealing run as one step. The logarithmic weights of the last one are rows 0 and 1 of the tile's memory (the
/// number and what `R` rounds off it).
pub struct AnnealedStepper<R> {
    /// Draws from E_0; absent where chains go on from where they are.
    start: Option<Box<dyn Stepper<R>>>,
    /// (β_t − β_{t−1}, moves at β_t).
    moves: Vec<(f64, Box<dyn Stepper<R>>)>,
    /// Steps of each.
    each: u64,
    difference: LaneEnergy<R>,
}

impl<R> std::fmt::Debug for AnnealedStepper<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("AnnealedStepper");
        shown
            .field("temperatures", &self.moves.len())
            .finish_non_exhaustive()
    }
}

impl<R: Real> AnnealedStepper<R> {
    /// `each` steps of every one of `moves`, which come with β's change before them; `difference` is ΔE. The
    /// weights take the tile's memory, so that steppers which remember something from step to step are not for this.
    ///
    /// # Errors
    /// No moves.
    pub fn new(
        start: Option<Box<dyn Stepper<R>>>,
        moves: Vec<(f64, Box<dyn Stepper<R>>)>,
        each: u64,
        difference: LaneEnergy<R>,
    ) -> Result<Self> {
        if moves.is_empty() {
            return Err(Error::invalid("temperatures", 0, "at least one"));
        }
        Ok(AnnealedStepper {
            start,
            moves,
            each,
            difference,
        })
    }

    fn weigh(&self, tile: &mut Tile<R>, change: f64) {
        let energy = self.difference.of(tile, 0);
        let (first, rest) = tile.memory.split_at_mut(1);
        let (weight, rounded) = (&mut first[0], &mut rest[0]);
        for (lane, energy) in energy.iter().enumerate() {
            let exact = weight[lane].to_f64() + rounded[lane].to_f64() - change * energy;
            weight[lane] = R::from_f64(exact);
            rounded[lane] = R::from_f64(exact - weight[lane].to_f64());
        }
    }
}

impl<R: Real> Stepper<R> for AnnealedStepper<R> {
    fn begin(&self, tile: &mut Tile<R>) {
        super::tile::reserve(&mut tile.memory, 2);
    }

    fn advance(&self, tile: &mut Tile<R>, steps: u64) {
        self.advance_together(std::slice::from_mut(tile), steps);
    }

    fn span(&self) -> usize {
        self.moves[0].1.span()
    }

    fn advance_together(&self, tiles: &mut [Tile<R>], steps: u64) {
        let take = |stepper: &dyn Stepper<R>, tiles: &mut [Tile<R>], steps: u64| {
            for tile in &mut *tiles {
                stepper.begin(tile);
            }
            stepper.advance_together(tiles, steps);
        };
        for _ in 0..steps {
            for tile in &mut *tiles {
                tile.memory.fill(Row::splat(R::ZERO));
            }
            if let Some(start) = &self.start {
                take(&**start, tiles, 1);
            }
            for (change, stepper) in &self.moves {
                for tile in &mut *tiles {
                    self.weigh(tile, *change);
                }
                take(&**stepper, tiles, self.each);
            }
        }
    }
}
