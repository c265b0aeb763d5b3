//! Euler–Maruyama: M (x' − x) = h F(x, t) + √h S(x) ξ. Itô; strong order 1 for additive noise, ½ otherwise; weak order 1.
//!
//! A real mode of rate λ gets its stationary variance inflated by 1/(1 − hλ/2); the scheme is unstable at hλ ≥ 2 (complex
//! modes: h ≥ 2 Re λ/|λ|²), and refuses such a step. Spins, if any, take exact two-state steps (see `telegraph`).

use super::LANES;
use super::field::{Field, Stage};
use super::force::cubic;
use super::lone::{Columns, Lone};
use super::process::{Calculus, Process};
use super::real::Real;
use super::scheme::{Scheme, Setting, Stepper, no_jumps};
use super::stability;
use super::sweep::Sweep;
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
            return Ok(Box::new(TelegraphStepper::euler(process, setting)?));
        }
        let name = "euler-maruyama";
        no_jumps(name, process)?;
        Ok(Box::new(Walk(EulerMaruyamaStep::new(
            name, process, setting,
        )?)))
    }
}

/// Euler–Maruyama on the free nodes of a process.
#[derive(Clone, Debug)]
pub(super) struct EulerMaruyamaStep<R> {
    field: Field<R>,
    /// Where masses and noises do not couple rows.
    sweep: Option<Sweep<R>>,
    columns: Columns<R>,
}

impl<R: Real> EulerMaruyamaStep<R> {
    /// Prepares the continuous part of `process`, in the name of `scheme`.
    ///
    /// # Errors
    /// An unstable step; clamped nodes in a network with coupling capacitors (their charge is not modelled here).
    pub fn new(scheme: &str, process: &Process, setting: &Setting<'_>) -> Result<Self> {
        stability::check(process, setting, scheme, stability::euler)?;
        let field = Field::new(process, setting)?;
        let sweep = field.sweep(process);
        Ok(EulerMaruyamaStep {
            field,
            sweep,
            columns: Columns::default(),
        })
    }

    /// Constant forces that differ from chain to chain and from step to step: whoever asks for them writes `tile.drive`.
    #[must_use]
    pub fn driven(mut self) -> Self {
        if let Some(sweep) = &mut self.sweep {
            sweep.driven();
        }
        self
    }

    /// A step that draws its normals node by node, if it can: without noisy branches they are wanted once, in the nodes' order.
    #[inline(always)]
    pub fn draw_fused<const AVERAGED: bool>(&self, tile: &mut Tile<R>) -> bool {
        let in_order = self.field.noise_rows() == self.field.rows();
        let Some(sweep) = self.sweep.as_ref().filter(|_| in_order) else {
            return false;
        };
        self.prepare(tile);
        sweep.draw::<AVERAGED>(&self.field.normals, tile);
        true
    }

    /// Writes to `tile.force` what the step cannot take row by row.
    #[inline(always)]
    fn prepare(&self, tile: &mut Tile<R>) {
        let field = &self.field;
        match &self.sweep {
            Some(sweep) if !sweep.forced() => return,
            Some(_) => field.force.dense_part(&tile.spare, &mut tile.force),
            None => field.force.product(&tile.spare, &mut tile.force),
        }
        let (stage, calculus) = (Stage::of(tile, 0.0), Calculus::Ito);
        field.add_branches(&tile.held, &tile.spare, stage, calculus, &mut tile.force);
        if field.noise_rows() > field.rows() {
            let per_step = R::from_f64(1.0 / field.step());
            let (x, t) = (&tile.spare, tile.time);
            field.add_branch_kicks(&tile.held, x, t, per_step, &tile.noise, &mut tile.force);
        }
    }

    /// A step for coupled masses or noises, which need all rows at once; L x and the branches are in `tile.force`.
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

    fn begin(&self, tile: &mut Tile<R>) {
        if let Some(sweep) = &self.sweep {
            sweep.begin(tile);
        }
    }

    #[inline(always)]
    fn once(&self, tile: &mut Tile<R>) {
        self.prepare(tile);
        match &self.sweep {
            Some(sweep) => sweep.given(tile),
            None => self.move_coupled(tile),
        }
    }

    #[inline(always)]
    fn alone(&self, tile: &mut Tile<R>, steps: u64) -> bool {
        let field = &self.field;
        let Some(sweep) = self.sweep.as_ref().filter(|_| field.cells_only()) else {
            return false;
        };
        let lone = Lone {
            sweep,
            columns: &self.columns,
            dense: field.force.dense(),
            plan: &field.normals,
            free: &field.force.free,
        };
        let suits = lone.suits(tile);
        if suits {
            lone.advance(tile, steps);
        }
        suits
    }

    #[inline(always)]
    fn draw(&self, tile: &mut Tile<R>) {
        if !self.draw_fused::<false>(tile) {
            self.field.normals.fill(&mut tile.rng, &mut tile.noise);
            self.once(tile);
            self.field.clip(tile);
        }
    }
}
