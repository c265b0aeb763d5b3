//! What a trained model of labelled pictures can do: name the digit (pixels clamped) and draw one (label clamped).

use super::measure::select;
use crate::error::Result;
use crate::record::Metric;
use crate::sampler::{ChainState, Clamp, Phase, Sampler};

/// Time-averaged label nodes of each clamped picture, and how often the largest is the right one.
#[derive(Debug)]
pub struct Classification {
    /// `label_mean[digit * classes + class]`.
    pub label_mean: Vec<f64>,
    /// Right answers.
    pub truth: Vec<usize>,
    /// Fraction right, with the binomial standard error.
    pub accuracy: Metric,
    /// For each digit, whether it was named rightly.
    pub right: Vec<bool>,
}

/// Clamps one picture per chain and reads the label nodes.
///
/// `rows[chain]` holds the picture's visible values (pixels then labels); `pixels` and `labels` are node ranges. The
/// free nodes start at zero, so nothing of the right answer is in the start.
pub fn classify(
    sampler: &mut dyn Sampler,
    rows: &[Vec<f64>],
    pixels: std::ops::Range<usize>,
    labels: std::ops::Range<usize>,
    phase: &Phase,
) -> Result<Classification> {
    let nodes = sampler.describe().nodes;
    let clamp = Clamp {
        nodes: pixels.clone().collect(),
        values: rows
            .iter()
            .flat_map(|row| row[pixels.clone()].to_vec())
            .collect(),
    };
    let mut values = vec![0.0; rows.len() * nodes];
    for (chain, row) in values.chunks_mut(nodes).zip(rows) {
        chain[pixels.clone()].copy_from_slice(&row[pixels.clone()]);
    }
    sampler.restore(&ChainState::at(values))?;
    let run = sampler.run(&Phase {
        clamp: Some(clamp),
        ..phase.clone()
    })?;

    let classes = labels.len();
    let label_nodes: Vec<usize> = labels.clone().collect();
    let label_values = select(&run.samples, &label_nodes);
    let draws = run.samples.draws;
    let mut label_mean = Vec::with_capacity(rows.len() * classes);
    let (mut truth, mut right) = (Vec::new(), Vec::new());
    for (chain, row) in label_values.chunks(draws * classes).zip(rows) {
        let mean: Vec<f64> = (0..classes)
            .map(|c| chain.iter().skip(c).step_by(classes).sum::<f64>() / draws as f64)
            .collect();
        let answer = largest(&row[labels.clone()]);
        right.push(largest(&mean) == answer);
        truth.push(answer);
        label_mean.extend(mean);
    }
    let p = right.iter().filter(|&&r| r).count() as f64 / right.len() as f64;
    Ok(Classification {
        label_mean,
        truth,
        accuracy: Metric {
            value: p,
            se: Some((p * (1.0 - p) / right.len() as f64).sqrt()),
        },
        right,
    })
}

/// Draws pictures with each label clamped: `pictures[class][k]` is one final state's visible part.
///
/// Chains are dealt to classes in turn; all free nodes start at zero.
pub fn generate(
    sampler: &mut dyn Sampler,
    classes: usize,
    labels: std::ops::Range<usize>,
    phase: &Phase,
    per_class: usize,
) -> Result<Vec<Vec<Vec<f32>>>> {
    let description = sampler.describe();
    let (chains, nodes) = (description.chains, description.nodes);
    let label = |chain: usize, k: usize| if chain % classes == k { 1.0 } else { -1.0 };
    let clamp = Clamp {
        nodes: labels.clone().collect(),
        values: (0..chains)
            .flat_map(|chain| (0..classes).map(move |k| label(chain, k)))
            .collect(),
    };
    let mut values = vec![0.0; chains * nodes];
    for (chain, row) in values.chunks_mut(nodes).enumerate() {
        for (k, node) in labels.clone().enumerate() {
            row[node] = label(chain, k);
        }
    }
    sampler.restore(&ChainState::at(values))?;
    let run = sampler.run(&Phase {
        every: None,
        clamp: Some(clamp),
        ..phase.clone()
    })?;
    let mut pictures = vec![Vec::new(); classes];
    for (chain, x) in run.samples.x.chunks(nodes).enumerate() {
        if pictures[chain % classes].len() < per_class {
            pictures[chain % classes].push(x.to_vec());
        }
    }
    Ok(pictures)
}

/// Difference of two accuracies on the same digits, with its paired standard error.
pub fn paired_difference(a: &[bool], b: &[bool]) -> Metric {
    let n = a.len() as f64;
    let difference: Vec<f64> = a
        .iter()
        .zip(b)
        .map(|(&a, &b)| f64::from(a) - f64::from(b))
        .collect();
    let mean = difference.iter().sum::<f64>() / n;
    let variance = difference.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    Metric {
        value: mean,
        se: Some((variance / n).sqrt()),
    }
}

fn largest(values: &[f64]) -> usize {
    values
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1))
        .map_or(0, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paired_difference_sees_what_two_binomials_would_not() {
        // 100 digits, one named wrongly by b alone: difference 1 %, paired error 1 %, not the 2 % of independent ones.
        let a = vec![true; 100];
        let mut b = a.clone();
        b[7] = false;
        let d = paired_difference(&a, &b);
        assert!((d.value - 0.01).abs() < 1e-12);
        assert!((d.se.unwrap() - 0.01).abs() < 1e-3);
    }
}
