//! Principal components: a front end that turns many correlated pixels into few uncorrelated nodes.
//!
//! u = S⁻¹Vᵀ(x − m), with m the mean, V the leading eigenvectors of the covariance of the rows it was fitted to and S² their
//! eigenvalues: the rows' components have mean 0, variance 1 and no correlation. Back: x = m + V S u, which loses what the
//! components left out hold.

use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};

/// A component whose variance is below this share of the largest says nothing but rounding.
const LEAST_SHARE: f64 = 1e-10;

/// The map from pixels to components and back.
#[derive(Clone, Debug, PartialEq)]
pub struct Components {
    /// m.
    mean: DVector<f64>,
    /// V, a column each.
    axes: DMatrix<f64>,
    /// S.
    spread: DVector<f64>,
    /// Share of the rows' variance that the components hold.
    pub explained: f64,
}

impl Components {
    /// The `count` leading components of `rows` (all of the same length).
    ///
    /// # Errors
    /// No count, or more than the rows' covariance has directions with variance.
    pub fn fit<'a>(rows: impl Iterator<Item = &'a [f64]>, count: usize) -> Result<Self> {
        let columns: Vec<DVector<f64>> = rows.map(DVector::from_column_slice).collect();
        let n = columns.len() as f64;
        let Some(first) = columns.first() else {
            return Err(Error::invalid("rows", "none", "rows to fit components to"));
        };
        let size = first.len();
        let sum = columns.iter().fold(DVector::zeros(size), |s, c| s + c);
        let mean: DVector<f64> = sum / n;
        let mut covariance = DMatrix::zeros(size, size);
        for column in &columns {
            let d = column - &mean;
            covariance.ger(1.0 / n, &d, &d, 1.0);
        }
        let total = covariance.trace();
        let eigen = covariance.symmetric_eigen();
        let mut order: Vec<usize> = (0..size).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let largest = order.first().map_or(0.0, |&k| eigen.eigenvalues[k]);
        let varies = |k: &&usize| eigen.eigenvalues[**k] > LEAST_SHARE * largest;
        let most = order.iter().take_while(varies).count();
        if count == 0 || count > most {
            let expected = format!("from 1 to {most}, the directions in which the rows vary");
            return Err(Error::invalid("data.components", count, expected));
        }
        let kept = &order[..count];
        let variance = DVector::from_iterator(count, kept.iter().map(|&k| eigen.eigenvalues[k]));
        let mut axes = eigen.eigenvectors.select_columns(kept);
        for mut axis in axes.column_iter_mut() {
            // An eigenvector has no sign of its own: its largest entry is made positive.
            if axis[axis.icamax()] < 0.0 {
                axis.neg_mut();
            }
        }
        Ok(Components {
            mean,
            axes,
            explained: variance.sum() / total,
            spread: variance.map(f64::sqrt),
        })
    }

    /// u of x.
    pub fn project(&self, x: &[f64]) -> Vec<f64> {
        let d = DVector::from_column_slice(x) - &self.mean;
        let u = self.axes.tr_mul(&d).component_div(&self.spread);
        u.as_slice().to_vec()
    }

    /// x of u.
    pub fn restore(&self, u: &[f64]) -> Vec<f64> {
        let scaled = DVector::from_column_slice(u).component_mul(&self.spread);
        (&self.axes * scaled + &self.mean).as_slice().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sixty rows of six numbers of which the last is the sum of two others.
    fn rows() -> Vec<Vec<f64>> {
        let wave =
            |k: usize, i: usize| ((k * k * (i + 2) + 3 * k * i) as f64).sin() * (i + 1) as f64;
        let row = |k| {
            let mut x: Vec<f64> = (0..5).map(|i| wave(k, i) + 0.5 * wave(k, 0)).collect();
            x.push(x[1] + x[3]);
            x
        };
        (0..60).map(row).collect()
    }

    fn fit(count: usize) -> Result<Components> {
        Components::fit(rows().iter().map(Vec::as_slice), count)
    }

    #[test]
    fn components_are_white_and_all_of_them_restore_the_rows() {
        let found = fit(5).unwrap();
        assert!((found.explained - 1.0).abs() < 1e-12);
        let u: Vec<Vec<f64>> = rows().iter().map(|x| found.project(x)).collect();
        for i in 0..5 {
            let mean: f64 = u.iter().map(|u| u[i]).sum::<f64>() / 60.0;
            assert!(mean.abs() < 1e-12);
            for j in 0..5 {
                let product: f64 = u.iter().map(|u| u[i] * u[j]).sum::<f64>() / 60.0;
                assert!(
                    (product - f64::from(i == j)).abs() < 1e-10,
                    "{i} {j} {product}"
                );
            }
        }
        for (x, u) in rows().iter().zip(&u) {
            let back = found.restore(u);
            assert!(back.iter().zip(x).all(|(a, b)| (a - b).abs() < 1e-10));
        }
    }

    /// What fewer components lose of the rows is exactly the variance that they do not explain.
    #[test]
    fn what_is_lost_is_what_is_not_explained() {
        let (two, all) = (fit(2).unwrap(), fit(5).unwrap());
        let square =
            |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum() };
        let sum = |of: &dyn Fn(&[f64]) -> f64| rows().iter().map(|x| of(x)).sum::<f64>();
        let lost = sum(&|x| square(x, &two.restore(&two.project(x))));
        let total = sum(&|x| square(x, all.mean.as_slice()));
        assert!((lost / total - (1.0 - two.explained)).abs() < 1e-12);
        assert!(two.explained > 0.5 && two.explained < 0.99);
    }

    #[test]
    fn no_more_components_than_directions() {
        let words = fit(6).unwrap_err().to_string();
        let expected =
            "`data.components` = 6: expected from 1 to 5, the directions in which the rows vary";
        assert_eq!(words, expected);
        assert!(fit(0).is_err());
    }
}
