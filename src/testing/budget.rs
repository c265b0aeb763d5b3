//! False-alarm budgets: what a suite may cost in all, shared out over its checks by the union bound.
//!
//! P(any of K checks fails | all is right) ≤ Σ_k α_k, whatever the dependence between them; so shares that add up to the
//! budget keep it.

use std::collections::BTreeMap;

/// A false-alarm budget shared out over a stated number of checks (union bound).
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Probability that a correct system fails any of the checks.
    pub total: f64,
    /// Number of checks.
    pub checks: usize,
}

impl Budget {
    /// The share of one check.
    pub fn each(self) -> f64 {
        self.total / self.checks as f64
    }

    /// `total` shared equally over checks that have names.
    ///
    /// ```
    /// use thermochip::testing::Budget;
    ///
    /// let mut shares = Budget::split(1e-4, &["law", "ranks", "currents"])?;
    /// let law = shares.take("law")?;
    /// assert!((law - 1e-4 / 3.0).abs() < 1e-18);
    /// assert!(shares.take("law").is_err(), "a share is spent once");
    /// assert!(shares.take("rank").unwrap_err().contains("\"ranks\""));
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// As [`Budget::weighted`].
    pub fn split(total: f64, names: &[&str]) -> Result<Shares, String> {
        let equal: Vec<(&str, f64)> = names.iter().map(|&name| (name, 1.0)).collect();
        Self::weighted(total, &equal)
    }

    /// `total` shared in proportion to (name, weight).
    ///
    /// # Errors
    /// A total outside (0, 1), no checks, a name given twice, a weight that is not positive.
    pub fn weighted(total: f64, checks: &[(&str, f64)]) -> Result<Shares, String> {
        if !(total > 0.0 && total < 1.0) {
            return Err(format!(
                "budget: {total}, expected a number between 0 and 1"
            ));
        }
        if checks.is_empty() {
            return Err("budget: no checks, expected at least one".to_owned());
        }
        let sum: f64 = checks.iter().map(|c| c.1).sum();
        let mut left = BTreeMap::new();
        for &(name, weight) in checks {
            if !(weight > 0.0 && weight.is_finite()) {
                return Err(format!(
                    "weight of \"{name}\": {weight}, expected a positive number"
                ));
            }
            let share = total * weight / sum;
            if left.insert(name.to_owned(), Some(share)).is_some() {
                return Err(format!("check: \"{name}\" twice, expected different names"));
            }
        }
        Ok(Shares { total, left })
    }

    /// `total` for checks whose number is not known beforehand: the k-th asked for has 6/(π²k²) of it, which adds up to all of
    /// it over infinitely many.
    pub fn open(total: f64) -> OpenBudget {
        OpenBudget { total, handed: 0 }
    }
}

/// Shares of named checks, each handed out once.
#[derive(Clone, Debug)]
pub struct Shares {
    total: f64,
    left: BTreeMap<String, Option<f64>>,
}

impl Shares {
    /// The share of the check called `name`.
    ///
    /// # Errors
    /// An unknown name (with the nearest known one), or one whose share is spent.
    pub fn take(&mut self, name: &str) -> Result<f64, String> {
        match self.left.get_mut(name) {
            Some(share) => share
                .take()
                .ok_or_else(|| format!("check: the share of \"{name}\" is spent")),
            None => {
                let known = self.left.keys();
                let nearest = known.max_by(|a, b| {
                    strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name))
                });
                let nearest = nearest.map_or("", String::as_str);
                Err(format!(
                    "check: \"{name}\", expected a name of the budget such as \"{nearest}\""
                ))
            }
        }
    }

    /// The share of the check called `name`, for each of `cases`: what a property with so many random cases may cost in each.
    ///
    /// # Errors
    /// As [`Shares::take`].
    pub fn take_for_cases(&mut self, name: &str, cases: u32) -> Result<f64, String> {
        Ok(self.take(name)? / f64::from(cases.max(1)))
    }

    /// What the shares handed out so far add up to.
    pub fn spent(&self) -> f64 {
        let left: f64 = self.left.values().flatten().sum();
        self.total - left
    }

    /// Checks that never asked for their share: in a suite that runs them all, checks that were forgotten.
    pub fn unspent(&self) -> Vec<&str> {
        let left = self.left.iter().filter(|(_, share)| share.is_some());
        left.map(|(name, _)| name.as_str()).collect()
    }
}

/// A budget for a number of checks that is not known beforehand.
#[derive(Clone, Copy, Debug)]
pub struct OpenBudget {
    total: f64,
    handed: u32,
}

impl OpenBudget {
    /// The share of the next check.
    pub fn take(&mut self) -> f64 {
        self.handed += 1;
        let k = f64::from(self.handed);
        self.total * 6.0 / (std::f64::consts::PI * k).powi(2)
    }

    /// The total that no number of shares exceeds.
    pub fn total(&self) -> f64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_to_the_budget() {
        let mut shares = Budget::weighted(1e-4, &[("a", 1.0), ("b", 3.0)]).unwrap();
        assert!((shares.take("b").unwrap() - 7.5e-5).abs() < 1e-18);
        assert!((shares.spent() - 7.5e-5).abs() < 1e-18);
        assert_eq!(shares.unspent(), ["a"]);
        assert!((shares.take_for_cases("a", 10).unwrap() - 2.5e-6).abs() < 1e-18);
        assert!((shares.spent() - 1e-4).abs() < 1e-18);
    }

    #[test]
    fn an_open_budget_is_never_exceeded() {
        let mut open = Budget::open(1e-4);
        let sum: f64 = (0..100_000).map(|_| open.take()).sum();
        // What is left is 6/π² Σ_{k > K} k⁻² ≈ 6/(π² K) of it.
        let left = (1.0 - sum / open.total()) * std::f64::consts::PI.powi(2) * 1e5 / 6.0;
        assert!((left - 1.0).abs() < 1e-4, "{left}");
    }

    #[test]
    fn wrong_budgets_are_refused() {
        for (total, checks) in [
            (0.0, vec![("a", 1.0)]),
            (1.0, vec![("a", 1.0)]),
            (f64::NAN, vec![("a", 1.0)]),
            (0.1, vec![]),
            (0.1, vec![("a", 1.0), ("a", 2.0)]),
            (0.1, vec![("a", 0.0)]),
            (0.1, vec![("a", f64::NAN)]),
        ] {
            assert!(
                Budget::weighted(total, &checks).is_err(),
                "{total} {checks:?}"
            );
        }
    }
}
