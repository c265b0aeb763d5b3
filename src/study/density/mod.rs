//! Two moons by every objective: each method trained `repeats` times from its own seed, judged against the exact density.
//!
//! How a learned law is judged is said in `study/moons.rs`.

mod course;
mod field;
mod identity;
mod monitors;
mod network;
mod one_step;

use self::course::Course;
use self::field::learn_field;
use self::identity::Identity;
use self::network::learn;
use self::one_step::{OneStep, one_step};
use super::Session;
use super::checkpoint::Checkpoints;
use super::moons::{DATA, SHOWN, Truth, floor, over_repeats, points};
use crate::dynamics::Generator;
use crate::dynamics::streams::chain_rng;
use crate::energy::Network;
use crate::error::Result;
use crate::experiment::DensityExperiment;
use crate::record::{
    Array, Chart, EnergyLedger, Established, RunDirectory, RunRecord, SamplerRecord, Seeds, Series,
    Stages, Verdict,
};
use crate::training::density::{DensitySettings, Monitors, Objective};
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Domains of the random numbers.
const START: u64 = 0x601;
/// Share of cut forces above which the negative phase is not trusted.
const MOST_CLIPPED: f64 = 0.05;

/// The learned law at one update, for a figure.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Snapshot {
    update: u64,
    /// On [`SHOWN`]: E − E_min; of a drift |∂₁s₂ − ∂₂s₁|.
    shade: Vec<f64>,
    /// −∇E or the drift, turned round, on every fifth cell each way: x, y, then ∇E or −s.
    score: Vec<f64>,
    /// Draws of the learned law.
    points: Vec<f64>,
}

/// One training.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Trained {
    metrics: BTreeMap<String, f64>,
    /// (update, loss).
    curve: Vec<(f64, f64)>,
    /// One for every point of the curve.
    monitors: Vec<Monitors>,
    snapshots: Vec<Snapshot>,
    /// Of methods that match scores.
    identity: Vec<Identity>,
    parameters: Vec<f64>,
    wall: f64,
    /// Why it diverged.
    diverged: Option<String>,
}

fn columns(points: &[[f64; 2]]) -> DMatrix<f32> {
    let values = points.iter().flatten().map(|&v| v as f32);
    DMatrix::from_iterator(2, points.len(), values)
}

/// What is learned from, and its mean.
fn data_of(experiment: &DensityExperiment, truth: &Truth, seed: u64) -> (DMatrix<f32>, Vec<f64>) {
    let mut rng = chain_rng(seed, DATA, 0);
    let points = points(&truth.moons, &experiment.data, &mut rng);
    let data = columns(&points);
    let centre = data.column_mean().iter().map(|&v| f64::from(v)).collect();
    (data, centre)
}

fn sizes_of(experiment: &DensityExperiment) -> Vec<usize> {
    [vec![2], experiment.layers.clone()].concat()
}

fn settings_of(experiment: &DensityExperiment, objective: Objective, seed: u64) -> DensitySettings {
    DensitySettings {
        objective,
        batch: experiment.batch,
        updates: experiment.updates,
        optimiser: experiment.optimiser,
        learning_rate: experiment.learning_rate,
        decay: experiment.decay,
        average: experiment.average,
        energy_l2: experiment.energy_l2,
        weight_decay: experiment.weight_decay,
        gradient_clip: experiment.gradient_clip,
        leaps: experiment.leaps,
        step: experiment.step,
        force_clip: experiment.force_clip,
        seed,
    }
}

/// One step of maximum likelihood from a fresh network of one variable, on the data's abscissae.
fn step_on_a_line(experiment: &DensityExperiment, truth: &Truth) -> Result<OneStep> {
    let (data, centre) = data_of(experiment, truth, experiment.seed);
    let data = data.rows(0, 1).map(f64::from);
    let sizes = [vec![1], experiment.layers.clone()].concat();
    let mut start = chain_rng(experiment.seed, START, 1);
    let (confinement, centre) = (experiment.confinement, &centre[..1]);
    let network = Network::<f64>::new(&sizes, confinement, centre, &mut start)?;
    one_step(&network, &data, (-3.0, 4.0), 1.0)
}

fn record_of(name: &str, runs: &[Trained]) -> SamplerRecord {
    let stable: Vec<&Trained> = runs.iter().filter(|r| r.diverged.is_none()).collect();
    let mut metrics = BTreeMap::new();
    let names: Vec<&String> = stable
        .first()
        .map_or(Vec::new(), |r| r.metrics.keys().collect());
    for metric in names {
        let values: Vec<f64> = stable.iter().map(|r| r.metrics[metric]).collect();
        metrics.insert(metric.clone(), over_repeats(&values));
    }
    let words = |key: &str| {
        let values: Vec<String> = stable
            .iter()
            .map(|r| format!("{:.3}", r.metrics[key]))
            .collect();
        values.join(", ")
    };
    let mut facts = BTreeMap::from([(
        "stable".to_owned(),
        format!("{} of {}", stable.len(), runs.len()),
    )]);
    if !stable.is_empty() {
        for key in ["kl", "sliced_wasserstein"] {
            if metrics.contains_key(key) {
                facts.insert(format!("{key} of each repeat"), words(key));
            }
        }
    }
    SamplerRecord {
        name: name.to_owned(),
        kind: "trained".to_owned(),
        metrics,
        ess_min: None,
        rhat_max: None,
        node_beta: Vec::new(),
        device_seconds: None,
        // An empty sum is −0.
        wall_seconds: runs.iter().map(|r| r.wall).sum::<f64>() + 0.0,
        energy_joules: EnergyLedger::default(),
        predicted_bias: None,
        facts,
    }
}

fn write(directory: &RunDirectory, name: &str, run: &Trained, drift: bool) -> Result<()> {
    let n = run.parameters.len();
    let mut arrays = vec![("theta".to_owned(), Array::f64(&[n], run.parameters.clone()))];
    for (k, s) in run.snapshots.iter().enumerate() {
        let (nx, ny) = SHOWN.cells;
        let shade = s.shade.iter().map(|&e| e as f32).collect();
        let of = if drift { "curl" } else { "energy" };
        arrays.push((format!("{of}_{k}"), Array::f32(&[ny, nx], shade)));
        let score = Array::f64(&[s.score.len() / 4, 4], s.score.clone());
        arrays.push((format!("score_{k}"), score));
        let points = Array::f64(&[s.points.len() / 2, 2], s.points.clone());
        arrays.push((format!("points_{k}"), points));
        arrays.push((
            format!("update_{k}"),
            Array::f64(&[1], vec![s.update as f64]),
        ));
    }
    let corners = vec![SHOWN.x.0, SHOWN.x.1, SHOWN.y.0, SHOWN.y.1];
    arrays.push(("box".to_owned(), Array::f64(&[4], corners)));
    let named: Vec<(&str, Array)> = arrays
        .iter()
        .map(|(n, a)| (n.as_str(), a.clone()))
        .collect();
    directory.write_arrays(&format!("landscape-{name}.npz"), &named)
}

/// Carries out a density experiment. Finished trainings are kept, so that an interrupted run can be resumed.
///
/// # Errors
/// What goes wrong on the way; a training that diverges is no error but a result.
pub fn run_density(
    experiment: &DensityExperiment,
    directory: &RunDirectory,
    session: &Session,
) -> Result<RunRecord> {
    let seeds = Seeds::new(experiment.seed, Generator::default());
    let mut record = RunRecord::new("train", experiment, seeds);
    let mut stages = Stages::open(directory, &record.experiment)?;
    let checkpoints = Checkpoints::of(experiment, directory);
    let truth = Truth::new(experiment.data.noise);
    let trainings = (experiment.methods.len() * experiment.repeats) as u64;
    session
        .watch
        .begin("training", trainings * experiment.updates);
    for (name, objective) in &experiment.methods {
        let (mut runs, mut held) = (Vec::new(), 0);
        for repeat in 0..experiment.repeats as u64 {
            let stage = format!("{name}-{repeat}");
            let run = stages.once(&stage, || {
                let course = Course {
                    experiment,
                    truth: &truth,
                    objective: *objective,
                    repeat,
                    checkpoints: &checkpoints,
                    stage: &stage,
                    session,
                };
                match experiment.drift {
                    true => learn_field(&course),
                    false => learn(&course),
                }
            })?;
            if let Some(why) = &run.diverged {
                let line = format!("{name}, repeat {repeat}: training diverged: {why}");
                record.warnings.push(line);
            }
            let cut = run.metrics.get("clip_fraction").copied().unwrap_or(0.0);
            if cut > MOST_CLIPPED {
                let line = format!(
                    "{name}, repeat {repeat}: {:.1} % of the forces were cut at force_clip: the step is too long for the landscape, and the chains are not at its law",
                    100.0 * cut
                );
                record.warnings.push(line);
            }
            let left = monitors::warnings(&run.monitors, 2, experiment.step);
            held += usize::from(left.is_empty() && run.diverged.is_none());
            let named = left.iter().map(|w| format!("{name}, repeat {repeat}: {w}"));
            record.warnings.extend(named);
            runs.push(run);
        }
        write(directory, name, &runs[0], experiment.drift)?;
        if !runs[0].identity.is_empty() {
            record.charts.push(identity::chart(name, &runs[0].identity));
        }
        record.charts.push(Chart {
            name: format!("loss-{name}"),
            title: format!("Loss of {name}"),
            caption: "Mean over the updates between points; one line per repeat.".to_owned(),
            x: "update".to_owned(),
            y: "loss".to_owned(),
            log_y: false,
            names: Vec::new(),
            series: runs
                .iter()
                .take(4)
                .enumerate()
                .map(|(k, run)| Series {
                    label: format!("repeat {k}"),
                    x: run.curve.iter().map(|c| c.0).collect(),
                    y: run.curve.iter().map(|c| c.1).collect(),
                    se: None,
                })
                .collect(),
        });
        let watched: Vec<&[Monitors]> = runs.iter().map(|r| &r.monitors[..]).collect();
        record.charts.extend(monitors::charts(name, &watched));
        let stable = runs.iter().filter(|r| r.diverged.is_none()).count();
        record.verdicts.push(Verdict {
            claim: format!("{name} trains without diverging"),
            established: Established::Decided(stable == runs.len()),
            evidence: format!("{stable} of {} repeats", runs.len()),
            more_device_seconds_needed: None,
        });
        if let Objective::Contrastive { .. } = objective {
            record
                .verdicts
                .push(monitors::verdict(name, held, &watched));
        }
        record.samplers.push(record_of(name, &runs));
    }
    session.watch.end();
    let by_likelihood =
        |(_, o): &(String, Objective)| matches!(o, Objective::MaximumLikelihood { .. });
    if experiment.methods.iter().any(by_likelihood) {
        let step = step_on_a_line(experiment, &truth)?;
        record.charts.push(step.chart());
        record.verdicts.push(step.verdict());
    }
    record
        .samplers
        .push(floor(&truth.moons, "kl", experiment.seed));
    directory.write_run(&record)?;
    stages.finish();
    checkpoints.forget();
    Ok(record)
}
