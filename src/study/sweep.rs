//! `[sweep]`: a run per point of the grid, then one record, table and figure of them all.
//!
//! Each point's run lies in `points/NNNN` like any other run; a point that is finished is not repeated by `--resume`. Points
//! along axes marked `replicate`, and the dice of one run, are repetitions: their median and its error are reported.

use super::Session;
use super::chips::Prepared;
use super::dice;
use crate::error::{Error, Result};
use crate::experiment::SweepExperiment;
use crate::record::{
    AxisRecord, CellRecord, Chart, Metric, RunDirectory, RunRecord, Series, Spread, SweepRecord,
};
use std::collections::BTreeMap;

/// A job: `run`, `compare` or `train`.
pub type Work = fn(&Prepared, &RunDirectory, &Session) -> Result<RunRecord>;
/// Sampler → metric → its values over repetitions.
type Values = BTreeMap<String, BTreeMap<String, Vec<Metric>>>;

/// Checks every point before anything is written.
///
/// # Errors
/// What is wrong with the first point that is refused.
pub fn check_sweep(sweep: &SweepExperiment, check: fn(&Prepared) -> Result<()>) -> Result<()> {
    for point in sweep.points() {
        check(&Prepared::new(sweep.at(&point)?)?)?;
    }
    Ok(())
}

/// Carries out `work` at every point.
///
/// # Errors
/// What goes wrong on the way; finished points stay.
pub fn run_sweep(
    sweep: &SweepExperiment,
    directory: &RunDirectory,
    session: &Session,
    work: Work,
) -> Result<RunRecord> {
    let mut cells: Vec<(Vec<usize>, Values, Vec<String>)> = Vec::new();
    let mut whole: Option<RunRecord> = None;
    let mut compare = crate::experiment::Compare::default();
    for (number, point) in sweep.points().iter().enumerate() {
        let name = format!("points/{number:04}");
        let path = directory.path().join(&name);
        let experiment = sweep.at(point)?;
        let wanted = serde_json::to_value(&experiment).unwrap_or_default();
        compare = experiment.compare.clone();
        let finished = RunDirectory::open(&path).and_then(|d| d.read_run()).ok();
        let record = match finished {
            Some(record) if record.experiment == wanted => record,
            Some(_) => {
                let value = path.display();
                let expected = "the points of this very experiment, or a new directory";
                return Err(Error::invalid("--out", value, expected));
            }
            None => {
                let own = RunDirectory::create(&path, path.is_dir())?;
                work(&Prepared::new(experiment)?, &own, session)?
            }
        };
        let at: Vec<usize> = sweep
            .axes
            .iter()
            .zip(point)
            .filter(|(axis, _)| !axis.replicate)
            .map(|(_, &k)| k)
            .collect();
        let slot = cells.iter().position(|cell| cell.0 == at);
        let slot = slot.unwrap_or_else(|| {
            cells.push((at, Values::new(), Vec::new()));
            cells.len() - 1
        });
        collect(&record, &mut cells[slot].1);
        cells[slot].2.push(name);
        let whole = whole.get_or_insert_with(|| RunRecord {
            program: Vec::new(),
            samplers: Vec::new(),
            comparisons: Vec::new(),
            verdicts: Vec::new(),
            charts: Vec::new(),
            training: None,
            dice: None,
            warnings: Vec::new(),
            ..record.clone()
        });
        for warning in record.warnings {
            if !whole.warnings.contains(&warning) {
                whole.warnings.push(warning);
            }
        }
    }
    let Some(mut whole) = whole else {
        return Err(Error::invalid("sweep", "no points", "at least one point"));
    };
    let fixed: Vec<_> = sweep.axes.iter().filter(|a| !a.replicate).collect();
    let cells: Vec<CellRecord> = cells
        .into_iter()
        .map(|(at, values, runs)| {
            let label = fixed
                .iter()
                .zip(&at)
                .map(|(axis, &k)| axis.labels[k].clone());
            cell(label.collect(), values, runs, &compare)
        })
        .collect();
    let record = SweepRecord {
        axes: sweep
            .axes
            .iter()
            .map(|axis| AxisRecord {
                parameters: axis.parameters.clone(),
                labels: axis.labels.clone(),
                replicate: axis.replicate,
            })
            .collect(),
        cells,
        shown: compare.metrics,
    };
    whole.charts = charts(&record);
    if let Some(top) = whole.experiment.as_object_mut() {
        let axes = serde_json::to_value(&sweep.axes).unwrap_or_default();
        top.insert("sweep".to_owned(), axes);
    }
    whole.sweep = Some(record);
    directory.write_run(&whole)?;
    Ok(whole)
}

/// Adds one run's metrics: all dice count as the sampler `die`.
fn collect(record: &RunRecord, values: &mut Values) {
    let mut put = |sampler: &str, metric: &str, value: Metric| {
        let metrics = values.entry(sampler.to_owned()).or_default();
        metrics.entry(metric.to_owned()).or_default().push(value);
    };
    let errors: BTreeMap<(&str, &str), Option<f64>> = record
        .samplers
        .iter()
        .flat_map(|s| {
            s.metrics
                .iter()
                .map(|(k, m)| ((s.name.as_str(), k.as_str()), m.se))
        })
        .collect();
    let one = record
        .program
        .iter()
        .filter(|p| p.sampler.starts_with("analog-die-"));
    let only: Vec<&str> = one.map(|p| p.sampler.as_str()).collect();
    for row in dice::rows(record) {
        for (name, value) in row {
            let se = match only[..] {
                [die] => errors.get(&(die, name.as_str())).copied().flatten(),
                _ => None,
            };
            put("die", &name, Metric { value, se });
        }
    }
    let others = record
        .samplers
        .iter()
        .filter(|s| !s.name.starts_with("analog-die-"));
    for sampler in others {
        let name = sampler
            .name
            .strip_prefix("analog-")
            .unwrap_or(&sampler.name);
        for (metric, value) in &sampler.metrics {
            put(name, metric, *value);
        }
    }
    let ideal = |name: &str| name == "analog-ideal";
    let told = record.samplers.iter().find(|s| ideal(&s.name));
    for program in record.program.iter().filter(|p| ideal(&p.sampler)) {
        for (metric, value) in dice::held_data(program) {
            if told.is_none_or(|s| !s.metrics.contains_key(&metric)) {
                put("ideal", &metric, Metric { value, se: None });
            }
        }
    }
}

fn cell(
    at: Vec<String>,
    values: Values,
    runs: Vec<String>,
    compare: &crate::experiment::Compare,
) -> CellRecord {
    let mut record = CellRecord {
        at,
        metrics: BTreeMap::new(),
        spreads: BTreeMap::new(),
        runs,
    };
    for (sampler, metrics) in values {
        for (name, list) in metrics {
            let metric = match list[..] {
                [one] => one,
                _ => {
                    let range = (sampler == "die")
                        .then(|| compare.accept.get(&name).copied())
                        .flatten();
                    let numbers = list.iter().map(|m| m.value).collect();
                    let Some(spread): Option<Spread> = dice::spread(numbers, range) else {
                        continue;
                    };
                    let median = spread.median;
                    let spreads = record.spreads.entry(sampler.clone()).or_default();
                    spreads.insert(name.clone(), spread);
                    median
                }
            };
            let own = record.metrics.entry(sampler.clone()).or_default();
            own.insert(name, metric);
        }
    }
    record
}

/// Whether values are positive and more than tenfold apart.
fn spans_decades<'a>(series: impl Iterator<Item = &'a Series>) -> bool {
    let values = series.flat_map(|s| &s.y);
    let (least, most) = values.fold((f64::INFINITY, 0.0f64), |(a, b), &v| (a.min(v), b.max(v)));
    least > 0.0 && most > 10.0 * least
}

/// One figure per metric: the first axis that is no repetition along the abscissa, a series for each sampler and each
/// setting of the other axes.
fn charts(sweep: &SweepRecord) -> Vec<Chart> {
    let mut axes = sweep.axes.iter().filter(|a| !a.replicate);
    let Some(first) = axes.next() else {
        return Vec::new();
    };
    let numbers: Option<Vec<f64>> = first.labels.iter().map(|l| l.parse().ok()).collect();
    let x_label = first.parameters.join(", ");
    let (names, positions) = match numbers {
        Some(numbers) => (Vec::new(), numbers),
        None => {
            let positions = (0..first.labels.len()).map(|k| k as f64).collect();
            (first.labels.clone(), positions)
        }
    };
    let mut metrics: BTreeMap<&str, BTreeMap<String, Series>> = BTreeMap::new();
    for cell in &sweep.cells {
        let Some(k) = first.labels.iter().position(|l| Some(l) == cell.at.first()) else {
            continue;
        };
        let rest = cell.at[1..].join(", ");
        for (sampler, values) in &cell.metrics {
            for (metric, value) in values {
                if !sweep.shown.is_empty() && !sweep.shown.contains(metric) {
                    continue;
                }
                let label = [sampler.as_str(), rest.as_str()];
                let label = label.join(" ").trim().to_owned();
                let series = metrics.entry(metric).or_default();
                let series = series.entry(label.clone()).or_insert_with(|| Series {
                    label,
                    x: Vec::new(),
                    y: Vec::new(),
                    se: Some(Vec::new()),
                });
                series.x.push(positions[k]);
                series.y.push(value.value);
                if let Some(se) = &mut series.se {
                    se.push(value.se.unwrap_or(0.0));
                }
            }
        }
    }
    let repeated = sweep.cells.iter().any(|cell| !cell.spreads.is_empty());
    metrics
        .into_iter()
        .map(|(metric, series)| Chart {
            name: format!("sweep-{metric}"),
            title: format!("{metric} along the sweep"),
            caption: if repeated {
                format!("Median {metric} over repetitions, with its standard error; settings at one abscissa stand side by side.")
            } else {
                format!("{metric} of each run, with its standard error where it has one; settings at one abscissa stand side by side.")
            },
            x: x_label.clone(),
            y: metric.to_owned(),
            log_y: names.is_empty() && spans_decades(series.values()),
            names: names.clone(),
            series: series.into_values().collect(),
        })
        .collect()
}
