//! Candidates that no list offered, as a tuner or a lock file may bring them: an error or verified kernels, no panic.
#![allow(clippy::unwrap_used)] // helpers of tests

mod common;

use cnnc_ir::expr::Expr;
use cnnc_ir::graph::ops::Window;
use cnnc_ir::graph::{Candidate, Op, TensorType, eval_op};
use cnnc_ir::kernel::verify;
use cnnc_lower::{Region, find};
use cnnc_tensor::{DType, Layout, Tensor};
use common::{Random, targets};

/// The algorithms that have parameters.
const MULTIPLYING: [&str; 13] = [
    "depthwise",
    "direct",
    "direct_plain",
    "direct_plain_input",
    "gemm",
    "separable",
    "grouped",
    "grouped_dense",
    "im2col",
    "implicit_gemm",
    "interleaved",
    "pointwise",
    "transposed_phases",
];

/// A convolution, a transposed convolution and a product, with operand layouts that many algorithms take.
fn problems(random: &mut Random, lanes: usize) -> Vec<(Op, Vec<Tensor>, TensorType)> {
    let window = |pad: usize| Window {
        kernel: vec![3, 3],
        strides: vec![2, 1],
        dilations: vec![1, 1],
        pads_begin: vec![pad, pad],
        pads_end: vec![pad, pad],
    };
    let blocked = Layout::Blocked(lanes);
    let tail = || Expr::input(0);
    let mut problems = vec![];
    for (groups, layouts) in [(1, (blocked, blocked)), (6, (blocked, blocked)), (3, (Layout::Plain, blocked))] {
        for layouts in [layouts, (Layout::Plain, Layout::Plain)] {
            let x = random.tensor(DType::F32, &[1, 12, 9, 7]).with_layout(layouts.0).unwrap();
            let w = random.tensor(DType::F32, &[24, 12 / groups, 3, 3]);
            let result = TensorType { dtype: DType::F32, dims: vec![1, 24, 5, 7], layout: layouts.1 };
            for interleaved in [false, true] {
                let op = Op::Conv { window: window(1), groups, interleaved, tail: tail() };
                problems.push((op, vec![x.clone(), w.clone()], result.clone()));
            }
        }
    }
    let x = random.tensor(DType::F32, &[1, 12, 4, 5]).with_layout(blocked).unwrap();
    let w = random.tensor(DType::F32, &[12, 20, 3, 3]);
    let result = TensorType { dtype: DType::F32, dims: vec![1, 20, 9, 7], layout: blocked };
    let op = Op::ConvTranspose { window: window(0), output_pads: vec![0, 0], groups: 1, tail: tail() };
    problems.push((op, vec![x, w], result));
    let x = random.tensor(DType::F32, &[1, 12, 9, 7]).with_layout(blocked).unwrap();
    let weights = [[12, 1, 3, 3], [1, 12, 1, 1], [20, 12, 1, 1]].map(|dims| random.tensor(DType::F32, &dims));
    let result = TensorType { dtype: DType::F32, dims: vec![1, 20, 5, 7], layout: blocked };
    let op = Op::Separable { window: window(1), between: Expr::input(0), tail: tail() };
    problems.push((op, [vec![x], weights.to_vec()].concat(), result));
    let (a, b) = (random.tensor(DType::F32, &[2, 5, 33]), random.tensor(DType::F32, &[33, 40]));
    let op = Op::MatMul { trans_a: false, trans_b: false, tail: tail() };
    problems.push((op, vec![a, b], TensorType::plain(DType::F32, &[2, 5, 40])));
    problems
}

#[test]
fn any_parameters_give_kernels_or_an_error() {
    let mut random = Random::new(31);
    let keys = ["mr", "nv", "rows", "tiles", "chunk", "weights_outer", "packed", "run", "px"];
    let (mut refused, mut lowered) = (0, 0);
    for target in targets() {
        for (op, inputs, result) in problems(&mut random, target.lanes) {
            let region = Region {
                name: "node",
                op: &op,
                inputs: inputs.iter().map(TensorType::of).collect(),
                constants: vec![None; inputs.len()],
                outputs: vec![result],
            };
            for algorithm in MULTIPLYING.iter().map(|name| find(name).unwrap()) {
                for _ in 0..30 {
                    let mut params = vec![];
                    for key in keys {
                        if random.below(20) > 0 {
                            params.push((key, random.pick(&[1, 2, 3, 4, 5, 7, 8, 16, 100, 0, -1])));
                        }
                    }
                    let candidate = Candidate::new(algorithm.name, &params);
                    let _ = (algorithm.work)(&region, &candidate, &target);
                    let mut packed = region.clone();
                    for packing in (algorithm.packings)(&region, &candidate, &target) {
                        let mut tensor = inputs[packing.input].clone();
                        for op in &packing.ops {
                            tensor = eval_op(op, &[&tensor]).unwrap().remove(0);
                        }
                        packed.inputs[packing.input] = TensorType::of(&tensor);
                    }
                    match (algorithm.lower)(&packed, &candidate, &target) {
                        Err(_) => refused += 1,
                        Ok(lowering) => {
                            lowered += 1;
                            for kernel in &lowering.kernels {
                                verify(kernel).unwrap_or_else(|e| panic!("{candidate:?}: {e}"));
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(refused > 100 && lowered > 100, "{refused} refused, {lowered} lowered");
}
