//! Many dice of one design: the distribution of every metric over them, and how many are within bounds (yield).

use crate::diagnostics::{fraction, quantile};
use crate::experiment::Compare;
use crate::record::{
    Chart, DiceRecord, Fraction, Metric, ProgramRecord, RunRecord, Series, Spread,
};
use std::collections::BTreeMap;

/// One minus the coverage of a yield's interval.
const MISS: f64 = 0.05;
/// A die's row of metrics by name.
type Row = BTreeMap<String, f64>;
/// A range, both ends included; `None` is no bound.
type Range = (Option<f64>, Option<f64>);

fn within(value: f64, (least, most): Range) -> bool {
    // Written so that NaN is outside.
    least.is_none_or(|l| value >= l) && most.is_none_or(|m| value <= m) && !value.is_nan()
}

fn accepted(good: usize, all: usize, (least, most): Range) -> Fraction {
    let (value, low, high) = fraction(good, all, MISS);
    Fraction {
        least,
        most,
        value,
        interval: (low, high),
    }
}

/// The distribution of `values`, which must not be empty; yield for a `range`.
pub(super) fn spread(values: Vec<f64>, range: Option<Range>) -> Option<Spread> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let deviation = if values.len() > 1 {
        (squares / (n - 1.0)).sqrt()
    } else {
        0.0
    };
    let finite = |se: f64| Some(se).filter(|se| se.is_finite());
    let (median, se) = quantile(&values, 0.5)?;
    let mut quantiles = [0.0; 4];
    for (q, p) in quantiles.iter_mut().zip([0.05, 0.25, 0.75, 0.95]) {
        *q = quantile(&values, p)?.0;
    }
    let good = |range: Range| values.iter().filter(|&&v| within(v, range)).count();
    Some(Spread {
        mean: Metric {
            value: mean,
            se: (values.len() > 1).then(|| deviation / n.sqrt()),
        },
        deviation,
        median: Metric {
            value: median,
            se: finite(se),
        },
        quantiles,
        accepted: range.map(|range| accepted(good(range), values.len(), range)),
        values,
    })
}

/// How well a programmed chip, the ideal one too, holds the data.
pub(super) fn held_data(program: &ProgramRecord) -> Row {
    let held = program.likelihood.as_ref();
    let metrics = [
        ("train_log_likelihood", held.map(|l| l.train.value)),
        (
            "test_log_likelihood",
            held.and_then(|l| l.test).map(|m| m.value),
        ),
        ("data_kl", held.and_then(|l| l.data_kl)),
    ];
    let known = metrics.into_iter();
    known
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// The metrics of each die: its samples', its comparison with the reference, and the exact distances of its program.
pub(super) fn rows(record: &RunRecord) -> Vec<Row> {
    let is_die = |name: &str| name.starts_with("analog-die-");
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let mut order = Vec::new();
    for program in record.program.iter().filter(|p| is_die(&p.sampler)) {
        let row = rows.entry(&program.sampler).or_default();
        order.push(program.sampler.as_str());
        let left = program.calibration.as_ref();
        for (name, value) in [
            ("exact_tv", program.exact_tv),
            ("exact_kl", program.exact_kl),
            ("residual_logit", left.and_then(|c| c.residual_logit)),
            (
                "residual_probability",
                left.and_then(|c| c.residual_probability),
            ),
        ] {
            row.extend(value.map(|v| (name.to_owned(), v)));
        }
        row.extend(held_data(program));
    }
    for sampler in record.samplers.iter().filter(|s| is_die(&s.name)) {
        let values = sampler.metrics.iter().map(|(k, m)| (k.clone(), m.value));
        rows.entry(&sampler.name).or_default().extend(values);
    }
    for c in record.comparisons.iter().filter(|c| is_die(&c.a)) {
        // A metric that samplers have themselves is compared as a difference, which is something else.
        let row = rows.entry(&c.a).or_default();
        row.entry(c.metric.clone()).or_insert(c.value);
    }
    order.iter().filter_map(|name| rows.remove(name)).collect()
}

/// The distribution of every metric over the dice of a run, where there are several.
pub(super) fn summary(record: &RunRecord, compare: &Compare) -> Option<DiceRecord> {
    let rows = rows(record);
    if rows.len() < 2 {
        return None;
    }
    let mut columns: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for (name, &value) in rows.iter().flatten() {
        columns.entry(name.clone()).or_default().push(value);
    }
    let metrics = columns
        .into_iter()
        // A metric that some dice lack (nothing clipped there) has no distribution over all of them.
        .filter(|(_, values)| values.len() == rows.len())
        .filter_map(|(name, values)| {
            let range = compare.accept.get(&name).copied();
            spread(values, range).map(|s| (name, s))
        })
        .collect();
    let all = |row: &&Row| {
        let mut bounds = compare.accept.iter();
        bounds.all(|(name, &range)| row.get(name).is_some_and(|&v| within(v, range)))
    };
    let good = rows.iter().filter(all).count();
    Some(DiceRecord {
        dice: rows.len(),
        metrics,
        accepted: (!compare.accept.is_empty()).then(|| accepted(good, rows.len(), (None, None))),
    })
}

/// Histograms of the metrics, one figure each.
pub(super) fn charts(dice: &DiceRecord, shown: &[String]) -> Vec<Chart> {
    let wanted = |name: &String| shown.is_empty() || shown.contains(name);
    let metrics = dice.metrics.iter().filter(|(name, _)| wanted(name));
    metrics
        .filter(|(_, spread)| spread.deviation > 0.0)
        .map(|(name, spread)| {
            let (x, y) = histogram(&spread.values);
            let mut series = vec![Series {
                label: "dice".to_owned(),
                x,
                y,
                se: None,
            }];
            let top = series[0].y.iter().copied().fold(0.0, f64::max);
            let bound = |label: &str, at: f64| Series {
                label: label.to_owned(),
                x: vec![at, at],
                y: vec![0.0, top],
                se: None,
            };
            series.push(bound("median", spread.median.value));
            if let Some(range) = &spread.accepted {
                let ends = [range.least, range.most].into_iter().flatten();
                series.extend(ends.map(|end| bound("bound", end)));
            }
            let mut caption = format!(
                "{name} of {} dice: median {:.4}, 90 % between {:.4} and {:.4}",
                dice.dice, spread.median.value, spread.quantiles[0], spread.quantiles[3]
            );
            if let Some(f) = &spread.accepted {
                caption += &format!(
                    "; {:.0} % within bounds (95 % interval {:.0} to {:.0} %)",
                    100.0 * f.value,
                    100.0 * f.interval.0,
                    100.0 * f.interval.1
                );
            }
            Chart {
                name: format!("dice-{name}"),
                title: format!("{name} over dice"),
                caption: caption + ".",
                x: name.clone(),
                y: "dice".to_owned(),
                log_y: false,
                names: Vec::new(),
                series,
            }
        })
        .collect()
}

/// A step line of counts in ⌈2 n^{1/3}⌉ bins (Rice's rule).
fn histogram(values: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let (low, high) = values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| {
            (l.min(v), h.max(v))
        });
    let bins = (2.0 * (values.len() as f64).cbrt()).ceil() as usize;
    let width = (high - low) / bins as f64;
    let mut counts = vec![0.0; bins];
    for v in values {
        let bin = ((v - low) / width) as usize;
        counts[bin.min(bins - 1)] += 1.0;
    }
    let (mut x, mut y) = (vec![low], vec![0.0]);
    for (k, count) in counts.into_iter().enumerate() {
        x.extend([low + k as f64 * width, low + (k + 1) as f64 * width]);
        y.extend([count, count]);
    }
    x.push(high);
    y.push(0.0);
    (x, y)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_and_yields() {
        let values: Vec<f64> = (1..=9).map(f64::from).collect();
        let spread = spread(values, Some((Some(2.0), Some(4.5)))).unwrap();
        assert_eq!(spread.median.value, 5.0);
        assert_eq!(spread.mean.value, 5.0);
        assert!((spread.deviation - 7.5f64.sqrt()).abs() < 1e-12);
        let yielded = spread.accepted.unwrap();
        assert!((yielded.value - 3.0 / 9.0).abs() < 1e-12);
        assert!(yielded.interval.0 < 0.33 && yielded.interval.1 > 0.34);
        assert!(!within(f64::NAN, (None, Some(1.0))));
    }

    #[test]
    fn a_histogram_counts_everything_once() {
        let values: Vec<f64> = (0..50).map(|k| f64::from(k * k)).collect();
        let (x, y) = histogram(&values);
        let counted: f64 = y.iter().skip(1).step_by(2).take(8).sum();
        assert_eq!((x.len(), y.len(), counted), (18, 18, 50.0));
    }
}
