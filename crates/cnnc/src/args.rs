//! Flags that several commands share.

use crate::{CliError, npy};
use clap::{Args, ValueEnum};
use cnnc_codegen::Backend;
use cnnc_compiler::{CompileError, Options};
use cnnc_tensor::Isa;
use std::collections::BTreeMap;
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
    /// The options of the pipeline.
    pub fn options(&self, threads: usize) -> Result<Options, CliError> {
        let mut options = Options::new(&self.isas()?, self.backend(), threads).ok_or(CompileError::UnknownMachine)?;
        options.import.shapes = self.shapes()?;
        for arg in &self.bind {
            let (name, file) = split_last(arg, "--bind", "NAME=FILE.npy")?;
            options.import.bound.insert(name.to_string(), npy::read(file.as_ref())?);
        }
        options.dump = self.dump.clone();
        Ok(options)
    }

    /// The shapes that are given.
    pub fn shapes(&self) -> Result<BTreeMap<String, Vec<usize>>, CliError> {
        let mut shapes = BTreeMap::new();
        for arg in &self.shape {
            let (name, text) = split_last(arg, "--shape", "NAME=1x3x224x224")?;
            let dims = if text.is_empty() { Some(vec![]) } else { text.split('x').map(|d| d.parse().ok()).collect() };
            let dims: Vec<usize> = dims.ok_or_else(|| {
                CliError::Usage(format!("--shape {arg}: `{text}` is no shape; write it as 1x3x224x224"))
            })?;
            shapes.insert(name.to_string(), dims);
        }
        Ok(shapes)
    }

    fn isas(&self) -> Result<Vec<Isa>, CliError> {
        let mut isas: Vec<Isa> = vec![];
        for name in &self.target {
            let isa = match name.as_str() {
                "native" => Isa::detect().ok_or(CompileError::UnknownMachine)?,
                _ => Isa::from_name(name).ok_or_else(|| {
                    let known: Vec<&str> = Isa::ALL.iter().map(|isa| isa.name()).collect();
                    CliError::Usage(format!("unknown target {name}; known are native, {}", known.join(", ")))
                })?,
            };
            if !isas.contains(&isa) {
                isas.push(isa);
            }
        }
        Ok(isas)
    }

    fn backend(&self) -> Backend {
        match self.backend {
            Some(BackendArg::Llvm) => Backend::Llvm,
            Some(BackendArg::Cranelift) => Backend::Cranelift,
            None if Backend::Llvm.available() => Backend::Llvm,
            None => Backend::Cranelift,
        }
    }
}

/// Name and value of `NAME=VALUE`. Names may contain `=`, shapes and file names here rarely do.
fn split_last<'a>(arg: &'a str, flag: &str, form: &str) -> Result<(&'a str, &'a str), CliError> {
    arg.rsplit_once('=').ok_or_else(|| CliError::Usage(format!("{flag} {arg}: it is to be of the form {form}")))
}

/// The number of processors that this process may use.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
