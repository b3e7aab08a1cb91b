//! The file format, version 1. All numbers are little-endian; offsets count bytes from the start of the file.
//!
//! ```text
//! 0    header, 64 bytes
//!        0  magic "\x89CNNA\r\n\n"     8  u32 format version     12  u32 number of sections
//!       16  u64 length of the file    24  u64 offset of the section table
//!       32  u64 xxh3 of the section table     40  zero     56  u64 xxh3 of the header's first 56 bytes
//! ..   sections, in any order
//! ..   section table, 40 bytes a section:
//!        0  u32 kind     4  zero     8  u64 offset     16  u64 length     24  u64 xxh3 of its bytes     32  zero
//! ```
//!
//! There is one section of kind *manifest* (JSON: see [`crate::Manifest`]), one of kind *code* per variant, aligned to
//! a page, and one of kind *constant* per distinct packed tensor, aligned to 64. In a stored plan
//! [`Place::Constant`](crate::Place::Constant) counts from the start of the file, so that the mapped file is the
//! constants area of every variant and equal tensors are stored once.
//!
//! Invariants, checked when a file is opened: sections lie inside the file and overlap neither each other nor the
//! header nor the table; alignments hold; every checksum of what is read is right.

use crate::ArtifactError;
use xxhash_rust::xxh3::xxh3_64;

/// Version of the format.
pub const VERSION: u32 = 1;
/// First bytes of every artifact. The high bit and the line ends show a transfer as text.
pub const MAGIC: [u8; 8] = *b"\x89CNNA\r\n\n";
pub(crate) const HEADER: usize = 64;
pub(crate) const ENTRY: usize = 40;
/// Alignment of constants.
pub(crate) const CONSTANT_ALIGNMENT: u64 = 64;
/// Alignment of code.
pub(crate) const PAGE: u64 = 4096;

/// What a section holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The manifest.
    Manifest,
    /// Machine code of a variant.
    Code,
    /// A packed tensor.
    Constant,
}

impl Kind {
    fn number(self) -> u32 {
        match self {
            Kind::Manifest => 1,
            Kind::Code => 2,
            Kind::Constant => 3,
        }
    }

    fn from_number(number: u32) -> Option<Kind> {
        [Kind::Manifest, Kind::Code, Kind::Constant].into_iter().find(|k| k.number() == number)
    }

    /// Name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Manifest => "manifest",
            Kind::Code => "code",
            Kind::Constant => "constant",
        }
    }

    pub(crate) fn alignment(self) -> u64 {
        match self {
            Kind::Manifest => 1,
            Kind::Code => PAGE,
            Kind::Constant => CONSTANT_ALIGNMENT,
        }
    }
}

/// A section: a range of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// What it holds.
    pub kind: Kind,
    /// Where it starts.
    pub offset: u64,
    /// Its length in bytes.
    pub length: u64,
    /// xxh3 of its bytes.
    pub checksum: u64,
}

impl Section {
    /// The section's bytes. In range for a file that [`parse`] took.
    pub(crate) fn of<'a>(&self, file: &'a [u8]) -> &'a [u8] {
        let range = self.offset as usize..(self.offset.saturating_add(self.length)) as usize;
        file.get(range).unwrap_or_default()
    }

    /// Checks the section's checksum.
    pub(crate) fn verify(&self, index: usize, file: &[u8]) -> Result<(), ArtifactError> {
        if xxh3_64(self.of(file)) == self.checksum {
            return Ok(());
        }
        Err(ArtifactError::Damaged(format!("section {index} ({}, {} bytes)", self.kind.name(), self.length)))
    }
}

/// The header of a file of `length` bytes with that section table.
pub(crate) fn encode_header(length: u64, table_offset: u64, sections: &[Section]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[0..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..16].copy_from_slice(&(sections.len() as u32).to_le_bytes());
    header[16..24].copy_from_slice(&length.to_le_bytes());
    header[24..32].copy_from_slice(&table_offset.to_le_bytes());
    header[32..40].copy_from_slice(&xxh3_64(&encode_table(sections)).to_le_bytes());
    let checksum = xxh3_64(&header[..56]);
    header[56..64].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// The section table.
pub(crate) fn encode_table(sections: &[Section]) -> Vec<u8> {
    let mut table = Vec::with_capacity(sections.len() * ENTRY);
    for section in sections {
        table.extend_from_slice(&u64::from(section.kind.number()).to_le_bytes());
        table.extend_from_slice(&section.offset.to_le_bytes());
        table.extend_from_slice(&section.length.to_le_bytes());
        table.extend_from_slice(&section.checksum.to_le_bytes());
        table.extend_from_slice(&[0; 8]);
    }
    table
}

/// The sections of a file, header and table checked, section contents not.
pub(crate) fn parse(file: &[u8]) -> Result<Vec<Section>, ArtifactError> {
    if file.is_empty() {
        return Err(ArtifactError::NotAnArtifact(": the file is empty"));
    }
    let head = file.len().min(MAGIC.len());
    if file[..head] != MAGIC[..head] {
        return Err(ArtifactError::NotAnArtifact(match file {
            [b'\x89', b'C', b'N', b'N', b'A', ..] => ": its line ends were changed, by a transfer as text",
            _ => "",
        }));
    }
    let Some(header) = file.first_chunk::<HEADER>() else {
        return Err(ArtifactError::Truncated(format!("{} bytes, less than the header", file.len())));
    };
    let version = u32_at(header, 8);
    if version != VERSION {
        return Err(ArtifactError::Version { found: version, known: VERSION });
    }
    if xxh3_64(&header[..56]) != u64_at(header, 56) {
        return Err(ArtifactError::Damaged("the header".into()));
    }
    let (length, actual) = (u64_at(header, 16), file.len() as u64);
    if actual < length {
        return Err(ArtifactError::Truncated(format!("the file has {actual} bytes of {length}")));
    }
    if actual > length {
        return Err(ArtifactError::Invalid(format!("{} bytes follow its end", actual - length)));
    }
    let table_offset = u64_at(header, 24);
    let table_bytes = u64::from(u32_at(header, 12)) * ENTRY as u64;
    let table = range(file, table_offset, table_bytes)
        .ok_or_else(|| ArtifactError::Invalid("the section table lies outside the file".into()))?;
    if xxh3_64(table) != u64_at(header, 32) {
        return Err(ArtifactError::Damaged("the section table".into()));
    }
    let sections =
        table.chunks_exact(ENTRY).enumerate().map(|(k, e)| parse_entry(k, e, file)).collect::<Result<Vec<_>, _>>()?;
    check_overlaps(&sections, (table_offset, table_bytes))?;
    Ok(sections)
}

fn parse_entry(index: usize, entry: &[u8], file: &[u8]) -> Result<Section, ArtifactError> {
    let invalid = |what: &str| ArtifactError::Invalid(format!("section {index} {what}"));
    let kind = u32::try_from(u64_at(entry, 0)).ok().and_then(Kind::from_number);
    let kind = kind.ok_or_else(|| invalid("is of an unknown kind"))?;
    let section = Section { kind, offset: u64_at(entry, 8), length: u64_at(entry, 16), checksum: u64_at(entry, 24) };
    range(file, section.offset, section.length).ok_or_else(|| invalid("lies outside the file"))?;
    if !section.offset.is_multiple_of(kind.alignment()) {
        return Err(invalid("is not aligned"));
    }
    Ok(section)
}

fn check_overlaps(sections: &[Section], table: (u64, u64)) -> Result<(), ArtifactError> {
    let mut ranges: Vec<(u64, u64)> = sections.iter().map(|s| (s.offset, s.length)).collect();
    ranges.extend([(0, HEADER as u64), table]);
    ranges.retain(|r| r.1 > 0);
    ranges.sort_unstable();
    // Every range was found to lie inside the file: no sum overflows.
    if ranges.windows(2).any(|w| w[0].0 + w[0].1 > w[1].0) {
        return Err(ArtifactError::Invalid("sections overlap".into()));
    }
    Ok(())
}

pub(crate) fn range(file: &[u8], offset: u64, length: u64) -> Option<&[u8]> {
    let end = offset.checked_add(length)?;
    file.get(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)
}

/// Sets every checksum right that can be found, for tests that change metadata. Bytes that are no artifact stay as
/// they are.
pub fn reseal(file: &mut [u8]) {
    let Some(header) = file.first_chunk::<HEADER>() else { return };
    let (offset, count) = (u64_at(header, 24), u64::from(u32_at(header, 12)));
    if range(file, offset, count * ENTRY as u64).is_some() {
        let (start, end) = (offset as usize, (offset + count * ENTRY as u64) as usize);
        for at in (start..end).step_by(ENTRY) {
            let (offset, length) = (u64_at(file, at + 8), u64_at(file, at + 16));
            if let Some(checksum) = range(file, offset, length).map(xxh3_64) {
                file[at + 24..at + 32].copy_from_slice(&checksum.to_le_bytes());
            }
        }
        let checksum = xxh3_64(&file[start..end]);
        file[32..40].copy_from_slice(&checksum.to_le_bytes());
    }
    let checksum = xxh3_64(&file[..56]);
    file[56..64].copy_from_slice(&checksum.to_le_bytes());
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}
