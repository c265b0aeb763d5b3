//! Draws from a file, of this program, a real chip or other software: `.npz` with `x[chain, draw, node]`, or CSV with a draw per row.

use super::csv_file::{file_error, text};
use super::npz_file::{NumberArray, NumberFile};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Draws of equally long chains.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Traces {
    /// `x[(chain * draws + draw) * nodes + node]`, all finite.
    pub x: Vec<f64>,
    /// Chains.
    pub chains: usize,
    /// Draws of each.
    pub draws: usize,
    /// Numbers per draw.
    pub nodes: usize,
    /// Names of the nodes, if the file has them.
    pub names: Vec<String>,
    /// Time between draws, if the file has equally spaced times.
    pub step: Option<f64>,
    /// `score` beside `x`, if the file has it.
    pub score: Option<Vec<f64>>,
    /// `probabilities`, if the file has them.
    pub probabilities: Option<Vec<f64>>,
}

impl Traces {
    /// Reads a file by its name: `.csv` and `.csv.gz` as CSV, everything else as `.npz`.
    ///
    /// `.npz`: `x` with three axes, two (one chain) or one (one node), or the only array there is; `t[draw]`, and `score` like
    /// `x`. CSV: lines starting with `#` are comments; names in the first row, if it is not numbers; a column `chain` tells chains
    /// apart, a column `t` has times; every other column is a node.
    ///
    /// # Errors
    /// A file that cannot be read, a shape that is not draws, chains of different length, or a value that is not a finite number:
    /// the message says where.
    pub fn read(path: &Path) -> Result<Self> {
        let traces = read(path)?;
        if traces.x.is_empty() {
            return Err(file_error(path, "no draws: expected an array `x`"));
        }
        Ok(traces)
    }

    /// [`Traces::read`], where `probabilities` may stand in for draws.
    ///
    /// # Errors
    /// As [`Traces::read`].
    pub fn read_reference(path: &Path) -> Result<Self> {
        let traces = read(path)?;
        if traces.x.is_empty() && traces.probabilities.is_none() {
            let reason = "no draws: expected an array `x` or `probabilities`";
            return Err(file_error(path, reason));
        }
        Ok(traces)
    }
}

fn read(path: &Path) -> Result<Traces> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(".csv") || name.ends_with(".csv.gz") {
        read_csv(path)
    } else {
        read_npz(path)
    }
}

/// Sizes (chains, draws, nodes) of an array of draws.
fn sizes(shape: &[usize]) -> Option<[usize; 3]> {
    match *shape {
        [draws] => Some([1, draws, 1]),
        [draws, nodes] => Some([1, draws, nodes]),
        [chains, draws, nodes] => Some([chains, draws, nodes]),
        _ => None,
    }
}

fn read_npz(path: &Path) -> Result<Traces> {
    let file = NumberFile::read(path)?;
    let probabilities = match file.get("probabilities") {
        Some(_) => Some(file.list("probabilities")?),
        None => None,
    };
    let Some(array) = file.get("x").or_else(|| file.only()) else {
        if probabilities.is_some() {
            return Ok(Traces {
                probabilities,
                ..Traces::default()
            });
        }
        // Says which arrays there are.
        return Err(file.absent("x"));
    };
    if probabilities.is_some() && file.get("x").is_none() {
        return Ok(Traces {
            probabilities,
            ..Traces::default()
        });
    }
    let Some([chains, draws, nodes]) = sizes(&array.shape) else {
        let reason = format!(
            "array `x` has shape {:?}: expected [chains, draws, nodes], [draws, nodes] or [draws]",
            array.shape
        );
        return Err(file_error(path, reason));
    };
    finite(path, "x", array)?;
    let score = file.get("score");
    if let Some(score) = score {
        if score.shape != array.shape {
            let reason = format!(
                "array `score` has shape {:?}: expected that of `x`, {:?}",
                score.shape, array.shape
            );
            return Err(file_error(path, reason));
        }
        finite(path, "score", score)?;
    }
    let times = file.get("t").map(|t| &t.values[..]);
    Ok(Traces {
        x: array.values.clone(),
        chains,
        draws,
        nodes,
        names: Vec::new(),
        step: times.filter(|t| t.len() == draws).and_then(equal_steps),
        score: score.map(|s| s.values.clone()),
        probabilities,
    })
}

fn finite(path: &Path, name: &str, array: &NumberArray) -> Result<()> {
    let Some(mut at) = array.values.iter().position(|v| !v.is_finite()) else {
        return Ok(());
    };
    let value = array.values[at];
    let mut place = Vec::new();
    for &size in array.shape.iter().rev() {
        place.insert(0, (at % size).to_string());
        at /= size;
    }
    let field = format!("{name}[{}]", place.join(", "));
    Err(Error::invalid(field, value, "a finite number").in_file(path))
}

/// The common distance of increasing times, to a thousandth.
fn equal_steps(times: &[f64]) -> Option<f64> {
    let intervals = times.len().checked_sub(1).filter(|n| *n > 0)?;
    let step = (times[intervals] - times[0]) / intervals as f64;
    let equal = times
        .windows(2)
        .all(|t| ((t[1] - t[0]) / step - 1.0).abs() < 1e-3);
    (step > 0.0 && equal).then_some(step)
}

/// A table of finite numbers, as records of cells with their line numbers.
fn records(path: &Path) -> Result<Vec<(u64, Vec<String>)>> {
    let text = text(path)?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    reader
        .records()
        .map(|record| {
            // The message of a ragged row names its line.
            let record = record.map_err(|e| file_error(path, e.to_string().replace('\n', " ")))?;
            let line = record.position().map_or(0, csv::Position::line);
            Ok((line, record.iter().map(str::to_owned).collect()))
        })
        .collect()
}

fn number(path: &Path, line: u64, column: &str, cell: &str) -> Result<f64> {
    match cell.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(value) => {
            let field = format!("line {line}, column {column}");
            Err(Error::invalid(field, value, "a finite number").in_file(path))
        }
        Err(_) => {
            let reason = format!("line {line}, column {column}: \"{cell}\" is not a number");
            Err(file_error(path, reason))
        }
    }
}

fn read_csv(path: &Path) -> Result<Traces> {
    let mut rows = records(path)?;
    let is_number = |cell: &String| cell.parse::<f64>().is_ok();
    let header = match rows.first() {
        Some((_, first)) if !first.iter().any(is_number) => rows.remove(0).1,
        Some((_, first)) => (0..first.len()).map(|k| format!("{k}")).collect(),
        None => return Err(file_error(path, "no rows")),
    };
    let special = |name: &str| header.iter().position(|h| h.eq_ignore_ascii_case(name));
    let (chain, time) = (special("chain"), special("t"));
    let columns: Vec<usize> = (0..header.len())
        .filter(|k| Some(*k) != chain && Some(*k) != time)
        .collect();
    if columns.is_empty() || rows.is_empty() {
        return Err(file_error(
            path,
            "no draws: expected a row per draw and a column per node",
        ));
    }
    // Chains in the order in which they appear; rows of different chains may alternate.
    let mut order: BTreeMap<&str, usize> = BTreeMap::new();
    let mut chains: Vec<(&str, Vec<f64>)> = Vec::new();
    let mut times = Vec::new();
    for (line, row) in &rows {
        let label = chain.map_or("", |k| row[k].as_str());
        let at = *order.entry(label).or_insert(chains.len());
        if at == chains.len() {
            chains.push((label, Vec::new()));
        }
        for &k in &columns {
            chains[at].1.push(number(path, *line, &header[k], &row[k])?);
        }
        if let Some(k) = time {
            let value = number(path, *line, &header[k], &row[k])?;
            if at == 0 {
                times.push(value);
            }
        }
    }
    let nodes = columns.len();
    let length = chains[0].1.len();
    if let Some((label, x)) = chains.iter().find(|c| c.1.len() != length) {
        let reason = format!(
            "chain `{label}` has {} draws, chain `{}` has {}: expected equally many",
            x.len() / nodes,
            chains[0].0,
            length / nodes
        );
        return Err(file_error(path, reason));
    }
    Ok(Traces {
        chains: chains.len(),
        draws: length / nodes,
        nodes,
        x: chains.into_iter().flat_map(|c| c.1).collect(),
        names: columns.iter().map(|k| header[*k].clone()).collect(),
        step: equal_steps(&times),
        score: None,
        probabilities: None,
    })
}

/// Centres of modes from a CSV, one per row of `nodes` numbers, row after row.
///
/// # Errors
/// A file that cannot be read, a row of another length, or a value that is not a finite number.
pub fn read_centres(path: &Path, nodes: usize) -> Result<Vec<f64>> {
    let mut centres = Vec::new();
    for (line, row) in records(path)? {
        if row.len() != nodes {
            let reason = format!(
                "line {line} has {} numbers: expected {nodes}, one per node",
                row.len()
            );
            return Err(file_error(path, reason));
        }
        for (k, cell) in row.iter().enumerate() {
            centres.push(number(path, line, &k.to_string(), cell)?);
        }
    }
    if centres.is_empty() {
        return Err(file_error(path, "no rows: expected a centre per row"));
    }
    Ok(centres)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn csv(text: &str) -> Result<Traces> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::write(&path, text).unwrap();
        Traces::read(&path)
    }

    #[test]
    fn chains_may_alternate_and_times_are_no_node() {
        let found =
            csv("# a chip\nt, v, chain, w\n0,1,a,2\n0,5,b,6\n0.5,3,a,4\n0.5,7,b,8\n").unwrap();
        assert_eq!(found.x, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!((found.chains, found.draws, found.nodes), (2, 2, 2));
        assert_eq!(found.names, ["v", "w"]);
        assert_eq!(found.step, Some(0.5));
        let bare = csv("1,2\n3,4\n5,6\n").unwrap();
        assert_eq!((bare.chains, bare.draws, bare.nodes), (1, 3, 2));
        assert_eq!(bare.names, ["0", "1"]);
    }

    #[test]
    fn what_is_wrong_is_placed() {
        for (text, ending) in [
            ("v\n1\nx\n", "line 3, column v: \"x\" is not a number"),
            (
                "v,w\n1,2\n3,nan\n",
                "`line 3, column w` = NaN: expected a finite number",
            ),
            (
                "v,w\n1,2\n3\n",
                "found record with 1 fields, but the previous record has 2 fields",
            ),
            (
                "chain,v\na,1\na,2\nb,1\n",
                "chain `b` has 1 draws, chain `a` has 2: expected equally many",
            ),
            ("", "no rows"),
            (
                "v,w\n",
                "no draws: expected a row per draw and a column per node",
            ),
        ] {
            let message = csv(text).unwrap_err().to_string();
            assert!(message.ends_with(ending), "{message}");
        }
    }
}
