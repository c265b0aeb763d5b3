//! The `.raw` waveform file of SPICE simulators, binary, real.
//!
//! Simulators differ in the width of the numbers, and readers (spicelib, for one) tell them apart by the `Command:` line: ours
//! says that the layout is ngspice's, all values in 64 bits. (ngspice carries that line out on loading: it is a comment.)

use crate::error::{Error, Result};

/// Waveforms on common points.
#[derive(Clone, Debug, PartialEq)]
pub struct Waveforms {
    /// Title of the netlist.
    pub title: String,
    /// (name, kind) of each variable; the first is `time`. Kinds: `time`, `voltage`, `current`.
    pub variables: Vec<(String, String)>,
    /// `points[k * variables + j]`.
    pub points: Vec<f64>,
}

/// The bytes of a binary `.raw` file.
pub fn write_raw(waveforms: &Waveforms) -> Vec<u8> {
    let count = waveforms.variables.len();
    let mut text = format!(
        "Title: {}\nDate: Thu Jan  1 00:00:00 1970\nPlotname: Transient Analysis\nCommand: * thermochip {} (the layout of ngspice)\nFlags: real\nNo. Variables: {count}\nNo. Points: {}\nVariables:\n",
        waveforms.title,
        env!("CARGO_PKG_VERSION"),
        waveforms.points.len() / count.max(1)
    );
    for (k, (name, kind)) in waveforms.variables.iter().enumerate() {
        text.push_str(&format!("\t{k}\t{name}\t{kind}\n"));
    }
    text.push_str("Binary:\n");
    let mut bytes = text.into_bytes();
    bytes.extend(waveforms.points.iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

/// Reads a binary `.raw` file of real values (its first plot).
///
/// # Errors
/// A header or length that is not one's.
pub fn read_raw(bytes: &[u8]) -> Result<Waveforms> {
    let bad = |what: &str| Error::invalid("raw file", what, "a binary .raw file of real values");
    let marker = b"Binary:\n";
    let start = bytes
        .windows(marker.len())
        .position(|w| w == marker)
        .ok_or_else(|| bad("no \"Binary:\" section"))?;
    let header =
        std::str::from_utf8(&bytes[..start]).map_err(|_| bad("a header that is not text"))?;
    let value = |key: &str| {
        header
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .map(str::trim)
    };
    let number = |key: &str| value(key).and_then(|v| v.parse::<usize>().ok());
    let (Some(count), Some(points)) = (number("No. Variables:"), number("No. Points:")) else {
        return Err(bad("no counts"));
    };
    if value("Flags:").is_none_or(|f| !f.starts_with("real")) {
        return Err(bad("values that are not real"));
    }
    let list = header.split("Variables:\n").last().unwrap_or_default();
    let variables: Vec<(String, String)> = list
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().skip(1);
            Some((words.next()?.to_owned(), words.next()?.to_owned()))
        })
        .collect();
    let data = &bytes[start + marker.len()..];
    if variables.len() != count || data.len() < 8 * count * points {
        return Err(bad("fewer values than the header says"));
    }
    let values = data[..8 * count * points].chunks_exact(8);
    Ok(Waveforms {
        title: value("Title:").unwrap_or_default().to_owned(),
        variables,
        points: values
            .map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default()))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_truncation_is_seen() {
        let waveforms = Waveforms {
            title: "a title".to_owned(),
            variables: vec![
                ("time".into(), "time".into()),
                ("v(out)".into(), "voltage".into()),
            ],
            points: vec![0.0, 1.5, 1e-9, -2.25e-3],
        };
        let bytes = write_raw(&waveforms);
        assert_eq!(read_raw(&bytes).unwrap(), waveforms);
        // Readers look for the simulator whose layout this is.
        let header = String::from_utf8_lossy(&bytes);
        let command = header.lines().find(|l| l.starts_with("Command: "));
        assert!(command.unwrap().contains("ngspice"));
        assert!(read_raw(&bytes[..bytes.len() - 1]).is_err());
        assert!(read_raw(b"nothing").is_err());
    }
}
