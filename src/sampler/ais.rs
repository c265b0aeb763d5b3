//! Annealed importance sampling: log Z with an error bar, forwards and in reverse (Neal, physics/9803008).
//!
//! Chains go from an exact draw of E_0, whose Z_0 is known, through (1 − β)E_0 + βE in equal steps of β; the mean of their
//! weights is Z/Z_0. In reverse they go from draws of E to E_0, and the mean of theirs is Z_0/Z: log Z is then under- and
//! overestimated on average, so that the two enclose it (Burda, Grosse & Salakhutdinov, arXiv 1412.8566). E_0 of spins are
//! their fields alone, of a factor graph its factors of one variable, moves are Gibbs sweeps; E_0 of real variables is a Gaussian with a mean and variance for each node,
//! moves are Hamiltonian.

use super::digital::{count, finish, restore, streams};
use super::factors::{check_states, conditionals, sites, start, terms, weighted};
use super::lower::{StiffnessTracker, blend, langevin_process, pairwise, spin_process};
use super::method::{Method, Spread};
use super::{
    ChainState, Cost, Description, Follow, Horizon, LangevinSampler, Phase, Run, Sampler,
    clamp_mask,
};
use crate::dynamics::{
    AnnealedStepper, Compiled, Ensemble, ExactOrnsteinUhlenbeck, FactorGibbs, GibbsStepper,
    HamiltonianStepper, LaneEnergy, LevelInput, Linear, NormalBits, Origin, Process, Scheme,
    Setting, Stepper,
};
use crate::energy::{Domain, FactorGraph, Model, Parameters, Parametric};
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::f64::consts::PI;

/// Leapfrog steps, and jitter, of a move of real variables.
const TRAJECTORY: (u32, f64) = (5, 0.2);
/// Relaxation times after which a Gaussian has forgotten its start to the last bit.
const FORGOTTEN: f64 = 60.0;

/// log Z as weights tell it.
#[derive(Clone, Debug, PartialEq)]
pub struct LogPartition {
    /// The estimate.
    pub log_z: f64,
    /// Its standard error, that of the mean weight over the mean weight; it says little where `ess` is small.
    pub se: f64,
    /// (Σw)²/Σw².
    pub ess: f64,
}

impl LogPartition {
    /// From log w of each run: log Z = `known` + `sign` log mean w, `sign` −1 where runs go from Z to what is known.
    pub fn from_weights(log_weights: &[f64], known: f64, sign: f64) -> Self {
        let n = log_weights.len() as f64;
        let top = log_weights
            .iter()
            .copied()
            .fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = log_weights.iter().map(|w| (w - top).exp()).collect();
        let mean = weights.iter().sum::<f64>() / n;
        let square = weights.iter().map(|w| w * w).sum::<f64>();
        let variance = weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (n - 1.0);
        LogPartition {
            log_z: known + sign * (top + mean.ln()),
            se: (variance / n).sqrt() / mean,
            ess: (n * mean).powi(2) / square,
        }
    }
}

/// The Gaussian that an energy of real variables is annealed from.
#[derive(Clone, Debug, PartialEq)]
pub struct GaussianBase {
    /// Of each node.
    pub mean: Vec<f64>,
    /// Of each node.
    pub variance: Vec<f64>,
}

/// How annealed runs go.
#[derive(Clone, Debug, PartialEq)]
pub struct AnnealedImportance {
    /// Equal steps of β.
    pub temperatures: usize,
    /// Moves (sweeps, trajectories) at each.
    pub each: u64,
    /// Where real variables begin; `None` for N(0, 1).
    pub base: Option<GaussianBase>,
}

/// E_0 and E. There is one of them at a time, so that its size does not matter.
#[allow(clippy::large_enum_variant)]
enum Form {
    /// As processes, with E − E_0 and the classes of spins.
    Processes {
        base: Process,
        target: Process,
        difference: Process,
        classes: Vec<Vec<usize>>,
    },
    /// Factors of one variable, and all.
    Factors(FactorGraph),
}

/// E_0 and E, with what is known of them.
struct Bridge {
    form: Form,
    /// log Z_0 of E_0 up to the constants that the processes leave out of E_0 and E.
    known: f64,
    /// Largest curvature of E, and of E_0, and the smallest of E_0.
    stiffness: (f64, f64, f64),
}

/// ln Σ_x e^{−E_0(x)} of the factors of one variable.
fn of_lone_factors(graph: &FactorGraph) -> f64 {
    let states = graph.domains().iter().map(|domain| domain.states());
    let mut logits: Vec<Vec<f64>> = states.map(|k| vec![0.0; k]).collect();
    for factor in graph.factors() {
        match (&factor.nodes[..], &factor.spins[..]) {
            (&[i], []) => {
                let sums = logits[i].iter_mut().zip(&factor.weights);
                sums.for_each(|(sum, weight)| *sum += weight);
            }
            ([], &[i]) => {
                for (state, sum) in logits[i].iter_mut().enumerate() {
                    *sum += Domain::Spin.value(state as u8) * factor.weights[0];
                }
            }
            _ => {}
        }
    }
    let log_sum = |logits: &Vec<f64>| {
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        most + logits.iter().map(|l| (l - most).exp()).sum::<f64>().ln()
    };
    logits.iter().map(log_sum).sum()
}

impl Bridge {
    fn new(model: &Model, base: Option<&GaussianBase>) -> Result<Self> {
        if model.continuous().is_some() {
            return Self::of_reals(model, base);
        }
        if base.is_some() {
            let expected = "none: spins and categories begin with their fields alone";
            return Err(Error::invalid("base", "a Gaussian", expected));
        }
        let Some(energy) = model.discrete() else {
            let Some(graph) = model.factors() else {
                return Self::of_reals(model, base);
            };
            return Ok(Bridge {
                known: of_lone_factors(graph),
                form: Form::Factors(graph.clone()),
                stiffness: (1.0, 1.0, 1.0),
            });
        };
        let target = spin_process(energy);
        let (mut base, mut difference) = (target.clone(), target.clone());
        let n = energy.dim();
        let mut known = 0.0;
        if let Some(LevelInput::Direct { field, coupling }) =
            base.levels.as_mut().map(|levels| &mut levels.input)
        {
            *coupling = Linear::Sparse(vec![Vec::new(); n]);
            // ln 2cosh h without overflow.
            let log = |h: &f64| h.abs() + (-2.0 * h.abs()).exp().ln_1p();
            known = field.iter().map(log).sum();
        }
        if let Some(LevelInput::Direct { field, .. }) =
            difference.levels.as_mut().map(|levels| &mut levels.input)
        {
            field.fill(0.0);
        }
        Ok(Bridge {
            form: Form::Processes {
                base,
                target,
                difference,
                classes: energy.couplings().colouring(),
            },
            known,
            stiffness: (1.0, 1.0, 1.0),
        })
    }

    fn of_reals(model: &Model, base: Option<&GaussianBase>) -> Result<Self> {
        let target = langevin_process(&pairwise(model)?);
        let n = target.nodes;
        let standard = GaussianBase {
            mean: vec![0.0; n],
            variance: vec![1.0; n],
        };
        let GaussianBase { mean, variance } = base.unwrap_or(&standard);
        let good = |v: &f64| *v > 0.0 && v.is_finite();
        if mean.len() != n || variance.len() != n || !variance.iter().all(good) {
            let expected = format!("a mean and a positive variance for each of {n} nodes");
            return Err(Error::invalid("base", "another Gaussian", expected));
        }
        let each = || mean.iter().zip(variance);
        let base = Process {
            polynomial: vec![
                each().map(|(m, v)| m / v).collect(),
                variance.iter().map(|v| -1.0 / v).collect(),
            ],
            noise: target.noise.clone(),
            ..Process::still(n)
        };
        // E_0(0) = Σ m²/2v is left out of E_0's process, and E(0) of E's.
        let gaussian: f64 = each()
            .map(|(m, v)| 0.5 * (2.0 * PI * v).ln() + 0.5 * m * m / v)
            .sum();
        let at_zero = model.continuous().map_or(0.0, |e| e.value(&vec![0.0; n]));
        let curvature = |pick: fn(f64, f64) -> f64, from: f64| {
            variance.iter().map(|v| 1.0 / v).fold(from, pick)
        };
        Ok(Bridge {
            known: gaussian - at_zero,
            stiffness: (
                StiffnessTracker::new(model).value().unwrap_or(1.0),
                curvature(f64::max, 0.0),
                curvature(f64::min, f64::INFINITY),
            ),
            form: Form::Processes {
                difference: blend((&base, -1.0), (&target, 1.0)),
                base,
                target,
                classes: Vec::new(),
            },
        })
    }

    /// Moves that leave the law at β alone.
    fn moves<R: Compiled>(&self, beta: f64, clamped: &[bool]) -> Result<Box<dyn Stepper<R>>> {
        let process = match &self.form {
            Form::Factors(graph) => {
                let laws = weighted(&conditionals(graph), 1.0, beta);
                let sweeps = FactorGibbs::new(&laws, graph.colouring(), clamped)?;
                return Ok(Box::new(sweeps));
            }
            Form::Processes {
                base,
                target,
                classes,
                ..
            } => {
                let process = blend((base, 1.0 - beta), (target, beta));
                if process.levels.is_some() {
                    return Ok(Box::new(GibbsStepper::new(&process, classes, clamped)?));
                }
                process
            }
        };
        let (of_target, of_base, _) = self.stiffness;
        let curvature = (1.0 - beta) * of_base + beta * of_target;
        let n = clamped.len() as f64;
        let setting = Setting {
            step: 0.8 / curvature.sqrt() / n.powf(0.25),
            clamped,
            stiffness: None,
            normals: NormalBits::Full,
        };
        let (leapfrogs, jitter) = TRAJECTORY;
        Ok(Box::new(HamiltonianStepper::new(
            &process, &setting, leapfrogs, jitter,
        )?))
    }

    /// Exact draws of E_0.
    fn start<R: Compiled>(&self, clamped: &[bool]) -> Result<Box<dyn Stepper<R>>> {
        let base = match &self.form {
            Form::Factors(_) => return self.moves(0.0, clamped),
            Form::Processes { base, classes, .. } => {
                if base.levels.is_some() {
                    return Ok(Box::new(GibbsStepper::new(base, classes, clamped)?));
                }
                base
            }
        };
        let setting = Setting {
            step: FORGOTTEN / self.stiffness.2,
            clamped,
            stiffness: None,
            normals: NormalBits::Full,
        };
        ExactOrnsteinUhlenbeck.prepare(base, &setting)
    }

    fn stepper<R: Compiled>(
        &self,
        (temperatures, each): (usize, u64),
        reverse: bool,
        clamped: &[bool],
    ) -> Result<AnnealedStepper<R>> {
        let part = 1.0 / temperatures as f64;
        let at = |t: usize| {
            let (beta, change) = match reverse {
                false => ((t + 1) as f64 * part, part),
                true => (1.0 - (t + 1) as f64 * part, -part),
            };
            Ok((change, self.moves(beta.clamp(0.0, 1.0), clamped)?))
        };
        let moves = (0..temperatures).map(at).collect::<Result<_>>()?;
        let start = (!reverse).then(|| self.start(clamped)).transpose()?;
        let difference = match &self.form {
            Form::Factors(graph) => {
                LaneEnergy::of_factors(&sites(graph), &terms(graph, |variables| variables > 1))?
            }
            Form::Processes { difference, .. } => LaneEnergy::new(difference),
        };
        AnnealedStepper::new(start, moves, each, difference)
    }

    fn ensemble<R: Compiled>(
        &self,
        chains: usize,
        n: usize,
        origin: Origin,
    ) -> Result<Ensemble<R>> {
        let of_spins = match &self.form {
            Form::Factors(graph) => {
                // A state that is one, for what is read before the first draw.
                let mut ensemble = Ensemble::from_origin(origin, chains, n, 0);
                ensemble.set_values(&start(graph).repeat(chains))?;
                return Ok(ensemble);
            }
            Form::Processes { target, .. } => target.levels.is_some(),
        };
        let (nodes, levels) = if of_spins { (0, n) } else { (n, 0) };
        Ok(Ensemble::from_origin(origin, chains, nodes, levels))
    }
}

/// log w of every chain's last annealing run.
fn log_weights<R: Compiled>(ensemble: &Ensemble<R>) -> Vec<f64> {
    let two = |chain: usize| {
        let carried = ensemble.carried(chain);
        carried[carried.len() - 2] + carried[carried.len() - 1]
    };
    (0..ensemble.chains()).map(two).collect()
}

fn check(chains: usize, plan: &AnnealedImportance) -> Result<()> {
    if chains < 2 {
        return Err(Error::invalid("chains", chains, "at least 2"));
    }
    if plan.temperatures == 0 || plan.each == 0 {
        let value = format!("{} x {}", plan.temperatures, plan.each);
        return Err(Error::invalid("temperatures", value, "at least 1 x 1"));
    }
    Ok(())
}

/// log Z from `chains` annealed runs towards the energy: of spins in pairs, of factors, or of real variables in pair form.
///
/// # Errors
/// Another energy, fewer than two chains, no temperatures, or a base of the wrong size.
pub fn annealed_importance(
    model: &Model,
    chains: usize,
    origin: impl Into<Origin>,
    plan: &AnnealedImportance,
    follow: &Follow,
) -> Result<LogPartition> {
    check(chains, plan)?;
    let bridge = Bridge::new(model, plan.base.as_ref())?;
    let n = model.dim();
    let mut ensemble = bridge.ensemble::<f64>(chains, n, origin.into())?;
    let extent = (plan.temperatures, plan.each);
    let stepper = bridge.stepper(extent, false, &vec![false; n])?;
    ensemble.run(&stepper, 0, 1, 1, follow.control())?;
    let weights = log_weights(&ensemble);
    Ok(LogPartition::from_weights(&weights, bridge.known, 1.0))
}

/// log Z from annealed runs that go from draws of the energy, `states[chain * nodes + node]`, to E_0. The draws must be of its
/// law, and independent: what they are off, the result is off.
///
/// # Errors
/// As [`annealed_importance`]; states of the wrong length.
pub fn reverse_annealed_importance(
    model: &Model,
    states: &[f64],
    origin: impl Into<Origin>,
    plan: &AnnealedImportance,
    follow: &Follow,
) -> Result<LogPartition> {
    let n = model.dim();
    let chains = states.len() / n.max(1);
    check(chains, plan)?;
    let bridge = Bridge::new(model, plan.base.as_ref())?;
    let mut ensemble = bridge.ensemble::<f64>(chains, n, origin.into())?;
    ensemble.set_values(states)?;
    let extent = (plan.temperatures, plan.each);
    let stepper = bridge.stepper(extent, true, &vec![false; n])?;
    ensemble.run(&stepper, 0, 1, 1, follow.control())?;
    let weights = log_weights(&ensemble);
    Ok(LogPartition::from_weights(&weights, bridge.known, -1.0))
}

/// Annealing as a sampler: every draw is the end of a run of its own from an exact draw of E_0, one move at each of as many
/// temperatures as there are steps between draws. Draws are independent and biased towards what freezes first; their weights
/// tell log Z. A first burn-in is spent on finding where real variables should begin; spins and categories need none and take
/// none.
#[derive(Debug)]
pub struct AnnealingSampler {
    model: Model,
    ensemble: Ensemble<f64>,
    origin: Origin,
    base: Option<GaussianBase>,
    follow: Follow,
}

impl AnnealingSampler {
    /// `chains` chains.
    ///
    /// # Errors
    /// An energy of real variables without pair form.
    pub fn new(
        model: &Model,
        chains: usize,
        origin: impl Into<Origin>,
        follow: Follow,
    ) -> Result<Self> {
        let origin = origin.into();
        let bridge = Bridge::new(model, None)?;
        Ok(AnnealingSampler {
            ensemble: bridge.ensemble(chains, model.dim(), origin)?,
            model: model.clone(),
            origin,
            base: None,
            follow,
        })
    }

    /// Means and variances over `steps` trajectories of every chain, from where the chains stand.
    fn find_base(&mut self, steps: u64) -> Result<()> {
        let (leapfrogs, jitter) = TRAJECTORY;
        let method = Method::Hamiltonian { leapfrogs, jitter };
        let origin = Origin {
            domain: self.origin.domain ^ PILOT,
            ..self.origin
        };
        let chains = self.ensemble.chains();
        let follow = self.follow.clone();
        let mut pilot = LangevinSampler::<f64>::with_method(
            &self.model,
            (method, None),
            chains,
            origin,
            0.01,
            follow,
        )?;
        pilot.restore(&ChainState::at(self.ensemble.values()))?;
        let half = (steps / 2).max(1);
        let every = (half / 16).max(1);
        let run = pilot.run(&Phase {
            burn_in: Horizon::Steps(steps - half.min(steps)),
            duration: Horizon::Steps(half),
            every: Some(Horizon::Steps(every)),
            clamp: None,
        })?;
        let mut spread = Spread::new(self.model.dim());
        spread.add(&run.samples.x);
        self.base = Some(GaussianBase {
            mean: spread.mean().to_vec(),
            variance: spread.lengths().iter().map(|l| l * l).collect(),
        });
        Ok(())
    }
}

/// Tells a pilot's streams from its sampler's.
const PILOT: u64 = 1 << 60;

impl Sampler for AnnealingSampler {
    fn describe(&self) -> Description {
        Description {
            name: "annealing".to_owned(),
            kind: "digital".to_owned(),
            chains: self.ensemble.chains(),
            nodes: self.model.dim(),
            step: None,
            first_order_bias: false,
            predicted_bias: None,
        }
    }

    fn state(&self) -> ChainState {
        let base = self.base.as_ref();
        ChainState {
            values: self.ensemble.values(),
            streams: streams(&self.ensemble),
            adapted: base.map_or_else(Vec::new, |b| [&b.mean[..], &b.variance].concat()),
        }
    }

    fn restore(&mut self, state: &ChainState) -> Result<()> {
        let n = self.model.dim();
        if !state.adapted.is_empty() {
            if state.adapted.len() != 2 * n {
                let (value, expected) = (state.adapted.len(), format!("{} numbers", 2 * n));
                return Err(Error::invalid("state.adapted", value, expected));
            }
            let (mean, variance) = state.adapted.split_at(n);
            self.base = Some(GaussianBase {
                mean: mean.to_vec(),
                variance: variance.to_vec(),
            });
        }
        restore(&mut self.ensemble, state)
    }

    fn run(&mut self, phase: &Phase) -> Result<Run> {
        let (mut burn_in, draws, every) = count(phase, None)?;
        let (n, chains) = (self.model.dim(), self.ensemble.chains());
        let clamped = clamp_mask(phase.clamp.as_ref(), n)?;
        if self.model.continuous().is_none() {
            burn_in = 0;
        } else if burn_in > 0 && self.base.is_none() {
            self.find_base(burn_in)?;
        }
        if let Some(clamp) = &phase.clamp {
            if let Some(graph) = self.model.factors() {
                check_states(graph, "clamp.values", &clamp.nodes, &clamp.values)?;
            }
            self.ensemble.write_clamped(&clamp.nodes, &clamp.values)?;
        }
        let bridge = Bridge::new(&self.model, self.base.as_ref())?;
        let stepper = bridge.stepper::<f64>((every as usize, 1), false, &clamped)?;
        let draws = draws as usize;
        let mut x = vec![0.0f32; chains * draws * n];
        let mut weights = Vec::with_capacity(chains * draws);
        let mut last = None;
        for draw in 0..draws {
            let control = self.follow.control();
            let recorded = self.ensemble.run(&stepper, 0, 1, 1, control)?;
            for (chain, state) in recorded.x.chunks(n).enumerate() {
                x[(chain * draws + draw) * n..][..n].copy_from_slice(state);
            }
            weights.extend(log_weights(&self.ensemble));
            last = Some(recorded);
        }
        let Some(mut recorded) = last else {
            return Err(Error::invalid("digital.steps", draws, "at least one draw"));
        };
        recorded.x = x;
        let mut run = finish(recorded, chains, n, (burn_in, draws as u64, every), false);
        if phase.clamp.is_none() && weights.len() > 1 {
            let found = LogPartition::from_weights(&weights, bridge.known, 1.0);
            run.notes = BTreeMap::from([
                ("log_z".to_owned(), (found.log_z, Some(found.se))),
                ("weights_ess".to_owned(), (found.ess, None)),
            ]);
        }
        Ok(run)
    }

    fn reprogram(&mut self, parameters: &Parameters) -> Result<Cost> {
        self.model.set_parameters(parameters)?;
        Ok(Cost::default())
    }
}
