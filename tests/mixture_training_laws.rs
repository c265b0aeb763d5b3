//! Training mixtures: gradients, EM, training through selector chips, and the law that a die's readings have.
//!
//! Deterministic except where a false-alarm rate is stated; each check has a mutation that it rejects.

use nalgebra::{DMatrix, DVector};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_pcg::Pcg32;
use thermochip::data::TwoMoons;
use thermochip::energy::{ContinuousEnergy, Mixture, Model, Parameters};
use thermochip::error::Result;
use thermochip::hardware::{Card, Die, Programmed, Scale, card::card, program};
use thermochip::sampler::{
    AnalogSampler, ChainState, Cost, Description, Follow, Horizon, Phase, Run, Sampler, StepRule,
};
use thermochip::training::mixture::{
    ExpectationMaximisation, MixtureSettings, MixtureTrainer, WeightedMoments, fitted, seeded,
};
use thermochip::training::{Method, OptimiserKind};

fn vector(values: &[f64]) -> DVector<f64> {
    DVector::from_column_slice(values)
}

fn square(values: &[f64]) -> DMatrix<f64> {
    let n = values.len().isqrt();
    DMatrix::from_row_slice(n, n, values)
}

/// Three overlapping components of two variables.
fn example() -> Mixture {
    Mixture::new(
        &[0.5, 0.3, 0.2],
        &[
            vector(&[0.8, 0.1]),
            vector(&[-0.7, 0.4]),
            vector(&[0.0, -0.9]),
        ],
        &[
            square(&[0.3, 0.1, 0.1, 0.2]),
            square(&[0.25, -0.08, -0.08, 0.15]),
            square(&[0.1, 0.02, 0.02, 0.3]),
        ],
    )
    .unwrap()
}

/// The same in the plane's other half, as a start that is not the answer.
fn elsewhere() -> Mixture {
    let means = [
        vector(&[0.5, 0.5]),
        vector(&[-0.5, 0.0]),
        vector(&[0.3, -0.5]),
    ];
    let spreads = vec![DMatrix::identity(2, 2) * 0.4; 3];
    Mixture::new(&[1.0, 1.0, 1.0], &means, &spreads).unwrap()
}

/// Rows of `mixture`, drawn independently.
fn rows_of(mixture: &Mixture, count: usize, seed: u64) -> Vec<Vec<f64>> {
    let mut rng = Pcg32::seed_from_u64(seed);
    (0..count)
        .map(|_| mixture.draw(&mut rng).iter().copied().collect())
        .collect()
}

fn log_likelihood(mixture: &Mixture, rows: &[Vec<f64>]) -> f64 {
    let sum: f64 = rows.iter().map(|row| -mixture.value(row)).sum();
    sum / rows.len() as f64
}

/// Component `k` moved along its own coordinates: w e^δ, μ + L u, L e^A Lᵀ to second order.
fn moved(mixture: &Mixture, k: usize, delta: f64, u: &DVector<f64>, a: &DMatrix<f64>) -> Mixture {
    let (mut weights, mut means, mut spreads) = (Vec::new(), Vec::new(), Vec::new());
    for (c, own) in mixture.components().iter().enumerate() {
        weights.push(own.weight * if c == k { delta.exp() } else { 1.0 });
        let lower = own.covariance.clone().cholesky().unwrap().l();
        let (mut mean, mut spread) = (own.mean.clone(), own.covariance.clone());
        if c == k {
            mean += &lower * u;
            let stretch = DMatrix::identity(2, 2) + a + a * a * 0.5;
            spread = &lower * stretch * lower.transpose();
        }
        means.push(mean);
        spreads.push(0.5 * (&spread + spread.transpose()));
    }
    Mixture::new(&weights, &means, &spreads).unwrap()
}

#[test]
fn gradients_are_differences_of_the_exact_log_likelihood() {
    let mixture = example();
    let rows = rows_of(&elsewhere(), 40, 1);
    let moments = WeightedMoments::of(&mixture, &rows.concat()).unwrap();
    assert!((moments.log_likelihood - log_likelihood(&mixture, &rows)).abs() < 1e-13);
    let gradient = moments.minus(&WeightedMoments::expected(&mixture));
    let (zero, none) = (DVector::zeros(2), DMatrix::zeros(2, 2));
    let unit = |i: usize| DVector::from_fn(2, |j, _| f64::from(u8::from(i == j)));
    let h = 1e-5;
    let mut worst: f64 = 0.0;
    let mut one_sided: f64 = 0.0;
    for k in 0..3 {
        let mut at = 6 * k;
        let mut check = |delta: f64, u: &DVector<f64>, a: &DMatrix<f64>| {
            let up = log_likelihood(&moved(&mixture, k, delta, u, a), &rows);
            let down = log_likelihood(&moved(&mixture, k, -delta, &-u, &-a), &rows);
            let difference = (up - down) / (2.0 * h);
            worst = worst.max((difference - gradient[at]).abs());
            at += 1;
            difference
        };
        check(h, &zero, &none);
        check(0.0, &(unit(0) * h), &none);
        check(0.0, &(unit(1) * h), &none);
        // Lower triangle by rows: (0, 0), (1, 0), (1, 1).
        for (i, j) in [(0, 0), (1, 0), (1, 1)] {
            let mut a = none.clone();
            (a[(i, j)], a[(j, i)]) = (h, h);
            let difference = check(0.0, &zero, &a);
            if i != j {
                // An entry off the diagonal that counted once is off by this much.
                one_sided = one_sided.max(0.5 * difference.abs());
            }
        }
    }
    assert!(worst < 1e-8, "{worst}");
    assert!(one_sided > 1e-3, "{one_sided}");
}

proptest! {
    /// The property that EM is known by.
    #[test]
    fn expectation_maximisation_never_lowers_the_likelihood(seed in 0u64..1 << 32) {
        let rows = rows_of(&example(), 60, seed);
        let start = seeded(&rows, 3, &mut Pcg32::seed_from_u64(seed)).unwrap();
        let mut em = ExpectationMaximisation::new(start, &rows, 1e-3).unwrap();
        let mut before = f64::NEG_INFINITY;
        for _ in 0..40 {
            let now = em.step().unwrap().log_likelihood;
            prop_assert!(now > before - 1e-9, "{now} after {before}");
            before = now;
        }
    }
}

#[test]
fn expectation_maximisation_ends_where_the_gradient_is_zero() {
    let rows = rows_of(&example(), 4000, 3);
    let mut em = ExpectationMaximisation::new(elsewhere(), &rows, 0.0).unwrap();
    for _ in 0..3000 {
        em.step().unwrap();
    }
    let last = em.step().unwrap();
    assert!(last.gradient_norm < 1e-7, "{}", last.gradient_norm);
    // Maximum likelihood is at least the truth's, and beyond it by half a χ² of 17 degrees of freedom over the rows: at most
    // 27 + 8.5 of them in all with a probability of 1e-6 of more.
    let beyond = last.log_likelihood - log_likelihood(&example(), &rows);
    assert!(beyond > 0.0 && beyond * 4000.0 < 36.0, "{beyond}");
}

/// One component is at the rows' own mean and covariance after one step; second moments about the old mean are not those.
#[test]
fn one_component_is_the_rows_own_gaussian() {
    let rows = rows_of(&example(), 500, 5);
    let far = Mixture::new(
        &[1.0],
        &[vector(&[2.0, -1.0])],
        &[DMatrix::identity(2, 2) * 0.5],
    );
    let mut em = ExpectationMaximisation::new(far.unwrap(), &rows, 0.0).unwrap();
    em.step().unwrap();
    let found = &em.mixture().components()[0];
    let x = DMatrix::from_fn(2, 500, |i, k| rows[k][i]);
    let about = |centre: &DVector<f64>| {
        let d = DMatrix::from_fn(2, 500, |i, k| x[(i, k)] - centre[i]);
        &d * d.transpose() / 500.0
    };
    let mean = x.column_mean();
    assert!((&found.mean - &mean).amax() < 1e-12);
    assert!((&found.covariance - about(&mean)).amax() < 1e-12);
    assert!((&found.covariance - about(&vector(&[2.0, -1.0]))).amax() > 1.0);
}

#[test]
fn a_component_that_shrinks_onto_a_row_is_told() {
    let mut rows = rows_of(&example(), 50, 4);
    rows.push(vec![9.0, 9.0]);
    let mut means: Vec<_> = elsewhere()
        .components()
        .iter()
        .map(|c| c.mean.clone())
        .collect();
    means[2] = vector(&[9.0, 9.0]);
    let start = Mixture::new(&[1.0; 3], &means, &vec![DMatrix::identity(2, 2) * 0.1; 3]).unwrap();
    let mut free = ExpectationMaximisation::new(start.clone(), &rows, 0.0).unwrap();
    let told = (0..100)
        .find_map(|_| free.step().err())
        .unwrap()
        .to_string();
    assert!(
        told.contains("component 2") && told.contains("fewer components"),
        "{told}"
    );
    // A least variance holds it.
    let mut held = ExpectationMaximisation::new(start, &rows, 0.01).unwrap();
    for _ in 0..100 {
        held.step().unwrap();
    }
    let least = held.mixture().components()[2]
        .covariance
        .clone()
        .symmetric_eigenvalues()
        .min();
    assert!((least - 0.01).abs() < 1e-12, "{least}");
}

#[test]
fn components_begin_at_rows_far_apart() {
    let rows: Vec<Vec<f64>> = (0..300).map(|k| vec![f64::from(k % 3) * 10.0]).collect();
    let start = seeded(&rows[..], 2, &mut Pcg32::seed_from_u64(1)).unwrap();
    assert!(start.components()[0].mean != start.components()[1].mean);
    // Three different rows hold at most two components with something left to spread over.
    assert!(seeded(&rows[..], 3, &mut Pcg32::seed_from_u64(1)).is_err());
    assert!(seeded(&rows[..2], 2, &mut Pcg32::seed_from_u64(1)).is_err());
}

/// The selector card with everything that leaves a mixture known.
fn bench(seed: Option<u64>, bits: u32) -> Die {
    let mut card: Card = card("pmog").unwrap();
    for (key, value) in [
        ("limits.dac_bits", bits.to_string()),
        ("limits.coupling_max", "30".to_owned()),
        ("limits.field_max", "30".to_owned()),
        ("nonidealities.coupling_sigma", "5 %".to_owned()),
        ("nonidealities.tau_sigma", "5 %".to_owned()),
        ("nonidealities.offset", "2 mV".to_owned()),
        ("nonidealities.leak", "3 %".to_owned()),
    ] {
        card.override_parameter(key, &value).unwrap();
    }
    let only: Vec<String> = [
        "dac",
        "coupling",
        "tau",
        "offset",
        "noise_temperature",
        "weight",
        "leak",
    ]
    .iter()
    .map(|s| (*s).to_owned())
    .collect();
    Die::fabricate(&card, seed, Some(&only)).unwrap()
}

fn law(programmed: &Programmed) -> Mixture {
    match programmed.energy() {
        Some(Model::Mixture(law)) => law,
        other => panic!("{other:?}"),
    }
}

fn sampler_of(die: &Die, model: &Model, chains: usize) -> AnalogSampler<f64> {
    let programmed = program(die, model, Scale::Fixed(1.0)).unwrap();
    let scheme = programmed.scheme();
    let rule = StepRule::Auto(0.01);
    AnalogSampler::new(programmed, chains, (9, 1), rule, scheme, Follow::silent()).unwrap()
}

/// How far ⟨ln p⟩ of readings, p = `law`, is from that of as many independent draws of p, in standard errors.
fn surprise(readings: &[Vec<f64>], law: &Mixture) -> f64 {
    let logs = |rows: &[Vec<f64>]| -> (f64, f64) {
        let each: Vec<f64> = rows.iter().map(|row| -law.value(row)).collect();
        let n = each.len() as f64;
        let mean = each.iter().sum::<f64>() / n;
        let variance = each.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        (mean, variance / n)
    };
    let (seen, own) = (logs(readings), logs(&rows_of(law, readings.len(), 8)));
    (seen.0 - own.0).abs() / (seen.1 + own.1).sqrt()
}

/// Largest deviation of weighted moments under `law` from those it expects of itself, in standard errors.
fn worst_moment(readings: &[Vec<f64>], law: &Mixture) -> f64 {
    let expected = WeightedMoments::expected(law);
    let n = readings.len();
    let all = WeightedMoments::of(law, &readings.concat())
        .unwrap()
        .minus(&expected);
    let mut square = vec![0.0; all.len()];
    for row in readings {
        let own = WeightedMoments::of(law, row).unwrap().minus(&expected);
        for (s, v) in square.iter_mut().zip(own) {
            *s += v * v / (n * n) as f64;
        }
    }
    all.iter()
        .zip(square)
        .map(|(m, s)| m.abs() / s.sqrt())
        .fold(0.0, f64::max)
}

/// Readings of a die with everything wrong with it have the law that is computed of it: 18 moments and the mean of ln p within
/// 5.5 standard errors (false alarms below 1e-6). The asked law, one without the leak, and one whose branches keep their ideal noise
/// are rejected.
#[test]
fn a_dies_readings_have_its_law() {
    let model = Model::Mixture(example());
    let die = bench(Some(3), 6);
    let chains = 20_000;
    let mut sampler = sampler_of(&die, &model, chains);
    let law_of = |die: &Die| law(&program(die, &model, Scale::Fixed(1.0)).unwrap());
    let own = law_of(&die);
    sampler
        .restore(&ChainState::at(vec![0.0; 2 * chains]))
        .unwrap();
    let tau = die.card.get("physics.tau").unwrap();
    let phase = Phase {
        burn_in: Horizon::Steps(0),
        duration: Horizon::Seconds(30.0 * tau),
        every: None,
        clamp: None,
    };
    let x = sampler.run(&phase).unwrap().samples.x;
    let readings: Vec<Vec<f64>> = x
        .chunks(2)
        .map(|r| r.iter().map(|&v| f64::from(v)).collect())
        .collect();
    let worst = worst_moment(&readings, &own).max(surprise(&readings, &own));
    assert!(worst < 5.5, "{worst}");
    assert!(worst_moment(&readings, &example()) > 5.5);
    for missing in ["leak", "noise_temperature", "weight", "offset", "coupling"] {
        let mut less = die.clone();
        let keep = die.nonidealities().into_iter().filter(|n| n != missing);
        less = Die::fabricate(&less.card, less.seed, Some(&keep.collect::<Vec<_>>())).unwrap();
        let worst = worst_moment(&readings, &law_of(&less));
        assert!(worst > 5.5, "without {missing}: {worst}");
    }
    // The ideal chip's law is what was asked for.
    let ideal = law_of(&Die::fabricate(&card("pmog").unwrap(), None, None).unwrap());
    for (a, b) in ideal.components().iter().zip(example().components()) {
        assert!((a.weight - b.weight).abs() < 1e-12);
        assert!((&a.mean - &b.mean).amax() < 1e-9);
        assert!((&a.covariance - &b.covariance).amax() < 1e-9);
    }
}

/// A chip that is programmed again is the chip that would have been programmed so in the first place.
#[test]
fn a_programmed_mixture_can_be_written_over() {
    let (die, model) = (bench(Some(5), 8), Model::Mixture(example()));
    let mut programmed = program(&die, &Model::Mixture(elsewhere()), Scale::Fixed(1.0)).unwrap();
    programmed.reprogram(&example().parameters()).unwrap();
    let fresh = program(&die, &model, Scale::Fixed(1.0)).unwrap();
    let (a, b) = (law(&programmed), law(&fresh));
    for (a, b) in a.components().iter().zip(b.components()) {
        assert!((a.weight - b.weight).abs() < 1e-12);
        assert!((&a.mean - &b.mean).amax() < 1e-12);
        assert!((&a.covariance - &b.covariance).amax() < 1e-12);
    }
    // Errors of gates, fields, couplings are told.
    let report = fresh.report();
    assert!(report.field_rms_error > 0.0 && report.coupling_rms_error > 0.0);
    let bad = Parameters {
        fields: vec![0.0; 3],
        couplings: Vec::new(),
    };
    assert!(programmed.reprogram(&bad).is_err());
}

/// Settings of 800 updates.
fn settings(method: Method) -> MixtureSettings {
    MixtureSettings {
        method,
        negative: Horizon::Seconds(2.0 * 1e-7),
        optimiser: OptimiserKind::Adam,
        learning_rate: 0.02,
        decay: 0.01,
        updates: 800,
        least: 0.0,
        tracking: 0.1,
        seed: 2,
    }
}

fn trained(
    sampler: &mut dyn Sampler,
    rows: &[Vec<f64>],
    settings: MixtureSettings,
) -> Result<Mixture> {
    let mut trainer = MixtureTrainer::new(settings, elsewhere(), rows)?;
    for _ in 0..800 {
        trainer.step(sampler)?;
    }
    Ok(trainer.mixture().clone())
}

/// A sampler whose chains never leave where they were put, or one that is never programmed again.
#[derive(Debug)]
struct Lost<S> {
    inner: S,
    moves: bool,
    programs: bool,
}

impl<S: Sampler> Sampler for Lost<S> {
    fn describe(&self) -> Description {
        self.inner.describe()
    }
    fn state(&self) -> ChainState {
        self.inner.state()
    }
    fn restore(&mut self, state: &ChainState) -> Result<()> {
        self.inner.restore(state)
    }
    fn written(&self) -> Cost {
        self.inner.written()
    }
    fn reprogram(&mut self, parameters: &Parameters) -> Result<Cost> {
        match self.programs {
            true => self.inner.reprogram(parameters),
            false => Ok(Cost::default()),
        }
    }
    fn run(&mut self, phase: &Phase) -> Result<Run> {
        let at = self.inner.state();
        let mut run = self.inner.run(phase)?;
        if !self.moves {
            run.samples.x = at.values.iter().map(|&v| v as f32).collect();
        }
        Ok(run)
    }
}

/// Trained through the ideal chip, a mixture comes as near to the most likely one as the noise of its last updates lets it: within
/// .01 nats (these two runs end .0004 and .002 away; the start is .3 away). A chip that is never programmed again, and chains
/// that never leave the rows, are rejected.
#[test]
fn through_the_ideal_chip_training_finds_the_maximum_of_the_likelihood() {
    let rows = rows_of(&example(), 2000, 11);
    let mut em = ExpectationMaximisation::new(elsewhere(), &rows, 0.0).unwrap();
    for _ in 0..1000 {
        em.step().unwrap();
    }
    let best = log_likelihood(em.mixture(), &rows);
    let die = Die::fabricate(&card("pmog").unwrap(), None, None).unwrap();
    let start = Model::Mixture(elsewhere());
    let away = best - log_likelihood(&elsewhere(), &rows);
    for method in [Method::Pcd, Method::Cd] {
        let mut sampler = sampler_of(&die, &start, 400);
        let found = trained(&mut sampler, &rows, settings(method)).unwrap();
        let short = best - log_likelihood(&found, &rows);
        println!("{method:?}: {short} of {away}");
        assert!((-1e-9..0.01).contains(&short), "{method:?}: {short}");
    }
    for (moves, programs) in [(false, true), (true, false)] {
        let inner = sampler_of(&die, &start, 400);
        let mut lost = Lost {
            inner,
            moves,
            programs,
        };
        let found = trained(&mut lost, &rows, settings(Method::Cd));
        let short = found.map_or(f64::INFINITY, |found| best - log_likelihood(&found, &rows));
        println!("lost {moves} {programs}: {short}");
        assert!(short > 0.05, "{moves} {programs}: {short}");
    }
}

/// Through a die, the die's own law ends nearer to the rows than with the most likely mixture deployed on it.
#[test]
fn through_a_die_training_wins_back_what_deployment_loses() {
    let rows = rows_of(&example(), 2000, 12);
    let mut em = ExpectationMaximisation::new(elsewhere(), &rows, 0.0).unwrap();
    for _ in 0..1000 {
        em.step().unwrap();
    }
    let best = log_likelihood(em.mixture(), &rows);
    for seed in 1..=3 {
        let die = bench(Some(seed), 8);
        let lost = |mixture: &Mixture| {
            let programmed =
                program(&die, &Model::Mixture(mixture.clone()), Scale::Fixed(1.0)).unwrap();
            best - log_likelihood(&law(&programmed), &rows)
        };
        let deployed = lost(em.mixture());
        let mut sampler = sampler_of(&die, &Model::Mixture(elsewhere()), 1000);
        let through = lost(&trained(&mut sampler, &rows, settings(Method::Pcd)).unwrap());
        println!("die {seed}: deployed {deployed}, through {through}");
        assert!(through < 0.2 * deployed, "die {seed}: {deployed} {through}");
    }
}

/// A die that does not hold what it is programmed with is not judged by its program: with responsibilities under the program
/// (`tracking` = 0), training of many overlapping components runs away on some dice.
#[test]
fn responsibilities_follow_the_readings() {
    let points = TwoMoons { noise: 0.2 }.sample(2000, &mut Pcg32::seed_from_u64(1));
    let rows: Vec<Vec<f64>> = points.iter().map(|p| p.to_vec()).collect();
    let start = fitted(&rows, 8, 100, &mut Pcg32::seed_from_u64(2)).unwrap();
    let best = log_likelihood(&start, &rows);
    let mut card: Card = card("pmog").unwrap();
    for (key, value) in [
        ("limits.branches", "8"),
        ("limits.dac_bits", "8"),
        ("limits.coupling_max", "50"),
        ("limits.field_max", "50"),
        ("nonidealities.coupling_sigma", "5 %"),
    ] {
        card.override_parameter(key, value).unwrap();
    }
    let only = ["dac", "coupling", "noise_temperature", "weight", "leak"].map(str::to_owned);
    let mut ran_away = 0;
    for seed in 1..=3 {
        let die = Die::fabricate(&card, Some(seed), Some(&only)).unwrap();
        let lost = |mixture: &Mixture| {
            let model = Model::Mixture(mixture.clone());
            let programmed = program(&die, &model, Scale::Fixed(1.0)).unwrap();
            best - log_likelihood(&law(&programmed), &rows)
        };
        let through = |tracking: f64| {
            let settings = MixtureSettings {
                tracking,
                learning_rate: 0.01,
                ..settings(Method::Pcd)
            };
            let mut sampler = sampler_of(&die, &Model::Mixture(start.clone()), 500);
            let mut trainer = MixtureTrainer::new(settings, start.clone(), &rows).unwrap();
            for _ in 0..800 {
                if trainer.step(&mut sampler).is_err() {
                    return f64::INFINITY;
                }
            }
            lost(trainer.mixture())
        };
        let (deployed, own, blind) = (lost(&start), through(0.1), through(0.0));
        println!("die {seed}: deployed {deployed}, through {own}, blind {blind}");
        assert!(own < 0.2 * deployed, "die {seed}: {deployed} {own}");
        ran_away += u32::from(blind > deployed);
    }
    assert!(ran_away > 0);
}

/// Correlated branches, rounded at four bits, have no law: programmed, such a chip says so and is not run; trained through, it begins
/// without the correlations that it cannot hold.
#[test]
fn a_branch_without_a_law_is_told_and_not_run() {
    let mut card: Card = card("pmog").unwrap();
    for (key, value) in [
        ("dac_bits", "4"),
        ("coupling_max", "32"),
        ("field_max", "32"),
    ] {
        card.override_parameter(&format!("limits.{key}"), value)
            .unwrap();
    }
    let die = Die::fabricate(&card, Some(1), Some(&["dac".to_owned()])).unwrap();
    // [[8, 8], [8, 9]] is rounded to 9.1 everywhere.
    let spread = square(&[8.0, 8.0, 8.0, 9.0]).try_inverse().unwrap();
    let spread = 0.5 * (&spread + spread.transpose());
    let means = [vector(&[0.4, 0.0]), vector(&[-0.4, 0.0])];
    let mixture = Mixture::new(&[1.0, 1.0], &means, &[spread.clone(), spread]).unwrap();
    let model = Model::Mixture(mixture.clone());
    let programmed = program(&die, &model, Scale::Fixed(1.0)).unwrap();
    assert!(programmed.energy().is_none());
    let because = programmed.report().no_energy_because;
    assert!(
        because
            .iter()
            .any(|b| b.contains("without a stationary law")),
        "{because:?}"
    );
    let mut sampler = sampler_of(&die, &model, 8);
    let phase = Phase {
        burn_in: Horizon::Steps(0),
        duration: Horizon::Steps(1),
        every: None,
        clamp: None,
    };
    let refused = sampler.run(&phase).unwrap_err().to_string();
    assert!(refused.contains("energy.covariances"), "{refused}");
    let rows = rows_of(&mixture, 100, 1);
    let mut trainer = MixtureTrainer::new(settings(Method::Pcd), mixture, &rows).unwrap();
    trainer.step(&mut sampler).unwrap();
    sampler.run(&phase).unwrap();
}

/// Interrupted and continued, a training gives the bits of one that was not.
#[test]
fn a_checkpoint_continues_to_the_same_bits() {
    let rows = rows_of(&example(), 300, 13);
    let die = bench(Some(2), 8);
    let start = Model::Mixture(elsewhere());
    let begin = || MixtureTrainer::new(settings(Method::Pcd), elsewhere(), &rows).unwrap();
    let mut sampler = sampler_of(&die, &start, 64);
    let mut straight = begin();
    for _ in 0..5 {
        straight.step(&mut sampler).unwrap();
    }
    let kept = straight.checkpoint(&sampler);
    for _ in 0..5 {
        straight.step(&mut sampler).unwrap();
    }
    let mut other = sampler_of(&die, &start, 64);
    let mut resumed = begin();
    resumed.resume(kept, &mut other).unwrap();
    assert_eq!(resumed.update(), 5);
    for _ in 0..5 {
        resumed.step(&mut other).unwrap();
    }
    assert_eq!(resumed.mixture(), straight.mixture());
    let mut em = ExpectationMaximisation::new(elsewhere(), &rows, 0.0).unwrap();
    em.step().unwrap();
    let kept = em.checkpoint();
    em.step().unwrap();
    let mut again = ExpectationMaximisation::new(elsewhere(), &rows, 0.0).unwrap();
    again.resume(&kept).unwrap();
    again.step().unwrap();
    assert_eq!(again.mixture(), em.mixture());
}
