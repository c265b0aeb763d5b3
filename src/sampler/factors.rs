//! Block Gibbs and Metropolis sampling of factor graphs: the conditional laws of spins and categories, lowered to table rows
//! times spins.

use super::digital::{self, count, finish, restore};
use super::{ChainState, Cost, Description, Follow, Phase, Run, Sampler, clamp_mask};
use crate::dynamics::{Conditional, Contribution, Ensemble, FactorGibbs, Origin, Site};
use crate::energy::{Domain, Factor, FactorGraph, Parameters, Parametric};
use crate::error::{Error, Result};

/// The law of every variable given the others. What a factor W(x) Π s adds to variable i of its table is W's slice at the
/// other variables' states, times Π s (to a spin's input: half the difference of its two); to one of its spins, W(x) times the others.
pub fn conditionals(graph: &FactorGraph) -> Vec<Conditional> {
    let mut conditionals: Vec<Conditional> = sites(graph)
        .into_iter()
        .map(|site| Conditional {
            site,
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

/// What every variable can be.
pub(super) fn sites(graph: &FactorGraph) -> Vec<Site> {
    let site = |domain: &Domain| match *domain {
        Domain::Spin => Site::Spin,
        Domain::Categorical(states) => Site::Categorical(states),
    };
    graph.domains().iter().map(site).collect()
}

/// The factors whose number of variables is as wanted, as terms of −E.
pub(super) fn terms(graph: &FactorGraph, wanted: fn(usize) -> bool) -> Vec<Contribution> {
    let kept = graph
        .factors()
        .iter()
        .filter(|f| wanted(f.variables().count()));
    let term = |factor: &Factor| Contribution {
        nodes: factor.nodes.clone(),
        spins: factor.spins.clone(),
        rows: factor.weights.clone(),
    };
    kept.map(term).collect()
}

/// The laws at which factors of one variable weigh `alone` times, and all others `joint` times, what they do.
pub(super) fn weighted(laws: &[Conditional], alone: f64, joint: f64) -> Vec<Conditional> {
    let mut laws = laws.to_vec();
    for part in laws.iter_mut().flat_map(|law| &mut law.contributions) {
        let lone = part.nodes.is_empty() && part.spins.is_empty();
        let factor = if lone { alone } else { joint };
        part.rows.iter_mut().for_each(|w| *w *= factor);
    }
    laws
}

/// Every spin at +1, every category at 0.
pub(super) fn start(graph: &FactorGraph) -> Vec<f64> {
    let of = |domain: &Domain| match domain {
        Domain::Spin => 1.0,
        Domain::Categorical(_) => 0.0,
    };
    graph.domains().iter().map(of).collect()
}

/// Refuses values (chain after chain, of `nodes`) that are no states.
pub(super) fn check_states(
    graph: &FactorGraph,
    key: &str,
    nodes: &[usize],
    values: &[f64],
) -> Result<()> {
    for (k, &value) in values.iter().enumerate() {
        let domain = graph.domains()[nodes[k % nodes.len()]];
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

/// Block Gibbs sampling of a factor graph over its colouring, or Metropolis' moves in that order; a step is a sweep.
#[derive(Debug)]
pub struct FactorSampler {
    graph: FactorGraph,
    ensemble: Ensemble<f32>,
    metropolis: bool,
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
        ensemble.set_values(&start(graph).repeat(chains))?;
        let sampler = FactorSampler {
            graph: graph.clone(),
            ensemble,
            metropolis: false,
            follow,
        };
        sampler.stepper(&vec![false; graph.dim()])?;
        Ok(sampler)
    }

    /// Other states proposed variable by variable and accepted by Metropolis' rule, in place of draws from the conditional law.
    #[must_use]
    pub fn by_proposals(mut self) -> Self {
        self.metropolis = true;
        self
    }

    fn stepper(&self, clamped: &[bool]) -> Result<FactorGibbs<f32>> {
        let conditionals = conditionals(&self.graph);
        let gibbs = FactorGibbs::new(&conditionals, self.graph.colouring(), clamped)?;
        Ok(if self.metropolis {
            gibbs.by_proposals()
        } else {
            gibbs
        })
    }
}

impl Sampler for FactorSampler {
    fn describe(&self) -> Description {
        digital::sweeps(self.ensemble.chains(), self.graph.dim(), self.metropolis)
    }

    fn state(&self) -> ChainState {
        digital::state(&self.ensemble)
    }

    fn restore(&mut self, state: &ChainState) -> Result<()> {
        let all: Vec<usize> = (0..self.graph.dim()).collect();
        check_states(&self.graph, "state.values", &all, &state.values)?;
        restore(&mut self.ensemble, state)
    }

    fn run(&mut self, phase: &Phase) -> Result<Run> {
        let counts = count(phase, None)?;
        let clamped = clamp_mask(phase.clamp.as_ref(), self.graph.dim())?;
        if let Some(clamp) = &phase.clamp {
            check_states(&self.graph, "clamp.values", &clamp.nodes, &clamp.values)?;
            self.ensemble.write_clamped(&clamp.nodes, &clamp.values)?;
        }
        let (burn_in, draws, every) = counts;
        let stepper = self.stepper(&clamped)?;
        let control = self.follow.control();
        let recorded = self
            .ensemble
            .run(&stepper, burn_in, draws as usize, every, control)?;
        let (chains, nodes) = (self.ensemble.chains(), self.graph.dim());
        let mut run = finish(recorded, chains, nodes, counts, self.metropolis);
        // Of variables, not of sweeps.
        let free = clamped.iter().filter(|c| !**c).count().max(1);
        run.acceptance = run.acceptance.map(|changes| changes / free as f64);
        Ok(run)
    }

    fn reprogram(&mut self, parameters: &Parameters) -> Result<Cost> {
        self.graph.set_parameters(parameters)?;
        Ok(Cost::default())
    }
}
