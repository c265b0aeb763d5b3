//! What a seed gives, and that a stream can be taken up anywhere: the exact normals of each generator and precision (a
//! change of them is a breaking change), runs that go on after a checkpoint, streams positioned at a step at once.

use std::sync::atomic::AtomicBool;
use thermochip::dynamics::streams::{Jump, Stream};
use thermochip::dynamics::{
    Compiled, Control, Ensemble, Generator, LANES, Noise, NormalBits, NormalPlan, Origin, Process,
    Row, Setting, Tile, scheme,
};
use thermochip::energy::{Couplings, Ising, Model, SoftSpin};
use thermochip::hardware::{Die, Scale, card, program};
use thermochip::sampler::{
    AnalogSampler, Follow, GibbsSampler, Horizon, LangevinSampler, Phase, Sampler, StepRule,
};

static RUNNING: AtomicBool = AtomicBool::new(false);

fn origin(seed: u64, generator: Generator) -> Origin {
    Origin::from((seed, 2)).by(generator)
}

/// Normals of three nodes in the first and last lane, after a jump over `steps` steps.
fn normals<R: Compiled>(generator: Generator, steps: u64) -> Vec<R> {
    let mut tile = Tile::<R>::new(origin(1, generator), LANES, LANES, 3, 0);
    let plan = NormalPlan::new::<R>(&[true; 3], NormalBits::Full);
    tile.rng.skip(Jump::new(steps * plan.words::<R>()));
    let mut rows = [Row::splat(R::ZERO); 3];
    plan.fill(&mut tile.rng, &mut rows);
    let ends = rows.map(|row| [row[0], row[LANES - 1]]);
    ends.into_iter().flatten().collect()
}

#[test]
fn the_first_normals_of_a_seed_do_not_change() {
    let far = 1_000_000_007;
    let pcg = [
        0.326_288_73,
        0.284_092_87,
        0.755_346_3,
        -1.514_671_6,
        0.154_172_24,
        -1.060_823_8,
    ];
    let pcg_double = [
        -0.500_693_426_329_191_7,
        1.124_504_803_125_893,
        -0.652_930_660_506_873_8,
        1.053_768_124_560_721_8,
        -1.228_040_843_088_345_8,
        -0.879_245_283_583_277_4,
    ];
    let pcg_far = [
        -0.724_462_8,
        1.333_162_7,
        -0.145_252_97,
        1.181_830_2,
        0.503_996_25,
        -0.168_504_52,
    ];
    let chacha = [
        0.244_791_37,
        0.787_081_36,
        0.779_545_6,
        -0.536_599_34,
        -0.663_192_6,
        -0.328_445_8,
    ];
    let chacha_double = [
        -0.016_349_972_388_471_1,
        -0.754_287_063_381_559_7,
        -0.816_913_002_822_935,
        0.581_796_390_991_472_6,
        -1.205_571_243_826_884_4,
        1.378_140_284_655_505_3,
    ];
    let chacha_far = [
        1.476_937_9,
        1.403_472_5,
        -1.319_590_2,
        0.068_669_14,
        -0.430_254_58,
        1.451_459_4,
    ];
    assert_eq!(normals::<f32>(Generator::Pcg, 0), pcg);
    assert_eq!(normals::<f64>(Generator::Pcg, 0), pcg_double);
    assert_eq!(normals::<f32>(Generator::Pcg, far), pcg_far);
    assert_eq!(normals::<f32>(Generator::ChaCha8, 0), chacha);
    assert_eq!(normals::<f64>(Generator::ChaCha8, 0), chacha_double);
    assert_eq!(normals::<f32>(Generator::ChaCha8, far), chacha_far);
}

/// A stream put at step k by one jump has the normals of one that walked there, clamped nodes or not.
#[test]
fn a_step_is_reached_at_once() {
    for generator in Generator::ALL {
        let mut walked = Tile::<f64>::new(origin(3, generator), 0, LANES, 7, 0);
        let free = [true, false, true, true, false, false, true];
        let plan = NormalPlan::new::<f64>(&free, NormalBits::Full);
        let (mut rows, mut at_once) = ([Row::splat(0.0); 4], [Row::splat(0.0); 4]);
        for step in 0..20 {
            plan.fill(&mut walked.rng, &mut rows);
            let mut tile = Tile::<f64>::new(origin(3, generator), 0, LANES, 7, 0);
            tile.rng.skip(Jump::new(step * plan.words::<f64>()));
            plan.fill(&mut tile.rng, &mut at_once);
            assert_eq!(rows, at_once, "step {step}");
        }
    }
}

/// dx = −x dt + √2 dW on 20 nodes.
fn process() -> Process {
    Process {
        polynomial: vec![vec![0.0; 20], vec![-1.0; 20]],
        noise: Noise::Diagonal(vec![2f64.sqrt(); 20]),
        ..Process::still(20)
    }
}

#[test]
fn an_ensemble_goes_on_where_it_was_left() {
    let control = Control {
        interrupted: &RUNNING,
        progress: &|_| {},
    };
    let setting = Setting {
        step: 0.05,
        clamped: &[false; 20],
        stiffness: None,
        normals: NormalBits::Full,
    };
    let scheme = scheme::<f32>("euler-maruyama").unwrap();
    let stepper = scheme.prepare(&process(), &setting).unwrap();
    for generator in Generator::ALL {
        let ensemble = |seed| Ensemble::<f32>::from_origin(origin(seed, generator), 75, 20, 0);
        let mut whole = ensemble(4);
        whole.run(&*stepper, 0, 1, 31, control).unwrap();
        let mut first = ensemble(4);
        first.run(&*stepper, 0, 1, 13, control).unwrap();
        // The streams' positions say all: the seed of the ensemble that takes them up does not matter.
        let mut second = ensemble(99);
        second.set_values(&first.values()).unwrap();
        second.restore_streams(&first.streams()).unwrap();
        second.run(&*stepper, 0, 1, 18, control).unwrap();
        assert_eq!(whole.values(), second.values());
        assert_eq!(whole.streams(), second.streams());
    }
    let [pcg, mut chacha] = Generator::ALL
        .map(|generator| Ensemble::<f32>::from_origin(origin(4, generator), 75, 20, 0));
    let refused = chacha.restore_streams(&pcg.streams()).unwrap_err();
    assert!(
        refused.to_string().contains("a stream of chacha8"),
        "{refused}"
    );
}

/// Every sampler with streams of `origin`.
fn samplers(origin: Origin) -> Vec<Box<dyn Sampler>> {
    let couplings = || Couplings::new(2, vec![(0, 1, 0.3)]).unwrap();
    let soft = SoftSpin::new(vec![-0.5, 0.8], vec![0.6, 0.3], vec![0.1, 0.2], couplings());
    let soft = Model::SoftSpin(soft.unwrap());
    let spins = Model::Ising(Ising::new(vec![0.1, -0.2], couplings()).unwrap());
    let chip = |name: &str, model: &Model| -> Box<dyn Sampler> {
        let die = Die::fabricate(&card::card(name).unwrap(), None, None).unwrap();
        let programmed = program(&die, model, Scale::Fixed(1.0)).unwrap();
        let (rule, silent) = (StepRule::Auto(0.01), Follow::silent());
        let sampler =
            AnalogSampler::<f32>::new(programmed, 40, origin, rule, "euler-maruyama", silent);
        Box::new(sampler.unwrap())
    };
    let langevin = |adjusted: bool| -> Box<dyn Sampler> {
        let (step, silent) = (Some(0.05), Follow::silent());
        let sampler = LangevinSampler::<f64>::new(&soft, 40, origin, adjusted, step, 0.01, silent);
        Box::new(sampler.unwrap())
    };
    vec![
        chip("soft_spin_cmos", &soft),
        chip("pbit_cmos_subthreshold", &spins),
        langevin(false),
        langevin(true),
        Box::new(GibbsSampler::new(&spins, 40, origin, Follow::silent()).unwrap()),
    ]
}

#[test]
fn samplers_go_on_where_they_were_left_and_the_generators_differ() {
    let run = |sampler: &mut dyn Sampler, steps: u64| {
        let phase = Phase {
            burn_in: Horizon::Steps(0),
            duration: Horizon::Steps(steps),
            every: None,
            clamp: None,
        };
        sampler.run(&phase).unwrap().samples.x
    };
    let ends = Generator::ALL.map(|generator| {
        let mut ends = Vec::new();
        let starts = samplers(origin(8, generator)).into_iter();
        for (mut first, mut second) in starts.zip(samplers(origin(9, generator))) {
            run(&mut *first, 13);
            second.restore(&first.state()).unwrap();
            let name = first.describe().name;
            let (a, b) = (run(&mut *first, 18), run(&mut *second, 18));
            assert_eq!(a, b, "{name} by {}", generator.name());
            ends.push(a);
        }
        ends
    });
    for (a, b) in ends[0].iter().zip(&ends[1]) {
        assert_ne!(a, b);
    }
}
