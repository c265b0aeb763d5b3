//! Underdamped Langevin dynamics of an energy by BAOAB (arXiv 1203.5428).
//!
//! dx = v dt, dv = F dt − γv dt + √(2γ) dW with F = −∇E: half a kick, half a drift, the exact Ornstein–Uhlenbeck step
//! v ← cv + √(1 − c²) ξ with c = e^{−γh}, half a drift, half a kick; one force a step. The law of x is exact where E is
//! quadratic (the velocities' variance is then 1 − (hω)²/4), and of order h² beside a term that falls with γ otherwise.

use super::LANES;
use super::force::Force;
use super::metropolis::check_langevin;
use super::process::Process;
use super::real::Real;
use super::scheme::{Setting, Stepper};
use super::tile::{NormalPlan, Tile, end_row, reserve};
use crate::error::{Error, Result};
use crate::simd::{Kernel, dispatch};

/// BAOAB steps of an energy's Langevin equation with unit masses; velocities are remembered from step to step.
#[derive(Clone, Debug)]
pub struct UnderdampedStepper<R> {
    force: Force<R>,
    step: R,
    /// c.
    kept: R,
    /// √(1 − c²).
    amplitude: R,
    nodes: usize,
    normals: NormalPlan,
    all: NormalPlan,
}

impl<R: Real> UnderdampedStepper<R> {
    /// For the overdamped process dx = F dt + √2 dW of an energy, and a friction γ.
    ///
    /// # Errors
    /// A process with spins or a mass matrix, a step or friction that is not positive, or hω ≥ 2 where the largest curvature
    /// ω² is known.
    pub fn new(process: &Process, setting: &Setting<'_>, friction: f64) -> Result<Self> {
        check_langevin("baoab", process, setting.step)?;
        if !(friction > 0.0 && friction.is_finite()) {
            return Err(Error::invalid("friction", friction, "a positive number"));
        }
        if let Some(fastest) = setting.stiffness.map(f64::sqrt)
            && setting.step * fastest >= 2.0
        {
            return Err(Error::Unstable {
                scheme: "baoab".to_owned(),
                step: setting.step,
                limit: 2.0 / fastest,
                reason: format!("2 / w_max, w_max = {fastest:.4}"),
            });
        }
        let mask: Vec<bool> = setting.clamped.iter().map(|c| !c).collect();
        let exponent = -friction * setting.step;
        Ok(UnderdampedStepper {
            force: Force::new(process, setting.clamped),
            step: R::from_f64(setting.step),
            kept: R::from_f64(exponent.exp()),
            amplitude: R::from_f64((-(2.0 * exponent).exp_m1()).sqrt()),
            nodes: process.nodes,
            normals: NormalPlan::new::<R>(&mask, setting.normals),
            all: NormalPlan::new::<R>(&vec![true; process.nodes], setting.normals),
        })
    }
}

struct Advance<'a, R> {
    stepper: &'a UnderdampedStepper<R>,
    tile: &'a mut Tile<R>,
    steps: u64,
}

impl<R: Real> Kernel for Advance<'_, R> {
    #[inline(always)]
    fn run(self) {
        let (stepper, tile) = (self.stepper, self.tile);
        let force = &stepper.force;
        let half = R::from_f64(0.5) * stepper.step;
        let (kept, amplitude) = (stepper.kept, stepper.amplitude);
        let (x, v, f) = (&mut tile.spare[..], &mut tile.work[..], &mut tile.force[..]);
        force.evaluate(x, &tile.drive, f);
        for _ in 0..self.steps {
            stepper.normals.fill(&mut tile.rng, &mut tile.noise);
            for row in 0..x.len() {
                let (x, v, f, noise) = (&mut x[row], &mut v[row], &f[row], &tile.noise[row]);
                for lane in 0..LANES {
                    let pushed = half.fma(f[lane], v[lane]);
                    let middle = half.fma(pushed, x[lane]);
                    v[lane] = kept.fma(pushed, amplitude * noise[lane]);
                    x[lane] = half.fma(v[lane], middle);
                }
                end_row();
            }
            force.evaluate(x, &tile.drive, f);
            for (v, f) in v.iter_mut().zip(&*f) {
                for lane in 0..LANES {
                    v[lane] = half.fma(f[lane], v[lane]);
                }
                end_row();
            }
        }
        for (row, &node) in force.free.iter().enumerate() {
            tile.x[node] = x[row];
            tile.memory[node] = v[row];
        }
    }
}

impl<R: Real> Stepper<R> for UnderdampedStepper<R> {
    /// Velocities go on from phase to phase; the first step of a run draws them.
    fn begin(&self, tile: &mut Tile<R>) {
        self.force.begin(tile);
        let n = self.force.free.len();
        if tile.memory.len() != self.nodes {
            reserve(&mut tile.memory, self.nodes);
            self.all.fill(&mut tile.rng, &mut tile.memory);
        }
        reserve(&mut tile.noise, n);
        reserve(&mut tile.force, n);
        reserve(&mut tile.spare, n);
        reserve(&mut tile.work, n);
    }

    fn advance(&self, tile: &mut Tile<R>, steps: u64) {
        for (row, &node) in self.force.free.iter().enumerate() {
            tile.spare[row] = tile.x[node];
            tile.work[row] = tile.memory[node];
        }
        dispatch(Advance {
            stepper: self,
            tile,
            steps,
        });
    }
}
