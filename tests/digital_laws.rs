//! The digital samplers beyond ULA, MALA and Gibbs against exact laws: free, held, preconditioned, tempered, annealed; their
//! paths do not depend on threads and go on where they were left. Each statistical check states its false-alarm rate, and has
//! a mutation that the same check refuses.

use thermochip::diagnostics::moments;
use thermochip::dynamics::Origin;
use thermochip::energy::{ContinuousEnergy, Couplings, Ising, Model, Quadratic, SoftSpin, exact};
use thermochip::sampler::{
    AnnealedImportance, AnnealingSampler, ChainState, Clamp, Follow, GaussianBase, GibbsSampler,
    Horizon, Ladder, LangevinSampler, Method, Phase, Run, Sampler, Samples, TemperingSampler,
    annealed_importance, reverse_annealed_importance,
};
use thermochip::testing::assertions::{agrees, counts_match, moments_match};

/// Per check; there are fewer than forty in this file.
const FALSE_ALARM: f64 = 2e-8;
const HMC: Method = Method::Hamiltonian {
    leapfrogs: 5,
    jitter: 0.2,
};

fn soft() -> SoftSpin {
    let couplings = Couplings::new(2, vec![(0, 1, 0.7)]).unwrap();
    SoftSpin::new(vec![-0.5, 0.8], vec![0.6, 0.3], vec![0.3, -0.2], couplings).unwrap()
}

/// The same energy at inverse temperature β.
fn at_beta(energy: &SoftSpin, beta: f64) -> SoftSpin {
    let scaled = |v: &[f64]| v.iter().map(|v| beta * v).collect::<Vec<_>>();
    let mut couplings = energy.couplings.clone();
    let values = scaled(energy.couplings.values());
    couplings.set_values(&values).unwrap();
    let (j2, j4) = (scaled(&energy.j2), scaled(&energy.j4));
    SoftSpin::new(j2, j4, scaled(&energy.fields), couplings).unwrap()
}

fn phase(burn_in: u64, steps: u64, every: u64) -> Phase {
    Phase {
        burn_in: Horizon::Steps(burn_in),
        duration: Horizon::Steps(steps),
        every: Some(Horizon::Steps(every)),
        clamp: None,
    }
}

fn by<R: thermochip::dynamics::Compiled>(
    method: Method,
    step: Option<f64>,
    model: &Model,
    chains: usize,
) -> LangevinSampler<R> {
    let follow = Follow::silent();
    LangevinSampler::with_method(model, (method, step), chains, (2, 0), 0.01, follow).unwrap()
}

fn ladder(replicas: usize, least: f64) -> Ladder {
    Ladder::Adaptive { replicas, least }
}

fn tempering<R: thermochip::dynamics::Compiled>(
    model: &Model,
    chains: usize,
    ladder: &Ladder,
) -> TemperingSampler<R> {
    TemperingSampler::new(model, chains, (4, 0), (ladder, 1), None, Follow::silent()).unwrap()
}

/// What samples energies of real variables exactly.
fn exact_samplers(model: &Model, chains: usize) -> Vec<Box<dyn Sampler>> {
    let preconditioned = |method| {
        let sampler = by::<f64>(method, None, model, chains);
        sampler.preconditioned().unwrap()
    };
    vec![
        Box::new(by::<f64>(HMC, None, model, chains)),
        Box::new(preconditioned(HMC)),
        Box::new(preconditioned(Method::Mala)),
        Box::new(by::<f64>(Method::RandomWalk, None, model, chains)),
        Box::new(preconditioned(Method::RandomWalk)),
        Box::new(tempering::<f64>(model, chains, &ladder(3, 0.3))),
    ]
}

fn has_moments(samples: &Samples, mean: &[f64], covariance: &[f64]) -> Result<(), String> {
    let x: Vec<f64> = samples.x.iter().map(|&v| f64::from(v)).collect();
    let shape = (samples.chains, samples.draws);
    moments_match(&x, shape, mean, covariance, FALSE_ALARM)
}

fn has_law(samples: &Samples, energy: &SoftSpin) -> Result<(), String> {
    let exact = exact::quadrature(energy).unwrap();
    has_moments(samples, exact.mean.as_slice(), exact.covariance.as_slice())
}

/// Two coupled soft spins, tuned steps; a temperature 4 % off is refused.
#[test]
fn methods_that_reject_have_the_boltzmann_law() {
    let energy = soft();
    let model = Model::SoftSpin(energy.clone());
    for mut sampler in exact_samplers(&model, 2048) {
        let name = sampler.describe().name;
        let run = sampler.run(&phase(400, 1200, 20)).unwrap();
        has_law(&run.samples, &energy).unwrap_or_else(|e| panic!("{name}: {e}"));
        for beta in [0.96, 1.04] {
            let mutated = has_law(&run.samples, &at_beta(&energy, beta));
            assert!(mutated.is_err(), "{name} cannot tell beta = {beta}");
        }
    }
}

/// Tuned to their targets, within what forty rounds reach.
#[test]
fn steps_are_tuned_to_their_targets_and_then_kept() {
    let model = Model::SoftSpin(soft());
    for method in [Method::Mala, Method::RandomWalk, HMC] {
        let mut sampler = by::<f64>(method, None, &model, 512);
        let rate = |run: Run| run.acceptance.unwrap();
        let first = rate(sampler.run(&phase(400, 1000, 1000)).unwrap());
        let before = sampler.state().adapted[0];
        let second = rate(sampler.run(&phase(400, 1000, 1000)).unwrap());
        assert_eq!(before, sampler.state().adapted[0]);
        let target = method.target().unwrap();
        for rate in [first, second] {
            assert!((rate - target).abs() < 0.05, "{method:?}: {rate}");
        }
    }
}

/// With node 1 held, node 0 has its conditional law: the field b + J v; forgetting J is refused.
#[test]
fn a_held_node_leaves_the_conditional_law_to_the_others() {
    let model = Model::SoftSpin(soft());
    let (chains, held) = (2048, 1.3);
    let mut samplers = exact_samplers(&model, chains);
    // A small step, whose bias is of second order.
    let friction = Method::Baoab { friction: 1.0 };
    samplers.push(Box::new(by::<f64>(friction, Some(0.05), &model, chains)));
    samplers.push(Box::new(by::<f64>(
        Method::LeimkuhlerMatthews,
        Some(0.01),
        &model,
        chains,
    )));
    for mut sampler in samplers {
        let name = sampler.describe().name;
        let steps = if name == "lm" { 5000 } else { 1200 };
        let mut phase = phase(steps / 3, steps, steps / 60);
        phase.clamp = Some(Clamp {
            nodes: vec![1],
            values: vec![held; chains],
        });
        let run = sampler.run(&phase).unwrap();
        let rows = run.samples.x.chunks(2);
        assert!(rows.clone().all(|x| x[1] == held as f32), "{name} moved it");
        let free = Samples {
            nodes: 1,
            x: rows.map(|x| x[0]).collect(),
            ..run.samples.clone()
        };
        let conditional = |field: f64| {
            SoftSpin::new(vec![-0.5], vec![0.6], vec![field], Couplings::empty(1)).unwrap()
        };
        has_law(&free, &conditional(0.3 + 0.7 * held)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(has_law(&free, &conditional(0.3)).is_err());
    }
}

/// Where E is quadratic, LM at hλ ≈ 1 and BAOAB at hω ≈ 1 have its very law; Euler at LM's step has not.
#[test]
fn second_order_methods_are_exact_for_gaussians() {
    let precision = nalgebra::DMatrix::from_row_slice(2, 2, &[2.0, 0.6, 0.6, 1.0]);
    let linear = nalgebra::DVector::from_vec(vec![0.5, -1.0]);
    let energy = Quadratic::new(precision, linear).unwrap();
    let exact = exact::gaussian(&energy);
    let model = Model::Quadratic(energy);
    let judge = |method: Method, step: f64| {
        let mut sampler = by::<f32>(method, Some(step), &model, 2048);
        let run = sampler.run(&phase(200, 1000, 20)).unwrap();
        has_moments(
            &run.samples,
            exact.mean.as_slice(),
            exact.covariance.as_slice(),
        )
    };
    judge(Method::LeimkuhlerMatthews, 0.4).unwrap();
    judge(Method::Baoab { friction: 0.8 }, 0.7).unwrap();
    assert!(judge(Method::Ula, 0.4).is_err());
    let unstable = (Method::Baoab { friction: 1.0 }, Some(1.5));
    let refused =
        LangevinSampler::<f32>::with_method(&model, unstable, 1, (0, 0), 0.01, Follow::silent());
    let words = refused.unwrap_err().to_string();
    assert!(words.contains("stability limit of baoab"), "{words}");
}

/// Deviations of 0.1 and 10: with lengths both nodes relax at one pace, without them the wide one stays where it began. Euler's
/// bias is 1 %; 8 standard errors beside it (1e-15).
#[test]
fn lengths_make_one_pace_of_two() {
    let precision = nalgebra::DMatrix::from_row_slice(2, 2, &[100.0, 0.0, 0.0, 0.01]);
    let energy = Quadratic::new(precision, nalgebra::DVector::zeros(2)).unwrap();
    let model = Model::Quadratic(energy);
    let chains = 2048;
    let variances = |mut sampler: LangevinSampler<f32>| {
        let state = ChainState::at([0.05, 5.0].repeat(chains));
        sampler.restore(&state).unwrap();
        let run = sampler.run(&phase(4000, 4000, 400)).unwrap();
        let x: Vec<f64> = run.samples.x.iter().map(|&v| f64::from(v)).collect();
        let m = moments(&x, chains, run.samples.draws, 2);
        [m.covariance[0] / 0.01, m.covariance[3] / 100.0]
    };
    let sampler = || by::<f32>(Method::Ula, None, &model, chains);
    let with = variances(sampler().preconditioned().unwrap());
    for ratio in with {
        assert!((ratio - 1.01).abs() < 0.1, "{with:?}");
    }
    assert!(variances(sampler())[1] < 0.5);
}

fn spins() -> Ising {
    let list = vec![(0, 1, 0.8), (1, 2, -0.5), (2, 3, 0.6), (0, 3, 0.4)];
    Ising::new(vec![0.3, -0.2, 0.1, 0.5], Couplings::new(4, list).unwrap()).unwrap()
}

fn flips(model: &Model, chains: usize) -> Box<dyn Sampler> {
    let gibbs = GibbsSampler::new(model, chains, (3, 0), Follow::silent()).unwrap();
    Box::new(gibbs.by_flips())
}

fn state_counts(samples: &Samples, nodes: &[usize]) -> Vec<u64> {
    let mut counts = vec![0; 1 << nodes.len()];
    for x in samples.x.chunks(samples.nodes) {
        let bits = nodes.iter().enumerate();
        counts[bits.fold(0, |s, (k, &i)| s | usize::from(x[i] > 0.0) << k)] += 1;
    }
    counts
}

fn probabilities(fields: Vec<f64>, couplings: Couplings) -> Vec<f64> {
    let energy = Ising::new(fields, couplings).unwrap();
    exact::enumerate(&energy).unwrap().probabilities
}

fn spin_samplers(model: &Model, chains: usize) -> [Box<dyn Sampler>; 2] {
    let tempered = tempering::<f32>(model, chains, &ladder(3, 0.3));
    [flips(model, chains), Box::new(tempered)]
}

/// One draw of each of 40 000 chains, against enumeration; reading P(+1) = σ(I) for σ(2I) is refused.
#[test]
fn flips_and_tempered_spins_have_the_boltzmann_law() {
    let energy = spins();
    let model = Model::Ising(energy.clone());
    for mut sampler in spin_samplers(&model, 40_000) {
        let run = sampler.run(&phase(40, 20, 20)).unwrap();
        let counts = state_counts(&run.samples, &[0, 1, 2, 3]);
        let p = probabilities(energy.fields.clone(), energy.couplings.clone());
        counts_match(&counts, &p, FALSE_ALARM).unwrap();
        let halved = |v: &[f64]| v.iter().map(|v| 0.5 * v).collect::<Vec<_>>();
        let mut couplings = energy.couplings.clone();
        couplings
            .set_values(&halved(energy.couplings.values()))
            .unwrap();
        let p = probabilities(halved(&energy.fields), couplings);
        assert!(counts_match(&counts, &p, FALSE_ALARM).is_err());
    }
}

#[test]
fn held_spins_leave_the_conditional_law_to_the_others() {
    let model = Model::Ising(spins());
    let chains = 40_000;
    for mut sampler in spin_samplers(&model, chains) {
        let mut phase = phase(40, 20, 20);
        phase.clamp = Some(Clamp {
            nodes: vec![1, 3],
            values: [1.0, -1.0].repeat(chains),
        });
        let run = sampler.run(&phase).unwrap();
        assert!(run.samples.x.chunks(4).all(|x| x[1] > 0.0 && x[3] < 0.0));
        let counts = state_counts(&run.samples, &[0, 2]);
        let conditional = |a: f64, b: f64| {
            let fields = vec![0.3 + 0.8 * a + 0.4 * b, 0.1 - 0.5 * a + 0.6 * b];
            probabilities(fields, Couplings::empty(2))
        };
        counts_match(&counts, &conditional(1.0, -1.0), FALSE_ALARM).unwrap();
        assert!(counts_match(&counts, &conditional(-1.0, 1.0), FALSE_ALARM).is_err());
    }
}

/// Spins without input, all up at first, are fair coins after sixty sweeps: a rule that always flips would have them all alike.
#[test]
fn spins_without_input_forget_their_start() {
    let model = Model::Ising(Ising::new(vec![0.0; 2], Couplings::empty(2)).unwrap());
    let mut sampler = flips(&model, 40_000);
    let run = sampler.run(&phase(0, 60, 60)).unwrap();
    let counts = state_counts(&run.samples, &[0, 1]);
    counts_match(&counts, &[0.25; 4], FALSE_ALARM).unwrap();
    assert!((run.acceptance.unwrap() - 0.75).abs() < 0.01);
}

/// Ten spins, each coupled to each at 0.35, in a weak field, all down at first: Gibbs stays there, tempering finds what
/// enumeration says of the number of spins up. One draw a chain.
#[test]
fn tempering_crosses_a_barrier_that_gibbs_does_not() {
    let n = 10;
    let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j, 0.35)));
    let couplings = Couplings::new(n, pairs.collect()).unwrap();
    let energy = Ising::new(vec![0.05; n], couplings).unwrap();
    let p = exact::enumerate(&energy).unwrap().probabilities;
    let model = Model::Ising(energy);
    let chains = 4096;
    let mut up = vec![0.0; n + 1];
    for (state, p) in p.iter().enumerate() {
        up[state.count_ones() as usize] += p;
    }
    let judge = |sampler: &mut dyn Sampler| {
        let state = ChainState::at(vec![-1.0; n * chains]);
        sampler.restore(&state).unwrap();
        let run = sampler.run(&phase(400, 400, 400)).unwrap();
        let mut counts = vec![0; n + 1];
        for x in run.samples.x.chunks(n) {
            counts[x.iter().filter(|v| **v > 0.0).count()] += 1;
        }
        (counts_match(&counts, &up, FALSE_ALARM), run.notes)
    };
    let (verdict, notes) = judge(&mut tempering::<f32>(&model, chains, &ladder(6, 0.1)));
    verdict.unwrap();
    assert!(notes["round_trips"].0 > 5.0, "{notes:?}");
    // The ladder was spread until all pairs exchange alike.
    let rates: Vec<f64> = (0..5)
        .map(|k| notes[&format!("swap_acceptance_{k}")].0)
        .collect();
    let spread = rates.iter().copied().fold(0.0, f64::max) - notes["swap_acceptance_min"].0;
    assert!(spread < 0.06, "{rates:?}");
    let mut gibbs = GibbsSampler::new(&model, chains, (3, 0), Follow::silent()).unwrap();
    assert!(judge(&mut gibbs).0.is_err());
}

/// A tilted double well with a barrier of ten kT, all chains in the shallow well at first.
#[test]
fn tempering_crosses_a_barrier_that_mala_does_not() {
    let energy = SoftSpin::new(vec![-20.0], vec![10.0], vec![0.4], Couplings::empty(1)).unwrap();
    let model = Model::SoftSpin(energy.clone());
    let chains = 2048;
    let judge = |sampler: &mut dyn Sampler| {
        sampler
            .restore(&ChainState::at(vec![-1.0; chains]))
            .unwrap();
        let run = sampler.run(&phase(2000, 1000, 50)).unwrap();
        has_law(&run.samples, &energy)
    };
    judge(&mut tempering::<f64>(&model, chains, &ladder(6, 0.05))).unwrap();
    assert!(judge(&mut by::<f64>(Method::Mala, None, &model, chains)).is_err());
}

fn plan(temperatures: usize, base: Option<GaussianBase>) -> AnnealedImportance {
    AnnealedImportance {
        temperatures,
        each: 1,
        base,
    }
}

/// log Z of an Ising energy, forwards and, from exact draws, in reverse; log Z of β = 1.05 is refused, and so is log Z without
/// what the fields are worth.
#[test]
fn annealed_runs_of_spins_find_log_z() {
    let energy = spins();
    let exact = exact::enumerate(&energy).unwrap();
    let mut warmer = energy.couplings.clone();
    let values: Vec<f64> = warmer.values().iter().map(|v| 1.05 * v).collect();
    warmer.set_values(&values).unwrap();
    let warmer = Ising::new(energy.fields.iter().map(|h| 1.05 * h).collect(), warmer).unwrap();
    let off = exact::enumerate(&warmer).unwrap().log_z;
    let model = Model::Ising(energy.clone());
    let (runs, follow, plan) = (20_000, Follow::silent(), plan(20, None));
    let forward = annealed_importance(&model, runs, (5, 0), &plan, &follow).unwrap();
    // Chain k starts in the state that holds the (k + ½)/n quantile: exact draws, more even than random ones.
    let mut states = Vec::new();
    let (mut below, mut state) = (0.0, 0);
    for k in 0..runs {
        while below + exact.probabilities[state] < (k as f64 + 0.5) / runs as f64 {
            below += exact.probabilities[state];
            state += 1;
        }
        states.extend((0..4).map(|i| if state >> i & 1 == 1 { 1.0 } else { -1.0 }));
    }
    let reverse = reverse_annealed_importance(&model, &states, (6, 0), &plan, &follow).unwrap();
    for found in [forward, reverse] {
        agrees("log Z", found.log_z, found.se, exact.log_z, FALSE_ALARM).unwrap();
        assert!(agrees("log Z", found.log_z, found.se, off, FALSE_ALARM).is_err());
        let flat = exact.log_z - 0.5 * energy.fields.iter().map(|h| h * h).sum::<f64>();
        assert!(agrees("log Z", found.log_z, found.se, flat, FALSE_ALARM).is_err());
        assert!(found.ess > 0.3 * runs as f64, "{found:?}");
    }
}

/// log ∫∫ e^{−E} by the trapezoid rule.
fn log_z(energy: &SoftSpin) -> f64 {
    let axis: Vec<f64> = (-600..=600).map(|k| f64::from(k) * 0.01).collect();
    let sum: f64 = axis
        .iter()
        .flat_map(|&x| axis.iter().map(move |&y| [x, y]))
        .map(|x| (-energy.value(&x)).exp())
        .sum();
    (sum * 1e-4).ln()
}

/// log Z of two soft spins from a Gaussian that is not centred, both ways, and of a Gaussian in closed form.
#[test]
fn annealed_runs_of_real_variables_find_log_z() {
    let mut energy = soft();
    energy.constant = 0.7;
    let (runs, follow) = (8192, Follow::silent());
    let base = GaussianBase {
        mean: vec![0.3, -0.2],
        variance: vec![1.2, 0.7],
    };
    let plan = plan(40, Some(base));
    let expected = log_z(&energy);
    let model = Model::SoftSpin(energy.clone());
    let forward = annealed_importance(&model, runs, (5, 0), &plan, &follow).unwrap();
    let mut hmc = by::<f64>(HMC, None, &model, runs);
    let draws = hmc.run(&phase(400, 100, 100)).unwrap().samples.x;
    let states: Vec<f64> = draws.iter().map(|&v| f64::from(v)).collect();
    let reverse = reverse_annealed_importance(&model, &states, (6, 0), &plan, &follow).unwrap();
    energy.constant = 0.75;
    for found in [forward, reverse] {
        agrees("log Z", found.log_z, found.se, expected, FALSE_ALARM).unwrap();
        let off = log_z(&energy);
        assert!(agrees("log Z", found.log_z, found.se, off, FALSE_ALARM).is_err());
    }
    let p = nalgebra::DMatrix::<f64>::from_row_slice(2, 2, &[2.0, 0.6, 0.6, 1.0]);
    let b = nalgebra::DVector::from_vec(vec![0.5, -1.0]);
    let mean = p.clone().try_inverse().unwrap() * &b;
    let expected =
        (2.0 * std::f64::consts::PI).ln() - 0.5 * p.determinant().ln() + 0.5 * b.dot(&mean);
    let model = Model::Quadratic(Quadratic::new(p, b).unwrap());
    let mut sampler = AnnealingSampler::new(&model, 2048, (7, 0), Follow::silent()).unwrap();
    let run = sampler.run(&phase(200, 120, 40)).unwrap();
    let (value, se) = run.notes["log_z"];
    agrees("log Z", value, se.unwrap(), expected, FALSE_ALARM).unwrap();
    assert!(agrees("log Z", value, se.unwrap(), expected + 0.1, FALSE_ALARM).is_err());
}

/// All of them, with streams of a seed; forty chains are two tiles.
fn everything(seed: u64) -> Vec<Box<dyn Sampler>> {
    let (soft, spins) = (Model::SoftSpin(soft()), Model::Ising(spins()));
    let origin = Origin::from((seed, 0));
    let silent = Follow::silent;
    let mut all: Vec<Box<dyn Sampler>> = Vec::new();
    for method in [
        Method::LeimkuhlerMatthews,
        Method::Baoab { friction: 1.0 },
        HMC,
        Method::RandomWalk,
    ] {
        let with = (method, None);
        let sampler = LangevinSampler::<f64>::with_method(&soft, with, 40, origin, 0.01, silent());
        all.push(Box::new(sampler.unwrap()));
    }
    let with = (HMC, None);
    let sampler = LangevinSampler::<f64>::with_method(&soft, with, 40, origin, 0.01, silent());
    all.push(Box::new(sampler.unwrap().preconditioned().unwrap()));
    let gibbs = GibbsSampler::new(&spins, 40, origin, silent()).unwrap();
    all.push(Box::new(gibbs.by_flips()));
    let ladder = ladder(3, 0.2);
    let tempered = TemperingSampler::<f32>::new(&spins, 40, origin, (&ladder, 2), None, silent());
    all.push(Box::new(tempered.unwrap()));
    let tempered = TemperingSampler::<f64>::new(&soft, 40, origin, (&ladder, 2), None, silent());
    all.push(Box::new(tempered.unwrap()));
    for model in [&spins, &soft] {
        let annealing = AnnealingSampler::new(model, 40, origin, silent());
        all.push(Box::new(annealing.unwrap()));
    }
    all
}

#[test]
fn samplers_go_on_where_they_were_left() {
    for (mut first, mut second) in everything(8).into_iter().zip(everything(9)) {
        let name = first.describe().name;
        first.run(&phase(60, 13, 13)).unwrap();
        second.restore(&first.state()).unwrap();
        let next = phase(20, 30, 10);
        let (a, b) = (first.run(&next).unwrap(), second.run(&next).unwrap());
        assert_eq!(a.samples.x, b.samples.x, "{name}");
        assert_eq!(a.notes, b.notes, "{name}");
        let moved = a
            .samples
            .x
            .chunks(a.samples.nodes)
            .any(|x| x != &a.samples.x[..x.len()]);
        assert!(moved, "{name} stands still");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let run = |mut sampler: Box<dyn Sampler>| {
                let run = sampler.run(&phase(60, 30, 10)).unwrap();
                (run.samples.x, run.notes)
            };
            everything(8).into_iter().map(run).collect::<Vec<_>>()
        })
    };
    assert_eq!(on(1), on(2));
}
