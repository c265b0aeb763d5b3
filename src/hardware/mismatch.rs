//! Mismatch that neighbours share: standard normals over the sites of a die with covariance exp(−d²/2ℓ²).
//!
//! White noise on the plane of sites, a pure function of (die seed, property, place), filtered along x, then along y, by
//! w(m) ∝ exp(−m²/ℓ²), Σw² = 1: the covariance is c(Δx)c(Δy), c(k) = Σ_m w(m) w(m + k), which is exp(−k²/2ℓ²) up to
//! 4 e^{−π²ℓ²/2} of it (ℓ in sites; Poisson's summation). Linear cost. A place's value does not depend on how large the array is.

use super::die::Die;
use super::topology::Topology;

/// Length of the kernel on each side, in ℓ.
const REACH: f64 = 4.0;
/// Largest coordinate, so that places left of the array have numbers too.
const SHIFT: i64 = 1 << 20;

/// w(−R), …, w(R).
fn kernel(length: f64) -> Vec<f64> {
    let reach = (REACH * length).ceil() as i64;
    let raw: Vec<f64> = (-reach..=reach)
        .map(|m| (-(m as f64 / length).powi(2)).exp())
        .collect();
    let norm = raw.iter().map(|w| w * w).sum::<f64>().sqrt();
    raw.into_iter().map(|w| w / norm).collect()
}

impl Die {
    /// Standard normals of one property of sites 0..n: independent, or correlated over the card's
    /// `nonidealities.correlation_length` (in sites). Site k is at (k mod width, k div width) of the card's lattice, or of a
    /// square where the card has none.
    pub(super) fn sites(&self, property: u64, n: usize) -> Vec<f64> {
        let length = self.card.get("nonidealities.correlation_length");
        let Some(length) = length.filter(|&l| l > 0.0 && n > 0) else {
            return (0..n as u64).map(|i| self.deviate(property, i)).collect();
        };
        let width = match &self.card.topology {
            Topology::Lattice(lattice) => lattice.width,
            _ => (n as f64).sqrt().ceil() as usize,
        };
        let height = n.div_ceil(width);
        let w = kernel(length);
        let reach = (w.len() / 2) as i64;
        // Filtered along x, rows from −reach to height + reach.
        let rows: Vec<f64> = (-reach..height as i64 + reach)
            .flat_map(|y| {
                let white: Vec<f64> = (-reach..width as i64 + reach)
                    .map(|x| {
                        let place = ((y + SHIFT) as u64) << 32 | (x + SHIFT) as u64;
                        self.deviate(property, place)
                    })
                    .collect();
                let along = white.windows(w.len());
                along
                    .map(|z| z.iter().zip(&w).map(|(z, w)| z * w).sum())
                    .collect::<Vec<f64>>()
            })
            .collect();
        (0..n)
            .map(|k| {
                let (x, y) = (k % width, k / width);
                let column = w.iter().enumerate();
                column.map(|(m, w)| w * rows[(y + m) * width + x]).sum()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::card::card;

    fn die(seed: u64, length: &str, topology: &str) -> Die {
        let mut card = card("pbit_cmos_subthreshold").unwrap();
        card.override_parameter("limits.topology", topology)
            .unwrap();
        card.override_parameter("nonidealities.correlation_length", length)
            .unwrap();
        Die::fabricate(&card, Some(seed), None).unwrap()
    }

    /// c(k) against the Gaussian, exactly.
    #[test]
    fn the_kernel_has_the_gaussians_covariance() {
        for length in [1.0, 2.5, 6.0] {
            let w = kernel(length);
            for k in 0..=(3.0 * length) as usize {
                let c: f64 = w.iter().zip(&w[k..]).map(|(a, b)| a * b).sum();
                let exact = (-0.5 * (k as f64 / length).powi(2)).exp();
                let lattice = 4.0 * (-0.5 * (std::f64::consts::PI * length).powi(2)).exp();
                assert!(
                    (c - exact).abs() < lattice * exact + 1e-6,
                    "{length} {k}: {c} {exact}"
                );
            }
        }
    }

    /// Products of two sites' values over 3000 dice: mean c(Δx)c(Δy) with standard error √((1 + c²)/N), 14 pairs within 5.6 of
    /// those (false-alarm rate 3e-7 in all). Twice or half the length, and independent sites, are refused.
    #[test]
    fn neighbours_share_their_mismatch() {
        let dice = 3000u64;
        let pairs = [(0, 0), (0, 1), (0, 2), (0, 4), (12, 24), (12, 36), (13, 38)];
        let values: Vec<[Vec<f64>; 2]> = (0..dice)
            .map(|seed| {
                let die = die(seed, "2", "open 12x5 Z1");
                [die.sites(5, 60), die.sites(6, 60)]
            })
            .collect();
        let worst = |length: f64| {
            let z = pairs.iter().flat_map(|&(i, j): &(usize, usize)| {
                let far = |a: usize, b: usize| (a as f64 - b as f64).powi(2);
                let d = far(i % 12, j % 12) + far(i / 12, j / 12);
                let c = (-0.5 * d / (length * length)).exp();
                let values = &values;
                (0..2).map(move |p| {
                    let sum: f64 = values.iter().map(|v| v[p][i] * v[p][j]).sum();
                    let se = ((1.0 + c * c) / dice as f64).sqrt();
                    ((sum / dice as f64 - c) / se).abs()
                })
            });
            z.fold(0.0, f64::max)
        };
        assert!(worst(2.0) < 5.6, "{}", worst(2.0));
        for wrong in [1e-3, 1.0, 4.0] {
            assert!(worst(wrong) > 5.6, "{wrong}");
        }
        // Properties are independent of each other.
        let cross: f64 = values.iter().map(|v| v[0][7] * v[1][7]).sum::<f64>() / dice as f64;
        assert!(cross.abs() < 5.6 / (dice as f64).sqrt());
    }

    #[test]
    fn a_place_keeps_its_value() {
        let (small, large) = (die(3, "1.5", "open 6x4 Z1"), die(3, "1.5", "open 9x8 Z1"));
        let (a, b) = (small.sites(5, 24), large.sites(5, 72));
        assert_eq!(a[6 * 3 + 5], b[9 * 3 + 5]);
        assert_eq!(small.sites(5, 24), a);
        let none = die(3, "0", "open 6x4 Z1");
        assert_eq!(none.sites(5, 2), [none.deviate(5, 0), none.deviate(5, 1)]);
    }
}
