//! Evaluation of convolutions, transposed convolutions, pools and matrix products against naive loops over index
//! tuples, on random geometries.

#![allow(clippy::unwrap_used)] // helpers of tests

use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder, UnaryOp};
use cnnc_ir::graph::ops::{PoolKind, Window};
use cnnc_ir::graph::{Op, eval_op};
use cnnc_tensor::{DType, Layout, Tensor};
use proptest::prelude::*;

/// Small integers as floats, so that sums are exact in any order.
fn tensor(dims: &[usize], seed: u64) -> Tensor {
    let count: usize = dims.iter().product();
    let value = |k: usize| ((k as u64 * 2654435761 + seed * 40503) >> 7) % 17;
    Tensor::from_vec(dims, &(0..count).map(|k| value(k) as f32 - 8.0).collect::<Vec<_>>()).unwrap()
}

/// The element at an index tuple; `None` outside.
fn at(t: &Tensor, index: &[isize]) -> Option<f64> {
    let mut offset = 0;
    for (&i, &d) in index.iter().zip(t.dims()) {
        if i < 0 || i >= d as isize {
            return None;
        }
        offset = offset * d + i as usize;
    }
    Some(f64::from(t.as_slice::<f32>().unwrap()[offset]))
}

/// All index tuples of a shape.
fn tuples(dims: &[usize]) -> Vec<Vec<usize>> {
    dims.iter().fold(vec![vec![]], |all, &d| {
        all.iter().flat_map(|head| (0..d).map(move |k| [&head[..], &[k]].concat())).collect()
    })
}

#[derive(Clone, Debug)]
struct Case {
    window: Window,
    sizes: Vec<usize>,
    batch: usize,
    groups: usize,
    group_in: usize,
    group_out: usize,
    seed: u64,
}

fn axis() -> impl Strategy<Value = (usize, usize, usize, usize, usize, usize)> {
    (1usize..4, 1usize..4, 1usize..3, 0usize..3, 0usize..3, 0usize..5)
}

fn case() -> impl Strategy<Value = Case> {
    let counts = (1usize..3, 1usize..4, 1usize..4, 1usize..4, any::<u32>());
    (prop::collection::vec(axis(), 1..4), counts).prop_map(|(axes, (batch, groups, group_in, group_out, seed))| Case {
        window: Window {
            kernel: axes.iter().map(|a| a.0).collect(),
            strides: axes.iter().map(|a| a.1).collect(),
            dilations: axes.iter().map(|a| a.2).collect(),
            pads_begin: axes.iter().map(|a| a.3).collect(),
            pads_end: axes.iter().map(|a| a.4).collect(),
        },
        // Large enough for the window even where nothing is padded.
        sizes: axes.iter().map(|a| (a.0 - 1) * a.2 + 1 + a.5).collect(),
        batch,
        groups,
        group_in,
        group_out,
        seed: u64::from(seed),
    })
}

fn bias_relu() -> Expr {
    let mut b = ExprBuilder::default();
    let (x, bias) = (b.input(0), b.input(1));
    let sum = b.binary(BinaryOp::Add, x, bias);
    let y = b.unary(UnaryOp::Relu, sum);
    b.finish(y)
}

fn source(window: &Window, position: &[usize], tap: &[usize]) -> Vec<isize> {
    (0..position.len())
        .map(|a| {
            (position[a] * window.strides[a] + tap[a] * window.dilations[a]) as isize - window.pads_begin[a] as isize
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn convolution(c in case(), blocked: bool, interleaved: bool) {
        let (channels, outputs) = (c.groups * c.group_in, c.groups * c.group_out);
        let x = tensor(&[&[c.batch, channels][..], &c.sizes].concat(), c.seed);
        let w = tensor(&[&[outputs, c.group_in][..], &c.window.kernel].concat(), c.seed + 1);
        let mut bias_dims = vec![1; c.sizes.len() + 1];
        bias_dims[0] = outputs;
        let bias = tensor(&bias_dims, c.seed + 2);
        let op = Op::Conv { window: c.window.clone(), groups: c.groups, interleaved, tail: bias_relu() };
        let input = if blocked { x.with_layout(Layout::Blocked(4)).unwrap() } else { x.clone() };
        let y = eval_op(&op, &[&input, &w, &bias]).unwrap().remove(0);
        prop_assert_eq!(y.layout(), input.layout());
        let y = y.with_layout(Layout::Plain).unwrap();
        for index in tuples(y.dims()) {
            let (n, o) = (index[0], index[1]);
            let mut sum = f64::from(bias.as_slice::<f32>().unwrap()[o]);
            for i in 0..c.group_in {
                for tap in tuples(&c.window.kernel) {
                    let from = source(&c.window, &index[2..], &tap);
                    let group = if interleaved { o % c.groups } else { o / c.group_out };
                    let channel = (group * c.group_in + i) as isize;
                    let value = at(&x, &[&[n as isize, channel][..], &from].concat()).unwrap_or(0.0);
                    let tap: Vec<isize> = tap.iter().map(|&t| t as isize).collect();
                    sum += value * at(&w, &[&[o as isize, i as isize][..], &tap].concat()).unwrap();
                }
            }
            let index: Vec<isize> = index.iter().map(|&k| k as isize).collect();
            prop_assert_eq!(at(&y, &index).unwrap(), sum.max(0.0));
        }
    }

    #[test]
    fn separable_convolution(c in case(), outputs in 1usize..4) {
        let channels = c.groups * c.group_in;
        let ones = vec![1; c.sizes.len()];
        let x = tensor(&[&[c.batch, channels][..], &c.sizes].concat(), c.seed);
        let depthwise = tensor(&[&[channels, 1][..], &c.window.kernel].concat(), c.seed + 1);
        let bias = tensor(&[&[channels][..], &ones].concat(), c.seed + 2);
        let w = tensor(&[&[outputs, channels][..], &ones].concat(), c.seed + 3);
        let second = tensor(&[&[outputs][..], &ones].concat(), c.seed + 4);
        let conv = |window: &Window, groups: usize| {
            Op::Conv { window: window.clone(), groups, interleaved: false, tail: bias_relu() }
        };
        let made = eval_op(&conv(&c.window, channels), &[&x, &depthwise, &bias]).unwrap().remove(0);
        let want = eval_op(&conv(&Window::of_one_tap(ones.len()), 1), &[&made, &w, &second]).unwrap().remove(0);
        let op = Op::Separable { window: c.window.clone(), between: bias_relu(), tail: bias_relu() };
        prop_assert_eq!(eval_op(&op, &[&x, &depthwise, &bias, &w, &second]).unwrap().remove(0), want);
    }

    #[test]
    fn transposed_convolution(c in case(), extra in 0usize..2) {
        let channels = c.groups * c.group_in;
        let x = tensor(&[&[c.batch, channels][..], &c.sizes].concat(), c.seed);
        let w = tensor(&[&[channels, c.group_out][..], &c.window.kernel].concat(), c.seed + 1);
        let output_pads = vec![extra; c.sizes.len()];
        let op = Op::ConvTranspose { window: c.window.clone(), output_pads, groups: c.groups, tail: Expr::input(0) };
        let Ok(mut results) = eval_op(&op, &[&x, &w]) else {
            // Pads may crop more than there is.
            return Ok(());
        };
        let y = results.remove(0);
        let mut want = vec![0.0; y.count()];
        let strides = cnnc_tensor::row_major_strides(y.dims());
        for index in tuples(x.dims()) {
            let index_i: Vec<isize> = index.iter().map(|&k| k as isize).collect();
            for k in 0..c.group_out {
                for tap in tuples(&c.window.kernel) {
                    let to = source(&c.window, &index[2..], &tap);
                    let o = index[1] / c.group_in * c.group_out + k;
                    let to = [&[index[0] as isize, o as isize][..], &to].concat();
                    if to.iter().zip(y.dims()).any(|(&t, &d)| t < 0 || t >= d as isize) {
                        continue;
                    }
                    let tap: Vec<isize> = tap.iter().map(|&t| t as isize).collect();
                    let weight = at(&w, &[&[index_i[1], k as isize][..], &tap].concat()).unwrap();
                    let offset: usize = to.iter().zip(&strides).map(|(&t, &s)| t as usize * s).sum();
                    want[offset] += weight * at(&x, &index_i).unwrap();
                }
            }
        }
        prop_assert_eq!(y.to_f64_vec(), want);
    }

    #[test]
    fn pooling(c in case(), kind in 0usize..4, less in 0usize..2) {
        let kind = [PoolKind::Max, PoolKind::Average, PoolKind::AverageIncludePad, PoolKind::Lp(2)][kind];
        let x = tensor(&[&[c.batch, c.groups][..], &c.sizes].concat(), c.seed);
        let counted: Vec<usize> = c.window.pads_end.iter().map(|p| p.saturating_sub(less)).collect();
        let include = kind == PoolKind::AverageIncludePad;
        let op = Op::Pool {
            kind,
            window: c.window.clone(),
            count_pads_end: if include { counted.clone() } else { vec![] },
            indices: kind == PoolKind::Max,
            column_major: false,
        };
        let results = eval_op(&op, &[&x]).unwrap();
        let y = &results[0];
        for (flat, index) in tuples(y.dims()).into_iter().enumerate() {
            let head = [index[0] as isize, index[1] as isize];
            let taps = tuples(&c.window.kernel);
            let from: Vec<Vec<isize>> = taps.iter().map(|t| source(&c.window, &index[2..], t)).collect();
            let valid: Vec<f64> = from.iter().filter_map(|f| at(&x, &[&head[..], f].concat())).collect();
            let counted = from
                .iter()
                .filter(|f| f.iter().enumerate().all(|(a, &i)| i < (c.sizes[a] + counted[a]) as isize))
                .count();
            let sum: f64 = valid.iter().sum();
            let got = y.to_f64_vec()[flat];
            let want = match kind {
                PoolKind::Max => valid.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                PoolKind::Average => sum / valid.len() as f64,
                PoolKind::AverageIncludePad => sum / counted as f64,
                PoolKind::Lp(_) => valid.iter().map(|v| v * v).sum::<f64>().sqrt(),
            };
            let want = f64::from(want as f32);
            prop_assert!(got == want || (got.is_nan() && want.is_nan()), "{} {}", got, want);
            if kind == PoolKind::Max && !valid.is_empty() {
                let position = results[1].to_i64_vec()[flat] as usize;
                prop_assert_eq!(x.to_f64_vec()[position], got);
            }
        }
    }

    #[test]
    fn matrix_product(
        batch in prop::collection::vec((1usize..3, 0usize..4), 0..3),
        m in 0usize..4, k in 0usize..5, n in 0usize..4, trans_a: bool, trans_b: bool, integers: bool, seed in 0u64..99,
    ) {
        let side = |drop: usize| batch.iter().map(|&(d, s)| if s == drop { 1 } else { d }).collect::<Vec<_>>();
        let a_batch = side(0);
        let b_batch = &side(1)[batch.len().min(usize::from(seed % 2 == 0))..];
        let a = tensor(&[&a_batch[..], &if trans_a { [k, m] } else { [m, k] }].concat(), seed);
        let b = tensor(&[b_batch, &if trans_b { [n, k] } else { [k, n] }].concat(), seed + 1);
        let op = Op::MatMul { trans_a, trans_b, tail: Expr::input(0) };
        let cast = |t: &Tensor| eval_op(&Op::cast(DType::I32), &[t]).unwrap().remove(0);
        let y = match integers {
            true => eval_op(&op, &[&cast(&a), &cast(&b)]).unwrap().remove(0),
            false => eval_op(&op, &[&a, &b]).unwrap().remove(0),
        };
        let values = y.to_f64_vec();
        for (flat, index) in tuples(y.dims()).into_iter().enumerate() {
            let (head, last) = index.split_at(index.len() - 2);
            let of = |t: &Tensor, row: usize, column: usize, transposed: bool| {
                let own = t.dims().len() - 2;
                let mut full: Vec<isize> = head[head.len() - own..]
                    .iter()
                    .zip(t.dims())
                    .map(|(&i, &d)| if d == 1 { 0 } else { i as isize })
                    .collect();
                full.extend(if transposed { [column as isize, row as isize] } else { [row as isize, column as isize] });
                at(t, &full).unwrap()
            };
            let want: f64 = (0..k).map(|k| of(&a, last[0], k, trans_a) * of(&b, k, last[1], trans_b)).sum();
            prop_assert_eq!(values[flat], want);
        }
    }
}

#[test]
fn positions_of_the_largest_follow_the_storage_order() {
    // The operator test `maxpool_with_argmax_2d_precomputed_strides` of ONNX.
    let x = Tensor::from_vec(&[1, 1, 5, 5], &(1..=25).map(|v| v as f32).collect::<Vec<_>>()).unwrap();
    let window = |pad: usize, kernel: usize, stride: usize| Window {
        kernel: vec![kernel; 2],
        strides: vec![stride; 2],
        dilations: vec![1; 2],
        pads_begin: vec![pad; 2],
        pads_end: vec![pad; 2],
    };
    let pool_of = |x: &Tensor, window, column_major| {
        let op = Op::Pool { kind: PoolKind::Max, window, count_pads_end: vec![], indices: true, column_major };
        eval_op(&op, &[x]).unwrap()
    };
    let pool = |window, column_major| pool_of(&x, window, column_major);
    let results = pool(window(0, 2, 2), true);
    assert_eq!(results[0].to_f64_vec(), [7.0, 9.0, 17.0, 19.0]);
    assert_eq!(results[1].to_i64_vec(), [6, 16, 8, 18]);
    let results = pool(window(2, 5, 1), false);
    assert_eq!(results[1].to_i64_vec()[..10], [12, 13, 14, 14, 14, 17, 18, 19, 19, 19]);
    // An image without pixels: windows hold padding alone.
    let nothing = Tensor::from_vec::<f32>(&[1, 1, 0, 2], &[]).unwrap();
    assert_eq!(pool_of(&nothing, window(1, 2, 1), true)[1].to_i64_vec(), [0, 0, 0]);
}

/// Time of a layer of VGG and of a batched product; run with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "prints timings"]
fn window_times() {
    let run = |name: &str, op: Op, inputs: &[&Tensor], operations: f64| {
        let start = std::time::Instant::now();
        eval_op(&op, inputs).unwrap();
        println!("{name}: {:.2} GFLOP/s", operations / start.elapsed().as_secs_f64() / 1e9);
    };
    let window = |k: usize| Window {
        kernel: vec![k; 2],
        strides: vec![1; 2],
        dilations: vec![1; 2],
        pads_begin: vec![k / 2; 2],
        pads_end: vec![k / 2; 2],
    };
    let (x, w) = (tensor(&[1, 256, 28, 28], 1), tensor(&[256, 256, 3, 3], 2));
    let conv = |k: usize| Op::Conv { window: window(k), groups: 1, interleaved: false, tail: Expr::input(0) };
    run("3x3 on 28x28", conv(3), &[&x, &w], 2.0 * 256.0 * 256.0 * 9.0 * 784.0);
    let w = tensor(&[256, 256, 1, 1], 2);
    run("1x1 on 28x28", conv(1), &[&x, &w], 2.0 * 256.0 * 256.0 * 784.0);
    let (x, w) = (tensor(&[1, 512, 7, 7], 1), tensor(&[512, 512, 3, 3], 2));
    run("3x3 on 7x7", conv(3), &[&x, &w], 2.0 * 512.0 * 512.0 * 9.0 * 49.0);
    let (a, b) = (tensor(&[256, 512], 1), tensor(&[512, 512], 2));
    let product = Op::MatMul { trans_a: false, trans_b: true, tail: Expr::input(0) };
    run("product of 256x512x512", product, &[&a, &b], 2.0 * 256.0 * 512.0 * 512.0);
}
