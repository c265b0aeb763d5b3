//! Telegraph elements: spins that flip at rates σ(±2I)/τ(I), with inputs from spins at once or through RC nodes.
//!
//! Each step, spin after spin in node order: with probability 1 − e^{−h/τ(I)} it is drawn anew from P(+1) = σ(2I), else
//! kept. That is the exact two-state propagator at fixed input, and for direct symmetric inputs it leaves the Boltzmann law
//! invariant at any h, since neither τ(I) nor σ(2I) depends on the spin itself. Inputs through RC nodes are one step old;
//! the nodes themselves take steps of any scheme; Euler–Maruyama steps feel the spins. Under a clock a step moves one class,
//! which sees latched outputs.

use super::LANES;
use super::draw::{INPUT_TO_EXPONENT, power_of_two, redraw};
use super::euler_maruyama::EulerMaruyamaStep;
use super::force::row_entries;
use super::inputs::Inputs;
use super::lanes::{Collect, LaneKernel, dispatch_lanes};
use super::process::{Clocking, LevelInput, Levels, Linear, Process};
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

enum Input<R: Real, N> {
    Direct(Inputs<R>),
    Node {
        /// (node, weight) of each spin's exponent.
        weights: Vec<Vec<(usize, R)>>,
        offset: Vec<R>,
        drive: Inputs<R>,
        synapses: Box<N>,
    },
}

/// How likely a spin is drawn anew in a step.
enum Refresh<R> {
    /// 1 − e^{−h/τ0} of each.
    Fixed(Vec<R>),
    /// 1 − e^{−h cosh(αI)/τ0}: α/2, which makes 2^{±αy/2} = e^{∓αI} of the exponent y, and −h log₂e/τ0 of each.
    ByInput { half: R, rates: Vec<R> },
}

impl<R: Real> Refresh<R> {
    fn new(levels: &Levels, step: f64) -> Self {
        let each = |f: &dyn Fn(f64) -> f64| levels.tau.iter().map(|&t| R::from_f64(f(t))).collect();
        if levels.tau_bias == 0.0 {
            return Refresh::Fixed(each(&|tau| -(-step / tau).exp_m1()));
        }
        Refresh::ByInput {
            half: R::from_f64(0.5 * levels.tau_bias),
            // cosh is half a sum.
            rates: each(&|tau| -0.5 * step / tau * std::f64::consts::LOG2_E),
        }
    }

    fn len(&self) -> usize {
        match self {
            Refresh::Fixed(values) | Refresh::ByInput { rates: values, .. } => values.len(),
        }
    }
}

/// 1 − 2^{rate (2^t + 2^−t)}, t = half · y, lane by lane.
#[inline(always)]
fn by_input<R: Real>(half: R, rate: R, y: &Row<R>) -> Row<R> {
    let mut out = Row::splat(R::ONE);
    for lane in 0..LANES {
        let tilt = half * y[lane];
        let sum = power_of_two(tilt) + power_of_two(R::ZERO - tilt);
        out[lane] = R::ONE - power_of_two(rate * sum);
    }
    out
}

/// Which spins run when.
struct Clock {
    /// Steps in a phase.
    steps: u64,
    classes: Vec<Vec<u32>>,
    /// Whether outputs are latched; without, the spins of a class must not see each other.
    latched: bool,
}

impl Clock {
    /// # Errors
    /// A step that is no whole fraction of a phase; a spin that does not exist.
    fn new(levels: &Levels, step: f64) -> Result<Option<Self>> {
        let Clocking::Phases { phase, classes } = &levels.clocking else {
            return Ok(None);
        };
        let steps = (phase / step).round();
        if !(steps >= 1.0 && (steps * step / phase - 1.0).abs() < 1e-6) {
            let expected = format!("a whole fraction of the clock's phase, {phase}");
            return Err(Error::invalid("plan.step", step, expected));
        }
        let n = levels.tau.len();
        if let Some(&spin) = classes.iter().flatten().find(|&&i| i >= n) {
            let expected = format!("spins below {n}");
            return Err(Error::invalid("clock", format!("spin {spin}"), expected));
        }
        let mut class_of = vec![usize::MAX; n];
        for (k, class) in classes.iter().enumerate() {
            class.iter().for_each(|&i| class_of[i] = k);
        }
        let sees_its_own = |rows: &Linear| {
            (0..n).any(|i| {
                let own = |j: usize| class_of[j] == class_of[i];
                row_entries(rows, i)
                    .iter()
                    .any(|&(j, v)| v != 0.0 && own(j))
            })
        };
        Ok(Some(Clock {
            steps: steps as u64,
            classes: classes
                .iter()
                .map(|class| class.iter().map(|&i| i as u32).collect())
                .collect(),
            latched: match &levels.input {
                LevelInput::Direct { coupling, .. } => sees_its_own(coupling),
                LevelInput::Node { .. } => true,
            },
        }))
    }

    /// The class that runs at a step.
    #[inline(always)]
    fn class(&self, tick: u64) -> &[u32] {
        &self.classes[((tick / self.steps) % self.classes.len() as u64) as usize]
    }
}

/// The largest decay rate of nodes that only decay, each by itself: it is their stiffness.
fn decay_rate(process: &Process) -> Option<f64> {
    let Linear::Sparse(rows) = &process.linear else {
        return None;
    };
    let plain = process
        .polynomial
        .iter()
        .skip(1)
        .flatten()
        .all(|&c| c == 0.0)
        && process.branches.is_empty()
        && matches!(process.mass, super::process::Mass::Identity);
    let own = |(i, row): (usize, &Vec<(usize, f64)>)| match row[..] {
        [] => Some(0.0),
        [(j, value)] if j == i && value <= 0.0 => Some(-value),
        _ => None,
    };
    let rates: Option<Vec<f64>> = rows.iter().enumerate().map(own).collect();
    let fastest = rates?.into_iter().fold(0.0, f64::max);
    (plain && fastest > 0.0).then_some(fastest)
}

/// Steps the spins of a process, and the nodes beside them by the scheme N.
pub(super) struct TelegraphStepper<R: Real, N> {
    refresh: Refresh<R>,
    clock: Option<Clock>,
    clamped: Vec<bool>,
    skip: Jump,
    input: Input<R, N>,
    step: f64,
}

impl<R: Real> TelegraphStepper<R, EulerMaruyamaStep<R>> {
    /// Prepares the spins of `process`, and Euler–Maruyama steps for the RC nodes that feed them; `setting.clamped` refers to
    /// spins.
    ///
    /// # Errors
    /// No spins, a step that is not positive, or unstable RC nodes.
    pub fn euler(process: &Process, setting: &Setting<'_>) -> Result<Self> {
        Self::new(process, setting, |setting| {
            // Known without the modes of a matrix of all nodes.
            let stiffness = setting.stiffness.or_else(|| decay_rate(process));
            let setting = Setting {
                stiffness,
                ..*setting
            };
            Ok(EulerMaruyamaStep::new("euler-maruyama", process, &setting)?.driven())
        })
    }
}

impl<R: Real, N: OneStep<R>> TelegraphStepper<R, N> {
    /// Prepares the spins of `process`, and the nodes beside them by `nodes`.
    ///
    /// # Errors
    /// No spins, a step that is not positive, or what `nodes` says.
    pub fn new(
        process: &Process,
        setting: &Setting<'_>,
        nodes: impl FnOnce(&Setting<'_>) -> Result<N>,
    ) -> Result<Self> {
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
                Input::Node {
                    weights: input
                        .iter()
                        .map(|row| row.iter().map(|&(j, v)| (j, convert(v))).collect())
                        .collect(),
                    offset: offset.iter().map(|&v| convert(v)).collect(),
                    drive: sums(1.0, &vec![0.0; process.nodes], drive),
                    synapses: Box::new(nodes(&Setting {
                        clamped: &free,
                        ..*setting
                    })?),
                }
            }
        };
        Ok(TelegraphStepper {
            refresh: Refresh::new(levels, setting.step),
            clock: Clock::new(levels, setting.step)?,
            clamped: setting.clamped.to_vec(),
            skip: Jump::new(R::WORDS as u64),
            input,
            step: setting.step,
        })
    }

    fn latches(&self) -> bool {
        self.clock.as_ref().is_some_and(|clock| clock.latched)
    }

    #[inline(always)]
    fn step_spins<C: Collect>(&self, collect: C, tile: &mut Tile<R>, class: Option<&[u32]>) {
        let (levels, x) = (&mut tile.levels[..], &tile.spare[..]);
        let shown = self.latches().then_some(&tile.latched[..]);
        match &mut tile.rng {
            Streams::Pcg(rng) => self.redraw_spins(collect, (levels, shown, class), x, rng),
            Streams::ChaCha8(rng) => {
                self.redraw_spins(collect, (levels, shown, class), x, &mut **rng);
            }
        }
    }

    #[inline(always)]
    fn redraw_spins<C: Collect, S: Stream>(
        &self,
        collect: C,
        (levels, shown, class): (&mut [u32], Option<&[u32]>, Option<&[u32]>),
        x: &[Row<R>],
        rng: &mut S,
    ) {
        let mut words = [[0u32; LANES]; 2];
        for k in 0..class.map_or(self.refresh.len(), <[u32]>::len) {
            let i = class.map_or(k, |class| class[k] as usize);
            if self.clamped[i] {
                rng.skip(self.skip);
                continue;
            }
            let y = match &self.input {
                Input::Direct(inputs) => inputs.times_factor(collect, i, shown.unwrap_or(&*levels)),
                Input::Node {
                    weights, offset, ..
                } => weighted(offset[i], &weights[i], x),
            };
            uniform_words::<R>(rng, &mut words);
            levels[i] = match &self.refresh {
                Refresh::Fixed(values) => {
                    let refresh = values[i];
                    redraw(collect, |_| refresh, &y, &words, levels[i])
                }
                Refresh::ByInput { half, rates } => {
                    let refresh = by_input(*half, rates[i], &y);
                    redraw(collect, |lane| refresh[lane], &y, &words, levels[i])
                }
            };
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

struct Advance<'a, R: Real, N> {
    stepper: &'a TelegraphStepper<R, N>,
    tile: &'a mut Tile<R>,
    steps: u64,
}

impl<R: Real, N: OneStep<R>> LaneKernel for Advance<'_, R, N> {
    #[inline(always)]
    fn run<C: Collect>(self, collect: C) {
        let (stepper, tile) = (self.stepper, self.tile);
        let start = tile.time;
        let first = (start / stepper.step).round() as u64;
        for k in 0..self.steps {
            let t = stepper.step.mul_add(k as f64, start);
            let tick = first + k;
            if let Some(clock) = &stepper.clock
                && clock.latched
                && tick.is_multiple_of(clock.steps)
            {
                tile.latched.copy_from_slice(&tile.levels);
            }
            if let Input::Node {
                drive, synapses, ..
            } = &stepper.input
            {
                let shown = if stepper.latches() {
                    &tile.latched
                } else {
                    &tile.levels
                };
                for i in 0..tile.drive.len() {
                    let (force, pull) = (
                        synapses.field().force.constant(i),
                        drive.times_factor(collect, i, shown),
                    );
                    for lane in 0..LANES {
                        tile.drive[i][lane] = force + pull[lane];
                    }
                }
                walk::step_once(&**synapses, tile, t);
            }
            let class = stepper.clock.as_ref().map(|clock| clock.class(tick));
            stepper.step_spins(collect, tile, class);
        }
        tile.time = stepper.step.mul_add(self.steps as f64, start);
        if let Input::Node { synapses, .. } = &stepper.input {
            synapses.field().store(tile);
        }
    }
}

impl<R: Real, N: OneStep<R>> Stepper<R> for TelegraphStepper<R, N> {
    fn begin(&self, tile: &mut Tile<R>) {
        if self.latches() && tile.latched.len() != tile.levels.len() {
            tile.latched.clone_from(&tile.levels);
        }
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
