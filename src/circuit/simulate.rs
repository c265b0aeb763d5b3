//! Many copies of a circuit, integrated in time and read in SI.

use super::analysis::SmallSignal;
use super::assembly::Assembly;
use super::element::NodeId;
use super::netlist::{ChargeLevel, Circuit};
use super::rows::Row;
use crate::dynamics::{
    Compiled, Control, DENSE_ROWS, Drift, Ensemble, Generator, Modes, NormalBits, Origin, Process,
    Recorded, Scheme, Setting, Shown, Stepper, is_linear, largest_step, linear, resting_point,
    scheme, variance_inflation,
};
use crate::error::{Error, Result};
use serde::Serialize;

/// Most values that a simulation keeps: 6 GB of them.
const MOST_KEPT: f64 = 5e8;

/// The numbers a circuit is integrated in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum Precision {
    /// Single precision: a node keeps 24 bits of its whole voltage, its bias included.
    #[serde(rename = "f32")]
    Single,
    /// Double precision: microvolts of noise on volts of bias keep their law.
    #[default]
    #[serde(rename = "f64")]
    Double,
    /// States in double precision, normals drawn from one word each: |z| < 6.7.
    #[serde(rename = "mixed")]
    Mixed,
}

impl Precision {
    /// All of them.
    pub const ALL: [Precision; 3] = [Precision::Single, Precision::Double, Precision::Mixed];

    /// Name in experiment files and netlists.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Single => "f32",
            Precision::Double => "f64",
            Precision::Mixed => "mixed",
        }
    }

    /// Names of all.
    pub fn names() -> [&'static str; 3] {
        Self::ALL.map(Self::name)
    }

    /// The precision called `name`.
    ///
    /// # Errors
    /// An unknown name; the message lists the known ones.
    pub fn named(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|p| p.name() == name);
        found.ok_or_else(|| {
            let expected = format!("one of {}", Self::names().join(", "));
            Error::invalid("plan.precision", format!("\"{name}\""), expected)
        })
    }

    fn normals(self) -> NormalBits {
        match self {
            Precision::Mixed => NormalBits::Single,
            Precision::Single | Precision::Double => NormalBits::Full,
        }
    }
}

/// Rows up to which the exact scheme is chosen, whose step multiplies by a full matrix.
const EXACT_ROWS: usize = 512;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Copies with independent noise.
    pub chains: usize,
    /// Seed of the streams.
    pub seed: u64,
    /// Their generator.
    pub generator: Generator,
    /// The numbers that states and noise are held in.
    pub precision: Precision,
    /// Scheme; `None` picks one: exact for linear circuits of up to 512 rows between constant sources, Heun
    /// otherwise, Gillespie or
    /// tau-leaping for single charges.
    pub scheme: Option<String>,
    /// The integration step, s, as asked for: refused where it is unstable; `None` chooses it.
    pub step: Option<f64>,
    /// Largest integration step to choose, s.
    pub largest_step: Option<f64>,
    /// Bias tolerance that chooses the step within it.
    pub tolerance: f64,
    /// Time between two recorded points, s.
    pub every: f64,
    /// First recorded time and end, s.
    pub span: (f64, f64),
    /// Voltages at time 0 (others start at 0 V).
    pub initial: Vec<(NodeId, f64)>,
}

impl Plan {
    /// Where the chains' streams come from.
    pub(super) fn origin(&self) -> Origin {
        Origin::from((self.seed, 0)).by(self.generator)
    }
}

/// What was recorded.
#[derive(Clone, Debug)]
pub struct Traces {
    /// Copies.
    pub chains: usize,
    /// Recorded times, s.
    pub t: Vec<f64>,
    /// Names of the columns: `v(node)` for every node, then `i(inductor)`.
    pub names: Vec<String>,
    /// Their units.
    pub units: Vec<&'static str>,
    /// `x[(chain * t.len() + k) * names.len() + column]`.
    pub x: Vec<f64>,
    /// The scheme used.
    pub scheme: String,
    /// The step used, s.
    pub step: f64,
    /// Relative error of the fastest mode's variance that the step is predicted to cause; `None` for single charges.
    pub bias: Option<f64>,
    /// Rail hits.
    pub clipped: u64,
}

/// Refuses linear circuits that run away; `modes` are those of a large one.
fn check_bounded(process: &Process, modes: Option<&Modes>) -> Result<()> {
    if process.rails.is_some() || !is_linear(process) {
        return check_cells(process);
    }
    let growing = match modes {
        Some(modes) => modes.growing(),
        None => {
            let a = linear::linearised(process, &vec![0.0; process.nodes]);
            let rates = a.complex_eigenvalues();
            let (slowest, fastest) = rates.iter().fold((f64::INFINITY, 0.0f64), |(s, f), l| {
                (s.min(l.re), f.max(l.norm()))
            });
            slowest < -1e-9 * fastest
        }
    };
    if growing {
        let value = "a mode that grows without bound";
        let expected =
            "a bounding element (rails, or a cell with a cubic term) beside a negative resistance";
        return Err(Error::invalid("circuit", value, expected));
    }
    Ok(())
}

/// Refuses polynomial cells whose leading term drives the node away.
fn check_cells(process: &Process) -> Result<()> {
    if process.rails.is_some() {
        return Ok(());
    }
    for node in 0..process.nodes {
        let leading = process
            .polynomial
            .iter()
            .enumerate()
            .skip(2)
            .rfind(|(_, c)| c.get(node).is_some_and(|&c| c != 0.0));
        if let Some((degree, c)) = leading
            && (degree % 2 == 0 || c[node] > 0.0)
        {
            let value = "a cell whose current drives its node away for ever";
            let expected = "an odd leading power that draws current, or rails";
            return Err(Error::invalid("circuit", value, expected));
        }
    }
    Ok(())
}

fn pick_scheme(circuit: &Circuit, assembly: &Assembly) -> &'static str {
    let process = assembly.process();
    if circuit.level == ChargeLevel::Poisson && !process.jumps.is_empty() {
        let steady = process.waves.iter().all(crate::dynamics::Wave::is_constant);
        return if assembly.only_jumps() && steady {
            "gillespie"
        } else {
            "tau-leap"
        };
    }
    if process.levels.is_some() {
        return "euler-maruyama";
    }
    let steady = process
        .drives
        .iter()
        .all(|d| process.waves[d.wave].is_constant());
    let linear = is_linear(process) && process.rails.is_none();
    if linear && steady && process.nodes <= EXACT_ROWS {
        "ornstein-uhlenbeck"
    } else {
        "heun"
    }
}

/// The modes of a circuit of more than [`DENSE_ROWS`] rows about its operating point (or at rest), in units of the process.
fn large_modes(circuit: &Circuit, assembly: &Assembly) -> Result<Option<Modes>> {
    let process = assembly.process();
    if process.nodes <= DENSE_ROWS {
        return Ok(None);
    }
    let rest = vec![0.0; process.nodes];
    if is_linear(process) {
        return Ok(Some(Drift::at(process, &rest).modes()));
    }
    let mut smooth = circuit.clone();
    smooth.set_level(ChargeLevel::Langevin);
    let assembly = smooth.assemble(1.0, assembly.time_unit())?;
    let process = assembly.process();
    let point = match process.levels {
        None => resting_point(process).unwrap_or(rest),
        Some(_) => rest,
    };
    Ok(Some(Drift::at(process, &point).modes()))
}

/// The rate by which a scheme's step is judged, 1/s: that of the fastest mode about the operating point (or at rest).
fn fastest_rate(circuit: &Circuit, first_order: bool) -> Result<f64> {
    let mut smooth = circuit.clone();
    smooth.set_level(ChargeLevel::Langevin);
    let rates: Vec<nalgebra::Complex<f64>> = match SmallSignal::new(&smooth) {
        Ok(small) => small.relaxation(),
        Err(_) => {
            let unit = super::analysis::natural_time(&smooth)?;
            let assembly = smooth.assemble(1.0, unit)?;
            let rest = vec![0.0; assembly.process().nodes];
            let a = linear::linearised(assembly.process(), &rest);
            a.complex_eigenvalues().iter().map(|l| l / unit).collect()
        }
    };
    let rate = |l: &nalgebra::Complex<f64>| match first_order && l.re > 0.0 {
        true => l.norm_sqr() / l.re,
        false => l.norm(),
    };
    Ok(rates.iter().map(rate).fold(0.0, f64::max))
}

/// The scheme by whose linear modes `name` is judged.
fn judge(name: &str) -> Result<Box<dyn Scheme<f64>>> {
    scheme(match name {
        "tau-leap" => "euler-maruyama",
        other => other,
    })
}

/// A circuit ready to be integrated.
pub(super) struct Prepared {
    pub assembly: Assembly,
    /// Name of the scheme.
    pub scheme: String,
    /// Steps between two records.
    pub per_record: u64,
    /// The step, s.
    pub step: f64,
    /// Relative error of the fastest mode's variance that the step is predicted to cause; `None` for single charges.
    pub bias: Option<f64>,
    normals: NormalBits,
}

impl Prepared {
    /// Assembles `circuit` and chooses the step and, unless the plan names it, by `pick` the scheme.
    pub fn new(
        circuit: &Circuit,
        plan: &Plan,
        pick: fn(&Circuit, &Assembly) -> &'static str,
    ) -> Result<Self> {
        let (start, stop) = plan.span;
        if !(plan.every > 0.0 && start >= 0.0 && stop >= start + plan.every) || plan.chains == 0 {
            let value = format!("{} s from {start} s to {stop} s", plan.every);
            return Err(Error::invalid(
                "tran",
                value,
                "0 < step, start + step <= stop, chains > 0",
            ));
        }
        let unit = super::analysis::natural_time(circuit)?;
        let assembly = circuit.assemble(1.0, unit)?;
        let modes = large_modes(circuit, &assembly)?;
        check_bounded(assembly.process(), modes.as_ref())?;
        let name = match plan.scheme.as_deref() {
            Some(name) => name,
            None => pick(circuit, &assembly),
        };
        let exact = matches!(name, "ornstein-uhlenbeck" | "gillespie");
        // Euler's bias of a ringing mode goes with |l|²/Re l.
        let first_order = matches!(name, "euler-maruyama" | "tau-leap");
        let rate = match modes {
            Some(modes) => modes.fastest(first_order) / unit,
            None => fastest_rate(circuit, first_order)?,
        };
        let natural = match rate {
            _ if exact => plan.every,
            0.0 => f64::INFINITY,
            rate => largest_step(&*judge(name)?, rate, plan.tolerance)?.0,
        };
        let chosen = plan.largest_step.unwrap_or(f64::INFINITY).min(natural);
        let most = plan.step.unwrap_or(chosen).min(plan.every);
        let per_record = (plan.every / most).ceil().max(1.0);
        let step = plan.every / per_record;
        let bias = match name {
            "gillespie" => None,
            _ => variance_inflation(&*judge(name)?, rate * step).ok(),
        };
        Ok(Prepared {
            bias: bias.filter(|b| b.is_finite()),
            assembly,
            scheme: name.to_owned(),
            per_record: per_record as u64,
            step,
            normals: plan.precision.normals(),
        })
    }

    /// The stepper of `process` (the assembly's, or one with the same rows).
    pub fn stepper<R: Compiled>(&self, process: &Process) -> Result<Box<dyn Stepper<R>>> {
        let levels = process.levels.as_ref().map(|l| l.tau.len());
        let setting = Setting {
            step: self.step / self.assembly.time_unit(),
            clamped: &vec![false; levels.unwrap_or(process.nodes)],
            stiffness: None,
            normals: self.normals,
        };
        let unit = self.assembly.time_unit();
        let prepared = scheme::<R>(&self.scheme)?.prepare(process, &setting);
        prepared.map_err(|error| match error {
            Error::Unstable {
                scheme,
                limit,
                reason,
                ..
            } => Error::invalid(
                "step",
                format!("{:.4e} s", self.step),
                format!(
                    "less than {:.4e} s, the stability limit of {scheme} ({reason})",
                    limit * unit
                ),
            ),
            other => other,
        })
    }

    /// Steps before the first record, and number of records.
    pub fn horizon(&self, plan: &Plan) -> (u64, usize) {
        let skipped = (plan.span.0 / plan.every).round().max(0.0) as u64;
        let draws = ((plan.span.1 - plan.span.0) / plan.every + 1e-9).floor();
        (skipped * self.per_record, draws as usize)
    }

    /// Refuses to keep more than fits in memory.
    fn check_kept(&self, plan: &Plan) -> Result<()> {
        let draws = (plan.span.1 - plan.span.0) / plan.every;
        let columns = self.assembly.circuit().nodes().max(1);
        let kept = draws * plan.chains as f64 * columns as f64;
        if kept > MOST_KEPT {
            let value = format!(
                "{draws:.1e} times of {} chains and {columns} nodes",
                plan.chains
            );
            let expected = format!(
                "at most {MOST_KEPT:e} values to keep: a longer step of .tran, a shorter time or fewer chains"
            );
            return Err(Error::invalid("tran", value, expected));
        }
        Ok(())
    }

    /// Steps of all chains.
    pub fn chain_steps(&self, plan: &Plan) -> u64 {
        let (burn_in, draws) = self.horizon(plan);
        plan.chains as u64 * (burn_in + draws as u64 * self.per_record)
    }
}

/// Steps that [`simulate`] will take, summed over chains: what its progress adds up to.
///
/// # Errors
/// As [`simulate`].
pub fn chain_steps(circuit: &Circuit, plan: &Plan) -> Result<u64> {
    let prepared = Prepared::new(circuit, plan, pick_scheme)?;
    prepared.check_kept(plan)?;
    Ok(prepared.chain_steps(plan))
}

/// Integrates `circuit` by `plan`.
///
/// # Errors
/// A circuit that cannot be assembled or runs away, a scheme that refuses it, an unstable step, times that do not fit, more
/// values to keep than fit in memory.
pub fn simulate(circuit: &Circuit, plan: &Plan, control: Control<'_>) -> Result<Traces> {
    let prepared = Prepared::new(circuit, plan, pick_scheme)?;
    prepared.check_kept(plan)?;
    let assembly = &prepared.assembly;
    let (first, recorded) = match plan.precision {
        Precision::Single => integrate::<f32>(&prepared, plan, control)?,
        Precision::Double | Precision::Mixed => integrate::<f64>(&prepared, plan, control)?,
    };
    let (burn_in, draws) = prepared.horizon(plan);
    let skipped = burn_in / prepared.per_record;
    let columns = Columns::new(assembly);
    let n = assembly.process().nodes;
    let with_start = skipped == 0;
    let mut x = Vec::new();
    let mut t: Vec<f64> = with_start.then_some(0.0).into_iter().collect();
    t.extend((1..=draws).map(|k| (skipped + k as u64) as f64 * plan.every));
    for chain in 0..plan.chains {
        if with_start {
            columns.read(assembly, &first[chain * n..(chain + 1) * n], 0.0, &mut x);
        }
        for k in 0..draws {
            let row = &recorded.x[(chain * draws + k) * n..][..n];
            let state: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
            let time = (skipped + 1 + k as u64) as f64 * plan.every / assembly.time_unit();
            columns.read(assembly, &state, time, &mut x);
        }
    }
    Ok(Traces {
        chains: plan.chains,
        t,
        names: columns.names,
        units: columns.units,
        x,
        scheme: prepared.scheme,
        step: prepared.step,
        bias: prepared.bias,
        clipped: recorded.clipped,
    })
}

/// The rows at time 0 and what was recorded, in units of the process.
fn integrate<R: Compiled>(
    prepared: &Prepared,
    plan: &Plan,
    control: Control<'_>,
) -> Result<(Vec<f64>, Recorded)> {
    let process = prepared.assembly.process();
    let stepper = prepared.stepper::<R>(process)?;
    let (burn_in, draws) = prepared.horizon(plan);
    let levels = process.levels.as_ref().map_or(0, |l| l.tau.len());
    let mut ensemble =
        Ensemble::<R>::from_origin(plan.origin(), plan.chains, process.nodes, levels)
            .showing(Shown::Nodes);
    ensemble.set_values(&initial(&prepared.assembly, plan)?)?;
    let first = ensemble.values();
    let recorded = ensemble.run(&*stepper, burn_in, draws, prepared.per_record, control)?;
    Ok((first, recorded))
}

/// Start of every chain, in units of the process; nodes that sources tie together share their root's value.
pub(super) fn initial(assembly: &Assembly, plan: &Plan) -> Result<Vec<f64>> {
    let n = assembly.process().nodes;
    let mut state = vec![0.0; n];
    let rest = state.clone();
    for &(node, volts) in &plan.initial {
        let offset = assembly.voltage(node.0, &rest, 0.0);
        let Some(row) = assembly.place(Some(node.0)).0 else {
            let name = &assembly.circuit().node_names()[node.0];
            let value = format!("v({name}), which a source holds");
            return Err(Error::invalid(".ic", value, "nodes that no source holds"));
        };
        state[row] = (volts - offset) / assembly.voltage_unit();
    }
    Ok((0..plan.chains)
        .flat_map(|_| state.iter().copied())
        .collect())
}

/// The recorded columns.
struct Columns {
    names: Vec<String>,
    units: Vec<&'static str>,
    nodes: usize,
    /// (row, A per unit) of the inductors.
    currents: Vec<(usize, f64)>,
}

impl Columns {
    fn new(assembly: &Assembly) -> Self {
        let circuit = assembly.circuit();
        let mut names: Vec<String> = circuit
            .node_names()
            .iter()
            .map(|n| format!("v({n})"))
            .collect();
        let mut units = vec!["V"; names.len()];
        let scales = assembly.scales();
        let mut currents = Vec::new();
        for (row, kind) in assembly.rows().enumerate() {
            if let Row::Current(element) = kind {
                names.push(format!("i({})", circuit.name_of(element)));
                units.push("A");
                currents.push((row, scales[row]));
            }
        }
        Columns {
            nodes: circuit.nodes(),
            names,
            units,
            currents,
        }
    }

    fn read(&self, assembly: &Assembly, state: &[f64], t: f64, out: &mut Vec<f64>) {
        out.extend((0..self.nodes).map(|node| assembly.voltage(node, state, t)));
        out.extend(self.currents.iter().map(|&(row, scale)| state[row] * scale));
    }
}
