//! Resize against the reference: nearest, linear, cubic and long tables, whole factors and others, plain and blocked.
#![allow(clippy::unwrap_used)]

mod common;

use cnnc_ir::graph::Op;
use cnnc_tensor::{DType, Tensor};
use common::{Case, Random};
use proptest::prelude::*;

/// A resize of some axes; each has `taps` random taps, or copies by a factor.
fn case(random: &mut Random, dtype: DType, dims: &[usize], axes: Vec<usize>, taps: &[usize]) -> Case {
    let mut inputs = vec![random.tensor(dtype, dims)];
    let mut sizes = vec![];
    for (&axis, &taps) in axes.iter().zip(taps) {
        let from = dims[axis];
        let size = match taps {
            1 => random.pick(&[from * 2, from * 3, from.div_ceil(2), from + 1, 1]),
            _ => 1 + random.below(20),
        };
        let scale = from as f64 / size as f64;
        let index: Vec<i64> = (0..size * taps)
            .map(|k| match taps {
                1 => (k as f64 * scale) as i64,
                _ => random.below(from) as i64,
            })
            .collect();
        let weight: Vec<f32> =
            index.iter().map(|_| if taps == 1 { 1.0 } else { random.float(-1.0, 1.0) as f32 / taps as f32 }).collect();
        inputs.push(Tensor::from_vec(&[size, taps], &index).unwrap());
        inputs.push(Tensor::from_vec(&[size, taps], &weight).unwrap());
        sizes.push(size);
    }
    let constants: Vec<usize> = (1..inputs.len()).collect();
    Case::new(Op::Resize { axes, sizes }, inputs).constants(&constants)
}

fn spatial_dims(random: &mut Random, rank: usize) -> Vec<usize> {
    (0..rank).map(|k| if k < 2 { 1 + random.below(20 * k + 2) } else { 1 + random.below(9) }).collect()
}

fn check(random: &mut Random, case: Case, blocked: bool, tables: usize) {
    let plain: Vec<usize> = (1..1 + 2 * tables).collect();
    let case = if blocked { case.blocked(random.pick(&[4, 8, 16]), &plain) } else { case };
    let target = random.below(4);
    assert!(!case.check(&common::targets()[target]).is_empty(), "no algorithm for {:?}", case.op);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nearest(seed: u64) {
        let random = &mut Random::new(seed);
        let rank = 3 + random.below(3);
        let blocked = random.below(2) == 0;
        let axes: Vec<usize> =
            (0..rank).filter(|&axis| if blocked { axis >= 2 } else { random.below(3) > 0 || axis >= 2 }).collect();
        let dims = spatial_dims(random, rank);
        let dtype = random.pick(&[DType::F32, DType::U8, DType::F16, DType::I64]);
        let taps = vec![1; axes.len()];
        let case = case(random, dtype, &dims, axes, &taps).tolerance(0.0);
        check(random, case, blocked, taps.len());
    }

    #[test]
    fn weighted(seed: u64) {
        let random = &mut Random::new(seed);
        let rank = 3 + random.below(3);
        let blocked = random.below(2) == 0;
        let axes: Vec<usize> =
            (0..rank).filter(|&axis| (axis >= 2 || !blocked) && random.below(if axis < 2 { 4 } else { 1 }) == 0).filter(|&axis| axis + 1 < rank || seed % 3 > 0).collect();
        let axes = if axes.is_empty() { vec![rank - 1] } else { axes };
        let dims = spatial_dims(random, rank);
        let taps: Vec<usize> = axes.iter().map(|_| random.pick(&[2, 2, 4, 1, 6, 19])).collect();
        let dtype = random.pick(&[DType::F32, DType::F32, DType::F16, DType::BF16, DType::F64]);
        let tolerance = match dtype {
            DType::F16 => 1e-3,
            DType::BF16 => 1e-2,
            _ => 2e-6,
        };
        let case = case(random, dtype, &dims, axes, &taps).tolerance(tolerance);
        check(random, case, blocked, taps.len());
    }
}

/// Doubling is what upsampling networks do: one strided copy, no tables.
#[test]
fn doubling_is_a_strided_copy() {
    let random = &mut Random::new(5);
    let x = random.tensor(DType::F32, &[1, 20, 5, 19]);
    let table =
        |size: usize| Tensor::from_vec(&[size, 1], &(0..size as i64).map(|i| i / 2).collect::<Vec<_>>()).unwrap();
    let ones = |size: usize| Tensor::from_vec(&[size, 1], &vec![1f32; size]).unwrap();
    let inputs = vec![x, table(10), ones(10), table(38), ones(38)];
    let case = || {
        let op = Op::Resize { axes: vec![2, 3], sizes: vec![10, 38] };
        Case::new(op, inputs.clone()).constants(&[1, 2, 3, 4]).tolerance(0.0)
    };
    for target in common::targets() {
        assert!(case().check(&target).iter().any(|c| c.algorithm == "resize_copy"));
        assert!(case().blocked(16, &[1, 2, 3, 4]).check(&target).iter().any(|c| c.algorithm == "resize_copy"));
    }
}
