//! Points of rest of large networks: F(x, 0) = 0 by damped Newton steps K δ = F, K = −∂F/∂x factorised on its sparse pattern.

use super::force::row_entries;
use super::linear::force;
use super::modes::Drift;
use super::process::Process;
use super::sparse_lu::SparseLu;
use super::tile::Row;

/// Newton steps before the search is given up.
const ITERATIONS: usize = 200;

/// A point of rest found from x = 0; `None` where the steps do not lead to one, or where K has no pivot on its diagonal (a
/// loop of inductors without resistance).
pub fn resting_point(process: &Process) -> Option<Vec<f64>> {
    let n = process.nodes;
    let mut x = vec![0.0; n];
    let size = |x: &[f64]| force(process, x, 0.0).norm();
    let scale = 1.0 + size(&x);
    let linear = (0..n).flat_map(|i| {
        let row = row_entries(&process.linear, i).into_iter();
        row.map(move |(j, _)| (i, j))
    });
    let branches = process.branches.iter().flat_map(|branch| {
        let outputs = branch.output.iter();
        outputs.flat_map(|out| branch.input.iter().map(|into| (out.0, into.0)))
    });
    let lu = SparseLu::new(n, linear.chain(branches));
    let mut matrix = vec![Row::splat(0.0); lu.len()];
    for _ in 0..ITERATIONS {
        let before = size(&x);
        if before < 1e-13 * scale {
            return Some(x);
        }
        matrix.fill(Row::splat(0.0));
        for (i, j, value) in Drift::at(process, &x).entries() {
            matrix[lu.slot(i, j)] = Row::splat(value);
        }
        lu.factorise(&mut matrix);
        let force = force(process, &x, 0.0);
        let mut step: Vec<Row<f64>> = force.iter().map(|&f| Row::splat(f)).collect();
        lu.solve(&matrix, &mut step);
        let mut share = 1.0;
        let moved = loop {
            let trial: Vec<f64> = x.iter().zip(&step).map(|(x, d)| x + share * d[0]).collect();
            let after = size(&trial);
            if after < before {
                break trial;
            }
            share *= 0.5;
            if share < 1e-6 || !after.is_finite() && share < 1e-3 {
                return (before < 1e-9 * scale).then_some(x);
            }
        };
        x = moved;
    }
    None
}
