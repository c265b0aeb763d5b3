//! Restricted Boltzmann machines of handwritten digits as a user trains them: likelihoods, files, taking up, bits.

#[path = "common/command.rs"]
mod command;

use command::{json, text, thermochip};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// The shipped experiment with some lines changed.
fn experiment(folder: &Path, name: &str, changes: &[(&str, &str)]) -> std::path::PathBuf {
    let here = std::env::current_dir().unwrap();
    let data = here.join("experiments");
    let mut file = fs::read_to_string(data.join("optdigits_rbm.toml")).unwrap();
    let path = |name: &str| text(&data.join(name)).to_owned();
    let mut all = vec![
        ("optdigits.csv.gz".to_owned(), path("optdigits.csv.gz")),
        (
            "optdigits_test_rows.txt".to_owned(),
            path("optdigits_test_rows.txt"),
        ),
    ];
    all.extend(
        changes
            .iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned())),
    );
    for (from, to) in all {
        assert!(file.contains(&from), "{from}");
        file = file.replace(&from, &to);
    }
    let place = folder.join(format!("{name}.toml"));
    fs::write(&place, file).unwrap();
    place
}

fn metric(run: &Value, sampler: usize, name: &str) -> (f64, f64) {
    let metric = &run["samplers"][sampler]["metrics"][name];
    (
        metric["value"].as_f64().unwrap(),
        metric["se"].as_f64().unwrap_or(0.0),
    )
}

/// The shipped settings: the median of five seeds is above -19.5 nats at 50 epochs, independent pixels have -24.43, and
/// annealing finds ln Z within five of its errors (6e-7 each, ten of them), which are below 0.02.
#[test]
fn five_seeds_learn_the_digits() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("run");
    let file = experiment(scratch.path(), "digits", &[]);
    let said = thermochip(&["train", text(&file), "--out", text(&out)]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("test_log_likelihood"), "{said}");
    let run = json(&out.join("run.json"));
    let mut test: Vec<f64> = (0..5)
        .map(|k| metric(&run, k, "test_log_likelihood").0)
        .collect();
    test.sort_by(f64::total_cmp);
    assert!(test[2] >= -19.5, "{test:?}");
    assert!((metric(&run, 0, "base_rate_log_likelihood").0 + 24.43).abs() < 0.005);
    for k in 0..5 {
        let exact = metric(&run, k, "log_z").0;
        for name in ["log_z_ais", "log_z_ais_backward"] {
            let (value, se) = metric(&run, k, name);
            assert!(
                se < 0.02 && (value - exact).abs() < 5.0 * se,
                "{name}: {value} {se} {exact}"
            );
        }
    }
    assert_eq!(run["verdicts"][0]["established"], true);
    for figure in ["likelihood", "weights", "pictures"] {
        assert!(
            out.join(format!("figures/{figure}.svg")).exists(),
            "{figure}"
        );
    }
}

/// What was learned loads as an energy, and the exact machine of it has the ln Z that training recorded.
#[test]
fn parameters_load_as_an_energy() {
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("run");
    let short = [
        ("epochs = 50", "epochs = 2"),
        ("repeats = 5", "repeats = 1"),
    ];
    let file = experiment(scratch.path(), "digits", &short);
    thermochip(&["train", text(&file), "--out", text(&out), "--quiet"]);
    for kind in ["rbm", "ising"] {
        let again = scratch.path().join(format!("{kind}.toml"));
        let words = format!(
            "version = 1\n[energy]\nkind = \"{kind}\"\nparameters = \"{}\"\n[[digital]]\nsampler = \"gibbs\"\nsteps = 400\n[plan]\nchains = 128\n",
            text(&out)
        );
        fs::write(&again, words).unwrap();
        let sampled = scratch.path().join(kind);
        thermochip(&["run", text(&again), "--out", text(&sampled), "--quiet"]);
        let file = fs::metadata(sampled.join("samples-gibbs.npz")).unwrap();
        assert!(file.len() > 1000);
    }
    let energy = |kind: &str| {
        let run = json(&scratch.path().join(kind).join("run.json"));
        metric(&run, 0, "mean_energy")
    };
    // One energy, one stream: the same bits.
    assert_eq!(energy("rbm"), energy("ising"));
}

/// Any number of threads gives the same parameters, and so does a run that was interrupted (as by Ctrl-C) and taken up.
#[cfg(unix)]
#[test]
fn interruptions_and_threads_change_no_bit() {
    let scratch = tempfile::tempdir().unwrap();
    let changes = [
        (
            "epochs = 50",
            "epochs = 200\nchains = 100\ncheckpoint_every = 300",
        ),
        ("repeats = 5", "repeats = 2"),
    ];
    let file = experiment(scratch.path(), "digits", &changes);
    let parameters = |out: &Path| fs::read(out.join("parameters.npz")).unwrap();
    let train = |name: &str, threads: &str| {
        let out = scratch.path().join(name);
        let arguments = ["train", text(&file), "--out", text(&out), "--quiet"];
        thermochip(&[&arguments[..], &["--threads", threads]].concat());
        parameters(&out)
    };
    let whole = train("one", "1");
    assert!(whole == train("two", "2"));

    let broken = scratch.path().join("broken");
    let arguments = ["train", text(&file), "--out", text(&broken), "--quiet"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_thermochip"))
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !broken.join("checkpoint.bin").exists() {
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended before its first checkpoint");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let signal = ["-INT", &child.id().to_string()];
    assert!(
        Command::new("kill")
            .args(signal)
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(!broken.join("run.json").exists());
    thermochip(&[&arguments[..], &["--resume"]].concat());
    assert!(whole == parameters(&broken));
    let curve = |name: &str| json(&scratch.path().join(name).join("run.json"))["charts"].clone();
    assert_eq!(curve("one"), curve("broken"));
}
