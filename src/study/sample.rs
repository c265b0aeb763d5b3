//! Running each sampler of an experiment through the same phases.

use super::Session;
use super::accuracy::Path;
use super::chips::Prepared;
use super::likelihood::{Judge, law_of_plane};
use super::linear_algebra;
use super::measure::Measured;
use super::moons::{self, Landscape, PlaneMarginal};
use super::reference::{Reference, state_index};
use super::stream;
use crate::data::MoonNodes;
use crate::diagnostics;
use crate::energy::{Domain, Model, Parametric};
use crate::error::Result;
use crate::experiment::Digital;
use crate::hardware::{PlacementReport, Programmed};
use crate::record::{
    Array, CalibrationRecord, EnergyLedger, Metric, ProgramRecord, RunDirectory, SamplerRecord,
};
use crate::sampler::{
    Annealed, Cost, Description, Horizon, Phase, Run, Sampler, Samples, Schedule, Seconds, anneal,
};
use std::collections::BTreeMap;
use std::time::Instant;

/// Recorded numbers beyond which draws are thinned when the file does not say how.
const MOST_VALUES: u64 = 64_000_000;

/// The streams of sampler `k` in a phase: sixteen domains each, those of dice beyond the sixteenth far above all others.
fn streams_of(k: usize, phase: u64) -> u64 {
    let k = k as u64;
    16 * (k % 16) + phase + ((k / 16) << 32)
}

/// Which sampler of the experiment.
#[derive(Clone, Debug)]
pub(super) enum Contender {
    /// Index into the dies (0: ideal).
    Chip(usize),
    /// Index into `[[digital]]`.
    Digital(usize),
}

/// A sampler's free run, measured.
#[derive(Debug)]
pub(super) struct Outcome {
    pub contender: Contender,
    pub description: Description,
    pub run: Run,
    pub measured: Measured,
    pub record: SamplerRecord,
    /// Wall time of building and running the sampler alone.
    pub sampling_seconds: f64,
    /// Its accuracy, once it has been held against an exact law.
    pub path: Option<Path>,
}

impl Prepared {
    /// All samplers, chips first.
    pub(super) fn contenders(&self) -> Vec<Contender> {
        let chips = (0..self.dies.len()).map(Contender::Chip);
        chips
            .chain((0..self.experiment.digital.len()).map(Contender::Digital))
            .collect()
    }

    /// A sampler with `chains` chains; `domain` tells its streams from those of other phases.
    pub(super) fn sampler(
        &self,
        contender: &Contender,
        model: &Model,
        chains: usize,
        domain: u64,
        session: &Session,
    ) -> Result<Box<dyn Sampler>> {
        let follow = session.follow(true);
        match contender {
            Contender::Chip(k) => {
                let programmed = self.program(&self.dies[*k], model)?;
                let tolerance = self.experiment.plan.bias_tolerance;
                self.analog(
                    programmed,
                    chains,
                    streams_of(*k, domain),
                    follow,
                    tolerance,
                )
            }
            Contender::Digital(k) => self.digital(
                &self.experiment.digital[*k],
                model,
                chains,
                streams_of(*k, domain),
                follow,
            ),
        }
    }

    /// The free phase: burn-in, duration and spacing as the plan or the `[[digital]]` section says.
    pub(super) fn phase(&self, contender: &Contender, warnings: &mut Vec<String>) -> Phase {
        match contender {
            Contender::Chip(_) => Phase {
                burn_in: Horizon::Seconds(self.seconds(&self.experiment.plan.burn_in)),
                duration: Horizon::Seconds(self.seconds(&self.experiment.plan.duration)),
                every: Some(Horizon::Seconds(self.sample_period())),
                clamp: self.clamp(self.chains(contender)),
            },
            Contender::Digital(k) => {
                let digital = &self.experiment.digital[*k];
                Phase {
                    burn_in: Horizon::Steps(digital.burn_in),
                    duration: Horizon::Steps(digital.steps),
                    every: Some(Horizon::Steps(self.thin(digital, warnings))),
                    clamp: self.clamp(self.chains(contender)),
                }
            }
        }
    }

    fn thin(&self, digital: &Digital, warnings: &mut Vec<String>) -> u64 {
        let chains = digital.chains.unwrap_or(self.experiment.plan.chains) as u64;
        let per_draw = chains * self.model.dim() as u64;
        match digital.thin {
            Some(thin) => thin,
            None => {
                let thin = (per_draw * digital.steps).div_ceil(MOST_VALUES).max(1);
                if thin > 1 {
                    let line = format!(
                        "{}: thin = {thin} (recording every step would be {} numbers)",
                        digital.sampler,
                        per_draw * digital.steps
                    );
                    if !warnings.contains(&line) {
                        warnings.push(line);
                    }
                }
                thin
            }
        }
    }

    /// Takes a sampler through the plan's annealing, if there is any: device time on a chip; the energy's own time (Langevin)
    /// or sweeps (Gibbs) digitally, with τ as the unit.
    fn anneal(
        &self,
        contender: &Contender,
        model: &Model,
        sampler: &mut dyn Sampler,
    ) -> Result<Cost> {
        let Some(plan) = &self.experiment.plan.anneal else {
            return Ok(sampler.written());
        };
        let seconds = self.seconds(&plan.over);
        let over = match contender {
            Contender::Chip(_) => seconds,
            Contender::Digital(_) => seconds / self.tau(),
        };
        let horizon: fn(f64) -> Horizon = match contender {
            Contender::Chip(_) => Horizon::Seconds,
            Contender::Digital(_) if sampler.describe().step.is_none() => {
                |t| Horizon::Steps((t - 1e-9).ceil().max(1.0) as u64)
            }
            Contender::Digital(_) => Horizon::Time,
        };
        let corners = plan.corners.iter().map(|&(t, beta)| (t * over, beta));
        let schedule = Schedule::new(corners.collect(), plan.geometric, plan.stretches)?;
        let clamp = self.clamp(sampler.describe().chains);
        let what = if plan.of == "all" {
            Annealed::All
        } else {
            Annealed::Couplings
        };
        anneal(
            sampler,
            &model.parameters(),
            (&schedule, what),
            horizon,
            clamp,
        )
    }

    /// Chains of a sampler.
    pub(super) fn chains(&self, contender: &Contender) -> usize {
        match contender {
            Contender::Chip(_) => self.experiment.plan.chains,
            Contender::Digital(k) => self.experiment.digital[*k]
                .chains
                .unwrap_or(self.experiment.plan.chains),
        }
    }

    /// Runs one sampler freely and measures it; writes nothing.
    pub(super) fn measured_run(
        &self,
        contender: Contender,
        model: &Model,
        session: &Session,
        warnings: &mut Vec<String>,
    ) -> Result<Outcome> {
        let began = Instant::now();
        let chains = self.chains(&contender);
        let mut sampler = self.sampler(&contender, model, chains, 0, session)?;
        let phase = self.phase(&contender, warnings);
        let name = sampler.describe().name;
        session.watch.begin(
            &name,
            chains as u64 * steps_estimate(&phase, &*sampler, self),
        );
        sampler.restore(&self.initial(chains))?;
        let annealed = self.anneal(&contender, model, &mut *sampler)?;
        let mut run = sampler.run(&phase)?;
        run.cost = annealed.plus(run.cost);
        session.watch.end();
        let sampling_seconds = began.elapsed().as_secs_f64();
        let description = sampler.describe();
        let measured = Measured::new(model, &run.samples, phase.clamp.as_ref());
        let mut metrics = measured.metrics(&run);
        metrics.extend(self.linear_algebra(&contender, model, &run)?);
        let draws = run.samples.draws as u64;
        let mut record = self.record(&contender, model, &description, &run, draws, metrics)?;
        record.node_beta = measured.node_beta();
        record.ess_min = measured.ess_min;
        record.energy_joules.per_effective_sample = measured.ess_min.map(|ess| run.cost.per(ess));
        record.rhat_max = measured.rhat_max;
        record.wall_seconds = began.elapsed().as_secs_f64();
        Ok(Outcome {
            contender,
            description,
            run,
            measured,
            record,
            sampling_seconds,
            path: None,
        })
    }

    /// Runs one sampler freely and measures it; writes its draws.
    pub(super) fn free_run(
        &self,
        contender: Contender,
        model: &Model,
        directory: &RunDirectory,
        session: &Session,
        warnings: &mut Vec<String>,
    ) -> Result<Outcome> {
        let began = Instant::now();
        let mut outcome = self.measured_run(contender, model, session, warnings)?;
        let (name, s) = (&outcome.description.name, &outcome.run.samples);
        let mut arrays = vec![
            ("x", Array::f32(&[s.chains, s.draws, s.nodes], s.x.clone())),
            ("t", Array::f64(&[s.draws], s.t.clone())),
            (
                "energy",
                Array::f64(&[s.chains, s.draws], outcome.measured.energy.clone()),
            ),
        ];
        if let Some(graph) = model.factors() {
            // What x means: 0 for a spin (±1), K for a category (0..K).
            let domain = graph.domains().iter().map(|domain| match domain {
                Domain::Spin => 0.0,
                Domain::Categorical(states) => *states as f64,
            });
            arrays.push(("domain", Array::f64(&[s.nodes], domain.collect())));
        }
        directory.write_arrays(&format!("samples-{name}.npz"), &arrays)?;
        if let Some(nodes) = self.dataset.as_ref().and_then(|d| d.moons) {
            let law = self.law_of_plane(&outcome.contender, model, &nodes)?;
            let picture = moons::picture(&moons::points_of(&nodes, s), law.as_deref());
            directory.write_arrays(&format!("landscape-{name}.npz"), &picture)?;
            let distances = moons::distances(&nodes, s, self.experiment.seed);
            outcome.record.metrics.extend(distances);
        }
        if self.experiment.plan.record == "both" {
            let clamp = self.clamp(s.chains);
            let held = clamp.as_ref().map_or(&[][..], |c| &c.nodes);
            let arrays = stream::moments_of(model, &self.products(), s, held);
            directory.write_arrays(&format!("moments-{name}.npz"), &arrays)?;
        }
        outcome.record.wall_seconds = began.elapsed().as_secs_f64();
        Ok(outcome)
    }

    /// The law of the plane that a sampler draws from, where it is known.
    fn law_of_plane(
        &self,
        contender: &Contender,
        model: &Model,
        nodes: &MoonNodes,
    ) -> Result<Option<Box<dyn Landscape>>> {
        Ok(match (contender, model) {
            (Contender::Chip(k), _) => law_of_plane(&self.program(&self.dies[*k], model)?, nodes),
            (_, Model::SoftSpin(energy)) => {
                let law = PlaneMarginal::new(*nodes, energy, [0.0; 2]).ok();
                law.map(|law| Box::new(law) as Box<dyn Landscape>)
            }
            _ => None,
        })
    }

    /// What a Gaussian's draws say of A⁻¹b, A⁻¹ and log det A; for chips beside the errors that the law allows.
    fn linear_algebra(
        &self,
        contender: &Contender,
        model: &Model,
        run: &Run,
    ) -> Result<BTreeMap<String, Metric>> {
        let (Model::Quadratic(energy), None) = (model, &self.held) else {
            return Ok(BTreeMap::new());
        };
        let samples = &run.samples;
        let mut metrics = linear_algebra::estimates(energy, samples);
        if let (Contender::Chip(k), [first, second, ..]) = (contender, &samples.t[..]) {
            let programmed = self.program(&self.dies[*k], model)?;
            let view = programmed.view();
            let rows: Vec<usize> = (0..samples.nodes).filter_map(|i| view.row_of(i)).collect();
            let interval = (second - first) / programmed.seconds_per_time();
            let law = linear_algebra::error_law(programmed.process(), &rows, interval)?;
            if let (Some(law), true) = (law, rows.len() == samples.nodes) {
                for (name, value) in [
                    ("solve_error2_law", law.mean),
                    ("inverse_error2_law", law.covariance),
                ] {
                    let value = value / samples.draws as f64;
                    metrics.insert(name.to_owned(), Metric { value, se: None });
                }
            }
        }
        Ok(metrics)
    }

    /// Runs one sampler freely and keeps moments instead of draws.
    pub(super) fn streamed_run(
        &self,
        contender: &Contender,
        model: &Model,
        directory: &RunDirectory,
        session: &Session,
        warnings: &mut Vec<String>,
    ) -> Result<SamplerRecord> {
        let began = Instant::now();
        let chains = self.chains(contender);
        let mut sampler = self.sampler(contender, model, chains, 0, session)?;
        let phase = self.phase(contender, warnings);
        let description = sampler.describe();
        let name = &description.name;
        let steps = chains as u64 * steps_estimate(&phase, &*sampler, self);
        session.watch.begin(name, steps);
        sampler.restore(&self.initial(chains))?;
        let annealed = self.anneal(contender, model, &mut *sampler)?;
        let mut streamed = stream::run(model, &self.products(), &mut *sampler, &phase)?;
        streamed.run.cost = annealed.plus(streamed.run.cost);
        session.watch.end();
        directory.write_arrays(&format!("moments-{name}.npz"), &streamed.arrays)?;
        let (draws, metrics) = (streamed.draws, streamed.metrics);
        let run = &streamed.run;
        let mut record = self.record(contender, model, &sampler.describe(), run, draws, metrics)?;
        record.wall_seconds = began.elapsed().as_secs_f64();
        Ok(record)
    }

    /// What is written about a sampler's run.
    fn record(
        &self,
        contender: &Contender,
        model: &Model,
        description: &Description,
        run: &Run,
        draws: u64,
        metrics: BTreeMap<String, Metric>,
    ) -> Result<SamplerRecord> {
        let mut facts = BTreeMap::from([
            ("chains".to_owned(), run.samples.chains.to_string()),
            ("draws per chain".to_owned(), draws.to_string()),
            ("steps per chain".to_owned(), run.steps.to_string()),
        ]);
        if let Some(step) = description.step {
            facts.insert("step".to_owned(), format!("{step:.4e}"));
        }
        let provenance = match &contender {
            Contender::Chip(k) => {
                let programmed = self.program(&self.dies[*k], model)?;
                facts.insert("scheme".to_owned(), self.scheme(&programmed));
                if let Some(placed) = programmed.placement() {
                    facts.insert("placement".to_owned(), placement_words(&placed));
                }
                if programmed.auxiliaries() > 0 {
                    let words = programmed.auxiliaries().to_string();
                    facts.insert("auxiliary spins".to_owned(), words);
                }
                programmed.ledger().provenance.clone()
            }
            Contender::Digital(_) => BTreeMap::new(),
        };
        Ok(SamplerRecord {
            name: description.name.clone(),
            kind: description.kind.clone(),
            metrics,
            ess_min: None,
            rhat_max: None,
            node_beta: Vec::new(),
            device_seconds: run.cost.device_seconds,
            wall_seconds: 0.0,
            energy_joules: EnergyLedger {
                joules: run.cost,
                per_effective_sample: None,
                provenance,
            },
            predicted_bias: description.predicted_bias,
            facts,
        })
    }

    /// A few nodes of the first four chains, finely sampled: the same paths as the free run's start.
    pub(super) fn trajectories(
        &self,
        model: &Model,
        directory: &RunDirectory,
        session: &Session,
    ) -> Result<()> {
        let plan = &self.experiment.plan;
        if plan.trajectory_nodes.is_empty() {
            return Ok(());
        }
        let chains = 4.min(plan.chains);
        let nodes = &plan.trajectory_nodes;
        let mut arrays = vec![(
            "nodes".to_owned(),
            Array::f64(&[nodes.len()], nodes.iter().map(|&n| n as f64).collect()),
        )];
        let period = plan
            .trajectory_period
            .as_ref()
            .map_or(self.sample_period(), |t| self.seconds(t));
        for contender in self.contenders() {
            let mut sampler = self.sampler(&contender, model, chains, 0, session)?;
            let draws = 400;
            let phase = match &contender {
                Contender::Chip(_) => Phase {
                    burn_in: Horizon::Seconds(0.0),
                    duration: Horizon::Seconds(period * draws as f64),
                    every: Some(Horizon::Seconds(period)),
                    clamp: self.clamp(chains),
                },
                Contender::Digital(k) => {
                    // Neither a path in the energy's own time nor sweeps of one chain.
                    let digital = &self.experiment.digital[*k];
                    let spins = model.continuous().is_none() && digital.sampler != "annealing";
                    let path = matches!(digital.sampler.as_str(), "ula" | "lm");
                    if !(spins || path) || digital.precondition.is_some() {
                        continue;
                    }
                    let step = sampler.describe().step;
                    let every =
                        step.map_or(1, |h| ((period / self.tau() / h).round() as u64).max(1));
                    Phase {
                        burn_in: Horizon::Steps(0),
                        duration: Horizon::Steps(draws * every),
                        every: Some(Horizon::Steps(every)),
                        clamp: self.clamp(chains),
                    }
                }
            };
            sampler.restore(&self.initial(chains))?;
            self.anneal(&contender, model, &mut *sampler)?;
            let run = sampler.run(&phase)?;
            let s = &run.samples;
            // Volts for chips of real variables; the energy's variable otherwise.
            let unit = match &contender {
                Contender::Chip(k) if model.discrete().is_none() => {
                    self.program(&self.dies[*k], model)?.volts_per_x()
                }
                _ => 1.0,
            };
            let x: Vec<f64> =
                s.x.chunks(s.nodes)
                    .flat_map(|row| nodes.iter().map(|&n| f64::from(row[n]) * unit))
                    .collect();
            let name = sampler.describe().name;
            arrays.push((
                format!("{name}_x"),
                Array::f64(&[s.chains, s.draws, nodes.len()], x),
            ));
            arrays.push((format!("{name}_t"), Array::f64(&[s.draws], s.t.clone())));
            arrays.push((format!("{name}_unit"), Array::f64(&[1], vec![unit])));
        }
        let list: Vec<(&str, Array)> = arrays
            .iter()
            .map(|(n, a)| (n.as_str(), a.clone()))
            .collect();
        directory.write_arrays("trajectory.npz", &list)
    }
}

/// What chains of copies cost, in words.
fn placement_words(placed: &PlacementReport) -> String {
    let range = match (placed.range, placed.native_range) {
        (Some(range), Some(native)) => format!(
            "; this energy may be multiplied by {range:.3} until that is out of range (by {native:.3} where every pair is joined)"
        ),
        _ => String::new(),
    };
    format!(
        "{} sites and {} couplers, up to {} copies of a spin, coupled by {:.3} ({:.3} keeps broken chains below 1 %); at most {:.2e} of \
         readings find one broken{range}; spins are read by majority",
        placed.sites,
        placed.joins,
        placed.longest_chain,
        placed.chain_coupling,
        placed.needed_coupling,
        placed.broken_bound.min(1.0),
    )
}

/// Chain-steps a phase will take, for the progress bar.
fn steps_estimate(phase: &Phase, sampler: &dyn Sampler, prepared: &Prepared) -> u64 {
    let step = sampler.describe().step.unwrap_or(1.0);
    let steps = |horizon: Horizon| match horizon {
        Horizon::Steps(steps) => steps,
        Horizon::Time(time) => (time / step) as u64,
        Horizon::Seconds(s) => (s / prepared.tau() / step) as u64,
    };
    steps(phase.burn_in) + steps(phase.duration)
}

/// How each die was programmed.
pub(super) fn program_records(prepared: &Prepared, model: &Model) -> Result<Vec<ProgramRecord>> {
    let judge = Judge::new(prepared);
    prepared
        .dies
        .iter()
        .map(|die| {
            let programmed = prepared.program(die, model)?;
            let report = programmed.report();
            Ok(ProgramRecord {
                sampler: format!("analog-{}", die.name()),
                scale: report.scale,
                voltage_unit: Some(report.voltage_unit),
                tau_seconds: programmed.tau(),
                coupling_rms_error: report.coupling_rms_error,
                coupling_max_error: report.coupling_max_error,
                field_rms_error: report.field_rms_error,
                dac_step: report.dac_step,
                clipped: report.clipped,
                excess_noise_share: report.excess_noise_share,
                exact_tv: report.divergence.and_then(|d| d.tv),
                exact_kl: report.divergence.map(|d| d.kl),
                likelihood: judge.as_ref().and_then(|judge| judge.of(&programmed)),
                entropy_production: report.entropy_production,
                no_energy_because: report.no_energy_because,
                nonidealities: report.nonidealities,
                calibration: calibration_record(&programmed),
            })
        })
        .collect()
}

/// What the die's calibration found and left.
fn calibration_record(programmed: &Programmed) -> Option<CalibrationRecord> {
    let die = programmed.die();
    let found = die.calibration.as_ref()?;
    let n = found.offsets.len() as f64;
    let rms = |f: &dyn Fn(&(f64, f64)) -> f64| {
        (found.offsets.iter().map(|o| f(o).powi(2)).sum::<f64>() / n).sqrt()
    };
    let residual = programmed.site_residual();
    Some(CalibrationRecord {
        offset_rms: rms(&|o| o.0),
        offset_se: rms(&|o| o.1),
        correction: Metric {
            value: found.correction,
            se: Some(found.correction_error),
        },
        gain_scatter: found.gain_scatter,
        residual_logit: residual.map(|r| r.0),
        residual_probability: residual.map(|r| r.1),
        age_seconds: die.age,
        device_seconds: found.device_seconds,
        energy_joules: Cost {
            device_seconds: Some(found.device_seconds),
            ..Cost::of(found.spent, Seconds::default())
        },
    })
}

/// Adds tv and kl against the exact probabilities, with the sampling floor, to the metrics of a sampler of spins or factors.
pub(super) fn add_discrete_distances(model: &Model, outcome: &mut Outcome, reference: &Reference) {
    let found = discrete_distances(model, &outcome.run.samples, &outcome.measured, reference);
    for (name, value) in found {
        let metric = Metric { value, se: None };
        outcome.record.metrics.insert(name.to_owned(), metric);
    }
}

/// `tv`, `tv_floor` and `kl` of draws against the exact probabilities; none without those.
pub(super) fn discrete_distances(
    model: &Model,
    s: &Samples,
    measured: &Measured,
    reference: &Reference,
) -> Vec<(&'static str, f64)> {
    let Some(p) = &reference.probabilities else {
        return Vec::new();
    };
    let mut counts = vec![0.0; p.len()];
    for x in s.x.chunks(s.nodes) {
        counts[state_index(model, x, &measured.free)] += 1.0;
    }
    let total = (s.chains * s.draws) as f64;
    let q: Vec<f64> = counts.iter().map(|c| c / total).collect();
    // Correlated draws: the floor is that of the effective number of them.
    let effective = measured.ess_min.unwrap_or(total).min(total);
    let effective = (effective.round() as u64).max(1);
    vec![
        ("tv", diagnostics::total_variation(p, &q)),
        (
            "tv_floor",
            diagnostics::expected_total_variation(p, effective),
        ),
        ("kl", diagnostics::kl_divergence(&q, p)),
    ]
}
