//! What the elements of a netlist are: SI values and terminals, ground being `None`.

use crate::dynamics::{Calculus, Flux, Law, Wave};

/// A terminal: a node's index, or ground.
pub(super) type Terminal = Option<usize>;

/// A node of a circuit; ground is not a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeId(pub(super) usize);

/// An element of a circuit, for changing its value later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementId(pub(super) usize);

/// A current that depends on one linear combination of node voltages: I = amperes · f(u), u = Σ weight·V + offset, from
/// the first terminal of `path` through the element to the second.
#[derive(Clone, Debug)]
pub(super) struct Nonlinear {
    /// (node, 1/V).
    pub control: Vec<(usize, f64)>,
    pub offset: f64,
    pub path: [Terminal; 2],
    pub amperes: f64,
    pub law: Law,
    /// Two-sided density per ampere of `amperes · flux(u)` (C; kT/V-like), how it depends on u, and its calculus.
    pub noise: Option<(f64, Flux, Calculus)>,
    /// Temperature of the bath that takes its heat; `None` for active elements, which have a supply instead.
    pub kelvins: Option<f64>,
}

/// A transistor in the subthreshold region or, with `inversion`, from weak to strong inversion (EKV).
#[derive(Clone, Debug)]
pub(super) struct Transistor {
    pub drain: Terminal,
    pub gate: Terminal,
    pub source: Terminal,
    pub bulk: Terminal,
    /// Further nodes whose voltages, times a weight, add to the gate's.
    pub summed: Vec<(usize, f64)>,
    /// +1 for an n-channel, −1 for a p-channel.
    pub sign: f64,
    pub amperes: f64,
    pub slope: f64,
    pub threshold: f64,
    pub kelvins: f64,
    pub inversion: bool,
    pub noisy: bool,
}

/// What an element is; SI values.
#[derive(Clone, Debug)]
pub(super) enum Element {
    Capacitor {
        a: Terminal,
        b: Terminal,
        farads: f64,
    },
    /// Draws G (V_a − V_b) and carries √(2kTG) dW.
    Resistor {
        a: Terminal,
        b: Terminal,
        conductance: f64,
        kelvins: f64,
    },
    /// L dI = (V_a − V_b − R_s I) dt + √(2kTR_s) dW; I flows from a to b.
    Inductor {
        a: Terminal,
        b: Terminal,
        henries: f64,
        series: f64,
        kelvins: f64,
    },
    /// Mutual inductance of two inductors, by element index.
    Mutual {
        first: usize,
        second: usize,
        henries: f64,
    },
    /// V_plus − V_minus = wave(t).
    Voltage {
        plus: Terminal,
        minus: Terminal,
        wave: Wave,
    },
    /// wave(t) amperes from the first terminal through the source to the second.
    Drive {
        path: [Terminal; 2],
        wave: Wave,
    },
    /// Injects g V_from into `into`; noise 2kTγ|g|.
    Transconductor {
        from: usize,
        into: usize,
        conductance: f64,
        kelvins: f64,
        excess: f64,
    },
    /// g (V_c0 − V_c1) from the first terminal of `path` through the element to the second; noise 2kTγ|g|.
    Controlled {
        control: [Terminal; 2],
        path: [Terminal; 2],
        conductance: f64,
        kelvins: f64,
        excess: f64,
    },
    /// Draws Σ_k c_k V^k from the node, c_k in A/V^k; own white noise of two-sided density `density` (A²·s).
    Polynomial {
        node: usize,
        coefficients: Vec<f64>,
        density: f64,
    },
    /// Injects a constant current.
    Current {
        node: usize,
        amperes: f64,
    },
    /// Injects white noise of two-sided density `density` (A²·s, half the one-sided S_I).
    Noise {
        node: usize,
        density: f64,
    },
    /// Ornstein–Uhlenbeck current noise of the given rms value and correlation time, from path[0] to path[1].
    Coloured {
        path: [Terminal; 2],
        amperes: f64,
        seconds: f64,
    },
    /// ±amperes from path[0] to path[1], flipping up at rate σ(2I)/seconds and down at σ(−2I)/seconds,
    /// I = Σ control·V + offset.
    Telegraph {
        path: [Terminal; 2],
        amperes: f64,
        seconds: f64,
        control: Vec<(usize, f64)>,
        offset: f64,
    },
    /// I_c sin φ + (Φ0/2πL)(φ − φ_x), dφ/dt = (2π/Φ0)(V_a − V_b); without `shunt` only the first term.
    Josephson {
        path: [Terminal; 2],
        critical: f64,
        /// (L, φ_x).
        shunt: Option<(f64, f64)>,
    },
    Nonlinear(Box<Nonlinear>),
    Transistor(Box<Transistor>),
}
