//! Draws of a discrete variable against its exact law: total variation and Kullback–Leibler divergence, each beside what
//! sampling alone gives.
//!
//! For n independent draws E TV = ½ Σ_s E|K_s/n − p_s| with K_s binomial, in closed form by de Moivre's mean absolute
//! deviation E|K − np| = 2m C(n,m) p^m (1−p)^{n−m+1}, m = ⌊np⌋ + 1; E KL = Σ_s E (K_s/n) ln(K_s/np_s). n is the effective number.

use super::distance::{kl_divergence, total_variation};
use super::effective_size::effective_sample_size;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};
use statrs::function::factorial::ln_binomial;

/// A discrete sample beside its law.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LawComparison {
    /// ½ Σ |q − p|.
    pub tv: f64,
    /// Its expectation for `effective` independent draws from p.
    pub tv_floor: f64,
    /// Σ q ln(q/p), in nats.
    pub kl: f64,
    /// Its expectation for `effective` independent draws from p.
    pub kl_floor: f64,
    /// Effective number of draws: those of the most frequent states' indicators, weighted by their variances.
    pub effective: f64,
    /// Probability of a TV at least this large from `effective` independent draws of p, by simulation.
    pub p_value: f64,
}

/// States whose correlation is measured.
const STATES: usize = 32;

/// Frequencies of `states`, each below `count`; `None` when one is not, or there are none.
pub fn frequencies(states: &[usize], count: usize) -> Option<Vec<f64>> {
    let mut counts = vec![0.0; count];
    for &s in states {
        *counts.get_mut(s)? += 1.0;
    }
    let n = states.len() as f64;
    (n > 0.0).then(|| counts.into_iter().map(|c| c / n).collect())
}

/// Effective number of draws of `states[chain * draws + draw]`.
pub fn effective_draws(states: &[usize], chains: usize, draws: usize, count: usize) -> Option<f64> {
    let q = frequencies(states, count)?;
    let mut order: Vec<usize> = (0..count).filter(|s| q[*s] > 0.0 && q[*s] < 1.0).collect();
    order.sort_by(|a, b| q[*b].total_cmp(&q[*a]));
    let (mut weight, mut over) = (0.0, 0.0);
    for &s in order.iter().take(STATES) {
        let indicator: Vec<f64> = states
            .iter()
            .map(|v| f64::from(u8::from(*v == s)))
            .collect();
        let size = effective_sample_size(&indicator, chains, draws);
        if size.is_finite() {
            weight += q[s] * (1.0 - q[s]);
            over += q[s] * (1.0 - q[s]) / size;
        }
    }
    (over > 0.0).then(|| weight / over)
}

/// Compares `states[chain * draws + draw]` with the law `p` (which need not be normalised). `None` for a state that p does not
/// list, or fewer than four draws per chain.
pub fn compare_law(
    states: &[usize],
    chains: usize,
    draws: usize,
    p: &[f64],
    replicates: usize,
    seed: u64,
) -> Option<LawComparison> {
    let total: f64 = p.iter().sum();
    let p: Vec<f64> = p.iter().map(|v| v / total).collect();
    let q = frequencies(states, p.len())?;
    let effective = effective_draws(states, chains, draws, p.len())?;
    let n = (effective.round() as u64).max(1);
    let tv = total_variation(&p, &q);
    let mut cumulative: Vec<f64> = p
        .iter()
        .scan(0.0, |sum, p| {
            *sum += p;
            Some(*sum)
        })
        .collect();
    if let Some(last) = cumulative.last_mut() {
        *last = 1.0;
    }
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut counts = vec![0.0; p.len()];
    let beyond = (0..replicates)
        .filter(|_| {
            counts.fill(0.0);
            for _ in 0..n {
                let u: f64 = rng.random();
                counts[cumulative.partition_point(|c| *c <= u)] += 1.0 / n as f64;
            }
            total_variation(&p, &counts) >= tv * (1.0 - 1e-12)
        })
        .count();
    Some(LawComparison {
        tv,
        tv_floor: expected_total_variation(&p, n),
        kl: kl_divergence(&q, &p),
        kl_floor: expected_kl_divergence(&p, n),
        effective,
        p_value: (beyond + 1) as f64 / (replicates + 1) as f64,
    })
}

/// Expected total variation between `p` and the frequencies of `n` independent draws from it, exactly.
pub fn expected_total_variation(p: &[f64], n: u64) -> f64 {
    let deviation = |p: f64| {
        if p <= 0.0 || p >= 1.0 {
            return 0.0;
        }
        let m = (n as f64 * p).floor() as u64 + 1;
        if m > n {
            // np is n up to rounding.
            return 0.0;
        }
        let log = ln_binomial(n, m) + m as f64 * p.ln() + (n - m + 1) as f64 * (-p).ln_1p();
        2.0 * m as f64 * log.exp() / n as f64
    };
    0.5 * p.iter().map(|p| deviation(*p)).sum::<f64>()
}

/// Expected Σ q ln(q/p) of the frequencies q of `n` independent draws from `p`, in nats; about (states − 1)/2n.
pub fn expected_kl_divergence(p: &[f64], n: u64) -> f64 {
    let of = |p: f64| {
        if p <= 0.0 || p >= 1.0 {
            return 0.0;
        }
        let centre = n as f64 * p;
        // Beyond this the binomial law holds less than 1e-15.
        let width = 9.0 * (centre * (1.0 - p)).sqrt() + 60.0;
        let low = ((centre - width).max(1.0)) as u64;
        let high = ((centre + width) as u64).min(n);
        (low..=high)
            .map(|k| {
                let log = ln_binomial(n, k) + k as f64 * p.ln() + (n - k) as f64 * (-p).ln_1p();
                log.exp() * k as f64 / n as f64 * (k as f64 / centre).ln()
            })
            .sum::<f64>()
    };
    p.iter().map(|p| of(*p)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the sum over all outcomes of three draws from three states.
    #[test]
    fn expectations_by_enumeration() {
        let p = [0.5, 0.3, 0.2];
        let (mut tv, mut kl) = (0.0, 0.0);
        for a in 0..3 {
            for b in 0..3 {
                for c in 0..3 {
                    let q = frequencies(&[a, b, c], 3).unwrap();
                    let weight = p[a] * p[b] * p[c];
                    tv += weight * total_variation(&p, &q);
                    kl += weight * kl_divergence(&q, &p);
                }
            }
        }
        assert!((expected_total_variation(&p, 3) - tv).abs() < 1e-14);
        assert!((expected_kl_divergence(&p, 3) - kl).abs() < 1e-14);
    }

    #[test]
    fn large_numbers_have_their_asymptotes() {
        let p = [0.5, 0.3, 0.2];
        let exact = expected_total_variation(&p, 1_000_000);
        // ½ Σ √(2p(1 − p)/πn).
        let one = |p: &f64| (2.0 * p * (1.0 - p) / (std::f64::consts::PI * 1e6)).sqrt();
        let normal = 0.5 * p.iter().map(one).sum::<f64>();
        assert!((exact / normal - 1.0).abs() < 1e-5, "{exact} {normal}");
        let kl = expected_kl_divergence(&p, 100_000);
        assert!((kl * 1e5 - 1.0).abs() < 1e-3, "{kl}");
        assert_eq!(expected_total_variation(&[1.0, 0.0], 10), 0.0);
    }
}
