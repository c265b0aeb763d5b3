//! Calibration: what sweeps of the bias find, what they leave, and how that grows with time.

use statrs::distribution::{ChiSquared, ContinuousCDF};
use thermochip::energy::{Couplings, Ising, Model, Parameters, Quadratic};
use thermochip::hardware::{CalibrationPlan, Card, Die, Scale, calibrate, card, program};

const SITES: usize = 200;

fn pbit(overrides: &[(&str, &str)]) -> Card {
    let mut card = card("pbit_cmos_subthreshold").unwrap();
    for (key, value) in overrides {
        card.override_parameter(key, value).unwrap();
    }
    card
}

fn only(card: &Card, seed: u64, names: &[&str]) -> Die {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    Die::fabricate(card, Some(seed), Some(&names)).unwrap()
}

fn spins(field: f64) -> Model {
    let ising = Ising::new(vec![field; SITES], Couplings::empty(SITES)).unwrap();
    Model::Ising(ising)
}

/// Realised fields of every site when `field` is asked for.
fn realised(die: &Die, field: f64) -> Vec<f64> {
    let chip = program(die, &spins(field), Scale::Fixed(1.0)).unwrap();
    chip.realised_parameters().0.to_vec()
}

/// Σ z² of n standard normals is inside the central 1 − 2e-6 of its χ² law.
fn is_chi_square(sum: f64, n: usize) -> Result<(), String> {
    let law = ChiSquared::new(n as f64).unwrap();
    let (low, high) = (law.inverse_cdf(1e-6), law.inverse_cdf(1.0 - 1e-6));
    if (low..=high).contains(&sum) {
        Ok(())
    } else {
        Err(format!("{sum} is not in [{low}, {high}]"))
    }
}

/// The offsets found are the die's own within their errors (χ² over sites, false-alarm rate 2e-6), although they are 5 mV,
/// logits of ±5; errors half as large, and offsets of another die, are refused. Coarse synapses and DACs are off.
#[test]
fn sweeps_find_the_offsets() {
    let card = pbit(&[("nonidealities.offset", "5 mV")]);
    let mut die = only(&card, 11, &["offset"]);
    let truth = realised(&die, 0.0);
    let found = calibrate(&mut die, SITES, &CalibrationPlan::default()).unwrap();
    let score = |truth: &[f64], factor: f64| -> f64 {
        let z = found.offsets.iter().zip(truth);
        z.map(|(o, t)| ((o.0 - t) / (factor * o.1)).powi(2)).sum()
    };
    is_chi_square(score(&truth, 1.0), SITES).unwrap();
    assert!(is_chi_square(score(&truth, 0.7), SITES).is_err());
    let other = realised(&only(&card, 12, &["offset"]), 0.0);
    assert!(is_chi_square(score(&other, 1.0), SITES).is_err());
    // One gain for all: the sites' own scatter about it as their errors say (χ² again), and it is one within 5 errors.
    is_chi_square(found.gain_scatter * (SITES - 1) as f64, SITES - 1).unwrap();
    assert!((found.correction - 1.0).abs() < 5.0 * found.correction_error);
    // 17 settings of 10 stretches of 32 samples 5 τ apart, 10 τ each to settle.
    let expected = 17.0 * 32.0 * (10.0 + 10.0 * 5.0) * 100e-9;
    assert!((found.device_seconds / expected - 1.0).abs() < 1e-6);
    // 350 aJ per site and sample period.
    let joules = 350e-18 * SITES as f64 * expected / 100e-9;
    assert!((found.spent.sample.unwrap() / joules - 1.0).abs() < 1e-6);
    assert!(found.spent.write.is_none());
}

/// What is left after the correction: without DACs, the errors of the estimates themselves. From logits of ±5 to about 5 % in
/// probability takes 50 samples a setting; a DAC of 8 bits over ±8 adds its own step.
#[test]
fn what_is_left_is_what_was_not_measured() {
    let card = pbit(&[("nonidealities.raw_offset", "5 mV")]);
    let plan = CalibrationPlan {
        samples: 50,
        ..CalibrationPlan::default()
    };
    let mut die = only(&card, 4, &["offset"]);
    let before = program(
        &only(&pbit(&[("nonidealities.offset", "5 mV")]), 4, &["offset"]),
        &spins(0.0),
        Scale::Fixed(1.0),
    );
    assert!(before.unwrap().site_residual().unwrap().1 > 0.35);
    let found = calibrate(&mut die, SITES, &plan).unwrap();
    let chip = program(&die, &spins(0.0), Scale::Fixed(1.0)).unwrap();
    let (logit, probability) = chip.site_residual().unwrap();
    let fields = chip.realised_parameters().0;
    let z = fields
        .iter()
        .zip(&found.offsets)
        .map(|(r, o)| (r / o.1).powi(2));
    is_chi_square(z.sum(), SITES).unwrap();
    assert!((0.03..0.07).contains(&probability), "{probability}");
    assert!((logit / (4.0 * probability) - 1.0).abs() < 0.1);

    // Sites and couplings are corrected alike after reprogramming.
    let mut chip = chip;
    let parameters = Parameters {
        fields: vec![0.5; SITES],
        couplings: Vec::new(),
    };
    chip.reprogram(&parameters).unwrap();
    assert_eq!(chip.realised_parameters().0, realised(&die, 0.5));

    let mut coarse = only(&card, 4, &["offset", "dac"]);
    calibrate(
        &mut coarse,
        SITES,
        &CalibrationPlan {
            samples: 20_000,
            ..plan
        },
    )
    .unwrap();
    let chip = program(&coarse, &spins(0.0), Scale::Fixed(1.0)).unwrap();
    // A step of 8/127, uniform errors: logit 2·step/√12; 200 sites know an rms to 5 %, and 25 % is five of those.
    let step = 8.0 / 127.0;
    let logit = chip.site_residual().unwrap().0;
    assert!(
        (logit / (2.0 * step / 12f64.sqrt()) - 1.0).abs() < 0.25,
        "{logit}"
    );
}

/// A chip that is hotter than its card says has logits 1/r as large; the sweep finds r within five errors (false-alarm rate
/// 6e-7), and the corrected program has the law that was asked for.
#[test]
fn the_gain_is_the_chips_temperature() {
    let card = pbit(&[]);
    let r = 1.25;
    let mut die = only(&card, 3, &["offset"]);
    die.temperature_ratio = r;
    let pair = |die: &Die| {
        let graph = Couplings::new(2, vec![(0, 1, 0.8)]).unwrap();
        let model = Model::Ising(Ising::new(vec![0.3, -0.6], graph).unwrap());
        program(die, &model, Scale::Fixed(1.0))
            .unwrap()
            .divergence()
            .unwrap()
            .tv
            .unwrap()
    };
    let before = pair(&die);
    let plan = CalibrationPlan {
        samples: 20_000,
        ..CalibrationPlan::default()
    };
    let found = calibrate(&mut die, 2, &plan).unwrap();
    assert!((found.correction - r).abs() < 5.0 * found.correction_error);
    assert!((found.correction - 1.0).abs() > 5.0 * found.correction_error);
    let after = pair(&die);
    assert!(after < 0.2 * before, "{before} {after}");
}

/// Injected-noise nodes: offsets are found within their errors, the mean's gain is one, the variance is the environment's,
/// and the corrected Gaussian is the one asked for.
#[test]
fn nodes_are_calibrated_too() {
    let mut card = card("rc_gaussian").unwrap();
    card.override_parameter("nonidealities.offset", "8 mV")
        .unwrap();
    let mut die = only(&card, 7, &["offset"]);
    die.temperature_ratio = 1.2;
    let n = 30;
    let chain = nalgebra::DMatrix::from_fn(n, n, |i, j| match i.abs_diff(j) {
        0 => 1.5,
        1 => -0.4,
        _ => 0.0,
    });
    let model =
        Model::Quadratic(Quadratic::new(chain, nalgebra::DVector::from_element(n, 0.2)).unwrap());
    let kl = |die: &Die| {
        program(die, &model, Scale::Fixed(1.0))
            .unwrap()
            .divergence()
            .unwrap()
            .kl
    };
    let before = kl(&die);
    let unit = program(&die, &model, Scale::Fixed(1.0))
        .unwrap()
        .volts_per_x();
    let truth: Vec<f64> = (0..n as u64)
        .map(|i| 8e-3 / unit * die.deviate(3, i))
        .collect();
    let plan = CalibrationPlan {
        points: 5,
        samples: 2000,
        ..CalibrationPlan::default()
    };
    let found = calibrate(&mut die, n, &plan).unwrap();
    let z = found.offsets.iter().zip(&truth);
    is_chi_square(z.map(|(o, t)| ((o.0 - t) / o.1).powi(2)).sum(), n).unwrap();
    let gains = found.gains.iter();
    is_chi_square(gains.map(|g| ((g.0 - 1.0) / g.1).powi(2)).sum(), n).unwrap();
    assert!(
        (found.correction - 1.2).abs() < 5.0 * found.correction_error,
        "{found:?}"
    );
    assert!((found.correction - 1.0).abs() > 20.0 * found.correction_error);
    let after = kl(&die);
    assert!(after < 0.02 * before, "{before} {after}");
}

/// Offsets drift as a Wiener process: after t the change has variance drift²·t (χ² over sites, false-alarm rate 2e-6 each),
/// increments over disjoint stretches are uncorrelated (r of 200 pairs within 5/√200), and an age is a point of one path.
#[test]
fn drift_is_a_wiener_process() {
    let card = pbit(&[("nonidealities.drift", "20 uV")]);
    let mut die = only(&card, 9, &["offset", "drift"]);
    calibrate(
        &mut die,
        SITES,
        &CalibrationPlan {
            samples: 4,
            points: 3,
            ..CalibrationPlan::default()
        },
    )
    .unwrap();
    let unit = program(&die, &spins(0.0), Scale::Fixed(1.0))
        .unwrap()
        .volts_per_x();
    let at = |age: f64| {
        let mut older = die.clone();
        older.age = age;
        realised(&older, 0.0)
    };
    let start = at(0.0);
    let change = |a: &[f64], b: &[f64]| -> Vec<f64> {
        a.iter()
            .zip(b)
            .map(|(a, b)| (b - a) * unit / 20e-6)
            .collect()
    };
    let square = |v: &[f64]| v.iter().map(|x| x * x).sum::<f64>();
    for age in [0.3, 60.0, 3600.0, 86_400.0] {
        let moved = change(&start, &at(age));
        is_chi_square(square(&moved) / age, SITES).unwrap();
        assert!(is_chi_square(square(&moved) / (4.0 * age), SITES).is_err());
        assert_eq!(moved, change(&start, &at(age)));
    }
    let (hour, two) = (at(3600.0), at(7200.0));
    let (first, second) = (change(&start, &hour), change(&hour, &two));
    is_chi_square(square(&second) / 3600.0, SITES).unwrap();
    let dot: f64 = first.iter().zip(&second).map(|(a, b)| a * b).sum();
    let r = dot / (square(&first) * square(&second)).sqrt();
    assert!(r.abs() < 5.0 / (SITES as f64).sqrt(), "{r}");
}

#[test]
fn what_cannot_be_calibrated_is_refused() {
    let card = pbit(&[]);
    let mut ideal = Die::fabricate(&card, None, None).unwrap();
    let plan = CalibrationPlan::default();
    assert!(
        calibrate(&mut ideal, 3, &plan)
            .unwrap_err()
            .to_string()
            .contains("ideal")
    );
    let mut die = only(&card, 1, &["offset"]);
    let one = CalibrationPlan { points: 1, ..plan };
    let message = calibrate(&mut die, 3, &one).unwrap_err().to_string();
    assert!(message.contains("calibrate.points"), "{message}");
    calibrate(&mut die, 3, &plan).unwrap();
    let message = program(&die, &spins(0.0), Scale::Fixed(1.0))
        .unwrap_err()
        .to_string();
    assert!(message.contains("3 nodes"), "{message}");
}
