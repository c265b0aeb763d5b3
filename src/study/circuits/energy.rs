//! Heat and work of a netlist: powers of all elements against exact heat currents, work against free energies.

use super::{plan, sampler, scheme_words};
use crate::circuit::spice::Deck;
use crate::circuit::{Balance, Plan, Role, SmallSignal, balance, balance_steps};
use crate::diagnostics::jarzynski;
use crate::dynamics::DENSE_ROWS;
use crate::error::Result;
use crate::experiment::CircuitExperiment;
use crate::record::{
    Chart, Established, Metric, RunRecord, SamplerRecord, Series, Stages, Verdict,
};
use crate::study::Session;
use crate::units::BOLTZMANN;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Instant;

/// Standard errors beyond which a measured energy contradicts the exact one.
const LIMIT: f64 = 4.5;

/// Series under construction, by label, in the order of their first point.
#[derive(Default)]
struct Lines {
    series: Vec<Series>,
}

impl Lines {
    fn add(&mut self, label: &str, x: f64, y: f64, se: Option<f64>) {
        let index = self.series.iter().position(|s| s.label == label);
        let index = index.unwrap_or_else(|| {
            self.series.push(Series {
                label: label.to_owned(),
                x: Vec::new(),
                y: Vec::new(),
                se: se.map(|_| Vec::new()),
            });
            self.series.len() - 1
        });
        let series = &mut self.series[index];
        series.x.push(x);
        series.y.push(y);
        if let (Some(all), Some(se)) = (&mut series.se, se) {
            all.push(se);
        }
    }
}

/// The largest deviation from an exact value so far, in standard errors, and how many there were.
#[derive(Default)]
struct Worst(f64, usize);

impl Worst {
    fn see(&mut self, value: f64, se: f64, exact: f64) {
        let z = ((value - exact) / se).abs();
        self.0 = if z.is_nan() {
            f64::INFINITY
        } else {
            self.0.max(z)
        };
        self.1 += 1;
    }

    fn verdict(&self, claim: &str) -> Option<Verdict> {
        (self.1 > 0).then(|| Verdict {
            claim: claim.to_owned(),
            established: Established::Decided(self.0 < LIMIT),
            evidence: format!(
                "largest deviation {:.1} standard errors of {}",
                self.0, self.1
            ),
            more_device_seconds_needed: None,
        })
    }
}

fn steady(deck: &Deck) -> bool {
    let unit = deck.circuit.assemble(1.0, 1.0);
    unit.is_ok_and(|a| a.process().waves.iter().all(|w| w.is_constant()))
}

/// Exact heat flows by element, where there are any (and the circuit is small enough for full matrices).
fn exact_heat(deck: &Deck) -> BTreeMap<String, f64> {
    if deck.circuit.nodes() > DENSE_ROWS {
        return BTreeMap::new();
    }
    let small = SmallSignal::new(&deck.circuit)
        .ok()
        .filter(|_| steady(deck));
    let heat = small.and_then(|s| s.heat().ok());
    heat.unwrap_or_default().into_iter().collect()
}

fn mean(values: &[f64]) -> Metric {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    Metric {
        value: mean,
        se: (n > 1.0).then(|| (square / (n - 1.0) / n).sqrt()),
    }
}

/// Largest rms defect of the first law so far, as a share of the energies exchanged.
fn open_share(run: &Balance) -> f64 {
    let chains = 0..run.chains;
    let square = |f: &dyn Fn(usize) -> f64| chains.clone().map(|c| f(c).powi(2)).sum::<f64>();
    let exchanged =
        square(&|c| run.heat(c)) + square(&|c| run.work(c)) + square(&|c| run.stored[c]);
    (square(&|c| run.defect(c)) / exchanged).sqrt()
}

/// The power of one element: into its bath, or delivered.
#[derive(Serialize, Deserialize)]
struct Power {
    words: String,
    measured: Metric,
    exact: Option<f64>,
}

/// Work on the sources' terms, in kT.
#[derive(Serialize, Deserialize)]
struct Work {
    mean: Metric,
    jarzynski: Metric,
    exact: Option<f64>,
}

/// What one netlist gave by one scheme.
#[derive(Serialize, Deserialize)]
struct Measured {
    scheme: String,
    powers: Vec<Power>,
    work: Option<Work>,
    open: f64,
    sampler: SamplerRecord,
}

fn measure(deck: &Deck, plan: &Plan, session: &Session) -> Result<Measured> {
    let started = Instant::now();
    session
        .watch
        .begin("energy", balance_steps(&deck.circuit, plan)?);
    let run = balance(
        &deck.circuit,
        plan,
        session.control(&|n| session.watch.advance(n)),
    );
    session.watch.end();
    let run = run?;
    let seconds = run.span.1 - run.span.0;
    let mut found = sampler("", 0.0, seconds);
    let words = scheme_words(&run.scheme, run.step, plan);
    found.facts.insert("scheme".to_owned(), words);
    let exact = exact_heat(deck);
    let powers = run.items.iter().enumerate().map(|(k, item)| {
        let (power, se) = run.power(k);
        let (words, sign) = match item.role {
            Role::Bath(_) => (format!("heat into {}", item.name), 1.0),
            _ => (format!("power of {}", item.name), -1.0),
        };
        Power {
            words,
            measured: Metric {
                value: sign * power,
                se: Some(se),
            },
            exact: exact.get(&item.name).copied(),
        }
    });
    let powers: Vec<Power> = powers.collect();
    for power in &powers {
        let name = format!("{} (W)", power.words);
        found.metrics.insert(name, power.measured);
    }
    let rates: Vec<f64> = (0..run.chains)
        .map(|c| run.entropy(c) / seconds / BOLTZMANN)
        .collect();
    let name = "entropy into baths (k/s)".to_owned();
    found.metrics.insert(name, mean(&rates));
    let work = match &run.driving {
        Ok(driving) if !steady(deck) => {
            let kt = BOLTZMANN * driving.kelvins;
            let w: Vec<f64> = driving.work.iter().map(|w| w / kt).collect();
            let free = jarzynski(&w);
            let work = Work {
                mean: mean(&w),
                jarzynski: Metric {
                    value: free.value,
                    se: Some(free.se),
                },
                exact: driving.free_energy.map(|f| f / kt),
            };
            found.metrics.insert("work (kT)".to_owned(), work.mean);
            let name = "free energy, Jarzynski (kT)".to_owned();
            found.metrics.insert(name, work.jarzynski);
            Some(work)
        }
        Ok(_) => None,
        Err(reason) => {
            let words = format!("no equilibrium at fixed sources: {reason}");
            found.facts.insert("work theorems".to_owned(), words);
            None
        }
    };
    found.wall_seconds = started.elapsed().as_secs_f64();
    Ok(Measured {
        open: open_share(&run),
        scheme: run.scheme,
        powers,
        work,
        sampler: found,
    })
}

/// Measures the energies at every point by every scheme.
pub(super) fn run(
    experiment: &CircuitExperiment,
    session: &Session,
    stages: &mut Stages<'_>,
    record: &mut RunRecord,
) -> Result<()> {
    let schemes: Vec<Option<String>> = match &experiment.schemes[..] {
        [] => vec![None],
        named => named.iter().cloned().map(Some).collect(),
    };
    let (mut heat, mut work) = (Lines::default(), Lines::default());
    let (mut heats, mut works) = (Worst::default(), Worst::default());
    let mut open = 0.0f64;
    let swept = experiment.sweep.as_ref().map(|s| s.0.clone());
    for scheme in &schemes {
        for point in experiment.points() {
            let deck = experiment.deck(&point)?;
            let x = point.first().map_or(0.0, |p| p.1);
            let plan = Plan {
                scheme: scheme.clone().or(deck.scheme.clone()),
                ..plan(experiment, &deck)?
            };
            let stage = format!("{} at {x}", plan.scheme.as_deref().unwrap_or("default"));
            let found = stages.once(&stage, || measure(&deck, &plan, session))?;
            let label = |words: &str| match schemes.len() {
                1 => words.to_owned(),
                _ => format!("{words}, {}", found.scheme),
            };
            for power in &found.powers {
                let Metric { value, se } = power.measured;
                heat.add(&label(&power.words), x, value, se);
                if let Some(exact) = power.exact {
                    heat.add(&format!("{}, exact", power.words), x, exact, None);
                    heats.see(value, se.unwrap_or(f64::NAN), exact);
                }
            }
            if let Some(Work {
                mean,
                jarzynski,
                exact,
            }) = found.work
            {
                work.add(&label("mean work"), x, mean.value, mean.se);
                work.add(&label("Jarzynski"), x, jarzynski.value, jarzynski.se);
                if let Some(exact) = exact {
                    work.add("free energy, exact", x, exact, None);
                    works.see(jarzynski.value, jarzynski.se.unwrap_or(f64::NAN), exact);
                }
            }
            open = open.max(found.open);
            let mut sampler = found.sampler;
            sampler.name = match &swept {
                Some(parameter) if x == 0.0 || (1e-3..1e6).contains(&x.abs()) => {
                    label(&format!("{parameter} = {x}"))
                }
                Some(parameter) => label(&format!("{parameter} = {x:e}")),
                None => label("netlist"),
            };
            record.samplers.push(sampler);
        }
    }
    record.verdicts.push(Verdict {
        claim: "the first law closes along every trajectory".to_owned(),
        established: Established::Decided(open < 0.01),
        evidence: format!("rms of dU - W + Q is {open:.1e} of the energies exchanged"),
        more_device_seconds_needed: None,
    });
    let claim = "heat flows as A P + P A^T = D predicts";
    record.verdicts.extend(heats.verdict(claim));
    let claim = "the work obeys Jarzynski's equality";
    record.verdicts.extend(works.verdict(claim));
    let Some(axis) = experiment.axis() else {
        return Ok(());
    };
    for (name, title, y, lines, caption) in [
        (
            "energy",
            "Heat and power",
            "power (W)",
            heat,
            "Means over the copies, with standard errors; lines: exact for linear circuits.",
        ),
        (
            "work",
            "Work and free energy",
            "energy (kT)",
            work,
            "Work is -sum of the integrals of q dV over the sources; the mean lies above the free energy by what is dissipated.",
        ),
    ] {
        if !lines.series.is_empty() {
            record.charts.push(Chart {
                name: name.to_owned(),
                title: title.to_owned(),
                caption: caption.to_owned(),
                x: axis.clone(),
                y: y.to_owned(),
                log_y: false,
                names: Vec::new(),
                series: lines.series,
            });
        }
    }
    Ok(())
}
