//! One step of maximum likelihood on a line: the energy goes down at the data and up at the model's samples.
//!
//! θ ← θ − ηg with g = ∂⟨E⟩_data − ∂⟨E⟩_model, the model's average by quadrature. To first order ⟨ΔE⟩_data − ⟨ΔE⟩_model = −η|g|²:
//! the step is as long as makes that one nat.

use crate::energy::Network;
use crate::error::Result;
use crate::record::{Chart, Established, Series, Verdict};
use nalgebra::DMatrix;

/// Cells of the line.
const CELLS: usize = 1200;

/// A line, the network on it before and after the step.
pub(super) struct OneStep {
    x: Vec<f64>,
    before: Vec<f64>,
    after: Vec<f64>,
    /// ⟨ΔE⟩ at the data and under the model before the step.
    pub at_data: f64,
    pub at_model: f64,
}

fn line(from: f64, to: f64) -> DMatrix<f64> {
    let width = (to - from) / CELLS as f64;
    DMatrix::from_fn(1, CELLS, |_, k| from + width * (k as f64 + 0.5))
}

/// Weights exp(−E)/Σ of the cells.
fn shares(energies: &[f64]) -> Vec<f64> {
    let least = energies.iter().copied().fold(f64::INFINITY, f64::min);
    let weights: Vec<f64> = energies.iter().map(|e| (least - e).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|w| w / sum).collect()
}

/// One step of `gain` nats (to first order) from `network` towards `data`, both on the line from `from` to `to`.
pub(super) fn one_step(
    network: &Network<f64>,
    data: &DMatrix<f64>,
    (from, to): (f64, f64),
    gain: f64,
) -> Result<OneStep> {
    let places = line(from, to);
    let before = network.energies(&places);
    let share = shares(&before);
    let mut gradient = vec![0.0; network.parameters().len()];
    let mut add = |points: &DMatrix<f64>, weight: &dyn Fn(usize) -> f64| {
        let still = DMatrix::zeros(1, points.ncols());
        network.add_jet_gradient(points, &still, 0, &mut gradient, |k, _| {
            [weight(k), 0.0, 0.0]
        });
    };
    add(data, &|_| 1.0 / data.ncols() as f64);
    add(&places, &|k| -share[k]);
    let square: f64 = gradient.iter().map(|g| g * g).sum();
    let rate = gain / square;
    let pairs = network.parameters().iter().zip(&gradient);
    let theta: Vec<f64> = pairs.map(|(t, g)| t - rate * g).collect();
    let mut moved = network.clone();
    moved.set_parameters(&theta)?;
    let after = moved.energies(&places);
    let changes = moved.energies(data).into_iter().zip(network.energies(data));
    let at_data = changes.map(|(a, b)| a - b).sum::<f64>() / data.ncols() as f64;
    let at_model = share.iter().zip(&after).zip(&before);
    Ok(OneStep {
        at_model: at_model.map(|((p, a), b)| p * (a - b)).sum(),
        at_data,
        x: places.iter().copied().collect(),
        before,
        after,
    })
}

impl OneStep {
    /// Energies before and after.
    pub fn chart(&self) -> Chart {
        let series = |label: &str, y: &[f64]| Series {
            label: label.to_owned(),
            x: self.x.clone(),
            y: y.to_vec(),
            se: None,
        };
        let change: Vec<f64> = self
            .after
            .iter()
            .zip(&self.before)
            .map(|(a, b)| a - b)
            .collect();
        Chart {
            name: "one-step".to_owned(),
            title: "One step of maximum likelihood on a line".to_owned(),
            caption: "Data: the abscissae of the moons, from −1 to 2. A network of one variable before and after one step down the slope of −log p: the energy goes down at the data, and up where the model had its weight.".to_owned(),
            x: "x".to_owned(),
            y: "energy (kT)".to_owned(),
            log_y: false,
            names: Vec::new(),
            series: vec![
                series("before", &self.before),
                series("after", &self.after),
                series("change", &change),
            ],
        }
    }

    /// What the step did at the data and at the model's samples.
    pub fn verdict(&self) -> Verdict {
        Verdict {
            claim: "one step of maximum likelihood lowers the energy at the data and raises it at the model's samples".to_owned(),
            established: Established::Decided(self.at_data < 0.0 && self.at_model > 0.0),
            evidence: format!(
                "mean change {:.3} kT at the data, {:.3} kT at the samples, by quadrature",
                self.at_data, self.at_model
            ),
            more_device_seconds_needed: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    /// To first order the energies at data and model part by the gain; a step up the slope parts them the other way.
    #[test]
    fn a_small_step_parts_the_energies_by_its_gain() {
        let mut rng = Pcg64::seed_from_u64(4);
        let network = Network::new(&[1, 16, 16], 0.5, &[0.2], &mut rng).unwrap();
        let data = DMatrix::from_fn(1, 40, |_, k| -1.0 + 0.01 * (k * k % 97) as f64);
        let parted = |gain: f64| {
            let step = one_step(&network, &data, (-8.0, 8.0), gain).unwrap();
            step.at_data - step.at_model
        };
        let gain = 1e-4;
        assert!(
            (parted(gain) / -gain - 1.0).abs() < 0.01,
            "{}",
            parted(gain)
        );
        assert!(parted(-gain) > 0.0);
    }
}
