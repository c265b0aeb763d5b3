//! Digital samplers on the same engine: unadjusted and Metropolis-adjusted Langevin, and chromatic Gibbs.

use super::lower::{StiffnessTracker, langevin_process, pairwise, spin_process};
use super::{
    ChainState, Cost, Description, Follow, Horizon, Phase, Run, Sampler, Samples, clamp_mask,
};
use crate::dynamics::streams::StreamPosition;
use crate::dynamics::{
    Compiled, Ensemble, GibbsStepper, MetropolisStepper, NormalBits, Origin, Process, Recorded,
    Setting, Stepper, scheme,
};
use crate::energy::{Model, Parameters, Parametric};
use crate::error::{Error, Result};

/// Acceptance rate that MALA is tuned to in warm-up (Roberts & Rosenthal 1998).
const TARGET: f64 = 0.574;
/// Pieces of the first burn-in after which MALA's step is adapted.
const TUNING_ROUNDS: u64 = 40;

/// Langevin dynamics of an energy: ULA, or MALA.
#[derive(Debug)]
pub struct LangevinSampler<R: Compiled> {
    model: Model,
    process: Process,
    ensemble: Ensemble<R>,
    adjusted: bool,
    fixed_step: Option<f64>,
    tolerance: f64,
    tuned: Option<f64>,
    stiffness: StiffnessTracker,
    follow: Follow,
}

impl<R: Compiled> LangevinSampler<R> {
    /// `chains` chains of the energy; `adjusted` for MALA. Without a step, ULA takes the one of `tolerance`, MALA tunes its
    /// own in the first burn-in.
    ///
    /// # Errors
    /// An energy of spins, or a step beyond ULA's stability limit.
    pub fn new(
        model: &Model,
        chains: usize,
        origin: impl Into<Origin>,
        adjusted: bool,
        step: Option<f64>,
        tolerance: f64,
        follow: Follow,
    ) -> Result<Self> {
        let process = langevin_process(&pairwise(model)?);
        let sampler = LangevinSampler {
            ensemble: Ensemble::from_origin(origin, chains, process.nodes, 0),
            stiffness: StiffnessTracker::new(model),
            model: model.clone(),
            process,
            adjusted,
            fixed_step: step,
            tolerance,
            tuned: None,
            follow,
        };
        sampler.stepper(sampler.step(), &vec![false; model.dim()])?;
        Ok(sampler)
    }

    fn step(&self) -> f64 {
        let stiffness = self.stiffness.value().unwrap_or(1.0);
        self.fixed_step.or(self.tuned).unwrap_or_else(|| {
            if self.adjusted {
                // A start for the tuning: the optimal scaling n^{-1/3} of the stiffest length squared.
                1.0 / stiffness / (self.model.dim() as f64).cbrt()
            } else {
                2.0 * self.tolerance / (1.0 + self.tolerance) / stiffness
            }
        })
    }

    fn stepper(&self, step: f64, clamped: &[bool]) -> Result<Box<dyn Stepper<R>>> {
        let setting = Setting {
            step,
            clamped,
            stiffness: self.stiffness.value(),
            normals: NormalBits::Full,
        };
        if self.adjusted {
            Ok(Box::new(MetropolisStepper::new(&self.process, &setting)?))
        } else {
            scheme::<R>("euler-maruyama")?.prepare(&self.process, &setting)
        }
    }

    /// Adapts MALA's step over the burn-in, after which it stays fixed; returns the steps that are left of it.
    fn tune(&mut self, burn_in: u64, clamped: &[bool]) -> Result<u64> {
        let rounds = TUNING_ROUNDS.min(burn_in);
        let each = burn_in / rounds.max(1);
        for _ in 0..rounds {
            let step = self.step();
            let stepper = self.stepper(step, clamped)?;
            let recorded = self
                .ensemble
                .run(&*stepper, 0, 1, each, self.follow.control())?;
            let rate = recorded.accepted as f64 / (self.ensemble.chains() as f64 * each as f64);
            self.tuned = Some(step * (1.5 * (rate - TARGET)).exp());
        }
        Ok(burn_in - each * rounds)
    }
}

/// Steps and draws of a phase counted in steps.
pub(super) fn count(phase: &Phase, step: Option<f64>) -> Result<(u64, u64, u64)> {
    let steps = |horizon: Horizon, name: &str| match horizon {
        Horizon::Steps(steps) => Ok(steps),
        Horizon::Time(time) => step
            .map(|h| (time / h - 1e-9).ceil().max(1.0) as u64)
            .ok_or_else(|| Error::invalid(name, format!("a time of {time}"), "a number of sweeps")),
        Horizon::Seconds(s) => Err(Error::invalid(
            name,
            format!("{s} s"),
            "a number of steps (a digital sampler has no device time)",
        )),
    };
    let burn_in = steps(phase.burn_in, "digital.burn_in")?;
    let duration = steps(phase.duration, "digital.steps")?;
    let every = match phase.every {
        Some(every) => steps(every, "digital.thin")?.max(1),
        None => duration.max(1),
    };
    if duration / every == 0 {
        return Err(Error::invalid(
            "digital.steps",
            duration,
            format!("at least thin = {every}"),
        ));
    }
    Ok((burn_in, duration / every, every))
}

/// The result of a digital phase.
pub(super) fn finish(
    recorded: Recorded,
    chains: usize,
    nodes: usize,
    (burn_in, draws, every): (u64, u64, u64),
    adjusted: bool,
) -> Run {
    let steps = burn_in + draws * every;
    Run {
        samples: Samples {
            chains,
            draws: draws as usize,
            nodes,
            x: recorded.x,
            t: (1..=draws).map(|k| (burn_in + k * every) as f64).collect(),
        },
        steps,
        cost: Cost::default(),
        read_seconds: 0.0,
        clip_fraction: 0.0,
        acceptance: adjusted.then(|| recorded.accepted as f64 / (chains as f64 * steps as f64)),
    }
}

/// What Gibbs samplers say of themselves: sweeps, no bias.
pub(super) fn gibbs(chains: usize, nodes: usize) -> Description {
    Description {
        name: "gibbs".to_owned(),
        kind: "digital".to_owned(),
        chains,
        nodes,
        step: None,
        first_order_bias: false,
        predicted_bias: Some(0.0),
    }
}

/// The state of a sampler that adapts nothing.
pub(super) fn state<R: Compiled>(ensemble: &Ensemble<R>) -> ChainState {
    ChainState {
        values: ensemble.values(),
        streams: streams(ensemble),
        adapted: Vec::new(),
    }
}

pub(super) fn streams<R: Compiled>(ensemble: &Ensemble<R>) -> Option<Vec<Vec<u64>>> {
    Some(
        ensemble
            .streams()
            .into_iter()
            .map(StreamPosition::numbers)
            .collect(),
    )
}

pub(super) fn restore<R: Compiled>(ensemble: &mut Ensemble<R>, state: &ChainState) -> Result<()> {
    ensemble.set_values(&state.values)?;
    if let Some(streams) = &state.streams {
        let positions = streams
            .iter()
            .map(|s| match StreamPosition::split(s) {
                Some((position, [])) => Ok(position),
                _ => Err(Error::invalid(
                    "state.streams",
                    "another sampler's entry",
                    "a state of this sampler",
                )),
            })
            .collect::<Result<Vec<_>>>()?;
        ensemble.restore_streams(&positions)?;
    }
    Ok(())
}

impl<R: Compiled> Sampler for LangevinSampler<R> {
    fn describe(&self) -> Description {
        let step = self.step();
        let inflation = self
            .stiffness
            .value()
            .map(|l| 0.5 * step * l / (1.0 - 0.5 * step * l));
        Description {
            name: if self.adjusted { "mala" } else { "ula" }.to_owned(),
            kind: "digital".to_owned(),
            chains: self.ensemble.chains(),
            nodes: self.model.dim(),
            step: Some(step),
            predicted_bias: if self.adjusted { Some(0.0) } else { inflation },
            first_order_bias: !self.adjusted,
        }
    }

    fn state(&self) -> ChainState {
        ChainState {
            values: self.ensemble.values(),
            streams: streams(&self.ensemble),
            adapted: [
                vec![self.tuned.unwrap_or(f64::NAN)],
                self.stiffness.numbers(),
            ]
            .concat(),
        }
    }

    fn restore(&mut self, state: &ChainState) -> Result<()> {
        if let [tuned, rest @ ..] = &state.adapted[..] {
            self.tuned = Some(*tuned).filter(|v| !v.is_nan());
            self.stiffness.remember(rest)?;
        }
        restore(&mut self.ensemble, state)
    }

    fn run(&mut self, phase: &Phase) -> Result<Run> {
        let counts = count(phase, Some(self.step()))?;
        let clamped = clamp_mask(phase.clamp.as_ref(), self.model.dim())?;
        if let Some(clamp) = &phase.clamp {
            self.ensemble.write_clamped(&clamp.nodes, &clamp.values)?;
        }
        let mut burn_in = counts.0;
        if self.adjusted && self.fixed_step.is_none() && self.tuned.is_none() && burn_in > 0 {
            burn_in = self.tune(burn_in, &clamped)?;
        }
        let mut step = self.step();
        if let (Horizon::Time(time), None, false) = (phase.duration, phase.every, self.adjusted) {
            // One stretch of time that must come out exactly.
            step = time / counts.2 as f64;
        }
        let stepper = self.stepper(step, &clamped)?;
        let control = self.follow.control();
        let recorded =
            self.ensemble
                .run(&*stepper, burn_in, counts.1 as usize, counts.2, control)?;
        let mut run = finish(
            recorded,
            self.ensemble.chains(),
            self.model.dim(),
            (burn_in, counts.1, counts.2),
            self.adjusted,
        );
        run.steps = counts.0 + counts.1 * counts.2;
        Ok(run)
    }

    fn reprogram(&mut self, parameters: &Parameters) -> Result<Cost> {
        self.model.set_parameters(parameters)?;
        self.process = langevin_process(&pairwise(&self.model)?);
        self.stiffness.update(&self.model);
        Ok(Cost::default())
    }
}

/// Chromatic Gibbs sampling of spins.
#[derive(Debug)]
pub struct GibbsSampler {
    model: Model,
    ensemble: Ensemble<f32>,
    classes: Vec<Vec<usize>>,
    follow: Follow,
}

impl GibbsSampler {
    /// `chains` chains of the spins, all at +1 until restored.
    ///
    /// # Errors
    /// An energy of real variables.
    pub fn new(
        model: &Model,
        chains: usize,
        origin: impl Into<Origin>,
        follow: Follow,
    ) -> Result<Self> {
        let Some(energy) = model.discrete() else {
            return Err(Error::invalid(
                "digital.sampler",
                "\"gibbs\"",
                "an energy of spins (here: ula or mala)",
            ));
        };
        Ok(GibbsSampler {
            classes: energy.couplings().colouring(),
            ensemble: Ensemble::from_origin(origin, chains, 0, energy.dim()),
            model: model.clone(),
            follow,
        })
    }
}

impl Sampler for GibbsSampler {
    fn describe(&self) -> Description {
        gibbs(self.ensemble.chains(), self.model.dim())
    }

    fn state(&self) -> ChainState {
        state(&self.ensemble)
    }

    fn restore(&mut self, state: &ChainState) -> Result<()> {
        restore(&mut self.ensemble, state)
    }

    fn run(&mut self, phase: &Phase) -> Result<Run> {
        let counts = count(phase, None)?;
        let clamped = clamp_mask(phase.clamp.as_ref(), self.model.dim())?;
        if let Some(clamp) = &phase.clamp {
            self.ensemble.write_clamped(&clamp.nodes, &clamp.values)?;
        }
        let Some(energy) = self.model.discrete() else {
            return Err(Error::invalid(
                "digital.sampler",
                "\"gibbs\"",
                "an energy of spins",
            ));
        };
        let stepper = GibbsStepper::new(&spin_process(energy), &self.classes, &clamped)?;
        let recorded = self.ensemble.run(
            &stepper,
            counts.0,
            counts.1 as usize,
            counts.2,
            self.follow.control(),
        )?;
        Ok(finish(
            recorded,
            self.ensemble.chains(),
            self.model.dim(),
            counts,
            false,
        ))
    }

    fn reprogram(&mut self, parameters: &Parameters) -> Result<Cost> {
        self.model.set_parameters(parameters)?;
        Ok(Cost::default())
    }
}
