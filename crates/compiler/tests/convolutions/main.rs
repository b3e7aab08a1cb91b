//! Differential test of the convolution algorithms: random problems x candidates of every algorithm x every
//! instruction set of this machine, as machine code, against naive f64 loops. Each keeps the error that its algorithm
//! declares, and gives the same bits however its loops are cut into parts.
//!
//! Of each algorithm's whole search space a random pair of candidates is taken; with `CNNC_CONVOLUTIONS`, the number of
//! problems, more. `CNNC_CONVOLUTIONS_SEED` is the first problem's seed; the k-th has that seed plus k, so
//! `CNNC_CONVOLUTIONS=1` with the seed that a failure prints runs the failing problem alone.
#![allow(clippy::unwrap_used)]

mod execute;
#[path = "../../../codegen/tests/machine/mod.rs"]
mod machine;
mod problem;
mod separable;

use cnnc_codegen::Backend;
use cnnc_compiler::detect_target;
use cnnc_tensor::{Isa, Target};
use execute::Convolution;
use problem::{Problem, Random};
use separable::Pair;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Problems of the default run.
const PROBLEMS: usize = 30;
/// Candidates of an algorithm in each pair of layouts, in the default run.
const SAMPLED: usize = 2;
/// Candidates of each algorithm in a long run.
const SAMPLED_LONG: usize = 6;
/// Most multiply-adds of a problem.
const LARGEST: usize = 3_000_000;

/// Largest error of an algorithm's candidates on sums of about so many terms.
#[derive(Default)]
struct Worst {
    runs: usize,
    /// Relative to the scale of the result.
    error: f64,
    /// Relative to what was declared.
    share: f64,
}

type Summary = BTreeMap<(&'static str, u32), Worst>;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text}")))
}

/// This machine's instruction sets through the best backend that was built in.
fn targets() -> Vec<(Target, Backend)> {
    let backend = if Backend::Llvm.available() { Backend::Llvm } else { Backend::Cranelift };
    let here = Isa::detect().unwrap();
    let isas = Isa::ALL.into_iter().filter(|isa| *isa <= here && (backend == Backend::Llvm || *isa == here));
    isas.map(|isa| (detect_target(isa, backend, 1), backend)).collect()
}

#[test]
fn every_candidate_keeps_its_declared_error() {
    run(&|seed, most, targets, summary| {
        let mut random = Random(seed as u64);
        let problem = Problem::random(&mut random, LARGEST);
        let operands = problem.operands(&mut random);
        let convolution = Convolution { op: problem.op(), operands: &operands, result: problem.result() };
        let named = (problem.to_string(), problem.terms());
        check(named, &convolution, problem.exact(&operands), (seed, &mut random), most, targets, summary)
    });
}

#[test]
fn every_separable_candidate_keeps_its_declared_error() {
    run(&|seed, most, targets, summary| {
        let mut random = Random(seed as u64);
        let pair = Pair::random(&mut random, LARGEST);
        let operands = pair.operands(&mut random);
        let convolution = Convolution { op: pair.op(), operands: &operands, result: pair.second.result() };
        let named = (pair.to_string(), pair.second.terms());
        check(named, &convolution, pair.exact(&operands), (seed, &mut random), most, targets, summary)
    });
}

/// What is wrong with the problem of a seed, on so many candidates of each algorithm.
type Check<'a> = dyn Fn(usize, usize, &[(Target, Backend)], &Mutex<Summary>) -> Vec<String> + Sync + 'a;

/// Checks all problems on all processors.
fn run(check: &Check) {
    let (count, seed) = (number("CNNC_CONVOLUTIONS", PROBLEMS), number("CNNC_CONVOLUTIONS_SEED", 1));
    let most = if std::env::var_os("CNNC_CONVOLUTIONS").is_some() { SAMPLED_LONG } else { SAMPLED };
    let targets = targets();
    let next = AtomicUsize::new(0);
    let (summary, failures) = (Mutex::new(Summary::new()), Mutex::new(vec![]));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let k = next.fetch_add(1, Ordering::Relaxed);
                    if k >= count {
                        return;
                    }
                    for found in check(seed + k, most, &targets, &summary) {
                        failures.lock().unwrap().push(found);
                    }
                }
            });
        }
    });
    println!("{:20} {:>8} {:>8} {:>12} {:>10}", "algorithm", "terms <", "runs", "error", "/declared");
    for ((name, terms), worst) in summary.lock().unwrap().iter() {
        println!("{name:20} {:8} {:8} {:12.3e} {:10.3}", 1u64 << terms, worst.runs, worst.error, worst.share);
    }
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Checks a convolution, named and of so many terms, whose exact result and scale are given.
fn check(
    (problem, terms): (String, usize),
    convolution: &Convolution,
    (exact, scale): (Vec<f64>, f64),
    (seed, random): (usize, &mut Random),
    most: usize,
    targets: &[(Target, Backend)],
    summary: &Mutex<Summary>,
) -> Vec<String> {
    let bucket = usize::BITS - terms.leading_zeros();
    let mut failures = vec![];
    for (k, (target, backend)) in targets.iter().enumerate() {
        let target = Target { threads: 1 + (seed + k) % 3, ..target.clone() };
        let mut pick = |candidates: usize| random.below(candidates);
        let (all, machine) = convolution.lower_all(&target, *backend, most, &mut pick);
        assert!(!all.is_empty(), "no candidate for {problem}");
        for lowered in &all {
            let name = lowered.algorithm.name;
            let mut fail = |what: String| {
                failures.push(format!(
                    "CNNC_CONVOLUTIONS_SEED={seed} {problem}: {} on {target:?}: {what}",
                    lowered.candidate
                ));
            };
            let result = lowered.run(&machine, 1);
            for parts in [2, 3] {
                if lowered.run(&machine, parts).bytes() != result.bytes() {
                    fail(format!("other bits in {parts} parts"));
                }
            }
            let values = result.as_slice::<f32>().unwrap();
            assert_eq!(values.len(), exact.len());
            let distances = values.iter().zip(&exact).map(|(&got, want)| (f64::from(got) - want).abs());
            // NaN, too, is a failure.
            let largest = distances.fold(0.0, |m: f64, d| if d > m || d.is_nan() { d } else { m });
            // Windows that see padding alone give zeros, and must.
            let worst = if largest == 0.0 { 0.0 } else { largest / scale };
            let mut summary = summary.lock().unwrap();
            let entry = summary.entry((name, bucket)).or_default();
            entry.runs += 1;
            entry.error = entry.error.max(worst);
            entry.share = entry.share.max(worst / lowered.declared);
            if worst.is_nan() || worst > lowered.declared {
                fail(format!("off by {worst:.3e}, declared {:.3e}", lowered.declared));
            }
        }
    }
    failures
}
