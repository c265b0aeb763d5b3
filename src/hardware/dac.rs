//! Digital-to-analog conversion of programmed values: mid-tread, clipped to full scale.

/// A converter with symmetric full scale; no bits means no quantisation, an infinite full scale no clipping.
#[derive(Clone, Copy, Debug)]
pub struct Dac {
    /// Largest magnitude.
    pub full_scale: f64,
    /// Resolution, when it quantises.
    pub bits: Option<u32>,
}

impl Dac {
    /// Δ = full scale/(2^{b−1} − 1): the levels are kΔ, |k| ≤ 2^{b−1} − 1.
    pub fn step(&self) -> Option<f64> {
        self.bits
            .map(|bits| self.full_scale / (2f64.powi(bits as i32 - 1) - 1.0).max(1.0))
    }

    /// The realised value, and whether it was clipped.
    pub fn convert(&self, value: f64) -> (f64, bool) {
        let clipped = value.clamp(-self.full_scale, self.full_scale);
        let realised = self
            .step()
            .map_or(clipped, |step| (clipped / step).round() * step);
        (realised, clipped != value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn realised_values_are_within_half_a_step(value in -2.0..2.0f64, bits in 2u32..13) {
            let dac = Dac { full_scale: 2.0, bits: Some(bits) };
            let (realised, clipped) = dac.convert(value);
            prop_assert!(!clipped);
            prop_assert!((realised - value).abs() <= 0.5 * dac.step().unwrap() * (1.0 + 1e-12));
            prop_assert_eq!(dac.convert(-value).0, -realised);
        }
    }

    #[test]
    fn beyond_full_scale_is_clipped_and_counted() {
        let dac = Dac {
            full_scale: 2.0,
            bits: Some(8),
        };
        assert_eq!(dac.convert(2.5), (2.0, true));
        assert_eq!(dac.convert(0.0), (0.0, false));
    }
}
