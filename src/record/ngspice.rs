//! Running ngspice, where it is installed, on a netlist in the run directory.

use super::RunDirectory;
use crate::circuit::spice::{Waveforms, read_raw};
use crate::error::{Error, Result};
use std::process::{Command, Stdio};

/// Writes `netlist` as `name`, runs `ngspice -b` on it and reads its waveforms; `None` where there is no ngspice.
///
/// # Errors
/// ngspice failing on the netlist, or a directory that cannot be written.
pub fn run_ngspice(
    directory: &RunDirectory,
    name: &str,
    netlist: &str,
) -> Result<Option<Waveforms>> {
    directory.write(name, netlist.as_bytes())?;
    let output = Command::new("ngspice")
        .current_dir(directory.path())
        .args(["-b", "-r", "ngspice.raw", name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output();
    let output = match output {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let path = directory.path().join(name);
            return Err(Error::Io { path, source });
        }
        Ok(output) => output,
    };
    let raw = directory.read("ngspice.raw");
    match raw.filter(|_| output.status.success()) {
        Some(bytes) => read_raw(&bytes).map(Some),
        None => Err(Error::File {
            file: directory.path().join(name),
            reason: format!(
                "ngspice failed: {}",
                String::from_utf8_lossy(&output.stderr)
                    .lines()
                    .next()
                    .unwrap_or("no message")
            ),
        }),
    }
}
