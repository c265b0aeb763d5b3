//! The fastest and the slowest modes of a large network, dx = −A x dt with A = M⁻¹K and K = −∂F/∂x, from sparse products.
//!
//! From above: ρ(A) ≤ max_i (|A|v)_i/v_i for every v > 0 (Collatz and Wielandt), with M⁻¹|K| for |A| where M⁻¹ ≥ 0
//! (capacitors, not mutual inductors); v ← |A|v tightens it. From below: Ritz values of a Krylov space of B = √d A/√d (or
//! L⁻¹KL⁻ᵀ, M = LLᵀ), with d such that B is symmetric, or symmetric but for signs (inductors), where the network allows it.
//! Symmetric B: Lanczos, whose Ritz values never lie beyond the spectrum. Others: Arnoldi with residuals; what is said of a
//! mode is said of a network at most that far off. Up to [`DENSE_ROWS`] rows whoever asks forms A and has all modes.

use super::force::row_entries;
use super::linear::{gain, variable};
use super::process::{Mass, Process};
use super::stability::{Amplification, of_mode};
use super::streams::chain_rng;
use nalgebra::{Complex, DMatrix, DVector};
use rand::RngExt;
use std::collections::VecDeque;

/// Rows up to which all modes are computed from the dense drift matrix.
pub const DENSE_ROWS: usize = 200;

/// Products that tighten the bound from above.
const TIGHTENING: usize = 30;
/// Lanczos steps between two looks at the ends of the spectrum, and at most.
const LANCZOS: (usize, usize) = (40, 400);
/// Dimension of Arnoldi's space.
const ARNOLDI: usize = 80;
/// A bound from above this near to a Ritz value stands for it.
const CLOSE: f64 = 0.01;
/// Growth, as a share of the fastest rate, that is not rounding.
const GROWTH: f64 = 1e-9;

/// K by rows, and M.
#[derive(Clone, Debug)]
pub struct Drift {
    rows: Vec<Vec<(usize, f64)>>,
    mass: Mass,
}

/// How B relates to its transpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symmetry {
    Whole,
    ButForSigns,
    None,
}

/// What is known of the modes of a [`Drift`].
#[derive(Clone, Debug)]
pub struct Modes {
    /// Modes found and their residuals; of symmetric networks the two ends, with 0.
    found: Vec<(Complex<f64>, f64)>,
    bound: f64,
    symmetric: bool,
    decaying: bool,
}

/// Whether a process has at most linear forces.
pub fn is_linear(process: &Process) -> bool {
    let flat = |c: &Vec<f64>| c.iter().all(|&v| v == 0.0);
    process.branches.is_empty()
        && process.jumps.is_empty()
        && process.polynomial.iter().skip(2).all(flat)
}

impl Drift {
    /// K at the point `x`.
    pub fn at(process: &Process, x: &[f64]) -> Self {
        let mut rows: Vec<Vec<(usize, f64)>> = (0..process.nodes)
            .map(|i| {
                let entries = row_entries(&process.linear, i).into_iter();
                let mut row: Vec<_> = entries.map(|(j, v)| (j, -v)).collect();
                let cell: f64 = (process.polynomial.iter().enumerate().skip(1))
                    .map(|(k, c)| {
                        let c = c.get(i).copied().unwrap_or(0.0);
                        k as f64 * c * x[i].powi(k as i32 - 1)
                    })
                    .sum();
                row.push((i, -cell));
                row
            })
            .collect();
        for branch in &process.branches {
            let slope =
                gain(process, branch, 0.0) * branch.law.slope(variable(process, branch, x, 0.0));
            for &(i, out) in &branch.output {
                rows[i].extend(
                    branch
                        .input
                        .iter()
                        .map(|&(j, into)| (j, -out * slope * into)),
                );
            }
        }
        for row in &mut rows {
            row.sort_by_key(|e| e.0);
            row.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                kept.1 += if same { next.1 } else { 0.0 };
                same
            });
            row.retain(|e| e.1 != 0.0);
        }
        Drift {
            rows,
            mass: process.mass.clone(),
        }
    }

    /// (i, j, K_ij) of its entries.
    pub fn entries(&self) -> impl Iterator<Item = (usize, usize, f64)> + '_ {
        let rows = self.rows.iter().enumerate();
        rows.flat_map(|(i, row)| row.iter().map(move |&(j, value)| (i, j, value)))
    }

    /// The largest |K_ij|/M_ii: a rate of the order of the fastest element's.
    pub fn largest_entry(&self) -> f64 {
        let own = self.rows.iter().enumerate().map(|(i, row)| {
            let k = row.iter().map(|e| e.1.abs()).fold(0.0, f64::max);
            k / match &self.mass {
                Mass::Identity => 1.0,
                Mass::Factor(factor) => factor.rows[i].iter().map(|l| l * l).sum(),
            }
        });
        own.fold(0.0, f64::max)
    }

    /// √d_i with d_i |K_ij| = d_j |K_ji|, and how far K then is from symmetric.
    fn symmetrise(&self) -> (Vec<f64>, Symmetry) {
        let n = self.rows.len();
        let entry = |i: usize, j: usize| -> f64 {
            let found = self.rows[i].binary_search_by_key(&j, |e| e.0);
            found.map_or(0.0, |at| self.rows[i][at].1)
        };
        let mut d = vec![0.0; n];
        for start in 0..n {
            if d[start] != 0.0 {
                continue;
            }
            d[start] = 1.0;
            let mut reached = VecDeque::from([start]);
            while let Some(i) = reached.pop_front() {
                for &(j, value) in &self.rows[i] {
                    if d[j] == 0.0 {
                        let back = entry(j, i);
                        if back == 0.0 || matches!(self.mass, Mass::Factor(_)) {
                            d[j] = 1.0;
                        } else {
                            d[j] = d[i] * (value / back).abs();
                        }
                        reached.push_back(j);
                    }
                }
            }
        }
        let mut symmetry = Symmetry::Whole;
        for (i, row) in self.rows.iter().enumerate() {
            for &(j, value) in row {
                let (there, back) = (d[i] * value, d[j] * entry(j, i));
                let near = |a: f64, b: f64| (a - b).abs() <= 1e-10 * a.abs();
                if !near(there.abs(), back.abs()) {
                    return (vec![1.0; n], Symmetry::None);
                }
                if !near(there, back) {
                    symmetry = Symmetry::ButForSigns;
                }
            }
        }
        (d.into_iter().map(f64::sqrt).collect(), symmetry)
    }

    /// Whether the symmetric part of K, scaled, is dominated by its diagonal: then xᵀKx ≥ 0 and no mode grows.
    fn dominated(&self, root: &[f64]) -> bool {
        let n = self.rows.len();
        let (mut diagonal, mut beside) = (vec![0.0; n], vec![0.0; n]);
        for (i, row) in self.rows.iter().enumerate() {
            for &(j, value) in row {
                if i == j {
                    diagonal[i] = value;
                    continue;
                }
                let (there, ratio) = (value, root[i] / root[j]);
                let found = self.rows[j].binary_search_by_key(&i, |e| e.0);
                let back = found.map_or(0.0, |at| self.rows[j][at].1);
                let symmetric = 0.5 * (there * ratio + back / ratio).abs();
                // Entries that only one of the two rows has count for both.
                beside[i] += symmetric;
                if found.is_err() {
                    beside[j] += symmetric;
                }
            }
        }
        // Rounding of the row's sum is not growth.
        let holds = |(d, b): (&f64, &f64)| *d >= b * (1.0 - 1e-12);
        // The plain rows of A do as well: a disc in the right half plane (Gershgorin).
        let discs = || {
            matches!(self.mass, Mass::Identity)
                && self.rows.iter().enumerate().all(|(i, row)| {
                    let own = row.iter().find(|e| e.0 == i).map_or(0.0, |e| e.1);
                    let rest: f64 = row.iter().filter(|e| e.0 != i).map(|e| e.1.abs()).sum();
                    own >= rest * (1.0 - 1e-12)
                })
        };
        diagonal.iter().zip(&beside).all(holds) || discs()
    }

    /// An upper bound of ρ(A); infinite where masses forbid one.
    fn bound(&self) -> f64 {
        if let Mass::Factor(factor) = &self.mass {
            // M⁻¹ ≥ 0 where no two rows have a positive mass in common: then its factor has no positive entry beside the diagonal.
            let below = |row: &Vec<f64>| row[..row.len() - 1].iter().all(|&l| l <= 0.0);
            if !factor.rows.iter().all(below) {
                return f64::INFINITY;
            }
        }
        let n = self.rows.len();
        let (mut v, mut next) = (vec![1.0; n], vec![0.0; n]);
        let mut bound = f64::INFINITY;
        for _ in 0..TIGHTENING {
            for (row, to) in self.rows.iter().zip(&mut next) {
                *to = row.iter().map(|&(j, value)| value.abs() * v[j]).sum();
            }
            if let Mass::Factor(factor) = &self.mass {
                factor.solve(&mut next);
            }
            let largest = next.iter().zip(&v).map(|(a, b)| a / b).fold(0.0, f64::max);
            bound = largest.min(bound);
            // v stays well above zero, which keeps every quotient meaningful.
            let scale = 1.0 / largest;
            if largest == 0.0 {
                break;
            }
            for (v, next) in v.iter_mut().zip(&next) {
                *v = (0.5 * (*v + next * scale)).max(1e-12);
            }
        }
        bound
    }

    /// [`Modes::limit`], computed where `step` is not known to be stable: a real spectrum needs no more than its bound.
    pub(super) fn limit(&self, step: f64, amplification: Amplification) -> f64 {
        let (root, symmetry) = self.symmetrise();
        let real = symmetry == Symmetry::Whole && self.dominated(&root);
        let safe = match real {
            true => of_mode(Complex::new(self.bound(), 0.0), amplification),
            false => 0.0,
        };
        if step < safe {
            safe
        } else {
            self.modes().limit(amplification)
        }
    }

    /// The ends of the spectrum.
    pub fn modes(&self) -> Modes {
        let (root, symmetry) = self.symmetrise();
        let scaled: Vec<Vec<(usize, f64)>> = (self.rows.iter().enumerate())
            .map(|(i, row)| {
                let entry = |&(j, value): &(usize, f64)| (j, value * root[i] / root[j]);
                row.iter().map(entry).collect()
            })
            .collect();
        let product = |x: &DVector<f64>| -> DVector<f64> {
            let mut from = x.clone();
            if let Mass::Factor(factor) = &self.mass {
                factor.solve_upper(from.as_mut_slice());
            }
            let mut to = DVector::from_iterator(
                x.len(),
                scaled
                    .iter()
                    .map(|row| row.iter().map(|&(j, value)| value * from[j]).sum()),
            );
            if let Mass::Factor(factor) = &self.mass {
                factor.solve_lower(to.as_mut_slice());
            }
            to
        };
        let bound = self.bound();
        let decaying = self.dominated(&root);
        let symmetric = symmetry == Symmetry::Whole;
        let found = if symmetric {
            let enough = |slow: f64, fast: f64| {
                bound <= (1.0 + 1e-4) * fast && (decaying || slow < -GROWTH * fast)
            };
            let (slow, fast) = lanczos(self.rows.len(), product, enough);
            [slow, fast].map(|l| (Complex::new(l, 0.0), 0.0)).to_vec()
        } else {
            arnoldi(self.rows.len(), product)
        };
        Modes {
            found,
            bound,
            symmetric,
            decaying,
        }
    }
}

impl Modes {
    /// The largest |λ|, or with `first_order` the largest |λ|²/Re λ, by which a first-order scheme's step is judged. Where the
    /// bound from above is within a hundredth it is taken.
    pub fn fastest(&self, first_order: bool) -> f64 {
        let size = |l: &Complex<f64>| l.norm();
        let largest = self.found.iter().map(|f| size(&f.0)).fold(0.0, f64::max);
        let safe = if self.bound <= (1.0 + CLOSE) * largest {
            self.bound
        } else {
            largest
        };
        let known = |(l, residual): &&(Complex<f64>, f64)| l.re > 0.0 && *residual < 0.01 * l.re;
        let ringing = self
            .found
            .iter()
            .filter(known)
            .map(|f| f.0.norm_sqr() / f.0.re);
        match first_order && !self.symmetric {
            true => ringing.fold(safe, f64::max),
            false => safe,
        }
    }

    /// Whether some mode certainly grows.
    pub fn growing(&self) -> bool {
        let fastest = self.found.iter().map(|f| f.0.norm()).fold(0.0, f64::max);
        let grows = |&(l, residual): &(Complex<f64>, f64)| {
            l.re < -GROWTH * fastest && l.re < -10.0 * residual
        };
        !self.decaying && self.found.iter().any(grows)
    }

    /// The largest step at which no mode that was found grows: a step beyond is certainly unstable.
    pub(super) fn limit(&self, amplification: Amplification) -> f64 {
        let limit = |&(l, residual): &(Complex<f64>, f64)| {
            if residual > 1e-3 * l.norm() {
                return f64::INFINITY;
            }
            of_mode(l + 10.0 * residual, amplification)
        };
        self.found.iter().map(limit).fold(f64::INFINITY, f64::min)
    }
}

fn start(n: usize) -> DVector<f64> {
    let mut rng = chain_rng(0, 0, n as u64);
    let x = DVector::from_fn(n, |_, _| rng.random::<f64>() - 0.5);
    let norm = x.norm();
    x / norm
}

/// Smallest and largest Ritz value of a symmetric product, without reorthogonalisation: copies of converged values do no
/// harm to the ends.
fn lanczos(
    n: usize,
    product: impl Fn(&DVector<f64>) -> DVector<f64>,
    enough: impl Fn(f64, f64) -> bool,
) -> (f64, f64) {
    let (mut alpha, mut beta): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let (mut before, mut v) = (DVector::zeros(n), start(n));
    let mut ends = (0.0, 0.0);
    while alpha.len() < LANCZOS.1 {
        let mut next = product(&v);
        if let Some(&b) = beta.last() {
            next.axpy(-b, &before, 1.0);
        }
        let a = next.dot(&v);
        next.axpy(-a, &v, 1.0);
        alpha.push(a);
        let b = next.norm();
        let closed = b <= 1e-14 * a.abs();
        if closed || alpha.len() % LANCZOS.0 == 0 {
            let (slow, fast) = tridiagonal_ends(&alpha, &beta);
            let still = |a: f64, b: f64| (a - b).abs() <= 1e-9 * fast.abs();
            if closed || enough(slow, fast) || still(slow, ends.0) && still(fast, ends.1) {
                return (slow, fast);
            }
            ends = (slow, fast);
        }
        beta.push(b);
        before = std::mem::replace(&mut v, next / b);
    }
    ends
}

/// The smallest and the largest eigenvalue of a symmetric tridiagonal matrix, by counting signs (Sturm).
fn tridiagonal_ends(diagonal: &[f64], beside: &[f64]) -> (f64, f64) {
    let m = diagonal.len();
    let reach = |k: usize| {
        let before = if k > 0 { beside[k - 1].abs() } else { 0.0 };
        let after = if k + 1 < m { beside[k].abs() } else { 0.0 };
        before + after
    };
    let low = (0..m).map(|k| diagonal[k] - reach(k));
    let high = (0..m).map(|k| diagonal[k] + reach(k));
    let (low, high) = (
        low.fold(f64::INFINITY, f64::min),
        high.fold(f64::NEG_INFINITY, f64::max),
    );
    let tiny = f64::EPSILON * low.abs().max(high.abs()) + f64::MIN_POSITIVE;
    // Eigenvalues below x.
    let below = |x: f64| {
        let (mut count, mut q) = (0, 1.0);
        for (k, &d) in diagonal.iter().enumerate() {
            let b = if k > 0 { beside[k - 1] } else { 0.0 };
            q = d - x - b * b / q;
            if q.abs() < tiny {
                q = -tiny;
            }
            count += usize::from(q < 0.0);
        }
        count
    };
    let bisect = |wanted: usize| {
        let (mut a, mut b) = (low, high);
        for _ in 0..80 {
            let middle = 0.5 * (a + b);
            if below(middle) >= wanted {
                b = middle;
            } else {
                a = middle;
            }
        }
        0.5 * (a + b)
    };
    (bisect(1), bisect(m))
}

/// Ritz values of a product and their residuals.
fn arnoldi(n: usize, product: impl Fn(&DVector<f64>) -> DVector<f64>) -> Vec<(Complex<f64>, f64)> {
    let most = ARNOLDI.min(n);
    let mut basis = vec![start(n)];
    let mut h = DMatrix::zeros(most, most);
    let (mut size, mut beyond) = (most, 0.0);
    for k in 0..most {
        let mut next = product(&basis[k]);
        // Twice is enough (Kahan and Parlett).
        for _ in 0..2 {
            for (i, v) in basis.iter().enumerate() {
                let along = next.dot(v);
                h[(i, k)] += along;
                next.axpy(-along, v, 1.0);
            }
        }
        beyond = next.norm();
        if beyond <= 1e-13 * h.norm() || k + 1 == most {
            size = k + 1;
            break;
        }
        h[(k + 1, k)] = beyond;
        basis.push(next / beyond);
    }
    let h = h.view((0, 0), (size, size)).into_owned();
    let complex = h.map(|v| Complex::new(v, 0.0));
    let values = h.complex_eigenvalues();
    let residual = |l: Complex<f64>| {
        // The eigenvector by two inverse iterations a rounding beside the eigenvalue.
        let shift = l + Complex::new(1e-13 * (l.norm() + beyond), 0.0);
        let lu = (&complex - DMatrix::identity(size, size) * shift).lu();
        let mut y = DVector::from_element(size, Complex::new(1.0, 0.0));
        for _ in 0..2 {
            let Some(solved) = lu.solve(&y) else {
                return f64::INFINITY;
            };
            let norm = solved.norm();
            y = solved / Complex::new(norm, 0.0);
        }
        let own = (&complex * &y - &y * l).norm();
        own + beyond * y[size - 1].norm()
    };
    values.iter().map(|&l| (l, residual(l))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::linear::linearised;
    use super::super::process::{EnvelopeFactor, Linear};
    use super::super::stability::{euler, limit, second_order};
    use super::*;
    use rand_pcg::Pcg32;

    /// A random network of conductances on a ring with chords, every node of its own capacitance.
    fn network(n: usize, rng: &mut Pcg32, active: f64) -> Vec<Vec<(usize, f64)>> {
        let c: Vec<f64> = (0..n).map(|_| (3.0 * rng.random::<f64>()).exp()).collect();
        let mut k = DMatrix::<f64>::zeros(n, n);
        for e in 0..2 * n {
            let (i, j) = match e < n {
                true => (e, (e + 1) % n),
                false => (rng.random_range(0..n), rng.random_range(0..n)),
            };
            let g = 0.1 + rng.random::<f64>();
            if i != j {
                for (a, b) in [(i, j), (j, i)] {
                    k[(a, a)] += g;
                    k[(a, b)] -= g;
                }
                k[(i, j)] += active * (rng.random::<f64>() - 0.5);
            }
        }
        let entry = |i: usize, j: usize| (j, -k[(i, j)] / c[i]);
        (0..n)
            .map(|i| (0..n).map(|j| entry(i, j)).filter(|e| e.1 != 0.0).collect())
            .collect()
    }

    fn process(rows: Vec<Vec<(usize, f64)>>) -> Process {
        let mut process = Process::still(rows.len());
        process.linear = Linear::Sparse(rows);
        process
    }

    /// Couples the masses of neighbours by `share` of their own.
    fn with_masses(mut process: Process, share: f64) -> Process {
        let row = |i: usize| match i {
            0 => vec![(0, 1.0)],
            i => vec![(i - 1, share), (i, 1.0)],
        };
        let lower: Vec<_> = (0..process.nodes).map(row).collect();
        process.mass = Mass::Factor(EnvelopeFactor::new(&lower, false).unwrap());
        process
    }

    /// LC ladder with losses in some of its cells: voltages first, currents after them.
    fn resonators(n: usize, rng: &mut Pcg32) -> Process {
        let half = n / 2;
        let mut rows = vec![Vec::new(); 2 * half];
        for i in 0..half {
            rows[i].push((i, -0.02 - 0.1 * rng.random::<f64>()));
            rows[i].push((half + i, -1.0));
            rows[half + i].push((i, 1.0));
            if i + 1 < half {
                rows[i + 1].push((half + i, 1.0));
                rows[half + i].push((i + 1, -1.0));
            }
        }
        for row in &mut rows {
            row.sort_by_key(|e| e.0);
        }
        process(rows)
    }

    /// What is said without a full matrix holds against all eigenvalues: bounds are bounds, no stable step is refused, no
    /// network that decays is said to grow, and the fastest rate is right to a hundredth.
    #[test]
    fn against_all_modes() {
        let mut rng = chain_rng(1, 2, 3);
        for n in [7, 40, 75, 160, 200] {
            let processes = [
                ("unequal capacitances", process(network(n, &mut rng, 0.0))),
                ("coupling capacitors", {
                    let mut equal = network(n, &mut rng, 0.0);
                    // Symmetric K: capacitances are in M.
                    for (i, row) in equal.clone().into_iter().enumerate() {
                        for (j, value) in row.into_iter().filter(|e| e.0 < i) {
                            let at = equal[j].binary_search_by_key(&i, |e| e.0).unwrap();
                            equal[j][at].1 = value;
                        }
                    }
                    with_masses(process(equal), -0.3)
                }),
                (
                    "mutual masses",
                    with_masses(process(network(n, &mut rng, 0.0)), 0.3),
                ),
                ("active", process(network(n, &mut rng, 0.6))),
                ("resonators", resonators(n + n % 2, &mut rng)),
            ];
            for (name, process) in processes {
                let rest = vec![0.0; process.nodes];
                let a = linearised(&process, &rest);
                let all = a.complex_eigenvalues();
                let largest = all.iter().map(|l| l.norm()).fold(0.0, f64::max);
                let slowest = all.iter().map(|l| l.re).fold(f64::INFINITY, f64::min);
                let drift = Drift::at(&process, &rest);
                let modes = drift.modes();
                assert!(modes.bound >= largest * (1.0 - 1e-12), "{name} {n}");
                let ratio = modes.fastest(false) / largest;
                assert!((0.99..1.0101).contains(&ratio), "{name} {n}: {ratio}");
                for (r, allowed) in [(euler as Amplification, 1.03), (second_order, 1.02)] {
                    let exact = limit(&a, r);
                    let ours = modes.limit(r);
                    assert!(ours >= exact * (1.0 - 1e-9), "{name} {n}: {ours} {exact}");
                    // A step that is not refused though unstable is at most this far beyond.
                    if slowest > -1e-12 {
                        let beyond = ours / exact;
                        assert!(beyond < allowed || n > ARNOLDI, "{name} {n}: {beyond}");
                    }
                    let step = 0.999 * exact;
                    assert!(step < drift.limit(step, r), "{name} {n}");
                }
                let grows = slowest < -1e-6 * largest;
                assert!(grows || !modes.growing(), "{name} {n}");
                assert!(!grows || !modes.decaying, "{name} {n}");
            }
        }
    }

    /// λ_k = 2 − 2 cos(kπ/(n+1)).
    #[test]
    fn a_ladder_of_ten_thousand() {
        let n = 10_000;
        let row = |i: usize| {
            let ends = [i.checked_sub(1), Some(i), Some(i + 1).filter(|&j| j < n)];
            let entry = |j: usize| (j, if i == j { -2.0 } else { 1.0 });
            ends.into_iter().flatten().map(entry).collect()
        };
        let process = process((0..n).map(row).collect());
        let drift = Drift::at(&process, &vec![0.0; n]);
        let exact = 2.0 + 2.0 * (std::f64::consts::PI / (n + 1) as f64).cos();
        let modes = drift.modes();
        assert!((modes.fastest(true) / exact - 1.0).abs() < 1e-6);
        assert!(modes.bound >= exact && !modes.growing() && modes.decaying);
        assert!((modes.limit(euler) * exact / 2.0 - 1.0).abs() < 1e-3);
        assert!((drift.limit(0.4999, euler) - 0.5).abs() < 1e-6);
    }

    /// One node with a negative conductance of its own in a ladder: seen, whatever the rest.
    #[test]
    fn growth_is_seen() {
        let mut rng = chain_rng(1, 2, 4);
        for n in [50, 400] {
            let mut rows = network(n, &mut rng, 0.0);
            let own = rows[n / 2].iter_mut().find(|e| e.0 == n / 2).unwrap();
            own.1 = 1.0;
            let modes = Drift::at(&process(rows), &vec![0.0; n]).modes();
            assert!(modes.growing() && !modes.decaying);
        }
    }
}
