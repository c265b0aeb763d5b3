//! Dense matrices times rows of chains: out_i = Σ_j A_ij x_j for all lanes, one multiply-add an entry and lane.
//!
//! [`BLOCK`] rows and [`HALF`] lanes go together, their sums in registers (6 of 32 on AVX-512, 12 of 16 on AVX2), so x is read
//! once for all of them. That is a matrix product of one shape, n × n times n × [`LANES`]; a general library packs both
//! operands anew at every step.

use super::LANES;
use super::real::Real;
use super::tile::Row;
use crate::simd::{Kernel, dispatch};

/// Rows computed together: their sums fill the registers.
const BLOCK: usize = 6;
/// Lanes whose sums are held at a time.
const HALF: usize = 16;

/// A square matrix in blocks of rows.
#[derive(Clone, Debug)]
pub(super) struct DenseRows<R> {
    blocks: Vec<Block<R>>,
}

#[derive(Clone, Debug)]
struct Block<R> {
    /// `[j][k]` is A of the block's row k, column j, up to the last column that is not zero in all of them.
    columns: Vec<[R; BLOCK]>,
}

impl<R: Real> DenseRows<R> {
    /// The n × n matrix of `entry(i, j)`.
    pub fn new(n: usize, entry: impl Fn(usize, usize) -> f64) -> Self {
        let blocks = (0..n.div_ceil(BLOCK)).map(|b| {
            let column = |j: usize| -> [f64; BLOCK] {
                std::array::from_fn(|k| {
                    let i = b * BLOCK + k;
                    if i < n { entry(i, j) } else { 0.0 }
                })
            };
            let mut columns: Vec<[f64; BLOCK]> = (0..n).map(column).collect();
            while columns.last().is_some_and(|c| c.iter().all(|&v| v == 0.0)) {
                columns.pop();
            }
            Block {
                columns: columns.iter().map(|c| c.map(R::from_f64)).collect(),
            }
        });
        DenseRows {
            blocks: blocks.collect(),
        }
    }

    /// A_ij.
    pub fn entry(&self, i: usize, j: usize) -> R {
        let columns = &self.blocks[i / BLOCK].columns;
        columns.get(j).map_or(R::ZERO, |c| c[i % BLOCK])
    }

    /// out = A x.
    pub fn multiply(&self, x: &[Row<R>], out: &mut [Row<R>]) {
        let fresh = true;
        dispatch(Product {
            matrix: self,
            x,
            out,
            fresh,
        });
    }

    /// out ← out + A x.
    pub fn add_product(&self, x: &[Row<R>], out: &mut [Row<R>]) {
        let fresh = false;
        dispatch(Product {
            matrix: self,
            x,
            out,
            fresh,
        });
    }
}

/// A kernel of its own, so that it is compiled once, not into every scheme.
struct Product<'a, R> {
    matrix: &'a DenseRows<R>,
    x: &'a [Row<R>],
    out: &'a mut [Row<R>],
    fresh: bool,
}

impl<R: Real> Kernel for Product<'_, R> {
    #[inline(always)]
    fn run(self) {
        for (out, block) in self.out.chunks_mut(BLOCK).zip(&self.matrix.blocks) {
            for first in (0..LANES).step_by(HALF) {
                let mut start = [[R::ZERO; HALF]; BLOCK];
                if !self.fresh {
                    for (start, out) in start.iter_mut().zip(&*out) {
                        start.copy_from_slice(&out[first..first + HALF]);
                    }
                }
                let sums = block_sums(start, &block.columns, self.x, first);
                for (out, sum) in out.iter_mut().zip(&sums) {
                    out[first..first + HALF].copy_from_slice(sum);
                }
            }
        }
    }
}

/// `sums` and the products of a block's rows with the lanes from `first` on. Plain arrays, by value: behind a reference, or
/// as aligned rows, they are not kept in registers.
#[inline(always)]
fn block_sums<R: Real>(
    mut sums: [[R; HALF]; BLOCK],
    columns: &[[R; BLOCK]],
    x: &[Row<R>],
    first: usize,
) -> [[R; HALF]; BLOCK] {
    for (x, entries) in x.iter().zip(columns) {
        for k in 0..BLOCK {
            for lane in 0..HALF {
                sums[k][lane] = entries[k].fma(x[first + lane], sums[k][lane]);
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_the_sums() {
        let n = 7;
        // Lower triangular, so that the blocks end early.
        let entry = |i: usize, j: usize| if j <= i { (i * 10 + j) as f64 } else { 0.0 };
        let matrix = DenseRows::<f64>::new(n, entry);
        let x: Vec<Row<f64>> = (0..n).map(|j| Row::splat(1.0 + j as f64)).collect();
        let mut out = vec![Row::splat(0.5); n];
        matrix.add_product(&x, &mut out);
        for (i, row) in out.iter().enumerate() {
            let sum: f64 = (0..n).map(|j| entry(i, j) * (1.0 + j as f64)).sum();
            assert_eq!(row[LANES - 1], 0.5 + sum);
        }
        matrix.multiply(&x, &mut out);
        assert_eq!(
            out[6][0],
            (0..n).map(|j| entry(6, j) * (1.0 + j as f64)).sum::<f64>()
        );
    }
}
