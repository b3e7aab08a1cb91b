//! Arguments of `cnnc inputs`, by which `cnnc run` asks for the inputs that a model declares: a JSON array of
//! [`Input`](crate::Input).

use std::path::PathBuf;

/// Print the inputs that a model declares
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The model (.onnx)
    pub model: PathBuf,
}
