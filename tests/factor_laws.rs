//! Factor graphs: conditional laws and colourings against enumeration, block Gibbs against the exact law, chains that do not depend
//! on threads or clamps.

#[path = "common/factors.rs"]
mod counting;

use counting::{counts, state};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg32;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use thermochip::diagnostics::{Reading, StreamingProducts};
use thermochip::dynamics::{Generator, Origin, Site};
use thermochip::energy::{
    Couplings, Domain, Factor, FactorGraph, Ising, Parametric, enumerate_factors, exact,
};
use thermochip::hardware::{Die, Placement, Programmed, card::card, program_with_auxiliaries};
use thermochip::sampler::{
    AnalogSampler, Clamp, FactorSampler, Follow, Horizon, Phase, Sampler, StepRule, conditionals,
};
use thermochip::testing::assertions::{agrees, counts_match};

/// Ascending nodes out of `from`, `count` of them.
fn choose(rng: &mut Pcg32, from: &[usize], count: usize) -> Vec<usize> {
    let mut from = from.to_vec();
    while from.len() > count {
        from.remove(rng.random_range(0..from.len()));
    }
    from
}

/// A mixed model of at most 1,000 states: a bare table or weight on every variable, and about as many factors of two to four
/// variables (products, tables, tables times spins) as there are variables; weights within ±`strength`.
fn mixed(seed: u64, strength: f64) -> FactorGraph {
    let mut rng = Pcg32::seed_from_u64(seed);
    let mut domains = vec![Domain::Spin, Domain::Spin, Domain::Categorical(3)];
    let mut states = 12;
    loop {
        let domain = if rng.random::<bool>() {
            Domain::Spin
        } else {
            Domain::Categorical(rng.random_range(2..=5))
        };
        if states * domain.states() > 1000 {
            break;
        }
        states *= domain.states();
        domains.push(domain);
    }
    let n = domains.len();
    let all: Vec<usize> = (0..n).collect();
    let spins: Vec<usize> = all
        .iter()
        .copied()
        .filter(|&i| domains[i] == Domain::Spin)
        .collect();
    let mut factors = Vec::new();
    let lone = all.iter().map(|&i| (vec![i], vec![]));
    let mut shapes: Vec<(Vec<usize>, Vec<usize>)> = lone.collect();
    for _ in 0..n {
        let multiplied = rng.random_range(0..=spins.len().min(3));
        let product = choose(&mut rng, &spins, multiplied);
        let rest: Vec<usize> = all
            .iter()
            .copied()
            .filter(|i| !product.contains(i))
            .collect();
        let order = rng.random_range(2..=4usize).max(product.len());
        let table = choose(&mut rng, &rest, order - product.len());
        shapes.push((table, product));
    }
    for (nodes, spins) in shapes {
        let length: usize = nodes.iter().map(|&i| domains[i].states()).product();
        let weights = (0..length).map(|_| rng.random_range(-strength..strength));
        factors.push(Factor {
            weights: weights.collect(),
            nodes,
            spins,
        });
    }
    FactorGraph::new(domains, factors).unwrap()
}

/// The same with all weights divided by `temperature`.
fn heated(graph: &FactorGraph, temperature: f64) -> FactorGraph {
    let factors = graph.factors().iter().map(|factor| Factor {
        weights: factor.weights.iter().map(|w| w / temperature).collect(),
        ..factor.clone()
    });
    FactorGraph::new(graph.domains().to_vec(), factors.collect()).unwrap()
}

/// P(x_i = k | rest) from the logits.
fn conditional(graph: &FactorGraph, x: &mut [u8], i: usize) -> Vec<f64> {
    let mut logits = vec![0.0; graph.domains()[i].states()];
    graph.local_logits(x, i, &mut logits);
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|l| (l - most).exp()).collect();
    let z: f64 = weights.iter().sum();
    weights.iter().map(|w| w / z).collect()
}

#[test]
fn conditional_laws_are_those_of_the_enumeration() {
    for seed in 0..20 {
        let graph = mixed(seed, 1.0);
        let p = enumerate_factors(&graph, &[]).unwrap().probabilities;
        assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        for index in (0..p.len()).step_by(7) {
            let mut x = state(&graph, index);
            assert_eq!(graph.index(&x), index);
            for i in 0..graph.dim() {
                let law = conditional(&graph, &mut x, i);
                let own = x[i];
                let joint: Vec<f64> = (0..law.len())
                    .map(|k| {
                        x[i] = k as u8;
                        p[graph.index(&x)]
                    })
                    .collect();
                x[i] = own;
                let z: f64 = joint.iter().sum();
                for (a, b) in law.iter().zip(&joint) {
                    assert!((a - b / z).abs() < 1e-12, "model {seed} variable {i}");
                }
            }
        }
    }
}

/// What the engine is given, read by hand: rows chosen by the other variables, times their spins.
#[test]
fn lowered_conditionals_are_the_local_logits() {
    for seed in 20..40 {
        let graph = mixed(seed, 1.0);
        let laws = conditionals(&graph);
        for index in (0..graph.states().unwrap()).step_by(11) {
            let mut x = state(&graph, index);
            for (i, law) in laws.iter().enumerate() {
                let states = graph.domains()[i].states();
                let width = if law.site == Site::Spin { 1 } else { states };
                let mut sums = vec![0.0; width];
                for part in &law.contributions {
                    let places = part.nodes.iter();
                    let row = places.fold(0, |row, &j| {
                        row * graph.domains()[j].states() + usize::from(x[j])
                    });
                    let sign: f64 = part
                        .spins
                        .iter()
                        .map(|&j| Domain::Spin.value(x[j]))
                        .product();
                    for (k, sum) in sums.iter_mut().enumerate() {
                        *sum += sign * part.rows[row * width + k];
                    }
                }
                let mut logits = vec![0.0; states];
                graph.local_logits(&mut x, i, &mut logits);
                if law.site == Site::Spin {
                    sums = vec![-sums[0], sums[0]];
                }
                for k in 1..states {
                    let (got, wanted) = (sums[k] - sums[0], logits[k] - logits[0]);
                    assert!((got - wanted).abs() < 1e-12, "model {seed} variable {i}");
                }
            }
        }
    }
}

fn phase(burn_in: u64, sweeps: u64, every: Option<u64>) -> Phase {
    Phase {
        burn_in: Horizon::Steps(burn_in),
        duration: Horizon::Steps(sweeps),
        every: every.map(Horizon::Steps),
        clamp: None,
    }
}

fn sampler(graph: &FactorGraph, chains: usize, origin: impl Into<Origin>) -> FactorSampler {
    FactorSampler::new(graph, chains, origin, Follow::silent()).unwrap()
}

/// The law of a chain after each sweep, exactly: every variable in the order of the colouring is drawn from its law given the others.
struct Evolution<'a> {
    graph: &'a FactorGraph,
    /// For each update and state: the number of the state with the variable at 0, and the law.
    updates: Vec<(usize, Vec<Vec<f64>>)>,
    law: Vec<f64>,
}

impl<'a> Evolution<'a> {
    /// From spins at +1 and categories at 0.
    fn new(graph: &'a FactorGraph) -> Self {
        let count = graph.states().unwrap();
        let start: Vec<u8> = graph
            .domains()
            .iter()
            .map(|d| u8::from(*d == Domain::Spin))
            .collect();
        let mut law = vec![0.0; count];
        law[graph.index(&start)] = 1.0;
        let stride = |i: usize| graph.domains()[..i].iter().map(|d| d.states()).product();
        let order = graph.colouring().iter().flatten();
        let updates = order.map(|&i| {
            let laws = (0..count).map(|index| conditional(graph, &mut state(graph, index), i));
            (stride(i), laws.collect())
        });
        Evolution {
            updates: updates.collect(),
            law,
            graph,
        }
    }

    fn sweep(&mut self) {
        for (&i, (stride, laws)) in self.graph.colouring().iter().flatten().zip(&self.updates) {
            let states = self.graph.domains()[i].states();
            for first in (0..self.law.len()).filter(|k| k / stride % states == 0) {
                let total: f64 = (0..states).map(|k| self.law[first + k * stride]).sum();
                for (k, p) in laws[first].iter().enumerate() {
                    self.law[first + k * stride] = total * p;
                }
            }
        }
    }
}

/// χ² of counts and its degrees of freedom; states expected fewer than five times are pooled.
fn chi_square(counts: &[u64], p: &[f64]) -> (f64, f64) {
    let total = counts.iter().sum::<u64>() as f64;
    let (mut statistic, mut cells, mut rare) = (0.0, 0.0, (0.0, 0.0));
    for (&count, &p) in counts.iter().zip(p) {
        let (count, expected) = (count as f64, p * total);
        if expected < 5.0 {
            rare = (rare.0 + count, rare.1 + expected);
        } else {
            statistic += (count - expected).powi(2) / expected;
            cells += 1.0;
        }
    }
    if rare.1 > 0.0 {
        statistic += (rare.0 - rare.1).powi(2) / rare.1;
        cells += 1.0;
    }
    (statistic, cells - 1.0)
}

/// 50 random mixed models of up to 1,000 states, 100,000 independent chains each, one draw a chain, after so many sweeps that the
/// exact evolution is within 0.01 of the law in the non-centrality of χ²: every model at a false-alarm rate of 1e-8, all χ² together at
/// 5e-7, so 1e-6 in all. Samples of the same models at a temperature 2 % higher move the sum of χ² by N Σ Var E (0.02)², more
/// than ten of its standard deviations: rejected.
#[test]
fn fifty_mixed_models_have_their_laws_and_two_per_cent_of_temperature_are_rejected() {
    let chains = 100_000;
    let (mut right, mut hot) = ((0.0, 0.0), (0.0, 0.0));
    let mut orders = [0usize; 5];
    for seed in 100..150 {
        let graph = mixed(seed, 0.8);
        for factor in graph.factors() {
            orders[factor.variables().count()] += 1;
        }
        let law = enumerate_factors(&graph, &[]).unwrap().probabilities;
        assert!(law.len() <= 1000);
        let mut evolution = Evolution::new(&graph);
        let away = |now: &[f64]| {
            let terms = now.iter().zip(&law).map(|(a, p)| (a - p).powi(2) / p);
            terms.sum::<f64>() * chains as f64
        };
        let mut sweeps = 0;
        while away(&evolution.law) > 0.01 {
            evolution.sweep();
            sweeps += 1;
            assert!(sweeps < 2000, "model {seed} mixes too slowly to be tested");
        }
        let run = |graph: &FactorGraph, domain: u64| {
            let run = sampler(graph, chains, (seed, domain)).run(&phase(0, sweeps, None));
            counts(graph, &run.unwrap().samples.x)
        };
        let counts = run(&graph, 1);
        counts_match(&counts, &law, 1e-8).unwrap_or_else(|e| panic!("model {seed}: {e}"));
        for (sum, counts) in [
            (&mut right, counts),
            (&mut hot, run(&heated(&graph, 1.02), 2)),
        ] {
            let (statistic, freedom) = chi_square(&counts, &law);
            *sum = (sum.0 + statistic, sum.1 + freedom);
        }
    }
    assert!(orders[3] > 20 && orders[4] > 20, "{orders:?}");
    let p = |(statistic, freedom): (f64, f64)| ChiSquared::new(freedom).unwrap().sf(statistic);
    println!(
        "chi-square {right:?} p {}, heated {hot:?} p {}",
        p(right),
        p(hot)
    );
    assert!(p(right) > 5e-7, "{right:?}");
    assert!(p(hot) < 5e-7, "{hot:?}");
}

/// After two sweeps from one state the law is that of the exact evolution, far from the energy's: the sweep's order and each
/// conditional law, without mixing. 1e-7 a model, 1e-6 in all; the energy's own law is rejected.
#[test]
fn two_sweeps_are_two_sweeps() {
    for seed in 200..210 {
        let graph = mixed(seed, 1.2);
        let mut evolution = Evolution::new(&graph);
        evolution.sweep();
        evolution.sweep();
        for generator in Generator::ALL {
            let origin = Origin::from((seed, 3)).by(generator);
            let run = sampler(&graph, 50_000, origin)
                .run(&phase(0, 2, None))
                .unwrap();
            let counts = counts(&graph, &run.samples.x);
            counts_match(&counts, &evolution.law, 5e-8).unwrap();
            let energy_law = enumerate_factors(&graph, &[]).unwrap().probabilities;
            assert!(counts_match(&counts, &energy_law, 5e-8).is_err());
        }
    }
}

/// 256 categories, drawn given 40 others (a table of 10,240 numbers, looked up lane by lane) and a spin. 1e-7.
#[test]
fn the_largest_domain_is_drawn_exactly() {
    let mut rng = Pcg32::seed_from_u64(5);
    let mut weights =
        |n: usize| -> Vec<f64> { (0..n).map(|_| rng.random_range(-1.5..1.5)).collect() };
    let domains = vec![
        Domain::Categorical(256),
        Domain::Spin,
        Domain::Categorical(40),
    ];
    let factors = vec![
        Factor::table(vec![0, 2], weights(256 * 40)),
        Factor {
            nodes: vec![0],
            spins: vec![1],
            weights: weights(256),
        },
        Factor::product(vec![1], 0.2),
    ];
    let graph = FactorGraph::new(domains, factors).unwrap();
    let law = enumerate_factors(&graph, &[]).unwrap();
    let run = sampler(&graph, 400_000, (6, 0))
        .run(&phase(40, 1, None))
        .unwrap();
    let values = |i: usize| run.samples.x.iter().skip(i).step_by(3);
    for (i, states) in [(0, 256), (2, 40)] {
        let mut counts = vec![0u64; states];
        values(i).for_each(|&v| counts[v as usize] += 1);
        let p = law.marginal(i, states);
        counts_match(&counts, &p, 5e-8).unwrap();
        // Every state one place further is another law.
        counts.rotate_right(1);
        assert!(counts_match(&counts, &p, 5e-8).is_err());
    }
}

/// Five spins in a chain.
fn chain_of_five() -> Ising {
    let fields = vec![-0.84408, 0.73681, -0.44732, -0.93223, -0.51231];
    let couplings = [-0.57389, 0.87300, -0.15359, 0.16498];
    let list = couplings.iter().enumerate().map(|(i, &j)| (i, i + 1, j));
    Ising::new(fields, Couplings::new(5, list.collect()).unwrap()).unwrap()
}

const CHAIN_MEANS: [f64; 4] = [-0.06481, -0.21281, -0.74449, -0.55708];

/// A published chain of five spins with s0 = +1 held, β = 1: ⟨s1..4⟩ and log Z to five digits, by enumeration; by 40,000 chains,
/// each mean within five standard errors (6e-7 a mean, 2.4e-6 in all), and with the coupling to s0 reversed, not.
#[test]
fn a_chain_with_a_held_end_has_its_published_means() {
    let graph = FactorGraph::from(&chain_of_five());
    assert_eq!(graph.colouring().len(), 2);
    let law = enumerate_factors(&graph, &[(0, 1)]).unwrap();
    assert!((law.log_z - 2.88145).abs() < 5e-6, "{}", law.log_z);
    for (i, &expected) in CHAIN_MEANS.iter().enumerate() {
        let mean = law.mean(|x| Domain::Spin.value(x[i + 1]));
        assert!((mean - expected).abs() < 5e-6, "{mean}");
    }
    let chains = 40_000;
    let sampled = |end: f64| {
        let clamp = Clamp {
            nodes: vec![0],
            values: vec![end; chains],
        };
        let phase = Phase {
            clamp: Some(clamp),
            ..phase(60, 1, None)
        };
        let run = sampler(&graph, chains, (8, 0)).run(&phase).unwrap();
        let x = run.samples.x;
        assert!(x.iter().step_by(5).all(|&v| f64::from(v) == end));
        (1..5).map(move |i| {
            let sum: f64 = x.iter().skip(i).step_by(5).map(|&v| f64::from(v)).sum();
            sum / chains as f64
        })
    };
    let judge = |end: f64| {
        let pairs = sampled(end).zip(CHAIN_MEANS);
        let each = pairs.map(|(mean, expected)| {
            let se = ((1.0 - expected * expected) / chains as f64).sqrt();
            agrees("mean", mean, se, expected, 6e-7)
        });
        each.collect::<Result<Vec<_>, _>>()
    };
    judge(1.0).unwrap();
    assert!(judge(-1.0).is_err());
}

#[test]
fn an_ising_model_as_factors_is_the_same_model() {
    let ising = chain_of_five();
    let graph = FactorGraph::from(&ising);
    let (a, b) = (
        exact::enumerate(&ising).unwrap(),
        enumerate_factors(&graph, &[]).unwrap(),
    );
    assert!((a.log_z - b.log_z).abs() < 1e-13);
    for (p, q) in a.probabilities.iter().zip(&b.probabilities) {
        assert!((p - q).abs() < 1e-15);
    }
    for index in 0..32 {
        let mut x = state(&graph, index);
        let spins: Vec<i8> = x.iter().map(|&s| 2 * s as i8 - 1).collect();
        for i in 0..5 {
            let mut logits = [0.0; 2];
            graph.local_logits(&mut x, i, &mut logits);
            use thermochip::energy::DiscreteEnergy;
            let field = ising.local_field(&spins, i);
            assert!((0.5 * (logits[1] - logits[0]) - field).abs() < 1e-15);
        }
    }
}

/// Categories and spins held at values that differ from chain to chain: each group of chains has its own conditional law (2e-7 in
/// all); the law of the other group is rejected.
#[test]
fn held_variables_condition_the_others() {
    let graph = mixed(301, 1.0);
    let chains = 60_000;
    let held = [[(0, 0u8), (2, 1)], [(0, 1), (2, 2)]];
    let values = (0..chains).flat_map(|c| held[c % 2].map(|(i, s)| graph.domains()[i].value(s)));
    let clamp = Clamp {
        nodes: vec![0, 2],
        values: values.collect(),
    };
    let run = sampler(&graph, chains, (9, 0)).run(&Phase {
        clamp: Some(clamp),
        ..phase(200, 1, None)
    });
    let run = run.unwrap();
    let group = |g: usize| {
        let law = enumerate_factors(&graph, &held[g]).unwrap();
        let mut joint = vec![0.0; graph.states().unwrap()];
        let mut k = 0;
        law.mean(|x| {
            joint[graph.index(x)] = law.probabilities[k];
            k += 1;
            0.0
        });
        joint
    };
    let mut counts = [
        vec![0u64; graph.states().unwrap()],
        vec![0; graph.states().unwrap()],
    ];
    let mut x = vec![0u8; graph.dim()];
    for (c, values) in run.samples.x.chunks(graph.dim()).enumerate() {
        graph.read(values, &mut x);
        counts[c % 2][graph.index(&x)] += 1;
    }
    for (g, counts) in counts.iter().enumerate() {
        counts_match(counts, &group(g), 1e-7).unwrap();
        assert!(counts_match(counts, &group(1 - g), 1e-7).is_err());
    }
}

/// A held variable without neighbours changes nobody's words, and a chain's path does not depend on how many chains there are, on
/// threads, or on where it was cut.
#[test]
fn paths_do_not_depend_on_clamps_threads_or_chains() {
    let graph = {
        let base = mixed(7, 0.9);
        let mut domains = base.domains().to_vec();
        domains.push(Domain::Categorical(4));
        FactorGraph::new(domains, base.factors().to_vec()).unwrap()
    };
    let n = graph.dim();
    let path = |chains: usize, threads: usize, clamp: Option<Clamp>| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let mut sampler = sampler(&graph, chains, (3, 0));
        let phase = Phase {
            clamp,
            ..phase(3, 20, Some(4))
        };
        pool.unwrap()
            .install(|| sampler.run(&phase).unwrap().samples.x)
    };
    let one = path(150, 1, None);
    assert_eq!(one, path(150, 3, None));
    let more = path(200, 2, None);
    assert_eq!(one, more[..one.len()]);
    let clamp = Clamp {
        nodes: vec![n - 1],
        values: vec![0.0; 150],
    };
    let held = path(150, 2, Some(clamp));
    for (a, b) in one.chunks(n).zip(held.chunks(n)) {
        assert_eq!((&a[..n - 1], b[n - 1]), (&b[..n - 1], 0.0));
    }
    let (mut first, mut second) = (sampler(&graph, 150, (3, 0)), sampler(&graph, 150, (99, 5)));
    first.run(&phase(0, 11, None)).unwrap();
    second.restore(&first.state()).unwrap();
    let cut = second.run(&phase(0, 12, None)).unwrap().samples.x;
    assert!(
        one.chunks(5 * n)
            .zip(cut.chunks(n))
            .all(|(all, end)| all[4 * n..] == *end)
    );
}

#[test]
fn the_first_draws_of_a_seed_do_not_change() {
    let graph = mixed(1, 1.0);
    let domains: Vec<usize> = graph.domains().iter().map(|d| d.states()).collect();
    assert_eq!(domains, [2, 2, 3, 3, 2, 5]);
    let rows = Generator::ALL.map(|generator| {
        let origin = Origin::from((1, 2)).by(generator);
        let x = sampler(&graph, 40, origin)
            .run(&phase(0, 5, None))
            .unwrap()
            .samples
            .x;
        [x[..6].to_vec(), x[39 * 6..].to_vec()]
    });
    let pcg = [
        [1.0, -1.0, 1.0, 0.0, 1.0, 4.0],
        [-1.0, -1.0, 0.0, 2.0, -1.0, 2.0],
    ];
    let chacha = [
        [1.0, -1.0, 1.0, 0.0, 1.0, 3.0],
        [1.0, -1.0, 2.0, 0.0, -1.0, 3.0],
    ];
    assert_eq!(rows, [pcg, chacha].map(|rows| rows.map(|row| row.to_vec())));
}

#[test]
fn states_that_are_none_are_refused() {
    let graph = mixed(1, 1.0);
    let mut sampler = sampler(&graph, 1, (0, 0));
    for (node, value, words) in [
        (0, 0.0, "`clamp.values[0]` = 0: expected -1 or 1"),
        (
            2,
            3.0,
            "`clamp.values[0]` = 3: expected a category from 0 to 2",
        ),
        (2, 0.5, "expected a category"),
        (2, f64::NAN, "expected a category"),
    ] {
        let clamp = Clamp {
            nodes: vec![node],
            values: vec![value],
        };
        let refused = sampler.run(&Phase {
            clamp: Some(clamp),
            ..phase(0, 1, None)
        });
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
    let refused = sampler.run(&phase(5, 0, None)).unwrap_err().to_string();
    assert!(refused.contains("`digital.steps` = 0"), "{refused}");
}

/// Products of three and four spins on an ideal p-bit chip, whose auxiliary spins make them out of pairs: the joint law of the energy's
/// own spins (1e-7); the same energy without its products of three and four is rejected.
#[test]
fn products_of_three_and_four_run_on_p_bits() {
    let graph = |strength: f64| {
        let factors = vec![
            Factor::product(vec![0], 0.2),
            Factor::product(vec![1, 3], 0.3),
            Factor::product(vec![0, 1, 2], 0.25 * strength),
            Factor::product(vec![0, 1, 2, 3], -0.2 * strength),
        ];
        FactorGraph::new(vec![Domain::Spin; 4], factors).unwrap()
    };
    let die = Die::fabricate(&card("pbit_cmos_subthreshold").unwrap(), None, None).unwrap();
    let programmed =
        |strength| program_with_auxiliaries(&die, &graph(strength), Placement::Native).unwrap();
    // Rewritten to the weights that are wanted.
    let mut chip = programmed(0.6);
    chip.reprogram(&graph(1.0).parameters()).unwrap();
    assert_eq!(
        (chip.model().dim(), chip.elements(), chip.auxiliaries()),
        (4, 6, 2)
    );
    let off = |chip: &Programmed| chip.divergence().unwrap().tv.unwrap();
    assert!(off(&chip) < 1e-12 && off(&programmed(1.0)) < 1e-12);
    // A die's spins settle elsewhere, and the report knows by how much.
    let only = ["offset".to_owned(), "coupling".to_owned()];
    let imperfect = Die::fabricate(&die.card, Some(3), Some(&only)).unwrap();
    let imperfect = program_with_auxiliaries(&imperfect, &graph(1.0), Placement::Native).unwrap();
    assert!(off(&imperfect) > 1e-3);
    let programmed = chip;
    let (chains, rule, name) = (40_000, StepRule::Auto(0.01), "euler-maruyama");
    let chip = AnalogSampler::<f32>::new(programmed, chains, (4, 0), rule, name, Follow::silent());
    let run = chip.unwrap().run(&Phase {
        burn_in: Horizon::Seconds(200.0 * 100e-9),
        duration: Horizon::Seconds(100e-9),
        every: None,
        clamp: None,
    });
    let mut counts = vec![0u64; 16];
    for x in run.unwrap().samples.x.chunks(4) {
        let up = x.iter().enumerate().filter(|(_, v)| **v > 0.0);
        counts[up.map(|(i, _)| 1 << i).sum::<usize>()] += 1;
    }
    let law = |strength| {
        enumerate_factors(&graph(strength), &[])
            .unwrap()
            .probabilities
    };
    counts_match(&counts, &law(1.0), 1e-7).unwrap();
    assert!(counts_match(&counts, &law(0.0), 1e-7).is_err());
}

/// Products of up to five readings over draws in blocks, against enumeration: five standard errors each (6e-7 a product, 5e-6 in
/// all); with a state mistaken for the next one, not.
#[test]
fn products_of_any_order_are_those_of_the_enumeration() {
    let graph = mixed(401, 0.8);
    let n = graph.dim();
    let spins: Vec<usize> = (0..n)
        .filter(|&i| graph.domains()[i] == Domain::Spin)
        .collect();
    let product = |order: usize| -> Vec<Reading> {
        spins[..order].iter().map(|&i| Reading::Value(i)).collect()
    };
    let category = |state: u8| Reading::Indicator(2, f32::from(state));
    let products = |state: u8| {
        let mixed = [product(2), vec![category(state)]].concat();
        vec![
            product(1),
            product(2),
            product(3.min(spins.len())),
            mixed,
            vec![category(state)],
        ]
    };
    let chains = 20_000;
    let mut sums = StreamingProducts::new(chains, n, products(1));
    let mut sampler = sampler(&graph, chains, (12, 0));
    for block in 0..4 {
        let run = sampler
            .run(&phase(if block == 0 { 100 } else { 0 }, 30, Some(10)))
            .unwrap();
        sums.add(&run.samples.x, run.samples.draws);
    }
    let law = enumerate_factors(&graph, &[]).unwrap();
    let found = sums.finish();
    let judge = |state: u8| {
        let each = products(state).into_iter().enumerate().map(|(k, product)| {
            let exact = law.mean(|x| {
                let values = x.iter().zip(graph.domains());
                let values: Vec<f32> = values.map(|(&s, d)| d.value(s) as f32).collect();
                product.iter().map(|reading| reading.of(&values)).product()
            });
            agrees("product", found.value[k], found.se[k], exact, 6e-7)
        });
        each.collect::<Result<Vec<_>, _>>()
    };
    judge(1).unwrap();
    assert!(judge(2).is_err());
}

/// Random factors of one to four spins over `n` variables.
fn spin_factors(n: usize) -> impl Strategy<Value = Vec<Vec<usize>>> {
    let factor = proptest::collection::btree_set(0..n, 1..5);
    proptest::collection::vec(factor.prop_map(|set| set.into_iter().collect()), 0..2 * n)
}

fn spin_graph(n: usize, factors: &[Vec<usize>]) -> FactorGraph {
    let products = factors
        .iter()
        .map(|nodes| Factor::product(nodes.clone(), 1.0));
    FactorGraph::new(vec![Domain::Spin; n], products.collect()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn found_colourings_are_proper(factors in spin_factors(17)) {
        let graph = spin_graph(17, &factors);
        let classes = graph.colouring();
        let mut all = classes.concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..17).collect::<Vec<_>>());
        for class in classes {
            prop_assert!(!class.is_empty());
            for factor in &factors {
                prop_assert!(factor.iter().filter(|i| class.contains(i)).count() <= 1);
            }
        }
        let degree = graph.neighbours().iter().map(Vec::len).max().unwrap();
        prop_assert!(classes.len() <= degree + 1);
        // The check takes what was found, in any order.
        let mut reversed = classes.to_vec();
        reversed.reverse();
        prop_assert!(graph.clone().with_colouring(reversed).is_ok());
    }

    /// Pairs between two groups need two classes, however the groups are mixed.
    #[test]
    fn bipartite_graphs_have_two_colours(
        side in proptest::collection::vec(any::<bool>(), 24),
        pairs in proptest::collection::vec((0..24usize, 0..24usize), 1..60),
    ) {
        let across = pairs.into_iter().filter(|&(i, j)| side[i] != side[j]);
        let factors: Vec<Vec<usize>> = across.map(|(i, j)| vec![i.min(j), i.max(j)]).collect();
        let classes = spin_graph(24, &factors).colouring().len();
        prop_assert_eq!(classes, if factors.is_empty() { 1 } else { 2 });
    }

    /// Two variables of one factor put into one class are found and named.
    #[test]
    fn improper_colourings_are_refused(factors in spin_factors(12), pick in any::<prop::sample::Index>()) {
        let coupled: Vec<&Vec<usize>> = factors.iter().filter(|f| f.len() > 1).collect();
        prop_assume!(!coupled.is_empty());
        let nodes = pick.get(&coupled);
        let mut classes: Vec<Vec<usize>> = (0..12).filter(|i| *i != nodes[1]).map(|i| vec![i]).collect();
        let at = classes.iter().position(|class| class[0] == nodes[0]).unwrap();
        classes[at].push(nodes[1]);
        let refused = spin_graph(12, &factors).with_colouring(classes).unwrap_err().to_string();
        let pair = format!("variables {} and {} in one class", nodes[0], nodes[1]);
        prop_assert!(refused.contains(&pair) && refused.contains("factors["), "{}", refused);
    }

    /// log Z and every probability do not depend on how a product is written: as a weight, as a table, or as both.
    #[test]
    fn a_factor_can_be_written_in_many_ways(weight in -2.0..2.0f64, field in -1.0..1.0f64) {
        let sign = |k: usize| if k.count_ones() % 2 == 1 { weight } else { -weight };
        let half = |k: usize| if k.count_ones().is_multiple_of(2) { weight } else { -weight };
        let ways = [
            Factor::product(vec![0, 1, 2], weight),
            Factor::table(vec![0, 1, 2], (0..8).map(sign).collect()),
            Factor { nodes: vec![0, 2], spins: vec![1], weights: (0..4).map(half).collect() },
        ];
        let laws = ways.map(|factor| {
            let factors = vec![factor, Factor::product(vec![1], field)];
            let graph = FactorGraph::new(vec![Domain::Spin; 3], factors).unwrap();
            enumerate_factors(&graph, &[]).unwrap()
        });
        for law in &laws[1..] {
            prop_assert!((law.log_z - laws[0].log_z).abs() < 1e-13);
            for (p, q) in law.probabilities.iter().zip(&laws[0].probabilities) {
                prop_assert!((p - q).abs() < 1e-14);
            }
        }
    }
}
