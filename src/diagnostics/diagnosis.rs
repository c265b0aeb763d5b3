//! Everything that a trace says of its sampler, in one value: [`diagnose`].
//!
//! Takes draws from anywhere (this crate's chips, real ones, other software) and gives, for each number of a draw, moments with
//! errors, effective sizes, R-hat, correlation and dwell times; for all together, currents, mode weights and the distance from a
//! reference; and [`Finding`]s in plain words. Nothing is assumed of the units. The p-values that several nodes share are
//! Bonferroni-corrected.

use super::balance::{Balance, lagged_currents, transition_currents};
use super::blocks::{Blocks, Cut, Draws};
use super::discrete_law::{LawComparison, compare_law};
use super::effective_size::mean;
use super::modes::{Mode, mode_weights};
use super::node::{Motion, NodeDiagnosis, diagnose_node, motion, two_values};
use super::sliced::{Sliced, sliced_of};
use super::standard_error::{ErrorOf, standard_error};
use super::stein::{Stein, kernel_stein};
use super::two_sample::{Mmd, TwoSample, energy_of, mmd_of};
use super::verdict::{Finding, findings};
use crate::error::{Error, Result};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What is to be judged, and against what.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The draws.
    pub draws: Draws<'a>,
    /// Names of the nodes; by their number where there are none.
    pub names: Vec<String>,
    /// Time between draws, in any unit: times of the spectrum are in it.
    pub step: f64,
    /// ∇ln p at each draw, of the law that was meant.
    pub score: Option<&'a [f64]>,
    /// Draws of what should be the same law.
    pub reference: Option<Draws<'a>>,
    /// Exact probabilities of the 2ⁿ states of n two-valued nodes, bit i of the index set where node i is on its upper value.
    pub law: Option<&'a [f64]>,
    /// Centres of modes, `centres[mode * nodes + node]`.
    pub centres: Option<&'a [f64]>,
    /// Hysteresis thresholds (lower, upper) of the levels of an analog trace.
    pub levels: Option<(f64, f64)>,
    /// Groups of chains that started alike, for the nested R-hat.
    pub superchains: Option<usize>,
    /// Seed of permutations and simulated nulls.
    pub seed: u64,
}

impl<'a> Question<'a> {
    /// About the draws alone, a unit of time apart.
    pub fn of(draws: Draws<'a>) -> Self {
        Question {
            draws,
            names: Vec::new(),
            step: 1.0,
            score: None,
            reference: None,
            law: None,
            centres: None,
            levels: None,
            superchains: None,
            seed: 0,
        }
    }
}

/// A trace beside reference draws; distances in units of each node's standard deviation over both.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferenceDistance {
    /// Maximum mean discrepancy.
    pub mmd: Option<Mmd>,
    /// Energy distance.
    pub energy_distance: Option<TwoSample>,
    /// Sliced Wasserstein distance.
    pub sliced_wasserstein: Option<Sliced>,
    /// Node whose means differ by the most standard errors.
    pub worst_node: usize,
    /// That difference.
    pub mean_difference: f64,
    /// Its standard error.
    pub mean_difference_se: f64,
    /// Its p-value, times the number of nodes.
    pub mean_p_value: f64,
}

/// What a trace says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Independent chains.
    pub chains: usize,
    /// Draws of each.
    pub draws: usize,
    /// Time between draws.
    pub step: f64,
    /// Every node.
    pub nodes: Vec<NodeDiagnosis>,
    /// The slowest nodes and some others, looked at more closely.
    pub motions: Vec<Motion>,
    /// Nodes between which currents were looked for.
    pub current_nodes: Vec<usize>,
    /// Currents between nodes: the ten most significant.
    pub balance: Option<Balance>,
    /// Currents between states, where all nodes are two-valued and at most twelve.
    pub transitions: Option<Balance>,
    /// Weights of the modes.
    pub modes: Vec<Mode>,
    /// Against the exact law of two-valued nodes.
    pub law: Option<LawComparison>,
    /// Against reference draws.
    pub reference: Option<ReferenceDistance>,
    /// Against the score of the law that was meant.
    pub stein: Option<Stein>,
    /// In words.
    pub findings: Vec<Finding>,
}

/// Nodes that are looked at more closely, at most.
const CLOSE: usize = 16;
/// Nodes between which currents are looked for, at most.
const CURRENT_NODES: usize = 32;
/// Currents that are kept.
const KEPT: usize = 10;
/// Nodes whose joint states are told apart, at most.
const STATE_NODES: usize = 12;
/// Permutations, signs and simulated nulls: the least p-value is 1/2000.
const REPLICATES: usize = 1999;
/// Simulated traces for dwell times.
const DWELL_REPLICATES: usize = 499;
/// Points of each source in a two-sample test.
const POINTS: usize = 600;
/// Directions of the sliced distance, and its permutations (each sorts nothing, but walks through all points).
const DIRECTIONS: usize = 100;
const SLICED_REPLICATES: usize = 499;

/// Looks at the draws from every side.
///
/// # Errors
/// A shape that does not fit, a value that is not finite (the message says where), or fewer than four draws per chain.
pub fn diagnose(question: &Question) -> Result<Diagnosis> {
    check(question)?;
    let Draws {
        x,
        chains,
        draws,
        nodes,
    } = question.draws;
    let columns: Vec<Vec<f64>> = (0..nodes).map(|i| column(question.draws, i)).collect();
    let name = |i: usize| {
        let named = question.names.get(i).cloned();
        named.unwrap_or_else(|| format!("node {i}"))
    };
    let per_node: Vec<NodeDiagnosis> = columns
        .par_iter()
        .enumerate()
        .map(|(i, x)| diagnose_node(name(i), x, chains, draws, question.superchains))
        .collect();
    let taus: Vec<f64> = per_node
        .iter()
        .map(|n| n.time.map_or(0.0, |t| t.tau))
        .collect();
    let tau = taus.iter().copied().fold(1.0, f64::max);
    let cut = Cut {
        tau,
        points: POINTS,
        replicates: REPLICATES,
        seed: question.seed,
    };
    let motions: Vec<Motion> = close_nodes(&per_node, &taus)
        .into_par_iter()
        .map(|i| {
            let settings = (DWELL_REPLICATES, question.seed.wrapping_add(i as u64));
            let times = (question.step, taus[i]);
            motion(
                i,
                &columns[i],
                chains,
                draws,
                times,
                question.levels,
                settings,
            )
        })
        .collect();
    let (current_nodes, balance) = currents(question.draws, &columns, &per_node, &cut);
    let bits = state_bits(&columns);
    let transitions = bits.as_ref().and_then(|states| {
        let found = transition_currents(states, chains, draws, &cut);
        found.map(kept)
    });
    let law = match question.law {
        Some(p) => Some(judge_law(p, bits.as_deref(), question)?),
        None => None,
    };
    let mut diagnosis = Diagnosis {
        chains,
        draws,
        step: question.step,
        motions,
        current_nodes,
        balance,
        transitions,
        modes: question
            .centres
            .map_or_else(Vec::new, |c| mode_weights(question.draws, c)),
        law,
        reference: question
            .reference
            .map(|r| judge_reference(question.draws, r, &per_node, &cut)),
        stein: question.score.and_then(|score| {
            kernel_stein(
                Draws {
                    x,
                    ..question.draws
                },
                score,
                &cut,
            )
        }),
        nodes: per_node,
        findings: Vec::new(),
    };
    diagnosis.findings = findings(&diagnosis);
    Ok(diagnosis)
}

fn column(draws: Draws, node: usize) -> Vec<f64> {
    let values = draws.x.iter().skip(node).step_by(draws.nodes);
    values.copied().collect()
}

fn check(question: &Question) -> Result<()> {
    finite("x", question.draws)?;
    let Draws {
        draws, nodes, x, ..
    } = question.draws;
    if draws < 4 {
        return Err(Error::invalid("draws per chain", draws, "at least 4"));
    }
    if !(question.step > 0.0 && question.step.is_finite()) {
        return Err(Error::invalid("step", question.step, "a positive time"));
    }
    if let Some(reference) = question.reference {
        finite("reference x", reference)?;
        if reference.nodes != nodes {
            let expected = format!("{nodes}, as in the draws");
            return Err(Error::invalid("reference nodes", reference.nodes, expected));
        }
        if reference.draws < 4 {
            let field = "reference draws per chain";
            return Err(Error::invalid(field, reference.draws, "at least 4"));
        }
    }
    if let Some(score) = question.score {
        if score.len() != x.len() {
            let expected = format!("{}, one for every number of x", x.len());
            return Err(Error::invalid("score length", score.len(), expected));
        }
        finite(
            "score",
            Draws {
                x: score,
                ..question.draws
            },
        )?;
    }
    if let Some(centres) = question.centres
        && (centres.is_empty()
            || !centres.len().is_multiple_of(nodes)
            || centres.iter().any(|c| !c.is_finite()))
    {
        let expected = format!("finite rows of {nodes} numbers, one per node");
        return Err(Error::invalid(
            "centres",
            format!("{} numbers", centres.len()),
            expected,
        ));
    }
    if let Some((low, high)) = question.levels
        && (low.is_nan() || high.is_nan() || low > high)
    {
        let expected = "a lower threshold and an upper one";
        return Err(Error::invalid("levels", format!("{low}, {high}"), expected));
    }
    if let Some(groups) = question.superchains {
        let chains = question.draws.chains;
        if groups < 2 || !chains.is_multiple_of(groups) || chains / groups < 2 {
            let expected =
                format!("a number of groups of two or more that divides {chains} chains");
            return Err(Error::invalid("superchains", groups, expected));
        }
    }
    Ok(())
}

/// The shape fits and every number is finite.
fn finite(what: &str, draws: Draws) -> Result<()> {
    let Draws {
        x,
        chains,
        draws,
        nodes,
    } = draws;
    if x.is_empty() || x.len() != chains * draws * nodes {
        let value = format!("{} numbers", x.len());
        let expected = format!("{chains} chains × {draws} draws × {nodes} nodes, none of them 0");
        return Err(Error::invalid(what, value, expected));
    }
    match x.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(at) => {
            let (row, node) = (at / nodes, at % nodes);
            let place = format!(
                "{what}[chain {}, draw {}, node {node}]",
                row / draws,
                row % draws
            );
            Err(Error::invalid(place, x[at], "a finite number"))
        }
    }
}

/// The slowest nodes that move, then evenly spaced ones.
fn close_nodes(nodes: &[NodeDiagnosis], taus: &[f64]) -> Vec<usize> {
    let mut moving: Vec<usize> = (0..nodes.len()).filter(|i| !nodes[*i].constant).collect();
    moving.sort_by(|a, b| taus[*b].total_cmp(&taus[*a]));
    let slow = moving.len().min(CLOSE / 2);
    let rest = &moving[slow..];
    let every = rest.len().div_ceil(CLOSE / 2).max(1);
    let mut chosen = moving[..slow].to_vec();
    chosen.extend(rest.iter().step_by(every));
    chosen.sort_unstable();
    chosen
}

/// Between nodes, at one draw and at about half the correlation time; a single node beside its own square.
fn currents(
    draws: Draws,
    columns: &[Vec<f64>],
    nodes: &[NodeDiagnosis],
    cut: &Cut,
) -> (Vec<usize>, Option<Balance>) {
    let moving: Vec<usize> = (0..nodes.len()).filter(|i| !nodes[*i].constant).collect();
    let chosen: Vec<usize> = moving
        .iter()
        .step_by(moving.len().div_ceil(CURRENT_NODES).max(1))
        .copied()
        .collect();
    let mut observables: Vec<Vec<f64>> = chosen.iter().map(|i| columns[*i].clone()).collect();
    if let [only] = &chosen[..] {
        let centre = nodes[*only].mean.value;
        observables.push(
            columns[*only]
                .iter()
                .map(|v| (v - centre).powi(2))
                .collect(),
        );
    }
    if observables.is_empty() {
        return (chosen, None);
    }
    let rows = draws.chains * draws.draws;
    let x: Vec<f64> = (0..rows)
        .flat_map(|r| observables.iter().map(move |c| c[r]))
        .collect();
    let half = (0.5 * cut.tau).round() as usize;
    let mut lags = vec![1];
    if half > 1 && half < draws.draws / 2 {
        lags.push(half);
    }
    let view = Draws {
        x: &x,
        nodes: observables.len(),
        ..draws
    };
    let found = lagged_currents(view, &lags, cut).map(|mut balance| {
        for c in &mut balance.currents {
            // The square of a single node keeps the number after it.
            let name = |k: usize| chosen.get(k).copied().unwrap_or(nodes.len());
            (c.from, c.to) = (name(c.from), name(c.to));
        }
        kept(balance)
    });
    (chosen, found)
}

fn kept(mut balance: Balance) -> Balance {
    balance.currents.truncate(KEPT);
    balance
}

/// Number of the joint state of two-valued nodes at every draw.
fn state_bits(columns: &[Vec<f64>]) -> Option<Vec<usize>> {
    if columns.len() > STATE_NODES {
        return None;
    }
    let uppers: Vec<f64> = columns
        .iter()
        .map(|c| two_values(c).map(|v| v.1).or_else(|| unmoved(c)))
        .collect::<Option<_>>()?;
    let states = (0..columns[0].len()).map(|r| {
        let bits = columns.iter().zip(&uppers).enumerate();
        bits.fold(0, |s, (i, (c, upper))| {
            s | (usize::from(c[r] == *upper) << i)
        })
    });
    Some(states.collect())
}

/// A spin that never moved: up if positive.
fn unmoved(column: &[f64]) -> Option<f64> {
    let v = *column.first()?;
    let still = column.iter().all(|w| *w == v);
    still.then_some(if v > 0.0 { v } else { f64::INFINITY })
}

fn judge_law(p: &[f64], bits: Option<&[usize]>, question: &Question) -> Result<LawComparison> {
    let Draws {
        chains,
        draws,
        nodes,
        ..
    } = question.draws;
    let Some(states) = bits else {
        let expected = format!("two-valued nodes, at most {STATE_NODES}");
        return Err(Error::invalid("law", format!("{nodes} nodes"), expected));
    };
    if p.len() != 1 << nodes
        || p.iter().any(|v| v.is_nan() || *v < 0.0)
        || p.iter().sum::<f64>() <= 0.0
    {
        let value = format!("{} numbers", p.len());
        let expected = format!("2^{nodes} probabilities");
        return Err(Error::invalid("law", value, expected));
    }
    compare_law(states, chains, draws, p, REPLICATES, question.seed)
        .ok_or_else(|| Error::invalid("x", "no state ever changes", "draws that move"))
}

fn judge_reference(
    draws: Draws,
    reference: Draws,
    nodes: &[NodeDiagnosis],
    cut: &Cut,
) -> ReferenceDistance {
    let differences: Vec<(f64, f64)> = (0..draws.nodes)
        .into_par_iter()
        .map(|i| {
            let x = column(reference, i);
            let other = standard_error(&x, reference.chains, reference.draws, ErrorOf::Mean);
            // A node that never moves has no error.
            let se = nodes[i].mean.se.unwrap_or(0.0).hypot(other);
            (nodes[i].mean.value - mean(&x), se)
        })
        .collect();
    let score = |d: (f64, f64)| {
        if d.0 == 0.0 { 0.0 } else { d.0.abs() / d.1 }
    };
    let worst = (0..draws.nodes)
        .max_by(|a, b| score(differences[*a]).total_cmp(&score(differences[*b])))
        .unwrap_or(0);
    let (difference, se) = differences[worst];
    let tail = super::node::two_sided(score(differences[worst]));
    let blocks = Blocks::of(&[draws, reference], cut).map(|mut blocks| {
        blocks.standardise();
        blocks
    });
    let squares = blocks.as_ref().map(Blocks::square_distances);
    let both = blocks.as_ref().zip(squares.as_ref());
    ReferenceDistance {
        mmd: both.and_then(|(b, s)| mmd_of(b, s, None, cut)),
        energy_distance: both.and_then(|(b, s)| energy_of(b, s, cut)),
        sliced_wasserstein: blocks.as_ref().and_then(|b| {
            let fewer = Cut {
                replicates: SLICED_REPLICATES,
                ..*cut
            };
            sliced_of(b, DIRECTIONS, &fewer)
        }),
        worst_node: worst,
        mean_difference: difference,
        mean_difference_se: se,
        mean_p_value: (tail * draws.nodes as f64).min(1.0),
    }
}
