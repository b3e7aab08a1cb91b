//! Evaluation of whole graphs: random ones give values of the declared types, and blocked ones the plain results.

#![allow(clippy::unwrap_used)] // helpers of tests

mod random_graph;

use cnnc_ir::graph::{Graph, Op, TensorType, eval_op, evaluate, evaluate_observed, infer, parse_graph, seeded};
use cnnc_tensor::{Layout, Tensor};
use proptest::prelude::*;
use random_graph::{random_graph, random_op};
use std::collections::BTreeSet;

fn inputs(graph: &Graph) -> Vec<Tensor> {
    graph.inputs().iter().enumerate().map(|(k, &id)| seeded(graph.ty(id), k as u64).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn random_graphs_give_the_declared_types(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let graph = random_graph(&bytes);
        let mut types = vec![];
        let results = evaluate_observed(&graph, &inputs(&graph), &mut |id, t| types.push((id, TensorType::of(t))));
        for (id, ty) in types {
            prop_assert_eq!(graph.ty(id), &ty);
        }
        if let Ok(results) = results {
            prop_assert_eq!(results.len(), graph.outputs.len());
        }
    }

    /// Every operator on operands that often fit: what inference accepts evaluates to what inference says, or is
    /// refused for the operands' content.
    #[test]
    fn operators_give_what_inference_says(bytes in prop::collection::vec(any::<u8>(), 10..80)) {
        let mut source = bytes.into_iter();
        let op = random_op(&mut source);
        let operands: Vec<Tensor> = (0..3).map(|k| random_operand(&mut source, k)).collect();
        for count in 1..=3 {
            let used: Vec<&Tensor> = operands.iter().take(count).collect();
            let types: Vec<TensorType> = used.iter().map(|t| TensorType::of(t)).collect();
            let inferred = infer(&op, &types.iter().collect::<Vec<_>>());
            match (inferred, eval_op(&op, &used)) {
                (Ok(types), Ok(results)) => {
                    prop_assert_eq!(types, results.iter().map(TensorType::of).collect::<Vec<_>>());
                }
                (Err(_), Ok(_)) => prop_assert!(false, "{:?} evaluates, but has no type", op),
                _ => {}
            }
        }
    }
}

fn random_operand(source: &mut dyn Iterator<Item = u8>, k: u64) -> Tensor {
    use cnnc_tensor::DType;
    let mut below = |n: usize| usize::from(source.next().unwrap_or(0)) % n;
    let dtype = [DType::F32, DType::F32, DType::I64, DType::F32, DType::U8][below(5)];
    let dims: Vec<usize> = match below(4) {
        0 => vec![2, 2, 3, 3],
        1 => vec![2, 4, 3, 3],
        2 => vec![3, 3],
        _ => (0..1 + below(4)).map(|_| below(4)).collect(),
    };
    let layout = if dims.len() > 1 && below(3) == 0 { Layout::Blocked(4) } else { Layout::Plain };
    seeded(&TensorType { dtype, dims, layout }, k).unwrap()
}

#[test]
fn random_graphs_cover_the_operators() {
    let mut names = BTreeSet::new();
    for seed in 0..400u64 {
        let bytes: Vec<u8> = (0..1200u64)
            .map(|k| ((k + 1).wrapping_mul(seed * 2 + 1).wrapping_mul(0x9e3779b97f4a7c15) >> 53) as u8)
            .collect();
        names.extend(random_graph(&bytes).nodes().map(|(_, n)| n.op.name()));
    }
    assert!(names.len() >= 20, "only {names:?}");
}

#[test]
fn blocked_graphs_give_the_plain_results() {
    let text = r#"graph "g" {
        %0 "x": f32[2,6,9,9] = input
        %1: f32[10,6,3,3] = const seed=1
        %2: f32[10,1,1] = const seed=2
        %3: f32[2,6,9,9]/c4 = convert %0 {layout=c4}
        %4 = conv %3, %1, %2 {kernel=[3,3], pads_begin=[1,1], pads_end=[1,1], groups=1, tail=relu(add($0, $1))}
        %5 = pool %4 {kind=max, kernel=[2,2], strides=[2,2]}
        %6 = pool %4 {kind=average, kernel=[2,2], strides=[2,2]}
        %7 = map %5, %6, %2 {expr=mul(add($0, $1), $2)}
        %8 = reduce %7 {kind=mean, axes=[2,3], keep_dims=true}
        %9 = map %7, %8 {expr=sub($0, $1)}
        %10 = lrn %9 {size=3, alpha=0.1, beta=0.75, bias=1.0}
        %11 = concat %10, %9 {axis=1}
        %12 = slice %11 {starts=[0,8,0,0], dims=[2,12,4,2]}
        %13 = convert %12 {layout=plain}
        output "y" %13
    }"#;
    let blocked = parse_graph(text).unwrap();
    let plain = parse_graph(&text.replace("/c4", "").replace("layout=c4", "layout=plain")).unwrap();
    assert_eq!(cnnc_ir::graph::verify(&blocked), Ok(()));
    let x = inputs(&plain);
    assert_eq!(evaluate(&blocked, &x), evaluate(&plain, &x));
}

#[test]
fn chosen_nodes_may_change_the_layout() {
    let text = r#"graph "g" {
        %0 "x": f32[1,3,4,4] = input
        %1: f32[8,3,1,1] = const seed=1
        %2: f32[1,8,4,4]/c8 = conv %0, %1 {kernel=[1,1], groups=1} @direct(mr=4)
        output "y" %2
    }"#;
    let chosen = parse_graph(text).unwrap();
    let plain = parse_graph(&text.replace("/c8", "").replace("@direct(mr=4)", "")).unwrap();
    let x = inputs(&plain);
    let y = evaluate(&plain, &x).unwrap().remove(0);
    assert_eq!(evaluate(&chosen, &x).unwrap().remove(0), y.with_layout(Layout::Blocked(8)).unwrap());
    let packed = parse_graph(&text.replace("f32[8,3,1,1]", "f32[1,3,8]")).unwrap();
    assert!(evaluate(&packed, &x).unwrap_err().to_string().contains("weights f32[1,3,8] do not fit"));
}

#[test]
fn outputs_are_cut_to_their_extents() {
    let graph = parse_graph(
        r#"graph "g" {
        %0 "x": f32[4,2] = input
        %1 "n": i64[1] = input
        output "y" %0 extent %1
    }"#,
    )
    .unwrap();
    let x = Tensor::from_vec(&[4, 2], &[1f32, 2., 3., 4., 5., 6., 7., 8.]).unwrap();
    let count = |n: i64| Tensor::from_vec(&[1], &[n]).unwrap();
    let y = evaluate(&graph, &[x.clone(), count(3)]).unwrap().remove(0);
    assert_eq!(y, Tensor::from_vec(&[3, 2], &[1f32, 2., 3., 4., 5., 6.]).unwrap());
    assert!(evaluate(&graph, &[x.clone(), count(5)]).unwrap_err().what.contains("extent 5"));
    assert!(evaluate(&graph, std::slice::from_ref(&x)).unwrap_err().what.contains("takes 2 inputs, got 1"));
    assert!(evaluate(&graph, &[count(1), count(1)]).unwrap_err().what.contains("\"x\" is f32[4,2], got i64[1]"));
}

#[test]
fn one_bad_reshape_is_named() {
    let error = eval_op(&Op::Reshape { dims: vec![5] }, &[&Tensor::from_vec(&[4], &[0u8; 4]).unwrap()]).unwrap_err();
    assert_eq!(error.to_string(), "reshape: u8[4] has another number of elements than [5]");
}
