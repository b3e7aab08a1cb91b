//! Prints kernels.

use crate::kernel::{Buf, Buffer, Inst, Kernel, Stmt, Val, Var};
use std::fmt::{self, Display, Formatter};

impl Display for Val {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

impl Display for Var {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "a{}", self.0)
    }
}

/// `%x: f32[1024] read may_alias`.
impl Display for Buffer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "%{}: {}[{}] {}", self.name, self.dtype, self.elems, self.role.name())?;
        if self.may_alias { f.write_str(" may_alias") } else { Ok(()) }
    }
}

impl Display for Kernel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "kernel @{} extent {} {{", self.name, self.extent)?;
        for buffer in &self.buffers {
            writeln!(f, "  buffer {buffer}")?;
        }
        for (var, ty) in self.vars.iter().enumerate() {
            writeln!(f, "  var a{var}: {ty}")?;
        }
        Printer { kernel: self }.block(f, &self.body, 1)?;
        writeln!(f, "}}")
    }
}

struct Printer<'a> {
    kernel: &'a Kernel,
}

impl Printer<'_> {
    fn block(&self, f: &mut Formatter<'_>, block: &[Stmt], depth: usize) -> fmt::Result {
        block.iter().try_for_each(|stmt| self.stmt(f, stmt, depth))
    }

    fn stmt(&self, f: &mut Formatter<'_>, stmt: &Stmt, depth: usize) -> fmt::Result {
        let indent = 2 * depth;
        write!(f, "{:indent$}", "")?;
        match stmt {
            Stmt::Let(value, inst) => {
                match self.kernel.values.get(value.0 as usize) {
                    Some(ty) => write!(f, "{value}: {ty} = ")?,
                    None => write!(f, "{value}: ? = ")?,
                }
                self.inst(f, inst)?;
                writeln!(f)
            }
            Stmt::Set(var, value) => writeln!(f, "set {var}, {value}"),
            Stmt::Store { buffer, index, value, count } => {
                write!(f, "store ")?;
                self.element(f, *buffer, *index)?;
                write!(f, ", {value}")?;
                self.count(f, *count)?;
                writeln!(f)
            }
            Stmt::Prefetch { buffer, index } => {
                write!(f, "prefetch ")?;
                self.element(f, *buffer, *index)?;
                writeln!(f)
            }
            Stmt::For { axis, index, begin, end, step, body } => {
                write!(f, "{} {index} in {begin}..{end}", axis.name())?;
                if *step != 1 {
                    write!(f, " step {step}")?;
                }
                writeln!(f, " {{")?;
                self.block(f, body, depth + 1)?;
                writeln!(f, "{:indent$}}}", "")
            }
            Stmt::If { cond, then, otherwise } => {
                writeln!(f, "if {cond} {{")?;
                self.block(f, then, depth + 1)?;
                if !otherwise.is_empty() {
                    writeln!(f, "{:indent$}}} else {{", "")?;
                    self.block(f, otherwise, depth + 1)?;
                }
                writeln!(f, "{:indent$}}}", "")
            }
        }
    }

    fn inst(&self, f: &mut Formatter<'_>, inst: &Inst) -> fmt::Result {
        match inst {
            Inst::Const(scalar) => write!(f, "const {scalar}"),
            Inst::Get(var) => write!(f, "get {var}"),
            Inst::Load { buffer, index, count } => {
                write!(f, "load ")?;
                self.element(f, *buffer, *index)?;
                self.count(f, *count)
            }
            Inst::Splat(a) => write!(f, "splat {a}"),
            Inst::Lanes(a) => write!(f, "lanes {a}"),
            Inst::Unary(op, a) => write!(f, "{} {a}", op.name()),
            Inst::Binary(op, a, b) => write!(f, "{} {a}, {b}", op.name()),
            Inst::Compare(op, a, b) => write!(f, "{} {a}, {b}", op.name()),
            Inst::MulAdd(a, b, c) => write!(f, "mul_add {a}, {b}, {c}"),
            Inst::Select(c, a, b) => write!(f, "select {c}, {a}, {b}"),
            Inst::Convert(a) => write!(f, "convert {a}"),
            Inst::Bitcast(a) => write!(f, "bitcast {a}"),
            Inst::Extract(a, lane) => write!(f, "extract {a}, {lane}"),
            Inst::Insert(a, lane, scalar) => write!(f, "insert {a}, {lane}, {scalar}"),
            Inst::Fold(op, a) => write!(f, "fold {} {a}", op.name()),
            Inst::Shuffle(a, b, pick) => {
                write!(f, "shuffle {a}, {b}, [")?;
                for (k, lane) in pick.iter().enumerate() {
                    write!(f, "{}{lane}", if k == 0 { "" } else { ", " })?;
                }
                write!(f, "]")
            }
        }
    }

    fn element(&self, f: &mut Formatter<'_>, buffer: Buf, index: Val) -> fmt::Result {
        match self.kernel.buffers.get(buffer.0 as usize) {
            Some(Buffer { name, .. }) => write!(f, "%{name}[{index}]"),
            None => write!(f, "%?{}[{index}]", buffer.0),
        }
    }

    fn count(&self, f: &mut Formatter<'_>, count: Option<Val>) -> fmt::Result {
        count.map_or(Ok(()), |count| write!(f, " count {count}"))
    }
}
