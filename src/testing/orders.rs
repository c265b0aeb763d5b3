//! A scheme's stationary bias goes to zero with its step as it is stated to, by deterministic oracles: no noise, no false alarms.

use super::transfer::{TransferOperator, order};
use crate::dynamics::{Process, Scheme};

/// Orders nearer than this to the stated one agree.
const TOLERANCE: f64 = 0.1;
/// Biases below this, relative to 1 + |exact|, are rounding and quadrature.
const ROUNDING: f64 = 1e-9;

/// Where a transfer operator is sampled, and the coarsest of the three steps h, h/2, h/4.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// h.
    pub step: f64,
    /// Functions live on |x| ≤ reach, beyond which the law must be negligible.
    pub reach: f64,
    /// Chebyshev nodes there.
    pub nodes: usize,
    /// Points of the quadrature over each normal.
    pub quadrature: usize,
}

/// `moment(h)`, `moment(h/2)` and `moment(h/4)` go to `exact` with the stated order, to 0.1; infinite: they are exact.
///
/// ```
/// use thermochip::dynamics::{Linear, Noise, Process, scheme, scheme_covariance};
/// use thermochip::testing::orders_match;
///
/// // dq = v dt, dv = −(q + v) dt + √2 dW.
/// let process = Process {
///     linear: Linear::Dense(nalgebra::dmatrix![0.0, 1.0; -1.0, -1.0]),
///     noise: Noise::Diagonal(vec![0.0, 2f64.sqrt()]),
///     ..Process::still(2)
/// };
/// let baoab = scheme::<f64>("baoab")?;
/// let square = |row: usize| {
///     let (scheme, process) = (&*baoab, &process);
///     move |h: f64| Ok(scheme_covariance(scheme, process, h).map_err(|e| e.to_string())?[(row, row)])
/// };
/// orders_match("E q²", square(0), 1.0, 0.4, f64::INFINITY)?;
/// orders_match("E v²", square(1), 1.0, 0.4, 2.0)?;
/// assert!(orders_match("E v²", square(1), 1.0, 0.4, 1.0).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Another order, with the three biases; what `moment` refuses.
pub fn orders_match(
    what: &str,
    mut moment: impl FnMut(f64) -> Result<f64, String>,
    exact: f64,
    step: f64,
    stated: f64,
) -> Result<(), String> {
    let mut biases = [0.0; 3];
    for (k, bias) in biases.iter_mut().enumerate() {
        *bias = moment(step / f64::from(1 << k))? - exact;
    }
    let rounding = ROUNDING * (1.0 + exact.abs());
    let exactly = biases.iter().all(|b| b.abs() < rounding);
    let seen = if exactly {
        f64::INFINITY
    } else {
        order(biases)
    };
    // Written so that NaN fails.
    if seen == stated || (seen - stated).abs() < TOLERANCE {
        return Ok(());
    }
    let [a, b, c] = biases;
    Err(format!(
        "{what}: order {seen:.2} in the step, expected {stated}: biases {a:.3e}, {b:.3e}, {c:.3e} from h = {step}"
    ))
}

/// The stationary mean of `f` by `scheme` on a process of one node goes to `exact` with the stated order.
///
/// # Errors
/// As [`orders_match`] and [`TransferOperator::new`].
pub fn scheme_orders(
    scheme: &dyn Scheme<f64>,
    process: &Process,
    f: impl Fn(f64) -> f64,
    exact: f64,
    stated: f64,
    grid: &Grid,
) -> Result<(), String> {
    let moment = |h: f64| {
        let points = (grid.nodes, grid.quadrature);
        let operator = TransferOperator::new(scheme, process, h, grid.reach, points);
        Ok(operator.map_err(|e| e.to_string())?.stationary(&f))
    };
    orders_match(scheme.name(), moment, exact, grid.step, stated)
}

/// As [`scheme_orders`], for a step of one's own: `step(h, x, normals)` is the next x.
///
/// ```
/// use thermochip::testing::{Grid, step_orders};
///
/// // Euler's step for dx = −x³ dt + √2 dW; E x² = 2 Γ(3/4)/Γ(1/4).
/// let euler = |h: f64, x: f64, z: &[f64]| x - h * x.powi(3) + (2.0 * h).sqrt() * z[0];
/// let grid = Grid { step: 0.02, reach: 3.8, nodes: 100, quadrature: 40 };
/// let square = 0.675_978_240_067_285;
/// step_orders("Euler", euler, 1, |x| x * x, square, 1.0, &grid)?;
/// // Without the 2 its bias does not go away.
/// let quiet = |h: f64, x: f64, z: &[f64]| x - h * x.powi(3) + h.sqrt() * z[0];
/// assert!(step_orders("quiet", quiet, 1, |x| x * x, square, 1.0, &grid).is_err());
/// # Ok::<(), String>(())
/// ```
///
/// # Errors
/// As [`orders_match`].
pub fn step_orders(
    what: &str,
    step: impl Fn(f64, f64, &[f64]) -> f64,
    normals: usize,
    f: impl Fn(f64) -> f64,
    exact: f64,
    stated: f64,
    grid: &Grid,
) -> Result<(), String> {
    let moment = |h: f64| {
        let points = (grid.nodes, grid.quadrature);
        let operator =
            TransferOperator::of_step(|x, z| step(h, x, z), normals, h, grid.reach, points);
        Ok(operator.stationary(&f))
    };
    orders_match(what, moment, exact, grid.step, stated)
}
