//! The program as a user runs it: every command, its files, the same bits for any threads and after an interruption.

#[path = "common/command.rs"]
mod command;

use command::{json, text, thermochip};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// A small Gaussian on a die, beside MALA.
const GAUSSIAN: &str = r#"
version = 1
seed = 3
[energy]
kind = "quadratic"
precision = [[1.5, -0.6], [-0.6, 1.2]]
[hardware]
model = "rc_gaussian"
die_seed = 4
[plan]
chains = 70
burn_in = "5 tau"
duration = "20 tau"
trajectory_nodes = [0, 1]
[[digital]]
sampler = "mala"
steps = 400
"#;

/// Moments instead of draws: the file of moments is that of the run which kept both, and no draws are written.
#[test]
fn a_run_can_keep_moments_instead_of_draws() {
    let scratch = tempfile::tempdir().unwrap();
    let run = |record: &str| {
        let file = scratch.path().join(format!("{record}.toml"));
        let plan = format!("[plan]\nrecord = \"{record}\"");
        fs::write(&file, GAUSSIAN.replace("[plan]", &plan)).unwrap();
        let out = scratch.path().join(record);
        thermochip(&["run", text(&file), "--out", text(&out), "--quiet"]);
        out
    };
    let (both, moments) = (run("both"), run("moments"));
    let file = "moments-analog-die-4.npz";
    assert_eq!(
        fs::read(both.join(file)).unwrap(),
        fs::read(moments.join(file)).unwrap()
    );
    assert!(both.join("samples-analog-die-4.npz").exists());
    assert!(!moments.join("samples-analog-die-4.npz").exists());
    let mean_energy =
        |out: &Path| json(&out.join("run.json"))["samplers"][0]["metrics"]["mean_energy"].clone();
    assert_eq!(mean_energy(&both), mean_energy(&moments));
}

/// A little training on the digits, as the main job does it.
fn digits(updates: u32, checkpoint_every: u32) -> String {
    let here = std::env::current_dir().unwrap();
    let data = here.join("experiments");
    let data = text(&data);
    format!(
        r#"
version = 1
seed = 7
[data]
file = "{data}/optdigits.csv.gz"
kind = "csv"
columns = {{ pixels = [0, 64], label = 64 }}
scale = [0, 16]
labels = {{ column = 64, classes = 10 }}
test_rows = "{data}/optdigits_test_rows.txt"
[energy]
kind = "soft_spin"
j2 = -2.0
j4 = 1.0
[hardware]
model = "soft_spin_cmos"
die_seed = 1
[train]
method = "pcd"
hidden = 8
updates = {updates}
batch = 40
positive = "0.3 tau"
negative = "0.6 tau"
conditional = {{ clamp = "pixels", weight = 2.0 }}
optimiser = "adam"
learning_rate = 0.003
checkpoint_every = {checkpoint_every}
[plan]
chains = 32
burn_in = "1 tau"
duration = "3 tau"
bias_tolerance = 0.05
"#
    )
}

#[test]
fn models_are_listed_and_shown() {
    let list = String::from_utf8(thermochip(&["models"]).stdout).unwrap();
    let cards = Path::new("hw_models");
    for entry in fs::read_dir(cards).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(list.contains(name), "{name} is not in\n{list}");
        let shown = String::from_utf8(thermochip(&["models", name]).stdout).unwrap();
        for word in ["physics.tau", "assumption", "claims", "unstated"] {
            assert!(shown.contains(word), "{name}: no {word:?} in\n{shown}");
        }
        let machine = thermochip(&["models", name, "--json"]).stdout;
        let value: Value = serde_json::from_slice(&machine).unwrap();
        assert!(value.is_object(), "{value}");
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in ["models", "run", "compare", "train", "netlist", "report"] {
        let help = String::from_utf8(thermochip(&[command, "--help"]).stdout).unwrap();
        assert!(help.contains("Example: thermochip"), "{help}");
    }
}

#[test]
fn compare_writes_what_the_contract_says_with_the_same_bits_for_any_threads() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("gaussian.toml");
    fs::write(&file, GAUSSIAN).unwrap();
    let out = |threads: &str| scratch.path().join(format!("run{threads}"));
    for threads in ["1", "2", "4"] {
        let (file, out) = (text(&file), out(threads));
        let said = thermochip(&[
            "compare",
            file,
            "--out",
            text(&out),
            "--threads",
            threads,
            "--json",
        ]);
        let printed: Value = serde_json::from_slice(&said.stdout).unwrap();
        assert_eq!(printed["version"], 1);
    }
    let names = ["analog-ideal", "analog-die-4", "mala"];
    for name in names {
        let file = format!("samples-{name}.npz");
        let first = fs::read(out("1").join(&file)).unwrap();
        for threads in ["2", "4"] {
            assert!(
                first == fs::read(out(threads).join(&file)).unwrap(),
                "{file}"
            );
        }
    }
    let run = json(&out("1").join("run.json"));
    for key in [
        "version",
        "experiment",
        "card",
        "program",
        "seeds",
        "samplers",
        "comparisons",
        "verdicts",
        "training",
        "warnings",
    ] {
        assert!(run.get(key).is_some(), "run.json has no {key}");
    }
    assert_eq!(run["seeds"]["generator"], "pcg");
    assert_eq!(run["seeds"]["normals"], "box-muller");
    let samplers = run["samplers"].as_array().unwrap();
    assert_eq!(samplers.len(), 3);
    for (sampler, name) in samplers.iter().zip(names) {
        assert_eq!(sampler["name"], name);
        for key in [
            "kind",
            "metrics",
            "ess_min",
            "rhat_max",
            "device_seconds",
            "wall_seconds",
            "energy_joules",
            "predicted_bias",
        ] {
            assert!(sampler.get(key).is_some(), "{name} has no {key}");
        }
        assert!(sampler["metrics"]["beta_eff"]["se"].as_f64().unwrap() > 0.0);
    }
    // 25 tau of 100 ns, as the card's tau says.
    assert!((samplers[0]["device_seconds"].as_f64().unwrap() - 2.5e-6).abs() < 1e-12);
    assert!(samplers[2]["device_seconds"].is_null());
    for file in ["report.html", "trajectory.npz", "exact.npz"] {
        assert!(fs::metadata(out("1").join(file)).unwrap().len() > 0);
    }

    // `report` rebuilds the page; `run` does the chip alone; another seed gives other samples.
    let first = out("1");
    fs::remove_file(first.join("report.html")).unwrap();
    fs::remove_dir_all(first.join("figures")).unwrap();
    thermochip(&["report", text(&first)]);
    let page = fs::read_to_string(first.join("report.html")).unwrap();
    assert!(page.contains("analog-die-4") && page.contains("<svg"));
    assert!(fs::read_dir(first.join("figures")).unwrap().count() >= 3);
    let other = scratch.path().join("other");
    let quiet = thermochip(&[
        "run",
        text(&file),
        "--out",
        text(&other),
        "--seed",
        "9",
        "--quiet",
    ]);
    assert!(quiet.stdout.is_empty() && quiet.stderr.is_empty());
    let samples = "samples-analog-die-4.npz";
    assert!(fs::read(first.join(samples)).unwrap() != fs::read(other.join(samples)).unwrap());
    assert!(!other.join("samples-mala.npz").exists());
}

/// Training alone, then its parameters in another experiment.
#[test]
fn trained_parameters_can_be_loaded() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("digits.toml");
    fs::write(&file, digits(4, 100)).unwrap();
    let out = scratch.path().join("trained");
    thermochip(&["train", text(&file), "--out", text(&out), "--quiet"]);
    let curve = &json(&out.join("run.json"))["training"]["curve"];
    assert_eq!(curve.as_array().unwrap().len(), 4);
    let next = scratch.path().join("next.toml");
    let model = format!(
        "version = 1\n[energy]\nkind = \"soft_spin\"\nparameters = \"{}\"\n[hardware]\nmodel = \"soft_spin_cmos\"\n[plan]\nchains = 32\nburn_in = \"1 tau\"\nduration = \"3 tau\"\n",
        text(&out)
    );
    fs::write(&next, model).unwrap();
    let ran = scratch.path().join("ran");
    thermochip(&["run", text(&next), "--out", text(&ran), "--quiet"]);
    assert!(ran.join("samples-analog-ideal.npz").exists());
}

/// The plan's generator draws every sampler's noise and is named in the record; the default one is what absence means.
#[test]
fn the_plan_chooses_the_generator() {
    let scratch = tempfile::tempdir().unwrap();
    let run = |name: &str, generator: &str| {
        let (file, out) = (scratch.path().join("g.toml"), scratch.path().join(name));
        fs::write(
            &file,
            GAUSSIAN.replace("chains", &format!("{generator}chains")),
        )
        .unwrap();
        thermochip(&["compare", text(&file), "--out", text(&out), "--quiet"]);
        let record = json(&out.join("run.json"));
        let samples = ["analog-ideal", "mala"]
            .map(|name| fs::read(out.join(format!("samples-{name}.npz"))).unwrap());
        (record["seeds"]["generator"].clone(), samples)
    };
    let default = run("default", "");
    let pcg = run("pcg", "generator = \"pcg\"\n");
    let chacha = run("chacha8", "generator = \"chacha8\"\n");
    assert!(default == pcg);
    assert_eq!((&pcg.0, &chacha.0), (&"pcg".into(), &"chacha8".into()));
    assert!(pcg.1[0] != chacha.1[0] && pcg.1[1] != chacha.1[1]);
}

/// A run that is interrupted (as by Ctrl-C) in the middle of training resumes to the bits of one that was not.
#[cfg(unix)]
#[test]
fn an_interrupted_run_resumes_to_the_same_bits() {
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("digits.toml");
    fs::write(&file, digits(300, 5)).unwrap();
    let (whole, broken) = (scratch.path().join("whole"), scratch.path().join("broken"));
    thermochip(&["train", text(&file), "--out", text(&whole), "--quiet"]);

    let mut child = Command::new(env!("CARGO_BIN_EXE_thermochip"))
        .args(["train", text(&file), "--out", text(&broken), "--quiet"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !broken.join("checkpoint.bin").exists() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before its first checkpoint"
        );
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let signalled = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(signalled.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        !broken.join("run.json").exists(),
        "a part is passed off as the whole"
    );

    // Without --resume the directory is refused; with another seed its checkpoint is.
    for wrong in [&["--quiet"][..], &["--resume", "--seed", "8"]] {
        let arguments = ["train", text(&file), "--out", text(&broken)];
        let output = Command::new(env!("CARGO_BIN_EXE_thermochip"))
            .args(arguments.iter().chain(wrong))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    thermochip(&[
        "train",
        text(&file),
        "--out",
        text(&broken),
        "--resume",
        "--quiet",
    ]);
    let parameters = |run: &Path| fs::read(run.join("parameters.npz")).unwrap();
    assert!(parameters(&whole) == parameters(&broken));
}

/// A netlist runs by itself: record, arrays, a waveform file that reads back, and the same bits for any threads.
#[test]
fn a_netlist_runs_by_itself() {
    use thermochip::circuit::spice::read_raw;
    let scratch = tempfile::tempdir().unwrap();
    let mut arrays = Vec::new();
    for threads in ["1", "2"] {
        let out = scratch.path().join(threads);
        let arguments = [
            "run",
            "experiments/johnson.cir",
            "--out",
            text(&out),
            "--json",
        ];
        let said = thermochip(&[&arguments[..], &["--threads", threads]].concat()).stdout;
        let record: Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(record, json(&out.join("run.json")));
        assert_eq!(record["verdicts"][0]["established"], true, "{record}");
        let page = fs::read_to_string(out.join("report.html")).unwrap();
        assert!(page.contains("<svg") && page.contains("R1 out 0 1Meg"));
        let raw = read_raw(&fs::read(out.join("netlist.raw")).unwrap()).unwrap();
        let names: Vec<&str> = raw.variables.iter().map(|v| v.0.as_str()).collect();
        assert_eq!(names, ["time", "v(out)", "v(far)"]);
        assert_eq!(raw.points.len(), 3 * 20_001);
        arrays.push(fs::read(out.join("samples-netlist.npz")).unwrap());
    }
    assert!(arrays[0] == arrays[1], "other threads, other bits");
}

/// `[plan]` chooses the numbers and the generator of a netlist's run, its own `*@` lines are the default, and the record says
/// which were used.
#[test]
fn the_plan_of_a_netlist_chooses_precision_and_generator() {
    let scratch = tempfile::tempdir().unwrap();
    let netlist = fs::read_to_string("experiments/johnson.cir").unwrap();
    let netlist = netlist.replace(".end", "*@ precision mixed\n.end");
    fs::write(scratch.path().join("j.cir"), netlist).unwrap();
    let run = |name: &str, plan: &str| {
        let (file, out) = (scratch.path().join("j.toml"), scratch.path().join(name));
        let words = format!("version = 1\n[circuit]\nnetlist = \"j.cir\"\n{plan}");
        fs::write(&file, words).unwrap();
        thermochip(&["run", text(&file), "--out", text(&out), "--quiet"]);
        let record = json(&out.join("run.json"));
        assert_eq!(record["verdicts"][0]["established"], true, "{record}");
        let precision = record["experiment"]["plan"]["precision"].clone();
        let said = record["samplers"][0]["facts"]["scheme"].to_string();
        assert!(said.contains(precision.as_str().unwrap()), "{said}");
        assert_eq!(
            record["experiment"]["plan"]["generator"],
            record["seeds"]["generator"]
        );
        let samples = fs::read(out.join("samples-netlist.npz")).unwrap();
        (precision, record["seeds"]["generator"].clone(), samples)
    };
    let own = run("own", "");
    let single = run("single", "[plan]\nprecision = \"f32\"\n");
    let chacha = run("chacha", "[plan]\ngenerator = \"chacha8\"\n");
    assert_eq!((&own.0, &own.1), (&"mixed".into(), &"pcg".into()));
    assert_eq!((&single.0, &single.1), (&"f32".into(), &"pcg".into()));
    assert_eq!((&chacha.0, &chacha.1), (&"mixed".into(), &"chacha8".into()));
    assert!(own.2 != single.2 && own.2 != chacha.2);
}

/// A programmed chip as a netlist: it reads back here, and its noise sources are written as asked.
#[test]
fn a_programmed_chip_is_written_as_a_netlist() {
    let file = "experiments/gaussian_rc.toml";
    let export = |more: &[&str]| {
        let output = thermochip(&[&["netlist", file][..], more].concat());
        String::from_utf8(output.stdout).unwrap()
    };
    let noisy = export(&[]);
    assert!(
        noisy.contains("trnoise(") && noisy.contains(".tran"),
        "{noisy}"
    );
    let recorded = export(&["--noise", "pwl", "--stop", "20 ns", "--seed", "3"]);
    assert!(recorded.contains("pwl(") && !recorded.contains("trnoise"));
    assert_ne!(
        recorded,
        export(&["--noise", "pwl", "--stop", "20 ns", "--seed", "4"])
    );
    let silent = export(&["--noise", "off"]);
    thermochip::circuit::spice::read(&silent).unwrap();
    let ring = "experiments/ising_ring.toml";
    let spins = thermochip(&["netlist", ring, "--noise", "pwl", "--stop", "1 us"]);
    let spins = String::from_utf8(spins.stdout).unwrap();
    thermochip::circuit::spice::read(&spins).unwrap();
    let refused = Command::new(env!("CARGO_BIN_EXE_thermochip"))
        .args(["netlist", ring])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--noise pwl"));
    let scratch = tempfile::tempdir().unwrap();
    let out = scratch.path().join("chip.cir");
    assert!(export(&["--out", text(&out)]).is_empty());
    assert_eq!(fs::read_to_string(&out).unwrap(), noisy);
}

/// A sweep that is interrupted keeps its finished points, and ends as one that was not.
#[cfg(unix)]
#[test]
fn an_interrupted_sweep_resumes() {
    let scratch = tempfile::tempdir().unwrap();
    let (whole, broken) = (scratch.path().join("whole"), scratch.path().join("broken"));
    let file = "experiments/two_baths.toml";
    thermochip(&["run", file, "--out", text(&whole), "--quiet"]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_thermochip"))
        .args(["run", file, "--out", text(&broken), "--quiet"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !broken.join("checkpoint.json").exists() {
        assert!(child.try_wait().unwrap().is_none(), "no checkpoint");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let signalled = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(signalled.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(!broken.join("run.json").exists());
    let refused = Command::new(env!("CARGO_BIN_EXE_thermochip"))
        .args([
            "run",
            file,
            "--out",
            text(&broken),
            "--resume",
            "--seed",
            "9",
        ])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    thermochip(&["run", file, "--out", text(&broken), "--resume", "--quiet"]);
    let record = |run: &Path| {
        let mut record = json(&run.join("run.json"));
        for sampler in record["samplers"].as_array_mut().unwrap() {
            sampler["wall_seconds"] = Value::Null;
        }
        record
    };
    assert_eq!(record(&whole), record(&broken));
    assert_eq!(record(&whole)["charts"][0]["x"], "hot (K)");
    assert!(!broken.join("checkpoint.json").exists());
}
