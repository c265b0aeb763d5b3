//! The analog sampler: a programmed die, integrated for a physical duration and read at its sample period.

use super::lower::StiffnessTracker;
use super::{
    ChainState, Clamp, Cost, Description, Follow, Horizon, Phase, Run, Sampler, Samples, Seconds,
    clamp_mask,
};
use crate::dynamics::streams::StreamPosition;
use crate::dynamics::{
    Clocking, Compiled, Ensemble, LevelInput, Linear, NormalBits, Origin, Setting, largest_step,
    scheme, variance_inflation,
};
use crate::energy::{Model, Parameters};
use crate::error::{Error, Result};
use crate::hardware::{Programmed, Reads, View};

/// The scheme that is exact for linear processes at any step.
const EXACT: &str = "ornstein-uhlenbeck";
/// The scheme whose step rule is a closed form.
const EULER: &str = "euler-maruyama";

/// How the integration step is chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum StepRule {
    /// The largest step whose variance bias of the stiffest mode is within this tolerance.
    Auto(f64),
    /// This many seconds of device time.
    Seconds(f64),
}

/// Many copies of one programmed die.
#[derive(Debug)]
pub struct AnalogSampler<R: Compiled> {
    programmed: Programmed,
    ensemble: Ensemble<R>,
    /// How variables are read off the rows of a state, and how many rows are recorded.
    view: View,
    rows: usize,
    scheme: String,
    rule: StepRule,
    stiffness: StiffnessTracker,
    normals: NormalBits,
    follow: Follow,
    /// Of the noise of reads.
    origin: Origin,
    /// Reads of every chain so far.
    reads: u64,
    /// Whether results of reads are still on their way: more reads follow them without waiting.
    streaming: bool,
}

impl<R: Compiled> AnalogSampler<R> {
    /// `chains` copies of the programmed die; streams from an origin, e.g. (seed, domain).
    ///
    /// # Errors
    /// An unknown scheme, or one that cannot advance this process at this step.
    pub fn new(
        programmed: Programmed,
        chains: usize,
        origin: impl Into<Origin>,
        rule: StepRule,
        scheme_name: &str,
        follow: Follow,
    ) -> Result<Self> {
        let origin = origin.into();
        let process = programmed.process();
        let levels = process.levels.as_ref().map_or(0, |l| l.tau.len());
        let view = programmed.view();
        let mut ensemble = Ensemble::from_origin(origin, chains, process.nodes, levels);
        if let Some(shown) = view.shown() {
            ensemble = ensemble.showing(shown);
        }
        let sampler = AnalogSampler {
            rows: ensemble.width(),
            ensemble,
            view,
            stiffness: StiffnessTracker::new(programmed.model()),
            programmed,
            scheme: scheme_name.to_owned(),
            rule,
            normals: NormalBits::Full,
            follow,
            origin,
            reads: 0,
            streaming: false,
        };
        let mask = vec![false; sampler.rows];
        let setting = Setting {
            step: sampler.natural_step(),
            clamped: &mask,
            stiffness: sampler.stiffness(),
            normals: sampler.normals,
        };
        scheme::<R>(scheme_name)?.prepare(sampler.programmed.process(), &setting)?;
        Ok(sampler)
    }

    /// Draws normals with `bits` from now on.
    #[must_use]
    pub fn with_normals(mut self, bits: NormalBits) -> Self {
        self.normals = bits;
        self
    }

    /// The programmed die.
    pub fn programmed(&self) -> &Programmed {
        &self.programmed
    }

    /// λ_max of the energy, where it is the process's.
    fn stiffness(&self) -> Option<f64> {
        let own = self.programmed.step(0.01).is_some();
        self.stiffness.value().filter(|_| !own)
    }

    /// What a state remembers beside positions and streams.
    fn adapted(&self) -> Vec<f64> {
        let mut numbers = self.stiffness.numbers();
        if self.programmed.readout().is_noisy() {
            numbers.push(self.reads as f64);
        }
        numbers
    }

    fn width(&self) -> usize {
        self.programmed.model().dim()
    }

    /// Phase and round of the clock, in the process's time, when there is one.
    fn clock(&self) -> Option<(f64, f64)> {
        match &self.programmed.process().levels.as_ref()?.clocking {
            Clocking::Free => None,
            Clocking::Phases { phase, classes } => Some((*phase, phase * classes.len() as f64)),
        }
    }

    /// The step the rule asks for, in the process's time, before it is fitted to a horizon. A clock's phase is a whole number
    /// of steps.
    fn natural_step(&self) -> f64 {
        let asked = self.asked_step();
        self.clock().map_or(asked, |(phase, _)| {
            phase / (phase / asked - 1e-9).ceil().max(1.0)
        })
    }

    fn asked_step(&self) -> f64 {
        match self.rule {
            StepRule::Seconds(seconds) => seconds / self.programmed.seconds_per_time(),
            StepRule::Auto(tolerance) => {
                match self.programmed.step(tolerance) {
                    // Exact at any step: one from reading to reading.
                    Some(_) if self.scheme == EXACT => {
                        return self.programmed.sample_period()
                            / self.programmed.seconds_per_time();
                    }
                    Some(step) => return step,
                    None => {}
                }
                match (self.stiffness.value(), &self.programmed.process().levels) {
                    (Some(stiffness), _) => {
                        let exact = || scheme::<f64>(&self.scheme).ok();
                        // Euler's closed form; other schemes are probed.
                        let probed = (self.scheme != EULER)
                            .then(exact)
                            .flatten()
                            .and_then(|s| largest_step(&*s, stiffness, tolerance).ok());
                        probed.map_or(2.0 * tolerance / (1.0 + tolerance) / stiffness, |p| p.0)
                    }
                    (None, Some(levels)) => match &levels.input {
                        // Exact at any step for direct inputs: a phase of a clock is one; else a tenth of τ0 resolves
                        // the time course. Directed couplings have no law that every step keeps: it is off by O(h).
                        LevelInput::Direct { .. } => match self.clock() {
                            Some((phase, _)) => phase,
                            None if self.programmed.is_directed() => tolerance.min(0.1),
                            None => 0.1,
                        },
                        // The synapses are integrated: their rate is their diagonal of L.
                        LevelInput::Node { .. } => {
                            let rate = fastest_decay(&self.programmed.process().linear);
                            0.1f64.min(2.0 * (10.0 * tolerance).min(0.2) / rate)
                        }
                    },
                    (None, None) => 0.01,
                }
            }
        }
    }

    /// A stretch of the energy's own time as device time.
    fn on_device(&self, horizon: Horizon) -> Horizon {
        match horizon {
            Horizon::Time(time) => Horizon::Seconds(time * self.programmed.seconds_per_time()),
            other => other,
        }
    }

    /// Steps and step size that fill `horizon` exactly; with a clock, the fewest whole rounds that cover it.
    fn fit(&self, horizon: Horizon) -> Result<(u64, f64)> {
        let natural = self.natural_step();
        if self.clock().is_some()
            && !matches!(horizon, Horizon::Seconds(s) if s < 0.0 || s.is_nan())
        {
            return Ok((self.steps_of(horizon, natural), natural));
        }
        match self.on_device(horizon) {
            Horizon::Time(_) => Ok((0, natural)),
            Horizon::Steps(steps) => Ok((steps, natural)),
            Horizon::Seconds(seconds) if seconds > 0.0 => {
                let time = seconds / self.programmed.seconds_per_time();
                let steps = (time / natural).ceil().max(1.0);
                Ok((steps as u64, time / steps))
            }
            Horizon::Seconds(0.0) => Ok((0, natural)),
            Horizon::Seconds(seconds) => Err(Error::invalid(
                "plan.duration",
                format!("{seconds} s"),
                "a positive time",
            )),
        }
    }

    /// Steps of size `h` that cover at least `horizon`, in whole rounds of a clock.
    fn steps_of(&self, horizon: Horizon, h: f64) -> u64 {
        let steps = match self.on_device(horizon) {
            Horizon::Time(_) => 0,
            Horizon::Steps(steps) => steps,
            Horizon::Seconds(seconds) => (seconds / self.programmed.seconds_per_time() / h - 1e-9)
                .ceil()
                .max(0.0) as u64,
        };
        let round = self
            .clock()
            .map_or(1, |(_, round)| (round / h).round() as u64);
        steps.div_ceil(round) * round
    }
}

impl<R: Compiled> AnalogSampler<R> {
    /// The variables in the state `rows` of all chains.
    fn variables(&self, rows: &[f64]) -> Vec<f64> {
        if self.view == View::Direct {
            return rows.to_vec();
        }
        let width = self.width();
        let mut x = vec![0.0; width];
        let mut all = Vec::with_capacity(rows.len() / self.rows * width);
        for rows in rows.chunks(self.rows) {
            let rows: Vec<f32> = rows.iter().map(|&v| v as f32).collect();
            self.view.decode(&rows, &mut x);
            all.extend(x.iter().copied().map(f64::from));
        }
        all
    }

    /// A state of all chains that reads as `values`.
    fn rows_of(&self, values: &[f64]) -> Result<Vec<f64>> {
        if self.view == View::Direct {
            return Ok(values.to_vec());
        }
        let (chains, width) = (self.ensemble.chains(), self.width());
        if values.len() != chains * width {
            let expected = format!("{chains} chains x {width} nodes");
            let value = format!("{} values", values.len());
            return Err(Error::invalid("state", value, expected));
        }
        let mut rows = vec![0.0; chains * self.rows];
        for (x, rows) in values.chunks(width).zip(rows.chunks_mut(self.rows)) {
            self.view.encode(x, rows);
        }
        Ok(rows)
    }

    /// The rows that a clamp holds.
    ///
    /// # Errors
    /// A node that does not exist, or that is not one row of the state.
    fn clamped_rows(&self, clamp: Option<&Clamp>) -> Result<Vec<bool>> {
        clamp_mask(clamp, self.width())?;
        let mut mask = vec![false; self.rows];
        for row in self.rows_of_clamp(clamp)?.into_iter().flatten() {
            mask[row] = true;
        }
        Ok(mask)
    }

    fn rows_of_clamp(&self, clamp: Option<&Clamp>) -> Result<Vec<Vec<usize>>> {
        let nodes = clamp.map_or(&[][..], |c| &c.nodes);
        let row = |&node: &usize| {
            let expected =
                "a variable that is one node of the chip: this one is decided from several";
            let wrong = || Error::invalid("clamp.nodes", node, expected);
            self.view.rows_of(node).ok_or_else(wrong)
        };
        nodes.iter().map(row).collect()
    }
}

/// The largest rate at which a node decays by itself.
fn fastest_decay(linear: &Linear) -> f64 {
    let own = |i: usize| match linear {
        Linear::Dense(matrix) => -matrix[(i, i)],
        Linear::Sparse(rows) => -rows[i]
            .iter()
            .filter(|e| e.0 == i)
            .map(|e| e.1)
            .sum::<f64>(),
    };
    let nodes = match linear {
        Linear::Dense(matrix) => matrix.nrows(),
        Linear::Sparse(rows) => rows.len(),
    };
    let fastest = (0..nodes).map(own).fold(0.0, f64::max);
    if fastest > 0.0 { fastest } else { 1.0 }
}

impl<R: Compiled> Sampler for AnalogSampler<R> {
    fn describe(&self) -> Description {
        let step = self.natural_step();
        let inflation = |z: f64| {
            let scheme = scheme::<f64>(&self.scheme).ok()?;
            variance_inflation(&*scheme, z).ok()
        };
        Description {
            name: format!("analog-{}", self.programmed.die().name()),
            kind: "analog".to_owned(),
            chains: self.ensemble.chains(),
            nodes: self.width(),
            step: Some(step),
            predicted_bias: match self.stiffness() {
                Some(stiffness) => inflation(step * stiffness),
                None if self.scheme == EULER => self.programmed.variance_inflation(step),
                None => None,
            },
            first_order_bias: self.scheme == EULER && self.stiffness().is_some(),
        }
    }

    fn state(&self) -> ChainState {
        let rows = self.ensemble.values();
        let streams = self.ensemble.streams().into_iter().enumerate();
        let streams = streams
            .map(|(chain, position)| {
                let hidden = if self.view == View::Direct {
                    &[][..]
                } else {
                    &rows[chain * self.rows..][..self.rows]
                };
                let carried = self.ensemble.carried(chain);
                let carried = hidden.iter().copied().chain(carried).map(f64::to_bits);
                position.numbers().into_iter().chain(carried).collect()
            })
            .collect();
        ChainState {
            values: self.variables(&rows),
            streams: Some(streams),
            adapted: self.adapted(),
        }
    }

    fn restore(&mut self, state: &ChainState) -> Result<()> {
        let mut rows = self.rows_of(&state.values)?;
        self.streaming = false;
        if self.programmed.readout().is_noisy()
            && let Some((&reads, others)) = state.adapted.split_last()
        {
            self.reads = reads as u64;
            self.stiffness.remember(others)?;
        } else if !state.adapted.is_empty() {
            self.stiffness.remember(&state.adapted)?;
        }
        if let Some(streams) = &state.streams {
            let short =
                || Error::invalid("state.streams", "a short entry", "a state of this sampler");
            let entries = streams
                .iter()
                .map(|s| StreamPosition::split(s).ok_or_else(short))
                .collect::<Result<Vec<_>>>()?;
            let positions: Vec<_> = entries.iter().map(|entry| entry.0).collect();
            self.ensemble.restore_streams(&positions)?;
            for (chain, (_, carried)) in entries.iter().enumerate() {
                let mut carried: Vec<f64> = carried.iter().map(|&b| f64::from_bits(b)).collect();
                if self.view != View::Direct {
                    if carried.len() < self.rows {
                        return Err(short());
                    }
                    let rest = carried.split_off(self.rows);
                    rows[chain * self.rows..][..self.rows].copy_from_slice(&carried);
                    carried = rest;
                }
                self.ensemble.restore_carried(chain, &carried)?;
            }
        }
        self.ensemble.set_values(&rows)
    }

    fn run(&mut self, phase: &Phase) -> Result<Run> {
        self.programmed.check_stable()?;
        let width = self.width();
        let clamped = self.clamped_rows(phase.clamp.as_ref())?;
        if let Some(Horizon::Seconds(period)) = phase.every.map(|every| self.on_device(every)) {
            self.programmed
                .check_read_period("plan.sample_period", period)?;
        }
        // The step is fitted to whatever must come out exactly: the sample period, or the one horizon.
        let (every, h) = self.fit(phase.every.unwrap_or(phase.duration))?;
        let burn_in = self.steps_of(phase.burn_in, h);
        let draws = match phase.every {
            None => 1,
            Some(_) => {
                let total = match self.on_device(phase.duration) {
                    Horizon::Time(_) => 0,
                    Horizon::Steps(steps) => steps,
                    Horizon::Seconds(s) => {
                        (s / self.programmed.seconds_per_time() / h + 1e-6).floor() as u64
                    }
                };
                total / every.max(1)
            }
        };
        if draws == 0 {
            return Err(Error::invalid(
                "plan.duration",
                "shorter than a sample period",
                "at least one sample",
            ));
        }
        if let Some(clamp) = &phase.clamp {
            let rows = self.rows_of_clamp(Some(clamp))?;
            let values = clamp.values.chunks(rows.len().max(1)).flat_map(|chain| {
                let copied = chain.iter().zip(&rows);
                copied.flat_map(|(&value, rows)| rows.iter().map(move |_| value))
            });
            let values: Vec<f64> = values.collect();
            self.ensemble.write_clamped(&rows.concat(), &values)?;
        }
        let setting = Setting {
            step: h,
            clamped: &clamped,
            stiffness: self.stiffness(),
            normals: self.normals,
        };
        let stepper = scheme::<R>(&self.scheme)?.prepare(self.programmed.process(), &setting)?;
        let mut recorded = self.ensemble.run(
            &*stepper,
            burn_in,
            draws as usize,
            every,
            self.follow.control(),
        )?;
        let readout = self.programmed.readout();
        let reads = Reads {
            seed: self.origin.seed,
            domain: self.origin.domain,
            first: self.reads,
            draws: draws as usize,
        };
        self.reads += draws;
        if readout.reads_rows() {
            readout.read(&mut recorded.x, self.rows, reads);
        }
        if self.view != View::Direct {
            let mut x = vec![0.0f32; recorded.x.len() / self.rows * width];
            for (rows, x) in recorded.x.chunks(self.rows).zip(x.chunks_mut(width)) {
                self.view.decode(rows, x);
            }
            recorded.x = x;
        }
        if !readout.reads_rows() {
            readout.read(&mut recorded.x, width, reads);
        }
        let unit = self.programmed.seconds_per_time();
        let steps = burn_in + draws * every;
        let (chains, sampling) = (self.ensemble.chains(), steps as f64 * h * unit);
        let ledger = self.programmed.ledger();
        let elements = self.programmed.elements();
        let nodes_read = (chains * elements) as u64 * draws;
        let mut spent = ledger.run(
            chains,
            elements,
            sampling,
            self.programmed.sample_period(),
            nodes_read,
        );
        let waited = if std::mem::replace(&mut self.streaming, true) {
            0.0
        } else {
            self.programmed.latency()
        };
        let read_seconds = self.programmed.frame_seconds(draws) + waited;
        let host_seconds = ledger.host_seconds(draws);
        let standing = ledger.standby(chains, read_seconds + host_seconds.unwrap_or(0.0));
        spent.standby = spent.standby.zip(standing).map(|(a, b)| a + b);
        let t = (1..=draws)
            .map(|k| (burn_in + k * every) as f64 * h * unit)
            .collect();
        Ok(Run {
            samples: Samples {
                chains,
                draws: draws as usize,
                nodes: width,
                x: recorded.x,
                t,
            },
            steps,
            cost: Cost::of(
                spent,
                Seconds {
                    write: None,
                    sample: Some(sampling),
                    read: Some(read_seconds),
                    host: host_seconds,
                },
            ),
            clip_fraction: recorded.clipped as f64
                / (steps as f64 * (chains * width) as f64).max(1.0),
            acceptance: None,
            notes: std::collections::BTreeMap::new(),
        })
    }

    fn written(&self) -> Cost {
        let seconds = Seconds {
            write: self.programmed.ledger().write_seconds(),
            ..Seconds::default()
        };
        Cost::of(self.programmed.written(self.ensemble.chains()), seconds)
    }

    fn reprogram(&mut self, parameters: &Parameters) -> Result<Cost> {
        self.streaming = false;
        self.programmed.reprogram(parameters)?;
        self.view = self.programmed.view();
        let model: &Model = self.programmed.model();
        self.stiffness.update(model);
        Ok(self.written())
    }
}
