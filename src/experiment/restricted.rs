//! `[train]` beside `[energy] kind = "rbm"`: learning of a restricted Boltzmann machine by block Gibbs sampling.

use super::reader::Section;
use super::training::{CrossCheck, Train, decay, restart};
use crate::error::Result;
use crate::training::{Method, OptimiserKind};
use serde::Serialize;

/// The keys of `[train]` that only a restricted Boltzmann machine has.
#[derive(Clone, Debug, Serialize)]
pub struct TrainRbm {
    /// Passes over the rows; absent when `updates` says how long.
    pub epochs: Option<u64>,
    /// Sweeps of the free phase per update, the k of CD-k and PCD-k.
    pub sweeps: u64,
    /// Chains of PCD.
    pub chains: usize,
    /// Whether the gradient is the centred one.
    pub centred: bool,
    /// L1 pull of the couplings.
    pub weight_decay_l1: f64,
    /// Machines trained, from consecutive seeds; the first one is kept.
    pub repeats: u64,
}

/// Reads the section.
pub(super) fn train_rbm(s: &Section<'_>) -> Result<Train> {
    s.check_keys(
        &[
            "method",
            "through",
            "hidden",
            "epochs",
            "updates",
            "batch",
            "sweeps",
            "chains",
            "restart",
            "centred",
            "optimiser",
            "momentum",
            "learning_rate",
            "decay",
            "weight_decay",
            "start_spread",
            "repeats",
            "checkpoint_every",
        ],
        &[],
    )?;
    let word = s.word("method", "pcd", &["pcd", "cd", "mle"])?;
    let method = match word.as_str() {
        "cd" => Method::Cd,
        "mle" => Method::Mle,
        _ => Method::Pcd,
    };
    let sampled: &[&str] = match method {
        Method::Pcd => &[],
        Method::Cd => &["chains", "restart"],
        _ => &["chains", "restart", "sweeps"],
    };
    if let Some((key, value)) = sampled.iter().find_map(|key| Some((key, s.get(key)?))) {
        let expected = format!("no such key beside method = \"{word}\"");
        return Err(s.invalid(key, value, expected));
    }
    let through = s.word("through", "gibbs", &["gibbs"])?;
    let optimiser = s.word("optimiser", "sgd", &["adam", "sgd"])?;
    let optimiser = match (optimiser.as_str(), s.get("momentum")) {
        ("adam", Some(value)) => {
            return Err(s.invalid("momentum", value, "optimiser = \"sgd\" beside it"));
        }
        ("adam", None) => OptimiserKind::Adam,
        _ => OptimiserKind::Sgd {
            momentum: s.within(
                "momentum",
                0.0,
                |v| (0.0..1.0).contains(&v),
                "of at least 0 and below 1",
            )?,
        },
    };
    if let (Some(value), true) = (s.get("updates"), s.get("epochs").is_some()) {
        return Err(s.invalid("updates", value, "either updates or epochs, not both"));
    }
    let least = |v: f64| v >= 0.0;
    let (l1, l2) = match s.get("weight_decay") {
        Some(toml::Value::Table(_)) => match s.section("weight_decay")? {
            Some(both) => {
                both.check_keys(&["l1", "l2"], &[])?;
                (
                    both.within("l1", 0.0, least, "of at least 0")?,
                    both.within("l2", 0.0, least, "of at least 0")?,
                )
            }
            None => (0.0, 0.0),
        },
        _ => (0.0, s.within("weight_decay", 0.0, least, "of at least 0")?),
    };
    let batch = s.count("batch", 10, 1)? as usize;
    let by_updates = s.get("updates").is_some();
    Ok(Train {
        method,
        through,
        hidden: s.count("hidden", 16, 1)? as usize,
        connect: "visible-hidden".to_owned(),
        updates: s.count("updates", 0, 1)?,
        batch,
        first: None,
        start_spread: s.positive("start_spread", 0.05)?,
        restart: restart(s)?,
        buffer: None,
        positive: String::new(),
        negative: String::new(),
        conditional: None,
        temperature: "one".to_owned(),
        local_rule: None,
        optimiser,
        learning_rate: s.positive("learning_rate", 0.01)?,
        decay: decay(s, 0.02)?,
        weight_decay: l2,
        limit: None,
        bias_tolerance: 0.05,
        checkpoint_every: s.count("checkpoint_every", 10_000, 1)?,
        cross_check: CrossCheck {
            through: String::new(),
            repeats: 0,
            updates: 0,
        },
        rbm: Some(TrainRbm {
            epochs: if by_updates {
                None
            } else {
                Some(s.count("epochs", 50, 1)?)
            },
            sweeps: s.count("sweeps", 1, 1)?,
            chains: s.count("chains", batch as u64, 1)? as usize,
            centred: s.flag("centred", false)?,
            weight_decay_l1: l1,
            repeats: s.count_between("repeats", 1, (1, 20))?,
        }),
    })
}
