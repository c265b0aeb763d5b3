//! Annealed importance sampling of a restricted Boltzmann machine (Neal, physics/9803008; Salakhutdinov and Murray 2008),
//! and the same path walked backwards.
//!
//! The path from independent spins to the machine is p_β(v, h) ∝ exp(((1 − β) a + β b)·v + β c·h + β v·W h), with hidden
//! spins summed out: ln f_β(v) = ((1 − β) a + β b)·v + Σ_j ln 2cosh(β I_j), I = c + Wᵀv. Forward, a chain starts from the
//! base a and gains ln f_β'(v) − ln f_β(v) before each block Gibbs sweep at β'; then ⟨e^w⟩ = Z₁/Z₀. Backward, it starts
//! from the machine and gains ln f_β(v) − ln f_β'(v) before each sweep at β; then ⟨e^w⟩ = Z₀/Z₁. By Jensen the mean of w is
//! below ln Z₁/Z₀ one way and its negative above it the other way.

use super::LANES;
use super::draw::{INPUT_TO_EXPONENT, power_of_two};
use super::real::Real;
use super::restricted::{GROUP, Layers, Side, WIDTH, draw_row, inputs};
use super::streams::{Origin, Streams};
use crate::simd::{Kernel, dispatch};
use rayon::prelude::*;

/// Which way the path is walked.
#[derive(Clone, Debug, PartialEq)]
pub enum Direction {
    /// From the base to the machine, this many chains.
    Forward(usize),
    /// From the machine to the base, from these visible spins, `[chain * visible + unit]`.
    Backward(Vec<i8>),
}

/// Log weights, and where the chains ended.
#[derive(Clone, Debug)]
pub struct Annealed {
    /// w of each chain.
    pub log_weights: Vec<f64>,
    /// Visible spins, `[chain * visible + unit]`.
    pub visible: Vec<i8>,
}

/// Chains that are annealed side by side.
struct Walk<'a> {
    layers: &'a Layers,
    base: &'a [f32],
    temperatures: usize,
    forward: bool,
    visible: &'a mut [f32],
    streams: &'a mut [Streams],
    log_weights: &'a mut [f64],
}

/// (1 − β) `base` + β `field`.
#[inline(always)]
fn mix(to: &mut [f32], base: &[f32], field: &[f32], beta: f64) {
    let (one, other) = (beta as f32, (1.0 - beta) as f32);
    for ((to, base), field) in to.iter_mut().zip(base).zip(field) {
        *to = other * base + one * field;
    }
}

#[inline(always)]
fn draw_rows(rows: &mut [f32], side: &Side, field: &[f32], beta: f64, streams: &mut [Streams]) {
    for (row, streams) in rows.chunks_exact_mut(side.width).zip(streams) {
        match streams {
            Streams::Pcg(s) => draw_row(row, field, beta as f32, s),
            Streams::ChaCha8(s) => draw_row(row, field, beta as f32, &mut **s),
        }
    }
}

/// Σ_j ln cosh(β' I_j) − ln cosh(β I_j) for the first `units` inputs; padding has I = 0 and adds nothing.
#[inline(always)]
fn log_ratio(sums: &[f32], field: &[f32], beta: f64, next: f64) -> f64 {
    const HALF: usize = WIDTH / 2;
    let (sums, _) = sums.as_chunks::<HALF>();
    let (field, _) = field.as_chunks::<HALF>();
    let (mut size, mut above, mut below) = ([0.0; HALF], [1.0f64; HALF], [1.0f64; HALF]);
    let mut logs = [0.0; HALF];
    for (block, (sum, field)) in sums.iter().zip(field).enumerate() {
        for l in 0..HALF {
            let input = f64::from((sum[l] + field[l]).abs());
            let y = input * INPUT_TO_EXPONENT;
            size[l] += input;
            above[l] *= 1.0 + power_of_two(next * y);
            below[l] *= 1.0 + power_of_two(beta * y);
        }
        // Factors are at most 2.
        if block % 512 == 511 {
            for l in 0..HALF {
                logs[l] += Real::ln(above[l]) - Real::ln(below[l]);
            }
            (above, below) = ([1.0; HALF], [1.0; HALF]);
        }
    }
    let mut total = 0.0;
    for l in 0..HALF {
        logs[l] += Real::ln(above[l]) - Real::ln(below[l]);
    }
    for l in 0..HALF {
        total += (next - beta) * size[l] + logs[l];
    }
    total
}

impl Kernel for Walk<'_> {
    #[inline(always)]
    fn run(self) {
        let (to_visible, to_hidden) = (&self.layers.to_visible, &self.layers.to_hidden);
        let chains = self.streams.len();
        let (n, stride, width) = (self.layers.visible, to_hidden.stride, to_hidden.width);
        let zero = vec![0.0f32; width.max(stride)];
        let mut hidden = vec![0.0f32; chains * width];
        let (mut b, mut c) = (vec![0.0f32; stride], vec![0.0f32; width]);
        let visible = self.visible;
        if self.forward {
            visible.fill(0.0);
            draw_rows(visible, to_visible, self.base, 0.0, self.streams);
        }
        let at = |k: usize| k as f64 / self.temperatures as f64;
        for step in 0..self.temperatures {
            let (beta, next) = if self.forward {
                (at(step), at(step + 1))
            } else {
                (
                    at(self.temperatures - step),
                    at(self.temperatures - step - 1),
                )
            };
            inputs(to_hidden, visible, &mut hidden);
            let rows = visible.chunks_exact(stride).zip(hidden.chunks_exact(width));
            for ((v, sums), log_weight) in rows.zip(&mut *self.log_weights) {
                let mut slope = 0.0;
                for i in 0..n {
                    slope += f64::from(to_visible.field[i] - self.base[i]) * f64::from(v[i]);
                }
                *log_weight += (next - beta) * slope;
                *log_weight += log_ratio(sums, &to_hidden.field, beta, next);
            }
            mix(&mut c, &zero, &to_hidden.field, next);
            mix(&mut b, self.base, &to_visible.field, next);
            draw_rows(&mut hidden, to_hidden, &c, next, self.streams);
            inputs(to_visible, &hidden, visible);
            draw_rows(visible, to_visible, &b, next, self.streams);
        }
    }
}

/// Anneals chains over `temperatures` equal steps of β. `fields` are visible then hidden, `couplings[i * hidden + j]`,
/// `base` the visible fields of the independent spins; chain c has streams 32c … 32c + 31 of `origin`.
pub fn anneal_restricted(
    (visible, hidden): (usize, usize),
    fields: &[f64],
    couplings: &[f64],
    base: &[f64],
    temperatures: usize,
    direction: &Direction,
    origin: impl Into<Origin>,
) -> Annealed {
    let mut layers = Layers::new(visible, hidden);
    layers.set(fields, couplings);
    let stride = layers.to_hidden.stride;
    let mut padded: Vec<f32> = base.iter().map(|&a| a as f32).collect();
    padded.resize(stride, 0.0);
    let (chains, forward) = match direction {
        Direction::Forward(chains) => (*chains, true),
        Direction::Backward(start) => (start.len() / visible, false),
    };
    let mut states = vec![0.0f32; chains * stride];
    if let Direction::Backward(start) = direction {
        for (row, from) in states.chunks_exact_mut(stride).zip(start.chunks(visible)) {
            for (to, from) in row.iter_mut().zip(from) {
                *to = f32::from(*from);
            }
        }
    }
    let origin = origin.into();
    let first = |c: usize| (c * LANES) as u64;
    let mut streams: Vec<Streams> = (0..chains)
        .map(|c| Streams::new(origin, first(c)))
        .collect();
    let mut log_weights = vec![0.0; chains];
    let groups = (
        states.par_chunks_mut(GROUP * stride),
        streams.par_chunks_mut(GROUP),
        log_weights.par_chunks_mut(GROUP),
    );
    groups
        .into_par_iter()
        .for_each(|(visible, streams, log_weights)| {
            let (layers, base) = (&layers, &padded[..]);
            dispatch(Walk {
                layers,
                base,
                temperatures,
                forward,
                visible,
                streams,
                log_weights,
            });
        });
    let rows = states.chunks_exact(stride);
    Annealed {
        log_weights,
        visible: rows
            .flat_map(|r| r[..visible].iter().map(|&v| v as i8))
            .collect(),
    }
}
