//! `[[digital]]`: which digital sampler, how long, and the keys that are its own.

use super::reader::Section;
use crate::error::Result;
use serde::Serialize;

/// The samplers, as files name them.
pub const DIGITAL: &[&str] = &[
    "ula",
    "lm",
    "baoab",
    "mala",
    "hmc",
    "metropolis",
    "gibbs",
    "tempering",
    "annealing",
];

/// `[[digital]]`.
#[derive(Clone, Debug, Default, Serialize)]
#[allow(missing_docs)]
pub struct Digital {
    pub sampler: String,
    pub chains: Option<usize>,
    pub steps: u64,
    pub burn_in: u64,
    /// Whether the file states it.
    #[serde(skip)]
    pub burn_in_stated: bool,
    pub thin: Option<u64>,
    pub step: Option<f64>,
    /// Lengths of the nodes from the burn-in's variances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precondition: Option<String>,
    /// γ of `baoab`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub friction: Option<f64>,
    /// Leapfrog steps of a trajectory of `hmc`, and the share by which its length varies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leapfrogs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
    /// Inverse temperatures of `tempering`, given or as many as `replicas` down to `beta_min`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub betas: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beta_min: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap_every: Option<u64>,
}

/// Temperatures of an anneal, where the file does not say.
const ANNEAL: u64 = 100;

/// Refuses a key beside samplers that have no use for it.
fn only(s: &Section<'_>, key: &str, sampler: &str, owners: &[&str]) -> Result<()> {
    match s.get(key) {
        Some(value) if !owners.contains(&sampler) => {
            let expected = format!(
                "this key to be absent beside {sampler} (it belongs to {})",
                owners.join(", ")
            );
            Err(s.invalid(key, value, &expected))
        }
        _ => Ok(()),
    }
}

pub(super) fn digital(s: &Section<'_>) -> Result<Digital> {
    s.check_keys(
        &[
            "sampler",
            "chains",
            "steps",
            "burn_in",
            "thin",
            "step",
            "precondition",
            "friction",
            "leapfrogs",
            "jitter",
            "betas",
            "replicas",
            "beta_min",
            "swap_every",
        ],
        &[],
    )?;
    if s.get("sampler").is_none() {
        return Err(s.missing("sampler", &DIGITAL.join(", ")));
    }
    let sampler = s.word("sampler", "", DIGITAL)?;
    for (key, owners) in [
        (
            "step",
            &[
                "ula",
                "lm",
                "baoab",
                "mala",
                "hmc",
                "metropolis",
                "tempering",
            ][..],
        ),
        (
            "precondition",
            &["ula", "lm", "mala", "hmc", "metropolis"][..],
        ),
        ("friction", &["baoab"]),
        ("leapfrogs", &["hmc"]),
        ("jitter", &["hmc"]),
        ("betas", &["tempering"]),
        ("replicas", &["tempering"]),
        ("beta_min", &["tempering"]),
        ("swap_every", &["tempering"]),
    ] {
        only(s, key, &sampler, owners)?;
    }
    let steps = s.count("steps", 10_000, 1)?;
    let step = match s.get("step") {
        Some(toml::Value::String(word)) if word == "auto" => None,
        None => None,
        Some(_) => Some(s.positive("step", 0.0)?),
    };
    let optional = |key: &str, default: u64, least: u64| {
        s.get(key).map(|_| s.count(key, default, least)).transpose()
    };
    let burn_in = s.count("burn_in", steps / 10, 0)?;
    let thin = match (optional("thin", 1, 1)?, sampler.as_str()) {
        (None, "annealing") => Some(ANNEAL.min(steps)),
        (thin, _) => thin,
    };
    let mut digital = Digital {
        chains: optional("chains", 1, 1)?.map(|c| c as usize),
        steps,
        burn_in,
        burn_in_stated: s.get("burn_in").is_some(),
        thin,
        step,
        ..Digital::default()
    };
    if let Some(value) = s.get("precondition") {
        digital.precondition = Some(s.word("precondition", "", &["diagonal"])?);
        if burn_in == 0 {
            let expected = "a burn_in beside it, from which the variances come";
            return Err(s.invalid("precondition", value, expected));
        }
    }
    match sampler.as_str() {
        "baoab" => digital.friction = Some(s.positive("friction", 1.0)?),
        "hmc" => {
            digital.leapfrogs = Some(s.count_between("leapfrogs", 10, (1, 10_000))? as u32);
            let share = |v: f64| (0.0..1.0).contains(&v);
            let words = "of at least 0 and below 1";
            digital.jitter = Some(s.within("jitter", 0.2, share, words)?);
        }
        "tempering" => ladder(s, &mut digital)?,
        _ => {}
    }
    Ok(Digital { sampler, ..digital })
}

fn ladder(s: &Section<'_>, digital: &mut Digital) -> Result<()> {
    digital.swap_every = Some(s.count("swap_every", 1, 1)?);
    if let (Some(betas), Some(value)) = (s.numbers("betas")?, s.get("betas")) {
        let falls = betas.windows(2).all(|b| b[0] > b[1] && b[1] > 0.0);
        if betas.len() < 2 || betas[0] != 1.0 || !falls {
            let expected = "two numbers or more, falling from 1 and above 0";
            return Err(s.invalid("betas", value, expected));
        }
        for key in ["replicas", "beta_min"] {
            if let Some(value) = s.get(key) {
                let expected = "this key to be absent beside betas, which state the ladder";
                return Err(s.invalid(key, value, expected));
            }
        }
        digital.betas = Some(betas);
        return Ok(());
    }
    digital.replicas = Some(s.count_between("replicas", 8, (2, 1000))? as usize);
    let inside = |v: f64| v > 0.0 && v < 1.0;
    digital.beta_min = Some(s.within("beta_min", 0.1, inside, "above 0 and below 1")?);
    Ok(())
}
