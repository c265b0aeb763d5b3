//! Figures one after the other in one: an SVG that plays by itself, its last picture where nothing plays.

use super::figures::Figure;
use std::fmt::Write;

/// Seconds of a picture, and of the last one.
const EACH: f64 = 0.8;
const LAST: f64 = 2.4;

/// The pictures of `frames` in turn, for ever; `None` with fewer than two.
pub(super) fn animated(name: &str, caption: &str, frames: &[Figure]) -> Option<Figure> {
    let last = frames.len().checked_sub(1).filter(|&last| last > 0)?;
    let header = frames[0].svg.split_inclusive('>').next()?;
    let all = EACH * last as f64 + LAST;
    let mut svg = header.to_owned();
    for (k, frame) in frames.iter().enumerate() {
        let (from, to) = (EACH * k as f64 / all, EACH * (k + 1) as f64 / all);
        let (values, times) = if k == last {
            ("hidden;visible".to_owned(), format!("0;{from:.4}"))
        } else if k == 0 {
            ("visible;hidden".to_owned(), format!("0;{to:.4}"))
        } else {
            let times = format!("0;{from:.4};{to:.4}");
            ("hidden;visible;hidden".to_owned(), times)
        };
        let now = if k == last { "visible" } else { "hidden" };
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<g visibility=\"{now}\"><animate attributeName=\"visibility\" calcMode=\"discrete\" values=\"{values}\" keyTimes=\"{times}\" dur=\"{all}s\" repeatCount=\"indefinite\"/>{}</g>",
            frame.svg
        );
    }
    svg.push_str("</svg>");
    Some(Figure {
        name: name.to_owned(),
        caption: caption.to_owned(),
        svg,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_is_shown_once_a_round_and_the_last_one_where_nothing_plays() {
        let frame = |k: usize| Figure {
            name: String::new(),
            caption: String::new(),
            svg: format!("<svg width=\"1\"><text>{k}</text></svg>"),
        };
        let frames: Vec<Figure> = (0..3).map(frame).collect();
        let svg = animated("a", "", &frames).unwrap().svg;
        assert_eq!(svg.matches("<animate ").count(), 3);
        assert_eq!(svg.matches("<g visibility=\"visible\">").count(), 1);
        assert!(svg.ends_with("<text>2</text></svg></g></svg>"));
        for times in ["0;0.2000", "0;0.2000;0.4000", "0;0.4000"] {
            assert!(svg.contains(&format!("keyTimes=\"{times}\"")), "{times}");
        }
        assert!(animated("a", "", &frames[..1]).is_none());
    }
}
