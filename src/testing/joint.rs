//! Geweke's joint distribution test (J. Am. Stat. Assoc. 99, 799, 2004): a sampler of parameters given data, without one exact
//! draw from the posterior.
//!
//! The joint law p(θ) p(y | θ) can be drawn in two ways: y after θ from the prior, or by turns, θ from the sampler given y and y
//! given θ. If the sampler leaves p(θ | y) as it is, both have one law; an error of the sampler feeds back through y and grows.

use super::evidence::{law_of, same_law, same_mean};
use super::sequential::{Sequential, Stream};
use super::view::{Of, View, count};

/// Turns of θ ~ `kernel` given y and y ~ `data` given θ have the joint law of θ ~ `prior`, y ~ `data`.
///
/// Every one of the draws is a chain of its own of `turns` turns from an exact start, so that its numbers are independent. Of a
/// number, the time average over the second half is judged by Welch's t, and the last value by Kolmogorov and Smirnov's
/// bound, against as many fresh draws; laws are judged by χ² of the last state.
///
/// # Errors
/// What differs, and by how much. A state that has no probability. As [`Sequential::plan`].
pub fn geweke_joint<P, D>(
    mut prior: impl FnMut(&mut Stream) -> P,
    mut data: impl FnMut(&P, &mut Stream) -> D,
    mut kernel: impl FnMut(&mut P, &D, &mut Stream),
    turns: usize,
    views: &[View<'_, (P, D)>],
    test: &Sequential,
) -> Result<(), String> {
    if turns == 0 {
        return Err("turns: 0, expected at least one".to_owned());
    }
    test.run(|draws, stream| {
        let mut joint = |stream: &mut Stream| {
            let parameters = prior(stream);
            let data = data(&parameters, stream);
            (parameters, data)
        };
        let fresh: Vec<(P, D)> = (0..draws).map(|_| joint(stream)).collect();
        let mut starts: Vec<(P, D)> = (0..draws).map(|_| joint(stream)).collect();
        let kept = turns - turns / 2;
        // averages[view][chain] of the last `kept` turns.
        let mut averages = vec![vec![0.0; draws]; views.len()];
        for (chain, state) in starts.iter_mut().enumerate() {
            for turn in 0..turns {
                kernel(&mut state.0, &state.1, stream);
                state.1 = data(&state.0, stream);
                if turn >= turns - kept {
                    for (view, averages) in views.iter().zip(&mut averages) {
                        averages[chain] += view.value(state) / kept as f64;
                    }
                }
            }
        }
        let mut found = Vec::new();
        for (view, averages) in views.iter().zip(&averages) {
            let name = &view.name;
            match &view.of {
                Of::State(index, p) => {
                    let counts = count(name, starts.iter().map(index), p.len())?;
                    found.push(law_of(&format!("{name} after {turns} turns"), &counts, p)?);
                }
                Of::Number(f) => {
                    let fresh: Vec<f64> = fresh.iter().map(f).collect();
                    let ends: Vec<f64> = starts.iter().map(f).collect();
                    let what = format!("mean of {name} over {kept} turns");
                    found.push(same_mean(&what, averages, &fresh));
                    found.push(same_law(
                        &format!("{name} after {turns} turns"),
                        &ends,
                        &fresh,
                    )?);
                }
            }
        }
        Ok(found)
    })
}
