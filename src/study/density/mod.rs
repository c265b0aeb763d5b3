//! Two moons by every objective: each method trained `repeats` times from its own seed, judged against the exact density.
//!
//! How a learned law is judged is said in `study/moons.rs`.

mod field;
mod identity;
mod monitors;
mod one_step;
mod progress;

use self::field::learn_field;
use self::identity::{Identity, of_scores};
use self::one_step::{OneStep, one_step};
use super::Session;
use super::checkpoint::Checkpoints;
use super::moons::{DATA, JUDGE, POINTS, SHOWN, Truth, floor, judging, over_repeats, points};
use crate::dynamics::Generator;
use crate::dynamics::streams::chain_rng;
use crate::energy::Network;
use crate::error::{Error, Result};
use crate::experiment::{DensityExperiment, NoiseKey};
use crate::record::{
    Array, Chart, EnergyLedger, Established, RunDirectory, RunRecord, SamplerRecord, Seeds, Series,
    Stages, Verdict,
};
use crate::training::density::{
    DensitySettings, DensityTrainer, Monitors, NoiseLaw, Objective, PlaneGrid,
};
use nalgebra::{DMatrix, DVector};
use progress::Progress;
use rand::Rng;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Instant;

/// Domains of the random numbers.
const START: u64 = 0x601;
/// Share of cut forces above which the negative phase is not trusted.
const MOST_CLIPPED: f64 = 0.05;
/// Points kept of a learning curve.
const CURVE: u64 = 100;

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

/// Processor seconds of this process so far, where the system tells them (user and system time, in 1/100 s).
fn processor_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = text.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |k: usize| fields.get(k)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

fn columns(points: &[[f64; 2]]) -> DMatrix<f32> {
    let values = points.iter().flatten().map(|&v| v as f32);
    DMatrix::from_iterator(2, points.len(), values)
}

fn snapshot(network: &Network<f64>, update: u64, draws: &[[f64; 2]]) -> Snapshot {
    let law = SHOWN.law(&network.convert());
    let least = law.energy.iter().copied().fold(f64::INFINITY, f64::min);
    let coarse = PlaneGrid {
        cells: (30, 20),
        ..SHOWN
    };
    let places = DMatrix::from_fn(2, coarse.len(), |i, k| coarse.centre(k)[i]);
    let slopes = network.gradients(&places);
    let score = (0..coarse.len())
        .flat_map(|k| {
            let [x, y] = coarse.centre(k);
            [x, y, slopes[(0, k)], slopes[(1, k)]]
        })
        .collect();
    Snapshot {
        update,
        shade: law.energy.iter().map(|e| e - least).collect(),
        score,
        points: draws.iter().take(500).flatten().copied().collect(),
    }
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

/// Score and divergence of an energy at draws of the true law.
fn identity(truth: &Truth, network: &Network<f64>, update: u64, rng: &mut impl Rng) -> Identity {
    let points = columns(&truth.moons.sample(POINTS, rng)).map(f64::from);
    let divergences = network.laplacians(&points).iter().map(|l| -l).collect();
    let scores = -network.gradients(&points);
    of_scores(&truth.moons, &points, (&scores, divergences), update)
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

/// One repeat of one method.
fn learn(
    experiment: &DensityExperiment,
    truth: &Truth,
    objective: Objective,
    repeat: u64,
    (checkpoints, stage): (&Checkpoints<'_>, &str),
    session: &Session,
) -> Result<Trained> {
    let seed = experiment.seed.wrapping_add(repeat);
    let (data, centre) = data_of(experiment, truth, seed);
    let mut start = chain_rng(seed, START, 0);
    let sizes = sizes_of(experiment);
    let network = Network::<f32>::new(&sizes, experiment.confinement, &centre, &mut start)?;
    let noise = (experiment.noise == NoiseKey::Uniform).then(|| NoiseLaw::Uniform {
        low: DVector::from_vec(vec![SHOWN.x.0, SHOWN.y.0]),
        high: DVector::from_vec(vec![SHOWN.x.1, SHOWN.y.1]),
    });
    let settings = settings_of(experiment, objective, seed);
    let mut trainer = DensityTrainer::new(settings, data, network, noise, session.follow(false))?;
    let kept = checkpoints.kept::<Progress>()?;
    let mut progress = kept
        .filter(|kept| kept.stage == stage)
        .unwrap_or_else(|| Progress::new(stage, chain_rng(seed, JUDGE, 0)));
    if let Some(checkpoint) = progress.trainer.take() {
        trainer.resume(checkpoint)?;
        session.watch.advance(trainer.update());
    }
    let every = (experiment.updates / CURVE).max(1);
    while trainer.update() < experiment.updates {
        if session
            .interrupted
            .load(std::sync::atomic::Ordering::Relaxed)
        {
            return Err(Error::Interrupted);
        }
        let (clock, busy) = (Instant::now(), processor_seconds());
        let until = (trainer.update() + every).min(experiment.updates);
        let (from, mut loss) = (trainer.update(), 0.0);
        let trained = &mut progress.trained;
        while trainer.update() < until {
            // The last update before a point of the curve is watched.
            let moved = if trainer.update() + 1 == until {
                trainer.observed_step().map(|(step, seen)| {
                    trained.monitors.push(seen);
                    step
                })
            } else {
                trainer.step()
            };
            match moved {
                Ok(step) => {
                    loss += step.loss;
                    progress.clipped += step.clipped;
                }
                Err(Error::Diverged { detail, .. }) => {
                    trained.diverged = Some(detail);
                    return Ok(progress.trained);
                }
                Err(error) => return Err(error),
            }
        }
        trained.wall += clock.elapsed().as_secs_f64();
        let spent = processor_seconds().zip(busy).map(|(a, b)| a - b);
        progress.processor = progress.processor.zip(spent).map(|(sum, s)| sum + s);
        trained
            .curve
            .push((until as f64, loss / (until - from) as f64));
        session.watch.advance(until - from);
        if objective.matches_scores() {
            let (network, _) = trainer.learned()?;
            trained
                .identity
                .push(identity(truth, &network, until, &mut progress.judge));
        }
        // Pictures of the first repeat, at equal distances, the last at the end.
        let shown = trained.snapshots.len() as u64;
        let due = experiment.updates * (shown + 1) / experiment.snapshots as u64;
        if repeat == 0 && until >= due {
            let (network, _) = trainer.learned()?;
            let draws = judging()
                .law(&network.convert())
                .sample(500, &mut progress.judge);
            trained.snapshots.push(snapshot(&network, until, &draws));
        }
        progress.trainer = Some(trainer.checkpoint());
        checkpoints.keep(&progress)?;
    }
    let Progress {
        mut trained,
        mut judge,
        processor,
        clipped,
        ..
    } = progress;
    let (network, log_z) = trainer.learned()?;
    let law = judging().law(&network.convert());
    let (metrics, _) = truth.judge(&law, &mut judge, seed);
    trained.metrics = metrics;
    trained.metrics.extend(monitors::metrics(&trained.monitors));
    if let Objective::NoiseContrastive { .. } = objective {
        let error = (log_z - law.log_z).abs();
        trained.metrics.insert("log_z_error".to_owned(), error);
    }
    if let Objective::Contrastive { .. } = objective {
        let share = clipped / experiment.updates as f64;
        trained.metrics.insert("clip_fraction".to_owned(), share);
    }
    if let Some(seconds) = processor {
        trained
            .metrics
            .insert("processor_seconds".to_owned(), seconds);
    }
    trained.parameters = network.parameters().to_vec();
    Ok(trained)
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
                let kept = (&checkpoints, &stage[..]);
                if experiment.drift {
                    return learn_field(experiment, &truth, *objective, repeat, session);
                }
                learn(experiment, &truth, *objective, repeat, kept, session)
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
    record.samplers.push(floor(&truth.moons, experiment.seed));
    directory.write_run(&record)?;
    stages.finish();
    checkpoints.forget();
    Ok(record)
}
