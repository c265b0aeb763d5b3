//! The arrows of the house point one way: which room of `src/` may use which (the table in the crate docs).

use std::{collections::BTreeMap, fs, path::Path};

const ROOMS: &[&str] = &[
    "energy",
    "circuit",
    "dynamics",
    "hardware",
    "sampler",
    "training",
    "diagnostics",
    "testing",
    "experiment",
    "data",
    "record",
    "study",
    "report",
    "cli",
];

/// Rooms that a room may use, beside itself and the ground floor (`error`, `units`).
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    let inner = vec![
        "energy",
        "circuit",
        "dynamics",
        "hardware",
        "sampler",
        "training",
        "diagnostics",
    ];
    let with = |more: &[&'static str]| [inner.clone(), more.to_vec()].concat();
    BTreeMap::from([
        ("energy", vec![]),
        ("dynamics", vec![]),
        ("diagnostics", vec![]),
        ("circuit", vec!["dynamics"]),
        ("hardware", vec!["energy", "circuit", "dynamics"]),
        ("sampler", vec!["energy", "circuit", "dynamics", "hardware"]),
        ("training", vec!["energy", "sampler", "diagnostics"]),
        ("testing", inner.clone()),
        ("data", vec![]),
        ("record", with(&["data"])),
        ("experiment", with(&["data", "record"])),
        ("study", with(&["data", "experiment", "record"])),
        ("report", with(&["data", "experiment", "record"])),
        (
            "cli",
            with(&["data", "experiment", "record", "study", "report"]),
        ),
    ])
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// Code of one file: no comments, and nothing from the tests module on (tests may reach up).
fn code(text: &str) -> String {
    text.lines()
        .take_while(|l| l.trim() != "#[cfg(test)]")
        .filter(|l| !l.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Names of rooms used as `crate::room` or inside `use crate::{…}` (which may span lines).
fn uses(code: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        let heads: Vec<&str> = match rest.strip_prefix('{') {
            Some(list) => {
                let list = list.split(';').next().unwrap_or_default();
                list.split([',', '{', '}']).map(str::trim).collect()
            }
            None => vec![rest],
        };
        for head in heads {
            let name = head
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next();
            found.extend(ROOMS.iter().copied().filter(|room| Some(*room) == name));
        }
    }
    found
}

fn violations(room: &str, text: &str) -> Vec<String> {
    let table = allowed();
    uses(&code(text))
        .into_iter()
        .filter(|used| *used != room && !table[room].contains(used))
        .map(|used| format!("{room} uses {used}"))
        .collect()
}

#[test]
fn arrows_point_one_way() {
    let mut bad = Vec::new();
    for room in ROOMS {
        for file in files(&Path::new("src").join(room)) {
            let text = fs::read_to_string(&file).unwrap();
            for violation in violations(room, &text) {
                bad.push(format!("{}: {violation}", file.display()));
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn every_room_is_in_the_table_and_has_code() {
    for entry in fs::read_dir("src").unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(
                ROOMS.contains(&name.as_str()),
                "room {name} is not in the table"
            );
            assert!(!files(&path).is_empty(), "room {name} is empty");
        }
    }
}

#[test]
fn a_backward_arrow_is_caught() {
    assert_eq!(
        violations("energy", "use crate::sampler::Samples;").len(),
        1
    );
    let split = "use crate::{\n    dynamics::Process,\n    hardware::{Card, Die},\n};";
    assert_eq!(violations("circuit", split), ["circuit uses hardware"]);
    assert!(violations("circuit", "use crate::{dynamics::Process, error::Result};").is_empty());
    assert!(violations("energy", "// crate::sampler in a comment").is_empty());
}

/// Only the outer rooms touch files, and only the command line prints.
#[test]
fn files_and_printing_stay_outside() {
    let mut bad = Vec::new();
    for room in ROOMS {
        let opens = ["experiment", "data", "record", "study", "report", "cli"].contains(room);
        for file in files(&Path::new("src").join(room)) {
            let text = fs::read_to_string(&file).unwrap();
            for line in code(&text).lines() {
                let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
                let prints = has(&["println!", "eprintln!", "print!(", "dbg!"]);
                let touches = has(&["std::fs", "File::", "fs::read", "fs::write"]);
                if (prints && *room != "cli") || (touches && !opens) {
                    bad.push(format!("{}: {}", file.display(), line.trim()));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

#[test]
fn no_file_is_longer_than_800_lines() {
    for file in files(Path::new("src"))
        .into_iter()
        .chain(files(Path::new("tests")))
    {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 800, "{}: {lines} lines", file.display());
    }
}
