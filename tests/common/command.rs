//! The program, run on arguments, and what it wrote.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// The program on `arguments`; it must succeed.
pub fn thermochip(arguments: &[&str]) -> Output {
    let output = Command::new(env!("CARGO_BIN_EXE_thermochip"))
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A path as text.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A JSON file.
pub fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}
