//! Discrete events: Gillespie's exact simulation, and tau-leaping beside Euler–Maruyama.
//!
//! Both take uniform words from each chain's own stream, as many as the chain needs, so a run has the same bits for any
//! number of threads.

use super::LANES;
use super::euler_maruyama::EulerMaruyamaStep;
use super::process::{Jump, Process};
use super::real::Real;
use super::scheme::{Scheme, Setting, Stepper, no_levels};
use super::tile::Tile;
use super::walk::{OneStep, Walk};
use crate::error::{Error, Result};
use rand::RngExt;
use rand_distr::{Distribution, Poisson};

/// Exact simulation of a process that consists of jumps alone (Gillespie 1977).
#[derive(Clone, Copy, Debug)]
pub struct Gillespie;

/// In a step h every jump happens Poisson(h · rate at the start) times, beside an Euler–Maruyama step of the rest.
#[derive(Clone, Copy, Debug)]
pub struct TauLeap;

/// The jumps of a process and the rates' parameters.
#[derive(Clone, Debug)]
struct Events {
    jumps: Vec<Jump>,
}

impl Events {
    /// The jumps of `process`; the effect of constant sources goes into `log_rate`.
    fn new(name: &str, process: &Process, setting: &Setting<'_>) -> Result<Self> {
        let refuse = |expected: &str| {
            let value = format!("\"{name}\"");
            Err(Error::invalid("plan.scheme", value, expected))
        };
        if process.jumps.is_empty() {
            return refuse("a process with charge jumps (level \"poisson\")");
        }
        if setting.clamped.contains(&true) {
            let value = "nodes that charge jumps move";
            return Err(Error::invalid(
                "clamp.nodes",
                value,
                "no clamps, or a voltage source",
            ));
        }
        if !(setting.step > 0.0 && setting.step.is_finite()) {
            return Err(Error::invalid("plan.step", setting.step, "a positive time"));
        }
        Ok(Events {
            jumps: process.jumps.clone(),
        })
    }

    fn rate(&self, process: &[super::wave::Wave], jump: &Jump, x: &[f64], t: f64) -> f64 {
        let nodes: f64 = jump.input.iter().map(|&(i, w)| w * x[i]).sum();
        let waves: f64 = jump.waves.iter().map(|&(k, w)| w * process[k].at(t)).sum();
        (jump.log_rate + nodes + waves).exp()
    }
}

impl<R: Real> Scheme<R> for Gillespie {
    fn name(&self) -> &'static str {
        "gillespie"
    }

    fn describe(&self) -> &'static str {
        "exact for charge jumps between constant sources"
    }

    fn prepare(&self, process: &Process, setting: &Setting<'_>) -> Result<Box<dyn Stepper<R>>> {
        no_levels("gillespie", process)?;
        let events = Events::new("gillespie", process, setting)?;
        let constant = process.waves.iter().all(super::wave::Wave::is_constant);
        if continuous(process) || !constant {
            return Err(Error::invalid(
                "plan.scheme",
                "\"gillespie\"",
                "jumps between constant sources only; tau-leap takes the rest",
            ));
        }
        Ok(Box::new(GillespieStepper {
            events,
            waves: process.waves.clone(),
            step: setting.step,
        }))
    }
}

/// Whether anything but jumps moves the nodes.
fn continuous(process: &Process) -> bool {
    let noisy = match &process.noise {
        super::process::Noise::Diagonal(sigma) => sigma.iter().any(|&s| s != 0.0),
        super::process::Noise::Factor(_) => true,
    };
    let coupled = (0..process.nodes).any(|i| {
        super::force::row_entries(&process.linear, i)
            .iter()
            .any(|e| e.1 != 0.0)
    });
    let curved = process.polynomial.iter().flatten().any(|&c| c != 0.0);
    noisy || coupled || curved || !process.branches.is_empty() || !process.drives.is_empty()
}

struct GillespieStepper {
    events: Events,
    waves: Vec<super::wave::Wave>,
    step: f64,
}

impl<R: Real> Stepper<R> for GillespieStepper {
    fn begin(&self, _tile: &mut Tile<R>) {}

    fn advance(&self, tile: &mut Tile<R>, steps: u64) {
        let horizon = self.step * steps as f64;
        let mut x = vec![0.0; tile.x.len()];
        let mut rates = vec![0.0; self.events.jumps.len()];
        for lane in 0..tile.lanes {
            for (x, row) in x.iter_mut().zip(&tile.x) {
                *x = row[lane].to_f64();
            }
            let mut rng = tile.rng.lane(lane);
            let mut left = horizon;
            loop {
                let mut total = 0.0;
                for (rate, jump) in rates.iter_mut().zip(&self.events.jumps) {
                    *rate = self.events.rate(&self.waves, jump, &x, 0.0);
                    total += *rate;
                }
                // 1 − u is in (0, 1].
                let wait = -(1.0 - rng.random::<f64>()).ln() / total;
                if wait.is_nan() || wait > left {
                    break;
                }
                left -= wait;
                let mut pick = rng.random::<f64>() * total;
                let chosen = rates.iter().position(|rate| {
                    pick -= rate;
                    pick < 0.0
                });
                let jump = &self.events.jumps[chosen.unwrap_or(rates.len() - 1)];
                for &(i, change) in &jump.change {
                    x[i] += change;
                }
            }
            for (x, row) in x.iter().zip(&mut tile.x) {
                row[lane] = R::from_f64(*x);
            }
        }
        tile.time += horizon;
    }
}

impl<R: Real> Scheme<R> for TauLeap {
    fn name(&self) -> &'static str {
        "tau-leap"
    }

    fn describe(&self) -> &'static str {
        "weak order 1 for charge jumps, Euler-Maruyama for the rest; no stability limit is known in advance"
    }

    fn prepare(&self, process: &Process, setting: &Setting<'_>) -> Result<Box<dyn Stepper<R>>> {
        no_levels("tau-leap", process)?;
        let events = Events::new("tau-leap", process, setting)?;
        Ok(Box::new(TauLeapStepper {
            events,
            waves: process.waves.clone(),
            rest: continuous(process)
                .then(|| EulerMaruyamaStep::new("tau-leap", process, setting).map(Walk))
                .transpose()?,
            step: setting.step,
        }))
    }
}

struct TauLeapStepper<R: Real> {
    events: Events,
    waves: Vec<super::wave::Wave>,
    rest: Option<Walk<EulerMaruyamaStep<R>>>,
    step: f64,
}

impl<R: Real> TauLeapStepper<R> {
    /// Adds the jumps of one step, at the rates of the present `tile.x`, to `moved[node * LANES + lane]`.
    fn leap(&self, tile: &mut Tile<R>, x: &mut [f64], moved: &mut [f64], t: f64) {
        moved.fill(0.0);
        for lane in 0..tile.lanes {
            for (x, row) in x.iter_mut().zip(&tile.x) {
                *x = row[lane].to_f64();
            }
            let mut rng = tile.rng.lane(lane);
            for jump in &self.events.jumps {
                let mean = self.step * self.events.rate(&self.waves, jump, x, t);
                // A mean beyond the law's range means that the step was far too long: the run ends as diverged.
                let count = match Poisson::new(mean) {
                    Ok(law) => law.sample(&mut rng),
                    Err(_) if mean == 0.0 => 0.0,
                    Err(_) => f64::NAN,
                };
                for &(i, change) in &jump.change {
                    moved[i * LANES + lane] += count * change;
                }
            }
        }
    }
}

impl<R: Real> Stepper<R> for TauLeapStepper<R> {
    fn begin(&self, tile: &mut Tile<R>) {
        if let Some(rest) = &self.rest {
            rest.begin(tile);
        }
    }

    fn advance(&self, tile: &mut Tile<R>, steps: u64) {
        let start = tile.time;
        let mut x = vec![0.0; tile.x.len()];
        let mut moved = vec![0.0; tile.x.len() * LANES];
        for k in 0..steps {
            let t = self.step.mul_add(k as f64, start);
            self.leap(tile, &mut x, &mut moved, t);
            if let Some(rest) = &self.rest {
                rest.0.field().pack(tile);
                tile.time = t;
                rest.advance(tile, 1);
            }
            for (row, moved) in tile.x.iter_mut().zip(moved.chunks(LANES)) {
                for lane in 0..LANES {
                    row[lane] = R::from_f64(row[lane].to_f64() + moved[lane]);
                }
            }
        }
        tile.time = self.step.mul_add(steps as f64, start);
    }
}
