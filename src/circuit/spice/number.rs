//! Numbers with SPICE's suffixes.

/// What a number was and whether its suffix is a likely slip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Number {
    pub value: f64,
    /// A capital M: milli in SPICE, mega for most people.
    pub capital_m: bool,
}

/// 10k, 1.5meg, 3pF, 2e-3; letters after the suffix are units and are ignored, as in SPICE.
pub(super) fn parse(text: &str) -> Option<Number> {
    let bytes = text.as_bytes();
    let mut end = 0;
    while end < bytes.len() {
        let c = bytes[end];
        let sign = matches!(c, b'+' | b'-') && (end == 0 || matches!(bytes[end - 1], b'e' | b'E'));
        let exponent = matches!(c, b'e' | b'E')
            && end > 0
            && bytes.get(end + 1).is_some_and(|d| {
                d.is_ascii_digit()
                    || matches!(d, b'+' | b'-')
                        && bytes.get(end + 2).is_some_and(u8::is_ascii_digit)
            });
        if !(c.is_ascii_digit() || c == b'.' || sign || exponent) {
            break;
        }
        end += 1;
    }
    let number: f64 = text[..end].parse().ok()?;
    let rest = &text[end..];
    if !rest.chars().all(|c| c.is_ascii_alphabetic()) {
        return None;
    }
    let lower = rest.to_ascii_lowercase();
    let factor = if lower.starts_with("meg") {
        1e6
    } else if lower.starts_with("mil") {
        25.4e-6
    } else {
        match lower.chars().next() {
            Some('t') => 1e12,
            Some('g') => 1e9,
            Some('k') => 1e3,
            Some('m') => 1e-3,
            Some('u') => 1e-6,
            Some('n') => 1e-9,
            Some('p') => 1e-12,
            Some('f') => 1e-15,
            Some('a') => 1e-18,
            _ => 1.0,
        }
    };
    let value = number * factor;
    value.is_finite().then_some(Number {
        value,
        capital_m: rest.starts_with('M') && factor == 1e-3,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_are_spices() {
        for (text, value) in [
            ("10k", 1e4),
            ("1.5meg", 1.5e6),
            ("1.5MEGohm", 1.5e6),
            ("3pF", 3e-12),
            ("2e-3", 2e-3),
            ("-4.7u", -4.7e-6),
            ("1M", 1e-3),
            ("100", 100.0),
            ("1mil", 25.4e-6),
            ("5V", 5.0),
            ("1e3k", 1e6),
            ("10fF", 1e-14),
        ] {
            let got = parse(text).unwrap().value;
            assert!((got / value - 1.0).abs() < 1e-12, "{text}: {got}");
        }
        assert!(parse("1M").unwrap().capital_m && !parse("1m").unwrap().capital_m);
        assert!(!parse("1Meg").unwrap().capital_m);
        for text in ["", "k", "1k5", "--1", "1e999", "nan", "1..2"] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
