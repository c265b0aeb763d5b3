//! The right-hand side of a process on its free nodes, for a tile of chains: forces, branches, drives, kicks and the mass.
//!
//! Every scheme asks the same few questions: the force at a state and time (in its own stochastic calculus), the noise
//! kick there, and the solution with M. What a clamped node does to the others is constant during a phase.

use super::LANES;
use super::branches::Branches;
use super::force::Force;
use super::linear;
use super::process::{Calculus, Drive, Mass, Noise, Process};
use super::real::Real;
use super::scheme::Setting;
use super::sweep::Sweep;
use super::tile::{NormalPlan, Row, Tile, end_row, reserve};
use super::triangle::Triangle;
use crate::error::{Error, Result};

#[derive(Clone, Debug)]
pub(super) enum Amplitude<R> {
    Diagonal(Vec<R>),
    Factor(Triangle<R>),
}

/// The time at which a stage of a step looks at the forces, and the time at which the step began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    pub start: f64,
    pub now: f64,
}

impl Stage {
    /// The stage `ahead` of the tile's step.
    #[inline(always)]
    pub fn of<R>(tile: &Tile<R>, ahead: f64) -> Self {
        Stage {
            start: tile.time,
            now: tile.time + ahead,
        }
    }
}

/// Forces and noise of a process on its free nodes.
#[derive(Clone, Debug)]
pub struct Field<R> {
    /// Polynomial and linear part.
    pub(super) force: Force<R>,
    /// Normals: one row for each free node, then one for each noisy branch.
    pub(super) normals: NormalPlan,
    pub(super) amplitude: Amplitude<R>,
    pub(super) mass: Option<Triangle<R>>,
    /// (row, column, M) where M is not 1; then no node is clamped, so rows are nodes.
    mass_entries: Option<Vec<(usize, usize, R)>>,
    rails: Option<Vec<R>>,
    branches: Branches<R>,
    /// (free row, drive).
    drives: Vec<(usize, Drive)>,
    noise_rows: usize,
    step: f64,
}

impl<R: Real> Field<R> {
    /// The field of the continuous part of `process`, its noise scaled by the square root of the step.
    ///
    /// # Errors
    /// A step that is not positive; clamped nodes in a network whose mass or noise couples nodes.
    pub fn new(process: &Process, setting: &Setting<'_>) -> Result<Self> {
        if !(setting.step > 0.0 && setting.step.is_finite()) {
            return Err(Error::invalid("plan.step", setting.step, "a positive time"));
        }
        let root = setting.step.sqrt();
        let any_clamped = setting.clamped.contains(&true);
        let coupled =
            matches!(process.mass, Mass::Factor(_)) || matches!(process.noise, Noise::Factor(_));
        if any_clamped && coupled {
            return Err(Error::invalid(
                "clamp.nodes",
                "nodes of a network with coupling capacitors or floating noise",
                "clamps only on nodes with grounded capacitors and their own noise",
            ));
        }
        let force = Force::new(process, setting.clamped);
        let free = force.free.clone();
        let mut row_of = vec![None; process.nodes];
        for (row, &node) in free.iter().enumerate() {
            row_of[node] = Some(row);
        }
        let pick = |values: &[f64], scale: f64| -> Vec<R> {
            free.iter()
                .map(|&i| R::from_f64(values[i] * scale))
                .collect()
        };
        let branches = Branches::new(process, &row_of, free.len(), setting.step);
        let noise_rows = free.len() + branches.noisy();
        let mut mask: Vec<bool> = setting.clamped.iter().map(|c| !c).collect();
        mask.resize(process.nodes + noise_rows - free.len(), true);
        Ok(Field {
            amplitude: match &process.noise {
                Noise::Diagonal(sigma) => Amplitude::Diagonal(pick(sigma, root)),
                Noise::Factor(factor) => Amplitude::Factor(Triangle::new(factor, root)),
            },
            mass: match &process.mass {
                Mass::Identity => None,
                Mass::Factor(factor) => Some(Triangle::new(factor, 1.0)),
            },
            mass_entries: match &process.mass {
                Mass::Identity => None,
                Mass::Factor(_) => Some(
                    linear::mass_entries(process)
                        .into_iter()
                        .map(|(i, j, value)| (i, j, R::from_f64(value)))
                        .collect(),
                ),
            },
            rails: process.rails.as_ref().map(|rails| pick(rails, 1.0)),
            normals: NormalPlan::new::<R>(&mask, setting.normals),
            drives: process
                .drives
                .iter()
                .filter_map(|drive| Some((row_of[drive.node]?, *drive)))
                .collect(),
            branches,
            force,
            noise_rows,
            step: setting.step,
        })
    }

    /// Number of free rows.
    pub(super) fn rows(&self) -> usize {
        self.force.free.len()
    }

    /// Rows of normals that one set has.
    pub(super) fn noise_rows(&self) -> usize {
        self.noise_rows
    }

    /// h.
    pub(super) fn step(&self) -> f64 {
        self.step
    }

    /// Whether all noise is independent of the state.
    pub(super) fn additive(&self) -> bool {
        self.branches.additive()
    }

    /// Packs the free rows into `tile.spare` and computes what is constant during a phase.
    pub(super) fn begin(&self, tile: &mut Tile<R>) {
        self.force.begin(tile);
        reserve(&mut tile.noise, self.noise_rows);
        reserve(&mut tile.force, self.rows());
        self.branches.begin(tile);
        self.pack(tile);
    }

    /// Copies the free nodes into `tile.spare`.
    pub(super) fn pack(&self, tile: &mut Tile<R>) {
        reserve(&mut tile.spare, self.rows());
        for (row, &node) in self.force.free.iter().enumerate() {
            tile.spare[row] = tile.x[node];
        }
    }

    /// Copies the packed free rows back to the tile's nodes.
    #[inline(always)]
    pub(super) fn store(&self, tile: &mut Tile<R>) {
        for (row, &node) in self.force.free.iter().enumerate() {
            tile.x[node] = tile.spare[row];
        }
    }

    /// Adds the branches' forces and the drives at a stage to `out`, read in `calculus`.
    #[inline(always)]
    pub(super) fn add_branches(
        &self,
        held: &[Row<R>],
        x: &[Row<R>],
        stage: Stage,
        calculus: Calculus,
        out: &mut [Row<R>],
    ) {
        self.branches
            .add_forces((held, x, stage.now), calculus, out);
        self.add_drives(stage, out);
    }

    /// Adds the forces of time alone.
    #[inline(always)]
    pub(super) fn add_drives(&self, stage: Stage, out: &mut [Row<R>]) {
        for &(row, drive) in &self.drives {
            let wave = self.branches.wave(drive.wave);
            // A derivative is the mean over the step, at whatever stage, so that the charge moved is exact.
            let value = if drive.derivative {
                (wave.at(stage.start + self.step) - wave.at(stage.start)) / self.step
            } else {
                wave.at(stage.now)
            };
            let value = R::from_f64(drive.weight * value);
            out[row] = out[row].map(|v| v + value);
        }
    }

    /// Adds `scale` times the branches' noise at (x, t) to `out`.
    #[inline(always)]
    pub(super) fn add_branch_kicks(
        &self,
        held: &[Row<R>],
        x: &[Row<R>],
        t: f64,
        scale: R,
        normals: &[Row<R>],
        out: &mut [Row<R>],
    ) {
        self.branches.add_kicks((held, x, t), scale, normals, out);
    }

    /// F(x, t) of the free rows at a stage, read in `calculus`; M is not yet divided out.
    #[inline(always)]
    pub(super) fn evaluate(
        &self,
        (drive, held): (&[Row<R>], &[Row<R>]),
        x: &[Row<R>],
        stage: Stage,
        calculus: Calculus,
        out: &mut [Row<R>],
    ) {
        self.force.evaluate(x, drive, out);
        self.add_branches(held, x, stage, calculus, out);
    }

    /// √h S ξ + Σ_b w_b √(h q_b) ξ_b at (x, t); M is not yet divided out.
    #[inline(always)]
    pub(super) fn kick(
        &self,
        held: &[Row<R>],
        x: &[Row<R>],
        t: f64,
        normals: &[Row<R>],
        out: &mut [Row<R>],
    ) {
        let rows = out.len();
        out.copy_from_slice(&normals[..rows]);
        self.shape(out);
        self.add_branch_kicks(held, x, t, R::ONE, normals, out);
    }

    /// ξ ← √h S ξ.
    #[inline(always)]
    pub(super) fn shape(&self, noise: &mut [Row<R>]) {
        match &self.amplitude {
            Amplitude::Diagonal(sigma) => {
                for (noise, &sigma) in noise.iter_mut().zip(sigma) {
                    *noise = noise.map(|v| sigma * v);
                }
            }
            Amplitude::Factor(factor) => factor.multiply(noise),
        }
    }

    /// The branches.
    pub(super) fn branches(&self) -> &Branches<R> {
        &self.branches
    }

    /// out ← out − M (to − from).
    #[inline(always)]
    pub(super) fn subtract_mass(&self, from: &[Row<R>], to: &[Row<R>], out: &mut [Row<R>]) {
        match &self.mass_entries {
            None => {
                for row in 0..out.len() {
                    for lane in 0..LANES {
                        out[row][lane] = out[row][lane] - (to[row][lane] - from[row][lane]);
                    }
                }
            }
            Some(entries) => {
                for &(i, j, value) in entries {
                    for lane in 0..LANES {
                        let moved = to[j][lane] - from[j][lane];
                        out[i][lane] = (-value).fma(moved, out[i][lane]);
                    }
                }
            }
        }
    }

    /// x ← M⁻¹ x.
    #[inline(always)]
    pub(super) fn solve(&self, x: &mut [Row<R>]) {
        if let Some(mass) = &self.mass {
            mass.solve(x);
        }
    }

    /// Limits the packed rows to their rails and counts the lanes in use that were beyond.
    #[inline(always)]
    pub(super) fn clip(&self, tile: &mut Tile<R>) {
        let Some(rails) = &self.rails else { return };
        let mut clipped = [0u32; LANES];
        for (x, &rail) in tile.spare.iter_mut().zip(rails) {
            for lane in 0..LANES {
                let limited = x[lane].clamp_abs(rail);
                clipped[lane] += u32::from(limited != x[lane]);
                x[lane] = limited;
            }
            end_row();
        }
        let all = clipped[..tile.lanes].iter().map(|&c| u64::from(c));
        tile.clipped += all.sum::<u64>();
    }

    /// Whether cubic cells and linear couplings are all there is.
    pub(super) fn cells_only(&self) -> bool {
        !self.force.beyond_cubic() && self.branches.is_empty() && self.drives.is_empty()
    }

    /// The fused kernel of this field, where neither masses nor noises couple rows.
    pub(super) fn sweep(&self, process: &Process) -> Option<Sweep<R>> {
        let (Amplitude::Diagonal(sigma), None) = (&self.amplitude, &self.mass) else {
            return None;
        };
        let force = &self.force;
        let forced = force.dense().is_some() || !self.cells_only();
        let couplings = &force.linear;
        let mut sweep = Sweep::new(process, &force.free, couplings, sigma, self.step, forced);
        if force.feels_clamped() {
            sweep.driven();
        }
        Some(sweep)
    }
}
