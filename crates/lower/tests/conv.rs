//! Convolutions: every candidate of every algorithm against the reference evaluation.
#![allow(clippy::unwrap_used)] // helpers of tests

mod common;

use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder, UnaryOp};
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::Window;
use cnnc_tensor::{DType, Layout, Target, Tensor};
use common::{Case, Random, targets};
use std::collections::BTreeSet;

#[derive(Clone)]
struct Problem {
    images: usize,
    channels: usize,
    outputs: usize,
    groups: usize,
    interleaved: bool,
    input: Vec<usize>,
    window: Window,
}

fn window(kernel: &[usize], strides: &[usize], dilations: &[usize], begin: &[usize], end: &[usize]) -> Window {
    Window {
        kernel: kernel.to_vec(),
        strides: strides.to_vec(),
        dilations: dilations.to_vec(),
        pads_begin: begin.to_vec(),
        pads_end: end.to_vec(),
    }
}

impl Problem {
    /// A square problem in two dimensions: channels, outputs, extent, kernel, stride, padding.
    fn square(channels: usize, outputs: usize, extent: usize, kernel: usize, stride: usize, pad: usize) -> Problem {
        let window = window(&[kernel; 2], &[stride; 2], &[1; 2], &[pad; 2], &[pad; 2]);
        Problem { images: 1, channels, outputs, groups: 1, interleaved: false, input: vec![extent; 2], window }
    }

    fn grouped(self, groups: usize) -> Problem {
        Problem { groups, ..self }
    }

    fn interleaved(self, groups: usize) -> Problem {
        Problem { groups, interleaved: true, ..self }
    }

    fn output(&self) -> Vec<usize> {
        let w = &self.window;
        let along = |k: usize| {
            let span = (w.kernel[k] - 1) * w.dilations[k] + 1;
            (self.input[k] + w.pads_begin[k] + w.pads_end[k] - span) / w.strides[k] + 1
        };
        (0..self.input.len()).map(along).collect()
    }

    fn random(random: &mut Random, lanes: usize) -> Problem {
        loop {
            let rank = random.pick(&[1, 2, 2, 2, 3]);
            let channel_choices = [1, 3, 4, lanes, 2 * lanes, lanes + 3, 24];
            let output_choices = [1, 5, lanes, 2 * lanes, 3 * lanes, 2 * lanes + 1, 40];
            let (mut channels, mut outputs) = (random.pick(&channel_choices), random.pick(&output_choices));
            let (mut groups, mut interleaved) = (1, false);
            if random.below(3) == 0 {
                groups = random.pick(&[2, 3, lanes]);
                interleaved = random.below(2) == 0;
                let (per_in, per_out) = random.pick(&[(1, 1), (1, 2), (4, 4), (2, 3), (lanes, lanes), (5, 7)]);
                (channels, outputs) = (groups * per_in, groups * per_out);
            }
            let of = |random: &mut Random, list: &[usize]| (0..rank).map(|_| random.pick(list)).collect::<Vec<_>>();
            let longest = if rank == 1 { 40 } else { 11 };
            let input: Vec<usize> = (0..rank).map(|_| 1 + random.below(longest)).collect();
            let window = Window {
                kernel: of(random, &[1, 1, 2, 3, 3, 5]),
                strides: of(random, &[1, 1, 1, 2, 3]),
                dilations: of(random, &[1, 1, 2, 3]),
                pads_begin: of(random, &[0, 0, 1, 2, 7]),
                pads_end: of(random, &[0, 0, 1, 2, 5]),
            };
            let fits = (0..rank).all(|k| {
                input[k] + window.pads_begin[k] + window.pads_end[k] > (window.kernel[k] - 1) * window.dilations[k]
            });
            let images = random.pick(&[1, 1, 2]);
            let problem = Problem { images, channels, outputs, groups, interleaved, input, window };
            if fits && problem.cost() < 60_000 {
                return problem;
            }
        }
    }

    fn cost(&self) -> usize {
        let pixels: usize = self.output().iter().product::<usize>() * self.images;
        let taps: usize = self.window.kernel.iter().product();
        pixels * self.outputs.next_multiple_of(16) / 16 * (self.channels / self.groups).max(1) * taps
    }

    fn dims(&self, channels: usize, spatial: &[usize]) -> Vec<usize> {
        let mut dims = vec![self.images, channels];
        dims.extend(spatial);
        dims
    }

    fn op(&self, tail: Tail) -> Op {
        let (window, groups, interleaved) = (self.window.clone(), self.groups, self.interleaved);
        Op::Conv { window, groups, interleaved, tail: tail.expr() }
    }

    /// Checks the problem under a tail; which of its operands are of the result's layout is told by `tail`.
    fn check(&self, random: &mut Random, target: &Target, layouts: (Layout, Layout), tail: Tail) -> BTreeSet<String> {
        let mut weights = vec![self.outputs, self.channels / self.groups];
        weights.extend(&self.window.kernel);
        let x = random.tensor(DType::F32, &self.dims(self.channels, &self.input));
        let w = random.tensor(DType::F32, &weights);
        let mut inputs = vec![x.with_layout(layouts.0).unwrap(), w];
        let result = self.dims(self.outputs, &self.output());
        inputs.extend(tail.operands(random, &result, layouts.1));
        let op = self.op(tail);
        let found = Case::new(op, inputs).result_layout(layouts.1).constants(&[1]).tolerance(1e-5).check(target);
        found.into_iter().map(|c| c.algorithm).collect()
    }
}

#[derive(Clone, Copy, Debug)]
enum Tail {
    Identity,
    /// Bias and relu.
    Bias,
    /// Bias, a residual of the result's shape, relu.
    Residual,
    /// Bias, and a constant that makes zero lanes nonzero.
    Shift,
}

impl Tail {
    fn expr(self) -> Expr {
        let mut b = ExprBuilder::default();
        let mut value = b.input(0);
        if !matches!(self, Tail::Identity) {
            let bias = b.input(1);
            value = b.binary(BinaryOp::Add, value, bias);
        }
        value = match self {
            Tail::Residual => {
                let residual = b.input(2);
                let sum = b.binary(BinaryOp::Add, value, residual);
                b.unary(UnaryOp::Relu, sum)
            }
            Tail::Bias => b.unary(UnaryOp::Relu, value),
            Tail::Shift => {
                let one = b.constant(cnnc_tensor::Scalar::f32(1.0));
                b.binary(BinaryOp::Add, value, one)
            }
            Tail::Identity => value,
        };
        b.finish(value)
    }

    fn operands(self, random: &mut Random, result: &[usize], layout: Layout) -> Vec<Tensor> {
        let mut bias = vec![1; result.len() - 1];
        bias[0] = result[1];
        let bias = random.tensor(DType::F32, &bias);
        match self {
            Tail::Identity => vec![],
            Tail::Bias | Tail::Shift => vec![bias],
            Tail::Residual => vec![bias, random.tensor(DType::F32, result).with_layout(layout).unwrap()],
        }
    }
}

const TAILS: [Tail; 4] = [Tail::Identity, Tail::Bias, Tail::Residual, Tail::Shift];

#[test]
fn random_problems_in_every_layout() {
    let mut random = Random::new(7);
    for round in 0..40 {
        for target in targets() {
            let blocked = Layout::Blocked(target.lanes);
            let problem = Problem::random(&mut random, target.lanes);
            let tail = TAILS[round % TAILS.len()];
            for layouts in [(blocked, blocked), (Layout::Plain, blocked), (Layout::Plain, Layout::Plain)] {
                problem.check(&mut random, &target, layouts, tail);
            }
        }
    }
}

#[test]
fn the_tuned_algorithms_take_the_layers_of_common_networks() {
    let mut random = Random::new(8);
    for target in targets() {
        let blocked = Layout::Blocked(target.lanes);
        let mut takes = |problem: Problem, input: Layout, algorithm: &str, tail: Tail| {
            let found = problem.check(&mut random, &target, (input, blocked), tail);
            assert!(found.contains(algorithm), "{algorithm} not in {found:?} for {} lanes", target.lanes);
        };
        takes(Problem::square(24, 40, 9, 3, 1, 1), blocked, "direct", Tail::Residual);
        takes(Problem::square(32, 24, 7, 3, 2, 1), blocked, "direct", Tail::Bias);
        takes(Problem::square(24, 40, 9, 3, 1, 1), blocked, "im2col", Tail::Residual);
        takes(Problem::square(24, 40, 9, 3, 1, 1), blocked, "implicit_gemm", Tail::Residual);
        takes(Problem::square(20, 17, 7, 3, 2, 1), blocked, "implicit_gemm", Tail::Bias);
        takes(Problem::square(24, 40, 9, 3, 1, 1), blocked, "winograd", Tail::Residual);
        takes(Problem::square(20, 17, 7, 3, 1, 0), blocked, "winograd", Tail::Bias);
        takes(Problem::square(24, 8, 5, 5, 1, 7), blocked, "winograd", Tail::Shift);
        takes(Problem::square(24, 8, 5, 5, 1, 7), blocked, "direct", Tail::Shift);
        takes(Problem::square(16, 16, 2, 3, 1, 1), blocked, "direct", Tail::Bias);
        takes(Problem::square(32, 64, 6, 3, 1, 1).grouped(2), blocked, "direct", Tail::Residual);
        let tall = Problem { input: vec![31, 1], ..Problem::square(24, 40, 1, 1, 1, 0) };
        let kernel = window(&[3, 1], &[1, 1], &[1, 1], &[1, 0], &[1, 0]);
        takes(Problem { window: kernel, ..tall }, blocked, "direct", Tail::Residual);
        let wide = Problem {
            input: vec![5, 21],
            window: window(&[1, 7], &[1, 1], &[1, 1], &[0, 3], &[0, 3]),
            ..Problem::square(20, 20, 1, 1, 1, 0)
        };
        takes(wide, blocked, "winograd", Tail::Shift);
        let cube = Problem {
            input: vec![3, 6, 5],
            window: window(&[3; 3], &[1; 3], &[1; 3], &[1; 3], &[1; 3]),
            ..Problem::square(18, 20, 1, 1, 1, 0)
        };
        takes(cube.clone(), blocked, "winograd", Tail::Residual);
        takes(cube, blocked, "implicit_gemm", Tail::Shift);
        takes(Problem::square(20, 24, 11, 5, 1, 2), blocked, "fft", Tail::Residual);
        takes(Problem::square(17, 20, 13, 7, 1, 0), blocked, "fft", Tail::Bias);
        takes(Problem { images: 2, ..Problem::square(5, 9, 6, 3, 1, 3) }, blocked, "fft", Tail::Shift);
        let line = Problem {
            input: vec![45],
            window: window(&[6], &[1], &[1], &[2], &[4]),
            ..Problem::square(20, 24, 1, 1, 1, 0)
        };
        takes(line, blocked, "fft", Tail::Residual);
        takes(Problem::square(3, 24, 17, 7, 2, 3), Layout::Plain, "direct_plain_input", Tail::Bias);
        takes(Problem::square(3, 16, 30, 11, 4, 2), Layout::Plain, "direct_plain_input", Tail::Bias);
        takes(Problem::square(24, 24, 9, 3, 1, 1).grouped(24), blocked, "depthwise", Tail::Residual);
        takes(Problem::square(40, 40, 7, 5, 2, 2).grouped(40), blocked, "depthwise", Tail::Shift);
        takes(Problem::square(32, 32, 6, 3, 1, 1).grouped(8), blocked, "grouped", Tail::Bias);
        takes(Problem::square(24, 24, 6, 3, 2, 1).grouped(12), blocked, "grouped", Tail::Shift);
        takes(Problem::square(20, 40, 5, 3, 1, 1).grouped(20), blocked, "grouped", Tail::Residual);
        takes(Problem::square(51, 60, 5, 1, 1, 0).grouped(3), blocked, "grouped_dense", Tail::Residual);
        takes(Problem::square(20, 30, 5, 3, 2, 1).grouped(5), blocked, "grouped_dense", Tail::Shift);
        takes(Problem::square(28, 136, 5, 1, 1, 0).interleaved(4), blocked, "interleaved", Tail::Bias);
        takes(Problem::square(36, 64, 5, 1, 1, 0).interleaved(4), blocked, "interleaved", Tail::Residual);
        takes(Problem::square(51, 60, 5, 1, 1, 0).interleaved(3), blocked, "interleaved", Tail::Shift);
        takes(Problem::square(32, 64, 6, 3, 2, 1).interleaved(2), blocked, "interleaved", Tail::Residual);
        takes(
            Problem { images: 2, ..Problem::square(32, 64, 5, 1, 1, 0).interleaved(2) },
            blocked,
            "interleaved",
            Tail::Bias,
        );
        takes(Problem::square(40, 72, 6, 1, 1, 0), blocked, "pointwise", Tail::Residual);
        takes(Problem::square(24, 32, 9, 1, 2, 0), blocked, "pointwise", Tail::Bias);
        takes(Problem::square(40, 72, 5, 1, 1, 0), blocked, "strassen", Tail::Residual);
        takes(Problem { images: 2, ..Problem::square(64, 32, 4, 1, 1, 0) }, blocked, "strassen", Tail::Shift);
    }
}

#[test]
fn plain_layouts_have_a_tuned_algorithm() {
    let mut random = Random::new(10);
    for target in targets() {
        for (problem, tail) in [
            (Problem::square(5, 3, 20, 3, 1, 1), Tail::Residual),
            (Problem::square(4, 9, 19, 5, 2, 2), Tail::Bias),
            (Problem::square(6, 4, 12, 1, 1, 0).grouped(2), Tail::Identity),
            (Problem::square(12, 60, 19, 1, 1, 0).interleaved(4), Tail::Bias),
            (Problem::square(6, 9, 7, 3, 2, 1).interleaved(3), Tail::Residual),
        ] {
            let found = problem.check(&mut random, &target, (Layout::Plain, Layout::Plain), tail);
            assert!(found.contains("direct_plain"), "{found:?}");
        }
    }
}

#[test]
fn plain_loops_take_every_element_type() {
    let mut random = Random::new(9);
    for dtype in [DType::F64, DType::F16, DType::I32, DType::I64, DType::U8, DType::F32] {
        for _ in 0..3 {
            let problem = Problem::random(&mut random, 4);
            let mut weights = vec![problem.outputs, problem.channels / problem.groups];
            weights.extend(&problem.window.kernel);
            let x = random.tensor(dtype, &problem.dims(problem.channels, &problem.input));
            let w = random.tensor(dtype, &weights);
            Case::new(problem.op(Tail::Identity), vec![x, w]).tolerance(2e-3).check_all();
        }
    }
}
