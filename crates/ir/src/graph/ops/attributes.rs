//! What operators are given besides numbers: windows, kinds and modes.

/// Geometry of a sliding window over the spatial axes (axes 2..): one entry per spatial axis, 1 to 3 of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Window extents.
    pub kernel: Vec<usize>,
    /// Steps between windows.
    pub strides: Vec<usize>,
    /// Steps between taps of a window.
    pub dilations: Vec<usize>,
    /// Padding before each axis.
    pub pads_begin: Vec<usize>,
    /// Padding after each axis (a pool with ceil mode has it enlarged so that floor gives the right size).
    pub pads_end: Vec<usize>,
}

/// What a pool computes over its window. Padding is never seen by `Max`; `Average` divides by the number of valid taps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// Largest valid tap.
    Max,
    /// Mean of the valid taps.
    Average,
    /// Mean over the window with padding counted as zeros, but taps beyond the declared padding (ceil mode) not
    /// counted: they lie at coordinates `>= size + count_pads_end[axis]`, where that is what this kind's operator holds.
    AverageIncludePad,
    /// `(sum |x|^p)^(1/p)`.
    Lp(u32),
}

/// How elements are combined by a reduction or a scatter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ReduceKind {
    Sum,
    Mean,
    Max,
    Min,
    Prod,
}

/// What a scatter does with the element that stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ScatterKind {
    Replace,
    Add,
    Mul,
    Max,
    Min,
}

/// How [`Op::Pad`] fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum PadMode {
    Constant,
    Reflect,
    Edge,
    Wrap,
}

/// Interpolation of [`Op::GridSample`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum GridMode {
    Nearest,
    Linear,
    Cubic,
}

/// What [`Op::GridSample`] reads outside the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum GridPadding {
    Zeros,
    Border,
    Reflection,
}
