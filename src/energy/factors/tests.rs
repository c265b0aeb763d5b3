//! Factor graphs against what they are by hand: values, logits, colourings, enumeration, refusals.

use super::*;
use crate::energy::{Couplings, exact};

fn spins(n: usize) -> Vec<Domain> {
    vec![Domain::Spin; n]
}

#[test]
fn bad_factors_are_refused_by_name() {
    let domains = [Domain::Spin, Domain::Categorical(3), Domain::Spin];
    let mixed = |nodes: &[usize], spins: &[usize], weights: &[f64]| Factor {
        nodes: nodes.to_vec(),
        spins: spins.to_vec(),
        weights: weights.to_vec(),
    };
    for (factor, words) in [
        (
            Factor::product(vec![2, 0], 1.0),
            "`factors[0].nodes` = [2, 0]: expected variables in ascending",
        ),
        (Factor::product(vec![0, 0], 1.0), "each once"),
        (
            Factor::product(vec![0, 3], 1.0),
            "`factors[0].nodes` = 3: expected variable numbers below 3",
        ),
        (
            Factor::product(vec![0, 1], 1.0),
            "variable 1, which is categorical 3: expected spins",
        ),
        (
            Factor::product(vec![0], f64::NAN),
            "`factors[0].weight` = NaN",
        ),
        (Factor::product(vec![], 1.0), "at least one variable"),
        (
            Factor::table(vec![0, 1], vec![0.0; 5]),
            "`factors[0].table` = 5 numbers: expected 6",
        ),
        (
            Factor::table(vec![1], vec![0.0, f64::INFINITY, 0.0]),
            "`factors[0].table[1]` = inf",
        ),
        (
            mixed(&[0, 1], &[0], &[0.0; 6]),
            "`factors[0].spins` = variable 0: expected spins that are not",
        ),
        (
            mixed(&[1], &[2, 0], &[0.0; 3]),
            "`factors[0].spins` = [2, 0]",
        ),
    ] {
        let refused = FactorGraph::new(domains.to_vec(), vec![factor]).unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
    }
    for (domains, words) in [
        (vec![], "`variables` = none"),
        (vec![Domain::Categorical(257)], "2 to 256 states"),
        (vec![Domain::Categorical(1)], "`variables[0]`"),
    ] {
        let refused = FactorGraph::new(domains, vec![]).unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
    }
}

/// W[x_1, x_2] s_0 by hand: the last node of the table runs fastest.
#[test]
fn a_mixed_factor_is_its_table_times_its_spins() {
    let domains = vec![Domain::Spin, Domain::Categorical(2), Domain::Categorical(3)];
    let factor = Factor {
        nodes: vec![1, 2],
        spins: vec![0],
        weights: (0..6).map(f64::from).collect(),
    };
    let graph = FactorGraph::new(domains, vec![factor]).unwrap();
    assert_eq!(graph.value(&[1, 1, 2]), -5.0);
    assert_eq!(graph.value(&[0, 1, 0]), 3.0);
    assert_eq!(graph.index(&[1, 1, 2]), 1 + 2 * (1 + 2 * 2));
    let mut logits = [0.0; 3];
    graph.local_logits(&mut [0, 1, 0], 2, &mut logits);
    assert_eq!(logits, [-3.0, -4.0, -5.0]);
}

#[test]
fn improper_classes_are_refused_with_the_pair_and_the_factor() {
    let factors = vec![
        Factor::product(vec![0, 1], 1.0),
        Factor::product(vec![1, 2, 3], 1.0),
    ];
    let graph = || FactorGraph::new(spins(4), factors.clone()).unwrap();
    let refused = |classes: &[&[usize]]| {
        let classes = classes.iter().map(|c| c.to_vec()).collect();
        graph().with_colouring(classes).unwrap_err().to_string()
    };
    assert_eq!(
        refused(&[&[0, 3, 2], &[1]]),
        "`colouring` = variables 2 and 3 in one class: expected no two variables of factors[1] in one class"
    );
    assert!(refused(&[&[0], &[1], &[2]]).contains("no class for variable 3"));
    assert!(refused(&[&[0], &[1], &[2], &[3, 0]]).contains("variable 0 a second time"));
    assert!(refused(&[&[0], &[1], &[2], &[3, 4]]).contains("variable 4 which is none"));
    let given = vec![vec![3, 0], vec![1], vec![2]];
    assert_eq!(
        graph().with_colouring(given.clone()).unwrap().colouring(),
        given
    );
}

#[test]
fn spins_in_pairs_are_an_ising_model() {
    let list = vec![
        (0, 1, 0.7),
        (1, 2, -0.4),
        (2, 3, 1.1),
        (0, 3, 0.2),
        (1, 3, -0.9),
    ];
    let ising = Ising::new(vec![0.3, -0.2, 0.0, 0.5], Couplings::new(4, list).unwrap());
    let ising = ising.unwrap();
    let graph = FactorGraph::from(&ising);
    let (a, b) = (
        exact::enumerate(&ising).unwrap(),
        enumerate_factors(&graph, &[]).unwrap(),
    );
    assert!((a.log_z - b.log_z).abs() < 1e-14);
    for (p, q) in a.probabilities.iter().zip(&b.probabilities) {
        assert!((p - q).abs() < 1e-15);
    }
    let third = b.mean(|x| x[..3].iter().map(|&s| Domain::Spin.value(s)).product());
    let by_hand: f64 = (0..16)
        .map(|k| {
            let down = 3 - (k & 7usize).count_ones();
            a.probabilities[k] * f64::from(1 - 2 * (down as i32 % 2))
        })
        .sum();
    assert!((third - by_hand).abs() < 1e-15);
}

#[test]
fn weights_are_parameters() {
    let domains = vec![Domain::Spin, Domain::Categorical(3), Domain::Spin];
    let factors = vec![
        Factor::product(vec![0, 2], 0.5),
        Factor {
            nodes: vec![1],
            spins: vec![0],
            weights: vec![1.0, 2.0, 3.0],
        },
    ];
    let mut graph = FactorGraph::new(domains, factors).unwrap();
    let mut sum = Parameters {
        fields: vec![],
        couplings: vec![0.0; 4],
    };
    graph.add_statistics(&[-1.0, 2.0, -1.0], &mut sum);
    assert_eq!(sum.couplings, [1.0, 0.0, 0.0, -1.0]);
    let theta = graph.parameters();
    let by_parameters: f64 = theta
        .couplings
        .iter()
        .zip(&sum.couplings)
        .map(|(w, s)| w * s)
        .sum();
    assert_eq!(graph.value(&[0, 2, 0]), -by_parameters);
    graph.set_parameters(&theta).unwrap();
    assert_eq!(graph.parameters(), theta);
    let short = Parameters {
        couplings: vec![1.0],
        ..theta
    };
    assert!(graph.set_parameters(&short).is_err());
}
