//! Device time and energy by category, as sums of phases.

use crate::hardware::Spent;
use serde::{Deserialize, Serialize};

/// Device time and energy spent; `None` is "not stated by the card" or "not a device", never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Device seconds: what is stated of [`Seconds`], together.
    pub device_seconds: Option<f64>,
    /// Joules by category.
    pub write: Option<f64>,
    /// Sampling.
    pub sample: Option<f64>,
    /// Reading out.
    pub read: Option<f64>,
    /// Host.
    pub host: Option<f64>,
    /// Standby, all the time.
    pub standby: Option<f64>,
    /// Device seconds by category.
    #[serde(default)]
    pub seconds: Seconds,
}

/// Device seconds by category. A chip stands by all the time: that is no category of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Writing fields and couplings.
    pub write: Option<f64>,
    /// Running.
    pub sample: Option<f64>,
    /// Holding the array for its frames, and the latency of the last read where the chip had stood idle.
    pub read: Option<f64>,
    /// Waiting for the host.
    pub host: Option<f64>,
}

impl Seconds {
    /// All categories that are stated, together.
    pub fn total(self) -> Option<f64> {
        let all = [self.write, self.sample, self.read, self.host];
        all.into_iter().fold(None, sum)
    }
}

fn sum(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    match (a, b) {
        (None, None) => None,
        _ => Some(a.unwrap_or(0.0) + b.unwrap_or(0.0)),
    }
}

impl Cost {
    /// Joules and seconds of a device.
    pub fn of(spent: Spent, seconds: Seconds) -> Self {
        Cost {
            device_seconds: seconds.total(),
            write: spent.write,
            sample: spent.sample,
            read: spent.read,
            host: spent.host,
            standby: spent.standby,
            seconds,
        }
    }

    /// Both together; what neither states stays unstated.
    #[must_use]
    pub fn plus(self, other: Cost) -> Cost {
        self.zipped(other, sum)
    }

    /// One of `parts` equal parts, e.g. of as many effective samples.
    #[must_use]
    pub fn per(self, parts: f64) -> Cost {
        self.zipped(Cost::default(), |a, _| a.map(|a| a / parts))
    }

    fn zipped(self, other: Cost, f: impl Fn(Option<f64>, Option<f64>) -> Option<f64>) -> Cost {
        let (a, b) = (self.seconds, other.seconds);
        Cost {
            device_seconds: f(self.device_seconds, other.device_seconds),
            write: f(self.write, other.write),
            sample: f(self.sample, other.sample),
            read: f(self.read, other.read),
            host: f(self.host, other.host),
            standby: f(self.standby, other.standby),
            seconds: Seconds {
                write: f(a.write, b.write),
                sample: f(a.sample, b.sample),
                read: f(a.read, b.read),
                host: f(a.host, b.host),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unstated_stays_unstated() {
        let stated = Cost {
            read: Some(3.0),
            ..Cost::of(
                Spent::default(),
                Seconds {
                    sample: Some(2.0),
                    read: Some(1.0),
                    ..Seconds::default()
                },
            )
        };
        let twice = stated.plus(stated).plus(Cost::default());
        assert_eq!(twice.device_seconds, Some(6.0));
        assert_eq!((twice.read, twice.write), (Some(6.0), None));
        assert_eq!(
            (twice.seconds.write, twice.per(4.0).seconds.sample),
            (None, Some(1.0))
        );
    }
}
