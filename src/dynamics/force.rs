//! The force F(x) = c(x) + L x of a process on its free nodes, for a tile of chains.
//!
//! Clamped nodes act through a constant drive, computed once per phase. Dense couplings are a matrix product (2·n²
//! operations per chain and step, by nalgebra's kernels: the same bits per instruction set, whatever the threads); sparse
//! ones go row by row.

use super::LANES;
use super::process::{Linear, Process};
use super::real::Real;
use super::tile::{Row, Tile, reserve};

/// The force of a process restricted to its free nodes.
#[derive(Clone, Debug)]
pub struct Force<R> {
    /// Indices of the free nodes.
    pub free: Vec<usize>,
    /// `polynomial[k][row]`, k ≥ 1: coefficient of x^k (constants are in the drive).
    polynomial: Vec<Vec<R>>,
    linear: Rows<R>,
    /// Constant part c_0 of each free node.
    constant: Vec<R>,
    /// Couplings to clamped nodes: per free row, (node, L).
    clamped: Vec<Vec<(usize, R)>>,
}

#[derive(Clone, Debug)]
enum Rows<R> {
    None,
    /// Lᵀ, column-major: entry (j, i) at `i * n + j`.
    Dense(Vec<R>),
    Sparse(Vec<Vec<(usize, R)>>),
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
            let mut dense = vec![R::ZERO; n * n];
            for (i, row) in inner.iter().enumerate() {
                for &(j, value) in row {
                    dense[i * n + j] = value;
                }
            }
            Rows::Dense(dense)
        } else {
            Rows::Sparse(inner)
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
            polynomial: (1..=degree)
                .map(|k| free.iter().map(|&i| coefficient(k, i)).collect())
                .collect(),
            constant: free.iter().map(|&i| coefficient(0, i)).collect(),
            free,
            linear,
            clamped: outer,
        }
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
            *drive = [self.constant[row]; LANES];
            for &(node, value) in &self.clamped[row] {
                for lane in 0..LANES {
                    drive[lane] = value * tile.x[node][lane] + drive[lane];
                }
            }
        }
    }

    /// Writes L x (without the polynomial and the drive) for the free rows `x`.
    #[inline(always)]
    fn product(&self, x: &[Row<R>], out: &mut [Row<R>]) {
        match &self.linear {
            Rows::None => out.fill([R::ZERO; LANES]),
            Rows::Dense(transposed) => {
                R::product(LANES, x.as_flattened(), transposed, out.as_flattened_mut());
            }
            Rows::Sparse(rows) => {
                for (row, out) in rows.iter().zip(out) {
                    let mut sum = [R::ZERO; LANES];
                    for &(j, value) in row {
                        for lane in 0..LANES {
                            sum[lane] = value.fma(x[j][lane], sum[lane]);
                        }
                    }
                    *out = sum;
                }
            }
        }
    }

    /// F(x) on the free rows.
    #[inline(always)]
    pub fn evaluate(&self, x: &[Row<R>], drive: &[Row<R>], out: &mut [Row<R>]) {
        self.product(x, out);
        for (out, drive) in out.iter_mut().zip(drive) {
            for lane in 0..LANES {
                out[lane] = out[lane] + drive[lane];
            }
        }
        // Horner, one power at a time over whole rows: c_1 x + c_2 x² + … = x (c_1 + x (c_2 + …)).
        let degree = self.polynomial.len();
        if degree == 0 {
            return;
        }
        for (row, (out, x)) in out.iter_mut().zip(x).enumerate() {
            let mut sum = [self.polynomial[degree - 1][row]; LANES];
            for coefficients in self.polynomial[..degree - 1].iter().rev() {
                let c = coefficients[row];
                for lane in 0..LANES {
                    sum[lane] = sum[lane].fma(x[lane], c);
                }
            }
            for lane in 0..LANES {
                out[lane] = sum[lane].fma(x[lane], out[lane]);
            }
        }
    }

    /// E(x) = −Σ_k c_k x^{k+1}/(k+1) − drive·x − ½ xᵀLx per lane, from F(x): only for symmetric L.
    #[inline(always)]
    pub fn energy(&self, x: &[Row<R>], drive: &[Row<R>], force: &[Row<R>]) -> Row<R> {
        let half = R::from_f64(0.5);
        let mut energy = [R::ZERO; LANES];
        for row in 0..self.free.len() {
            for lane in 0..LANES {
                let value = x[row][lane];
                // ½ x (F + drive) = ½ x·Lx + drive·x + ½ Σ c_k x^{k+1}; the rest of each power is added below.
                let mut sum = R::ZERO;
                let mut k = self.polynomial.len();
                while k > 0 {
                    k -= 1;
                    let rest = R::from_f64(1.0 / (k + 2) as f64 - 0.5);
                    sum = sum.fma(value, rest * self.polynomial[k][row]);
                }
                let bulk = half * (force[row][lane] + drive[row][lane]);
                energy[lane] = energy[lane] - value * sum.fma(value, bulk);
            }
        }
        energy
    }
}
