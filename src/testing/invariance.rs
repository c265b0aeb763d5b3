//! A sampler leaves its law as it is: exact starts, a few steps, still the law. No burn-in, no correlation times.
//!
//! If x_0 ~ π and π = πK then x_k ~ π for every k, whatever the speed of the kernel. So the test is exact after one step;
//! more steps let a small error of each add up, until the chain is in its own wrong law.

use super::evidence::{law_of, mean_of, same_law};
use super::sequential::{Sequential, Stream};
use super::view::{Of, View, count};

/// `kernel`, applied `steps` times to exact draws of π from `exact`, leaves π as it is.
///
/// Laws are judged by χ². Of a number f, the mean of f(x_k) − f(x_0) is judged by Student's t, and the law of f(x_k) against that of
/// f of as many fresh exact draws by Kolmogorov and Smirnov's bound.
///
/// ```
/// use rand::RngExt;
/// use thermochip::energy::{Couplings, DiscreteEnergy, Ising};
/// use thermochip::testing::{Sequential, leaves_invariant, starts, view};
///
/// let energy = Ising::new(vec![0.3, -0.2], Couplings::new(2, vec![(0, 1, 0.8)])?)?;
/// // The sampler under test: heat-bath updates of one spin after the other.
/// let gibbs = |scale: f64| {
///     let energy = &energy;
///     move |s: &mut Vec<i8>, stream: &mut thermochip::testing::Stream| {
///         for i in 0..s.len() {
///             let up = 1.0 / (1.0 + (-scale * energy.local_field(s, i)).exp());
///             s[i] = if stream.random::<f64>() < up { 1 } else { -1 };
///         }
///     }
/// };
/// let views = view::boltzmann(&energy)?;
/// let test = Sequential::new(1e-6, 2000);
/// leaves_invariant(starts::spins(&energy)?, gibbs(2.0), 10, &views, &test)?;
/// // P(+1) = σ(f) for σ(2f): caught.
/// assert!(leaves_invariant(starts::spins(&energy)?, gibbs(1.0), 10, &views, &test).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// What moved, and by how much. A state that has no probability. As [`Sequential::plan`].
pub fn leaves_invariant<S: Clone>(
    mut exact: impl FnMut(&mut Stream) -> S,
    mut kernel: impl FnMut(&mut S, &mut Stream),
    steps: usize,
    views: &[View<'_, S>],
    test: &Sequential,
) -> Result<(), String> {
    test.run(|draws, stream| {
        let pairs = moved(&mut exact, &mut kernel, steps, draws, stream);
        let fresh: Vec<S> = (0..draws).map(|_| exact(stream)).collect();
        let mut found = Vec::new();
        for view in views {
            let name = &view.name;
            match &view.of {
                Of::State(index, p) => {
                    let ends = pairs.iter().map(|(_, end)| index(end));
                    let what = format!("{name} after {steps} steps");
                    found.push(law_of(&what, &count(&what, ends, p.len())?, p)?);
                }
                Of::Number(f) => {
                    let moved: Vec<f64> = pairs.iter().map(|(a, b)| f(b) - f(a)).collect();
                    let what = format!("mean change of {name} in {steps} steps");
                    found.push(mean_of(&what, &moved, 0.0));
                    let ends: Vec<f64> = pairs.iter().map(|(_, end)| f(end)).collect();
                    let fresh: Vec<f64> = fresh.iter().map(f).collect();
                    let what = format!("{name} after {steps} steps");
                    found.push(same_law(&what, &ends, &fresh)?);
                }
            }
        }
        Ok(found)
    })
}

/// Exact states, and where `steps` steps take them.
pub(super) fn moved<S: Clone>(
    exact: &mut impl FnMut(&mut Stream) -> S,
    kernel: &mut impl FnMut(&mut S, &mut Stream),
    steps: usize,
    draws: usize,
    stream: &mut Stream,
) -> Vec<(S, S)> {
    let pair = |_| {
        let start = exact(stream);
        let mut state = start.clone();
        (0..steps).for_each(|_| kernel(&mut state, stream));
        (start, state)
    };
    (0..draws).map(pair).collect()
}
