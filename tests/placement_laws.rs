//! Spins on chains of copies: embeddings, and the law of what is read against the one asked for, by enumeration.

use thermochip::dynamics::{LevelInput, Linear, streams::chain_rng};
use thermochip::energy::{Couplings, Ising, Model, SoftSpin, exact};
use thermochip::hardware::{
    Card, Die, Embedding, Placement, Programmed, Scale, Topology, View, card, program,
    program_placed,
};
use thermochip::sampler::{AnalogSampler, Clamp, Follow, Horizon, Phase, Sampler, StepRule};
use thermochip::testing::assertions::counts_match;

use rand::RngExt;

/// A p-bit card whose sites make a square grid.
fn grid(width: usize, height: usize) -> Card {
    let mut card = card::card("pbit_cmos_subthreshold").unwrap();
    let topology = format!("open {width}x{height} (0,1)");
    card.override_parameter("limits.topology", &topology)
        .unwrap();
    card
}

fn complete(n: usize, seed: u64) -> Model {
    let mut rng = chain_rng(seed, 0xc0b1, 0);
    let pairs: Vec<_> = (0..n)
        .flat_map(|i| (i + 1..n).map(move |j| (i, j)))
        .collect();
    let list = pairs
        .into_iter()
        .map(|(i, j)| (i, j, rng.random_range(-0.8..0.8)))
        .collect();
    let fields = (0..n).map(|_| rng.random_range(-0.6..0.6)).collect();
    Model::Ising(Ising::new(fields, Couplings::new(n, list).unwrap()).unwrap())
}

fn placed(card: &Card, model: &Model, chain_coupling: Option<f64>) -> Programmed {
    let die = Die::fabricate(card, None, None).unwrap();
    let placement = Placement::Copies { chain_coupling };
    program_placed(&die, model, Scale::Fixed(1.0), &[], placement).unwrap()
}

fn asked(model: &Model) -> Vec<f64> {
    exact::probabilities(model.discrete().unwrap()).unwrap()
}

/// Law of the variables as they are read, from the fields and couplings that the p-bits have: all states of the
/// copies, or those with every copy of one variable held.
fn read_law(chip: &Programmed, held: Option<(usize, f64)>) -> Vec<f64> {
    let levels = chip.process().levels.as_ref().unwrap();
    let LevelInput::Direct {
        field,
        coupling: Linear::Sparse(rows),
    } = &levels.input
    else {
        panic!("inputs are direct on an ideal chip");
    };
    let View::Copies { copies, .. } = chip.view() else {
        panic!("variables are copied");
    };
    let (sites, n) = (field.len(), chip.model().dim());
    let mut law = vec![0.0; 1 << n];
    let mut x = vec![0f32; n];
    for state in 0..1usize << sites {
        let s: Vec<f32> = (0..sites)
            .map(|k| if state >> k & 1 == 1 { 1.0 } else { -1.0 })
            .collect();
        chip.view().decode(&s, &mut x);
        let other = |&copy: &usize, value: f64| f64::from(s[copy]) != value;
        if held.is_some_and(|(i, value)| copies[i].iter().any(|copy| other(copy, value))) {
            continue;
        }
        let mut log = 0.0;
        for (k, row) in rows.iter().enumerate() {
            let neighbours: f64 = row.iter().map(|&(j, w)| w * f64::from(s[j])).sum();
            log += f64::from(s[k]) * (field[k] + 0.5 * neighbours);
        }
        law[(0..n).map(|i| usize::from(x[i] > 0.0) << i).sum::<usize>()] += f64::exp(log);
    }
    let z: f64 = law.iter().sum();
    law.iter().map(|w| w / z).collect()
}

fn tv(a: &[f64], b: &[f64]) -> f64 {
    0.5 * a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f64>()
}

/// Complete graphs on two-colourable arrays (on a square grid, which is planar, up to four): chains are disjoint, connected, and joined wherever variables couple.
#[test]
fn complete_graphs_are_embedded() {
    for (text, most) in [
        ("open 9x9 (0,1)", 4),
        ("open 20x20 Z1", 10),
        ("bipartite 8+8", 8),
    ] {
        let topology = Topology::parse(text).unwrap();
        for n in 3..=most {
            let pairs: Vec<_> = (0..n)
                .flat_map(|i| (i + 1..n).map(move |j| (i, j)))
                .collect();
            let found = Embedding::find(n, &pairs, &topology);
            let found = found.unwrap_or_else(|| panic!("{n} on {text}"));
            let sites = found.sites();
            assert!(
                sites.windows(2).all(|w| w[0] < w[1]),
                "{n} on {text}: {found:?}"
            );
            for chain in &found.chains {
                let mut reached = vec![chain[0]];
                for k in 0..chain.len() {
                    let from = reached[k.min(reached.len() - 1)];
                    let new: Vec<_> = chain
                        .iter()
                        .filter(|s| topology.joins(from, **s) && !reached.contains(s))
                        .copied()
                        .collect();
                    reached.extend(new);
                }
                assert_eq!(reached.len(), chain.len(), "{n} on {text}: {chain:?}");
            }
            for (i, j) in pairs {
                let joined = |a: &usize| found.chains[j].iter().any(|b| topology.joins(*a, *b));
                assert!(found.chains[i].iter().any(joined), "{n} on {text}: {i} {j}");
            }
        }
    }
    // Five spins that all couple have no place on four sites.
    let pairs: Vec<_> = (0..5)
        .flat_map(|i| (i + 1..5).map(move |j| (i, j)))
        .collect();
    assert!(Embedding::find(5, &pairs, &Topology::parse("open 2x2 (0,1)").unwrap()).is_none());
}

/// The law of majorities tends to the one asked for as copies are coupled harder, its total variation below the bound and at
/// last proportional to e^{−2F}; the report has the same number. Copies coupled by nothing have another law.
#[test]
fn copies_have_the_law_asked_for() {
    for n in [3, 4] {
        let (card, model) = (grid(4, 4), complete(n, n as u64));
        let wanted = asked(&model);
        let at = |f: f64| {
            let chip = placed(&card, &model, Some(f));
            let report = chip.report();
            let exact = tv(&read_law(&chip, None), &wanted);
            assert!((report.divergence.unwrap().tv.unwrap() - exact).abs() < 1e-12);
            let placement = report.placement.unwrap();
            assert!(placement.longest_chain > 1 && placement.chain_coupling == f);
            assert!(exact <= placement.broken_bound, "{exact} {placement:?}");
            exact
        };
        let distances: Vec<f64> = [0.01, 1.0, 2.0, 3.0].map(at).to_vec();
        assert!(distances.windows(2).all(|d| d[1] < d[0]), "{distances:?}");
        assert!(distances[0] > 0.05, "{distances:?}");
        // The odds of one cut link fall by e² for every unit of F.
        let (near, far) = (at(3.5), at(4.0));
        assert!((near / far / 1f64.exp() - 1.0).abs() < 0.05, "{near} {far}");
        // What the bound asks for keeps its promise where the card's couplings reach that far; else all they have is used.
        let report = placed(&card, &model, None).report();
        let placement = report.placement.unwrap();
        let range = (placement.range.unwrap(), placement.native_range.unwrap());
        assert!(report.divergence.unwrap().tv.unwrap() < placement.broken_bound);
        // Copies leave less of the range to the energy than an array that joins every pair.
        assert!(range.0 < range.1, "{range:?}");
        if placement.needed_coupling <= 4.0 {
            assert!((placement.broken_bound - 0.01).abs() < 1e-6 && range.0 > 1.0);
        } else {
            assert!(placement.chain_coupling == 4.0 && placement.broken_bound > 0.01);
            assert!(range.0 < 1.0);
        }
    }
    // Whatever the embedding, an energy small enough is within the bound at what the bound asks for.
    let (card, strong) = (grid(4, 4), complete(4, 4));
    let Model::Ising(mut weak) = strong else {
        panic!("spins");
    };
    let less: Vec<f64> = weak.couplings.values().iter().map(|j| 0.25 * j).collect();
    weak.couplings.set_values(&less).unwrap();
    weak.fields.iter_mut().for_each(|h| *h *= 0.25);
    let report = placed(&card, &Model::Ising(weak), None).report();
    let placement = report.placement.unwrap();
    assert!(
        (placement.broken_bound - 0.01).abs() < 1e-6,
        "{placement:?}"
    );
    assert!(report.divergence.unwrap().tv.unwrap() < 0.01);
}

/// The chip's draws have the law of majorities, with a variable held as well (chi-square, false-alarm rate 1e-6 each), which at
/// weak coupling of the copies is not the law asked for.
#[test]
fn majorities_are_sampled() {
    let (card, model) = (grid(4, 4), complete(3, 8));
    let tau = card.get("physics.tau").unwrap();
    for held in [None, Some((1usize, -1.0))] {
        let chip = placed(&card, &model, Some(0.4));
        // A held variable holds all its copies, not their majority alone.
        let law = read_law(&chip, held);
        let chains = 30_000;
        let sampler = |chip: Programmed| {
            let (rule, follow) = (StepRule::Auto(0.01), Follow::silent());
            AnalogSampler::<f32>::new(chip, chains, (3, 1), rule, "euler-maruyama", follow)
        };
        let phase = Phase {
            burn_in: Horizon::Steps(0),
            duration: Horizon::Seconds(60.0 * tau),
            every: None,
            clamp: held.map(|(node, value)| Clamp {
                nodes: vec![node],
                values: vec![value; chains],
            }),
        };
        let run = sampler(chip).unwrap().run(&phase).unwrap();
        let mut counts = [0u64; 8];
        for x in run.samples.x.chunks(3) {
            counts[(0..3).map(|i| usize::from(x[i] > 0.0) << i).sum::<usize>()] += 1;
        }
        let among: Vec<usize> = (0..8).filter(|&s| law[s] > 0.0).collect();
        let seen: Vec<u64> = among.iter().map(|&s| counts[s]).collect();
        assert_eq!(seen.iter().sum::<u64>(), chains as u64);
        let own: Vec<f64> = among.iter().map(|&s| law[s]).collect();
        counts_match(&seen, &own, 1e-6).unwrap();
        let whole = asked(&model);
        let wanted: Vec<f64> = among.iter().map(|&s| whole[s]).collect();
        let z: f64 = wanted.iter().sum();
        let wanted: Vec<f64> = wanted.iter().map(|w| w / z).collect();
        assert!(held.is_some() || counts_match(&seen, &wanted, 1e-6).is_err());
    }
}

/// What fits stays native; what does not is refused with the price of copies, or for what copies cannot do.
#[test]
fn refusals_name_the_price() {
    let (card, triangle) = (grid(4, 4), complete(3, 1));
    let die = Die::fabricate(&card, None, None).unwrap();
    let native = |model: &Model| program(&die, model, Scale::Fixed(1.0));
    let said = native(&triangle).unwrap_err().to_string();
    for words in [
        "that the topology of",
        "\"copies\" would take 4 sites for 3 spins, up to 2 copies",
    ] {
        assert!(said.contains(words), "{said}");
    }
    let list = vec![(0, 1, 0.5), (1, 2, -0.5)];
    let path = Ising::new(vec![0.0; 3], Couplings::new(3, list).unwrap()).unwrap();
    let path = Model::Ising(path);
    assert!(placed(&card, &path, None).placement().is_none());
    let copies = Placement::Copies {
        chain_coupling: None,
    };
    let directed = program_placed(&die, &triangle, Scale::Fixed(1.0), &[(0, 1, 0.1)], copies);
    assert!(directed.unwrap_err().to_string().contains("directed"));
    let couplings = Couplings::new(3, vec![(0, 2, 0.1)]).unwrap();
    let soft = SoftSpin::new(vec![0.5; 3], vec![0.1; 3], vec![0.0; 3], couplings).unwrap();
    let mut real = card::card("soft_spin_cmos").unwrap();
    real.override_parameter("limits.topology", "open 3x1 (0,1)")
        .unwrap();
    let die = Die::fabricate(&real, None, None).unwrap();
    let said = program_placed(&die, &Model::SoftSpin(soft), Scale::Fixed(1.0), &[], copies);
    assert!(said.unwrap_err().to_string().contains("topology"));
}

/// Rewriting costs every copy and every join.
#[test]
fn copies_are_paid_for() {
    let mut card = grid(4, 4);
    card.override_parameter("costs.write_energy", "1 pJ")
        .unwrap();
    let mut chip = placed(&card, &complete(3, 1), Some(2.0));
    let report = chip.placement().unwrap();
    assert_eq!((report.sites, chip.elements()), (4, 4));
    // Three edges and one link within a chain at least.
    assert!(report.joins >= 4);
    use thermochip::energy::Parametric;
    let parameters = chip.model().parameters();
    let before = chip.report().divergence;
    chip.reprogram(&parameters).unwrap();
    let spent = chip.written(1).write.unwrap();
    assert!((spent / 1e-12 - report.sites as f64).abs() < 1e-9);
    assert_eq!(chip.report().divergence, before);
}
