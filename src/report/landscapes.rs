//! Laws of the plane, learned by networks (as training goes) or programmed: shade for exp(−E), draws on it, and the score field
//! −∇E as short strokes.

use super::animation::animated;
use super::figures::Figure;
use super::svg::{Mark, Plot, grey_png};
use crate::record::{Array, RunDirectory, RunRecord};
use std::collections::BTreeMap;

/// Longest stroke of the score field, in units of x.
const STROKE: f64 = 0.11;

/// Small multiples of every trained method; one picture of every sampler of the plane.
pub(super) fn landscapes(directory: &RunDirectory, run: &RunRecord) -> Vec<Figure> {
    let own = run.samplers.iter().flat_map(|s| match s.kind.as_str() {
        "trained" => of(directory, &s.name),
        _ => programmed(directory, &s.name).into_iter().collect(),
    });
    own.chain(programmed(directory, "moons")).collect()
}

/// Corners of what is shown.
fn corners(arrays: &BTreeMap<String, Array>) -> Option<[f64; 4]> {
    arrays.get("box")?.values().try_into().ok()
}

/// Rows from the top down of a picture kept from the bottom up.
fn shade(array: &Array, of: impl Fn(f64) -> f64) -> Option<(Vec<f64>, usize)> {
    let [ny, nx] = array.shape()[..] else {
        return None;
    };
    let values = array.values();
    let turned = (0..nx * ny).map(|k| of(values[(ny - 1 - k / nx) * nx + k % nx]));
    Some((turned.collect(), nx))
}

/// (x, y, gradient) as short strokes against the gradient.
fn strokes(score: &Array) -> Vec<[(f64, f64); 2]> {
    let values = score.values();
    let stroke = |s: &[f64]| {
        let size = (s[2] * s[2] + s[3] * s[3]).sqrt();
        let length = STROKE * (size / 8.0).tanh() / size.max(1e-12);
        [(s[0], s[1]), (s[0] - length * s[2], s[1] - length * s[3])]
    };
    values.chunks_exact(4).map(stroke).collect()
}

/// Draws inside the corners.
fn marks(points: &Array, [x0, x1, y0, y1]: [f64; 4]) -> Mark {
    let points = points.values();
    let marks = points.chunks_exact(2).map(|p| (p[0], p[1], 0.0, 0.0));
    Mark::Points(
        marks
            .filter(|p| p.0 > x0 && p.0 < x1 && p.1 > y0 && p.1 < y1)
            .collect(),
    )
}

/// The law of two nodes of a sampler's array, the others summed over, and its draws.
fn programmed(directory: &RunDirectory, name: &str) -> Option<Figure> {
    let arrays = directory.arrays(&format!("landscape-{name}.npz"))?;
    let corners = corners(&arrays)?;
    let mut plot = Plot::new(name, "x", "y");
    let known = arrays.get("energy_0").zip(arrays.get("score_0"));
    if let Some((energy, score)) = known {
        let (shade, width) = shade(energy, |e| (-e).exp())?;
        plot.image = Some((grey_png(&shade, width, 0.0, 2.0), corners));
        plot.contours = strokes(score);
    }
    let drawn = marks(arrays.get("points_0")?, corners);
    plot.series.push(("draws".to_owned(), drawn));
    plot.width = 420.0;
    plot.height = 330.0;
    let caption = match known {
        _ if name == "moons" => {
            "The law that the data come from: its density, its score, and independent draws."
        }
        Some(_) => {
            "Shade: the exact density of the two nodes of the plane, all hidden cells summed over. Strokes: its score, from each point the way it pulls. Marks: draws."
        }
        None => {
            "Marks: draws of the two nodes of the plane. No density is shaded: the array has no energy, or its hidden cells couple."
        }
    };
    Some(Figure {
        name: format!("plane-{name}"),
        caption: caption.to_owned(),
        svg: plot.render(),
    })
}

fn of(directory: &RunDirectory, name: &str) -> Vec<Figure> {
    let Some(arrays) = directory.arrays(&format!("landscape-{name}.npz")) else {
        return Vec::new();
    };
    let Some(corners) = corners(&arrays) else {
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
        let most = shown.values().into_iter().fold(f64::MIN_POSITIVE, f64::max);
        // Half black is the densest place, or the strongest curl.
        let (shade, width) = shade(shown, |v| if is_drift { v / most } else { (-v).exp() })?;
        let mut plot = Plot::new(&format!("{name} after {update} updates"), "x", "y");
        plot.image = Some((grey_png(&shade, width, 0.0, 2.0), corners));
        plot.contours = strokes(score);
        plot.series
            .push(("draws".to_owned(), marks(points, corners)));
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
