//! Block Gibbs sampling of spins and categories whose conditional laws are sums of table rows times products of spins: colour
//! class after colour class, each variable drawn from its law given the others. One step is one sweep.
//!
//! Variables are rows of reals: ±1 for a spin, the index for a category. Every variable owns one uniform number u a sweep (one
//! word of its chain's stream for `f32`, two for `f64`), clamped or not. A spin with input I is up where u (1 + e^(−2I)) ≤ 1. A
//! category is the least k with u Σ w ≤ w_0 + … + w_k, w = e^ℓ: the inverse distribution function, with sums in double
//! precision, u = (word + ½)/2³² for `f32` and 53 bits for `f64`. In `f32` a state's probability is off by its weight's
//! error, about 10⁻⁷ (1 + |ℓ|) of itself, and by less than 2⁻³² for the grid of u (5·10⁻⁸ for a spin).

use super::LANES;
use super::draw::{INPUT_TO_EXPONENT, is_up, power_of_two};
use super::gibbs::check_classes;
use super::real::Real;
use super::scheme::Stepper;
use super::simd::{Kernel, dispatch};
use super::streams::{Jump, Stream, Streams};
use super::tile::{Row, Tile, end_row, reserve, uniform_words};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::f64::consts::LOG2_E;
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
    fn states(self) -> usize {
        match self {
            Site::Spin => 2,
            Site::Categorical(states) => states,
        }
    }

    /// Numbers in a row of its conditional law.
    fn width(self) -> usize {
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

/// A variable's law given all others: P(k) ∝ exp(Σ ℓ_k), or P(+1) = σ(2 Σ I).
#[derive(Clone, Debug, PartialEq)]
pub struct Conditional {
    /// What it can be.
    pub site: Site,
    /// What its law is made of.
    pub contributions: Vec<Contribution>,
}

/// Gibbs sweeps over classes of variables that do not depend on each other.
#[derive(Clone, Debug)]
pub struct FactorGibbs<R> {
    /// In the order of the sweep.
    updates: Vec<Update>,
    terms: Vec<Term<R>>,
    places: Vec<(u32, R)>,
    spins: Vec<u32>,
    /// Constants and tables, in powers of two.
    numbers: Vec<R>,
    /// Widest row.
    width: usize,
    skip: Jump,
}

#[derive(Clone, Debug)]
struct Update {
    node: u32,
    spin: bool,
    clamped: bool,
    /// Among `numbers`.
    constant: Range<usize>,
    terms: Range<usize>,
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

impl<R: Real> FactorGibbs<R> {
    /// Prepares sweeps over variables with these conditional laws in the order of `classes`.
    ///
    /// # Errors
    /// Classes that do not list every variable once or hold two that depend on each other; a contribution of the variable itself
    /// or of one that does not exist, with a product over categories, or with a table of another length than its variables'
    /// states (or of more than 2²⁴ rows).
    pub fn new(
        conditionals: &[Conditional],
        classes: &[Vec<usize>],
        clamped: &[bool],
    ) -> Result<Self> {
        let n = conditionals.len();
        let sites: Vec<Site> = conditionals.iter().map(|c| c.site).collect();
        let mut rows = vec![Vec::new(); n];
        for (i, conditional) in conditionals.iter().enumerate() {
            for contribution in &conditional.contributions {
                check(i, contribution, &sites)?;
                let others = contribution.nodes.iter().chain(&contribution.spins);
                rows[i].extend(others.map(|&j| (j, 1.0)));
            }
        }
        check_classes(classes, &rows)?;
        let mut sweep = FactorGibbs {
            updates: Vec::with_capacity(n),
            terms: Vec::new(),
            places: Vec::new(),
            spins: Vec::new(),
            numbers: Vec::new(),
            width: sites.iter().map(|s| s.width()).max().unwrap_or(0),
            skip: Jump::new(R::WORDS as u64),
        };
        for &i in classes.iter().flatten() {
            sweep.push(i, &conditionals[i], &sites, clamped[i]);
        }
        Ok(sweep)
    }

    /// Appends a variable; contributions that the same variables decide become one.
    fn push(&mut self, node: usize, conditional: &Conditional, sites: &[Site], clamped: bool) {
        let site = conditional.site;
        let (spin, unit) = match site {
            Site::Spin => (true, INPUT_TO_EXPONENT),
            Site::Categorical(_) => (false, LOG2_E),
        };
        let mut merged: BTreeMap<(&[usize], &[usize]), Vec<f64>> = BTreeMap::new();
        for Contribution { nodes, spins, rows } in &conditional.contributions {
            let sum = merged.entry((nodes, spins));
            let sum = sum.or_insert_with(|| vec![0.0; rows.len()]);
            sum.iter_mut().zip(rows).for_each(|(sum, row)| *sum += row);
        }
        let constant = merged.remove(&(&[][..], &[][..]));
        let constant = constant.unwrap_or_else(|| vec![0.0; site.width()]);
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
        self.updates.push(Update {
            node: node as u32,
            spin,
            clamped,
            constant,
            terms: first_term..self.terms.len(),
        });
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

    #[inline(always)]
    fn sweeps<S: Stream>(&self, x: &mut [Row<R>], work: &mut [Row<R>], rng: &mut S, sweeps: u64) {
        let mut words = [[0u32; LANES]; 2];
        for _ in 0..sweeps {
            for update in &self.updates {
                if update.clamped {
                    rng.skip(self.skip);
                    continue;
                }
                let constants = &self.numbers[update.constant.clone()];
                let sums = &mut work[..constants.len()];
                for (sum, &constant) in sums.iter_mut().zip(constants) {
                    *sum = Row::splat(constant);
                }
                for term in &self.terms[update.terms.clone()] {
                    self.add(term, x, sums);
                }
                uniform_words::<R>(rng, &mut words);
                let own = &mut x[update.node as usize];
                if update.spin {
                    draw_spin(&sums[0], &words, own);
                } else {
                    draw_category(sums, &words, own);
                }
            }
        }
    }
}

/// Refuses a contribution to variable `i` that is not one.
fn check(i: usize, contribution: &Contribution, sites: &[Site]) -> Result<()> {
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
    if rows.len() != count * sites[i].width() {
        let expected = format!("{count} rows of {}", sites[i].width());
        return refused(format!("{} numbers", rows.len()), &expected);
    }
    Ok(())
}

#[inline(always)]
fn draw_spin<R: Real>(y: &Row<R>, words: &[[u32; LANES]; 2], own: &mut Row<R>) {
    for lane in 0..LANES {
        let u = R::uniform([words[0][lane], words[1][lane]]);
        own[lane] = if is_up(u, y[lane]) { R::ONE } else { -R::ONE };
    }
}

/// `logits` in powers of two; they are left as weights.
#[inline(always)]
fn draw_category<R: Real>(logits: &mut [Row<R>], words: &[[u32; LANES]; 2], own: &mut Row<R>) {
    let mut most = logits[0];
    for logit in &logits[1..] {
        for lane in 0..LANES {
            most[lane] = if logit[lane] > most[lane] {
                logit[lane]
            } else {
                most[lane]
            };
        }
    }
    let mut total = [0.0f64; LANES];
    for logit in &mut *logits {
        for lane in 0..LANES {
            logit[lane] = power_of_two(logit[lane] - most[lane]);
            total[lane] += logit[lane].to_f64();
        }
        end_row();
    }
    let mut threshold = [0.0f64; LANES];
    for lane in 0..LANES {
        let u = if R::WORDS == 1 {
            (f64::from(words[0][lane]) + 0.5) * 2f64.powi(-32)
        } else {
            f64::uniform([words[0][lane], words[1][lane]])
        };
        threshold[lane] = u * total[lane];
    }
    // The last sum is the total itself, which the threshold does not exceed.
    let mut sum = [0.0f64; LANES];
    *own = Row::splat(R::ZERO);
    for weight in &*logits {
        for lane in 0..LANES {
            sum[lane] += weight[lane].to_f64();
            let beyond = sum[lane] < threshold[lane];
            own[lane] = own[lane] + if beyond { R::ONE } else { R::ZERO };
        }
        end_row();
    }
}

struct Advance<'a, R> {
    gibbs: &'a FactorGibbs<R>,
    tile: &'a mut Tile<R>,
    sweeps: u64,
}

impl<R: Real> Kernel for Advance<'_, R> {
    #[inline(always)]
    fn run(self) {
        let (gibbs, sweeps) = (self.gibbs, self.sweeps);
        let (x, work) = (&mut self.tile.x[..], &mut self.tile.work[..]);
        match &mut self.tile.rng {
            Streams::Pcg(rng) => gibbs.sweeps(x, work, rng, sweeps),
            Streams::ChaCha8(rng) => gibbs.sweeps(x, work, &mut **rng, sweeps),
        }
    }
}

impl<R: Real> Stepper<R> for FactorGibbs<R> {
    fn begin(&self, tile: &mut Tile<R>) {
        reserve(&mut tile.work, self.width);
    }

    fn advance(&self, tile: &mut Tile<R>, sweeps: u64) {
        dispatch(Advance {
            gibbs: self,
            tile,
            sweeps,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::{InstructionSet, limited_to};
    use super::super::streams::{Generator, Origin};
    use super::*;

    /// Six variables: spins 0 and 3, categories of 3, 20, 4 and 2; every kind of contribution (constants, products, tables that are
    /// searched and looked up, tables times products). `number(k)` are the weights.
    fn laws(number: impl Fn(usize) -> f64) -> Vec<Conditional> {
        let part = |nodes: &[usize], spins: &[usize], count: usize| Contribution {
            nodes: nodes.to_vec(),
            spins: spins.to_vec(),
            rows: (0..count)
                .map(|k| number(k + 7 * count + 31 * nodes.len()))
                .collect(),
        };
        let law = |site, contributions| Conditional {
            site,
            contributions,
        };
        vec![
            law(
                Site::Spin,
                vec![
                    part(&[], &[], 1),
                    part(&[], &[3], 1),
                    part(&[1, 2], &[3], 60),
                ],
            ),
            law(
                Site::Categorical(3),
                vec![part(&[2], &[0], 60), part(&[5], &[], 6), part(&[], &[], 3)],
            ),
            law(Site::Categorical(20), vec![part(&[1], &[0, 3], 60)]),
            law(Site::Spin, vec![part(&[0, 4], &[], 8), part(&[], &[0], 1)]),
            law(
                Site::Categorical(4),
                vec![part(&[0, 3], &[], 16), part(&[0, 3], &[], 16)],
            ),
            law(Site::Categorical(2), vec![]),
        ]
    }

    fn alone(n: usize) -> Vec<Vec<usize>> {
        (0..n).map(|i| vec![i]).collect()
    }

    fn weights(k: usize) -> f64 {
        ((k * 37) % 23) as f64 * 0.1 - 1.1
    }

    fn path<R: Real>(generator: Generator, clamped: bool) -> Vec<Vec<f64>> {
        let clamped: Vec<bool> = (0..6).map(|i| clamped && i == 2).collect();
        let gibbs = FactorGibbs::<R>::new(&laws(weights), &alone(6), &clamped).unwrap();
        let mut tile = Tile::<R>::new(Origin::from((3, 1)).by(generator), 0, LANES, 6, 0);
        for i in [0, 3] {
            tile.x[i] = Row::splat(R::ONE);
        }
        gibbs.begin(&mut tile);
        gibbs.advance(&mut tile, 50);
        let row = |row: &Row<R>| row.iter().map(|v| v.to_f64()).collect();
        tile.x.iter().map(row).collect()
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        for generator in Generator::ALL {
            for clamped in [false, true] {
                let on = |set| {
                    limited_to(set, || {
                        (
                            path::<f32>(generator, clamped),
                            path::<f64>(generator, clamped),
                        )
                    })
                };
                let portable = on(InstructionSet::Portable);
                for set in [InstructionSet::Avx2, InstructionSet::Avx512] {
                    assert_eq!(portable, on(set), "{set:?}");
                }
                assert!(!clamped || portable.0[2] == [0.0; LANES]);
            }
        }
    }

    /// The inverse distribution function, from words: state k up to (w_0 + … + w_k)/Σ w.
    #[test]
    fn categories_follow_the_words() {
        let shares = [0.125, 0.5, 0.25, 0.125f64];
        let logits = shares.map(|p| Row::splat(p.log2() + 5.0));
        let drawn = |word: u32| {
            let mut own = Row::splat(f64::NAN);
            draw_category(&mut logits.clone(), &[[word; LANES], [0; LANES]], &mut own);
            own[LANES - 1]
        };
        let eighth = 1u32 << 29;
        for (word, state) in [
            (0, 0.0),
            (eighth - 1, 0.0),
            (eighth + 1, 1.0),
            (5 * eighth - 1, 1.0),
            (5 * eighth + 1, 2.0),
            (7 * eighth + 1, 3.0),
            (u32::MAX, 3.0),
        ] {
            assert_eq!(drawn(word), state, "{word:x}");
        }
        let mut own = Row::splat(f32::NAN);
        let mut single = logits.map(|row| Row::splat(row[0] as f32));
        draw_category(
            &mut single,
            &[[5 * eighth + 1; LANES], [0; LANES]],
            &mut own,
        );
        assert_eq!(own[0], 2.0);
    }

    #[test]
    fn laws_that_do_not_fit_are_refused() {
        let refused = |change: &dyn Fn(&mut Vec<Conditional>)| {
            let mut laws = laws(weights);
            change(&mut laws);
            let refused = FactorGibbs::<f32>::new(&laws, &alone(6), &[false; 6]);
            refused.unwrap_err().to_string()
        };
        let said = refused(&|laws| laws[0].contributions[1].spins = vec![0]);
        assert!(
            said.contains("`conditional[0]` = variable 0: expected other"),
            "{said}"
        );
        let said = refused(&|laws| laws[0].contributions[1].spins = vec![1]);
        assert!(said.contains("variable 1 in a product"), "{said}");
        let said = refused(&|laws| laws[4].contributions[0].rows.truncate(15));
        assert!(said.contains("15 numbers: expected 4 rows of 4"), "{said}");
        let said = refused(&|laws| laws[4].contributions[0].nodes = vec![2; 6]);
        assert!(said.contains("at most 2^24 rows"), "{said}");
        let together = vec![vec![0, 5], vec![1, 2], vec![3, 4]];
        let refused = FactorGibbs::<f32>::new(&laws(weights), &together, &[false; 6]);
        assert!(
            refused
                .unwrap_err()
                .to_string()
                .contains("no edge inside a class")
        );
    }
}
