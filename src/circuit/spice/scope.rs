//! What words mean in one (sub)circuit, and how refusals name their line.

use super::expression;
use super::lines::Line;
use super::number;
use crate::error::Error;
use std::collections::BTreeMap;

/// 0 °C in kelvin.
pub(super) const CELSIUS: f64 = 273.15;

/// `key = value`, in order.
pub(super) type Pairs = Vec<(String, String)>;

/// Names and numbers that hold in one (sub)circuit.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    pub prefix: String,
    pub parameters: BTreeMap<String, f64>,
    /// Values that take the place of `.param` lines.
    pub fixed: BTreeMap<String, f64>,
    pub pins: BTreeMap<String, String>,
}

pub(super) fn refused(line: &Line, why: &str) -> Error {
    let field = format!("line {}", line.number);
    Error::invalid(
        field,
        format!("\"{}\"", line.text),
        format!("a line of the documented subset; did not understand {why}"),
    )
}

/// An error of the circuit, said of the line it came from.
pub(super) fn located(line: &Line, error: Error) -> Error {
    match error {
        Error::Invalid {
            field,
            value,
            expected,
            ..
        } => Error::invalid(
            format!("line {}", line.number),
            format!("\"{}\"", line.text),
            format!("{expected} ({field} = {value})"),
        ),
        other => other,
    }
}

/// `key = value` pairs at the end of a list of words, and what stands before them.
pub(super) fn pairs(words: &[String]) -> std::result::Result<(Vec<String>, Pairs), String> {
    let mut plain = Vec::new();
    let mut found = Vec::new();
    let mut k = 0;
    while k < words.len() {
        if words.get(k + 1).is_some_and(|w| w == "=") {
            let value = words
                .get(k + 2)
                .ok_or_else(|| format!("\"{} =\" without a value", words[k]))?;
            found.push((words[k].to_ascii_lowercase(), value.clone()));
            k += 3;
        } else {
            plain.push(words[k].clone());
            k += 1;
        }
    }
    Ok((plain, found))
}

impl Scope {
    pub fn number(&self, word: &str) -> std::result::Result<f64, String> {
        if let Some(number) = number::parse(word) {
            return Ok(number.value);
        }
        expression::constant(word, &self.parameters)
    }

    pub fn node(&self, name: &str) -> String {
        let name = name.to_ascii_lowercase();
        if name == "0" || name == "gnd" {
            return "0".to_owned();
        }
        self.pins
            .get(&name)
            .cloned()
            .unwrap_or_else(|| format!("{}{name}", self.prefix))
    }
}
