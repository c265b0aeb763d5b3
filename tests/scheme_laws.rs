//! Every scheme against exact answers, without noise: its one-step transfer operator, its linear map, common paths.

use nalgebra::{DMatrix, dmatrix};
use thermochip::dynamics::*;
use thermochip::testing::transfer::{TransferOperator, order};

fn find(name: &str) -> Box<dyn Scheme<f64>> {
    scheme(name).unwrap()
}

/// dx = −U′ dt + dW, U = x⁴/4 − x²/2: p ∝ e^{−2U} (V6).
fn quartic() -> Process {
    Process {
        polynomial: vec![vec![0.0], vec![1.0], vec![0.0], vec![-1.0]],
        noise: Noise::Diagonal(vec![1.0]),
        ..Process::still(1)
    }
}

const QUARTIC_SQUARE: f64 = 0.893_464_969_6;
const QUARTIC_RATE: f64 = 0.422_944_645_4;
const QUARTIC_TRANSIENT: f64 = 1.013_619_903_5;

fn operator(name: &str, process: &Process, h: f64) -> TransferOperator {
    TransferOperator::new(&*find(name), process, h, 3.6, (110, 50)).unwrap()
}

/// V6: relative stationary bias of E x² and of the relaxation rate at h = 0.05, as published, to their two digits.
#[test]
fn biases_on_the_quartic_well_are_the_published_ones() {
    for (name, square, rate) in [
        ("euler-maruyama", -1.2e-2, 3.8e-2),
        ("leimkuhler-matthews", -1.4e-4, -6.1e-3),
        ("heun", -3.0e-3, 1.5e-3),
        ("shark", -9.3e-4, -2.3e-4),
        ("implicit-trapezoid", 2.6e-4, 1.3e-3),
    ] {
        let operator = operator(name, &quartic(), 0.05);
        let got = operator.stationary(|x| x * x) / QUARTIC_SQUARE - 1.0;
        let got_rate = operator.relaxation_rate() / QUARTIC_RATE - 1.0;
        println!("{name} {got:e} {got_rate:e}");
        assert!((got / square - 1.0).abs() < 0.05, "{name} E x2: {got:e}");
        assert!(
            (got_rate / rate - 1.0).abs() < 0.05,
            "{name} rate: {got_rate:e}"
        );
    }
}

/// Orders to ±0.1, extrapolated from h ≤ 0.0125; a scheme held to its neighbour's order fails.
#[test]
fn stationary_orders_are_the_stated_ones() {
    let square = |name: &str, h: f64| {
        operator(name, &quartic(), h).stationary(|x| x * x) / QUARTIC_SQUARE - 1.0
    };
    for (name, stated) in [
        ("euler-maruyama", 1.0),
        ("heun", 2.0),
        ("shark", 2.0),
        ("implicit-trapezoid", 2.0),
        ("leimkuhler-matthews", 2.0),
        ("strang", 2.0),
    ] {
        let got = order([0.0125, 0.00625, 0.003125].map(|h| square(name, h)));
        println!("{name} {got}");
        assert!((got - stated).abs() < 0.1, "{name}: {got}");
        let wrong = 3.0 - stated;
        assert!((got - wrong).abs() > 0.1, "{name} also has order {wrong}");
    }
}

/// Transient orders: E[x(1)² | x(0) = 1.8].
#[test]
fn transient_orders_are_the_stated_ones() {
    let error = |name: &str, steps: usize| {
        operator(name, &quartic(), 1.0 / steps as f64).transient(|x| x * x, 1.8, steps)
            - QUARTIC_TRANSIENT
    };
    for (name, stated) in [
        ("euler-maruyama", 1.0),
        ("heun", 2.0),
        ("shark", 2.0),
        ("implicit-trapezoid", 2.0),
        ("strang", 2.0),
    ] {
        let got = order([80, 160, 320].map(|steps| error(name, steps)));
        println!("{name} {got}");
        assert!((got - stated).abs() < 0.1, "{name}: {got}");
    }
}

/// V6: the exact relaxation rates of V = B(x² − 1)² at kT = 1, from ShARK at a fine step.
#[test]
fn double_wells_relax_at_their_exact_rates() {
    for (barrier, rate) in [(2.0, 0.454_547), (4.0, 0.119_118_4), (6.0, 2.484_647e-2)] {
        let well = Process {
            polynomial: vec![
                vec![0.0],
                vec![4.0 * barrier],
                vec![0.0],
                vec![-4.0 * barrier],
            ],
            noise: Noise::Diagonal(vec![2f64.sqrt()]),
            ..Process::still(1)
        };
        let rate_at = |h: f64| {
            TransferOperator::new(&*find("shark"), &well, h, 2.6, (120, 30))
                .unwrap()
                .relaxation_rate()
        };
        let (coarse, fine) = (rate_at(0.004), rate_at(0.002));
        let extrapolated = fine + (fine - coarse) / 3.0;
        println!("{barrier} {extrapolated} {rate}");
        assert!(
            (extrapolated / rate - 1.0).abs() < 2e-4,
            "B = {barrier}: {extrapolated}"
        );
    }
}

/// The stationary covariance that a scheme gives a linear process, from the real stepper's own linear map.
fn scheme_covariance(name: &str, process: &Process, h: f64) -> DMatrix<f64> {
    thermochip::dynamics::scheme_covariance(&*find(name), process, h).unwrap()
}

fn linear_process(a: &DMatrix<f64>, sigma: &[f64]) -> Process {
    Process {
        linear: Linear::Dense(-a),
        noise: Noise::Diagonal(sigma.to_vec()),
        ..Process::still(a.nrows())
    }
}

/// V1: what each scheme makes of the variance of a mode, z = λh.
#[test]
fn variance_factors_of_a_mode_are_the_closed_forms() {
    let one = linear_process(&dmatrix![1.0], &[2f64.sqrt()]);
    for z in [0.05f64, 0.2, 0.7] {
        for (name, wanted) in [
            ("euler-maruyama", 1.0 / (1.0 - z / 2.0)),
            ("heun", (1.0 - z / 2.0) / (1.0 - z / 2.0 + z * z / 4.0)),
            ("implicit-trapezoid", 1.0),
            ("leimkuhler-matthews", 1.0),
            ("ornstein-uhlenbeck", 1.0),
            ("strang", 1.0),
        ] {
            let got = scheme_covariance(name, &one, z)[(0, 0)];
            assert!((got - wanted).abs() < 1e-10, "{name} {z}: {got}, {wanted}");
        }
    }
    for (name, wanted) in [("shark", -0.77e-2), ("heun", -1.1e-2)] {
        let got = scheme_covariance(name, &one, 0.2)[(0, 0)] - 1.0;
        assert!((got / wanted - 1.0).abs() < 0.03, "{name}: {got:e}");
    }
}

/// V2's shear: Leimkuhler–Matthews is exact for reversible processes only; the trapezoid and Strang for all.
#[test]
fn the_shear_is_exact_where_it_should_be() {
    let process = linear_process(&dmatrix![1.0, 4.0; 0.0, 1.2], &[2f64.sqrt(); 2]);
    for (name, first) in [
        ("implicit-trapezoid", 7.0606),
        ("ornstein-uhlenbeck", 7.0606),
        ("strang", 7.0606),
        ("leimkuhler-matthews", 7.410),
    ] {
        let p = scheme_covariance(name, &process, 0.1);
        assert!((p[(0, 0)] - first).abs() < 6e-4, "{name}: {}", p[(0, 0)]);
    }
}

/// V3: a resonator dq = v, dv = −ω²q − γv + √(2γ) ω-free noise: Euler's inflation and BAOAB's exact configurations.
#[test]
fn resonators_have_the_predicted_laws() {
    let resonator = |omega: f64, gamma: f64| {
        let a = dmatrix![0.0, -1.0; omega * omega, gamma];
        linear_process(&a, &[0.0, (2.0 * gamma).sqrt()])
    };
    for (omega, gamma, h, x, v) in [
        (1.0, 0.1, 0.01, 1.11114, 1.11164),
        (1.0, 1.0, 0.3, 1.465, 1.637),
    ] {
        let p = scheme_covariance("euler-maruyama", &resonator(omega, gamma), h);
        assert!(
            (p[(0, 0)] / x - 1.0).abs() < 4e-4 && (p[(1, 1)] / v - 1.0).abs() < 4e-4,
            "{p}"
        );
        let d = (1.0 - h * omega * omega / gamma)
            * (1.0 - gamma * h / 2.0 + omega * omega * h * h / 4.0);
        assert!((p[(1, 1)] - 1.0 / d).abs() < 1e-9);
    }
    for (omega, gamma, h) in [(1.0, 0.1, 0.5), (2.0, 1.0, 0.3), (1.0, 5.0, 1.5)] {
        let p = scheme_covariance("baoab", &resonator(omega, gamma), h);
        let q = omega * omega * p[(0, 0)];
        let wanted = 1.0 - (h * omega).powi(2) / 4.0;
        assert!((q - 1.0).abs() < 1e-9, "q variance {q}");
        assert!(
            (p[(1, 1)] - wanted).abs() < 1e-9,
            "v variance {} {wanted}",
            p[(1, 1)]
        );
    }
    let refused = |name: &str, h: f64| {
        let setting = Setting {
            step: h,
            clamped: &[false; 2],
            stiffness: None,
            normals: NormalBits::Full,
        };
        let error = find(name).prepare(&resonator(1.0, 0.1), &setting);
        error.err().map(|e| e.to_string())
    };
    assert!(
        refused("euler-maruyama", 0.101)
            .unwrap()
            .contains("stability limit")
    );
    assert!(refused("euler-maruyama", 0.099).is_none());
    assert!(refused("baoab", 2.01).unwrap().contains("stability limit"));
    assert!(refused("baoab", 1.99).is_none());
}

/// V4: I = g(v) v with g = 1 + 0.8 tanh v, kT = C = 1, its noise 4kT I/V read in `calculus`.
fn conductor(calculus: Calculus) -> Process {
    Process {
        branches: vec![Branch {
            input: vec![(0, 1.0)],
            waves: vec![],
            offset: 0.0,
            output: vec![(0, -1.0)],
            amplitude: 1.0,
            law: Law::Saturating(0.8),
            gate: None,
            noise: Some(BranchNoise {
                strength: 2.0,
                flux: Flux::Secant,
                calculus,
            }),
        }],
        ..Process::still(1)
    }
}

/// No rectification at equilibrium: mean 0 and second moment kT/C in the anti-Itô calculus alone, whichever scheme; the
/// other two calculi have the published wrong answers, so the declaration is what decides.
#[test]
fn a_nonlinear_conductor_does_not_rectify() {
    for (calculus, mean, square) in [
        (Calculus::AntiIto, 0.0, 1.0),
        (Calculus::Stratonovich, -0.316, 1.151),
        (Calculus::Ito, -0.644, 1.418),
    ] {
        for name in ["euler-maruyama", "heun", "implicit-trapezoid"] {
            let moment = |h: f64, power: i32| {
                let scheme = find(name);
                let operator =
                    TransferOperator::new(&*scheme, &conductor(calculus), h, 9.0, (90, 24))
                        .unwrap();
                operator.stationary(|v| v.powi(power))
            };
            // All three are of weak order 1 here at least: one extrapolation leaves about h².
            let limit = |power| 2.0 * moment(0.005, power) - moment(0.01, power);
            let (got, got_square) = (limit(1), limit(2));
            println!("{calculus:?} {name} {got} {got_square}");
            assert!((got - mean).abs() < 2e-3, "{name} {calculus:?} mean {got}");
            assert!(
                (got_square - square).abs() < 3e-3,
                "{name} {calculus:?} square {got_square}"
            );
        }
    }
    // Schemes for additive noise refuse it.
    for name in [
        "shark",
        "leimkuhler-matthews",
        "strang",
        "ornstein-uhlenbeck",
        "baoab",
    ] {
        let setting = Setting {
            step: 0.01,
            clamped: &[false],
            stiffness: None,
            normals: NormalBits::Full,
        };
        assert!(
            find(name)
                .prepare(&conductor(Calculus::AntiIto), &setting)
                .is_err(),
            "{name}"
        );
    }
}

/// Strong error at time 1 against the finest path of the same noise, by the real steppers: root mean square.
fn strong_error(name: &str, process: &Process, coarse: usize, fine: usize) -> f64 {
    let ends = |name: &str, steps: usize| -> Vec<f64> {
        let setting = Setting {
            step: 1.0 / steps as f64,
            clamped: &[false],
            stiffness: None,
            normals: NormalBits::Full,
        };
        let stepper = find(name).prepare(process, &setting).unwrap();
        let sets = stepper.normals();
        let merge = fine / steps;
        let mut all = Vec::new();
        for group in 0..12 {
            let mut tile = Tile::<f64>::new((1, 1), 0, LANES, 1, 0);
            tile.x[0] = Row::splat(0.7);
            stepper.begin(&mut tile);
            // The Brownian increments of the finest grid, added up; one stream per lane, the same for every scheme.
            let mut noise = Tile::<f64>::new((9, group), 0, LANES, 2, 0);
            let plan = NormalPlan::new::<f64>(&[true, true], NormalBits::Full);
            for _ in 0..steps {
                // W, and the space-time area H = mean of the path above its chord, of the merged interval.
                let (mut w, mut area) = (Row::splat(0.0), Row::splat(0.0));
                let mut both = [Row::splat(0.0); 2];
                for _ in 0..merge {
                    plan.fill(&mut noise.rng, &mut both);
                    for lane in 0..LANES {
                        // ∫W over the piece, up to its own H: W before + ½ dW + H/√12.
                        area[lane] += w[lane] + 0.5 * both[0][lane] + both[1][lane] / 12f64.sqrt();
                        w[lane] += both[0][lane];
                    }
                }
                let m = merge as f64;
                let unit_w = w.map(|w| w / m.sqrt());
                let mut h = Row::splat(0.0);
                for lane in 0..LANES {
                    h[lane] = (area[lane] / m - 0.5 * w[lane]) / m.sqrt() * 12f64.sqrt();
                }
                stepper.step_given(&mut tile, &[unit_w, h][..sets]);
            }
            all.extend_from_slice(&*tile.x[0]);
        }
        all
    };
    let (rough, exact) = (ends(name, coarse), ends("shark", fine));
    rough
        .iter()
        .zip(&exact)
        .map(|(a, b)| (a - b).abs())
        .sum::<f64>()
        / exact.len() as f64
}

/// Strong orders by common paths: 1 for Euler–Maruyama and Heun with additive noise, 1.5 for ShARK. The paths are given,
/// so nothing is random: the numbers are the same in every run.
#[test]
fn strong_orders_are_the_stated_ones() {
    for (name, stated) in [("euler-maruyama", 1.0), ("heun", 1.0), ("shark", 1.5)] {
        // Two apparent orders over a factor four in h, extrapolated: the deterministic part of the error dies out with h.
        let errors = [32, 128, 512].map(|steps| strong_error(name, &quartic(), steps, 4096));
        let [first, second] = [0, 1].map(|k| (errors[k] / errors[k + 1]).log2() / 2.0);
        let got = second + (second - first) / 3.0;
        println!("{name} {got}");
        assert!((got - stated).abs() < 0.1, "{name}: {got}");
    }
}

/// Three nodes joined by a floating mass, cubic cells, a tanh branch across two of them and a wave that comes in both as a
/// current and through a capacitor.
fn network() -> Process {
    let lower = |rows: &[Vec<(usize, f64)>]| EnvelopeFactor::new(rows, false).unwrap();
    Process {
        polynomial: vec![
            vec![0.1, 0.0, -0.2],
            vec![0.8, -0.5, 0.3],
            vec![0.0, 0.1, 0.0],
            vec![-1.0, -0.4, -0.7],
        ],
        linear: Linear::Sparse(vec![
            vec![(0, -1.0), (1, 0.6)],
            vec![(0, 0.2), (1, -1.5), (2, 0.4)],
            vec![(1, 0.9), (2, -2.0)],
        ]),
        mass: Mass::Factor(lower(&[
            vec![(0, 1.4)],
            vec![(0, -0.4), (1, 1.6)],
            vec![(1, -0.3), (2, 1.2)],
        ])),
        branches: vec![Branch {
            input: vec![(0, 1.3), (2, -1.1)],
            waves: vec![(0, 0.5)],
            offset: 0.2,
            output: vec![(0, -1.0), (2, 1.0)],
            amplitude: 0.9,
            law: Law::Tanh,
            gate: None,
            noise: None,
        }],
        waves: vec![Wave::Sine {
            offset: 0.3,
            amplitude: 1.0,
            frequency: 0.7,
            delay: 0.0,
            damping: 0.1,
            phase: 0.4,
        }],
        drives: vec![
            Drive {
                node: 1,
                wave: 0,
                weight: 0.7,
                derivative: false,
            },
            Drive {
                node: 2,
                wave: 0,
                weight: 0.5,
                derivative: true,
            },
        ],
        ..Process::still(3)
    }
}

/// Where every node is at time 1 from `start`, without noise.
fn end(name: &str, process: &Process, start: &[f64], steps: usize) -> Vec<f64> {
    let setting = Setting {
        step: 1.0 / steps as f64,
        clamped: &vec![false; start.len()],
        stiffness: None,
        normals: NormalBits::Full,
    };
    let stepper = find(name).prepare(process, &setting).unwrap();
    let mut tile = Tile::<f64>::new((1, 1), 0, LANES, start.len(), 0);
    for (row, &start) in tile.x.iter_mut().zip(start) {
        *row = Row::splat(start);
    }
    stepper.begin(&mut tile);
    let quiet = vec![Row::splat(0.0); stepper.normals()];
    for _ in 0..steps {
        stepper.step_given(&mut tile, &quiet);
    }
    tile.x.iter().map(|row| row[0]).collect()
}

/// The order by which a scheme's end goes to `exact`, from `steps` and twice as many.
fn path_order(name: &str, process: &Process, start: &[f64], exact: &[f64], steps: usize) -> f64 {
    let error = |steps: usize| -> f64 {
        let found = end(name, process, start, steps);
        let pairs = found.iter().zip(exact);
        pairs.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    };
    (error(steps) / error(2 * steps)).log2()
}

/// A nonlinear, driven network of several nodes: every scheme goes to the same path, at its order; what a wave pushes
/// through a capacitor is exact at every stage (taken anew at a later stage it would be of order 1).
#[test]
fn all_schemes_agree_on_a_nonlinear_network() {
    let (process, start) = (network(), [0.9, -0.6, 0.3]);
    let [coarse, fine] =
        [4096, 8192].map(|steps| end("implicit-trapezoid", &process, &start, steps));
    let pairs = fine.iter().zip(&coarse);
    let exact: Vec<f64> = pairs.map(|(f, c)| f + (f - c) / 3.0).collect();
    for (name, stated) in [
        ("euler-maruyama", 1.0),
        ("leimkuhler-matthews", 1.0),
        ("heun", 2.0),
        ("shark", 2.0),
        ("implicit-trapezoid", 2.0),
        ("strang", 2.0),
    ] {
        let order = path_order(name, &process, &start, &exact, 256);
        assert!((order - stated).abs() < 0.1, "{name}: {order}");
    }
}

/// V11, clock scaling (arXiv 2410.12211): a potential s times as steep with s times the noise variance is the same process,
/// s times as fast. Step by step: the same normals give the same path at step h/s, in every scheme; with the noise left as
/// it was they do not.
#[test]
fn a_steeper_potential_with_more_noise_is_a_faster_clock() {
    let sped = |s: f64, noise: f64| {
        let mut process = network();
        process.waves.clear();
        process.drives.clear();
        process.branches[0].waves.clear();
        process.branches[0].amplitude *= s;
        for c in process.polynomial.iter_mut().flatten() {
            *c *= s;
        }
        if let Linear::Sparse(rows) = &mut process.linear {
            rows.iter_mut().flatten().for_each(|e| e.1 *= s);
        }
        process.noise = Noise::Diagonal([0.5, 0.7, 0.3].map(|b| b * noise.sqrt()).to_vec());
        process
    };
    let path = |name: &str, process: &Process, h: f64| -> Option<Vec<f64>> {
        let setting = Setting {
            step: h,
            clamped: &[false; 3],
            stiffness: None,
            normals: NormalBits::Full,
        };
        let stepper = find(name).prepare(process, &setting).ok()?;
        let mut tile = Tile::<f64>::new((1, 1), 0, LANES, 3, 0);
        stepper.begin(&mut tile);
        let normal = |k: usize| (k as f64 * 1.7).sin() * 1.4;
        for step in 0..40 {
            let sets = stepper.normals();
            let rows = (0..sets).map(|set| Row::splat(normal(step * sets + set)));
            stepper.step_given(&mut tile, &rows.collect::<Vec<_>>());
        }
        Some(tile.x.iter().map(|row| row[0]).collect())
    };
    let mut held = Vec::new();
    for scheme in schemes::<f64>() {
        let name = scheme.name();
        let Some(slow) = path(name, &sped(1.0, 1.0), 0.02) else {
            continue;
        };
        for s in [0.3, 7.0] {
            let apart = |noise: f64| {
                let fast = path(name, &sped(s, noise), 0.02 / s).unwrap();
                let pairs = fast.iter().zip(&slow);
                pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
            };
            assert!(apart(s) < 1e-11, "{name} {s}: {}", apart(s));
            assert!(apart(1.0) > 1e-2, "{name} {s}: noise as before passes");
        }
        held.push(name);
    }
    for name in [
        "euler-maruyama",
        "heun",
        "shark",
        "implicit-trapezoid",
        "leimkuhler-matthews",
        "strang",
    ] {
        assert!(held.contains(&name), "{name} refused the network: {held:?}");
    }
}

/// Two phases with kinetic rows, sine forces between them and a drive: BAOAB's path is of order 2 and Euler's agrees.
#[test]
fn baoab_agrees_on_a_driven_pendulum_pair() {
    let mut process = Process::still(4);
    process.linear = Linear::Sparse(vec![
        vec![(2, 1.0)],
        vec![(3, 1.0)],
        vec![(0, -0.5), (2, -0.3)],
        vec![(1, -0.8), (3, -0.2)],
    ]);
    let sine = |input: Vec<(usize, f64)>, output: Vec<(usize, f64)>, amplitude: f64| Branch {
        input,
        waves: Vec::new(),
        offset: 0.0,
        output,
        amplitude,
        law: Law::Sine,
        gate: None,
        noise: None,
    };
    process.branches = vec![
        sine(vec![(0, 1.0)], vec![(2, -1.0)], 1.2),
        sine(vec![(0, 1.0), (1, -1.0)], vec![(2, -1.0), (3, 1.0)], 0.7),
    ];
    process.waves = vec![Wave::PiecewiseLinear([(0.0, 0.0), (2.0, 1.5)].into())];
    process.drives = vec![Drive {
        node: 3,
        wave: 0,
        weight: 1.0,
        derivative: false,
    }];
    process.noise = Noise::Diagonal(vec![0.0, 0.0, 0.2, 0.2]);
    let start = [1.1, -0.4, 0.2, 0.7];
    let exact = end("heun", &process, &start, 20_000);
    for (name, stated) in [("baoab", 2.0), ("strang", 2.0), ("euler-maruyama", 1.0)] {
        let order = path_order(name, &process, &start, &exact, 100);
        assert!((order - stated).abs() < 0.1, "{name}: {order}");
    }
}
