//! A bag of separate elements whose host wires them: round after round of colours (`hardware::Hosted`).
//!
//! Every chain's round draws from numbers of its own, a pure function of (seed, domain, chain, round): the same bits for any
//! thread count, and a state is where its gates stand and how many rounds it has had.

use super::digital::count;
use super::factors::check_states;
use super::{
    ChainState, Cost, Description, Follow, Horizon, Phase, Run, Sampler, Samples, Seconds,
    clamp_mask,
};
use crate::dynamics::Origin;
use crate::dynamics::streams::chain_rng;
use crate::energy::{FactorGraph, Parameters};
use crate::error::{Error, Result};
use crate::hardware::{Hosted, Programmed};
use rayon::prelude::*;
use std::sync::atomic::Ordering;

/// Bits of a round's number beside its chain's.
const ROUND_BITS: u32 = 40;

/// One chain.
#[derive(Clone, Debug)]
struct Chain {
    x: Vec<u8>,
    gates: Vec<bool>,
    rounds: u64,
}

impl Chain {
    /// Gates that decide the states.
    fn put_all(&mut self, hosted: &Hosted) {
        for (i, &state) in self.x.iter().enumerate() {
            hosted.put(i, state, &mut self.gates);
        }
    }
}

/// Many copies of a bag, each behind its host.
#[derive(Debug)]
pub struct HostedSampler {
    programmed: Programmed,
    chains: Vec<Chain>,
    origin: Origin,
    follow: Follow,
}

impl HostedSampler {
    /// `chains` chains, spins at −1 and categories at 0 until restored.
    ///
    /// # Errors
    /// A chip that no host wires.
    pub fn new(
        programmed: Programmed,
        chains: usize,
        origin: impl Into<Origin>,
        follow: Follow,
    ) -> Result<Self> {
        let Some(hosted) = programmed.hosted() else {
            let expected = "a bag of elements behind a host";
            let value = format!("\"{}\"", programmed.die().card.name);
            return Err(Error::invalid("hardware.model", value, expected));
        };
        let (dim, gates) = (hosted.graph().dim(), hosted.gates());
        let mut chain = Chain {
            x: vec![0; dim],
            gates: vec![false; gates],
            rounds: 0,
        };
        chain.put_all(hosted);
        Ok(HostedSampler {
            chains: vec![chain; chains],
            origin: origin.into(),
            follow,
            programmed,
        })
    }

    fn hosted(&self) -> Result<&Hosted> {
        // Constructed from a chip that has one.
        self.programmed
            .hosted()
            .ok_or_else(|| Error::invalid("hardware.model", "no host", "a bag"))
    }

    /// Refuses values that are no states; else the states.
    fn states(graph: &FactorGraph, key: &str, nodes: &[usize], values: &[f64]) -> Result<Vec<u8>> {
        check_states(graph, key, nodes, values)?;
        let domains = nodes.iter().cycle().map(|&node| graph.domains()[node]);
        let states = values.iter().zip(domains);
        Ok(states.filter_map(|(&v, domain)| domain.state(v)).collect())
    }

    /// A horizon in whole rounds.
    fn rounds(&self, horizon: Horizon, round: f64) -> Horizon {
        match horizon {
            Horizon::Seconds(s) => Horizon::Steps((s / round - 1e-6).ceil().max(0.0) as u64),
            Horizon::Time(t) => {
                let seconds = t * self.programmed.seconds_per_time();
                Horizon::Steps((seconds / round - 1e-6).ceil().max(0.0) as u64)
            }
            steps => steps,
        }
    }
}

impl Sampler for HostedSampler {
    fn describe(&self) -> Description {
        Description {
            name: format!("analog-{}", self.programmed.die().name()),
            kind: "analog".to_owned(),
            chains: self.chains.len(),
            nodes: self.programmed.model().dim(),
            step: None,
            predicted_bias: None,
            first_order_bias: false,
        }
    }

    fn state(&self) -> ChainState {
        let domains = self.programmed.hosted().map(|h| h.graph().domains());
        let domains = domains.unwrap_or_default();
        let values = self.chains.iter().flat_map(|chain| {
            let states = chain.x.iter().zip(domains);
            states
                .map(|(&s, domain)| domain.value(s))
                .collect::<Vec<_>>()
        });
        let streams = self.chains.iter().map(|chain| {
            let gates = chain.gates.iter().map(|&g| u64::from(g));
            std::iter::once(chain.rounds).chain(gates).collect()
        });
        ChainState {
            values: values.collect(),
            streams: Some(streams.collect()),
            adapted: Vec::new(),
        }
    }

    fn restore(&mut self, state: &ChainState) -> Result<()> {
        let hosted = self.hosted()?.clone();
        let all: Vec<usize> = (0..hosted.graph().dim()).collect();
        let expected = self.chains.len() * all.len();
        if state.values.len() != expected {
            let expected = format!("{expected} numbers");
            return Err(Error::invalid("state.values", state.values.len(), expected));
        }
        let x = Self::states(hosted.graph(), "state.values", &all, &state.values)?;
        let mut chains = self.chains.clone();
        for (chain, x) in chains.iter_mut().zip(x.chunks(all.len().max(1))) {
            chain.x.copy_from_slice(x);
            chain.put_all(&hosted);
        }
        if let Some(streams) = &state.streams {
            for (chain, entry) in chains.iter_mut().zip(streams) {
                let Some((&rounds, gates)) =
                    entry.split_first().filter(|e| e.1.len() == hosted.gates())
                else {
                    let expected = "a state of this sampler";
                    return Err(Error::invalid(
                        "state.streams",
                        "another sampler's entry",
                        expected,
                    ));
                };
                chain.rounds = rounds;
                chain.gates = gates.iter().map(|&g| g != 0).collect();
            }
        }
        self.chains = chains;
        Ok(())
    }

    fn run(&mut self, phase: &Phase) -> Result<Run> {
        let hosted = self.hosted()?.clone();
        let (graph, dim, round) = (hosted.graph(), hosted.graph().dim(), hosted.round());
        let in_rounds = Phase {
            burn_in: self.rounds(phase.burn_in, round),
            duration: self.rounds(phase.duration, round),
            every: phase.every.map(|every| self.rounds(every, round)),
            clamp: None,
        };
        let (burn_in, draws, every) = count(&in_rounds, None)?;
        let held = clamp_mask(phase.clamp.as_ref(), dim)?;
        if let Some(clamp) = &phase.clamp {
            let values = Self::states(graph, "clamp.values", &clamp.nodes, &clamp.values)?;
            let rows = values.chunks(clamp.nodes.len().max(1));
            for (chain, row) in self.chains.iter_mut().zip(rows) {
                for (&node, &state) in clamp.nodes.iter().zip(row) {
                    chain.x[node] = state;
                    hosted.put(node, state, &mut chain.gates);
                }
            }
        }
        let (origin, follow) = (self.origin, self.follow.clone());
        let stopped = || follow.interrupted.load(Ordering::Relaxed);
        let chains = self.chains.par_iter_mut().enumerate();
        let read: Vec<Vec<f32>> = chains
            .map(|(c, chain)| {
                let go = |chain: &mut Chain, rounds: u64| {
                    for _ in 0..rounds {
                        if stopped() {
                            return;
                        }
                        let stream = (c as u64) << ROUND_BITS ^ chain.rounds;
                        let mut rng = chain_rng(origin.seed, origin.domain, stream);
                        hosted.round_of(&mut chain.x, &mut chain.gates, &held, &mut rng);
                        chain.rounds += 1;
                    }
                    (follow.progress)(rounds);
                };
                go(chain, burn_in);
                let mut x = Vec::with_capacity(draws as usize * dim);
                for _ in 0..draws {
                    go(chain, every);
                    let states = chain.x.iter().zip(graph.domains());
                    x.extend(states.map(|(&s, domain)| domain.value(s) as f32));
                }
                x
            })
            .collect();
        if stopped() {
            return Err(Error::Interrupted);
        }
        let rounds = burn_in + draws * every;
        let (chains, seconds) = (self.chains.len(), rounds as f64 * round);
        // The host reads and writes every element in every round.
        let handled = (chains * dim) as u64 * rounds;
        let ledger = self.programmed.ledger();
        let (read_seconds, host_seconds) = (
            self.programmed.frame_seconds(draws),
            ledger.host_seconds(draws),
        );
        let mut spent = ledger.run(
            chains,
            dim,
            seconds,
            self.programmed.sample_period(),
            handled,
        );
        let standing = ledger.standby(chains, read_seconds + host_seconds.unwrap_or(0.0));
        spent.standby = spent.standby.zip(standing).map(|(a, b)| a + b);
        spent.write = ledger.write(chains, dim).write.map(|e| e * rounds as f64);
        Ok(Run {
            samples: Samples {
                chains,
                draws: draws as usize,
                nodes: dim,
                x: read.concat(),
                t: (1..=draws)
                    .map(|k| (burn_in + k * every) as f64 * round)
                    .collect(),
            },
            steps: rounds,
            cost: Cost::of(
                spent,
                Seconds {
                    write: None,
                    // Round trips: the host's, the readout's and the elements' at once. Draws that leave the loop come on top.
                    sample: Some(seconds),
                    read: Some(read_seconds),
                    host: host_seconds,
                },
            ),
            clip_fraction: 0.0,
            acceptance: None,
            notes: std::collections::BTreeMap::new(),
        })
    }

    fn reprogram(&mut self, parameters: &Parameters) -> Result<Cost> {
        self.programmed.reprogram(parameters)?;
        // The host computes with new numbers; nothing is written before the next round.
        Ok(Cost::default())
    }
}
