//! tanh and its derivatives, φ′ = 1 − φ², φ″ = −2φφ′, φ‴ = −2φ′(1 − 3φ²): all polynomials of the value.

use nalgebra::RealField;

/// f32 (training) or f64 (reference).
pub trait NetworkReal: RealField + Copy {
    /// From f64.
    fn of(value: f64) -> Self;
    /// To f64.
    fn to_double(self) -> f64;
    /// tanh.
    fn hyperbolic_tangent(self) -> Self;
}

impl NetworkReal for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn to_double(self) -> f64 {
        self
    }

    fn hyperbolic_tangent(self) -> Self {
        f64::tanh(self)
    }
}

/// Numerator (odd) and denominator (even) of the rational minimax approximation of tanh on |x| ≤ 7.9 that Eigen uses.
const P: [f32; 7] = [
    4.893_525e-3,
    6.372_619_3e-4,
    1.485_722_4e-5,
    5.122_297e-8,
    -8.604_672e-11,
    2.000_188e-13,
    -2.760_768_5e-16,
];
const Q: [f32; 4] = [4.893_525e-3, 2.268_434_6e-3, 1.185_347_1e-4, 1.198_258_4e-6];

impl NetworkReal for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }

    fn to_double(self) -> f64 {
        f64::from(self)
    }

    /// Within 3e-7, without branches or library calls, so that loops over units become vector instructions.
    #[inline(always)]
    fn hyperbolic_tangent(self) -> Self {
        let x = self.clamp(-7.905_311, 7.905_311);
        let u = x * x;
        let p = P.iter().rev().fold(0.0, |sum, c| sum * u + c);
        let q = Q.iter().rev().fold(0.0, |sum, c| sum * u + c);
        x * p / q
    }
}

/// tanh and three derivatives at one point.
pub(super) struct Activation<R> {
    pub value: R,
    pub first: R,
    pub second: R,
    pub third: R,
}

impl<R: NetworkReal> Activation<R> {
    #[inline(always)]
    pub fn value(a: R) -> R {
        a.hyperbolic_tangent()
    }

    #[inline(always)]
    pub fn at(a: R) -> Self {
        let value = a.hyperbolic_tangent();
        let first = R::one() - value * value;
        let two = R::of(2.0);
        Activation {
            value,
            first,
            second: -two * value * first,
            third: -two * first * (R::one() - R::of(3.0) * value * value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_precision_tanh_is_tanh() {
        for k in -4000..=4000 {
            let x = f64::from(k) * 0.003;
            let error = f64::from((x as f32).hyperbolic_tangent()) - f64::from(x as f32).tanh();
            assert!(error.abs() < 3e-7, "at {x}: {error}");
        }
    }
}
