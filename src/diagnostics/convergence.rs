//! Effective sample size and split R-hat of one scalar over chains (Vehtari et al., arXiv 1903.08008; the plain "mean"
//! kind, not rank-normalised), equal to ArviZ's `ess(method="mean")` and `rhat(method="split")`.

/// Splits every chain into halves, dropping a middle draw of an odd length.
fn split(x: &[f64], chains: usize, draws: usize) -> Vec<&[f64]> {
    let half = draws / 2;
    x.chunks(draws)
        .take(chains)
        .flat_map(|chain| [&chain[..half], &chain[draws - half..]])
        .collect()
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn variance(x: &[f64]) -> f64 {
    let m = mean(x);
    x.iter().map(|v| (v - m).powi(2)).sum::<f64>() / (x.len() as f64 - 1.0)
}

/// (within, var⁺) of split chains.
fn variances(halves: &[&[f64]]) -> (f64, f64) {
    let n = halves[0].len() as f64;
    let within = mean(&halves.iter().map(|h| variance(h)).collect::<Vec<_>>());
    let means: Vec<f64> = halves.iter().map(|h| mean(h)).collect();
    (within, within * (n - 1.0) / n + variance(&means))
}

/// Split R-hat of `x[chain * draws + draw]`; NaN with fewer than four draws per chain.
pub fn split_rhat(x: &[f64], chains: usize, draws: usize) -> f64 {
    if draws < 4 {
        return f64::NAN;
    }
    let (within, total) = variances(&split(x, chains, draws));
    (total / within).sqrt()
}

/// Effective sample size of the mean of `x[chain * draws + draw]`, by Geyer's initial monotone sequence over split chains;
/// NaN with fewer than four draws per chain, the number of draws when all are equal.
pub fn effective_sample_size(x: &[f64], chains: usize, draws: usize) -> f64 {
    if draws < 4 {
        return f64::NAN;
    }
    let halves = split(x, chains, draws);
    let n = halves[0].len();
    let (within, total) = variances(&halves);
    let count = (halves.len() * n) as f64;
    if total <= 0.0 {
        return count;
    }
    let means: Vec<f64> = halves.iter().map(|h| mean(h)).collect();
    let correlation = |lag: usize| {
        let autocovariance = halves
            .iter()
            .zip(&means)
            .map(|(h, m)| {
                (0..n - lag)
                    .map(|t| (h[t] - m) * (h[t + lag] - m))
                    .sum::<f64>()
                    / n as f64
            })
            .sum::<f64>()
            / halves.len() as f64;
        // ArviZ's ρ_t = 1 − (W − n/(n−1)·γ_t)/var⁺.
        1.0 - (within - autocovariance * n as f64 / (n as f64 - 1.0)) / total
    };
    let mut rho = vec![1.0, correlation(1)];
    let mut t = 1;
    while t + 2 < n && rho[t - 1] + rho[t] > 0.0 {
        let (even, odd) = (correlation(t + 1), correlation(t + 2));
        rho.push(even);
        rho.push(odd);
        t += 2;
    }
    // Pairs while positive, made monotone; then ArviZ's closing half term.
    let mut pairs: Vec<f64> = rho
        .chunks(2)
        .filter(|p| p.len() == 2)
        .map(|p| p[0] + p[1])
        .collect();
    let kept = pairs.iter().position(|p| *p < 0.0).unwrap_or(pairs.len());
    let closing = pairs
        .get(kept)
        .and(rho.get(2 * kept))
        .copied()
        .unwrap_or(0.0)
        .max(0.0);
    pairs.truncate(kept);
    for k in 1..pairs.len() {
        pairs[k] = pairs[k].min(pairs[k - 1]);
    }
    let tau = (-1.0 + 2.0 * pairs.iter().sum::<f64>() + closing).max(1.0 / count.log10());
    count / tau
}
