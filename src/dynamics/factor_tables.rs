//! Tables whose rows other variables choose, times products of spins: what conditional laws and energies of factor graphs are
//! sums of, for all lanes at once. Variables are rows of reals: ±1 for a spin, the index for a category.

use super::LANES;
use super::real::Real;
use super::tile::{Row, end_row};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::ops::Range;

/// Most rows of a table: their numbers must be exact in `f32`.
const MOST_ROWS: usize = 1 << 24;
/// Tables of at most so many rows are searched by comparing, all lanes at once, and not looked up lane by lane.
const SEARCHED: usize = 8;

/// What a variable can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// ±1.
    Spin,
    /// 0..K.
    Categorical(usize),
}

impl Site {
    pub(super) fn states(self) -> usize {
        match self {
            Site::Spin => 2,
            Site::Categorical(states) => states,
        }
    }

    /// Numbers in a row of its conditional law.
    pub(super) fn width(self) -> usize {
        match self {
            Site::Spin => 1,
            Site::Categorical(states) => states,
        }
    }
}

/// One contribution to a variable's conditional law: the row of a table that other variables choose, times other spins.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    /// Variables that choose the row; the last runs fastest.
    pub nodes: Vec<usize>,
    /// Spins that multiply it.
    pub spins: Vec<usize>,
    /// Row after row. Of a category: what is added to ℓ_k, k = 0..K. Of a spin: one number, added to I, where P(+1) = σ(2I).
    pub rows: Vec<f64>,
}

/// What contributions were lowered to.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables<R> {
    terms: Vec<Term<R>>,
    places: Vec<(u32, R)>,
    spins: Vec<u32>,
    numbers: Vec<R>,
}

#[derive(Clone, Debug)]
struct Term<R> {
    /// Among `places`: the row's number is first + Σ scale·x.
    places: Range<usize>,
    first: R,
    /// Among `spins`.
    spins: Range<usize>,
    /// Among `numbers`.
    rows: Range<usize>,
}

/// A sum of contributions: its constants among the numbers, its terms.
#[derive(Clone, Debug)]
pub(super) struct Sum {
    constant: Range<usize>,
    terms: Range<usize>,
}

impl<R: Real> Tables<R> {
    pub(super) fn new() -> Self {
        Tables {
            terms: Vec::new(),
            places: Vec::new(),
            spins: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// Appends a sum of `width` numbers, each times `unit`; contributions that the same variables decide become one.
    pub(super) fn push(
        &mut self,
        contributions: &[Contribution],
        width: usize,
        unit: f64,
        sites: &[Site],
    ) -> Sum {
        let mut merged: BTreeMap<(&[usize], &[usize]), Vec<f64>> = BTreeMap::new();
        for Contribution { nodes, spins, rows } in contributions {
            let sum = merged.entry((nodes, spins));
            let sum = sum.or_insert_with(|| vec![0.0; rows.len()]);
            sum.iter_mut().zip(rows).for_each(|(sum, row)| *sum += row);
        }
        let constant = merged.remove(&(&[][..], &[][..]));
        let constant = constant.unwrap_or_else(|| vec![0.0; width]);
        let constant = self.store(&constant, unit);
        let first_term = self.terms.len();
        for ((nodes, spins), rows) in merged {
            let (first_place, first_spin) = (self.places.len(), self.spins.len());
            let (mut stride, mut first) = (1.0, 0.0);
            for &j in nodes.iter().rev() {
                // The state of a spin at x is (x + 1)/2; halves are exact.
                let (scale, offset) = match sites[j] {
                    Site::Spin => (0.5 * stride, 0.5 * stride),
                    Site::Categorical(_) => (stride, 0.0),
                };
                self.places.push((j as u32, R::from_f64(scale)));
                first += offset;
                stride *= sites[j].states() as f64;
            }
            self.spins.extend(spins.iter().map(|&j| j as u32));
            let rows = self.store(&rows, unit);
            self.terms.push(Term {
                places: first_place..self.places.len(),
                first: R::from_f64(first),
                spins: first_spin..self.spins.len(),
                rows,
            });
        }
        Sum {
            constant,
            terms: first_term..self.terms.len(),
        }
    }

    /// A sum's numbers at `x`, one row of lanes each, in the first rows of `work`.
    #[inline(always)]
    pub(super) fn evaluate<'a>(
        &self,
        sum: &Sum,
        x: &[Row<R>],
        work: &'a mut [Row<R>],
    ) -> &'a mut [Row<R>] {
        let constants = &self.numbers[sum.constant.clone()];
        let sums = &mut work[..constants.len()];
        for (sum, &constant) in sums.iter_mut().zip(constants) {
            *sum = Row::splat(constant);
        }
        for term in &self.terms[sum.terms.clone()] {
            self.add(term, x, sums);
        }
        sums
    }

    fn store(&mut self, values: &[f64], unit: f64) -> Range<usize> {
        let first = self.numbers.len();
        let values = values.iter().map(|v| R::from_f64(unit * v));
        self.numbers.extend(values);
        first..self.numbers.len()
    }

    /// Π of a term's spins.
    #[inline(always)]
    fn sign(&self, term: &Term<R>, x: &[Row<R>]) -> Row<R> {
        let mut sign = Row::splat(R::ONE);
        for &j in &self.spins[term.spins.clone()] {
            let other = &x[j as usize];
            for lane in 0..LANES {
                sign[lane] = sign[lane] * other[lane];
            }
        }
        sign
    }

    /// The number of a term's row.
    #[inline(always)]
    fn row(&self, term: &Term<R>, x: &[Row<R>]) -> Row<R> {
        let mut row = Row::splat(term.first);
        for &(j, scale) in &self.places[term.places.clone()] {
            let other = &x[j as usize];
            for lane in 0..LANES {
                row[lane] = scale.fma(other[lane], row[lane]);
            }
        }
        row
    }

    /// Adds a term's rows to `sums`, one row of lanes per number.
    #[inline(always)]
    fn add(&self, term: &Term<R>, x: &[Row<R>], sums: &mut [Row<R>]) {
        let (sign, numbers) = (self.sign(term, x), &self.numbers[term.rows.clone()]);
        let width = sums.len();
        if term.places.is_empty() {
            for (sum, &value) in sums.iter_mut().zip(numbers) {
                for lane in 0..LANES {
                    sum[lane] = sign[lane].fma(value, sum[lane]);
                }
                end_row();
            }
        } else if numbers.len() <= SEARCHED * width {
            let row = self.row(term, x);
            for (k, sum) in sums.iter_mut().enumerate() {
                let mut value = Row::splat(R::ZERO);
                let mut number = R::ZERO;
                for &candidate in numbers[k..].iter().step_by(width) {
                    for lane in 0..LANES {
                        let here = row[lane] == number;
                        value[lane] = if here { candidate } else { value[lane] };
                    }
                    number = number + R::ONE;
                }
                for lane in 0..LANES {
                    sum[lane] = sign[lane].fma(value[lane], sum[lane]);
                }
                end_row();
            }
        } else {
            let row = self.row(term, x);
            for lane in 0..LANES {
                let from = row[lane].to_f64() as usize * width;
                let values = &numbers[from..][..width];
                for (sum, &value) in sums.iter_mut().zip(values) {
                    sum[lane] = sign[lane].fma(value, sum[lane]);
                }
            }
        }
    }
}

/// Refuses a contribution to variable `i` that is not one.
pub(super) fn check(
    i: usize,
    contribution: &Contribution,
    width: usize,
    sites: &[Site],
) -> Result<()> {
    let Contribution { nodes, spins, rows } = contribution;
    let refused = |value: String, expected: &str| {
        let field = format!("conditional[{i}]");
        Err(Error::invalid(field, value, expected))
    };
    if let Some(j) = nodes
        .iter()
        .chain(spins)
        .find(|&&j| j == i || j >= sites.len())
    {
        return refused(format!("variable {j}"), "other variables");
    }
    if let Some(j) = spins.iter().find(|&&j| sites[j] != Site::Spin) {
        return refused(format!("variable {j} in a product"), "spins");
    }
    let states = nodes.iter().map(|&j| sites[j].states());
    let count = states
        .into_iter()
        .try_fold(1usize, |all, k| all.checked_mul(k));
    let Some(count) = count.filter(|&count| count <= MOST_ROWS) else {
        let value = format!("{} variables choosing a row", nodes.len());
        return refused(value, "at most 2^24 rows in a table");
    };
    if rows.len() != count * width {
        let expected = format!("{count} rows of {width}");
        return refused(format!("{} numbers", rows.len()), &expected);
    }
    Ok(())
}
