//! Exact maximum likelihood of programmed couplings, and the laws of dice that it is judged by. Deterministic except where a
//! false-alarm rate is stated.

use thermochip::energy::{
    ContinuousEnergy, Couplings, DiscreteEnergy, Ising, Model, Parameters, Parametric, SoftSpin,
    exact,
};
use thermochip::hardware::{Card, Die, Programmed, Scale, card::card, program};
use thermochip::sampler::{AnalogSampler, Follow, Horizon, StepRule};
use thermochip::training::{
    AscentSettings, ExactLikelihood, LikelihoodTrainer, Method, OptimiserKind, Settings, Trainer,
};

fn spins() -> (Model, Vec<Vec<f64>>) {
    let list = vec![
        (0, 1, 0.5),
        (0, 3, 0.9),
        (1, 3, -0.7),
        (2, 4, -0.6),
        (3, 4, 0.3),
    ];
    let fields = vec![0.2, -0.4, 0.1, 0.3, -0.2];
    let energy = Ising::new(fields, Couplings::new(5, list).unwrap()).unwrap();
    let rows = [
        [1.0, 1.0, -1.0],
        [1.0, -1.0, 1.0],
        [-1.0, 1.0, 1.0],
        [1.0, 1.0, 1.0],
    ];
    (
        Model::Ising(energy),
        rows.iter().map(|r| r.to_vec()).collect(),
    )
}

fn soft(cells: (&[f64], &[f64]), list: Vec<(usize, usize, f64)>) -> Model {
    let n = cells.0.len();
    let fields = (0..n).map(|i| 0.3 - 0.2 * i as f64).collect();
    let couplings = Couplings::new(n, list).unwrap();
    Model::SoftSpin(SoftSpin::new(cells.0.to_vec(), cells.1.to_vec(), fields, couplings).unwrap())
}

/// Three Gaussian nodes, all seen.
fn gaussian() -> (Model, Vec<Vec<f64>>) {
    let list = vec![(0, 1, 0.6), (1, 2, -0.4)];
    let rows = vec![
        vec![0.3, -0.9, 0.2],
        vec![1.1, 0.4, -0.6],
        vec![-0.2, 0.5, 0.8],
    ];
    (soft((&[1.0, 1.5, 0.8], &[0.0; 3]), list), rows)
}

/// Two stiff visible nodes with two hidden cells of different kinds.
fn plane() -> (Model, Vec<Vec<f64>>) {
    let list = vec![(0, 1, 0.3), (0, 2, 1.4), (1, 2, -0.8), (1, 3, 1.1)];
    let rows = vec![
        vec![0.5, -0.3],
        vec![-0.7, 0.2],
        vec![0.1, 0.6],
        vec![0.4, 0.1],
    ];
    (
        soft((&[6.0, 4.0, -2.0, 1.0], &[0.0, 1.0, 1.0, 0.5]), list),
        rows,
    )
}

/// One visible node with one hidden cell.
fn line() -> (Model, Vec<Vec<f64>>) {
    let rows = vec![vec![0.5], vec![-0.7], vec![0.2]];
    (soft((&[3.0, -2.0], &[0.2, 1.0]), vec![(0, 1, 1.2)]), rows)
}

fn shifted(theta: &Parameters, k: usize, by: f64) -> Parameters {
    let mut moved = theta.clone();
    let n = moved.fields.len();
    if k < n {
        moved.fields[k] += by;
    } else {
        moved.couplings[k - n] += by;
    }
    moved
}

/// The gradient ⟨s⟩ clamped − ⟨s⟩ free is that of the log-likelihood, by central differences; `beta` multiplies it.
fn gradient_is_the_likelihoods(
    (model, rows): (Model, Vec<Vec<f64>>),
    beta: f64,
) -> Result<(), String> {
    let mut likelihood = ExactLikelihood::new(&model, rows).unwrap();
    let theta = model.parameters();
    let found = likelihood.phases(&theta).unwrap();
    for (k, slope) in found.clamped.minus(&found.free).into_iter().enumerate() {
        let mut at = |by: f64| {
            let moved = shifted(&theta, k, by);
            likelihood.phases(&moved).unwrap().log_likelihood
        };
        let expected = (at(1e-4) - at(-1e-4)) / 2e-4;
        if (beta * slope - expected).abs() > 1e-6 {
            return Err(format!("parameter {k}: {slope} instead of {expected}"));
        }
    }
    Ok(())
}

#[test]
fn gradients_are_those_of_the_exact_likelihood() {
    for family in [spins, gaussian, plane, line] {
        gradient_is_the_likelihoods(family(), 1.0).unwrap();
        // A flipped sign, and a temperature that was not taken into account.
        assert!(gradient_is_the_likelihoods(family(), -1.0).is_err());
        assert!(gradient_is_the_likelihoods(family(), 0.9).is_err());
    }
}

/// The log-likelihood itself, by other means: a sum over states, the Gaussian's formula, two-dimensional quadrature.
#[test]
fn likelihoods_are_exact() {
    let value = |(model, rows): (Model, Vec<Vec<f64>>)| {
        let mut likelihood = ExactLikelihood::new(&model, rows).unwrap();
        likelihood
            .phases(&model.parameters())
            .unwrap()
            .log_likelihood
    };
    let (model, rows) = spins();
    let Model::Ising(energy) = &model else {
        panic!()
    };
    let weight = |v: &[f64]| -> f64 {
        let hidden = [[-1i8, -1], [-1, 1], [1, -1], [1, 1]];
        let full = hidden.iter().map(|h| {
            let mut s: Vec<i8> = v.iter().map(|&x| x as i8).collect();
            s.extend(h);
            (-energy.value(&s)).exp()
        });
        full.sum()
    };
    let states = (0..8).map(|k| [0, 1, 2].map(|i| if k >> i & 1 == 1 { 1.0 } else { -1.0 }));
    let z: f64 = states.map(|v| weight(&v)).sum();
    let mean = rows.iter().map(|r| (weight(r) / z).ln()).sum::<f64>() / rows.len() as f64;
    assert!((value(spins()) - mean).abs() < 1e-12);

    let (model, rows) = line();
    let whole = model.continuous().unwrap();
    let log_z = exact::quadrature(whole).unwrap().log_z;
    let marginal = |v: f64| {
        let step = 1e-3;
        let h = (-6000..6000).map(|k| f64::from(k) * step);
        (h.map(|h| (-whole.value(&[v, h])).exp()).sum::<f64>() * step).ln()
    };
    let mean = rows.iter().map(|r| marginal(r[0]) - log_z).sum::<f64>() / rows.len() as f64;
    assert!((value(line()) - mean).abs() < 1e-8);

    // Gaussians by the grid (two seen, one hidden) and by the closed form of the same law of two.
    let list = vec![(0, 1, 0.6), (0, 2, 1.1), (1, 2, -0.7)];
    let with_hidden = soft((&[2.0, 1.5, 1.0], &[0.0; 3]), list);
    let Model::SoftSpin(energy) = &with_hidden else {
        panic!()
    };
    let (w, b, j) = ([1.1, -0.7], &energy.fields, 2.0);
    // Summing h over: −(w·v + b)²/(4 j2) with j2 = 1.
    let cells = [2.0 - w[0] * w[0] / (2.0 * j), 1.5 - w[1] * w[1] / (2.0 * j)];
    let pair = 0.6 + w[0] * w[1] / j;
    let fields = vec![b[0] + b[2] * w[0] / j, b[1] + b[2] * w[1] / j];
    let couplings = Couplings::new(2, vec![(0, 1, pair)]).unwrap();
    let alone = SoftSpin::new(cells.to_vec(), vec![0.0; 2], fields, couplings).unwrap();
    let rows = vec![
        vec![0.4, -1.0],
        vec![-0.8, 0.9],
        vec![1.5, 1.2],
        vec![-2.0, -2.2],
    ];
    let (a, c) = (
        value((with_hidden, rows.clone())),
        value((Model::SoftSpin(alone), rows)),
    );
    assert!((a - c).abs() < 1e-7, "{a} {c}");
    let (model, rows) = gaussian();
    let whole = model.continuous().unwrap();
    let three = value((model.clone(), rows.clone()));
    // ln Z of three by sums over the third of two-dimensional quadratures would cost much: det P instead.
    let dense: nalgebra::Matrix3<f64> =
        nalgebra::matrix![2.0, -0.6, 0.0; -0.6, 3.0, 0.4; 0.0, 0.4, 1.6];
    let b = nalgebra::vector![0.3, 0.1, -0.1];
    let quadratic = b.dot(&(dense.try_inverse().unwrap() * b));
    let log_z = 1.5 * std::f64::consts::TAU.ln() - 0.5 * dense.determinant().ln() + 0.5 * quadratic;
    let energy = rows.iter().map(|r| whole.value(r)).sum::<f64>() / rows.len() as f64;
    assert!((three - (-energy - log_z)).abs() < 1e-12);
}

fn ascent(updates: u64) -> AscentSettings {
    AscentSettings {
        optimiser: OptimiserKind::Adam,
        learning_rate: 0.05,
        decay: 0.01,
        updates,
        weight_decay: 0.0,
    }
}

/// Rows that show a known law's states as often as it does give its parameters back.
#[test]
fn a_known_law_is_learned() {
    let list = vec![(0, 1, 0.5), (0, 2, -0.3), (1, 2, 0.8)];
    let small = Ising::new(vec![0.2, -0.4, 0.1], Couplings::new(3, list).unwrap()).unwrap();
    let law = exact::probabilities(&small).unwrap();
    let rows: Vec<Vec<f64>> = law
        .iter()
        .enumerate()
        .flat_map(|(k, p)| {
            let row: Vec<f64> = (0..3)
                .map(|i| if k >> i & 1 == 1 { 1.0 } else { -1.0 })
                .collect();
            std::iter::repeat_n(row, (p * 20_000.0).round() as usize)
        })
        .collect();
    let zero = Parameters {
        fields: vec![0.0; 3],
        couplings: vec![0.0; 3],
    };
    let model = Model::Ising(small.clone());
    let learn = |rows: &[Vec<f64>]| {
        let mut trainer =
            LikelihoodTrainer::new(ascent(600), &model, rows.to_vec(), zero.clone()).unwrap();
        for _ in 0..600 {
            trainer.step().unwrap();
        }
        let off = trainer.parameters().minus(&small.parameters());
        off.into_iter().fold(0.0, |most: f64, v| most.max(v.abs()))
    };
    assert!(learn(&rows) < 2e-3);
    // Rows that lost a spin's sign are another law's.
    let mut wrong = rows.clone();
    wrong.iter_mut().step_by(3).for_each(|row| row[1] = -row[1]);
    assert!(learn(&wrong) > 0.1);
}

/// A climb raises the likelihood, and one that stops and goes on climbs to the same bits.
#[test]
fn climbs_rise_and_resume() {
    let (model, rows) = plane();
    let make = || LikelihoodTrainer::new(ascent(40), &model, rows.clone(), model.parameters());
    let mut whole = make().unwrap();
    let seen: Vec<f64> = (0..40)
        .map(|_| whole.step().unwrap().log_likelihood)
        .collect();
    assert!(seen[39] > seen[0] + 0.05 && seen[20] > seen[10]);
    let mut half = make().unwrap();
    for _ in 0..17 {
        half.step().unwrap();
    }
    let kept = half.checkpoint();
    let mut resumed = make().unwrap();
    resumed.resume(kept).unwrap();
    for _ in 17..40 {
        resumed.step().unwrap();
    }
    assert_eq!(resumed.parameters(), whole.parameters());
    assert_ne!(half.parameters(), whole.parameters());
    let (other, rows) = line();
    let mut other = LikelihoodTrainer::new(ascent(40), &other, rows, other.parameters()).unwrap();
    assert!(other.resume(half.checkpoint()).is_err());
}

/// Wells that no row is in are part of the law.
#[test]
fn wells_without_rows_are_seen() {
    let energy = soft((&[-50.0], &[25.0]), Vec::new());
    let rows = vec![vec![0.9], vec![1.1]];
    let mut likelihood = ExactLikelihood::new(&energy, rows).unwrap();
    let free = likelihood.phases(&energy.parameters()).unwrap().free.fields[0];
    let exact = exact::quadrature(energy.continuous().unwrap()).unwrap();
    // The field of 0.3 leaves a third of the weight in the other well.
    assert!(
        (free - exact.mean[0]).abs() < 1e-6 && exact.mean[0] < 0.5,
        "{free}"
    );
}

#[test]
fn divergence_is_reported() {
    let (model, rows) = spins();
    let wild = AscentSettings {
        learning_rate: 1e5,
        ..ascent(10)
    };
    let mut trainer = LikelihoodTrainer::new(wild, &model, rows, model.parameters()).unwrap();
    let words = trainer.step().unwrap_err().to_string();
    assert!(
        words.contains("at update 1") && words.contains("learning_rate"),
        "{words}"
    );
}

#[test]
fn what_is_out_of_reach_is_said() {
    let words = |model: Model, rows: Vec<Vec<f64>>| {
        let made = ExactLikelihood::new(&model, rows);
        let found = made.and_then(|mut l| l.phases(&model.parameters()));
        found.unwrap_err().to_string()
    };
    let many = Ising::new(vec![0.0; 21], Couplings::new(21, Vec::new()).unwrap()).unwrap();
    assert!(words(Model::Ising(many), vec![vec![1.0; 3]]).contains("at most 20 spins"));
    let (model, _) = gaussian();
    assert!(words(model.clone(), Vec::new()).contains("at least one row"));
    let quartic = soft((&[1.0; 3], &[0.1; 3]), Vec::new());
    assert!(words(quartic, vec![vec![0.1; 3]]).contains("cd or pcd"));
    let coupled = soft((&[1.0; 3], &[1.0; 3]), vec![(1, 2, 0.1)]);
    assert!(words(coupled, vec![vec![0.1]]).contains("hidden cells that couple"));
    // A cell that holds its node nowhere near the rows, and is stiff where it does: no grid holds both.
    let wild = soft((&[0.0, 1e6], &[1e-9, 1e6]), Vec::new());
    assert!(words(wild, vec![vec![0.0, 0.0], vec![0.1, 0.0]]).contains("points"));
}

/// Rows close together and a wide law: the box grows until it holds it.
#[test]
fn wide_laws_are_held() {
    let list = vec![(0, 1, 0.2)];
    let rows = vec![vec![0.0], vec![0.1]];
    let energy = soft((&[0.05, 1.0], &[0.0, 1.0]), list);
    let mut likelihood = ExactLikelihood::new(&energy, rows.clone()).unwrap();
    let found = likelihood.phases(&energy.parameters()).unwrap();
    let whole = energy.continuous().unwrap();
    let exact = exact::quadrature(whole).unwrap();
    assert!(
        (found.free.fields[0] - exact.mean[0]).abs() < 1e-4,
        "{found:?} {exact:?}"
    );
    assert!((found.free.fields[1] - exact.mean[1]).abs() < 1e-4);
    let pair = exact.covariance[(0, 1)] + exact.mean[0] * exact.mean[1];
    assert!((found.free.couplings[0] - pair).abs() < 1e-3);
}

fn without(names: &[&str], seed: u64) -> Die {
    let own: Card = card("soft_spin_cmos").unwrap();
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    Die::fabricate(&own, Some(seed), Some(&names)).unwrap()
}

/// c0 + c1 x + c2 x² + c3 x³ + Σ J x of the programmed process.
fn force(chip: &Programmed, x: &[f64]) -> Vec<f64> {
    let process = chip.process();
    let (_, couplings) = chip.realised_parameters();
    let mut force = vec![0.0; x.len()];
    for (i, f) in force.iter_mut().enumerate() {
        for (k, c) in process.polynomial.iter().enumerate() {
            *f += c[i] * x[i].powi(k as i32);
        }
    }
    for (&(i, j), pair) in chip.pairs().iter().zip(couplings) {
        force[i] += pair.0 * x[j];
        force[j] += pair.1 * x[i];
    }
    force
}

/// A die with offsets holds the energy of y = x − o: its force is −∇E(x − o).
#[test]
fn offsets_shift_the_energy_of_a_die() {
    let (model, _) = plane();
    let chip = program(&without(&["offset", "dac"], 5), &model, Scale::Fixed(1.5)).unwrap();
    assert!(
        chip.energy().is_none(),
        "a quartic cell with an offset is no soft spin of x"
    );
    let (energy, shifts) = chip.shifted_energy().unwrap();
    assert!(shifts[1..].iter().all(|o| *o != 0.0));
    let x = [0.4, -0.2, 0.9, -0.6];
    let agree = |shifts: &[f64]| {
        let y: Vec<f64> = x.iter().zip(shifts).map(|(x, o)| x - o).collect();
        let mut gradient = vec![0.0; 4];
        energy.gradient(&y, &mut gradient);
        let pairs = force(&chip, &x).into_iter().zip(gradient);
        pairs.map(|(f, g)| (f + g).abs()).fold(0.0, f64::max) < 1e-10
    };
    assert!(agree(&shifts));
    // Without the shifts it is another force.
    assert!(!agree(&[0.0; 4]));
    // Where nodes are unequally hot there is no energy, shifted or not.
    let hot = program(
        &without(&["noise_temperature"], 5),
        &model,
        Scale::Fixed(1.5),
    )
    .unwrap();
    assert!(hot.shifted_energy().is_none());
}

/// Through a chip hotter than it is programmed for, T is measured, and updates move what the chip *holds*, θ/T, as far as an update
/// without a thermometer moves θ, by either optimiser.
///
/// False alarms: the readings of T over 400 chains and 60 updates have a standard error below 0.01; the bounds lie ten of
/// them away.
#[test]
fn the_temperature_enters_the_update() {
    let list = vec![(0, 1, 0.6), (1, 2, -0.5)];
    let model = soft((&[-2.0, 1.0, -1.0], &[1.0, 1.0, 1.0]), list);
    let rows: Vec<Vec<f64>> = (0..50)
        .map(|k| {
            (0..3)
                .map(|i| (f64::from(k * (i + 2)) * 0.7).sin())
                .collect()
        })
        .collect();
    let card = card("soft_spin_cmos").unwrap();
    // T as told last, and how far each parameter has come in 60 updates so small that all start at the same energy.
    let moved = |ratio: f64, measured: bool, optimiser: OptimiserKind| {
        let mut die = Die::fabricate(&card, None, None).unwrap();
        die.temperature_ratio = ratio;
        let chip = program(&die, &model, Scale::Fixed(1.0)).unwrap();
        let rule = StepRule::Auto(0.02);
        let follow = Follow::silent();
        let mut sampler =
            AnalogSampler::<f32>::new(chip, 400, (3, 1), rule, "euler-maruyama", follow).unwrap();
        let settings = Settings {
            method: Method::Pcd,
            restart: 0.0,
            positive: Horizon::Seconds(1e-7),
            negative: Horizon::Seconds(2e-7),
            conditional: None,
            optimiser,
            learning_rate: 1e-9,
            decay: 1.0,
            updates: 60,
            weight_decay: 0.0,
            limit: None,
            local_rule: None,
            seed: 5,
        };
        let edges = [(0, 1), (1, 2)];
        let mut trainer = Trainer::new(settings, rows.clone(), &edges, model.parameters()).unwrap();
        if measured {
            trainer = trainer.measuring_temperature(&model);
        }
        let mut last = None;
        for _ in 0..60 {
            last = trainer.step(&mut sampler).unwrap().temperature;
        }
        (last, trainer.parameters().minus(&model.parameters()))
    };
    for optimiser in [OptimiserKind::Sgd { momentum: 0.0 }, OptimiserKind::Adam] {
        let (cold, _) = moved(1.0, true, optimiser);
        assert!((cold.unwrap() - 1.0).abs() < 0.1, "{cold:?}");
        let (hot, with) = moved(1.6, true, optimiser);
        assert!((hot.unwrap() - 1.6).abs() < 0.1, "{hot:?}");
        let (unknown, without) = moved(1.6, false, optimiser);
        assert!(unknown.is_none());
        // The chains are the same ones. T is near 1.6 in every update but the first few.
        let norm = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let ratio = norm(&with) / norm(&without);
        assert!((ratio - 1.6).abs() < 0.15, "{optimiser:?}: {ratio}");
    }
}
