//! Softmax against the reference evaluation.

mod common;

use cnnc_ir::graph::Op;
use cnnc_tensor::DType;
use common::{Case, Random};

#[test]
fn along_every_axis() {
    let mut random = Random::new(1);
    for log in [false, true] {
        for dims in [[2, 3, 4, 5], [1, 19, 1, 33], [3, 1, 100, 1], [2, 0, 3, 1]] {
            for (axis, end) in [(0, 1), (1, 2), (2, 3), (3, 4), (1, 3), (2, 4), (0, 4)] {
                let x = random.floats(DType::F32, &dims, -8.0, 8.0);
                Case::new(Op::Softmax { axis, end, log }, vec![x]).tolerance(1e-6).check_all();
            }
        }
        for (dtype, tolerance) in [(DType::F64, 1e-14), (DType::F16, 1e-2), (DType::BF16, 2e-2)] {
            let x = random.floats(dtype, &[3, 21], -8.0, 8.0);
            Case::new(Op::Softmax { axis: 1, end: 2, log }, vec![x.clone()]).tolerance(tolerance).check_all();
            Case::new(Op::Softmax { axis: 0, end: 1, log }, vec![x]).tolerance(tolerance).check_all();
        }
    }
}

#[test]
fn large_and_infinite_elements() {
    let mut random = Random::new(2);
    for dims in [[1, 37], [37, 1]] {
        for log in [false, true] {
            let x = random.floats(DType::F32, &dims, -3e5, 3e5);
            let axis = if dims[0] == 1 { 1 } else { 0 };
            Case::new(Op::Softmax { axis, end: axis + 1, log }, vec![x.clone()]).check_all();
            let mut x = x;
            x.set(3, cnnc_tensor::Scalar::f32(f32::NEG_INFINITY));
            Case::new(Op::Softmax { axis, end: axis + 1, log: false }, vec![x.clone()]).check_all();
            x.set(9, cnnc_tensor::Scalar::f32(f32::NAN));
            Case::new(Op::Softmax { axis, end: axis + 1, log: false }, vec![x]).check_all();
        }
    }
}
