//! How well a programmed chip holds data: the log-likelihood of rows under the law that its array settles in, exactly.

use super::chips::Prepared;
use super::measure::mean_over_chains;
use crate::hardware::Programmed;
use crate::record::{LikelihoodRecord, Metric};

/// Mean ln p of rows of ±1 under a law of their spins (bit i set where s_i = +1), in nats, with the standard error over rows.
fn mean_log(law: &[f64], rows: impl Iterator<Item = impl AsRef<[f64]>>) -> Metric {
    let of = |row: &[f64]| {
        let up = row.iter().enumerate().filter(|(_, v)| **v > 0.0);
        law[up.map(|(i, _)| 1 << i).sum::<usize>()].ln()
    };
    let each: Vec<f64> = rows.map(|row| of(row.as_ref())).collect();
    mean_over_chains(&each, each.len())
}

/// Of the experiment's training and test rows; `None` where there are none, or the law is out of reach.
pub(super) fn likelihood(prepared: &Prepared, chip: &Programmed) -> Option<LikelihoodRecord> {
    prepared.experiment.train.as_ref()?;
    let data = prepared.dataset.as_ref()?;
    let law = chip.visible_law(data.labels.end)?;
    let of = |which: &[usize]| {
        let found =
            (!which.is_empty()).then(|| mean_log(&law, which.iter().map(|&r| &data.rows[r])));
        // A state whose probability is no double has a likelihood that no record can hold.
        found.filter(|m| m.value.is_finite())
    };
    Some(LikelihoodRecord {
        train: of(&data.train)?,
        test: of(&data.test),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_spins() {
        let law = [0.1, 0.2, 0.3, 0.4];
        let rows = [[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]];
        let found = mean_log(&law, rows.iter());
        let logs = [0.2f64.ln(), 0.3f64.ln(), 0.4f64.ln()];
        let mean = logs.iter().sum::<f64>() / 3.0;
        let variance = logs.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / 2.0;
        assert!((found.value - mean).abs() < 1e-15);
        assert!((found.se.unwrap() - (variance / 3.0).sqrt()).abs() < 1e-15);
    }
}
