//! What a set of draws says: energies, effective temperature, effective sample sizes, moments.
//!
//! Along with each draw's energy E(x) it keeps the virial x·∇E (whose mean is n/β) and δE = ½ΔE − ¼|∇E|², the
//! first-order change of the energy per unit of step that Euler–Maruyama samples instead of E. Moments of a factor graph are those
//! of its features: the spins, and indicators of the categories' states.

use crate::diagnostics::{self, Moments};
use crate::energy::{FactorGraph, Model};
use crate::record::Metric;
use crate::sampler::{Clamp, Run, Samples};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Logits from which a factor graph's β is taken, at most about.
const MOST_LOGITS: usize = 8_000_000;

/// Everything computed from one sampler's draws of one model.
#[derive(Debug)]
pub struct Measured {
    /// E of each draw, `[chain * draws + draw]`.
    pub energy: Vec<f64>,
    /// δE of each draw (continuous models; empty for spins).
    pub delta_energy: Vec<f64>,
    /// Moments of the free nodes, in the order of `free` (of their features, for a factor graph).
    pub moments: Moments,
    /// Indices of the free nodes.
    pub free: Vec<usize>,
    /// Effective inverse temperature and its standard error.
    pub beta: (f64, f64),
    /// The same of each free node, where the energy is of spins or differentiable; NaN where a node has none.
    pub betas: Vec<(f64, f64)>,
    /// Smallest effective sample size over free nodes; `None` where chains are held at different values.
    pub ess_min: Option<f64>,
    /// Largest split R-hat over free nodes; `None` with fewer than four draws per chain.
    pub rhat_max: Option<f64>,
}

/// Mean over chains of a per-draw quantity, with the standard error of independent chains.
pub fn mean_over_chains(values: &[f64], chains: usize) -> Metric {
    let draws = values.len() / chains.max(1);
    let means: Vec<f64> = values
        .chunks(draws.max(1))
        .map(|c| c.iter().sum::<f64>() / c.len() as f64)
        .collect();
    let n = means.len() as f64;
    let mean = means.iter().sum::<f64>() / n;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Metric {
        value: mean,
        se: (means.len() > 1).then(|| (variance / n).sqrt()),
    }
}

impl Measured {
    /// Measures `samples` of `model`; clamped nodes are left out of the moments and the virial.
    pub fn new(model: &Model, samples: &Samples, clamp: Option<&Clamp>) -> Self {
        let (chains, draws, nodes) = (samples.chains, samples.draws, samples.nodes);
        let mut is_free = vec![true; nodes];
        for &node in clamp.map_or(&[][..], |c| &c.nodes) {
            is_free[node] = false;
        }
        let free: Vec<usize> = (0..nodes).filter(|&i| is_free[i]).collect();

        let per_draw: Vec<[f64; 3]> = samples
            .x
            .par_chunks(nodes)
            .map(|x| draw_quantities(model, x, &is_free))
            .collect();
        let column = |k: usize| per_draw.iter().map(|q| q[k]).collect::<Vec<f64>>();
        let energy = column(0);
        let (beta, betas) = if let Some(graph) = model.factors() {
            (factor_beta(graph, samples, &free), Vec::new())
        } else if let Some(spins) = model.discrete() {
            let fields: Vec<f64> = samples
                .x
                .par_chunks(nodes)
                .flat_map_iter(|x| {
                    let s: Vec<i8> = x.iter().map(|&v| if v > 0.0 { 1 } else { -1 }).collect();
                    free.iter()
                        .map(|&i| spins.local_field(&s, i))
                        .collect::<Vec<_>>()
                })
                .collect();
            let values = select(samples, &free);
            (
                diagnostics::pseudo_likelihood_beta(&values, &fields, chains),
                diagnostics::pseudo_likelihood_betas(&values, &fields, chains, free.len()),
            )
        } else {
            let virial: Vec<f64> = column(1)
                .chunks(draws)
                .map(|c| c.iter().sum::<f64>() / draws as f64)
                .collect();
            let whole = diagnostics::virial_beta(&virial, free.len());
            (whole, node_virial_betas(model, samples, &free))
        };

        let (values, width) = features(model, samples, &free);
        let (mut ess_min, mut rhat_max) = (None, None);
        // Chains held at different values have different laws.
        let alike = clamp.is_none_or(|c| {
            let rows = c.values.chunks(c.nodes.len().max(1));
            rows.clone().all(|row| row == &c.values[..row.len()])
        });
        if draws >= 4 && chains >= 2 && alike {
            let per_node: Vec<(f64, f64)> = (0..width)
                .into_par_iter()
                .map(|k| {
                    let trace: Vec<f64> = values.iter().skip(k).step_by(width).copied().collect();
                    (
                        diagnostics::effective_sample_size(&trace, chains, draws),
                        diagnostics::split_rhat(&trace, chains, draws),
                    )
                })
                .collect();
            ess_min = per_node
                .iter()
                .map(|p| p.0)
                .filter(|v| v.is_finite())
                .reduce(f64::min);
            rhat_max = per_node
                .iter()
                .map(|p| p.1)
                .filter(|v| v.is_finite())
                .reduce(f64::max);
        }
        Measured {
            energy,
            delta_energy: if model.continuous().is_some() {
                column(2)
            } else {
                Vec::new()
            },
            moments: diagnostics::moments(&values, chains, draws, width),
            free,
            beta,
            betas,
            ess_min,
            rhat_max,
        }
    }

    /// (node, β, standard error) of the nodes that have a β.
    pub fn node_beta(&self) -> Vec<(usize, f64, f64)> {
        let nodes = self.free.iter().zip(&self.betas);
        let found = nodes.map(|(&i, &(beta, se))| (i, beta, se));
        found
            .filter(|b| b.1.is_finite() && b.2.is_finite())
            .collect()
    }

    /// The metrics every sampler has: mean energy, β_eff, clip fraction.
    pub fn metrics(&self, run: &Run) -> BTreeMap<String, Metric> {
        let mut metrics = BTreeMap::from([(
            "mean_energy".to_owned(),
            mean_over_chains(&self.energy, run.samples.chains),
        )]);
        if self.beta.0.is_finite() {
            let (value, se) = (self.beta.0, Some(self.beta.1));
            metrics.insert("beta_eff".to_owned(), Metric { value, se });
        }
        if run.clip_fraction > 0.0 {
            metrics.insert(
                "clip_fraction".to_owned(),
                Metric {
                    value: run.clip_fraction,
                    se: None,
                },
            );
        }
        for (name, &(value, se)) in &run.notes {
            metrics.insert(name.clone(), Metric { value, se });
        }
        if let Some(acceptance) = run.acceptance {
            metrics.insert(
                "acceptance".to_owned(),
                Metric {
                    value: acceptance,
                    se: None,
                },
            );
        }
        metrics
    }
}

/// 1/⟨x_i ∂E/∂x_i⟩ of each free node of a differentiable energy.
fn node_virial_betas(model: &Model, samples: &Samples, free: &[usize]) -> Vec<(f64, f64)> {
    let Some(energy) = model.continuous() else {
        return Vec::new();
    };
    let (n, draws) = (samples.nodes, samples.draws.max(1));
    // Of each chain, the means of its draws.
    let chains = samples.x.par_chunks(draws * n).map(|chain| {
        let (mut x, mut gradient) = (vec![0.0; n], vec![0.0; n]);
        let mut sums = vec![0.0; free.len()];
        for draw in chain.chunks(n) {
            for (x, &v) in x.iter_mut().zip(draw) {
                *x = f64::from(v);
            }
            energy.gradient(&x, &mut gradient);
            for (sum, &i) in sums.iter_mut().zip(free) {
                *sum += x[i] * gradient[i] / draws as f64;
            }
        }
        sums
    });
    let chains: Vec<Vec<f64>> = chains.collect();
    let column = |k: usize| chains.iter().map(|means| means[k]).collect::<Vec<f64>>();
    (0..free.len())
        .map(|k| diagnostics::virial_beta(&column(k), 1))
        .collect()
}

/// What moments are taken of, and how many numbers a draw has: the given nodes, or their features for a factor graph.
pub(super) fn features(model: &Model, samples: &Samples, nodes: &[usize]) -> (Vec<f64>, usize) {
    let Some(graph) = model.factors() else {
        return (select(samples, nodes), nodes.len());
    };
    let mut features = graph.features();
    features.retain(|(i, _)| nodes.contains(i));
    let draws = samples.x.chunks(samples.nodes);
    let values = draws.flat_map(|x| features.iter().map(|&f| graph.feature(x, f)));
    (values.collect(), features.len())
}

/// Pseudo-likelihood β over the free variables, from draws far enough apart to keep the logits few.
fn factor_beta(graph: &FactorGraph, samples: &Samples, free: &[usize]) -> (f64, f64) {
    let states = |i: usize| graph.domains()[i].states();
    let per_draw: usize = free.iter().map(|&i| states(i)).sum();
    let all = samples.chains * samples.draws * per_draw;
    let apart = all.div_ceil(MOST_LOGITS).clamp(1, samples.draws.max(1));
    let (mut logits, mut chosen) = (Vec::new(), Vec::new());
    let mut x = vec![0u8; samples.nodes];
    for chain in samples.x.chunks(samples.draws * samples.nodes) {
        for values in chain.chunks(samples.nodes).step_by(apart) {
            graph.read(values, &mut x);
            for &i in free {
                let first = logits.len();
                logits.resize(first + states(i), 0.0);
                graph.local_logits(&mut x, i, &mut logits[first..]);
                chosen.push((states(i), usize::from(x[i])));
            }
        }
    }
    diagnostics::categorical_beta(&logits, &chosen, samples.chains)
}

/// Draws restricted to the given nodes, as f64.
pub fn select(samples: &Samples, nodes: &[usize]) -> Vec<f64> {
    samples
        .x
        .chunks(samples.nodes)
        .flat_map(|x| nodes.iter().map(|&i| f64::from(x[i])))
        .collect()
}

/// E, x·∇E over free nodes, and δE = ½ΔE − ¼|∇E|² of one draw.
pub(super) fn draw_quantities(model: &Model, x: &[f32], free: &[bool]) -> [f64; 3] {
    if let Some(energy) = model.continuous() {
        let x: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
        let mut gradient = vec![0.0; x.len()];
        energy.gradient(&x, &mut gradient);
        let (mut virial, mut square) = (0.0, 0.0);
        for i in 0..x.len() {
            if free[i] {
                virial += x[i] * gradient[i];
                square += gradient[i] * gradient[i];
            }
        }
        [
            energy.value(&x),
            virial,
            0.5 * energy.laplacian(&x) - 0.25 * square,
        ]
    } else if let Some(energy) = model.discrete() {
        let s: Vec<i8> = x.iter().map(|&v| if v > 0.0 { 1 } else { -1 }).collect();
        [energy.value(&s), 0.0, 0.0]
    } else if let Some(graph) = model.factors() {
        let mut states = vec![0u8; x.len()];
        graph.read(x, &mut states);
        [graph.value(&states), 0.0, 0.0]
    } else {
        [0.0; 3]
    }
}
