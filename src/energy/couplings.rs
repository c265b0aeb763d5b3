//! Pair couplings J_ij on a graph: each pair once, i < j, in ascending order.

use crate::error::{Error, Result};
use nalgebra::DMatrix;

/// Symmetric couplings; the energy holds −Σ_{i<j} J_ij x_i x_j.
#[derive(Clone, Debug, PartialEq)]
pub struct Couplings {
    n: usize,
    edges: Vec<(usize, usize)>,
    values: Vec<f64>,
}

impl Couplings {
    /// Couplings on `n` nodes from (i, j, J_ij) in any order.
    ///
    /// # Errors
    /// An index out of range, i = j, a pair given twice, or a value that is not finite; the field is `couplings[k]`.
    pub fn new(n: usize, list: Vec<(usize, usize, f64)>) -> Result<Self> {
        let mut sorted = Vec::with_capacity(list.len());
        for (k, (i, j, value)) in list.into_iter().enumerate() {
            let field = || format!("couplings[{k}]");
            if i >= n || j >= n {
                let expected = format!("node indices below {n}");
                return Err(Error::invalid(
                    field(),
                    format!("[{i}, {j}, {value}]"),
                    expected,
                ));
            }
            if i == j {
                let expected = "two different nodes (a node's own term belongs to its cell)";
                return Err(Error::invalid(
                    field(),
                    format!("[{i}, {j}, {value}]"),
                    expected,
                ));
            }
            if !value.is_finite() {
                return Err(Error::invalid(
                    field(),
                    format!("[{i}, {j}, {value}]"),
                    "a finite coupling",
                ));
            }
            sorted.push((i.min(j), i.max(j), value, k));
        }
        sorted.sort_by_key(|&(i, j, _, k)| (i, j, k));
        if let Some(pair) = sorted
            .windows(2)
            .find(|w| (w[0].0, w[0].1) == (w[1].0, w[1].1))
        {
            let (i, j, value, k) = pair[1];
            return Err(Error::invalid(
                format!("couplings[{k}]"),
                format!("[{i}, {j}, {value}]"),
                "each pair once (the coupling is symmetric)",
            ));
        }
        Ok(Couplings {
            n,
            edges: sorted.iter().map(|&(i, j, ..)| (i, j)).collect(),
            values: sorted.iter().map(|&(_, _, value, _)| value).collect(),
        })
    }

    /// No couplings on `n` nodes.
    pub fn empty(n: usize) -> Self {
        Couplings {
            n,
            edges: Vec::new(),
            values: Vec::new(),
        }
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.n
    }

    /// Pairs (i, j), i < j, ascending.
    pub fn edges(&self) -> &[(usize, usize)] {
        &self.edges
    }

    /// J_ij in edge order.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Replaces the values on the same graph.
    ///
    /// # Errors
    /// A wrong length or a value that is not finite.
    pub fn set_values(&mut self, values: &[f64]) -> Result<()> {
        if values.len() != self.values.len() {
            let expected = format!("{} couplings", self.values.len());
            return Err(Error::invalid(
                "couplings",
                format!("{} values", values.len()),
                expected,
            ));
        }
        if let Some(k) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::invalid(
                format!("couplings[{k}]"),
                values[k],
                "a finite coupling",
            ));
        }
        self.values.copy_from_slice(values);
        Ok(())
    }

    /// For each node, its neighbours and the index of the edge to each.
    pub fn neighbours(&self) -> Vec<Vec<(usize, usize)>> {
        let mut rows = vec![Vec::new(); self.n];
        for (edge, &(i, j)) in self.edges.iter().enumerate() {
            rows[i].push((j, edge));
            rows[j].push((i, edge));
        }
        for row in &mut rows {
            row.sort_unstable();
        }
        rows
    }

    /// The symmetric matrix J with zero diagonal.
    pub fn dense(&self) -> DMatrix<f64> {
        let mut dense = DMatrix::zeros(self.n, self.n);
        for (&(i, j), &value) in self.edges.iter().zip(&self.values) {
            dense[(i, j)] = value;
            dense[(j, i)] = value;
        }
        dense
    }

    /// Σ_j |J_ij| of every node.
    pub fn reach(&self) -> Vec<f64> {
        let mut reach = vec![0.0; self.n];
        for (&(i, j), value) in self.edges.iter().zip(&self.values) {
            reach[i] += value.abs();
            reach[j] += value.abs();
        }
        reach
    }

    /// Adds Σ_j J_ij x_j to `out[i]`.
    pub fn add_product(&self, x: &[f64], out: &mut [f64]) {
        for (&(i, j), &value) in self.edges.iter().zip(&self.values) {
            out[i] += value * x[j];
            out[j] += value * x[i];
        }
    }

    /// −Σ_{i<j} J_ij x_i x_j.
    pub fn energy(&self, x: &[f64]) -> f64 {
        let pairs = self.edges.iter().zip(&self.values);
        -pairs
            .map(|(&(i, j), value)| value * x[i] * x[j])
            .sum::<f64>()
    }

    /// Classes of nodes with no edge inside a class (greedy in node order): each class can be updated at once.
    pub fn colouring(&self) -> Vec<Vec<usize>> {
        let neighbours = self.neighbours();
        let mut colour: Vec<Option<usize>> = vec![None; self.n];
        let mut classes: Vec<Vec<usize>> = Vec::new();
        for i in 0..self.n {
            let taken = |c: usize| neighbours[i].iter().any(|&(j, _)| colour[j] == Some(c));
            let c = (0..classes.len())
                .find(|&c| !taken(c))
                .unwrap_or(classes.len());
            if c == classes.len() {
                classes.push(Vec::new());
            }
            colour[i] = Some(c);
            classes[c].push(i);
        }
        classes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_the_list_does_not_matter() {
        let a = Couplings::new(3, vec![(2, 1, 0.5), (0, 1, -1.0)]).unwrap();
        let b = Couplings::new(3, vec![(0, 1, -1.0), (1, 2, 0.5)]).unwrap();
        assert_eq!(a, b);
        assert_eq!(a.dense()[(2, 1)], 0.5);
    }

    #[test]
    fn bad_pairs_are_refused_by_name() {
        for (list, words) in [
            (vec![(0, 3, 1.0)], "below 3"),
            (vec![(1, 1, 1.0)], "two different nodes"),
            (vec![(0, 1, f64::NAN)], "finite"),
            (vec![(0, 1, 1.0), (1, 0, 1.0)], "each pair once"),
        ] {
            let message = Couplings::new(3, list).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn no_edge_inside_a_colour() {
        let ring =
            |n: usize| Couplings::new(n, (0..n).map(|i| (i, (i + 1) % n, 1.0)).collect()).unwrap();
        assert_eq!(ring(8).colouring().len(), 2);
        assert_eq!(ring(7).colouring().len(), 3);
        let colours = ring(7).colouring();
        for class in &colours {
            for &(i, j) in ring(7).edges() {
                assert!(!(class.contains(&i) && class.contains(&j)));
            }
        }
    }
}
