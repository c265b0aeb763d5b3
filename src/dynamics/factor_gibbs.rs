//! Block Gibbs sampling of spins and categories whose conditional laws are sums of table rows times products of spins: colour
//! class after colour class, each variable drawn from its law given the others, or moved by Metropolis' rule. One step is one
//! sweep.
//!
//! Variables are rows of reals: ±1 for a spin, the index for a category. Every variable owns one uniform number u a sweep (one
//! word of its chain's stream for `f32`, two for `f64`), clamped or not. A spin with input I is up where u (1 + e^(−2I)) ≤ 1. A
//! category is the least k with u Σ w ≤ w_0 + … + w_k, w = e^ℓ: the inverse distribution function, with sums in double
//! precision, u = (word + ½)/2³² for `f32` and 53 bits for `f64`. In `f32` a state's probability is off by its weight's
//! error, about 10⁻⁷ (1 + |ℓ|) of itself, and by less than 2⁻³² for the grid of u (5·10⁻⁸ for a spin).

use super::LANES;
use super::draw::{INPUT_TO_EXPONENT, is_up, power_of_two};
use super::factor_tables::{Contribution, Site, Sum, Tables, check};
use super::gibbs::check_classes;
use super::real::Real;
use super::scheme::Stepper;
use super::streams::{Jump, Stream, Streams};
use super::tile::{Row, Tile, end_row, reserve, uniform_words};
use crate::error::Result;
use crate::simd::{Kernel, dispatch};
use std::f64::consts::LOG2_E;

/// Probability that Metropolis' rule proposes.
const PROPOSED: f64 = 0.75;

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
    /// In powers of two.
    tables: Tables<R>,
    rule: Rule,
    /// Widest row.
    width: usize,
    skip: Jump,
}

#[derive(Clone, Debug)]
struct Update {
    node: u32,
    spin: bool,
    clamped: bool,
    sum: Sum,
}

/// How a variable moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Drawn from its conditional law.
    Gibbs,
    /// Another state is proposed, and accepted or not.
    Metropolis,
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
                check(i, contribution, sites[i].width(), &sites)?;
                let others = contribution.nodes.iter().chain(&contribution.spins);
                rows[i].extend(others.map(|&j| (j, 1.0)));
            }
        }
        check_classes(classes, &rows)?;
        let mut tables = Tables::new();
        let mut updates = Vec::with_capacity(n);
        for &i in classes.iter().flatten() {
            let (spin, unit) = match sites[i] {
                Site::Spin => (true, INPUT_TO_EXPONENT),
                Site::Categorical(_) => (false, LOG2_E),
            };
            let contributions = &conditionals[i].contributions;
            updates.push(Update {
                node: i as u32,
                spin,
                clamped: clamped[i],
                sum: tables.push(contributions, sites[i].width(), unit, &sites),
            });
        }
        Ok(FactorGibbs {
            updates,
            tables,
            rule: Rule::Gibbs,
            width: sites.iter().map(|s| s.width()).max().unwrap_or(0),
            skip: Jump::new(R::WORDS as u64),
        })
    }

    /// By Metropolis' rule instead: with probability ¾ another state is proposed, each of them alike, and accepted with
    /// min(1, e^{−ΔE}). A sweep leaves the law alone, being made of moves that do.
    #[must_use]
    pub fn by_proposals(mut self) -> Self {
        self.rule = Rule::Metropolis;
        self
    }

    /// Moves every free variable once a sweep; returns the changes of the first `lanes` lanes that a proposal made.
    #[inline(always)]
    fn sweeps<S: Stream>(
        &self,
        x: &mut [Row<R>],
        work: &mut [Row<R>],
        rng: &mut S,
        (sweeps, lanes): (u64, usize),
    ) -> u64 {
        let mut words = [[0u32; LANES]; 2];
        let mut changed = 0;
        for _ in 0..sweeps {
            for update in &self.updates {
                if update.clamped {
                    rng.skip(self.skip);
                    continue;
                }
                let sums = self.tables.evaluate(&update.sum, x, work);
                uniform_words::<R>(rng, &mut words);
                let own = &mut x[update.node as usize];
                match (self.rule, update.spin) {
                    (Rule::Gibbs, true) => draw_spin(&sums[0], &words, own),
                    (Rule::Gibbs, false) => draw_category(sums, &words, own),
                    (Rule::Metropolis, true) => {
                        changed += flip_spin(&sums[0], &words, own, lanes);
                    }
                    (Rule::Metropolis, false) => {
                        changed += move_category(sums, &words, own, lanes);
                    }
                }
            }
        }
        changed
    }
}

#[inline(always)]
fn draw_spin<R: Real>(y: &Row<R>, words: &[[u32; LANES]; 2], own: &mut Row<R>) {
    for lane in 0..LANES {
        let u = R::uniform([words[0][lane], words[1][lane]]);
        own[lane] = if is_up(u, y[lane]) { R::ONE } else { -R::ONE };
    }
}

/// u of a row as draws of categories use it: at least 2⁻³³.
#[inline(always)]
fn uniform<R: Real>(words: &[[u32; LANES]; 2], lane: usize) -> f64 {
    if R::WORDS == 1 {
        (f64::from(words[0][lane]) + 0.5) * 2f64.powi(-32)
    } else {
        f64::uniform([words[0][lane], words[1][lane]])
    }
}

/// y = −2I log₂e: the spin flips where u ≤ ¾ and u ≤ ¾ e^{−2sI}. Returns the flips of the first `lanes` lanes.
#[inline(always)]
fn flip_spin<R: Real>(
    y: &Row<R>,
    words: &[[u32; LANES]; 2],
    own: &mut Row<R>,
    lanes: usize,
) -> u64 {
    let proposed = R::from_f64(PROPOSED);
    let mut flips = 0;
    for lane in 0..LANES {
        let u = R::uniform([words[0][lane], words[1][lane]]);
        let ratio = power_of_two(if own[lane] > R::ZERO {
            y[lane]
        } else {
            -y[lane]
        });
        let taken = u <= proposed && u <= proposed * ratio;
        own[lane] = if taken { -own[lane] } else { own[lane] };
        flips += u64::from(taken && lane < lanes);
    }
    flips
}

/// `logits` in powers of two. ¾ of u's range is cut into a piece for each other state; its place in that piece accepts or not.
/// Returns the changes of the first `lanes` lanes.
#[inline(always)]
fn move_category<R: Real>(
    logits: &mut [Row<R>],
    words: &[[u32; LANES]; 2],
    own: &mut Row<R>,
    lanes: usize,
) -> u64 {
    let others = (logits.len() - 1) as f64;
    let mut changes = 0;
    for lane in 0..LANES {
        let place = uniform::<R>(words, lane) * others / PROPOSED;
        if place >= others {
            continue;
        }
        let now = own[lane].to_f64() as usize;
        let piece = place as usize;
        let next = if piece < now { piece } else { piece + 1 };
        let ratio = (logits[next][lane].to_f64() - logits[now][lane].to_f64()).exp2();
        if place - piece as f64 <= ratio {
            own[lane] = R::from_f64(next as f64);
            changes += u64::from(lane < lanes);
        }
    }
    changes
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
        let u = uniform::<R>(words, lane);
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
        let (gibbs, extent) = (self.gibbs, (self.sweeps, self.tile.lanes));
        let (x, work) = (&mut self.tile.x[..], &mut self.tile.work[..]);
        self.tile.accepted += match &mut self.tile.rng {
            Streams::Pcg(rng) => gibbs.sweeps(x, work, rng, extent),
            Streams::ChaCha8(rng) => gibbs.sweeps(x, work, &mut **rng, extent),
        };
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
    use super::super::streams::{Generator, Origin};
    use super::*;
    use crate::simd::{InstructionSet, limited_to};

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
