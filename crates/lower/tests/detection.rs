//! Grid sampling and non-maximum suppression against the reference.
#![allow(clippy::unwrap_used)]

mod common;

use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::{GridMode, GridPadding};
use cnnc_tensor::{DType, Tensor};
use common::{Case, Random};
use proptest::prelude::*;

fn check(random: &mut Random, case: Case) {
    let target = random.below(4);
    assert!(!case.check(&common::targets()[target]).is_empty(), "no algorithm for {:?}", case.op);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn grid_sample(seed: u64) {
        let random = &mut Random::new(seed);
        let rank = 1 + random.below(3);
        let mut dims = vec![1 + random.below(3), 1 + random.below(20)];
        dims.extend((0..rank).map(|_| 1 + random.below(6)));
        let mut grid = vec![dims[0]];
        grid.extend((0..rank).map(|_| random.below(6)));
        grid.push(rank);
        let mode = random.pick(&[GridMode::Nearest, GridMode::Linear, GridMode::Cubic]);
        let padding = random.pick(&[GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection]);
        let align_corners = random.below(2) == 0;
        let dtype = random.pick(&[DType::F32, DType::F32, DType::F16, DType::F64]);
        let x = random.floats(dtype, &dims, 0.5, 2.0);
        // Multiples of an odd fraction: the nearest pixel is never in doubt. The first point lies inside, so that the
        // largest result is no small difference.
        let count = grid.iter().product();
        let value = |k: usize| if k < rank { 0.13 } else { (random.below(400) as f64 - 200.0) / 83.0 + 0.0007 };
        let values: Vec<f64> = (0..count).map(value).collect();
        let grid = Tensor::from_f64(DType::F32, &grid, &values).unwrap();
        let tolerance = if dtype == DType::F16 { 2e-3 } else { 1e-5 };
        let case = Case::new(Op::GridSample { mode, padding, align_corners }, vec![x, grid]).tolerance(tolerance);
        let case = if random.below(2) == 0 { case.blocked(random.pick(&[4, 8, 16]), &[1]) } else { case };
        check(random, case);
    }

    #[test]
    fn non_max_suppression(seed: u64) {
        let random = &mut Random::new(seed);
        let (batches, classes, boxes) = (1 + random.below(2), 1 + random.below(3), random.below(25));
        let center_point = random.below(2) == 0;
        let coordinates: Vec<f32> = (0..batches * boxes * 4)
            .map(|k| {
                let size = center_point && k % 4 >= 2;
                random.float(if size { -0.05 } else { 0.0 }, if size { 1.0 } else { 2.0 }) as f32
            })
            .collect();
        // Few different scores, so that many are equal.
        let scores: Vec<f32> = (0..batches * classes * boxes).map(|_| random.below(8) as f32 / 8.0 - 0.2).collect();
        let inputs = vec![
            Tensor::from_vec(&[batches, boxes, 4], &coordinates).unwrap(),
            Tensor::from_vec(&[batches, classes, boxes], &scores).unwrap(),
        ];
        let op = Op::NonMaxSuppression {
            center_point,
            per_class: random.pick(&[0, 1, 3, 10, usize::MAX >> 8]),
            iou_threshold: random.pick(&[0.0f32, 0.3, 0.5, 1.0]).to_bits(),
            score_threshold: random.pick(&[f32::NEG_INFINITY, 0.0, 0.4]).to_bits(),
        };
        check(random, Case::new(op, inputs));
    }
}

/// A pixel outside the image is zero even where the pixels inside are infinite.
#[test]
fn infinite_pixels_do_not_leak_into_the_padding() {
    let x = Tensor::from_vec(&[1, 1, 1, 2], &[f32::INFINITY, 1.0]).unwrap();
    let grid = Tensor::from_vec(&[1, 1, 1, 2], &[-5f32, 0.0]).unwrap();
    let op = Op::GridSample { mode: GridMode::Linear, padding: GridPadding::Zeros, align_corners: false };
    Case::new(op, vec![x, grid]).tolerance(0.0).check_all();
}
