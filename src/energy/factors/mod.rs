//! Discrete energies of any order over spins and categorical variables, mixed: a factor graph
//! E(x) = −Σ_f W_f[x_a, x_b, …] Π_{i ∈ S_f} s_i.
//!
//! A factor has a table W over the states of some variables (of any kind) and multiplies it by a product of other spins; either
//! part may be missing: a weight times a product of spins, or a bare table of −E. This is the family of THRML's discrete energies
//! (arXiv 2510.23972). A state is a byte per variable (a spin's 0 is −1, its 1 is +1); as a real number a spin is ±1 and a
//! category its index.

mod colouring;
mod enumeration;
#[cfg(test)]
mod tests;

pub use enumeration::{Enumeration, MAX_STATES, enumerate_factors};

use super::{DiscreteEnergy, Ising, Parameters, Parametric};
use crate::error::{Error, Result};

/// Most states of a categorical variable.
pub const MAX_CATEGORIES: usize = 256;

/// What a variable can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// s = ±1.
    Spin,
    /// One of 0..K.
    Categorical(usize),
}

impl Domain {
    /// Number of states.
    pub fn states(self) -> usize {
        match self {
            Domain::Spin => 2,
            Domain::Categorical(states) => states,
        }
    }

    /// A state as a real number: ±1, or the category's index.
    pub fn value(self, state: u8) -> f64 {
        match self {
            Domain::Spin => 2.0 * f64::from(state) - 1.0,
            Domain::Categorical(_) => f64::from(state),
        }
    }

    /// The state whose [`value`](Self::value) is `value`.
    pub fn state(self, value: f64) -> Option<u8> {
        let state = match self {
            Domain::Spin => 0.5 * (value + 1.0),
            Domain::Categorical(_) => value,
        };
        let whole = state >= 0.0 && state.fract() == 0.0 && state < self.states() as f64;
        whole.then_some(state as u8)
    }
}

impl std::fmt::Display for Domain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Domain::Spin => write!(f, "spin"),
            Domain::Categorical(states) => write!(f, "categorical {states}"),
        }
    }
}

/// −W(x_nodes) Π_{i ∈ spins} s_i.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// Variables of the table, ascending.
    pub nodes: Vec<usize>,
    /// Spins that multiply it, ascending.
    pub spins: Vec<usize>,
    /// W, row-major: the last of `nodes` runs fastest. One number without `nodes`.
    pub weights: Vec<f64>,
}

impl Factor {
    /// E = −w Π s_i.
    pub fn product(spins: Vec<usize>, weight: f64) -> Self {
        Factor {
            nodes: Vec::new(),
            spins,
            weights: vec![weight],
        }
    }

    /// E = −W(x_nodes).
    pub fn table(nodes: Vec<usize>, weights: Vec<f64>) -> Self {
        Factor {
            nodes,
            spins: Vec::new(),
            weights,
        }
    }

    /// All its variables: the table's, then the product's.
    pub fn variables(&self) -> impl Iterator<Item = usize> + Clone + '_ {
        self.nodes.iter().chain(&self.spins).copied()
    }
}

/// Factors over variables, with a proper colouring.
#[derive(Clone, Debug, PartialEq)]
pub struct FactorGraph {
    domains: Vec<Domain>,
    factors: Vec<Factor>,
    /// Of each factor's `nodes`.
    strides: Vec<Vec<usize>>,
    /// Factors of each variable.
    touching: Vec<Vec<usize>>,
    colouring: Vec<Vec<usize>>,
}

impl FactorGraph {
    /// A graph of `factors` over variables of the given domains; its colouring is found ([`Self::colouring`]).
    ///
    /// # Errors
    /// No variable, a categorical one with less than 2 or more than [`MAX_CATEGORIES`] states; a factor without variables, with
    /// variables out of range, out of order or repeated, with a product over something else than spins, with a table of
    /// another length than its variables' states, or with a number that is not finite. The field is `variables[i]` or
    /// `factors[k].…`.
    pub fn new(domains: Vec<Domain>, factors: Vec<Factor>) -> Result<Self> {
        if domains.is_empty() {
            return Err(Error::invalid("variables", "none", "at least one"));
        }
        for (i, domain) in domains.iter().enumerate() {
            if !(2..=MAX_CATEGORIES).contains(&domain.states()) {
                let expected = format!("2 to {MAX_CATEGORIES} states");
                return Err(Error::invalid(format!("variables[{i}]"), domain, expected));
            }
        }
        let mut strides = Vec::with_capacity(factors.len());
        let mut touching = vec![Vec::new(); domains.len()];
        for (k, factor) in factors.iter().enumerate() {
            strides.push(check(&domains, factor).map_err(|e| e.under(&format!("factors[{k}]")))?);
            for i in factor.variables() {
                touching[i].push(k);
            }
        }
        let mut graph = FactorGraph {
            domains,
            factors,
            strides,
            touching,
            colouring: Vec::new(),
        };
        graph.colouring = colouring::find(&graph.neighbours());
        Ok(graph)
    }

    /// The same energy, to be updated in the order of `classes`.
    ///
    /// # Errors
    /// Classes that do not list every variable once, or with two variables of one factor in one class; both and the factor are named.
    pub fn with_colouring(mut self, classes: Vec<Vec<usize>>) -> Result<Self> {
        colouring::check(self.dim(), &self.factors, &classes)?;
        self.colouring = classes;
        Ok(self)
    }

    /// Number of variables.
    pub fn dim(&self) -> usize {
        self.domains.len()
    }

    /// Domains of the variables.
    pub fn domains(&self) -> &[Domain] {
        &self.domains
    }

    /// The factors.
    pub fn factors(&self) -> &[Factor] {
        &self.factors
    }

    /// Classes of variables of which no two share a factor, so that each class can be updated at once. Two classes where two are
    /// enough; else greedy, the variables with most neighbours first.
    pub fn colouring(&self) -> &[Vec<usize>] {
        &self.colouring
    }

    /// Variables that share a factor with each variable, ascending.
    pub fn neighbours(&self) -> Vec<Vec<usize>> {
        let others = |i: usize| {
            let all = self.touching[i].iter();
            let mut list: Vec<usize> = all
                .flat_map(|&k| self.factors[k].variables())
                .filter(|&j| j != i)
                .collect();
            list.sort_unstable();
            list.dedup();
            list
        };
        (0..self.dim()).map(others).collect()
    }

    /// Number of joint states, where it fits a `usize`.
    pub fn states(&self) -> Option<usize> {
        let sizes = self.domains.iter().map(|d| d.states());
        sizes
            .into_iter()
            .try_fold(1usize, |all, k| all.checked_mul(k))
    }

    /// −E of factor k.
    fn log_weight(&self, k: usize, x: &[u8]) -> f64 {
        let factor = &self.factors[k];
        let places = factor.nodes.iter().zip(&self.strides[k]);
        let at: usize = places.map(|(&i, stride)| usize::from(x[i]) * stride).sum();
        let down = factor.spins.iter().filter(|&&i| x[i] == 0).count();
        if down % 2 == 0 {
            factor.weights[at]
        } else {
            -factor.weights[at]
        }
    }

    /// E(x); `x` has a state per variable, each in its domain.
    pub fn value(&self, x: &[u8]) -> f64 {
        -(0..self.factors.len())
            .map(|k| self.log_weight(k, x))
            .sum::<f64>()
    }

    /// Writes ℓ_k = −E of variable i's factors at x_i = k, the others as in `x`, so that P(x_i = k | rest) ∝ exp(ℓ_k); `logits`
    /// has an entry per state of variable i.
    pub fn local_logits(&self, x: &mut [u8], i: usize, logits: &mut [f64]) {
        let own = x[i];
        for (state, logit) in logits.iter_mut().enumerate() {
            x[i] = state as u8;
            *logit = self.touching[i]
                .iter()
                .map(|&k| self.log_weight(k, x))
                .sum();
        }
        x[i] = own;
    }

    /// The joint state's number, variable 0 running fastest; of spins alone, bit i is set where s_i = +1.
    pub fn index(&self, x: &[u8]) -> usize {
        let digits = x.iter().zip(&self.domains).rev();
        digits.fold(0, |index, (&state, domain)| {
            index * domain.states() + usize::from(state)
        })
    }

    /// Writes the states whose values are `values` (±1, or category indices, which they are taken to be).
    pub fn read(&self, values: &[f32], states: &mut [u8]) {
        for ((state, &value), domain) in states.iter_mut().zip(values).zip(&self.domains) {
            *state = match domain {
                Domain::Spin => u8::from(value > 0.0),
                Domain::Categorical(_) => value as u8,
            };
        }
    }

    /// What averages describe a state: s of every spin, and of every category the indicators of its states but the first, as
    /// (variable, state), in the order of the variables. A spin's state is 1.
    pub fn features(&self) -> Vec<(usize, u8)> {
        let of = |(i, domain): (usize, &Domain)| {
            let states = 1..domain.states();
            states.map(move |state| (i, state as u8))
        };
        self.domains.iter().enumerate().flat_map(of).collect()
    }

    /// A feature of [`Self::features`] at values `x` (±1, or category indices).
    pub fn feature(&self, x: &[f32], (i, state): (usize, u8)) -> f64 {
        match self.domains[i] {
            Domain::Spin => f64::from(x[i]),
            Domain::Categorical(_) => f64::from(u8::from(x[i] == f32::from(state))),
        }
    }

    /// `copies` of the graph side by side: copy c of variable i is variable c·n + i.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn repeated(&self, copies: usize) -> Result<Self> {
        let n = self.dim();
        let shifted = |list: &[usize], c: usize| list.iter().map(|i| c * n + i).collect::<Vec<_>>();
        let factors = (0..copies).flat_map(|c| {
            self.factors.iter().map(move |factor| Factor {
                nodes: shifted(&factor.nodes, c),
                spins: shifted(&factor.spins, c),
                weights: factor.weights.clone(),
            })
        });
        let classes = self.colouring.iter();
        let classes = classes.map(|class| (0..copies).flat_map(|c| shifted(class, c)).collect());
        Self::new(self.domains.repeat(copies), factors.collect())?.with_colouring(classes.collect())
    }
}

impl From<&Ising> for FactorGraph {
    /// A factor per field, then one per coupling: the same energy.
    fn from(ising: &Ising) -> Self {
        let fields = ising.fields.iter().enumerate();
        let fields = fields.map(|(i, &h)| Factor::product(vec![i], h));
        let edges = ising.couplings.edges().iter().zip(ising.couplings.values());
        let edges = edges.map(|(&(i, j), &value)| Factor::product(vec![i, j], value));
        let factors: Vec<Factor> = fields.chain(edges).collect();
        let n = ising.dim();
        let mut touching = vec![Vec::new(); n];
        for (k, factor) in factors.iter().enumerate() {
            factor.spins.iter().for_each(|&i| touching[i].push(k));
        }
        let mut graph = FactorGraph {
            domains: vec![Domain::Spin; n],
            strides: vec![Vec::new(); factors.len()],
            factors,
            touching,
            colouring: Vec::new(),
        };
        graph.colouring = colouring::find(&graph.neighbours());
        graph
    }
}

/// Strides of a factor's table, if it is one over such variables.
fn check(domains: &[Domain], factor: &Factor) -> Result<Vec<usize>> {
    let n = domains.len();
    // A bare product has no other variables, and is written with them as its nodes.
    let spins_key = if factor.nodes.is_empty() {
        "nodes"
    } else {
        "spins"
    };
    if factor.variables().next().is_none() {
        return Err(Error::invalid("nodes", "[]", "at least one variable"));
    }
    for (key, list) in [("nodes", &factor.nodes), (spins_key, &factor.spins)] {
        let shown = || format!("{list:?}");
        if let Some(i) = list.iter().find(|&&i| i >= n) {
            return Err(Error::invalid(
                key,
                i,
                format!("variable numbers below {n}"),
            ));
        }
        if !list.is_sorted_by(|a, b| a < b) {
            let expected = "variables in ascending order, each once";
            return Err(Error::invalid(key, shown(), expected));
        }
    }
    if let Some(i) = factor.spins.iter().find(|i| factor.nodes.contains(i)) {
        let expected = "spins that are not among the factor's nodes as well";
        return Err(Error::invalid(spins_key, format!("variable {i}"), expected));
    }
    if let Some(&i) = factor.spins.iter().find(|&&i| domains[i] != Domain::Spin) {
        let value = format!("variable {i}, which is {}", domains[i]);
        let expected = "spins in a product (a categorical variable needs a table)";
        return Err(Error::invalid(spins_key, value, expected));
    }
    let mut strides = vec![0; factor.nodes.len()];
    let mut length = Some(1usize);
    for (&i, stride) in factor.nodes.iter().zip(&mut strides).rev() {
        *stride = length.unwrap_or(0);
        length = length.and_then(|l| l.checked_mul(domains[i].states()));
    }
    let key = if factor.nodes.is_empty() {
        "weight"
    } else {
        "table"
    };
    if length != Some(factor.weights.len()) {
        let value = format!("{} numbers", factor.weights.len());
        let expected = match length {
            Some(length) => format!("{length}, one per joint state of its nodes"),
            None => "a table that fits the memory".to_owned(),
        };
        return Err(Error::invalid(key, value, expected));
    }
    if let Some(at) = factor.weights.iter().position(|w| !w.is_finite()) {
        let field = if factor.nodes.is_empty() {
            key.to_owned()
        } else {
            format!("{key}[{at}]")
        };
        return Err(Error::invalid(field, factor.weights[at], "a finite number"));
    }
    Ok(strides)
}

/// θ is every weight, factor by factor, in `couplings`; there are no `fields`. −∂E/∂W_f(c) is Π s where x_nodes = c, else 0.
impl Parametric for FactorGraph {
    fn parameters(&self) -> Parameters {
        let weights = self.factors.iter().flat_map(|f| &f.weights);
        Parameters {
            fields: Vec::new(),
            couplings: weights.copied().collect(),
        }
    }

    fn set_parameters(&mut self, parameters: &Parameters) -> Result<()> {
        let count: usize = self.factors.iter().map(|f| f.weights.len()).sum();
        for (key, got, wanted) in [
            ("fields", &parameters.fields, 0),
            ("couplings", &parameters.couplings, count),
        ] {
            if got.len() != wanted {
                let expected = format!("{wanted}, one per weight of the factors");
                return Err(Error::invalid(
                    key,
                    format!("{} values", got.len()),
                    expected,
                ));
            }
            if let Some(k) = got.iter().position(|v| !v.is_finite()) {
                let field = format!("{key}[{k}]");
                return Err(Error::invalid(field, got[k], "a finite number"));
            }
        }
        let mut rest = &parameters.couplings[..];
        for factor in &mut self.factors {
            let (own, others) = rest.split_at(factor.weights.len());
            factor.weights.copy_from_slice(own);
            rest = others;
        }
        Ok(())
    }

    fn add_statistics(&self, x: &[f64], sum: &mut Parameters) {
        let mut first = 0;
        for (factor, strides) in self.factors.iter().zip(&self.strides) {
            let product: f64 = factor.spins.iter().map(|&i| x[i]).product();
            let at = factor.nodes.iter().zip(strides).map(|(&i, stride)| {
                let state = self.domains[i].state(x[i]).unwrap_or(0);
                usize::from(state) * stride
            });
            sum.couplings[first + at.sum::<usize>()] += product;
            first += factor.weights.len();
        }
    }
}
