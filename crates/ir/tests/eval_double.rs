//! Evaluation in double precision: products that are large enough for blocks and threads against naive loops, and
//! whole graphs with f64 for every f32.

#![allow(clippy::unwrap_used)] // helpers of tests

mod random_graph;

use cnnc_ir::expr::{Expr, parse_expr};
use cnnc_ir::graph::ops::Window;
use cnnc_ir::graph::{Graph, Op, TensorType, eval_op, evaluate, seeded, verify, widened};
use cnnc_tensor::{DType, Tensor};
use proptest::prelude::*;
use random_graph::random_graph;

/// Numbers from -1 to 1 that use all bits of an f64.
fn noise(dims: &[usize], seed: u64) -> Tensor {
    let mut state = seed;
    let values: Vec<f64> = (0..dims.iter().product::<usize>())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect();
    Tensor::from_vec(dims, &values).unwrap()
}

fn assert_near(got: &Tensor, want: &[f64]) {
    let got = got.as_slice::<f64>().unwrap();
    assert_eq!(got.len(), want.len());
    for (k, (got, want)) in got.iter().zip(want).enumerate() {
        assert!((got - want).abs() <= 1e-12 * want.abs().max(1.0), "{k}: {got} for {want}");
    }
}

/// Channels of a group are not a multiple of the threads' share; images times groups are fewer than the threads, or
/// more.
#[test]
fn large_convolutions_match_naive_loops() {
    for (images, groups, group_in, group_out, size) in [(1, 1, 37, 75, 21), (2, 3, 16, 13, 24)] {
        let window = Window {
            kernel: vec![3, 3],
            strides: vec![1, 1],
            dilations: vec![1, 1],
            pads_begin: vec![1, 0],
            pads_end: vec![0, 1],
        };
        let x = noise(&[images, groups * group_in, size, size + 1], 1);
        let w = noise(&[groups * group_out, group_in, 3, 3], 2);
        let (height, width) = (size - 1, size);
        let (xs, ws) = (x.as_slice::<f64>().unwrap(), w.as_slice::<f64>().unwrap());
        let mut want = vec![0.0; images * groups * group_out * height * width];
        for (plane, want) in want.chunks_mut(height * width).enumerate() {
            let (image, o) = (plane / (groups * group_out), plane % (groups * group_out));
            for (at, want) in want.iter_mut().enumerate() {
                for c in 0..group_in {
                    let channel = image * groups * group_in + o / group_out * group_in + c;
                    for (i, j) in (0..9).map(|tap| (tap / 3, tap % 3)) {
                        let (row, column) = (at / width + i, at % width + j);
                        if row > 0 && row <= size && column < size + 1 {
                            let x = xs[(channel * size + row - 1) * (size + 1) + column];
                            *want += x * ws[(o * group_in + c) * 9 + i * 3 + j];
                        }
                    }
                }
            }
        }
        let op = Op::Conv { window, groups, interleaved: false, tail: Expr::input(0) };
        assert_near(&eval_op(&op, &[&x, &w]).unwrap()[0], &want);
    }
}

/// Many rows, one row, several matrices; blocks that do not divide the extents.
#[test]
fn large_products_match_naive_loops() {
    for (batch, m, k, n) in [(1, 131, 300, 257), (1, 1, 3000, 1501), (3, 70, 129, 190)] {
        for (trans_a, trans_b) in [(false, false), (true, false), (false, true), (true, true)] {
            let a = noise(&[batch, if trans_a { k } else { m }, if trans_a { m } else { k }], 3);
            let b = noise(&[if trans_b { n } else { k }, if trans_b { k } else { n }], 4);
            let (a_values, b_values) = (a.as_slice::<f64>().unwrap(), b.as_slice::<f64>().unwrap());
            let mut want = vec![0.0; batch * m * n];
            for (at, want) in want.iter_mut().enumerate() {
                let (matrix, row, column) = (at / (m * n), at / n % m, at % n);
                for i in 0..k {
                    let a = a_values[matrix * m * k + if trans_a { i * m + row } else { row * k + i }];
                    *want += a * b_values[if trans_b { column * k + i } else { i * n + column }];
                }
            }
            let op = Op::MatMul { trans_a, trans_b, tail: Expr::input(0) };
            assert_near(&eval_op(&op, &[&a, &b]).unwrap()[0], &want);
        }
    }
}

/// `(x + 1) - 1` loses a small x in single precision; the constant 0.1 stays the f32 that the network has.
#[test]
fn widened_graphs_do_not_round() {
    let mut graph = Graph::new("g");
    let x = graph.add_input("x", TensorType::plain(DType::F32, &[1]));
    let expr = parse_expr("mul(sub(add($0, f32:1), f32:1), f32:0.1)").unwrap();
    let y = graph.add1("y", Op::map(expr), &[x]).unwrap();
    graph.add_output("y", y);
    let small = 2f32.powi(-30);
    let inputs = [Tensor::from_vec(&[1], &[small]).unwrap()];
    assert_eq!(evaluate(&graph, &inputs).unwrap()[0].to_f64_vec(), [0.0]);
    let exact = f64::from(small) * f64::from(0.1f32);
    assert_eq!(evaluate(&widened(&graph).unwrap(), &inputs).unwrap()[0].to_f64_vec(), [exact]);
}

proptest! {
    /// Every float result of a widened graph is an f64, and the graph verifies.
    #[test]
    fn widened_random_graphs_verify(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let graph = random_graph(&bytes);
        let wide = widened(&graph).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert!(verify(&wide).is_ok(), "{:?}", verify(&wide));
        for (narrow, wide_output) in graph.outputs.iter().zip(&wide.outputs) {
            let (from, to) = (graph.ty(narrow.value), wide.ty(wide_output.value));
            let expected = if from.dtype == DType::F32 { DType::F64 } else { from.dtype };
            prop_assert_eq!((&to.dims, to.dtype, to.layout), (&from.dims, expected, from.layout));
        }
        let inputs: Vec<Tensor> =
            graph.inputs().iter().enumerate().map(|(k, &id)| seeded(graph.ty(id), k as u64).unwrap()).collect();
        if evaluate(&graph, &inputs).is_ok() {
            let wide = evaluate(&wide, &inputs);
            prop_assert!(wide.is_ok(), "{:?}", wide.err());
        }
    }
}
