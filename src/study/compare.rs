//! The jobs: `run` one chip, `train`, and `compare` everything with everything.

use super::Session;
use super::accuracy::{self, Path};
use super::agree;
use super::chips::Prepared;
use super::dice;
use super::digits::{classify, generate, paired_difference};
use super::learn::{cross_check, edges, learn};
use super::moons;
use super::reference::{Reference, exact_reference};
use super::sample::{Contender, Outcome, add_discrete_distances, program_records};
use super::stream;
use crate::energy::{Model, Parametric, exact};
use crate::error::Result;
use crate::record::{
    Array, CardRecord, Comparison, Established, Metric, RunDirectory, RunRecord, SamplerRecord,
    Seeds, Undecided, Verdict,
};
use crate::sampler::{Horizon, Phase};
use statrs::distribution::{ContinuousCDF, Normal};

/// R-hat up to which a reference chain counts as mixed (arXiv 1903.08008).
const RHAT_LIMIT: f64 = 1.01;
/// R-hat up to which a sampler's own agreement is called established: its standard errors come from independent chains
/// and stay right when a chain has not seen everything, so only the memory of the start must be gone (the older limit).
const RHAT_LIMIT_OTHERS: f64 = 1.1;
/// Effective draws from which on agreement or difference is called established: with fewer, standard errors are guesses.
const LEAST_EFFECTIVE: f64 = 100.0;
/// Chips up to which the accuracy of each is followed along its draws: more are told by their distribution.
const MOST_PATHS: usize = 9;
/// p-value below which two laws are called different.
const P_LIMIT: f64 = 1e-3;

fn empty_record(prepared: &Prepared, command: &str) -> RunRecord {
    let experiment = &prepared.experiment;
    let mut seeds = Seeds::new(experiment.seed, experiment.plan.generator);
    if experiment.plan.precision == "mixed" {
        seeds.normals.push_str(" of one 32-bit word each");
    }
    for die in &prepared.dies {
        if let Some(seed) = die.seed {
            seeds.seeds.insert(format!("die {seed}"), seed);
        }
    }
    RunRecord {
        card: prepared.card.as_ref().map(|card| CardRecord {
            name: card.name.clone(),
            sha256: card.sha256(),
            toml: card.toml.clone(),
        }),
        ..RunRecord::new(command, experiment, seeds)
    }
}

/// How each die was programmed, and a warning where a value did not fit.
fn note_programs(prepared: &Prepared, model: &Model, record: &mut RunRecord) -> Result<()> {
    record.program = program_records(prepared, model)?;
    for program in record.program.iter().filter(|p| p.clipped > 0) {
        let (name, clipped) = (&program.sampler, program.clipped);
        record.warnings.push(format!(
            "{name}: {clipped} of the energy's couplings and fields are beyond the card's range (limits.coupling_max, limits.field_max) and were clipped"
        ));
    }
    Ok(())
}

fn write_parameters(model: &Model, prepared: &Prepared, directory: &RunDirectory) -> Result<()> {
    let parameters = model.parameters();
    let pairs: Vec<f64> = edges(model)
        .iter()
        .flat_map(|&(i, j)| [i as f64, j as f64])
        .collect();
    let (pixels, labels) = prepared
        .dataset
        .as_ref()
        .map_or((0, 0), |d| (d.pixels.len(), d.labels.len()));
    let hidden = model.dim().saturating_sub(pixels + labels);
    let mut arrays = vec![
        (
            "fields",
            Array::f64(&[parameters.fields.len()], parameters.fields),
        ),
        ("edges", Array::f64(&[pairs.len() / 2, 2], pairs)),
        (
            "couplings",
            Array::f64(&[parameters.couplings.len()], parameters.couplings),
        ),
        (
            "roles",
            Array::f64(&[3], vec![pixels as f64, labels as f64, hidden as f64]),
        ),
    ];
    if model.factors().is_some() {
        // Every weight, factor by factor: there are no fields or edges.
        let weights = model.parameters().couplings;
        arrays = vec![("weights", Array::f64(&[weights.len()], weights))];
    }
    if let Model::Mixture(mixture) = model {
        let (k, dim) = (mixture.components().len(), model.dim());
        let all = || mixture.components().iter();
        let weights = all().map(|c| c.weight).collect();
        let means = all().flat_map(|c| c.mean.iter().copied()).collect();
        let covariances = all().flat_map(|c| c.covariance.iter().copied()).collect();
        arrays = vec![
            ("weights", Array::f64(&[k], weights)),
            ("means", Array::f64(&[k, dim], means)),
            ("covariances", Array::f64(&[k, dim, dim], covariances)),
        ];
    }
    if let Model::SoftSpin(energy) = model {
        arrays.push(("j2", Array::f64(&[energy.j2.len()], energy.j2.clone())));
        arrays.push(("j4", Array::f64(&[energy.j4.len()], energy.j4.clone())));
    }
    directory.write_arrays("parameters.npz", &arrays)
}

/// E on a grid, for two-dimensional energies.
fn write_landscape(model: &Model, directory: &RunDirectory) -> Result<()> {
    let Some(energy) = model.continuous().filter(|e| e.dim() == 2) else {
        return Ok(());
    };
    let axis: Vec<f64> = (0..=120).map(|k| -2.4 + 0.04 * f64::from(k)).collect();
    let values = axis
        .iter()
        .flat_map(|&y| axis.iter().map(move |&x| (x, y)))
        .map(|(x, y)| energy.value(&[x, y]))
        .collect();
    let n = axis.len();
    directory.write_arrays(
        "landscape.npz",
        &[
            ("xs", Array::f64(&[n], axis.clone())),
            ("ys", Array::f64(&[n], axis)),
            ("energy", Array::f64(&[n, n], values)),
        ],
    )
}

fn trained_model(
    prepared: &Prepared,
    directory: &RunDirectory,
    session: &Session,
    record: &mut RunRecord,
) -> Result<Model> {
    let Some(train) = &prepared.experiment.train else {
        return Ok(prepared.model.clone());
    };
    let (model, training) = if train.rbm.is_some() {
        let (parameters, training) = super::rbm::learn(prepared, directory, session, record)?;
        let mut model = prepared.model.clone();
        model.set_parameters(&parameters)?;
        (model, training)
    } else {
        learn(prepared, directory, session)?
    };
    write_parameters(&model, prepared, directory)?;
    if training.refused_steps > 0 {
        let refused = training.refused_steps;
        record.warnings.push(format!(
            "training: {refused} of {} steps led where the chip's converters hold no mixture, and were shortened",
            train.updates
        ));
    }
    record.training = Some(training);
    Ok(model)
}

/// Trains the couplings and writes them.
///
/// # Errors
/// What goes wrong on the way.
pub fn train(
    prepared: &Prepared,
    directory: &RunDirectory,
    session: &Session,
) -> Result<RunRecord> {
    let mut record = empty_record(prepared, "train");
    let model = trained_model(prepared, directory, session, &mut record)?;
    note_programs(prepared, &model, &mut record)?;
    directory.write_run(&record)?;
    Ok(record)
}

/// Simulates one sampling run of the chip: the die when there is one, the ideal chip otherwise.
///
/// # Errors
/// What goes wrong on the way.
pub fn run(prepared: &Prepared, directory: &RunDirectory, session: &Session) -> Result<RunRecord> {
    let mut record = empty_record(prepared, "run");
    let model = trained_model(prepared, directory, session, &mut record)?;
    let mut only = prepared.clone();
    if only.dies.len() > 1 {
        only.dies.remove(0);
    }
    if !only.dies.is_empty() {
        only.experiment.digital.clear();
    }
    let warnings = &mut record.warnings;
    let kept = only.experiment.plan.record.as_str();
    for contender in only.contenders().into_iter().filter(|_| kept != "none") {
        record.samplers.push(if kept == "moments" {
            only.streamed_run(&contender, &model, directory, session, warnings)?
        } else {
            only.free_run(contender, &model, directory, session, warnings)?
                .record
        });
    }
    only.trajectories(&model, directory, session)?;
    write_landscape(&model, directory)?;
    note_programs(&only, &model, &mut record)?;
    add_dice(&only, &mut record);
    directory.write_run(&record)?;
    Ok(record)
}

/// The same energy on the ideal chip, the dies, the digital samplers and, where it exists, the exact answer.
///
/// # Errors
/// What goes wrong on the way.
pub fn compare(
    prepared: &Prepared,
    directory: &RunDirectory,
    session: &Session,
) -> Result<RunRecord> {
    let mut record = empty_record(prepared, "compare");
    let model = trained_model(prepared, directory, session, &mut record)?;
    if let Some(training) = &mut record.training {
        training.coupling_check = cross_check(prepared, session)?;
    }
    write_parameters(&model, prepared, directory)?;
    note_programs(prepared, &model, &mut record)?;

    let sampled = prepared.experiment.plan.record != "none";
    let contenders = prepared.contenders().into_iter().filter(|_| sampled);
    // What may become the reference runs first; then die by die, so that the draws of many are never held at once.
    let (dice, others): (Vec<_>, Vec<_>) =
        contenders.partition(|c| matches!(c, Contender::Chip(k) if *k > 0));
    let free_run = |contender, record: &mut RunRecord| {
        prepared.free_run(contender, &model, directory, session, &mut record.warnings)
    };
    let mut outcomes = Vec::new();
    for contender in others {
        outcomes.push(free_run(contender, &mut record)?);
    }
    let reference = if sampled {
        reference(prepared, &model, &outcomes, &mut record, directory)?
    } else {
        None
    };
    let judge = |outcome: &mut Outcome| match &reference {
        Some(reference) => {
            add_discrete_distances(&model, outcome, reference);
            if prepared.dies.len() <= MOST_PATHS {
                outcome.path = Path::new(&model, outcome, reference);
            }
            let own = (outcome.record.name != reference.name).then(|| against(outcome, reference));
            own.into_iter().flatten().collect()
        }
        None => Vec::new(),
    };
    let products = |outcome: &Outcome| moments_against(prepared, &model, outcome);
    let mut compared = Vec::new();
    for mut outcome in outcomes {
        let rows: Vec<Comparison> = judge(&mut outcome);
        let products = products(&outcome);
        compared.push((order(&outcome.contender), rows, products, outcome));
    }
    for contender in dice {
        let mut outcome = free_run(contender, &mut record)?;
        let rows = judge(&mut outcome);
        let products = products(&outcome);
        outcome.run.samples.x = Vec::new();
        compared.push((order(&outcome.contender), rows, products, outcome));
    }
    compared.sort_by_key(|c| c.0);
    let (mut outcomes, mut of_products) = (Vec::new(), Vec::new());
    for (_, rows, products, outcome) in compared {
        record.comparisons.extend(rows);
        of_products.push(products);
        outcomes.push(outcome);
    }
    let paths: Vec<Path> = outcomes.iter_mut().filter_map(|o| o.path.take()).collect();
    let laws = &record.program;
    record.accuracy = accuracy::accuracy_record(&paths, |name| {
        laws.iter().find(|p| p.sampler == name)?.exact_tv
    });
    if let Some(reference) = &reference {
        let told = verdicts(&outcomes, reference, &record.comparisons);
        record.verdicts.extend(told);
    }
    for (outcome, products) in outcomes.iter().zip(of_products) {
        if let Some((compared, told)) = products {
            record.comparisons.push(compared);
            record.verdicts.push(told);
        }
        record
            .comparisons
            .extend(partition_against(&model, outcome));
    }
    if prepared.experiment.train.is_some() {
        pictures(
            prepared,
            &model,
            directory,
            session,
            &mut outcomes,
            &mut record,
        )?;
    }
    record
        .samplers
        .extend(outcomes.into_iter().map(|o| o.record));
    for program in &record.program {
        let own = |s: &&mut SamplerRecord| s.name == program.sampler;
        let kl = program.likelihood.and_then(|l| l.data_kl);
        if let (Some(sampler), Some(value)) = (record.samplers.iter_mut().find(own), kl) {
            let metric = Metric { value, se: None };
            sampler.metrics.insert("data_kl".to_owned(), metric);
        }
    }
    if let (Some(nodes), true) = (prepared.dataset.as_ref().and_then(|d| d.moons), sampled) {
        let (law, seed) = (&nodes.moons, prepared.experiment.seed);
        record.samplers.push(moons::floor(law, "data_kl", seed));
        directory.write_arrays("landscape-moons.npz", &moons::picture_of_moons(law, seed))?;
    }
    prepared.trajectories(&model, directory, session)?;
    write_landscape(&model, directory)?;
    add_dice(prepared, &mut record);
    directory.write_run(&record)?;
    Ok(record)
}

/// Where a sampler stands in the record: chips first.
fn order(contender: &Contender) -> usize {
    match contender {
        Contender::Chip(k) => *k,
        Contender::Digital(k) => usize::MAX / 2 + k,
    }
}

/// The distribution of the metrics over several dice, with its figures.
fn add_dice(prepared: &Prepared, record: &mut RunRecord) {
    let compare = &prepared.experiment.compare;
    record.dice = dice::summary(record, compare);
    if let Some(summary) = &record.dice {
        record
            .charts
            .extend(dice::charts(summary, &compare.metrics));
    }
}

/// Whether a digital sampler's law is the energy's whatever its settings.
fn is_exact(name: &str) -> bool {
    let name = name.strip_suffix("-preconditioned").unwrap_or(name);
    matches!(name, "mala" | "hmc" | "metropolis" | "gibbs" | "tempering")
}

/// The exact law, else the asymptotically exact sampler with the most draws, whose R-hat is then reported.
fn reference(
    prepared: &Prepared,
    model: &Model,
    outcomes: &[Outcome],
    record: &mut RunRecord,
    directory: &RunDirectory,
) -> Result<Option<Reference>> {
    let held = prepared.held.as_ref();
    if held.is_some_and(|held| held.common().is_none()) {
        let words =
            "chains are held at different values: their laws differ, and nothing is compared";
        record.warnings.push(words.to_owned());
        return Ok(None);
    }
    if let Some(reference) = exact_reference(model, held) {
        let n = reference.moments.mean.len();
        let mut arrays = vec![
            ("mean", Array::f64(&[n], reference.moments.mean.clone())),
            (
                "covariance",
                Array::f64(&[n, n], reference.moments.covariance.clone()),
            ),
        ];
        if let Some(p) = &reference.probabilities {
            arrays.push(("probabilities", Array::f64(&[p.len()], p.clone())));
        }
        if let Some(held) = held {
            // Which nodes (in a factor graph: variables) the law is of.
            let free = (0..model.dim()).filter(|i| !held.nodes.contains(i));
            let free: Vec<f64> = free.map(|i| i as f64).collect();
            arrays.push(("free", Array::f64(&[free.len()], free)));
        }
        directory.write_arrays("exact.npz", &arrays)?;
        return Ok(Some(reference));
    }
    let unbiased = outcomes
        .iter()
        .filter(|o| o.description.kind == "digital" && is_exact(&o.description.name));
    let Some(best) = unbiased.max_by_key(|o| o.run.steps) else {
        record.warnings.push("no exact answer and no asymptotically exact sampler to compare with: add [[digital]] mala or gibbs".to_owned());
        return Ok(None);
    };
    let rhat = best.record.rhat_max;
    let mixed = rhat.is_some_and(|r| r <= RHAT_LIMIT);
    record.verdicts.push(Verdict {
        claim: format!(
            "the reference {} has mixed (split R-hat <= {RHAT_LIMIT})",
            best.record.name
        ),
        established: Established::Decided(mixed),
        evidence: rhat.map_or_else(
            || "no R-hat: fewer than four draws".to_owned(),
            |r| format!("largest split R-hat over nodes {r:.4}"),
        ),
        more_device_seconds_needed: None,
    });
    if !mixed {
        record.warnings.push(format!(
            "the reference {} has not mixed in the free phase; agreement with it says little beyond its own standard errors",
            best.record.name
        ));
    }
    Ok(Some(Reference {
        name: best.record.name.clone(),
        moments: best.measured.moments.clone(),
        probabilities: None,
    }))
}

/// Mean and covariance of one sampler against the reference, the scheme's predicted bias beside them.
fn against(outcome: &Outcome, reference: &Reference) -> [Comparison; 2] {
    let known = outcome.description.first_order_bias;
    let bias = outcome
        .description
        .step
        .filter(|_| known && !outcome.measured.delta_energy.is_empty())
        .map(|h| agree::predicted_bias(&outcome.measured, &outcome.run.samples, h));
    agree::compare(
        (&outcome.record.name, &outcome.measured.moments),
        (&reference.name, &reference.moments),
        bias.as_ref(),
    )
}

/// A sampler's estimate of log Z against the exact one, where both are known.
fn partition_against(model: &Model, outcome: &Outcome) -> Option<Comparison> {
    let &(value, se) = outcome.run.notes.get("log_z")?;
    let exact = exact::log_partition(model)?;
    let p_value = se.map(|se| 2.0 * Normal::standard().sf(((value - exact) / se).abs()));
    Some(Comparison {
        a: outcome.record.name.clone(),
        b: "exact".to_owned(),
        metric: "log_z".to_owned(),
        value: value - exact,
        se,
        predicted_bias: None,
        p_value,
    })
}

/// `plan.moments` of a sampler against their exact values, where there are any: a comparison and a claim.
fn moments_against(
    prepared: &Prepared,
    model: &Model,
    outcome: &Outcome,
) -> Option<(Comparison, Verdict)> {
    let products = prepared.products();
    if products.is_empty() {
        return None;
    }
    let samples = &outcome.run.samples;
    let held = match (&prepared.held, model.factors()) {
        (Some(held), Some(graph)) => held.states(graph.domains()),
        _ => Some(Vec::new()),
    };
    let exact = held.and_then(|held| stream::against_exact(model, &products, samples, &held));
    let (rms, largest, count) = exact?;
    let name = &outcome.record.name;
    let p = (2.0 * count as f64 * Normal::standard().sf(largest)).min(1.0);
    let compared = Comparison {
        a: name.clone(),
        b: "exact".to_owned(),
        metric: "moment_error".to_owned(),
        value: rms,
        se: None,
        predicted_bias: None,
        p_value: Some(p),
    };
    let told = Verdict {
        claim: format!("{name} has the exact means of plan.moments"),
        established: Established::Decided(p >= P_LIMIT),
        evidence: format!(
            "{count} products, rms difference {rms:.2} standard errors, largest {largest:.2}, p-value {p:.2e}"
        ),
        more_device_seconds_needed: None,
    };
    Some((compared, told))
}

/// One claim per sampler: that its law is the reference's, once the predicted bias is taken off.
fn verdicts(
    outcomes: &[Outcome],
    reference: &Reference,
    comparisons: &[Comparison],
) -> Vec<Verdict> {
    outcomes
        .iter()
        .filter_map(|outcome| {
            let name = &outcome.record.name;
            let rows: Vec<&Comparison> = comparisons.iter().filter(|c| &c.a == name).collect();
            let p = rows.iter().filter_map(|c| c.p_value).reduce(f64::min)?;
            let (rhat, ess) = (outcome.record.rhat_max, outcome.record.ess_min);
            let mixed = rhat.is_none_or(|r| r <= RHAT_LIMIT_OTHERS);
            let enough = ess.is_none_or(|n| n >= LEAST_EFFECTIVE);
            // The p-values are of chains that have mixed: before that, no difference means nothing.
            let established = if mixed && enough {
                Established::Decided(p >= P_LIMIT)
            } else {
                Established::Open(Undecided::Undecided)
            };
            // A chain mixes as R-hat − 1 ∝ 1/length, and effective draws grow as the length: that much more reaches the limits.
            let longer = |ratio: f64| (ratio > 1.0).then_some(ratio);
            let by_mixing = rhat.and_then(|r| longer((r - 1.0) / (RHAT_LIMIT_OTHERS - 1.0)));
            let by_number = ess.and_then(|n| longer(LEAST_EFFECTIVE / n));
            let longest = by_mixing.into_iter().chain(by_number).reduce(f64::max);
            let seconds = outcome.record.device_seconds;
            let more = seconds.zip(longest).map(|(s, ratio)| s * (ratio - 1.0));
            let number = |x: Option<f64>, digits: usize| {
                x.map_or_else(|| "-".to_owned(), |x| format!("{x:.digits$}"))
            };
            Some(Verdict {
                claim: format!(
                    "{name} has the means and covariances of {}, up to its scheme's predicted bias",
                    reference.name
                ),
                established,
                evidence: format!(
                    "smallest p-value {p:.2e}; R-hat {}, {} effective draws (at most {RHAT_LIMIT_OTHERS}, at least {LEAST_EFFECTIVE} to decide); rms differences {} standard errors",
                    number(rhat, 3),
                    number(ess, 0),
                    rows.iter()
                        .map(|c| format!("{:.2}", c.value))
                        .collect::<Vec<_>>()
                        .join(" (means), ")
                        + " (covariances)"
                ),
                more_device_seconds_needed: more,
            })
        })
        .collect()
}

/// Naming and drawing digits with every sampler.
fn pictures(
    prepared: &Prepared,
    model: &Model,
    directory: &RunDirectory,
    session: &Session,
    outcomes: &mut [Outcome],
    record: &mut RunRecord,
) -> Result<()> {
    let Some(data) = prepared.dataset.as_ref().filter(|d| !d.labels.is_empty()) else {
        return Ok(());
    };
    let rows: Vec<Vec<f64>> = data.test.iter().map(|&r| data.rows[r].clone()).collect();
    if rows.is_empty() {
        record
            .warnings
            .push("no test rows: label accuracy is not measured".to_owned());
        return Ok(());
    }
    let tau = prepared.tau();
    let (burn_in, duration) = (
        prepared.seconds(&prepared.experiment.plan.burn_in),
        prepared.seconds(&prepared.experiment.plan.duration),
    );
    let mut right: Vec<(String, Vec<bool>)> = Vec::new();
    for outcome in outcomes.iter_mut() {
        let name = outcome.record.name.clone();
        let mut sampler = prepared.sampler(&outcome.contender, model, rows.len(), 1, session)?;
        let mut drawer =
            prepared.sampler(&outcome.contender, model, 8 * data.labels.len(), 2, session)?;
        let phase = match &outcome.contender {
            Contender::Chip(_) => Phase {
                burn_in: Horizon::Seconds(burn_in),
                duration: Horizon::Seconds(duration),
                every: Some(Horizon::Seconds(prepared.sample_period())),
                clamp: None,
            },
            Contender::Digital(_) => {
                // The same stretch of the energy's own time as on the chip.
                let step = outcome.description.step.unwrap_or(1.0);
                let steps = |seconds: f64| (seconds / tau / step).ceil() as u64;
                let every = steps(prepared.sample_period());
                Phase {
                    burn_in: Horizon::Steps(steps(burn_in)),
                    duration: Horizon::Steps(steps(duration).max(every)),
                    every: Some(Horizon::Steps(every)),
                    clamp: None,
                }
            }
        };
        session.watch.begin(&format!("{name}: digits"), 1);
        let named = classify(
            &mut *sampler,
            &rows,
            data.pixels.clone(),
            data.labels.clone(),
            &phase,
        )?;
        outcome
            .record
            .metrics
            .insert("label_accuracy".to_owned(), named.accuracy);
        directory.write_arrays(
            &format!("labels-{name}.npz"),
            &[
                (
                    "label_mean",
                    Array::f64(&[rows.len(), data.labels.len()], named.label_mean),
                ),
                (
                    "truth",
                    Array::f64(
                        &[rows.len()],
                        named.truth.iter().map(|&t| t as f64).collect(),
                    ),
                ),
            ],
        )?;
        right.push((name.clone(), named.right));
        let drawn = generate(
            &mut *drawer,
            data.labels.len(),
            data.labels.clone(),
            &phase,
            8,
        )?;
        let flat: Vec<f32> = drawn
            .iter()
            .flatten()
            .flat_map(|x| data.picture(x))
            .collect();
        let shape = [data.labels.len(), 8, flat.len() / (8 * data.labels.len())];
        directory.write_arrays(
            &format!("generated-{name}.npz"),
            &[("x", Array::f32(&shape, flat))],
        )?;
        session.watch.end();
    }
    let Some(ideal) = right.iter().find(|r| r.0 == "analog-ideal").cloned() else {
        return Ok(());
    };
    for (name, own) in right.iter().filter(|r| r.0 != ideal.0) {
        let difference: Metric = paired_difference(own, &ideal.1);
        record.comparisons.push(Comparison {
            a: name.clone(),
            b: ideal.0.clone(),
            metric: "label_accuracy".to_owned(),
            value: difference.value,
            se: difference.se,
            predicted_bias: None,
            p_value: None,
        });
    }
    Ok(())
}
