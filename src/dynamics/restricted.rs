//! Block Gibbs sampling of a restricted Boltzmann machine: two layers of spins s = ±1 with couplings between the layers
//! only, E = −Σ b_i v_i − Σ c_j h_j − Σ W_ij v_i h_j. Given one layer the other's spins are independent,
//! P(h_j = +1) = σ(2(c_j + Σ_i W_ij v_i)), so that a layer is one product of matrices and one draw (Smolensky 1986;
//! Hinton 2002).
//!
//! Rows of units are the lanes: batches of learning are too short to fill lanes with chains. Chain c takes its words from
//! streams 32c … 32c + 31, unit j of a layer from number j mod 32 of them, so its path depends on nothing but its number.

use super::LANES;
use super::draw::{INPUT_TO_EXPONENT, is_up, power_of_two};
use super::real::Real;
use super::streams::{Origin, Stream, StreamPosition, Streams};
use crate::error::{Error, Result};
use crate::simd::{Kernel, dispatch};
use rayon::prelude::*;

/// Units that a row is padded to a multiple of.
pub(super) const WIDTH: usize = 16;
/// Chains that share the loads of a coupling.
pub(super) const GROUP: usize = 8;
/// Chains that a thread takes at a time, when there are enough.
const CHUNK: usize = 4 * GROUP;
/// Multiplications of a layer below which threads cost more than they bring.
const THREADED: usize = 1 << 20;

/// `units` rounded up to whole rows.
pub(super) fn padded(units: usize) -> usize {
    units.next_multiple_of(WIDTH)
}

/// How one layer follows from the other.
#[derive(Clone, Debug)]
pub(super) struct Side {
    /// Units of the layer that is given.
    pub from: usize,
    /// Its row length.
    pub stride: usize,
    /// Row length of the layer that follows.
    pub width: usize,
    /// Fields, `width` of them.
    pub field: Vec<f32>,
    /// `coupling[i * width + j]`.
    pub coupling: Vec<f32>,
}

impl Side {
    fn new(from: usize, to: usize) -> Self {
        let width = padded(to);
        Side {
            from,
            stride: padded(from),
            width,
            field: vec![0.0; width],
            coupling: vec![0.0; from * width],
        }
    }
}

/// The two conditional laws of one machine.
#[derive(Clone, Debug)]
pub(super) struct Layers {
    pub visible: usize,
    pub hidden: usize,
    /// Visible given hidden.
    pub to_visible: Side,
    /// Hidden given visible.
    pub to_hidden: Side,
}

impl Layers {
    pub fn new(visible: usize, hidden: usize) -> Self {
        Layers {
            visible,
            hidden,
            to_visible: Side::new(hidden, visible),
            to_hidden: Side::new(visible, hidden),
        }
    }

    /// `fields`: visible then hidden; `couplings[i * hidden + j]`.
    pub fn set(&mut self, fields: &[f64], couplings: &[f64]) {
        let narrow = |to: &mut [f32], from: &[f64]| {
            for (to, from) in to.iter_mut().zip(from) {
                *to = *from as f32;
            }
        };
        let (b, c) = fields.split_at(self.visible);
        narrow(&mut self.to_visible.field, b);
        narrow(&mut self.to_hidden.field, c);
        let rows = self
            .to_hidden
            .coupling
            .chunks_exact_mut(self.to_hidden.width);
        for (row, couplings) in rows.zip(couplings.chunks_exact(self.hidden)) {
            narrow(row, couplings);
        }
        let width = self.to_visible.width;
        for (i, couplings) in couplings.chunks_exact(self.hidden).enumerate() {
            for (j, value) in couplings.iter().enumerate() {
                self.to_visible.coupling[j * width + i] = *value as f32;
            }
        }
    }
}

/// Σ_i W_ij x_i of `C` chains into `out`, `side.width` numbers a chain.
#[inline(always)]
fn inputs_of<const C: usize>(side: &Side, x: &[f32], out: &mut [f32]) {
    let (rows, _) = side.coupling.as_chunks::<WIDTH>();
    let blocks = side.width / WIDTH;
    let mut given: [&[f32]; C] = [&[]; C];
    for c in 0..C {
        given[c] = &x[c * side.stride..][..side.from];
    }
    for block in 0..blocks {
        let mut sum = [[0.0f32; WIDTH]; C];
        for i in 0..side.from {
            let row = &rows[i * blocks + block];
            for c in 0..C {
                let s = given[c][i];
                for l in 0..WIDTH {
                    sum[c][l] = s.mul_add(row[l], sum[c][l]);
                }
            }
        }
        for c in 0..C {
            out[c * side.width + block * WIDTH..][..WIDTH].copy_from_slice(&sum[c]);
        }
    }
}

/// As [`inputs_of`], for however many chains `out` holds.
#[inline(always)]
pub(super) fn inputs(side: &Side, x: &[f32], out: &mut [f32]) {
    let (chains, mut c) = (out.len() / side.width, 0);
    while c < chains {
        let (x, out) = (&x[c * side.stride..], &mut out[c * side.width..]);
        c += match chains - c {
            GROUP.. => {
                inputs_of::<GROUP>(side, x, out);
                GROUP
            }
            4.. => {
                inputs_of::<4>(side, x, out);
                4
            }
            2.. => {
                inputs_of::<2>(side, x, out);
                2
            }
            _ => {
                inputs_of::<1>(side, x, out);
                1
            }
        };
    }
}

/// Turns one chain's inputs into spins.
#[inline(always)]
pub(super) fn draw_row(row: &mut [f32], field: &[f32], beta: f32, streams: &mut impl Stream) {
    let mut words = [0; LANES];
    let factor = INPUT_TO_EXPONENT as f32;
    for (row, field) in row.chunks_mut(LANES).zip(field.chunks(LANES)) {
        streams.next(&mut words);
        let (row, _) = row.as_chunks_mut::<WIDTH>();
        let (field, _) = field.as_chunks::<WIDTH>();
        let (words, _) = words.as_chunks::<WIDTH>();
        for ((row, field), words) in row.iter_mut().zip(field).zip(words) {
            for l in 0..WIDTH {
                let y = row[l].mul_add(beta, field[l]) * factor;
                let u = f32::uniform([words[l], 0]);
                row[l] = if is_up(u, y) { 1.0 } else { -1.0 };
            }
        }
    }
}

/// One layer given the other: drawn where there are streams (one set a chain), else its means tanh(input).
struct Half<'a> {
    side: &'a Side,
    given: &'a [f32],
    out: &'a mut [f32],
    streams: Option<&'a mut [Streams]>,
}

impl Kernel for Half<'_> {
    #[inline(always)]
    fn run(self) {
        let side = self.side;
        inputs(side, self.given, self.out);
        match self.streams {
            Some(streams) => {
                for (row, streams) in self.out.chunks_exact_mut(side.width).zip(streams) {
                    match streams {
                        Streams::Pcg(s) => draw_row(row, &side.field, 1.0, s),
                        Streams::ChaCha8(s) => draw_row(row, &side.field, 1.0, &mut **s),
                    }
                }
            }
            None => {
                let factor = INPUT_TO_EXPONENT as f32;
                for row in self.out.chunks_exact_mut(side.width) {
                    let (row, _) = row.as_chunks_mut::<WIDTH>();
                    let (field, _) = side.field.as_chunks::<WIDTH>();
                    for (row, field) in row.iter_mut().zip(field) {
                        for l in 0..WIDTH {
                            let e = power_of_two((row[l] + field[l]) * factor);
                            row[l] = (1.0 - e) / (1.0 + e);
                        }
                    }
                }
            }
        }
    }
}

/// Runs [`Half`], over threads when it is large.
fn half(side: &Side, given: &[f32], out: &mut [f32], streams: Option<&mut [Streams]>) {
    if out.len() * side.from < THREADED {
        let given = &given[..out.len() / side.width * side.stride];
        return dispatch(Half {
            side,
            given,
            out,
            streams,
        });
    }
    let chunks = (
        given.par_chunks(CHUNK * side.stride),
        out.par_chunks_mut(CHUNK * side.width),
    );
    match streams {
        Some(streams) => {
            let all = chunks.into_par_iter().zip(streams.par_chunks_mut(CHUNK));
            all.for_each(|((given, out), streams)| {
                let streams = Some(streams);
                dispatch(Half {
                    side,
                    given,
                    out,
                    streams,
                });
            });
        }
        None => chunks.into_par_iter().for_each(|(given, out)| {
            let streams = None;
            dispatch(Half {
                side,
                given,
                out,
                streams,
            });
        }),
    }
}

/// Units of the visible layer whose products are summed together.
const TALL: usize = 8;

struct Statistics<'a> {
    layers: &'a Layers,
    visible: &'a [f32],
    hidden: &'a [f32],
    weight: f64,
    sum: &'a mut [f64],
}

impl Kernel for Statistics<'_> {
    #[inline(always)]
    fn run(self) {
        let (n, m) = (self.layers.visible, self.layers.hidden);
        let (stride, width) = (self.layers.to_hidden.stride, self.layers.to_hidden.width);
        let (fields, couplings) = self.sum.split_at_mut(n + m);
        let (visible, hidden) = fields.split_at_mut(n);
        for (x, sums, units) in [
            (self.visible, visible, stride),
            (self.hidden, hidden, width),
        ] {
            for (block, sums) in sums.chunks_mut(WIDTH).enumerate() {
                let mut sum = [0.0f32; WIDTH];
                let (rows, _) = x.as_chunks::<WIDTH>();
                for row in rows.iter().skip(block).step_by(units / WIDTH) {
                    for l in 0..WIDTH {
                        sum[l] += row[l];
                    }
                }
                for (total, sum) in sums.iter_mut().zip(sum) {
                    *total += self.weight * f64::from(sum);
                }
            }
        }
        // Units far apart, which the compiler does not try to make a vector of.
        let apart = stride / TALL;
        for i in 0..apart {
            for block in 0..width / WIDTH {
                let sum = products(self.visible, stride, i, self.hidden, width, block);
                let used = WIDTH.min(m - block * WIDTH);
                for k in 0..TALL {
                    if i + k * apart >= n {
                        continue;
                    }
                    let total = &mut couplings[(i + k * apart) * m + block * WIDTH..][..used];
                    if let Some(total) = total.first_chunk_mut::<WIDTH>() {
                        for l in 0..WIDTH {
                            total[l] += self.weight * f64::from(sum[k][l]);
                        }
                    } else {
                        for (total, sum) in total.iter_mut().zip(sum[k]) {
                            *total += self.weight * f64::from(sum);
                        }
                    }
                }
            }
        }
    }
}

/// Σ over rows of v_i h_j for [`TALL`] units i, i + stride/[`TALL`], … and one block of units j.
#[inline(always)]
fn products(
    visible: &[f32],
    stride: usize,
    i: usize,
    hidden: &[f32],
    width: usize,
    block: usize,
) -> [[f32; WIDTH]; TALL] {
    let (hidden, _) = hidden.as_chunks::<WIDTH>();
    let (apart, widths) = (stride / TALL, width / WIDTH);
    let mut sum = [[0.0f32; WIDTH]; TALL];
    for (row, x) in visible.chunks_exact(stride).enumerate() {
        let h = &hidden[row * widths + block];
        for k in 0..TALL {
            let s = x[i + k * apart];
            for l in 0..WIDTH {
                sum[k][l] = s.mul_add(h[l], sum[k][l]);
            }
        }
    }
    sum
}

/// Where the chains of a [`RestrictedGibbs`] stand.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct RestrictedState {
    /// Visible spins, `[chain * visible + unit]`.
    pub visible: Vec<i8>,
    /// Positions of the streams, as numbers.
    pub streams: Vec<u64>,
}

/// Chains of a restricted Boltzmann machine, and its conditional means.
#[derive(Clone, Debug)]
pub struct RestrictedGibbs {
    layers: Layers,
    visible: Vec<f32>,
    hidden: Vec<f32>,
    streams: Vec<Streams>,
}

impl RestrictedGibbs {
    /// `chains` chains, visible spins up, of a machine whose parameters are zero.
    pub fn new(visible: usize, hidden: usize, chains: usize, origin: impl Into<Origin>) -> Self {
        let layers = Layers::new(visible, hidden);
        let origin = origin.into();
        let first = |c: usize| (c * LANES) as u64;
        RestrictedGibbs {
            visible: vec![1.0; chains * layers.to_hidden.stride],
            hidden: vec![1.0; chains * layers.to_hidden.width],
            streams: (0..chains)
                .map(|c| Streams::new(origin, first(c)))
                .collect(),
            layers,
        }
    }

    /// Number of chains.
    pub fn chains(&self) -> usize {
        self.streams.len()
    }

    /// Length of a row of visible values: their number rounded up to whole rows of lanes.
    pub fn row(&self) -> usize {
        self.layers.to_hidden.stride
    }

    /// Length of a row of hidden values.
    pub fn hidden_row(&self) -> usize {
        self.layers.to_hidden.width
    }

    /// Sets fields (visible then hidden) and couplings, `couplings[i * hidden + j]`.
    ///
    /// # Errors
    /// Other numbers of them.
    pub fn reprogram(&mut self, fields: &[f64], couplings: &[f64]) -> Result<()> {
        let (n, m) = (self.layers.visible, self.layers.hidden);
        if fields.len() != n + m || couplings.len() != n * m {
            let value = format!("{} fields, {} couplings", fields.len(), couplings.len());
            let expected = format!("{} fields and {} couplings", n + m, n * m);
            return Err(Error::invalid("parameters", value, expected));
        }
        self.layers.set(fields, couplings);
        Ok(())
    }

    /// Visible spins of all chains, `[chain * row + unit]`; what lies beyond the units is not read.
    pub fn visible(&self) -> &[f32] {
        &self.visible
    }

    /// Puts the visible spins of chain `chain` to `row`.
    pub fn place(&mut self, chain: usize, row: &[f32]) {
        let stride = self.row();
        self.visible[chain * stride..][..row.len()].copy_from_slice(row);
    }

    /// `sweeps` times: all hidden spins of the first `chains` chains given the visible ones, then all visible ones.
    pub fn sweep(&mut self, chains: usize, sweeps: u64) {
        let chains = chains.min(self.chains());
        let visible = &mut self.visible[..chains * self.layers.to_hidden.stride];
        let hidden = &mut self.hidden[..chains * self.layers.to_hidden.width];
        let streams = &mut self.streams[..chains];
        for _ in 0..sweeps {
            half(&self.layers.to_hidden, visible, hidden, Some(streams));
            half(&self.layers.to_visible, hidden, visible, Some(streams));
        }
    }

    /// ⟨h_j⟩ = tanh(c_j + Σ_i W_ij v_i) for rows of visible spins, `[row * hidden_row + unit]`.
    pub fn hidden_means(&self, visible: &[f32], means: &mut Vec<f32>) {
        let chains = visible.len() / self.layers.to_hidden.stride;
        means.resize(chains * self.layers.to_hidden.width, 0.0);
        half(&self.layers.to_hidden, visible, means, None);
    }

    /// Adds `weight` times the sums over rows of v_i, h_j and v_i h_j, in the order of the parameters.
    pub fn add_statistics(&self, visible: &[f32], hidden: &[f32], weight: f64, sum: &mut [f64]) {
        // Short sums in single precision, long ones in double.
        let (stride, width) = (self.layers.to_hidden.stride, self.layers.to_hidden.width);
        let rows = visible.chunks(64 * stride);
        for (visible, hidden) in rows.zip(hidden.chunks(64 * width)) {
            let sum = &mut *sum;
            dispatch(Statistics {
                layers: &self.layers,
                visible,
                hidden,
                weight,
                sum,
            });
        }
    }

    /// Where the chains stand.
    pub fn state(&self) -> RestrictedState {
        let rows = self.visible.chunks_exact(self.row());
        let lanes = |s: &Streams| {
            (0..LANES)
                .flat_map(|l| s.position(l).numbers())
                .collect::<Vec<_>>()
        };
        RestrictedState {
            visible: rows
                .flat_map(|r| r[..self.layers.visible].iter().map(|&v| v as i8))
                .collect(),
            streams: self.streams.iter().flat_map(lanes).collect(),
        }
    }

    /// Puts the chains where `state` says.
    ///
    /// # Errors
    /// Another number of chains or units, or streams of another generator.
    pub fn restore(&mut self, state: &RestrictedState) -> Result<()> {
        let units = self.layers.visible;
        let bad = || {
            let expected = "the state of as many chains of as many units";
            Error::invalid("checkpoint", "another sampler's", expected)
        };
        if state.visible.len() != self.chains() * units {
            return Err(bad());
        }
        let mut rest = &state.streams[..];
        for streams in &mut self.streams {
            for lane in 0..LANES {
                let (position, after) = StreamPosition::split(rest).ok_or_else(bad)?;
                streams.set_position(lane, position)?;
                rest = after;
            }
        }
        if !rest.is_empty() {
            return Err(bad());
        }
        let stride = self.row();
        let rows = self.visible.chunks_exact_mut(stride);
        for (row, from) in rows.zip(state.visible.chunks_exact(units)) {
            for (to, from) in row.iter_mut().zip(from) {
                *to = f32::from(*from);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::streams::Generator;
    use super::*;
    use crate::simd::{InstructionSet, limited_to};

    /// Chains, means and sums of a machine whose layers fill no whole row.
    fn numbers(generator: Generator) -> (RestrictedState, Vec<u32>, Vec<u64>) {
        let (n, m, chains) = (37, 21, 13);
        let mut gibbs = RestrictedGibbs::new(n, m, chains, Origin::from((3, 1)).by(generator));
        let number = |k: usize| ((k * 31) % 23) as f64 * 0.05 - 0.5;
        let couplings: Vec<f64> = (0..n * m).map(number).collect();
        let fields: Vec<f64> = (0..n + m).map(|k| 0.5 * number(k)).collect();
        gibbs.reprogram(&fields, &couplings).unwrap();
        gibbs.sweep(chains, 9);
        let (mut means, mut sum) = (Vec::new(), vec![0.0; n + m + n * m]);
        gibbs.hidden_means(gibbs.visible(), &mut means);
        gibbs.add_statistics(gibbs.visible(), &means, 1.0 / 13.0, &mut sum);
        (
            gibbs.state(),
            means.iter().map(|v| v.to_bits()).collect(),
            sum.iter().map(|v| v.to_bits()).collect(),
        )
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        for generator in Generator::ALL {
            let on = |set| limited_to(set, || numbers(generator));
            let portable = on(InstructionSet::Portable);
            assert_eq!(portable, on(InstructionSet::Avx2));
            assert_eq!(portable, on(InstructionSet::Avx512));
        }
    }

    /// Means and sums are those of the equations, to single precision.
    #[test]
    fn means_and_sums_are_the_equations() {
        let (n, m) = (19, 5);
        let mut gibbs = RestrictedGibbs::new(n, m, 3, (1, 2));
        let couplings: Vec<f64> = (0..n * m).map(|k| 0.01 * k as f64 - 0.4).collect();
        let fields: Vec<f64> = (0..n + m).map(|k| 0.1 * k as f64 - 1.0).collect();
        gibbs.reprogram(&fields, &couplings).unwrap();
        gibbs.sweep(3, 4);
        let v = gibbs.visible().to_vec();
        let (row, width) = (gibbs.row(), gibbs.hidden_row());
        let (mut means, mut sum) = (Vec::new(), vec![0.0; n + m + n * m]);
        gibbs.hidden_means(&v, &mut means);
        gibbs.add_statistics(&v, &means, 2.0, &mut sum);
        let mut expected = vec![0.0; sum.len()];
        for c in 0..3 {
            let spin = |i: usize| f64::from(v[c * row + i]);
            for i in 0..n {
                expected[i] += 2.0 * spin(i);
            }
            for j in 0..m {
                let input = |i: usize| couplings[i * m + j] * spin(i);
                let mean = (fields[n + j] + (0..n).map(input).sum::<f64>()).tanh();
                assert!((f64::from(means[c * width + j]) - mean).abs() < 1e-6);
                expected[n + j] += 2.0 * mean;
                for i in 0..n {
                    expected[n + m + i * m + j] += 2.0 * mean * spin(i);
                }
            }
        }
        for (own, expected) in sum.iter().zip(&expected) {
            assert!((own - expected).abs() < 1e-5, "{own} {expected}");
        }
    }
}
