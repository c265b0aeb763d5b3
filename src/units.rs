//! Quantities with units: text such as "10 fF" to SI numbers, and back for people.

use crate::error::{Error, Result};

pub use uom::si::f64::{
    Capacitance, ElectricCurrent, ElectricPotential, ElectricalConductance, ElectricalResistance,
    Energy, ThermodynamicTemperature, Time,
};

/// Boltzmann's constant, J/K (exact).
pub const BOLTZMANN: f64 = 1.380_649e-23;
/// Elementary charge, C (exact).
pub const ELEMENTARY_CHARGE: f64 = 1.602_176_634e-19;

/// Flux quantum h/2e, Wb (exact to the digits).
pub const FLUX_QUANTUM: f64 = 2.067_833_848_461_929e-15;

/// What a quantity measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// s
    Time,
    /// F
    Capacitance,
    /// V
    Voltage,
    /// H
    Inductance,
    /// Ω
    Resistance,
    /// S
    Conductance,
    /// A
    Current,
    /// J
    Energy,
    /// K
    Temperature,
    /// Hz
    Frequency,
    /// W
    Power,
    /// A pure number, or a percentage.
    Number,
}

/// Base unit, dimension, and an example to show in errors.
const UNITS: &[(&str, Dimension)] = &[
    ("s", Dimension::Time),
    ("F", Dimension::Capacitance),
    ("V", Dimension::Voltage),
    ("H", Dimension::Inductance),
    ("ohm", Dimension::Resistance),
    ("S", Dimension::Conductance),
    ("A", Dimension::Current),
    ("J", Dimension::Energy),
    ("K", Dimension::Temperature),
    ("Hz", Dimension::Frequency),
    ("W", Dimension::Power),
];

/// SI prefixes; the empty one last.
const PREFIXES: &[(&str, f64)] = &[
    ("a", 1e-18),
    ("f", 1e-15),
    ("p", 1e-12),
    ("n", 1e-9),
    ("u", 1e-6),
    ("µ", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("", 1.0),
];

impl Dimension {
    /// In words, with an article and an example.
    pub fn expectation(self) -> &'static str {
        match self {
            Dimension::Time => "a time, e.g. \"100 ns\"",
            Dimension::Capacitance => "a capacitance, e.g. \"10 fF\"",
            Dimension::Voltage => "a voltage, e.g. \"200 mV\"",
            Dimension::Inductance => "an inductance, e.g. \"1 uH\"",
            Dimension::Resistance => "a resistance, e.g. \"10 Mohm\"",
            Dimension::Conductance => "a conductance, e.g. \"100 nS\"",
            Dimension::Current => "a current, e.g. \"0.36 nA\"",
            Dimension::Energy => "an energy, e.g. \"350 aJ\"",
            Dimension::Temperature => "a temperature, e.g. \"300 K\"",
            Dimension::Frequency => "a frequency, e.g. \"10 MHz\"",
            Dimension::Power => "a power, e.g. \"1 uW\"",
            Dimension::Number => "a number without unit, e.g. \"0.05\" or \"5 %\"",
        }
    }

    /// SI unit; empty for pure numbers.
    pub fn unit(self) -> &'static str {
        let own = UNITS.iter().find(|(_, dimension)| *dimension == self);
        own.map_or("", |(unit, _)| unit)
    }

    fn name(self) -> &'static str {
        let text = self.expectation();
        text.split(',').next().unwrap_or(text)
    }
}

/// Splits "10 fF" into 10 and "fF".
fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text
        .char_indices()
        .find(|&(i, c)| {
            let exponent = matches!(c, 'e' | 'E')
                && text[i + 1..].starts_with(|d: char| d.is_ascii_digit() || d == '-' || d == '+');
            !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+') || exponent)
        })
        .map_or(text.len(), |(i, _)| i);
    let number: f64 = text[..end].trim().parse().ok()?;
    Some((number, text[end..].trim()))
}

/// The SI value of `text`, which must measure `dimension`.
///
/// # Errors
/// No number, no unit, an unknown unit, or one of another dimension; the field of the error is empty, for the caller to
/// fill with [`Error::at`].
pub fn parse(text: &str, dimension: Dimension) -> Result<f64> {
    let quoted = format!("\"{text}\"");
    let fail = |why: String| Error::invalid("", &quoted, why);
    let Some((number, unit)) = split(text).filter(|(n, _)| n.is_finite()) else {
        return Err(fail(dimension.expectation().to_owned()));
    };
    if dimension == Dimension::Number {
        return match unit {
            "" => Ok(number),
            "%" => Ok(number / 100.0),
            _ => Err(fail(dimension.expectation().to_owned())),
        };
    }
    if unit.is_empty() {
        return Err(fail(format!(
            "{} (a unit is missing)",
            dimension.expectation()
        )));
    }
    let found = PREFIXES.iter().find_map(|&(prefix, factor)| {
        let rest = unit.strip_prefix(prefix)?;
        let base = UNITS.iter().find(|u| u.0 == rest)?;
        Some((factor, base.1))
    });
    match found {
        Some((factor, d)) if d == dimension => Ok(number * factor),
        Some((_, d)) => Err(fail(format!(
            "{}; {unit} is {}",
            dimension.expectation(),
            d.name()
        ))),
        None => Err(fail(format!(
            "{}; {unit} is not a unit known here",
            dimension.expectation()
        ))),
    }
}

/// A duration on the device: seconds, or multiples of the card's time constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DeviceTime {
    /// Seconds.
    Seconds(f64),
    /// Multiples of τ.
    Tau(f64),
}

impl DeviceTime {
    /// In seconds, given τ.
    pub fn seconds(self, tau: f64) -> f64 {
        match self {
            DeviceTime::Seconds(s) => s,
            DeviceTime::Tau(n) => n * tau,
        }
    }
}

/// A positive device time: "2 us" or "20 tau".
///
/// # Errors
/// As [`parse`], and a time that is not positive.
pub fn parse_device_time(text: &str) -> Result<DeviceTime> {
    let expected = "a positive device time, e.g. \"20 tau\" or \"2 us\"";
    let time = match split(text) {
        Some((number, "tau")) => DeviceTime::Tau(number),
        _ => DeviceTime::Seconds(parse(text, Dimension::Time)?),
    };
    let (DeviceTime::Seconds(value) | DeviceTime::Tau(value)) = time;
    if value > 0.0 && value.is_finite() {
        Ok(time)
    } else {
        Err(Error::invalid("", format!("\"{text}\""), expected))
    }
}

/// "1.59 nJ" for 1.59e-9 and "J"; three significant digits.
pub fn format_si(value: f64, unit: &str) -> String {
    format_digits(value, unit, 3)
}

/// The same with so many digits.
pub fn format_digits(value: f64, unit: &str, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value} {unit}");
    }
    let mut best = ("", 1.0);
    for &(prefix, factor) in PREFIXES {
        if prefix != "µ"
            && value.abs() >= factor * 0.9995
            && (factor > best.1 || value.abs() < best.1)
        {
            best = (prefix, factor);
        }
    }
    let scaled = value / best.1;
    let before = 1 + usize::from(scaled.abs() >= 10.0) + usize::from(scaled.abs() >= 100.0);
    let after = digits.saturating_sub(before);
    format!("{scaled:.after$} {}{unit}", best.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_by_prefix_and_unit() {
        assert_eq!(
            parse("10 fF", Dimension::Capacitance).unwrap(),
            10.0 * 1e-15
        );
        assert_eq!(parse("350aJ", Dimension::Energy).unwrap(), 350.0 * 1e-18);
        assert_eq!(parse("1e-3 V", Dimension::Voltage).unwrap(), 1e-3);
        assert_eq!(parse("20 MHz", Dimension::Frequency).unwrap(), 20e6);
        assert_eq!(parse("5 %", Dimension::Number).unwrap(), 0.05);
        assert_eq!(parse("2 m", Dimension::Time).ok(), None);
        assert_eq!(parse_device_time("0.6 tau").unwrap(), DeviceTime::Tau(0.6));
    }

    #[test]
    fn errors_say_what_was_found() {
        let message = |text, d| parse(text, d).unwrap_err().to_string();
        assert!(message("10 fF", Dimension::Time).contains("fF is a capacitance"));
        assert!(message("10", Dimension::Time).contains("a unit is missing"));
        assert!(message("10 parsec", Dimension::Time).contains("not a unit known"));
        assert!(
            parse_device_time("-1 tau")
                .unwrap_err()
                .to_string()
                .contains("positive")
        );
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(format_si(1.59e-9, "J"), "1.59 nJ");
        assert_eq!(format_si(2e-5, "s"), "20.0 us");
        assert_eq!(format_si(0.02036, "V"), "20.4 mV");
        assert_eq!(format_si(3.5, "s"), "3.50 s");
    }
}
