//! Simulates and emulates analog sampling hardware: chips whose noisy circuit elements are the sampler.
//!
//! You hand it an energy E(x) with p ∝ exp(−E); it programs that energy onto a simulated chip (coupled stochastic circuit
//! elements in SI units, with a real die's imperfections), integrates the chip's noisy continuous-time dynamics, reads
//! samples, and says how good they are against digital Langevin, Gibbs and exact answers.
//!
//! The whole flow (design → fabricate → program → run → read):
//!
//! ```
//! use nalgebra::{dmatrix, dvector};
//! use thermochip::energy::{Model, Quadratic, exact};
//! use thermochip::hardware::{Die, Scale, card::card, program};
//! use thermochip::sampler::{AnalogSampler, Follow, Horizon, Phase, Sampler, StepRule};
//!
//! // An energy: a Gaussian of precision P.
//! let gaussian = Quadratic::new(dmatrix![1.5, -0.9; -0.9, 1.2], dvector![0.0, 0.0])?;
//! // A chip: the ideal one of a card (Some(seed) fabricates an imperfect die).
//! let die = Die::fabricate(&card("rc_gaussian")?, None, None)?;
//! let programmed = program(&die, &Model::Quadratic(gaussian.clone()), Scale::Fixed(1.0))?;
//! // 512 copies, integrated by Euler–Maruyama at a step whose variance bias is 1 %.
//! let streams = (7, 0);
//! let rule = StepRule::Auto(0.01);
//! let mut chip = AnalogSampler::<f32>::new(programmed, 512, streams, rule, "euler-maruyama", Follow::silent())?;
//! let run = chip.run(&Phase {
//!     burn_in: Horizon::Seconds(2e-6),
//!     duration: Horizon::Seconds(20e-6),
//!     every: Some(Horizon::Seconds(0.5e-6)),
//!     clamp: None,
//! })?;
//! // What it samples, against the exact covariance P⁻¹.
//! let s = &run.samples;
//! let x: Vec<f64> = s.x.iter().map(|&v| f64::from(v)).collect();
//! let measured = thermochip::diagnostics::moments(&x, s.chains, s.draws, s.nodes);
//! let exact = exact::gaussian(&gaussian).covariance;
//! assert!((measured.covariance[0] / exact[(0, 0)] - 1.0).abs() < 0.05);
//! println!("device time {:?} s, sampling energy {:?} J", run.cost.device_seconds, run.cost.sample);
//! # Ok::<(), thermochip::error::Error>(())
//! ```
//!
//! Rooms and who may use whom (a test enforces it): `energy`, `dynamics` and `diagnostics` stand alone; `circuit` uses
//! `dynamics`; `hardware` uses `energy`, `circuit`, `dynamics`; `sampler` those four; `training` uses `energy`, `sampler`,
//! `diagnostics`; `testing`, `data`, `record`, `experiment`, `study`, `report`, `cli` stand above, in that order.

pub mod circuit;
pub mod cli;
pub mod data;
pub mod diagnostics;
pub mod dynamics;
pub mod energy;
pub mod error;
pub mod experiment;
pub mod hardware;
pub mod record;
pub mod report;
pub mod sampler;
pub mod simd;
pub mod study;
pub mod testing;
pub mod training;
pub mod units;

/// The README's example, compiled and run as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct ReadmeExample;
