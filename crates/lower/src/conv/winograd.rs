//! Winograd convolution: minimal filtering F(m, r) along every spatial axis, for stride 1.
//!
//! The result is cut into tiles of m outputs along each axis. A tile's inputs are transformed (`B^T d B`), multiplied
//! point by point with the transformed weights, which is one matrix product of channels at each point, and transformed
//! back (`A^T m A`). F(4x4, 3x3) needs a quarter of the multiplications of a direct convolution, F(4, 7) along one axis
//! two fifths. Tiles of all images form one list, and a block of them is done at a time: its transformed input stays in
//! the second-level cache over all outputs, and the products of a bundle of outputs in the first.
//!
//! Infinite inputs make NaN of their whole tile.
//!
//! A. Lavin and S. Gray, "Fast algorithms for convolutional neural networks", 2015.

mod blockings;
mod cost;
mod input;
mod output;
mod shape;
mod transform;

use self::input::InputTransform;
use self::output::OutputTransform;
use self::shape::{Blocking, Winograd};
use super::ConvShape;
use super::shape::is_blocked_f32;
use crate::point_product::ProductBuffers;
use crate::tail::Tail;
use crate::tiled::illegal;
use crate::{Algorithm, Breadth, Class, LowerError, Lowering, LoweringBuilder, Operand, Packing, Region, Work, error};
use cnnc_ir::Accuracy;
use cnnc_ir::graph::ops::PadMode;
use cnnc_ir::graph::{Candidate, Op};
use cnnc_ir::kernel::{BinOp, Buf, CmpOp, KernelBuilder, Role, Val};
use cnnc_tensor::{DType, Layout, Target};

/// Winograd convolution on blocked channels.
pub const WINOGRAD: Algorithm = Algorithm {
    name: "winograd",
    about: "convolution by minimal filtering F(m, r) along each spatial axis, stride 1",
    accuracy: Accuracy::Rounding,
    error: declared_error,
    class: Class::Tuned,
    candidates,
    packings,
    work,
    lower,
};

fn fits(region: &Region, target: &Target) -> Option<ConvShape> {
    let shape = ConvShape::of(region)?;
    let window = &shape.window;
    let fits = is_blocked_f32(region, target)
        && region.inputs[0].layout == Layout::Blocked(target.lanes)
        && region.constants[1].is_some()
        && shape.is_nonempty()
        && shape.groups == 1
        && shape.taps() > 1
        && window.strides.iter().chain(&window.dilations).all(|&s| s == 1);
    fits.then_some(shape)
}

fn of(region: &Region, candidate: &Candidate, target: &Target) -> Option<Winograd> {
    let shape = fits(region, target)?;
    let blocking = Blocking::of(candidate, shape.input.len())?;
    Winograd::new(&shape, blocking, target.lanes)
}

fn candidates(region: &Region, target: &Target, breadth: Breadth) -> Vec<Candidate> {
    let Some(shape) = fits(region, target) else { return vec![] };
    blockings::blockings(&shape, target, breadth).iter().map(|b| b.candidate(WINOGRAD.name)).collect()
}

/// The transforms amplify the rounding of the products and of each other.
fn declared_error(region: &Region, candidate: &Candidate, target: &Target) -> f64 {
    let Some(winograd) = of(region, candidate, target) else { return f64::INFINITY };
    let amplification: f64 = winograd.axes.iter().map(|a| a.amplification).product();
    (error::sum(winograd.shape.channels as f64)) * (0.5 + amplification)
}

fn work(region: &Region, candidate: &Candidate, target: &Target) -> Work {
    let flops = ConvShape::of(region).map_or(0.0, |s| s.flops());
    let seconds = of(region, candidate, target).map_or(f64::MAX, |w| cost::seconds(&w, target));
    Work { flops, seconds }
}

/// `[bundle][point][channel][nv * lanes]`.
fn packings(region: &Region, candidate: &Candidate, target: &Target) -> Vec<Packing> {
    let Some(winograd) = of(region, candidate, target) else { return vec![] };
    let shape = &winograd.shape;
    let width = winograd.blocking.nv * winograd.lanes;
    let (outputs, channels) = (winograd.bundles() * width, winograd.channel_blocks() * winograd.lanes);
    let mut ops = vec![Op::FilterTransform { outputs: winograd.blocking.m.clone() }];
    if (outputs, channels) != (shape.outputs, shape.channels) {
        let mut end = vec![0; shape.window.kernel.len() + 2];
        end[0] = (outputs - shape.outputs) as isize;
        end[1] = (channels - shape.channels) as isize;
        ops.push(Op::Pad { mode: PadMode::Constant, begin: vec![0; end.len()], end });
    }
    ops.push(Op::Reshape { dims: vec![winograd.bundles(), width, channels, winograd.points()] });
    ops.push(Op::Transpose { perm: vec![0, 3, 2, 1] });
    vec![Packing { input: 1, ops }]
}

fn lower(region: &Region, candidate: &Candidate, target: &Target) -> Result<Lowering, LowerError> {
    let winograd = of(region, candidate, target)
        .ok_or_else(|| illegal(region, candidate, "not a dense convolution of stride 1, or parameters do not fit"))?;
    let mut lowering = LoweringBuilder::default();
    if winograd.blocking.shared {
        let elems = winograd.blocks() * winograd.product().input_elems();
        let transformed = lowering.workspace(elems * size_of::<f32>());
        lowering.call(transform_kernel(&winograd, region, elems), vec![Operand::Input(0), transformed]);
        let kernel = Kernel::declare(&winograd, region, elems, false);
        kernel.product(&mut lowering, transformed);
    } else {
        let kernel = Kernel::declare(&winograd, region, winograd.product().input_elems(), true);
        kernel.whole(&mut lowering);
    }
    Ok(lowering.finish())
}

/// The kernel that transforms the whole input; an iteration is a channel block of a block of tiles.
fn transform_kernel(winograd: &Winograd, region: &Region, elems: usize) -> cnnc_ir::kernel::Kernel {
    let mut b = KernelBuilder::new("winograd_input");
    let x = b.buffer("x", DType::F32, physical(region, 0), Role::Read);
    let out = b.buffer("transformed", DType::F32, elems, Role::Write);
    let transform = InputTransform::declare(&mut b, winograd, x, out);
    let extents = [winograd.channel_blocks(), winograd.blocks()];
    b.parallel(extents.iter().product(), |b, index| {
        let at = b.unflatten(index, &extents);
        let (first, count) = tiles(b, winograd, at[1]);
        let to = b.scale(at[1], winograd.product().input_elems() as i64);
        transform.emit(b, at[0], first, count, to);
    });
    b.finish()
}

/// First tile of a block, and how many it has.
fn tiles(b: &mut KernelBuilder, winograd: &Winograd, block: Val) -> (Val, Val) {
    let size = winograd.blocking.tiles as i64;
    let first = b.scale(block, size);
    if winograd.blocks() == 1 {
        return (first, b.index(winograd.tiles() as i64));
    }
    let full = b.index(size);
    if winograd.tiles().is_multiple_of(winograd.blocking.tiles) {
        return (first, full);
    }
    let all = b.index(winograd.tiles() as i64);
    let left = b.sub(all, first);
    (first, b.binary(BinOp::Min, left, full))
}

fn physical(region: &Region, input: usize) -> usize {
    let ty = &region.inputs[input];
    ty.layout.physical_count(&ty.dims).unwrap_or(0)
}

/// The kernel that makes the result, under construction.
struct Kernel<'a> {
    winograd: &'a Winograd,
    b: KernelBuilder,
    tail: Tail,
    in_place: Vec<usize>,
    x: Buf,
    input: Buf,
    weights: Buf,
    products: Buf,
    out: Buf,
}

impl<'a> Kernel<'a> {
    /// Declares its buffers. Where the transformed input is private, the image is read too.
    fn declare(winograd: &'a Winograd, region: &Region, elems: usize, private: bool) -> Kernel<'a> {
        let mut b = KernelBuilder::new(WINOGRAD.name);
        let x = if private {
            b.buffer("x", DType::F32, physical(region, 0), Role::Read)
        } else {
            b.buffer("transformed", DType::F32, elems, Role::Read)
        };
        let weights = b.buffer("w", DType::F32, physical(region, 1), Role::Read);
        let tail = Tail::declare(&mut b, region);
        let result = &region.outputs[0];
        let count = result.layout.physical_count(&result.dims).unwrap_or(0);
        let out = b.buffer("out", DType::F32, count, Role::Write);
        let in_place = tail.in_place(&mut b, out);
        let input = if private { b.buffer("transformed", DType::F32, elems, Role::Scratch) } else { x };
        let elems = winograd.product().product_elems();
        let products = b.buffer("products", DType::F32, elems, Role::Scratch);
        Kernel { winograd, b, tail, in_place, x, input, weights, products, out }
    }

    /// One kernel: an iteration is a block of tiles, from the image to the result.
    fn whole(mut self, lowering: &mut LoweringBuilder) {
        let winograd = self.winograd;
        let mut b = std::mem::replace(&mut self.b, KernelBuilder::new(""));
        let forward = InputTransform::declare(&mut b, winograd, self.x, self.input);
        let inverse = OutputTransform::declare(&mut b, winograd, &self.tail, self.products, self.out);
        b.parallel(winograd.blocks(), |b, block| {
            let (first, count) = tiles(b, winograd, block);
            let start = b.index(0);
            b.serial(0, winograd.channel_blocks() as i64, |b, channels| {
                forward.emit(b, channels, first, count, start);
            });
            b.serial(0, winograd.bundles() as i64, |b, bundle| {
                self.bundle(b, &inverse, start, bundle, (first, count));
            });
        });
        self.finish(b, lowering, Operand::Input(0));
    }

    /// The second of two kernels: an iteration is a bundle of outputs of a block of tiles.
    fn product(mut self, lowering: &mut LoweringBuilder, transformed: Operand) {
        let winograd = self.winograd;
        let mut b = std::mem::replace(&mut self.b, KernelBuilder::new(""));
        let inverse = OutputTransform::declare(&mut b, winograd, &self.tail, self.products, self.out);
        let extents = [winograd.bundles(), winograd.blocks()];
        b.parallel(extents.iter().product(), |b, index| {
            let at = b.unflatten(index, &extents);
            let (first, count) = tiles(b, winograd, at[1]);
            let start = b.scale(at[1], winograd.product().input_elems() as i64);
            self.bundle(b, &inverse, start, at[0], (first, count));
        });
        self.finish(b, lowering, transformed);
    }

    /// Products and result of a bundle for a block whose transformed input begins at `start`.
    fn bundle(
        &self,
        b: &mut KernelBuilder,
        inverse: &OutputTransform,
        start: Val,
        bundle: Val,
        (first, count): (Val, Val),
    ) {
        let winograd = self.winograd;
        let buffers = ProductBuffers { input: self.input, weights: self.weights, out: self.products };
        let each = |b: &mut KernelBuilder, vectors: usize| {
            winograd.product().emit(b, &buffers, start, bundle, vectors, count);
            inverse.emit(b, bundle, vectors, first, count);
        };
        let nv = winograd.blocking.nv;
        let rest = winograd.vectors() - (winograd.bundles() - 1) * nv;
        if rest == nv || winograd.bundles() == 1 {
            return each(b, rest);
        }
        let last = b.index(winograd.bundles() as i64 - 1);
        let full = b.compare(CmpOp::Lt, bundle, last);
        b.if_else(full, |b| each(b, nv), |b| each(b, rest));
    }

    fn finish(self, b: KernelBuilder, lowering: &mut LoweringBuilder, source: Operand) {
        let mut operands = vec![source, Operand::Input(1)];
        operands.extend(self.tail.operands());
        operands.push(Operand::Output(0));
        lowering.call(b.finish(), operands);
        self.in_place.iter().for_each(|&k| lowering.in_place(k, 0));
    }
}
