//! One contrastive update of the main job's machine (64 pixels, 10 labels, 64 hidden soft spins, all couplings between
//! visible nodes and to the hidden ones; batch 200, conditional phase) through the ideal chip and through digital Langevin.
//!
//! The floor is the arithmetic alone: the multiply-adds of its matrix products and its normals, at the rates that the
//! `engine` bench prints for this machine.

mod common;

use common::{BATCH, machine, trainer};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use thermochip::energy::Model;
use thermochip::hardware::{Die, Scale, card::card, program};
use thermochip::sampler::restricted::chain_rng;
use thermochip::sampler::{AnalogSampler, Follow, LangevinSampler, Sampler, StepRule};
use thermochip::training::OptimiserKind;
use thermochip::training::rbm::{AnnealingSettings, Rbm, RbmSettings, RbmTrainer, annealed_log_z};

fn update(c: &mut Criterion) {
    let mut group = c.benchmark_group("contrastive-update");
    group.sample_size(20).throughput(Throughput::Elements(1));
    let machine = machine();
    let model = Model::SoftSpin(machine.clone());
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
        let mut trainer = trainer(&machine);
        group.bench_function(name, |b| {
            b.iter(|| trainer.step(&mut *sampler).expect("a tiny learning rate"))
        });
    }
    group.finish();
}

/// An epoch of a restricted Boltzmann machine, 64-16, on as many rows as the digits have: PCD-1 in batches of 10, SGD.
fn rbm_epoch(c: &mut Criterion) {
    let mut group = c.benchmark_group("rbm-epoch");
    group.sample_size(30);
    let picture = |k: usize| -> Vec<f64> {
        let up = |i: usize| (k * 7 + i * 3 + k * i) % 5 < 2;
        (0..64).map(|i| if up(i) { 1.0 } else { -1.0 }).collect()
    };
    let rows: Vec<Vec<f64>> = (0..1437).map(picture).collect();
    for (name, hidden, optimiser) in [
        ("64-16-sgd", 16, OptimiserKind::Sgd { momentum: 0.0 }),
        ("64-16-adam", 16, OptimiserKind::Adam),
        ("64-64-sgd", 64, OptimiserKind::Sgd { momentum: 0.0 }),
    ] {
        let settings = RbmSettings {
            optimiser,
            learning_rate: 1e-5,
            ..RbmSettings::new(u64::MAX, 1)
        };
        let start = Rbm::start(&rows, hidden, 0.05, &mut chain_rng(1, 2, 3)).expect("rows");
        let mut trainer = RbmTrainer::new(settings, &rows, &start).expect("good settings");
        group.bench_function(name, |b| {
            b.iter(|| {
                for _ in 0..trainer.updates_per_epoch() {
                    trainer.step().expect("a tiny learning rate");
                }
            });
        });
    }
    group.finish();
}

/// ln Z of 16 hidden spins by enumeration, and of 64 by 256 chains of 2000 temperatures, both ways.
fn rbm_log_z(c: &mut Criterion) {
    let mut group = c.benchmark_group("rbm-log-z");
    group.sample_size(10);
    let rows = vec![vec![1.0; 64], vec![-1.0; 64]];
    let start = |hidden| Rbm::start(&rows, hidden, 0.1, &mut chain_rng(1, 2, 3)).expect("rows");
    let (small, large) = (start(16), start(64));
    group.bench_function("exact-16", |b| b.iter(|| small.log_z().expect("16 units")));
    let settings = AnnealingSettings::new((1, 2));
    group.bench_function("annealed-64", |b| {
        b.iter(|| annealed_log_z(&large, &[0.0; 64], &settings).expect("good settings"));
    });
    group.finish();
}

criterion_group!(benches, update, rbm_epoch, rbm_log_z);
criterion_main!(benches);
