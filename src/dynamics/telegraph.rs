//! Telegraph elements: spins that flip at rates σ(±2I)/τ0, with inputs from spins at once or through RC nodes.
//!
//! Each step, spin after spin in node order: with probability 1 − e^{−h/τ0} it is drawn anew from P(+1) = σ(2I), else kept.
//! That is the exact two-state propagator at fixed input, and for direct symmetric inputs it leaves the Boltzmann law
//! invariant at any h. Inputs through RC nodes are one step old; the nodes themselves take Euler–Maruyama steps.

use super::LANES;
use super::euler_maruyama::EulerMaruyamaStep;
use super::force::row_entries;
use super::gibbs::local_input;
use super::process::{LevelInput, Linear, Process};
use super::real::Real;
use super::scheme::{Setting, Stepper};
use super::simd::{Kernel, dispatch};
use super::streams::{Jump, Stream};
use super::tile::{Row, Tile, uniform_words};
use super::walk::{self, OneStep};
use crate::error::{Error, Result};

/// Sparse rows in the engine's type.
type Rows<R> = Vec<Vec<(usize, R)>>;

fn rows<R: Real>(linear: &Linear, n: usize) -> Rows<R> {
    (0..n)
        .map(|i| {
            row_entries(linear, i)
                .into_iter()
                .map(|(j, v)| (j, R::from_f64(v)))
                .collect()
        })
        .collect()
}

enum Input<R: Real> {
    Direct {
        field: Vec<R>,
        coupling: Rows<R>,
    },
    Node {
        input: Rows<R>,
        offset: Vec<R>,
        drive: Rows<R>,
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
        let n = levels.tau.len();
        let convert = |v: &[f64]| v.iter().map(|&v| R::from_f64(v)).collect::<Vec<R>>();
        let input = match &levels.input {
            LevelInput::Direct { field, coupling } => Input::Direct {
                field: convert(field),
                coupling: rows(coupling, n),
            },
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
                    input: input
                        .iter()
                        .map(|row| row.iter().map(|&(j, v)| (j, R::from_f64(v))).collect())
                        .collect(),
                    offset: convert(offset),
                    drive: rows(drive, process.nodes),
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
    fn step_spins(&self, tile: &mut Tile<R>) {
        let mut words = [[0u32; LANES]; 2];
        for i in 0..self.refresh.len() {
            if self.clamped[i] {
                tile.rng.skip(self.skip);
                continue;
            }
            let input = match &self.input {
                Input::Direct { field, coupling } => {
                    local_input(field[i], &coupling[i], &tile.levels)
                }
                Input::Node { input, offset, .. } => local_input(offset[i], &input[i], &tile.spare),
            };
            uniform_words::<R>(&mut tile.rng, &mut words);
            redraw(self.refresh[i], &input, &words, &mut tile.levels[i]);
        }
    }
}

/// With probability `refresh` a spin is drawn anew from P(+1) = σ(2I), else kept: one uniform number decides both.
#[inline(always)]
fn redraw<R: Real>(refresh: R, input: &Row<R>, words: &[[u32; LANES]; 2], level: &mut Row<R>) {
    for lane in 0..LANES {
        let u = R::uniform([words[0][lane], words[1][lane]]);
        let up = refresh * (input[lane] + input[lane]).logistic();
        let drawn = if u <= up { R::ONE } else { -R::ONE };
        level[lane] = if u <= refresh { drawn } else { level[lane] };
    }
}

struct Advance<'a, R: Real> {
    stepper: &'a TelegraphStepper<R>,
    tile: &'a mut Tile<R>,
    steps: u64,
}

impl<R: Real> Kernel for Advance<'_, R> {
    #[inline(always)]
    fn run(self) {
        let (stepper, tile) = (self.stepper, self.tile);
        let start = tile.time;
        for k in 0..self.steps {
            let t = stepper.step.mul_add(k as f64, start);
            if let Input::Node {
                drive, synapses, ..
            } = &stepper.input
            {
                for (i, row) in drive.iter().enumerate() {
                    tile.drive[i] = local_input(synapses.constant(i), row, &tile.levels);
                }
                walk::step_once(&**synapses, tile, t);
            }
            stepper.step_spins(tile);
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
        dispatch(Advance {
            stepper: self,
            tile,
            steps,
        });
    }
}
