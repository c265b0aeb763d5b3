//! From a netlist's text to a circuit and what to do with it.

use super::lines::{Line, split, words};
use super::number;
use super::scope::{CELSIUS, Scope, located, pairs, refused};
use crate::circuit::{ChargeLevel, Circuit, ElementId, NodeId, Precision};
use crate::dynamics::{Calculus, Generator};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// `.tran`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transient {
    /// Time between two recorded points, s.
    pub step: f64,
    /// End, s.
    pub stop: f64,
    /// First recorded time, s.
    pub start: f64,
    /// Largest integration step, s.
    pub largest: Option<f64>,
}

/// A netlist that was read.
#[derive(Clone, Debug)]
pub struct Deck {
    /// The first line.
    pub title: String,
    /// The circuit.
    pub circuit: Circuit,
    /// `.ic`: node and volts.
    pub initial: Vec<(NodeId, f64)>,
    /// `.tran`, if given.
    pub transient: Option<Transient>,
    /// `*@ chains`.
    pub chains: Option<usize>,
    /// `*@ seed`.
    pub seed: Option<u64>,
    /// `*@ scheme`.
    pub scheme: Option<String>,
    /// `*@ step`, s.
    pub step: Option<f64>,
    /// `*@ tolerance`.
    pub tolerance: Option<f64>,
    /// `*@ precision`.
    pub precision: Option<Precision>,
    /// `*@ generator`.
    pub generator: Option<Generator>,
    /// Likely slips, one line each.
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    pub kind: String,
    pub values: BTreeMap<String, f64>,
}

#[derive(Clone, Debug)]
pub(super) struct Subcircuit {
    pub pins: Vec<String>,
    pub defaults: Vec<(String, String)>,
    pub body: Vec<Line>,
}

#[derive(Default)]
pub(super) struct Reader {
    pub circuit: Circuit,
    pub nodes: BTreeMap<String, NodeId>,
    pub models: BTreeMap<String, Model>,
    pub subcircuits: BTreeMap<String, Subcircuit>,
    pub inductors: BTreeMap<String, ElementId>,
    pub names: BTreeSet<String>,
    pub mutuals: Vec<(usize, String, [String; 2], f64)>,
    /// What `*@ noise` said last of an element or subcircuit; the empty name is the whole netlist.
    pub noise: BTreeMap<String, bool>,
    pub prescriptions: BTreeMap<String, Calculus>,
    /// Elements that `*@` lines name, to be found once all are read.
    named: Vec<(Line, String)>,
    pub temperature: f64,
    pub transient: Option<Transient>,
    pub warnings: Vec<String>,
}

/// Reads a netlist.
///
/// # Errors
/// A line that is not understood, a duplicate name, an unknown model or node; the field names the line.
pub fn read(text: &str) -> Result<Deck> {
    read_with(text, &BTreeMap::new())
}

/// As [`read`], with parameters that take the place of the `.param` lines of their names.
///
/// # Errors
/// As [`read`], and a parameter that the netlist does not have.
pub fn read_with(text: &str, overrides: &BTreeMap<String, f64>) -> Result<Deck> {
    let (title, lines) = split(text);
    let mut reader = Reader {
        temperature: CELSIUS + 27.0,
        ..Reader::default()
    };
    let mut deck = Deck {
        title,
        circuit: Circuit::new(),
        initial: Vec::new(),
        transient: None,
        chains: None,
        seed: None,
        scheme: None,
        step: None,
        tolerance: None,
        precision: None,
        generator: None,
        warnings: Vec::new(),
    };
    let lines = reader.take_subcircuits(lines)?;
    let mut scope = Scope {
        fixed: overrides.clone(),
        ..Scope::default()
    };
    // What elements refer to may stand after them: parameters, temperatures, models and directives come first.
    let mut elements = Vec::new();
    let mut initial = Vec::new();
    for line in lines {
        let fail = |why: String| refused(&line, &why);
        let head = line
            .text
            .split_whitespace()
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if line.directive {
            reader.directive(&line, &mut deck)?;
        } else if head == ".ic" {
            initial.push(line);
        } else if head.starts_with('.') {
            reader.dot(&line, &head, &mut scope).map_err(fail)?;
        } else {
            elements.push(line);
        }
    }
    if let Some(name) = overrides
        .keys()
        .find(|k| !scope.parameters.contains_key(*k))
    {
        let known: Vec<&str> = scope.parameters.keys().map(String::as_str).collect();
        let expected = format!("a .param of the netlist: {}", known.join(", "));
        return Err(Error::invalid(
            "circuit.parameters",
            format!("\"{name}\""),
            expected,
        ));
    }
    for line in &elements {
        reader.element(line, &scope, 0)?;
    }
    for (line, name) in &reader.named {
        if !reader.names.contains(name) {
            return Err(refused(line, &format!("the unknown element \"{name}\"")));
        }
    }
    for (number, name, coils, k) in std::mem::take(&mut reader.mutuals) {
        let line = Line {
            number,
            text: name,
            directive: false,
        };
        let coil = |c: &String| {
            let found = reader.inductors.get(c).copied();
            found.ok_or_else(|| refused(&line, &format!("the unknown inductor \"{c}\"")))
        };
        let pair = [coil(&coils[0])?, coil(&coils[1])?];
        reader
            .circuit
            .mutual(pair[0], pair[1], k)
            .map_err(|e| located(&line, e))?;
    }
    for line in &initial {
        deck.initial.extend(reader.initial(line, &scope)?);
    }
    if reader.nodes.is_empty() {
        return Err(Error::invalid(
            "netlist",
            "no elements",
            "at least one element",
        ));
    }
    deck.transient = reader.transient;
    deck.circuit = reader.circuit;
    deck.warnings = reader.warnings;
    Ok(deck)
}

impl Reader {
    /// Whether `name` has no noise: what was said of it or else of the innermost subcircuit around it holds.
    pub(super) fn silent(&self, name: &str) -> bool {
        let around = name.rmatch_indices('.').map(|(k, _)| &name[..k]);
        let mut said = std::iter::once(name).chain(around).chain([""]);
        said.find_map(|n| self.noise.get(n)) == Some(&false)
    }

    /// Takes `.subckt … .ends` out of the lines.
    fn take_subcircuits(&mut self, lines: Vec<Line>) -> Result<Vec<Line>> {
        let mut rest = Vec::new();
        let mut open: Option<(String, Subcircuit, Line)> = None;
        for line in lines {
            let list = words(&line.text);
            let head = list
                .first()
                .map(|w| w.to_ascii_lowercase())
                .unwrap_or_default();
            match (head.as_str(), open.as_mut()) {
                (".subckt", None) => {
                    let (mut plain, defaults) =
                        pairs(&list[1..]).map_err(|e| refused(&line, &e))?;
                    plain.retain(|w| !w.to_ascii_lowercase().starts_with("params"));
                    if plain.len() < 2 {
                        return Err(refused(&line, "a subcircuit without a name or pins"));
                    }
                    let name = plain.remove(0).to_ascii_lowercase();
                    let pins = plain.iter().map(|p| p.to_ascii_lowercase()).collect();
                    open = Some((
                        name,
                        Subcircuit {
                            pins,
                            defaults,
                            body: Vec::new(),
                        },
                        line,
                    ));
                }
                (".subckt", Some(_)) => {
                    return Err(refused(&line, "a subcircuit inside a subcircuit"));
                }
                (".ends", Some(_)) => {
                    if let Some((name, subcircuit, _)) = open.take() {
                        self.subcircuits.insert(name, subcircuit);
                    }
                }
                (".ends", None) => return Err(refused(&line, ".ends without .subckt")),
                (_, Some(inside)) if !line.directive => inside.1.body.push(line),
                _ => rest.push(line),
            }
        }
        match open {
            Some((_, _, line)) => Err(refused(&line, ".subckt without .ends")),
            None => Ok(rest),
        }
    }

    pub(super) fn dot(
        &mut self,
        line: &Line,
        head: &str,
        scope: &mut Scope,
    ) -> std::result::Result<(), String> {
        let list = words(&line.text);
        let (plain, found) = pairs(&list[1..])?;
        match head {
            ".param" => {
                if let Some(word) = plain.first() {
                    return Err(format!("\"{word}\""));
                }
                for (name, value) in found {
                    let given = scope.fixed.get(&name).copied();
                    let value = given.map_or_else(|| scope.number(&value), Ok)?;
                    scope.parameters.insert(name, value);
                }
            }
            ".temp" => {
                let word = plain.first().ok_or(".temp without a temperature")?;
                self.temperature = CELSIUS + scope.number(word)?;
            }
            ".options" | ".option" => {
                for (name, value) in found {
                    match name.as_str() {
                        "temp" => self.temperature = CELSIUS + scope.number(&value)?,
                        // Where models were measured, tolerances of other simulators: no meaning here.
                        "tnom" | "reltol" | "abstol" | "vntol" | "chgtol" | "gmin" | "maxord"
                        | "method" | "trtol" | "itl1" | "itl4" => {}
                        _ => return Err(format!("the option \"{name}\"")),
                    }
                }
                if let Some(word) = plain.first() {
                    return Err(format!("the option \"{word}\""));
                }
            }
            ".tran" => {
                let numbers: Vec<f64> = plain
                    .iter()
                    .filter(|w| !w.eq_ignore_ascii_case("uic"))
                    .map(|w| scope.number(w))
                    .collect::<std::result::Result<_, _>>()?;
                let (Some(&step), Some(&stop)) = (numbers.first(), numbers.get(1)) else {
                    return Err(".tran without a step and an end".to_owned());
                };
                let start = numbers.get(2).copied().unwrap_or(0.0);
                if !(step > 0.0 && stop >= step && start >= 0.0 && start < stop) {
                    return Err("times that are not 0 < step <= stop, 0 <= start < stop".to_owned());
                }
                self.transient = Some(Transient {
                    step,
                    stop,
                    start,
                    largest: numbers.get(3).copied().filter(|&t| t > 0.0),
                });
            }
            ".model" => {
                let (Some(name), Some(kind)) = (plain.first(), plain.get(1)) else {
                    return Err(".model without a name and a kind".to_owned());
                };
                let mut values = BTreeMap::new();
                for (key, value) in found {
                    values.insert(key, scope.number(&value)?);
                }
                let kind = kind.to_ascii_lowercase();
                let known: &[&str] = match kind.as_str() {
                    "d" => &["is", "n", "level"],
                    "nmos" | "pmos" => &["i0", "n", "vto", "ekv", "level"],
                    _ => return Err(format!("the model kind \"{kind}\" (known: d, nmos, pmos)")),
                };
                if let Some(key) = values.keys().find(|k| !known.contains(&k.as_str())) {
                    return Err(format!(
                        "the model parameter \"{key}\" (known: {})",
                        known.join(", ")
                    ));
                }
                let name = name.to_ascii_lowercase();
                if self
                    .models
                    .insert(name.clone(), Model { kind, values })
                    .is_some()
                {
                    return Err(format!("a second model \"{name}\""));
                }
            }
            _ => return Err(format!("\"{head}\"")),
        }
        Ok(())
    }

    fn directive(&mut self, line: &Line, deck: &mut Deck) -> Result<()> {
        let list: Vec<String> = line
            .text
            .split_whitespace()
            .map(str::to_ascii_lowercase)
            .collect();
        let word = |k: usize| list.get(k).map(String::as_str).unwrap_or_default();
        let value = |k: usize| number::parse(word(k)).map(|n| n.value).filter(|&v| v > 0.0);
        let wanted = |what: &str| refused(line, what);
        match word(0) {
            "noise" if matches!(word(1), "on" | "off") => {
                let on = word(1) == "on";
                if list.len() == 2 {
                    self.noise = BTreeMap::from([(String::new(), on)]);
                }
                for name in &list[2..] {
                    self.noise.insert(name.clone(), on);
                    self.named.push((line.clone(), name.clone()));
                }
            }
            "prescription" => {
                let calculus = match word(2) {
                    "ito" => Calculus::Ito,
                    "stratonovich" => Calculus::Stratonovich,
                    "anti-ito" => Calculus::AntiIto,
                    _ => return Err(wanted("the prescription (ito, stratonovich or anti-ito)")),
                };
                // The last part of a name says what it is: x1.d2 is a diode.
                let last = word(1).rsplit('.').next();
                if !last.is_some_and(|n| n.starts_with(['b', 'd'])) {
                    let why = "a prescription for anything but a diode or a B source (other elements of a netlist have no choice of one)";
                    return Err(wanted(why));
                }
                self.prescriptions.insert(word(1).to_owned(), calculus);
                self.named.push((line.clone(), word(1).to_owned()));
            }
            "chains" => {
                let count = word(1).parse().ok().filter(|&n: &usize| n > 0);
                deck.chains = Some(count.ok_or_else(|| wanted("the number of chains"))?);
            }
            "seed" => deck.seed = Some(word(1).parse().map_err(|_| wanted("the seed"))?),
            "scheme" => deck.scheme = Some(word(1).to_owned()),
            "step" if word(1) == "auto" => deck.step = None,
            "step" => deck.step = Some(value(1).ok_or_else(|| wanted("the step"))?),
            "tolerance" => {
                let tolerance = value(1).filter(|&v| v < 1.0);
                deck.tolerance = Some(tolerance.ok_or_else(|| wanted("the tolerance"))?);
            }
            "precision" => {
                let known = Precision::names().join(", ");
                let named = Precision::named(word(1)).ok();
                deck.precision =
                    Some(named.ok_or_else(|| wanted(&format!("the precision ({known})")))?);
            }
            "generator" => {
                let known = Generator::names().join(", ");
                let named = Generator::named(word(1)).ok();
                deck.generator =
                    Some(named.ok_or_else(|| wanted(&format!("the generator ({known})")))?);
            }
            "level" => self.circuit.set_level(match word(1) {
                "langevin" => ChargeLevel::Langevin,
                "poisson" => ChargeLevel::Poisson,
                _ => return Err(wanted("the level (langevin or poisson)")),
            }),
            "rails" => {
                let rails = value(1).ok_or_else(|| wanted("the rails"))?;
                self.circuit.rails(rails).map_err(|e| located(line, e))?;
            }
            other => return Err(wanted(&format!("the directive \"{other}\""))),
        }
        Ok(())
    }

    fn initial(&self, line: &Line, scope: &Scope) -> Result<Vec<(NodeId, f64)>> {
        let list = words(&line.text);
        let mut found = Vec::new();
        let mut rest = &list[1..];
        while let [v, open, node, close, equals, value, more @ ..] = rest {
            let form = v.eq_ignore_ascii_case("v") && open == "(" && close == ")" && equals == "=";
            let id = self.nodes.get(&scope.node(node));
            match (form, id, scope.number(value)) {
                (true, Some(&id), Ok(volts)) => found.push((id, volts)),
                (true, None, _) => {
                    return Err(refused(line, &format!("the unknown node \"{node}\"")));
                }
                _ => return Err(refused(line, ".ic written otherwise than v(node)=value")),
            }
            rest = more;
        }
        if rest.is_empty() {
            Ok(found)
        } else {
            Err(refused(line, ".ic written otherwise than v(node)=value"))
        }
    }
}
