//! Free-energy differences from the work of driven trajectories, all energies in units of kT.
//!
//! Jarzynski: ⟨e^{−W}⟩ = e^{−ΔF} (arXiv cond-mat/9610209). Crooks: P_F(W)/P_R(−W) = e^{W − ΔF} (arXiv cond-mat/9901352),
//! from which Bennett's acceptance ratio takes ΔF with the least variance (arXiv cond-mat/0301601).

/// An estimate and its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FreeEnergy {
    /// ΔF/kT.
    pub value: f64,
    /// Its standard error (independent trajectories).
    pub se: f64,
}

/// ΔF = −ln ⟨e^{−W}⟩. Its error is honest only while the spread of W is at most a few kT: beyond, rare trajectories that
/// were never seen carry the mean.
pub fn jarzynski(work: &[f64]) -> FreeEnergy {
    let n = work.len() as f64;
    let least = work.iter().copied().fold(f64::INFINITY, f64::min);
    let weights: Vec<f64> = work.iter().map(|w| (least - w).exp()).collect();
    let mean = weights.iter().sum::<f64>() / n;
    let variance = weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / (n - 1.0);
    FreeEnergy {
        value: least - mean.ln(),
        se: (variance / n).sqrt() / mean,
    }
}

/// The Fermi function 1/(1 + eˣ), without overflow.
fn fermi(x: f64) -> f64 {
    if x > 0.0 {
        (-x).exp() / (1.0 + (-x).exp())
    } else {
        1.0 / (1.0 + x.exp())
    }
}

/// ΔF from the work of a protocol and of its time reverse, by Bennett's acceptance ratio:
/// Σ_F f(W − ΔF + m) = Σ_R f(W + ΔF − m), f the Fermi function, m = ln(n_F/n_R).
pub fn bennett(forward: &[f64], reverse: &[f64]) -> FreeEnergy {
    let (nf, nr) = (forward.len() as f64, reverse.len() as f64);
    let m = (nf / nr).ln();
    let sums = |df: f64| {
        let f: f64 = forward.iter().map(|w| fermi(w - df + m)).sum();
        let r: f64 = reverse.iter().map(|w| fermi(w + df - m)).sum();
        (f, r)
    };
    let all = || forward.iter().copied().chain(reverse.iter().map(|w| -w));
    let mut low = all().fold(f64::INFINITY, f64::min) - m.abs() - 1.0;
    let mut high = all().fold(f64::NEG_INFINITY, f64::max) + m.abs() + 1.0;
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        let (f, r) = sums(middle);
        if f < r {
            low = middle;
        } else {
            high = middle;
        }
    }
    let value = 0.5 * (low + high);
    // Bennett's variance: (⟨f²⟩/⟨f⟩² − 1)/n in each direction.
    let spread = |values: Vec<f64>, n: f64| {
        let mean = values.iter().sum::<f64>() / n;
        let square = values.iter().map(|f| f * f).sum::<f64>() / n;
        (square / (mean * mean) - 1.0) / n
    };
    let f = forward.iter().map(|w| fermi(w - value + m)).collect();
    let r = reverse.iter().map(|w| fermi(w + value - m)).collect();
    FreeEnergy {
        value,
        se: (spread(f, nf) + spread(r, nr)).sqrt(),
    }
}
