//! Kinds of chip beside injected-noise nodes and p-bits: capacitive boards, mixtures, latches of transistors, flux cells.
//!
//! Deterministic where the process's law is known (Lyapunov, master equation). Statistical checks allow 5.5 standard errors,
//! a false alarm in 4e-8 of the cases each, about 1e-6 for the file; each has a mutation that it rejects.

use nalgebra::{DMatrix, DVector};
use thermochip::dynamics::{MasterEquation, linear};
use thermochip::energy::{
    Couplings, Domain, Factor, FactorGraph, FluxCells, Ising, Mixture, Model, Parameters,
    Quadratic, enumerate_factors, exact,
};
use thermochip::hardware::{Card, Die, Level, Scale, card, flux_energies, program};
use thermochip::sampler::{
    AnalogSampler, ChainState, Follow, Horizon, Phase, Sampler, Samples, StepRule,
};
use thermochip::study::linear_algebra;

const Z: f64 = 5.5;

fn ideal(name: &str) -> Die {
    Die::fabricate(&card(name).unwrap(), None, None).unwrap()
}

fn gaussian(rows: &[f64]) -> Quadratic {
    let n = rows.len().isqrt();
    Quadratic::new(DMatrix::from_row_slice(n, n, rows), DVector::zeros(n)).unwrap()
}

fn sampler(die: &Die, model: &Model, chains: usize, bias: f64) -> AnalogSampler<f32> {
    let programmed = program(die, model, Scale::Fixed(1.0)).unwrap();
    let scheme = programmed.scheme();
    let rule = StepRule::Auto(bias);
    AnalogSampler::new(programmed, chains, (5, 77), rule, scheme, Follow::silent()).unwrap()
}

fn sample(
    die: &Die,
    model: &Model,
    chains: usize,
    start: &[f64],
    taus: [f64; 2],
    draws: usize,
) -> Samples {
    let tau = die.card.get("physics.tau").unwrap();
    let mut sampler = sampler(die, model, chains, 0.005);
    sampler
        .restore(&ChainState::at(start.repeat(chains)))
        .unwrap();
    let phase = Phase {
        burn_in: Horizon::Seconds(taus[0] * tau),
        duration: Horizon::Seconds(taus[1] * tau * draws as f64),
        every: Some(Horizon::Seconds(taus[1] * tau)),
        clamp: None,
    };
    sampler.run(&phase).unwrap().samples
}

/// Mean over chains of a statistic of each chain's draws, with its standard error.
fn over_chains(samples: &Samples, f: impl Fn(&[f32]) -> f64) -> (f64, f64) {
    let per: Vec<f64> = samples
        .x
        .chunks(samples.draws * samples.nodes)
        .map(|chain| chain.chunks(samples.nodes).map(&f).sum::<f64>() / samples.draws as f64)
        .collect();
    let n = per.len() as f64;
    let mean = per.iter().sum::<f64>() / n;
    let variance = per.iter().map(|p| (p - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

/// Stationary covariance of the first `n` rows, or of differences of rows i and n + i, from the process itself.
fn covariance(die: &Die, energy: &Quadratic, differences: bool) -> DMatrix<f64> {
    let programmed = program(die, &Model::Quadratic(energy.clone()), Scale::Fixed(1.0)).unwrap();
    let process = programmed.process();
    let a = linear::drift_matrix(process).unwrap();
    let p = linear::lyapunov(&a, &linear::diffusion(process)).unwrap();
    let n = energy.linear().len();
    DMatrix::from_fn(n, n, |i, j| {
        if differences {
            p[(i, j)] - p[(n + i, j)] - p[(i, n + j)] + p[(n + i, n + j)]
        } else {
            p[(i, j)]
        }
    })
}

/// v ~ N(0, P⁻¹) whatever R and L are; a die's law is that of the capacitors it has.
#[test]
fn a_board_of_capacitors_has_its_maxwell_matrix_as_precision() {
    let energy = gaussian(&[1.2, -0.5, -0.3, -0.5, 1.0, -0.2, -0.3, -0.2, 0.9]);
    let inverse = energy.precision().clone().try_inverse().unwrap();
    let mut other = card("lc_spu_8").unwrap();
    other
        .override_parameter("physics.inductance", "0.3 uH")
        .unwrap();
    other
        .override_parameter("physics.resistance", "300 ohm")
        .unwrap();
    for card in [card("lc_spu_8").unwrap(), other] {
        let die = Die::fabricate(&card, None, None).unwrap();
        // The circuit's resistance sets κ0 here: kT_eff is the card's, not κ0 R.
        assert!((covariance(&die, &energy, false) - &inverse).amax() < 1e-9);
    }
    let die = Die::fabricate(&card("lc_spu_8").unwrap(), Some(3), None).unwrap();
    let programmed = program(&die, &Model::Quadratic(energy.clone()), Scale::Fixed(1.0)).unwrap();
    let Some(Model::Quadratic(made)) = programmed.energy() else {
        panic!("no energy");
    };
    let law = made.precision().clone().try_inverse().unwrap();
    assert!((covariance(&die, &energy, false) - &law).amax() < 1e-9);
    assert!((law - inverse).amax() > 1e-3, "5 % capacitors move the law");
    assert!(programmed.report().no_energy_because.is_empty());
}

/// Crosswise capacitors make couplings of the other sign; a board without opposite nodes refuses them.
#[test]
fn opposite_nodes_couple_with_either_sign() {
    let energy = gaussian(&[1.2, 0.5, -0.3, 0.5, 1.0, 0.2, -0.3, 0.2, 0.9]);
    let mut differential = card("lc_spu_8").unwrap();
    let refused = program(
        &ideal("lc_spu_8"),
        &Model::Quadratic(energy.clone()),
        Scale::Fixed(1.0),
    );
    assert!(refused.unwrap_err().to_string().contains("differential"));
    differential
        .override_parameter("physics.differential", "1")
        .unwrap();
    let die = Die::fabricate(&differential, None, None).unwrap();
    let inverse = energy.precision().clone().try_inverse().unwrap();
    assert!((covariance(&die, &energy, true) - &inverse).amax() < 1e-9);
    // With the straight capacitor for the crosswise one the sign would be lost.
    let wrong = gaussian(&[1.2, -0.5, -0.3, -0.5, 1.0, -0.2, -0.3, -0.2, 0.9]);
    let wrong = wrong.precision().clone().try_inverse().unwrap();
    assert!((covariance(&die, &energy, true) - wrong).amax() > 0.1);
}

#[test]
fn boards_refuse_what_capacitors_cannot_hold() {
    let message = |energy: Quadratic| {
        let programmed = program(
            &ideal("lc_spu_8"),
            &Model::Quadratic(energy),
            Scale::Fixed(1.0),
        );
        programmed.unwrap_err().to_string()
    };
    let leaning = Quadratic::new(DMatrix::identity(2, 2), DVector::from_vec(vec![0.0, 1.0]));
    assert!(message(leaning.unwrap()).contains("linear[1]"));
    let strong = message(gaussian(&[
        1.0, -0.6, -0.45, -0.6, 1.0, -0.3, -0.45, -0.3, 1.0,
    ]));
    assert!(strong.contains("precision[0][0]"), "{strong}");
}

/// Histogram of a mixture's draws against its exact law, by χ² over chains' bin counts.
#[test]
fn a_selector_over_branches_samples_the_mixture() {
    let one = |v: f64| DVector::from_element(1, v);
    let square = |s: f64| DMatrix::from_element(1, 1, s * s);
    let build = |weights: &[f64]| {
        let means = [one(1.0), one(0.0), one(-0.8)];
        Mixture::new(weights, &means, &[square(0.3), square(1.0), square(0.5)]).unwrap()
    };
    let mixture = build(&[0.5, 0.2, 0.3]);
    let model = Model::Mixture(mixture.clone());
    let samples = sample(&ideal("pmog"), &model, 16384, &[0.0], [12.0, 4.0], 4);
    // P(x ≤ edge) by the normal distribution function.
    let cdf = |m: &Mixture, x: f64| -> f64 {
        let erf = statrs::function::erf::erf;
        m.components()
            .iter()
            .map(|c| {
                c.weight * 0.5 * (1.0 + erf((x - c.mean[0]) / (2.0 * c.covariance[(0, 0)]).sqrt()))
            })
            .sum()
    };
    let worst = |m: &Mixture| {
        [-1.5, -0.8, -0.3, 0.3, 0.7, 1.0, 1.3]
            .into_iter()
            .map(|edge| {
                let (p, se) =
                    over_chains(&samples, |x| f64::from(u8::from(f64::from(x[0]) <= edge)));
                (p - cdf(m, edge)).abs() / se
            })
            .fold(0.0, f64::max)
    };
    assert!(worst(&mixture) < Z, "{}", worst(&mixture));
    assert!(worst(&build(&[0.46, 0.24, 0.3])) > Z);
}

/// Branches and selector in one step of any length: from a known start, the mean of a reading after a fifth of τ, by its closed
/// form; an Euler–Maruyama step of that length is rejected. Elements that feed nodes are refused by the exact scheme.
#[test]
fn a_step_of_gated_branches_is_exact() {
    let one = |v: f64| DVector::from_element(1, v);
    let square = |v: f64| DMatrix::from_element(1, 1, v);
    let mixture = Mixture::new(
        &[0.7, 0.3],
        &[one(1.0), one(-1.0)],
        &[square(0.25), square(0.5)],
    );
    let model = Model::Mixture(mixture.unwrap());
    let die = ideal("pmog");
    let (chains, t, start) = (200_000, 0.2, 1.8);
    let seconds = t * die.card.get("physics.tau").unwrap();
    let after = |scheme: &str| {
        let programmed = program(&die, &model, Scale::Fixed(1.0)).unwrap();
        let rule = StepRule::Seconds(seconds);
        let mut sampler =
            AnalogSampler::<f32>::new(programmed, chains, (6, 1), rule, scheme, Follow::silent())
                .unwrap();
        sampler
            .restore(&ChainState::at(vec![start; chains]))
            .unwrap();
        let phase = Phase {
            burn_in: Horizon::Steps(0),
            duration: Horizon::Seconds(seconds),
            every: None,
            clamp: None,
        };
        over_chains(&sampler.run(&phase).unwrap().samples, |x| f64::from(x[0]))
    };
    // The start is in the first branch, of rate 1/0.25; the other branch starts at its own mean. The selector forgets with τ.
    let first = 0.7 + 0.3 * f64::exp(-t);
    let expected = first * (1.0 + (start - 1.0) * f64::exp(-4.0 * t)) - (1.0 - first);
    let off = |(mean, se): (f64, f64)| (mean - expected).abs() / se;
    let exact = off(after("ornstein-uhlenbeck"));
    assert!(exact < Z, "{exact}");
    assert!(off(after("euler-maruyama")) > Z);
    // p-bits feed their synapses: not apart.
    let pbits = Die::fabricate(&card("pbit_cmos_subthreshold").unwrap(), None, None).unwrap();
    let spins = spins(vec![0.1, 0.2], vec![(0, 1, 0.5)]);
    let programmed = program(&pbits, &spins, Scale::Fixed(1.0)).unwrap();
    let rule = StepRule::Auto(0.01);
    let scheme = "ornstein-uhlenbeck";
    let refused = AnalogSampler::<f32>::new(programmed, 1, (6, 1), rule, scheme, Follow::silent());
    assert!(refused.unwrap_err().to_string().contains("plan.scheme"));
}

/// Two variables per branch: means and covariances of the whole mixture.
#[test]
fn branches_of_several_variables_keep_their_correlations() {
    let means = [
        DVector::from_vec(vec![1.0, -1.0]),
        DVector::from_vec(vec![-0.5, 0.5]),
    ];
    let spreads = [
        DMatrix::from_row_slice(2, 2, &[0.5, 0.2, 0.2, 0.4]),
        DMatrix::from_row_slice(2, 2, &[0.3, -0.1, -0.1, 0.6]),
    ];
    let mixture = Mixture::new(&[0.4, 0.6], &means, &spreads).unwrap();
    let (mean, covariance) = mixture.moments();
    let samples = sample(
        &ideal("pmog"),
        &Model::Mixture(mixture),
        4096,
        &[0.0; 2],
        [12.0, 4.0],
        4,
    );
    for i in 0..2 {
        let (m, se) = over_chains(&samples, |x| f64::from(x[i]));
        assert!((m - mean[i]).abs() < Z * se);
        for j in 0..2 {
            let product = |x: &[f32]| (f64::from(x[i]) - mean[i]) * (f64::from(x[j]) - mean[j]);
            let (c, se) = over_chains(&samples, product);
            // The step inflates the stiffest variance by half a per cent.
            let bias = 0.005 * covariance[(i, i)].max(covariance[(j, j)]);
            assert!(
                (c - covariance[(i, j)]).abs() < Z * se + bias,
                "{i} {j}: {c}"
            );
        }
    }
}

fn latch_die(level: Level) -> Die {
    let mut die = ideal("pbit_cmos_subthreshold");
    die.level = level;
    die
}

fn spins(fields: Vec<f64>, couplings: Vec<(usize, usize, f64)>) -> Model {
    let graph = Couplings::new(fields.len(), couplings).unwrap();
    Model::Ising(Ising::new(fields, graph).unwrap())
}

/// The card's transistors give its correlation time and its logit per millivolt: exact, by the master equation (V5).
#[test]
fn the_cards_latch_is_the_cards_p_bit() {
    let die = latch_die(Level::Poisson);
    let programmed = program(&die, &spins(vec![0.0], vec![]), Scale::Fixed(1.0)).unwrap();
    let equation = MasterEquation::new(programmed.process(), &[0.0, 0.0], 3.2).unwrap();
    let time = programmed.seconds_per_time() / equation.slowest_rate(|x| x[0] - x[1]);
    assert!((time / 100e-9 - 1.0).abs() < 2e-3, "{time:e} s");
    // A field h is a bias that moves the logit by 2h.
    for h in [0.05, -0.1] {
        let programmed = program(&die, &spins(vec![h], vec![]), Scale::Fixed(1.0)).unwrap();
        let equation = MasterEquation::new(programmed.process(), &[0.0, 0.0], 3.2).unwrap();
        let up = equation.mean(|x| f64::from(u8::from(x[1] - x[0] > 1e-9)));
        let even = equation.mean(|x| f64::from(u8::from((x[1] - x[0]).abs() < 1e-9)));
        let logit = ((up + 0.5 * even) / (1.0 - up - 0.5 * even)).ln();
        assert!(
            (logit / (2.0 * h) - 1.0).abs() < 0.01,
            "h = {h}: logit {logit}"
        );
    }
}

/// Latches couple through synapses at every level of description: ⟨s_0 s_1⟩ is tanh J up to what latches are not.
#[test]
fn coupled_latches_agree_at_every_level() {
    let model = spins(vec![0.0, 0.0], vec![(0, 1, 0.5)]);
    for level in [Level::Telegraph, Level::Langevin, Level::Poisson] {
        let die = latch_die(level);
        let samples = sample(&die, &model, 1024, &[1.0, 1.0], [8.0, 2.0], 6);
        let (c, se) = over_chains(&samples, |x| f64::from(x[0] * x[1]));
        // A latch between its wells drives its neighbour by less than a full spin.
        let allowed = if level == Level::Telegraph { 0.0 } else { 0.06 };
        assert!(
            (c - 0.5f64.tanh()).abs() < Z * se + allowed,
            "{level:?}: {c} ± {se}"
        );
        // Were the sign of the bias lost, it would be −tanh J.
        assert!(c > 0.3);
    }
}

/// The phases' law is exp(−U/kT); a flux of a hundredth of a quantum is seen.
#[test]
fn flux_cells_have_the_boltzmann_law_of_their_potential() {
    let card = card("josephson_flux").unwrap();
    let kt = 1.380649e-23 * card.get("physics.temperature").unwrap();
    let (ej, el) = flux_energies(&card);
    let cells = |flux: Vec<f64>| FluxCells::new(ej / kt, el / kt, flux).unwrap();
    let model = Model::FluxCells(cells(vec![0.3, 0.5]));
    let die = ideal("josephson_flux");
    let samples = {
        let mut sampler = sampler(&die, &model, 1024, 0.05);
        sampler
            .restore(&ChainState::at([2.0, 3.0].repeat(1024)))
            .unwrap();
        let phase = Phase {
            burn_in: Horizon::Seconds(4e-9),
            duration: Horizon::Seconds(16e-9),
            every: Some(Horizon::Seconds(1e-9)),
            clamp: None,
        };
        sampler.run(&phase).unwrap().samples
    };
    let (mean, variance) = exact::flux_cells(&cells(vec![0.3, 0.5])).unwrap();
    for i in 0..2 {
        let (m, se) = over_chains(&samples, |x| f64::from(x[i]));
        assert!((m - mean[i]).abs() < Z * se + 0.01, "{m} {}", mean[i]);
        let (v, se) = over_chains(&samples, |x| (f64::from(x[i]) - mean[i]).powi(2));
        assert!(
            (v - variance[i]).abs() < Z * se + 0.05 * variance[i],
            "{v} {}",
            variance[i]
        );
    }
    let (moved, _) = exact::flux_cells(&cells(vec![0.31, 0.51])).unwrap();
    let (m, se) = over_chains(&samples, |x| f64::from(x[1]));
    assert!((m - moved[1]).abs() > Z * se + 0.01);
    let other = Model::FluxCells(FluxCells::new(ej / kt * 1.1, el / kt, vec![0.5]).unwrap());
    let refused = program(&die, &other, Scale::Fixed(1.0))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("energy.josephson"), "{refused}");
}

/// State that is not what is read (currents, branches, gates) survives a checkpoint: two phases are one, bit for bit.
#[test]
fn hidden_state_is_restored_to_the_same_bits() {
    let mixture = Mixture::new(
        &[0.5, 0.5],
        &[
            DVector::from_element(1, 1.0),
            DVector::from_element(1, -1.0),
        ],
        &[DMatrix::identity(1, 1), DMatrix::identity(1, 1)],
    );
    for (name, model, start) in [
        (
            "lc_spu_8",
            Model::Quadratic(gaussian(&[1.0, -0.3, -0.3, 1.0])),
            vec![0.5, 0.2],
        ),
        ("pmog", Model::Mixture(mixture.unwrap()), vec![0.3]),
    ] {
        let die = ideal(name);
        let phase = Phase {
            burn_in: Horizon::Steps(0),
            duration: Horizon::Steps(20),
            every: Some(Horizon::Steps(5)),
            clamp: None,
        };
        let mut straight = sampler(&die, &model, 40, 0.01);
        straight.restore(&ChainState::at(start.repeat(40))).unwrap();
        straight.run(&phase).unwrap();
        let state = straight.state();
        let after = straight.run(&phase).unwrap().samples.x;
        let mut resumed = sampler(&die, &model, 40, 0.01);
        resumed.restore(&state).unwrap();
        assert_eq!(resumed.run(&phase).unwrap().samples.x, after, "{name}");
        // From what is read alone the paths differ: there is more to the state.
        let mut forgetful = sampler(&die, &model, 40, 0.01);
        forgetful.restore(&ChainState::at(state.values)).unwrap();
        assert_ne!(forgetful.run(&phase).unwrap().samples.x, after, "{name}");
    }
}

/// In a corner the program's numbers stay and the die's move: FF is faster, FS hotter, by exactly what the card says.
#[test]
fn corners_move_the_die_and_not_the_program() {
    let card = card("rc_gaussian").unwrap();
    let model = Model::Quadratic(gaussian(&[1.0, -0.4, -0.4, 1.0]));
    let built = |corner: &str| {
        let die = Die::fabricate(&card, Some(1), Some(&[]))
            .unwrap()
            .in_corner(corner)
            .unwrap();
        program(&die, &model, Scale::Fixed(1.0)).unwrap()
    };
    let typical = built("TT");
    let rate = |p: &thermochip::hardware::Programmed| linear::drift_matrix(p.process()).unwrap();
    let law = |p: &thermochip::hardware::Programmed| {
        linear::lyapunov(&rate(p), &linear::diffusion(p.process())).unwrap()
    };
    let fast = built("FF");
    assert!((rate(&fast) - rate(&typical) * 1.25).amax() < 1e-9);
    assert!((law(&fast) - law(&typical)).amax() < 1e-9);
    assert_eq!(fast.volts_per_x(), typical.volts_per_x());
    let hot = built("FS");
    assert!((law(&hot) - law(&typical) * 1.05).amax() < 1e-9);
    let die = Die::fabricate(&card, Some(1), None).unwrap();
    assert!(
        die.in_corner("XX")
            .unwrap_err()
            .to_string()
            .contains("TT, FF, FS, SF, SS")
    );
}

/// Squared errors of A⁻¹b and A⁻¹ from N draws, prefactor included (V10), on injected-noise nodes and on the RLC board.
#[test]
fn linear_algebra_has_the_predicted_errors() {
    let a = [1.0, -0.3, -0.1, -0.3, 0.8, -0.2, -0.1, -0.2, 1.2];
    let precision = DMatrix::from_row_slice(3, 3, &a);
    let leaning = Quadratic::new(precision.clone(), DVector::from_vec(vec![0.5, -1.0, 0.3]));
    for (name, energy) in [
        ("rc_gaussian", leaning.unwrap()),
        ("lc_spu_8", gaussian(&a)),
    ] {
        let die = ideal(name);
        let model = Model::Quadratic(energy.clone());
        let programmed = program(&die, &model, Scale::Fixed(1.0)).unwrap();
        let draws = 256;
        // Two and a half RC of the board, so that its ringing is sampled at no special phase; 2 τ of the nodes.
        let every = if name == "lc_spu_8" { 0.137 } else { 0.5 };
        let samples = sample(&die, &model, 2048, &[0.0; 3], [25.0, every], draws);
        let interval = (samples.t[1] - samples.t[0]) / programmed.seconds_per_time();
        let law = linear_algebra::error_law(programmed.process(), &[0, 1, 2], interval);
        let law = law.unwrap().unwrap();
        if name == "rc_gaussian" {
            let modes = precision.symmetric_eigenvalues();
            let closed: f64 = modes
                .iter()
                .map(|l| 1.0 / (l * (l * interval / 2.0).tanh()))
                .sum();
            assert!((law.mean / closed - 1.0).abs() < 1e-6);
        }
        let metrics = linear_algebra::estimates(&energy, &samples);
        for (metric, law) in [
            ("solve_error2", law.mean),
            ("inverse_error2", law.covariance),
        ] {
            let measured = metrics[metric];
            let se = measured.se.unwrap();
            // Leading order in N, and the half per cent of bias that the step may have.
            let predicted = law / draws as f64;
            let slack = 0.02 * predicted;
            let off = (measured.value - predicted).abs();
            assert!(
                off < Z * se + slack,
                "{name} {metric}: {} {predicted} ± {se}",
                measured.value
            );
            // Without correlations between draws, or without the diagonal's factor, it would be another number.
            assert!((measured.value - 1.25 * predicted).abs() > Z * se + slack);
        }
        let log_det = metrics["log_determinant"];
        let off = (log_det.value - metrics["log_determinant_exact"].value).abs();
        assert!(off < Z * log_det.se.unwrap() + 0.015, "{name}: {log_det:?}");
    }
}

/// Reprogramming a board switches its capacitors and leaves its graph.
#[test]
fn boards_are_reprogrammed() {
    let die = ideal("lc_spu_8");
    let energy = gaussian(&[1.0, -0.3, -0.3, 1.0]);
    let mut programmed = program(&die, &Model::Quadratic(energy), Scale::Fixed(1.0)).unwrap();
    let parameters = Parameters {
        fields: vec![0.0; 2],
        couplings: vec![0.6],
    };
    programmed.reprogram(&parameters).unwrap();
    let a = linear::drift_matrix(programmed.process()).unwrap();
    let p = linear::lyapunov(&a, &linear::diffusion(programmed.process())).unwrap();
    assert!((p[(0, 1)] - 0.6 / (1.0 - 0.36)).abs() < 1e-9);
}

#[test]
fn cards_of_mixtures_and_boards_hold_no_other_energies() {
    let refused = |name: &str, model: &Model| {
        let card: Card = card(name).unwrap();
        let die = Die::fabricate(&card, None, None).unwrap();
        program(&die, model, Scale::Fixed(1.0))
            .unwrap_err()
            .to_string()
    };
    let two = spins(vec![0.0], vec![]);
    for name in ["pmog", "lc_spu_8", "josephson_flux", "rc_gaussian"] {
        assert!(refused(name, &two).contains("p-bit chip"), "{name}");
    }
}

/// Categories of gated elements: every state's share against softmax, on a die against the softmax of its own logits.
#[test]
fn gated_elements_choose_by_their_logits() {
    let logits = [vec![0.3, -0.5, 1.0], vec![0.0, 0.8]];
    let domains = vec![Domain::Categorical(3), Domain::Categorical(2)];
    let tables = logits.iter().enumerate();
    let factors = tables
        .map(|(i, l)| Factor::table(vec![i], l.clone()))
        .collect();
    let model = Model::Factors(FactorGraph::new(domains.clone(), factors).unwrap());
    let worst = |samples: &Samples, model: &Model| {
        let exact = enumerate_factors(model.factors().unwrap(), &[]).unwrap();
        let mut worst = 0.0f64;
        for i in 0..2 {
            for (state, p) in exact.marginal(i, 3 - i).into_iter().enumerate() {
                let (q, se) = over_chains(samples, |x| f64::from(u8::from(x[i] == state as f32)));
                worst = worst.max((q - p).abs() / se);
            }
        }
        worst
    };
    let ideal = sample(&ideal("pdit"), &model, 8192, &[0.0, 0.0], [12.0, 4.0], 8);
    assert!(worst(&ideal, &model) < Z, "{}", worst(&ideal, &model));
    let die = Die::fabricate(&card("pdit").unwrap(), Some(4), None).unwrap();
    let own = program(&die, &model, Scale::Fixed(1.0))
        .unwrap()
        .energy()
        .unwrap();
    let samples = sample(&die, &model, 8192, &[0.0, 0.0], [16.0, 4.0], 8);
    assert!(worst(&samples, &own) < Z, "{}", worst(&samples, &own));
    assert!(worst(&samples, &model) > Z, "logit errors of 0.2 are seen");
    let coupled = Factor::table(vec![0, 1], vec![0.1; 6]);
    let coupled = Model::Factors(FactorGraph::new(domains, vec![coupled]).unwrap());
    let refused = program(&die, &coupled, Scale::Fixed(1.0))
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("energy.factors[0]") && refused.contains("no couplers"),
        "{refused}"
    );
}

/// The bag: spins go through the host, a round trip a colour; coupled real variables are refused.
#[test]
fn a_bag_routes_spins_through_its_host() {
    let die = ideal("x0_test_chip");
    let model = spins(
        vec![0.3, -0.2, 0.1],
        vec![(0, 1, 0.6), (1, 2, -0.4), (0, 2, 0.5)],
    );
    let programmed = program(&die, &model, Scale::Fixed(1.0)).unwrap();
    assert!(
        (programmed.clock_round().unwrap() - 3e-6).abs() < 1e-15,
        "three colours"
    );
    let Model::Ising(ising) = &model else {
        panic!()
    };
    let exact = exact::enumerate(ising).unwrap();
    let samples = sample(&die, &model, 8192, &[1.0; 3], [600.0, 120.0], 4);
    for i in 0..3 {
        let (m, se) = over_chains(&samples, |x| f64::from(x[i]));
        assert!((m - exact.means[i]).abs() < Z * se, "{i}: {m}");
    }
    let (c, se) = over_chains(&samples, |x| f64::from(x[0] * x[1]));
    assert!((c - exact.correlations[(0, 1)]).abs() < Z * se);
    assert!((c - 0.6f64.tanh()).abs() > Z * se, "the third spin is felt");
    let coupled = Model::Quadratic(gaussian(&[1.0, -0.3, -0.3, 1.0]));
    let refused = program(&die, &coupled, Scale::Fixed(1.0))
        .unwrap_err()
        .to_string();
    assert!(refused.contains("coupled real variables"), "{refused}");
    let alone = Model::Quadratic(gaussian(&[1.0, 0.0, 0.0, 2.0]));
    assert!(program(&die, &alone, Scale::Fixed(1.0)).is_ok());
}

/// Euler–Maruyama on a board takes the step whose bias of the ringing modes is the tolerance; a first-order bias of any moment
/// is promised only where dx = −∇E dt + √2 dW is what the chip does.
#[test]
fn steps_and_what_is_known_of_their_bias() {
    let board = Model::Quadratic(gaussian(&[1.0, -0.3, -0.3, 1.0]));
    let programmed = program(&ideal("lc_spu_8"), &board, Scale::Fixed(1.0)).unwrap();
    let described = |programmed, scheme: &str| {
        let silent = Follow::silent();
        AnalogSampler::<f64>::new(programmed, 1, (0, 0), StepRule::Auto(0.01), scheme, silent)
            .unwrap()
            .describe()
    };
    let euler = described(programmed.clone(), "euler-maruyama");
    assert!(
        (euler.predicted_bias.unwrap() - 0.01).abs() < 1e-6,
        "{euler:?}"
    );
    assert!(euler.step.unwrap() < 1e-4 && !euler.first_order_bias);
    let exact = described(programmed, "ornstein-uhlenbeck");
    assert!(exact.predicted_bias.is_none() && exact.step.unwrap() > 0.1);
    let nodes = program(&ideal("rc_gaussian"), &board, Scale::Fixed(1.0)).unwrap();
    assert!(described(nodes.clone(), "euler-maruyama").first_order_bias);
    assert!(!described(nodes, "leimkuhler-matthews").first_order_bias);
}
