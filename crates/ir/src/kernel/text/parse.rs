//! Reads kernels. What it accepts need not verify; whatever it is given, it gives a kernel or an error.

use super::ParseError;
use crate::kernel::{Axis, BinOp, Buf, Buffer, CmpOp, Inst, Kernel, Role, Stmt, Ty, UnOp, Val, Var};
use cnnc_tensor::{DType, Scalar};
use std::collections::HashMap;

/// Blocks in one another; deeper texts are refused.
const MAX_DEPTH: usize = 200;

/// Reads what [`Display`](std::fmt::Display) of a kernel printed.
pub fn parse_kernel(text: &str) -> Result<Kernel, ParseError> {
    let mut kernels = parse_kernels(text)?;
    match (kernels.pop(), kernels.len()) {
        (Some(kernel), 0) => Ok(kernel),
        (None, _) => Err(ParseError { line: 1, what: "no kernel".into() }),
        (_, more) => Err(ParseError { line: 1, what: format!("one kernel expected, {} found", more + 1) }),
    }
}

/// Reads several kernels, one after the other.
pub fn parse_kernels(text: &str) -> Result<Vec<Kernel>, ParseError> {
    let mut kernels = Vec::new();
    let mut open: Option<Reader> = None;
    let mut number = 0;
    for text in text.lines() {
        number += 1;
        let fail = |what| ParseError { line: number, what };
        let line = text.split_once("//").map_or(text, |(before, _)| before).trim();
        if line.is_empty() {
            continue;
        }
        match &mut open {
            None => open = Some(Reader::start(&mut Line { rest: line }).map_err(fail)?),
            Some(reader) => {
                if reader.line(line).map_err(fail)? {
                    kernels.extend(open.take().map(Reader::finish).transpose().map_err(fail)?);
                }
            }
        }
    }
    match open {
        None => Ok(kernels),
        Some(_) => Err(ParseError { line: number, what: "the text ends inside a kernel".into() }),
    }
}

/// What an open `{` belongs to.
enum Head {
    For { axis: Axis, index: Val, begin: Val, end: Val, step: i64 },
    Then(Val),
    Else(Val, Vec<Stmt>),
}

/// A kernel that is being read.
struct Reader {
    kernel: Kernel,
    buffers: HashMap<String, Buf>,
    types: HashMap<u32, Ty>,
    /// Open blocks below the kernel itself, each with the statements before it.
    open: Vec<(Head, Vec<Stmt>)>,
    /// Statements of the innermost block.
    block: Vec<Stmt>,
}

impl Reader {
    fn start(line: &mut Line) -> Result<Reader, String> {
        line.word("kernel")?;
        line.sign("@")?;
        let name = line.name()?.to_string();
        line.word("extent")?;
        let extent = line.number()?;
        line.sign("{")?;
        line.end()?;
        let kernel = Kernel { name, buffers: vec![], extent, values: vec![], vars: vec![], body: vec![] };
        Ok(Reader { kernel, buffers: HashMap::new(), types: HashMap::new(), open: vec![], block: vec![] })
    }

    /// Reads a line; true where it closes the kernel.
    fn line(&mut self, text: &str) -> Result<bool, String> {
        let mut line = Line { rest: text };
        if line.accept("}") {
            let closed = self.close(&mut line)?;
            line.end()?;
            return Ok(closed);
        }
        let word = line.name()?;
        match word {
            "buffer" => self.buffer(&mut line)?,
            "var" => {
                let var = line.var()?;
                if var.0 as usize != self.kernel.vars.len() {
                    return Err(format!("variable a{} expected", self.kernel.vars.len()));
                }
                line.sign(":")?;
                self.kernel.vars.push(line.ty()?);
            }
            "set" => {
                let var = line.var()?;
                line.sign(",")?;
                let value = line.val()?;
                self.block.push(Stmt::Set(var, value));
            }
            "store" => {
                let (buffer, index) = self.element(&mut line)?;
                line.sign(",")?;
                let value = line.val()?;
                let count = line.count()?;
                self.block.push(Stmt::Store { buffer, index, value, count });
            }
            "prefetch" => {
                let (buffer, index) = self.element(&mut line)?;
                self.block.push(Stmt::Prefetch { buffer, index });
            }
            "if" => {
                let cond = line.val()?;
                self.push(Head::Then(cond))?;
                line.sign("{")?;
            }
            _ => {
                if let Some(axis) = Axis::ALL.into_iter().find(|axis| axis.name() == word) {
                    let index = line.val()?;
                    line.word("in")?;
                    let begin = line.val()?;
                    line.sign("..")?;
                    let end = line.val()?;
                    let step = if line.accept("step") { line.number()? } else { 1 };
                    line.sign("{")?;
                    self.define(index, Ty::INDEX)?;
                    self.push(Head::For { axis, index, begin, end, step })?;
                } else {
                    let value = val(word).ok_or_else(|| format!("a statement cannot begin with {word:?}"))?;
                    line.sign(":")?;
                    let ty = line.ty()?;
                    line.sign("=")?;
                    let inst = self.inst(&mut line, ty.dtype)?;
                    self.define(value, ty)?;
                    self.block.push(Stmt::Let(value, inst));
                }
            }
        }
        line.end()?;
        Ok(false)
    }

    fn buffer(&mut self, line: &mut Line) -> Result<(), String> {
        line.sign("%")?;
        let name = line.name()?.to_string();
        line.sign(":")?;
        let dtype = line.dtype()?;
        line.sign("[")?;
        let elems = line.number()?;
        line.sign("]")?;
        let word = line.name()?;
        let role = Role::ALL.into_iter().find(|role| role.name() == word);
        let role = role.ok_or_else(|| format!("{word:?} is no role of a buffer"))?;
        let may_alias = line.accept("may_alias");
        let buffer = Buf(self.kernel.buffers.len() as u32);
        if self.buffers.insert(name.clone(), buffer).is_some() {
            return Err(format!("two buffers are named {name}"));
        }
        self.kernel.buffers.push(Buffer { name, dtype, elems, role, may_alias });
        Ok(())
    }

    fn push(&mut self, head: Head) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} blocks in one another"));
        }
        self.open.push((head, std::mem::take(&mut self.block)));
        Ok(())
    }

    /// Handles a `}`; true where it closes the kernel.
    fn close(&mut self, line: &mut Line) -> Result<bool, String> {
        let Some((head, before)) = self.open.pop() else {
            return Ok(true);
        };
        let body = std::mem::replace(&mut self.block, before);
        match head {
            Head::For { axis, index, begin, end, step } => {
                self.block.push(Stmt::For { axis, index, begin, end, step, body });
            }
            Head::Then(cond) if line.accept("else") => {
                line.sign("{")?;
                self.push(Head::Else(cond, body))?;
            }
            Head::Then(cond) => self.block.push(Stmt::If { cond, then: body, otherwise: vec![] }),
            Head::Else(cond, then) => self.block.push(Stmt::If { cond, then, otherwise: body }),
        }
        Ok(false)
    }

    fn define(&mut self, value: Val, ty: Ty) -> Result<(), String> {
        match self.types.insert(value.0, ty) {
            None => Ok(()),
            Some(_) => Err(format!("{value} is defined twice")),
        }
    }

    fn element(&self, line: &mut Line) -> Result<(Buf, Val), String> {
        line.sign("%")?;
        let name = line.name()?;
        let buffer = *self.buffers.get(name).ok_or_else(|| format!("there is no buffer {name:?}"))?;
        line.sign("[")?;
        let index = line.val()?;
        line.sign("]")?;
        Ok((buffer, index))
    }

    fn inst(&self, line: &mut Line, dtype: DType) -> Result<Inst, String> {
        let word = line.name()?;
        Ok(match word {
            "const" => {
                let text = std::mem::take(&mut line.rest).trim();
                Inst::Const(Scalar::parse(dtype, text).ok_or_else(|| format!("{text:?} is no {dtype}"))?)
            }
            "get" => Inst::Get(line.var()?),
            "load" => {
                let (buffer, index) = self.element(line)?;
                Inst::Load { buffer, index, count: line.count()? }
            }
            "splat" => Inst::Splat(line.val()?),
            "lanes" => Inst::Lanes(line.val()?),
            "mul_add" => Inst::MulAdd(line.val()?, line.next_val()?, line.next_val()?),
            "select" => Inst::Select(line.val()?, line.next_val()?, line.next_val()?),
            "convert" => Inst::Convert(line.val()?),
            "bitcast" => Inst::Bitcast(line.val()?),
            "extract" => Inst::Extract(line.val()?, line.next_number()?),
            "insert" => Inst::Insert(line.val()?, line.next_number()?, line.next_val()?),
            "fold" => {
                let word = line.name()?;
                let op = BinOp::ALL.into_iter().find(|op| op.name() == word);
                Inst::Fold(op.ok_or_else(|| format!("{word:?} is no operation to fold with"))?, line.val()?)
            }
            "shuffle" => {
                let (a, b) = (line.val()?, line.next_val()?);
                line.sign(",")?;
                line.sign("[")?;
                let mut pick = Vec::new();
                while !line.accept("]") {
                    if !pick.is_empty() {
                        line.sign(",")?;
                    }
                    pick.push(line.number()?);
                }
                Inst::Shuffle(a, b, pick)
            }
            _ => {
                if let Some(op) = UnOp::ALL.into_iter().find(|op| op.name() == word) {
                    Inst::Unary(op, line.val()?)
                } else if let Some(op) = BinOp::ALL.into_iter().find(|op| op.name() == word) {
                    Inst::Binary(op, line.val()?, line.next_val()?)
                } else if let Some(op) = CmpOp::ALL.into_iter().find(|op| op.name() == word) {
                    Inst::Compare(op, line.val()?, line.next_val()?)
                } else {
                    return Err(format!("{word:?} is no instruction"));
                }
            }
        })
    }

    fn finish(mut self) -> Result<Kernel, String> {
        for value in 0..self.types.len() as u32 {
            let ty =
                self.types.get(&value).ok_or_else(|| format!("v{value} is skipped: values are numbered from v0"))?;
            self.kernel.values.push(*ty);
        }
        self.kernel.body = self.block;
        Ok(self.kernel)
    }
}

fn val(word: &str) -> Option<Val> {
    word.strip_prefix('v')?.parse().ok().map(Val)
}

/// What is left of a line.
struct Line<'a> {
    rest: &'a str,
}

impl<'a> Line<'a> {
    /// A word of letters, digits and `_`.
    fn name(&mut self) -> Result<&'a str, String> {
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        if name.is_empty() {
            return Err(format!("a name expected at {rest:?}"));
        }
        self.rest = rest;
        Ok(name)
    }

    /// Skips `text` if it comes next.
    fn accept(&mut self, text: &str) -> bool {
        let Some(rest) = self.rest.trim_start().strip_prefix(text) else {
            return false;
        };
        self.rest = rest;
        true
    }

    fn sign(&mut self, sign: &str) -> Result<(), String> {
        if self.accept(sign) { Ok(()) } else { Err(format!("{sign:?} expected at {:?}", self.rest.trim_start())) }
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        match self.name()? {
            found if found == word => Ok(()),
            found => Err(format!("{word:?} expected, {found:?} found")),
        }
    }

    fn number<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        let sign = if self.accept("-") { "-" } else { "" };
        let word = self.name()?;
        format!("{sign}{word}").parse().map_err(|_| format!("\"{sign}{word}\" is no number, or too large"))
    }

    fn next_number<T: std::str::FromStr>(&mut self) -> Result<T, String> {
        self.sign(",")?;
        self.number()
    }

    fn val(&mut self) -> Result<Val, String> {
        let word = self.name()?;
        val(word).ok_or_else(|| format!("{word:?} is no value"))
    }

    fn next_val(&mut self) -> Result<Val, String> {
        self.sign(",")?;
        self.val()
    }

    fn var(&mut self) -> Result<Var, String> {
        let word = self.name()?;
        let number = word.strip_prefix('a').and_then(|number| number.parse().ok());
        number.map(Var).ok_or_else(|| format!("{word:?} is no variable"))
    }

    fn dtype(&mut self) -> Result<DType, String> {
        let word = self.name()?;
        DType::from_name(word).ok_or_else(|| format!("{word:?} is no element type"))
    }

    fn ty(&mut self) -> Result<Ty, String> {
        let word = self.name()?;
        Ty::parse(word).ok_or_else(|| format!("{word:?} is no type"))
    }

    fn count(&mut self) -> Result<Option<Val>, String> {
        if self.accept("count") { self.val().map(Some) } else { Ok(None) }
    }

    fn end(&self) -> Result<(), String> {
        match self.rest.trim() {
            "" => Ok(()),
            rest => Err(format!("end of line expected at {rest:?}")),
        }
    }
}
