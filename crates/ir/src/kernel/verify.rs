//! The verifier of the kernel IR: names, scopes, loops, variables and buffers; `types` has the instructions.
//!
//! A variable counts as set after a branch if both sides set it, and after a loop if the loop has constant bounds that
//! are not empty. A buffer of role [`Role::Write`] may be loaded from only below a store to it in the text.

#[cfg(test)]
mod tests;
mod types;

use super::*;
use std::collections::HashSet;

/// A broken invariant: always a bug of ours.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("kernel {kernel}: {what}")]
pub struct VerifyError {
    /// Name of the kernel.
    pub kernel: String,
    /// Which invariant.
    pub what: String,
}

/// Checks every invariant of the kernel IR.
pub fn verify(kernel: &Kernel) -> Result<(), VerifyError> {
    check(kernel).map_err(|what| VerifyError { kernel: kernel.name.clone(), what })
}

/// Most lanes of a vector.
const MAX_LANES: u16 = 64;

/// Whether a name can be a symbol: letters, digits and `_`, not a digit first.
pub(super) fn is_symbol(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn check(kernel: &Kernel) -> Result<(), String> {
    if !is_symbol(&kernel.name) {
        return Err("its name is not a symbol".into());
    }
    buffers(kernel)?;
    let types = kernel.values.iter().chain(&kernel.vars);
    if let Some(ty) = types.into_iter().find(|ty| ty.lanes == 0 || ty.lanes > MAX_LANES) {
        return Err(format!("a value or variable of {} lanes", ty.lanes));
    }
    if i64::try_from(kernel.extent).is_err() {
        return Err("its extent does not fit an i64".into());
    }
    let mut verifier = Verifier {
        kernel,
        state: vec![State::Undefined; kernel.values.len()],
        consts: vec![None; kernel.values.len()],
        set: vec![false; kernel.vars.len()],
        stored: HashSet::new(),
    };
    let Some((Stmt::For { axis: Axis::Parallel, begin, end, step, .. }, before)) = kernel.body.split_last() else {
        return Err("its last statement is not the parallel loop".into());
    };
    if !before.iter().all(|stmt| matches!(stmt, Stmt::Let(..))) {
        return Err("a statement other than a definition stands before the parallel loop".into());
    }
    verifier.block(&kernel.body, true)?;
    if verifier.known(*begin) != Some(0) || verifier.known(*end) != Some(kernel.extent as i64) || *step != 1 {
        return Err(format!("the bounds of the parallel loop are not the constants 0 and {}", kernel.extent));
    }
    match verifier.state.iter().position(|state| *state == State::Undefined) {
        Some(value) => Err(format!("v{value} has a type and no definition")),
        None => Ok(()),
    }
}

fn buffers(kernel: &Kernel) -> Result<(), String> {
    let mut names = HashSet::new();
    let mut total = 0usize;
    for Buffer { name, dtype, elems, .. } in &kernel.buffers {
        if !is_symbol(name) {
            return Err(format!("the name of buffer {name:?} is not a symbol"));
        }
        if !names.insert(name) {
            return Err(format!("two buffers are named {name}"));
        }
        let bytes = elems.checked_mul(dtype.size()).and_then(|bytes| bytes.checked_add(64));
        total = bytes
            .and_then(|bytes| total.checked_add(bytes))
            .filter(|&total| total < isize::MAX as usize)
            .ok_or_else(|| format!("buffer {name} is larger than memory"))?;
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Undefined,
    InScope,
    OutOfScope,
}

struct Verifier<'a> {
    kernel: &'a Kernel,
    state: Vec<State>,
    /// Values of constant i64 scalars.
    consts: Vec<Option<i64>>,
    /// Which variables are set for certain.
    set: Vec<bool>,
    /// Buffers that a store was seen to.
    stored: HashSet<Buf>,
}

impl Verifier<'_> {
    fn known(&self, value: Val) -> Option<i64> {
        self.consts.get(value.0 as usize).copied().flatten()
    }

    /// The type of a value that may be used here.
    fn used(&self, value: Val) -> Result<Ty, String> {
        match self.state.get(value.0 as usize) {
            None => Err(format!("{value} is no value of the kernel")),
            Some(State::Undefined) => Err(format!("{value} is used before its definition")),
            Some(State::OutOfScope) => Err(format!("{value} is used outside its scope")),
            Some(State::InScope) => Ok(self.kernel.ty(value)),
        }
    }

    fn index(&self, value: Val, what: &str) -> Result<(), String> {
        match self.used(value)? {
            Ty::INDEX => Ok(()),
            ty => Err(format!("{value}: {ty} is used as {what}")),
        }
    }

    fn buffer(&self, buffer: Buf) -> Result<&Buffer, String> {
        self.kernel.buffers.get(buffer.0 as usize).ok_or_else(|| format!("there is no buffer {}", buffer.0))
    }

    fn var(&self, var: Var) -> Result<Ty, String> {
        self.kernel.vars.get(var.0 as usize).copied().ok_or_else(|| format!("there is no variable {var}"))
    }

    fn define(&mut self, value: Val) -> Result<Ty, String> {
        let state =
            self.state.get_mut(value.0 as usize).ok_or_else(|| format!("{value} is defined, and has no type"))?;
        if *state != State::Undefined {
            return Err(format!("{value} is defined twice"));
        }
        *state = State::InScope;
        Ok(self.kernel.ty(value))
    }

    fn block(&mut self, block: &[Stmt], top: bool) -> Result<(), String> {
        for stmt in block {
            self.stmt(stmt, top)?;
        }
        for stmt in block {
            if let Stmt::Let(value, _) = stmt {
                self.state[value.0 as usize] = if top { State::InScope } else { State::OutOfScope };
            }
        }
        Ok(())
    }

    fn stmt(&mut self, stmt: &Stmt, top: bool) -> Result<(), String> {
        match stmt {
            Stmt::Let(value, inst) => self.define_by(*value, inst),
            Stmt::Set(var, value) => {
                let (want, ty) = (self.var(*var)?, self.used(*value)?);
                if want != ty {
                    return Err(format!("{var} of {want} is set to {value} of {ty}"));
                }
                self.set[var.0 as usize] = true;
                Ok(())
            }
            Stmt::Store { buffer, index, value, count } => {
                let Buffer { name, dtype, role, .. } = self.buffer(*buffer)?;
                if *role == Role::Read {
                    return Err(format!("buffer {name} is stored to and only for reading"));
                }
                let ty = self.used(*value)?;
                if ty.dtype != *dtype {
                    return Err(format!("{value} of {ty} is stored to {name} of {dtype}"));
                }
                self.index(*index, "an index")?;
                count.map_or(Ok(()), |count| self.index(count, "a count"))?;
                self.stored.insert(*buffer);
                Ok(())
            }
            Stmt::Prefetch { buffer, index } => {
                self.buffer(*buffer)?;
                self.index(*index, "an index")
            }
            Stmt::For { axis, index, begin, end, step, body } => {
                self.index(*begin, "a bound")?;
                self.index(*end, "a bound")?;
                let bounds = self.known(*begin).zip(self.known(*end));
                match axis {
                    _ if *step <= 0 => return Err(format!("a loop with step {step}")),
                    Axis::Parallel if !top => return Err("a parallel loop inside another statement".into()),
                    Axis::Unrolled if bounds.is_none() => return Err("an unrolled loop without constant bounds".into()),
                    _ => {}
                }
                if self.define(*index)? != Ty::INDEX {
                    return Err(format!("the counter v{} is no i64 scalar", index.0));
                }
                let before = self.set.clone();
                self.block(body, false)?;
                self.state[index.0 as usize] = State::OutOfScope;
                if bounds.is_none_or(|(begin, end)| begin >= end) {
                    self.set = before;
                }
                Ok(())
            }
            Stmt::If { cond, then, otherwise } => {
                if self.used(*cond)? != Ty::scalar(DType::Bool) {
                    return Err(format!("the condition v{} is no bool scalar", cond.0));
                }
                let before = self.set.clone();
                self.block(then, false)?;
                let then = std::mem::replace(&mut self.set, before);
                self.block(otherwise, false)?;
                for (set, then) in self.set.iter_mut().zip(then) {
                    *set &= then;
                }
                Ok(())
            }
        }
    }

    fn define_by(&mut self, value: Val, inst: &Inst) -> Result<(), String> {
        match inst {
            Inst::Get(var) if !self.set.get(var.0 as usize).copied().unwrap_or(true) => {
                return Err(format!("{var} is read by {value} and may not be set"));
            }
            Inst::Load { buffer, .. } => {
                let Buffer { name, role, .. } = self.buffer(*buffer)?;
                if *role == Role::Write && !self.stored.contains(buffer) {
                    return Err(format!("buffer {name} is loaded from before any store, and only for writing"));
                }
            }
            _ => {}
        }
        let Some(&ty) = self.kernel.values.get(value.0 as usize) else {
            return Err(format!("{value} is defined, and has no type"));
        };
        self.typed(ty, inst).map_err(|what| format!("{value} of {ty}: {what}"))?;
        self.define(value)?;
        if let (Ty::INDEX, Inst::Const(scalar)) = (ty, inst) {
            self.consts[value.0 as usize] = Some(scalar.to_i64());
        }
        Ok(())
    }
}
