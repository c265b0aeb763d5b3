//! Arrays of p-bits in time: update disciplines, synapses, bias-dependent times, directed couplings; against exact laws.
//!
//! Statistical bounds have the false-alarm rate 1e-6 a test; each law is held up by a mutation that it rejects.

#[path = "common/pbits.rs"]
mod pbits;

use nalgebra::DMatrix;
use pbits::*;
use thermochip::diagnostics::{expected_total_variation, total_variation};
use thermochip::dynamics::{Clocking, Levels, Process, SpinChain};
use thermochip::energy::{DiscreteEnergy, Model, SoftSpin, exact};
use thermochip::hardware::{Die, Programmed, Scale, card, program, program_directed};
use thermochip::sampler::{Horizon, Phase, Sampler, StepRule};
use thermochip::testing::assertions::{agrees, counts_match};

fn spins(state: usize, n: usize) -> Vec<i8> {
    (0..n)
        .map(|i| if state >> i & 1 == 1 { 1 } else { -1 })
        .collect()
}

/// π ∝ e^{h·s} Π 2cosh f_i.
fn peretto(model: &Model) -> Vec<f64> {
    let Model::Ising(energy) = model else {
        panic!("spins")
    };
    let n = energy.dim();
    let weight = |state: usize| {
        let s = spins(state, n);
        let each = (0..n).map(|i| {
            let f = energy.local_field(&s, i);
            energy.fields[i] * f64::from(s[i]) + (2.0 * f.cosh()).ln()
        });
        each.sum::<f64>().exp()
    };
    let weights: Vec<f64> = (0..1 << n).map(weight).collect();
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / total).collect()
}

fn frequencies(counts: &[u64]) -> Vec<f64> {
    let total: u64 = counts.iter().sum();
    counts.iter().map(|&c| c as f64 / total as f64).collect()
}

/// V9, exactly: what each discipline settles in, and how fast. Deterministic.
#[test]
fn laws_of_the_update_disciplines() {
    let model = ring();
    let (wanted, parallel) = (boltzmann(&model), peretto(&model));
    let means = exact::enumerate(model.discrete().unwrap()).unwrap().means;
    let v9 = [
        0.8312, -0.8082, 0.3405, -0.3283, -0.2443, 0.9794, -0.9888, 0.9407,
    ];
    assert!(largest_difference(&means, &v9) < 6e-5, "{means:?}");
    let chain = |update: &str, phase: &str| {
        let card = pbit(&[("physics.update", update), ("physics.phase", phase)]);
        let chip = ideal(&card, &model);
        (chip.spin_chain().unwrap(), chip.report())
    };

    let (free, report) = chain("asynchronous", SETTLED);
    assert!(largest_difference(&free.stationary().unwrap(), &wanted) < 1e-11);
    assert!(report.entropy_production.unwrap() < 1e-9 && report.no_energy_because.is_empty());

    let (colours, report) = chain("two-colour", SETTLED);
    assert!(largest_difference(&colours.stationary().unwrap(), &wanted) < 1e-10);
    assert!((colours.second_eigenvalue().unwrap() - 0.8546).abs() < 6e-5);
    assert!(report.divergence.unwrap().tv.unwrap() < 1e-9 && report.no_energy_because.is_empty());

    let (at_once, report) = chain("all-at-once", SETTLED);
    let settled = at_once.stationary().unwrap();
    assert!(largest_difference(&settled, &parallel) < 1e-7);
    assert!((total_variation(&settled, &wanted) - 0.4142).abs() < 6e-5);
    assert!((at_once.second_eigenvalue().unwrap() - 0.9244).abs() < 6e-5);
    assert!((report.divergence.unwrap().tv.unwrap() - 0.4142).abs() < 6e-5);
    assert!(report.no_energy_because[0].contains("all at once"));
    assert!(
        ideal(
            &pbit(&[("physics.update", "all-at-once"), ("physics.phase", "1 us")]),
            &model
        )
        .energy()
        .is_none()
    );

    // Unsettled p-bits: colour by colour only slower, down to e^{−T/τ0} of the spins kept; all at once another law.
    let mut before = 0.8546;
    for phase in ["300 ns", "100 ns", "30 ns"] {
        let (colours, _) = chain("two-colour", phase);
        assert!(
            largest_difference(&colours.stationary().unwrap(), &wanted) < 1e-9,
            "{phase}"
        );
        let slowest = colours.second_eigenvalue().unwrap();
        assert!(slowest > before, "{phase}: {slowest}");
        before = slowest;
    }
    let (lazy, _) = chain("all-at-once", "100 ns");
    let lazy = lazy.stationary().unwrap();
    assert!(total_variation(&lazy, &parallel) > 0.05 && total_variation(&lazy, &wanted) > 0.05);
}

/// V9, sampled: 6,000 chips × 240 rounds. Each χ² has the false-alarm rate 1e-6; the wrong law is rejected.
#[test]
fn sampled_update_disciplines() {
    let model = ring();
    let (wanted, parallel) = (boltzmann(&model), peretto(&model));
    let sampled = |update: &str, rounds: f64| {
        let card = pbit(&[("physics.update", update), ("physics.phase", SETTLED)]);
        counts(&after(
            ideal(&card, &model),
            6000,
            20.0 * rounds,
            StepRule::Auto(0.01),
        ))
    };
    // A round of two colours is two phases; the floor of 6,000 draws is V9's .0205.
    let colours = sampled("two-colour", 480.0);
    counts_match(&colours, &wanted, FALSE_ALARM).unwrap();
    // V9's is the normal approximation ½ Σ √(2p(1 − p)/πn); exactly it is .0199, rare states being binomial.
    let one = |p: &f64| (2.0 * p * (1.0 - p) / (std::f64::consts::PI * 6000.0)).sqrt();
    let normal = 0.5 * wanted.iter().map(one).sum::<f64>();
    assert!((normal - 0.0205).abs() < 5e-4, "{normal}");
    let floor = expected_total_variation(&wanted, 6000);
    // TV of 6,000 draws scatters by less than 3e-3 around its floor: 2e-2 above it is out of reach.
    assert!(total_variation(&frequencies(&colours), &wanted) < floor + 0.02);
    let at_once = sampled("all-at-once", 240.0);
    counts_match(&at_once, &parallel, FALSE_ALARM).unwrap();
    assert!(counts_match(&at_once, &wanted, FALSE_ALARM).is_err());
    assert!(counts_match(&colours, &parallel, FALSE_ALARM).is_err());
}

/// Odd cycles are refused by name under two colours, and get a third colour where colours are free.
#[test]
fn clocks_refuse_what_they_cannot_colour() {
    let odd = ising(
        vec![0.1; 5],
        (0..5).map(|i| (i, (i + 1) % 5, 0.8)).collect(),
    );
    let die = |update: &str, extra: &[(&str, &str)]| {
        let mut card = pbit(&[("physics.update", update)]);
        for (key, value) in extra {
            card.override_parameter(key, value).unwrap();
        }
        Die::fabricate(&card, None, None).unwrap()
    };
    let phase = [("physics.phase", SETTLED)];
    let refused = program(&die("two-colour", &phase), &odd, Scale::Fixed(1.0)).unwrap_err();
    let message = refused.to_string();
    assert!(
        message.contains("physics.update") && message.contains("odd cycles"),
        "{message}"
    );
    let named = (0..5).any(|i| {
        let (a, b) = (i, (i + 1) % 5);
        message.contains(&format!("[{}, {}]", a.min(b), a.max(b)))
    });
    assert!(named, "{message}");
    let three = program(&die("colour-by-colour", &phase), &odd, Scale::Fixed(1.0)).unwrap();
    let Clocking::Phases { classes, .. } = &three.process().levels.as_ref().unwrap().clocking
    else {
        panic!("clocked");
    };
    assert_eq!(classes.len(), 3);
    let law = three.spin_chain().unwrap().stationary().unwrap();
    assert!(largest_difference(&law, &boltzmann(&odd)) < 1e-10);
    let without = program(&die("all-at-once", &[]), &odd, Scale::Fixed(1.0)).unwrap_err();
    assert!(without.to_string().contains("physics.phase"), "{without}");
    // Reading between two rounds.
    let mut between = sampler(three, 1, 1, StepRule::Auto(0.01));
    let phase = Phase {
        burn_in: Horizon::Steps(0),
        duration: Horizon::Seconds(60e-6),
        every: Some(Horizon::Seconds(7e-6)),
        clamp: None,
    };
    let message = between.run(&phase).unwrap_err().to_string();
    assert!(
        message.contains("whole number of the clock's rounds"),
        "{message}"
    );
}

/// Two p-bits under a two-colour clock whose synapses settle during the phase: the law of the outputs after a round, by the
/// transfer matrix on the last `DEPTH` outputs. `rest` of a synapse's step is left after each of the `steps` in a phase, in which
/// a p-bit is drawn anew with probability `drawn`.
fn clocked_pair(j: f64, h: [f64; 2], steps: usize, rest: f64, drawn: f64) -> [f64; 4] {
    const DEPTH: usize = 14;
    let sign = |history: usize, age: usize| if history >> age & 1 == 1 { 1.0 } else { -1.0 };
    // Bit `age` of a history: the output written `age` phases ago; p-bit 0 writes in even phases, 1 in odd ones.
    let up = |history: usize, me: usize| {
        // My neighbour's outputs were latched 0, 2, 4 … phases ago and each stood for two phases of my synapse.
        let over_phase = rest.powi(steps as i32);
        let mut y = j * sign(history, DEPTH - 2);
        for age in (0..DEPTH).step_by(2).rev() {
            let standing = if age == 0 { 0 } else { 2 };
            for _ in 0..standing {
                y = j * sign(history, age) + (y - j * sign(history, age)) * over_phase;
            }
        }
        // Before this phase, the newest output had already stood for none; it stands during this one.
        let target = j * sign(history, 0);
        let mut p = if sign(history, 1) > 0.0 { 1.0 } else { 0.0 };
        for _ in 0..steps {
            y = target + (y - target) * rest;
            p += drawn * (1.0 / (1.0 + (-2.0 * (y + h[me])).exp()) - p);
        }
        p
    };
    let size = 1usize << DEPTH;
    let probabilities: [Vec<f64>; 2] = [0, 1].map(|me| (0..size).map(|s| up(s, me)).collect());
    let mut law = vec![1.0 / size as f64; size];
    for phase in 0..400 {
        let mut next = vec![0.0; size];
        for (history, p) in law.iter().enumerate() {
            let up = probabilities[phase % 2][history];
            let shifted = history << 1 & (size - 1);
            next[shifted | 1] += p * up;
            next[shifted] += p * (1.0 - up);
        }
        law = next;
    }
    // After an odd phase the newest output is p-bit 1's.
    let mut pair = [0.0; 4];
    for (history, p) in law.iter().enumerate() {
        pair[(history & 1) << 1 | history >> 1 & 1] += p;
    }
    pair
}

/// Die of two p-bits with synapses and next to no Johnson noise, under the two-colour clock.
fn settling_pair(tau_s: f64, phase: &str, model: &Model) -> Programmed {
    let card = pbit(&[
        ("physics.update", "two-colour"),
        ("physics.phase", phase),
        ("physics.synapse_tau", &format!("{tau_s} ns")),
        ("physics.synapse_capacitance", "1 mF"),
    ]);
    program(&die(&card, 1, "synapse"), model, Scale::Fixed(1.0)).unwrap()
}

/// Synapses that do not settle within a phase spoil the law, the more the slower they are; against the transfer matrix of the
/// very steps. χ² of 400,000 chips, 1e-6 each; Boltzmann is rejected where the exact distance is above 1 %.
#[test]
fn slow_synapses_spoil_a_clocked_law() {
    let (j, h) = (0.9, [0.3, -0.2]);
    let model = ising(h.to_vec(), vec![(0, 1, j)]);
    let wanted = boltzmann(&model);
    let mut before = 0.0;
    for (tau_s, spoiled) in [(20.0, false), (100.0, true), (300.0, true)] {
        let chip = settling_pair(tau_s, "300 ns", &model);
        let step = sampler(chip.clone(), 1, 1, StepRule::Auto(0.01))
            .describe()
            .step
            .unwrap();
        let steps = (3.0 / step).round();
        assert!((steps * step - 3.0).abs() < 1e-9, "a phase is whole steps");
        let rest = 1.0 - step * 100.0 / tau_s;
        let law = clocked_pair(j, h, steps as usize, rest, 1.0 - (-step).exp());
        let tv = total_variation(&law, &wanted);
        assert!(tv > before && (tv > 0.01) == spoiled, "{tau_s} ns: {tv}");
        before = tv;
        let counted = counts(&after(chip, 400_000, 120.0, StepRule::Auto(0.01)));
        counts_match(&counted, &law, FALSE_ALARM).unwrap_or_else(|e| panic!("{tau_s} ns: {e}"));
        assert_eq!(
            counts_match(&counted, &wanted, FALSE_ALARM).is_err(),
            spoiled,
            "{tau_s} ns"
        );
    }
}

/// ⟨s0 s1⟩ of two p-bits in continuous time that see each other through RC nodes, by the transfer operator of the very step h:
/// y_i ← y_i + r (J_i s_j − y_i), r = h/τ_s, then s_0 and s_1 drawn anew with probability ρ from P(+1) = σ(2y_i). Functions of
/// (s0, s1, y0/J0, y1/J1) on Chebyshev nodes; ⟨f⟩ is what f tends to under the operator.
fn late_pair(j: [f64; 2], r: f64, rho: f64, steps: usize) -> f64 {
    const NODES: usize = 24;
    let node = |k: usize| ((k as f64 + 0.5) * std::f64::consts::PI / NODES as f64).cos();
    let weight = |k: usize| {
        let angle = (k as f64 + 0.5) * std::f64::consts::PI / NODES as f64;
        if k.is_multiple_of(2) {
            angle.sin()
        } else {
            -angle.sin()
        }
    };
    // Interpolation (barycentric) from the nodes to where a step takes them, for s = −1, +1.
    let moved = |s: f64| {
        DMatrix::from_fn(NODES, NODES, |row, column| {
            let z = node(row) * (1.0 - r) + r * s;
            let term = |k: usize| weight(k) / (z - node(k));
            if let Some(hit) = (0..NODES).find(|&k| (z - node(k)).abs() < 1e-14) {
                return if hit == column { 1.0 } else { 0.0 };
            }
            term(column) / (0..NODES).map(term).sum::<f64>()
        })
    };
    let (maps, signs) = ([moved(-1.0), moved(1.0)], [-1.0, 1.0]);
    let state = |a: usize, b: usize| 2 * a + b;
    let mut f: Vec<DMatrix<f64>> = (0..4)
        .map(|k| DMatrix::from_element(NODES, NODES, signs[k / 2] * signs[k % 2]))
        .collect();
    let up: Vec<Vec<f64>> = (j.iter())
        .map(|j| {
            (0..NODES)
                .map(|k| 1.0 / (1.0 + (-2.0 * j * node(k)).exp()))
                .collect()
        })
        .collect();
    for _ in 0..steps {
        f = (0..4)
            .map(|k| {
                let (a, b) = (k / 2, k % 2);
                let drawn = DMatrix::from_fn(NODES, NODES, |y0, y1| {
                    let p = |own: usize, up: f64| {
                        let up = (1.0 - rho) * own as f64 + rho * up;
                        [1.0 - up, up]
                    };
                    let (p0, p1) = (p(a, up[0][y0]), p(b, up[1][y1]));
                    let pairs = [(0, 0), (0, 1), (1, 0), (1, 1)];
                    pairs
                        .iter()
                        .map(|&(c, d)| p0[c] * p1[d] * f[state(c, d)][(y0, y1)])
                        .sum()
                });
                &maps[b] * drawn * maps[a].transpose()
            })
            .collect();
    }
    f[0].iter().sum::<f64>() / (NODES * NODES) as f64
}

/// E[z tanh Jz]/2 with z the filtered telegraph signal, p(z) ∝ (1 − z²)^{μ−1}, μ = τ_s/2τ0: the exact ⟨s0 s1⟩ where 1 reads 0
/// through its synapse and 0 reads nobody.
fn filtered_telegraph(j: f64, mu: f64) -> f64 {
    // z = tanh u takes the singular ends away: p(z) dz = sech^{2μ} u du.
    let points = 40_000;
    let (mut top, mut bottom) = (0.0, 0.0);
    let reach = 20.0 / mu;
    for k in -points..=points {
        let u = reach * f64::from(k) / f64::from(points);
        let (w, z) = (
            (-2.0 * mu * u.abs()).exp() * (2.0 / (1.0 + (-2.0 * u.abs()).exp())).powf(2.0 * mu),
            u.tanh(),
        );
        top += w * z * (j * z).tanh();
        bottom += w;
    }
    0.5 * top / bottom
}

/// Asynchronous p-bits behind slow synapses: correlations fall below Boltzmann's as τ_s/τ0 grows. The sampler against the
/// transfer operator of its step (1e-6 a check), and the operator against the closed form of a one-way pair as h → 0.
#[test]
fn late_neighbours_spoil_the_asynchronous_law() {
    let j = 0.9f64;
    for ratio in [0.2, 1.0] {
        let exact = filtered_telegraph(j, 0.5 * ratio);
        let at = |h: f64| late_pair([0.0, j], h / ratio, 1.0 - (-h).exp(), (25.0 / h) as usize);
        let (coarse, fine) = (at(0.02), at(0.01));
        let limit = 2.0 * fine - coarse;
        assert!((limit - exact).abs() < 2e-4, "{ratio}: {limit} {exact}");
        assert!((exact - 0.5 * j.tanh()).abs() > 10.0 * (limit - exact).abs());
    }
    let model = ising(vec![0.0; 2], vec![(0, 1, j)]);
    let (chains, mut before) = (400_000, j.tanh());
    for tau_s in [20.0, 100.0, 400.0] {
        let card = pbit(&[
            ("physics.synapse_tau", &format!("{tau_s} ns")),
            ("physics.synapse_capacitance", "1 mF"),
        ]);
        let chip = program(&die(&card, 1, "synapse"), &model, Scale::Fixed(1.0)).unwrap();
        let step = sampler(chip.clone(), 1, 1, StepRule::Auto(0.01))
            .describe()
            .step
            .unwrap();
        let samples = after(chip, chains, 30.0 + 0.2 * tau_s, StepRule::Auto(0.01));
        let product = |x: &[f32]| f64::from(x[0] * x[1]);
        let mean = samples.x.chunks(2).map(product).sum::<f64>() / chains as f64;
        let se = ((1.0 - mean * mean) / chains as f64).sqrt();
        let law = late_pair(
            [j; 2],
            step * 100.0 / tau_s,
            1.0 - (-step).exp(),
            (120.0 / step) as usize,
        );
        agrees("correlation", mean, se, law, FALSE_ALARM / 3.0).unwrap();
        assert!(
            agrees("Boltzmann", mean, se, j.tanh(), FALSE_ALARM / 3.0).is_err(),
            "{tau_s} ns"
        );
        assert!(law < before - 0.01, "{tau_s} ns: {law}");
        before = law;
    }
}

/// τ(I) = τ0/cosh(αI): the same Boltzmann law, in detailed balance, at every α (by enumeration of random models); another time
/// course. Deterministic.
#[test]
fn bias_dependent_times_leave_the_law() {
    for seed in 0..5 {
        let model = random(5, seed);
        let wanted = boltzmann(&model);
        let mut slowest = Vec::new();
        for alpha in ["0", "0.7", "1"] {
            let chain = ideal(&pbit(&[("physics.tau_bias", alpha)]), &model)
                .spin_chain()
                .unwrap();
            let law = chain.stationary().unwrap();
            assert!(largest_difference(&law, &wanted) < 1e-11, "{alpha}");
            assert!(
                chain.entropy_production().unwrap().unwrap() < 1e-9,
                "{alpha}"
            );
            for (state, p) in law.iter().enumerate() {
                for i in 0..5 {
                    let back = law[state ^ 1 << i] * chain.flip_rate(state ^ 1 << i, i);
                    assert!((p * chain.flip_rate(state, i) - back).abs() < 1e-11);
                }
            }
            slowest.push(chain.second_eigenvalue().unwrap());
        }
        assert!(
            slowest[0] > slowest[1] && slowest[1] > slowest[2],
            "{slowest:?}"
        );
    }
}

/// One p-bit under a bias: m(t) − m∞ ∝ e^{−t cosh(αI)/τ0} from the start up, at two times; a constant τ0 is rejected.
#[test]
fn a_biased_pbit_relaxes_faster() {
    let (input, chains) = (1.0f64, 400_000);
    let model = ising(vec![-input], vec![]);
    for alpha in [0.907f64, 1.0] {
        let card = pbit(&[("physics.tau_bias", &alpha.to_string())]);
        for time in [0.3, 0.8] {
            let samples = after(ideal(&card, &model), chains, time, StepRule::Auto(0.01));
            let mean = samples.x.iter().map(|&v| f64::from(v)).sum::<f64>() / chains as f64;
            let course = |rate: f64| -input.tanh() + (1.0 + input.tanh()) * (-time * rate).exp();
            let expected = course((alpha * input).cosh());
            let se = ((1.0 - expected * expected) / chains as f64).sqrt();
            agrees("relaxing", mean, se, expected, FALSE_ALARM / 4.0).unwrap();
            assert!(agrees("constant", mean, se, course(1.0), FALSE_ALARM).is_err());
        }
    }
}

/// Directed couplings: the exact law and entropy production of a one-way pair, ⟨s0 s1⟩ = ½ tanh J and J tanh J/2 k_B per τ0.
#[test]
fn one_way_couplings_break_detailed_balance() {
    let j = 0.8f64;
    let model = ising(vec![0.0; 2], vec![]);
    let die = Die::fabricate(&pbit(&[]), None, None).unwrap();
    let chip = program_directed(&die, &model, Scale::Fixed(1.0), &[(1, 0, j)]).unwrap();
    let report = chip.report();
    assert!((report.entropy_production.unwrap() - 0.5 * j * j.tanh()).abs() < 1e-10);
    assert!(report.no_energy_because[0].contains("directed on purpose"));
    assert!(chip.energy().is_none() && report.coupling_rms_error == 0.0);
    let law = chip.spin_chain().unwrap().stationary().unwrap();
    assert!((law[0] + law[3] - law[1] - law[2] - 0.5 * j.tanh()).abs() < 1e-12);
    // Both directions given: symmetric, and an energy again.
    let both = program_directed(&die, &model, Scale::Fixed(1.0), &[(1, 0, j), (0, 1, j)]).unwrap();
    assert!(both.report().entropy_production.unwrap() < 1e-12);
    let Some(Model::Ising(energy)) = both.energy() else {
        panic!("an energy")
    };
    assert_eq!(
        (energy.couplings.edges(), energy.couplings.values()),
        (&[(0, 1)][..], &[j][..])
    );
}

/// A ring with one-way couplings on top, sampled: the exact stationary law at a small step, χ² at 1e-6; the law of the symmetric
/// part is rejected.
#[test]
fn sampled_one_way_couplings_settle_in_their_law() {
    let n = 6;
    let directed: Vec<(usize, usize, f64)> = (0..n).map(|i| ((i + 1) % n, i, 0.5)).collect();
    let model = ising(
        vec![0.2; n],
        (0..n).map(|i| (i, (i + 1) % n, 0.3)).collect(),
    );
    let die = Die::fabricate(&pbit(&[]), None, None).unwrap();
    let chip = program_directed(&die, &model, Scale::Fixed(1.0), &directed).unwrap();
    let law = chip.spin_chain().unwrap().stationary().unwrap();
    assert!(chip.report().entropy_production.unwrap() > 0.1);
    let symmetric = ising(
        vec![0.2; n],
        (0..n).map(|i| (i, (i + 1) % n, 0.55)).collect(),
    );
    // A step of τ0/200, in which the order of the spins is beyond what 40,000 chips can show (TV < 1e-3, by enumeration of the
    // steps themselves).
    let (chains, step) = (40_000, 5e-3);
    let Some(levels) = &chip.process().levels else {
        panic!("spins")
    };
    let in_order = Levels {
        clocking: Clocking::Phases {
            phase: step,
            classes: (0..n).map(|i| vec![i]).collect(),
        },
        ..levels.clone()
    };
    let stepped = Process {
        levels: Some(in_order),
        ..Process::still(0)
    };
    let stepped = SpinChain::new(&stepped).unwrap().stationary().unwrap();
    assert!(total_variation(&stepped, &law) < 1e-3);
    let counted = counts(&after(chip, chains, 40.0, StepRule::Seconds(step * TAU)));
    counts_match(&counted, &law, FALSE_ALARM).unwrap();
    assert!(counts_match(&counted, &boltzmann(&symmetric), FALSE_ALARM).is_err());
}

/// What is directed must be possible.
#[test]
fn impossible_directions_are_refused() {
    let model = ising(vec![0.0; 3], vec![(0, 1, 0.5)]);
    let die = Die::fabricate(&pbit(&[]), None, None).unwrap();
    for (directed, words) in [
        (vec![(0, 3, 0.1)], "below 3"),
        (vec![(1, 1, 0.1)], "two different"),
        (vec![(0, 2, f64::NAN)], "finite"),
        (vec![(0, 2, 0.1), (0, 2, 0.2)], "each direction once"),
    ] {
        let refused = program_directed(&die, &model, Scale::Fixed(1.0), &directed);
        let message = refused.unwrap_err().to_string();
        assert!(
            message.contains("hardware.directed[") && message.contains(words),
            "{message}"
        );
    }
    let soft = Die::fabricate(&card("soft_spin_cmos").unwrap(), None, None).unwrap();
    let pair = SoftSpin::four_wells();
    let refused = program_directed(
        &soft,
        &Model::SoftSpin(pair),
        Scale::Fixed(1.0),
        &[(0, 1, 0.1)],
    );
    assert!(refused.unwrap_err().to_string().contains("p-bits only"));
    let lattice =
        Die::fabricate(&pbit(&[("limits.topology", "open 3x1 (1,0)")]), None, None).unwrap();
    let refused = program_directed(&lattice, &model, Scale::Fixed(1.0), &[(0, 2, 0.1)]);
    assert!(refused.unwrap_err().to_string().contains("topology"));
}
