//! One contrastive update of the main job's machine (64 pixels, 10 labels, 64 hidden soft spins, all couplings between
//! visible nodes and to the hidden ones; batch 200, conditional phase) through the ideal chip and through digital Langevin.
//!
//! The floor is the arithmetic alone: the multiply-adds of its matrix products and its normals, at the rates that the
//! `engine` bench prints for this machine.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use thermochip::dynamics::streams::chain_rng;
use thermochip::energy::{Couplings, Model, Parametric, SoftSpin};
use thermochip::hardware::{Die, Scale, card::card, program};
use thermochip::sampler::{AnalogSampler, Follow, Horizon, LangevinSampler, Sampler, StepRule};
use thermochip::training::{Conditional, Method, OptimiserKind, Settings, Trainer};

const VISIBLE: usize = 74;
const NODES: usize = 138;
const BATCH: usize = 200;

fn machine() -> SoftSpin {
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

fn trainer() -> Trainer {
    let energy = machine();
    let mut rng = chain_rng(2, 0, 0);
    let row = |_| -> Vec<f64> {
        (0..VISIBLE)
            .map(|_| rand::RngExt::random_range(&mut rng, -1.0..1.0))
            .collect()
    };
    let settings = Settings {
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

fn update(c: &mut Criterion) {
    let mut group = c.benchmark_group("contrastive-update");
    group.sample_size(20).throughput(Throughput::Elements(1));
    let model = Model::SoftSpin(machine());
    let silent = Follow::silent;
    let die = card("soft_spin_cmos").and_then(|card| Die::fabricate(&card, None, None));
    let programmed = die.and_then(|die| program(&die, &model, Scale::Fixed(1.0)));
    let chip = programmed.and_then(|programmed| {
        let (rule, scheme) = (StepRule::Auto(0.05), "euler-maruyama");
        AnalogSampler::<f32>::new(programmed, BATCH, (1, 0), rule, scheme, silent())
    });
    let digital = LangevinSampler::<f32>::new(&model, BATCH, (1, 0), false, None, 0.05, silent());
    let samplers: [(&str, Box<dyn Sampler>); 2] = [
        ("chip", Box::new(chip.expect("the card holds this energy"))),
        (
            "digital-langevin",
            Box::new(digital.expect("a stable step")),
        ),
    ];
    for (name, mut sampler) in samplers {
        let mut trainer = trainer();
        group.bench_function(name, |b| {
            b.iter(|| trainer.step(&mut *sampler).expect("a tiny learning rate"))
        });
    }
    group.finish();
}

criterion_group!(benches, update);
criterion_main!(benches);
