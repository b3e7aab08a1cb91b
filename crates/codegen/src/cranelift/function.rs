//! Statements: control flow, variables, and the instructions that only move lanes.

mod affine;

use super::parts::{self, Parts, part_types, shape};
use cnnc_ir::kernel::{Axis, Inst, Kernel, Role, Stmt, Ty, Val, Var};
use cnnc_tensor::{DType, Isa, Scalar};
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{BlockArg, Function, InstBuilder, MemFlagsData, Value, types};
use cranelift_codegen::isa::TargetFrontendConfig;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};

pub use affine::Affine;

/// Most statements that full unrolling makes of one kernel; loops beyond stay loops.
const MAX_UNROLLED: usize = 1 << 14;

/// What a kernel is compiled with.
pub struct Emitter<'a> {
    /// The kernel.
    pub kernel: &'a Kernel,
    /// The instruction set.
    pub isa: Isa,
    /// The function.
    pub b: FunctionBuilder<'a>,
    /// Address of each buffer.
    pub bases: Vec<Value>,
    /// Where lanes that are not loaded are read from: eight zero bytes. And where others are stored to.
    pub beyond: Option<(Value, Value)>,
    values: Vec<Parts>,
    affine: Vec<Option<Affine>>,
    vars: Vec<Vec<Variable>>,
    part: (Value, Value),
    unrolled: usize,
    /// Counters of the open loops.
    loops: Vec<Val>,
    /// If an open statement's body may not be run: how many of the counters count outside the innermost such one.
    uncertain: Option<usize>,
}

/// Builds the function of a kernel.
pub fn build(
    kernel: &Kernel,
    isa: Isa,
    function: &mut Function,
    context: &mut FunctionBuilderContext,
    config: TargetFrontendConfig,
) {
    let mut b = FunctionBuilder::new(function, context);
    let entry = b.create_block();
    b.append_block_params_for_function_params(entry);
    b.switch_to_block(entry);
    b.seal_block(entry);
    let [buffers, begin, end, scratch] = [0, 1, 2, 3].map(|k| b.block_params(entry)[k]);
    let mut bases = Vec::new();
    let mut passed = 0;
    for (number, buffer) in kernel.buffers.iter().enumerate() {
        bases.push(if buffer.role == Role::Scratch {
            let offset = kernel.scratch_offset(cnnc_ir::kernel::Buf(number as u32));
            let offset = b.ins().iconst(types::I64, offset as i64);
            b.ins().iadd(scratch, offset)
        } else {
            passed += 1;
            let flags = MemFlagsData::trusted().with_readonly().with_can_move();
            b.ins().load(types::I64, flags, buffers, 8 * (passed - 1))
        });
    }
    let vars = kernel.vars.iter().map(|&ty| part_types(ty).map(|part| b.declare_var(part)).collect()).collect();
    let mut emitter = Emitter {
        kernel,
        isa,
        b,
        bases,
        beyond: None,
        values: vec![vec![]; kernel.values.len()],
        affine: vec![None; kernel.values.len()],
        vars,
        part: (begin, end),
        unrolled: 0,
        loops: vec![],
        uncertain: None,
    };
    emitter.make_beyond();
    emitter.block(&kernel.body);
    emitter.b.ins().return_(&[]);
    emitter.b.finalize(config);
}

impl Emitter<'_> {
    /// The parts of a value.
    pub fn value(&self, value: Val) -> Parts {
        self.values[value.0 as usize].clone()
    }

    /// A scalar value.
    pub fn scalar(&self, value: Val) -> Value {
        self.values[value.0 as usize][0]
    }

    fn block(&mut self, block: &[Stmt]) {
        for stmt in block {
            match stmt {
                Stmt::Let(value, inst) => self.define(*value, inst),
                Stmt::Set(var, value) => self.set(*var, *value),
                Stmt::Store { buffer, index, value, count } => self.store(*buffer, *index, *value, *count),
                // Cranelift has no such instruction.
                Stmt::Prefetch { .. } => {}
                Stmt::For { axis, index, begin, end, step, body } => {
                    self.for_loop(*axis, *index, *begin, *end, *step, body);
                }
                Stmt::If { cond, then, otherwise } => self.branch(*cond, then, otherwise),
            }
        }
    }

    fn set(&mut self, var: Var, value: Val) {
        for (variable, part) in self.vars[var.0 as usize].clone().into_iter().zip(self.value(value)) {
            self.b.def_var(variable, part);
        }
    }

    fn branch(&mut self, cond: Val, then: &[Stmt], otherwise: &[Stmt]) {
        let cond = self.scalar(cond);
        let uncertain = self.uncertain.replace(self.loops.len());
        let [yes, no, after] = [(); 3].map(|()| self.b.create_block());
        self.b.ins().brif(cond, yes, &[], no, &[]);
        for (block, body) in [(yes, then), (no, otherwise)] {
            self.b.switch_to_block(block);
            self.b.seal_block(block);
            self.block(body);
            self.b.ins().jump(after, &[]);
        }
        self.b.switch_to_block(after);
        self.b.seal_block(after);
        self.uncertain = uncertain;
    }

    fn for_loop(&mut self, axis: Axis, index: Val, begin: Val, end: Val, step: i64, body: &[Stmt]) {
        let known = self.known(begin).zip(self.known(end)).filter(|_| axis != Axis::Parallel);
        if let (Axis::Unrolled, Some((begin, end))) = (axis, known) {
            let turns = if begin < end { (end.abs_diff(begin) as usize).div_ceil(step as usize) } else { 0 };
            let more = turns.saturating_mul(count(body)).saturating_add(self.unrolled);
            if more <= MAX_UNROLLED {
                self.unrolled = more;
                for turn in 0..turns {
                    self.define_affine(index, Affine { offset: begin + turn as i64 * step, ..Affine::default() });
                    self.block(body);
                }
                return;
            }
        }
        let (first, last) = match axis {
            Axis::Parallel => self.part,
            _ => (self.scalar(begin), self.scalar(end)),
        };
        let (turn, after) = (self.b.create_block(), self.b.create_block());
        let counter = self.b.append_block_param(turn, types::I64);
        let uncertain = self.uncertain;
        if known.is_some_and(|(begin, end)| begin < end) {
            self.b.ins().jump(turn, &[first.into()]);
        } else {
            if axis != Axis::Parallel || self.kernel.extent == 0 {
                self.uncertain = Some(self.loops.len());
            }
            let some = self.b.ins().icmp(IntCC::SignedLessThan, first, last);
            self.b.ins().brif(some, turn, &[first.into()], after, &[]);
        }
        self.b.switch_to_block(turn);
        self.define_affine(index, Affine { root: Some(counter), offset: 0, counters: vec![(index, 1)] });
        self.loops.push(index);
        self.block(body);
        self.loops.pop();
        self.uncertain = uncertain;
        let step = self.b.ins().iconst(types::I64, step);
        let next = self.b.ins().iadd(counter, step);
        let more = self.b.ins().icmp(IntCC::SignedLessThan, next, last);
        self.b.ins().brif(more, turn, &[next.into()], after, &[]);
        self.b.seal_block(turn);
        self.b.seal_block(after);
        self.b.switch_to_block(after);
    }

    fn define(&mut self, value: Val, inst: &Inst) {
        let ty = self.kernel.ty(value);
        if ty == Ty::INDEX
            && let Some(affine) = self.index_arithmetic(inst)
        {
            return self.define_affine(value, affine);
        }
        let parts = match inst {
            Inst::Const(scalar) => self.constant(ty, *scalar),
            Inst::Get(var) => {
                let vars = self.vars[var.0 as usize].clone();
                vars.into_iter().map(|variable| self.b.use_var(variable)).collect()
            }
            Inst::Load { buffer, index, count } => self.load(ty, *buffer, *index, *count),
            Inst::Splat(scalar) => self.splat(ty, self.scalar(*scalar)),
            Inst::Lanes(begin) => self.count_up(ty, self.scalar(*begin)),
            Inst::Unary(op, a) => self.unary(*op, ty, &self.value(*a)),
            Inst::Binary(op, a, b) => {
                let divisor = self.known(*b).filter(|_| self.kernel.ty(*b) == Ty::INDEX);
                self.binary(*op, ty, &self.value(*a), &self.value(*b), divisor)
            }
            Inst::Compare(op, a, b) => self.compare(*op, self.kernel.ty(*a), &self.value(*a), &self.value(*b)),
            Inst::MulAdd(a, b, c) => self.mul_add(ty, &self.value(*a), &self.value(*b), &self.value(*c)),
            Inst::Select(c, a, b) => self.select(ty, &self.value(*c), &self.value(*a), &self.value(*b)),
            Inst::Convert(a) => self.convert(self.kernel.ty(*a), ty.dtype, &self.value(*a)),
            Inst::Bitcast(a) => self.bitcast(self.kernel.ty(*a), ty, &self.value(*a)),
            Inst::Extract(a, lane) => vec![self.lane(self.kernel.ty(*a), &self.value(*a), *lane)],
            Inst::Insert(a, lane, scalar) => self.insert(ty, self.value(*a), *lane, self.scalar(*scalar)),
            Inst::Fold(op, a) => vec![self.fold(*op, self.kernel.ty(*a), self.value(*a))],
            Inst::Shuffle(a, b, pick) => self.shuffle(self.kernel.ty(*a), ty, &self.value(*a), &self.value(*b), pick),
        };
        self.values[value.0 as usize] = parts;
        self.affine[value.0 as usize] = None;
    }

    /// `begin, begin + 1, ...`.
    fn count_up(&mut self, ty: Ty, begin: Value) -> Parts {
        let scalar = parts::scalar_type(ty.dtype);
        let lanes: Vec<Value> = (0..ty.lanes)
            .map(|lane| {
                let lane = self.int(scalar, i64::from(lane));
                self.b.ins().iadd(begin, lane)
            })
            .collect();
        self.pack(ty, &lanes)
    }

    fn insert(&mut self, ty: Ty, mut parts: Parts, lane: u16, scalar: Value) -> Parts {
        let (vectors, _) = shape(ty);
        let width = parts::width(ty.dtype);
        let part = usize::from(lane / width);
        if part < vectors && ty.dtype != DType::Bool {
            parts[part] = self.b.ins().insertlane(parts[part], scalar, (lane % width) as u8);
            return parts;
        }
        let mut lanes = self.lanes(ty, &parts);
        lanes[usize::from(lane)] = scalar;
        self.pack(ty, &lanes)
    }

    /// The parts that come out of either of two ways to compute them.
    pub fn either(
        &mut self,
        cond: Value,
        types: impl Iterator<Item = types::Type>,
        then: impl FnOnce(&mut Self) -> Parts,
        otherwise: impl FnOnce(&mut Self) -> Parts,
    ) -> Parts {
        let [yes, no, after] = [(); 3].map(|()| self.b.create_block());
        let merged = types.map(|ty| self.b.append_block_param(after, ty)).collect();
        self.b.ins().brif(cond, yes, &[], no, &[]);
        self.b.switch_to_block(yes);
        self.b.seal_block(yes);
        let parts: Vec<BlockArg> = then(self).into_iter().map(BlockArg::from).collect();
        self.b.ins().jump(after, &parts);
        self.b.switch_to_block(no);
        self.b.seal_block(no);
        let parts: Vec<BlockArg> = otherwise(self).into_iter().map(BlockArg::from).collect();
        self.b.ins().jump(after, &parts);
        self.b.switch_to_block(after);
        self.b.seal_block(after);
        merged
    }

    /// A constant of a type as one part of a scalar.
    pub fn number(&mut self, dtype: DType, value: f64) -> Value {
        self.scalar_constant(Scalar::from_f64(dtype, value))
    }
}

/// Statements of a block, those in it counted.
fn count(block: &[Stmt]) -> usize {
    block
        .iter()
        .map(|stmt| match stmt {
            Stmt::For { body, .. } => 1 + count(body),
            Stmt::If { then, otherwise, .. } => 1 + count(then) + count(otherwise),
            _ => 1,
        })
        .sum()
}
