//! Accuracy against device time, joules and wall time: each sampler's errors along a ladder of draws, its bias floor, and what
//! given errors cost, with the errors of a jackknife over groups of chains.
//!
//! (A bootstrap would draw chains twice, which raises the very scatter that the floor is told from.) Device time is that of
//! one die that takes all draws one after another, with one burn-in; joules and wall time are shares of the run's.

mod floor;
mod ladder;

use super::measure::features;
use super::reference::{Reference, state_index};
use super::sample::Outcome;
use crate::energy::Model;
use crate::record::{AccuracyPoint, AccuracyRecord, Metric, PathAccuracy, Reached};
use crate::sampler::Cost;
use crate::units::format_si;
use floor::{Curve, Scatter};
use ladder::{Draws, Ladder, Rung};
use rayon::prelude::*;

/// Groups of chains, one of which is left out at a time.
const GROUPS: usize = 20;
/// Draws that are looked at, the first of every chain, at most.
const MOST_DRAWS: usize = 1 << 21;
/// Nodes up to which all covariances count, and not the variances alone.
const FULL: usize = 24;
/// Standard errors below which a floor counts as not seen.
const SEEN: f64 = 3.0;
/// How much worse a path must be than another to have fallen behind it.
const BEHIND: f64 = 1.1;
/// Points of time at which two paths are compared.
const TIMES: usize = 400;
/// Sentences about pairs of paths, at most.
const MOST_CROSSOVERS: usize = 12;

/// What a draw costs.
#[derive(Clone, Copy, Debug)]
struct Price {
    /// Before the first draw, and of each: seconds of one die.
    device: Option<(f64, f64)>,
    joules: Option<f64>,
    wall: f64,
}

/// A path of the comparison: its curve, with and without each group of chains.
#[derive(Debug)]
pub(super) struct Path {
    name: String,
    rungs: Vec<Rung>,
    relative: Vec<f64>,
    curve: Curve,
    without: Vec<Curve>,
    scatter: Scatter,
    price: Price,
    longest: f64,
    metric: &'static str,
}

/// √((J − 1)/J Σ (θ_j − θ̄)²).
fn jackknife(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let sum: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    ((n - 1.0) / n * sum).sqrt()
}

fn stated_joules(cost: &Cost) -> Option<f64> {
    cost.sample?;
    let all = [cost.write, cost.sample, cost.read, cost.host, cost.standby];
    Some(all.into_iter().flatten().sum())
}

/// (f − ⟨f⟩) over exact deviations for f = x_i and f = (x_i − μ_i)(x_j − μ_j), row after row, and how many there are.
fn deviations(values: &[f64], reference: &Reference) -> (Vec<f64>, usize) {
    let (mean, covariance) = (&reference.moments.mean, &reference.moments.covariance);
    let n = mean.len();
    let sd: Vec<f64> = (0..n).map(|i| covariance[i * n + i].sqrt()).collect();
    let last = |i: usize| if n <= FULL { n } else { i + 1 };
    let pairs: Vec<(usize, usize)> = (0..n)
        .flat_map(|i| (i..last(i)).map(move |j| (i, j)))
        .filter(|&(i, j)| sd[i] * sd[j] > 0.0)
        .collect();
    let width = n + pairs.len();
    let mut out = Vec::with_capacity(values.len() / n.max(1) * width);
    for row in values.chunks(n) {
        let z = |i: usize| {
            if sd[i] > 0.0 {
                (row[i] - mean[i]) / sd[i]
            } else {
                0.0
            }
        };
        out.extend((0..n).map(z));
        let product =
            |&(i, j): &(usize, usize)| z(i) * z(j) - covariance[i * n + j] / sd[i] / sd[j];
        out.extend(pairs.iter().map(product));
    }
    (out, width)
}

impl Path {
    /// The path of a run held against an exact law; `None` with too few chains or draws for an error bar.
    pub(super) fn new(model: &Model, outcome: &Outcome, reference: &Reference) -> Option<Self> {
        let s = &outcome.run.samples;
        let (chains, draws) = (s.chains, s.draws.min(MOST_DRAWS / s.chains.max(1)));
        if chains < 2 * GROUPS || draws < 4 || reference.name != "exact" {
            return None;
        }
        let free = &outcome.measured.free;
        let kept = (0..chains).flat_map(|c| (0..draws).map(move |d| c * s.draws + d));
        let rows = kept.map(|k| &s.x[k * s.nodes..][..s.nodes]);
        let (states, values, width);
        let (ladder, metric) = match &reference.probabilities {
            Some(p) => {
                states = rows
                    .map(|x| state_index(model, x, free) as u32)
                    .collect::<Vec<u32>>();
                (Ladder::new(Draws::States(&states, p), chains, draws), "tv")
            }
            None => {
                let mut used = s.clone();
                used.x = rows.flatten().copied().collect();
                used.draws = draws;
                (values, width) = deviations(&features(model, &used, free).0, reference);
                let source = Draws::Deviations(&values, width);
                (Ladder::new(source, chains, draws), "moment_rms")
            }
        };
        let rungs = ladder.rungs(|_| true);
        let left_out: Vec<Vec<Rung>> = (0..GROUPS)
            .into_par_iter()
            .map(|j| ladder.rungs(|c| c % GROUPS != j))
            .collect();
        // The last rung without a group has fewer draws; in ln(error) it stands for the whole one's.
        let relative: Vec<f64> = (0..rungs.len())
            .map(|k| {
                let logs = left_out.iter().filter_map(|r| r.get(k));
                let logs: Vec<f64> = logs.map(|r| r.error.max(1e-300).ln()).collect();
                jackknife(&logs)
            })
            .collect();
        let scatter = match &reference.probabilities {
            Some(p) => Scatter::of_law(p),
            None => Scatter::Moments(rungs[0].error.powi(2)),
        };
        let curve = Curve::fitted(&rungs, &relative, &scatter);
        let without = left_out
            .par_iter()
            .map(|rungs| Curve::fitted(rungs, &relative, &scatter))
            .collect();
        let all = (chains * s.draws) as f64;
        let chip = outcome.record.kind == "analog";
        let device = chip.then(|| {
            let period = (s.t[s.draws - 1] - s.t[0]) / (s.draws - 1) as f64;
            (s.t[0] - period, period)
        });
        Some(Path {
            name: outcome.record.name.clone(),
            price: Price {
                device,
                joules: stated_joules(&outcome.run.cost).map(|j| j / all),
                wall: outcome.sampling_seconds / all,
            },
            longest: rungs.last().map_or(1.0, |r| r.draws as f64),
            rungs,
            relative,
            curve,
            without,
            scatter,
            metric,
        })
    }

    fn of_curves(&self, f: impl Fn(&Curve) -> f64) -> Metric {
        let values: Vec<f64> = self.without.iter().map(&f).collect();
        Metric {
            value: f(&self.curve),
            se: Some(jackknife(&values)),
        }
    }

    /// The bias floor. Its error is at least a third of what could be told from nothing.
    fn floor(&self) -> Metric {
        let own = self.of_curves(|c| c.bias);
        let relative = self.relative.last().copied().unwrap_or(0.0);
        let least = self.curve.detectable(self.longest, relative, &self.scatter) / SEEN;
        Metric {
            se: own.se.map(|se| se.max(least)),
            ..own
        }
    }

    fn seen(&self, floor: &Metric) -> bool {
        floor.value > SEEN * floor.se.unwrap_or(0.0)
    }

    /// Round levels above the floor that the curve reaches, the largest first.
    fn reached(&self, floor: f64) -> Vec<Reached> {
        let top = self.curve.error(1.0, &self.scatter);
        let levels = (-7..=1)
            .rev()
            .flat_map(|k| [5.0, 2.0, 1.0].map(|m| m * 10f64.powi(k)));
        let within = levels.filter(|l| *l < top && *l > BEHIND * floor);
        let cost = |level: f64| {
            let draws = |curve: &Curve| curve.draws_for(level, 4.0 * self.longest, &self.scatter);
            let value = draws(&self.curve).filter(|n| *n <= self.longest)?;
            let logs: Option<Vec<f64>> =
                self.without.iter().map(|c| Some(draws(c)?.ln())).collect();
            let draws = Metric {
                value,
                se: Some(value * jackknife(&logs?)),
            };
            let times = |(first, each): (f64, f64)| Metric {
                value: first + each * draws.value,
                se: draws.se.map(|se| each * se),
            };
            Some(Reached {
                level,
                draws,
                device_seconds: self.price.device.map(times),
                joules: self.price.joules.map(|j| times((0.0, j))),
                wall_seconds: times((0.0, self.price.wall)),
            })
        };
        within.filter_map(cost).collect()
    }

    fn statement(&self, floor: &Metric, last: Option<&Reached>, own: Option<f64>) -> String {
        let word = if self.metric == "tv" {
            "TV"
        } else {
            "an rms moment error of"
        };
        let mut text = match last {
            None => format!("{} reaches no round level", self.name),
            Some(r) => {
                let seconds = r.device_seconds.unwrap_or(r.wall_seconds);
                let clock = if r.device_seconds.is_some() {
                    "of one die's time"
                } else {
                    "of wall time"
                };
                let mut text = format!(
                    "{} reaches {word} {} in {} {clock}",
                    self.name,
                    r.level,
                    si(&seconds, "s")
                );
                match (&r.joules, r.device_seconds) {
                    (Some(j), _) => text += &format!(" and {}", si(j, "J")),
                    (None, Some(_)) => text += " (joules: not stated)",
                    (None, None) => {}
                }
                text
            }
        };
        let se = floor.se.unwrap_or(0.0);
        text += &if self.seen(floor) {
            format!(" and then stops at its bias floor {}", plain(floor))
        } else {
            format!(
                "; no bias floor is seen (below {:.1e})",
                floor.value + SEEN * se
            )
        };
        if let Some(own) = own.filter(|own| *own > 0.0) {
            text += &format!(" (the law that it settles in is {own:.4} off, exactly)");
        }
        text
    }

    /// What is written of it; `own` is the exact distance of a die's own law.
    pub(super) fn record(&self, own: Option<f64>) -> PathAccuracy {
        let floor = self.floor();
        let seen = if self.seen(&floor) { floor.value } else { 0.0 };
        let reached = self.reached(seen);
        let share = self.of_curves(|c| c.share);
        let points = self.rungs.iter().zip(&self.relative).map(|(r, relative)| {
            let draws = r.draws as f64;
            AccuracyPoint {
                draws,
                device_seconds: self.price.device.map(|(first, each)| first + each * draws),
                joules: self.price.joules.map(|j| j * draws),
                wall_seconds: self.price.wall * draws,
                error: Metric {
                    value: r.error,
                    se: Some(relative * r.error),
                },
                floor: self.curve.floor(draws, &self.scatter),
            }
        });
        PathAccuracy {
            sampler: self.name.clone(),
            points: points.collect(),
            statement: self.statement(&floor, reached.last(), own),
            reached,
            ess_per_device_second: self.price.device.map(|(_, each)| share.value / each),
            ess_per_joule: self.price.joules.map(|j| share.value / j),
            ess_per_wall_second: share.value / self.price.wall,
            effective_share: share,
            bias_floor: floor,
        }
    }

    /// First cost and cost of a draw along an axis.
    fn along(&self, axis: &str) -> Option<(f64, f64)> {
        match axis {
            "device time" => self.price.device,
            "joules" => self.price.joules.map(|j| (0.0, j)),
            _ => Some((0.0, self.price.wall)),
        }
    }
}

/// "(40 ± 6) us": the error in the value's unit.
fn si(metric: &Metric, unit: &str) -> String {
    let words = format_si(metric.value, unit);
    let (number, unit) = words.split_once(' ').unwrap_or((&words, ""));
    match (number.parse::<f64>(), metric.se) {
        (Ok(value), Some(se)) if se > 0.0 && metric.value > 0.0 => {
            let se = se * value / metric.value;
            let digits = (1 - se.log10().floor() as i32).clamp(0, 6) as usize;
            format!("({value:.digits$} ± {se:.digits$}) {unit}")
        }
        _ => words,
    }
}

fn plain(metric: &Metric) -> String {
    format!("{:.4} ± {:.4}", metric.value, metric.se.unwrap_or(0.0))
}

/// Where, along an axis, the first path begins to be `factor` times as far off as the second after having been less; both curves
/// given.
fn crossing(
    (a, of_a): (&Path, &Curve),
    (b, of_b): (&Path, &Curve),
    axis: &str,
    factor: f64,
) -> Option<f64> {
    let (along_a, along_b) = (a.along(axis)?, b.along(axis)?);
    let ends = |p: &Path, (first, each): (f64, f64)| (first + each, first + each * p.longest);
    let (start_a, end_a) = ends(a, along_a);
    let (start_b, end_b) = ends(b, along_b);
    let (low, high) = (start_a.max(start_b).ln(), end_a.min(end_b).ln());
    if low >= high {
        return None;
    }
    let excess = |log: f64| {
        let error = |p: &Path, curve: &Curve, (first, each): (f64, f64)| {
            curve.error(((log.exp() - first) / each).max(1.0), &p.scatter)
        };
        (error(a, of_a, along_a) / error(b, of_b, along_b)).ln() - factor.ln()
    };
    let at = |k: usize| low + (high - low) * k as f64 / TIMES as f64;
    let mut before = excess(at(0));
    for k in 1..=TIMES {
        let now = excess(at(k));
        if before < 0.0 && now >= 0.0 {
            let share = before / (before - now);
            return Some((at(k - 1) + share * (at(k) - at(k - 1))).exp());
        }
        before = now;
    }
    None
}

/// Where one path overtakes another, with the jackknife errors of both.
fn crossovers(paths: &[Path]) -> Vec<String> {
    let mut sentences = Vec::new();
    for (axis, unit) in [("device time", "s"), ("joules", "J"), ("wall time", "s")] {
        for a in paths {
            for b in paths.iter().filter(|b| b.name != a.name) {
                // Two chips spend alike: the worse falls behind and is never ahead.
                let alike = axis != "wall time";
                let factor = if alike { BEHIND } else { 1.0 };
                let Some(found) = crossing((a, &a.curve), (b, &b.curve), axis, factor) else {
                    continue;
                };
                let of_a = a
                    .without
                    .iter()
                    .map(|c| crossing((a, c), (b, &b.curve), axis, factor));
                let of_b = b
                    .without
                    .iter()
                    .map(|c| crossing((a, &a.curve), (b, c), axis, factor));
                let spread = |all: &mut dyn Iterator<Item = Option<f64>>| {
                    let logs: Option<Vec<f64>> = all.map(|t| Some(t?.ln())).collect();
                    logs.map(|logs| jackknife(&logs))
                };
                let (mut of_a, mut of_b) = (of_a, of_b);
                let Some((x, y)) = spread(&mut of_a).zip(spread(&mut of_b)) else {
                    continue;
                };
                let se = found * x.hypot(y);
                if se > 0.5 * found {
                    continue;
                }
                let place = si(
                    &Metric {
                        value: found,
                        se: Some(se),
                    },
                    unit,
                );
                sentences.push(if alike {
                    format!(
                        "{} falls {:.0} % behind {} after {place}",
                        a.name,
                        100.0 * (BEHIND - 1.0),
                        b.name
                    )
                } else {
                    format!(
                        "{} is ahead of {} until {place} of wall time",
                        a.name, b.name
                    )
                });
            }
        }
    }
    sentences.truncate(MOST_CROSSOVERS);
    sentences
}

/// All paths together; `own` is the exact distance of a sampler's own law, where it is known.
pub(super) fn accuracy_record(
    paths: &[Path],
    own: impl Fn(&str) -> Option<f64>,
) -> Option<AccuracyRecord> {
    let metric = paths.first()?.metric;
    let own = |name: &str| own(name).filter(|_| metric == "tv");
    Some(AccuracyRecord {
        metric: metric.to_owned(),
        paths: paths.iter().map(|p| p.record(own(&p.name))).collect(),
        crossovers: crossovers(paths),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamics::streams::chain_rng;
    use rand::RngExt;

    /// Independent draws of a law that is known to be off by a known total variation: the floor is found within 7 standard errors
    /// (Student's law with 19 degrees of freedom: 1e-6) and 3 % of the form; draws of the law itself show none.
    #[test]
    fn a_known_bias_is_the_floor() {
        let n = 64;
        let raw: Vec<f64> = (0..n).map(|k| (0.05 * f64::from(k)).exp()).collect();
        let total: f64 = raw.iter().sum();
        let p: Vec<f64> = raw.iter().map(|v| v / total).collect();
        // Shifts with normal quantiles as relative sizes.
        let tilt = |k: usize| 0.04 * (12.9898 * k as f64).sin() * (78.233 * k as f64).cos();
        let q: Vec<f64> = p
            .iter()
            .enumerate()
            .map(|(k, p)| p * (1.0 + tilt(k)))
            .collect();
        let sum: f64 = q.iter().sum();
        let q: Vec<f64> = q.iter().map(|v| v / sum).collect();
        let bias = crate::diagnostics::total_variation(&p, &q);
        let floor_of = |law: &[f64]| {
            let mut rng = chain_rng(3, 0x77, 0);
            let (chains, draws) = (400, 500);
            let states: Vec<u32> = (0..chains * draws)
                .map(|_| {
                    let mut u: f64 = rng.random();
                    let mut k = 0;
                    while k + 1 < n as usize && u >= law[k] {
                        u -= law[k];
                        k += 1;
                    }
                    k as u32
                })
                .collect();
            let ladder = Ladder::new(Draws::States(&states, &p), chains, draws);
            let scatter = Scatter::of_law(&p);
            let rungs = ladder.rungs(|_| true);
            let relative = vec![0.02; rungs.len()];
            let fit = |rungs: &[Rung]| Curve::fitted(rungs, &relative, &scatter);
            let without: Vec<f64> = (0..GROUPS)
                .map(|j| fit(&ladder.rungs(|c| c % GROUPS != j)).bias)
                .collect();
            let curve = fit(&rungs);
            (curve, jackknife(&without))
        };
        let (curve, se) = floor_of(&q);
        let off = (curve.bias - bias).abs();
        assert!(
            off < 7.0 * se + 0.03 * bias,
            "{curve:?} ± {se}, exactly {bias}"
        );
        assert!(curve.bias > 3.0 * se, "{curve:?} ± {se} is not seen");
        assert!((curve.share - 1.0).abs() < 0.15, "{curve:?}");
        let (none, se) = floor_of(&p);
        assert!(none.bias < 7.0 * se + 1e-3, "{none:?} ± {se}");
    }
}
