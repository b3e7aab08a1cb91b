//! Random graphs of small tensors, as convolutional networks have them.

use cnnc_ir::expr::{Expr, ExprBuilder, parse_expr};
use cnnc_ir::graph::ops::{PadMode, PoolKind, ReduceKind, Window};
use cnnc_ir::graph::{Graph, Op, TensorType, ValueId, seeded};
use cnnc_tensor::DType;

/// No value has more elements.
const MAX_ELEMENTS: usize = 1200;

/// One step's operator, operand and attributes.
pub type Choice = (u32, u32, u32);

/// The graph of a list of choices. What does not fit is left out, so every list makes a graph.
pub fn graph(first: u32, steps: &[Choice]) -> Graph {
    let first = first as usize;
    let mut maker = Maker { graph: Graph::new("random"), values: vec![], seed: 1 };
    let dims = [[1, 4, 5, 5], [2, 2, 4, 3], [1, 6, 1, 4], [1, 3, 6, 6]][first % 4];
    let x = maker.graph.add_input("x", TensorType::plain(DType::F32, &dims));
    maker.values.push(x);
    for &(operator, operand, attributes) in steps {
        maker.step(operator as usize, operand as usize, attributes as usize);
    }
    let last = maker.values[maker.values.len() - 1];
    maker.graph.add_output("last", last);
    let some = maker.values[first / 4 % maker.values.len()];
    maker.graph.add_output("some", some);
    maker.graph
}

struct Maker {
    graph: Graph,
    /// What later steps may take.
    values: Vec<ValueId>,
    seed: u64,
}

fn expr(text: &str) -> Expr {
    parse_expr(text).unwrap()
}

impl Maker {
    fn dims(&self, v: ValueId) -> Vec<usize> {
        self.graph.ty(v).dims.clone()
    }

    /// One step: an operator on a recent value. Mostly the last value is taken, so that chains arise.
    fn step(&mut self, operator: usize, operand: usize, attributes: usize) {
        let back = [0, 0, 0, 0, 1, 2, 3, 5][operand % 8].min(self.values.len() - 1);
        let x = self.values[self.values.len() - 1 - back];
        match operator % 21 {
            0 | 1 => self.conv(x, attributes),
            2 | 3 => self.per_channel(x, attributes),
            4 => self.unary(x, attributes),
            5 => self.scalar(x, attributes),
            6 | 7 => self.binary(x, attributes),
            8 => self.pad(x, attributes),
            9 => self.concat(x, attributes),
            10 => self.transpose(x, attributes),
            11 => self.reshape(x, attributes),
            12 => self.reduce(x, attributes),
            13 => self.layer_norm(x, attributes),
            14 => self.swish(x, attributes),
            15 => self.slice(x, attributes),
            16 => self.conv_transpose(x, attributes),
            17 => self.pool(x, attributes),
            18 => self.matmul(x, attributes),
            19 => self.shuffle(x, attributes),
            _ => self.transposed_branch(x, attributes),
        };
    }

    /// Adds a node where it fits.
    fn add(&mut self, op: Op, inputs: &[ValueId]) -> Option<ValueId> {
        let types: Vec<&TensorType> = inputs.iter().map(|&v| self.graph.ty(v)).collect();
        let results = cnnc_ir::graph::infer(&op, &types).ok()?;
        if results.iter().any(|ty| ty.count() > MAX_ELEMENTS || ty.dims.len() > 5) {
            return None;
        }
        let name = format!("n{}", self.graph.nodes().count());
        let value = self.graph.add(&name, op, inputs).ok()?[0];
        self.values.push(value);
        Some(value)
    }

    fn map(&mut self, text: &str, inputs: &[ValueId]) -> Option<ValueId> {
        self.add(Op::map(expr(text)), inputs)
    }

    /// A constant; about every other one is the one before over again.
    fn constant(&mut self, dims: &[usize], choice: usize) -> ValueId {
        if choice.is_multiple_of(2) {
            self.seed += 1;
        }
        let tensor = seeded(&TensorType::plain(DType::F32, dims), self.seed).unwrap();
        match choice % 5 {
            0 => self.graph.add_param(None, tensor),
            _ => self.graph.add_const(None, tensor),
        }
    }

    fn window(rank: usize, choice: usize) -> Window {
        let each = |k: usize| vec![k; rank];
        let mut window = Window {
            kernel: each([1, 3, 2][choice % 3]),
            strides: each(1 + choice / 3 % 2),
            dilations: each(1),
            pads_begin: each(0),
            pads_end: each(0),
        };
        if choice / 6 % 2 == 1 && window.kernel[0] > 1 {
            window.pads_begin = each(1);
            window.pads_end[0] = 1;
        }
        window
    }

    fn conv(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let dims = self.dims(x);
        let (channels, rank) = (*dims.get(1)?, dims.len().checked_sub(2).filter(|&r| r > 0)?);
        let groups = [1, 1, channels, 2][choice / 12 % 4];
        if channels == 0 || !channels.is_multiple_of(groups) {
            return None;
        }
        let outputs = if groups == 1 { 1 + choice / 48 % 5 } else { groups * (1 + choice / 48 % 2) };
        let interleaved = groups == 2 && (choice / 768).is_multiple_of(2);
        let window = Self::window(rank, choice);
        let mut shape = vec![outputs, channels / groups];
        shape.extend(&window.kernel);
        let w = self.constant(&shape, choice / 96);
        if (choice / 192).is_multiple_of(2) {
            return self.add(Op::Conv { window, groups, interleaved, tail: Expr::input(0) }, &[x, w]);
        }
        let mut shape = vec![1; rank + 1];
        shape[0] = outputs;
        let bias = self.constant(&shape, choice / 384);
        self.add(Op::Conv { window, groups, interleaved, tail: expr("add($0, $1)") }, &[x, w, bias])
    }

    /// A channel shuffle as exporters write it, behind a convolution or what is there.
    fn shuffle(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let x = if choice.is_multiple_of(3) { self.conv(x, choice / 3).unwrap_or(x) } else { x };
        let dims = self.dims(x);
        let (images, channels) = (*dims.first()?, *dims.get(1)?);
        let groups = (2..channels).filter(|&g| channels.is_multiple_of(g)).nth(choice / 12 % 2)?;
        let mut parts = vec![images, groups, channels / groups];
        match choice / 24 % 2 {
            0 => parts.extend(dims.get(2..)?),
            _ => parts.push(dims.get(2..)?.iter().product()),
        }
        let mut perm: Vec<usize> = (0..parts.len()).collect();
        perm.swap(1, 2);
        let x = self.add(Op::Reshape { dims: parts }, &[x])?;
        let x = self.add(Op::Transpose { perm }, &[x])?;
        self.add(Op::Reshape { dims }, &[x])
    }

    fn conv_transpose(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let dims = self.dims(x);
        let (channels, rank) = (*dims.get(1)?, dims.len().checked_sub(2).filter(|&r| r > 0)?);
        let groups = if (choice / 12).is_multiple_of(3) && channels.is_multiple_of(2) { 2 } else { 1 };
        let window = Self::window(rank, choice);
        let mut shape = vec![channels, 1 + choice / 36 % 3];
        shape.extend(&window.kernel);
        let w = self.constant(&shape, choice / 108);
        let op = Op::ConvTranspose { window, output_pads: vec![0; rank], groups, tail: Expr::input(0) };
        self.add(op, &[x, w])
    }

    fn pool(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let rank = self.dims(x).len().checked_sub(2).filter(|&r| r > 0)?;
        let kind = if (choice / 12).is_multiple_of(2) { PoolKind::Max } else { PoolKind::Average };
        let window = Self::window(rank, choice);
        self.add(Op::Pool { kind, window, count_pads_end: vec![], indices: false, column_major: false }, &[x])
    }

    /// Scale and shift per channel, as one map or as two.
    fn per_channel(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let dims = self.dims(x);
        let mut shape = vec![1; dims.len().checked_sub(choice % 2)?];
        let at = 1usize.checked_sub(choice % 2)?;
        *shape.get_mut(at)? = *dims.get(1)?;
        let (a, b) = (self.constant(&shape, choice / 2), self.constant(&shape, choice / 4));
        match choice / 8 % 5 {
            0 => self.map("add(mul($0, $1), $2)", &[x, a, b]),
            1 => self.map("mul(sub($0, $1), $2)", &[x, a, b]),
            2 => self.map("sub($1, mul($2, $0))", &[x, a, b]),
            3 => self.map("mul($1, $0)", &[x, a]),
            _ => {
                let y = self.map("mul($0, $1)", &[x, a])?;
                self.map("add($0, $1)", &[y, b])
            }
        }
    }

    fn unary(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let texts = ["relu($0)", "tanh($0)", "neg($0)", "sigmoid($0)", "f32(f64($0))", "$0", "abs($0)"];
        match choice % 9 {
            7 => {
                let mut b = ExprBuilder::default();
                let (x0, index) = (b.input(0), b.index((choice / 9) as u32 % 3));
                let index = b.cast(DType::F32, index);
                let sum = b.binary(cnnc_ir::expr::BinaryOp::Add, x0, index);
                self.add(Op::map(b.finish(sum)), &[x])
            }
            8 => {
                let mut dims = self.dims(x);
                dims.insert(0, 1 + choice / 9 % 2);
                self.add(Op::Broadcast { dims }, &[x])
            }
            k => self.map(texts[k], &[x]),
        }
    }

    fn scalar(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let c = self.constant([&[][..], &[1], &[1, 1, 1]][choice % 3], choice / 3);
        match choice / 30 % 5 {
            0 => self.map("add($0, $1)", &[x, c]),
            1 => self.map("mul($0, $1)", &[x, c]),
            2 => self.map("max($0, $1)", &[x, c]),
            3 => self.map("pow($0, f32:2.0)", &[x]),
            _ => self.map("select(lt($0, $1), $0, $1)", &[x, c]),
        }
    }

    /// With another value that broadcasts; found by trying.
    fn binary(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let op = ["add($0, $1)", "sub($0, $1)", "mul($0, tanh($1))", "max($1, $0)"][choice / 16 % 4];
        let count = self.values.len();
        (0..count).find_map(|k| self.map(op, &[x, self.values[(choice + k) % count]]))
    }

    fn pad(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let rank = self.dims(x).len();
        let (mut begin, mut end) = (vec![0; rank], vec![0; rank]);
        let axis = if choice.is_multiple_of(3) { rank.checked_sub(1)? } else { 2.min(rank.checked_sub(1)?) };
        begin[axis] = (choice / 3 % 3) as isize;
        end[axis] = (choice / 9 % 3) as isize - isize::from(choice.is_multiple_of(5));
        let mode = if (choice / 27).is_multiple_of(4) { PadMode::Edge } else { PadMode::Constant };
        self.add(Op::Pad { mode, begin, end }, &[x])
    }

    fn concat(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let axis = if choice.is_multiple_of(4) { 0 } else { 1 };
        let op = Op::Concat { axis };
        let count = self.values.len();
        let other = (0..count).map(|k| self.values[(choice + k) % count]).find(|&v| {
            let types = [self.graph.ty(x), self.graph.ty(v)];
            v != x && cnnc_ir::graph::infer(&op, &types).is_ok()
        });
        let operands = match choice / 16 % 4 {
            0 => vec![x],
            1 => vec![x, x],
            2 => vec![x, other?],
            _ => {
                let short = self.add(op.clone(), &[x, other?])?;
                let long = self.add(op.clone(), &[x, other?, x])?;
                vec![long, short]
            }
        };
        self.add(op, &operands)
    }

    fn transpose(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let perm = permutation(self.dims(x).len(), choice);
        self.add(Op::Transpose { perm }, &[x])
    }

    fn reshape(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let mut dims = self.dims(x);
        let at = choice / 4 % (dims.len() + 1);
        match choice % 4 {
            0 => dims.insert(at, 1),
            1 if at + 1 < dims.len() => {
                dims[at] *= dims[at + 1];
                dims.remove(at + 1);
            }
            2 => dims.retain(|&d| d != 1),
            _ => {
                let &d = dims.get(at)?;
                let factor = (2..=d).find(|&f| d.is_multiple_of(f))?;
                dims[at] /= factor;
                dims.insert(at, factor);
            }
        }
        self.add(Op::Reshape { dims }, &[x])
    }

    fn reduce(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let rank = self.dims(x).len();
        let kind = [ReduceKind::Mean, ReduceKind::Max, ReduceKind::Sum][choice % 3];
        let axes =
            (0..rank).filter(|axis| choice >> (2 + axis) & 1 == 1 || (*axis >= 2 && choice / 3 % 2 == 1)).collect();
        self.add(Op::Reduce { kind, axes, keep_dims: choice / 128 % 2 == 1 }, &[x])
    }

    /// Layer normalisation as exporters write it.
    fn layer_norm(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let rank = self.dims(x).len();
        let axes = match choice % 3 {
            0 if rank > 2 => (2..rank).collect(),
            _ => vec![rank.checked_sub(1)?],
        };
        let mean = Op::Reduce { kind: ReduceKind::Mean, axes, keep_dims: true };
        let d = match choice / 3 % 4 {
            0 => x,
            _ => {
                let m = self.add(mean.clone(), &[x])?;
                self.map("sub($0, $1)", &[x, m])?
            }
        };
        let squares = self.map(["mul($0, $0)", "pow($0, f32:2.0)"][choice / 12 % 2], &[d])?;
        let variance = self.add(mean, &[squares])?;
        let sum = self.map("add($0, f32:0.05)", &[variance])?;
        let y = match choice / 24 % 3 {
            0 => self.map("div($0, sqrt($1))", &[d, sum])?,
            1 => {
                let root = self.map("sqrt($0)", &[sum])?;
                self.map("div($0, $1)", &[d, root])?
            }
            _ => {
                let inverse = self.map("recip(sqrt($0))", &[sum])?;
                self.map("mul($1, $0)", &[d, inverse])?
            }
        };
        let scale = self.constant(&[*self.dims(x).last()?], choice / 72);
        self.map("mul($0, $1)", &[y, scale])
    }

    fn swish(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let gate = match choice % 2 {
            0 => self.map("sigmoid($0)", &[x])?,
            _ => {
                let sixth = self.map("add(div($0, f32:6.0), f32:0.5)", &[x])?;
                self.map("max(min($0, f32:1.0), f32:0.0)", &[sixth])?
            }
        };
        self.map("mul($0, $1)", &[x, gate])
    }

    fn slice(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let mut dims = self.dims(x);
        let axis = choice % dims.len().max(1);
        let (mut starts, mut steps) = (vec![0; dims.len()], vec![1; dims.len()]);
        let size = *dims.get(axis)?;
        match choice / 8 % 3 {
            0 => {
                starts[axis] = size.checked_sub(1)?;
                steps[axis] = -1;
            }
            1 => {
                // A split, and its halves joined again, in one order or the other.
                let mut first = dims.clone();
                first[axis] = size / 2;
                let op = Op::Slice { starts: starts.clone(), steps: steps.clone(), dims: first };
                let mut halves = vec![self.add(op, &[x])?];
                starts[axis] = size / 2;
                dims[axis] = size - size / 2;
                halves.push(self.add(Op::Slice { starts, steps, dims }, &[x])?);
                if (choice / 24).is_multiple_of(3) {
                    halves.reverse();
                }
                return self.add(Op::Concat { axis }, &halves);
            }
            _ => {}
        }
        self.add(Op::Slice { starts, steps, dims }, &[x])
    }

    fn matmul(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let inner = *self.dims(x).last()?;
        let outputs = 1 + choice / 2 % 4;
        let trans_b = choice.is_multiple_of(2);
        let mut w = self.constant(&if trans_b { [inner, outputs] } else { [outputs, inner] }, choice / 8);
        let perm = vec![1, 0];
        w = self.graph.add1("turned", Op::Transpose { perm }, &[w]).ok()?;
        let y = self.add(Op::MatMul { trans_a: false, trans_b, tail: Expr::input(0) }, &[x, w])?;
        let bias = self.constant(&[outputs], choice / 16);
        self.map(["add($0, $1)", "mul($0, $1)"][choice / 32 % 2], &[y, bias])
    }

    /// A transpose, something on its result, the inverse.
    fn transposed_branch(&mut self, x: ValueId, choice: usize) -> Option<ValueId> {
        let perm = permutation(self.dims(x).len(), choice);
        let mut inverse = vec![0; perm.len()];
        perm.iter().enumerate().for_each(|(k, &p)| inverse[p] = k);
        let t = self.add(Op::Transpose { perm: perm.clone() }, &[x])?;
        let y = match choice / 120 % 6 {
            0 => self.map("relu($0)", &[t])?,
            1 => self.swish(t, choice / 720)?,
            2 => {
                let other = self.map("tanh($0)", &[x])?;
                let other = self.add(Op::Transpose { perm }, &[other])?;
                match choice / 720 % 3 {
                    0 => self.add(Op::Concat { axis: choice / 2160 % self.dims(t).len().max(1) }, &[t, other])?,
                    _ => self.map("add($0, $1)", &[t, other])?,
                }
            }
            3 => self.pad(t, choice / 720)?,
            4 => self.reduce(t, choice / 720)?,
            _ => {
                let scale = self.constant(&[*self.dims(t).last()?], choice / 720);
                self.map("mul($0, $1)", &[t, scale])?
            }
        };
        self.add(Op::Transpose { perm: inverse }, &[y])
    }
}

/// A permutation of so many axes.
fn permutation(rank: usize, mut choice: usize) -> Vec<usize> {
    let mut rest: Vec<usize> = (0..rank).collect();
    let mut perm = Vec::with_capacity(rank);
    while !rest.is_empty() {
        perm.push(rest.remove(choice % rest.len()));
        choice /= rest.len() + 1;
    }
    perm
}
