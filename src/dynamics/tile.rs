//! A tile: [`LANES`] chains with their streams, and the plan by which each node gets its own random numbers.
//!
//! Layout `[node][lane]`. At every step each node, clamped or not, owns the same words of its chain's stream: nodes 2k and
//! 2k+1 share one Box–Muller pair. Words of nodes that need none are jumped over, so clamping a node shifts nobody's noise.

use super::LANES;
use super::real::Real;
use super::streams::{Jump, Origin, Stream, Streams};

/// One row of lanes, on a boundary of the cache's lines: a vector across two of them costs twice as much.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub struct Row<R>([R; LANES]);

impl<R: Copy> Row<R> {
    /// `value` in every lane.
    #[inline(always)]
    pub fn splat(value: R) -> Self {
        Row([value; LANES])
    }

    /// `f` of every lane.
    #[inline(always)]
    #[must_use]
    pub fn map(self, f: impl FnMut(R) -> R) -> Self {
        Row(self.0.map(f))
    }
}

impl<R> std::ops::Deref for Row<R> {
    type Target = [R; LANES];

    #[inline(always)]
    fn deref(&self) -> &[R; LANES] {
        &self.0
    }
}

impl<R> std::ops::DerefMut for Row<R> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [R; LANES] {
        &mut self.0
    }
}

/// The state of [`LANES`] chains, and scratch rows that steppers reuse.
#[derive(Clone, Debug)]
pub struct Tile<R> {
    /// Continuous nodes.
    pub x: Vec<Row<R>>,
    /// Spins, one bit per chain: bit k is set where lane k is up.
    pub levels: Vec<u32>,
    /// Levels as the others see them, where a clock latches them (else empty).
    pub latched: Vec<u32>,
    /// Streams.
    pub rng: Streams,
    /// Node-steps that hit a rail.
    pub clipped: u64,
    /// Proposals accepted (Metropolis steppers).
    pub accepted: u64,
    /// What else a stepper counts during a run, by its own numbering.
    pub tally: Vec<u64>,
    /// Lanes in use; the others run along and are never read.
    pub lanes: usize,
    /// Constant force on each free node during a phase (bias and clamped neighbours).
    pub drive: Vec<Row<R>>,
    /// Constant part of each branch's variable during a phase (offset and clamped neighbours).
    pub held: Vec<Row<R>>,
    /// Time since the start of the run, in the process's unit.
    pub time: f64,
    /// What a scheme carries from step to step (Leimkuhler–Matthews: the last normals).
    pub memory: Vec<Row<R>>,
    /// Scratch.
    pub noise: Vec<Row<R>>,
    /// Scratch.
    pub force: Vec<Row<R>>,
    /// Scratch: the packed free nodes.
    pub spare: Vec<Row<R>>,
    /// Scratch.
    pub work: Vec<Row<R>>,
    /// Scratch: the spins of several tiles side by side.
    pub planes: Vec<u32>,
    /// Scratch: local inputs of one chain.
    pub inputs: Vec<i32>,
}

impl<R: Real> Tile<R> {
    /// Chains `first..first + lanes` of an origin, e.g. (seed, domain): `nodes` continuous nodes at zero and `levels` spins at +1.
    pub fn new(
        origin: impl Into<Origin>,
        first: usize,
        lanes: usize,
        nodes: usize,
        levels: usize,
    ) -> Self {
        Tile {
            x: vec![Row::splat(R::ZERO); nodes],
            levels: vec![u32::MAX; levels],
            latched: Vec::new(),
            rng: Streams::new(origin, first as u64),
            clipped: 0,
            accepted: 0,
            tally: Vec::new(),
            lanes,
            drive: Vec::new(),
            held: Vec::new(),
            time: 0.0,
            memory: Vec::new(),
            noise: Vec::new(),
            force: Vec::new(),
            spare: Vec::new(),
            work: Vec::new(),
            planes: Vec::new(),
            inputs: Vec::new(),
        }
    }

    /// Spin (as ±1) or continuous node `node` of lane `lane`.
    #[inline(always)]
    pub fn read(&self, spin: bool, node: usize, lane: usize) -> f64 {
        if !spin {
            self.x[node][lane].to_f64()
        } else if self.levels[node] >> lane & 1 == 1 {
            1.0
        } else {
            -1.0
        }
    }

    /// Sets what [`Self::read`] reads; a spin is up where `value` is positive.
    pub fn write(&mut self, spin: bool, node: usize, lane: usize, value: f64) {
        if !spin {
            self.x[node][lane] = R::from_f64(value);
        } else if value > 0.0 {
            self.levels[node] |= 1 << lane;
        } else {
            self.levels[node] &= !(1 << lane);
        }
    }
}

/// Grows a scratch buffer to `rows`, without giving memory back.
pub fn reserve<R: Real>(buffer: &mut Vec<Row<R>>, rows: usize) {
    buffer.clear();
    buffer.resize(rows, Row::splat(R::ZERO));
}

/// Ends a row: keeps the compiler from unrolling the loop over lanes and then vectorising across rows, with gathers.
#[inline(always)]
pub fn end_row() {
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
}

/// Words of a row, at cache lines: vectors that straddle two of them are slow from store to load.
#[repr(align(64))]
struct Words([[u32; LANES]; 2]);

/// Uniform words of one row: the second word only where the type needs it.
#[inline(always)]
pub fn uniform_words<R: Real>(rng: &mut impl Stream, words: &mut [[u32; LANES]; 2]) {
    rng.next(&mut words[0]);
    if R::WORDS == 2 {
        rng.next(&mut words[1]);
    }
}

/// A Box–Muller pair for every lane.
#[inline(always)]
pub(super) fn normal_rows<R: Real>(rng: &mut impl Stream, bits: NormalBits) -> (Row<R>, Row<R>) {
    match bits {
        NormalBits::Full => pair_rows(rng),
        NormalBits::Single => {
            let (a, b) = pair_rows::<f32>(rng);
            (widen(&a), widen(&b))
        }
    }
}

#[inline(always)]
fn pair_rows<R: Real>(rng: &mut impl Stream) -> (Row<R>, Row<R>) {
    let (mut radius, mut angle) = (Words([[0; LANES]; 2]), Words([[0; LANES]; 2]));
    uniform_words::<R>(rng, &mut radius.0);
    uniform_words::<R>(rng, &mut angle.0);
    let (mut a, mut b) = (Row::splat(R::ZERO), Row::splat(R::ZERO));
    for lane in 0..LANES {
        (a[lane], b[lane]) = R::normal_pair(
            [radius.0[0][lane], radius.0[1][lane]],
            [angle.0[0][lane], angle.0[1][lane]],
        );
    }
    (a, b)
}

#[inline(always)]
fn widen<R: Real>(from: &Row<f32>) -> Row<R> {
    let mut to = Row::splat(R::ZERO);
    for lane in 0..LANES {
        to[lane] = R::from_f64(f64::from(from[lane]));
    }
    to
}

/// How many random bits make a standard normal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NormalBits {
    /// As many as the type can hold.
    #[default]
    Full,
    /// Those of single precision, widened: one 32-bit word each, |z| < 6.7. Half the words and a third of the time for `f64`
    /// states, whose sums stay exact; not for rare events.
    Single,
}

impl NormalBits {
    /// Words that each of a pair's two uniform numbers takes.
    pub(super) fn words<R: Real>(self) -> usize {
        match self {
            NormalBits::Full => R::WORDS,
            NormalBits::Single => f32::WORDS,
        }
    }
}

/// How words become normals, for the record: see [`Real::normal_pair`].
pub const NORMAL_MAP: &str = "box-muller";

/// Which pairs of nodes need normals, and how far to jump in between.
#[derive(Clone, Debug)]
pub struct NormalPlan {
    pairs: Vec<Pair>,
    tail: Option<Jump>,
    nodes: usize,
    bits: NormalBits,
}

/// Two nodes that share one Box–Muller pair: how far to jump before it, and their rows where they take normals.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    skip: Option<Jump>,
    pub first: Option<usize>,
    pub second: Option<usize>,
}

impl NormalPlan {
    /// A plan for nodes of which `free[node]` take normals; row k of the output is the k-th free node.
    pub fn new<R: Real>(free: &[bool], bits: NormalBits) -> Self {
        let words_per_pair = 2 * bits.words::<R>() as u64;
        let (mut pairs, mut skipped, mut row) = (Vec::new(), 0, 0);
        let jump = |words: u64| (words > 0).then(|| Jump::new(words));
        for pair in free.chunks(2) {
            if !pair.contains(&true) {
                skipped += words_per_pair;
                continue;
            }
            let mut take = |k: usize| {
                pair.get(k).copied().unwrap_or(false).then(|| {
                    row += 1;
                    row - 1
                })
            };
            let (first, second) = (take(0), take(1));
            pairs.push(Pair {
                skip: jump(skipped),
                first,
                second,
            });
            skipped = 0;
        }
        NormalPlan {
            pairs,
            tail: jump(skipped),
            nodes: free.len(),
            bits,
        }
    }

    /// Words of its stream that a chain's step takes, whatever is clamped: step k begins at word k times this.
    pub fn words<R: Real>(&self) -> u64 {
        (2 * self.bits.words::<R>() * self.nodes.div_ceil(2)) as u64
    }

    /// Nodes with words in the stream, whether they take normals or not.
    pub(super) fn nodes(&self) -> usize {
        self.nodes
    }

    /// The pairs that a step draws, in their order.
    pub(super) fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// How finely it draws.
    pub(super) fn bits(&self) -> NormalBits {
        self.bits
    }

    /// Draws one pair of rows; `pair` is the next of [`Self::pairs`].
    #[inline(always)]
    pub(super) fn draw<R: Real>(&self, rng: &mut impl Stream, pair: &Pair) -> (Row<R>, Row<R>) {
        if let Some(jump) = pair.skip {
            rng.skip(jump);
        }
        normal_rows(rng, self.bits)
    }

    /// Jumps over what the step leaves after its last pair.
    #[inline(always)]
    pub(super) fn finish(&self, rng: &mut impl Stream) {
        if let Some(jump) = self.tail {
            rng.skip(jump);
        }
    }

    /// Writes the standard normals of one step.
    #[inline(always)]
    pub fn fill<R: Real>(&self, rng: &mut Streams, out: &mut [Row<R>]) {
        // The generator is chosen here and not row by row, so that PCG's states stay in registers from pair to pair.
        match rng {
            Streams::Pcg(lanes) => self.fill_from(lanes, out),
            Streams::ChaCha8(lanes) => self.fill_from(&mut **lanes, out),
        }
    }

    #[inline(always)]
    fn fill_from<R: Real>(&self, rng: &mut impl Stream, out: &mut [Row<R>]) {
        for pair in &self.pairs {
            let (a, b) = self.draw(rng, pair);
            if let Some(row) = pair.first {
                out[row] = a;
            }
            if let Some(row) = pair.second {
                out[row] = b;
            }
        }
        self.finish(rng);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normals<R: Real>(steps: usize, nodes: usize) -> Vec<f64> {
        let mut rng = Streams::new((11, 0), 0);
        let plan = NormalPlan::new::<R>(&vec![true; nodes], NormalBits::Full);
        let mut rows = vec![Row::splat(R::ZERO); nodes];
        let mut all = Vec::new();
        for _ in 0..steps {
            plan.fill(&mut rng, &mut rows);
            all.extend(rows.iter().flat_map(|row| row.iter().map(|v| v.to_f64())));
        }
        all
    }

    /// Moments to fourth order and the 3σ tail of about 1e6 normals; each bound is 5.5 standard errors (4e-8 a check).
    fn moments_hold(z: &[f64]) -> bool {
        let n = z.len() as f64;
        let moment = |k: i32| z.iter().map(|v| v.powi(k)).sum::<f64>() / n;
        let tail = z.iter().filter(|v| v.abs() > 3.0).count() as f64 / n;
        let p = 0.002_699_796;
        [
            (moment(1), 0.0, 1.0),
            (moment(2), 1.0, 2.0),
            (moment(3), 0.0, 15.0),
            (moment(4), 3.0, 96.0),
            (tail, p, p),
        ]
        .iter()
        .all(|(got, wanted, variance)| (got - wanted).abs() < 5.5 * (variance / n).sqrt())
    }

    #[test]
    fn normals_are_normal_and_a_wrong_scale_is_caught() {
        for z in [normals::<f32>(1000, 31), normals::<f64>(1000, 31)] {
            assert!(moments_hold(&z));
            let mutated: Vec<f64> = z.iter().map(|v| v * 1.01).collect();
            assert!(!moments_hold(&mutated));
        }
    }

    #[test]
    fn clamping_a_node_shifts_nobodys_noise() {
        let nodes = 9;
        let all = vec![true; nodes];
        let some: Vec<bool> = (0..nodes).map(|i| ![0, 3, 4, 5, 8].contains(&i)).collect();
        let (mut a, mut b) = (Streams::new((1, 2), 3), Streams::new((1, 2), 3));
        let mut full = vec![Row::splat(0.0f32); nodes];
        let mut part = vec![Row::splat(0.0f32); nodes];
        for _ in 0..3 {
            NormalPlan::new::<f32>(&all, NormalBits::Full).fill(&mut a, &mut full);
            NormalPlan::new::<f32>(&some, NormalBits::Full).fill(&mut b, &mut part);
            let kept: Vec<Row<f32>> = (0..nodes).filter(|&i| some[i]).map(|i| full[i]).collect();
            assert_eq!(&part[..kept.len()], &kept[..]);
        }
    }
}
