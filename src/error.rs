//! The one error of the crate: what was wrong, where, and what was expected.
//!
//! Every variant that a user's input can cause carries the file (when there is one), the field, the
//! value and the expectation, so that the command line can print one line that names the place to fix.

use std::path::{Path, PathBuf};

/// Result with the crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong. `Display` is one line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A value a user wrote is not acceptable.
    #[error("{}`{field}` = {value}: expected {expected}", place(.file))]
    Invalid {
        /// File the value came from, when known.
        file: Option<PathBuf>,
        /// Dotted key or argument name.
        field: String,
        /// The offending value, as written or as computed.
        value: String,
        /// What would have been accepted.
        expected: String,
    },
    /// A key nobody knows; `nearest` is the closest known one.
    #[error("{}unknown key `{key}`{}", place(.file), hint(.nearest))]
    UnknownKey {
        /// File with the key.
        file: Option<PathBuf>,
        /// Dotted key.
        key: String,
        /// The nearest known key.
        nearest: Option<String>,
    },
    /// A file cannot be read as what it should be.
    #[error("{}{reason}", place(&Some(.file.clone())))]
    File {
        /// The file.
        file: PathBuf,
        /// Why, in words.
        reason: String,
    },
    /// Reading or writing failed in the operating system.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A step beyond the stability limit of the scheme.
    #[error(
        "`plan.step` = {step} tau: expected less than {limit} tau, the stability limit of {scheme} ({reason})"
    )]
    Unstable {
        /// Scheme name.
        scheme: String,
        /// Requested step, in units of the process's time scale.
        step: f64,
        /// Largest stable step.
        limit: f64,
        /// Which limit, e.g. `2 / lambda_max with lambda_max = 14.2`.
        reason: String,
    },
    /// The numbers left the finite range while running.
    #[error("{what} diverged: {detail}")]
    Diverged {
        /// What diverged (sampler or training).
        what: String,
        /// Where and probably why.
        detail: String,
    },
    /// What was checked is not so.
    #[error("{claims}")]
    Contradicted {
        /// Which claims, in words.
        claims: String,
    },
    /// The user asked to stop (Ctrl-C); the run directory can be resumed.
    #[error("interrupted; continue with --resume")]
    Interrupted,
}

fn place(file: &Option<PathBuf>) -> String {
    file.as_ref()
        .map(|f| format!("{}: ", f.display()))
        .unwrap_or_default()
}

fn hint(nearest: &Option<String>) -> String {
    nearest
        .as_ref()
        .map(|n| format!("; the nearest known key is `{n}`"))
        .unwrap_or_default()
}

impl Error {
    /// An [`Error::Invalid`] without a file.
    pub fn invalid(
        field: impl Into<String>,
        value: impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        Error::Invalid {
            file: None,
            field: field.into(),
            value: value.to_string(),
            expected: expected.into(),
        }
    }

    /// Names the field of an [`Error::Invalid`] that does not name one yet.
    #[must_use]
    pub fn at(mut self, name: &str) -> Self {
        if let Error::Invalid { field, .. } = &mut self
            && field.is_empty()
        {
            *field = name.to_owned();
        }
        self
    }

    /// Attaches the file to an error that does not name one yet.
    #[must_use]
    pub fn in_file(mut self, path: &Path) -> Self {
        if let Error::Invalid { file, .. } | Error::UnknownKey { file, .. } = &mut self {
            file.get_or_insert_with(|| path.to_path_buf());
        }
        self
    }

    /// Puts `prefix.` before the field of an [`Error::Invalid`], for callers that know the section.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        if let Error::Invalid { field, .. } = &mut self {
            *field = format!("{prefix}.{field}");
        }
        self
    }
}
