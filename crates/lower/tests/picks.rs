//! Gather, scatter and top-k against the reference: random shapes, element types and indices, negative ones among them.
#![allow(clippy::unwrap_used)]

mod common;

use cnnc_ir::graph::ops::ScatterKind;
use cnnc_ir::graph::{Graph, Op, TensorType};
use cnnc_ir::kernel::interpret;
use cnnc_lower::{Region, choose};
use cnnc_tensor::{DType, Layout, Scalar, Tensor};
use common::{Case, Random};
use proptest::prelude::*;

const DTYPES: [DType; 7] = [DType::F32, DType::I64, DType::F16, DType::BF16, DType::U8, DType::Bool, DType::F64];
const KINDS: [ScatterKind; 5] =
    [ScatterKind::Replace, ScatterKind::Add, ScatterKind::Mul, ScatterKind::Max, ScatterKind::Min];

/// Dims of a rank, now and then 0 or 1.
fn dims(random: &mut Random, rank: usize) -> Vec<usize> {
    (0..rank)
        .map(|_| match random.below(20) {
            0 => 0,
            1 | 2 => 1,
            3 => 17 + random.below(40),
            _ => 2 + random.below(5),
        })
        .collect()
}

/// Indices into an axis, from its end where negative.
fn indices(random: &mut Random, dtype: DType, dims: &[usize], size: impl Fn(usize) -> usize) -> Tensor {
    let count = dims.iter().product();
    let index = |k: usize, random: &mut Random| random.below(2 * size(k)) as i64 - size(k) as i64;
    let values: Vec<Scalar> = (0..count).map(|k| Scalar::from_i64(dtype, index(k, random))).collect();
    Tensor::from_scalars(dtype, dims, values).unwrap()
}

fn check(random: &mut Random, case: Case) {
    let target = random.below(4);
    assert!(!case.check(&common::targets()[target]).is_empty(), "no algorithm for {:?}", case.op);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn gather(seed: u64) {
        let random = &mut Random::new(seed);
        let rank = 1 + random.below(4);
        let axis = random.below(rank);
        let mut whole = dims(random, rank);
        whole[axis] = whole[axis].max(1);
        let (dtype, index_type, index_rank) = (random.pick(&DTYPES), random.pick(&[DType::I32, DType::I64]), random.below(3));
        let picks = dims(random, index_rank);
        let picks = indices(random, index_type, &picks, |_| whole[axis]);
        let mut case = Case::new(Op::Gather { axis }, vec![random.tensor(dtype, &whole), picks]).tolerance(0.0);
        if rank >= 2 && (axis >= 2 || axis == 0 && index_rank == 1) && random.below(2) == 0 {
            case = case.blocked(random.pick(&[4, 8, 16]), &[1]);
        }
        check(random, case);
    }

    #[test]
    fn gather_elements(seed: u64) {
        let random = &mut Random::new(seed);
        let rank = 1 + random.below(4);
        let axis = random.below(rank);
        let mut whole = dims(random, rank);
        whole[axis] = whole[axis].max(1);
        let mut picks: Vec<usize> = whole.iter().map(|&d| random.below(d + 1)).collect();
        picks[axis] = random.below(9);
        let (dtype, index_type) = (random.pick(&DTYPES), random.pick(&[DType::I32, DType::I64]));
        let picks = indices(random, index_type, &picks, |_| whole[axis]);
        let case = Case::new(Op::GatherElements { axis }, vec![random.tensor(dtype, &whole), picks]);
        check(random, case.tolerance(0.0));
    }

    #[test]
    fn gather_nd(seed: u64) {
        let random = &mut Random::new(seed);
        let rank = 1 + random.below(4);
        let (dtype, mut whole) = (random.pick(&DTYPES), dims(random, rank));
        let batch_dims = random.below(rank);
        let k = 1 + random.below(rank - batch_dims);
        whole[batch_dims..batch_dims + k].iter_mut().for_each(|d| *d = (*d).max(1));
        let own = random.below(2);
        let own = dims(random, own);
        let picks = [&whole[..batch_dims], &own, &[k]].concat();
        let picks = indices(random, DType::I64, &picks, |at| whole[batch_dims + at % k]);
        let case = Case::new(Op::GatherNd { batch_dims }, vec![random.tensor(dtype, &whole), picks]);
        check(random, case.tolerance(0.0));
    }

    #[test]
    fn scatter_elements(seed: u64) {
        let random = &mut Random::new(seed);
        let rank = 1 + random.below(4);
        let axis = random.below(rank);
        let mut whole = dims(random, rank);
        whole[axis] = whole[axis].max(1);
        let mut picks: Vec<usize> = whole.iter().map(|&d| random.below(d + 1)).collect();
        picks[axis] = random.below(9);
        let (dtype, kind) = (random.pick(&DTYPES), random.pick(&KINDS));
        if dtype != DType::Bool || !matches!(kind, ScatterKind::Add | ScatterKind::Mul) {
            let updates = random.tensor(dtype, &picks);
            let picks = indices(random, DType::I64, &picks, |_| whole[axis]);
            let case = Case::new(Op::ScatterElements { axis, kind }, vec![random.tensor(dtype, &whole), picks, updates]);
            check(random, case.tolerance(tolerance(dtype)));
        }
    }

    #[test]
    fn scatter_nd(seed: u64) {
        let random = &mut Random::new(seed);
        let rank = 1 + random.below(4);
        let (dtype, kind, mut whole) = (random.pick(&DTYPES), random.pick(&KINDS), dims(random, rank));
        let k = 1 + random.below(rank);
        whole[..k].iter_mut().for_each(|d| *d = (*d).max(1));
        if random.below(3) == 0 && k < rank {
            whole[rank - 1] = random.pick(&[130, 192, 256]);
        }
        let own = random.below(3);
        let own = dims(random, own);
        if dtype != DType::Bool || !matches!(kind, ScatterKind::Add | ScatterKind::Mul) {
            let updates = random.tensor(dtype, &[&own, &whole[k..]].concat());
            let picks = indices(random, DType::I64, &[&own[..], &[k]].concat(), |at| whole[at % k]);
            let case = Case::new(Op::ScatterNd { kind }, vec![random.tensor(dtype, &whole), picks, updates]);
            check(random, case.tolerance(tolerance(dtype)));
        }
    }

    #[test]
    fn top_k(seed: u64) {
        let random = &mut Random::new(seed);
        let rank = 1 + random.below(3);
        let axis = random.below(rank);
        let (dtype, whole) = (random.pick(&[DType::F32, DType::F16, DType::BF16, DType::F64, DType::I32, DType::U8, DType::U64]), dims(random, rank));
        let k = random.below(whole[axis] + 1);
        let largest = random.below(2) == 0;
        // Small integers, so that many are equal.
        let x = random.tensor(DType::I8, &whole);
        let x = Tensor::from_scalars(dtype, &whole, (0..x.count()).map(|i| Scalar::from_f64(dtype, x.get(i).to_f64()))).unwrap();
        check(random, Case::new(Op::TopK { k, axis, largest }, vec![x]).tolerance(0.0));
    }
}

fn tolerance(dtype: DType) -> f64 {
    match dtype {
        DType::F16 => 2e-3,
        DType::BF16 => 2e-2,
        DType::F32 | DType::F64 => 1e-6,
        _ => 0.0,
    }
}

#[test]
fn top_k_orders_infinities_zeros_and_wide_integers() {
    let x = Tensor::from_vec(&[8], &[0f32, -0.0, f32::NEG_INFINITY, 3.5, f32::INFINITY, -3.5, 0.0, f32::MIN_POSITIVE])
        .unwrap();
    let wide = Tensor::from_vec(&[5], &[u64::MAX, 0, 1 << 63, 7, u64::MAX - 1]).unwrap();
    let signed = Tensor::from_vec(&[5], &[i64::MIN, i64::MAX, 0, -1, i64::MIN]).unwrap();
    for largest in [false, true] {
        Case::new(Op::TopK { k: 5, axis: 0, largest }, vec![wide.clone()]).check_all();
        Case::new(Op::TopK { k: 5, axis: 0, largest }, vec![signed.clone()]).check_all();
    }
    let sorted = run_top_k(&x, true);
    assert_eq!(sorted, [4, 3, 7, 0, 1, 6, 5, 2]);
    assert_eq!(run_top_k(&x, false), [2, 5, 0, 1, 6, 7, 3, 4]);
}

fn run_top_k(x: &Tensor, largest: bool) -> Vec<i64> {
    let op = Op::TopK { k: 8, axis: 0, largest };
    let indices = Tensor::zeros(DType::I64, &[8], Layout::Plain).unwrap();
    run(op, vec![x.clone()], vec![x.clone(), indices])[1].to_i64_vec()
}

/// Lowers and interprets an operator whose reference is of no use here; bits of operands stand for their values.
fn run(op: Op, inputs: Vec<Tensor>, mut outputs: Vec<Tensor>) -> Vec<Tensor> {
    let mut graph = Graph::new("test");
    let values: Vec<_> = inputs.iter().map(|t| graph.add_input("x", TensorType::of(t))).collect();
    let types = outputs.iter().map(TensorType::of).collect();
    graph.add_typed("node", op, &values, types, None);
    let (_, node) = graph.nodes().next().unwrap();
    let region = Region::of(&graph, node);
    let target = &common::targets()[0];
    let (algorithm, candidate) = choose(&region, target).unwrap();
    let lowering = (algorithm.lower)(&region, &candidate, target).unwrap();
    for step in &lowering.steps {
        let kernel = &lowering.kernels[step.kernel];
        let cast =
            |t: &Tensor, dtype| Tensor::from_bytes(dtype, &[t.bytes().len() / dtype.size()], Layout::Plain, t.bytes());
        let mut buffers: Vec<Tensor> = step
            .operands
            .iter()
            .zip(&kernel.buffers)
            .map(|(operand, buffer)| match *operand {
                cnnc_lower::Operand::Input(k) => cast(&inputs[k], buffer.dtype).unwrap(),
                cnnc_lower::Operand::Output(k) => cast(&outputs[k], buffer.dtype).unwrap(),
                cnnc_lower::Operand::Workspace(_) => panic!("no workspace expected"),
            })
            .collect();
        interpret(kernel, &mut buffers, 0, kernel.extent).unwrap();
        for (operand, buffer) in step.operands.iter().zip(&buffers) {
            if let cnnc_lower::Operand::Output(k) = *operand {
                outputs[k].bytes_mut().copy_from_slice(buffer.bytes());
            }
        }
    }
    outputs
}

/// Where an index points outside, the nearest entry is taken and nothing outside the buffers is touched: the interpreter
/// checks every access.
#[test]
fn wild_indices_are_clamped() {
    let data = Tensor::from_vec(&[2, 3], &[1f32, 2., 3., 4., 5., 6.]).unwrap();
    let wild = Tensor::from_vec(&[4], &[i64::MIN, -7, 99, i64::MAX]).unwrap();
    let result = |dims: &[usize]| Tensor::zeros(DType::F32, dims, Layout::Plain).unwrap();
    let gathered = run(Op::Gather { axis: 1 }, vec![data.clone(), wild.clone()], vec![result(&[2, 4])]);
    assert_eq!(gathered[0].as_slice::<f32>().unwrap(), &[1., 1., 3., 3., 4., 4., 6., 6.]);
    let pairs = wild.reshaped(&[2, 2]).unwrap();
    let gathered = run(Op::GatherNd { batch_dims: 0 }, vec![data.clone(), pairs.clone()], vec![result(&[2])]);
    assert_eq!(gathered[0].as_slice::<f32>().unwrap(), &[1., 6.]);
    let gathered = run(Op::GatherElements { axis: 1 }, vec![data.clone(), pairs.clone()], vec![result(&[2, 2])]);
    assert_eq!(gathered[0].as_slice::<f32>().unwrap(), &[1., 1., 6., 6.]);
    let updates = Tensor::from_vec(&[2, 2], &[10f32, 20., 30., 40.]).unwrap();
    let op = Op::ScatterElements { axis: 1, kind: ScatterKind::Add };
    let scattered = run(op, vec![data.clone(), pairs.clone(), updates], vec![result(&[2, 3])]);
    assert_eq!(scattered[0].as_slice::<f32>().unwrap(), &[31., 2., 3., 4., 5., 76.]);
    let updates = Tensor::from_vec(&[2], &[10f32, 20.]).unwrap();
    let scattered =
        run(Op::ScatterNd { kind: ScatterKind::Replace }, vec![data, pairs, updates], vec![result(&[2, 3])]);
    assert_eq!(scattered[0].as_slice::<f32>().unwrap(), &[10., 2., 3., 4., 5., 20.]);
}
