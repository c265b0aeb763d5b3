//! Metropolis moves, tempering and annealing of factor graphs against exact evolution and enumeration. Each statistical check
//! has a false-alarm rate of 1e-7 and a mutation that the same check refuses.

#[path = "common/factors.rs"]
mod counting;

use counting::{counts, state};
use thermochip::energy::{Domain, Factor, FactorGraph, Model, enumerate_factors};
use thermochip::sampler::{
    AnnealedImportance, Clamp, FactorSampler, Follow, Horizon, Ladder, Phase, Sampler,
    TemperingSampler, annealed_importance,
};
use thermochip::testing::assertions::counts_match;

const FALSE_ALARM: f64 = 1e-7;

/// Three spins and two categories: fields, products, a table, a table times spins; 96 states.
fn graph(strength: f64) -> FactorGraph {
    let domains = vec![
        Domain::Spin,
        Domain::Categorical(3),
        Domain::Spin,
        Domain::Categorical(4),
        Domain::Spin,
    ];
    let wave = |n: usize, phase: f64| {
        let at = |k: usize| strength * (1.7 * k as f64 + phase).sin();
        (0..n).map(at).collect::<Vec<f64>>()
    };
    let factors = vec![
        Factor::product(vec![0], 0.4 * strength),
        Factor::table(vec![1], wave(3, 0.3)),
        Factor::table(vec![2], wave(2, 1.1)),
        Factor::product(vec![0, 2, 4], 0.7 * strength),
        Factor::table(vec![1, 3], wave(12, 0.8)),
        Factor {
            nodes: vec![3],
            spins: vec![2, 4],
            weights: wave(4, 2.0),
        },
    ];
    FactorGraph::new(domains, factors).unwrap()
}

fn law(graph: &FactorGraph) -> Vec<f64> {
    enumerate_factors(graph, &[]).unwrap().probabilities
}

fn phase(burn_in: u64) -> Phase {
    Phase {
        burn_in: Horizon::Steps(burn_in),
        duration: Horizon::Steps(1),
        every: None,
        clamp: None,
    }
}

/// The law after `sweeps` sweeps from spins at +1 and categories at 0, proposing with probability `proposed`.
fn evolved(graph: &FactorGraph, sweeps: usize, proposed: f64) -> Vec<f64> {
    let start: Vec<u8> = graph
        .domains()
        .iter()
        .map(|d| u8::from(*d == Domain::Spin))
        .collect();
    let mut law = vec![0.0; graph.states().unwrap()];
    law[graph.index(&start)] = 1.0;
    for _ in 0..sweeps {
        for &i in graph.colouring().iter().flatten() {
            let others = graph.domains()[i].states() - 1;
            let mut after = law.clone();
            for (index, weight) in law.iter().enumerate() {
                let from = state(graph, index);
                for k in (0..=others as u8).filter(|k| *k != from[i]) {
                    let mut to = from.clone();
                    to[i] = k;
                    let ratio = (graph.value(&from) - graph.value(&to)).exp().min(1.0);
                    let moved = weight * proposed / others as f64 * ratio;
                    after[index] -= moved;
                    after[graph.index(&to)] += moved;
                }
            }
            law = after;
        }
    }
    law
}

/// Two sweeps from one state: each proposal and each acceptance, without mixing. Always proposing is refused, and so is the law
/// that a sweep leaves alone.
#[test]
fn proposals_are_those_of_metropolis() {
    let graph = graph(1.0);
    let chains = 200_000;
    let sampler = || FactorSampler::new(&graph, chains, (3, 0), Follow::silent()).unwrap();
    let run = sampler().by_proposals().run(&phase(1)).unwrap();
    let seen = counts(&graph, &run.samples.x);
    let exact = evolved(&graph, 2, 0.75);
    counts_match(&seen, &exact, FALSE_ALARM).unwrap();
    for wrong in [evolved(&graph, 2, 1.0), law(&graph)] {
        assert!(counts_match(&seen, &wrong, FALSE_ALARM).is_err());
    }
    // Expected changes of one variable in one sweep lie between none and ¾.
    let rate = run.acceptance.unwrap();
    assert!(rate > 0.05 && rate < 0.75, "{rate}");
    let gibbs = sampler().run(&phase(1)).unwrap();
    assert!(gibbs.acceptance.is_none());
    assert!(counts_match(&counts(&graph, &gibbs.samples.x), &exact, FALSE_ALARM).is_err());
}

/// Long runs have the energy's law, and not that of an energy 5 % stronger.
#[test]
fn proposals_and_tempering_leave_the_law() {
    let graph = graph(1.0);
    let model = Model::Factors(graph.clone());
    let (exact, hotter) = (law(&graph), law(&self::graph(1.05)));
    let chains = 100_000;
    let ladder = Ladder::Adaptive {
        replicas: 4,
        least: 0.2,
    };
    let tempering =
        TemperingSampler::<f64>::new(&model, chains, (5, 0), (&ladder, 1), None, Follow::silent());
    let proposals = FactorSampler::new(&graph, chains, (6, 0), Follow::silent()).unwrap();
    let samplers: [Box<dyn Sampler>; 2] = [
        Box::new(tempering.unwrap()),
        Box::new(proposals.by_proposals()),
    ];
    for mut sampler in samplers {
        let name = sampler.describe().name;
        let run = sampler.run(&phase(100)).unwrap();
        let seen = counts(&graph, &run.samples.x);
        counts_match(&seen, &exact, FALSE_ALARM).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(counts_match(&seen, &hotter, FALSE_ALARM).is_err(), "{name}");
        if name == "tempering" {
            let swaps = run.notes["swap_acceptance_min"].0;
            assert!(swaps > 0.2 && swaps < 1.0, "{swaps}");
        }
    }
}

/// A spin and a category held: the others have their conditional law, in every replica.
#[test]
fn held_variables_are_held_while_tempering() {
    let graph = graph(1.0);
    let model = Model::Factors(graph.clone());
    let chains = 100_000;
    let ladder = Ladder::Given(vec![1.0, 0.4]);
    let mut sampler =
        TemperingSampler::<f64>::new(&model, chains, (8, 0), (&ladder, 1), None, Follow::silent())
            .unwrap();
    let mut held = phase(60);
    held.clamp = Some(Clamp {
        nodes: vec![2, 3],
        values: [-1.0, 2.0].repeat(chains),
    });
    let run = sampler.run(&held).unwrap();
    let seen = counts(&graph, &run.samples.x);
    let conditional = |spin: u8, category: u8| {
        let inside = |index: usize| {
            let x = state(&graph, index);
            x[2] == spin && x[3] == category
        };
        let p = law(&graph).into_iter().enumerate();
        let p: Vec<f64> = p.map(|(k, p)| if inside(k) { p } else { 0.0 }).collect();
        let total: f64 = p.iter().sum();
        p.into_iter().map(|p| p / total).collect::<Vec<f64>>()
    };
    counts_match(&seen, &conditional(0, 2), FALSE_ALARM).unwrap();
    assert!(counts_match(&seen, &conditional(1, 2), FALSE_ALARM).is_err());
    held.clamp = Some(Clamp {
        nodes: vec![3],
        values: vec![4.0; chains],
    });
    let refused = sampler.run(&held).unwrap_err().to_string();
    assert!(refused.contains("a category from 0 to 3"), "{refused}");
}

/// log Z of annealed runs within 5.4 standard errors (7e-8) of the sum over all states; 2 % of Z are refused.
#[test]
fn annealed_runs_of_factors_find_log_z() {
    let graph = graph(1.0);
    let exact = enumerate_factors(&graph, &[]).unwrap().log_z;
    let plan = AnnealedImportance {
        temperatures: 60,
        each: 1,
        base: None,
    };
    let model = Model::Factors(graph);
    let found = annealed_importance(&model, 20_000, (9, 0), &plan, &Follow::silent()).unwrap();
    let off = |log_z: f64| (found.log_z - log_z).abs() / found.se;
    assert!(off(exact) < 5.4, "{found:?} {exact}");
    assert!(off(exact + 0.02) > 5.4, "{found:?} cannot tell 2 %");
}
