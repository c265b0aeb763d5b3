//! Which spin models multi-spin coding takes, and their tables.
//!
//! A row qualifies when all its |K_ij| are one J and its field is a multiple mJ, with D = degree + |m| ≤ 15: the field acts
//! as |m| neighbours that never flip. With n of the D neighbours pulling up, I = J(2n − D), so a spin has D + 1 possible
//! P(+1) = σ(2I). They are kept to 40 binary digits (a bias below 2^-40): see `plane_sweep` for how chains draw from them.

use super::plane_sweep::{DIGITS, PER_WORD, Shape, run};
use super::real::Real;
use super::streams::{Block, Jump, PcgBlock, Streams, TileBlock};
use super::tile::Tile;

/// Most neighbours that four counting bits hold.
const MOST: usize = 15;
/// Digits of a probability: [`DIGITS`] in planes, the rest in one word of its own.
const PRECISION: i32 = DIGITS as i32 + 32;
/// How far a field may be from a multiple of the coupling, relative to the coupling.
const TOLERANCE: f64 = 1e-12;
/// No spin: the rest of a class's last group, and clamped spins.
pub(super) const NOBODY: u32 = u32::MAX;

/// A spin in the order of the sweep.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Its row of bits, or [`NOBODY`].
    pub spin: u32,
    /// Its neighbours: a range of [`Planes::neighbours`].
    pub first: u32,
    pub last: u32,
    /// Index of its table.
    pub table: u32,
}

/// P(+1) for each number of neighbours that pull up.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    /// `leading[digit * terms + s]`: whether the product of the counting bits in s enters the exclusive OR that is this
    /// digit of P (its algebraic normal form), as 0 or all ones.
    pub leading: Vec<u32>,
    /// Digits 9 to 40 of P for each count.
    pub trailing: [u32; MOST + 1],
}

impl Table {
    fn new(coupling: f64, degree: usize, terms: usize) -> Self {
        let scale = f64::from(PRECISION).exp2();
        let digits: Vec<u64> = (0..=degree)
            .map(|n| {
                let input = coupling * (2.0 * n as f64 - degree as f64);
                let p = 1.0 / (1.0 + (-2.0 * input).exp());
                ((p * scale).round() as u64).min((1 << PRECISION) - 1)
            })
            .collect();
        let mut leading = Vec::with_capacity(DIGITS * terms);
        for digit in 0..DIGITS {
            for s in 0..terms {
                let subsets = (0..=degree).filter(|n| n & s == *n);
                let odd = subsets.fold(0, |sum, n| {
                    sum ^ digits[n] >> (PRECISION - 1 - digit as i32)
                });
                leading.push(if odd & 1 == 1 { u32::MAX } else { 0 });
            }
        }
        let mut trailing = [0; MOST + 1];
        for (low, all) in trailing.iter_mut().zip(&digits) {
            *low = *all as u32;
        }
        Table { leading, trailing }
    }
}

/// A model of few-levelled couplings, ready for sweeps.
#[derive(Clone, Debug)]
pub(super) struct Planes {
    /// Groups of spins that share a word; no group has two coupled spins.
    pub groups: Vec<[Place; PER_WORD]>,
    /// (row of bits, 0 or all ones to turn it round).
    pub neighbours: Vec<(u32, u32)>,
    pub tables: Vec<Table>,
    /// From the end of its group's word to a place's own word.
    pub own_word: Vec<[Jump; PER_WORD]>,
    /// Over all places' own words.
    pub skip: Jump,
    /// Rows of bits; one more, always up, stands for the fields.
    pub spins: usize,
    shape: Shape,
}

/// What a row that qualifies is made of: J, the number of neighbours, and m of the field mJ.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kind {
    size: f64,
    neighbours: usize,
    multiple: i64,
}

impl Kind {
    fn of(field: f64, row: &[(usize, f64)]) -> Option<Self> {
        let sizes = || row.iter().map(|e| e.1.abs()).filter(|&size| size != 0.0);
        let size = sizes().next().unwrap_or(field.abs());
        if sizes().any(|other| other != size) || !size.is_finite() {
            return None;
        }
        let multiple = if size == 0.0 { 0.0 } else { field / size };
        let near = multiple.round();
        let whole = (multiple - near).abs() <= TOLERANCE * near.abs().max(1.0);
        let neighbours = sizes().count();
        (whole && neighbours as f64 + near.abs() <= MOST as f64).then_some(Kind {
            size,
            neighbours,
            multiple: near as i64,
        })
    }

    fn degree(self) -> usize {
        self.neighbours + self.multiple.unsigned_abs() as usize
    }
}

impl Planes {
    /// Tiles that are advanced together.
    pub const SPAN: usize = 16;

    /// The model, if every row qualifies. Rows are (neighbour, K) without the spin itself.
    pub fn detect(
        field: &[f64],
        rows: &[Vec<(usize, f64)>],
        classes: &[Vec<usize>],
        clamped: &[bool],
    ) -> Option<Self> {
        let kinds: Vec<Kind> = field
            .iter()
            .zip(rows)
            .map(|(&h, row)| Kind::of(h, row))
            .collect::<Option<_>>()?;
        let shape = Shape::for_degree(kinds.iter().map(|kind| kind.degree()).max()?);
        let groups: usize = classes
            .iter()
            .map(|class| class.len().div_ceil(PER_WORD))
            .sum();
        let mut planes = Planes {
            groups: Vec::with_capacity(groups),
            neighbours: Vec::new(),
            tables: Vec::new(),
            own_word: Vec::with_capacity(groups),
            skip: Jump::new((PER_WORD * groups) as u64),
            spins: rows.len(),
            shape,
        };
        let mut index = std::collections::HashMap::new();
        let nobody = Place {
            spin: NOBODY,
            first: 0,
            last: 0,
            table: 0,
        };
        for members in classes.iter().flat_map(|class| class.chunks(PER_WORD)) {
            let g = planes.groups.len();
            let mut group = [nobody; PER_WORD];
            for (place, &i) in group.iter_mut().zip(members) {
                if clamped[i] {
                    continue;
                }
                let kind = kinds[i];
                let first = planes.neighbours.len() as u32;
                let turn = |value: f64| if value > 0.0 { 0 } else { u32::MAX };
                let pulls = rows[i].iter().filter(|e| e.1 != 0.0);
                let pulls = pulls.map(|&(j, value)| (j as u32, turn(value)));
                planes.neighbours.extend(pulls);
                let constant = (rows.len() as u32, turn(kind.multiple as f64));
                let times = kind.degree() - kind.neighbours;
                planes
                    .neighbours
                    .extend(std::iter::repeat_n(constant, times));
                let key = (kind.size.to_bits(), kind.degree());
                let table = *index.entry(key).or_insert_with(|| {
                    let table = Table::new(kind.size, kind.degree(), shape.terms());
                    planes.tables.push(table);
                    planes.tables.len() - 1
                });
                *place = Place {
                    spin: i as u32,
                    first,
                    last: planes.neighbours.len() as u32,
                    table: table as u32,
                };
            }
            planes.groups.push(group);
            let ahead = groups - (g + 1) + PER_WORD * g;
            planes
                .own_word
                .push(std::array::from_fn(|k| Jump::new((ahead + k) as u64)));
        }
        Some(planes)
    }

    /// Takes sweeps; few tiles go side by side in narrower blocks, to the same bits.
    pub fn advance<R: Real>(&self, tiles: &mut [Tile<R>], sweeps: u64) {
        for tiles in tiles.chunks_mut(Self::SPAN) {
            match tiles.len() {
                1 => self.advance_by::<R, 1>(tiles, sweeps),
                2..=4 => self.advance_by::<R, 4>(tiles, sweeps),
                _ => self.advance_by::<R, 16>(tiles, sweeps),
            }
        }
    }

    fn advance_by<R: Real, const W: usize>(&self, tiles: &mut [Tile<R>], sweeps: u64) {
        let all_pcg = tiles.iter().all(|tile| matches!(tile.rng, Streams::Pcg(_)));
        if all_pcg {
            self.advance_block(tiles, PcgBlock::<W>::new(), sweeps);
        } else {
            self.advance_block(tiles, TileBlock::<W>::new(), sweeps);
        }
    }

    fn advance_block<R: Real, B: Block<W>, const W: usize>(
        &self,
        tiles: &mut [Tile<R>],
        mut block: B,
        sweeps: u64,
    ) {
        for (t, tile) in tiles.iter().enumerate() {
            block.take(t, &tile.rng);
        }
        let Some(head) = tiles.first_mut() else {
            return;
        };
        let mut scratch = std::mem::take(&mut head.planes);
        let bits = rows_of::<W>(&mut scratch, self.spins + 1);
        bits[self.spins] = [u32::MAX; W];
        for (t, tile) in tiles.iter().enumerate() {
            for (row, &level) in bits.iter_mut().zip(&tile.levels) {
                row[t] = level;
            }
        }
        run(self, self.shape, bits, &mut block, sweeps);
        for (t, tile) in tiles.iter_mut().enumerate() {
            block.give(t, &mut tile.rng);
            for (level, row) in tile.levels.iter_mut().zip(&*bits) {
                *level = row[t];
            }
        }
        tiles[0].planes = scratch;
    }
}

/// `rows` rows in a scratch buffer, the first at a multiple of 64 bytes so that none straddles two cache lines.
fn rows_of<const W: usize>(scratch: &mut Vec<u32>, rows: usize) -> &mut [[u32; W]] {
    const LINE: usize = 64;
    scratch.resize(rows * W + LINE / 4, 0);
    let start = scratch.as_ptr().align_offset(LINE).min(LINE / 4);
    let (rows, _) = scratch[start..start + rows * W].as_chunks_mut::<W>();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_size_qualify() {
        let kind = |field: f64, values: &[f64]| {
            let row: Vec<(usize, f64)> = values.iter().copied().enumerate().collect();
            Kind::of(field, &row).map(|k| (k.size, k.neighbours, k.multiple))
        };
        assert_eq!(kind(0.0, &[0.3, 0.0, -0.3]), Some((0.3, 2, 0)));
        assert_eq!(kind(-0.6, &[0.3, -0.3]), Some((0.3, 2, -2)));
        assert_eq!(kind(0.7, &[]), Some((0.7, 0, 1)));
        assert_eq!(kind(0.0, &[]), Some((0.0, 0, 0)));
        assert_eq!(kind(2.8, &[0.2]), Some((0.2, 1, 14)));
        assert_eq!(kind(3.0, &[0.2]), None);
        assert_eq!(kind(0.1, &[0.3, -0.3]), None);
        assert_eq!(kind(0.0, &[0.3, -0.31]), None);
        assert_eq!(kind(f64::NAN, &[0.3]), None);
    }

    /// The exclusive OR of the terms whose bits are all in n is digit by digit P(n).
    #[test]
    fn tables_hold_the_probabilities() {
        for (degree, terms) in [
            (0, 5),
            (1, 5),
            (3, 5),
            (4, 5),
            (6, 8),
            (7, 8),
            (12, 16),
            (15, 16),
        ] {
            let table = Table::new(0.37, degree, terms);
            for n in 0..=degree {
                let mut digits = 0u64;
                for d in 0..DIGITS {
                    let inside = (0..terms).filter(|s| s & n == *s);
                    let bit = inside.fold(0, |sum, s| sum ^ table.leading[d * terms + s] & 1);
                    digits = digits << 1 | u64::from(bit);
                }
                let p = (digits << 32 | u64::from(table.trailing[n])) as f64 / 40f64.exp2();
                let exact = 1.0 / (1.0 + (-0.74 * (2.0 * n as f64 - degree as f64)).exp());
                assert!(
                    (p - exact).abs() < 2f64.powi(-40),
                    "{degree} {n}: {p} {exact}"
                );
            }
        }
    }
}
