//! One kernel for a given number of steps, for a profiler that counts instructions (`.ci/instructions`): wall time is noisy,
//! counts are not. `instructions KERNEL STEPS`, KERNEL one of ring, dense, gibbs.

mod common;

use common::{G12, dense, lattice, ring, soft_spins, stepper};
use std::process::ExitCode;
use thermochip::dynamics::{
    GibbsStepper, LANES, LevelInput, Levels, Linear, NormalBits, Process, Stepper, Tile,
};

fn euler_maruyama(process: &Process, steps: u64) {
    let stepper = stepper::<f32>("euler-maruyama", process, NormalBits::Full);
    walk(&*stepper, process.nodes, 0, steps);
}

fn gibbs(steps: u64) {
    let side = 70;
    let nodes = side * side;
    let process = Process {
        levels: Some(Levels::free(
            vec![1.0; nodes],
            LevelInput::Direct {
                field: vec![0.1; nodes],
                coupling: Linear::Sparse(lattice(side as i64, &G12)),
            },
        )),
        ..Process::still(0)
    };
    // a + b is odd in every rule, so the parity of x + y is a colouring.
    let colour = |i: usize| (i % side + i / side) % 2;
    let classes: Vec<Vec<usize>> = (0..2)
        .map(|c| (0..nodes).filter(|&i| colour(i) == c).collect())
        .collect();
    let stepper = GibbsStepper::<f32>::new(&process, &classes, &vec![false; nodes])
        .expect("two colours suffice");
    walk(&stepper, 0, nodes, steps);
}

fn walk(stepper: &dyn Stepper<f32>, nodes: usize, spins: usize, steps: u64) {
    let mut tile = Tile::<f32>::new((1, 0), 0, LANES, nodes, spins);
    stepper.begin(&mut tile);
    stepper.advance(&mut tile, steps);
}

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    let kernel = words.next().unwrap_or_default();
    let steps = words.next().and_then(|w| w.parse().ok()).unwrap_or(1);
    // Node-steps of one step, so that whoever counts can divide.
    let nodes = match kernel.as_str() {
        "ring" => {
            euler_maruyama(&soft_spins(1024, Linear::Sparse(ring(1024))), steps);
            1024
        }
        "dense" => {
            euler_maruyama(&soft_spins(256, dense(256)), steps);
            256
        }
        "gibbs" => {
            gibbs(steps);
            4900
        }
        // `cargo bench` runs every bench without words.
        _ => return ExitCode::SUCCESS,
    };
    println!("{}", nodes * LANES);
    ExitCode::SUCCESS
}
