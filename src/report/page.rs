//! The self-contained page.

use super::accuracy::{floor_cells, level_cells, sentences};
use super::figures::Figure;
use super::many::{dice_cells, sweep_cells, yield_words};
use super::table::{
    alone, cells, comparison_cells, coupling_check, energy_cells, established, losses, with_error,
};
use crate::record::RunRecord;
use crate::units::format_si;
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(super) const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:1080px;padding:1rem;color:#1a1a1a;background:#fff}\
p,li,code{overflow-wrap:anywhere}h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #ddd}\
.scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.85rem;white-space:nowrap}\
td,th{padding:.25rem .6rem;border-bottom:1px solid #e5e5e5;text-align:left}th{background:#f5f5f5}\
.grid{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;flex:1 1 min(440px,100%);max-width:620px}figure svg{width:100%;height:auto}\
figcaption{font-size:.85rem;color:#444}pre{overflow-x:auto;background:#f7f7f7;padding:.7rem;font-size:.78rem}\
.yes{color:#00664b;font-weight:600}.NO{color:#b2182b;font-weight:600}.undecided{color:#8a5a00;font-weight:600}";

fn table(rows: &[Vec<String>]) -> Markup {
    html! {
        div.scroll { table {
            @for (k, row) in rows.iter().enumerate() {
                tr { @for cell in row { @if k == 0 { th { (cell) } } @else { td { (cell) } } } }
            }
        } }
    }
}

fn program(run: &RunRecord) -> Vec<Vec<String>> {
    let mut rows = vec![
        [
            "die",
            "scale a",
            "V_u",
            "tau",
            "rms dJ",
            "max dJ",
            "rms dh",
            "DAC step",
            "clipped",
            "own noise",
            "exact TV",
            "exact KL",
            "log-likelihood, test rows",
            "KL from the data's law",
            "energy?",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for p in run.program.iter().filter(|p| alone(run, &p.sampler)) {
        let optional = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), |v| format!("{v:.3e}"));
        rows.push(vec![
            p.sampler.clone(),
            format!("{}", p.scale),
            p.voltage_unit
                .map_or_else(|| "-".to_owned(), |v| format_si(v, "V")),
            format_si(p.tau_seconds, "s"),
            format!("{:.2e}", p.coupling_rms_error.abs()),
            format!("{:.2e}", p.coupling_max_error.abs()),
            format!("{:.2e}", p.field_rms_error.abs()),
            optional(p.dac_step),
            p.clipped.to_string(),
            optional(p.excess_noise_share),
            optional(p.exact_tv),
            optional(p.exact_kl),
            p.likelihood
                .and_then(|l| l.test)
                .map_or_else(|| "-".to_owned(), |m| with_error(&m)),
            optional(p.likelihood.and_then(|l| l.data_kl)),
            if p.no_energy_because.is_empty() {
                "yes".to_owned()
            } else {
                let rate = p.entropy_production.filter(|&rate| rate > 0.0);
                let rate = rate.map(|rate| format!("; entropy production {rate:.3e} k_B per tau"));
                let because = p.no_energy_because.join("; ");
                format!("no: {because}{}", rate.unwrap_or_default())
            },
        ]);
    }
    rows
}

/// The page of a run.
pub(super) fn page(run: &RunRecord, figures: &[Figure]) -> String {
    let title = run
        .experiment
        .get("title")
        .and_then(|t| t.as_str())
        .unwrap_or("A run");
    let energy = energy_cells(run);
    // A netlist is read as lines, not as one string of JSON.
    let mut settings = run.experiment.clone();
    let netlist = settings
        .as_object_mut()
        .filter(|top| top.contains_key("netlist"))
        .and_then(|top| top.remove("text"));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                p { (run.software) ", command " code { (run.command) } "." }
                @if let Some(sweep) = &run.sweep {
                    h2 { "The sweep" }
                    p { "Repetitions and dice are told by their median and its standard error; distributions are in run.json." }
                    (table(&sweep_cells(sweep)))
                }
                @if let Some(dice) = &run.dice {
                    h2 { "Over " (dice.dice) " dice" }
                    (table(&dice_cells(dice)))
                    @if let Some(all) = &dice.accepted { p { (yield_words(dice.dice, all)) } }
                }
                @if !run.samplers.is_empty() { h2 { "Samplers" } (table(&cells(run))) }
                @if !run.verdicts.is_empty() {
                    h2 { "What is established" }
                    ul { @for v in run.verdicts.iter().filter(|v| alone(run, &v.claim)) {
                        li {
                            span class=(established(v.established)) { (established(v.established)) } " — " (v.claim) ". " (v.evidence) "."
                            @if let Some(more) = v.more_device_seconds_needed { " About " (format_si(more, "s")) " more device time would settle it." }
                        }
                    } }
                }
                @if let Some(accuracy) = &run.accuracy {
                    h2 { "Accuracy against what it costs" }
                    ul { @for line in sentences(accuracy) { li { (line) } } }
                    (table(&floor_cells(accuracy)))
                    @let levels = level_cells(accuracy);
                    @if levels.len() > 1 { p { "What errors cost (figures below)." } (table(&levels)) }
                }
                @if !run.comparisons.is_empty() {
                    h2 { "Comparisons" }
                    p { "An error of 1 s.e. is what chance alone gives. The p-value is that of one law once the scheme's predicted bias is taken off." }
                    (table(&comparison_cells(run)))
                }
                @let losses = losses(run);
                @if !losses.is_empty() {
                    h2 { "What the imperfect die loses" }
                    ul { @for line in &losses { li { (line) } } }
                }
                @if energy.len() > 1 {
                    h2 { "Energy by category" }
                    p { "Joules of all chains together; a device time is that of each, side by side." }
                    (table(&energy))
                    @if let Some(s) = run.samplers.iter().find(|s| s.kind == "analog") {
                        ul { @for (category, source) in &s.energy_joules.provenance { li { (category) ": " (source) } } }
                    }
                }
                @if let Some(t) = &run.training {
                    h2 { "Training" }
                    p {
                        "Through " (t.through) ", " (format_si(t.wall_seconds, "s")) " of wall time"
                        @if let Some(d) = t.per_update.device_seconds { ", " (format_si(d, "s")) " of device time per update" }
                        @if let Some(j) = t.per_update.sample { ", " (format_si(j, "J")) " of sampling per update (writing: not stated)" }
                        "."
                    }
                    @if let Some(share) = t.saturated_readings {
                        p { (format!("Updates follow the device's own readings; {:.2} % of them saturated.", 100.0 * share)) }
                    }
                    @if let Some(check) = &t.coupling_check { p { (coupling_check(check)) "." } }
                }
                @if !run.program.is_empty() { h2 { "Requested against realised" } (table(&program(run))) }
                h2 { "Figures" }
                div.grid { @for f in figures { figure id=(f.name) { (PreEscaped(&f.svg)) figcaption { (f.caption) } } } }
                @if !run.warnings.is_empty() { h2 { "Warnings" } ul { @for w in &run.warnings { li { (w) } } } }
                @if let Some(text) = netlist.as_ref().and_then(|t| t.as_str()) {
                    h2 { "The netlist" }
                    pre { (text) }
                }
                h2 { "The experiment, with every default" }
                pre { (serde_json::to_string_pretty(&settings).unwrap_or_default()) }
                @if let Some(card) = &run.card {
                    h2 { "The card: " (card.name) }
                    p { "SHA-256 " code { (card.sha256) } }
                    pre { (card.toml) }
                }
            }
        }
    }
    .into_string()
}
