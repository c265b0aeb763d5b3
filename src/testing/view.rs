//! What a test looks at in a state: a number, or the index of a state in a finite list whose law is known.

use crate::energy::{DiscreteEnergy, exact};

/// Something to look at in a state of type `S`.
pub struct View<'a, S> {
    pub(super) name: String,
    pub(super) of: Of<'a, S>,
}

pub(super) type Index<'a, S> = Box<dyn Fn(&S) -> usize + 'a>;

pub(super) enum Of<'a, S> {
    Number(Box<dyn Fn(&S) -> f64 + 'a>),
    State(Index<'a, S>, Vec<f64>),
}

impl<S> std::fmt::Debug for View<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<'a, S> View<'a, S> {
    /// A number f(x). Its fourth moment should be finite and far from dominated by rare states: means are judged by Student's t.
    pub fn number(name: &str, f: impl Fn(&S) -> f64 + 'a) -> Self {
        View {
            name: name.to_owned(),
            of: Of::Number(Box::new(f)),
        }
    }

    /// The index of a state, or of a cell that it lies in, and the probability of each: the law that a sampler should have.
    pub fn law(name: &str, index: impl Fn(&S) -> usize + 'a, probabilities: Vec<f64>) -> Self {
        View {
            name: name.to_owned(),
            of: Of::State(Box::new(index), probabilities),
        }
    }

    /// As a number, the index where it is one.
    pub(super) fn value(&self, state: &S) -> f64 {
        match &self.of {
            Of::Number(f) => f(state),
            Of::State(index, _) => index(state) as f64,
        }
    }
}

/// The index of a state in the order of [`exact::ExactSpins::probabilities`]: bit i is set when s_i = +1.
pub fn spin_index(spins: &[i8]) -> usize {
    let bits = spins.iter().enumerate();
    bits.fold(0, |index, (i, &s)| index | usize::from(s > 0) << i)
}

/// The spins of an index: [`spin_index`] backwards.
pub fn indexed_spins(index: usize, n: usize) -> Vec<i8> {
    (0..n)
        .map(|i| if index >> i & 1 == 1 { 1 } else { -1 })
        .collect()
}

/// Views of n real variables: each of them.
pub fn coordinates(n: usize) -> Vec<View<'static, Vec<f64>>> {
    (0..n)
        .map(|i| View::number(&format!("x_{i}"), move |x: &Vec<f64>| x[i]))
        .collect()
}

/// Views of spins: the Boltzmann law of all their states, by enumeration, and their energy.
///
/// # Errors
/// More spins than [`exact::MAX_SPINS`].
pub fn boltzmann(energy: &dyn DiscreteEnergy) -> Result<Vec<View<'_, Vec<i8>>>, String> {
    let p = exact::probabilities(energy).map_err(|e| e.to_string())?;
    Ok(vec![
        View::law("states", |s: &Vec<i8>| spin_index(s), p),
        View::number("energy", |s: &Vec<i8>| energy.value(s)),
    ])
}

/// Counts of states.
///
/// # Errors
/// An index beyond the list.
pub(super) fn count(
    what: &str,
    indices: impl Iterator<Item = usize>,
    states: usize,
) -> Result<Vec<u64>, String> {
    let mut counts = vec![0; states];
    for index in indices {
        let cell = counts.get_mut(index).ok_or_else(|| {
            format!("{what}: state {index}, expected one of {states} with a probability")
        })?;
        *cell += 1;
    }
    Ok(counts)
}
