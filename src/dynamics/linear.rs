//! Linear theory: dx = −A x dt + B dW, D = BBᵀ. One convention everywhere: A P + P Aᵀ = D.

use super::force::row_entries;
use super::law::Flux;
use super::modes::is_linear;
use super::process::{Branch, Calculus, Mass, Noise, Process};
use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};

/// e^{−At} and the covariance gained over t from a point start, Σ_t = ∫₀ᵗ e^{−As} D e^{−Aᵀs} ds.
///
/// Any A, semi-definite D: Taylor series on a short time, then doubling Σ_{2t} = Σ_t + Φ_t Σ_t Φ_tᵀ, Φ_{2t} = Φ_t².
pub fn transition(a: &DMatrix<f64>, d: &DMatrix<f64>, t: f64) -> (DMatrix<f64>, DMatrix<f64>) {
    let n = a.nrows();
    let size = a.iter().map(|v| v.abs()).sum::<f64>() * t;
    let doublings = (size / 0.25).log2().ceil().max(0.0) as u32;
    let short = t / 2f64.powi(doublings as i32);
    let (mut phi, mut sigma) = (DMatrix::identity(n, n), DMatrix::zeros(n, n));
    // Σ_s = Σ_k s^{k+1}/(k+1)! d_k with d_0 = D, d_{k+1} = −(A d_k + d_k Aᵀ).
    let (mut power, mut source) = (DMatrix::identity(n, n), d * short);
    for k in 1..=24 {
        sigma += &source;
        let step = short / f64::from(k + 1);
        source = -(a * &source + &source * a.transpose()) * step;
        power = -(a * power) * (short / f64::from(k));
        phi += &power;
    }
    for _ in 0..doublings {
        sigma = &sigma + &phi * &sigma * phi.transpose();
        phi = &phi * &phi;
    }
    (phi, sigma)
}

/// ∫₀ᵗ e^{−As} ds, which multiplies a constant force.
pub fn forced_response(a: &DMatrix<f64>, t: f64) -> DMatrix<f64> {
    let n = a.nrows();
    let mut block = DMatrix::zeros(2 * n, 2 * n);
    block.view_mut((0, 0), (n, n)).copy_from(a);
    block.view_mut((0, n), (n, n)).fill_with_identity();
    // e^{−block t} = [[e^{−At}, −∫ e^{−As} ds], [0, 1]].
    let (phi, _) = transition(&block, &DMatrix::zeros(2 * n, 2 * n), t);
    -phi.view((0, n), (n, n)).into_owned()
}

/// The stationary covariance P of A P + P Aᵀ = D, by doubling; D may be semi-definite and A non-normal.
///
/// # Errors
/// A with an eigenvalue of non-positive real part (no stationary state).
pub fn lyapunov(a: &DMatrix<f64>, d: &DMatrix<f64>) -> Result<DMatrix<f64>> {
    if let Some(slowest) = a
        .clone()
        .complex_eigenvalues()
        .iter()
        .map(|l| l.re)
        .reduce(f64::min)
        && slowest <= 0.0
    {
        return Err(Error::invalid(
            "circuit",
            format!("a mode of rate {slowest:.3e}"),
            "only decaying modes",
        ));
    }
    let scale = a.iter().map(|v| v.abs()).sum::<f64>();
    let (phi, sigma) = transition(a, d, 0.5 / scale);
    Ok(sum_of_powers(phi, sigma))
}

/// Mean and covariance of the law that a linear process settles in (spins and rails left out): A m = c, A P + P Aᵀ = D.
///
/// # Errors
/// Forces that are not linear, or no stationary state.
pub fn stationary(process: &Process) -> Result<(DVector<f64>, DMatrix<f64>)> {
    let Some(a) = drift_matrix(process) else {
        let expected = "forces that are linear";
        return Err(Error::invalid("process", "other forces", expected));
    };
    // The force at zero is M A m.
    let mut drift = force(process, &vec![0.0; process.nodes], 0.0);
    solve_mass_vector(&process.mass, drift.as_mut_slice());
    settled(&a, &drift, &diffusion(process))
}

/// Mean and covariance where dx = (c − A x) dt + B dW settles.
///
/// # Errors
/// No stationary state.
pub fn settled(
    a: &DMatrix<f64>,
    c: &DVector<f64>,
    d: &DMatrix<f64>,
) -> Result<(DVector<f64>, DMatrix<f64>)> {
    let covariance = lyapunov(a, d)?;
    let Some(mean) = a.clone().lu().solve(c) else {
        let expected = "only decaying modes";
        return Err(Error::invalid("circuit", "a mode of rate 0", expected));
    };
    Ok((mean, covariance))
}

/// Σ_k Φᵏ S Φᵏᵀ by doubling, for a Φ of spectral radius below one.
pub(super) fn sum_of_powers(mut phi: DMatrix<f64>, mut sum: DMatrix<f64>) -> DMatrix<f64> {
    for _ in 0..200 {
        let more = &phi * &sum * phi.transpose();
        let done = more.norm() <= 1e-17 * sum.norm();
        sum += more;
        if done {
            break;
        }
        phi = &phi * &phi;
    }
    sum
}

/// The covariance that Euler–Maruyama samples at step h: P = (1 − hA) P (1 − hA)ᵀ + hD.
///
/// # Errors
/// A step at or beyond the stability limit.
pub fn em_covariance(a: &DMatrix<f64>, d: &DMatrix<f64>, h: f64) -> Result<DMatrix<f64>> {
    let limit = em_stability_limit(a);
    if h >= limit {
        return Err(Error::Unstable {
            scheme: "euler-maruyama".to_owned(),
            step: h,
            limit,
            reason: "min over modes of 2 Re(l)/|l|^2".to_owned(),
        });
    }
    let n = a.nrows();
    Ok(sum_of_powers(DMatrix::identity(n, n) - a * h, d * h))
}

/// Largest stable Euler–Maruyama step: min over modes of 2 Re λ/|λ|².
pub fn em_stability_limit(a: &DMatrix<f64>) -> f64 {
    super::stability::limit(a, super::stability::euler)
}

/// A = −M⁻¹(L + diag c_1) of a process with at most linear forces; `None` when it has other terms.
pub fn drift_matrix(process: &Process) -> Option<DMatrix<f64>> {
    is_linear(process).then(|| linearised(process, &vec![0.0; process.nodes]))
}

/// A = −M⁻¹ ∂F/∂x at the point `x`.
pub fn linearised(process: &Process, x: &[f64]) -> DMatrix<f64> {
    let n = process.nodes;
    let mut a = DMatrix::zeros(n, n);
    for i in 0..n {
        for (j, value) in row_entries(&process.linear, i) {
            a[(i, j)] -= value;
        }
        for (k, coefficients) in process.polynomial.iter().enumerate().skip(1) {
            let c = coefficients.get(i).copied().unwrap_or(0.0);
            a[(i, i)] -= k as f64 * c * x[i].powi(k as i32 - 1);
        }
    }
    for branch in &process.branches {
        let slope =
            gain(process, branch, 0.0) * branch.law.slope(variable(process, branch, x, 0.0));
        for &(i, out) in &branch.output {
            for &(j, into) in &branch.input {
                a[(i, j)] -= out * slope * into;
            }
        }
    }
    solve_mass(&process.mass, a)
}

/// u of a branch at (x, t).
pub fn variable(process: &Process, branch: &Branch, x: &[f64], t: f64) -> f64 {
    let nodes: f64 = branch.input.iter().map(|&(i, w)| w * x[i]).sum();
    let waves: f64 = branch
        .waves
        .iter()
        .map(|&(k, w)| w * process.waves[k].at(t))
        .sum();
    nodes + waves + branch.offset
}

pub(super) fn gain(process: &Process, branch: &Branch, t: f64) -> f64 {
    branch.amplitude * branch.gate.map_or(1.0, |k| process.waves[k].at(t))
}

/// w_in · M⁻¹ w_out over the free nodes: how far a branch's own noise moves its own variable.
pub fn self_response(process: &Process, branch: &Branch, free: impl Fn(usize) -> bool) -> f64 {
    let mut moved = vec![0.0; process.nodes];
    for &(i, w) in branch.output.iter().filter(|e| free(e.0)) {
        moved[i] += w;
    }
    solve_mass_vector(&process.mass, &mut moved);
    let inputs = branch.input.iter().filter(|e| free(e.0));
    inputs.map(|&(i, w)| w * moved[i]).sum()
}

/// Two-sided density of a branch's noise at (x, t); 0 without noise.
pub fn density(process: &Process, branch: &Branch, x: &[f64], t: f64) -> f64 {
    branch.noise.map_or(0.0, |noise| {
        let u = variable(process, branch, x, t);
        noise.strength * gain(process, branch, t) * branch.law.flux(noise.flux, u)
    })
}

/// A branch's force per unit of its weights at (x, t), read in Stratonovich's calculus whatever calculus it declares;
/// `response` is its [`self_response`].
pub fn stratonovich_force(
    process: &Process,
    branch: &Branch,
    (x, t): (&[f64], f64),
    response: f64,
) -> f64 {
    let u = variable(process, branch, x, t);
    let correction = branch.noise.map_or(0.0, |noise| {
        let alpha = noise.calculus.alpha() - Calculus::Stratonovich.alpha();
        match noise.flux {
            Flux::Constant => 0.0,
            flux => 0.5 * alpha * noise.strength * response * branch.law.flux_slope(flux, u),
        }
    });
    gain(process, branch, t) * (branch.law.value(u) + correction)
}

/// F(x, t) without noise and without its calculus, M not divided out; derivatives of waves count as zero.
pub fn force(process: &Process, x: &[f64], t: f64) -> DVector<f64> {
    let mut out = DVector::zeros(process.nodes);
    for i in 0..process.nodes {
        out[i] = row_entries(&process.linear, i)
            .iter()
            .map(|&(j, v)| v * x[j])
            .sum();
        for (k, c) in process.polynomial.iter().enumerate() {
            out[i] += c.get(i).copied().unwrap_or(0.0) * x[i].powi(k as i32);
        }
    }
    for branch in &process.branches {
        let value = gain(process, branch, t) * branch.law.value(variable(process, branch, x, t));
        for &(i, w) in &branch.output {
            out[i] += w * value;
        }
    }
    for drive in process.drives.iter().filter(|d| !d.derivative) {
        out[drive.node] += drive.weight * process.waves[drive.wave].at(t);
    }
    out
}

/// (i, j, M_ij) of the non-zero entries of M.
pub fn mass_entries(process: &Process) -> Vec<(usize, usize, f64)> {
    match &process.mass {
        Mass::Identity => (0..process.nodes).map(|i| (i, i, 1.0)).collect(),
        Mass::Factor(factor) => {
            let mut entries = Vec::new();
            for i in 0..process.nodes {
                for j in factor.first[i]..=i {
                    let from = factor.first[i].max(factor.first[j]);
                    let value: f64 = (from..=j)
                        .map(|k| {
                            factor.rows[i][k - factor.first[i]]
                                * factor.rows[j][k - factor.first[j]]
                        })
                        .sum();
                    if value != 0.0 {
                        entries.push((i, j, value));
                        if i != j {
                            entries.push((j, i, value));
                        }
                    }
                }
            }
            entries
        }
    }
}

/// [`diffusion_at`] rest, x = 0.
pub fn diffusion(process: &Process) -> DMatrix<f64> {
    diffusion_at(process, &vec![0.0; process.nodes])
}

/// D(x) = M⁻¹ (S Sᵀ + Σ_b w_b q_b(u_b) w_bᵀ) M⁻ᵀ at time 0.
pub fn diffusion_at(process: &Process, x: &[f64]) -> DMatrix<f64> {
    let n = process.nodes;
    let s = match &process.noise {
        Noise::Diagonal(sigma) => DMatrix::from_diagonal(&DVector::from_column_slice(sigma)),
        Noise::Factor(factor) => factor.dense(),
    };
    let noisy: Vec<&Branch> = process
        .branches
        .iter()
        .filter(|b| b.noise.is_some())
        .collect();
    let columns = s.ncols();
    let mut s = s.resize_horizontally(columns + noisy.len(), 0.0);
    for (k, branch) in noisy.into_iter().enumerate() {
        let amplitude = density(process, branch, x, 0.0).sqrt();
        for &(i, w) in &branch.output {
            s[(i, columns + k)] += w * amplitude;
        }
    }
    let s = solve_mass(&process.mass, s);
    debug_assert_eq!(s.nrows(), n);
    &s * s.transpose()
}

/// x ← M⁻¹ x.
pub fn solve_mass_vector(mass: &Mass, x: &mut [f64]) {
    if let Mass::Factor(factor) = mass {
        factor.solve(x);
    }
}

fn solve_mass(mass: &Mass, mut right: DMatrix<f64>) -> DMatrix<f64> {
    if let Mass::Factor(factor) = mass {
        for mut column in right.column_iter_mut() {
            let mut values: Vec<f64> = column.iter().copied().collect();
            factor.solve(&mut values);
            column.copy_from_slice(&values);
        }
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;
    use nalgebra::dmatrix;

    fn close(a: &DMatrix<f64>, b: &DMatrix<f64>, tolerance: f64) {
        assert!((a - b).amax() < tolerance, "{a} {b}");
    }

    /// V2: two temperatures, and the non-normal shear.
    #[test]
    fn stationary_covariances() {
        let p = lyapunov(
            &dmatrix![1.5, -0.5; -0.5, 1.5],
            &dmatrix![2.0, 0.0; 0.0, 8.0],
        )
        .unwrap();
        close(&p, &dmatrix![0.875, 0.625; 0.625, 2.875], 1e-12);
        let shear = lyapunov(
            &dmatrix![1.0, 4.0; 0.0, 1.2],
            &(DMatrix::identity(2, 2) * 2.0),
        )
        .unwrap();
        assert!((shear[(0, 0)] - 7.0606).abs() < 1e-4 && (shear[(1, 1)] - 0.8333).abs() < 1e-4);
        // Semi-definite noise on an oscillator (V3).
        let oscillator = lyapunov(
            &dmatrix![0.0, -1.0; 1.0, 1.0],
            &dmatrix![0.0, 0.0; 0.0, 2.0],
        )
        .unwrap();
        close(&oscillator, &DMatrix::identity(2, 2), 1e-12);
        assert!(lyapunov(&dmatrix![-1.0], &dmatrix![1.0]).is_err());
    }

    #[test]
    fn transition_is_the_exact_one() {
        let a = dmatrix![1.0, 4.0; 0.0, 1.2];
        let d = DMatrix::identity(2, 2) * 2.0;
        let p = lyapunov(&a, &d).unwrap();
        for t in [0.01, 0.7, 30.0] {
            let (phi, sigma) = transition(&a, &d, t);
            assert!((phi[(0, 0)] - (-t).exp()).abs() < 1e-13);
            assert!((phi[(0, 1)] - 4.0 / 0.2 * ((-1.2 * t).exp() - (-t).exp())).abs() < 1e-12);
            close(&sigma, &(&p - &phi * &p * phi.transpose()), 1e-11);
        }
        let response = forced_response(&dmatrix![2.0], 0.3);
        assert!((response[(0, 0)] - (1.0 - (-0.6f64).exp()) / 2.0).abs() < 1e-14);
    }

    /// V1 and V3: the inflation of a real mode, and of an underdamped resonator.
    #[test]
    fn euler_maruyama_covariances() {
        for (rate, h, inflation) in [(1.0, 0.05, 1.02564), (4.0, 0.05, 1.11111)] {
            let p = em_covariance(&dmatrix![rate], &dmatrix![2.0 * rate], h).unwrap();
            assert!((p[(0, 0)] - inflation).abs() < 1e-5);
        }
        let (gamma, h) = (0.1, 0.01);
        let a = dmatrix![0.0, -1.0; 1.0, gamma];
        let p = em_covariance(&a, &dmatrix![0.0, 0.0; 0.0, 2.0 * gamma], h).unwrap();
        assert!((p[(0, 0)] - 1.11114).abs() < 1e-5 && (p[(1, 1)] - 1.11164).abs() < 1e-5);
        assert!((em_stability_limit(&a) - gamma).abs() < 1e-12);
        assert!(em_covariance(&a, &dmatrix![0.0, 0.0; 0.0, 0.2], 0.11).is_err());
    }
}
