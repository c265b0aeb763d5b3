//! Verdicts: sound traces are not called unsound more often than stated, and each way of being unsound is caught.

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use thermochip::diagnostics::{Diagnosis, Draws, Question, Standing, diagnose};

/// Stationary AR(1) chains of `nodes` numbers of unit variance, `x[(chain * draws + draw) * nodes + node]`.
fn ar1(rng: &mut Pcg64, rho: f64, [chains, draws, nodes]: [usize; 3]) -> Vec<f64> {
    let mut x = Vec::new();
    for _ in 0..chains {
        let mut v: Vec<f64> = StandardNormal.sample_iter(&mut *rng).take(nodes).collect();
        for _ in 0..draws {
            x.extend_from_slice(&v);
            for v in &mut v {
                let z: f64 = StandardNormal.sample(rng);
                *v = rho * *v + (1.0 - rho * rho).sqrt() * z;
            }
        }
    }
    x
}

fn view(x: &[f64], [chains, draws, nodes]: [usize; 3]) -> Draws<'_> {
    Draws {
        x,
        chains,
        draws,
        nodes,
    }
}

fn standing(d: &Diagnosis, words: &str) -> Standing {
    let found = d.findings.iter().find(|f| f.claim.contains(words));
    found
        .unwrap_or_else(|| panic!("no claim has \"{words}\""))
        .standing
}

/// Twenty sound traces with a reference and a score: three claims of each can fail by chance at 1e-3; four or more of the sixty
/// do with probability 5e-7.
#[test]
fn sound_traces_are_seldom_called_unsound() {
    let mut rng = Pcg64::seed_from_u64(41);
    let shape = [16, 100, 2];
    let mut failed = Vec::new();
    for seed in 0..20 {
        let (x, y) = (ar1(&mut rng, 0.5, shape), ar1(&mut rng, 0.5, shape));
        let score: Vec<f64> = x.iter().map(|v| -v).collect();
        let d = diagnose(&Question {
            reference: Some(view(&y, shape)),
            score: Some(&score),
            seed,
            ..Question::of(view(&x, shape))
        })
        .unwrap();
        let unsound = d.findings.iter().filter(|f| f.soundness);
        failed.extend(
            unsound
                .filter(|f| f.standing == Standing::Fails)
                .map(|f| f.claim.clone()),
        );
        assert_ne!(standing(&d, "have mixed"), Standing::Fails);
        for f in &d.findings {
            assert_eq!(
                f.times_more_draws.is_some(),
                f.standing == Standing::Open,
                "{f:?}"
            );
            assert!(
                f.times_more_draws.is_none_or(|t| t >= 1.0 && t.is_finite()),
                "{f:?}"
            );
        }
    }
    assert!(failed.len() < 4, "{failed:?}");
}

/// One mutation for each claim; every effect is ten standard errors or more.
#[test]
fn every_unsound_trace_is_caught() {
    let mut rng = Pcg64::seed_from_u64(42);
    let shape = [20, 200, 2];
    let sound = ar1(&mut rng, 0.5, shape);
    let reference = ar1(&mut rng, 0.5, shape);
    let judge = |x: &[f64]| {
        let score: Vec<f64> = x.iter().map(|v| -v).collect();
        diagnose(&Question {
            reference: Some(view(&reference, shape)),
            score: Some(&score),
            ..Question::of(view(x, shape))
        })
        .unwrap()
    };
    let changed = |f: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
        sound.iter().enumerate().map(|(k, v)| f(k, *v)).collect()
    };
    let fails = |x: &[f64], words: &str| {
        assert_eq!(standing(&judge(x), words), Standing::Fails, "{words}");
    };
    // A chain of its own; a ramp along every chain; a stuck node; a temperature of 3 (its sd is 18 standard errors of 600 thinned points
    // away); a shift.
    fails(
        &changed(&|k, v| if k < 400 { v + 5.0 } else { v }),
        "have mixed",
    );
    fails(&changed(&|k, v| v + (k / 2 % 200) as f64 / 100.0), "drifts");
    fails(
        &changed(&|k, v| if k % 2 == 1 { 0.5 } else { v }),
        "every node moves",
    );
    fails(
        &changed(&|_, v| 3f64.sqrt() * v),
        "the reference have one law",
    );
    fails(&changed(&|_, v| 3f64.sqrt() * v), "whose score was given");
    fails(&changed(&|_, v| v + 0.5), "the reference have one law");
    // Undisturbed, R-hat is what 100 draws of correlation time 3 give by chance, √1.02: at the edge of open, never a failure.
    let d = judge(&sound);
    assert_ne!(standing(&d, "have mixed"), Standing::Fails);
    assert_eq!(d.nodes.iter().filter(|n| n.constant).count(), 0);
}

/// A ring driven one way has currents, of states and between its nodes; two-stage dwells have a memory.
#[test]
fn driven_and_remembering_traces_are_told() {
    let mut rng = Pcg64::seed_from_u64(43);
    let shape = [20, 500, 2];
    let mut x = Vec::new();
    for _ in 0..20 {
        // Around the square (−,−) → (+,−) → (+,+) → (−,+).
        let mut at = rng.random_range(0..4usize);
        for _ in 0..500 {
            x.extend([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]][at]);
            if rng.random::<f64>() < 0.3 {
                at = (at + 1) % 4;
            }
        }
    }
    let d = diagnose(&Question::of(view(&x, shape))).unwrap();
    assert_eq!(standing(&d, "between nodes"), Standing::Fails);
    assert_eq!(standing(&d, "between states"), Standing::Fails);
    let top = d.transitions.as_ref().unwrap().currents[0];
    // Bits: node 0 is the lowest. Each edge carries 0.3/4 per draw.
    assert!([(0, 1), (1, 3), (3, 2), (2, 0)].contains(&(top.from, top.to)));
    assert!((top.value - 0.075).abs() < 6.0 * top.se, "{top:?}");
    // A node dwells for two steps of the walk: not memoryless.
    assert_eq!(standing(&d, "memoryless"), Standing::Fails);
    // These are properties, not faults.
    let unsound = d
        .findings
        .iter()
        .filter(|f| f.soundness && f.standing == Standing::Fails);
    assert_eq!(unsound.count(), 0);
}

/// Few rare switches: the weights are open and the number of draws asked for is in proportion.
#[test]
fn rare_switches_leave_weights_open() {
    let shape = [2, 1000, 1];
    let x: Vec<f64> = (0..2000)
        .map(|k| f64::from(if k % 400 < 200 { -1 } else { 1 }) + 0.01 * f64::from(k % 7))
        .collect();
    let d = diagnose(&Question {
        centres: Some(&[-1.0, 1.0]),
        levels: Some((-0.5, 0.5)),
        ..Question::of(view(&x, shape))
    })
    .unwrap();
    let found = d
        .findings
        .iter()
        .find(|f| f.claim.contains("weights of the modes"))
        .unwrap();
    assert_eq!(found.standing, Standing::Open);
    assert_eq!(d.modes[1].entries, 4);
    assert_eq!(standing(&d, "memoryless"), Standing::Open);
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let x = [0.0, 1.0, 0.0, 1.0, f64::INFINITY, 1.0, 0.5, 0.2];
    for (shape, told) in [
        (
            [1, 8, 1],
            "`x[chain 0, draw 4, node 0]` = inf: expected a finite number",
        ),
        (
            [1, 7, 1],
            "`x` = 8 numbers: expected 1 chains × 7 draws × 1 nodes",
        ),
    ] {
        let message = diagnose(&Question::of(view(&x, shape)))
            .unwrap_err()
            .to_string();
        assert!(message.contains(told), "{message}");
    }
    let x = [0.0, 1.0, 0.5];
    let message = diagnose(&Question::of(view(&x, [1, 3, 1])))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("`draws per chain` = 3: expected at least 4"),
        "{message}"
    );
}
