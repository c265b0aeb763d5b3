//! Maximum likelihood in the plane with the exact negative phase: loss ⟨E⟩_data + log Z, slope ∂⟨E⟩_data − ∂⟨E⟩_model, the
//! model's averages being midpoint sums over a grid.
//!
//! For features of width σ a sum of spacing h errs by 2 exp(−2π²σ²/h²) of them: 5e-9 at h = σ, 7e-6 at 1.25 σ, 1 % at 2σ. So h should
//! be near the data's noise. An update costs as much as one of contrastive divergence with as many chains as cells.

use super::objective::Slope;
use super::quality::PlaneGrid;
use crate::energy::Network;
use nalgebra::DMatrix;

/// Cells of less weight than this share of the heaviest are left out of the slope (never out of log Z).
const NEGLIGIBLE: f64 = 1e-9;

/// ⟨E⟩ over the data.
pub(super) fn positive(network: &Network<f32>, data: &DMatrix<f32>, slope: &mut Slope) {
    let each = 1.0 / data.ncols() as f32;
    let still = DMatrix::zeros(2, data.ncols());
    slope.add(network, (data, &still, 0), |_, [e0, _, _]| {
        (f64::from(each * e0), [each, 0.0, 0.0], 0.0)
    });
}

/// log Z.
pub(super) fn negative(network: &Network<f32>, grid: &PlaneGrid, slope: &mut Slope) {
    let law = grid.law(network);
    slope.loss += law.log_z;
    let least = law.energy.iter().copied().fold(f64::INFINITY, f64::min);
    let heavy = |&(_, e): &(usize, f64)| (least - e).exp() > NEGLIGIBLE;
    let cells: Vec<(usize, f64)> = law.energy.into_iter().enumerate().filter(heavy).collect();
    let points = DMatrix::from_fn(2, cells.len(), |i, c| grid.centre(cells[c].0)[i] as f32);
    let area = grid.area();
    let still = DMatrix::zeros(2, cells.len());
    slope.add(network, (&points, &still, 0), |c, _| {
        let share = area * (-cells[c].1 - law.log_z).exp();
        (0.0, [-share as f32, 0.0, 0.0], 0.0)
    });
}
