//! Exact draws, to start chains in their law: no burn-in, and no doubt whether it was long enough.

use super::sequential::Stream;
use super::view::indexed_spins;
use crate::energy::{ContinuousEnergy, DiscreteEnergy, Quadratic, SoftSpin, exact};
use nalgebra::DVector;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

fn normal(stream: &mut Stream) -> f64 {
    StandardNormal.sample(stream)
}

/// Draws of an index with the given probabilities, by inversion.
pub fn states(probabilities: &[f64]) -> impl Fn(&mut Stream) -> usize + Clone + use<> {
    let mut sum = 0.0;
    let sums = probabilities.iter().map(|p| {
        sum += p;
        sum
    });
    let sums: Vec<f64> = sums.collect();
    move |stream| {
        let at = stream.random::<f64>() * sums.last().copied().unwrap_or(1.0);
        sums.partition_point(|s| *s <= at)
            .min(sums.len().saturating_sub(1))
    }
}

/// Draws from the Boltzmann law of spins, by enumeration.
///
/// # Errors
/// More spins than [`exact::MAX_SPINS`].
pub fn spins(
    energy: &dyn DiscreteEnergy,
) -> Result<impl Fn(&mut Stream) -> Vec<i8> + Clone + use<>, String> {
    let n = energy.dim();
    let index = states(&exact::probabilities(energy).map_err(|e| e.to_string())?);
    Ok(move |stream: &mut Stream| indexed_spins(index(stream), n))
}

/// Draws from N(P⁻¹b, P⁻¹).
///
/// # Errors
/// A precision whose inverse has no Cholesky factor to rounding.
pub fn gaussian(
    energy: &Quadratic,
) -> Result<impl Fn(&mut Stream) -> Vec<f64> + Clone + use<>, String> {
    let law = exact::gaussian(energy);
    let factor = law.covariance.cholesky();
    let factor = factor.ok_or("precision: nearly singular, expected positive definite")?;
    let (factor, mean) = (factor.l(), law.mean);
    Ok(move |stream: &mut Stream| {
        let z = DVector::from_fn(mean.len(), |_, _| normal(stream));
        (&factor * z + &mean).iter().copied().collect()
    })
}

/// Draws from the law of soft spins, by rejection.
///
/// Each x_i is proposed from its own cell with j2 − ½Σ_j|J_ij| for j2, and all are accepted together with probability
/// Π_{i<j} exp(J_ij x_i x_j − ½|J_ij|(x_i² + x_j²)) ≤ 1. A cell's a x² + j4 x⁴ − b x is j4 (x² − c)² + κx² − bx up to a constant,
/// κ = a + 2 j4 c > 0: x ~ N(b/2κ, 1/2κ), accepted with probability exp(−j4 (x² − c)²). Exact for any number of nodes; the cost
/// grows exponentially with it.
pub fn soft_spins(energy: &SoftSpin) -> impl Fn(&mut Stream) -> Vec<f64> + Clone + use<> {
    let energy = energy.clone();
    let reach = energy.couplings.reach();
    // (j4, c, κ, b); c = 0 where the cell is convex enough by itself.
    let cells: Vec<(f64, f64, f64, f64)> = (0..energy.dim())
        .map(|i| {
            let (a, j4) = (energy.j2[i] - 0.5 * reach[i], energy.j4[i]);
            let kappa = a.max(j4.sqrt());
            let centre = if j4 > 0.0 {
                (kappa - a) / (2.0 * j4)
            } else {
                0.0
            };
            (j4, centre, kappa, energy.fields[i])
        })
        .collect();
    move |stream| {
        loop {
            let x: Vec<f64> = cells
                .iter()
                .map(|&(j4, c, kappa, b)| {
                    loop {
                        let x = b / (2.0 * kappa) + normal(stream) / (2.0 * kappa).sqrt();
                        if stream.random::<f64>() < (-j4 * (x * x - c).powi(2)).exp() {
                            return x;
                        }
                    }
                })
                .collect();
            let edges = energy.couplings.edges().iter();
            let exponent: f64 = edges
                .zip(energy.couplings.values())
                .map(|(&(i, j), v)| v * x[i] * x[j] - 0.5 * v.abs() * (x[i] * x[i] + x[j] * x[j]))
                .sum();
            if stream.random::<f64>() < exponent.exp() {
                return x;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::assertions::{counts_match, moments_match};
    use super::*;
    use crate::energy::{Couplings, Ising};
    use rand::SeedableRng;

    /// 1e-7 a check; a temperature 10 % off is refused.
    #[test]
    fn draws_have_their_law() {
        let mut stream = Stream::seed_from_u64(5);
        let pair = Couplings::new(2, vec![(0, 1, 0.7)]).unwrap();
        let soft = |b: f64| {
            let j2 = vec![-1.5 * b, 0.8 * b];
            let pair = Couplings::new(2, vec![(0, 1, 0.7 * b)]).unwrap();
            SoftSpin::new(j2, vec![0.6 * b, 0.3 * b], vec![0.3 * b, -0.2 * b], pair).unwrap()
        };
        let draw = soft_spins(&soft(1.0));
        let x: Vec<f64> = (0..60_000).flat_map(|_| draw(&mut stream)).collect();
        let judge = |energy: &SoftSpin| {
            let law = exact::quadrature(energy).unwrap();
            let (mean, covariance) = (law.mean.as_slice(), law.covariance.as_slice());
            moments_match(&x, (60_000, 1), mean, covariance, 1e-7)
        };
        judge(&soft(1.0)).unwrap();
        assert!(judge(&soft(1.1)).is_err());
        let energy = Ising::new(vec![0.4, -0.1], pair).unwrap();
        let draw = spins(&energy).unwrap();
        let mut counts = [0; 4];
        for _ in 0..40_000 {
            counts[super::super::view::spin_index(&draw(&mut stream))] += 1;
        }
        let p = exact::probabilities(&energy).unwrap();
        counts_match(&counts, &p, 1e-7).unwrap();
        let precision = nalgebra::dmatrix![1.5, -0.9; -0.9, 1.2];
        let quadratic = Quadratic::new(precision, nalgebra::dvector![0.5, -1.0]).unwrap();
        let draw = gaussian(&quadratic).unwrap();
        let x: Vec<f64> = (0..40_000).flat_map(|_| draw(&mut stream)).collect();
        let law = exact::gaussian(&quadratic);
        let (mean, covariance) = (law.mean.as_slice(), law.covariance.as_slice());
        moments_match(&x, (40_000, 1), mean, covariance, 1e-7).unwrap();
    }
}
