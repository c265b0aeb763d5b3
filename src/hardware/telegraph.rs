//! p-bits: two-state elements that flip at σ(±2I)/τ(I), their bias node an RC synapse that the neighbours drive.
//!
//! τ(I) = τ0/cosh(αI), α the card's `tau_bias`: a barrier tilted by the bias is crossed at Γ± = e^{±I}/2τ0 (α = 1), whose
//! law σ(2I) is that of a constant τ (α = 0). 2I = κ V_b with κ the card's bias gain. On a real die the synapse (C_s, R_s = τ_s/C_s at temperature T, with its Johnson
//! noise kT/C_s) settles in τ_s; on the ideal chip it is instantaneous and noiseless. In an environment hotter than the
//! card's, the logit of a given bias falls as 1/T (κ = 27.2/V_T, with the supply kept at its multiple of V_T); another supply
//! moves the barrier: see `supply.rs`.

use super::chip::Chip;
use super::converters::of_couplings;
use super::dac::Dac;
use super::die::Die;
use super::program::{Realisation, Realised};
use super::readout::Readout;
use super::spin_values::SpinValues;
use super::update::Update;
use crate::circuit::{Circuit, NodeId};
use crate::dynamics::{
    Control, Ensemble, LevelInput, Levels, Linear, NormalBits, Process, Setting, Wave, scheme,
};
use crate::energy::{Couplings, Ising, Model, Parameters};
use crate::error::{Error, Result};
use std::sync::atomic::AtomicBool;
use uom::si::capacitance::farad;
use uom::si::electrical_conductance::siemens;
use uom::si::electrical_resistance::ohm;
use uom::si::f64::{
    Capacitance, ElectricalConductance, ElectricalResistance, ThermodynamicTemperature,
};
use uom::si::thermodynamic_temperature::kelvin;
use uom::si::time::second;

const TAU: u64 = 5;

/// The RC node that feeds a p-bit.
#[derive(Clone, Copy, Debug)]
struct Synapse {
    capacitance: Capacitance,
    resistance: ElectricalResistance,
    temperature: ThermodynamicTemperature,
}

impl Synapse {
    /// Adds node `name` with its capacitor and resistor to a circuit.
    fn add(&self, circuit: &mut Circuit, name: &str) -> Result<NodeId> {
        let node = circuit.node(name)?;
        circuit.capacitor(node, None, self.capacitance)?;
        circuit.resistor(node, None, self.resistance, self.temperature)?;
        Ok(node)
    }
}

/// A programmed array of p-bits.
#[derive(Clone, Debug)]
pub(super) struct TelegraphChip {
    process: Process,
    /// τ0, s.
    tau: f64,
    values: SpinValues,
    /// Synapse rate in units of 1/τ0: 0 when inputs are direct.
    synapse_rate: f64,
    volts_per_input: f64,
    synapse: Option<Synapse>,
    /// Input of a p-bit over the nominal one at the same bias voltage: nominal over actual temperature, times the corner's
    /// and the supply's gain over the card's.
    sensitivity: f64,
    realised: Realised,
}

impl TelegraphChip {
    /// Lays the array out; `directed` holds (into, from, J) of couplings that act one way.
    pub(super) fn new(die: &Die, ising: &Ising, directed: &[(usize, usize, f64)]) -> Result<Self> {
        let card = &die.card;
        let n = ising.fields.len();
        let tau = card.required("physics.tau");
        let volts_per_input = die.volts_per_input();
        let supply = die.supply;
        let slow = die.actual("physics.tau") / tau
            * supply.map_or(1.0, |s| s.slower)
            * die.slower_when_cold();
        let spread = die.spread("tau", "nonidealities.tau_sigma");
        let own_tau = die
            .sites(TAU, n)
            .into_iter()
            .map(|z| slow * (spread * z).exp());
        let at = card.required("physics.temperature") * die.temperature_ratio;
        let synapse = die.limit("synapse", "nonidealities.synapse").and_then(|_| {
            let tau_s = card.get("physics.synapse_tau")?;
            let c_s = card.get("physics.synapse_capacitance")?;
            Some(Synapse {
                capacitance: Capacitance::new::<farad>(c_s),
                resistance: ElectricalResistance::new::<ohm>(tau_s / c_s),
                temperature: ThermodynamicTemperature::new::<kelvin>(at),
            })
        });

        let (mut process, synapse_rate) = match &synapse {
            None => (bare_process(), 0.0),
            Some(synapse) => {
                // In units of I: voltage volts_per_input, time τ0.
                let mut circuit = Circuit::new();
                for i in 0..n {
                    synapse.add(&mut circuit, &format!("b{i}"))?;
                }
                let tau_s = (synapse.capacitance * synapse.resistance).get::<second>();
                (
                    circuit.assemble(volts_per_input, tau)?.process().clone(),
                    tau / tau_s,
                )
            }
        };
        let values = SpinValues::new(die, ising, volts_per_input, directed);
        process.levels = Some(Levels {
            tau: own_tau.collect(),
            tau_bias: card.required("physics.tau_bias") * supply.map_or(1.0, |s| s.tau_bias),
            clocking: Update::clocking(card, n, &values.edges)?,
            input: LevelInput::Direct {
                field: vec![0.0; n],
                coupling: Linear::Sparse(Vec::new()),
            },
        });
        let mut chip = TelegraphChip {
            process,
            tau,
            values,
            synapse_rate,
            volts_per_input,
            synapse,
            sensitivity: die.gain(),
            realised: Realised::default(),
        };
        let parameters = Parameters {
            fields: ising.fields.clone(),
            couplings: ising.couplings.values().to_vec(),
        };
        chip.write(die, &parameters)?;
        Ok(chip)
    }
}

impl Chip for TelegraphChip {
    fn boxed(&self) -> Box<dyn Chip> {
        Box::new(self.clone())
    }

    /// In units of J.
    fn coupling_dac(&self, die: &Die) -> Dac {
        of_couplings(die, 1.0)
    }

    /// Writes fields and couplings through the DACs and gain errors.
    fn write(&mut self, die: &Die, parameters: &Parameters) -> Result<()> {
        let (n, edges) = (self.values.spins(), &self.values.edges);
        let realised = self.values.realise(die, parameters);
        let mut degrees = vec![0; n];
        for &(i, j) in edges {
            degrees[i] += 1;
            degrees[j] += 1;
        }
        let mut rows: Vec<Vec<_>> = degrees.into_iter().map(Vec::with_capacity).collect();
        for (&(i, j), pair) in edges.iter().zip(&realised.couplings) {
            rows[i].push((j, pair.0));
            rows[j].push((i, pair.1));
        }
        for row in &mut rows {
            row.sort_unstable_by_key(|e| e.0);
        }
        let cool = self.sensitivity;
        let field = realised.fields.iter().map(|h| h * cool).collect();
        let input = if self.synapse_rate > 0.0 {
            // τ_s dI/dt = Σ K s − I: the drive is K/τ_s; the field and the offset act after the node.
            for row in &mut rows {
                for entry in row {
                    entry.1 *= self.synapse_rate;
                }
            }
            LevelInput::Node {
                input: (0..n).map(|i| vec![(i, cool)]).collect(),
                offset: field,
                drive: Linear::Sparse(rows),
            }
        } else {
            for entry in rows.iter_mut().flatten() {
                entry.1 *= cool;
            }
            LevelInput::Direct {
                field,
                coupling: Linear::Sparse(rows),
            }
        };
        if let Some(levels) = &mut self.process.levels {
            levels.input = input;
        }
        self.realised = realised;
        Ok(())
    }

    fn asked(&self, parameters: &Parameters) -> Vec<(f64, f64)> {
        self.values.asked(parameters).collect()
    }

    /// The energy's pairs, then those that only directed couplings join.
    fn pairs(&self) -> Option<Vec<(usize, usize)>> {
        Some(self.values.edges.clone())
    }

    fn readout(&self, die: &Die) -> Readout {
        Readout::of_levels(die, self.values.spins())
    }

    fn is_directed(&self) -> bool {
        self.values.is_directed()
    }

    /// One realisation of `points` steps as a circuit: every p-bit a source of its recorded ±1 V (node p0, p1 …) that drives
    /// the synapses (b0, b1 …) through transconductances. Fields and offsets act inside a p-bit, after its synapse.
    ///
    /// # Errors
    /// Instantaneous inputs, which have no circuit; a step beyond the synapses' stability limit.
    fn recorded(&self, of: Realisation) -> Result<Circuit> {
        let Some(synapse) = &self.synapse else {
            let expected = "a die whose synapses are on: inputs without synapses have no circuit";
            return Err(Error::invalid(
                "hardware",
                "p-bits of an ideal chip",
                expected,
            ));
        };
        let n = self.values.spins();
        let setting = Setting {
            step: of.step / self.tau,
            clamped: &vec![false; n],
            stiffness: None,
            normals: NormalBits::Full,
        };
        let stepper = scheme::<f64>("euler-maruyama")?.prepare(&self.process, &setting)?;
        let mut chain = Ensemble::<f64>::new(of.seed, 0, 1, self.process.nodes, n);
        let control = Control {
            interrupted: &AtomicBool::new(false),
            progress: &|_| {},
        };
        let levels = chain.run(&*stepper, 0, of.points, 1, control)?.x;
        let mut circuit = Circuit::new();
        let mut outputs = Vec::new();
        for i in 0..n {
            let node = circuit.node(&format!("p{i}"))?;
            let wave = staircase(levels.iter().skip(i).step_by(n), of.step);
            circuit.voltage_source(Some(node), None, wave)?;
            outputs.push(node);
        }
        let inputs: Vec<NodeId> = (0..n)
            .map(|i| synapse.add(&mut circuit, &format!("b{i}")))
            .collect::<Result<_>>()?;
        // V_b = R g · 1 V is volts_per_input · K.
        let unit = self.volts_per_input / synapse.resistance.get::<ohm>();
        for (&(i, j), &(into_i, into_j)) in self.values.edges.iter().zip(&self.realised.couplings) {
            for (from, into, value) in [(j, i, into_i), (i, j, into_j)] {
                let conductance = ElectricalConductance::new::<siemens>(unit * value);
                let (from, into) = (outputs[from], inputs[into]);
                circuit.transconductor(from, into, conductance, synapse.temperature, 0.0)?;
            }
        }
        Ok(circuit)
    }

    fn process(&self) -> &Process {
        &self.process
    }

    /// τ0.
    fn seconds_per_time(&self) -> f64 {
        self.tau
    }

    fn volts_per_x(&self) -> f64 {
        self.volts_per_input
    }

    fn realised(&self) -> &Realised {
        &self.realised
    }

    fn no_energy_because(&self, die: &Die) -> Vec<(bool, &'static str)> {
        let late = die.nonidealities().iter().any(|n| n == "synapse");
        let many = self.values.spins() > 1;
        let at_once = Update::of(&die.card).is_ok_and(|u| u == Update::AllAtOnce) && many;
        vec![
            (
                self.is_directed(),
                "couplings are directed on purpose (J_ij != J_ji): there is no detailed balance",
            ),
            (
                at_once,
                "spins flip all at once, each from the others' old values (Peretto's law when settled)",
            ),
            (
                late,
                "spins see their neighbours late and through a noisy node",
            ),
        ]
    }

    fn energy(&self, _die: &Die, asked: &Model) -> Option<Model> {
        let beta = self.sensitivity;
        let pairs = self.values.edges.iter().zip(&self.realised.couplings);
        let list = pairs.map(|(&(i, j), c)| (i, j, c.0 * beta)).collect();
        let graph = Couplings::new(asked.dim(), list).ok()?;
        let fields = self.realised.fields.iter().map(|h| h * beta).collect();
        Ising::new(fields, graph).ok().map(Model::Ising)
    }
}

/// Levels that hold for a step each, in volts; +1 before the first, where a chain starts. A change takes a thousandth of a step.
fn staircase<'a>(levels: impl Iterator<Item = &'a f32>, step: f64) -> Wave {
    let mut points = vec![(0.0, 1.0)];
    let mut before = 1.0;
    for (k, &level) in levels.enumerate() {
        let (time, level) = ((k + 1) as f64 * step, f64::from(level));
        if level != before {
            points.push((time, before));
            points.push((time + 1e-3 * step, level));
            before = level;
        }
    }
    Wave::PiecewiseLinear(points.into())
}

/// No continuous nodes: inputs are direct.
fn bare_process() -> Process {
    Process::still(0)
}
