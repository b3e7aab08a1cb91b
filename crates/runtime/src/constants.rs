//! Where a model's constants are.
//!
//! They are copied to huge pages, once a model. How the page cache holds a file is up to chance and to its age: in large
//! pieces, or in small pages that lie anywhere in memory, as those of the allocator do, each of which begins with a TLB miss
//! and ends what the processor fetches ahead. Networks whose weights come from memory ran up to 8% slower from a file of an
//! hour before, and one and the same artifact 2% slower from one file than from another. The pages of the file are given
//! back piece by piece, so that nothing counts twice. What is too small for a huge page stays in the mapped file.

use crate::RuntimeError;
use crate::memory::{HUGE_PAGE, Pages};
use cnnc_artifact::{Place, Plan, Reader};
use cnnc_tensor::Tensor;
use std::sync::Arc;

/// Bytes between two constants up to which they are copied as one range.
const GAP: u64 = 64 << 10;

/// The constants of a model. Read only.
#[derive(Debug)]
pub(crate) struct Constants {
    /// The artifact that they are in; `None` where they were made in memory, and all copied.
    artifact: Option<Arc<Reader>>,
    /// Ascending.
    copies: Vec<Copied>,
}

/// A range that was copied; places in an artifact count from its start.
#[derive(Debug)]
pub(crate) struct Copied {
    begin: u64,
    end: u64,
    pages: Pages,
}

impl Constants {
    /// The constants of a plan of an artifact. What cannot be copied for want of memory stays where it is.
    pub(crate) fn of(artifact: &Arc<Reader>, plan: &Plan) -> Constants {
        let ranges = if artifact.is_mapped() { ranges(plan) } else { vec![] };
        let copies = ranges.into_iter().map_while(|(begin, end)| copied(artifact, begin, end));
        Constants { artifact: Some(artifact.clone()), copies: copies.collect() }
    }

    /// Constants that were made in memory: ascending offsets and contents.
    pub(crate) fn of_tensors(tensors: Vec<(u64, Tensor)>) -> Result<Constants, RuntimeError> {
        let end = tensors.last().map_or(0, |(at, tensor)| at.saturating_add(tensor.bytes().len() as u64));
        let mut pages = Pages::new(end, "weights")?;
        for (at, tensor) in tensors {
            pages.bytes_mut()[at as usize..][..tensor.bytes().len()].copy_from_slice(tensor.bytes());
        }
        Ok(Constants { artifact: None, copies: vec![Copied { begin: 0, end, pages }] })
    }

    /// Address of a constant; the checked plan's places lie inside the constants. Never written through.
    pub(crate) fn at(&self, at: u64) -> *const u8 {
        let after = self.copies.partition_point(|c| c.begin <= at);
        match (self.copies[..after].last().filter(|c| at < c.end), &self.artifact) {
            (Some(copy), _) => copy.pages.bytes().as_ptr().wrapping_add((at - copy.begin) as usize),
            (None, Some(artifact)) => artifact.bytes().as_ptr().wrapping_add(at as usize),
            // An empty one at the very end.
            (None, None) => std::ptr::dangling(),
        }
    }
}

/// The ranges of constants that steps read, ascending and apart, each of a huge page at least.
fn ranges(plan: &Plan) -> Vec<(u64, u64)> {
    let mut read = vec![];
    for (place, bytes) in plan.steps.iter().flat_map(|step| &step.args) {
        if let Place::Constant(at) = *place {
            read.push((at, at.saturating_add(*bytes)));
        }
    }
    read.sort_unstable();
    let mut apart: Vec<(u64, u64)> = vec![];
    for (begin, end) in read {
        match apart.last_mut().filter(|last| begin <= last.1.saturating_add(GAP)) {
            Some(last) => last.1 = last.1.max(end),
            None => apart.push((begin, end)),
        }
    }
    apart.retain(|(begin, end)| end - begin >= HUGE_PAGE as u64);
    apart
}

fn copied(artifact: &Reader, begin: u64, end: u64) -> Option<Copied> {
    let from = artifact.bytes().get(usize::try_from(begin).ok()?..usize::try_from(end).ok()?)?;
    let mut pages = Pages::new(end - begin, "weights").ok()?;
    let mut at = begin;
    for (from, to) in from.chunks(HUGE_PAGE).zip(pages.bytes_mut().chunks_mut(HUGE_PAGE)) {
        to[..from.len()].copy_from_slice(from);
        artifact.release(at, from.len() as u64);
        at += from.len() as u64;
    }
    Some(Copied { begin, end, pages })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cnnc_artifact::Step;

    #[test]
    fn constants_that_lie_together_are_one_range() {
        const MEBIBYTE: u64 = 1 << 20;
        let step = |at: u64, bytes: u64| Step {
            layer: 0,
            kernel: 0,
            extent: 1,
            args: vec![(Place::Arena(0), bytes), (Place::Constant(at), bytes)],
        };
        let steps = vec![
            step(64 * MEBIBYTE, 8 * MEBIBYTE),
            step(MEBIBYTE + 64, MEBIBYTE),
            step(0, MEBIBYTE),
            step(0, MEBIBYTE / 2),
            step(32 * MEBIBYTE, MEBIBYTE),
        ];
        let plan = Plan { steps, ..Plan::default() };
        assert_eq!(ranges(&plan), [(0, 2 * MEBIBYTE + 64), (64 * MEBIBYTE, 72 * MEBIBYTE)]);
    }
}
