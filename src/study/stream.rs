//! Runs that keep moments instead of draws: one phase in blocks, each forgotten when it has been added up.
//!
//! A block goes on where the last one ended (chains, streams, clocks and what a scheme remembers), so the sums are those of
//! the one long run. A factor graph's moments are those of its features (see `measure`), and of the products asked for.

use super::measure::{draw_quantities, features, mean_over_chains};
use crate::diagnostics::{
    self, Estimates, Histogram, NodeMoments, Reading, StreamingMoments, StreamingProducts,
};
use crate::energy::{Couplings, MAX_STATES, Model, enumerate_factors};
use crate::error::{Error, Result};
use crate::record::{Array, Metric};
use crate::sampler::{Horizon, Phase, Run, Sampler, Samples};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Numbers that a block may hold.
const BLOCK: usize = 8_000_000;
/// Bins of the histogram over all nodes.
const BINS: usize = 200;

/// What a streamed run found.
#[derive(Debug)]
pub(super) struct Streamed {
    /// The whole run, but for its draws: those of the last block alone.
    pub run: Run,
    /// Draws per chain of the whole run.
    pub draws: u64,
    /// Of energy and temperature.
    pub metrics: BTreeMap<String, Metric>,
    /// For the file of moments.
    pub arrays: Vec<(&'static str, Array)>,
}

/// Runs `phase`, which says how far apart its draws are, in blocks.
pub(super) fn run(
    model: &Model,
    products: &[Vec<Reading>],
    sampler: &mut dyn Sampler,
    phase: &Phase,
) -> Result<Streamed> {
    let description = sampler.describe();
    let per_draw = description.chains * description.nodes;
    let per_block = (BLOCK / per_draw).max(1) as u64;
    in_blocks(model, products, sampler, phase, per_block)
}

fn in_blocks(
    model: &Model,
    products: &[Vec<Reading>],
    sampler: &mut dyn Sampler,
    phase: &Phase,
    per_block: u64,
) -> Result<Streamed> {
    let description = sampler.describe();
    let (chains, nodes) = (description.chains, description.nodes);
    let total = draws_of(phase).max(1);
    let held = phase.clamp.as_ref().map_or(&[][..], |c| &c.nodes);
    let mut sums = Sums::new(model, products, chains, (nodes, held));
    let mut whole: Option<Run> = None;
    while sums.draws() < total {
        let draws = per_block.min(total - sums.draws());
        let block = sampler.run(&block_of(phase, draws, whole.is_none()))?;
        sums.add(model, &block.samples);
        whole = Some(match whole {
            None => block,
            Some(before) => joined(&before, block),
        });
    }
    let run = whole.ok_or_else(|| Error::invalid("plan.duration", "no draws", "at least one"))?;
    Ok(Streamed {
        metrics: sums.metrics(model),
        arrays: sums.arrays(model),
        draws: sums.draws(),
        run,
    })
}

/// The file of moments of draws that were all kept.
pub(super) fn moments_of(
    model: &Model,
    products: &[Vec<Reading>],
    samples: &Samples,
    held: &[usize],
) -> Vec<(&'static str, Array)> {
    let mut sums = Sums::new(model, products, samples.chains, (samples.nodes, held));
    sums.add(model, samples);
    sums.arrays(model)
}

/// How the products asked for compare with their exact means: rms and largest |difference| in standard errors, over the products
/// that vary; `None` without exact means.
pub(super) fn against_exact(
    model: &Model,
    products: &[Vec<Reading>],
    samples: &Samples,
    held: &[(usize, u8)],
) -> Option<(f64, f64, usize)> {
    let exact = exact_products(model, products, held)?;
    let mut sums = StreamingProducts::new(samples.chains, samples.nodes, products.to_vec());
    sums.add(&samples.x, samples.draws);
    let Estimates { value, se } = sums.finish();
    let numbers = value.iter().zip(&se).zip(&exact);
    let z: Vec<f64> = numbers
        .filter(|((_, se), _)| **se > 0.0)
        .map(|((value, se), exact)| (value - exact) / se)
        .collect();
    let rms = (z.iter().map(|z| z * z).sum::<f64>() / z.len().max(1) as f64).sqrt();
    let largest = z.iter().fold(0.0f64, |most, z| most.max(z.abs()));
    Some((rms, largest, z.len()))
}

/// The exact means of products, where the energy's states can be enumerated.
fn exact_products(
    model: &Model,
    products: &[Vec<Reading>],
    held: &[(usize, u8)],
) -> Option<Vec<f64>> {
    let graph = model.factors()?;
    graph.states().filter(|&states| states <= MAX_STATES)?;
    let law = enumerate_factors(graph, held).ok()?;
    let mut values = vec![0.0f32; graph.dim()];
    let mut mean = |product: &Vec<Reading>| {
        law.mean(|x| {
            for ((value, &state), domain) in values.iter_mut().zip(x).zip(graph.domains()) {
                *value = domain.value(state) as f32;
            }
            product.iter().map(|reading| reading.of(&values)).product()
        })
    };
    Some(products.iter().map(&mut mean).collect())
}

/// Draws that a phase records.
fn draws_of(phase: &Phase) -> u64 {
    match (phase.duration, phase.every) {
        (Horizon::Seconds(all), Some(Horizon::Seconds(each)))
        | (Horizon::Time(all), Some(Horizon::Time(each))) => (all / each + 1e-6).floor() as u64,
        (Horizon::Steps(all), Some(Horizon::Steps(each))) => all / each.max(1),
        _ => 1,
    }
}

/// `draws` of a phase's draws, after its burn-in if they are the first.
fn block_of(phase: &Phase, draws: u64, first: bool) -> Phase {
    let times = |horizon: Horizon| match horizon {
        Horizon::Seconds(each) => Horizon::Seconds(each * draws as f64),
        Horizon::Time(each) => Horizon::Time(each * draws as f64),
        Horizon::Steps(each) => Horizon::Steps(each * draws),
    };
    Phase {
        burn_in: if first {
            phase.burn_in
        } else {
            Horizon::Steps(0)
        },
        duration: phase.every.map_or(phase.duration, times),
        every: phase.every,
        clamp: phase.clamp.clone(),
    }
}

/// Two runs in a row; the draws are the second's.
fn joined(before: &Run, then: Run) -> Run {
    let (first, second) = (before.steps as f64, then.steps as f64);
    let mean = |a: f64, b: f64| (a * first + b * second) / (first + second);
    Run {
        steps: before.steps + then.steps,
        cost: before.cost.plus(then.cost),
        clip_fraction: mean(before.clip_fraction, then.clip_fraction),
        acceptance: before
            .acceptance
            .zip(then.acceptance)
            .map(|(a, b)| mean(a, b)),
        samples: then.samples,
        notes: then.notes,
    }
}

/// The pairs that an energy couples.
fn pairs(model: &Model) -> Vec<(usize, usize)> {
    let edges = |couplings: &Couplings| couplings.edges().to_vec();
    let pairwise = model.continuous().and_then(|energy| energy.pairwise());
    let spins = model.discrete().map(|energy| edges(energy.couplings()));
    let continuous = pairwise.map(|energy| edges(&energy.couplings));
    continuous.or(spins).unwrap_or_default()
}

/// Everything that is added up.
struct Sums {
    /// Of the nodes, or of a factor graph's features.
    moments: StreamingMoments,
    products: StreamingProducts,
    asked: Vec<Vec<Reading>>,
    pairs: Vec<(usize, usize)>,
    histogram: Option<Histogram>,
    /// E of every draw, chain by chain.
    energy: Vec<Vec<f64>>,
    /// Σ x·∇E, chain by chain.
    virial: Vec<f64>,
    nodes: usize,
    /// Which nodes are not held.
    free: Vec<bool>,
}

impl Sums {
    fn new(
        model: &Model,
        products: &[Vec<Reading>],
        chains: usize,
        (nodes, held): (usize, &[usize]),
    ) -> Self {
        let pairs = pairs(model);
        let width = model.factors().map_or(nodes, |g| g.features().len());
        Sums {
            moments: StreamingMoments::new(chains, width, pairs.clone()),
            products: StreamingProducts::new(chains, nodes, products.to_vec()),
            asked: products.to_vec(),
            pairs,
            histogram: None,
            energy: vec![Vec::new(); chains],
            virial: vec![0.0; chains],
            nodes,
            free: (0..nodes).map(|i| !held.contains(&i)).collect(),
        }
    }

    fn draws(&self) -> u64 {
        self.moments.draws()
    }

    fn add(&mut self, model: &Model, samples: &Samples) {
        if model.factors().is_some() {
            let all: Vec<usize> = (0..self.nodes).collect();
            let values = features(model, samples, &all).0;
            let values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
            self.moments.add(&values, samples.draws);
        } else {
            self.moments.add(&samples.x, samples.draws);
        }
        if !self.asked.is_empty() {
            self.products.add(&samples.x, samples.draws);
        }
        let quantities: Vec<[f64; 3]> = samples
            .x
            .par_chunks(self.nodes)
            .map(|x| draw_quantities(model, x, &self.free))
            .collect();
        for (chain, of_chain) in quantities.chunks(samples.draws).enumerate() {
            self.energy[chain].extend(of_chain.iter().map(|q| q[0]));
            self.virial[chain] += of_chain.iter().map(|q| q[1]).sum::<f64>();
        }
        // The first block decides the range, with room for what it has not seen.
        let histogram = self.histogram.get_or_insert_with(|| {
            let largest = samples.x.iter().fold(0f32, |m, v| m.max(v.abs()));
            let end = f64::from(largest).max(f64::MIN_POSITIVE) * 1.25;
            Histogram::new((-end, end), BINS)
        });
        histogram.add(samples.x.iter().map(|&v| f64::from(v)));
    }

    fn metrics(&self, model: &Model) -> BTreeMap<String, Metric> {
        let (chains, draws) = (self.energy.len(), self.draws() as usize);
        let energy = self.energy.concat();
        let mut metrics =
            BTreeMap::from([("mean_energy".to_owned(), mean_over_chains(&energy, chains))]);
        let mut put = |name: &str, value: f64, se: Option<f64>| {
            metrics.insert(name.to_owned(), Metric { value, se });
        };
        if model.continuous().is_some() {
            let virial: Vec<f64> = self.virial.iter().map(|v| v / draws as f64).collect();
            let (beta, se) =
                diagnostics::virial_beta(&virial, self.free.iter().filter(|f| **f).count());
            put("beta_eff", beta, Some(se));
        }
        if draws >= 4 && chains >= 2 {
            let ess = diagnostics::effective_sample_size(&energy, chains, draws);
            put("energy_ess", ess, None);
            let rhat = diagnostics::split_rhat(&energy, chains, draws);
            put("energy_rhat", rhat, None);
        }
        metrics
    }

    fn arrays(&self, model: &Model) -> Vec<(&'static str, Array)> {
        let NodeMoments {
            mean,
            variance,
            product,
        } = self.moments.finish();
        let ends = |k: usize, pair: &(usize, usize)| if k == 0 { pair.0 } else { pair.1 } as f64;
        let flat: Vec<f64> = self
            .pairs
            .iter()
            .flat_map(|pair| [ends(0, pair), ends(1, pair)])
            .collect();
        let row = |values: Vec<f64>| Array::f64(&[values.len()], values);
        let both = |value: &'static str, se: &'static str, of: Estimates| {
            [(value, row(of.value)), (se, row(of.se))]
        };
        let mut arrays = Vec::new();
        arrays.extend(both("mean", "mean_se", mean));
        arrays.extend(both("variance", "variance_se", variance));
        arrays.extend(both("product", "product_se", product));
        if let Some(graph) = model.factors() {
            let features = graph.features().into_iter();
            let flat = features.flat_map(|(i, state)| [i as f64, f64::from(state)]);
            let flat: Vec<f64> = flat.collect();
            arrays.push(("features", Array::f64(&[flat.len() / 2, 2], flat)));
        }
        if !self.asked.is_empty() {
            arrays.extend(both("moment", "moment_se", self.products.finish()));
            // Means of the free law: held nodes change them.
            let free = self.free.iter().all(|f| *f);
            if let Some(exact) = exact_products(model, &self.asked, &[]).filter(|_| free) {
                arrays.push(("moment_exact", row(exact)));
            }
        }
        arrays.push(("pairs", Array::f64(&[self.pairs.len(), 2], flat)));
        let shape = [self.energy.len(), self.draws() as usize];
        arrays.push(("energy", Array::f64(&shape, self.energy.concat())));
        if let Some(histogram) = &self.histogram {
            let counts = histogram.counts.iter().map(|&c| c as f64);
            arrays.push(("histogram", row(counts.collect())));
            arrays.push(("histogram_edges", row(histogram.edges())));
            let (below, beyond) = histogram.outside;
            let outside = vec![below as f64, beyond as f64];
            arrays.push(("histogram_outside", row(outside)));
        }
        arrays
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::energy::SoftSpin;
    use crate::hardware::{Die, Scale, card::card, program};
    use crate::sampler::{AnalogSampler, Follow, StepRule};

    fn chip(model: &Model) -> Box<dyn Sampler> {
        let die = card("soft_spin_cmos").and_then(|card| Die::fabricate(&card, Some(3), None));
        let programmed = program(&die.unwrap(), model, Scale::Fixed(1.0)).unwrap();
        let (scheme, rule) = ("leimkuhler-matthews", StepRule::Auto(0.01));
        let follow = Follow::silent();
        Box::new(AnalogSampler::<f32>::new(programmed, 40, (2, 0), rule, scheme, follow).unwrap())
    }

    /// Blocks of three draws add up to the moments, the cost and the steps of one run, whose scheme carries normals from step
    /// to step; and those are the moments of the draws.
    #[test]
    fn blocks_add_up_to_the_whole() {
        let model = Model::SoftSpin(SoftSpin::four_wells());
        let phase = Phase {
            burn_in: Horizon::Seconds(1e-6),
            duration: Horizon::Seconds(5e-6),
            every: Some(Horizon::Seconds(0.5e-6)),
            clamp: None,
        };
        let triple = [vec![
            Reading::Value(0),
            Reading::Value(1),
            Reading::Value(1),
        ]];
        let blocks = in_blocks(&model, &triple, &mut *chip(&model), &phase, 3).unwrap();
        let whole = in_blocks(&model, &triple, &mut *chip(&model), &phase, 1000).unwrap();
        assert_eq!((blocks.draws, whole.draws), (10, 10));
        assert_eq!(blocks.run.steps, whole.run.steps);
        let seconds = |s: &Streamed| s.run.cost.device_seconds.unwrap();
        assert!((seconds(&blocks) / seconds(&whole) - 1.0).abs() < 1e-9);
        for ((name, a), (_, b)) in blocks.arrays.iter().zip(&whole.arrays) {
            // The histogram's range is the first block's affair.
            if !name.starts_with("histogram") {
                assert_eq!(format!("{a:?}"), format!("{b:?}"), "{name}");
            }
        }
        let s = chip(&model).run(&phase).unwrap().samples;
        let x: Vec<f64> = s.x.iter().map(|&v| f64::from(v)).collect();
        let kept = diagnostics::moments(&x, s.chains, s.draws, s.nodes);
        let mut sums = StreamingMoments::new(s.chains, s.nodes, vec![(0, 1)]);
        sums.add(&s.x, s.draws);
        let streamed = sums.finish();
        for i in 0..2 {
            assert!((streamed.mean.value[i] - kept.mean[i]).abs() < 1e-12);
            assert!((streamed.mean.se[i] / kept.mean_se[i] - 1.0).abs() < 1e-9);
            assert!((streamed.variance.value[i] - kept.covariance[3 * i]).abs() < 1e-12);
        }
        let product = streamed.product.value[0] - kept.mean[0] * kept.mean[1];
        assert!((product - kept.covariance[1]).abs() < 1e-12);
    }
}
