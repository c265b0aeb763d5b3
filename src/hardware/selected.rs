//! Mixtures: K branches of injected-noise nodes that run on their own, and a selector of two-state elements that gates them.
//!
//! Branch k samples N(μ_k, Σ_k); what is read is the branch that the selector lets through, so that the law of a reading is
//! Σ_k w_k N(μ_k, Σ_k) however fast selector and branches are (arXiv 2608.01612; US 2026/0031800). Biases Σ_k⁻¹ μ_k and couplings
//! go through their converters, and so does a node's stiffness (Σ_k⁻¹)_ii, as a coupling of the node to itself. A mixer leaks: the
//! reading is (1 − ε) times the chosen branch plus ε times the mean of the others. On a die each gate's logit is off by the card's
//! weight error, and the branches have the mismatch of injected-noise nodes. As long as nothing clips, branches are linear and
//! their readings Gaussian, so that a die's law is a mixture too, and known.

use super::chip::Chip;
use super::converters::of_couplings;
use super::dac::Dac;
use super::die::Die;
use super::gates;
use super::injected::{InjectedChip, fitting_scale};
use super::program::{Realised, Scale};
use super::readout::Readout;
use super::view::View;
use crate::circuit::Circuit;
use crate::dynamics::{LevelInput, Levels, Linear, Process, linear};
use crate::energy::{Couplings, Mixture, Model, Parameters, Parametric, SoftSpin};
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};

/// The gates' logit errors and the gains of nodes' stiffness, as domains of the die's random numbers.
const WEIGHT: u64 = 12;
const STIFFNESS: u64 = 17;

/// A programmed mixture.
#[derive(Clone, Debug)]
pub(super) struct SelectedChip {
    branches: InjectedChip,
    process: Process,
    view: View,
    /// Rate of the fastest thing on the chip, in the process's time.
    fastest: f64,
    /// What was asked for.
    mixture: Mixture,
    /// The law of a reading; `None` where the die's converters and gains leave a branch without one.
    law: Option<Mixture>,
    /// Inputs of the gates and fields of the branches, their couplings and the nodes' stiffnesses, asked for.
    asked: Parameters,
    /// What became of them.
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
        let (energy, a, (stiffness, clipped)) = side_by_side(die, mixture, scale)?;
        let held: Vec<f64> = energy.j2.iter().map(|j2| 2.0 * j2).collect();
        let both = |held: &[f64]| -> Vec<(f64, f64)> { held.iter().map(|&s| (s, s)).collect() };
        let side = Model::SoftSpin(energy);
        let branches = InjectedChip::new(die, &side, Scale::Fixed(a))?;
        let weights: Vec<f64> = components.iter().map(|c| c.weight).collect();
        let inputs: Vec<f64> = gates::inputs(&weights).collect();
        let sigma = die.spread("weight", "nonidealities.weight_sigma");
        let field: Vec<f64> = inputs
            .iter()
            .zip(0u64..)
            .map(|(input, gate)| {
                (input + 0.5 * sigma * die.deviate(WEIGHT, gate)) / die.temperature_ratio
            })
            .collect();
        let leak = die.spread("leak", "nonidealities.leak");
        let a = linear::linearised(branches.process(), &vec![0.0; k * dim]);
        let law = law_of(branches.process(), &a, &gates::probabilities(&field), leak);
        let tau = card.required("physics.select_tau") / branches.seconds_per_time();
        let mut process = branches.process().clone();
        let rate = |b: usize| {
            let own = a.view((b * dim, b * dim), (dim, dim)).into_owned();
            own.complex_eigenvalues().map(|rate| rate.norm()).max()
        };
        let fastest = (0..k).map(rate).fold(0.0, f64::max);
        process.levels = Some(Levels::free(
            vec![tau; k - 1],
            LevelInput::Node {
                input: vec![Vec::new(); k - 1],
                offset: field.clone(),
                drive: Linear::Sparse(vec![Vec::new(); k * dim]),
            },
        ));
        let centres = components.iter().flat_map(|c| c.mean.iter().copied());
        let view = View::Selected {
            branches: k,
            dim,
            centres: centres.collect(),
            leak,
        };
        let wanted = side.parameters();
        let own = branches.realised();
        Ok(SelectedChip {
            process,
            view,
            fastest,
            mixture: mixture.clone(),
            law,
            asked: Parameters {
                fields: [inputs, wanted.fields].concat(),
                couplings: [wanted.couplings, stiffness].concat(),
            },
            realised: Realised {
                fields: [field, own.fields.clone()].concat(),
                couplings: [own.couplings.clone(), both(&held)].concat(),
                clipped: own.clipped + clipped,
            },
            branches,
        })
    }
}

/// The law of a reading: of each branch the stationary law of its process, mixed with the others' by a leak. `None` where a branch
/// has none.
fn law_of(process: &Process, a: &DMatrix<f64>, weights: &[f64], leak: f64) -> Option<Mixture> {
    let d = linear::diffusion(process);
    let drift = linear::force(process, &vec![0.0; process.nodes], 0.0);
    let k = weights.len();
    let dim = process.nodes / k;
    // Branches do not see each other.
    let settled: Vec<(DVector<f64>, DMatrix<f64>)> = (0..k)
        .map(|b| {
            let part = |m: &DMatrix<f64>| m.view((b * dim, b * dim), (dim, dim)).into_owned();
            let own = drift.rows(b * dim, dim).into_owned();
            linear::settled(&part(a), &own, &part(&d)).ok()
        })
        .collect::<Option<_>>()?;
    let others = (k as f64 - 1.0).max(1.0);
    let share = |own: usize, other: usize| {
        if own == other {
            1.0 - leak
        } else {
            leak / others
        }
    };
    let means: Vec<DVector<f64>> = (0..k)
        .map(|own| (0..k).map(|b| &settled[b].0 * share(own, b)).sum())
        .collect();
    let covariances: Vec<DMatrix<f64>> = (0..k)
        .map(|own| {
            let parts = (0..k).map(|b| &settled[b].1 * share(own, b).powi(2));
            let sum: DMatrix<f64> = parts.sum();
            0.5 * (&sum + sum.transpose())
        })
        .collect();
    // A gate may be shut beyond what a double tells from never.
    let weights: Vec<f64> = weights.iter().map(|w| w.max(f64::MIN_POSITIVE)).collect();
    Mixture::new(&weights, &means, &covariances).ok()
}

/// The branches as one energy of K·D nodes with nothing between them, stiffness as the die realises it; the range factor; the
/// stiffnesses asked for, and how many of them were clipped.
#[allow(clippy::type_complexity)]
fn side_by_side(
    die: &Die,
    mixture: &Mixture,
    scale: Scale,
) -> Result<(SoftSpin, f64, (Vec<f64>, usize))> {
    let (mut stiffness, mut fields, mut edges) = (Vec::new(), Vec::new(), Vec::new());
    for c in mixture.components() {
        let first = stiffness.len();
        let bias: DVector<f64> = &c.precision * &c.mean;
        for i in 0..c.mean.len() {
            stiffness.push(c.precision[(i, i)]);
            fields.push(bias[i]);
            for j in i + 1..c.mean.len() {
                let value = c.precision[(i, j)];
                edges.push((first + i, first + j, -value));
            }
        }
    }
    let n = stiffness.len();
    let graph = Couplings::new(n, edges)?;
    let j2 = stiffness.iter().map(|s| 0.5 * s).collect();
    let mut energy = SoftSpin::new(j2, vec![0.0; n], fields, graph)?;
    let a = match scale {
        Scale::Fixed(a) => a,
        Scale::Fit => {
            let stiffest = stiffness.iter().copied().fold(0.0, f64::max);
            let most = die.card.get("limits.coupling_max");
            let own = most.map_or(0.0, |most| (stiffest / most).sqrt());
            fitting_scale(die, &energy).max(own)
        }
    };
    let dac = of_couplings(die, a * a);
    let mut clipped = 0;
    for (i, (j2, asked)) in energy.j2.iter_mut().zip(&stiffness).enumerate() {
        let (level, beyond) = dac.convert(*asked);
        clipped += usize::from(beyond);
        *j2 = 0.5 * level * die.coupler_gains(STIFFNESS, i as u64).0;
    }
    Ok((energy, a, (stiffness, clipped)))
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

    /// All numbers of a mixture ([`Mixture::parameters`]), at the range factor that it has.
    fn write(&mut self, die: &Die, parameters: &Parameters) -> Result<()> {
        let mut mixture = self.mixture.clone();
        mixture.set_parameters(parameters)?;
        let next = SelectedChip::new(die, &mixture, Scale::Fixed(self.scale()))?;
        next.check_stable()?;
        *self = next;
        Ok(())
    }

    fn check_stable(&self) -> Result<()> {
        if self.law.is_some() || self.process.rails.is_some() {
            return Ok(());
        }
        let value = "a branch that the die's converters and gains leave without a law";
        let expected = "covariances whose inverses survive the die's rounding and mismatch";
        Err(Error::invalid("energy.covariances", value, expected))
    }

    /// Inputs of the gates, then fields of the branches; their couplings, then the nodes' stiffnesses.
    fn realised(&self) -> &Realised {
        &self.realised
    }

    fn on_elements(&self) -> Option<Parameters> {
        Some(self.asked.clone())
    }

    fn pairs(&self) -> Option<Vec<(usize, usize)>> {
        let dim = self.mixture.components()[0].mean.len();
        let branch = |b: usize| {
            let pairs = (0..dim).flat_map(move |i| (i + 1..dim).map(move |j| (i, j)));
            pairs.map(move |(i, j)| (b * dim + i, b * dim + j))
        };
        let branches = self.mixture.components().len();
        let own = (0..branches * dim).map(|i| (i, i));
        Some((0..branches).flat_map(branch).chain(own).collect())
    }

    /// −ln p of a reading.
    fn energy(&self, _die: &Die, _asked: &Model) -> Option<Model> {
        self.law.clone().map(Model::Mixture)
    }

    fn needs_reciprocity(&self) -> bool {
        false
    }

    /// A clipped branch is no Gaussian.
    fn no_energy_because(&self, die: &Die) -> Vec<(bool, &'static str)> {
        let clips = die.nonidealities().iter().any(|n| n == "rails");
        vec![
            (clips, "rails clip the node voltages"),
            (
                self.law.is_none(),
                "converters and gains leave a branch without a stationary law",
            ),
        ]
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

    /// Branches are linear and the selector apart from them: exact at any step, as long as nothing clips.
    fn scheme(&self) -> &'static str {
        match self.process.rails {
            None => "ornstein-uhlenbeck",
            Some(_) => "euler-maruyama",
        }
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
