//! Currents of processes with and without detailed balance, and weights of modes, against exact values.
//!
//! p-values under detailed balance: Kolmogorov over 200 at √n D < 2.7 (9e-7), or, since ties make small tests conservative, only
//! from the side of too small p-values.

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg64;
use thermochip::diagnostics::{Cut, Draws, lagged_currents, mode_weights, transition_currents};

/// x′ = Φx + z with Φ = r·rotation(θ), unit normal z: stationary covariance P = 1/(1−r²) I; chains start in it.
fn rotator(rng: &mut Pcg64, r: f64, theta: f64, chains: usize, draws: usize) -> Vec<f64> {
    let (s, c) = theta.sin_cos();
    let sd = 1.0 / (1.0 - r * r).sqrt();
    let mut normal = || -> f64 { StandardNormal.sample(rng) };
    let mut all = Vec::new();
    for _ in 0..chains {
        let (mut x, mut y) = (sd * normal(), sd * normal());
        for _ in 0..draws {
            all.extend([x, y]);
            (x, y) = (
                r * (c * x - s * y) + normal(),
                r * (s * x + c * y) + normal(),
            );
        }
    }
    all
}

fn from_uniform(mut p: Vec<f64>, one_sided: bool) -> f64 {
    p.sort_unstable_by(f64::total_cmp);
    let n = p.len() as f64;
    let gaps = p.iter().zip(1..).map(|(p, k)| {
        let low = f64::from(k) / n - p;
        if one_sided {
            low
        } else {
            low.max(p - f64::from(k - 1) / n)
        }
    });
    gaps.fold(0.0, f64::max) * n.sqrt()
}

/// (PΦᵀ − ΦP)₁₂ in units of P is 2 r^l sin lθ at lag l; the estimate over 200 runs is within 5 standard errors (6e-7) of it.
/// Mutant: the sign.
#[test]
fn a_rotating_process_has_its_current() {
    let mut rng = Pcg64::seed_from_u64(31);
    let (r, theta, chains, draws) = (0.8, 0.3, 20, 100);
    let lags = [1, 3];
    let mut scores = [0.0, 0.0];
    let mut last = [0.0, 0.0];
    for _ in 0..200 {
        let x = rotator(&mut rng, r, theta, chains, draws);
        let draws = Draws {
            x: &x,
            chains,
            draws,
            nodes: 2,
        };
        let cut = Cut {
            replicates: 99,
            ..Cut::default()
        };
        let found = lagged_currents(draws, &lags, &cut).unwrap();
        assert!(found.whole_chains && found.currents.len() == 2);
        assert_eq!(found.p_value, 0.01);
        for (at, lag) in lags.iter().enumerate() {
            let exact = 2.0 * r.powi(*lag as i32) * (*lag as f64 * theta).sin();
            let c = found.currents.iter().find(|c| c.lag == *lag).unwrap();
            assert_eq!((c.from, c.to), (0, 1));
            scores[at] += c.value - exact;
            last[at] += c.se * c.se;
        }
    }
    for at in 0..2 {
        // Student's scatter of se is averaged away by summing squares.
        let z = scores[at] / last[at].sqrt();
        assert!(z.abs() < 5.0, "{z}");
        assert!(scores[at].abs() / 200.0 < 0.02);
    }
}

/// Without rotation the p-values are uniform: exactly so for whole chains, and for blocks of one chain.
#[test]
fn reversible_processes_have_uniform_p_values() {
    let mut rng = Pcg64::seed_from_u64(32);
    for (chains, draws) in [(20, 50), (1, 4000)] {
        let p = (0..200).map(|seed| {
            let x = rotator(&mut rng, 0.8, 0.0, chains, draws);
            let cut = Cut {
                tau: 9.0,
                replicates: 199,
                seed,
                ..Cut::default()
            };
            let draws = Draws {
                x: &x,
                chains,
                draws,
                nodes: 2,
            };
            lagged_currents(draws, &[1, 4], &cut).unwrap().p_value
        });
        let d = from_uniform(p.collect(), false);
        assert!(d < 2.7, "{chains} chains: {d}");
    }
}

/// A ring of three states, stepping up with probability `up` and down with `down`.
fn ring(rng: &mut Pcg64, up: f64, down: f64, chains: usize, draws: usize) -> Vec<usize> {
    let mut all = Vec::new();
    for _ in 0..chains {
        let mut s = rng.random_range(0..3usize);
        for _ in 0..draws {
            all.push(s);
            let u: f64 = rng.random();
            if u < up {
                s = (s + 1) % 3;
            } else if u < up + down {
                s = (s + 2) % 3;
            }
        }
    }
    all
}

/// The current along each edge of the ring is (up − down)/3 per draw (within 5 standard errors of 24 chains, Student: 5e-5 an
/// edge at worst, three edges); none is found without a drive, more often than chance has it.
#[test]
fn a_driven_ring_has_its_current() {
    let mut rng = Pcg64::seed_from_u64(33);
    let (chains, draws) = (24, 2000);
    let states = ring(&mut rng, 0.3, 0.1, chains, draws);
    let found = transition_currents(&states, chains, draws, &Cut::default()).unwrap();
    assert_eq!(found.p_value, 1.0 / 500.0);
    assert_eq!(found.currents.len(), 3);
    for c in &found.currents {
        assert_eq!((c.from + 1) % 3, c.to);
        assert!((c.value - 0.2 / 3.0).abs() < 5.0 * c.se, "{c:?}");
        assert!(c.se < 0.004);
    }
    let p = (0..200).map(|seed| {
        let states = ring(&mut rng, 0.2, 0.2, 20, 60);
        let cut = Cut {
            replicates: 199,
            seed,
            ..Cut::default()
        };
        transition_currents(&states, 20, 60, &cut).unwrap().p_value
    });
    let d = from_uniform(p.collect(), true);
    assert!(d < 2.7, "{d}");
}

/// A two-state chain that leaves at rates a, b has weights b/(a+b), a/(a+b): 100 runs, 5 standard errors (6e-7); the said error is
/// the scatter within a factor 1.45. Mutant: the weight of independent draws' error bar is too small by √τ.
#[test]
fn mode_weights_of_a_two_state_chain() {
    let mut rng = Pcg64::seed_from_u64(34);
    let (a, b, chains, draws) = (0.04, 0.02, 4, 2000);
    let mut weights = Vec::new();
    let mut square = 0.0;
    for _ in 0..100 {
        let mut x = Vec::new();
        for _ in 0..chains {
            let mut up = rng.random::<f64>() < a / (a + b);
            for _ in 0..draws {
                let z: f64 = StandardNormal.sample(&mut rng);
                x.extend([if up { 1.0 } else { -1.0 } + 0.05 * z, 0.05 * z]);
                if rng.random::<f64>() < if up { b } else { a } {
                    up = !up;
                }
            }
        }
        let draws = Draws {
            x: &x,
            chains,
            draws,
            nodes: 2,
        };
        let modes = mode_weights(draws, &[-1.0, 0.0, 1.0, 0.0]);
        assert!(modes[0].established && modes[1].established);
        weights.push(modes[1].weight);
        square += modes[1].se * modes[1].se / 100.0;
    }
    let exact = a / (a + b);
    let mean = weights.iter().sum::<f64>() / 100.0;
    let sd = (weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / 99.0).sqrt();
    assert!((mean - exact).abs() < 5.0 * sd / 10.0, "{mean} {exact}");
    let ratio = sd / square.sqrt();
    assert!(
        ratio.ln().abs() < 1.45f64.ln(),
        "scatter {sd}, said {}",
        square.sqrt()
    );
    let naive = (exact * (1.0 - exact) / (chains * draws) as f64).sqrt();
    assert!((sd / naive).ln().abs() > 1.45f64.ln());
}
