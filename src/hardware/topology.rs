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

/// The published rule sets, and the king's graph. With the `dtm-replication` sets borders touch (`torus`): that public
/// replication of arXiv 2510.23972 has other rules from G12 up, on periodic arrays.
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
    RuleSet {
        name: "dtm-replication-G12",
        rules: &[(0, 1), (4, 1), (10, 9)],
        source: "public replication of arXiv 2510.23972",
    },
    RuleSet {
        name: "dtm-replication-G16",
        rules: &[(0, 1), (4, 1), (10, 9), (11, 14)],
        source: "public replication of arXiv 2510.23972",
    },
    RuleSet {
        name: "dtm-replication-G20",
        rules: &[(0, 1), (4, 1), (10, 9), (11, 14), (23, 6)],
        source: "public replication of arXiv 2510.23972",
    },
    RuleSet {
        name: "dtm-replication-G24",
        rules: &[(0, 1), (4, 1), (10, 9), (11, 14), (23, 6), (3, 28)],
        source: "public replication of arXiv 2510.23972",
    },
    RuleSet {
        name: "king",
        rules: &[(1, 0), (1, 1)],
        source: "textbook: every square and its eight neighbours; needs four colours",
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
    /// Every node of the first `left` with each of the `right` after them.
    Bipartite {
        /// Nodes on one side.
        left: usize,
        /// Nodes on the other.
        right: usize,
    },
    /// The pairs of a list.
    Graph(Graph),
    /// A list in a file that has not been read.
    File(String),
}

/// A list of pairs that can be coupled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    nodes: usize,
    /// i < j, ascending.
    edges: Vec<(usize, usize)>,
}

impl Graph {
    /// From text: a pair of node numbers `i j` (from 0) a line, `#` before comments, and `nodes N` where the last nodes have
    /// no pairs. Each pair once, in either order.
    ///
    /// # Errors
    /// A line of another form, a node with itself, a pair twice; the field names the line.
    pub fn parse(text: &str) -> Result<Self> {
        let (mut edges, mut stated) = (Vec::new(), 0);
        for (k, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |word: &str| word.parse::<usize>().ok().filter(|&n| n < 100_000_000);
            let refused = || {
                let expected = "two different node numbers from 0, or \"nodes N\"";
                let field = format!("line {}", k + 1);
                Error::invalid(field, format!("\"{}\"", line.trim()), expected)
            };
            match words[..] {
                [] => {}
                ["nodes", n] => stated = number(n).ok_or_else(refused)?,
                [i, j] => {
                    let (i, j) = number(i).zip(number(j)).ok_or_else(refused)?;
                    if i == j {
                        return Err(refused());
                    }
                    edges.push((i.min(j), i.max(j)));
                }
                _ => return Err(refused()),
            }
        }
        edges.sort_unstable();
        if let Some(twice) = edges.windows(2).find(|w| w[0] == w[1]) {
            let (i, j) = twice[0];
            let value = format!("{i} {j} twice");
            return Err(Error::invalid("edges", value, "each pair once"));
        }
        let last = edges.iter().map(|e| e.1 + 1).max().unwrap_or(0);
        if stated > 0 && stated < last {
            let expected = format!("at least the {last} nodes of the pairs");
            return Err(Error::invalid("nodes", stated, expected));
        }
        Ok(Graph {
            nodes: stated.max(last),
            edges,
        })
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// The pairs (i < j), ascending.
    pub fn edges(&self) -> &[(usize, usize)] {
        &self.edges
    }
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
    /// "all-to-all"; "bipartite 64+32"; "open 70x70 G12", "torus 70x70 (0,1) (4,1) (10,9)": borders, size, rules by name or one
    /// by one; "file edges.txt", a list that whoever opens files reads with [`Graph::parse`].
    ///
    /// # Errors
    /// Any other text; the field of the error is empty.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "all-to-all" {
            return Ok(Topology::AllToAll);
        }
        if let Some(path) = text.strip_prefix("file ").map(str::trim)
            && !path.is_empty()
        {
            return Ok(Topology::File(path.to_owned()));
        }
        let sides = text.strip_prefix("bipartite ").and_then(|s| {
            let (left, right) = s.split_once('+')?;
            let (left, right) = (left.trim().parse().ok()?, right.trim().parse().ok()?);
            (left > 0 && right > 0).then_some(Topology::Bipartite { left, right })
        });
        let found = sides.or_else(|| Lattice::from_words(text).map(Topology::Lattice));
        found.ok_or_else(|| {
            let names: Vec<&str> = RULE_SETS.iter().map(|r| r.name).collect();
            let expected = format!(
                "\"all-to-all\", \"bipartite 64+32\", \"file edges.txt\", or a lattice such as \"open 70x70 G12\" or \"torus 70x70 (0,1) (4,1)\" (named rules: {})",
                names.join(", ")
            );
            Error::invalid("", format!("\"{text}\""), expected)
        })
    }

    /// Number of nodes, when the topology limits it.
    pub fn nodes(&self) -> Option<usize> {
        match self {
            Topology::AllToAll | Topology::File(_) => None,
            Topology::Lattice(lattice) => Some(lattice.width * lattice.height),
            Topology::Bipartite { left, right } => Some(left + right),
            Topology::Graph(graph) => Some(graph.nodes),
        }
    }

    /// Whether nodes `i` and `j` can be coupled; no pairs of a list that has not been read.
    pub fn joins(&self, i: usize, j: usize) -> bool {
        match self {
            Topology::AllToAll => i != j,
            Topology::Lattice(lattice) => lattice.joins(i, j),
            Topology::Bipartite { left, right } => {
                let (low, high) = (i.min(j), i.max(j));
                low < *left && high >= *left && high < left + right
            }
            Topology::Graph(graph) => {
                let pair = (i.min(j), i.max(j));
                graph.edges.binary_search(&pair).is_ok()
            }
            Topology::File(_) => false,
        }
    }

    /// All pairs (i < j), ascending; `None` where the number of nodes is open.
    pub fn edges(&self) -> Option<Vec<(usize, usize)>> {
        match self {
            Topology::AllToAll | Topology::File(_) => None,
            Topology::Lattice(lattice) => Some(lattice.edges()),
            Topology::Bipartite { left, right } => {
                let across = |i| (*left..left + right).map(move |j| (i, j));
                Some((0..*left).flat_map(across).collect())
            }
            Topology::Graph(graph) => Some(graph.edges.clone()),
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

    /// Where the rules lead from node `i`, as often as they lead there.
    fn around(&self, i: usize) -> impl Iterator<Item = usize> + '_ {
        let (width, height) = (self.width as i64, self.height as i64);
        let (x, y) = (i as i64 % width, i as i64 / width);
        let turns = |&(a, b): &(i64, i64)| [(a, b), (-b, a), (-a, -b), (b, -a)];
        let at = move |(dx, dy): (i64, i64)| {
            let (mut u, mut v) = (x + dx, y + dy);
            if self.periodic {
                (u, v) = (u.rem_euclid(width), v.rem_euclid(height));
            }
            let inside = (0..width).contains(&u) && (0..height).contains(&v);
            inside.then_some((v * width + u) as usize)
        };
        let found = self.rules.iter().flat_map(turns).filter_map(at);
        found.filter(move |&j| j != i)
    }

    fn joins(&self, i: usize, j: usize) -> bool {
        i < self.width * self.height && self.around(i).any(|k| k == j)
    }

    /// Nodes joined to node `i`, ascending, each once.
    pub fn neighbours(&self, i: usize) -> Vec<usize> {
        let mut found: Vec<usize> = self.around(i).collect();
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
        let mut edges = Vec::with_capacity(2 * self.rules.len() * self.width * self.height);
        for i in 0..self.width * self.height {
            let from = edges.len();
            edges.extend(self.around(i).filter(|&j| j > i).map(|j| (i, j)));
            edges[from..].sort_unstable();
        }
        edges.dedup();
        edges
    }

    /// Capacitance of the wires of one node away from open borders: 4 η ℓ Σ √(a² + b²), η in F/m along the wire, ℓ the distance
    /// between nodes in m (arXiv 2510.23972).
    pub fn wire_capacitance(&self, per_metre: f64, pitch: f64) -> f64 {
        let length = |&(a, b): &(i64, i64)| (a as f64).hypot(b as f64);
        4.0 * per_metre * pitch * self.rules.iter().map(length).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lattice(text: &str) -> Lattice {
        match Topology::parse(text).unwrap() {
            Topology::Lattice(lattice) => lattice,
            other => panic!("{text}: {other:?}"),
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
            ("torus 70x70 dtm-replication-G12", 29_400),
            ("torus 70x70 dtm-replication-G24", 58_800),
            ("open 8x8 king", 210),
        ] {
            assert_eq!(lattice(text).edges().len(), edges, "{text}");
        }
    }

    /// a + b odd: every edge joins the two colours of the chequerboard.
    #[test]
    fn odd_rules_are_two_colourable() {
        for RuleSet { name, rules, .. } in RULE_SETS.iter().filter(|r| r.name != "king") {
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

    /// V8: 350 aF/µm of wire, 6 µm between nodes.
    #[test]
    fn published_wire_capacitances() {
        for (rules, femtofarads) in [("G8", 43.0), ("G12", 156.0)] {
            let array = lattice(&format!("open 70x70 {rules}"));
            let capacitance = 1e15 * array.wire_capacitance(350e-12, 6e-6);
            assert!(
                (capacitance - femtofarads).abs() < 0.05,
                "{rules}: {capacitance}"
            );
        }
    }

    /// `joins` says what `edges` lists, for every pair and kind; both ways round.
    #[test]
    fn pairs_are_those_of_the_list() {
        let listed = Graph::parse("# a triangle and a pair\n0 1\n2 1 # late\n2 0\n\n3 4\nnodes 6");
        let graph = Topology::Graph(listed.unwrap());
        let kinds = [
            "open 5x4 Z1",
            "torus 6x5 G8",
            "torus 2x2 (0,1)",
            "open 4x4 king",
            "bipartite 3+4",
        ];
        for topology in kinds
            .map(|t| Topology::parse(t).unwrap())
            .into_iter()
            .chain([graph])
        {
            let (n, edges) = (topology.nodes().unwrap(), topology.edges().unwrap());
            let count = (0..n + 2).flat_map(|i| (0..n + 2).map(move |j| (i, j)));
            let joined: Vec<_> = count.filter(|&(i, j)| topology.joins(i, j)).collect();
            assert_eq!(joined.len(), 2 * edges.len(), "{topology:?}");
            assert!(
                edges.is_sorted()
                    && edges
                        .iter()
                        .all(|&(i, j)| i < j && joined.contains(&(j, i)))
            );
        }
    }

    #[test]
    fn bad_lists_name_the_line() {
        for (text, words) in [
            ("0 1\n1 1", "line 2"),
            ("0 one", "line 1"),
            ("0 1 2", "line 1"),
            ("0 1\n1 0", "twice"),
            ("nodes 2\n0 5", "at least the 6 nodes"),
        ] {
            let message = Graph::parse(text).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
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
            "bipartite 0+4",
            "file ",
        ] {
            let error = Topology::parse(text).unwrap_err().to_string();
            assert!(
                error.contains("all-to-all") && error.contains("G12"),
                "{error}"
            );
        }
    }
}
