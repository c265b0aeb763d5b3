//! Metropolis sampling of spins with direct inputs: spin after spin, a flip is proposed with probability ¾ and accepted with
//! min(1, e^{−ΔE}), ΔE = 2sI. One step is one sweep.
//!
//! Proposing always would leave a spin without input flipping for ever: such a chain has the right law and never reaches it.

use super::LANES;
use super::draw::{INPUT_TO_EXPONENT, power_of_two};
use super::force::row_entries;
use super::inputs::Inputs;
use super::lanes::{BIT, Collect, LaneKernel, dispatch_lanes};
use super::process::{LevelInput, Process};
use super::real::Real;
use super::scheme::Stepper;
use super::streams::{Jump, Stream, Streams};
use super::tile::{Row, Tile, uniform_words};
use crate::error::{Error, Result};

/// Probability that a flip is proposed.
const PROPOSED: f64 = 0.75;

/// Single-spin-flip sweeps.
#[derive(Clone, Debug)]
pub struct SpinMetropolisStepper<R> {
    inputs: Inputs<R>,
    clamped: Vec<bool>,
    skip: Jump,
}

impl<R: Real> SpinMetropolisStepper<R> {
    /// Sweeps in the order of the spins.
    ///
    /// # Errors
    /// Spins without direct inputs.
    pub fn new(process: &Process, clamped: &[bool]) -> Result<Self> {
        let levels = process.levels.as_ref();
        let Some(LevelInput::Direct { field, coupling }) = levels.map(|levels| &levels.input)
        else {
            let expected = "an energy of spins";
            return Err(Error::invalid("sampler", "\"metropolis\"", expected));
        };
        let rows: Vec<Vec<(usize, f64)>> =
            (0..field.len()).map(|i| row_entries(coupling, i)).collect();
        let with_fields = field.iter().zip(&rows).map(|(&h, row)| (h, &row[..]));
        Ok(SpinMetropolisStepper {
            inputs: Inputs::new(INPUT_TO_EXPONENT, with_fields),
            clamped: clamped.to_vec(),
            skip: Jump::new(R::WORDS as u64),
        })
    }

    #[inline(always)]
    fn run<C: Collect, S: Stream>(
        &self,
        collect: C,
        levels: &mut [u32],
        rng: &mut S,
        (sweeps, used): (u64, u32),
    ) -> u64 {
        let mut words = [[0u32; LANES]; 2];
        let mut flipped = 0;
        for _ in 0..sweeps {
            for spin in 0..levels.len() {
                if self.clamped[spin] {
                    rng.skip(self.skip);
                    continue;
                }
                let y = self.inputs.times_factor(collect, spin, levels);
                uniform_words::<R>(rng, &mut words);
                let flips = flips(collect, &y, levels[spin], &words);
                levels[spin] ^= flips;
                flipped += u64::from((flips & used).count_ones());
            }
        }
        flipped
    }
}

/// The lanes whose spin flips: u ≤ ¾ and u ≤ ¾ e^{−2sI}, y = −2I log₂e.
#[inline(always)]
fn flips<R: Real, C: Collect>(
    collect: C,
    y: &Row<R>,
    level: u32,
    words: &[[u32; LANES]; 2],
) -> u32 {
    let proposed = R::from_f64(PROPOSED);
    let mut flip = [0; LANES];
    for lane in 0..LANES {
        let u = R::uniform([words[0][lane], words[1][lane]]);
        let up = level & BIT[lane] != 0;
        let ratio = power_of_two(if up { y[lane] } else { -y[lane] });
        let taken = u <= proposed && u <= proposed * ratio;
        flip[lane] = if taken { u32::MAX } else { 0 };
    }
    collect.bits(&flip)
}

struct Advance<'a, R> {
    stepper: &'a SpinMetropolisStepper<R>,
    tile: &'a mut Tile<R>,
    sweeps: u64,
}

impl<R: Real> LaneKernel for Advance<'_, R> {
    #[inline(always)]
    fn run<C: Collect>(self, collect: C) {
        let (stepper, tile) = (self.stepper, self.tile);
        let levels = &mut tile.levels[..stepper.clamped.len()];
        let extent = (self.sweeps, u32::MAX >> (LANES - tile.lanes));
        tile.accepted += match &mut tile.rng {
            Streams::Pcg(rng) => stepper.run(collect, levels, rng, extent),
            Streams::ChaCha8(rng) => stepper.run(collect, levels, &mut **rng, extent),
        };
    }
}

impl<R: Real> Stepper<R> for SpinMetropolisStepper<R> {
    fn begin(&self, _tile: &mut Tile<R>) {}

    fn advance(&self, tile: &mut Tile<R>, steps: u64) {
        dispatch_lanes(Advance {
            stepper: self,
            tile,
            sweeps: steps,
        });
    }
}
