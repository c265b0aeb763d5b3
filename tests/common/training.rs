//! The program on experiments that train: what it writes, what it refuses, how it goes on after it was cut off.

use super::command::{json, text, thermochip};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

/// `command` on an experiment; its record.
pub fn run(command: &str, dir: &Path, experiment: &str, name: &str) -> Value {
    let (file, out) = (dir.join(format!("{name}.toml")), dir.join(name));
    fs::write(&file, experiment).unwrap();
    thermochip(&[command, text(&file), "--out", text(&out), "--quiet"]);
    json(&out.join("run.json"))
}

/// The one line by which an experiment is refused; it leaves nothing behind.
pub fn refused(dir: &Path, experiment: &str) -> String {
    let file = dir.join("refused.toml");
    fs::write(&file, experiment).unwrap();
    let out = dir.join("refused");
    let done = Command::new(env!("CARGO_BIN_EXE_thermochip"))
        .args(["train", text(&file), "--out", text(&out)])
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2));
    assert!(!out.exists(), "left something behind: {experiment}");
    let words = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(words.trim_end().lines().count(), 1, "{words}");
    words
}

/// A number of a chip's likelihood record.
pub fn held(run: &Value, sampler: &str, what: &str) -> f64 {
    let programs = run["program"].as_array().unwrap();
    let of = programs.iter().find(|p| p["sampler"] == sampler).unwrap();
    let found = &of["likelihood"][what];
    found["value"].as_f64().or(found.as_f64()).unwrap()
}

/// Cuts a training off in its middle and goes on: the same parameters as without.
pub fn is_resumed(dir: &Path, experiment: &str) {
    run("train", dir, experiment, "whole");
    let whole = fs::read(dir.join("whole/parameters.npz")).unwrap();
    let (file, out) = (dir.join("cut.toml"), dir.join("cut"));
    fs::write(&file, experiment).unwrap();
    let program = env!("CARGO_BIN_EXE_thermochip");
    let mut child = Command::new(program)
        .args(["train", text(&file), "--out", text(&out), "--quiet"])
        .spawn()
        .unwrap();
    while !out.join("checkpoint.bin").exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        !out.join("run.json").exists(),
        "it was cut off before its end"
    );
    // The checkpoint is read: one that is none is refused, and the good one goes on.
    let kept = fs::read(out.join("checkpoint.bin")).unwrap();
    let resume = [
        "train",
        text(&file),
        "--out",
        text(&out),
        "--quiet",
        "--resume",
    ];
    fs::write(out.join("checkpoint.bin"), &kept[..kept.len() / 2]).unwrap();
    assert!(
        !Command::new(program)
            .args(resume)
            .output()
            .unwrap()
            .status
            .success()
    );
    fs::write(out.join("checkpoint.bin"), &kept).unwrap();
    thermochip(&resume);
    assert_eq!(fs::read(out.join("parameters.npz")).unwrap(), whole);
}
