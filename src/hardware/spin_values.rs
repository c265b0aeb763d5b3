//! Fields and couplings of spins on a die: through the converters, with the die's gain errors and offsets.

use super::converters::Converters;
use super::die::Die;
use super::program::Realised;
use crate::energy::{Ising, Parameters};
use std::collections::HashMap;

const COUPLING: u64 = 4;
const BIAS: u64 = 6;

/// The mismatch between what spins are programmed to and what they get.
#[derive(Clone, Debug)]
pub(super) struct SpinValues {
    /// Coupled pairs (i < j): the energy's, then those that only directed couplings join.
    pub edges: Vec<(usize, usize)>,
    /// What directed couplings add to the first so many pairs, into the lower node and into the higher; empty without any.
    one_way: Vec<(f64, f64)>,
    /// Gain error of each coupling, into the lower node and into the higher.
    gains: Vec<(f64, f64)>,
    /// Bias offset of each p-bit in units of input.
    offsets: Vec<f64>,
}

/// Bias offsets of the p-bits of `n` sites, in units of input.
pub(super) fn offsets(die: &Die, n: usize, volts_per_input: f64) -> Vec<f64> {
    let skew = die.actual("physics.skew") / volts_per_input;
    let sites = (0u64..).zip(die.sites(BIAS, n));
    sites
        .map(|(i, z)| skew + die.offset(z, i, volts_per_input))
        .collect()
}

impl SpinValues {
    /// Those of the die for this graph; `volts_per_input` turns its offsets in volts into inputs, `directed` holds
    /// (into, from, J) of couplings that act one way.
    pub(super) fn new(
        die: &Die,
        ising: &Ising,
        volts_per_input: f64,
        directed: &[(usize, usize, f64)],
    ) -> Self {
        let mut values = SpinValues {
            edges: ising.couplings.edges().to_vec(),
            one_way: Vec::new(),
            gains: Vec::new(),
            offsets: offsets(die, ising.fields.len(), volts_per_input),
        };
        values.direct(directed);
        let gains = (0..values.edges.len() as u64).map(|edge| die.coupler_gains(COUPLING, edge));
        values.gains = gains.collect();
        values
    }

    /// Takes in couplings that act one way.
    fn direct(&mut self, directed: &[(usize, usize, f64)]) {
        if directed.is_empty() {
            return;
        }
        let pairs = self.edges.iter().enumerate();
        let mut place: HashMap<(usize, usize), usize> = pairs.map(|(k, &pair)| (pair, k)).collect();
        self.one_way = vec![(0.0, 0.0); self.edges.len()];
        for &(into, from, value) in directed {
            let pair = (into.min(from), into.max(from));
            let k = *place.entry(pair).or_insert_with(|| {
                self.edges.push(pair);
                self.one_way.push((0.0, 0.0));
                self.edges.len() - 1
            });
            if into < from {
                self.one_way[k].0 += value;
            } else {
                self.one_way[k].1 += value;
            }
        }
    }

    /// Number of spins.
    pub(super) fn spins(&self) -> usize {
        self.offsets.len()
    }

    /// Whether couplings act one way on purpose.
    pub(super) fn is_directed(&self) -> bool {
        self.one_way.iter().any(|(low, high)| low != high)
    }

    /// What is asked of each pair: into the lower node and into the higher.
    pub(super) fn asked<'a>(
        &'a self,
        parameters: &'a Parameters,
    ) -> impl ExactSizeIterator<Item = (f64, f64)> + 'a {
        (0..self.edges.len()).map(|k| {
            let both = parameters.couplings.get(k).copied().unwrap_or(0.0);
            let extra = self.one_way.get(k).copied().unwrap_or_default();
            (both + extra.0, both + extra.1)
        })
    }

    /// What becomes of `parameters`.
    pub(super) fn realise(&self, die: &Die, parameters: &Parameters) -> Realised {
        let converters = Converters::new(die, 1.0, 1.0);
        let asked = self.asked(parameters);
        let mut realised = converters.realise(&parameters.fields, asked, &self.gains);
        for (field, offset) in realised.fields.iter_mut().zip(&self.offsets) {
            *field += offset;
        }
        realised
    }
}
