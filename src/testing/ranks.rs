//! The rank test: an exact draw cannot be told from the other states of a chain that runs through it (Gandy & Scott,
//! arXiv 2001.06465).
//!
//! Put x_M ~ π at a random place M of a chain of L + 1 states, run the kernel from there to the end and its time reversal from
//! there to the beginning. If π = πK the chain is stationary and does not know M, so the rank of f(x_M) among all f(x_i), ties
//! broken at random, is uniform on 0 … L. A reversible kernel is its own reversal.

use super::evidence::law_of;
use super::sequential::{Sequential, Stream};
use super::view::View;
use rand::RngExt;

/// The rank of an exact draw in a chain of `length` steps of a reversible `kernel` is uniform, for every view; χ² on length + 1
/// ranks.
///
/// An irreversible kernel (a sweep in fixed order) fails this test however right its law is: use
/// [`rank_uniform_both_ways`].
///
/// # Errors
/// Which view's ranks are not uniform. As [`Sequential::plan`].
pub fn rank_uniform<S: Clone>(
    exact: impl FnMut(&mut Stream) -> S,
    mut kernel: impl FnMut(&mut S, &mut Stream),
    length: usize,
    views: &[View<'_, S>],
    test: &Sequential,
) -> Result<(), String> {
    ranks(
        exact,
        |state, _, stream| kernel(state, stream),
        length,
        views,
        test,
    )
}

/// As [`rank_uniform`], for a kernel whose time reversal is another one: the sweep in the reverse order.
///
/// # Errors
/// As [`rank_uniform`].
pub fn rank_uniform_both_ways<S: Clone>(
    exact: impl FnMut(&mut Stream) -> S,
    mut forward: impl FnMut(&mut S, &mut Stream),
    mut backward: impl FnMut(&mut S, &mut Stream),
    length: usize,
    views: &[View<'_, S>],
    test: &Sequential,
) -> Result<(), String> {
    let step = |state: &mut S, ahead: bool, stream: &mut Stream| {
        if ahead {
            forward(state, stream);
        } else {
            backward(state, stream);
        }
    };
    ranks(exact, step, length, views, test)
}

fn ranks<S: Clone>(
    mut exact: impl FnMut(&mut Stream) -> S,
    mut step: impl FnMut(&mut S, bool, &mut Stream),
    length: usize,
    views: &[View<'_, S>],
    test: &Sequential,
) -> Result<(), String> {
    let uniform = vec![1.0 / (length + 1) as f64; length + 1];
    test.run(|draws, stream| {
        let mut counts = vec![vec![0u64; length + 1]; views.len()];
        for _ in 0..draws {
            let start = exact(stream);
            let own: Vec<f64> = views.iter().map(|view| view.value(&start)).collect();
            let (mut below, mut equal) = (vec![0usize; own.len()], vec![0usize; own.len()]);
            let place = stream.random_range(0..=length);
            for (ahead, steps) in [(true, length - place), (false, place)] {
                let mut state = start.clone();
                for _ in 0..steps {
                    step(&mut state, ahead, stream);
                    for (k, view) in views.iter().enumerate() {
                        let value = view.value(&state);
                        below[k] += usize::from(value < own[k]);
                        equal[k] += usize::from(value == own[k]);
                    }
                }
            }
            for (k, counts) in counts.iter_mut().enumerate() {
                counts[below[k] + stream.random_range(0..=equal[k])] += 1;
            }
        }
        views
            .iter()
            .zip(&counts)
            .map(|(view, counts)| {
                let what = format!("rank of {} among {} states", view.name, length + 1);
                law_of(&what, counts, &uniform)
            })
            .collect()
    })
}
