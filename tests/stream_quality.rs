//! The streams' normals, as a tile's plan draws them, are independent and standard: both generators, `f32` and `f64`.
//!
//! | check | statistic of n draws, variance without error |
//! | --- | --- |
//! | moments | means of z, z², z³, z⁴: 1/n, 2/n, 15/n, 96/n |
//! | tails | counts of z beyond ±4 (p = 6.3e-5) and ±5 (5.7e-7), as Poisson counts |
//! | law | largest distance of the distribution functions at edges 2⁻¹⁰ apart (Kolmogorov–Smirnov; bound of Massart 1990) |
//! | relations | means of zz′ (1/n) and of (z² − 1)(z′² − 1) (4/n) of the related draws in `RELATIONS` |
//! | three lanes | counts of the pairs' octants in three neighbouring lanes, as χ² of 448 degrees of freedom (Good 1953) |
//!
//! A mean is refused beyond 5.8 standard errors: 6.6e-9, at most 1e-8 with the skewness of z⁴ and of the squares at n = 2e6; counts
//! and distances at 1e-8. 20 checks × 6 kinds of stream: a false-alarm rate of at most 1.2e-6 in each tier.
//! The fast tier has 2e6 draws per kind, the slow one (THERMOCHIP_SLOW=1) 1e8.

use statrs::distribution::{ChiSquared, ContinuousCDF, DiscreteCDF, Poisson};
use statrs::function::erf::erfc;
use thermochip::dynamics::streams::StreamPosition;
use thermochip::dynamics::{Compiled, Generator, LANES, NormalBits, NormalPlan, Origin, Tile};
use thermochip::simd::{Kernel, dispatch};

/// Nodes of a chain.
const NODES: usize = 64;
/// Steps of a tile.
const STEPS: usize = 64;
/// Tiles of the fast tier: 2.1e6 draws.
const FAST: usize = 16;
/// Tiles of the slow tier: 1.05e8 draws.
const SLOW: usize = 800;
/// Standard errors beyond which a mean is refused.
const LIMIT: f64 = 5.8;
/// False-alarm rate of a count or a distance.
const FALSE_ALARM: f64 = 1e-8;

/// One number for every lane.
type Lanes = [f64; LANES];
/// Rows of one step.
type Rows = [Lanes; NODES];

struct Fill<'a, R>(&'a NormalPlan, &'a mut Tile<R>);

impl<R: Compiled> Kernel for Fill<'_, R> {
    #[inline(always)]
    fn run(self) {
        self.0.fill(&mut self.1.rng, &mut self.1.noise);
    }
}

/// Hands every step of a tile to `see`.
fn follow<R: Compiled>(mut tile: Tile<R>, bits: NormalBits, mut see: impl FnMut(&Rows)) {
    let plan = NormalPlan::new::<R>(&[true; NODES], bits);
    tile.noise = vec![thermochip::dynamics::Row::splat(R::ZERO); NODES];
    let mut rows = [[0.0; LANES]; NODES];
    for _ in 0..STEPS {
        dispatch(Fill(&plan, &mut tile));
        for (row, noise) in rows.iter_mut().zip(&tile.noise) {
            *row = std::array::from_fn(|lane| noise[lane].to_f64());
        }
        see(&rows);
    }
}

/// Sums of products of related draws, lane by lane.
#[derive(Clone)]
struct Relation {
    name: &'static str,
    count: u64,
    values: Lanes,
    squares: Lanes,
}

impl Relation {
    fn add(&mut self, a: &[f64], b: &[f64]) {
        self.count += a.len() as u64;
        for (lane, (a, b)) in a.iter().zip(b).enumerate() {
            self.values[lane] += a * b;
            self.squares[lane] += (a * a - 1.0) * (b * b - 1.0);
        }
    }
}

const NEIGHBOURS: usize = 0;
const DRAWS: [usize; 2] = [1, 2];
const PAIR: usize = 3;
const STEP: [usize; 2] = [4, 5];
const RELATIONS: [&str; 6] = [
    "neighbouring lanes",
    "one draw apart",
    "two draws apart",
    "a pair's members",
    "one step apart",
    "two steps apart",
];

const BINS_PER_UNIT: f64 = 1024.0;
const END: f64 = 8.0;
const BINS: usize = (2.0 * END * BINS_PER_UNIT) as usize;

/// Everything that the checks need.
struct Account {
    bins: Vec<u64>,
    powers: [Lanes; 4],
    relations: Vec<Relation>,
    /// Octants of a pair in three lanes in a row, the lanes closed to a ring.
    octants: Vec<u64>,
    earlier: Vec<Rows>,
}

impl Account {
    fn new() -> Self {
        Account {
            bins: vec![0; BINS],
            powers: [[0.0; LANES]; 4],
            relations: RELATIONS
                .iter()
                .map(|name| Relation {
                    name,
                    count: 0,
                    values: [0.0; LANES],
                    squares: [0.0; LANES],
                })
                .collect(),
            octants: vec![0; 512],
            earlier: Vec::new(),
        }
    }

    fn add(&mut self, rows: &Rows) {
        for row in rows {
            for (lane, z) in row.iter().enumerate() {
                let square = z * z;
                self.powers[0][lane] += z;
                self.powers[1][lane] += square;
                self.powers[2][lane] += square * z;
                self.powers[3][lane] += square * square;
            }
            for z in row {
                let bin = ((z + END) * BINS_PER_UNIT) as usize;
                self.bins[bin.min(BINS - 1)] += 1;
            }
            self.relations[NEIGHBOURS].add(&row[..LANES - 1], &row[1..]);
        }
        for (k, relation) in DRAWS.into_iter().enumerate() {
            for (a, b) in rows.iter().zip(&rows[k + 1..]) {
                self.relations[relation].add(a, b);
            }
        }
        for pair in rows.chunks(2) {
            self.relations[PAIR].add(&pair[0], &pair[1]);
            let octants: [usize; LANES] = std::array::from_fn(|lane| {
                let (a, b) = (pair[0][lane], pair[1][lane]);
                usize::from(a > 0.0)
                    | usize::from(b > 0.0) << 1
                    | usize::from(a.abs() > b.abs()) << 2
            });
            for lane in 0..LANES {
                let [next, last] = [1, 2].map(|k| octants[(lane + k) % LANES]);
                self.octants[octants[lane] << 6 | next << 3 | last] += 1;
            }
        }
        for (earlier, relation) in self.earlier.iter().rev().zip(STEP) {
            for (a, b) in earlier.iter().zip(rows) {
                self.relations[relation].add(a, b);
            }
        }
        if self.earlier.len() == 2 {
            self.earlier.remove(0);
        }
        self.earlier.push(*rows);
    }

    /// Names of the checks that fail.
    fn failures(&self) -> Vec<String> {
        let draws = self.bins.iter().sum::<u64>() as f64;
        let mut failed = Vec::new();
        let mut mean = |name: String, sums: &Lanes, n: f64, expected: f64, variance: f64| {
            let deviation = sums.iter().sum::<f64>() / n - expected;
            if deviation.is_nan() || deviation.abs() > LIMIT * (variance / n).sqrt() {
                failed.push(name);
            }
        };
        let laws = [(0.0, 1.0), (1.0, 2.0), (0.0, 15.0), (3.0, 96.0)];
        for (k, (sums, (expected, variance))) in self.powers.iter().zip(laws).enumerate() {
            mean(format!("moment {}", k + 1), sums, draws, expected, variance);
        }
        for r in &self.relations {
            let n = r.count as f64;
            mean(format!("{}: values", r.name), &r.values, n, 0.0, 1.0);
            mean(format!("{}: squares", r.name), &r.squares, n, 0.0, 4.0);
        }
        for beyond in [4.0, 5.0] {
            let (lower, upper) = (END - beyond, END + beyond);
            let [lower, upper] = [lower, upper].map(|edge| (edge * BINS_PER_UNIT) as usize);
            let count: u64 = self.bins[..lower].iter().chain(&self.bins[upper..]).sum();
            let law = Poisson::new(draws * erfc(beyond / 2f64.sqrt())).unwrap();
            let at_least = if count == 0 { 1.0 } else { law.sf(count - 1) };
            if law.cdf(count).min(at_least) < 0.5 * FALSE_ALARM {
                failed.push(format!("beyond {beyond}"));
            }
        }
        // Overlapping triples: the excess of their statistic over that of the pairs is chi-square (Good 1953).
        let triples: f64 = self.octants.iter().map(|&c| (c as f64).powi(2)).sum();
        let pairs = self.octants.chunks(8).map(|c| c.iter().sum::<u64>() as f64);
        let excess = (512.0 * triples - 64.0 * pairs.map(|c| c * c).sum::<f64>()) / (0.5 * draws);
        if ChiSquared::new(512.0 - 64.0).unwrap().sf(excess) < FALSE_ALARM {
            failed.push("three lanes".to_owned());
        }
        let (mut below, mut distance) = (0, 0.0f64);
        for (k, count) in self.bins.iter().enumerate() {
            below += count;
            let edge = (k + 1) as f64 / BINS_PER_UNIT - END;
            let expected = 0.5 * erfc(-edge / 2f64.sqrt());
            distance = distance.max((below as f64 / draws - expected).abs());
        }
        if 2.0 * (-2.0 * draws * distance * distance).exp() < FALSE_ALARM {
            failed.push("law".to_owned());
        }
        failed
    }
}

/// The account of `tiles` tiles whose steps `mutate` may change.
fn account<R: Compiled>(
    origin: Origin,
    bits: NormalBits,
    tiles: usize,
    mut mutate: impl FnMut(&mut Rows),
) -> Account {
    let mut account = Account::new();
    for t in 0..tiles {
        account.earlier.clear();
        let tile = Tile::<R>::new(origin, t * LANES, LANES, NODES, 0);
        follow(tile, bits, |rows| {
            let mut rows = *rows;
            mutate(&mut rows);
            account.add(&rows);
        });
    }
    account
}

fn origin(generator: Generator) -> Origin {
    Origin::from((2024, 5)).by(generator)
}

fn good(tiles: usize) {
    let full = NormalBits::Full;
    for generator in Generator::ALL {
        for (precision, account) in [
            (
                "f32",
                account::<f32>(origin(generator), full, tiles, |_| ()),
            ),
            (
                "f64",
                account::<f64>(origin(generator), full, tiles, |_| ()),
            ),
            (
                "f64 of single words",
                account::<f64>(origin(generator), NormalBits::Single, tiles, |_| ()),
            ),
        ] {
            let failed = account.failures();
            assert!(
                failed.is_empty(),
                "{} {precision}: {failed:?}",
                generator.name()
            );
        }
    }
}

/// A change of a step's rows.
type Mutation = Box<dyn FnMut(&mut Rows)>;

fn each(change: impl Fn(f64) -> f64 + 'static) -> Mutation {
    Box::new(move |rows| {
        for z in rows.iter_mut().flatten() {
            *z = change(*z);
        }
    })
}

/// Node `to` of every sixteen gets the draws of node `from`; their signs alternate when only squares are to be related.
fn copied_node(from: usize, to: usize, alternating: bool) -> Mutation {
    Box::new(move |rows| {
        for (k, block) in rows.chunks_mut(16).enumerate() {
            let sign = if alternating && k % 2 == 1 { -1.0 } else { 1.0 };
            block[to] = block[from].map(|z| sign * z);
        }
    })
}

/// Lane 1 repeats lane 0.
fn copied_lane(alternating: bool) -> Mutation {
    Box::new(move |rows| {
        for (k, row) in rows.iter_mut().enumerate() {
            let sign = if alternating && k % 2 == 1 { -1.0 } else { 1.0 };
            row[1] = sign * row[0];
        }
    })
}

/// Noise that is used again `lag` steps later.
fn reused(lag: usize, alternating: bool) -> Mutation {
    let (mut step, mut kept) = (0, vec![[[0.0; LANES]; NODES]; lag]);
    Box::new(move |rows| {
        if (step / lag).is_multiple_of(2) {
            kept[step % lag] = *rows;
        } else {
            for (k, (row, old)) in rows.iter_mut().zip(&kept[step % lag]).enumerate() {
                let sign = if alternating && k % 2 == 1 { -1.0 } else { 1.0 };
                *row = old.map(|z| sign * z);
            }
        }
        step += 1;
    })
}

/// What each check must refuse.
fn mutations() -> Vec<(String, Mutation)> {
    let name = |relation: usize, squares: bool| {
        let what = if squares { "squares" } else { "values" };
        format!("{}: {what}", RELATIONS[relation])
    };
    let mut all: Vec<(String, Mutation)> = vec![
        ("moment 1".to_owned(), each(|z| z + 0.01)),
        ("moment 2".to_owned(), each(|z| 1.01 * z)),
        ("moment 3".to_owned(), each(|z| z + 0.01 * (z * z - 1.0))),
        ("moment 4".to_owned(), each(|z| 1.01 * z)),
        ("beyond 4".to_owned(), each(|z| z.clamp(-3.99, 3.99))),
        (
            "beyond 5".to_owned(),
            each(|z| if z.abs() > 4.0 { 1.25 * z } else { z }),
        ),
        ("law".to_owned(), each(|z| (32.0 * z).round() / 32.0)),
    ];
    for squares in [false, true] {
        all.extend([
            (name(NEIGHBOURS, squares), copied_lane(squares)),
            (name(DRAWS[0], squares), copied_node(1, 2, squares)),
            (name(DRAWS[1], squares), copied_node(1, 3, squares)),
            (name(PAIR, squares), copied_node(0, 1, squares)),
            (name(STEP[0], squares), reused(1, squares)),
            (name(STEP[1], squares), reused(2, squares)),
        ]);
    }
    all
}

#[test]
fn normals_are_independent_and_standard() {
    good(FAST);
}

#[test]
fn every_check_refuses_a_wrong_stream() {
    for (check, mutation) in mutations() {
        let failed =
            account::<f32>(origin(Generator::Pcg), NormalBits::Full, FAST, mutation).failures();
        assert!(
            failed.contains(&check),
            "{check} passes; failed: {failed:?}"
        );
    }
}

/// `Pcg32::new(seed, chain)`, whose chains all move by one affine map, passes every check of two lanes at 1e8 draws.
#[test]
fn unhashed_starts_are_refused_by_lanes_three_at_a_time() {
    let failures = |hashed: bool| {
        let mut account = Account::new();
        for first in (0..FAST * LANES).step_by(LANES) {
            account.earlier.clear();
            let mut tile = Tile::<f32>::new(origin(Generator::Pcg), first, LANES, NODES, 0);
            for lane in 0..LANES {
                let (state, increment) = plain_start(2024, (first + lane) as u64);
                let position = StreamPosition::Pcg { state, increment };
                if !hashed {
                    tile.rng.set_position(lane, position).unwrap();
                }
            }
            follow(tile, NormalBits::Full, |rows| account.add(rows));
        }
        account.failures()
    };
    assert_eq!(failures(false), ["three lanes"]);
    assert!(failures(true).is_empty());
}

/// (state, increment) of `Pcg32::new(seed, chain)`.
fn plain_start(seed: u64, chain: u64) -> (u64, u64) {
    let increment = chain << 1 | 1;
    let state = seed.wrapping_add(increment);
    let step = state.wrapping_mul(6_364_136_223_846_793_005);
    (step.wrapping_add(increment), increment)
}

#[test]
fn a_hundred_million_normals() {
    if std::env::var_os("THERMOCHIP_SLOW").is_none() {
        eprintln!("skipped: set THERMOCHIP_SLOW=1 to run this tier");
        return;
    }
    good(SLOW);
    let small: [(&str, Mutation); 4] = [
        ("moment 2", each(|z| 1.001 * z)),
        ("moment 4", each(|z| 1.001 * z)),
        ("law", each(|z| 1.002 * z)),
        ("beyond 5", each(|z| z.clamp(-4.99, 4.99))),
    ];
    for (check, mutation) in small {
        let failed =
            account::<f64>(origin(Generator::ChaCha8), NormalBits::Full, SLOW, mutation).failures();
        assert!(failed.contains(&check.to_owned()), "{check} passes");
    }
}
