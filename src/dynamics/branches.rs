//! The nonlinear terms of a process on a tile: rows `output` get weight · amplitude · f(u), u = Σ weight·x + offset, and noise.
//!
//! Forces, kicks and slopes are kernels of their own, so that the laws (a dozen functions, each with its noise and its slopes) are
//! compiled once for each instruction set and not into every scheme; the call costs nothing beside 32 exponentials. Branches go
//! kind by kind. Per branch and lane: one multiply-add for each node seen or pushed, and the law (about 12 operations for an
//! exponential, 20 for a tanh).

use super::LANES;
use super::law::{Flux, FluxSlope, Loudness, Slope, Value};
use super::linear;
use super::process::{Branch, Calculus, Process};
use super::real::Real;
use super::tile::{Row, Tile, reserve};
use super::wave::Wave;
use crate::simd::{Kernel, dispatch};

#[derive(Clone, Debug)]
struct Kick<R> {
    /// Row of the normals.
    row: usize,
    /// Strength · amplitude · h.
    density: R,
    /// Amplitude of the Itô correction of anti-Itô calculus: ½ strength · amplitude · (w_in · M⁻¹ w_out).
    correction: f64,
    flux: Flux,
    calculus: Calculus,
}

#[derive(Clone, Debug)]
struct Element<R> {
    branch: Branch,
    /// (free row, weight) of u and of the force.
    input: Vec<(usize, R)>,
    output: Vec<(usize, R)>,
    /// (clamped node, weight) of u.
    held: Vec<(usize, f64)>,
    kick: Option<Kick<R>>,
}

/// The branches of a process on its free rows.
#[derive(Clone, Debug)]
pub(super) struct Branches<R> {
    elements: Vec<Element<R>>,
    waves: Vec<Wave>,
    noisy: usize,
}

/// What is constant of each branch's variable during a phase, the free rows, and the time.
type State<'a, R> = (&'a [Row<R>], &'a [Row<R>], f64);

impl<R: Real> Branches<R> {
    /// The branches of `process`, whose node i is free row `row_of[i]`; their normals follow those of the `rows` free rows, in
    /// the order of the process.
    pub fn new(process: &Process, row_of: &[Option<usize>], rows: usize, step: f64) -> Self {
        let mut noisy = 0;
        let free = |entries: &[(usize, f64)]| -> Vec<(usize, R)> {
            let free = entries.iter().filter_map(|&(i, w)| Some((row_of[i]?, w)));
            free.map(|(row, w)| (row, R::from_f64(w))).collect()
        };
        let mut element = |branch: &Branch| {
            let kick = branch.noise.map(|noise| {
                noisy += 1;
                let strength = noise.strength * branch.amplitude;
                let response = linear::self_response(process, branch, |i| row_of[i].is_some());
                Kick {
                    row: rows + noisy - 1,
                    density: R::from_f64(strength * step),
                    correction: 0.5 * strength * response,
                    flux: noise.flux,
                    calculus: noise.calculus,
                }
            });
            let held = branch.input.iter().filter(|e| row_of[e.0].is_none());
            Element {
                input: free(&branch.input),
                output: free(&branch.output),
                held: held.copied().collect(),
                kick,
                branch: branch.clone(),
            }
        };
        let mut elements: Vec<Element<R>> = process.branches.iter().map(&mut element).collect();
        elements.sort_by_key(|element| element.branch.law.kind());
        Branches {
            elements,
            waves: process.waves.clone(),
            noisy,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// How many have noise of their own.
    pub fn noisy(&self) -> usize {
        self.noisy
    }

    /// A waveform of the process.
    pub fn wave(&self, k: usize) -> &Wave {
        &self.waves[k]
    }

    /// Whether all their noise is independent of the state.
    pub fn additive(&self) -> bool {
        let mut kicks = self.elements.iter().filter_map(|e| e.kick.as_ref());
        kicks.all(|kick| kick.flux == Flux::Constant)
    }

    /// Computes what is constant during a phase: offsets and clamped nodes.
    pub fn begin(&self, tile: &mut Tile<R>) {
        reserve(&mut tile.held, self.elements.len());
        for (element, held) in self.elements.iter().zip(&mut tile.held) {
            *held = Row::splat(R::from_f64(element.branch.offset));
            for &(node, weight) in &element.held {
                for lane in 0..LANES {
                    held[lane] = R::from_f64(weight).fma(tile.x[node][lane], held[lane]);
                }
            }
        }
    }

    /// Adds the forces at a state and time to `out`, read in `calculus`.
    #[inline(always)]
    pub fn add_forces(&self, state: State<'_, R>, calculus: Calculus, out: &mut [Row<R>]) {
        if !self.elements.is_empty() {
            let branches = self;
            dispatch(Forces {
                branches,
                state,
                calculus,
                out,
            });
        }
    }

    /// Adds `scale` times the noise at a state and time to `out`.
    #[inline(always)]
    pub fn add_kicks(&self, state: State<'_, R>, scale: R, normals: &[Row<R>], out: &mut [Row<R>]) {
        if self.noisy > 0 {
            let branches = self;
            dispatch(Kicks {
                branches,
                state,
                scale,
                normals,
                out,
            });
        }
    }

    /// Adds `factor` · ∂(force)/∂x at a state and time to the matrix entries at `slots`.
    #[inline(always)]
    pub fn add_slopes(
        &self,
        state: State<'_, R>,
        factor: R,
        slots: &[Vec<usize>],
        out: &mut [Row<R>],
    ) {
        if !self.elements.is_empty() {
            let branches = self;
            dispatch(Slopes {
                branches,
                state,
                factor,
                slots,
                out,
            });
        }
    }

    /// (output row, input row) of every branch.
    pub fn pattern(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.elements.iter().flat_map(|element| {
            let inputs = move |out: usize| element.input.iter().map(move |e| (out, e.0));
            element.output.iter().flat_map(move |e| inputs(e.0))
        })
    }

    /// `slot` of every pair of [`Self::pattern`], branch by branch.
    pub fn slots(&self, slot: impl Fn(usize, usize) -> usize) -> Vec<Vec<usize>> {
        let of = |element: &Element<R>| {
            let outputs = element.output.iter();
            let pairs = outputs.flat_map(|o| element.input.iter().map(move |i| (o.0, i.0)));
            pairs.map(|(i, j)| slot(i, j)).collect()
        };
        self.elements.iter().map(of).collect()
    }

    /// u of a branch.
    #[inline(always)]
    fn variable(&self, element: &Element<R>, held: &Row<R>, (x, t): (&[Row<R>], f64)) -> Row<R> {
        let mut sum = Row::splat(R::ZERO);
        for &(row, weight) in &element.input {
            for lane in 0..LANES {
                sum[lane] = weight.fma(x[row][lane], sum[lane]);
            }
        }
        let waves = element.branch.waves.iter();
        let waves = R::from_f64(waves.map(|&(k, w)| w * self.waves[k].at(t)).sum());
        for lane in 0..LANES {
            sum[lane] = sum[lane] + (held[lane] + waves);
        }
        sum
    }

    fn gate(&self, element: &Element<R>, t: f64) -> f64 {
        element.branch.gate.map_or(1.0, |k| self.waves[k].at(t))
    }
}

/// Adds `value` to the rows that a branch pushes.
#[inline(always)]
fn push<R: Real>(output: &[(usize, R)], value: &Row<R>, out: &mut [Row<R>]) {
    for &(row, weight) in output {
        let out = &mut out[row];
        for lane in 0..LANES {
            out[lane] = weight.fma(value[lane], out[lane]);
        }
    }
}

struct Forces<'a, R> {
    branches: &'a Branches<R>,
    state: State<'a, R>,
    calculus: Calculus,
    out: &'a mut [Row<R>],
}

impl<R: Real> Kernel for Forces<'_, R> {
    #[inline(always)]
    fn run(self) {
        let (held, x, t) = self.state;
        for (element, held) in self.branches.elements.iter().zip(held) {
            let branch = &element.branch;
            let u = self.branches.variable(element, held, (x, t));
            let gate = self.branches.gate(element, t);
            let gain = R::from_f64(branch.amplitude * gate);
            let mut force = branch.law.lanes(&u, Value(gain));
            if let Some(kick) = &element.kick {
                let alpha = kick.calculus.alpha() - self.calculus.alpha();
                let factor = R::from_f64(alpha * kick.correction * gate);
                if factor != R::ZERO && kick.flux != Flux::Constant {
                    let extra = branch.law.lanes(&u, FluxSlope(factor, kick.flux));
                    for lane in 0..LANES {
                        force[lane] = force[lane] + extra[lane];
                    }
                }
            }
            push(&element.output, &force, self.out);
        }
    }
}

struct Kicks<'a, R> {
    branches: &'a Branches<R>,
    state: State<'a, R>,
    scale: R,
    normals: &'a [Row<R>],
    out: &'a mut [Row<R>],
}

impl<R: Real> Kernel for Kicks<'_, R> {
    #[inline(always)]
    fn run(self) {
        let (held, x, t) = self.state;
        for (element, held) in self.branches.elements.iter().zip(held) {
            let Some(kick) = &element.kick else { continue };
            let u = self.branches.variable(element, held, (x, t));
            let density = kick.density * R::from_f64(self.branches.gate(element, t));
            let mut noise = element.branch.law.lanes(&u, Loudness(density, kick.flux));
            let normals = &self.normals[kick.row];
            for lane in 0..LANES {
                noise[lane] = self.scale * noise[lane] * normals[lane];
            }
            push(&element.output, &noise, self.out);
        }
    }
}

struct Slopes<'a, R> {
    branches: &'a Branches<R>,
    state: State<'a, R>,
    factor: R,
    slots: &'a [Vec<usize>],
    out: &'a mut [Row<R>],
}

impl<R: Real> Kernel for Slopes<'_, R> {
    #[inline(always)]
    fn run(self) {
        let (held, x, t) = self.state;
        let elements = self.branches.elements.iter().zip(held).zip(self.slots);
        for ((element, held), slots) in elements {
            let u = self.branches.variable(element, held, (x, t));
            let amplitude = element.branch.amplitude * self.branches.gate(element, t);
            let gain = self.factor * R::from_f64(amplitude);
            let slope = element.branch.law.lanes(&u, Slope(gain));
            let outputs = element.output.iter();
            let weights = outputs.flat_map(|o| element.input.iter().map(move |i| o.1 * i.1));
            for (weight, &slot) in weights.zip(slots) {
                let out = &mut self.out[slot];
                for lane in 0..LANES {
                    out[lane] = weight.fma(slope[lane], out[lane]);
                }
            }
        }
    }
}
