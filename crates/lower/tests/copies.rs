//! Convert, transpose, concat, slice, pad, broadcast and reshape against the reference: random shapes with dims of 0 and
//! 1, every element size, every pair of layouts.

#![allow(clippy::unwrap_used)]

mod common;

use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::PadMode;
use cnnc_tensor::{DType, Layout, Tensor};
use common::{Case, Random};
use proptest::prelude::*;

const DTYPES: [DType; 7] = [DType::F32, DType::I64, DType::F16, DType::BF16, DType::U8, DType::Bool, DType::F64];
const LAYOUTS: [Layout; 5] =
    [Layout::Plain, Layout::Blocked(4), Layout::Blocked(8), Layout::Blocked(16), Layout::Blocked(6)];

fn exact(op: Op, inputs: Vec<Tensor>) -> Case {
    Case::new(op, inputs).tolerance(0.0)
}

/// Dims of a rank: mostly small, at times 0, 1 or larger than vectors and tiles.
fn dims(random: &mut Random, rank: usize) -> Vec<usize> {
    (0..rank)
        .map(|_| match random.below(12) {
            0 => 1,
            1 if random.below(4) == 0 => 0,
            2 | 3 => 16 + random.below(24),
            _ => 2 + random.below(8),
        })
        .collect()
}

fn layout(random: &mut Random, rank: usize) -> Layout {
    if rank < 2 { Layout::Plain } else { random.pick(&LAYOUTS) }
}

/// Checks an operator on operands in random layouts, with the result in another.
fn check(random: &mut Random, op: Op, inputs: Vec<Tensor>, result_rank: usize) {
    let inputs = inputs.iter().map(|t| t.with_layout(layout(random, t.dims().len())).unwrap()).collect();
    let target = random.pick(&[0, 1, 2, 3]);
    let case = exact(op, inputs).result_layout(layout(random, result_rank));
    assert!(!case.check(&common::targets()[target]).is_empty(), "no algorithm for {:?}", case.op);
}

fn shuffled(random: &mut Random, rank: usize) -> Vec<usize> {
    let mut perm: Vec<usize> = (0..rank).collect();
    for k in (1..rank).rev() {
        perm.swap(k, random.below(k + 1));
    }
    perm
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn convert(seed: u64) {
        let random = &mut Random::new(seed);
        let rank = 2 + random.below(3);
        let x = { let (t, d) = (random.pick(&DTYPES), dims(random, rank)); random.tensor(t, &d) };
        let to = layout(random, rank);
        check_convert(random, x, to);
    }

    #[test]
    fn transpose(seed: u64) {
        let random = &mut Random::new(seed);
        let rank = 1 + random.below(5);
        let x = { let (t, d) = (random.pick(&DTYPES), dims(random, rank)); random.tensor(t, &d) };
        let perm = shuffled(random, rank);
        check(random, Op::Transpose { perm }, vec![x], rank);
    }

    #[test]
    fn concat(seed: u64) {
        let random = &mut Random::new(seed);
        let rank = 1 + random.below(4);
        let axis = random.below(rank);
        let (dtype, mut dims) = (random.pick(&DTYPES), dims(random, rank));
        let operands = (0..1 + random.below(4))
            .map(|_| {
                dims[axis] = random.below(if axis == 1 { 40 } else { 12 });
                random.tensor(dtype, &dims)
            })
            .collect();
        check(random, Op::Concat { axis }, operands, rank);
    }

    #[test]
    fn slice(seed: u64) {
        let random = &mut Random::new(seed);
        let rank = 1 + random.below(4);
        let (dtype, whole) = (random.pick(&DTYPES), dims(random, rank));
        let (mut starts, mut steps, mut dims) = (vec![], vec![], vec![]);
        for &size in &whole {
            let step: isize = random.pick(&[1, 1, 1, 2, -1, 3, -2]);
            let start = random.below(size.max(1));
            let room = match step {
                _ if size == 0 => 0,
                1.. => (size - start).div_ceil(step as usize),
                _ => start / step.unsigned_abs() + 1,
            };
            starts.push(start);
            steps.push(step);
            dims.push(if random.below(3) == 0 { random.below(room + 1) } else { room });
        }
        let x = random.tensor(dtype, &whole);
        check(random, Op::Slice { starts, steps, dims }, vec![x], rank);
    }

    #[test]
    fn pad(seed: u64) {
        let random = &mut Random::new(seed);
        let rank = 1 + random.below(4);
        let mode = random.pick(&[PadMode::Constant, PadMode::Reflect, PadMode::Edge, PadMode::Wrap]);
        let (dtype, mut whole) = (random.pick(&DTYPES), dims(random, rank));
        let (mut begin, mut end) = (vec![], vec![]);
        for size in &mut whole {
            if mode != PadMode::Constant {
                *size = (*size).max(1);
            }
            let pads = [random.below(8) as isize - 2, random.below(8) as isize - 2];
            let fits = random.below(2) == 0 && *size as isize + pads[0] + pads[1] >= 0;
            begin.push(if fits { pads[0] } else { 0 });
            end.push(if fits { pads[1] } else { 0 });
        }
        let mut inputs = vec![random.tensor(dtype, &whole)];
        if mode == PadMode::Constant && random.below(2) == 0 {
            inputs.push(random.tensor(dtype, &[]));
        }
        check(random, Op::Pad { mode, begin, end }, inputs, rank);
    }

    #[test]
    fn broadcast(seed: u64) {
        let random = &mut Random::new(seed);
        let rank = 1 + random.below(4);
        let result = dims(random, rank);
        let own = random.below(rank + 1);
        let operand: Vec<usize> =
            result[rank - own..].iter().map(|&d| if random.below(2) == 0 { 1 } else { d }).collect();
        let dtype = random.pick(&DTYPES);
        let x = random.tensor(dtype, &operand);
        check(random, Op::Broadcast { dims: result }, vec![x], rank);
    }
}

fn check_convert(random: &mut Random, x: Tensor, to: Layout) {
    let rank = x.dims().len();
    let from = layout(random, rank);
    let case = exact(Op::Convert { layout: to }, vec![x.with_layout(from).unwrap()]).result_layout(to);
    let target = random.below(4);
    assert!(!case.check(&common::targets()[target]).is_empty());
}

#[test]
fn large_conversions_use_every_tile() {
    let random = &mut Random::new(1);
    for dims in [[2, 48, 7, 7], [1, 40, 13, 13], [1, 3, 20, 20], [2, 64, 1, 1], [1, 17, 2, 2]] {
        let x = random.tensor(DType::F32, &dims);
        for block in [4, 8, 16] {
            let blocked = Layout::Blocked(block);
            exact(Op::Convert { layout: blocked }, vec![x.clone()]).result_layout(blocked).check_all();
            let x = x.with_layout(blocked).unwrap();
            exact(Op::Convert { layout: Layout::Plain }, vec![x]).result_layout(Layout::Plain).check_all();
        }
    }
}

#[test]
fn images_change_between_channels_first_and_last() {
    let random = &mut Random::new(2);
    for dtype in [DType::U8, DType::F16, DType::F32, DType::F64] {
        for channels in [1, 2, 3, 4, 5, 21] {
            let x = random.tensor(dtype, &[2, 19, 23, channels]);
            exact(Op::Transpose { perm: vec![0, 3, 1, 2] }, vec![x]).check_all();
            let x = random.tensor(dtype, &[1, channels, 19, 23]);
            exact(Op::Transpose { perm: vec![0, 2, 3, 1] }, vec![x]).check_all();
        }
    }
}

#[test]
fn long_rows_are_cut() {
    let random = &mut Random::new(3);
    let x = random.tensor(DType::U8, &[3, 9001]);
    exact(Op::Reshape { dims: vec![9001, 3] }, vec![x.clone()]).check_all();
    exact(Op::Broadcast { dims: vec![2, 3, 9001] }, vec![x]).check_all();
    let x = random.tensor(DType::U8, &[2, 1]);
    exact(Op::Broadcast { dims: vec![2, 9001] }, vec![x]).check_all();
}

#[test]
fn many_mirrored_axes_are_padded_one_after_the_other() {
    let random = &mut Random::new(4);
    for mode in [PadMode::Reflect, PadMode::Edge, PadMode::Wrap] {
        let x = random.tensor(DType::F32, &[3, 2, 4, 5]);
        let op = Op::Pad { mode, begin: vec![2, 5, 3, 1], end: vec![1, 0, 9, 2] };
        exact(op.clone(), vec![x.clone()]).check_all();
        exact(op, vec![x.with_layout(Layout::Blocked(4)).unwrap()]).result_layout(Layout::Blocked(8)).check_all();
    }
}
