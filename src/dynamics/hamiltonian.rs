//! Hamiltonian Monte Carlo on a process that is an energy's Langevin equation.
//!
//! Momenta p ~ N(0, σ⁻²) are drawn anew, H = E(x) + ½ Σ σ²p² is followed for L leapfrog steps, and the end is accepted with
//! probability min(1, e^{−ΔH}): exact for any step (Neal, arXiv 1206.1901). Kernels work with w = σp, so that a node's
//! length σ multiplies its force and its velocity. Each chain's step is h(1 + j(2u − 1)), drawn anew every time: the length
//! of a trajectory varies by the share j, and no period of the energy can be hit for ever.

use super::LANES;
use super::force::Force;
use super::metropolis::{check_langevin, free_lengths, keep_accepted};
use super::process::Process;
use super::real::Real;
use super::scheme::{Setting, Stepper};
use super::tile::{NormalPlan, Row, Tile, end_row, reserve, uniform_words};
use crate::error::{Error, Result};
use crate::simd::{Kernel, dispatch};

/// Trajectories of fixed length, up to the jitter.
#[derive(Clone, Debug)]
pub struct HamiltonianStepper<R> {
    force: Force<R>,
    step: R,
    leapfrogs: u32,
    jitter: R,
    /// σ of each free row.
    lengths: Vec<R>,
    normals: NormalPlan,
}

impl<R: Real> HamiltonianStepper<R> {
    /// Trajectories of `leapfrogs` leapfrog steps of `setting.step` (1 + `jitter` (2u − 1)).
    ///
    /// # Errors
    /// A process with spins or a mass matrix, a step that is not positive, no leapfrog steps, or a jitter outside [0, 1).
    pub fn new(
        process: &Process,
        setting: &Setting<'_>,
        leapfrogs: u32,
        jitter: f64,
    ) -> Result<Self> {
        check_langevin("hmc", process, setting.step)?;
        if leapfrogs == 0 {
            return Err(Error::invalid("leapfrogs", leapfrogs, "at least 1"));
        }
        if !(0.0..1.0).contains(&jitter) {
            let expected = "a number of at least 0 and below 1";
            return Err(Error::invalid("jitter", jitter, expected));
        }
        let mask: Vec<bool> = setting.clamped.iter().map(|c| !c).collect();
        let force = Force::new(process, setting.clamped);
        Ok(HamiltonianStepper {
            lengths: vec![R::ONE; force.free.len()],
            force,
            step: R::from_f64(setting.step),
            leapfrogs,
            jitter: R::from_f64(jitter),
            normals: NormalPlan::new::<R>(&mask, setting.normals),
        })
    }

    /// With a length σ for each node of the process.
    ///
    /// # Errors
    /// Another number of lengths, or one that is not positive.
    pub fn with_lengths(mut self, lengths: &[f64]) -> Result<Self> {
        self.lengths = free_lengths(lengths, self.normals.nodes(), &self.force.free)?;
        Ok(self)
    }
}

/// to ← to + factor h σ · from.
#[inline(always)]
fn push<R: Real>(factor: R, h: &Row<R>, lengths: &[R], from: &[Row<R>], to: &mut [Row<R>]) {
    for row in 0..to.len() {
        let (length, from, to) = (factor * lengths[row], &from[row], &mut to[row]);
        for lane in 0..LANES {
            to[lane] = (h[lane] * length).fma(from[lane], to[lane]);
        }
        end_row();
    }
}

/// ½|w|².
#[inline(always)]
fn kinetic<R: Real>(w: &[Row<R>]) -> Row<R> {
    let half = R::from_f64(0.5);
    let mut sum = Row::splat(R::ZERO);
    for w in w {
        for lane in 0..LANES {
            sum[lane] = (half * w[lane]).fma(w[lane], sum[lane]);
        }
        end_row();
    }
    sum
}

struct Advance<'a, R> {
    stepper: &'a HamiltonianStepper<R>,
    tile: &'a mut Tile<R>,
    steps: u64,
}

impl<R: Real> Kernel for Advance<'_, R> {
    #[inline(always)]
    fn run(self) {
        let (stepper, tile) = (self.stepper, self.tile);
        let (force, lengths) = (&stepper.force, &stepper.lengths[..]);
        let n = force.free.len();
        let (one, two, half) = (R::ONE, R::ONE + R::ONE, R::from_f64(0.5));
        // Rows 0..n of `spare` hold x, n..2n the end of the trajectory; `force` likewise.
        let (x, y) = tile.spare.split_at_mut(n);
        let (fx, fy) = tile.force.split_at_mut(n);
        force.evaluate(x, &tile.drive, fx);
        let mut energy = force.energy(x, &tile.drive, fx);
        let (mut lengthen, mut decide) = ([[0u32; LANES]; 2], [[0u32; LANES]; 2]);
        for _ in 0..self.steps {
            let w = &mut tile.noise[..];
            stepper.normals.fill(&mut tile.rng, w);
            uniform_words::<R>(&mut tile.rng, &mut lengthen);
            uniform_words::<R>(&mut tile.rng, &mut decide);
            let mut h = Row::splat(R::ZERO);
            for lane in 0..LANES {
                let u = R::uniform([lengthen[0][lane], lengthen[1][lane]]);
                h[lane] = stepper.step * stepper.jitter.fma(two * u - one, one);
            }
            let before = kinetic(w);
            y.copy_from_slice(x);
            push(half, &h, lengths, fx, w);
            for k in 0..stepper.leapfrogs {
                push(one, &h, lengths, w, y);
                force.evaluate(y, &tile.drive, fy);
                let last = k + 1 == stepper.leapfrogs;
                push(if last { half } else { one }, &h, lengths, fy, w);
            }
            let proposed = force.energy(y, &tile.drive, fy);
            let after = kinetic(w);
            let mut accept = Row::splat(R::ZERO);
            for lane in 0..LANES {
                let a = energy[lane] - proposed[lane] + before[lane] - after[lane];
                let u = R::uniform([decide[0][lane], decide[1][lane]]);
                // A NaN (the trajectory overflowed) compares false and is rejected.
                if u.ln() < a {
                    accept[lane] = one;
                    energy[lane] = proposed[lane];
                    tile.accepted += u64::from(lane < tile.lanes);
                }
            }
            keep_accepted(&accept, y, x);
            keep_accepted(&accept, fy, fx);
        }
        for (row, &node) in force.free.iter().enumerate() {
            tile.x[node] = x[row];
        }
    }
}

impl<R: Real> Stepper<R> for HamiltonianStepper<R> {
    fn begin(&self, tile: &mut Tile<R>) {
        self.force.begin(tile);
        let n = self.force.free.len();
        reserve(&mut tile.noise, n);
        reserve(&mut tile.force, 2 * n);
        reserve(&mut tile.spare, 2 * n);
        for (row, &node) in self.force.free.iter().enumerate() {
            tile.spare[row] = tile.x[node];
        }
    }

    fn advance(&self, tile: &mut Tile<R>, steps: u64) {
        dispatch(Advance {
            stepper: self,
            tile,
            steps,
        });
    }
}
