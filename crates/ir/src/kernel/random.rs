//! Random kernels that verify, for property tests and fuzzing.
//!
//! A kernel is a function of a string of bytes, each a choice; where the bytes end, it ends. So a test framework that
//! shrinks the bytes shrinks the kernel. Such a kernel accesses no element outside its buffers, reads nothing that is
//! not set, and its iterations are independent. Its results do not depend on what the semantics leave open: a float
//! `mul_add` is exact, and no NaN's bits are looked at.

mod inst;

use super::*;
use cnnc_tensor::Tensor;

/// Elements of a written buffer that belong to one iteration of the parallel loop.
const PART: i64 = 80;
/// Statements inside one another.
const DEPTH: usize = 3;

/// A kernel made of choices.
pub fn random_kernel(choices: &[u8]) -> Kernel {
    let mut maker =
        Maker { b: KernelBuilder::new("random"), choices, pool: vec![], vars: vec![], buffers: vec![], base: Val(0) };
    let extent = 1 + maker.choose(3);
    maker.declare(extent);
    let mut b = std::mem::replace(&mut maker.b, KernelBuilder::new(""));
    b.parallel(extent, |b, index| {
        std::mem::swap(&mut maker.b, b);
        maker.iteration(index);
        std::mem::swap(&mut maker.b, b);
    });
    b.finish()
}

/// A tensor for a buffer: small numbers, special values and random bits; bools are 0 or 1. The same seed gives the
/// same tensor.
pub fn random_tensor(buffer: &Buffer, seed: u64) -> Tensor {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let scalars = (0..buffer.elems).map(|_| interesting(buffer.dtype, next() as u8, next()));
    // The product of a buffer's dims is its number of elements, which is what `from_scalars` checks.
    Tensor::from_scalars(buffer.dtype, &[buffer.elems], scalars.collect::<Vec<_>>())
        .unwrap_or_else(|_| Tensor::scalar(Scalar::bool(false)))
}

/// A number of a type: by `kind` a small one, a special one or any bits.
pub fn interesting(dtype: DType, kind: u8, bits: u64) -> Scalar {
    const SPECIAL: [f64; 14] = [
        0.0,
        -0.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::NAN,
        0.5,
        -2.5,
        1e-40,
        -1e-310,
        3.4e38,
        65519.9,
        2147483648.0,
        -9.3e18,
        1.8446744073709552e19,
    ];
    match kind % 4 {
        0 if dtype.is_float() => Scalar::from_f64(dtype, SPECIAL[bits as usize % SPECIAL.len()]),
        0 => Scalar::from_bits(dtype, [0, 1, u64::MAX, 0x80, 0x8000, 0x8000_0000, 1 << 63, 0x7f][bits as usize % 8]),
        1 => Scalar::from_bits(dtype, if dtype == DType::Bool { bits & 1 } else { bits }),
        2 => Scalar::from_f64(dtype, (bits as i16) as f64 / 64.0),
        _ => Scalar::from_i64(dtype, i64::from(bits as i8) / 8),
    }
}

struct Maker<'a> {
    b: KernelBuilder,
    choices: &'a [u8],
    /// Values in scope.
    pool: Vec<Val>,
    /// Variables that are set.
    vars: Vec<(Var, Ty)>,
    buffers: Vec<(Buf, DType, Role)>,
    /// First element of this iteration's part of written buffers.
    base: Val,
}

impl Maker<'_> {
    fn byte(&mut self) -> usize {
        match self.choices.split_first() {
            None => 0,
            Some((&first, rest)) => {
                self.choices = rest;
                usize::from(first)
            }
        }
    }

    /// A number below `n`.
    fn choose(&mut self, n: usize) -> usize {
        self.byte() % n.max(1)
    }

    fn dtype(&mut self) -> DType {
        match self.choose(16) {
            k if k < 13 => DType::ALL[k],
            k => [DType::F32, DType::I32, DType::I64][k - 13],
        }
    }

    fn lanes(&mut self) -> u16 {
        [1, 4, 1, 4, 2, 3, 8, 16, 5, 6, 7, 12, 17, 32, 64, 4][self.choose(16)]
    }

    fn declare(&mut self, extent: usize) {
        for k in 0..2 + self.choose(5) {
            let dtype = self.dtype();
            let role =
                [Role::Read, Role::ReadWrite, Role::Write, Role::Scratch][if k < 2 { k } else { self.choose(4) }];
            let elems = match role {
                Role::Read => 64 + self.choose(30),
                Role::Scratch => PART as usize,
                _ => extent * PART as usize,
            };
            let buffer = self.b.buffer("b", dtype, elems, role);
            self.buffers.push((buffer, dtype, role));
        }
    }

    fn iteration(&mut self, index: Val) {
        self.pool.push(index);
        self.base = self.b.scale(index, PART);
        for (buffer, dtype, role) in self.buffers.clone() {
            if role == Role::Scratch {
                let value = self.operand(Ty::vector(dtype, 40));
                for at in [0, 40] {
                    let at = self.b.index(at);
                    self.b.store(buffer, at, value);
                }
            }
        }
        self.block(0, 200);
        for (buffer, dtype, role) in self.buffers.clone() {
            for _ in 0..3 {
                if role != Role::Read && !self.pool.is_empty() {
                    let k = self.choose(self.pool.len());
                    let (at, value) = (self.pool.len() - 1 - k, self.pool[self.pool.len() - 1 - k]);
                    let lanes = self.b.ty(value).lanes;
                    let value = self.b.convert(value, dtype);
                    let at = self.clamped(at as i64 * 7 % 60, lanes, role, 0);
                    self.b.store(buffer, at, value);
                }
            }
        }
    }

    /// The element `first`, moved to where `lanes` lanes lie inside the buffer (the part of this iteration of it).
    fn clamped(&mut self, first: i64, lanes: u16, role: Role, elems: i64) -> Val {
        match role {
            Role::Read => self.b.index(first.min(elems - i64::from(lanes))),
            Role::Scratch => self.b.index(first.min(PART - i64::from(lanes))),
            _ => self.b.offset(self.base, first.min(PART - i64::from(lanes))),
        }
    }

    fn block(&mut self, depth: usize, most: usize) {
        let (values, vars) = (self.pool.len(), self.vars.len());
        for _ in 0..most {
            if self.choices.is_empty() {
                break;
            }
            match self.choose(16) {
                0 => self.store(),
                1 => self.set(),
                6 => self.prefetch(),
                2 if depth < DEPTH => self.for_loop(depth),
                3 if depth < DEPTH => self.branch(depth),
                4 | 5 => {
                    let value = self.load();
                    self.pool.push(value);
                }
                _ => {
                    let value = self.inst();
                    self.pool.push(value);
                }
            }
        }
        if depth > 0 {
            self.pool.truncate(values);
            self.vars.truncate(vars);
        }
    }

    fn for_loop(&mut self, depth: usize) {
        let begin = self.b.index(self.choices.len() as i64 % 3 - 1);
        let step = 1 + self.choose(3) as i64;
        let (axis, end) = match self.choose(3) {
            0 => (Axis::Unrolled, self.b.index(2)),
            1 => (Axis::Serial, self.b.index(3)),
            _ => (Axis::Serial, self.bounded(3)),
        };
        let most = 1 + self.choose(6);
        let mut own = std::mem::replace(&mut self.b, KernelBuilder::new(""));
        own.for_axis(axis, begin, end, step, |b, index| {
            std::mem::swap(&mut self.b, b);
            self.pool.push(index);
            self.block(depth + 1, most);
            self.pool.pop();
            std::mem::swap(&mut self.b, b);
        });
        self.b = own;
    }

    fn branch(&mut self, depth: usize) {
        let cond = self.operand(Ty::scalar(DType::Bool));
        let (then, otherwise) = (1 + self.choose(4), self.choose(4));
        let mut own = std::mem::replace(&mut self.b, KernelBuilder::new(""));
        let maker = std::cell::RefCell::new(self);
        let side = |b: &mut KernelBuilder, most: usize| {
            let mut maker = maker.borrow_mut();
            std::mem::swap(&mut maker.b, b);
            maker.block(depth + 1, most);
            std::mem::swap(&mut maker.b, b);
        };
        own.if_else(cond, |b| side(b, then), |b| side(b, otherwise));
        maker.into_inner().b = own;
    }

    /// An i64 from 0 to `most`, mostly computed.
    fn bounded(&mut self, most: i64) -> Val {
        let value = self.operand(Ty::INDEX);
        let (low, high) = (self.b.index(0), self.b.index(most));
        let value = self.b.binary(BinOp::Max, value, low);
        self.b.binary(BinOp::Min, value, high)
    }

    /// A place for `lanes` lanes in a buffer, and how many of them are accessed.
    fn element(&mut self, buffer: Buf, role: Role, lanes: u16) -> (Val, Option<Val>) {
        let elems = match role {
            Role::Read => self.b.elems(buffer) as i64,
            _ => PART,
        };
        let part = matches!(role, Role::ReadWrite | Role::Write);
        let count = (self.choose(3) == 1).then(|| self.bounded(i64::from(lanes)));
        let mut at = match (self.choose(2), count) {
            (0, None) => self.b.index(elems - i64::from(lanes)),
            (0, Some(count)) => {
                let end = self.b.index(elems);
                self.b.sub(end, count)
            }
            _ => self.bounded(elems - i64::from(lanes)),
        };
        if part {
            at = self.b.add(self.base, at);
        }
        (at, count)
    }

    fn load(&mut self) -> Val {
        let k = self.choose(self.buffers.len());
        let (buffer, _, role) = self.buffers[k];
        if role == Role::Write {
            return self.inst();
        }
        let lanes = self.lanes();
        match self.element(buffer, role, lanes) {
            (at, None) => self.b.load(buffer, at, lanes),
            (at, Some(count)) => self.b.load_count(buffer, at, lanes, count),
        }
    }

    fn store(&mut self) {
        let k = self.choose(self.buffers.len());
        let (buffer, dtype, role) = self.buffers[k];
        if role == Role::Read {
            return;
        }
        let lanes = self.lanes();
        let value = self.operand(Ty::vector(dtype, lanes));
        match self.element(buffer, role, lanes) {
            (at, None) => self.b.store(buffer, at, value),
            (at, Some(count)) => self.b.store_count(buffer, at, value, count),
        }
    }

    /// Of any element of any buffer, or of none.
    fn prefetch(&mut self) {
        let k = self.choose(self.buffers.len());
        let (buffer, ..) = self.buffers[k];
        let index = self.operand(Ty::INDEX);
        self.b.prefetch(buffer, index);
    }

    fn set(&mut self) {
        let old = self.choose(2 * self.vars.len());
        let (var, ty) = match self.vars.get(old) {
            Some(&known) => known,
            None => {
                let ty = Ty::vector(self.dtype(), self.lanes());
                let var = self.b.var(ty);
                self.vars.push((var, ty));
                (var, ty)
            }
        };
        let value = self.operand(ty);
        self.b.set(var, value);
    }
}
