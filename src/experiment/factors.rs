//! `[energy] kind = "factors"`: variables, factors and an optional colouring.

use super::energy::{EnergyKind, FactorEntry};
use super::reader::Section;
use crate::energy::{Domain, Factor, FactorGraph, MAX_CATEGORIES};
use crate::error::{Error, Result};
use toml::Value;

/// Most variables that one line may stand for.
const MOST: usize = 10_000_000;

/// Reads the section.
pub(super) fn energy(s: &Section<'_>) -> Result<EnergyKind> {
    let Some(variables) = s.words("variables")? else {
        let expected = "a list like [\"4 spin\", \"categorical 3\"]";
        return Err(s.missing("variables", expected));
    };
    let factors = match s.get("factors") {
        None => return Err(s.missing("factors", "a list of { nodes, weight } or { nodes, table }")),
        Some(Value::Array(list)) => list
            .iter()
            .enumerate()
            .map(|(k, value)| {
                let name = format!("factors[{k}]");
                match value {
                    Value::Table(table) => entry(&Section {
                        file: s.file,
                        name: s.key(&name),
                        table,
                    }),
                    other => Err(s.invalid(&name, other, "{ nodes = […], weight = … }")),
                }
            })
            .collect::<Result<Vec<_>>>()?,
        Some(other) => return Err(s.invalid("factors", other, "a list of factors")),
    };
    let colouring = s.rows("colouring")?.map(|rows| {
        let class = |(c, row): (usize, Vec<f64>)| {
            let nodes = row.iter().map(|&v| node(v));
            nodes.collect::<Option<Vec<_>>>().ok_or_else(|| {
                let field = s.key(&format!("colouring[{c}]"));
                let expected = "a list of variable numbers from 0";
                Error::invalid(field, format!("{row:?}"), expected).in_file(s.file)
            })
        };
        rows.into_iter().enumerate().map(class).collect()
    });
    Ok(EnergyKind::Factors {
        variables,
        factors,
        colouring: colouring.transpose()?,
    })
}

fn node(v: f64) -> Option<usize> {
    (v >= 0.0 && v.fract() == 0.0 && v < 1e9).then_some(v as usize)
}

fn entry(s: &Section<'_>) -> Result<FactorEntry> {
    s.check_keys(&["nodes", "spins", "weight", "table"], &[])?;
    let Some(nodes) = s.indices("nodes")? else {
        return Err(s.missing("nodes", "the variables of the factor"));
    };
    let entry = FactorEntry {
        nodes,
        spins: s.indices("spins")?.unwrap_or_default(),
        weight: s
            .get("weight")
            .map(|_| s.float("weight", 0.0))
            .transpose()?,
        table: s.numbers("table")?,
    };
    match (&entry.weight, &entry.table, s.get("weight"), s.get("spins")) {
        (None, None, ..) => Err(s.missing("weight", "a number, or a table")),
        (Some(_), Some(_), Some(value), _) => {
            Err(s.invalid("weight", value, "either weight or table, not both"))
        }
        (Some(_), None, _, Some(spins)) => {
            let expected = "a table beside it (with a weight, nodes are the spins)";
            Err(s.invalid("spins", spins, expected))
        }
        _ => Ok(entry),
    }
}

/// `"spin"`, `"4 spin"`, `"categorical 3"` or `"2 categorical 3"`.
fn domains(line: &str) -> Option<(usize, Domain)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (count, kind) = match words[..] {
        [first, ref rest @ ..] if first.starts_with(|c: char| c.is_ascii_digit()) => {
            (first.parse().ok()?, rest)
        }
        _ => (1, &words[..]),
    };
    let domain = match kind {
        ["spin"] => Domain::Spin,
        ["categorical", states] => Domain::Categorical(states.parse().ok()?),
        _ => return None,
    };
    let states = (2..=MAX_CATEGORIES).contains(&domain.states());
    (states && (1..=MOST).contains(&count)).then_some((count, domain))
}

/// The graph of a section.
pub(super) fn graph(
    variables: &[String],
    factors: &[FactorEntry],
    colouring: Option<&Vec<Vec<usize>>>,
) -> Result<FactorGraph> {
    let mut all = Vec::new();
    for (k, line) in variables.iter().enumerate() {
        let Some((count, domain)) = domains(line) else {
            let expected =
                "\"spin\", \"categorical K\" (K from 2 to 256), or a count before it (\"4 spin\")";
            let field = format!("variables[{k}]");
            return Err(Error::invalid(field, format!("{line:?}"), expected));
        };
        all.resize(all.len() + count, domain);
    }
    let factors = factors
        .iter()
        .map(|entry| match (&entry.table, entry.weight) {
            (Some(table), _) => Factor {
                nodes: entry.nodes.clone(),
                spins: entry.spins.clone(),
                weights: table.clone(),
            },
            (None, weight) => Factor::product(entry.nodes.clone(), weight.unwrap_or(0.0)),
        });
    let graph = FactorGraph::new(all, factors.collect())?;
    match colouring {
        Some(classes) => graph.with_colouring(classes.clone()),
        None => Ok(graph),
    }
}
