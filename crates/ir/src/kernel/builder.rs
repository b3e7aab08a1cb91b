//! Builds kernels: what a lowering is written in.
//!
//! The builder folds constant index arithmetic as it goes (`x + 0`, `x * 1`, constants), so a lowering can be written
//! plainly. It never fails: a wrong use is found by the verifier.

use super::*;

/// Builds one kernel. Statements go to the innermost open block.
#[derive(Debug)]
pub struct KernelBuilder {
    kernel: Kernel,
    blocks: Vec<Vec<Stmt>>,
    /// Constants by value, for folding.
    consts: Vec<Option<Scalar>>,
}

impl KernelBuilder {
    /// Starts a kernel.
    pub fn new(name: &str) -> KernelBuilder {
        let kernel =
            Kernel { name: name.into(), buffers: vec![], extent: 1, values: vec![], vars: vec![], body: vec![] };
        KernelBuilder { kernel, blocks: vec![vec![]], consts: vec![] }
    }

    /// Declares a buffer. Its name is made a symbol, and different from the others' by a number behind it.
    pub fn buffer(&mut self, name: &str, dtype: DType, elems: usize, role: Role) -> Buf {
        let name = self.free_name(name);
        self.kernel.buffers.push(Buffer { name, dtype, elems, role, may_alias: false });
        Buf(self.kernel.buffers.len() as u32 - 1)
    }

    /// Allows a buffer to be the same memory as another that is allowed it too.
    pub fn may_alias(&mut self, buffer: Buf) {
        self.kernel.buffers[buffer.0 as usize].may_alias = true;
    }

    /// Declares a variable. It must be set before it is read.
    pub fn var(&mut self, ty: Ty) -> Var {
        self.kernel.vars.push(ty);
        Var(self.kernel.vars.len() as u32 - 1)
    }

    /// Type of a value.
    pub fn ty(&self, value: Val) -> Ty {
        self.kernel.ty(value)
    }

    /// Type of a buffer's elements.
    pub fn dtype(&self, buffer: Buf) -> DType {
        self.kernel.buffers[buffer.0 as usize].dtype
    }

    /// Number of a buffer's elements.
    pub fn elems(&self, buffer: Buf) -> usize {
        self.kernel.buffers[buffer.0 as usize].elems
    }

    /// The value of a constant i64 scalar.
    pub fn known_index(&self, value: Val) -> Option<i64> {
        self.consts[value.0 as usize].filter(|_| self.ty(value) == Ty::INDEX).map(Scalar::to_i64)
    }

    /// The parallel loop over `0..extent`; called once, at top level, last.
    pub fn parallel(&mut self, extent: usize, body: impl FnOnce(&mut Self, Val)) {
        self.kernel.extent = extent;
        let (begin, end) = (self.index(0), self.index(extent as i64));
        self.for_axis(Axis::Parallel, begin, end, 1, body);
    }

    /// A serial loop with constant bounds and step 1. A loop of one iteration is only its body.
    pub fn serial(&mut self, begin: i64, end: i64, body: impl FnOnce(&mut Self, Val)) {
        if end == begin + 1 {
            let index = self.index(begin);
            return body(self, index);
        }
        let (begin, end) = (self.index(begin), self.index(end));
        self.for_axis(Axis::Serial, begin, end, 1, body);
    }

    /// A loop.
    pub fn for_axis(&mut self, axis: Axis, begin: Val, end: Val, step: i64, body: impl FnOnce(&mut Self, Val)) {
        let index = self.define(Ty::INDEX);
        self.blocks.push(vec![]);
        body(self, index);
        let body = self.blocks.pop().unwrap_or_default();
        self.push(Stmt::For { axis, index, begin, end, step, body });
    }

    /// A branch.
    pub fn if_else(&mut self, cond: Val, then: impl FnOnce(&mut Self), otherwise: impl FnOnce(&mut Self)) {
        self.blocks.push(vec![]);
        then(self);
        let then = self.blocks.pop().unwrap_or_default();
        self.blocks.push(vec![]);
        otherwise(self);
        let otherwise = self.blocks.pop().unwrap_or_default();
        self.push(Stmt::If { cond, then, otherwise });
    }

    /// A branch without an else.
    pub fn if_(&mut self, cond: Val, then: impl FnOnce(&mut Self)) {
        self.if_else(cond, then, |_| {});
    }

    /// Sets a variable.
    pub fn set(&mut self, var: Var, value: Val) {
        self.push(Stmt::Set(var, value));
    }

    /// Reads a variable.
    pub fn get(&mut self, var: Var) -> Val {
        let ty = self.kernel.vars[var.0 as usize];
        self.inst(ty, Inst::Get(var))
    }

    /// Stores all lanes.
    pub fn store(&mut self, buffer: Buf, index: Val, value: Val) {
        self.push(Stmt::Store { buffer, index, value, count: None });
    }

    /// Stores the first `count` lanes.
    pub fn store_count(&mut self, buffer: Buf, index: Val, value: Val, count: Val) {
        self.push(Stmt::Store { buffer, index, value, count: Some(count) });
    }

    /// Says that the cache line of an element will be read before long; the index may lie outside the buffer.
    pub fn prefetch(&mut self, buffer: Buf, index: Val) {
        self.push(Stmt::Prefetch { buffer, index });
    }

    /// Loads `lanes` consecutive elements.
    pub fn load(&mut self, buffer: Buf, index: Val, lanes: u16) -> Val {
        let ty = Ty::vector(self.dtype(buffer), lanes);
        self.inst(ty, Inst::Load { buffer, index, count: None })
    }

    /// Loads the first `count` of `lanes` consecutive elements; the others are zero.
    pub fn load_count(&mut self, buffer: Buf, index: Val, lanes: u16, count: Val) -> Val {
        let ty = Ty::vector(self.dtype(buffer), lanes);
        self.inst(ty, Inst::Load { buffer, index, count: Some(count) })
    }

    /// Loads one element and repeats it in `lanes` lanes.
    pub fn load_splat(&mut self, buffer: Buf, index: Val, lanes: u16) -> Val {
        let one = self.load(buffer, index, 1);
        self.splat(one, lanes)
    }

    /// A constant in every lane.
    pub fn constant(&mut self, value: Scalar, lanes: u16) -> Val {
        let val = self.inst(Ty::vector(value.dtype(), lanes), Inst::Const(value));
        self.consts[val.0 as usize] = Some(value);
        val
    }

    /// An f32 constant in every lane.
    pub fn f32(&mut self, value: f32, lanes: u16) -> Val {
        self.constant(Scalar::f32(value), lanes)
    }

    /// An i64 scalar constant.
    pub fn index(&mut self, value: i64) -> Val {
        self.constant(Scalar::i64(value), 1)
    }

    /// A scalar in every lane; of one lane, the scalar itself.
    pub fn splat(&mut self, scalar: Val, lanes: u16) -> Val {
        if lanes == 1 {
            return scalar;
        }
        if let Some(value) = self.consts[scalar.0 as usize] {
            return self.constant(value, lanes);
        }
        let ty = Ty::vector(self.ty(scalar).dtype, lanes);
        self.inst(ty, Inst::Splat(scalar))
    }

    /// `begin, begin + 1, ...` in lanes.
    pub fn lanes(&mut self, begin: Val, lanes: u16) -> Val {
        let ty = Ty::vector(self.ty(begin).dtype, lanes);
        self.inst(ty, Inst::Lanes(begin))
    }

    /// An operation on each lane.
    pub fn unary(&mut self, op: UnOp, a: Val) -> Val {
        self.inst(self.ty(a), Inst::Unary(op, a))
    }

    /// An operation on each pair of lanes.
    pub fn binary(&mut self, op: BinOp, a: Val, b: Val) -> Val {
        if let Some(folded) = self.fold_index(op, a, b) {
            return folded;
        }
        self.inst(self.ty(a), Inst::Binary(op, a, b))
    }

    /// Sum.
    pub fn add(&mut self, a: Val, b: Val) -> Val {
        self.binary(BinOp::Add, a, b)
    }

    /// Difference.
    pub fn sub(&mut self, a: Val, b: Val) -> Val {
        self.binary(BinOp::Sub, a, b)
    }

    /// Product.
    pub fn mul(&mut self, a: Val, b: Val) -> Val {
        self.binary(BinOp::Mul, a, b)
    }

    /// Index plus a constant.
    pub fn offset(&mut self, index: Val, by: i64) -> Val {
        let by = self.index(by);
        self.add(index, by)
    }

    /// Index times a constant.
    pub fn scale(&mut self, index: Val, by: i64) -> Val {
        let by = self.index(by);
        self.mul(index, by)
    }

    /// `base + sum(index * stride)`: an element index.
    pub fn address(&mut self, base: i64, terms: &[(Val, i64)]) -> Val {
        let mut sum = self.index(base);
        for &(index, stride) in terms {
            let term = self.scale(index, stride);
            sum = self.add(sum, term);
        }
        sum
    }

    /// Whether `0 <= index < extent`, and what is to hold besides.
    pub fn within(&mut self, index: Val, extent: i64, besides: Option<Val>) -> Val {
        let (zero, extent) = (self.index(0), self.index(extent));
        let after_begin = self.compare(CmpOp::Ge, index, zero);
        let before_end = self.compare(CmpOp::Lt, index, extent);
        let inside = self.binary(BinOp::And, after_begin, before_end);
        besides.map_or(inside, |besides| self.binary(BinOp::And, besides, inside))
    }

    /// Quotient and remainder of a non-negative index by a positive constant.
    pub fn div_rem(&mut self, index: Val, by: i64) -> (Val, Val) {
        let divisor = self.index(by);
        (self.binary(BinOp::Div, index, divisor), self.binary(BinOp::Rem, index, divisor))
    }

    /// Splits a non-negative flat index into coordinates of a row-major shape.
    pub fn unflatten(&mut self, flat: Val, dims: &[usize]) -> Vec<Val> {
        let mut rest = flat;
        let mut coords = vec![rest; dims.len()];
        for axis in (1..dims.len()).rev() {
            (rest, coords[axis]) = self.div_rem(rest, dims[axis] as i64);
        }
        if let Some(first) = coords.first_mut() {
            *first = rest;
        }
        coords
    }

    /// A comparison.
    pub fn compare(&mut self, op: CmpOp, a: Val, b: Val) -> Val {
        let ty = Ty::vector(DType::Bool, self.ty(a).lanes);
        self.inst(ty, Inst::Compare(op, a, b))
    }

    /// `a * b + c`.
    pub fn mul_add(&mut self, a: Val, b: Val, c: Val) -> Val {
        self.inst(self.ty(a), Inst::MulAdd(a, b, c))
    }

    /// `c ? a : b`.
    pub fn select(&mut self, cond: Val, a: Val, b: Val) -> Val {
        self.inst(self.ty(a), Inst::Select(cond, a, b))
    }

    /// Conversion of each lane.
    pub fn convert(&mut self, value: Val, dtype: DType) -> Val {
        let ty = self.ty(value);
        if ty.dtype == dtype { value } else { self.inst(Ty { dtype, ..ty }, Inst::Convert(value)) }
    }

    /// The same bits as another type.
    pub fn bitcast(&mut self, value: Val, dtype: DType) -> Val {
        let ty = Ty { dtype, ..self.ty(value) };
        self.inst(ty, Inst::Bitcast(value))
    }

    /// One lane.
    pub fn extract(&mut self, value: Val, lane: u16) -> Val {
        self.inst(Ty::scalar(self.ty(value).dtype), Inst::Extract(value, lane))
    }

    /// A vector with one lane replaced.
    pub fn insert(&mut self, value: Val, lane: u16, scalar: Val) -> Val {
        self.inst(self.ty(value), Inst::Insert(value, lane, scalar))
    }

    /// All lanes combined; of one lane, the value itself.
    pub fn fold(&mut self, op: BinOp, value: Val) -> Val {
        let ty = self.ty(value);
        if ty.lanes == 1 { value } else { self.inst(Ty::scalar(ty.dtype), Inst::Fold(op, value)) }
    }

    /// Lanes picked from two vectors.
    pub fn shuffle(&mut self, a: Val, b: Val, pick: Vec<u16>) -> Val {
        let ty = Ty::vector(self.ty(a).dtype, pick.len() as u16);
        self.inst(ty, Inst::Shuffle(a, b, pick))
    }

    /// Any instruction with its result type.
    pub fn inst(&mut self, ty: Ty, inst: Inst) -> Val {
        let value = self.define(ty);
        self.push(Stmt::Let(value, inst));
        value
    }

    /// The finished kernel.
    pub fn finish(mut self) -> Kernel {
        self.kernel.body = self.blocks.pop().unwrap_or_default();
        self.kernel
    }

    fn free_name(&self, name: &str) -> String {
        let mut symbol: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        if !symbol.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            symbol.insert(0, '_');
        }
        let taken = |name: &str| self.kernel.buffers.iter().any(|buffer| buffer.name == name);
        if !taken(&symbol) {
            return symbol;
        }
        let numbered = (2..).map(|number| format!("{symbol}_{number}")).find(|name| !taken(name));
        numbered.unwrap_or(symbol)
    }

    fn define(&mut self, ty: Ty) -> Val {
        self.kernel.values.push(ty);
        self.consts.push(None);
        Val(self.kernel.values.len() as u32 - 1)
    }

    fn push(&mut self, stmt: Stmt) {
        if let Some(block) = self.blocks.last_mut() {
            block.push(stmt);
        }
    }

    /// Folds i64 scalar arithmetic with constants.
    fn fold_index(&mut self, op: BinOp, a: Val, b: Val) -> Option<Val> {
        match (op, self.known_index(a), self.known_index(b)) {
            (BinOp::Add, Some(x), Some(y)) => Some(self.index(x.wrapping_add(y))),
            (BinOp::Sub, Some(x), Some(y)) => Some(self.index(x.wrapping_sub(y))),
            (BinOp::Mul, Some(x), Some(y)) => Some(self.index(x.wrapping_mul(y))),
            (BinOp::Div, Some(x), Some(y)) if y > 0 => Some(self.index(x / y)),
            (BinOp::Rem, Some(x), Some(y)) if y > 0 => Some(self.index(x % y)),
            (BinOp::Add, Some(0), _) | (BinOp::Mul, Some(1), _) => Some(b),
            (BinOp::Add | BinOp::Sub, _, Some(0)) | (BinOp::Mul | BinOp::Div, _, Some(1)) => Some(a),
            (BinOp::Mul, Some(0), _) | (BinOp::Mul, _, Some(0)) | (BinOp::Rem, _, Some(1)) => Some(self.index(0)),
            _ => None,
        }
    }
}
