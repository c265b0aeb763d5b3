//! Weights of modes: the share of draws nearest to each of the given centres, with an error that knows of correlation.
//!
//! A chain that seldom changes modes says little of their weights however many draws it has: the switches are counted too.

use super::blocks::{Draws, square_distance};
use super::standard_error::{ErrorOf, standard_error};
use serde::{Deserialize, Serialize};

/// One mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mode {
    /// Share of draws.
    pub weight: f64,
    /// Its Monte Carlo standard error; NaN (null) where no chain has entered or left it.
    #[serde(deserialize_with = "null_is_nan")]
    pub se: f64,
    /// Times a chain entered it, beginnings not counted.
    pub entries: usize,
    /// Chains that were there at least once.
    pub chains: usize,
    /// Whether the weight is established: entered or begun in 20 times over all chains, and entered at least once.
    pub established: bool,
}

fn null_is_nan<'de, D: serde::Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(from)?.unwrap_or(f64::NAN))
}

/// Visits from which a weight is held established.
const VISITS: usize = 20;

/// Number of the centre nearest to each draw (the first of equals), `centres[mode * nodes + node]`.
pub fn nearest(draws: Draws, centres: &[f64]) -> Vec<usize> {
    draws
        .x
        .chunks(draws.nodes.max(1))
        .map(|x| {
            let distances = centres
                .chunks(draws.nodes)
                .map(|c| square_distance(x, c))
                .enumerate();
            let best = distances.min_by(|a, b| a.1.total_cmp(&b.1));
            best.map_or(0, |b| b.0)
        })
        .collect()
}

/// Weights of the modes with the given centres, `centres[mode * nodes + node]`.
pub fn mode_weights(draws: Draws, centres: &[f64]) -> Vec<Mode> {
    let modes = centres.len() / draws.nodes.max(1);
    let assigned = nearest(draws, centres);
    (0..modes)
        .map(|mode| {
            let inside: Vec<f64> = assigned
                .iter()
                .map(|m| f64::from(u8::from(*m == mode)))
                .collect();
            let per_chain = inside.chunks(draws.draws.max(1));
            let entries = per_chain
                .clone()
                .map(|c| c.windows(2).filter(|p| p[1] > p[0]).count())
                .sum();
            let leaves = per_chain.clone().any(|c| c.windows(2).any(|p| p[1] < p[0]));
            let begun = per_chain.clone().filter(|c| c[0] > 0.0).count();
            let moves = entries > 0 || leaves;
            Mode {
                weight: super::effective_size::mean(&inside),
                se: if moves {
                    standard_error(&inside, draws.chains, draws.draws, ErrorOf::Mean)
                } else {
                    f64::NAN
                },
                entries,
                chains: per_chain.filter(|c| c.contains(&1.0)).count(),
                established: entries > 0 && entries + begun >= VISITS,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visits_are_counted_by_hand() {
        let x = [0.1, -0.2, 1.1, 0.9, 0.0, 1.0, 1.2, 0.8, 1.0, 1.1];
        let draws = Draws {
            x: &x,
            chains: 2,
            draws: 5,
            nodes: 1,
        };
        let modes = mode_weights(draws, &[0.0, 1.0, 9.0]);
        assert!((modes[0].weight - 0.3).abs() < 1e-15 && (modes[1].weight - 0.7).abs() < 1e-15);
        assert_eq!((modes[0].entries, modes[1].entries), (1, 1));
        assert_eq!((modes[0].chains, modes[1].chains), (1, 2));
        assert!(modes[2].se.is_nan() && !modes[2].established && modes[2].weight == 0.0);
    }
}
