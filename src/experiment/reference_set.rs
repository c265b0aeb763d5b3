//! The reference set: small energies whose exact moments are known, as experiment files. Twenty are shipped in the program
//! (`experiments/reference`); a folder or files of one's own take their place.
//!
//! A folder may hold `exact.json`, NAME → { mean, covariance }: row-major, of the nodes, or of a factor graph's features.

use super::schema::Experiment;
use crate::error::{Error, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../experiments/reference/", $name, ".toml")))),*]
    };
}
const SHIPPED: &[(&str, &str)] = shipped![
    "double_well_tilted",
    "four_wells",
    "gaussian_1",
    "gaussian_pair",
    "gaussian_ring_8",
    "gaussian_scales_4",
    "ising_ferromagnet_10",
    "ising_glass_12",
    "ising_lattice_4x4",
    "ising_pair",
    "ising_rbm_6x4",
    "ising_ring_8",
    "ising_star_9",
    "ising_triangles",
    "neuron",
    "neurons_coupled",
    "parity_of_six",
    "potts_triangle",
    "spins_and_categories",
    "wells_coupled",
];
const SHIPPED_EXACT: &str = include_str!("../../experiments/reference/exact.json");
const EXACT: &str = "exact.json";

/// Moments that somebody states.
#[derive(Clone, Debug, Deserialize)]
pub struct StatedMoments {
    /// Means.
    pub mean: Vec<f64>,
    /// Row-major covariance.
    pub covariance: Vec<f64>,
}

/// An energy of the set.
#[derive(Clone, Debug)]
pub struct ReferenceEnergy {
    /// Stem of its file.
    pub name: String,
    /// The file.
    pub experiment: Experiment,
    /// What `exact.json` beside it states.
    pub stated: Option<StatedMoments>,
}

type Stated = BTreeMap<String, StatedMoments>;

fn stated(text: &str, file: &Path) -> Result<Stated> {
    serde_json::from_str(text).map_err(|e| Error::File {
        file: file.to_path_buf(),
        reason: format!("is no list of exact moments ({e})"),
    })
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|source| Error::Io {
        path: file.to_path_buf(),
        source,
    })
}

/// The shipped energies, by name.
///
/// # Errors
/// None that a user can cause: the files are part of the program.
pub fn shipped_energies() -> Result<Vec<ReferenceEnergy>> {
    let mut exact = stated(SHIPPED_EXACT, Path::new(EXACT))?;
    let parsed = SHIPPED.iter().map(|&(name, text)| {
        let file = PathBuf::from(format!("experiments/reference/{name}.toml"));
        Ok(ReferenceEnergy {
            name: name.to_owned(),
            experiment: Experiment::parse(text, &file)?,
            stated: exact.remove(name),
        })
    });
    parsed.collect()
}

/// The `.toml` files of a folder, by name.
fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let io = |source| Error::Io {
        path: folder.to_path_buf(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        let expected = "a folder with experiment files (.toml)";
        return Err(Error::invalid("PATH", folder.display(), expected));
    }
    Ok(files)
}

/// The energies of folders and files, in that order.
///
/// # Errors
/// A folder without files, or whatever is wrong in one of them.
pub fn energies_of(paths: &[PathBuf]) -> Result<Vec<ReferenceEnergy>> {
    let mut found = Vec::new();
    for path in paths {
        let files = match path.is_dir() {
            true => listed(path)?,
            false => vec![path.clone()],
        };
        for file in files {
            let beside = file.with_file_name(EXACT);
            let mut exact = match beside.is_file() {
                true => stated(&read(&beside)?, &beside)?,
                false => Stated::new(),
            };
            let stem = file.file_stem().unwrap_or(file.as_os_str());
            let name = stem.to_string_lossy().into_owned();
            found.push(ReferenceEnergy {
                experiment: Experiment::load(&file)?,
                stated: exact.remove(&name),
                name,
            });
        }
    }
    Ok(found)
}
