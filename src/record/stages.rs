//! Finished parts of a long run, kept in its directory so that an interrupted run need not repeat them.

use super::directory::RunDirectory;
use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// File of the finished parts; removed when the run is whole.
const FILE: &str = "checkpoint.json";

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    /// The experiment that the parts belong to.
    experiment: serde_json::Value,
    parts: BTreeMap<String, serde_json::Value>,
}

/// The parts of one run.
pub struct Stages<'a> {
    directory: &'a RunDirectory,
    checkpoint: Checkpoint,
}

impl std::fmt::Debug for Stages<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stages")
            .field("parts", &self.checkpoint.parts.len())
            .finish_non_exhaustive()
    }
}

impl<'a> Stages<'a> {
    /// Parts finished before in this directory, or none yet.
    ///
    /// # Errors
    /// Parts of another experiment.
    pub fn open(directory: &'a RunDirectory, experiment: &serde_json::Value) -> Result<Self> {
        let bytes = directory.read(FILE).unwrap_or_default();
        let checkpoint = serde_json::from_slice(&bytes).unwrap_or_else(|_| Checkpoint {
            experiment: experiment.clone(),
            parts: BTreeMap::new(),
        });
        if checkpoint.experiment != *experiment {
            let value = directory.path().join(FILE).display().to_string();
            let expected = "the checkpoint of this very experiment and seed";
            return Err(Error::invalid("--resume", value, expected));
        }
        Ok(Stages {
            directory,
            checkpoint,
        })
    }

    /// The part called `name`: what was kept, or else what `work` gives, which is then kept.
    ///
    /// # Errors
    /// Those of `work`; a checkpoint that cannot be written.
    pub fn once<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let kept = self.checkpoint.parts.get(name).cloned();
        if let Some(value) = kept.and_then(|part| serde_json::from_value(part).ok()) {
            return Ok(value);
        }
        let value = work()?;
        let failed = |e: serde_json::Error| Error::File {
            file: self.directory.path().join(FILE),
            reason: e.to_string(),
        };
        let part = serde_json::to_value(&value).map_err(failed)?;
        self.checkpoint.parts.insert(name.to_owned(), part);
        let text = serde_json::to_vec(&self.checkpoint).map_err(failed)?;
        self.directory.write(FILE, &text)?;
        Ok(value)
    }

    /// The run is whole: its parts need no longer be kept.
    pub fn finish(self) {
        self.directory.remove(FILE);
    }
}
