//! Evaluation of the operators that bring filters into another domain, against the definitions.

#![allow(clippy::unwrap_used)] // helpers of tests

use cnnc_ir::graph::{Op, TensorType, eval_op, infer};
use cnnc_ir::minimal_filtering::{MinimalFiltering, Phases};
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

/// A row of a matrix by a vector, as far as both go.
fn dot(row: &[f64], x: &[f64]) -> f64 {
    row.iter().zip(x).map(|(a, b)| a * b).sum()
}

/// Filters with strides, along one axis: the products of all phases, summed at the points, make the strided sums.
#[test]
fn phases_of_filters_make_strided_sums() {
    for (m, taps, stride) in
        [(4, 3, 1), (4, 3, 2), (2, 7, 2), (4, 7, 2), (3, 4, 2), (4, 11, 4), (2, 5, 3), (1, 2, 3), (6, 3, 2)]
    {
        let phases = Phases::of(taps, stride);
        let filtering = MinimalFiltering::new(m, phases.taps).unwrap();
        let values = filters(&[2, 3, taps]);
        let op = Op::FilterTransform { outputs: vec![m], strides: vec![stride] };
        let packed = eval_op(&op, &[&Tensor::from_vec(&[2, 3, taps], &values).unwrap()]).unwrap().swap_remove(0);
        assert_eq!(packed.dims(), [2, 3 * phases.count, filtering.points()], "F({m},{taps}) by {stride}");
        let packed = packed.as_slice::<f64>().unwrap();
        let input: Vec<f64> = (0..stride * (m - 1) + taps).map(|k| ((k * 5 + 2) % 13) as f64 - 6.0).collect();
        for (filter, (o, c)) in values.chunks(taps).zip((0..2).flat_map(|o| (0..3).map(move |c| (o, c)))) {
            let mut products = vec![0.0; filtering.points()];
            for phase in 0..phases.count {
                let at = ((o * phases.count + phase) * 3 + c) * filtering.points();
                // A phase of fewer taps has no product at infinity, and needs no last input.
                let short = usize::from(phase >= phases.full);
                let every: Vec<f64> = input[phase..].iter().copied().step_by(stride).collect();
                let every = &every[..every.len().min(filtering.points() - short)];
                for (point, product) in products.iter_mut().enumerate() {
                    let transformed = dot(&filtering.input[point], every);
                    assert!(short == 0 || point + 1 < filtering.points() || packed[at + point] == 0.0);
                    *product += transformed * packed[at + point];
                }
            }
            for (i, row) in filtering.output.iter().enumerate() {
                let (got, want) = (dot(row, &products), dot(filter, &input[i * stride..]));
                assert!((got - want).abs() < 1e-9 * want.abs().max(1.0), "F({m},{taps}) by {stride}: {got} for {want}");
            }
        }
    }
}

/// Along two axes a phase is one of each, the last axis fastest, and its taps are those of its own outer product.
#[test]
fn phases_along_two_axes_are_products() {
    let (rows, columns) = (filters(&[3]), filters(&[5]));
    let outer: Vec<f64> = rows.iter().flat_map(|r| columns.iter().map(move |c| r * c)).collect();
    let eval = |m: &[usize], strides: &[usize], dims: &[usize], values: &[f64]| {
        let op = Op::FilterTransform { outputs: m.to_vec(), strides: strides.to_vec() };
        let result = eval_op(&op, &[&Tensor::from_vec(dims, values).unwrap()]).unwrap().swap_remove(0);
        (result.dims().to_vec(), result.as_slice::<f64>().unwrap().to_vec())
    };
    let (dims, both) = eval(&[4, 2], &[2, 2], &[1, 1, 3, 5], &outer);
    assert_eq!(dims, [1, 4, 5, 4]);
    let (_, first) = eval(&[4], &[2], &[1, 1, 3], &rows);
    let (_, second) = eval(&[2], &[2], &[1, 1, 5], &columns);
    let want = first
        .chunks(5)
        .flat_map(|r| second.chunks(4).flat_map(move |c| r.iter().flat_map(move |r| c.iter().map(move |c| r * c))));
    for (got, want) in both.iter().zip(want) {
        assert!((got - want).abs() < 1e-12, "{got} for {want}");
    }
}

#[test]
fn filter_transforms_take_only_filters_that_fit() {
    let refused = |outputs: &[usize], strides: &[usize], dtype: DType, dims: &[usize]| {
        let op = Op::FilterTransform { outputs: outputs.to_vec(), strides: strides.to_vec() };
        infer(&op, &[&TensorType::plain(dtype, dims)]).is_err()
    };
    assert!(!refused(&[4, 4], &[2, 1], DType::F32, &[4, 3, 3, 3]));
    assert!(refused(&[4, 4], &[2, 1], DType::I32, &[4, 3, 3, 3]));
    assert!(refused(&[4, 4], &[2], DType::F32, &[4, 3, 3, 3]));
    assert!(refused(&[4, 4], &[2, 0], DType::F32, &[4, 3, 3, 3]));
    assert!(refused(&[4, 4], &[1, 1], DType::F32, &[4, 3, 3, 0]));
    assert!(refused(&[4, 4], &[1, 1], DType::F32, &[4, 3, 3, 30]));
    assert!(refused(&[4, usize::MAX], &[1, usize::MAX], DType::F32, &[4, 3, 3, 3]));
}
