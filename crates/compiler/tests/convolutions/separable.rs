//! Random pairs of a depthwise convolution and a 1x1 convolution of its result.

use crate::problem::{Problem, Random, Tail};
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::Window;
use cnnc_tensor::Tensor;
use std::fmt;

/// A depthwise problem with a bias, and the problem of its result.
pub struct Pair {
    pub first: Problem,
    pub second: Problem,
}

impl Pair {
    /// A random pair of at most that many multiply-adds each.
    pub fn random(random: &mut Random, most: usize) -> Pair {
        loop {
            let any = Problem::random(random, most);
            let first =
                Problem { outputs: any.channels, groups: any.channels, interleaved: false, tail: Tail::Bias, ..any };
            let outputs = random.pick(&[1, 7, 16, 24, 33, 64, 100]);
            let window = Window::of_one_tap(first.input.len());
            let tail = random.pick(&[Tail::Nothing, Tail::Bias, Tail::Residual]);
            let second = Problem { outputs, groups: 1, input: first.output(), window, tail, ..first.clone() };
            let pixels: usize = second.input.iter().product();
            // Images of one row or column have no such candidates.
            let columns = second.input[second.input.len() - 1].max(1);
            if columns > 1 && pixels > columns && second.images * pixels * second.channels * outputs <= most {
                return Pair { first, second };
            }
        }
    }

    /// Input, the weights and bias of the first, weights and operands of the second.
    pub fn operands(&self, random: &mut Random) -> Vec<Tensor> {
        let mut operands = self.first.operands(random);
        operands.extend_from_slice(&self.second.operands(random)[1..]);
        operands
    }

    /// The operator.
    pub fn op(&self) -> Op {
        let tail = |problem: &Problem| problem.op().tail().unwrap().0.clone();
        Op::Separable { window: self.first.window.clone(), between: tail(&self.first), tail: tail(&self.second) }
    }

    /// The exact result, and what declared errors are relative to.
    pub fn exact(&self, operands: &[Tensor]) -> (Vec<f64>, f64) {
        let made = self.first.exact(&operands[..3]).0;
        let made = Tensor::from_vec(&self.first.result(), &made).unwrap();
        self.second.exact(&[&[made], &operands[3..]].concat())
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, then {}", self.first, self.second)
    }
}
