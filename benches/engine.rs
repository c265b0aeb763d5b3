//! One core's node-steps per second of the engine, beside the machine's own floor measured in the same run.
//!
//! `floor/*` is what the hardware can do (fused multiply-adds, normals, memory); every other group reports node-steps (one
//! node of one chain advanced by one step, noise included). The run ends with a table of rates, multiples of the floor and
//! the project's goals. Compare ratios within one run: clocks wander.

mod common;

use common::{G12, Goal, dense, lattice, ring, soft_spin_model, soft_spins, stepper};
use criterion::{Criterion, Throughput, criterion_group};
use nalgebra::DMatrix;
use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use thermochip::dynamics::streams::{PcgLanes, Stream, Streams};
use thermochip::dynamics::{
    Compiled, Control, Ensemble, LANES, Linear, Noise, NormalBits, NormalPlan, Process, Real, Row,
    Stepper, Tile,
};
use thermochip::hardware::{Die, Scale, card::card, program};
use thermochip::simd::{InstructionSet, Kernel, dispatch, limited_to};

/// Steps of one iteration.
const STEPS: u64 = 64;

/// Multiply-adds whose sums stay in registers and whose operands are in the first cache: the peak of this core.
struct MultiplyAdd<'a> {
    factors: &'a [[f32; 4]; 64],
    rows: &'a [Row<f32>; 64],
    sums: &'a mut [Row<f32>; 4],
}

impl Kernel for MultiplyAdd<'_> {
    #[inline(always)]
    fn run(self) {
        let mut sums = *self.sums;
        for (factors, row) in self.factors.iter().zip(self.rows) {
            for (sum, factor) in sums.iter_mut().zip(factors) {
                for lane in 0..LANES {
                    sum[lane] = factor.mul_add(row[lane], sum[lane]);
                }
            }
        }
        *self.sums = sums;
    }
}

struct Normals<'a, R>(&'a NormalPlan, &'a mut Tile<R>);

impl<R: Compiled> Kernel for Normals<'_, R> {
    #[inline(always)]
    fn run(self) {
        self.0.fill(&mut self.1.rng, &mut self.1.noise);
    }
}

/// The ring of [`soft_spins`] written by hand, with its numbers in the code: what a general engine is measured against.
struct HandWrittenRing<'a> {
    rng: &'a mut PcgLanes,
    x: &'a mut Vec<Row<f32>>,
    next: &'a mut Vec<Row<f32>>,
    steps: u64,
}

impl Kernel for HandWrittenRing<'_> {
    #[inline(always)]
    fn run(self) {
        let (h, n) = (0.005f32, self.x.len());
        let amplitude = (2.0 * h).sqrt();
        let (mut radius, mut angle) = ([0u32; LANES], [0u32; LANES]);
        for _ in 0..self.steps {
            for pair in 0..n / 2 {
                self.rng.next(&mut radius);
                self.rng.next(&mut angle);
                let (mut a, mut b) = (Row::splat(0.0f32), Row::splat(0.0f32));
                for lane in 0..LANES {
                    (a[lane], b[lane]) = f32::normal_pair([radius[lane], 0], [angle[lane], 0]);
                }
                for (k, noise) in [(2 * pair, &a), (2 * pair + 1, &b)] {
                    let left = &self.x[if k == 0 { n - 1 } else { k - 1 }];
                    let right = &self.x[if k == n - 1 { 0 } else { k + 1 }];
                    let (x, next) = (&self.x[k], &mut self.next[k]);
                    for lane in 0..LANES {
                        let v = x[lane];
                        let pull = (left[lane] + right[lane]).mul_add(0.2, 0.1);
                        let force = (-4.0 * v * v).mul_add(v, 2.0f32.mul_add(v, pull));
                        let moved = h.mul_add(force, amplitude.mul_add(noise[lane], v));
                        next[lane] = moved.clamp(-4.0, 4.0);
                    }
                    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
                }
            }
            std::mem::swap(self.x, self.next);
        }
    }
}

const FLOORS: [(&str, f64); 5] = [
    ("floor/fused-multiply-add-f32", (64 * 4 * LANES) as f64),
    ("floor/normal-f32", (256 * LANES) as f64),
    ("floor/normal-f64", (256 * LANES) as f64),
    ("floor/copy-64-MiB", (2u64 << 26) as f64),
    // The floor of the general path: the same ring written by hand.
    (
        "general/ring-1024-hand-written",
        (STEPS as usize * 1024 * LANES) as f64,
    ),
];

fn normals<R: Compiled>(c: &mut Criterion, name: &str) {
    let nodes = 256;
    let plan = NormalPlan::new::<R>(&vec![true; nodes], NormalBits::Full);
    let mut tile = Tile::<R>::new((1, 0), 0, LANES, nodes, 0);
    tile.noise = vec![Row::splat(R::ZERO); nodes];
    let mut group = c.benchmark_group("floor");
    group.throughput(Throughput::Elements((nodes * LANES) as u64));
    group.bench_function(name, |b| {
        b.iter(|| dispatch(Normals(&plan, black_box(&mut tile))))
    });
    group.finish();
}

fn floor(c: &mut Criterion) {
    normals::<f32>(c, "normal-f32");
    normals::<f64>(c, "normal-f64");
    let mut group = c.benchmark_group("floor");
    let (factors, rows) = ([[1e-3f32; 4]; 64], [Row::splat(0.5f32); 64]);
    let mut sums = [Row::splat(0.5f32); 4];
    group.throughput(Throughput::Elements(64 * 4 * LANES as u64));
    group.bench_function("fused-multiply-add-f32", |b| {
        b.iter(|| {
            dispatch(MultiplyAdd {
                factors: black_box(&factors),
                rows: black_box(&rows),
                sums: black_box(&mut sums),
            })
        })
    });
    let (from, mut to) = (vec![1.0f32; 1 << 24], vec![0.0f32; 1 << 24]);
    group.throughput(Throughput::Bytes(8 << 24));
    group.bench_function("copy-64-MiB", |b| {
        b.iter(|| black_box(&mut to).copy_from_slice(black_box(&from)))
    });
    group.finish();
}

fn run<R: Compiled>(ensemble: &mut Ensemble<R>, stepper: &dyn Stepper<R>) {
    let control = Control {
        interrupted: &AtomicBool::new(false),
        progress: &|_| {},
    };
    ensemble
        .run(stepper, 0, 1, STEPS, control)
        .expect("the bench's own processes are stable");
}

/// One case of one group: `chains` chains of `process` by `name`.
#[derive(Clone)]
struct Case<'a> {
    id: &'a str,
    process: Process,
    chains: usize,
    bits: NormalBits,
    scheme: &'a str,
}

impl<'a> Case<'a> {
    fn new(id: &'a str, process: Process) -> Self {
        Case {
            id,
            process,
            chains: LANES,
            bits: NormalBits::Full,
            scheme: "euler-maruyama",
        }
    }
}

fn bench<R: Compiled>(c: &mut Criterion, group: &str, case: &Case<'_>) {
    let mut group = c.benchmark_group(group);
    group.sample_size(20);
    let nodes = case.process.nodes;
    let stepper = stepper::<R>(case.scheme, &case.process, case.bits);
    let mut ensemble = Ensemble::<R>::new(1, 0, case.chains, nodes, 0);
    group.throughput(Throughput::Elements(STEPS * (case.chains * nodes) as u64));
    group.bench_function(case.id, |b| b.iter(|| run(&mut ensemble, &*stepper)));
    group.finish();
}

fn euler_maruyama(c: &mut Criterion) {
    let ring_1024 = || soft_spins(1024, Linear::Sparse(ring(1024)));
    let lattice_4900 = || soft_spins(4900, Linear::Sparse(lattice(70, &G12)));
    let f32_cases = [
        Case::new("ring-1024", ring_1024()),
        Case::new("lattice-12-neighbours-4900", lattice_4900()),
        Case::new("dense-256", soft_spins(256, dense(256))),
        Case::new("dense-1024", soft_spins(1024, dense(1024))),
        Case {
            chains: 1,
            ..Case::new("ring-1024-one-chain", ring_1024())
        },
        Case {
            chains: 1,
            ..Case::new("dense-256-one-chain", soft_spins(256, dense(256)))
        },
        Case {
            scheme: "leimkuhler-matthews",
            ..Case::new("ring-1024-leimkuhler-matthews", ring_1024())
        },
        Case {
            chains: 10_016,
            ..Case::new(
                "double-well-10-chains-10016",
                soft_spins(10, Linear::Sparse(vec![vec![]; 10])),
            )
        },
        Case {
            chains: 2 * LANES,
            ..Case::new("ring-1024-64-chains-all-threads", ring_1024())
        },
    ];
    for case in &f32_cases {
        bench::<f32>(c, "euler-maruyama-f32", case);
    }
    for case in [
        Case::new("ring-1024", ring_1024()),
        Case {
            bits: NormalBits::Single,
            ..Case::new("ring-1024-single-word-normals", ring_1024())
        },
        Case::new("lattice-12-neighbours-4900", lattice_4900()),
    ] {
        bench::<f64>(c, "euler-maruyama-f64", &case);
    }
    avx2(c, "euler-maruyama-f32", "ring-1024-avx2", &ring_1024());
    exact(c);
}

/// A process on the kernels for AVX2.
fn avx2(c: &mut Criterion, group: &str, id: &str, process: &Process) {
    let stepper = stepper::<f32>("euler-maruyama", process, NormalBits::Full);
    let mut tile = Tile::<f32>::new((1, 0), 0, LANES, process.nodes, 0);
    stepper.begin(&mut tile);
    let mut group = c.benchmark_group(group);
    group.sample_size(20);
    group.throughput(Throughput::Elements(STEPS * (LANES * process.nodes) as u64));
    group.bench_function(id, |b| {
        b.iter(|| limited_to(InstructionSet::Avx2, || stepper.advance(&mut tile, STEPS)))
    });
    group.finish();
}

/// Exact Ornstein–Uhlenbeck steps of a dense linear process.
fn exact(c: &mut Criterion) {
    let n = 100;
    let process = Process {
        polynomial: vec![vec![0.0; n], vec![-3.0; n]],
        linear: dense(n),
        noise: Noise::Diagonal(vec![1.0; n]),
        ..Process::still(n)
    };
    let case = Case {
        scheme: "ornstein-uhlenbeck",
        ..Case::new("dense-100", process)
    };
    bench::<f32>(c, "ornstein-uhlenbeck-f32", &case);
}

/// n × n times n × 32 by the library behind nalgebra (matrixmultiply), which packs both operands, against our whole step of
/// the same array: product, cells, noise and all.
fn library_products(c: &mut Criterion) {
    let mut group = c.benchmark_group("dense-library");
    group.sample_size(20);
    for (id, n) in [("matrixmultiply-256", 256), ("matrixmultiply-1024", 1024)] {
        let a = DMatrix::from_fn(n, n, |i, j| 1.0 / (1.0 + i.abs_diff(j) as f32));
        let x = DMatrix::from_fn(n, LANES, |i, k| ((i * LANES + k) as f32).sin());
        let mut out = DMatrix::zeros(n, LANES);
        group.throughput(Throughput::Elements(STEPS * (LANES * n) as u64));
        group.bench_function(id, |b| {
            b.iter(|| {
                for _ in 0..STEPS {
                    out.gemm(1.0, black_box(&a), black_box(&x), 0.0);
                }
                black_box(&mut out);
            })
        });
    }
    group.finish();
}

/// The ring as a user gets it: an energy programmed onto a card, in volts and seconds; and the same written by hand.
fn general_against_hand_written(c: &mut Criterion) {
    let n = 1024;
    for (id, die_seed) in [
        ("ring-1024-from-card", None),
        ("ring-1024-imperfect-die", Some(1)),
    ] {
        let large = card("soft_spin_cmos").and_then(|mut card| {
            card.override_parameter("limits.max_nodes", "1024")?;
            Ok(card)
        });
        let programmed = large
            .and_then(|card| Die::fabricate(&card, die_seed, None))
            .and_then(|die| program(&die, &soft_spin_model(&ring(n)), Scale::Fixed(1.0)))
            .expect("the card holds a ring");
        let process = programmed.process();
        bench::<f32>(c, "general", &Case::new(id, process.clone()));
        if die_seed.is_none() {
            avx2(c, "general", "ring-1024-from-card-avx2", process);
        }
    }
    let Streams::Pcg(mut rng) = Streams::new((1, 0), 0) else {
        return;
    };
    let (mut x, mut next) = (vec![Row::splat(0.0); n], vec![Row::splat(0.0); n]);
    let mut group = c.benchmark_group("general");
    group.sample_size(20);
    group.throughput(Throughput::Elements(STEPS * (LANES * n) as u64));
    group.bench_function("ring-1024-hand-written", |b| {
        b.iter(|| {
            dispatch(HandWrittenRing {
                rng: &mut rng,
                x: &mut x,
                next: &mut next,
                steps: STEPS,
            })
        })
    });
    group.finish();
}

criterion_group!(
    benches,
    floor,
    euler_maruyama,
    library_products,
    general_against_hand_written
);

fn goal(
    id: &'static str,
    (nodes, chains): (usize, usize),
    (must, should): (f64, f64),
    floor: (&'static str, f64),
) -> Goal {
    let some = |v: f64| (v > 0.0).then_some(v);
    Goal {
        id,
        operations: (STEPS as usize * nodes * chains) as f64,
        must: some(must),
        should: some(should),
        floor,
    }
}

fn main() {
    benches();
    let (fma, f32_normal, f64_normal) = (FLOORS[0].0, (FLOORS[1].0, 1.0), (FLOORS[2].0, 1.0));
    let none = (0.0, 0.0);
    let (one, ring, lattice) = (LANES, (1024, LANES), (4900, LANES));
    common::table(
        &FLOORS,
        &[
            goal(
                "euler-maruyama-f32/ring-1024",
                ring,
                (1.0e9, 1.5e9),
                f32_normal,
            ),
            goal(
                "euler-maruyama-f32/ring-1024-avx2",
                ring,
                (0.5e9, 0.8e9),
                f32_normal,
            ),
            goal(
                "euler-maruyama-f32/lattice-12-neighbours-4900",
                lattice,
                (0.6e9, 1.0e9),
                f32_normal,
            ),
            goal(
                "euler-maruyama-f32/dense-256",
                (256, one),
                (2.0e8, 2.5e8),
                (fma, 256.0),
            ),
            goal(
                "euler-maruyama-f32/dense-1024",
                (1024, one),
                (5e7, 6e7),
                (fma, 1024.0),
            ),
            goal(
                "dense-library/matrixmultiply-256",
                (256, one),
                none,
                (fma, 256.0),
            ),
            goal(
                "dense-library/matrixmultiply-1024",
                (1024, one),
                none,
                (fma, 1024.0),
            ),
            goal("euler-maruyama-f64/ring-1024", ring, none, f64_normal),
            goal(
                "euler-maruyama-f64/ring-1024-single-word-normals",
                ring,
                (0.7e9, 1.4e9),
                f32_normal,
            ),
            goal(
                "euler-maruyama-f64/lattice-12-neighbours-4900",
                lattice,
                none,
                f64_normal,
            ),
            goal(
                "euler-maruyama-f32/ring-1024-leimkuhler-matthews",
                ring,
                none,
                f32_normal,
            ),
            goal(
                "euler-maruyama-f32/ring-1024-one-chain",
                (1024, 1),
                none,
                f32_normal,
            ),
            goal(
                "euler-maruyama-f32/dense-256-one-chain",
                (256, 1),
                none,
                (fma, 256.0),
            ),
            goal(
                "euler-maruyama-f32/double-well-10-chains-10016",
                (10, 10_016),
                (2.7e8, 0.0),
                f32_normal,
            ),
            goal(
                "euler-maruyama-f32/ring-1024-64-chains-all-threads",
                (1024, 2 * LANES),
                none,
                f32_normal,
            ),
            goal(
                "ornstein-uhlenbeck-f32/dense-100",
                (100, one),
                (5e7, 0.0),
                (fma, 150.0),
            ),
            goal(
                "general/ring-1024-from-card",
                ring,
                (1.0e9, 1.5e9),
                ("general/ring-1024-hand-written", 1.0),
            ),
            goal(
                "general/ring-1024-from-card-avx2",
                ring,
                (0.5e9, 0.8e9),
                f32_normal,
            ),
            goal(
                "general/ring-1024-imperfect-die",
                ring,
                (1.0e9, 1.5e9),
                ("general/ring-1024-hand-written", 1.0),
            ),
            goal("general/ring-1024-hand-written", ring, none, f32_normal),
        ],
    );
}
