//! Proptest strategies: random graphs, energies of moderate size and strength, chip designs, circuits.

mod circuits;
mod designs;
mod graphs;

pub use circuits::{PassiveCircuit, conducting_circuits, rc_circuits, rlc_circuits};
pub use designs::{Design, designs};
pub use graphs::{Graph, bipartite_graphs, connected_graphs, isings_on, kings_graphs, lattices};

use crate::energy::{Couplings, Ising, Quadratic, SoftSpin};
use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;
use std::ops::Range;

/// A point with coordinates uniform in [−2, 2], the same for the same seed.
pub fn point(dim: usize, seed: u64) -> Vec<f64> {
    let mut rng = Pcg32::seed_from_u64(seed);
    (0..dim).map(|_| rng.random_range(-2.0..2.0)).collect()
}

/// Spins ±1, the same for the same seed.
pub fn spins(dim: usize, seed: u64) -> Vec<i8> {
    let mut rng = Pcg32::seed_from_u64(seed);
    (0..dim)
        .map(|_| if rng.random::<bool>() { 1 } else { -1 })
        .collect()
}

/// Couplings on a random graph: each pair present with probability ½, values in [−`strength`, `strength`].
pub fn couplings(n: usize, strength: f64) -> impl Strategy<Value = Couplings> {
    let pairs = n * n.saturating_sub(1) / 2;
    proptest::collection::vec((any::<bool>(), -strength..strength), pairs).prop_filter_map(
        "finite couplings on ordered pairs",
        move |drawn| {
            let all = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
            let edges = all
                .zip(drawn)
                .filter(|(_, (present, _))| *present)
                .map(|((i, j), (_, value))| (i, j, value))
                .collect();
            Couplings::new(n, edges).ok()
        },
    )
}

/// Spin models with fields and couplings in [−1, 1].
pub fn isings(size: Range<usize>) -> impl Strategy<Value = Ising> {
    size.prop_flat_map(|n| (couplings(n, 1.0), proptest::collection::vec(-1.0..1.0, n)))
        .prop_filter_map("valid spins", |(couplings, fields)| {
            Ising::new(fields, couplings).ok()
        })
}

/// Soft spins with j2 in [−2, 2], j4 in [0.1, 2], fields and couplings in [−1, 1].
pub fn soft_spins(size: Range<usize>) -> impl Strategy<Value = SoftSpin> {
    size.prop_flat_map(|n| {
        (
            couplings(n, 1.0),
            proptest::collection::vec((-2.0..2.0, 0.1..2.0, -1.0..1.0), n),
        )
    })
    .prop_filter_map("bounded soft spins", |(couplings, cells)| {
        let j2 = cells.iter().map(|c| c.0).collect();
        let j4 = cells.iter().map(|c| c.1).collect();
        let fields = cells.iter().map(|c| c.2).collect();
        SoftSpin::new(j2, j4, fields, couplings).ok()
    })
}

/// Gaussians with precision AAᵀ/n + 1, A uniform in [−1, 1]; linear part in [−1, 1].
pub fn quadratics(size: Range<usize>) -> impl Strategy<Value = Quadratic> {
    size.prop_flat_map(|n| {
        (
            proptest::collection::vec(-1.0..1.0, n * n),
            proptest::collection::vec(-1.0..1.0, n),
        )
    })
    .prop_filter_map("positive definite", |(a, b)| {
        let n = b.len();
        let a: DMatrix<f64> = DMatrix::from_vec(n, n, a);
        let precision = &a * a.transpose() / n as f64 + DMatrix::identity(n, n);
        Quadratic::new(precision, DVector::from_vec(b)).ok()
    })
}
