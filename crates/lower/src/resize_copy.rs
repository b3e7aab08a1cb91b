//! Resize by copies whose rule is affine: nearest neighbour by a whole factor upwards (each element repeated) or
//! downwards (every n-th element kept), along every resampled axis. No table is read; doubling a plain image interleaves
//! a row with itself.

use crate::box_copy::{AxisMap, BoxCopy, Side, with_zero_tail};
use crate::copy_kernel::{copy_candidates, copy_work, lower_copies};
use crate::resize_nearest::copies_bits;
use crate::strided_copy::StridedCopy;
use crate::{Algorithm, Class, Region};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::Op;
use cnnc_tensor::Layout;

/// Resize by a whole factor without weights.
pub static RESIZE_COPY: Algorithm = Algorithm {
    name: "resize_copy",
    about: "nearest-neighbour resampling by a whole factor, as strided copies",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Tuned,
    candidates: |region, _, _| copy_candidates("resize_copy", copies(region)),
    packings: |_, _, _| vec![],
    work: |region, _, target| copy_work(region, &copies(region), target),
    lower: |region, candidate, target| lower_copies(candidate, region, copies(region), target),
};

fn copies(region: &Region) -> Option<Vec<StridedCopy>> {
    let Op::Resize { axes, .. } = region.op else { return None };
    let (operand, result) = (&region.inputs[0], &region.outputs[0]);
    let channels_split = [operand, result].iter().any(|ty| ty.layout != Layout::Plain);
    if !copies_bits(region) || channels_split && axes.contains(&1) {
        return None;
    }
    let (mut extents, mut from, mut to) = (vec![], vec![], vec![]);
    let map = |axis: usize, start: i64, step: i64| Some(AxisMap { axis, start, step });
    for (axis, &size) in result.dims.iter().enumerate() {
        let Some(k) = axes.iter().position(|&a| a == axis) else {
            extents.push(size);
            from.push(map(axis, 0, 1));
            to.push(map(axis, 0, 1));
            continue;
        };
        let index = region.constants.get(1 + 2 * k).copied().flatten()?.to_i64_vec();
        let (start, step, repeat) = affine(&index, operand.dims[axis])?;
        extents.extend([size / repeat.max(1), repeat]);
        from.extend([map(axis, start, step), None]);
        to.extend([map(axis, 0, repeat as i64), map(axis, 0, 1)]);
    }
    let from = Side { ty: operand, maps: from };
    let copy = BoxCopy { extents, from: Some((0, from)), to: Side { ty: result, maps: to } };
    Some(with_zero_tail(copy.strided(), result))
}

/// First index, step, and how often each index is repeated, where a table is of that form.
fn affine(index: &[i64], size: usize) -> Option<(i64, i64, usize)> {
    if index.iter().any(|&i| i < 0 || i >= size as i64) {
        return None;
    }
    let &first = index.first()?;
    let repeat = index.iter().take_while(|&&i| i == first).count();
    let step = index.get(repeat).map_or(1, |&next| next - first);
    let formed = |(at, &i): (usize, &i64)| i == first + (at / repeat) as i64 * step;
    (index.len().is_multiple_of(repeat) && index.iter().enumerate().all(formed)).then_some((first, step, repeat))
}
