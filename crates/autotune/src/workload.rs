//! What is tuned: a layer, and what its code is made for.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A layer without its surroundings: its line in a list of shapes, without count and note.
///
/// Layouts are not part of it: they belong to the way that it is computed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Workload(pub String);

/// What the workload of a whole network begins with.
const NETWORK: &str = "network ";

impl Workload {
    /// That of a whole network, under which verdicts on it are kept.
    pub fn network(name: &str) -> Workload {
        Workload(format!("{NETWORK}{name}"))
    }

    /// The name of the network that it is; `None` where it is a layer.
    pub fn of_network(&self) -> Option<&str> {
        self.0.strip_prefix(NETWORK)
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What code is made for and by: a time belongs to one setting and says nothing certain about another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Setting {
    /// Instruction set: `x86-64-v4`.
    pub isa: String,
    /// Threads that the layer is cut for and timed on.
    pub threads: usize,
    /// Code generator with its version: `llvm 19.1.7`.
    pub backend: String,
    /// Revision of everything between a candidate and its machine code.
    pub revision: String,
    /// Fingerprint of the machine that the time was taken on.
    pub machine: String,
}
