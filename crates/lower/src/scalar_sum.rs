//! The plain loop nests that take what no tuned algorithm does: one result element at a time, any type.

use crate::expression::working_type;
use crate::operand::Position;
use crate::tail::Tail;
use crate::{Lowering, LoweringBuilder, Operand, Region};
use cnnc_ir::kernel::{Axis, Buf, KernelBuilder, Role, Ty, Val, Var};
use cnnc_tensor::{DType, Layout, Scalar};

/// Whether all operands and results are plain, and the two factors of the result's type: what plain loops take.
pub fn is_plain(region: &Region) -> bool {
    let plain = region.inputs.iter().chain(&region.outputs).all(|t| t.layout == Layout::Plain);
    plain && region.inputs[..2].iter().all(|t| t.dtype == region.outputs[0].dtype)
}

/// The kernel that computes each result element by itself: `sum_at` makes the element at some coordinates from the
/// buffers of the two factors, the region's tail follows. The result has an axis or more.
pub fn lower_sums(
    name: &str,
    region: &Region,
    sum_at: impl Fn(&mut KernelBuilder, (Buf, Buf), &[Val]) -> Val,
) -> Lowering {
    let mut b = KernelBuilder::new(name);
    let (x_type, w_type, result) = (&region.inputs[0], &region.inputs[1], &region.outputs[0]);
    let x = b.buffer("x", x_type.dtype, x_type.count(), Role::Read);
    let w = b.buffer("w", w_type.dtype, w_type.count(), Role::Read);
    let tail = Tail::declare(&mut b, region);
    let out = b.buffer("out", result.dtype, result.count(), Role::Write);
    let in_place = tail.in_place(&mut b, out);
    let rank = result.dims.len();
    b.parallel(result.dims[..rank - 1].iter().product(), |b, line| {
        let outer = b.unflatten(line, &result.dims[..rank - 1]);
        b.serial(0, result.dims[rank - 1] as i64, |b, last| {
            let mut coords = outer.clone();
            coords.push(last);
            let element = sum_at(b, (x, w), &coords);
            let flat = b.address(0, &[(line, result.dims[rank - 1] as i64), (last, 1)]);
            let value = tail.apply(b, element, &Position { coords: &coords, flat, lanes: 1, count: None });
            b.store(out, flat, value);
        });
    });
    let mut lowering = LoweringBuilder::default();
    let mut operands = vec![Operand::Input(0), Operand::Input(1)];
    operands.extend(tail.operands());
    operands.push(Operand::Output(0));
    lowering.call(b.finish(), operands);
    in_place.into_iter().for_each(|k| lowering.in_place(k, 0));
    lowering.finish()
}

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
