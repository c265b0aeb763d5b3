//! `[energy] kind = "mixture"`: given, stored, or to be learned; and what `[train]` says of one.

use super::model::parameters_file;
use super::reader::Section;
use super::schema::Experiment;
use crate::data::{Dataset, NumberFile};
use crate::dynamics::streams::chain_rng;
use crate::energy::{Mixture, Model};
use crate::error::{Error, Result};
use crate::training::mixture::seeded;
use nalgebra::{DMatrix, DVector};
use serde::Serialize;
use std::path::Path;

/// `[energy]` of a mixture: three lists, or how many components are learned.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MixtureEntry {
    /// w_k.
    pub weights: Vec<f64>,
    /// μ_k.
    pub means: Vec<Vec<f64>>,
    /// Σ_k, as rows.
    pub covariances: Vec<Vec<Vec<f64>>>,
    /// How many are learned, from a start at rows of the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub components: Option<usize>,
}

/// Domain of the random numbers that choose where components begin.
const SEEDS: u64 = 0x501;
/// Most components.
const MOST: u64 = 1000;

/// Keys of `[train]` that a mixture leaves without a meaning: it has no hidden nodes, couplings that start at random, or clamped
/// phase, and its noise is among what is learned.
const UNUSED: &[&str] = &[
    "hidden",
    "connect",
    "start_spread",
    "restart",
    "buffer",
    "positive",
    "conditional",
    "temperature",
    "local_rule",
    "weight_decay",
    "cross_check",
];

/// Keys of a step, which EM has not.
const STEPS: &[&str] = &["optimiser", "learning_rate", "decay"];

/// Reads the section: of a mixture that is `learned`, `stored` in a file, or written out.
pub(super) fn energy(s: &Section<'_>, learned: bool, stored: bool) -> Result<MixtureEntry> {
    const LISTS: [&str; 3] = ["weights", "means", "covariances"];
    let all = ["kind", "copies", "parameters", "components"];
    s.check_keys(&[&all[..], &LISTS].concat(), &[])?;
    let listed = LISTS.into_iter().find(|key| s.get(key).is_some());
    let components = match s.get("components") {
        None => None,
        Some(value) => {
            if let Some(key) = listed {
                let expected = format!("no {key} beside it: components begin at rows of the data");
                return Err(s.invalid("components", value, expected));
            }
            if !learned {
                let expected = "a section [train]: how many components are learned";
                return Err(s.refused("components", expected));
            }
            Some(s.count_between("components", 2, (2, MOST))? as usize)
        }
    };
    if let (true, Some(key), Some(value)) = (stored, listed, s.get("parameters")) {
        let expected = format!("no {key} beside it: the file holds them");
        return Err(s.invalid("parameters", value, expected));
    }
    if components.is_none() && !stored {
        for (key, expected) in LISTS.into_iter().zip([
            "one positive number per component",
            "one row of numbers per component",
            "one matrix (rows) per component",
        ]) {
            if s.get(key).is_none() {
                return Err(s.missing(key, expected));
            }
        }
    }
    Ok(MixtureEntry {
        weights: s.numbers("weights")?.unwrap_or_default(),
        means: s.rows("means")?.unwrap_or_default(),
        covariances: s.matrices("covariances")?.unwrap_or_default(),
        components,
    })
}

/// Refuses keys of `[train]` that mean nothing for a mixture.
pub(super) fn check_train(s: &Section<'_>) -> Result<()> {
    let refused = |s: &Section<'_>, keys: &[&'static str], beside: &str| {
        let found = keys.iter().find_map(|key| Some((key, s.get(key)?)));
        found.map_or(Ok(()), |(key, value)| {
            let expected = format!("no such key beside {beside}");
            Err(s.invalid(key, value, expected))
        })
    };
    refused(s, UNUSED, "energy.kind = \"mixture\"")?;
    if s.get("method").and_then(toml::Value::as_str) == Some("mle") {
        refused(s, STEPS, "method = \"mle\" of a mixture, which is EM")?;
    }
    match s.section("first")? {
        Some(first) => refused(
            &first,
            STEPS,
            "energy.kind = \"mixture\", which begins with EM",
        ),
        None => Ok(()),
    }
}

/// The mixture of an experiment.
///
/// # Errors
/// What is no mixture, by key; a file that cannot be read.
pub(super) fn model(
    experiment: &Experiment,
    dataset: Option<&Dataset>,
    entry: &MixtureEntry,
) -> Result<Model> {
    if let Some(path) = parameters_file(experiment) {
        return stored(&path).map(Model::Mixture);
    }
    if let (Some(components), Some(data)) = (entry.components, dataset) {
        let mut rng = chain_rng(experiment.seed, SEEDS, 0);
        return seeded(&data.learned_from(), components, &mut rng)
            .map(Model::Mixture)
            .map_err(|_| {
                let expected = "fewer than the data have different rows";
                Error::invalid("components", components, expected)
            });
    }
    let rows = |m: &Vec<Vec<f64>>| {
        let (rows, columns) = (m.len(), m.first().map_or(0, Vec::len));
        DMatrix::from_row_iterator(rows, columns, m.iter().flatten().copied())
    };
    let means: Vec<_> = entry.means.iter().cloned().map(DVector::from_vec).collect();
    let covariances: Vec<_> = entry.covariances.iter().map(rows).collect();
    Mixture::new(&entry.weights, &means, &covariances).map(Model::Mixture)
}

/// What training wrote: `weights` [K], `means` [K, D], `covariances` [K, D, D].
fn stored(path: &Path) -> Result<Mixture> {
    let file = NumberFile::read(path)?;
    let (weights, means) = (file.list("weights")?, file.rows("means")?);
    let dim = means.first().map_or(0, Vec::len);
    let cubes = file.get("covariances");
    let cubes = cubes.filter(|a| a.shape[..] == [weights.len(), dim, dim] && dim > 0);
    let Some(cubes) = cubes.filter(|_| means.len() == weights.len()) else {
        return Err(Error::File {
            file: path.to_path_buf(),
            reason: "expected arrays `weights` [K], `means` [K, D] and `covariances` [K, D, D]"
                .to_owned(),
        });
    };
    let means: Vec<_> = means.into_iter().map(DVector::from_vec).collect();
    let squares = cubes.values.chunks(dim * dim);
    let covariances: Vec<_> = squares
        .map(|own| DMatrix::from_row_slice(dim, dim, own))
        .collect();
    Mixture::new(&weights, &means, &covariances)
}
