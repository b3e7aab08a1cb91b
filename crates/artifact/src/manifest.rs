//! What a file's manifest says, as JSON.

use crate::Plan;
use serde::{Deserialize, Serialize};

/// The manifest of an artifact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the model.
    pub model: String,
    /// Program and version that wrote the file.
    pub producer: String,
    /// The variants.
    pub variants: Vec<StoredVariant>,
}

/// A variant as stored: its code and constants are sections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredVariant {
    /// Instruction set, by name.
    pub isa: String,
    /// Code generator that made it.
    pub backend: String,
    /// The section with its machine code.
    pub code: u32,
    /// The sections with its constants.
    pub constants: Vec<u32>,
    /// Its plan; places of constants count from the start of the file.
    pub plan: Plan,
}
