//! E of every chain of a tile, for methods that weigh states: of real variables from the force, of spins from their bits, of
//! factors from their tables.
//!
//! Real variables leave out a constant, E(0), which differences do not see.

use super::LANES;
use super::factor_tables::{Contribution, Site, Sum, Tables, check};
use super::force::{Force, row_entries};
use super::lanes::BIT;
use super::process::{LevelInput, Process};
use super::real::Real;
use super::tile::{Row, Tile, reserve};
use crate::error::Result;
use crate::simd::{Kernel, dispatch};

/// The energy whose Langevin equation, or whose spins' inputs, a process is.
#[derive(Clone, Debug)]
pub struct LaneEnergy<R> {
    form: Form<R>,
}

#[derive(Clone, Debug)]
enum Form<R> {
    Real {
        force: Force<R>,
        drive: Vec<Row<R>>,
    },
    /// (h_i, (j, J_ij) with j < i) of each spin.
    Spins(Vec<(f64, Vec<(usize, f64)>)>),
    /// E of so many variables.
    Factors(Tables<R>, Sum, usize),
}

impl<R: Real> LaneEnergy<R> {
    /// For dx = −∇E dt + √2 dW (symmetric L), or spins with direct inputs h + Js (symmetric J).
    pub fn new(process: &Process) -> Self {
        let levels = process.levels.as_ref().map(|levels| &levels.input);
        let form = if let Some(LevelInput::Direct { field, coupling }) = levels {
            let below = |i: usize| {
                let mut entries = row_entries(coupling, i);
                entries.retain(|e| e.0 < i);
                entries
            };
            Form::Spins((0..field.len()).map(|i| (field[i], below(i))).collect())
        } else {
            let force = Force::new(process, &vec![false; process.nodes]);
            let drive = (0..process.nodes).map(|row| Row::splat(force.constant(row)));
            Form::Real {
                drive: drive.collect(),
                force,
            }
        };
        LaneEnergy { form }
    }

    /// Of spins and categories in rows of reals: E = −Σ of the factors, a table row times a product of spins each.
    ///
    /// # Errors
    /// A factor with a product over categories, with variables that do not exist, or with a table of another length than its
    /// variables' states.
    pub fn of_factors(sites: &[Site], factors: &[Contribution]) -> Result<Self> {
        for factor in factors {
            check(sites.len(), factor, 1, sites)?;
        }
        let mut tables = Tables::new();
        let sum = tables.push(factors, 1, -1.0, sites);
        Ok(LaneEnergy {
            form: Form::Factors(tables, sum, sites.len()),
        })
    }

    /// Whether it is of spins that are bits.
    pub fn of_spins(&self) -> bool {
        matches!(self.form, Form::Spins(_))
    }

    /// Variables.
    pub fn nodes(&self) -> usize {
        match &self.form {
            Form::Real { drive, .. } => drive.len(),
            Form::Spins(rows) => rows.len(),
            Form::Factors(.., nodes) => *nodes,
        }
    }

    /// E of each lane, its variables being the rows of the tile from `first` on. Uses the tile's `work`.
    pub fn of(&self, tile: &mut Tile<R>, first: usize) -> [f64; LANES] {
        let mut energy = [0.0; LANES];
        dispatch(Evaluate {
            form: &self.form,
            tile,
            first,
            energy: &mut energy,
        });
        energy
    }
}

struct Evaluate<'a, R> {
    form: &'a Form<R>,
    tile: &'a mut Tile<R>,
    first: usize,
    energy: &'a mut [f64; LANES],
}

impl<R: Real> Kernel for Evaluate<'_, R> {
    #[inline(always)]
    fn run(self) {
        let Evaluate {
            form,
            tile,
            first,
            energy,
        } = self;
        match form {
            Form::Real { force, drive } => {
                reserve(&mut tile.work, drive.len());
                let x = &tile.x[first..first + drive.len()];
                force.evaluate(x, drive, &mut tile.work);
                let sum = force.energy(x, drive, &tile.work);
                for lane in 0..LANES {
                    energy[lane] = sum[lane].to_f64();
                }
            }
            Form::Factors(tables, sum, nodes) => {
                reserve(&mut tile.work, 1);
                let x = &tile.x[first..first + nodes];
                let value = tables.evaluate(sum, x, &mut tile.work);
                for lane in 0..LANES {
                    energy[lane] = value[0][lane].to_f64();
                }
            }
            Form::Spins(rows) => {
                let levels = &tile.levels[first..first + rows.len()];
                for (i, (field, below)) in rows.iter().enumerate() {
                    for lane in 0..LANES {
                        let up = levels[i] & BIT[lane] != 0;
                        energy[lane] -= if up { *field } else { -field };
                    }
                    for &(j, value) in below {
                        let differ = levels[i] ^ levels[j];
                        for lane in 0..LANES {
                            let opposed = differ & BIT[lane] != 0;
                            energy[lane] -= if opposed { -value } else { value };
                        }
                    }
                }
            }
        }
    }
}
