//! Where the vectors of a tile lie.

use cnnc_ir::kernel::{Buf, KernelBuilder, Val};
use cnnc_tensor::row_major_strides;

/// Vectors of a tile: element index of the first, and elements from one to the next along each axis.
#[derive(Clone, Debug)]
pub struct Grid {
    /// Buffer.
    pub buffer: Buf,
    /// First vector.
    pub base: Val,
    /// Strides along the axes.
    pub strides: Vec<i64>,
}

/// Vectors of a tile in a row: one for each point.
#[derive(Clone, Copy, Debug)]
pub struct Points {
    /// Buffer.
    pub buffer: Buf,
    /// First vector.
    pub base: Val,
    /// Elements from one point to the next.
    pub stride: i64,
}

impl Grid {
    /// Vectors of `dims` one after the other from the start of a buffer.
    pub fn dense(b: &mut KernelBuilder, buffer: Buf, dims: &[usize], lanes: usize) -> Grid {
        let strides = row_major_strides(dims).iter().map(|&s| (s * lanes) as i64).collect();
        Grid { buffer, base: b.index(0), strides }
    }

    /// The element index of a vector.
    pub fn at(&self, b: &mut KernelBuilder, coords: &[Val]) -> Val {
        let terms: Vec<(Val, i64)> = coords.iter().copied().zip(self.strides.iter().copied()).collect();
        let offset = b.address(0, &terms);
        b.add(offset, self.base)
    }

    /// Stores a line along an axis; its coordinate there is 0.
    pub fn store_line(&self, b: &mut KernelBuilder, coords: &[Val], axis: usize, line: &[Val]) {
        let first = self.at(b, coords);
        for (k, &value) in line.iter().enumerate() {
            let index = b.offset(first, k as i64 * self.strides[axis]);
            b.store(self.buffer, index, value);
        }
    }
}

impl Points {
    /// As a grid of `dims`.
    pub fn grid(&self, dims: &[usize]) -> Grid {
        let strides = row_major_strides(dims).iter().map(|&s| s as i64 * self.stride).collect();
        Grid { buffer: self.buffer, base: self.base, strides }
    }
}

/// What becomes of a line of results: the coordinates on the other axes (0 on the line's own), and the results.
pub type StoreLine<'a> = dyn FnMut(&mut KernelBuilder, &[Val], &[Val]) + 'a;
