//! Random convolution problems, and their exact results by naive loops in f64: code of its own, that shares nothing
//! with the compiler's reference evaluation.

use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder, UnaryOp};
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::Window;
use cnnc_tensor::Tensor;
use std::fmt;

/// Random numbers from a seed (splitmix64).
pub struct Random(pub u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..n`.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// One of a list.
    pub fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// A number of mean 0 and variance 1 (Box and Muller).
    fn normal(&mut self) -> f32 {
        let mut unit = || ((self.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        ((-2.0 * unit().ln()).sqrt() * (std::f64::consts::TAU * unit()).cos()) as f32
    }

    fn normals(&mut self, dims: &[usize]) -> Tensor {
        let values: Vec<f32> = (0..dims.iter().product()).map(|_| self.normal()).collect();
        Tensor::from_vec(dims, &values).unwrap()
    }

    /// What an activation leaves: no number is negative.
    fn activations(&mut self, dims: &[usize]) -> Tensor {
        let values: Vec<f32> = (0..dims.iter().product()).map(|_| self.normal().abs()).collect();
        Tensor::from_vec(dims, &values).unwrap()
    }
}

/// What follows the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    Nothing,
    /// Bias, then relu.
    Bias,
    /// Bias, a residual of the result's dims, relu.
    Residual,
}

/// A convolution problem.
#[derive(Clone, Debug)]
pub struct Problem {
    pub images: usize,
    pub channels: usize,
    pub outputs: usize,
    pub groups: usize,
    /// Output `o` is of group `o % groups`.
    pub interleaved: bool,
    pub input: Vec<usize>,
    pub window: Window,
    pub tail: Tail,
}

impl Problem {
    /// A random problem of at most that many multiply-adds.
    pub fn random(random: &mut Random, most: usize) -> Problem {
        loop {
            let problem = Problem::any(random);
            let pixels: usize = problem.output().iter().product();
            if pixels > 0 && problem.images * problem.outputs * pixels * problem.terms() <= most {
                return problem;
            }
        }
    }

    fn any(random: &mut Random) -> Problem {
        let rank = random.pick(&[1, 2, 2, 2, 2, 2, 3]);
        let counts = [1, 2, 3, 5, 8, 12, 16, 17, 24, 31, 32, 33, 48, 64, 72, 100, 128, 200, 257, 512];
        let (mut channels, mut outputs, mut groups) = (random.pick(&counts), random.pick(&counts[..17]), 1);
        let mut interleaved = false;
        match random.below(8) {
            // Depthwise, some with a multiplier.
            0 => {
                groups = channels;
                outputs = channels * random.pick(&[1, 1, 1, 2]);
            }
            1 => {
                groups = random.pick(&[2, 3, 4, 8, 32]);
                let (per_in, per_out) = random.pick(&[(4, 4), (2, 3), (8, 8), (16, 16), (5, 7), (3, 8)]);
                (channels, outputs) = (groups * per_in, groups * per_out);
                interleaved = random.below(2) == 0;
            }
            _ => {}
        }
        let sizes: &[usize] = match rank {
            1 => &[1, 4, 7, 16, 40, 100, 333],
            2 => &[1, 2, 4, 5, 7, 7, 8, 11, 13, 14, 17, 23, 28, 32, 40],
            _ => &[1, 3, 4, 7, 8, 12],
        };
        let same = random.below(3) > 0;
        let first = random.pick(sizes);
        let input: Vec<usize> = (0..rank).map(|_| if same { first } else { random.pick(sizes) }).collect();
        let kernel: Vec<usize> = match random.below(8) {
            0 | 1 => vec![1; rank],
            2..=4 => vec![3; rank],
            5 => vec![random.pick(&[2, 5, 5, 7, 11]); rank],
            // 1xN and Nx1.
            6 => {
                let long = random.below(rank);
                (0..rank).map(|axis| if axis == long { random.pick(&[3, 5, 7]) } else { 1 }).collect()
            }
            _ => (0..rank).map(|_| random.pick(&[1, 2, 3, 4, 5])).collect(),
        };
        let all = |random: &mut Random, list: &[usize], apart: bool| -> Vec<usize> {
            let first = random.pick(list);
            (0..rank).map(|_| if apart { random.pick(list) } else { first }).collect()
        };
        let strides = all(random, &[1, 1, 1, 2, 3], random.0 & 7 == 0);
        let dilations = all(random, &[1, 1, 1, 1, 2, 3], random.0 & 7 == 0);
        let pads = |random: &mut Random| -> Vec<usize> {
            let half = |k: usize| kernel[k] / 2;
            match random.below(4) {
                0 => vec![0; rank],
                1 => (0..rank).map(|_| random.below(4)).collect(),
                _ => (0..rank).map(half).collect(),
            }
        };
        let pads_begin = pads(random);
        let pads_end = if random.below(4) > 0 { pads_begin.clone() } else { pads(random) };
        let tail = random.pick(&[Tail::Nothing, Tail::Bias, Tail::Residual]);
        let window = Window { kernel, strides, dilations, pads_begin, pads_end };
        Problem { images: random.pick(&[1, 1, 2]), channels, outputs, groups, interleaved, input, window, tail }
    }

    /// Spatial result extents; 0 where the window does not fit.
    pub fn output(&self) -> Vec<usize> {
        let w = &self.window;
        let along = |k: usize| {
            let span = (w.kernel[k] - 1) * w.dilations[k] + 1;
            (self.input[k] + w.pads_begin[k] + w.pads_end[k])
                .checked_sub(span)
                .map_or(0, |room| room / w.strides[k] + 1)
        };
        (0..self.input.len()).map(along).collect()
    }

    /// Products that an element of the result sums.
    pub fn terms(&self) -> usize {
        self.channels / self.groups * self.window.kernel.iter().product::<usize>()
    }

    /// Dims of the result.
    pub fn result(&self) -> Vec<usize> {
        [&[self.images, self.outputs], &self.output()[..]].concat()
    }

    /// Input, weights and the operands of the tail.
    pub fn operands(&self, random: &mut Random) -> Vec<Tensor> {
        let x = random.activations(&[&[self.images, self.channels], &self.input[..]].concat());
        let w = random.normals(&[&[self.outputs, self.channels / self.groups], &self.window.kernel[..]].concat());
        let mut operands = vec![x, w];
        if self.tail != Tail::Nothing {
            operands.push(random.normals(&[&[self.outputs], &vec![1; self.input.len()][..]].concat()));
        }
        if self.tail == Tail::Residual {
            operands.push(random.activations(&self.result()));
        }
        operands
    }

    /// The operator.
    pub fn op(&self) -> Op {
        let mut b = ExprBuilder::default();
        let mut value = b.input(0);
        if self.tail != Tail::Nothing {
            for k in 1..if self.tail == Tail::Bias { 2 } else { 3 } {
                let operand = b.input(k);
                value = b.binary(BinaryOp::Add, value, operand);
            }
            value = b.unary(UnaryOp::Relu, value);
        }
        let tail: Expr = b.finish(value);
        Op::Conv { window: self.window.clone(), groups: self.groups, interleaved: self.interleaved, tail }
    }

    /// The exact result, row-major, and what declared errors are relative to: the largest element, or where sums happen
    /// to cancel everywhere (a result of few elements can be arbitrarily small) the size that sums of these terms
    /// usually have, the root of the mean over the elements of the sum of the squared products.
    pub fn exact(&self, operands: &[Tensor]) -> (Vec<f64>, f64) {
        let values: Vec<Vec<f64>> = operands.iter().map(Tensor::to_f64_vec).collect();
        let (input, output) = (three(&self.input, 1), three(&self.output(), 1));
        let [kernel, strides, dilations] =
            [&self.window.kernel, &self.window.strides, &self.window.dilations].map(|list| three(list, 1));
        let pads = three(&self.window.pads_begin, 0);
        let (per_in, per_out) = (self.channels / self.groups, self.outputs / self.groups);
        let mut result = vec![];
        let mut squares = 0.0;
        for image in 0..self.images {
            for o in 0..self.outputs {
                for at in 0..output.iter().product() {
                    let position = [at / output[2] / output[1], at / output[2] % output[1], at % output[2]];
                    let mut sum = 0.0;
                    for c in 0..per_in {
                        let group = if self.interleaved { o % self.groups } else { o / per_out };
                        let channel = image * self.channels + group * per_in + c;
                        for tap in 0..kernel.iter().product() {
                            let tap_at = [tap / kernel[2] / kernel[1], tap / kernel[2] % kernel[1], tap % kernel[2]];
                            let from = |k: usize| {
                                (position[k] * strides[k] + tap_at[k] * dilations[k])
                                    .checked_sub(pads[k])
                                    .filter(|&i| i < input[k])
                            };
                            let (Some(d), Some(h), Some(w)) = (from(0), from(1), from(2)) else { continue };
                            let x = values[0][((channel * input[0] + d) * input[1] + h) * input[2] + w];
                            let weight = values[1][(o * per_in + c) * kernel.iter().product::<usize>() + tap];
                            let product = x * weight;
                            sum += product;
                            squares += product * product;
                        }
                    }
                    if self.tail != Tail::Nothing {
                        sum += values[2][o];
                        if self.tail == Tail::Residual {
                            sum += values[3][result.len()];
                        }
                        sum = sum.max(0.0);
                    }
                    result.push(sum);
                }
            }
        }
        let largest = result.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        let usual = (squares / result.len() as f64).sqrt();
        (result, largest.max(usual))
    }
}

fn three(list: &[usize], missing: usize) -> [usize; 3] {
    let mut all = [missing; 3];
    all[3 - list.len()..].copy_from_slice(list);
    all
}

/// `2x17x40x40 -> 33, kernel 3x3, strides 1x1, dilations 1x1, pads 1x1 1x1, groups 1, bias`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = |list: &[usize]| list.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        let w = &self.window;
        write!(
            f,
            "{}x{}x{} -> {}, kernel {}",
            self.images,
            self.channels,
            by(&self.input),
            self.outputs,
            by(&w.kernel)
        )?;
        write!(f, ", strides {}, dilations {}", by(&w.strides), by(&w.dilations))?;
        let order = if self.interleaved { " interleaved" } else { "" };
        let (begin, end) = (by(&w.pads_begin), by(&w.pads_end));
        write!(f, ", pads {begin} {end}, groups {}{order}, tail {:?}", self.groups, self.tail)
    }
}
