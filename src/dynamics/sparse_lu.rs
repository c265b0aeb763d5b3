//! LU factorisation without pivoting of matrices that share one sparse pattern, all lanes at once.
//!
//! The pattern is analysed once (minimum-degree order, fill, and the list of elementary operations); numbers are rows of
//! lanes. Meant for M − ½h ∂F/∂x of a circuit, whose diagonal dominates.

use super::LANES;
use super::real::Real;
use super::tile::Row;
use std::collections::BTreeSet;

/// Where each entry of the pattern lives, and the operations that factorise and solve.
#[derive(Clone, Debug)]
pub(super) struct SparseLu {
    /// (row, column) in original indices of each slot.
    slots: std::collections::BTreeMap<(usize, usize), usize>,
    operations: Vec<Operation>,
    /// (target row, source row, slot) of the forward substitution.
    forward: Vec<(usize, usize, usize)>,
    /// The back substitution, from the last pivot.
    backward: Vec<BackRow>,
}

/// One row of the back substitution.
#[derive(Clone, Debug)]
struct BackRow {
    row: usize,
    diagonal: usize,
    /// (column, slot).
    entries: Vec<(usize, usize)>,
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    /// slot ← slot / pivot.
    Divide { slot: usize, pivot: usize },
    /// target ← target − left · right.
    Subtract {
        target: usize,
        left: usize,
        right: usize,
    },
}

impl SparseLu {
    /// Analyses the pattern of an n×n matrix; the diagonal and the transposed entries are added.
    pub fn new(n: usize, entries: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut graph: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); n];
        for (i, j) in entries {
            if i != j {
                graph[i].insert(j);
                graph[j].insert(i);
            }
        }
        // Elimination joins a pivot's remaining neighbours; the least-connected pivot comes first.
        let mut left: BTreeSet<usize> = (0..n).collect();
        let (mut order, mut upper) = (Vec::with_capacity(n), Vec::with_capacity(n));
        while let Some(&pivot) = left.iter().min_by_key(|&&i| (graph[i].len(), i)) {
            left.remove(&pivot);
            let neighbours = std::mem::take(&mut graph[pivot]);
            for &i in &neighbours {
                graph[i].remove(&pivot);
                graph[i].extend(neighbours.iter().filter(|&&j| j != i));
            }
            order.push(pivot);
            upper.push(neighbours);
        }
        let mut slots = std::collections::BTreeMap::new();
        for (&pivot, later) in order.iter().zip(&upper) {
            let next = slots.len();
            slots.insert((pivot, pivot), next);
            for &j in later {
                for key in [(pivot, j), (j, pivot)] {
                    let next = slots.len();
                    slots.insert(key, next);
                }
            }
        }
        let (mut operations, mut forward) = (Vec::new(), Vec::new());
        for (&pivot, later) in order.iter().zip(&upper) {
            for &i in later {
                let slot = slots[&(i, pivot)];
                operations.push(Operation::Divide {
                    slot,
                    pivot: slots[&(pivot, pivot)],
                });
                forward.push((i, pivot, slot));
                for &j in later {
                    operations.push(Operation::Subtract {
                        target: slots[&(i, j)],
                        left: slot,
                        right: slots[&(pivot, j)],
                    });
                }
            }
        }
        let backward = order.iter().zip(&upper).rev().map(|(&pivot, later)| {
            let entries = later.iter().map(|&j| (j, slots[&(pivot, j)])).collect();
            BackRow {
                row: pivot,
                diagonal: slots[&(pivot, pivot)],
                entries,
            }
        });
        SparseLu {
            backward: backward.collect(),
            slots,
            operations,
            forward,
        }
    }

    /// Number of stored entries, fill included.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Where entry (i, j) lives.
    pub fn slot(&self, i: usize, j: usize) -> usize {
        self.slots[&(i, j)]
    }

    /// Factorises in place.
    #[inline(always)]
    pub fn factorise<R: Real>(&self, values: &mut [Row<R>]) {
        for operation in &self.operations {
            match *operation {
                Operation::Divide { slot, pivot } => {
                    let pivot = values[pivot];
                    for lane in 0..LANES {
                        values[slot][lane] = values[slot][lane] / pivot[lane];
                    }
                }
                Operation::Subtract {
                    target,
                    left,
                    right,
                } => {
                    let (l, r) = (values[left], values[right]);
                    for lane in 0..LANES {
                        values[target][lane] = (-l[lane]).fma(r[lane], values[target][lane]);
                    }
                }
            }
        }
    }

    /// x ← (LU)⁻¹ x.
    #[inline(always)]
    pub fn solve<R: Real>(&self, values: &[Row<R>], x: &mut [Row<R>]) {
        for &(target, source, slot) in &self.forward {
            let from = x[source];
            for lane in 0..LANES {
                x[target][lane] = (-values[slot][lane]).fma(from[lane], x[target][lane]);
            }
        }
        for back in &self.backward {
            let mut sum = x[back.row];
            for &(j, slot) in &back.entries {
                for lane in 0..LANES {
                    sum[lane] = (-values[slot][lane]).fma(x[j][lane], sum[lane]);
                }
            }
            for lane in 0..LANES {
                x[back.row][lane] = sum[lane] / values[back.diagonal][lane];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::{DMatrix, DVector};

    /// An arrow matrix (which the natural order would fill) solves like the dense one, without fill.
    #[test]
    fn solutions_are_those_of_the_dense_matrix() {
        let n = 9;
        let mut dense = DMatrix::from_diagonal_element(n, n, 4.0);
        for i in 1..n {
            dense[(0, i)] = 0.3 + 0.1 * i as f64;
            dense[(i, 0)] = -0.5 + 0.05 * i as f64;
        }
        dense[(3, 4)] = 0.7;
        let pattern = (0..n * n)
            .map(|k| (k / n, k % n))
            .filter(|&k| dense[k] != 0.0);
        let lu = SparseLu::new(n, pattern);
        assert_eq!(
            lu.len(),
            n + 2 * (n - 1) + 2,
            "no fill beyond the transposed entry"
        );
        let mut values = vec![Row::splat(0.0f64); lu.len()];
        for i in 0..n {
            for j in 0..n {
                if dense[(i, j)] != 0.0 {
                    values[lu.slot(i, j)] = Row::splat(dense[(i, j)]);
                }
            }
        }
        lu.factorise(&mut values);
        let right = DVector::from_fn(n, |i, _| 1.0 + i as f64);
        let mut x: Vec<Row<f64>> = right.iter().map(|&v| Row::splat(v)).collect();
        lu.solve(&values, &mut x);
        let wanted = dense.lu().solve(&right).unwrap();
        for (x, wanted) in x.iter().zip(wanted.iter()) {
            assert!((x[LANES - 1] - wanted).abs() < 1e-13);
        }
    }
}
