//! The layers: one table of all, then each with its candidates.

use super::candidates::{Measured, Tried};
use super::format::{bytes, count, error, milliseconds, significant};
use super::markup::{Table, code, escape};
use super::roofline::Ceilings;
use super::scatter;
use super::section::Section;
use std::fmt::Write;

/// Candidates in a layer's table.
const BEST: usize = 10;
/// Kinds of failures in a layer's list.
const FAILURES: usize = 8;

/// The table of all layers; names lead to the layers, whose ids begin with `prefix`.
pub fn table(section: &Section, prefix: &str) -> String {
    let peak = Ceilings::of(section).map(|ceilings| ceilings.peak);
    let mut headings = vec![
        "layer",
        "winner",
        ">time (ms)",
        ">share",
        ">vs. untuned",
        ">GFLOP/s",
        ">% of peak",
        ">error",
        ">memory",
        ">trials",
        ">failed",
    ];
    if section.counted {
        headings.insert(1, ">count");
    }
    let mut table = Table::new(&headings);
    let all = section.seconds();
    let dash = || "–".to_string();
    for (k, layer) in section.layers.iter().enumerate() {
        let name = format!("<a href=\"#{prefix}{k}\">{}</a>", code(&layer.workload.0));
        let mut cells = vec![name];
        if section.counted {
            cells.push(layer.count.to_string());
        }
        if let Some(winner) = layer.winner() {
            let rate = layer.rate();
            cells.extend([
                format!("{}{}", section.palette.look(winner.algorithm()).key(), code(&winner.candidate)),
                milliseconds(winner.seconds),
                format!("{:.1} %", layer.seconds() / all * 100.0),
                layer.untuned.map_or_else(dash, |untuned| format!("{:.2} ×", untuned / winner.seconds)),
                rate.map_or_else(dash, |rate| significant(rate, 3)),
                rate.zip(peak).map_or_else(dash, |(rate, peak)| format!("{:.0}", rate / peak * 100.0)),
                error(winner.error),
                bytes(winner.bytes()),
            ]);
        } else {
            cells.push("nothing timed to the end".into());
            cells.extend((0..7).map(|_| dash()));
        }
        cells.extend([layer.trials.to_string(), layer.failed().to_string()]);
        table.row("", &cells);
    }
    table.markup()
}

/// All layers, one after the other.
pub fn details(section: &Section, prefix: &str, size: (f64, f64)) -> String {
    let mut text = String::from("<div class=\"layers\">\n");
    for (k, layer) in section.layers.iter().enumerate() {
        let name = escape(&layer.workload.0);
        let _ = write!(
            text,
            "<article class=\"layer\" id=\"{prefix}{k}\" data-name=\"{name}\">\n<h4>{name}</h4>\n<p class=\"note\">{}</p>\n",
            escape(&summary(layer))
        );
        if layer.candidates.is_empty() {
            text.push_str("<p>No candidate has a time.</p>\n");
        } else {
            let _ = write!(
                text,
                "<div class=\"pair candidates\"><figure>\n{}</figure>\n<div>\n{}</div></div>\n",
                scatter::figure(layer, &section.palette, size),
                best(section, layer)
            );
        }
        text += &failures(layer);
        text.push_str("</article>\n");
    }
    text + "</div>\n"
}

fn summary(layer: &Measured) -> String {
    let mut parts = vec![count(layer.trials, "trial"), count(layer.candidates.len(), "candidate") + " with a time"];
    if let Some(work) = layer.work {
        let (flops, size) = (significant(work.flops * 1e-6, 3), bytes(work.bytes));
        parts.push(format!("{flops} MFLOP, {size} of operands and result"));
    }
    parts.join(" · ")
}

/// The best candidates.
fn best(section: &Section, layer: &Measured) -> String {
    let mut table = Table::new(&["candidate", ">time (ms)", ">vs. best", ">error", ">workspace", ">packed", "outcome"]);
    let winner = layer.winner();
    for tried in layer.candidates.iter().take(BEST) {
        let is_winner = winner.is_some_and(|winner| std::ptr::eq(winner, tried));
        table.row(if is_winner { "winner" } else { "" }, &cells(section, winner, tried));
    }
    table.markup()
}

fn cells(section: &Section, winner: Option<&Tried>, tried: &Tried) -> [String; 7] {
    let slower = |winner: &Tried| format!("{:+.1} %", (tried.seconds / winner.seconds - 1.0) * 100.0);
    [
        format!("{}{}", section.palette.look(tried.algorithm()).key(), code(&tried.candidate)),
        milliseconds(tried.seconds),
        winner.map_or("–".into(), slower),
        error(tried.error),
        bytes(tried.workspace as f64),
        bytes(tried.packed as f64),
        tried.outcome().into(),
    ]
}

/// What failed, and why.
fn failures(layer: &Measured) -> String {
    if layer.failures.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["failed", "reason", ">trials"]);
    for (label, reason, count) in layer.failures.iter().take(FAILURES) {
        table.row("", &[(*label).into(), escape(reason), count.to_string()]);
    }
    let more = layer.failures.len().saturating_sub(FAILURES);
    let rest =
        if more > 0 { format!("<p class=\"note\">and {}</p>\n", count(more, "other reason")) } else { String::new() };
    format!("<div class=\"failures\">{}{rest}</div>\n", table.markup())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{record, section};
    use super::*;
    use crate::Outcome;

    #[test]
    fn a_layer_shows_its_ten_best_and_its_failures() {
        let candidates: Vec<String> = (0..12).map(|k| format!("x(k={k})")).collect();
        let mut records: Vec<_> =
            candidates.iter().zip(1..).map(|(c, k)| record("a", c, Outcome::Timed, f64::from(k) * 1e-3)).collect();
        records.push(record("a", "x(k=99)", Outcome::NotCompiled("needs <2> rows".into()), 0.0));
        records.push(record("b", "x(k=0)", Outcome::TimedOut, 0.0));
        let section = section(&records);
        let text = details(&section, "s0l", (500.0, 400.0));
        assert!(text.contains("<code>x(k=9)</code>") && !text.contains("<code>x(k=10)</code>"), "{text}");
        assert!(text.contains("<td>not compiled</td><td>needs &lt;2&gt; rows</td><td class=\"n\">1</td>"), "{text}");
        assert!(text.contains("No candidate has a time") && text.contains("over the limit of time"));
        assert_eq!(text.matches("<tr class=\"winner\">").count(), 1);
        let table = table(&section, "s0l");
        assert!(table.contains("<a href=\"#s0l1\"><code>b</code></a>") && table.contains("100.0 %"), "{table}");
    }
}
