//! Annealing: the energy's parameters against time, before a phase is run.
//!
//! β(t) θ is written in equal stretches, each held at the value of its middle: what a chip whose converters are rewritten so
//! many times does, and an error of second order in the stretch beside a continuous ramp. Rewriting costs what any write
//! costs; nothing is read meanwhile.

use super::{Clamp, Cost, Horizon, Phase, Sampler, Seconds};
use crate::energy::Parameters;
use crate::error::{Error, Result};

/// β against time: straight between corners, or geometric.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    corners: Vec<(f64, f64)>,
    geometric: bool,
    stretches: usize,
}

/// Which parameters β multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Annealed {
    /// Fields and couplings: for spins the inverse temperature.
    All,
    /// Couplings alone.
    Couplings,
}

impl Schedule {
    /// Through `corners` (time, β), in `stretches` pieces; β is straight between them, or with `geometric` its logarithm is.
    ///
    /// # Errors
    /// Fewer than two corners, times that do not start at zero and rise, a β that is negative (geometric: not positive) or not
    /// finite, or no stretches.
    pub fn new(corners: Vec<(f64, f64)>, geometric: bool, stretches: usize) -> Result<Self> {
        let wrong =
            |value: String, expected: &str| Err(Error::invalid("plan.anneal", value, expected));
        if corners.len() < 2 {
            return wrong(format!("{} corners", corners.len()), "two corners or more");
        }
        if corners[0].0 != 0.0 {
            return wrong(
                format!("a start at {}", corners[0].0),
                "a first corner at time 0",
            );
        }
        let rising = |pair: &&[(f64, f64)]| !(pair[1].0 > pair[0].0 && pair[1].0.is_finite());
        if let Some(pair) = corners.windows(2).find(rising) {
            return wrong(format!("{} after {}", pair[1].0, pair[0].0), "rising times");
        }
        let bad = |c: &&(f64, f64)| !(c.1.is_finite() && c.1 >= 0.0 && (c.1 > 0.0 || !geometric));
        if let Some(corner) = corners.iter().find(bad) {
            let expected = if geometric {
                "a positive beta"
            } else {
                "a beta of at least 0"
            };
            return wrong(corner.1.to_string(), expected);
        }
        if stretches == 0 {
            return wrong("0 stretches".to_owned(), "one stretch or more");
        }
        Ok(Schedule {
            corners,
            geometric,
            stretches,
        })
    }

    /// Duration, in the unit of the corners' times.
    pub fn duration(&self) -> f64 {
        self.corners.last().map_or(0.0, |c| c.0)
    }

    /// β at `time`.
    pub fn beta(&self, time: f64) -> f64 {
        let after = self.corners.partition_point(|c| c.0 < time);
        let k = after.clamp(1, self.corners.len() - 1);
        let ((t0, b0), (t1, b1)) = (self.corners[k - 1], self.corners[k]);
        let f = ((time - t0) / (t1 - t0)).clamp(0.0, 1.0);
        if self.geometric {
            b0 * (b1 / b0).powf(f)
        } else {
            b0 + f * (b1 - b0)
        }
    }

    /// Duration and β of every stretch.
    pub fn stretches(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let each = self.duration() / self.stretches as f64;
        (0..self.stretches).map(move |k| (each, self.beta((k as f64 + 0.5) * each)))
    }
}

/// θ at β.
pub fn scaled(parameters: &Parameters, beta: f64, what: Annealed) -> Parameters {
    let times = |values: &[f64], factor: f64| values.iter().map(|v| v * factor).collect();
    let fields = if what == Annealed::All { beta } else { 1.0 };
    Parameters {
        fields: times(&parameters.fields, fields),
        couplings: times(&parameters.couplings, beta),
    }
}

/// Takes `sampler` through the schedule from where its chains stand, and leaves it at the schedule's last β. Times count in
/// `horizon`'s unit: seconds of device time, the energy's own time, or (rounded up) steps. What is clamped stays so.
///
/// # Errors
/// What reprogramming or running refuses.
pub fn anneal(
    sampler: &mut dyn Sampler,
    parameters: &Parameters,
    (schedule, what): (&Schedule, Annealed),
    horizon: fn(f64) -> Horizon,
    clamp: Option<Clamp>,
) -> Result<Cost> {
    let mut total = Cost::default();
    for (time, beta) in schedule.stretches() {
        let written = sampler.reprogram(&scaled(parameters, beta, what))?;
        let phase = Phase {
            burn_in: Horizon::Steps(0),
            duration: horizon(time),
            every: None,
            clamp: clamp.clone(),
        };
        // The last state of a stretch is not read.
        let run = sampler.run(&phase)?;
        let seconds = Seconds {
            read: None,
            host: None,
            ..run.cost.seconds
        };
        let run = Cost {
            device_seconds: seconds.total(),
            read: None,
            host: None,
            seconds,
            ..run.cost
        };
        total = total.plus(written).plus(run);
    }
    let last = schedule.beta(schedule.duration());
    let written = sampler.reprogram(&scaled(parameters, last, what))?;
    Ok(total.plus(written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_pass_their_corners() {
        let line = Schedule::new(vec![(0.0, 0.2), (2.0, 1.0), (3.0, 0.5)], false, 6).unwrap();
        for (t, b) in [
            (0.0, 0.2),
            (1.0, 0.6),
            (2.0, 1.0),
            (2.5, 0.75),
            (3.0, 0.5),
            (9.0, 0.5),
        ] {
            assert!((line.beta(t) - b).abs() < 1e-12);
        }
        let held: Vec<_> = line.stretches().collect();
        assert_eq!(held.len(), 6);
        assert!((held[0].1 - 0.3).abs() < 1e-12 && (held[5].1 - 0.625).abs() < 1e-12);
        let ratio = Schedule::new(vec![(0.0, 0.01), (4.0, 1.0)], true, 1).unwrap();
        assert!((ratio.beta(2.0) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        let message = |corners: &[(f64, f64)], geometric, stretches| {
            let made = Schedule::new(corners.to_vec(), geometric, stretches);
            made.unwrap_err().to_string()
        };
        assert!(message(&[(0.0, 1.0)], false, 4).contains("two corners"));
        assert!(message(&[(1.0, 1.0), (2.0, 1.0)], false, 4).contains("at time 0"));
        assert!(message(&[(0.0, 1.0), (2.0, 1.0), (1.0, 1.0)], false, 4).contains("rising"));
        assert!(message(&[(0.0, 0.0), (2.0, 1.0)], true, 4).contains("positive"));
        assert!(message(&[(0.0, -1.0), (2.0, 1.0)], false, 4).contains("at least 0"));
        assert!(message(&[(0.0, 1.0), (2.0, f64::NAN)], false, 4).contains("beta"));
        assert!(message(&[(0.0, 1.0), (2.0, 1.0)], false, 0).contains("one stretch"));
    }
}
