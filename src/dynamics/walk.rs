//! From one step of a scheme to a stepper: packing, normals, rails and time are the same for all of them.

use super::field::Field;
use super::real::Real;
use super::scheme::Stepper;
use super::tile::{NormalBits, Row, Tile, reserve};
use crate::simd::{Kernel, dispatch};

/// One step of a scheme on the packed free rows, from given normals.
pub(super) trait OneStep<R: Real>: Send + Sync {
    /// What it steps.
    fn field(&self) -> &Field<R>;
    /// Sets of normals that a step takes.
    fn sets(&self) -> usize {
        1
    }
    /// Whether its one set of normals is √h ξ = the Wiener increments of nodes and branches.
    fn shows_noise(&self) -> bool {
        false
    }
    /// Prepares scratch rows (and whatever the scheme carries from step to step).
    fn begin(&self, _tile: &mut Tile<R>) {}
    /// Moves `tile.spare` from `tile.time` by one step, with the normals in `tile.noise` (set by set).
    fn once(&self, tile: &mut Tile<R>);
    /// Takes all steps of a tile in another way than step by step, where that is faster and gives the same bits.
    #[inline(always)]
    fn alone(&self, _tile: &mut Tile<R>, _steps: u64) -> bool {
        false
    }
    /// The same with normals from the tile's streams, and rails; for schemes that draw them on the way.
    #[inline(always)]
    fn draw(&self, tile: &mut Tile<R>) {
        let field = self.field();
        let rows = field.noise_rows();
        for set in 0..self.sets() {
            let to = set * rows..(set + 1) * rows;
            field.normals.fill(&mut tile.rng, &mut tile.noise[to]);
        }
        self.once(tile);
        field.clip(tile);
    }
}

/// A scheme's step, repeated.
#[derive(Clone, Debug)]
pub(super) struct Walk<S>(pub S);

/// One step with normals from the tile's streams.
#[inline(always)]
pub(super) fn step_once<R: Real, S: OneStep<R>>(scheme: &S, tile: &mut Tile<R>, t: f64) {
    tile.time = t;
    scheme.draw(tile);
}

/// Prepares a tile for a phase.
#[inline(always)]
pub(super) fn begin<R: Real, S: OneStep<R>>(scheme: &S, tile: &mut Tile<R>) {
    let field = scheme.field();
    field.begin(tile);
    reserve(&mut tile.noise, scheme.sets() * field.noise_rows());
    scheme.begin(tile);
}

/// What a scheme does with a tile, compiled once for both.
enum Task<'a, R> {
    /// So many steps with normals from the streams.
    Steps(u64),
    /// One step with these normals.
    Given(&'a [Row<R>]),
}

struct Advance<'a, R, S> {
    scheme: &'a S,
    tile: &'a mut Tile<R>,
    task: Task<'a, R>,
}

impl<R: Real, S: OneStep<R>> Kernel for Advance<'_, R, S> {
    #[inline(always)]
    fn run(self) {
        let (scheme, tile) = (self.scheme, self.tile);
        let field = scheme.field();
        let (start, h) = (tile.time, field.step());
        match self.task {
            Task::Given(normals) => {
                field.pack(tile);
                tile.noise.copy_from_slice(normals);
                scheme.once(tile);
                field.clip(tile);
                tile.time = start + h;
            }
            Task::Steps(steps) => {
                let alone = scheme.alone(tile, steps);
                for k in 0..if alone { 0 } else { steps } {
                    step_once(scheme, tile, h.mul_add(k as f64, start));
                }
                tile.time = h.mul_add(steps as f64, start);
            }
        }
        field.store(tile);
    }
}

/// A kernel too: what schemes prepare for a phase is arithmetic that wants fused multiply-adds.
struct Begin<'a, R, S> {
    scheme: &'a S,
    tile: &'a mut Tile<R>,
}

impl<R: Real, S: OneStep<R>> Kernel for Begin<'_, R, S> {
    #[inline(always)]
    fn run(self) {
        begin(self.scheme, self.tile);
    }
}

impl<R: Real, S: OneStep<R>> Stepper<R> for Walk<S> {
    fn begin(&self, tile: &mut Tile<R>) {
        dispatch(Begin {
            scheme: &self.0,
            tile,
        });
    }

    fn advance(&self, tile: &mut Tile<R>, steps: u64) {
        dispatch(Advance {
            scheme: &self.0,
            tile,
            task: Task::Steps(steps),
        });
    }

    fn normals(&self) -> usize {
        self.0.sets() * self.0.field().noise_rows()
    }

    fn bits(&self) -> NormalBits {
        self.0.field().normals.bits()
    }

    fn shows_noise(&self) -> bool {
        self.0.shows_noise()
    }

    fn step_given(&self, tile: &mut Tile<R>, normals: &[Row<R>]) {
        dispatch(Advance {
            scheme: &self.0,
            tile,
            task: Task::Given(normals),
        });
    }
}
