//! A tile: [`LANES`] chains with their streams, and the plan by which each node gets its own random numbers.
//!
//! Layout `[node][lane]`. At every step each node, clamped or not, owns the same words of its chain's stream: nodes 2k and
//! 2k+1 share one Box–Muller pair. Words of nodes that need none are jumped over, so clamping a node shifts nobody's noise.

use super::LANES;
use super::real::Real;
use super::streams::{Jump, Origin, Stream, Streams};

/// One row of lanes.
pub type Row<R> = [R; LANES];

/// The state of [`LANES`] chains, and scratch rows that steppers reuse.
#[derive(Clone, Debug)]
pub struct Tile<R> {
    /// Continuous nodes.
    pub x: Vec<Row<R>>,
    /// Spins, ±1.
    pub levels: Vec<Row<R>>,
    /// Streams.
    pub rng: Streams,
    /// Node-steps that hit a rail.
    pub clipped: u64,
    /// Proposals accepted (Metropolis steppers).
    pub accepted: u64,
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
            x: vec![[R::ZERO; LANES]; nodes],
            levels: vec![[R::ONE; LANES]; levels],
            rng: Streams::new(origin, first as u64),
            clipped: 0,
            accepted: 0,
            lanes,
            drive: Vec::new(),
            held: Vec::new(),
            time: 0.0,
            memory: Vec::new(),
            noise: Vec::new(),
            force: Vec::new(),
            spare: Vec::new(),
            work: Vec::new(),
        }
    }
}

/// Grows a scratch buffer to `rows`, without giving memory back.
pub fn reserve<R: Real>(buffer: &mut Vec<Row<R>>, rows: usize) {
    buffer.clear();
    buffer.resize(rows, [R::ZERO; LANES]);
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

/// How words become normals, for the record: see [`Real::normal_pair`].
pub const NORMAL_MAP: &str = "box-muller";

/// Which pairs of nodes need normals, and how far to jump in between.
#[derive(Clone, Debug)]
pub struct NormalPlan {
    pairs: Vec<Pair>,
    tail: Option<Jump>,
    words: u64,
}

#[derive(Clone, Debug)]
struct Pair {
    skip: Option<Jump>,
    first: Option<usize>,
    second: Option<usize>,
}

impl NormalPlan {
    /// A plan for nodes of which `free[node]` take normals; row k of the output is the k-th free node.
    pub fn new<R: Real>(free: &[bool]) -> Self {
        let words_per_pair = 2 * R::WORDS as u64;
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
            words: words_per_pair * free.len().div_ceil(2) as u64,
        }
    }

    /// Words of its stream that a chain's step takes, whatever is clamped: step k begins at word k times this.
    pub fn words(&self) -> u64 {
        self.words
    }

    /// Draws the standard normals of one step and hands them to `take(row, normals)`, row by row.
    #[inline(always)]
    pub fn each<R: Real>(&self, rng: &mut Streams, take: impl FnMut(usize, &Row<R>)) {
        // The generator is chosen here and not row by row, so that PCG's states stay in registers from pair to pair.
        match rng {
            Streams::Pcg(lanes) => self.each_of::<R>(lanes, take),
            Streams::ChaCha8(lanes) => self.each_of::<R>(&mut **lanes, take),
        }
    }

    #[inline(always)]
    fn each_of<R: Real>(&self, rng: &mut impl Stream, mut take: impl FnMut(usize, &Row<R>)) {
        let (mut radius, mut angle) = (Words([[0; LANES]; 2]), Words([[0; LANES]; 2]));
        for pair in &self.pairs {
            if let Some(jump) = pair.skip {
                rng.skip(jump);
            }
            uniform_words::<R>(rng, &mut radius.0);
            uniform_words::<R>(rng, &mut angle.0);
            let mut a = [R::ZERO; LANES];
            let mut b = [R::ZERO; LANES];
            for lane in 0..LANES {
                (a[lane], b[lane]) = R::normal_pair(
                    [radius.0[0][lane], radius.0[1][lane]],
                    [angle.0[0][lane], angle.0[1][lane]],
                );
            }
            if let Some(row) = pair.first {
                take(row, &a);
            }
            if let Some(row) = pair.second {
                take(row, &b);
            }
        }
        if let Some(jump) = self.tail {
            rng.skip(jump);
        }
    }

    /// Writes the standard normals of one step.
    #[inline(always)]
    pub fn fill<R: Real>(&self, rng: &mut Streams, out: &mut [Row<R>]) {
        self.each(rng, |row, normals| out[row] = *normals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normals<R: Real>(steps: usize, nodes: usize) -> Vec<f64> {
        let mut rng = Streams::new((11, 0), 0);
        let plan = NormalPlan::new::<R>(&vec![true; nodes]);
        let mut rows = vec![[R::ZERO; LANES]; nodes];
        let mut all = Vec::new();
        for _ in 0..steps {
            plan.fill(&mut rng, &mut rows);
            all.extend(rows.iter().flatten().map(|v| v.to_f64()));
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
        let mut full = vec![[0.0f32; LANES]; nodes];
        let mut part = vec![[0.0f32; LANES]; nodes];
        for _ in 0..3 {
            NormalPlan::new::<f32>(&all).fill(&mut a, &mut full);
            NormalPlan::new::<f32>(&some).fill(&mut b, &mut part);
            let kept: Vec<Row<f32>> = (0..nodes).filter(|&i| some[i]).map(|i| full[i]).collect();
            assert_eq!(&part[..kept.len()], &kept[..]);
        }
    }
}
