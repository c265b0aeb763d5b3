//! How far the law that a die realises is from the one that was asked for, exactly: no sampling.
//!
//! Spins (≤ 20): the Boltzmann law asked for against the one that the array settles in, that of its own energy or, where it
//! has none, of its process (≤ 12 that see each other at once). Gaussians: KL = ½[tr(PΣ) − n − ln det(PΣ) + (m−μ)ᵀP(m−μ)] with
//! N(μ, P⁻¹) asked for and N(m, Σ) the die's stationary law: A m = c, A Σ + Σ Aᵀ = D (rails left out).

use super::program::Programmed;
use crate::dynamics::linear;
use crate::energy::{FactorGraph, Ising, Model, Quadratic, enumerate_factors, exact};

/// Distances of the realised law q from the requested p.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Divergence {
    /// ½ Σ |p − q|; spins only.
    pub tv: Option<f64>,
    /// KL(q ‖ p) in nats.
    pub kl: f64,
}

/// Of discrete laws: p asked for, q realised.
fn between(p: &[f64], q: &[f64]) -> Divergence {
    let pairs = || p.iter().zip(q);
    let kl = pairs().filter(|(_, q)| **q > 0.0);
    Divergence {
        tv: Some(0.5 * pairs().map(|(p, q)| (p - q).abs()).sum::<f64>()),
        kl: kl.map(|(p, q)| q * (q / p).ln()).sum(),
    }
}

impl Programmed {
    /// Exact distances of the realised from the requested law; `None` where neither enumeration nor a closed form reaches.
    pub fn divergence(&self) -> Option<Divergence> {
        match self.model() {
            Model::Ising(asked) => self.spins(asked),
            Model::Quadratic(asked) => self.gaussian(asked),
            Model::Factors(asked) if self.auxiliaries() > 0 => self.products(asked),
            _ => None,
        }
    }

    /// P of the first `visible` spins (of at most 20) under the law that the array settles in, the others summed over; in the
    /// order of [`exact::probabilities`]. `None` where that law is out of reach.
    pub fn visible_law(&self, visible: usize) -> Option<Vec<f64>> {
        let discrete = self.model().discrete()?;
        if discrete.dim() > exact::MAX_SPINS || visible > discrete.dim() {
            return None;
        }
        let mut law = vec![0.0; 1 << visible];
        for (state, p) in self.settled_law()?.into_iter().enumerate() {
            law[state % (1 << visible)] += p;
        }
        Some(law)
    }

    fn spins(&self, asked: &Ising) -> Option<Divergence> {
        if asked.fields.len() > exact::MAX_SPINS {
            return None;
        }
        let (p, q) = (exact::probabilities(asked).ok()?, self.settled_law()?);
        Some(between(&p, &q))
    }

    /// Spins in products, of which a chip holds pairs.
    fn products(&self, asked: &FactorGraph) -> Option<Divergence> {
        // States are numbered alike: bit i is set where s_i = +1.
        let p = enumerate_factors(asked, &[]).ok()?.probabilities;
        Some(between(&p, &self.settled_law()?))
    }

    fn gaussian(&self, asked: &Quadratic) -> Option<Divergence> {
        let process = self.process();
        let n = asked.linear().len();
        if process.nodes != n || process.levels.is_some() {
            return None;
        }
        let (mean, sigma) = linear::stationary(process).ok()?;
        let p = asked.precision();
        let off = mean - exact::gaussian(asked).mean;
        let product = p * &sigma;
        let determinant = product.determinant();
        let shift = off.dot(&(p * &off));
        Some(Divergence {
            tv: None,
            kl: 0.5 * (product.trace() - n as f64 - determinant.ln() + shift),
        })
    }
}
