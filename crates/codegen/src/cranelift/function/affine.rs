//! Indices as a value and a constant, and what they vary with.

use super::Emitter;
use cnnc_ir::kernel::{Inst, Val};
use cranelift_codegen::ir::{InstBuilder, Value, types};

/// An i64 scalar as another value, or zero, plus a constant: constants end up in the displacements of accesses.
#[derive(Clone, Debug, Default)]
pub struct Affine {
    /// What varies.
    pub root: Option<Value>,
    /// What does not.
    pub offset: i64,
    /// Loop counters that it is known to vary with, each with its factor, not zero.
    pub counters: Vec<(Val, i64)>,
}

impl Emitter<'_> {
    /// The constant that an i64 scalar is known to be.
    pub fn known(&self, value: Val) -> Option<i64> {
        self.affine[value.0 as usize].as_ref().filter(|affine| affine.root.is_none()).map(|affine| affine.offset)
    }

    /// An i64 scalar as root and offset.
    pub fn affine(&self, value: Val) -> Affine {
        let opaque = || Affine { root: Some(self.scalar(value)), ..Affine::default() };
        self.affine[value.0 as usize].clone().unwrap_or_else(opaque)
    }

    /// Whether a load at an index may be done where its operands are known, however early that is: it is done anyway,
    /// or the index varies with a counter inside the innermost statement whose body may not be run.
    pub fn may_move(&self, index: Val) -> bool {
        self.uncertain.is_none_or(|outside| {
            let inside = &self.loops[outside..];
            self.affine(index).counters.iter().any(|(counter, _)| inside.contains(counter))
        })
    }

    /// Defines an i64 scalar by root and offset.
    pub fn define_affine(&mut self, value: Val, affine: Affine) {
        let whole = match affine.root {
            None => self.b.ins().iconst(types::I64, affine.offset),
            Some(root) if affine.offset == 0 => root,
            Some(root) => {
                let offset = self.b.ins().iconst(types::I64, affine.offset);
                self.b.ins().iadd(root, offset)
            }
        };
        self.values[value.0 as usize] = vec![whole];
        self.affine[value.0 as usize] = Some(affine);
    }

    /// Sums and products of indices with constants, kept as root and offset.
    pub(super) fn index_arithmetic(&mut self, inst: &Inst) -> Option<Affine> {
        use cnnc_ir::kernel::BinOp::{Add, Mul, Sub};
        match *inst {
            Inst::Const(scalar) => Some(Affine { offset: scalar.to_i64(), ..Affine::default() }),
            Inst::Binary(Add, a, b) => {
                let (a, b) = (self.affine(a), self.affine(b));
                let root = match (a.root, b.root) {
                    (Some(x), Some(y)) => Some(self.b.ins().iadd(x, y)),
                    (root, None) | (None, root) => root,
                };
                let offset = a.offset.wrapping_add(b.offset);
                Some(Affine { root, offset, counters: add_counters(a.counters, &b.counters) })
            }
            Inst::Binary(Sub, a, b) => {
                let by = self.known(b)?;
                let a = self.affine(a);
                Some(Affine { offset: a.offset.wrapping_sub(by), ..a })
            }
            Inst::Binary(Mul, a, b) => {
                let (a, by) = match (self.known(a), self.known(b)) {
                    (_, Some(by)) => (self.affine(a), by),
                    (Some(by), _) => (self.affine(b), by),
                    _ => return None,
                };
                let root = a.root.map(|root| {
                    let by = self.b.ins().iconst(types::I64, by);
                    self.b.ins().imul(root, by)
                });
                let factors = a.counters.into_iter().map(|(counter, factor)| (counter, factor.wrapping_mul(by)));
                let counters = factors.filter(|(_, factor)| *factor != 0).collect();
                Some(Affine { root, offset: a.offset.wrapping_mul(by), counters })
            }
            _ => None,
        }
    }
}

/// The counters of a sum; those that cancel are left out.
fn add_counters(mut a: Vec<(Val, i64)>, b: &[(Val, i64)]) -> Vec<(Val, i64)> {
    for &(counter, factor) in b {
        match a.iter_mut().find(|(other, _)| *other == counter) {
            Some((_, sum)) => *sum = sum.wrapping_add(factor),
            None => a.push((counter, factor)),
        }
    }
    a.retain(|(_, factor)| *factor != 0);
    a
}
