//! The two floating-point types of the engine, and the few functions of one variable that the kernels need.
//!
//! Everything is built from add, multiply, divide, sqrt, integer operations and explicit fused multiply-add, in one
//! order, so the bits are the same at every SIMD width.

use std::f64::consts::{LN_2, LOG2_E};
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
    /// |self| limited to `limit`, sign kept; NaN stays NaN.
    fn clamp_abs(self, limit: Self) -> Self;
    /// Uniform on (0, 1] (`f32`: multiples of 2⁻³² rounded; `f64`: 53 bits) from `WORDS` words.
    fn uniform(words: [u32; 2]) -> Self;
    /// A quarter turn's fraction in (−½, ½) from the low 30 bits of the first word (and the second word, for `f64`).
    fn quarter_turn(words: [u32; 2]) -> Self;
    /// (m, e) with self = m·2ᵉ, m in [√½, √2).
    fn split_exponent(self) -> (Self, Self);
    /// 1.5·2ᵇ, b the bits of the mantissa: k + this has the integer k in its low bits, for |k| < 2²⁰.
    const SHIFTER: Self;
    /// self·2ᵏ for k in the normal range, given as k + [`Self::SHIFTER`]: no conversion, which would saturate lane by lane.
    fn scale_exponent(self, shifted: Self) -> Self;
    /// The sign bit flipped where the top bit of `word` is set.
    fn flip_sign(self, word: u32) -> Self;
    /// Terms kept of the Taylor series of (sin, exp).
    const TERMS: (usize, usize);
    /// 2 artanh(s)/s in powers of s², |s| ≤ (√2 − 1)/(√2 + 1), and sin(πq/2)/q and cos(πq/2) in powers of q², |q| ≤ ½: least
    /// largest relative error (Remez), a tenth of a rounding.
    const LOG: &'static [f64];
    /// See [`Self::LOG`].
    const SINE: &'static [f64];
    /// See [`Self::LOG`].
    const COSINE: &'static [f64];

    /// ln x for positive normal x: x = m·2ᵉ, ln m = 2 artanh((m − 1)/(m + 1)).
    #[inline(always)]
    fn ln(self) -> Self {
        let (m, e) = self.split_exponent();
        let s = (m - Self::ONE) / (m + Self::ONE);
        e.fma(Self::from_f64(LN_2), s * series(s * s, Self::LOG))
    }

    /// The nearest integer, for |self| < 2²⁰.
    #[inline(always)]
    fn nearest(self) -> Self {
        (self + Self::SHIFTER) - Self::SHIFTER
    }

    /// eˣ, x limited to ±80.
    #[inline(always)]
    fn exp(self) -> Self {
        let x = self.clamp_abs(Self::from_f64(80.0));
        let shifted = x.fma(Self::from_f64(LOG2_E), Self::SHIFTER);
        let k = shifted - Self::SHIFTER;
        // ln 2 in two parts, so that the remainder keeps its low bits.
        const HIGH: f64 = 0.693_145_751_953_125;
        let r = (-k).fma(
            Self::from_f64(LN_2 - HIGH),
            (-k).fma(Self::from_f64(HIGH), x),
        );
        series(r, &EXP[..=Self::TERMS.1]).scale_exponent(shifted)
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
        // The series of 2 artanh(y/(2 + y)) needs y below √2 − 1.
        let small = y < Self::from_f64(0.4);
        let log = if small {
            s * series(s * s, Self::LOG)
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
        let sum = series(r * r, &SIN[..=Self::TERMS.0]);
        let half = Self::from_f64(0.5);
        let parity = k - (Self::ONE + Self::ONE) * (k * half).nearest();
        let sign = Self::ONE - (Self::ONE + Self::ONE) * parity * parity;
        sign * r * sum
    }

    /// Two independent standard normals: Box–Muller, √(−2 ln u) (cos θ, sin θ), with the angle's quadrant from the top two
    /// bits: they flip the radius and swap the pair, θ = πq/2 being symmetric about zero.
    #[inline(always)]
    fn normal_pair(radius: [u32; 2], angle: [u32; 2]) -> (Self, Self) {
        let (m, e) = Self::uniform(radius).split_exponent();
        let s = (m - Self::ONE) / (m + Self::ONE);
        let low = s * (series(s * s, Self::LOG) * Self::from_f64(-2.0));
        let r = e
            .fma(Self::from_f64(-2.0 * LN_2), low)
            .sqrt()
            .flip_sign(angle[0]);
        let q = Self::quarter_turn(angle);
        let square = q * q;
        let c = series(square, Self::COSINE) * r;
        let s = series(square, Self::SINE) * q * r;
        if angle[0] & 0x4000_0000 != 0 {
            (s, c)
        } else {
            (c, s)
        }
    }
}

/// c_0 + c_1 x + c_2 x² + …, by Horner's rule.
#[inline(always)]
fn series<R: Real>(x: R, c: &[f64]) -> R {
    let mut k = c.len() - 1;
    let mut sum = R::from_f64(c[k]);
    while k > 0 {
        k -= 1;
        sum = sum.fma(x, R::from_f64(c[k]));
    }
    sum
}

/// 1/n!.
const EXP: [f64; 14] = {
    let (mut c, mut n) = ([1.0; 14], 1);
    while n < 14 {
        c[n] = c[n - 1] / n as f64;
        n += 1;
    }
    c
};

/// (−1)ⁿ/(2n + 1)!.
const SIN: [f64; 12] = {
    let (mut c, mut n) = ([1.0; 12], 1);
    while n < 12 {
        c[n] = -c[n - 1] / ((2 * n) * (2 * n + 1)) as f64;
        n += 1;
    }
    c
};

impl Real for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const WORDS: usize = 1;
    const TERMS: (usize, usize) = (6, 6);
    const LOG: &'static [f64] = &[
        1.999_999_998_621_330_5,
        0.666_668_159_508_480_1,
        0.399_747_949_249_779_24,
        0.299_256_507_042_451_2,
    ];
    const SINE: &'static [f64] = &[
        1.570_796_321_708_349_3,
        -0.645_963_460_233_239_4,
        0.079_680_032_768_926_64,
        -0.004_601_657_888_246_769,
    ];
    const COSINE: &'static [f64] = &[
        1.0,
        -1.233_700_539_564_751_4,
        0.253_669_182_595_832_16,
        -0.020_859_936_026_442_64,
        0.000_903_362_973_111_499_6,
    ];

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
        let low = if self < -limit { -limit } else { self };
        if limit < low { limit } else { low }
    }
    #[inline(always)]
    fn flip_sign(self, word: u32) -> Self {
        f32::from_bits(self.to_bits() ^ word & 0x8000_0000)
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
    const SHIFTER: Self = 12_582_912.0;
    #[inline(always)]
    fn scale_exponent(self, shifted: Self) -> Self {
        f32::from_bits(self.to_bits().wrapping_add(shifted.to_bits() << 23))
    }
}

impl Real for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const WORDS: usize = 2;
    const TERMS: (usize, usize) = (11, 13);
    const LOG: &'static [f64] = &[
        2.0,
        0.666_666_666_666_676_5,
        0.399_999_999_992_988_8,
        0.285_714_287_613_466_04,
        0.222_221_969_882_504_52,
        0.181_836_350_941_931_54,
        0.153_124_437_568_964_2,
        0.148_105_298_363_403_1,
    ];
    const SINE: &'static [f64] = &[
        std::f64::consts::FRAC_PI_2,
        -0.645_964_097_506_244_2,
        0.079_692_626_246_039_56,
        -0.004_681_754_132_282_42,
        0.000_160_441_150_291_664_3,
        -3.598_641_754_487_234e-6,
        5.633_721_016_484_004e-8,
    ];
    const COSINE: &'static [f64] = &[
        1.0,
        -1.233_700_550_136_169_8,
        0.253_669_507_901_046_6,
        -0.020_863_480_763_308_003,
        0.000_919_260_274_146_770_1,
        -0.000_025_202_036_558_203_7,
        4.710_603_581_149_426e-7,
        -6.320_557_322_387_472e-9,
    ];

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
        let low = if self < -limit { -limit } else { self };
        if limit < low { limit } else { low }
    }
    #[inline(always)]
    fn flip_sign(self, word: u32) -> Self {
        f64::from_bits(self.to_bits() ^ u64::from(word & 0x8000_0000) << 32)
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
    const SHIFTER: Self = 6_755_399_441_055_744.0;
    #[inline(always)]
    fn scale_exponent(self, shifted: Self) -> Self {
        f64::from_bits(self.to_bits().wrapping_add(shifted.to_bits() << 52))
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

    /// Every pair is √(−2 ln u) (cos θ, sin θ) of its own u and θ, to a few roundings; a coefficient 1e-6 off is not.
    #[test]
    fn normal_pairs_are_box_mullers() {
        fn worst<R: Real>(off: f64) -> f64 {
            let mut worst: f64 = 0.0;
            for k in 0..20_000u32 {
                let hash = |n: u32| k.wrapping_mul(0x9E37_79B9).rotate_left(n) ^ n;
                let (radius, angle) = ([hash(7), hash(11)], [hash(13), hash(19)]);
                let u = R::uniform(radius).to_f64();
                let theta = R::quarter_turn(angle).to_f64() * std::f64::consts::FRAC_PI_2;
                let flip = if angle[0] >> 31 == 1 { -1.0 } else { 1.0 };
                let r = flip * (-2.0 * u.ln()).sqrt() * (1.0 + off);
                let (s, c) = (r * theta.sin(), r * theta.cos());
                let exact = if angle[0] & 0x4000_0000 != 0 {
                    (s, c)
                } else {
                    (c, s)
                };
                let (a, b) = R::normal_pair(radius, angle);
                let error = (a.to_f64() - exact.0).hypot(b.to_f64() - exact.1);
                worst = worst.max(error / r.abs().max(0.01));
            }
            worst
        }
        assert!(worst::<f64>(0.0) < 2e-15, "{:e}", worst::<f64>(0.0));
        assert!(worst::<f32>(0.0) < 5e-7, "{:e}", worst::<f32>(0.0));
        assert!(worst::<f64>(1e-6) > 2e-15 && worst::<f32>(1e-6) > 5e-7);
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
