//! From a relocatable object to position-independent bytes without a symbol.
//!
//! All sections that are loaded are laid out one after the other, code first, and every relocation between them is
//! applied. Only what holds at any address and without a linker is accepted: PC-relative relocations against sections
//! of the object itself. A symbol that the object does not define (a library call), an absolute address, or writable
//! data is an error.

use object::elf::{SHF_ALLOC, SHF_WRITE};
use object::{
    Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget, SectionFlags, SectionKind, SymbolKind,
};

/// Code and data of one object, to be placed at a multiple of 64.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    /// Offset of the entry point.
    pub(crate) entry: usize,
}

/// Lays out an ELF object; its function `entry` is the piece's entry point.
pub(crate) fn link(elf: &[u8], entry: &str) -> Result<Piece, String> {
    let file = object::File::parse(elf).map_err(|e| e.to_string())?;
    let mut loaded = Vec::new();
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags } = section.flags() else { return Err("not an ELF object".into()) };
        if sh_flags & u64::from(SHF_ALLOC) == 0 || section.size() == 0 {
            continue;
        }
        let name = section.name().map_err(|e| e.to_string())?.to_string();
        if sh_flags & u64::from(SHF_WRITE) != 0 {
            return Err(format!("writable section {name}"));
        }
        match section.kind() {
            SectionKind::Text | SectionKind::ReadOnlyData | SectionKind::ReadOnlyString => loaded.push(section),
            kind => return Err(format!("section {name} of kind {kind:?}")),
        }
    }
    loaded.sort_by_key(|s| (s.kind() != SectionKind::Text, std::cmp::Reverse(s.align()), s.index().0));

    let mut bytes: Vec<u8> = Vec::new();
    let mut places = Vec::new();
    for section in &loaded {
        let align = section.align().max(1) as usize;
        if align > 64 {
            return Err(format!("alignment {align}"));
        }
        // Traps, should anything run into them.
        bytes.resize(bytes.len().next_multiple_of(align), 0xcc);
        places.push((section.index(), bytes.len()));
        bytes.extend(section.data().map_err(|e| e.to_string())?);
    }
    let place = |index| places.iter().find(|p| p.0 == index).map(|p| p.1);

    for section in &loaded {
        for (offset, relocation) in section.relocations() {
            let symbol = match relocation.target() {
                RelocationTarget::Symbol(index) => file.symbol_by_index(index).map_err(|e| e.to_string())?,
                target => return Err(format!("relocation against {target:?}")),
            };
            let name = symbol.name().unwrap_or_default();
            let RelocationFlags::Elf { r_type } = relocation.flags() else { return Err("not an ELF object".into()) };
            let Some(base) = symbol.section_index().and_then(place) else {
                return Err(format!("undefined symbol {name}"));
            };
            let at = place(section.index()).unwrap_or_default() + offset as usize;
            let value = (base as i64 + symbol.address() as i64).wrapping_add(relocation.addend()) - at as i64;
            let width = match r_type {
                object::elf::R_X86_64_PC32 | object::elf::R_X86_64_PLT32 => 4,
                object::elf::R_X86_64_PC64 => 8,
                other => return Err(format!("relocation of type {other} against {name}")),
            };
            if width == 4 && i32::try_from(value).is_err() {
                return Err(format!("relocation against {name} out of range"));
            }
            let hole = bytes.get_mut(at..at + width).ok_or("relocation outside its section")?;
            hole.copy_from_slice(&value.to_le_bytes()[..width]);
        }
    }

    let function = (file.symbols())
        .find(|s| s.kind() == SymbolKind::Text && s.name() == Ok(entry))
        .ok_or_else(|| format!("no symbol {entry}"))?;
    let base = function.section_index().and_then(place).ok_or_else(|| format!("undefined symbol {entry}"))?;
    let entry = base + function.address() as usize;
    if !entry.is_multiple_of(64) {
        return Err(format!("entry point at {entry}"));
    }
    Ok(Piece { bytes, entry })
}
