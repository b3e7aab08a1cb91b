//! Numbered dumps of the stages that changed something.

use crate::CompileError;
use std::path::PathBuf;

/// Writes stages to a folder, or nowhere.
#[derive(Debug)]
pub struct Dump {
    folder: Option<PathBuf>,
    number: usize,
}

impl Dump {
    /// A dump into a folder, which is made where it is not there.
    pub fn new(folder: Option<PathBuf>) -> Result<Dump, CompileError> {
        if let Some(path) = &folder {
            std::fs::create_dir_all(path).map_err(|source| CompileError::Dump { path: path.clone(), source })?;
        }
        Ok(Dump { folder, number: 0 })
    }

    /// Writes `NN-stage.cir`; the text is made only where it is wanted.
    pub fn stage(&mut self, stage: &str, text: impl FnOnce() -> String) -> Result<(), CompileError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let path = folder.join(format!("{:02}-{stage}.cir", self.number));
        self.number += 1;
        std::fs::write(&path, text()).map_err(|source| CompileError::Dump { path, source })
    }
}
