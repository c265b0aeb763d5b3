//! The elements of a netlist, one line each.

use super::expression::{self, Form, Function, Sum};
use super::lines::{Line, words};
use super::reader::{Model, Reader};
use super::scope::{CELSIUS, Pairs, Scope, located, pairs, refused};
use super::{number, sources};
use crate::circuit::{Conductor, ElementId, Mosfet, NodeId};
use crate::dynamics::Calculus;
use crate::error::{Error, Result};
use crate::units::{
    Capacitance, ElectricCurrent, ElectricPotential, ElectricalConductance, ElectricalResistance,
    ThermodynamicTemperature,
};
use std::collections::BTreeMap;
use uom::si::f64::Inductance;

/// Deepest nesting of subcircuits.
const DEPTH: usize = 20;

/// Nodes, plain words, `key = value` pairs, and the temperature in kelvin.
type Terminals<const N: usize> = ([Option<NodeId>; N], Vec<String>, Pairs, f64);

impl Reader {
    /// The node called `name`, made if need be; `None` for ground.
    fn node(&mut self, scope: &Scope, name: &str) -> Result<Option<NodeId>> {
        let name = scope.node(name);
        if name == "0" {
            return Ok(None);
        }
        if let Some(&id) = self.nodes.get(&name) {
            return Ok(Some(id));
        }
        let id = self.circuit.node(&name)?;
        self.nodes.insert(name, id);
        Ok(Some(id))
    }

    pub(super) fn element(&mut self, line: &Line, scope: &Scope, depth: usize) -> Result<()> {
        let list = words(&line.text);
        let Some(first) = list.first() else {
            return Ok(());
        };
        let name = format!("{}{}", scope.prefix, first.to_ascii_lowercase());
        if !self.names.insert(name.clone()) {
            let field = format!("line {}", line.number);
            let value = format!("a second element \"{name}\"");
            return Err(Error::invalid(field, value, "a name not used before"));
        }
        let kind = first.chars().next().unwrap_or(' ').to_ascii_lowercase();
        if kind == 'x' {
            return self.expand(line, scope, &list, depth);
        }
        let id = self.simple(line, scope, kind, &name, &list)?;
        if let Some(id) = id {
            self.circuit
                .label(id, &name)
                .map_err(|e| located(line, e))?;
        }
        Ok(())
    }

    /// Expands a subcircuit.
    fn expand(&mut self, line: &Line, scope: &Scope, list: &[String], depth: usize) -> Result<()> {
        let (plain, found) = pairs(&list[1..]).map_err(|e| refused(line, &e))?;
        let Some((name, nodes)) = plain.split_last() else {
            return Err(refused(line, "a subcircuit call without a name"));
        };
        let Some(subcircuit) = self.subcircuits.get(&name.to_ascii_lowercase()).cloned() else {
            return Err(refused(line, &format!("the unknown subcircuit \"{name}\"")));
        };
        if nodes.len() != subcircuit.pins.len() {
            let why = format!(
                "{} nodes for the {} pins of \"{name}\"",
                nodes.len(),
                subcircuit.pins.len()
            );
            return Err(refused(line, &why));
        }
        if depth >= DEPTH {
            return Err(refused(line, "subcircuits that contain themselves"));
        }
        let mut inner = Scope {
            prefix: format!("{}{}.", scope.prefix, list[0].to_ascii_lowercase()),
            parameters: scope.parameters.clone(),
            fixed: Default::default(),
            pins: subcircuit
                .pins
                .iter()
                .cloned()
                .zip(nodes.iter().map(|n| scope.node(n)))
                .collect(),
        };
        for (key, value) in subcircuit.defaults.iter().chain(&found) {
            let value = scope.number(value).map_err(|e| refused(line, &e))?;
            inner.parameters.insert(key.clone(), value);
        }
        for line in &subcircuit.body {
            if line.text.to_ascii_lowercase().starts_with(".param") {
                self.dot(line, ".param", &mut inner)
                    .map_err(|e| refused(line, &e))?;
            } else {
                self.element(line, &inner, depth + 1)?;
            }
        }
        Ok(())
    }

    /// An element with `pins` terminals: its nodes, and the words after them with the temperature taken out.
    fn terminals<const N: usize>(
        &mut self,
        line: &Line,
        scope: &Scope,
        list: &[String],
    ) -> Result<Terminals<N>> {
        if list.len() < N + 2 {
            return Err(refused(
                line,
                &format!("an element with fewer than {N} nodes and a value"),
            ));
        }
        let mut nodes = [None; N];
        for (slot, name) in nodes.iter_mut().zip(&list[1..=N]) {
            *slot = self.node(scope, name)?;
        }
        let (plain, found) = pairs(&list[N + 1..]).map_err(|e| refused(line, &e))?;
        let mut kelvins = self.temperature;
        let mut rest = Vec::new();
        for (key, value) in found {
            let number = || scope.number(&value).map_err(|e| refused(line, &e));
            match key.as_str() {
                "temp" => kelvins = CELSIUS + number()?,
                "dtemp" => kelvins = self.temperature + number()?,
                _ => rest.push((key, value)),
            }
        }
        Ok((nodes, plain, rest, kelvins))
    }

    fn simple(
        &mut self,
        line: &Line,
        scope: &Scope,
        kind: char,
        name: &str,
        list: &[String],
    ) -> Result<Option<ElementId>> {
        let bad = |why: &str| refused(line, why);
        let at = ThermodynamicTemperature::new::<uom::si::thermodynamic_temperature::kelvin>;
        let cold = at(0.0);
        let silent = self.silent(name);
        let id = match kind {
            'k' => {
                let [_, a, b, k] = list else {
                    return Err(bad("K written otherwise than \"Kname L1 L2 k\""));
                };
                let k = scope.number(k).map_err(|e| bad(&e))?;
                let coil = |c: &String| format!("{}{}", scope.prefix, c.to_ascii_lowercase());
                self.mutuals
                    .push((line.number, line.text.clone(), [coil(a), coil(b)], k));
                return Ok(None);
            }
            'r' | 'c' | 'l' => {
                let ([a, b], plain, found, kelvins) = self.terminals::<2>(line, scope, list)?;
                let [value] = &plain[..] else {
                    return Err(bad("more than one value"));
                };
                let v = scope.number(value).map_err(|e| bad(&e))?;
                if kind == 'r' && number::parse(value).is_some_and(|n| n.capital_m) {
                    self.warnings.push(format!("line {}: \"{}\": {value} is {v} ohm in SPICE (M is milli); a megohm is 1Meg", line.number, line.text));
                }
                let t = if silent { cold } else { at(kelvins) };
                let made = match kind {
                    'r' => self.circuit.resistor_between(
                        a,
                        b,
                        ElectricalResistance::new::<uom::si::electrical_resistance::ohm>(v),
                        t,
                    ),
                    'c' => self.circuit.capacitor_between(
                        a,
                        b,
                        Capacitance::new::<uom::si::capacitance::farad>(v),
                    ),
                    _ => {
                        let none =
                            ElectricalResistance::new::<uom::si::electrical_resistance::ohm>(0.0);
                        self.circuit.inductor(
                            a,
                            b,
                            Inductance::new::<uom::si::inductance::henry>(v),
                            none,
                            cold,
                        )
                    }
                };
                if let Some((key, _)) = found.first() {
                    return Err(bad(&format!("\"{key}\"")));
                }
                let id = made.map_err(|e| located(line, e))?;
                if kind == 'l' {
                    self.inductors.insert(name.to_owned(), id);
                }
                Ok(id)
            }
            'v' | 'i' => {
                if list.len() < 4 {
                    return Err(bad("a source without a value"));
                }
                let [a, b] = [self.node(scope, &list[1])?, self.node(scope, &list[2])?];
                let transient = self.transient.map(|t| (t.step, t.stop));
                let wave = sources::wave(&list[3..], transient, |w| scope.number(w))
                    .map_err(|e| bad(&e))?;
                if kind == 'v' {
                    self.circuit.voltage_source(a, b, wave)
                } else {
                    self.circuit.current_wave(a, b, wave)
                }
            }
            'g' => {
                let ([a, b, c, d], plain, found, kelvins) =
                    self.terminals::<4>(line, scope, list)?;
                let ([value], None) = (&plain[..], found.first()) else {
                    return Err(bad("G written otherwise than \"Gname n+ n- c+ c- value\""));
                };
                let g = scope.number(value).map_err(|e| bad(&e))?;
                let g = ElectricalConductance::new::<uom::si::electrical_conductance::siemens>(g);
                // SPICE's controlled sources are noiseless.
                self.circuit
                    .controlled_source([c, d], [a, b], g, at(kelvins), 0.0)
            }
            'b' => return self.behavioural(line, scope, name, list),
            'd' => {
                let ([a, b], plain, found, kelvins) = self.terminals::<2>(line, scope, list)?;
                let ([model], None) = (&plain[..], found.first()) else {
                    return Err(bad(
                        "D written otherwise than \"Dname anode cathode model\"",
                    ));
                };
                let model = self.model(line, model, &["d"])?;
                let get =
                    |key: &str, default: f64| model.values.get(key).copied().unwrap_or(default);
                let current =
                    ElectricCurrent::new::<uom::si::electric_current::ampere>(get("is", 1e-14));
                let n = get("n", 1.0);
                let prescription = self.prescriptions.get(name).copied();
                let thermal = crate::units::BOLTZMANN * kelvins / crate::units::ELEMENTARY_CHARGE;
                let width =
                    ElectricPotential::new::<uom::si::electric_potential::volt>(n * thermal);
                let curve = Conductor::Junction {
                    saturation: current,
                    width,
                };
                match (silent, prescription) {
                    (true, _) => self.circuit.active_conductor(a, b, &curve),
                    (false, Some(calculus)) => {
                        self.circuit
                            .conductor_read_as(a, b, &curve, at(kelvins), calculus)
                    }
                    (false, None) => self.circuit.diode(a, b, current, n, at(kelvins)),
                }
            }
            'm' => {
                let (pins, plain, found, kelvins) = self.terminals::<4>(line, scope, list)?;
                let ([model], None) = (&plain[..], found.first()) else {
                    return Err(bad("M written otherwise than \"Mname d g s b model\""));
                };
                let model = self.model(line, model, &["nmos", "pmos"])?;
                let get =
                    |key: &str, default: f64| model.values.get(key).copied().unwrap_or(default);
                let card = Mosfet {
                    p_channel: model.kind == "pmos",
                    current: ElectricCurrent::new::<uom::si::electric_current::ampere>(get(
                        "i0", 1e-9,
                    )),
                    slope: get("n", 1.0),
                    threshold: ElectricPotential::new::<uom::si::electric_potential::volt>(get(
                        "vto", 0.0,
                    )),
                    inversion: get("ekv", 0.0) != 0.0,
                };
                self.circuit.mosfet(pins, &card, at(kelvins), !silent)
            }
            _ => return Err(bad(&format!("elements that begin with \"{kind}\""))),
        };
        id.map(Some).map_err(|e| located(line, e))
    }

    fn model(&self, line: &Line, name: &str, kinds: &[&str]) -> Result<Model> {
        let found = self.models.get(&name.to_ascii_lowercase());
        found
            .filter(|m| kinds.contains(&m.kind.as_str()))
            .cloned()
            .ok_or_else(|| {
                let known: Vec<&str> = self
                    .models
                    .iter()
                    .filter(|m| kinds.contains(&m.1.kind.as_str()))
                    .map(|m| m.0.as_str())
                    .collect();
                refused(
                    line,
                    &format!(
                        "the model \"{name}\" (known of this kind: {})",
                        if known.is_empty() {
                            "none".to_owned()
                        } else {
                            known.join(", ")
                        }
                    ),
                )
            })
    }

    /// `Bname n+ n- I=expression`, and a temperature for its noise if it has a prescription.
    fn behavioural(
        &mut self,
        line: &Line,
        scope: &Scope,
        name: &str,
        list: &[String],
    ) -> Result<Option<ElementId>> {
        let bad = |why: &str| refused(line, why);
        if list.len() < 4 {
            return Err(bad("B written otherwise than \"Bname n+ n- I=expression\""));
        }
        let path = [self.node(scope, &list[1])?, self.node(scope, &list[2])?];
        let text = line
            .text
            .split_once('=')
            .map(|p| (p.0.trim_end().to_ascii_lowercase(), p.1));
        let Some((_, text)) =
            text.filter(|p| p.0.ends_with(['i']) && list[3].eq_ignore_ascii_case("i"))
        else {
            return Err(bad("B sources of voltage (only I=expression)"));
        };
        let (text, kelvins) = self.own_temperature(scope, text).map_err(|e| bad(&e))?;
        let sum = expression::parse(text, &scope.parameters).map_err(|e| bad(&e))?;
        let first = self.circuit.elements.len();
        match self.prescriptions.get(name).copied() {
            Some(calculus) if !self.silent(name) => self
                .passive(scope, path, sum, (kelvins, calculus))
                .map_err(|e| located(line, e))?,
            _ => self.lower(scope, path, sum).map_err(|e| located(line, e))?,
        }
        let count = self.circuit.elements.len() - first;
        for k in 0..count {
            let part = match count {
                1 => name.to_owned(),
                _ => format!("{name}:{}", k + 1),
            };
            self.circuit
                .label(ElementId(first + k), &part)
                .map_err(|e| located(line, e))?;
        }
        Ok(None)
    }

    /// An expression without the `temp=` or `dtemp=` that may follow it, and the temperature in kelvin.
    fn own_temperature<'a>(
        &self,
        scope: &Scope,
        text: &'a str,
    ) -> std::result::Result<(&'a str, f64), String> {
        let Some((before, value)) = text.rsplit_once('=') else {
            return Ok((text, self.temperature));
        };
        let before = before.trim_end();
        let (expression, key) = before.rsplit_once([' ', '\t']).unwrap_or(("", before));
        let base = match key.to_ascii_lowercase().as_str() {
            "temp" => CELSIUS,
            "dtemp" => self.temperature,
            _ => return Err(format!("\"{key} =\"")),
        };
        Ok((expression, base + scope.number(value.trim())?))
    }

    /// A sum of currents that the voltage across them drives, each a passive conductor with the noise 4kT·I/V.
    fn passive(
        &mut self,
        scope: &Scope,
        path: [Option<NodeId>; 2],
        sum: Sum,
        (kelvins, calculus): (f64, Calculus),
    ) -> Result<()> {
        let at = ThermodynamicTemperature::new::<uom::si::thermodynamic_temperature::kelvin>;
        let ampere = ElectricCurrent::new::<uom::si::electric_current::ampere>;
        let volt = ElectricPotential::new::<uom::si::electric_potential::volt>;
        let refused = |value: &str| {
            let expected = "a passive current of the voltage across it (a polynomial, tanh, or exp less what it is at 0 V), which a prescription needs";
            Error::invalid("I", value, expected)
        };
        let mut constant = sum.constant;
        let mut curves = Vec::new();
        for (weights, c) in sum.polynomials {
            let weight = self.across(scope, path, weights)?;
            let weight = weight.ok_or_else(|| refused("another voltage"))?;
            let c = c.iter().enumerate();
            let c = c.map(|(k, c)| c * weight.powi(k as i32));
            curves.push((path, Conductor::Polynomial(c.collect())));
        }
        for (coefficient, function, form) in sum.functions {
            let offset = form.offset;
            let weight = self.across(scope, path, form.weights)?;
            let weight = weight.filter(|_| offset == 0.0);
            let weight = weight.ok_or_else(|| refused("another voltage"))?;
            let width = volt(1.0 / weight.abs());
            // A current c f(wV) with w < 0 is −c f(|w|V) seen from the other end.
            let sign = weight.signum();
            let amount = ampere(sign * coefficient);
            curves.push(match function {
                Function::Tanh => (
                    path,
                    Conductor::Tanh {
                        limit: amount,
                        width,
                    },
                ),
                Function::Exp => {
                    constant += coefficient;
                    let turned = if sign < 0.0 { [path[1], path[0]] } else { path };
                    (
                        turned,
                        Conductor::Junction {
                            saturation: amount,
                            width,
                        },
                    )
                }
                Function::Sin => return Err(refused("sin, which is not passive")),
            });
        }
        if constant != 0.0 {
            return Err(refused("a current at 0 V"));
        }
        for ([a, b], curve) in curves {
            self.circuit
                .conductor_read_as(a, b, &curve, at(kelvins), calculus)?;
        }
        Ok(())
    }

    /// w, if the form is w times the voltage from the first end of `path` to the second.
    fn across(
        &mut self,
        scope: &Scope,
        path: [Option<NodeId>; 2],
        weights: BTreeMap<String, f64>,
    ) -> Result<Option<f64>> {
        let form = Form {
            weights,
            offset: 0.0,
        };
        let control = self.control(scope, &form)?;
        let of = |end: Option<NodeId>| {
            let found = control.iter().filter(|e| Some(e.0) == end);
            found.map(|e| e.1).sum::<f64>()
        };
        let [first, second] = path.map(of);
        let weight = if path[0].is_some() { first } else { -second };
        let own = path.iter().flatten().count();
        let balanced = path.contains(&None) || first == -second;
        Ok((control.len() == own && balanced && weight != 0.0).then_some(weight))
    }

    /// A sum of currents as elements.
    fn lower(&mut self, scope: &Scope, path: [Option<NodeId>; 2], sum: Sum) -> Result<()> {
        use crate::dynamics::{Law, Wave};
        if sum.constant != 0.0 {
            self.circuit
                .current_wave(path[0], path[1], Wave::Constant(sum.constant))?;
        }
        for (weights, coefficients) in sum.polynomials {
            let form = Form {
                weights,
                offset: 0.0,
            };
            let control = self.control(scope, &form)?;
            let linear = coefficients.iter().skip(2).all(|&c| c == 0.0);
            match (&control[..], path) {
                // Kept linear, so that linear analysis and the exact scheme still apply.
                _ if linear => {
                    for (node, weight) in control {
                        let g = coefficients.get(1).copied().unwrap_or(0.0) * weight;
                        let g = ElectricalConductance::new::<
                            uom::si::electrical_conductance::siemens,
                        >(g);
                        let cold = ThermodynamicTemperature::new::<
                            uom::si::thermodynamic_temperature::kelvin,
                        >(0.0);
                        self.circuit
                            .controlled_source([Some(node), None], path, g, cold, 0.0)?;
                    }
                }
                (&[(node, 1.0)], [Some(from), None]) if from == node => {
                    self.circuit.polynomial(node, coefficients)?;
                }
                _ => {
                    self.circuit.behavioural(
                        path,
                        control,
                        0.0,
                        1.0,
                        Law::Polynomial(coefficients),
                    )?;
                }
            }
        }
        for (coefficient, function, form) in sum.functions {
            let control = self.control(scope, &form)?;
            let (law, offset) = match function {
                Function::Tanh => (Law::Tanh, form.offset),
                Function::Exp => (Law::Exponential, form.offset),
                Function::Sin => (Law::Sine, form.offset),
            };
            self.circuit
                .behavioural(path, control, offset, coefficient, law)?;
        }
        Ok(())
    }

    fn control(&mut self, scope: &Scope, form: &Form) -> Result<Vec<(NodeId, f64)>> {
        let mut control = Vec::new();
        for (name, &weight) in &form.weights {
            if let Some(node) = self.node(scope, name)? {
                control.push((node, weight));
            }
        }
        Ok(control)
    }
}
