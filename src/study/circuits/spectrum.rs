//! Spectral densities against Nyquist's 4kT Re Z and, where it is installed, ngspice.

use super::{last, plan, sampler, scheme_words, traces};
use crate::circuit::spice::{Deck, NoiseStyle, write};
use crate::circuit::{Plan, SmallSignal};
use crate::error::Result;
use crate::experiment::CircuitExperiment;
use crate::record::{Chart, Established, RunDirectory, RunRecord, Series, Verdict, run_ngspice};
use crate::study::Session;
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};
use std::time::Instant;

/// Multiples of the sampling rate whose folds are added up; what is beyond is less than 1 % of the folds of a 1/f² density.
const FOLDS: u32 = 64;

/// One-sided periodogram densities at `frequencies`, Hann-windowed, averaged over chains, with standard errors.
fn periodogram(chains: &[Vec<f64>], step: f64, frequencies: &[f64]) -> (Vec<f64>, Vec<f64>) {
    use rayon::prelude::*;
    let n = chains.first().map_or(0, Vec::len);
    let window: Vec<f64> = (0..n)
        .map(|k| {
            (std::f64::consts::PI * (k as f64 + 0.5) / n as f64)
                .sin()
                .powi(2)
        })
        .collect();
    let power: f64 = window.iter().map(|w| w * w).sum();
    frequencies
        .par_iter()
        .map(|&f| {
            let omega = std::f64::consts::TAU * f * step;
            let (s, c) = omega.sin_cos();
            let densities: Vec<f64> = chains
                .iter()
                .map(|x| {
                    // A rotating phasor, renewed now and then against drift.
                    let (mut re, mut im) = (0.0, 0.0);
                    let (mut p, mut q) = (1.0, 0.0);
                    for (k, (x, w)) in x.iter().zip(&window).enumerate() {
                        if k % 1024 == 0 {
                            (q, p) = (omega * k as f64).sin_cos();
                        }
                        re += x * w * p;
                        im += x * w * q;
                        (p, q) = (p * c - q * s, q * c + p * s);
                    }
                    2.0 * step * (re * re + im * im) / power
                })
                .collect();
            let count = densities.len() as f64;
            let mean = densities.iter().sum::<f64>() / count;
            let variance =
                densities.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
            (mean, (variance / count).sqrt())
        })
        .unzip()
}

/// Measures the density of one node.
pub(super) fn run(
    experiment: &CircuitExperiment,
    directory: &RunDirectory,
    session: &Session,
    (node, (low, high)): (&str, (f64, f64)),
    record: &mut RunRecord,
) -> Result<()> {
    let deck = experiment.deck(&[])?;
    let plan = plan(experiment, &deck)?;
    let small = SmallSignal::new(&deck.circuit)?;
    let row = small.node(&node.to_ascii_lowercase())?;
    let theory = |f: f64| small.spectrum(row, f).iter().map(|s| s.1).sum::<f64>();
    // What samples show: frequencies above half the sampling rate come down into the band.
    let rate = 1.0 / plan.every;
    let sampled = |f: f64| {
        let folds = (1..=FOLDS).map(|k| f64::from(k) * rate);
        theory(f) + folds.map(|r| theory(r - f) + theory(r + f)).sum::<f64>()
    };
    let grid = |points: usize| -> Vec<f64> {
        (0..points)
            .map(|k| low * (high / low).powf(k as f64 / (points - 1) as f64))
            .collect()
    };
    let (fine, coarse) = (grid(120), grid(24));
    let start = Instant::now();
    let ours = traces(&deck.circuit, &plan, session, "netlist")?;
    let label = format!("v({})", node.to_ascii_lowercase());
    let series = |name: &str, chains: &[Vec<f64>], step: f64| {
        let (y, se) = periodogram(chains, step, &coarse);
        Series {
            label: name.to_owned(),
            x: coarse.iter().map(|f| f.log10()).collect(),
            y,
            se: Some(se),
        }
    };
    let column = ours.names.iter().position(|n| *n == label).unwrap_or(0);
    let (draws, width) = (ours.t.len(), ours.names.len());
    let chains: Vec<Vec<f64>> = (0..ours.chains)
        .map(|c| {
            (0..draws)
                .map(|k| ours.x[(c * draws + k) * width + column])
                .collect()
        })
        .collect();
    let measured = series("thermochip", &chains, plan.every);
    let mut found = sampler("netlist", start.elapsed().as_secs_f64(), plan.span.1);
    found.facts.insert(
        "scheme".to_owned(),
        scheme_words(&ours.scheme, ours.step, &plan),
    );
    found.predicted_bias = ours.bias;
    let [mean, sd] = last(&ours, column);
    found.metrics.insert(format!("{label} mean"), mean);
    found.metrics.insert(format!("{label} sd"), sd);
    record.samplers.push(found);
    record.verdicts.push(density_verdict(
        "thermochip",
        &measured,
        ours.chains,
        &sampled,
    ));
    let mut all = vec![
        Series {
            label: "4kT Re Z".to_owned(),
            x: fine.iter().map(|f| f.log10()).collect(),
            y: fine.iter().map(|&f| theory(f)).collect(),
            se: None,
        },
        measured,
    ];
    match with_ngspice(&deck, &plan, directory, &label)? {
        Some(chains) => {
            let other = series("ngspice (trnoise)", &chains, plan.every);
            record
                .verdicts
                .push(density_verdict("ngspice", &other, chains.len(), &sampled));
            all.push(other);
        }
        None => record
            .warnings
            .push("ngspice is not on PATH: its curve is not drawn".to_owned()),
    }
    record.charts.push(Chart {
        name: "spectrum".to_owned(),
        title: format!("Noise density of {label}"),
        caption: "Johnson noise: theory, this simulator and, where it is installed, ngspice."
            .to_owned(),
        x: "log10 of frequency in Hz".to_owned(),
        y: "one-sided density (V²/Hz)".to_owned(),
        log_y: true,
        names: Vec::new(),
        series: all,
    });
    Ok(())
}

/// Judges averaged periodograms of Gaussian noise: 2n times their ratio to the density is χ² on 2n degrees of freedom, n
/// being the number of chains. Deviations are given as those of a normal number of the same probability.
fn density_verdict(
    who: &str,
    series: &Series,
    chains: usize,
    density: &impl Fn(f64) -> f64,
) -> Verdict {
    let freedom = 2.0 * chains as f64;
    let law = ChiSquared::new(freedom)
        .ok()
        .zip(Normal::new(0.0, 1.0).ok());
    let score = |x: f64, y: f64| {
        let (chi, normal) = law?;
        let statistic = Some(freedom * y / density(10f64.powf(x)));
        let statistic = statistic.filter(|s| s.is_finite())?;
        let tail = chi.cdf(statistic).min(chi.sf(statistic));
        Some(-normal.inverse_cdf(tail))
    };
    let pairs = series.x.iter().zip(&series.y);
    let scores: Vec<f64> = pairs
        .map(|(&x, &y)| score(x, y).unwrap_or(f64::NAN))
        .collect();
    let worst = scores.iter().fold(0.0f64, |w, z| w.max(z.abs()));
    let rms = (scores.iter().map(|z| z * z).sum::<f64>() / scores.len() as f64).sqrt();
    Verdict {
        claim: format!("the density of {who} is 4kT Re Z"),
        established: Established::Decided(scores.iter().all(|z| z.abs() < 4.5)),
        evidence: format!(
            "largest deviation {worst:.1} standard errors over {} frequencies, rms {rms:.2}",
            scores.len()
        ),
        more_device_seconds_needed: None,
    }
}

/// The same circuit in ngspice with `trnoise` sources: one long run cut into pieces, or `None` where it is not installed.
fn with_ngspice(
    deck: &Deck,
    plan: &Plan,
    directory: &RunDirectory,
    label: &str,
) -> Result<Option<Vec<Vec<f64>>>> {
    let (pieces, stop) = (16, plan.span.1);
    let style = NoiseStyle::Transient {
        step: plan.every / 4.0,
    };
    let length = pieces as f64 * stop;
    let netlist = write(&deck.circuit, &deck.title, style, (plan.every, length));
    let Some(waveforms) = run_ngspice(directory, "ngspice.cir", &netlist)? else {
        return Ok(None);
    };
    let names: Vec<&str> = waveforms.variables.iter().map(|v| v.0.as_str()).collect();
    let Some(column) = names.iter().position(|n| *n == label) else {
        return Ok(None);
    };
    // ngspice chooses its own times: onto the grid by straight lines.
    let width = names.len();
    let points: Vec<(f64, f64)> = waveforms
        .points
        .chunks(width)
        .map(|p| (p[0], p[column]))
        .collect();
    let per_piece = (stop / plan.every) as usize;
    let mut k = 0;
    let mut at = |t: f64| {
        while k + 2 < points.len() && points[k + 1].0 < t {
            k += 1;
        }
        let ((t0, v0), (t1, v1)) = (points[k], points[k + 1]);
        if t1 > t0 {
            v0 + (v1 - v0) * (t - t0) / (t1 - t0)
        } else {
            v0
        }
    };
    let all: Vec<f64> = (1..=pieces * per_piece)
        .map(|j| at(j as f64 * plan.every))
        .collect();
    Ok(Some(all.chunks(per_piece).map(<[f64]>::to_vec).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nothing random: periodograms put at quantiles of their own law.
    #[test]
    fn verdicts_have_the_false_alarm_rate_of_their_law() {
        let judge = |chains: usize, y: f64| {
            let series = Series {
                label: String::new(),
                x: vec![3.0, 4.0],
                y: vec![2.0, y],
                se: None,
            };
            density_verdict("this", &series, chains, &|_| 2.0).established
        };
        let normal = Normal::new(0.0, 1.0).unwrap();
        for chains in [16, 64] {
            let law = ChiSquared::new(2.0 * chains as f64).unwrap();
            for (z, wanted) in [(-4.4, true), (4.4, true), (-4.6, false), (4.6, false)] {
                let y = 2.0 * law.inverse_cdf(normal.cdf(z)) / (2.0 * chains as f64);
                assert_eq!(
                    judge(chains, y),
                    Established::Decided(wanted),
                    "{chains} {z}"
                );
            }
        }
        // A two-sided density in the place of the one-sided one, by 64 chains.
        assert_eq!(judge(64, 1.0), Established::Decided(false));
        assert_eq!(judge(64, f64::NAN), Established::Decided(false));
    }
}
