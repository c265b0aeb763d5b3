//! A card's parameters from measured traces: `x[chain, draw, node]` in volts with `t[draw]` in seconds, and `bias[chain]` in
//! volts where it was swept.
//!
//! Nodes with injected noise are taken to hold the unit cell E = ½x² alone: variance kT_eff/C, correlation time τ, mean the
//! offset, d mean/d bias the gain. p-bits are two-valued: P(+1) gives the logit κ(bias + offset), the correlation time is τ0.

use crate::diagnostics::{Together, TraceEstimate, TraceFit, fit_trace, together};
use crate::error::{Error, Result};
use crate::hardware::{Card, Kind};
use crate::record::read_npz;
use crate::units::BOLTZMANN;
use serde::Serialize;
use std::path::Path;

/// Measured traces.
#[derive(Clone, Debug)]
pub struct Traces {
    /// Number of chains, draws and nodes.
    pub shape: (usize, usize, usize),
    /// `x[(chain * draws + draw) * nodes + node]`, V.
    pub x: Vec<f64>,
    /// Time between draws, s.
    pub spacing: f64,
    /// Bias of each chain, V; empty where none was applied.
    pub bias: Vec<f64>,
}

/// One fitted number.
#[derive(Clone, Debug, Serialize)]
pub struct FitRow {
    /// The card's parameter, or a word.
    pub parameter: String,
    /// Unit of the numbers.
    pub unit: String,
    /// What the card says.
    pub card: Option<f64>,
    /// What the traces say.
    pub value: f64,
    /// Its standard error.
    pub se: f64,
    /// χ² per degree of freedom of "all nodes are alike", where nodes were pooled.
    pub chi2: Option<f64>,
}

/// One node's numbers, each with its standard error.
#[derive(Clone, Debug, Serialize)]
pub struct NodeFit {
    /// Correlation time, s.
    pub tau: Option<TraceEstimate>,
    /// Variance, V².
    pub variance: TraceEstimate,
    /// Offset, V.
    pub offset: TraceEstimate,
    /// d mean/d bias (nodes), d logit/d mV (p-bits).
    pub gain: Option<TraceEstimate>,
}

/// All that a fit found.
#[derive(Clone, Debug, Serialize)]
pub struct FitReport {
    /// The card's name.
    pub card: String,
    /// Parameters.
    pub rows: Vec<FitRow>,
    /// Node by node; `None` for a node that says nothing (it never moved).
    pub nodes: Vec<Option<NodeFit>>,
}

impl Traces {
    /// Reads `x`, `t` and, where it is there, `bias`.
    ///
    /// # Errors
    /// A file that is not an archive of numbers, or arrays that are missing, of other shapes, or not evenly spaced in time.
    pub fn read(path: &Path) -> Result<Self> {
        let arrays = read_npz(path)?;
        let wrong = |reason: String| Error::File {
            file: path.to_path_buf(),
            reason,
        };
        let get = |name: &str| {
            let found = arrays.get(name);
            found.ok_or_else(|| wrong(format!("has no array `{name}`: expected x[chain, draw, node] in volts and t[draw] in seconds")))
        };
        let (x, t) = (get("x")?, get("t")?.values());
        let [chains, draws, nodes] = x.shape()[..] else {
            return Err(wrong(format!(
                "array `x` has shape {:?}: expected [chain, draw, node]",
                x.shape()
            )));
        };
        if t.len() != draws || draws < 2 {
            return Err(wrong(format!(
                "array `t` has {} times: expected {draws}, one per draw, and two or more",
                t.len()
            )));
        }
        let spacing = (t[draws - 1] - t[0]) / (draws - 1) as f64;
        let even = |pair: &[f64]| (pair[1] - pair[0] - spacing).abs() <= 1e-6 * spacing;
        // Written so that NaN is uneven.
        let rising = spacing > 0.0 && t.windows(2).all(even);
        if !rising {
            return Err(wrong(
                "array `t` is not evenly spaced: expected rising times at one distance".to_owned(),
            ));
        }
        let bias = arrays.get("bias").map_or_else(Vec::new, |b| b.values());
        if !bias.is_empty() && bias.len() != chains {
            return Err(wrong(format!(
                "array `bias` has {} values: expected {chains}, one per chain",
                bias.len()
            )));
        }
        let x = x.values();
        if x.iter().chain(&bias).any(|v| !v.is_finite()) {
            return Err(wrong("has readings that are not finite".to_owned()));
        }
        Ok(Traces {
            shape: (chains, draws, nodes),
            x,
            spacing,
            bias,
        })
    }

    /// Fits of one node, one per bias (ascending).
    fn node(&self, node: usize) -> Vec<(f64, TraceFit)> {
        let (chains, draws, nodes) = self.shape;
        let columns: Vec<Vec<f64>> = (0..chains)
            .map(|c| {
                let rows = self.x[c * draws * nodes..][..draws * nodes].iter();
                rows.skip(node).step_by(nodes).copied().collect()
            })
            .collect();
        let bias = |c: usize| self.bias.get(c).copied().unwrap_or(0.0);
        let mut settings: Vec<f64> = (0..chains).map(bias).collect();
        settings.sort_by(f64::total_cmp);
        settings.dedup();
        settings
            .into_iter()
            .filter_map(|b| {
                let own = columns.iter().enumerate().filter(|(c, _)| bias(*c) == b);
                let own: Vec<&[f64]> = own.map(|(_, x)| x.as_slice()).collect();
                fit_trace(&own, self.spacing).map(|fit| (b, fit))
            })
            .collect()
    }
}

/// Weighted mean.
fn pooled(values: &[TraceEstimate]) -> Option<TraceEstimate> {
    let weight: f64 = values.iter().map(|v| v.1.powi(-2)).sum();
    let sum: f64 = values.iter().map(|v| v.0 * v.1.powi(-2)).sum();
    (weight > 0.0).then(|| (sum / weight, weight.sqrt().recip()))
}

/// Weighted line y = a + c b through (b, y, se): a, and c where there are two settings or more.
fn line(points: &[(f64, TraceEstimate)]) -> Option<(TraceEstimate, Option<TraceEstimate>)> {
    let [mut w, mut wb, mut wbb, mut wy, mut wby] = [0.0; 5];
    for &(b, (y, se)) in points {
        let weight = se.powi(-2);
        w += weight;
        wb += weight * b;
        wbb += weight * b * b;
        wy += weight * y;
        wby += weight * b * y;
    }
    if points.len() < 2 {
        return pooled(&[points.first()?.1]).map(|a| (a, None));
    }
    let determinant = w * wbb - wb * wb;
    let a = (wbb * wy - wb * wby) / determinant;
    let c = (w * wby - wb * wy) / determinant;
    let errors = ((wbb / determinant).sqrt(), (w / determinant).sqrt());
    Some(((a, errors.0), Some((c, errors.1))))
}

/// Fits what `card` calls its parameters to `traces`.
///
/// # Errors
/// Traces of which no node moves, or readings of p-bits that are not two-valued.
pub fn fit(card: &Card, traces: &Traces) -> Result<FitReport> {
    let (low, high) = traces
        .x
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| {
            (l.min(v), h.max(v))
        });
    let telegraph = card.kind == Kind::Telegraph;
    if !(telegraph || card.kind == Kind::InjectedNoise) {
        let expected = "a card of p-bits or of nodes with injected noise";
        return Err(Error::invalid(
            "CARD",
            format!("\"{}\"", card.name),
            expected,
        ));
    }
    if telegraph && traces.x.iter().any(|&v| v != low && v != high) {
        let expected = "two levels, as p-bits have";
        return Err(Error::invalid("x", "readings between two levels", expected));
    }
    let logit_per_volt = 1e3 * card.get("physics.bias_gain").unwrap_or(1.0);
    let alpha = match telegraph {
        true => card.get("physics.tau_bias").unwrap_or(0.0),
        false => 0.0,
    };
    let node = |i: usize| -> Option<NodeFit> {
        let fits = traces.node(i);
        let variances: Vec<TraceEstimate> = fits.iter().map(|f| f.1.variance).collect();
        let points: Vec<(f64, TraceEstimate)> = fits
            .iter()
            .map(|&(b, fit)| {
                if !telegraph {
                    return (b, fit.mean);
                }
                let unit = 2.0 / (high - low);
                let m = (fit.mean.0 - low) * unit - 1.0;
                let slope = 2.0 / (1.0 - m * m);
                (b, (((1.0 + m) / (1.0 - m)).ln(), slope * unit * fit.mean.1))
            })
            .collect();
        // τ of a p-bit falls with its input as 1/cosh(αI), I half the logit: brought back to I = 0.
        let at_rest = |(&(_, fit), &(_, (y, dy))): (&(f64, TraceFit), &(f64, TraceEstimate))| {
            let (tau, se) = fit.tau?;
            let input = 0.5 * alpha * y;
            let error = (input.cosh() * se).hypot(0.5 * alpha * input.sinh() * tau * dy);
            Some((tau * input.cosh(), error))
        };
        let taus: Vec<TraceEstimate> = fits.iter().zip(&points).filter_map(at_rest).collect();
        let (at_zero, slope) = line(&points)?;
        let (offset, gain) = if telegraph {
            let kappa = slope.map_or(logit_per_volt, |c| c.0);
            let offset = (at_zero.0 / kappa, at_zero.1 / kappa.abs());
            (offset, slope.map(|c| (1e-3 * c.0, 1e-3 * c.1)))
        } else {
            (at_zero, slope)
        };
        Some(NodeFit {
            tau: pooled(&taus),
            variance: pooled(&variances)?,
            offset,
            gain,
        })
    };
    let nodes: Vec<Option<NodeFit>> = (0..traces.shape.2).map(node).collect();
    let column = |f: &dyn Fn(&NodeFit) -> Option<TraceEstimate>| {
        let values: Vec<TraceEstimate> = nodes.iter().flatten().filter_map(f).collect();
        together(&values)
    };
    let mut rows = Vec::new();
    let mut put = |parameter: &str, unit: &str, (value, se): TraceEstimate, chi2: Option<f64>| {
        rows.push(FitRow {
            parameter: parameter.to_owned(),
            unit: unit.to_owned(),
            card: card.get(parameter),
            value,
            se,
            chi2: chi2.filter(|c| c.is_finite()),
        });
    };
    let Some(offsets) = column(&|n| Some(n.offset)) else {
        return Err(Error::invalid(
            "x",
            "traces that never move",
            "traces of a running chip",
        ));
    };
    let spread = |t: &Together| (t.spread.1.is_finite()).then_some(t.spread);
    // τ is spread by a factor on a p-bit, by a share on a capacitor.
    let taus = column(&|n| {
        n.tau
            .map(|(t, e)| if telegraph { (t.ln(), e / t) } else { (t, e) })
    });
    let mut tau_spread = None;
    if let Some(taus) = taus {
        let (value, se) = taus.mean;
        if telegraph {
            put(
                "physics.tau",
                "s",
                (value.exp(), value.exp() * se),
                Some(taus.chi2),
            );
            tau_spread = spread(&taus);
        } else {
            put("physics.tau", "s", (value, se), Some(taus.chi2));
            tau_spread = spread(&taus).map(|s| (s.0 / value, s.1 / value));
        }
    }
    let gains = column(&|n| n.gain);
    if telegraph {
        if let Some(gains) = gains {
            put("physics.bias_gain", "", gains.mean, Some(gains.chi2));
        }
    } else {
        if let Some(variances) = column(&|n| Some(n.variance)) {
            let (v, se) = variances.mean;
            if let Some(c) = card.get("physics.capacitance") {
                let unit = c / BOLTZMANN;
                put(
                    "physics.noise_temperature",
                    "K",
                    (v * unit, se * unit),
                    Some(variances.chi2),
                );
            }
            put(
                "V_u",
                "V",
                (v.sqrt(), 0.5 * se / v.sqrt()),
                Some(variances.chi2),
            );
            // The variance kT_eff/C_i is spread by both; the time constant C_i/G by C alone.
            if let (Some((s, e)), Some((t, te))) = (spread(&variances), tau_spread) {
                let square = (s / v).powi(2) - t * t;
                let error = 2.0 * ((s * e / (v * v)).powi(2) + (t * te).powi(2)).sqrt();
                let value = square.max(0.0).sqrt();
                let se = if value > error.sqrt() {
                    0.5 * error / value
                } else {
                    error.sqrt()
                };
                put(
                    "nonidealities.noise_temperature_sigma",
                    "",
                    (value, se),
                    None,
                );
            }
        }
        if let Some(gains) = gains {
            put("gain", "", gains.mean, Some(gains.chi2));
        }
    }
    if let Some(s) = tau_spread {
        put("nonidealities.tau_sigma", "", s, None);
    }
    put("mean offset", "V", offsets.mean, Some(offsets.chi2));
    if let Some(s) = spread(&offsets) {
        put("nonidealities.offset", "V", s, None);
    }
    Ok(FitReport {
        card: card.name.clone(),
        rows,
        nodes,
    })
}
