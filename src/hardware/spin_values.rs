//! Fields and couplings of spins on a die: through the converters, with the die's gain errors and offsets.

use super::dac::Dac;
use super::die::Die;
use super::program::Realised;
use crate::energy::{Ising, Parameters};

const COUPLING: u64 = 4;
const BIAS: u64 = 6;

/// The mismatch between what spins are programmed to and what they get.
#[derive(Clone, Debug)]
pub(super) struct SpinValues {
    /// Coupled pairs (i < j).
    pub edges: Vec<(usize, usize)>,
    /// Gain error of each coupling, into the lower node and into the higher.
    gains: Vec<(f64, f64)>,
    /// Bias offset of each p-bit in units of input.
    offsets: Vec<f64>,
}

impl SpinValues {
    /// Those of the die for this graph; `volts_per_input` turns its offsets in volts into inputs.
    pub(super) fn new(die: &Die, ising: &Ising, volts_per_input: f64) -> Self {
        let skew = die.actual("physics.skew") / volts_per_input;
        let edges = ising.couplings.edges().to_vec();
        SpinValues {
            gains: (0..edges.len() as u64)
                .map(|edge| die.coupler_gains(COUPLING, edge))
                .collect(),
            offsets: (0u64..)
                .zip(die.sites(BIAS, ising.fields.len()))
                .map(|(i, z)| skew + die.offset(z, i, volts_per_input))
                .collect(),
            edges,
        }
    }

    /// What becomes of `parameters`.
    pub(super) fn realise(&self, die: &Die, parameters: &Parameters) -> Realised {
        let (couplings, fields) = (
            converter(die, "limits.coupling_max"),
            converter(die, "limits.field_max"),
        );
        let mut realised = Realised::default();
        for (&value, &(low, high)) in parameters.couplings.iter().zip(&self.gains) {
            let (level, clipped) = couplings.convert(value);
            realised.clipped += usize::from(clipped);
            realised.couplings.push((level * low, level * high));
        }
        for (&value, offset) in parameters.fields.iter().zip(&self.offsets) {
            let (level, clipped) = fields.convert(value);
            realised.clipped += usize::from(clipped);
            realised.fields.push(level + offset);
        }
        realised
    }
}

/// The converter of a limit in units of J or h.
pub(super) fn converter(die: &Die, key: &str) -> Dac {
    Dac {
        full_scale: die.limit("dac", key).unwrap_or(f64::INFINITY),
        bits: die.limit("dac", "limits.dac_bits").map(|b| b as u32),
    }
}
