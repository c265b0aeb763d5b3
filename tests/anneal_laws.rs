//! Annealing against exact time-dependent laws: a master equation for spins, moments for a moving stiffness.

use nalgebra::{DMatrix, DVector, dmatrix, dvector};
use thermochip::dynamics::linear;
use thermochip::energy::{Couplings, Ising, Model, Parametric, Quadratic};
use thermochip::hardware::{Die, Scale, card, program};
use thermochip::sampler::{
    AnalogSampler, Annealed, ChainState, Follow, GibbsSampler, Horizon, LangevinSampler, Phase,
    Sampler, Samples, Schedule, StepRule, anneal,
};
use thermochip::testing::assertions::{counts_match, moments_match};

/// Per check; there are fewer than ten in this file.
const FALSE_ALARM: f64 = 2e-7;
const TAU: f64 = 100e-9;

fn chip(name: &str, model: &Model, chains: usize, step: f64, scheme: &str) -> Box<dyn Sampler> {
    let die = Die::fabricate(&card(name).unwrap(), None, None).unwrap();
    let programmed = program(&die, model, Scale::Fixed(1.0)).unwrap();
    let rule = StepRule::Seconds(step * TAU);
    let silent = Follow::silent();
    Box::new(AnalogSampler::<f64>::new(programmed, chains, (1, 0), rule, scheme, silent).unwrap())
}

/// The state right after the schedule, as one draw.
fn state(sampler: &dyn Sampler, chains: usize, nodes: usize) -> Samples {
    Samples {
        chains,
        draws: 1,
        nodes,
        x: sampler.state().values.iter().map(|&v| v as f32).collect(),
        t: vec![0.0],
    }
}

/// P(+1) of a spin at input f.
fn up(f: f64) -> f64 {
    1.0 / (1.0 + (-2.0 * f).exp())
}

/// The generator of two spins at β: state bits, rates σ(±2f) cosh(αf) per τ0, f times β, α the card's.
fn generator(h: [f64; 2], j: f64, beta: f64) -> DMatrix<f64> {
    let alpha = card("pbit_cmos_subthreshold")
        .unwrap()
        .get("physics.tau_bias")
        .unwrap();
    let mut q = DMatrix::<f64>::zeros(4, 4);
    for s in 0..4usize {
        for (i, own) in h.iter().enumerate() {
            let other = if s >> (1 - i) & 1 == 1 { 1.0 } else { -1.0 };
            let input = beta * (own + j * other);
            let p = up(input);
            let flipped = s ^ (1 << i);
            let rate = (alpha * input).cosh() * if s >> i & 1 == 1 { 1.0 - p } else { p };
            q[(s, flipped)] += rate;
            q[(s, s)] -= rate;
        }
    }
    q
}

fn counts(samples: &Samples) -> Vec<u64> {
    let mut counts = vec![0; 4];
    for x in samples.x.chunks(2) {
        counts[usize::from(x[0] > 0.0) | usize::from(x[1] > 0.0) << 1] += 1;
    }
    counts
}

/// A quench that is too fast to follow, from (+1, −1): the chip has the master equation's law at its end, and Gibbs that of
/// its sweeps; neither has the Boltzmann law of the last β, nor the law of a schedule run backwards.
#[test]
fn quenched_spins_have_the_law_of_the_master_equation() {
    let (h, j, chains) = ([0.3, -0.1], 1.4, 12_000);
    let graph = Couplings::new(2, vec![(0, 1, j)]).unwrap();
    let model = Model::Ising(Ising::new(h.to_vec(), graph).unwrap());
    let start: Vec<f64> = (0..chains).flat_map(|_| [1.0, -1.0]).collect();
    let schedule = Schedule::new(vec![(0.0, 0.1), (3.0, 1.0)], false, 6).unwrap();
    let law = |schedule: &Schedule| {
        let mut p = dvector![0.0, 1.0, 0.0, 0.0];
        for (time, beta) in schedule.stretches() {
            let (phi, _) = linear::transition(
                &(-generator(h, j, beta).transpose()),
                &DMatrix::zeros(4, 4),
                time,
            );
            p = phi * p;
        }
        p
    };
    let boltzmann = || {
        let weights = DVector::from_fn(4, |s, _| {
            let v = |i: usize| if s >> i & 1 == 1 { 1.0 } else { -1.0 };
            f64::exp(h[0] * v(0) + h[1] * v(1) + j * v(0) * v(1))
        });
        &weights / weights.sum()
    };
    let what = (&schedule, Annealed::All);

    let mut analog = chip(
        "pbit_cmos_subthreshold",
        &model,
        chains,
        0.002,
        "euler-maruyama",
    );
    analog.restore(&ChainState::at(start.clone())).unwrap();
    let cost = anneal(
        &mut *analog,
        &model.parameters(),
        what,
        |t| Horizon::Seconds(t * TAU),
        None,
    )
    .unwrap();
    assert!((cost.device_seconds.unwrap() / (3.0 * TAU) - 1.0).abs() < 1e-9);
    assert!(cost.read.is_none() && cost.write.is_none() && cost.sample.is_some());
    let got = counts(&state(&*analog, chains, 2));
    counts_match(&got, law(&schedule).as_slice(), FALSE_ALARM).unwrap();
    assert!(counts_match(&got, boltzmann().as_slice(), FALSE_ALARM).is_err());
    let backwards = Schedule::new(vec![(0.0, 1.0), (3.0, 0.1)], false, 6).unwrap();
    assert!(counts_match(&got, law(&backwards).as_slice(), FALSE_ALARM).is_err());

    // A sweep redraws one spin, then the other: columns of the kernel are where it leads from each state.
    let kernel = |beta: f64, order: [usize; 2]| {
        order
            .iter()
            .fold(DMatrix::identity(4, 4), |k: DMatrix<f64>, &i| {
                let mut redraw = DMatrix::<f64>::zeros(4, 4);
                for s in 0..4usize {
                    let other = if s >> (1 - i) & 1 == 1 { 1.0 } else { -1.0 };
                    let p = up(beta * (h[i] + j * other));
                    redraw[(s | 1 << i, s)] += p;
                    redraw[(s & !(1 << i), s)] += 1.0 - p;
                }
                redraw * k
            })
    };
    let sweeps = |order: [usize; 2]| {
        schedule
            .stretches()
            .fold(dvector![0.0, 1.0, 0.0, 0.0], |p, (_, beta)| {
                kernel(beta, order) * p
            })
    };
    let mut gibbs = GibbsSampler::new(&model, chains, (3, 0), Follow::silent()).unwrap();
    gibbs.restore(&ChainState::at(start)).unwrap();
    anneal(
        &mut gibbs,
        &model.parameters(),
        what,
        |t| Horizon::Steps((t - 1e-9).ceil() as u64),
        None,
    )
    .unwrap();
    let got = counts(&state(&gibbs, chains, 2));
    let first = counts_match(&got, sweeps([0, 1]).as_slice(), FALSE_ALARM);
    let second = counts_match(&got, sweeps([1, 0]).as_slice(), FALSE_ALARM);
    assert!(first.is_ok() || second.is_ok(), "{first:?} {second:?}");
    assert!(counts_match(&got, boltzmann().as_slice(), FALSE_ALARM).is_err());
}

/// Two RC nodes whose coupling rises: mean and covariance from x = (2, −1) by exact transitions, stretch by stretch. The exact
/// scheme has no bias; ULA's is of order its step. The stationary law at the end is refused.
#[test]
fn a_moving_stiffness_has_its_moments() {
    let precision = |j: f64| dmatrix![1.5, -j; -j, 1.2];
    let (b, j, chains) = (dvector![0.5, -0.2], 1.1, 4000);
    let model = Model::Quadratic(Quadratic::new(precision(j), b.clone()).unwrap());
    let start: Vec<f64> = (0..chains).flat_map(|_| [2.0, -1.0]).collect();
    let schedule = Schedule::new(vec![(0.0, 0.05), (0.4, 0.3), (1.2, 1.0)], true, 8).unwrap();
    let (mut mean, mut covariance) = (dvector![2.0, -1.0], DMatrix::zeros(2, 2));
    for (time, beta) in schedule.stretches() {
        let a = precision(beta * j);
        let (phi, gained) = linear::transition(&a, &(DMatrix::identity(2, 2) * 2.0), time);
        mean = &phi * mean + linear::forced_response(&a, time) * &b;
        covariance = &phi * covariance * phi.transpose() + gained;
    }
    let what = (&schedule, Annealed::Couplings);
    let flat = |m: &DMatrix<f64>| vec![m[(0, 0)], m[(0, 1)], m[(1, 0)], m[(1, 1)]];
    let check = |sampler: &dyn Sampler, mean: &DVector<f64>, covariance: &DMatrix<f64>| {
        let values = sampler.state().values;
        moments_match(
            &values,
            (chains, 1),
            mean.as_slice(),
            &flat(covariance),
            FALSE_ALARM,
        )
    };
    let stationary = precision(j).try_inverse().unwrap();

    let mut analog = chip("rc_gaussian", &model, chains, 0.05, "ornstein-uhlenbeck");
    analog.restore(&ChainState::at(start.clone())).unwrap();
    anneal(
        &mut *analog,
        &model.parameters(),
        what,
        |t| Horizon::Seconds(t * TAU),
        None,
    )
    .unwrap();
    check(&*analog, &mean, &covariance).unwrap();
    assert!(check(&*analog, &(&stationary * &b), &stationary).is_err());
    // Fields were not scaled: with them scaled as well the mean is another.
    let mut scaled = chip("rc_gaussian", &model, chains, 0.05, "ornstein-uhlenbeck");
    scaled.restore(&ChainState::at(start.clone())).unwrap();
    let all = (&schedule, Annealed::All);
    anneal(
        &mut *scaled,
        &model.parameters(),
        all,
        |t| Horizon::Seconds(t * TAU),
        None,
    )
    .unwrap();
    assert!(check(&*scaled, &mean, &covariance).is_err());

    let silent = Follow::silent();
    let mut ula =
        LangevinSampler::<f64>::new(&model, chains, (2, 0), false, Some(0.001), 0.01, silent)
            .unwrap();
    ula.restore(&ChainState::at(start)).unwrap();
    anneal(&mut ula, &model.parameters(), what, Horizon::Time, None).unwrap();
    check(&ula, &mean, &covariance).unwrap();
    // What was programmed last stays.
    let phase = Phase {
        burn_in: Horizon::Steps(0),
        duration: Horizon::Time(8.0),
        every: None,
        clamp: None,
    };
    ula.run(&phase).unwrap();
    check(&ula, &(&stationary * &b), &stationary).unwrap();
}
