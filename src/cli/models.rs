//! `thermochip models`: the cards, or one in full.

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
        println!("{}", serde_json::json!(names()));
        return Ok(());
    }
    for name in names() {
        println!("{name:26}{}", card(name)?.title);
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
            "unstated": card.unstated, "sha256": card.sha256(),
        });
        println!("{value}");
        return Ok(());
    }
    println!("{}: {}\n", card.name, card.title);
    println!("{:40}{:>12}  {:13}source", "parameter", "value", "label");
    for (key, p) in &card.parameters {
        println!("{key:40}{:>12}  {:13}{}", p.value, p.label, p.source);
    }
    println!("\nunstated: {}", card.unstated.join(", "));
    Ok(())
}
