//! Reductions over any axes: sum, mean, largest, smallest, product.
//!
//! A blocked operand is reduced as what it is in memory, a plain tensor `[N, C/b, spatial.., b]`: the block's lanes are
//! the vectors. So global average pooling is a mean over spatial axes.

use crate::collapse::{groups, merged_dims};
use crate::cost::{region_bytes, roofline};
use crate::expression::working_type;
use crate::operand::{elements, zero_tail_lanes};
use crate::reduction::{Accumulators, Reduction};
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::ops::ReduceKind;
use cnnc_ir::graph::{Candidate, Op, TensorType};
use cnnc_ir::kernel::{BinOp, Buf, CmpOp, Kernel, KernelBuilder, Role, Val};
use cnnc_tensor::{DType, Layout, Scalar, Target};

/// Reductions.
pub static REDUCE: Algorithm = Algorithm {
    name: "reduce",
    about: "sum, mean, largest, smallest or product over axes",
    accuracy: Accuracy::Rounding,
    error: crate::error::reduction,
    class: Class::Tuned,
    candidates: |region, _, _| if applies(region) { vec![Candidate::new("reduce", &[])] } else { vec![] },
    packings: |_, _, _| vec![],
    work: |region, _, target| {
        let flops = region.inputs[0].count() as f64;
        Work { flops, seconds: roofline(target, flops, 0.25, region_bytes(region), 1) }
    },
    lower,
};

fn applies(region: &Region) -> bool {
    let Op::Reduce { axes, keep_dims, .. } = region.op else { return false };
    let (x, y) = (&region.inputs[0], &region.outputs[0]);
    x.layout == y.layout && (x.layout == Layout::Plain || (*keep_dims && axes.iter().all(|&a| a >= 2)))
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let Op::Reduce { kind, axes, .. } = region.op else {
        let candidate = candidate.algorithm.clone();
        return Err(LowerError::Illegal { node: region.name.into(), candidate, why: "not a reduction".into() });
    };
    let mut lowering = LoweringBuilder::default();
    if region.outputs[0].bytes() == 0 {
        return Ok(lowering.finish());
    }
    let combine = Combine::new(*kind, region.inputs[0].dtype);
    let kernel = if region.inputs[0].bytes() == 0 {
        empty(&combine, &region.inputs[0], &region.outputs[0])
    } else {
        reduce(&combine, axes, &region.inputs[0], &region.outputs[0], target)
    };
    lowering.call(kernel, vec![Operand::Input(0), Operand::Output(0)]);
    Ok(lowering.finish())
}

/// How elements are combined, and in which type.
#[derive(Clone, Copy, Debug)]
struct Combine {
    kind: ReduceKind,
    dtype: DType,
}

impl Combine {
    fn new(kind: ReduceKind, dtype: DType) -> Combine {
        let dtype = match dtype {
            DType::Bool => DType::U8,
            _ if dtype.is_int() && kind == ReduceKind::Mean => DType::I64,
            _ => working_type(dtype),
        };
        Combine { kind, dtype }
    }

    fn op(&self) -> BinOp {
        match self.kind {
            ReduceKind::Sum | ReduceKind::Mean => BinOp::Add,
            ReduceKind::Prod => BinOp::Mul,
            ReduceKind::Max => BinOp::Max,
            ReduceKind::Min => BinOp::Min,
        }
    }

    /// What changes nothing. `from_f64` saturates to the ends of an unsigned type's range.
    fn neutral(&self) -> Scalar {
        let bits = 8 * self.dtype.size() as u32;
        let signed = self.dtype.is_signed_int();
        match self.kind {
            ReduceKind::Sum | ReduceKind::Mean => Scalar::from_i64(self.dtype, 0),
            ReduceKind::Prod => Scalar::from_i64(self.dtype, 1),
            ReduceKind::Max if signed => Scalar::from_bits(self.dtype, 1 << (bits - 1)),
            ReduceKind::Min if signed => Scalar::from_bits(self.dtype, (1 << (bits - 1)) - 1),
            ReduceKind::Max => Scalar::from_f64(self.dtype, f64::NEG_INFINITY),
            ReduceKind::Min => Scalar::from_f64(self.dtype, f64::INFINITY),
        }
    }

    fn ordered_float(&self) -> bool {
        self.dtype.is_float() && matches!(self.kind, ReduceKind::Max | ReduceKind::Min)
    }

    /// `total` with an element: a NaN on either side stays.
    fn add(&self, b: &mut KernelBuilder, total: Val, element: Val) -> Val {
        let next = b.binary(self.op(), element, total);
        if !self.ordered_float() {
            return next;
        }
        let nan = b.compare(CmpOp::Ne, element, element);
        b.select(nan, element, next)
    }

    /// All lanes in one.
    fn fold(&self, b: &mut KernelBuilder, reduction: &Reduction, total: Val) -> Val {
        let folded = reduction.fold(b, self.op(), total);
        if !self.ordered_float() || reduction.across() || reduction.lanes == 1 {
            return folded;
        }
        let nan = b.compare(CmpOp::Ne, total, total);
        let (zero, one) = (Scalar::from_f64(self.dtype, 0.0), Scalar::from_f64(self.dtype, 1.0));
        let (zeros, ones) = (b.constant(zero, reduction.lanes), b.constant(one, reduction.lanes));
        let marks = b.select(nan, ones, zeros);
        let most = b.fold(BinOp::Max, marks);
        let none = b.constant(zero, 1);
        let any = b.compare(CmpOp::Gt, most, none);
        let result = b.constant(Scalar::from_f64(self.dtype, f64::NAN), 1);
        b.select(any, result, folded)
    }

    /// What a total over `count` elements becomes.
    fn finish(&self, b: &mut KernelBuilder, total: Val, count: usize) -> Val {
        if self.kind != ReduceKind::Mean {
            return total;
        }
        let lanes = b.ty(total).lanes;
        let count = b.constant(Scalar::from_f64(self.dtype, count as f64), lanes);
        b.binary(BinOp::Div, total, count)
    }
}

fn reduce(combine: &Combine, axes: &[usize], x: &TensorType, y: &TensorType, target: &Target) -> Kernel {
    let dims = x.layout.physical_dims(&x.dims);
    let combined = |axis: usize| axes.contains(&axis);
    let groups = groups(dims.len(), |axis| (dims[axis] != 1).then(|| combined(axis)), |_| false);
    let flags: Vec<bool> = match groups.is_empty() {
        true => vec![true],
        false => groups.iter().map(|g| g.iter().any(|&a| combined(a) && dims[a] != 1)).collect(),
    };
    let native = (target.lanes * 4 / combine.dtype.size()).min(64);
    let reduction = Reduction::new(merged_dims(&groups, &dims), flags, native);
    let count = reduction.combined_count();
    let mut b = KernelBuilder::new("reduce");
    let from = b.buffer("x", x.dtype, elements(x), Role::Read);
    let to = b.buffer("y", y.dtype, elements(y), Role::Write);
    reduction.parallel(&mut b, |b, site| {
        let slots = reduction.slots();
        let totals = Accumulators::new(b, slots, reduction.lanes, combine.neutral());
        reduction.pass(b, site, slots, |b, element| {
            let value = element.load(b, from);
            let value = b.convert(value, combine.dtype);
            let value = element.valid(b, value, combine.neutral());
            totals.add(b, element.slot, value, |b, total, value| combine.add(b, total, value));
        });
        let total = totals.total(b, |b, x, y| combine.add(b, x, y));
        let total = combine.fold(b, &reduction, total);
        let result = combine.finish(b, total, count);
        store(b, to, site.number, result);
    });
    b.finish()
}

fn store(b: &mut KernelBuilder, to: Buf, index: Val, value: Val) {
    let dtype = b.dtype(to);
    let value = b.convert(value, dtype);
    b.store(to, index, value);
}

/// A reduction of nothing: the neutral element everywhere.
fn empty(combine: &Combine, x: &TensorType, y: &TensorType) -> Kernel {
    let mut b = KernelBuilder::new("reduce_empty");
    b.buffer("x", x.dtype, 0, Role::Read);
    let count = elements(y);
    let to = b.buffer("y", y.dtype, count, Role::Write);
    let result = |b: &mut KernelBuilder, lanes: u16| {
        let neutral = b.constant(combine.neutral(), lanes);
        let value = combine.finish(b, neutral, 0);
        b.convert(value, y.dtype)
    };
    match y.layout {
        Layout::Plain => b.parallel(count, |b, at| {
            let value = result(b, 1);
            b.store(to, at, value);
        }),
        Layout::Blocked(block) => b.parallel(count / block, |b, at| {
            let value = result(b, block as u16);
            let (channel, _) = b.div_rem(at, y.dims[2..].iter().product::<usize>() as i64);
            let (_, channel) = b.div_rem(channel, y.dims[1].div_ceil(block) as i64);
            let channel = b.scale(channel, block as i64);
            let value = zero_tail_lanes(b, value, y, channel);
            let at = b.scale(at, block as i64);
            b.store(to, at, value);
        }),
    }
    b.finish()
}
