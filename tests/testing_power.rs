//! What the property tests are worth: samplers with one thing wrong each, against every assertion.
//!
//! The fast tier asks that every right sampler passes and every mutation is caught by the assertions that claim it; the slow
//! tier (`THERMOCHIP_SLOW=1`) measures the whole table, which `thermochip::testing` publishes in its guide, and holds the guide to
//! it.

mod mutations;

use mutations::{Caught, DRAWS, MUTATIONS, SYSTEMS};
use thermochip::testing::Sequential;

/// Per assertion. The fast tier makes about thirty of right systems: 3e-5 in all.
const FALSE_ALARM: f64 = 1e-6;

/// Up to three rounds, each of four times the draws of the last.
fn budget(draws: usize, seed: u64) -> Sequential {
    Sequential::new(FALSE_ALARM, draws).rounds(3).seed(seed)
}

#[test]
fn right_samplers_pass_everything() {
    for system in SYSTEMS {
        for assertion in mutations::ASSERTIONS {
            if let Some(found) = system.judge(assertion, &budget(DRAWS, 1)) {
                found.unwrap_or_else(|e| panic!("{} fails {assertion}: {e}", system.name()));
            }
        }
    }
}

/// A mutation that nobody claims would be one that the toolkit cannot see.
#[test]
fn every_mutation_is_caught_by_those_who_claim_it() {
    for mutation in MUTATIONS {
        assert!(!mutation.claimed.is_empty(), "{}", mutation.name());
        for assertion in mutation.claimed {
            let found = mutation.system.judge(assertion, &budget(mutation.draws, 2));
            let found =
                found.unwrap_or_else(|| panic!("{assertion} cannot judge {}", mutation.name()));
            assert!(found.is_err(), "{assertion} misses: {}", mutation.name());
        }
    }
}

/// Of so many repetitions each.
const REPEATS: u64 = 20;

fn table() -> String {
    let header: Vec<&str> = mutations::ASSERTIONS.to_vec();
    let mut text = format!("| mutation | {} |\n", header.join(" | "));
    text += &format!("| --- |{}\n", " --- |".repeat(header.len()));
    let mut row = |name: &str, judge: &dyn Fn(&str, &Sequential) -> Option<Caught>| {
        let cell = |assertion: &str| {
            let mut caught = 0;
            for seed in 0..REPEATS {
                match judge(assertion, &budget(DRAWS, 100 + seed)) {
                    Some(found) => caught += u32::from(found.is_err()),
                    None => return "–".to_owned(),
                }
            }
            format!("{:.2}", f64::from(caught) / REPEATS as f64)
        };
        let cells: Vec<String> = header.iter().map(|a| cell(a)).collect();
        text += &format!("| {name} | {} |\n", cells.join(" | "));
    };
    for system in SYSTEMS {
        row(system.name(), &|a, t| system.judge(a, t));
    }
    for mutation in MUTATIONS {
        row(mutation.name(), &|a, t| mutation.system.judge(a, t));
    }
    text
}

/// Cells of a table in Markdown.
fn cells(text: &str) -> Vec<Vec<String>> {
    let rows = text
        .lines()
        .filter(|l| l.starts_with('|') && !l.starts_with("| ---"));
    let split = |line: &str| {
        line.trim_matches('|')
            .split('|')
            .map(|c| c.trim().to_owned())
            .collect()
    };
    rows.map(split).collect()
}

/// The guide's table is the measured one, to two of twenty repetitions in every cell (seeds are fixed; instruction sets may
/// differ in a last bit).
#[test]
fn the_published_table_is_the_measured_one() {
    if std::env::var_os("THERMOCHIP_SLOW").is_none() {
        eprintln!("skipped: set THERMOCHIP_SLOW=1 to run this tier");
        return;
    }
    let measured = table();
    println!("{measured}");
    let guide = include_str!("../src/testing/guide.md");
    let (_, power) = guide.split_once("# Power").unwrap();
    let (published, measured) = (cells(power), cells(&measured));
    assert_eq!(published.len(), measured.len(), "rows");
    for (old, new) in published.iter().zip(&measured) {
        assert_eq!(old.len(), new.len(), "{old:?}");
        for (old, new) in old.iter().zip(new) {
            match (old.parse::<f64>(), new.parse::<f64>()) {
                (Ok(a), Ok(b)) => assert!((a - b).abs() < 0.101, "{old} published, {new} measured"),
                _ => assert_eq!(old, new),
            }
        }
    }
}
