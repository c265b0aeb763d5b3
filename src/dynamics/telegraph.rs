//! Telegraph elements: spins that flip at rates σ(±2I)/τ0, with inputs from spins at once or through RC nodes.
//!
//! Each step, spin after spin in node order: with probability 1 − e^{−h/τ0} it is drawn anew from P(+1) = σ(2I), else kept.
//! That is the exact two-state propagator at fixed input, and for direct symmetric inputs it leaves the Boltzmann law
//! invariant at any h. Inputs through RC nodes are one step old; the nodes themselves take Euler–Maruyama steps.

use super::LANES;
use super::draw::{INPUT_TO_EXPONENT, redraw};
use super::euler_maruyama::EulerMaruyamaStep;
use super::force::row_entries;
use super::inputs::Inputs;
use super::lanes::{Collect, LaneKernel, dispatch_lanes};
use super::process::{LevelInput, Linear, Process};
use super::real::Real;
use super::scheme::{Setting, Stepper};
use super::streams::{Jump, Stream, Streams};
use super::tile::{Row, Tile, uniform_words};
use super::walk::{self, OneStep};
use crate::error::{Error, Result};

/// The sums field_i + Σ_j L_ij s_j of a linear map of the spins, times `factor`.
fn sums<R: Real>(factor: f64, field: &[f64], linear: &Linear) -> Inputs<R> {
    let rows: Vec<_> = (0..field.len()).map(|i| row_entries(linear, i)).collect();
    let pairs = field.iter().zip(&rows).map(|(&h, row)| (h, &row[..]));
    Inputs::new(factor, pairs)
}

enum Input<R: Real> {
    Direct(Inputs<R>),
    Node {
        /// (node, weight) of each spin's exponent.
        weights: Vec<Vec<(usize, R)>>,
        offset: Vec<R>,
        drive: Inputs<R>,
        synapses: Box<EulerMaruyamaStep<R>>,
    },
}

/// Steps the spins of a process, and the RC nodes that feed them.
pub struct TelegraphStepper<R: Real> {
    refresh: Vec<R>,
    clamped: Vec<bool>,
    skip: Jump,
    input: Input<R>,
    step: f64,
}

impl<R: Real> TelegraphStepper<R> {
    /// Prepares the spins of `process`; `setting.clamped` refers to spins.
    ///
    /// # Errors
    /// No spins, a step that is not positive, or unstable RC nodes.
    pub fn new(process: &Process, setting: &Setting<'_>) -> Result<Self> {
        let Some(levels) = &process.levels else {
            return Err(Error::invalid(
                "plan.scheme",
                "\"telegraph\"",
                "a process with two-state elements",
            ));
        };
        if !(setting.step > 0.0 && setting.step.is_finite()) {
            return Err(Error::invalid("plan.step", setting.step, "a positive time"));
        }
        let convert = |v: f64| R::from_f64(INPUT_TO_EXPONENT * v);
        let input = match &levels.input {
            LevelInput::Direct { field, coupling } => {
                Input::Direct(sums(INPUT_TO_EXPONENT, field, coupling))
            }
            LevelInput::Node {
                input,
                offset,
                drive,
            } => {
                let free = vec![false; process.nodes];
                let setting = Setting {
                    clamped: &free,
                    ..*setting
                };
                Input::Node {
                    weights: input
                        .iter()
                        .map(|row| row.iter().map(|&(j, v)| (j, convert(v))).collect())
                        .collect(),
                    offset: offset.iter().map(|&v| convert(v)).collect(),
                    drive: sums(1.0, &vec![0.0; process.nodes], drive),
                    synapses: Box::new(
                        EulerMaruyamaStep::new("euler-maruyama", process, &setting)?.driven(),
                    ),
                }
            }
        };
        Ok(TelegraphStepper {
            refresh: levels
                .tau
                .iter()
                .map(|tau| R::from_f64(-(-setting.step / tau).exp_m1()))
                .collect(),
            clamped: setting.clamped.to_vec(),
            skip: Jump::new(R::WORDS as u64),
            input,
            step: setting.step,
        })
    }

    #[inline(always)]
    fn step_spins<C: Collect>(&self, collect: C, tile: &mut Tile<R>) {
        let (levels, x) = (&mut tile.levels[..], &tile.spare[..]);
        match &mut tile.rng {
            Streams::Pcg(rng) => self.redraw_spins(collect, levels, x, rng),
            Streams::ChaCha8(rng) => self.redraw_spins(collect, levels, x, &mut **rng),
        }
    }

    #[inline(always)]
    fn redraw_spins<C: Collect, S: Stream>(
        &self,
        collect: C,
        levels: &mut [u32],
        x: &[Row<R>],
        rng: &mut S,
    ) {
        let mut words = [[0u32; LANES]; 2];
        for i in 0..self.refresh.len() {
            if self.clamped[i] {
                rng.skip(self.skip);
                continue;
            }
            let y = match &self.input {
                Input::Direct(inputs) => inputs.times_factor(collect, i, levels),
                Input::Node {
                    weights, offset, ..
                } => weighted(offset[i], &weights[i], x),
            };
            uniform_words::<R>(rng, &mut words);
            levels[i] = redraw(collect, self.refresh[i], &y, &words, levels[i]);
        }
    }
}

/// offset + Σ w_j x_j, lane by lane.
#[inline(always)]
fn weighted<R: Real>(offset: R, weights: &[(usize, R)], x: &[Row<R>]) -> Row<R> {
    let mut sum = Row::splat(offset);
    for &(j, weight) in weights {
        for lane in 0..LANES {
            sum[lane] = weight.fma(x[j][lane], sum[lane]);
        }
    }
    sum
}

struct Advance<'a, R: Real> {
    stepper: &'a TelegraphStepper<R>,
    tile: &'a mut Tile<R>,
    steps: u64,
}

impl<R: Real> LaneKernel for Advance<'_, R> {
    #[inline(always)]
    fn run<C: Collect>(self, collect: C) {
        let (stepper, tile) = (self.stepper, self.tile);
        let start = tile.time;
        for k in 0..self.steps {
            let t = stepper.step.mul_add(k as f64, start);
            if let Input::Node {
                drive, synapses, ..
            } = &stepper.input
            {
                for i in 0..tile.drive.len() {
                    let (force, pull) = (
                        synapses.constant(i),
                        drive.times_factor(collect, i, &tile.levels),
                    );
                    for lane in 0..LANES {
                        tile.drive[i][lane] = force + pull[lane];
                    }
                }
                walk::step_once(&**synapses, tile, t);
            }
            stepper.step_spins(collect, tile);
        }
        tile.time = stepper.step.mul_add(self.steps as f64, start);
        if let Input::Node { synapses, .. } = &stepper.input {
            synapses.field().store(tile);
        }
    }
}

impl<R: Real> Stepper<R> for TelegraphStepper<R> {
    fn begin(&self, tile: &mut Tile<R>) {
        if let Input::Node { synapses, .. } = &self.input {
            walk::begin(&**synapses, tile);
        }
    }

    fn advance(&self, tile: &mut Tile<R>, steps: u64) {
        dispatch_lanes(Advance {
            stepper: self,
            tile,
            steps,
        });
    }
}
