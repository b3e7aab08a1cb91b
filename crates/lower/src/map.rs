//! The fused elementwise kernel: one expression over any number of operands that broadcast to the result.
//!
//! Adjacent axes over which every operand either runs or is repeated become one, so that rows are long. Where all
//! operands run over everything there is one row. Each row goes by vectors; an operand that is repeated along the row is
//! loaded once before it. In place wherever an operand has the result's dims and element size.

use crate::collapse::{aligned_dims, groups, merged_dims};
use crate::cost::streaming;
use crate::expression::{emit_expr, working_type};
use crate::operand::{BroadcastOperand, Position, elements, lane_axis, zero_tail_lanes};
use crate::rows::parallel_rows;
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::expr::{BinaryOp, Expr, ExprNode, UnaryOp};
use cnnc_ir::graph::{Candidate, Op, TensorType};
use cnnc_ir::kernel::{Axis, BinOp, Buf, CmpOp, Kernel, KernelBuilder, Role, Val};
use cnnc_tensor::{DType, Layout, Target, row_major_strides};

/// Elementwise operators, fused.
pub static MAP: Algorithm = Algorithm {
    name: "map",
    about: "elementwise expression over broadcast operands",
    accuracy: Accuracy::Exact,
    error: crate::error::expression,
    class: Class::Tuned,
    candidates: |region, _, _| if applies(region) { vec![Candidate::new("map", &[])] } else { vec![] },
    packings: |_, _, _| vec![],
    work,
    lower: |region, candidate, target| lower(region, candidate, target),
};

fn applies(region: &Region) -> bool {
    let (Op::Map { .. }, [result]) = (region.op, region.outputs.as_slice()) else { return false };
    let rank = result.dims.len();
    region.inputs.iter().all(|operand| match (operand.layout, result.layout) {
        (Layout::Plain, Layout::Plain) => true,
        (Layout::Plain, Layout::Blocked(_)) => {
            let missing = rank - operand.dims.len().min(rank);
            operand.count() == 1 || operand.dims.iter().enumerate().all(|(k, &d)| d == 1 || k + missing == 1)
        }
        (own, result) => own == result && operand.dims.len() == rank,
    })
}

/// Floating-point operations that an operation counts for.
fn weight(node: &ExprNode) -> f64 {
    match node {
        ExprNode::Unary(op, _) => match op {
            UnaryOp::Exp | UnaryOp::Log | UnaryOp::Log1p | UnaryOp::Sigmoid => 20.0,
            UnaryOp::Sin | UnaryOp::Cos | UnaryOp::Tanh | UnaryOp::Erf => 40.0,
            _ => 1.0,
        },
        ExprNode::Binary(BinaryOp::Pow | BinaryOp::Mod | BinaryOp::Rem, ..) => 60.0,
        ExprNode::Binary(..) | ExprNode::Select(..) | ExprNode::Cast(..) => 1.0,
        _ => 0.0,
    }
}

fn work(region: &Region, _: &Candidate, target: &Target) -> Work {
    let Op::Map { expr, .. } = region.op else { return Work::default() };
    let flops = region.outputs[0].count() as f64 * expr.nodes().iter().map(weight).sum::<f64>();
    streaming(region, target, flops, 0.5)
}

/// Lanes of which the widest value of the expression fills a vector.
fn native_lanes(expr: &Expr, region: &Region, target: &Target) -> Option<usize> {
    let inputs: Vec<DType> = region.inputs.iter().map(|ty| ty.dtype).collect();
    let types = expr.node_types(&inputs).ok()?;
    let widest = types.iter().map(|&ty| working_type(ty).size()).max().unwrap_or(4);
    Some((target.lanes * 4 / widest).clamp(1, 64))
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let illegal = |why: &str| LowerError::Illegal {
        node: region.name.into(),
        candidate: candidate.algorithm.clone(),
        why: why.into(),
    };
    let Op::Map { expr, .. } = region.op else { return Err(illegal("not a map")) };
    let lanes = native_lanes(expr, region, target).ok_or_else(|| illegal("ill-typed expression"))?;
    let mut lowering = LoweringBuilder::default();
    if region.outputs[0].bytes() == 0 {
        return Ok(lowering.finish());
    }
    let space = Space::new(expr, region);
    let (kernel, in_place) = space.kernel(expr, lanes);
    let operands = (0..region.inputs.len()).map(Operand::Input).chain([Operand::Output(0)]).collect();
    lowering.call(kernel, operands);
    in_place.into_iter().for_each(|k| lowering.in_place(k, 0));
    Ok(lowering.finish())
}

/// The iteration space: operands and result under as few axes as possible.
#[derive(Debug)]
struct Space {
    operands: Vec<TensorType>,
    result: TensorType,
    /// For each axis of the original result its axis here, where it was not merged with another.
    axes: Vec<Option<usize>>,
}

impl Space {
    fn new(expr: &Expr, region: &Region) -> Space {
        let result = &region.outputs[0];
        let rank = result.dims.len();
        let indexed = |axis: usize| expr.nodes().iter().any(|n| matches!(n, ExprNode::Index(a) if *a as usize == axis));
        let aligned: Vec<Vec<usize>> = region.inputs.iter().map(|ty| aligned_dims(&ty.dims, rank)).collect();
        let partial_block = matches!(result.layout, Layout::Blocked(b) if !result.dims[1].is_multiple_of(b));
        let whole = |k: usize| aligned[k] == result.dims && region.inputs[k].layout == result.layout;
        let flat = (0..aligned.len()).all(|k| whole(k) || region.inputs[k].count() == 1);
        if flat && !partial_block && !(0..rank).any(indexed) {
            let count = elements(result);
            let of = |k: usize| TensorType::plain(region.inputs[k].dtype, &[if whole(k) { count } else { 1 }]);
            let operands = (0..aligned.len()).map(of).collect();
            return Space { operands, result: TensorType::plain(result.dtype, &[count]), axes: vec![None; rank] };
        }
        let first = if result.layout == Layout::Plain { 0 } else { 2 };
        let runs = |axis: usize| -> Option<Vec<bool>> {
            (result.dims[axis] != 1).then(|| aligned.iter().map(|dims| dims[axis] != 1).collect())
        };
        let groups = groups(rank, runs, |axis| axis < first || indexed(axis));
        let merged = |dims: &[usize]| merged_dims(&groups, dims);
        let place = |axis: usize| groups.iter().position(|g| *g == [axis]);
        let operands = region.inputs.iter().zip(&aligned).map(|(ty, d)| TensorType { dims: merged(d), ..ty.clone() });
        Space {
            operands: operands.collect(),
            result: TensorType { dims: merged(&result.dims), ..result.clone() },
            axes: (0..rank).map(place).collect(),
        }
    }

    fn kernel(&self, expr: &Expr, native: usize) -> (Kernel, Vec<usize>) {
        let mut b = KernelBuilder::new("map");
        let operands: Vec<BroadcastOperand> = self
            .operands
            .iter()
            .enumerate()
            .map(|(k, ty)| BroadcastOperand::declare(&mut b, &format!("x{k}"), ty, &self.result))
            .collect();
        let count = elements(&self.result);
        let result = b.buffer("y", self.result.dtype, count, Role::Write);
        let in_place: Vec<usize> = (0..operands.len())
            .filter(|&k| operands[k].is_same() && self.operands[k].dtype.size() == self.result.dtype.size())
            .collect();
        for &k in &in_place {
            b.may_alias(operands[k].buffer());
            b.may_alias(result);
        }
        let writer = Writer { space: self, expr, operands: &operands, result };
        match self.result.layout {
            Layout::Plain => writer.plain(&mut b, native),
            Layout::Blocked(block) => writer.blocked(&mut b, block),
        }
        (b.finish(), in_place)
    }
}

/// Writes the loops of a kernel.
struct Writer<'a> {
    space: &'a Space,
    expr: &'a Expr,
    operands: &'a [BroadcastOperand],
    result: Buf,
}

impl Writer<'_> {
    /// Rows along the last axis.
    fn plain(&self, b: &mut KernelBuilder, native: usize) {
        let dims = &self.space.result.dims;
        let (outer, len) = (&dims[..dims.len() - 1], dims[dims.len() - 1]);
        let lanes = native.min(len.next_power_of_two());
        let vectors = len.div_ceil(lanes);
        let strides = row_major_strides(dims);
        let rest = len % lanes;
        parallel_rows(b, outer, vectors, lanes, |b, row, begin, end| {
            let terms: Vec<(Val, i64)> = row.iter().zip(&strides).map(|(&c, &s)| (c, s as i64)).collect();
            let start = b.address(0, &terms);
            let fixed = self.fixed(b, row, lanes as u16);
            let vector = |b: &mut KernelBuilder, at: Val, count: Option<Val>| {
                let along = b.scale(at, lanes as i64);
                let coords = [row, &[along]].concat();
                let flat = b.add(start, along);
                let position = Position { coords: &coords, flat, lanes: lanes as u16, count };
                let value = self.value(b, &fixed, &position);
                match count {
                    Some(count) => b.store_count(self.result, flat, value, count),
                    None => b.store(self.result, flat, value),
                }
            };
            let full = b.index((len / lanes) as i64);
            let last = b.binary(BinOp::Min, end, full);
            let (known_begin, known_end) = (b.known_index(begin), b.known_index(end));
            let whole = known_begin == Some(0) && known_end == Some(vectors as i64);
            match (whole, len / lanes) {
                (true, 0) => {}
                (true, full) => b.serial(0, full as i64, |b, at| vector(b, at, None)),
                (false, _) if rest == 0 => b.for_axis(Axis::Serial, begin, end, 1, |b, at| vector(b, at, None)),
                (false, _) => b.for_axis(Axis::Serial, begin, last, 1, |b, at| vector(b, at, None)),
            }
            if rest == 0 {
                return;
            }
            let count = b.index(rest as i64);
            if whole {
                vector(b, full, Some(count));
            } else {
                let ends = b.compare(CmpOp::Gt, end, full);
                b.if_(ends, |b| vector(b, full, Some(count)));
            }
        });
    }

    /// Rows along the last spatial axis, one vector a pixel.
    fn blocked(&self, b: &mut KernelBuilder, block: usize) {
        let dims = &self.space.result.dims;
        let physical = self.space.result.layout.physical_dims(dims);
        let strides = row_major_strides(&physical);
        let rank = dims.len();
        let (outer, pixels) = if rank > 2 { (&physical[..rank - 1], dims[rank - 1]) } else { (&physical[..2], 1) };
        parallel_rows(b, outer, pixels, block, |b, row, begin, end| {
            let terms: Vec<(Val, i64)> = row.iter().zip(&strides).map(|(&c, &s)| (c, s as i64)).collect();
            let start = b.address(0, &terms);
            let mut logical = row.to_vec();
            logical[1] = b.scale(row[1], block as i64);
            let fixed = self.fixed(b, &logical, block as u16);
            b.for_axis(Axis::Serial, begin, end, 1, |b, at| {
                let along = b.scale(at, block as i64);
                let flat = b.add(start, along);
                let coords = if rank > 2 { [&logical[..], &[at]].concat() } else { logical.clone() };
                let position = Position { coords: &coords, flat, lanes: block as u16, count: None };
                let value = self.value(b, &fixed, &position);
                let value = zero_tail_lanes(b, value, &self.space.result, coords[1]);
                b.store(self.result, flat, value);
            });
        });
    }

    /// The operands that are the same for a whole row, loaded.
    fn fixed(&self, b: &mut KernelBuilder, row: &[Val], lanes: u16) -> Vec<Option<Val>> {
        let rank = self.space.result.dims.len();
        let along = rank > row.len();
        let zero = b.index(0);
        let coords = if along { [row, &[zero]].concat() } else { row.to_vec() };
        let position = Position { coords: &coords, flat: zero, lanes, count: None };
        self.operands
            .iter()
            .zip(&self.space.operands)
            .map(|(operand, ty)| {
                let repeated = operand.is_scalar() || (along && ty.dims[rank - 1] == 1 && !operand.is_same());
                repeated.then(|| operand.load(b, &position))
            })
            .collect()
    }

    fn value(&self, b: &mut KernelBuilder, fixed: &[Option<Val>], at: &Position) -> Val {
        let inputs: Vec<Val> = self
            .operands
            .iter()
            .zip(fixed)
            .map(|(operand, fixed)| fixed.unwrap_or_else(|| operand.load(b, at)))
            .collect();
        let zero = b.index(0);
        let coords: Vec<Val> = self.space.axes.iter().map(|axis| axis.map_or(zero, |k| at.coords[k])).collect();
        let lane_axis = lane_axis(&self.space.result);
        let original = self.space.axes.iter().position(|&axis| axis == Some(lane_axis)).unwrap_or(usize::MAX);
        emit_expr(b, self.expr, &inputs, &coords, original, at.lanes)
    }
}
