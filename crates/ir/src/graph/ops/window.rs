//! Windows that slide over the spatial axes: checks and result sizes.

use super::Window;
use super::check::{ensure, one_each};
use crate::graph::TensorType;

impl Window {
    /// The window of one element of so many axes, in steps of one.
    pub fn of_one_tap(rank: usize) -> Window {
        let (ones, zeros) = (vec![1; rank], vec![0; rank]);
        Window {
            kernel: ones.clone(),
            strides: ones.clone(),
            dilations: ones,
            pads_begin: zeros.clone(),
            pads_end: zeros,
        }
    }

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

/// A window over exactly three spatial axes; missing ones stand in front with one element and one tap.
#[derive(Clone, Debug)]
pub(super) struct Spatial {
    /// Sizes that the window slides over.
    pub input: [usize; 3],
    /// Sizes of the positions of the window.
    pub output: [usize; 3],
    /// Window extents.
    pub kernel: [usize; 3],
    strides: [usize; 3],
    dilations: [usize; 3],
    pads_begin: [usize; 3],
}

impl Spatial {
    /// The window between spatial sizes.
    pub(super) fn new(window: &Window, input: &[usize], output: &[usize]) -> Spatial {
        let three = |list: &[usize], missing: usize| {
            let mut all = [missing; 3];
            all[3 - list.len()..].copy_from_slice(list);
            all
        };
        let mut spatial = Spatial {
            input: three(input, 1),
            output: three(output, 1),
            kernel: three(&window.kernel, 1),
            strides: three(&window.strides, 1),
            dilations: three(&window.dilations, 1),
            pads_begin: three(&window.pads_begin, 0),
        };
        let pointwise = spatial.kernel == [1; 3] && spatial.strides == [1; 3] && spatial.pads_begin == [0; 3];
        if pointwise && spatial.input == spatial.output {
            // One long row instead of many short ones.
            let count = spatial.input.iter().product();
            (spatial.input, spatial.output) = ([1, 1, count], [1, 1, count]);
        }
        spatial
    }

    /// Number of input elements of one channel.
    pub(super) fn input_count(&self) -> usize {
        self.input.iter().product()
    }

    /// Number of window positions.
    pub(super) fn output_count(&self) -> usize {
        self.output.iter().product()
    }

    /// Number of taps.
    pub(super) fn taps(&self) -> usize {
        self.kernel.iter().product()
    }

    /// The coordinate that a tap sees from a position, before padding is looked at.
    pub(super) fn coordinate(&self, axis: usize, position: usize, tap: usize) -> isize {
        (position * self.strides[axis] + tap * self.dilations[axis]) as isize - self.pads_begin[axis] as isize
    }

    /// The positions along an axis from which a tap sees an input element.
    fn valid(&self, axis: usize, tap: usize) -> std::ops::Range<usize> {
        let stride = self.strides[axis];
        let at = tap * self.dilations[axis];
        let begin = self.pads_begin[axis].saturating_sub(at).div_ceil(stride);
        let end = (self.input[axis] + self.pads_begin[axis]).saturating_sub(at).div_ceil(stride);
        begin.min(self.output[axis])..end.min(self.output[axis])
    }

    /// Calls `f` for every tap and every row of positions that see input elements through it: with the tap, the index
    /// of the first position, the index of the first input element, the number of positions, and the step between the
    /// input elements.
    pub(super) fn for_each_row(&self, f: &mut dyn FnMut(usize, usize, usize, usize, usize)) {
        let [_, height, width] = self.input;
        let [_, out_height, out_width] = self.output;
        for kd in 0..self.kernel[0] {
            for kh in 0..self.kernel[1] {
                for kw in 0..self.kernel[2] {
                    let tap = (kd * self.kernel[1] + kh) * self.kernel[2] + kw;
                    let columns = self.valid(2, kw);
                    if columns.is_empty() {
                        continue;
                    }
                    let column = self.coordinate(2, columns.start, kw) as usize;
                    for d in self.valid(0, kd) {
                        for h in self.valid(1, kh) {
                            let plane = self.coordinate(0, d, kd) as usize;
                            let row = plane * height + self.coordinate(1, h, kh) as usize;
                            let position = (d * out_height + h) * out_width + columns.start;
                            f(tap, position, row * width + column, columns.len(), self.strides[2]);
                        }
                    }
                }
            }
        }
    }
}
