//! Dice: exact distances of what they realise, their yield, and grids of experiments through the program.

#[path = "common/command.rs"]
mod command;

use command::{json, text, thermochip};
use proptest::prelude::*;
use std::fs;
use thermochip::energy::{Couplings, Ising, Model, Quadratic, exact};
use thermochip::hardware::{Card, Die, Programmed, Scale, Topology, card, program};
use thermochip::testing::strategies;

fn pbit() -> Card {
    card("pbit_cmos_subthreshold").unwrap()
}

fn only(card: &Card, seed: u64, names: &[&str]) -> Die {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    Die::fabricate(card, Some(seed), Some(&names)).unwrap()
}

fn on(die: &Die, model: &Model) -> Programmed {
    program(die, model, Scale::Fixed(1.0)).unwrap()
}

proptest! {
    /// Doubling spin by spin gives the probabilities of summing state by state; a field that is 1e-6 off is seen.
    #[test]
    fn doubling_is_enumeration(spins in strategies::isings(1..9)) {
        let p = exact::probabilities(&spins).unwrap();
        let q = exact::enumerate(&spins).unwrap().probabilities;
        let far = |p: &[f64], q: &[f64]| p.iter().zip(q).map(|(p, q)| (p / q - 1.0).abs()).fold(0.0, f64::max);
        prop_assert!(far(&p, &q) < 1e-11);
        let mut other = spins.clone();
        other.fields[0] += 1e-6;
        prop_assert!(far(&exact::probabilities(&other).unwrap(), &q) > 1e-7);
    }

    /// At r times the temperature a Gaussian's covariance is r times as large: KL = (n/2)(r − 1 − ln r), whatever P is. On the
    /// ideal chip it is zero; and the realised law of a die with offsets o alone has KL = ½ oᵀP D P⁻¹ D P o with D = diag P.
    #[test]
    fn distances_of_gaussians(energy in strategies::quadratics(1..6), r in 0.6..1.7f64, seed in any::<u64>()) {
        let n = energy.linear().len() as f64;
        let model = Model::Quadratic(energy.clone());
        let rc = card("rc_gaussian").unwrap();
        let mut die = Die::fabricate(&rc, None, None).unwrap();
        prop_assert!(on(&die, &model).divergence().unwrap().kl.abs() < 1e-9);
        die.temperature_ratio = r;
        let kl = on(&die, &model).divergence().unwrap().kl;
        let expected = 0.5 * n * (r - 1.0 - r.ln());
        // The noise of cells and couplers is off on the ideal chip, so nothing else depends on temperature.
        prop_assert!((kl - expected).abs() < 1e-9 * (1.0 + n), "{kl} {expected}");

        let die = only(&rc, seed, &["offset"]);
        let chip = on(&die, &model);
        let unit = chip.volts_per_x();
        let offsets = nalgebra::DVector::from_fn(energy.linear().len(), |i, _| {
            rc.get("nonidealities.offset").unwrap_or(0.0) * die.deviate(3, i as u64) / unit
        });
        let cells = nalgebra::DMatrix::from_diagonal(&energy.precision().diagonal());
        let pull = cells * offsets;
        let shift = energy.precision().clone().try_inverse().unwrap() * &pull;
        let expected = 0.5 * shift.dot(&pull);
        let kl = chip.divergence().unwrap().kl;
        prop_assert!((kl - expected).abs() < 1e-9 * (1.0 + expected), "{kl} {expected}");
    }

    /// Spins at r times the temperature have the law of their energy over r.
    #[test]
    fn distances_of_spins(spins in strategies::isings(2..8), r in 0.6..1.7f64) {
        let model = Model::Ising(spins.clone());
        let mut die = Die::fabricate(&pbit(), None, None).unwrap();
        prop_assert_eq!(on(&die, &model).divergence().unwrap().tv, Some(0.0));
        die.temperature_ratio = r;
        let got = on(&die, &model).report().divergence.unwrap();
        let scaled = |v: &[f64]| v.iter().map(|v| v / r).collect::<Vec<_>>();
        let mut graph = spins.couplings.clone();
        graph.set_values(&scaled(spins.couplings.values())).unwrap();
        let cooler = Ising::new(scaled(&spins.fields), graph).unwrap();
        let p = exact::enumerate(&spins).unwrap().probabilities;
        let q = exact::enumerate(&cooler).unwrap().probabilities;
        let tv = 0.5 * p.iter().zip(&q).map(|(p, q)| (p - q).abs()).sum::<f64>();
        let kl = p.iter().zip(&q).map(|(p, q)| q * (q / p).ln()).sum::<f64>();
        prop_assert!((got.tv.unwrap() - tv).abs() < 1e-11 && (got.kl - kl).abs() < 1e-11);
    }
}

/// The two directions of a coupler err together as the card says: ρ = 1 keeps J_ij = J_ji, and the correlation over 4000
/// couplers is ρ within five standard errors (1 − ρ²)/√4000 (false-alarm rate 6e-7).
#[test]
fn directions_err_together() {
    let gains = |rho: &str| {
        let mut card = pbit();
        card.override_parameter("nonidealities.coupling_correlation", rho)
            .unwrap();
        let die = only(&card, 5, &["coupling"]);
        (0..4000u64)
            .map(|edge| die.coupler_gains(4, edge))
            .collect::<Vec<_>>()
    };
    assert!(gains("1").iter().all(|(a, b)| a == b));
    for rho in [0.0, 0.6] {
        let pairs = gains(&rho.to_string());
        let z = |v: f64| (v - 1.0) / 0.02;
        let sum = |f: &dyn Fn(f64, f64) -> f64| {
            pairs.iter().map(|&(a, b)| f(z(a), z(b))).sum::<f64>() / 4000.0
        };
        let correlation = sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt();
        let se = (1.0 - rho * rho) / 4000f64.sqrt();
        assert!((correlation - rho).abs() < 5.0 * se, "{correlation} {rho}");
    }
    let refused = pbit().override_parameter("nonidealities.coupling_correlation", "1.1");
    assert!(refused.unwrap_err().to_string().contains("from 0 to 1"));
}

/// V9: coupling errors of 5 %, one conductance for both directions. The reference, .036–.040, is a median over 20 instances
/// (good to about 20 %); ours over 100. Deterministic: a die and an instance are functions of their seeds.
#[test]
fn coupling_errors_cost_what_v9_says() {
    let mut card = pbit();
    for (key, value) in [
        ("limits.topology", "open 4x3 Z1"),
        ("nonidealities.coupling_sigma", "5 %"),
        ("nonidealities.coupling_correlation", "1"),
    ] {
        card.override_parameter(key, value).unwrap();
    }
    let Topology::Lattice(lattice) = &card.topology else {
        panic!("a lattice was asked for");
    };
    let mut all: Vec<f64> = (0..100)
        .map(|seed| {
            use rand_distr::{Distribution, StandardNormal};
            let mut rng = thermochip::dynamics::streams::chain_rng(seed, 0xdb, 0);
            let mut normal = || -> f64 {
                let z: f64 = StandardNormal.sample(&mut rng);
                0.6 * z
            };
            let fields: Vec<f64> = (0..12).map(|_| normal()).collect();
            let list = lattice
                .edges()
                .iter()
                .map(|&(i, j)| (i, j, normal()))
                .collect();
            let couplings = Couplings::new(12, list).unwrap();
            let model = Model::Ising(Ising::new(fields, couplings).unwrap());
            let chip = on(&only(&card, seed, &["coupling"]), &model);
            chip.divergence().unwrap().tv.unwrap()
        })
        .collect();
    all.sort_by(f64::total_cmp);
    let median = 0.5 * (all[49] + all[50]);
    assert!((median / 0.038 - 1.0).abs() < 0.25, "{median}");
}

/// A Gaussian whose law has no exact distance: none is invented.
#[test]
fn no_distance_where_there_is_none() {
    let couplings = Couplings::new(21, vec![(0, 1, 0.1)]).unwrap();
    let many = Model::Ising(Ising::new(vec![0.0; 21], couplings).unwrap());
    let die = Die::fabricate(&pbit(), None, None).unwrap();
    assert!(on(&die, &many).divergence().is_none());
    let one = Quadratic::new(nalgebra::dmatrix![1.0], nalgebra::dvector![0.0]).unwrap();
    let rc = Die::fabricate(&card("rc_gaussian").unwrap(), None, None).unwrap();
    assert!(
        on(&rc, &Model::Quadratic(one))
            .divergence()
            .unwrap()
            .tv
            .is_none()
    );
}

/// Three p-bits with offsets; a few draws.
const SPINS: &str = r#"
version = 1
title = "three"
[energy]
kind = "ising"
fields = [0.2, -0.1, 0.0]
couplings = [[0, 1, 0.5], [1, 2, -0.4]]
[hardware]
model = "pbit_cmos_subthreshold"
die_seed = 3
only = ["offset"]
[plan]
chains = 40
burn_in = "5 tau"
duration = "20 tau"
"#;

/// A grid of two axes and a repetition: a run per point, a row per setting, and the numbers of the points in it. A run that
/// lost its record resumes from the finished points, to the same record.
#[test]
fn a_sweep_is_one_command() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("sweep.toml");
    let axes = r#"
[[sweep]]
parameter = "hardware.override.nonidealities.offset"
values = ["0.1 mV", "1 mV"]
[[sweep]]
parameter = "energy.couplings[0]"
values = [[0, 1, 0.5], [0, 1, 1.0]]
[[sweep]]
parameter = "hardware.die_seed"
values = { from = 1, to = 3 }
replicate = true
"#;
    fs::write(&file, format!("{SPINS}{axes}")).unwrap();
    let out = scratch.path().join("run");
    let printed = thermochip(&["compare", text(&file), "--out", text(&out)]);
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(printed.contains("die: exact_tv") && printed.contains("0.1 mV"));
    let record = json(&out.join("run.json"));
    let cells = record["sweep"]["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 4);
    assert_eq!(cells[2]["runs"].as_array().unwrap().len(), 3);
    // The middle one of the three runs' own numbers.
    let mut own: Vec<f64> = (6..9)
        .map(|k| {
            let point = json(&out.join(format!("points/{k:04}/run.json")));
            assert_eq!(point["experiment"]["hardware"]["die_seed"], k - 5);
            let programs = point["program"].as_array().unwrap();
            programs[1]["exact_tv"].as_f64().unwrap()
        })
        .collect();
    own.sort_by(f64::total_cmp);
    assert_eq!(cells[2]["metrics"]["die"]["exact_tv"]["value"], own[1]);
    assert!(cells[2]["metrics"]["die"]["tv"]["se"].as_f64().unwrap() > 0.0);
    // Ten times the offset does more.
    let tv = |k: usize| {
        cells[k]["metrics"]["die"]["exact_tv"]["value"]
            .as_f64()
            .unwrap()
    };
    assert!(tv(2) > 3.0 * tv(0) && tv(3) > 3.0 * tv(1));
    assert!(out.join("figures/sweep-exact_tv.svg").is_file());

    fs::remove_file(out.join("run.json")).unwrap();
    fs::remove_dir_all(out.join("points/0011")).unwrap();
    thermochip(&[
        "compare",
        text(&file),
        "--out",
        text(&out),
        "--resume",
        "--quiet",
    ]);
    assert_eq!(json(&out.join("run.json"))["sweep"], record["sweep"]);
}

/// A hundred dice: the fraction within bounds is counted from the dice themselves, and the table tells distributions.
#[test]
fn yield_is_counted_over_dice() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("dice.toml");
    let many = SPINS
        .replace("die_seed = 3", "die_seed = 3\ndies = 100")
        .replace(
            "[plan]",
            "[compare]\naccept = { exact_tv = 0.05 }\n[plan]\nrecord = \"none\"",
        );
    fs::write(&file, many).unwrap();
    let out = scratch.path().join("run");
    let printed = thermochip(&["run", text(&file), "--out", text(&out)]);
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(
        printed.contains("over dice") && printed.contains("of 100 dice"),
        "{printed}"
    );
    let record = json(&out.join("run.json"));
    let values: Vec<f64> = record["program"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| p["exact_tv"].as_f64().unwrap())
        .collect();
    assert_eq!(values.len(), 100);
    let good = values.iter().filter(|&&v| v <= 0.05).count() as f64 / 100.0;
    assert!(good > 0.0 && good < 1.0);
    let told = &record["dice"]["metrics"]["exact_tv"];
    assert_eq!(told["accepted"]["value"], good);
    assert_eq!(record["dice"]["accepted"]["value"], good);
    assert_eq!(told["values"].as_array().unwrap().len(), 100);
    assert!(out.join("figures/dice-exact_tv.svg").is_file());
}

/// "Exact" distances are those of the law that the array settles in: with one coupler one-way they are its master equation's
/// (TV .110079, KL .03220 by an independent solution; the direction-averaged energy's KL, .01388, is another machine's), and
/// where spins see each other late there are none to state.
#[test]
fn exact_distances_are_of_the_dies_own_law() {
    let scratch = tempfile::tempdir().unwrap();
    let program = |name: &str, hardware: &str, after: &str| {
        let file = scratch.path().join(format!("{name}.toml"));
        let out = scratch.path().join(name);
        let head = "version = 1\n[energy]\nkind = \"ising\"\nfields = [0.2, -0.3]\ncouplings = [[0, 1, 1.5]]\n";
        let chip = "[hardware]\nmodel = \"pbit_cmos_subthreshold\"\ndie_seed = 1\n";
        let text_of = format!("{head}{chip}{hardware}\n{after}[plan]\nrecord = \"none\"\n");
        fs::write(&file, text_of).unwrap();
        thermochip(&["run", text(&file), "--out", text(&out), "--quiet"]);
        json(&out.join("run.json"))["program"][0].clone()
    };
    let one_way = program(
        "directed",
        "only = [\"offset\"]\ndirected = [[0, 1, 1.0]]",
        "[hardware.override]\nnonidealities.offset = \"0 V\"\n",
    );
    let near = |key: &str, value: f64| (one_way[key].as_f64().unwrap() - value).abs() < 6e-6;
    assert!(near("exact_tv", 0.110079), "{}", one_way["exact_tv"]);
    assert!((one_way["exact_kl"].as_f64().unwrap() - 0.03220).abs() < 6e-6);
    let late = program(
        "late",
        "only = [\"synapse\"]",
        "[hardware.override]\nphysics.synapse_tau = \"1 us\"\n",
    );
    assert!(
        late["exact_tv"].is_null() && late["exact_kl"].is_null(),
        "{late}"
    );
}
