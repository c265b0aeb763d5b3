//! From energies to the processes that digital samplers run: dx = −∇E dt + √2 dW, and spins with direct inputs.

use crate::dynamics::{LevelInput, Levels, Linear, Noise, Process};
use crate::energy::{ContinuousEnergy, DiscreteEnergy, Model, SoftSpin};
use crate::error::{Error, Result};

/// Langevin dynamics of a pairwise energy at temperature 1.
pub fn langevin_process(energy: &SoftSpin) -> Process {
    let n = energy.j2.len();
    let quartic = energy.j4.iter().any(|&v| v != 0.0);
    let mut polynomial = vec![
        energy.fields.clone(),
        energy.j2.iter().map(|v| -2.0 * v).collect(),
    ];
    if quartic {
        polynomial.push(vec![0.0; n]);
        polynomial.push(energy.j4.iter().map(|v| -4.0 * v).collect());
    }
    Process {
        polynomial,
        linear: Linear::Sparse(coupling_rows(
            energy.couplings.neighbours(),
            energy.couplings.values(),
        )),
        noise: Noise::Diagonal(vec![2f64.sqrt(); n]),
        ..Process::still(n)
    }
}

/// Spins with the inputs h + K s at once.
pub fn spin_process(energy: &dyn DiscreteEnergy) -> Process {
    let n = energy.dim();
    let zero = vec![1i8; n];
    let couplings = energy.couplings();
    let rows = coupling_rows(couplings.neighbours(), couplings.values());
    // f_i at s = +1 everywhere, less its couplings, is the field.
    let field = (0..n)
        .map(|i| energy.local_field(&zero, i) - rows[i].iter().map(|e| e.1).sum::<f64>())
        .collect();
    Process {
        levels: Some(Levels::free(
            vec![1.0; n],
            LevelInput::Direct {
                field,
                coupling: Linear::Sparse(rows),
            },
        )),
        ..Process::still(0)
    }
}

fn coupling_rows(neighbours: Vec<Vec<(usize, usize)>>, values: &[f64]) -> Vec<Vec<(usize, f64)>> {
    neighbours
        .into_iter()
        .map(|row| row.into_iter().map(|(j, edge)| (j, values[edge])).collect())
        .collect()
}

/// The pairwise form of a model of real variables.
///
/// # Errors
/// An energy of spins.
pub(super) fn pairwise(model: &Model) -> Result<SoftSpin> {
    model
        .continuous()
        .and_then(ContinuousEnergy::pairwise)
        .ok_or_else(|| {
            Error::invalid(
                "digital.sampler",
                "a Langevin method",
                "an energy of real variables with cells and pair couplings (quadratic, soft spins)",
            )
        })
}

/// λ_max of the energy's curvature over its stable points; `None` for spins.
pub fn stiffness(model: &Model) -> Option<f64> {
    pairwise(model).ok().map(|energy| energy.stiffness())
}

/// Remembers λ_max until the couplings have moved enough to change it noticeably.
///
/// By Weyl's inequality λ_max at a point moves by at most ‖ΔJ‖₂ ≤ ‖ΔJ‖_F, so it is recomputed when that bound exceeds 20 %
/// of it (for the many small changes of a training run ‖ΔJ‖₂ is about 2/√n of ‖ΔJ‖_F, a few per cent).
#[derive(Clone, Debug)]
pub(super) struct StiffnessTracker {
    value: Option<f64>,
    at: Vec<f64>,
}

impl StiffnessTracker {
    pub(super) fn new(model: &Model) -> Self {
        use crate::energy::Parametric;
        StiffnessTracker {
            value: stiffness(model),
            at: model.parameters().couplings,
        }
    }

    /// Everything it remembers, as numbers.
    pub(super) fn numbers(&self) -> Vec<f64> {
        let value = self.value.unwrap_or(f64::NAN);
        std::iter::once(value)
            .chain(self.at.iter().copied())
            .collect()
    }

    /// Takes back what [`Self::numbers`] gave.
    ///
    /// # Errors
    /// Numbers of another model.
    pub(super) fn remember(&mut self, numbers: &[f64]) -> Result<()> {
        if numbers.len() != self.at.len() + 1 {
            let expected = format!("{} numbers", self.at.len() + 1);
            return Err(Error::invalid("state.adapted", numbers.len(), expected));
        }
        self.value = Some(numbers[0]).filter(|v| !v.is_nan());
        self.at = numbers[1..].to_vec();
        Ok(())
    }

    pub(super) fn value(&self) -> Option<f64> {
        self.value
    }

    pub(super) fn update(&mut self, model: &Model) {
        use crate::energy::Parametric;
        let now = model.parameters().couplings;
        let moved: f64 = now.iter().zip(&self.at).map(|(a, b)| (a - b).powi(2)).sum();
        if let Some(value) = self.value
            && (2.0 * moved).sqrt() > 0.2 * value
        {
            self.value = stiffness(model);
            self.at = now;
        }
    }
}

/// The process of βE: forces or inputs times β, noise as it is.
pub(super) fn at_beta(process: &Process, beta: f64) -> Process {
    blend((&Process::still(process.nodes), 0.0), (process, beta))
}

/// The process of aA + bB, of two energies of the same variables: forces or inputs in that proportion, noise of B's.
pub(super) fn blend((first, a): (&Process, f64), (second, b): (&Process, f64)) -> Process {
    let rows = |from: &Linear, to: &Linear, n: usize| -> Linear {
        let sum = (0..n).map(|i| {
            let entries = |linear: &Linear, factor: f64| -> Vec<(usize, f64)> {
                match linear {
                    Linear::Sparse(rows) => rows[i].iter().map(|e| (e.0, factor * e.1)).collect(),
                    Linear::Dense(m) => (0..n).map(|j| (j, factor * m[(i, j)])).collect(),
                }
            };
            let mut row = entries(from, a);
            for (j, value) in entries(to, b) {
                match row.binary_search_by_key(&j, |e| e.0) {
                    Ok(k) => row[k].1 += value,
                    Err(k) => row.insert(k, (j, value)),
                }
            }
            row
        });
        Linear::Sparse(sum.collect())
    };
    let values = |from: &[f64], to: &[f64]| -> Vec<f64> {
        let longest = from.len().max(to.len());
        let at = |v: &[f64], i: usize| v.get(i).copied().unwrap_or(0.0);
        (0..longest)
            .map(|i| a * at(from, i) + b * at(to, i))
            .collect()
    };
    let mut process = second.clone();
    let terms = first.polynomial.len().max(second.polynomial.len());
    let term = |p: &Process, k: usize| p.polynomial.get(k).cloned().unwrap_or_default();
    process.polynomial = (0..terms)
        .map(|k| values(&term(first, k), &term(second, k)))
        .collect();
    process.linear = rows(&first.linear, &second.linear, process.nodes);
    let direct = |p: &Process| match p.levels.as_ref().map(|levels| &levels.input) {
        Some(LevelInput::Direct { field, coupling }) => Some((field.clone(), coupling.clone())),
        _ => None,
    };
    if let (Some(levels), Some((to, into))) = (&mut process.levels, direct(second)) {
        let n = to.len();
        let none = (vec![0.0; n], Linear::Sparse(vec![Vec::new(); n]));
        let (from, out) = direct(first).unwrap_or(none);
        levels.input = LevelInput::Direct {
            field: values(&from, &to),
            coupling: rows(&out, &into, n),
        };
    }
    process
}
