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
                let pairs = h[..n - lag].iter().zip(&h[lag..]);
                pairs.map(|(a, b)| (a - m) * (b - m)).sum::<f64>() / n as f64
            })
            .sum::<f64>()
            / halves.len() as f64;
        1.0 - (within - autocovariance) / total
    };
    // Pairs (ρ_2k, ρ_2k+1) while their sum is positive.
    let mut rho = vec![1.0, correlation(1)];
    let (mut even, mut odd) = (rho[0], rho[1]);
    let mut t = 1;
    while t + 3 < n && even + odd > 0.0 {
        (even, odd) = (correlation(t + 1), correlation(t + 2));
        rho.extend(if even + odd >= 0.0 {
            [even, odd]
        } else {
            [0.0; 2]
        });
        t += 2;
    }
    if t == 1 {
        // No pair could be added: ArviZ's smallest autocorrelation time.
        return count * count.log10();
    }
    // The sum runs over 0..=last; the first term beyond it counts half, if positive.
    let last = t - 2;
    if even > 0.0 {
        rho[last + 1] = even;
    }
    // Pairs must not grow again.
    let mut t = 1;
    while t + 2 <= last {
        let before = rho[t - 1] + rho[t];
        if rho[t + 1] + rho[t + 2] > before {
            rho[t + 1] = 0.5 * before;
            rho[t + 2] = 0.5 * before;
        }
        t += 2;
    }
    let tau = -1.0 + 2.0 * rho[..=last].iter().sum::<f64>() + rho[last + 1];
    count / tau.max(1.0 / count.log10())
}
