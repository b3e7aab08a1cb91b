//! Random graphs from random bytes: every operator with random attributes, those that inference refuses left out.

use cnnc_ir::expr::{BinaryOp, Expr, ExprBuilder, UnaryOp};
use cnnc_ir::graph::ops::{GridMode, GridPadding, PadMode, PoolKind, ReduceKind, ScatterKind, Window};
use cnnc_ir::graph::{Candidate, Graph, Op, TensorType, ValueId, seeded};
use cnnc_tensor::{DType, Layout, Scalar, Tensor};

/// A source of choices; zero once the bytes are used up.
struct Choices<'a>(&'a mut dyn Iterator<Item = u8>);

impl Choices<'_> {
    fn below(&mut self, n: usize) -> usize {
        usize::from(self.0.next().unwrap_or(0)) % n
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn list(&mut self, len: usize, below: usize) -> Vec<usize> {
        (0..len).map(|_| self.below(below)).collect()
    }

    fn signed(&mut self, len: usize) -> Vec<isize> {
        (0..len).map(|_| self.below(7) as isize - 3).collect()
    }

    fn float(&mut self) -> u32 {
        self.of(&[0.0f32, 1e-5, 0.75, -3.0, f32::NEG_INFINITY, f32::NAN]).to_bits()
    }

    fn window(&mut self, rank: usize) -> Window {
        let plus = |list: Vec<usize>| list.into_iter().map(|v| v + 1).collect::<Vec<usize>>();
        Window {
            kernel: plus(self.list(rank, 3)),
            strides: plus(self.list(rank, 2)),
            dilations: plus(self.list(rank, 2)),
            pads_begin: self.list(rank, 3),
            pads_end: self.list(rank, 3),
        }
    }

    fn expr(&mut self) -> Expr {
        let mut b = ExprBuilder::default();
        let mut x = b.input(0);
        for _ in 0..self.below(5) {
            x = match self.below(6) {
                0 => b.unary(self.of(UnaryOp::ALL), x),
                1 => {
                    let c = b.constant(Scalar::f32(f32::from_bits(self.float())));
                    b.binary(self.of(&[BinaryOp::Add, BinaryOp::Max, BinaryOp::Pow]), x, c)
                }
                2 => b.binary(BinaryOp::Mul, x, x),
                3 => {
                    let i = b.index(self.below(3) as u32);
                    let i = b.cast(DType::F32, i);
                    b.binary(BinaryOp::Sub, i, x)
                }
                4 => {
                    let y = b.input(1);
                    b.binary(BinaryOp::Add, x, y)
                }
                _ => {
                    let c = b.binary(BinaryOp::Lt, x, x);
                    b.select(c, x, x)
                }
            };
        }
        b.finish(x)
    }

    fn name(&mut self) -> &'static str {
        self.of(&["", "conv1", "a+b", "wei\"rd \\ ; {name}", "new\nline\t", "äö ∑", "%3"])
    }
}

/// An operator with random attributes, often senseless.
pub fn random_op(bytes: &mut dyn Iterator<Item = u8>) -> Op {
    let mut c = Choices(bytes);
    let c = &mut c;
    let kind = c.below(31);
    let rank = 1 + c.below(3);
    let axis = c.below(4);
    match kind {
        0 => {
            let len = c.below(3);
            Op::Map { expr: c.expr(), dims: c.list(len, 4) }
        }
        1 => {
            let (window, groups) = (c.window(rank), 1 + c.below(2));
            Op::Conv { window, groups, interleaved: c.flag(), tail: c.expr() }
        }
        2 => {
            let (window, output_pads) = (c.window(rank), c.list(rank, 2));
            Op::ConvTranspose { window, output_pads, groups: 1 + c.below(2), tail: c.expr() }
        }
        29 => Op::Separable { window: c.window(rank), between: c.expr(), tail: c.expr() },
        3 => Op::MatMul { trans_a: c.flag(), trans_b: c.flag(), tail: c.expr() },
        4 => {
            let kind = c.of(&[
                PoolKind::Max,
                PoolKind::Average,
                PoolKind::AverageIncludePad,
                PoolKind::Lp(2),
                PoolKind::Lp(0),
            ]);
            let count_pads_end = if kind == PoolKind::AverageIncludePad { c.list(rank, 2) } else { vec![] };
            let indices = kind == PoolKind::Max && c.flag();
            Op::Pool { kind, window: c.window(rank), count_pads_end, indices, column_major: c.flag() }
        }
        5 => {
            let kind = c.of(&[ReduceKind::Sum, ReduceKind::Mean, ReduceKind::Max, ReduceKind::Min, ReduceKind::Prod]);
            Op::Reduce { kind, axes: (axis..axis + c.below(3)).collect(), keep_dims: c.flag() }
        }
        6 => Op::ArgReduce { largest: c.flag(), axis, keep_dims: c.flag(), last: c.flag() },
        7 => Op::Softmax { axis, end: axis + 1, log: c.flag() },
        8 => Op::Normalize { axes: vec![axis], epsilon: c.float(), center: c.flag(), tail: c.expr() },
        9 => Op::Lrn { size: c.below(6), alpha: c.float(), beta: c.float(), bias: c.float() },
        10 => Op::Concat { axis },
        11 => {
            let (starts, dims) = (c.list(rank, 3), c.list(rank, 4));
            let steps = if c.flag() { vec![1; rank] } else { c.signed(rank) };
            Op::Slice { starts, steps, dims }
        }
        12 => {
            let mode = c.of(&[PadMode::Constant, PadMode::Reflect, PadMode::Edge, PadMode::Wrap]);
            Op::Pad { mode, begin: c.signed(rank), end: c.signed(rank) }
        }
        13 => Op::Reshape { dims: c.list(rank, 9) },
        14 => Op::Transpose { perm: (0..rank).rev().collect() },
        15 => Op::Broadcast { dims: c.list(rank, 5) },
        16 => Op::Gather { axis },
        17 => Op::GatherElements { axis },
        18 => Op::GatherNd { batch_dims: axis },
        19 => {
            let kind = c.of(&[ScatterKind::Replace, ScatterKind::Add, ScatterKind::Mul, ScatterKind::Max]);
            Op::ScatterElements { axis, kind }
        }
        20 => Op::ScatterNd { kind: c.of(&[ScatterKind::Min, ScatterKind::Replace]) },
        21 => Op::TopK { k: c.below(3), axis, largest: c.flag() },
        22 => Op::CumSum { axis, exclusive: c.flag(), reverse: c.flag() },
        23 => Op::Resize { axes: c.list(rank, 4), sizes: c.list(rank, 4) },
        24 => Op::GridSample {
            mode: c.of(&[GridMode::Nearest, GridMode::Linear, GridMode::Cubic]),
            padding: c.of(&[GridPadding::Zeros, GridPadding::Border, GridPadding::Reflection]),
            align_corners: c.flag(),
        },
        25 => Op::NonMaxSuppression {
            center_point: c.flag(),
            per_class: c.below(9),
            iou_threshold: c.float(),
            score_threshold: c.float(),
        },
        26 => Op::FilterTransform { outputs: c.list(rank, 5), strides: c.list(rank, 3) },
        27 => Op::FilterSpectrum { sizes: c.list(rank, 5) },
        28 => Op::Combine { coefficients: c.signed(rank) },
        _ => Op::Convert { layout: c.of(&[Layout::Plain, Layout::Blocked(4), Layout::Blocked(16)]) },
    }
}

fn random_tensor(c: &mut Choices) -> Tensor {
    let rank = c.below(5);
    let dims = c.list(rank, 6);
    let mut ty = TensorType::plain(c.of(&[DType::F32, DType::F32, DType::I64, DType::Bool, DType::F16]), &dims);
    if rank >= 2 && c.below(4) == 0 {
        ty.layout = Layout::Blocked(4);
    }
    seeded(&ty, c.below(256) as u64).unwrap()
}

/// A verified graph.
pub fn random_graph(bytes: &[u8]) -> Graph {
    let mut source = bytes.iter().copied();
    let mut c = Choices(&mut source);
    let mut graph = Graph::new(c.name());
    let first = graph.add_input("x", TensorType::plain(DType::F32, &[1, 4, 5, 6]));
    let weights = seeded(&TensorType::plain(DType::F32, &[2, 4, 3, 3]), 3).unwrap();
    let weights = graph.add_const(Some("w"), weights);
    let mut values: Vec<ValueId> = vec![first, weights];
    for _ in 0..bytes.len() / 12 {
        match c.below(8) {
            0 => {
                let tensor = random_tensor(&mut c);
                let name = c.name();
                let name = c.flag().then_some(name);
                values.push(match c.below(3) {
                    0 => graph.add_input(name.unwrap_or("in"), TensorType::of(&tensor)),
                    1 => graph.add_param(name, tensor),
                    _ => graph.add_const(name, tensor),
                });
            }
            _ => {
                let op = random_op(c.0);
                let count = c.below(4);
                let inputs: Vec<ValueId> = (0..count).map(|_| c.of(&values)).collect();
                let name = c.name();
                let Ok(results) = graph.add(name, op.clone(), &inputs) else { continue };
                if c.below(8) == 0 {
                    // The same node again, chosen and with a type of its own.
                    let ty = TensorType::plain(DType::I8, &[c.below(4)]);
                    let candidate = Candidate::new("direct", &[("mr", 14), ("nv", -(c.below(3) as i64))]);
                    graph.add_typed(c.name(), op, &inputs, vec![ty], Some(candidate));
                }
                if c.flag() {
                    graph.set_name(results[0], c.name());
                }
                values.extend(results);
            }
        }
    }
    for _ in 0..1 + c.below(3) {
        let (name, value) = (c.name(), c.of(&values));
        graph.add_output(name, value);
    }
    let scalar = graph.add_const(None, Tensor::from_vec(&[1], &[1i64]).unwrap());
    if c.flag() && !graph.ty(graph.outputs[0].value).dims.is_empty() {
        graph.outputs[0].extent = Some(scalar);
    }
    graph
}
