//! `[clamp]`: nodes that are held while sampling.

use super::reader::Section;
use crate::error::Result;
use serde::Serialize;

/// Which values the nodes are held at.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Clamped {
    /// These nodes, at one row of values for all chains or one row per chain.
    Listed {
        /// Node numbers.
        nodes: Vec<usize>,
        /// Rows in the nodes' order.
        values: Vec<Vec<f64>>,
    },
    /// `pixels`, `labels` or both, at the rows of the training data, cycled over chains.
    FromData {
        /// Groups of visible nodes.
        from_data: Vec<String>,
    },
}

/// Reads the section.
pub(super) fn clamp(s: &Section<'_>) -> Result<Clamped> {
    s.check_keys(&["nodes", "values", "from_data"], &[])?;
    if let (Some(value), Some(groups)) = (s.get("from_data"), s.words("from_data")?) {
        for key in ["nodes", "values"] {
            if let Some(other) = s.get(key) {
                return Err(s.invalid(key, other, "no nodes or values beside from_data"));
            }
        }
        let known = |word: &String| ["pixels", "labels"].contains(&word.as_str());
        if groups.is_empty() || !groups.iter().all(known) {
            let expected = "a list of \"pixels\", \"labels\" or both";
            return Err(s.invalid("from_data", value, expected));
        }
        return Ok(Clamped::FromData { from_data: groups });
    }
    let Some(nodes) = s.indices("nodes")?.filter(|nodes| !nodes.is_empty()) else {
        return Err(s.missing("nodes", "node numbers, e.g. [0, 2], or from_data"));
    };
    let Some(value) = s.get("values") else {
        return Err(s.missing("values", "one row of values, or one row per chain"));
    };
    let nested = value
        .as_array()
        .is_some_and(|list| list.iter().any(toml::Value::is_array));
    let values = if nested {
        s.rows("values")?.unwrap_or_default()
    } else {
        vec![s.numbers("values")?.unwrap_or_default()]
    };
    if let Some(row) = values.iter().find(|row| row.len() != nodes.len()) {
        let expected = format!("{} values in a row, not {}", nodes.len(), row.len());
        return Err(s.invalid("values", value, expected));
    }
    Ok(Clamped::Listed { nodes, values })
}
