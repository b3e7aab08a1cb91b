//! How a kernel's value is held: its lanes in 128-bit vectors as long as they fill one, the rest in scalars.
//!
//! F32, I32 and U32 go four to a vector, F64, I64 and U64 two; 8-bit and 16-bit types are scalars. Bools go four to a
//! vector of 32-bit masks, all ones for true; a scalar bool is an I8 of 0 or 1.

use super::function::Emitter;
use cnnc_ir::kernel::Ty;
use cnnc_tensor::{DType, Scalar};
use cranelift_codegen::ir::{ConstantData, InstBuilder, Type, Value, types};

/// The parts of a value, in the order of its lanes.
pub type Parts = Vec<Value>;

/// Type of a scalar part.
pub fn scalar_type(dtype: DType) -> Type {
    match dtype {
        DType::F32 => types::F32,
        DType::F64 => types::F64,
        DType::I8 | DType::U8 | DType::Bool => types::I8,
        DType::F16 | DType::BF16 | DType::I16 | DType::U16 => types::I16,
        DType::I32 | DType::U32 => types::I32,
        DType::I64 | DType::U64 => types::I64,
    }
}

/// Lanes of a vector part; 1 where the type has none.
pub fn width(dtype: DType) -> u16 {
    match dtype {
        DType::F32 | DType::I32 | DType::U32 | DType::Bool => 4,
        DType::F64 | DType::I64 | DType::U64 => 2,
        _ => 1,
    }
}

/// Type of a vector part.
pub fn vector_type(dtype: DType) -> Type {
    match dtype {
        DType::Bool => types::I32X4,
        _ => scalar_type(dtype).by(u32::from(width(dtype))).unwrap_or(scalar_type(dtype)),
    }
}

/// Numbers of vector parts and of scalar parts.
pub fn shape(ty: Ty) -> (usize, usize) {
    let width = width(ty.dtype);
    if width == 1 { (0, usize::from(ty.lanes)) } else { ((ty.lanes / width).into(), (ty.lanes % width).into()) }
}

/// Types of the parts.
pub fn part_types(ty: Ty) -> impl Iterator<Item = Type> {
    let (vectors, scalars) = shape(ty);
    let vectors = std::iter::repeat_n(vector_type(ty.dtype), vectors);
    vectors.chain(std::iter::repeat_n(scalar_type(ty.dtype), scalars))
}

impl Emitter<'_> {
    /// The lanes of a value, each a scalar.
    pub fn lanes(&mut self, ty: Ty, parts: &[Value]) -> Vec<Value> {
        (0..ty.lanes).map(|lane| self.lane(ty, parts, lane)).collect()
    }

    /// One lane of a value, as a scalar.
    pub fn lane(&mut self, ty: Ty, parts: &[Value], lane: u16) -> Value {
        let (vectors, _) = shape(ty);
        let width = width(ty.dtype);
        let part = usize::from(lane / width);
        if part >= vectors {
            return parts[vectors + usize::from(lane) - vectors * usize::from(width)];
        }
        let scalar = self.b.ins().extractlane(parts[part], (lane % width) as u8);
        if ty.dtype == DType::Bool { self.mask_to_bool(scalar) } else { scalar }
    }

    /// A value from its lanes.
    pub fn pack(&mut self, ty: Ty, lanes: &[Value]) -> Parts {
        let (vectors, _) = shape(ty);
        let (filled, rest) = lanes.split_at(vectors * usize::from(width(ty.dtype)));
        let mut parts: Parts = Vec::new();
        for group in filled.chunks(usize::from(width(ty.dtype))) {
            parts.push(self.vector(ty.dtype, group));
        }
        parts.extend(rest);
        parts
    }

    /// A vector part from its lanes.
    pub fn vector(&mut self, dtype: DType, lanes: &[Value]) -> Value {
        let mut scalars = lanes.to_vec();
        if dtype == DType::Bool {
            scalars = lanes.iter().map(|&lane| self.bool_to_mask(lane)).collect();
        }
        if scalars.iter().all(|&scalar| scalar == scalars[0]) {
            return self.b.ins().splat(vector_type(dtype), scalars[0]);
        }
        let mut vector = self.b.ins().scalar_to_vector(vector_type(dtype), scalars[0]);
        for (lane, &scalar) in scalars.iter().enumerate().skip(1) {
            vector = self.b.ins().insertlane(vector, scalar, lane as u8);
        }
        vector
    }

    /// A scalar in every lane.
    pub fn splat(&mut self, ty: Ty, scalar: Value) -> Parts {
        let (vectors, scalars) = shape(ty);
        let mut parts = Vec::new();
        if vectors > 0 {
            let lane = if ty.dtype == DType::Bool { self.bool_to_mask(scalar) } else { scalar };
            parts = vec![self.b.ins().splat(vector_type(ty.dtype), lane); vectors];
        }
        parts.extend(vec![scalar; scalars]);
        parts
    }

    /// A constant in every lane.
    pub fn constant(&mut self, ty: Ty, scalar: Scalar) -> Parts {
        let (vectors, scalars) = shape(ty);
        let mut parts = Vec::new();
        if vectors > 0 {
            let lane = if ty.dtype == DType::Bool && scalar.is_true() { u64::from(u32::MAX) } else { scalar.bits() };
            let size = 16 / usize::from(width(ty.dtype));
            let bytes: Vec<u8> = lane.to_le_bytes()[..size].repeat(16 / size);
            let constant = self.b.func.dfg.constants.insert(ConstantData::from(&bytes[..]));
            parts = vec![self.b.ins().vconst(vector_type(ty.dtype), constant); vectors];
        }
        if scalars > 0 {
            parts.extend(vec![self.scalar_constant(scalar); scalars]);
        }
        parts
    }

    /// A constant as a scalar.
    pub fn scalar_constant(&mut self, scalar: Scalar) -> Value {
        match scalar.dtype() {
            DType::F32 => self.b.ins().f32const(f32::from_bits(scalar.bits() as u32)),
            DType::F64 => self.b.ins().f64const(f64::from_bits(scalar.bits())),
            dtype => self.int(scalar_type(dtype), scalar.bits() as i64),
        }
    }

    /// An integer constant; bits above the type's are dropped.
    pub fn int(&mut self, ty: Type, value: i64) -> Value {
        let value = match ty.bits() {
            64 => value,
            bits => value & ((1 << bits) - 1),
        };
        self.b.ins().iconst(ty, value)
    }

    fn mask_to_bool(&mut self, mask: Value) -> Value {
        let byte = self.b.ins().ireduce(types::I8, mask);
        let one = self.int(types::I8, 1);
        self.b.ins().band(byte, one)
    }

    fn bool_to_mask(&mut self, bool: Value) -> Value {
        let word = self.b.ins().uextend(types::I32, bool);
        self.b.ins().ineg(word)
    }
}
