//! Dies: a card with its mismatch drawn from a die seed, or the ideal chip.

use super::calibrate::Calibration;
use super::card::Card;
use super::drift::wiener;
use super::supply::Supply;
use crate::dynamics::streams::chain_rng;
use crate::error::{Error, Result};
use rand_distr::{Distribution, StandardNormal};
use std::sync::Arc;

/// The non-idealities that can be switched one by one, by name.
pub const NONIDEALITIES: &[&str] = &[
    "offset",
    "coupling",
    "tau",
    "noise_temperature",
    "dac",
    "adc",
    "rails",
    "excess_noise",
    "synapse",
    "capacitance",
    "weight",
    "leak",
    "critical_current",
    "flux",
    "drift",
    "readout_offset",
    "readout_noise",
    "readout_rate",
    "readout_latency",
];

/// Mixed into the die seed, so that a die and a run with one seed share no numbers.
const DIE_DOMAIN: u64 = 0x6469_6500;

/// How p-bits are described.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// Two-state elements.
    #[default]
    Telegraph,
    /// Latches of transistors with shot noise.
    Langevin,
    /// Latches of transistors that move single charges.
    Poisson,
}

/// One fabricated chip.
#[derive(Clone, Debug)]
pub struct Die {
    /// Its design.
    pub card: Card,
    /// `None` for the ideal chip.
    pub seed: Option<u64>,
    on: Vec<&'static str>,
    /// Actual physical temperature over the card's (the program does not know).
    pub temperature_ratio: f64,
    /// Another supply than the card's (the program does not know), and what it does.
    pub(super) supply: Option<Supply>,
    /// What a calibration found; programs are then corrected by it.
    pub calibration: Option<Arc<Calibration>>,
    /// Seconds since that calibration: offsets drift.
    pub age: f64,
    /// Whether offsets are those before calibration, where the card tells them apart.
    pub(super) raw: bool,
    /// How its p-bits are described: two-state elements, or latches whose charge flows with shot noise or one by one.
    pub level: Level,
    /// Process corner that it came out in (the program does not know); `None`: typical.
    pub corner: Option<String>,
}

impl Die {
    /// A die from its seed, with all non-idealities or `only` the named ones; `None` is the ideal chip.
    ///
    /// # Errors
    /// An unknown name in `only`; a readout that this kind of chip cannot have.
    pub fn fabricate(card: &Card, seed: Option<u64>, only: Option<&[String]>) -> Result<Self> {
        card.check_readout()?;
        let on = match (seed, only) {
            (None, _) => Vec::new(),
            (Some(_), None) => NONIDEALITIES.to_vec(),
            (Some(_), Some(names)) => names
                .iter()
                .map(|name| {
                    NONIDEALITIES
                        .iter()
                        .copied()
                        .find(|n| n == name)
                        .ok_or_else(|| {
                            let expected = format!("one of {}", NONIDEALITIES.join(", "));
                            Error::invalid("hardware.only", format!("\"{name}\""), expected)
                        })
                })
                .collect::<Result<_>>()?,
        };
        Ok(Die {
            card: card.clone(),
            seed,
            on,
            temperature_ratio: 1.0,
            supply: None,
            calibration: None,
            age: 0.0,
            raw: false,
            level: Level::Telegraph,
            corner: None,
        })
    }

    /// Puts the die into a process corner of its card.
    ///
    /// # Errors
    /// A corner that the card says nothing about.
    pub fn in_corner(mut self, corner: &str) -> Result<Self> {
        let stated = self.card.corners.keys().map(String::as_str);
        if corner != "TT" && !self.card.corners.contains_key(corner) {
            let known: Vec<&str> = std::iter::once("TT").chain(stated).collect();
            let expected = format!("a corner of {}: {}", self.card.name, known.join(", "));
            return Err(Error::invalid("corner", format!("\"{corner}\""), expected));
        }
        self.corner = Some(corner.to_owned());
        Ok(self)
    }

    /// Input of a p-bit over the nominal one at the same bias voltage, its corner left aside: nominal over actual temperature,
    /// times what another supply makes of the gain.
    pub(super) fn sensitivity(&self) -> f64 {
        self.supply.map_or(1.0, |s| s.gain) / self.temperature_ratio
    }

    /// Flip time over the one at the card's temperature: e^{Δ (T_card/T − 1)} of magnets with a barrier Δ kT_card; 1 of cards that
    /// do not say how theirs depends on it.
    pub(super) fn slower_when_cold(&self) -> f64 {
        let barrier = self.card.get("physics.barrier").unwrap_or(0.0);
        (barrier * (1.0 / self.temperature_ratio - 1.0)).exp()
    }

    /// Bias volts of a p-bit per unit of input, nominally: the logit 2I is the card's gain, per mV, times the bias.
    pub(super) fn volts_per_input(&self) -> f64 {
        2.0 / (1e3 * self.card.required("physics.bias_gain"))
    }

    /// [`Self::sensitivity`], times the corner's gain over the card's.
    pub(super) fn gain(&self) -> f64 {
        let key = "physics.bias_gain";
        self.actual(key) / self.card.required(key) * self.sensitivity()
    }

    /// What a parameter of the card really is on this die: its corner's value.
    pub fn actual(&self, key: &str) -> f64 {
        let value = self.card.at_corner(self.corner.as_deref(), key);
        value.unwrap_or(0.0)
    }

    /// `ideal` or `die-SEED`.
    pub fn name(&self) -> String {
        self.seed
            .map_or_else(|| "ideal".to_owned(), |seed| format!("die-{seed}"))
    }

    /// Whether a non-ideality is on.
    pub fn has(&self, name: &str) -> bool {
        self.on.contains(&name)
    }

    /// Names of the non-idealities that are on and that the card quantifies.
    pub fn nonidealities(&self) -> Vec<String> {
        let quantified = |name: &str| {
            let key = match name {
                "offset" => "nonidealities.offset",
                "coupling" => "nonidealities.coupling_sigma",
                "tau" => "nonidealities.tau_sigma",
                "noise_temperature" => "nonidealities.noise_temperature_sigma",
                "dac" => "limits.dac_bits",
                "adc" => "readout.adc_bits",
                "rails" => "limits.rails",
                "excess_noise" => "physics.excess_noise",
                "drift" => "nonidealities.drift",
                "capacitance" => "nonidealities.capacitance_sigma",
                "weight" => "nonidealities.weight_sigma",
                "leak" => "nonidealities.leak",
                "critical_current" => "nonidealities.critical_current_sigma",
                "flux" => "nonidealities.flux_offset",
                "readout_offset" => "readout.offset",
                "readout_noise" => "readout.noise",
                "readout_rate" => "readout.frame_time",
                "readout_latency" => "readout.latency",
                _ => "nonidealities.synapse",
            };
            self.card.get(key).is_some()
        };
        self.on
            .iter()
            .filter(|n| quantified(n))
            .map(|n| (*n).to_owned())
            .collect()
    }

    /// Standard deviation of a spread that is on, 0 otherwise.
    pub fn spread(&self, name: &str, key: &str) -> f64 {
        if self.has(name) {
            self.card.required(key)
        } else {
            0.0
        }
    }

    /// A value that only a real die has: the card's when `name` is on.
    pub fn limit(&self, name: &str, key: &str) -> Option<f64> {
        if self.has(name) {
            self.card.get(key)
        } else {
            None
        }
    }

    /// Offset of one element in `unit`s of volts: its mismatch, `z` standard deviations (before calibration the card's `raw_offset`, where it states
    /// one), and what it has drifted since.
    pub(super) fn offset(&self, z: f64, element: u64, unit: f64) -> f64 {
        let raw = "nonidealities.raw_offset";
        let key = if self.raw && self.card.get(raw).is_some() {
            raw
        } else {
            "nonidealities.offset"
        };
        let fixed = self.spread("offset", key) / unit * z;
        let drift = self.spread("drift", "nonidealities.drift");
        if drift == 0.0 || self.age == 0.0 {
            return fixed;
        }
        fixed + drift / unit * wiener(self, element, self.age)
    }

    /// Gains 1 + σz of the two directions of coupler `edge`, whose errors have the card's correlation ρ (none stated: 0, two
    /// devices; 1: one device serves both ways): z_1 = ρ z_0 + √(1 − ρ²) z'.
    pub fn coupler_gains(&self, property: u64, edge: u64) -> (f64, f64) {
        let sigma = self.spread("coupling", "nonidealities.coupling_sigma");
        // A spread of zero needs no numbers.
        if sigma == 0.0 {
            return (1.0, 1.0);
        }
        let rho = self
            .card
            .get("nonidealities.coupling_correlation")
            .unwrap_or(0.0);
        let (first, other) = (
            self.deviate(property, 2 * edge),
            self.deviate(property, 2 * edge + 1),
        );
        let second = rho * first + (1.0 - rho * rho).sqrt() * other;
        (1.0 + sigma * first, 1.0 + sigma * second)
    }

    /// The standard normal of one property of one element of this die: a pure function of (die seed, property, element).
    pub fn deviate(&self, property: u64, element: u64) -> f64 {
        let seed = self.seed.unwrap_or(0);
        StandardNormal.sample(&mut chain_rng(seed, DIE_DOMAIN + property, element))
    }
}
