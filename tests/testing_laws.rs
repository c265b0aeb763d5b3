//! The strategies and oracles of `thermochip::testing` are what they are called.

use nalgebra::DMatrix;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use thermochip::circuit::{SmallSignal, linear};
use thermochip::dynamics::{Noise, Process, scheme};
use thermochip::hardware::card::card;
use thermochip::testing::strategies::*;
use thermochip::testing::{Followed, Grid, Sequential, no_rectification, scheme_orders};
use thermochip::units::BOLTZMANN;

fn simple(graph: &Graph) -> bool {
    let mut edges = graph.edges.clone();
    edges.sort_unstable();
    edges.dedup();
    edges.len() == graph.edges.len() && edges.iter().all(|(i, j)| i < j && *j < graph.nodes)
}

proptest! {
    #[test]
    fn graphs_are_what_they_are_called(
        connected in connected_graphs(1..9),
        bipartite in bipartite_graphs(1..5, 1..5),
        lattice in lattices(1..6, 1..6),
        king in kings_graphs(1..6, 1..6),
        ising in isings_on(kings_graphs(1..4, 1..4), 0.5),
    ) {
        for graph in [&connected, &bipartite, &lattice, &king] {
            prop_assert!(simple(graph), "{graph:?}");
        }
        prop_assert!(connected.is_connected() && lattice.is_connected() && king.is_connected());
        let colours = bipartite.two_colouring().unwrap();
        prop_assert!(bipartite.edges.iter().all(|&(i, j)| colours[i] != colours[j]));
        prop_assert!(lattice.two_colouring().is_some());
        // Any square has its diagonals.
        prop_assert_eq!(king.two_colouring().is_none(), king.edges.len() >= king.nodes);
        prop_assert!(ising.fields.iter().all(|h| h.abs() <= 0.5));
    }

    /// Every lattice has its edges: w(h − 1) + h(w − 1), and 2(w − 1)(h − 1) diagonals more for the king.
    #[test]
    fn lattices_have_their_edges(w in 1usize..7, h in 1usize..7) {
        let of = |graphs: BoxedStrategy<Graph>| {
            let mut runner = proptest::test_runner::TestRunner::deterministic();
            graphs.new_tree(&mut runner).unwrap().current().edges.len()
        };
        let square = w * (h - 1) + h * (w - 1);
        prop_assert_eq!(of(lattices(w..w + 1, h..h + 1).boxed()), square);
        prop_assert_eq!(of(kings_graphs(w..w + 1, h..h + 1).boxed()), square + 2 * (w - 1) * (h - 1));
    }

    /// Overrides are within a factor two in the card's own unit, and nothing else has changed.
    #[test]
    fn designs_differ_from_their_card_where_they_say(design in designs()) {
        let (shipped, changed) = (card(&design.model).unwrap(), design.card().unwrap());
        for key in shipped.parameters.keys() {
            let (before, after) = (shipped.get(key).unwrap(), changed.get(key).unwrap());
            let same = design.overrides.iter().all(|(k, _)| k != key);
            prop_assert!(!same || before == after, "{key}");
            let ratio = if before == 0.0 { 1.0 } else { after / before };
            // Six decimals of the number as written; counts are rounded to whole ones.
            prop_assert!((0.49..=2.01).contains(&ratio), "{key}: {before} {after}");
        }
    }
}

/// The strategy reaches every card, and each way of changing one.
#[test]
fn designs_reach_every_card() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let drawn: Vec<Design> = (0..300)
        .map(|_| designs().new_tree(&mut runner).unwrap().current())
        .collect();
    for name in thermochip::hardware::card::names() {
        // 300 draws of 11 cards miss one with probability 4e-13.
        assert!(drawn.iter().any(|d| d.model == name), "{name}");
    }
    assert!(drawn.iter().any(|d| d.overrides.is_empty()));
    assert!(drawn.iter().any(|d| d.overrides.len() == 3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Equipartition, whatever the resistors are; without the capacitors between nodes it is another law.
    #[test]
    fn circuits_have_the_equilibrium_of_their_matrices(
        rc in rc_circuits(1..5),
        rlc in rlc_circuits(1..4),
        conducting in conducting_circuits(1..4),
    ) {
        for passive in [&rc, &rlc, &conducting] {
            let n = passive.capacitance.nrows();
            let kt = BOLTZMANN * passive.kelvins;
            let got = if passive.inductances.is_empty() {
                SmallSignal::new(&passive.circuit).unwrap().covariance().unwrap()
            } else {
                linear::covariance(&passive.circuit).unwrap()
            };
            let wanted = passive.capacitance.clone().try_inverse().unwrap() * kt;
            let gap = got.view((0, 0), (n, n)) - &wanted;
            prop_assert!(gap.amax() < 1e-7 * wanted.amax());
            for (k, henries) in passive.inductances.iter().enumerate() {
                prop_assert!((got[(n + k, n + k)] * henries / kt - 1.0).abs() < 1e-7);
            }
            let diagonal = passive.capacitance.diagonal();
            let alone = DMatrix::from_diagonal(&diagonal.map(|c| kt / c));
            let joined = (&passive.capacitance - DMatrix::from_diagonal(&diagonal)).amax() > 0.0;
            let apart = (got.view((0, 0), (n, n)) - alone).amax() > 1e-3 * wanted.amax();
            prop_assert_eq!(joined, apart);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// Random networks of nonlinear passive conductors at one temperature rectify nothing (1e-7 a case).
    #[test]
    fn passive_networks_do_not_rectify(passive in conducting_circuits(1..4)) {
        let test = Sequential::new(1e-7, 2000).rounds(2);
        no_rectification(&passive.circuit, &Followed::default(), &test)
            .map_err(TestCaseError::fail)?;
    }
}

/// Stated orders on V = x⁴/4 − x²/2 with noise 1 (E x² as published); the neighbour's order is refused.
#[test]
fn schemes_have_their_stated_orders() {
    let well = Process {
        polynomial: vec![vec![0.0], vec![1.0], vec![0.0], vec![-1.0]],
        noise: Noise::Diagonal(vec![1.0]),
        ..Process::still(1)
    };
    let grid = Grid {
        step: 0.0125,
        reach: 3.6,
        nodes: 110,
        quadrature: 50,
    };
    for (name, stated) in [("euler-maruyama", 1.0), ("leimkuhler-matthews", 2.0)] {
        let scheme = scheme::<f64>(name).unwrap();
        let judge =
            |order: f64| scheme_orders(&*scheme, &well, |x| x * x, 0.893_464_969_6, order, &grid);
        judge(stated).unwrap();
        assert!(judge(3.0 - stated).unwrap_err().contains("order"));
    }
}
