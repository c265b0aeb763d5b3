//! How well a programmed chip holds data: the log-likelihood of rows under the law that its array settles in, exactly.

use super::chips::Prepared;
use super::measure::mean_over_chains;
use super::mixture::PlaneMixture;
use super::moons::{Landscape, PlaneMarginal, Truth, judging};
use crate::data::{Dataset, MoonNodes};
use crate::energy::{ContinuousEnergy, Model};
use crate::hardware::Programmed;
use crate::record::{LikelihoodRecord, Metric};

/// Share of a law at the edge of the box that it is judged in, beyond which the box does not hold it.
const MOST_BORDER: f64 = 1e-6;

/// Mean ln p of rows of ±1 under a law of their spins (bit i set where s_i = +1), in nats, with the standard error over rows.
fn mean_log(law: &[f64], rows: impl Iterator<Item = impl AsRef<[f64]>>) -> Metric {
    let of = |row: &[f64]| {
        let up = row.iter().enumerate().filter(|(_, v)| **v > 0.0);
        law[up.map(|(i, _)| 1 << i).sum::<usize>()].ln()
    };
    let each: Vec<f64> = rows.map(|row| of(row.as_ref())).collect();
    mean_over_chains(&each, each.len())
}

/// What a chip's law is held against.
pub(super) enum Judge<'a> {
    /// Rows of spins.
    Spins(&'a Dataset),
    /// Rows of real variables, under mixtures alone.
    Rows(&'a Dataset),
    /// Points of two moons, and the density that they come from.
    Moons(&'a Dataset, MoonNodes, Box<Truth>),
}

impl<'a> Judge<'a> {
    /// The judge of an experiment that trains; `None` where it does not, or where no law is in reach.
    pub fn new(prepared: &'a Prepared) -> Option<Self> {
        prepared.experiment.train.as_ref()?;
        let data = prepared.dataset.as_ref()?;
        if let Some(nodes) = data.moons {
            let truth = Box::new(Truth::new(nodes.moons.noise));
            return Some(Judge::Moons(data, nodes, truth));
        }
        match &prepared.model {
            Model::Mixture(_) => Some(Judge::Rows(data)),
            model => model.discrete().map(|_| Judge::Spins(data)),
        }
    }

    /// Log-likelihoods of the experiment's rows under the law that `chip` settles in; `None` where it is out of reach.
    pub fn of(&self, chip: &Programmed) -> Option<LikelihoodRecord> {
        match self {
            Judge::Spins(data) => {
                let law = chip.visible_law(data.labels.end)?;
                let of = |which: &[usize]| {
                    let found = (!which.is_empty())
                        .then(|| mean_log(&law, which.iter().map(|&r| &data.rows[r])));
                    // A state whose probability is no double has a likelihood that no record can hold.
                    found.filter(|m| m.value.is_finite())
                };
                Some(LikelihoodRecord {
                    train: of(&data.train)?,
                    test: of(&data.test),
                    data_kl: None,
                })
            }
            Judge::Rows(data) => {
                let Some(Model::Mixture(law)) = chip.energy() else {
                    return None;
                };
                Some(of_rows(data, |row| -law.value(row), None))
            }
            Judge::Moons(data, nodes, truth) => {
                let own = law_of_plane(chip, nodes)?;
                if !own.is_resolved() {
                    return None;
                }
                let law = judging().law_of(|point| own.value(point));
                if law.border > MOST_BORDER {
                    return None;
                }
                let of = |row: &[f64]| -own.value(nodes.to_plane([row[0], row[1]])) - law.log_z;
                let kl = law.divergence_from(&truth.density);
                Some(of_rows(data, of, Some(kl)))
            }
        }
    }
}

/// The law of the plane that a chip's first two nodes settle in, where it is known.
pub(super) fn law_of_plane(chip: &Programmed, nodes: &MoonNodes) -> Option<Box<dyn Landscape>> {
    if let Some(Model::Mixture(law)) = chip.energy() {
        return Some(Box::new(PlaneMixture::new(*nodes, law)));
    }
    let (energy, shifts) = chip.shifted_energy()?;
    let own = PlaneMarginal::new(*nodes, &energy, [shifts[0], shifts[1]]).ok()?;
    Some(Box::new(own))
}

/// Mean ln p of the rows learned from and of those held out.
fn of_rows(data: &Dataset, log: impl Fn(&[f64]) -> f64, data_kl: Option<f64>) -> LikelihoodRecord {
    let of = |which: &[usize]| {
        let each: Vec<f64> = which.iter().map(|&r| log(&data.rows[r])).collect();
        mean_over_chains(&each, each.len())
    };
    LikelihoodRecord {
        train: of(&data.train),
        test: (!data.test.is_empty()).then(|| of(&data.test)),
        data_kl,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_spins() {
        let law = [0.1, 0.2, 0.3, 0.4];
        let rows = [[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]];
        let found = mean_log(&law, rows.iter());
        let logs = [0.2f64.ln(), 0.3f64.ln(), 0.4f64.ln()];
        let mean = logs.iter().sum::<f64>() / 3.0;
        let variance = logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / 2.0;
        assert!((found.value - mean).abs() < 1e-15);
        assert!((found.se.unwrap() - (variance / 3.0).sqrt()).abs() < 1e-15);
    }
}
