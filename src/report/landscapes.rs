//! Learned laws of the plane as training goes: shade for exp(−E), draws on it, and the score field −∇E as short strokes.

use super::animation::animated;
use super::figures::Figure;
use super::svg::{Mark, Plot, grey_png};
use crate::record::{Array, RunDirectory, RunRecord};

/// Longest stroke of the score field, in units of x.
const STROKE: f64 = 0.11;

/// Small multiples of every trained method.
pub(super) fn landscapes(directory: &RunDirectory, run: &RunRecord) -> Vec<Figure> {
    run.samplers
        .iter()
        .filter(|s| s.kind == "trained")
        .flat_map(|s| of(directory, &s.name))
        .collect()
}

fn of(directory: &RunDirectory, name: &str) -> Vec<Figure> {
    let Some(arrays) = directory.arrays(&format!("landscape-{name}.npz")) else {
        return Vec::new();
    };
    let Some(&[x0, x1, y0, y1]) = arrays.get("box").map(Array::values).as_deref() else {
        return Vec::new();
    };
    let picture = |k: usize| {
        let get = |stem: &str| arrays.get(&format!("{stem}_{k}"));
        let (points, score) = (get("points")?, get("score")?);
        let (shown, is_drift) = match get("energy") {
            Some(energy) => (energy, false),
            None => (get("curl")?, true),
        };
        let update = *get("update")?.values().first()?;
        let [ny, nx] = shown.shape()[..] else {
            return None;
        };
        let values = shown.values();
        let most = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        // First row on top; half black is the densest place, or the strongest curl.
        let shade: Vec<f64> = (0..nx * ny)
            .map(|k| values[(ny - 1 - k / nx) * nx + k % nx])
            .map(|v| if is_drift { v / most } else { (-v).exp() })
            .collect();
        let mut plot = Plot::new(&format!("{name} after {update} updates"), "x", "y");
        plot.image = Some((grey_png(&shade, nx, 0.0, 2.0), [x0, x1, y0, y1]));
        let strokes = score.values();
        plot.contours = strokes
            .chunks_exact(4)
            .map(|s| {
                let size = (s[2] * s[2] + s[3] * s[3]).sqrt();
                let length = STROKE * (size / 8.0).tanh() / size.max(1e-12);
                [(s[0], s[1]), (s[0] - length * s[2], s[1] - length * s[3])]
            })
            .collect();
        let points = points.values();
        let marks = points.chunks_exact(2).map(|p| (p[0], p[1], 0.0, 0.0));
        let inside = marks.filter(|p| p.0 > x0 && p.0 < x1 && p.1 > y0 && p.1 < y1);
        plot.series
            .push(("draws".to_owned(), Mark::Points(inside.collect())));
        plot.width = 420.0;
        plot.height = 330.0;
        Some(Figure {
            name: format!("learned-{name}-{k}"),
            caption: if is_drift {
                format!(
                    "Shade: the curl |∂₁s₂ − ∂₂s₁|, half black at {most:.3}. Strokes: the drift s, from each point the way it pulls. Marks: 500 chains that it has driven from a Gaussian."
                )
            } else {
                "Shade: the learned density. Strokes: the score −∇E, from each point the way it pulls. Marks: 500 draws of the learned law.".to_owned()
            },
            svg: plot.render(),
        })
    };
    let mut figures: Vec<Figure> = (0..).map_while(picture).collect();
    let caption = "The pictures above in turn.";
    let played = animated(&format!("learned-{name}"), caption, &figures);
    figures.extend(played);
    figures
}
