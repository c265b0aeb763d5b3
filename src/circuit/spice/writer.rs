//! From a circuit to a netlist that other simulators read.

use crate::circuit::charge::directions;
use crate::circuit::element::{Element, Nonlinear, Terminal};
use crate::circuit::netlist::Circuit;
use crate::dynamics::{Flux, Law, Wave};
use crate::units::BOLTZMANN;
use crate::units::FLUX_QUANTUM;
use std::fmt::Write;

/// How noise is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NoiseStyle {
    /// None.
    Off,
    /// `trnoise` sources of time step NT (s): rms NA = √(2kTG/NT), as ngspice wants them.
    Transient {
        /// NT.
        step: f64,
    },
    /// A recorded realisation as PWL sources: `points` values NT apart, normals from (seed, element).
    Recorded {
        /// NT.
        step: f64,
        /// Number of points.
        points: usize,
        /// Seed of the normals.
        seed: u64,
    },
}

/// The netlist of `circuit`, with a `.tran step stop` line.
pub fn write(
    circuit: &Circuit,
    title: &str,
    noise: NoiseStyle,
    (step, stop): (f64, f64),
) -> String {
    let mut writer = Writer {
        circuit,
        out: format!("* {title}\n"),
        noise,
    };
    for (index, element) in circuit.elements.iter().enumerate() {
        writer.element(index, element);
    }
    if let Some(volts) = circuit.rails {
        writer.line(format_args!("*@ rails {volts:e}"));
    }
    let _ = write!(
        writer.out,
        ".tran {step:e} {stop:e} 0 {:e} uic\n.end\n",
        step
    );
    writer.out
}

struct Writer<'a> {
    circuit: &'a Circuit,
    out: String,
    noise: NoiseStyle,
}

impl Writer<'_> {
    fn node(&self, terminal: Terminal) -> &str {
        terminal.map_or("0", |i| &self.circuit.node_names()[i])
    }

    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = writeln!(self.out, "{text}");
    }

    /// White noise of two-sided density `density` (A²·s) from a to b.
    fn white(&mut self, index: usize, a: Terminal, b: Terminal, density: f64) {
        let (a, b) = (self.node(a).to_owned(), self.node(b).to_owned());
        self.white_between(index, &a, &b, density);
    }

    /// As [`Writer::white`], between nodes that only the netlist has.
    fn white_between(&mut self, index: usize, a: &str, b: &str, density: f64) {
        if density == 0.0 {
            return;
        }
        match self.noise {
            NoiseStyle::Off => {}
            NoiseStyle::Transient { step } => {
                // Two-sided density σ²·NT of values NT apart: NA = √(2kTG/NT).
                let rms = (density / step).sqrt();
                self.line(format_args!(
                    "In{index} {a} {b} dc 0 trnoise({rms:e} {step:e} 0 0)"
                ));
            }
            NoiseStyle::Recorded { step, points, seed } => {
                use rand_distr::{Distribution, StandardNormal};
                let mut rng = crate::dynamics::streams::chain_rng(seed, index as u64, 0);
                let rms = (density / step).sqrt();
                self.line(format_args!("In{index} {a} {b} pwl("));
                for k in 0..points {
                    let normal: f64 = StandardNormal.sample(&mut rng);
                    self.line(format_args!("+ {:e} {:e}", k as f64 * step, rms * normal));
                }
                self.line(format_args!("+ )"));
            }
        }
    }

    fn difference(&self, control: &[(usize, f64)], offset: f64) -> String {
        let mut text = format!("{offset:e}");
        for &(node, weight) in control {
            let _ = write!(text, "+({weight:e})*v({})", self.circuit.node_names()[node]);
        }
        text
    }

    /// f(u) in words.
    fn law(law: &Law, u: &str) -> String {
        match law {
            Law::Polynomial(c) => {
                let terms = c.iter().enumerate().filter(|e| *e.1 != 0.0);
                let terms: Vec<String> =
                    terms.map(|(k, c)| term(*c, &format!("({u})"), k)).collect();
                if terms.is_empty() {
                    "0".to_owned()
                } else {
                    terms.join("+")
                }
            }
            Law::Exponential => format!("exp({u})"),
            Law::Diode | Law::NonIdeal(_) => format!("exp({u})-1"),
            Law::Tanh => format!("tanh({u})"),
            Law::SoftplusSquare => format!("(ln(1+exp(0.5*({u}))))^2"),
            Law::Sine => format!("sin({u})"),
            Law::Saturating(r) => format!("({u})*(1+({r:e})*tanh({u}))"),
        }
    }

    fn nonlinear(&mut self, index: usize, element: &Nonlinear) {
        let (a, b) = (
            self.node(element.path[0]).to_owned(),
            self.node(element.path[1]).to_owned(),
        );
        let law = Self::law(
            &element.law,
            &self.difference(&element.control, element.offset),
        );
        self.line(format_args!(
            "B{index} {a} {b} I=({:e})*({law})",
            element.amperes
        ));
        match element.noise {
            Some((charge, Flux::Constant, _)) => {
                self.white_between(index, &a, &b, charge * element.amperes);
            }
            Some(_) => self.line(format_args!(
                "* B{index} has state-dependent noise, which this format cannot say"
            )),
            None => {}
        }
    }

    /// Ornstein–Uhlenbeck current noise: white noise through a low pass of 1 ohm (cold, so that it has none of its own) and
    /// τ/(1 ohm), then 1 S. d of two-sided density gives it the variance d/2τ.
    fn coloured(&mut self, index: usize, path: [Terminal; 2], (amperes, seconds): (f64, f64)) {
        if self.noise == NoiseStyle::Off {
            return;
        }
        let [a, b] = path.map(|t| self.node(t).to_owned());
        let inner = format!("ou{index}");
        self.line(format_args!("R{index} {inner} 0 1 temp=-273.15"));
        self.line(format_args!("C{index} {inner} 0 {seconds:e}"));
        self.line(format_args!("G{index} {a} {b} {inner} 0 1"));
        self.white_between(index, "0", &inner, 2.0 * seconds * amperes * amperes);
    }

    /// A junction whose phase is the voltage of a node of 1 F that 2π/Φ0 times its voltage charges.
    fn josephson(
        &mut self,
        index: usize,
        path: [Terminal; 2],
        (critical, shunt): (f64, Option<(f64, f64)>),
    ) {
        let [a, b] = path.map(|t| self.node(t).to_owned());
        let (inner, turns) = (
            format!("phase{index}"),
            std::f64::consts::TAU / FLUX_QUANTUM,
        );
        self.line(format_args!("C{index} {inner} 0 1"));
        self.line(format_args!("G{index} 0 {inner} {a} {b} {turns:e}"));
        let mut current = format!("({critical:e})*sin(v({inner}))");
        if let Some((henries, phase)) = shunt {
            let slope = 1.0 / (turns * henries);
            let _ = write!(current, "+({slope:e})*(v({inner})-({phase:e}))");
        }
        self.line(format_args!("B{index} {a} {b} I={current}"));
    }

    fn element(&mut self, index: usize, element: &Element) {
        let thermal = |kelvins: f64, g: f64| 2.0 * BOLTZMANN * kelvins * g;
        match element {
            Element::Capacitor { a, b, farads } => {
                let (a, b) = (self.node(*a).to_owned(), self.node(*b).to_owned());
                self.line(format_args!("C{index} {a} {b} {farads:e}"));
            }
            Element::Resistor {
                a,
                b,
                conductance,
                kelvins,
            } => {
                let (na, nb) = (self.node(*a).to_owned(), self.node(*b).to_owned());
                let celsius = kelvins - 273.15;
                self.line(format_args!(
                    "R{index} {na} {nb} {:e} temp={celsius}",
                    1.0 / conductance
                ));
                self.white(index, *a, *b, thermal(*kelvins, *conductance));
            }
            Element::Inductor {
                a,
                b,
                henries,
                series,
                kelvins,
            } => {
                let (na, nb) = (self.node(*a).to_owned(), self.node(*b).to_owned());
                if *series == 0.0 {
                    self.line(format_args!("L{index} {na} {nb} {henries:e}"));
                } else {
                    self.line(format_args!("L{index} {na} s{index} {henries:e}"));
                    self.line(format_args!(
                        "R{index} s{index} {nb} {series:e} temp={}",
                        kelvins - 273.15
                    ));
                    let (inner, density) = (format!("s{index}"), thermal(*kelvins, 1.0 / series));
                    self.white_between(index, &inner, &nb, density);
                }
            }
            Element::Mutual {
                first,
                second,
                henries,
            } => {
                let own = |i: usize| match &self.circuit.elements[i] {
                    Element::Inductor { henries, .. } => *henries,
                    _ => f64::NAN,
                };
                let k = henries / (own(*first) * own(*second)).sqrt();
                self.line(format_args!("K{index} L{first} L{second} {k:e}"));
            }
            Element::Voltage { plus, minus, wave } => {
                let (a, b) = (self.node(*plus).to_owned(), self.node(*minus).to_owned());
                self.line(format_args!("V{index} {a} {b} {}", shape(wave)));
            }
            Element::Drive { path, wave } => {
                let (a, b) = (self.node(path[0]).to_owned(), self.node(path[1]).to_owned());
                self.line(format_args!("I{index} {a} {b} {}", shape(wave)));
            }
            Element::Transconductor {
                from,
                into,
                conductance,
                kelvins,
                excess,
            } => {
                let (from, to) = (
                    self.circuit.node_names()[*from].clone(),
                    self.circuit.node_names()[*into].clone(),
                );
                self.line(format_args!("G{index} 0 {to} {from} 0 {conductance:e}"));
                self.white(
                    index,
                    None,
                    Some(*into),
                    thermal(*kelvins, excess * conductance.abs()),
                );
            }
            Element::Controlled {
                control,
                path,
                conductance,
                kelvins,
                excess,
            } => {
                let [a, b, c, d] =
                    [path[0], path[1], control[0], control[1]].map(|t| self.node(t).to_owned());
                self.line(format_args!("G{index} {a} {b} {c} {d} {conductance:e}"));
                self.white(
                    index,
                    path[0],
                    path[1],
                    thermal(*kelvins, excess * conductance.abs()),
                );
            }
            Element::Polynomial {
                node,
                coefficients,
                density,
            } => {
                let name = self.circuit.node_names()[*node].clone();
                let terms: Vec<String> = coefficients
                    .iter()
                    .enumerate()
                    .filter(|e| *e.1 != 0.0)
                    .map(|(k, c)| term(*c, &format!("v({name})"), k))
                    .collect();
                if !terms.is_empty() {
                    self.line(format_args!("B{index} {name} 0 I={}", terms.join("+")));
                }
                self.white(index, None, Some(*node), *density);
            }
            Element::Current { node, amperes } => {
                let name = self.circuit.node_names()[*node].clone();
                self.line(format_args!("I{index} 0 {name} dc {amperes:e}"));
            }
            Element::Noise { node, density } => self.white(index, None, Some(*node), *density),
            Element::Nonlinear(element) => self.nonlinear(index, element),
            Element::Transistor(t) => {
                // A model of this kind is unknown elsewhere, where an unknown model parameter is ignored: the law itself.
                for (way, (law, offset, control, path)) in ["f", "r"].iter().zip(directions(t)) {
                    let current = Self::law(&law, &self.difference(&control, offset));
                    let [a, b] = path.map(|t| self.node(t).to_owned());
                    let amperes = t.amperes;
                    self.line(format_args!(
                        "B{index}{way} {a} {b} I=({amperes:e})*({current})"
                    ));
                }
                if t.noisy {
                    self.line(format_args!(
                        "* B{index}f, B{index}r: a transistor, whose shot noise or single charges this format cannot say"
                    ));
                }
            }
            Element::Coloured {
                path,
                amperes,
                seconds,
            } => self.coloured(index, *path, (*amperes, *seconds)),
            Element::Josephson {
                path,
                critical,
                shunt,
            } => self.josephson(index, *path, (*critical, *shunt)),
            Element::Telegraph { .. } => {
                let name = self.circuit.name_of(index);
                self.line(format_args!("* {name}: no equivalent in this format"));
            }
        }
    }
}

/// c·u^k as a product: `^` of a negative voltage means different things to different simulators.
fn term(c: f64, u: &str, k: usize) -> String {
    let mut text = format!("({c:e})");
    for _ in 0..k {
        text.push('*');
        text.push_str(u);
    }
    text
}

fn shape(wave: &Wave) -> String {
    match wave {
        Wave::Constant(value) => format!("dc {value:e}"),
        Wave::Sine {
            offset,
            amplitude,
            frequency,
            delay,
            damping,
            phase,
        } => {
            format!(
                "sin({offset:e} {amplitude:e} {frequency:e} {delay:e} {damping:e} {:e})",
                phase.to_degrees()
            )
        }
        Wave::Pulse {
            low,
            high,
            delay,
            rise,
            fall,
            width,
            period,
        } => {
            let period = if period.is_finite() {
                format!(" {period:e}")
            } else {
                String::new()
            };
            format!("pulse({low:e} {high:e} {delay:e} {rise:e} {fall:e} {width:e}{period})")
        }
        Wave::PiecewiseLinear(points) => {
            let points: Vec<String> = points.iter().map(|(t, v)| format!("{t:e} {v:e}")).collect();
            format!("pwl(\n+ {})", points.join("\n+ "))
        }
    }
}
