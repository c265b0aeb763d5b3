//! Where the variables of an energy sit when its graph is not the array's: each on a connected chain of sites that copy it.
//!
//! A minor embedding, found as arXiv 1406.2741 does: variables are taken out and laid again in turn, each at the root from
//! which the paths to its placed neighbours' chains cost least, a site that other chains use costing so many times more in every
//! round; at last each chain is trimmed. A heuristic: what it does not find may exist. h_i is shared equally by the
//! copies of i, J_ij by the sites that join the chains of i and j, and every join within a chain couples with F.
//! A chain of L copies is broken, at most, with odds e^{2T_i}((1 + e^{−2F})^{L−1} − 1), T_i = |h_i| + Σ_j|J_ij|: cutting k of its
//! links costs 2Fk, and aligning the smaller part with the majority no more than 2T_i. Given that no chain is broken the law
//! is the one asked for, so the total variation of the variables is at most Π_i(1 + odds_i) − 1.

use super::topology::Topology;
use crate::energy::{Ising, Parameters};
use crate::error::{Error, Result};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

/// Rounds before giving up.
const ROUNDS: u32 = 40;
/// Sites searched, per squared number of variables, and at least.
const SITES: (usize, usize) = (12, 150);
/// Most variables that are placed.
pub(super) const MOST_PLACED: usize = 64;
/// Share of broken chains that is aimed at.
const BROKEN: f64 = 0.01;

/// The chains of an embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    /// Sites that copy each variable, ascending.
    pub chains: Vec<Vec<usize>>,
}

/// What a placement took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlacementReport {
    /// Sites in use.
    pub sites: usize,
    /// Couplers in use, those within chains among them.
    pub joins: usize,
    /// Copies of the variable with most of them.
    pub longest_chain: usize,
    /// Coupling between copies.
    pub chain_coupling: f64,
    /// Coupling at which at most one reading in a hundred finds a chain broken, as bounded.
    pub needed_coupling: f64,
    /// Bound on the share of readings with a broken chain, and so on the total variation, at `chain_coupling`.
    pub broken_bound: f64,
    /// What the energy may be multiplied by until `needed_coupling` is out of the card's range; `None` where the card states none.
    pub range: Option<f64>,
    /// The same for its own couplings on an array that joined them.
    pub native_range: Option<f64>,
}

/// Part of an array: its sites, and who is joined to whom by their places in that list.
struct Patch {
    sites: Vec<usize>,
    joined: Vec<Vec<usize>>,
}

impl Patch {
    /// The sites nearest to the middle of the array, by joins.
    fn new(topology: &Topology, most: usize) -> Option<Self> {
        let total = topology.nodes()?;
        let middle = match topology {
            Topology::Lattice(l) => l.height / 2 * l.width + l.width / 2,
            _ => 0,
        };
        let listed = match topology {
            Topology::Lattice(_) => Vec::new(),
            _ => {
                let mut all = vec![Vec::new(); total];
                for (i, j) in topology.edges()? {
                    all[i].push(j);
                    all[j].push(i);
                }
                all
            }
        };
        let around = |site: usize| match topology {
            Topology::Lattice(lattice) => lattice.neighbours(site),
            _ => listed[site].clone(),
        };
        let mut place = BTreeMap::new();
        let mut sites = Vec::new();
        // Every part of the array, should it have several.
        for start in std::iter::once(middle).chain(0..total) {
            let mut queue = VecDeque::from([start]);
            while let Some(site) = queue.pop_front() {
                if sites.len() == most || place.contains_key(&site) {
                    continue;
                }
                place.insert(site, sites.len());
                sites.push(site);
                queue.extend(around(site));
            }
            if sites.len() == most.min(total) {
                break;
            }
        }
        let inside = |site: &usize| {
            let near = around(*site).into_iter();
            near.filter_map(|other| place.get(&other).copied())
                .collect()
        };
        Some(Patch {
            joined: sites.iter().map(inside).collect(),
            sites,
        })
    }

    /// Cost of reaching every site from `chain` (what lies between, not the site itself), and where one came from.
    fn paths(&self, chain: &[usize], weights: &[f64]) -> (Vec<f64>, Vec<usize>) {
        let none = usize::MAX;
        let mut cost = vec![f64::INFINITY; self.sites.len()];
        let mut from = vec![none; self.sites.len()];
        // Costs are not negative, and such numbers are ordered as their bits.
        let mut queue = BinaryHeap::new();
        for &site in chain {
            cost[site] = 0.0;
            queue.push(Reverse((0u64, site)));
        }
        while let Some(Reverse((bits, site))) = queue.pop() {
            let reached = f64::from_bits(bits);
            if reached > cost[site] {
                continue;
            }
            let source = from[site] == none;
            let onward = reached + if source { 0.0 } else { weights[site] };
            for &next in &self.joined[site] {
                if onward < cost[next] {
                    (cost[next], from[next]) = (onward, site);
                    queue.push(Reverse((onward.to_bits(), next)));
                }
            }
        }
        (cost, from)
    }

    fn connected(&self, chain: &[usize]) -> bool {
        let Some(&first) = chain.first() else {
            return false;
        };
        let mut seen = vec![first];
        let mut k = 0;
        while k < seen.len() {
            let near = self.joined[seen[k]].iter();
            let new: Vec<usize> = near
                .filter(|s| chain.contains(s) && !seen.contains(s))
                .copied()
                .collect();
            seen.extend(new);
            k += 1;
        }
        seen.len() == chain.len()
    }

    fn touch(&self, a: &[usize], b: &[usize]) -> bool {
        a.iter()
            .any(|s| self.joined[*s].iter().any(|t| b.contains(t)))
    }
}

impl Embedding {
    /// Chains for `n` variables coupled along `edges` on `topology`; `None` where none was found (or the number of sites is open).
    pub fn find(n: usize, edges: &[(usize, usize)], topology: &Topology) -> Option<Self> {
        let patch = Patch::new(topology, (SITES.0 * n * n).max(SITES.1))?;
        let mut friends = vec![Vec::new(); n];
        for &(i, j) in edges {
            friends[i].push(j);
            friends[j].push(i);
        }
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|&i| Reverse(friends[i].len()));
        let mut chains: Vec<Vec<usize>> = vec![Vec::new(); n];
        let mut used = vec![0i32; patch.sites.len()];
        for round in 0..ROUNDS {
            for &i in &order {
                for site in std::mem::take(&mut chains[i]) {
                    used[site] -= 1;
                }
                let dear = f64::from(round + 2);
                let weights: Vec<f64> = used.iter().map(|&u| dear.powi(u)).collect();
                let placed = friends[i].iter().filter(|j| !chains[**j].is_empty());
                let ways: Vec<_> = placed.map(|&j| patch.paths(&chains[j], &weights)).collect();
                let total = |s: usize| weights[s] + ways.iter().map(|way| way.0[s]).sum::<f64>();
                let root = (0..patch.sites.len()).min_by(|&a, &b| total(a).total_cmp(&total(b)))?;
                let mut chain = vec![root];
                for (_, from) in &ways {
                    // The source itself belongs to the neighbour.
                    let mut site = root;
                    while from[site] != usize::MAX {
                        if !chain.contains(&site) {
                            chain.push(site);
                        }
                        site = from[site];
                    }
                }
                for &site in &chain {
                    used[site] += 1;
                }
                chains[i] = chain;
            }
            let fits = edges
                .iter()
                .all(|&(i, j)| patch.touch(&chains[i], &chains[j]));
            if fits && used.iter().all(|&u| u <= 1) {
                return Some(Self::trimmed(&patch, chains, &friends));
            }
        }
        None
    }

    fn trimmed(patch: &Patch, mut chains: Vec<Vec<usize>>, friends: &[Vec<usize>]) -> Self {
        for i in 0..chains.len() {
            let mut k = 0;
            while k < chains[i].len() {
                let mut less = chains[i].clone();
                less.remove(k);
                let needed = |j: &usize| !patch.touch(&less, &chains[*j]);
                if patch.connected(&less) && !friends[i].iter().any(needed) {
                    chains[i] = less;
                    k = 0;
                } else {
                    k += 1;
                }
            }
        }
        let site = |chain: Vec<usize>| {
            let mut sites: Vec<usize> = chain.into_iter().map(|s| patch.sites[s]).collect();
            sites.sort_unstable();
            sites
        };
        Embedding {
            chains: chains.into_iter().map(site).collect(),
        }
    }

    /// All sites in use, ascending.
    pub fn sites(&self) -> Vec<usize> {
        let mut all: Vec<usize> = self.chains.iter().flatten().copied().collect();
        all.sort_unstable();
        all
    }

    fn longest(&self) -> usize {
        self.chains.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Bound on the share of readings of `ising`, multiplied by `times`, that find a chain broken: Π(1 + odds) − 1.
    pub fn broken_bound(&self, ising: &Ising, times: f64, chain_coupling: f64) -> f64 {
        let mut torque: Vec<f64> = ising.fields.iter().map(|h| h.abs()).collect();
        let couplings = &ising.couplings;
        for (&(i, j), value) in couplings.edges().iter().zip(couplings.values()) {
            torque[i] += value.abs();
            torque[j] += value.abs();
        }
        let link = (-2.0 * chain_coupling).exp();
        let broken = self.chains.iter().zip(&torque).map(|(chain, t)| {
            let cuts = (chain.len() as f64 - 1.0) * link.ln_1p();
            ((2.0 * t * times).exp() * cuts.exp_m1()).ln_1p()
        });
        broken.sum::<f64>().exp_m1()
    }

    /// The least F whose bound is one in a hundred, for `ising` multiplied by `times`; 0 without copies.
    pub fn needed_coupling(&self, ising: &Ising, times: f64) -> f64 {
        if self.longest() < 2 {
            return 0.0;
        }
        let (mut low, mut high) = (0.0, 1.0);
        while self.broken_bound(ising, times, high) > BROKEN {
            high *= 2.0;
        }
        while high - low > 1e-9 * high {
            let middle = 0.5 * (low + high);
            if self.broken_bound(ising, times, middle) > BROKEN {
                low = middle;
            } else {
                high = middle;
            }
        }
        high
    }

    /// What this embedding of `ising` takes at a chain coupling, on a card whose couplings and fields reach so far.
    pub fn report(
        &self,
        ising: &Ising,
        chain_coupling: f64,
        (coupling_max, field_max): (Option<f64>, Option<f64>),
    ) -> PlacementReport {
        let largest = |values: &[f64]| values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let range = coupling_max.map(|most| {
            let (mut low, mut high) = (0.0, 1.0);
            while self.needed_coupling(ising, high) < most && high < 1e6 {
                high *= 2.0;
            }
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if self.needed_coupling(ising, middle) > most {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            low
        });
        let native = coupling_max.map(|most| {
            let field = field_max.unwrap_or(f64::INFINITY) / largest(&ising.fields);
            (most / largest(ising.couplings.values())).min(field)
        });
        PlacementReport {
            sites: self.chains.iter().map(Vec::len).sum(),
            joins: 0,
            longest_chain: self.longest(),
            chain_coupling,
            needed_coupling: self.needed_coupling(ising, 1.0),
            broken_bound: self.broken_bound(ising, 1.0, chain_coupling),
            range,
            native_range: native,
        }
    }
}

/// Where an energy of spins goes on the sites of its embedding, numbered in their order.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Copies of each variable.
    pub copies: Vec<Vec<usize>>,
    /// Joins of the copies: the edge of the energy that each carries, or none within a chain.
    pub joins: Vec<((usize, usize), Option<usize>)>,
    /// Joins that share each edge.
    shares: Vec<usize>,
    /// F.
    pub chain_coupling: f64,
}

impl Layout {
    /// # Errors
    /// An embedding whose chains do not join what `edges` couples.
    pub(super) fn new(
        embedding: &Embedding,
        edges: &[(usize, usize)],
        topology: &Topology,
        chain_coupling: f64,
    ) -> Result<Self> {
        let sites = embedding.sites();
        let place = |site: &usize| sites.partition_point(|s| s < site);
        let joins = |a: usize, b: usize| topology.joins(a, b);
        let pair = |a: &usize, b: &usize| {
            let (a, b) = (place(a), place(b));
            (a.min(b), a.max(b))
        };
        let mut found = Vec::new();
        for chain in &embedding.chains {
            for (k, a) in chain.iter().enumerate() {
                let later = chain[k + 1..].iter().filter(|b| joins(*a, **b));
                found.extend(later.map(|b| (pair(a, b), None)));
            }
        }
        let mut shares = vec![0; edges.len()];
        for (edge, &(i, j)) in edges.iter().enumerate() {
            for a in &embedding.chains[i] {
                for b in embedding.chains[j].iter().filter(|b| joins(*a, **b)) {
                    found.push((pair(a, b), Some(edge)));
                    shares[edge] += 1;
                }
            }
            if shares[edge] == 0 {
                let expected = "chains that join what the energy couples";
                return Err(Error::invalid("placement", format!("[{i}, {j}]"), expected));
            }
        }
        found.sort_unstable_by_key(|join| join.0);
        let of = |chain: &Vec<usize>| chain.iter().map(place).collect();
        Ok(Layout {
            copies: embedding.chains.iter().map(of).collect(),
            joins: found,
            shares,
            chain_coupling,
        })
    }

    /// Number of sites.
    pub(super) fn sites(&self) -> usize {
        self.copies.iter().map(Vec::len).sum()
    }

    /// What is written to the sites for `parameters` of the energy.
    pub(super) fn parameters(&self, parameters: &Parameters) -> Parameters {
        let mut fields = vec![0.0; self.sites()];
        for (copies, h) in self.copies.iter().zip(&parameters.fields) {
            for &copy in copies {
                fields[copy] = h / copies.len() as f64;
            }
        }
        let coupling = |join: &((usize, usize), Option<usize>)| match join.1 {
            None => self.chain_coupling,
            Some(edge) => parameters.couplings[edge] / self.shares[edge] as f64,
        };
        Parameters {
            fields,
            couplings: self.joins.iter().map(coupling).collect(),
        }
    }
}
