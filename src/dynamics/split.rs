//! Splitting schemes: Strang (exact linear part between two halves of the rest) and BAOAB (inertial).

use super::explicit::add;
use super::field::{Field, Stage};
use super::force::row_entries;
use super::linear;
use super::process::{Calculus, Linear, Mass, Noise, Process};
use super::propagator::Propagator;
use super::real::Real;
use super::scheme::{Scheme, Setting, Stepper, additive_only, no_jumps, no_levels};
use super::tile::{Tile, reserve};
use super::walk::{OneStep, Walk};
use crate::error::{Error, Result};
use nalgebra::DMatrix;

/// Half a step of the nonlinear forces by the midpoint rule, a whole exact Ornstein–Uhlenbeck step of the linear part and
/// the noise, and half a step again.
#[derive(Clone, Copy, Debug)]
pub struct Strang;

/// The process without the couplings among `rows` and without their linear cell terms.
fn without_linear(process: &Process, rows: &[usize]) -> Process {
    let mut rest = process.clone();
    let member = |i: usize| rows.binary_search(&i).is_ok();
    rest.linear = Linear::Sparse(
        (0..process.nodes)
            .map(|i| {
                let mut entries = row_entries(&process.linear, i);
                entries.retain(|&(j, _)| !(member(i) && member(j)));
                entries
            })
            .collect(),
    );
    if let Some(slope) = rest.polynomial.get_mut(1) {
        for &i in rows {
            if let Some(value) = slope.get_mut(i) {
                *value = 0.0;
            }
        }
    }
    rest
}

fn block(m: &DMatrix<f64>, rows: &[usize], columns: &[usize]) -> DMatrix<f64> {
    DMatrix::from_fn(rows.len(), columns.len(), |a, b| m[(rows[a], columns[b])])
}

/// The process with its linear and noise terms alone.
fn only_linear(process: &Process) -> Process {
    Process {
        polynomial: process.polynomial.iter().take(2).cloned().collect(),
        linear: process.linear.clone(),
        mass: process.mass.clone(),
        noise: process.noise.clone(),
        branches: Vec::new(),
        ..Process::still(process.nodes)
    }
}

impl<R: Real> Scheme<R> for Strang {
    fn name(&self) -> &'static str {
        "strang"
    }

    fn describe(&self) -> &'static str {
        "additive noise only; weak order 2, exact for linear processes, no limit from stiff linear parts"
    }

    fn prepare(&self, process: &Process, setting: &Setting<'_>) -> Result<Box<dyn Stepper<R>>> {
        no_levels("strang", process)?;
        no_jumps("strang", process)?;
        let free: Vec<usize> = (0..process.nodes)
            .filter(|&i| !setting.clamped[i])
            .collect();
        let field = Field::new(&without_linear(process, &free), setting)?;
        additive_only("strang", &field)?;
        if process.branches.iter().any(|b| b.noise.is_some()) {
            let expected = "noise that belongs to nodes, or another scheme";
            return Err(Error::invalid("plan.scheme", "\"strang\"", expected));
        }
        let linear = only_linear(process);
        let zero = vec![0.0; process.nodes];
        let a = block(&linear::linearised(&linear, &zero), &free, &free);
        let d = block(&linear::diffusion(&linear), &free, &free);
        Ok(Box::new(Walk(StrangStep {
            propagator: Propagator::new(&a, &d, setting.step)?,
            field,
        })))
    }
}

struct StrangStep<R> {
    field: Field<R>,
    propagator: Propagator<R>,
}

impl<R: Real> StrangStep<R> {
    /// x after half a step of dx = M⁻¹N(x, t) dt from `ahead` of the step's start, by the midpoint rule.
    #[inline(always)]
    fn half(&self, tile: &mut Tile<R>, ahead: f64) {
        let (field, h) = (&self.field, 0.5 * self.field.step());
        let [first, second] = [ahead, ahead + 0.5 * h].map(|ahead| Stage::of(tile, ahead));
        let constants = (&tile.drive[..], &tile.held[..]);
        let middle = &mut tile.work[..field.rows()];
        field.evaluate(
            constants,
            &tile.spare,
            first,
            Calculus::Ito,
            &mut tile.force,
        );
        field.solve(&mut tile.force);
        middle.copy_from_slice(&tile.spare);
        add(0.5 * h, &tile.force, middle);
        field.evaluate(constants, middle, second, Calculus::Ito, &mut tile.force);
        field.solve(&mut tile.force);
        add(h, &tile.force, &mut tile.spare);
    }
}

impl<R: Real> OneStep<R> for StrangStep<R> {
    fn field(&self) -> &Field<R> {
        &self.field
    }

    fn begin(&self, tile: &mut Tile<R>) {
        // The second half stays zero: the propagator's offset.
        reserve(&mut tile.work, 2 * self.field.rows());
    }

    #[inline(always)]
    fn once(&self, tile: &mut Tile<R>) {
        self.half(tile, 0.0);
        let zero = &tile.work[self.field.rows()..];
        self.propagator
            .apply(&tile.spare, &tile.noise, zero, &mut tile.force);
        std::mem::swap(&mut tile.force, &mut tile.spare);
        self.half(tile, 0.5 * self.field.step());
    }
}

/// BAOAB (arXiv 1203.5428): half kick, half drift, exact Ornstein–Uhlenbeck of the velocities, half drift, half kick.
///
/// Positions are rows without noise or forces of their own that move with the velocities (currents of inductors, phases
/// of junctions); velocities are all other rows (voltages), whose friction and noise may couple them.
#[derive(Clone, Copy, Debug)]
pub struct Baoab;

impl<R: Real> Scheme<R> for Baoab {
    fn name(&self) -> &'static str {
        "baoab"
    }

    fn describe(&self) -> &'static str {
        "inertial processes; weak order 2, exact configurations of harmonic resonators, velocity variance 1 - (h w)^2/4"
    }

    fn prepare(&self, process: &Process, setting: &Setting<'_>) -> Result<Box<dyn Stepper<R>>> {
        no_levels("baoab", process)?;
        no_jumps("baoab", process)?;
        Ok(Box::new(Walk(BaoabStep::new(process, setting)?)))
    }
}

struct BaoabStep<R> {
    field: Field<R>,
    propagator: Propagator<R>,
    /// Free rows that are positions, and that are velocities.
    positions: Vec<usize>,
    velocities: Vec<usize>,
}

fn has_own_noise(process: &Process, i: usize) -> bool {
    match &process.noise {
        Noise::Diagonal(sigma) => sigma[i] != 0.0,
        Noise::Factor(factor) => factor.rows[i].iter().any(|&v| v != 0.0),
    }
}

/// Whether row `i` moves with other rows alone: no noise, no force of its own.
fn is_position(process: &Process, i: usize) -> bool {
    let own = |c: &Vec<f64>| c.get(i).is_some_and(|&v| v != 0.0);
    !has_own_noise(process, i)
        && !process.polynomial.iter().any(own)
        && !process
            .branches
            .iter()
            .any(|b| b.output.iter().any(|e| e.0 == i))
        && !process.drives.iter().any(|d| d.node == i)
        && row_entries(&process.linear, i).iter().all(|e| e.0 != i)
}

impl<R: Real> BaoabStep<R> {
    fn new(process: &Process, setting: &Setting<'_>) -> Result<Self> {
        let refuse = |why: &str| {
            let expected = format!("an inertial process ({why}), or another scheme");
            Err(Error::invalid("plan.scheme", "\"baoab\"", expected))
        };
        let free: Vec<usize> = (0..process.nodes)
            .filter(|&i| !setting.clamped[i])
            .collect();
        let (q, v): (Vec<usize>, Vec<usize>) = free.iter().partition(|&&i| is_position(process, i));
        if v.is_empty() {
            return refuse("at least one row with noise or forces");
        }
        for &i in &q {
            let entries = row_entries(&process.linear, i);
            if entries.iter().any(|e| q.binary_search(&e.0).is_ok()) {
                return refuse("positions that move with velocities only");
            }
        }
        let of_velocity = |entries: &[(usize, f64)]| entries.iter().any(|e| v.contains(&e.0));
        if process.branches.iter().any(|b| of_velocity(&b.input)) {
            return refuse("nonlinear forces of positions only");
        }
        let curved = |c: &Vec<f64>| v.iter().any(|&i| c.get(i).is_some_and(|&c| c != 0.0));
        if process.polynomial.iter().skip(2).any(curved) {
            return refuse("linear friction");
        }
        if let Mass::Factor(factor) = &process.mass {
            let m = factor.dense();
            let m = &m * m.transpose();
            if block(&m, &q, &v).iter().any(|&c| c != 0.0) {
                return refuse("no mass between positions and velocities");
            }
        }
        let field = Field::new(&without_linear(process, &v), setting)?;
        if process.branches.iter().any(|b| b.noise.is_some()) {
            return refuse("noise that belongs to nodes");
        }
        let linear = only_linear(process);
        let zero = vec![0.0; process.nodes];
        let (a, d) = (
            linear::linearised(&linear, &zero),
            linear::diffusion(&linear),
        );
        // dv = −K q dt, dq = V v dt: ω² are the eigenvalues of K V (with branches linearised at rest).
        let rest = linear::linearised(process, &zero);
        let omega = -(block(&rest, &v, &q) * block(&rest, &q, &v));
        let fastest = omega
            .complex_eigenvalues()
            .iter()
            .map(|l| l.norm())
            .fold(0.0, f64::max)
            .sqrt();
        if setting.step * fastest >= 2.0 {
            return Err(Error::Unstable {
                scheme: "baoab".to_owned(),
                step: setting.step,
                limit: 2.0 / fastest,
                reason: format!("2 / w_max, w_max = {fastest:.4}"),
            });
        }
        let row = |i: &usize| free.binary_search(i).unwrap_or(0);
        Ok(BaoabStep {
            propagator: Propagator::new(&block(&a, &v, &v), &block(&d, &v, &v), setting.step)?,
            positions: q.iter().map(row).collect(),
            velocities: v.iter().map(row).collect(),
            field,
        })
    }

    /// Moves `rows` by `h` times their rate.
    #[inline(always)]
    fn push(&self, tile: &mut Tile<R>, rows: &[usize], ahead: f64, h: f64) {
        let field = &self.field;
        let stage = Stage::of(tile, ahead);
        let constants = (&tile.drive[..], &tile.held[..]);
        field.evaluate(
            constants,
            &tile.spare,
            stage,
            Calculus::Ito,
            &mut tile.force,
        );
        field.solve(&mut tile.force);
        for &row in rows {
            add(h, &tile.force[row..=row], &mut tile.spare[row..=row]);
        }
    }
}

impl<R: Real> OneStep<R> for BaoabStep<R> {
    fn field(&self) -> &Field<R> {
        &self.field
    }

    fn begin(&self, tile: &mut Tile<R>) {
        // Velocities, their normals, zero, and the result.
        reserve(&mut tile.work, 4 * self.velocities.len());
    }

    #[inline(always)]
    fn once(&self, tile: &mut Tile<R>) {
        let half = 0.5 * self.field.step();
        self.push(tile, &self.velocities, 0.0, half);
        self.push(tile, &self.positions, 0.0, half);
        let n = self.velocities.len();
        for (k, &row) in self.velocities.iter().enumerate() {
            tile.work[k] = tile.spare[row];
            tile.work[n + k] = tile.noise[row];
        }
        let (inputs, result) = tile.work.split_at_mut(3 * n);
        self.propagator
            .apply(&inputs[..n], &inputs[n..2 * n], &inputs[2 * n..], result);
        for (&row, value) in self.velocities.iter().zip(result) {
            tile.spare[row] = *value;
        }
        self.push(tile, &self.positions, half, half);
        self.push(tile, &self.velocities, 2.0 * half, half);
    }
}
