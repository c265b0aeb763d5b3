//! ChaCha8 in lanes (Bernstein, "ChaCha, a variant of Salsa20", 2008; 8 rounds as in "Too much crypto", iacr 2019/1492): the
//! bits of `rand_chacha::ChaCha8Rng` with `set_stream(chain)`.
//!
//! Block b of a stream is 16 words: a 4 × 4 matrix of constants, key (8 words), b and the stream's number (2 words each), put
//! through 8 rounds of four quarter rounds (a += b, d = (d ⊕ a) ⋘ 16, c += d, b = (b ⊕ c) ⋘ 12, and again by 8 and 7) and
//! added to itself. Word w of a stream is word w mod 16 of block ⌊w/16⌋, so that any position costs the same. Per word: 9
//! additions, 8 xors and 8 rotations of 32 bits, no multiplication.
//!
//! Chains that have drawn the same number of words, or differ by whole blocks, take a row of their common buffer per word.
//! Others fill their columns of it one by one, at about fifteen times the price.

use super::super::tile::end_row;
use super::{Jump, LANES, Stream, StreamPosition, mix};
use crate::simd::{Kernel, dispatch};

/// Words of a block.
const BLOCK: u64 = 16;

/// "expand 32-byte k".
const CONSTANTS: [u32; 4] = [0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574];

/// No block.
const NONE: u64 = u64::MAX;

/// The key of a hash of (seed, domain).
fn key_words(root: u64) -> [u32; 8] {
    // Tags that no chain's number reaches keep the key apart from PCG's starts.
    const TAG: u64 = 0x6b65_7900_0000_0000;
    std::array::from_fn(|k| {
        let pair = mix(root ^ TAG ^ (k / 2) as u64);
        (pair >> (32 * (k % 2))) as u32
    })
}

/// The same as bytes.
pub(super) fn key_bytes(root: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (to, word) in bytes.chunks_exact_mut(4).zip(key_words(root)) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Four quarter rounds on (a, b, c, d), side by side: their chains of operations are independent.
#[inline(always)]
fn round(s: &mut [u32; 16], quarters: [(usize, usize, usize, usize); 4]) {
    for (a, b, _, d) in quarters {
        s[a] = s[a].wrapping_add(s[b]);
        s[d] = (s[d] ^ s[a]).rotate_left(16);
    }
    for (_, b, c, d) in quarters {
        s[c] = s[c].wrapping_add(s[d]);
        s[b] = (s[b] ^ s[c]).rotate_left(12);
    }
    for (a, b, _, d) in quarters {
        s[a] = s[a].wrapping_add(s[b]);
        s[d] = (s[d] ^ s[a]).rotate_left(8);
    }
    for (_, b, c, d) in quarters {
        s[c] = s[c].wrapping_add(s[d]);
        s[b] = (s[b] ^ s[c]).rotate_left(7);
    }
}

/// Down the columns, then along the diagonals.
#[inline(always)]
fn double_round(s: &mut [u32; 16]) {
    round(
        s,
        [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)],
    );
    round(
        s,
        [(0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)],
    );
}

/// One block from its matrix's key and last row. Written out, because a loop over rounds keeps the loop over lanes around it
/// from being vectorised.
#[inline(always)]
fn block(key: [u32; 8], last: [u32; 4]) -> [u32; 16] {
    let mut start = [0; 16];
    start[..4].copy_from_slice(&CONSTANTS);
    start[4..12].copy_from_slice(&key);
    start[12..].copy_from_slice(&last);
    let mut s = start;
    double_round(&mut s);
    double_round(&mut s);
    double_round(&mut s);
    double_round(&mut s);
    for (s, start) in s.iter_mut().zip(start) {
        *s = s.wrapping_add(start);
    }
    s
}

/// (low, high) of block number and stream number.
#[inline(always)]
fn last_row(block: u64, chain: u64) -> [u32; 4] {
    [
        block as u32,
        (block >> 32) as u32,
        chain as u32,
        (chain >> 32) as u32,
    ]
}

/// [`LANES`] streams side by side; rows begin at cache lines, so that no vector straddles two.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub struct ChaChaLanes {
    root: [u64; LANES],
    key: [[u32; LANES]; 8],
    chain: [u64; LANES],
    /// Words that a lane is ahead of the common count.
    ahead: [u64; LANES],
    /// Words that all lanes have taken together: a lane's next word is number `ahead + taken` of its stream.
    taken: u64,
    words: [[u32; LANES]; 16],
    /// ⌊taken/16⌋ of the words, where every lane is ahead by whole blocks; else none.
    held: u64,
    /// Where lanes are apart: the block in each lane's column.
    own: [u64; LANES],
}

impl ChaChaLanes {
    /// Streams `first..first + LANES` of the key made of `root`.
    pub(super) fn new(root: u64, first: u64) -> Self {
        let mut lanes = ChaChaLanes {
            root: [0; LANES],
            key: [[0; LANES]; 8],
            chain: [0; LANES],
            ahead: [0; LANES],
            taken: 0,
            words: [[0; LANES]; 16],
            held: NONE,
            own: [NONE; LANES],
        };
        for lane in 0..LANES {
            lanes.set_position(lane, root, first + lane as u64, 0);
        }
        lanes
    }

    /// The number of a lane's next word.
    fn number(&self, lane: usize) -> u64 {
        self.ahead[lane].wrapping_add(self.taken)
    }

    pub(super) fn position(&self, lane: usize) -> StreamPosition {
        StreamPosition::ChaCha8 {
            root: self.root[lane],
            chain: self.chain[lane],
            word: self.number(lane),
        }
    }

    pub(super) fn set_position(&mut self, lane: usize, root: u64, chain: u64, word: u64) {
        self.apart();
        (self.root[lane], self.chain[lane], self.own[lane]) = (root, chain, NONE);
        for (row, word) in self.key.iter_mut().zip(key_words(root)) {
            row[lane] = word;
        }
        self.ahead[lane] = word.wrapping_sub(self.taken);
    }

    /// Lets every lane go its own way; [`Self::next`] brings them together again when it can.
    pub(super) fn apart(&mut self) -> &mut Self {
        if self.held != NONE {
            for (own, ahead) in self.own.iter_mut().zip(self.ahead) {
                *own = ahead.wrapping_add(self.held * BLOCK) / BLOCK;
            }
            self.held = NONE;
        }
        self
    }

    /// Whether all lanes are at the same word of their blocks; makes them ahead by whole blocks then.
    fn together(&mut self) -> bool {
        let word = self.ahead[0] % BLOCK;
        if self.ahead.iter().any(|ahead| ahead % BLOCK != word) {
            return false;
        }
        self.taken = self.taken.wrapping_add(word);
        self.ahead = self.ahead.map(|ahead| ahead.wrapping_sub(word));
        true
    }

    /// The next word of a lane's own, without moving it.
    fn peek(&mut self, lane: usize) -> u32 {
        let number = self.number(lane);
        if self.own[lane] != number / BLOCK {
            self.own[lane] = number / BLOCK;
            let key = std::array::from_fn(|k| self.key[k][lane]);
            let words = block(key, last_row(self.own[lane], self.chain[lane]));
            for (row, word) in self.words.iter_mut().zip(words) {
                row[lane] = word;
            }
        }
        self.words[(number % BLOCK) as usize][lane]
    }

    /// The word of lane `lane` that lies `jump` ahead: a block of its own.
    pub(super) fn word_ahead(&self, lane: usize, jump: Jump) -> u32 {
        let number = self.number(lane).wrapping_add(jump.words);
        let key = std::array::from_fn(|k| self.key[k][lane]);
        let words = block(key, last_row(number / BLOCK, self.chain[lane]));
        words[(number % BLOCK) as usize]
    }

    /// One word from lane `lane` alone, after [`Self::apart`].
    pub(super) fn next_of(&mut self, lane: usize) -> u32 {
        let word = self.peek(lane);
        self.ahead[lane] = self.ahead[lane].wrapping_add(1);
        word
    }

    /// Computes the block of every lane's next word, where rows can be taken.
    #[cold]
    #[inline(never)]
    fn renew(&mut self) -> bool {
        let can = self.held != NONE || self.together();
        if can {
            dispatch(Renewal(self));
        }
        can
    }

    #[cold]
    #[inline(never)]
    fn next_apart(&mut self, words: &mut [u32; LANES]) {
        for (lane, word) in words.iter_mut().enumerate() {
            *word = self.peek(lane);
        }
    }
}

impl Stream for ChaChaLanes {
    #[inline(always)]
    fn next(&mut self, words: &mut [u32; LANES]) {
        if self.held == self.taken / BLOCK || self.renew() {
            *words = self.words[(self.taken % BLOCK) as usize];
        } else {
            self.next_apart(words);
        }
        self.taken = self.taken.wrapping_add(1);
    }

    #[inline(always)]
    fn skip(&mut self, jump: Jump) {
        self.taken = self.taken.wrapping_add(jump.words);
    }
}

/// All lanes' next blocks.
struct Renewal<'a>(&'a mut ChaChaLanes);

impl Kernel for Renewal<'_> {
    #[inline(always)]
    fn run(self) {
        let lanes = self.0;
        // The only 64-bit arithmetic is in a loop of its own: it would halve the lanes per register of the other.
        let mut last = [[0u32; LANES]; 4];
        for lane in 0..LANES {
            let block = lanes.ahead[lane].wrapping_add(lanes.taken) / BLOCK;
            let row = last_row(block, lanes.chain[lane]);
            for k in 0..4 {
                last[k][lane] = row[k];
            }
        }
        end_row();
        let (key, words) = (&lanes.key, &mut lanes.words);
        for lane in 0..LANES {
            let own = [
                key[0][lane],
                key[1][lane],
                key[2][lane],
                key[3][lane],
                key[4][lane],
                key[5][lane],
                key[6][lane],
                key[7][lane],
            ];
            let tail = [last[0][lane], last[1][lane], last[2][lane], last[3][lane]];
            let out = block(own, tail);
            for k in 0..16 {
                words[k][lane] = out[k];
            }
        }
        lanes.held = lanes.taken / BLOCK;
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Generator, Origin, Streams, key, root};
    use super::*;
    use crate::simd::{InstructionSet, dispatch, limited_to};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn oracle(seed: u64, domain: u64, chain: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::from_seed(key(seed, domain));
        rng.set_stream(chain);
        rng
    }

    #[test]
    fn lanes_are_bit_identical_to_the_crate() {
        // A stream number beyond 32 bits.
        let first = (1 << 40) + 64;
        let origin = Origin::from((7, 3)).by(Generator::ChaCha8);
        let mut lanes = Streams::new(origin, first);
        let mut scalar: Vec<_> = (0..LANES).map(|l| oracle(7, 3, first + l as u64)).collect();
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
        // Into blocks whose number does not fit 32 bits.
        let far = (1 << 37) + 5;
        lanes.skip(Jump::new(far));
        lanes.next(&mut words);
        for (word, rng) in words.iter().zip(&mut scalar) {
            rng.set_word_pos(rng.get_word_pos() + u128::from(far));
            assert_eq!(*word, rng.next_u32());
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_blocks() {
        let blocks = [
            InstructionSet::Avx512,
            InstructionSet::Avx2,
            InstructionSet::Portable,
        ]
        .map(|set| {
            let mut lanes = ChaChaLanes::new(root(1, 2), 3);
            assert!(lanes.together());
            limited_to(set, || dispatch(Renewal(&mut lanes)));
            lanes.words
        });
        assert_eq!(blocks[0], blocks[1]);
        assert_eq!(blocks[0], blocks[2]);
    }
}
