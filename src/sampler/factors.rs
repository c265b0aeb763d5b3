//! Block Gibbs sampling of factor graphs: the conditional laws of spins and categories, lowered to table rows times spins.

use super::digital::{self, count, finish, restore};
use super::{ChainState, Cost, Description, Follow, Phase, Run, Sampler, clamp_mask};
use crate::dynamics::{Conditional, Contribution, Ensemble, FactorGibbs, Origin, Site};
use crate::energy::{Domain, Factor, FactorGraph, Parameters, Parametric};
use crate::error::{Error, Result};

/// The law of every variable given the others. What a factor W(x) Π s adds to variable i of its table is W's slice at the
/// other variables' states, times Π s (to a spin's input: half the difference of its two); to one of its spins, W(x) times the others.
pub fn conditionals(graph: &FactorGraph) -> Vec<Conditional> {
    let site = |domain: &Domain| match *domain {
        Domain::Spin => Site::Spin,
        Domain::Categorical(states) => Site::Categorical(states),
    };
    let mut conditionals: Vec<Conditional> = graph
        .domains()
        .iter()
        .map(|domain| Conditional {
            site: site(domain),
            contributions: Vec::new(),
        })
        .collect();
    for factor in graph.factors() {
        for (place, &i) in factor.nodes.iter().enumerate() {
            let contribution = of_table(graph.domains(), factor, place);
            conditionals[i].contributions.push(contribution);
        }
        for &i in &factor.spins {
            conditionals[i].contributions.push(Contribution {
                nodes: factor.nodes.clone(),
                spins: without(&factor.spins, i),
                rows: factor.weights.clone(),
            });
        }
    }
    conditionals
}

fn without(list: &[usize], i: usize) -> Vec<usize> {
    list.iter().copied().filter(|&j| j != i).collect()
}

/// What a factor adds to the variable at `place` of its table: the table with that variable running fastest.
fn of_table(domains: &[Domain], factor: &Factor, place: usize) -> Contribution {
    let i = factor.nodes[place];
    let states = domains[i].states();
    let after = factor.nodes[place + 1..].iter();
    let inner: usize = after.map(|&j| domains[j].states()).product();
    let outer = factor.weights.len() / (inner * states);
    let mut rows = Vec::with_capacity(factor.weights.len());
    for before in 0..outer {
        for after in 0..inner {
            let at = |state: usize| factor.weights[(before * states + state) * inner + after];
            match domains[i] {
                Domain::Spin => rows.push(0.5 * (at(1) - at(0))),
                Domain::Categorical(_) => rows.extend((0..states).map(at)),
            }
        }
    }
    Contribution {
        nodes: without(&factor.nodes, i),
        spins: factor.spins.clone(),
        rows,
    }
}

/// Block Gibbs sampling of a factor graph over its colouring; a step is a sweep.
#[derive(Debug)]
pub struct FactorSampler {
    graph: FactorGraph,
    ensemble: Ensemble<f32>,
    follow: Follow,
}

impl FactorSampler {
    /// `chains` chains, spins at +1 and categories at 0 until restored.
    ///
    /// # Errors
    /// A factor whose table is too large for the engine (2²⁴ rows a variable).
    pub fn new(
        graph: &FactorGraph,
        chains: usize,
        origin: impl Into<Origin>,
        follow: Follow,
    ) -> Result<Self> {
        let mut ensemble = Ensemble::from_origin(origin, chains, graph.dim(), 0);
        let start = graph.domains().iter().map(|domain| match domain {
            Domain::Spin => 1.0,
            Domain::Categorical(_) => 0.0,
        });
        ensemble.set_values(&start.collect::<Vec<f64>>().repeat(chains))?;
        let sampler = FactorSampler {
            graph: graph.clone(),
            ensemble,
            follow,
        };
        sampler.stepper(&vec![false; graph.dim()])?;
        Ok(sampler)
    }

    fn stepper(&self, clamped: &[bool]) -> Result<FactorGibbs<f32>> {
        let conditionals = conditionals(&self.graph);
        FactorGibbs::new(&conditionals, self.graph.colouring(), clamped)
    }

    /// Refuses values (chain after chain, of `nodes`) that are no states.
    fn check(&self, key: &str, nodes: &[usize], values: &[f64]) -> Result<()> {
        for (k, &value) in values.iter().enumerate() {
            let node = nodes[k % nodes.len()];
            let domain = self.graph.domains()[node];
            if domain.state(value).is_none() {
                let expected = match domain {
                    Domain::Spin => "-1 or 1".to_owned(),
                    Domain::Categorical(states) => format!("a category from 0 to {}", states - 1),
                };
                let field = format!("{key}[{k}]");
                return Err(Error::invalid(field, value, expected));
            }
        }
        Ok(())
    }
}

impl Sampler for FactorSampler {
    fn describe(&self) -> Description {
        digital::gibbs(self.ensemble.chains(), self.graph.dim())
    }

    fn state(&self) -> ChainState {
        digital::state(&self.ensemble)
    }

    fn restore(&mut self, state: &ChainState) -> Result<()> {
        let all: Vec<usize> = (0..self.graph.dim()).collect();
        self.check("state.values", &all, &state.values)?;
        restore(&mut self.ensemble, state)
    }

    fn run(&mut self, phase: &Phase) -> Result<Run> {
        let counts = count(phase, None)?;
        let clamped = clamp_mask(phase.clamp.as_ref(), self.graph.dim())?;
        if let Some(clamp) = &phase.clamp {
            self.check("clamp.values", &clamp.nodes, &clamp.values)?;
            self.ensemble.write_clamped(&clamp.nodes, &clamp.values)?;
        }
        let (burn_in, draws, every) = counts;
        let stepper = self.stepper(&clamped)?;
        let control = self.follow.control();
        let recorded = self
            .ensemble
            .run(&stepper, burn_in, draws as usize, every, control)?;
        let (chains, nodes) = (self.ensemble.chains(), self.graph.dim());
        Ok(finish(recorded, chains, nodes, counts, false))
    }

    fn reprogram(&mut self, parameters: &Parameters) -> Result<Cost> {
        self.graph.set_parameters(parameters)?;
        Ok(Cost::default())
    }
}
