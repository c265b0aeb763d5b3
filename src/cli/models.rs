//! `thermochip models`: the cards, or one in full.

use super::write_out;
use crate::error::{Error, Result};
use crate::hardware::card::{card, names};

/// Lists all cards, or shows one.
pub(super) fn show(name: Option<&str>, json: bool) -> Result<()> {
    match name {
        None => list(json),
        Some(name) => one(name, json),
    }
}

fn list(json: bool) -> Result<()> {
    if json {
        write_out(format_args!("{}\n", serde_json::json!(names())));
        return Ok(());
    }
    for name in names() {
        write_out(format_args!("{name:26}{}\n", card(name)?.title));
    }
    Ok(())
}

fn one(name: &str, json: bool) -> Result<()> {
    let card = card(name).map_err(|e| match e {
        Error::Invalid {
            value, expected, ..
        } => Error::invalid("NAME", value, expected),
        other => other,
    })?;
    if json {
        let value = serde_json::json!({
            "name": card.name, "title": card.title, "kind": card.kind, "parameters": card.parameters,
            "unstated": card.unstated, "corners": card.corners, "components": card.components,
            "datasheet": card.datasheet, "sha256": card.sha256(),
        });
        write_out(format_args!("{value}\n"));
        return Ok(());
    }
    write_out(format_args!("{}: {}\n\n", card.name, card.title));
    write_out(format_args!(
        "{:40}{:>12}  {:13}source\n",
        "parameter", "value", "label"
    ));
    for (key, p) in &card.parameters {
        write_out(format_args!(
            "{key:40}{:>12}  {:13}{}\n",
            p.value, p.label, p.source
        ));
    }
    for (corner, moved) in &card.corners {
        for (key, p) in moved {
            let key = format!("corner {corner}: {key}");
            write_out(format_args!(
                "{key:40}{:>12}  {:13}{}\n",
                p.value, p.label, p.source
            ));
        }
    }
    if !card.components.is_empty() {
        write_out(format_args!("\nelements: {}\n", card.components.join(", ")));
    }
    write_out("\nclaims (thermochip verify checks them)\n");
    for c in &card.datasheet {
        let expected = format!("{} ± {}", c.expected, c.tolerance);
        write_out(format_args!("  {:66}{expected:24}{}\n", c.claim, c.label));
    }
    write_out(format_args!("\nunstated: {}\n", card.unstated.join(", ")));
    Ok(())
}
