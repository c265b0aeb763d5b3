//! Factors over p-bits and categories that a host wires, against enumeration.
//!
//! Each χ² test fails a right system with probability 1e-7; there are fifteen.

#[path = "common/factors.rs"]
mod joint;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;
use thermochip::energy::{Domain, Factor, FactorGraph, Model, Parametric, enumerate_factors};
use thermochip::hardware::{Die, Programmed, Scale, card::card, program};
use thermochip::sampler::{ChainState, Clamp, Follow, Horizon, HostedSampler, Phase, Sampler};
use thermochip::testing::assertions::counts_match;

const CHAINS: usize = 20_000;

/// Two spins, a category of three and one of four: tables, a table times a spin, a product, terms of one variable.
fn mixed(seed: u64) -> FactorGraph {
    let mut rng = Pcg32::seed_from_u64(seed);
    let mut weights =
        |n: usize| -> Vec<f64> { (0..n).map(|_| rng.random_range(-0.9..0.9)).collect() };
    let domains = vec![
        Domain::Spin,
        Domain::Categorical(3),
        Domain::Spin,
        Domain::Categorical(4),
    ];
    let factors = vec![
        Factor::table(vec![0, 1], weights(6)),
        Factor {
            nodes: vec![1, 3],
            spins: vec![2],
            weights: weights(12),
        },
        Factor::product(vec![0, 2], weights(1)[0]),
        Factor::table(vec![3], weights(4)),
    ];
    FactorGraph::new(domains, factors).unwrap()
}

/// A product of five spins, fields and a pair.
fn five() -> FactorGraph {
    let factors = vec![
        Factor::product(vec![0, 1, 2, 3, 4], 0.6),
        Factor::product(vec![1], 0.3),
        Factor::product(vec![2, 4], -0.5),
    ];
    FactorGraph::new(vec![Domain::Spin; 5], factors).unwrap()
}

fn on(die: &Die, graph: &FactorGraph) -> Programmed {
    program(die, &Model::Factors(graph.clone()), Scale::Fixed(1.0)).unwrap()
}

fn bag(seed: Option<u64>, only: &[&str], round_trip: &str) -> Die {
    let mut bag = card("x0_test_chip").unwrap();
    bag.override_parameter("physics.round_trip", round_trip)
        .unwrap();
    let only: Vec<String> = only.iter().map(|&name| name.to_owned()).collect();
    Die::fabricate(&bag, seed, Some(&only)).unwrap()
}

fn phase(rounds: u64) -> Phase {
    Phase {
        burn_in: Horizon::Steps(0),
        duration: Horizon::Steps(rounds),
        every: None,
        clamp: None,
    }
}

fn sampler(programmed: Programmed, chains: usize) -> HostedSampler {
    HostedSampler::new(programmed, chains, (7, 3), Follow::silent()).unwrap()
}

/// Counts of one draw of each chain after so many rounds.
fn counts(programmed: Programmed, graph: &FactorGraph, rounds: u64) -> Vec<u64> {
    let run = sampler(programmed, CHAINS).run(&phase(rounds)).unwrap();
    joint::counts(graph, &run.samples.x)
}

fn law(graph: &FactorGraph) -> Vec<f64> {
    enumerate_factors(graph, &[]).unwrap().probabilities
}

/// What [`thermochip::hardware::Hosted`] does, except that every variable answers to the states before the round.
fn all_at_once(programmed: &Programmed, graph: &FactorGraph, rounds: u64) -> Vec<u64> {
    let hosted = programmed.hosted().unwrap();
    let n = graph.dim();
    let draw = |chain: usize| {
        let mut rng = Pcg32::seed_from_u64(chain as u64);
        let (mut x, mut gates) = (vec![0u8; n], vec![false; hosted.gates()]);
        for _ in 0..rounds {
            let old = x.clone();
            for (i, new) in x.iter_mut().enumerate() {
                let mut seen = old.clone();
                let held: Vec<bool> = (0..n).map(|j| j != i).collect();
                hosted.round_of(&mut seen, &mut gates, &held, &mut rng);
                *new = seen[i];
            }
        }
        let values = x.iter().zip(graph.domains());
        values
            .map(|(&s, domain)| domain.value(s) as f32)
            .collect::<Vec<_>>()
    };
    joint::counts(graph, &(0..CHAINS).flat_map(draw).collect::<Vec<_>>())
}

#[test]
fn ten_mixed_models_have_their_laws_and_an_update_all_at_once_does_not() {
    let die = bag(None, &[], "1 us");
    let mut rejected = 0;
    for seed in 0..10 {
        let graph = mixed(seed);
        counts_match(&counts(on(&die, &graph), &graph, 25), &law(&graph), 1e-7).unwrap();
        let wrong = all_at_once(&on(&die, &graph), &graph, 25);
        rejected += usize::from(counts_match(&wrong, &law(&graph), 1e-7).is_err());
    }
    assert_eq!(rejected, 10);
}

/// Five spins in one product, which no pairs hold; p-bits that keep e^{-1/2} of their values from step to step sample the same law.
#[test]
fn a_product_of_five_spins_runs_through_the_host_whatever_the_round_trip() {
    let graph = five();
    for (round_trip, rounds) in [("1 us", 25), ("50 ns", 100)] {
        let die = bag(None, &[], round_trip);
        let found = counts(on(&die, &graph), &graph, rounds);
        counts_match(&found, &law(&graph), 1e-7).unwrap();
        assert!(counts_match(&found, &law(&mixed_signs()), 1e-7).is_err());
    }
}

/// [`five`] with the product's sign flipped.
fn mixed_signs() -> FactorGraph {
    let mut graph = five();
    let mut parameters = graph.parameters();
    parameters.couplings[0] *= -1.0;
    graph.set_parameters(&parameters).unwrap();
    graph
}

/// A die samples the energy with its own offsets and errors of logits, which it reports, and not the one asked for.
#[test]
fn a_die_samples_the_energy_that_it_reports() {
    let graph = mixed(3);
    let die = bag(Some(5), &["offset", "weight", "tau"], "1 us");
    let programmed = on(&die, &graph);
    let Some(Model::Factors(own)) = programmed.energy() else {
        panic!("errors are terms of their own");
    };
    let found = counts(programmed, &graph, 25);
    counts_match(&found, &law(&own), 1e-7).unwrap();
    assert!(counts_match(&found, &law(&graph), 1e-7).is_err());
}

/// Clamped variables stay, the others follow their conditional law; a run in two parts gives the bits of one; rounds cost round
/// trips, reading and writing.
#[test]
fn clamps_resuming_and_costs() {
    let graph = mixed(1);
    let die = bag(None, &[], "1 us");
    let mut one = sampler(on(&die, &graph), 4000);
    let clamp = Clamp {
        nodes: vec![1],
        values: vec![2.0; 4000],
    };
    let held = Phase {
        clamp: Some(clamp),
        ..phase(40)
    };
    let run = one.run(&held).unwrap();
    let found = joint::counts(&graph, &run.samples.x);
    let exact = enumerate_factors(&graph, &[(1, 2)]).unwrap();
    let joint: Vec<f64> = (0..found.len())
        .map(|index| {
            let x = joint::state(&graph, index);
            if x[1] == 2 {
                (-graph.value(&x)).exp()
            } else {
                0.0
            }
        })
        .collect();
    let z: f64 = joint.iter().sum();
    assert!((z.ln() - exact.log_z).abs() < 1e-9);
    let joint: Vec<f64> = joint.iter().map(|p| p / z).collect();
    counts_match(&found, &joint, 1e-7).unwrap();

    let seconds = run.cost.seconds.sample.unwrap();
    let colours = graph.colouring().len() as f64;
    assert!((seconds - 40.0 * colours * 1e-6).abs() < 1e-12);
    assert!(run.cost.write.is_none() && run.cost.sample.is_some());

    let (mut whole, mut parts) = (sampler(on(&die, &graph), 16), sampler(on(&die, &graph), 16));
    let long = whole.run(&phase(30)).unwrap().samples.x;
    parts.run(&phase(11)).unwrap();
    let kept = parts.state();
    let mut resumed = sampler(on(&die, &graph), 16);
    resumed.restore(&kept).unwrap();
    assert_eq!(resumed.run(&phase(19)).unwrap().samples.x, long);
    let wrong = ChainState::at(vec![7.0; 64]);
    assert!(resumed.restore(&wrong).is_err());
}

/// Spins alone at another temperature than the program's sample a multiple of the energy, offsets included, which the chip reports.
#[test]
fn hot_spins_sample_the_energy_that_they_report() {
    let graph = five();
    let mut die = bag(Some(2), &["offset"], "1 us");
    die.temperature_ratio = 1.3;
    let programmed = on(&die, &graph);
    let Some(Model::Factors(own)) = programmed.energy() else {
        panic!("a multiple of an energy is one");
    };
    let found = counts(programmed, &graph, 25);
    counts_match(&found, &law(&own), 1e-7).unwrap();
    assert!(counts_match(&found, &law(&graph), 1e-7).is_err());
    let mixed = on(&die, &mixed(1));
    assert!(mixed.energy().is_none() && !mixed.report().no_energy_because.is_empty());
}

/// A p-bit that was held keeps its value when it is let go, but for those few that flip within a round much shorter than τ; a frame
/// and the host's time are on the bill.
#[test]
fn what_was_held_is_let_go_from_where_it_was() {
    let mut die = bag(Some(1), &["readout_rate"], "1 us");
    for (key, value) in [
        ("physics.round_trip", "1 ps"),
        ("readout.frame_time", "3 us"),
        ("costs.host_time", "7 us"),
    ] {
        die.card.override_parameter(key, value).unwrap();
    }
    let graph = five();
    let mut sampler = sampler(on(&die, &graph), 500);
    let clamp = Clamp {
        nodes: vec![0],
        values: vec![1.0; 500],
    };
    let held = Phase {
        clamp: Some(clamp),
        ..phase(1)
    };
    sampler.run(&held).unwrap();
    let run = sampler.run(&phase(1)).unwrap();
    let up = run.samples.x.chunks(5).filter(|x| x[0] > 0.0).count();
    assert!(up > 490, "{up} of 500");
    let seconds = run.cost.seconds;
    assert!((seconds.read.unwrap() - 3e-6).abs() < 1e-12);
    assert!((seconds.host.unwrap() - 7e-6).abs() < 1e-12);
}
