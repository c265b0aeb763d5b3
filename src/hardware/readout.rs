//! Reading a chip: converters for real variables, comparators for two-state elements; the bare state on an ideal chip.
//!
//! A converter reports ADC(V + o_i + σ z): o_i the site's offset, drawn from the die seed with the card's `readout.offset` as
//! standard deviation, z a new standard normal at every read, σ the card's `readout.noise`, both referred to its input. What
//! is read has mean ⟨x⟩ + o and variance Var x + σ² (in units of x), before the converter rounds.
//! A comparator tells the two levels ±V/2 of an element apart, V the card's `readout.swing`: it reports the sign of
//! sV/2 + o_i + σ z, so that s is read wrongly with probability ε = Φ(−(V/2 + s o_i)/σ), and ⟨s⟩ becomes (1 − 2ε)⟨s⟩ without
//! offsets. A latch of transistors has its own two outputs compared instead of two levels.

use super::die::Die;
use crate::dynamics::streams::chain_rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

/// Property of a site's readout offset.
const OFFSET: u64 = 64;
/// Added to the domain of a run's streams for the noise of its readout.
const READS: u64 = 0x7265_6164_0000_0000;
/// Bits of a read's number beside its chain's.
const READ_BITS: u32 = 40;

/// What the instrument senses.
#[derive(Clone, Debug, Default, PartialEq)]
enum Senses {
    /// The variables themselves.
    #[default]
    Values,
    /// Two-state elements with levels ±this, in volts.
    Levels(f64),
    /// The second of two nodes minus the first.
    Pairs(Vec<(usize, usize)>),
}

/// How nodes are read.
#[derive(Clone, Debug, Default)]
pub struct Readout {
    /// Size of one ADC code and the largest code, in the energy's variable.
    adc: Option<(f32, f32)>,
    senses: Senses,
    /// Offset of each site; empty for none. In units of what is sensed (levels: V).
    offsets: Vec<f64>,
    /// Rms noise of a read, in the same unit.
    noise: f64,
}

/// Which reads are made: of chain c (from 0) the draws `first`, `first` + 1, ….
#[derive(Clone, Copy, Debug)]
pub struct Reads {
    /// Seed of the run.
    pub seed: u64,
    /// Domain of its streams.
    pub domain: u64,
    /// Reads of every chain before these.
    pub first: u64,
    /// Reads of every chain now.
    pub draws: usize,
}

impl Readout {
    /// A perfect readout.
    pub fn perfect() -> Self {
        Readout::default()
    }

    /// An ADC of `bits` over ±`full_scale` (in the energy's variable).
    pub fn adc(bits: u32, full_scale: f64) -> Self {
        let codes = 2f64.powi(bits as i32 - 1) - 1.0;
        Readout {
            adc: Some(((full_scale / codes) as f32, codes as f32)),
            ..Readout::default()
        }
    }

    /// A die's converters of `n` variables: an ADC over its rails, where it has both, with offsets and noise.
    pub(super) fn of(die: &Die, volts_per_x: f64, n: usize) -> Self {
        let bits = die.limit("adc", "readout.adc_bits");
        let ideal = match (bits, die.card.get("limits.rails")) {
            (Some(bits), Some(rails)) => Readout::adc(bits as u32, rails / volts_per_x),
            _ => Readout::perfect(),
        };
        ideal.disturbed(die, volts_per_x, n)
    }

    /// A die's comparators of `n` two-state elements.
    pub(super) fn of_levels(die: &Die, n: usize) -> Self {
        let half = 0.5 * die.card.get("readout.swing").unwrap_or(f64::INFINITY);
        let ideal = Readout {
            senses: Senses::Levels(half),
            ..Readout::default()
        };
        ideal.disturbed(die, 1.0, n)
    }

    /// A die's comparators of pairs of nodes, whose unit is so many `volts`.
    pub(super) fn of_pairs(die: &Die, volts: f64, pairs: &[(usize, usize)]) -> Self {
        let ideal = Readout {
            senses: Senses::Pairs(pairs.to_vec()),
            ..Readout::default()
        };
        ideal.disturbed(die, volts, pairs.len())
    }

    fn disturbed(mut self, die: &Die, unit: f64, n: usize) -> Self {
        let sigma = die.spread("readout_offset", "readout.offset") / unit;
        if sigma > 0.0 {
            self.offsets = die.sites(OFFSET, n).iter().map(|z| sigma * z).collect();
        }
        self.noise = die.spread("readout_noise", "readout.noise") / unit;
        self
    }

    /// Whether rows of the state are read, from which variables are then decided; else the variables are.
    pub(crate) fn reads_rows(&self) -> bool {
        self.senses != Senses::Values
    }

    /// Whether two reads of one state may differ.
    pub fn is_noisy(&self) -> bool {
        self.noise > 0.0
    }

    /// What the instrument reports, in place: `values[(chain * draws + draw) * width + k]`, each read with numbers of its own,
    /// a pure function of (seed, domain, chain, read, site).
    pub fn read(&self, values: &mut [f32], width: usize, reads: Reads) {
        if self.is_noisy() || !self.offsets.is_empty() {
            let draws = reads.draws.max(1);
            let rows = values.par_chunks_mut(width.max(1)).enumerate();
            rows.for_each(|(k, row)| {
                let (chain, read) = ((k / draws) as u64, reads.first + (k % draws) as u64);
                self.disturb(row, (reads, chain << READ_BITS ^ read));
            });
        }
        if let Some((step, largest)) = self.adc {
            for value in values {
                *value = (*value / step).round().clamp(-largest, largest) * step;
            }
        }
    }

    fn disturb(&self, row: &mut [f32], (reads, stream): (Reads, u64)) {
        let mut rng = chain_rng(reads.seed, reads.domain.wrapping_add(READS), stream);
        let mut error = |site: usize| -> f64 {
            let fixed = self.offsets.get(site).copied().unwrap_or(0.0);
            if self.noise == 0.0 {
                return fixed;
            }
            let z: f64 = StandardNormal.sample(&mut rng);
            fixed + self.noise * z
        };
        match &self.senses {
            Senses::Values => {
                for (site, value) in row.iter_mut().enumerate() {
                    *value = (f64::from(*value) + error(site)) as f32;
                }
            }
            Senses::Levels(half) => {
                for (site, value) in row.iter_mut().enumerate() {
                    let sensed = half * f64::from(*value) + error(site);
                    *value = if sensed > 0.0 { 1.0 } else { -1.0 };
                }
            }
            Senses::Pairs(pairs) => {
                for (site, &(_, above)) in pairs.iter().enumerate() {
                    row[above] = (f64::from(row[above]) + error(site)) as f32;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::card::card;
    use statrs::distribution::{ContinuousCDF, Normal};

    const READS_OF: Reads = Reads {
        seed: 3,
        domain: 0,
        first: 0,
        draws: 1,
    };

    #[test]
    fn an_adc_rounds_to_its_codes_and_saturates() {
        let mut values = [0.0, 0.04, 0.06, -3.0];
        Readout::adc(5, 1.5).read(&mut values, 4, READS_OF);
        assert_eq!(values, [0.0, 0.0, 0.1, -1.5]);
        let mut same = [0.123];
        Readout::perfect().read(&mut same, 1, READS_OF);
        assert_eq!(same, [0.123]);
    }

    fn die(only: &[&str]) -> Die {
        let mut card = card("pbit_cmos_subthreshold").unwrap();
        for (key, value) in [("swing", "60 mV"), ("noise", "30 mV"), ("offset", "20 mV")] {
            card.override_parameter(&format!("readout.{key}"), value)
                .unwrap();
        }
        let only: Vec<String> = only.iter().map(|s| (*s).to_owned()).collect();
        Die::fabricate(&card, Some(4), Some(&only)).unwrap()
    }

    /// Spins held up, and down, read 40,000 times: wrong with probability Φ(−(V/2 + s o)/σ), each of twelve rates within 5.5
    /// standard errors (false-alarm rate 5e-7). A comparator of half the swing, or with its offset the other way, is told apart.
    #[test]
    fn comparators_err_by_the_normal_law() {
        let n = 6;
        let readout = Readout::of_levels(&die(&["readout_noise", "readout_offset"]), n);
        let draws = 40_000;
        let worst = |half: f64, sign: f64| {
            let mut most = 0f64;
            for s in [1.0f32, -1.0] {
                let mut values = vec![s; n * draws];
                let reads = Reads { draws, ..READS_OF };
                readout.read(&mut values, n, reads);
                for site in 0..n {
                    let wrong = values.iter().skip(site).step_by(n).filter(|v| **v != s);
                    let offset = sign * readout.offsets[site];
                    let at = -(half + f64::from(s) * offset) / 30e-3;
                    let p = Normal::standard().cdf(at);
                    let se = (p * (1.0 - p) / draws as f64).sqrt();
                    most = most.max((wrong.count() as f64 / draws as f64 - p).abs() / se);
                }
            }
            most
        };
        assert!(worst(30e-3, 1.0) < 5.5, "{}", worst(30e-3, 1.0));
        assert!(worst(15e-3, 1.0) > 5.5 && worst(30e-3, -1.0) > 5.5);
    }

    /// Reads are numbered: two blocks are the whole, and an offset alone errs the same way at every read.
    #[test]
    fn reads_have_numbers_of_their_own() {
        let noisy = Readout::of_levels(&die(&["readout_noise"]), 3);
        let read = |first: u64, draws: usize| {
            let mut values = vec![1.0f32; 3 * draws];
            noisy.read(
                &mut values,
                3,
                Reads {
                    first,
                    draws,
                    ..READS_OF
                },
            );
            values
        };
        let whole = read(0, 40);
        assert_eq!([read(0, 25), read(25, 15)].concat(), whole);
        assert!(whole.contains(&-1.0) && whole[..60] != whole[60..]);
        let fixed = Readout::of_levels(&die(&["readout_offset"]), 3);
        assert!(!fixed.is_noisy() && !Readout::of_levels(&die(&[]), 3).is_noisy());
        let mut values = vec![-1.0f32; 30];
        fixed.read(
            &mut values,
            3,
            Reads {
                draws: 10,
                ..READS_OF
            },
        );
        assert!(values.chunks(3).all(|row| row == &values[..3]));
    }
}
