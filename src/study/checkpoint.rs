//! What a training run keeps to be continued from, with the hash of its experiment: another experiment's is refused.

use crate::error::{Error, Result};
use crate::record::RunDirectory;
use serde::{Serialize, de::DeserializeOwned};

const FILE: &str = "checkpoint.bin";

fn fingerprint(experiment: &impl Serialize) -> String {
    use sha2::{Digest, Sha256};
    let text = serde_json::to_string(experiment).unwrap_or_default();
    Sha256::digest(text.as_bytes())
        .iter()
        .take(8)
        .map(|b| format!("{b:02x}"))
        .collect()
}

/// One run's checkpoint.
pub(super) struct Checkpoints<'a> {
    directory: &'a RunDirectory,
    mark: String,
}

impl<'a> Checkpoints<'a> {
    /// Of an experiment in its directory.
    pub fn of(experiment: &impl Serialize, directory: &'a RunDirectory) -> Self {
        Checkpoints {
            directory,
            mark: fingerprint(experiment),
        }
    }

    fn failed(&self, reason: String) -> Error {
        Error::File {
            file: self.directory.path().join(FILE),
            reason,
        }
    }

    /// What was kept, if anything.
    ///
    /// # Errors
    /// A file of another version or another experiment.
    pub fn kept<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let Some(bytes) = self.directory.read(FILE) else {
            return Ok(None);
        };
        let (mark, saved): (String, T) = postcard::from_bytes(&bytes)
            .map_err(|e| self.failed(format!("is not a checkpoint of this version ({e})")))?;
        if mark != self.mark {
            let expected = "a checkpoint of this experiment (its settings have changed)";
            let value = self.directory.path().display();
            return Err(Error::invalid("--resume", value, expected));
        }
        Ok(Some(saved))
    }

    /// Nothing is under way any more.
    pub fn forget(&self) {
        self.directory.remove(FILE);
    }

    /// Keeps `saved` in place of what was kept before.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn keep<T: Serialize>(&self, saved: &T) -> Result<()> {
        let bytes = postcard::to_stdvec(&(&self.mark, saved));
        let bytes = bytes.map_err(|e| self.failed(e.to_string()))?;
        self.directory.write(FILE, &bytes)
    }
}
