//! From `[energy]` (and the data's nodes) to a model.

use super::schema::{Energy, Experiment};
use crate::data::Dataset;
use crate::energy::{Couplings, Ising, Model, Quadratic, SoftSpin, rbm_couplings};
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};

/// Rows of a file as a matrix.
fn matrix(rows: &[Vec<f64>], field: &str) -> Result<DMatrix<f64>> {
    let width = rows.first().map_or(0, Vec::len);
    if let Some(k) = rows.iter().position(|r| r.len() != width) {
        let expected = format!("{width} numbers, as in the first row");
        return Err(Error::invalid(
            format!("{field}[{k}]"),
            format!("{} numbers", rows[k].len()),
            expected,
        ));
    }
    Ok(DMatrix::from_row_iterator(
        rows.len(),
        width,
        rows.iter().flatten().copied(),
    ))
}

/// `[[i, j, J], …]` as couplings.
fn couplings(n: usize, list: &[Vec<f64>]) -> Result<Couplings> {
    let triples = list
        .iter()
        .enumerate()
        .map(|(k, row)| match row[..] {
            [i, j, value] if i >= 0.0 && j >= 0.0 && i.fract() == 0.0 && j.fract() == 0.0 => {
                Ok((i as usize, j as usize, value))
            }
            _ => Err(Error::invalid(
                format!("couplings[{k}]"),
                format!("{row:?}"),
                "[i, j, J] with node numbers i, j",
            )),
        })
        .collect::<Result<_>>()?;
    Couplings::new(n, triples)
}

/// Pairs of nodes that `connect` joins: `all` leaves out hidden–hidden pairs, `visible-hidden` keeps only the pairs across.
pub fn coupled_pairs(visible: usize, hidden: usize, connect: &str) -> Vec<(usize, usize)> {
    let n = visible + hidden;
    (0..n)
        .flat_map(|i| (i + 1..n).map(move |j| (i, j)))
        .filter(|&(i, j)| match connect {
            "everything" => true,
            "visible-hidden" => i < visible && j >= visible,
            _ => i < visible,
        })
        .collect()
}

/// The model of an experiment; when it trains, all fields and couplings start at zero on the nodes of the data.
///
/// # Errors
/// What is wrong with the energy, by dotted key.
pub fn build_model(experiment: &Experiment, dataset: Option<&Dataset>) -> Result<Model> {
    model(experiment, dataset).map_err(|e| e.under("energy").in_file(&experiment.file))
}

fn model(experiment: &Experiment, dataset: Option<&Dataset>) -> Result<Model> {
    Ok(match &experiment.energy {
        Energy::Quadratic { precision, linear } => {
            let precision = matrix(precision, "precision")?;
            let linear = linear
                .clone()
                .unwrap_or_else(|| vec![0.0; precision.nrows()]);
            Model::Quadratic(Quadratic::new(precision, DVector::from_vec(linear))?)
        }
        Energy::SoftSpin {
            j2,
            j4,
            fields,
            couplings: list,
        } => {
            let trained = experiment.train.as_ref().zip(dataset);
            let n = match trained {
                Some((train, data)) => data.labels.end + train.hidden,
                None => [j2.len(), j4.len(), fields.as_ref().map_or(0, Vec::len)]
                    .into_iter()
                    .max()
                    .unwrap_or(0),
            };
            let spread = |values: &[f64]| {
                if values.len() == 1 {
                    vec![values[0]; n]
                } else {
                    values.to_vec()
                }
            };
            let graph = match trained {
                Some((train, data)) => {
                    let pairs = coupled_pairs(data.labels.end, train.hidden, &train.connect);
                    Couplings::new(n, pairs.into_iter().map(|(i, j)| (i, j, 0.0)).collect())?
                }
                None => couplings(n, list)?,
            };
            let fields = fields.clone().unwrap_or_else(|| vec![0.0; n]);
            Model::SoftSpin(SoftSpin::new(spread(j2), spread(j4), fields, graph)?)
        }
        Energy::Ising {
            fields,
            couplings: list,
        } => Model::Ising(Ising::new(fields.clone(), couplings(fields.len(), list)?)?),
        Energy::Rbm {
            visible,
            hidden,
            soft,
            weights,
            fields,
            j2,
            j4,
        } => {
            let weights = matrix(weights, "weights")?;
            if weights.shape() != (*visible, *hidden) {
                let value = format!("{} x {}", weights.nrows(), weights.ncols());
                return Err(Error::invalid(
                    "weights",
                    value,
                    format!("{visible} x {hidden}"),
                ));
            }
            let n = visible + hidden;
            let fields = if fields.is_empty() {
                vec![0.0; n]
            } else {
                fields.clone()
            };
            if *soft {
                let graph = rbm_couplings(&weights)?;
                Model::SoftSpin(SoftSpin::new(vec![*j2; n], vec![*j4; n], fields, graph)?)
            } else {
                Model::Ising(Ising::rbm(&weights, fields)?)
            }
        }
        Energy::FourWells => Model::SoftSpin(SoftSpin::four_wells()),
        Energy::DoubleWell { barrier, dim } => {
            Model::SoftSpin(SoftSpin::double_well(*barrier, *dim)?)
        }
    })
}
