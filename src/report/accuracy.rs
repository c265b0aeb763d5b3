//! Accuracy against device time, joules and wall time: three figures, two tables, the sentences.

use super::figures::{Figure, figure};
use super::svg::{Mark, Plot};
use super::table::with_error;
use crate::record::{AccuracyPoint, AccuracyRecord, Metric, PathAccuracy};
use crate::units::format_si;

fn word(record: &AccuracyRecord) -> &'static str {
    match record.metric.as_str() {
        "tv" => "total variation from the exact law",
        _ => "rms error of means and covariances (exact deviations)",
    }
}

fn spent(metric: Option<&Metric>, unit: &str) -> String {
    match metric {
        None => "not stated".to_owned(),
        Some(m) => {
            let relative = m.se.map_or(0.0, |se| 100.0 * se / m.value);
            format!("{} ± {relative:.0} %", format_si(m.value, unit))
        }
    }
}

/// Floors and effective draws, a row for each path.
pub(super) fn floor_cells(record: &AccuracyRecord) -> Vec<Vec<String>> {
    let header = [
        "path",
        "bias floor",
        "effective per draw",
        "ESS per s of one die",
        "ESS per J",
        "ESS per s of wall time",
    ];
    let rate = |value: Option<f64>, none: &str| {
        value.map_or_else(|| none.to_owned(), |v| format!("{v:.2e}"))
    };
    let row = |p: &PathAccuracy| {
        let chip = p.ess_per_device_second.is_some();
        vec![
            p.sampler.clone(),
            with_error(&p.bias_floor),
            with_error(&p.effective_share),
            rate(p.ess_per_device_second, "-"),
            rate(p.ess_per_joule, if chip { "not stated" } else { "-" }),
            rate(Some(p.ess_per_wall_second), "-"),
        ]
    };
    let header = header.map(str::to_owned).to_vec();
    std::iter::once(header)
        .chain(record.paths.iter().map(row))
        .collect()
}

/// What each round level costs.
pub(super) fn level_cells(record: &AccuracyRecord) -> Vec<Vec<String>> {
    let header = [
        "path",
        &record.metric,
        "draws",
        "one die's time",
        "joules",
        "wall time",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for path in &record.paths {
        let chip = path.ess_per_device_second.is_some();
        for r in &path.reached {
            let device = r.device_seconds.as_ref();
            rows.push(vec![
                path.sampler.clone(),
                format!("{}", r.level),
                spent(Some(&r.draws), "").trim().to_owned(),
                if chip {
                    spent(device, "s")
                } else {
                    "-".to_owned()
                },
                if chip {
                    spent(r.joules.as_ref(), "J")
                } else {
                    "-".to_owned()
                },
                spent(Some(&r.wall_seconds), "s"),
            ]);
        }
    }
    rows
}

/// The sentences, path by path, then pair by pair.
pub(super) fn sentences(record: &AccuracyRecord) -> Vec<&str> {
    let paths = record.paths.iter().map(|p| p.statement.as_str());
    paths
        .chain(record.crossovers.iter().map(String::as_str))
        .collect()
}

/// Error against each kind of cost, both axes logarithmic; a kind that no path has is not drawn.
pub(super) fn accuracy_figures(record: &AccuracyRecord) -> Vec<Figure> {
    type Cost = fn(&AccuracyPoint) -> Option<f64>;
    let kinds: [(&str, &str, &str, Cost); 3] = [
        (
            "accuracy-device",
            "device time",
            "time of one die that takes all draws one after another (s)",
            |p| p.device_seconds,
        ),
        (
            "accuracy-joules",
            "joules",
            "joules, as far as the card states them (J)",
            |p| p.joules,
        ),
        (
            "accuracy-wall",
            "wall time",
            "share of this machine's wall time (s)",
            |p| Some(p.wall_seconds),
        ),
    ];
    let drawn = kinds.into_iter().filter_map(|(name, title, x, cost)| {
        let mut plot = Plot::new(&format!("Accuracy against {title}"), x, word(record));
        (plot.log_x, plot.log_y) = (true, true);
        plot.width = 520.0;
        for path in &record.paths {
            let points: Vec<_> = path
                .points
                .iter()
                .filter_map(|p| Some((cost(p)?, p)))
                .filter(|(x, p)| *x > 0.0 && p.error.value > 0.0)
                .collect();
            if points.is_empty() {
                continue;
            }
            let bar = |p: &AccuracyPoint| p.error.se.unwrap_or(0.0).min(0.9 * p.error.value);
            let marks = points.iter().map(|(x, p)| (*x, p.error.value, 0.0, bar(p)));
            plot.series.push((path.sampler.clone(), Mark::Points(marks.collect())));
        }
        if plot.series.is_empty() {
            return None;
        }
        // The floors of sampling alone, as lines without a name, in the colours of their paths.
        for path in &record.paths {
            let line: Vec<(f64, f64)> = path
                .points
                .iter()
                .filter_map(|p| Some((cost(p)?, p.floor)))
                .filter(|(x, floor)| *x > 0.0 && *floor > 0.0)
                .collect();
            if !line.is_empty() {
                plot.guides.push(line);
            }
        }
        let caption = "Points: mean error of disjoint groups of so many draws, bars one standard error. Lines: what sampling alone \
                       would leave. Where points leave their line, the path's bias floor begins.";
        Some(figure(name, caption, plot.render()))
    });
    drawn.collect()
}
