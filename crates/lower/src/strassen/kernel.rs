//! The kernel: for each block of tiles the sums of the input's quarters, seven products, and the sums that make the
//! result's quarters.

use super::shape::{Place, Strassen};
use super::{INPUT, OUTPUT, rows_of};
use crate::linear_map::LinearMap;
use crate::operand::Position;
use crate::point_product::ProductBuffers;
use crate::tail::Tail;
use crate::{Lowering, LoweringBuilder, Operand, Region};
use cnnc_ir::kernel::{Axis, BinOp, Buf, CmpOp, KernelBuilder, Role, Val};
use cnnc_tensor::DType;

/// The lowering of a product.
pub fn lower(strassen: &Strassen, region: &Region, name: &str) -> Lowering {
    let mut b = KernelBuilder::new(name);
    let elems = |ty: &cnnc_ir::graph::TensorType| ty.layout.physical_count(&ty.dims).unwrap_or(0);
    let x = b.buffer("x", DType::F32, elems(&region.inputs[0]), Role::Read);
    let weights = b.buffer("w", DType::F32, elems(&region.inputs[1]), Role::Read);
    let tail = Tail::declare(&mut b, region);
    let out = b.buffer("out", DType::F32, elems(&region.outputs[0]), Role::Write);
    let in_place = tail.in_place(&mut b, out);
    let product = &strassen.product;
    let input = b.buffer("sums", DType::F32, product.input_elems(), Role::Scratch);
    let products = b.buffer("products", DType::F32, product.product_elems(), Role::Scratch);
    let kernel = Kernel {
        strassen,
        tail: &tail,
        x,
        out,
        buffers: ProductBuffers { input, weights, out: products },
        forward: LinearMap::new(&rows_of(&INPUT)),
        inverse: LinearMap::new(&rows_of(&OUTPUT)),
    };
    b.parallel(strassen.blocks(), |b, block| kernel.block(b, block));
    let mut lowering = LoweringBuilder::default();
    let mut operands = vec![Operand::Input(0), Operand::Input(1)];
    operands.extend(tail.operands());
    operands.push(Operand::Output(0));
    lowering.call(b.finish(), operands);
    in_place.into_iter().for_each(|k| lowering.in_place(k, 0));
    lowering.finish()
}

struct Kernel<'a> {
    strassen: &'a Strassen,
    tail: &'a Tail,
    x: Buf,
    out: Buf,
    buffers: ProductBuffers,
    forward: LinearMap,
    inverse: LinearMap,
}

impl Kernel<'_> {
    fn block(&self, b: &mut KernelBuilder, block: Val) {
        let strassen = self.strassen;
        let size = strassen.product.tiles as i64;
        let first = b.scale(block, size);
        let all = b.index(strassen.tiles() as i64);
        let left = b.sub(all, first);
        let full = b.index(size);
        let count = b.binary(BinOp::Min, left, full);
        let half = strassen.product.channel_blocks() as i64;
        let paired = strassen.vectors().0 as i64 - half;
        b.serial(0, paired, |b, channels| self.sums(b, channels, true, first, count));
        if paired < half {
            b.serial(paired, half, |b, channels| self.sums(b, channels, false, first, count));
        }
        let nv = strassen.product.nv;
        let rest = strassen.half_vectors() - (strassen.bundles() - 1) * nv;
        let each = |b: &mut KernelBuilder, bundle: Val, vectors: usize| {
            let start = b.index(0);
            strassen.product.emit(b, &self.buffers, start, bundle, vectors, count);
            self.results(b, bundle, vectors, first, count);
        };
        let full_bundles = strassen.half_vectors() / nv;
        b.serial(0, full_bundles as i64, |b, bundle| each(b, bundle, nv));
        if full_bundles < strassen.bundles() {
            let last = b.index(full_bundles as i64);
            each(b, last, rest);
        }
    }

    /// The image and the row of a tile in the first half, and its partner in the second (the last row stands in for one
    /// beyond the end: what it adds cancels).
    fn rows(&self, b: &mut KernelBuilder, tile: Val) -> (Val, Val, Val) {
        let half = self.strassen.half_rows();
        let (image, row) = if self.strassen.images == 1 { (b.index(0), tile) } else { b.div_rem(tile, half as i64) };
        let partner = b.offset(row, half as i64);
        let last = b.index(self.strassen.rows as i64 - 1);
        (image, row, b.binary(BinOp::Min, partner, last))
    }

    /// Element of a vector of a row, `vectors` being those of a row.
    fn address(
        &self,
        b: &mut KernelBuilder,
        vectors: usize,
        width: usize,
        (image, row, vector): (Val, Val, Val),
    ) -> Val {
        let lanes = self.strassen.product.lanes as i64;
        let rows = self.strassen.rows as i64;
        match self.strassen.place {
            Place::Blocked { .. } => {
                b.address(0, &[(image, vectors as i64 * rows * lanes), (vector, rows * lanes), (row, lanes)])
            }
            Place::Rows { .. } => b.address(0, &[(row, width as i64), (vector, lanes)]),
        }
    }

    /// The seven sums of a vector of channels and its partner in the second half, for all tiles of a block.
    fn sums(&self, b: &mut KernelBuilder, channels: Val, paired: bool, first: Val, count: Val) {
        let strassen = self.strassen;
        let product = &strassen.product;
        let lanes = product.lanes as u16;
        let zero = b.index(0);
        b.for_axis(Axis::Serial, zero, count, 1, |b, k| {
            let tile = b.add(first, k);
            let (image, row, partner) = self.rows(b, tile);
            let second = b.offset(channels, product.channel_blocks() as i64);
            let mut quarters = vec![];
            for (row, vector) in [
                (row, Some(channels)),
                (row, paired.then_some(second)),
                (partner, Some(channels)),
                (partner, paired.then_some(second)),
            ] {
                quarters.push(match vector {
                    Some(vector) => {
                        let at = self.address(b, strassen.vectors().0, strassen.channels, (image, row, vector));
                        b.load(self.x, at, lanes)
                    }
                    None => b.f32(0.0, lanes),
                });
            }
            let to = b.address(0, &[(channels, (product.tiles * product.lanes) as i64), (k, i64::from(lanes))]);
            for (point, value) in self.forward.emit(b, &quarters, lanes).into_iter().enumerate() {
                let at = b.offset(to, (point * product.input_stride()) as i64);
                b.store(self.buffers.input, at, value);
            }
        });
    }

    /// The quarters of the result from the products of a bundle.
    fn results(&self, b: &mut KernelBuilder, bundle: Val, vectors: usize, first: Val, count: Val) {
        let strassen = self.strassen;
        let product = &strassen.product;
        let (lanes, nv) = (product.lanes as i64, product.nv as i64);
        b.serial(0, vectors as i64, |b, j| {
            let vector = b.address(0, &[(bundle, nv), (j, 1)]);
            let zero = b.index(0);
            b.for_axis(Axis::Serial, zero, count, 1, |b, k| {
                let from = b.address(0, &[(k, nv * lanes), (j, lanes)]);
                let products: Vec<Val> = (0..product.points)
                    .map(|point| {
                        let at = b.offset(from, (point * product.product_stride()) as i64);
                        b.load(self.buffers.out, at, lanes as u16)
                    })
                    .collect();
                let quarters = self.inverse.emit(b, &products, lanes as u16);
                let tile = b.add(first, k);
                self.store_quarters(b, &quarters, tile, vector);
            });
        });
    }

    fn store_quarters(&self, b: &mut KernelBuilder, quarters: &[Val], tile: Val, vector: Val) {
        let strassen = self.strassen;
        let half = strassen.half_rows();
        let (image, row) = if strassen.images == 1 { (b.index(0), tile) } else { b.div_rem(tile, half as i64) };
        let partner = b.offset(row, half as i64);
        let second = b.offset(vector, strassen.half_vectors() as i64);
        for (quarter, (row, vector)) in
            quarters.iter().zip([(row, vector), (row, second), (partner, vector), (partner, second)])
        {
            let mut conditions = vec![];
            if row == partner && !strassen.rows.is_multiple_of(2) {
                let rows = b.index(strassen.rows as i64);
                conditions.push(b.compare(CmpOp::Lt, row, rows));
            }
            if vector == second && !strassen.vectors().1.is_multiple_of(2) {
                let vectors = b.index(strassen.vectors().1 as i64);
                conditions.push(b.compare(CmpOp::Lt, vector, vectors));
            }
            let exists = conditions.into_iter().reduce(|x, y| b.binary(BinOp::And, x, y));
            let store = |b: &mut KernelBuilder| self.store(b, *quarter, (image, row, vector));
            match exists {
                Some(exists) => b.if_(exists, store),
                None => store(b),
            }
        }
    }

    fn store(&self, b: &mut KernelBuilder, element: Val, (image, row, vector): (Val, Val, Val)) {
        let strassen = self.strassen;
        let lanes = strassen.product.lanes;
        let flat = self.address(b, strassen.vectors().1, strassen.outputs, (image, row, vector));
        let channel = b.scale(vector, lanes as i64);
        let zero = b.index(0);
        let coords = match strassen.place {
            Place::Blocked { rank } => {
                let mut coords = vec![image, channel];
                coords.extend(vec![zero; rank - 1]);
                coords.push(row);
                coords
            }
            Place::Rows { rank } => {
                let mut coords = vec![zero; rank - 2];
                coords.extend([row, channel]);
                coords
            }
        };
        let at = Position { coords: &coords, flat, lanes: lanes as u16, count: None };
        let value = self.tail.apply(b, element, &at);
        b.store(self.out, flat, value);
    }
}
