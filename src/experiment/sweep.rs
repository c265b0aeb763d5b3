//! `[sweep]`: one experiment at many settings of its own parameters.
//!
//! An axis is `parameter` (a dotted path into the file, list items by `name[k]`) with its `values`; or `parameters` that move
//! together, one row of values per point, with `labels`. A list of axes is their grid, the last one fastest. `values` may be
//! `{ from, to }`: whole numbers, both ends included. An axis marked `replicate` is averaged over.

use super::reader::Section;
use super::schema::Experiment;
use crate::error::{Error, Result};
use serde::Serialize;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Most points of a grid.
const MOST_POINTS: usize = 100_000;

/// One direction of the grid.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Axis {
    /// Dotted paths that move together.
    pub parameters: Vec<String>,
    /// `values[point][parameter]`.
    pub values: Vec<Vec<Value>>,
    /// A word for each point.
    pub labels: Vec<String>,
    /// Whether points along it are repetitions of one setting (instances, dice).
    pub replicate: bool,
}

/// An experiment with a `[sweep]`.
#[derive(Clone, Debug)]
pub struct SweepExperiment {
    /// Where the file was.
    pub file: PathBuf,
    /// The file without its sweep.
    table: Table,
    /// The grid.
    pub axes: Vec<Axis>,
}

impl SweepExperiment {
    /// Takes `[sweep]` out of `table`.
    ///
    /// # Errors
    /// What is wrong with it, by dotted key.
    pub(super) fn new(mut table: Table, file: &Path) -> Result<Self> {
        let sweep = table.remove("sweep").unwrap_or(Value::Array(Vec::new()));
        let list = match sweep {
            Value::Array(list) => list,
            one => vec![one],
        };
        let mut axes = Vec::new();
        let several = list.len() > 1;
        for (k, value) in list.iter().enumerate() {
            let name = if several {
                format!("sweep[{k}]")
            } else {
                "sweep".to_owned()
            };
            let Value::Table(inner) = value else {
                let expected = "a section [sweep], or a list of sections [[sweep]]";
                return Err(Error::invalid(name, value, expected).in_file(file));
            };
            axes.push(axis(&Section {
                file,
                name,
                table: inner,
            })?);
        }
        let sweep = SweepExperiment {
            file: file.to_path_buf(),
            table,
            axes,
        };
        let points = sweep
            .axes
            .iter()
            .try_fold(1usize, |n, axis| n.checked_mul(axis.values.len()))
            .filter(|&n| n > 0 && n <= MOST_POINTS);
        if sweep.axes.is_empty() || points.is_none() {
            let expected = format!("a grid of 1 to {MOST_POINTS} points");
            return Err(Error::invalid("sweep", "its values", expected).in_file(file));
        }
        Ok(sweep)
    }

    /// The title of the file.
    pub fn title(&self) -> &str {
        let title = self.table.get("title").and_then(Value::as_str);
        title.unwrap_or_default()
    }

    /// Replaces the seed of everything random but the die.
    pub fn set_seed(&mut self, seed: u64) {
        let seed = i64::try_from(seed).unwrap_or(i64::MAX);
        self.table.insert("seed".to_owned(), Value::Integer(seed));
    }

    /// All points of the grid, as one index per axis.
    pub fn points(&self) -> Vec<Vec<usize>> {
        self.axes.iter().fold(vec![Vec::new()], |points, axis| {
            points
                .iter()
                .flat_map(|point| {
                    (0..axis.values.len()).map(move |k| [point.as_slice(), &[k]].concat())
                })
                .collect()
        })
    }

    /// The experiment at one point.
    ///
    /// # Errors
    /// A path that leads nowhere, or whatever is wrong with the experiment there.
    pub fn at(&self, point: &[usize]) -> Result<Experiment> {
        let mut table = self.table.clone();
        for (axis, &k) in self.axes.iter().zip(point) {
            for (parameter, value) in axis.parameters.iter().zip(&axis.values[k]) {
                put(&mut table, parameter, value).map_err(|e| e.in_file(&self.file))?;
            }
        }
        Experiment::from_table(&table, &self.file)
    }
}

/// One axis.
fn axis(s: &Section<'_>) -> Result<Axis> {
    s.check_keys(
        &["parameter", "parameters", "values", "labels", "replicate"],
        &[],
    )?;
    let parameters = match (s.get("parameter"), s.words("parameters")?) {
        (Some(_), None) => vec![s.text("parameter", "")?],
        (None, Some(list)) if !list.is_empty() => list,
        (Some(value), Some(_)) => {
            return Err(s.invalid(
                "parameter",
                value,
                "either parameter or parameters, not both",
            ));
        }
        _ => {
            let expected = "a dotted path, e.g. \"hardware.override.limits.dac_bits\"";
            return Err(s.missing("parameter", expected));
        }
    };
    if let Some(path) = parameters.iter().find(|p| steps(p).is_none()) {
        let expected = "a dotted path, e.g. \"plan.step\" or \"digital[0].steps\"";
        return Err(s.invalid("parameter", &Value::String(path.clone()), expected));
    }
    if let Some(path) = parameters.iter().find(|p| p.starts_with("sweep")) {
        let value = Value::String(path.clone());
        return Err(s.invalid("parameter", &value, "a parameter of the experiment"));
    }
    let values: Vec<Vec<Value>> = match s.get("values") {
        None => return Err(s.missing("values", "a list of values, or { from = 1, to = 20 }")),
        Some(Value::Array(list)) if parameters.len() == 1 => {
            list.iter().map(|v| vec![v.clone()]).collect()
        }
        Some(Value::Array(list)) => list
            .iter()
            .map(|row| match row {
                Value::Array(row) if row.len() == parameters.len() => Ok(row.clone()),
                other => {
                    let expected = format!("a row of {} values", parameters.len());
                    Err(s.invalid("values", other, expected))
                }
            })
            .collect::<Result<_>>()?,
        Some(range @ Value::Table(_)) => {
            let Some(inner) = s.section("values")? else {
                return Err(s.invalid("values", range, "a list of values"));
            };
            inner.check_keys(&["from", "to"], &[])?;
            for key in ["from", "to"] {
                if inner.get(key).is_none() {
                    return Err(inner.missing(key, "a whole number"));
                }
            }
            let (from, to) = (inner.count("from", 0, 0)?, inner.count("to", 0, 0)?);
            let length = to.saturating_sub(from).saturating_add(1);
            if to < from || length > MOST_POINTS as u64 {
                let expected = format!("to >= from, and at most {MOST_POINTS} values");
                return Err(s.invalid("values", range, expected));
            }
            (from..=to)
                .map(|k| vec![Value::Integer(k as i64); parameters.len()])
                .collect()
        }
        Some(other) => return Err(s.invalid("values", other, "a list of values")),
    };
    if values.is_empty() {
        let empty = Value::Array(Vec::new());
        return Err(s.invalid("values", &empty, "at least one value"));
    }
    let labels = match s.words("labels")? {
        Some(labels) if labels.len() == values.len() => labels,
        Some(labels) => {
            let value = Value::Integer(labels.len() as i64);
            let expected = format!("{} labels, one per value", values.len());
            return Err(s.invalid("labels", &value, expected));
        }
        None => values.iter().map(|row| label(row)).collect(),
    };
    Ok(Axis {
        parameters,
        values,
        labels,
        replicate: s.flag("replicate", false)?,
    })
}

/// Values as they would be said.
fn label(row: &[Value]) -> String {
    let word = |v: &Value| match v {
        Value::String(text) => text.clone(),
        other => other.to_string().replace(['"', '\n'], ""),
    };
    row.iter().map(word).collect::<Vec<_>>().join(", ")
}

/// A step of a path: a key, then list positions.
type Step<'a> = (&'a str, Vec<usize>);

/// `a.b[0].c` as its steps; `None` for anything else.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    path.split('.')
        .map(|part| {
            let mut pieces = part.split('[');
            let key = pieces.next().filter(|key| !key.is_empty())?;
            let indices = pieces
                .map(|p| p.strip_suffix(']')?.parse().ok())
                .collect::<Option<_>>()?;
            Some((key, indices))
        })
        .collect()
}

/// Sets `path` in `table`; sections on the way are made, list items must be there.
fn put(table: &mut Table, path: &str, value: &Value) -> Result<()> {
    let wrong = |expected: &str| Error::invalid("sweep.parameter", format!("\"{path}\""), expected);
    let steps = steps(path).ok_or_else(|| wrong("a dotted path"))?;
    let mut here = table;
    for (depth, (key, indices)) in steps.iter().enumerate() {
        let last = depth + 1 == steps.len();
        if last && indices.is_empty() {
            here.insert((*key).to_owned(), value.clone());
            return Ok(());
        }
        let mut slot = if indices.is_empty() {
            here.entry((*key).to_owned())
                .or_insert_with(|| Value::Table(Table::new()))
        } else {
            here.get_mut(*key)
                .ok_or_else(|| wrong("a path to a list that the file has"))?
        };
        for &k in indices {
            slot = slot
                .as_array_mut()
                .and_then(|list| list.get_mut(k))
                .ok_or_else(|| wrong("a path to a list item that the file has"))?;
        }
        if last {
            *slot = value.clone();
            return Ok(());
        }
        here = slot
            .as_table_mut()
            .ok_or_else(|| wrong("a path through sections"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep(text: &str) -> Result<SweepExperiment> {
        SweepExperiment::new(text.parse().unwrap(), Path::new("e.toml"))
    }

    const BASE: &str =
        "version = 1\nenergy.kind = \"four_wells\"\nhardware.model = \"soft_spin_cmos\"\n";

    #[test]
    fn a_grid_sets_what_its_axes_name() {
        let text = format!(
            "{BASE}digital = [{{ sampler = \"ula\" }}]\n\
             [[sweep]]\nparameter = \"hardware.override.limits.dac_bits\"\nvalues = [4, \"6\"]\n\
             [[sweep]]\nparameters = [\"seed\", \"digital[0].steps\"]\nvalues = {{ from = 7, to = 9 }}\nreplicate = true\n"
        );
        let sweep = sweep(&text).unwrap();
        let points = sweep.points();
        assert_eq!(points.len(), 6);
        assert_eq!(points[4], [1, 1]);
        let experiment = sweep.at(&points[4]).unwrap();
        assert_eq!((experiment.seed, experiment.digital[0].steps), (8, 8));
        let hardware = experiment.hardware.unwrap();
        assert_eq!(hardware.overrides["limits.dac_bits"], "6");
        assert_eq!(sweep.axes[0].labels, ["4", "6"]);
        assert!(sweep.axes[1].replicate && !sweep.axes[0].replicate);
    }

    #[test]
    fn what_cannot_be_swept_is_said() {
        let message = |axis: &str| {
            let made = sweep(&format!("{BASE}[sweep]\n{axis}\n"));
            let at = made.and_then(|s| s.at(&[0]).map(|_| ()));
            at.unwrap_err().to_string()
        };
        for (axis, words) in [
            ("values = [1]", "sweep.parameter"),
            ("parameter = \"plan.chains\"", "sweep.values"),
            (
                "parameter = \"plan.chains\"\nvalues = []",
                "at least one value",
            ),
            ("parameter = \"plan..chains\"\nvalues = [1]", "dotted path"),
            ("parameter = \"digital[2].steps\"\nvalues = [1]", "a list"),
            ("parameter = \"plan.chians\"\nvalues = [1]", "`plan.chians`"),
            ("parameter = \"plan.chains\"\nvalues = [-1]", "plan.chains"),
            (
                "parameters = [\"seed\", \"title\"]\nvalues = [[1]]",
                "a row of 2 values",
            ),
            (
                "parameter = \"seed\"\nvalues = { from = 3, to = 2 }",
                "to >= from",
            ),
            (
                "parameter = \"seed\"\nvalues = [1, 2]\nlabels = [\"a\"]",
                "2 labels",
            ),
            (
                "parameter = \"sweep.values\"\nvalues = [1, 2]",
                "of the experiment",
            ),
        ] {
            let said = message(axis);
            assert!(said.contains(words), "{axis}: {said}");
        }
    }
}
