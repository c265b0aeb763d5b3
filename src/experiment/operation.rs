//! How a chip is brought up and judged: `hardware.calibrate`, `plan.anneal`, `plan.moments`, `[compare]`.

use super::reader::Section;
use super::schema::MomentEntry;
use crate::error::Result;
use crate::sampler::Schedule;
use serde::Serialize;
use std::collections::BTreeMap;

/// `hardware.calibrate`.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs)]
pub struct Calibrate {
    pub points: usize,
    pub samples: usize,
    pub spacing: String,
    pub age: String,
}

/// `plan.anneal`.
#[derive(Clone, Debug, Serialize)]
pub struct Anneal {
    /// (fraction of `over`, β), in order.
    pub corners: Vec<(f64, f64)>,
    /// Whether ln β is straight between them.
    pub geometric: bool,
    /// How long it takes, as written.
    pub over: String,
    /// Pieces of constant β.
    pub stretches: usize,
    /// `all` or `couplings`.
    pub of: String,
}

/// `[compare]`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Compare {
    /// Metrics that tables over dice and points show; empty: all.
    pub metrics: Vec<String>,
    /// Metric → acceptable range, both ends included.
    pub accept: BTreeMap<String, (Option<f64>, Option<f64>)>,
}

/// Metrics that can be chosen or bounded.
pub const METRICS: &[&str] = &[
    "acceptance",
    "beta_eff",
    "clip_fraction",
    "covariance_error",
    "data_kl",
    "exact_kl",
    "exact_tv",
    "kl",
    "label_accuracy",
    "log_z",
    "mean_energy",
    "mean_error",
    "mmd2",
    "residual_logit",
    "residual_probability",
    "round_trips",
    "sliced_wasserstein",
    "swap_acceptance_min",
    "test_log_likelihood",
    "train_log_likelihood",
    "tv",
    "tv_floor",
    "weights_ess",
];

/// `true`, or a table with the plan.
pub(super) fn calibrate(s: &Section<'_>) -> Result<Option<Calibrate>> {
    let empty = toml::Table::new();
    let plan = match s.get("calibrate") {
        None | Some(toml::Value::Boolean(false)) => return Ok(None),
        Some(toml::Value::Boolean(true)) => Section {
            file: s.file,
            name: s.key("calibrate"),
            table: &empty,
        },
        Some(value @ toml::Value::Table(_)) => match s.section("calibrate")? {
            Some(section) => section,
            None => return Err(s.invalid("calibrate", value, "true, or a table")),
        },
        Some(value) => return Err(s.invalid("calibrate", value, "true, or a table")),
    };
    if let (Some(value), None) = (s.get("calibrate"), s.get("die_seed")) {
        let expected = "die_seed beside it: the ideal chip has nothing to calibrate";
        return Err(s.invalid("calibrate", value, expected));
    }
    plan.check_keys(&["points", "samples", "spacing", "age"], &[])?;
    Ok(Some(Calibrate {
        points: plan.count_between("points", 17, (2, 1000))? as usize,
        samples: plan.count_between("samples", 320, (1, 1_000_000))? as usize,
        spacing: plan.time("spacing", "5 tau")?,
        age: plan.time_or_zero("age", "0 s")?,
    }))
}

/// `{ from, to, over, shape = "linear" | "geometric" | [[fraction of over, beta], …], stretches, of }`.
pub(super) fn anneal(s: &Section<'_>) -> Result<Anneal> {
    s.check_keys(&["from", "to", "over", "shape", "stretches", "of"], &[])?;
    if s.get("over").is_none() {
        return Err(s.missing("over", "a device time, e.g. \"200 tau\""));
    }
    let listed = matches!(s.get("shape"), Some(toml::Value::Array(_)));
    let corners = if listed {
        for key in ["from", "to"] {
            if let Some(value) = s.get(key) {
                return Err(s.invalid(key, value, "no from or to beside a list of corners"));
            }
        }
        let rows = s.rows("shape")?.unwrap_or_default();
        let pair = |row: &Vec<f64>| match row[..] {
            [t, beta] => Some((t, beta)),
            _ => None,
        };
        let pairs: Option<Vec<_>> = rows.iter().map(pair).collect();
        match (pairs, s.get("shape")) {
            (Some(pairs), _) => pairs,
            (None, value) => {
                let value = value.cloned().unwrap_or(toml::Value::Boolean(true));
                let expected = "corners [fraction of over, beta]";
                return Err(s.invalid("shape", &value, expected));
            }
        }
    } else {
        let least = |key: &str, default: f64| s.within(key, default, |v| v >= 0.0, "of at least 0");
        vec![(0.0, least("from", 0.1)?), (1.0, least("to", 1.0)?)]
    };
    let geometric = !listed && s.word("shape", "linear", &["linear", "geometric"])? == "geometric";
    let stretches = s.count_between("stretches", 50, (1, 1_000_000))? as usize;
    // The schedule's own checks, said of this key.
    Schedule::new(corners.clone(), geometric, stretches).map_err(|e| e.in_file(s.file))?;
    if corners.last().is_some_and(|c| c.0 != 1.0) {
        let value = s.get("shape").cloned();
        let value = value.unwrap_or(toml::Value::Boolean(true));
        return Err(s.invalid("shape", &value, "a last corner at 1, the end of over"));
    }
    Ok(Anneal {
        corners,
        geometric,
        over: s.time("over", "")?,
        stretches,
        of: s.word("of", "all", &["all", "couplings"])?,
    })
}

/// `moments = [[0, 1, 2], [0, [3, 1]], …]`.
pub(super) fn moments(s: &Section<'_>) -> Result<Option<Vec<Vec<MomentEntry>>>> {
    let Some(value) = s.get("moments") else {
        return Ok(None);
    };
    let whole = |v: &toml::Value| v.as_integer().and_then(|i| usize::try_from(i).ok());
    let entry = |v: &toml::Value| match v.as_array().map(Vec::as_slice) {
        None => whole(v).map(MomentEntry::Node),
        Some([node, state]) => Some(MomentEntry::State(whole(node)?, whole(state)?)),
        Some(_) => None,
    };
    let lists = value.as_array().into_iter().flatten();
    let lists: Option<Vec<Vec<MomentEntry>>> = lists
        .map(|list| {
            let entries = list.as_array().filter(|l| !l.is_empty())?;
            entries.iter().map(entry).collect()
        })
        .collect();
    match lists.filter(|lists| !lists.is_empty()) {
        Some(lists) => Ok(Some(lists)),
        None => {
            let expected =
                "a list of products, each a list of nodes i or states [i, k] of categories";
            Err(s.invalid("moments", value, expected))
        }
    }
}

/// `[compare]`.
pub(super) fn compare(s: &Section<'_>) -> Result<Compare> {
    s.check_keys(&["metrics", "accept"], &["reference"])?;
    let metrics = s.words("metrics")?.unwrap_or_default();
    if let Some(word) = metrics.iter().find(|m| !METRICS.contains(&m.as_str())) {
        let expected = format!("names among {}", METRICS.join(", "));
        return Err(s.invalid("metrics", &toml::Value::String(word.clone()), expected));
    }
    let mut accept = BTreeMap::new();
    if let Some(section) = s.section("accept")? {
        section.check_keys(METRICS, &[])?;
        for key in section.keys() {
            let range = match section.get(key) {
                Some(toml::Value::Array(_)) => match section.numbers(key)?.as_deref() {
                    Some(&[least, most]) if least <= most => (Some(least), Some(most)),
                    _ => {
                        let value = section.get(key).cloned();
                        let value = value.unwrap_or(toml::Value::Boolean(true));
                        return Err(section.invalid(key, &value, "[least, most]"));
                    }
                },
                _ => (None, Some(section.float(key, 0.0)?)),
            };
            accept.insert(key.to_owned(), range);
        }
    }
    Ok(Compare { metrics, accept })
}
