//! Drawing spins: u ≤ ρ σ(2I), tested as u + u·2^y ≤ ρ with y = −2I log₂e (ρ = 1 for Gibbs).
//!
//! No division, and the logarithm to base two makes the exponential a rounding, a polynomial in the rest and an addition
//! to the exponent: 15 operations for `f32`, beside two for the test. The probability is off by less than 5e-8 in `f32`.

use super::LANES;
use super::lanes::Collect;
use super::real::Real;
use super::tile::Row;
use std::f64::consts::{LN_2, LOG2_E};

/// What turns an input I into y.
pub(super) const INPUT_TO_EXPONENT: f64 = -2.0 * LOG2_E;

/// Coefficients of 2^r up to `degree` for |r| ≤ ½: Taylor's, whose first omitted term c rⁿ is replaced by what a Chebyshev
/// polynomial leaves of it, c (rⁿ − T_n(2r)/2^(2n − 1)), so that the largest error shrinks by 2^(n − 1) at no cost.
const fn powers(degree: usize) -> [f64; 16] {
    let n = degree + 1;
    let mut powers = [0.0; 16];
    let (mut k, mut term) = (0, 1.0);
    while k < n {
        powers[k] = term;
        k += 1;
        term *= LN_2 / k as f64;
    }
    // T_n by its recurrence T_k+1 = 2x T_k − T_k−1.
    let (mut before, mut now) = ([0.0; 16], [0.0; 16]);
    (before[0], now[1]) = (1.0, 1.0);
    let mut order = 1;
    while order < n {
        let mut next = [0.0; 16];
        next[0] = -before[0];
        let mut k = 1;
        while k < 16 {
            next[k] = 2.0 * now[k - 1] - before[k];
            k += 1;
        }
        (before, now) = (now, next);
        order += 1;
    }
    let (mut k, mut scale) = (0, term / (1u64 << (2 * n - 1)) as f64);
    while k < n {
        powers[k] -= scale * now[k];
        scale *= 2.0;
        k += 1;
    }
    powers
}

/// Off by 2e-9.
const SINGLE: (usize, [f64; 16]) = (6, powers(6));
/// Off by 3e-18.
const DOUBLE: (usize, [f64; 16]) = (11, powers(11));

/// Where exponents end.
pub(super) const MOST: f64 = 120.0;

/// 2^y, y limited to ±[`MOST`]: below 2^-33, the least uniform number, nothing changes any more.
#[inline(always)]
pub(super) fn power_of_two<R: Real>(y: R) -> R {
    limited_power_of_two(y.clamp_abs(R::from_f64(MOST)))
}

/// 2^y for |y| ≤ [`MOST`].
#[inline(always)]
fn limited_power_of_two<R: Real>(y: R) -> R {
    let shifted = y + R::SHIFTER;
    let r = y - (shifted - R::SHIFTER);
    let (degree, powers) = if R::WORDS == 1 { SINGLE } else { DOUBLE };
    let mut sum = R::from_f64(powers[degree]);
    for n in (0..degree).rev() {
        sum = sum.fma(r, R::from_f64(powers[n]));
    }
    sum.scale_exponent(shifted)
}

/// Whether a spin of exponent `y` is up for the uniform number `u`, at ρ = 1.
#[inline(always)]
pub(super) fn is_up<R: Real>(u: R, y: R) -> bool {
    u.fma(power_of_two(y), u) <= R::ONE
}

/// Spins drawn from P(+1) = σ(2I). `WITHIN`: no exponent is beyond ±[`MOST`], so none needs limiting (a thirtieth of a
/// Gibbs update).
#[inline(always)]
pub(super) fn draw<const WITHIN: bool, R: Real, C: Collect>(
    collect: C,
    y: &Row<R>,
    words: &[[u32; LANES]; 2],
) -> u32 {
    let mut up = [0; LANES];
    for lane in 0..LANES {
        let u = R::uniform([words[0][lane], words[1][lane]]);
        let is_up = if WITHIN {
            u.fma(limited_power_of_two(y[lane]), u) <= R::ONE
        } else {
            is_up(u, y[lane])
        };
        up[lane] = if is_up { u32::MAX } else { 0 };
    }
    collect.bits(&up)
}

/// With probability `refresh(lane)` a spin is drawn anew from P(+1) = σ(2I), else kept: one uniform number decides both.
#[inline(always)]
pub(super) fn redraw<R: Real, C: Collect>(
    collect: C,
    refresh: impl Fn(usize) -> R,
    y: &Row<R>,
    words: &[[u32; LANES]; 2],
    kept: u32,
) -> u32 {
    let (mut up, mut drawn) = ([0; LANES], [0; LANES]);
    for lane in 0..LANES {
        let u = R::uniform([words[0][lane], words[1][lane]]);
        let (scaled, refresh) = (u.fma(power_of_two(y[lane]), u), refresh(lane));
        up[lane] = if scaled <= refresh { u32::MAX } else { 0 };
        drawn[lane] = if u <= refresh { u32::MAX } else { 0 };
    }
    // What is up is drawn: u + u·2^y ≤ ρ implies u ≤ ρ.
    collect.bits(&up) | (kept & !collect.bits(&drawn))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_agree_with_the_library() {
        for k in -4000..4000 {
            let y = f64::from(k) * 0.029;
            assert!((power_of_two(y) / y.exp2() - 1.0).abs() < 5e-16, "{y}");
            let f = y as f32;
            let relative = f64::from(power_of_two(f)) / f64::from(f).exp2() - 1.0;
            assert!(relative.abs() < 1e-7, "{f}: {relative}");
        }
        assert!(power_of_two(-1e9f32) > 0.0 && power_of_two(1e9f32).is_finite());
    }
}
