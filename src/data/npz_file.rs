//! Named arrays from NumPy's `.npz`, as plain numbers: what `couplings_file`, `precision_file` and `parameters` read.

use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// An array, row-major, widened to f64.
#[derive(Clone, Debug, PartialEq)]
pub struct NumberArray {
    /// Sizes by axis.
    pub shape: Vec<usize>,
    /// The values.
    pub values: Vec<f64>,
}

/// The arrays of one file, with errors that name it.
#[derive(Clone, Debug)]
pub struct NumberFile {
    path: PathBuf,
    arrays: BTreeMap<String, NumberArray>,
}

impl NumberFile {
    /// Reads all arrays of floats, integers and truth values; arrays of words are passed over.
    ///
    /// # Errors
    /// A file that is missing, corrupt or truncated, or an array of something else.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|source| Error::Io {
            path: path.to_path_buf(),
            source,
        })?;
        let bad = |e: io::Error| Error::File {
            file: path.to_path_buf(),
            reason: format!("corrupt or truncated .npz file ({e})"),
        };
        let mut archive = npyz::npz::NpzArchive::new(io::Cursor::new(bytes)).map_err(bad)?;
        let names: Vec<String> = archive.array_names().map(str::to_owned).collect();
        let mut arrays = BTreeMap::new();
        for name in names {
            // The archive's checksum is compared only at the end of an entry, so read each to its end before parsing it.
            let mut entry = Vec::new();
            archive
                .zip_archive()
                .by_name(&npyz::npz::file_name_from_array_name(&name))
                .map_err(|e| bad(io::Error::other(e)))?
                .read_to_end(&mut entry)
                .map_err(bad)?;
            let array = npyz::NpyFile::new(&entry[..]).map_err(bad)?;
            let shape = array.shape().iter().map(|&n| n as usize).collect();
            let kind = array.dtype().descr();
            let kind = kind.trim_matches('\'').to_owned();
            let column_major = array.order() == npyz::Order::Fortran && array.shape().len() > 1;
            if kind.starts_with("|S") || kind.contains('U') {
                continue;
            }
            let values: Vec<f64> = match kind.get(1..) {
                _ if column_major => {
                    return Err(Error::File {
                        file: path.to_path_buf(),
                        reason: format!("array `{name}` is stored by columns: expected C order"),
                    });
                }
                Some("f8") => array.into_vec::<f64>().map_err(bad)?,
                Some("f4") => widen(array.into_vec::<f32>().map_err(bad)?),
                Some("i4") => widen(array.into_vec::<i32>().map_err(bad)?),
                Some("u4") => widen(array.into_vec::<u32>().map_err(bad)?),
                Some("i2") => widen(array.into_vec::<i16>().map_err(bad)?),
                Some("u2") => widen(array.into_vec::<u16>().map_err(bad)?),
                Some("i1") => widen(array.into_vec::<i8>().map_err(bad)?),
                Some("u1") => widen(array.into_vec::<u8>().map_err(bad)?),
                Some("b1") => {
                    let values = array.into_vec::<bool>().map_err(bad)?;
                    values.into_iter().map(|v| f64::from(u8::from(v))).collect()
                }
                Some("i8") => {
                    let values = array.into_vec::<i64>().map_err(bad)?;
                    values.into_iter().map(|v| v as f64).collect()
                }
                _ => {
                    return Err(Error::File {
                        file: path.to_path_buf(),
                        reason: format!(
                            "array `{name}` has type {kind}: expected floats, integers or truth values"
                        ),
                    });
                }
            };
            arrays.insert(name, NumberArray { shape, values });
        }
        Ok(NumberFile {
            path: path.to_path_buf(),
            arrays,
        })
    }

    /// An array, if it is there.
    pub fn get(&self, name: &str) -> Option<&NumberArray> {
        self.arrays.get(name)
    }

    /// The only array, where there is just one.
    pub fn only(&self) -> Option<&NumberArray> {
        let mut arrays = self.arrays.values();
        arrays.next().filter(|_| arrays.next().is_none())
    }

    fn wrong(&self, reason: String) -> Error {
        Error::File {
            file: self.path.clone(),
            reason,
        }
    }

    /// A list of numbers.
    ///
    /// # Errors
    /// No such array, or one that has rows.
    pub fn list(&self, name: &str) -> Result<Vec<f64>> {
        match self.get(name) {
            Some(array) if array.shape.len() == 1 => Ok(array.values.clone()),
            Some(array) => {
                let reason = format!(
                    "array `{name}` has shape {:?}: expected a list",
                    array.shape
                );
                Err(self.wrong(reason))
            }
            None => Err(self.absent(name)),
        }
    }

    /// A table as rows.
    ///
    /// # Errors
    /// No such array, or one that is not two-dimensional.
    pub fn rows(&self, name: &str) -> Result<Vec<Vec<f64>>> {
        match self.get(name).map(|array| (&array.shape[..], array)) {
            Some((&[_, width], array)) => Ok(array
                .values
                .chunks_exact(width.max(1))
                .map(<[f64]>::to_vec)
                .collect()),
            Some((shape, _)) => {
                let reason = format!("array `{name}` has shape {shape:?}: expected a matrix");
                Err(self.wrong(reason))
            }
            None => Err(self.absent(name)),
        }
    }

    /// `edges` `[m, 2]` and `couplings` `[m]` as rows `[i, j, J]`.
    ///
    /// # Errors
    /// An array is missing, or the two do not fit.
    pub fn coupling_rows(&self) -> Result<Vec<Vec<f64>>> {
        let (edges, values) = (self.rows("edges")?, self.list("couplings")?);
        if edges.len() != values.len() || edges.iter().any(|e| e.len() != 2) {
            let reason = format!(
                "array `edges` does not fit `couplings`: expected [{}, 2]",
                values.len()
            );
            return Err(self.wrong(reason));
        }
        Ok(edges
            .iter()
            .zip(values)
            .map(|(edge, value)| vec![edge[0], edge[1], value])
            .collect())
    }

    /// That there is no such array, and which there are.
    pub(super) fn absent(&self, name: &str) -> Error {
        let present: Vec<&str> = self.arrays.keys().map(String::as_str).collect();
        self.wrong(format!(
            "no array `{name}` (it has {})",
            if present.is_empty() {
                "none".to_owned()
            } else {
                present.join(", ")
            }
        ))
    }
}

fn widen<T: Into<f64>>(values: Vec<T>) -> Vec<f64> {
    values.into_iter().map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::WriterBuilder;

    fn write(path: &Path) {
        let mut archive = npyz::npz::NpzWriter::create(path).unwrap();
        let options = Default::default;
        let edges = archive.array("edges", options()).unwrap();
        let mut edges = edges.default_dtype().shape(&[2, 2]).begin_nd().unwrap();
        edges.extend([0i64, 1, 1, 2]).unwrap();
        edges.finish().unwrap();
        let values = archive.array("couplings", options()).unwrap();
        let mut values = values.default_dtype().shape(&[2]).begin_nd().unwrap();
        values.extend([0.5f32, -0.25]).unwrap();
        values.finish().unwrap();
    }

    #[test]
    fn integers_and_singles_are_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        write(&path);
        let file = NumberFile::read(&path).unwrap();
        let rows = file.coupling_rows().unwrap();
        assert_eq!(rows, [[0.0, 1.0, 0.5], [1.0, 2.0, -0.25]]);
        let message = file.list("fields").unwrap_err().to_string();
        assert!(
            message.ends_with("no array `fields` (it has couplings, edges)"),
            "{message}"
        );
        let message = file.list("edges").unwrap_err().to_string();
        assert!(
            message.ends_with("shape [2, 2]: expected a list"),
            "{message}"
        );
    }

    #[test]
    fn half_a_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        write(&path);
        let bytes = fs::read(&path).unwrap();
        for length in [0, 10, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&path, &bytes[..length]).unwrap();
            let message = NumberFile::read(&path).unwrap_err().to_string();
            assert!(
                message.contains("corrupt or truncated"),
                "{length}: {message}"
            );
        }
    }

    /// One wrong bit anywhere: refused, or (in a date or a comment) without effect; never other numbers.
    #[test]
    fn a_flipped_bit_never_gives_other_numbers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.npz");
        write(&path);
        let bytes = fs::read(&path).unwrap();
        let sound = NumberFile::read(&path).unwrap().arrays;
        let mut refused = 0;
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, &flipped).unwrap();
            match NumberFile::read(&path) {
                Ok(file) => {
                    for (name, array) in &file.arrays {
                        assert_eq!(sound.get(name).unwrap_or(array), array, "byte {at}");
                    }
                }
                Err(_) => refused += 1,
            }
        }
        assert!(2 * refused > bytes.len(), "only {refused} refused");
    }
}
