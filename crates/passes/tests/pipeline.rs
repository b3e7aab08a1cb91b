//! Random graphs through every pass and through the whole pipeline: the result is verified, keeps its outputs (to the
//! bit where a pass is declared exact), is the same every time, and is left alone by a second run.
//!
//! A graph is made from a list of steps, each three numbers for its operator, operand and attributes, so that a failing
//! list shrinks to a small graph.

#![allow(clippy::unwrap_used)] // helpers of tests

mod random;

use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Graph, evaluate_observed, seeded, verify};
use cnnc_passes::{PIPELINE, optimize};
use cnnc_tensor::Tensor;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// Largest error of a rounding pass, relative to the largest value that flows in the graph: an output in which large
/// values cancel has no more digits.
const ROUNDING_BOUND: f64 = 1e-5;

/// A graph's outputs on seeded inputs, and the largest finite value that flows.
struct Run {
    outputs: Vec<Tensor>,
    largest: f64,
}

fn run(graph: &Graph) -> Run {
    let inputs: Vec<Tensor> =
        graph.inputs().iter().enumerate().map(|(k, &id)| seeded(graph.ty(id), k as u64).unwrap()).collect();
    let mut largest = 1.0;
    let mut observe = |_, tensor: &Tensor| {
        let finite = tensor.to_f64_vec().into_iter().filter(|v| v.is_finite());
        largest = finite.fold(largest, |a: f64, b| a.max(b.abs()));
    };
    let outputs = evaluate_observed(graph, &inputs, &mut observe).unwrap();
    Run { outputs, largest }
}

/// The new graph must be in order and give the same outputs.
fn check(what: &str, accuracy: Accuracy, before: &Graph, wanted: &Run, after: &Graph) -> Run {
    let context = || format!("{what} makes of\n{before}\n\n{after}");
    if let Err(e) = verify(after) {
        panic!("{e}\n{}", context());
    }
    let found = run(after);
    let bound = ROUNDING_BOUND * wanted.largest;
    assert_eq!(wanted.outputs.len(), found.outputs.len(), "{}", context());
    for (wanted, found) in wanted.outputs.iter().zip(&found.outputs) {
        let equal = match accuracy {
            Accuracy::Exact => same_bits(wanted, found),
            _ => cnnc_tensor::compare(found, wanted).is_some_and(|d| d.max_abs <= bound),
        };
        assert!(equal, "other outputs: wanted {wanted:?}\nfound {found:?}\n{}", context());
    }
    found
}

/// The same bits, all NaNs taken as one.
fn same_bits(a: &Tensor, b: &Tensor) -> bool {
    let nan = |t: &Tensor, k: usize| t.get(k).to_f64().is_nan();
    a.dtype() == b.dtype()
        && a.dims() == b.dims()
        && a.layout() == b.layout()
        && (a.bytes() == b.bytes()
            || (0..a.count()).all(|k| a.get(k) == b.get(k) || a.dtype().is_float() && nan(a, k) && nan(b, k)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn each_pass_alone(first: u32, steps in proptest::collection::vec(any::<random::Choice>(), 1..40)) {
        let graph = random::graph(first, &steps);
        verify(&graph).unwrap();
        let wanted = run(&graph);
        for pass in PIPELINE {
            if let Some(after) = (pass.run)(&graph) {
                check(pass.name, pass.accuracy, &graph, &wanted, &after);
                prop_assert_eq!(Some(after), (pass.run)(&graph), "{} is not deterministic", pass.name);
            }
        }
    }

    #[test]
    fn whole_pipeline(first: u32, steps in proptest::collection::vec(any::<random::Choice>(), 1..50)) {
        let graph = random::graph(first, &steps);
        let mut before = graph.without_dead();
        let mut wanted = run(&before);
        let after = optimize(graph.clone(), &mut |name, changed| {
            let accuracy = PIPELINE.iter().find(|p| p.name == name).unwrap().accuracy;
            if let Some(after) = changed {
                wanted = check(name, accuracy, &before, &wanted, after);
                before = after.clone();
            }
        });
        prop_assert_eq!(&after, &optimize(graph.clone(), &mut |_, _| {}), "not deterministic");
        let again = optimize(after.clone(), &mut |name, changed| {
            if let Some(changed) = changed {
                panic!("{name} finds work in the second run: of\n{graph}\ncame\n{after}\nthen\n{changed}");
            }
        });
        prop_assert_eq!(&again, &after);
    }
}

/// The random graphs would say little if a pass never had anything to do in them.
#[test]
fn every_pass_finds_work() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (any::<u32>(), proptest::collection::vec(any::<random::Choice>(), 20..40));
    let mut work = vec![0; PIPELINE.len()];
    for _ in 0..200 {
        let (first, steps) = strategy.new_tree(&mut runner).unwrap().current();
        let mut place = 0;
        optimize(random::graph(first, &steps), &mut |_, changed| {
            work[place % PIPELINE.len()] += usize::from(changed.is_some());
            place += 1;
        });
    }
    for pass in PIPELINE {
        let found: usize = PIPELINE.iter().zip(&work).filter(|(p, _)| p.name == pass.name).map(|(_, &n)| n).sum();
        assert!(found > 0, "{} has nothing to do", pass.name);
    }
}
