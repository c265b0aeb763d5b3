//! Every sampler on every energy of a reference set, against exact moments: one cell each.
//!
//! Of each mean and each covariance z = (estimate − exact)/s.e., the standard errors being those of chains as replicates.
//! A cell contradicts its law where the largest |z| of its K moments has K · 2 P(T > |z|) below the alarm of a cell, T of
//! Student's law with chains − 1 degrees of freedom; the alarms of all cells add up to [`FALSE_ALARM`].
//! A chain that has not mixed says nothing of the law it would have; a scheme that is biased by its step is shown with its
//! bias and not failed.

use super::exact_draws::exact_draws;
use super::measure::Measured;
use super::reference::{Reference, exact_reference};
use super::sample::{Contender, Outcome, discrete_distances};
use super::{Prepared, Session, agree};
use crate::diagnostics::{Moments, expected_kl_divergence};
use crate::dynamics::streams::chain_rng;
use crate::energy::{Domain, FactorGraph, Model};
use crate::error::{Error, Result};
use crate::experiment::{Digital, Experiment, Hardware, Initial, ReferenceEnergy, ScaleKey};
use crate::hardware::card::card;
use crate::record::{CellNumbers, CellStanding, Matrix, MatrixCell, MatrixRow};
use crate::sampler::{Run, Samples};
use rand::RngExt;
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Probability that a matrix of samplers that are all right shows a contradiction somewhere.
pub const FALSE_ALARM: f64 = 1e-4;
/// Split R-hat up to which chains count as mixed: about ten effective draws per chain, so that a quarter of the run as
/// burn-in leaves nothing of the start.
const MIXED: f64 = 1.05;

/// A column: its name, the sampler, steps of its recorded part, spacing of the draws.
const DIGITAL: &[(&str, &str, u64, u64)] = &[
    ("ula", "ula", 80_000, 200),
    ("lm", "lm", 80_000, 200),
    ("baoab", "baoab", 40_000, 100),
    ("mala", "mala", 20_000, 50),
    ("hmc", "hmc", 4_000, 10),
    ("hmc-preconditioned", "hmc", 4_000, 10),
    ("metropolis", "metropolis", 20_000, 50),
    ("gibbs", "gibbs", 4_000, 10),
    ("tempering", "tempering", 4_000, 10),
    ("annealing", "annealing", 6_400, 100),
];
/// Independent draws, and the chip without imperfections.
const OTHERS: [&str; 2] = ["exact", "analog-ideal"];
/// Chains of every sampler.
const CHAINS: usize = 256;
/// Domain of the random numbers of starts.
const START: u64 = 0x700;
/// Independent draws of a chain.
const EXACT_DRAWS: usize = 100;

/// The columns, by name.
pub fn reference_samplers() -> Vec<&'static str> {
    let digital = DIGITAL.iter().map(|d| d.0);
    OTHERS.into_iter().chain(digital).collect()
}

/// How a matrix is run.
#[derive(Clone, Debug, Default)]
pub struct MatrixPlan {
    /// Columns, in the order of [`reference_samplers`]; empty: all.
    pub samplers: Vec<String>,
    /// Seed of everything.
    pub seed: u64,
    /// Time after which no cell is begun.
    pub limit: Option<Duration>,
}

/// The chip whose host wires categories.
const HOSTED: &str = "x0_test_chip";

fn has_categories(graph: &FactorGraph) -> bool {
    let domains = graph.domains();
    domains.iter().any(|d| matches!(d, Domain::Categorical(_)))
}

/// Burn-in, duration and spacing of a chip's draws: in its time constants, or in rounds of its host, whose elements settle
/// within each.
fn times(model: &Model) -> Result<[String; 3]> {
    let hosted = model.factors().filter(|graph| has_categories(graph));
    let Some(graph) = hosted else {
        return Ok([150.0, 600.0, 1.5].map(|n| format!("{n} tau")));
    };
    let trip = card(HOSTED)?.get("physics.round_trip").ok_or_else(|| {
        let expected = "the time of a host's round";
        Error::invalid("physics.round_trip", "nothing", expected)
    })?;
    let round = 1e9 * trip * graph.colouring().len() as f64;
    Ok([150.0, 600.0, 2.0].map(|n| format!("{} ns", (n * round).round())))
}

/// The chip that takes energies of this kind.
fn card_for(model: &Model) -> Option<&'static str> {
    match model {
        Model::Quadratic(_) => Some("rc_gaussian"),
        Model::SoftSpin(_) => Some("soft_spin_cmos"),
        Model::Factors(graph) if has_categories(graph) => Some(HOSTED),
        Model::Ising(_) | Model::Factors(_) => Some("pbit_cmos_subthreshold"),
        Model::Mixture(_) | Model::FluxCells(_) => None,
    }
}

/// Where chains begin: states at random, real variables evenly within three deviations of their means. That is wider than any
/// law, without which chains that have not moved far would agree with each other.
fn start(model: &Model, reference: &Reference, seed: u64) -> Initial {
    if model.continuous().is_none() {
        return Initial::Word("random".to_owned());
    }
    let (mean, n) = (&reference.moments.mean, model.dim());
    let states = (0..CHAINS).map(|chain| {
        let mut rng = chain_rng(seed, START, chain as u64);
        let place = |i: usize| {
            let deviation = reference.moments.covariance[i * n + i].sqrt();
            mean[i] + deviation * rng.random_range(-3.0..3.0)
        };
        (0..n).map(place).collect()
    });
    Initial::States(states.collect())
}

/// The experiment with this sampler alone.
fn alone(
    energy: &ReferenceEnergy,
    sampler: &str,
    (model, reference): (&Model, &Reference),
    seed: u64,
) -> Result<Experiment> {
    let mut experiment = energy.experiment.clone();
    experiment.seed = seed;
    experiment.plan.initial = start(model, reference, seed);
    experiment.plan.chains = CHAINS;
    experiment.plan.record = "samples".to_owned();
    experiment.plan.trajectory_nodes.clear();
    experiment.clamp = None;
    let own = experiment.hardware.take();
    experiment.digital.clear();
    if let Some(&(name, word, steps, thin)) = DIGITAL.iter().find(|d| d.0 == sampler) {
        experiment.digital.push(Digital {
            sampler: word.to_owned(),
            steps,
            burn_in: steps / 4,
            thin: Some(thin),
            precondition: name
                .ends_with("-preconditioned")
                .then(|| "diagonal".to_owned()),
            ..Digital::default()
        });
        return Ok(experiment);
    }
    let chip = match (own, card_for(model)) {
        (Some(own), _) => Hardware {
            die_seed: None,
            dies: 1,
            calibrate: None,
            ..own
        },
        (None, Some(card)) => Hardware {
            model: card.to_owned(),
            die_seed: None,
            dies: 1,
            only: None,
            calibrate: None,
            scale: ScaleKey::Number(1.0),
            placement: "native".to_owned(),
            chain_coupling: None,
            auxiliaries: card != HOSTED,
            directed: Vec::new(),
            overrides: BTreeMap::new(),
            environment_temperature: None,
            environment_supply: None,
            environment_corner: None,
            level: None,
        },
        (None, None) => {
            let expected = "a section [hardware]: no shipped chip is the default for it";
            return Err(Error::invalid("energy.kind", "this energy", expected));
        }
    };
    experiment.hardware = Some(chip);
    let [burn_in, duration, period] = times(model)?;
    experiment.plan.burn_in = burn_in;
    experiment.plan.duration = duration;
    experiment.plan.sample_period = Some(period);
    Ok(experiment)
}

/// The exact law of an energy of the set.
fn law(energy: &ReferenceEnergy, model: &Model) -> Result<Reference> {
    let widths = |mean: usize, covariance: usize| covariance == mean * mean;
    let stated = energy.stated.as_ref();
    let stated = stated.filter(|s| widths(s.mean.len(), s.covariance.len()));
    let found = exact_reference(model, None).or_else(|| {
        let stated = stated?;
        let moments = Moments {
            mean: stated.mean.clone(),
            mean_se: vec![0.0; stated.mean.len()],
            covariance: stated.covariance.clone(),
            covariance_se: vec![0.0; stated.covariance.len()],
        };
        Some(Reference {
            name: "exact".to_owned(),
            moments,
            probabilities: None,
        })
    });
    let expected = "one whose moments are known (closed form, enumeration, quadrature) or stated in exact.json beside it";
    let refused = || Error::invalid("energy", "this energy", expected);
    found.ok_or_else(|| refused().in_file(&energy.experiment.file))
}

/// Names of what moments are of.
fn labels(model: &Model) -> Vec<String> {
    match model.factors() {
        None => (0..model.dim()).map(|i| i.to_string()).collect(),
        Some(graph) => {
            let of = |&(i, state): &(usize, u8)| match graph.domains()[i] {
                Domain::Spin => i.to_string(),
                Domain::Categorical(_) => format!("{i}={state}"),
            };
            graph.features().iter().map(of).collect()
        }
    }
}

/// The moments that are compared, in order: means, then covariances i ≤ j; (name, error, standard error). Variances of spins and
/// indicators say what their means say, with an error that vanishes beside it where the mean does: they are left out.
fn deviations(
    own: &Moments,
    exact: &Moments,
    model: &Model,
    labels: &[String],
) -> Vec<(String, f64, f64)> {
    let n = exact.mean.len();
    let first = usize::from(model.continuous().is_none());
    let means = (0..n).map(|i| {
        let error = own.mean[i] - exact.mean[i];
        (format!("mean({})", labels[i]), error, own.mean_se[i])
    });
    let pairs = (0..n).flat_map(|i| (i + first..n).map(move |j| (i, j)));
    let covariances = pairs.map(|(i, j)| {
        let k = i * n + j;
        let error = own.covariance[k] - exact.covariance[k];
        let name = format!("cov({},{})", labels[i], labels[j]);
        (name, error, own.covariance_se[k])
    });
    means.chain(covariances).collect()
}

/// Index of the largest |error/se| and its Bonferroni p-value. An error without a standard error is infinitely many.
fn worst(deviations: &[(String, f64, f64)], chains: usize) -> Option<(usize, f64, f64)> {
    let z = |d: &(String, f64, f64)| match d.2 > 0.0 {
        true => d.1 / d.2,
        false if d.1.abs() < 1e-12 => 0.0,
        false => f64::INFINITY.copysign(d.1),
    };
    let all = deviations.iter().map(z).enumerate();
    let (at, z) = all.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()))?;
    let law = StudentsT::new(0.0, 1.0, chains.saturating_sub(1).max(1) as f64).ok()?;
    let p = (2.0 * deviations.len() as f64 * law.sf(z.abs())).min(1.0);
    Some((at, z, p))
}

/// What was drawn, and by whom.
struct Drawn {
    samples: Samples,
    measured: Measured,
    claims_exactness: bool,
    bias: Option<Moments>,
    step: Option<f64>,
    wall: f64,
    device: Option<f64>,
}

impl Drawn {
    fn of(outcome: Outcome) -> Self {
        let Outcome {
            description,
            run,
            measured,
            sampling_seconds,
            ..
        } = outcome;
        let Run { samples, cost, .. } = run;
        let known = description.first_order_bias && !measured.delta_energy.is_empty();
        let step = description.step.filter(|_| known);
        Drawn {
            bias: step.map(|h| agree::predicted_bias(&measured, &samples, h)),
            claims_exactness: description.predicted_bias == Some(0.0),
            step: description.step,
            wall: sampling_seconds,
            device: cost.device_seconds,
            samples,
            measured,
        }
    }
}

/// A cell's numbers, and whether they contradict the law.
fn judge(
    model: &Model,
    drawn: &Drawn,
    reference: &Reference,
    alarm: f64,
) -> Option<(CellStanding, CellNumbers)> {
    let Samples { chains, draws, .. } = drawn.samples;
    let all = deviations(
        &drawn.measured.moments,
        &reference.moments,
        model,
        &labels(model),
    );
    let (at, z, p_value) = worst(&all, chains)?;
    let mut corrected = all.clone();
    let predicted: Option<Vec<f64>> = drawn.bias.as_ref().map(|bias| {
        let zero = Moments {
            mean: vec![0.0; bias.mean.len()],
            covariance: vec![0.0; bias.covariance.len()],
            ..bias.clone()
        };
        let errors = deviations(bias, &zero, model, &labels(model)).into_iter();
        errors.map(|d| d.1).collect()
    });
    for (deviation, shift) in corrected.iter_mut().zip(predicted.iter().flatten()) {
        deviation.1 -= shift;
    }
    let distances: BTreeMap<&str, f64> =
        discrete_distances(model, &drawn.samples, &drawn.measured, reference)
            .into_iter()
            .collect();
    let (ess, rhat) = (drawn.measured.ess_min, drawn.measured.rhat_max);
    let effective = ess.map_or(1, |e| (e.round() as u64).max(1));
    let floor = reference.probabilities.as_ref();
    let found = CellNumbers {
        moment: all[at].0.clone(),
        error: all[at].1,
        z,
        p_value,
        predicted_error: predicted.as_ref().map(|p| p[at]),
        corrected_p_value: predicted.and_then(|_| Some(worst(&corrected, chains)?.2)),
        tv: distances.get("tv").copied(),
        tv_floor: distances.get("tv_floor").copied(),
        kl: distances.get("kl").copied(),
        kl_floor: floor.map(|p| expected_kl_divergence(p, effective)),
        ess,
        rhat,
        draws: chains * draws,
        step: drawn.step,
        wall_seconds: drawn.wall,
        ess_per_second: ess.map(|e| e / drawn.wall),
        device_seconds: drawn.device,
        ess_per_device_second: ess.zip(drawn.device).map(|(e, s)| e / s),
    };
    let standing = if rhat.is_none_or(|r| r > MIXED) {
        CellStanding::NotMixed
    } else if p_value >= alarm {
        CellStanding::Ok
    } else if drawn.claims_exactness {
        CellStanding::Biased
    } else {
        CellStanding::KnownBias
    };
    Some((standing, found))
}

/// Draws of one sampler; an error says why there are none.
fn drawn(
    energy: &ReferenceEnergy,
    sampler: &str,
    (model, reference): (&Model, &Reference),
    seed: u64,
    session: &Session,
) -> Result<Drawn> {
    if sampler == OTHERS[0] {
        let began = Instant::now();
        let Some(samples) = exact_draws(model, reference, (CHAINS, EXACT_DRAWS), seed) else {
            let expected = "states that can be listed, a Gaussian, or one or two variables";
            return Err(Error::invalid("energy", "this energy", expected));
        };
        let wall = began.elapsed().as_secs_f64();
        return Ok(Drawn {
            measured: Measured::new(model, &samples, None),
            samples,
            claims_exactness: true,
            bias: None,
            step: None,
            wall,
            device: None,
        });
    }
    let prepared = Prepared::new(alone(energy, sampler, (model, reference), seed)?)?;
    let contender = match prepared.dies.is_empty() {
        true => Contender::Digital(0),
        false => Contender::Chip(0),
    };
    let outcome = prepared.measured_run(contender, model, session, &mut Vec::new())?;
    Ok(Drawn::of(outcome))
}

/// Runs every sampler of the plan on every energy. Interrupted or out of time, the cells left are `not-run`.
///
/// # Errors
/// A sampler that does not exist, an energy whose exact moments nobody knows.
pub fn reference_matrix(
    energies: &[ReferenceEnergy],
    plan: &MatrixPlan,
    session: &Session,
) -> Result<Matrix> {
    let began = Instant::now();
    let known = reference_samplers();
    if let Some(unknown) = plan.samplers.iter().find(|s| !known.contains(&s.as_str())) {
        let value = format!("\"{unknown}\"");
        return Err(Error::invalid("--samplers", value, known.join(", ")));
    }
    let wanted = |s: &&str| plan.samplers.is_empty() || plan.samplers.iter().any(|w| w == s);
    let samplers: Vec<&str> = known.into_iter().filter(wanted).collect();
    let count = energies.len() * samplers.len();
    let alarm = FALSE_ALARM / count.max(1) as f64;
    let (mut rows, mut laws) = (Vec::new(), Vec::new());
    for energy in energies {
        let model = crate::experiment::build_model(&energy.experiment, None)?;
        let reference = law(energy, &model)?;
        rows.push(MatrixRow {
            name: energy.name.clone(),
            title: energy.experiment.title.clone(),
            moments: deviations(
                &reference.moments,
                &reference.moments,
                &model,
                &labels(&model),
            )
            .len(),
        });
        laws.push((model, reference));
    }
    let inner = Session {
        interrupted: std::sync::Arc::clone(&session.interrupted),
        ..Session::silent()
    };
    session.watch.begin("reference set", count as u64);
    let mut cells = Vec::with_capacity(count);
    for (energy, (model, reference)) in energies.iter().zip(&laws) {
        for sampler in &samplers {
            let mut cell = MatrixCell {
                energy: energy.name.clone(),
                sampler: (*sampler).to_owned(),
                standing: CellStanding::NotRun,
                reason: None,
                found: None,
            };
            let late = plan.limit.is_some_and(|limit| began.elapsed() >= limit);
            let stopped = session.interrupted.load(Ordering::Relaxed);
            if late || stopped {
                let why = if stopped {
                    "interrupted"
                } else {
                    "the time limit was reached"
                };
                cell.reason = Some(why.to_owned());
                cells.push(cell);
                continue;
            }
            match drawn(energy, sampler, (model, reference), plan.seed, &inner) {
                Ok(drawn) => {
                    if let Some((standing, found)) = judge(model, &drawn, reference, alarm) {
                        (cell.standing, cell.found) = (standing, Some(found));
                    }
                }
                Err(Error::Interrupted) => cell.reason = Some("interrupted".to_owned()),
                Err(Error::Invalid {
                    field, expected, ..
                }) => {
                    cell.standing = CellStanding::NotApplicable;
                    cell.reason = Some(format!("{field}: expected {expected}"));
                }
                Err(other) => {
                    cell.standing = CellStanding::Failed;
                    cell.reason = Some(other.to_string());
                }
            }
            cells.push(cell);
            session.watch.advance(1);
        }
    }
    session.watch.end();
    Ok(Matrix {
        version: 1,
        software: format!("thermochip {}", env!("CARGO_PKG_VERSION")),
        seed: plan.seed,
        false_alarm: FALSE_ALARM,
        cell_alarm: alarm,
        energies: rows,
        samplers: samplers.into_iter().map(str::to_owned).collect(),
        cells,
        wall_seconds: began.elapsed().as_secs_f64(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The largest |z| decides, by Student's law; an error of a moment that never varies is a contradiction by itself.
    #[test]
    fn the_worst_moment_decides() {
        let of = |e: f64, s: f64| ("m".to_owned(), e, s);
        let (at, z, p) = worst(&[of(0.1, 1.0), of(-6.0, 2.0)], 100).unwrap();
        assert_eq!((at, z), (1, -3.0));
        // 2 · 2 · P(T_99 > 3) = 4 · 0.001708.
        assert!((p - 0.006_831).abs() < 2e-5, "{p}");
        assert_eq!(worst(&[of(1e-3, 0.0)], 100).unwrap().2, 0.0);
        assert_eq!(worst(&[of(0.0, 0.0)], 100).unwrap().2, 1.0);
    }
}
