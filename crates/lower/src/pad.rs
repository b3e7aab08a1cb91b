//! Pad: a tensor grown or cropped along axes, in any pair of layouts.
//!
//! Along each axis the result falls into stretches that read the operand by a fixed step (1 inside, 0 where an edge is
//! repeated, -1 where it is mirrored) or that hold the constant; the result is the product of the axes' stretches, each
//! box a copy. Where that makes too many boxes, one axis is padded after the other through workspace.

use crate::box_copy::{AxisMap, BoxCopy, Side, with_zero_tail};
use crate::copy_kernel::{copy_kernel, copy_work, lower_copies, not_here};
use crate::operand::elements;
use crate::strided_copy::StridedCopy;
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::ops::PadMode;
use cnnc_ir::graph::{Candidate, Op, TensorType};
use cnnc_tensor::Target;

/// Padding and cropping.
pub static PAD: Algorithm = Algorithm {
    name: "pad",
    about: "a tensor grown or cropped, box by box",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Tuned,
    candidates: |region, _, _| if applies(region) { vec![Candidate::new("pad", &[])] } else { vec![] },
    packings: |_, _, _| vec![],
    work: |region, _, target| copy_work(region, &Some(stages(region).concat()), target),
    lower,
};

/// More boxes than this are not put into one kernel.
const MOST_BOXES: usize = 32;

/// Positions `begin..begin + len` of the result along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    begin: usize,
    len: usize,
    /// First coordinate in the operand and its step; `None`: outside.
    source: Option<(i64, i64)>,
}

fn applies(region: &Region) -> bool {
    let Op::Pad { mode, .. } = region.op else { return false };
    *mode == PadMode::Constant || region.outputs[0].count() == 0 || region.inputs[0].count() > 0
}

/// The coordinate of the operand that a position before or beyond it reads; `None`: the constant.
fn source(mode: PadMode, at: i64, size: i64) -> Option<i64> {
    match mode {
        PadMode::Constant => (0..size).contains(&at).then_some(at),
        PadMode::Edge => Some(at.clamp(0, size - 1)),
        PadMode::Wrap => Some(at.rem_euclid(size)),
        PadMode::Reflect if size == 1 => Some(0),
        PadMode::Reflect => {
            let period = 2 * (size - 1);
            let at = at.rem_euclid(period);
            Some(at.min(period - at))
        }
    }
}

fn stretches(mode: PadMode, begin: isize, size: usize, result: usize) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = vec![];
    for i in 0..result {
        let at = source(mode, i as i64 - begin as i64, size as i64);
        match (stretches.last_mut(), at) {
            (Some(Stretch { len, source: None, .. }), None) => *len += 1,
            (Some(Stretch { len, source: Some((first, step)), .. }), Some(at))
                if at == *first + *len as i64 * *step || *len == 1 && (-1..=1).contains(&(at - *first)) =>
            {
                *step = if *len == 1 { at - *first } else { *step };
                *len += 1;
            }
            _ => stretches.push(Stretch { begin: i, len: 1, source: at.map(|at| (at, 1)) }),
        }
    }
    stretches
}

/// The copies that pad `operand` (the region's operand 0) to `result` along the axes whose stretches are given.
fn boxes(
    operand: &TensorType,
    result: &TensorType,
    axes: &[Vec<Stretch>],
    constant: Option<(usize, &TensorType)>,
) -> Vec<StridedCopy> {
    let rank = axes.len();
    let mut copies = vec![];
    let mut copy = |stretches: &[Stretch], inside: bool| {
        let map =
            |(axis, stretch): (usize, &Stretch)| stretch.source.map(|(start, step)| AxisMap { axis, start, step });
        let from = match (inside, constant) {
            (true, _) => Some((0, Side { ty: operand, maps: stretches.iter().enumerate().map(map).collect() })),
            (false, Some((k, ty))) => Some((k, Side { ty, maps: vec![None; rank] })),
            (false, None) => None,
        };
        let to = Side::at(result, &stretches.iter().map(|s| s.begin).collect::<Vec<_>>());
        copies.extend(BoxCopy { extents: stretches.iter().map(|s| s.len).collect(), from, to }.strided());
    };
    // Depth first over the axes; once an axis is outside, the later ones are taken whole.
    let mut open: Vec<Vec<Stretch>> = vec![vec![]];
    while let Some(prefix) = open.pop() {
        let axis = prefix.len();
        if axis == rank {
            copy(&prefix, true);
            continue;
        }
        for &stretch in &axes[axis] {
            let mut stretches = prefix.clone();
            stretches.push(stretch);
            if stretch.source.is_some() {
                open.push(stretches);
            } else {
                let rest = result.dims[axis + 1..].iter().map(|&len| Stretch { begin: 0, len, source: None });
                stretches.extend(rest);
                copy(&stretches, false);
            }
        }
    }
    with_zero_tail(copies, result)
}

/// The copies of each kernel: one, or one for each padded axis; operand 0 of a later one is the earlier one's result.
fn stages(region: &Region) -> Vec<Vec<StridedCopy>> {
    planned(region).into_iter().map(|(_, copies)| copies).collect()
}

fn planned(region: &Region) -> Vec<(TensorType, Vec<StridedCopy>)> {
    let Op::Pad { mode, begin, .. } = region.op else { return vec![] };
    let (operand, result) = (&region.inputs[0], &region.outputs[0]);
    if result.count() == 0 {
        return vec![(result.clone(), vec![])];
    }
    let constant = region.inputs.get(1).map(|ty| (1, ty));
    let axes: Vec<Vec<Stretch>> =
        (0..result.dims.len()).map(|k| stretches(*mode, begin[k], operand.dims[k], result.dims[k])).collect();
    let count: usize = match mode {
        PadMode::Constant => 0,
        _ => axes.iter().map(Vec::len).product(),
    };
    if count <= MOST_BOXES {
        return vec![(result.clone(), boxes(operand, result, &axes, constant))];
    }
    let mut stages = vec![];
    let mut from = operand.clone();
    let changed: Vec<usize> =
        (0..axes.len()).filter(|&k| axes[k] != stretches(*mode, 0, operand.dims[k], operand.dims[k])).collect();
    for (number, &k) in changed.iter().enumerate() {
        let mut to = from.clone();
        to.dims[k] = result.dims[k];
        if number + 1 == changed.len() {
            to.layout = result.layout;
        }
        let one: Vec<Vec<Stretch>> = (0..axes.len())
            .map(|a| if a == k { axes[k].clone() } else { stretches(*mode, 0, from.dims[a], from.dims[a]) })
            .collect();
        stages.push((to.clone(), boxes(&from, &to, &one, None)));
        from = to;
    }
    stages
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    if !applies(region) {
        return Err(not_here(candidate, region));
    }
    let mut stages = planned(region);
    if stages.len() == 1 {
        return lower_copies(candidate, region, stages.pop().map(|(_, copies)| copies), target);
    }
    let mut lowering = LoweringBuilder::default();
    let (mut from, mut elems) = (Operand::Input(0), elements(&region.inputs[0]));
    let last = stages.len() - 1;
    for (number, (ty, copies)) in stages.into_iter().enumerate() {
        let to = if number == last { Operand::Output(0) } else { lowering.workspace(ty.bytes()) };
        let kernel = copy_kernel("pad", ty.dtype, &[elems], elements(&ty), &copies, target);
        lowering.call(kernel, vec![from, to]);
        (from, elems) = (to, elements(&ty));
    }
    Ok(lowering.finish())
}
