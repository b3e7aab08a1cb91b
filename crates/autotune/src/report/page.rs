//! The page around tables and figures.

use super::Report;
use super::format::{bytes, count, date, duration, milliseconds, thousands};
use super::layers;
use super::markup::escape;
use super::memory::Front;
use super::progress;
use super::roofline::{self, Ceilings};
use super::section::Section;
use super::verdict;
use std::fmt::Write;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// Two figures stand side by side on a page of 1200 pixels.
const FIGURE: (f64, f64) = (560.0, 360.0);
const SCATTER: (f64, f64) = (460.0, 400.0);
/// What the page may load: nothing. Its own style and script stand within.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

/// The page.
pub fn page(report: &Report) -> String {
    let subject = escape(&report.subject);
    let mut text = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <link rel=\"icon\" href=\"data:,\"/>\n<title>Tuning report: {subject}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n"
    );
    let trials: usize = report.sections.iter().map(|section| section.trials).sum();
    let settings = count(report.sections.len(), "setting");
    let _ = write!(
        text,
        "<header>\n<h1>Tuning report</h1>\n<p class=\"note\">{subject} · {} in {settings}</p>\n</header>\n<main>\n",
        count(trials, "trial")
    );
    for (k, section) in report.sections.iter().enumerate() {
        let open = if k == 0 { " open=\"open\"" } else { "" };
        let _ = write!(text, "<details class=\"setting\"{open}>\n{}</details>\n", self::section(section, k));
    }
    if !report.peers.is_empty() {
        text.push_str(
            "<h2 id=\"peers\">Networks against other engines</h2>\n<p class=\"note\">Medians at batch 1. Ratio: the better \
             peer’s time by that of cnnc; above 1, cnnc is faster. Bars show the range of the rounds on a logarithmic \
             scale.</p>\n",
        );
        report.peers.iter().for_each(|peers| text += &peers.markup());
    }
    let version = env!("CARGO_PKG_VERSION");
    let _ = write!(text, "</main>\n<footer>Made by cnnc {version}.</footer>\n<script>\n{SCRIPT}</script>\n");
    text + "</body>\n</html>\n"
}

/// One setting.
fn section(section: &Section, index: usize) -> String {
    let setting = &section.setting;
    let machine: Vec<&str> = setting.machine.split("; ").collect();
    let processor = machine.first().copied().unwrap_or_default();
    let mut text = format!(
        "<summary><h2>{} · {} · {}</h2> <span class=\"quiet\">{} · revision {} · {} UTC</span></summary>\n",
        escape(&setting.isa),
        count(setting.threads, "thread"),
        escape(&setting.backend),
        escape(processor),
        escape(&setting.revision),
        date(section.span.1)
    );
    text += &tiles(section);
    text += &facts(section, &machine);
    text += &verdict::table(&section.verdicts);
    text += "<div class=\"pair\">\n";
    if let Some(svg) = progress::figure(&section.progress, FIGURE) {
        let note = "Layers not measured yet count as untuned: with the time of the candidate that the cost model puts \
                    first, of those timed. Dashed lines: a new session.";
        text += &figure("Progress", &format!("{} {note}", weights(section)), &svg);
    }
    let prefix = format!("s{index}l");
    if let Some(svg) = roofline::figure(section, &prefix, FIGURE) {
        let ceilings = match Ceilings::of(section) {
            Some(_) => "Ceilings as <code>cnnc machine</code> measured them.",
            None => {
                "The machine’s ceilings are not known here: run <code>cnnc machine --json</code> there, and give the \
                 file with <code>--machine-file</code>."
            }
        };
        let note = "Work by the layer’s definition over operands and result, each moved once; algorithms that multiply \
                    less (Winograd, FFT, Strassen) may stand above the roof. Area: share of the time.";
        text += &figure("Roofline", &format!("{note} {ceilings}"), &svg);
    }
    if let Some(front) = Front::of(section) {
        let note = "From the winners on, always the trade of one layer’s candidate that loses least time for the bytes \
                    it saves; both are sums over the layers. Layers of a network share their workspace, so that it needs \
                    less than the sum.";
        text += &figure("Time against memory", &format!("{} {note}", weights(section)), &front.figure(FIGURE));
        text += &format!("<div class=\"panel\"><h3>What memory costs</h3>\n{}</div>\n", front.table());
    }
    text += "</div>\n<h3>Layers</h3>\n";
    text += &layers::table(section, &prefix);
    text += "<h3>Candidates</h3>\n<p class=\"note\">Times with weights in memory; a candidate that was measured in turn \
             with another one counts by the ratio of both. Ring: the winner. Dashed: candidates that none beats in both time and error. What computed wrong \
             numbers is not shown.</p>\n";
    text + &layers::details(section, &prefix, SCATTER)
}

/// What a sum over layers counts.
fn weights(section: &Section) -> &'static str {
    if section.counted { "Layers count as often as the list says." } else { "Each distinct layer counts once." }
}

fn figure(title: &str, caption: &str, svg: &str) -> String {
    format!("<figure>\n<h3>{title}</h3>\n{svg}<figcaption>{caption}</figcaption>\n</figure>\n")
}

/// The main figures of a setting.
fn tiles(section: &Section) -> String {
    let (best, untuned) = (section.seconds(), section.untuned());
    let mut tiles = vec![(format!("{} ms", milliseconds(best)), "sum of the layers’ best".to_string())];
    if best > 0.0 {
        tiles.push((format!("{:.2} ×", untuned / best), format!("faster than untuned ({} ms)", milliseconds(untuned))));
    }
    tiles.push((thousands(section.layers.len()), "layers".into()));
    tiles.push((thousands(section.trials), "trials".into()));
    if let Some((spent, _)) = section.progress.points.last() {
        tiles.push((duration(*spent), format!("of tuning in {}", count(section.sessions, "session"))));
    }
    let bytes_of = |tried: &super::Tried, count: usize| tried.bytes() * count as f64;
    let memory = section.layers.iter().filter_map(|layer| Some(bytes_of(layer.winner()?, layer.count)));
    tiles.push((bytes(memory.sum()), "workspace and packed weights".into()));
    let tiles: Vec<String> = tiles
        .iter()
        .map(|(number, name)| format!("<li><b>{}</b><span>{}</span></li>", escape(number), escape(name)))
        .collect();
    format!("<ul class=\"tiles\">{}</ul>\n", tiles.join("\n"))
}

/// Setting, machine and outcomes in words.
fn facts(section: &Section, machine: &[&str]) -> String {
    let mut facts: Vec<(&str, String)> = vec![];
    let outcomes: Vec<String> =
        section.outcomes.iter().map(|(name, count)| format!("{} {name}", thousands(*count))).collect();
    facts.push(("trials", escape(&outcomes.join(", "))));
    let (first, last) = section.span;
    facts.push(("from", format!("{} to {} UTC", date(first), date(last))));
    // Of a fingerprint, people read processor, caches and number; the rest tells machines apart.
    facts.push(("machine", escape(&machine.iter().take(3).copied().collect::<Vec<_>>().join("; "))));
    if let Some(features) = machine.get(3..).filter(|rest| !rest.is_empty()) {
        let features: Vec<String> = features.iter().flat_map(|part| part.split(' ')).map(escape).collect();
        let (all, text) = (features.len(), features.join(" "));
        facts.push(("features", format!("<details><summary>{all}</summary>{text}</details>")));
    }
    let mut left = vec![];
    if section.left_out > 0 {
        left.push(format!("{} of layers that the list does not have", count(section.left_out, "trial")));
    }
    if section.missing > 0 {
        left.push(format!("{} of the list without a trial", count(section.missing, "layer")));
    }
    if !left.is_empty() {
        facts.push(("not shown", left.join("; ")));
    }
    let rows: Vec<String> = facts.iter().map(|(name, text)| format!("<dt>{name}</dt><dd>{text}</dd>")).collect();
    format!("<dl>{}</dl>\n", rows.join("\n"))
}
