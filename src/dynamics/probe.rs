//! What a scheme does to a linear process, read off its own steps: no formula of the scheme is written a second time.

use super::LANES;
use super::linear;
use super::modes::is_linear;
use super::process::{Noise, Process};
use super::scheme::{Scheme, Setting};
use super::tile::{NormalBits, Row, Tile};
use crate::error::{Error, Result};
use nalgebra::DMatrix;

/// The stationary covariance that `scheme` samples at step `h`: x' = Φx + Γξ is probed with unit vectors, and
/// P = ΦPΦᵀ + ΓΓᵀ solved. Against [`linear::lyapunov`] it gives the scheme's bias.
///
/// # Errors
/// A nonlinear process, one that the scheme refuses, or a scheme whose steps are not made of normals.
pub fn scheme_covariance(
    scheme: &dyn Scheme<f64>,
    process: &Process,
    h: f64,
) -> Result<DMatrix<f64>> {
    if !is_linear(process) {
        let expected = "a linear process (linearise it first)";
        return Err(Error::invalid("process", "nonlinear terms", expected));
    }
    let n = process.nodes;
    let clamped = vec![false; n];
    let setting = Setting {
        step: h,
        clamped: &clamped,
        stiffness: None,
        normals: NormalBits::Full,
    };
    let stepper = scheme.prepare(process, &setting)?;
    let normals = stepper.normals();
    if normals == 0 {
        let expected = "a scheme whose steps are made of normals";
        return Err(Error::invalid("plan.scheme", scheme.name(), expected));
    }
    let mut tile = Tile::<f64>::new((0, 0), 0, LANES, n, 0);
    stepper.begin(&mut tile);
    let carried = tile.memory.len();
    // Columns: the nodes, what the scheme carries, the normals; and one of zeros, for constant forces.
    let columns = n + carried + normals;
    let mut response = DMatrix::zeros(n, columns + 1);
    for first in (0..=columns).step_by(LANES) {
        let mut given: Vec<Row<f64>> = vec![Row::splat(0.0); normals];
        tile.x.fill(Row::splat(0.0));
        tile.memory.fill(Row::splat(0.0));
        tile.time = 0.0;
        for lane in 0..LANES {
            let column = first + lane;
            if column < n {
                tile.x[column][lane] = 1.0;
            } else if column < n + carried {
                tile.memory[column - n][lane] = 1.0;
            } else if column < columns {
                given[column - n - carried][lane] = 1.0;
            }
        }
        stepper.step_given(&mut tile, &given);
        for lane in 0..LANES.min(columns + 1 - first) {
            for i in 0..n {
                response[(i, first + lane)] = tile.x[i][lane];
            }
        }
    }
    let size = n + carried;
    let (mut phi, mut gamma) = (DMatrix::zeros(size, size), DMatrix::zeros(size, normals));
    for i in 0..n {
        let still = response[(i, columns)];
        for j in 0..size {
            phi[(i, j)] = response[(i, j)] - still;
        }
        for j in 0..normals {
            gamma[(i, j)] = response[(i, size + j)] - still;
        }
    }
    // What is carried is the last set of normals.
    for i in 0..carried {
        gamma[(n + i, i)] = 1.0;
    }
    let noise = &gamma * gamma.transpose();
    Ok(linear::sum_of_powers(phi, noise)
        .view((0, 0), (n, n))
        .into_owned())
}

/// The largest step at which `scheme` keeps the stationary variance of a mode of the given rate within a relative
/// `tolerance` ε, and that variance's inflation there.
///
/// Schemes that are exact for linear modes are held to z = hλ ≤ 2√ε, where a second-order scheme's error z²/4 reaches ε.
///
/// # Errors
/// A scheme that cannot advance one linear mode.
pub fn largest_step(scheme: &dyn Scheme<f64>, rate: f64, tolerance: f64) -> Result<(f64, f64)> {
    let inflation = |z: f64| variance_inflation(scheme, z);
    let cap = 2.0 * tolerance.sqrt();
    if inflation(cap)?.abs() <= tolerance {
        return Ok((cap / rate, inflation(cap)?));
    }
    let (mut low, mut high) = (0.0, cap);
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if inflation(middle)?.abs() <= tolerance {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok((low / rate, inflation(low)?))
}

/// Inflation of a mode's stationary variance at z = hλ.
///
/// # Errors
/// As [`largest_step`].
pub fn variance_inflation(scheme: &dyn Scheme<f64>, z: f64) -> Result<f64> {
    let mut mode = Process::still(1);
    mode.polynomial = vec![vec![0.0], vec![-1.0]];
    mode.noise = Noise::Diagonal(vec![2f64.sqrt()]);
    Ok(scheme_covariance(scheme, &mode, z)?[(0, 0)] - 1.0)
}
