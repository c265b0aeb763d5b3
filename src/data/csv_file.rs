//! CSV and CSV.gz files of numbers.

use super::{Components, MoonNodes};
use crate::error::{Error, Result};
use flate2::read::GzDecoder;
use std::fs;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

/// Which columns hold what.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    /// Columns of the picture.
    pub pixels: Range<usize>,
    /// Column of the label.
    pub label: usize,
    /// Number of classes: labels are 0..classes; 0 for rows without labels (`label` is not read then).
    pub classes: usize,
    /// Raw values that become −1 and +1.
    pub scale: (f64, f64),
    /// Raw values strictly above this are +1, all others −1.
    pub threshold: Option<f64>,
}

/// Labelled rows: pixel nodes, then one ±1 node per class.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Visible values of each row.
    pub rows: Vec<Vec<f64>>,
    /// Class of each row; empty without labels.
    pub truth: Vec<usize>,
    /// Nodes of the picture.
    pub pixels: Range<usize>,
    /// Nodes of the label.
    pub labels: Range<usize>,
    /// Rows to learn from.
    pub train: Vec<usize>,
    /// Rows held out.
    pub test: Vec<usize>,
    /// How pixels became components, where they did: the picture's nodes are those then.
    pub components: Option<Components>,
    /// The law that the rows were drawn from, where they are points of it.
    pub moons: Option<MoonNodes>,
}

impl Dataset {
    /// The rows to learn from.
    pub fn learned_from(&self) -> Vec<Vec<f64>> {
        self.train.iter().map(|&r| self.rows[r].clone()).collect()
    }

    /// The pixels of a state of the nodes.
    pub fn picture(&self, state: &[f32]) -> Vec<f32> {
        let nodes = &state[self.pixels.clone()];
        let Some(components) = &self.components else {
            return nodes.to_vec();
        };
        let nodes: Vec<f64> = nodes.iter().map(|&v| f64::from(v)).collect();
        components
            .restore(&nodes)
            .into_iter()
            .map(|v| v as f32)
            .collect()
    }

    /// The same rows with the picture as its `count` leading principal components, fitted to the rows to learn from.
    ///
    /// # Errors
    /// A count that the rows do not support.
    pub fn with_components(mut self, count: usize) -> Result<Self> {
        let picture = |&r: &usize| &self.rows[r][self.pixels.clone()];
        let components = Components::fit(self.train.iter().map(picture), count)?;
        for row in &mut self.rows {
            let labels = row.split_off(self.pixels.end);
            *row = components.project(row);
            row.extend(labels);
        }
        self.pixels = 0..count;
        self.labels = count..count + self.labels.len();
        self.components = Some(components);
        Ok(self)
    }
}

pub(super) fn file_error(path: &Path, reason: impl Into<String>) -> Error {
    Error::File {
        file: path.to_path_buf(),
        reason: reason.into(),
    }
}

/// The file's text, unzipped when its name ends in `.gz`.
pub(super) fn text(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })?;
    let mut text = String::new();
    let read = if path.extension().is_some_and(|e| e == "gz") {
        GzDecoder::new(&bytes[..]).read_to_string(&mut text)
    } else {
        (&bytes[..]).read_to_string(&mut text)
    };
    read.map_err(|e| file_error(path, format!("corrupt or truncated data file ({e})")))?;
    Ok(text)
}

/// Row numbers, one per line; lines starting with `#` are comments.
///
/// # Errors
/// A file that cannot be read, or a line that is not a row number.
pub fn read_indices(path: &Path) -> Result<Vec<usize>> {
    text(path)?
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(k, line)| {
            let reason = format!("line {}: \"{line}\" is not a row number", k + 1);
            line.trim().parse().map_err(|_| file_error(path, reason))
        })
        .collect()
}

/// Loads a labelled CSV; `test` rows are held out.
///
/// # Errors
/// A file that is missing, corrupt, truncated or ragged, a value that is not a number or outside the scale, a label outside
/// the classes, or a test row that does not exist.
pub fn load(path: &Path, columns: &Columns, test: Option<Vec<usize>>) -> Result<Dataset> {
    let text = text(path)?;
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(text.as_bytes());
    let labelled = columns.classes > 0;
    let label_end = if labelled { columns.label + 1 } else { 0 };
    let width = columns.pixels.end.max(label_end);
    let (lo, hi) = columns.scale;
    let (mut rows, mut truth) = (Vec::new(), Vec::new());
    for (k, record) in reader.records().enumerate() {
        let line = k + 1;
        let record = record.map_err(|e| {
            file_error(
                path,
                format!("line {line}: {e} (corrupt or truncated data file)"),
            )
        })?;
        if record.len() < width {
            let reason = format!(
                "line {line} has {} columns, expected at least {width} (corrupt or truncated data file)",
                record.len()
            );
            return Err(file_error(path, reason));
        }
        let number = |column: usize| -> Result<f64> {
            let cell = record.get(column).unwrap_or_default().trim();
            cell.parse::<f64>()
                .ok()
                .filter(|v| v.is_finite())
                .ok_or_else(|| {
                    file_error(
                        path,
                        format!("line {line}, column {column}: \"{cell}\" is not a number"),
                    )
                })
        };
        let label = if labelled {
            let label = number(columns.label)?;
            if label.fract() != 0.0 || !(0.0..columns.classes as f64).contains(&label) {
                let reason = format!(
                    "line {line}: label {label} is not a class from 0 to {}",
                    columns.classes - 1
                );
                return Err(file_error(path, reason));
            }
            Some(label as usize)
        } else {
            None
        };
        let mut row = Vec::with_capacity(columns.pixels.len() + columns.classes);
        for column in columns.pixels.clone() {
            let value = number(column)?;
            if value < lo || value > hi {
                let reason = format!(
                    "line {line}, column {column}: {value} is outside the scale [{lo}, {hi}]"
                );
                return Err(file_error(path, reason));
            }
            row.push(match columns.threshold {
                Some(threshold) if value > threshold => 1.0,
                Some(_) => -1.0,
                None => 2.0 * (value - lo) / (hi - lo) - 1.0,
            });
        }
        row.extend((0..columns.classes).map(|c| if Some(c) == label { 1.0 } else { -1.0 }));
        rows.push(row);
        truth.extend(label);
    }
    if rows.is_empty() {
        return Err(file_error(path, "no rows (corrupt or truncated data file)"));
    }
    let mut held_out = vec![false; rows.len()];
    let test = test.unwrap_or_default();
    for &row in &test {
        let Some(entry) = held_out.get_mut(row) else {
            let reason = format!(
                "has {} rows, but row {row} is listed as a test row (truncated data file?)",
                rows.len()
            );
            return Err(file_error(path, reason));
        };
        if *entry {
            let reason = format!("row {row} is listed twice as a test row");
            return Err(file_error(path, reason));
        }
        *entry = true;
    }
    if test.len() == rows.len() {
        return Err(file_error(
            path,
            "every row is a test row: none is left to learn from",
        ));
    }
    let pixels = 0..columns.pixels.len();
    Ok(Dataset {
        labels: pixels.end..pixels.end + columns.classes,
        pixels,
        train: (0..rows.len()).filter(|&r| !held_out[r]).collect(),
        test,
        rows,
        truth,
        components: None,
        moons: None,
    })
}
