//! Memory straight from the system: zeroed, page-aligned, and returned when dropped.

use crate::RuntimeError;
use memmap2::{Mmap, MmapMut, MmapOptions};

/// Bytes of a huge page.
pub(crate) const HUGE_PAGE: usize = 2 << 20;

/// Zeroed memory that is aligned to a page, and to a huge page where it is large enough to use one.
#[derive(Debug)]
pub(crate) struct Pages {
    map: MmapMut,
    start: usize,
}

impl Pages {
    /// Memory of that many bytes. Nothing is committed before it is touched.
    pub(crate) fn new(bytes: u64, what: &'static str) -> Result<Pages, RuntimeError> {
        let fail = |source| RuntimeError::Memory { bytes, what, source };
        let slack = if bytes >= HUGE_PAGE as u64 { HUGE_PAGE as u64 } else { 0 };
        let size = usize::try_from(bytes.max(1).saturating_add(slack))
            .map_err(|_| fail(std::io::Error::from(std::io::ErrorKind::OutOfMemory)))?;
        let map = MmapOptions::new().len(size).map_anon().map_err(fail)?;
        let mut start = 0;
        if slack > 0 {
            start = map.as_ptr().align_offset(HUGE_PAGE).min(HUGE_PAGE);
            // Only advice: without huge pages everything works, at more TLB misses.
            #[cfg(target_os = "linux")]
            let _ = map.advise(memmap2::Advice::HugePage);
        }
        Ok(Pages { map, start })
    }

    /// First byte.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut u8 {
        self.bytes_mut().as_mut_ptr()
    }

    /// The memory; at least as much as was asked for.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.map[self.start..]
    }

    /// The memory; at least as much as was asked for.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.map[self.start..]
    }
}

/// Machine code that can be called.
#[derive(Debug)]
pub(crate) struct Code {
    map: Mmap,
}

impl Code {
    /// Copies code into memory of its own, which is then made executable and read only: at no time both writable and
    /// executable, and no longer dependent on the file.
    pub(crate) fn new(code: &[u8]) -> Result<Code, RuntimeError> {
        let fail = |source| RuntimeError::Memory { bytes: code.len() as u64, what: "code", source };
        let mut map = MmapOptions::new().len(code.len().max(1)).map_anon().map_err(fail)?;
        map[..code.len()].copy_from_slice(code);
        // x86-64 keeps instruction fetches coherent with stores: nothing has to be flushed.
        Ok(Code { map: map.make_exec().map_err(fail)? })
    }

    /// Address of the byte at an offset that lies inside the code.
    pub(crate) fn at(&self, offset: u64) -> *const u8 {
        self.map[offset as usize..].as_ptr()
    }
}
