//! Two moons: arcs (cos t, sin t) and (1 − cos t, ½ − sin t), t in [0, π], equal weights, isotropic Gaussian noise.

use super::Dataset;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};
use std::f64::consts::PI;

/// Points of the quadrature along each arc: spacing π/1000, far below any noise it is used for.
const ARC: usize = 1000;

/// The law, by its noise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwoMoons {
    /// Standard deviation around the arcs.
    pub noise: f64,
}

/// Middle of the arcs.
const CENTRE: [f64; 2] = [0.5, 0.25];

/// How the plane of the moons is put on two nodes: node = (point − (½, ¼))/width.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MoonNodes {
    /// The law.
    pub moons: TwoMoons,
    /// Length in the plane of one unit of a node.
    pub width: f64,
}

impl MoonNodes {
    /// A point as the nodes hold it.
    pub fn to_nodes(&self, point: [f64; 2]) -> [f64; 2] {
        std::array::from_fn(|i| (point[i] - CENTRE[i]) / self.width)
    }

    /// The point that the nodes hold.
    pub fn to_plane(&self, nodes: [f64; 2]) -> [f64; 2] {
        std::array::from_fn(|i| CENTRE[i] + self.width * nodes[i])
    }

    /// Rows to learn from, then rows held out; no labels.
    pub fn dataset(&self, (learn, test): (&[[f64; 2]], &[[f64; 2]])) -> Dataset {
        let all = learn.iter().chain(test);
        Dataset {
            rows: all.map(|&p| self.to_nodes(p).to_vec()).collect(),
            truth: Vec::new(),
            pixels: 0..2,
            labels: 2..2,
            train: (0..learn.len()).collect(),
            test: (learn.len()..learn.len() + test.len()).collect(),
            components: None,
            moons: Some(*self),
        }
    }
}

fn arc(moon: usize, t: f64) -> [f64; 2] {
    let (sin, cos) = t.sin_cos();
    if moon == 0 {
        [cos, sin]
    } else {
        [1.0 - cos, 0.5 - sin]
    }
}

impl TwoMoons {
    fn around(&self, moon: usize, t: f64, rng: &mut impl Rng) -> [f64; 2] {
        arc(moon, t).map(|v| {
            let z: f64 = StandardNormal.sample(rng);
            v + self.noise * z
        })
    }

    /// `n` independent points, t uniform.
    pub fn sample(&self, n: usize, rng: &mut impl Rng) -> Vec<[f64; 2]> {
        (0..n)
            .map(|_| {
                let moon = usize::from(rng.random::<bool>());
                let t = PI * rng.random::<f64>();
                self.around(moon, t, rng)
            })
            .collect()
    }

    /// `n` points at equispaced t, half on each arc, as scikit-learn's generator takes them: less scatter than independent ones.
    pub fn equispaced(&self, n: usize, rng: &mut impl Rng) -> Vec<[f64; 2]> {
        let half = n.div_ceil(2);
        (0..n)
            .map(|k| {
                let last = (if k < half { half } else { n - half } - 1).max(1);
                let t = PI * (k % half) as f64 / last as f64;
                self.around(usize::from(k >= half), t, rng)
            })
            .collect()
    }

    /// Σ over the arcs' points c of w = exp(−|x − c|²/2σ²), and of w (c − x).
    fn pulls(&self, point: [f64; 2]) -> (f64, [f64; 2]) {
        let variance = self.noise * self.noise;
        let (mut sum, mut pull) = (0.0, [0.0; 2]);
        for moon in 0..2 {
            for k in 0..ARC {
                let c = arc(moon, PI * (k as f64 + 0.5) / ARC as f64);
                let d = [c[0] - point[0], c[1] - point[1]];
                let square = d[0] * d[0] + d[1] * d[1];
                if square < 80.0 * variance {
                    let weight = (-0.5 * square / variance).exp();
                    sum += weight;
                    pull[0] += weight * d[0];
                    pull[1] += weight * d[1];
                }
            }
        }
        (sum, pull)
    }

    /// p(x, y), by quadrature along the arcs.
    pub fn density(&self, point: [f64; 2]) -> f64 {
        let variance = self.noise * self.noise;
        self.pulls(point).0 / (2.0 * ARC as f64 * 2.0 * PI * variance)
    }

    /// ∇ log p, within nine standard deviations of an arc (zero beyond, where p is below e^{−40} of its ridge).
    pub fn score(&self, point: [f64; 2]) -> [f64; 2] {
        let (sum, pull) = self.pulls(point);
        if sum == 0.0 {
            return [0.0; 2];
        }
        pull.map(|v| v / (sum * self.noise * self.noise))
    }
}
