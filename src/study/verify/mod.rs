//! `verify`: fabricates and simulates a card and checks what its datasheet claims.
//!
//! A claim holds when |measured − expected| ≤ tolerance + z·se, and is decided only when z·se ≤ tolerance; z = 4.9 keeps the
//! chance that a right claim fails below 1e-6.

mod arithmetic;
mod bills;
mod cells;
mod dice;
mod spins;

use super::Session;
use crate::error::{Error, Result};
use crate::hardware::datasheet::{Claim, Expectation};
use crate::hardware::{Card, Die, Kind, Scale, program};
use crate::sampler::{AnalogSampler, ChainState, Horizon, Phase, Sampler, Samples, StepRule};
use serde::Serialize;

/// Standard errors that a difference may have.
const Z: f64 = 4.9;
/// Domain of the random streams.
const VERIFY: u64 = 0x500;
/// Chains, and draws of each to start with and at most.
const CHAINS: usize = 1024;
const FEWEST: usize = 4;
const MOST: usize = 1024;

/// A number with its standard error; 0 where it is exact.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Measurement {
    /// SI, or a number.
    pub value: f64,
    /// Standard error.
    pub se: f64,
}

impl Measurement {
    fn exact(value: f64) -> Self {
        Measurement { value, se: 0.0 }
    }
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It does what it says.
    Holds,
    /// It does not.
    Fails,
    /// The simulation is too noisy to say.
    Undecided,
}

/// One claim, checked.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    /// Card.
    pub card: String,
    /// The claim.
    pub claim: Claim,
    /// Expected value, SI.
    pub expected: f64,
    /// Largest difference that is still what was claimed, SI.
    pub tolerance: f64,
    /// What the simulation gave.
    pub measured: Measurement,
    /// Verdict.
    pub verdict: Verdict,
}

/// Checks every claim of a card.
///
/// # Errors
/// A claim about something that this kind of chip does not have; a corner that the card does not state; an interrupted run.
pub fn verify(
    card: &Card,
    conditions: &Conditions,
    seed: u64,
    session: &Session,
) -> Result<Vec<Checked>> {
    let bench = Bench {
        card,
        conditions,
        seed,
        session,
    };
    bench.ideal()?;
    session.watch.begin(&card.name, card.datasheet.len() as u64);
    let mut checked = Vec::new();
    for (k, claim) in card.datasheet.iter().enumerate() {
        let at = |e: Error| e.under(&format!("datasheet[{k}]"));
        let expectation = claim.expectation().map_err(at)?;
        let measured = bench.measure(&claim.quantity, &expectation).map_err(at)?;
        session.watch.advance(1);
        checked.push(Checked {
            card: card.name.clone(),
            claim: claim.clone(),
            expected: expectation.value,
            tolerance: expectation.tolerance,
            verdict: judge(&expectation, measured),
            measured,
        });
    }
    session.watch.end();
    Ok(checked)
}

fn judge(expectation: &Expectation, measured: Measurement) -> Verdict {
    let off = (measured.value - expectation.value).abs();
    // Exact numbers are compared to the last digits that a file states.
    let rounding = 1e-12 * expectation.value.abs();
    // False where either is NaN.
    let agrees = off <= expectation.tolerance + Z * measured.se + rounding;
    if !agrees {
        Verdict::Fails
    } else if Z * measured.se > expectation.tolerance + rounding {
        Verdict::Undecided
    } else {
        Verdict::Holds
    }
}

/// What a card is measured under; its program and its claims do not know.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Conditions {
    /// Process corner; `None`: typical.
    pub corner: Option<String>,
    /// Actual temperature, K; `None`: the card's.
    pub temperature: Option<f64>,
}

/// Where a card is measured.
struct Bench<'a> {
    card: &'a Card,
    conditions: &'a Conditions,
    seed: u64,
    session: &'a Session,
}

/// How a model is sampled on the bench.
#[derive(Clone, Copy)]
struct Schedule {
    /// Device seconds before the first draw.
    burn_in: f64,
    /// Draws.
    draws: usize,
    /// Device seconds between them.
    every: f64,
    /// Bias that the step may have.
    bias: f64,
}

impl Bench<'_> {
    fn measure(&self, quantity: &str, e: &Expectation) -> Result<Measurement> {
        match quantity {
            "relaxation_time" => cells::relaxation_time(self, e),
            "noise_voltage" => cells::noise_voltage(self, e),
            "effective_temperature" => cells::effective_temperature(self, e),
            "correlation" => cells::correlation(self, e),
            "cell_mean" | "cell_variance" => cells::cell(self, e, quantity == "cell_variance"),
            "mixture_mean" => cells::mixture(self, e, false),
            "mixture_variance" => cells::mixture(self, e, true),
            "category_probability" => cells::category_probability(self, e),
            "well_occupation" => cells::well_occupation(self, e),
            "probability" => spins::probability(self, e),
            "bias_response" => spins::bias_response(self, e),
            "probability_residual" => spins::probability_residual(self, e),
            "raw_per_effective_bit" => spins::raw_per_effective_bit(self, e),
            "array_correlation" => spins::array_correlation(self, e),
            "offset_spread" => dice::offset_spread(self),
            "noise_spread" => dice::noise_spread(self),
            "sample_energy" | "read_energy" | "write_energy" | "read_time" => {
                bills::measure(self, quantity, e)
            }
            other => arithmetic::measure(self, other, e),
        }
    }

    fn ideal(&self) -> Result<Die> {
        self.die(None)
    }

    /// A die under the bench's conditions.
    fn die(&self, seed: Option<u64>) -> Result<Die> {
        let mut die = Die::fabricate(self.card, seed, None)?;
        if let Some(kelvins) = self.conditions.temperature {
            let nominal = self.card.get("physics.temperature");
            die.temperature_ratio = kelvins / nominal.unwrap_or(kelvins);
        }
        match &self.conditions.corner {
            Some(corner) => die.in_corner(corner),
            None => Ok(die),
        }
    }

    /// Whether the chip's elements are spins.
    fn of_spins(&self) -> bool {
        matches!(self.card.kind, Kind::Telegraph | Kind::Bag)
    }

    /// Whether nodes `i` and `j` can be coupled.
    fn joins(&self, i: usize, j: usize) -> bool {
        self.card.topology.joins(i, j)
    }

    fn tau(&self) -> f64 {
        self.card.get("physics.tau").unwrap_or(1.0)
    }

    /// The quantity does not exist on this kind of chip.
    fn foreign(&self, quantity: &str) -> Error {
        let expected = format!("a quantity that a chip of kind {:?} has", self.card.kind);
        Error::invalid("quantity", format!("\"{quantity}\""), expected)
    }

    /// Samples `model` on `die` with `chains` chains that start at `start`; all draws of a chain lie together.
    fn sample(
        &self,
        die: &Die,
        model: &crate::energy::Model,
        chains: usize,
        start: &[f64],
        schedule: Schedule,
    ) -> Result<Samples> {
        let programmed = program(die, model, Scale::Fixed(1.0))?;
        let scheme = programmed.scheme();
        // A clocked array is read between rounds.
        let whole = |seconds: f64| match programmed.clock_round() {
            Some(round) => (seconds / round).ceil().max(1.0) * round,
            None => seconds,
        };
        let every = whole(schedule.every);
        let mut sampler = AnalogSampler::<f32>::new(
            programmed,
            chains,
            (self.seed, VERIFY),
            StepRule::Auto(schedule.bias),
            scheme,
            self.session.follow(false),
        )?;
        sampler.restore(&ChainState::at(start.repeat(chains)))?;
        let run = sampler.run(&Phase {
            burn_in: Horizon::Seconds(schedule.burn_in),
            duration: Horizon::Seconds(every * schedule.draws as f64),
            every: Some(Horizon::Seconds(every)),
            clamp: None,
        })?;
        Ok(run.samples)
    }

    /// Measures with ever more draws of each chain until the claim can be decided.
    fn decide(
        &self,
        e: &Expectation,
        mut measure: impl FnMut(usize) -> Result<Measurement>,
    ) -> Result<Measurement> {
        let mut draws = FEWEST;
        loop {
            let measured = measure(draws)?;
            if Z * measured.se <= 0.7 * e.tolerance || draws >= MOST {
                return Ok(measured);
            }
            // Errors fall with the root of the number of draws.
            let wanted = draws as f64 * (Z * measured.se / (0.6 * e.tolerance)).powi(2);
            draws = (wanted.ceil() as usize).max(2 * draws).min(MOST);
        }
    }
}

/// A statistic of draws with its standard error, by the delete-a-group jackknife over 32 groups of whole chains: draws are
/// ordered chain by chain, and there are a multiple of 32 chains.
fn jackknife<T: Copy>(chains: &[T], statistic: impl Fn(&[T]) -> f64) -> Measurement {
    const GROUPS: usize = 32;
    let value = statistic(chains);
    let size = chains.len().div_ceil(GROUPS);
    let without = |g: usize| {
        let (low, high) = (g * size, ((g + 1) * size).min(chains.len()));
        let rest = chains[..low].iter().chain(&chains[high..]);
        statistic(&rest.copied().collect::<Vec<_>>())
    };
    let groups = chains.len().div_ceil(size);
    let parts: Vec<f64> = (0..groups).map(without).collect();
    let mean = parts.iter().sum::<f64>() / groups as f64;
    let spread: f64 = parts.iter().map(|p| (p - mean).powi(2)).sum();
    let se = (spread * (groups as f64 - 1.0) / groups as f64).sqrt();
    Measurement { value, se }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamics::streams::chain_rng;
    use rand::RngExt;
    use std::collections::BTreeMap;

    #[test]
    fn a_claim_is_decided_only_when_the_error_is_small_enough() {
        let e = Expectation {
            value: 1.0,
            tolerance: 0.05,
            at: BTreeMap::new(),
        };
        let judge = |value, se| super::judge(&e, Measurement { value, se });
        assert_eq!(judge(1.04, 0.001), Verdict::Holds);
        assert_eq!(judge(1.06, 0.001), Verdict::Fails);
        assert_eq!(judge(1.06, 0.02), Verdict::Undecided);
        assert_eq!(judge(f64::NAN, 0.0), Verdict::Fails);
    }

    /// The jackknife of a mean is its usual standard error, up to its own scatter: 13 per cent with 32 groups.
    #[test]
    fn jackknife_of_a_mean() {
        let mut rng = chain_rng(1, 2, 3);
        let values: Vec<f64> = (0..3200).map(|_| rng.random()).collect();
        let measured = jackknife(&values, |v| mean(v.iter().copied()));
        let m = mean(values.iter().copied());
        let variance = mean(values.iter().map(|v| (v - m).powi(2)));
        let usual = (variance / values.len() as f64).sqrt();
        assert!(
            (measured.se / usual - 1.0).abs() < 0.65,
            "{} {usual}",
            measured.se
        );
    }
}
