//! Reading node voltages: an ADC over the rails, or the bare value on an ideal chip.

use super::die::Die;

/// How node values are read; values are in the energy's variable.
#[derive(Clone, Debug, Default)]
pub struct Readout {
    /// Size of one ADC code and the largest code, in the energy's variable.
    adc: Option<(f32, f32)>,
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
        }
    }

    /// A die's ADC over its rails, where it has both; perfect otherwise.
    pub(super) fn of(die: &Die, volts_per_x: f64) -> Self {
        let bits = die.limit("adc", "readout.adc_bits");
        match (bits, die.card.get("limits.rails")) {
            (Some(bits), Some(rails)) => Readout::adc(bits as u32, rails / volts_per_x),
            _ => Readout::perfect(),
        }
    }

    /// What the instrument reports for each value, in place.
    pub fn read(&self, values: &mut [f32]) {
        if let Some((step, largest)) = self.adc {
            for value in values {
                *value = (*value / step).round().clamp(-largest, largest) * step;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adc_rounds_to_its_codes_and_saturates() {
        let mut values = [0.0, 0.04, 0.06, -3.0];
        Readout::adc(5, 1.5).read(&mut values);
        assert_eq!(values, [0.0, 0.0, 0.1, -1.5]);
        let mut same = [0.123];
        Readout::perfect().read(&mut same);
        assert_eq!(same, [0.123]);
    }
}
