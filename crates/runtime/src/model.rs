//! A loaded network: executable code, constants, and the plan. Any number of sessions share one.

use crate::RuntimeError;
use crate::constants::Constants;
use crate::memory::Code;
use cnnc_artifact::{Io, Plan, Reader, Variant, check_variant};
use cnnc_tensor::Isa;
use std::path::Path;
use std::sync::Arc;

/// Machine form of a kernel: pointers to its buffers, the part `begin..end` of its parallel loop, and the thread's
/// scratch area, aligned to 64.
pub(crate) type Kernel = unsafe extern "C" fn(*const *mut u8, i64, i64, *mut u8);

/// A loaded network for one instruction set.
#[derive(Debug)]
pub struct Model {
    name: String,
    isa: Isa,
    backend: String,
    plan: Plan,
    code: Code,
    constants: Constants,
}

impl Model {
    /// Opens an artifact and loads the variant that is best on this machine.
    pub fn open(path: &Path) -> Result<Model, RuntimeError> {
        Model::load(&Arc::new(Reader::open(path)?))
    }

    /// Loads the variant of an open artifact that is best on this machine: of the highest instruction set that the
    /// processor has; the first of those.
    pub fn load(artifact: &Arc<Reader>) -> Result<Model, RuntimeError> {
        let host = host()?;
        let best = (0..artifact.variants().len())
            .rev()
            .filter_map(|k| Isa::from_name(&artifact.variants()[k].isa).filter(|isa| *isa <= host).map(|isa| (isa, k)))
            .max_by_key(|(isa, _)| *isa);
        match best {
            Some((_, k)) => Model::load_variant(artifact, k),
            None => {
                let have: Vec<&str> = artifact.variants().iter().map(|v| v.isa.as_str()).collect();
                let have = if have.is_empty() { "none".to_string() } else { have.join(", ") };
                Err(RuntimeError::NoVariant { have, host: host.to_string() })
            }
        }
    }

    /// Loads the k-th variant of an open artifact. The checksums of its code and constants are checked.
    pub fn load_variant(artifact: &Arc<Reader>, k: usize) -> Result<Model, RuntimeError> {
        artifact.verify(k)?;
        let variant = &artifact.variants()[k];
        Ok(Model {
            name: artifact.model().to_string(),
            isa: check_isa(&variant.isa)?,
            backend: variant.backend.clone(),
            plan: variant.plan.clone(),
            code: Code::new(artifact.code(k))?,
            constants: Constants::of(artifact, &variant.plan),
        })
    }

    /// Loads a variant that was just compiled.
    pub fn from_variant(name: &str, variant: Variant) -> Result<Model, RuntimeError> {
        check_variant(&variant).map_err(RuntimeError::Plan)?;
        Ok(Model {
            name: name.to_string(),
            isa: check_isa(&variant.isa)?,
            backend: variant.backend,
            plan: variant.plan,
            code: Code::new(&variant.code)?,
            constants: Constants::of_tensors(variant.constants)?,
        })
    }

    /// Name of the model.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Instruction set of the code.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Code generator that made the code.
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The inputs, in the model's order.
    pub fn inputs(&self) -> &[Io] {
        &self.plan.inputs
    }

    /// The outputs, in the model's order. Where [`Io::extent`] is set, axis 0 is the largest that it can be.
    pub fn outputs(&self) -> &[Io] {
        &self.plan.outputs
    }

    /// The function of a kernel of the plan.
    pub(crate) fn kernel(&self, index: u32) -> Kernel {
        let entry = self.code.at(self.plan.entries[index as usize]);
        // SAFETY: the checked plan's entry point lies inside the code, which is executable; that a kernel of this
        // signature stands there is what the artifact is trusted for.
        unsafe { std::mem::transmute::<*const u8, Kernel>(entry) }
    }

    /// Address of a constant; the checked plan's places lie inside the constants. Never written through.
    pub(crate) fn constant(&self, at: u64) -> *const u8 {
        self.constants.at(at)
    }
}

/// The best instruction set of this machine.
fn host() -> Result<Isa, RuntimeError> {
    if !cfg!(target_arch = "x86_64") {
        return Err(RuntimeError::Host(std::env::consts::ARCH));
    }
    Isa::detect().ok_or(RuntimeError::Host("a processor below x86-64-v2"))
}

/// The instruction set of that name, if this machine has it.
fn check_isa(name: &str) -> Result<Isa, RuntimeError> {
    let host = host()?;
    let missing = || RuntimeError::NoVariant { have: name.to_string(), host: host.to_string() };
    Isa::from_name(name).filter(|isa| *isa <= host).ok_or_else(missing)
}
