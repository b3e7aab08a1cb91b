//! Writes artifacts. The layout is computed first, so the file is written in one go from front to back.

use crate::format::{HEADER, Kind, Section, encode_header, encode_table};
use crate::{ArtifactError, Manifest, Place, Plan, StoredVariant, Variant, check_plan, write_atomically};
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

/// A compiled network in memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Artifact {
    /// Name of the model.
    pub model: String,
    /// Program and version that made it: `cnnc 0.1.0`.
    pub producer: String,
    /// One for each instruction set or set of shapes. Equal constants are stored once.
    pub variants: Vec<Variant>,
}

impl Artifact {
    /// Writes the artifact to a file, atomically.
    pub fn write_file(&self, path: &Path) -> Result<(), ArtifactError> {
        let layout = Layout::of(self)?;
        write_atomically(path, |writer| layout.write(writer))
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArtifactError> {
        let mut bytes = Vec::new();
        let write = Layout::of(self)?.write(&mut bytes);
        write.map_err(|source| ArtifactError::Write { path: "memory".into(), source })?;
        Ok(bytes)
    }
}

/// The pieces of a file, by ascending offset.
struct Layout<'a> {
    sections: Vec<Section>,
    contents: Vec<&'a [u8]>,
    manifest: Vec<u8>,
    next: u64,
}

impl<'a> Layout<'a> {
    fn of(artifact: &'a Artifact) -> Result<Layout<'a>, ArtifactError> {
        let mut layout = Layout { sections: vec![], contents: vec![], manifest: vec![], next: HEADER as u64 };
        let mut known: HashMap<(u128, usize), u32> = HashMap::new();
        let mut constants: Vec<Vec<u32>> = vec![];
        for variant in &artifact.variants {
            check_variant(variant).map_err(ArtifactError::Invalid)?;
            let mut sections = vec![];
            for (_, tensor) in &variant.constants {
                let bytes = tensor.bytes();
                let key = (xxh3_128(bytes), bytes.len());
                sections.push(*known.entry(key).or_insert_with(|| layout.add(Kind::Constant, bytes)));
            }
            constants.push(sections);
        }
        let mut variants = vec![];
        for (variant, constants) in artifact.variants.iter().zip(constants) {
            let starts = variant.constants.iter().zip(&constants);
            let starts: Vec<(u64, u64)> =
                starts.map(|((from, _), &s)| (*from, layout.sections[s as usize].offset)).collect();
            variants.push(StoredVariant {
                isa: variant.isa.clone(),
                backend: variant.backend.clone(),
                code: layout.add(Kind::Code, &variant.code),
                plan: relocated(&variant.plan, &starts),
                constants,
            });
        }
        let (model, producer) = (artifact.model.clone(), artifact.producer.clone());
        layout.manifest = serde_json::to_vec(&Manifest { model, producer, variants })
            .map_err(|error| ArtifactError::Invalid(format!("manifest: {error}")))?;
        Ok(layout)
    }

    fn add(&mut self, kind: Kind, bytes: &'a [u8]) -> u32 {
        let offset = self.next.next_multiple_of(kind.alignment());
        self.next = offset + bytes.len() as u64;
        self.sections.push(Section { kind, offset, length: bytes.len() as u64, checksum: xxh3_64(bytes) });
        self.contents.push(bytes);
        self.sections.len() as u32 - 1
    }

    fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        let mut sections = self.sections.clone();
        let (offset, length) = (self.next, self.manifest.len() as u64);
        sections.push(Section { kind: Kind::Manifest, offset, length, checksum: xxh3_64(&self.manifest) });
        let table = encode_table(&sections);
        let end = offset + length;
        writer.write_all(&encode_header(end + table.len() as u64, end, &sections))?;
        let mut at = HEADER as u64;
        for (section, content) in self.sections.iter().zip(&self.contents) {
            io::copy(&mut io::Read::take(io::repeat(0), section.offset - at), writer)?;
            writer.write_all(content)?;
            at = section.offset + section.length;
        }
        writer.write_all(&self.manifest)?;
        writer.write_all(&table)
    }
}

/// Checks a variant in memory: its constants and its plan.
pub fn check_variant(variant: &Variant) -> Result<(), String> {
    let ranges: Vec<(u64, u64)> =
        variant.constants.iter().map(|(at, tensor)| (*at, tensor.bytes().len() as u64)).collect();
    let apart = |w: &[(u64, u64)]| w[0].0.checked_add(w[0].1).is_some_and(|end| end <= w[1].0);
    if !ranges.windows(2).all(apart) {
        return Err("constants overlap or are not in order".into());
    }
    check_plan(&variant.plan, variant.code.len() as u64, &ranges).map_err(|what| format!("{}: {what}", variant.isa))
}

/// The plan with its constants moved: `starts` holds the old and the new start of each, the old ones ascending.
fn relocated(plan: &Plan, starts: &[(u64, u64)]) -> Plan {
    let mut plan = plan.clone();
    for (place, _) in plan.steps.iter_mut().flat_map(|step| &mut step.args) {
        if let Place::Constant(at) = place {
            let after = starts.partition_point(|(from, _)| from <= at);
            let (from, to) = starts[after.saturating_sub(1)];
            *at = *at - from + to;
        }
    }
    plan
}
