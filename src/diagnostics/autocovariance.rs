//! Autocovariance averaged over chains, C(l) = (1/M) Σ_c (1/n) Σ_{t<n−l} (x_c,t − m_c)(x_c,t+l − m_c), by Fourier transform.

use super::fourier::Fourier;

/// C(0..n) of equally long series about the given centres.
///
/// Two series ride in one complex transform, z = a + ib: the real part of z's autocovariance is the sum of theirs.
pub(super) fn autocovariance(series: &[&[f64]], centres: &[f64]) -> Vec<f64> {
    let n = series.first().map_or(0, |s| s.len());
    if n == 0 {
        return Vec::new();
    }
    let length = (2 * n).next_power_of_two();
    let transform = Fourier::new(length);
    let mut power = vec![0.0; length];
    let (mut re, mut im) = (vec![0.0; length], vec![0.0; length]);
    for (pair, centre) in series.chunks(2).zip(centres.chunks(2)) {
        re.fill(0.0);
        im.fill(0.0);
        for (target, (series, centre)) in
            [&mut re, &mut im].into_iter().zip(pair.iter().zip(centre))
        {
            for (target, x) in target.iter_mut().zip(*series) {
                *target = x - centre;
            }
        }
        transform.forward(&mut re, &mut im);
        for ((p, a), b) in power.iter_mut().zip(&re).zip(&im) {
            *p += a * a + b * b;
        }
    }
    im.fill(0.0);
    transform.forward(&mut power, &mut im);
    power.truncate(n);
    let scale = 1.0 / (length as f64 * n as f64 * series.len() as f64);
    for p in &mut power {
        *p *= scale;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_series_give_the_mean_of_their_direct_sums() {
        let series: Vec<Vec<f64>> = (0..3)
            .map(|c| (0..37).map(|t| ((t * t + 5 * c) as f64).sin()).collect())
            .collect();
        let views: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
        let centres = [0.1, -0.2, 0.3];
        let found = autocovariance(&views, &centres);
        for (lag, found) in found.iter().enumerate() {
            let direct: f64 = series
                .iter()
                .zip(centres)
                .map(|(s, m)| {
                    let pairs = s[..37 - lag].iter().zip(&s[lag..]);
                    pairs.map(|(a, b)| (a - m) * (b - m)).sum::<f64>() / 37.0
                })
                .sum::<f64>()
                / 3.0;
            assert!((found - direct).abs() < 1e-13, "{lag}: {found} {direct}");
        }
    }
}
