//! `thermochip` on mixtures: learned from files by EM and through selector chips, written, read back, refused.
//! Deterministic: every run is the same bits everywhere.

#[path = "common/command.rs"]
mod command;
#[path = "common/training.rs"]
mod training;

use serde_json::Value;
use std::fs;
use std::path::Path;
use thermochip::data::NumberFile;
use thermochip::energy::Model;
use thermochip::experiment::{Experiment, build_model};
use training::{held, is_resumed, refused, run};

const EM: &str = "method = \"mle\"\nupdates = 100";
const CHIP: &str = "method = \"pcd\"\nthrough = \"die\"\nfirst = { updates = 50 }\nupdates = 120\nbatch = 300\nnegative = \"1 tau\"\nlimit = \"range\"";

/// Two moons as a mixture of six.
fn moons(train: &str) -> String {
    format!(
        "version = 1\nseed = 2\n[data]\nkind = \"two_moons\"\nnoise = 0.2\ncount = 500\nwidth = 1\n[energy]\nkind = \"mixture\"\ncomponents = 6\n\
         [hardware]\nmodel = \"pmog\"\ndie_seed = 3\nonly = [\"dac\", \"coupling\", \"noise_temperature\", \"weight\", \"leak\"]\n\
         [hardware.override]\nlimits.branches = 6\nlimits.dac_bits = 8\nlimits.coupling_max = 40\nlimits.field_max = 60\n\
         [train]\n{train}\n\
         [plan]\nchains = 200\ninitial = \"data\"\nburn_in = \"5 tau\"\nduration = \"20 tau\"\nsample_period = \"1 tau\"\n"
    )
}

/// 200 rows of three numbers about two centres.
fn rows(dir: &Path) -> String {
    let line = |k: usize| {
        let high = if k.is_multiple_of(3) { 9 } else { 2 };
        let of = |a: usize, b: usize| high + (k * a) % b;
        format!("{},{},{}", of(7, 5), of(5, 4), of(11, 7))
    };
    let lines: Vec<String> = (0..200).map(line).collect();
    fs::write(dir.join("rows.csv"), lines.join("\n")).unwrap();
    "version = 1\n[data]\nfile = \"rows.csv\"\ncolumns = { pixels = [0, 3] }\nlabels = \"none\"\nscale = [0, 16]\n".to_owned()
}

#[test]
fn a_mixture_is_learned_by_em_and_through_a_die() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let em = run("train", dir, &moons(EM), "em");
    assert_eq!(em["training"]["through"], "exact");
    let curve = em["training"]["curve"].as_array().unwrap();
    let likelihood = |k: usize| curve[k]["log_likelihood"].as_f64().unwrap();
    assert!((1..curve.len()).all(|k| likelihood(k) >= likelihood(k - 1) - 1e-9));
    // Nodes and plane have one unit here: the curve ends at the ideal chip's own likelihood.
    let own = held(&em, "analog-ideal", "train");
    assert!((own - likelihood(curve.len() - 1)).abs() < 1e-3, "{own}");
    assert!(held(&em, "analog-ideal", "data_kl") < 0.1);
    let page = fs::read_to_string(dir.join("em/report.html")).unwrap();
    assert!(page.contains("id=\"training-likelihood\"") && !page.contains("id=\"training-error\""));

    let longer = CHIP.replace("updates = 120", "updates = 500");
    let through = run("compare", dir, &moons(&longer), "through");
    // Of what EM's mixture loses on the die, training through it wins back more than half; the ideal chip has no use for it.
    let lost = |run: &Value, sampler: &str| own - held(run, sampler, "train");
    let (deployed, back) = (lost(&em, "analog-die-3"), lost(&through, "analog-die-3"));
    assert!(back < 0.5 * deployed, "{deployed} {back}");
    assert!(lost(&through, "analog-ideal") > back);
    assert!(
        through["training"]["per_update"]["device_seconds"]
            .as_f64()
            .unwrap()
            > 0.0
    );
    let page = fs::read_to_string(dir.join("through/report.html")).unwrap();
    for figure in [
        "plane-analog-ideal",
        "plane-analog-die-3",
        "plane-moons",
        "training-error",
    ] {
        assert!(page.contains(&format!("id=\"{figure}\"")), "{figure}");
    }

    // What was written is read back, and is the same mixture.
    let again = "version = 1\n[energy]\nkind = \"mixture\"\nparameters = \"em\"\n[hardware]\nmodel = \"pmog\"\n[hardware.override]\nlimits.branches = 6\n[plan]\nchains = 20\nduration = \"20 tau\"\n";
    run("run", dir, again, "again");
    let file = NumberFile::read(&dir.join("em/parameters.npz")).unwrap();
    let of = |key: &str| file.get(key).unwrap().values.clone();
    let Model::Mixture(read) =
        build_model(&Experiment::load(&dir.join("again.toml")).unwrap(), None).unwrap()
    else {
        panic!()
    };
    let all = || read.components().iter();
    assert!(
        all()
            .zip(of("weights"))
            .all(|(c, w)| (c.weight - w).abs() < 1e-15)
    );
    let means: Vec<f64> = all().flat_map(|c| c.mean.iter().copied()).collect();
    let covariances: Vec<f64> = all().flat_map(|c| c.covariance.iter().copied()).collect();
    assert_eq!((means, covariances), (of("means"), of("covariances")));
    assert_eq!(all().len(), 6);
}

#[test]
fn rows_of_a_file_are_a_mixture() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let experiment = format!(
        "{}[energy]\nkind = \"mixture\"\nweights = [1, 1]\nmeans = [[0, 0, 0], [-1, -1, -1]]\ncovariances = [[[0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]], [[0.1, 0, 0], [0, 0.1, 0], [0, 0, 0.1]]]\n[train]\n{EM}\n[hardware]\nmodel = \"pmog\"\n[plan]\nchains = 20\nduration = \"20 tau\"\n",
        rows(dir)
    );
    let found = run("train", dir, &experiment, "rows");
    let likelihood = held(&found, "analog-ideal", "train");
    let curve = found["training"]["curve"].as_array().unwrap();
    let last = curve[curve.len() - 1]["log_likelihood"].as_f64().unwrap();
    assert!((likelihood - last).abs() < 1e-3);
    // A third of the rows is about the upper centre.
    let file = NumberFile::read(&dir.join("rows/parameters.npz")).unwrap();
    let weights = file.list("weights").unwrap();
    assert!((weights[0] - 67.0 / 200.0).abs() < 1e-3, "{weights:?}");
}

#[test]
fn what_a_mixture_does_not_use_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    for (train, expected) in [
        (
            "method = \"score_matching\"",
            "expected one of pcd, cd, mle",
        ),
        ("method = \"mle\"\nlearning_rate = 0.1", "which is EM"),
        (
            "method = \"mle\"\nbatch = 10",
            "no such key beside method = \"mle\"",
        ),
        ("method = \"pcd\"\nhidden = 2", "`train.hidden` = 2"),
        (
            "method = \"pcd\"\nrestart = 0.1",
            "no such key beside energy.kind = \"mixture\"",
        ),
        (
            "method = \"pcd\"\ntemperature = \"measured\"",
            "train.temperature",
        ),
        (
            "method = \"pcd\"\nfirst = { updates = 5, decay = 0.1 }",
            "begins with EM",
        ),
        (
            "method = \"pcd\"\nthrough = \"mala\"",
            "expected one of ideal, die",
        ),
        ("method = \"pcd\"\nlimit = 0", "train.limit"),
    ] {
        let words = refused(dir, &moons(train));
        assert!(words.contains(expected), "{train}: {words}");
    }
    let with = |from: &str, to: &str| refused(dir, &moons(EM).replace(from, to));
    assert!(with("components = 6", "components = 1").contains("energy.components"));
    assert!(
        with("components = 6", "components = 6\nweights = [1.0]").contains("no weights beside it")
    );
    assert!(with("components = 6", "components = 600").contains("`energy.components` = 600"));
    let scale = "die_seed = 3\nscale = \"fit\"";
    assert!(with("die_seed = 3", scale).contains("hardware.scale"));
    assert!(with("components = 6", "parameters = \"em\"").contains("energy.parameters"));
    assert!(with("limits.branches = 6", "limits.branches = 5").contains("2 to 5 components"));
    let anneal = "[plan]\nanneal = { over = \"5 tau\" }";
    assert!(with("[plan]", anneal).contains("plan.anneal"));
    let idle =
        "version = 1\n[energy]\nkind = \"mixture\"\ncomponents = 3\n[hardware]\nmodel = \"pmog\"\n";
    assert!(refused(dir, idle).contains("a section [train]"));
    let wide = format!(
        "{}[energy]\nkind = \"mixture\"\nweights = [1, 1]\nmeans = [[0], [1]]\ncovariances = [[[1]], [[1]]]\n[train]\n{EM}\n[hardware]\nmodel = \"pmog\"\n",
        rows(dir)
    );
    assert!(refused(dir, &wide).contains("one per variable"));
    let labels = wide.replace("labels = \"none\"\n", "");
    assert!(refused(dir, &labels).contains("no label nodes"));
}

/// Trainings that were cut off in their middle, of EM and through a die, end at the same parameters.
#[test]
fn trainings_of_mixtures_are_resumed() {
    for (train, updates) in [(EM, "= 3000"), (CHIP, "= 800")] {
        let scratch = tempfile::tempdir().unwrap();
        let train = train.replace("updates = 100", &format!("updates {updates}"));
        let train = train.replace("updates = 120", &format!("updates {updates}"));
        let train = format!("{train}\ncheckpoint_every = 10");
        is_resumed(scratch.path(), &moons(&train));
    }
}
