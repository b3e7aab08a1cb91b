//! What tuning has brought whole networks: run in turn, compiled with the winners and without.

use super::format::milliseconds;
use super::markup::{Table, escape};
use crate::Outcome;
use crate::database::Record;
use crate::statistics::median;
use std::collections::BTreeMap;

/// The latest verdict on a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Its name.
    pub name: String,
    /// Median seconds under the choice by estimate.
    pub before: f64,
    /// Median seconds under the winners.
    pub after: f64,
}

/// Whether a record is of a whole network, a verdict or a comparison of its layouts, and not of a layer.
pub fn is_of_network(record: &Record) -> bool {
    record.trial.outcome == Outcome::Compared && record.trial.workload.of_network().is_some()
}

/// The latest verdict on each network, by name; records are in the order of the log.
pub fn verdicts(records: &[&Record]) -> Vec<Verdict> {
    let mut latest: BTreeMap<&str, Verdict> = BTreeMap::new();
    for record in records.iter().filter(|record| record.trial.layouts().is_none()) {
        let samples = &record.trial.samples;
        let name = record.trial.workload.of_network();
        if let (Some(name), Some(before), Some(after)) = (name, median(&samples.incumbent), median(&samples.network))
            && before > 0.0
            && after > 0.0
        {
            latest.insert(name, Verdict { name: name.into(), before, after });
        }
    }
    latest.into_values().collect()
}

/// The table; empty where there is no verdict.
pub fn table(verdicts: &[Verdict]) -> String {
    if verdicts.is_empty() {
        return String::new();
    }
    let mut table = Table::new(&["network", ">untuned (ms)", ">tuned (ms)", ">times as fast"]);
    for Verdict { name, before, after } in verdicts {
        let ratio = format!("{:.3}", before / after);
        table.row("", &[escape(name), milliseconds(*before), milliseconds(*after), ratio]);
    }
    format!("<h3>Networks</h3>\n<div class=\"narrow\">{}</div>\n", table.markup())
}

#[cfg(test)]
mod tests {
    use super::super::samples::{record, section};
    use super::*;
    use crate::Trial;

    #[test]
    fn networks_are_no_layers() {
        let mut verdict = record("network <net>", "winners of all layers", Outcome::Compared, 0.0);
        verdict.trial.samples.incumbent = vec![3e-3];
        verdict.trial.samples.network = vec![2e-3];
        let mut layouts = record("a", "x(k=1)", Outcome::Compared, 0.0);
        layouts.trial = Trial::of_layouts("other", "dearer", verdict.trial.samples.clone());
        let section = section(&[record("a", "x(k=1)", Outcome::Timed, 1e-3), verdict, layouts]);
        assert_eq!((section.layers.len(), section.trials, section.verdicts.len()), (1, 3, 1));
        let table = table(&section.verdicts);
        assert!(table.contains("<td>&lt;net&gt;</td><td class=\"n\">3.000</td><td class=\"n\">2.000</td>"), "{table}");
        assert!(table.contains("1.500") && super::table(&[]).is_empty());
    }
}
