//! PCG XSH-RR 64/32 in lanes (O'Neill, "PCG: a family of simple fast space-efficient statistically good algorithms for
//! random number generation", HMC-CS-2014-0905): the bits of `rand_pcg::Pcg32`.
//!
//! s ← a·s + c (mod 2⁶⁴) with a common a and an odd c per stream; a word is the old s, xor-shifted to 32 bits and rotated
//! by its top five. Per word: one 64-bit multiplication, one addition, five shifts, an xor and a rotation. A jump over n words
//! is s ← aⁿ·s + (aⁿ⁻¹ + … + 1)·c, whose two factors follow from squaring the step log₂ n times (Brown 1994).

use super::{Jump, LANES, Stream, StreamPosition, start};

const MULTIPLIER: u64 = 6_364_136_223_846_793_005;

/// The map s → multiplier·s + addend·c.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Affine {
    multiplier: u64,
    addend: u64,
}

impl Affine {
    /// `words` steps, in O(log words).
    pub(super) fn power(mut words: u64) -> Self {
        let mut power = Affine {
            multiplier: 1,
            addend: 0,
        };
        let mut square = Affine {
            multiplier: MULTIPLIER,
            addend: 1,
        };
        while words > 0 {
            if words & 1 == 1 {
                power = power.then(square);
            }
            square = square.then(square);
            words >>= 1;
        }
        power
    }

    #[inline(always)]
    pub(super) fn of(self, state: u64, increment: u64) -> u64 {
        let offset = self.addend.wrapping_mul(increment);
        state.wrapping_mul(self.multiplier).wrapping_add(offset)
    }

    /// This map and then `next`.
    fn then(self, next: Affine) -> Self {
        Affine {
            multiplier: self.multiplier.wrapping_mul(next.multiplier),
            addend: self
                .addend
                .wrapping_mul(next.multiplier)
                .wrapping_add(next.addend),
        }
    }
}

/// The state after `state`.
#[inline(always)]
pub(super) fn advance(state: u64, increment: u64) -> u64 {
    state.wrapping_mul(MULTIPLIER).wrapping_add(increment)
}

/// The word of a state.
#[inline(always)]
pub(super) fn output(state: u64) -> u32 {
    let shifted = ((state >> 18 ^ state) >> 27) as u32;
    shifted.rotate_right((state >> 59) as u32)
}

/// [`LANES`] generators side by side; rows begin at cache lines, so that no vector straddles two.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct PcgLanes {
    state: [u64; LANES],
    increment: [u64; LANES],
}

impl PcgLanes {
    /// Streams of chains `first..first + LANES`.
    pub(super) fn new(seed: u64, domain: u64, first: u64) -> Self {
        let mut lanes = PcgLanes {
            state: [0; LANES],
            increment: [0; LANES],
        };
        for lane in 0..LANES {
            let (state, stream) = start(seed, domain, first + lane as u64);
            let increment = (stream << 1) | 1;
            lanes.increment[lane] = increment;
            lanes.state[lane] = state
                .wrapping_add(increment)
                .wrapping_mul(MULTIPLIER)
                .wrapping_add(increment);
        }
        lanes
    }

    pub(super) fn position(&self, lane: usize) -> StreamPosition {
        StreamPosition::Pcg {
            state: self.state[lane],
            increment: self.increment[lane],
        }
    }

    pub(super) fn set_position(&mut self, lane: usize, (state, increment): (u64, u64)) {
        (self.state[lane], self.increment[lane]) = (state, increment);
    }

    /// Lane `lane`'s stream in every lane, each as far ahead as its jump says.
    #[inline(always)]
    pub(in crate::dynamics) fn fan(&self, lane: usize, ahead: &[Jump; LANES]) -> PcgLanes {
        let (state, increment) = (self.state[lane], self.increment[lane]);
        let mut fan = PcgLanes {
            state: [state; LANES],
            increment: [increment; LANES],
        };
        for k in 0..LANES {
            fan.state[k] = ahead[k].pcg.of(state, increment);
        }
        fan
    }

    /// Moves lane `lane` alone.
    #[inline(always)]
    pub(in crate::dynamics) fn leap(&mut self, lane: usize, jump: Jump) {
        self.state[lane] = jump.pcg.of(self.state[lane], self.increment[lane]);
    }

    /// The word of lane `lane` that lies `jump` ahead.
    pub(super) fn word_ahead(&self, lane: usize, jump: Jump) -> u32 {
        output(jump.pcg.of(self.state[lane], self.increment[lane]))
    }

    /// One word from lane `lane` alone.
    pub(super) fn next_of(&mut self, lane: usize) -> u32 {
        let old = self.state[lane];
        self.state[lane] = old
            .wrapping_mul(MULTIPLIER)
            .wrapping_add(self.increment[lane]);
        output(old)
    }
}

impl Stream for PcgLanes {
    #[inline(always)]
    fn next(&mut self, words: &mut [u32; LANES]) {
        for lane in 0..LANES {
            let old = self.state[lane];
            self.state[lane] = old
                .wrapping_mul(MULTIPLIER)
                .wrapping_add(self.increment[lane]);
            words[lane] = output(old);
        }
    }

    #[inline(always)]
    fn skip(&mut self, jump: Jump) {
        let jump = jump.pcg;
        for lane in 0..LANES {
            self.state[lane] = jump.of(self.state[lane], self.increment[lane]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Streams, chain_rng};
    use super::*;
    use rand::Rng;
    use rand_pcg::Pcg32;

    #[test]
    fn lanes_are_bit_identical_to_the_crate() {
        let mut lanes = Streams::new((7, 3), 64);
        let mut scalar: Vec<Pcg32> = (0..LANES).map(|l| chain_rng(7, 3, 64 + l as u64)).collect();
        let mut words = [0; LANES];
        for _ in 0..100 {
            lanes.next(&mut words);
            for (word, rng) in words.iter().zip(&mut scalar) {
                assert_eq!(*word, rng.next_u32());
            }
        }
        for (lane, rng) in scalar.iter_mut().enumerate() {
            assert_eq!(lanes.lane(lane).next_u64(), rng.next_u64());
        }
        let far = 12_345_678_901_234;
        lanes.skip(Jump::new(far));
        lanes.next(&mut words);
        for (word, rng) in words.iter().zip(&mut scalar) {
            rng.advance(far);
            assert_eq!(*word, rng.next_u32());
        }
    }
}
