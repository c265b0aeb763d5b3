//! What training tells of its negatives: learning curves, last values, and since when the chains have left the model's law.
//!
//! A value "at the end" is the mean over the last tenth of the observations. Chains count as having left the law where
//! - less than half of Langevin steps would pass a Metropolis test: beyond the stability limit of one direction;
//! - |Δ|, the energy gap, is beyond d/4 kT (half of equipartition's d/2) and beyond five of its standard errors;
//! - data and chains are more than ten floors of the energy distance apart.

use crate::record::{Chart, Established, Series, Verdict};
use crate::training::density::{ChainMonitors, Monitors};
use std::collections::BTreeMap;

/// Below this acceptance a step is too long.
const LEAST_ACCEPTANCE: f64 = 0.5;
/// Largest energy gap, in kT per variable.
const LARGEST_GAP: f64 = 0.25;
/// Standard errors that a gap must be away from zero to count.
const GAP_ERRORS: f64 = 5.0;
/// Largest distance in units of its floor.
const LARGEST_DISTANCE: f64 = 10.0;
/// Repeats drawn in one figure.
const DRAWN: usize = 4;

/// One in so many observations is "the end".
const END: usize = 10;

fn end(seen: &[Monitors]) -> usize {
    (seen.len() / END).max(1)
}

fn mean(window: &[Monitors], of: impl Fn(&Monitors) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = window.iter().filter_map(of).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn of_chains(window: &[Monitors], of: impl Fn(&ChainMonitors) -> f64) -> Option<f64> {
    mean(window, |m| m.chains.as_ref().map(&of))
}

/// The mean gap and its standard error, as if the observations were independent.
fn gap(window: &[Monitors]) -> Option<(f64, f64)> {
    let mean = of_chains(window, |c| c.energy_gap)?;
    let square = of_chains(window, |c| c.energy_gap_se.map_or(f64::INFINITY, |s| s * s))?;
    Some((mean, (square / window.len() as f64).sqrt()))
}

/// The relative standard error of the gradient: rms error over rms length.
fn gradient_noise(window: &[Monitors]) -> Option<f64> {
    let error = mean(window, |m| m.gradient_se.map(|s| s * s))?;
    let length = mean(window, |m| Some(m.gradient_norm * m.gradient_norm))?;
    (length > 0.0).then(|| (error / length).sqrt())
}

/// Values at the end, by metric.
pub(super) fn metrics(seen: &[Monitors]) -> BTreeMap<String, f64> {
    let last = &seen[seen.len() - end(seen).min(seen.len())..];
    let values = [
        ("gradient_noise", gradient_noise(last)),
        ("energy_gap", of_chains(last, |c| c.energy_gap)),
        ("negatives_distance", of_chains(last, |c| c.distance)),
        (
            "negatives_distance_floor",
            of_chains(last, |c| c.distance_floor),
        ),
        ("independent_negatives", of_chains(last, |c| c.independent)),
        ("langevin_acceptance", of_chains(last, |c| c.acceptance)),
    ];
    let stated = values.into_iter().filter_map(|(n, v)| Some((n, v?)));
    stated.map(|(n, v)| (n.to_owned(), v)).collect()
}

/// Since which update every tenth of the observations, up to the last, has been `wrong`.
fn since(seen: &[Monitors], wrong: impl Fn(&[Monitors]) -> bool) -> Option<u64> {
    let windows = seen.windows(end(seen)).rev();
    let unbroken = windows.take_while(|w| wrong(w)).last()?;
    unbroken.last().map(|m| m.update)
}

/// In what the chains of a training with `inputs` variables and steps of `step` are not at the model's law, one sentence each.
pub(super) fn warnings(seen: &[Monitors], inputs: usize, step: f64) -> Vec<String> {
    let values = metrics(seen);
    let value = |name: &str| values.get(name).copied().unwrap_or(f64::NAN);
    let mut said = Vec::new();
    let low = |w: &[Monitors]| of_chains(w, |c| c.acceptance).is_some_and(|a| a < LEAST_ACCEPTANCE);
    if let Some(update) = since(seen, low) {
        said.push(format!(
            "since update {update} fewer than half of the Langevin steps would pass a Metropolis test ({:.2} at the end): step = {step} is too long for the landscape",
            value("langevin_acceptance")
        ));
    }
    let most = LARGEST_GAP * inputs as f64;
    let wide =
        |w: &[Monitors]| gap(w).is_some_and(|(g, se)| g.abs() > most && g.abs() > GAP_ERRORS * se);
    if let Some(update) = since(seen, wide) {
        let gap = value("energy_gap");
        let side = if gap < 0.0 { "above" } else { "below" };
        said.push(format!(
            "since update {update} the chains' mean energy is more than {most:.2} kT from the data's ({:.2} kT {side} at the end): the chains are not at the model's law, or the law is far from the data's",
            gap.abs()
        ));
    }
    let far = |w: &[Monitors]| {
        let pair = of_chains(w, |c| c.distance).zip(of_chains(w, |c| c.distance_floor));
        pair.is_some_and(|(d, floor)| d > LARGEST_DISTANCE * floor)
    };
    if let Some(update) = since(seen, far) {
        said.push(format!(
            "since update {update} the chains are more than {LARGEST_DISTANCE} sampling floors from the data (energy distance {:.3} with a floor of {:.3} at the end): they have left the data, or have not come there yet",
            value("negatives_distance"),
            value("negatives_distance_floor")
        ));
    }
    said
}

/// Whether the chains of `held` of `repeats` trainings stayed at the model's law.
pub(super) fn verdict(name: &str, held: usize, repeats: &[&[Monitors]]) -> Verdict {
    let words = |key: &str| {
        let values = repeats.iter().filter_map(|seen| metrics(seen).remove(key));
        let words: Vec<String> = values.map(|v| format!("{v:.2}")).collect();
        words.join(", ")
    };
    Verdict {
        claim: format!("the chains of {name} are at the model's law when training ends"),
        established: Established::Decided(held == repeats.len()),
        evidence: format!(
            "{held} of {} repeats; energy gap {} kT, acceptance of a corrected step {}",
            repeats.len(),
            words("energy_gap"),
            words("langevin_acceptance")
        ),
        more_device_seconds_needed: None,
    }
}

/// A line per repeat of what `of` says, where it says something.
fn lines(
    label: &str,
    repeats: &[&[Monitors]],
    of: impl Fn(&Monitors) -> Option<f64>,
) -> Vec<Series> {
    let drawn = repeats.iter().take(DRAWN).enumerate();
    drawn
        .map(|(k, seen)| {
            let points = seen.iter().filter_map(|m| Some((m.update as f64, of(m)?)));
            let (x, y) = points.filter(|p| p.1.is_finite()).unzip();
            Series {
                label: format!("{label}repeat {k}"),
                x,
                y,
                se: None,
            }
        })
        .collect()
}

fn chart(stem: &str, (title, caption): (String, &str), y: &str, series: Vec<Series>) -> Chart {
    Chart {
        name: stem.to_owned(),
        title,
        caption: caption.to_owned(),
        x: "update".to_owned(),
        y: y.to_owned(),
        log_y: false,
        names: Vec::new(),
        series,
    }
}

/// Learning curves of one method.
pub(super) fn charts(name: &str, repeats: &[&[Monitors]]) -> Vec<Chart> {
    // A training that diverged early may have none.
    if repeats.iter().all(|seen| seen.is_empty()) {
        return Vec::new();
    }
    let noise = |m: &Monitors| Some(m.gradient_se? / m.gradient_norm.max(f64::MIN_POSITIVE));
    let mut charts = vec![chart(
        &format!("gradient-noise-{name}"),
        (
            format!("Noise of the gradient of {name}"),
            "Standard error of the gradient over its length, from the scatter of groups of the batch; at 1 an update follows noise.",
        ),
        "standard error / length",
        lines("", repeats, noise),
    )];
    let sampled = repeats.iter().any(|r| r.iter().any(|m| m.chains.is_some()));
    if !sampled {
        return charts;
    }
    let of = |get: fn(&ChainMonitors) -> f64| move |m: &Monitors| m.chains.as_ref().map(get);
    let mut gaps = lines("", repeats, of(|c| c.energy_gap));
    for (series, seen) in gaps.iter_mut().zip(repeats) {
        let errors = seen.iter().filter_map(|m| m.chains?.energy_gap_se);
        let errors: Vec<f64> = errors.filter(|e| e.is_finite()).collect();
        series.se = (errors.len() == series.x.len()).then_some(errors);
    }
    charts.push(chart(
        &format!("energy-gap-{name}"),
        (
            format!("Energy gap of {name}"),
            "⟨E⟩ of the data minus ⟨E⟩ of the chains, with its standard error: near 0 when chains are at the law of a trained model.",
        ),
        "energy gap (kT)",
        gaps,
    ));
    charts.push(chart(
        &format!("negatives-distance-{name}"),
        (
            format!("Distance of data and chains of {name}"),
            "Energy distance, and its rms were both from one law.",
        ),
        "energy distance",
        [
            lines("", repeats, of(|c| c.distance)),
            lines("floor, ", &repeats[..1], of(|c| c.distance_floor)),
        ]
        .concat(),
    ));
    charts.push(chart(
        &format!("negatives-{name}"),
        (
            format!("Chains of {name}"),
            "Acceptance of a Metropolis-corrected Langevin step (½ at the stability limit of one direction), and effective draws per chain and update.",
        ),
        "share",
        [
            lines("acceptance, ", repeats, of(|c| c.acceptance)),
            lines("independent, ", repeats, of(|c| c.independent)),
        ]
        .concat(),
    ));
    charts
}
