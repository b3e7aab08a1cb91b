//! Where a model's constants are.
//!
//! A run reads most weights once, from memory. From a file's small pages that takes an address translation each 4 kB, where
//! the processor's own prefetching ends too. So the constants of an artifact are copied to huge pages, once a model, where
//! the system has such pages, and the pages of the file are given back piece by piece, so that nothing counts twice. What
//! would not fill a huge page stays in the mapped file, which costs no time and is shared with every process that maps it.

use crate::memory::{HUGE_PAGE, Pages, has_huge_pages};
use cnnc_artifact::{Place, Plan, Reader};
use cnnc_tensor::Tensor;
use std::sync::Arc;

/// The constants of a model. Read only.
#[derive(Debug)]
pub(crate) enum Constants {
    /// In an artifact; places count from its start.
    Artifact(Arc<Reader>, Vec<Copied>),
    /// In memory; ascending offsets.
    Tensors(Vec<(u64, Tensor)>),
}

/// A range of an artifact that was copied.
#[derive(Debug)]
pub(crate) struct Copied {
    begin: u64,
    end: u64,
    pages: Pages,
}

impl Constants {
    /// The constants of a plan of an artifact. What cannot be copied for want of memory stays where it is.
    pub(crate) fn of(artifact: &Arc<Reader>, plan: &Plan) -> Constants {
        let ranges = if artifact.is_mapped() && has_huge_pages() { large(plan) } else { vec![] };
        let copies = ranges.into_iter().map_while(|(begin, end)| copied(artifact, begin, end));
        Constants::Artifact(artifact.clone(), copies.collect())
    }

    /// Address of a constant; the checked plan's places lie inside the constants. Never written through.
    pub(crate) fn at(&self, at: u64) -> *const u8 {
        match self {
            Constants::Artifact(artifact, copies) => {
                let after = copies.partition_point(|c| c.begin <= at);
                match copies[..after].last().filter(|c| at < c.end) {
                    Some(copy) => copy.pages.bytes().as_ptr().wrapping_add((at - copy.begin) as usize),
                    None => artifact.bytes().as_ptr().wrapping_add(at as usize),
                }
            }
            Constants::Tensors(tensors) => {
                let after = tensors.partition_point(|(start, _)| *start <= at);
                let (start, tensor) = &tensors[after - 1];
                tensor.bytes().as_ptr().wrapping_add((at - start) as usize)
            }
        }
    }
}

/// The ranges of a plan's constants, ascending and apart, that fill a huge page at least.
fn large(plan: &Plan) -> Vec<(u64, u64)> {
    // Constants follow each other with padding between.
    const GAP: u64 = 4096;
    let args = plan.steps.iter().flat_map(|step| &step.args);
    let mut ranges: Vec<(u64, u64)> = args
        .filter_map(|&(place, bytes)| match place {
            Place::Constant(at) => Some((at, at.saturating_add(bytes))),
            _ => None,
        })
        .collect();
    ranges.sort_unstable();
    let mut apart: Vec<(u64, u64)> = vec![];
    for (begin, end) in ranges {
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
    fn constants_that_lie_together_are_copied_together() {
        let mebibytes = 1u64 << 20;
        let step = |constants: &[(u64, u64)]| {
            let constants = constants.iter().map(|&(at, bytes)| (Place::Constant(at), bytes));
            Step { layer: 0, kernel: 0, extent: 1, args: constants.chain([(Place::Arena(0), 64)]).collect() }
        };
        let plan = Plan {
            steps: vec![
                step(&[(64 * mebibytes, 8 * mebibytes)]),
                step(&[(0, mebibytes), (mebibytes + 64, mebibytes)]),
                step(&[(0, mebibytes), (32 * mebibytes, mebibytes)]),
                step(&[]),
            ],
            ..Plan::default()
        };
        assert_eq!(large(&plan), [(0, 2 * mebibytes + 64), (64 * mebibytes, 72 * mebibytes)]);
    }
}
