//! The numbers of a convolution region.

use crate::Region;
use crate::tail::Tail;
use cnnc_ir::graph::Op;
use cnnc_ir::graph::ops::Window;
use cnnc_tensor::{DType, Layout, Target};

/// Extents of a convolution (also of a transposed one, whose weights are `[C, O/groups, ..]`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvShape {
    /// Images.
    pub images: usize,
    /// Input channels.
    pub channels: usize,
    /// Output channels.
    pub outputs: usize,
    /// Groups.
    pub groups: usize,
    /// Whether output channel `o` is of group `o % groups`, else each group's follow each other.
    pub interleaved: bool,
    /// Window.
    pub window: Window,
    /// Spatial input extents.
    pub input: Vec<usize>,
    /// Spatial output extents.
    pub output: Vec<usize>,
}

impl ConvShape {
    /// The shape of a convolution region whose groups follow each other, which most algorithms rely on; `None` for
    /// others and other operators.
    pub fn of(region: &Region) -> Option<ConvShape> {
        ConvShape::of_any_order(region).filter(|shape| !shape.interleaved)
    }

    /// The shape of a convolution region; `None` for other operators.
    pub fn of_any_order(region: &Region) -> Option<ConvShape> {
        let Op::Conv { window, groups, interleaved, .. } = region.op else { return None };
        let shape = ConvShape::build(region, window, *groups)?;
        Some(ConvShape { interleaved: *interleaved, ..shape })
    }

    /// The shape of a transposed convolution region; `None` for other operators.
    pub fn of_transposed(region: &Region) -> Option<ConvShape> {
        let Op::ConvTranspose { window, groups, .. } = region.op else { return None };
        ConvShape::build(region, window, *groups)
    }

    fn build(region: &Region, window: &Window, groups: usize) -> Option<ConvShape> {
        let (x, y) = (region.inputs.first()?, region.outputs.first()?);
        if x.dims.len() < 3 || y.dims.len() != x.dims.len() || window.kernel.len() + 2 != x.dims.len() || groups == 0 {
            return None;
        }
        Some(ConvShape {
            images: x.dims[0],
            channels: x.dims[1],
            outputs: y.dims[1],
            groups,
            interleaved: false,
            window: window.clone(),
            input: x.dims[2..].to_vec(),
            output: y.dims[2..].to_vec(),
        })
    }

    /// Input channels of a group.
    pub fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    /// Output channels of a group.
    pub fn group_outputs(&self) -> usize {
        self.outputs / self.groups
    }

    /// Taps of the window.
    pub fn taps(&self) -> usize {
        self.window.kernel.iter().product()
    }

    /// Output pixels of an image.
    pub fn pixels(&self) -> usize {
        self.output.iter().product()
    }

    /// Input pixels of an image.
    pub fn input_pixels(&self) -> usize {
        self.input.iter().product()
    }

    /// Floating-point operations by definition, padding counted.
    pub fn flops(&self) -> f64 {
        2.0 * (self.images * self.outputs * self.pixels()) as f64 * (self.group_channels() * self.taps()) as f64
    }

    /// Whether every extent is at least 1.
    pub fn is_nonempty(&self) -> bool {
        self.images > 0
            && self.channels > 0
            && self.outputs > 0
            && self.taps() > 0
            && self.pixels() > 0
            && self.input_pixels() > 0
    }

    /// Whether the window has one tap, no padding and steps of `stride`.
    pub fn is_pointwise(&self) -> bool {
        let w = &self.window;
        self.taps() == 1 && w.pads_begin.iter().chain(&w.pads_end).all(|&p| p == 0)
    }

    /// The shape with all pixels in one row, where that is the same convolution: a window of one tap, steps of one.
    pub fn flattened(self) -> ConvShape {
        if !self.is_pointwise() || self.window.strides.iter().any(|&s| s != 1) {
            return self;
        }
        let window =
            Window { kernel: vec![1], strides: vec![1], dilations: vec![1], pads_begin: vec![0], pads_end: vec![0] };
        ConvShape { window, input: vec![self.input_pixels()], output: vec![self.pixels()], ..self }
    }
}

/// Whether input, weights and result are f32, the result is blocked by the target's lanes, and the tail operands can
/// be read beside it.
pub fn is_blocked_f32(region: &Region, target: &Target) -> bool {
    region.inputs.len() >= 2
        && region.inputs[0].dtype == DType::F32
        && region.inputs[1].dtype == DType::F32
        && region.outputs[0].dtype == DType::F32
        && region.outputs[0].layout == Layout::Blocked(target.lanes)
        && Tail::is_readable(region)
}

/// The shape of a convolution over a window whose pixels can be walked as one axis: blocked channels, one group, and a tail
/// that asks for no coordinates.
pub fn of_flat_pixels(region: &Region, target: &Target) -> Option<ConvShape> {
    let shape = ConvShape::of(region)?;
    let fits = is_blocked_f32(region, target)
        && region.inputs[0].layout == Layout::Blocked(target.lanes)
        && shape.is_nonempty()
        && shape.groups == 1
        && shape.taps() > 1
        && !Tail::needs_coordinates(region);
    fits.then_some(shape)
}
