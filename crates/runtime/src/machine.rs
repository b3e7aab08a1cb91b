//! What this machine can do at best, measured: peaks of multiply-adds, bandwidth of each level of memory, clock, and
//! what a fork and join of threads costs. Profiles and analytic costs refer to it.
//!
//! A measurement takes about two seconds and is kept in a file of the cache folder (`$XDG_CACHE_HOME/cnnc`, else
//! `~/.cache/cnnc`), under a name made from what identifies the machine. Nothing but [`Machine::measure`] measures:
//! whoever compiles reads the file if there is one, so that the same file gives the same code.

mod bandwidth;
mod clock;
mod fork_join;

use crate::peak::{measure_isa_peak_gflops, measure_multiply_adds};
use cnnc_artifact::{ArtifactError, write_atomically};
use cnnc_tensor::{Ceilings, Isa, cache_bytes};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::PathBuf;

/// A measured machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// What identifies it: processor, features, caches, number of processors.
    pub fingerprint: String,
    /// Name of the processor.
    pub processor: String,
    /// Processors that this process may use.
    pub processors: usize,
    /// Sizes of the data caches in bytes, of levels 1 to 3; 0 where it is not known.
    pub cache_bytes: [usize; 3],
    /// Clock under integer work on one thread, in MHz.
    pub clock_mhz: f64,
    /// Peak of each instruction set that it has.
    pub peaks: Vec<Peak>,
    /// Read bandwidth of levels 1 to 3 and of memory.
    pub bandwidths: Vec<Bandwidth>,
    /// Time of a fork and join of one thread for each processor, in microseconds.
    pub fork_join_us: f64,
}

/// Peak of multiply-adds in f32 (each two operations).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// Name of the instruction set.
    pub isa: String,
    /// GFLOP/s of one thread.
    pub one: f64,
    /// GFLOP/s of a thread on each processor.
    pub all: f64,
    /// Multiply-adds on whole vectors that a thread starts in a cycle, where that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub multiply_adds: Option<u32>,
}

/// Read bandwidth of a level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bandwidth {
    /// `L1`, `L2`, `L3` or `memory`.
    pub level: String,
    /// GB/s of one thread.
    pub one: f64,
    /// GB/s of a thread on each processor, each with data of its own.
    pub all: f64,
}

impl Machine {
    /// Measures this machine; `None` where the processor is unknown to us. To be called on an otherwise idle machine.
    pub fn measure() -> Option<Machine> {
        let host = Isa::detect()?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let peaks = Isa::ALL.into_iter().filter(|isa| *isa <= host).filter_map(|isa| {
            let (one, all) = (measure_isa_peak_gflops(isa, 1)?, measure_isa_peak_gflops(isa, processors)?);
            Some(Peak { isa: isa.name().into(), one, all, multiply_adds: measure_multiply_adds(isa) })
        });
        let cache_bytes = [1, 2, 3].map(|level| cache_bytes(level).unwrap_or(0));
        Some(Machine {
            fingerprint: fingerprint(),
            processor: processor_field("model name").unwrap_or_else(|| "unknown".into()),
            processors,
            cache_bytes,
            clock_mhz: clock::measure_mhz(),
            peaks: peaks.collect(),
            bandwidths: bandwidth::measure(host, cache_bytes, processors),
            fork_join_us: fork_join::measure_microseconds(processors),
        })
    }

    /// What was measured of this machine before, if anything.
    pub fn cached() -> Option<Machine> {
        let text = std::fs::read(Machine::path()?).ok()?;
        serde_json::from_slice(&text).ok().filter(|machine: &Machine| machine.fingerprint == fingerprint())
    }

    /// Keeps the measurement for [`cached`](Machine::cached).
    pub fn store(&self) -> Result<PathBuf, ArtifactError> {
        let path = Machine::path().unwrap_or_else(|| PathBuf::from("machine.json"));
        let failed = |source| ArtifactError::Write { path: path.clone(), source };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        write_atomically(&path, |file| file.write_all(&text))?;
        Ok(path)
    }

    /// The file for this machine; `None` where there is no folder for it.
    pub fn path() -> Option<PathBuf> {
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let folder = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
        let hash = xxhash_rust::xxh3::xxh3_64(fingerprint().as_bytes());
        Some(folder.join("cnnc").join(format!("machine-{hash:016x}.json")))
    }

    /// What the analytic costs take from it for an instruction set and one of so many threads, which share the way to
    /// memory; `None` where the machine does not have that instruction set.
    pub fn ceilings(&self, isa: Isa, threads: usize) -> Option<Ceilings> {
        let peak = self.peaks.iter().find(|peak| peak.isa == isa.name())?;
        // Each multiply-add of a vector is two operations a lane. How many are started in a cycle is a whole number: where
        // it was not measured, what the clock under integer work gets wrong is rounded away.
        let per_mhz = peak.one * 1e3 / (2.0 * isa.lanes() as f64);
        let rounded = (per_mhz / self.clock_mhz).round().clamp(1.0, 8.0);
        let multiply_adds = peak.multiply_adds.map_or(rounded, |started| f64::from(started.max(1)));
        let rate = |level: &str| {
            let found = self.bandwidths.iter().find(|b| b.level == level).map(|b| (b.one * 1e3) as u32);
            found.filter(|rate| *rate > 0)
        };
        let all = self.bandwidths.iter().find(|b| b.level == "memory").map_or(0.0, |b| b.all);
        let shared = if threads > 1 && all > 0.0 { (all * 1e3 / threads as f64) as u32 } else { u32::MAX };
        Some(Ceilings {
            clock: (per_mhz / multiply_adds) as u32,
            multiply_adds: multiply_adds as u32,
            l1: rate("L1")?,
            l2: rate("L2")?,
            l3: rate("L3")?,
            memory: rate("memory")?.min(shared),
        })
        .filter(|ceilings| ceilings.clock > 0)
    }
}

/// What identifies this machine: processor; caches; number of processors; features.
pub fn fingerprint() -> String {
    let caches = [1, 2, 3].map(|level| cache_bytes(level).unwrap_or(0).to_string()).join("/");
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let field = |name| processor_field(name).unwrap_or_default();
    let (model, flags) = (field("model name"), field("flags"));
    let numbers = [field("cpu family"), field("model"), field("stepping")].join(".");
    format!("{model} {numbers}; caches {caches}; {processors} processors; {flags}")
}

/// A field of the first processor, as Linux tells it.
fn processor_field(name: &str) -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.into_iter().find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_follow_from_what_was_measured() {
        let bandwidth = |level: &str, one| Bandwidth { level: level.into(), one, all: 2.0 * one };
        let machine = Machine {
            fingerprint: String::new(),
            processor: String::new(),
            processors: 2,
            cache_bytes: [0; 3],
            clock_mhz: 3_500.0,
            peaks: vec![Peak { isa: "x86-64-v3".into(), one: 108.8, all: 217.6, multiply_adds: None }],
            bandwidths: vec![
                bandwidth("L1", 200.0),
                bandwidth("L2", 80.0),
                bandwidth("L3", 40.0),
                bandwidth("memory", 15.5),
            ],
            fork_join_us: 1.0,
        };
        let want = Ceilings { clock: 3_400, multiply_adds: 2, l1: 200_000, l2: 80_000, l3: 40_000, memory: 15_500 };
        assert_eq!(machine.ceilings(Isa::X86V3, 1), Some(want));
        assert_eq!(machine.ceilings(Isa::X86V4, 1), None);
        // Two are started at half the clock of integer work.
        let peak = Peak { isa: "x86-64-v4".into(), one: 112.0, all: 224.0, multiply_adds: Some(2) };
        let slower = Machine { peaks: vec![peak], ..machine.clone() };
        let ceilings = slower.ceilings(Isa::X86V4, 1);
        assert_eq!(ceilings.map(|c| (c.clock, c.multiply_adds)), Some((1_750, 2)));
        let without = Machine { bandwidths: vec![], ..machine.clone() };
        assert_eq!(without.ceilings(Isa::X86V3, 1), None);
        let text = serde_json::to_string(&machine).unwrap_or_default();
        assert_eq!(serde_json::from_str::<Machine>(&text).ok(), Some(machine));
    }

    #[test]
    fn a_measurement_is_of_the_right_order() {
        let Some(machine) = Machine::measure() else { return };
        assert!((200.0..20_000.0).contains(&machine.clock_mhz), "{machine:?}");
        assert_eq!(machine.bandwidths.len(), 4);
        assert!(machine.bandwidths.iter().all(|b| (0.05..50_000.0).contains(&b.one)), "{machine:?}");
        assert!((0.0..1e5).contains(&machine.fork_join_us), "{machine:?}");
        assert!(Isa::detect().is_some_and(|isa| machine.ceilings(isa, 1).is_some()));
    }
}
