//! The temperature that a chip samples at, measured while it is trained through.
//!
//! A chip programmed with θ holds exp(−E_θ/T), that is the energy E_{θ/T}. The gradient of the log-likelihood by what it
//! holds is ⟨s⟩_clamped − ⟨s⟩_free, less λ of the couplings that it holds; a step η of θ/T along it (whatever the optimiser makes of it)
//! is a step ηT of θ. T is read off the free phases: of real variables the virial ⟨x·∇E_θ⟩/n, of spins 1/β of the maximum
//! pseudo-likelihood, averaged over updates with weights that fall by e in [`MEMORY`].
//!
//! It is of the energy that was programmed: chains that have not forgotten their start (CD with short phases), and couplings and
//! cells that are not as programmed (few converter bits, mismatch, offsets), tell a T that is off.

use crate::diagnostics::pseudo_likelihood_beta;
use crate::energy::{Model, Parameters, Parametric};
use crate::error::Result;
use serde::{Deserialize, Serialize};

/// Updates that T is averaged over.
const MEMORY: f64 = 50.0;
/// One update's reading outside this range tells of chains without a temperature, and is left out.
const RANGE: std::ops::Range<f64> = 0.05..20.0;

/// What has been read so far.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Heat {
    weight: f64,
    sum: f64,
}

impl Heat {
    /// T, or 1 before the first reading.
    pub fn temperature(&self) -> f64 {
        if self.weight == 0.0 {
            1.0
        } else {
            self.sum / self.weight
        }
    }

    fn take(&mut self, temperature: f64) {
        if RANGE.contains(&temperature) {
            let kept = (-1.0 / MEMORY).exp();
            self.weight = 1.0 + kept * self.weight;
            self.sum = temperature + kept * self.sum;
        }
    }
}

/// Reads T of chains under the parameters that they ran with.
#[derive(Clone, Debug)]
pub(super) struct Thermometer {
    model: Model,
    pub heat: Heat,
}

impl Thermometer {
    /// For energies of `model`'s family.
    pub fn new(model: &Model) -> Self {
        Thermometer {
            model: model.clone(),
            heat: Heat::default(),
        }
    }

    /// One more reading, of `values[chain * nodes + node]`.
    ///
    /// # Errors
    /// Parameters of another number.
    pub fn read(&mut self, parameters: &Parameters, values: &[f64]) -> Result<()> {
        self.model.set_parameters(parameters)?;
        let n = self.model.dim();
        let chains = values.len() / n;
        if let Some(energy) = self.model.continuous() {
            let mut gradient = vec![0.0; n];
            let mut virial = 0.0;
            for x in values.chunks(n) {
                energy.gradient(x, &mut gradient);
                virial += x.iter().zip(&gradient).map(|(x, g)| x * g).sum::<f64>();
            }
            self.heat.take(virial / values.len() as f64);
        } else if let Some(energy) = self.model.discrete() {
            let mut fields = Vec::with_capacity(values.len());
            for x in values.chunks(n) {
                let spins: Vec<i8> = x.iter().map(|&v| if v > 0.0 { 1 } else { -1 }).collect();
                fields.extend((0..n).map(|i| energy.local_field(&spins, i)));
            }
            let (beta, _) = pseudo_likelihood_beta(values, &fields, chains);
            self.heat.take(1.0 / beta);
        }
        Ok(())
    }
}
