//! Chromatic Gibbs sampling of spins with direct inputs: colour class after colour class, each spin drawn from
//! P(+1) = σ(2I). One step is one sweep.
//!
//! Three ways, chosen by the model's numbers alone: couplings of one size go to `planes`, 512 chains at a time; others sum
//! their inputs in fixed point (`inputs`, one masked add a neighbour for 16 chains) and draw with one word a spin (`draw`);
//! of these, dense graphs advance a tile with few chains by `one_chain`, to the same bits.

use super::LANES;
use super::draw::{INPUT_TO_EXPONENT, MOST, draw};
use super::force::row_entries;
use super::inputs::Inputs;
use super::lanes::{Collect, LaneKernel, dispatch_lanes};
use super::one_chain::{Columns, OneByOne};
use super::planes::Planes;
use super::process::{LevelInput, Process};
use super::real::Real;
use super::scheme::Stepper;
use super::streams::{Jump, Stream, Streams};
use super::tile::{Tile, uniform_words};
use crate::error::{Error, Result};
use std::sync::OnceLock;

/// Gibbs sweeps over colour classes.
#[derive(Clone, Debug)]
pub struct GibbsStepper<R> {
    way: Way<R>,
}

#[derive(Clone, Debug)]
enum Way<R> {
    Planes(Planes),
    Lanes(Sweep<R>),
}

/// Spins one by one in the order of the classes; rows of `inputs` are in that order too.
#[derive(Clone, Debug)]
struct Sweep<R> {
    order: Vec<u32>,
    clamped: Vec<bool>,
    inputs: Inputs<R>,
    /// Whether no input's exponent can be beyond ±[`MOST`].
    within: bool,
    /// Made when a tile with few chains first asks for them.
    columns: OnceLock<Option<Columns>>,
    skip: Jump,
}

/// Refuses classes that do not list every spin once, or with two coupled spins in one.
pub(super) fn check_classes(classes: &[Vec<usize>], rows: &[Vec<(usize, f64)>]) -> Result<()> {
    let n = rows.len();
    let mut colour = vec![usize::MAX; n];
    for (c, class) in classes.iter().enumerate() {
        for &i in class {
            if i >= n || colour[i] != usize::MAX {
                let value = format!("spin {i}");
                let expected = "every spin in one class";
                return Err(Error::invalid("colouring", value, expected));
            }
            colour[i] = c;
        }
    }
    for (i, row) in rows.iter().enumerate() {
        if let Some((j, _)) = row.iter().find(|e| colour[i] == colour[e.0]) {
            let value = format!("coupled spins {i} and {j} in one class");
            return Err(Error::invalid("colouring", value, "no edge inside a class"));
        }
    }
    Ok(())
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
        let rows: Vec<Vec<(usize, f64)>> = (0..n).map(|i| row_entries(coupling, i)).collect();
        check_classes(classes, &rows)?;
        if let Some(planes) = Planes::detect(field, &rows, classes, clamped) {
            let way = Way::Planes(planes);
            return Ok(GibbsStepper { way });
        }
        let order = classes.concat();
        let in_order = order.iter().map(|&i| (field[i], &rows[i][..]));
        let inputs = Inputs::new(INPUT_TO_EXPONENT, in_order);
        let reach = |i: usize| {
            rows[i]
                .iter()
                .fold(field[i].abs(), |sum, e| sum + e.1.abs())
        };
        // A rounding below the limit.
        let within = (0..n).all(|i| reach(i) * INPUT_TO_EXPONENT.abs() < MOST - 1.0);
        Ok(GibbsStepper {
            way: Way::Lanes(Sweep {
                clamped: order.iter().map(|&i| clamped[i]).collect(),
                order: order.into_iter().map(|i| i as u32).collect(),
                inputs,
                within,
                columns: OnceLock::new(),
                skip: Jump::new(R::WORDS as u64),
            }),
        })
    }
}

impl<R: Real> Sweep<R> {
    fn advance(&self, tile: &mut Tile<R>, sweeps: u64) {
        let narrow = self.inputs.narrow();
        if let Some(rows) = narrow.filter(|_| Columns::suits(tile.lanes)) {
            let make = || Columns::new(rows, &self.inputs.scale, tile.levels.len());
            if let Some(columns) = self.columns.get_or_init(make) {
                return OneByOne {
                    columns,
                    rows,
                    scale: &self.inputs.scale,
                    order: &self.order,
                    clamped: &self.clamped,
                    tile,
                    sweeps,
                }
                .run();
            }
        }
        dispatch_lanes(Advance {
            sweep: self,
            tile,
            sweeps,
        });
    }
}

impl<R: Real> Sweep<R> {
    #[inline(always)]
    fn run<C: Collect, S: Stream>(&self, collect: C, levels: &mut [u32], rng: &mut S, sweeps: u64) {
        if self.within {
            self.sweep::<true, C, S>(collect, levels, rng, sweeps);
        } else {
            self.sweep::<false, C, S>(collect, levels, rng, sweeps);
        }
    }

    #[inline(always)]
    fn sweep<const WITHIN: bool, C: Collect, S: Stream>(
        &self,
        collect: C,
        levels: &mut [u32],
        rng: &mut S,
        sweeps: u64,
    ) {
        let mut words = [[0u32; LANES]; 2];
        for _ in 0..sweeps {
            for (row, &spin) in self.order.iter().enumerate() {
                if self.clamped[row] {
                    rng.skip(self.skip);
                    continue;
                }
                let y = self.inputs.times_factor(collect, row, levels);
                uniform_words::<R>(rng, &mut words);
                levels[spin as usize] = draw::<WITHIN, R, C>(collect, &y, &words);
            }
        }
    }
}

struct Advance<'a, R> {
    sweep: &'a Sweep<R>,
    tile: &'a mut Tile<R>,
    sweeps: u64,
}

impl<R: Real> LaneKernel for Advance<'_, R> {
    #[inline(always)]
    fn run<C: Collect>(self, collect: C) {
        let (sweep, levels) = (self.sweep, &mut self.tile.levels[..]);
        match &mut self.tile.rng {
            Streams::Pcg(rng) => sweep.run(collect, levels, rng, self.sweeps),
            Streams::ChaCha8(rng) => sweep.run(collect, levels, &mut **rng, self.sweeps),
        }
    }
}

impl<R: Real> Stepper<R> for GibbsStepper<R> {
    fn begin(&self, _tile: &mut Tile<R>) {}

    fn advance(&self, tile: &mut Tile<R>, steps: u64) {
        self.advance_together(std::slice::from_mut(tile), steps);
    }

    fn span(&self) -> usize {
        match &self.way {
            Way::Planes(_) => Planes::SPAN,
            Way::Lanes(_) => 1,
        }
    }

    fn advance_together(&self, tiles: &mut [Tile<R>], steps: u64) {
        match &self.way {
            Way::Planes(planes) => planes.advance(tiles, steps),
            Way::Lanes(sweep) => {
                for tile in tiles {
                    sweep.advance(tile, steps);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::process::{Levels, Linear};
    use super::super::streams::{Generator, Origin};
    use super::*;
    use crate::simd::{InstructionSet, limited_to};

    /// Spins on a ring with chords up to `reach`, K from `coupling(i, j)`, h from `field(i)`.
    fn stepper<R: Real>(
        n: usize,
        reach: usize,
        coupling: impl Fn(usize, usize) -> f64,
        field: impl Fn(usize) -> f64,
    ) -> GibbsStepper<R> {
        let mut rows = vec![Vec::new(); n];
        for i in 0..n {
            for j in (i + 1)..n {
                if (j - i).min(n - (j - i)) <= reach {
                    rows[i].push((j, coupling(i, j)));
                    rows[j].push((i, coupling(i, j)));
                }
            }
        }
        for row in &mut rows {
            row.sort_by_key(|e| e.0);
        }
        let classes: Vec<Vec<usize>> = if n.is_multiple_of(reach + 1) {
            let colour = |c: usize| (0..n).filter(|i| i % (reach + 1) == c).collect();
            (0..=reach).map(colour).collect()
        } else {
            (0..n).map(|i| vec![i]).collect()
        };
        let process = Process {
            levels: Some(Levels::free(
                vec![1.0; n],
                LevelInput::Direct {
                    field: (0..n).map(field).collect(),
                    coupling: Linear::Sparse(rows),
                },
            )),
            ..Process::still(0)
        };
        let clamped: Vec<bool> = (0..n).map(|i| i % 11 == 3).collect();
        GibbsStepper::new(&process, &classes, &clamped).unwrap()
    }

    fn levels<R: Real>(
        stepper: &GibbsStepper<R>,
        generator: Generator,
        (spins, chains): (usize, usize),
    ) -> Vec<Vec<u32>> {
        let origin = Origin::from((3, 1)).by(generator);
        let mut tiles: Vec<Tile<R>> = (0..chains.div_ceil(LANES))
            .map(|t| Tile::new(origin, t * LANES, LANES.min(chains - t * LANES), 0, spins))
            .collect();
        stepper.advance_together(&mut tiles, 7);
        let used = |tile: &Tile<R>| u32::MAX >> (LANES - tile.lanes);
        let bits = |tile: &Tile<R>| tile.levels.iter().map(|l| l & used(tile)).collect();
        tiles.iter().map(bits).collect()
    }

    fn same_bits<R: Real>(stepper: &GibbsStepper<R>, size: (usize, usize)) {
        for generator in Generator::ALL {
            let on = |set| limited_to(set, || levels(stepper, generator, size));
            let portable = on(InstructionSet::Portable);
            for set in [InstructionSet::Avx2, InstructionSet::Avx512] {
                assert_eq!(portable, on(set), "{set:?} {size:?}");
            }
        }
    }

    #[test]
    fn every_way_gives_the_same_bits_on_every_instruction_set() {
        let uneven = |i: usize, j: usize| ((i * 31 + j * 17) % 23) as f64 * 0.05 - 0.5;
        let signs = |i: usize, j: usize| if (i * 5 + j * 3) % 7 < 3 { 0.3 } else { -0.3 };
        let field = |i: usize| 0.1 * (i % 5) as f64;
        let multiple = |i: usize| 0.3 * (i % 4) as f64 - 0.3;
        same_bits(&stepper::<f32>(60, 3, uneven, field), (60, 40));
        same_bits(&stepper::<f64>(60, 3, uneven, field), (60, 40));
        for chains in [1, 3, 40] {
            same_bits(&stepper::<f32>(50, 25, uneven, field), (50, chains));
        }
        for reach in [1, 2, 4] {
            let planes = stepper::<f32>(60, reach, signs, multiple);
            assert!(matches!(planes.way, Way::Planes(_)));
            for chains in [20, 70, 300] {
                same_bits(&planes, (60, chains));
            }
        }
    }

    /// Spins that no draw can turn: beyond the exponent's range a spin lies along its field. Exponents left as they are would wrap.
    #[test]
    fn fields_beyond_every_exponent_decide() {
        let field = |i: usize| if i.is_multiple_of(2) { 150.0 } else { -150.0 };
        let uneven = |i: usize, j: usize| 0.01 * ((i * 31 + j * 17) % 23) as f64;
        let stepper = stepper::<f32>(12, 1, uneven, field);
        assert!(matches!(&stepper.way, Way::Lanes(sweep) if !sweep.within));
        for bits in levels(&stepper, Generator::Pcg, (12, 32)) {
            for (i, level) in bits.into_iter().enumerate().filter(|(i, _)| i % 11 != 3) {
                assert_eq!(level, if i % 2 == 0 { u32::MAX } else { 0 }, "{i}");
            }
        }
    }

    /// Chain by chain with kept inputs, or 32 at a time with sums made anew: the same path, and a long one.
    #[test]
    fn kept_inputs_give_the_bits_of_sums() {
        let coupling = |i: usize, j: usize| ((i * 31 + j * 17) % 23) as f64 * 0.03 - 0.3;
        let stepper = stepper::<f32>(97, 48, coupling, |i| 0.1 * (i % 5) as f64);
        let Way::Lanes(sweep) = &stepper.way else {
            panic!("uneven couplings");
        };
        let run = |lanes: usize| {
            let mut tile = Tile::<f32>::new((3, 1), 0, lanes, 0, 97);
            stepper.advance(&mut tile, 2000);
            let bits: Vec<u32> = tile.levels.iter().map(|level| level & 7).collect();
            (bits, tile.rng.position(1))
        };
        assert_eq!(run(3), run(LANES));
        assert!(matches!(sweep.columns.get(), Some(Some(_))));
    }
}
