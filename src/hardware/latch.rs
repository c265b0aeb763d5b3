//! p-bits transistor by transistor: latches of two subthreshold inverters at the Langevin or the Poisson level.
//!
//! Each inverter's input is the other's output plus an antisymmetric bias, V_in1 = v_2 + b and V_in2 = v_1 − b, so that
//! logit P(v_2 > v_1) = κ b with κ near 27.2/V_T at a supply of 1.2 V_T and q/C = 0.1 V_T (arXiv 2008.10578, 2103.01184). A
//! constant bias is a threshold shift; neighbours drive an RC synapse through saturating pairs, and the gates sum its
//! voltage. Charges move one by one (Poisson) or with shot noise (Langevin); nothing here knows the telegraph's rates.

use super::chip::Chip;
use super::converters::of_couplings;
use super::dac::Dac;
use super::die::Die;
use super::program::Realised;
use super::readout::Readout;
use super::spin_values::SpinValues;
use super::view::View;
use crate::circuit::{Assembly, ChargeLevel, Circuit, Mosfet, NodeId};
use crate::dynamics::{Process, Wave};
use crate::energy::{Ising, Model, Parameters};
use crate::error::{Error, Result};
use crate::units::{BOLTZMANN, ELEMENTARY_CHARGE};
use uom::si::capacitance::farad;
use uom::si::electric_current::ampere;
use uom::si::electric_potential::volt;
use uom::si::electrical_resistance::ohm;
use uom::si::f64::{
    Capacitance, ElectricCurrent, ElectricPotential, ElectricalResistance, ThermodynamicTemperature,
};
use uom::si::thermodynamic_temperature::kelvin;

const CURRENT: u64 = 5;
/// Width of the pairs that sense a latch, in V_T: the outputs of a latch are two to three V_T apart.
const SENSE: f64 = 0.2;

/// A programmed array of latches.
#[derive(Clone, Debug)]
pub(super) struct LatchChip {
    assembly: Assembly,
    level: ChargeLevel,
    values: SpinValues,
    realised: Realised,
    volts_per_input: f64,
    pairs: Vec<(usize, usize)>,
    /// Fastest relaxation rate of latches and synapses, per unit of the process's time.
    fastest: f64,
}

impl LatchChip {
    pub(super) fn new(die: &Die, ising: &Ising, level: ChargeLevel) -> Result<Self> {
        let coupled = !ising.couplings.edges().is_empty();
        let synapse = ["synapse_tau", "synapse_capacitance"].into_iter();
        let cell = ["supply", "cell_capacitance", "cell_current"].into_iter();
        for key in cell.chain(synapse.filter(|_| coupled)) {
            let key = format!("physics.{key}");
            if die.card.get(&key).is_none() {
                let expected = "this parameter on the card: its level needs the circuit of a p-bit";
                return Err(Error::invalid(key, "nothing", expected));
            }
        }
        let volts_per_input = die.volts_per_input();
        let values = SpinValues::new(die, ising, volts_per_input, &[]);
        let realised = values.realise(
            die,
            &Parameters {
                fields: ising.fields.clone(),
                couplings: ising.couplings.values().to_vec(),
            },
        );
        let assembly = build(die, &values, &realised, volts_per_input, level)?;
        let names = assembly.circuit().node_names();
        // Rows of the process are the nodes that no source holds, in order.
        let free = names.iter().filter(|name| !name.starts_with("rail"));
        let rows: Vec<&String> = free.collect();
        let row = |name: String| rows.iter().position(|n| **n == name).unwrap_or(0);
        let n = ising.fields.len();
        let pairs = (0..n)
            .map(|i| (row(format!("v{i}")), row(format!("w{i}"))))
            .collect();
        let scales = Scales::of(die);
        let settling = die
            .card
            .get("physics.synapse_tau")
            .filter(|_| !values.edges.is_empty());
        let synapse = settling.map_or(0.0, |tau| scales.time / tau);
        Ok(LatchChip {
            assembly,
            level,
            values,
            realised,
            volts_per_input,
            pairs,
            fastest: scales.fastest().max(synapse),
        })
    }
}

impl LatchChip {
    /// The charges of the array, in V_T and q/I0.
    pub(super) fn latch(&self) -> &Process {
        self.assembly.process()
    }

    /// q/I0, s.
    pub(super) fn time_unit(&self) -> f64 {
        self.assembly.time_unit()
    }

    /// Supply over V_T.
    pub(super) fn supply(&self, die: &Die) -> f64 {
        Scales::of(die).supply
    }
}

/// The natural units of a latch.
struct Scales {
    /// V_T, V.
    thermal: f64,
    /// Supply over V_T.
    supply: f64,
    /// One charge's voltage over V_T.
    charge: f64,
    /// q/I0, s.
    time: f64,
}

impl Scales {
    fn of(die: &Die) -> Self {
        let kelvins = die.card.required("physics.temperature") * die.temperature_ratio;
        let thermal = BOLTZMANN * kelvins / ELEMENTARY_CHARGE;
        Scales {
            thermal,
            // The supply follows V_T, as the references of subthreshold circuits do, unless it is said what it is.
            supply: match &die.supply {
                Some(supply) => supply.volts / thermal,
                None => die.actual("physics.supply") / thermal * die.temperature_ratio,
            },
            charge: ELEMENTARY_CHARGE / die.actual("physics.cell_capacitance") / thermal,
            time: ELEMENTARY_CHARGE / die.actual("physics.cell_current"),
        }
    }

    /// Rate at which a node in a well relaxes, v_e e^{2x} with cosh x = e^{Vdd}/2 the well (x = 0 below bistability), and that
    /// of the transistors that hold it, v_e e^{Vdd}.
    fn fastest(&self) -> f64 {
        let well = (0.5 * self.supply.exp()).max(1.0).acosh();
        self.charge * ((2.0 * well).exp() + self.supply.exp())
    }
}

/// Lays out and assembles the array.
fn build(
    die: &Die,
    values: &SpinValues,
    realised: &Realised,
    volts_per_input: f64,
    level: ChargeLevel,
) -> Result<Assembly> {
    let card = &die.card;
    let scales = Scales::of(die);
    let kelvins = card.required("physics.temperature") * die.temperature_ratio;
    let at = ThermodynamicTemperature::new::<kelvin>(kelvins);
    let volts = ElectricPotential::new::<volt>;
    let n = realised.fields.len();
    let mut circuit = Circuit::new();
    circuit.set_level(level);
    let rails = [circuit.node("rail+")?, circuit.node("rail-")?];
    for (rail, sign) in rails.iter().zip([1.0, -1.0]) {
        let wave = Wave::Constant(sign * scales.supply * scales.thermal);
        circuit.voltage_source(Some(*rail), None, wave)?;
    }
    let coupled = !values.edges.is_empty();
    let farads = Capacitance::new::<farad>(die.actual("physics.cell_capacitance"));
    let mut outputs: Vec<[NodeId; 2]> = Vec::with_capacity(n);
    let mut synapses = Vec::new();
    for i in 0..n {
        let pair = [
            circuit.node(&format!("v{i}"))?,
            circuit.node(&format!("w{i}"))?,
        ];
        let synapse = if coupled {
            let node = circuit.node(&format!("b{i}"))?;
            let c_s = card.required("physics.synapse_capacitance");
            let tau_s = card.required("physics.synapse_tau");
            circuit.capacitor(node, None, Capacitance::new::<farad>(c_s))?;
            let r_s = tau_s / c_s;
            circuit.resistor(node, None, ElectricalResistance::new::<ohm>(r_s), at)?;
            synapses.push((node, r_s));
            Some(node)
        } else {
            None
        };
        let spread =
            (-die.spread("tau", "nonidealities.tau_sigma") * die.deviate(CURRENT, i as u64)).exp();
        let amperes = ElectricCurrent::new::<ampere>(die.actual("physics.cell_current") * spread);
        let bias = volts_per_input * realised.fields[i];
        for (k, sign) in [(0, 1.0), (1, -1.0)] {
            let (out, input) = (pair[k], pair[1 - k]);
            circuit.capacitor(out, None, farads)?;
            for (p_channel, rail) in [(true, rails[0]), (false, rails[1])] {
                let model = Mosfet {
                    p_channel,
                    current: amperes,
                    slope: 1.0,
                    // V_in + b: a threshold lower by b.
                    threshold: volts(-sign * bias),
                    inversion: false,
                };
                let pins = [Some(out), Some(input), Some(rail), None];
                let transistor = circuit.mosfet(pins, &model, at, true)?;
                if let Some(synapse) = synapse {
                    circuit.sum_at_gate(transistor, synapse, sign)?;
                }
            }
        }
        outputs.push(pair);
    }
    for (&(i, j), &(into_i, into_j)) in values.edges.iter().zip(&realised.couplings) {
        for (from, into, value) in [(j, i, into_i), (i, j, into_j)] {
            if value == 0.0 {
                continue;
            }
            let (synapse, r_s) = synapses[into];
            // s = +1 is w above v; a negative coupling takes the outputs the other way round.
            let [v, w] = outputs[from];
            let control = if value > 0.0 { [w, v] } else { [v, w] };
            let tail = ElectricCurrent::new::<ampere>(volts_per_input * value.abs() / r_s);
            let width = volts(SENSE * scales.thermal);
            circuit.differential_pair(
                control.map(Some),
                [None, Some(synapse)],
                (tail, width),
                at,
                0.0,
            )?;
        }
    }
    circuit.assemble(scales.thermal, scales.time)
}

impl Chip for LatchChip {
    fn boxed(&self) -> Box<dyn Chip> {
        Box::new(self.clone())
    }

    fn process(&self) -> &Process {
        self.assembly.process()
    }

    /// q/I0.
    fn seconds_per_time(&self) -> f64 {
        self.assembly.time_unit()
    }

    fn volts_per_x(&self) -> f64 {
        self.volts_per_input
    }

    /// Biases are thresholds here: the array is assembled anew, its graph stays.
    fn write(&mut self, die: &Die, parameters: &Parameters) -> Result<()> {
        self.realised = self.values.realise(die, parameters);
        self.assembly = build(
            die,
            &self.values,
            &self.realised,
            self.volts_per_input,
            self.level,
        )?;
        Ok(())
    }

    fn realised(&self) -> &Realised {
        &self.realised
    }

    fn energy(&self, _die: &Die, _asked: &Model) -> Option<Model> {
        None
    }

    fn no_energy_because(&self, _die: &Die) -> Vec<(bool, &'static str)> {
        let reason = "a latch between two supplies is driven: its outputs are no spins of an energy, only near it";
        vec![(true, reason)]
    }

    fn coupling_dac(&self, die: &Die) -> Dac {
        of_couplings(die, 1.0)
    }

    /// The outputs of a latch are compared with each other.
    fn readout(&self, die: &Die) -> Readout {
        Readout::of_pairs(die, self.assembly.voltage_unit(), &self.pairs)
    }

    fn view(&self) -> View {
        View::Latches(self.pairs.clone())
    }

    /// What is asked of a variance elsewhere is asked of a rate here: h times the fastest rate is five times as large.
    fn step(&self, tolerance: f64) -> Option<f64> {
        Some(10.0 * tolerance / (1.0 + tolerance) / self.fastest)
    }

    fn scheme(&self) -> &'static str {
        match self.level {
            ChargeLevel::Langevin => "euler-maruyama",
            ChargeLevel::Poisson if self.assembly.only_jumps() => "gillespie",
            ChargeLevel::Poisson => "tau-leap",
        }
    }

    fn circuit(&self) -> Option<&Circuit> {
        Some(self.assembly.circuit())
    }
}
