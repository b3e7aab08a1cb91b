//! Options of the pipeline from the flags of the command line.

use crate::{database, failure, lock};
use cnnc_autotune::layer::apply_ceilings;
use cnnc_cli::args::{BackendArg, CompileArgs, split_last};
use cnnc_cli::{CliError, npy};
use cnnc_codegen::Backend;
use cnnc_compiler::{Bounds, CompileError, Options};
use cnnc_runtime::machine::Machine;
use cnnc_tensor::{Isa, Tensor};

/// The options that the flags ask for.
pub fn options(args: &CompileArgs, threads: usize) -> Result<Options, CliError> {
    let unknown = || failure::compile(CompileError::UnknownMachine);
    let mut options = Options::new(&isas(&args.target)?, backend(args.backend), threads).ok_or_else(unknown)?;
    let machine = Machine::cached();
    options.targets.iter_mut().for_each(|target| apply_ceilings(target, machine.as_ref()));
    for arg in &args.shape {
        let form = || CliError::Usage(format!("--shape {arg}: it is to be of the form NAME=1x3x224x224"));
        let (name, text) = split_last(arg).ok_or_else(form)?;
        let dims = if text.is_empty() { Some(vec![]) } else { text.split('x').map(|d| d.parse().ok()).collect() };
        let wrong = || CliError::Usage(format!("--shape {arg}: `{text}` is no shape; write it as 1x3x224x224"));
        options.import.shapes.insert(name.to_string(), dims.ok_or_else(wrong)?);
    }
    for arg in &args.bind {
        let (name, tensor) = content("--bind", arg)?;
        options.import.bound.insert(name, tensor);
    }
    options.bounds = Bounds { max_error: args.max_error, max_workspace: args.max_workspace };
    if let Some(path) = &args.lock {
        options.choices = lock::choices(path, &options, threads, args.locked)?;
    }
    if args.lock.is_none() {
        database::calibrate(&mut options, args.db.as_deref());
    }
    options.dump = args.dump.clone();
    Ok(options)
}

/// Name and tensor of `NAME=FILE.npy`.
pub fn content(flag: &str, arg: &str) -> Result<(String, Tensor), CliError> {
    let form = || CliError::Usage(format!("{flag} {arg}: it is to be of the form NAME=FILE.npy"));
    let (name, file) = split_last(arg).ok_or_else(form)?;
    Ok((name.to_string(), npy::read(file.as_ref())?))
}

/// The instruction sets of those names.
pub fn isas(names: &[String]) -> Result<Vec<Isa>, CliError> {
    let mut isas: Vec<Isa> = vec![];
    for name in names {
        let isa = match name.as_str() {
            "native" => Isa::detect().ok_or_else(|| failure::compile(CompileError::UnknownMachine))?,
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

/// The code generator that a flag names, or the best that is built in.
pub fn backend(arg: Option<BackendArg>) -> Backend {
    match arg {
        Some(BackendArg::Llvm) => Backend::Llvm,
        Some(BackendArg::Cranelift) => Backend::Cranelift,
        None if Backend::Llvm.available() => Backend::Llvm,
        None => Backend::Cranelift,
    }
}
