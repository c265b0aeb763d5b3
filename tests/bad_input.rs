//! Every bad input of the corpus `tests/bad/` gives exit 2, exactly the line of its `.expected` file, and leaves nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// `compare` for experiments, `run` for netlists.
fn compare(file: &str, out: &Path) -> Output {
    let command = if file.ends_with(".cir") {
        "run"
    } else {
        "compare"
    };
    Command::new(env!("CARGO_BIN_EXE_thermochip"))
        .current_dir("tests/bad")
        .args([command, file, "--out"])
        .arg(out)
        .output()
        .unwrap()
}

#[test]
fn the_corpus_is_refused_in_its_own_words() {
    let scratch = tempfile::tempdir().unwrap();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir("tests/bad").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "toml" && e != "cir") {
            continue;
        }
        seen += 1;
        let name = path.file_name().unwrap().to_str().unwrap();
        let out = scratch.path().join("run");
        let output = compare(name, &out);
        let said = String::from_utf8(output.stderr).unwrap();
        let expected = fs::read_to_string(path.with_extension("expected")).unwrap_or_default();
        if output.status.code() != Some(2) || said != expected || !output.stdout.is_empty() {
            wrong.push(format!(
                "{name}: exit {:?}\n  said     {said}  expected {expected}",
                output.status.code()
            ));
        }
        assert!(!out.exists(), "{name} left a run directory behind");
    }
    assert!(seen >= 45, "only {seen} bad inputs found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_output_that_cannot_be_written_is_refused() {
    let file = "../../experiments/gaussian_rc.toml";
    let scratch = tempfile::tempdir().unwrap();
    let blocked = scratch.path().join("file");
    fs::write(&blocked, b"not a directory").unwrap();
    let output = compare(file, &blocked.join("run"));
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.starts_with("error: ") && said.contains("file/run") && said.lines().count() == 1,
        "{said}"
    );

    let occupied = scratch.path().join("occupied");
    fs::create_dir(&occupied).unwrap();
    fs::write(occupied.join("precious"), b"data").unwrap();
    let output = compare(file, &occupied);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("empty directory")
    );
    assert_eq!(fs::read_dir(&occupied).unwrap().count(), 1);
}
