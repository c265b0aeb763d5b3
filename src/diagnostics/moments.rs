//! Means and covariances with standard errors, and how two sets of them compare.

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

/// Fewest replicates from which a standard error is taken.
const REPLICATES: usize = 8;

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
    let mut covariance = vec![0.0; nodes * nodes];
    let (mut mean_square, mut covariance_square) = (vec![0.0; nodes], vec![0.0; nodes * nodes]);
    let mut replicates = 0.0;
    let (mut own_mean, mut own_covariance) = (vec![0.0; nodes], vec![0.0; nodes * nodes]);
    let mut centred = vec![0.0; nodes];
    let mut covariance_of_means = vec![0.0; nodes * nodes];
    for chain in x.chunks(draws * nodes) {
        for batch in chain.chunks(length * nodes).take(batches) {
            own_mean.fill(0.0);
            own_covariance.fill(0.0);
            let n = (batch.len() / nodes) as f64;
            for row in batch.chunks(nodes) {
                for ((c, v), m) in centred.iter_mut().zip(row).zip(&mean) {
                    *c = v - m;
                }
                for i in 0..nodes {
                    own_mean[i] += centred[i] / n;
                    let scaled = centred[i] / n;
                    for j in i..nodes {
                        own_covariance[i * nodes + j] += scaled * centred[j];
                    }
                }
            }
            replicates += 1.0;
            for i in 0..nodes {
                mean_square[i] += own_mean[i] * own_mean[i];
                for j in i..nodes {
                    let k = i * nodes + j;
                    covariance_of_means[k] += own_covariance[k];
                    covariance_square[k] += own_covariance[k] * own_covariance[k];
                }
            }
        }
    }
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

/// Compares two sets of moments of the same nodes.
pub fn compare_moments(a: &Moments, b: &Moments) -> MomentComparison {
    let n = a.mean.len();
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
            .flat_map(|i| (i..n).map(move |j| i * n + j))
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

/// −Cov(f, δE) over draws, with its standard error as for independent draws: the first-order change of ⟨f⟩ when E becomes
/// E + δE.
pub fn first_order_bias(f: &[f64], delta_e: &[f64]) -> (f64, f64) {
    let n = f.len() as f64;
    let (mf, md) = (f.iter().sum::<f64>() / n, delta_e.iter().sum::<f64>() / n);
    let (mut sum, mut square) = (0.0, 0.0);
    for (f, d) in f.iter().zip(delta_e) {
        let product = (f - mf) * (d - md);
        sum += product;
        square += product * product;
    }
    let covariance = sum / n;
    (
        -covariance,
        ((square / n - covariance * covariance).max(0.0) / n).sqrt(),
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
        let (mut f, mut d) = (Vec::new(), Vec::new());
        for k in -4000..=4000 {
            let x = f64::from(k) * 1e-3;
            let copies = ((-energy(x)).exp() * 200.0).round() as usize;
            let gradient = 2.0 * (x.powi(3) - x);
            let laplacian = 2.0 * (3.0 * x * x - 1.0);
            f.extend(std::iter::repeat_n(x * x, copies));
            d.extend(std::iter::repeat_n(
                0.5 * laplacian - 0.25 * gradient * gradient,
                copies,
            ));
        }
        let relative = 0.025 * first_order_bias(&f, &d).0 / 0.893_464_97;
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
}
