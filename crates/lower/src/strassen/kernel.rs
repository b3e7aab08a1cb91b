//! The kernel: for each block of tiles the sums of the input's parts, the products, and the sums that make the result's
//! parts.
//!
//! Parts are numbered as quarters of quarters: two bits a level, the outermost first, row before column.

use super::shape::{Place, Strassen};
use super::{INPUT, OUTPUT, rows_of};
use crate::linear_map::LinearMap;
use crate::operand::{Position, elements};
use crate::point_product::{PointGroup, ProductBuffers, ProductPlace};
use crate::tail::Tail;
use crate::{Lowering, LoweringBuilder, Operand, Region};
use cnnc_ir::kernel::{Axis, BinOp, Buf, CmpOp, KernelBuilder, Role, Val};
use cnnc_tensor::DType;

/// The lowering of a product.
pub fn lower(strassen: &Strassen, region: &Region, name: &str) -> Lowering {
    let mut b = KernelBuilder::new(name);
    let x = b.buffer("x", DType::F32, elements(&region.inputs[0]), Role::Read);
    let weights = b.buffer("w", DType::F32, elements(&region.inputs[1]), Role::Read);
    let tail = Tail::declare(&mut b, region);
    let out = b.buffer("out", DType::F32, elements(&region.outputs[0]), Role::Write);
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
        // Up to where how many parts of the channels have a vector.
        let (vectors, part, parts) = (strassen.vectors().0, strassen.product.channel_blocks(), strassen.parts());
        let mut begin = 0;
        for there in (1..=parts).rev() {
            let end = vectors.saturating_sub((there - 1) * part).min(part);
            if end > begin {
                b.serial(begin as i64, end as i64, |b, channels| self.sums(b, channels, there, first, count));
                begin = end;
            }
        }
        let nv = strassen.product.nv;
        let rest = strassen.part_vectors() - (strassen.bundles() - 1) * nv;
        let each = |b: &mut KernelBuilder, bundle: Val, vectors: usize| {
            let place = ProductPlace { input: b.index(0), bundle, vectors, count };
            strassen.product.emit(b, &self.buffers, &[PointGroup::all(strassen.product.points)], &place);
            self.results(b, bundle, vectors, first, count);
        };
        let full_bundles = strassen.part_vectors() / nv;
        b.serial(0, full_bundles as i64, |b, bundle| each(b, bundle, nv));
        if full_bundles < strassen.bundles() {
            let last = b.index(full_bundles as i64);
            each(b, last, rest);
        }
    }

    /// The image of a tile, and its row in the first part.
    fn image_and_row(&self, b: &mut KernelBuilder, tile: Val) -> (Val, Val) {
        match self.strassen.images {
            1 => (b.index(0), tile),
            _ => b.div_rem(tile, self.strassen.part_rows() as i64),
        }
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

    /// The sums of a vector of channels and its partners in the other parts, of which so many are there, for all tiles of
    /// a block. The last row stands in for one beyond the end: what it adds cancels.
    fn sums(&self, b: &mut KernelBuilder, channels: Val, there: usize, first: Val, count: Val) {
        let strassen = self.strassen;
        let product = &strassen.product;
        let lanes = product.lanes as u16;
        let zero = b.index(0);
        b.for_axis(Axis::Serial, zero, count, 1, |b, k| {
            let tile = b.add(first, k);
            let (image, row) = self.image_and_row(b, tile);
            let last = b.index(strassen.rows as i64 - 1);
            let rows: Vec<Val> = (0..strassen.parts() as i64)
                .map(|part| {
                    let row = b.offset(row, part * strassen.part_rows() as i64);
                    if part == 0 { row } else { b.binary(BinOp::Min, row, last) }
                })
                .collect();
            let mut values = vec![];
            for part in 0..4usize.pow(strassen.levels) {
                let (row, column) = place_of(part, strassen.levels);
                values.push(if column < there {
                    let vector = b.offset(channels, (column * product.channel_blocks()) as i64);
                    let at = self.address(b, strassen.vectors().0, strassen.channels, (image, rows[row], vector));
                    b.load(self.x, at, lanes)
                } else {
                    b.f32(0.0, lanes)
                });
            }
            let to = b.address(0, &[(channels, (product.tiles * product.lanes) as i64), (k, i64::from(lanes))]);
            for (point, value) in
                nested(b, (&self.forward, INPUT[0].len()), strassen.levels, values, lanes).into_iter().enumerate()
            {
                let at = b.offset(to, (point * product.input_stride()) as i64);
                b.store(self.buffers.input, at, value);
            }
        });
    }

    /// The parts of the result from the products of a bundle.
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
                let values = nested(b, (&self.inverse, OUTPUT[0].len()), strassen.levels, products, lanes as u16);
                let tile = b.add(first, k);
                self.store_parts(b, &values, tile, vector);
            });
        });
    }

    fn store_parts(&self, b: &mut KernelBuilder, values: &[Val], tile: Val, vector: Val) {
        let strassen = self.strassen;
        let (part_rows, part_vectors) = (strassen.part_rows(), strassen.part_vectors());
        let (image, row) = self.image_and_row(b, tile);
        for (part, value) in values.iter().enumerate() {
            let (row_part, column) = place_of(part, strassen.levels);
            let row = b.offset(row, (row_part * part_rows) as i64);
            let vector = b.offset(vector, (column * part_vectors) as i64);
            let mut conditions = vec![];
            for (at, extent, part, size) in
                [(row, strassen.rows, row_part, part_rows), (vector, strassen.vectors().1, column, part_vectors)]
            {
                if (part + 1) * size > extent {
                    let extent = b.index(extent as i64);
                    conditions.push(b.compare(CmpOp::Lt, at, extent));
                }
            }
            let exists = conditions.into_iter().reduce(|x, y| b.binary(BinOp::And, x, y));
            let store = |b: &mut KernelBuilder| self.store(b, *value, (image, row, vector));
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

/// Row and column of a part among the parts of a matrix.
fn place_of(part: usize, levels: u32) -> (usize, usize) {
    let bit = |level: u32, of: u32| (part >> (2 * level + of) & 1) << level;
    (0..levels).fold((0, 0), |(row, column), level| (row | bit(level, 1), column | bit(level, 0)))
}

/// A map of one level, of so many operands, applied at every level, the outermost first.
fn nested(b: &mut KernelBuilder, map: (&LinearMap, usize), levels: u32, values: Vec<Val>, lanes: u16) -> Vec<Val> {
    let (once, operands) = map;
    if levels == 1 {
        return once.emit(b, &values, lanes);
    }
    let inner = values.len() / operands;
    let columns: Vec<Vec<Val>> = (0..inner)
        .map(|k| {
            let operands: Vec<Val> = values.iter().skip(k).step_by(inner).copied().collect();
            once.emit(b, &operands, lanes)
        })
        .collect();
    let outer = columns.first().map_or(0, Vec::len);
    let rows = (0..outer).map(|k| columns.iter().map(|column| column[k]).collect());
    rows.flat_map(|row: Vec<Val>| nested(b, map, levels - 1, row, lanes)).collect()
}
