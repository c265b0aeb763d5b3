//! From decisions in lanes to the bits of a word: 32 comparisons become one `u32`.
//!
//! With AVX-512 the comparison's own mask registers are that word, which no plain loop compiles to (a tree of ORs takes
//! 0.4 of a Gibbs update's time); elsewhere five folds of ORs. Same bits either way.

use super::LANES;
use crate::simd::{Kernel, dispatch};

/// `BIT[lane]` = 2^lane.
pub(super) const BIT: [u32; LANES] = {
    let mut bit = [0; LANES];
    let mut lane = 0;
    while lane < LANES {
        bit[lane] = 1 << lane;
        lane += 1;
    }
    bit
};

/// How lanes are collected.
pub(super) trait Collect: Copy {
    /// The word whose bit k is the highest bit of `flags[k]`; flags are 0 or `u32::MAX`.
    fn bits(self, flags: &[u32; LANES]) -> u32;
    /// base + Σ value over the entries (spin, value) whose spin is up, lane by lane, modulo 2^32.
    #[inline(always)]
    fn masked_sum(self, base: i32, entries: &[(u32, i32)], levels: &[u32]) -> [i32; LANES] {
        let mut sum = [base; LANES];
        for &(j, value) in entries {
            let bits = levels[j as usize];
            for lane in 0..LANES {
                let up = bits & BIT[lane] != 0;
                sum[lane] = sum[lane].wrapping_add(if up { value } else { 0 });
            }
        }
        sum
    }
}

/// By OR, anywhere.
#[derive(Clone, Copy)]
pub(super) struct Folds;

impl Collect for Folds {
    #[inline(always)]
    fn bits(self, flags: &[u32; LANES]) -> u32 {
        let mut word = [0; LANES];
        for lane in 0..LANES {
            word[lane] = flags[lane] & BIT[lane];
        }
        for lane in 0..16 {
            word[lane] |= word[lane + 16];
        }
        for lane in 0..8 {
            word[lane] |= word[lane + 8];
        }
        for lane in 0..4 {
            word[lane] |= word[lane + 4];
        }
        (word[0] | word[1]) | (word[2] | word[3])
    }
}

/// By mask registers. A value of this type proves that the processor has AVX-512 F and DQ: only [`dispatch_lanes`] makes one.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(super) struct Masks(());

#[cfg(target_arch = "x86_64")]
impl Collect for Masks {
    #[inline(always)]
    #[allow(unsafe_code)]
    fn bits(self, flags: &[u32; LANES]) -> u32 {
        use std::arch::x86_64::{_mm512_loadu_si512, _mm512_movepi32_mask};
        // SAFETY: `self` exists only where the processor was found to have AVX-512 (F and DQ among it); both loads of 64
        // bytes lie in the 128 bytes of `flags`.
        let (low, high) = unsafe {
            (
                _mm512_movepi32_mask(_mm512_loadu_si512(flags.as_ptr().cast())),
                _mm512_movepi32_mask(_mm512_loadu_si512(flags.as_ptr().add(16).cast())),
            )
        };
        u32::from(low) | u32::from(high) << 16
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    fn masked_sum(self, base: i32, entries: &[(u32, i32)], levels: &[u32]) -> [i32; LANES] {
        use std::arch::x86_64::{_mm512_mask_add_epi32, _mm512_set1_epi32, _mm512_storeu_si512};
        let mut sum = [0; LANES];
        // SAFETY: as above; both stores of 64 bytes lie in the 128 bytes of `sum`.
        unsafe {
            let (mut low, mut high) = (_mm512_set1_epi32(base), _mm512_set1_epi32(base));
            for &(j, value) in entries {
                let (bits, value) = (levels[j as usize], _mm512_set1_epi32(value));
                low = _mm512_mask_add_epi32(low, bits as u16, low, value);
                high = _mm512_mask_add_epi32(high, (bits >> 16) as u16, high, value);
            }
            _mm512_storeu_si512(sum.as_mut_ptr().cast(), low);
            _mm512_storeu_si512(sum.as_mut_ptr().add(16).cast(), high);
        }
        sum
    }
}

/// A kernel that collects lanes.
pub(super) trait LaneKernel {
    /// Runs it; implementations must be `#[inline(always)]`.
    fn run<C: Collect>(self, collect: C);
}

struct With<K, C>(K, C);

impl<K: LaneKernel, C: Collect> Kernel for With<K, C> {
    #[inline(always)]
    fn run(self) {
        self.0.run(self.1);
    }
}

/// Runs `kernel` as [`dispatch`] does.
pub(super) fn dispatch_lanes<K: LaneKernel>(kernel: K) {
    #[cfg(target_arch = "x86_64")]
    if crate::simd::chosen() == crate::simd::InstructionSet::Avx512 {
        return dispatch(With(kernel, Masks(())));
    }
    dispatch(With(kernel, Folds));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{InstructionSet, limited_to};

    struct Words<'a>(&'a [u32], &'a mut Vec<u32>);
    impl LaneKernel for Words<'_> {
        #[inline(always)]
        fn run<C: Collect>(self, collect: C) {
            for &word in self.0 {
                let mut flags = [0; LANES];
                for lane in 0..LANES {
                    flags[lane] = if word & BIT[lane] != 0 { u32::MAX } else { 0 };
                }
                self.1.push(collect.bits(&flags));
            }
        }
    }

    #[test]
    fn every_way_of_collecting_gives_the_word() {
        let words: Vec<u32> = (0..1000u32)
            .map(|k| k.wrapping_mul(2_654_435_769))
            .collect();
        for set in [
            InstructionSet::Portable,
            InstructionSet::Avx2,
            InstructionSet::Avx512,
        ] {
            let mut out = Vec::new();
            limited_to(set, || dispatch_lanes(Words(&words, &mut out)));
            assert_eq!(out, words, "{set:?}");
        }
    }
}
