//! A tile: [`LANES`] chains with their streams, and the plan by which each node gets its own random numbers.
//!
//! Layout `[node][lane]`. At every step each node, clamped or not, owns the same words of its chain's stream: nodes 2k and
//! 2k+1 share one Box–Muller pair. Words of nodes that need none are jumped over, so clamping a node shifts nobody's noise.

use super::LANES;
use super::real::Real;
use super::streams::{Jump, PcgLanes};

/// One row of lanes.
pub type Row<R> = [R; LANES];

/// The state of [`LANES`] chains, and scratch rows that steppers reuse.
#[derive(Clone, Debug)]
pub struct Tile<R> {
    /// Continuous nodes.
    pub x: Vec<Row<R>>,
    /// Spins, one bit per chain: bit k is set where lane k is up.
    pub levels: Vec<u32>,
    /// Streams.
    pub rng: PcgLanes,
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
    /// Scratch: the spins of several tiles side by side.
    pub planes: Vec<u32>,
    /// Scratch: local inputs of one chain.
    pub inputs: Vec<i32>,
}

impl<R: Real> Tile<R> {
    /// Chains `first..first + lanes` of (seed, domain): `nodes` continuous nodes at zero and `levels` spins at +1.
    pub fn new(
        (seed, domain): (u64, u64),
        first: usize,
        lanes: usize,
        nodes: usize,
        levels: usize,
    ) -> Self {
        Tile {
            x: vec![[R::ZERO; LANES]; nodes],
            levels: vec![u32::MAX; levels],
            rng: PcgLanes::new(seed, domain, first as u64),
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
    buffer.resize(rows, [R::ZERO; LANES]);
}

/// Ends a row: keeps the compiler from unrolling the loop over lanes and then vectorising across rows, with gathers.
#[inline(always)]
pub fn end_row() {
    std::sync::atomic::compiler_fence(std::sync::atomic::Ordering::SeqCst);
}

/// Uniform words of one row: the second word only where the type needs it.
#[inline(always)]
pub fn uniform_words<R: Real>(rng: &mut PcgLanes, words: &mut [[u32; LANES]; 2]) {
    rng.next(&mut words[0]);
    if R::WORDS == 2 {
        rng.next(&mut words[1]);
    }
}

/// Which pairs of nodes need normals, and how far to jump in between.
#[derive(Clone, Debug)]
pub struct NormalPlan {
    pairs: Vec<Pair>,
    tail: Option<Jump>,
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
        let words_per_pair = 2 * R::WORDS;
        let (mut pairs, mut skipped, mut row) = (Vec::new(), 0, 0);
        let jump = |words: usize| (words > 0).then(|| Jump::new(words));
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
        }
    }

    /// Draws the standard normals of one step and hands them to `take(row, normals)`, row by row.
    #[inline(always)]
    pub fn each<R: Real>(&self, rng: &mut PcgLanes, mut take: impl FnMut(usize, &Row<R>)) {
        let mut radius = [[0u32; LANES]; 2];
        let mut angle = [[0u32; LANES]; 2];
        for pair in &self.pairs {
            if let Some(jump) = pair.skip {
                rng.skip(jump);
            }
            uniform_words::<R>(rng, &mut radius);
            uniform_words::<R>(rng, &mut angle);
            let mut a = [R::ZERO; LANES];
            let mut b = [R::ZERO; LANES];
            for lane in 0..LANES {
                (a[lane], b[lane]) = R::normal_pair(
                    [radius[0][lane], radius[1][lane]],
                    [angle[0][lane], angle[1][lane]],
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
    pub fn fill<R: Real>(&self, rng: &mut PcgLanes, out: &mut [Row<R>]) {
        self.each(rng, |row, normals| out[row] = *normals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normals<R: Real>(steps: usize, nodes: usize) -> Vec<f64> {
        let mut rng = PcgLanes::new(11, 0, 0);
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
        let (mut a, mut b) = (PcgLanes::new(1, 2, 3), PcgLanes::new(1, 2, 3));
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
