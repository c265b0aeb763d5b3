//! Time and energy by category; what the card does not state stays unknown, never zero.

use super::card::Card;
use std::collections::BTreeMap;

/// Costs of one card.
#[derive(Clone, Debug)]
pub struct Ledger {
    write: Option<f64>,
    sample: Option<f64>,
    read: Option<f64>,
    host: Option<f64>,
    standby: Option<f64>,
    write_time: Option<f64>,
    host_time: Option<f64>,
    /// Category → provenance label and source.
    pub provenance: BTreeMap<String, String>,
}

/// Joules by category; `None`: not stated.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Writing couplings and fields.
    pub write: Option<f64>,
    /// Sampling.
    pub sample: Option<f64>,
    /// Reading out.
    pub read: Option<f64>,
    /// Host and routing.
    pub host: Option<f64>,
    /// Standby.
    pub standby: Option<f64>,
}

impl Ledger {
    /// From the card's cost block.
    pub fn new(card: &Card) -> Self {
        let mut provenance = BTreeMap::new();
        let mut cost = |category: &str, key: &str| {
            let parameter = card.parameters.get(&format!("costs.{key}"));
            let words = parameter.map_or_else(
                || "not stated".to_owned(),
                |p| format!("{}: {} per use, {}", p.label, p.value, p.source),
            );
            provenance.insert(category.to_owned(), words);
            parameter.map(|p| p.si)
        };
        Ledger {
            write: cost("write", "write_energy"),
            sample: cost("sample", "sample_energy"),
            read: cost("read", "read_energy"),
            host: cost("host", "host_energy"),
            standby: cost("standby", "standby_power"),
            write_time: card.get("costs.write_time"),
            host_time: card.get("costs.host_time"),
            provenance,
        }
    }

    /// Energy of writing `nodes` nodes, each with its field and couplings, on `chains` chips, which stand by for as long as
    /// that takes.
    pub fn write(&self, chains: usize, nodes: usize) -> Spent {
        Spent {
            write: self.write.map(|e| e * (chains * nodes) as f64),
            standby: self.write_time.and_then(|t| self.standby(chains, t)),
            ..Spent::default()
        }
    }

    /// Seconds in which a chip is written, however many nodes.
    pub fn write_seconds(&self) -> Option<f64> {
        self.write_time
    }

    /// Seconds in which the host handles `draws` draws of one chip.
    pub fn host_seconds(&self, draws: u64) -> Option<f64> {
        self.host_time.map(|t| t * draws as f64)
    }

    /// Energy of `chains` chips that do nothing but stand by, or be read, for `seconds` each.
    pub fn standby(&self, chains: usize, seconds: f64) -> Option<f64> {
        self.standby.map(|power| power * chains as f64 * seconds)
    }

    /// Energy of `chains` chips of `nodes` nodes running for `seconds` each at `period` seconds a sample, with `reads` node
    /// reads in all.
    pub fn run(&self, chains: usize, nodes: usize, seconds: f64, period: f64, reads: u64) -> Spent {
        let device_seconds = chains as f64 * seconds;
        Spent {
            write: None,
            sample: self
                .sample
                .map(|e| e * nodes as f64 * device_seconds / period),
            read: self.read.map(|e| e * reads as f64),
            host: self.host.map(|e| e * reads as f64),
            standby: self.standby.map(|p| p * device_seconds),
        }
    }
}
