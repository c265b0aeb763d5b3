//! Training of a restricted Boltzmann machine as an experiment asks for it, with its likelihood on held-out rows: ln Z by
//! enumeration of the smaller layer where that has at most 20 units, and by annealed importance sampling.

use super::Session;
use super::checkpoint::Checkpoints;
use super::chips::{Prepared, TRAINING};
use crate::energy::Parameters;
use crate::error::{Error, Result};
use crate::experiment::{Train, TrainRbm};
use crate::record::{
    Array, Chart, EnergyLedger, Established, Metric, RunDirectory, RunRecord, SamplerRecord,
    Series, TrainingRecord, Verdict,
};
use crate::sampler::Cost;
use crate::sampler::restricted::{MOST_SUMMED, RestrictedGibbs, chain_rng};
use crate::training::Method;
use crate::training::rbm::{
    AnnealedLogZ, AnnealingSettings, LogLikelihood, NegativePhase, Rbm, RbmCheckpoint, RbmSettings,
    RbmTrainer, annealed_log_z, base_rate_fields, base_rate_log_likelihood,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Points of a learning curve.
const CURVE_POINTS: u64 = 25;
/// Pictures drawn from the machine: rows, pictures in a row, sweeps from random spins.
const PICTURES: (usize, usize, u64) = (5, 12, 5000);
/// Domains of random streams.
const START: u64 = TRAINING + 0x10;
const ANNEALING: u64 = TRAINING + 0x20;
const DRAWN: u64 = TRAINING + 0x40;

/// Mean ln p of held-out rows after some updates, and the error of ln Z in it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Point {
    update: u64,
    value: f64,
    se: f64,
}

/// One trained machine.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Learned {
    parameters: Parameters,
    curve: Vec<Point>,
    /// Seconds of its updates.
    wall: f64,
}

/// What is saved to continue.
#[derive(Serialize, Deserialize)]
struct Saved {
    done: Vec<Learned>,
    trainer: RbmCheckpoint,
    curve: Vec<Point>,
    wall: f64,
}

/// The problem, split.
struct Problem<'a> {
    train: &'a Train,
    rbm: &'a TrainRbm,
    rows: Vec<Vec<f64>>,
    /// Rows that nothing is learned from; without any, the training rows again.
    held_out: Vec<Vec<f64>>,
    base: Vec<f64>,
    updates: u64,
    seed: u64,
}

impl<'a> Problem<'a> {
    fn new(prepared: &'a Prepared) -> Result<Option<Self>> {
        let Some(train) = &prepared.experiment.train else {
            return Ok(None);
        };
        let (Some(rbm), Some(data)) = (&train.rbm, &prepared.dataset) else {
            return Ok(None);
        };
        let pick = |rows: &[usize]| rows.iter().map(|&r| data.rows[r].clone()).collect();
        let rows: Vec<Vec<f64>> = pick(&data.train);
        let held_out = if data.test.is_empty() {
            rows.clone()
        } else {
            pick(&data.test)
        };
        let per_epoch = rows.len().div_ceil(train.batch) as u64;
        Ok(Some(Problem {
            base: base_rate_fields(&rows)?,
            updates: rbm
                .epochs
                .map_or(train.updates, |epochs| epochs.saturating_mul(per_epoch)),
            seed: prepared.experiment.seed,
            train,
            rbm,
            rows,
            held_out,
        }))
    }

    fn settings(&self, repeat: u64) -> RbmSettings {
        let rbm = self.rbm;
        RbmSettings {
            negative: match self.train.method {
                Method::Cd => NegativePhase::Cd { sweeps: rbm.sweeps },
                Method::Pcd => NegativePhase::Pcd {
                    sweeps: rbm.sweeps,
                    chains: rbm.chains,
                    restart: self.train.restart,
                },
                // The file's reader admits no other method here.
                _ => NegativePhase::Exact,
            },
            batch: self.train.batch,
            optimiser: self.train.optimiser,
            learning_rate: self.train.learning_rate,
            decay: self.train.decay,
            updates: self.updates,
            weight_l1: rbm.weight_decay_l1,
            weight_l2: self.train.weight_decay,
            centred: rbm.centred,
            seed: self.seed.wrapping_add(repeat),
        }
    }

    fn trainer(&self, repeat: u64) -> Result<RbmTrainer> {
        let mut rng = chain_rng(self.seed.wrapping_add(repeat), START, 0);
        let start = Rbm::start(
            &self.rows,
            self.train.hidden,
            self.train.start_spread,
            &mut rng,
        )?;
        RbmTrainer::new(self.settings(repeat), &self.rows, &start)
    }

    /// Whether ln Z can be summed.
    fn is_exact(&self) -> bool {
        self.base.len().min(self.train.hidden) <= MOST_SUMMED
    }

    fn annealed(&self, machine: &Rbm, repeat: u64, short: bool) -> Result<AnnealedLogZ> {
        let origin = (self.seed.wrapping_add(repeat), ANNEALING);
        let mut settings = AnnealingSettings::new(origin);
        if short {
            (settings.chains, settings.temperatures, settings.rest) = (64, 500, 10);
        }
        annealed_log_z(machine, &self.base, &settings)
    }

    fn point(&self, trainer: &RbmTrainer, repeat: u64) -> Result<Point> {
        let machine = trainer.machine()?;
        let (log_z, se) = if self.is_exact() {
            (machine.log_z()?, 0.0)
        } else {
            let annealed = self.annealed(&machine, repeat, true)?.forward;
            (annealed.log_z, annealed.se)
        };
        let value = machine.log_likelihood(&self.held_out, log_z).mean;
        Ok(Point {
            update: trainer.update(),
            value,
            se,
        })
    }
}

/// What can be refused before anything is written.
pub(super) fn check(prepared: &Prepared) -> Result<()> {
    match Problem::new(prepared)? {
        Some(problem) => problem.trainer(0).map(|_| ()),
        None => Ok(()),
    }
}

/// Trains the machines that the experiment asks for; returns the first one, and adds likelihoods and figures to the record.
pub(super) fn learn(
    prepared: &Prepared,
    directory: &RunDirectory,
    session: &Session,
    record: &mut RunRecord,
) -> Result<(Parameters, TrainingRecord)> {
    let Some(problem) = Problem::new(prepared)? else {
        return Err(Error::invalid(
            "train",
            "nothing",
            "sections [train] and [data]",
        ));
    };
    let learned = all(prepared, &problem, directory, session)?;
    let mut machines = Vec::new();
    for one in &learned {
        machines.push(Rbm::new(
            problem.base.len(),
            problem.train.hidden,
            one.parameters.clone(),
        )?);
    }
    session.watch.begin("likelihood", machines.len() as u64);
    let mut of_rows = Vec::new();
    for (repeat, (machine, one)) in machines.iter().zip(&learned).enumerate() {
        let (sampler, rows) = likelihood(&problem, machine, repeat as u64, one.wall)?;
        record.samplers.push(sampler);
        of_rows.push(rows);
        session.watch.advance(1);
    }
    session.watch.end();
    if prepared.dataset.as_ref().is_some_and(|d| d.test.is_empty()) {
        let words = "no test rows: likelihoods are those of the training rows";
        record.warnings.push(words.to_owned());
    }
    record.verdicts.push(verdict(&problem, record, &of_rows));
    record.charts.push(curve(&problem, &learned));
    draw(&problem, &machines[0], directory)?;
    let wall: f64 = learned.iter().map(|one| one.wall).sum();
    let through = format!("block Gibbs sampling, {} updates", problem.updates);
    let training = TrainingRecord {
        through,
        curve: Vec::new(),
        per_update: Cost::default(),
        wall_seconds: wall,
        coupling_check: None,
        refused_steps: 0,
        saturated_readings: None,
    };
    Ok((learned[0].parameters.clone(), training))
}

/// Machine after machine, from the directory's checkpoint on.
fn all(
    prepared: &Prepared,
    problem: &Problem<'_>,
    directory: &RunDirectory,
    session: &Session,
) -> Result<Vec<Learned>> {
    let checkpoints = Checkpoints::of(&prepared.experiment, directory);
    let (mut done, mut under_way) = (Vec::new(), None);
    if let Some(saved) = checkpoints.kept::<Saved>()? {
        done = saved.done;
        under_way = Some((saved.trainer, saved.curve, saved.wall));
    }
    let save = |done: &[Learned], trainer: &RbmTrainer, curve: &[Point], wall: f64| {
        checkpoints.keep(&Saved {
            done: done.to_vec(),
            trainer: trainer.checkpoint(),
            curve: curve.to_vec(),
            wall,
        })
    };
    let (updates, repeats) = (problem.updates, problem.rbm.repeats);
    let every = updates.div_ceil(CURVE_POINTS);
    session.watch.begin("training", updates * repeats);
    session.watch.advance(done.len() as u64 * updates);
    for repeat in done.len() as u64..repeats {
        let mut trainer = problem.trainer(repeat)?;
        let (mut curve, mut wall) = (Vec::new(), 0.0);
        match under_way.take() {
            Some((checkpoint, points, seconds)) => {
                trainer.resume(checkpoint)?;
                (curve, wall) = (points, seconds);
                session.watch.advance(trainer.update());
            }
            None => curve.push(problem.point(&trainer, repeat)?),
        }
        while trainer.update() < updates {
            let began = Instant::now();
            trainer.step()?;
            wall += began.elapsed().as_secs_f64();
            session.watch.advance(1);
            let update = trainer.update();
            if update % every == 0 || update == updates {
                curve.push(problem.point(&trainer, repeat)?);
            }
            let interrupted = session.interrupted.load(Ordering::Relaxed);
            if interrupted || (update % problem.train.checkpoint_every == 0 && update < updates) {
                save(&done, &trainer, &curve, wall)?;
            }
            if interrupted {
                return Err(Error::Interrupted);
            }
        }
        let parameters = trainer.parameters();
        if repeat + 1 == repeats {
            // A checkpoint of the finished run: sampling after it can be taken up too.
            save(&done, &trainer, &curve, wall)?;
        }
        done.push(Learned {
            parameters,
            curve,
            wall,
        });
    }
    session.watch.end();
    Ok(done)
}

/// ln Z and mean ln p of one machine; and ln p of each held-out row minus that of the base rates.
fn likelihood(
    problem: &Problem<'_>,
    machine: &Rbm,
    repeat: u64,
    wall: f64,
) -> Result<(SamplerRecord, Vec<f64>)> {
    let annealed = problem.annealed(machine, repeat, false)?;
    let exact = if problem.is_exact() {
        Some(machine.log_z()?)
    } else {
        None
    };
    let (log_z, error) = exact.map_or((annealed.forward.log_z, annealed.forward.se), |z| (z, 0.0));
    // The error of the mean over rows, and that of ln Z which all rows share.
    let metric = |l: LogLikelihood| Metric {
        value: l.mean,
        se: Some(l.se.hypot(error)),
    };
    let with = |value: f64, se: f64| Metric {
        value,
        se: Some(se),
    };
    let base = base_rate_log_likelihood(&problem.base, &problem.held_out);
    let mut metrics = BTreeMap::from([
        (
            "test_log_likelihood".to_owned(),
            metric(machine.log_likelihood(&problem.held_out, log_z)),
        ),
        (
            "train_log_likelihood".to_owned(),
            metric(machine.log_likelihood(&problem.rows, log_z)),
        ),
        (
            "base_rate_log_likelihood".to_owned(),
            with(base.mean, base.se),
        ),
        (
            "log_z_ais".to_owned(),
            with(annealed.forward.log_z, annealed.forward.se),
        ),
        (
            "log_z_ais_backward".to_owned(),
            with(annealed.backward.log_z, annealed.backward.se),
        ),
    ]);
    if let Some(value) = exact {
        metrics.insert("log_z".to_owned(), Metric { value, se: None });
    }
    let rows = problem.held_out.iter().map(|row| {
        let own = machine.negative_free_energy(row) - log_z;
        own - base_rate_log_likelihood(&problem.base, std::slice::from_ref(row)).mean
    });
    let facts = BTreeMap::from([
        (
            "ln Z of the likelihoods".to_owned(),
            if exact.is_some() {
                "enumeration"
            } else {
                "forward annealing"
            }
            .to_owned(),
        ),
        (
            "annealing".to_owned(),
            format!(
                "256 chains, 2000 temperatures; {:.0} effective forward, {:.0} backward",
                annealed.forward.ess, annealed.backward.ess
            ),
        ),
    ]);
    let record = SamplerRecord {
        name: format!("rbm-seed-{}", problem.seed.wrapping_add(repeat)),
        kind: "digital".to_owned(),
        metrics,
        ess_min: None,
        rhat_max: None,
        node_beta: Vec::new(),
        device_seconds: None,
        wall_seconds: wall,
        energy_joules: EnergyLedger::default(),
        predicted_bias: None,
        facts,
    };
    Ok((record, rows.collect()))
}

/// Whether the machines say more of unseen rows than independent pixels do: the paired difference, at five of its errors.
fn verdict(problem: &Problem<'_>, record: &RunRecord, of_rows: &[Vec<f64>]) -> Verdict {
    let values = record
        .samplers
        .iter()
        .filter_map(|s| s.metrics.get("test_log_likelihood"));
    let mut values: Vec<f64> = values.map(|m| m.value).collect();
    values.sort_by(f64::total_cmp);
    let median = (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0;
    let gains: Vec<LogLikelihood> = of_rows.iter().map(|rows| LogLikelihood::of(rows)).collect();
    let smallest = gains
        .iter()
        .map(|g| g.mean / g.se)
        .fold(f64::INFINITY, f64::min);
    let list: Vec<String> = values.iter().rev().map(|v| format!("{v:.3}")).collect();
    let base = base_rate_log_likelihood(&problem.base, &problem.held_out).mean;
    Verdict {
        claim: "the machine says more of held-out rows than independent spins do".to_owned(),
        established: Established::Decided(smallest > 5.0),
        evidence: format!(
            "median log-likelihood {median:.3} nats a row over {} seeds ({}); independent spins {base:.3}; paired gain at least {smallest:.0} standard errors",
            values.len(),
            list.join(", ")
        ),
        more_device_seconds_needed: None,
    }
}

/// The learning curves.
fn curve(problem: &Problem<'_>, learned: &[Learned]) -> Chart {
    let per_epoch = problem.rows.len().div_ceil(problem.train.batch) as f64;
    let exact = problem.is_exact();
    let mut series: Vec<Series> = learned
        .iter()
        .enumerate()
        .map(|(repeat, one)| Series {
            label: format!("seed {}", problem.seed.wrapping_add(repeat as u64)),
            x: one
                .curve
                .iter()
                .map(|p| p.update as f64 / per_epoch)
                .collect(),
            y: one.curve.iter().map(|p| p.value).collect(),
            se: (!exact).then(|| one.curve.iter().map(|p| p.se).collect()),
        })
        .collect();
    let base = base_rate_log_likelihood(&problem.base, &problem.held_out).mean;
    series.push(Series {
        label: "independent spins".to_owned(),
        x: vec![0.0, problem.updates as f64 / per_epoch],
        y: vec![base; 2],
        se: None,
    });
    let how = if exact {
        "ln Z by enumeration of the smaller layer."
    } else {
        "ln Z by annealed importance sampling, 64 chains of 500 temperatures; bars are its standard errors."
    };
    Chart {
        name: "likelihood".to_owned(),
        title: "Log-likelihood of held-out rows".to_owned(),
        caption: format!("Mean over {} rows; {how}", problem.held_out.len()),
        x: "epoch".to_owned(),
        y: "nats per row".to_owned(),
        log_y: false,
        names: Vec::new(),
        series,
    }
}

/// Pictures drawn from the machine by long chains from random spins.
fn draw(problem: &Problem<'_>, machine: &Rbm, directory: &RunDirectory) -> Result<()> {
    use rand::RngExt;
    let (rows, each, sweeps) = PICTURES;
    let (n, m) = (machine.visible(), machine.hidden());
    let mut gibbs = RestrictedGibbs::new(n, m, rows * each, (problem.seed, DRAWN));
    let Parameters { fields, couplings } = machine.parameters();
    gibbs.reprogram(fields, couplings)?;
    let mut rng = chain_rng(problem.seed, DRAWN, u64::MAX);
    for chain in 0..rows * each {
        let spins: Vec<f32> = (0..n)
            .map(|_| if rng.random() { 1.0 } else { -1.0 })
            .collect();
        gibbs.place(chain, &spins);
    }
    gibbs.sweep(rows * each, sweeps);
    let x = gibbs
        .state()
        .visible
        .iter()
        .map(|&v| f32::from(v))
        .collect();
    directory.write_arrays(
        "pictures-rbm.npz",
        &[("x", Array::f32(&[rows, each, n], x))],
    )
}
