//! Positions of extremes, running sums and local response normalisation against the reference evaluation.

mod common;

use cnnc_ir::graph::Op;
use cnnc_tensor::{DType, Scalar, Tensor};
use common::{Case, Random, targets};

const SHAPES: [[usize; 3]; 5] = [[2, 7, 5], [1, 100, 1], [3, 4, 33], [5, 1, 1], [1, 70, 1]];

#[test]
fn positions_of_extremes() {
    let mut random = Random::new(1);
    for dims in SHAPES {
        for dtype in [DType::F32, DType::F64, DType::I32, DType::I64, DType::U8, DType::F16] {
            // few values, so that equal ones are common
            let values: Vec<f64> = (0..dims.iter().product()).map(|_| random.below(6) as f64).collect();
            let x = Tensor::from_f64(dtype, &dims, &values).unwrap_or_else(|e| panic!("{e}"));
            for axis in 0..3 {
                for (largest, last) in [(true, false), (true, true), (false, false), (false, true)] {
                    let op = Op::ArgReduce { largest, axis, keep_dims: axis == 1, last };
                    Case::new(op, vec![x.clone()]).check_all();
                }
            }
        }
    }
}

#[test]
fn not_a_number_is_never_best() {
    let mut random = Random::new(2);
    for nans in [1, 20, 60, 69, 70] {
        for dims in [[70, 1], [1, 70]] {
            let mut x = random.tensor(DType::F32, &dims);
            (0..nans).for_each(|k| x.set((k * 11) % 70, Scalar::f32(f32::NAN)));
            for (largest, last) in [(true, false), (true, true), (false, false), (false, true)] {
                let axis = if dims[0] == 70 { 0 } else { 1 };
                let op = Op::ArgReduce { largest, axis, keep_dims: true, last };
                Case::new(op, vec![x.clone()]).check_all();
            }
        }
    }
}

#[test]
fn running_sums() {
    let mut random = Random::new(3);
    for dims in SHAPES {
        for dtype in [DType::F32, DType::F64, DType::I32, DType::U8] {
            let x = random.tensor(dtype, &dims);
            for axis in 0..3 {
                for (exclusive, reverse) in [(false, false), (true, false), (false, true), (true, true)] {
                    let op = Op::CumSum { axis, exclusive, reverse };
                    Case::new(op, vec![x.clone()]).check_all();
                }
            }
        }
    }
    let empty = random.tensor(DType::F32, &[2, 0, 3]);
    Case::new(Op::CumSum { axis: 1, exclusive: false, reverse: false }, vec![empty]).check_all();
}

#[test]
fn local_response() {
    let mut random = Random::new(4);
    for size in [1, 2, 3, 5, 9] {
        for beta in [0.75f32, 0.5, 1.0, 0.6] {
            let op = Op::Lrn { size, alpha: 0.3f32.to_bits(), beta: beta.to_bits(), bias: 1.5f32.to_bits() };
            let x = random.tensor(DType::F32, &[2, 21, 3, 7]);
            Case::new(op.clone(), vec![x.clone()]).check_all();
            Case::new(op.clone(), vec![random.tensor(DType::F64, &[1, 4])]).tolerance(1e-14).check_all();
            for target in targets() {
                for channels in [3, target.lanes, 2 * target.lanes + 3] {
                    let x = random.tensor(DType::F32, &[2, channels, 3, 5]);
                    let case = Case::new(op.clone(), vec![x]).blocked(target.lanes, &[]);
                    assert_eq!(case.check(&target).len(), 1);
                }
            }
        }
    }
}
