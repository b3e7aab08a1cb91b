//! Loads and stores.
//!
//! A load from a buffer that nobody writes to is free to move where that is safe (`may_move`): Cranelift then does it
//! next to its use or before the loop. The others stay in order, before the arithmetic of their block.
//!
//! An access of a counted number of lanes tests whether it is all of them, which is the fast way. Otherwise each lane
//! beyond the count is loaded from a place of zeros, or stored to a place that nobody reads.

use super::function::Emitter;
use super::parts::{Parts, part_types, scalar_type, shape, vector_type, width};
use cnnc_ir::kernel::{Buf, Buffer, Inst, Role, Stmt, Ty, Val};
use cnnc_tensor::DType;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, StackSlotData, StackSlotKind, Value, types};

/// Flags of an access to a buffer: it does not fault, and is aligned to elements only.
fn flags() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}

/// An address, a displacement, and how it may be loaded from.
#[derive(Clone, Copy)]
struct Address {
    base: Value,
    offset: i32,
    flags: MemFlagsData,
}

impl Emitter<'_> {
    /// Makes the places for lanes beyond a count, if an access has one.
    pub fn make_beyond(&mut self) {
        if !has_count(&self.kernel.body) {
            return;
        }
        let mut slot = || self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 8, 3));
        let slots = (slot(), slot());
        let zeros = self.b.ins().stack_addr(types::I64, slots.0, 0);
        let nothing = self.b.ins().stack_addr(types::I64, slots.1, 0);
        let zero = self.b.ins().iconst(types::I64, 0);
        self.b.ins().store(flags(), zero, zeros, 0);
        self.beyond = Some((zeros, nothing));
    }

    /// The address of an element: constants of its index go into the displacement where they fit it.
    fn address(&mut self, buffer: Buf, index: Val) -> Address {
        let base = self.bases[buffer.0 as usize];
        let Buffer { dtype, role, may_alias, .. } = self.kernel.buffers[buffer.0 as usize];
        let size = dtype.size() as i64;
        let still = role == Role::Read && !may_alias && self.may_move(index);
        let flags = if still { flags().with_readonly().with_can_move() } else { flags() };
        let affine = self.affine(index);
        let bytes = affine.offset.checked_mul(size).and_then(|bytes| i32::try_from(bytes).ok());
        // Room for the lanes of the widest vector.
        let offset = bytes.filter(|bytes| bytes.unsigned_abs() < 1 << 30);
        let root = match (affine.root, offset) {
            (None, Some(offset)) => return Address { base, offset, flags },
            (Some(root), Some(_)) => root,
            (_, None) => self.scalar(index),
        };
        let shift = self.b.ins().iconst(types::I64, i64::from(size.trailing_zeros()));
        let bytes = self.b.ins().ishl(root, shift);
        Address { base: self.b.ins().iadd(base, bytes), offset: offset.unwrap_or(0), flags }
    }

    pub(super) fn load(&mut self, ty: Ty, buffer: Buf, index: Val, count: Option<Val>) -> Parts {
        let address = self.address(buffer, index);
        match count {
            Some(count) if self.known(count) != Some(i64::from(ty.lanes)) => {
                let count = self.scalar(count);
                let address = Address { flags: flags(), ..address };
                let lanes = self.b.ins().iconst(types::I64, i64::from(ty.lanes));
                let all = self.b.ins().icmp(IntCC::SignedGreaterThanOrEqual, count, lanes);
                self.either(
                    all,
                    part_types(ty),
                    |emitter| emitter.load_all(ty, address),
                    |emitter| emitter.load_some(ty, address, count),
                )
            }
            _ => self.load_all(ty, address),
        }
    }

    fn load_all(&mut self, ty: Ty, address: Address) -> Parts {
        let (vectors, scalars) = shape(ty);
        if ty.dtype == DType::Bool {
            let lanes: Vec<Value> = (0..i32::from(ty.lanes))
                .map(|k| self.load_bool(address.base, address.offset + k, address.flags))
                .collect();
            return self.pack(ty, &lanes);
        }
        let mut parts = Vec::new();
        let mut offset = address.offset;
        for _ in 0..vectors {
            parts.push(self.b.ins().load(vector_type(ty.dtype), address.flags, address.base, offset));
            offset += 16;
        }
        for _ in 0..scalars {
            parts.push(self.b.ins().load(scalar_type(ty.dtype), address.flags, address.base, offset));
            offset += ty.dtype.size() as i32;
        }
        parts
    }

    fn load_some(&mut self, ty: Ty, address: Address, count: Value) -> Parts {
        let Some((zeros, _)) = self.beyond else {
            return self.load_all(ty, address);
        };
        let lanes: Vec<Value> = (0..ty.lanes)
            .map(|lane| {
                let at = self.lane_or(ty, address, lane, count, zeros);
                match ty.dtype {
                    DType::Bool => self.load_bool(at, 0, flags()),
                    dtype => self.b.ins().load(scalar_type(dtype), flags(), at, 0),
                }
            })
            .collect();
        self.pack(ty, &lanes)
    }

    fn load_bool(&mut self, base: Value, offset: i32, flags: MemFlagsData) -> Value {
        let byte = self.b.ins().load(types::I8, flags, base, offset);
        let zero = self.int(types::I8, 0);
        self.b.ins().icmp(IntCC::NotEqual, byte, zero)
    }

    /// The address of a lane, or `other` where the lane is beyond the count.
    fn lane_or(&mut self, ty: Ty, address: Address, lane: u16, count: Value, other: Value) -> Value {
        let offset = i64::from(address.offset) + i64::from(lane) * ty.dtype.size() as i64;
        let offset = self.b.ins().iconst(types::I64, offset);
        let at = self.b.ins().iadd(address.base, offset);
        let lane = self.b.ins().iconst(types::I64, i64::from(lane));
        let valid = self.b.ins().icmp(IntCC::SignedGreaterThan, count, lane);
        self.b.ins().select(valid, at, other)
    }

    pub(super) fn store(&mut self, buffer: Buf, index: Val, value: Val, count: Option<Val>) {
        let ty = self.kernel.ty(value);
        let address = self.address(buffer, index);
        let parts = self.value(value);
        match count {
            Some(count) if self.known(count) != Some(i64::from(ty.lanes)) => {
                let count = self.scalar(count);
                let lanes = self.b.ins().iconst(types::I64, i64::from(ty.lanes));
                let all = self.b.ins().icmp(IntCC::SignedGreaterThanOrEqual, count, lanes);
                let store_all = |emitter: &mut Self| {
                    emitter.store_all(ty, address, &parts);
                    vec![]
                };
                let store_some = |emitter: &mut Self| {
                    emitter.store_some(ty, address, &parts, count);
                    vec![]
                };
                self.either(all, std::iter::empty(), store_all, store_some);
            }
            _ => self.store_all(ty, address, &parts),
        }
    }

    fn store_all(&mut self, ty: Ty, address: Address, parts: &[Value]) {
        let bools;
        let (parts, vectors) = match ty.dtype {
            DType::Bool => {
                bools = self.lanes(ty, parts);
                (&bools[..], 0)
            }
            _ => (parts, shape(ty).0),
        };
        let mut offset = address.offset;
        for (number, &part) in parts.iter().enumerate() {
            self.b.ins().store(flags(), part, address.base, offset);
            let lanes = if number < vectors { i32::from(width(ty.dtype)) } else { 1 };
            offset += lanes * ty.dtype.size() as i32;
        }
    }

    fn store_some(&mut self, ty: Ty, address: Address, parts: &[Value], count: Value) {
        let Some((_, nothing)) = self.beyond else {
            return self.store_all(ty, address, parts);
        };
        for (lane, value) in self.lanes(ty, parts).into_iter().enumerate() {
            let at = self.lane_or(ty, address, lane as u16, count, nothing);
            self.b.ins().store(flags(), value, at, 0);
        }
    }
}

/// Whether an access in a block has a count.
fn has_count(block: &[Stmt]) -> bool {
    block.iter().any(|stmt| match stmt {
        Stmt::Let(_, Inst::Load { count, .. }) | Stmt::Store { count, .. } => count.is_some(),
        Stmt::For { body, .. } => has_count(body),
        Stmt::If { then, otherwise, .. } => has_count(then) || has_count(otherwise),
        _ => false,
    })
}
