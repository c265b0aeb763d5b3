//! Categories (pdits): each of K states from K − 1 gated two-state elements, no couplings between categories.
//!
//! P(x_i = k) ∝ exp(ℓ_ik), whatever the elements' times are. On a die each state's logit is off by the card's weight error.
//! Couplings would have to move gates by what other gates decode to, which a wire cannot: a host can, by block Gibbs.

use super::chip::Chip;
use super::die::Die;
use super::gates;
use super::program::Realised;
use super::readout::Readout;
use super::view::View;
use crate::dynamics::{LevelInput, Levels, Linear, Process};
use crate::energy::{Domain, Factor, FactorGraph, Model, Parameters, Parametric};
use crate::error::{Error, Result};

/// The logits' errors and the elements' times, as domains of the die's random numbers.
const LOGIT: u64 = 15;
const TAU: u64 = 5;

/// A programmed array of categories.
#[derive(Clone, Debug)]
pub(super) struct GatedChip {
    process: Process,
    graph: FactorGraph,
    states: Vec<usize>,
    /// ℓ as this die has them.
    logits: Vec<Vec<f64>>,
    volts_per_input: f64,
    tau: f64,
    realised: Realised,
}

impl GatedChip {
    pub(super) fn new(die: &Die, graph: &FactorGraph) -> Result<Self> {
        let card = &die.card;
        let most = card.get("limits.states").unwrap_or(f64::INFINITY);
        let mut states = Vec::with_capacity(graph.dim());
        for (i, domain) in graph.domains().iter().enumerate() {
            match domain {
                Domain::Categorical(k) if *k as f64 <= most && *k >= 2 => states.push(*k),
                other => {
                    let expected = format!("categories of 2 to {most} states on {}", card.name);
                    let field = format!("energy.variables[{i}]");
                    return Err(Error::invalid(field, format!("{other:?}"), expected));
                }
            }
        }
        let tau = card.required("physics.tau");
        let slow = die.actual("physics.tau") / tau;
        let spread = die.spread("tau", "nonidealities.tau_sigma");
        let gates: usize = states.iter().map(|k| k - 1).sum();
        let times = (0..gates as u64).map(|g| slow * (spread * die.deviate(TAU, g)).exp());
        let mut process = Process::still(0);
        let none = LevelInput::Direct {
            field: vec![0.0; gates],
            coupling: Linear::Sparse(vec![Vec::new(); gates]),
        };
        process.levels = Some(Levels::free(times.collect(), none));
        let mut chip = GatedChip {
            process,
            graph: graph.clone(),
            states,
            logits: Vec::new(),
            volts_per_input: die.volts_per_input(),
            tau,
            realised: Realised::default(),
        };
        chip.set(die)?;
        Ok(chip)
    }

    /// Sets the gates for the graph's logits and this die's errors.
    fn set(&mut self, die: &Die) -> Result<()> {
        let mut logits: Vec<Vec<f64>> = self.states.iter().map(|&k| vec![0.0; k]).collect();
        for (f, factor) in self.graph.factors().iter().enumerate() {
            let ([node], []) = (&factor.nodes[..], &factor.spins[..]) else {
                let expected = "factors of one category each: this chip has no couplers between them (the host of \"x0_test_chip\" wires them)";
                let field = format!("energy.factors[{f}]");
                let value = format!("{:?}", factor.variables().collect::<Vec<_>>());
                return Err(Error::invalid(field, value, expected));
            };
            for (logit, weight) in logits[*node].iter_mut().zip(&factor.weights) {
                *logit += weight;
            }
        }
        let sigma = die.spread("weight", "nonidealities.weight_sigma");
        let mut state = 0u64..;
        let mut fields = Vec::new();
        for own in &mut logits {
            for (logit, k) in own.iter_mut().zip(&mut state) {
                *logit += sigma * die.deviate(LOGIT, k);
                // The logit of a given bias falls as 1/T.
                *logit /= die.temperature_ratio;
            }
            let most = own.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = own.iter().map(|l| (l - most).exp()).collect();
            fields.extend(gates::inputs(&weights));
        }
        if let Some(levels) = &mut self.process.levels {
            levels.input = LevelInput::Direct {
                coupling: Linear::Sparse(vec![Vec::new(); fields.len()]),
                field: fields.clone(),
            };
        }
        self.logits = logits;
        self.realised.fields = fields;
        Ok(())
    }
}

impl Chip for GatedChip {
    fn boxed(&self) -> Box<dyn Chip> {
        Box::new(self.clone())
    }

    fn process(&self) -> &Process {
        &self.process
    }

    fn seconds_per_time(&self) -> f64 {
        self.tau
    }

    fn volts_per_x(&self) -> f64 {
        self.volts_per_input
    }

    fn write(&mut self, die: &Die, parameters: &Parameters) -> Result<()> {
        self.graph.set_parameters(parameters)?;
        self.set(die)
    }

    /// Inputs of the gates.
    fn realised(&self) -> &Realised {
        &self.realised
    }

    /// The categories with the logits that this die has.
    fn energy(&self, _die: &Die, _asked: &Model) -> Option<Model> {
        let tables = self.logits.iter().enumerate();
        let factors = tables
            .map(|(i, l)| Factor::table(vec![i], l.clone()))
            .collect();
        FactorGraph::new(self.graph.domains().to_vec(), factors)
            .ok()
            .map(Model::Factors)
    }

    fn no_energy_because(&self, _die: &Die) -> Vec<(bool, &'static str)> {
        Vec::new()
    }

    /// Every gate has its comparator.
    fn readout(&self, die: &Die) -> Readout {
        Readout::of_levels(die, self.realised.fields.len())
    }

    fn view(&self) -> View {
        View::Categories(self.states.clone())
    }
}
