//! The two floating-point types of the engine, and the few functions of one variable that the kernels need.
//!
//! Everything is built from add, multiply, divide, sqrt, integer operations and explicit fused multiply-add, in one
//! order, so the bits are the same at every SIMD width.

use std::f64::consts::{FRAC_PI_2, LN_2, LOG2_E};
use std::fmt::Debug;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// `f32` (speed) or `f64` (reference).
pub trait Real:
    Copy
    + Debug
    + Default
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// 32-bit words that make one uniform number.
    const WORDS: usize;
    /// Rounds to this type.
    fn from_f64(value: f64) -> Self;
    /// Widens.
    fn to_f64(self) -> f64;
    /// self·a + b, rounded once.
    fn fma(self, a: Self, b: Self) -> Self;
    /// √self.
    fn sqrt(self) -> Self;
    /// |self| limited to `limit`, sign kept.
    fn clamp_abs(self, limit: Self) -> Self;
    /// Uniform on (0, 1] (`f32`: multiples of 2⁻³² rounded; `f64`: 53 bits) from `WORDS` words.
    fn uniform(words: [u32; 2]) -> Self;
    /// A quarter turn's fraction in (−½, ½) from the low 30 bits of the first word (and the second word, for `f64`).
    fn quarter_turn(words: [u32; 2]) -> Self;
    /// (m, e) with self = m·2ᵉ, m in [√½, √2).
    fn split_exponent(self) -> (Self, Self);
    /// self·2ᵏ for integral k in the normal range.
    fn scale_exponent(self, k: Self) -> Self;
    /// The nearest integer, for |self| < 2²⁰.
    fn nearest(self) -> Self;
    /// Terms kept of the series for (artanh, sin and cos, exp).
    const TERMS: (usize, usize, usize);

    /// ln x for positive normal x: x = m·2ᵉ, ln m = 2 artanh((m − 1)/(m + 1)).
    #[inline(always)]
    fn ln(self) -> Self {
        let (m, e) = self.split_exponent();
        let s = (m - Self::ONE) / (m + Self::ONE);
        let square = s * s;
        let mut sum = Self::from_f64(1.0 / (2 * Self::TERMS.0 + 1) as f64);
        let mut k = Self::TERMS.0;
        while k > 0 {
            k -= 1;
            sum = sum.fma(square, Self::from_f64(1.0 / (2 * k + 1) as f64));
        }
        e.fma(Self::from_f64(LN_2), (s + s) * sum)
    }

    /// eˣ, x limited to ±80.
    #[inline(always)]
    fn exp(self) -> Self {
        let x = self.clamp_abs(Self::from_f64(80.0));
        let k = (x * Self::from_f64(LOG2_E)).nearest();
        // ln 2 in two parts, so that the remainder keeps its low bits.
        const HIGH: f64 = 0.693_145_751_953_125;
        let r = (-k).fma(
            Self::from_f64(LN_2 - HIGH),
            (-k).fma(Self::from_f64(HIGH), x),
        );
        let mut sum = Self::ONE;
        let mut n = Self::TERMS.2;
        while n > 0 {
            sum = (r * Self::from_f64(1.0 / n as f64)).fma(sum, Self::ONE);
            n -= 1;
        }
        sum.scale_exponent(k)
    }

    /// σ(x) = 1/(1 + e⁻ˣ).
    #[inline(always)]
    fn logistic(self) -> Self {
        Self::ONE / (Self::ONE + (-self).exp())
    }

    /// tanh x, to an absolute error of one rounding.
    #[inline(always)]
    fn tanh(self) -> Self {
        let two = Self::ONE + Self::ONE;
        Self::ONE - two / ((two * self).exp() + Self::ONE)
    }

    /// ln(1 + eˣ), to a relative error of a few roundings however negative x is (above −80).
    #[inline(always)]
    fn softplus(self) -> Self {
        let positive = self > Self::ZERO;
        let y = (if positive { -self } else { self }).exp();
        let s = y / (Self::ONE + Self::ONE + y);
        let square = s * s;
        let mut sum = Self::from_f64(1.0 / (2 * Self::TERMS.0 + 1) as f64);
        let mut k = Self::TERMS.0;
        while k > 0 {
            k -= 1;
            sum = sum.fma(square, Self::from_f64(1.0 / (2 * k + 1) as f64));
        }
        // The series of 2 artanh(y/(2 + y)) needs y below √2 − 1.
        let small = y < Self::from_f64(0.4);
        let log = if small {
            (s + s) * sum
        } else {
            (Self::ONE + y).ln()
        };
        if positive { self + log } else { log }
    }

    /// sin x, for |x| < 2²⁰.
    #[inline(always)]
    fn sin(self) -> Self {
        let k = (self * Self::from_f64(std::f64::consts::FRAC_1_PI)).nearest();
        // π in two parts, the first short enough for k times it to be exact.
        const HIGH: f64 = 3.140_625;
        let r = (-k).fma(
            Self::from_f64(std::f64::consts::PI - HIGH),
            (-k).fma(Self::from_f64(HIGH), self),
        );
        let square = r * r;
        let mut sum = Self::ONE;
        let mut n = Self::TERMS.1 + 2;
        while n > 0 {
            let (two_n, odd) = ((2 * n) as f64, (2 * n + 1) as f64);
            sum = (-square * Self::from_f64(1.0 / (two_n * odd))).fma(sum, Self::ONE);
            n -= 1;
        }
        let half = Self::from_f64(0.5);
        let parity = k - (Self::ONE + Self::ONE) * (k * half).nearest();
        let sign = Self::ONE - (Self::ONE + Self::ONE) * parity * parity;
        sign * r * sum
    }

    /// Two independent standard normals: Box–Muller, with the angle's quadrant from the top two bits.
    #[inline(always)]
    fn normal_pair(radius: [u32; 2], angle: [u32; 2]) -> (Self, Self) {
        let log = Self::uniform(radius).ln();
        let r = (-(log + log)).sqrt();
        let theta = Self::quarter_turn(angle) * Self::from_f64(FRAC_PI_2);
        let square = theta * theta;
        let (mut s, mut c) = (Self::ONE, Self::ONE);
        let mut k = Self::TERMS.1;
        while k > 0 {
            let (two_k, odd) = ((2 * k) as f64, (2 * k + 1) as f64);
            s = (-square * Self::from_f64(1.0 / (two_k * odd))).fma(s, Self::ONE);
            c = (-square * Self::from_f64(1.0 / (two_k * (two_k - 1.0)))).fma(c, Self::ONE);
            k -= 1;
        }
        s = s * theta;
        // (c, s), (s, c) and their negatives cover the circle, θ being symmetric about zero.
        let swap = angle[0] & 0x4000_0000 != 0;
        let signed = if angle[0] & 0x8000_0000 != 0 { -r } else { r };
        let (a, b) = if swap { (s, c) } else { (c, s) };
        (a * signed, b * signed)
    }
}

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const WORDS: usize = 1;
    const TERMS: (usize, usize, usize) = (4, 5, 7);

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn clamp_abs(self, limit: Self) -> Self {
        self.max(-limit).min(limit)
    }
    #[inline(always)]
    fn uniform(words: [u32; 2]) -> Self {
        (words[0] as f32).mul_add(2.0f32.powi(-32), 2.0f32.powi(-33))
    }
    #[inline(always)]
    fn quarter_turn(words: [u32; 2]) -> Self {
        let signed = (words[0] << 2) as i32;
        (signed as f32).mul_add(2.0f32.powi(-32), 2.0f32.powi(-31))
    }
    #[inline(always)]
    fn split_exponent(self) -> (Self, Self) {
        // Subtracting the bits of √½ makes the exponent field that of the interval [√½, √2).
        const ROOT_HALF: u32 = 0x3f35_04f3;
        let shifted = self.to_bits().wrapping_sub(ROOT_HALF);
        let e = (shifted as i32) >> 23;
        let m = f32::from_bits((shifted & 0x007f_ffff).wrapping_add(ROOT_HALF));
        (m, e as f32)
    }
    #[inline(always)]
    fn scale_exponent(self, k: Self) -> Self {
        // The low bits of k + 1.5·2²³ are those of the integer; a cast that saturates would not vectorise.
        f32::from_bits(self.to_bits().wrapping_add((k + 12_582_912.0).to_bits() << 23))
    }
    #[inline(always)]
    fn nearest(self) -> Self {
        const MAGIC: f32 = 12_582_912.0; // 1.5·2²³: adding it rounds to an integer
        (self + MAGIC) - MAGIC
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const WORDS: usize = 2;
    const TERMS: (usize, usize, usize) = (10, 9, 13);

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
    #[inline(always)]
    fn fma(self, a: Self, b: Self) -> Self {
        self.mul_add(a, b)
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn clamp_abs(self, limit: Self) -> Self {
        self.max(-limit).min(limit)
    }
    #[inline(always)]
    fn uniform(words: [u32; 2]) -> Self {
        let high = f64::from(words[0]).mul_add(2.0f64.powi(-32), 2.0f64.powi(-54));
        f64::from(words[1] >> 11).mul_add(2.0f64.powi(-53), high)
    }
    #[inline(always)]
    fn quarter_turn(words: [u32; 2]) -> Self {
        let signed = (words[0] << 2) as i32;
        let low = f64::from(words[1]).mul_add(2.0f64.powi(-62), 2.0f64.powi(-63));
        f64::from(signed).mul_add(2.0f64.powi(-32), low)
    }
    #[inline(always)]
    fn split_exponent(self) -> (Self, Self) {
        const ROOT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
        let shifted = self.to_bits().wrapping_sub(ROOT_HALF);
        let e = (shifted as i64) >> 52;
        let m = f64::from_bits((shifted & 0x000f_ffff_ffff_ffff).wrapping_add(ROOT_HALF));
        (m, e as f64)
    }
    #[inline(always)]
    fn scale_exponent(self, k: Self) -> Self {
        let k = (k + 6_755_399_441_055_744.0).to_bits();
        f64::from_bits(self.to_bits().wrapping_add(k << 52))
    }
    #[inline(always)]
    fn nearest(self) -> Self {
        const MAGIC: f64 = 6_755_399_441_055_744.0; // 1.5·2⁵²
        (self + MAGIC) - MAGIC
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_and_exponential_agree_with_the_library() {
        for k in 1..4000 {
            let x = f64::from(k) * 1e-3;
            assert!(
                (Real::ln(x) - x.ln()).abs() < 4e-16 * (1.0 + x.ln().abs()),
                "{x}"
            );
            let f = x as f32;
            assert!(
                (Real::ln(f) - f.ln()).abs() < 2e-7 * (1.0 + f.ln().abs()),
                "{f}"
            );
            let y = f64::from(k - 2000) * 0.02;
            assert!((Real::exp(y) / y.exp() - 1.0).abs() < 2e-15, "{y}");
            let g = y as f32;
            assert!((Real::exp(g) / g.exp() - 1.0).abs() < 4e-7, "{g}");
        }
        assert!(Real::ln(2.0f32.powi(-33)) < -22.0);
    }

    /// The pair lies on the circle of radius √(−2 ln u), at an angle that runs over the whole turn.
    #[test]
    fn normal_pairs_cover_the_circle() {
        let mut angles = Vec::new();
        for k in 0..64u32 {
            let (a, b) = f64::normal_pair([0x8000_0000, 0], [(k << 26) | 0x0155_5555, 7]);
            let radius = (2.0 * 2f64.ln()).sqrt();
            assert!((a.hypot(b) - radius).abs() < 1e-9);
            angles.push(b.atan2(a).rem_euclid(std::f64::consts::TAU));
        }
        angles.sort_by(f64::total_cmp);
        let widest = angles.windows(2).map(|w| w[1] - w[0]).fold(0.0, f64::max);
        assert!(widest < 2.1 * std::f64::consts::TAU / 64.0, "{widest}");
    }
}
