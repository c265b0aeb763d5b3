//! Hyvärinen's identity as training goes: the explicit loss ½⟨|s − ∇log p|²⟩, which needs the unknown density, and the implicit one
//! ⟨½|s|² + ∇·s⟩, which does not, differ by ½⟨|∇log p|²⟩ whatever s is.

use crate::data::TwoMoons;
use crate::record::{Chart, Series};
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

/// Both losses of one field on independent draws of the true law.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub update: u64,
    pub explicit: f64,
    pub implicit: f64,
    /// ½⟨|∇log p|²⟩ on the same draws.
    pub constant: f64,
    /// Standard error of explicit − implicit − constant.
    pub se: f64,
}

/// Of scores (columns) and divergences at points of the moons.
pub(super) fn of_scores(
    moons: &TwoMoons,
    points: &DMatrix<f64>,
    (scores, divergences): (&DMatrix<f64>, Vec<f64>),
    update: u64,
) -> Identity {
    let n = points.ncols() as f64;
    let (mut explicit, mut implicit, mut constant) = (0.0, 0.0, 0.0);
    let mut gaps = Vec::with_capacity(points.ncols());
    for (r, divergence) in divergences.iter().enumerate() {
        let truth = moons.score([points[(0, r)], points[(1, r)]]);
        let s = [scores[(0, r)], scores[(1, r)]];
        let square = |v: [f64; 2]| 0.5 * (v[0] * v[0] + v[1] * v[1]);
        explicit += square([s[0] - truth[0], s[1] - truth[1]]) / n;
        implicit += (square(s) + divergence) / n;
        constant += square(truth) / n;
        // What the identity says has mean zero: −s·∇log p − ∇·s.
        gaps.push(-s[0] * truth[0] - s[1] * truth[1] - divergence);
    }
    let mean = gaps.iter().sum::<f64>() / n;
    let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Identity {
        update,
        explicit,
        implicit,
        constant,
        se: (variance / n).sqrt(),
    }
}

/// Both losses along training, the implicit one raised by the constant: one curve, if the identity holds.
pub(super) fn chart(name: &str, told: &[Identity]) -> Chart {
    let series = |label: &str, y: &dyn Fn(&Identity) -> f64, se: bool| Series {
        label: label.to_owned(),
        x: told.iter().map(|i| i.update as f64).collect(),
        y: told.iter().map(y).collect(),
        se: se.then(|| told.iter().map(|i| i.se).collect()),
    };
    Chart {
        name: format!("identity-{name}"),
        title: format!("Explicit and implicit loss of {name}"),
        caption: "Explicit: the distance from the true score, which training does not know. Implicit: what score matching minimises, raised by the constant that the identity says is between them; bars are its standard errors.".to_owned(),
        x: "update".to_owned(),
        y: "loss".to_owned(),
        log_y: false,
        names: Vec::new(),
        series: vec![
            series("explicit", &|i| i.explicit, false),
            series("implicit + constant", &|i| i.implicit + i.constant, true),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    /// Of the linear field s = −κ(x − c) the losses differ by the constant within five standard errors (false-alarm rate 6e-7);
    /// a divergence of half the size, or of the other sign, is found out.
    #[test]
    fn the_losses_differ_by_a_constant() {
        let moons = TwoMoons { noise: 0.1 };
        let draws = moons.sample(20_000, &mut Pcg64::seed_from_u64(1));
        let points = DMatrix::from_iterator(2, draws.len(), draws.iter().flatten().copied());
        let kappa = 1.7;
        let scores = points.map(|v| -kappa * (v - 0.3));
        let z = |factor: f64| {
            let divergences = vec![-2.0 * kappa * factor; draws.len()];
            let found = of_scores(&moons, &points, (&scores, divergences), 1);
            (found.explicit - found.implicit - found.constant) / found.se
        };
        assert!(z(1.0).abs() < 5.0, "{}", z(1.0));
        assert!(z(0.5).abs() > 10.0 && z(-1.0).abs() > 10.0);
    }
}
