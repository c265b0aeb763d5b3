//! Means and covariances with standard errors, and how two sets of them compare.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal};

/// Mean and covariance (row-major n×n) with standard errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// ⟨x_i⟩.
    pub mean: Vec<f64>,
    /// Its standard error.
    pub mean_se: Vec<f64>,
    /// Cov(x_i, x_j).
    pub covariance: Vec<f64>,
    /// Its standard error.
    pub covariance_se: Vec<f64>,
}

/// Draws, and replicates, that are summed together before the sums are added in order.
const BLOCK: usize = 512;

/// Fewest replicates from which a standard error is taken.
const REPLICATES: usize = 8;

/// Sums over replicates of their own squared mean, covariance and squared covariance about a common centre (i ≤ j).
struct Scatter {
    mean_square: Vec<f64>,
    covariance: Vec<f64>,
    covariance_square: Vec<f64>,
}

impl Scatter {
    fn zero(nodes: usize) -> Self {
        Scatter {
            mean_square: vec![0.0; nodes],
            covariance: vec![0.0; nodes * nodes],
            covariance_square: vec![0.0; nodes * nodes],
        }
    }

    fn of(replicates: &[&[f64]], mean: &[f64]) -> Self {
        let nodes = mean.len();
        let mut sums = Scatter::zero(nodes);
        let (mut own_mean, mut own) = (vec![0.0; nodes], vec![0.0; nodes * nodes]);
        let mut centred = vec![0.0; nodes];
        for rows in replicates {
            own_mean.fill(0.0);
            own.fill(0.0);
            let n = (rows.len() / nodes) as f64;
            for row in rows.chunks(nodes) {
                for ((c, v), m) in centred.iter_mut().zip(row).zip(mean) {
                    *c = v - m;
                }
                for i in 0..nodes {
                    let scaled = centred[i] / n;
                    own_mean[i] += scaled;
                    let target = &mut own[i * nodes + i..(i + 1) * nodes];
                    for (sum, other) in target.iter_mut().zip(&centred[i..]) {
                        *sum += scaled * other;
                    }
                }
            }
            for (sum, own) in sums.mean_square.iter_mut().zip(&own_mean) {
                *sum += own * own;
            }
            for (k, own) in own.iter().enumerate() {
                sums.covariance[k] += own;
                sums.covariance_square[k] += own * own;
            }
        }
        sums
    }

    fn add(&mut self, other: &Scatter) {
        for (mine, theirs) in [
            (&mut self.mean_square, &other.mean_square),
            (&mut self.covariance, &other.covariance),
            (&mut self.covariance_square, &other.covariance_square),
        ] {
            for (a, b) in mine.iter_mut().zip(theirs) {
                *a += b;
            }
        }
    }
}

/// Moments of `x[(chain * draws + draw) * nodes + node]`.
///
/// Standard errors come from the scatter between independent replicates: chains, or with fewer than eight chains, eight or
/// more consecutive batches of draws (which must be longer than the correlation time).
pub fn moments(x: &[f64], chains: usize, draws: usize, nodes: usize) -> Moments {
    let batches = if chains >= REPLICATES {
        1
    } else {
        (4 * REPLICATES).div_ceil(chains.max(1)).min(draws)
    };
    let length = draws / batches.max(1);
    let total = (chains * draws) as f64;
    let mut mean = vec![0.0; nodes];
    for row in x.chunks(nodes) {
        for (m, v) in mean.iter_mut().zip(row) {
            *m += v / total;
        }
    }
    let batch_rows: Vec<&[f64]> = x
        .chunks(draws * nodes)
        .flat_map(|chain| chain.chunks(length * nodes).take(batches))
        .collect();
    let replicates = batch_rows.len() as f64;
    let sums: Vec<Scatter> = batch_rows
        .par_chunks((BLOCK / length.max(1)).max(1))
        .map(|block| Scatter::of(block, &mean))
        .collect();
    let mut scatter = Scatter::zero(nodes);
    for block in &sums {
        scatter.add(block);
    }
    let Scatter {
        mean_square,
        covariance: covariance_of_means,
        covariance_square,
    } = scatter;
    let mut covariance = vec![0.0; nodes * nodes];
    let mut covariance_se = vec![0.0; nodes * nodes];
    for i in 0..nodes {
        for j in i..nodes {
            let k = i * nodes + j;
            let average = covariance_of_means[k] / replicates;
            let variance = (covariance_square[k] / replicates - average * average).max(0.0);
            let se = (variance / (replicates - 1.0)).sqrt();
            for at in [k, j * nodes + i] {
                covariance[at] = average;
                covariance_se[at] = se;
            }
        }
    }
    Moments {
        mean_se: mean_square
            .iter()
            .map(|s| (s / replicates / (replicates - 1.0)).sqrt())
            .collect(),
        mean,
        covariance,
        covariance_se,
    }
}

/// How far two sets of moments are apart, in standard errors.
#[derive(Clone, Debug, PartialEq)]
pub struct MomentComparison {
    /// Rms over nodes of difference/standard error of the means: 1 if only chance separates them.
    pub mean_rms_z: f64,
    /// Largest such |z|.
    pub mean_max_z: f64,
    /// Bonferroni p-value of the largest (valid whatever the correlations).
    pub mean_p: f64,
    /// Same for covariances (i ≤ j).
    pub cov_rms_z: f64,
    /// See `mean_max_z`.
    pub cov_max_z: f64,
    /// See `mean_p`.
    pub cov_p: f64,
}

/// Compares two sets of moments of the same nodes. Variances of spins (1 − m²) and indicators (m − m²) say nothing that the means
/// do not, and their standard errors vanish at m = 0 and ½: they are left out.
pub fn compare_moments(a: &Moments, b: &Moments) -> MomentComparison {
    let n = a.mean.len();
    let of_mean = |moments: &Moments, i: usize| {
        let (m, variance) = (moments.mean[i], moments.covariance[i * n + i]);
        let is = |value: f64| (variance - value).abs() < 1e-9;
        is(1.0 - m * m) || is(m - m * m)
    };
    let follows = |i: usize| of_mean(a, i) && of_mean(b, i);
    let z = |va: f64, sa: f64, vb: f64, sb: f64| {
        let se = (sa * sa + sb * sb).sqrt();
        (se > 0.0).then(|| (va - vb) / se)
    };
    let summary = |z: Vec<f64>| {
        let count = z.len().max(1) as f64;
        let rms = (z.iter().map(|z| z * z).sum::<f64>() / count).sqrt();
        let largest = z.iter().fold(0.0f64, |m, z| m.max(z.abs()));
        (
            rms,
            largest,
            (count * 2.0 * Normal::standard().sf(largest)).min(1.0),
        )
    };
    let mean = summary(
        (0..n)
            .filter_map(|i| z(a.mean[i], a.mean_se[i], b.mean[i], b.mean_se[i]))
            .collect(),
    );
    let cov = summary(
        (0..n)
            .flat_map(|i| (i..n).map(move |j| (i, j)))
            .filter(|&(i, j)| i != j || !follows(i))
            .map(|(i, j)| i * n + j)
            .filter_map(|k| {
                z(
                    a.covariance[k],
                    a.covariance_se[k],
                    b.covariance[k],
                    b.covariance_se[k],
                )
            })
            .collect(),
    );
    MomentComparison {
        mean_rms_z: mean.0,
        mean_max_z: mean.1,
        mean_p: mean.2,
        cov_rms_z: cov.0,
        cov_max_z: cov.1,
        cov_p: cov.2,
    }
}

/// First-order change of the mean and the covariance of x when E becomes E + δE, from draws of exp(−E): −Cov(f, δE) for
/// f = x_i and f = (x_i − ⟨x_i⟩)(x_j − ⟨x_j⟩).
///
/// `x[draw * nodes + node]`, `delta_e[draw]`; returns the changes of the `nodes` means and of the row-major covariance.
pub fn first_order_bias(x: &[f64], nodes: usize, delta_e: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let draws = delta_e.len() as f64;
    let average = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / draws;
    let mean_delta = average(&mut delta_e.iter().copied());
    let mean: Vec<f64> = (0..nodes)
        .map(|i| average(&mut x.iter().skip(i).step_by(nodes).copied()))
        .collect();
    // Blocks of draws are summed in order, so that the threads do not change the bits.
    let blocks: Vec<(DVector<f64>, DMatrix<f64>)> = x
        .par_chunks(BLOCK * nodes)
        .zip(delta_e.par_chunks(BLOCK))
        .map(|(x, delta)| {
            let x = DMatrix::from_fn(nodes, delta.len(), |i, k| x[k * nodes + i] - mean[i]);
            let weight = DVector::from_fn(delta.len(), |k, _| mean_delta - delta[k]);
            let mut weighted = x.clone();
            for (mut column, w) in weighted.column_iter_mut().zip(&weight) {
                column *= *w;
            }
            (&x * &weight, weighted * x.transpose())
        })
        .collect();
    let mut mean_bias = DVector::zeros(nodes);
    let mut covariance_bias = DMatrix::zeros(nodes, nodes);
    for (mean, covariance) in blocks {
        mean_bias += mean / draws;
        covariance_bias += covariance / draws;
    }
    (
        mean_bias.as_slice().to_vec(),
        covariance_bias.as_slice().to_vec(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// V6: at h = 0.05 Euler–Maruyama's E x² of U = x⁴/4 − x²/2 (kT = ½) is off by −1.2e-2; here by quadrature points
    /// drawn in proportion to the density, in the scaled time of dx = −∇E dt + √2 dW (E = 2U, step h/2).
    #[test]
    fn predicted_bias_of_the_quartic() {
        let energy = |x: f64| 2.0 * (x.powi(4) / 4.0 - x * x / 2.0);
        let (mut draws, mut d) = (Vec::new(), Vec::new());
        for k in -4000..=4000 {
            let x = f64::from(k) * 1e-3;
            let copies = ((-energy(x)).exp() * 200.0).round() as usize;
            let gradient = 2.0 * (x.powi(3) - x);
            let laplacian = 2.0 * (3.0 * x * x - 1.0);
            draws.extend(std::iter::repeat_n(x, copies));
            d.extend(std::iter::repeat_n(
                0.5 * laplacian - 0.25 * gradient * gradient,
                copies,
            ));
        }
        let relative = 0.025 * first_order_bias(&draws, 1, &d).1[0] / 0.893_464_97;
        assert!((relative + 1.2e-2).abs() < 1.5e-3, "{relative}");
    }

    #[test]
    fn moments_of_a_known_sample() {
        let x: Vec<f64> = (0..20)
            .flat_map(|k| [f64::from(k), -2.0 * f64::from(k)])
            .collect();
        let m = moments(&x, 10, 2, 2);
        assert!((m.mean[0] - 9.5).abs() < 1e-12 && (m.mean[1] + 19.0).abs() < 1e-12);
        assert!((m.covariance[0] - 33.25).abs() < 1e-9 && (m.covariance[1] + 66.5).abs() < 1e-9);
        assert_eq!(m.covariance[1], m.covariance[2]);
        let same = compare_moments(&m, &m);
        assert_eq!((same.mean_rms_z, same.mean_p), (0.0, 1.0));
    }

    /// A spin's variance with a mean near zero: no error of the mean makes it count; a real variable's does.
    #[test]
    fn variances_of_spins_are_no_evidence() {
        let of = |mean: f64, variance: f64, se: f64| Moments {
            mean: vec![mean],
            mean_se: vec![0.01],
            covariance: vec![variance],
            covariance_se: vec![se],
        };
        let (a, b) = (of(1e-5, 1.0 - 1e-10, 1e-7), of(0.02, 1.0 - 4e-4, 0.0));
        assert_eq!(compare_moments(&a, &b).cov_max_z, 0.0);
        let (a, b) = (of(0.0, 0.5, 1e-3), of(0.0, 0.6, 0.0));
        assert!((compare_moments(&a, &b).cov_max_z - 100.0).abs() < 1e-9);
    }
}
