//! A bag of separate p-bits and categories that a host wires: factors of any order over both.
//!
//! A round has a step for each colour. In a step the host has read all elements, works out ℓ_k = −E(x_i = k, rest) of each
//! variable of the colour, writes the inputs that make softmax(ℓ), and waits one round trip T. A p-bit at input I keeps its
//! value with probability e^{−T/τ(I)}, τ(I) = τ0/cosh(αI), and is else drawn from σ(2I); a category is decided by gates that do
//! the same (`gates`). With T ≫ τ that is block Gibbs sampling. Offsets, errors of logits, converters and temperature
//! act on what each element is given.

use super::bag;
use super::card::Kind;
use super::chip::Chip;
use super::converters::converter;
use super::dac::Dac;
use super::die::Die;
use super::gates;
use super::program::Realised;
use super::spin_values::offsets;
use super::view::View;
use crate::dynamics::{Clocking, LevelInput, Levels, Linear, Process};
use crate::energy::{Domain, Factor, FactorGraph, Model, Parameters, Parametric};
use crate::error::{Error, Result};
use rand::{Rng, RngExt};

/// Domains of the die's random numbers, those of p-bits and of categories.
const LOGIT: u64 = 15;
const TAU: u64 = 5;

/// One variable's element.
#[derive(Clone, Debug)]
struct Element {
    /// Correlation time of each gate without input, s (a p-bit is one gate).
    tau: Vec<f64>,
    /// α.
    tau_bias: f64,
    /// Input over the nominal one.
    gain: f64,
    /// Error of each state's logit.
    errors: Vec<f64>,
    /// Offset of a p-bit's input.
    offset: f64,
}

/// What a host does with the elements.
#[derive(Clone, Debug)]
pub struct Hosted {
    graph: FactorGraph,
    elements: Vec<Element>,
    /// First gate of each variable.
    first_gate: Vec<usize>,
    /// T, s.
    round_trip: f64,
    /// The converter of the p-bits' inputs.
    dac: Dac,
}

impl Hosted {
    /// The energy.
    pub fn graph(&self) -> &FactorGraph {
        &self.graph
    }

    /// Gates of all variables.
    pub fn gates(&self) -> usize {
        self.first_gate[self.elements.len()]
    }

    /// Seconds of a round.
    pub fn round(&self) -> f64 {
        self.round_trip * self.graph.colouring().len() as f64
    }

    /// One round of a chain in states `x` whose gates stand as `gates`; `held` variables stay.
    pub fn round_of(&self, x: &mut [u8], gates: &mut [bool], held: &[bool], rng: &mut impl Rng) {
        let mut logits = Vec::new();
        for class in self.graph.colouring() {
            // Variables of a class share no factor: none of them sees another's new state.
            for &i in class.iter().filter(|&&i| !held[i]) {
                logits.resize(self.graph.domains()[i].states(), 0.0);
                self.graph.local_logits(x, i, &mut logits);
                let own = &mut gates[self.first_gate[i]..self.first_gate[i + 1]];
                self.settle(i, &mut logits, own, rng);
                x[i] = self.decided(i, own);
            }
        }
    }

    /// One round trip of variable `i` at these logits, which are used up.
    fn settle(&self, i: usize, logits: &mut [f64], own: &mut [bool], rng: &mut impl Rng) {
        let element = &self.elements[i];
        let mut settle = |gate: &mut bool, tau: f64, input: f64| {
            let input = element.gain * input;
            let kept = (-self.round_trip / tau * (element.tau_bias * input).cosh()).exp();
            let (redraw, up): (f64, f64) = (rng.random(), rng.random());
            if redraw >= kept {
                *gate = up * (1.0 + (-2.0 * input).exp()) < 1.0;
            }
        };
        if self.graph.domains()[i] == Domain::Spin {
            let asked = 0.5 * (logits[1] - logits[0]);
            let written = self.dac.convert(asked).0 + element.offset;
            return settle(&mut own[0], element.tau[0], written);
        }
        for (logit, error) in logits.iter_mut().zip(&element.errors) {
            *logit += error;
        }
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for logit in logits.iter_mut() {
            *logit = (*logit - most).exp();
        }
        for ((gate, input), &tau) in own.iter_mut().zip(gates::inputs(logits)).zip(&element.tau) {
            settle(gate, tau, input);
        }
    }

    /// The state that gates decide.
    fn decided(&self, i: usize, own: &[bool]) -> u8 {
        match self.graph.domains()[i] {
            Domain::Spin => u8::from(own[0]),
            Domain::Categorical(_) => own.iter().position(|&on| on).unwrap_or(own.len()) as u8,
        }
    }

    /// Whether a converter rounds what the host computes.
    fn rounds(&self) -> bool {
        self.dac.bits.is_some() && self.graph.domains().contains(&Domain::Spin)
    }

    /// Whether categories are drawn at another temperature than the card's, where their gates make no softmax of a multiple.
    fn warm_categories(&self) -> bool {
        let domains = self.elements.iter().zip(self.graph.domains());
        domains
            .filter(|(_, domain)| **domain != Domain::Spin)
            .any(|(element, _)| element.gain != 1.0)
    }

    /// Puts the gates of variable `i` where they decide `state`: later ones than the first that is on are off.
    pub fn put(&self, i: usize, state: u8, gates: &mut [bool]) {
        let own = &mut gates[self.first_gate[i]..self.first_gate[i + 1]];
        own.fill(false);
        let on = match self.graph.domains()[i] {
            Domain::Spin => (state == 1).then_some(0),
            Domain::Categorical(_) => Some(usize::from(state)),
        };
        if let Some(gate) = on.and_then(|k| own.get_mut(k)) {
            *gate = true;
        }
    }
}

/// A bag with an energy that its host holds.
#[derive(Clone, Debug)]
pub(super) struct HostedChip {
    hosted: Hosted,
    /// The elements under the host's clock; their inputs are the host's to set.
    process: Process,
    tau: f64,
    volts_per_input: f64,
    realised: Realised,
}

impl HostedChip {
    /// An energy on the elements of a bag's die.
    ///
    /// # Errors
    /// A variable that no element of the bag is, more of them than it has.
    pub(super) fn new(die: &Die, graph: &FactorGraph) -> Result<Self> {
        let spins = bag::part(die, Kind::Telegraph)?;
        let categories = bag::part(die, Kind::GatedStates)?;
        let (spins, categories) = (spins.as_ref(), categories.as_ref());
        let most = die.card.get("limits.max_nodes").unwrap_or(f64::INFINITY);
        if graph.dim() as f64 > most {
            let expected = format!("at most {most} variables on {}", die.card.name);
            return Err(Error::invalid("energy.variables", graph.dim(), expected));
        }
        let tau = die.card.required("physics.tau");
        let round_trip = die.card.required("physics.round_trip");
        let n = graph.dim();
        let bits = graph.domains().iter().map(|domain| domain.states() - 1);
        let all_gates: usize = bits.sum();
        let volts_per_input = spins.map_or(1.0, Die::volts_per_input);
        let off = spins.map_or_else(Vec::new, |die| offsets(die, n, volts_per_input));
        let spins_tau = spins.map_or_else(Vec::new, |die| die.sites(TAU, all_gates));
        let (mut elements, mut first_gate, mut state) = (Vec::new(), vec![0], 0u64..);
        for (i, domain) in graph.domains().iter().enumerate() {
            let (element, kind) = match domain {
                Domain::Spin => (spins, "p-bits"),
                Domain::Categorical(_) => (categories, "categories"),
            };
            let Some(element) = element else {
                let expected = format!("a bag that has {kind} among its components");
                let value = format!("\"{}\" for variable {i}, {domain}", die.card.name);
                return Err(Error::invalid("hardware.model", value, expected));
            };
            let (states, card) = (domain.states(), &element.card);
            let most = card.get("limits.states").unwrap_or(f64::INFINITY);
            if *domain != Domain::Spin && states as f64 > most {
                let expected = format!("categories of 2 to {most} states on {}", card.name);
                let field = format!("energy.variables[{i}]");
                return Err(Error::invalid(field, format!("{domain}"), expected));
            }
            let first = first_gate[i];
            let slow = element.actual("physics.tau") * element.slower_when_cold();
            let spread = element.spread("tau", "nonidealities.tau_sigma");
            let deviate = |g: usize| match domain {
                Domain::Spin => spins_tau[g],
                Domain::Categorical(_) => element.deviate(TAU, g as u64),
            };
            let gates = first..first + states - 1;
            let times = gates.map(|g| slow * (spread * deviate(g)).exp());
            let sigma = element.spread("weight", "nonidealities.weight_sigma");
            let errors = (0..states).zip(&mut state);
            elements.push(Element {
                tau: times.collect(),
                tau_bias: card.required("physics.tau_bias"),
                gain: element.gain(),
                errors: errors
                    .map(|(_, k)| sigma * element.deviate(LOGIT, k))
                    .collect(),
                offset: match domain {
                    Domain::Spin => off[i],
                    Domain::Categorical(_) => 0.0,
                },
            });
            first_gate.push(first + states - 1);
        }
        let of = |i: &usize| first_gate[*i]..first_gate[*i + 1];
        let classes = graph.colouring().iter();
        let classes = classes.map(|class| class.iter().flat_map(of).collect());
        let input = LevelInput::Direct {
            field: vec![0.0; all_gates],
            coupling: Linear::Sparse(vec![Vec::new(); all_gates]),
        };
        let times = elements.iter().flat_map(|e| &e.tau).map(|t| t / tau);
        let process = Process {
            levels: Some(Levels {
                clocking: Clocking::Phases {
                    phase: round_trip / tau,
                    classes: classes.collect(),
                },
                ..Levels::free(times.collect(), input)
            }),
            ..Process::still(0)
        };
        let realised = Realised {
            fields: elements.iter().map(|e| e.offset).collect(),
            ..Realised::default()
        };
        Ok(HostedChip {
            hosted: Hosted {
                graph: graph.clone(),
                elements,
                first_gate,
                round_trip,
                dac: converter(spins.unwrap_or(die), "limits.field_max", 1.0),
            },
            process,
            tau,
            volts_per_input,
            realised,
        })
    }
}

/// Whether a host has to wire this energy: it has spins, or factors of several variables.
pub(super) fn needs_host(graph: &FactorGraph) -> bool {
    let spins = graph.domains().contains(&Domain::Spin);
    spins || graph.factors().iter().any(|f| f.variables().count() > 1)
}

impl Chip for HostedChip {
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

    fn write(&mut self, _die: &Die, parameters: &Parameters) -> Result<()> {
        self.hosted.graph.set_parameters(parameters)
    }

    /// Offsets of the p-bits' inputs.
    fn realised(&self) -> &Realised {
        &self.realised
    }

    /// The energy with the elements' errors, where these act as terms of their own: no converter rounds, and where there are
    /// categories the temperature is the card's.
    fn energy(&self, _die: &Die, _asked: &Model) -> Option<Model> {
        let hosted = &self.hosted;
        let mut factors = hosted.graph.factors().to_vec();
        let gain = hosted.elements.first().map_or(1.0, |e| e.gain);
        let weights = factors.iter_mut().flat_map(|f| &mut f.weights);
        weights.for_each(|w| *w *= gain);
        for (i, (element, domain)) in hosted
            .elements
            .iter()
            .zip(hosted.graph.domains())
            .enumerate()
        {
            factors.push(match domain {
                Domain::Spin => Factor::product(vec![i], gain * element.offset),
                Domain::Categorical(_) => Factor::table(vec![i], element.errors.clone()),
            });
        }
        let graph = FactorGraph::new(hosted.graph.domains().to_vec(), factors);
        graph.ok().map(Model::Factors)
    }

    fn no_energy_because(&self, _die: &Die) -> Vec<(bool, &'static str)> {
        let hosted = &self.hosted;
        vec![
            (hosted.rounds(), "inputs are rounded by converters"),
            (
                hosted.warm_categories(),
                "gates of categories at another temperature than the card's",
            ),
        ]
    }

    fn view(&self) -> View {
        View::Direct
    }

    fn scheme(&self) -> &'static str {
        "host"
    }

    fn hosted(&self) -> Option<&Hosted> {
        Some(&self.hosted)
    }
}
