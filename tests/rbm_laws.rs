//! Restricted Boltzmann machines: exact sums, gradients, annealed importance sampling, learning, resuming.

use thermochip::energy::{Ising, Parameters, exact};
use thermochip::sampler::restricted::{
    RestrictedGibbs, chain_rng, restricted_log_z, restricted_moments,
};
use thermochip::training::OptimiserKind;
use thermochip::training::rbm::{
    AnnealingSettings, NegativePhase, Rbm, RbmSettings, RbmTrainer, annealed_log_z,
    base_rate_fields,
};

use nalgebra::DMatrix;
use rand::RngExt;

/// A machine with couplings of about `size`.
fn machine(visible: usize, hidden: usize, size: f64, seed: u64) -> Rbm {
    let mut rng = chain_rng(seed, 1, 0);
    let mut numbers = |n: usize, size: f64| -> Vec<f64> {
        (0..n)
            .map(|_| size * (2.0 * rng.random::<f64>() - 1.0))
            .collect()
    };
    let fields = numbers(visible + hidden, 0.5);
    let couplings = numbers(visible * hidden, size);
    Rbm::new(visible, hidden, Parameters { fields, couplings }).unwrap()
}

/// The same machine with all couplings and fields multiplied: another temperature.
fn at_temperature(machine: &Rbm, temperature: f64) -> Rbm {
    let scaled = |v: &[f64]| v.iter().map(|x| x / temperature).collect();
    let Parameters { fields, couplings } = machine.parameters();
    let parameters = Parameters {
        fields: scaled(fields),
        couplings: scaled(couplings),
    };
    Rbm::new(machine.visible(), machine.hidden(), parameters).unwrap()
}

/// P(v) of every visible state, bit i of the index set when v_i = +1.
fn law(machine: &Rbm) -> Vec<f64> {
    let log_z = machine.log_z().unwrap();
    (0..1usize << machine.visible())
        .map(|s| (machine.negative_free_energy(&spins(s, machine.visible())) - log_z).exp())
        .collect()
}

fn spins(state: usize, n: usize) -> Vec<f64> {
    (0..n)
        .map(|i| if state >> i & 1 == 1 { 1.0 } else { -1.0 })
        .collect()
}

/// About `total` rows in which every visible state has its probability's share.
fn rows_of(machine: &Rbm, total: f64) -> Vec<Vec<f64>> {
    let shares = law(machine);
    let copies =
        |(s, p): (usize, &f64)| vec![spins(s, machine.visible()); (p * total).round() as usize];
    shares.iter().enumerate().flat_map(copies).collect()
}

fn theta(machine: &Rbm) -> Vec<f64> {
    let Parameters { fields, couplings } = machine.parameters();
    [&fields[..], &couplings[..]].concat()
}

fn with_theta(like: &Rbm, theta: &[f64]) -> Rbm {
    let (fields, couplings) = theta.split_at(like.visible() + like.hidden());
    let parameters = Parameters {
        fields: fields.to_vec(),
        couplings: couplings.to_vec(),
    };
    Rbm::new(like.visible(), like.hidden(), parameters).unwrap()
}

/// ∂/∂θ of the exact mean ln p of the rows, by central differences.
fn slope(machine: &Rbm, rows: &[Vec<f64>]) -> Vec<f64> {
    let at = theta(machine);
    let value = |theta: &[f64]| {
        let m = with_theta(machine, theta);
        m.log_likelihood(rows, m.log_z().unwrap()).mean
    };
    (0..at.len())
        .map(|k| {
            let (mut up, mut down) = (at.clone(), at.clone());
            (up[k], down[k]) = (at[k] + 1e-4, at[k] - 1e-4);
            (value(&up) - value(&down)) / 2e-4
        })
        .collect()
}

fn frozen(negative: NegativePhase, rows: usize) -> RbmSettings {
    RbmSettings {
        negative,
        batch: rows,
        learning_rate: 1e-12,
        ..RbmSettings::new(1_000_000, 5)
    }
}

/// Sums by the tree are those over all states of both layers, as the Ising energy has them, whichever layer is smaller.
#[test]
fn sums_over_the_smaller_layer_are_sums_over_all_states() {
    for (n, m) in [(5, 3), (3, 7), (4, 4), (1, 1), (9, 8), (8, 9)] {
        let machine = machine(n, m, 0.8, 3);
        let Parameters { fields, couplings } = machine.parameters();
        let weights = DMatrix::from_row_slice(n, m, couplings);
        let all = exact::enumerate(&Ising::rbm(&weights, fields.clone()).unwrap()).unwrap();
        let sums = restricted_moments((n, m), fields, couplings).unwrap();
        assert!(
            (sums.log_z - all.log_z).abs() < 1e-12 * all.log_z.abs(),
            "{n}-{m}"
        );
        assert!((machine.log_z().unwrap() - all.log_z).abs() < 1e-12 * all.log_z.abs());
        let pairs = (0..n).flat_map(|i| (0..m).map(move |j| (i, n + j)));
        let expected = all
            .means
            .iter()
            .copied()
            .chain(pairs.map(|p| all.correlations[p]));
        for (own, expected) in sums.statistics.iter().zip(expected) {
            assert!((own - expected).abs() < 1e-13, "{n}-{m}: {own} {expected}");
        }
        assert_eq!(sums.statistics.len(), n + m + n * m);
    }
    // Very strong couplings neither overflow nor vanish: ln Z of W = 400 is ln 2 + 400·9 to one part in 1e12.
    let strong = restricted_log_z((9, 1), &[0.0; 10], &[400.0; 9]).unwrap();
    assert!((strong - 3600.0 - 2f64.ln()).abs() < 1e-9);
    let refused = restricted_log_z((21, 30), &[0.0; 51], &[0.0; 630])
        .unwrap_err()
        .to_string();
    assert!(refused.contains("at most 20 units"), "{refused}");
}

/// Maximum likelihood ascends the slope of the exact ln p, with and without the centred form's change of coordinates.
/// Clamped averages are single precision: 2e-6. The slope with its sign turned, or of the machine at T = 1.02, is not it.
#[test]
fn the_exact_gradient_is_the_slope_of_the_likelihood() {
    for (n, m) in [(6, 4), (4, 6)] {
        let (machine, other) = (machine(n, m, 0.7, 8), machine(n, m, 0.7, 9));
        let rows = rows_of(&other, 300.0);
        let mut trainer =
            RbmTrainer::new(frozen(NegativePhase::Exact, rows.len()), &rows, &machine).unwrap();
        trainer.step().unwrap();
        let far = |slope: &[f64]| {
            let pairs = trainer.gradient().iter().zip(slope);
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        let exact = slope(&machine, &rows);
        assert!(far(&exact) < 2e-6, "{:e}", far(&exact));
        let turned: Vec<f64> = exact.iter().map(|g| -g).collect();
        assert!(far(&turned) > 1e-3);
        assert!(far(&slope(&at_temperature(&machine, 1.02), &rows)) > 1e-4);
    }
}

/// The centred gradient is the slope in the parameters of (v − μ), (h − λ): T Tᵀ times the plain one with T the change of
/// coordinates, so it vanishes exactly where the plain one does and has a positive product with it.
#[test]
fn the_centred_gradient_ascends_too() {
    let (machine, other) = (machine(6, 4, 0.7, 8), machine(6, 4, 0.7, 9));
    let rows = rows_of(&other, 300.0);
    let settings = RbmSettings {
        centred: true,
        ..frozen(NegativePhase::Exact, rows.len())
    };
    let mut trainer = RbmTrainer::new(settings, &rows, &machine).unwrap();
    trainer.step().unwrap();
    let plain = slope(&machine, &rows);
    let mean = |i: usize| rows.iter().map(|r| r[i]).sum::<f64>() / rows.len() as f64;
    let mu: Vec<f64> = (0..6).map(mean).collect();
    let Parameters { fields, couplings } = machine.parameters();
    let lambda: Vec<f64> = (0..4)
        .map(|j| {
            let input = |r: &Vec<f64>| {
                fields[6 + j] + (0..6).map(|i| couplings[i * 4 + j] * r[i]).sum::<f64>()
            };
            rows.iter().map(|r| input(r).tanh()).sum::<f64>() / rows.len() as f64
        })
        .collect();
    // Of the centred machine, θ' = (b + Wλ, c + Wᵀμ, W): slope' = slope(W) − μ slope(c)ᵀ − slope(b) λᵀ for W, and dθ from dθ'.
    let mut expected = plain.clone();
    for i in 0..6 {
        for j in 0..4 {
            expected[10 + i * 4 + j] -= mu[i] * plain[6 + j] + plain[i] * lambda[j];
        }
    }
    for i in 0..6 {
        for j in 0..4 {
            let w = expected[10 + i * 4 + j];
            expected[i] -= w * lambda[j];
            expected[6 + j] -= w * mu[i];
        }
    }
    for (own, expected) in trainer.gradient().iter().zip(&expected) {
        assert!((own - expected).abs() < 5e-6, "{own} {expected}");
    }
    let product: f64 = trainer
        .gradient()
        .iter()
        .zip(&plain)
        .map(|(a, b)| a * b)
        .sum();
    assert!(product > 0.0);
}

/// Largest |z| over parameters of the mean gradient at frozen parameters against each of `expected`, from 40 blocks.
fn largest_z<const N: usize>(
    settings: RbmSettings,
    machine: &Rbm,
    rows: &[Vec<f64>],
    expected: [&[f64]; N],
) -> [f64; N] {
    const BLOCKS: usize = 40;
    let mut trainer = RbmTrainer::new(settings, rows, machine).unwrap();
    for _ in 0..200 {
        trainer.step().unwrap();
    }
    let mut means = vec![vec![0.0; BLOCKS]; theta(machine).len()];
    for block in 0..BLOCKS {
        for _ in 0..100 {
            trainer.step().unwrap();
            for (mean, g) in means.iter_mut().zip(trainer.gradient()) {
                mean[block] += g / 100.0;
            }
        }
    }
    let z = |(blocks, expected): (&Vec<f64>, &f64)| {
        let n = BLOCKS as f64;
        let mean = blocks.iter().sum::<f64>() / n;
        let variance = blocks.iter().map(|b| (b - mean).powi(2)).sum::<f64>() / (n - 1.0);
        // Clamped averages are exact up to single precision, 2e-6.
        (mean - expected).abs() / ((variance / n).sqrt() + 1e-6)
    };
    expected.map(|e| means.iter().zip(e).map(z).fold(0.0, f64::max))
}

/// Sampled gradients with long phases are the exact one. 34 means of 40 blocks are Student-t with 39 degrees of freedom:
/// |z| > 7.5 has probability 4e-9 each, 1.5e-7 for the largest. The same measure rejects a sign turned, chains of a machine at
/// T = 1.05, chains lost after every update, and a single sweep from the data.
#[test]
fn long_phases_give_the_exact_gradient() {
    const LIMIT: f64 = 7.5;
    let (machine, other) = (machine(6, 4, 0.7, 8), machine(6, 4, 0.7, 9));
    let rows = rows_of(&other, 200.0);
    let exact = slope(&machine, &rows);
    let cd = |sweeps| frozen(NegativePhase::Cd { sweeps }, rows.len());
    let pcd = |restart| {
        let negative = NegativePhase::Pcd {
            sweeps: 1,
            chains: 200,
            restart,
        };
        frozen(negative, rows.len())
    };
    let turned: Vec<f64> = exact.iter().map(|g| -g).collect();
    let warm = slope(&at_temperature(&machine, 1.05), &rows);
    let z = |settings| largest_z(settings, &machine, &rows, [&exact]);
    let ([long, sign, temperature], [persistent]) = (
        largest_z(cd(20), &machine, &rows, [&exact, &turned, &warm]),
        z(pcd(0.0)),
    );
    assert!(long < LIMIT, "CD-20: {long}");
    assert!(persistent < LIMIT, "PCD-1: {persistent}");
    for (name, z) in [
        ("sign", sign),
        ("temperature", temperature),
        ("lost chain", z(pcd(1.0))[0]),
        ("short phase", z(cd(1))[0]),
    ] {
        assert!(z > 2.0 * LIMIT, "{name}: {z}");
    }
}

/// ln Z by chains one way and the other are within 5 of their errors of the exact one (a normal exceeds that with
/// probability 6e-7 each), their means bracket it, and the machine at T = 1.01 is told apart.
#[test]
fn annealing_brackets_the_partition_function() {
    let machine = machine(24, 12, 0.45, 4);
    let exact = machine.log_z().unwrap();
    let base = vec![0.0; 24];
    let settings = AnnealingSettings::new((3, 17));
    let found = annealed_log_z(&machine, &base, &settings).unwrap();
    for (name, own) in [("forward", found.forward), ("backward", found.backward)] {
        let z = (own.log_z - exact) / own.se;
        assert!(z.abs() < 5.0, "{name}: {z}");
        assert!(own.se < 0.03 && own.ess > 50.0, "{name}: {own:?}");
    }
    // Fewer temperatures: ⟨w⟩ is below ln Z by about var w/2, on either side more than its errors.
    let coarse = AnnealingSettings {
        temperatures: 10,
        chains: 2000,
        ..settings
    };
    let rough = annealed_log_z(&machine, &base, &coarse).unwrap();
    assert!(rough.forward.log_z < exact + 5.0 * rough.forward.se);
    assert!(rough.backward.log_z > exact - 5.0 * rough.backward.se);
    let warm = annealed_log_z(&at_temperature(&machine, 1.01), &base, &settings).unwrap();
    assert!((warm.forward.log_z - exact).abs() > 5.0 * warm.forward.se);
}

/// A machine learns the law of another one of its size. Rows carry the exact probabilities, so that maximum likelihood has
/// no sampling error: TV 0.01 is what 2000 updates leave. Persistent chains add the noise of their gradients.
#[test]
fn a_known_density_is_learned() {
    let teacher = machine(6, 3, 1.2, 21);
    let rows = rows_of(&teacher, 4000.0);
    let law_of_teacher = law(&teacher);
    let distance = |negative, rate: f64, updates: u64| {
        let settings = RbmSettings {
            negative,
            batch: rows.len(),
            optimiser: OptimiserKind::Adam,
            learning_rate: rate,
            decay: 0.02,
            ..RbmSettings::new(updates, 2)
        };
        let start = Rbm::start(&rows, 3, 0.1, &mut chain_rng(6, 7, 0)).unwrap();
        let mut trainer = RbmTrainer::new(settings, &rows, &start).unwrap();
        for _ in 0..updates {
            trainer.step().unwrap();
        }
        let own = law(&trainer.machine().unwrap());
        own.iter()
            .zip(&law_of_teacher)
            .map(|(a, b)| (a - b).abs())
            .sum::<f64>()
            / 2.0
    };
    let exact = distance(NegativePhase::Exact, 0.02, 2000);
    assert!(exact < 0.01, "maximum likelihood: TV {exact}");
    let chains = NegativePhase::Pcd {
        sweeps: 2,
        chains: 1000,
        restart: 0.0,
    };
    let persistent = distance(chains, 0.02, 2000);
    assert!(persistent < 0.03, "PCD: TV {persistent}");
}

fn digits_like(n: usize) -> Vec<Vec<f64>> {
    let mut rng = chain_rng(12, 0, 0);
    (0..n)
        .map(|_| {
            (0..20)
                .map(|i| {
                    if rng.random::<f64>() < 0.2 + 0.03 * f64::from(i) {
                        1.0
                    } else {
                        -1.0
                    }
                })
                .collect()
        })
        .collect()
}

/// A run taken up from a checkpoint goes on with the same bits; chains that are not taken up do not.
#[test]
fn a_resumed_run_has_the_same_bits() {
    let rows = digits_like(53);
    let settings = RbmSettings {
        negative: NegativePhase::Pcd {
            sweeps: 2,
            chains: 12,
            restart: 0.1,
        },
        optimiser: OptimiserKind::Adam,
        centred: true,
        weight_l1: 1e-4,
        weight_l2: 1e-4,
        decay: 0.1,
        ..RbmSettings::new(60, 4)
    };
    let start = Rbm::start(&rows, 9, 0.1, &mut chain_rng(1, 1, 1)).unwrap();
    let new = || RbmTrainer::new(settings, &rows, &start).unwrap();
    let mut whole = new();
    let mut saved = None;
    for update in 0..60 {
        if update == 33 {
            saved = Some(postcard::to_stdvec(&whole.checkpoint()).unwrap());
        }
        whole.step().unwrap();
    }
    let mut taken_up = new();
    taken_up
        .resume(postcard::from_bytes(&saved.unwrap()).unwrap())
        .unwrap();
    while taken_up.update() < 60 {
        taken_up.step().unwrap();
    }
    assert_eq!(whole.parameters(), taken_up.parameters());
    let mut other = RbmTrainer::new(
        RbmSettings {
            seed: 5,
            ..settings
        },
        &rows,
        &start,
    )
    .unwrap();
    for _ in 0..60 {
        other.step().unwrap();
    }
    assert_ne!(whole.parameters(), other.parameters());
}

/// Any number of threads gives the same bits: chains, annealing, exact sums and a large batch of learning.
#[test]
fn threads_change_no_bit() {
    let rows = digits_like(700);
    let work = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let mut gibbs = RestrictedGibbs::new(70, 50, 400, (3, 4));
            let large = machine(70, 50, 0.2, 2);
            let Parameters { fields, couplings } = large.parameters();
            gibbs.reprogram(fields, couplings).unwrap();
            gibbs.sweep(400, 5);
            let settings = RbmSettings {
                negative: NegativePhase::Exact,
                batch: 700,
                ..RbmSettings::new(3, 1)
            };
            let start = Rbm::start(&rows, 70, 0.1, &mut chain_rng(1, 1, 1)).unwrap();
            let mut trainer = RbmTrainer::new(settings, &rows, &start).unwrap();
            trainer.step().unwrap();
            let base = base_rate_fields(&rows).unwrap();
            let annealing = AnnealingSettings {
                chains: 40,
                temperatures: 30,
                ..AnnealingSettings::new((1, 2))
            };
            let log_z = annealed_log_z(&trainer.machine().unwrap(), &base, &annealing).unwrap();
            (gibbs.state(), trainer.parameters(), log_z)
        })
    };
    assert_eq!(work(1), work(3));
}

#[test]
fn what_cannot_be_learned_from_is_refused() {
    let rows = digits_like(5);
    let start = Rbm::start(&rows, 3, 0.1, &mut chain_rng(1, 1, 1)).unwrap();
    let says = |settings: RbmSettings, rows: &[Vec<f64>]| {
        RbmTrainer::new(settings, rows, &start)
            .unwrap_err()
            .to_string()
    };
    let usual = RbmSettings::new(10, 1);
    let mut grey = rows.clone();
    grey[3][7] = 0.5;
    assert!(says(usual, &grey).contains("0.5 in row 3"));
    assert!(says(usual, &[]).contains("at least one row"));
    assert!(
        says(
            RbmSettings {
                learning_rate: f64::NAN,
                ..usual
            },
            &rows
        )
        .contains("learning_rate")
    );
    let negative = NegativePhase::Pcd {
        sweeps: 1,
        chains: 0,
        restart: 1.5,
    };
    assert!(says(RbmSettings { negative, ..usual }, &rows).contains("between 0 and 1"));
    let fast = RbmSettings {
        learning_rate: 1e6,
        ..usual
    };
    let mut trainer = RbmTrainer::new(fast, &rows, &start).unwrap();
    let error = (0..10)
        .find_map(|_| trainer.step().err())
        .unwrap()
        .to_string();
    assert!(error.contains("at update"), "{error}");
}
