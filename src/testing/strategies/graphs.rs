//! Random graphs and lattices, and spin models on them.

use crate::energy::{Couplings, Ising};
use proptest::prelude::*;
use std::ops::Range;

/// Nodes 0 … n − 1 and pairs (i, j), i < j, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// Number of nodes.
    pub nodes: usize,
    /// Pairs.
    pub edges: Vec<(usize, usize)>,
}

impl Graph {
    /// Neighbours of every node.
    pub fn neighbours(&self) -> Vec<Vec<usize>> {
        let mut rows = vec![Vec::new(); self.nodes];
        for &(i, j) in &self.edges {
            rows[i].push(j);
            rows[j].push(i);
        }
        rows
    }

    /// Colours with no edge inside one of them, when two are enough.
    pub fn two_colouring(&self) -> Option<Vec<bool>> {
        let neighbours = self.neighbours();
        let mut colour: Vec<Option<bool>> = vec![None; self.nodes];
        for first in 0..self.nodes {
            let mut open = vec![first];
            colour[first].get_or_insert(false);
            while let Some(i) = open.pop() {
                let other = colour[i].map(|c| !c);
                for &j in &neighbours[i] {
                    if colour[j].is_none() {
                        colour[j] = other;
                        open.push(j);
                    } else if colour[j] != other {
                        return None;
                    }
                }
            }
        }
        colour.into_iter().collect()
    }

    /// Whether every node can be reached from every other.
    pub fn is_connected(&self) -> bool {
        let neighbours = self.neighbours();
        let mut seen = vec![false; self.nodes];
        let mut open: Vec<usize> = (0..self.nodes.min(1)).collect();
        while let Some(i) = open.pop() {
            if !std::mem::replace(&mut seen[i], true) {
                open.extend(&neighbours[i]);
            }
        }
        seen.into_iter().all(|s| s)
    }
}

/// Connected graphs: a random tree, and each other pair with probability ¼. They shrink towards trees.
pub fn connected_graphs(nodes: Range<usize>) -> impl Strategy<Value = Graph> {
    nodes.prop_flat_map(|n| {
        let parents: Vec<_> = (1..n).map(|i| 0..i).collect();
        let pairs = n * n.saturating_sub(1) / 2;
        let extra = proptest::collection::vec(proptest::bool::weighted(0.25), pairs);
        (parents, extra).prop_map(move |(parents, extra)| {
            let all = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
            let edges = all
                .zip(extra)
                .filter(|((i, j), extra)| *extra || parents[j - 1] == *i)
                .map(|(pair, _)| pair)
                .collect();
            Graph { nodes: n, edges }
        })
    })
}

/// Graphs between a `left` and a `right` set of nodes (numbered in this order), each pair with probability ½: restricted
/// Boltzmann machines and two-colourable chips.
pub fn bipartite_graphs(left: Range<usize>, right: Range<usize>) -> impl Strategy<Value = Graph> {
    (left, right).prop_flat_map(|(left, right)| {
        let present = proptest::collection::vec(any::<bool>(), left * right);
        present.prop_map(move |present| {
            let all = (0..left).flat_map(|i| (left..left + right).map(move |j| (i, j)));
            let kept = all.zip(present).filter(|(_, present)| *present);
            Graph {
                nodes: left + right,
                edges: kept.map(|(pair, _)| pair).collect(),
            }
        })
    })
}

/// Sites (x, y), node y·width + x, joined by the given shifts within open borders.
fn shifted((width, height): (usize, usize), shifts: &[(isize, isize)]) -> Graph {
    let mut edges = Vec::new();
    for y in 0..height {
        for x in 0..width {
            for &(dx, dy) in shifts {
                let (Some(u), Some(v)) = (x.checked_add_signed(dx), y.checked_add_signed(dy))
                else {
                    continue;
                };
                if u < width && v < height {
                    edges.push((y * width + x, v * width + u));
                }
            }
        }
    }
    Graph {
        nodes: width * height,
        edges,
    }
}

/// Square lattices with open borders.
pub fn lattices(width: Range<usize>, height: Range<usize>) -> impl Strategy<Value = Graph> {
    (width, height).prop_map(|size| shifted(size, &[(1, 0), (0, 1)]))
}

/// King's graphs with open borders: the square lattice and both diagonals. Four colours are needed.
pub fn kings_graphs(width: Range<usize>, height: Range<usize>) -> impl Strategy<Value = Graph> {
    (width, height).prop_map(|size| shifted(size, &[(1, 0), (0, 1), (1, 1), (-1, 1)]))
}

/// Spin models on graphs, fields and couplings in [−`strength`, `strength`].
pub fn isings_on(
    graphs: impl Strategy<Value = Graph>,
    strength: f64,
) -> impl Strategy<Value = Ising> {
    let drawn = graphs.prop_flat_map(move |graph| {
        let some = |count: usize| proptest::collection::vec(-strength..strength, count);
        (some(graph.nodes), some(graph.edges.len()), Just(graph))
    });
    drawn.prop_filter_map("valid spins", |(fields, values, graph)| {
        let list = graph.edges.iter().zip(values);
        let list = list.map(|(&(i, j), v)| (i, j, v)).collect();
        Ising::new(fields, Couplings::new(graph.nodes, list).ok()?).ok()
    })
}
