//! What training through an imperfect chip wins back, in exact log-likelihood, and the law of a chip's visible spins.

#[path = "common/command.rs"]
mod command;

use command::{json, text, thermochip};
use std::fs;
use std::path::Path;
use thermochip::data::{Columns, NumberFile, load, read_indices};
use thermochip::energy::{Couplings, Ising, Model, exact};
use thermochip::hardware::{Die, Scale, card::card, program};

/// Summed over hidden spins, the law of the ideal chip is the enumerated marginal; read in the other order of spins it is not.
#[test]
fn hidden_spins_are_summed_over() {
    let edges = [
        (0, 1, 0.7),
        (1, 2, -0.4),
        (0, 3, 0.9),
        (2, 4, 0.5),
        (3, 4, -0.3),
    ];
    let couplings = Couplings::new(5, edges.to_vec()).unwrap();
    let asked = Ising::new(vec![0.3, -0.5, 0.1, 0.2, -0.1], couplings).unwrap();
    let all = exact::probabilities(&asked).unwrap();
    let mut marginal = [0.0; 8];
    for (state, p) in all.iter().enumerate() {
        marginal[state & 7] += p;
    }
    let die = Die::fabricate(&card("pbit_cmos_subthreshold").unwrap(), None, None).unwrap();
    let chip = program(&die, &Model::Ising(asked), Scale::Fixed(1.0)).unwrap();
    let law = chip.visible_law(3).unwrap();
    let far = |q: &dyn Fn(usize) -> f64| -> f64 {
        (0..8)
            .map(|k| (marginal[k] - q(k)).abs())
            .fold(0.0, f64::max)
    };
    assert!(far(&|k| law[k]) < 1e-12);
    let reversed = |k: usize| law[(k & 1) << 2 | k & 2 | k >> 2];
    assert!(far(&reversed) > 1e-2);
    assert!(chip.visible_law(6).is_none());
}

/// The shipped experiment on one die at 6 bits: deployment loses likelihood, training through the die wins most of it back,
/// and what is told for the ideal chip is the enumerated likelihood of its own file of couplings.
#[test]
fn training_through_a_die_wins_likelihood_back() {
    let folder = tempfile::tempdir().unwrap();
    let shipped = fs::read_to_string("experiments/train_through.toml").unwrap();
    let short = shipped
        .replace("[4, 6, 8]", "[6]")
        .replace("to = 12", "to = 1")
        .replace(
            "\"optdigits",
            &format!("\"{}/experiments/optdigits", env!("CARGO_MANIFEST_DIR")),
        );
    assert!(short.len() > shipped.len());
    let file = folder.path().join("short.toml");
    fs::write(&file, short).unwrap();
    let out = folder.path().join("out");
    thermochip(&["compare", text(&file), "--out", text(&out), "--quiet"]);
    let told = |point: &str| {
        let run = json(&out.join("points").join(point).join("run.json"));
        let programs = run["program"].as_array().unwrap().clone();
        let die = programs.iter().find(|p| p["sampler"] != "analog-ideal");
        die.unwrap()["likelihood"]["test"]["value"]
            .as_f64()
            .unwrap()
    };
    let [ideal, deployed, through] = ["0000", "0001", "0002"].map(told);
    let lost = ideal - deployed;
    // Twelve dice of this card lose 0.10 nats on average at 6 bits, and the least that one won back is half.
    assert!(lost > 0.02, "{ideal} {deployed}");
    assert!(
        (through - deployed) / lost > 0.4,
        "{ideal} {deployed} {through}"
    );
    assert!(ideal > through, "{ideal} {through}");
    assert!((told_of_file(&out.join("points/0000")) - ideal).abs() < 1e-9);
}

/// The mean ln p of the held-out rows, by enumeration of the couplings that the run wrote.
fn told_of_file(point: &Path) -> f64 {
    let file = NumberFile::read(&point.join("parameters.npz")).unwrap();
    let fields = file.list("fields").unwrap();
    let pairs = file.rows("edges").unwrap();
    let list = pairs.iter().zip(file.list("couplings").unwrap());
    let list = list.map(|(pair, value)| (pair[0] as usize, pair[1] as usize, value));
    let couplings = Couplings::new(fields.len(), list.collect()).unwrap();
    let law = exact::probabilities(&Ising::new(fields, couplings).unwrap()).unwrap();
    let columns = Columns {
        pixels: 24..40,
        label: 0,
        classes: 0,
        scale: (0.0, 16.0),
        threshold: Some(8.0),
    };
    let test = read_indices(Path::new("experiments/optdigits_test_rows.txt")).unwrap();
    let data = load(
        Path::new("experiments/optdigits.csv.gz"),
        &columns,
        Some(test),
    )
    .unwrap();
    assert!(data.labels.is_empty() && data.truth.is_empty());
    let of = |row: &[f64]| {
        let up = (0..16).filter(|&i| row[i] > 0.0);
        law[up.map(|i| 1 << i).sum::<usize>()].ln()
    };
    let sum: f64 = data.test.iter().map(|&r| of(&data.rows[r])).sum();
    sum / data.test.len() as f64
}
