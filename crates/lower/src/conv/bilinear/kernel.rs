//! The kernels of a convolution by products at points: one that does all for a block of tiles, or two, of which the
//! first transforms the whole input.

use super::input::InputTransform;
use super::output::OutputTransform;
use super::{TileTransform, Tiling};
use crate::operand::elements;
use crate::point_product::{ProductBuffers, ProductPlace};
use crate::tail::Tail;
use crate::{Lowering, LoweringBuilder, Operand, Region};
use cnnc_ir::kernel::{BinOp, Buf, CmpOp, KernelBuilder, Role, Val};
use cnnc_tensor::DType;

/// What the kernels are made of.
pub struct Bilinear<'a> {
    /// Name of the algorithm, and of its kernels.
    pub name: &'a str,
    /// How the convolution is cut.
    pub tiling: &'a Tiling,
    /// The transforms of a tile.
    pub transform: &'a dyn TileTransform,
}

impl Bilinear<'_> {
    /// Kernels, steps, workspace; the weights packed by [`pack_points`](super::pack_points).
    pub fn lower(&self, region: &Region) -> Lowering {
        let mut lowering = LoweringBuilder::default();
        let block = self.tiling.product().input_elems();
        if self.tiling.blocking.shared {
            let elems = self.tiling.blocks() * block;
            let transformed = lowering.workspace(elems * size_of::<f32>());
            lowering.call(transform_kernel(self, region, elems), vec![Operand::Input(0), transformed]);
            Kernel::declare(self, region, elems, false).product(&mut lowering, transformed);
        } else {
            Kernel::declare(self, region, block, true).whole(&mut lowering);
        }
        lowering.finish()
    }
}

/// The kernel that transforms the whole input; an iteration is a channel block of a block of tiles.
fn transform_kernel(bilinear: &Bilinear, region: &Region, elems: usize) -> cnnc_ir::kernel::Kernel {
    let tiling = bilinear.tiling;
    let mut b = KernelBuilder::new(&format!("{}_input", bilinear.name));
    let x = b.buffer("x", DType::F32, elements(&region.inputs[0]), Role::Read);
    let out = b.buffer("transformed", DType::F32, elems, Role::Write);
    let transform = InputTransform::declare(&mut b, bilinear, x, out);
    let extents = [tiling.channel_blocks(), tiling.blocks()];
    b.parallel(extents.iter().product(), |b, index| {
        let at = b.unflatten(index, &extents);
        let (first, count) = tiles(b, tiling, at[1]);
        let to = b.scale(at[1], tiling.product().input_elems() as i64);
        transform.emit(b, at[0], first, count, to);
    });
    b.finish()
}

/// First tile of a block, and how many it has.
fn tiles(b: &mut KernelBuilder, tiling: &Tiling, block: Val) -> (Val, Val) {
    let size = tiling.blocking.tiles as i64;
    let first = b.scale(block, size);
    if tiling.blocks() == 1 {
        return (first, b.index(tiling.tiles() as i64));
    }
    let full = b.index(size);
    if tiling.tiles().is_multiple_of(tiling.blocking.tiles) {
        return (first, full);
    }
    let all = b.index(tiling.tiles() as i64);
    let left = b.sub(all, first);
    (first, b.binary(BinOp::Min, left, full))
}

/// The kernel that makes the result, under construction.
struct Kernel<'a> {
    bilinear: &'a Bilinear<'a>,
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
    fn declare(bilinear: &'a Bilinear<'a>, region: &Region, elems: usize, private: bool) -> Kernel<'a> {
        let tiling = bilinear.tiling;
        let mut b = KernelBuilder::new(bilinear.name);
        let x = if private {
            b.buffer("x", DType::F32, elements(&region.inputs[0]), Role::Read)
        } else {
            b.buffer("transformed", DType::F32, elems, Role::Read)
        };
        let weights = b.buffer("w", DType::F32, elements(&region.inputs[1]), Role::Read);
        let tail = Tail::declare(&mut b, region);
        let result = &region.outputs[0];
        let count = elements(result);
        let out = b.buffer("out", DType::F32, count, Role::Write);
        let in_place = tail.in_place(&mut b, out);
        let input = if private { b.buffer("transformed", DType::F32, elems, Role::Scratch) } else { x };
        let elems = tiling.product().product_elems();
        let products = b.buffer("products", DType::F32, elems, Role::Scratch);
        Kernel { bilinear, b, tail, in_place, x, input, weights, products, out }
    }

    /// One kernel: an iteration is a block of tiles, from the image to the result.
    fn whole(mut self, lowering: &mut LoweringBuilder) {
        let tiling = self.bilinear.tiling;
        let mut b = std::mem::replace(&mut self.b, KernelBuilder::new(""));
        let forward = InputTransform::declare(&mut b, self.bilinear, self.x, self.input);
        let inverse = OutputTransform::declare(&mut b, self.bilinear, &self.tail, self.products, self.out);
        b.parallel(tiling.blocks(), |b, block| {
            let (first, count) = tiles(b, tiling, block);
            let start = b.index(0);
            b.serial(0, tiling.channel_blocks() as i64, |b, channels| {
                forward.emit(b, channels, first, count, start);
            });
            b.serial(0, tiling.bundles() as i64, |b, bundle| {
                self.bundle(b, &inverse, start, bundle, (first, count));
            });
        });
        self.finish(b, lowering, Operand::Input(0));
    }

    /// The second of two kernels: an iteration is a bundle of outputs of a block of tiles.
    fn product(mut self, lowering: &mut LoweringBuilder, transformed: Operand) {
        let tiling = self.bilinear.tiling;
        let mut b = std::mem::replace(&mut self.b, KernelBuilder::new(""));
        let inverse = OutputTransform::declare(&mut b, self.bilinear, &self.tail, self.products, self.out);
        let extents = [tiling.bundles(), tiling.blocks()];
        b.parallel(extents.iter().product(), |b, index| {
            let at = b.unflatten(index, &extents);
            let (first, count) = tiles(b, tiling, at[1]);
            let start = b.scale(at[1], tiling.product().input_elems() as i64);
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
        let tiling = self.bilinear.tiling;
        let buffers = ProductBuffers { input: self.input, weights: self.weights, out: self.products };
        let product = tiling.product();
        let input = match tiling.shape.groups {
            1 => start,
            _ => {
                let (group, _) = b.div_rem(bundle, tiling.group_bundles() as i64);
                b.address(0, &[(start, 1), (group, (product.channel_blocks() * product.tiles * product.lanes) as i64)])
            }
        };
        let each = |b: &mut KernelBuilder, vectors: usize| {
            let place = ProductPlace { input, bundle, vectors, count };
            product.emit(b, &buffers, &tiling.point_groups(), &place);
            inverse.emit(b, bundle, vectors, first, count);
        };
        let nv = tiling.blocking.nv;
        let rest = tiling.vectors() - (tiling.bundles() - 1) * nv;
        if rest == nv || tiling.bundles() == 1 {
            return each(b, rest);
        }
        let last = b.index(tiling.bundles() as i64 - 1);
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
