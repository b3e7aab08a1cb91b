//! Reductions against the reference evaluation.

mod common;

use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::ReduceKind;
use cnnc_tensor::{DType, Tensor};
use common::{Case, Random, cases, targets};
use proptest::prelude::*;

const KINDS: [ReduceKind; 5] = [ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max, ReduceKind::Min, ReduceKind::Prod];

fn reduce(kind: ReduceKind, axes: &[usize], keep_dims: bool) -> Op {
    Op::Reduce { kind, axes: axes.to_vec(), keep_dims }
}

fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 1e-14,
        DType::F32 => 2e-6,
        _ => 2e-2,
    }
}

#[test]
fn every_type_and_kind() {
    let mut random = Random::new(1);
    for dtype in DType::ALL {
        for kind in KINDS {
            if dtype == DType::Bool && !matches!(kind, ReduceKind::Max | ReduceKind::Min) {
                continue;
            }
            let x = random.tensor(dtype, &[3, 5, 37]);
            for axes in [&[2][..], &[1], &[0, 2], &[0, 1, 2]] {
                Case::new(reduce(kind, axes, false), vec![x.clone()]).tolerance(tolerance(dtype)).check_all();
            }
        }
    }
}

#[test]
fn empty_reductions_are_neutral() {
    let mut random = Random::new(2);
    for kind in KINDS {
        for dtype in [DType::F32, DType::I32, DType::U8, DType::I64] {
            Case::new(reduce(kind, &[1], true), vec![random.tensor(dtype, &[2, 0, 3])]).check_all();
            Case::new(reduce(kind, &[0], false), vec![random.tensor(dtype, &[2, 0, 3])]).check_all();
        }
        for target in targets() {
            let x = random.tensor(DType::F32, &[2, target.lanes + 1, 3, 0]);
            let case = Case::new(reduce(kind, &[3], true), vec![x]).blocked(target.lanes, &[]);
            assert_eq!(case.check(&target).len(), 1);
        }
    }
}

#[test]
fn not_a_number_stays() {
    for at in [0, 3, 16, 40, 70] {
        let mut values: Vec<f64> = (0..71).map(|k| f64::from(k) - 30.0).collect();
        values[at] = f64::NAN;
        for kind in [ReduceKind::Max, ReduceKind::Min] {
            for dims in [[1, 71], [71, 1]] {
                let x = Tensor::from_f64(DType::F32, &dims, &values).unwrap();
                for axis in [0, 1] {
                    Case::new(reduce(kind, &[axis], true), vec![x.clone()]).tolerance(0.0).check_all();
                }
            }
        }
    }
}

#[test]
fn global_pooling_of_blocked_layouts() {
    let mut random = Random::new(3);
    for target in targets() {
        for channels in [1, target.lanes, 2 * target.lanes + 3] {
            for kind in KINDS {
                let x = random.tensor(DType::F32, &[2, channels, 7, 5]);
                for axes in [&[2, 3][..], &[3], &[]] {
                    let case = Case::new(reduce(kind, axes, true), vec![x.clone()]).blocked(target.lanes, &[]);
                    assert_eq!(case.check(&target).len(), 1);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn random_shapes(seed: u64) {
        let mut random = Random::new(seed);
        let dims: Vec<usize> = (0..1 + random.below(4)).map(|_| random.pick(&[1, 1, 2, 3, 5, 8, 19, 33])).collect();
        let axes: Vec<usize> = (0..dims.len()).filter(|_| random.below(2) == 0).collect();
        let dtype = random.pick(&[DType::F32, DType::F32, DType::F64, DType::I32]);
        let kind = random.pick(&[ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max]);
        let op = reduce(kind, &axes, random.below(2) == 0);
        let mut x = random.tensor(dtype, &dims);
        if kind != ReduceKind::Max {
            // A sum that cancels is far from exact relative to itself.
            x.as_slice_mut::<f32>().into_iter().flatten().for_each(|value| *value = value.abs());
        }
        Case::new(op, vec![x]).tolerance(2e-5).check_all();
    }
}
