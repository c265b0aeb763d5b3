//! One core's node-steps per second of the engine, beside the machine's own floor measured in the same run.
//!
//! `floor/*` is what the hardware can do (fused multiply-adds, normals, memory); every other group reports node-steps (one
//! node of one chain advanced by one step, noise included). Compare ratios within one run: clocks wander.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nalgebra::DMatrix;
use std::hint::black_box;
use std::sync::atomic::AtomicBool;
use thermochip::dynamics::simd::{Kernel, dispatch};
use thermochip::dynamics::{
    Compiled, Control, Ensemble, GibbsStepper, LANES, LevelInput, Levels, Linear, Noise,
    NormalBits, NormalPlan, Process, Row, Setting, Stepper, Tile, scheme,
};

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

fn floor(c: &mut Criterion) {
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
    let nodes = 256;
    let plan = NormalPlan::new::<f32>(&vec![true; nodes], NormalBits::Full);
    let mut tile = Tile::<f32>::new((1, 0), 0, LANES, nodes, 0);
    tile.noise = vec![Row::splat(0.0); nodes];
    group.throughput(Throughput::Elements((nodes * LANES) as u64));
    group.bench_function("normal-f32", |b| {
        b.iter(|| dispatch(Normals(&plan, black_box(&mut tile))))
    });
    let (from, mut to) = (vec![1.0f32; 1 << 24], vec![0.0f32; 1 << 24]);
    group.throughput(Throughput::Bytes(8 << 24));
    group.bench_function("copy-64-MiB", |b| {
        b.iter(|| black_box(&mut to).copy_from_slice(black_box(&from)))
    });
    group.finish();
}

/// Soft spins 2x² → −(2x − 4x³) with the given couplings.
fn soft_spins(nodes: usize, linear: Linear) -> Process {
    Process {
        polynomial: vec![
            vec![0.1; nodes],
            vec![2.0; nodes],
            vec![0.0; nodes],
            vec![-4.0; nodes],
        ],
        linear,
        noise: Noise::Diagonal(vec![2f64.sqrt(); nodes]),
        rails: Some(vec![4.0; nodes]),
        ..Process::still(nodes)
    }
}

fn ring(nodes: usize) -> Vec<Vec<(usize, f64)>> {
    let neighbours = |i: usize| [(i + 1) % nodes, (i + nodes - 1) % nodes];
    (0..nodes)
        .map(|i| neighbours(i).map(|j| (j, 0.2)).to_vec())
        .collect()
}

/// Four rules (a, b) on an open side × side lattice, sixteen neighbours in the bulk less those outside.
fn lattice(side: i64) -> Vec<Vec<(usize, f64)>> {
    let rules = [(0, 1), (4, 1), (9, 10)];
    let inside = |x: i64, y: i64| (0..side).contains(&x) && (0..side).contains(&y);
    (0..side * side)
        .map(|i| {
            let (x, y) = (i % side, i / side);
            let mut row: Vec<(usize, f64)> = rules
                .iter()
                .flat_map(|&(a, b)| {
                    [
                        (x + a, y + b),
                        (x - b, y + a),
                        (x - a, y - b),
                        (x + b, y - a),
                    ]
                })
                .filter(|&(x, y)| inside(x, y))
                .map(|(x, y)| ((x + side * y) as usize, 0.1))
                .collect();
            row.sort_by_key(|e| e.0);
            row
        })
        .collect()
}

fn dense(nodes: usize) -> Linear {
    Linear::Dense(DMatrix::from_fn(nodes, nodes, |i, j| {
        if i == j {
            0.0
        } else {
            0.2 / (1.0 + i.abs_diff(j) as f64)
        }
    }))
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

fn euler_maruyama<R: Compiled>(c: &mut Criterion, precision: &str) {
    let mut group = c.benchmark_group(format!("euler-maruyama-{precision}"));
    group.sample_size(20);
    let cases = [
        ("ring-1024", soft_spins(1024, Linear::Sparse(ring(1024)))),
        (
            "lattice-12-neighbours-4900",
            soft_spins(4900, Linear::Sparse(lattice(70))),
        ),
        ("dense-138", soft_spins(138, dense(138))),
        ("dense-256", soft_spins(256, dense(256))),
    ];
    for (name, process) in cases {
        let mask = vec![false; process.nodes];
        let setting = Setting {
            step: 0.005,
            clamped: &mask,
            stiffness: Some(20.0),
            normals: NormalBits::Full,
        };
        let stepper = scheme::<R>("euler-maruyama")
            .and_then(|s| s.prepare(&process, &setting))
            .expect("a stable step");
        let mut ensemble = Ensemble::<R>::new(1, 0, LANES, process.nodes, 0);
        group.throughput(Throughput::Elements(STEPS * (LANES * process.nodes) as u64));
        group.bench_function(name, |b| b.iter(|| run(&mut ensemble, &*stepper)));
    }
    group.finish();
}

fn gibbs(c: &mut Criterion) {
    let mut group = c.benchmark_group("gibbs-sweep-f32");
    group.sample_size(20);
    let nodes = 4900;
    let process = Process {
        levels: Some(Levels {
            tau: vec![1.0; nodes],
            input: LevelInput::Direct {
                field: vec![0.1; nodes],
                coupling: Linear::Sparse(lattice(70)),
            },
        }),
        ..Process::still(0)
    };
    // a + b is odd in every rule, so the parity of x + y is a colouring.
    let colour = |i: usize| (i % 70 + i / 70) % 2;
    let classes: Vec<Vec<usize>> = (0..2)
        .map(|c| (0..nodes).filter(|&i| colour(i) == c).collect())
        .collect();
    let stepper = GibbsStepper::<f32>::new(&process, &classes, &vec![false; nodes])
        .expect("two colours suffice");
    let mut ensemble = Ensemble::<f32>::new(1, 0, LANES, 0, nodes);
    group.throughput(Throughput::Elements(STEPS * (LANES * nodes) as u64));
    group.bench_function("lattice-12-neighbours-4900", |b| {
        b.iter(|| run(&mut ensemble, &stepper))
    });
    group.finish();
}

fn steps(c: &mut Criterion) {
    euler_maruyama::<f32>(c, "f32");
    euler_maruyama::<f64>(c, "f64");
}

criterion_group!(benches, floor, steps, gibbs);
criterion_main!(benches);
