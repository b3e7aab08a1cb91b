//! A run allocates nothing after the first one of a session, timed or not. Without the test harness, whose own thread
//! allocates when it likes.
#![allow(clippy::unwrap_used)]

mod machine_code;

use cnnc_runtime::{Model, Session, Timeline};
use machine_code::{COUNT, reversing};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator, counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn main() {
    if !cfg!(target_arch = "x86_64") {
        println!("skipped: machine code for x86-64");
        return;
    }
    let model = Arc::new(Model::from_variant("net", reversing(9)).unwrap());
    let (input, mut output) = (vec![0u8; 4 * COUNT], vec![0u8; 4 * COUNT]);
    for threads in [1, 2, 4] {
        let mut session = Session::new(&model, threads).unwrap();
        let mut timeline = Timeline::new();
        // Threads allocate as they start up: the first run waits until they have.
        session.run_timed(&[&input], &mut [&mut output], &mut timeline).unwrap();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for _ in 0..50 {
            session.run(&[&input], &mut [&mut output]).unwrap();
            session.run_timed(&[&input], &mut [&mut output], &mut timeline).unwrap();
        }
        assert_eq!(ALLOCATIONS.load(Ordering::Relaxed), before, "{threads} threads");
    }
    println!("no allocation in 100 runs each on 1, 2 and 4 threads");
}
