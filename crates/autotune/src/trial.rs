//! What happened to a candidate.

use crate::Workload;
use serde::{Deserialize, Serialize};

/// One candidate of one workload, tried once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The layer.
    pub workload: Workload,
    /// Layout of the first operand: `plain`, `c16`.
    pub input: String,
    /// Layout of the result.
    pub output: String,
    /// The candidate: `winograd(m0=4, m1=4, ..)`.
    pub candidate: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What the cost model expected, in seconds.
    pub estimate: f64,
    /// Largest distance from exact sums, relative to the largest element; absent where nothing was computed.
    pub error: Option<f64>,
    /// Bytes of workspace, all threads.
    pub workspace: u64,
    /// Bytes of packed weights.
    pub packed: u64,
    /// Hash of the machine code, in hex; empty where there is none.
    pub code: String,
    /// The candidate that was measured in turn with it; empty where none was.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub against: String,
    /// The times taken.
    pub samples: Samples,
}

/// What the candidate of a trial of a network's layouts begins with.
const LAYOUTS: &str = "layouts, ";

impl Trial {
    /// A trial of a candidate of a layer in some layouts, of which nothing is known yet but how it ended.
    pub fn new(workload: &Workload, (input, output): (&str, &str), candidate: &str, outcome: Outcome) -> Trial {
        Trial {
            workload: workload.clone(),
            input: input.into(),
            output: output.into(),
            candidate: candidate.into(),
            outcome,
            estimate: 0.0,
            error: None,
            workspace: 0,
            packed: 0,
            code: String::new(),
            against: String::new(),
            samples: Samples::default(),
        }
    }

    /// A comparison of a network in layouts of that description with the network in those by estimate.
    pub fn of_layouts(network: &str, description: &str, samples: Samples) -> Trial {
        let candidate = format!("{LAYOUTS}{description}");
        let trial = Trial::new(&Workload::network(network), ("", ""), &candidate, Outcome::Compared);
        Trial { against: "layouts by estimate".into(), samples, ..trial }
    }

    /// The description of the layouts that it compares a network in; `None` where it is no such trial.
    pub fn layouts(&self) -> Option<&str> {
        self.candidate.strip_prefix(LAYOUTS)
    }
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Computed the right numbers, and was timed to the end.
    Timed,
    /// Had been timed, and was timed again in turn with the winner, alone or within the network: whoever is faster there
    /// is the winner.
    Compared,
    /// Computed the right numbers; clearly slower than the best, and given up.
    StoppedEarly,
    /// The machine code of another candidate, which has been timed: its times stand for this one's.
    SameCode,
    /// Did not compile: why.
    NotCompiled(String),
    /// Computed wrong numbers, or numbers beyond the bound of error.
    Wrong,
    /// Took the worker down with it: by what signal, or how.
    Crashed(String),
    /// Ran over its time limit.
    TimedOut,
    /// Wanted more memory than it may have.
    OutOfMemory,
}

/// Times in seconds, one for each run, in the order taken.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// With activations and weights in the caches, as far as they fit.
    pub warm: Vec<f64>,
    /// As in a network: weights in memory, operands just made, results and scratch not in the nearest caches.
    pub cold: Vec<f64>,
    /// Those of the candidate it was measured against, weights in memory, taken in turn with them; within the network
    /// where those are.
    pub incumbent: Vec<f64>,
    /// Within the running network, the mean of the layer's occurrences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub network: Vec<f64>,
}
