//! Mixtures from rows alone: where one begins (k-means++), and what EM makes of that.

use super::expectation::ExpectationMaximisation;
use crate::energy::Mixture;
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};

/// Least variance of a component of [`fitted`], of what [`seeded`] begins with: none shrinks onto a row.
const LEAST: f64 = 1e-3;

/// The mixture that so many `updates` of EM make of [`seeded`] components, whose variances are kept from vanishing.
///
/// # Errors
/// As [`seeded`].
pub fn fitted(
    rows: &[Vec<f64>],
    components: usize,
    updates: u64,
    rng: &mut impl Rng,
) -> Result<Mixture> {
    let start = seeded(rows, components, rng)?;
    let least = LEAST * start.components()[0].covariance[(0, 0)];
    let mut em = ExpectationMaximisation::new(start, rows, least)?;
    for _ in 0..updates {
        em.step()?;
    }
    Ok(em.mixture().clone())
}

/// `components` Gaussians at rows of the data, each row chosen with probability proportional to its squared distance from those
/// chosen before (k-means++: Arthur and Vassilvitskii 2007), with equal weights and the mean squared distance that is left as the
/// variance of every direction, D of them.
///
/// # Errors
/// Fewer different rows than components, or none.
pub fn seeded(rows: &[Vec<f64>], components: usize, rng: &mut impl Rng) -> Result<Mixture> {
    let dim = rows.first().map_or(0, Vec::len);
    let refused = || {
        let expected = format!("more than {components} different rows, for as many components");
        Error::invalid("train.data", format!("{} rows", rows.len()), expected)
    };
    if rows.len() <= components || components == 0 {
        return Err(refused());
    }
    let distance =
        |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum() };
    let mut chosen = vec![rng.random_range(0..rows.len())];
    let mut nearest: Vec<f64> = vec![f64::INFINITY; rows.len()];
    loop {
        let last = &rows[chosen[chosen.len() - 1]];
        for (nearest, row) in nearest.iter_mut().zip(rows) {
            *nearest = nearest.min(distance(row, last));
        }
        let total: f64 = nearest.iter().sum();
        if total.is_nan() || total <= 0.0 {
            return Err(refused());
        }
        if chosen.len() == components {
            let variance = total / (rows.len() * dim) as f64;
            let means: Vec<DVector<f64>> = chosen
                .iter()
                .map(|&row| DVector::from_column_slice(&rows[row]))
                .collect();
            let covariances = vec![DMatrix::identity(dim, dim) * variance; components];
            return Mixture::new(&vec![1.0; components], &means, &covariances);
        }
        let mut left = total * rng.random::<f64>();
        let at = nearest.iter().position(|d| {
            left -= d;
            left < 0.0
        });
        // Rounding may leave a little: the farthest row then.
        let far = |a: &usize, b: &usize| nearest[*a].total_cmp(&nearest[*b]);
        let farthest = (0..rows.len()).max_by(far).unwrap_or(0);
        chosen.push(at.unwrap_or(farthest));
    }
}
