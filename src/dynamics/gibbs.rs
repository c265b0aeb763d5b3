//! Chromatic Gibbs sampling of spins with direct inputs: colour class after colour class, each spin drawn from
//! P(+1) = σ(2I). One step is one sweep.

use super::LANES;
use super::force::row_entries;
use super::process::{LevelInput, Process};
use super::real::Real;
use super::scheme::Stepper;
use super::simd::{Kernel, dispatch};
use super::streams::{Jump, Stream};
use super::tile::{Row, Tile, uniform_words};
use crate::error::{Error, Result};

/// Gibbs sweeps over colour classes.
#[derive(Clone, Debug)]
pub struct GibbsStepper<R> {
    order: Vec<usize>,
    field: Vec<R>,
    coupling: Vec<Vec<(usize, R)>>,
    clamped: Vec<bool>,
    skip: Jump,
}

impl<R: Real> GibbsStepper<R> {
    /// Prepares sweeps in the order of `classes`.
    ///
    /// # Errors
    /// Spins without direct inputs, classes that do not list every spin once, or two coupled spins in one class.
    pub fn new(process: &Process, classes: &[Vec<usize>], clamped: &[bool]) -> Result<Self> {
        let direct = process
            .levels
            .as_ref()
            .and_then(|levels| match &levels.input {
                LevelInput::Direct { field, coupling } => Some((field, coupling)),
                LevelInput::Node { .. } => None,
            });
        let Some((field, coupling)) = direct else {
            return Err(Error::invalid("sampler", "\"gibbs\"", "an energy of spins"));
        };
        let n = field.len();
        let mut colour = vec![usize::MAX; n];
        for (c, class) in classes.iter().enumerate() {
            for &i in class {
                if i >= n || colour[i] != usize::MAX {
                    return Err(Error::invalid(
                        "colouring",
                        format!("spin {i}"),
                        "every spin in one class",
                    ));
                }
                colour[i] = c;
            }
        }
        for i in 0..n {
            for (j, _) in row_entries(coupling, i) {
                if colour[i] == colour[j] {
                    let value = format!("coupled spins {i} and {j} in one class");
                    return Err(Error::invalid("colouring", value, "no edge inside a class"));
                }
            }
        }
        Ok(GibbsStepper {
            order: classes.concat(),
            field: field.iter().map(|&v| R::from_f64(v)).collect(),
            coupling: (0..n)
                .map(|i| {
                    row_entries(coupling, i)
                        .into_iter()
                        .map(|(j, v)| (j, R::from_f64(v)))
                        .collect()
                })
                .collect(),
            clamped: clamped.to_vec(),
            skip: Jump::new(R::WORDS as u64),
        })
    }
}

/// h + Σ_j K_j s_j, per lane.
#[inline(always)]
pub(super) fn local_input<R: Real>(
    field: R,
    couplings: &[(usize, R)],
    levels: &[Row<R>],
) -> Row<R> {
    let mut input = Row::splat(field);
    for &(j, value) in couplings {
        let level = &levels[j];
        for lane in 0..LANES {
            input[lane] = value.fma(level[lane], input[lane]);
        }
    }
    input
}

/// Draws spins from P(+1) = σ(2I).
#[inline(always)]
fn draw<R: Real>(input: &Row<R>, words: &[[u32; LANES]; 2], level: &mut Row<R>) {
    for lane in 0..LANES {
        let u = R::uniform([words[0][lane], words[1][lane]]);
        let up = (input[lane] + input[lane]).logistic();
        level[lane] = if u <= up { R::ONE } else { -R::ONE };
    }
}

struct Advance<'a, R> {
    stepper: &'a GibbsStepper<R>,
    tile: &'a mut Tile<R>,
    steps: u64,
}

impl<R: Real> Kernel for Advance<'_, R> {
    #[inline(always)]
    fn run(self) {
        let (stepper, tile) = (self.stepper, self.tile);
        let mut words = [[0u32; LANES]; 2];
        for _ in 0..self.steps {
            for &i in &stepper.order {
                if stepper.clamped[i] {
                    tile.rng.skip(stepper.skip);
                    continue;
                }
                let input = local_input(stepper.field[i], &stepper.coupling[i], &tile.levels);
                uniform_words::<R>(&mut tile.rng, &mut words);
                draw(&input, &words, &mut tile.levels[i]);
            }
        }
    }
}

impl<R: Real> Stepper<R> for GibbsStepper<R> {
    fn begin(&self, _tile: &mut Tile<R>) {}

    fn advance(&self, tile: &mut Tile<R>, steps: u64) {
        dispatch(Advance {
            stepper: self,
            tile,
            steps,
        });
    }
}
