//! All candidates of a layer: time against error, by algorithm and size.

use super::candidates::{Measured, State, Tried};
use super::chart::{Axis, Chart};
use super::format::{bytes, error, milliseconds, thousands};
use super::markup::escape;
use super::palette::Palette;
use super::scale::Scale;
use crate::front::pareto;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Candidates that are drawn at most, the fastest of them.
const DRAWN: usize = 1_500;
/// Radius of a candidate that takes no memory, and of the one that takes most.
const SMALLEST: f64 = 2.8;
const LARGEST: f64 = 9.0;

/// What takes more than so many times as long as the winner stands at the upper edge: it shows that it lost, and leaves
/// room to tell the others apart.
const FAR: f64 = 4.0;

/// The figure, with the key to its marks.
pub fn figure(layer: &Measured, palette: &Palette, size: (f64, f64)) -> String {
    let drawn = &layer.candidates[..layer.candidates.len().min(DRAWN)];
    let most = drawn.iter().map(Tried::bytes).fold(0.0, f64::max);
    let edge = layer.winner().map_or(f64::INFINITY, |winner| winner.seconds * FAR);
    // Where a candidate stands: error and milliseconds. What has no error stands at the left end.
    let place = |tried: &Tried| (tried.error.unwrap_or(0.0), tried.seconds.min(edge) * 1e3);
    let x = Axis { scale: errors(drawn), title: "error, relative to the largest element" };
    let y = Axis { scale: Scale::logarithmic(drawn.iter().map(|t| place(t).1)), title: "time (ms)" };
    let label = format!("Time against error of the candidates of {}", layer.workload);
    let mut chart = Chart::new(&label, size, x, y);
    chart.steps("front", &front(drawn));
    // The large ones first, so that they hide nothing.
    let mut order: Vec<&Tried> = drawn.iter().collect();
    order.sort_by(|a, b| b.bytes().total_cmp(&a.bytes()).then(b.state.cmp(&a.state)));
    for tried in order {
        let look = palette.look(tried.algorithm());
        let class = match tried.state {
            State::StoppedEarly => format!("{} hollow", look.class()),
            _ => look.class(),
        };
        chart.mark(&class, place(tried), &look.path(radius(tried, most)), &lines(tried));
    }
    if let Some(winner) = layer.winner() {
        let r = radius(winner, most) + 4.0;
        let ring =
            format!("M{:.1} 0a{r:.1} {r:.1} 0 1 0 {d:.1} 0a{r:.1} {r:.1} 0 1 0 {:.1} 0z", -r, -2.0 * r, d = 2.0 * r);
        chart.mark("ring", place(winner), &ring, &[]);
        let near_end = chart.x_at(place(winner).0) > size.0 * 0.75;
        let (dx, anchor) = if near_end { (-r - 4.0, "end") } else { (r + 4.0, "start") };
        let text = format!("winner, {} ms", milliseconds(winner.seconds));
        chart.text("value", place(winner), (dx, r + 6.0), anchor, &text);
    }
    format!("{}{}", key(layer, drawn, palette, most), chart.finish())
}

fn errors(drawn: &[Tried]) -> Scale {
    let known: Vec<f64> = drawn.iter().filter_map(|tried| tried.error).filter(|error| *error > 0.0).collect();
    if known.is_empty() { Scale::logarithmic([1e-8, 1e-6]) } else { Scale::logarithmic(known) }
}

/// The area grows with the bytes.
fn radius(tried: &Tried, most: f64) -> f64 {
    let share = if most > 0.0 { tried.bytes() / most } else { 0.0 };
    (SMALLEST.powi(2) + share * (LARGEST.powi(2) - SMALLEST.powi(2))).sqrt()
}

/// What no candidate beats in both time and error, from the most exact one on.
fn front(drawn: &[Tried]) -> Vec<(f64, f64)> {
    let complete = drawn.iter().filter(|tried| tried.state != State::StoppedEarly);
    let points = complete.filter_map(|tried| Some((tried.error.filter(|error| *error > 0.0)?, tried.seconds * 1e3)));
    let points: Vec<(f64, f64)> = points.collect();
    pareto(&points).into_iter().map(|k| points[k]).collect()
}

fn lines(tried: &Tried) -> Vec<String> {
    vec![
        tried.candidate.clone(),
        format!("{} ms, error {}", milliseconds(tried.seconds), error(tried.error)),
        format!("workspace {}, packed {}", bytes(tried.workspace as f64), bytes(tried.packed as f64)),
        format!("{} to {}; {}", tried.input, tried.output, tried.outcome()),
    ]
}

/// What the marks mean.
fn key(layer: &Measured, drawn: &[Tried], palette: &Palette, most: f64) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for tried in drawn {
        *counts.entry(tried.algorithm()).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut key = String::from("<p class=\"legend\">");
    for (algorithm, count) in counts {
        let look = palette.look(algorithm);
        let _ = write!(key, "<span>{}{} <small>{count}</small></span> ", look.key(), escape(algorithm));
    }
    if drawn.iter().any(|tried| tried.state == State::StoppedEarly) {
        key.push_str("<span class=\"quiet\">hollow: stopped early</span> ");
    }
    let _ = write!(key, "<span class=\"quiet\">area: workspace and packed weights, up to {}</span>", bytes(most));
    let far = drawn.iter().filter(|tried| layer.winner().is_some_and(|w| tried.seconds > w.seconds * FAR)).count();
    if far > 0 {
        let _ = write!(key, " <span class=\"quiet\">upper edge: {far} that take over {FAR} × as long</span>");
    }
    let hidden = layer.candidates.len() - drawn.len();
    if hidden > 0 {
        let _ = write!(key, " <span class=\"quiet\">{} slower ones are not drawn</span>", thousands(hidden));
    }
    key + "</p>\n"
}

#[cfg(test)]
mod tests {
    use super::super::samples::{record, section, with_bytes};
    use super::*;
    use crate::Outcome;

    #[test]
    fn every_candidate_is_drawn_and_escaped() {
        let records = [
            record("a", "direct(mr=4)", Outcome::Timed, 3e-3),
            with_bytes(1 << 40, 7, record("a", "</svg><script>\"&'", Outcome::Timed, 2e-3)),
            record("a", "direct(mr=5)", Outcome::StoppedEarly, 9e-3),
        ];
        let section = section(&records);
        let svg = figure(&section.layers[0], &section.palette, (500.0, 400.0));
        assert_eq!(svg.matches("<title>").count(), 3);
        assert!(svg.contains("hollow\"") && svg.contains("winner, 2.000 ms"), "{svg}");
        assert!(!svg.contains("<script") && svg.contains("&lt;/svg&gt;&lt;script&gt;&quot;&amp;&#39;"), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
