//! Lock files: measured choices as text, sorted, one layer a line, to be kept beside the model, compared and merged.
//!
//! ```text
//! # cnnc lock 1
//! [x86-64-v4 threads=1 max_error=1e-4 max_workspace=268435456]
//! backend = llvm 19.1.7
//! revision = 5f3a91c07d2e4b18
//! machine = AMD EPYC 25.17.1; caches 32768/1048576/33554432; 2 processors; fma ..
//! conv 1x64x56x56 64x64x3x3 pad=1 tail=bias+relu | c16>c16 | winograd(m0=6, m1=6, ..) | 4.7e-6 | 0.5834 ms
//! ```
//!
//! A section's heading and a line up to the second bar are the key of a choice; the candidate, its measured error and its
//! time are the value. A layer that was not measured has the choice by estimate, and `-` for both. `parse(print(lock)) == lock`.

use crate::workload::parts;
use cnnc_compiler::{Bounds, Choices, MeasuredWay};
use cnnc_ir::graph::{Candidate, parse_candidate};
use cnnc_tensor::{Isa, Layout};
use std::collections::BTreeMap;
use std::fmt;

const HEADING: &str = "# cnnc lock 1";

/// A lock file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lock {
    /// Choices by what they hold for.
    pub sections: BTreeMap<Section, Locked>,
}

/// What a section's choices hold for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Section {
    /// Instruction set.
    pub isa: Isa,
    /// Threads.
    pub threads: usize,
    /// The bound on the network's error, as printed.
    pub max_error: String,
    /// The bound on a layer's workspace, in bytes.
    pub max_workspace: usize,
}

/// The choices of a section, and what they were measured on and by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Locked {
    /// Code generator with its version.
    pub backend: String,
    /// Revision of the lowering.
    pub revision: String,
    /// Fingerprint of the machine.
    pub machine: String,
    /// The choices.
    pub choices: BTreeMap<LockKey, LockedChoice>,
}

/// A layer in given layouts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockKey {
    /// The layer's line in a list of shapes.
    pub workload: String,
    /// Layout of the first operand.
    pub input: Layout,
    /// Layout of the result.
    pub output: Layout,
}

/// A choice.
#[derive(Clone, Debug, PartialEq)]
pub struct LockedChoice {
    /// The candidate.
    pub candidate: Candidate,
    /// What was measured of it, if anything was.
    pub measured: Option<Measured>,
}

/// What was measured of a choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Error, relative to the largest element.
    pub error: f64,
    /// Time in seconds.
    pub seconds: f64,
}

/// Why a text is no lock file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct LockError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

impl Section {
    /// The section of a compilation.
    pub fn new(isa: Isa, threads: usize, bounds: &Bounds) -> Section {
        let max_error = format!("{:e}", bounds.max_error);
        Section { isa, threads, max_error, max_workspace: bounds.workspace() }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Section { isa, threads, max_error, max_workspace } = self;
        write!(f, "{isa} threads={threads} max_error={max_error} max_workspace={max_workspace}")
    }
}

impl Lock {
    /// Reads a lock file.
    pub fn parse(text: &str) -> Result<Lock, LockError> {
        let mut lock = Lock::default();
        let mut section: Option<Section> = None;
        for (k, line) in text.lines().enumerate() {
            let wrong = |what: String| LockError { line: k + 1, what };
            let line = line.trim();
            if k == 0 && line != HEADING {
                return Err(wrong(format!("a lock file begins with `{HEADING}`")));
            }
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(heading) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                let new = parse_section(heading).map_err(wrong)?;
                lock.sections.entry(new.clone()).or_default();
                section = Some(new);
                continue;
            }
            let Some(locked) = section.as_ref().and_then(|section| lock.sections.get_mut(section)) else {
                return Err(wrong("a section's heading is to come first".into()));
            };
            if line.contains('|') {
                let (key, choice) = parse_choice(line).map_err(wrong)?;
                match locked.choices.get(&key) {
                    Some(other) if other.candidate != choice.candidate => {
                        return Err(wrong(format!("{} has another choice above", key.workload)));
                    }
                    _ => locked.choices.insert(key, choice),
                };
                continue;
            }
            let (name, value) = line.split_once(" = ").ok_or_else(|| wrong(format!("`{line}` is no entry")))?;
            match name {
                "backend" => locked.backend = value.into(),
                "revision" => locked.revision = value.into(),
                "machine" => locked.machine = value.into(),
                _ => return Err(wrong(format!("there is no entry `{name}`"))),
            }
        }
        Ok(lock)
    }

    /// The choices of some sections as compilation takes them.
    pub fn choices(&self, threads: usize, bounds: &Bounds, strict: bool) -> Choices {
        let mut choices = Choices::new("lock", strict);
        for (section, locked) in &self.sections {
            if *section != Section::new(section.isa, threads, bounds) {
                continue;
            }
            for (key, choice) in &locked.choices {
                // As the only way of its layer it needs no time of its own.
                let seconds = choice.measured.map_or(0.0, |measured| measured.seconds);
                let candidate = choice.candidate.clone();
                let way = MeasuredWay { input: key.input, output: key.output, candidate, seconds };
                choices.add(section.isa, &key.workload, way);
            }
        }
        choices
    }
}

impl Locked {
    /// What differs between what the choices were measured on and by, and what is here; empty where nothing does.
    pub fn differences(&self, backend: &str, revision: &str, machine: &str) -> Vec<String> {
        let there = parts(&self.backend, &self.revision, &self.machine);
        let both = there.iter().zip(parts(backend, revision, machine));
        let differ = both.filter(|((_, there), (_, here))| there != here);
        differ.map(|((what, there), (_, here))| format!("{what} is {here}, was {there}")).collect()
    }
}

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADING}")?;
        for (section, locked) in &self.sections {
            writeln!(f, "[{section}]")?;
            for (name, value) in
                [("backend", &locked.backend), ("revision", &locked.revision), ("machine", &locked.machine)]
            {
                if !value.is_empty() {
                    writeln!(f, "{name} = {value}")?;
                }
            }
            for (LockKey { workload, input, output }, choice) in &locked.choices {
                write!(f, "{workload} | {input}>{output} | {} | ", choice.candidate)?;
                match choice.measured {
                    Some(Measured { error, seconds }) => writeln!(f, "{error:.1e} | {:.4} ms", seconds * 1e3)?,
                    None => writeln!(f, "- | -")?,
                }
            }
        }
        Ok(())
    }
}

fn parse_section(heading: &str) -> Result<Section, String> {
    let mut words = heading.split(' ');
    let isa = words.next().and_then(Isa::from_name).ok_or("a section begins with an instruction set")?;
    let mut value = |key: &str| {
        let word = words.next().and_then(|word| word.strip_prefix(key)?.strip_prefix('='));
        word.ok_or_else(|| format!("`{key}=` is missing in the section's heading"))
    };
    let number = |text: &str| text.parse::<usize>().map_err(|_| format!("`{text}` is no number"));
    let threads = number(value("threads")?)?;
    let error = value("max_error")?;
    error.parse::<f64>().map_err(|_| format!("`{error}` is no number"))?;
    Ok(Section { isa, threads, max_error: error.into(), max_workspace: number(value("max_workspace")?)? })
}

fn parse_choice(line: &str) -> Result<(LockKey, LockedChoice), String> {
    let fields: Vec<&str> = line.split(" | ").map(str::trim).collect();
    let [workload, layouts, candidate, error, time] = fields[..] else {
        return Err("a choice has five fields: layer | layouts | candidate | error | time".into());
    };
    let layout = |text: &str| Layout::parse(text).ok_or_else(|| format!("there is no layout `{text}`"));
    let (input, output) = layouts.split_once('>').ok_or_else(|| format!("`{layouts}` are no two layouts"))?;
    let candidate = parse_candidate(candidate).map_err(|e| format!("`{candidate}`: {e}"))?;
    let measured = if (error, time) == ("-", "-") { None } else { Some(parse_measured(error, time)?) };
    let key = LockKey { workload: workload.into(), input: layout(input)?, output: layout(output)? };
    Ok((key, LockedChoice { candidate, measured }))
}

fn parse_measured(error: &str, time: &str) -> Result<Measured, String> {
    let error: f64 = error.parse().map_err(|_| format!("`{error}` is no number"))?;
    let milliseconds = time.strip_suffix(" ms").and_then(|text| text.parse::<f64>().ok());
    let seconds = milliseconds.filter(|ms| *ms >= 0.0).ok_or_else(|| format!("`{time}` is no time"))? / 1e3;
    Ok(Measured { error, seconds })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# cnnc lock 1
[x86-64-v3 threads=1 max_error=1e-4 max_workspace=268435456]
backend = llvm 19.1.7
revision = ab
machine = A; 1/2/3; 2 processors; fma
conv 1x8x4x4 8x8x3x3 pad=1 tail=bias | c8>c8 | direct(mr=4, nv=1) | 3.0e-7 | 0.1250 ms
matmul 1x8 8x16 | plain>plain | gemm(mr=1, nv=1) | 1.0e-7 | 0.0010 ms
matmul 1x8 8x9 | plain>plain | matmul_loops() | - | -
[x86-64-v4 threads=2 max_error=1e-4 max_workspace=268435456]
";

    #[test]
    fn what_is_printed_reads_back() {
        let lock = Lock::parse(TEXT).unwrap();
        assert_eq!(lock.to_string(), TEXT);
        let choices = lock.choices(1, &Bounds::default(), true);
        assert_eq!(choices.ways(Isa::X86V3, "matmul 1x8 8x16").len(), 1);
        assert!(lock.choices(2, &Bounds::default(), true).ways(Isa::X86V3, "matmul 1x8 8x16").is_empty());
    }

    #[test]
    fn lines_that_are_wrong_are_named() {
        for (from, to, message) in [
            ("# cnnc lock 1", "# lock", "line 1: a lock file begins with"),
            ("[x86-64-v3", "[z80", "line 2: a section begins with an instruction set"),
            ("threads=1", "threads=x", "line 2: `x` is no number"),
            ("direct(mr=4, nv=1)", "direct(mr=4", "line 6: `direct(mr=4`"),
            ("c8>c8", "c8", "line 6: `c8` are no two layouts"),
            ("revision = ab", "revision ab", "line 4: `revision ab` is no entry"),
            ("0.0010 ms", "-1 ms", "line 7: `-1 ms` is no time"),
        ] {
            let found = Lock::parse(&TEXT.replace(from, to)).unwrap_err().to_string();
            assert!(found.starts_with(message), "{found}");
        }
    }

    #[test]
    fn other_machines_are_told_apart() {
        let lock = Lock::parse(TEXT).unwrap();
        let locked = lock.sections.values().next().unwrap();
        assert!(locked.differences("llvm 19.1.7", "ab", "A; 1/2/3; 2 processors; fma").is_empty());
        let found = locked.differences("llvm 19.1.7", "ab", "A; 1/2/3; 4 processors; fma");
        assert_eq!(found, ["number of processors is 4 processors, was 2 processors"]);
    }
}
