//! Samplers of four spins on a ring.
// Kernels take the state as a user would keep it.
#![allow(clippy::ptr_arg)]

use super::Caught;
use rand::RngExt;
use thermochip::energy::{Couplings, DiscreteEnergy, Ising};
use thermochip::testing::{
    Relaxation, Sequential, Stream, TransitionMatrix, View, converges_to, detailed_balance,
    geweke_joint, leaves_invariant, rank_uniform, starts, transitions_match, view,
};

type Step = fn(&Ising, &mut Vec<i8>, &mut Stream);
type Matrix = fn(&Ising) -> TransitionMatrix;

/// A kernel, what it takes the energy for, and the matrix that it should have.
#[derive(Clone, Copy)]
pub struct Spins(Step, fn(&Ising) -> Ising, Matrix);

pub const HEAT_BATH: Spins = Spins(heat_bath, Ising::clone, four_updates);
pub const COLOURS: Spins = Spins(by_colour, Ising::clone, colour_matrix);
pub const METROPOLIS: Spins = Spins(metropolis, Ising::clone, four_flips);
pub const FLIPPED: Spins = Spins(
    heat_bath,
    |e| changed(e, |k, j| if k == 0 { -j } else { j }, 1.0),
    four_updates,
);
pub const HOT: Spins = Spins(
    heat_bath,
    |e| changed(e, |_, j| 0.95 * j, 0.95),
    four_updates,
);
pub const HALVED: Spins = Spins(heat_bath, |e| changed(e, |_, j| 0.5 * j, 0.5), four_updates);
pub const LAZY: Spins = Spins(lazy, Ising::clone, four_flips);
pub const AT_ONCE: Spins = Spins(at_once, Ising::clone, colour_matrix);
pub const OFF_BY_ONE: Spins = Spins(off_by_one, Ising::clone, colour_matrix);
pub const UNBALANCED: Spins = Spins(unbalanced, Ising::clone, four_flips);

fn energy() -> Ising {
    let list = vec![(0, 1, 0.8), (1, 2, -0.5), (2, 3, 0.6), (0, 3, 0.4)];
    Ising::new(vec![0.3, -0.2, 0.1, 0.5], Couplings::new(4, list).unwrap()).unwrap()
}

fn changed(e: &Ising, coupling: impl Fn(usize, f64) -> f64, fields: f64) -> Ising {
    let values = e.couplings.values().iter().enumerate();
    let values: Vec<f64> = values.map(|(k, &j)| coupling(k, j)).collect();
    let edges = e.couplings.edges().iter().zip(values);
    let list = edges.map(|(&(i, j), v)| (i, j, v)).collect();
    let fields = e.fields.iter().map(|h| fields * h).collect();
    Ising::new(fields, Couplings::new(4, list).unwrap()).unwrap()
}

fn heat(e: &Ising, s: &[i8], i: usize, r: &mut Stream) -> i8 {
    let up = 1.0 / (1.0 + (-2.0 * e.local_field(s, i)).exp());
    if r.random::<f64>() < up { 1 } else { -1 }
}

fn heat_bath(e: &Ising, s: &mut Vec<i8>, r: &mut Stream) {
    for _ in 0..4 {
        let i = r.random_range(0..4);
        s[i] = heat(e, s, i, r);
    }
}

/// All spins of a class from the state before it.
fn colours(e: &Ising, s: &mut Vec<i8>, r: &mut Stream, classes: &[&[usize]]) {
    for class in classes {
        let before = s.clone();
        for &i in *class {
            s[i] = heat(e, &before, i, r);
        }
    }
}

fn by_colour(e: &Ising, s: &mut Vec<i8>, r: &mut Stream) {
    colours(e, s, r, &[&[0, 2], &[1, 3], &[0, 2]]);
}

fn at_once(e: &Ising, s: &mut Vec<i8>, r: &mut Stream) {
    colours(e, s, r, &[&[0, 1, 2, 3]]);
}

fn off_by_one(e: &Ising, s: &mut Vec<i8>, r: &mut Stream) {
    colours(e, s, r, &[&[0, 1], &[2, 3], &[0, 1]]);
}

fn flip(e: &Ising, s: &mut [i8], i: usize, r: &mut Stream) {
    let cost = 2.0 * f64::from(s[i]) * e.local_field(s, i);
    if r.random::<f64>() < (-cost).exp() {
        s[i] = -s[i];
    }
}

fn metropolis(e: &Ising, s: &mut Vec<i8>, r: &mut Stream) {
    for _ in 0..4 {
        let i = r.random_range(0..4);
        flip(e, s, i, r);
    }
}

fn lazy(e: &Ising, s: &mut Vec<i8>, r: &mut Stream) {
    for _ in 0..4 {
        let i = r.random_range(0..4);
        if r.random::<bool>() {
            flip(e, s, i, r);
        }
    }
}

/// An up spin or a down spin with equal chances, then one of them; accepted by energies alone.
fn unbalanced(e: &Ising, s: &mut Vec<i8>, r: &mut Stream) {
    for _ in 0..4 {
        let wanted = if r.random::<bool>() { 1 } else { -1 };
        let those: Vec<usize> = (0..4).filter(|&i| s[i] == wanted).collect();
        if !those.is_empty() {
            flip(e, s, those[r.random_range(0..those.len())], r);
        }
    }
}

fn fourth(chain: &TransitionMatrix) -> TransitionMatrix {
    let two = chain.then(chain);
    two.then(&two)
}

fn four_updates(e: &Ising) -> TransitionMatrix {
    fourth(&TransitionMatrix::glauber(e).unwrap())
}

fn four_flips(e: &Ising) -> TransitionMatrix {
    fourth(&TransitionMatrix::metropolis(e).unwrap())
}

fn colour_matrix(e: &Ising) -> TransitionMatrix {
    TransitionMatrix::sweep(e, &[0, 2, 1, 3, 0, 2]).unwrap()
}

/// Readouts of the spins that are wrong with probability 1/5: given them, the spins have fields ½ ln 4 · y more.
fn posteriors(e: &Ising) -> Vec<Ising> {
    let given = |index: usize| {
        let y = view::indexed_spins(index, 4);
        let fields = e.fields.iter().zip(&y);
        let fields = fields.map(|(h, y)| h + 0.5 * 4f64.ln() * f64::from(*y));
        Ising::new(fields.collect(), e.couplings.clone()).unwrap()
    };
    (0..16).map(given).collect()
}

fn readout(s: &[i8], r: &mut Stream) -> Vec<i8> {
    let wrong = |s: &i8| if r.random::<f64>() < 0.2 { -s } else { *s };
    s.iter().map(wrong).collect()
}

impl Spins {
    pub fn judge(&self, assertion: &str, test: &Sequential) -> Option<Caught> {
        let (e, Spins(step, taken_for, matrix)) = (&energy(), *self);
        let taken = &taken_for(e);
        let exact = starts::spins(e).unwrap();
        let kernel = |s: &mut Vec<i8>, r: &mut Stream| step(taken, s, r);
        let views = view::boltzmann(e).unwrap();
        Some(match assertion {
            "leaves_invariant" => leaves_invariant(exact, kernel, 10, &views, test),
            "rank_uniform" => rank_uniform(exact, kernel, 7, &views, test),
            "detailed_balance" => detailed_balance(exact, kernel, &views, test),
            "converges_to" => {
                let relaxation = Relaxation::of_chain(&matrix(e), 0, &[1, 2, 4, 8]).unwrap();
                let index = |s: &Vec<i8>| view::spin_index(s);
                converges_to(|_| vec![-1; 4], kernel, index, &relaxation, test)
            }
            "transitions_match" => {
                let states: Vec<Vec<i8>> = (0..16).map(|k| view::indexed_spins(k, 4)).collect();
                let test = Sequential {
                    draws: test.draws / 16,
                    ..*test
                };
                transitions_match(&states, kernel, |s| view::spin_index(s), &matrix(e), &test)
            }
            "geweke_joint" => {
                let posteriors: Vec<Ising> = posteriors(e).iter().map(taken_for).collect();
                let kernel = |s: &mut Vec<i8>, y: &Vec<i8>, r: &mut Stream| {
                    step(&posteriors[view::spin_index(y)], s, r);
                };
                let p = thermochip::energy::exact::probabilities(e).unwrap();
                let views = [
                    View::law("states", |j: &(Vec<i8>, Vec<i8>)| view::spin_index(&j.0), p),
                    View::number("energy", |j: &(Vec<i8>, Vec<i8>)| e.value(&j.0)),
                ];
                geweke_joint(exact, |s, r| readout(s, r), kernel, 10, &views, test)
            }
            _ => return None,
        })
    }
}
