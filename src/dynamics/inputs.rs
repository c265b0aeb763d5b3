//! Local inputs I_i = h_i + Σ_j K_ij s_j of spins stored as bits, in fixed point.
//!
//! Row i is in units of 2^-q, q such that |h| + Σ|K| fits 30 bits (62 for `f64`), and I = (h − ΣK) + Σ_j 2K_j [s_j up]: one
//! masked integer add per neighbour and vector of lanes. Integer sums are exact, so neither the order of the neighbours
//! nor how a sum came about (anew, or updated flip by flip) can change a bit of it. A coupling is off by at most 2^-30 of
//! |h| + Σ|K|, less than `f32` rounds the sum.

use super::LANES;
use super::lanes::{BIT, Collect};
use super::real::Real;
use super::tile::Row;

/// What sums are made of.
pub(super) trait Integer: Copy {
    /// 0.
    const ZERO: Self;
    /// Bits that a sum may fill.
    const BITS: i32;
    /// To the nearest.
    fn round(value: f64) -> Self;
    /// The sum modulo the type's range.
    fn plus(self, other: Self) -> Self;
    /// To floating point.
    fn real<R: Real>(self) -> R;
}

macro_rules! integer {
    ($type:ident, $bits:literal) => {
        impl Integer for $type {
            const ZERO: Self = 0;
            const BITS: i32 = $bits;
            fn round(value: f64) -> Self {
                value.round() as $type
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn real<R: Real>(self) -> R {
                R::from_f64(self as f64)
            }
        }
    };
}

integer!(i32, 30);
integer!(i64, 62);

/// Rows of couplings in one integer type.
#[derive(Clone, Debug)]
pub(super) struct Rows<I> {
    /// h − ΣK of each row.
    pub base: Vec<I>,
    starts: Vec<u32>,
    /// (column, 2K), row after row.
    entries: Vec<(u32, I)>,
}

impl<I: Integer> Rows<I> {
    fn none() -> Self {
        Rows {
            base: Vec::new(),
            starts: vec![0],
            entries: Vec::new(),
        }
    }

    /// Adds rows; returns the unit of each.
    fn fill<'a>(&mut self, rows: impl Iterator<Item = (f64, &'a [(usize, f64)])>) -> Vec<f64> {
        let mut units = Vec::new();
        for (field, couplings) in rows {
            let reach = couplings.iter().fold(field.abs(), |sum, e| sum + e.1.abs());
            let exponent = if reach > 0.0 {
                reach.log2().floor()
            } else {
                0.0
            };
            let unit = (exponent + 1.0 - f64::from(I::BITS)).exp2();
            let mut base = I::round(field / unit);
            for &(j, value) in couplings {
                base = base.plus(I::round(-value / unit));
                let half = I::round(value / unit);
                self.entries.push((j as u32, half.plus(half)));
            }
            self.base.push(base);
            self.starts.push(self.entries.len() as u32);
            units.push(unit);
        }
        units
    }

    /// (column, 2K) of row `row`.
    #[inline(always)]
    pub fn entries(&self, row: usize) -> &[(u32, I)] {
        &self.entries[self.starts[row] as usize..self.starts[row + 1] as usize]
    }

    #[inline(always)]
    fn sum(&self, row: usize, levels: &[u32]) -> [I; LANES] {
        let mut sum = [self.base[row]; LANES];
        for &(j, value) in self.entries(row) {
            let bits = levels[j as usize];
            for lane in 0..LANES {
                let up = bits & BIT[lane] != 0;
                sum[lane] = sum[lane].plus(if up { value } else { I::ZERO });
            }
        }
        sum
    }

    /// The sum of one lane.
    pub fn sum_one(&self, row: usize, levels: &[u32], lane: usize) -> I {
        let up = |j: u32| levels[j as usize] & BIT[lane] != 0;
        let entries = self.entries(row).iter();
        entries.fold(self.base[row], |sum, &(j, value)| {
            sum.plus(if up(j) { value } else { I::ZERO })
        })
    }
}

/// Local inputs, times a factor. Which of the two kinds of integer `R` takes is known to the compiler: a kernel that chose
/// by what it finds would lose a tenth of its speed.
#[derive(Clone, Debug)]
pub(super) struct Inputs<R> {
    narrow: Rows<i32>,
    wide: Rows<i64>,
    /// factor · 2^-q of each row.
    pub scale: Vec<R>,
}

impl<R: Real> Inputs<R> {
    /// Rows of (h, (j, K_j)…); sums come out times `factor`.
    pub fn new<'a>(factor: f64, rows: impl Iterator<Item = (f64, &'a [(usize, f64)])>) -> Self {
        let (mut narrow, mut wide) = (Rows::none(), Rows::none());
        let units = if R::WORDS == 1 {
            narrow.fill(rows)
        } else {
            wide.fill(rows)
        };
        let scale = units.iter().map(|unit| R::from_f64(factor * unit));
        Inputs {
            narrow,
            wide,
            scale: scale.collect(),
        }
    }

    /// factor · I of row `row`, lane by lane.
    #[inline(always)]
    pub fn times_factor<C: Collect>(&self, collect: C, row: usize, levels: &[u32]) -> Row<R> {
        let scale = self.scale[row];
        let mut out = Row::splat(R::ZERO);
        if R::WORDS == 1 {
            let rows = &self.narrow;
            let sum = collect.masked_sum(rows.base[row], rows.entries(row), levels);
            for lane in 0..LANES {
                out[lane] = sum[lane].real::<R>() * scale;
            }
        } else {
            let sum = self.wide.sum(row, levels);
            for lane in 0..LANES {
                out[lane] = sum[lane].real::<R>() * scale;
            }
        }
        out
    }

    /// The rows in 32-bit integers, where these suffice for `R`.
    pub fn narrow(&self) -> Option<&Rows<i32>> {
        (R::WORDS == 1).then_some(&self.narrow)
    }
}

#[cfg(test)]
mod tests {
    use super::super::lanes::Folds;
    use super::*;

    /// Against sums in `f64`, with couplings over nine orders of magnitude.
    #[test]
    fn inputs_are_the_sums() {
        let couplings: Vec<(usize, f64)> = (0..40)
            .map(|j| {
                (
                    j,
                    (f64::from(j as u32) * 0.7).sin() * 10f64.powi(j as i32 % 10 - 6),
                )
            })
            .collect();
        let reach: f64 = couplings.iter().map(|e| e.1.abs()).sum::<f64>() + 0.3;
        let levels: Vec<u32> = (0..40u32)
            .map(|j| j.wrapping_mul(2_654_435_769) ^ j << 7)
            .collect();
        let rows = || std::iter::once((-0.3, &couplings[..]));
        let (narrow, wide) = (
            Inputs::<f32>::new(2.0, rows()),
            Inputs::<f64>::new(2.0, rows()),
        );
        let (a, b) = (
            narrow.times_factor(Folds, 0, &levels),
            wide.times_factor(Folds, 0, &levels),
        );
        for lane in 0..LANES {
            let sign = |j: usize| {
                if levels[j] >> lane & 1 == 1 {
                    1.0
                } else {
                    -1.0
                }
            };
            let sum: f64 = couplings.iter().map(|&(j, v)| v * sign(j)).sum::<f64>() - 0.3;
            assert!((f64::from(a[lane]) - 2.0 * sum).abs() < 4e-7 * reach);
            assert!((b[lane] - 2.0 * sum).abs() < 1e-14 * reach);
        }
        let nothing = Inputs::<f32>::new(1.0, std::iter::once((0.0, &[][..])));
        assert_eq!(nothing.times_factor(Folds, 0, &levels), Row::splat(0.0));
    }
}
