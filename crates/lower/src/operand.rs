//! Operands that broadcast to a result: how their elements are found from a position in the result.
//!
//! Works for every pair of layouts that [`Op::Map`](cnnc_ir::graph::Op::Map) and the tails allow. A vector of result
//! elements runs along the last axis of a plain result and along the channels of one block of a blocked one.

use cnnc_ir::graph::TensorType;
use cnnc_ir::kernel::{BinOp, Buf, KernelBuilder, Role, Ty, Val};
use cnnc_tensor::{Layout, row_major_strides};

/// A vector of result elements.
#[derive(Clone, Copy, Debug)]
pub struct Position<'a> {
    /// Logical coordinates of lane 0 in the result, one for each axis (blocked: the channel is the block's first).
    pub coords: &'a [Val],
    /// Element index of lane 0 in the result's buffer.
    pub flat: Val,
    /// Lanes.
    pub lanes: u16,
    /// How many lanes are valid, if not all.
    pub count: Option<Val>,
}

/// An operand in a kernel, broadcast to the kernel's result.
#[derive(Clone, Debug)]
pub struct BroadcastOperand {
    buffer: Buf,
    access: Access,
}

#[derive(Clone, Debug)]
enum Access {
    /// Same dims and layout as the result.
    Same,
    /// One element.
    Scalar,
    /// Element index is the sum of coordinate times stride; lanes follow each other at the lane stride. `channels`: a
    /// plain operand read by blocks of channels, whose count is no multiple of the block.
    Strided { strides: Vec<i64>, lane_stride: i64, channels: Option<i64> },
}

/// Elements in memory, tail lanes counted.
pub fn elements(ty: &TensorType) -> usize {
    ty.layout.physical_count(&ty.dims).unwrap_or(0)
}

/// The axis along which a vector of a result runs.
pub fn lane_axis(result: &TensorType) -> usize {
    match result.layout {
        Layout::Blocked(_) => 1,
        Layout::Plain => result.dims.len().saturating_sub(1),
    }
}

impl BroadcastOperand {
    /// Declares the operand's buffer (read only).
    pub fn declare(b: &mut KernelBuilder, name: &str, operand: &TensorType, result: &TensorType) -> BroadcastOperand {
        let elems = elements(operand);
        let buffer = b.buffer(name, operand.dtype, elems, Role::Read);
        let access = if operand.dims == result.dims && operand.layout == result.layout {
            Access::Same
        } else if operand.count() == 1 {
            Access::Scalar
        } else {
            strided(operand, result)
        };
        BroadcastOperand { buffer, access }
    }

    /// The kernel's buffer.
    pub fn buffer(&self) -> Buf {
        self.buffer
    }

    /// Whether the operand has the result's dims and layout, so that the result may overwrite it.
    pub fn is_same(&self) -> bool {
        matches!(self.access, Access::Same)
    }

    /// Whether the operand is one element for the whole result.
    pub fn is_scalar(&self) -> bool {
        matches!(self.access, Access::Scalar)
    }

    /// Whether the operand's elements change along a coordinate of the result.
    pub fn varies_along(&self, axis: usize) -> bool {
        match &self.access {
            Access::Same => true,
            Access::Scalar => false,
            Access::Strided { strides, .. } => strides.get(axis).is_some_and(|&s| s != 0),
        }
    }

    /// Loads the operand's elements for a vector of result elements.
    pub fn load(&self, b: &mut KernelBuilder, at: &Position) -> Val {
        match &self.access {
            Access::Same => self.load_lanes(b, at.flat, at.lanes, at.count),
            Access::Scalar => {
                let zero = b.index(0);
                b.load_splat(self.buffer, zero, at.lanes)
            }
            Access::Strided { strides, lane_stride, channels } => {
                let terms: Vec<(Val, i64)> = at.coords.iter().copied().zip(strides.iter().copied()).collect();
                let index = b.address(0, &terms);
                match (lane_stride, channels) {
                    (0, _) => b.load_splat(self.buffer, index, at.lanes),
                    (1, Some(channels)) => {
                        let all = b.index(*channels);
                        let left = b.sub(all, at.coords[1]);
                        let lanes = b.index(i64::from(at.lanes));
                        let count = b.binary(BinOp::Min, left, lanes);
                        self.load_lanes(b, index, at.lanes, Some(count))
                    }
                    (1, None) => self.load_lanes(b, index, at.lanes, at.count),
                    (&stride, _) => self.gather(b, index, stride, at),
                }
            }
        }
    }

    fn load_lanes(&self, b: &mut KernelBuilder, index: Val, lanes: u16, count: Option<Val>) -> Val {
        match count {
            Some(count) => b.load_count(self.buffer, index, lanes, count),
            None => b.load(self.buffer, index, lanes),
        }
    }

    /// One load a lane; lanes beyond the last valid one read it again.
    fn gather(&self, b: &mut KernelBuilder, index: Val, stride: i64, at: &Position) -> Val {
        let mut vector = b.load_splat(self.buffer, index, at.lanes);
        for lane in 1..at.lanes {
            let mut step = b.index(i64::from(lane));
            if let Some(count) = at.count {
                let last = b.offset(count, -1);
                step = b.binary(BinOp::Min, step, last);
            }
            let offset = b.scale(step, stride);
            let element = b.add(index, offset);
            let one = b.load(self.buffer, element, 1);
            vector = b.insert(vector, lane, one);
        }
        vector
    }
}

fn strided(operand: &TensorType, result: &TensorType) -> Access {
    let missing = result.dims.len() - operand.dims.len().min(result.dims.len());
    let mut own: Vec<i64> = match operand.layout {
        Layout::Plain => row_major_strides(&operand.dims).iter().map(|&s| s as i64).collect(),
        Layout::Blocked(block) => {
            let physical = row_major_strides(&operand.layout.physical_dims(&operand.dims));
            let mut strides: Vec<i64> = physical[..operand.dims.len()].iter().map(|&s| s as i64).collect();
            strides[1] /= block as i64;
            strides
        }
    };
    for (stride, &dim) in own.iter_mut().zip(&operand.dims) {
        if dim == 1 {
            *stride = 0;
        }
    }
    let mut strides = vec![0; missing];
    strides.extend(own);
    let axis = lane_axis(result);
    let repeated = strides.get(axis).copied().unwrap_or(0) == 0;
    let blocked_operand = operand.layout != Layout::Plain;
    let lane_stride = if repeated {
        0
    } else if blocked_operand {
        1
    } else {
        strides[axis]
    };
    let channels = match result.layout {
        Layout::Blocked(block) if !blocked_operand && !result.dims[1].is_multiple_of(block) => {
            Some(result.dims[1] as i64)
        }
        _ => None,
    };
    Access::Strided { strides, lane_stride, channels }
}

/// Zeroes the lanes of a vector that lie beyond the last channel of a blocked result; the value itself elsewhere.
pub fn zero_tail_lanes(b: &mut KernelBuilder, value: Val, result: &TensorType, first_channel: Val) -> Val {
    let Layout::Blocked(block) = result.layout else { return value };
    if result.dims[1].is_multiple_of(block) {
        return value;
    }
    let Ty { dtype, lanes } = b.ty(value);
    let channel = b.lanes(first_channel, lanes);
    let all = b.index(result.dims[1] as i64);
    let all = b.splat(all, lanes);
    let inside = b.compare(cnnc_ir::kernel::CmpOp::Lt, channel, all);
    let zero = b.constant(cnnc_tensor::Scalar::from_bits(dtype, 0), lanes);
    b.select(inside, value, zero)
}
