//! Euler–Maruyama: M (x' − x) = h F(x, t) + √h S(x) ξ. Itô; strong order 1 for additive noise, ½ otherwise; weak order 1.
//!
//! A real mode of rate λ gets its stationary variance inflated by 1/(1 − hλ/2); the scheme is unstable at hλ ≥ 2 (complex
//! modes: h ≥ 2 Re λ/|λ|²), and refuses such a step. Spins, if any, take exact two-state steps (see `telegraph`).

use super::LANES;
use super::field::{Amplitude, Field, Stage};
use super::force::cubic;
use super::process::{Calculus, Process};
use super::real::Real;
use super::scheme::{Scheme, Setting, Stepper, no_jumps};
use super::stability;
use super::telegraph::TelegraphStepper;
use super::tile::Tile;
use super::walk::{OneStep, Walk};
use crate::error::Result;

/// The scheme.
#[derive(Clone, Copy, Debug)]
pub struct EulerMaruyama;

impl<R: Real> Scheme<R> for EulerMaruyama {
    fn name(&self) -> &'static str {
        "euler-maruyama"
    }

    fn describe(&self) -> &'static str {
        "Ito, strong order 1 (additive noise) and weak order 1; variance of a mode of rate l inflated by 1/(1 - h l/2)"
    }

    fn prepare(&self, process: &Process, setting: &Setting<'_>) -> Result<Box<dyn Stepper<R>>> {
        if process.levels.is_some() {
            return Ok(Box::new(TelegraphStepper::new(process, setting)?));
        }
        no_jumps("euler-maruyama", process)?;
        Ok(Box::new(Walk(EulerMaruyamaStep::new(process, setting)?)))
    }
}

/// Euler–Maruyama on the free nodes of a process.
#[derive(Clone, Debug)]
pub(super) struct EulerMaruyamaStep<R> {
    field: Field<R>,
}

impl<R: Real> EulerMaruyamaStep<R> {
    /// Prepares the continuous part of `process`.
    ///
    /// # Errors
    /// An unstable step; clamped nodes in a network with coupling capacitors (their charge is not modelled here).
    pub fn new(process: &Process, setting: &Setting<'_>) -> Result<Self> {
        stability::check(process, setting, "euler-maruyama", stability::euler)?;
        Ok(EulerMaruyamaStep {
            field: Field::new(process, setting)?,
        })
    }

    /// Constant force on free row `row`, for schemes that add to the drive.
    #[inline(always)]
    pub fn constant(&self, row: usize) -> R {
        self.field.force.constant(row)
    }

    /// The same for coupled masses or noises, which need all rows at once.
    #[inline(always)]
    fn move_coupled(&self, tile: &mut Tile<R>) {
        let step = R::from_f64(self.field.step());
        let rows = self.field.rows();
        self.field.shape(&mut tile.noise[..rows]);
        for row in 0..rows {
            let (c, x) = (self.field.force.cubic(row), &tile.spare[row]);
            let (noise, drive) = (&tile.noise[row], &tile.drive[row]);
            let change = &mut tile.force[row];
            for lane in 0..LANES {
                let force = cubic(c, x[lane], change[lane] + drive[lane]);
                change[lane] = step.fma(force, noise[lane]);
            }
        }
        self.field.solve(&mut tile.force);
        for (x, change) in tile.spare.iter_mut().zip(&tile.force) {
            for lane in 0..LANES {
                x[lane] = x[lane] + change[lane];
            }
        }
    }
}

impl<R: Real> OneStep<R> for EulerMaruyamaStep<R> {
    fn field(&self) -> &Field<R> {
        &self.field
    }

    fn shows_noise(&self) -> bool {
        true
    }

    #[inline(always)]
    fn once(&self, tile: &mut Tile<R>) {
        let (field, t) = (&self.field, tile.time);
        field.force.product(&tile.spare, &mut tile.force);
        field.add_branches(
            &tile.held,
            &tile.spare,
            Stage::of(tile, 0.0),
            Calculus::Ito,
            &mut tile.force,
        );
        let per_step = R::from_f64(1.0 / field.step());
        field.add_branch_kicks(
            &tile.held,
            &tile.spare,
            t,
            per_step,
            &tile.noise,
            &mut tile.force,
        );
        match (&field.amplitude, &field.mass) {
            (Amplitude::Diagonal(sigma), None) => field.move_rows(
                sigma,
                &tile.noise,
                &tile.force,
                &tile.drive,
                &mut tile.spare,
            ),
            _ => self.move_coupled(tile),
        }
    }
}
