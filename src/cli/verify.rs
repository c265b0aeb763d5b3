//! `thermochip verify`: what each card claims, and what its simulation gives.

use super::{progress, write_out};
use crate::error::{Error, Result};
use crate::hardware::card::{Card, card, names};
use crate::hardware::datasheet::Quantity;
use crate::study::{self, Checked, Conditions, Session, Verdict};
use crate::units::{Dimension, format_digits, parse};
use std::path::Path;
use std::sync::Arc;

/// The conditions that the options state.
pub(super) fn conditions(corner: Option<String>, temperature: Option<&str>) -> Result<Conditions> {
    let kelvins = temperature.map(|text| {
        let kelvins = parse(text, Dimension::Temperature).map_err(|e| e.at("--temperature"))?;
        if kelvins > 0.0 {
            return Ok(kelvins);
        }
        let expected = "a positive temperature";
        Err(Error::invalid(
            "--temperature",
            format!("\"{text}\""),
            expected,
        ))
    });
    Ok(Conditions {
        corner,
        temperature: kelvins.transpose()?,
    })
}

/// The cards named, all of them when none is, with the parameters that are `set` (KEY=VALUE).
pub(super) fn cards(wanted: &[String], set: &[String]) -> Result<Vec<Card>> {
    let mut cards = if wanted.is_empty() {
        names().into_iter().map(card).collect::<Result<Vec<_>>>()?
    } else {
        let found = wanted.iter().map(|name| find(name));
        found.collect::<Result<_>>()?
    };
    for text in set {
        let Some((key, value)) = text.split_once('=') else {
            let expected = "KEY=VALUE, e.g. \"physics.tau=80 ns\"";
            return Err(Error::invalid("--set", format!("\"{text}\""), expected));
        };
        for card in &mut cards {
            card.override_parameter(key.trim(), value.trim())
                .map_err(|e| e.under("--set"))?;
        }
    }
    Ok(cards)
}

/// Checks the cards and prints the table; whether every claim holds.
pub(super) fn verify(
    cards: &[Card],
    conditions: &Conditions,
    seed: u64,
    json: bool,
    quiet: bool,
) -> Result<bool> {
    let terminal = Arc::new(progress::Terminal::new(quiet));
    let session = Session {
        watch: terminal,
        interrupted: progress::interrupt_flag(),
    };
    let mut all = Vec::new();
    for card in cards {
        let checked = study::verify(card, conditions, seed, &session)?;
        if !json && !quiet {
            write_out(table(card, &checked));
        }
        all.extend(checked);
    }
    if json {
        write_out(format_args!("{}\n", serde_json::json!(all)));
    }
    let holds = |c: &&Checked| c.verdict == Verdict::Holds;
    let good = all.iter().filter(holds).count();
    if !json && !quiet {
        write_out(format_args!("{good} of {} claims hold\n", all.len()));
    }
    Ok(good == all.len())
}

fn find(name: &str) -> Result<Card> {
    if !name.ends_with(".toml") {
        return card(name).map_err(|e| match e {
            Error::Invalid {
                value, expected, ..
            } => Error::invalid("NAME", value, expected),
            other => other,
        });
    }
    let path = Path::new(name);
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io {
        path: path.to_owned(),
        source,
    })?;
    Card::parse(&text).map_err(|e| e.in_file(path))
}

fn table(card: &Card, checked: &[Checked]) -> String {
    let mut out = format!("{}: {}\n", card.name, card.title);
    if checked.is_empty() {
        out.push_str("  no claims\n");
    }
    for c in checked {
        let unit = c.claim.quantity().map_or("", unit);
        let error = match c.measured.se {
            0.0 => "exact".to_owned(),
            se => format!("± {}", shown(se, unit)),
        };
        let verdict = match c.verdict {
            Verdict::Holds => "holds",
            Verdict::Fails => "FAILS",
            Verdict::Undecided => "undecided",
        };
        out.push_str(&format!(
            "  {verdict:9} {:62} expected {:>12} ± {:<10} measured {:>12} {error}  [{}]\n",
            c.claim.claim,
            c.claim.expected,
            shown(c.tolerance, unit),
            shown(c.measured.value, unit),
            c.claim.label,
        ));
    }
    out
}

fn unit(quantity: &Quantity) -> &'static str {
    quantity.dimension.unit()
}

/// Four digits: with an SI prefix where there is a unit.
fn shown(value: f64, unit: &str) -> String {
    if unit.is_empty() {
        return match value.abs() {
            0.0 => "0".to_owned(),
            v if v >= 1e4 => format!("{value}"),
            _ => format!("{value:.4}"),
        };
    }
    format_digits(value, unit, 4)
}
