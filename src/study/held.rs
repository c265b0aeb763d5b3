//! Nodes that an experiment holds while it samples, and the law that the others then have.

use super::chips::Prepared;
use crate::data::Dataset;
use crate::energy::{Domain, Model};
use crate::error::{Error, Result};
use crate::experiment::{Clamped, Experiment};
use crate::sampler::{Clamp, Horizon, Phase};

/// Held nodes, ascending, and the rows that chains take in turn.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    pub nodes: Vec<usize>,
    pub rows: Vec<Vec<f64>>,
}

impl Held {
    /// What `[clamp]` says of `model`.
    ///
    /// # Errors
    /// Data that is not there; a node that does not exist or is given twice, a value that is no state of it, nothing left free,
    /// rows that are neither one nor one per chain.
    pub fn new(
        experiment: &Experiment,
        model: &Model,
        data: Option<&Dataset>,
    ) -> Result<Option<Held>> {
        let held = match &experiment.clamp {
            None => return Ok(None),
            Some(Clamped::Listed { nodes, values }) => {
                let chains = std::iter::once(experiment.plan.chains);
                let own = experiment.digital.iter().filter_map(|d| d.chains);
                let other = chains.chain(own).find(|&chains| chains != values.len());
                if let (Some(chains), true) = (other, values.len() != 1) {
                    let expected = format!("one row, or one for each of {chains} chains");
                    let value = format!("{} rows", values.len());
                    return Err(Error::invalid("clamp.values", value, expected));
                }
                let mut order: Vec<usize> = (0..nodes.len()).collect();
                order.sort_by_key(|&k| nodes[k]);
                let sorted = |row: &Vec<f64>| order.iter().map(|&k| row[k]).collect();
                Held {
                    nodes: order.iter().map(|&k| nodes[k]).collect(),
                    rows: values.iter().map(sorted).collect(),
                }
            }
            Some(Clamped::FromData { from_data }) => {
                let Some(data) = data.filter(|data| !data.train.is_empty()) else {
                    let expected = "a section [data] with rows to learn from";
                    return Err(Error::invalid(
                        "clamp.from_data",
                        format!("{from_data:?}"),
                        expected,
                    ));
                };
                let part = |word: &str, range: &std::ops::Range<usize>| {
                    let given = from_data.iter().any(|w| w == word);
                    if given { range.clone() } else { 0..0 }
                };
                let nodes = part("pixels", &data.pixels).chain(part("labels", &data.labels));
                let nodes: Vec<usize> = nodes.collect();
                let row = |&r: &usize| nodes.iter().map(|&i| data.rows[r][i]).collect();
                let rows = data.train.iter().map(row).collect();
                Held { nodes, rows }
            }
        };
        held.check(model)?;
        Ok(Some(held))
    }

    fn check(&self, model: &Model) -> Result<()> {
        let n = model.dim();
        let refused =
            |value: String, expected: String| Err(Error::invalid("clamp.nodes", value, expected));
        if let Some(node) = self.nodes.iter().find(|&&i| i >= n) {
            return refused(node.to_string(), format!("node indices below {n}"));
        }
        if let Some(pair) = self.nodes.windows(2).find(|pair| pair[0] == pair[1]) {
            return refused(pair[0].to_string(), "each node once".to_owned());
        }
        if self.nodes.len() == n {
            return refused(format!("all {n} nodes"), "a node left free".to_owned());
        }
        for row in &self.rows {
            for (&i, &value) in self.nodes.iter().zip(row) {
                let expected = match (model.factors(), model.discrete()) {
                    (Some(graph), _) if graph.domains()[i].state(value).is_none() => {
                        format!("a state of variable {i}, a {}", graph.domains()[i])
                    }
                    (_, Some(_)) if value.abs() != 1.0 => format!("-1 or 1 for spin {i}"),
                    _ => continue,
                };
                return Err(Error::invalid("clamp.values", value, expected));
            }
        }
        Ok(())
    }

    /// The clamp of so many chains.
    pub fn clamp(&self, chains: usize) -> Clamp {
        let rows = (0..chains).flat_map(|chain| &self.rows[chain % self.rows.len()]);
        Clamp {
            nodes: self.nodes.clone(),
            values: rows.copied().collect(),
        }
    }

    /// The one row of all chains; `None` where chains differ, and with them their laws.
    pub fn common(&self) -> Option<&[f64]> {
        let (first, others) = self.rows.split_first()?;
        others.iter().all(|row| row == first).then_some(first)
    }

    /// The held states of a factor graph's variables at the one row of all chains.
    pub fn states(&self, domains: &[Domain]) -> Option<Vec<(usize, u8)>> {
        let row = self.common()?;
        let of = |(&i, &value): (&usize, &f64)| Some((i, domains[i].state(value)?));
        self.nodes.iter().zip(row).map(of).collect()
    }
}

impl Prepared {
    /// The clamp of so many chains, when nodes are held.
    pub(super) fn clamp(&self, chains: usize) -> Option<Clamp> {
        self.held.as_ref().map(|held| held.clamp(chains))
    }

    /// Refuses what a sampler cannot hold; moves it by a step.
    pub(super) fn check_clamp(&self, sampler: &mut dyn crate::sampler::Sampler) -> Result<()> {
        let Some(clamp) = self.clamp(1) else {
            return Ok(());
        };
        let phase = Phase {
            burn_in: Horizon::Steps(0),
            duration: Horizon::Steps(1),
            every: None,
            clamp: Some(clamp),
        };
        sampler.run(&phase).map(|_| ())
    }
}
