//! Stationary autoregressive traces.

use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;

/// `chains` stationary AR(1) traces x' = ρx + √(1−ρ²) z of unit variance.
pub fn ar1(rng: &mut Pcg64, rho: f64, chains: usize, draws: usize) -> Vec<f64> {
    let mut x = Vec::with_capacity(chains * draws);
    for _ in 0..chains {
        let mut v: f64 = StandardNormal.sample(rng);
        for _ in 0..draws {
            x.push(v);
            let z: f64 = StandardNormal.sample(rng);
            v = rho * v + (1.0 - rho * rho).sqrt() * z;
        }
    }
    x
}
