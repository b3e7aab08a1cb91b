//! Evaluation of the operators that only move data against their definition, index tuple by index tuple, on random
//! shapes and on elements of every size.

#![allow(clippy::unwrap_used)] // helpers of tests

use cnnc_ir::graph::ops::PadMode;
use cnnc_ir::graph::{Op, eval_op};
use cnnc_tensor::{DType, Layout, Scalar, Tensor};
use proptest::prelude::*;

const TYPES: [DType; 4] = [DType::U8, DType::F16, DType::F32, DType::I64];

/// Elements with bits that differ from each other.
fn tensor(dtype: DType, dims: &[usize]) -> Tensor {
    let count: usize = dims.iter().product();
    let scalars = (0..count).map(|k| Scalar::from_bits(dtype, (k as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    Tensor::from_scalars(dtype, dims, scalars).unwrap()
}

fn run(op: Op, inputs: &[&Tensor]) -> Tensor {
    eval_op(&op, inputs).unwrap().remove(0)
}

fn tuples(dims: &[usize]) -> Vec<Vec<usize>> {
    dims.iter().fold(vec![vec![]], |all, &d| {
        all.iter().flat_map(|head| (0..d).map(move |k| [&head[..], &[k]].concat())).collect()
    })
}

fn get(t: &Tensor, index: &[usize]) -> Scalar {
    t.get(index.iter().zip(t.dims()).fold(0, |offset, (&i, &d)| offset * d + i))
}

/// Every element of `y` must be the one of `x` that `source` names.
fn moved(x: &Tensor, y: &Tensor, source: impl Fn(&[usize]) -> Vec<usize>) -> Result<(), TestCaseError> {
    for (flat, index) in tuples(y.dims()).into_iter().enumerate() {
        prop_assert_eq!(y.get(flat), get(x, &source(&index)), "at {:?}", index);
    }
    Ok(())
}

fn shape() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![8 => 1usize..6, 1 => Just(0usize), 1 => 30usize..40], 1..5)
        .prop_filter("small", |dims| dims.iter().product::<usize>() < 20_000)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn transpose((dims, perm) in shape().prop_flat_map(|d| {
        let axes: Vec<usize> = (0..d.len()).collect();
        (Just(d), Just(axes).prop_shuffle())
    }), kind in 0usize..4) {
        let x = tensor(TYPES[kind], &dims);
        let y = run(Op::Transpose { perm: perm.clone() }, &[&x]);
        moved(&x, &y, |index| {
            let mut from = vec![0; index.len()];
            perm.iter().zip(index).for_each(|(&axis, &i)| from[axis] = i);
            from
        })?;
    }

    #[test]
    fn slice(axes in prop::collection::vec((1usize..8, 0usize..8, -3isize..4, 0usize..8), 1..5), kind in 0usize..4) {
        let dims: Vec<usize> = axes.iter().map(|a| a.0).collect();
        let starts: Vec<usize> = axes.iter().map(|a| a.1 % a.0).collect();
        let steps: Vec<isize> = axes.iter().map(|a| if a.2 == 0 { 1 } else { a.2 }).collect();
        let most = |k: usize| {
            let left = if steps[k] > 0 { dims[k] - 1 - starts[k] } else { starts[k] };
            left / steps[k].unsigned_abs() + 1
        };
        let counts: Vec<usize> = (0..dims.len()).map(|k| axes[k].3 % (most(k) + 1)).collect();
        let x = tensor(TYPES[kind], &dims);
        let y = run(Op::Slice { starts: starts.clone(), steps: steps.clone(), dims: counts }, &[&x]);
        moved(&x, &y, |index| {
            (0..index.len()).map(|k| (starts[k] as isize + index[k] as isize * steps[k]) as usize).collect()
        })?;
    }

    #[test]
    fn broadcast(dims in shape(), ones in any::<u8>(), drop in 0usize..5, kind in 0usize..4) {
        let own: Vec<usize> =
            dims.iter().enumerate().map(|(k, &d)| if ones >> k & 1 == 1 { 1 } else { d }).skip(drop).collect();
        let x = tensor(TYPES[kind], &own);
        let y = run(Op::Broadcast { dims: dims.clone() }, &[&x]);
        prop_assert_eq!(y.dims(), &dims[..]);
        let missing = dims.len() - own.len();
        moved(&x, &y, |index| {
            index[missing..].iter().zip(&own).map(|(&i, &d)| if d == 1 { 0 } else { i }).collect()
        })?;
    }

    #[test]
    fn pad(axes in prop::collection::vec((1usize..5, -3isize..6, -3isize..6), 1..4), mode in 0usize..4, kind in 0usize..4) {
        let mode = [PadMode::Constant, PadMode::Reflect, PadMode::Edge, PadMode::Wrap][mode];
        let dims: Vec<usize> = axes.iter().map(|a| a.0).collect();
        let (begin, end): (Vec<isize>, Vec<isize>) = axes.iter().map(|a| (a.1, a.2)).unzip();
        let x = tensor(TYPES[kind], &dims);
        let value = tensor(TYPES[kind], &[]);
        let inputs = if mode == PadMode::Constant { vec![&x, &value] } else { vec![&x] };
        let Ok(mut results) = eval_op(&Op::Pad { mode, begin: begin.clone(), end }, &inputs) else {
            prop_assert!(axes.iter().any(|a| a.0 as isize + a.1 + a.2 < 0));
            return Ok(());
        };
        let y = results.remove(0);
        for (flat, index) in tuples(y.dims()).into_iter().enumerate() {
            let mut from: Vec<isize> = index.iter().zip(&begin).map(|(&i, &b)| i as isize - b).collect();
            let inside = from.iter().zip(&dims).all(|(&i, &d)| i >= 0 && i < d as isize);
            if mode == PadMode::Constant && !inside {
                prop_assert_eq!(y.get(flat), value.get(0));
                continue;
            }
            for (i, &d) in from.iter_mut().zip(&dims) {
                let d = d as isize;
                while *i < 0 || *i >= d {
                    *i = match mode {
                        PadMode::Edge => (*i).clamp(0, d - 1),
                        PadMode::Wrap => if *i < 0 { *i + d } else { *i - d },
                        _ if d == 1 => 0,
                        _ => if *i < 0 { -*i } else { 2 * (d - 1) - *i },
                    };
                }
            }
            let from: Vec<usize> = from.iter().map(|&i| i as usize).collect();
            prop_assert_eq!(y.get(flat), get(&x, &from));
        }
    }

    #[test]
    fn concat(dims in shape(), axis in 0usize..4, sizes in prop::collection::vec(0usize..4, 1..4), kind in 0usize..4) {
        let axis = axis % dims.len();
        let parts: Vec<Tensor> = sizes
            .iter()
            .map(|&size| {
                let mut own = dims.clone();
                own[axis] = size;
                tensor(TYPES[kind], &own)
            })
            .collect();
        let y = run(Op::Concat { axis }, &parts.iter().collect::<Vec<_>>());
        for (flat, mut index) in tuples(y.dims()).into_iter().enumerate() {
            let mut part = 0;
            while index[axis] >= sizes[part] {
                index[axis] -= sizes[part];
                part += 1;
            }
            prop_assert_eq!(y.get(flat), get(&parts[part], &index));
        }
    }

    #[test]
    fn gather(dims in shape(), axis in 0usize..4, wanted in prop::collection::vec(-40i64..40, 1..5), kind in 0usize..4) {
        let axis = axis % dims.len();
        let mut dims = dims;
        dims[axis] = dims[axis].max(1);
        let size = dims[axis] as i64;
        let wanted: Vec<i64> = wanted.into_iter().map(|i| i % size).collect();
        let indices = Tensor::from_vec(&[wanted.len(), 1], &wanted).unwrap();
        let x = tensor(TYPES[kind], &dims);
        let y = run(Op::Gather { axis }, &[&x, &indices]);
        prop_assert_eq!(y.dims().len(), dims.len() + 1);
        moved(&x, &y, |index| {
            let mut from = index.to_vec();
            from.remove(axis + 1);
            from[axis] = wanted[index[axis]].rem_euclid(size) as usize;
            from
        })?;
    }

    #[test]
    fn convert(tail in shape(), channels in 1usize..40, block in 2usize..17, kind in 0usize..4) {
        let dims = [&[tail[0], channels], &tail[1..]].concat();
        let x = tensor(TYPES[kind], &dims);
        let y = run(Op::Convert { layout: Layout::Blocked(block) }, &[&x]);
        prop_assert_eq!(&y, &x.with_layout(Layout::Blocked(block)).unwrap());
        let other = run(Op::Convert { layout: Layout::Blocked(4) }, &[&y]);
        prop_assert_eq!(&other, &x.with_layout(Layout::Blocked(4)).unwrap());
        prop_assert_eq!(run(Op::Convert { layout: Layout::Plain }, &[&other]), x);
    }
}

#[test]
fn indices_outside_are_errors() {
    let x = tensor(DType::F32, &[2, 3]);
    for wrong in [3i64, -4, i64::MIN, i64::MAX] {
        let indices = Tensor::from_vec(&[1], &[wrong]).unwrap();
        let error = eval_op(&Op::Gather { axis: 1 }, &[&x, &indices]).unwrap_err();
        assert!(error.to_string().contains("outside an axis of 3"), "{error}");
    }
}

/// Throughput of the moves that pack weights; run with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "prints timings"]
fn packing_throughput() {
    let time = |name: &str, op: Op, x: &Tensor| {
        let start = std::time::Instant::now();
        let y = run(op, &[x]);
        let seconds = start.elapsed().as_secs_f64();
        println!("{name}: {:.0} MB/s", (x.bytes().len() + y.bytes().len()) as f64 / 2.0 / seconds / 1e6);
    };
    let dense = Tensor::zeros(DType::F32, &[4096, 25088], Layout::Plain).unwrap();
    let zeros = |n: usize| vec![0isize; n];
    time("transpose [4096, 25088]", Op::Transpose { perm: vec![1, 0] }, &dense);
    time("reshape", Op::Reshape { dims: vec![256, 16, 25088] }, &dense);
    time("pad", Op::Pad { mode: PadMode::Constant, begin: zeros(2), end: vec![5, 3] }, &dense);
    let split = dense.reshaped(&[256, 16, 25088]).unwrap();
    time("transpose [256, 16, 25088] 0,2,1", Op::Transpose { perm: vec![0, 2, 1] }, &split);
    let conv = Tensor::zeros(DType::F32, &[32, 16, 32, 16, 3, 3], Layout::Plain).unwrap();
    time("transpose conv 0,2,4,5,3,1", Op::Transpose { perm: vec![0, 2, 4, 5, 3, 1] }, &conv);
    let image = Tensor::zeros(DType::F32, &[8, 64, 224, 224], Layout::Plain).unwrap();
    time("convert to c16", Op::Convert { layout: Layout::Blocked(16) }, &image);
    time("map relu", Op::unary(cnnc_ir::expr::UnaryOp::Relu), &image);
    time("cast to i64", Op::cast(DType::I64), &image);
}
