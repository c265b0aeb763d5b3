//! The run directory: made only when the input is valid, its files written whole or not at all.

use super::npz::{Array, read_npz, write_npz};
use super::run::RunRecord;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A directory that one run writes to.
#[derive(Clone, Debug)]
pub struct RunDirectory {
    path: PathBuf,
}

fn io_error(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        path: path.to_path_buf(),
        source,
    }
}

impl RunDirectory {
    /// Makes the directory and proves that it can be written to. With `resume`, an existing one is continued; without, an
    /// existing directory that holds anything is refused.
    ///
    /// # Errors
    /// An output place that cannot be written, or that is not empty.
    pub fn create(path: &Path, resume: bool) -> Result<Self> {
        let occupied = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
        if occupied && !resume {
            let expected = "a new or empty directory (or --resume to continue an interrupted run)";
            return Err(Error::invalid("--out", path.display(), expected));
        }
        if resume && !path.is_dir() {
            return Err(Error::invalid(
                "--out",
                path.display(),
                "the directory of an interrupted run",
            ));
        }
        fs::create_dir_all(path).map_err(|e| io_error(path, e))?;
        let probe = path.join(".probe");
        fs::write(&probe, b"")
            .and_then(|()| fs::remove_file(&probe))
            .map_err(|e| io_error(path, e))?;
        Ok(RunDirectory {
            path: path.to_path_buf(),
        })
    }

    /// An existing run directory, for reading.
    ///
    /// # Errors
    /// A directory without `run.json`.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.join("run.json").is_file() {
            return Err(Error::File {
                file: path.to_path_buf(),
                reason: "is not a run directory: it has no run.json".to_owned(),
            });
        }
        Ok(RunDirectory {
            path: path.to_path_buf(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes bytes to a file of the directory, through a temporary file.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| io_error(parent, e))?;
        }
        let temporary = self.path.join(format!("{name}.part"));
        fs::write(&temporary, bytes).map_err(|e| io_error(&path, e))?;
        fs::rename(&temporary, &path).map_err(|e| io_error(&path, e))
    }

    /// The bytes of a file, if it is there.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.path.join(name)).ok()
    }

    /// Removes a file that is no longer needed; a file that is not there is fine.
    pub fn remove(&self, name: &str) {
        // Leaving a stale checkpoint behind is harmless, so a failure to remove it is not an error.
        let _ = fs::remove_file(self.path.join(name));
    }

    /// Writes `run.json`.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write_run(&self, run: &RunRecord) -> Result<()> {
        let text = serde_json::to_string_pretty(run).map_err(|e| Error::File {
            file: self.path.join("run.json"),
            reason: e.to_string(),
        })?;
        self.write("run.json", text.as_bytes())
    }

    /// Reads `run.json`.
    ///
    /// # Errors
    /// A file that is missing or not a run record.
    pub fn read_run(&self) -> Result<RunRecord> {
        let path = self.path.join("run.json");
        let text = fs::read_to_string(&path).map_err(|e| io_error(&path, e))?;
        serde_json::from_str(&text).map_err(|e| Error::File {
            file: path,
            reason: format!("is not a run record of version 1 ({e})"),
        })
    }

    /// Writes an array file.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn write_arrays(&self, name: &str, arrays: &[(&str, Array)]) -> Result<()> {
        write_npz(&self.path.join(name), arrays)
    }

    /// The arrays of a file, if it is there and whole.
    pub fn arrays(&self, name: &str) -> Option<BTreeMap<String, Array>> {
        read_npz(&self.path.join(name)).ok()
    }
}
