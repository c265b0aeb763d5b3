//! Errors of growing numbers of draws: the first 1, 2, 4, … of one chain, then all of 2, 4, … chains, as one device that goes on
//! would have them; each the mean over disjoint groups of chains.

use crate::diagnostics::total_variation;

/// One chain's draws, reduced to what errors are made of.
pub(super) enum Draws<'a> {
    /// `states[chain * draws + draw]` and the law.
    States(&'a [u32], &'a [f64]),
    /// `values[(chain * draws + draw) * width + k]`: deviations from the exact mean, in units in which their variance is one or so.
    Deviations(&'a [f64], usize),
}

/// An error of a number of draws.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rung {
    pub draws: usize,
    pub error: f64,
}

/// The ladder of some chains, what does not change from one choice of chains to another being kept.
pub(super) struct Ladder<'a> {
    source: Draws<'a>,
    chains: usize,
    draws: usize,
    /// 1, 2, 4, …, all.
    prefixes: Vec<usize>,
    /// `errors[chain * prefixes + k]`; squared for deviations.
    errors: Vec<f64>,
    /// Σ over each chain's draws, `width` each; empty for states.
    sums: Vec<f64>,
}

/// Powers of two below `most`, and `most`.
fn doublings(most: usize) -> Vec<usize> {
    let mut list = Vec::new();
    let mut k = 1;
    while k < most {
        list.push(k);
        k *= 2;
    }
    list.push(most);
    list
}

fn mean_square(sums: &[f64], count: usize) -> f64 {
    let squares: f64 = sums.iter().map(|s| (s / count as f64).powi(2)).sum();
    squares / sums.len().max(1) as f64
}

impl<'a> Ladder<'a> {
    pub(super) fn new(source: Draws<'a>, chains: usize, draws: usize) -> Self {
        let prefixes = doublings(draws);
        let mut ladder = Ladder {
            source,
            chains,
            draws,
            errors: Vec::with_capacity(chains * prefixes.len()),
            sums: Vec::new(),
            prefixes,
        };
        let mut errors = Vec::new();
        let mut sums = Vec::new();
        match &ladder.source {
            Draws::States(states, p) => {
                let mut counts = vec![0u32; p.len()];
                for chain in states.chunks(draws) {
                    for &m in &ladder.prefixes {
                        errors.push(distance(&[&chain[..m]], p, &mut counts));
                    }
                }
            }
            Draws::Deviations(values, width) => {
                for chain in values.chunks(draws * width) {
                    let mut sum = vec![0.0; *width];
                    let mut taken = 0;
                    for &m in &ladder.prefixes {
                        for row in chain[taken * width..m * width].chunks(*width) {
                            sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
                        }
                        taken = m;
                        errors.push(mean_square(&sum, m));
                    }
                    sums.extend(sum);
                }
            }
        }
        (ladder.errors, ladder.sums) = (errors, sums);
        ladder
    }

    /// The rungs of the chains for which `kept`.
    pub(super) fn rungs(&self, kept: impl Fn(usize) -> bool) -> Vec<Rung> {
        let chosen: Vec<usize> = (0..self.chains).filter(|&c| kept(c)).collect();
        let squared = matches!(self.source, Draws::Deviations(..));
        let settle = |sum: f64, groups: usize| {
            let mean = sum / groups as f64;
            if squared { mean.sqrt() } else { mean }
        };
        let width = self.prefixes.len();
        let mut rungs = Vec::new();
        for (k, &draws) in self.prefixes.iter().enumerate() {
            let sum = chosen.iter().map(|c| self.errors[c * width + k]).sum();
            let error = settle(sum, chosen.len());
            rungs.push(Rung { draws, error });
        }
        for group in doublings(chosen.len()).into_iter().filter(|g| *g > 1) {
            let groups: Vec<&[usize]> = chosen.chunks_exact(group).collect();
            let error = settle(self.errors_of(&groups), groups.len());
            rungs.push(Rung {
                draws: group * self.draws,
                error,
            });
        }
        rungs
    }

    /// Σ over groups of the error (or its square) of all draws of a group.
    fn errors_of(&self, groups: &[&[usize]]) -> f64 {
        match &self.source {
            Draws::States(states, p) => {
                let mut counts = vec![0u32; p.len()];
                let of = |group: &&[usize]| {
                    let parts: Vec<&[u32]> = group
                        .iter()
                        .map(|c| &states[c * self.draws..][..self.draws])
                        .collect();
                    distance(&parts, p, &mut counts)
                };
                groups.iter().map(of).sum()
            }
            Draws::Deviations(_, width) => {
                let of = |group: &&[usize]| {
                    let mut sum = vec![0.0; *width];
                    for c in *group {
                        let own = &self.sums[c * width..][..*width];
                        sum.iter_mut().zip(own).for_each(|(s, v)| *s += v);
                    }
                    mean_square(&sum, group.len() * self.draws)
                };
                groups.iter().map(of).sum()
            }
        }
    }
}

/// Total variation between the law and the frequencies of some draws; `counts` is zero before and after. States that were not
/// drawn are not looked at: ½ Σ |q − p| = ½ Σ_drawn (|q − p| − p) + ½.
fn distance(parts: &[&[u32]], p: &[f64], counts: &mut [u32]) -> f64 {
    let total: usize = parts.iter().map(|part| part.len()).sum();
    for &state in parts.iter().flat_map(|part| *part) {
        counts[state as usize] += 1;
    }
    if 4 * total > p.len() {
        let q: Vec<f64> = counts
            .iter()
            .map(|&c| f64::from(c) / total as f64)
            .collect();
        counts.fill(0);
        return total_variation(p, &q);
    }
    let mut sum = 1.0;
    for &state in parts.iter().flat_map(|part| *part) {
        let count = std::mem::take(&mut counts[state as usize]);
        if count > 0 {
            let p = p[state as usize];
            sum += (f64::from(count) / total as f64 - p).abs() - p;
        }
    }
    0.5 * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups of the ladder against sums written out; both ways of counting agree.
    #[test]
    fn rungs_are_means_over_groups() {
        let p = [0.5, 0.25, 0.125, 0.125];
        let states = [0u32, 1, 2, 0, 3, 3, 0, 0, 1, 1, 0, 2];
        let ladder = Ladder::new(Draws::States(&states, &p), 4, 3);
        let rungs = ladder.rungs(|_| true);
        let draws: Vec<usize> = rungs.iter().map(|r| r.draws).collect();
        assert_eq!(draws, [1, 2, 3, 6, 12]);
        let tv = |part: &[u32]| {
            let share =
                |s: u32| part.iter().filter(|v| **v == s).count() as f64 / part.len() as f64;
            0.5 * (0..4)
                .map(|s| (share(s) - p[s as usize]).abs())
                .sum::<f64>()
        };
        assert!((rungs[3].error - 0.5 * (tv(&states[..6]) + tv(&states[6..]))).abs() < 1e-15);
        assert!((rungs[4].error - tv(&states)).abs() < 1e-15);
        let mut long = p.to_vec();
        long.extend([0.0; 60]);
        let sparse = Ladder::new(Draws::States(&states, &long), 4, 3).rungs(|_| true);
        for (a, b) in rungs.iter().zip(&sparse) {
            assert!((a.error - b.error).abs() < 1e-15);
        }
        assert_eq!(ladder.rungs(|c| c != 1).last().unwrap().draws, 9);
    }
}
