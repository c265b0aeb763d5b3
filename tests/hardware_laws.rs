//! Chips against the energies they hold. Deterministic except where a false-alarm rate is stated.

#![allow(clippy::needless_range_loop)]

use nalgebra::{DMatrix, DVector, dmatrix};
use proptest::prelude::*;
use std::collections::BTreeSet;
use thermochip::dynamics::{LevelInput, Linear, Mass, Noise, Process, linear as theory};
use thermochip::energy::{
    ContinuousEnergy, Couplings, Ising, Model, Parameters, Parametric, Quadratic, SoftSpin, exact,
};
use thermochip::hardware::{Card, Die, Programmed, Scale, card, program, topology::RULE_SETS};
use thermochip::testing::strategies;

fn soft() -> Card {
    card("soft_spin_cmos").unwrap()
}

fn pbit() -> Card {
    card("pbit_cmos_subthreshold").unwrap()
}

fn ideal(card: &Card, model: &Model, a: f64) -> Programmed {
    let die = Die::fabricate(card, None, None).unwrap();
    program(&die, model, Scale::Fixed(a)).unwrap()
}

fn only(card: &Card, seed: u64, names: &[&str]) -> Die {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    Die::fabricate(card, Some(seed), Some(&names)).unwrap()
}

fn entry(linear: &Linear, i: usize, j: usize) -> f64 {
    match linear {
        Linear::Dense(matrix) => matrix[(i, j)],
        Linear::Sparse(rows) => rows[i].iter().filter(|e| e.0 == j).map(|e| e.1).sum(),
    }
}

/// c(x) + L x, written out.
fn force(process: &Process, x: &[f64]) -> Vec<f64> {
    (0..x.len())
        .map(|i| {
            let own: f64 = (process.polynomial.iter().enumerate())
                .map(|(k, c)| c[i] * x[i].powi(k as i32))
                .sum();
            own + (0..x.len())
                .map(|j| entry(&process.linear, i, j) * x[j])
                .sum::<f64>()
        })
        .collect()
}

/// The process is dx = −∇E dt + √2 dW at `x`, to rounding.
fn is_langevin(process: &Process, energy: &dyn ContinuousEnergy, x: &[f64]) -> Result<(), String> {
    let mut gradient = vec![0.0; x.len()];
    energy.gradient(x, &mut gradient);
    for (f, g) in force(process, x).iter().zip(&gradient) {
        if (f + g).abs() > 1e-11 * (1.0 + g.abs()) * x.len() as f64 {
            return Err(format!("force {f}, gradient {g}"));
        }
    }
    let Noise::Diagonal(sigma) = &process.noise else {
        return Err("correlated noise".to_owned());
    };
    match sigma.iter().find(|s| (*s - 2f64.sqrt()).abs() > 1e-12) {
        Some(s) => Err(format!("noise {s}")),
        None if matches!(process.mass, Mass::Identity) => Ok(()),
        None => Err("mass is not one".to_owned()),
    }
}

fn ising(fields: &[f64], list: Vec<(usize, usize, f64)>) -> Model {
    let couplings = Couplings::new(fields.len(), list).unwrap();
    Model::Ising(Ising::new(fields.to_vec(), couplings).unwrap())
}

/// Two coupled soft spins.
fn pair(j: f64) -> Model {
    let couplings = Couplings::new(2, vec![(0, 1, j)]).unwrap();
    let energy = SoftSpin::new(vec![-2.0; 2], vec![1.0; 2], vec![0.3, -0.4], couplings);
    Model::SoftSpin(energy.unwrap())
}

/// Values without rounding: f64's Debug form is exact.
fn bits(process: &Process) -> String {
    format!("{process:?}")
}

proptest! {
    /// The ideal chip at any scale is dx = −∇E dt + √2 dW in x = V/(a V_u) and time a²τ; 1 % more coupling is seen.
    #[test]
    fn ideal_chip_is_langevin(energy in strategies::soft_spins(1..7), seed in any::<u64>(), scale in 0usize..3) {
        let a = [1.0, 2.0, 0.7][scale];
        let x = strategies::point(energy.dim(), seed);
        let chip = ideal(&soft(), &Model::SoftSpin(energy.clone()), a);
        is_langevin(chip.process(), &energy, &x).map_err(TestCaseError::fail)?;
        prop_assert!((chip.seconds_per_time() / (a * a * 100e-9) - 1.0).abs() < 1e-12);
        prop_assert!((chip.volts_per_x() / (a * 20.3518e-3) - 1.0).abs() < 1e-4);

        let mut parameters = energy.parameters();
        if let Some(strongest) = parameters.couplings.iter_mut().max_by(|a, b| a.abs().total_cmp(&b.abs()))
            && strongest.abs() > 0.1
        {
            *strongest *= 1.01;
            let mut other = energy.clone();
            other.set_parameters(&parameters).unwrap();
            let ones = vec![1.0; x.len()];
            prop_assert!(is_langevin(chip.process(), &other, &ones).is_err());
        }
    }

    /// A Gaussian through the whole chain, energy → circuit → Lyapunov, comes out as P⁻¹ at any scale.
    #[test]
    fn gaussian_covariance_is_the_inverse_precision(energy in strategies::quadratics(1..6), a in 0.5..3.0f64) {
        let chip = ideal(&card("rc_gaussian").unwrap(), &Model::Quadratic(energy.clone()), a);
        let drift = theory::drift_matrix(chip.process()).unwrap();
        let covariance = theory::lyapunov(&drift, &theory::diffusion(chip.process())).unwrap();
        let expected = exact::gaussian(&energy).covariance;
        prop_assert!((&covariance - &expected).amax() < 1e-9 * expected.amax());
        prop_assert!((&covariance - &expected * 1.02).amax() > 1e-3 * expected.amax());
    }

    /// Reprogramming changes numbers only, and gives the very bits of a fresh program, on an imperfect die too.
    #[test]
    fn reprogram_equals_a_fresh_program(
        values in proptest::collection::vec(-1.5..1.5f64, 12), seed in any::<u64>(), start in strategies::soft_spins(4..5),
    ) {
        for die in [Die::fabricate(&soft(), None, None).unwrap(), Die::fabricate(&soft(), Some(seed), None).unwrap()] {
            let mut later = start.clone();
            let edges = start.parameters().couplings.len();
            let parameters = Parameters { fields: values[..4].to_vec(), couplings: values[4..4 + edges].to_vec() };
            later.set_parameters(&parameters).unwrap();
            let mut chip = program(&die, &Model::SoftSpin(start.clone()), Scale::Fixed(1.5)).unwrap();
            let before = bits(chip.process());
            chip.reprogram(&parameters).unwrap();
            let fresh = program(&die, &Model::SoftSpin(later), Scale::Fixed(1.5)).unwrap();
            prop_assert_eq!(bits(chip.process()), bits(fresh.process()));
            prop_assert_ne!(bits(chip.process()), before);
        }
        let spins = |h: &[f64], j: &[f64]| ising(h, vec![(0, 1, j[0]), (1, 2, j[1]), (2, 3, j[2])]);
        let die = Die::fabricate(&pbit(), Some(seed), None).unwrap();
        let mut chip = program(&die, &spins(&[0.0; 4], &[0.5; 3]), Scale::Fixed(1.0)).unwrap();
        chip.reprogram(&Parameters { fields: values[..4].to_vec(), couplings: values[4..7].to_vec() }).unwrap();
        let fresh = program(&die, &spins(&values[..4], &values[4..7]), Scale::Fixed(1.0)).unwrap();
        prop_assert_eq!(bits(chip.process()), bits(fresh.process()));
    }

    /// With only the DAC on, what is read back is within half a step of what was asked, the same both ways.
    #[test]
    fn program_then_read_back(energy in strategies::soft_spins(2..8), scale in 1usize..3, bits in 3u32..11) {
        let mut card = soft();
        card.override_parameter("limits.dac_bits", &bits.to_string()).unwrap();
        let a = scale as f64;
        let chip = program(&only(&card, 1, &["dac"]), &Model::SoftSpin(energy.clone()), Scale::Fixed(a)).unwrap();
        let (report, (fields, couplings)) = (chip.report(), chip.realised_parameters());
        let levels = 2f64.powi(bits as i32 - 1) - 1.0;
        let step = report.dac_step.unwrap();
        prop_assert!((step - 2.0 * a * a / levels).abs() < 1e-12);
        prop_assert_eq!(report.clipped, 0);
        for ((down, up), asked) in couplings.iter().zip(energy.couplings.values()) {
            prop_assert_eq!(down, up);
            prop_assert!((down - asked).abs() <= 0.5 * step * (1.0 + 1e-12));
        }
        for (field, asked) in fields.iter().zip(&energy.fields) {
            prop_assert!((field - asked).abs() <= 0.5 * 8.0 * a / levels * (1.0 + 1e-12));
        }
        // The process holds the very values that are reported.
        for (&(i, j), &(down, up)) in energy.couplings.edges().iter().zip(couplings) {
            prop_assert!((entry(&chip.process().linear, i, j) - down).abs() < 1e-12 * (1.0 + down.abs()));
            prop_assert!((entry(&chip.process().linear, j, i) - up).abs() < 1e-12 * (1.0 + up.abs()));
        }
    }
}

/// Out of range: clipped and counted, or made to fit by a larger a.
#[test]
fn clipping_is_counted_and_fit_avoids_it() {
    let die = only(&soft(), 1, &["dac"]);
    let model = pair(5.0);
    let clipped = program(&die, &model, Scale::Fixed(1.0)).unwrap();
    assert_eq!(clipped.report().clipped, 1);
    assert_eq!(clipped.realised_parameters().1[0], (2.0, 2.0));
    assert!((clipped.report().coupling_max_error - 3.0).abs() < 1e-12);
    let fit = program(&die, &model, Scale::Fit).unwrap();
    assert_eq!(fit.report().clipped, 0);
    assert!((fit.report().scale - 2.5f64.sqrt()).abs() < 1e-12);
    assert!((fit.seconds_per_time() / 250e-9 - 1.0).abs() < 1e-12);
    assert_eq!(
        program(&die, &pair(1.0), Scale::Fit)
            .unwrap()
            .report()
            .scale,
        1.0
    );
}

/// The parts of a programmed chip, as text, to see which one a non-ideality touches.
fn parts(chip: &Programmed) -> Vec<(&'static str, String)> {
    let p = chip.process();
    let mut list = vec![
        ("polynomial", format!("{:?}", p.polynomial)),
        ("linear", format!("{:?}", p.linear)),
        ("noise", format!("{:?}", p.noise)),
        ("rails", format!("{:?}", p.rails)),
        ("readout", format!("{:?}", chip.readout())),
    ];
    if let Some(levels) = &p.levels {
        list.push(("level_tau", format!("{:?}", levels.tau)));
        list.push(("nodes", p.nodes.to_string()));
        match &levels.input {
            LevelInput::Direct { field, coupling } => {
                list.push(("field", format!("{field:?}")));
                list.push(("coupling", format!("{coupling:?}")));
            }
            LevelInput::Node { offset, drive, .. } => {
                list.push(("field", format!("{offset:?}")));
                list.push(("coupling", format!("{drive:?}")));
            }
        }
    }
    list
}

/// Each non-ideality can be on alone, is reported, and touches its own part of the process and nothing else.
#[test]
fn each_nonideality_alone() {
    let spins = ising(&[0.3, -0.2, 0.1], vec![(0, 1, 0.51), (1, 2, -0.73)]);
    #[allow(clippy::type_complexity)]
    let cases: &[(Card, Model, &[(&str, &[&str])])] = &[
        (
            soft(),
            pair(0.51),
            &[
                ("offset", &["polynomial"]),
                ("coupling", &["linear"]),
                ("tau", &["polynomial", "linear", "noise"]),
                ("noise_temperature", &["noise"]),
                ("dac", &["polynomial", "linear"]),
                ("adc", &["readout"]),
                ("rails", &["rails"]),
                ("excess_noise", &["noise"]),
            ],
        ),
        (
            pbit(),
            spins,
            &[
                ("offset", &["field"]),
                ("coupling", &["coupling"]),
                ("tau", &["level_tau"]),
                ("dac", &["field", "coupling"]),
                ("synapse", &["linear", "noise", "nodes", "coupling"]),
            ],
        ),
    ];
    for (card, model, expected) in cases {
        let perfect = parts(&ideal(card, model, 1.0));
        let die = Die::fabricate(card, Some(3), None).unwrap();
        let all: BTreeSet<String> = die.nonidealities().into_iter().collect();
        let named: BTreeSet<String> = expected.iter().map(|e| e.0.to_owned()).collect();
        assert_eq!(all, named, "{}", card.name);
        for (name, touched) in *expected {
            let chip = program(&only(card, 3, &[name]), model, Scale::Fixed(1.0)).unwrap();
            assert_eq!(chip.report().nonidealities, [*name]);
            let changed: BTreeSet<&str> = (parts(&chip).iter().zip(&perfect))
                .filter(|(now, was)| now.1 != was.1)
                .map(|(now, _)| now.0)
                .collect();
            let expected: BTreeSet<&str> = touched.iter().copied().collect();
            assert_eq!(changed, expected, "{}: {name}", card.name);
        }
    }
    let unknown = Die::fabricate(&soft(), Some(1), Some(&["gravity".to_owned()])).unwrap_err();
    assert!(
        unknown.to_string().contains("noise_temperature"),
        "{unknown}"
    );
    let idle = Die::fabricate(&soft(), None, Some(&["dac".to_owned()])).unwrap();
    assert!(
        idle.nonidealities().is_empty(),
        "no die seed: the ideal chip"
    );
}

/// One die seed is one die; another is another; spreads have the card's size.
/// 512 noise temperatures: |z| < 5 on the standard deviation (false-alarm rate 6e-7), and on the correlation of two dies.
#[test]
fn dies_are_functions_of_their_seed() {
    let mut card = soft();
    card.override_parameter("limits.max_nodes", "512").unwrap();
    let n = 512;
    let energy = SoftSpin::new(
        vec![1.0; n],
        vec![0.0; n],
        vec![0.0; n],
        Couplings::empty(n),
    );
    let model = Model::SoftSpin(energy.unwrap());
    let deviations = |seed: u64, names: &[&str]| -> Vec<f64> {
        let chip = program(&only(&card, seed, names), &model, Scale::Fixed(1.0)).unwrap();
        let Noise::Diagonal(sigma) = &chip.process().noise else {
            panic!("diagonal noise expected");
        };
        sigma.iter().map(|s| s * s / 2.0 - 1.0).collect()
    };
    let one = deviations(1, &["noise_temperature"]);
    assert_eq!(one, deviations(1, &["noise_temperature"]));
    assert_eq!(
        one,
        deviations(1, &["noise_temperature", "offset", "dac"]),
        "the same die"
    );
    let two = deviations(2, &["noise_temperature"]);
    let ms = |d: &[f64]| d.iter().map(|v| v * v).sum::<f64>() / n as f64;
    let z = |spread: f64| (ms(&one).sqrt() / spread - 1.0) * (2.0 * n as f64).sqrt();
    assert!(z(0.05).abs() < 5.0, "{}", z(0.05));
    assert!(z(0.04).abs() > 5.0, "a 4 % spread would be seen");
    let joint: f64 = one.iter().zip(&two).map(|(a, b)| a * b).sum::<f64>() / n as f64;
    let correlation = joint / (ms(&one) * ms(&two)).sqrt() * (n as f64).sqrt();
    assert!(correlation.abs() < 5.0, "{correlation}");
}

/// The cells' and couplers' own noise: 4kTγ(|c1| + 3 c3 V_w² + Σ|g|) beside 4kT_eff G0.
#[test]
fn excess_noise_is_that_of_the_elements() {
    let chip = program(
        &only(&soft(), 1, &["excess_noise"]),
        &pair(0.5),
        Scale::Fixed(1.0),
    )
    .unwrap();
    // c1 = 2·j2 = −4 G0, so the well is at V_u and its cubic stage has 3·4 G0; one coupler of 0.5 G0.
    let own = 300.0 * 1.5 / 300_000.0 * (4.0 + 12.0 + 0.5);
    let Noise::Diagonal(sigma) = &chip.process().noise else {
        panic!("diagonal noise expected");
    };
    for s in sigma {
        assert!((s * s / 2.0 - (1.0 + own)).abs() < 1e-12);
    }
    assert!((chip.report().excess_noise_share.unwrap() - own / (1.0 + own)).abs() < 1e-12);
    assert_eq!(
        ideal(&soft(), &pair(0.5), 1.0).report().excess_noise_share,
        Some(0.0)
    );
}

/// A die's energy, where it has one, is the one its process follows; where it has none, the report says why.
#[test]
fn realised_energies() {
    let asked = pair(0.51);
    let x = [0.4, -1.3];
    assert_eq!(
        ideal(&soft(), &asked, 2.0).report().no_energy_because,
        Vec::<String>::new()
    );
    for (names, a) in [(vec![], 1.0), (vec!["dac", "adc"], 1.0), (vec!["dac"], 2.0)] {
        let chip = program(&only(&soft(), 4, &names), &asked, Scale::Fixed(a)).unwrap();
        let energy = chip.energy().unwrap();
        is_langevin(chip.process(), energy.continuous().unwrap(), &x).unwrap();
        let same = is_langevin(chip.process(), asked.continuous().unwrap(), &x).is_ok();
        assert_eq!(same, names.is_empty());
    }
    for name in [
        "coupling",
        "tau",
        "noise_temperature",
        "excess_noise",
        "rails",
    ] {
        let chip = program(&only(&soft(), 4, &[name]), &asked, Scale::Fixed(1.0)).unwrap();
        assert!(chip.energy().is_none());
        assert_eq!(chip.report().no_energy_because.len(), 1, "{name}");
    }
    // An offset o of a quadratic cell is a field 2 j2 o; of a quartic one, no Model holds it.
    let offset = only(&soft(), 4, &["offset"]);
    assert!(
        program(&offset, &asked, Scale::Fixed(1.0))
            .unwrap()
            .energy()
            .is_none()
    );
    let precision = dmatrix![2.0, -0.5; -0.5, 1.0];
    let gaussian = Quadratic::new(precision, DVector::from_vec(vec![0.3, 0.0])).unwrap();
    let chip = program(&offset, &Model::Quadratic(gaussian), Scale::Fixed(1.0)).unwrap();
    let energy = chip.energy().unwrap();
    is_langevin(chip.process(), energy.continuous().unwrap(), &x).unwrap();
    assert!((energy.parameters().fields[1]).abs() > 1e-4);
    // p-bits: a calibration residual is a field.
    let spins = ising(&[0.3, -0.2], vec![(0, 1, 0.5)]);
    let chip = program(
        &only(&pbit(), 4, &["offset", "dac"]),
        &spins,
        Scale::Fixed(1.0),
    )
    .unwrap();
    let Some(Model::Ising(energy)) = chip.energy() else {
        panic!("a p-bit die with symmetric couplings has an energy");
    };
    assert_eq!(energy.fields, chip.realised_parameters().0);
    let late = program(&only(&pbit(), 4, &["synapse"]), &spins, Scale::Fixed(1.0)).unwrap();
    assert!(late.energy().is_none() && late.report().no_energy_because[0].contains("late"));
}

/// A hotter room: the program does not know, and β falls as 1/T on both kinds of chip.
#[test]
fn environment_moves_beta() {
    let hot = |card: &Card, model: &Model| {
        let mut die = Die::fabricate(card, None, None).unwrap();
        die.temperature_ratio = 1.2;
        program(&die, model, Scale::Fixed(1.0)).unwrap()
    };
    let precision = dmatrix![2.0, -0.5; -0.5, 1.0];
    let gaussian = Quadratic::new(precision.clone(), DVector::zeros(2)).unwrap();
    let chip = hot(&card("rc_gaussian").unwrap(), &Model::Quadratic(gaussian));
    let drift = theory::drift_matrix(chip.process()).unwrap();
    let covariance = theory::lyapunov(&drift, &theory::diffusion(chip.process())).unwrap();
    let expected: DMatrix<f64> = precision.try_inverse().unwrap() * 1.2;
    assert!((covariance - expected).amax() < 1e-10);
    let Some(Model::SoftSpin(energy)) = chip.energy() else {
        panic!("a uniformly hot chip has an energy");
    };
    assert!((energy.j2[0] - 1.0 / 1.2).abs() < 1e-12);

    let chip = hot(&pbit(), &ising(&[0.3, 0.6], vec![(0, 1, 0.5)]));
    let LevelInput::Direct { field, coupling } = &chip.process().levels.as_ref().unwrap().input
    else {
        panic!("the ideal chip has direct inputs");
    };
    assert!((field[1] - 0.5).abs() < 1e-12 && (entry(coupling, 0, 1) - 0.5 / 1.2).abs() < 1e-12);
}

/// p-bits: ideal inputs are h and J; the synapse node settles on J s with variance kT/C_s, in its own time.
#[test]
fn pbits_and_their_synapses() {
    let model = ising(&[0.3, -0.2, 0.1], vec![(0, 1, 0.5), (1, 2, -0.7)]);
    let chip = ideal(&pbit(), &model, 1.0);
    assert_eq!(chip.process().nodes, 0);
    let levels = chip.process().levels.as_ref().unwrap();
    assert_eq!(levels.tau, [1.0; 3]);
    let LevelInput::Direct { field, coupling } = &levels.input else {
        panic!("the ideal chip has direct inputs");
    };
    assert_eq!(field, &[0.3, -0.2, 0.1]);
    let expected = [[0.0, 0.5, 0.0], [0.5, 0.0, -0.7], [0.0, -0.7, 0.0]];
    for i in 0..3 {
        for j in 0..3 {
            assert_eq!(entry(coupling, i, j), expected[i][j]);
        }
    }
    // 1 mV of bias moves the logit 2I by 1.05.
    assert!((2.0 * 1e-3 / chip.volts_per_x() - 1.05).abs() < 1e-12);

    let die = program(&only(&pbit(), 1, &["synapse"]), &model, Scale::Fixed(1.0)).unwrap();
    let drift = theory::drift_matrix(die.process()).unwrap();
    assert!(
        (drift[(0, 0)] - 20.0).abs() < 1e-9,
        "tau0/tau_s = 100 ns/5 ns"
    );
    let LevelInput::Node {
        input,
        offset,
        drive,
    } = &die.process().levels.as_ref().unwrap().input
    else {
        panic!("a die with synapses reads its nodes");
    };
    let s = [1.0, -1.0, 1.0];
    for i in 0..3 {
        let settled = (0..3).map(|j| entry(drive, i, j) * s[j]).sum::<f64>() / drift[(i, i)];
        let got = input[i][0].1 * settled + offset[i];
        let wanted = field[i] + (0..3).map(|j| expected[i][j] * s[j]).sum::<f64>();
        assert!((got - wanted).abs() < 1e-12);
    }
    let variance = theory::lyapunov(&drift, &theory::diffusion(die.process())).unwrap()[(0, 0)];
    let volts = variance.sqrt() * die.volts_per_x();
    assert!(
        (volts / 64.358e-6 - 1.0).abs() < 1e-4,
        "kT/C of 1 pF: {volts}"
    );
}

/// Total variation between asked and realised laws, median over random instances on a 4×3 patch of the Z1 lattice.
fn median_tv(bits: &str, instances: u64) -> f64 {
    let mut card = pbit();
    for (key, value) in [
        ("limits.topology", "open 4x3 Z1"),
        ("limits.dac_bits", bits),
        ("limits.coupling_max", "2"),
        ("limits.field_max", "2"),
    ] {
        card.override_parameter(key, value).unwrap();
    }
    let thermochip::hardware::Topology::Lattice(lattice) = &card.topology else {
        panic!("a lattice was asked for");
    };
    let die = only(&card, 1, &["dac"]);
    let mut all: Vec<f64> = (0..instances)
        .map(|seed| {
            use rand_distr::{Distribution, StandardNormal};
            let mut rng = thermochip::dynamics::streams::chain_rng(seed, 0xda, 0);
            let mut normal = || -> f64 {
                let z: f64 = StandardNormal.sample(&mut rng);
                0.6 * z
            };
            let fields: Vec<f64> = (0..12).map(|_| normal()).collect();
            let edges = lattice.edges();
            let model = ising(
                &fields,
                edges.iter().map(|&(i, j)| (i, j, normal())).collect(),
            );
            let chip = program(&die, &model, Scale::Fixed(1.0)).unwrap();
            let law = |m: &Model| {
                exact::enumerate(m.discrete().unwrap())
                    .unwrap()
                    .probabilities
            };
            let (p, q) = (law(&model), law(&chip.energy().unwrap()));
            0.5 * p.iter().zip(&q).map(|(a, b)| (a - b).abs()).sum::<f64>()
        })
        .collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// V9: quantised couplings and fields. The reference medians are over 20 instances, good to about 20 %; ours over 100.
#[test]
fn dac_bits_cost_what_v9_says() {
    for (bits, tv) in [("4", 0.152), ("6", 0.036), ("8", 0.0091)] {
        let ours = median_tv(bits, 100);
        assert!(
            (ours / tv - 1.0).abs() < 0.25,
            "{bits} bits: {ours}, reference {tv}"
        );
    }
}

/// What a chip cannot hold is refused, and the message names it.
#[test]
fn refusals() {
    let refused = |card: &Card, model: &Model, scale: Scale| {
        let die = Die::fabricate(card, None, None).unwrap();
        program(&die, model, scale).unwrap_err().to_string()
    };
    let mut lattice = pbit();
    lattice
        .override_parameter("limits.topology", "open 3x2 (0,1)")
        .unwrap();
    // Nodes 0 1 2 / 3 4 5: 1–5 is a diagonal.
    let diagonal = ising(&[0.0; 6], vec![(0, 1, 0.5), (1, 5, 0.5), (2, 5, 0.5)]);
    let message = refused(&lattice, &diagonal, Scale::Fixed(1.0));
    assert!(
        message.contains("[1, 5") && message.contains("open 3x2 (0,1)"),
        "{message}"
    );
    let straight = ising(&[0.0; 6], vec![(0, 1, 0.5), (1, 4, 0.5), (2, 5, 0.5)]);
    assert_eq!(ideal(&lattice, &straight, 1.0).model(), &straight);
    let seven = ising(&[0.0; 7], vec![]);
    assert!(refused(&lattice, &seven, Scale::Fixed(1.0)).contains("at most 6 nodes"));
    assert!(refused(&soft(), &seven, Scale::Fixed(1.0)).contains("pbit_cmos_subthreshold"));
    assert!(refused(&pbit(), &pair(0.1), Scale::Fixed(1.0)).contains("soft_spin_cmos"));
    assert!(
        refused(&card("rc_gaussian").unwrap(), &pair(0.1), Scale::Fixed(1.0)).contains("quartic")
    );
    for a in [0.0, -1.0, f64::NAN] {
        assert!(refused(&soft(), &pair(0.1), Scale::Fixed(a)).contains("hardware.scale"));
    }
    let mut chip = ideal(&soft(), &pair(0.1), 1.0);
    let before = bits(chip.process());
    let short = Parameters {
        fields: vec![0.0; 2],
        couplings: vec![],
    };
    assert!(chip.reprogram(&short).is_err());
    assert_eq!(bits(chip.process()), before);
}

/// What a card does not state stays unknown; what it states is multiplied out.
#[test]
fn ledger_knows_what_it_does_not_know() {
    let mut chip = ideal(&soft(), &pair(0.1), 1.0);
    // 10 chips × 2 nodes × 1 µs at one sample per 50 ns × 1 fJ.
    let spent = chip.ledger().run(10, 2, 1e-6, chip.sample_period(), 400);
    assert!((spent.sample.unwrap() - 10.0 * 2.0 * 20.0 * 1e-15).abs() < 1e-24);
    assert_eq!(
        (spent.write, spent.read, spent.host, spent.standby),
        (None, None, None, None)
    );
    assert_eq!(chip.ledger().provenance["read"], "not stated");
    assert!(chip.ledger().provenance["sample"].contains("2608.01612"));
    let parameters = chip.model().parameters();
    chip.reprogram(&parameters).unwrap();
    assert_eq!(chip.written(1).write, None);

    let mut priced = soft();
    priced
        .override_parameter("costs.write_energy", "2 pJ")
        .unwrap();
    for (key, value) in [("write_time", "1 ms"), ("standby_power", "3 uW")] {
        priced
            .override_parameter(&format!("costs.{key}"), value)
            .unwrap();
    }
    // Ten chips of two nodes each, their couplings with them, while they stand by.
    let spent = ideal(&priced, &pair(0.1), 1.0).written(10);
    assert!((spent.write.unwrap() - 20.0 * 2e-12).abs() < 1e-24);
    assert!((spent.standby.unwrap() - 10.0 * 3e-9).abs() < 1e-20);
}

/// Another design is known to the program: V_u follows the capacitance. Every shipped card says where its numbers come from.
#[test]
fn cards_and_overrides() {
    let mut card = soft();
    card.override_parameter("physics.capacitance", "40 fF")
        .unwrap();
    let chip = ideal(&card, &pair(0.5), 1.0);
    assert!((chip.volts_per_x() / (0.5 * 20.3518e-3) - 1.0).abs() < 1e-4);
    is_langevin(
        chip.process(),
        pair(0.5).continuous().unwrap(),
        &[0.3, -0.8],
    )
    .unwrap();
    let wrong = card
        .override_parameter("physics.capacitance", "40 ns")
        .unwrap_err();
    assert!(wrong.to_string().contains("physics.capacitance"), "{wrong}");
    let typo = card
        .override_parameter("physics.capacitanse", "40 fF")
        .unwrap_err();
    assert!(typo.to_string().contains("`physics.capacitance`"), "{typo}");
    let ring = card
        .override_parameter("limits.topology", "ring")
        .unwrap_err();
    assert!(ring.to_string().contains("limits.topology"), "{ring}");
    let sourced = |source: &str| source.contains("arXiv") || source.contains("textbook");
    assert!(RULE_SETS.iter().all(|set| sourced(set.source)));
    for name in thermochip::hardware::card::names() {
        let card = thermochip::hardware::card(name).unwrap();
        for (key, parameter) in &card.parameters {
            assert!(
                !parameter.value.is_empty() && !parameter.source.is_empty(),
                "{name}: {key}"
            );
            assert!(thermochip::hardware::card::LABELS.contains(&parameter.label.as_str()));
        }
        assert!(card.parameters.contains_key("limits.topology"));
    }
}
