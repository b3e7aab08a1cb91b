//! The gap: what the layers of a network take alone, what they take in it, and who owns the difference.

use super::running::{Running, seconds};
use cnnc_autotune::tuner::Task;
use cnnc_cli::table::{Table, shortened};
use serde::Serialize;

/// Owners that the text names.
const NAMED: usize = 5;

/// The gap of a network. All times in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Gap {
    /// The network.
    pub network_ms: f64,
    /// Its tuned layers alone, weights in memory, summed.
    pub alone_ms: f64,
    /// Its tuned layers within it.
    pub within_ms: f64,
    /// Its other layers: pooling, conversions, whatever is not tuned.
    pub others_ms: f64,
    /// What is left: between the layers.
    pub between_ms: f64,
    /// The tuned layers, those first that lose most.
    pub layers: Vec<Owner>,
}

/// A layer's part. Times are those of all its occurrences.
#[derive(Clone, Debug, Serialize)]
pub struct Owner {
    /// Its line in a list of shapes.
    pub layer: String,
    /// Occurrences.
    pub count: usize,
    /// The candidate.
    pub candidate: String,
    /// Alone, weights in memory.
    pub alone_ms: f64,
    /// In the network.
    pub within_ms: f64,
}

impl Gap {
    /// The gap of a network that ran, by its tasks and the names of their layers.
    pub fn of(places: &[(usize, Vec<String>)], tasks: &[Task], run: &Running) -> Gap {
        let owner = |(task, names): &(usize, Vec<String>)| {
            let search = &tasks[*task].search;
            let (best, count) = (search.best()?, names.len());
            Some(Owner {
                layer: tasks[*task].workload.0.clone(),
                count,
                candidate: search.points()[best].candidate.to_string(),
                alone_ms: search.seconds(best) * count as f64 * 1e3,
                within_ms: seconds(&run.mean_of(names)) * count as f64 * 1e3,
            })
        };
        let mut layers: Vec<Owner> = places.iter().filter_map(owner).collect();
        layers.sort_by(|a, b| (b.within_ms - b.alone_ms).total_cmp(&(a.within_ms - a.alone_ms)));
        let (network_ms, all_ms) = (run.seconds() * 1e3, run.all_layers() * 1e3);
        let alone_ms = layers.iter().map(|owner| owner.alone_ms).sum();
        let within_ms: f64 = layers.iter().map(|owner| owner.within_ms).sum();
        let (others_ms, between_ms) = (all_ms - within_ms, network_ms - all_ms);
        Gap { network_ms, alone_ms, within_ms, others_ms, between_ms, layers }
    }

    /// As text: the sums, and the layers that lose most.
    pub fn text(&self) -> String {
        let Gap { network_ms, alone_ms, within_ms, others_ms, between_ms, layers } = self;
        let mut text = format!(
            "  gap: tuned layers {alone_ms:.3} ms alone, {within_ms:.3} ms in the network ({:.3} times); other layers \
             {others_ms:.3} ms, between layers {between_ms:.3} ms; network {network_ms:.3} ms\n",
            within_ms / alone_ms
        );
        let mut table =
            Table::new(&["  who loses most", ">count", ">alone ms", ">in network ms", ">loss %", "candidate"]);
        for owner in layers.iter().filter(|owner| owner.within_ms > owner.alone_ms).take(NAMED) {
            let Owner { layer, count, candidate, alone_ms, within_ms } = owner;
            let loss = format!("{:.1}", 100.0 * (within_ms / alone_ms - 1.0));
            let (alone, within) = (format!("{alone_ms:.4}"), format!("{within_ms:.4}"));
            let layer = format!("  {}", shortened(layer));
            table.row(vec![layer, count.to_string(), alone, within, loss, candidate.clone()]);
        }
        text += &table.to_string();
        text
    }
}
