//! Through the activation, layer by layer: values and derivatives along a direction forward, adjoints backward.
//!
//! z = φ(a), z′ = φ′a′, z″ = φ″a′² + φ′a″. Loops over whole matrices, by the best instruction set that the processor has:
//! some 16 operations and a division per tanh.

use super::activation::{Activation, NetworkReal};
use crate::simd::{Kernel, dispatch};
use nalgebra::DMatrix;

struct Value<'a, R>(&'a mut [R]);

impl<R: NetworkReal> Kernel for Value<'_, R> {
    #[inline(always)]
    fn run(self) {
        for z in self.0 {
            *z = Activation::value(*z);
        }
    }
}

/// φ of every entry, in place.
pub(super) fn activate<R: NetworkReal>(z: &mut DMatrix<R>) {
    dispatch(Value(z.as_mut_slice()));
}

struct Slope<'a, R>(&'a [R], &'a mut [R]);

impl<R: NetworkReal> Kernel for Slope<'_, R> {
    #[inline(always)]
    fn run(self) {
        for (bar, &z) in self.1.iter_mut().zip(self.0) {
            *bar *= R::one() - z * z;
        }
    }
}

/// Multiplies the adjoint of z by φ′ at z: it becomes the adjoint of a.
pub(super) fn times_slope<R: NetworkReal>(z: &DMatrix<R>, bar: &mut DMatrix<R>) {
    dispatch(Slope(z.as_slice(), bar.as_mut_slice()));
}

struct Forward<'a, R>(&'a [DMatrix<R>], &'a mut [DMatrix<R>]);

impl<R: NetworkReal> Kernel for Forward<'_, R> {
    #[inline(always)]
    fn run(self) {
        let a = |k: usize| self.0[k].as_slice();
        match self.1 {
            [z0] => {
                for (z0, &a0) in z0.as_mut_slice().iter_mut().zip(a(0)) {
                    *z0 = Activation::value(a0);
                }
            }
            [z0, z1] => {
                let z = z0.as_mut_slice().iter_mut().zip(z1.as_mut_slice());
                for ((z0, z1), (&a0, &a1)) in z.zip(a(0).iter().zip(a(1))) {
                    let f = Activation::at(a0);
                    *z0 = f.value;
                    *z1 = f.first * a1;
                }
            }
            [z0, z1, z2] => {
                let z = z0.as_mut_slice().iter_mut().zip(z1.as_mut_slice());
                let z = z.zip(z2.as_mut_slice());
                let a = a(0).iter().zip(a(1)).zip(a(2));
                for (((z0, z1), z2), ((&a0, &a1), &a2)) in z.zip(a) {
                    let f = Activation::at(a0);
                    *z0 = f.value;
                    *z1 = f.first * a1;
                    *z2 = f.second * a1 * a1 + f.first * a2;
                }
            }
            _ => {}
        }
    }
}

/// (z, z′, z″) of pre-activations (a, a′, a″), as far as there are any.
pub(super) fn forward<R: NetworkReal>(a: &[DMatrix<R>]) -> Vec<DMatrix<R>> {
    let blank = |a: &DMatrix<R>| DMatrix::zeros(a.nrows(), a.ncols());
    let mut z: Vec<_> = a.iter().map(blank).collect();
    dispatch(Forward(a, &mut z));
    z
}

struct Backward<'a, R>(&'a [DMatrix<R>], &'a mut [DMatrix<R>]);

impl<R: NetworkReal> Kernel for Backward<'_, R> {
    #[inline(always)]
    fn run(self) {
        let two = R::of(2.0);
        let a = |k: usize| self.0[k].as_slice();
        match self.1 {
            [b0] => {
                for (b0, &a0) in b0.as_mut_slice().iter_mut().zip(a(0)) {
                    *b0 *= Activation::at(a0).first;
                }
            }
            [b0, b1] => {
                let b = b0.as_mut_slice().iter_mut().zip(b1.as_mut_slice());
                for ((b0, b1), (&a0, &a1)) in b.zip(a(0).iter().zip(a(1))) {
                    let f = Activation::at(a0);
                    *b0 = f.first * *b0 + f.second * a1 * *b1;
                    *b1 *= f.first;
                }
            }
            [b0, b1, b2] => {
                let b = b0.as_mut_slice().iter_mut().zip(b1.as_mut_slice());
                let b = b.zip(b2.as_mut_slice());
                let a = a(0).iter().zip(a(1)).zip(a(2));
                for (((b0, b1), b2), ((&a0, &a1), &a2)) in b.zip(a) {
                    let f = Activation::at(a0);
                    *b0 = f.first * *b0
                        + f.second * a1 * *b1
                        + (f.third * a1 * a1 + f.second * a2) * *b2;
                    *b1 = f.first * *b1 + two * f.second * a1 * *b2;
                    *b2 *= f.first;
                }
            }
            _ => {}
        }
    }
}

/// Adjoints of (z, z′, z″) become adjoints of (a, a′, a″).
pub(super) fn backward<R: NetworkReal>(a: &[DMatrix<R>], bars: &mut [DMatrix<R>]) {
    dispatch(Backward(a, bars));
}
