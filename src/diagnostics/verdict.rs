//! A diagnosis in plain words: what is established, what is contradicted, what is open, and how many draws would settle it.
//!
//! A claim is contradicted at p < 0.001 (after Bonferroni where several nodes or statistics share it) and open at p < 0.05: a sound trace
//! meets each false contradiction once in a thousand, and each "open" once in twenty. "Holds" means within the resolution that
//! the evidence states, no more.

use super::balance::Balance;
use super::diagnosis::Diagnosis;
use super::node::NodeDiagnosis;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

/// Where a claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Established within the resolution of the evidence.
    Holds,
    /// Contradicted.
    Fails,
    /// These draws do not decide it.
    Open,
}

impl Standing {
    /// Established, or not decided.
    fn unless_open(holds: bool) -> Self {
        match holds {
            true => Standing::Holds,
            false => Standing::Open,
        }
    }
}

/// One claim and what the draws say of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The claim, in words.
    pub claim: String,
    /// Where it stands.
    pub standing: Standing,
    /// The numbers behind it.
    pub evidence: String,
    /// Whether the sampler is unsound where this fails; else it is a property of the process, or of the run's length.
    pub soundness: bool,
    /// Draws that would settle an open claim, in multiples of those there are.
    pub times_more_draws: Option<f64>,
}

/// p-value below which a claim is contradicted.
pub const CONTRADICTED: f64 = 1e-3;
/// p-value below which it is open.
pub const OPEN: f64 = 0.05;
/// R-hat above which chains are not called mixed (Vehtari et al., arXiv 1903.08008).
pub const RHAT: f64 = 1.01;
/// Effective draws below which error bars are not relied on (ibid.).
pub const EFFECTIVE: f64 = 400.0;

fn standing(p: f64) -> Standing {
    if p < CONTRADICTED {
        Standing::Fails
    } else if p < OPEN {
        Standing::Open
    } else {
        Standing::Holds
    }
}

pub(super) fn findings(d: &Diagnosis) -> Vec<Finding> {
    let moving: Vec<&NodeDiagnosis> = d.nodes.iter().filter(|n| !n.constant).collect();
    let mut all = Vec::new();
    all.extend(motionless(d));
    if !moving.is_empty() {
        all.extend(mixed(d, &moving));
        all.extend(nested(&moving));
        all.extend(stationary(&moving));
        all.extend(enough(d, &moving));
        all.extend(timed(d, &moving));
    }
    all.extend(memoryless(d));
    all.extend(one_time(d));
    all.extend(balanced("nodes", d.balance.as_ref(), d));
    all.extend(balanced("states", d.transitions.as_ref(), d));
    all.extend(modes(d));
    all.extend(law(d));
    all.extend(reference(d));
    all.extend(stein(d));
    all
}

fn motionless(d: &Diagnosis) -> Option<Finding> {
    let still: Vec<&str> = d
        .nodes
        .iter()
        .filter(|n| n.constant)
        .map(|n| &*n.name)
        .collect();
    let (first, rest) = still.split_first()?;
    let others = match rest.len() {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    Some(Finding {
        claim: "every node moves".to_owned(),
        soundness: true,
        standing: Standing::Fails,
        evidence: format!("{first}{others} never changed: clamped, stuck or dead"),
        times_more_draws: None,
    })
}

fn mixed(d: &Diagnosis, moving: &[&NodeDiagnosis]) -> Option<Finding> {
    let worst = worst(moving, |n| n.rhat)?;
    let rhat = worst.rhat?;
    // Stationary chains of n draws and correlation time τ have R̂² − 1 of about (τ − 1)/n by chance.
    let half = (d.draws / 2) as f64;
    let tau = worst.time.map_or(1.0, |t| t.tau);
    let excess = rhat * rhat - 1.0;
    let by_chance = (tau - 1.0).max(0.0) / half;
    let wanted = RHAT * RHAT - 1.0;
    let (standing, more) = if rhat <= RHAT {
        (Standing::Holds, None)
    } else if excess <= 3.0 * by_chance && tau < half {
        (Standing::Open, Some(excess / wanted))
    } else {
        (Standing::Fails, None)
    };
    let mut evidence = format!(
        "largest R-hat {rhat:.4} ({}), {} of {} draws",
        worst.name,
        count(d.chains, "chain"),
        d.draws
    );
    match standing {
        Standing::Fails => evidence.push_str(": parts of the run disagree beyond their own memory"),
        Standing::Open => {
            evidence.push_str(": no more than the memory of so short chains explains")
        }
        Standing::Holds if d.chains == 1 => {
            evidence.push_str(" (halves of one chain: other starts were not tried)");
        }
        Standing::Holds => {}
    }
    Some(Finding {
        claim: format!("the chains have mixed (R-hat at most {RHAT})"),
        soundness: true,
        standing,
        evidence,
        times_more_draws: more,
    })
}

fn nested(moving: &[&NodeDiagnosis]) -> Option<Finding> {
    let worst = worst(moving, |n| n.nested_rhat)?;
    let rhat = worst.nested_rhat?;
    let holds = rhat <= RHAT;
    Some(Finding {
        claim: format!("the starts are forgotten (nested R-hat at most {RHAT})"),
        soundness: true,
        standing: Standing::unless_open(holds),
        evidence: format!(
            "largest nested R-hat {rhat:.4} ({}){}",
            worst.name,
            if holds {
                ""
            } else {
                ": memory of the start, or too few chains in a group"
            }
        ),
        times_more_draws: None,
    })
}

fn stationary(moving: &[&NodeDiagnosis]) -> Option<Finding> {
    let drifts: Vec<_> = moving
        .iter()
        .filter_map(|n| n.drift.map(|d| (n, d)))
        .collect();
    let (node, drift) = drifts
        .iter()
        .min_by(|a, b| a.1.p_value.total_cmp(&b.1.p_value))?;
    let tests = drifts.len() as f64;
    let p = (drift.p_value * tests).min(1.0);
    let standing = standing(p);
    let needed = Normal::standard().inverse_cdf(1.0 - 0.5 * CONTRADICTED / tests);
    Some(Finding {
        claim: "nothing drifts from the first third of the run to the last".to_owned(),
        soundness: true,
        standing,
        evidence: format!(
            "most significant change {} ± {} ({}), p = {} for {}; a change below {} would escape",
            short(drift.change),
            short(drift.se),
            node.name,
            chance(p),
            count(drifts.len(), "node"),
            short(5.0 * drift.se)
        ),
        times_more_draws: (standing == Standing::Open)
            .then(|| (needed * drift.se / drift.change).powi(2).max(1.0)),
    })
}

fn enough(d: &Diagnosis, moving: &[&NodeDiagnosis]) -> Option<Finding> {
    let least = |n: &NodeDiagnosis| Some(-n.ess_bulk?.min(n.ess_tail?));
    let worst = worst(moving, least)?;
    let size = -least(worst)?;
    let holds = size >= EFFECTIVE;
    let error = worst.mean.se.unwrap_or(f64::NAN) / worst.sd.value;
    Some(Finding {
        claim: format!("error bars can be relied on ({EFFECTIVE} effective draws)"),
        soundness: false,
        standing: Standing::unless_open(holds),
        evidence: format!(
            "fewest effective draws {size:.0} of {} ({}, bulk or tails); its mean is known to {} standard deviations",
            d.chains * d.draws,
            worst.name,
            short(error)
        ),
        times_more_draws: (!holds).then(|| EFFECTIVE / size.max(1.0)),
    })
}

fn timed(d: &Diagnosis, moving: &[&NodeDiagnosis]) -> Option<Finding> {
    let worst = worst(moving, |n| n.time.map(|t| t.tau))?;
    let time = worst.time?;
    Some(Finding {
        claim: "the correlation time is measured (chains of 50 of it)".to_owned(),
        soundness: false,
        standing: if time.valid {
            Standing::Holds
        } else {
            Standing::Open
        },
        evidence: format!(
            "longest {} ± {} draws ({}), in chains of {}{}",
            short(time.tau),
            short(time.se),
            worst.name,
            d.draws,
            if time.valid { "" } else { ": a lower bound" }
        ),
        times_more_draws: (!time.valid).then(|| (50.0 * time.tau / d.draws as f64).max(2.0)),
    })
}

fn memoryless(d: &Diagnosis) -> Option<Finding> {
    let all: Vec<_> = d
        .motions
        .iter()
        .flat_map(|m| {
            m.dwells
                .iter()
                .zip(["lower", "upper"])
                .map(move |(w, l)| (m.node, l, w))
        })
        .filter_map(|(node, level, w)| w.as_ref().map(|w| (node, level, w)))
        .collect();
    let judged: Vec<_> = all.iter().filter_map(|w| Some((w, w.2.p_value?))).collect();
    let Some((worst, p)) = judged.iter().min_by(|a, b| a.1.total_cmp(&b.1)) else {
        let most = all.iter().max_by_key(|w| w.2.complete)?;
        return Some(Finding {
            claim: "dwell times are memoryless (exponential)".to_owned(),
            soundness: false,
            standing: Standing::Open,
            evidence: format!("at most {} complete dwells on a level", most.2.complete),
            times_more_draws: Some(super::dwell::FEWEST as f64 / most.2.complete.max(1) as f64),
        });
    };
    let corrected = (p * judged.len() as f64).min(1.0);
    // The simulated null cannot give less than 1/replicates: there the least p-value speaks for itself.
    let standing = if *p < 3e-3 && corrected < OPEN {
        Standing::Fails
    } else {
        standing(corrected)
    };
    Some(Finding {
        claim: "dwell times are memoryless (exponential)".to_owned(),
        soundness: false,
        standing,
        evidence: format!(
            "least p = {} of {} levels ({}, {} level: mean dwell {} ± {} draws, {} complete)",
            chance(*p),
            judged.len(),
            d.nodes[worst.0].name,
            worst.1,
            short(worst.2.mean),
            short(worst.2.mean_se),
            worst.2.complete
        ),
        times_more_draws: (standing == Standing::Open).then_some(4.0),
    })
}

fn one_time(d: &Diagnosis) -> Option<Finding> {
    let fits: Vec<_> = d
        .motions
        .iter()
        .filter_map(|m| Some((m.node, m.lorentzian?)))
        .collect();
    let (node, fit) = fits
        .iter()
        .min_by(|a, b| a.1.p_value.total_cmp(&b.1.p_value))?;
    let p = (fit.p_value * fits.len() as f64).min(1.0);
    let standing = standing(p);
    Some(Finding {
        claim: "each node relaxes with one time (its spectrum is a Lorentzian)".to_owned(),
        soundness: false,
        standing,
        evidence: format!(
            "worst fit {}: relaxation time {} ± {}, p = {} for {}",
            d.nodes[*node].name,
            short(fit.time),
            short(fit.time * fit.log_time_se),
            chance(p),
            count(fits.len(), "node")
        ),
        times_more_draws: (standing == Standing::Open).then_some(4.0),
    })
}

fn balanced(what: &str, balance: Option<&Balance>, d: &Diagnosis) -> Option<Finding> {
    let balance = balance?;
    let top = balance.currents.first()?;
    let name = |k: usize| match (what, d.nodes.get(k)) {
        ("nodes", Some(node)) => node.name.clone(),
        ("nodes", None) => "its square".to_owned(),
        _ => format!("state {k}"),
    };
    let standing = standing(balance.p_value);
    Some(Finding {
        claim: format!("detailed balance: no currents between {what}"),
        soundness: false,
        standing,
        evidence: format!(
            "largest {} ± {} from {} to {} at lag {}, p = {} ({} reversed at random)",
            short(top.value),
            short(top.se),
            name(top.from),
            name(top.to),
            top.lag,
            chance(balance.p_value),
            if balance.whole_chains {
                format!("{} whole chains", balance.blocks)
            } else {
                format!(
                    "{} stretches of ten correlation times or more",
                    balance.blocks
                )
            }
        ),
        times_more_draws: (standing == Standing::Open)
            .then(|| (4.0 * top.se / top.value).powi(2).max(1.5)),
    })
}

fn modes(d: &Diagnosis) -> Option<Finding> {
    let least = d.modes.iter().min_by_key(|m| m.entries)?;
    let holds = d.modes.iter().all(|m| m.established);
    let weights: Vec<String> = d
        .modes
        .iter()
        .map(|m| {
            let error = if m.se.is_finite() {
                format!(" ± {}", short(m.se))
            } else {
                String::new()
            };
            format!("{:.4}{error}", m.weight)
        })
        .collect();
    Some(Finding {
        claim: "the weights of the modes are known".to_owned(),
        soundness: false,
        standing: Standing::unless_open(holds),
        evidence: format!(
            "{}; the rarest was entered {} times",
            weights.join(", "),
            least.entries
        ),
        times_more_draws: (!holds && least.entries > 0).then(|| 20.0 / least.entries as f64),
    })
}

fn law(d: &Diagnosis) -> Option<Finding> {
    let law = d.law.as_ref()?;
    let standing = standing(law.p_value);
    Some(Finding {
        claim: "the states have the probabilities that were given".to_owned(),
        soundness: true,
        standing,
        evidence: format!(
            "total variation {} where {:.0} independent draws give {}; KL {} nats where they give {}; p = {}",
            short(law.tv),
            law.effective,
            short(law.tv_floor),
            short(law.kl),
            short(law.kl_floor),
            chance(law.p_value)
        ),
        times_more_draws: (standing == Standing::Open).then_some(4.0),
    })
}

fn reference(d: &Diagnosis) -> Option<Finding> {
    let r = d.reference.as_ref()?;
    let mut tests = vec![r.mean_p_value];
    let mut evidence = format!(
        "means differ most in {}: {} ± {}, p = {}",
        d.nodes[r.worst_node].name,
        short(r.mean_difference),
        short(r.mean_difference_se),
        chance(r.mean_p_value)
    );
    let mut blocks = None;
    if let Some(mmd) = &r.mmd {
        tests.push(mmd.p_value);
        evidence.push_str(&format!("; MMD p = {}", chance(mmd.p_value)));
        blocks = Some((mmd.blocks, mmd.whole_chains));
    }
    if let Some(e) = &r.energy_distance {
        tests.push(e.p_value);
        evidence.push_str(&format!(
            "; energy distance {} (floor {}), p = {}",
            short(e.value),
            short(e.floor),
            chance(e.p_value)
        ));
    }
    if let Some(s) = &r.sliced_wasserstein {
        tests.push(s.p_value);
        evidence.push_str(&format!(
            "; sliced Wasserstein {} (floor {} ± {}), p = {}",
            short(s.value),
            short(s.floor),
            short(s.floor_sd),
            chance(s.p_value)
        ));
    }
    if let Some((blocks, whole)) = blocks {
        evidence.push_str(&format!(
            "; {blocks} {} exchanged",
            if whole {
                "sets of whole chains"
            } else {
                "blocks"
            }
        ));
    }
    let least = tests.iter().copied().fold(1.0, f64::min);
    let p = (least * tests.len() as f64).min(1.0);
    // Permutations cannot give less than 1/2000, a quarter of which would be wanted of four tests.
    let standing = if least < CONTRADICTED {
        Standing::Fails
    } else {
        standing(p)
    };
    Some(Finding {
        claim: "the draws and the reference have one law".to_owned(),
        soundness: true,
        standing,
        evidence,
        times_more_draws: (standing == Standing::Open).then_some(4.0),
    })
}

fn stein(d: &Diagnosis) -> Option<Finding> {
    let s = d.stein.as_ref()?;
    let standing = standing(s.p_value);
    Some(Finding {
        claim: "the draws have the law whose score was given".to_owned(),
        soundness: true,
        standing,
        evidence: format!(
            "kernel Stein discrepancy² {} (floor {}), p = {} by {} signed blocks",
            short(s.value),
            short(s.floor),
            chance(s.p_value),
            s.blocks
        ),
        times_more_draws: (standing == Standing::Open)
            .then(|| (4.0 * s.floor / s.value.max(f64::MIN_POSITIVE)).clamp(1.5, 100.0)),
    })
}

fn worst<'a>(
    nodes: &[&'a NodeDiagnosis],
    by: impl Fn(&NodeDiagnosis) -> Option<f64>,
) -> Option<&'a NodeDiagnosis> {
    let known = nodes.iter().filter_map(|n| Some((*n, by(n)?)));
    known.max_by(|a, b| a.1.total_cmp(&b.1)).map(|n| n.0)
}

/// "1 chain", "2 chains".
fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Three significant digits.
pub(super) fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let decimals = 2 - value.abs().log10().floor() as i32;
    if (-3..=6).contains(&decimals) {
        format!("{value:.*}", decimals.max(0) as usize)
    } else {
        format!("{value:.2e}")
    }
}

/// A probability, to what matters of it.
fn chance(p: f64) -> String {
    match p {
        p if p < 1e-4 => format!("{p:.0e}"),
        p if p < 0.01 => format!("{p:.4}"),
        p => format!("{p:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (1234.5, "1234"),
            (12.345, "12.3"),
            (0.001_234_5, "0.00123"),
            (1.5e-9, "1.50e-9"),
            (-2.5e7, "-2.50e7"),
        ] {
            assert_eq!(short(value), text);
        }
        assert_eq!(chance(0.0005), "0.0005");
        assert_eq!(chance(0.25), "0.25");
        assert_eq!(chance(3e-9), "3e-9");
    }
}
