//! When the p-bits of an array may flip: each by itself in continuous time, or by a clock, colour by colour or all at once.
//!
//! In a phase of length T a clocked p-bit at fixed input I keeps its spin with probability e^{−T/τ(I)} and is else drawn from
//! P(+1) = σ(2I). Colour by colour that leaves the Boltzmann law as it is, whatever T; all at once and settled it gives the
//! law of Peretto (Biol. Cybern. 50, 51 (1984)), π ∝ e^{h·s} Π_i 2cosh(h_i + Σ_j J_ij s_j). Outputs are latched between phases, so
//! a synapse has the whole phase to settle on them; what of its old value is left after e^{−T/τ_s} does spoil the law.

use super::card::Card;
use crate::dynamics::Clocking;
use crate::error::{Error, Result};

/// An update discipline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Update {
    /// Every p-bit by itself, in continuous time.
    #[default]
    Asynchronous,
    /// Two colours in turn; refused where the couplings have an odd cycle.
    TwoColour,
    /// As many colours in turn as the couplings need (two where two suffice, else greedily in node order).
    ColourByColour,
    /// All in every phase, from the outputs latched before it.
    AllAtOnce,
}

impl Update {
    /// All, as cards write them.
    pub const NAMES: [(&'static str, Update); 4] = [
        ("asynchronous", Update::Asynchronous),
        ("two-colour", Update::TwoColour),
        ("colour-by-colour", Update::ColourByColour),
        ("all-at-once", Update::AllAtOnce),
    ];

    /// From its name.
    ///
    /// # Errors
    /// Another word; the field of the error is empty.
    pub fn parse(text: &str) -> Result<Self> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, update)| *update).ok_or_else(|| {
            let names = Self::NAMES.map(|(name, _)| format!("\"{name}\""));
            let expected = format!("one of {}", names.join(", "));
            Error::invalid("", format!("\"{text}\""), expected)
        })
    }

    /// The card's discipline: `physics.update`, asynchronous when it does not say.
    ///
    /// # Errors
    /// An unknown word.
    pub fn of(card: &Card) -> Result<Self> {
        let stated = card.parameters.get("physics.update");
        stated.map_or(Ok(Update::Asynchronous), |p| {
            Update::parse(&p.value).map_err(|e| e.at("physics.update"))
        })
    }

    /// The clock of `card` for p-bits coupled along `edges`, in units of its τ.
    ///
    /// # Errors
    /// A clocked card without `physics.phase`; two colours for couplings with an odd cycle.
    pub(super) fn clocking(
        card: &Card,
        nodes: usize,
        edges: &[(usize, usize)],
    ) -> Result<Clocking> {
        let classes = match Update::of(card)? {
            Update::Asynchronous => return Ok(Clocking::Free),
            Update::AllAtOnce => vec![(0..nodes).collect()],
            Update::TwoColour => {
                let refused = |(i, j)| {
                    let value = format!("\"two-colour\" with the coupling [{i}, {j}]");
                    let expected = "couplings without odd cycles (that one closes one), or \"colour-by-colour\"";
                    Error::invalid("physics.update", value, expected)
                };
                two_colours(nodes, edges).map_err(refused)?
            }
            Update::ColourByColour => {
                two_colours(nodes, edges).unwrap_or_else(|_| greedy(nodes, edges))
            }
        };
        let Some(phase) = card.get("physics.phase") else {
            let expected = "the length of a clock phase on a clocked card, e.g. \"10 ns\"";
            return Err(Error::invalid("physics.phase", "nothing", expected));
        };
        Ok(Clocking::Phases {
            phase: phase / card.required("physics.tau"),
            classes: classes.into_iter().filter(|c| !c.is_empty()).collect(),
        })
    }
}

/// Neighbours of all nodes, one after the other: those of i are `list[starts[i]..starts[i + 1]]`.
struct Adjacency {
    starts: Vec<usize>,
    list: Vec<usize>,
}

impl Adjacency {
    fn new(nodes: usize, edges: &[(usize, usize)]) -> Self {
        let mut starts = vec![0; nodes + 1];
        for &(i, j) in edges {
            starts[i + 1] += 1;
            starts[j + 1] += 1;
        }
        for i in 0..nodes {
            starts[i + 1] += starts[i];
        }
        let (mut next, mut list) = (starts.clone(), vec![0; 2 * edges.len()]);
        for &(i, j) in edges {
            for (from, to) in [(i, j), (j, i)] {
                list[next[from]] = to;
                next[from] += 1;
            }
        }
        Adjacency { starts, list }
    }

    fn of(&self, i: usize) -> &[usize] {
        &self.list[self.starts[i]..self.starts[i + 1]]
    }
}

/// Two classes of `nodes` nodes without an edge inside, or an edge that closes an odd cycle.
pub(super) fn two_colours(
    nodes: usize,
    edges: &[(usize, usize)],
) -> std::result::Result<Vec<Vec<usize>>, (usize, usize)> {
    let graph = Adjacency::new(nodes, edges);
    let mut colour: Vec<Option<bool>> = vec![None; nodes];
    let mut queue = Vec::new();
    for root in 0..nodes {
        if colour[root].is_none() {
            colour[root] = Some(false);
            queue.push(root);
        }
        while let Some(i) = queue.pop() {
            for &j in graph.of(i) {
                if colour[j].is_none() {
                    colour[j] = colour[i].map(|c| !c);
                    queue.push(j);
                } else if colour[j] == colour[i] {
                    return Err((i.min(j), i.max(j)));
                }
            }
        }
    }
    let class = |c: bool| (0..nodes).filter(|&i| colour[i] == Some(c)).collect();
    Ok(vec![class(false), class(true)])
}

/// Each node gets the first colour that no neighbour before it has.
fn greedy(nodes: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let graph = Adjacency::new(nodes, edges);
    let mut colour = vec![usize::MAX; nodes];
    let mut classes: Vec<Vec<usize>> = Vec::new();
    for i in 0..nodes {
        let taken = |c: usize| graph.of(i).iter().any(|&j| colour[j] == c);
        let mut c = 0;
        while taken(c) {
            c += 1;
        }
        if c == classes.len() {
            classes.push(Vec::new());
        }
        colour[i] = c;
        classes[c].push(i);
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_cycles_are_named_and_need_a_third_colour() {
        let ring = |n: usize| (0..n).map(|i| (i, (i + 1) % n)).collect::<Vec<_>>();
        let even = two_colours(8, &ring(8)).unwrap();
        assert_eq!(even, [vec![0, 2, 4, 6], vec![1, 3, 5, 7]]);
        let (i, j) = two_colours(7, &ring(7)).unwrap_err();
        assert!(ring(7).contains(&(i, j)) || ring(7).contains(&(j, i)));
        let three = greedy(7, &ring(7));
        assert_eq!(three.len(), 3);
        let of = |i: usize| three.iter().position(|class| class.contains(&i));
        assert!(ring(7).iter().all(|&(i, j)| of(i) != of(j)));
        // Two pieces, one of them a single node.
        assert_eq!(two_colours(3, &[(1, 2)]).unwrap(), [vec![0, 1], vec![2]]);
    }

    #[test]
    fn words_are_known() {
        for (name, update) in Update::NAMES {
            assert_eq!(Update::parse(name).unwrap(), update);
        }
        let words = Update::parse("chequerboard").unwrap_err().to_string();
        assert!(words.contains("two-colour"), "{words}");
    }
}
