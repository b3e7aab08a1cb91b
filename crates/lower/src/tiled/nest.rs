//! The loops around the register tile: work items, chunks of channels, rows, columns.

use super::{ResultPlace, RowAxis, Segment, TiledSum, Tiling};
use crate::operand::elements;
use crate::tail::Tail;
use crate::{Operand, Region};
use cnnc_ir::kernel::{Axis, BinOp, Buf, CmpOp, Kernel, KernelBuilder, Role, Val};
use cnnc_tensor::DType;

/// Terms that are summed in one chain of multiply-adds.
pub const SPAN: usize = 128;

/// A kernel and what it is bound to.
#[derive(Clone, Debug)]
pub struct Emitted {
    /// The kernel.
    pub kernel: Kernel,
    /// What its buffers are bound to.
    pub operands: Vec<Operand>,
    /// Operands of the region that may share memory with result 0.
    pub in_place: Vec<usize>,
}

/// Makes what a work item reads.
pub trait Fill {
    /// Declares what it reads beside the operand; returns what these buffers are bound to.
    fn declare(&mut self, _: &mut KernelBuilder) -> Vec<Operand> {
        vec![]
    }

    /// From the operand to the private copy, for batch coordinates and an item number.
    fn emit(&self, b: &mut KernelBuilder, buffers: (Buf, Buf), batch: &[Val], item: Val);
}

/// Where the sum's input comes from.
pub enum Input<'a> {
    /// Read in place.
    Direct(Operand),
    /// Each work item copies its part to scratch of so many elements first, and then computes all result vectors.
    Copied(Operand, usize, &'a mut dyn Fill),
}

/// The kernel of a sum under a tiling. `input` is a value of the type of operand 0, the weights are operand 1 of the
/// region. The sum must not be empty.
pub fn emit(name: &str, region: &Region, sum: &TiledSum, tiling: &Tiling, input: Input) -> Emitted {
    let mut b = KernelBuilder::new(name);
    let from = b.buffer("x", DType::F32, elements(&region.inputs[0]), Role::Read);
    let w = b.buffer("w", DType::F32, elements(&region.inputs[1]), Role::Read);
    let tail = Tail::declare(&mut b, region);
    let result = &region.outputs[0];
    let out = b.buffer("out", DType::F32, elements(result), Role::Write);
    let in_place = tail.in_place(&mut b, out);

    let (operand, x, fill) = match input {
        Input::Direct(operand) => (operand, from, None),
        Input::Copied(operand, size, fill) => (operand, b.buffer("copy", DType::F32, size, Role::Scratch), Some(fill)),
    };
    let mut operands = vec![operand, Operand::Input(1)];
    operands.extend(tail.operands());
    operands.push(Operand::Output(0));
    let fill = fill.map(|fill| {
        operands.extend(fill.declare(&mut b));
        &*fill
    });

    let row_count = sum.row_count();
    let by_columns = tiling.is_by_columns(sum);
    let bundles = sum.vectors().div_ceil(tiling.nv);
    let items = tiling.items(sum);
    let chunk = tiling.chunk.min(sum.channels.blocks());
    let partial = (chunk < sum.channels.blocks()).then(|| {
        let positions =
            if by_columns { tiling.tiles * tiling.mr } else { tiling.rows.min(row_count) * sum.columns.axis.outputs };
        b.buffer("partial", DType::F32, positions * tiling.nv * sum.lanes, Role::Scratch)
    });
    let terms = sum.channels.block * sum.rows.iter().chain([&sum.columns]).map(|r| r.axis.taps).product::<usize>();
    let span = (SPAN / terms.max(1)).max(1);
    let totals = (chunk > span + span / 2 && sum.mixed_groups.is_none()).then(|| {
        let elems = tiling.mr.min(sum.columns.axis.outputs) * tiling.nv * sum.lanes;
        (b.buffer("totals", DType::F32, elems, Role::Scratch), span)
    });
    let nest = Nest {
        sum,
        tiling,
        tail: &tail,
        buffers: Buffers { x, w, out, partial, totals },
        segments: sum.columns.axis.segments(tiling.mr),
        by_columns,
        row_count,
        chunk,
    };

    let mut extents: Vec<usize> = sum.batch.iter().map(|axis| axis.extent).collect();
    if let Some(fill) = fill {
        extents.push(items);
        b.parallel(extents.iter().product(), |b, index| {
            let mut batch = b.unflatten(index, &extents);
            let Some(item) = batch.pop() else { return };
            fill.emit(b, (from, x), &batch, item);
            b.serial(0, bundles as i64, |b, bundle| nest.work_item(b, Item { batch, bundle, item }, bundles));
        });
        return Emitted { kernel: b.finish(), operands, in_place };
    }
    extents.extend(if tiling.weights_outer { [bundles, items] } else { [items, bundles] });
    b.parallel(extents.iter().product(), |b, index| {
        let mut coords = b.unflatten(index, &extents);
        let (last, before) = (coords.pop(), coords.pop());
        let (Some(last), Some(before)) = (last, before) else { return };
        let (bundle, item) = if tiling.weights_outer { (before, last) } else { (last, before) };
        nest.work_item(b, Item { batch: coords, bundle, item }, bundles);
    });
    Emitted { kernel: b.finish(), operands, in_place }
}

pub(super) struct Buffers {
    pub(super) x: Buf,
    pub(super) w: Buf,
    pub(super) out: Buf,
    /// Sums of the chunks before, of a whole work item.
    pub(super) partial: Option<Buf>,
    /// Sums of the spans before, of a tile, and the channel blocks of a span.
    pub(super) totals: Option<(Buf, usize)>,
}

pub(super) struct Nest<'a> {
    pub(super) sum: &'a TiledSum,
    pub(super) tiling: &'a Tiling,
    pub(super) tail: &'a Tail,
    pub(super) buffers: Buffers,
    pub(super) segments: Vec<Segment>,
    pub(super) by_columns: bool,
    pub(super) row_count: usize,
    pub(super) chunk: usize,
}

pub(super) struct Item {
    pub(super) batch: Vec<Val>,
    pub(super) bundle: Val,
    pub(super) item: Val,
}

/// The vectors of a bundle, with the valid lanes of those that are not full.
pub(super) struct Bundle {
    pub(super) counts: Vec<Option<i64>>,
}

/// Where an item's loops stand.
pub(super) struct Place<'a> {
    pub(super) item: &'a Item,
    pub(super) bundle: &'a Bundle,
    pub(super) x: Val,
    pub(super) w: Val,
    /// Channel blocks of the chunk, and whether it is the first and the last.
    pub(super) blocks: (Val, Val),
    pub(super) ends: Option<(Val, Val)>,
    /// Output of each row axis.
    pub(super) rows: Vec<Val>,
    /// Rows of the item before this one.
    pub(super) row_in_item: Val,
    /// Column tiles of the item: first and one past the last.
    pub(super) tiles: Option<(Val, Val)>,
}

impl Nest<'_> {
    fn bundle(&self, vectors: usize, last: bool) -> Bundle {
        let rest = self.sum.outputs % self.sum.lanes;
        let masked = last && rest != 0 && (self.sum.w_masked || matches!(self.sum.place, ResultPlace::Rows { .. }));
        let mut counts = vec![None; vectors];
        if let (true, Some(count)) = (masked, counts.last_mut()) {
            *count = Some(rest as i64);
        }
        Bundle { counts }
    }

    fn work_item(&self, b: &mut KernelBuilder, item: Item, bundles: usize) {
        let vectors = self.sum.vectors();
        let nv = self.tiling.nv;
        let (full, tail) = (self.bundle(nv, false), self.bundle(vectors - (bundles - 1) * nv, true));
        if full.counts == tail.counts {
            self.chunks(b, &item, &full);
        } else if bundles == 1 {
            self.chunks(b, &item, &tail);
        } else {
            let last = b.index(bundles as i64 - 1);
            let inner = b.compare(CmpOp::Lt, item.bundle, last);
            b.if_else(inner, |b| self.chunks(b, &item, &full), |b| self.chunks(b, &item, &tail));
        }
    }

    fn chunks(&self, b: &mut KernelBuilder, item: &Item, bundle: &Bundle) {
        let sum = self.sum;
        let mut x_terms = vec![(item.item, -sum.x_item)];
        let mut w_terms = vec![(item.bundle, sum.w_bundle)];
        for (&at, axis) in item.batch.iter().zip(&sum.batch) {
            x_terms.push((at, axis.x_stride));
            w_terms.push((at, axis.w_stride));
        }
        if sum.group_vectors < sum.vectors() {
            let (group, _) = b.div_rem(item.bundle, (sum.group_vectors / self.tiling.nv).max(1) as i64);
            x_terms.push((group, sum.x_group));
        }
        let x = b.address(0, &x_terms);
        let w = b.address(sum.w_first, &w_terms);
        let tiles = self.by_columns.then(|| {
            let begin = b.scale(item.item, self.tiling.tiles as i64);
            (begin, b.offset(begin, self.tiling.tiles as i64))
        });
        let zero = b.index(0);
        let mut place =
            Place { item, bundle, x, w, blocks: (zero, zero), ends: None, rows: vec![], row_in_item: zero, tiles };
        let blocks = sum.channels.blocks();
        if let Some(groups) = sum.mixed_groups {
            place.blocks = self.touched_blocks(b, item, groups);
            return self.rows(b, place);
        }
        if self.chunk >= blocks {
            place.blocks.1 = b.index(blocks as i64);
            return self.rows(b, place);
        }
        let chunks = blocks.div_ceil(self.chunk);
        b.serial(0, chunks as i64, |b, k| {
            let begin = b.scale(k, self.chunk as i64);
            let mut end = b.offset(begin, self.chunk as i64);
            if !blocks.is_multiple_of(self.chunk) {
                let all = b.index(blocks as i64);
                end = b.binary(BinOp::Min, end, all);
            }
            let last = b.index(chunks as i64 - 1);
            let is_first = b.compare(CmpOp::Eq, k, zero);
            let is_last = b.compare(CmpOp::Eq, k, last);
            place.blocks = (begin, end);
            place.ends = Some((is_first, is_last));
            self.rows(b, place);
        });
    }

    /// The channel blocks that the groups of a bundle touch.
    fn touched_blocks(&self, b: &mut KernelBuilder, item: &Item, groups: (usize, usize)) -> (Val, Val) {
        let (outputs, channels) = (groups.0 as i64, groups.1 as i64);
        let block = self.sum.channels.block as i64;
        let width = (self.tiling.nv * self.sum.lanes) as i64;
        let first = b.scale(item.bundle, width);
        let beyond = b.offset(first, width - 1);
        let most = b.index(self.sum.outputs as i64 - 1);
        let last = b.binary(BinOp::Min, beyond, most);
        let (first_group, _) = b.div_rem(first, outputs);
        let (last_group, _) = b.div_rem(last, outputs);
        let begin = b.scale(first_group, channels);
        let end = b.address(channels + block - 1, &[(last_group, channels)]);
        (b.div_rem(begin, block).0, b.div_rem(end, block).0)
    }

    fn rows(&self, b: &mut KernelBuilder, mut place: Place) {
        if self.row_count == 1 {
            place.rows = self.sum.rows.iter().map(|_| b.index(0)).collect();
            return self.columns(b, &place);
        }
        let first = b.scale(place.item.item, self.tiling.rows as i64);
        let mut count = b.index(self.tiling.rows.min(self.row_count) as i64);
        if self.tiling.rows < self.row_count && !self.row_count.is_multiple_of(self.tiling.rows) {
            let all = b.index(self.row_count as i64);
            let left = b.sub(all, first);
            count = b.binary(BinOp::Min, left, count);
        }
        let zero = b.index(0);
        let extents: Vec<usize> = self.sum.rows.iter().map(|r| r.axis.outputs).collect();
        let mut each = |b: &mut KernelBuilder, k: Val| {
            let row = b.add(first, k);
            place.rows = b.unflatten(row, &extents);
            place.row_in_item = k;
            self.columns(b, &place);
        };
        match b.known_index(count) {
            Some(1) => each(b, zero),
            _ => b.for_axis(Axis::Serial, zero, count, 1, each),
        }
    }

    fn columns(&self, b: &mut KernelBuilder, place: &Place) {
        let mut rows: Vec<(RowAxis, (Val, Val))> = vec![];
        let mut x_terms = vec![(place.x, 1)];
        for (&output, row) in place.rows.iter().zip(&self.sum.rows) {
            let start = b.address(row.axis.offset, &[(output, row.axis.step)]);
            rows.push((row.clone(), row.axis.tap_range(b, start)));
            x_terms.push((start, row.x_stride));
        }
        let x_row = b.address(0, &x_terms);
        let mut tiles_before = 0;
        for segment in &self.segments {
            let bounds = self.tile_bounds(b, place, segment, tiles_before);
            tiles_before += segment.tiles;
            let each = |b: &mut KernelBuilder, tile: Val| {
                let first = b.address(segment.first as i64, &[(tile, segment.outputs as i64)]);
                self.tile(b, place, &rows, segment, first, x_row);
            };
            match (b.known_index(bounds.0), b.known_index(bounds.1)) {
                (Some(begin), Some(end)) => b.serial(begin, end, each),
                _ => b.for_axis(Axis::Serial, bounds.0, bounds.1, 1, each),
            }
        }
    }

    /// The tiles of a segment that belong to the work item.
    fn tile_bounds(&self, b: &mut KernelBuilder, place: &Place, segment: &Segment, before: usize) -> (Val, Val) {
        let (zero, all) = (b.index(0), b.index(segment.tiles as i64));
        let Some((begin, end)) = place.tiles else { return (zero, all) };
        let mut clamp = |value: Val| {
            let value = b.offset(value, -(before as i64));
            let value = b.binary(BinOp::Max, value, zero);
            b.binary(BinOp::Min, value, all)
        };
        (clamp(begin), clamp(end))
    }
}
