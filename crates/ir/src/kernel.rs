//! Kernel IR, the *how*: loops over buffers with explicit vectors.
//!
//! A [`Kernel`] is straight-line SSA ([`Stmt::Let`]) inside structured loops, with mutable variables ([`Stmt::Set`],
//! [`Inst::Get`]) for what lives across iterations (accumulators). It is called over a part `begin..end` of its one
//! parallel loop, so any number of threads can share it.
//!
//! Invariants (checked by [`verify`](fn@verify)): a value is defined once, before its uses and in a scope that encloses
//! them; operand types fit the instruction; there is exactly one [`Axis::Parallel`] loop, it stands at top level, only
//! `Let`s may stand before it and nothing after it, and its bounds are `0..extent`; variables are set before they are
//! read (a loop sets them for certain if its bounds are constant and not empty); buffers that are only read are never
//! stored to, those that are only written are loaded from below a store only; names of buffers are different symbols.
//!
//! GPU kernels use the same statements: [`Axis`] grows grid, block and thread rows, [`Role`] grows shared memory and
//! fragments, [`Stmt`] grows barrier and asynchronous copy, [`Inst`] grows the matrix-unit product. Nothing here knows a
//! graph operator.

mod builder;
mod interpret;
pub mod random;
mod text;
mod verify;

use cnnc_tensor::{DType, Scalar};

pub use builder::KernelBuilder;
pub use interpret::{InterpretError, interpret, interpret_all};
pub use text::{ParseError, parse_kernel, parse_kernels};
pub use verify::{VerifyError, verify};

/// An SSA value of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Val(pub u32);

/// A mutable variable of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Var(pub u32);

/// A buffer of a kernel: index into [`Kernel::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Buf(pub u32);

/// Type of a value or variable: `lanes` elements of a type; 1 lane is a scalar. A `Bool` lane is one truth value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ty {
    /// Element type; F16 and BF16 are moved and converted, never computed with.
    pub dtype: DType,
    /// Number of lanes: 1 to 64.
    pub lanes: u16,
}

impl Ty {
    /// A scalar type.
    pub const fn scalar(dtype: DType) -> Ty {
        Ty { dtype, lanes: 1 }
    }

    /// A vector type.
    pub const fn vector(dtype: DType, lanes: u16) -> Ty {
        Ty { dtype, lanes }
    }

    /// Indices, loop counters and extents.
    pub const INDEX: Ty = Ty::scalar(DType::I64);
}

/// What a buffer is to a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Only loaded from.
    Read,
    /// Only stored to, or stored to before it is loaded from.
    Write,
    /// Loaded from and stored to.
    ReadWrite,
    /// Private to a thread: lies in the scratch area, in order of the buffers, each aligned to 64 bytes. Its content is
    /// undefined at the start of each call.
    Scratch,
}

/// A buffer that a kernel works on. Distinct buffers do not overlap, unless `may_alias` says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Buffer {
    /// Name in texts.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// Number of elements; every access lies inside.
    pub elems: usize,
    /// Role.
    pub role: Role,
    /// May be the same memory as another such buffer of the kernel (in place, at equal index).
    pub may_alias: bool,
}

/// A kernel. Its machine form is `extern "C" fn(buffers: *const *mut u8, begin: i64, end: i64, scratch: *mut u8)`:
/// pointers to the buffers that are not [`Role::Scratch`] in order, the part of the parallel loop, and this thread's
/// scratch area of [`scratch_bytes`](Kernel::scratch_bytes), aligned to 64.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kernel {
    /// Name: a symbol of letters, digits and `_`.
    pub name: String,
    /// The buffers.
    pub buffers: Vec<Buffer>,
    /// Iterations of the parallel loop.
    pub extent: usize,
    /// Types of the values.
    pub values: Vec<Ty>,
    /// Types of the variables.
    pub vars: Vec<Ty>,
    /// The body.
    pub body: Vec<Stmt>,
}

impl Kernel {
    /// Offset of a scratch buffer in the scratch area.
    pub fn scratch_offset(&self, buffer: Buf) -> usize {
        self.buffers[..buffer.0 as usize].iter().map(scratch_size).sum()
    }

    /// Size of the scratch area of a thread.
    pub fn scratch_bytes(&self) -> usize {
        self.buffers.iter().map(scratch_size).sum()
    }

    /// Type of a value.
    pub fn ty(&self, value: Val) -> Ty {
        self.values[value.0 as usize]
    }
}

fn scratch_size(buffer: &Buffer) -> usize {
    if buffer.role == Role::Scratch { (buffer.elems * buffer.dtype.size()).next_multiple_of(64) } else { 0 }
}

/// How the iterations of a loop are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Axis {
    /// One after the other.
    Serial,
    /// One after the other, and the backend is told to unroll fully (constant bounds).
    Unrolled,
    /// Spread over threads; iterations are independent.
    Parallel,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stmt {
    /// Defines a value.
    Let(Val, Inst),
    /// Sets a variable.
    Set(Var, Val),
    /// Stores `value` at element `index` of a buffer, one or several lanes. With `count` (i64) only the first `count`
    /// lanes (0 to all) are stored. Bool lanes are stored as bytes 0 and 1.
    Store {
        /// Where to.
        buffer: Buf,
        /// Element index (i64) of the first lane.
        index: Val,
        /// What.
        value: Val,
        /// How many lanes, if not all.
        count: Option<Val>,
    },
    /// Says that the cache line of element `index` (i64) of a buffer will be read before long. No access: the index may
    /// lie anywhere, and a backend may do nothing.
    Prefetch {
        /// Whose line.
        buffer: Buf,
        /// Which element's.
        index: Val,
    },
    /// A loop `for index in (begin..end).step_by(step)`.
    For {
        /// How.
        axis: Axis,
        /// The counter (i64), defined in the body.
        index: Val,
        /// First (i64).
        begin: Val,
        /// One past the last (i64).
        end: Val,
        /// Positive.
        step: i64,
        /// Body.
        body: Vec<Stmt>,
    },
    /// A branch on a scalar bool.
    If {
        /// Condition.
        cond: Val,
        /// Where true.
        then: Vec<Stmt>,
        /// Where false.
        otherwise: Vec<Stmt>,
    },
}

/// An instruction: what a [`Stmt::Let`] computes. Its result type stands in [`Kernel::values`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Inst {
    /// A constant in every lane.
    Const(Scalar),
    /// The present content of a variable.
    Get(Var),
    /// Consecutive elements of a buffer from `index` (i64). With `count` (i64) only the first `count` lanes (0 to all)
    /// are loaded, the others are zero.
    Load {
        /// Where from.
        buffer: Buf,
        /// Element index of the first lane.
        index: Val,
        /// How many lanes, if not all.
        count: Option<Val>,
    },
    /// A scalar in every lane.
    Splat(Val),
    /// `begin, begin + 1, ...` of the result's integer type.
    Lanes(Val),
    /// An operation on each lane.
    Unary(UnOp, Val),
    /// An operation on each pair of lanes.
    Binary(BinOp, Val, Val),
    /// A comparison of each pair of lanes; bool lanes.
    Compare(CmpOp, Val, Val),
    /// `a * b + c`, rounded once or twice.
    MulAdd(Val, Val, Val),
    /// Lane by lane `c ? a : b`; `c` has bool lanes (as many as the result).
    Select(Val, Val, Val),
    /// Conversion of each lane to the result's type: float to int truncates and saturates (NaN becomes 0), int to int
    /// wraps, to float rounds to nearest (once, ties to even), to bool is `!= 0`, from bool is 0 or 1.
    Convert(Val),
    /// The same bits as another type of the same size.
    Bitcast(Val),
    /// One lane.
    Extract(Val, u16),
    /// A vector with one lane replaced by a scalar.
    Insert(Val, u16, Val),
    /// All lanes combined: halves are folded together until one lane is left (a fixed order). Lanes: a power of two.
    Fold(BinOp, Val),
    /// Lanes picked from two vectors of one type: numbers below its lane count pick from the first.
    Shuffle(Val, Val, Vec<u16>),
}

/// Operations of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum UnOp {
    /// Integers wrap.
    Neg,
    Abs,
    Sqrt,
    Floor,
    Ceil,
    /// To nearest, ties to even.
    Round,
    Trunc,
    /// Bitwise, or logical for bool.
    Not,
}

/// Operations of two operands of one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum BinOp {
    /// Integers wrap.
    Add,
    Sub,
    Mul,
    /// Integers: truncating; x/0 is 0, MIN/-1 is MIN.
    Div,
    /// Integers only: sign of the dividend; x rem 0 is 0, MIN rem -1 is 0.
    Rem,
    /// `a < b ? a : b` (so b if either is NaN).
    Min,
    /// `a > b ? a : b` (so b if either is NaN).
    Max,
    And,
    Or,
    Xor,
    /// Shift amounts are taken modulo the width.
    Shl,
    /// Arithmetic for signed types, logical for unsigned ones.
    Shr,
}

/// Comparisons; any with NaN but `Ne` is false. Of bools, false is less than true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum CmpOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}
