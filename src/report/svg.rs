//! A small plotter: axes with ticks, lines, points with error bars, and images, as one SVG text.
//!
//! Hand-written because the figures must be self-contained, light, and look the same in a page and in a file.

use base64::Engine;
use std::fmt::Write;

/// Colour-blind safe colours (Okabe and Ito), in order of use.
pub(super) const COLOURS: [&str; 7] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444",
];

const LEFT: f64 = 74.0;
const BOTTOM: f64 = 52.0;
const TOP: f64 = 34.0;
const RIGHT: f64 = 16.0;

/// One thing drawn in a plot.
#[derive(Clone, Debug)]
pub(super) enum Mark {
    Line(Vec<(f64, f64)>),
    /// (x, y, half error in x, half error in y).
    Points(Vec<(f64, f64, f64, f64)>),
}

/// A plot with one pair of axes.
#[derive(Clone, Debug, Default)]
pub(super) struct Plot {
    pub title: String,
    pub x: String,
    pub y: String,
    pub series: Vec<(String, Mark)>,
    /// Draw y = x.
    pub identity: bool,
    pub log_x: bool,
    pub log_y: bool,
    /// A thin line for each series, in its colour.
    pub guides: Vec<Vec<(f64, f64)>>,
    /// For images, whose first row is on top: (distance from the top, label) instead of the ticks in y.
    pub rows: Vec<(f64, String)>,
    /// Instead of the ticks in y: (y, name).
    pub names: Vec<(f64, String)>,
    /// PNG and its data range (x0, x1, y0, y1).
    pub image: Option<(Vec<u8>, [f64; 4])>,
    /// Thin grey pieces over the image.
    pub contours: Vec<[(f64, f64); 2]>,
    pub width: f64,
    pub height: f64,
}

/// Escapes text for XML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Round numbers that divide [lo, hi] into about `wanted` parts.
fn ticks(lo: f64, hi: f64, wanted: f64) -> Vec<f64> {
    let raw = (hi - lo) / wanted;
    let unit = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .iter()
        .map(|m| m * unit)
        .find(|s| *s >= raw)
        .unwrap_or(raw);
    let first = (lo / step - 1e-9).ceil() as i64;
    let last = (hi / step + 1e-9).floor() as i64;
    (first..=last).map(|k| k as f64 * step).collect()
}

/// Ticks of decades `lo` to `hi`: 1, 2, 5 times powers of ten; powers alone when there are many of them.
fn logarithmic(lo: f64, hi: f64) -> Vec<(f64, String)> {
    let steps: &[f64] = if hi - lo > 2.5 {
        &[1.0]
    } else {
        &[1.0, 2.0, 5.0]
    };
    (lo.floor() as i32..=hi.ceil() as i32)
        .flat_map(|k| steps.iter().map(move |m| m * 10f64.powi(k)))
        .map(|value| (value.log10(), label(value)))
        .filter(|(at, _)| (lo..=hi).contains(at))
        .collect()
}

/// A number for a tick label.
fn label(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else if value.abs() >= 1e5 || value.abs() < 1e-3 {
        format!("{value:.0e}")
    } else {
        format!("{:.6}", value)
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned()
    }
}

impl Plot {
    pub(super) fn new(title: &str, x: &str, y: &str) -> Self {
        Plot {
            title: title.to_owned(),
            x: x.to_owned(),
            y: y.to_owned(),
            width: 460.0,
            height: 340.0,
            ..Plot::default()
        }
    }

    /// Where the axes begin: names of rows take six and a half pixels a letter.
    fn left(&self) -> f64 {
        let longest = self.names.iter().map(|n| n.1.chars().count()).max();
        longest.map_or(LEFT, |letters| 30.0 + 6.5 * letters as f64)
    }

    fn mapped(&self, y: f64) -> f64 {
        if self.log_y { y.max(1e-300).log10() } else { y }
    }

    fn mapped_x(&self, x: f64) -> f64 {
        if self.log_x { x.max(1e-300).log10() } else { x }
    }

    fn limits(&self) -> [f64; 4] {
        if let Some((_, range)) = &self.image {
            return *range;
        }
        let mut r = [
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        let mut take = |x: f64, y: f64| {
            if x.is_finite() && y.is_finite() {
                r = [r[0].min(x), r[1].max(x), r[2].min(y), r[3].max(y)];
            }
        };
        for (_, mark) in &self.series {
            match mark {
                Mark::Line(points) => points
                    .iter()
                    .for_each(|p| take(self.mapped_x(p.0), self.mapped(p.1))),
                Mark::Points(points) => points.iter().for_each(|p| {
                    // On a logarithm, a bar that reaches zero ends at the axis.
                    let low = p.1 - p.3;
                    let low = if self.log_y && low <= 0.0 { p.1 } else { low };
                    take(self.mapped_x(p.0 - p.2), self.mapped(low));
                    take(self.mapped_x(p.0 + p.2), self.mapped(p.1 + p.3));
                }),
            }
        }
        for (x, y) in self.guides.iter().flatten() {
            take(self.mapped_x(*x), self.mapped(*y));
        }
        if self.identity {
            let (lo, hi) = (r[0].min(r[2]), r[1].max(r[3]));
            r = [lo, hi, lo, hi];
        }
        for k in [0, 2] {
            let pad = 0.04 * (r[k + 1] - r[k]).max(1e-12 * r[k].abs()).max(1e-12);
            r[k] -= pad;
            r[k + 1] += pad;
        }
        r
    }

    /// (position in mapped y, label) of each tick.
    fn y_ticks(&self, r: [f64; 4]) -> Vec<(f64, String)> {
        if !self.rows.is_empty() {
            let from_top = self.rows.iter();
            return from_top.map(|(y, text)| (r[3] - y, text.clone())).collect();
        }
        if !self.names.is_empty() {
            return self.names.iter().map(|(y, n)| (*y, escape(n))).collect();
        }
        if !self.log_y {
            let ticks = ticks(r[2], r[3], 5.0).into_iter();
            return ticks.map(|y| (y, label(y))).collect();
        }
        logarithmic(r[2], r[3])
    }

    /// (position in mapped x, label) of each tick.
    fn x_ticks(&self, r: [f64; 4]) -> Vec<(f64, String)> {
        if self.log_x {
            return logarithmic(r[0], r[1]);
        }
        let ticks = ticks(r[0], r[1], 5.0).into_iter();
        ticks.map(|x| (x, label(x))).collect()
    }

    /// Where a legend of `size` hides least: the corner with the fewest points of the data, the top right first.
    fn clearest_corner(
        &self,
        size: (f64, f64),
        place: impl Fn(f64, f64) -> (f64, f64),
    ) -> (f64, f64) {
        let mut points = Vec::new();
        for (_, mark) in &self.series {
            match mark {
                Mark::Points(all) => points.extend(all.iter().map(|p| place(p.0, p.1))),
                Mark::Line(line) => {
                    // Long segments count along their length.
                    for pair in line.windows(2) {
                        let (a, b) = (place(pair[0].0, pair[0].1), place(pair[1].0, pair[1].1));
                        let parts = ((b.0 - a.0).hypot(b.1 - a.1) / 8.0).clamp(1.0, 100.0) as usize;
                        points.extend((0..=parts).map(|k| {
                            let share = k as f64 / parts as f64;
                            (a.0 + share * (b.0 - a.0), a.1 + share * (b.1 - a.1))
                        }));
                    }
                }
            }
        }
        let (right, left) = (self.width - RIGHT - size.0, self.left() + 6.0);
        let (top, bottom) = (TOP, self.height - BOTTOM - size.1 - 4.0);
        let corners = [(right, top), (right, bottom), (left, top), (left, bottom)];
        let hidden = |c: &(f64, f64)| {
            let (x, y) = (c.0 - 8.0..c.0 + size.0 + 4.0, c.1 - 4.0..c.1 + size.1 + 6.0);
            let inside = points
                .iter()
                .filter(|p| x.contains(&p.0) && y.contains(&p.1));
            inside.count()
        };
        corners
            .into_iter()
            .min_by_key(hidden)
            .unwrap_or((right, top))
    }

    /// The SVG.
    pub(super) fn render(&self) -> String {
        let (r, left) = (self.limits(), self.left());
        let (w, h) = (self.width, self.height);
        let raw_px = |x: f64| left + (x - r[0]) / (r[1] - r[0]) * (w - left - RIGHT);
        let px = |x: f64| raw_px(self.mapped_x(x));
        let py = |y: f64| h - BOTTOM - (self.mapped(y) - r[2]) / (r[3] - r[2]) * (h - TOP - BOTTOM);
        let raw_py = |y: f64| h - BOTTOM - (y - r[2]) / (r[3] - r[2]) * (h - TOP - BOTTOM);
        let mut s = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n<rect width=\"{w}\" height=\"{h}\" fill=\"#fff\"/>\n<text x=\"{:.1}\" y=\"20\" text-anchor=\"middle\" font-weight=\"600\" font-size=\"13\">{}</text>",
            w / 2.0,
            escape(&self.title)
        );
        // String formatting cannot fail.
        for (x, text) in self.x_ticks(r) {
            let at = raw_px(x);
            let _ = write!(
                s,
                "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{:.1}\" stroke=\"#e6e6e6\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#333\">{text}</text>",
                h - BOTTOM,
                h - BOTTOM + 16.0
            );
        }
        for (y, text) in self.y_ticks(r) {
            let at = raw_py(y);
            let _ = write!(
                s,
                "<line x1=\"{left}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#e6e6e6\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#333\">{text}</text>",
                w - RIGHT,
                left - 6.0,
                at + 4.0
            );
        }
        if let Some((png, range)) = &self.image {
            let data = base64::engine::general_purpose::STANDARD.encode(png);
            let (x, y) = (px(range[0]), raw_py(range[3]));
            let _ = write!(
                s,
                "<image x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" href=\"data:image/png;base64,{data}\"/>",
                px(range[1]) - x,
                raw_py(range[2]) - y
            );
        }
        if !self.contours.is_empty() {
            let _ = write!(
                s,
                "<path fill=\"none\" stroke=\"#777\" stroke-width=\"0.8\" d=\""
            );
            for [a, b] in &self.contours {
                let (from, to) = ((px(a.0), py(a.1)), (px(b.0), py(b.1)));
                let _ = write!(s, "M{:.1} {:.1}L{:.1} {:.1}", from.0, from.1, to.0, to.1);
            }
            s.push_str("\"/>");
        }
        let _ = write!(
            s,
            "<rect x=\"{left}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"none\" stroke=\"#888\"/>",
            w - left - RIGHT,
            h - TOP - BOTTOM
        );
        if self.identity {
            let _ = write!(
                s,
                "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#999\" stroke-dasharray=\"4 3\"/>",
                px(r[0]),
                raw_py(r[0]),
                px(r[1]),
                raw_py(r[1])
            );
        }
        for (k, line) in self.guides.iter().enumerate() {
            let path: Vec<String> = line
                .iter()
                .map(|p| format!("{:.1},{:.1}", px(p.0), py(p.1)))
                .collect();
            let _ = write!(
                s,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"0.9\" stroke-dasharray=\"3 3\"/>",
                path.join(" "),
                COLOURS[k % COLOURS.len()]
            );
        }
        for (k, (_, mark)) in self.series.iter().enumerate() {
            let colour = COLOURS[k % COLOURS.len()];
            match mark {
                Mark::Line(points) => {
                    let path: Vec<String> = points
                        .iter()
                        .filter(|p| p.1.is_finite())
                        .map(|p| format!("{:.1},{:.1}", px(p.0), py(p.1)))
                        .collect();
                    let _ = write!(
                        s,
                        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.3\"/>",
                        path.join(" ")
                    );
                }
                Mark::Points(points) => {
                    for p in points {
                        let (x, y) = (px(p.0), py(p.1));
                        if p.3 > 0.0 {
                            let _ = write!(
                                s,
                                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-opacity=\"0.5\"/>",
                                py(p.1 - p.3).min(h - BOTTOM),
                                py(p.1 + p.3)
                            );
                        }
                        if p.2 > 0.0 {
                            let _ = write!(
                                s,
                                "<line y1=\"{y:.1}\" y2=\"{y:.1}\" x1=\"{:.1}\" x2=\"{:.1}\" stroke=\"{colour}\" stroke-opacity=\"0.5\"/>",
                                px(p.0 - p.2),
                                px(p.0 + p.2)
                            );
                        }
                        s.push_str(&marker(k, x, y));
                    }
                }
            }
        }
        if self.series.len() > 1 || (self.series.len() == 1 && !self.series[0].0.is_empty()) {
            let names = self.series.iter().map(|n| n.0.chars().count());
            let size = (
                26.0 + 6.6 * names.max().unwrap_or(0) as f64,
                16.0 * self.series.len() as f64 + 2.0,
            );
            let (x, top) = self.clearest_corner(size, |x, y| (px(x), py(y)));
            let _ = write!(
                s,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#fff\" fill-opacity=\"0.85\"/>",
                x - 4.0,
                top + 2.0,
                size.0 + 2.0,
                size.1
            );
            for (k, (name, mark)) in self.series.iter().enumerate() {
                let y = top + 15.0 + 16.0 * k as f64;
                match mark {
                    Mark::Line(_) => {
                        let _ = write!(
                            s,
                            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"3\" fill=\"{}\"/>",
                            y - 6.0,
                            COLOURS[k % COLOURS.len()]
                        );
                    }
                    Mark::Points(_) => s.push_str(&marker(k, x + 6.0, y - 4.5)),
                }
                let _ = write!(
                    s,
                    "<text x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
                    x + 17.0,
                    escape(name)
                );
            }
        }
        let _ = write!(
            s,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n<text transform=\"translate(16 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>\n</svg>",
            (left + w - RIGHT) / 2.0,
            h - 14.0,
            escape(&self.x),
            (TOP + h - BOTTOM) / 2.0,
            escape(&self.y)
        );
        s
    }
}

/// The marker of series `k`: shape as well as colour tells series apart.
fn marker(k: usize, x: f64, y: f64) -> String {
    let colour = COLOURS[k % COLOURS.len()];
    let shape = match k % 4 {
        0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\""),
        1 => format!(
            "<path d=\"M{x:.1} {:.1}l3.4 3.4l-3.4 3.4l-3.4 -3.4z\"",
            y - 3.4
        ),
        2 => format!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"4.8\" height=\"4.8\"",
            x - 2.4,
            y - 2.4
        ),
        _ => format!("<path d=\"M{x:.1} {:.1}l3.2 5.6l-6.4 0z\"", y - 3.4),
    };
    format!("{shape} fill=\"{colour}\" fill-opacity=\"0.75\"/>")
}

/// A diverging blue–white–red PNG of a row-major matrix (first row on top), white at zero, saturated at ±`limit`.
pub(super) fn diverging_png(values: &[f64], width: usize, limit: f64) -> Vec<u8> {
    let pixel = |v: &f64| {
        let t = (v / limit).clamp(-1.0, 1.0);
        let fade = |end: f64| (255.0 + (end - 255.0) * t.abs()) as u8;
        if t >= 0.0 {
            [fade(178.0), fade(24.0), fade(43.0)]
        } else {
            [fade(33.0), fade(102.0), fade(172.0)]
        }
    };
    encode(
        width,
        values.iter().flat_map(pixel).collect(),
        png::ColorType::Rgb,
    )
}

/// A grey PNG, white at `lo` and black at `hi`.
pub(super) fn grey_png(values: &[f64], width: usize, lo: f64, hi: f64) -> Vec<u8> {
    let pixel = |v: &f64| 255 - ((v - lo) / (hi - lo) * 255.0).clamp(0.0, 255.0) as u8;
    encode(
        width,
        values.iter().map(pixel).collect(),
        png::ColorType::Grayscale,
    )
}

fn encode(width: usize, bytes: Vec<u8>, colour: png::ColorType) -> Vec<u8> {
    let per_pixel = if colour == png::ColorType::Rgb { 3 } else { 1 };
    let height = bytes.len() / per_pixel / width.max(1);
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    // Writing to memory fails only for sizes that do not match, which the line above rules out.
    if let Ok(mut writer) = encoder.write_header() {
        let _ = writer.write_image_data(&bytes);
    }
    out
}
