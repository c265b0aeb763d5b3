//! The fused Euler–Maruyama kernel: noise, force and store in one pass over the nodes, from one buffer into another.
//!
//! x'_i = x_i + c_1 x_i + c_2 x_i² + c_3 x_i³ + c_0 + Σ_j L_ij x_j + σ_i ξ_i, with h already in c and L, and √h in σ: 6 + d
//! multiply-adds for d neighbours, beside about 45 operations for the normal. Unit mass and own noise on every node; what
//! cannot be read row by row (dense couplings, branches) comes in as a force that was computed before.

use super::LANES;
use super::force::{Rows, cubic};
use super::process::Process;
use super::real::Real;
use super::streams::{Stream, Streams};
use super::tile::{NormalPlan, Row, Tile, end_row, reserve};

/// What the kernel needs of a process and a step.
#[derive(Clone, Debug)]
pub(super) struct Sweep<R> {
    rows: Vec<Node<R>>,
    /// h L, row by row: `entries[rows[i].first..rows[i].last]` = (column, value).
    entries: Vec<(u32, R)>,
    railed: bool,
    step: R,
    /// Whether `tile.force` adds to what is here.
    forced: bool,
    /// Whether `tile.drive`, not the same in all lanes, takes the place of c_0.
    driven: bool,
}

/// One node's numbers, side by side: they are read once a step.
#[derive(Clone, Copy, Debug)]
struct Node<R> {
    first: u32,
    last: u32,
    cubic: [R; 3],
    constant: R,
    sigma: R,
    rail: R,
}

/// Where the kernel reads and writes.
struct Buffers<'a, R> {
    x: &'a [Row<R>],
    force: &'a [Row<R>],
    drive: &'a [Row<R>],
}

impl<R: Real> Sweep<R> {
    /// For the free nodes `free` of a process whose noise has the amplitudes `sigma` (√h S) there. `forced`: more forces
    /// than cells and sparse couplings.
    pub fn new(
        process: &Process,
        free: &[usize],
        couplings: &Rows<R>,
        sigma: &[R],
        step: f64,
        forced: bool,
    ) -> Self {
        let mut entries = Vec::new();
        let coefficient = |k: usize, i: usize| {
            let value = process.polynomial.get(k).and_then(|c| c.get(i));
            R::from_f64(step * value.copied().unwrap_or(0.0))
        };
        let h = R::from_f64(step);
        let rows = free.iter().enumerate().map(|(row, &i)| {
            let first = entries.len() as u32;
            entries.extend(couplings.sparse_row(row).iter().map(|&(j, v)| (j, h * v)));
            Node {
                first,
                last: entries.len() as u32,
                cubic: [1, 2, 3].map(|k| coefficient(k, i)),
                constant: coefficient(0, i),
                sigma: sigma[row],
                rail: R::from_f64(process.rails.as_ref().map_or(0.0, |rails| rails[i])),
            }
        });
        Sweep {
            rows: rows.collect(),
            entries,
            railed: process.rails.is_some(),
            step: h,
            forced,
            driven: false,
        }
    }

    /// Reads `tile.drive` in place of the constants from now on.
    pub fn driven(&mut self) {
        self.driven = true;
    }

    /// Whether it reads `tile.drive`.
    #[inline(always)]
    pub fn is_driven(&self) -> bool {
        self.driven
    }

    /// Whether it reads `tile.force`.
    #[inline(always)]
    pub fn forced(&self) -> bool {
        self.forced
    }

    /// Makes room for the other buffer.
    pub fn begin(&self, tile: &mut Tile<R>) {
        reserve(&mut tile.work, self.rows.len());
    }

    /// h L of a row.
    #[inline(always)]
    pub fn neighbours(&self, row: usize) -> &[(u32, R)] {
        let node = &self.rows[row];
        &self.entries[node.first as usize..node.last as usize]
    }

    /// h (c_1, c_2, c_3) of a row.
    #[inline(always)]
    pub fn cell(&self, row: usize) -> [R; 3] {
        self.rows[row].cubic
    }

    /// Noise and constant force, to which the neighbours add.
    #[inline(always)]
    pub fn start(&self, row: usize, noise: R, drive: R) -> R {
        let node = &self.rows[row];
        let constant = if self.driven {
            self.step * drive
        } else {
            node.constant
        };
        node.sigma.fma(noise, constant)
    }

    /// A force that was computed before, on top.
    #[inline(always)]
    pub fn forced_by(&self, force: R, sum: R) -> R {
        self.step.fma(force, sum)
    }

    /// `x` within the rails, and whether it was not.
    #[inline(always)]
    pub fn limit(&self, row: usize, x: R) -> (R, bool) {
        if !self.railed {
            return (x, false);
        }
        let limited = x.clamp_abs(self.rows[row].rail);
        (limited, limited != x)
    }

    #[inline(always)]
    fn any_beyond(&self, row: usize, x: &Row<R>) -> bool {
        let rail = self.rows[row].rail;
        let mut any = false;
        for lane in 0..LANES {
            any |= (x[lane] > rail) | (x[lane] < -rail);
        }
        any
    }

    /// One node from its normals into `out`.
    #[inline(always)]
    fn node(
        &self,
        row: usize,
        from: &Buffers<'_, R>,
        noise: &Row<R>,
        out: &mut Row<R>,
        clipped: &mut [u32; LANES],
    ) {
        // The first writer of `sum` reads the noise: a row copied from memory would be split among registers of unequal
        // width.
        let mut sum = Row::splat(R::ZERO);
        if self.driven {
            let drive = &from.drive[row];
            for lane in 0..LANES {
                sum[lane] = self.start(row, noise[lane], drive[lane]);
            }
        } else {
            for lane in 0..LANES {
                sum[lane] = self.start(row, noise[lane], R::ZERO);
            }
        }
        if self.forced {
            let force = &from.force[row];
            for lane in 0..LANES {
                sum[lane] = self.forced_by(force[lane], sum[lane]);
            }
        }
        for &(j, value) in self.neighbours(row) {
            let x = &from.x[j as usize];
            for lane in 0..LANES {
                sum[lane] = value.fma(x[lane], sum[lane]);
            }
        }
        let (cell, x) = (self.cell(row), &from.x[row]);
        for lane in 0..LANES {
            out[lane] = x[lane] + cubic(cell, x[lane], sum[lane]);
        }
        // Rails are for the rare excursion: a look at the row costs less than limiting it.
        if self.railed && self.any_beyond(row, out) {
            for lane in 0..LANES {
                let (limited, beyond) = self.limit(row, out[lane]);
                clipped[lane] += u32::from(beyond);
                out[lane] = limited;
            }
        }
        end_row();
    }

    #[inline(always)]
    fn end(&self, tile: &mut Tile<R>, clipped: &[u32; LANES]) {
        std::mem::swap(&mut tile.spare, &mut tile.work);
        if self.railed {
            let used = clipped[..tile.lanes].iter();
            tile.clipped += used.map(|&c| u64::from(c)).sum::<u64>();
        }
    }

    /// One step with normals drawn on the way, by a plan that has no rows beyond the nodes'. `AVERAGED`: with their means with
    /// the last step's normals, which `tile.memory` carries on.
    #[inline(always)]
    pub fn draw<const AVERAGED: bool>(&self, plan: &NormalPlan, tile: &mut Tile<R>) {
        let mut clipped = [0; LANES];
        let from = Buffers {
            x: &tile.spare,
            force: &tile.force,
            drive: &tile.drive,
        };
        let to = (&mut tile.work[..], &mut tile.memory[..], &mut clipped);
        // The generator is chosen once a step, so that its states stay in registers.
        match &mut tile.rng {
            Streams::Pcg(lanes) => self.draw_from::<AVERAGED>(plan, lanes, &from, to),
            Streams::ChaCha8(lanes) => self.draw_from::<AVERAGED>(plan, &mut **lanes, &from, to),
        }
        self.end(tile, &clipped);
    }

    #[inline(always)]
    fn draw_from<const AVERAGED: bool>(
        &self,
        plan: &NormalPlan,
        rng: &mut impl Stream,
        from: &Buffers<'_, R>,
        (out, memory, clipped): (&mut [Row<R>], &mut [Row<R>], &mut [u32; LANES]),
    ) {
        for pair in plan.pairs() {
            let (mut a, mut b) = plan.draw::<R>(rng, pair);
            // Written out twice: a loop over the two would move their rows about.
            if let Some(row) = pair.first {
                if AVERAGED {
                    average(&mut a, &mut memory[row]);
                }
                self.node(row, from, &a, &mut out[row], clipped);
            }
            if let Some(row) = pair.second {
                if AVERAGED {
                    average(&mut b, &mut memory[row]);
                }
                self.node(row, from, &b, &mut out[row], clipped);
            }
        }
        plan.finish(rng);
    }

    /// One step with the normals in `tile.noise`.
    #[inline(always)]
    pub fn given(&self, tile: &mut Tile<R>) {
        let mut clipped = [0; LANES];
        let from = Buffers {
            x: &tile.spare,
            force: &tile.force,
            drive: &tile.drive,
        };
        for row in 0..self.rows.len() {
            self.node(
                row,
                &from,
                &tile.noise[row],
                &mut tile.work[row],
                &mut clipped,
            );
        }
        self.end(tile, &clipped);
    }
}

/// `new` becomes the mean of both, `old` what `new` was.
#[inline(always)]
pub(super) fn average<R: Real>(new: &mut Row<R>, old: &mut Row<R>) {
    let half = R::from_f64(0.5);
    for lane in 0..LANES {
        let fresh = new[lane];
        new[lane] = half * (fresh + old[lane]);
        old[lane] = fresh;
    }
    end_row();
}
