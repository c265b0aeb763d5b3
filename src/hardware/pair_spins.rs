//! A factor energy as spins in pairs, the form that a p-bit chip can hold: exactly, at temperature 1, with one auxiliary spin for
//! each product of three or four spins.
//!
//! Tables over spins are expanded into products (Walsh–Hadamard), products over the same spins are added up. A product
//! w s1 s2 s3 s4 is the sum over a = ±1 of pairs: with |w| and signs t whose product is −sgn w, and m = Σ t_i s_i,
//!
//! e^{w s1 s2 s3 s4} = e^{c + γ m²} Σ_a e^{β a m}, since −|w| P(m) for m = 0, ±2, ±4 are three numbers, which c, γ and β fix:
//! 4 ln y − ln(y² − 2) = 8|w| + 3 ln 2 with y = 2 cosh 2β, that is cosh² 2β = e^{8|w|} (1 + √(1 − e^{−8|w|})),
//! 4γ = 2|w| − ln cosh 2β, c = −|w| − ln 2. One β > 0 exists for every w. Three spins are four of which one is held at +1: its pairs
//! become fields. A product of five or more has more values than one auxiliary spin can fix.

use crate::energy::{Couplings, Domain, Factor, FactorGraph, Ising};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// Products below this share of the largest weight are rounding of the expansion.
const ROUNDING: f64 = 1e-13;

/// An auxiliary spin and what it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Auxiliary {
    /// Its number.
    pub node: usize,
    /// The product that it makes.
    pub spins: Vec<usize>,
    /// Weight of the product.
    pub weight: f64,
}

/// Spins in pairs whose marginal is a factor energy's law.
#[derive(Clone, Debug, PartialEq)]
pub struct PairSpins {
    /// The energy: first the factor graph's spins, then the auxiliary ones.
    pub ising: Ising,
    /// Number of the factor graph's spins.
    pub visible: usize,
    /// What it costs.
    pub auxiliaries: Vec<Auxiliary>,
    /// c with −E(s) = c + ln Σ_a exp(−E_pairs(s, a)).
    pub constant: f64,
    /// The products that it holds.
    products: BTreeSet<Vec<usize>>,
}

/// Adds a product to a list, or to the constant.
fn add(products: &mut BTreeMap<Vec<usize>, f64>, spins: Vec<usize>, weight: f64) {
    *products.entry(spins).or_insert(0.0) += weight;
}

/// Adds a factor as products of spins: the coefficient of Π_{i ∈ A} s_i in W is 2⁻ⁿ Σ_x W[x] Π_{i ∈ A} s_i.
fn expand(factor: &Factor, products: &mut BTreeMap<Vec<usize>, f64>) {
    let n = factor.nodes.len();
    let mut w = factor.weights.clone();
    let mut half = 1;
    while half < w.len() {
        for block in w.chunks_mut(2 * half) {
            let (down, up) = block.split_at_mut(half);
            for (down, up) in down.iter_mut().zip(up) {
                (*down, *up) = (0.5 * (*down + *up), 0.5 * (*up - *down));
            }
        }
        half *= 2;
    }
    for (subset, &weight) in w.iter().enumerate() {
        // The last node runs fastest: it is bit 0.
        let chosen = (0..n).filter(|k| subset >> (n - 1 - k) & 1 == 1);
        let mut spins: Vec<usize> = chosen.map(|k| factor.nodes[k]).collect();
        spins.extend(&factor.spins);
        spins.sort_unstable();
        add(products, spins, weight);
    }
}

/// (β, γ, c) of a product of weight −|w|.
fn solve(w: f64) -> (f64, f64, f64) {
    let w = w.abs();
    // sinh² 2β = cosh² 2β − 1, without cancellation for small w and without overflow for large.
    let (log_cosh, beta) = if w < 30.0 {
        let root = (-(-8.0 * w).exp_m1()).sqrt();
        let square = (8.0 * w).exp_m1() + (8.0 * w).exp() * root;
        (0.5 * square.ln_1p(), 0.5 * square.sqrt().asinh())
    } else {
        let log_cosh = 4.0 * w + 0.5 * 2f64.ln();
        (log_cosh, 0.5 * (log_cosh + 2f64.ln()))
    };
    let gamma = 0.25 * (2.0 * w - log_cosh);
    (beta, gamma, -w - 2f64.ln())
}

/// Spins in pairs with the law of `graph`.
///
/// # Errors
/// A categorical variable, or a product of five or more spins.
pub fn pair_spins(graph: &FactorGraph) -> Result<PairSpins> {
    let mut domains = graph.domains().iter();
    if let Some(i) = domains.position(|&domain| domain != Domain::Spin) {
        let value = format!("variable {i}, which is {}", graph.domains()[i]);
        let expected =
            "spins alone on a p-bit chip (pairs of spins do not make a category's law exactly)";
        return Err(Error::invalid("energy.variables", value, expected));
    }
    let (mut products, constant) = products_of(graph);
    let rounding = rounding_of(graph);
    products.retain(|_, weight| weight.abs() > rounding);
    from_products(graph.dim(), products, constant)
}

/// What is left of a sum that is zero.
fn rounding_of(graph: &FactorGraph) -> f64 {
    let weights = graph.factors().iter().flat_map(|f| &f.weights);
    ROUNDING * weights.fold(0.0f64, |most, w| most.max(w.abs()))
}

/// −E as products of spins, and the constant beside them.
fn products_of(graph: &FactorGraph) -> (BTreeMap<Vec<usize>, f64>, f64) {
    let mut products = BTreeMap::new();
    for factor in graph.factors() {
        expand(factor, &mut products);
    }
    let constant = products.remove(&Vec::new()).unwrap_or(0.0);
    (products, constant)
}

impl PairSpins {
    /// The same spins and pairs for `graph`'s weights: values change, never structure.
    ///
    /// # Errors
    /// A product that these pairs do not hold.
    pub fn rewritten(&self, graph: &FactorGraph) -> Result<PairSpins> {
        let (mut products, constant) = products_of(graph);
        let rounding = rounding_of(graph);
        let foreign = |(spins, weight): &(&Vec<usize>, &f64)| {
            weight.abs() > rounding && !self.products.contains(*spins)
        };
        if let Some((spins, weight)) = products.iter().find(foreign) {
            let value = format!("a product {weight} of spins {spins:?}");
            return Err(Error::invalid(
                "energy.factors",
                value,
                "the products that were programmed first",
            ));
        }
        products.retain(|spins, _| self.products.contains(spins));
        for spins in &self.products {
            products.entry(spins.clone()).or_insert(0.0);
        }
        from_products(self.visible, products, constant)
    }
}

fn from_products(
    visible: usize,
    products: BTreeMap<Vec<usize>, f64>,
    mut constant: f64,
) -> Result<PairSpins> {
    let held = products.keys().cloned().collect();
    let mut pairs: BTreeMap<Vec<usize>, f64> = BTreeMap::new();
    let mut auxiliaries = Vec::new();
    for (spins, weight) in products {
        match spins.len() {
            1 | 2 => add(&mut pairs, spins, weight),
            3 | 4 => {
                let node = visible + auxiliaries.len();
                let (beta, gamma, c) = solve(weight);
                // The last sign makes the product's −|w|; a missing fourth spin is +1.
                let mut ends: Vec<(Option<usize>, f64)> =
                    spins.iter().map(|&i| (Some(i), 1.0)).collect();
                ends.resize(4, (None, 1.0));
                ends[3].1 = if weight > 0.0 { -1.0 } else { 1.0 };
                constant += c + 4.0 * gamma;
                for (k, &(i, t)) in ends.iter().enumerate() {
                    let own: Vec<usize> = i.into_iter().collect();
                    for &(j, u) in &ends[k + 1..] {
                        let both = own.iter().copied().chain(j).collect();
                        add(&mut pairs, both, 2.0 * gamma * t * u);
                    }
                    let with_auxiliary = own.into_iter().chain([node]).collect();
                    add(&mut pairs, with_auxiliary, beta * t);
                }
                auxiliaries.push(Auxiliary {
                    node,
                    spins,
                    weight,
                });
            }
            order => {
                let value = format!("a product of {order} spins {spins:?}");
                let expected = "products of at most four spins (with one auxiliary spin for each of three or four)";
                return Err(Error::invalid("energy.factors", value, expected));
            }
        }
    }
    let n = visible + auxiliaries.len();
    let mut fields = vec![0.0; n];
    let mut couplings = Vec::new();
    for (spins, weight) in pairs {
        match spins[..] {
            [i] => fields[i] = weight,
            [i, j] => couplings.push((i, j, weight)),
            _ => {}
        }
    }
    Ok(PairSpins {
        ising: Ising::new(fields, Couplings::new(n, couplings)?)?,
        visible,
        auxiliaries,
        constant,
        products: held,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::exact;

    /// ln Σ_a exp(−E_pairs) + c for every state of the visible spins.
    fn marginal(pairs: &PairSpins) -> Vec<f64> {
        let exact = exact::enumerate(&pairs.ising).unwrap();
        let states = 1usize << pairs.visible;
        let mut sums = vec![0.0; states];
        for (index, p) in exact.probabilities.iter().enumerate() {
            sums[index % states] += p;
        }
        let log = |p: &f64| p.ln() + exact.log_z + pairs.constant;
        sums.iter().map(log).collect()
    }

    fn agrees(graph: &FactorGraph, tolerance: f64) -> PairSpins {
        let pairs = pair_spins(graph).unwrap();
        for (index, got) in marginal(&pairs).into_iter().enumerate() {
            let x: Vec<u8> = (0..graph.dim()).map(|i| (index >> i & 1) as u8).collect();
            let wanted = -graph.value(&x);
            assert!(
                (got - wanted).abs() < tolerance,
                "state {index}: {got} for {wanted}"
            );
        }
        pairs
    }

    #[test]
    fn products_of_three_and_four_are_marginals_of_pairs() {
        for order in [3, 4] {
            for weight in [1e-6, 0.05, 0.3, 1.0, 4.0, -0.7, -1e-3, -2.5] {
                let factor = Factor::product((0..order).collect(), weight);
                let graph = FactorGraph::new(vec![Domain::Spin; order], vec![factor]).unwrap();
                let pairs = agrees(&graph, 1e-12);
                assert_eq!(pairs.auxiliaries.len(), 1);
            }
        }
        // Beyond the range of eˣ the two forms of the solution meet.
        let (just_below, just_above) = (solve(30.0 - 1e-9), solve(30.0));
        assert!((just_below.0 - just_above.0).abs() < 1e-7);
        assert!(solve(500.0).0.is_finite() && solve(0.0).0 == 0.0);
    }

    /// A table over spins, times a spin, beside fields and pairs, sharing spins.
    #[test]
    fn tables_over_spins_become_pairs_with_auxiliaries() {
        let factors = vec![
            Factor {
                nodes: vec![0, 2],
                spins: vec![1, 3],
                weights: vec![0.3, -0.8, 0.5, 0.1],
            },
            Factor::table(
                vec![1, 2, 4],
                vec![0.0, 0.7, -0.2, 0.4, 0.9, -0.6, 0.1, 0.35],
            ),
            Factor::product(vec![3], 0.25),
            Factor::product(vec![0, 1, 2, 3], -0.4),
        ];
        let graph = FactorGraph::new(vec![Domain::Spin; 5], factors).unwrap();
        let pairs = agrees(&graph, 1e-12);
        let orders: Vec<usize> = pairs.auxiliaries.iter().map(|a| a.spins.len()).collect();
        assert_eq!(orders, [4, 3, 3, 3]);
    }

    /// New weights keep spins and pairs, at zero too; a product that was not there is refused.
    #[test]
    fn weights_change_and_structure_stays() {
        let with = |w: f64, v: f64, extra: Option<f64>| {
            let mut factors = vec![
                Factor::product(vec![0, 1, 2], w),
                Factor::product(vec![1, 2], v),
            ];
            factors.extend(extra.map(|u| Factor::product(vec![0, 2], u)));
            FactorGraph::new(vec![Domain::Spin; 3], factors).unwrap()
        };
        let first = pair_spins(&with(0.8, -0.3, None)).unwrap();
        for (w, v) in [(-1.5, 0.4), (0.0, 0.2), (0.0, 0.0)] {
            let again = first.rewritten(&with(w, v, None)).unwrap();
            assert_eq!(again.ising.couplings.edges(), first.ising.couplings.edges());
            let wanted = with(w, v, None);
            for (index, got) in marginal(&again).into_iter().enumerate() {
                let x: Vec<u8> = (0..3).map(|i| (index >> i & 1) as u8).collect();
                assert!((got + wanted.value(&x)).abs() < 1e-12);
            }
        }
        assert!(first.rewritten(&with(0.8, -0.3, Some(0.1))).is_err());
    }

    /// A table that only couples pairs costs nothing.
    #[test]
    fn pairs_need_no_auxiliaries() {
        let weights = (0..8u32).map(|k| {
            let s = |bit: u32| f64::from(2 * (k >> (2 - bit) & 1)) - 1.0;
            0.3 * s(0) - 0.7 * s(0) * s(1) + 0.1 * s(1) * s(2) + 0.2
        });
        let factor = Factor::table(vec![0, 1, 2], weights.collect());
        let graph = FactorGraph::new(vec![Domain::Spin; 3], vec![factor]).unwrap();
        let pairs = agrees(&graph, 1e-13);
        assert!(pairs.auxiliaries.is_empty());
        assert!((pairs.ising.fields[0] - 0.3).abs() < 1e-15);
        assert!((pairs.constant - 0.2).abs() < 1e-15);
    }

    #[test]
    fn what_pairs_cannot_hold_is_refused_with_the_reason() {
        let five = Factor::product(vec![0, 1, 2, 3, 4], 1.0);
        let graph = FactorGraph::new(vec![Domain::Spin; 5], vec![five]).unwrap();
        let refused = pair_spins(&graph).unwrap_err().to_string();
        assert!(
            refused.contains("a product of 5 spins [0, 1, 2, 3, 4]"),
            "{refused}"
        );
        let domains = vec![Domain::Spin, Domain::Categorical(3)];
        let graph = FactorGraph::new(domains, vec![]).unwrap();
        let refused = pair_spins(&graph).unwrap_err().to_string();
        assert!(
            refused.contains("variable 1, which is categorical 3"),
            "{refused}"
        );
    }
}
