//! Learned laws of the plane judged against two moons.
//!
//! KL(p‖model) and log Z are sums over a grid; sliced Wasserstein (W1, 200 directions) and MMD² compare 2000 independent
//! draws of the learned law with 2000 equispaced ones of the true law; their floors compare two sets of true draws.

use crate::data::{Dataset, MoonNodes, TwoMoons};
use crate::diagnostics::{Cut, Draws, mmd_at, wasserstein};
use crate::dynamics::streams::chain_rng;
use crate::energy::{Marginal, SoftSpin};
use crate::error::Result;
use crate::experiment::{MoonsData, MoonsOnNodes};
use crate::record::{Array, EnergyLedger, Metric, SamplerRecord};
use crate::sampler::Samples;
use crate::training::density::{PlaneGrid, PlaneLaw};
use rand::Rng;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::f64::consts::PI;

/// Domains of the random numbers.
pub(super) const DATA: u64 = 0x600;
pub(super) const JUDGE: u64 = 0x602;
/// Points compared.
pub(super) const POINTS: usize = 2000;
/// Directions of the sliced distance.
const DIRECTIONS: usize = 200;
/// Spacing of the grid on which the law is judged.
const SPACING: f64 = 0.0125;
/// What figures show.
pub(super) const SHOWN: PlaneGrid = PlaneGrid {
    x: (-1.75, 2.75),
    y: (-1.25, 1.75),
    cells: (150, 100),
};
/// Draws that they show.
const SHOWN_DRAWS: usize = 500;
/// Bandwidths of MMD², in the units of x: from the noise to the size of a moon.
const BANDWIDTHS: [f64; 4] = [0.05, 0.15, 0.5, 1.5];

pub(super) fn sliced(a: &[[f64; 2]], b: &[[f64; 2]]) -> f64 {
    let shadow = |points: &[[f64; 2]], angle: f64| -> Vec<f64> {
        let (sin, cos) = angle.sin_cos();
        points.iter().map(|[x, y]| cos * x + sin * y).collect()
    };
    let at = |k: usize| {
        let angle = PI * (k as f64 + 0.5) / DIRECTIONS as f64;
        wasserstein(&shadow(a, angle), &shadow(b, angle))
    };
    (0..DIRECTIONS).map(at).sum::<f64>() / DIRECTIONS as f64
}

/// The largest MMD² over bandwidths.
pub(super) fn largest_mmd(a: &[[f64; 2]], b: &[[f64; 2]], seed: u64) -> f64 {
    let (a, b) = (a.as_flattened(), b.as_flattened());
    let draws = |x| Draws {
        x,
        chains: POINTS,
        draws: 1,
        nodes: 2,
    };
    let cut = Cut {
        points: POINTS / 2,
        replicates: 1,
        seed,
        ..Cut::default()
    };
    let each = mmd_at(draws(a), draws(b), &BANDWIDTHS, &cut).map_or(Vec::new(), |m| m.each);
    each.iter()
        .map(|t| t.value)
        .fold(f64::NEG_INFINITY, f64::max)
}

/// Where the law is judged.
pub(super) fn judging() -> PlaneGrid {
    PlaneGrid::around_moons(SPACING)
}

/// What the learned law is judged against.
#[derive(Debug)]
pub(super) struct Truth {
    pub moons: TwoMoons,
    pub density: Vec<f64>,
}

impl Truth {
    pub fn new(noise: f64) -> Self {
        let moons = TwoMoons { noise };
        let near = |[x, y]: [f64; 2]| {
            let reach = 1.0 + 9.0 * noise;
            (x - 0.5).abs() < 0.5 + reach && (y - 0.25).abs() < reach
        };
        let grid = judging();
        let at = |k: usize| {
            let p = grid.centre(k);
            if near(p) { moons.density(p) } else { 0.0 }
        };
        let density = (0..grid.len()).into_par_iter().map(at).collect();
        Truth { moons, density }
    }

    pub fn judge(
        &self,
        law: &PlaneLaw,
        rng: &mut impl Rng,
        seed: u64,
    ) -> (BTreeMap<String, f64>, Vec<[f64; 2]>) {
        let draws = law.sample(POINTS, rng);
        let truth = self.moons.equispaced(POINTS, rng);
        let metrics = BTreeMap::from([
            ("kl".to_owned(), law.divergence_from(&self.density)),
            ("log_z".to_owned(), law.log_z),
            ("sliced_wasserstein".to_owned(), sliced(&draws, &truth)),
            ("mmd2".to_owned(), largest_mmd(&draws, &truth, seed)),
        ]);
        (metrics, draws)
    }
}

/// Mean over repeats with its standard error (none for one repeat).
pub(super) fn over_repeats(values: &[f64]) -> Metric {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    Metric {
        value: mean,
        se: (values.len() > 1).then(|| (square / (n - 1.0) / n).sqrt()),
    }
}

/// Two sets of true draws, judged as learned ones are; `kl` is what the samplers beside it call their divergence.
pub(super) fn floor(moons: &TwoMoons, kl: &str, seed: u64) -> SamplerRecord {
    SamplerRecord {
        name: "floor (independent true draws)".to_owned(),
        kind: "exact".to_owned(),
        metrics: floors(moons, kl, seed),
        ess_min: None,
        rhat_max: None,
        node_beta: Vec::new(),
        device_seconds: None,
        wall_seconds: 0.0,
        energy_joules: EnergyLedger::default(),
        predicted_bias: None,
        facts: BTreeMap::new(),
    }
}

/// Distances between two sets of true draws, over ten pairs.
fn floors(moons: &TwoMoons, kl: &str, seed: u64) -> BTreeMap<String, Metric> {
    let mut rng = chain_rng(seed, JUDGE, u64::MAX);
    let (mut distances, mut discrepancies) = (Vec::new(), Vec::new());
    for k in 0..10 {
        let a = moons.sample(POINTS, &mut rng);
        let b = moons.equispaced(POINTS, &mut rng);
        distances.push(sliced(&a, &b));
        discrepancies.push(largest_mmd(&a, &b, seed.wrapping_add(k)));
    }
    let none = Metric {
        value: 0.0,
        se: None,
    };
    BTreeMap::from([
        ("sliced_wasserstein".to_owned(), over_repeats(&distances)),
        ("mmd2".to_owned(), over_repeats(&discrepancies)),
        (kl.to_owned(), none),
    ])
}

/// `n` points to learn from.
pub(super) fn points(moons: &TwoMoons, data: &MoonsData, rng: &mut impl Rng) -> Vec<[f64; 2]> {
    match data.equispaced {
        true => moons.equispaced(data.count, rng),
        false => moons.sample(data.count, rng),
    }
}

/// Two moons on two nodes: rows to learn from, and as many as asked for held out.
pub(super) fn rows(nodes: &MoonsOnNodes, seed: u64) -> Dataset {
    let moons = TwoMoons {
        noise: nodes.points.noise,
    };
    let mut rng = chain_rng(seed, DATA, 0);
    let learn = points(&moons, &nodes.points, &mut rng);
    let test = moons.sample(nodes.test, &mut rng);
    let map = MoonNodes {
        moons,
        width: nodes.width,
    };
    map.dataset((&learn, &test))
}

/// F of soft spins whose first two are the plane's nodes, the others summed over, as a function of the plane's points.
#[derive(Debug)]
pub(super) struct PlaneMarginal {
    nodes: MoonNodes,
    /// Where a die's cells are shifted to.
    shift: [f64; 2],
    marginal: Marginal,
    /// Largest curvature of the visible cells where the moons are; hidden cells only soften it.
    stiffness: f64,
}

impl PlaneMarginal {
    /// Of the energy in y = x − `shift`.
    ///
    /// # Errors
    /// Hidden cells that couple to each other.
    pub fn new(nodes: MoonNodes, energy: &SoftSpin, shift: [f64; 2]) -> Result<Self> {
        let grid = judging();
        let [low, high] = [[grid.x.0, grid.y.0], [grid.x.1, grid.y.1]].map(|p| nodes.to_nodes(p));
        let within = [0, 1].map(|i| (low[i] - shift[i], high[i] - shift[i]));
        let far = 2.0 / nodes.width;
        let of = |i: usize| 2.0 * energy.j2[i] + 12.0 * energy.j4[i] * far * far;
        Ok(PlaneMarginal {
            nodes,
            shift,
            marginal: Marginal::new(energy, 2, &within)?,
            stiffness: of(0).max(of(1)),
        })
    }

    fn cells(&self, point: [f64; 2]) -> [f64; 2] {
        let x = self.nodes.to_nodes(point);
        [x[0] - self.shift[0], x[1] - self.shift[1]]
    }
}

/// Draws of the two nodes as points of the plane, [`POINTS`] of them at equal distances in the run (fewer from a shorter one).
pub(super) fn points_of(nodes: &MoonNodes, samples: &Samples) -> Vec<[f64; 2]> {
    let total = samples.chains * samples.draws;
    let count = POINTS.min(total);
    let draw = |k: usize| {
        let x = &samples.x[k * total / count * samples.nodes..];
        nodes.to_plane([f64::from(x[0]), f64::from(x[1])])
    };
    (0..count).map(draw).collect()
}

/// Distances of a sampler's draws from equispaced points of the true law.
pub(super) fn distances(
    nodes: &MoonNodes,
    samples: &Samples,
    seed: u64,
) -> BTreeMap<String, Metric> {
    let drawn = points_of(nodes, samples);
    let mut rng = chain_rng(seed, JUDGE, 0);
    let truth = nodes.moons.equispaced(POINTS, &mut rng);
    let mut found = vec![("sliced_wasserstein", sliced(&drawn, &truth))];
    if drawn.len() == POINTS {
        found.push(("mmd2", largest_mmd(&drawn, &truth, seed)));
    }
    let metric = |value| Metric { value, se: None };
    let named = found
        .into_iter()
        .map(|(name, v)| (name.to_owned(), metric(v)));
    named.collect()
}

/// An energy of the plane, and its gradient.
pub(super) trait Landscape: Sync {
    /// E up to a constant.
    fn value(&self, point: [f64; 2]) -> f64;
    /// ∇E.
    fn gradient(&self, point: [f64; 2]) -> [f64; 2];
    /// Its narrowest standard deviation.
    fn narrowest(&self) -> f64;
    /// Whether the grid that laws are judged on resolves it.
    fn is_resolved(&self) -> bool {
        self.narrowest() > SPACING
    }
}

impl Landscape for PlaneMarginal {
    fn value(&self, point: [f64; 2]) -> f64 {
        self.marginal.value(&self.cells(point))
    }

    fn gradient(&self, point: [f64; 2]) -> [f64; 2] {
        let mut gradient = [0.0; 2];
        self.marginal.gradient(&self.cells(point), &mut gradient);
        gradient.map(|g| g / self.nodes.width)
    }

    fn narrowest(&self) -> f64 {
        self.nodes.width / self.stiffness.max(0.0).sqrt()
    }
}

/// −ln p of the moons.
impl Landscape for TwoMoons {
    fn value(&self, point: [f64; 2]) -> f64 {
        -self.density(point).max(f64::MIN_POSITIVE).ln()
    }

    fn gradient(&self, point: [f64; 2]) -> [f64; 2] {
        self.score(point).map(|s| -s)
    }

    fn narrowest(&self) -> f64 {
        self.noise
    }
}

/// The moons themselves, as [`picture`] shows a sampler's law.
pub(super) fn picture_of_moons(moons: &TwoMoons, seed: u64) -> Vec<(&'static str, Array)> {
    let mut rng = chain_rng(seed, JUDGE, 1);
    picture(&moons.sample(POINTS, &mut rng), Some(moons))
}

/// A picture of a law of the plane: shade and strokes where its density is known, and some of its draws.
pub(super) fn picture(
    drawn: &[[f64; 2]],
    law: Option<&dyn Landscape>,
) -> Vec<(&'static str, Array)> {
    let every = (drawn.len() / SHOWN_DRAWS).max(1);
    let flat: Vec<f64> = drawn.iter().step_by(every).flatten().copied().collect();
    let corners = vec![SHOWN.x.0, SHOWN.x.1, SHOWN.y.0, SHOWN.y.1];
    let mut arrays = vec![
        ("box", Array::f64(&[4], corners)),
        ("points_0", Array::f64(&[flat.len() / 2, 2], flat)),
    ];
    if let Some(law) = law {
        let (nx, ny) = SHOWN.cells;
        let shade = SHOWN.law_of(|point| law.value(point)).energy;
        let least = shade.iter().copied().fold(f64::INFINITY, f64::min);
        let shade = shade.iter().map(|e| (e - least) as f32).collect();
        let coarse = PlaneGrid {
            cells: (30, 20),
            ..SHOWN
        };
        let stroke = |k: usize| {
            let [x, y] = coarse.centre(k);
            let [gx, gy] = law.gradient([x, y]);
            [x, y, gx, gy]
        };
        let strokes = (0..coarse.len()).flat_map(stroke).collect();
        arrays.push(("energy_0", Array::f32(&[ny, nx], shade)));
        arrays.push(("score_0", Array::f64(&[coarse.len(), 4], strokes)));
    }
    arrays
}
