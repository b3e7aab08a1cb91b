//! Transposed convolutions: every candidate of every algorithm against the reference evaluation.
#![allow(clippy::unwrap_used)] // helpers of tests

mod common;

use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder, UnaryOp};
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::Window;
use cnnc_tensor::{DType, Layout, Target};
use common::{Case, Random, targets};

struct Problem {
    images: usize,
    channels: usize,
    outputs: usize,
    groups: usize,
    input: Vec<usize>,
    window: Window,
    output_pads: Vec<usize>,
}

impl Problem {
    fn output(&self) -> Option<Vec<usize>> {
        let w = &self.window;
        let along = |k: usize| {
            let full = (self.input[k] - 1) * w.strides[k] + (w.kernel[k] - 1) * w.dilations[k] + 1;
            (full + self.output_pads[k]).checked_sub(w.pads_begin[k] + w.pads_end[k]).filter(|&n| n > 0)
        };
        (0..self.input.len()).map(along).collect()
    }

    fn random(random: &mut Random, lanes: usize) -> Problem {
        loop {
            let rank = random.pick(&[1, 2, 2, 3]);
            let (mut channels, mut outputs) =
                (random.pick(&[1, 3, lanes, 2 * lanes, lanes + 3]), random.pick(&[1, 5, lanes, 2 * lanes + 1, 24]));
            let mut groups = 1;
            if random.below(3) == 0 {
                groups = random.pick(&[2, 3]);
                let (per_in, per_out) = random.pick(&[(1, 1), (2, 3), (lanes, lanes)]);
                (channels, outputs) = (groups * per_in, groups * per_out);
            }
            let of = |random: &mut Random, list: &[usize]| (0..rank).map(|_| random.pick(list)).collect::<Vec<_>>();
            let strides = of(random, &[1, 2, 2, 3]);
            let problem = Problem {
                images: random.pick(&[1, 1, 2]),
                channels,
                outputs,
                groups,
                input: (0..rank).map(|_| 1 + random.below(if rank == 1 { 20 } else { 6 })).collect(),
                output_pads: strides.iter().map(|&s| random.below(s)).collect(),
                window: Window {
                    kernel: of(random, &[1, 2, 3, 4, 5]),
                    dilations: of(random, &[1, 1, 2, 3]),
                    pads_begin: of(random, &[0, 0, 1, 2]),
                    pads_end: of(random, &[0, 0, 1, 3]),
                    strides,
                },
            };
            let small = problem.output().is_some_and(|o| {
                let taps: usize = problem.window.kernel.iter().product();
                o.iter().product::<usize>() * problem.images * outputs * channels / groups * taps < 200_000
            });
            if small {
                return problem;
            }
        }
    }

    fn dims(&self, channels: usize, spatial: &[usize]) -> Vec<usize> {
        let mut dims = vec![self.images, channels];
        dims.extend(spatial);
        dims
    }

    fn check(&self, random: &mut Random, target: &Target, dtype: DType, layouts: (Layout, Layout)) -> Vec<String> {
        let mut weights = vec![self.channels, self.outputs / self.groups];
        weights.extend(&self.window.kernel);
        let mut bias = vec![1; self.input.len() + 1];
        bias[0] = self.outputs;
        let inputs = vec![
            random.tensor(dtype, &self.dims(self.channels, &self.input)).with_layout(layouts.0).unwrap(),
            random.tensor(dtype, &weights),
            random.tensor(dtype, &bias),
        ];
        let op = Op::ConvTranspose {
            window: self.window.clone(),
            output_pads: self.output_pads.clone(),
            groups: self.groups,
            tail: tail(),
        };
        let case = Case::new(op, inputs).result_layout(layouts.1).constants(&[1]);
        let case = case.tolerance(if dtype == DType::F16 { 2e-3 } else { 4e-6 });
        case.check(target).into_iter().map(|c| c.algorithm).collect()
    }
}

/// Bias and relu.
fn tail() -> Expr {
    let mut b = ExprBuilder::default();
    let (value, bias) = (b.input(0), b.input(1));
    let sum = b.binary(BinaryOp::Add, value, bias);
    let relu = b.unary(UnaryOp::Relu, sum);
    b.finish(relu)
}

#[test]
fn random_problems_in_every_layout() {
    let mut random = Random::new(21);
    for _ in 0..20 {
        for target in targets() {
            let blocked = Layout::Blocked(target.lanes);
            let problem = Problem::random(&mut random, target.lanes);
            for layouts in [(blocked, blocked), (Layout::Plain, blocked), (Layout::Plain, Layout::Plain)] {
                let found = problem.check(&mut random, &target, DType::F32, layouts);
                assert!(layouts.1 == blocked || !found.is_empty());
                assert!(problem.groups > 1 || layouts.1 == Layout::Plain || !found.is_empty());
            }
        }
    }
}

#[test]
fn plain_loops_take_every_element_type() {
    let mut random = Random::new(22);
    for dtype in [DType::F64, DType::F16, DType::I32, DType::U8] {
        let problem = Problem::random(&mut random, 4);
        for target in targets() {
            let found = problem.check(&mut random, &target, dtype, (Layout::Plain, Layout::Plain));
            assert_eq!(found, ["transposed_loops"]);
        }
    }
}
