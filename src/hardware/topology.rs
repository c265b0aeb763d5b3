//! Which pairs of nodes a chip can couple.
//!
//! A lattice rule (a, b) joins (x, y) to (x+a, y+b), (x−b, y+a), (x−a, y−b) and (x+b, y−a); with a + b odd the array is
//! two-colourable (arXiv 2510.23972, 2608.01615). Node k sits at (k mod width, k div width).

use crate::error::{Error, Result};

/// A named set of lattice rules.
#[derive(Clone, Copy, Debug)]
pub struct RuleSet {
    /// Name.
    pub name: &'static str,
    /// Rules (a, b).
    pub rules: &'static [(i64, i64)],
    /// Where they come from, and how far to trust them.
    pub source: &'static str,
}

/// The published rule sets.
pub const RULE_SETS: &[RuleSet] = &[
    RuleSet {
        name: "G8",
        rules: &[(0, 1), (4, 1)],
        source: "arXiv 2510.23972",
    },
    RuleSet {
        name: "G12",
        rules: &[(0, 1), (4, 1), (9, 10)],
        source: "arXiv 2510.23972",
    },
    RuleSet {
        name: "G16",
        rules: &[(0, 1), (4, 1), (8, 7), (14, 9)],
        source: "arXiv 2510.23972",
    },
    RuleSet {
        name: "G20",
        rules: &[(0, 1), (4, 1), (3, 6), (8, 7), (14, 9)],
        source: "low-trust: arXiv 2510.23972, second-hand",
    },
    RuleSet {
        name: "G24",
        rules: &[(0, 1), (1, 2), (4, 1), (3, 6), (8, 7), (14, 9)],
        source: "low-trust: arXiv 2510.23972, second-hand",
    },
    RuleSet {
        name: "Z1",
        rules: &[(1, 0), (2, 1), (2, 3), (4, 1)],
        source: "arXiv 2608.01615",
    },
];

/// The coupling graph of a chip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Topology {
    /// Every pair.
    #[default]
    AllToAll,
    /// A rectangular array with the same rules at every node.
    Lattice(Lattice),
}

/// A rectangular array of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lattice {
    /// Nodes in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Whether opposite borders touch (a torus).
    pub periodic: bool,
    /// Rules (a, b).
    pub rules: Vec<(i64, i64)>,
}

impl Topology {
    /// "all-to-all", or "open 70x70 G12", "torus 70x70 (0,1) (4,1) (10,9)": borders, size, rules by name or one by one.
    ///
    /// # Errors
    /// Any other text; the field of the error is empty.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "all-to-all" {
            return Ok(Topology::AllToAll);
        }
        Lattice::from_words(text).map(Topology::Lattice).ok_or_else(|| {
            let names: Vec<&str> = RULE_SETS.iter().map(|r| r.name).collect();
            let expected = format!(
                "\"all-to-all\", or a lattice such as \"open 70x70 G12\" or \"torus 70x70 (0,1) (4,1)\" (named rules: {})",
                names.join(", ")
            );
            Error::invalid("", format!("\"{text}\""), expected)
        })
    }

    /// Number of nodes, when the topology limits it.
    pub fn nodes(&self) -> Option<usize> {
        match self {
            Topology::AllToAll => None,
            Topology::Lattice(lattice) => Some(lattice.width * lattice.height),
        }
    }

    /// Whether nodes `i` and `j` can be coupled.
    pub fn joins(&self, i: usize, j: usize) -> bool {
        match self {
            Topology::AllToAll => i != j,
            Topology::Lattice(lattice) => lattice.neighbours(i).contains(&j),
        }
    }
}

impl Lattice {
    fn from_words(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let periodic = match words.next()? {
            "open" => false,
            "torus" => true,
            _ => return None,
        };
        let (width, height) = words.next()?.split_once('x')?;
        let size = |word: &str| {
            word.parse::<usize>()
                .ok()
                .filter(|n| (1..=100_000).contains(n))
        };
        let (width, height) = (size(width)?, size(height)?);
        let mut rules = Vec::new();
        for word in words {
            if let Some(named) = RULE_SETS.iter().find(|r| r.name == word) {
                rules.extend_from_slice(named.rules);
            } else {
                let (a, b) = word.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
                rules.push((a.parse().ok()?, b.parse().ok()?));
            }
        }
        // A rule longer than the array joins nothing; this bound only keeps the sums from overflowing.
        let sane =
            |&(a, b): &(i64, i64)| a.abs() <= 100_000 && b.abs() <= 100_000 && (a, b) != (0, 0);
        (!rules.is_empty() && rules.iter().all(sane)).then_some(Lattice {
            width,
            height,
            periodic,
            rules,
        })
    }

    /// Nodes joined to node `i`, ascending, each once.
    pub fn neighbours(&self, i: usize) -> Vec<usize> {
        let (width, height) = (self.width as i64, self.height as i64);
        let (x, y) = (i as i64 % width, i as i64 / width);
        let turns = |&(a, b): &(i64, i64)| [(a, b), (-b, a), (-a, -b), (b, -a)];
        let mut found: Vec<usize> = self
            .rules
            .iter()
            .flat_map(turns)
            .filter_map(|(dx, dy)| {
                let (mut u, mut v) = (x + dx, y + dy);
                if self.periodic {
                    (u, v) = (u.rem_euclid(width), v.rem_euclid(height));
                }
                let inside = (0..width).contains(&u) && (0..height).contains(&v);
                inside.then_some((v * width + u) as usize)
            })
            .filter(|&j| j != i)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Length of the wires to the neighbours of an inner node, in pitches: 4 Σ √(a² + b²).
    pub fn wire_length(&self) -> f64 {
        let length = |&(a, b): &(i64, i64)| 4.0 * (a as f64).hypot(b as f64);
        self.rules.iter().map(length).sum()
    }

    /// All joined pairs (i < j), ascending.
    pub fn edges(&self) -> Vec<(usize, usize)> {
        (0..self.width * self.height)
            .flat_map(|i| {
                let above = self.neighbours(i).into_iter().filter(move |&j| j > i);
                above.map(move |j| (i, j))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lattice(text: &str) -> Lattice {
        match Topology::parse(text).unwrap() {
            Topology::Lattice(lattice) => lattice,
            Topology::AllToAll => panic!("{text}"),
        }
    }

    /// V8: edge counts at L = 70.
    #[test]
    fn published_edge_counts() {
        for (text, edges) in [
            ("open 70x70 G8", 18_768),
            ("open 70x70 G12", 26_088),
            ("open 70x70 Z1", 37_264),
            ("torus 70x70 (0,1) (4,1) (10,9)", 29_400),
        ] {
            assert_eq!(lattice(text).edges().len(), edges, "{text}");
        }
    }

    /// a + b odd: every edge joins the two colours of the chequerboard.
    #[test]
    fn odd_rules_are_two_colourable() {
        for RuleSet { name, rules, .. } in RULE_SETS {
            assert!(rules.iter().all(|(a, b)| (a + b) % 2 != 0), "{name}");
            let array = lattice(&format!("open 30x20 {name}"));
            let colour = |i: usize| (i % 30 + i / 30) % 2;
            assert!(array.edges().iter().all(|&(i, j)| colour(i) != colour(j)));
        }
        let even = lattice("open 30x20 (1,1)");
        assert!(
            even.edges()
                .iter()
                .all(|&(i, j)| (i % 30 + i / 30 + j % 30 + j / 30) % 2 == 0)
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "ring",
            "open 7 G8",
            "open 0x4 G8",
            "open 9x9",
            "open 9x9 G9",
            "torus 9x9 (0,0)",
        ] {
            let error = Topology::parse(text).unwrap_err().to_string();
            assert!(
                error.contains("all-to-all") && error.contains("G12"),
                "{error}"
            );
        }
    }
}
