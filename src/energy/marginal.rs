//! The law of some variables of a soft-spin energy, the others (hidden cells that do not couple to each other) summed over:
//!
//! F(v) = Σ_i cell_i(v_i) − Σ_{i<j} J_ij v_i v_j − Σ_k ℓ_k(b_k + Σ_i J_ik v_i), ℓ_k(u) = ln ∫ exp(−j2_k h² − j4_k h⁴ + u h) dh,
//!
//! so that p(v) ∝ exp(−F(v)), ⟨h_k⟩ given v = ℓ_k′(u). ℓ is tabulated by the trapezoid rule, which converges exponentially for
//! an integrand that vanishes at the ends, and read off by cubic Hermite interpolation; a hidden Gaussian has it in closed form.

use super::{ContinuousEnergy, Couplings, SoftSpin};
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::f64::consts::PI;

/// Spacing of a table in u: its error is below 1e-9 for cells of the order of kT.
const SPACING: f64 = 0.02;
/// Share of a table's range that it covers beyond each end, so that a training's next energies find it as it is.
const MARGIN: f64 = 0.25;
/// Points of the integral over h.
const POINTS: usize = 400;
/// Where the integrand has fallen to this, it is cut off: e^−45 is 3e-20.
const FALLEN: f64 = 45.0;

/// F, and the hidden cells' means.
#[derive(Clone, Debug)]
pub struct Marginal {
    visible: SoftSpin,
    within: Vec<(f64, f64)>,
    hidden: Vec<Hidden>,
    tables: Vec<Table>,
}

/// One hidden cell: what drives it, and its table.
#[derive(Clone, Debug)]
struct Hidden {
    field: f64,
    weights: Vec<(usize, f64)>,
    table: usize,
}

/// ℓ, ℓ′ and ℓ″ of one kind of cell at u = k·[`SPACING`], k from `first` on: what is read does not depend on how far it reaches.
#[derive(Clone, Debug)]
struct Table {
    cell: (f64, f64),
    first: i64,
    entries: Vec<[f64; 3]>,
}

impl Marginal {
    /// The law of the first `visible` variables; `within` is the box that they are looked for in, which the tables cover.
    ///
    /// # Errors
    /// Hidden cells that couple to each other, no or too many visible variables, or a box of other length.
    pub fn new(energy: &SoftSpin, visible: usize, within: &[(f64, f64)]) -> Result<Self> {
        let n = energy.dim();
        if visible == 0 || visible > n || within.len() != visible {
            let expected = format!("from 1 to {n}, each with its range");
            return Err(Error::invalid("visible variables", visible, expected));
        }
        let mut marginal = Marginal {
            visible: energy.clone(),
            within: within.to_vec(),
            hidden: Vec::new(),
            tables: Vec::new(),
        };
        marginal.renew(energy)?;
        Ok(marginal)
    }

    /// The same of another energy; tables that still cover its drives are kept.
    ///
    /// # Errors
    /// As [`Marginal::new`].
    pub fn renew(&mut self, energy: &SoftSpin) -> Result<()> {
        let visible = self.within.len();
        let given = energy
            .couplings
            .edges()
            .iter()
            .zip(energy.couplings.values());
        let given = given.filter(|(_, value)| **value != 0.0);
        let mut weights = vec![Vec::new(); energy.dim() - visible];
        let mut own = Vec::new();
        for (&(i, j), &value) in given {
            if i >= visible {
                let expected = "hidden cells that do not couple to each other";
                let name = format!("J[{i}, {j}]");
                return Err(Error::invalid("energy.couplings", name, expected));
            } else if j >= visible {
                weights[j - visible].push((i, value));
            } else {
                own.push((i, j, value));
            }
        }
        self.visible = SoftSpin {
            j2: energy.j2[..visible].to_vec(),
            j4: energy.j4[..visible].to_vec(),
            fields: energy.fields[..visible].to_vec(),
            couplings: Couplings::new(visible, own)?,
            constant: energy.constant,
        };
        self.hidden.clear();
        let mut needed = vec![(f64::INFINITY, f64::NEG_INFINITY); self.tables.len()];
        for (k, weights) in weights.into_iter().enumerate() {
            let cell = (energy.j2[visible + k], energy.j4[visible + k]);
            let field = energy.fields[visible + k];
            let mut range = (field, field);
            for &(i, w) in &weights {
                let ends = (w * self.within[i].0, w * self.within[i].1);
                range.0 += ends.0.min(ends.1);
                range.1 += ends.0.max(ends.1);
            }
            let same = |t: &Table| near(t.cell.0, cell.0) && near(t.cell.1, cell.1);
            let table = self.tables.iter().position(same).unwrap_or_else(|| {
                self.tables.push(Table::empty(cell));
                needed.push(range);
                needed.len() - 1
            });
            needed[table].0 = needed[table].0.min(range.0);
            needed[table].1 = needed[table].1.max(range.1);
            self.hidden.push(Hidden {
                field,
                weights,
                table,
            });
        }
        for (table, range) in self.tables.iter_mut().zip(needed) {
            table.cover(range);
        }
        Ok(())
    }

    fn drive(hidden: &Hidden, v: &[f64]) -> f64 {
        let pulls = hidden.weights.iter().map(|&(i, w)| w * v[i]);
        hidden.field + pulls.sum::<f64>()
    }

    /// F(v).
    pub fn value(&self, v: &[f64]) -> f64 {
        let of = |h: &Hidden| self.tables[h.table].value(Self::drive(h, v));
        self.visible.value(v) - self.hidden.iter().map(of).sum::<f64>()
    }

    /// Writes ∂F/∂v_i = ⟨∂E/∂v_i⟩ given v.
    pub fn gradient(&self, v: &[f64], gradient: &mut [f64]) {
        self.visible.gradient(v, gradient);
        for h in &self.hidden {
            let mean = self.tables[h.table].mean(Self::drive(h, v));
            for &(i, w) in &h.weights {
                gradient[i] -= w * mean;
            }
        }
    }

    /// Writes ⟨h_k⟩ given v.
    pub fn hidden_means(&self, v: &[f64], means: &mut [f64]) {
        for (mean, h) in means.iter_mut().zip(&self.hidden) {
            *mean = self.tables[h.table].mean(Self::drive(h, v));
        }
    }
}

/// Equal up to rounding: a die's cells come back from its circuit's numbers.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
}

impl Table {
    fn empty(cell: (f64, f64)) -> Self {
        Table {
            cell,
            first: 0,
            entries: Vec::new(),
        }
    }

    /// Computes entries over `low` to `high` and something beyond, unless they are there.
    fn cover(&mut self, (low, high): (f64, f64)) {
        let needed = [(low / SPACING).floor(), (high / SPACING).floor() + 1.0].map(|k| k as i64);
        let end = self.first + self.entries.len() as i64;
        let covered = self.first <= needed[0] && needed[1] < end;
        if covered || self.cell.1 == 0.0 || low > high {
            return;
        }
        let more = (MARGIN * (needed[1] - needed[0]) as f64) as i64;
        self.first = needed[0] - more;
        let all = self.first..=needed[1] + more;
        let cell = self.cell;
        let entry = |k: i64| integral(cell, k as f64 * SPACING);
        self.entries = all.into_par_iter().map(entry).collect();
    }

    /// The entries about u and how far between them it is; `None` outside the table.
    fn around(&self, u: f64) -> Option<(f64, &[[f64; 3]])> {
        let place = u / SPACING;
        let k = place.floor();
        let index = usize::try_from(k as i64 - self.first).ok()?;
        Some((place - k, self.entries.get(index..index + 2)?))
    }

    /// ℓ(u).
    fn value(&self, u: f64) -> f64 {
        let (j2, j4) = self.cell;
        match self.around(u) {
            Some((t, [a, b])) => hermite(t, (a[0], a[1]), (b[0], b[1])),
            _ if j4 == 0.0 => u * u / (4.0 * j2) + 0.5 * (PI / j2).ln(),
            _ => integral(self.cell, u)[0],
        }
    }

    /// ℓ′(u).
    fn mean(&self, u: f64) -> f64 {
        let (j2, j4) = self.cell;
        match self.around(u) {
            Some((t, [a, b])) => hermite(t, (a[1], a[2]), (b[1], b[2])),
            _ if j4 == 0.0 => u / (2.0 * j2),
            _ => integral(self.cell, u)[1],
        }
    }
}

/// The cubic through two values with their slopes, a fraction t of [`SPACING`] on.
fn hermite(t: f64, a: (f64, f64), b: (f64, f64)) -> f64 {
    let s = 1.0 - t;
    s * s * (1.0 + 2.0 * t) * a.0
        + t * t * (3.0 - 2.0 * t) * b.0
        + SPACING * t * s * (s * a.1 - t * b.1)
}

/// ln ∫ exp(−j2 h² − j4 h⁴ + u h) dh, and the mean and variance of h.
fn integral((j2, j4): (f64, f64), u: f64) -> [f64; 3] {
    let exponent = |h: f64| h * (u - h * (j2 + j4 * h * h));
    // The quartic outweighs the rest beyond this: no maximum is farther out.
    let far = 1.0 + (j2.abs() / j4).sqrt() + (u.abs() / j4).cbrt();
    let coarse = |k: usize| exponent(far * (k as f64 / POINTS as f64 - 1.0));
    let peak = (0..=2 * POINTS)
        .map(coarse)
        .fold(f64::NEG_INFINITY, f64::max);
    let end = |sign: f64| {
        let mut reach = far + (FALLEN / j4).powf(0.25);
        while reach > 1e-3 && exponent(sign * 0.9 * reach) < peak - FALLEN {
            reach *= 0.9;
        }
        sign * reach
    };
    // Where only one well is left, the other side's end may lie beyond zero; the interval then starts at zero.
    let (low, high) = (end(-1.0), end(1.0));
    let step = (high - low) / POINTS as f64;
    let mut sums = [0.0; 3];
    for k in 0..=POINTS {
        let h = low + k as f64 * step;
        let weight = (exponent(h) - peak).exp();
        for (sum, f) in sums.iter_mut().zip([1.0, h, h * h]) {
            *sum += weight * f;
        }
    }
    let [z, first, second] = sums;
    let mean = first / z;
    [(z * step).ln() + peak, mean, second / z - mean * mean]
}

#[cfg(test)]
mod tests {
    use super::super::{Quadratic, exact};
    use super::*;
    use nalgebra::{DMatrix, DVector};

    fn energy(visible: usize, hidden: usize, cells: (Vec<f64>, Vec<f64>)) -> SoftSpin {
        let n = visible + hidden;
        let list = (0..n)
            .flat_map(|i| (i + 1..n).map(move |j| (i, j)))
            .filter(|&(i, _)| i < visible)
            .map(|(i, j)| (i, j, 0.9 - 0.35 * i as f64 - 0.4 * j as f64))
            .collect();
        let fields = (0..n).map(|i| 0.3 * i as f64 - 0.4).collect();
        SoftSpin::new(cells.0, cells.1, fields, Couplings::new(n, list).unwrap()).unwrap()
    }

    /// ln Z of the marginal by a plain sum, against that of the whole energy by two-dimensional quadrature; the mean too.
    #[test]
    fn one_hidden_cell_is_summed_over() {
        for (j2, j4) in [(-2.0, 1.0), (1.0, 1.0), (-12.0, 6.0), (0.7, 0.0)] {
            let whole = energy(1, 1, (vec![2.0, j2], vec![0.5, j4]));
            let exact = exact::quadrature(&whole).unwrap();
            let marginal = Marginal::new(&whole, 1, &[(-6.0, 6.0)]).unwrap();
            let step = 12.0 / 4000.0;
            let (mut z, mut v_sum, mut h_sum, mut mean) = (0.0, 0.0, 0.0, [0.0]);
            for k in 0..=4000 {
                let v = [-6.0 + f64::from(k) * step];
                let weight = (-marginal.value(&v)).exp();
                z += weight;
                v_sum += weight * v[0];
                marginal.hidden_means(&v, &mut mean);
                h_sum += weight * mean[0];
            }
            let log_z = (z * step).ln();
            assert!(
                (log_z - exact.log_z).abs() < 1e-8,
                "{j2} {j4}: {log_z} {}",
                exact.log_z
            );
            assert!((v_sum / z - exact.mean[0]).abs() < 1e-8);
            assert!((h_sum / z - exact.mean[1]).abs() < 1e-8);
            // A table read by straight lines is off by u²/8 ℓ″, far beyond that.
            let table = &marginal.tables[0];
            if j4 > 0.0 {
                let (a, b) = (table.entries[100][0], table.entries[101][0]);
                let middle = (table.first as f64 + 100.5) * SPACING;
                assert!((0.5 * (a + b) - integral((j2, j4), middle)[0]).abs() > 1e-8);
                assert!((table.value(middle) - integral((j2, j4), middle)[0]).abs() < 1e-9);
            }
        }
    }

    /// Gaussian cells: the marginal precision is the Schur complement, the marginal mean a part of P⁻¹b.
    #[test]
    fn gaussians_have_the_schur_complement() {
        let whole = energy(2, 3, (vec![3.0; 5], vec![0.0; 5]));
        let dense = whole.couplings.dense();
        let p = DMatrix::from_fn(5, 5, |i, j| if i == j { 6.0 } else { -dense[(i, j)] });
        let b = DVector::from_column_slice(&whole.fields);
        let exact = exact::gaussian(&Quadratic::new(p, b).unwrap());
        let cov = exact.covariance.view((0, 0), (2, 2)).into_owned();
        let (inverse, mean) = (
            cov.try_inverse().unwrap(),
            exact.mean.rows(0, 2).into_owned(),
        );
        let marginal = Marginal::new(&whole, 2, &[(-1.0, 1.0); 2]).unwrap();
        let log = |v: &DVector<f64>| {
            let d = v - &mean;
            -0.5 * (&d.transpose() * &inverse * &d)[0]
        };
        let (a, c) = (
            DVector::from_vec(vec![0.3, -0.7]),
            DVector::from_vec(vec![-0.9, 0.4]),
        );
        let own = marginal.value(c.as_slice()) - marginal.value(a.as_slice());
        assert!((own - (log(&a) - log(&c))).abs() < 1e-10);
    }

    #[test]
    fn wide_drives_and_outside_the_box() {
        // Two deep wells at ±1: ℓ(u) − ℓ(0) → ln cosh u.
        let deep = (-400.0, 200.0);
        let base = integral(deep, 0.0)[0];
        for u in [0.3, 1.0, 2.5] {
            let [value, mean, variance] = integral(deep, u);
            assert!((value - base - f64::ln(f64::cosh(u))).abs() < 0.01);
            assert!((mean - u.tanh()).abs() < 0.01);
            assert!((variance - (1.0 - u.tanh().powi(2))).abs() < 0.01);
        }
        let whole = energy(1, 2, (vec![2.0, -2.0, -2.0], vec![0.5, 1.0, 1.0]));
        let narrow = Marginal::new(&whole, 1, &[(-0.1, 0.1)]).unwrap();
        let wide = Marginal::new(&whole, 1, &[(-9.0, 9.0)]).unwrap();
        for v in [-8.0, -0.05, 0.08, 3.0] {
            assert!((narrow.value(&[v]) - wide.value(&[v])).abs() < 1e-8);
        }
        // One kind of cell, one table; another energy is another law, whatever tables are kept.
        assert_eq!(wide.tables.len(), 1);
        let mut other = whole.clone();
        other.fields[2] += 0.7;
        other.j2[1] = -1.5;
        let mut renewed = wide.clone();
        renewed.renew(&other).unwrap();
        let fresh = Marginal::new(&other, 1, &[(-9.0, 9.0)]).unwrap();
        for v in [-8.0, 0.5] {
            assert!((renewed.value(&[v]) - fresh.value(&[v])).abs() < 1e-8);
            assert!((renewed.value(&[v]) - wide.value(&[v])).abs() > 1e-3);
        }
    }

    #[test]
    fn the_gradient_is_the_value_s() {
        let whole = energy(
            2,
            3,
            (
                vec![2.0, 1.0, -2.0, 1.0, 0.6],
                vec![0.1, 0.3, 1.0, 0.5, 0.0],
            ),
        );
        let marginal = Marginal::new(&whole, 2, &[(-2.0, 2.0); 2]).unwrap();
        let (v, mut gradient) = ([0.4, -1.1], [0.0; 2]);
        marginal.gradient(&v, &mut gradient);
        for i in 0..2 {
            let moved = |by: f64| {
                let mut v = v;
                v[i] += by;
                marginal.value(&v)
            };
            let slope = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            assert!(
                (slope - gradient[i]).abs() < 1e-6,
                "{i}: {slope} {}",
                gradient[i]
            );
        }
    }

    #[test]
    fn hidden_cells_that_couple_are_refused() {
        let list = vec![(0, 1, 0.5), (1, 2, 0.1)];
        let cells = vec![1.0; 3];
        let graph = Couplings::new(3, list).unwrap();
        let whole = SoftSpin::new(cells.clone(), cells, vec![0.0; 3], graph).unwrap();
        let words = Marginal::new(&whole, 1, &[(-1.0, 1.0)])
            .unwrap_err()
            .to_string();
        assert!(words.contains("J[1, 2]"), "{words}");
        assert!(Marginal::new(&whole, 2, &[(-1.0, 1.0); 2]).is_ok());
    }
}
