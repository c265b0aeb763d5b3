//! The figures of a run, each from the arrays in its directory; a figure whose data is absent is not drawn.

use super::accuracy::accuracy_figures;
use super::discrete::{features, state_number};
use super::landscapes::landscapes;
use super::restricted;
use super::svg::{Mark, Plot, diverging_png, grey_png};
use crate::diagnostics::Moments;
use crate::record::{Array, Chart, RunDirectory, RunRecord};
use std::collections::BTreeMap;

pub(super) type Arrays = BTreeMap<String, Array>;

/// A drawn figure: file stem, caption, SVG.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub name: String,
    pub caption: String,
    pub svg: String,
}

pub(super) fn figure(name: &str, caption: &str, svg: String) -> Figure {
    Figure {
        name: name.to_owned(),
        caption: caption.to_owned(),
        svg,
    }
}

pub(super) fn values(arrays: &Arrays, name: &str) -> Option<Vec<f64>> {
    arrays.get(name).map(Array::values)
}

/// Heights of contour lines above the lowest point, kT.
const CONTOURS: [f64; 6] = [0.1, 0.25, 0.45, 1.0, 2.0, 4.0];
/// Readings of a path that is drawn over a landscape.
const PATH: usize = 120;

/// All figures that the directory has data for.
pub(super) fn all(directory: &RunDirectory, run: &RunRecord) -> Vec<Figure> {
    let mut figures = Vec::new();
    let parameters = directory.arrays("parameters.npz");
    for sampler in &run.samplers {
        figures.extend(digits(directory, &sampler.name));
    }
    figures.extend(run.accuracy.iter().flat_map(accuracy_figures));
    figures.extend(training(run));
    figures.extend(restricted::pictures(directory));
    match parameters.as_ref().and_then(restricted::weights) {
        Some(weights) => figures.push(weights),
        None => figures.extend(parameters.as_ref().and_then(couplings)),
    }
    figures.extend(trajectories(directory, run));
    figures.extend(landscape(directory, run));
    figures.extend(landscapes(directory, run));
    figures.extend(moments(directory, run));
    figures.extend(probabilities(directory, run));
    figures.extend(node_temperatures(run));
    figures.extend(coupling_check(run));
    figures.extend(run.charts.iter().map(chart));
    figures
}

/// Largest standard error of a node's β that is drawn, and the most samplers and nodes that are.
const DRAWN_ERROR: f64 = 0.5;
const MOST_SAMPLERS: usize = 6;
const MOST_NODES: usize = 256;

/// Effective inverse temperature node by node.
fn node_temperatures(run: &RunRecord) -> Option<Figure> {
    let told = run.samplers.iter().filter(|s| s.node_beta.len() > 1);
    let samplers: Vec<_> = told.take(MOST_SAMPLERS).collect();
    if samplers.is_empty() {
        return None;
    }
    let mut plot = Plot::new(
        "Effective temperature node by node",
        "node",
        "β of the node",
    );
    plot.width = 720.0;
    for (k, sampler) in samplers.iter().enumerate() {
        // Side by side, so that error bars do not hide each other.
        let shift = 0.6 * ((k as f64 + 0.5) / samplers.len() as f64 - 0.5);
        let good = sampler.node_beta.iter().filter(|b| b.2 <= DRAWN_ERROR);
        let points = good
            .take(MOST_NODES)
            .map(|&(i, beta, se)| (i as f64 + shift, beta, 0.0, se));
        plot.series
            .push((sampler.name.clone(), Mark::Points(points.collect())));
    }
    let caption = "1 where a node samples the energy that was programmed: 1/⟨x ∂E/∂x⟩ of real variables, pseudo-likelihood of spins. A bar is one standard error; nodes with errors above 0.5 are left out.";
    Some(figure("node-temperatures", caption, plot.render()))
}

/// A study's own figure.
fn chart(chart: &Chart) -> Figure {
    let mut plot = Plot::new(&chart.title, &chart.x, &chart.y);
    plot.log_y = chart.log_y;
    plot.width = 520.0;
    if !chart.names.is_empty() {
        return rows(chart);
    }
    let aside = aside(chart);
    for (k, series) in chart.series.iter().enumerate() {
        let x = series.x.iter().map(|x| x + aside(k));
        let points = x.zip(series.y.iter().copied());
        let mark = match &series.se {
            None => Mark::Line(points.collect()),
            Some(se) => Mark::Points(
                points
                    .zip(se)
                    .map(|((x, y), &se)| (x, y, 0.0, se))
                    .collect(),
            ),
        };
        plot.series.push((series.label.clone(), mark));
    }
    figure(&chart.name, &chart.caption, plot.render())
}

/// How far the points of the k-th series are drawn beside their abscissa: series of points with bars at the same few abscissae
/// would hide each other.
fn aside(chart: &Chart) -> impl Fn(usize) -> f64 + use<> {
    let mut x: Vec<f64> = chart.series.iter().flat_map(|s| s.x.clone()).collect();
    x.sort_by(f64::total_cmp);
    x.dedup();
    let gap = x.windows(2).map(|pair| pair[1] - pair[0]);
    let gap = gap.fold(f64::INFINITY, f64::min);
    let count = chart.series.len();
    let barred = chart.series.iter().all(|series| series.se.is_some());
    let each = if barred && count > 1 && gap.is_finite() {
        0.4 * gap / count as f64
    } else {
        0.0
    };
    move |k| (k as f64 - 0.5 * (count as f64 - 1.0)) * each
}

/// A chart of named settings: a row each from the top, values along the abscissa.
fn rows(chart: &Chart) -> Figure {
    let mut plot = Plot::new(&chart.title, &chart.y, "");
    let names = chart.names.iter().enumerate();
    plot.names = names.map(|(k, n)| (-(k as f64), n.clone())).collect();
    plot.width = 720.0;
    plot.height = 110.0 + 26.0 * chart.names.len() as f64;
    for series in &chart.series {
        let se = series.se.as_ref();
        let point = |(k, (x, y)): (usize, (&f64, &f64))| (*y, -x, se.map_or(0.0, |se| se[k]), 0.0);
        let points = series.x.iter().zip(&series.y).enumerate().map(point);
        plot.series
            .push((series.label.clone(), Mark::Points(points.collect())));
    }
    figure(&chart.name, &chart.caption, plot.render())
}

/// Ten rows of eight pictures, one row per label.
fn digits(directory: &RunDirectory, name: &str) -> Option<Figure> {
    let arrays = directory.arrays(&format!("generated-{name}.npz"))?;
    let x = arrays.get("x")?;
    let [classes, each, pixels] = x.shape()[..] else {
        return None;
    };
    let side = (pixels as f64).sqrt() as usize;
    if side * side != pixels {
        return None;
    }
    let data = x.values();
    let (cell, gap) = (side + 1, -1.0);
    let width = each * cell + 1;
    let mut image = vec![gap; width * (classes * cell + 1)];
    for class in 0..classes {
        for k in 0..each {
            for p in 0..pixels {
                let (row, column) = (class * cell + 1 + p / side, k * cell + 1 + p % side);
                image[row * width + column] = data[(class * each + k) * pixels + p];
            }
        }
    }
    let mut plot = Plot::new(
        &format!("Digits drawn by {name}"),
        "sample",
        "label clamped",
    );
    plot.rows = (0..classes)
        .map(|k| (k as f64 + 0.5, k.to_string()))
        .collect();
    plot.image = Some((
        grey_png(&image, width, -1.1, 1.1),
        [0.0, each as f64, 0.0, classes as f64],
    ));
    plot.width = 380.0;
    plot.height = 470.0;
    Some(figure(
        &format!("digits-{name}"),
        "One row per label: the label nodes are clamped, the pixels run free; black is +1.",
        plot.render(),
    ))
}

fn training(run: &RunRecord) -> Vec<Figure> {
    let Some(training) = run.training.as_ref().filter(|t| !t.curve.is_empty()) else {
        return Vec::new();
    };
    let line = |f: &dyn Fn(&crate::record::TrainingPoint) -> Option<f64>| {
        let points = training.curve.iter();
        let told: Option<Vec<(f64, f64)>> =
            points.map(|p| Some((p.update as f64, f(p)?))).collect();
        told
    };
    let mut error = Plot::new(
        "Training: distance of free phase from data",
        "update",
        "mean squared difference of visible means",
    );
    error.log_y = true;
    let mut norm = Plot::new("Training: gradient and energy gap", "update", "norm; kT");
    let mut figures = Vec::new();
    if let Some(line) = line(&|p| p.moment_error) {
        error.series.push((String::new(), Mark::Line(line)));
        let caption = "How far the free phase is from the data, update by update.";
        figures.push(figure("training-error", caption, error.render()));
    }
    for (name, line) in [
        ("gradient norm", line(&|p| Some(p.gradient_norm))),
        ("energy gap (kT)", line(&|p| p.energy_gap)),
    ] {
        let named = |line| (name.to_owned(), Mark::Line(line));
        norm.series.extend(line.map(named));
    }
    figures.push(figure(
        "training-gradient",
        "Gradient norm and, where there is a free phase, its mean energy minus that of the clamped one (programmed couplings; a mixture's is that which its readings show).",
        norm.render(),
    ));
    if let Some(line) = line(&|p| p.log_likelihood) {
        let mut plot = Plot::new("Training: log-likelihood", "update", "nats per row");
        plot.series.push((String::new(), Mark::Line(line)));
        let caption = "Mean log-likelihood of the rows learned from, exactly, update by update.";
        figures.push(figure("training-likelihood", caption, plot.render()));
    }
    figures
}

fn couplings(arrays: &Arrays) -> Option<Figure> {
    let n = values(arrays, "fields")?.len();
    let (edges, couplings) = (values(arrays, "edges")?, values(arrays, "couplings")?);
    let roles = values(arrays, "roles")?;
    let mut matrix = vec![0.0; n * n];
    for (edge, value) in edges.chunks(2).zip(&couplings) {
        let (i, j) = (edge[0] as usize, edge[1] as usize);
        matrix[i * n + j] = *value;
        matrix[j * n + i] = *value;
    }
    let limit = couplings.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if limit == 0.0 {
        return None;
    }
    let mut plot = Plot::new(
        &format!("Couplings J_ij (blue -{limit:.2}, white 0, red +{limit:.2})"),
        "node j",
        "node i",
    );
    plot.rows = (0..n)
        .step_by(if n > 12 { 20 } else { 1 })
        .map(|i| (i as f64, i.to_string()))
        .collect();
    plot.image = Some((
        diverging_png(&matrix, n, limit),
        [0.0, n as f64, 0.0, n as f64],
    ));
    plot.width = 460.0;
    plot.height = 460.0;
    let caption = if roles.first().is_some_and(|p| *p > 0.0) {
        format!(
            "Nodes 0-{}: pixels, then {} labels, then {} hidden.",
            roles[0] - 1.0,
            roles[1],
            roles[2]
        )
    } else {
        "Programmed couplings.".to_owned()
    };
    Some(figure("couplings", &caption, plot.render()))
}

fn trajectories(directory: &RunDirectory, run: &RunRecord) -> Vec<Figure> {
    let Some(arrays) = directory.arrays("trajectory.npz") else {
        return Vec::new();
    };
    let nodes = values(&arrays, "nodes").unwrap_or_default();
    run.samplers
        .iter()
        .filter_map(|sampler| {
            let name = &sampler.name;
            let x = arrays.get(&format!("{name}_x"))?;
            let [_, draws, width] = x.shape()[..] else {
                return None;
            };
            let (data, t) = (x.values(), values(&arrays, &format!("{name}_t"))?);
            let analog = sampler.kind == "analog";
            let volts = values(&arrays, &format!("{name}_unit"))?
                .first()
                .is_some_and(|u| *u != 1.0);
            let spins = data.iter().all(|v| v.abs() == 1.0);
            let mut plot = Plot::new(
                &format!("Trajectories: {name}"),
                if analog { "device time (us)" } else { "step" },
                match (spins, volts) {
                    (true, _) => "spins, one above the other",
                    (_, true) => "node voltage (mV)",
                    _ => "x",
                },
            );
            let (time, unit) = (
                if analog { 1e6 } else { 1.0 },
                if volts { 1e3 } else { 1.0 },
            );
            for (k, node) in nodes.iter().take(4).enumerate() {
                let level = |d: usize| {
                    let value = data[d * width + k] * unit;
                    // Spins one above the other, each about its own height.
                    if spins {
                        k as f64 + 0.35 * value
                    } else {
                        value
                    }
                };
                let line = (0..draws).map(|d| (t[d] * time, level(d))).collect();
                plot.series.push((format!("node {node}"), Mark::Line(line)));
            }
            plot.width = 520.0;
            Some(figure(
                &format!("trajectory-{name}"),
                "A few nodes of the first chain.",
                plot.render(),
            ))
        })
        .collect()
}

/// The line on which `values[row * n + column]` over `xs` × `xs` equals `level`, in pieces, by marching squares.
fn contour(xs: &[f64], values: &[f64], level: f64) -> Vec<[(f64, f64); 2]> {
    let n = xs.len();
    let mut pieces = Vec::new();
    for row in 0..n - 1 {
        for column in 0..n - 1 {
            let corners = [(0, 0), (0, 1), (1, 1), (1, 0)].map(|(dr, dc)| {
                let (r, c) = (row + dr, column + dc);
                (xs[c], xs[r], values[r * n + c] - level)
            });
            let mut crossings = Vec::new();
            for k in 0..4 {
                let (a, b) = (corners[k], corners[(k + 1) % 4]);
                if (a.2 < 0.0) != (b.2 < 0.0) {
                    let t = a.2 / (a.2 - b.2);
                    crossings.push((a.0 + t * (b.0 - a.0), a.1 + t * (b.1 - a.1)));
                }
            }
            // Two crossings, or four at a saddle.
            pieces.extend(crossings.chunks_exact(2).map(|pair| [pair[0], pair[1]]));
        }
    }
    pieces
}

fn landscape(directory: &RunDirectory, run: &RunRecord) -> Vec<Figure> {
    let (Some(grid), Some(paths)) = (
        directory.arrays("landscape.npz"),
        directory.arrays("trajectory.npz"),
    ) else {
        return Vec::new();
    };
    let (Some(xs), Some(energy)) = (values(&grid, "xs"), values(&grid, "energy")) else {
        return Vec::new();
    };
    let n = xs.len();
    let lowest = energy.iter().copied().fold(f64::INFINITY, f64::min);
    // First row on top.
    let shade: Vec<f64> = (0..n * n)
        .map(|k| (energy[(n - 1 - k / n) * n + k % n] - lowest).min(8.0))
        .collect();
    let lines: Vec<[(f64, f64); 2]> = CONTOURS
        .iter()
        .flat_map(|level| contour(&xs, &energy, lowest + level))
        .collect();
    let (lo, hi) = (xs[0], xs[n - 1]);
    run.samplers
        .iter()
        .filter_map(|sampler| {
            let name = &sampler.name;
            let x = paths.get(&format!("{name}_x"))?;
            let [chains, draws, 2] = x.shape()[..] else {
                return None;
            };
            let data = x.values();
            let unit = values(&paths, &format!("{name}_unit"))?.first().copied()?;
            let mut plot = Plot::new(&format!("Energy landscape and paths: {name}"), "x", "y");
            plot.image = Some((grey_png(&shade, n, 0.0, 24.0), [lo, hi, lo, hi]));
            plot.contours.clone_from(&lines);
            for chain in 0..chains {
                let line = (0..draws.min(PATH))
                    .map(|d| {
                        let at = (chain * draws + d) * 2;
                        (data[at] / unit, data[at + 1] / unit)
                    })
                    .collect();
                plot.series
                    .push((format!("start {}", chain + 1), Mark::Line(line)));
            }
            plot.width = 480.0;
            plot.height = 480.0;
            Some(figure(
                &format!("landscape-{name}"),
                &format!("Contours at {CONTOURS:?} kT above the lowest point, and the first {PATH} readings of four chains."),
                plot.render(),
            ))
        })
        .collect()
}

/// Draws of the nodes that the exact law is of (those not held), or of all where there is none.
struct Draws {
    values: Vec<f64>,
    /// Chains, draws, nodes.
    shape: [usize; 3],
    domain: Option<Vec<f64>>,
}

fn draws(directory: &RunDirectory, name: &str) -> Option<Draws> {
    let arrays = directory.arrays(&format!("samples-{name}.npz"))?;
    let x = arrays.get("x")?;
    let [chains, draws, nodes] = x.shape()[..] else {
        return None;
    };
    let domain = arrays.get("domain").map(Array::values);
    let exact = directory.arrays("exact.npz");
    let Some(free) = exact.and_then(|exact| values(&exact, "free")) else {
        return Some(Draws {
            values: x.values(),
            shape: [chains, draws, nodes],
            domain,
        });
    };
    let of = |row: &[f64]| -> Vec<f64> { free.iter().map(|&i| row[i as usize]).collect() };
    Some(Draws {
        values: x.values().chunks(nodes).flat_map(of).collect(),
        shape: [chains, draws, free.len()],
        domain: domain.as_deref().map(of),
    })
}

/// Mean and standard error of each node, from draws: chains as replicates.
fn node_moments(draws: Draws) -> Moments {
    let [chains, count, nodes] = draws.shape;
    let (values, width) = match &draws.domain {
        Some(domain) => features(&draws.values, domain),
        None => (draws.values, nodes),
    };
    crate::diagnostics::moments(&values, chains, count, width)
}

fn moments(directory: &RunDirectory, run: &RunRecord) -> Vec<Figure> {
    let Some(reference) = run
        .comparisons
        .iter()
        .find(|c| c.metric == "mean_error")
        .map(|c| c.b.clone())
    else {
        return Vec::new();
    };
    let of = |name: &str| draws(directory, name).map(node_moments);
    let base = match directory
        .arrays("exact.npz")
        .filter(|_| reference == "exact")
    {
        Some(exact) => {
            let (Some(mean), Some(covariance)) =
                (values(&exact, "mean"), values(&exact, "covariance"))
            else {
                return Vec::new();
            };
            Moments {
                mean_se: vec![0.0; mean.len()],
                covariance_se: vec![0.0; covariance.len()],
                mean,
                covariance,
            }
        }
        None => match of(&reference) {
            Some(base) => base,
            None => return Vec::new(),
        },
    };
    let n = base.mean.len();
    let mut means = Plot::new(
        &format!("Means against {reference}"),
        &format!("mean by {reference}"),
        "mean",
    );
    let mut covariances = Plot::new(
        &format!("Covariances against {reference}"),
        &format!("covariance by {reference}"),
        "covariance",
    );
    for sampler in run.samplers.iter().filter(|s| s.name != reference) {
        let Some(own) = of(&sampler.name) else {
            continue;
        };
        let points = (0..n)
            .map(|i| (base.mean[i], own.mean[i], base.mean_se[i], own.mean_se[i]))
            .collect();
        means
            .series
            .push((sampler.name.clone(), Mark::Points(points)));
        // At most about 600 of the pairs, evenly spread.
        let pairs: Vec<usize> = (0..n)
            .flat_map(|i| (i..n).map(move |j| i * n + j))
            .collect();
        let every = pairs.len().div_ceil(600).max(1);
        let points = pairs
            .iter()
            .step_by(every)
            .map(|&k| {
                (
                    base.covariance[k],
                    own.covariance[k],
                    base.covariance_se[k],
                    own.covariance_se[k],
                )
            })
            .collect();
        covariances
            .series
            .push((sampler.name.clone(), Mark::Points(points)));
    }
    means.identity = true;
    covariances.identity = true;
    vec![
        figure(
            "means",
            "Every node (of a category: every state but the first); bars are one standard error, the dashed line is agreement.",
            means.render(),
        ),
        figure(
            "covariances",
            "Pairs of nodes (at most 600 shown); bars are one standard error.",
            covariances.render(),
        ),
    ]
}

fn probabilities(directory: &RunDirectory, run: &RunRecord) -> Option<Figure> {
    let exact = values(&directory.arrays("exact.npz")?, "probabilities")?;
    let mut plot = Plot::new(
        "Probability of every state",
        "exact probability",
        "measured frequency",
    );
    for sampler in &run.samplers {
        let Some(own) = draws(directory, &sampler.name) else {
            continue;
        };
        let mut counts = vec![0.0; exact.len()];
        let nodes = own.shape[2];
        for row in own.values.chunks(nodes) {
            let index = match &own.domain {
                Some(domain) => state_number(row, domain),
                None => row
                    .iter()
                    .enumerate()
                    .fold(0, |s, (i, v)| s | (usize::from(*v > 0.0) << i)),
            };
            counts[index] += 1.0;
        }
        let total = (own.values.len() / nodes) as f64;
        let effective = sampler.ess_min.unwrap_or(total).min(total);
        let points = exact
            .iter()
            .zip(&counts)
            .map(|(p, c)| (*p, c / total, 0.0, (p * (1.0 - p) / effective).sqrt()))
            .collect();
        plot.series
            .push((sampler.name.clone(), Mark::Points(points)));
    }
    plot.identity = true;
    Some(figure(
        "probabilities",
        "Bars: one standard error at the smallest effective sample size.",
        plot.render(),
    ))
}

fn coupling_check(run: &RunRecord) -> Option<Figure> {
    let check = run.training.as_ref()?.coupling_check.as_ref()?;
    let mut plot = Plot::new(
        &format!("Couplings learned: {} against {}", check.a, check.b),
        &format!("J through {}", check.b),
        &format!("J through {}", check.a),
    );
    let every = check.se.len().div_ceil(800).max(1);
    let points = (0..check.se.len())
        .step_by(every)
        .map(|e| (check.mean_b[e], check.mean_a[e], 0.0, check.se[e]))
        .collect();
    plot.series.push((String::new(), Mark::Points(points)));
    plot.identity = true;
    let caption = format!(
        "{} repeats of {} updates each; rms difference {:.2} standard errors ({}), permutation p = {:.3}.",
        check.repeats,
        check.updates,
        check.rms_z,
        check.by_chance(),
        check.p_value
    );
    Some(figure("coupling-check", &caption, plot.render()))
}
