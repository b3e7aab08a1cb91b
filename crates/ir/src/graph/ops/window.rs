//! Windows that slide over the spatial axes: checks and result sizes.

use super::Window;
use super::check::{ensure, one_each};
use crate::graph::TensorType;

impl Window {
    /// Checks the geometry against an operand `[N, C, spatial..]`.
    pub(super) fn check(&self, x: &TensorType) -> Result<(), String> {
        ensure((3..=5).contains(&x.dims.len()), || format!("takes 1 to 3 spatial axes, got {x}"))?;
        let rank = x.dims.len() - 2;
        one_each("kernel", self.kernel.len(), rank, x)?;
        one_each("strides", self.strides.len(), rank, x)?;
        one_each("dilations", self.dilations.len(), rank, x)?;
        one_each("pads_begin", self.pads_begin.len(), rank, x)?;
        one_each("pads_end", self.pads_end.len(), rank, x)?;
        let positive = |list: &[usize]| list.iter().all(|&v| v > 0);
        ensure(positive(&self.kernel) && positive(&self.strides) && positive(&self.dilations), || {
            format!(
                "kernel {:?}, strides {:?} and dilations {:?} must be positive",
                self.kernel, self.strides, self.dilations
            )
        })
    }

    /// `(kernel - 1) * dilation + 1` of a spatial axis; `None` where it overflows.
    pub(super) fn extent(&self, axis: usize) -> Option<usize> {
        (self.kernel[axis] - 1).checked_mul(self.dilations[axis])?.checked_add(1)
    }

    /// Spatial result sizes of a convolution or pool over `x`, the geometry checked.
    pub(super) fn output_sizes(&self, x: &TensorType) -> Result<Vec<usize>, String> {
        (0..self.kernel.len())
            .map(|axis| {
                let size = x.dims[axis + 2].checked_add(self.pads_begin[axis]);
                let padded = size.and_then(|s| s.checked_add(self.pads_end[axis]));
                match (padded, self.extent(axis)) {
                    (Some(padded), Some(extent)) if padded >= extent => Ok((padded - extent) / self.strides[axis] + 1),
                    (Some(padded), Some(extent)) => Err(format!(
                        "window of extent {extent} is larger than spatial axis {axis} of {x}, padded to {padded}"
                    )),
                    _ => Err(format!("spatial axis {axis} of {x} overflows with pads and window")),
                }
            })
            .collect()
    }
}
