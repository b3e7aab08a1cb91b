//! A kernel flattened for the interpreter: one list of operations with jumps over one file of lanes.
//!
//! Every value and variable has its own place in the file. Variables come first, then values in the order of their
//! definitions, so that the operands of an instruction lie below its result. Constants are in the file from the start.

use super::lane;
use crate::kernel::{Axis, BinOp, CmpOp, Inst, Kernel, Stmt, Ty, UnOp, Val, Var};
use cnnc_tensor::DType;

/// Place of the first lane of a value or variable.
pub type Reg = usize;

/// Place of an operation in the list.
pub type Place = usize;

/// How many lanes of an access are done.
#[derive(Clone, Copy, Debug)]
pub enum Count {
    /// All.
    All,
    /// As many as a register says.
    Reg(Reg),
}

/// An operation. `to` is the result, `n` its lanes.
#[derive(Clone, Debug)]
pub enum Op {
    /// `to = from`, `n` lanes.
    Copy { to: Reg, from: Reg, n: usize },
    /// Loads from a buffer of that element type.
    Load { to: Reg, n: usize, buffer: usize, index: Reg, count: Count },
    /// Stores to a buffer of that element type.
    Store { from: Reg, n: usize, buffer: usize, index: Reg, count: Count },
    /// One lane in all.
    Splat { to: Reg, n: usize, from: Reg },
    /// `from, from + 1, ...`.
    Lanes { to: Reg, n: usize, from: Reg, dtype: DType },
    /// An operation of one operand.
    Unary { op: UnOp, dtype: DType, to: Reg, n: usize, a: Reg },
    /// An operation of two operands.
    Binary { op: BinOp, dtype: DType, to: Reg, n: usize, a: Reg, b: Reg },
    /// A comparison; `dtype` is the operands'.
    Compare { op: CmpOp, dtype: DType, to: Reg, n: usize, a: Reg, b: Reg },
    /// `a * b + c`.
    MulAdd { dtype: DType, to: Reg, n: usize, a: Reg, b: Reg, c: Reg },
    /// `c ? a : b`.
    Select { to: Reg, n: usize, c: Reg, a: Reg, b: Reg },
    /// Conversion.
    Convert { from: DType, dtype: DType, to: Reg, n: usize, a: Reg },
    /// Folding of `n` lanes (of the operand) to one.
    Fold { op: BinOp, dtype: DType, to: Reg, n: usize, a: Reg },
    /// Lanes by their places.
    Gather { to: Reg, from: Vec<Reg> },
    /// Goes on at a place.
    Jump(Place),
    /// Goes on at a place if a bool is false.
    Unless { cond: Reg, place: Place },
    /// Starts a loop: counter is the begin, or goes on after the loop.
    Enter { index: Reg, begin: Reg, end: Reg, exit: Place },
    /// Ends an iteration: the counter grows, and the body (at the place) runs again if it is below the end.
    Next { index: Reg, end: Reg, step: i64, body: Place },
    /// Forgets the variables: a new iteration of the parallel loop begins.
    Forget,
}

/// A flattened kernel.
#[derive(Debug)]
pub struct Program {
    /// Operations.
    pub ops: Vec<Op>,
    /// The file of lanes as it is at the start.
    pub file: Vec<u64>,
    /// What variables hold before they are set.
    pub unset: Vec<u64>,
    /// Where the bounds of the part are put before the start.
    pub part: (Reg, Reg),
}

/// Flattens a kernel that verifies.
pub fn flatten(kernel: &Kernel) -> Program {
    let mut vars = Vec::with_capacity(kernel.vars.len());
    let mut unset = Vec::new();
    for ty in &kernel.vars {
        vars.push(unset.len());
        unset.resize(unset.len() + usize::from(ty.lanes), lane::mask(ty.dtype));
    }
    let mut file = unset.clone();
    let part = (file.len(), file.len() + 1);
    file.extend([0, 0]);
    let mut flattener = Flattener { kernel, ops: vec![], file, vars, values: vec![0; kernel.values.len()], part };
    flattener.block(&kernel.body);
    Program { ops: flattener.ops, file: flattener.file, unset, part }
}

struct Flattener<'a> {
    kernel: &'a Kernel,
    ops: Vec<Op>,
    file: Vec<u64>,
    vars: Vec<Reg>,
    values: Vec<Reg>,
    part: (Reg, Reg),
}

impl Flattener<'_> {
    fn define(&mut self, value: Val) -> Reg {
        let reg = self.file.len();
        self.values[value.0 as usize] = reg;
        self.file.resize(reg + usize::from(self.kernel.ty(value).lanes), 0);
        reg
    }

    fn value(&self, value: Val) -> Reg {
        self.values[value.0 as usize]
    }

    fn var(&self, var: Var) -> Reg {
        self.vars[var.0 as usize]
    }

    fn count(&self, count: Option<Val>) -> Count {
        count.map_or(Count::All, |value| Count::Reg(self.value(value)))
    }

    fn block(&mut self, block: &[Stmt]) {
        for stmt in block {
            self.stmt(stmt);
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::Let(value, inst) => self.inst(*value, inst),
            Stmt::Set(var, value) => {
                let n = usize::from(self.kernel.ty(*value).lanes);
                self.ops.push(Op::Copy { to: self.var(*var), from: self.value(*value), n });
            }
            Stmt::Store { buffer, index, value, count } => self.ops.push(Op::Store {
                from: self.value(*value),
                n: usize::from(self.kernel.ty(*value).lanes),
                buffer: buffer.0 as usize,
                index: self.value(*index),
                count: self.count(*count),
            }),
            Stmt::Prefetch { .. } => {}
            Stmt::For { axis, index, begin, end, step, body } => {
                let (begin, end) = match axis {
                    Axis::Parallel => self.part,
                    _ => (self.value(*begin), self.value(*end)),
                };
                let index = self.define(*index);
                let enter = self.ops.len();
                self.ops.push(Op::Enter { index, begin, end, exit: 0 });
                let start = self.ops.len();
                if *axis == Axis::Parallel {
                    self.ops.push(Op::Forget);
                }
                self.block(body);
                self.ops.push(Op::Next { index, end, step: *step, body: start });
                let exit = self.ops.len();
                self.ops[enter] = Op::Enter { index, begin, end, exit };
            }
            Stmt::If { cond, then, otherwise } => {
                let cond = self.value(*cond);
                let branch = self.ops.len();
                self.ops.push(Op::Jump(0));
                self.block(then);
                let jump = self.ops.len();
                self.ops.push(Op::Jump(0));
                self.ops[branch] = Op::Unless { cond, place: self.ops.len() };
                self.block(otherwise);
                self.ops[jump] = Op::Jump(self.ops.len());
            }
        }
    }

    fn inst(&mut self, value: Val, inst: &Inst) {
        let Ty { dtype, lanes } = self.kernel.ty(value);
        let n = usize::from(lanes);
        let to = self.define(value);
        let at = |v: &Val| self.values[v.0 as usize];
        let ty = |v: &Val| self.kernel.ty(*v);
        let op = match inst {
            Inst::Const(scalar) => {
                self.file[to..].fill(scalar.bits());
                return;
            }
            Inst::Get(var) => Op::Copy { to, from: self.var(*var), n },
            Inst::Load { buffer, index, count } => {
                Op::Load { to, n, buffer: buffer.0 as usize, index: at(index), count: self.count(*count) }
            }
            Inst::Splat(from) => Op::Splat { to, n, from: at(from) },
            Inst::Lanes(from) => Op::Lanes { to, n, from: at(from), dtype },
            Inst::Unary(op, a) => Op::Unary { op: *op, dtype, to, n, a: at(a) },
            Inst::Binary(op, a, b) => Op::Binary { op: *op, dtype, to, n, a: at(a), b: at(b) },
            Inst::Compare(op, a, b) => Op::Compare { op: *op, dtype: ty(a).dtype, to, n, a: at(a), b: at(b) },
            Inst::MulAdd(a, b, c) => Op::MulAdd { dtype, to, n, a: at(a), b: at(b), c: at(c) },
            Inst::Select(c, a, b) => Op::Select { to, n, c: at(c), a: at(a), b: at(b) },
            Inst::Convert(a) => Op::Convert { from: ty(a).dtype, dtype, to, n, a: at(a) },
            Inst::Bitcast(a) => Op::Copy { to, from: at(a), n },
            Inst::Extract(a, lane) => Op::Copy { to, from: at(a) + usize::from(*lane), n: 1 },
            Inst::Insert(a, lane, scalar) => {
                let mut from: Vec<Reg> = (at(a)..at(a) + n).collect();
                from[usize::from(*lane)] = at(scalar);
                Op::Gather { to, from }
            }
            Inst::Fold(op, a) => Op::Fold { op: *op, dtype, to, n: usize::from(ty(a).lanes), a: at(a) },
            Inst::Shuffle(a, b, pick) => {
                let width = usize::from(ty(a).lanes);
                let place = |&k: &u16| match usize::from(k) {
                    k if k < width => at(a) + k,
                    k => at(b) + k - width,
                };
                Op::Gather { to, from: pick.iter().map(place).collect() }
            }
        };
        self.ops.push(op);
    }
}
