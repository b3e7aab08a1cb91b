//! Pooling against the reference evaluation.

#![allow(clippy::unwrap_used)]

mod common;

use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::{PoolKind, Window};
use cnnc_tensor::{DType, Tensor};
use common::{Case, Random, cases, targets};
use proptest::prelude::*;

fn window(kernel: &[usize], strides: &[usize], pads: &[usize]) -> Window {
    Window {
        kernel: kernel.to_vec(),
        strides: strides.to_vec(),
        dilations: vec![1; kernel.len()],
        pads_begin: pads[..kernel.len()].to_vec(),
        pads_end: pads[kernel.len()..].to_vec(),
    }
}

fn pool(kind: PoolKind, window: &Window) -> Op {
    let count_pads_end = if kind == PoolKind::AverageIncludePad { window.pads_end.clone() } else { vec![] };
    Op::Pool { kind, window: window.clone(), count_pads_end, indices: false, column_major: false }
}

const KINDS: [PoolKind; 6] =
    [PoolKind::Max, PoolKind::Average, PoolKind::AverageIncludePad, PoolKind::Lp(1), PoolKind::Lp(2), PoolKind::Lp(3)];

#[test]
fn common_windows() {
    let mut random = Random::new(1);
    let windows = [
        window(&[3, 3], &[2, 2], &[1, 1, 1, 1]),
        window(&[2, 2], &[2, 2], &[0, 0, 0, 0]),
        window(&[3, 3], &[1, 1], &[1, 1, 1, 1]),
        window(&[3, 3], &[2, 2], &[0, 0, 1, 1]),
        window(&[5, 5], &[1, 1], &[2, 2, 2, 2]),
        window(&[9, 8], &[1, 1], &[0, 0, 0, 0]),
    ];
    for window in &windows {
        for kind in KINDS {
            let x = random.tensor(DType::F32, &[2, 3, 9, 13]);
            Case::new(pool(kind, window), vec![x]).check_all();
            for target in targets() {
                let x = random.tensor(DType::F32, &[2, target.lanes + 3, 9, 11]);
                let case = Case::new(pool(kind, window), vec![x]).blocked(target.lanes, &[]);
                assert_eq!(case.check(&target).len(), 1);
            }
        }
    }
}

#[test]
fn every_type() {
    let mut random = Random::new(2);
    let window = window(&[3], &[1], &[1, 1]);
    for dtype in DType::ALL {
        if dtype == DType::Bool {
            continue;
        }
        let x = random.tensor(dtype, &[1, 2, 23]);
        Case::new(pool(PoolKind::Max, &window), vec![x.clone()]).tolerance(0.0).check_all();
        if dtype.is_float() {
            Case::new(pool(PoolKind::Average, &window), vec![x]).tolerance(1e-2).check_all();
        }
    }
}

/// Windows that reach beyond the declared padding, and windows that see padding only.
#[test]
fn ceil_mode() {
    let mut random = Random::new(3);
    for kind in KINDS {
        let mut window = window(&[3, 2], &[2, 2], &[1, 0, 2, 1]);
        let x = random.tensor(DType::F32, &[1, 5, 6, 6]);
        let count_pads_end = if kind == PoolKind::AverageIncludePad { vec![1, 0] } else { vec![] };
        let op = Op::Pool { kind, window: window.clone(), count_pads_end, indices: false, column_major: false };
        Case::new(op.clone(), vec![x.clone()]).check_all();
        for target in targets() {
            assert_eq!(Case::new(op.clone(), vec![x.clone()]).blocked(target.lanes, &[]).check(&target).len(), 1);
        }
        window.pads_begin = vec![3, 3];
        Case::new(pool(kind, &window), vec![x.clone()]).check_all();
        for target in targets() {
            let case = Case::new(pool(kind, &window), vec![x.clone()]).blocked(target.lanes, &[]);
            assert_eq!(case.check(&target).len(), 1);
        }
    }
}

#[test]
fn not_a_number_stays() {
    let mut random = Random::new(4);
    let window = window(&[2, 2], &[1, 1], &[0, 1, 1, 0]);
    let mut x = random.tensor(DType::F32, &[1, 4, 5, 6]);
    for at in [3, 17, 40, 41, 99] {
        x.as_slice_mut::<f32>().unwrap()[at] = f32::NAN;
        x.as_slice_mut::<f32>().unwrap()[at + 7] = f32::NEG_INFINITY;
    }
    for indices in [false, true] {
        let kind = PoolKind::Max;
        let op = Op::Pool { kind, window: window.clone(), count_pads_end: vec![], indices, column_major: false };
        Case::new(op, vec![x.clone()]).tolerance(0.0).check_all();
    }
    for target in targets() {
        let case = Case::new(pool(PoolKind::Max, &window), vec![x.clone()]).blocked(target.lanes, &[]);
        assert_eq!(case.check(&target).len(), 1);
    }
}

#[test]
fn indices() {
    for column_major in [false, true] {
        for strides in [[1, 1, 1], [2, 1, 2]] {
            let window = window(&[2, 3, 2], &strides, &[0, 1, 1, 1, 1, 0]);
            // few values, so that equal ones are common
            let values: Vec<f64> = (0..2 * 3 * 4 * 5 * 21).map(|k| f64::from(k * 7 % 5)).collect();
            let x = Tensor::from_f64(DType::F32, &[2, 3, 4, 5, 21], &values).unwrap();
            let kind = PoolKind::Max;
            let op = Op::Pool { kind, window, count_pads_end: vec![], indices: true, column_major };
            Case::new(op, vec![x]).tolerance(0.0).check_all();
        }
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn random_windows(seed: u64) {
        let mut random = Random::new(seed);
        let rank = 1 + random.below(3);
        let mut of = |choices: &[usize]| -> Vec<usize> { (0..rank).map(|_| random.pick(choices)).collect() };
        let window = Window {
            kernel: of(&[1, 2, 3, 4]),
            strides: of(&[1, 1, 2, 3]),
            dilations: of(&[1, 1, 2]),
            pads_begin: of(&[0, 1, 2]),
            pads_end: of(&[0, 1, 2]),
        };
        let spatial = of(&[7, 8, 9, 20]);
        let kind = random.pick(&KINDS);
        let target = &targets()[random.below(4)];
        let channels = random.pick(&[1, 2, target.lanes, target.lanes + 1]);
        let dims = [vec![1 + random.below(2), channels], spatial].concat();
        let x = random.tensor(DType::F32, &dims);
        let case = Case::new(pool(kind, &window), vec![x.clone()]).magnitude(1.0);
        prop_assert_eq!(case.check(target).len(), 1);
        prop_assert_eq!(case.blocked(target.lanes, &[]).check(target).len(), 1);
    }
}
