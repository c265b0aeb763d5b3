//! Reading a die: converters and comparators with offset and noise, the time that reading takes; p-bits at another supply.

use thermochip::energy::{Couplings, Ising, Model, SoftSpin};
use thermochip::hardware::{Card, Die, Level, Scale, card, program};
use thermochip::sampler::{AnalogSampler, Follow, Horizon, Phase, Sampler, StepRule};
use thermochip::testing::assertions::counts_match;

fn with(name: &str, overrides: &[(&str, &str)]) -> Card {
    let mut card = card::card(name).unwrap();
    for (key, value) in overrides {
        card.override_parameter(key, value).unwrap();
    }
    card
}

fn die(card: &Card, only: &[&str]) -> Die {
    let only: Vec<String> = only.iter().map(|s| (*s).to_owned()).collect();
    Die::fabricate(card, Some(5), Some(&only)).unwrap()
}

fn spins(fields: &[f64], list: Vec<(usize, usize, f64)>) -> Model {
    let couplings = Couplings::new(fields.len(), list).unwrap();
    Model::Ising(Ising::new(fields.to_vec(), couplings).unwrap())
}

fn sampler(die: &Die, model: &Model, chains: usize) -> AnalogSampler<f32> {
    let chip = program(die, model, Scale::Fixed(1.0)).unwrap();
    let (scheme, rule) = (chip.scheme(), StepRule::Auto(0.01));
    AnalogSampler::new(chip, chains, (7, 1), rule, scheme, Follow::silent()).unwrap()
}

fn reading(tau: f64, draws: f64, every: f64) -> Phase {
    Phase {
        burn_in: Horizon::Seconds(5.0 * tau),
        duration: Horizon::Seconds(draws * every),
        every: Some(Horizon::Seconds(every)),
        clamp: None,
    }
}

/// Mean and sd of a list.
fn spread(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    (mean, (square / (n - 1.0)).sqrt())
}

/// What a converter adds to the same paths: σ z at every read, N(0, σ²) within 5.2 standard errors of mean and of sd; a fixed
/// offset per site, whose sd over 400 sites is the card's within 5.2 of its own (each side 1e-7; 8e-7 in all). Noise 4 % larger,
/// and offsets 40 % larger, are told apart. The chip's law is not touched: the read variance is Var x + σ².
#[test]
fn converters_add_their_offset_and_noise() {
    let card = with(
        "rc_gaussian",
        &[
            ("readout.noise", "10 mV"),
            ("readout.offset", "6 mV"),
            ("limits.max_nodes", "400"),
        ],
    );
    let n = 400;
    let cells = SoftSpin::new(
        vec![0.5; n],
        vec![0.0; n],
        vec![0.0; n],
        Couplings::empty(n),
    );
    let model = Model::SoftSpin(cells.unwrap());
    let tau = card.get("physics.tau").unwrap();
    let read = |only: &[&str]| {
        let mut sampler = sampler(&die(&card, only), &model, 16);
        sampler
            .run(&reading(tau, 10.0, 2.0 * tau))
            .unwrap()
            .samples
            .x
    };
    let unit = program(&die(&card, &[]), &model, Scale::Fixed(1.0))
        .unwrap()
        .volts_per_x();
    let bare = read(&[]);
    let added = |x: &[f32]| -> Vec<f64> {
        x.iter()
            .zip(&bare)
            .map(|(a, b)| (f64::from(*a) - f64::from(*b)) * unit)
            .collect()
    };
    let noise = added(&read(&["readout_noise"]));
    let count = noise.len() as f64;
    let (mean, sd) = spread(&noise);
    assert!(mean.abs() < 5.2 * 10e-3 / count.sqrt(), "{mean}");
    let z = |sigma: f64| (sd / sigma - 1.0).abs() * (2.0 * count).sqrt();
    assert!(z(10e-3) < 5.2 && z(10.4e-3) > 5.2, "{sd}");
    let offsets = added(&read(&["readout_offset"]));
    let first = &offsets[..n];
    for row in offsets.chunks(n) {
        assert!(row.iter().zip(first).all(|(a, b)| (a - b).abs() < 1e-7));
    }
    let (mean, sd) = spread(first);
    assert!(mean.abs() < 5.2 * 6e-3 / (n as f64).sqrt(), "{mean}");
    let z = |sigma: f64| (sd / sigma - 1.0).abs() * (2.0 * n as f64).sqrt();
    assert!(z(6e-3) < 5.2 && z(8.4e-3) > 5.2, "{sd}");
}

/// Two coupled spins behind comparators that err with ε = Φ(−1): the joint law of what is read is the Boltzmann law passed
/// through independent flips, so that ⟨s⟩ → (1 − 2ε)⟨s⟩ and ⟨s s'⟩ → (1 − 2ε)²⟨s s'⟩ (chi-square, false-alarm rate 1e-6). The law
/// without flips, and with twice the noise, are refused.
#[test]
fn comparators_flip_what_they_read() {
    let overrides = [("readout.swing", "40 mV"), ("readout.noise", "20 mV")];
    let card = with("pbit_cmos_subthreshold", &overrides);
    let (h, j) = (0.3, 0.6);
    let model = spins(&[h, 0.0], vec![(0, 1, j)]);
    let mut sampler = sampler(&die(&card, &["readout_noise"]), &model, 40_000);
    let phase = Phase {
        burn_in: Horizon::Steps(0),
        duration: Horizon::Seconds(30.0 * card.get("physics.tau").unwrap()),
        every: None,
        clamp: None,
    };
    let mut counts = [0u64; 4];
    for x in sampler.run(&phase).unwrap().samples.x.chunks(2) {
        counts[usize::from(x[0] > 0.0) + 2 * usize::from(x[1] > 0.0)] += 1;
    }
    let sign = |state: usize, i: usize| if state >> i & 1 == 1 { 1.0 } else { -1.0 };
    let law = |wrong: f64| -> Vec<f64> {
        let weight = |s: usize| f64::exp(h * sign(s, 0) + j * sign(s, 0) * sign(s, 1));
        let z: f64 = (0..4).map(weight).sum();
        let kept = |a: usize, b: usize, i: usize| {
            if sign(a, i) == sign(b, i) {
                1.0 - wrong
            } else {
                wrong
            }
        };
        (0..4)
            .map(|read| {
                (0..4)
                    .map(|s| weight(s) / z * kept(s, read, 0) * kept(s, read, 1))
                    .sum()
            })
            .collect()
    };
    // Φ(−1) and Φ(−1/2).
    counts_match(&counts, &law(0.158655), 1e-6).unwrap();
    assert!(counts_match(&counts, &law(0.0), 1e-6).is_err());
    assert!(counts_match(&counts, &law(0.308538), 1e-6).is_err());
}

/// The comparator of a latch weighs its two outputs: an offset far above them decides alone (|z| below 1e-7 at one of four sites: 3e-7),
/// one far below never.
#[test]
fn latches_are_read_by_their_outputs() {
    for (offset, decides) in [("1e6 V", true), ("1 nV", false)] {
        let overrides = [("readout.swing", "60 mV"), ("readout.offset", offset)];
        let card = with("pbit_cmos_subthreshold", &overrides);
        let mut die = die(&card, &["readout_offset"]);
        die.level = Level::Langevin;
        let model = spins(&[0.0; 4], vec![]);
        let x = sampler(&die, &model, 200)
            .run(&reading(100e-9, 4.0, 500e-9))
            .unwrap()
            .samples
            .x;
        for site in 0..4 {
            let up = x.iter().skip(site).step_by(4).filter(|v| **v > 0.0).count();
            // Fair coins otherwise, 200 of them independent: 40 away from half is 5.7 standard deviations.
            assert_eq!(up == 0 || up == 800, decides, "site {site}: {up} of 800");
            assert!(
                decides || up.abs_diff(400) < 160,
                "site {site}: {up} of 800"
            );
        }
    }
}

/// A clocked array is held for every frame; the result of the last read of a run comes a latency later, once, unless the
/// chip was rewritten in between; each is charged only where it is on, and the ideal chip reads at once.
#[test]
fn reading_takes_device_time() {
    let card = with("z1", &[("readout.latency", "3 us")]);
    let model = spins(&[0.1, 0.0], vec![(0, 1, 0.2)]);
    let phase = reading(20e-9, 8.0, 20e-9);
    let seconds = |only: Option<&[&str]>| {
        let die = match only {
            Some(only) => die(&card, only),
            None => Die::fabricate(&card, None, None).unwrap(),
        };
        let mut sampler = sampler(&die, &model, 3);
        let first = sampler.run(&phase).unwrap().cost.device_seconds.unwrap();
        let second = sampler.run(&phase).unwrap().cost.device_seconds.unwrap();
        (first, second)
    };
    let (ideal, again) = seconds(None);
    assert!(
        (ideal - 13.0 * 20e-9).abs() < 1e-15 && ideal == again,
        "{ideal}"
    );
    assert_eq!(seconds(Some(&["dac"])), (ideal, ideal));
    let (first, second) = seconds(Some(&["readout_rate", "readout_latency"]));
    assert!(
        (first - ideal - 8.0 * 25e-6 - 3e-6).abs() < 1e-12,
        "{first}"
    );
    assert!((second - ideal - 8.0 * 25e-6).abs() < 1e-12, "{second}");
    let (first, _) = seconds(Some(&["readout_latency"]));
    assert!((first - ideal - 3e-6).abs() < 1e-12, "{first}");
    // Nothing holds a free array while it is read.
    let free = with("pbit_cmos_subthreshold", &[("readout.frame_time", "1 us")]);
    let chip = program(&die(&free, &["readout_rate"]), &model, Scale::Fixed(1.0)).unwrap();
    let said = chip
        .check_read_period("plan.sample_period", 0.5e-6)
        .unwrap_err()
        .to_string();
    assert!(said.contains("readout.frame_time, 1.00 us"), "{said}");
    chip.check_read_period("plan.sample_period", 1e-6).unwrap();
}

/// A restored state reads the same noise again.
#[test]
fn noise_of_reads_is_resumed() {
    let card = with("rc_gaussian", &[("readout.noise", "10 mV")]);
    let cells = SoftSpin::new(
        vec![0.5; 2],
        vec![0.0; 2],
        vec![0.0; 2],
        Couplings::empty(2),
    );
    let model = Model::SoftSpin(cells.unwrap());
    let die = die(&card, &["readout_noise"]);
    let phase = reading(100e-9, 3.0, 100e-9);
    let mut whole = sampler(&die, &model, 5);
    whole.run(&phase).unwrap();
    let state = whole.state();
    let next = whole.run(&phase).unwrap().samples.x;
    let mut other = sampler(&die, &model, 5);
    other.restore(&state).unwrap();
    assert_eq!(other.run(&phase).unwrap().samples.x, next);
}

#[test]
fn readouts_that_a_chip_cannot_have_are_refused() {
    let refused = |name: &str, key: &str| {
        let card = with(name, &[(key, "1 mV")]);
        Die::fabricate(&card, None, None).unwrap_err().to_string()
    };
    for (name, key, words) in [
        (
            "pbit_cmos_subthreshold",
            "readout.noise",
            "readout.swing beside it",
        ),
        ("pdit", "readout.offset", "readout.swing beside it"),
        ("rc_gaussian", "readout.swing", "converted, not compared"),
        ("josephson_flux", "readout.noise", "no output voltage"),
        ("x0_test_chip", "readout.offset", "readouts of their own"),
    ] {
        let said = refused(name, key);
        assert!(said.contains(words) && said.contains(key), "{said}");
    }
}

/// A supply of 1.0 V_T lowers the barrier: p-bits relax 4.41 times as fast (V5) and lean less, as two-state elements and as
/// latches alike; the program does not know.
#[test]
fn a_lower_supply_speeds_p_bits_up() {
    let card = with("pbit_cmos_subthreshold", &[]);
    let thermal = 1.380649e-23 * 300.0 / 1.602176634e-19;
    let model = spins(&[0.4], vec![]);
    let nominal = Die::fabricate(&card, None, None).unwrap();
    let low = nominal.clone().at_supply(thermal).unwrap();
    let tau = |die: &Die| {
        let chip = program(die, &model, Scale::Fixed(1.0)).unwrap();
        let levels = chip.process().levels.clone().unwrap();
        let Some(Model::Ising(own)) = chip.energy() else {
            panic!("no energy");
        };
        (levels.tau[0], own.fields[0])
    };
    let ((slow, asked), (fast, realised)) = (tau(&nominal), tau(&low));
    assert!(
        (fast / slow / (4.4492e-3 / 1.96387e-2) - 1.0).abs() < 3e-3,
        "{fast} {slow}"
    );
    assert_eq!(asked, 0.4);
    // The same logit from the latch's own master equation.
    let mut latch = low.clone();
    latch.level = Level::Poisson;
    let chip = program(&latch, &model, Scale::Fixed(1.0)).unwrap();
    let equation = thermochip::dynamics::MasterEquation::new(chip.process(), &[0.0, 0.0], 3.0);
    let lean = equation.unwrap().mean(|x| match x[1] - x[0] {
        d if d.abs() < 1e-9 => 0.0,
        d => d.signum(),
    });
    assert!(
        realised < 0.9 * asked && (lean.atanh() / realised - 1.0).abs() < 0.01,
        "{realised}"
    );
    let report = program(&low, &model, Scale::Fixed(1.0)).unwrap().report();
    assert!(report.divergence.unwrap().tv.unwrap() > 0.01 && report.field_rms_error == 0.0);
}
