//! Exact Ornstein–Uhlenbeck: x' = Φx + Ψf + Sξ with Φ = e^{−Ah}, Ψ = ∫₀ʰ e^{−As} ds, SSᵀ = ∫₀ʰ e^{−As} D e^{−Aᵀs} ds.
//!
//! No bias at any step; for linear processes only (any A, semi-definite D).

use super::LANES;
use super::force::row_entries;
use super::linear;
use super::process::{EnvelopeFactor, Mass, Process};
use super::real::Real;
use super::scheme::{Scheme, Setting, Stepper};
use super::simd::{Kernel, dispatch};
use super::tile::{NormalPlan, Row, Tile, reserve};
use crate::error::{Error, Result};
use nalgebra::DMatrix;

/// The scheme.
#[derive(Clone, Copy, Debug)]
pub struct ExactOrnsteinUhlenbeck;

impl<R: Real> Scheme<R> for ExactOrnsteinUhlenbeck {
    fn name(&self) -> &'static str {
        "ornstein-uhlenbeck"
    }

    fn describe(&self) -> &'static str {
        "exact for linear processes at any step; refuses nonlinear ones"
    }

    fn prepare(&self, process: &Process, setting: &Setting<'_>) -> Result<Box<dyn Stepper<R>>> {
        Ok(Box::new(OuStepper::new(process, setting)?))
    }
}

struct OuStepper<R> {
    free: Vec<usize>,
    phi: DMatrix<R>,
    sigma: DMatrix<R>,
    /// Per free row: response to the constant force and to the clamped nodes.
    offset: Vec<R>,
    clamped: Vec<Vec<(usize, R)>>,
    normals: NormalPlan,
}

impl<R: Real> OuStepper<R> {
    fn new(process: &Process, setting: &Setting<'_>) -> Result<Self> {
        let refuse =
            |value: &str, expected: &str| Err(Error::invalid("plan.scheme", value, expected));
        if process.levels.is_some() {
            return refuse(
                "\"ornstein-uhlenbeck\"",
                "a scheme that advances two-state elements: euler-maruyama",
            );
        }
        let Some(full) = linear::drift_matrix(process) else {
            return refuse(
                "\"ornstein-uhlenbeck\"",
                "a linear circuit, or the scheme euler-maruyama",
            );
        };
        if process.rails.is_some() {
            return refuse(
                "\"ornstein-uhlenbeck\"",
                "no rails (override them, or use euler-maruyama)",
            );
        }
        if !(setting.step > 0.0 && setting.step.is_finite()) {
            return Err(Error::invalid("plan.step", setting.step, "a positive time"));
        }
        let any_clamped = setting.clamped.contains(&true);
        if any_clamped && matches!(process.mass, Mass::Factor(_)) {
            return Err(Error::invalid(
                "clamp.nodes",
                "nodes of a network with coupling capacitors",
                "clamps only on nodes with grounded capacitors",
            ));
        }
        let free: Vec<usize> = (0..process.nodes)
            .filter(|&i| !setting.clamped[i])
            .collect();
        let n = free.len();
        let part = |m: &DMatrix<f64>| DMatrix::from_fn(n, n, |a, b| m[(free[a], free[b])]);
        let a = part(&full);
        let d = part(&linear::diffusion(process));
        let (phi, covariance) = linear::transition(&a, &d, setting.step);
        let psi = linear::forced_response(&a, setting.step);
        let constant = linear::constant_force(process);
        let drive = |from: &dyn Fn(usize) -> f64| -> Vec<f64> {
            (0..n)
                .map(|i| (0..n).map(|j| psi[(i, j)] * from(free[j])).sum())
                .collect()
        };
        let offset = drive(&|node| constant[node]);
        let mut clamped = vec![Vec::new(); n];
        for node in (0..process.nodes).filter(|&j| setting.clamped[j]) {
            let column = drive(&|i| {
                let entries = row_entries(&process.linear, i);
                entries.iter().find(|e| e.0 == node).map_or(0.0, |e| e.1)
            });
            for (row, value) in clamped.iter_mut().zip(column) {
                row.push((node, R::from_f64(value)));
            }
        }
        let lower: Vec<Vec<(usize, f64)>> = (0..n)
            .map(|i| (0..=i).map(|j| (j, covariance[(i, j)])).collect())
            .collect();
        let sigma = EnvelopeFactor::new(&lower, true)?.dense();
        let mask: Vec<bool> = setting.clamped.iter().map(|c| !c).collect();
        Ok(OuStepper {
            phi: phi.map(R::from_f64),
            sigma: sigma.map(R::from_f64),
            offset: offset.into_iter().map(R::from_f64).collect(),
            clamped,
            normals: NormalPlan::new::<R>(&mask),
            free,
        })
    }
}

struct Advance<'a, R> {
    stepper: &'a OuStepper<R>,
    tile: &'a mut Tile<R>,
    steps: u64,
}

impl<R: Real> Kernel for Advance<'_, R> {
    #[inline(always)]
    fn run(self) {
        let (stepper, tile) = (self.stepper, self.tile);
        let n = stepper.free.len();
        for _ in 0..self.steps {
            stepper.normals.fill(&mut tile.rng, &mut tile.noise);
            for i in 0..n {
                let mut sum: Row<R> = tile.drive[i];
                for j in 0..n {
                    let (phi, sigma) = (stepper.phi[(i, j)], stepper.sigma[(i, j)]);
                    for lane in 0..LANES {
                        let kicked = sigma.fma(tile.noise[j][lane], sum[lane]);
                        sum[lane] = phi.fma(tile.spare[j][lane], kicked);
                    }
                }
                tile.force[i] = sum;
            }
            std::mem::swap(&mut tile.force, &mut tile.spare);
        }
        for (row, &node) in stepper.free.iter().enumerate() {
            tile.x[node] = tile.spare[row];
        }
    }
}

impl<R: Real> Stepper<R> for OuStepper<R> {
    fn begin(&self, tile: &mut Tile<R>) {
        let n = self.free.len();
        reserve(&mut tile.drive, n);
        reserve(&mut tile.noise, n);
        reserve(&mut tile.force, n);
        reserve(&mut tile.spare, n);
        for row in 0..n {
            tile.spare[row] = tile.x[self.free[row]];
            tile.drive[row] = [self.offset[row]; LANES];
            for &(node, value) in &self.clamped[row] {
                for lane in 0..LANES {
                    tile.drive[row][lane] = value * tile.x[node][lane] + tile.drive[row][lane];
                }
            }
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
