//! Parallel tempering of spins and of factor graphs (Gibbs inside), and of energies of real variables (MALA inside).
//!
//! Replicas at β_0 = 1 > β_1 > … > β_K sample e^{−βE} and exchange states; those at β_0 are what is read. A ladder that is not
//! given is spread over the first burn-in so that every pair of neighbours rejects equally often: the cumulative rejection
//! Λ(β) is cut into equal parts (Syed et al., arXiv 1905.02939). Ladder and steps stay fixed afterwards.

use super::digital::{count, finish, restore, streams};
use super::factors::{check_states, conditionals, sites, start, terms, weighted};
use super::lower::{StiffnessTracker, at_beta, langevin_process, pairwise, spin_process};
use super::{ChainState, Cost, Description, Follow, Phase, Run, Sampler, clamp_mask};
use crate::dynamics::{
    Compiled, Ensemble, Exchange, FactorGibbs, GibbsStepper, LaneEnergy, MetropolisStepper,
    NormalBits, Origin, Process, Recorded, Setting, Shown, Stepper, TemperedStepper,
};
use crate::energy::{Model, Parameters, Parametric};
use crate::error::{Error, Result};

/// Pieces of the first burn-in after which MALA's steps are adapted.
const ROUNDS: u64 = 20;
/// Of these, as many make one measurement of the ladder.
const ROUNDS_OF_LADDER: u64 = 4;
/// Rejection rate that a pair is at least taken to have, so that no two inverse temperatures meet.
const LEAST_REJECTION: f64 = 1e-3;
/// What MALA is tuned to (Roberts & Rosenthal 1998).
const TARGET: f64 = 0.574;

/// The inverse temperatures of a [`TemperingSampler`], from 1 downwards.
#[derive(Clone, Debug, PartialEq)]
pub enum Ladder {
    /// These.
    Given(Vec<f64>),
    /// So many, down to a least one, spread in the first burn-in from a geometric beginning.
    Adaptive {
        /// Number of replicas, at least 2.
        replicas: usize,
        /// β of the last, above 0 and below 1.
        least: f64,
    },
}

impl Ladder {
    /// Where it begins.
    ///
    /// # Errors
    /// A ladder that does not begin at 1 and fall, with two steps or more, staying above 0.
    fn start(&self) -> Result<Vec<f64>> {
        match self {
            Ladder::Given(betas) => {
                let falls = betas.windows(2).all(|b| b[0] > b[1] && b[1] > 0.0);
                if betas.len() < 2 || betas[0] != 1.0 || !falls {
                    let expected = "two numbers or more, falling from 1 and above 0";
                    let value = format!("{betas:?}");
                    return Err(Error::invalid("digital.betas", value, expected));
                }
                Ok(betas.clone())
            }
            Ladder::Adaptive { replicas, least } => {
                if *replicas < 2 {
                    return Err(Error::invalid("digital.replicas", replicas, "at least 2"));
                }
                if !(*least > 0.0 && *least < 1.0) {
                    let expected = "a number above 0 and below 1";
                    return Err(Error::invalid("digital.beta_min", least, expected));
                }
                let last = (*replicas - 1) as f64;
                Ok((0..*replicas)
                    .map(|k| least.powf(k as f64 / last))
                    .collect())
            }
        }
    }
}

/// `betas` moved so that each pair has the same share of Λ, whose increments over the old pairs are `rejections`.
fn equalised(betas: &[f64], rejections: &[f64]) -> Vec<f64> {
    let increments = rejections.iter().map(|r| r.max(LEAST_REJECTION));
    let mut barrier = vec![0.0];
    for r in increments {
        barrier.push(barrier[barrier.len() - 1] + r);
    }
    let last = betas.len() - 1;
    (0..=last)
        .map(|k| {
            if k == 0 || k == last {
                return betas[k];
            }
            let wanted = barrier[last] * k as f64 / last as f64;
            let at = barrier.partition_point(|b| *b <= wanted).clamp(1, last);
            let f = (wanted - barrier[at - 1]) / (barrier[at] - barrier[at - 1]);
            betas[at - 1] + f * (betas[at] - betas[at - 1])
        })
        .collect()
}

/// What replicas are of, and move by.
#[derive(Debug)]
enum Inside {
    /// Gibbs sweeps over the classes.
    Spins(Process, Vec<Vec<usize>>),
    /// MALA.
    Reals(Process),
    /// Gibbs sweeps over the model's own classes.
    Factors,
}

impl Inside {
    fn of(model: &Model) -> Result<Self> {
        Ok(match (model.discrete(), model.factors()) {
            (Some(energy), _) => {
                Inside::Spins(spin_process(energy), energy.couplings().colouring())
            }
            (None, Some(_)) => Inside::Factors,
            (None, None) => Inside::Reals(langevin_process(&pairwise(model)?)),
        })
    }
}

/// Parallel tempering. A step moves every replica `between` times and then tries to exchange neighbours.
#[derive(Debug)]
pub struct TemperingSampler<R: Compiled> {
    model: Model,
    inside: Inside,
    ensemble: Ensemble<R>,
    betas: Vec<f64>,
    /// MALA's step of each replica; none for spins and factors.
    steps: Vec<f64>,
    between: u64,
    /// What is still to be adapted: the ladder, the steps.
    open: (bool, bool),
    follow: Follow,
}

impl<R: Compiled> TemperingSampler<R> {
    /// `chains` chains of replicas; MALA takes `step`/β at β, or tunes its own in the first burn-in.
    ///
    /// # Errors
    /// An energy of real variables without pair form, a ladder that is none, or `between` = 0.
    pub fn new(
        model: &Model,
        chains: usize,
        origin: impl Into<Origin>,
        (ladder, between): (&Ladder, u64),
        step: Option<f64>,
        follow: Follow,
    ) -> Result<Self> {
        let betas = ladder.start()?;
        if between == 0 {
            return Err(Error::invalid("digital.swap_every", 0, "at least 1"));
        }
        let (n, replicas) = (model.dim(), betas.len());
        let inside = Inside::of(model)?;
        let steps: Vec<f64> = match &inside {
            Inside::Reals(_) => {
                let stiffness = StiffnessTracker::new(model).value().unwrap_or(1.0);
                let first = step.unwrap_or(1.0 / stiffness / (n as f64).cbrt());
                betas.iter().map(|beta| first / beta).collect()
            }
            _ => Vec::new(),
        };
        let rows = n * replicas;
        let ensemble = match &inside {
            Inside::Spins(..) => {
                Ensemble::from_origin(origin, chains, 0, rows).showing(Shown::FirstSpins(n))
            }
            _ => Ensemble::from_origin(origin, chains, rows, 0).showing(Shown::FirstNodes(n)),
        };
        let adaptive = matches!(ladder, Ladder::Adaptive { .. });
        let mut sampler = TemperingSampler {
            open: (adaptive, step.is_none() && !steps.is_empty()),
            model: model.clone(),
            inside,
            ensemble,
            betas,
            steps,
            between,
            follow,
        };
        sampler.stepper(&vec![false; n])?;
        if let Some(graph) = model.factors() {
            sampler.restore(&ChainState::at(start(graph).repeat(chains)))?;
        }
        Ok(sampler)
    }

    /// The inverse temperatures as they are now.
    pub fn betas(&self) -> &[f64] {
        &self.betas
    }

    fn stepper(&self, clamped: &[bool]) -> Result<TemperedStepper<R>> {
        let laws = self.model.factors().map(conditionals).unwrap_or_default();
        let replica = |(k, &beta): (usize, &f64)| -> Result<Box<dyn Stepper<R>>> {
            Ok(match (&self.inside, self.model.factors()) {
                (Inside::Spins(process, classes), _) => {
                    let process = at_beta(process, beta);
                    Box::new(GibbsStepper::new(&process, classes, clamped)?)
                }
                (Inside::Reals(process), _) => {
                    let setting = Setting {
                        step: self.steps[k],
                        clamped,
                        stiffness: None,
                        normals: NormalBits::Full,
                    };
                    Box::new(MetropolisStepper::new(&at_beta(process, beta), &setting)?)
                }
                (Inside::Factors, graph) => {
                    let classes = graph.map_or(&[][..], |graph| graph.colouring());
                    let laws = weighted(&laws, beta, beta);
                    Box::new(FactorGibbs::new(&laws, classes, clamped)?)
                }
            })
        };
        let replicas = self.betas.iter().enumerate().map(replica);
        let energy = match (&self.inside, self.model.factors()) {
            (Inside::Spins(process, _) | Inside::Reals(process), _) => LaneEnergy::new(process),
            (Inside::Factors, graph) => {
                let all = graph.map(|graph| (sites(graph), terms(graph, |_| true)));
                let (sites, terms) = all.unwrap_or_default();
                LaneEnergy::of_factors(&sites, &terms)?
            }
        };
        TemperedStepper::new(
            replicas.collect::<Result<_>>()?,
            &self.betas,
            self.between,
            energy,
            clamped,
        )
    }

    /// Adapts steps and ladder over the burn-in; returns the steps that are left of it.
    fn tune(&mut self, burn_in: u64, clamped: &[bool]) -> Result<u64> {
        let rounds = ROUNDS.min(burn_in);
        let each = burn_in / rounds.max(1);
        let pairs = self.betas.len() - 1;
        let mut rejected = vec![(0.0, 0.0); pairs];
        for round in 1..=rounds {
            let stepper = self.stepper(clamped)?;
            let recorded = self
                .ensemble
                .run(&stepper, 0, 1, each, self.follow.control())?;
            let seen = Exchange::from_tally(&recorded.tally, self.betas.len());
            if self.open.1 {
                let moves = self.ensemble.chains() as f64 * (each * self.between) as f64;
                for (step, accepted) in self.steps.iter_mut().zip(&seen.accepted) {
                    *step *= (1.5 * (*accepted as f64 / moves - TARGET)).exp();
                }
            }
            for (sum, acceptance) in rejected.iter_mut().zip(&seen.acceptance) {
                if let Some(acceptance) = acceptance {
                    *sum = (sum.0 + 1.0 - acceptance, sum.1 + 1.0);
                }
            }
            let complete = rejected.iter().all(|r| r.1 > 0.0);
            if self.open.0 && complete && round % ROUNDS_OF_LADDER == 0 && round < rounds {
                let rates: Vec<f64> = rejected.iter().map(|r| r.0 / r.1).collect();
                self.betas = equalised(&self.betas, &rates);
                rejected.fill((0.0, 0.0));
            }
        }
        self.open = (false, false);
        Ok(burn_in - each * rounds)
    }

    /// What the exchanges of a run tell.
    fn note(&self, run: &mut Run, recorded: &Recorded) {
        let seen = Exchange::from_tally(&recorded.tally, self.betas.len());
        let mut put = |name: String, value: f64| {
            run.notes.insert(name, (value, None));
        };
        for (k, beta) in self.betas.iter().enumerate() {
            put(format!("ladder_beta_{k}"), *beta);
        }
        let known: Vec<f64> = seen.acceptance.iter().copied().flatten().collect();
        for (k, acceptance) in seen.acceptance.iter().enumerate() {
            if let Some(acceptance) = acceptance {
                put(format!("swap_acceptance_{k}"), *acceptance);
            }
        }
        if let Some(least) = known.iter().copied().reduce(f64::min) {
            put("swap_acceptance_min".to_owned(), least);
        }
        let chains = self.ensemble.chains() as f64;
        put("round_trips".to_owned(), seen.round_trips as f64 / chains);
    }
}

impl<R: Compiled> Sampler for TemperingSampler<R> {
    fn describe(&self) -> Description {
        Description {
            name: "tempering".to_owned(),
            kind: "digital".to_owned(),
            chains: self.ensemble.chains(),
            nodes: self.model.dim(),
            step: None,
            first_order_bias: false,
            predicted_bias: Some(0.0),
        }
    }

    fn state(&self) -> ChainState {
        let open = [self.open.0, self.open.1].map(|o| f64::from(u8::from(o)));
        ChainState {
            values: self.ensemble.values(),
            streams: streams(&self.ensemble),
            adapted: [&open[..], &self.betas, &self.steps].concat(),
        }
    }

    /// A state without streams puts all replicas of a chain where it says.
    fn restore(&mut self, state: &ChainState) -> Result<()> {
        let n = self.model.dim();
        if let Some(graph) = self.model.factors() {
            let all: Vec<usize> = (0..n).collect();
            check_states(graph, "state.values", &all, &state.values)?;
        }
        if !state.adapted.is_empty() {
            let (replicas, steps) = (self.betas.len(), self.steps.len());
            if state.adapted.len() != 2 + replicas + steps {
                let expected = format!("{} numbers", 2 + replicas + steps);
                let value = state.adapted.len();
                return Err(Error::invalid("state.adapted", value, expected));
            }
            self.open = (state.adapted[0] > 0.0, state.adapted[1] > 0.0);
            let (betas, steps) = state.adapted[2..].split_at(replicas);
            (self.betas, self.steps) = (betas.to_vec(), steps.to_vec());
        }
        restore(&mut self.ensemble, state)?;
        if state.streams.is_none() {
            for (chain, values) in state.values.chunks(n).enumerate() {
                let mut carried = self.ensemble.carried(chain);
                let hidden = n * (self.betas.len() - 1);
                for (to, value) in carried[1..=hidden].iter_mut().zip(values.iter().cycle()) {
                    *to = *value;
                }
                self.ensemble.restore_carried(chain, &carried)?;
            }
        }
        Ok(())
    }

    fn run(&mut self, phase: &Phase) -> Result<Run> {
        let counts = count(phase, None)?;
        let n = self.model.dim();
        let clamped = clamp_mask(phase.clamp.as_ref(), n)?;
        if let Some(clamp) = &phase.clamp {
            if let Some(graph) = self.model.factors() {
                check_states(graph, "clamp.values", &clamp.nodes, &clamp.values)?;
            }
            self.ensemble.write_clamped(&clamp.nodes, &clamp.values)?;
        }
        let mut burn_in = counts.0;
        if burn_in > 0 && (self.open.0 || self.open.1) {
            burn_in = self.tune(burn_in, &clamped)?;
        }
        let stepper = self.stepper(&clamped)?;
        let control = self.follow.control();
        let mut recorded =
            self.ensemble
                .run(&stepper, burn_in, counts.1 as usize, counts.2, control)?;
        let x = std::mem::take(&mut recorded.x);
        let told = Recorded {
            x,
            ..recorded.clone()
        };
        let real = !self.steps.is_empty();
        let chains = self.ensemble.chains();
        let mut run = finish(told, chains, n, (burn_in, counts.1, counts.2), real);
        run.acceptance = run.acceptance.map(|rate| rate / self.between as f64);
        run.steps = counts.0 + counts.1 * counts.2;
        self.note(&mut run, &recorded);
        Ok(run)
    }

    fn reprogram(&mut self, parameters: &Parameters) -> Result<Cost> {
        self.model.set_parameters(parameters)?;
        self.inside = Inside::of(&self.model)?;
        Ok(Cost::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where r is the same everywhere nothing moves; where all rejection is in one pair, the others come into it.
    #[test]
    fn the_barrier_is_cut_into_equal_parts() {
        let betas = [1.0, 0.5, 0.25];
        let same = equalised(&betas, &[0.3, 0.3]);
        assert!(same.iter().zip(&betas).all(|(a, b)| (a - b).abs() < 1e-12));
        let moved = equalised(&betas, &[0.9, 0.1]);
        // Half of Λ = 1 is reached at 5/9 of the first pair.
        assert!((moved[1] - (1.0 - 0.5 * 5.0 / 9.0)).abs() < 1e-12);
        assert_eq!((moved[0], moved[2]), (1.0, 0.25));
    }
}
