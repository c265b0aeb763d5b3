//! Waveforms of time: what sources impose on a process.

/// A waveform. Times and values are in the units of whoever holds it.
#[derive(Clone, Debug, PartialEq)]
pub enum Wave {
    /// The same value at all times.
    Constant(f64),
    /// `offset` until `delay`, then offset + amplitude·sin(2π·frequency·(t − delay) + phase)·e^{−damping·(t − delay)}.
    Sine {
        /// Value about which it swings.
        offset: f64,
        /// Peak.
        amplitude: f64,
        /// Cycles per unit time.
        frequency: f64,
        /// Start.
        delay: f64,
        /// Rate of decay.
        damping: f64,
        /// Radians at the start.
        phase: f64,
    },
    /// A trapezoid that repeats every `period` (once, if the period is infinite).
    Pulse {
        /// Value before, and between pulses.
        low: f64,
        /// Value of the plateau.
        high: f64,
        /// Start of the first rise.
        delay: f64,
        /// Duration of the rise.
        rise: f64,
        /// Duration of the fall.
        fall: f64,
        /// Duration of the plateau.
        width: f64,
        /// Time between two rises.
        period: f64,
    },
    /// Straight lines between (time, value) points of ascending time; the first and last value outside.
    PiecewiseLinear(std::sync::Arc<[(f64, f64)]>),
}

impl Wave {
    /// The value at time `t`.
    pub fn at(&self, t: f64) -> f64 {
        match self {
            Wave::Constant(value) => *value,
            Wave::Sine {
                offset,
                amplitude,
                frequency,
                delay,
                damping,
                phase,
            } => {
                let s = (t - delay).max(0.0);
                let angle = std::f64::consts::TAU * frequency * s + phase;
                offset + amplitude * angle.sin() * (-damping * s).exp()
            }
            Wave::Pulse {
                low,
                high,
                delay,
                rise,
                fall,
                width,
                period,
            } => {
                let mut s = t - delay;
                if s < 0.0 {
                    return *low;
                }
                if period.is_finite() {
                    s %= period;
                }
                let share = if s < *rise {
                    s / rise
                } else if s <= rise + width {
                    1.0
                } else if s < rise + width + fall {
                    1.0 - (s - rise - width) / fall
                } else {
                    0.0
                };
                low + (high - low) * share
            }
            Wave::PiecewiseLinear(points) => {
                let next = points.partition_point(|p| p.0 <= t);
                match (
                    next.checked_sub(1).and_then(|k| points.get(k)),
                    points.get(next),
                ) {
                    (Some(&(t0, v0)), Some(&(t1, v1))) => v0 + (v1 - v0) * (t - t0) / (t1 - t0),
                    (Some(&(_, value)), None) | (None, Some(&(_, value))) => value,
                    (None, None) => 0.0,
                }
            }
        }
    }

    /// The same waveform with its values and its times multiplied.
    #[must_use]
    pub fn scaled(&self, value: f64, time: f64) -> Self {
        match self {
            Wave::Constant(v) => Wave::Constant(v * value),
            Wave::Sine {
                offset,
                amplitude,
                frequency,
                delay,
                damping,
                phase,
            } => Wave::Sine {
                offset: offset * value,
                amplitude: amplitude * value,
                frequency: frequency / time,
                delay: delay * time,
                damping: damping / time,
                phase: *phase,
            },
            Wave::Pulse {
                low,
                high,
                delay,
                rise,
                fall,
                width,
                period,
            } => Wave::Pulse {
                low: low * value,
                high: high * value,
                delay: delay * time,
                rise: rise * time,
                fall: fall * time,
                width: width * time,
                period: period * time,
            },
            Wave::PiecewiseLinear(points) => {
                Wave::PiecewiseLinear(points.iter().map(|&(t, v)| (t * time, v * value)).collect())
            }
        }
    }

    /// Whether it never changes.
    pub fn is_constant(&self) -> bool {
        match self {
            Wave::Constant(_) => true,
            Wave::Sine { amplitude, .. } => *amplitude == 0.0,
            Wave::Pulse { low, high, .. } => low == high,
            Wave::PiecewiseLinear(points) => points.windows(2).all(|w| w[0].1 == w[1].1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waveforms_have_their_values_and_scale() {
        let pulse = Wave::Pulse {
            low: -1.0,
            high: 3.0,
            delay: 2.0,
            rise: 1.0,
            fall: 2.0,
            width: 4.0,
            period: 10.0,
        };
        for (t, v) in [
            (0.0, -1.0),
            (2.5, 1.0),
            (6.0, 3.0),
            (8.0, 1.0),
            (9.5, -1.0),
            (12.5, 1.0),
        ] {
            assert_eq!(pulse.at(t), v, "{t}");
            assert!((pulse.scaled(2.0, 1e-3).at(t * 1e-3) - 2.0 * v).abs() < 1e-9);
        }
        let line = Wave::PiecewiseLinear([(1.0, 0.0), (3.0, 4.0)].into());
        assert_eq!([0.0, 2.0, 5.0].map(|t| line.at(t)), [0.0, 2.0, 4.0]);
        let sine = Wave::Sine {
            offset: 1.0,
            amplitude: 2.0,
            frequency: 0.25,
            delay: 1.0,
            damping: 0.0,
            phase: 0.0,
        };
        assert!((sine.at(2.0) - 3.0).abs() < 1e-12 && (sine.at(0.5) - 1.0).abs() < 1e-12);
        assert!((sine.scaled(1.0, 10.0).at(20.0) - 3.0).abs() < 1e-12);
    }
}
