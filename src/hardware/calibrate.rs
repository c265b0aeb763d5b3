//! Calibration as real chips have it: every site's bias is swept with couplings off, its response counted or averaged over
//! finite samples, a curve fitted, and what is programmed later corrected by it.
//!
//! p-bits: logit P(+1) = 2g(h + o), offset o per site, one gain g for the chip (its inverse temperature in the card's units).
//! Injected-noise nodes with E = ½x² − bx: mean o + b, variance v = T_eff C/(T C_i), the chip's v their mean.
//! Corrected are h → h/g − o, J → J/g; and E → vE with b → b − 2 j2 o for cells without a quartic part (a quartic cell's
//! shift is no field). Couplings pass the same DACs as ever, so a correction is as fine as they are.

use super::card::Kind;
use super::converters::converter;
use super::die::{Die, Level};
use super::ledger::{Ledger, Spent};
use super::program::{Programmed, Scale, program};
use super::readout::Reads;
use super::sweep_fit::{Counts, logistic};
use crate::dynamics::{Control, Ensemble, LANES, LevelInput, NormalBits, Setting, linear, scheme};
use crate::energy::{Couplings, Ising, Model, Parameters, Parametric, Quadratic, SoftSpin};
use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Domain of the streams of a calibration's noise.
const STREAMS: u64 = 0x6361_6c00;
/// Time before the first sample at a setting, in τ.
const SETTLING: f64 = 10.0;
/// Integration step of continuous nodes, in τ.
const STEP: f64 = 0.02;
/// Largest setting of a chip whose field has no limit, in units of the field.
const SPAN: f64 = 8.0;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CalibrationPlan {
    /// Settings of the bias, evenly spaced over its range.
    pub points: usize,
    /// Samples of every site at each setting.
    pub samples: usize,
    /// Time between samples, in τ.
    pub spacing: f64,
    /// Seed of the chip's noise meanwhile.
    pub seed: u64,
}

impl Default for CalibrationPlan {
    fn default() -> Self {
        CalibrationPlan {
            points: 17,
            samples: 320,
            spacing: 5.0,
            seed: 0,
        }
    }
}

/// What a calibration found, and what it cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Offset of each site, in units of its field (p-bits) or variable (nodes), and its standard error.
    pub offsets: Vec<(f64, f64)>,
    /// Gain of each site (p-bits: of the logit; nodes: of the mean), and its standard error.
    pub gains: Vec<(f64, f64)>,
    /// What programmed energies are multiplied by: 1/g (p-bits) or v (nodes).
    pub correction: f64,
    /// Standard error of `correction`.
    pub correction_error: f64,
    /// χ² of the sites' gains about their weighted mean, per degree of freedom.
    pub gain_scatter: f64,
    /// Device time, s.
    pub device_seconds: f64,
    /// Joules.
    pub spent: Spent,
}

/// Calibrates `die` for energies of `sites` nodes: its raw offsets replace those of a calibrated chip, are measured as
/// `plan` says, and later programs are corrected.
///
/// # Errors
/// The ideal chip, a plan without points, samples or spacing, or more sites than the chip has.
pub fn calibrate(die: &mut Die, sites: usize, plan: &CalibrationPlan) -> Result<Arc<Calibration>> {
    if die.seed.is_none() {
        let expected = "a die: the ideal chip has nothing to calibrate";
        return Err(Error::invalid("hardware.calibrate", "true", expected));
    }
    let two_state = die.card.kind != Kind::Telegraph || die.level == Level::Telegraph;
    if !(matches!(die.card.kind, Kind::Telegraph | Kind::InjectedNoise) && two_state) {
        let expected = "a chip of two-state p-bits or of nodes with injected noise";
        return Err(Error::invalid("hardware.calibrate", "true", expected));
    }
    for (name, value, least) in [
        ("points", plan.points as f64, 2.0),
        ("samples", plan.samples as f64, 1.0),
        ("spacing", plan.spacing, f64::MIN_POSITIVE),
    ] {
        if !(value >= least && value.is_finite()) {
            let expected = if least == 2.0 {
                "2 or more"
            } else {
                "a positive number"
            };
            return Err(Error::invalid(
                format!("hardware.calibrate.{name}"),
                value,
                expected,
            ));
        }
    }
    die.raw = true;
    die.calibration = None;
    let age = std::mem::replace(&mut die.age, 0.0);
    let found = match die.card.kind {
        Kind::Telegraph => pbits(die, sites, plan)?,
        _ => nodes(die, sites, plan)?,
    };
    let found = Arc::new(found);
    die.age = age;
    die.calibration = Some(Arc::clone(&found));
    Ok(found)
}

/// Settings from −`span` to `span`, at the nearest codes of the field's converter.
fn settings(die: &Die, plan: &CalibrationPlan, span: f64) -> Vec<f64> {
    let dac = converter(die, "limits.field_max", 1.0);
    (0..plan.points)
        .map(|k| span * (2.0 * k as f64 / (plan.points - 1) as f64 - 1.0))
        .map(|b| dac.convert(b).0)
        .collect()
}

/// Readings `x[draw * sites + site]` of the programmed chip, in stretches side by side; returns the device time too.
fn measure(
    chip: &Programmed,
    plan: &CalibrationPlan,
    (step, point): (f64, usize),
) -> Result<(Vec<f32>, f64)> {
    let process = chip.process();
    let levels = process.levels.as_ref().map_or(0, |l| l.tau.len());
    let stretches = LANES.min(plan.samples);
    let draws = plan.samples.div_ceil(stretches);
    let per_tau = chip.tau() / chip.seconds_per_time();
    let every = (plan.spacing * per_tau / step).ceil().max(1.0);
    let step = plan.spacing * per_tau / every;
    let settling = (SETTLING * per_tau / step).ceil() as u64;
    let clamped = vec![false; process.nodes.max(levels)];
    let setting = Setting {
        step,
        clamped: &clamped,
        stiffness: None,
        normals: NormalBits::Full,
    };
    let stepper = scheme::<f64>("euler-maruyama")?.prepare(process, &setting)?;
    let die_seed = chip.die().seed.unwrap_or(0);
    let origin = (plan.seed ^ die_seed.rotate_left(32), STREAMS + point as u64);
    let mut ensemble = Ensemble::<f64>::from_origin(origin, stretches, process.nodes, levels);
    let control = Control {
        interrupted: &AtomicBool::new(false),
        progress: &|_| {},
    };
    let mut x = ensemble
        .run(&*stepper, settling, draws, every as u64, control)?
        .x;
    let reads = Reads {
        seed: origin.0,
        domain: origin.1,
        first: 0,
        draws,
    };
    chip.readout()
        .read(&mut x, levels.max(process.nodes), reads);
    x.truncate(plan.samples * levels.max(process.nodes));
    let steps = settling as f64 + draws as f64 * every;
    Ok((x, stretches as f64 * steps * step * chip.seconds_per_time()))
}

/// Joules of sweeping `sites` sites for `seconds`.
fn spent(chip: &Programmed, plan: &CalibrationPlan, sites: usize, seconds: f64) -> Spent {
    let ledger: &Ledger = chip.ledger();
    let reads = (plan.points * plan.samples * sites) as u64;
    Spent {
        write: ledger.write(plan.points, sites).write,
        ..ledger.run(1, sites, seconds, chip.sample_period(), reads)
    }
}

/// Weighted mean of the gains, its error, and the χ² per degree of freedom about it.
fn common(gains: &[(f64, f64)]) -> (f64, f64, f64) {
    let weight: f64 = gains.iter().map(|g| g.1.powi(-2)).sum();
    let mean = gains.iter().map(|g| g.0 * g.1.powi(-2)).sum::<f64>() / weight;
    let chi2: f64 = gains.iter().map(|g| ((g.0 - mean) / g.1).powi(2)).sum();
    let freedom = gains.len().saturating_sub(1).max(1) as f64;
    (mean, weight.sqrt().recip(), chi2 / freedom)
}

fn pbits(die: &Die, sites: usize, plan: &CalibrationPlan) -> Result<Calibration> {
    let span = die.card.get("limits.field_max").unwrap_or(SPAN);
    let at = |h: f64| Ising::new(vec![h; sites], Couplings::empty(sites)).map(Model::Ising);
    let mut chip = program(die, &at(0.0)?, Scale::Fixed(1.0))?;
    // Exact at any step without synapses; with them, a tenth of their time.
    let synapses = chip
        .process()
        .levels
        .as_ref()
        .is_some_and(|l| matches!(l.input, LevelInput::Node { .. }));
    let step = if synapses {
        let rate = linear::drift_matrix(chip.process()).map_or(1.0, |a| a.diagonal().max());
        0.1 / rate
    } else {
        plan.spacing
    };
    // Successive samples of a telegraph signal are correlated by e^{−spacing}: they count as so many independent ones.
    let worth = (0.5 * plan.spacing).tanh();
    let mut counts: Vec<Vec<Counts>> = vec![Vec::new(); sites];
    let mut seconds = 0.0;
    for (point, h) in settings(die, plan, span).into_iter().enumerate() {
        chip.reprogram(&at(h)?.parameters())?;
        let (x, time) = measure(&chip, plan, (step, point))?;
        seconds += time;
        for (site, counts) in counts.iter_mut().enumerate() {
            let up = x.iter().skip(site).step_by(sites).filter(|v| **v > 0.0);
            let up = up.count() as f64;
            counts.push((h, worth * plan.samples as f64, worth * up));
        }
    }
    let gains: Vec<(f64, f64)> = counts
        .iter()
        .map(|c| {
            let fit = logistic(c, (0.0, 2.0), false);
            (0.5 * fit.c, 0.5 * fit.errors().1)
        })
        .collect();
    let (gain, error, gain_scatter) = common(&gains);
    let offsets = counts.iter().map(|c| {
        let fit = logistic(c, (0.0, 2.0 * gain), true);
        (0.5 * fit.a / gain, 0.5 * fit.error_of_a_alone() / gain)
    });
    Ok(Calibration {
        offsets: offsets.collect(),
        gains,
        correction: 1.0 / gain,
        correction_error: error / (gain * gain),
        gain_scatter,
        device_seconds: seconds,
        spent: spent(&chip, plan, sites, seconds),
    })
}

fn nodes(die: &Die, sites: usize, plan: &CalibrationPlan) -> Result<Calibration> {
    let rails = die.card.get("limits.rails");
    let energy = |b: f64| {
        let cells = SoftSpin::new(
            vec![0.5; sites],
            vec![0.0; sites],
            vec![b; sites],
            Couplings::empty(sites),
        );
        cells.map(Model::SoftSpin)
    };
    let mut chip = program(die, &energy(0.0)?, Scale::Fixed(1.0))?;
    // Half way to the rails or to the end of the field's range, and three standard deviations where there is neither.
    let reach = rails.map_or(6.0, |r| r / chip.volts_per_x());
    let span = 0.5 * reach.min(die.card.get("limits.field_max").unwrap_or(6.0));
    let worth = (0.5 * plan.spacing).tanh();
    let biases = settings(die, plan, span);
    let n = plan.samples as f64;
    let mut means = vec![Vec::new(); sites];
    let mut squares = vec![0.0; sites];
    let mut seconds = 0.0;
    for (point, &b) in biases.iter().enumerate() {
        chip.reprogram(&energy(b)?.parameters())?;
        let (x, time) = measure(&chip, plan, (STEP, point))?;
        seconds += time;
        for site in 0..sites {
            let own = || x.iter().skip(site).step_by(sites).map(|&v| f64::from(v));
            let mean = own().sum::<f64>() / n;
            squares[site] += own().map(|v| (v - mean).powi(2)).sum::<f64>();
            means[site].push(mean);
        }
    }
    // The step's own inflation 1/(1 − h/2) of the variance is the integration's, not the chip's.
    let freedom = plan.points as f64 * (n * worth - 1.0).max(1.0) / (n * worth) * n;
    let variances: Vec<f64> = squares
        .iter()
        .map(|s| s / freedom * (1.0 - 0.5 * STEP))
        .collect();
    let spread: f64 = biases.iter().map(|b| b * b).sum();
    let (mut offsets, mut gains) = (Vec::new(), Vec::new());
    for (means, variance) in means.iter().zip(&variances) {
        // The settings are symmetric, so offset and gain are fitted apart.
        let error = (variance / (n * worth)).sqrt();
        let offset = means.iter().sum::<f64>() / plan.points as f64;
        let gain = means.iter().zip(&biases).map(|(m, b)| m * b).sum::<f64>() / spread;
        offsets.push((offset, error / (plan.points as f64).sqrt()));
        gains.push((gain, error / spread.sqrt()));
    }
    let (_, _, gain_scatter) = common(&gains);
    let correction = variances.iter().sum::<f64>() / sites as f64;
    let effective = sites as f64 * plan.points as f64 * n * worth;
    Ok(Calibration {
        offsets,
        gains,
        correction,
        correction_error: correction * (2.0 / effective).sqrt(),
        gain_scatter,
        device_seconds: seconds,
        spent: spent(&chip, plan, sites, seconds),
    })
}

impl Die {
    /// What has to be written for the chip to hold `model`, as far as its calibration knows.
    ///
    /// # Errors
    /// A calibration of another number of sites, or values that a model refuses.
    pub(super) fn corrected(&self, model: &Model) -> Result<Model> {
        let Some(found) = &self.calibration else {
            return Ok(model.clone());
        };
        if found.offsets.len() != model.dim() {
            let expected = format!("{} nodes, as many as were calibrated", found.offsets.len());
            return Err(Error::invalid(
                "energy",
                format!("{} nodes", model.dim()),
                expected,
            ));
        }
        let times = |v: &f64| v * found.correction;
        let parameters = model.parameters();
        let couplings: Vec<f64> = parameters.couplings.iter().map(times).collect();
        let fields = parameters.fields.iter().zip(&found.offsets);
        match model {
            Model::Ising(_) => {
                let mut written = model.clone();
                written.set_parameters(&Parameters {
                    fields: fields.map(|(h, o)| times(h) - o.0).collect(),
                    couplings,
                })?;
                Ok(written)
            }
            Model::Quadratic(energy) => {
                let precision = energy.precision() * found.correction;
                let cells = precision.diagonal();
                let linear = fields
                    .zip(cells.iter())
                    .map(|((b, o), p)| times(b) - p * o.0);
                let linear = nalgebra::DVector::from_vec(linear.collect());
                Quadratic::new(precision, linear).map(Model::Quadratic)
            }
            Model::SoftSpin(energy) => {
                let (j2, j4): (Vec<f64>, Vec<f64>) = (
                    energy.j2.iter().map(times).collect(),
                    energy.j4.iter().map(times).collect(),
                );
                let cells = j2.iter().zip(&j4);
                let linear = fields.zip(cells).map(|((b, o), (j2, j4))| {
                    let pull = if *j4 == 0.0 { 2.0 * j2 * o.0 } else { 0.0 };
                    times(b) - pull
                });
                let linear = linear.collect();
                let mut graph = energy.couplings.clone();
                graph.set_values(&couplings)?;
                SoftSpin::new(j2, j4, linear, graph).map(Model::SoftSpin)
            }
            // Chips of other energies are not calibrated.
            _ => Ok(model.clone()),
        }
    }
}

impl Programmed {
    /// How far p-bits are off what was asked of them with silent neighbours, rms over sites: the logit, y = 2(r h_realised − h)
    /// with r the input of a bias over the nominal one, and that in probability at zero field, σ(y) − ½. `None` for other chips.
    pub fn site_residual(&self) -> Option<(f64, f64)> {
        let Model::Ising(asked) = self.model() else {
            return None;
        };
        let beta = self.die().sensitivity();
        let (fields, _) = self.realised_parameters();
        let off = |(h, r): (&f64, &f64)| 2.0 * (beta * r - h);
        let logits: Vec<f64> = asked.fields.iter().zip(fields).map(off).collect();
        let rms = |f: &dyn Fn(f64) -> f64| {
            (logits.iter().map(|&y| f(y).powi(2)).sum::<f64>() / logits.len() as f64).sqrt()
        };
        Some((rms(&|y| y), rms(&|y| 1.0 / (1.0 + (-y).exp()) - 0.5)))
    }
}
