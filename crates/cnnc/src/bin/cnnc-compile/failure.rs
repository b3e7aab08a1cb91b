//! What the compiler's errors mean to who called it.

use cnnc_autotune::{DatabaseError, TuneError};
use cnnc_cli::CliError;
use cnnc_compiler::CompileError;
use cnnc_onnx::ImportError;

/// A failed compilation.
pub fn compile(error: CompileError) -> CliError {
    let hint = match &error {
        CompileError::Import(error) => hint(error),
        CompileError::ErrorBound { floor, .. } => {
            Some(format!("the least that can be asked for is --max-error {floor:.1e}"))
        }
        CompileError::WorkspaceBound { least, .. } => {
            Some(format!("the least that can be asked for is --max-workspace {least}"))
        }
        _ => None,
    };
    CliError::Compile { users: error.is_users(), hint, message: error.to_string() }
}

/// A layer that could not be compiled or measured.
pub fn tune(error: TuneError) -> CliError {
    match error {
        TuneError::Layer(what) => CliError::Usage(what),
        TuneError::Compile(error) => compile(error),
        TuneError::Runtime(error) => error.into(),
        TuneError::Artifact(error) => error.into(),
    }
}

/// A tuning database that cannot be used.
pub fn database(error: DatabaseError) -> CliError {
    let message = error.to_string();
    if error.is_users() { CliError::Usage(message) } else { CliError::Crash(message) }
}

/// A failed import.
pub fn import(error: ImportError) -> CliError {
    compile(CompileError::Import(error))
}

fn hint(error: &ImportError) -> Option<String> {
    match error {
        ImportError::NeedsValue { inputs, .. } => {
            let flags: Vec<String> = inputs.iter().map(|name| format!("--bind {name}=FILE.npy")).collect();
            Some(format!("fix its content at compile time with {}", flags.join(" ")))
        }
        ImportError::Unsupported { .. } => Some("`cnnc list ops` shows the operators that are supported".into()),
        _ => None,
    }
}
