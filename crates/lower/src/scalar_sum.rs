//! Pieces of the plain loop nests that take what no tuned algorithm does: one result element at a time, any type.

use crate::expression::working_type;
use cnnc_ir::kernel::{Axis, Buf, KernelBuilder, Ty, Val, Var};
use cnnc_tensor::{DType, Scalar};

/// A running sum of products in the working type of an element type.
#[derive(Clone, Copy, Debug)]
pub struct ScalarSum {
    var: Var,
    dtype: DType,
}

impl ScalarSum {
    /// Starts at zero.
    pub fn start(b: &mut KernelBuilder, dtype: DType) -> ScalarSum {
        let wide = working_type(dtype);
        let var = b.var(Ty::scalar(wide));
        let zero = b.constant(Scalar::from_f64(wide, 0.0), 1);
        b.set(var, zero);
        ScalarSum { var, dtype }
    }

    /// Adds the product of two elements.
    pub fn add_product(&self, b: &mut KernelBuilder, x: (Buf, Val), w: (Buf, Val)) {
        let wide = working_type(self.dtype);
        let x = b.load(x.0, x.1, 1);
        let x = b.convert(x, wide);
        let w = b.load(w.0, w.1, 1);
        let w = b.convert(w, wide);
        let sum = b.get(self.var);
        let sum = if wide.is_float() {
            b.mul_add(x, w, sum)
        } else {
            let product = b.mul(x, w);
            b.add(product, sum)
        };
        b.set(self.var, sum);
    }

    /// The sum, rounded to the element type.
    pub fn finish(self, b: &mut KernelBuilder) -> Val {
        let sum = b.get(self.var);
        b.convert(sum, self.dtype)
    }
}

/// A serial loop over run-time bounds; of known bounds with nothing between, nothing.
pub fn serial(b: &mut KernelBuilder, bounds: (Val, Val), body: impl FnOnce(&mut KernelBuilder, Val)) {
    match (b.known_index(bounds.0), b.known_index(bounds.1)) {
        (Some(begin), Some(end)) if end <= begin => {}
        (Some(begin), Some(end)) => b.serial(begin, end, body),
        _ => b.for_axis(Axis::Serial, bounds.0, bounds.1, 1, body),
    }
}
