//! Offsets that wander after calibration: a Wiener process W(t) per element, ⟨W²⟩ = t, times the card's drift.
//!
//! W is a pure function of (die seed, element, t): Lévy's construction, midpoints of midpoints between 0 and 2³² s, each with
//! the bridge's variance (b − a)/4, down to 2⁻⁸ s and straight below. So two ages of one die are two points of one path.

use super::die::Die;

/// Property of an element that its path's numbers belong to.
const DRIFT: u64 = 16;
/// log₂ of the longest age, in seconds: 136 years.
const LONGEST: i32 = 32;
/// Bisections.
const LEVELS: u32 = 40;

/// W of `element` after `age` seconds, in √s; ages beyond 2³² s stay there.
pub(super) fn wiener(die: &Die, element: u64, age: f64) -> f64 {
    let end = 2f64.powi(LONGEST);
    let age = age.clamp(0.0, end);
    if age == 0.0 {
        return 0.0;
    }
    // The normal of one midpoint: properties are told apart by where it lies, elements by themselves.
    let normal = |level: u32, index: u64| {
        die.deviate(
            DRIFT + ((u64::from(level) + 1) << 8) + (index << 16),
            element,
        )
    };
    let (mut a, mut b) = (0.0, end);
    let (mut at_a, mut at_b) = (0.0, end.sqrt() * normal(0, 0));
    let mut index = 0u64;
    for level in 1..=LEVELS {
        let middle = 0.5 * (a + b);
        let at_middle = 0.5 * (at_a + at_b) + 0.5 * (b - a).sqrt() * normal(level, index);
        if age < middle {
            (b, at_b) = (middle, at_middle);
            index *= 2;
        } else {
            (a, at_a) = (middle, at_middle);
            index = 2 * index + 1;
        }
    }
    at_a + (at_b - at_a) * (age - a) / (b - a)
}
