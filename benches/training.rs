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
use thermochip::sampler::{AnalogSampler, Follow, LangevinSampler, Sampler, StepRule};

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

criterion_group!(benches, update);
criterion_main!(benches);
