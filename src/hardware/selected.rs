//! Mixtures: K branches of injected-noise nodes that run on their own, and a selector of two-state elements that gates them.
//!
//! Branch k samples N(μ_k, Σ_k); what is read is the branch that the selector lets through, so that the law of a reading is
//! Σ_k w_k N(μ_k, Σ_k) however fast selector and branches are (arXiv 2608.01612; US 2026/0031800). A mixer leaks: the reading
//! is (1 − ε) times the chosen branch plus ε times the mean of the others. On a die each gate's logit is off by the card's
//! weight error, and the branches have the mismatch of injected-noise nodes.

use super::chip::Chip;
use super::dac::Dac;
use super::die::Die;
use super::gates;
use super::injected::InjectedChip;
use super::program::{Realised, Scale};
use super::readout::Readout;
use super::view::View;
use crate::circuit::Circuit;
use crate::dynamics::{LevelInput, Levels, Linear, Process};
use crate::energy::{Couplings, Mixture, Model, Parameters, SoftSpin};
use crate::error::{Error, Result};
use nalgebra::DVector;

/// The gates' logit errors, as a domain of the die's random numbers.
const WEIGHT: u64 = 12;

/// A programmed mixture.
#[derive(Clone, Debug)]
pub(super) struct SelectedChip {
    branches: InjectedChip,
    process: Process,
    view: View,
    /// Rate of the fastest thing on the chip, in the process's time.
    fastest: f64,
    realised: Realised,
}

impl SelectedChip {
    pub(super) fn new(die: &Die, mixture: &Mixture, scale: Scale) -> Result<Self> {
        let card = &die.card;
        let components = mixture.components();
        let (k, dim) = (components.len(), components[0].mean.len());
        let most = card.get("limits.branches").unwrap_or(f64::INFINITY);
        if k < 2 || k as f64 > most {
            let expected = format!("2 to {most} components on {}", card.name);
            return Err(Error::invalid(
                "energy.weights",
                format!("{k} of them"),
                expected,
            ));
        }
        let branches = InjectedChip::new(die, &side_by_side(mixture)?, scale)?;
        let weights: Vec<f64> = components.iter().map(|c| c.weight).collect();
        let sigma = die.spread("weight", "nonidealities.weight_sigma");
        let field: Vec<f64> = gates::inputs(&weights)
            .zip(0u64..)
            .map(|(input, gate)| {
                (input + 0.5 * sigma * die.deviate(WEIGHT, gate)) / die.temperature_ratio
            })
            .collect();
        let tau = card.required("physics.select_tau") / branches.seconds_per_time();
        let mut process = branches.process().clone();
        process.levels = Some(Levels::free(
            vec![tau; k - 1],
            LevelInput::Node {
                input: vec![Vec::new(); k - 1],
                offset: field.clone(),
                drive: Linear::Sparse(vec![Vec::new(); k * dim]),
            },
        ));
        let stiffest = components
            .iter()
            .map(|c| c.precision.clone().symmetric_eigenvalues().max())
            .fold(0.0, f64::max);
        let centres = components.iter().flat_map(|c| c.mean.iter().copied());
        let view = View::Selected {
            branches: k,
            dim,
            centres: centres.collect(),
            leak: die.spread("leak", "nonidealities.leak"),
        };
        Ok(SelectedChip {
            branches,
            process,
            view,
            fastest: stiffest,
            realised: Realised {
                fields: field,
                ..Realised::default()
            },
        })
    }
}

/// The branches as one energy of K·D nodes, nothing between them.
fn side_by_side(mixture: &Mixture) -> Result<Model> {
    let (mut j2, mut fields, mut edges) = (Vec::new(), Vec::new(), Vec::new());
    for c in mixture.components() {
        let first = j2.len();
        let bias: DVector<f64> = &c.precision * &c.mean;
        for i in 0..c.mean.len() {
            j2.push(0.5 * c.precision[(i, i)]);
            fields.push(bias[i]);
            for j in i + 1..c.mean.len() {
                let value = c.precision[(i, j)];
                if value != 0.0 {
                    edges.push((first + i, first + j, -value));
                }
            }
        }
    }
    let n = j2.len();
    let graph = Couplings::new(n, edges)?;
    SoftSpin::new(j2, vec![0.0; n], fields, graph).map(Model::SoftSpin)
}

impl Chip for SelectedChip {
    fn boxed(&self) -> Box<dyn Chip> {
        Box::new(self.clone())
    }

    fn process(&self) -> &Process {
        &self.process
    }

    fn seconds_per_time(&self) -> f64 {
        self.branches.seconds_per_time()
    }

    fn volts_per_x(&self) -> f64 {
        self.branches.volts_per_x()
    }

    fn write(&mut self, _die: &Die, parameters: &Parameters) -> Result<()> {
        match parameters.fields.len() + parameters.couplings.len() {
            0 => Ok(()),
            n => {
                let expected = "none: a mixture is programmed as a whole";
                Err(Error::invalid("fields", format!("{n} values"), expected))
            }
        }
    }

    /// Inputs of the gates.
    fn realised(&self) -> &Realised {
        &self.realised
    }

    /// The ideal chip's; what mismatch makes of the branches is a mixture that the report does not name.
    fn energy(&self, die: &Die, asked: &Model) -> Option<Model> {
        (die.seed.is_none() && die.temperature_ratio == 1.0).then(|| asked.clone())
    }

    fn no_energy_because(&self, die: &Die) -> Vec<(bool, &'static str)> {
        let leaks = die.nonidealities().iter().any(|n| n == "leak");
        let mut reasons = vec![(leaks, "the mixer lets the other branches through")];
        reasons.extend(self.branches.no_energy_because(die));
        reasons
    }

    fn coupling_dac(&self, die: &Die) -> Dac {
        self.branches.coupling_dac(die)
    }

    fn view(&self) -> View {
        self.view.clone()
    }

    fn readout(&self, die: &Die) -> Readout {
        let View::Selected { dim, .. } = self.view else {
            return Readout::perfect();
        };
        Readout::of(die, self.branches.volts_per_x(), dim)
    }

    fn scale(&self) -> f64 {
        self.branches.scale()
    }

    fn excess_noise_share(&self) -> Option<f64> {
        self.branches.excess_noise_share()
    }

    fn step(&self, tolerance: f64) -> Option<f64> {
        Some(2.0 * tolerance / (1.0 + tolerance) / self.fastest)
    }

    /// Euler–Maruyama: 1/(1 − hλ/2) of the stiffest branch.
    fn variance_inflation(&self, h: f64) -> Option<f64> {
        Some(1.0 / (1.0 - 0.5 * h * self.fastest) - 1.0)
    }

    fn circuit(&self) -> Option<&Circuit> {
        None
    }
}
