//! Gaussian mixtures: p(x) = Σ_k w_k N(x; μ_k, Σ_k), E(x) = −log p(x), so log Z = 0.

use super::{ContinuousEnergy, Parameters, SoftSpin};
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::TAU;

/// One component of a mixture.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// w_k.
    pub weight: f64,
    /// μ_k.
    pub mean: DVector<f64>,
    /// Σ_k.
    pub covariance: DMatrix<f64>,
    /// Σ_k⁻¹.
    pub precision: DMatrix<f64>,
    /// Lower triangular L_k of Σ_k = L_k L_kᵀ.
    pub lower: DMatrix<f64>,
    /// log w_k − ½ log det 2πΣ_k.
    log_scale: f64,
}

/// A mixture of Gaussians.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    components: Vec<Component>,
}

impl Mixture {
    /// Weights (positive; they are scaled to sum to one), means (D each) and covariances (D×D each).
    ///
    /// # Errors
    /// No component, numbers of them that differ, dimensions that differ, values that are not finite, weights that are not
    /// positive, covariances that are not symmetric and positive definite.
    pub fn new(
        weights: &[f64],
        means: &[DVector<f64>],
        covariances: &[DMatrix<f64>],
    ) -> Result<Self> {
        let (k, dim) = (weights.len(), means.first().map_or(0, DVector::len));
        if k == 0 || dim == 0 {
            let expected = "at least one component of at least one variable";
            return Err(Error::invalid("weights", format!("{k} of them"), expected));
        }
        for (field, count) in [("means", means.len()), ("covariances", covariances.len())] {
            if count != k {
                let expected = format!("{k}, one per weight");
                return Err(Error::invalid(field, format!("{count} of them"), expected));
            }
        }
        if let Some(i) = weights.iter().position(|w| !(*w > 0.0 && w.is_finite())) {
            let field = format!("weights[{i}]");
            return Err(Error::invalid(field, weights[i], "a positive number"));
        }
        let total: f64 = weights.iter().sum();
        let components = (0..k)
            .map(|i| {
                let (mean, covariance) = (means[i].clone(), covariances[i].clone());
                if mean.len() != dim || mean.iter().any(|v| !v.is_finite()) {
                    let value = format!("{:?}", mean.as_slice());
                    let expected = format!("{dim} finite numbers");
                    return Err(Error::invalid(format!("means[{i}]"), value, expected));
                }
                let field = format!("covariances[{i}]");
                if covariance.shape() != (dim, dim) || covariance.iter().any(|v| !v.is_finite()) {
                    let value = format!("{} x {}", covariance.nrows(), covariance.ncols());
                    let expected = format!("{dim} x {dim} finite numbers");
                    return Err(Error::invalid(field, value, expected));
                }
                let scale = covariance.amax();
                let skew = (&covariance - covariance.transpose()).amax();
                let factor = covariance.clone().cholesky();
                let Some(factor) = factor.filter(|_| skew <= 1e-9 * scale) else {
                    let expected = "a symmetric, positive definite matrix";
                    return Err(Error::invalid(field, "another matrix", expected));
                };
                let log_det = 2.0 * factor.l().diagonal().map(f64::ln).sum();
                let weight = weights[i] / total;
                Ok(Component {
                    weight,
                    mean,
                    precision: factor.inverse(),
                    lower: factor.l(),
                    covariance,
                    log_scale: weight.ln() - 0.5 * (dim as f64 * TAU.ln() + log_det),
                })
            })
            .collect::<Result<_>>()?;
        Ok(Mixture { components })
    }

    /// The components, weights summing to one.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// All its numbers: fields hold (ln w_k, μ_k) component by component, couplings the lower triangle of each Σ_k by rows.
    /// The energy is not linear in them.
    pub fn parameters(&self) -> Parameters {
        let mut parameters = Parameters {
            fields: Vec::new(),
            couplings: Vec::new(),
        };
        for c in &self.components {
            parameters.fields.push(c.weight.ln());
            parameters.fields.extend(c.mean.iter());
            for i in 0..c.mean.len() {
                let row = (0..=i).map(|j| c.covariance[(i, j)]);
                parameters.couplings.extend(row);
            }
        }
        parameters
    }

    /// Sets them; the numbers of components and variables stay.
    ///
    /// # Errors
    /// Other lengths, and what [`Mixture::new`] refuses.
    pub fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        let (k, dim) = (self.components.len(), self.dim());
        let triangle = dim * (dim + 1) / 2;
        let (fields, couplings) = (&parameters.fields, &parameters.couplings);
        for (field, got, wanted) in [
            ("fields", fields.len(), k * (1 + dim)),
            ("couplings", couplings.len(), k * triangle),
        ] {
            if got != wanted {
                let expected = format!("{wanted} numbers, as many as the mixture has");
                return Err(Error::invalid(field, format!("{got} of them"), expected));
            }
        }
        let weights: Vec<f64> = fields.iter().step_by(1 + dim).map(|l| l.exp()).collect();
        let means: Vec<DVector<f64>> = fields
            .chunks(1 + dim)
            .map(|own| DVector::from_column_slice(&own[1..]))
            .collect();
        let covariances: Vec<DMatrix<f64>> = couplings
            .chunks(triangle)
            .map(|own| {
                let at = |i: usize, j: usize| own[i * (i + 1) / 2 + j];
                DMatrix::from_fn(dim, dim, |i, j| at(i.max(j), i.min(j)))
            })
            .collect();
        *self = Mixture::new(&weights, &means, &covariances)?;
        Ok(())
    }

    /// log w_k N(x; μ_k, Σ_k) of each component.
    fn log_parts(&self, x: &DVector<f64>) -> Vec<f64> {
        self.components
            .iter()
            .map(|c| {
                let d = x - &c.mean;
                c.log_scale - 0.5 * d.dot(&(&c.precision * &d))
            })
            .collect()
    }

    /// An independent draw: a component, then μ_k + L_k ξ.
    pub fn draw(&self, rng: &mut impl Rng) -> DVector<f64> {
        let mut left: f64 = rng.random();
        let chosen = self.components.iter().find(|c| {
            left -= c.weight;
            left < 0.0
        });
        // Weights may sum to a little less than one.
        let chosen = chosen.unwrap_or(&self.components[self.components.len() - 1]);
        let normals = DVector::from_fn(self.dim(), |_, _| StandardNormal.sample(rng));
        &chosen.mean + &chosen.lower * normals
    }

    /// P(component | x).
    pub fn responsibilities(&self, x: &[f64]) -> Vec<f64> {
        let mut parts = self.log_parts(&DVector::from_column_slice(x));
        let log_p = log_sum_exp(&parts);
        parts.iter_mut().for_each(|p| *p = (*p - log_p).exp());
        parts
    }

    /// Mean and covariance: μ = Σ w μ_k, Σ = Σ w (Σ_k + μ_k μ_kᵀ) − μ μᵀ.
    pub fn moments(&self) -> (DVector<f64>, DMatrix<f64>) {
        let dim = self.dim();
        let (mut mean, mut second) = (DVector::zeros(dim), DMatrix::zeros(dim, dim));
        for c in &self.components {
            mean += c.weight * &c.mean;
            second += c.weight * (&c.covariance + &c.mean * c.mean.transpose());
        }
        let covariance = second - &mean * mean.transpose();
        (mean, covariance)
    }

    /// Score of each component, Σ_k⁻¹(μ_k − x), with the responsibilities.
    fn scores(&self, x: &DVector<f64>) -> (Vec<f64>, Vec<DVector<f64>>) {
        let scores = self.components.iter();
        let scores = scores.map(|c| &c.precision * (&c.mean - x)).collect();
        (self.responsibilities(x.as_slice()), scores)
    }
}

fn log_sum_exp(values: &[f64]) -> f64 {
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    most + values.iter().map(|v| (v - most).exp()).sum::<f64>().ln()
}

impl ContinuousEnergy for Mixture {
    fn dim(&self) -> usize {
        self.components.first().map_or(0, |c| c.mean.len())
    }

    fn value(&self, x: &[f64]) -> f64 {
        -log_sum_exp(&self.log_parts(&DVector::from_column_slice(x)))
    }

    /// −Σ_k r_k Σ_k⁻¹(μ_k − x), r the responsibilities.
    fn gradient(&self, x: &[f64], gradient: &mut [f64]) {
        let (r, scores) = self.scores(&DVector::from_column_slice(x));
        let mut sum = DVector::zeros(self.dim());
        for (r, score) in r.iter().zip(&scores) {
            sum += score * *r;
        }
        for (g, s) in gradient.iter_mut().zip(&sum) {
            *g = -s;
        }
    }

    /// −Δ log p = Σ_k r_k (tr Σ_k⁻¹ − |s_k|²) + |Σ_k r_k s_k|², s_k the score of component k.
    fn laplacian(&self, x: &[f64]) -> f64 {
        let (r, scores) = self.scores(&DVector::from_column_slice(x));
        let mut sum = DVector::zeros(self.dim());
        let mut laplacian = 0.0;
        for ((r, score), c) in r.iter().zip(&scores).zip(&self.components) {
            sum += score * *r;
            laplacian += r * (c.precision.trace() - score.norm_squared());
        }
        laplacian + sum.norm_squared()
    }

    fn pairwise(&self) -> Option<SoftSpin> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Mixture {
        let spread = DMatrix::from_row_slice(2, 2, &[1.0, 0.4, 0.4, 0.5]);
        Mixture::new(
            &[2.0, 1.0],
            &[DVector::from_vec(vec![1.0, 0.0]), DVector::zeros(2)],
            &[spread, DMatrix::identity(2, 2) * 0.3],
        )
        .unwrap()
    }

    /// ∫ e^{−E} = 1 and the moments, by the trapezoidal rule (exponentially accurate for Gaussians).
    #[test]
    fn the_law_is_normalised_and_has_its_moments() {
        let mixture = example();
        let step = 0.05;
        let (mut mass, mut mean, mut second) = (0.0, DVector::zeros(2), DMatrix::zeros(2, 2));
        for i in -160..=160 {
            for j in -160..=160 {
                let x = DVector::from_vec(vec![step * f64::from(i), step * f64::from(j)]);
                let p = (-mixture.value(x.as_slice())).exp() * step * step;
                mass += p;
                mean += &x * p;
                second += &x * x.transpose() * p;
            }
        }
        let (m, c) = mixture.moments();
        assert!((mass - 1.0).abs() < 1e-9);
        assert!((&mean - &m).amax() < 1e-9);
        assert!((second - &m * m.transpose() - c).amax() < 1e-9);
    }

    #[test]
    fn gradient_and_laplacian_are_those_of_the_value() {
        let mixture = example();
        let x = [0.3, -0.7];
        let (h, mut gradient) = (1e-4, [0.0; 2]);
        mixture.gradient(&x, &mut gradient);
        let mut laplacian = 0.0;
        for k in 0..2 {
            let at = |d: f64| {
                let mut y = x;
                y[k] += d;
                mixture.value(&y)
            };
            assert!(((at(h) - at(-h)) / (2.0 * h) - gradient[k]).abs() < 1e-7);
            laplacian += (at(h) + at(-h) - 2.0 * at(0.0)) / (h * h);
        }
        assert!((laplacian - mixture.laplacian(&x)).abs() < 1e-6);
    }

    #[test]
    fn a_mixture_is_its_numbers() {
        let mixture = example();
        let numbers = mixture.parameters();
        let mut other = Mixture::new(
            &[1.0, 1.0],
            &[DVector::zeros(2), DVector::zeros(2)],
            &[DMatrix::identity(2, 2), DMatrix::identity(2, 2)],
        )
        .unwrap();
        other.set_parameters(&numbers).unwrap();
        for (a, b) in other.components().iter().zip(mixture.components()) {
            assert!((a.weight - b.weight).abs() < 1e-15);
            assert_eq!((&a.mean, &a.covariance), (&b.mean, &b.covariance));
        }
        let mut short = numbers;
        short.couplings.pop();
        assert!(other.set_parameters(&short).is_err());
    }

    #[test]
    fn what_is_not_a_mixture_is_refused() {
        let (mean, one) = (DVector::zeros(1), DMatrix::identity(1, 1));
        let refused = |weights: &[f64], covariance: DMatrix<f64>| {
            Mixture::new(weights, std::slice::from_ref(&mean), &[covariance])
                .unwrap_err()
                .to_string()
        };
        assert!(refused(&[0.0], one.clone()).contains("weights[0]"));
        assert!(refused(&[1.0, 1.0], one.clone()).contains("means"));
        assert!(refused(&[1.0], -one).contains("covariances[0]"));
    }
}
