//! Nonlinear laws f(u) of one variable, with what their noise needs: slopes, fluxes and secants.

use super::LANES;
use super::real::Real;
use super::tile::Row;

/// A dimensionless law f(u).
#[derive(Clone, Debug, PartialEq)]
pub enum Law {
    /// Σ_k c_k u^k.
    Polynomial(Vec<f64>),
    /// eᵘ: one direction of a subthreshold current.
    Exponential,
    /// eᵘ − 1: a junction.
    Diode,
    /// eᵘ − 1 with u = V/(nV_T): a junction of ideality n, whose fluxes differ by e^{nu} as local detailed balance wants.
    NonIdeal(f64),
    /// tanh u: a differential pair.
    Tanh,
    /// ln²(1 + e^{u/2}): one direction of a transistor from weak to strong inversion (EKV).
    SoftplusSquare,
    /// sin u: a Josephson junction.
    Sine,
    /// u (1 + r tanh u): a conductor whose conductance depends on the sign of its voltage, |r| < 1.
    Saturating(f64),
}

/// The two-sided density of a branch's noise, in units of its strength.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flux {
    /// Constant: 1.
    Constant,
    /// Forward plus reverse flux (shot noise): eᵘ + 1 for the junction, f coth(nu/2) at ideality n, f itself for one
    /// direction of a subthreshold current; f′ for one direction of a transistor up to strong inversion, which at zero bias
    /// is its conductance and in weak inversion its flux.
    Shot,
    /// f(u)/u, the chordal conductance: thermodynamically consistent noise of a passive conductor.
    Secant,
}

#[inline(always)]
fn horner<R: Real>(coefficients: &[f64], u: R) -> R {
    coefficients
        .iter()
        .rev()
        .fold(R::ZERO, |sum, &c| sum.fma(u, R::from_f64(c)))
}

/// (c_1, 2c_2, 3c_3 …).
#[inline(always)]
fn horner_slope<R: Real>(coefficients: &[f64], u: R) -> R {
    let indexed = coefficients.iter().enumerate().skip(1).rev();
    indexed.fold(R::ZERO, |sum, (k, &c)| {
        sum.fma(u, R::from_f64(k as f64 * c))
    })
}

/// (eᵘ − 1)/u = Σ u^k/(k+1)!, and its slope, for |u| < ½.
const DIODE: [f64; 13] = {
    let (mut c, mut k, mut factorial) = ([0.0; 13], 0, 1.0);
    while k < 13 {
        factorial *= (k + 1) as f64;
        c[k] = 1.0 / factorial;
        k += 1;
    }
    c
};

/// tanh(u)/u for |u| < 0.1.
const TANH: [f64; 11] = [
    1.0,
    0.0,
    -1.0 / 3.0,
    0.0,
    2.0 / 15.0,
    0.0,
    -17.0 / 315.0,
    0.0,
    62.0 / 2835.0,
    0.0,
    -1382.0 / 155_925.0,
];

/// x coth(x/2) and its slope for |x| < ½.
const EVEN: [f64; 11] = [
    2.0,
    0.0,
    1.0 / 6.0,
    0.0,
    -1.0 / 360.0,
    0.0,
    1.0 / 15_120.0,
    0.0,
    -1.0 / 604_800.0,
    0.0,
    1.0 / 23_950_080.0,
];

/// x coth(x/2).
#[inline(always)]
fn even<R: Real>(x: R) -> R {
    if near(x, 0.5) {
        return horner(&EVEN, x);
    }
    let e = x.exp();
    x * (e + R::ONE) / (e - R::ONE)
}

/// The slope of [`even`].
#[inline(always)]
fn even_slope<R: Real>(x: R) -> R {
    if near(x, 0.5) {
        return horner_slope(&EVEN, x);
    }
    let e = x.exp();
    let less = e - R::ONE;
    // In this order e² cannot overflow.
    (e + R::ONE) / less - (x + x) * (e / less) / less
}

/// u small enough for a series, in every lane's own terms.
#[inline(always)]
fn near<R: Real>(u: R, limit: f64) -> bool {
    u.clamp_abs(R::from_f64(limit)) == u
}

impl Law {
    /// A number for each kind of law.
    pub(super) fn kind(&self) -> u8 {
        match self {
            Law::Polynomial(_) => 0,
            Law::Exponential => 1,
            Law::Diode => 2,
            Law::Tanh => 3,
            Law::SoftplusSquare => 4,
            Law::Sine => 5,
            Law::Saturating(_) => 6,
            Law::NonIdeal(_) => 7,
        }
    }

    /// f(u).
    #[inline(always)]
    pub fn value<R: Real>(&self, u: R) -> R {
        match self {
            Law::Polynomial(c) => horner(c, u),
            Law::Exponential => u.exp(),
            Law::Diode | Law::NonIdeal(_) => {
                if near(u, 0.5) {
                    horner(&DIODE, u) * u
                } else {
                    u.exp() - R::ONE
                }
            }
            Law::Tanh => u.tanh(),
            Law::SoftplusSquare => {
                let s = (u * R::from_f64(0.5)).softplus();
                s * s
            }
            Law::Sine => u.sin(),
            Law::Saturating(r) => u * R::from_f64(*r).fma(u.tanh(), R::ONE),
        }
    }

    /// f′(u).
    #[inline(always)]
    pub fn slope<R: Real>(&self, u: R) -> R {
        match self {
            Law::Polynomial(c) => horner_slope(c, u),
            Law::Exponential | Law::Diode | Law::NonIdeal(_) => u.exp(),
            Law::Tanh => {
                let t = u.tanh();
                (-t).fma(t, R::ONE)
            }
            Law::SoftplusSquare => {
                let half = u * R::from_f64(0.5);
                half.softplus() * half.logistic()
            }
            Law::Sine => (u + R::from_f64(std::f64::consts::FRAC_PI_2)).sin(),
            Law::Saturating(r) => {
                let (t, r) = (u.tanh(), R::from_f64(*r));
                (r * u).fma((-t).fma(t, R::ONE), r.fma(t, R::ONE))
            }
        }
    }

    /// Whether the law has the noise density `flux`.
    pub fn has(&self, flux: Flux) -> bool {
        match flux {
            Flux::Constant => true,
            Flux::Shot => matches!(
                self,
                Law::Exponential | Law::Diode | Law::NonIdeal(_) | Law::SoftplusSquare
            ),
            Flux::Secant => match self {
                Law::Polynomial(c) => c.first().is_none_or(|&c| c == 0.0),
                Law::Diode | Law::NonIdeal(_) | Law::Tanh | Law::Saturating(_) => true,
                _ => false,
            },
        }
    }

    /// The noise density at u, never negative (a chordal conductance below zero is an active element's: it counts as none).
    #[inline(always)]
    pub fn flux<R: Real>(&self, flux: Flux, u: R) -> R {
        let value = match flux {
            Flux::Constant => R::ONE,
            Flux::Shot => match self {
                Law::Diode => u.exp() + R::ONE,
                Law::NonIdeal(n) => {
                    let n = R::from_f64(*n);
                    self.flux(Flux::Secant, u) * even(n * u) / n
                }
                Law::SoftplusSquare => self.slope(u),
                _ => self.value(u),
            },
            Flux::Secant => match self {
                Law::Polynomial(c) => horner(c.get(1..).unwrap_or(&[]), u),
                Law::Saturating(r) => R::from_f64(*r).fma(u.tanh(), R::ONE),
                Law::Diode | Law::NonIdeal(_) if near(u, 0.5) => horner(&DIODE, u),
                Law::Tanh if near(u, 0.1) => horner(&TANH, u),
                _ => self.value(u) / u,
            },
        };
        if value > R::ZERO { value } else { R::ZERO }
    }

    /// d(noise density)/du.
    #[inline(always)]
    pub fn flux_slope<R: Real>(&self, flux: Flux, u: R) -> R {
        match flux {
            Flux::Constant => R::ZERO,
            Flux::Shot => match self {
                Law::NonIdeal(n) => {
                    let n = R::from_f64(*n);
                    let slope = self.flux_slope(Flux::Secant, u) * even(n * u) / n;
                    slope + self.flux(Flux::Secant, u) * even_slope(n * u)
                }
                Law::SoftplusSquare => {
                    let half = u * R::from_f64(0.5);
                    let (s, l) = (half.softplus(), half.logistic());
                    R::from_f64(0.5) * l * (s * (R::ONE - l) + l)
                }
                _ => self.slope(u),
            },
            Flux::Secant => match self {
                Law::Polynomial(c) => horner_slope(c.get(1..).unwrap_or(&[]), u),
                Law::Saturating(r) => {
                    let t = u.tanh();
                    R::from_f64(*r) * (-t).fma(t, R::ONE)
                }
                Law::Diode | Law::NonIdeal(_) if near(u, 0.5) => horner_slope(&DIODE, u),
                Law::Tanh if near(u, 0.1) => horner_slope(&TANH, u),
                _ => (self.slope(u) * u - self.value(u)) / (u * u),
            },
        }
    }

    /// `part` lane by lane, the choice of the law made once for all lanes.
    #[inline(always)]
    pub(super) fn lanes<R: Real, P: Part<R>>(&self, u: &Row<R>, f: P) -> Row<R> {
        match self {
            Law::Exponential => each_lane(&Law::Exponential, u, f),
            Law::Diode => each_lane(&Law::Diode, u, f),
            Law::NonIdeal(n) => each_lane(&Law::NonIdeal(*n), u, f),
            Law::Tanh => each_lane(&Law::Tanh, u, f),
            Law::SoftplusSquare => each_lane(&Law::SoftplusSquare, u, f),
            Law::Sine => each_lane(&Law::Sine, u, f),
            Law::Saturating(r) => each_lane(&Law::Saturating(*r), u, f),
            Law::Polynomial(_) => each_lane(self, u, f),
        }
    }
}

/// What is computed of a law in a kernel. Not closures: those are not inlined into the kernel, and would miss its
/// instruction set.
pub(super) trait Part<R: Real>: Copy {
    /// Its value at u; implementations must be `#[inline(always)]`.
    fn at(self, law: &Law, u: R) -> R;
}

/// factor · f(u).
#[derive(Clone, Copy)]
pub(super) struct Value<R>(pub R);

impl<R: Real> Part<R> for Value<R> {
    #[inline(always)]
    fn at(self, law: &Law, u: R) -> R {
        self.0 * law.value(u)
    }
}

/// factor · f′(u).
#[derive(Clone, Copy)]
pub(super) struct Slope<R>(pub R);

impl<R: Real> Part<R> for Slope<R> {
    #[inline(always)]
    fn at(self, law: &Law, u: R) -> R {
        self.0 * law.slope(u)
    }
}

/// factor · d(noise density)/du.
#[derive(Clone, Copy)]
pub(super) struct FluxSlope<R>(pub R, pub Flux);

impl<R: Real> Part<R> for FluxSlope<R> {
    #[inline(always)]
    fn at(self, law: &Law, u: R) -> R {
        self.0 * law.flux_slope(self.1, u)
    }
}

/// √(factor · noise density).
#[derive(Clone, Copy)]
pub(super) struct Loudness<R>(pub R, pub Flux);

impl<R: Real> Part<R> for Loudness<R> {
    #[inline(always)]
    fn at(self, law: &Law, u: R) -> R {
        (self.0 * law.flux(self.1, u)).sqrt()
    }
}

#[inline(always)]
fn each_lane<R: Real, P: Part<R>>(law: &Law, u: &Row<R>, part: P) -> Row<R> {
    let mut out = Row::splat(R::ZERO);
    for lane in 0..LANES {
        out[lane] = part.at(law, u[lane]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laws() -> Vec<Law> {
        vec![
            Law::Polynomial(vec![0.0, 0.7, -0.2, 1.3]),
            Law::Exponential,
            Law::Diode,
            Law::NonIdeal(1.7),
            Law::Tanh,
            Law::SoftplusSquare,
            Law::Sine,
            Law::Saturating(0.8),
        ]
    }

    /// Values against the standard library, slopes against central differences, on both sides of every series' edge.
    #[test]
    fn values_and_slopes_agree_with_their_definitions() {
        for k in -60..=60 {
            let u = f64::from(k) * 0.0917 + 1e-4;
            let wanted = [
                0.7 * u - 0.2 * u * u + 1.3 * u.powi(3),
                u.exp(),
                u.exp_m1(),
                u.exp_m1(),
                u.tanh(),
                (u / 2.0).exp().ln_1p().powi(2),
                u.sin(),
                u * (1.0 + 0.8 * u.tanh()),
            ];
            for (law, wanted) in laws().iter().zip(wanted) {
                let close = |a: f64, b: f64, e: f64| (a - b).abs() < e * (1.0 + b.abs());
                assert!(close(law.value(u), wanted, 1e-13), "{law:?} {u}");
                let narrow = f64::from(law.value(u as f32));
                assert!(close(narrow, wanted, 1e-5), "{law:?} {u} {narrow} {wanted}");
                let d = 1e-5;
                let slope = (law.value(u + d) - law.value(u - d)) / (2.0 * d);
                assert!(close(law.slope(u), slope, 1e-8), "{law:?} {u}");
                for flux in [Flux::Constant, Flux::Shot, Flux::Secant] {
                    if !law.has(flux) || law.flux(flux, u) == 0.0 {
                        continue;
                    }
                    let slope = (law.flux(flux, u + d) - law.flux(flux, u - d)) / (2.0 * d);
                    assert!(
                        close(law.flux_slope(flux, u), slope, 1e-7),
                        "{law:?} {flux:?} {u}"
                    );
                    let noise = match law {
                        Law::NonIdeal(n) => Some(wanted / (0.5 * n * u).tanh()),
                        Law::Diode => Some(u.exp() + 1.0),
                        Law::SoftplusSquare => Some(law.slope(u)),
                        _ => None,
                    };
                    if let Some(noise) = noise.filter(|_| flux == Flux::Shot) {
                        assert!(close(law.flux(flux, u), noise, 1e-9), "{law:?} {u}");
                    }
                    if flux == Flux::Secant {
                        assert!(close(law.flux(flux, u), wanted / u, 1e-10), "{law:?} {u}");
                    }
                }
            }
        }
    }
}
