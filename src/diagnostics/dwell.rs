//! Dwell times of a two-level trace and whether they are memoryless.
//!
//! A two-state Markov process read every Δt stays on a level for a geometric number of draws, P(k) = (1 − q)^{k−1} q; for
//! q → 0 this is the exponential law of rate q/Δt. The first dwell of a chain (begun before it was watched) and the last (not
//! ended) are censored: both count as time in the maximum-likelihood q̂ = ends/draws, neither is a complete dwell.

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

/// One level's dwells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dwells {
    /// Mean dwell in draws, 1/q̂.
    pub mean: f64,
    /// Its standard error (delta method).
    pub mean_se: f64,
    /// Complete dwells seen.
    pub complete: usize,
    /// Probability of an Anderson–Darling distance at least this large from the fitted geometric law, by simulating traces of
    /// the fitted chain with the same length, censoring and fit; `None` with fewer than a few complete dwells.
    pub p_value: Option<f64>,
}

/// Complete dwells from which the law is judged.
pub const FEWEST: usize = 20;

/// Whether each draw is on the upper level: beyond `low..high` it is clear, in between the last level stays (hysteresis).
/// Before the first clear draw of a chain, the nearer one. `low = high` is a plain threshold.
pub fn two_levels(x: &[f64], draws: usize, low: f64, high: f64) -> Vec<bool> {
    let mut levels = Vec::with_capacity(x.len());
    for chain in x.chunks(draws.max(1)) {
        let mut up = chain.first().is_some_and(|v| *v > 0.5 * (low + high));
        levels.extend(chain.iter().map(|&v| {
            if v > high {
                up = true;
            } else if v < low {
                up = false;
            }
            up
        }));
    }
    levels
}

/// What a trace shows of the levels [lower, upper].
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Complete dwells in draws.
    complete: [Vec<u32>; 2],
    /// Draws from which a step to the next draw was seen.
    draws: [u64; 2],
    /// Steps off the level.
    ends: [u64; 2],
}

impl Seen {
    fn of(levels: impl Iterator<Item = bool>, draws: usize) -> Self {
        let mut seen = Seen::default();
        let (mut last, mut length, mut whole) = (false, 0u32, false);
        for (k, level) in levels.enumerate() {
            if k % draws == 0 {
                (last, length, whole) = (level, 1, false);
                continue;
            }
            let on = usize::from(last);
            seen.draws[on] += 1;
            if level == last {
                length += 1;
            } else {
                seen.ends[on] += 1;
                if whole {
                    seen.complete[on].push(length);
                }
                (last, length, whole) = (level, 1, true);
            }
        }
        seen
    }

    fn rate(&self, on: usize) -> f64 {
        self.ends[on] as f64 / (self.draws[on] as f64).max(1.0)
    }
}

/// Anderson–Darling's distance of counts from the geometric law of rate `q` on the integers (Choulakian, Lockhart and
/// Stephens' discrete form): Σ_k (F_n − F)²/(F(1 − F)) p_k, times n.
fn distance(dwells: &mut [u32], q: f64) -> f64 {
    dwells.sort_unstable();
    let n = dwells.len() as f64;
    let Some(&longest) = dwells.last() else {
        return 0.0;
    };
    let (mut sum, mut seen, mut survival) = (0.0, 0usize, 1.0);
    for k in 1..=longest {
        let p = survival * q;
        survival *= 1.0 - q;
        while seen < dwells.len() && dwells[seen] <= k {
            seen += 1;
        }
        if survival <= 0.0 {
            break;
        }
        let gap = seen as f64 / n - (1.0 - survival);
        sum += p * gap * gap / (survival * (1.0 - survival)).max(1e-300);
    }
    // Beyond the longest, F_n = 1 and the terms (1 − F) p/F are summed in closed form but for 1/F ≈ 1.
    n * (sum + survival * survival * (1.0 - q) / (2.0 - q))
}

/// Dwells on the lower and the upper level of `levels[chain * draws + draw]`; p-values from `replicates` simulated traces
/// (their least value is 1/(replicates + 1)). `None` unless both levels are left.
pub fn dwells(levels: &[bool], draws: usize, replicates: usize, seed: u64) -> [Option<Dwells>; 2] {
    if draws < 2 {
        return [None, None];
    }
    let mut seen = Seen::of(levels.iter().copied(), draws);
    let q = [seen.rate(0), seen.rate(1)];
    if seen.ends.contains(&0) {
        return [None, None];
    }
    let own = [0, 1].map(|on| distance(&mut seen.complete[on], q[on]));
    let mut rng = Pcg64::seed_from_u64(seed);
    let judged = [0, 1].map(|on| seen.complete[on].len() >= FEWEST);
    let mut beyond = [0usize; 2];
    if judged.contains(&true) {
        for _ in 0..replicates {
            let mut other = Seen::of(simulate(&mut rng, levels, draws, q), draws);
            for on in 0..2 {
                let rate = other.rate(on);
                if distance(&mut other.complete[on], rate) >= own[on] {
                    beyond[on] += 1;
                }
            }
        }
    }
    [0, 1].map(|on| {
        let mean = 1.0 / q[on];
        Some(Dwells {
            mean,
            mean_se: mean * ((1.0 - q[on]) / seen.ends[on] as f64).sqrt(),
            complete: seen.complete[on].len(),
            p_value: (judged[on] && replicates > 0)
                .then(|| (beyond[on] + 1) as f64 / (replicates + 1) as f64),
        })
    })
}

/// The fitted chain, each of its traces from the level where the observed one began.
fn simulate<'a, R: Rng>(
    rng: &'a mut R,
    levels: &'a [bool],
    draws: usize,
    q: [f64; 2],
) -> impl Iterator<Item = bool> + use<'a, R> {
    let mut level = false;
    levels.iter().enumerate().map(move |(k, &observed)| {
        if k % draws == 0 {
            level = observed;
        } else if rng.random::<f64>() < q[usize::from(level)] {
            level = !level;
        }
        level
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_and_censored_dwells_by_hand() {
        // Chains 1 1 0 0 0 1 0 | 0 1 1 1 0 0 1: complete lower 3 and 2, upper 1 and 3.
        let bits = [1, 1, 0, 0, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1];
        let seen = Seen::of(bits.iter().map(|b| *b == 1), 7);
        assert_eq!(seen.complete, [vec![3, 2], vec![1, 3]]);
        assert_eq!((seen.draws, seen.ends), ([6, 6], [3, 3]));
    }

    #[test]
    fn hysteresis_ignores_grazes() {
        let x = [-1.0, 0.1, -0.3, 0.9, 0.2, -0.1, -0.9, 0.4];
        let levels = two_levels(&x, 8, -0.5, 0.5);
        let up = [false, false, false, true, true, true, false, false];
        assert_eq!(levels, up);
    }

    /// The distance of counts in exact proportion to the law is zero but for what is beyond the longest.
    #[test]
    fn distance_is_zero_for_the_law_itself() {
        let mut counts: Vec<u32> = (1..=12u32)
            .flat_map(|k| std::iter::repeat_n(k, 1usize << (12 - k)))
            .collect();
        assert!(distance(&mut counts, 0.5) < 1e-2);
        assert!(distance(&mut counts, 0.4) > 10.0);
    }
}
