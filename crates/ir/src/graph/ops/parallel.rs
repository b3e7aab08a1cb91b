//! Work that several threads share. What is computed never depends on how it is shared.

use std::sync::{Mutex, PoisonError};

/// Multiply-adds below which starting threads costs more than they save.
const WORTH_THREADS: usize = 1 << 22;

/// Parts into which work of that many multiply-adds is to be cut: one where it is small, else one a processor.
pub(super) fn parts(multiply_adds: usize) -> usize {
    if multiply_adds < WORTH_THREADS { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) }
}

/// Calls `work` for every item, on that many threads.
pub(super) fn for_each<I: Send>(items: Vec<I>, threads: usize, work: &(dyn Fn(I) + Sync)) {
    if threads <= 1 || items.len() <= 1 {
        return items.into_iter().for_each(work);
    }
    let queue = Mutex::new(items.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = next() {
                    work(item);
                }
            });
        }
    });
}
