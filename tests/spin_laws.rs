//! Arrays of spins against exact answers: Onsager's lattice, enumerated glasses, and the same bits however they are run.
//!
//! Statistical bounds have a false-alarm rate of 1e-6 each; every law is held up by a mutation that it rejects.

#[path = "common/kaufman.rs"]
mod kaufman;

use kaufman::{kaufman, kaufman_energy};
use std::sync::atomic::AtomicBool;
use thermochip::dynamics::*;
use thermochip::energy::{Couplings, Ising, exact};
use thermochip::testing::assertions::*;

static RUNNING: AtomicBool = AtomicBool::new(false);
const FALSE_ALARM: f64 = 1e-6;

fn control() -> Control<'static> {
    Control {
        interrupted: &RUNNING,
        progress: &|_| {},
    }
}

/// The process of an energy at β.
fn process(ising: &Ising, beta: f64) -> Process {
    let n = ising.fields.len();
    let mut rows = vec![Vec::new(); n];
    for (&(i, j), &value) in ising.couplings.edges().iter().zip(ising.couplings.values()) {
        rows[i].push((j, beta * value));
        rows[j].push((i, beta * value));
    }
    for row in &mut rows {
        row.sort_by_key(|e| e.0);
    }
    Process {
        levels: Some(Levels::free(
            vec![1.0; n],
            LevelInput::Direct {
                field: ising.fields.iter().map(|h| beta * h).collect(),
                coupling: Linear::Sparse(rows),
            },
        )),
        ..Process::still(0)
    }
}

fn gibbs<R: Real>(ising: &Ising, beta: f64, clamped: &[bool]) -> GibbsStepper<R> {
    GibbsStepper::new(&process(ising, beta), &ising.couplings.colouring(), clamped).unwrap()
}

/// Multi-spin coding advances 16 tiles together, the other ways one.
fn is_multi_spin<R: Real>(stepper: &GibbsStepper<R>) -> bool {
    stepper.span() == 16
}

/// A periodic side × side lattice; `bond(k)` is the k-th coupling, `field(i)` the i-th field.
fn torus(side: usize, bond: impl Fn(usize) -> f64, field: impl Fn(usize) -> f64) -> Ising {
    let site = |x: usize, y: usize| x % side + side * (y % side);
    let mut edges = Vec::new();
    for y in 0..side {
        for x in 0..side {
            for (k, other) in [site(x + 1, y), site(x, y + 1)].into_iter().enumerate() {
                let (i, value) = (site(x, y), bond(2 * site(x, y) + k));
                edges.push((i.min(other), i.max(other), value));
            }
        }
    }
    let couplings = Couplings::new(side * side, edges).unwrap();
    Ising::new((0..side * side).map(field).collect(), couplings).unwrap()
}

/// The oracle's own oracles: enumeration of the 4 × 4 torus, and Onsager's infinite lattice.
#[test]
fn the_oracle_is_onsagers_and_counts_small_tori_right() {
    for k in [0.2, 0.4406868, 0.7] {
        let torus = torus(4, |_| k, |_| 0.0);
        let log_z = exact::enumerate(&torus).unwrap().log_z;
        assert!((kaufman(4, k) - log_z).abs() < 1e-9, "{k}");
    }
    assert!((kaufman_energy(64, 0.3) + 0.70450).abs() < 1e-5);
    assert!((kaufman_energy(64, 0.4) + 1.106079).abs() < 1e-5);
}

/// Mean energy per site and its standard error over independent chains.
fn energy<R: Real>(side: usize, beta: f64, chains: usize) -> (f64, f64) {
    let lattice = torus(side, |_| 1.0, |_| 0.0);
    let n = side * side;
    let stepper = gibbs::<R>(&lattice, beta, &vec![false; n]);
    assert!(is_multi_spin(&stepper));
    let mut ensemble = Ensemble::<R>::new(17, 0, chains, 0, n);
    let draws = 4;
    let recorded = ensemble.run(&stepper, 1500, draws, 50, control()).unwrap();
    let chain = |x: &[f32]| {
        let pairs = lattice.couplings.edges().iter();
        let bonds = |s: &[f32]| {
            pairs
                .clone()
                .map(|&(i, j)| f64::from(s[i] * s[j]))
                .sum::<f64>()
        };
        -x.chunks(n).map(bonds).sum::<f64>() / (draws * n) as f64
    };
    let energies: Vec<f64> = recorded.x.chunks(draws * n).map(chain).collect();
    let count = energies.len() as f64;
    let mean = energies.iter().sum::<f64>() / count;
    let variance = energies.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, (variance / count).sqrt())
}

/// The energy that a multi-spin kernel must have: Onsager's, with the finite lattice's correction; β 2 % high is rejected.
#[test]
fn multi_spin_lattices_have_onsagers_energy() {
    for (side, beta) in [(64, 0.3), (64, 0.4), (16, 0.44)] {
        let exact = kaufman_energy(side, beta);
        let (mean, se) = energy::<f32>(side, beta, 512);
        agrees("energy", mean, se, exact, FALSE_ALARM).unwrap();
        let (mean, se) = energy::<f32>(side, 1.02 * beta, 512);
        assert!(
            agrees("hot", mean, se, exact, FALSE_ALARM).is_err(),
            "{beta}"
        );
    }
}

/// Nine spins of few-levelled couplings, by number of neighbours (fields count): up to 4, up to 7, up to 15.
fn glasses() -> [Ising; 3] {
    let sign = |k: usize| if (k * k + 3 * k) % 7 < 3 { -1.0 } else { 1.0 };
    let wide = |i: usize| [0.0, 2.0, -1.0][i % 3];
    let all = (0..9).flat_map(|i| (i + 1..9).map(move |j| (i, j, 0.5 * sign(3 * i + 5 * j))));
    let complete = Couplings::new(9, all.collect()).unwrap();
    [
        torus(3, sign, |_| 0.0),
        torus(3, sign, wide),
        Ising::new((0..9).map(|i| 0.5 * wide(i)).collect(), complete).unwrap(),
    ]
}

/// Final states of many chains, counted.
fn state_counts<R: Real>(stepper: &dyn Stepper<R>, n: usize, chains: usize) -> Vec<u64> {
    let mut ensemble = Ensemble::<R>::new(23, 0, chains, 0, n);
    let recorded = ensemble.run(stepper, 150, 1, 1, control()).unwrap();
    let mut counts = vec![0u64; 1 << n];
    for x in recorded.x.chunks(n) {
        counts[(0..n).fold(0, |index, i| index | usize::from(x[i] > 0.0) << i)] += 1;
    }
    counts
}

/// Every shape of the multi-spin kernel has the Boltzmann law of its glass; β 2 % high is rejected.
#[test]
fn multi_spin_glasses_have_the_boltzmann_law() {
    let (beta, chains) = (0.6, 600_000);
    for glass in glasses() {
        let scaled = |beta: f64| {
            let mut couplings = glass.couplings.clone();
            let values: Vec<f64> = couplings.values().iter().map(|v| beta * v).collect();
            couplings.set_values(&values).unwrap();
            Ising::new(glass.fields.iter().map(|h| beta * h).collect(), couplings).unwrap()
        };
        let p = exact::enumerate(&scaled(beta)).unwrap().probabilities;
        let counts = |beta: f64| {
            let stepper = gibbs::<f32>(&glass, beta, &[false; 9]);
            assert!(is_multi_spin(&stepper));
            state_counts(&stepper, 9, chains)
        };
        counts_match(&counts(beta), &p, FALSE_ALARM).unwrap();
        assert!(counts_match(&counts(1.02 * beta), &p, FALSE_ALARM).is_err());
    }
}

/// A held spin stays, and leaves the conditional law to the others; it shifts nobody's words.
#[test]
fn a_held_spin_conditions_a_multi_spin_glass() {
    let glass = &glasses()[1];
    let mut clamped = [false; 9];
    clamped[4] = true;
    let stepper = gibbs::<f32>(glass, 0.4, &clamped);
    let counts = state_counts(&stepper, 9, 200_000);
    let mut p = exact::enumerate(&{
        let mut couplings = glass.couplings.clone();
        let values: Vec<f64> = couplings.values().iter().map(|v| 0.4 * v).collect();
        couplings.set_values(&values).unwrap();
        Ising::new(glass.fields.iter().map(|h| 0.4 * h).collect(), couplings).unwrap()
    })
    .unwrap()
    .probabilities;
    counts_match(&counts, &p, FALSE_ALARM).unwrap_err();
    for (index, p) in p.iter_mut().enumerate() {
        if index >> 4 & 1 == 0 {
            *p = 0.0;
        }
    }
    let total: f64 = p.iter().sum();
    p.iter_mut().for_each(|p| *p /= total);
    counts_match(&counts, &p, FALSE_ALARM).unwrap();
}

/// Twenty-four spins, all coupled, unevenly.
fn machine() -> Ising {
    let value = |i: usize, j: usize| ((31 * i + 17 * j) % 23) as f64 * 0.02 - 0.22;
    let pairs = (0..24).flat_map(|i| (i + 1..24).map(move |j| (i, j, value(i, j))));
    let couplings = Couplings::new(24, pairs.collect()).unwrap();
    Ising::new((0..24).map(|i| 0.05 * (i % 7) as f64).collect(), couplings).unwrap()
}

/// The three ways of Gibbs sampling, telegraph p-bits, and both precisions.
fn steppers<R: Compiled>() -> Vec<(usize, Box<dyn Stepper<R>>)> {
    let uneven = torus(
        6,
        |k| 0.1 + 0.01 * (k % 11) as f64,
        |i| 0.02 * (i % 5) as f64,
    );
    let even = torus(6, |k| if k % 3 == 0 { -0.4 } else { 0.4 }, |_| 0.0);
    let machine = machine();
    let clamped = |n: usize| (0..n).map(|i| i % 13 == 5).collect::<Vec<bool>>();
    let telegraph = scheme::<R>("euler-maruyama").unwrap();
    let setting = Setting {
        step: 0.3,
        clamped: &clamped(36),
        stiffness: None,
        normals: NormalBits::Full,
    };
    let (few, many) = (
        gibbs(&even, 1.0, &clamped(36)),
        gibbs(&uneven, 1.0, &clamped(36)),
    );
    assert!(is_multi_spin(&few) && !is_multi_spin(&many));
    vec![
        (36, Box::new(few)),
        (36, Box::new(many)),
        (24, Box::new(gibbs::<R>(&machine, 1.0, &clamped(24)))),
        (
            36,
            telegraph.prepare(&process(&uneven, 1.0), &setting).unwrap(),
        ),
    ]
}

fn a_chain_depends_on_its_number_alone<R: Compiled>() {
    for (n, stepper) in steppers::<R>() {
        for generator in Generator::ALL {
            let run = |chains: usize, threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                pool.build().unwrap().install(|| {
                    let origin = Origin::from((4, 2)).by(generator);
                    let mut ensemble = Ensemble::<R>::from_origin(origin, chains, 0, n);
                    ensemble.run(&*stepper, 3, 2, 9, control()).unwrap().x
                })
            };
            let all = run(1100, 1);
            for (chains, threads) in [
                (1100, 2),
                (1100, 4),
                (1, 1),
                (3, 2),
                (33, 1),
                (130, 1),
                (600, 2),
            ] {
                assert!(
                    run(chains, threads)[..] == all[..chains * 2 * n],
                    "{chains} {threads}"
                );
            }
        }
    }
}

#[test]
fn a_chain_depends_on_its_number_alone_f32() {
    a_chain_depends_on_its_number_alone::<f32>();
}

#[test]
fn a_chain_depends_on_its_number_alone_f64() {
    a_chain_depends_on_its_number_alone::<f64>();
}

/// p-bits that read each other through RC nodes.
fn behind_synapses<R: Compiled>() -> Box<dyn Stepper<R>> {
    let n = 9;
    let weights = |i: usize| vec![((i + 1) % n, 0.4), ((i + 4) % n, -0.3)];
    let process = Process {
        linear: Linear::Sparse((0..n).map(|i| vec![(i, -2.0)]).collect()),
        noise: Noise::Diagonal(vec![0.1; n]),
        levels: Some(Levels::free(
            vec![1.0; n],
            LevelInput::Node {
                input: (0..n).map(|i| vec![(i, 1.0)]).collect(),
                offset: (0..n).map(|i| 0.1 * i as f64).collect(),
                drive: Linear::Sparse((0..n).map(weights).collect()),
            },
        )),
        ..Process::still(n)
    };
    let setting = Setting {
        step: 0.1,
        clamped: &[false; 9],
        stiffness: None,
        normals: NormalBits::Full,
    };
    let scheme = scheme::<R>("euler-maruyama").unwrap();
    scheme.prepare(&process, &setting).unwrap()
}

fn instruction_sets_agree<R: Compiled>() {
    use thermochip::simd::{InstructionSet, limited_to};
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let alone = alone.unwrap();
    let mut steppers: Vec<_> = steppers::<R>()
        .into_iter()
        .map(|(n, s)| (0, n, s))
        .collect();
    steppers.push((9, 9, behind_synapses()));
    for (nodes, n, stepper) in steppers {
        for chains in [2, 50, 300] {
            let run = |set| {
                let mut ensemble = Ensemble::<R>::new(6, 0, chains, nodes, n);
                let mut run = || ensemble.run(&*stepper, 5, 2, 4, control()).unwrap().x;
                alone.install(|| limited_to(set, &mut run))
            };
            let portable = run(InstructionSet::Portable);
            assert!(portable == run(InstructionSet::Avx2));
            assert!(portable == run(InstructionSet::Avx512));
        }
    }
}

/// Portable loops, AVX2 and AVX-512 give the same bits.
#[test]
fn instruction_sets_agree_on_spins() {
    instruction_sets_agree::<f32>();
    instruction_sets_agree::<f64>();
}

/// A run that is stopped and restored, by streams and values, goes on as if it had not been.
#[test]
fn a_restored_run_goes_on() {
    for (n, stepper) in steppers::<f32>() {
        for (chains, generator) in [
            (2, Generator::Pcg),
            (70, Generator::ChaCha8),
            (600, Generator::Pcg),
        ] {
            let origin = Origin::from((4, 0)).by(generator);
            let mut whole = Ensemble::<f32>::from_origin(origin, chains, 0, n);
            whole.run(&*stepper, 0, 1, 31, control()).unwrap();
            let mut first = Ensemble::<f32>::from_origin(origin, chains, 0, n);
            first.run(&*stepper, 0, 1, 13, control()).unwrap();
            let other = Origin::from((99, 0)).by(generator);
            let mut second = Ensemble::<f32>::from_origin(other, chains, 0, n);
            second.set_values(&first.values()).unwrap();
            second.restore_streams(&first.streams()).unwrap();
            second.run(&*stepper, 0, 1, 18, control()).unwrap();
            assert_eq!(whole.values(), second.values());
            assert_eq!(whole.streams(), second.streams());
        }
    }
}

/// Kept inputs (one to four chains at a time) have the law of the machine: means against enumeration of 18 of its spins.
#[test]
fn single_chains_of_a_dense_machine_have_its_law() {
    let whole = machine();
    let n = 18;
    let pairs = whole.couplings.edges().iter().zip(whole.couplings.values());
    let inside = pairs.filter(|((_, j), _)| *j < n);
    let couplings = Couplings::new(n, inside.map(|(&(i, j), &v)| (i, j, v)).collect()).unwrap();
    let part = Ising::new(whole.fields[..n].to_vec(), couplings).unwrap();
    let exact = exact::enumerate(&part).unwrap();
    let stepper = gibbs::<f32>(&part, 1.0, &[false; 18]);
    let (runs, draws) = (100, 2000);
    let mut means = vec![Vec::new(); n];
    for run in 0..runs {
        let mut ensemble = Ensemble::<f32>::new(5, run, 4, 0, n);
        let x = ensemble.run(&stepper, 100, draws, 3, control()).unwrap().x;
        for chain in x.chunks(draws * n) {
            for (i, means) in means.iter_mut().enumerate() {
                let up = chain
                    .iter()
                    .skip(i)
                    .step_by(n)
                    .filter(|v| **v > 0.0)
                    .count();
                means.push(2.0 * up as f64 / draws as f64 - 1.0);
            }
        }
    }
    let mut mutated = 0;
    for (means, &expected) in means.iter().zip(&exact.means) {
        let count = means.len() as f64;
        let mean = means.iter().sum::<f64>() / count;
        let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (count - 1.0);
        let se = (variance / count).sqrt();
        let budget = Budget {
            total: FALSE_ALARM,
            checks: n,
        };
        agrees("mean", mean, se, expected, budget.each()).unwrap();
        mutated += usize::from(agrees("2 %", mean, se, 1.02 * expected, budget.each()).is_err());
    }
    assert!(mutated > 0);
}
