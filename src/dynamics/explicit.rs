//! Explicit schemes beside Euler–Maruyama: Heun, ShARK and Leimkuhler–Matthews.

use super::LANES;
use super::euler_maruyama::EulerMaruyamaStep;
use super::field::{Field, Stage};
use super::process::{Calculus, Process};
use super::real::Real;
use super::scheme::{Scheme, Setting, Stepper, additive_only, no_jumps, no_levels};
use super::stability;
use super::sweep::average;
use super::tile::{Row, Tile, reserve};
use super::walk::{OneStep, Walk};
use crate::error::Result;

/// to ← to + factor · from.
#[inline(always)]
pub(super) fn add<R: Real>(factor: f64, from: &[Row<R>], to: &mut [Row<R>]) {
    let factor = R::from_f64(factor);
    for (to, from) in to.iter_mut().zip(from) {
        for lane in 0..LANES {
            to[lane] = factor.fma(from[lane], to[lane]);
        }
    }
}

/// rows ← factor · rows.
#[inline(always)]
pub(super) fn scale<R: Real>(factor: f64, rows: &mut [Row<R>]) {
    let factor = R::from_f64(factor);
    for row in rows {
        *row = row.map(|v| factor * v);
    }
}

/// Heun's predictor–corrector. Stratonovich: it converges to the calculus of circuit simulators, and corrects the drift of
/// branches that declare another. Weak order 2 for additive noise.
#[derive(Clone, Copy, Debug)]
pub struct Heun;

impl<R: Real> Scheme<R> for Heun {
    fn name(&self) -> &'static str {
        "heun"
    }

    fn describe(&self) -> &'static str {
        "Stratonovich, strong order 1, weak order 2 (additive noise); variance of a mode times (1 - z/2)/(1 - z/2 + z^2/4), z = h l"
    }

    fn prepare(&self, process: &Process, setting: &Setting<'_>) -> Result<Box<dyn Stepper<R>>> {
        no_levels("heun", process)?;
        no_jumps("heun", process)?;
        stability::check(process, setting, "heun", stability::second_order)?;
        let field = Field::new(process, setting)?;
        Ok(Box::new(Walk(HeunStep { field })))
    }
}

struct HeunStep<R> {
    field: Field<R>,
}

impl<R: Real> HeunStep<R> {
    /// h a(x, t) + M⁻¹ kick(x, t) at a stage into `out`.
    #[inline(always)]
    fn increment(
        &self,
        [drive, held, noise]: [&[Row<R>]; 3],
        x: &[Row<R>],
        stage: Stage,
        kick: &mut [Row<R>],
        out: &mut [Row<R>],
    ) {
        let field = &self.field;
        field.evaluate((drive, held), x, stage, Calculus::Stratonovich, out);
        field.kick(held, x, stage.now, noise, kick);
        scale(field.step(), out);
        add(1.0, kick, out);
        field.solve(out);
    }
}

impl<R: Real> OneStep<R> for HeunStep<R> {
    fn field(&self) -> &Field<R> {
        &self.field
    }

    fn shows_noise(&self) -> bool {
        true
    }

    fn begin(&self, tile: &mut Tile<R>) {
        reserve(&mut tile.work, 3 * self.field.rows());
    }

    #[inline(always)]
    fn once(&self, tile: &mut Tile<R>) {
        let n = self.field.rows();
        let [start, end] = [0.0, self.field.step()].map(|ahead| Stage::of(tile, ahead));
        let constants = [&tile.drive[..], &tile.held[..], &tile.noise[..]];
        let (kick, rest) = tile.work.split_at_mut(n);
        let (first, ahead) = rest.split_at_mut(n);
        self.increment(constants, &tile.spare, start, kick, first);
        ahead.copy_from_slice(&tile.spare);
        add(1.0, first, ahead);
        let second = &mut tile.force;
        self.increment(constants, ahead, end, kick, second);
        add(0.5, first, &mut tile.spare);
        add(0.5, second, &mut tile.spare);
    }
}

/// ShARK: the shifted additive-noise Runge–Kutta method (arXiv 2101.08130, eq. 6.4), two normals per step.
#[derive(Clone, Copy, Debug)]
pub struct Shark;

impl<R: Real> Scheme<R> for Shark {
    fn name(&self) -> &'static str {
        "shark"
    }

    fn describe(&self) -> &'static str {
        "additive noise only; strong order 1.5, weak order 2"
    }

    fn prepare(&self, process: &Process, setting: &Setting<'_>) -> Result<Box<dyn Stepper<R>>> {
        no_levels("shark", process)?;
        no_jumps("shark", process)?;
        stability::check(process, setting, "shark", stability::second_order)?;
        let field = Field::new(process, setting)?;
        additive_only("shark", &field)?;
        Ok(Box::new(Walk(SharkStep { field })))
    }
}

struct SharkStep<R> {
    field: Field<R>,
}

impl<R: Real> OneStep<R> for SharkStep<R> {
    fn field(&self) -> &Field<R> {
        &self.field
    }

    fn sets(&self) -> usize {
        2
    }

    fn begin(&self, tile: &mut Tile<R>) {
        reserve(&mut tile.work, 3 * self.field.rows());
    }

    #[inline(always)]
    fn once(&self, tile: &mut Tile<R>) {
        let (field, t) = (&self.field, tile.time);
        let (n, h) = (field.rows(), field.step());
        let [start, late] = [0.0, 5.0 / 6.0 * h].map(|ahead| Stage::of(tile, ahead));
        let (drive, held) = (&tile.drive[..], &tile.held[..]);
        let (first_set, second_set) = tile.noise.split_at(field.noise_rows());
        let (wiener, rest) = tile.work.split_at_mut(n);
        let (shifted, slope) = rest.split_at_mut(n);
        field.kick(held, &tile.spare, t, first_set, wiener);
        field.solve(wiener);
        // The space-time Lévy area H ~ N(0, h/12) moves the point where the first slope is taken.
        field.kick(held, &tile.spare, t, second_set, shifted);
        field.solve(shifted);
        scale((1.0f64 / 12.0).sqrt(), shifted);
        add(1.0, &tile.spare, shifted);
        field.evaluate((drive, held), shifted, start, Calculus::Ito, slope);
        field.solve(slope);
        add(2.0 / 5.0 * h, slope, &mut tile.spare);
        add(5.0 / 6.0 * h, slope, shifted);
        add(5.0 / 6.0, wiener, shifted);
        let last = &mut tile.force;
        field.evaluate((drive, held), shifted, late, Calculus::Ito, last);
        field.solve(last);
        add(3.0 / 5.0 * h, last, &mut tile.spare);
        add(1.0, wiener, &mut tile.spare);
    }
}

/// Leimkuhler–Matthews: Euler's drift with the mean of two successive normals (arXiv 1203.5428).
#[derive(Clone, Copy, Debug)]
pub struct LeimkuhlerMatthews;

impl<R: Real> Scheme<R> for LeimkuhlerMatthews {
    fn name(&self) -> &'static str {
        "leimkuhler-matthews"
    }

    fn describe(&self) -> &'static str {
        "additive noise only; stationary law of weak order 2 for reversible processes (exact for linear ones), at Euler's price; not for passage times"
    }

    fn prepare(&self, process: &Process, setting: &Setting<'_>) -> Result<Box<dyn Stepper<R>>> {
        let name = "leimkuhler-matthews";
        no_levels(name, process)?;
        no_jumps(name, process)?;
        let euler = EulerMaruyamaStep::new(name, process, setting)?;
        additive_only(name, euler.field())?;
        Ok(Box::new(Walk(LeimkuhlerMatthewsStep { euler })))
    }
}

/// Euler's step with the mean of two normals.
struct LeimkuhlerMatthewsStep<R> {
    euler: EulerMaruyamaStep<R>,
}

impl<R: Real> OneStep<R> for LeimkuhlerMatthewsStep<R> {
    fn field(&self) -> &Field<R> {
        self.euler.field()
    }

    /// The normals of the step before go on from phase to phase; the first step of a run draws them.
    fn begin(&self, tile: &mut Tile<R>) {
        self.euler.begin(tile);
        let field = self.field();
        if tile.memory.len() != field.noise_rows() {
            reserve(&mut tile.memory, field.noise_rows());
            field.normals.fill(&mut tile.rng, &mut tile.memory);
        }
    }

    #[inline(always)]
    fn once(&self, tile: &mut Tile<R>) {
        for (new, old) in tile.noise.iter_mut().zip(&mut tile.memory) {
            average(new, old);
        }
        self.euler.once(tile);
    }

    #[inline(always)]
    fn draw(&self, tile: &mut Tile<R>) {
        if !self.euler.draw_fused::<true>(tile) {
            let field = self.field();
            field.normals.fill(&mut tile.rng, &mut tile.noise);
            self.once(tile);
            field.clip(tile);
        }
    }
}
