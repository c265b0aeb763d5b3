//! Contrastive training against exact gradients: what CD and PCD move, through which sampler, and from where.
//!
//! Statistical checks state their false-alarm rate; each has a mutation (flipped sign, forgotten persistence, a shorter
//! phase) that the same check rejects.

use thermochip::energy::{
    Couplings, DiscreteEnergy, Ising, Model, Parameters, Parametric, SoftSpin,
};
use thermochip::hardware::{Die, Scale, card::card, program};
use thermochip::sampler::{
    AnalogSampler, Follow, GibbsSampler, Horizon, LangevinSampler, Sampler, StepRule,
};
use thermochip::testing::assertions::agrees;
use thermochip::training::{
    Checkpoint, Conditional, LocalRule, Method, OptimiserKind, Settings, Trainer,
};

/// Per check; there are about a hundred in this file.
const FALSE_ALARM: f64 = 1e-7;

fn settings(method: Method, positive: Horizon, negative: Horizon) -> Settings {
    Settings {
        method,
        restart: 0.0,
        positive,
        negative,
        conditional: None,
        optimiser: OptimiserKind::Sgd { momentum: 0.0 },
        learning_rate: 1.0,
        decay: 1.0,
        updates: 100,
        weight_decay: 0.0,
        limit: None,
        local_rule: None,
        seed: 5,
    }
}

/// Three visible and two hidden spins, strong enough that one sweep does not forget the data.
fn machine() -> Ising {
    let list = vec![
        (0, 1, 0.5),
        (0, 3, 0.9),
        (1, 3, -0.7),
        (1, 4, 0.8),
        (2, 4, -0.6),
        (3, 4, 0.3),
    ];
    let fields = vec![0.2, -0.4, 0.1, 0.3, -0.2];
    Ising::new(fields, Couplings::new(5, list).unwrap()).unwrap()
}

const ROWS: [[f64; 3]; 4] = [
    [1.0, 1.0, -1.0],
    [1.0, -1.0, 1.0],
    [-1.0, 1.0, 1.0],
    [1.0, 1.0, 1.0],
];

fn rows() -> Vec<Vec<f64>> {
    ROWS.iter().map(|r| r.to_vec()).collect()
}

/// ⟨s_i⟩ then ⟨s_i s_j⟩ on the edges under p(s) ∝ weight(s) exp(−E(s)).
fn statistics(energy: &Ising, weight: impl Fn(&[i8]) -> f64) -> Vec<f64> {
    let (n, edges) = (energy.dim(), energy.couplings.edges());
    let (mut sums, mut z) = (vec![0.0; n + edges.len()], 0.0);
    for state in 0..1usize << n {
        let s: Vec<i8> = (0..n)
            .map(|i| if state >> i & 1 == 1 { 1 } else { -1 })
            .collect();
        let p = weight(&s) * (-energy.value(&s)).exp();
        z += p;
        for i in 0..n {
            sums[i] += p * f64::from(s[i]);
        }
        for (k, &(i, j)) in edges.iter().enumerate() {
            sums[n + k] += p * f64::from(s[i] * s[j]);
        }
    }
    sums.iter().map(|v| v / z).collect()
}

/// The same with some nodes held at the data, averaged over the rows.
fn held(energy: &Ising, nodes: &[usize]) -> Vec<f64> {
    let mut mean = vec![0.0; energy.dim() + energy.couplings.edges().len()];
    for row in ROWS {
        let own = statistics(energy, |s| {
            f64::from(u8::from(nodes.iter().all(|&i| f64::from(s[i]) == row[i])))
        });
        for (m, v) in mean.iter_mut().zip(own) {
            *m += v / ROWS.len() as f64;
        }
    }
    mean
}

fn flat(parameters: &Parameters) -> Vec<f64> {
    [&parameters.fields[..], &parameters.couplings[..]].concat()
}

/// `got` is `expected` up to the scatter of `chains` products of spins in each of `phases` phases.
fn is_gradient(got: &[f64], expected: &[f64], chains: usize, phases: f64) -> Result<(), String> {
    let se = (phases / chains as f64).sqrt();
    for (k, (g, e)) in got.iter().zip(expected).enumerate() {
        agrees(&format!("component {k}"), *g, se, *e, FALSE_ALARM)?;
    }
    Ok(())
}

/// What one SGD update of rate 1 adds to the parameters.
fn update(trainer: &mut Trainer, sampler: &mut dyn Sampler) -> Vec<f64> {
    let before = flat(trainer.parameters());
    trainer.step(sampler).unwrap();
    let after = flat(trainer.parameters());
    after.iter().zip(before).map(|(a, b)| a - b).collect()
}

fn gibbs(chains: usize) -> GibbsSampler {
    GibbsSampler::new(&Model::Ising(machine()), chains, (9, 0), Follow::silent()).unwrap()
}

/// With phases long enough to forget their start, CD moves along ⟨s⟩_data − ⟨s⟩_model; the flipped sign is rejected.
#[test]
fn long_phases_give_the_exact_gradient() {
    let (chains, energy) = (40_000, machine());
    let long = Horizon::Steps(60);
    let mut plain = settings(Method::Cd, long, long);
    let exact: Vec<f64> = held(&energy, &[0, 1, 2])
        .iter()
        .zip(statistics(&energy, |_| 1.0))
        .map(|(a, b)| a - b)
        .collect();
    let start = energy.parameters();
    let edges = energy.couplings.edges();
    let mut trainer = Trainer::new(plain.clone(), rows(), edges, start.clone()).unwrap();
    let moved = update(&mut trainer, &mut gibbs(chains));
    is_gradient(&moved, &exact, chains, 2.0).unwrap();
    let flipped: Vec<f64> = moved.iter().map(|v| -v).collect();
    assert!(is_gradient(&flipped, &exact, chains, 2.0).is_err());

    // The conditional phase (visible 0 and 1 held, 2 free) adds its own difference, at its weight.
    let weight = 2.0;
    plain.conditional = Some(Conditional {
        clamp: vec![0, 1],
        weight,
    });
    let with: Vec<f64> = (0..exact.len())
        .map(|k| exact[k] + weight * (held(&energy, &[0, 1, 2])[k] - held(&energy, &[0, 1])[k]))
        .collect();
    let mut trainer = Trainer::new(plain, rows(), edges, start).unwrap();
    let moved = update(&mut trainer, &mut gibbs(chains));
    is_gradient(&moved, &with, chains, 2.0 + 2.0 * weight * weight).unwrap();
    assert!(is_gradient(&moved, &exact, chains, 2.0).is_err());
}

/// A p-bit chip in continuous time, hidden spins by clamping the others, gives the same gradient; one that is 20 per cent hotter than
/// its program knows does not.
#[test]
fn p_bits_give_the_exact_gradient_and_hot_ones_do_not() {
    let (chains, energy) = (40_000, machine());
    let exact: Vec<f64> = held(&energy, &[0, 1, 2])
        .iter()
        .zip(statistics(&energy, |_| 1.0))
        .map(|(a, b)| a - b)
        .collect();
    let through = |temperature: f64| {
        let card = card("pbit_cmos_subthreshold").unwrap();
        let mut die = Die::fabricate(&card, None, None).unwrap();
        die.temperature_ratio = temperature;
        let programmed = program(&die, &Model::Ising(machine()), Scale::Fixed(1.0)).unwrap();
        let (rule, silent) = (StepRule::Auto(0.01), Follow::silent());
        let scheme = programmed.scheme();
        let mut chip =
            AnalogSampler::<f32>::new(programmed, chains, (3, 0), rule, scheme, silent).unwrap();
        let long = Horizon::Seconds(60.0 * 100e-9);
        let settings = settings(Method::Cd, long, long);
        let edges = energy.couplings.edges();
        let mut trainer = Trainer::new(settings, rows(), edges, energy.parameters()).unwrap();
        update(&mut trainer, &mut chip)
    };
    is_gradient(&through(1.0), &exact, chains, 2.0).unwrap();
    assert!(is_gradient(&through(1.2), &exact, chains, 2.0).is_err());
}

/// With one sweep per update and a vanishing rate, PCD's free phase reaches the model's law; CD's stays near the data.
#[test]
fn persistence_reaches_the_model_where_one_sweep_from_the_data_does_not() {
    let (chains, energy) = (20_000, machine());
    let model = statistics(&energy, |_| 1.0);
    let free_mean = |method, restart, buffer: Option<usize>| {
        let mut settings = settings(method, Horizon::Steps(20), Horizon::Steps(1));
        settings.restart = restart;
        settings.learning_rate = 1e-12;
        let start = energy.parameters();
        let mut trainer =
            Trainer::new(settings, rows(), energy.couplings.edges(), start.clone()).unwrap();
        if let Some(slots) = buffer {
            trainer = trainer.with_buffer(slots, chains).unwrap();
        }
        let mut sampler = gibbs(chains);
        for _ in 0..60 * buffer.map_or(1, |slots| slots / chains) {
            trainer.step(&mut sampler).unwrap();
        }
        let before = flat(trainer.parameters());
        trainer.step(&mut sampler).unwrap();
        let after = flat(trainer.parameters());
        let positive = held(&energy, &[0, 1, 2]);
        // gradient = positive − negative, so negative = positive − step/rate.
        (0..model.len())
            .map(|k| positive[k] - (after[k] - before[k]) / 1e-12)
            .collect::<Vec<f64>>()
    };
    // The parameters keep steps of 1e-12 only to about 1e-16/1e-12 = 1e-4 of the gradient: far below the scatter.
    let [kept, begun] = [0.0, 1.0].map(|restart| free_mean(Method::Pcd, restart, None));
    is_gradient(&kept, &model, chains, 2.0).unwrap();
    // So do those of a buffer of three times as many, of which every update runs a third.
    is_gradient(
        &free_mean(Method::Pcd, 0.0, Some(3 * chains)),
        &model,
        chains,
        2.0,
    )
    .unwrap();
    let from_data = free_mean(Method::Cd, 0.0, None);
    assert!(is_gradient(&from_data, &model, chains, 2.0).is_err());
    // Chains that all begin anew at the data are those of CD.
    assert!(is_gradient(&begun, &model, chains, 2.0).is_err());
    is_gradient(&begun, &from_data, chains, 4.0).unwrap();
}

fn soft() -> SoftSpin {
    let couplings = Couplings::new(3, vec![(0, 1, 0.3), (0, 2, 0.6), (1, 2, -0.5)]).unwrap();
    SoftSpin::new(vec![-1.0; 3], vec![0.5; 3], vec![0.1, -0.2, 0.3], couplings).unwrap()
}

const SOFT_ROWS: [[f64; 2]; 3] = [[1.0, 0.5], [-0.8, 1.1], [0.9, 1.2]];

fn soft_trainer(negative: f64) -> Trainer {
    let rows = SOFT_ROWS.iter().map(|r| r.to_vec()).collect();
    let settings = settings(Method::Cd, Horizon::Time(3.0), Horizon::Time(negative));
    let energy = soft();
    Trainer::new(
        settings,
        rows,
        energy.couplings.edges(),
        energy.parameters(),
    )
    .unwrap()
}

fn chip(chains: usize, seed: u64) -> AnalogSampler<f32> {
    let die = Die::fabricate(&card("soft_spin_cmos").unwrap(), None, None).unwrap();
    let programmed = program(&die, &Model::SoftSpin(soft()), Scale::Fixed(1.0)).unwrap();
    let (rule, silent) = (StepRule::Auto(0.02), Follow::silent());
    AnalogSampler::new(
        programmed,
        chains,
        (seed, 0),
        rule,
        "euler-maruyama",
        silent,
    )
    .unwrap()
}

/// The ideal chip and digital Langevin, given the same stretch of time, take the same step in law; a chip whose free phase
/// is a third shorter is told apart.
#[test]
fn the_chip_learns_what_digital_langevin_learns() {
    let chains = 60_000;
    let langevin = |seed| {
        let model = Model::SoftSpin(soft());
        let silent = Follow::silent();
        LangevinSampler::<f32>::new(&model, chains, (seed, 1), false, None, 0.02, silent).unwrap()
    };
    let digital = update(&mut soft_trainer(0.6), &mut langevin(1));
    let analog = update(&mut soft_trainer(0.6), &mut chip(chains, 2));
    // Both trainers pick the same rows; x and its products have standard deviations below 1.5, in four phases.
    let spread = 4.0 * 1.5f64.powi(2);
    is_gradient(&analog, &digital, chains, spread).unwrap();
    let shorter = update(&mut soft_trainer(0.4), &mut chip(chains, 2));
    assert!(is_gradient(&shorter, &digital, chains, spread).is_err());
}

/// Six updates, and three, a checkpoint through bytes, and three more, end in the same bits.
#[test]
fn a_checkpoint_continues_to_the_same_bits() {
    let pcd = || {
        let rows = SOFT_ROWS.iter().map(|r| r.to_vec()).collect();
        let mut settings = settings(Method::Pcd, Horizon::Time(0.3), Horizon::Time(0.6));
        settings.optimiser = OptimiserKind::Adam;
        settings.learning_rate = 0.01;
        settings.conditional = Some(Conditional {
            clamp: vec![0],
            weight: 1.0,
        });
        let energy = soft();
        Trainer::new(
            settings,
            rows,
            energy.couplings.edges(),
            energy.parameters(),
        )
        .unwrap()
    };
    let (mut whole, mut sampler) = (pcd(), chip(40, 3));
    for _ in 0..6 {
        whole.step(&mut sampler).unwrap();
    }
    let (mut first, mut sampler) = (pcd(), chip(40, 3));
    for _ in 0..3 {
        first.step(&mut sampler).unwrap();
    }
    let bytes = postcard::to_stdvec(&first.checkpoint(&sampler)).unwrap();
    let saved: Checkpoint = postcard::from_bytes(&bytes).unwrap();
    let (mut second, mut sampler) = (pcd(), chip(40, 4));
    second.resume(saved, &mut sampler).unwrap();
    for _ in 0..3 {
        second.step(&mut sampler).unwrap();
    }
    assert_eq!(whole.parameters(), second.parameters());
    assert_ne!(whole.parameters(), first.parameters());
}

/// A learning rate that throws the parameters away is an error that says which and when, not a NaN.
#[test]
fn divergence_is_reported() {
    let rows = SOFT_ROWS.iter().map(|r| r.to_vec()).collect();
    let mut wild = settings(Method::Cd, Horizon::Time(0.3), Horizon::Time(0.6));
    wild.learning_rate = 1e5;
    let energy = soft();
    let mut trainer =
        Trainer::new(wild, rows, energy.couplings.edges(), energy.parameters()).unwrap();
    let error = trainer.step(&mut chip(40, 3)).unwrap_err().to_string();
    assert!(
        error.contains("at update 1") && error.contains("learning_rate"),
        "{error}"
    );
}

/// A limit holds what would diverge, each kind of parameter by its own bound.
#[test]
fn a_limit_holds_fields_and_couplings() {
    let rows = SOFT_ROWS.iter().map(|r| r.to_vec()).collect();
    let mut held = settings(Method::Cd, Horizon::Time(0.3), Horizon::Time(0.6));
    held.learning_rate = 1e5;
    held.limit = Some((1.25, 0.5));
    let energy = soft();
    let edges = energy.couplings.edges();
    let mut trainer = Trainer::new(held.clone(), rows, edges, energy.parameters()).unwrap();
    trainer.step(&mut chip(40, 3)).unwrap();
    let found = trainer.parameters();
    assert!(found.fields.iter().all(|v| v.abs() == 1.25), "{found:?}");
    assert!(found.couplings.iter().all(|v| v.abs() == 0.5), "{found:?}");
    held.limit = Some((0.0, 1.0));
    let rows = SOFT_ROWS.iter().map(|r| r.to_vec()).collect();
    let refused = Trainer::new(held, rows, edges, energy.parameters());
    assert!(refused.unwrap_err().to_string().contains("train.limit"));
}

/// One update of three soft spins, all visible, from one row: the update, the share of saturated readings, and the exact
/// means of the clamped phase (the row's) and of the free one (where the chains ended).
fn read_update(rule: Option<LocalRule>) -> (Vec<f64>, Option<f64>, [Vec<f64>; 2]) {
    let (row, energy) = (vec![0.83, -0.41, 0.37], soft());
    let mut settings = settings(Method::Cd, Horizon::Time(0.3), Horizon::Time(0.6));
    settings.local_rule = rule;
    let edges = energy.couplings.edges();
    let mut trainer =
        Trainer::new(settings, vec![row.clone()], edges, energy.parameters()).unwrap();
    let (model, silent) = (Model::SoftSpin(soft()), Follow::silent());
    let mut sampler =
        LangevinSampler::<f32>::new(&model, 64, (8, 1), false, None, 0.02, silent).unwrap();
    let before = flat(trainer.parameters());
    let report = trainer.step(&mut sampler).unwrap();
    let after = flat(trainer.parameters());
    let moved = after.iter().zip(before).map(|(a, b)| a - b).collect();
    let means = |states: &[f64]| -> Vec<f64> {
        let n = (states.len() / 3) as f64;
        let mean = |of: &dyn Fn(&[f64]) -> f64| states.chunks(3).map(of).sum::<f64>() / n;
        let single = (0..3).map(|i| mean(&|x| x[i]));
        let pair = edges.iter().map(|&(i, j)| mean(&|x| x[i] * x[j]));
        single.chain(pair).collect()
    };
    let phases = [means(&row), means(&sampler.state().values)];
    (moved, report.saturated, phases)
}

/// A local rule moves by the difference of two readings, each on its own grid of levels and saturating on its own; a
/// converter after the difference is told apart. With 32 bits nothing is left of it.
#[test]
fn a_local_rule_moves_by_two_readings() {
    let exact = read_update(None);
    assert_eq!(exact.1, None);
    let fine = read_update(Some(LocalRule {
        bits: 32,
        full_scale: 8.0,
    }));
    assert_eq!(fine.1, Some(0.0));
    for (a, b) in fine.0.iter().zip(&exact.0) {
        // Two readings, half a level of 8/(2³¹ − 1) each.
        assert!((a - b).abs() < 4e-9, "{a} for {b}");
    }
    let mut told_apart = 0;
    for (bits, full_scale) in [(3, 1.0), (4, 1.0), (5, 0.4), (2, 0.3)] {
        let rule = LocalRule { bits, full_scale };
        let (moved, share, [clamped, free]) = read_update(Some(rule));
        let level = full_scale / f64::from((1 << (bits - 1)) - 1);
        let read = |v: f64| (v.clamp(-full_scale, full_scale) / level).round() * level;
        for (k, (c, f)) in clamped.iter().zip(&free).enumerate() {
            // Means of the same numbers in single precision: 1e-7, were a reading that near to a step it would show.
            let expected = read(*c) - read(*f);
            assert!((moved[k] - expected).abs() < 1e-9, "{bits} bits, {k}");
            told_apart += usize::from((moved[k] - read(c - f)).abs() > 0.5 * level);
        }
        let beyond = clamped.iter().chain(&free).filter(|v| v.abs() > full_scale);
        let expected = beyond.count() as f64 / 12.0;
        assert_eq!(share, Some(expected));
        assert!((full_scale < 0.5) == (expected > 0.0));
    }
    assert!(told_apart > 3, "{told_apart}");
    for (bits, full_scale) in [(1, 1.0), (33, 1.0), (8, 0.0), (8, f64::INFINITY)] {
        assert!(LocalRule { bits, full_scale }.check().is_err());
    }
}
