//! Figures of a learned restricted Boltzmann machine: its couplings as pictures, one per hidden spin, and pictures it draws.

use super::figures::{Arrays, Figure, figure, values};
use super::svg::{Plot, diverging_png, grey_png};
use crate::record::RunDirectory;

/// Pictures in a row.
const ACROSS: usize = 8;

/// Square pictures side by side, `across` in a row, one cell of `gap` between them; and the width of the whole.
fn tiles(pictures: &[f64], side: usize, across: usize, gap: f64) -> (Vec<f64>, usize) {
    let cell = side + 1;
    let count = pictures.len() / (side * side);
    let width = across * cell + 1;
    let mut image = vec![gap; width * (count.div_ceil(across) * cell + 1)];
    for (k, picture) in pictures.chunks_exact(side * side).enumerate() {
        for (p, value) in picture.iter().enumerate() {
            let (row, column) = (
                k / across * cell + 1 + p / side,
                k % across * cell + 1 + p % side,
            );
            image[row * width + column] = *value;
        }
    }
    (image, width)
}

fn side_of(pixels: usize) -> Option<usize> {
    let side = (pixels as f64).sqrt().round() as usize;
    (side > 1 && side * side == pixels).then_some(side)
}

fn plot(title: &str, png: Vec<u8>, (across, down): (usize, usize)) -> Plot {
    let mut plot = Plot::new(title, "", "");
    plot.rows = vec![(-1.0, String::new())];
    plot.image = Some((png, [0.0, across as f64, 0.0, down as f64]));
    plot.width = 560.0;
    plot.height = 110.0 + 470.0 * down as f64 / across as f64;
    plot
}

/// W_ij of every hidden spin j as a picture over the visible ones.
pub(super) fn weights(arrays: &Arrays) -> Option<Figure> {
    let (edges, couplings) = (values(arrays, "edges")?, values(arrays, "couplings")?);
    let roles = values(arrays, "roles")?;
    let (pixels, labels, hidden) = (roles[0] as usize, roles[1] as usize, roles[2] as usize);
    let side = side_of(pixels)?;
    let across = |edge: &[f64]| edge[0] < pixels as f64 && edge[1] >= pixels as f64;
    if labels > 0 || hidden == 0 || !edges.chunks(2).all(across) {
        return None;
    }
    let mut pictures = vec![0.0; hidden * pixels];
    for (edge, value) in edges.chunks(2).zip(&couplings) {
        pictures[(edge[1] as usize - pixels) * pixels + edge[0] as usize] = *value;
    }
    let limit = couplings.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if limit == 0.0 {
        return None;
    }
    let columns = ACROSS.min(hidden);
    let (image, width) = tiles(&pictures, side, columns, 0.0);
    let png = diverging_png(&image, width, limit);
    let title = format!("Couplings of each hidden spin (blue -{limit:.2}, red +{limit:.2})");
    let caption = "One picture per hidden spin: its coupling to every pixel.";
    let plot = plot(&title, png, (columns, hidden.div_ceil(columns)));
    Some(figure("weights", caption, plot.render()))
}

/// Pictures drawn from the machine.
pub(super) fn pictures(directory: &RunDirectory) -> Option<Figure> {
    let arrays = directory.arrays("pictures-rbm.npz")?;
    let x = arrays.get("x")?;
    let [rows, each, pixels] = x.shape()[..] else {
        return None;
    };
    let (image, width) = tiles(&x.values(), side_of(pixels)?, each, 0.0);
    let plot = plot(
        "Pictures drawn from the machine",
        grey_png(&image, width, -1.1, 1.1),
        (each, rows),
    );
    let caption =
        "Visible spins of independent long chains that started at random spins; black is +1.";
    Some(figure("pictures", caption, plot.render()))
}
