//! Spins on chains of copies: what is asked of variables is written to the copies, what is read of them are majorities.
//!
//! A variable is read as the sign of the sum over its copies; on a draw the copy at the lowest site decides. Sites are
//! numbered anew in their order, so mismatch is that of so many sites side by side, wherever on the array they are.

use super::chip::Chip;
use super::dac::Dac;
use super::die::Die;
use super::placement::{Layout, PlacementReport};
use super::program::{Realisation, Realised};
use super::readout::Readout;
use super::view::View;
use crate::circuit::Circuit;
use crate::dynamics::{Process, SpinChain};
use crate::energy::{Ising, Model, Parameters, exact};
use crate::error::Result;

/// A chip of spins under an embedding.
#[derive(Clone, Debug)]
pub(super) struct PlacedChip {
    chip: Box<dyn Chip>,
    /// The energy on the sites.
    physical: Ising,
    layout: Layout,
    report: PlacementReport,
    realised: Realised,
}

impl PlacedChip {
    pub(super) fn new(
        chip: Box<dyn Chip>,
        physical: Ising,
        layout: Layout,
        report: PlacementReport,
    ) -> Self {
        let mut placed = PlacedChip {
            chip,
            physical,
            layout,
            report,
            realised: Realised::default(),
        };
        placed.gather();
        placed
    }

    /// What variables have: the sums over their copies, and over what joins their chains.
    fn gather(&mut self) {
        let sites = self.chip.realised();
        let copies = self.layout.copies.iter();
        let edges = self.layout.joins.iter().filter_map(|join| join.1).max();
        let mut couplings = vec![(0.0, 0.0); edges.map_or(0, |last| last + 1)];
        for (join, pair) in self.layout.joins.iter().zip(&sites.couplings) {
            if let Some(edge) = join.1 {
                // Directions are into the lower site and into the higher; of a variable's chain they are summed together.
                couplings[edge].0 += 0.5 * (pair.0 + pair.1);
                couplings[edge].1 += 0.5 * (pair.0 + pair.1);
            }
        }
        self.realised = Realised {
            fields: copies
                .map(|c| c.iter().map(|&site| sites.fields[site]).sum())
                .collect(),
            couplings,
            clipped: sites.clipped,
        };
    }
}

impl Chip for PlacedChip {
    fn boxed(&self) -> Box<dyn Chip> {
        Box::new(self.clone())
    }

    fn process(&self) -> &Process {
        self.chip.process()
    }

    fn seconds_per_time(&self) -> f64 {
        self.chip.seconds_per_time()
    }

    fn volts_per_x(&self) -> f64 {
        self.chip.volts_per_x()
    }

    /// The coupling between copies stays as it was placed.
    fn write(&mut self, die: &Die, parameters: &Parameters) -> Result<()> {
        let written = self.layout.parameters(parameters);
        self.chip.write(die, &written)?;
        self.physical.fields = written.fields;
        self.physical.couplings.set_values(&written.couplings)?;
        self.gather();
        Ok(())
    }

    fn realised(&self) -> &Realised {
        &self.realised
    }

    fn energy(&self, _die: &Die, _asked: &Model) -> Option<Model> {
        None
    }

    fn no_energy_because(&self, die: &Die) -> Vec<(bool, &'static str)> {
        let mut reasons = self.chip.no_energy_because(die);
        reasons.push((true, "variables are majorities of copies that may differ"));
        reasons
    }

    fn coupling_dac(&self, die: &Die) -> Dac {
        self.chip.coupling_dac(die)
    }

    fn view(&self) -> View {
        View::Copies {
            copies: self.layout.copies.clone(),
            of: Box::new(self.chip.view()),
        }
    }

    fn readout(&self, die: &Die) -> Readout {
        self.chip.readout(die)
    }

    fn step(&self, tolerance: f64) -> Option<f64> {
        self.chip.step(tolerance)
    }

    fn scheme(&self) -> &'static str {
        self.chip.scheme()
    }

    fn circuit(&self) -> Option<&Circuit> {
        self.chip.circuit()
    }

    fn recorded(&self, of: Realisation) -> Result<Circuit> {
        self.chip.recorded(of)
    }

    fn elements(&self) -> Option<usize> {
        Some(self.layout.sites())
    }

    fn placement(&self) -> Option<PlacementReport> {
        Some(self.report)
    }

    /// By enumeration of the copies, where they have an energy; else of the process that they are.
    fn settled(&self, die: &Die) -> Option<Vec<f64>> {
        let physical = Model::Ising(self.physical.clone());
        let reasons = self.chip.no_energy_because(die);
        let even = self.chip.realised().couplings.iter().all(|c| c.0 == c.1);
        let own = if even && !reasons.iter().any(|r| r.0) {
            self.chip.energy(die, &physical)
        } else {
            None
        };
        let law = match own {
            Some(Model::Ising(own)) => exact::probabilities(&own).ok()?,
            _ => SpinChain::new(self.process()).ok()?.stationary().ok()?,
        };
        let mut variables = vec![0.0; 1 << self.layout.copies.len()];
        for (state, p) in law.iter().enumerate() {
            let spin = |site: usize| if state >> site & 1 == 1 { 1.0 } else { -1.0 };
            let bits = self.layout.copies.iter().enumerate();
            let read = bits.map(|(i, copies)| {
                let up = majority(copies.iter().map(|&site| spin(site))) > 0.0;
                usize::from(up) << i
            });
            variables[read.sum::<usize>()] += p;
        }
        Some(variables)
    }
}

/// The sign of the sum of copies; the first decides on a draw.
pub(super) fn majority(mut copies: impl Iterator<Item = f32> + Clone) -> f32 {
    let sum: f32 = copies.clone().sum();
    let first = copies.next().unwrap_or(1.0);
    let decided = if sum == 0.0 { first } else { sum };
    if decided > 0.0 { 1.0 } else { -1.0 }
}
