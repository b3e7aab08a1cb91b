//! What a database knows of one setting.

use super::candidates::{Measured, label};
use super::palette::Palette;
use super::progress::Progress;
use super::verdict::{Verdict, is_of_network, verdicts};
use crate::database::Record;
use crate::{Database, DatabaseError, Setting, Workload};
use cnnc_compiler::shapes::Layer;
use cnnc_runtime::machine::Machine;
use std::collections::{BTreeMap, HashSet};

/// One setting with all that was measured in it.
#[derive(Clone, Debug)]
pub struct Section {
    /// The setting.
    pub setting: Setting,
    /// The ceilings of its machine, where they are known.
    pub machine: Option<Machine>,
    /// Layers, those whose winners take most first.
    pub layers: Vec<Measured>,
    /// Trials by how they ended, the most frequent first.
    pub outcomes: Vec<(&'static str, usize)>,
    /// Trials.
    pub trials: usize,
    /// Trials of layers that the list does not have.
    pub left_out: usize,
    /// Layers of the list that have no trial.
    pub missing: usize,
    /// Whether a list says how often each layer is counted.
    pub counted: bool,
    /// Sessions that made them.
    pub sessions: usize,
    /// When the first and the last were appended, in seconds since the epoch.
    pub span: (f64, f64),
    /// What tuning has brought whole networks.
    pub verdicts: Vec<Verdict>,
    /// How the sum of the best times fell.
    pub progress: Progress,
    /// Looks of the algorithms.
    pub(super) palette: Palette,
}

/// The sections of a database, the one with the latest trial first.
///
/// With a list of layers, only those that it has, each counted as often as it says; without, each layer counts once. Of
/// the machines, each setting takes the one whose fingerprint it has.
pub fn sections(
    database: &Database,
    layers: Option<&[Layer]>,
    machines: &[Machine],
) -> Result<Vec<Section>, DatabaseError> {
    let counts = layers.map(|layers| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for layer in layers {
            let count = counts.entry(layer.workload()).or_default();
            *count = count.saturating_add(layer.count);
        }
        counts
    });
    let mut sections = vec![];
    for setting in database.settings()? {
        let machine = machines.iter().find(|machine| machine.fingerprint == setting.machine).cloned();
        let records = database.records(&setting)?;
        sections.push(Section::of(setting, &records, counts.as_ref(), machine));
    }
    sections.retain(|section| !section.layers.is_empty());
    sections.sort_by(|a, b| b.span.1.total_cmp(&a.span.1));
    Ok(sections)
}

impl Section {
    /// Of the records of a setting in the order of the log; `counts` says how often each layer is counted.
    pub fn of(
        setting: Setting,
        records: &[Record],
        counts: Option<&BTreeMap<String, usize>>,
        machine: Option<Machine>,
    ) -> Section {
        let (networks, records): (Vec<&Record>, Vec<&Record>) =
            records.iter().partition(|record| is_of_network(record));
        let mut groups: BTreeMap<&Workload, Vec<&Record>> = BTreeMap::new();
        for &record in &records {
            groups.entry(&record.trial.workload).or_default().push(record);
        }
        let all = records.len();
        if let Some(counts) = counts {
            groups.retain(|workload, _| counts.contains_key(&workload.0));
        }
        let missing = counts.map_or(0, |counts| counts.len() - groups.len());
        let mut layers: Vec<Measured> = groups
            .iter()
            .map(|(workload, records)| {
                let count = counts.and_then(|counts| counts.get(&workload.0)).copied().unwrap_or(1);
                Measured::of((*workload).clone(), count, records)
            })
            .collect();
        layers.sort_by(|a, b| b.seconds().total_cmp(&a.seconds()).then(a.workload.cmp(&b.workload)));
        let kept: Vec<&Record> = records.iter().copied().filter(|r| groups.contains_key(&r.trial.workload)).collect();
        let shown = || kept.iter().chain(&networks);
        let mut outcomes: BTreeMap<&'static str, usize> = BTreeMap::new();
        for record in shown() {
            *outcomes.entry(label(&record.trial.outcome)).or_default() += 1;
        }
        let mut outcomes: Vec<(&'static str, usize)> = outcomes.into_iter().collect();
        outcomes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let times = || shown().map(|record| record.time);
        let span = (times().fold(f64::INFINITY, f64::min), times().fold(f64::NEG_INFINITY, f64::max));
        Section {
            progress: Progress::of(&kept, &layers),
            palette: palette(&layers),
            verdicts: verdicts(&networks),
            setting,
            machine,
            outcomes,
            trials: shown().count(),
            left_out: all - kept.len(),
            missing,
            counted: counts.is_some(),
            sessions: shown().map(|record| record.session.id.as_str()).collect::<HashSet<_>>().len(),
            span,
            layers,
        }
    }

    /// Seconds of all layers' winners together.
    pub fn seconds(&self) -> f64 {
        self.layers.iter().map(Measured::seconds).sum()
    }

    /// Seconds of all layers together under what the cost model would take.
    pub fn untuned(&self) -> f64 {
        self.layers.iter().filter_map(|layer| Some(layer.untuned? * layer.count as f64)).sum()
    }
}

/// Looks for all algorithms, those of the heaviest winners first.
fn palette(layers: &[Measured]) -> Palette {
    let winners = layers.iter().filter_map(Measured::winner);
    let others = layers.iter().flat_map(|layer| &layer.candidates);
    Palette::new(winners.chain(others).map(|tried| tried.algorithm()))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{at, record, section};
    use super::*;
    use crate::Outcome;

    #[test]
    fn layers_stand_by_weight_and_count_as_the_list_says() {
        let records = [
            at(1.0, record("a", "x(k=1)", Outcome::Timed, 1e-3)),
            at(2.0, record("b", "x(k=1)", Outcome::Timed, 2e-3)),
            at(3.0, record("b", "x(k=2)", Outcome::TimedOut, 0.0)),
            at(4.0, record("c", "x(k=2)", Outcome::Timed, 9e-3)),
        ];
        let all = section(&records);
        let names: Vec<&str> = all.layers.iter().map(|layer| layer.workload.0.as_str()).collect();
        assert_eq!((names, all.outcomes[0], all.left_out), (vec!["c", "b", "a"], ("timed", 3), 0));
        assert!((all.seconds() - 12e-3).abs() < 1e-12);
        let counts = [("a".to_string(), 5), ("b".to_string(), 1), ("d".to_string(), 1)].into();
        let some = Section::of(records[0].setting.clone(), &records, Some(&counts), None);
        assert_eq!((some.layers[0].workload.0.as_str(), some.trials, some.left_out, some.missing), ("a", 3, 1, 1));
        assert!((some.seconds() - 7e-3).abs() < 1e-12);
        assert_eq!(some.span, (1e9 + 1.0, 1e9 + 3.0));
    }
}
