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
    /// That of a whole network, under which verdicts on it and comparisons of its layouts are kept.
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

impl Setting {
    /// What differs between this setting and the one here; empty where nothing does.
    pub fn differences(&self, here: &Setting) -> Vec<String> {
        let threads = [self, here].map(|setting| setting.threads.to_string());
        let parts = |setting: &Setting| parts(&setting.backend, &setting.revision, &setting.machine);
        let mut both = vec![("instruction set", &*self.isa, &*here.isa), ("threads", &threads[0], &threads[1])];
        let (own, others) = (parts(self), parts(here));
        both.extend(own.iter().zip(&others).map(|((what, there), (_, here))| (*what, &**there, &**here)));
        let differ = both.into_iter().filter(|(_, there, here)| there != here);
        differ.map(|(what, there, here)| format!("{what} is {there} there, {here} here")).collect()
    }
}

/// What a machine and a compiler are told apart by, with names: code generator, revision, and the parts of a fingerprint.
pub(crate) fn parts(backend: &str, revision: &str, machine: &str) -> [(&'static str, String); 6] {
    let mut machine = machine.split("; ").map(str::to_string);
    let mut part = || machine.next().unwrap_or_else(|| "unknown".into());
    [
        ("code generator", backend.into()),
        ("revision of the lowering", revision.into()),
        ("processor", part()),
        ("caches", part()),
        ("number of processors", part()),
        ("features", part()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_other_machines_are_told_apart() {
        let here = Setting {
            isa: "x86-64-v3".into(),
            threads: 1,
            backend: "cranelift 0.135".into(),
            revision: "ab".into(),
            machine: "A; 1/2/3; 2 processors; fma".into(),
        };
        assert!(here.differences(&here).is_empty());
        let there = Setting { threads: 4, machine: "B; 1/2/3; 2 processors; fma".into(), ..here.clone() };
        assert_eq!(there.differences(&here), ["threads is 4 there, 1 here", "processor is B there, A here"]);
    }
}
