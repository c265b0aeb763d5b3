//! The experiment file: TOML, version 1; every key has a default unless it is required.
//!
//! [`Experiment`] is everything that decides a run. Unknown keys are errors that name the nearest known one; keys of parts
//! that this version does not have are errors that say so.

mod circuit;
mod clamp;
mod density;
mod digital;
mod energy;
mod factors;
mod mixture;
mod model;
mod moons;
mod operation;
mod reader;
mod reference_set;
mod restricted;
mod schema;
mod sweep;
mod training;

pub use circuit::{CircuitExperiment, CircuitPlan, Measure};
pub use clamp::Clamped;
pub use density::{DensityExperiment, NoiseKey};
pub use digital::{DIGITAL, Digital};
pub use energy::{Energy, EnergyKind, FactorEntry, Matrix, OnGraph, Pairs};
pub use mixture::MixtureEntry;
pub use model::{build_model, coupled_pairs, read_graph};
pub use moons::{MoonsData, MoonsOnNodes};
pub use operation::{Anneal, Calibrate, Compare, METRICS};
pub use reference_set::{ReferenceEnergy, StatedMoments, energies_of, shipped_energies};
pub use restricted::TrainRbm;
pub use schema::{Any, Experiment, Hardware, Initial, MomentEntry, Plan, ScaleKey};
pub use sweep::{Axis, SweepExperiment};
pub use training::{Conditional, CrossCheck, Data, EXACT, FileData, First, Limit, MEASURED, Train};

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const SHORT: &str =
        "version = 1\nenergy.kind = \"four_wells\"\nhardware.model = \"soft_spin_cmos\"\n";

    fn message(text: &str) -> String {
        Experiment::parse(text, Path::new("e.toml"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn defaults_are_filled_in_the_echo() {
        let echo = Experiment::parse(SHORT, Path::new("e.toml")).unwrap();
        let echo = serde_json::to_value(echo).unwrap();
        for (pointer, value) in [
            ("/seed", serde_json::json!(0)),
            ("/energy/kind", "four_wells".into()),
            ("/energy/copies", 1.into()),
            ("/hardware/scale", 1.0.into()),
            ("/plan/chains", 256.into()),
            ("/plan/burn_in", "50 tau".into()),
            ("/plan/duration", "500 tau".into()),
            ("/plan/scheme", "euler-maruyama".into()),
            ("/plan/step", "auto".into()),
            ("/plan/bias_tolerance", 0.01.into()),
            ("/plan/initial", "random".into()),
        ] {
            assert_eq!(echo.pointer(pointer), Some(&value), "{pointer}");
        }
    }

    #[test]
    fn a_message_is_one_line_whatever_the_value() {
        let text = format!("{SHORT}[plan]\nscheme = \"\"\"a\nb\"\"\"\nchains = 3\n");
        let words = message(&text);
        assert_eq!(words.lines().count(), 1, "{words}");
        assert!(words.starts_with("e.toml: `plan.scheme` = "), "{words}");
    }

    #[test]
    fn a_burn_in_may_be_zero_and_a_duration_may_not() {
        for zero in ["0 tau", "0 s"] {
            let text = format!("{SHORT}[plan]\nburn_in = \"{zero}\"\n");
            let experiment = Experiment::parse(&text, Path::new("e.toml")).unwrap();
            assert_eq!(experiment.seconds(&experiment.plan.burn_in, 1e-7), 0.0);
            assert!(message(&text.replace("burn_in", "duration")).contains("positive device time"));
        }
    }

    #[test]
    fn nothing_is_clipped_in_silence() {
        let train = "[data]\nfile = \"d.csv\"\ncolumns = { pixels = [0, 4], label = 4 }\n[train]\n";
        let text = |line: &str| {
            let energy = SHORT.replace("four_wells", "soft_spin");
            message(&format!("{energy}{train}{line}\n"))
        };
        assert!(
            text("decay = 2")
                .ends_with("`train.decay` = 2: expected a number above 0 and at most 1")
        );
        assert!(text("weight_decay = -1").ends_with("expected a number of at least 0"));
        let words = text("cross_check = { repeats = 40 }");
        assert!(
            words
                .ends_with("`train.cross_check.repeats` = 40: expected a whole number from 2 to 8"),
            "{words}"
        );
    }
}
