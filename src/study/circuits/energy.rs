//! Heat and work of a netlist: powers of all elements against exact heat currents, work against free energies.

use super::{plan, sampler};
use crate::circuit::spice::Deck;
use crate::circuit::{Balance, Plan, Role, SmallSignal, balance, balance_steps};
use crate::diagnostics::jarzynski;
use crate::error::Result;
use crate::experiment::CircuitExperiment;
use crate::record::{Chart, Established, Metric, RunRecord, Series, Verdict};
use crate::study::Session;
use crate::units::BOLTZMANN;
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

/// Exact heat flows by element, where there are any.
fn exact_heat(deck: &Deck) -> BTreeMap<String, f64> {
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

/// Measures the energies at every point by every scheme.
pub(super) fn run(
    experiment: &CircuitExperiment,
    session: &Session,
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
            let started = Instant::now();
            let deck = experiment.deck(&point)?;
            let x = point.first().map_or(0.0, |p| p.1);
            let plan = Plan {
                scheme: scheme.clone().or(deck.scheme.clone()),
                ..plan(experiment, &deck)?
            };
            session
                .watch
                .begin("energy", balance_steps(&deck.circuit, &plan)?);
            let run = balance(
                &deck.circuit,
                &plan,
                session.control(&|n| session.watch.advance(n)),
            );
            session.watch.end();
            let run = run?;
            let label = |words: &str| match schemes.len() {
                1 => words.to_owned(),
                _ => format!("{words}, {}", run.scheme),
            };
            let name = match &swept {
                Some(parameter) if x == 0.0 || (1e-3..1e6).contains(&x.abs()) => {
                    label(&format!("{parameter} = {x}"))
                }
                Some(parameter) => label(&format!("{parameter} = {x:e}")),
                None => label("netlist"),
            };
            let seconds = run.span.1 - run.span.0;
            let mut found = sampler(&name, 0.0, seconds);
            let words = format!("{}, step {:e} s", run.scheme, run.step);
            found.facts.insert("scheme".to_owned(), words);
            let exact = exact_heat(&deck);
            for (k, item) in run.items.iter().enumerate() {
                let (power, se) = run.power(k);
                let (words, sign) = match item.role {
                    Role::Bath(_) => (format!("heat into {}", item.name), 1.0),
                    _ => (format!("power of {}", item.name), -1.0),
                };
                let metric = Metric {
                    value: sign * power,
                    se: Some(se),
                };
                found.metrics.insert(format!("{words} (W)"), metric);
                heat.add(&label(&words), x, sign * power, Some(se));
                if let Some(&exact) = exact.get(&item.name) {
                    heat.add(&format!("{words}, exact"), x, exact, None);
                    heats.see(power, se, exact);
                }
            }
            let entropy: Vec<f64> = (0..run.chains)
                .map(|c| run.entropy(c) / seconds / BOLTZMANN)
                .collect();
            let metric = mean(&entropy);
            found
                .metrics
                .insert("entropy into baths (k/s)".to_owned(), metric);
            open = open.max(open_share(&run));
            match &run.driving {
                Ok(driving) if !steady(&deck) => {
                    let kt = BOLTZMANN * driving.kelvins;
                    let w: Vec<f64> = driving.work.iter().map(|w| w / kt).collect();
                    let (average, free) = (mean(&w), jarzynski(&w));
                    work.add(&label("mean work"), x, average.value, average.se);
                    work.add(&label("Jarzynski"), x, free.value, Some(free.se));
                    let free_metric = Metric {
                        value: free.value,
                        se: Some(free.se),
                    };
                    found.metrics.insert("work (kT)".to_owned(), average);
                    let name = "free energy, Jarzynski (kT)".to_owned();
                    found.metrics.insert(name, free_metric);
                    if let Some(exact) = driving.free_energy {
                        work.add("free energy, exact", x, exact / kt, None);
                        works.see(free.value, free.se, exact / kt);
                    }
                }
                Ok(_) => {}
                Err(reason) => {
                    let words = format!("no equilibrium at fixed sources: {reason}");
                    found.facts.insert("work theorems".to_owned(), words);
                }
            }
            found.wall_seconds = started.elapsed().as_secs_f64();
            record.samplers.push(found);
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
    let Some(swept) = swept else { return Ok(()) };
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
                x: swept.clone(),
                y: y.to_owned(),
                log_y: false,
                series: lines.series,
            });
        }
    }
    Ok(())
}
