//! Training of a drift without an energy, by score matching: exact, sliced or denoising.
//!
//! Exact J = ⟨½|s|² + tr ∂s/∂x⟩, sliced ⟨½(v·s)² + vᵀ(∂s/∂x)v⟩, denoising ½σ²⟨|s(x + σε) + ε/σ|²⟩. J differs from the explicit
//! ½⟨|s − ∇log p|²⟩ by ½⟨|∇log p|²⟩, whatever s is (Hyvärinen 2005).

use super::descent::{Descent, batch_of};
use super::monitor::{self, Monitors};
use super::objective::{Objective, Slope, along, directions};
use super::trainer::{DensityCheckpoint, DensitySettings, DensityStep, MONITORS, norm};
use crate::energy::DriftField;
use crate::error::{Error, Result};
use nalgebra::DMatrix;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_pcg::Pcg32;

/// Training of a field on columns of data.
#[derive(Debug)]
pub struct ScoreTrainer {
    settings: DensitySettings,
    data: DMatrix<f32>,
    field: DriftField<f32>,
    descent: Descent,
    rng: Pcg32,
}

/// The loss of a field on a batch, and its slope.
fn loss(
    field: &DriftField<f32>,
    x: &DMatrix<f32>,
    objective: Objective,
    rng: &mut impl Rng,
) -> Slope {
    let mut slope = Slope::zero(field.parameters().len());
    let share = |count: usize| 1.0 / (x.ncols() * count) as f32;
    let matched = |each: f32| {
        move |_: usize, [p, q]: [f32; 2]| (f64::from(each * (0.5 * p * p + q)), [each * p, each])
    };
    match objective {
        Objective::Sliced {
            directions: count,
            projection,
        } => {
            for _ in 0..count {
                let v = directions(x.nrows(), x.ncols(), projection, rng);
                slope.add_projected(field, (x, &v, &v), 1, matched(share(count)));
            }
        }
        Objective::Denoising { sigma } => {
            let (each, sigma) = (share(1), sigma as f32);
            let noise = DMatrix::from_fn(x.nrows(), x.ncols(), |_, _| StandardNormal.sample(rng));
            let smoothed = x + &noise * sigma;
            for axis in 0..x.nrows() {
                let u = along(x, axis);
                slope.add_projected(field, (&smoothed, &u, &u), 0, |column, [p, _]| {
                    let miss = sigma * p + noise[(axis, column)];
                    (
                        f64::from(0.5 * each * miss * miss),
                        [each * sigma * miss, 0.0],
                    )
                });
            }
        }
        _ => {
            for axis in 0..x.nrows() {
                let v = along(x, axis);
                slope.add_projected(field, (x, &v, &v), 1, matched(share(1)));
            }
        }
    }
    slope
}

impl ScoreTrainer {
    /// Trains `field` on the columns of `data`.
    ///
    /// # Errors
    /// No data, data of another dimension, or an objective that needs an energy.
    pub fn new(
        settings: DensitySettings,
        data: DMatrix<f32>,
        field: DriftField<f32>,
    ) -> Result<Self> {
        if data.ncols() == 0 || data.nrows() != field.inputs() {
            let value = format!("{} points of {}", data.ncols(), data.nrows());
            let expected = format!("points of {} numbers", field.inputs());
            return Err(Error::invalid("train.data", value, expected));
        }
        if !settings.objective.matches_scores() {
            let expected =
                "score matching, exact, sliced or denoising: there is no energy to contrast";
            return Err(Error::invalid(
                "train.method",
                "another objective",
                expected,
            ));
        }
        settings.check()?;
        let theta = field.parameters().iter().map(|&v| v.into()).collect();
        Ok(ScoreTrainer {
            descent: Descent::new(settings.optimiser, theta),
            rng: Pcg32::seed_from_u64(settings.seed),
            settings,
            data,
            field,
        })
    }

    /// Updates done.
    pub fn update(&self) -> u64 {
        self.descent.update
    }

    /// The learned field (averaged parameters).
    ///
    /// # Errors
    /// None in practice: parameters are finite while training has not diverged.
    pub fn learned(&self) -> Result<DriftField<f64>> {
        let mut field = self.field.convert::<f64>();
        field.set_parameters(&self.descent.average)?;
        Ok(field)
    }

    /// Everything needed to continue to the same bits.
    pub fn checkpoint(&self) -> DensityCheckpoint {
        DensityCheckpoint {
            descent: self.descent.clone(),
            rng: self.rng.clone(),
            chains: None,
            buffer: None,
        }
    }

    /// Continues from a checkpoint.
    ///
    /// # Errors
    /// A checkpoint of another problem.
    pub fn resume(&mut self, checkpoint: DensityCheckpoint) -> Result<()> {
        self.descent.resume(checkpoint.descent)?;
        self.rng = checkpoint.rng;
        self.write_field()
    }

    fn write_field(&mut self) -> Result<()> {
        let theta: Vec<f32> = self.descent.theta.iter().map(|&v| v as f32).collect();
        self.field.set_parameters(&theta)
    }

    fn drawn_slope(&mut self) -> (DMatrix<f32>, Slope) {
        let batch = batch_of(&self.data, self.settings.batch, &mut self.rng);
        let slope = loss(&self.field, &batch, self.settings.objective, &mut self.rng);
        (batch, slope)
    }

    /// The loss and its slope on one batch, without moving.
    pub fn slope(&mut self) -> Slope {
        self.drawn_slope().1
    }

    /// One update.
    ///
    /// # Errors
    /// [`Error::Diverged`] with the update and what diverged.
    pub fn step(&mut self) -> Result<DensityStep> {
        let (_, slope) = self.drawn_slope();
        self.descend(&slope)
    }

    /// One update, and how noisy its gradient was; there are no negatives to watch. Moves exactly as [`ScoreTrainer::step`] does:
    /// what is watched draws from a stream of its own.
    ///
    /// # Errors
    /// As [`ScoreTrainer::step`].
    pub fn observed_step(&mut self) -> Result<(DensityStep, Monitors)> {
        let (batch, slope) = self.drawn_slope();
        let seed = self.settings.seed;
        let mut rng = Pcg32::new(seed.wrapping_add(self.descent.update), MONITORS ^ seed);
        let gradient_se = monitor::scatter(batch.ncols(), |first, width| {
            let part = batch.columns(first, width).into_owned();
            loss(&self.field, &part, self.settings.objective, &mut rng).theta
        });
        let monitors = Monitors {
            update: self.descent.update + 1,
            gradient_norm: norm(&slope.theta),
            gradient_se,
            chains: None,
        };
        Ok((self.descend(&slope)?, monitors))
    }

    /// Moves θ down a slope.
    fn descend(&mut self, slope: &Slope) -> Result<DensityStep> {
        // A field has no log Z.
        let n = self.descent.theta.len();
        let (gradient, value) = (&slope.theta[..n], slope.loss);
        let gradient_norm = self.descent.down(&self.settings, value, gradient, n)?;
        self.write_field()?;
        Ok(DensityStep {
            update: self.descent.update,
            loss: value,
            gradient_norm,
            clipped: 0.0,
        })
    }
}
