//! From the rows of a chip's state to the variables of the energy it holds, and back.
//!
//! Most chips are read row by row. Others decide: a latch by the sign of v_1 − v_2, a category by the first of its gates
//! that is on, a mixture by the branch that its selector lets through.

use super::placed::majority;
use crate::dynamics::Shown;

/// How the variables are read off the state.
#[derive(Clone, Debug, PartialEq)]
pub enum View {
    /// Row by row: the spins where there are any, else all nodes.
    Direct,
    /// These of the nodes (the others are hidden: currents, voltages behind phases).
    Rows(Vec<usize>),
    /// The first node of each pair minus the second.
    Differences(Vec<(usize, usize)>),
    /// Spins from pairs of nodes: s = +1 where the second is above the first.
    Latches(Vec<(usize, usize)>),
    /// Categories, each from K − 1 two-state gates in turn: the first that is on, else K − 1. The number of states of each.
    Categories(Vec<usize>),
    /// Spins as majorities of copies, the first of them on a draw.
    Copies {
        /// Copies of each variable, among what `of` reads.
        copies: Vec<Vec<usize>>,
        /// How the copies are read.
        of: Box<View>,
    },
    /// One of several branches of `dim` nodes, chosen by gates as a category is.
    Selected {
        /// Number of branches.
        branches: usize,
        /// Variables.
        dim: usize,
        /// Centre of each branch, for placing the branches that are not selected: `centres[branch * dim + k]`.
        centres: Vec<f64>,
        /// Share of the mean of the other branches in what is read.
        leak: f64,
    },
}

/// The first gate that is on, else the number of gates.
fn first_on<T: Copy + PartialOrd + Default>(gates: &[T]) -> usize {
    let on = gates.iter().position(|g| *g > T::default());
    on.unwrap_or(gates.len())
}

impl View {
    /// The rows of the state that have to be recorded.
    pub(crate) fn shown(&self) -> Option<Shown> {
        match self {
            View::Direct => None,
            View::Copies { of, .. } => of.shown(),
            View::Rows(_) | View::Differences(_) | View::Latches(_) => Some(Shown::Nodes),
            View::Categories(_) => Some(Shown::Spins),
            View::Selected { .. } => Some(Shown::All),
        }
    }

    /// Number of variables, of `rows` recorded.
    pub fn variables(&self, rows: usize) -> usize {
        match self {
            View::Direct => rows,
            View::Rows(rows) => rows.len(),
            View::Differences(pairs) | View::Latches(pairs) => pairs.len(),
            View::Categories(states) => states.len(),
            View::Selected { dim, .. } => *dim,
            View::Copies { copies, .. } => copies.len(),
        }
    }

    /// The variables of one recorded state.
    pub fn decode(&self, rows: &[f32], x: &mut [f32]) {
        match self {
            View::Direct => x.copy_from_slice(rows),
            View::Copies { copies, of } => {
                let mut all = vec![0.0; of.variables(rows.len())];
                of.decode(rows, &mut all);
                for (x, copies) in x.iter_mut().zip(copies) {
                    *x = majority(copies.iter().map(|&copy| all[copy]));
                }
            }
            View::Rows(read) => {
                for (x, &row) in x.iter_mut().zip(read) {
                    *x = rows[row];
                }
            }
            View::Differences(pairs) => {
                for (x, &(a, b)) in x.iter_mut().zip(pairs) {
                    *x = rows[a] - rows[b];
                }
            }
            View::Latches(pairs) => {
                for (x, &(a, b)) in x.iter_mut().zip(pairs) {
                    *x = if rows[b] > rows[a] { 1.0 } else { -1.0 };
                }
            }
            View::Categories(states) => {
                let mut rest = rows;
                for (x, &states) in x.iter_mut().zip(states) {
                    let (gates, others) = rest.split_at(states - 1);
                    *x = first_on(gates) as f32;
                    rest = others;
                }
            }
            View::Selected {
                branches,
                dim,
                leak,
                ..
            } => {
                let (values, gates) = rows.split_at(branches * dim);
                let chosen = first_on(gates);
                let others = (*branches as f32 - 1.0).max(1.0);
                for (k, x) in x.iter_mut().enumerate() {
                    let own = values[chosen * dim + k];
                    let sum: f32 = (0..*branches).map(|b| values[b * dim + k]).sum();
                    let leak = *leak as f32;
                    *x = (1.0 - leak) * own + leak * (sum - own) / others;
                }
            }
        }
    }

    /// A state that reads as `x`: nodes that `x` does not determine are zero or at their centres.
    pub fn encode(&self, x: &[f64], rows: &mut [f64]) {
        match self {
            View::Direct => rows.copy_from_slice(x),
            View::Copies { copies, of } => {
                let mut all = vec![0.0; of.variables(rows.len())];
                for (&x, copies) in x.iter().zip(copies) {
                    for &copy in copies {
                        all[copy] = x;
                    }
                }
                of.encode(&all, rows);
            }
            View::Rows(read) => {
                rows.fill(0.0);
                for (&x, &row) in x.iter().zip(read) {
                    rows[row] = x;
                }
            }
            View::Differences(pairs) => {
                rows.fill(0.0);
                for (&x, &(a, b)) in x.iter().zip(pairs) {
                    (rows[a], rows[b]) = (0.5 * x, -0.5 * x);
                }
            }
            View::Latches(pairs) => {
                rows.fill(0.0);
                for (&s, &(a, b)) in x.iter().zip(pairs) {
                    (rows[a], rows[b]) = (-s.signum(), s.signum());
                }
            }
            View::Categories(states) => {
                let mut rest = rows;
                for (&x, &states) in x.iter().zip(states) {
                    let (gates, others) = rest.split_at_mut(states - 1);
                    for (k, gate) in gates.iter_mut().enumerate() {
                        *gate = if x.round() == k as f64 { 1.0 } else { -1.0 };
                    }
                    rest = others;
                }
            }
            View::Selected {
                branches,
                dim,
                centres,
                ..
            } => {
                let (values, gates) = rows.split_at_mut(branches * dim);
                values.copy_from_slice(centres);
                let distance = |b: usize| -> f64 {
                    let centre = &centres[b * dim..][..*dim];
                    centre.iter().zip(x).map(|(c, x)| (c - x).powi(2)).sum()
                };
                let nearest = (0..*branches).min_by(|&a, &b| distance(a).total_cmp(&distance(b)));
                let chosen = nearest.unwrap_or(0);
                values[chosen * dim..][..*dim].copy_from_slice(x);
                for (k, gate) in gates.iter_mut().enumerate() {
                    *gate = if k == chosen { 1.0 } else { -1.0 };
                }
            }
        }
    }

    /// The rows that have to be held for a variable to be clamped: its own or those of its copies; none where it is decided
    /// from several.
    pub(crate) fn rows_of(&self, variable: usize) -> Option<Vec<usize>> {
        match self {
            View::Copies { copies, of } => {
                let mut rows = Vec::new();
                for &copy in copies.get(variable)? {
                    rows.extend(of.rows_of(copy)?);
                }
                Some(rows)
            }
            _ => Some(vec![self.row_of(variable)?]),
        }
    }

    /// The row that is a variable, where one row is.
    pub fn row_of(&self, variable: usize) -> Option<usize> {
        match self {
            View::Direct => Some(variable),
            View::Rows(rows) => rows.get(variable).copied(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_read_back() {
        let views = [
            (View::Direct, 3, vec![0.5, -1.0, 2.0]),
            (View::Rows(vec![2, 3]), 4, vec![0.5, -1.0]),
            (View::Differences(vec![(0, 2), (1, 3)]), 5, vec![0.5, -1.0]),
            (View::Latches(vec![(0, 1), (2, 3)]), 4, vec![1.0, -1.0]),
            (
                View::Copies {
                    copies: vec![vec![0, 2], vec![1]],
                    of: Box::new(View::Latches(vec![(0, 1), (2, 3), (4, 5)])),
                },
                6,
                vec![-1.0, 1.0],
            ),
            (View::Categories(vec![3, 2, 4]), 6, vec![2.0, 0.0, 1.0]),
            (
                View::Selected {
                    branches: 2,
                    dim: 2,
                    centres: vec![-1.0, -1.0, 1.0, 1.0],
                    leak: 0.0,
                },
                5,
                vec![0.75, 1.5],
            ),
        ];
        for (view, width, x) in views {
            let mut rows = vec![f64::NAN; width];
            view.encode(&x, &mut rows);
            let rows: Vec<f32> = rows.iter().map(|&v| v as f32).collect();
            let mut read = vec![0.0f32; view.variables(width)];
            view.decode(&rows, &mut read);
            let read: Vec<f64> = read.into_iter().map(f64::from).collect();
            assert_eq!(read, x, "{view:?}");
        }
    }

    /// With a leak of 0.1 and branches at 1, 2, 6: (1 − 0.1)·2 + 0.1·(1 + 6)/2.
    #[test]
    fn a_leaky_mixer_adds_the_mean_of_the_other_branches() {
        let view = View::Selected {
            branches: 3,
            dim: 1,
            centres: vec![0.0; 3],
            leak: 0.1,
        };
        let mut x = [0.0];
        view.decode(&[1.0, 2.0, 6.0, -1.0, 1.0], &mut x);
        assert!((x[0] - 2.15).abs() < 1e-6);
    }
}
