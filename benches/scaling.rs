//! How the time of a node-step grows: with nodes, neighbours, chains and threads; what starting costs; what a large array needs.
//!
//! Not a criterion bench (the curves would take an hour): the least of a few repeats each, and the cost of one normal measured
//! in the same run to divide by. `cargo bench --bench scaling [startup | overheads | large]`: everything but the large
//! array, only what starting costs, only what progress and checkpoints cost, or only the array of 250,000 nodes × 64 chains.

mod common;

use common::{lattice, ring, soft_spin_model, soft_spins, stepper};
use std::hint::black_box;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use thermochip::dynamics::{
    Control, Ensemble, LANES, Linear, NormalBits, NormalPlan, Process, Row, Tile,
};
use thermochip::energy::Model;
use thermochip::hardware::{Die, Programmed, Scale, card::card, program};
use thermochip::record::RunDirectory;
use thermochip::sampler::{AnalogSampler, Follow, Horizon, Phase, Sampler, StepRule};
use thermochip::simd::{Kernel, dispatch};

struct Normals<'a>(&'a NormalPlan, &'a mut Tile<f32>);

impl Kernel for Normals<'_> {
    #[inline(always)]
    fn run(self) {
        self.0.fill(&mut self.1.rng, &mut self.1.noise);
    }
}

/// Least seconds of a few repeats.
fn least(repeats: usize, mut work: impl FnMut()) -> f64 {
    (0..repeats)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

fn normal() -> f64 {
    let nodes = 256;
    let plan = NormalPlan::new::<f32>(&vec![true; nodes], NormalBits::Full);
    let mut tile = Tile::<f32>::new((1, 0), 0, LANES, nodes, 0);
    tile.noise = vec![Row::splat(0.0); nodes];
    let per = 100.0 * (nodes * LANES) as f64;
    least(50, || {
        for _ in 0..100 {
            dispatch(Normals(&plan, black_box(&mut tile)));
        }
    }) / per
}

/// Seconds per node-step of `chains` chains of `process`.
fn node_step(process: &Process, chains: usize) -> f64 {
    let stepper = stepper::<f32>("euler-maruyama", process, NormalBits::Full);
    let mut ensemble = Ensemble::<f32>::new(1, 0, chains, process.nodes, 0);
    let work = process.nodes * chains.next_multiple_of(LANES);
    let steps = (4_000_000 / work).clamp(4, 20_000) as u64;
    let control = Control {
        interrupted: &AtomicBool::new(false),
        progress: &|_| {},
    };
    let mut run = |steps: u64| {
        ensemble
            .run(&*stepper, steps, 1, 1, control)
            .expect("the bench's own processes are stable");
    };
    run(2);
    // What a run costs beyond its steps (packing, reading out) is taken off.
    let (short, long) = (least(7, || run(1)), least(7, || run(1 + steps)));
    (long - short) / (steps as f64 * (process.nodes * chains) as f64)
}

fn rows(title: &str, unit: f64, cells: impl Iterator<Item = (String, f64)>) {
    println!("\n| {title} | ns per node-step | normals |\n| --- | --- | --- |");
    for (name, seconds) in cells {
        println!("| {name} | {:.3} | {:.2} |", seconds * 1e9, seconds / unit);
    }
}

fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("threads").install(work)
}

fn programmed(model: &Model) -> Programmed {
    let n = model.dim().to_string();
    card("soft_spin_cmos")
        .and_then(|mut card| {
            card.override_parameter("limits.max_nodes", &n)?;
            Die::fabricate(&card, None, None)
        })
        .and_then(|die| program(&die, model, Scale::Fixed(1.0)))
        .expect("the card holds the model")
}

fn sampler(programmed: Programmed, chains: usize) -> AnalogSampler<f32> {
    let rule = StepRule::Auto(0.01);
    let follow = Follow::silent();
    AnalogSampler::new(programmed, chains, (1, 0), rule, "euler-maruyama", follow)
        .expect("a stable step")
}

fn phase(burn_in: u64, steps: u64) -> Phase {
    Phase {
        burn_in: Horizon::Steps(burn_in),
        duration: Horizon::Steps(steps),
        every: None,
        clamp: None,
    }
}

/// Largest memory of this process so far, in GiB, where the system says.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1_048_576.0)
}

fn startup() {
    println!("\n| from an energy to its first sample | s |\n| --- | --- |");
    let square = lattice(64, &[(0, 1)]);
    let first = least(5, || {
        let mut chip = sampler(programmed(&soft_spin_model(&square)), 1);
        black_box(chip.run(&phase(0, 1)).expect("a stable step"));
    });
    println!("| 64 x 64 lattice, one chain | {first:.4} |");
    let million = lattice(1000, &[(0, 1)]);
    let model = least(1, || {
        black_box(soft_spin_model(&million));
    });
    println!("| 1,000,000 nodes, 4 neighbours: the energy | {model:.3} |");
    let energy = soft_spin_model(&million);
    let chip = least(1, || {
        black_box(programmed(&energy));
    });
    println!("| the same, programmed onto a chip | {chip:.3} |");
    let programmed = programmed(&energy);
    let ready = least(1, || {
        let mut chip = sampler(programmed.clone(), 1);
        black_box(chip.run(&phase(0, 1)).expect("a stable step"));
    });
    println!("| the same, sampler and first step | {ready:.3} |");
}

/// Shares of the time with `second` by which it is longer than with `first`, from the medians of alternating repeats.
fn excess(repeats: usize, mut first: impl FnMut(), mut second: impl FnMut()) -> f64 {
    let timed = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    let mut ratios: Vec<f64> = (0..repeats)
        .map(|k| {
            // Whatever comes first finds another cache.
            if k % 2 == 0 {
                let before = timed(&mut first);
                timed(&mut second) / before
            } else {
                let after = timed(&mut second);
                after / timed(&mut first)
            }
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    ratios[repeats / 2] - 1.0
}

/// A run that is watched as the command line watches it: a lock, a hidden bar and a look at the clock each time.
fn watched(work: impl FnOnce(Control<'_>)) {
    let bar = indicatif::ProgressBar::with_draw_target(
        Some(u64::MAX),
        indicatif::ProgressDrawTarget::hidden(),
    );
    let (began, bar) = (Instant::now(), Mutex::new(bar));
    let flag = AtomicBool::new(false);
    let progress = |units: u64| {
        if let Ok(bar) = bar.lock() {
            bar.inc(units);
            black_box(began.elapsed());
        }
    };
    work(Control {
        interrupted: &flag,
        progress: &progress,
    });
}

/// What following, stopping and keeping a run costs.
fn overheads() {
    println!(
        "\n| a watched run | against bare steps and readings | against one that nobody watches |\n| --- | --- | --- |"
    );
    for (nodes, every, draws) in [
        (1024, 2000, 1),
        (1024, 10, 200),
        (16, 10, 20_000),
        (16, 1, 20_000),
    ] {
        let process = soft_spins(nodes, Linear::Sparse(ring(nodes)));
        let stepper = stepper::<f32>("euler-maruyama", &process, NormalBits::Full);
        let mut tile = Tile::<f32>::new((1, 0), 0, LANES, nodes, 0);
        stepper.begin(&mut tile);
        let mut read = vec![0.0f32; LANES * draws * nodes];
        // The same steps and readings without anybody watching.
        let bare = || {
            for draw in 0..draws {
                stepper.advance(&mut tile, every);
                for lane in 0..LANES {
                    let to = &mut read[(lane * draws + draw) * nodes..][..nodes];
                    for (node, to) in to.iter_mut().enumerate() {
                        *to = tile.read(false, node, lane) as f32;
                    }
                }
            }
            black_box(&read);
        };
        let silent = Control {
            interrupted: &AtomicBool::new(false),
            progress: &|_| {},
        };
        let run = |ensemble: &mut Ensemble<f32>, control: Control<'_>| {
            let recorded = ensemble.run(&*stepper, 0, draws, every, control);
            black_box(recorded.expect("the bench's own processes are stable"));
        };
        let ensemble = || Ensemble::<f32>::new(1, 0, LANES, nodes, 0);
        let (mut first, mut second, mut third) = (ensemble(), ensemble(), ensemble());
        let share = 100.0 * excess(41, bare, || watched(|control| run(&mut first, control)));
        let alone = 100.0
            * excess(
                41,
                || run(&mut second, silent),
                || watched(|control| run(&mut third, control)),
            );
        println!(
            "| ring of {nodes}, 32 chains, read every {every} steps | {share:+.2} % | {alone:+.2} % |"
        );
    }
    checkpoints();
}

/// A checkpoint of the main job's size (138 nodes, 7,397 couplings, batch 200), packed and written, against the hundred
/// updates between two of them.
fn checkpoints() {
    let machine = common::machine();
    let rule = StepRule::Auto(0.05);
    let (scheme, silent) = ("euler-maruyama", Follow::silent());
    let model = Model::SoftSpin(machine.clone());
    let mut sampler = AnalogSampler::<f32>::new(
        programmed(&model),
        common::BATCH,
        (1, 0),
        rule,
        scheme,
        silent,
    )
    .expect("a stable step");
    let mut trainer = common::trainer(&machine);
    let updates = 20;
    let update = least(5, || {
        for _ in 0..updates {
            trainer.step(&mut sampler).expect("a tiny learning rate");
        }
    }) / f64::from(updates);
    let folder = std::env::temp_dir().join(format!("thermochip-bench-{}", std::process::id()));
    let directory = RunDirectory::create(&folder, false).expect("a folder for a checkpoint");
    let mut size = 0;
    let checkpoint = least(10, || {
        let bytes = postcard::to_stdvec(&trainer.checkpoint(&sampler)).expect("plain numbers");
        size = bytes.len();
        directory
            .write("checkpoint.bin", &bytes)
            .expect("room for a checkpoint");
    });
    let removed = std::fs::remove_dir_all(&folder);
    println!("\n| checkpoints | |\n| --- | --- |");
    println!("| an update of the main job | {:.2} ms |", update * 1e3);
    println!(
        "| a checkpoint of {:.2} MB | {:.2} ms |",
        size as f64 * 1e-6,
        checkpoint * 1e3
    );
    println!("| one every 100 updates | {:+.2} % |", checkpoint / update);
    removed.expect("the bench's own folder");
}

fn large() {
    let z1 = [(1, 0), (2, 1), (2, 3), (4, 1)];
    let model = soft_spin_model(&lattice(500, &z1));
    let mut chip = sampler(programmed(&model), 64);
    let before = Instant::now();
    let steps = 100;
    chip.run(&phase(0, steps)).expect("a stable step");
    let rate = (250_000 * 64 * steps) as f64 / before.elapsed().as_secs_f64();
    let memory = peak_memory().map_or("not known".to_owned(), |gib| format!("{gib:.2} GiB"));
    println!(
        "\n250,000 nodes of 16 neighbours x 64 chains, all threads: {rate:.3e} node-steps/s, peak memory {memory}"
    );
}

fn main() {
    for word in std::env::args() {
        match word.as_str() {
            "large" => return large(),
            "startup" => return startup(),
            "overheads" => return in_pool(1, overheads),
            _ => (),
        }
    }
    let unit = normal();
    println!("one normal: {:.3} ns", unit * 1e9);
    let ring_of = |n: usize| soft_spins(n, Linear::Sparse(ring(n)));
    in_pool(1, || {
        let sizes = [16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576];
        let cells = sizes.map(|n| (n.to_string(), node_step(&ring_of(n), LANES)));
        rows(
            "nodes (ring, 32 chains, one thread)",
            unit,
            cells.into_iter(),
        );
        let rules = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6)];
        let cells = (1..=rules.len()).map(|k| {
            let graph = lattice(64, &rules[..k]);
            let process = soft_spins(64 * 64, Linear::Sparse(graph));
            ((4 * k).to_string(), node_step(&process, LANES))
        });
        rows("neighbours (64 x 64 lattice, open borders)", unit, cells);
        let cells = [1, 2, 4, 8, 16, 32, 64, 256]
            .map(|chains| (chains.to_string(), node_step(&ring_of(1024), chains)));
        rows("chains (ring of 1024)", unit, cells.into_iter());
    });
    let most = std::thread::available_parallelism().map_or(1, |n| n.get());
    let cells = (1..=most).map(|threads| {
        let seconds = in_pool(threads, || node_step(&ring_of(1024), 64 * LANES));
        (threads.to_string(), seconds)
    });
    rows("threads (ring of 1024, 2048 chains)", unit, cells);
    in_pool(1, overheads);
    startup();
}
