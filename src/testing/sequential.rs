//! A test repeated with more draws while it is undecided, at a stated total false-alarm rate (Gandy & Scott,
//! arXiv 2001.06465).
//!
//! With k rounds, β_1 = α/k and γ = β_1^{1/k}: round i fails where its smallest p-value (times their number) is
//! p ≤ β_i = β_1 γ^{1−i}, goes on where β_i < p ≤ γ, and passes otherwise. Rounds are independent and p-values valid, so round i
//! is reached with probability ≤ γ^{i−1} and fails with probability ≤ γ^{i−1} β_i = α/k: α in all, by the union bound. The
//! published rule goes on up to γ + β_i, which is exact for one uniform p-value; ours holds for discrete and conservative
//! p-values as well. A right system costs hardly more than the first round; a slightly wrong one is looked at more closely.

use super::evidence::Evidence;
use rand::SeedableRng;
use rand_pcg::Pcg64;

/// The stream that a test draws from.
pub type Stream = Pcg64;

/// How a statistical assertion is judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sequential {
    /// α: probability that the assertion fails although the property holds.
    pub false_alarm: f64,
    /// Most rounds, k.
    pub rounds: u32,
    /// Draws of the first round.
    pub draws: usize,
    /// Draws of a round over those of the round before.
    pub growth: usize,
    /// Seed of the draws.
    pub seed: u64,
}

/// What is done in one round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Round {
    /// Its draws.
    pub draws: usize,
    /// It fails up to this p-value, β_i …
    pub fail: f64,
    /// … and is undecided up to this one, γ.
    pub undecided: f64,
}

impl Sequential {
    /// Four rounds, each of four times the draws of the one before.
    pub fn new(false_alarm: f64, draws: usize) -> Self {
        Sequential {
            false_alarm,
            rounds: 4,
            draws,
            growth: 4,
            seed: 0,
        }
    }

    /// With draws from another seed.
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        Sequential { seed, ..self }
    }

    /// With so many rounds at most; one is an ordinary test.
    #[must_use]
    pub fn rounds(self, rounds: u32) -> Self {
        Sequential { rounds, ..self }
    }

    /// The rounds.
    ///
    /// # Errors
    /// α outside (0, 1); no rounds; fewer than two draws; a growth of 0.
    pub fn plan(&self) -> Result<Vec<Round>, String> {
        let alpha = self.false_alarm;
        let wrong = |field: &str, value: String, expected: &str| {
            Err(format!("{field}: {value}, expected {expected}"))
        };
        if !(alpha > 0.0 && alpha < 1.0) {
            return wrong("false_alarm", alpha.to_string(), "a number between 0 and 1");
        }
        if self.rounds == 0 {
            return wrong("rounds", "0".to_owned(), "at least one");
        }
        if self.draws < 2 {
            return wrong("draws", self.draws.to_string(), "at least two");
        }
        if self.growth == 0 {
            return wrong("growth", "0".to_owned(), "at least 1");
        }
        let share = alpha / f64::from(self.rounds);
        let gamma = share.powf(1.0 / f64::from(self.rounds));
        let round = |i: u32| Round {
            draws: self.draws.saturating_mul(self.growth.saturating_pow(i)),
            fail: share * gamma.powi(-(i as i32)),
            undecided: gamma,
        };
        Ok((0..self.rounds).map(round).collect())
    }

    /// (P(fail), expected draws) where the smallest p-value of a round of n draws, times their number, is ≤ u with probability
    /// `law(n, u)`.
    ///
    /// With `law` = u it is the false-alarm rate Σ_i β_i Π_{j<i}(γ − β_j) ≤ α; with that of an alternative, the power.
    ///
    /// # Errors
    /// As [`Sequential::plan`].
    pub fn failure(&self, law: impl Fn(usize, f64) -> f64) -> Result<(f64, f64), String> {
        let (mut fail, mut draws, mut reached) = (0.0, 0.0, 1.0);
        for round in self.plan()? {
            draws += reached * round.draws as f64;
            let below = law(round.draws, round.fail);
            fail += reached * below;
            reached *= law(round.draws, round.undecided) - below;
        }
        Ok((fail, draws))
    }

    /// Runs `test`, which takes the number of draws and gives the p-values it found, until it is decided.
    ///
    /// # Errors
    /// A p-value at its level: what was seen, in which round, and the level. What `test` refuses. As [`Sequential::plan`].
    pub fn run(
        &self,
        mut test: impl FnMut(usize, &mut Stream) -> Result<Vec<Evidence>, String>,
    ) -> Result<(), String> {
        let mut stream = Stream::seed_from_u64(self.seed);
        for (k, round) in self.plan()?.into_iter().enumerate() {
            let found = test(round.draws, &mut stream)?;
            let count = found.len() as f64;
            let least = found
                .into_iter()
                .min_by(|a, b| a.p_value.total_cmp(&b.p_value))
                .ok_or("nothing was looked at, expected at least one view")?;
            let p = (least.p_value * count).min(1.0);
            if p <= round.fail {
                return Err(format!(
                    "{}: p = {p:.1e} of {count} looked at ≤ {:.1e} in round {} of {} with {} draws (false-alarm rate {:.1e})",
                    least.what,
                    round.fail,
                    k + 1,
                    self.rounds,
                    round.draws,
                    self.false_alarm
                ));
            }
            if p > round.undecided {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt;
    use rand_distr::{Distribution, StandardNormal};
    use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal};

    /// Failures in `repeats` runs.
    fn failures(test: Sequential, repeats: u64, p: impl Fn(&mut Stream) -> Vec<f64>) -> u64 {
        let run = |seed: u64| {
            test.seed(seed).run(|_, stream| {
                let found = p(stream).into_iter();
                Ok(found.map(|p| Evidence::new("p".to_owned(), p)).collect())
            })
        };
        (0..repeats).map(|seed| u64::from(run(seed).is_err())).sum()
    }

    /// Exact binomial limits: outside with probability 1e-7 each side.
    fn within_binomial(count: u64, repeats: u64, p: f64) -> (bool, bool) {
        let law = Binomial::new(p, repeats).unwrap();
        let high = count > 0 && law.sf(count - 1) < 1e-7;
        (law.cdf(count) >= 1e-7, !high)
    }

    /// The false-alarm rate of uniform p-values is the closed form, at every number of rounds, by 40 000 runs each; a rule that
    /// spends α in every round fails the same limits.
    #[test]
    fn false_alarms_of_uniform_p_values_are_the_closed_form() {
        for rounds in [1, 2, 3, 7] {
            let test = Sequential::new(0.02, 10).rounds(rounds);
            let (exact, _) = test.failure(|_, u| u).unwrap();
            assert!(exact <= 0.02 && exact > 0.015, "{rounds}: {exact}");
            let count = failures(test, 40_000, |stream| vec![stream.random()]);
            assert_eq!(
                within_binomial(count, 40_000, exact),
                (true, true),
                "{rounds}: {count}"
            );
        }
        let greedy = Sequential::new(0.02 * 3.0, 10).rounds(3);
        let count = failures(greedy, 40_000, |stream| vec![stream.random()]);
        assert!(!within_binomial(count, 40_000, 0.02).1, "{count}");
    }

    /// Draws p-values.
    type Draw = fn(&mut Stream) -> Vec<f64>;

    /// Several p-values, dependent ones and discrete ones fail no more often than stated.
    #[test]
    fn false_alarms_stay_below_the_stated_rate() {
        let test = Sequential::new(0.02, 10);
        let cases: [(&str, Draw); 3] = [
            ("independent", |s| (0..5).map(|_| s.random()).collect()),
            ("the same", |s| vec![s.random::<f64>(); 5]),
            ("discrete", |s| {
                vec![(20.0 * s.random::<f64>()).ceil() / 20.0]
            }),
        ];
        for (name, p) in cases {
            let count = failures(test, 40_000, p);
            assert!(within_binomial(count, 40_000, 0.02).1, "{name}: {count}");
        }
    }

    /// Against a shift of 0.1 deviations it finds far more than one round that costs as many draws, as the normal law says.
    #[test]
    fn it_is_more_powerful_than_one_round() {
        let (normal, shift) = (Normal::standard(), 0.1f64);
        let power = |n: usize, u: f64| {
            let (limit, mean) = (normal.inverse_cdf(1.0 - 0.5 * u), shift * (n as f64).sqrt());
            normal.sf(limit - mean) + normal.cdf(-limit - mean)
        };
        let sequential = Sequential::new(1e-6, 1000);
        let (found, _) = sequential.failure(power).unwrap();
        // What one round costs that is as large as a right system costs on average.
        let (_, cost) = sequential.failure(|_, u| u).unwrap();
        assert!((cost / 1000.0 - 1.1).abs() < 0.02, "{cost}");
        let single = Sequential::new(1e-6, cost as usize).rounds(1);
        let (once, _) = single.failure(power).unwrap();
        assert!(found > 0.75 && once < 0.1, "{found} {once}");
        // By simulation, within binomial limits.
        let runs = 400;
        let run = |seed: u64| {
            sequential.seed(seed).run(|n, stream| {
                let draw = |stream: &mut Stream| -> f64 { StandardNormal.sample(stream) };
                let x: f64 = (0..n).map(|_| shift + draw(stream)).sum();
                let p = 2.0 * normal.sf((x / (n as f64).sqrt()).abs());
                Ok(vec![Evidence::new("mean".to_owned(), p)])
            })
        };
        let count = (0..runs).map(|seed| u64::from(run(seed).is_err())).sum();
        assert_eq!(
            within_binomial(count, runs, found),
            (true, true),
            "{count} {found}"
        );
    }

    #[test]
    fn a_failure_says_by_how_much() {
        let test = Sequential::new(1e-4, 100);
        let words = test.run(|n, _| {
            assert_eq!(n, 100);
            let fine = Evidence::new("fine".to_owned(), 0.5);
            Ok(vec![fine, Evidence::new("mean of x".to_owned(), 1e-9)])
        });
        let words = words.unwrap_err();
        assert!(words.contains("mean of x: p = 2.0e-9"), "{words}");
        assert!(words.contains("round 1 of 4 with 100 draws"), "{words}");
        assert!(test.run(|_, _| Ok(Vec::new())).is_err());
        assert!(test.rounds(0).plan().is_err());
        assert!(Sequential::new(0.0, 10).plan().is_err());
        assert!(Sequential::new(0.1, 1).plan().is_err());
    }
}
