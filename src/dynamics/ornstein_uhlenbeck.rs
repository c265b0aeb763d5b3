//! Exact Ornstein–Uhlenbeck: x' = Φx + Ψf + Σξ with Φ = e^{−Ah}, Ψ = ∫₀ʰ e^{−As} ds, ΣΣᵀ = ∫₀ʰ e^{−As} D e^{−Aᵀs} ds.
//!
//! No bias at any step; for linear processes with constant forces only (any A, semi-definite D).

use super::LANES;
use super::field::{Field, Stage};
use super::linear;
use super::process::{Clocking, LevelInput, Linear, Process};
use super::propagator::Propagator;
use super::real::Real;
use super::scheme::{Scheme, Setting, Stepper, no_jumps, no_levels};
use super::telegraph::TelegraphStepper;
use super::tile::{Tile, reserve};
use super::walk::{OneStep, Walk};
use crate::error::{Error, Result};
use nalgebra::DMatrix;

/// The scheme.
#[derive(Clone, Copy, Debug)]
pub struct ExactOrnsteinUhlenbeck;

const NAME: &str = "ornstein-uhlenbeck";

impl<R: Real> Scheme<R> for ExactOrnsteinUhlenbeck {
    fn name(&self) -> &'static str {
        NAME
    }

    fn describe(&self) -> &'static str {
        "exact for linear processes at any step, two-state elements apart from them included; refuses nonlinear ones"
    }

    fn prepare(&self, process: &Process, setting: &Setting<'_>) -> Result<Box<dyn Stepper<R>>> {
        no_jumps(NAME, process)?;
        match &process.levels {
            // Two-state elements that the nodes neither feed nor feel run exactly beside them.
            Some(levels) if levels.clocking == Clocking::Free && is_apart(&levels.input) => {
                let nodes = |setting: &Setting<'_>| OuStep::new(process, setting);
                Ok(Box::new(TelegraphStepper::new(process, setting, nodes)?))
            }
            _ => {
                no_levels(NAME, process)?;
                Ok(Box::new(Walk(OuStep::new(process, setting)?)))
            }
        }
    }
}

/// Whether spins and nodes do not see each other.
fn is_apart(input: &LevelInput) -> bool {
    let LevelInput::Node { input, drive, .. } = input else {
        return false;
    };
    let nothing = match drive {
        Linear::Dense(matrix) => matrix.iter().all(|v| *v == 0.0),
        Linear::Sparse(rows) => rows.iter().all(Vec::is_empty),
    };
    nothing && input.iter().all(Vec::is_empty)
}

struct OuStep<R> {
    field: Field<R>,
    propagator: Propagator<R>,
    psi: DMatrix<R>,
}

impl<R: Real> OuStep<R> {
    fn new(process: &Process, setting: &Setting<'_>) -> Result<Self> {
        let refuse = |expected: &str| {
            let value = format!("\"{NAME}\"");
            Err(Error::invalid("plan.scheme", value, expected))
        };
        let Some(full) = linear::drift_matrix(process) else {
            return refuse("a linear circuit, or the scheme euler-maruyama");
        };
        if process
            .drives
            .iter()
            .any(|d| !process.waves[d.wave].is_constant())
        {
            return refuse("sources that do not change in time, or another scheme");
        }
        if process.rails.is_some() {
            return refuse("no rails (override them, or use euler-maruyama)");
        }
        let field = Field::new(process, setting)?;
        let free = &field.force.free;
        let n = free.len();
        let part = |m: &DMatrix<f64>| DMatrix::from_fn(n, n, |a, b| m[(free[a], free[b])]);
        let a = part(&full);
        let d = part(&linear::diffusion(process));
        Ok(OuStep {
            propagator: Propagator::new(&a, &d, setting.step)?,
            psi: linear::forced_response(&a, setting.step).map(R::from_f64),
            field,
        })
    }
}

impl<R: Real> OneStep<R> for OuStep<R> {
    fn field(&self) -> &Field<R> {
        &self.field
    }

    /// The response to the constant forces, the same at every step of a phase.
    fn begin(&self, tile: &mut Tile<R>) {
        let n = self.field.rows();
        let mut force = tile.drive.clone();
        let start = Stage {
            start: 0.0,
            now: 0.0,
        };
        self.field.add_drives(start, &mut force);
        self.field.solve(&mut force);
        reserve(&mut tile.work, n);
        for i in 0..n {
            for j in 0..n {
                for lane in 0..LANES {
                    tile.work[i][lane] = self.psi[(i, j)].fma(force[j][lane], tile.work[i][lane]);
                }
            }
        }
    }

    #[inline(always)]
    fn once(&self, tile: &mut Tile<R>) {
        self.propagator
            .apply(&tile.spare, &tile.noise, &tile.work, &mut tile.force);
        std::mem::swap(&mut tile.force, &mut tile.spare);
    }
}
