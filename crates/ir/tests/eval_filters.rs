//! Evaluation of the operators that bring filters into another domain, against the definitions.

#![allow(clippy::unwrap_used)] // helpers of tests

use cnnc_ir::graph::{Op, TensorType, eval_op, infer};
use cnnc_tensor::{DType, Tensor};
use std::f64::consts::TAU;

fn filters(dims: &[usize]) -> Vec<f64> {
    (0..dims.iter().product()).map(|k: usize| ((k * 37 + 11) % 29) as f64 / 8.0 - 1.75).collect()
}

/// The conjugate spectrum of a filter at one pair of frequencies, over the size of a tile.
fn frequency(filter: &[f64], width: usize, (n0, n1): (usize, usize), (f0, f1): (usize, usize)) -> (f64, f64) {
    filter.iter().enumerate().fold((0.0, 0.0), |(re, im), (k, w)| {
        let turn = TAU * ((k / width * f0) as f64 / n0 as f64 + (k % width * f1) as f64 / n1 as f64);
        (re + w * turn.cos() / (n0 * n1) as f64, im + w * turn.sin() / (n0 * n1) as f64)
    })
}

/// The points of a filter, in their order: columns 0 and n1 / 2 have real columns' spectra, the others whole ones.
fn points(filter: &[f64], width: usize, (n0, n1): (usize, usize)) -> Vec<f64> {
    let at = |f0: usize, f1: usize| frequency(filter, width, (n0, n1), (f0, f1));
    let mut points = vec![];
    let complex = |points: &mut Vec<f64>, (c, d): (f64, f64)| points.extend([c, d - c, c + d]);
    for f1 in [0, n1 / 2] {
        points.extend([at(0, f1).0, at(n0 / 2, f1).0]);
        (1..n0 / 2).for_each(|f0| complex(&mut points, at(f0, f1)));
    }
    for f1 in 1..n1 / 2 {
        (0..n0).for_each(|f0| complex(&mut points, at(f0, f1)));
    }
    points
}

#[test]
fn filter_spectra_match_the_definition() {
    for (kernel, sizes) in [([3, 3], (8, 8)), ([5, 2], (8, 4)), ([1, 7], (2, 16)), ([9, 3], (32, 8))] {
        let dims = [3, 2, kernel[0], kernel[1]];
        let values = filters(&dims);
        let want: Vec<f64> =
            values.chunks(kernel[0] * kernel[1]).flat_map(|filter| points(filter, kernel[1], sizes)).collect();
        let op = Op::FilterSpectrum { sizes: vec![sizes.0, sizes.1] };
        let wide = eval_op(&op, &[&Tensor::from_vec(&dims, &values).unwrap()]).unwrap().swap_remove(0);
        assert_eq!(wide.dims(), [3, 2, want.len() / 6]);
        for (got, want) in wide.as_slice::<f64>().unwrap().iter().zip(&want) {
            assert!((got - want).abs() < 1e-13, "{got} for {want}");
        }
        // In single precision rounded once.
        let narrow: Vec<f32> = values.iter().map(|&v| v as f32).collect();
        let narrow = eval_op(&op, &[&Tensor::from_vec(&dims, &narrow).unwrap()]).unwrap().swap_remove(0);
        let rounded: Vec<f32> = wide.as_slice::<f64>().unwrap().iter().map(|&v| v as f32).collect();
        assert_eq!(narrow.as_slice::<f32>().unwrap(), rounded);
    }
}

#[test]
fn filter_spectra_take_only_filters_that_fit() {
    let refused = |sizes: &[usize], dtype: DType, dims: &[usize]| {
        let ty = TensorType::plain(dtype, dims);
        infer(&Op::FilterSpectrum { sizes: sizes.to_vec() }, &[&ty]).is_err()
    };
    assert!(!refused(&[8, 8], DType::F32, &[4, 3, 5, 5]));
    assert!(refused(&[8, 8], DType::I32, &[4, 3, 5, 5]));
    assert!(refused(&[8], DType::F32, &[4, 3, 5, 5]));
    assert!(refused(&[8, 6], DType::F32, &[4, 3, 5, 5]));
    assert!(refused(&[8, 4], DType::F32, &[4, 3, 5, 5]));
    assert!(refused(&[usize::MAX, 4], DType::F32, &[4, 3, 5, 5]));
    assert!(refused(&[], DType::F32, &[4]));
}
