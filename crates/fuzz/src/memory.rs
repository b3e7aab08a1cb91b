//! A global allocator that counts: the peak since the last reset, and a bound above which it calls for help.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// The allocator.
pub struct Counting;

static CURRENT: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static BOUND: AtomicUsize = AtomicUsize::new(usize::MAX);
static EXCEEDED: AtomicBool = AtomicBool::new(false);

fn grow(bytes: usize) {
    let now = CURRENT.fetch_add(bytes, Relaxed).saturating_add(bytes);
    PEAK.fetch_max(now, Relaxed);
    if now > BOUND.load(Relaxed) && !EXCEEDED.swap(true, Relaxed) {
        // The watching thread reports it and ends the process: the allocation would only harm the machine.
        loop {
            std::thread::park();
        }
    }
}

// SAFETY: every call goes on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        CURRENT.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Old and new stand side by side while the content is moved.
        grow(size);
        CURRENT.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Starts a measurement; beyond `bound` bytes more than now, allocation stops and [`exceeded`] becomes true.
pub fn start(bound: u64) -> usize {
    let now = CURRENT.load(Relaxed);
    PEAK.store(now, Relaxed);
    BOUND.store(now.saturating_add(bound as usize), Relaxed);
    now
}

/// Bytes at the peak since [`start`] returned `from`.
pub fn peak(from: usize) -> u64 {
    BOUND.store(usize::MAX, Relaxed);
    PEAK.load(Relaxed).saturating_sub(from) as u64
}

/// Whether the bound was exceeded.
pub fn exceeded() -> bool {
    EXCEEDED.load(Relaxed)
}
