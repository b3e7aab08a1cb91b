//! TopK: the k largest or smallest elements along an axis, in order, equal ones by index.
//!
//! Every line keeps a heap of the best k with the worst on top; each element that beats it replaces it. The heap is then
//! sorted in place by taking the worst off again and again. Elements are compared as 64-bit keys that order as their
//! type does (-0 as 0; a NaN by its bits, beyond the infinities), so the order is total and the same on every machine.

use crate::copy_kernel::not_here;
use crate::row_copy::parallel_items;
use crate::{Algorithm, Class, LowerError, Lowering, LoweringBuilder, Operand, Region, Work};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_ir::kernel::{BinOp, Buf, CmpOp, Kernel, KernelBuilder, Role, Ty, UnOp, Val, Var};
use cnnc_tensor::{DType, Layout, Scalar, Target};

/// The best along an axis.
pub static TOP_K: Algorithm = Algorithm {
    name: "top_k",
    about: "largest or smallest elements along an axis, by a heap",
    accuracy: Accuracy::Exact,
    error: crate::error::none,
    class: Class::Generic,
    candidates: |region, _, _| shape(region).map_or(vec![], |_| vec![Candidate::new("top_k", &[])]),
    packings: |_, _, _| vec![],
    work: |region, _, _| {
        let depth = f64::from(usize::BITS - region.outputs[0].count().leading_zeros());
        Work { flops: 0.0, seconds: (region.inputs[0].count() as f64 + depth) * 3e-9 }
    },
    lower,
};

/// Operand `[outer, size, inner]`, results `[outer, k, inner]`.
struct Shape {
    outer: usize,
    size: usize,
    inner: usize,
    k: usize,
    largest: bool,
}

fn shape(region: &Region) -> Option<Shape> {
    let &Op::TopK { k, axis, largest } = region.op else { return None };
    let x = &region.inputs[0];
    if x.layout != Layout::Plain || region.outputs.iter().any(|ty| ty.layout != Layout::Plain) {
        return None;
    }
    let (outer, inner) = (x.dims[..axis].iter().product(), x.dims[axis + 1..].iter().product());
    Some(Shape { outer, size: x.dims[axis], inner, k, largest })
}

fn lower(region: &Region, candidate: &Candidate, _target: &Target) -> Result<Lowering, LowerError> {
    let Some(shape) = shape(region) else { return Err(not_here(candidate, region)) };
    let mut lowering = LoweringBuilder::default();
    if region.outputs[0].count() > 0 {
        let operands = vec![Operand::Input(0), Operand::Output(0), Operand::Output(1)];
        lowering.call(kernel(region.inputs[0].dtype, &shape), operands);
    }
    Ok(lowering.finish())
}

/// The integer type in which the elements are loaded.
fn loaded_type(dtype: DType) -> DType {
    match (dtype.is_float(), dtype.size()) {
        (true, 2) => DType::I16,
        (true, 4) => DType::I32,
        (true, _) => DType::I64,
        (false, _) if dtype == DType::Bool => DType::U8,
        (false, _) => dtype,
    }
}

/// The i64 key of a loaded element: the larger, the better.
fn key(b: &mut KernelBuilder, loaded: Val, dtype: DType, largest: bool) -> Val {
    let own = b.ty(loaded).dtype;
    let constant = |b: &mut KernelBuilder, value: i64| b.constant(Scalar::from_i64(own, value), 1);
    let mut key = loaded;
    if dtype.is_float() {
        let bits = 8 * dtype.size() as u32;
        let (zero, negative_zero) = (constant(b, 0), constant(b, i64::MIN >> (64 - bits)));
        let is_zero = b.compare(CmpOp::Eq, loaded, negative_zero);
        let value = b.select(is_zero, zero, loaded);
        let (shift, magnitude) = (constant(b, i64::from(bits) - 1), constant(b, i64::MAX >> (64 - bits)));
        let sign = b.binary(BinOp::Shr, value, shift);
        let flip = b.binary(BinOp::And, sign, magnitude);
        key = b.binary(BinOp::Xor, value, flip);
    } else if own == DType::U64 {
        let top = constant(b, i64::MIN);
        key = b.binary(BinOp::Xor, loaded, top);
    }
    let key = b.convert(key, DType::I64);
    if largest { key } else { b.unary(UnOp::Not, key) }
}

/// The heap of a line: keys and indices of the best so far.
struct Heap {
    keys: Buf,
    indices: Buf,
    hole: Var,
    depth: i64,
}

#[derive(Clone, Copy)]
struct Entry {
    key: Val,
    index: Val,
}

impl Heap {
    fn load(&self, b: &mut KernelBuilder, at: Val) -> Entry {
        Entry { key: b.load(self.keys, at, 1), index: b.load(self.indices, at, 1) }
    }

    fn store(&self, b: &mut KernelBuilder, at: Val, entry: Entry) {
        b.store(self.keys, at, entry.key);
        b.store(self.indices, at, entry.index);
    }

    /// Puts an entry in place of the worst one of the first `size` and restores their order.
    fn replace_worst(&self, b: &mut KernelBuilder, size: Val, entry: Entry) {
        let top = b.index(0);
        b.set(self.hole, top);
        b.serial(0, self.depth, |b, _| {
            let hole = b.get(self.hole);
            let left = b.address(1, &[(hole, 2)]);
            let inside = b.compare(CmpOp::Lt, left, size);
            b.if_(inside, |b| {
                let (right, last) = (b.offset(left, 1), b.offset(size, -1));
                let right = b.binary(BinOp::Min, right, last);
                let (low, high) = (self.load(b, left), self.load(b, right));
                let right_is_worse = better(b, low, high);
                let child = b.select(right_is_worse, right, left);
                let worst = self.load(b, child);
                let moves = better(b, entry, worst);
                b.if_(moves, |b| {
                    self.store(b, hole, worst);
                    b.set(self.hole, child);
                });
            });
        });
        let hole = b.get(self.hole);
        self.store(b, hole, entry);
    }
}

/// Whether `a` comes before `c` in the result.
fn better(b: &mut KernelBuilder, a: Entry, c: Entry) -> Val {
    let greater = b.compare(CmpOp::Gt, a.key, c.key);
    let equal = b.compare(CmpOp::Eq, a.key, c.key);
    let earlier = b.compare(CmpOp::Lt, a.index, c.index);
    let first = b.binary(BinOp::And, equal, earlier);
    b.binary(BinOp::Or, greater, first)
}

fn kernel(dtype: DType, shape: &Shape) -> Kernel {
    let &Shape { outer, size, inner, k, largest } = shape;
    let mut b = KernelBuilder::new("top_k");
    let own = loaded_type(dtype);
    let x = b.buffer("x", own, outer * size * inner, Role::Read);
    let values = b.buffer("values", own, outer * k * inner, Role::Write);
    let indices = b.buffer("indices", DType::I64, outer * k * inner, Role::Write);
    let heap = Heap {
        keys: b.buffer("keys", DType::I64, k, Role::Scratch),
        indices: b.buffer("best", DType::I64, k, Role::Scratch),
        hole: b.var(Ty::INDEX),
        depth: i64::from(k.next_power_of_two().ilog2()),
    };
    parallel_items(&mut b, outer * inner, 1 + 1024 / size, |b, line| {
        let (block, offset) = b.div_rem(line, inner as i64);
        let base = b.address(0, &[(block, (size * inner) as i64), (offset, 1)]);
        b.serial(0, k as i64, |b, at| {
            // Worse than any element: the lowest key with a later index.
            let entry = Entry { key: b.index(i64::MIN), index: b.index(i64::MAX) };
            heap.store(b, at, entry);
        });
        b.serial(0, size as i64, |b, index| {
            let at = b.address(0, &[(base, 1), (index, inner as i64)]);
            let loaded = b.load(x, at, 1);
            let entry = Entry { key: key(b, loaded, dtype, largest), index };
            let top = b.index(0);
            let worst = heap.load(b, top);
            let beats = better(b, entry, worst);
            b.if_(beats, |b| {
                let all = b.index(k as i64);
                heap.replace_worst(b, all, entry);
            });
        });
        b.serial(1, k as i64, |b, taken| {
            let (top, all) = (b.index(0), b.index(k as i64));
            let last = b.sub(all, taken);
            let (worst, moved) = (heap.load(b, top), heap.load(b, last));
            heap.store(b, last, worst);
            heap.replace_worst(b, last, moved);
        });
        let first = b.address(0, &[(block, (k * inner) as i64), (offset, 1)]);
        b.serial(0, k as i64, |b, rank| {
            let index = b.load(heap.indices, rank, 1);
            let at = b.address(0, &[(base, 1), (index, inner as i64)]);
            let value = b.load(x, at, 1);
            let to = b.address(0, &[(first, 1), (rank, inner as i64)]);
            b.store(values, to, value);
            b.store(indices, to, index);
        });
    });
    b.finish()
}
