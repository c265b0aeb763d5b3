//! Products of three or four spins on a p-bit chip: the chip holds pairs with auxiliary spins (`pair_spins`), of which the
//! factor energy's spins are read and the others are not.
//!
//! The law of what is read is Σ_a P(s, a), the factor energy's exactly where the chip samples its pairs exactly.

use super::chip::Chip;
use super::dac::Dac;
use super::die::Die;
use super::pair_spins::PairSpins;
use super::placement::PlacementReport;
use super::program::{Programmed, Realisation, Realised};
use super::readout::Readout;
use super::view::View;
use crate::circuit::Circuit;
use crate::dynamics::Process;
use crate::energy::{FactorGraph, Model, Parameters, Parametric};
use crate::error::Result;

/// Pairs on a chip, read as the factor energy that they stand for.
#[derive(Clone, Debug)]
pub(super) struct AuxiliaryChip {
    pairs: Programmed,
    held: PairSpins,
    graph: FactorGraph,
}

impl AuxiliaryChip {
    /// `pairs` holds the energy of `held`, which stands for `graph`.
    pub(super) fn new(pairs: Programmed, held: PairSpins, graph: FactorGraph) -> Self {
        AuxiliaryChip { pairs, held, graph }
    }
}

impl Chip for AuxiliaryChip {
    fn boxed(&self) -> Box<dyn Chip> {
        Box::new(self.clone())
    }

    fn process(&self) -> &Process {
        self.pairs.process()
    }

    fn seconds_per_time(&self) -> f64 {
        self.pairs.seconds_per_time()
    }

    fn volts_per_x(&self) -> f64 {
        self.pairs.volts_per_x()
    }

    fn write(&mut self, _die: &Die, parameters: &Parameters) -> Result<()> {
        let mut graph = self.graph.clone();
        graph.set_parameters(parameters)?;
        let held = self.held.rewritten(&graph)?;
        self.pairs.reprogram(&held.ising.parameters())?;
        (self.graph, self.held) = (graph, held);
        Ok(())
    }

    fn realised(&self) -> &Realised {
        self.pairs.realised()
    }

    fn energy(&self, _die: &Die, _asked: &Model) -> Option<Model> {
        None
    }

    fn no_energy_because(&self, die: &Die) -> Vec<(bool, &'static str)> {
        self.pairs.chip().no_energy_because(die)
    }

    fn on_elements(&self) -> Option<Parameters> {
        Some(self.pairs.asked())
    }

    fn pairs(&self) -> Option<Vec<(usize, usize)>> {
        Some(self.pairs.pairs())
    }

    fn coupling_dac(&self, die: &Die) -> Dac {
        self.pairs.chip().coupling_dac(die)
    }

    fn view(&self) -> View {
        View::Copies {
            copies: (0..self.held.visible).map(|i| vec![i]).collect(),
            of: Box::new(self.pairs.view()),
        }
    }

    fn readout(&self, die: &Die) -> Readout {
        self.pairs.chip().readout(die)
    }

    fn step(&self, tolerance: f64) -> Option<f64> {
        self.pairs.chip().step(tolerance)
    }

    fn scheme(&self) -> &'static str {
        self.pairs.chip().scheme()
    }

    fn circuit(&self) -> Option<&Circuit> {
        self.pairs.chip().circuit()
    }

    fn recorded(&self, of: Realisation) -> Result<Circuit> {
        self.pairs.chip().recorded(of)
    }

    fn elements(&self) -> Option<usize> {
        Some(self.pairs.elements())
    }

    fn placement(&self) -> Option<PlacementReport> {
        self.pairs.placement()
    }

    fn auxiliaries(&self) -> usize {
        self.held.auxiliaries.len()
    }

    fn settled(&self, _die: &Die) -> Option<Vec<f64>> {
        let all = self.pairs.settled_law()?;
        let mut read = vec![0.0; 1 << self.held.visible];
        let states = read.len();
        for (state, p) in all.into_iter().enumerate() {
            read[state % states] += p;
        }
        Some(read)
    }
}
