//! Digital samplers on the same engine: those of real variables by the force, chromatic Gibbs and Metropolis for spins.

use super::lower::{StiffnessTracker, langevin_process, pairwise, spin_process};
use super::method::{Method, Spread, scaled_stiffness};
use super::{
    ChainState, Cost, Description, Follow, Horizon, Phase, Run, Sampler, Samples, clamp_mask,
};
use crate::dynamics::streams::StreamPosition;
use crate::dynamics::{
    Compiled, Ensemble, GibbsStepper, NormalBits, Origin, Process, Recorded, Setting,
    SpinMetropolisStepper, Stepper,
};
use crate::energy::{Model, Parameters, Parametric};
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// Pieces of the first burn-in after which a step is adapted.
const TUNING_ROUNDS: u64 = 40;
/// Pieces after which the lengths are set, for the first time and for good.
const LENGTH_ROUNDS: [u64; 2] = [10, 25];

/// An energy of real variables sampled by its force: ULA and its relatives, MALA, HMC.
#[derive(Debug)]
pub struct LangevinSampler<R: Compiled> {
    model: Model,
    process: Process,
    ensemble: Ensemble<R>,
    method: Method,
    fixed_step: Option<f64>,
    tolerance: f64,
    tuned: Option<f64>,
    preconditioned: bool,
    lengths: Option<Vec<f64>>,
    /// λ_max of the energy; that in the variables over their lengths.
    stiffness: StiffnessTracker,
    scaled: Option<f64>,
    follow: Follow,
}

impl<R: Compiled> LangevinSampler<R> {
    /// `chains` chains of the energy; `adjusted` for MALA, else ULA. Without a step, ULA takes the one of `tolerance`, MALA
    /// tunes its own in the first burn-in.
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
        let method = if adjusted { Method::Mala } else { Method::Ula };
        Self::with_method(model, (method, step), chains, origin, tolerance, follow)
    }

    /// `chains` chains of the energy by a method, with a step of its own. Without one, methods that reject tune theirs in the
    /// first burn-in, towards [`Method::target`], and keep it; the others take the one of `tolerance`.
    ///
    /// # Errors
    /// An energy of spins, or a step beyond the method's stability limit.
    pub fn with_method(
        model: &Model,
        (method, step): (Method, Option<f64>),
        chains: usize,
        origin: impl Into<Origin>,
        tolerance: f64,
        follow: Follow,
    ) -> Result<Self> {
        let process = langevin_process(&pairwise(model)?);
        let sampler = LangevinSampler {
            ensemble: Ensemble::from_origin(origin, chains, process.nodes, 0),
            stiffness: StiffnessTracker::new(model),
            model: model.clone(),
            process,
            method,
            fixed_step: step,
            tolerance,
            tuned: None,
            preconditioned: false,
            lengths: None,
            scaled: None,
            follow,
        };
        sampler.stepper(sampler.step(), &vec![false; model.dim()])?;
        Ok(sampler)
    }

    /// With a length for each node: its standard deviation, taken in the first burn-in and then kept.
    ///
    /// # Errors
    /// A method without lengths (BAOAB).
    pub fn preconditioned(mut self) -> Result<Self> {
        self.method.check_lengths()?;
        self.preconditioned = true;
        Ok(self)
    }

    fn top_curvature(&self) -> Option<f64> {
        match &self.lengths {
            Some(_) => self.scaled,
            None => self.stiffness.value(),
        }
    }

    fn step(&self) -> f64 {
        let stiffness = self.top_curvature().unwrap_or(1.0);
        let n = self.model.dim();
        self.fixed_step
            .or(self.tuned)
            .unwrap_or_else(|| self.method.first_step(stiffness, n, self.tolerance))
    }

    fn stepper(&self, step: f64, clamped: &[bool]) -> Result<Box<dyn Stepper<R>>> {
        let setting = Setting {
            step,
            clamped,
            stiffness: self.top_curvature(),
            normals: NormalBits::Full,
        };
        let lengths = self.lengths.as_deref();
        self.method.stepper(&self.process, &setting, lengths)
    }

    fn set_lengths(&mut self, lengths: Vec<f64>) -> Result<()> {
        self.scaled = Some(scaled_stiffness(&self.model, &lengths)?);
        self.lengths = Some(lengths);
        Ok(())
    }

    /// Whether anything is left to adapt.
    fn untuned(&self) -> bool {
        let step = self.method.adjusted() && self.fixed_step.is_none() && self.tuned.is_none();
        step || (self.preconditioned && self.lengths.is_none())
    }

    /// Adapts step and lengths over the burn-in, after which they stay fixed; returns the steps that are left of it.
    fn tune(&mut self, burn_in: u64, clamped: &[bool]) -> Result<u64> {
        let rounds = TUNING_ROUNDS.min(burn_in);
        let each = burn_in / rounds.max(1);
        let target = self.method.target().filter(|_| self.fixed_step.is_none());
        let mut spread = Spread::new(self.model.dim());
        for round in 0..rounds {
            let step = self.step();
            let stepper = self.stepper(step, clamped)?;
            let recorded = self
                .ensemble
                .run(&*stepper, 0, 1, each, self.follow.control())?;
            if let Some(target) = target {
                let rate = recorded.accepted as f64 / (self.ensemble.chains() as f64 * each as f64);
                let most = self.top_curvature().map(|l| self.method.last_step(l));
                let next = step * (1.5 * (rate - target)).exp();
                self.tuned = Some(next.min(most.unwrap_or(f64::INFINITY)));
            }
            if self.preconditioned {
                spread.add(&recorded.x);
                let due = LENGTH_ROUNDS.map(|r| (r * rounds / TUNING_ROUNDS).max(1));
                if due.contains(&(round + 1)) {
                    let fresh = Spread::new(self.model.dim());
                    self.set_lengths(std::mem::replace(&mut spread, fresh).lengths())?;
                    self.tuned = None;
                }
            }
        }
        if target.is_some() {
            self.tuned = Some(self.step());
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
            .ok_or_else(|| {
                Error::invalid(
                    name,
                    format!("a time of {time}"),
                    "a number of steps (this sampler has no time of its own)",
                )
            }),
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
        clip_fraction: 0.0,
        acceptance: adjusted.then(|| recorded.accepted as f64 / (chains as f64 * steps as f64)),
        notes: BTreeMap::new(),
    }
}

/// What Gibbs samplers say of themselves: sweeps, no bias.
pub(super) fn sweeps(chains: usize, nodes: usize, metropolis: bool) -> Description {
    let name = if metropolis { "metropolis" } else { "gibbs" };
    Description {
        name: name.to_owned(),
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
    let positions = ensemble.streams().into_iter().enumerate();
    Some(
        positions
            .map(|(chain, position)| {
                // The time alone is nothing that a digital sampler remembers.
                let carried = ensemble.carried(chain);
                let carried = if carried.len() > 1 { &carried[..] } else { &[] };
                let bits = carried.iter().map(|v| v.to_bits());
                position.numbers().into_iter().chain(bits).collect()
            })
            .collect(),
    )
}

pub(super) fn restore<R: Compiled>(ensemble: &mut Ensemble<R>, state: &ChainState) -> Result<()> {
    ensemble.set_values(&state.values)?;
    if let Some(streams) = &state.streams {
        let entries = streams
            .iter()
            .map(|s| {
                StreamPosition::split(s).ok_or_else(|| {
                    Error::invalid(
                        "state.streams",
                        "another sampler's entry",
                        "a state of this sampler",
                    )
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let positions: Vec<_> = entries.iter().map(|entry| entry.0).collect();
        ensemble.restore_streams(&positions)?;
        for (chain, (_, carried)) in entries.iter().enumerate() {
            if !carried.is_empty() {
                let values: Vec<f64> = carried.iter().map(|&b| f64::from_bits(b)).collect();
                ensemble.restore_carried(chain, &values)?;
            }
        }
    }
    Ok(())
}

impl<R: Compiled> Sampler for LangevinSampler<R> {
    fn describe(&self) -> Description {
        let step = self.step();
        let inflation = self
            .top_curvature()
            .map(|l| 0.5 * step * l / (1.0 - 0.5 * step * l));
        let name = self.method.name();
        Description {
            name: match self.preconditioned {
                true => format!("{name}-preconditioned"),
                false => name.to_owned(),
            },
            kind: "digital".to_owned(),
            chains: self.ensemble.chains(),
            nodes: self.model.dim(),
            step: self.method.has_time().then_some(step),
            predicted_bias: match self.method {
                Method::Ula => inflation,
                // Exact in x where the energy is quadratic; otherwise nobody knows.
                Method::LeimkuhlerMatthews | Method::Baoab { .. } => {
                    matches!(self.model, Model::Quadratic(_)).then_some(0.0)
                }
                _ => Some(0.0),
            },
            // The first-order bias is known for unit lengths.
            first_order_bias: self.method == Method::Ula && !self.preconditioned,
        }
    }

    fn state(&self) -> ChainState {
        ChainState {
            values: self.ensemble.values(),
            streams: streams(&self.ensemble),
            adapted: [
                vec![self.tuned.unwrap_or(f64::NAN)],
                self.stiffness.numbers(),
                self.lengths.clone().unwrap_or_default(),
            ]
            .concat(),
        }
    }

    fn restore(&mut self, state: &ChainState) -> Result<()> {
        if let [tuned, rest @ ..] = &state.adapted[..] {
            self.tuned = Some(*tuned).filter(|v| !v.is_nan());
            let known = self.stiffness.numbers().len().min(rest.len());
            let (stiffness, lengths) = rest.split_at(known);
            self.stiffness.remember(stiffness)?;
            if lengths.len() == self.model.dim() {
                self.set_lengths(lengths.to_vec())?;
            }
        }
        restore(&mut self.ensemble, state)
    }

    fn run(&mut self, phase: &Phase) -> Result<Run> {
        let counts = count(phase, self.method.has_time().then(|| self.step()))?;
        let clamped = clamp_mask(phase.clamp.as_ref(), self.model.dim())?;
        if let Some(clamp) = &phase.clamp {
            self.ensemble.write_clamped(&clamp.nodes, &clamp.values)?;
        }
        let mut burn_in = counts.0;
        if self.untuned() && burn_in > 0 {
            burn_in = self.tune(burn_in, &clamped)?;
        }
        let mut step = self.step();
        let unadjusted = !self.method.adjusted();
        if let (Horizon::Time(time), None, true) = (phase.duration, phase.every, unadjusted) {
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
            self.method.adjusted(),
        );
        run.steps = counts.0 + counts.1 * counts.2;
        Ok(run)
    }

    fn reprogram(&mut self, parameters: &Parameters) -> Result<Cost> {
        self.model.set_parameters(parameters)?;
        self.process = langevin_process(&pairwise(&self.model)?);
        self.stiffness.update(&self.model);
        if let Some(lengths) = self.lengths.take() {
            self.set_lengths(lengths)?;
        }
        Ok(Cost::default())
    }
}

/// Chromatic Gibbs sampling of spins, or single-spin-flip Metropolis.
#[derive(Debug)]
pub struct GibbsSampler {
    model: Model,
    ensemble: Ensemble<f32>,
    classes: Vec<Vec<usize>>,
    metropolis: bool,
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
            metropolis: false,
            follow,
        })
    }

    /// Flips proposed spin by spin and accepted by Metropolis' rule, in place of draws from the conditional law.
    #[must_use]
    pub fn by_flips(mut self) -> Self {
        self.metropolis = true;
        self
    }
}

impl Sampler for GibbsSampler {
    fn describe(&self) -> Description {
        sweeps(self.ensemble.chains(), self.model.dim(), self.metropolis)
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
        let process = spin_process(energy);
        let stepper: Box<dyn Stepper<f32>> = if self.metropolis {
            Box::new(SpinMetropolisStepper::new(&process, &clamped)?)
        } else {
            Box::new(GibbsStepper::new(&process, &self.classes, &clamped)?)
        };
        let recorded = self.ensemble.run(
            &*stepper,
            counts.0,
            counts.1 as usize,
            counts.2,
            self.follow.control(),
        )?;
        let mut run = finish(
            recorded,
            self.ensemble.chains(),
            self.model.dim(),
            counts,
            self.metropolis,
        );
        // Of flips, not of sweeps.
        let free = clamped.iter().filter(|c| !**c).count().max(1);
        run.acceptance = run.acceptance.map(|flips| flips / free as f64);
        Ok(run)
    }

    fn reprogram(&mut self, parameters: &Parameters) -> Result<Cost> {
        self.model.set_parameters(parameters)?;
        Ok(Cost::default())
    }
}
