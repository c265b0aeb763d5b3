//! Counting the joint states of a factor graph.

use thermochip::energy::FactorGraph;

/// Counts of the states in draws, by [`FactorGraph::index`]; a value that is no state panics.
pub fn counts(graph: &FactorGraph, draws: &[f32]) -> Vec<u64> {
    let mut counts = vec![0; graph.states().unwrap()];
    let mut x = vec![0u8; graph.dim()];
    for values in draws.chunks(graph.dim()) {
        for ((x, &value), domain) in x.iter_mut().zip(values).zip(graph.domains()) {
            *x = domain.state(f64::from(value)).unwrap();
        }
        counts[graph.index(&x)] += 1;
    }
    counts
}

/// The joint state of a number.
pub fn state(graph: &FactorGraph, mut index: usize) -> Vec<u8> {
    let digits = graph.domains().iter().map(|domain| {
        let digit = index % domain.states();
        index /= domain.states();
        digit as u8
    });
    digits.collect()
}
