//! One core's spin updates per second, beside the floor measured in the same run: one random word.
//!
//! An update is one spin of one chain drawn once. Float couplings take one word an update, few-levelled ones a quarter and
//! five words a sweep's group that nobody reads. The run ends with a table of rates, multiples of the floor and the
//! project's goals. Compare ratios within one run: clocks wander.

mod common;

use common::{G12, Goal, lattice};
use criterion::{Criterion, Throughput, criterion_group};
use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use thermochip::dynamics::streams::{Stream, Streams};
use thermochip::dynamics::{
    Compiled, Control, Ensemble, GibbsStepper, LANES, LevelInput, Levels, Linear, NormalBits,
    Process, Setting, Stepper, scheme,
};
use thermochip::simd::{Kernel, dispatch};

/// Sweeps of one iteration.
const SWEEPS: u64 = 64;
/// Words that the floor draws in one iteration.
const WORDS: usize = 4096;

struct Words<'a>(&'a mut Streams, &'a mut [u32; LANES]);

impl Kernel for Words<'_> {
    #[inline(always)]
    fn run(self) {
        let Streams::Pcg(rng) = self.0 else {
            return;
        };
        let mut words = [0; LANES];
        for _ in 0..WORDS {
            rng.next(&mut words);
            for (sum, word) in self.1.iter_mut().zip(&words) {
                *sum ^= word;
            }
        }
    }
}

fn floor(c: &mut Criterion) {
    let mut group = c.benchmark_group("floor");
    group.throughput(Throughput::Elements((WORDS * LANES) as u64));
    let (mut streams, mut sum) = (Streams::new((1, 0), 0), [0; LANES]);
    group.bench_function("word", |b| {
        b.iter(|| dispatch(Words(black_box(&mut streams), black_box(&mut sum))))
    });
    group.finish();
}

type Rows = Vec<Vec<(usize, f64)>>;

fn spins(field: f64, coupling: Rows) -> Process {
    let n = coupling.len();
    Process {
        levels: Some(Levels::free(
            vec![1.0; n],
            LevelInput::Direct {
                field: vec![field; n],
                coupling: Linear::Sparse(coupling),
            },
        )),
        ..Process::still(0)
    }
}

/// The lattice with twelve neighbours, its couplings uneven.
fn twelve_neighbours() -> Rows {
    let uneven = |(i, row): (usize, Vec<(usize, f64)>)| {
        let spread = |(j, v): (usize, f64)| (j, v * (1.0 + 1e-4 * (i + j) as f64));
        row.into_iter().map(spread).collect()
    };
    lattice(70, &G12)
        .into_iter()
        .enumerate()
        .map(uneven)
        .collect()
}

/// A periodic square lattice of ±0.4.
fn signs(side: usize) -> Rows {
    let mut rows = vec![Vec::new(); side * side];
    for i in 0..side * side {
        let (x, y) = (i % side, i / side);
        let next = [(x + 1) % side + side * y, x + side * ((y + 1) % side)];
        for (k, j) in next.into_iter().enumerate() {
            let value = if (2 * i + k) % 3 == 0 { -0.4 } else { 0.4 };
            rows[i].push((j, value));
            rows[j].push((i, value));
        }
    }
    for row in &mut rows {
        row.sort_by_key(|e| e.0);
    }
    rows
}

/// A Boltzmann machine on all pairs.
fn machine(nodes: usize) -> Rows {
    let value =
        |i: usize, j: usize| ((7919 * (i + j) + 104_729 * i * j) % 1000) as f64 * 6e-4 - 0.3;
    let row = |i: usize| {
        (0..nodes)
            .filter(|&j| j != i)
            .map(|j| (j, value(i, j)))
            .collect()
    };
    (0..nodes).map(row).collect()
}

/// Even and odd sites; every rule of our lattices joins the two.
fn two_colours(side: usize) -> Vec<Vec<usize>> {
    let colour = |c: usize| {
        (0..side * side)
            .filter(|i| (i % side + i / side) % 2 == c)
            .collect()
    };
    (0..2).map(colour).collect()
}

fn run<R: Compiled>(ensemble: &mut Ensemble<R>, stepper: &dyn Stepper<R>) {
    let control = Control {
        interrupted: &AtomicBool::new(false),
        progress: &|_| {},
    };
    ensemble
        .run(stepper, SWEEPS - 1, 1, 1, control)
        .expect("spins do not diverge");
}

fn gibbs<R: Compiled>(process: &Process, classes: &[Vec<usize>]) -> Box<dyn Stepper<R>> {
    let n = classes.iter().map(Vec::len).sum();
    Box::new(GibbsStepper::new(process, classes, &vec![false; n]).expect("a colouring"))
}

fn arrays(c: &mut Criterion) {
    let mut group = c.benchmark_group("spins");
    group.sample_size(20);
    let mut case = |name: &str, stepper: Box<dyn Stepper<f32>>, spins: usize, chains: usize| {
        let mut ensemble = Ensemble::<f32>::new(1, 0, chains, 0, spins);
        group.throughput(Throughput::Elements(SWEEPS * (spins * chains) as u64));
        group.bench_function(name, |b| b.iter(|| run(&mut ensemble, &*stepper)));
    };
    let process = spins(0.1, twelve_neighbours());
    case(
        "gibbs-g12-4900",
        gibbs(&process, &two_colours(70)),
        4900,
        LANES,
    );
    let setting = Setting {
        step: 0.3,
        clamped: &[false; 4900],
        stiffness: None,
        normals: NormalBits::Full,
    };
    let telegraph = scheme("euler-maruyama")
        .and_then(|s| s.prepare(&process, &setting))
        .expect("p-bits");
    case("telegraph-g12-4900", telegraph, 4900, LANES);
    let glass = spins(0.0, signs(64));
    for (name, chains) in [
        ("multi-spin-64x64-512-chains", 512),
        ("multi-spin-64x64-32-chains", 32),
    ] {
        case(name, gibbs(&glass, &two_colours(64)), 4096, chains);
    }
    let dense = spins(0.1, machine(100));
    let one_by_one: Vec<Vec<usize>> = (0..100).map(|i| vec![i]).collect();
    for (name, chains) in [("dense-100-32-chains", LANES), ("dense-100-1-chain", 1)] {
        case(name, gibbs(&dense, &one_by_one), 100, chains);
    }
    group.finish();
    let mut group = c.benchmark_group("spins-f64");
    group.sample_size(20);
    let mut ensemble = Ensemble::<f64>::new(1, 0, LANES, 0, 4900);
    let stepper = gibbs::<f64>(&process, &two_colours(70));
    group.throughput(Throughput::Elements(SWEEPS * (4900 * LANES) as u64));
    group.bench_function("gibbs-g12-4900", |b| {
        b.iter(|| run(&mut ensemble, &*stepper))
    });
    group.finish();
}

criterion_group!(benches, floor, arrays);

fn main() {
    // One core: what the table's figures are about.
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()
        .expect("no pool before this one");
    benches();
    Criterion::default().configure_from_args().final_summary();
    let goal = |id, spins: usize, chains: usize, must, should, words| Goal {
        id,
        operations: SWEEPS as f64 * (spins * chains) as f64,
        must,
        should,
        floor: ("floor/word", words),
    };
    common::table(
        &[("floor/word", (WORDS * LANES) as f64)],
        &[
            goal(
                "spins/gibbs-g12-4900",
                4900,
                LANES,
                Some(0.8e9),
                Some(1.5e9),
                1.0,
            ),
            goal("spins/telegraph-g12-4900", 4900, LANES, None, None, 1.0),
            goal(
                "spins/multi-spin-64x64-512-chains",
                4096,
                512,
                Some(3e9),
                Some(7e9),
                0.25,
            ),
            goal(
                "spins/multi-spin-64x64-32-chains",
                4096,
                LANES,
                None,
                None,
                0.25,
            ),
            goal(
                "spins/dense-100-32-chains",
                100,
                LANES,
                Some(1e8),
                None,
                1.0,
            ),
            goal("spins/dense-100-1-chain", 100, 1, None, None, 1.0),
            goal("spins-f64/gibbs-g12-4900", 4900, LANES, None, None, 2.0),
        ],
    );
}
