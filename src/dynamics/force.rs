//! The force F(x) = c(x) + L x of a process on its free nodes, for a tile of chains.
//!
//! Clamped nodes act through a constant drive, computed once per phase. Dense couplings go by blocks of rows whose sums
//! stay in registers, sparse ones row by row; both add in column order, so the bits are the same everywhere.

use super::LANES;
use super::dense::DenseRows;
use super::process::{Linear, Process};
use super::real::Real;
use super::tile::{Row, Tile, end_row, reserve};

/// The force of a process restricted to its free nodes.
#[derive(Clone, Debug)]
pub struct Force<R> {
    /// Indices of the free nodes.
    pub free: Vec<usize>,
    /// (c_1, c_2, c_3) of each free row; constants are in the drive.
    cubic: Vec<[R; 3]>,
    /// `higher[k][row]`: c_{k+4}, for the rare force beyond a cubic.
    higher: Vec<Vec<R>>,
    pub(super) linear: Rows<R>,
    /// Constant part c_0 of each free node.
    constant: Vec<R>,
    /// Couplings to clamped nodes: per free row, (node, L).
    clamped: Vec<Vec<(usize, R)>>,
}

/// The couplings among the free rows.
#[derive(Clone, Debug)]
pub(super) enum Rows<R> {
    None,
    Dense(DenseRows<R>),
    /// Row i has `entries[starts[i]..starts[i + 1]]`, each (column, L).
    Sparse {
        starts: Vec<usize>,
        entries: Vec<(u32, R)>,
    },
}

impl<R> Rows<R> {
    /// Row `i`, where the couplings are sparse; dense ones have no rows to read.
    pub fn sparse_row(&self, i: usize) -> &[(u32, R)] {
        match self {
            Rows::Sparse { starts, entries } => &entries[starts[i]..starts[i + 1]],
            Rows::None | Rows::Dense(_) => &[],
        }
    }
}

/// ((c_3 x + c_2) x + c_1) x + rest.
#[inline(always)]
pub fn cubic<R: Real>(c: [R; 3], x: R, rest: R) -> R {
    c[2].fma(x, c[1]).fma(x, c[0]).fma(x, rest)
}

#[inline(always)]
fn sparse_product<R: Real>(
    starts: &[usize],
    entries: &[(u32, R)],
    x: &[Row<R>],
    out: &mut [Row<R>],
) {
    for (out, range) in out.iter_mut().zip(starts.windows(2)) {
        let mut sum = Row::splat(R::ZERO);
        for &(j, value) in &entries[range[0]..range[1]] {
            let x = &x[j as usize];
            for lane in 0..LANES {
                sum[lane] = value.fma(x[lane], sum[lane]);
            }
        }
        *out = sum;
    }
}

/// Entries of one row of a linear map.
pub fn row_entries(linear: &Linear, i: usize) -> Vec<(usize, f64)> {
    match linear {
        Linear::Dense(matrix) => (0..matrix.ncols())
            .map(|j| (j, matrix[(i, j)]))
            .filter(|e| e.1 != 0.0)
            .collect(),
        Linear::Sparse(rows) => rows[i].clone(),
    }
}

impl<R: Real> Force<R> {
    /// The force of `process` with `clamped[node]` nodes held.
    pub fn new(process: &Process, clamped: &[bool]) -> Self {
        let free: Vec<usize> = (0..process.nodes).filter(|&i| !clamped[i]).collect();
        let mut row_of = vec![usize::MAX; process.nodes];
        for (row, &node) in free.iter().enumerate() {
            row_of[node] = row;
        }
        let (mut inner, mut outer, mut count) = (Vec::new(), Vec::new(), 0);
        for &i in &free {
            let (mut to_free, mut to_clamped) = (Vec::new(), Vec::new());
            for (j, value) in row_entries(&process.linear, i) {
                if clamped[j] {
                    to_clamped.push((j, R::from_f64(value)));
                } else {
                    to_free.push((row_of[j], R::from_f64(value)));
                }
            }
            count += to_free.len();
            inner.push(to_free);
            outer.push(to_clamped);
        }
        let n = free.len();
        let linear = if count == 0 {
            Rows::None
        } else if 4 * count > n * n && n > 8 {
            let mut matrix = vec![0.0; n * n];
            for (i, row) in inner.iter().enumerate() {
                for &(j, value) in row {
                    matrix[i * n + j] = value.to_f64();
                }
            }
            Rows::Dense(DenseRows::new(n, |i, j| matrix[i * n + j]))
        } else {
            let mut starts = vec![0];
            let mut entries = Vec::with_capacity(count);
            for row in inner {
                entries.extend(row.into_iter().map(|(j, value)| (j as u32, value)));
                starts.push(entries.len());
            }
            Rows::Sparse { starts, entries }
        };
        let coefficient = |k: usize, i: usize| {
            let value = process.polynomial.get(k).and_then(|c| c.get(i));
            R::from_f64(value.copied().unwrap_or(0.0))
        };
        let degree = process
            .polynomial
            .iter()
            .rposition(|c| c.iter().any(|&v| v != 0.0))
            .unwrap_or(0);
        Force {
            cubic: free
                .iter()
                .map(|&i| [1, 2, 3].map(|k| coefficient(k, i)))
                .collect(),
            higher: (4..=degree)
                .map(|k| free.iter().map(|&i| coefficient(k, i)).collect())
                .collect(),
            constant: free.iter().map(|&i| coefficient(0, i)).collect(),
            free,
            linear,
            clamped: outer,
        }
    }

    /// Whether cells go beyond a cubic.
    pub(super) fn beyond_cubic(&self) -> bool {
        !self.higher.is_empty()
    }

    /// The couplings, where they are dense.
    pub(super) fn dense(&self) -> Option<&DenseRows<R>> {
        match &self.linear {
            Rows::Dense(matrix) => Some(matrix),
            Rows::None | Rows::Sparse { .. } => None,
        }
    }

    /// Whether clamped nodes act on the free ones.
    pub(super) fn feels_clamped(&self) -> bool {
        self.clamped.iter().any(|row| !row.is_empty())
    }

    /// c_0 of free row `row`.
    #[inline(always)]
    pub fn constant(&self, row: usize) -> R {
        self.constant[row]
    }

    /// Computes the tile's drive from the constants and its clamped nodes' present values.
    pub fn begin(&self, tile: &mut Tile<R>) {
        reserve(&mut tile.drive, self.free.len());
        for (row, drive) in tile.drive.iter_mut().enumerate() {
            *drive = Row::splat(self.constant[row]);
            for &(node, value) in &self.clamped[row] {
                for lane in 0..LANES {
                    drive[lane] = value * tile.x[node][lane] + drive[lane];
                }
            }
        }
    }

    /// Writes L x, and what lies beyond the cubic, for the free rows `x`; [`Self::cubic`] and the drive complete it.
    #[inline(always)]
    pub fn product(&self, x: &[Row<R>], out: &mut [Row<R>]) {
        match &self.linear {
            Rows::None => out.fill(Row::splat(R::ZERO)),
            Rows::Dense(matrix) => matrix.multiply(x, out),
            Rows::Sparse { starts, entries } => sparse_product(starts, entries, x, out),
        }
        if !self.higher.is_empty() {
            self.add_higher(x, out);
        }
    }

    /// The part of [`Self::product`] that is not sparse couplings.
    #[inline(always)]
    pub(super) fn dense_part(&self, x: &[Row<R>], out: &mut [Row<R>]) {
        match &self.linear {
            Rows::Dense(matrix) => matrix.multiply(x, out),
            Rows::None | Rows::Sparse { .. } => out.fill(Row::splat(R::ZERO)),
        }
        if !self.higher.is_empty() {
            self.add_higher(x, out);
        }
    }

    /// c_4 x⁴ + c_5 x⁵ + …, by Horner's rule.
    fn add_higher(&self, x: &[Row<R>], out: &mut [Row<R>]) {
        for (row, (out, x)) in out.iter_mut().zip(x).enumerate() {
            for lane in 0..LANES {
                let (value, square) = (x[lane], x[lane] * x[lane]);
                let from_highest = self.higher.iter().rev();
                let sum = from_highest.fold(R::ZERO, |sum, c| sum.fma(value, c[row]));
                out[lane] = sum.fma(square * square, out[lane]);
            }
        }
    }

    /// (c_1, c_2, c_3) of free row `row`.
    #[inline(always)]
    pub fn cubic(&self, row: usize) -> [R; 3] {
        self.cubic[row]
    }

    /// d/dx of the cell's force beyond its linear term: 2c_2 x + 3c_3 x² + …
    #[inline(always)]
    pub fn curvature(&self, row: usize, x: R) -> R {
        let c = self.cubic[row];
        let low = (R::from_f64(3.0) * c[2]).fma(x, R::from_f64(2.0) * c[1]) * x;
        let mut power = x * x * x;
        let mut sum = low;
        for (k, coefficients) in self.higher.iter().enumerate() {
            let factor = R::from_f64((k + 4) as f64) * coefficients[row];
            sum = factor.fma(power, sum);
            power = power * x;
        }
        sum
    }

    /// F(x) on the free rows.
    #[inline(always)]
    pub fn evaluate(&self, x: &[Row<R>], drive: &[Row<R>], out: &mut [Row<R>]) {
        self.product(x, out);
        for row in 0..out.len() {
            let (c, x, drive, out) = (self.cubic[row], &x[row], &drive[row], &mut out[row]);
            for lane in 0..LANES {
                out[lane] = cubic(c, x[lane], out[lane] + drive[lane]);
            }
            end_row();
        }
    }

    /// E(x) = −Σ_k c_k x^{k+1}/(k+1) − drive·x − ½ xᵀLx per lane, from F(x): only for symmetric L.
    #[inline(always)]
    pub fn energy(&self, x: &[Row<R>], drive: &[Row<R>], force: &[Row<R>]) -> Row<R> {
        let half = R::from_f64(0.5);
        let mut energy = Row::splat(R::ZERO);
        let third = R::from_f64(1.0 / 3.0);
        for row in 0..self.free.len() {
            let c = self.cubic[row];
            // ½ x (F + drive) = ½ x·Lx + drive·x + ½ Σ c_k x^{k+1}; the rest, Σ (1/(k+1) − ½) c_k x^{k+1}, is added.
            let rest = [
                R::ZERO,
                (third - half) * c[1],
                (R::from_f64(0.25) - half) * c[2],
            ];
            let (x, drive, force) = (&x[row], &drive[row], &force[row]);
            for lane in 0..LANES {
                let bulk = half * (force[lane] + drive[lane]);
                energy[lane] = energy[lane] - x[lane] * cubic(rest, x[lane], bulk);
            }
            end_row();
        }
        for (k, coefficients) in self.higher.iter().enumerate() {
            let rest = R::from_f64(1.0 / (k + 5) as f64 - 0.5);
            for (x, &c) in x.iter().zip(coefficients) {
                for lane in 0..LANES {
                    let power = (0..k + 5).fold(R::ONE, |power, _| power * x[lane]);
                    energy[lane] = energy[lane] - rest * c * power;
                }
            }
        }
        energy
    }
}
