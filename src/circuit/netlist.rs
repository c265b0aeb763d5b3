//! Netlists: named nodes and the elements between them, each with its own temperature.

use super::element::{Element, ElementId, NodeId, Terminal};
use super::names::Names;
use crate::error::{Error, Result};
use crate::units::BOLTZMANN;
use uom::si::capacitance::farad;
use uom::si::electric_current::ampere;
use uom::si::electrical_conductance::siemens;
use uom::si::electrical_resistance::ohm;
use uom::si::f64::{
    Capacitance, ElectricCurrent, ElectricalConductance, ElectricalResistance,
    ThermodynamicTemperature,
};
use uom::si::thermodynamic_temperature::kelvin;

/// A circuit under construction: nodes, and elements in SI units.
///
/// ```
/// use thermochip::circuit::Circuit;
/// use uom::si::{capacitance::femtofarad, electrical_resistance::megaohm, thermodynamic_temperature::kelvin};
/// use uom::si::f64::{Capacitance, ElectricalResistance, ThermodynamicTemperature};
///
/// let mut circuit = Circuit::new();
/// let out = circuit.node("out")?;
/// circuit.capacitor(out, None, Capacitance::new::<femtofarad>(10.0))?;
/// circuit.resistor(
///     out,
///     None,
///     ElectricalResistance::new::<megaohm>(10.0),
///     ThermodynamicTemperature::new::<kelvin>(300.0),
/// )?;
/// // kT/C of 10 fF at 300 K: 0.64358 mV rms, whatever the resistor.
/// let covariance = thermochip::circuit::linear::covariance(&circuit)?;
/// assert!((covariance[(0, 0)].sqrt() - 0.64358e-3).abs() < 1e-8);
/// # Ok::<(), thermochip::error::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Circuit {
    names: Names,
    pub(super) elements: Vec<Element>,
    pub(super) kinds: Kinds,
    /// Names of the elements that have one.
    pub(super) labels: std::collections::BTreeMap<usize, String>,
    /// The same names, to find one taken.
    labelled: std::collections::HashSet<String>,
    pub(super) rails: Option<f64>,
    pub(super) level: ChargeLevel,
}

/// Kinds of elements that a circuit has any of: whoever looks for them reads a large netlist only where there are some.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kinds {
    pub voltage_sources: bool,
    /// With rows of their own.
    pub stateful: bool,
    pub nonlinear: bool,
    pub telegraphs: bool,
}

impl Kinds {
    fn see(&mut self, element: &Element) {
        match element {
            Element::Voltage { .. } => self.voltage_sources = true,
            Element::Inductor { .. } | Element::Coloured { .. } => self.stateful = true,
            Element::Josephson { .. } => {
                self.stateful = true;
                self.nonlinear = true;
            }
            Element::Nonlinear(_) | Element::Transistor(_) => self.nonlinear = true,
            Element::Telegraph { .. } => self.telegraphs = true,
            Element::Capacitor { .. }
            | Element::Resistor { .. }
            | Element::Mutual { .. }
            | Element::Drive { .. }
            | Element::Transconductor { .. }
            | Element::Controlled { .. }
            | Element::Polynomial { .. }
            | Element::Current { .. }
            | Element::Noise { .. } => {}
        }
    }
}

/// How the charge that flows through transistors is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChargeLevel {
    /// Currents with shot noise, dI = ⟨I⟩ dt + √(q (I_f + I_r)) dW (Itô).
    #[default]
    Langevin,
    /// Single charges at rates I_f/q and I_r/q that obey local detailed balance: voltages are taken half way through the
    /// jump (arXiv 2008.10578). Subthreshold only.
    Poisson,
}

pub(super) fn positive(field: &str, value: f64, unit: &str) -> Result<f64> {
    if value > 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(Error::invalid(
            field,
            format!("{value} {unit}"),
            format!("a positive number of {unit}"),
        ))
    }
}

pub(super) fn finite(field: &str, value: f64, unit: &str) -> Result<f64> {
    if value.is_finite() {
        Ok(value)
    } else {
        Err(Error::invalid(
            field,
            format!("{value} {unit}"),
            format!("a finite number of {unit}"),
        ))
    }
}

pub(super) fn non_negative(field: &str, value: f64) -> Result<f64> {
    if value >= 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(Error::invalid(field, value, "a number of 0 or more"))
    }
}

pub(super) fn temperature(value: ThermodynamicTemperature) -> Result<f64> {
    let value = value.get::<kelvin>();
    if value >= 0.0 && value.is_finite() {
        Ok(value)
    } else {
        Err(Error::invalid(
            "temperature",
            format!("{value} K"),
            "a temperature of 0 K or more",
        ))
    }
}

impl Circuit {
    /// An empty circuit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for `count` more elements.
    pub fn reserve(&mut self, count: usize) {
        self.elements.reserve(count);
    }

    /// Adds a node.
    ///
    /// # Errors
    /// A name already taken.
    pub fn node(&mut self, name: &str) -> Result<NodeId> {
        self.names.add(name).map(NodeId)
    }

    /// Adds the nodes of an array, named `prefix` and their number from 0.
    ///
    /// # Errors
    /// A name already taken.
    pub fn node_array(&mut self, prefix: &str, count: usize) -> Result<Vec<NodeId>> {
        let first = self.names.add_series(prefix, count)?;
        Ok((first..first + count).map(NodeId).collect())
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.names.len()
    }

    pub(super) fn add(&mut self, element: Element) -> ElementId {
        self.kinds.see(&element);
        self.elements.push(element);
        ElementId(self.elements.len() - 1)
    }

    /// Two different terminals.
    pub(super) fn pair(
        &self,
        a: Option<NodeId>,
        b: Option<NodeId>,
    ) -> Result<(Terminal, Terminal)> {
        if a == b {
            let name = a.map_or("ground", |a| &self.names.all()[a.0]);
            return Err(Error::invalid(
                "element",
                format!("both ends on \"{name}\""),
                "two different nodes",
            ));
        }
        Ok((a.map(|a| a.0), b.map(|b| b.0)))
    }

    /// The names of the nodes, in order.
    pub fn node_names(&self) -> &[String] {
        self.names.all()
    }

    /// The node called `name`.
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.names.find(name).map(NodeId)
    }

    /// Names an element, for messages and reports.
    ///
    /// # Errors
    /// A name already taken.
    pub fn label(&mut self, id: ElementId, name: &str) -> Result<()> {
        if !self.labelled.insert(name.to_owned()) {
            let expected = "a name not used before";
            return Err(Error::invalid("element", format!("\"{name}\""), expected));
        }
        self.labels.insert(id.0, name.to_owned());
        Ok(())
    }

    /// The name of element `index`, or its number.
    pub(super) fn name_of(&self, index: usize) -> String {
        let label = self.labels.get(&index).cloned();
        label.unwrap_or_else(|| format!("element {index}"))
    }

    /// How transistors conduct: see [`ChargeLevel`].
    pub fn set_level(&mut self, level: ChargeLevel) {
        self.level = level;
    }

    /// A capacitor from `a` to `b` (`None`: ground).
    ///
    /// # Errors
    /// A capacitance that is not positive, or both ends on one node.
    pub fn capacitor(
        &mut self,
        a: NodeId,
        b: Option<NodeId>,
        value: Capacitance,
    ) -> Result<ElementId> {
        self.capacitor_between(Some(a), b, value)
    }

    /// As [`Circuit::capacitor`], either end on ground.
    ///
    /// # Errors
    /// As [`Circuit::capacitor`].
    pub fn capacitor_between(
        &mut self,
        a: Option<NodeId>,
        b: Option<NodeId>,
        value: Capacitance,
    ) -> Result<ElementId> {
        let farads = positive("capacitance", value.get::<farad>(), "F")?;
        let (a, b) = self.pair(a, b)?;
        Ok(self.add(Element::Capacitor { a, b, farads }))
    }

    /// A resistor from `a` to `b` (`None`: ground) with Johnson noise of its temperature: S_I = 4kT/R.
    ///
    /// # Errors
    /// A resistance that is not positive, a negative temperature, or both ends on one node.
    pub fn resistor(
        &mut self,
        a: NodeId,
        b: Option<NodeId>,
        value: ElectricalResistance,
        at: ThermodynamicTemperature,
    ) -> Result<ElementId> {
        self.resistor_between(Some(a), b, value, at)
    }

    /// As [`Circuit::resistor`], either end on ground.
    ///
    /// # Errors
    /// As [`Circuit::resistor`].
    pub fn resistor_between(
        &mut self,
        a: Option<NodeId>,
        b: Option<NodeId>,
        value: ElectricalResistance,
        at: ThermodynamicTemperature,
    ) -> Result<ElementId> {
        let conductance = 1.0 / positive("resistance", value.get::<ohm>(), "ohm")?;
        let kelvins = temperature(at)?;
        let (a, b) = self.pair(a, b)?;
        Ok(self.add(Element::Resistor {
            a,
            b,
            conductance,
            kelvins,
        }))
    }

    /// An active transconductor that injects g·V_from into `into` (g signed), with noise 4kTγ|g| into `into`.
    ///
    /// # Errors
    /// Values that are not finite, a negative temperature or γ.
    pub fn transconductor(
        &mut self,
        from: NodeId,
        into: NodeId,
        value: ElectricalConductance,
        at: ThermodynamicTemperature,
        excess: f64,
    ) -> Result<ElementId> {
        let conductance = finite("transconductance", value.get::<siemens>(), "S")?;
        let excess = non_negative("excess noise factor", excess)?;
        let kelvins = temperature(at)?;
        Ok(self.add(Element::Transconductor {
            from: from.0,
            into: into.0,
            conductance,
            kelvins,
            excess,
        }))
    }

    /// An active cell to ground that draws I(V) = Σ_k c_k V^k, c_k in A/V^k; noiseless.
    ///
    /// # Errors
    /// A coefficient that is not finite.
    pub fn polynomial(&mut self, node: NodeId, coefficients: Vec<f64>) -> Result<ElementId> {
        let none = ElectricalConductance::new::<siemens>(0.0);
        let cold = ThermodynamicTemperature::new::<kelvin>(0.0);
        self.noisy_polynomial(node, coefficients, none, cold, 0.0)
    }

    /// As [`Circuit::polynomial`], with the noise 4kTγg of the transconductance g ≥ 0 it is built from.
    ///
    /// # Errors
    /// Values that are not finite; a negative g, temperature or γ.
    pub fn noisy_polynomial(
        &mut self,
        node: NodeId,
        coefficients: Vec<f64>,
        transconductance: ElectricalConductance,
        at: ThermodynamicTemperature,
        excess: f64,
    ) -> Result<ElementId> {
        for (k, &c) in coefficients.iter().enumerate() {
            finite(&format!("polynomial[{k}]"), c, "A/V^k")?;
        }
        let g = transconductance.get::<siemens>();
        let excess = non_negative("excess noise factor", excess)?;
        let g = non_negative("transconductance", g)?;
        let density = 2.0 * BOLTZMANN * temperature(at)? * excess * g;
        Ok(self.add(Element::Polynomial {
            node: node.0,
            coefficients,
            density,
        }))
    }

    /// A constant current into the node.
    ///
    /// # Errors
    /// A current that is not finite.
    pub fn current_source(&mut self, node: NodeId, value: ElectricCurrent) -> Result<ElementId> {
        let amperes = finite("current", value.get::<ampere>(), "A")?;
        Ok(self.add(Element::Current {
            node: node.0,
            amperes,
        }))
    }

    /// A noise generator with the density of a conductance G at temperature T: one-sided S_I = 4kTG, and no conductance.
    ///
    /// # Errors
    /// A conductance that is not positive, or a negative temperature.
    pub fn noise_source(
        &mut self,
        node: NodeId,
        conductance: ElectricalConductance,
        at: ThermodynamicTemperature,
    ) -> Result<ElementId> {
        let g = positive("noise conductance", conductance.get::<siemens>(), "S")?;
        let density = 2.0 * BOLTZMANN * temperature(at)? * g;
        Ok(self.add(Element::Noise {
            node: node.0,
            density,
        }))
    }

    /// Supply rails: every node voltage is clipped to ±`volts`.
    ///
    /// # Errors
    /// A rail that is not positive.
    pub fn rails(&mut self, volts: f64) -> Result<()> {
        self.rails = Some(positive("rails", volts, "V")?);
        Ok(())
    }

    pub(super) fn wrong_kind(&self, id: ElementId, wanted: &str) -> Error {
        Error::invalid("element", format!("element {}", id.0), wanted)
    }

    /// Changes a transconductance; the netlist's structure stays.
    ///
    /// # Errors
    /// An element of another kind, or a value that is not finite.
    pub fn set_transconductance(
        &mut self,
        id: ElementId,
        value: ElectricalConductance,
    ) -> Result<()> {
        let g = finite("transconductance", value.get::<siemens>(), "S")?;
        match self.elements.get_mut(id.0) {
            Some(Element::Transconductor { conductance, .. }) => {
                *conductance = g;
                Ok(())
            }
            _ => Err(self.wrong_kind(id, "a transconductor")),
        }
    }

    /// Changes a source current.
    ///
    /// # Errors
    /// An element of another kind, or a value that is not finite.
    pub fn set_current(&mut self, id: ElementId, value: ElectricCurrent) -> Result<()> {
        let i = finite("current", value.get::<ampere>(), "A")?;
        match self.elements.get_mut(id.0) {
            Some(Element::Current { amperes, .. }) => {
                *amperes = i;
                Ok(())
            }
            _ => Err(self.wrong_kind(id, "a current source")),
        }
    }
}
