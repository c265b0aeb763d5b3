//! Random streams: one PCG (XSH-RR 64/32, `rand_pcg::Pcg32`) per chain, its start hashed from (seed, domain, chain).
//!
//! A plain `Pcg32::new(seed, chain)` is measurably correlated between neighbouring chains; hashed starts are not.
//! [`PcgLanes`] steps [`LANES`] of them at once and gives each lane the bits of the scalar crate.

use super::LANES;
use rand_pcg::Pcg32;

const MULTIPLIER: u64 = 6_364_136_223_846_793_005;

/// SplitMix64's finaliser: a bijection that mixes all bits.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ z >> 31
}

/// The hashed (state, stream) pair of a chain, as `Pcg32::new` takes it.
pub fn start(seed: u64, domain: u64, chain: u64) -> (u64, u64) {
    let root = mix(mix(mix(seed) ^ domain) ^ chain);
    (mix(root ^ 1), mix(root ^ 2))
}

/// The scalar generator of a chain: the oracle of the lanes, and the generator of everything that is not a hot loop.
pub fn chain_rng(seed: u64, domain: u64, chain: u64) -> Pcg32 {
    let (state, stream) = start(seed, domain, chain);
    Pcg32::new(state, stream)
}

/// The state after `state`.
#[inline(always)]
pub(super) fn next_state(state: u64, increment: u64) -> u64 {
    state.wrapping_mul(MULTIPLIER).wrapping_add(increment)
}

/// The word that a state gives.
#[inline(always)]
pub(super) fn output(state: u64) -> u32 {
    let shifted = ((state >> 18 ^ state) >> 27) as u32;
    shifted.rotate_right((state >> 59) as u32)
}

/// Where one stream stands: (state, increment).
pub type StreamPosition = (u64, u64);

/// [`LANES`] generators side by side. Aligned, so that no vector of states straddles two cache lines (1.6 × on a word).
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct PcgLanes {
    state: [u64; LANES],
    increment: [u64; LANES],
}

impl PcgLanes {
    /// Streams of chains `first..first + LANES`.
    pub fn new(seed: u64, domain: u64, first: u64) -> Self {
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

    /// Where lane `lane` stands.
    pub fn position(&self, lane: usize) -> StreamPosition {
        (self.state[lane], self.increment[lane])
    }

    /// Puts lane `lane` where `position` says.
    pub fn set_position(&mut self, lane: usize, position: StreamPosition) {
        (self.state[lane], self.increment[lane]) = position;
    }

    /// Lane `lane` as a scalar generator, for draws whose number differs from lane to lane.
    pub fn lane(&mut self, lane: usize) -> LaneRng<'_> {
        LaneRng {
            state: &mut self.state[lane],
            increment: self.increment[lane],
        }
    }

    /// One word from every lane.
    #[inline(always)]
    pub fn next(&mut self, words: &mut [u32; LANES]) {
        for lane in 0..LANES {
            let old = self.state[lane];
            self.state[lane] = old
                .wrapping_mul(MULTIPLIER)
                .wrapping_add(self.increment[lane]);
            let shifted = ((old >> 18 ^ old) >> 27) as u32;
            words[lane] = shifted.rotate_right((old >> 59) as u32);
        }
    }

    /// Moves every lane as far as `jump` says.
    #[inline(always)]
    pub fn skip(&mut self, jump: Jump) {
        for lane in 0..LANES {
            let offset = jump.addend.wrapping_mul(self.increment[lane]);
            self.state[lane] = self.state[lane]
                .wrapping_mul(jump.multiplier)
                .wrapping_add(offset);
        }
    }
}

/// One lane's stream: the bits of the scalar crate, as `rand` wants them.
#[derive(Debug)]
pub struct LaneRng<'a> {
    state: &'a mut u64,
    increment: u64,
}

impl rand::TryRng for LaneRng<'_> {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let old = *self.state;
        *self.state = old.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
        let shifted = ((old >> 18 ^ old) >> 27) as u32;
        Ok(shifted.rotate_right((old >> 59) as u32))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let low = u64::from(self.try_next_u32()?);
        Ok(u64::from(self.try_next_u32()?) << 32 | low)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in bytes.chunks_mut(4) {
            let word = self.try_next_u32()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

/// A jump over a fixed number of words: state → multiplier·state + addend·increment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Jump {
    multiplier: u64,
    addend: u64,
}

impl Jump {
    /// The state that lies so far ahead of `state`.
    #[inline(always)]
    pub(super) fn apply(self, state: u64, increment: u64) -> u64 {
        let offset = self.addend.wrapping_mul(increment);
        state.wrapping_mul(self.multiplier).wrapping_add(offset)
    }

    /// Over `words` words.
    pub fn new(words: usize) -> Self {
        let mut jump = Jump {
            multiplier: 1,
            addend: 0,
        };
        let mut power = Jump {
            multiplier: MULTIPLIER,
            addend: 1,
        };
        let mut left = words;
        while left > 0 {
            if left & 1 == 1 {
                jump = jump.then(power);
            }
            power = power.then(power);
            left /= 2;
        }
        jump
    }

    fn then(self, next: Jump) -> Self {
        Jump {
            multiplier: self.multiplier.wrapping_mul(next.multiplier),
            addend: self
                .addend
                .wrapping_mul(next.multiplier)
                .wrapping_add(next.addend),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn lanes_are_bit_identical_to_the_crate() {
        let mut lanes = PcgLanes::new(7, 3, 64);
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
        lanes.skip(Jump::new(12_345));
        lanes.next(&mut words);
        for (word, rng) in words.iter().zip(&mut scalar) {
            rng.advance(12_345);
            assert_eq!(*word, rng.next_u32());
        }
    }

    #[test]
    fn seed_domain_and_chain_all_matter() {
        let starts = [
            start(1, 0, 0),
            start(0, 1, 0),
            start(0, 0, 1),
            start(0, 0, 0),
            start(1, 1, 0),
        ];
        for (i, a) in starts.iter().enumerate() {
            for b in &starts[..i] {
                assert_ne!(a, b);
            }
        }
    }
}
