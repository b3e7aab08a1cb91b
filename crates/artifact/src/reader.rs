//! Reads artifacts: maps the file and checks everything that a later step relies on.
//!
//! Opening reads header, section table and manifest and checks every plan against the sections. The content of code and
//! constants is checked by [`Reader::verify`], for the variants that are used, since it touches every page.

use crate::format::{self, Kind, Section};
use crate::{ArtifactError, Manifest, StoredVariant, check_plan};
use cnnc_tensor::AlignedBytes;
use std::fs::File;
use std::path::Path;

/// An open artifact. It may be shared; nothing in it changes.
#[derive(Debug)]
pub struct Reader {
    bytes: Bytes,
    sections: Vec<Section>,
    manifest: Manifest,
}

enum Bytes {
    Mapped(memmap2::Mmap),
    Owned(AlignedBytes),
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Bytes::Mapped(map) => write!(f, "Mapped({} bytes)", map.len()),
            Bytes::Owned(bytes) => write!(f, "Owned({} bytes)", bytes.len()),
        }
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

impl Reader {
    /// Maps a file. It must not be changed in place while it is mapped; replacing it by renaming, as the writer does,
    /// is fine.
    pub fn open(path: &Path) -> Result<Reader, ArtifactError> {
        let fail = |source| ArtifactError::Read { path: path.to_path_buf(), source };
        let file = File::open(path).map_err(fail)?;
        if file.metadata().map_err(fail)?.len() == 0 {
            return Err(ArtifactError::NotAnArtifact(": the file is empty"));
        }
        // SAFETY: the mapping is private and read only. As with a shared object, whoever changes the file in place
        // breaks the program that has it mapped; the documentation says so.
        let map = unsafe { memmap2::Mmap::map(&file) }.map_err(fail)?;
        Reader::new(Bytes::Mapped(map))
    }

    /// Reads an artifact that is in memory, such as one that was embedded by `include_bytes!`.
    pub fn from_bytes(bytes: AlignedBytes) -> Result<Reader, ArtifactError> {
        Reader::new(Bytes::Owned(bytes))
    }

    /// Whether a file starts as an artifact does.
    pub fn looks_like_artifact(start: &[u8]) -> bool {
        start.starts_with(&format::MAGIC[..5])
    }

    fn new(bytes: Bytes) -> Result<Reader, ArtifactError> {
        let sections = format::parse(&bytes)?;
        let mut manifests = sections.iter().enumerate().filter(|(_, s)| s.kind == Kind::Manifest);
        let (Some((index, section)), None) = (manifests.next(), manifests.next()) else {
            return Err(ArtifactError::Invalid("it needs exactly one manifest".into()));
        };
        section.verify(index, &bytes)?;
        let manifest: Manifest = serde_json::from_slice(section.of(&bytes))
            .map_err(|error| ArtifactError::Invalid(format!("manifest: {error}")))?;
        let reader = Reader { bytes, sections, manifest };
        for variant in &reader.manifest.variants {
            reader.check(variant).map_err(|what| ArtifactError::Invalid(format!("variant {}: {what}", variant.isa)))?;
        }
        Ok(reader)
    }

    fn check(&self, variant: &StoredVariant) -> Result<(), String> {
        let section = |index: u32, kind: Kind| {
            let found = self.sections.get(index as usize).filter(|s| s.kind == kind);
            found.ok_or_else(|| format!("section {index} is no {} section", kind.name()))
        };
        let code = section(variant.code, Kind::Code)?;
        let ranges = variant.constants.iter().map(|&k| section(k, Kind::Constant).map(|s| (s.offset, s.length)));
        check_plan(&variant.plan, code.length, &ranges.collect::<Result<Vec<_>, _>>()?)
    }

    /// Name of the model.
    pub fn model(&self) -> &str {
        &self.manifest.model
    }

    /// Program and version that wrote the file.
    pub fn producer(&self) -> &str {
        &self.manifest.producer
    }

    /// The variants.
    pub fn variants(&self) -> &[StoredVariant] {
        &self.manifest.variants
    }

    /// The sections of the file.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// The whole file, which is the constants area of every stored plan; aligned to 64.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the artifact is a mapped file, whose pages [`release`](Reader::release) gives back.
    pub fn is_mapped(&self) -> bool {
        matches!(self.bytes, Bytes::Mapped(_))
    }

    /// Gives the pages of a range of [`bytes`](Reader::bytes) back to the system where the file is mapped: they no longer
    /// count as this process's memory, and are mapped anew when they are read again.
    pub fn release(&self, offset: u64, length: u64) {
        #[cfg(unix)]
        if let (Bytes::Mapped(map), Some(_)) = (&self.bytes, format::range(&self.bytes, offset, length)) {
            // SAFETY: nobody writes to the mapping, so dropped pages come back from the file as they were. Only advice:
            // where it is refused, the pages stay.
            let _ = unsafe {
                map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, offset as usize, length as usize)
            };
        }
    }

    /// Machine code of a variant; nothing for a variant that is not there.
    pub fn code(&self, variant: usize) -> &[u8] {
        let section = self.variants().get(variant).and_then(|v| self.sections.get(v.code as usize));
        section.map_or(&[], |s| s.of(&self.bytes))
    }

    /// Bytes of a variant's constants.
    pub fn constant_bytes(&self, variant: usize) -> u64 {
        let Some(variant) = self.variants().get(variant) else { return 0 };
        variant.constants.iter().filter_map(|&k| self.sections.get(k as usize)).map(|s| s.length).sum()
    }

    /// Checks the checksums of a variant's code and constants.
    pub fn verify(&self, variant: usize) -> Result<(), ArtifactError> {
        let Some(variant) = self.variants().get(variant) else {
            return Err(ArtifactError::Invalid(format!("it has no variant {variant}")));
        };
        for &index in std::iter::once(&variant.code).chain(&variant.constants) {
            self.sections[index as usize].verify(index as usize, &self.bytes)?;
        }
        Ok(())
    }

    /// Checks the checksum of every section.
    pub fn verify_all(&self) -> Result<(), ArtifactError> {
        self.sections.iter().enumerate().try_for_each(|(k, section)| section.verify(k, &self.bytes))
    }
}
