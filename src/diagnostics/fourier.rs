//! The discrete Fourier transform X_k = Σ_t x_t e^{−2πikt/n} of a power-of-two length, by Cooley and Tukey's radix-2 scheme.
//!
//! Written here rather than taken from a library so that the bits do not depend on the instruction set of the machine.

use std::f64::consts::TAU;

/// A transform of one length: its roots of unity and its permutation are computed once.
#[derive(Clone, Debug)]
pub(super) struct Fourier {
    /// e^{−2πik/n}, k < n/2.
    roots: Vec<(f64, f64)>,
    reversed: Vec<u32>,
}

impl Fourier {
    /// Of length `n`, a power of two.
    pub(super) fn new(n: usize) -> Self {
        debug_assert!(n.is_power_of_two());
        let bits = n.trailing_zeros();
        Fourier {
            roots: (0..n / 2)
                .map(|k| {
                    let (s, c) = (TAU * k as f64 / n as f64).sin_cos();
                    (c, -s)
                })
                .collect(),
            reversed: (0..n as u32)
                .map(|k| {
                    if bits == 0 {
                        0
                    } else {
                        k.reverse_bits() >> (32 - bits)
                    }
                })
                .collect(),
        }
    }

    /// Transforms in place.
    pub(super) fn forward(&self, re: &mut [f64], im: &mut [f64]) {
        let n = self.reversed.len();
        for (k, &r) in self.reversed.iter().enumerate() {
            let r = r as usize;
            if k < r {
                re.swap(k, r);
                im.swap(k, r);
            }
        }
        let mut half = 1;
        while half < n {
            let stride = n / (2 * half);
            let blocks = re.chunks_mut(2 * half).zip(im.chunks_mut(2 * half));
            for (re, im) in blocks {
                let (re0, re1) = re.split_at_mut(half);
                let (im0, im1) = im.split_at_mut(half);
                for k in 0..half {
                    let (c, s) = self.roots[k * stride];
                    let (a, b) = (re1[k] * c - im1[k] * s, re1[k] * s + im1[k] * c);
                    (re1[k], im1[k]) = (re0[k] - a, im0[k] - b);
                    (re0[k], im0[k]) = (re0[k] + a, im0[k] + b);
                }
            }
            half *= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the defining sum.
    #[test]
    fn the_transform_is_the_defining_sum() {
        for n in [1usize, 2, 8, 64] {
            let x: Vec<(f64, f64)> = (0..n)
                .map(|t| ((t as f64 * 0.7).sin(), (t * t % 7) as f64))
                .collect();
            let (mut re, mut im): (Vec<f64>, Vec<f64>) = x.iter().copied().unzip();
            Fourier::new(n).forward(&mut re, &mut im);
            for k in 0..n {
                let (mut a, mut b) = (0.0, 0.0);
                for (t, (p, q)) in x.iter().enumerate() {
                    let (s, c) = (-TAU * (k * t) as f64 / n as f64).sin_cos();
                    a += p * c - q * s;
                    b += p * s + q * c;
                }
                assert!((re[k] - a).abs() < 1e-11 && (im[k] - b).abs() < 1e-11);
            }
        }
    }
}
