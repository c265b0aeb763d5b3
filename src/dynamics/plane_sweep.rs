//! Multi-spin Gibbs sweeps: bit k of a word is chain k, and W words side by side are 32 W chains.
//!
//! A group of four spins takes one word from each chain's own generator; the 32 × 32 bits of a tile, transposed, are the
//! leading eight digits of four uniform numbers per chain. For each spin a binary counter adds up the neighbours that pull
//! up; each digit p of P(+1 | count) is an exclusive OR of products of the counter's bits; and digit by digit, the highest
//! first, u < P gathers in `below` while `equal` keeps the chains without a decision. One chain in 256 has none after eight
//! digits: it compares the rest of P with a word of its own, which lies at a fixed place further on in its stream. A sweep
//! takes five words a group, so a chain's bits depend on neither its neighbours nor their number.
//!
//! Operations for one spin of 32 chains, four neighbours: 6 for the word, 10 for the transposition, 15 to count, 60 to
//! compare; all on vectors of 512 bits.

use super::LANES;
use super::planes::{NOBODY, Planes, Table};
use super::streams::Block;
use super::tile::end_row;
use crate::simd::{Kernel, dispatch};

/// Digits of a uniform number that are compared in planes.
pub(super) const DIGITS: usize = 8;
/// Spins that share a word.
pub(super) const PER_WORD: usize = 32 / DIGITS;

/// The kernel's size: counting bits, and terms of a digit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// Up to 4 neighbours.
    Four,
    /// Up to 7.
    Seven,
    /// Up to 15.
    Fifteen,
}

impl Shape {
    pub fn for_degree(degree: usize) -> Self {
        match degree {
            0..=4 => Shape::Four,
            5..=7 => Shape::Seven,
            _ => Shape::Fifteen,
        }
    }

    /// Products of counting bits that a digit may contain: those of bits that some count has together.
    pub fn terms(self) -> usize {
        match self {
            Shape::Four => 5,
            Shape::Seven => 8,
            Shape::Fifteen => 16,
        }
    }
}

/// Sweeps of the spins in `bits` (row by row of chains; the last row is always up).
pub(super) fn run<B: Block<W>, const W: usize>(
    planes: &Planes,
    shape: Shape,
    bits: &mut [[u32; W]],
    block: &mut B,
    sweeps: u64,
) {
    match shape {
        Shape::Four => run_shape::<B, W, 3, 5>(planes, bits, block, sweeps),
        Shape::Seven => run_shape::<B, W, 3, 8>(planes, bits, block, sweeps),
        Shape::Fifteen => run_shape::<B, W, 4, 16>(planes, bits, block, sweeps),
    }
}

fn run_shape<B: Block<W>, const W: usize, const C: usize, const T: usize>(
    planes: &Planes,
    bits: &mut [[u32; W]],
    block: &mut B,
    sweeps: u64,
) {
    dispatch(Sweeps::<B, W, C, T> {
        planes,
        bits,
        block,
        sweeps,
    });
}

/// The bits of `a` beyond the mask and those of `b` within it change places.
#[inline(always)]
fn exchange(a: u32, b: u32, shift: u32, mask: u32) -> (u32, u32) {
    (
        (a & mask) | ((b << shift) & !mask),
        ((a >> shift) & mask) | (b & !mask),
    )
}

/// Transposes the 32 × 32 bits of each tile: bit k of row b becomes what bit b of row k was.
#[inline(always)]
fn transpose<const W: usize>(rows: &mut [[u32; W]; LANES]) {
    if W == 1 {
        transpose_narrow(rows);
    } else {
        transpose_wide(rows);
    }
}

/// Three of the five exchanges go on eight rows at a time and two on four, as many as the registers hold.
#[inline(always)]
fn transpose_wide<const W: usize>(rows: &mut [[u32; W]; LANES]) {
    for k in 0..4 {
        for t in 0..W {
            let mut x: [u32; 8] = std::array::from_fn(|i| rows[k + 4 * i][t]);
            for i in 0..4 {
                (x[i], x[i + 4]) = exchange(x[i], x[i + 4], 16, 0x0000_ffff);
            }
            for i in [0, 1, 4, 5] {
                (x[i], x[i + 2]) = exchange(x[i], x[i + 2], 8, 0x00ff_00ff);
            }
            for i in [0, 2, 4, 6] {
                (x[i], x[i + 1]) = exchange(x[i], x[i + 1], 4, 0x0f0f_0f0f);
            }
            for i in 0..8 {
                rows[k + 4 * i][t] = x[i];
            }
        }
        end_row();
    }
    for k in 0..8 {
        for t in 0..W {
            let mut x: [u32; 4] = std::array::from_fn(|i| rows[4 * k + i][t]);
            for i in [0, 1] {
                (x[i], x[i + 2]) = exchange(x[i], x[i + 2], 2, 0x3333_3333);
            }
            for i in [0, 2] {
                (x[i], x[i + 1]) = exchange(x[i], x[i + 1], 1, 0x5555_5555);
            }
            for i in 0..4 {
                rows[4 * k + i][t] = x[i];
            }
        }
        end_row();
    }
}

/// Exchange by exchange, whole blocks of rows at once: short rows fill vectors only together.
#[inline(always)]
fn transpose_narrow<const W: usize>(rows: &mut [[u32; W]; LANES]) {
    let words = rows.as_flattened_mut();
    for (shift, mask) in [
        (16, 0x0000_ffff),
        (8, 0x00ff_00ff),
        (4, 0x0f0f_0f0f),
        (2, 0x3333_3333),
        (1, 0x5555_5555),
    ] {
        for block in words.chunks_exact_mut(2 * shift * W) {
            let (low, high) = block.split_at_mut(shift * W);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = exchange(*a, *b, shift as u32, mask);
            }
        }
    }
}

/// Counts in binary, bit k of all chains' counts in `count[k]`, the neighbours that pull up.
#[inline(always)]
fn count<const W: usize, const C: usize>(
    neighbours: &[(u32, u32)],
    bits: &[[u32; W]],
) -> [[u32; W]; C] {
    let mut count = [[0; W]; C];
    let (pairs, rest) = neighbours.as_chunks::<2>();
    for &[(a, turn_a), (b, turn_b)] in pairs {
        let (a, b) = (&bits[a as usize], &bits[b as usize]);
        for t in 0..W {
            let (a, b) = (a[t] ^ turn_a, b[t] ^ turn_b);
            let ones = count[0][t];
            let mut carry = (a & b) | (ones & (a ^ b));
            count[0][t] = ones ^ a ^ b;
            for digit in &mut count[1..] {
                let old = digit[t];
                digit[t] = old ^ carry;
                carry &= old;
            }
        }
    }
    for &(a, turn) in rest {
        let a = &bits[a as usize];
        for t in 0..W {
            let mut carry = a[t] ^ turn;
            for digit in &mut count {
                let old = digit[t];
                digit[t] = old ^ carry;
                carry &= old;
            }
        }
    }
    count
}

/// (below, equal) after the leading digits: chains with u < P, and chains that have no decision yet.
#[inline(always)]
fn compare<const W: usize, const C: usize, const T: usize>(
    count: &[[u32; W]; C],
    table: &Table,
    uniform: &[[u32; W]; DIGITS],
) -> ([u32; W], [u32; W]) {
    let (mut below, mut equal) = ([0; W], [u32::MAX; W]);
    // Always there; lengths that the compiler knows keep the loop over tiles the vectorised one.
    let Some(digits) = table.leading.as_chunks::<T>().0.first_chunk::<DIGITS>() else {
        return (below, equal);
    };
    if T <= 8 {
        for t in 0..W {
            let mut products = [u32::MAX; T];
            for s in 1..T {
                let top = s.ilog2() as usize;
                products[s] = products[s ^ 1 << top] & count[top][t];
            }
            for digit in 0..DIGITS {
                let (terms, u) = (&digits[digit], uniform[digit][t]);
                let mut p = terms[0];
                for s in 1..T {
                    p ^= products[s] & terms[s];
                }
                below[t] |= equal[t] & p & !u;
                equal[t] &= !(p ^ u);
            }
        }
    } else {
        // More terms than registers: row by row.
        let mut products = [[u32::MAX; W]; T];
        for s in 1..T {
            let top = s.ilog2() as usize;
            for t in 0..W {
                products[s][t] = products[s ^ 1 << top][t] & count[top][t];
            }
            end_row();
        }
        for digit in 0..DIGITS {
            let (terms, u) = (&digits[digit], &uniform[digit]);
            let mut p = [terms[0]; W];
            for s in 1..T {
                for t in 0..W {
                    p[t] ^= products[s][t] & terms[s];
                }
                end_row();
            }
            for t in 0..W {
                below[t] |= equal[t] & p[t] & !u[t];
                equal[t] &= !(p[t] ^ u[t]);
            }
        }
    }
    (below, equal)
}

/// What a group leaves for the chains without a decision.
struct Open<const W: usize, const C: usize> {
    equal: [[u32; W]; PER_WORD],
    count: [[[u32; W]; C]; PER_WORD],
}

impl<const W: usize, const C: usize> Open<W, C> {
    /// Which words of `equal` have an open chain: bit W·place + tile.
    #[inline(always)]
    fn words(&self) -> u64 {
        let mut open = 0;
        for (place, equal) in self.equal.iter().enumerate() {
            let mut marks = [0u64; W];
            for t in 0..W {
                marks[t] = if equal[t] != 0 { 1 << t } else { 0 };
            }
            let mut half = W / 2;
            while half > 0 {
                for t in 0..half {
                    marks[t] |= marks[t + half];
                }
                half /= 2;
            }
            open |= marks[0] << (W * place);
        }
        open
    }
}

struct Sweeps<'a, B, const W: usize, const C: usize, const T: usize> {
    planes: &'a Planes,
    bits: &'a mut [[u32; W]],
    block: &'a mut B,
    sweeps: u64,
}

impl<B: Block<W>, const W: usize, const C: usize, const T: usize> Sweeps<'_, B, W, C, T> {
    /// Chains without a decision, one after the other: about eight in a group of 512 chains.
    #[inline(always)]
    fn close(&mut self, g: usize, open: &mut Open<W, C>) {
        let group = &self.planes.groups[g];
        let mut words = open.words();
        while words != 0 {
            let word = words.trailing_zeros() as usize;
            let (place, t) = (word / W, word % W);
            let equal = open.equal[place][t];
            let lane = equal.trailing_zeros() as usize;
            let rest = equal & (equal - 1);
            open.equal[place][t] = rest;
            if rest == 0 {
                words &= words - 1;
            }
            let mut n = 0;
            for (k, digit) in open.count[place].iter().enumerate() {
                n |= (digit[t] >> lane & 1) << k;
            }
            let at = &group[place];
            let ahead = self.planes.own_word[g][place];
            let u = self.block.word_ahead(lane, t, ahead);
            let up = u < self.planes.tables[at.table as usize].trailing[n as usize];
            self.bits[at.spin as usize][t] |= u32::from(up) << lane;
        }
    }
}

impl<B: Block<W>, const W: usize, const C: usize, const T: usize> Kernel
    for Sweeps<'_, B, W, C, T>
{
    #[inline(always)]
    fn run(mut self) {
        let planes = self.planes;
        let mut uniform = [[0; W]; LANES];
        let mut open = Open {
            equal: [[0; W]; PER_WORD],
            count: [[[0; W]; C]; PER_WORD],
        };
        for _ in 0..self.sweeps {
            for (g, group) in planes.groups.iter().enumerate() {
                self.block.next(&mut uniform);
                transpose(&mut uniform);
                let (digits, _) = uniform.as_chunks::<DIGITS>();
                for (k, place) in group.iter().enumerate() {
                    if place.spin == NOBODY {
                        open.equal[k] = [0; W];
                        continue;
                    }
                    let near = &planes.neighbours[place.first as usize..place.last as usize];
                    let count = count::<W, C>(near, self.bits);
                    let table = &planes.tables[place.table as usize];
                    let (below, equal) = compare::<W, C, T>(&count, table, &digits[k]);
                    self.bits[place.spin as usize] = below;
                    open.equal[k] = equal;
                    open.count[k] = count;
                }
                self.close(g, &mut open);
            }
            self.block.skip(planes.skip);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::streams::{Jump, PcgBlock, Stream, Streams, TileBlock};
    use super::*;

    fn words_are_transposed<B: Block<4>>(mut block: B, mut rngs: Vec<Streams>) {
        for (t, rng) in rngs.iter().enumerate() {
            block.take(t, rng);
        }
        let mut words = [[0; 4]; LANES];
        block.next(&mut words);
        transpose(&mut words);
        let (ahead, mut own) = (Jump::new(17), [0; LANES]);
        for (t, rng) in rngs.iter_mut().enumerate() {
            rng.next(&mut own);
            for (bit, row) in words.iter().enumerate() {
                for lane in 0..LANES {
                    assert_eq!(row[t] >> lane & 1, own[lane] >> bit & 1);
                }
            }
            rng.skip(ahead);
            rng.next(&mut own);
            for lane in 0..LANES {
                assert_eq!(block.word_ahead(lane, t, ahead), own[lane]);
            }
        }
    }

    #[test]
    fn words_are_the_chains_own_and_transposed() {
        use super::super::streams::{Generator, Origin};
        let rngs = |g: Generator| -> Vec<Streams> {
            let origin = Origin::from((5, 1)).by(g);
            (0..4).map(|t| Streams::new(origin, 32 * t)).collect()
        };
        words_are_transposed(PcgBlock::<4>::new(), rngs(Generator::Pcg));
        words_are_transposed(TileBlock::<4>::new(), rngs(Generator::Pcg));
        words_are_transposed(TileBlock::<4>::new(), rngs(Generator::ChaCha8));
    }

    #[test]
    fn short_rows_are_transposed_alike() {
        let mut wide: [[u32; 4]; LANES] = std::array::from_fn(|k| {
            std::array::from_fn(|t| ((4 * k + t) as u32).wrapping_mul(2_654_435_769))
        });
        let mut narrow: [[u32; 1]; LANES] = std::array::from_fn(|k| [wide[k][2]]);
        transpose(&mut wide);
        transpose(&mut narrow);
        for k in 0..LANES {
            assert_eq!(narrow[k][0], wide[k][2]);
        }
    }
}
