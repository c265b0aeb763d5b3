//! `thermochip` on two moons held by a soft-spin chip, and on programmed couplings learned without a sampler: what is written,
//! what is refused, that an interrupted climb goes on to the same bits. Deterministic: every run is the same bits everywhere.

#[path = "common/command.rs"]
mod command;
#[path = "common/training.rs"]
mod training;

use nalgebra::DMatrix;
use std::fs;
use std::path::Path;
use thermochip::data::{NumberFile, TwoMoons};
use training::{held, is_resumed, refused, run};

/// Six hidden cells, few updates: a sketch of the moons.
fn chip(train: &str) -> String {
    let cells =
        |seen: &str, hidden: &str| format!("[{seen}, {seen}{}]", format!(", {hidden}").repeat(6));
    format!(
        "version = 1\nseed = 3\n[data]\nkind = \"two_moons\"\nnoise = 0.2\ncount = 300\n[energy]\nkind = \"soft_spin\"\nj2 = {}\nj4 = {}\n\
         [hardware]\nmodel = \"soft_spin_cmos\"\ndie_seed = 4\nonly = [\"dac\", \"coupling\", \"offset\"]\nscale = 3\n\
         [hardware.override]\nnonidealities.coupling_correlation = 1\n\
         [train]\nhidden = 6\nconnect = \"visible-hidden\"\nstart_spread = 3\nlearning_rate = 0.1\n{train}\n\
         [plan]\nchains = 40\ninitial = \"data\"\nburn_in = \"5 tau\"\nduration = \"20 tau\"\nsample_period = \"2 tau\"\n",
        cells("30", "4"),
        cells("0", "10"),
    )
}

#[test]
fn chips_are_held_against_the_moons_exactly() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let exact = run(
        "train",
        dir,
        &chip("method = \"mle\"\nupdates = 500\ndecay = 0.05"),
        "mle",
    );
    assert_eq!(exact["training"]["through"], "exact");
    let curve = exact["training"]["curve"].as_array().unwrap();
    let likelihood = |k: usize| curve[k]["log_likelihood"].as_f64().unwrap();
    assert!(likelihood(curve.len() - 1) > likelihood(0) + 1.0);
    // A node is 1.5 of the plane: densities of two nodes are ln 2.25 above those of the plane. The last update moved on.
    let own = held(&exact, "analog-ideal", "train");
    let last = likelihood(curve.len() - 1) - 2.25f64.ln();
    assert!((own - last).abs() < 0.01, "{own} {last}");
    // KL(p‖q) = ∫ p ln p − ⟨ln q⟩_p: the held-out rows tell the second term, within five of their standard errors.
    let moons = TwoMoons { noise: 0.2 };
    let step = 0.02;
    let cells = (-75..175)
        .flat_map(|i| (-75..100).map(move |j| [f64::from(i) * step, f64::from(j) * step]));
    let densities = cells.map(|point| moons.density(point)).filter(|p| *p > 0.0);
    let negentropy = densities.map(|p| p * p.ln()).sum::<f64>() * step * step;
    let error = exact["program"][0]["likelihood"]["test"]["se"]
        .as_f64()
        .unwrap();
    let kl = held(&exact, "analog-ideal", "data_kl");
    let by_rows = negentropy - held(&exact, "analog-ideal", "test");
    assert!((kl - by_rows).abs() < 5.0 * error, "{kl} {by_rows} {error}");

    let first = "method = \"pcd\"\nthrough = \"die\"\nfirst = { updates = 100 }\nupdates = 30\nbatch = 60\npositive = \"1 tau\"\nnegative = \"1 tau\"\nlimit = \"range\"\nbuffer = 120\ncross_check = { repeats = 2, updates = 3 }";
    let both = run("compare", dir, &chip(first), "pcd");
    let temperature = both["training"]["curve"][29]["temperature"]
        .as_f64()
        .unwrap();
    // It was measured (never exactly one), and is near what the die samples at.
    assert!(
        temperature != 1.0 && (temperature - 1.0).abs() < 0.2,
        "{temperature}"
    );
    let names: Vec<&str> = both["samplers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "analog-ideal",
            "analog-die-4",
            "floor (independent true draws)"
        ]
    );
    for sampler in both["samplers"].as_array().unwrap() {
        let distance = sampler["metrics"]["sliced_wasserstein"]["value"]
            .as_f64()
            .unwrap();
        assert!(distance > 0.0 && distance < 0.6, "{sampler}");
    }
    assert!(held(&both, "analog-die-4", "data_kl") > 0.0);
    let page = fs::read_to_string(dir.join("pcd/report.html")).unwrap();
    for figure in ["plane-analog-ideal", "plane-analog-die-4", "plane-moons"] {
        assert!(page.contains(&format!("id=\"{figure}\"")), "{figure}");
    }
}

/// Rows of three numbers, the third following the others.
fn numbers(dir: &Path) -> String {
    let rows: Vec<String> = (0..200)
        .map(|k| {
            let (a, b) = ((k * 7 % 17), (k * 5 % 13));
            format!("{a},{b},{}", (a + b) % 16)
        })
        .collect();
    fs::write(dir.join("rows.csv"), rows.join("\n")).unwrap();
    "version = 1\n[data]\nfile = \"rows.csv\"\ncolumns = { pixels = [0, 3] }\nlabels = \"none\"\nscale = [0, 16]\n".to_owned()
}

#[test]
fn couplings_are_learned_at_once() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let data = numbers(dir);
    let chip = "[hardware]\nmodel = \"soft_spin_cmos\"\nscale = 8\n[plan]\nchains = 20\nduration = \"20 tau\"\n";
    let soft = format!(
        "{data}[energy]\nkind = \"soft_spin\"\nj2 = 1\nj4 = 0\n[train]\nmethod = \"score_matching\"\n{chip}"
    );
    let found = run("run", dir, &soft, "scores");
    assert_eq!(found["training"]["through"], "exact");
    // All couplings are free: the matched Gaussian has the rows' own precision, P C = 1.
    let file = NumberFile::read(&dir.join("scores/parameters.npz")).unwrap();
    let (mut precision, j2) = (DMatrix::zeros(3, 3), file.list("j2").unwrap());
    for row in file.coupling_rows().unwrap() {
        let (a, b) = (row[0] as usize, row[1] as usize);
        precision[(a, b)] = -row[2];
        precision[(b, a)] = -row[2];
    }
    (0..3).for_each(|i| precision[(i, i)] = 2.0 * j2[i]);
    let text_of_rows = fs::read_to_string(dir.join("rows.csv")).unwrap();
    let values = text_of_rows
        .split([',', '\n'])
        .map(|v| v.parse::<f64>().unwrap() / 8.0 - 1.0);
    let x = DMatrix::from_iterator(3, 200, values);
    let mean = x.column_mean();
    let centred = DMatrix::from_fn(3, 200, |i, k| x[(i, k)] - mean[i]);
    let covariance = &centred * centred.transpose() / 200.0;
    assert!((&precision * &covariance - DMatrix::identity(3, 3)).amax() < 1e-8);
    assert!((&precision * &covariance * 1.01 - DMatrix::identity(3, 3)).amax() > 1e-3);
    let spins = data.replace("scale = [0, 16]", "scale = [0, 16]\nthreshold = 8");
    let pbits = "[hardware]\nmodel = \"pbit_cmos_subthreshold\"\n[plan]\nchains = 20\nduration = \"20 tau\"\n";
    let ising =
        |train: &str| format!("{spins}[energy]\nkind = \"ising\"\n[train]\n{train}\n{pbits}");
    let pseudo = run(
        "train",
        dir,
        &ising("method = \"pseudo_likelihood\""),
        "pseudo",
    );
    let mle = run(
        "train",
        dir,
        &ising("method = \"mle\"\nupdates = 800\nlearning_rate = 0.05\ndecay = 0.01"),
        "spins",
    );
    let (a, b) = (
        held(&pseudo, "analog-ideal", "train"),
        held(&mle, "analog-ideal", "train"),
    );
    // Nothing has a larger likelihood than the maximum, and pseudo-likelihood is near it on few spins.
    assert!(a < b + 1e-6 && a > b - 0.05, "{a} {b}");
    let exact = mle["training"]["curve"].as_array().unwrap().last().unwrap()["log_likelihood"]
        .as_f64()
        .unwrap();
    assert!((exact - b).abs() < 1e-3, "{exact} {b}");
}

#[test]
fn what_a_method_does_not_use_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    for (train, expected) in [
        (
            "method = \"mle\"\nbatch = 20",
            "`train.batch` = 20: expected no such key beside method = \"mle\"",
        ),
        (
            "method = \"nce\"",
            "pcd, cd, mle, score_matching or pseudo_likelihood",
        ),
        ("method = \"pseudo_likelihood\"", "no such key beside"),
        (
            "method = \"cd\"\nrestart = 0.1",
            "no such key beside method = \"cd\"",
        ),
        (
            "method = \"pcd\"\nfirst = { updates = 0 }",
            "train.first.updates",
        ),
        ("method = \"pcd\"\nrestart = 2", "between 0 and 1"),
        ("method = \"pcd\"\nbatch = 20\nbuffer = 10", "train.buffer"),
        ("method = \"cd\"\nbuffer = 1000", "whose chains are kept"),
        ("method = \"pcd\"\nlimit = \"far\"", "train.limit"),
        ("method = \"pcd\"\nlimit = 0", "train.limit"),
        (
            "method = \"pcd\"\ntemperature = \"warm\"",
            "train.temperature",
        ),
    ] {
        let words = refused(dir, &chip(train));
        assert!(words.contains(expected), "{train}: {words}");
    }
    let everything = chip("method = \"mle\"\nupdates = 5").replace("visible-hidden", "everything");
    assert!(refused(dir, &everything).contains("hidden cells that couple"));
    let width = chip("method = \"pcd\"").replace("count = 300", "count = 300\nwidth = 0");
    assert!(refused(dir, &width).contains("data.width"));
    let spins = "version = 1\n[data]\nkind = \"two_moons\"\n[energy]\nkind = \"ising\"\n[train]\n[hardware]\nmodel = \"pbit_cmos_subthreshold\"\n";
    assert!(refused(dir, spins).contains("points of the plane"));
    let idle = chip("method = \"pcd\"").replace("[train]", "[digital_x]");
    let idle = &idle[..idle.find("[digital_x]").unwrap()];
    assert!(refused(dir, idle).contains("a section [train]"));
    let many = format!(
        "{}[energy]\nkind = \"soft_spin\"\nj2 = 1\nj4 = 1\n[train]\nmethod = \"mle\"\n[hardware]\nmodel = \"soft_spin_cmos\"\n",
        numbers(dir)
    );
    assert!(refused(dir, &many).contains("cd or pcd for others"));
}

/// A climb that was cut off in its middle ends at the same parameters.
#[test]
fn a_climb_is_resumed() {
    let scratch = tempfile::tempdir().unwrap();
    let experiment = chip("method = \"mle\"\nupdates = 400\ncheckpoint_every = 10");
    is_resumed(scratch.path(), &experiment);
}
