//! nuts-rs (Stan's no-U-turn sampler with adapted diagonal masses, as PyMC uses it) beside our MALA and HMC, on the energies
//! of real variables of the reference set: effective draws of the slowest node (of its value and of its square) per thousand
//! gradients and per second of one thread, and the largest deviation of a mean from the exact one in standard errors of chains.
//!
//! Warm-up is not counted: both tune there. Starts are uniform in [-2, 2].

use nuts_rs::{
    Chain, CpuLogpFunc, CpuMath, CpuMathError, DiagNutsSettings, HasDims, LogpError, Settings,
};
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;
use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::time::Instant;
use thermochip::diagnostics::{Size, effective_size};
use thermochip::energy::{ContinuousEnergy, Model};
use thermochip::experiment::{build_model, shipped_energies};
use thermochip::sampler::{ChainState, Follow, Horizon, LangevinSampler, Method, Phase, Sampler};

const CHAINS: usize = 64;
const TUNE: u64 = 500;
const DRAWS: usize = 500;

/// −E as a log-density.
struct Density(Box<dyn ContinuousEnergy>);

#[derive(Debug)]
struct Never;

impl fmt::Display for Never {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("never")
    }
}

impl Error for Never {}

impl LogpError for Never {
    fn is_recoverable(&self) -> bool {
        false
    }
}

impl HasDims for Density {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        HashMap::from([("unconstrained_parameter".to_owned(), self.0.dim() as u64)])
    }
}

impl CpuLogpFunc for Density {
    type LogpError = Never;
    type FlowParameters = ();
    type ExpandedVector = Vec<f64>;

    fn dim(&self) -> usize {
        self.0.dim()
    }

    fn logp(&mut self, x: &[f64], gradient: &mut [f64]) -> Result<f64, Never> {
        self.0.gradient(x, gradient);
        gradient.iter_mut().for_each(|g| *g = -*g);
        Ok(-self.0.value(x))
    }

    fn expand_vector<R: Rng + ?Sized>(
        &mut self,
        _: &mut R,
        x: &[f64],
    ) -> Result<Vec<f64>, CpuMathError> {
        Ok(x.to_vec())
    }
}

/// What one sampler did: draws `[chain][draw][node]`, gradients and seconds after warm-up.
struct Done {
    x: Vec<f64>,
    gradients: u64,
    seconds: f64,
}

fn starts(n: usize) -> Vec<f64> {
    let mut rng = Pcg64::seed_from_u64(5);
    (0..CHAINS * n)
        .map(|_| rng.random_range(-2.0..2.0))
        .collect()
}

fn boxed(model: &Model) -> Option<Box<dyn ContinuousEnergy>> {
    Some(match model.clone() {
        Model::Quadratic(energy) => Box::new(energy),
        Model::SoftSpin(energy) => Box::new(energy),
        _ => return None,
    })
}

fn nuts(model: &Model) -> Result<Done, Box<dyn Error>> {
    let mut done = Done {
        x: Vec::new(),
        gradients: 0,
        seconds: 0.0,
    };
    let settings = DiagNutsSettings {
        num_tune: TUNE,
        num_draws: DRAWS as u64,
        ..Default::default()
    };
    for (chain, start) in starts(model.dim()).chunks(model.dim()).enumerate() {
        let density = Density(boxed(model).ok_or("no real variables")?);
        let mut rng = Pcg64::seed_from_u64(100 + chain as u64);
        let mut sampler = settings.new_chain(chain as u64, CpuMath::new(density), &mut rng)?;
        sampler.set_position(start)?;
        for _ in 0..TUNE {
            sampler.draw()?;
        }
        let begun = Instant::now();
        for _ in 0..DRAWS {
            let (x, progress) = sampler.draw()?;
            done.x.extend(x.iter());
            done.gradients += progress.num_steps;
        }
        done.seconds += begun.elapsed().as_secs_f64();
    }
    Ok(done)
}

/// One of ours with as many gradients between draws as `every` steps take.
fn ours(model: &Model, method: Method, every: u64, scaled: bool) -> Result<Done, Box<dyn Error>> {
    let silent = Follow::silent();
    let sampler =
        LangevinSampler::<f32>::with_method(model, (method, None), CHAINS, (3, 0), 0.01, silent)?;
    let mut sampler = if scaled {
        sampler.preconditioned()?
    } else {
        sampler
    };
    sampler.restore(&ChainState::at(starts(model.dim())))?;
    let phase = |burn_in, steps| Phase {
        burn_in: Horizon::Steps(burn_in),
        duration: Horizon::Steps(steps),
        every: Some(Horizon::Steps(every)),
        clamp: None,
    };
    sampler.run(&phase(TUNE * every, every))?;
    let begun = Instant::now();
    let run = sampler.run(&phase(0, every * DRAWS as u64))?;
    let seconds = begun.elapsed().as_secs_f64();
    let leapfrogs = match method {
        Method::Hamiltonian { leapfrogs, .. } => u64::from(leapfrogs),
        _ => 1,
    };
    Ok(Done {
        x: run.samples.x.iter().map(|&v| f64::from(v)).collect(),
        gradients: run.steps * leapfrogs * CHAINS as u64,
        seconds,
    })
}

/// (effective draws of the slowest node, of values and of squares; largest |z| of a mean).
fn judge(done: &Done, mean: &[f64]) -> (f64, f64, f64) {
    let n = mean.len();
    let (mut values, mut squares, mut off) = (f64::INFINITY, f64::INFINITY, 0.0f64);
    for (i, exact) in mean.iter().enumerate() {
        let x: Vec<f64> = done.x.iter().skip(i).step_by(n).copied().collect();
        values = values.min(effective_size(&x, CHAINS, DRAWS, Size::Bulk));
        squares = squares.min(effective_size(&x, CHAINS, DRAWS, Size::Sd));
        let means: Vec<f64> = x
            .chunks(DRAWS)
            .map(|c| c.iter().sum::<f64>() / DRAWS as f64)
            .collect();
        let m = means.iter().sum::<f64>() / CHAINS as f64;
        let v = means.iter().map(|c| (c - m).powi(2)).sum::<f64>() / (CHAINS - 1) as f64;
        off = off.max(((m - exact) / (v / CHAINS as f64).sqrt()).abs());
    }
    (values, squares, off)
}

fn main() -> Result<(), Box<dyn Error>> {
    println!(
        "| energy | sampler | ESS of x, of x² per 1000 gradients | per second | largest z of a mean |"
    );
    println!("|---|---|---|---|---|");
    for energy in shipped_energies()? {
        let model = build_model(&energy.experiment, None)?;
        let (Some(_), Some(stated)) = (boxed(&model), &energy.stated) else {
            continue;
        };
        let hamiltonian = Method::Hamiltonian {
            leapfrogs: 8,
            jitter: 0.5,
        };
        let rows = [
            ("nuts-rs", nuts(&model)?),
            ("hmc", ours(&model, hamiltonian, 1, false)?),
            ("hmc, lengths", ours(&model, hamiltonian, 1, true)?),
            ("mala", ours(&model, Method::Mala, 8, false)?),
        ];
        for (name, done) in &rows {
            let (values, squares, off) = judge(done, &stated.mean);
            let thousand = done.gradients as f64 / 1000.0;
            println!(
                "| {} | {name} | {:.0}, {:.0} | {:.1e}, {:.1e} | {off:.1} |",
                energy.name,
                values / thousand,
                squares / thousand,
                values / done.seconds,
                squares / done.seconds,
            );
        }
    }
    Ok(())
}
