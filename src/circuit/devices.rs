//! Elements beyond resistors, capacitors and transconductors, each with its law and its noise.

use super::element::{Element, ElementId, NodeId, Nonlinear, Terminal, Transistor};
use super::netlist::{Circuit, finite, non_negative, positive, temperature};
use crate::dynamics::{Calculus, Flux, Law, Wave};
use crate::error::{Error, Result};
use crate::units::{BOLTZMANN, ELEMENTARY_CHARGE, FLUX_QUANTUM};
use nalgebra::DMatrix;
use uom::si::electric_current::ampere;
use uom::si::electric_potential::volt;
use uom::si::electrical_conductance::siemens;
use uom::si::electrical_resistance::ohm;
use uom::si::f64::{
    ElectricCurrent, ElectricPotential, ElectricalConductance, ElectricalResistance, Inductance,
    MagneticFlux, ThermodynamicTemperature, Time,
};
use uom::si::inductance::henry;
use uom::si::magnetic_flux::weber;
use uom::si::time::second;

/// The i–v curve of a passive conductor, I(0) = 0 and I·V ≥ 0.
#[derive(Clone, Debug, PartialEq)]
pub enum Conductor {
    /// I = g V (1 + r tanh(V/s)), |r| < 1.
    Saturating {
        /// g.
        conductance: ElectricalConductance,
        /// r.
        ratio: f64,
        /// s.
        width: ElectricPotential,
    },
    /// I = Σ_k c_k V^k with c_0 = 0, c_k in A/V^k.
    Polynomial(Vec<f64>),
    /// I = I_s (e^{V/w} − 1).
    Junction {
        /// I_s.
        saturation: ElectricCurrent,
        /// w = n kT/q.
        width: ElectricPotential,
    },
    /// I = I_m tanh(V/w).
    Tanh {
        /// I_m.
        limit: ElectricCurrent,
        /// w.
        width: ElectricPotential,
    },
}

impl Conductor {
    /// (law, A, V) of I = amperes · f(V/width).
    fn lowered(&self) -> Result<(Law, f64, f64)> {
        Ok(match self {
            Conductor::Saturating {
                conductance,
                ratio,
                width,
            } => {
                if ratio.is_nan() || ratio.abs() >= 1.0 {
                    return Err(Error::invalid("ratio", ratio, "a number between -1 and 1"));
                }
                let width = positive("width", width.get::<volt>(), "V")?;
                let g = positive("conductance", conductance.get::<siemens>(), "S")?;
                (Law::Saturating(*ratio), g * width, width)
            }
            Conductor::Polynomial(c) => {
                for (k, &c) in c.iter().enumerate() {
                    finite(&format!("polynomial[{k}]"), c, "A/V^k")?;
                }
                // In units of the largest coefficient's own voltage scale, so that numbers stay of order one.
                let slope = c.get(1).copied().unwrap_or(0.0).abs();
                let top = c.iter().enumerate().skip(2).rfind(|e| *e.1 != 0.0);
                let width = top.map_or(1.0, |(k, &c)| {
                    if slope > 0.0 {
                        (slope / c.abs()).powf(1.0 / (k as f64 - 1.0))
                    } else {
                        1.0
                    }
                });
                let amperes = c
                    .iter()
                    .enumerate()
                    .map(|(k, c)| c.abs() * width.powi(k as i32))
                    .fold(0.0, f64::max);
                let amperes = positive("polynomial", amperes, "A")?;
                let scaled = c.iter().enumerate();
                let scaled = scaled.map(|(k, c)| c * width.powi(k as i32) / amperes);
                (Law::Polynomial(scaled.collect()), amperes, width)
            }
            Conductor::Junction { saturation, width } => (
                Law::Diode,
                positive("saturation current", saturation.get::<ampere>(), "A")?,
                positive("width", width.get::<volt>(), "V")?,
            ),
            Conductor::Tanh { limit, width } => (
                Law::Tanh,
                positive("limiting current", limit.get::<ampere>(), "A")?,
                positive("width", width.get::<volt>(), "V")?,
            ),
        })
    }
}

/// A MOS transistor whose bulk is a terminal.
///
/// Subthreshold: I_D = I0 e^{(V_GB − V_T0)/(nV_T)} (e^{−V_SB/V_T} − e^{−V_DB/V_T}), V_T = kT/q; with `inversion` both
/// exponentials e^v become ln²(1 + e^{v/2}) (EKV), from weak to strong inversion. p-channels have all signs reversed.
///
/// Noise: shot noise of both directions, S = 2q (I_f + I_r); with `inversion` S = 2kT (g_f + g_r), g being the slope of each
/// direction's current in the voltage of its end. Both are 4kTG between drain and source at one voltage; the second is the
/// first in weak inversion, and in strong inversion and saturation 2kTg_f, ¾ of a long channel's 4kT·⅔g_f.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mosfet {
    /// Whether it is a p-channel.
    pub p_channel: bool,
    /// I0, the current scale.
    pub current: ElectricCurrent,
    /// n ≥ 1.
    pub slope: f64,
    /// V_T0.
    pub threshold: ElectricPotential,
    /// EKV interpolation instead of pure exponentials.
    pub inversion: bool,
}

fn ends(terminals: (Terminal, Terminal)) -> [Terminal; 2] {
    [terminals.0, terminals.1]
}

impl Circuit {
    /// An inductor from `a` to `b` with a series resistance (zero allowed) at temperature T:
    /// L dI = (V_a − V_b − R I) dt + √(2kTR) dW.
    ///
    /// # Errors
    /// An inductance that is not positive, a negative resistance or temperature, both ends on one node.
    pub fn inductor(
        &mut self,
        a: Option<NodeId>,
        b: Option<NodeId>,
        value: Inductance,
        series: ElectricalResistance,
        at: ThermodynamicTemperature,
    ) -> Result<ElementId> {
        let henries = positive("inductance", value.get::<henry>(), "H")?;
        let series = non_negative("series resistance", series.get::<ohm>())?;
        let kelvins = temperature(at)?;
        let (a, b) = self.pair(a, b)?;
        Ok(self.add(Element::Inductor {
            a,
            b,
            henries,
            series,
            kelvins,
        }))
    }

    /// Mutual inductance M = k √(L1 L2) of two inductors; their currents count from `a` to `b`.
    ///
    /// # Errors
    /// |k| ≥ 1, or elements that are not two different inductors.
    pub fn mutual(&mut self, first: ElementId, other: ElementId, k: f64) -> Result<ElementId> {
        let henries = |id: ElementId| match self.elements.get(id.0) {
            Some(Element::Inductor { henries, .. }) => Some(*henries),
            _ => None,
        };
        let (Some(l1), Some(l2)) = (henries(first), henries(other)) else {
            let value = "an element that is no inductor";
            return Err(Error::invalid("mutual inductance", value, "two inductors"));
        };
        if first == other || k.is_nan() || k.abs() >= 1.0 {
            let expected = "a coupling factor between -1 and 1 of two different inductors";
            return Err(Error::invalid("mutual inductance", k, expected));
        }
        Ok(self.add(Element::Mutual {
            first: first.0,
            second: other.0,
            henries: k * (l1 * l2).sqrt(),
        }))
    }

    /// A voltage source: V_plus − V_minus = wave(t), in V and s. It is eliminated, so its nodes need no capacitance.
    ///
    /// # Errors
    /// Both ends on one node.
    pub fn voltage_source(
        &mut self,
        plus: Option<NodeId>,
        minus: Option<NodeId>,
        wave: Wave,
    ) -> Result<ElementId> {
        let (plus, minus) = self.pair(plus, minus)?;
        Ok(self.add(Element::Voltage { plus, minus, wave }))
    }

    /// A current source: wave(t), in A and s, from `from` through the source into `into`.
    ///
    /// # Errors
    /// Both ends on one node.
    pub fn current_wave(
        &mut self,
        from: Option<NodeId>,
        into: Option<NodeId>,
        wave: Wave,
    ) -> Result<ElementId> {
        let path = ends(self.pair(from, into)?);
        Ok(self.add(Element::Drive { path, wave }))
    }

    /// A linear transconductor between any nodes: g (V_c0 − V_c1) from `from` through it into `into`; noise 4kTγ|g|.
    ///
    /// # Errors
    /// Values that are not finite, a negative temperature or γ, both ends on one node.
    pub fn controlled_source(
        &mut self,
        control: [Option<NodeId>; 2],
        [from, into]: [Option<NodeId>; 2],
        value: ElectricalConductance,
        at: ThermodynamicTemperature,
        excess: f64,
    ) -> Result<ElementId> {
        let conductance = finite("transconductance", value.get::<siemens>(), "S")?;
        let excess = non_negative("excess noise factor", excess)?;
        let kelvins = temperature(at)?;
        let path = ends(self.pair(from, into)?);
        Ok(self.add(Element::Controlled {
            control: control.map(|c| c.map(|c| c.0)),
            path,
            conductance,
            kelvins,
            excess,
        }))
    }

    /// A nonlinear conductor from `a` to `b` at temperature T, with the noise that equilibrium demands: one-sided
    /// S = 4kT·I(V)/V in the anti-Itô calculus (arXiv 2507.03089). At one temperature the law of the circuit stays
    /// Boltzmann's: no rectification.
    ///
    /// # Errors
    /// An i–v curve with I(0) ≠ 0, one that is not passive, or values out of range; a negative temperature; both ends on one
    /// node.
    pub fn conductor(
        &mut self,
        a: Option<NodeId>,
        b: Option<NodeId>,
        curve: &Conductor,
        at: ThermodynamicTemperature,
    ) -> Result<ElementId> {
        self.conductor_read_as(a, b, curve, at, Calculus::AntiIto)
    }

    /// As [`Circuit::conductor`], its noise read in another calculus: for comparisons, and for circuit simulators, which
    /// are Stratonovich by construction.
    ///
    /// # Errors
    /// As [`Circuit::conductor`].
    pub fn conductor_read_as(
        &mut self,
        a: Option<NodeId>,
        b: Option<NodeId>,
        curve: &Conductor,
        at: ThermodynamicTemperature,
        calculus: Calculus,
    ) -> Result<ElementId> {
        let kelvins = temperature(at)?;
        let (law, amperes, width) = curve.lowered()?;
        if !law.has(Flux::Secant) {
            let expected = "an i-v curve through the origin";
            return Err(Error::invalid("conductor", "this curve", expected));
        }
        if let Law::Polynomial(c) = &law
            && !never_negative(c.get(1..).unwrap_or_default())
        {
            let value = "a polynomial with I V < 0 somewhere";
            return Err(Error::invalid("conductor", value, "a passive i-v curve"));
        }
        let path = ends(self.pair(a, b)?);
        Ok(self.add(Element::Nonlinear(Box::new(Nonlinear {
            control: difference(path, 1.0 / width),
            offset: 0.0,
            path,
            amperes,
            law,
            // 2kT·I/V = (2kT/width) · amperes · f(u)/u.
            noise: Some((2.0 * BOLTZMANN * kelvins / width, Flux::Secant, calculus)),
            kelvins: Some(kelvins),
        }))))
    }

    /// A noiseless nonlinear element from `a` to `b`: an active cell, or one whose noise is drawn elsewhere.
    ///
    /// # Errors
    /// Values out of range; both ends on one node.
    pub fn active_conductor(
        &mut self,
        a: Option<NodeId>,
        b: Option<NodeId>,
        curve: &Conductor,
    ) -> Result<ElementId> {
        let (law, amperes, width) = curve.lowered()?;
        let path = ends(self.pair(a, b)?);
        Ok(self.add(Element::Nonlinear(Box::new(Nonlinear {
            control: difference(path, 1.0 / width),
            offset: 0.0,
            path,
            amperes,
            law,
            noise: None,
            kelvins: None,
        }))))
    }

    /// A noiseless current amperes · f(Σ weight·V + offset) from the first terminal of `path` to the second.
    ///
    /// # Errors
    /// Values that are not finite, both ends on one node.
    pub fn behavioural(
        &mut self,
        path: [Option<NodeId>; 2],
        control: Vec<(NodeId, f64)>,
        offset: f64,
        amperes: f64,
        law: Law,
    ) -> Result<ElementId> {
        for &(_, weight) in &control {
            finite("control", weight, "1/V")?;
        }
        let path = ends(self.pair(path[0], path[1])?);
        Ok(self.add(Element::Nonlinear(Box::new(Nonlinear {
            control: control.into_iter().map(|(n, w)| (n.0, w)).collect(),
            offset: finite("offset", offset, "")?,
            path,
            amperes: finite("amplitude", amperes, "A")?,
            law,
            noise: None,
            kelvins: None,
        }))))
    }

    /// A junction diode, I = I_s (e^{V/(nV_T)} − 1), with full shot noise S = 2q (I_f + I_r), Itô. The two fluxes, whose
    /// difference is I, are in the ratio e^{V/V_T} of local detailed balance: S = 2qI coth(V/2V_T), which is 4kTG at rest and
    /// 2qI well above V_T, at any n; at n = 1, I_f = I_s e^{V/V_T} and I_r = I_s.
    ///
    /// # Errors
    /// A current or an ideality that is not positive, a temperature that is not, both ends on one node.
    pub fn diode(
        &mut self,
        anode: Option<NodeId>,
        cathode: Option<NodeId>,
        saturation: ElectricCurrent,
        ideality: f64,
        at: ThermodynamicTemperature,
    ) -> Result<ElementId> {
        let ideality = positive("ideality", ideality, "")?;
        let kelvins = positive("temperature", temperature(at)?, "K")?;
        let width = ideality * BOLTZMANN * kelvins / ELEMENTARY_CHARGE;
        let amperes = positive("saturation current", saturation.get::<ampere>(), "A")?;
        let path = ends(self.pair(anode, cathode)?);
        Ok(self.add(Element::Nonlinear(Box::new(Nonlinear {
            control: difference(path, 1.0 / width),
            offset: 0.0,
            path,
            amperes,
            law: if (ideality - 1.0).abs() < 1e-12 {
                Law::Diode
            } else {
                Law::NonIdeal(ideality)
            },
            noise: Some((ELEMENTARY_CHARGE, Flux::Shot, Calculus::Ito)),
            kelvins: Some(kelvins),
        }))))
    }

    /// A differential pair: I = I_t tanh((V_c0 − V_c1)/w) from `from` through it into `into`, with the noise 4kTγ I_t/w of
    /// its transconductance at balance (additive).
    ///
    /// # Errors
    /// A tail current or width that is not positive, a negative γ or temperature, both ends on one node.
    pub fn differential_pair(
        &mut self,
        control: [Option<NodeId>; 2],
        [from, into]: [Option<NodeId>; 2],
        (tail, width): (ElectricCurrent, ElectricPotential),
        at: ThermodynamicTemperature,
        excess: f64,
    ) -> Result<ElementId> {
        let amperes = positive("tail current", tail.get::<ampere>(), "A")?;
        let width = positive("width", width.get::<volt>(), "V")?;
        let excess = non_negative("excess noise factor", excess)?;
        let kt = BOLTZMANN * temperature(at)?;
        let path = ends(self.pair(from, into)?);
        let noise = (2.0 * kt * excess / width, Flux::Constant, Calculus::Ito);
        Ok(self.add(Element::Nonlinear(Box::new(Nonlinear {
            control: difference(control.map(|c| c.map(|c| c.0)), 1.0 / width),
            offset: 0.0,
            path,
            amperes,
            law: Law::Tanh,
            noise: Some(noise).filter(|n| n.0 > 0.0),
            kelvins: None,
        }))))
    }

    /// A transistor with the noise that [`Mosfet`] states at the Langevin level (Itô), single charges at the Poisson level.
    ///
    /// # Errors
    /// Values out of range, or drain and source on one node.
    pub fn mosfet(
        &mut self,
        [drain, gate, source, bulk]: [Option<NodeId>; 4],
        model: &Mosfet,
        at: ThermodynamicTemperature,
        noisy: bool,
    ) -> Result<ElementId> {
        let slope = finite("slope factor", model.slope, "")?;
        if slope < 1.0 {
            return Err(Error::invalid(
                "slope factor",
                slope,
                "a number of 1 or more",
            ));
        }
        let (drain, source) = self.pair(drain, source)?;
        Ok(self.add(Element::Transistor(Box::new(Transistor {
            drain,
            gate: gate.map(|g| g.0),
            source,
            bulk: bulk.map(|b| b.0),
            summed: Vec::new(),
            sign: if model.p_channel { -1.0 } else { 1.0 },
            amperes: positive("current scale", model.current.get::<ampere>(), "A")?,
            slope,
            threshold: finite("threshold", model.threshold.get::<volt>(), "V")?,
            kelvins: positive("temperature", temperature(at)?, "K")?,
            inversion: model.inversion,
            noisy,
        }))))
    }

    /// Adds `weight` times a node's voltage to what a transistor's gate sees: a floating gate with several inputs.
    ///
    /// # Errors
    /// An element of another kind, or a weight that is not finite.
    pub fn sum_at_gate(&mut self, id: ElementId, node: NodeId, weight: f64) -> Result<()> {
        let weight = finite("weight", weight, "")?;
        match self.elements.get_mut(id.0) {
            Some(Element::Transistor(t)) => {
                t.summed.push((node.0, weight));
                Ok(())
            }
            _ => Err(self.wrong_kind(id, "a transistor")),
        }
    }

    /// A Josephson junction, I = I_c sin φ, dφ/dt = (2π/Φ0)(V_a − V_b); give its node a capacitor and a resistor for the
    /// RCSJ model. With `loop_of` = (L, Φ_x) the junction closes an rf-SQUID: U = (E_L/2)(φ − φ_x)² − E_J cos φ.
    ///
    /// # Errors
    /// A critical current or inductance that is not positive, both ends on one node.
    pub fn josephson(
        &mut self,
        a: Option<NodeId>,
        b: Option<NodeId>,
        critical: ElectricCurrent,
        loop_of: Option<(Inductance, MagneticFlux)>,
    ) -> Result<ElementId> {
        let critical = positive("critical current", critical.get::<ampere>(), "A")?;
        let shunt = loop_of
            .map(|(l, flux)| {
                let henries = positive("loop inductance", l.get::<henry>(), "H")?;
                let flux = finite("flux", flux.get::<weber>(), "Wb")?;
                Ok((henries, std::f64::consts::TAU * flux / FLUX_QUANTUM))
            })
            .transpose()?;
        let path = ends(self.pair(a, b)?);
        Ok(self.add(Element::Josephson {
            path,
            critical,
            shunt,
        }))
    }

    /// Ornstein–Uhlenbeck current noise from `from` into `into`: one-sided density S0/(1 + (2πfτ)²).
    ///
    /// # Errors
    /// A density or time that is not positive, both ends on one node.
    pub fn coloured_noise(
        &mut self,
        from: Option<NodeId>,
        into: Option<NodeId>,
        density: f64,
        correlation: Time,
    ) -> Result<ElementId> {
        let seconds = positive("correlation time", correlation.get::<second>(), "s")?;
        let density = positive("noise density", density, "A^2/Hz")?;
        let path = ends(self.pair(from, into)?);
        // ∫₀^∞ S0/(1 + (2πfτ)²) df = S0/(4τ).
        Ok(self.add(Element::Coloured {
            path,
            amperes: (density / (4.0 * seconds)).sqrt(),
            seconds,
        }))
    }

    /// 1/f current noise of one-sided density `at_1hz`/f between `low` and `high` (Hz), as Ornstein–Uhlenbeck sources,
    /// `per_decade` of them in every decade. Returns the largest relative error of the density inside the band shrunk by a
    /// decade at each end (1 a decade: 6 %; 2: 0.1 %).
    ///
    /// # Errors
    /// A density that is not positive, less than two decades of band, no sources, both ends on one node.
    pub fn flicker_noise(
        &mut self,
        from: Option<NodeId>,
        into: Option<NodeId>,
        at_1hz: f64,
        (low, high): (f64, f64),
        per_decade: usize,
    ) -> Result<f64> {
        let at_1hz = positive("noise density at 1 Hz", at_1hz, "A^2/Hz")?;
        let low = positive("lower band edge", low, "Hz")?;
        if per_decade == 0 {
            return Err(Error::invalid("sources per decade", 0, "at least 1"));
        }
        if high.is_nan() || high < 100.0 * low {
            let value = format!("{low} Hz to {high} Hz");
            return Err(Error::invalid("band", value, "two decades or more"));
        }
        let path = ends(self.pair(from, into)?);
        let steps = ((high / low).log10() * per_decade as f64).ceil();
        let ratio = (high / low).powf(1.0 / steps);
        // Corners f_k, a factor ρ apart, since ∫ d ln f_k (2/π) f_k/(f_k² + f²) = 1/f. What the corners beyond the band
        // would add inside it is f_0 (ρ⁻¹ + ρ⁻² + …) at the low end, and likewise at the high end: the last ones carry it.
        let corners: Vec<(f64, f64)> = (0..=steps as usize)
            .map(|k| {
                let end = k == 0 || k == steps as usize;
                let tail = if end { 1.0 / (ratio - 1.0) } else { 0.0 };
                let weight = std::f64::consts::FRAC_2_PI * ratio.ln() * (1.0 + tail);
                (low * ratio.powi(k as i32), weight)
            })
            .collect();
        let density = |f: f64| -> f64 {
            let lines = corners
                .iter()
                .map(|&(c, weight)| weight * c / (c * c + f * f));
            lines.sum::<f64>() * f
        };
        for &(corner, weight) in &corners {
            // One-sided density at_1hz · weight · f_k/(f_k² + f²) is S0/(1 + (f/f_k)²) with S0 = at_1hz · weight/f_k.
            let seconds = 1.0 / (std::f64::consts::TAU * corner);
            self.add(Element::Coloured {
                path,
                amperes: (at_1hz * weight / corner / (4.0 * seconds)).sqrt(),
                seconds,
            });
        }
        let inside =
            (0..=400).map(|k| 10.0 * low * (high / low / 100.0).powf(f64::from(k) / 400.0));
        Ok(inside.map(|f| (density(f) - 1.0).abs()).fold(0.0, f64::max))
    }

    /// A two-state current source: ±`amplitude` from `from` into `into`. It flips up at rate σ(2I)/τ and down at
    /// σ(−2I)/τ, I = Σ weight·V + offset; without `control` it is random telegraph noise of a fixed duty.
    ///
    /// # Errors
    /// A time that is not positive, values that are not finite, both ends on one node.
    pub fn telegraph(
        &mut self,
        from: Option<NodeId>,
        into: Option<NodeId>,
        amplitude: ElectricCurrent,
        correlation: Time,
        control: &[(NodeId, f64)],
        offset: f64,
    ) -> Result<ElementId> {
        let seconds = positive("correlation time", correlation.get::<second>(), "s")?;
        let amperes = finite("amplitude", amplitude.get::<ampere>(), "A")?;
        let offset = finite("offset", offset, "")?;
        for &(_, weight) in control {
            finite("control", weight, "1/V")?;
        }
        let path = ends(self.pair(from, into)?);
        Ok(self.add(Element::Telegraph {
            path,
            amperes,
            seconds,
            control: control.iter().map(|&(n, w)| (n.0, w)).collect(),
            offset,
        }))
    }
}

/// Whether Σ_k c_k u^k ≥ 0 for all real u: its leading power is even and positive, and it is not negative where its slope
/// vanishes (the eigenvalues of the slope's companion matrix), rounding of the roots aside.
fn never_negative(c: &[f64]) -> bool {
    let Some(degree) = c.iter().rposition(|&c| c != 0.0) else {
        return true;
    };
    if degree % 2 == 1 || c[degree] < 0.0 {
        return false;
    }
    if degree == 0 {
        return true;
    }
    let lead = degree as f64 * c[degree];
    let companion = DMatrix::from_fn(degree - 1, degree - 1, |i, j| match (i, j) {
        (i, j) if j == degree - 2 => -((i + 1) as f64) * c[i + 1] / lead,
        (i, j) => f64::from(u8::from(i == j + 1)),
    });
    companion.complex_eigenvalues().iter().all(|root| {
        let u = root.re;
        let terms = || (0..=degree).map(|k| c[k] * u.powi(k as i32));
        terms().sum::<f64>() >= -1e-9 * terms().map(f64::abs).sum::<f64>()
    })
}

/// u = (V_0 − V_1) · weight as (node, weight) pairs.
pub(super) fn difference(terminals: [Terminal; 2], weight: f64) -> Vec<(usize, f64)> {
    let [plus, minus] = terminals;
    let plus = plus.map(|i| (i, weight));
    plus.into_iter()
        .chain(minus.map(|i| (i, -weight)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::never_negative;

    #[test]
    fn signs_of_polynomials() {
        for (c, wanted) in [
            (&[][..], true),
            (&[1.0][..], true),
            (&[-1.0], false),
            (&[1.0, 1.0], false),
            (&[1.0, 0.5, 1.0], true),
            (&[1.0, -2.0, 1.0], true),
            (&[1.0, -2.1, 1.0], false),
            (&[-1.0, 0.0, 1.0], false),
            (&[4.0, 0.0, -4.0, 0.0, 1.0], true),
            (&[3.9, 0.0, -4.0, 0.0, 1.0], false),
            (&[1.0, 0.0, 1.0, 0.0, -1.0], false),
        ] {
            assert_eq!(never_negative(c), wanted, "{c:?}");
        }
    }
}
