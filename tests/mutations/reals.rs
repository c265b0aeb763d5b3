//! Samplers of real variables: MALA on two coupled soft spins, Hamiltonian dynamics in a parabola.

use super::Caught;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use statrs::distribution::{ContinuousCDF, Normal};
use thermochip::energy::{ContinuousEnergy, Couplings, SoftSpin};
use thermochip::testing::{
    Relaxation, Sequential, Stream, View, converges_to, detailed_balance, geweke_joint,
    leaves_invariant, rank_uniform, starts, view,
};

fn normal(r: &mut Stream) -> f64 {
    StandardNormal.sample(r)
}

/// MALA's step h, and what may be wrong with it.
#[derive(Clone, Copy)]
pub struct Mala {
    /// Variance of the noise, of 2h.
    noise: f64,
    rejects: bool,
    /// Whether the ratio of the proposals' densities is in the acceptance.
    ratio: bool,
    beta: f64,
}

pub const MALA: Mala = Mala {
    noise: 1.0,
    rejects: true,
    ratio: true,
    beta: 1.0,
};
pub const QUIET: Mala = Mala { noise: 0.5, ..MALA };
pub const UNADJUSTED: Mala = Mala {
    rejects: false,
    ..MALA
};
pub const ENERGY_ONLY: Mala = Mala {
    ratio: false,
    ..MALA
};
pub const HOT: Mala = Mala { beta: 0.95, ..MALA };

const STEP: f64 = 0.3;

/// Soft spins; given readouts of them with noise of variance 1 they are soft spins again.
fn energy(readouts: Option<&[f64]>) -> SoftSpin {
    let more = if readouts.is_some() { 0.5 } else { 0.0 };
    let couplings = Couplings::new(2, vec![(0, 1, 0.7)]).unwrap();
    let y = readouts.unwrap_or(&[0.0; 2]);
    // A sampler that ran away has no readouts worth the name.
    let y = [0, 1].map(|i| if y[i].is_finite() { y[i] } else { 0.0 });
    let (j2, fields) = (vec![-0.5 + more, 0.8 + more], vec![0.3 + y[0], -0.2 + y[1]]);
    SoftSpin::new(j2, vec![0.6, 0.3], fields, couplings).unwrap()
}

impl Mala {
    fn step(&self, e: &SoftSpin, x: &mut Vec<f64>, r: &mut Stream) {
        let drifted = |x: &[f64]| {
            let mut gradient = [0.0; 2];
            e.gradient(x, &mut gradient);
            [0, 1].map(|i| x[i] - STEP * self.beta * gradient[i])
        };
        let ahead = drifted(x);
        let deviation = (2.0 * STEP * self.noise).sqrt();
        let proposed: Vec<f64> = ahead.iter().map(|m| m + deviation * normal(r)).collect();
        // The density that the proposals should have.
        let log_density = |from: [f64; 2], to: &[f64]| {
            let square: f64 = from.iter().zip(to).map(|(m, x)| (x - m).powi(2)).sum();
            -square / (4.0 * STEP)
        };
        let mut log = self.beta * (e.value(x) - e.value(&proposed));
        if self.ratio {
            log += log_density(drifted(&proposed), x) - log_density(ahead, &proposed);
        }
        if !self.rejects || r.random::<f64>() < log.exp() {
            *x = proposed;
        }
    }

    pub fn judge(&self, assertion: &str, test: &Sequential) -> Option<Caught> {
        let e = &energy(None);
        let exact = starts::soft_spins(e);
        let kernel = |x: &mut Vec<f64>, r: &mut Stream| self.step(e, x, r);
        let mut views = view::coordinates(2);
        views.push(View::number("energy", |x: &Vec<f64>| e.value(x)));
        Some(match assertion {
            "leaves_invariant" => leaves_invariant(exact, kernel, 10, &views, test),
            "rank_uniform" => rank_uniform(exact, kernel, 7, &views, test),
            "detailed_balance" => detailed_balance(exact, kernel, &views, test),
            "geweke_joint" => {
                let data = |x: &Vec<f64>, r: &mut Stream| [x[0] + normal(r), x[1] + normal(r)];
                let kernel = |x: &mut Vec<f64>, y: &[f64; 2], r: &mut Stream| {
                    self.step(&energy(Some(y)), x, r);
                };
                type Joint = (Vec<f64>, [f64; 2]);
                let views = [
                    View::number("x_0", |j: &Joint| j.0[0]),
                    View::number("energy", |j: &Joint| e.value(&j.0)),
                    View::number("x_0 y_0", |j: &Joint| j.0[0] * j.1[0]),
                ];
                geweke_joint(exact, data, kernel, 10, &views, test)
            }
            _ => return None,
        })
    }
}

/// (x, p) in ½(x² + p²): a new momentum, then the flow for a sixth of a turn, which is exact.
#[derive(Clone, Copy)]
pub struct Hamiltonian {
    refreshes: bool,
}

pub const HAMILTONIAN: Hamiltonian = Hamiltonian { refreshes: true };
pub const STUBBORN: Hamiltonian = Hamiltonian { refreshes: false };

const ANGLE: f64 = std::f64::consts::FRAC_PI_3;

type Phase = [f64; 2];

impl Hamiltonian {
    /// About `centre`, with x of deviation `width`.
    fn step(&self, [x, p]: &mut Phase, (centre, width): (f64, f64), r: &mut Stream) {
        if self.refreshes {
            *p = normal(r);
        }
        let (sin, cos) = ANGLE.sin_cos();
        let z = (*x - centre) / width;
        (*x, *p) = (centre + width * (cos * z + sin * *p), cos * *p - sin * z);
    }

    pub fn judge(&self, assertion: &str, test: &Sequential) -> Option<Caught> {
        let exact = |r: &mut Stream| [normal(r), normal(r)];
        let kernel = |s: &mut Phase, r: &mut Stream| self.step(s, (0.0, 1.0), r);
        let views = [
            View::number("x", |s: &Phase| s[0]),
            View::number("x²", |s: &Phase| s[0] * s[0]),
        ];
        Some(match assertion {
            "leaves_invariant" => leaves_invariant(exact, kernel, 10, &views, test),
            "rank_uniform" => rank_uniform(exact, kernel, 7, &views, test),
            "detailed_balance" => detailed_balance(exact, kernel, &views, test),
            "converges_to" => {
                // x' = ½x + √¾ ξ: of eigenvalues ½ᵏ. One step from x = 1.5 is N(¾, ¾), whose χ² about N(0, 1) is known; then
                // ½ √χ² ½^{t−1}.
                let (m, v) = (0.75f64, 0.75f64);
                let square = (m * m / (2.0 - v)).exp() / (v * (2.0 - v)).sqrt() - 1.0;
                let cells = 8;
                let uniform = vec![1.0 / f64::from(cells); cells as usize];
                let times = [1, 2, 4, 6, 8, 12];
                let relaxation = Relaxation::at_rate(uniform, square.sqrt(), 0.5, &times).unwrap();
                let law = Normal::standard();
                let cell = |s: &Phase| ((law.cdf(s[0]) * f64::from(cells)) as usize).min(7);
                converges_to(|r| [1.5, normal(r)], kernel, cell, &relaxation, test)
            }
            "geweke_joint" => {
                // y = x + noise of variance 1, so x given y is N(y/2, ½).
                let data = |s: &Phase, r: &mut Stream| s[0] + normal(r);
                let kernel = |s: &mut Phase, y: &f64, r: &mut Stream| {
                    self.step(s, (0.5 * y, 0.5f64.sqrt()), r);
                };
                let views = [
                    View::number("x", |j: &(Phase, f64)| j.0[0]),
                    View::number("x²", |j: &(Phase, f64)| j.0[0].powi(2)),
                    View::number("x y", |j: &(Phase, f64)| j.0[0] * j.1),
                ];
                geweke_joint(exact, data, kernel, 10, &views, test)
            }
            _ => return None,
        })
    }
}
