//! Euler–Maruyama: M (x' − x) = h F(x) + √h S ξ. Itô; strong order 1 and weak order 1 for additive noise.
//!
//! A real mode of rate λ gets its stationary variance inflated by 1/(1 − hλ/2); the scheme is unstable at hλ ≥ 2 (complex
//! modes: h ≥ 2 Re λ/|λ|²), and refuses such a step. Spins, if any, take exact two-state steps (see `telegraph`).

use super::LANES;
use super::force::{Force, cubic};
use super::linear;
use super::process::{EnvelopeFactor, Mass, Noise, Process};
use super::real::Real;
use super::scheme::{Scheme, Setting, Stepper};
use super::simd::{Kernel, dispatch};
use super::telegraph::TelegraphStepper;
use super::tile::{NormalPlan, Row, Tile, end_row, reserve};
use crate::error::{Error, Result};

/// The scheme.
#[derive(Clone, Copy, Debug)]
pub struct EulerMaruyama;

impl<R: Real> Scheme<R> for EulerMaruyama {
    fn name(&self) -> &'static str {
        "euler-maruyama"
    }

    fn describe(&self) -> &'static str {
        "Ito, strong and weak order 1; variance of a mode of rate l inflated by 1/(1 - h l/2)"
    }

    fn prepare(&self, process: &Process, setting: &Setting<'_>) -> Result<Box<dyn Stepper<R>>> {
        if process.levels.is_some() {
            return Ok(Box::new(TelegraphStepper::new(process, setting)?));
        }
        Ok(Box::new(EulerMaruyamaStepper::new(process, setting)?))
    }
}

/// Refuses `step` beyond the stability limit of the process.
pub fn check_stability(process: &Process, setting: &Setting<'_>) -> Result<()> {
    if !(setting.step > 0.0 && setting.step.is_finite()) {
        return Err(Error::invalid("plan.step", setting.step, "a positive time"));
    }
    let (limit, reason) = match setting.stiffness {
        Some(stiffness) => (
            2.0 / stiffness,
            format!("2 / lambda_max, lambda_max = {stiffness:.4}"),
        ),
        None => match linear::drift_matrix(process) {
            Some(a) => (
                linear::em_stability_limit(&a),
                "min over modes of 2 Re(l)/|l|^2".to_owned(),
            ),
            None => return Ok(()),
        },
    };
    if setting.step >= limit {
        return Err(Error::Unstable {
            scheme: "euler-maruyama".to_owned(),
            step: setting.step,
            limit,
            reason,
        });
    }
    Ok(())
}

/// A lower-triangular factor in the engine's type.
#[derive(Clone, Debug)]
struct Triangle<R> {
    first: Vec<usize>,
    rows: Vec<Vec<R>>,
}

impl<R: Real> Triangle<R> {
    fn new(factor: &EnvelopeFactor, scale: f64) -> Self {
        let convert = |row: &Vec<f64>| row.iter().map(|v| R::from_f64(v * scale)).collect();
        Triangle {
            first: factor.first.clone(),
            rows: factor.rows.iter().map(convert).collect(),
        }
    }

    /// x ← L x.
    #[inline(always)]
    fn multiply(&self, x: &mut [Row<R>]) {
        for i in (0..self.rows.len()).rev() {
            let mut sum = [R::ZERO; LANES];
            for (k, &value) in self.rows[i].iter().enumerate() {
                let other = &x[self.first[i] + k];
                for lane in 0..LANES {
                    sum[lane] = value.fma(other[lane], sum[lane]);
                }
            }
            x[i] = sum;
        }
    }

    /// x ← (L Lᵀ)⁻¹ x by forward and back substitution.
    #[inline(always)]
    fn solve(&self, x: &mut [Row<R>]) {
        let n = self.rows.len();
        for i in 0..n {
            let mut sum = x[i];
            let last = self.rows[i].len() - 1;
            for (k, &value) in self.rows[i][..last].iter().enumerate() {
                let other = &x[self.first[i] + k];
                for lane in 0..LANES {
                    sum[lane] = (-value).fma(other[lane], sum[lane]);
                }
            }
            let pivot = R::ONE / self.rows[i][last];
            x[i] = sum.map(|v| v * pivot);
        }
        for i in (0..n).rev() {
            let last = self.rows[i].len() - 1;
            let pivot = R::ONE / self.rows[i][last];
            let solved = x[i].map(|v| v * pivot);
            x[i] = solved;
            for (k, &value) in self.rows[i][..last].iter().enumerate() {
                let other = &mut x[self.first[i] + k];
                for lane in 0..LANES {
                    other[lane] = (-value).fma(solved[lane], other[lane]);
                }
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Amplitude<R> {
    Diagonal(Vec<R>),
    Factor(Triangle<R>),
}

/// Euler–Maruyama on the free nodes of a process.
#[derive(Clone, Debug)]
pub struct EulerMaruyamaStepper<R> {
    force: Force<R>,
    step: R,
    amplitude: Amplitude<R>,
    mass: Option<Triangle<R>>,
    rails: Option<Vec<R>>,
    normals: NormalPlan,
}

impl<R: Real> EulerMaruyamaStepper<R> {
    /// Prepares the continuous part of `process`.
    ///
    /// # Errors
    /// An unstable step; clamped nodes in a network with coupling capacitors (their charge is not modelled here).
    pub fn new(process: &Process, setting: &Setting<'_>) -> Result<Self> {
        check_stability(process, setting)?;
        let root = setting.step.sqrt();
        let any_clamped = setting.clamped.contains(&true);
        let coupled =
            matches!(process.mass, Mass::Factor(_)) || matches!(process.noise, Noise::Factor(_));
        if any_clamped && coupled {
            return Err(Error::invalid(
                "clamp.nodes",
                "nodes of a network with coupling capacitors or floating noise",
                "clamps only on nodes with grounded capacitors and their own noise",
            ));
        }
        let force = Force::new(process, setting.clamped);
        let free = force.free.clone();
        let mask: Vec<bool> = setting.clamped.iter().map(|c| !c).collect();
        let pick = |values: &[f64], scale: f64| {
            free.iter()
                .map(|&i| R::from_f64(values[i] * scale))
                .collect()
        };
        Ok(EulerMaruyamaStepper {
            step: R::from_f64(setting.step),
            amplitude: match &process.noise {
                Noise::Diagonal(sigma) => Amplitude::Diagonal(pick(sigma, root)),
                Noise::Factor(factor) => Amplitude::Factor(Triangle::new(factor, root)),
            },
            mass: match &process.mass {
                Mass::Identity => None,
                Mass::Factor(factor) => Some(Triangle::new(factor, 1.0)),
            },
            rails: process.rails.as_ref().map(|rails| pick(rails, 1.0)),
            normals: NormalPlan::new::<R>(&mask),
            force,
        })
    }

    /// Constant force on free row `row`, for schemes that add to the drive.
    #[inline(always)]
    pub(super) fn constant(&self, row: usize) -> R {
        self.force.constant(row)
    }

    /// Packs the free rows into `tile.spare` and computes the drive.
    pub(super) fn begin_tile(&self, tile: &mut Tile<R>) {
        self.force.begin(tile);
        reserve(&mut tile.noise, self.force.free.len());
        reserve(&mut tile.force, self.force.free.len());
        reserve(&mut tile.spare, self.force.free.len());
        for (row, &node) in self.force.free.iter().enumerate() {
            tile.spare[row] = tile.x[node];
        }
    }

    /// Copies the packed free rows back to the tile's nodes.
    #[inline(always)]
    pub(super) fn store(&self, tile: &mut Tile<R>) {
        for (row, &node) in self.force.free.iter().enumerate() {
            tile.x[node] = tile.spare[row];
        }
    }

    /// One step of the packed free rows in `tile.spare`.
    #[inline(always)]
    pub(super) fn step_once(&self, tile: &mut Tile<R>) {
        self.normals.fill(&mut tile.rng, &mut tile.noise);
        self.force.product(&tile.spare, &mut tile.force);
        match (&self.amplitude, &self.mass) {
            (Amplitude::Diagonal(sigma), None) => self.move_rows(
                sigma,
                &tile.noise,
                &tile.force,
                &tile.drive,
                &mut tile.spare,
            ),
            _ => self.move_coupled(tile),
        }
        if let Some(rails) = &self.rails {
            let clipped = clip(rails, &mut tile.spare);
            tile.clipped += clipped[..tile.lanes]
                .iter()
                .map(|&c| u64::from(c))
                .sum::<u64>();
        }
    }

    /// x ← x + h F + √h σ ξ, with L x already in `product`: unit mass, own noise on every node.
    #[inline(always)]
    fn move_rows(
        &self,
        sigma: &[R],
        noise: &[Row<R>],
        product: &[Row<R>],
        drive: &[Row<R>],
        x: &mut [Row<R>],
    ) {
        for row in 0..x.len() {
            let (c, sigma) = (self.force.cubic(row), sigma[row]);
            let (noise, product, drive, x) = (&noise[row], &product[row], &drive[row], &mut x[row]);
            for lane in 0..LANES {
                let force = cubic(c, x[lane], product[lane] + drive[lane]);
                x[lane] = x[lane] + self.step.fma(force, sigma * noise[lane]);
            }
            end_row();
        }
    }

    /// The same for coupled masses or noises, which need all rows at once.
    #[inline(always)]
    fn move_coupled(&self, tile: &mut Tile<R>) {
        match &self.amplitude {
            Amplitude::Diagonal(sigma) => {
                for (noise, &sigma) in tile.noise.iter_mut().zip(sigma) {
                    *noise = noise.map(|v| sigma * v);
                }
            }
            Amplitude::Factor(factor) => factor.multiply(&mut tile.noise),
        }
        for row in 0..tile.spare.len() {
            let (c, x, noise) = (self.force.cubic(row), &tile.spare[row], &tile.noise[row]);
            let (drive, change) = (&tile.drive[row], &mut tile.force[row]);
            for lane in 0..LANES {
                let force = cubic(c, x[lane], change[lane] + drive[lane]);
                change[lane] = self.step.fma(force, noise[lane]);
            }
        }
        if let Some(mass) = &self.mass {
            mass.solve(&mut tile.force);
        }
        for (x, change) in tile.spare.iter_mut().zip(&tile.force) {
            for lane in 0..LANES {
                x[lane] = x[lane] + change[lane];
            }
        }
    }
}

/// Limits every row to its rail; returns how many were beyond it, per lane.
#[inline(always)]
fn clip<R: Real>(rails: &[R], x: &mut [Row<R>]) -> [u32; LANES] {
    let mut clipped = [0u32; LANES];
    for (x, &rail) in x.iter_mut().zip(rails) {
        for lane in 0..LANES {
            let limited = x[lane].clamp_abs(rail);
            clipped[lane] += u32::from(limited != x[lane]);
            x[lane] = limited;
        }
        end_row();
    }
    clipped
}

struct Advance<'a, R> {
    stepper: &'a EulerMaruyamaStepper<R>,
    tile: &'a mut Tile<R>,
    steps: u64,
}

impl<R: Real> Kernel for Advance<'_, R> {
    #[inline(always)]
    fn run(self) {
        for _ in 0..self.steps {
            self.stepper.step_once(self.tile);
        }
        self.stepper.store(self.tile);
    }
}

impl<R: Real> Stepper<R> for EulerMaruyamaStepper<R> {
    fn begin(&self, tile: &mut Tile<R>) {
        self.begin_tile(tile);
    }

    fn advance(&self, tile: &mut Tile<R>, steps: u64) {
        dispatch(Advance {
            stepper: self,
            tile,
            steps,
        });
    }
}
