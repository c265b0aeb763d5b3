//! Transition matrices of chains on finitely many states: exact laws after any number of steps, rates, detailed balance.
//!
//! Rows are where a step starts, μ_{t+1} = μ_t K. With π = πK and D = diag π, the second singular value σ of D^{1/2} K D^{−1/2}
//! bounds ½ Σ|μ_t − π| ≤ ½ √(1/π(x) − 1) σ^t from state x (Fill, Ann. Appl. Probab. 1, 62, 1991); for a reversible chain σ is the
//! largest |eigenvalue| below 1, and 1 − σ its spectral gap.

use super::view::{indexed_spins, spin_index};
use crate::energy::DiscreteEnergy;
use nalgebra::{DMatrix, DVector};

/// Most states of a matrix.
pub const MAX_STATES: usize = 1024;

/// A stochastic matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct TransitionMatrix {
    matrix: DMatrix<f64>,
}

/// σ(x).
fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl TransitionMatrix {
    /// From its rows: `row(x)` lists (y, K(x, y)); probabilities of one y given twice add up.
    ///
    /// # Errors
    /// No states, more than [`MAX_STATES`], a state out of range, a negative probability, a row that does not sum to 1 to 1e-9.
    pub fn from_rows(
        states: usize,
        mut row: impl FnMut(usize) -> Vec<(usize, f64)>,
    ) -> Result<Self, String> {
        if states == 0 || states > MAX_STATES {
            return Err(format!("states: {states}, expected 1 to {MAX_STATES}"));
        }
        let mut matrix = DMatrix::zeros(states, states);
        for x in 0..states {
            for (y, p) in row(x) {
                if y >= states || p.is_nan() || p < 0.0 {
                    return Err(format!(
                        "K({x}, {y}): {p}, expected a probability of one of {states} states"
                    ));
                }
                matrix[(x, y)] += p;
            }
            let sum: f64 = matrix.row(x).sum();
            if (sum - 1.0).abs() > 1e-9 {
                return Err(format!("row {x}: sum {sum}, expected 1"));
            }
        }
        Ok(TransitionMatrix { matrix })
    }

    /// One spin's update: s_i becomes +1 with probability σ(2f_i).
    ///
    /// # Errors
    /// More than [`MAX_STATES`] states, no such spin.
    pub fn heat_bath(energy: &dyn DiscreteEnergy, i: usize) -> Result<Self, String> {
        let n = energy.dim();
        if i >= n {
            return Err(format!("spin: {i}, expected one of {n}"));
        }
        Self::from_rows(states_of(n)?, |x| {
            let mut s = indexed_spins(x, n);
            let up = logistic(2.0 * energy.local_field(&s, i));
            s[i] = 1;
            let high = spin_index(&s);
            s[i] = -1;
            vec![(high, up), (spin_index(&s), 1.0 - up)]
        })
    }

    /// Heat-bath updates of spins in the given order: a sweep.
    ///
    /// # Errors
    /// As [`TransitionMatrix::heat_bath`]; an empty order.
    pub fn sweep(energy: &dyn DiscreteEnergy, order: &[usize]) -> Result<Self, String> {
        let (&first, rest) = order.split_first().ok_or("order: empty, expected spins")?;
        rest.iter()
            .try_fold(Self::heat_bath(energy, first)?, |all, &i| {
                Ok(all.then(&Self::heat_bath(energy, i)?))
            })
    }

    /// A heat-bath update of a spin chosen at random: reversible.
    ///
    /// # Errors
    /// As [`TransitionMatrix::heat_bath`].
    pub fn glauber(energy: &dyn DiscreteEnergy) -> Result<Self, String> {
        let n = energy.dim();
        let states = states_of(n)?;
        let mut each = (0..n).map(|i| Self::heat_bath(energy, i));
        let sum = each.try_fold(DMatrix::zeros(states, states), |sum, one| {
            Ok::<_, String>(sum + one?.matrix / n as f64)
        })?;
        Ok(TransitionMatrix { matrix: sum })
    }

    /// Metropolis' flip of a spin chosen at random, min(1, e^{−ΔE}): reversible.
    ///
    /// # Errors
    /// More than [`MAX_STATES`] states.
    pub fn metropolis(energy: &dyn DiscreteEnergy) -> Result<Self, String> {
        let n = energy.dim();
        Self::from_rows(states_of(n)?, |x| {
            let s = indexed_spins(x, n);
            let mut row = Vec::with_capacity(2 * n);
            for i in 0..n {
                let cost = 2.0 * f64::from(s[i]) * energy.local_field(&s, i);
                let accept = (-cost).exp().min(1.0);
                row.push((x ^ (1 << i), accept / n as f64));
                row.push((x, (1.0 - accept) / n as f64));
            }
            row
        })
    }

    /// This step and then `next`.
    #[must_use]
    pub fn then(&self, next: &Self) -> Self {
        TransitionMatrix {
            matrix: &self.matrix * &next.matrix,
        }
    }

    /// Number of states.
    pub fn states(&self) -> usize {
        self.matrix.nrows()
    }

    /// K(x, y).
    pub fn probability(&self, x: usize, y: usize) -> f64 {
        self.matrix[(x, y)]
    }

    /// The row of state x.
    pub fn row(&self, x: usize) -> Vec<f64> {
        self.matrix.row(x).iter().copied().collect()
    }

    /// μKᵗ.
    pub fn after(&self, law: &[f64], steps: usize) -> Vec<f64> {
        let mut law = DVector::from_row_slice(law);
        for _ in 0..steps {
            law = self.matrix.tr_mul(&law);
        }
        law.iter().copied().collect()
    }

    /// π = πK.
    ///
    /// # Errors
    /// A chain with several stationary laws.
    pub fn stationary(&self) -> Result<Vec<f64>, String> {
        let n = self.states();
        let mut system = self.matrix.transpose() - DMatrix::identity(n, n);
        system.row_mut(n - 1).fill(1.0);
        let mut right = DVector::zeros(n);
        right[n - 1] = 1.0;
        let law = system.lu().solve(&right).filter(|p| p.min() > -1e-9);
        let law = law.ok_or("chain: several stationary laws, expected one")?;
        Ok(law.iter().map(|p| p.max(0.0)).collect())
    }

    /// σ: the factor by which every step brings the chain nearer to π in the χ² norm, at least.
    ///
    /// # Errors
    /// A law of another length, or one with a state of probability 0.
    pub fn contraction(&self, pi: &[f64]) -> Result<f64, String> {
        let n = self.states();
        if pi.len() != n || pi.iter().any(|p| p.is_nan() || *p <= 0.0) {
            return Err(format!("law: expected {n} positive probabilities"));
        }
        // Without the direction √π, whose singular value is 1.
        let rest = DMatrix::from_fn(n, n, |x, y| {
            let root = pi[x].sqrt();
            root * self.matrix[(x, y)] / pi[y].sqrt() - root * pi[y].sqrt()
        });
        Ok(rest.singular_values().max())
    }

    /// π(x) K(x, y) = π(y) K(y, x) for all pairs, to `tolerance` of the largest of them.
    ///
    /// # Errors
    /// The pair that is worst off, with both flows; a law of another length.
    pub fn detailed_balance(&self, pi: &[f64], tolerance: f64) -> Result<(), String> {
        let n = self.states();
        if pi.len() != n {
            return Err(format!("law: {} probabilities, expected {n}", pi.len()));
        }
        let flow = |x: usize, y: usize| pi[x] * self.matrix[(x, y)];
        let pairs = || (0..n).flat_map(|x| (0..x).map(move |y| (x, y)));
        let largest = pairs().map(|(x, y)| flow(x, y).max(flow(y, x)));
        let limit = tolerance * largest.fold(0.0, f64::max);
        let gap = |&(x, y): &(usize, usize)| (flow(x, y) - flow(y, x)).abs();
        let worst = pairs().max_by(|a, b| gap(a).total_cmp(&gap(b)));
        match worst {
            // Written so that NaN fails.
            Some((x, y)) if gap(&(x, y)).is_nan() || gap(&(x, y)) > limit => Err(format!(
                "detailed balance: flow {:.6e} from {x} to {y}, but {:.6e} back",
                flow(x, y),
                flow(y, x)
            )),
            _ => Ok(()),
        }
    }
}

fn states_of(spins: usize) -> Result<usize, String> {
    let states = u32::try_from(spins)
        .ok()
        .and_then(|n| 1usize.checked_shl(n));
    let states = states.filter(|s| (1..=MAX_STATES).contains(s) && spins <= 10);
    states.ok_or_else(|| format!("energy: {spins} spins, expected at most 10"))
}

#[cfg(test)]
mod tests {
    use super::super::strategies;
    use super::*;
    use crate::diagnostics::total_variation;
    use crate::energy::exact;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Heat bath and Metropolis leave Boltzmann's law as it is; choices at random are reversible, sweeps are not (but
        /// there and back they are); no distance exceeds the bound of the singular gap, and from the worst start none is much below it.
        #[test]
        fn kernels_of_spins_have_the_boltzmann_law(energy in strategies::isings(2..6)) {
            let n = energy.fields.len();
            let pi = exact::probabilities(&energy).unwrap();
            let order: Vec<usize> = (0..n).collect();
            let back: Vec<usize> = order.iter().rev().copied().collect();
            let sweep = TransitionMatrix::sweep(&energy, &order).unwrap();
            let palindrome = sweep.then(&TransitionMatrix::sweep(&energy, &back).unwrap());
            let glauber = TransitionMatrix::glauber(&energy).unwrap();
            let metropolis = TransitionMatrix::metropolis(&energy).unwrap();
            for (chain, reversible) in [(&glauber, true), (&metropolis, true), (&palindrome, true), (&sweep, false)] {
                prop_assert!(total_variation(&chain.after(&pi, 1), &pi) < 1e-12);
                prop_assert!(total_variation(&chain.stationary().unwrap(), &pi) < 1e-9);
                if reversible {
                    prop_assert!(chain.detailed_balance(&pi, 1e-12).is_ok());
                }
                let sigma = chain.contraction(&pi).unwrap();
                let mut law = vec![0.0; pi.len()];
                law[0] = 1.0;
                let constant = 0.5 * (1.0 / pi[0] - 1.0).sqrt();
                for t in 1..40 {
                    law = chain.after(&law, 1);
                    let distance = total_variation(&law, &pi);
                    prop_assert!(distance <= constant * sigma.powi(t) + 1e-12, "{t} {distance}");
                }
                if std::ptr::eq(chain, &glauber) {
                    // From the worst start a reversible chain is ½ σ^t away at least: σ^t f = P^t f for the slowest mode f.
                    let late = (1e-3f64.ln() / sigma.ln()).ceil() as usize;
                    let from = |start: usize| {
                        let mut law = vec![0.0; pi.len()];
                        law[start] = 1.0;
                        total_variation(&chain.after(&law, late), &pi)
                    };
                    let worst = (0..pi.len()).map(from).fold(0.0, f64::max);
                    prop_assert!(worst >= 0.5 * sigma.powi(late as i32) - 1e-12, "{late}: {worst}");
                }
            }
        }
    }

    #[test]
    fn a_cycle_breaks_detailed_balance() {
        let cycle = |ahead: f64| {
            let row = |x: usize| vec![((x + 1) % 3, ahead), ((x + 2) % 3, 1.0 - ahead)];
            TransitionMatrix::from_rows(3, row).unwrap()
        };
        let pi = [1.0 / 3.0; 3];
        assert!(cycle(0.5).detailed_balance(&pi, 1e-12).is_ok());
        let words = cycle(0.51).detailed_balance(&pi, 1e-3).unwrap_err();
        assert!(words.contains("1.7"), "{words}");
        // Eigenvalues e^{±2πi/3}-ish for a rotation: |λ| of 1/2 for the walk, and no contraction for the pure rotation.
        assert!((cycle(0.5).contraction(&pi).unwrap() - 0.5).abs() < 1e-12);
        assert!((cycle(1.0).contraction(&pi).unwrap() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_matrix_is_refused() {
        assert!(TransitionMatrix::from_rows(0, |_| vec![]).is_err());
        assert!(TransitionMatrix::from_rows(2, |_| vec![(0, 0.9)]).is_err());
        assert!(TransitionMatrix::from_rows(2, |_| vec![(2, 1.0)]).is_err());
        assert!(TransitionMatrix::from_rows(2, |_| vec![(0, -1.0), (1, 2.0)]).is_err());
        let two = TransitionMatrix::from_rows(2, |x| vec![(x, 1.0)]).unwrap();
        assert!(two.stationary().is_err());
        assert!(two.contraction(&[1.0, 0.0]).is_err());
    }
}
