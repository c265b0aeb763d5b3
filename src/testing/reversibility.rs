//! Detailed balance and transition laws of a kernel, from exact starts.
//!
//! If x_0 ~ π and one step leads to x_1, detailed balance says that (x_0, x_1) and (x_1, x_0) have one law: of the N_ij + N_ji moves
//! between two states each goes either way with probability ½, and every antisymmetric number f(x_0) g(x_1) − g(x_0) f(x_1) has
//! mean 0.

use super::chain::TransitionMatrix;
use super::evidence::{Evidence, law_of, mean_of, upper_chi_square};
use super::invariance::moved;
use super::sequential::{Sequential, Stream};
use super::view::{Of, View, count};
use std::collections::BTreeMap;

/// An odd function of a state before and after a step.
type Current = fn(f64, f64) -> f64;

/// Moves between two states from which their two directions are compared.
const LEAST_MOVES: u64 = 10;

/// Steps of `kernel` from exact draws of π are as likely backwards.
///
/// Laws: Bowker's χ² = Σ (N_ij − N_ji)²/(N_ij + N_ji) over pairs with at least ten moves. Numbers, in standard deviations from
/// their means: those of f(x_1) − f(x_0), of f²(x_1) − f²(x_0), of f² f' − f f'² and f³ f' − f f'³ with f' = f(x_1), and of f g' − g f'
/// for two of them, by Student's t.
///
/// Whether a recorded trace of a chip runs backwards as well as forwards is judged by
/// [`transition_currents`](crate::diagnostics::transition_currents) and
/// [`lagged_currents`](crate::diagnostics::lagged_currents); a matrix by [`TransitionMatrix::detailed_balance`].
///
/// # Errors
/// Between what a current flows, and how large it is. As [`Sequential::plan`].
pub fn detailed_balance<S: Clone>(
    mut exact: impl FnMut(&mut Stream) -> S,
    mut kernel: impl FnMut(&mut S, &mut Stream),
    views: &[View<'_, S>],
    test: &Sequential,
) -> Result<(), String> {
    test.run(|draws, stream| {
        let pairs = moved(&mut exact, &mut kernel, 1, draws, stream);
        let mut found = Vec::new();
        let mut numbers: Vec<(&str, Vec<(f64, f64)>)> = Vec::new();
        for view in views {
            match &view.of {
                Of::State(index, _) => {
                    let moves = pairs.iter().map(|(a, b)| (index(a), index(b)));
                    found.push(bowker(&view.name, moves)?);
                }
                Of::Number(f) => {
                    let both = pairs.iter().map(|(a, b)| (f(a), f(b)));
                    numbers.push((&view.name, scaled(both.collect())));
                }
            }
        }
        for (k, (name, f)) in numbers.iter().enumerate() {
            let odd: [(&str, Current); 4] = [
                ("f", |a, b| b - a),
                ("f²", |a, b| b * b - a * a),
                ("f² and f", |a, b| a * a * b - a * b * b),
                ("f³ and f", |a, b| a * a * a * b - a * b * b * b),
            ];
            for (of, current) in odd {
                let own: Vec<f64> = f.iter().map(|&(a, b)| current(a, b)).collect();
                found.push(mean_of(&format!("current of {of}, f = {name}"), &own, 0.0));
            }
            for (other, g) in &numbers[..k] {
                let pairs = f.iter().zip(g);
                let area: Vec<f64> = pairs.map(|((a, b), (c, d))| a * d - b * c).collect();
                found.push(mean_of(
                    &format!("current of {other} and {name}"),
                    &area,
                    0.0,
                ));
            }
        }
        Ok(found)
    })
}

/// Both ends of every pair by the mean and deviation of all.
fn scaled(mut pairs: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let n = 2.0 * pairs.len() as f64;
    let mean = pairs.iter().map(|(a, b)| a + b).sum::<f64>() / n;
    let square = |v: f64| (v - mean).powi(2);
    let variance = pairs
        .iter()
        .map(|(a, b)| square(*a) + square(*b))
        .sum::<f64>()
        / n;
    let scale = if variance > 0.0 { variance.sqrt() } else { 1.0 };
    for (a, b) in &mut pairs {
        (*a, *b) = ((*a - mean) / scale, (*b - mean) / scale);
    }
    pairs
}

/// Bowker's χ² of moves between states.
fn bowker(name: &str, moves: impl Iterator<Item = (usize, usize)>) -> Result<Evidence, String> {
    let mut edges: BTreeMap<(usize, usize), (u64, u64)> = BTreeMap::new();
    for (a, b) in moves.filter(|(a, b)| a != b) {
        let edge = edges.entry((a.min(b), a.max(b))).or_default();
        if a < b {
            edge.0 += 1;
        } else {
            edge.1 += 1;
        }
    }
    let (mut statistic, mut freedom) = (0.0, 0);
    let (mut worst, mut largest) = (String::new(), -1.0);
    for ((a, b), (there, back)) in edges {
        if there + back < LEAST_MOVES {
            continue;
        }
        let part = (there as f64 - back as f64).powi(2) / (there + back) as f64;
        statistic += part;
        freedom += 1;
        if part > largest {
            (worst, largest) = (format!("{there} moves from {a} to {b}, {back} back"), part);
        }
    }
    if freedom == 0 {
        let words = format!("{name}: no two states with {LEAST_MOVES} moves between them");
        return Ok(Evidence::new(words, 1.0));
    }
    let words = format!(
        "detailed balance of {name}: chi-square {statistic:.1} on {freedom} degrees of freedom, the worst {worst}"
    );
    Ok(Evidence::new(words, upper_chi_square(statistic, freedom)?))
}

/// A step of `kernel` from each of `states` (in the order of `index`) has the law of the matrix's row, by χ².
///
/// The sharpest test of a kernel whose transition law is known: it sees what no stationary law shows. Draws are those from each
/// state.
///
/// # Errors
/// From which state, and by how much. A state that the matrix does not know, as many states as it has not. As
/// [`Sequential::plan`].
pub fn transitions_match<S: Clone>(
    states: &[S],
    mut kernel: impl FnMut(&mut S, &mut Stream),
    index: impl Fn(&S) -> usize,
    chain: &TransitionMatrix,
    test: &Sequential,
) -> Result<(), String> {
    if states.len() != chain.states() {
        let (given, known) = (states.len(), chain.states());
        return Err(format!(
            "states: {given}, expected the {known} of the matrix"
        ));
    }
    test.run(|draws, stream| {
        let each = states.iter().enumerate().map(|(x, start)| {
            let ends = (0..draws).map(|_| {
                let mut state = start.clone();
                kernel(&mut state, stream);
                index(&state)
            });
            let what = format!("step from state {x}");
            law_of(&what, &count(&what, ends, states.len())?, &chain.row(x))
        });
        each.collect()
    })
}
