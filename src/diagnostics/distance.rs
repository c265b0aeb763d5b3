//! Distances between laws on finitely many states.

/// ½ Σ |p − q|.
pub fn total_variation(p: &[f64], q: &[f64]) -> f64 {
    0.5 * p.iter().zip(q).map(|(p, q)| (p - q).abs()).sum::<f64>()
}

/// Σ p ln(p/q); infinite when q misses a state of p.
pub fn kl_divergence(p: &[f64], q: &[f64]) -> f64 {
    p.iter()
        .zip(q)
        .filter(|(p, _)| **p > 0.0)
        .map(|(p, q)| p * (p / q).ln())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_of_two_coins() {
        let (p, q) = ([0.5, 0.5], [0.25, 0.75]);
        assert_eq!(total_variation(&p, &q), 0.25);
        assert!((kl_divergence(&p, &q) - 0.5 * (4.0f64 / 3.0).ln()).abs() < 1e-15);
        assert_eq!(kl_divergence(&p, &[1.0, 0.0]), f64::INFINITY);
    }
}
