//! Graphs and processes that the benches share, and the table that they end with.

#![allow(dead_code)]

use nalgebra::DMatrix;
use std::collections::BTreeMap;
use std::path::PathBuf;
use thermochip::dynamics::streams::chain_rng;
use thermochip::dynamics::{
    Compiled, Linear, Noise, NormalBits, Process, Setting, Stepper, scheme,
};
use thermochip::energy::{Couplings, Model, Parametric, SoftSpin};
use thermochip::sampler::Horizon;
use thermochip::training::{Conditional, Method, OptimiserKind, Settings, Trainer};

/// Neighbours on a ring.
pub fn ring(nodes: usize) -> Vec<Vec<(usize, f64)>> {
    let neighbours = |i: usize| [(i + 1) % nodes, (i + nodes - 1) % nodes];
    (0..nodes)
        .map(|i| neighbours(i).map(|j| (j, 0.2)).to_vec())
        .collect()
}

/// Rules (a, b) on an open side × side lattice: (x, y) is joined to (x + a, y + b) and its three quarter turns.
pub fn lattice(side: i64, rules: &[(i64, i64)]) -> Vec<Vec<(usize, f64)>> {
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

/// Twelve neighbours: G12 of arXiv 2510.23972.
pub const G12: [(i64, i64); 3] = [(0, 1), (4, 1), (9, 10)];

/// All nodes with all.
pub fn dense(nodes: usize) -> Linear {
    Linear::Dense(DMatrix::from_fn(nodes, nodes, |i, j| {
        if i == j {
            0.0
        } else {
            0.2 / (1.0 + i.abs_diff(j) as f64)
        }
    }))
}

/// Cells 2x − 4x³ with the given couplings, between rails.
pub fn soft_spins(nodes: usize, linear: Linear) -> Process {
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

/// The same as an energy, for a chip to hold.
pub fn soft_spin_model(neighbours: &[Vec<(usize, f64)>]) -> Model {
    let n = neighbours.len();
    let edges = neighbours.iter().enumerate().flat_map(|(i, row)| {
        let later = row.iter().filter(move |e| e.0 > i);
        later.map(move |&(j, value)| (i, j, value))
    });
    let couplings = Couplings::new(n, edges.collect()).expect("pairs i < j");
    let energy = SoftSpin::new(vec![-1.0; n], vec![1.0; n], vec![0.1; n], couplings);
    Model::SoftSpin(energy.expect("a bounded energy"))
}

const VISIBLE: usize = 74;
const NODES: usize = 138;
/// Chains of the main job.
pub const BATCH: usize = 200;

/// The main job's machine, with small random couplings.
pub fn machine() -> SoftSpin {
    let mut rng = chain_rng(1, 0, 0);
    let pairs = (0..VISIBLE).flat_map(|i| (i + 1..NODES).map(move |j| (i, j)));
    let small = |_| rand::RngExt::random_range(&mut rng, -0.05..0.05);
    let list = pairs.map(|(i, j)| (i, j, 0.0)).collect();
    let mut couplings = Couplings::new(NODES, list).expect("pairs i < j");
    let values: Vec<f64> = (0..couplings.values().len()).map(small).collect();
    couplings.set_values(&values).expect("one value per pair");
    SoftSpin::new(
        vec![-2.0; NODES],
        vec![1.0; NODES],
        vec![0.0; NODES],
        couplings,
    )
    .expect("a bounded energy")
}

/// Its training on random rows.
pub fn trainer(energy: &SoftSpin) -> Trainer {
    let mut rng = chain_rng(2, 0, 0);
    let row = |_| -> Vec<f64> {
        (0..VISIBLE)
            .map(|_| rand::RngExt::random_range(&mut rng, -1.0..1.0))
            .collect()
    };
    let settings = Settings {
        restart: 0.0,
        limit: None,
        method: Method::Pcd,
        positive: Horizon::Time(0.3),
        negative: Horizon::Time(0.6),
        conditional: Some(Conditional {
            clamp: (0..64).collect(),
            weight: 2.0,
        }),
        optimiser: OptimiserKind::Adam,
        learning_rate: 1e-6,
        decay: 1.0,
        updates: 1000,
        weight_decay: 0.0,
        local_rule: None,
        seed: 1,
    };
    let rows = (0..1437).map(row).collect();
    Trainer::new(
        settings,
        rows,
        energy.couplings.edges(),
        energy.parameters(),
    )
    .expect("a valid training problem")
}

/// A stepper of the named scheme for `process`, none of whose nodes is held.
pub fn stepper<R: Compiled>(
    name: &str,
    process: &Process,
    bits: NormalBits,
) -> Box<dyn Stepper<R>> {
    let setting = Setting {
        step: 0.005,
        clamped: &vec![false; process.nodes],
        stiffness: Some(20.0),
        normals: bits,
    };
    scheme::<R>(name)
        .and_then(|scheme| scheme.prepare(process, &setting))
        .expect("a stable step")
}

/// A figure of the table: the bench's id, and what the project owes itself, in operations per second.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// `group/function`, as criterion names it.
    pub id: &'static str,
    /// Operations of one iteration.
    pub operations: f64,
    /// Must.
    pub must: Option<f64>,
    /// Should.
    pub should: Option<f64>,
    /// The id of the floor to divide by, and how many of its operations one of this figure's needs at the least.
    pub floor: (&'static str, f64),
}

/// Median nanoseconds of a criterion benchmark that has just run.
fn median(id: &str) -> Option<f64> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"),
        PathBuf::from,
    );
    let path = target.join("criterion").join(id).join("new/estimates.json");
    let text = std::fs::read_to_string(path).ok()?;
    let estimates: serde_json::Value = serde_json::from_str(&text).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}

/// Prints every figure as a rate and as a multiple of the floor measured in the same run.
pub fn table(floors: &[(&'static str, f64)], goals: &[Goal]) {
    let floors: BTreeMap<&str, f64> = floors
        .iter()
        .filter_map(|&(id, operations)| Some((id, median(id)? / operations)))
        .collect();
    println!("\n| floor | ns |\n| --- | --- |");
    for (id, ns) in &floors {
        println!("| {id} | {ns:.4} |");
    }
    println!(
        "\n| figure | 1e9 /s | ns | x floor | must | should |\n| --- | --- | --- | --- | --- | --- |"
    );
    for goal in goals {
        let Some(ns) = median(goal.id).map(|ns| ns / goal.operations) else {
            continue;
        };
        let rate = 1e9 / ns;
        let judged = |wanted: Option<f64>| {
            wanted.map_or(String::new(), |wanted| {
                let met = if rate >= wanted { "met" } else { "missed" };
                format!("{:.3} {met}", wanted / 1e9)
            })
        };
        let floor = floors
            .get(goal.floor.0)
            .map(|floor| ns / (floor * goal.floor.1));
        let floor = floor.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        println!(
            "| {} | {:.3} | {ns:.3} | {floor} | {} | {} |",
            goal.id,
            rate / 1e9,
            judged(goal.must),
            judged(goal.should)
        );
    }
}
