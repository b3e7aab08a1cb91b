//! Where a model's constants are.
//!
//! Those of an artifact stay in the mapped file, which costs no time and is shared with every process that maps it, but
//! for the weights that a step only streams through (a fully connected layer on one image): such a step is bound by
//! memory, and reads huge pages faster than a file's small ones. These weights are copied, once a model, and the pages
//! of the file are given back piece by piece, so that nothing counts twice.

use crate::memory::{HUGE_PAGE, Pages};
use cnnc_artifact::{Place, Plan, Reader};
use cnnc_tensor::Tensor;
use std::sync::Arc;

/// Operations for each byte of a constant up to which its step streams it: two for each f32 and row of the result, for
/// up to four rows.
const STREAMED_FLOPS_PER_BYTE: f64 = 2.0;

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
        let ranges = if artifact.is_mapped() { streamed(plan) } else { vec![] };
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

/// The ranges of constants that steps stream, ascending and apart, each of a huge page at least.
fn streamed(plan: &Plan) -> Vec<(u64, u64)> {
    let mut ranges = vec![];
    for step in &plan.steps {
        let flops = plan.layers[step.layer as usize].flops;
        for &(place, bytes) in &step.args {
            if let Place::Constant(at) = place
                && bytes >= HUGE_PAGE as u64
                && flops <= STREAMED_FLOPS_PER_BYTE * bytes as f64
            {
                ranges.push((at, at.saturating_add(bytes)));
            }
        }
    }
    ranges.sort_unstable();
    let mut apart: Vec<(u64, u64)> = vec![];
    for (begin, end) in ranges {
        match apart.last_mut().filter(|last| begin < last.1) {
            Some(last) => last.1 = last.1.max(end),
            None => apart.push((begin, end)),
        }
    }
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
    use cnnc_artifact::{Layer, Step};

    #[test]
    fn large_constants_of_steps_with_little_arithmetic_are_streamed_once() {
        let mebibytes = 1u64 << 20;
        let layer = |flops: f64| Layer {
            name: "fc".into(),
            op: "matmul".into(),
            candidate: String::new(),
            chosen_by: String::new(),
            generic: false,
            flops,
            output: String::new(),
            error: 0.0,
            workspace: 0,
        };
        let step = |layer: u32, at: u64, bytes: u64| Step {
            layer,
            kernel: 0,
            extent: 1,
            args: vec![(Place::Arena(0), bytes), (Place::Constant(at), bytes)],
        };
        let plan = Plan {
            layers: vec![layer(4e6), layer(1e9)],
            steps: vec![
                step(0, 64 * mebibytes, 8 * mebibytes),
                step(0, 0, 8 * mebibytes),
                step(0, 4 * mebibytes, 8 * mebibytes),
                step(0, 32 * mebibytes, mebibytes),
                step(1, 40 * mebibytes, 8 * mebibytes),
            ],
            ..Plan::default()
        };
        assert_eq!(streamed(&plan), [(0, 12 * mebibytes), (64 * mebibytes, 72 * mebibytes)]);
    }
}
