//! The implicit trapezoid rule: M (x' − x) = ½h [F(x, t) + F(x', t + h)] + √h S(x) ξ, by Newton's method.
//!
//! The stationary law of any linear network is exact, whatever its stiffness. Nonlinear forces are solved for with the full
//! sparse Jacobian of every chain; a chain whose Newton iteration does not converge becomes NaN and ends the run.

use super::LANES;
use super::explicit::{add, scale};
use super::field::{Field, Stage};
use super::force::row_entries;
use super::linear;
use super::modes::is_linear;
use super::process::{Calculus, Process};
use super::real::Real;
use super::scheme::{Scheme, Setting, Stepper, no_jumps, no_levels};
use super::sparse_lu::SparseLu;
use super::tile::{Row, Tile, reserve};
use super::walk::{OneStep, Walk};
use crate::error::Result;

/// Newton iterations before a step is given up.
const ITERATIONS: usize = 40;

/// The scheme.
#[derive(Clone, Copy, Debug)]
pub struct ImplicitTrapezoid;

impl<R: Real> Scheme<R> for ImplicitTrapezoid {
    fn name(&self) -> &'static str {
        "implicit-trapezoid"
    }

    fn describe(&self) -> &'static str {
        "Ito, weak order 2 (additive noise), unconditionally stable; stationary law of linear processes exact"
    }

    fn prepare(&self, process: &Process, setting: &Setting<'_>) -> Result<Box<dyn Stepper<R>>> {
        no_levels("implicit-trapezoid", process)?;
        no_jumps("implicit-trapezoid", process)?;
        Ok(Box::new(Walk(TrapezoidStep::new(process, setting)?)))
    }
}

struct TrapezoidStep<R> {
    field: Field<R>,
    lu: SparseLu,
    /// M − ½h(L + diag c_1), slot by slot.
    base: Vec<R>,
    /// Slots of the diagonal, row by row.
    diagonal: Vec<usize>,
    /// Slot of (output, input) of each branch, in the branch's order.
    branch_slots: Vec<Vec<usize>>,
    linear: bool,
}

impl<R: Real> TrapezoidStep<R> {
    fn new(process: &Process, setting: &Setting<'_>) -> Result<Self> {
        let field = Field::new(process, setting)?;
        let free = &field.force.free;
        let n = free.len();
        let row_of = |node: usize| free.binary_search(&node).ok();
        let half = 0.5 * setting.step;
        let mut entries: Vec<(usize, usize, f64)> = Vec::new();
        for (row, &i) in free.iter().enumerate() {
            let slope = process.polynomial.get(1).and_then(|c| c.get(i));
            entries.push((row, row, -half * slope.copied().unwrap_or(0.0)));
            for (j, value) in row_entries(&process.linear, i) {
                if let Some(column) = row_of(j) {
                    entries.push((row, column, -half * value));
                }
            }
        }
        for (i, j, value) in linear::mass_entries(process) {
            if let (Some(i), Some(j)) = (row_of(i), row_of(j)) {
                entries.push((i, j, value));
            }
        }
        let pattern = entries
            .iter()
            .map(|e| (e.0, e.1))
            .chain(field.branches().pattern());
        let lu = SparseLu::new(n, pattern);
        let mut base = vec![0.0; lu.len()];
        for &(i, j, value) in &entries {
            base[lu.slot(i, j)] += value;
        }
        Ok(TrapezoidStep {
            diagonal: (0..n).map(|i| lu.slot(i, i)).collect(),
            branch_slots: field.branches().slots(|i, j| lu.slot(i, j)),
            base: base.into_iter().map(R::from_f64).collect(),
            linear: is_linear(process),
            field,
            lu,
        })
    }

    /// The Newton matrix at (x, t), factorised.
    #[inline(always)]
    fn factorise(&self, held: &[Row<R>], x: &[Row<R>], t: f64, matrix: &mut [Row<R>]) {
        let half = R::from_f64(-0.5 * self.field.step());
        for (to, &value) in matrix.iter_mut().zip(&self.base) {
            *to = Row::splat(value);
        }
        for (row, x) in x.iter().enumerate() {
            let to = &mut matrix[self.diagonal[row]];
            for lane in 0..LANES {
                to[lane] = half.fma(self.field.force.curvature(row, x[lane]), to[lane]);
            }
        }
        let (branches, slots) = (self.field.branches(), &self.branch_slots);
        branches.add_slopes((held, x, t), half, slots, matrix);
        self.lu.factorise(matrix);
    }
}

impl<R: Real> OneStep<R> for TrapezoidStep<R> {
    fn field(&self) -> &Field<R> {
        &self.field
    }

    fn shows_noise(&self) -> bool {
        true
    }

    fn begin(&self, tile: &mut Tile<R>) {
        reserve(&mut tile.work, 2 * self.field.rows() + self.lu.len());
    }

    #[inline(always)]
    fn once(&self, tile: &mut Tile<R>) {
        let (field, t) = (&self.field, tile.time);
        let (n, h) = (field.rows(), field.step());
        let [start, end] = [0.0, h].map(|ahead| Stage::of(tile, ahead));
        let constants = (&tile.drive[..], &tile.held[..]);
        let (known, rest) = tile.work.split_at_mut(n);
        let (next, matrix) = rest.split_at_mut(n);
        let change = &mut tile.force;
        // known = ½h F(x, t) + kick, and x' starts from x.
        field.kick(&tile.held, &tile.spare, t, &tile.noise, known);
        field.evaluate(constants, &tile.spare, start, Calculus::Ito, change);
        add(0.5 * h, change, known);
        next.copy_from_slice(&tile.spare);
        let tolerance = R::from_f64(if R::WORDS == 2 { 1e-12 } else { 2e-6 });
        let mut converged = false;
        for _ in 0..ITERATIONS {
            // M (x' − x) is subtracted through the drift: δ solves (M − ½hJ) δ = known + ½hF(x') − M (x' − x).
            field.evaluate(constants, next, end, Calculus::Ito, change);
            scale(0.5 * h, change);
            add(1.0, known, change);
            field.subtract_mass(&tile.spare, next, change);
            self.factorise(&tile.held, next, t + h, matrix);
            self.lu.solve(matrix, change);
            add(1.0, change, next);
            let mut largest = Row::splat(R::ZERO);
            for (change, next) in change.iter().zip(&*next) {
                for lane in 0..LANES {
                    let size = next[lane] * next[lane] + R::ONE;
                    let moved = change[lane] * change[lane] / size;
                    largest[lane] = if moved <= largest[lane] {
                        largest[lane]
                    } else {
                        moved
                    };
                }
            }
            let square = tolerance * tolerance;
            converged = largest[..tile.lanes].iter().all(|&moved| moved <= square);
            if converged || self.linear {
                converged = true;
                break;
            }
        }
        tile.spare.copy_from_slice(next);
        if !converged {
            let nan = R::from_f64(f64::NAN);
            tile.spare.iter_mut().for_each(|row| *row = Row::splat(nan));
        }
    }
}
