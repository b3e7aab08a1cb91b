//! How the sum of the layers' best times fell while tuning went on.

use super::candidates::Measured;
use super::chart::{Axis, Chart};
use super::format::{milliseconds, significant, time_unit};
use super::scale::Scale;
use crate::Outcome;
use crate::database::Record;
use crate::paired::Paired;
use std::collections::{HashMap, HashSet};

/// No session lasts longer than that; a clock may jump.
const LONGEST: f64 = 1e8;

/// The sum of best times over the time spent.
///
/// A layer that has not been measured yet counts with what the candidate takes that the cost model puts first, measured
/// later: the curve begins at the untuned network and only falls. Sessions follow each other without the pauses between.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// Seconds of tuning, and seconds of all layers' best together from then on.
    pub points: Vec<(f64, f64)>,
    /// When each session but the first began, in seconds of tuning.
    pub begins: Vec<f64>,
}

impl Progress {
    /// Of the records of a setting in the order of the log.
    pub fn of(records: &[&Record], layers: &[Measured]) -> Progress {
        let mut best: HashMap<&str, (f64, f64)> = HashMap::new();
        let mut eligible: HashSet<[&str; 4]> = HashSet::new();
        for layer in layers {
            let name = layer.workload.0.as_str();
            best.extend(layer.untuned.map(|untuned| (name, (untuned, layer.count as f64))));
            eligible.extend(layer.complete().map(|t| [name, &t.input, &t.output, &t.candidate]));
        }
        let mut places: HashMap<[&str; 3], Paired> = HashMap::new();
        let mut progress = Progress::default();
        let mut sum: f64 = best.values().map(|(seconds, count)| seconds * count).sum();
        if best.is_empty() {
            return progress;
        }
        progress.points.push((0.0, sum));
        let (mut before, mut now, mut session) = (0.0, 0.0, None);
        for record in records {
            if session.is_some_and(|id| id != record.session.id.as_str()) {
                before = now;
                progress.begins.push(before);
            }
            session = Some(record.session.id.as_str());
            let spent = record.time - record.session.started;
            let spent = if spent.is_finite() { spent.clamp(0.0, LONGEST) } else { 0.0 };
            now = f64::max(now, before + spent);
            let trial = &record.trial;
            let key = [trial.workload.0.as_str(), &trial.input, &trial.output, &trial.candidate];
            let paired = places.entry([&trial.workload.0, &trial.input, &trial.output]).or_default();
            paired.note(trial);
            let seconds = paired.seconds(&trial.candidate);
            if let Some((least, count)) = best.get_mut(trial.workload.0.as_str())
                && matches!(trial.outcome, Outcome::Timed | Outcome::SameCode)
                && eligible.contains(&key)
                && seconds > 0.0
                && seconds < *least
            {
                sum -= (*least - seconds) * *count;
                *least = seconds;
                progress.points.push((now, sum));
            }
        }
        progress.points.push((now, sum));
        progress
    }
}

/// The figure.
pub fn figure(progress: &Progress, size: (f64, f64)) -> Option<String> {
    let (&(_, first), &(end, last)) = (progress.points.first()?, progress.points.last()?);
    let (unit, name) = time_unit(end);
    let points: Vec<(f64, f64)> = progress.points.iter().map(|(at, sum)| (at / unit, sum * 1e3)).collect();
    let x = Axis { scale: Scale::from_zero(points.iter().map(|p| p.0)), title: &format!("tuning time ({name})") };
    let y = Axis { scale: Scale::linear(points.iter().map(|p| p.1)), title: "sum of the layers’ best times (ms)" };
    let mut chart = Chart::new("Sum of the layers' best times over tuning time", size, x, y);
    let (bottom, top) = (chart.y_low(), chart.y_high());
    for begin in &progress.begins {
        chart.line("session", &[(begin / unit, bottom), (begin / unit, top)]);
    }
    chart.steps("line", &points);
    for (k, (at, sum)) in points.iter().enumerate() {
        if k + 1 == points.len() || k == 0 {
            continue;
        }
        let saved = (1.0 - sum / (first * 1e3)) * 100.0;
        let lines = [
            format!("{} ms after {} {name}", significant(*sum, 4), significant(*at, 3)),
            format!("{saved:.1} % below the start"),
        ];
        chart.mark("dot", (*at, *sum), "M-2.6 0a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0 -5.2 0z", &lines);
    }
    chart.text("value", (0.0, first * 1e3), (8.0, -7.0), "start", &format!("{} ms", milliseconds(first)));
    chart.text("value", (end / unit, last * 1e3), (0.0, 15.0), "end", &format!("{} ms", milliseconds(last)));
    Some(chart.finish())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{at, record, section};
    use super::*;
    use crate::{Outcome, Trial};

    #[test]
    fn the_sum_falls_from_the_untuned_network_to_the_winners() {
        let estimated = |estimate: f64, record: Record| Record { trial: Trial { estimate, ..record.trial }, ..record };
        let second = |record: Record| {
            let session = crate::database::SessionInfo { id: "t".into(), started: 2e9, ..record.session };
            Record { session, ..record }
        };
        let records = [
            estimated(1e-3, at(1.0, record("a", "x(k=1)", Outcome::Timed, 5e-3))),
            estimated(2e-3, at(2.0, record("a", "x(k=2)", Outcome::Timed, 4e-3))),
            estimated(3e-3, at(3.0, record("b", "x(k=3)", Outcome::Timed, 7e-3))),
            estimated(2e-3, at(4.0, record("b", "x(k=4)", Outcome::Timed, 8e-3))),
            at(1.0, second(record("a", "x(k=5)", Outcome::StoppedEarly, 1e-3))),
            estimated(4e-3, at(2.0, second(record("a", "x(k=6)", Outcome::Timed, 3e-3)))),
        ];
        let section = section(&records);
        let rounded: Vec<(f64, i64)> =
            section.progress.points.iter().map(|(at, sum)| (*at, (sum * 1e3).round() as i64)).collect();
        assert_eq!(rounded, [(0.0, 13), (2.0, 12), (3.0, 11), (6.0, 10), (6.0, 10)]);
        assert_eq!(section.progress.begins, [4.0]);
        assert!((section.untuned() - 13e-3).abs() < 1e-12 && (section.seconds() - 10e-3).abs() < 1e-12);
        let svg = figure(&section.progress, (500.0, 300.0)).unwrap_or_default();
        assert!(svg.contains("tuning time (s)") && svg.contains("class=\"session\""), "{svg}");
        assert_eq!(figure(&Progress::default(), (500.0, 300.0)), None);
    }
}
