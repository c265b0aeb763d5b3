//! Values of independent sources: dc, SIN, PULSE, PWL.

use crate::dynamics::Wave;
use std::sync::Arc;

/// The waveform after a source's nodes; `number` evaluates a word.
///
/// # Errors
/// What was not understood, in words.
pub(super) fn wave(
    words: &[String],
    transient: Option<(f64, f64)>,
    mut number: impl FnMut(&str) -> Result<f64, String>,
) -> Result<Wave, String> {
    let mut constant = 0.0;
    let mut shape: Option<Wave> = None;
    let mut k = 0;
    while k < words.len() {
        let word = words[k].to_ascii_lowercase();
        k += 1;
        match word.as_str() {
            "dc" => {
                let value = words.get(k).ok_or("a value after \"dc\"")?;
                constant = number(value)?;
                k += 1;
            }
            "ac" => {
                // Small-signal magnitude and phase: for other analyses.
                while k < words.len() && number(&words[k]).is_ok() {
                    k += 1;
                }
            }
            "sin" | "pulse" | "pwl" => {
                let mut values = Vec::new();
                let open = words.get(k).is_some_and(|w| w == "(");
                k += usize::from(open);
                while k < words.len() && words[k] != ")" {
                    values.push(number(&words[k])?);
                    k += 1;
                }
                if open && k == words.len() {
                    return Err("a missing \")\"".to_owned());
                }
                k += usize::from(open);
                shape = Some(match word.as_str() {
                    "sin" => sine(&values, transient)?,
                    "pulse" => pulse(&values, transient)?,
                    _ => line(&values)?,
                });
            }
            _ => constant = number(&word)?,
        }
    }
    Ok(shape.unwrap_or(Wave::Constant(constant)))
}

fn sine(v: &[f64], transient: Option<(f64, f64)>) -> Result<Wave, String> {
    let ([offset, amplitude], rest) = v.split_first_chunk().ok_or("SIN(offset amplitude …)")?;
    let at = |k: usize| rest.get(k).copied();
    Ok(Wave::Sine {
        offset: *offset,
        amplitude: *amplitude,
        frequency: match at(0).filter(|&f| f != 0.0) {
            Some(f) => f,
            None => 1.0 / transient.ok_or("a frequency, or .tran before it")?.1,
        },
        delay: at(1).unwrap_or(0.0),
        damping: at(2).unwrap_or(0.0),
        phase: at(3).unwrap_or(0.0).to_radians(),
    })
}

fn pulse(v: &[f64], transient: Option<(f64, f64)>) -> Result<Wave, String> {
    let ([low, high], rest) = v.split_first_chunk().ok_or("PULSE(low high …)")?;
    let (step, stop) = transient.unwrap_or((1e-12, f64::INFINITY));
    let edge = |k: usize| rest.get(k).copied().filter(|&t| t > 0.0).unwrap_or(step);
    let after = |k: usize| rest.get(k).copied().filter(|&t| t > 0.0).unwrap_or(stop);
    Ok(Wave::Pulse {
        low: *low,
        high: *high,
        delay: rest.first().copied().unwrap_or(0.0),
        rise: edge(1),
        fall: edge(2),
        width: after(3),
        period: rest
            .get(4)
            .copied()
            .filter(|&t| t > 0.0)
            .unwrap_or(f64::INFINITY),
    })
}

fn line(v: &[f64]) -> Result<Wave, String> {
    if v.is_empty() || !v.len().is_multiple_of(2) {
        return Err("pairs of time and value in PWL".to_owned());
    }
    let points: Arc<[(f64, f64)]> = v.chunks(2).map(|p| (p[0], p[1])).collect();
    if points.windows(2).any(|w| w[1].0 <= w[0].0) {
        return Err("ascending times in PWL".to_owned());
    }
    Ok(Wave::PiecewiseLinear(points))
}
