//! The Metropolis-adjusted Langevin algorithm, and random-walk Metropolis, on a process that is an energy's Langevin equation.
//!
//! dx = F dt + √2 dW with F = −∇E (symmetric L, unit mass, S = √2). Proposal y = x + hσ²F(x) + √(2h) σ ξ, accepted with
//! probability min(1, e^a), a = E(x) − E(y) + ½|ξ|² − |(x − y − hσ²F(y))/σ|²/(4h), with a length σ_i for each node (1 without
//! preconditioning). Exact for any h and σ (Roberts & Tweedie 1996). The random walk leaves F out: a = E(x) − E(y).

use super::LANES;
use super::force::Force;
use super::process::{Mass, Process};
use super::real::Real;
use super::scheme::{Setting, Stepper};
use super::tile::{NormalPlan, Row, Tile, end_row, reserve, uniform_words};
use crate::error::{Error, Result};
use crate::simd::{Kernel, dispatch};

/// MALA steps, or those of a random walk.
#[derive(Clone, Debug)]
pub struct MetropolisStepper<R> {
    force: Force<R>,
    step: R,
    /// σ of each free row.
    lengths: Vec<R>,
    drifts: bool,
    normals: NormalPlan,
}

/// Refuses what is not an energy's Langevin equation, and a step that is none.
pub(super) fn check_langevin(name: &str, process: &Process, step: f64) -> Result<()> {
    if process.levels.is_some() || !matches!(process.mass, Mass::Identity) {
        let expected = "an energy of real variables";
        return Err(Error::invalid("sampler", format!("\"{name}\""), expected));
    }
    if !(step > 0.0 && step.is_finite()) {
        return Err(Error::invalid("step", step, "a positive number"));
    }
    Ok(())
}

/// The lengths of the free rows from those of all nodes.
///
/// # Errors
/// Another number of them, or one that is not positive.
pub(super) fn free_lengths<R: Real>(
    lengths: &[f64],
    nodes: usize,
    free: &[usize],
) -> Result<Vec<R>> {
    if lengths.len() != nodes {
        let expected = format!("{nodes} lengths, one per node");
        return Err(Error::invalid("lengths", lengths.len(), expected));
    }
    if let Some(length) = lengths.iter().find(|l| !(**l > 0.0 && l.is_finite())) {
        return Err(Error::invalid("lengths", length, "positive numbers"));
    }
    Ok(free.iter().map(|&i| R::from_f64(lengths[i])).collect())
}

impl<R: Real> MetropolisStepper<R> {
    /// Prepares MALA for `process`.
    ///
    /// # Errors
    /// A process with spins or a mass matrix, or a step that is not positive.
    pub fn new(process: &Process, setting: &Setting<'_>) -> Result<Self> {
        check_langevin("mala", process, setting.step)?;
        let mask: Vec<bool> = setting.clamped.iter().map(|c| !c).collect();
        let force = Force::new(process, setting.clamped);
        Ok(MetropolisStepper {
            lengths: vec![R::ONE; force.free.len()],
            force,
            step: R::from_f64(setting.step),
            drifts: true,
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

    /// Random-walk Metropolis: the same proposals without the force.
    #[must_use]
    pub fn without_drift(mut self) -> Self {
        self.drifts = false;
        self
    }
}

/// y = x + hσ²F(x) + √(2h) σ ξ; returns ½|ξ|².
#[inline(always)]
fn propose<R: Real>(
    h: R,
    lengths: &[R],
    x: &[Row<R>],
    force: &[Row<R>],
    noise: &[Row<R>],
    y: &mut [Row<R>],
) -> Row<R> {
    let (amplitude, half) = ((h + h).sqrt(), R::from_f64(0.5));
    let mut sum = Row::splat(R::ZERO);
    for row in 0..y.len() {
        let (x, force, noise, y) = (&x[row], &force[row], &noise[row], &mut y[row]);
        let length = lengths[row];
        let (h, amplitude) = (h * (length * length), amplitude * length);
        for lane in 0..LANES {
            y[lane] = h.fma(force[lane], amplitude.fma(noise[lane], x[lane]));
            sum[lane] = (half * noise[lane]).fma(noise[lane], sum[lane]);
        }
        end_row();
    }
    sum
}

/// y = x + √(2h) σ ξ.
#[inline(always)]
fn wander<R: Real>(h: R, lengths: &[R], x: &[Row<R>], noise: &[Row<R>], y: &mut [Row<R>]) {
    let amplitude = (h + h).sqrt();
    for row in 0..y.len() {
        let amplitude = amplitude * lengths[row];
        let (x, noise, y) = (&x[row], &noise[row], &mut y[row]);
        for lane in 0..LANES {
            y[lane] = amplitude.fma(noise[lane], x[lane]);
        }
        end_row();
    }
}

/// |(x − y − hσ²F(y))/σ|²/(4h): minus the logarithm of the density of proposing x from y.
#[inline(always)]
fn return_cost<R: Real>(
    h: R,
    lengths: &[R],
    x: &[Row<R>],
    y: &[Row<R>],
    force: &[Row<R>],
) -> Row<R> {
    let mut sum = Row::splat(R::ZERO);
    for row in 0..y.len() {
        let (x, y, force) = (&x[row], &y[row], &force[row]);
        let h = h * (lengths[row] * lengths[row]);
        let quarter = R::from_f64(0.25) / h;
        for lane in 0..LANES {
            let back = x[lane] - h.fma(force[lane], y[lane]);
            sum[lane] = (quarter * back).fma(back, sum[lane]);
        }
        end_row();
    }
    sum
}

/// x ← y in the lanes where `accept` is not zero.
#[inline(always)]
pub(super) fn keep_accepted<R: Real>(accept: &Row<R>, y: &[Row<R>], x: &mut [Row<R>]) {
    for (x, y) in x.iter_mut().zip(y) {
        for lane in 0..LANES {
            let taken = accept[lane] != R::ZERO;
            x[lane] = if taken { y[lane] } else { x[lane] };
        }
        end_row();
    }
}

struct Advance<'a, R> {
    stepper: &'a MetropolisStepper<R>,
    tile: &'a mut Tile<R>,
    steps: u64,
}

impl<R: Real> Kernel for Advance<'_, R> {
    #[inline(always)]
    fn run(self) {
        let (stepper, tile) = (self.stepper, self.tile);
        let Force { free, .. } = &stepper.force;
        let n = free.len();
        let h = stepper.step;
        // Rows 0..n of `spare` hold x, n..2n the proposal; `force` likewise.
        let (x, y) = tile.spare.split_at_mut(n);
        let (fx, fy) = tile.force.split_at_mut(n);
        stepper.force.evaluate(x, &tile.drive, fx);
        let mut energy = stepper.force.energy(x, &tile.drive, fx);
        let mut words = [[0u32; LANES]; 2];
        for _ in 0..self.steps {
            stepper.normals.fill(&mut tile.rng, &mut tile.noise);
            uniform_words::<R>(&mut tile.rng, &mut words);
            let (mut forward, mut backward) = (Row::splat(R::ZERO), Row::splat(R::ZERO));
            if stepper.drifts {
                forward = propose(h, &stepper.lengths, x, fx, &tile.noise, y);
            } else {
                wander(h, &stepper.lengths, x, &tile.noise, y);
            }
            stepper.force.evaluate(y, &tile.drive, fy);
            let proposed = stepper.force.energy(y, &tile.drive, fy);
            if stepper.drifts {
                backward = return_cost(h, &stepper.lengths, x, y, fy);
            }
            let mut accept = Row::splat(R::ZERO);
            for lane in 0..LANES {
                let a = forward[lane] - backward[lane] + energy[lane] - proposed[lane];
                let u = R::uniform([words[0][lane], words[1][lane]]);
                // A NaN ratio (the proposal overflowed) compares false and is rejected.
                if u.ln() < a {
                    accept[lane] = R::ONE;
                    energy[lane] = proposed[lane];
                    tile.accepted += u64::from(lane < tile.lanes);
                }
            }
            keep_accepted(&accept, y, x);
            keep_accepted(&accept, fy, fx);
        }
        for (row, &node) in free.iter().enumerate() {
            tile.x[node] = x[row];
        }
    }
}

impl<R: Real> Stepper<R> for MetropolisStepper<R> {
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
