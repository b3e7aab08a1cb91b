//! Flags that several commands share.

use crate::preprocess::Preprocess;
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// How to compile a model.
#[derive(Args, Clone, Debug)]
pub struct CompileArgs {
    /// Instruction sets to compile for, separated by commas: native, x86-64-v2, x86-64-v3, x86-64-v4
    #[arg(long, value_name = "ISA,..", default_value = "native", value_delimiter = ',')]
    pub target: Vec<String>,
    /// Code generator [default: llvm where it was built in, else cranelift]
    #[arg(long, value_enum)]
    pub backend: Option<BackendArg>,
    /// Shape of an input, where the model leaves it open or has it wrong: NAME=1x3x224x224
    #[arg(long, value_name = "NAME=DIMS")]
    pub shape: Vec<String>,
    /// Content of an input that shapes depend on; it becomes part of the compiled network: NAME=FILE.npy
    #[arg(long, value_name = "NAME=FILE")]
    pub bind: Vec<String>,
    /// Largest error of an output against exact arithmetic, relative to the output's largest element. A smaller bound
    /// rules out fast algorithms that round more; one that single precision cannot keep is an error
    #[arg(long, value_name = "E", default_value_t = 1e-4, value_parser = error_bound)]
    pub max_error: f64,
    /// Most memory that a layer may take besides its operands, on all threads together: 64M (suffixes K, M, G)
    /// [default: 256M, more only where nothing else computes a layer]
    #[arg(long, value_name = "BYTES", value_parser = byte_count)]
    pub max_workspace: Option<usize>,
    /// Measured choices to compile by: a lock file, as `cnnc tune` writes it
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,
    /// Refuse layers that the lock file does not list
    #[arg(long, requires = "lock")]
    pub locked: bool,
    /// Database of measurements: without a lock file, its best candidates are taken where it has any; `none` goes by
    /// estimate alone [default: $XDG_DATA_HOME/cnnc/tuning.db, else ~/.local/share/cnnc/tuning.db]
    #[arg(long, value_name = "FILE|none")]
    pub db: Option<PathBuf>,
    /// Folder for each stage that changed something, as numbered text files
    #[arg(long, value_name = "DIR")]
    pub dump: Option<PathBuf>,
}

/// Name of a code generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackendArg {
    /// LLVM 19: vectors of any width
    Llvm,
    /// Cranelift: vectors of 128 bits
    Cranelift,
}

impl CompileArgs {
    /// The flags as they would be written on a command line.
    pub fn to_words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["--target".into(), self.target.join(",").into()];
        match self.backend {
            Some(BackendArg::Llvm) => words.extend(["--backend".into(), "llvm".into()]),
            Some(BackendArg::Cranelift) => words.extend(["--backend".into(), "cranelift".into()]),
            None => {}
        }
        let shapes = self.shape.iter().flat_map(|shape| ["--shape", shape]);
        words.extend(shapes.chain(self.bind.iter().flat_map(|bind| ["--bind", bind])).map(OsString::from));
        words.extend(["--max-error".into(), self.max_error.to_string().into()]);
        if let Some(bytes) = self.max_workspace {
            words.extend(["--max-workspace".into(), bytes.to_string().into()]);
        }
        if let Some(lock) = &self.lock {
            words.extend(["--lock".into(), lock.into()]);
        }
        if self.locked {
            words.push("--locked".into());
        }
        if let Some(database) = &self.db {
            words.extend(["--db".into(), database.into()]);
        }
        if let Some(folder) = &self.dump {
            words.extend(["--dump".into(), folder.into()]);
        }
        words
    }
}

/// A network and what it is fed: the flags that `run`, `bench` and `profile` share.
#[derive(Args, Clone, Debug)]
pub struct SourceArgs {
    /// The model (.onnx) or artifact (.cnna)
    pub model: PathBuf,
    /// An input: .npy or an image (.png, .jpg); without NAME the first that is not given. A model takes its shapes from
    /// its inputs
    #[arg(long, value_name = "[NAME=]FILE")]
    pub input: Vec<String>,
    /// How images become tensors (see `cnnc run --help`)
    #[arg(long, value_name = "SPEC", default_value = "")]
    pub preprocess: Preprocess,
    /// Threads [default: what the artifact was compiled for; the number of processors]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// How to compile a model.
    #[command(flatten)]
    pub compile: CompileArgs,
}

impl SourceArgs {
    /// The number of threads, where it is given.
    pub fn threads(&self) -> Option<usize> {
        self.threads.map(usize::from)
    }
}

/// An error bound: positive and finite.
fn error_bound(text: &str) -> Result<f64, String> {
    let bound = text.parse().ok().filter(|bound: &f64| *bound > 0.0 && bound.is_finite());
    bound.ok_or_else(|| "an error bound is a positive number, as 1e-5".into())
}

/// A number of bytes, with a suffix K, M or G for powers of 1024.
pub fn byte_count(text: &str) -> Result<usize, String> {
    let digits = text.trim_end_matches(['K', 'M', 'G']);
    let unit = match &text[digits.len()..] {
        "" => Some(1),
        "K" => Some(1 << 10),
        "M" => Some(1 << 20),
        "G" => Some(1 << 30),
        _ => None,
    };
    let bytes = digits.parse::<usize>().ok().zip(unit).and_then(|(count, unit)| count.checked_mul(unit));
    bytes.ok_or_else(|| "a size is a number of bytes, as 64M, 512K or 1G".into())
}

/// Name and value of `NAME=VALUE`. Names may contain `=`, shapes and names of files here rarely do.
pub fn split_last(arg: &str) -> Option<(&str, &str)> {
    arg.rsplit_once('=')
}

/// The number of processors that this process may use.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_suffixes() {
        assert_eq!((byte_count("64M"), byte_count("512K"), byte_count("7")), (Ok(64 << 20), Ok(512 << 10), Ok(7)));
        for wrong in ["", "M", "1MM", "1.5G", "-1", "64MB", "99999999999999999999", "99999999999999G"] {
            assert!(byte_count(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn error_bounds_are_positive() {
        assert_eq!(error_bound("5e-6"), Ok(5e-6));
        for wrong in ["0", "-1e-6", "nan", "inf", "small"] {
            assert!(error_bound(wrong).is_err(), "{wrong}");
        }
    }
}
