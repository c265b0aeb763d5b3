//! Learning by what the device itself measures: θ ← θ + η (Q⟨s⟩_clamped − Q⟨s⟩_free), s = (x_i, x_i x_j), where each phase's
//! mean is read by a converter Q of B bits.
//!
//! Q is mid-tread: levels kΔ, |k| ≤ 2^{B−1} − 1, Δ = F/(2^{B−1} − 1), and readings beyond ±F saturate there. An update
//! needs two numbers at the coupler that it changes and nothing from elsewhere; what is lost against the ordinary rule is
//! at most Δ per component while nothing saturates.

use crate::energy::Parameters;
use crate::error::{Error, Result};
use crate::sampler::Dac;
use serde::{Deserialize, Serialize};

/// Most bits of a reading.
const MOST_BITS: u32 = 32;

/// How a phase's means and correlations are read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalRule {
    /// B, from 2 to 32.
    pub bits: u32,
    /// F, in units of x and of x_i x_j.
    pub full_scale: f64,
}

impl LocalRule {
    /// # Errors
    /// Bits outside 2 … 32, a full scale that is not positive and finite.
    pub fn check(&self) -> Result<()> {
        if !(2..=MOST_BITS).contains(&self.bits) {
            let expected = "a whole number from 2 to 32";
            return Err(Error::invalid("train.local_rule.bits", self.bits, expected));
        }
        if !(self.full_scale > 0.0 && self.full_scale.is_finite()) {
            let (name, value) = ("train.local_rule.full_scale", self.full_scale);
            return Err(Error::invalid(name, value, "a positive number"));
        }
        Ok(())
    }

    /// The statistics of one phase as read, and how many of them saturated.
    pub fn read(&self, statistics: &Parameters) -> (Parameters, usize) {
        let converter = Dac {
            full_scale: self.full_scale,
            bits: Some(self.bits),
        };
        let mut saturated = 0;
        let mut all = |values: &[f64]| -> Vec<f64> {
            let read = values.iter().map(|&value| {
                let (read, beyond) = converter.convert(value);
                saturated += usize::from(beyond);
                read
            });
            read.collect()
        };
        let read = Parameters {
            fields: all(&statistics.fields),
            couplings: all(&statistics.couplings),
        };
        (read, saturated)
    }
}

/// Readings taken in one update, and how many of them saturated.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Readings {
    taken: usize,
    saturated: usize,
}

impl Readings {
    /// Statistics as `rule` reads them; without one, as they are.
    pub fn take(&mut self, rule: Option<&LocalRule>, statistics: Parameters) -> Parameters {
        let Some(rule) = rule else { return statistics };
        let (read, saturated) = rule.read(&statistics);
        self.taken += read.fields.len() + read.couplings.len();
        self.saturated += saturated;
        read
    }

    /// Share that saturated; `None` where nothing was converted.
    pub fn share(&self) -> Option<f64> {
        (self.taken > 0).then(|| self.saturated as f64 / self.taken as f64)
    }
}
