//! `[data] kind = "two_moons"`: points of a known law of the plane, for neural energies or on two nodes of a chip.

use super::reader::Section;
use crate::error::Result;
use serde::Serialize;

/// Points to learn from.
#[derive(Clone, Debug, Serialize)]
pub struct MoonsData {
    /// Always `two_moons`.
    pub kind: String,
    /// Standard deviation around the arcs.
    pub noise: f64,
    /// Points to train on.
    pub count: usize,
    /// Whether t is equispaced instead of uniform and independent.
    pub equispaced: bool,
}

/// The same on two nodes: node = (point − (½, ¼))/width.
#[derive(Clone, Debug, Serialize)]
pub struct MoonsOnNodes {
    /// The points.
    #[serde(flatten)]
    pub points: MoonsData,
    /// Further points, held out.
    pub test: usize,
    /// Length in the plane of one unit of a node.
    pub width: f64,
}

/// Keys of every `[data] kind = "two_moons"`.
pub(super) const MOONS_KEYS: [&str; 4] = ["kind", "noise", "count", "spacing"];

/// Whether `[data]` is of this kind.
pub(super) fn is_moons(s: &Section<'_>) -> bool {
    s.get("kind").and_then(toml::Value::as_str) == Some("two_moons")
}

pub(super) fn moons(s: &Section<'_>) -> Result<MoonsData> {
    let spacing = s.word("spacing", "random", &["random", "equispaced"])?;
    Ok(MoonsData {
        kind: s.word("kind", "two_moons", &["two_moons"])?,
        noise: s.within(
            "noise",
            0.05,
            |v| (0.01..=0.5).contains(&v),
            "from 0.01 to 0.5",
        )?,
        count: s.count_between("count", 2000, (10, 10_000_000))? as usize,
        equispaced: spacing == "equispaced",
    })
}

pub(super) fn moons_on_nodes(s: &Section<'_>) -> Result<MoonsOnNodes> {
    s.check_keys(&[&MOONS_KEYS[..], &["test", "width"]].concat(), &[])?;
    let points = moons(s)?;
    let test = s.count_between("test", points.count as u64, (0, 10_000_000))? as usize;
    Ok(MoonsOnNodes {
        points,
        test,
        width: s.positive("width", 1.5)?,
    })
}
