//! The converters that fields and couplings go through on their way into a chip, and the gain errors behind them.

use super::dac::Dac;
use super::die::Die;
use super::program::Realised;

/// The converters of a die's couplings and fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Converters {
    /// Couplings.
    pub couplings: Dac,
    /// Fields.
    pub fields: Dac,
}

/// The converter of one limit, its full scale times `range`; without the non-ideality or the limit, no bits and no end.
pub(super) fn converter(die: &Die, limit: &str, range: f64) -> Dac {
    match die.limit("dac", limit) {
        Some(limit) => Dac {
            full_scale: limit * range,
            bits: die.card.get("limits.dac_bits").map(|b| b as u32),
        },
        None => Dac {
            full_scale: f64::INFINITY,
            bits: None,
        },
    }
}

/// The converter of couplings.
pub(super) fn of_couplings(die: &Die, range: f64) -> Dac {
    converter(die, "limits.coupling_max", range)
}

impl Converters {
    /// Those of a die, in units of J and h times a range.
    pub(super) fn new(die: &Die, couplings: f64, fields: f64) -> Self {
        Converters {
            couplings: of_couplings(die, couplings),
            fields: converter(die, "limits.field_max", fields),
        }
    }

    /// What becomes of `fields` and of `pairs` (asked into the lower node, and into the higher) with gain errors `gains`.
    pub(super) fn realise(
        &self,
        fields: &[f64],
        pairs: impl ExactSizeIterator<Item = (f64, f64)>,
        gains: &[(f64, f64)],
    ) -> Realised {
        let mut realised = Realised {
            fields: Vec::with_capacity(fields.len()),
            couplings: Vec::with_capacity(pairs.len()),
            clipped: 0,
        };
        for ((low, high), gain) in pairs.zip(gains) {
            let (low, high) = (self.couplings.convert(low), self.couplings.convert(high));
            realised.clipped += usize::from(low.1 || high.1);
            realised.couplings.push((low.0 * gain.0, high.0 * gain.1));
        }
        for &value in fields {
            let (level, clipped) = self.fields.convert(value);
            realised.clipped += usize::from(clipped);
            realised.fields.push(level);
        }
        realised
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::card::card;

    /// Bits of a range that the card does not state quantise nothing, and make no NaN.
    #[test]
    fn a_converter_needs_a_range() {
        let mut card = card("pbit_cmos_subthreshold").unwrap();
        let coupling = |card: &_| {
            let die = Die::fabricate(card, Some(1), None).unwrap();
            of_couplings(&die, 1.0).convert(0.3).0
        };
        assert!((coupling(&card) - 0.3).abs() <= 0.5 * 4.0 / 127.0 && coupling(&card) != 0.3);
        card.parameters.remove("limits.coupling_max");
        assert_eq!(coupling(&card), 0.3);
    }
}
